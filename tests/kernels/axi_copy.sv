// Both AXI engines, for their test: src to dst through a stream that pass_i lets through; and src again and again to ring.
module axi_copy (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        start_i,
  input  logic        clear_i,
  input  logic [31:3] src_i,
  input  logic [31:3] dst_i,
  input  logic [28:0] words_i,
  input  logic        pass_i,
  output logic        copying_o,
  output logic        ring_busy_o,
  output logic [1:0]  error_o,
  output logic [31:0] ar_addr_o,
  output logic [3:0]  ar_len_o,
  output logic        ar_valid_o,
  input  logic        ar_ready_i,
  input  logic [63:0] r_data_i,
  input  logic [1:0]  r_resp_i,
  input  logic        r_last_i,
  input  logic        r_valid_i,
  output logic        r_ready_o,
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
  output logic        b_ready_o,
  output logic [31:0] ring_ar_addr_o,
  output logic [3:0]  ring_ar_len_o,
  output logic        ring_ar_valid_o,
  input  logic        ring_ar_ready_i,
  input  logic [63:0] ring_r_data_i,
  input  logic [1:0]  ring_r_resp_i,
  input  logic        ring_r_last_i,
  input  logic        ring_r_valid_i,
  output logic        ring_r_ready_o,
  output logic        ring_valid_o,
  input  logic        ring_ready_i,
  output logic [63:0] ring_data_o
);
  logic read_busy, write_busy, valid, ready, ring_error;
  logic [63:0] data;
  assign copying_o = read_busy || write_busy;

  bhc_axi_read #(.FifoDepth(64), .Bursts(3)) u_read (
    .clk_i, .rst_ni, .start_i, .clear_i, .base_i(src_i), .words_i, .busy_o(read_busy), .error_o(error_o[0]),
    .ar_addr_o, .ar_len_o, .ar_valid_o, .ar_ready_i, .r_data_i, .r_resp_i, .r_last_i, .r_valid_i, .r_ready_o,
    .out_valid_o(valid), .out_ready_i(ready && pass_i), .out_data_o(data)
  );
  bhc_axi_write u_write (
    .clk_i, .rst_ni, .start_i, .clear_i, .base_i(dst_i), .words_i, .busy_o(write_busy), .error_o(error_o[1]),
    .in_valid_i(valid && pass_i), .in_ready_o(ready), .in_data_i(data),
    .aw_addr_o, .aw_len_o, .aw_valid_o, .aw_ready_i, .w_data_o, .w_last_o, .w_valid_o, .w_ready_i, .b_resp_i, .b_valid_i, .b_ready_o
  );
  bhc_axi_read #(.FifoDepth(128), .Bursts(8), .Repeat(1'b1), .Style(2)) u_ring (
    .clk_i, .rst_ni, .start_i, .clear_i, .base_i(src_i), .words_i, .busy_o(ring_busy_o), .error_o(ring_error),
    .ar_addr_o(ring_ar_addr_o), .ar_len_o(ring_ar_len_o), .ar_valid_o(ring_ar_valid_o), .ar_ready_i(ring_ar_ready_i),
    .r_data_i(ring_r_data_i), .r_resp_i(ring_r_resp_i), .r_last_i(ring_r_last_i), .r_valid_i(ring_r_valid_i),
    .r_ready_o(ring_r_ready_o), .out_valid_o(ring_valid_o), .out_ready_i(ring_ready_i), .out_data_o(ring_data_o)
  );
  logic unused;
  assign unused = ring_error;
endmodule
