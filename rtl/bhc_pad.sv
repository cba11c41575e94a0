// Inserts rows and columns of Word around an image: PT above, PB below, PL left, PR right (1-D: W = 1, PL = PR = 0).
//
// In: H*W*Chunks beats; out: (H+PT+PB) * (W+PL+PR) * Chunks beats, one a cycle: cycles a window = output beats.
// Latency 1 (output register). Padding does not wait for input.
module bhc_pad #(
  parameter int unsigned Bits = 1,
  parameter int unsigned Lanes = 1,
  parameter int unsigned Chunks = 1,
  parameter int unsigned H = 1,
  parameter int unsigned W = 1,
  parameter int unsigned PT = 0,
  parameter int unsigned PB = 0,
  parameter int unsigned PL = 0,
  parameter int unsigned PR = 0,
  parameter logic [Bits-1:0] Word = '0
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  in_valid_i,
  output logic                  in_ready_o,
  input  logic [Lanes*Bits-1:0] in_data_i,
  output logic                  out_valid_o,
  input  logic                  out_ready_i,
  output logic [Lanes*Bits-1:0] out_data_o
);
  logic free, pixel, step, chunk_last, col_last, col_pixel, row_last, row_pixel, unused;
  logic col_hit, row_hit;
  assign unused = ^{col_hit, row_hit, row_last};

  assign free = !out_valid_o || out_ready_i;
  assign pixel = row_pixel && col_pixel;
  assign step = free && (in_valid_i || !pixel);
  assign in_ready_o = free && pixel;

  bhc_count #(.Count(Chunks)) u_chunk (.clk_i, .rst_ni, .step_i(step), .last_o(chunk_last));
  bhc_axis #(.Length(PL + W + PR), .Before(PL), .Pixels(W), .Hits(1)) u_col (
    .clk_i, .rst_ni, .step_i(step && chunk_last), .last_o(col_last), .pixel_o(col_pixel), .hit_o(col_hit)
  );
  bhc_axis #(.Length(PT + H + PB), .Before(PT), .Pixels(H), .Hits(1)) u_row (
    .clk_i, .rst_ni, .step_i(step && chunk_last && col_last), .last_o(row_last), .pixel_o(row_pixel), .hit_o(row_hit)
  );

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (free) out_valid_o <= step;
    if (free) begin
      if (!pixel) out_data_o <= {Lanes{Word}};
      else out_data_o <= in_data_i;
    end
  end
endmodule
