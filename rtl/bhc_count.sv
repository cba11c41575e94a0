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
  if (Count == 1) begin : gen_wire
    logic unused;
    assign unused = ^{clk_i, rst_ni, step_i};
    assign last_o = 1'b1;
  end else begin : gen_counter
    localparam int unsigned CountBits = $clog2(Count);
    logic [CountBits-1:0] count_q, count_d;

    // Up to five bits, the next value is one LUT a bit and needs no carry chain.
    if (CountBits <= 5) begin : gen_ripple
      always_comb begin
        for (int i = 0; i < CountBits; i++) begin
          count_d[i] = count_q[i] ^ (&(count_q | ~((CountBits'(1) << i) - CountBits'(1))));
        end
      end
    end else begin : gen_carry
      assign count_d = count_q + CountBits'(1);
    end

    assign last_o = count_q == CountBits'(Count - 1);
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (step_i && last_o)) count_q <= '0;
      else if (step_i) count_q <= count_d;
    end
  end
endmodule
