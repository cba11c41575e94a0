// Pooling with stride = kernel, no padding; rows and columns beyond the last whole kernel are dropped.
//
// Op 0: maximum (bipolar: OR), widened to OutBits by value. Op 1: sum, OutBits wide; the sum of bipolar elements is signed.
// In: h, w, chunk: H*W*Chunks beats; out: oh, ow, chunk: (H/KH)*(W/KW)*Chunks beats.
// One beat a cycle: cycles a window = input beats. Latency 1 from the last beat of a kernel.
// An output beat that waits stops the input only where the next one would come out.
// Partial results: a word for each (ow, chunk), or chunk if KH = 1, in LUT memory; a single one is the output register, and
// then an output beat that waits stops the input at once.
module bhc_pool #(
  parameter int unsigned Bits = 1,
  parameter int unsigned Kind = 2,
  parameter int unsigned Lanes = 1,
  parameter int unsigned Chunks = 1,
  parameter int unsigned H = 2,
  parameter int unsigned W = 1,
  parameter int unsigned KH = 2,
  parameter int unsigned KW = 1,
  parameter int unsigned Op = 0,
  parameter int unsigned OutBits = 1
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
  localparam int unsigned OH = H / KH;
  localparam int unsigned OW = W / KW;
  localparam int unsigned Words = KH == 1 ? Chunks : OW * Chunks;
  localparam int unsigned AccBits = Op == 0 ? Bits : OutBits;

  logic step, emit, chunk_last, col_last, col_pixel, col_hit, row_last, row_pixel, row_hit, unused;
  assign unused = ^{row_last, row_pixel};

  bhc_count #(.Count(Chunks)) u_chunk (.clk_i, .rst_ni, .step_i(step), .last_o(chunk_last));
  bhc_axis #(.Length(W), .Pixels(OW * KW), .First(KW - 1), .Stride(KW), .Hits(OW)) u_col (
    .clk_i, .rst_ni, .step_i(step && chunk_last), .last_o(col_last), .pixel_o(col_pixel), .hit_o(col_hit)
  );
  bhc_axis #(.Length(H), .Pixels(OH * KH), .First(KH - 1), .Stride(KH), .Hits(OH)) u_row (
    .clk_i, .rst_ni, .step_i(step && chunk_last && col_last), .last_o(row_last), .pixel_o(row_pixel), .hit_o(row_hit)
  );
  assign emit = row_hit && col_hit;

  // The first element of a kernel follows the end of another, or of the row or image.
  logic col_first_q, row_first_q, first;
  assign first = (KW == 1 || col_first_q) && (KH == 1 || row_first_q);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      col_first_q <= 1'b1;
      row_first_q <= 1'b1;
    end else if (step && chunk_last) begin
      col_first_q <= col_hit || col_last;
      if (col_last) row_first_q <= row_hit || row_last;
    end
  end

  logic [Lanes-1:0][AccBits-1:0] acc, acc_d;
  logic [Lanes-1:0][OutBits-1:0] result;
  for (genvar i = 0; i < Lanes; i++) begin : gen_lane
    logic [Bits-1:0] x;
    assign x = in_data_i[i*Bits +: Bits];
    if (Op == 1) begin : gen_sum
      logic [OutBits-1:0] value;
      bhc_element #(.Bits(Bits), .Kind(Kind), .OutBits(OutBits)) u_value (.in_i(x), .out_o(value));
      assign acc_d[i] = (first ? '0 : acc[i]) + value;
      assign result[i] = acc_d[i];
    end else begin : gen_max
      if (Bits == 1 && Kind != 1) begin : gen_or
        assign acc_d[i] = x | (first ? '0 : acc[i]);
      end else begin : gen_compare
        logic greater;
        if (Kind == 1) begin : gen_signed
          assign greater = $signed(x) > $signed(acc[i]);
        end else begin : gen_unsigned
          assign greater = x > acc[i];
        end
        assign acc_d[i] = first || greater ? x : acc[i];
      end
      bhc_element #(.Bits(Bits), .Kind(Kind), .OutBits(OutBits)) u_result (.in_i(acc_d[i]), .out_o(result[i]));
    end
  end

  assign step = in_valid_i && in_ready_o;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (step && emit) out_valid_o <= 1'b1;
    else if (out_ready_i) out_valid_o <= 1'b0;
  end

  if (Words == 1 && AccBits == OutBits) begin : gen_register
    logic unused_pixel;
    assign unused_pixel = col_pixel;
    assign in_ready_o = !out_valid_o || out_ready_i;
    assign acc = out_data_o;
    always_ff @(posedge clk_i) if (step) out_data_o <= result;
  end else begin : gen_memory
    assign in_ready_o = !emit || !out_valid_o || out_ready_i;
    always_ff @(posedge clk_i) if (step && emit) out_data_o <= result;

    // The address runs over the chunks of a pixel, once for each column of a kernel.
    localparam int unsigned AddrBits = Words > 1 ? $clog2(Words) : 1;
    logic [AddrBits-1:0] addr_q;
    logic home, back;
    initial addr_q = '0;  // why: see bhc_pointer
    assign home = chunk_last && (KH == 1 || col_last);
    assign back = chunk_last && !col_hit;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (step && home)) addr_q <= '0;
      else if (step) addr_q <= addr_q + (back ? AddrBits'(1) - AddrBits'(Chunks) : AddrBits'(1));
    end
    bhc_ram #(.Width(Lanes * AccBits), .Depth(Words), .Style(1), .ReadLatency(0)) u_acc (
      .clk_i, .write_i(step && col_pixel), .waddr_i(addr_q), .wdata_i(acc_d),
      .read_i(1'b0), .clear_i(1'b0), .raddr_i(addr_q), .rdata_o(acc)
    );
  end

`ifndef SYNTHESIS
  initial assert (OH >= 1 && OW >= 1) else $error("bhc_pool: the kernel is larger than the image");
`endif
endmodule
