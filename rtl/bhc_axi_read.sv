// Reads a region of memory over AXI and gives it as a stream of 64-bit words, in order.
//
//   start_i    one cycle, while busy_o is low: words_i words (at least one) from byte address {base_i, 3'b000} on
//   clear_i    one cycle or more: forget the region. Bursts under way are let finish, their words dropped; the stream is empty at once
//   busy_o     until the stream has given the last word, or, after clear_i, until no burst is under way
//   error_o    one cycle for each word that came with SLVERR or DECERR; the word is given all the same
//
// Repeat: after the last word the region begins anew, without a gap.
// Bursts of at most 16 words, aligned to 128 bytes, so that none crosses 4 KiB (AXI3 and AXI4). A burst is asked for only when the
// FIFO has room for 16 words, so r_ready_o is always high; at most Bursts are under way. For a word a cycle, FifoDepth and 16 * Bursts
// are at least the memory's latency and 32 more. FifoDepth is a power of two; see bhc_fifo for Style.
module bhc_axi_read #(
  parameter int unsigned FifoDepth = 128,
  parameter int unsigned Bursts = 8,
  parameter bit Repeat = 1'b0,
  parameter int unsigned Style = 0
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,
  input  logic        clear_i,
  input  logic [31:3] base_i,
  input  logic [28:0] words_i,
  output logic        busy_o,
  output logic        error_o,
  output logic [31:0] ar_addr_o,
  output logic [3:0]  ar_len_o,
  output logic        ar_valid_o,
  input  logic        ar_ready_i,
  input  logic [63:0] r_data_i,
  input  logic [1:0]  r_resp_i,
  input  logic        r_last_i,
  input  logic        r_valid_i,
  output logic        r_ready_o,
  output logic        out_valid_o,
  input  logic        out_ready_i,
  output logic [63:0] out_data_o
);
  localparam int unsigned RoomBits = $clog2(FifoDepth) + 1;
  localparam int unsigned OpenBits = $clog2(Bursts + 1);
  logic [31:3] addr_q, base_q;
  logic [28:0] left_q, words_q;
  logic [RoomBits-1:0] room_q;  // words of the FIFO that no burst will fill
  logic [OpenBits-1:0] open_q;  // bursts asked for whose last word has not come
  logic [4:0] burst;
  logic run_q, drop_q, dropping, issue, last_burst, burst_end, pop, fifo_ready, unused;

  // Up to the next multiple of 128 bytes.
  assign burst = left_q > 29'd16 - 29'(addr_q[6:3]) ? 5'd16 - 5'(addr_q[6:3]) : left_q[4:0];
  assign last_burst = left_q == 29'(burst);
  assign issue = run_q && !dropping && (!ar_valid_o || ar_ready_i) && room_q >= RoomBits'(16) && open_q != OpenBits'(Bursts);
  assign burst_end = r_valid_i && r_last_i;
  assign pop = out_valid_o && out_ready_i;
  assign dropping = clear_i || drop_q;
  assign busy_o = run_q || drop_q || open_q != '0 || room_q != RoomBits'(FifoDepth);
  assign error_o = r_valid_i && r_resp_i[1];
  assign r_ready_o = 1'b1;
  assign unused = r_resp_i[0] ^ fifo_ready;

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      run_q <= 1'b0;
      drop_q <= 1'b0;
      open_q <= '0;
      ar_valid_o <= 1'b0;
      room_q <= RoomBits'(FifoDepth);
    end else begin
      if (start_i) run_q <= 1'b1;
      else if (dropping || (issue && last_burst && !Repeat)) run_q <= 1'b0;
      // A burst that was offered may not be withdrawn.
      drop_q <= dropping && open_q != '0;
      if (issue != burst_end) open_q <= open_q + (issue ? OpenBits'(1) : '1);
      if (!ar_valid_o || ar_ready_i) ar_valid_o <= issue;
      if (dropping) room_q <= RoomBits'(FifoDepth);
      else room_q <= room_q - (issue ? RoomBits'(burst) : '0) + RoomBits'(pop);
    end
    if (start_i) begin
      base_q <= base_i;
      words_q <= words_i;
    end
    if (start_i || (issue && last_burst)) begin
      addr_q <= start_i ? base_i : base_q;
      left_q <= start_i ? words_i : words_q;
    end else if (issue) begin
      addr_q <= addr_q + 29'(burst);
      left_q <= left_q - 29'(burst);
    end
    if (issue) begin
      ar_addr_o <= {addr_q, 3'b000};
      ar_len_o <= 4'(burst - 5'd1);
    end
  end

  bhc_fifo #(.Width(64), .Depth(FifoDepth), .Style(Style)) u_fifo (
    .clk_i, .rst_ni(rst_ni && !dropping), .in_valid_i(r_valid_i && !dropping), .in_ready_o(fifo_ready), .in_data_i(r_data_i),
    .out_valid_o, .out_ready_i, .out_data_o
  );

`ifndef SYNTHESIS
  always_ff @(posedge clk_i) assert (!rst_ni || !r_valid_i || dropping || fifo_ready) else $error("bhc_axi_read: the FIFO is full");
  initial assert (FifoDepth >= 32 && FifoDepth == 1 << $clog2(FifoDepth)) else $error("bhc_axi_read: a FIFO of %0d words", FifoDepth);
`endif
endmodule
