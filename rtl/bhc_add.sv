// Elementwise sum of two streams, OutBits wide in two's complement; the compiler proves that it does not overflow.
//
// Kinds: 0 unsigned, 1 signed, 2 bipolar. Both sources are taken in the same cycle.
// One beat a cycle: cycles a window = beats. Latency 1 (output register).
module bhc_add #(
  parameter int unsigned Lanes = 1,
  parameter int unsigned ABits = 1,
  parameter int unsigned AKind = 2,
  parameter int unsigned BBits = 1,
  parameter int unsigned BKind = 2,
  parameter int unsigned OutBits = 2
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
  logic step;
  logic [Lanes-1:0][OutBits-1:0] sum;

  assign step = !out_valid_o || out_ready_i;
  assign a_ready_o = step && b_valid_i;
  assign b_ready_o = step && a_valid_i;

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic [OutBits-1:0] a, b;
    bhc_element #(.Bits(ABits), .Kind(AKind), .OutBits(OutBits)) u_a (.in_i(a_data_i[i*ABits +: ABits]), .out_o(a));
    bhc_element #(.Bits(BBits), .Kind(BKind), .OutBits(OutBits)) u_b (.in_i(b_data_i[i*BBits +: BBits]), .out_o(b));
    assign sum[i] = a + b;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (step) out_valid_o <= a_valid_i && b_valid_i;
    if (step) out_data_o <= sum;
  end
endmodule
