// Marks the last of every Beats beats: last_o is high while beat Beats-1 is at hand; beat_i means that a beat moves.
module bhc_last #(
  parameter int unsigned Beats = 2
) (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic beat_i,
  output logic last_o
);
  if (Beats == 1) begin : gen_wire
    logic unused;
    assign unused = ^{clk_i, rst_ni, beat_i};
    assign last_o = 1'b1;
  end else begin : gen_counter
    localparam int unsigned CountBits = $clog2(Beats);
    logic [CountBits-1:0] count_q;
    assign last_o = count_q == CountBits'(Beats - 1);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) count_q <= '0;
      else if (beat_i) count_q <= last_o ? '0 : count_q + CountBits'(1);
    end
  end
endmodule
