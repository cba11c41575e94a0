// Sums that slide along an endless sequence of rows: each new row is added, and the one that leaves is subtracted.
//
//   sum(row) = x(row) + x(row - D) + ... + x(row - (Rows-1)*D)      per channel
//
// An output for the row (Rows-1)*D and every Stride-th row after it. A beat holds Lanes channels of a row, Chunks beats a row;
// OutBits wide, in two's complement where x is signed or bipolar (Kind: 0 unsigned, 1 signed, 2 bipolar).
// One beat a cycle: cycles for Stride rows = Stride * Chunks. Latency 1. An output beat that waits stops the input only where
// the next one would come out.
module bhc_slide #(
  parameter int unsigned Bits = 1,
  parameter int unsigned Kind = 2,
  parameter int unsigned Lanes = 1,
  parameter int unsigned Chunks = 1,
  parameter int unsigned Rows = 2,
  parameter int unsigned D = 1,
  parameter int unsigned Stride = 1,
  parameter int unsigned OutBits = 3
) (
  input  logic                     clk_i,
  input  logic                     rst_ni,
  input  logic                     in_valid_i,
  output logic                     in_ready_o,
  input  logic [Lanes*Bits-1:0]    in_data_i,
  output logic                     out_valid_o,
  input  logic                     out_ready_i,
  output logic [Lanes*OutBits-1:0] out_data_o
);
  localparam int unsigned History = Rows * D * Chunks;  // beats until one leaves
  localparam int unsigned Phases = D * Chunks;          // beats until one is added to the same sums
  localparam bit Block = History > 64 && History * Lanes * Bits > 8192;

  logic step, chunk_last, emit;
  assign step = in_valid_i && in_ready_o;
  assign in_ready_o = !emit || !out_valid_o || out_ready_i;

  // ---- Rows, up to the first that ends a sum; then every Stride-th.
  bhc_count #(.Count(Chunks)) u_chunk (.clk_i, .rst_ni, .step_i(step), .last_o(chunk_last));
  localparam int unsigned First = (Rows - 1) * D;
  localparam int unsigned RowBits = $clog2(First + Stride + 1);
  logic [RowBits-1:0] wait_q;  // rows to go until one ends a sum
  assign emit = wait_q == '0;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) wait_q <= RowBits'(First);
    else if (step && chunk_last) wait_q <= emit ? RowBits'(Stride - 1) : wait_q - RowBits'(1);
  end

  // ---- Beats of the past. Until they are written once, they count as zero.
  logic full, summed;
  bhc_filled #(.Count(History)) u_full (.clk_i, .rst_ni, .step_i(step), .filled_o(full));
  bhc_filled #(.Count(Phases)) u_summed (.clk_i, .rst_ni, .step_i(step), .filled_o(summed));

  logic [Lanes*Bits-1:0] leaving;
  localparam int unsigned PastBits = History > 1 ? $clog2(History) : 1;
  logic [PastBits-1:0] past_q, past_d;
  initial past_q = '0;  // why: see bhc_pointer
  assign past_d = past_q == PastBits'(History - 1) ? '0 : past_q + PastBits'(1);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) past_q <= '0;
    else if (step) past_q <= past_d;
  end
  // The registered read of a block RAM is issued one step ahead.
  bhc_ram #(.Width(Lanes * Bits), .Depth(History), .Style(Block ? 2 : 1), .ReadLatency(Block ? 1 : 0)) u_past (
    .clk_i, .write_i(step), .waddr_i(past_q), .wdata_i(in_data_i),
    .read_i(step), .clear_i(1'b0), .raddr_i(Block ? past_d : past_q), .rdata_o(leaving)
  );

  logic [Lanes-1:0][OutBits-1:0] earlier, sum;
  if (Phases == 1) begin : gen_register
    always_ff @(posedge clk_i) if (step) earlier <= sum;
  end else begin : gen_memory
    logic [$clog2(Phases)-1:0] phase;
    bhc_pointer #(.Count(Phases)) u_phase (.clk_i, .rst_ni, .step_i(step), .count_o(phase));
    bhc_ram #(.Width(Lanes * OutBits), .Depth(Phases), .Style(1), .ReadLatency(0)) u_sums (
      .clk_i, .write_i(step), .waddr_i(phase), .wdata_i(sum),
      .read_i(1'b0), .clear_i(1'b0), .raddr_i(phase), .rdata_o(earlier)
    );
  end

  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic [OutBits-1:0] enters, leaves;
    bhc_element #(.Bits(Bits), .Kind(Kind), .OutBits(OutBits)) u_enters (.in_i(in_data_i[i*Bits +: Bits]), .out_o(enters));
    bhc_element #(.Bits(Bits), .Kind(Kind), .OutBits(OutBits)) u_leaves (.in_i(leaving[i*Bits +: Bits]), .out_o(leaves));
    assign sum[i] = (summed ? earlier[i] : '0) + enters - (full ? leaves : '0);
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (step && emit) out_valid_o <= 1'b1;
    else if (out_ready_i) out_valid_o <= 1'b0;
    if (step && emit) out_data_o <= sum;
  end
endmodule
