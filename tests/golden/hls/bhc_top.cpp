// residual: 47 stages, 96 cycles a window.
// s_axis: 16 beats a window of 2 x 4 bits, lane 0 lowest; last is ignored.
// m_axis: 3 beats a window of 1 x 10 bits, lane 0 lowest; last ends a window.
#include "bhc_top.hpp"

#include "bhc_add.hpp"
#include "bhc_fork.hpp"
#include "bhc_mvu.hpp"
#include "bhc_pool.hpp"
#include "bhc_threshold.hpp"
#include "bhc_width.hpp"
#include "bhc_window.hpp"
#include "memories.hpp"

// conv0_window: for 'conv0' of Conv_0; 96 cycles a window
static void u_conv0_window(bhc::stream<8, 2> &in, bhc::stream<8, 16> &out, unsigned windows) {
  bhc::window<
      /*Bits=*/4, /*Lanes=*/2, /*Chunks=*/1, /*Groups=*/1, /*H=*/16, /*W=*/1, /*KH=*/3, /*KW=*/1, /*SH=*/1, /*SW=*/1,
      /*DH=*/1, /*DW=*/1, /*PT=*/1, /*PL=*/0, /*OH=*/16, /*OW=*/1, /*Replays=*/2, /*ChunkMajor=*/0, /*Rows=*/6,
      /*Endless=*/0, /*PadWord=*/0, /*Style=*/1
  >(in, out, windows);
}

// conv0: for 'conv0' of Conv_0; 96 cycles a window
static void u_conv0(bhc::stream<8, 16> &in, bhc::stream<16, 2> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_conv0_weights type=complete dim=2)
  BHC_PRAGMA(HLS array_partition variable=mem_conv0_weights type=complete dim=3)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv0_weights type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_conv0_bias type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv0_bias type=rom_1p impl=lutram)
  bhc::mvu<
      /*XBits=*/4, /*XKind=*/1, /*WBits=*/3, /*WKind=*/1, /*Simd=*/2, /*Pe=*/2, /*Sf=*/3, /*Nf=*/2,
      /*InputStationary=*/0, /*Positions=*/16, /*Classes=*/1, /*AccBits=*/10, /*Shift=*/0, /*SignOut=*/0, /*OutBits=*/8,
      /*DotStages=*/1, /*Group=*/1
  >(in, out, mem_conv0_weights, mem_conv0_bias, no_classes, windows * 16);
}

// act0: for 'act0' of Relu_0; 32 cycles a window
static void u_act0(bhc::stream<16, 2> &in, bhc::stream<4, 16> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_act0_thresholds_0 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act0_thresholds_0 type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_act0_thresholds_1 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act0_thresholds_1 type=rom_1p impl=lutram)
  bhc::threshold<
      /*Lanes=*/2, /*Chunks=*/2, /*InBits=*/8, /*InKind=*/1, /*Stages=*/2, /*OutBits=*/2, /*Base=*/0,
      /*AnyDescending=*/0
  >(in, out, windows * 32, mem_act0_descending, mem_act0_thresholds_0, mem_act0_thresholds_1);
}

// act0_fork: for 'act0' of Relu_0; 32 cycles a window
static void u_act0_fork(bhc::stream<4, 16> &in, bhc::stream<4, 2> &out0, bhc::stream<4, 17> &out1,
    unsigned windows) {
  bhc::fork<
      /*Width=*/4, /*Sinks=*/2
  >(in, windows * 32, out0, out1);
}

// conv1a_in_width: for 'conv1a' of Conv_1a; 32 cycles a window
static void u_conv1a_in_width(bhc::stream<4, 2> &in, bhc::stream<8, 16> &out, unsigned windows) {
  bhc::width<
      /*Bits=*/2, /*InLanes=*/2, /*OutLanes=*/4
  >(in, out, windows * 32);
}

// conv1a_window: for 'conv1a' of Conv_1a; 96 cycles a window
static void u_conv1a_window(bhc::stream<8, 16> &in, bhc::stream<8, 16> &out, unsigned windows) {
  bhc::window<
      /*Bits=*/2, /*Lanes=*/4, /*Chunks=*/1, /*Groups=*/1, /*H=*/16, /*W=*/1, /*KH=*/3, /*KW=*/1, /*SH=*/1, /*SW=*/1,
      /*DH=*/1, /*DW=*/1, /*PT=*/1, /*PL=*/0, /*OH=*/16, /*OW=*/1, /*Replays=*/2, /*ChunkMajor=*/0, /*Rows=*/6,
      /*Endless=*/0, /*PadWord=*/0, /*Style=*/1
  >(in, out, windows);
}

// conv1a: for 'conv1a' of Conv_1a; 96 cycles a window
static void u_conv1a(bhc::stream<8, 16> &in, bhc::stream<14, 2> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_conv1a_weights type=complete dim=2)
  BHC_PRAGMA(HLS array_partition variable=mem_conv1a_weights type=complete dim=3)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv1a_weights type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_conv1a_bias type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv1a_bias type=rom_1p impl=lutram)
  bhc::mvu<
      /*XBits=*/2, /*XKind=*/0, /*WBits=*/3, /*WKind=*/1, /*Simd=*/4, /*Pe=*/2, /*Sf=*/3, /*Nf=*/2,
      /*InputStationary=*/0, /*Positions=*/16, /*Classes=*/1, /*AccBits=*/9, /*Shift=*/0, /*SignOut=*/0, /*OutBits=*/7,
      /*DotStages=*/1, /*Group=*/1
  >(in, out, mem_conv1a_weights, mem_conv1a_bias, no_classes, windows * 16);
}

// act1a: for 'act1a' of Relu_1a; 32 cycles a window
static void u_act1a(bhc::stream<14, 2> &in, bhc::stream<4, 2> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_act1a_thresholds_0 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act1a_thresholds_0 type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_act1a_thresholds_1 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act1a_thresholds_1 type=rom_1p impl=lutram)
  bhc::threshold<
      /*Lanes=*/2, /*Chunks=*/2, /*InBits=*/7, /*InKind=*/1, /*Stages=*/2, /*OutBits=*/2, /*Base=*/0,
      /*AnyDescending=*/0
  >(in, out, windows * 32, mem_act1a_descending, mem_act1a_thresholds_0, mem_act1a_thresholds_1);
}

// conv1b_in_width: for 'conv1b' of Conv_1b; 32 cycles a window
static void u_conv1b_in_width(bhc::stream<4, 2> &in, bhc::stream<8, 16> &out, unsigned windows) {
  bhc::width<
      /*Bits=*/2, /*InLanes=*/2, /*OutLanes=*/4
  >(in, out, windows * 32);
}

// conv1b_window: for 'conv1b' of Conv_1b; 96 cycles a window
static void u_conv1b_window(bhc::stream<8, 16> &in, bhc::stream<8, 16> &out, unsigned windows) {
  bhc::window<
      /*Bits=*/2, /*Lanes=*/4, /*Chunks=*/1, /*Groups=*/1, /*H=*/16, /*W=*/1, /*KH=*/3, /*KW=*/1, /*SH=*/1, /*SW=*/1,
      /*DH=*/1, /*DW=*/1, /*PT=*/1, /*PL=*/0, /*OH=*/16, /*OW=*/1, /*Replays=*/2, /*ChunkMajor=*/0, /*Rows=*/6,
      /*Endless=*/0, /*PadWord=*/0, /*Style=*/1
  >(in, out, windows);
}

// conv1b: for 'conv1b' of Conv_1b; 96 cycles a window
static void u_conv1b(bhc::stream<8, 16> &in, bhc::stream<14, 2> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_conv1b_weights type=complete dim=2)
  BHC_PRAGMA(HLS array_partition variable=mem_conv1b_weights type=complete dim=3)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv1b_weights type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_conv1b_bias type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv1b_bias type=rom_1p impl=lutram)
  bhc::mvu<
      /*XBits=*/2, /*XKind=*/0, /*WBits=*/3, /*WKind=*/1, /*Simd=*/4, /*Pe=*/2, /*Sf=*/3, /*Nf=*/2,
      /*InputStationary=*/0, /*Positions=*/16, /*Classes=*/1, /*AccBits=*/9, /*Shift=*/0, /*SignOut=*/0, /*OutBits=*/7,
      /*DotStages=*/1, /*Group=*/1
  >(in, out, mem_conv1b_weights, mem_conv1b_bias, no_classes, windows * 16);
}

// act1b: for 'act1b' of Relu_1b; 32 cycles a window
static void u_act1b(bhc::stream<14, 2> &in, bhc::stream<4, 3> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_act1b_thresholds_0 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act1b_thresholds_0 type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_act1b_thresholds_1 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act1b_thresholds_1 type=rom_1p impl=lutram)
  bhc::threshold<
      /*Lanes=*/2, /*Chunks=*/2, /*InBits=*/7, /*InKind=*/1, /*Stages=*/2, /*OutBits=*/2, /*Base=*/0,
      /*AnyDescending=*/0
  >(in, out, windows * 32, mem_act1b_descending, mem_act1b_thresholds_0, mem_act1b_thresholds_1);
}

// add1: for 'add1' of ; 32 cycles a window
static void u_add1(bhc::stream<4, 17> &a, bhc::stream<4, 3> &b, bhc::stream<6, 2> &out, unsigned windows) {
  bhc::add<
      /*Lanes=*/2, /*ABits=*/2, /*AKind=*/0, /*BBits=*/2, /*BKind=*/0, /*OutBits=*/3
  >(a, b, out, windows * 32);
}

// sum1: for 'sum1' of ; 32 cycles a window
static void u_sum1(bhc::stream<6, 2> &in, bhc::stream<4, 16> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_sum1_thresholds_0 type=complete dim=2)
  BHC_PRAGMA(HLS array_partition variable=mem_sum1_thresholds_1 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_sum1_thresholds_1 type=rom_1p impl=lutram)
  bhc::threshold<
      /*Lanes=*/2, /*Chunks=*/1, /*InBits=*/3, /*InKind=*/0, /*Stages=*/2, /*OutBits=*/2, /*Base=*/0,
      /*AnyDescending=*/0
  >(in, out, windows * 32, mem_sum1_descending, mem_sum1_thresholds_0, mem_sum1_thresholds_1);
}

// sum1_fork: for 'sum1' of ; 32 cycles a window
static void u_sum1_fork(bhc::stream<4, 16> &in, bhc::stream<4, 2> &out0, bhc::stream<4, 17> &out1,
    unsigned windows) {
  bhc::fork<
      /*Width=*/4, /*Sinks=*/2
  >(in, windows * 32, out0, out1);
}

// conv2a_in_width: for 'conv2a' of Conv_2a; 32 cycles a window
static void u_conv2a_in_width(bhc::stream<4, 2> &in, bhc::stream<8, 16> &out, unsigned windows) {
  bhc::width<
      /*Bits=*/2, /*InLanes=*/2, /*OutLanes=*/4
  >(in, out, windows * 32);
}

// conv2a_window: for 'conv2a' of Conv_2a; 96 cycles a window
static void u_conv2a_window(bhc::stream<8, 16> &in, bhc::stream<8, 16> &out, unsigned windows) {
  bhc::window<
      /*Bits=*/2, /*Lanes=*/4, /*Chunks=*/1, /*Groups=*/1, /*H=*/16, /*W=*/1, /*KH=*/3, /*KW=*/1, /*SH=*/1, /*SW=*/1,
      /*DH=*/1, /*DW=*/1, /*PT=*/1, /*PL=*/0, /*OH=*/16, /*OW=*/1, /*Replays=*/2, /*ChunkMajor=*/0, /*Rows=*/6,
      /*Endless=*/0, /*PadWord=*/0, /*Style=*/1
  >(in, out, windows);
}

// conv2a: for 'conv2a' of Conv_2a; 96 cycles a window
static void u_conv2a(bhc::stream<8, 16> &in, bhc::stream<14, 2> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_conv2a_weights type=complete dim=2)
  BHC_PRAGMA(HLS array_partition variable=mem_conv2a_weights type=complete dim=3)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv2a_weights type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_conv2a_bias type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv2a_bias type=rom_1p impl=lutram)
  bhc::mvu<
      /*XBits=*/2, /*XKind=*/0, /*WBits=*/3, /*WKind=*/1, /*Simd=*/4, /*Pe=*/2, /*Sf=*/3, /*Nf=*/2,
      /*InputStationary=*/0, /*Positions=*/16, /*Classes=*/1, /*AccBits=*/9, /*Shift=*/0, /*SignOut=*/0, /*OutBits=*/7,
      /*DotStages=*/1, /*Group=*/1
  >(in, out, mem_conv2a_weights, mem_conv2a_bias, no_classes, windows * 16);
}

// act2a: for 'act2a' of Relu_2a; 32 cycles a window
static void u_act2a(bhc::stream<14, 2> &in, bhc::stream<4, 2> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_act2a_thresholds_0 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act2a_thresholds_0 type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_act2a_thresholds_1 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act2a_thresholds_1 type=rom_1p impl=lutram)
  bhc::threshold<
      /*Lanes=*/2, /*Chunks=*/2, /*InBits=*/7, /*InKind=*/1, /*Stages=*/2, /*OutBits=*/2, /*Base=*/0,
      /*AnyDescending=*/0
  >(in, out, windows * 32, mem_act2a_descending, mem_act2a_thresholds_0, mem_act2a_thresholds_1);
}

// conv2b_in_width: for 'conv2b' of Conv_2b; 32 cycles a window
static void u_conv2b_in_width(bhc::stream<4, 2> &in, bhc::stream<8, 16> &out, unsigned windows) {
  bhc::width<
      /*Bits=*/2, /*InLanes=*/2, /*OutLanes=*/4
  >(in, out, windows * 32);
}

// conv2b_window: for 'conv2b' of Conv_2b; 96 cycles a window
static void u_conv2b_window(bhc::stream<8, 16> &in, bhc::stream<8, 16> &out, unsigned windows) {
  bhc::window<
      /*Bits=*/2, /*Lanes=*/4, /*Chunks=*/1, /*Groups=*/1, /*H=*/16, /*W=*/1, /*KH=*/3, /*KW=*/1, /*SH=*/1, /*SW=*/1,
      /*DH=*/1, /*DW=*/1, /*PT=*/1, /*PL=*/0, /*OH=*/16, /*OW=*/1, /*Replays=*/2, /*ChunkMajor=*/0, /*Rows=*/6,
      /*Endless=*/0, /*PadWord=*/0, /*Style=*/1
  >(in, out, windows);
}

// conv2b: for 'conv2b' of Conv_2b; 96 cycles a window
static void u_conv2b(bhc::stream<8, 16> &in, bhc::stream<14, 2> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_conv2b_weights type=complete dim=2)
  BHC_PRAGMA(HLS array_partition variable=mem_conv2b_weights type=complete dim=3)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv2b_weights type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_conv2b_bias type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_conv2b_bias type=rom_1p impl=lutram)
  bhc::mvu<
      /*XBits=*/2, /*XKind=*/0, /*WBits=*/3, /*WKind=*/1, /*Simd=*/4, /*Pe=*/2, /*Sf=*/3, /*Nf=*/2,
      /*InputStationary=*/0, /*Positions=*/16, /*Classes=*/1, /*AccBits=*/9, /*Shift=*/0, /*SignOut=*/0, /*OutBits=*/7,
      /*DotStages=*/1, /*Group=*/1
  >(in, out, mem_conv2b_weights, mem_conv2b_bias, no_classes, windows * 16);
}

// act2b: for 'act2b' of Relu_2b; 32 cycles a window
static void u_act2b(bhc::stream<14, 2> &in, bhc::stream<4, 3> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_act2b_thresholds_0 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act2b_thresholds_0 type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS array_partition variable=mem_act2b_thresholds_1 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_act2b_thresholds_1 type=rom_1p impl=lutram)
  bhc::threshold<
      /*Lanes=*/2, /*Chunks=*/2, /*InBits=*/7, /*InKind=*/1, /*Stages=*/2, /*OutBits=*/2, /*Base=*/0,
      /*AnyDescending=*/0
  >(in, out, windows * 32, mem_act2b_descending, mem_act2b_thresholds_0, mem_act2b_thresholds_1);
}

// add2: for 'add2' of ; 32 cycles a window
static void u_add2(bhc::stream<4, 17> &a, bhc::stream<4, 3> &b, bhc::stream<6, 2> &out, unsigned windows) {
  bhc::add<
      /*Lanes=*/2, /*ABits=*/2, /*AKind=*/0, /*BBits=*/2, /*BKind=*/0, /*OutBits=*/3
  >(a, b, out, windows * 32);
}

// sum2: for 'sum2' of ; 32 cycles a window
static void u_sum2(bhc::stream<6, 2> &in, bhc::stream<4, 2> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_sum2_thresholds_0 type=complete dim=2)
  BHC_PRAGMA(HLS array_partition variable=mem_sum2_thresholds_1 type=complete dim=2)
  BHC_PRAGMA(HLS bind_storage variable=mem_sum2_thresholds_1 type=rom_1p impl=lutram)
  bhc::threshold<
      /*Lanes=*/2, /*Chunks=*/1, /*InBits=*/3, /*InKind=*/0, /*Stages=*/2, /*OutBits=*/2, /*Base=*/0,
      /*AnyDescending=*/0
  >(in, out, windows * 32, mem_sum2_descending, mem_sum2_thresholds_0, mem_sum2_thresholds_1);
}

// gap: for 'gap' of ; 32 cycles a window
static void u_gap(bhc::stream<4, 2> &in, bhc::stream<12, 2> &out, unsigned windows) {
  bhc::pool<
      /*Bits=*/2, /*Kind=*/0, /*Lanes=*/2, /*Chunks=*/2, /*H=*/16, /*W=*/1, /*KH=*/16, /*KW=*/1, /*Op=*/1, /*OutBits=*/6
  >(in, out, windows * 16);
}

// fc_in_width: for 'fc' of ; 2 cycles a window
static void u_fc_in_width(bhc::stream<12, 2> &in, bhc::stream<24, 16> &out, unsigned windows) {
  bhc::width<
      /*Bits=*/6, /*InLanes=*/2, /*OutLanes=*/4
  >(in, out, windows * 2);
}

// fc: for 'fc' of ; 3 cycles a window
static void u_fc(bhc::stream<24, 16> &in, bhc::stream<10, 2> &out, unsigned windows) {
  BHC_PRAGMA(HLS array_partition variable=mem_fc_weights type=complete dim=3)
  BHC_PRAGMA(HLS bind_storage variable=mem_fc_weights type=rom_1p impl=lutram)
  BHC_PRAGMA(HLS bind_storage variable=mem_fc_bias type=rom_1p impl=lutram)
  bhc::mvu<
      /*XBits=*/6, /*XKind=*/0, /*WBits=*/3, /*WKind=*/1, /*Simd=*/4, /*Pe=*/1, /*Sf=*/1, /*Nf=*/3,
      /*InputStationary=*/1, /*Positions=*/1, /*Classes=*/1, /*AccBits=*/11, /*Shift=*/0, /*SignOut=*/0, /*OutBits=*/10,
      /*DotStages=*/1, /*Group=*/1
  >(in, out, mem_fc_weights, mem_fc_bias, no_classes, windows);
}

static void read_input(bhc::axis_stream<8> &s_axis, bhc::stream<8, 2> &out, unsigned windows) {
  bhc::from_axis<8>(s_axis, out, windows * 16);
}

static void write_output(bhc::stream<10, 2> &in, bhc::axis_stream<16> &m_axis, unsigned windows) {
  bhc::to_axis<10>(in, m_axis, 3, windows);
}

void bhc_top(bhc::axis_stream<8> &s_axis, bhc::axis_stream<16> &m_axis, unsigned windows) {
  BHC_PRAGMA(HLS interface axis port=s_axis)
  BHC_PRAGMA(HLS interface axis port=m_axis)
  BHC_PRAGMA(HLS interface s_axilite port=windows)
  BHC_PRAGMA(HLS interface s_axilite port=return)
  BHC_PRAGMA(HLS dataflow)
  bhc::stream<8, 2> s_in("in");  // in: 2 x signed4, 16 beats = input
  bhc::stream<16, 2> s_conv0("conv0");  // conv0: 2 x signed8, 32 beats = conv0
  bhc::stream<8, 16> s_conv0_window("conv0_window");  // conv0_window: 2 x signed4, 96 beats
  bhc::stream<4, 16> s_act0("act0");  // act0: 2 x unsigned2, 32 beats = act0
  bhc::stream<4, 2> s_act0_0("act0_0");  // act0_0: 2 x unsigned2, 32 beats
  bhc::stream<4, 17> s_act0_1("act0_1");  // act0_1: 2 x unsigned2, 32 beats
  BHC_PRAGMA(HLS bind_storage variable=s_act0_1 type=fifo impl=srl)
  bhc::stream<8, 16> s_conv1a_in_width("conv1a_in_width");  // conv1a_in_width: 4 x unsigned2, 16 beats
  bhc::stream<14, 2> s_conv1a("conv1a");  // conv1a: 2 x signed7, 32 beats = conv1a
  bhc::stream<8, 16> s_conv1a_window("conv1a_window");  // conv1a_window: 4 x unsigned2, 96 beats
  bhc::stream<4, 2> s_act1a("act1a");  // act1a: 2 x unsigned2, 32 beats = act1a
  bhc::stream<8, 16> s_conv1b_in_width("conv1b_in_width");  // conv1b_in_width: 4 x unsigned2, 16 beats
  bhc::stream<14, 2> s_conv1b("conv1b");  // conv1b: 2 x signed7, 32 beats = conv1b
  bhc::stream<8, 16> s_conv1b_window("conv1b_window");  // conv1b_window: 4 x unsigned2, 96 beats
  bhc::stream<4, 3> s_act1b("act1b");  // act1b: 2 x unsigned2, 32 beats = act1b
  bhc::stream<6, 2> s_add1("add1");  // add1: 2 x unsigned3, 32 beats = add1
  bhc::stream<4, 16> s_sum1("sum1");  // sum1: 2 x unsigned2, 32 beats = sum1
  bhc::stream<4, 2> s_sum1_0("sum1_0");  // sum1_0: 2 x unsigned2, 32 beats
  bhc::stream<4, 17> s_sum1_1("sum1_1");  // sum1_1: 2 x unsigned2, 32 beats
  BHC_PRAGMA(HLS bind_storage variable=s_sum1_1 type=fifo impl=srl)
  bhc::stream<8, 16> s_conv2a_in_width("conv2a_in_width");  // conv2a_in_width: 4 x unsigned2, 16 beats
  bhc::stream<14, 2> s_conv2a("conv2a");  // conv2a: 2 x signed7, 32 beats = conv2a
  bhc::stream<8, 16> s_conv2a_window("conv2a_window");  // conv2a_window: 4 x unsigned2, 96 beats
  bhc::stream<4, 2> s_act2a("act2a");  // act2a: 2 x unsigned2, 32 beats = act2a
  bhc::stream<8, 16> s_conv2b_in_width("conv2b_in_width");  // conv2b_in_width: 4 x unsigned2, 16 beats
  bhc::stream<14, 2> s_conv2b("conv2b");  // conv2b: 2 x signed7, 32 beats = conv2b
  bhc::stream<8, 16> s_conv2b_window("conv2b_window");  // conv2b_window: 4 x unsigned2, 96 beats
  bhc::stream<4, 3> s_act2b("act2b");  // act2b: 2 x unsigned2, 32 beats = act2b
  bhc::stream<6, 2> s_add2("add2");  // add2: 2 x unsigned3, 32 beats = add2
  bhc::stream<4, 2> s_sum2("sum2");  // sum2: 2 x unsigned2, 32 beats = sum2
  bhc::stream<12, 2> s_gap("gap");  // gap: 2 x unsigned6, 2 beats = gap
  bhc::stream<24, 16> s_fc_in_width("fc_in_width");  // fc_in_width: 4 x unsigned6, 1 beats
  bhc::stream<10, 2> s_fc("fc");  // fc: 1 x signed10, 3 beats = fc

  BHC_RUN("read_input()", read_input(s_axis, s_in, windows));
  BHC_RUN("conv0_window", u_conv0_window(s_in, s_conv0_window, windows));
  BHC_RUN("conv0", u_conv0(s_conv0_window, s_conv0, windows));
  BHC_RUN("act0", u_act0(s_conv0, s_act0, windows));
  BHC_RUN("act0_fork", u_act0_fork(s_act0, s_act0_0, s_act0_1, windows));
  BHC_RUN("conv1a_in_width", u_conv1a_in_width(s_act0_0, s_conv1a_in_width, windows));
  BHC_RUN("conv1a_window", u_conv1a_window(s_conv1a_in_width, s_conv1a_window, windows));
  BHC_RUN("conv1a", u_conv1a(s_conv1a_window, s_conv1a, windows));
  BHC_RUN("act1a", u_act1a(s_conv1a, s_act1a, windows));
  BHC_RUN("conv1b_in_width", u_conv1b_in_width(s_act1a, s_conv1b_in_width, windows));
  BHC_RUN("conv1b_window", u_conv1b_window(s_conv1b_in_width, s_conv1b_window, windows));
  BHC_RUN("conv1b", u_conv1b(s_conv1b_window, s_conv1b, windows));
  BHC_RUN("act1b", u_act1b(s_conv1b, s_act1b, windows));
  BHC_RUN("add1", u_add1(s_act0_1, s_act1b, s_add1, windows));
  BHC_RUN("sum1", u_sum1(s_add1, s_sum1, windows));
  BHC_RUN("sum1_fork", u_sum1_fork(s_sum1, s_sum1_0, s_sum1_1, windows));
  BHC_RUN("conv2a_in_width", u_conv2a_in_width(s_sum1_0, s_conv2a_in_width, windows));
  BHC_RUN("conv2a_window", u_conv2a_window(s_conv2a_in_width, s_conv2a_window, windows));
  BHC_RUN("conv2a", u_conv2a(s_conv2a_window, s_conv2a, windows));
  BHC_RUN("act2a", u_act2a(s_conv2a, s_act2a, windows));
  BHC_RUN("conv2b_in_width", u_conv2b_in_width(s_act2a, s_conv2b_in_width, windows));
  BHC_RUN("conv2b_window", u_conv2b_window(s_conv2b_in_width, s_conv2b_window, windows));
  BHC_RUN("conv2b", u_conv2b(s_conv2b_window, s_conv2b, windows));
  BHC_RUN("act2b", u_act2b(s_conv2b, s_act2b, windows));
  BHC_RUN("add2", u_add2(s_sum1_1, s_act2b, s_add2, windows));
  BHC_RUN("sum2", u_sum2(s_add2, s_sum2, windows));
  BHC_RUN("gap", u_gap(s_sum2, s_gap, windows));
  BHC_RUN("fc_in_width", u_fc_in_width(s_gap, s_fc_in_width, windows));
  BHC_RUN("fc", u_fc(s_fc_in_width, s_fc, windows));
  BHC_RUN("write_output()", write_output(s_fc, m_axis, windows));
  BHC_WAIT();
}
