// One level of a loop nest: last_o is high in the last of every Count steps. Count = 1: no logic.
//
// Steps are clock edges with step_i high. A nest chains the levels: the outer one steps when the inner one steps and is last.
module bhc_count #(
  parameter int unsigned Count = 2
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic step_i,
  output logic last_o
);
  localparam int unsigned CountBits = Count > 1 ? $clog2(Count) : 1;
  logic [CountBits-1:0] count;
  bhc_pointer #(.Count(Count)) u_pointer (.clk_i, .rst_ni, .step_i, .count_o(count));
  assign last_o = count == CountBits'(Count - 1);
endmodule
