// Each element keeps its value from row to row until it has moved by more than Threshold.
//
//   y(0) = x(0), y(t) = x(t) if |x(t) - y(t-1)| > Threshold, else y(t-1)     per element, t = 0 .. Rows-1; then anew
//
// A beat holds Lanes elements of a row, Chunks beats a row, Rows rows a window. Elements are of Bits bits, signed if Kind is 1,
// else unsigned; a bipolar element counts as the bit that it is, so that its two values differ by 1.
// One beat a cycle: cycles a window = Rows * Chunks. Latency 1 (output register). in_ready_o depends combinationally on
// out_ready_i.
module bhc_hold #(
  parameter int unsigned Bits = 8,
  parameter int unsigned Kind = 0,
  parameter int unsigned Lanes = 1,
  parameter int unsigned Chunks = 1,
  parameter int unsigned Rows = 2,
  parameter int unsigned Threshold = 1
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
  localparam bit Block = Chunks > 64 && Chunks * Lanes * Bits > 8192;
  localparam logic [Bits+1:0] Limit = (Bits+2)'(Threshold);

  logic en, step;
  assign en = !out_valid_o || out_ready_i;
  assign in_ready_o = en;
  assign step = in_valid_i && en;

  // ---- Places: the first row of a window has no past.
  logic chunk_last, row_last, first_q;
  bhc_count #(.Count(Chunks)) u_chunk (.clk_i, .rst_ni, .step_i(step), .last_o(chunk_last));
  bhc_count #(.Count(Rows)) u_row (.clk_i, .rst_ni, .step_i(step && chunk_last), .last_o(row_last));
  always_ff @(posedge clk_i) begin
    if (!rst_ni) first_q <= 1'b1;
    else if (step && chunk_last) first_q <= row_last;
  end

  // ---- What each element holds: with a beat a row, the output register itself.
  logic [Lanes-1:0][Bits-1:0] held, made;
  if (Chunks == 1) begin : gen_register
    assign held = out_data_o;
  end else begin : gen_memory
    localparam int unsigned PlaceBits = $clog2(Chunks);
    logic [PlaceBits-1:0] place_q, place_d;
    initial place_q = '0;  // why: see bhc_pointer
    assign place_d = chunk_last ? '0 : place_q + PlaceBits'(1);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) place_q <= '0;
      else if (step) place_q <= place_d;
    end
    // The registered read of a block RAM is issued one step ahead.
    bhc_ram #(.Width(Lanes * Bits), .Depth(Chunks), .Style(Block ? 2 : 1), .ReadLatency(Block ? 1 : 0)) u_held (
      .clk_i, .write_i(step), .waddr_i(place_q), .wdata_i(made),
      .read_i(step), .clear_i(1'b0), .raddr_i(Block ? place_d : place_q), .rdata_o(held)
    );
  end

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic [Bits-1:0] x;
    assign x = in_data_i[i*Bits +: Bits];
    // One comparison for both directions: a change of -Threshold to Threshold is 0 to 2 Threshold here, and any other is more.
    logic [1:0] x_sign, held_sign;
    logic [Bits+1:0] change;
    if (Kind == 1) begin : gen_signed
      assign x_sign = {2{x[Bits-1]}};
      assign held_sign = {2{held[i][Bits-1]}};
    end else begin : gen_unsigned
      assign x_sign = '0;
      assign held_sign = '0;
    end
    assign change = {x_sign, x} - {held_sign, held[i]} + Limit;
    assign made[i] = first_q || change > (Limit << 1) ? x : held[i];
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (en) out_valid_o <= in_valid_i;
    if (step) out_data_o <= made;
  end
endmodule
