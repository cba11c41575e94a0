// UART receiver: 8 data bits, low one first, no parity, 1 stop bit, ClocksPerBit cycles a bit.
//
//   rx_i     the pin, asynchronous, high when idle
//   valid_o  for one cycle: data_o is a byte
// A byte is sampled in the middle of its bits, and given half a bit before its stop bit ends, so that a sender may be some per
// cent faster. A byte whose start bit is not 0 or whose stop bit is not 1 is dropped: noise, or a line that is not connected.
module bhc_uart_rx #(
  parameter int unsigned ClocksPerBit = 12
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       rx_i,
  output logic       valid_o,
  output logic [7:0] data_o
);
  localparam int unsigned CountBits = $clog2(ClocksPerBit);
  logic [1:0] sync_q;
  logic busy_q, rx, sample;
  logic [CountBits-1:0] count_q;
  // Bits enter at the top. A one that goes ahead of them reaches the bottom when start bit and data have come.
  logic [9:0] bits_q;

  assign rx = sync_q[0];
  assign sample = busy_q && count_q == '0;
  assign valid_o = sample && bits_q[0] && !bits_q[1] && rx;
  assign data_o = bits_q[9:2];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) sync_q <= '1;
    else sync_q <= {rx_i, sync_q[1]};

    if (!rst_ni) busy_q <= 1'b0;
    else if (!busy_q) busy_q <= !rx;
    else if (sample) busy_q <= !bits_q[0];

    if (!busy_q) count_q <= CountBits'((ClocksPerBit - 1) / 2);
    else if (sample) count_q <= CountBits'(ClocksPerBit - 1);
    else count_q <= count_q - CountBits'(1);

    if (!busy_q) bits_q <= 10'h200;
    else if (sample) bits_q <= {rx, bits_q[9:1]};
  end

`ifndef SYNTHESIS
  initial assert (ClocksPerBit >= 3) else $error("bhc_uart_rx: %0d clocks a bit are too few", ClocksPerBit);
`endif
endmodule
