// Number of ones among 1 to 11 bits, of which the lowest Inverted ones are counted inverted. Combinational.
//
// Up to six bits: one LUT6 an output. Seven to eleven: 5 bits are counted by the LUTs of a carry chain that adds them to the
// count of the other 6, so 11 bits become 4 in 6 LUTs and one CARRY4 (1.17 bits removed a LUT; a 6:3 counter removes 1.0).
// keep_hierarchy: ABC otherwise re-maps across counters (see bhc_dot for what that costs).
(* keep_hierarchy = "yes" *)
module bhc_counter #(
  parameter int unsigned In = 6,
  parameter int unsigned Inverted = 0
) (
  input  logic [In-1:0] data_i,
  output logic [3:0]    count_o
);
  function automatic logic [2:0] count6(input logic [5:0] v);
    logic s0, s1, c0, c1, c2;
    s0 = v[0] ^ v[1] ^ v[2];
    s1 = v[3] ^ v[4] ^ v[5];
    c0 = v[0] & v[1] | v[1] & v[2] | v[0] & v[2];
    c1 = v[3] & v[4] | v[4] & v[5] | v[3] & v[5];
    c2 = s0 & s1;
    count6 = {c0 & c1 | c0 & c2 | c1 & c2, c0 ^ c1 ^ c2, s0 ^ s1};
  endfunction

  logic [10:0] v;
  assign v = 11'(data_i ^ In'((1 << Inverted) - 1));
  if (In > 6) begin : gen_chain
    assign count_o = {1'b0, count6(v[5:0])} + {1'b0, count6({1'b0, v[10:6]})};
  end else begin : gen_luts
    assign count_o = {1'b0, count6(v[5:0])};
    logic unused;
    assign unused = ^v;
  end
endmodule
