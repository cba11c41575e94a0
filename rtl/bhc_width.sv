// Stream width converter: beats of InLanes elements in, beats of OutLanes elements out; one must divide the other.
//
//   InLanes < OutLanes   OutLanes/InLanes beats are shifted into one; the first goes to the low lanes. The next beat enters
//                        in the cycle in which a finished one is taken. Latency 1 (from the last beat of the group).
//   InLanes > OutLanes   a beat stays at the input while its parts pass, low lanes first. Latency 1 (to the first part).
//   equal                wires, latency 0
// One beat a cycle on the narrow side: cycles a window = beats of the narrower stream.
module bhc_width #(
  parameter int unsigned Bits = 1,
  parameter int unsigned InLanes = 1,
  parameter int unsigned OutLanes = 1
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     in_valid_i,
  output logic                     in_ready_o,
  input  logic [InLanes*Bits-1:0]  in_data_i,
  output logic                     out_valid_o,
  input  logic                     out_ready_i,
  output logic [OutLanes*Bits-1:0] out_data_o
);
  localparam int unsigned InWidth = InLanes * Bits;
  localparam int unsigned OutWidth = OutLanes * Bits;

  if (InLanes == OutLanes) begin : gen_wires
    logic unused;
    assign unused = ^{clk_i, rst_ni};
    assign out_valid_o = in_valid_i;
    assign in_ready_o = out_ready_i;
    assign out_data_o = in_data_i;
  end else if (InLanes < OutLanes) begin : gen_widen
    logic last, take;
    assign in_ready_o = !out_valid_o || out_ready_i;
    assign take = in_valid_i && in_ready_o;
    bhc_count #(.Count(OutLanes / InLanes)) u_part (.clk_i, .rst_ni, .step_i(take), .last_o(last));
    always_ff @(posedge clk_i) begin
      if (!rst_ni) out_valid_o <= 1'b0;
      else if (in_ready_o) out_valid_o <= take && last;
      if (take) out_data_o <= {in_data_i, out_data_o[OutWidth-1:InWidth]};
    end
  end else begin : gen_narrow
    localparam int unsigned Parts = InLanes / OutLanes;
    localparam int unsigned PartBits = $clog2(Parts);
    logic [PartBits-1:0] part;
    logic step, last;
    assign step = !out_valid_o || out_ready_i;
    assign last = part == PartBits'(Parts - 1);
    assign in_ready_o = step && last;
    bhc_pointer #(.Count(Parts)) u_part (.clk_i, .rst_ni, .step_i(step && in_valid_i), .count_o(part));
    always_ff @(posedge clk_i) begin
      if (!rst_ni) out_valid_o <= 1'b0;
      else if (step) out_valid_o <= in_valid_i;
      if (step) out_data_o <= in_data_i[part*OutWidth +: OutWidth];
    end
  end

`ifndef SYNTHESIS
  initial assert (InLanes % OutLanes == 0 || OutLanes % InLanes == 0)
    else $error("bhc_width: %0d and %0d lanes do not divide", InLanes, OutLanes);
`endif
endmodule
