// Writes a stream of 64-bit words to a region of memory over AXI, in order.
//
//   start_i    one cycle, while busy_o is low: words_i words (at least one) go to byte address {base_i, 3'b000} and on
//   clear_i    one cycle or more: forget the region. A burst that has begun is completed, with the words that it was given; whatever
//              else the FIFO holds is dropped
//   busy_o     until memory has confirmed the last word
//   error_o    one cycle for each burst that was answered by SLVERR or DECERR
//
// Bursts of at most 16 words, aligned to 128 bytes, so that none crosses 4 KiB (AXI3 and AXI4). A burst begins when the FIFO has all
// of its words: a source that stops never leaves one half done. A word a cycle, but for one cycle a burst; at most 15 bursts
// await their answer. Words are taken at any time, up to FifoDepth (a power of two) of them.
module bhc_axi_write #(
  parameter int unsigned FifoDepth = 32,
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
  input  logic        in_valid_i,
  output logic        in_ready_o,
  input  logic [63:0] in_data_i,
  output logic [31:0] aw_addr_o,
  output logic [3:0]  aw_len_o,
  output logic        aw_valid_o,
  input  logic        aw_ready_i,
  output logic [63:0] w_data_o,
  output logic        w_last_o,
  output logic        w_valid_o,
  input  logic        w_ready_i,
  input  logic [1:0]  b_resp_i,
  input  logic        b_valid_i,
  output logic        b_ready_o
);
  localparam int unsigned StoredBits = $clog2(FifoDepth) + 1;
  logic [31:3] addr_q;
  logic [28:0] left_q;
  logic [StoredBits-1:0] stored_q;  // words of the FIFO that no burst has yet
  logic [4:0] burst, beats_q;
  logic [3:0] open_q;  // bursts begun that have no answer
  logic run_q, drop_q, dropping, issue, push, empty, fifo_valid, fifo_ready, unused;

  assign burst = left_q > 29'd16 - 29'(addr_q[6:3]) ? 5'd16 - 5'(addr_q[6:3]) : left_q[4:0];
  assign issue = run_q && !dropping && beats_q == '0 && !aw_valid_o && stored_q >= StoredBits'(burst) && open_q != '1;
  assign push = in_valid_i && in_ready_o;
  assign dropping = clear_i || drop_q;
  assign busy_o = run_q || drop_q || open_q != '0;
  assign error_o = b_valid_i && b_resp_i[1];
  assign b_ready_o = 1'b1;
  assign w_valid_o = beats_q != '0 && fifo_valid;
  assign w_last_o = beats_q == 5'd1;
  assign empty = dropping && beats_q == '0;
  assign in_ready_o = fifo_ready && !dropping;
  assign unused = b_resp_i[0];

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      run_q <= 1'b0;
      drop_q <= 1'b0;
      aw_valid_o <= 1'b0;
      beats_q <= '0;
      open_q <= '0;
      stored_q <= '0;
    end else begin
      if (start_i) run_q <= 1'b1;
      else if (dropping || (issue && left_q == 29'(burst))) run_q <= 1'b0;
      drop_q <= dropping && open_q != '0;
      if (issue) aw_valid_o <= 1'b1;
      else if (aw_ready_i) aw_valid_o <= 1'b0;
      if (issue) beats_q <= burst;
      else if (w_valid_o && w_ready_i) beats_q <= beats_q - 5'd1;
      if (issue != b_valid_i) open_q <= open_q + (issue ? 4'd1 : '1);
      if (dropping) stored_q <= '0;
      else stored_q <= stored_q + StoredBits'(push) - (issue ? StoredBits'(burst) : '0);
    end
    if (start_i) begin
      addr_q <= base_i;
      left_q <= words_i;
    end else if (issue) begin
      addr_q <= addr_q + 29'(burst);
      left_q <= left_q - 29'(burst);
    end
    if (issue) begin
      aw_addr_o <= {addr_q, 3'b000};
      aw_len_o <= 4'(burst - 5'd1);
    end
  end

  bhc_fifo #(.Width(64), .Depth(FifoDepth), .Style(Style)) u_fifo (
    .clk_i, .rst_ni(rst_ni && !empty), .in_valid_i(in_valid_i && !dropping), .in_ready_o(fifo_ready), .in_data_i,
    .out_valid_o(fifo_valid), .out_ready_i(beats_q != '0 && w_ready_i), .out_data_o(w_data_o)
  );

`ifndef SYNTHESIS
  initial assert (FifoDepth >= 32 && FifoDepth == 1 << $clog2(FifoDepth)) else $error("bhc_axi_write: a FIFO of %0d words", FifoDepth);
`endif
endmodule
