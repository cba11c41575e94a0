// UART sender: 8 data bits, low one first, no parity, 1 stop bit, ClocksPerBit cycles a bit.
//
//   tx_o     the pin, a register, high when idle
//   ready_o  for one cycle each bit while the line is idle: data_i is taken if valid_i is high
// Bytes that wait follow each other without a gap.
module bhc_uart_tx #(
  parameter int unsigned ClocksPerBit = 12
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       valid_i,
  output logic       ready_o,
  input  logic [7:0] data_i,
  output logic       tx_o
);
  logic tick;
  logic [3:0] left_q;  // bits after the one on the line
  logic [8:0] bits_q;

  bhc_count #(.Count(ClocksPerBit)) u_tick (.clk_i, .rst_ni, .step_i(1'b1), .last_o(tick));
  assign ready_o = tick && left_q == '0;
  assign tx_o = bits_q[0];
  always_ff @(posedge clk_i) begin
    if (!rst_ni) left_q <= '0;
    else if (ready_o && valid_i) left_q <= 4'd9;
    else if (tick && left_q != '0) left_q <= left_q - 4'd1;

    if (!rst_ni) bits_q <= '1;
    else if (ready_o && valid_i) bits_q <= {data_i, 1'b0};
    else if (tick) bits_q <= {1'b1, bits_q[8:1]};
  end
endmodule
