// residual: 47 stages, 96 cycles a window.
// s_axis: 16 beats a window of 2 x 4 bits, lane 0 lowest; last is ignored.
// m_axis: 3 beats a window of 1 x 10 bits, lane 0 lowest; last ends a window.
// windows: how many to process, at most 44739242; the function returns when the last has left.
#pragma once

#include "bhc_axi.hpp"

void bhc_top(bhc::axis_stream<8> &s_axis, bhc::axis_stream<16> &m_axis, unsigned windows);
