// Matrix-vector unit whose weights come as a stream: beats of Simd elements in, beats of Pe elements out.
//
// The same as bhc_mvu with InputStationary = 1 and one class: for each position, for sf < Sf: a beat is taken in the first of
// its Nf cycles and held in a register, while one word of weights is taken in every cycle; outputs leave during the last sf.
// A cycle without a word, or without a beat when one is due, is lost.
// Cycles a window: Positions * Nf * Sf = words of weights. Latency from taking a position's last beat to the first output beat
// that needs it: 2 + DotStages; the others follow one a cycle.
//
// weights: words [Pe][Simd][WBits] in order of use, Nf*Sf for a position, the same for each: for sf < Sf, for nf < Nf.
// bias: Nf words [Pe][AccBits].
// in_ready_o depends combinationally on out_ready_i and weights_valid_i, weights_ready_o on out_ready_i and in_valid_i;
// neither on the valid of its own stream. out_valid_o is a register.
module bhc_mvu_stream #(
  parameter int unsigned XBits = 1,
  parameter int unsigned XKind = 2,
  parameter int unsigned WBits = 1,
  parameter int unsigned WKind = 2,
  parameter int unsigned Simd = 8,
  parameter int unsigned Pe = 1,
  parameter int unsigned Sf = 1,
  parameter int unsigned Nf = 1,
  parameter int unsigned AccBits = 8,
  parameter int unsigned Shift = 1,
  parameter int unsigned SignOut = 0,
  parameter int unsigned OutBits = 8,
  parameter int unsigned DotStages = 0,
  parameter int unsigned BiasStyle = 0,
  parameter BiasFile = "",
  parameter logic [Pe*AccBits-1:0] BiasInit = '0
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     in_valid_i,
  output logic                     in_ready_o,
  input  logic [Simd*XBits-1:0]    in_data_i,
  input  logic                     weights_valid_i,
  output logic                     weights_ready_o,
  input  logic [Pe*Simd*WBits-1:0] weights_data_i,
  output logic                     out_valid_o,
  input  logic                     out_ready_i,
  output logic [Pe*OutBits-1:0]    out_data_o
);
  localparam int unsigned NfBits = Nf > 1 ? $clog2(Nf) : 1;
  localparam int unsigned SfBits = Sf > 1 ? $clog2(Sf) : 1;

  // ---- Issue: one (beat, nf) pair a cycle enters the pipeline.
  logic en;  // the pipeline advances
  logic held, present, issue;
  logic last_sf, last_nf;
  logic [SfBits-1:0] sf_q;
  logic [NfBits-1:0] nf_q;

  // A beat that is held is there in any case.
  assign held = nf_q != '0;
  assign present = (in_valid_i | held) & weights_valid_i;
  assign issue = en & present;
  assign in_ready_o = en & ~held & weights_valid_i;
  assign weights_ready_o = en & (in_valid_i | held);
  assign last_sf = sf_q == SfBits'(Sf - 1);
  assign last_nf = nf_q == NfBits'(Nf - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sf_q <= '0;
      nf_q <= '0;
    end else if (issue) begin
      if (last_nf) sf_q <= last_sf ? '0 : sf_q + 1'b1;
      nf_q <= last_nf ? '0 : nf_q + 1'b1;
    end
  end

  logic [Simd*XBits-1:0] x_q;
  logic [Pe*Simd*WBits-1:0] w_q;
  always_ff @(posedge clk_i) begin
    if (en & ~held) x_q <= in_data_i;
    if (en) w_q <= weights_data_i;
  end

  logic acc_en;  // simulations count it
  logic unused;
  assign unused = acc_en;
  bhc_mac #(
    .XBits(XBits), .XKind(XKind), .WBits(WBits), .WKind(WKind), .Simd(Simd), .Pe(Pe), .Sf(Sf), .Nf(Nf), .InputStationary(1),
    .Classes(1), .AccBits(AccBits), .Shift(Shift), .SignOut(SignOut), .OutBits(OutBits), .DotStages(DotStages),
    .BiasStyle(BiasStyle), .BiasFile(BiasFile), .BiasInit(BiasInit)
  ) u_mac (
    .clk_i, .rst_ni, .en_o(en), .valid_i(present), .first_i(sf_q == '0), .last_i(last_sf), .nf_i(nf_q), .bias_addr_i(nf_q),
    .x_i(x_q), .w_i(w_q), .update_o(acc_en), .out_valid_o, .out_ready_i, .out_data_o
  );
endmodule
