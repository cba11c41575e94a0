// Multiply and accumulate: the pipeline of bhc_mvu and bhc_mvu_stream, which order the work and bring the weights.
//
//   acc = bias + sum over the products from a first to a last one of (raw << Shift)     (bhc_dot's raw; Shift 0 or 1)
//   SignOut = 1: an output lane is (acc >= 0), OutBits = 1;   SignOut = 0: it is acc[OutBits-1:0].
//
// Group > 1, for bipolar weights: x_i are the signed sums of groups of so many elements (bhc_sums), which the rows share, and
// bhc_group_dot takes the place of bhc_dot.
//
// A dot product of Simd elements for each of Pe outputs enters in a cycle with en_o and valid_i; x_i and w_i belong to it one
// cycle later and are held while en_o is low: they are registers that en_o enables. first_i, last_i: of Sf that are added
// up. nf_i: the accumulator, bias_addr_i: where it begins. Products of one accumulator follow each other, or, with
// InputStationary = 1, those of all Nf take turns.
// The output beat of a last product follows 2 + DotStages cycles after it. One enable stalls the whole pipeline while an
// output beat waits: en_o depends combinationally on out_ready_i, out_valid_o is a register. update_o: accumulators are written.
//
// bias: Classes*Nf words [Pe][AccBits].  ConstWeights = 1: w is the parameter WeightsInit, w_i is ignored.
module bhc_mac #(
  parameter int unsigned XBits = 1,
  parameter int unsigned XKind = 2,
  parameter int unsigned WBits = 1,
  parameter int unsigned WKind = 2,
  parameter int unsigned Simd = 8,
  parameter int unsigned Pe = 1,
  parameter int unsigned Sf = 1,
  parameter int unsigned Nf = 1,
  parameter int unsigned InputStationary = 0,
  parameter int unsigned Classes = 1,
  parameter int unsigned AccBits = 8,
  parameter int unsigned Shift = 1,
  parameter int unsigned SignOut = 0,
  parameter int unsigned OutBits = 8,
  parameter int unsigned DotStages = 0,
  parameter int unsigned Group = 1,
  parameter int unsigned ConstWeights = 0,
  parameter logic [Pe*Simd*WBits-1:0] WeightsInit = '0,
  parameter int unsigned BiasStyle = 0,
  parameter BiasFile = "",
  parameter logic [Pe*AccBits-1:0] BiasInit = '0,
  localparam int unsigned ValueBits = XBits + Group / 2,
  localparam int unsigned HeldBits = (Simd / Group << (Group - 1)) * ValueBits + Simd % Group * XBits,
  localparam int unsigned NfBits = Nf > 1 ? $clog2(Nf) : 1,
  localparam int unsigned BiasBits = Classes * Nf > 1 ? $clog2(Classes * Nf) : 1
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  output logic                     en_o,
  input  logic                     valid_i,
  input  logic                     first_i,
  input  logic                     last_i,
  input  logic [NfBits-1:0]        nf_i,
  input  logic [BiasBits-1:0]      bias_addr_i,
  input  logic [HeldBits-1:0]      x_i,
  input  logic [Pe*Simd*WBits-1:0] w_i,
  output logic                     update_o,
  output logic                     out_valid_o,
  input  logic                     out_ready_i,
  output logic [Pe*OutBits-1:0]    out_data_o
);
  localparam int unsigned RawBits =
    $clog2((Simd / Group + Simd % Group) * ((1 << ValueBits) - 1) * ((1 << WBits) - 1) + 1);
  // Only the bits above Shift are ever added to; the rest of the bias passes by.
  localparam int unsigned SumBits = AccBits - Shift;

`ifndef SYNTHESIS
  initial assert (Group == 1 || WKind == 2) else $error("bhc_mac: shared sums are for bipolar weights");
  initial assert (Shift <= 1 && Shift < AccBits && OutBits <= AccBits && (SignOut == 0 || OutBits == 1))
    else $error("bhc_mac: no such output");
`endif

  assign en_o = ~out_valid_o | out_ready_i;

  // ---- Tags travel beside the dot products. Index 0: issuing; index s: s registers later.
  logic [DotStages+1:0] valid, first, last;
  logic [NfBits-1:0] nf [DotStages+2];
  logic [BiasBits-1:0] addr [DotStages+1];
  assign valid[0] = valid_i;
  assign first[0] = first_i;
  assign last[0] = last_i;
  assign nf[0] = nf_i;
  assign addr[0] = bias_addr_i;
  for (genvar s = 0; s <= DotStages; s++) begin : gen_tags
    always_ff @(posedge clk_i) begin
      if (!rst_ni) valid[s+1] <= 1'b0;
      else if (en_o) valid[s+1] <= valid[s];
      if (en_o) begin
        first[s+1] <= first[s];
        last[s+1] <= last[s];
        nf[s+1] <= nf[s];
      end
    end
    if (s < DotStages) begin : gen_addr
      always_ff @(posedge clk_i) if (en_o) addr[s+1] <= addr[s];
    end
  end

  logic [Pe*AccBits-1:0] bias;
  bhc_rom #(
    .Width(Pe * AccBits), .Depth(Classes * Nf), .Style(BiasStyle), .File(BiasFile), .Init(BiasInit)
  ) u_bias (.clk_i, .en_i(en_o), .addr_i(addr[DotStages]), .data_o(bias));

  // ---- Accumulate.
  logic acc_en, acc_first, acc_last;
  assign update_o = acc_en;
  assign acc_en = en_o & valid[DotStages+1];
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
      ) u_dot (.clk_i, .en_i(en_o), .x_i, .w_i(w_i[p*Simd*WBits +: Simd*WBits]), .raw_o(raw));
      assign excess = '0;
    end else begin : gen_groups
      bhc_group_dot #(
        .XBits(XBits), .Simd(Simd), .Group(Group), .Stages(DotStages), .ConstWeights(ConstWeights),
        .Weights(WeightsInit[p*Simd +: Simd])
      ) u_dot (.clk_i, .en_i(en_o), .sums_i(x_i), .w_i(w_i[p*Simd +: Simd]), .raw_o(raw), .excess_o(excess));
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
    else if (en_o) out_valid_o <= valid[DotStages+1] & acc_last;
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
