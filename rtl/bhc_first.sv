// The first (lowest) set bit: its index, the bits without it, and whether any other is set. Combinational.
//
// In two levels: the first of the groups that have a bit set, and the first bit in that group. The levels are chosen from at
// once, so that 64 bits take about five LUTs in a row. No bit set: index_o is 0, rest_o and more_o are zero.
module bhc_first #(
  parameter int unsigned Width = 64,
  localparam int unsigned IndexBits = Width > 1 ? $clog2(Width) : 1
) (
  input  logic [Width-1:0]     bits_i,
  output logic [IndexBits-1:0] index_o,
  output logic [Width-1:0]     rest_o,
  output logic                 more_o
);
  localparam int unsigned Group = Width > 16 ? 8 : 4;
  localparam int unsigned Groups = (Width + Group - 1) / Group;
  localparam int unsigned GroupBits = $clog2(Group);

  logic [Groups*Group-1:0] bits;
  assign bits = (Groups * Group)'(bits_i);

  // first[g]: group g is the first with a bit set. picked: its bits.
  logic [Groups-1:0] any, first;
  logic [Group-1:0] picked, chosen;
  for (genvar g = 0; g < Groups; g++) begin : gen_group
    assign any[g] = |bits[g*Group +: Group];
    if (g == 0) begin : gen_lowest
      assign first[g] = any[g];
    end else begin : gen_other
      assign first[g] = any[g] && !(|any[g-1:0]);
    end
  end
  always_comb begin
    picked = '0;
    for (int unsigned g = 0; g < Groups; g++) picked |= bits[g*Group +: Group] & {Group{first[g]}};
  end
  assign chosen = picked & (~picked + Group'(1));

  logic [GroupBits-1:0] low;
  logic [31:0] high;
  always_comb begin
    low = '0;
    high = '0;
    for (int unsigned i = 0; i < Group; i++) if (chosen[i]) low |= GroupBits'(i);
    for (int unsigned g = 0; g < Groups; g++) if (first[g]) high |= g;
  end
  assign index_o = IndexBits'(high << GroupBits) | IndexBits'(low);

  logic [Groups*Group-1:0] rest;
  for (genvar g = 0; g < Groups; g++) begin : gen_rest
    assign rest[g*Group +: Group] = bits[g*Group +: Group] & ~(chosen & {Group{first[g]}});
  end
  assign rest_o = rest[Width-1:0];
  assign more_o = |(any & ~first) || |(picked & ~chosen);

  logic unused;
  assign unused = ^{high, low};
  if (Groups * Group > Width) begin : gen_padding
    logic unused_rest;
    assign unused_rest = ^rest[Groups*Group-1:Width];
  end
endmodule
