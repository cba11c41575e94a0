// The sums of each group of neighbouring elements under every choice of signs, for many dot products with bipolar weights to
// share. Combinational.
//
// x' is an element in offset binary: x, with its sign bit inverted if XKind = 1; G = 2^XBits - 1 is its greatest value. For weights
// +1 (1) and -1 (0) of a group, of which the first is +1 and weight e > 0 is bit e-1 of `pattern`:
//   XBits = 1: Group 3, XBits > 1: Group 2    value[group][pattern] = sum of (weight = +1 ? x' : G - x'), unsigned
//   XBits > 1: Group 4                        value[group][pattern] = sum of weight * (x' - G/2), two's complement
// Opposite weights have Group * G - value and -value.
// sums_o: group 0, pattern 0, in the least significant bits; above the groups x' of the elements after the last whole one.
module bhc_sums #(
  parameter int unsigned XBits = 8,
  parameter int unsigned XKind = 0,
  parameter int unsigned Simd = 8,
  parameter int unsigned Group = 2,
  localparam int unsigned Groups = Simd / Group,
  localparam int unsigned Patterns = 1 << (Group - 1),
  localparam int unsigned ValueBits = XBits + Group / 2,
  localparam int unsigned LeftBits = Simd % Group * XBits
) (
  input  logic [Simd*XBits-1:0]                         x_i,
  output logic [Groups*Patterns*ValueBits+LeftBits-1:0] sums_o
);
`ifndef SYNTHESIS
  initial assert (Groups > 0 && (XBits == 1 ? Group == 3 : Group == 2 || Group == 4))
    else $error("bhc_sums: groups of %0d of %0d elements of %0d bits", Group, Simd, XBits);
`endif

  logic [Simd*XBits-1:0] x;
  assign x = x_i ^ {Simd{XKind == 1 ? XBits'(1) << (XBits - 1) : XBits'(0)}};

  if (LeftBits > 0) begin : gen_left
    assign sums_o[Groups*Patterns*ValueBits +: LeftBits] = x[Groups*Group*XBits +: LeftBits];
  end

  for (genvar g = 0; g < Groups; g++) begin : gen_group
    logic [ValueBits-1:0] value [Patterns];
    if (XBits == 1) begin : gen_count
      logic [2:0] v;
      assign v = x[3*g +: 3];
      for (genvar q = 0; q < Patterns; q++) begin : gen_pattern
        logic [2:0] agree;
        assign agree = ~(v ^ {2'(q), 1'b1});
        assign value[q] = ValueBits'({agree[0] & agree[1] | agree[1] & agree[2] | agree[0] & agree[2], ^agree});
      end
    end else begin : gen_add
      // Of each two elements a and b, for weights +1, -1 and +1, +1.
      logic [XBits:0] pair [Group];
      for (genvar p = 0; p < Group / 2; p++) begin : gen_pair
        logic [XBits-1:0] a, b;
        assign a = x[(g*Group+2*p)*XBits +: XBits];
        assign b = x[(g*Group+2*p+1)*XBits +: XBits];
        if (Group == 2) begin : gen_unsigned
          assign pair[0] = {1'b0, a} + {1'b0, ~b};
          assign pair[1] = {1'b0, a} + {1'b0, b};
        end else begin : gen_signed  // a + b - G is a - ~b
          assign pair[2*p] = {1'b0, a} - {1'b0, b};
          assign pair[2*p+1] = {1'b0, a} - {1'b0, ~b};
        end
      end
      for (genvar q = 0; q < Patterns; q++) begin : gen_pattern
        if (Group == 2) begin : gen_two
          assign value[q] = pair[q];
        end else begin : gen_four
          logic signed [ValueBits-1:0] low, high;
          assign low = ValueBits'($signed(pair[q%2]));
          assign high = ValueBits'($signed(pair[q[1] ? 2 + q / 4 : 3 - q / 4]));
          assign value[q] = q[1] ? low + high : low - high;
        end
      end
    end
    for (genvar q = 0; q < Patterns; q++) begin : gen_out
      assign sums_o[(g*Patterns+q)*ValueBits +: ValueBits] = value[q];
    end
  end
endmodule
