// CRC-32 (IEEE 802.3, as zlib's), a bit a cycle: the smallest there is, for bytes that come slowly.
//
//   clear_i  begins a new sum
//   step_i   takes data_i into the sum, in this and the next 8 cycles
//   shift_i  drops the lowest byte of the register, in as many: so the four bytes of the sum pass byte_o, low one first
//   byte_o   what a frame carries of the sum so far: inverted
//   good_o   the sum's own four bytes were taken after the data, and were right
// At most one of the three in a cycle, and 8 cycles without any after step_i or shift_i. byte_o and good_o hold after those.
module bhc_crc32 (
  input  logic       clk_i,
  input  logic       rst_ni,
  input  logic       clear_i,
  input  logic       step_i,
  input  logic       shift_i,
  input  logic [7:0] data_i,
  output logic [7:0] byte_o,
  output logic       good_o
);
  localparam logic [31:0] Polynomial = 32'hedb8_8320;
  localparam logic [31:0] Residue = 32'hdebb_20e3;

  logic [31:0] sum_q;
  logic [7:0] data_q;
  logic [3:0] count_q;  // the highest bit: at work
  logic plain_q, feedback;

  assign feedback = (sum_q[0] ^ data_q[0]) && !plain_q;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) count_q <= '0;
    else if (step_i || shift_i) count_q <= 4'd8;
    else if (count_q[3]) count_q <= count_q + 4'd1;

    if (step_i || shift_i) begin
      data_q <= data_i;
      plain_q <= shift_i;
    end else begin
      data_q <= {1'b0, data_q[7:1]};
    end

    if (clear_i) sum_q <= '1;
    else if (count_q[3]) sum_q <= {1'b0, sum_q[31:1]} ^ (feedback ? Polynomial : '0);
  end
  assign byte_o = ~sum_q[7:0];
  assign good_o = sum_q == Residue;

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) begin
    if (rst_ni) assert (!(count_q[3] && (clear_i || step_i || shift_i))) else $error("bhc_crc32: still at work");
  end
`endif
endmodule
