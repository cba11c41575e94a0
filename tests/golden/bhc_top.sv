// residual: 47 stages, 96 cycles a window.
// s_axis: 16 beats a window of 2 x 4 bits, lane 0 lowest; tlast is ignored.
// m_axis: 3 beats a window of 1 x 10 bits, lane 0 lowest; tlast ends a window.
module bhc_top (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic [7:0] s_axis_tdata,
  input  logic s_axis_tvalid,
  output logic s_axis_tready,
  input  logic s_axis_tlast,
  output logic [15:0] m_axis_tdata,
  output logic m_axis_tvalid,
  input  logic m_axis_tready,
  output logic m_axis_tlast
);
  // in: 2 x signed4, 16 beats = input
  logic s_in_valid, s_in_ready;
  logic [7:0] s_in_data;
  // in_q: 2 x signed4, 16 beats
  logic s_in_q_valid, s_in_q_ready;
  logic [7:0] s_in_q_data;
  // conv0: 2 x signed8, 32 beats = conv0
  logic s_conv0_valid, s_conv0_ready;
  logic [15:0] s_conv0_data;
  // conv0_window: 2 x signed4, 96 beats
  logic s_conv0_window_valid, s_conv0_window_ready;
  logic [7:0] s_conv0_window_data;
  // conv0_q: 2 x signed8, 32 beats
  logic s_conv0_q_valid, s_conv0_q_ready;
  logic [15:0] s_conv0_q_data;
  // act0: 2 x unsigned2, 32 beats = act0
  logic s_act0_valid, s_act0_ready;
  logic [3:0] s_act0_data;
  // act0_0: 2 x unsigned2, 32 beats
  logic s_act0_0_valid, s_act0_0_ready;
  logic [3:0] s_act0_0_data;
  // act0_1: 2 x unsigned2, 32 beats
  logic s_act0_1_valid, s_act0_1_ready;
  logic [3:0] s_act0_1_data;
  // act0_0_q: 2 x unsigned2, 32 beats
  logic s_act0_0_q_valid, s_act0_0_q_ready;
  logic [3:0] s_act0_0_q_data;
  // act0_1_q: 2 x unsigned2, 32 beats
  logic s_act0_1_q_valid, s_act0_1_q_ready;
  logic [3:0] s_act0_1_q_data;
  // conv1a_in_width: 4 x unsigned2, 16 beats
  logic s_conv1a_in_width_valid, s_conv1a_in_width_ready;
  logic [7:0] s_conv1a_in_width_data;
  // conv1a: 2 x signed7, 32 beats = conv1a
  logic s_conv1a_valid, s_conv1a_ready;
  logic [13:0] s_conv1a_data;
  // conv1a_window: 4 x unsigned2, 96 beats
  logic s_conv1a_window_valid, s_conv1a_window_ready;
  logic [7:0] s_conv1a_window_data;
  // conv1a_q: 2 x signed7, 32 beats
  logic s_conv1a_q_valid, s_conv1a_q_ready;
  logic [13:0] s_conv1a_q_data;
  // act1a: 2 x unsigned2, 32 beats = act1a
  logic s_act1a_valid, s_act1a_ready;
  logic [3:0] s_act1a_data;
  // act1a_q: 2 x unsigned2, 32 beats
  logic s_act1a_q_valid, s_act1a_q_ready;
  logic [3:0] s_act1a_q_data;
  // conv1b_in_width: 4 x unsigned2, 16 beats
  logic s_conv1b_in_width_valid, s_conv1b_in_width_ready;
  logic [7:0] s_conv1b_in_width_data;
  // conv1b: 2 x signed7, 32 beats = conv1b
  logic s_conv1b_valid, s_conv1b_ready;
  logic [13:0] s_conv1b_data;
  // conv1b_window: 4 x unsigned2, 96 beats
  logic s_conv1b_window_valid, s_conv1b_window_ready;
  logic [7:0] s_conv1b_window_data;
  // conv1b_q: 2 x signed7, 32 beats
  logic s_conv1b_q_valid, s_conv1b_q_ready;
  logic [13:0] s_conv1b_q_data;
  // act1b: 2 x unsigned2, 32 beats = act1b
  logic s_act1b_valid, s_act1b_ready;
  logic [3:0] s_act1b_data;
  // act1b_q: 2 x unsigned2, 32 beats
  logic s_act1b_q_valid, s_act1b_q_ready;
  logic [3:0] s_act1b_q_data;
  // add1: 2 x unsigned3, 32 beats = add1
  logic s_add1_valid, s_add1_ready;
  logic [5:0] s_add1_data;
  // add1_q: 2 x unsigned3, 32 beats
  logic s_add1_q_valid, s_add1_q_ready;
  logic [5:0] s_add1_q_data;
  // sum1: 2 x unsigned2, 32 beats = sum1
  logic s_sum1_valid, s_sum1_ready;
  logic [3:0] s_sum1_data;
  // sum1_0: 2 x unsigned2, 32 beats
  logic s_sum1_0_valid, s_sum1_0_ready;
  logic [3:0] s_sum1_0_data;
  // sum1_1: 2 x unsigned2, 32 beats
  logic s_sum1_1_valid, s_sum1_1_ready;
  logic [3:0] s_sum1_1_data;
  // sum1_0_q: 2 x unsigned2, 32 beats
  logic s_sum1_0_q_valid, s_sum1_0_q_ready;
  logic [3:0] s_sum1_0_q_data;
  // sum1_1_q: 2 x unsigned2, 32 beats
  logic s_sum1_1_q_valid, s_sum1_1_q_ready;
  logic [3:0] s_sum1_1_q_data;
  // conv2a_in_width: 4 x unsigned2, 16 beats
  logic s_conv2a_in_width_valid, s_conv2a_in_width_ready;
  logic [7:0] s_conv2a_in_width_data;
  // conv2a: 2 x signed7, 32 beats = conv2a
  logic s_conv2a_valid, s_conv2a_ready;
  logic [13:0] s_conv2a_data;
  // conv2a_window: 4 x unsigned2, 96 beats
  logic s_conv2a_window_valid, s_conv2a_window_ready;
  logic [7:0] s_conv2a_window_data;
  // conv2a_q: 2 x signed7, 32 beats
  logic s_conv2a_q_valid, s_conv2a_q_ready;
  logic [13:0] s_conv2a_q_data;
  // act2a: 2 x unsigned2, 32 beats = act2a
  logic s_act2a_valid, s_act2a_ready;
  logic [3:0] s_act2a_data;
  // act2a_q: 2 x unsigned2, 32 beats
  logic s_act2a_q_valid, s_act2a_q_ready;
  logic [3:0] s_act2a_q_data;
  // conv2b_in_width: 4 x unsigned2, 16 beats
  logic s_conv2b_in_width_valid, s_conv2b_in_width_ready;
  logic [7:0] s_conv2b_in_width_data;
  // conv2b: 2 x signed7, 32 beats = conv2b
  logic s_conv2b_valid, s_conv2b_ready;
  logic [13:0] s_conv2b_data;
  // conv2b_window: 4 x unsigned2, 96 beats
  logic s_conv2b_window_valid, s_conv2b_window_ready;
  logic [7:0] s_conv2b_window_data;
  // conv2b_q: 2 x signed7, 32 beats
  logic s_conv2b_q_valid, s_conv2b_q_ready;
  logic [13:0] s_conv2b_q_data;
  // act2b: 2 x unsigned2, 32 beats = act2b
  logic s_act2b_valid, s_act2b_ready;
  logic [3:0] s_act2b_data;
  // act2b_q: 2 x unsigned2, 32 beats
  logic s_act2b_q_valid, s_act2b_q_ready;
  logic [3:0] s_act2b_q_data;
  // add2: 2 x unsigned3, 32 beats = add2
  logic s_add2_valid, s_add2_ready;
  logic [5:0] s_add2_data;
  // add2_q: 2 x unsigned3, 32 beats
  logic s_add2_q_valid, s_add2_q_ready;
  logic [5:0] s_add2_q_data;
  // sum2: 2 x unsigned2, 32 beats = sum2
  logic s_sum2_valid, s_sum2_ready;
  logic [3:0] s_sum2_data;
  // sum2_q: 2 x unsigned2, 32 beats
  logic s_sum2_q_valid, s_sum2_q_ready;
  logic [3:0] s_sum2_q_data;
  // gap: 2 x unsigned6, 2 beats = gap
  logic s_gap_valid, s_gap_ready;
  logic [11:0] s_gap_data;
  // gap_q: 2 x unsigned6, 2 beats
  logic s_gap_q_valid, s_gap_q_ready;
  logic [11:0] s_gap_q_data;
  // fc_in_width: 4 x unsigned6, 1 beats
  logic s_fc_in_width_valid, s_fc_in_width_ready;
  logic [23:0] s_fc_in_width_data;
  // fc: 1 x signed10, 3 beats = fc
  logic s_fc_valid, s_fc_ready;
  logic [9:0] s_fc_data;
  // fc_q: 1 x signed10, 3 beats
  logic s_fc_q_valid, s_fc_q_ready;
  logic [9:0] s_fc_q_data;

  assign s_in_valid = s_axis_tvalid;
  assign s_axis_tready = s_in_ready;
  assign s_in_data = s_axis_tdata[7:0];
  logic unused;
  assign unused = s_axis_tlast;

  bhc_fifo #(
    .Width(8),
    .Depth(2),
    .Style(1)
  ) u_in_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_in_valid),
    .in_ready_o(s_in_ready),
    .in_data_i(s_in_data),
    .out_valid_o(s_in_q_valid),
    .out_ready_i(s_in_q_ready),
    .out_data_o(s_in_q_data)
  );

  bhc_window #(
    .Bits(4),
    .Lanes(2),
    .Chunks(1),
    .Groups(1),
    .H(16),
    .W(1),
    .KH(3),
    .KW(1),
    .SH(1),
    .SW(1),
    .DH(1),
    .DW(1),
    .PT(1),
    .PL(0),
    .OH(16),
    .OW(1),
    .Replays(2),
    .ChunkMajor(0),
    .Rows(6),
    .Endless(0),
    .PadWord(0),
    .Style(1)
  ) u_conv0_window (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_in_q_valid),
    .in_ready_o(s_in_q_ready),
    .in_data_i(s_in_q_data),
    .out_valid_o(s_conv0_window_valid),
    .out_ready_i(s_conv0_window_ready),
    .out_data_o(s_conv0_window_data)
  );

  bhc_mvu #(
    .XBits(4),
    .XKind(1),
    .WBits(3),
    .WKind(1),
    .Simd(2),
    .Pe(2),
    .Sf(3),
    .Nf(2),
    .InputStationary(0),
    .Positions(16),
    .Classes(1),
    .AccBits(10),
    .Shift(0),
    .SignOut(0),
    .OutBits(8),
    .DotStages(1),
    .Group(1),
    .WeightsStyle(1),
    .WeightsFile("mem/conv0_weights.hex"),
    .BiasStyle(1),
    .BiasFile("mem/conv0_bias.hex")
  ) u_conv0 (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv0_window_valid),
    .in_ready_o(s_conv0_window_ready),
    .in_data_i(s_conv0_window_data),
    .out_valid_o(s_conv0_valid),
    .out_ready_i(s_conv0_ready),
    .out_data_o(s_conv0_data)
  );

  bhc_fifo #(
    .Width(16),
    .Depth(2),
    .Style(1)
  ) u_conv0_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv0_valid),
    .in_ready_o(s_conv0_ready),
    .in_data_i(s_conv0_data),
    .out_valid_o(s_conv0_q_valid),
    .out_ready_i(s_conv0_q_ready),
    .out_data_o(s_conv0_q_data)
  );

  bhc_threshold #(
    .Lanes(2),
    .Chunks(2),
    .InBits(8),
    .InKind(1),
    .Stages(2),
    .OutBits(2),
    .Base(0),
    .AnyDescending(0),
    .ThresholdsStyle(1),
    .ThresholdsFile("mem/act0_thresholds")
  ) u_act0 (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv0_q_valid),
    .in_ready_o(s_conv0_q_ready),
    .in_data_i(s_conv0_q_data),
    .out_valid_o(s_act0_valid),
    .out_ready_i(s_act0_ready),
    .out_data_o(s_act0_data)
  );

  bhc_fork #(
    .Width(4),
    .Sinks(2)
  ) u_act0_fork (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act0_valid),
    .in_ready_o(s_act0_ready),
    .in_data_i(s_act0_data),
    .out_valid_o({s_act0_1_valid, s_act0_0_valid}),
    .out_ready_i({s_act0_1_ready, s_act0_0_ready}),
    .out_data_o(s_act0_0_data)
  );
  assign s_act0_1_data = s_act0_0_data;

  bhc_fifo #(
    .Width(4),
    .Depth(2),
    .Style(1)
  ) u_act0_0_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act0_0_valid),
    .in_ready_o(s_act0_0_ready),
    .in_data_i(s_act0_0_data),
    .out_valid_o(s_act0_0_q_valid),
    .out_ready_i(s_act0_0_q_ready),
    .out_data_o(s_act0_0_q_data)
  );

  bhc_fifo #(
    .Width(4),
    .Depth(17),
    .Style(1)
  ) u_act0_1_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act0_1_valid),
    .in_ready_o(s_act0_1_ready),
    .in_data_i(s_act0_1_data),
    .out_valid_o(s_act0_1_q_valid),
    .out_ready_i(s_act0_1_q_ready),
    .out_data_o(s_act0_1_q_data)
  );

  bhc_width #(
    .Bits(2),
    .InLanes(2),
    .OutLanes(4)
  ) u_conv1a_in_width (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act0_0_q_valid),
    .in_ready_o(s_act0_0_q_ready),
    .in_data_i(s_act0_0_q_data),
    .out_valid_o(s_conv1a_in_width_valid),
    .out_ready_i(s_conv1a_in_width_ready),
    .out_data_o(s_conv1a_in_width_data)
  );

  bhc_window #(
    .Bits(2),
    .Lanes(4),
    .Chunks(1),
    .Groups(1),
    .H(16),
    .W(1),
    .KH(3),
    .KW(1),
    .SH(1),
    .SW(1),
    .DH(1),
    .DW(1),
    .PT(1),
    .PL(0),
    .OH(16),
    .OW(1),
    .Replays(2),
    .ChunkMajor(0),
    .Rows(6),
    .Endless(0),
    .PadWord(0),
    .Style(1)
  ) u_conv1a_window (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv1a_in_width_valid),
    .in_ready_o(s_conv1a_in_width_ready),
    .in_data_i(s_conv1a_in_width_data),
    .out_valid_o(s_conv1a_window_valid),
    .out_ready_i(s_conv1a_window_ready),
    .out_data_o(s_conv1a_window_data)
  );

  bhc_mvu #(
    .XBits(2),
    .XKind(0),
    .WBits(3),
    .WKind(1),
    .Simd(4),
    .Pe(2),
    .Sf(3),
    .Nf(2),
    .InputStationary(0),
    .Positions(16),
    .Classes(1),
    .AccBits(9),
    .Shift(0),
    .SignOut(0),
    .OutBits(7),
    .DotStages(1),
    .Group(1),
    .WeightsStyle(1),
    .WeightsFile("mem/conv1a_weights.hex"),
    .BiasStyle(1),
    .BiasFile("mem/conv1a_bias.hex")
  ) u_conv1a (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv1a_window_valid),
    .in_ready_o(s_conv1a_window_ready),
    .in_data_i(s_conv1a_window_data),
    .out_valid_o(s_conv1a_valid),
    .out_ready_i(s_conv1a_ready),
    .out_data_o(s_conv1a_data)
  );

  bhc_fifo #(
    .Width(14),
    .Depth(2),
    .Style(1)
  ) u_conv1a_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv1a_valid),
    .in_ready_o(s_conv1a_ready),
    .in_data_i(s_conv1a_data),
    .out_valid_o(s_conv1a_q_valid),
    .out_ready_i(s_conv1a_q_ready),
    .out_data_o(s_conv1a_q_data)
  );

  bhc_threshold #(
    .Lanes(2),
    .Chunks(2),
    .InBits(7),
    .InKind(1),
    .Stages(2),
    .OutBits(2),
    .Base(0),
    .AnyDescending(0),
    .ThresholdsStyle(1),
    .ThresholdsFile("mem/act1a_thresholds")
  ) u_act1a (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv1a_q_valid),
    .in_ready_o(s_conv1a_q_ready),
    .in_data_i(s_conv1a_q_data),
    .out_valid_o(s_act1a_valid),
    .out_ready_i(s_act1a_ready),
    .out_data_o(s_act1a_data)
  );

  bhc_fifo #(
    .Width(4),
    .Depth(2),
    .Style(1)
  ) u_act1a_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act1a_valid),
    .in_ready_o(s_act1a_ready),
    .in_data_i(s_act1a_data),
    .out_valid_o(s_act1a_q_valid),
    .out_ready_i(s_act1a_q_ready),
    .out_data_o(s_act1a_q_data)
  );

  bhc_width #(
    .Bits(2),
    .InLanes(2),
    .OutLanes(4)
  ) u_conv1b_in_width (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act1a_q_valid),
    .in_ready_o(s_act1a_q_ready),
    .in_data_i(s_act1a_q_data),
    .out_valid_o(s_conv1b_in_width_valid),
    .out_ready_i(s_conv1b_in_width_ready),
    .out_data_o(s_conv1b_in_width_data)
  );

  bhc_window #(
    .Bits(2),
    .Lanes(4),
    .Chunks(1),
    .Groups(1),
    .H(16),
    .W(1),
    .KH(3),
    .KW(1),
    .SH(1),
    .SW(1),
    .DH(1),
    .DW(1),
    .PT(1),
    .PL(0),
    .OH(16),
    .OW(1),
    .Replays(2),
    .ChunkMajor(0),
    .Rows(6),
    .Endless(0),
    .PadWord(0),
    .Style(1)
  ) u_conv1b_window (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv1b_in_width_valid),
    .in_ready_o(s_conv1b_in_width_ready),
    .in_data_i(s_conv1b_in_width_data),
    .out_valid_o(s_conv1b_window_valid),
    .out_ready_i(s_conv1b_window_ready),
    .out_data_o(s_conv1b_window_data)
  );

  bhc_mvu #(
    .XBits(2),
    .XKind(0),
    .WBits(3),
    .WKind(1),
    .Simd(4),
    .Pe(2),
    .Sf(3),
    .Nf(2),
    .InputStationary(0),
    .Positions(16),
    .Classes(1),
    .AccBits(9),
    .Shift(0),
    .SignOut(0),
    .OutBits(7),
    .DotStages(1),
    .Group(1),
    .WeightsStyle(1),
    .WeightsFile("mem/conv1b_weights.hex"),
    .BiasStyle(1),
    .BiasFile("mem/conv1b_bias.hex")
  ) u_conv1b (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv1b_window_valid),
    .in_ready_o(s_conv1b_window_ready),
    .in_data_i(s_conv1b_window_data),
    .out_valid_o(s_conv1b_valid),
    .out_ready_i(s_conv1b_ready),
    .out_data_o(s_conv1b_data)
  );

  bhc_fifo #(
    .Width(14),
    .Depth(2),
    .Style(1)
  ) u_conv1b_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv1b_valid),
    .in_ready_o(s_conv1b_ready),
    .in_data_i(s_conv1b_data),
    .out_valid_o(s_conv1b_q_valid),
    .out_ready_i(s_conv1b_q_ready),
    .out_data_o(s_conv1b_q_data)
  );

  bhc_threshold #(
    .Lanes(2),
    .Chunks(2),
    .InBits(7),
    .InKind(1),
    .Stages(2),
    .OutBits(2),
    .Base(0),
    .AnyDescending(0),
    .ThresholdsStyle(1),
    .ThresholdsFile("mem/act1b_thresholds")
  ) u_act1b (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv1b_q_valid),
    .in_ready_o(s_conv1b_q_ready),
    .in_data_i(s_conv1b_q_data),
    .out_valid_o(s_act1b_valid),
    .out_ready_i(s_act1b_ready),
    .out_data_o(s_act1b_data)
  );

  bhc_fifo #(
    .Width(4),
    .Depth(3),
    .Style(1)
  ) u_act1b_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act1b_valid),
    .in_ready_o(s_act1b_ready),
    .in_data_i(s_act1b_data),
    .out_valid_o(s_act1b_q_valid),
    .out_ready_i(s_act1b_q_ready),
    .out_data_o(s_act1b_q_data)
  );

  bhc_add #(
    .Lanes(2),
    .ABits(2),
    .AKind(0),
    .BBits(2),
    .BKind(0),
    .OutBits(3)
  ) u_add1 (
    .clk_i,
    .rst_ni,
    .a_valid_i(s_act0_1_q_valid),
    .a_ready_o(s_act0_1_q_ready),
    .a_data_i(s_act0_1_q_data),
    .b_valid_i(s_act1b_q_valid),
    .b_ready_o(s_act1b_q_ready),
    .b_data_i(s_act1b_q_data),
    .out_valid_o(s_add1_valid),
    .out_ready_i(s_add1_ready),
    .out_data_o(s_add1_data)
  );

  bhc_fifo #(
    .Width(6),
    .Depth(2),
    .Style(1)
  ) u_add1_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_add1_valid),
    .in_ready_o(s_add1_ready),
    .in_data_i(s_add1_data),
    .out_valid_o(s_add1_q_valid),
    .out_ready_i(s_add1_q_ready),
    .out_data_o(s_add1_q_data)
  );

  bhc_threshold #(
    .Lanes(2),
    .Chunks(1),
    .InBits(3),
    .InKind(0),
    .Stages(2),
    .OutBits(2),
    .Base(0),
    .AnyDescending(0),
    .ThresholdsStyle(1),
    .ThresholdsInit(24'h551133)
  ) u_sum1 (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_add1_q_valid),
    .in_ready_o(s_add1_q_ready),
    .in_data_i(s_add1_q_data),
    .out_valid_o(s_sum1_valid),
    .out_ready_i(s_sum1_ready),
    .out_data_o(s_sum1_data)
  );

  bhc_fork #(
    .Width(4),
    .Sinks(2)
  ) u_sum1_fork (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_sum1_valid),
    .in_ready_o(s_sum1_ready),
    .in_data_i(s_sum1_data),
    .out_valid_o({s_sum1_1_valid, s_sum1_0_valid}),
    .out_ready_i({s_sum1_1_ready, s_sum1_0_ready}),
    .out_data_o(s_sum1_0_data)
  );
  assign s_sum1_1_data = s_sum1_0_data;

  bhc_fifo #(
    .Width(4),
    .Depth(2),
    .Style(1)
  ) u_sum1_0_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_sum1_0_valid),
    .in_ready_o(s_sum1_0_ready),
    .in_data_i(s_sum1_0_data),
    .out_valid_o(s_sum1_0_q_valid),
    .out_ready_i(s_sum1_0_q_ready),
    .out_data_o(s_sum1_0_q_data)
  );

  bhc_fifo #(
    .Width(4),
    .Depth(17),
    .Style(1)
  ) u_sum1_1_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_sum1_1_valid),
    .in_ready_o(s_sum1_1_ready),
    .in_data_i(s_sum1_1_data),
    .out_valid_o(s_sum1_1_q_valid),
    .out_ready_i(s_sum1_1_q_ready),
    .out_data_o(s_sum1_1_q_data)
  );

  bhc_width #(
    .Bits(2),
    .InLanes(2),
    .OutLanes(4)
  ) u_conv2a_in_width (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_sum1_0_q_valid),
    .in_ready_o(s_sum1_0_q_ready),
    .in_data_i(s_sum1_0_q_data),
    .out_valid_o(s_conv2a_in_width_valid),
    .out_ready_i(s_conv2a_in_width_ready),
    .out_data_o(s_conv2a_in_width_data)
  );

  bhc_window #(
    .Bits(2),
    .Lanes(4),
    .Chunks(1),
    .Groups(1),
    .H(16),
    .W(1),
    .KH(3),
    .KW(1),
    .SH(1),
    .SW(1),
    .DH(1),
    .DW(1),
    .PT(1),
    .PL(0),
    .OH(16),
    .OW(1),
    .Replays(2),
    .ChunkMajor(0),
    .Rows(6),
    .Endless(0),
    .PadWord(0),
    .Style(1)
  ) u_conv2a_window (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv2a_in_width_valid),
    .in_ready_o(s_conv2a_in_width_ready),
    .in_data_i(s_conv2a_in_width_data),
    .out_valid_o(s_conv2a_window_valid),
    .out_ready_i(s_conv2a_window_ready),
    .out_data_o(s_conv2a_window_data)
  );

  bhc_mvu #(
    .XBits(2),
    .XKind(0),
    .WBits(3),
    .WKind(1),
    .Simd(4),
    .Pe(2),
    .Sf(3),
    .Nf(2),
    .InputStationary(0),
    .Positions(16),
    .Classes(1),
    .AccBits(9),
    .Shift(0),
    .SignOut(0),
    .OutBits(7),
    .DotStages(1),
    .Group(1),
    .WeightsStyle(1),
    .WeightsFile("mem/conv2a_weights.hex"),
    .BiasStyle(1),
    .BiasFile("mem/conv2a_bias.hex")
  ) u_conv2a (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv2a_window_valid),
    .in_ready_o(s_conv2a_window_ready),
    .in_data_i(s_conv2a_window_data),
    .out_valid_o(s_conv2a_valid),
    .out_ready_i(s_conv2a_ready),
    .out_data_o(s_conv2a_data)
  );

  bhc_fifo #(
    .Width(14),
    .Depth(2),
    .Style(1)
  ) u_conv2a_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv2a_valid),
    .in_ready_o(s_conv2a_ready),
    .in_data_i(s_conv2a_data),
    .out_valid_o(s_conv2a_q_valid),
    .out_ready_i(s_conv2a_q_ready),
    .out_data_o(s_conv2a_q_data)
  );

  bhc_threshold #(
    .Lanes(2),
    .Chunks(2),
    .InBits(7),
    .InKind(1),
    .Stages(2),
    .OutBits(2),
    .Base(0),
    .AnyDescending(0),
    .ThresholdsStyle(1),
    .ThresholdsFile("mem/act2a_thresholds")
  ) u_act2a (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv2a_q_valid),
    .in_ready_o(s_conv2a_q_ready),
    .in_data_i(s_conv2a_q_data),
    .out_valid_o(s_act2a_valid),
    .out_ready_i(s_act2a_ready),
    .out_data_o(s_act2a_data)
  );

  bhc_fifo #(
    .Width(4),
    .Depth(2),
    .Style(1)
  ) u_act2a_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act2a_valid),
    .in_ready_o(s_act2a_ready),
    .in_data_i(s_act2a_data),
    .out_valid_o(s_act2a_q_valid),
    .out_ready_i(s_act2a_q_ready),
    .out_data_o(s_act2a_q_data)
  );

  bhc_width #(
    .Bits(2),
    .InLanes(2),
    .OutLanes(4)
  ) u_conv2b_in_width (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act2a_q_valid),
    .in_ready_o(s_act2a_q_ready),
    .in_data_i(s_act2a_q_data),
    .out_valid_o(s_conv2b_in_width_valid),
    .out_ready_i(s_conv2b_in_width_ready),
    .out_data_o(s_conv2b_in_width_data)
  );

  bhc_window #(
    .Bits(2),
    .Lanes(4),
    .Chunks(1),
    .Groups(1),
    .H(16),
    .W(1),
    .KH(3),
    .KW(1),
    .SH(1),
    .SW(1),
    .DH(1),
    .DW(1),
    .PT(1),
    .PL(0),
    .OH(16),
    .OW(1),
    .Replays(2),
    .ChunkMajor(0),
    .Rows(6),
    .Endless(0),
    .PadWord(0),
    .Style(1)
  ) u_conv2b_window (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv2b_in_width_valid),
    .in_ready_o(s_conv2b_in_width_ready),
    .in_data_i(s_conv2b_in_width_data),
    .out_valid_o(s_conv2b_window_valid),
    .out_ready_i(s_conv2b_window_ready),
    .out_data_o(s_conv2b_window_data)
  );

  bhc_mvu #(
    .XBits(2),
    .XKind(0),
    .WBits(3),
    .WKind(1),
    .Simd(4),
    .Pe(2),
    .Sf(3),
    .Nf(2),
    .InputStationary(0),
    .Positions(16),
    .Classes(1),
    .AccBits(9),
    .Shift(0),
    .SignOut(0),
    .OutBits(7),
    .DotStages(1),
    .Group(1),
    .WeightsStyle(1),
    .WeightsFile("mem/conv2b_weights.hex"),
    .BiasStyle(1),
    .BiasFile("mem/conv2b_bias.hex")
  ) u_conv2b (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv2b_window_valid),
    .in_ready_o(s_conv2b_window_ready),
    .in_data_i(s_conv2b_window_data),
    .out_valid_o(s_conv2b_valid),
    .out_ready_i(s_conv2b_ready),
    .out_data_o(s_conv2b_data)
  );

  bhc_fifo #(
    .Width(14),
    .Depth(2),
    .Style(1)
  ) u_conv2b_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv2b_valid),
    .in_ready_o(s_conv2b_ready),
    .in_data_i(s_conv2b_data),
    .out_valid_o(s_conv2b_q_valid),
    .out_ready_i(s_conv2b_q_ready),
    .out_data_o(s_conv2b_q_data)
  );

  bhc_threshold #(
    .Lanes(2),
    .Chunks(2),
    .InBits(7),
    .InKind(1),
    .Stages(2),
    .OutBits(2),
    .Base(0),
    .AnyDescending(0),
    .ThresholdsStyle(1),
    .ThresholdsFile("mem/act2b_thresholds")
  ) u_act2b (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_conv2b_q_valid),
    .in_ready_o(s_conv2b_q_ready),
    .in_data_i(s_conv2b_q_data),
    .out_valid_o(s_act2b_valid),
    .out_ready_i(s_act2b_ready),
    .out_data_o(s_act2b_data)
  );

  bhc_fifo #(
    .Width(4),
    .Depth(3),
    .Style(1)
  ) u_act2b_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_act2b_valid),
    .in_ready_o(s_act2b_ready),
    .in_data_i(s_act2b_data),
    .out_valid_o(s_act2b_q_valid),
    .out_ready_i(s_act2b_q_ready),
    .out_data_o(s_act2b_q_data)
  );

  bhc_add #(
    .Lanes(2),
    .ABits(2),
    .AKind(0),
    .BBits(2),
    .BKind(0),
    .OutBits(3)
  ) u_add2 (
    .clk_i,
    .rst_ni,
    .a_valid_i(s_sum1_1_q_valid),
    .a_ready_o(s_sum1_1_q_ready),
    .a_data_i(s_sum1_1_q_data),
    .b_valid_i(s_act2b_q_valid),
    .b_ready_o(s_act2b_q_ready),
    .b_data_i(s_act2b_q_data),
    .out_valid_o(s_add2_valid),
    .out_ready_i(s_add2_ready),
    .out_data_o(s_add2_data)
  );

  bhc_fifo #(
    .Width(6),
    .Depth(2),
    .Style(1)
  ) u_add2_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_add2_valid),
    .in_ready_o(s_add2_ready),
    .in_data_i(s_add2_data),
    .out_valid_o(s_add2_q_valid),
    .out_ready_i(s_add2_q_ready),
    .out_data_o(s_add2_q_data)
  );

  bhc_threshold #(
    .Lanes(2),
    .Chunks(1),
    .InBits(3),
    .InKind(0),
    .Stages(2),
    .OutBits(2),
    .Base(0),
    .AnyDescending(0),
    .ThresholdsStyle(1),
    .ThresholdsInit(24'h551133)
  ) u_sum2 (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_add2_q_valid),
    .in_ready_o(s_add2_q_ready),
    .in_data_i(s_add2_q_data),
    .out_valid_o(s_sum2_valid),
    .out_ready_i(s_sum2_ready),
    .out_data_o(s_sum2_data)
  );

  bhc_fifo #(
    .Width(4),
    .Depth(2),
    .Style(1)
  ) u_sum2_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_sum2_valid),
    .in_ready_o(s_sum2_ready),
    .in_data_i(s_sum2_data),
    .out_valid_o(s_sum2_q_valid),
    .out_ready_i(s_sum2_q_ready),
    .out_data_o(s_sum2_q_data)
  );

  bhc_pool #(
    .Bits(2),
    .Kind(0),
    .Lanes(2),
    .Chunks(2),
    .H(16),
    .W(1),
    .KH(16),
    .KW(1),
    .Op(1),
    .OutBits(6)
  ) u_gap (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_sum2_q_valid),
    .in_ready_o(s_sum2_q_ready),
    .in_data_i(s_sum2_q_data),
    .out_valid_o(s_gap_valid),
    .out_ready_i(s_gap_ready),
    .out_data_o(s_gap_data)
  );

  bhc_fifo #(
    .Width(12),
    .Depth(2),
    .Style(1)
  ) u_gap_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_gap_valid),
    .in_ready_o(s_gap_ready),
    .in_data_i(s_gap_data),
    .out_valid_o(s_gap_q_valid),
    .out_ready_i(s_gap_q_ready),
    .out_data_o(s_gap_q_data)
  );

  bhc_width #(
    .Bits(6),
    .InLanes(2),
    .OutLanes(4)
  ) u_fc_in_width (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_gap_q_valid),
    .in_ready_o(s_gap_q_ready),
    .in_data_i(s_gap_q_data),
    .out_valid_o(s_fc_in_width_valid),
    .out_ready_i(s_fc_in_width_ready),
    .out_data_o(s_fc_in_width_data)
  );

  bhc_mvu #(
    .XBits(6),
    .XKind(0),
    .WBits(3),
    .WKind(1),
    .Simd(4),
    .Pe(1),
    .Sf(1),
    .Nf(3),
    .InputStationary(1),
    .Positions(1),
    .Classes(1),
    .AccBits(11),
    .Shift(0),
    .SignOut(0),
    .OutBits(10),
    .DotStages(1),
    .Group(1),
    .WeightsStyle(1),
    .WeightsFile("mem/fc_weights.hex"),
    .BiasStyle(1),
    .BiasFile("mem/fc_bias.hex")
  ) u_fc (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_fc_in_width_valid),
    .in_ready_o(s_fc_in_width_ready),
    .in_data_i(s_fc_in_width_data),
    .out_valid_o(s_fc_valid),
    .out_ready_i(s_fc_ready),
    .out_data_o(s_fc_data)
  );

  bhc_fifo #(
    .Width(10),
    .Depth(2),
    .Style(1)
  ) u_fc_fifo (
    .clk_i,
    .rst_ni,
    .in_valid_i(s_fc_valid),
    .in_ready_o(s_fc_ready),
    .in_data_i(s_fc_data),
    .out_valid_o(s_fc_q_valid),
    .out_ready_i(s_fc_q_ready),
    .out_data_o(s_fc_q_data)
  );

  assign m_axis_tvalid = s_fc_q_valid;
  assign s_fc_q_ready = m_axis_tready;
  assign m_axis_tdata = {6'd0, s_fc_q_data};
  bhc_count #(
    .Count(3)
  ) tlast_counter (.clk_i, .rst_ni, .step_i(m_axis_tvalid & m_axis_tready), .last_o(m_axis_tlast));
endmodule
