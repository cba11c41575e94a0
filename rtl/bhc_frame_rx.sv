// Bytes of frames from a UART (docs/uart.md): HDLC-like framing as in RFC 1662 with a CRC-32.
//
//   byte_o  for one cycle: data_o is the next byte of a frame, escapes removed; the last four are the CRC
//   end_o   for one cycle: the frame is over, or what looked like one
//   good_o  with end_o: its CRC is right
// It needs no time-out: whatever came before, a flag ends it, and the next byte begins a frame.
module bhc_frame_rx #(
  parameter int unsigned ClocksPerBit = 12
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       rx_i,
  output logic       byte_o,
  output logic [7:0] data_o,
  output logic       end_o,
  output logic       good_o
);
  localparam logic [7:0] Flag = 8'h7e;
  localparam logic [7:0] Escape = 8'h7d;
  logic valid, escape, escaped_q;
  logic [7:0] data, unused_sum;

  bhc_uart_rx #(.ClocksPerBit(ClocksPerBit)) u_uart (.clk_i, .rst_ni, .rx_i, .valid_o(valid), .data_o(data));
  assign end_o = valid && data == Flag;
  assign escape = valid && data == Escape;
  assign byte_o = valid && !end_o && !escape;
  assign data_o = {data[7:6], data[5] ^ escaped_q, data[4:0]};
  always_ff @(posedge clk_i) begin
    if (!rst_ni) escaped_q <= 1'b0;
    else if (valid) escaped_q <= escape;
  end

  bhc_crc32 u_crc (
    .clk_i, .rst_ni, .clear_i(end_o), .step_i(byte_o), .shift_i(1'b0), .data_i(data_o),
    .byte_o(unused_sum), .good_o
  );
  logic unused;
  assign unused = ^unused_sum;
endmodule
