// Sliding windows with all taps in parallel: a beat in is one pixel of C lanes (H*W beats), a beat out one whole window
// (OH*OW beats), lane (kh*KW + kw)*C + c. Tap (kh, kw) of window (oh, ow) is pixel (oh*SH - PT + kh*DH, ow*SW - PL + kw*DW),
// PadWord in every lane outside the image.
//
// The window is a set of shift registers, and the output register itself: out_data_o changes with every step. A step takes a
// pixel or inserts one of padding; it happens when no window waits (out_valid_o low, or being taken). KH > 1 and more than one
// column: rows are delayed by line memories, (KH-1)*DH of them in one memory.
//
// Padding between two rows, or two images, is inserted once and serves both as far as it can. With SpanH = (KH-1)*DH+1,
// PB = max(0, (OH-1)*SH + SpanH - PT - H), LeadH = max(0, PT - SpanH + 1), and the same along W:
//   cycles a window = steps = (LeadH + H + max(PT - LeadH, PB)) * (LeadW + W + max(PL - LeadW, PR))
// Endless = 1: there is one image without end; OH = 1 and H = SH (one window for every SH rows), PT = 0. The first window ends
// with row SpanH-1. Cycles for SH rows: SH * (LeadW + W + max(PL - LeadW, PR)).
// Latency 1 from the step that takes or inserts the last pixel of a window.
// After reset the padding before the first image is inserted at once, without waiting for input.
module bhc_shift #(
  parameter int unsigned Bits = 1,
  parameter int unsigned C = 1,
  parameter int unsigned H = 4,
  parameter int unsigned W = 1,
  parameter int unsigned KH = 2,
  parameter int unsigned KW = 1,
  parameter int unsigned SH = 1,
  parameter int unsigned SW = 1,
  parameter int unsigned DH = 1,
  parameter int unsigned DW = 1,
  parameter int unsigned PT = 0,
  parameter int unsigned PL = 0,
  parameter int unsigned OH = 3,
  parameter int unsigned OW = 1,
  parameter int unsigned Endless = 0,
  parameter logic [Bits-1:0] PadWord = '0
) (
  input  logic                    clk_i,
  input  logic                    rst_ni,
  input  logic                    in_valid_i,
  output logic                    in_ready_o,
  input  logic [C*Bits-1:0]       in_data_i,
  output logic                    out_valid_o,
  input  logic                    out_ready_i,
  output logic [KH*KW*C*Bits-1:0] out_data_o
);
  localparam int unsigned Word = C * Bits;

  // A row is Cols positions: LeadW of padding, W pixels, TailW of padding that is the end of this row's windows and the
  // beginning of the next one's. LeadW is what the first window of a row has beyond that: windows of padding alone.
  localparam int unsigned SpanW = (KW - 1) * DW + 1;
  localparam int unsigned LeadW = PL >= SpanW ? PL - SpanW + 1 : 0;
  localparam int unsigned NeedW = (OW - 1) * SW + SpanW;
  localparam int unsigned PR = NeedW > PL + W ? NeedW - PL - W : 0;
  localparam int unsigned TailW = PL - LeadW > PR ? PL - LeadW : PR;
  localparam int unsigned Cols = LeadW + W + TailW;
  localparam int unsigned FirstW = LeadW + SpanW - 1 - PL;
  // The same for the rows of an image.
  localparam int unsigned SpanH = (KH - 1) * DH + 1;
  localparam int unsigned LeadH = PT >= SpanH ? PT - SpanH + 1 : 0;
  localparam int unsigned NeedH = (OH - 1) * SH + SpanH;
  localparam int unsigned PB = Endless == 0 && NeedH > PT + H ? NeedH - PT - H : 0;
  localparam int unsigned TailH = PT - LeadH > PB ? PT - LeadH : PB;
  localparam int unsigned Rows = LeadH + H + TailH;
  localparam int unsigned FirstH = Endless != 0 ? (SpanH - 1) % SH : LeadH + SpanH - 1 - PT;

  // Reset is the moment after the last pixel of an image that never was: the padding that follows precedes the first image,
  // and the windows that would end in it are suppressed until then.
  localparam int unsigned StartW = TailW > 0 ? LeadW + W : 0;
  localparam int unsigned StartH = TailW > 0 ? LeadH + H - 1 : TailH > 0 ? LeadH + H : 0;
  // An endless image: rows that end a window too early, the row of that pixel that never was included.
  localparam int unsigned Early = (SpanH - 1) / SH + (StartW > 0 && FirstH == StartH ? 1 : 0);
  localparam int unsigned LastEnd = (FirstH + (OH - 1) * SH) * Cols + FirstW + (OW - 1) * SW;
  localparam bit Suppress = StartH * Cols + StartW > 0 && LastEnd >= StartH * Cols + StartW;

  logic free, pixel, step, hit, primed;
  logic col_last, col_pixel, col_hit, row_last, row_pixel, row_hit;

  assign free = !out_valid_o || out_ready_i;
  assign pixel = row_pixel && col_pixel;
  assign step = free && (in_valid_i || !pixel);
  assign in_ready_o = free && pixel;
  assign hit = row_hit && col_hit && primed;

  bhc_axis #(
    .Length(Cols), .Before(LeadW), .Pixels(W), .First(FirstW), .Stride(SW), .Hits(OW), .Start(StartW)
  ) u_col (.clk_i, .rst_ni, .step_i(step), .last_o(col_last), .pixel_o(col_pixel), .hit_o(col_hit));
  bhc_axis #(
    .Length(Rows), .Before(LeadH), .Pixels(H), .First(FirstH), .Stride(SH), .Hits(OH), .Start(StartH)
  ) u_row (.clk_i, .rst_ni, .step_i(step && col_last), .last_o(row_last), .pixel_o(row_pixel), .hit_o(row_hit));

  if (Endless != 0 && Early > 0) begin : gen_early
    localparam int unsigned EarlyBits = $clog2(Early + 1);
    logic [EarlyBits-1:0] early_q;
    assign primed = early_q == EarlyBits'(Early);
    always_ff @(posedge clk_i) begin
      if (!rst_ni) early_q <= '0;
      else if (step && row_hit && col_last && !primed) early_q <= early_q + EarlyBits'(1);
    end
    logic unused;
    assign unused = row_last;
  end else if (Endless == 0 && Suppress) begin : gen_primed
    always_ff @(posedge clk_i) begin
      if (!rst_ni) primed <= 1'b0;
      else if (step && row_last && col_last) primed <= 1'b1;
    end
  end else begin : gen_always_primed
    logic unused;
    assign unused = row_last;
    assign primed = 1'b1;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (free) out_valid_o <= step && hit;
  end

  // Flip-flops only: the newest pixel enters through their synchronous set and reset, so that padding costs no LUT a bit.
  logic [Word-1:0] newest;
  assign newest = pixel ? in_data_i : {C{PadWord}};

  if (Cols == 1) begin : gen_line
    logic [SpanH*Word-1:0] line_q;
    always_ff @(posedge clk_i) if (step) line_q <= (SpanH * Word)'({newest, line_q} >> Word);
    for (genvar kh = 0; kh < KH; kh++) begin : gen_tap
      assign out_data_o[kh*Word +: Word] = line_q[kh*DH*Word +: Word];
    end
  end else begin : gen_image
    logic [KH*Word-1:0] entering, entered;  // the newest pixel of each row: to come, and in its register
    assign entering[(KH-1)*Word +: Word] = newest;
    for (genvar kh = 0; kh < KH; kh++) begin : gen_row
      logic [SpanW*Word-1:0] row_q;
      always_ff @(posedge clk_i) if (step) row_q <= (SpanW * Word)'({entering[kh*Word +: Word], row_q} >> Word);
      assign entered[kh*Word +: Word] = row_q[(SpanW-1)*Word +: Word];
      for (genvar kw = 0; kw < KW; kw++) begin : gen_tap
        assign out_data_o[(kh*KW+kw)*Word +: Word] = row_q[kw*DW*Word +: Word];
      end
    end

    if (KH > 1) begin : gen_lines
      // What row kh+1 is given, row kh is given DH rows later: one step is the register's, the others are the memory's.
      localparam int unsigned Delay = DH * Cols - 1;
      localparam int unsigned Width = (KH - 1) * Word;
      localparam bit Block = Delay > 64 && Delay * Width > 8192;
      localparam int unsigned AddrBits = Delay > 1 ? $clog2(Delay) : 1;
      logic [AddrBits-1:0] addr_q, addr_d;
      initial addr_q = '0;  // why: see bhc_pointer
      assign addr_d = addr_q == AddrBits'(Delay - 1) ? '0 : addr_q + AddrBits'(1);
      always_ff @(posedge clk_i) begin
        if (!rst_ni) addr_q <= '0;
        else if (step) addr_q <= addr_d;
      end
      // The registered read of a block RAM is issued one step ahead.
      bhc_ram #(.Width(Width), .Depth(Delay), .Style(Block ? 2 : 1), .ReadLatency(Block ? 1 : 0)) u_lines (
        .clk_i, .write_i(step), .waddr_i(addr_q), .wdata_i(entered[KH*Word-1:Word]),
        .read_i(step), .clear_i(1'b0), .raddr_i(Block ? addr_d : addr_q), .rdata_o(entering[(KH-1)*Word-1:0])
      );
    end
    logic unused;
    assign unused = ^entered[Word-1:0];
  end

`ifndef SYNTHESIS
  initial begin
    assert (Cols > 1 || KW == 1) else $error("bhc_shift: a row of one column has no window %0d wide", KW);
    assert (Endless == 0 || (OH == 1 && H == SH && PT == 0)) else $error("bhc_shift: no such endless image");
  end
`endif
endmodule
