// Raw dot product of Simd elements: sum over bit planes (i of w, j of x) of 2^(i+j) * popcount(plane op).
// Plane op: XNOR for bipolar weights, AND otherwise; planes of negative weight are counted inverted, so that
// raw_o is a non-negative integer (the constant this adds is the compiler's to fold into a bias).
// Stages pipeline registers, enabled by en_i, no reset. Element 0 lies in the least significant bits.
module bhc_dot #(
  parameter int unsigned XBits = 1,
  parameter int unsigned XKind = 2,
  parameter int unsigned WBits = 1,
  parameter int unsigned WKind = 2,
  parameter int unsigned Simd = 8,
  parameter int unsigned OutBits = $clog2(Simd * ((1 << XBits) - 1) * ((1 << WBits) - 1) + 1),
  parameter int unsigned Stages = 0
) (
  input  logic                  clk_i,
  input  logic                  en_i,
  input  logic [Simd*XBits-1:0] x_i,
  input  logic [Simd*WBits-1:0] w_i,
  output logic [OutBits-1:0]    raw_o
);
  logic [OutBits-1:0] sum;

  // Term of element k, planes i of w and j of x.
  logic [Simd*WBits*XBits-1:0] term;
  for (genvar k = 0; k < Simd; k++) begin : gen_element
    for (genvar i = 0; i < WBits; i++) begin : gen_w
      for (genvar j = 0; j < XBits; j++) begin : gen_x
        localparam logic Negative = (XKind == 1 && j == XBits - 1) != (WKind == 1 && i == WBits - 1);
        if (WKind == 2) begin : gen_xnor
          assign term[(k*WBits+i)*XBits+j] = x_i[k*XBits+j] ^ w_i[k*WBits+i] ^ ~Negative;
        end else begin : gen_and
          assign term[(k*WBits+i)*XBits+j] = (x_i[k*XBits+j] & w_i[k*WBits+i]) ^ Negative;
        end
      end
    end
  end

  always_comb begin
    sum = '0;
    for (int unsigned k = 0; k < Simd; k++) begin
      for (int unsigned i = 0; i < WBits; i++) begin
        for (int unsigned j = 0; j < XBits; j++) begin
          sum = sum + (OutBits'(term[(k*WBits+i)*XBits+j]) << (i + j));
        end
      end
    end
  end

  if (Stages == 0) begin : gen_comb
    logic unused;
    assign unused = ^{clk_i, en_i};
    assign raw_o = sum;
  end else begin : gen_pipe
    logic [OutBits-1:0] sum_q [Stages];
    always_ff @(posedge clk_i) begin
      if (en_i) begin
        sum_q[0] <= sum;
        for (int unsigned s = 1; s < Stages; s++) sum_q[s] <= sum_q[s-1];
      end
    end
    assign raw_o = sum_q[Stages-1];
  end
endmodule
