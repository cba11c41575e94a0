// High from Count steps after reset on. Count = 0: always.
module bhc_filled #(
  parameter int unsigned Count = 4
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic step_i,
  output logic filled_o
);
  if (Count == 0) begin : gen_wire
    logic unused;
    assign unused = ^{clk_i, rst_ni, step_i};
    assign filled_o = 1'b1;
  end else begin : gen_counter
    localparam int unsigned CountBits = $clog2(Count + 1);
    logic [CountBits-1:0] count_q;
    assign filled_o = count_q == CountBits'(Count);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) count_q <= '0;
      else if (step_i && !filled_o) count_q <= count_q + CountBits'(1);
    end
  end
endmodule
