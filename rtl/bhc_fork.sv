// Copies a stream to Sinks sinks. Every sink takes each beat once, in its own time; the input is taken in the cycle in which
// the last of them takes it. Latency 0, one beat a cycle; one flip-flop a sink, none for data.
module bhc_fork #(
  parameter int unsigned Width = 8,
  parameter int unsigned Sinks = 2
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] in_data_i,
  output logic [Sinks-1:0] out_valid_o,
  input  logic [Sinks-1:0] out_ready_i,
  output logic [Width-1:0] out_data_o
);
  logic [Sinks-1:0] done_q;  // sinks that have the present beat

  assign out_data_o = in_data_i;
  assign out_valid_o = in_valid_i ? ~done_q : '0;
  assign in_ready_o = &(done_q | out_ready_i);

  always_ff @(posedge clk_i) begin
    if (!rst_ni || in_ready_o) done_q <= '0;
    else if (in_valid_i) done_q <= done_q | out_ready_i;
  end
endmodule
