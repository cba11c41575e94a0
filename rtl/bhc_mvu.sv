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
  // Only the bits above Shift are ever added to; the rest of the bias passes by.
  localparam int unsigned SumBits = AccBits - Shift;

  localparam int unsigned ConstWeights = Nf * Sf == 1 ? 1 : 0;
  localparam int unsigned ValueBits = XBits + Group / 2;
  localparam int unsigned HeldBits = (Simd / Group << (Group - 1)) * ValueBits + Simd % Group * XBits;
  localparam int unsigned RawBits =
    $clog2((Simd / Group + Simd % Group) * ((1 << ValueBits) - 1) * ((1 << WBits) - 1) + 1);

`ifndef SYNTHESIS
  initial assert (Group == 1 || WKind == 2) else $error("bhc_mvu: shared sums are for bipolar weights");
  initial assert (Shift <= 1 && Shift < AccBits && OutBits <= AccBits && (SignOut == 0 || OutBits == 1))
    else $error("bhc_mvu: no such output");
`endif

  // ---- Issue: one (beat, nf) pair a cycle enters the pipeline.
  logic en;  // the pipeline advances
  logic held, present, issue;
  logic last_sf, last_nf;
  logic [SfBits-1:0] sf_q;
  logic [NfBits-1:0] nf_q;
  logic [WordBits-1:0] word_q;

  assign en = ~out_valid_o | out_ready_i;
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

  // ---- Tags travel beside the dot products. Index 0: issuing; index s: s registers later.
  logic [DotStages+1:0] valid, first, last;
  logic [NfBits-1:0] nf [DotStages+2];
  logic [BiasBits-1:0] addr [DotStages+1];
  assign valid[0] = present;
  assign first[0] = sf_q == '0;
  assign last[0] = last_sf;
  assign nf[0] = nf_q;
  assign addr[0] = bias_addr;
  for (genvar s = 0; s <= DotStages; s++) begin : gen_tags
    always_ff @(posedge clk_i) begin
      if (!rst_ni) valid[s+1] <= 1'b0;
      else if (en) valid[s+1] <= valid[s];
      if (en) begin
        first[s+1] <= first[s];
        last[s+1] <= last[s];
        nf[s+1] <= nf[s];
      end
    end
    if (s < DotStages) begin : gen_addr
      always_ff @(posedge clk_i) if (en) addr[s+1] <= addr[s];
    end
  end

  logic [Pe*AccBits-1:0] bias;
  bhc_rom #(
    .Width(Pe * AccBits), .Depth(Classes * Nf), .Style(BiasStyle), .File(BiasFile), .Init(BiasInit)
  ) u_bias (.clk_i, .en_i(en), .addr_i(addr[DotStages]), .data_o(bias));

  // ---- Accumulate.
  logic acc_en, acc_first, acc_last;
  assign acc_en = en & valid[DotStages+1];
  assign acc_first = Sf == 1 ? 1'b1 : first[DotStages+1];
  assign acc_last = Sf == 1 ? 1'b1 : last[DotStages+1];

  logic [Pe*SumBits-1:0] bias_sum;  // bias without its low Shift bits
  logic [Pe*SumBits-1:0] old_sum;  // partial sums before this beat
  logic [Pe*SumBits-1:0] sum;
  for (genvar p = 0; p < Pe; p++) begin : gen_pe
    logic [RawBits-1:0] raw, excess;  // excess is a constant that raw counts too much
    logic unused;
    assign unused = ^{raw, excess};  // the accumulator may be the narrower one
    logic [SumBits-1:0] base;
    if (Group == 1) begin : gen_elements
      bhc_dot #(
        .XBits(XBits), .XKind(XKind), .WBits(WBits), .WKind(WKind), .Simd(Simd), .Stages(DotStages),
        .ConstWeights(ConstWeights), .Weights(WeightsInit[p*Simd*WBits +: Simd*WBits])
      ) u_dot (.clk_i, .en_i(en), .x_i(x_q), .w_i(w[p*Simd*WBits +: Simd*WBits]), .raw_o(raw));
      assign excess = '0;
    end else begin : gen_groups
      bhc_group_dot #(
        .XBits(XBits), .Simd(Simd), .Group(Group), .Stages(DotStages), .ConstWeights(ConstWeights),
        .Weights(WeightsInit[p*Simd +: Simd])
      ) u_dot (.clk_i, .en_i(en), .sums_i(x_q), .w_i(w[p*Simd +: Simd]), .raw_o(raw), .excess_o(excess));
    end
    // With SignOut the sums are kept in offset binary, whose top bit is the answer itself.
    assign bias_sum[p*SumBits +: SumBits] =
      (bias[p*AccBits+Shift +: SumBits] ^ (SignOut != 0 ? SumBits'(1) << (SumBits - 1) : '0)) - SumBits'(excess);
    assign base = acc_first ? bias_sum[p*SumBits +: SumBits] : old_sum[p*SumBits +: SumBits];
    assign sum[p*SumBits +: SumBits] = SumBits'(raw) + base;
  end

  logic [Pe*SumBits-1:0] sum_q;
  if (Sf == 1) begin : gen_no_acc
    assign old_sum = '0;
    always_ff @(posedge clk_i) if (acc_en) sum_q <= sum;
  end else if (InputStationary != 0 && Nf > 1) begin : gen_ram_acc
    (* ram_style = "distributed" *) logic [Pe*SumBits-1:0] mem [Nf];
    assign old_sum = mem[nf[DotStages+1]];
    always_ff @(posedge clk_i) if (acc_en) mem[nf[DotStages+1]] <= sum;
    always_ff @(posedge clk_i) if (acc_en) sum_q <= sum;
  end else begin : gen_reg_acc
    assign old_sum = sum_q;
    always_ff @(posedge clk_i) if (acc_en) sum_q <= sum;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (en) out_valid_o <= valid[DotStages+1] & acc_last;
  end

  for (genvar p = 0; p < Pe; p++) begin : gen_out
    if (SignOut != 0) begin : gen_sign
      logic unused;
      assign unused = ^bias;
      assign out_data_o[p] = sum_q[p*SumBits+SumBits-1];
    end else begin : gen_acc
      logic [AccBits-1:0] acc;
      if (Shift == 0) begin : gen_noshift
        assign acc = sum_q[p*SumBits +: SumBits];
      end else begin : gen_shift
        logic [Shift-1:0] low_q;
        always_ff @(posedge clk_i) if (acc_en & acc_last) low_q <= bias[p*AccBits +: Shift];
        assign acc = {sum_q[p*SumBits +: SumBits], low_q};
      end
      logic unused;
      assign unused = ^acc;
      assign out_data_o[p*OutBits +: OutBits] = acc[OutBits-1:0];
    end
  end
endmodule
