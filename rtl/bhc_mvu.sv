// Matrix-vector unit: beats of Simd elements in, beats of Pe elements out.
//
//   acc(m) = bias[class(position)][m] + sum over the beats of a position of (raw << Shift)     (bhc_dot's raw; Shift 0 or 1)
//   SignOut = 1: an output lane is (acc >= 0), OutBits = 1;   SignOut = 0: it is acc[OutBits-1:0].
//
// InputStationary = 0: for each position, for nf < Nf, for sf < Sf: one beat is taken (the producer replays).
// InputStationary = 1: for each position, for sf < Sf: a beat is taken in the first of its Nf cycles and held in a register,
//   so that the next one can be prepared meanwhile; outputs leave during the last sf. Partial sums: Nf words of distributed
//   RAM (a register when Nf = 1, none when Sf = 1).
// Cycles a window: Positions * Nf * Sf, either way. Latency from taking a position's last beat to the first output beat that
// needs it: 2 + DotStages (InputStationary = 1: that of nf = 0, the others follow one a cycle).
//
// Group > 1, for bipolar weights: the rows share the signed sums of groups of so many elements (bhc_sums), as bhc_group_dot wants
// them. It changes nothing but the LUTs that the unit takes.
//
// weights: Nf*Sf words in order of use, word [Pe][Simd][WBits].  bias: Classes*Nf words [Pe][AccBits], address class*Nf + nf.
// ClassFile: Positions words of ceil(log2(Classes)) bits, unused when Classes = 1.
// One enable stalls the whole pipeline while an output beat waits: in_ready_o depends combinationally on out_ready_i
// (never on in_valid_i), out_valid_o is a register.
module bhc_mvu #(
  parameter int unsigned XBits = 1,
  parameter int unsigned XKind = 2,
  parameter int unsigned WBits = 1,
  parameter int unsigned WKind = 2,
  parameter int unsigned Simd = 8,
  parameter int unsigned Pe = 1,
  parameter int unsigned Sf = 1,
  parameter int unsigned Nf = 1,
  parameter int unsigned InputStationary = 0,
  parameter int unsigned Positions = 1,
  parameter int unsigned Classes = 1,
  parameter int unsigned AccBits = 8,
  parameter int unsigned Shift = 1,
  parameter int unsigned SignOut = 0,
  parameter int unsigned OutBits = 8,
  parameter int unsigned DotStages = 0,
  parameter int unsigned Group = 1,
  parameter int unsigned WeightsStyle = 0,
  parameter WeightsFile = "",
  parameter logic [Pe*Simd*WBits-1:0] WeightsInit = '0,
  parameter int unsigned BiasStyle = 0,
  parameter BiasFile = "",
  parameter logic [Pe*AccBits-1:0] BiasInit = '0,
  parameter ClassFile = ""
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  in_valid_i,
  output logic                  in_ready_o,
  input  logic [Simd*XBits-1:0] in_data_i,
  output logic                  out_valid_o,
  input  logic                  out_ready_i,
  output logic [Pe*OutBits-1:0] out_data_o
);
  localparam int unsigned NfBits = Nf > 1 ? $clog2(Nf) : 1;
  localparam int unsigned SfBits = Sf > 1 ? $clog2(Sf) : 1;
  localparam int unsigned WordBits = Nf * Sf > 1 ? $clog2(Nf * Sf) : 1;
  localparam int unsigned PosBits = Positions > 1 ? $clog2(Positions) : 1;
  localparam int unsigned ClassBits = Classes > 1 ? $clog2(Classes) : 1;
  localparam int unsigned BiasBits = Classes * Nf > 1 ? $clog2(Classes * Nf) : 1;
  localparam int unsigned HeldBits = (Simd / Group << (Group - 1)) * (XBits + Group / 2) + Simd % Group * XBits;

  // ---- Issue: one (beat, nf) pair a cycle enters the pipeline.
  logic en;  // the pipeline advances
  logic held, present, issue;
  logic last_sf, last_nf;
  logic [SfBits-1:0] sf_q;
  logic [NfBits-1:0] nf_q;
  logic [WordBits-1:0] word_q;

  // A beat that is held is there in any case.
  assign held = InputStationary != 0 && nf_q != '0;
  assign present = in_valid_i | held;
  assign issue = en & present;
  assign in_ready_o = en & ~held;
  assign last_sf = sf_q == SfBits'(Sf - 1);
  assign last_nf = nf_q == NfBits'(Nf - 1);

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      sf_q <= '0;
      nf_q <= '0;
      word_q <= '0;
    end else if (issue) begin
      if (InputStationary != 0 ? last_nf : 1'b1) sf_q <= last_sf ? '0 : sf_q + 1'b1;
      if (InputStationary != 0 ? 1'b1 : last_sf) nf_q <= last_nf ? '0 : nf_q + 1'b1;
      word_q <= last_sf & last_nf ? '0 : word_q + 1'b1;
    end
  end

  logic [HeldBits-1:0] x, x_q;
  logic [Pe*Simd*WBits-1:0] w;
  if (Group == 1) begin : gen_elements
    assign x = in_data_i;
  end else begin : gen_sums
    bhc_sums #(.XBits(XBits), .XKind(XKind), .Simd(Simd), .Group(Group)) u_sums (.x_i(in_data_i), .sums_o(x));
  end
  always_ff @(posedge clk_i) if (en & ~held) x_q <= x;

  bhc_rom #(
    .Width(Pe * Simd * WBits), .Depth(Nf * Sf), .Style(WeightsStyle), .File(WeightsFile), .Init(WeightsInit)
  ) u_weights (.clk_i, .en_i(en), .addr_i(word_q), .data_o(w));

  // ---- Bias address: class * Nf + nf.
  logic [BiasBits-1:0] bias_addr;
  if (Classes > 1) begin : gen_class
    // Read one cycle ahead, so that class_now always belongs to pos_q.
    logic [PosBits-1:0] pos_q, pos_d;
    logic [ClassBits-1:0] class_now;
    always_comb begin
      pos_d = pos_q;
      if (!rst_ni) pos_d = '0;
      else if (issue & last_sf & last_nf) pos_d = pos_q == PosBits'(Positions - 1) ? '0 : pos_q + 1'b1;
    end
    always_ff @(posedge clk_i) pos_q <= pos_d;
    bhc_rom #(.Width(ClassBits), .Depth(Positions), .Style(1), .File(ClassFile), .Init('0))
      u_class (.clk_i, .en_i(1'b1), .addr_i(pos_d), .data_o(class_now));
    assign bias_addr = BiasBits'(32'(class_now) * Nf + 32'(nf_q));
  end else begin : gen_one_class
    assign bias_addr = BiasBits'(nf_q);
  end

  logic acc_en;  // simulations count it
  logic unused;
  assign unused = acc_en;
  bhc_mac #(
    .XBits(XBits), .XKind(XKind), .WBits(WBits), .WKind(WKind), .Simd(Simd), .Pe(Pe), .Sf(Sf), .Nf(Nf),
    .InputStationary(InputStationary), .Classes(Classes), .AccBits(AccBits), .Shift(Shift), .SignOut(SignOut),
    .OutBits(OutBits), .DotStages(DotStages), .Group(Group), .ConstWeights(Nf * Sf == 1 ? 1 : 0), .WeightsInit(WeightsInit),
    .BiasStyle(BiasStyle), .BiasFile(BiasFile), .BiasInit(BiasInit)
  ) u_mac (
    .clk_i, .rst_ni, .en_o(en), .valid_i(present), .first_i(sf_q == '0), .last_i(last_sf), .nf_i(nf_q),
    .bias_addr_i(bias_addr), .x_i(x_q), .w_i(w), .update_o(acc_en), .out_valid_o, .out_ready_i, .out_data_o
  );
endmodule
