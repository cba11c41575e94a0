// Widens an element to OutBits bits of two's complement (unsigned elements: of binary).
//
// Kind: 0 unsigned, 1 signed, 2 bipolar (+1 is 1, -1 is 0; becomes 0..01 or 1..11). Bipolar with OutBits = 1 stays as it is.
module bhc_element #(
  parameter int unsigned Bits = 1,
  parameter int unsigned Kind = 0,
  parameter int unsigned OutBits = 2
) (
  input  logic [Bits-1:0]    in_i,
  output logic [OutBits-1:0] out_o
);
  if (OutBits == Bits) begin : gen_wires
    assign out_o = in_i;
  end else begin : gen_extend
    assign out_o[Bits-1:0] = Kind == 2 ? '1 : in_i;
    assign out_o[OutBits-1:Bits] = {(OutBits-Bits){Kind == 2 ? !in_i[0] : Kind == 1 && in_i[Bits-1]}};
  end

`ifndef SYNTHESIS
  initial assert (OutBits >= Bits && (Kind != 2 || Bits == 1))
    else $error("bhc_element: kind %0d, %0d to %0d bits", Kind, Bits, OutBits);
`endif
endmodule
