// Number of ones in data_i, combinational, modulo 2^OutBits.
module bhc_popcount #(
  parameter int unsigned N = 8,
  parameter int unsigned OutBits = $clog2(N + 1)
) (
  input  logic [N-1:0]       data_i,
  output logic [OutBits-1:0] count_o
);
  always_comb begin
    count_o = '0;
    for (int unsigned i = 0; i < N; i++) count_o = count_o + OutBits'(data_i[i]);
  end
endmodule
