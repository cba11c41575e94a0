// Sends frames over a UART (docs/uart.md): HDLC-like framing as in RFC 1662 with a CRC-32.
//
// Where a frame may begin, valid_i begins one. From then on ready_o, for one cycle, takes data_i; valid_i low instead
// ends the frame, which end_o tells for one cycle. The CRC and a flag follow.
module bhc_frame_tx #(
  parameter int unsigned ClocksPerBit = 12
) (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       valid_i,
  output logic       ready_o,
  input  logic [7:0] data_i,
  output logic       end_o,
  output logic       tx_o
);
  localparam logic [7:0] Flag = 8'h7e;
  localparam logic [7:0] Escape = 8'h7d;
  typedef enum logic [2:0] {Idle, Data, Sum0, Sum1, Sum2, Sum3, Close} state_e;
  state_e state_q;
  // A byte that is escaped is taken with its escape, since it may change before the UART has time for the other half.
  logic escaped_q, escape_q, is_flag, is_sum, is_special, send, ready, taken;
  logic [7:0] sum, raw, wire_byte;

  assign is_flag = state_q == Idle || state_q == Close;
  assign is_sum = !is_flag && state_q != Data;
  assign raw = is_sum ? sum : data_i;
  assign is_special = raw == Flag || raw == Escape;
  always_comb begin
    if (escaped_q) wire_byte = (escape_q ? Escape : Flag) ^ 8'h20;
    else if (is_flag) wire_byte = Flag;
    else if (is_special) wire_byte = Escape;
    else wire_byte = raw;
  end
  assign send = (escaped_q || is_sum || state_q == Close || valid_i) && ready;
  assign taken = send && !escaped_q;
  assign ready_o = taken && state_q == Data;
  assign end_o = state_q == Data && !valid_i;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q <= Idle;
      escaped_q <= 1'b0;
    end else begin
      if (send) escaped_q <= taken && !is_flag && is_special;
      unique case (state_q)
        Idle: if (taken) state_q <= Data;
        Data: if (end_o) state_q <= Sum0;
        Sum0: if (taken) state_q <= Sum1;
        Sum1: if (taken) state_q <= Sum2;
        Sum2: if (taken) state_q <= Sum3;
        Sum3: if (taken) state_q <= Close;
        default: if (taken) state_q <= Idle;
      endcase
    end
    if (taken) escape_q <= raw[0];
  end

  logic unused_good;
  bhc_crc32 u_crc (
    .clk_i, .rst_ni, .clear_i(state_q == Idle), .step_i(ready_o), .shift_i(taken && is_sum), .data_i,
    .byte_o(sum), .good_o(unused_good)
  );
  bhc_uart_tx #(.ClocksPerBit(ClocksPerBit)) u_uart (
    .clk_i, .rst_ni, .valid_i(send), .ready_o(ready), .data_i(wire_byte), .tx_o
  );
endmodule
