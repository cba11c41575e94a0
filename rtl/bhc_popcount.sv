// Number of ones in data_i, combinational, modulo 2^OutBits.
//
// It is the dot product with constant weights +1: bhc_dot's compressors and measurements are its own.
module bhc_popcount #(
  parameter int unsigned N = 8,
  parameter int unsigned OutBits = $clog2(N + 1)
) (
  input  logic [N-1:0]       data_i,
  output logic [OutBits-1:0] count_o
);
  logic [$clog2(N+1)-1:0] count;
  bhc_dot #(.XBits(1), .XKind(0), .WBits(1), .WKind(2), .Simd(N), .ConstWeights(1), .Weights({N{1'b1}})) u_dot (
    .clk_i(1'b0), .en_i(1'b0), .x_i(data_i), .w_i('0), .raw_o(count));
  assign count_o = OutBits'(count);
endmodule
