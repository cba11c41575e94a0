// One row of dot products with bipolar weights, from the signed sums of groups of elements that bhc_sums shares out.
//
// raw_o - excess_o is bhc_dot's raw; excess_o is a constant, 0 unless ConstWeights = 1. sums_i is bhc_sums' output.
// Stages (0 to 2) pipeline registers, enabled by en_i, no reset: bhc_heap's.
// ConstWeights = 0: Group = 2, XBits > 1.   ConstWeights = 1: w is the parameter Weights, w_i is ignored.
//
// LUT cells of one row of 54 elements of 8 bits without accumulator, what all rows share, and the row with bhc_dot, Yosys 0.70:
//   variable weights 312, 432, 496;   constant ones 146, up to 1500, 430.   docs/kernels.md has more.
module bhc_group_dot #(
  parameter int unsigned XBits = 8,
  parameter int unsigned Simd = 8,
  parameter int unsigned Group = 2,
  parameter int unsigned Stages = 0,
  parameter int unsigned ConstWeights = 0,
  parameter logic [Simd-1:0] Weights = '0,
  localparam int unsigned Groups = Simd / Group,
  localparam int unsigned Left = Simd % Group,
  localparam int unsigned Patterns = 1 << (Group - 1),
  localparam int unsigned ValueBits = XBits + Group / 2,
  localparam int unsigned LeftFrom = Groups * Patterns * ValueBits,
  localparam int unsigned OutBits = $clog2((Simd / Group + Simd % Group) * ((1 << ValueBits) - 1) + 1)
) (
  input  logic                           clk_i,
  input  logic                           en_i,
  input  logic [LeftFrom+Left*XBits-1:0] sums_i,
  input  logic [Simd-1:0]                w_i,
  output logic [OutBits-1:0]             raw_o,
  output logic [OutBits-1:0]             excess_o
);
  // With constant weights a group is one element, its value or that of the opposite weights, under the weight of its first.
  localparam int unsigned Terms = Groups + Left;
  localparam int unsigned Greatest = (1 << XBits) - 1;
  localparam bit Signed = Group == 4;

  function automatic logic [Terms-1:0] weights();
    for (int unsigned g = 0; g < Groups; g++) weights[g] = Weights[g*Group];
    for (int unsigned e = Groups; e < Terms; e++) weights[e] = Weights[Groups*Group+e-Groups];
  endfunction

  function automatic logic [OutBits-1:0] excess();
    excess = '0;
    for (int unsigned g = 0; g < Groups; g++) begin
      // Inverted, a value v counts as 2^ValueBits - 1 - v, and not as Group * Greatest - v. If it is signed, its sign bit is
      // inverted besides, so that it counts as v + 2^(ValueBits-1), one less if inverted, and not as v + Group * Greatest / 2.
      if (Signed) excess = excess + OutBits'((1 << (ValueBits - 1)) - Group * Greatest / 2 - (Weights[g*Group] ? 0 : 1));
      else if (!Weights[g*Group]) excess = excess + OutBits'((1 << ValueBits) - 1 - Group * Greatest);
    end
    for (int unsigned e = Groups * Group; e < Simd; e++) begin
      if (!Weights[e]) excess = excess + OutBits'((1 << ValueBits) - 1 - Greatest);
    end
  endfunction

  if (ConstWeights != 0) begin : gen_constant
    logic [Terms*ValueBits-1:0] x;
    for (genvar g = 0; g < Groups; g++) begin : gen_group
      localparam logic [Group-1:0] Mine = Weights[g*Group +: Group];
      localparam logic [Group-1:0] Relative = Mine ^ {Group{~Mine[0]}};
      localparam int unsigned Pattern = 32'(Relative >> 1);
      assign x[g*ValueBits +: ValueBits] = sums_i[(g*Patterns+Pattern)*ValueBits +: ValueBits];
    end
    for (genvar e = 0; e < Left; e++) begin : gen_left
      // bhc_dot inverts the sign bits of signed elements.
      assign x[(Groups+e)*ValueBits +: ValueBits] =
        ValueBits'(sums_i[LeftFrom+e*XBits +: XBits]) | (Signed ? ValueBits'(1) << (ValueBits - 1) : '0);
    end
    bhc_dot #(
      .XBits(ValueBits), .XKind(Signed ? 1 : 0), .Simd(Terms), .Stages(Stages), .ConstWeights(1), .Weights(weights())
    ) u_dot (.clk_i, .en_i, .x_i(x), .w_i('0), .raw_o);
    assign excess_o = excess();
    logic unused;
    assign unused = ^{sums_i, w_i};
  end else begin : gen_variable
`ifndef SYNTHESIS
    initial assert (Group == 2 && XBits > 1) else $error("bhc_group_dot: groups of %0d of %0d bits", Group, XBits);
`endif
    logic [Groups*ValueBits-1:0] sums, differences;
    for (genvar p = 0; p < Groups; p++) begin : gen_pair
      // Greatest - v, the opposite of what the value v stands for.
      assign {sums[p*ValueBits +: ValueBits], differences[p*ValueBits +: ValueBits]} =
        sums_i[2*p*ValueBits +: 2*ValueBits] ^ {2{1'b0, {(ValueBits-1){1'b1}}}};
    end
    logic [(Left > 0 ? XBits : 1)-1:0] odd;
    if (Left > 0) begin : gen_odd
      assign odd = sums_i[LeftFrom +: XBits];
    end else begin : gen_no_odd
      assign odd = '0;
    end
    bhc_pair_sum #(
      .ValueBits(ValueBits), .Pairs(Groups), .OddBits(Left * XBits), .Less(1), .OutBits(OutBits), .Stages(Stages)
    ) u_sum (
      .clk_i, .en_i, .sums_i(sums), .differences_i(differences), .odd_i(odd), .w_i, .sum_o(raw_o));
    assign excess_o = '0;
  end
endmodule
