// Channel concatenation: for each pixel AChunks beats of a, then BChunks beats of b.
//
// Elements are widened to OutBits by value (kinds: 0 unsigned, 1 signed, 2 bipolar; two bipolar streams keep 1 bit).
// One beat a cycle: cycles a window = output beats. Latency 1 (output register).
module bhc_concat #(
  parameter int unsigned Lanes = 1,
  parameter int unsigned ABits = 1,
  parameter int unsigned AKind = 2,
  parameter int unsigned BBits = 1,
  parameter int unsigned BKind = 2,
  parameter int unsigned OutBits = 1,
  parameter int unsigned AChunks = 1,
  parameter int unsigned BChunks = 1
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     a_valid_i,
  output logic                     a_ready_o,
  input  logic [Lanes*ABits-1:0]   a_data_i,
  input  logic                     b_valid_i,
  output logic                     b_ready_o,
  input  logic [Lanes*BBits-1:0]   b_data_i,
  output logic                     out_valid_o,
  input  logic                     out_ready_i,
  output logic [Lanes*OutBits-1:0] out_data_o
);
  logic step, valid, from_b_q, a_last, b_last;
  logic [Lanes-1:0][OutBits-1:0] a, b;

  assign step = !out_valid_o || out_ready_i;
  assign valid = from_b_q ? b_valid_i : a_valid_i;
  assign a_ready_o = step && !from_b_q;
  assign b_ready_o = step && from_b_q;

  bhc_count #(.Count(AChunks)) u_a_chunk (.clk_i, .rst_ni, .step_i(a_valid_i && a_ready_o), .last_o(a_last));
  bhc_count #(.Count(BChunks)) u_b_chunk (.clk_i, .rst_ni, .step_i(b_valid_i && b_ready_o), .last_o(b_last));

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    bhc_element #(.Bits(ABits), .Kind(AKind), .OutBits(OutBits)) u_a (.in_i(a_data_i[i*ABits +: ABits]), .out_o(a[i]));
    bhc_element #(.Bits(BBits), .Kind(BKind), .OutBits(OutBits)) u_b (.in_i(b_data_i[i*BBits +: BBits]), .out_o(b[i]));
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_valid_o <= 1'b0;
      from_b_q <= 1'b0;
    end else if (step) begin
      out_valid_o <= valid;
      if (valid && (from_b_q ? b_last : a_last)) from_b_q <= !from_b_q;
    end
    if (step) out_data_o <= from_b_q ? b : a;
  end
endmodule
