// Memories of residual: one word for each first index, which is read in one cycle.
#pragma once

#include <cstdint>

static const std::int8_t mem_conv0_weights[6][2][2] = {
  {{2, -3}, {3, 1}}, {{-2, -2}, {-3, -3}}, {{-2, 2}, {-1, 0}}, {{1, 0}, {-3, -3}}, {{-2, -2}, {0, -1}}, {{1, 2}, {3, 0}}
};

static const std::int16_t mem_conv0_bias[2][2] = {
  {-312, -312}, {-312, -312}
};

static const std::uint8_t no_classes[1] = {
  0
};

static const std::uint8_t mem_act0_descending[2][2] = {
  {0, 0}, {0, 0}
};

static const std::int16_t mem_act0_thresholds_0[2][2] = {
  {-3, 3}, {11, -8}
};

static const std::int16_t mem_act0_thresholds_1[4][2] = {
  {-4, -14}, {6, 9}, {10, -9}, {18, 5}
};

static const std::int8_t mem_conv1a_weights[6][2][4] = {
  {{1, 1, 3, -1}, {-3, 3, 1, 1}}, {{3, -3, -3, 3}, {-2, 0, -2, 2}}, {{3, -1, -3, -1}, {0, -3, -2, 1}}, {{0, -1, -2, -3},
  {-2, -1, 0, 2}}, {{1, 1, 0, 3}, {-1, 2, 1, -2}}, {{3, -2, 1, 1}, {-1, 2, 2, 1}}
};

static const std::int16_t mem_conv1a_bias[2][2] = {
  {-144, -144}, {-144, -144}
};

static const std::uint8_t mem_act1a_descending[2][2] = {
  {0, 0}, {0, 0}
};

static const std::int8_t mem_act1a_thresholds_0[2][2] = {
  {-11, 12}, {10, -5}
};

static const std::int8_t mem_act1a_thresholds_1[4][2] = {
  {-20, -3}, {7, 16}, {-7, -16}, {18, 15}
};

static const std::int8_t mem_conv1b_weights[6][2][4] = {
  {{1, 2, 1, -1}, {1, 3, -2, -2}}, {{3, 0, -1, -2}, {0, 0, -1, -1}}, {{-2, 1, 2, -1}, {-3, 1, 3, -2}}, {{2, -2, -3, 2},
  {-2, 2, 1, -2}}, {{-2, 2, -1, 0}, {3, 3, 3, 1}}, {{3, 3, 0, -2}, {3, 1, 0, 3}}
};

static const std::int16_t mem_conv1b_bias[2][2] = {
  {-144, -144}, {-144, -144}
};

static const std::uint8_t mem_act1b_descending[2][2] = {
  {0, 0}, {0, 0}
};

static const std::int8_t mem_act1b_thresholds_0[2][2] = {
  {4, 11}, {-6, -13}
};

static const std::int8_t mem_act1b_thresholds_1[4][2] = {
  {-7, -18}, {11, 18}, {-18, -17}, {1, -10}
};

static const std::uint8_t mem_sum1_descending[1][2] = {
  {0, 0}
};

static const std::uint8_t mem_sum1_thresholds_0[1][2] = {
  {3, 3}
};

static const std::uint8_t mem_sum1_thresholds_1[2][2] = {
  {1, 1}, {5, 5}
};

static const std::int8_t mem_conv2a_weights[6][2][4] = {
  {{2, -2, 1, 3}, {0, 3, 3, 1}}, {{0, -3, -3, -1}, {-3, -2, 2, 0}}, {{-1, 0, -1, 2}, {3, 1, 2, -3}}, {{-1, 1, 1, -1},
  {-1, 0, 1, -2}}, {{-2, 1, -3, 1}, {-3, 0, 1, -3}}, {{2, 1, -3, 0}, {3, 0, 3, 0}}
};

static const std::int16_t mem_conv2a_bias[2][2] = {
  {-144, -144}, {-144, -144}
};

static const std::uint8_t mem_act2a_descending[2][2] = {
  {0, 0}, {0, 0}
};

static const std::int8_t mem_act2a_thresholds_0[2][2] = {
  {9, -5}, {1, -12}
};

static const std::int8_t mem_act2a_thresholds_1[4][2] = {
  {-1, -20}, {10, 6}, {-15, -19}, {4, 9}
};

static const std::int8_t mem_conv2b_weights[6][2][4] = {
  {{1, -1, 3, -1}, {0, 0, -3, -3}}, {{-1, 3, -3, -1}, {-1, 0, -3, 3}}, {{-3, -1, 2, -1}, {2, 0, 2, 2}}, {{-3, 3, -3, 2},
  {0, 0, 3, -1}}, {{2, 2, -3, 2}, {-1, -2, 0, 1}}, {{3, 2, 1, -2}, {0, -1, 0, 1}}
};

static const std::int16_t mem_conv2b_bias[2][2] = {
  {-144, -144}, {-144, -144}
};

static const std::uint8_t mem_act2b_descending[2][2] = {
  {0, 0}, {0, 0}
};

static const std::int8_t mem_act2b_thresholds_0[2][2] = {
  {3, -3}, {-5, 8}
};

static const std::int8_t mem_act2b_thresholds_1[4][2] = {
  {-14, -16}, {8, 4}, {-8, -17}, {17, 14}
};

static const std::uint8_t mem_sum2_descending[1][2] = {
  {0, 0}
};

static const std::uint8_t mem_sum2_thresholds_0[1][2] = {
  {3, 3}
};

static const std::uint8_t mem_sum2_thresholds_1[2][2] = {
  {1, 1}, {5, 5}
};

static const std::int8_t mem_fc_weights[3][1][4] = {
  {{-3, -2, -1, 0}}, {{0, -1, 3, 1}}, {{-2, -1, -2, -2}}
};

static const std::int16_t mem_fc_bias[3][1] = {
  {-1008}, {-1008}, {-1008}
};
