// Adds six bits of one weight; with Chain = 1 also one bit of twice and one of four times that weight. Combinational.
//
//   Chain = 0: sum_o = number of ones in ones_i, one LUT6 an output: 6 bits become 3.
//   Chain = 1: sum_o = number of ones in ones_i + 2 * two_i + 4 * four_i, at most 12: 8 bits become 4, in three LUTs as well:
//     they count ones_i[4:0] and at once feed the carry chain that adds {four_i, two_i, ones_i[5]}.
// keep_hierarchy: ABC otherwise re-maps across compressors (see bhc_dot for what that costs).
(* keep_hierarchy = "yes" *)
module bhc_compressor #(
  parameter int unsigned Chain = 0
) (
  input  logic [5:0] ones_i,
  input  logic       two_i,
  input  logic       four_i,
  output logic [3:0] sum_o
);
  logic [5:0] v;
  logic s0, s1, c0, c1, c2;
  logic [3:0] count;
  assign v = {Chain == 0 ? ones_i[5] : 1'b0, ones_i[4:0]};
  assign s0 = v[0] ^ v[1] ^ v[2];
  assign s1 = v[3] ^ v[4] ^ v[5];
  assign c0 = v[0] & v[1] | v[1] & v[2] | v[0] & v[2];
  assign c1 = v[3] & v[4] | v[4] & v[5] | v[3] & v[5];
  assign c2 = s0 & s1;
  assign count = {1'b0, c0 & c1 | c0 & c2 | c1 & c2, c0 ^ c1 ^ c2, s0 ^ s1};
  if (Chain != 0) begin : gen_chain
    // The plain bits come first: Yosys lets the chain's data inputs follow the first operand.
    assign sum_o = {1'b0, four_i, two_i, ones_i[5]} + count;
  end else begin : gen_luts
    assign sum_o = count;
    logic unused;
    assign unused = two_i ^ four_i;
  end
endmodule
