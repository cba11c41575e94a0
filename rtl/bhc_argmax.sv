// Index of the largest of Chunks*Lanes elements; the first of equal ones wins. One output beat a window.
//
// Kinds: 0 unsigned, 1 signed, 2 bipolar. OutBits >= ceil(log2(Chunks*Lanes)).
// One beat a cycle: cycles a window = Chunks. Latency 1.
// The lanes of a beat are compared one after another in one cycle: meant for few lanes.
module bhc_argmax #(
  parameter int unsigned Bits = 8,
  parameter int unsigned Kind = 1,
  parameter int unsigned Lanes = 1,
  parameter int unsigned Chunks = 1,
  parameter int unsigned OutBits = 1
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  in_valid_i,
  output logic                  in_ready_o,
  input  logic [Lanes*Bits-1:0] in_data_i,
  output logic                  out_valid_o,
  input  logic                  out_ready_i,
  output logic [OutBits-1:0]    out_data_o
);
  logic step, last, first_q;
  logic [Bits-1:0] best_q, best;
  logic [OutBits-1:0] base_q, index;

  assign in_ready_o = !out_valid_o || out_ready_i;
  assign step = in_valid_i && in_ready_o;
  bhc_count #(.Count(Chunks)) u_chunk (.clk_i, .rst_ni, .step_i(step), .last_o(last));

  // Flipping the sign bit orders signed numbers as unsigned ones.
  localparam logic [Bits-1:0] Flip = Bits'(Kind == 1) << (Bits - 1);
  always_comb begin
    best = best_q;
    index = out_data_o;
    for (int i = 0; i < Lanes; i++) begin
      if ((first_q && i == 0) || (in_data_i[i*Bits +: Bits] ^ Flip) > best) begin
        best = in_data_i[i*Bits +: Bits] ^ Flip;
        index = base_q + OutBits'(i);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      out_valid_o <= 1'b0;
      first_q <= 1'b1;
      base_q <= '0;
    end else if (in_ready_o) begin
      out_valid_o <= in_valid_i && last;
      if (in_valid_i) begin
        first_q <= last;
        base_q <= last ? '0 : base_q + OutBits'(Lanes);
      end
    end
    if (step) begin
      best_q <= best;
      out_data_o <= index;
    end
  end

`ifndef SYNTHESIS
  initial assert ($clog2(Chunks * Lanes) <= OutBits) else $error("bhc_argmax: %0d bits hold no index", OutBits);
`endif
endmodule
