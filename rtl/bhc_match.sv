// Number of matches among three pairs: xnor (Xnor = 1) or and (Xnor = 0) of x and w, inverted when Invert = 1. Combinational.
//
// Two LUT6, so a third of the bits is gone before any adder; this is the densest first level for two variable operands.
// keep_hierarchy: ABC otherwise shares the xnors among both outputs and needs three LUTs (see bhc_dot).
(* keep_hierarchy = "yes" *)
module bhc_match #(
  parameter int unsigned Xnor = 1,
  parameter int unsigned Invert = 0
) (
  input  logic [2:0] x_i,
  input  logic [2:0] w_i,
  output logic [1:0] count_o
);
  logic [2:0] v;
  if (Xnor != 0) begin : gen_xnor
    assign v = x_i ^ w_i ^ {3{Invert == 0}};
  end else begin : gen_and
    assign v = (x_i & w_i) ^ {3{Invert != 0}};
  end
  assign count_o = {v[0] & v[1] | v[1] & v[2] | v[0] & v[2], ^v};
endmodule
