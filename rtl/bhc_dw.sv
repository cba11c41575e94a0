// Depthwise convolution: every lane has its own dot product over Taps beats.
//
//   acc(lane) = bias[class(position)][chunk][lane] + sum over taps of w * x     (true values)
//   SignOut = 1: an output lane is (acc >= 0), OutBits = 1;   SignOut = 0: it is acc[OutBits-1:0].
//
// Input: for each position, chunk, tap: one beat of Lanes elements. Output: for each position, chunk: one beat.
// Cycles a window: Positions * Chunks * Taps. Latency from the last tap to its output beat: 2.
// weights: Chunks*Taps words in order of use, word [Lanes][WBits].  bias: Classes*Chunks words [Lanes][AccBits], address
// class*Chunks + chunk.  ClassFile: Positions words of ceil(log2(Classes)) bits, unused when Classes = 1.
// One enable stalls the pipeline while an output beat waits: in_ready_o depends combinationally on out_ready_i.
module bhc_dw #(
  parameter int unsigned XBits = 1,
  parameter int unsigned XKind = 2,
  parameter int unsigned WBits = 1,
  parameter int unsigned WKind = 2,
  parameter int unsigned Lanes = 1,
  parameter int unsigned Taps = 1,
  parameter int unsigned Chunks = 1,
  parameter int unsigned Positions = 1,
  parameter int unsigned Classes = 1,
  parameter int unsigned AccBits = 8,
  parameter int unsigned SignOut = 0,
  parameter int unsigned OutBits = 8,
  parameter int unsigned WeightsStyle = 0,
  parameter WeightsFile = "",
  parameter logic [Lanes*WBits-1:0] WeightsInit = '0,
  parameter int unsigned BiasStyle = 0,
  parameter BiasFile = "",
  parameter logic [Lanes*AccBits-1:0] BiasInit = '0,
  parameter ClassFile = ""
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     in_valid_i,
  output logic                     in_ready_o,
  input  logic [Lanes*XBits-1:0]   in_data_i,
  output logic                     out_valid_o,
  input  logic                     out_ready_i,
  output logic [Lanes*OutBits-1:0] out_data_o
);
  localparam int unsigned TapBits = Taps > 1 ? $clog2(Taps) : 1;
  localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;
  localparam int unsigned WordBits = Chunks * Taps > 1 ? $clog2(Chunks * Taps) : 1;
  localparam int unsigned PosBits = Positions > 1 ? $clog2(Positions) : 1;
  localparam int unsigned ClassBits = Classes > 1 ? $clog2(Classes) : 1;
  localparam int unsigned BiasBits = Classes * Chunks > 1 ? $clog2(Classes * Chunks) : 1;

`ifndef SYNTHESIS
  initial assert (OutBits <= AccBits && (SignOut == 0 || OutBits == 1)) else $error("bhc_dw: no such output");
`endif

  logic en, issue, last_tap, last_chunk;
  logic [TapBits-1:0] tap_q;
  logic [ChunkBits-1:0] chunk_q;
  logic [WordBits-1:0] word_q;

  assign en = ~out_valid_o | out_ready_i;
  assign issue = en & in_valid_i;
  assign in_ready_o = en;
  assign last_tap = tap_q == TapBits'(Taps - 1);
  assign last_chunk = chunk_q == ChunkBits'(Chunks - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      tap_q <= '0;
      chunk_q <= '0;
      word_q <= '0;
    end else if (issue) begin
      tap_q <= last_tap ? '0 : tap_q + 1'b1;
      if (last_tap) chunk_q <= last_chunk ? '0 : chunk_q + 1'b1;
      word_q <= last_tap & last_chunk ? '0 : word_q + 1'b1;
    end
  end

  logic [BiasBits-1:0] bias_addr;
  if (Classes > 1) begin : gen_class
    // Read one cycle ahead, so that class_now always belongs to pos_q.
    logic [PosBits-1:0] pos_q, pos_d;
    logic [ClassBits-1:0] class_now;
    always_comb begin
      pos_d = pos_q;
      if (!rst_ni) pos_d = '0;
      else if (issue & last_tap & last_chunk) pos_d = pos_q == PosBits'(Positions - 1) ? '0 : pos_q + 1'b1;
    end
    always_ff @(posedge clk_i) pos_q <= pos_d;
    bhc_rom #(.Width(ClassBits), .Depth(Positions), .Style(1), .File(ClassFile), .Init('0))
      u_class (.clk_i, .en_i(1'b1), .addr_i(pos_d), .data_o(class_now));
    assign bias_addr = BiasBits'(32'(class_now) * Chunks + 32'(chunk_q));
  end else begin : gen_one_class
    assign bias_addr = BiasBits'(chunk_q);
  end

  logic valid_q, first_q, last_q;
  logic [Lanes*XBits-1:0] x_q;
  logic [Lanes*WBits-1:0] w;
  logic [Lanes*AccBits-1:0] bias;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) valid_q <= 1'b0;
    else if (en) valid_q <= in_valid_i;
    if (en) begin
      x_q <= in_data_i;
      first_q <= tap_q == '0;
      last_q <= last_tap;
    end
  end

  bhc_rom #(
    .Width(Lanes * WBits), .Depth(Chunks * Taps), .Style(WeightsStyle), .File(WeightsFile), .Init(WeightsInit)
  ) u_weights (.clk_i, .en_i(en), .addr_i(word_q), .data_o(w));
  bhc_rom #(
    .Width(Lanes * AccBits), .Depth(Classes * Chunks), .Style(BiasStyle), .File(BiasFile), .Init(BiasInit)
  ) u_bias (.clk_i, .en_i(en), .addr_i(bias_addr), .data_o(bias));

  for (genvar l = 0; l < Lanes; l++) begin : gen_lane
    logic [XBits-1:0] x;
    logic [WBits-1:0] wl;
    logic [AccBits-1:0] x_value, w_value, first, base, sum, acc_q;
    assign x = x_q[l*XBits +: XBits];
    assign wl = w[l*WBits +: WBits];
    if (XKind == 1) begin : gen_x_signed
      assign x_value = AccBits'($signed(x));
    end else begin : gen_x_unsigned
      assign x_value = AccBits'(x);
    end
    if (WKind == 1) begin : gen_w_signed
      assign w_value = AccBits'($signed(wl));
    end else begin : gen_w_unsigned
      assign w_value = AccBits'(wl);
    end

    // With SignOut the sums are kept in offset binary, whose top bit is the answer itself.
    assign first = bias[l*AccBits +: AccBits] ^ (SignOut != 0 ? AccBits'(1) << (AccBits - 1) : '0);
    assign base = Taps == 1 || first_q ? first : acc_q;

    if (XKind == 2 && WKind == 2) begin : gen_match
      assign sum = {{(AccBits-1){x[0] ^ wl[0]}}, 1'b1} + base;
      logic unused_values;
      assign unused_values = ^{x_value, w_value};
    end else if (XKind == 2 || WKind == 2) begin : gen_sign_change
      // Add the other operand, or its complement and a carry, which one more bit below the sum makes.
      // Eight lanes, 8 bit x, 12 bit sums: 177 LUTs; with a product by +1 or -1 they are 233.
      logic minus, unused;
      logic [AccBits-1:0] other;
      assign minus = WKind == 2 ? ~wl[0] : ~x[0];
      assign other = WKind == 2 ? x_value : w_value;
      assign {sum, unused} = {other ^ {AccBits{minus}}, minus} + {base, minus};
      logic unused_values;
      assign unused_values = ^{x_value, w_value};
    end else begin : gen_product
      assign sum = x_value * w_value + base;
    end

    always_ff @(posedge clk_i) if (en & valid_q) acc_q <= sum;
    if (SignOut != 0) begin : gen_sign
      assign out_data_o[l] = acc_q[AccBits-1];
    end else begin : gen_acc
      assign out_data_o[l*OutBits +: OutBits] = acc_q[OutBits-1:0];
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (en) out_valid_o <= valid_q & (Taps == 1 ? 1'b1 : last_q);
  end
endmodule
