// Sliding windows of an image, one element word after another, from a ring of rows in memory.
//
// In: H*W*Groups*Chunks beats; inside a pixel the groups, inside a group the chunks.
// Out: for oh < OH, ow < OW, g < Groups, r < Replays
//        ChunkMajor = 0: for kh, kw, chunk;   ChunkMajor = 1: for chunk, kh, kw
//      the word of row oh*SH - PT + kh*DH, column ow*SW - PL + kw*DW, group g, chunk; PadWord in every lane outside the image.
//      Reads = OH*OW*Groups*Replays*KH*KW*Chunks beats a window. 1-D: W = KW = OW = SW = DW = 1, PL = 0.
//
// A row is taken while less than Rows rows of the ring are in use, and concurrently with reads. The windows oh may be read
// when the last row that they need is complete; with their last read, the rows above those of oh+1 fall free, and with the
// last read of an image all its rows do, also those that are still to come (no window needs them: they are swallowed).
// Rows >= (KH-1)*DH+1. No window may begin below the image: (OH-1)*SH - PT <= H.
//
// Endless = 1: there is one image without end, whose windows go on from the rows of one hop to those of the next. OH = 1 and
// H = SH (one window for every SH rows), PT = 0. Without a gap between beats if Rows >= Span + SH.
//
//   latency           2, from taking the last beat of the last row that the windows oh need to their first beat
//   freed rows        are taken from the cycle on that follows the last read, which is one before the beat's out_valid_o
//   cycles a window   Reads, without a gap between beats, across images too, when input is always there, the reads of an oh
//                     and of an image are not fewer than the writes (SH*W*Groups*Chunks, H*W*Groups*Chunks), and, with
//                     Span = (KH-1)*DH+1, Rows >= Span + max(SH, Span + rows below the last windows);
//                     else as the two rules above have it
//
// The ring is a memory of words without row structure: writes and reads move through it by constant increments, so that there
// are neither multipliers nor base registers. Padding is read as any other word and cleared in the read register.
module bhc_window #(
  parameter int Bits = 1,
  parameter int Lanes = 1,
  parameter int Chunks = 1,
  parameter int Groups = 1,
  parameter int H = 4,
  parameter int W = 1,
  parameter int KH = 2,
  parameter int KW = 1,
  parameter int SH = 1,
  parameter int SW = 1,
  parameter int DH = 1,
  parameter int DW = 1,
  parameter int PT = 0,
  parameter int PL = 0,
  parameter int OH = 3,
  parameter int OW = 1,
  parameter int Replays = 1,
  parameter int ChunkMajor = 0,
  parameter int Rows = 4,
  parameter int Endless = 0,
  parameter logic [Bits-1:0] PadWord = '0,
  parameter int Style = 0
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
  localparam int Span = (KH - 1) * DH + 1;
  localparam int Pixel = Groups * Chunks;  // words of a pixel
  localparam int Row = W * Pixel;          // words of a row

  // ---- The ring. Its size is rounded up to a power of two, or beyond 64 words to one of a few top digits, so that an address
  // wraps by itself, or by correcting at most four bits; memories come in such sizes anyway.
  localparam int Words = Rows * Row > 2 ? Rows * Row : 2;
  localparam int AddrBits = $clog2(Words);
  localparam int LowBits = AddrBits <= 6 ? AddrBits : AddrBits - 3 > 6 ? AddrBits - 3 : 6;
  localparam int Tops = (Words + (1 << LowBits) - 1) >> LowBits;
  localparam int Ring = Tops << LowBits;

  // ---- The loop nest, inner levels first. When a level advances, all levels inside it return to their beginning.
  localparam int Count0 = ChunkMajor == 0 ? Chunks : KW;
  localparam int Count1 = ChunkMajor == 0 ? KW : KH;
  localparam int Count2 = ChunkMajor == 0 ? KH : Chunks;

  logic step, last0, last1, last2, replay_last, group_last, ow_last, oh_last;
  logic end0, end1, end2, replay_end, group_end, ow_end;
  logic [2:0] level;  // the outermost level that advances
  assign end0 = last0;
  assign end1 = end0 && last1;
  assign end2 = end1 && last2;
  assign replay_end = end2 && replay_last;
  assign group_end = replay_end && group_last;
  assign ow_end = group_end && ow_last;
  assign level = !end0 ? 3'd0 : !end1 ? 3'd1 : !end2 ? 3'd2 : !replay_end ? 3'd3 : !group_end ? 3'd4 : !ow_end ? 3'd5
      : !oh_last ? 3'd6 : 3'd7;

  bhc_count #(.Count(Count0)) u_level0 (.clk_i, .rst_ni, .step_i(step), .last_o(last0));
  bhc_count #(.Count(Count1)) u_level1 (.clk_i, .rst_ni, .step_i(step && end0), .last_o(last1));
  bhc_count #(.Count(Count2)) u_level2 (.clk_i, .rst_ni, .step_i(step && end1), .last_o(last2));
  bhc_count #(.Count(Replays)) u_replay (.clk_i, .rst_ni, .step_i(step && end2), .last_o(replay_last));
  bhc_count #(.Count(Groups)) u_group (.clk_i, .rst_ni, .step_i(step && replay_end), .last_o(group_last));

  // ---- Read address. What a level advances by, less what the levels inside it had advanced by in all.
  localparam int Pitch0 = ChunkMajor == 0 ? 1 : DW * Pixel;
  localparam int Pitch1 = ChunkMajor == 0 ? DW * Pixel : DH * Row;
  localparam int Pitch2 = ChunkMajor == 0 ? DH * Row : 1;
  localparam int Back0 = (Count0 - 1) * Pitch0;
  localparam int Back1 = Back0 + (Count1 - 1) * Pitch1;
  localparam int Back2 = Back1 + (Count2 - 1) * Pitch2;
  localparam int BackGroup = Back2 + (Groups - 1) * Chunks;
  localparam int BackOw = BackGroup + (OW - 1) * SW * Pixel;
  localparam int BackOh = BackOw + (OH - 1) * SH * Row;

  // An offset as an address modulo Ring.
  function automatic int wrap(input int offset);
    wrap = (offset % Ring + Ring) % Ring;
  endfunction

  logic [AddrBits-1:0] raddr_q, raddr_d, rstep, waddr_q, waddr_d;
  always_comb begin
    case (level)
      3'd0: rstep = AddrBits'(wrap(Pitch0));
      3'd1: rstep = AddrBits'(wrap(Pitch1 - Back0));
      3'd2: rstep = AddrBits'(wrap(Pitch2 - Back1));
      3'd3: rstep = AddrBits'(wrap(-Back2));
      3'd4: rstep = AddrBits'(wrap(Chunks - Back2));
      3'd5: rstep = AddrBits'(wrap(SW * Pixel - BackGroup));
      3'd6: rstep = AddrBits'(wrap(SH * Row - BackOw));
      default: rstep = AddrBits'(wrap(H * Row - BackOh));
    endcase
  end
  if (Ring == 1 << AddrBits) begin : gen_binary_ring
    assign raddr_d = raddr_q + rstep;
    assign waddr_d = waddr_q + AddrBits'(1);
  end else begin : gen_ring
    localparam int TopBits = AddrBits - LowBits;
    logic [AddrBits:0] rsum;
    logic [TopBits:0] rtop;
    assign rsum = {1'b0, raddr_q} + {1'b0, rstep};
    assign rtop = rsum[AddrBits:LowBits];
    assign raddr_d[LowBits-1:0] = rsum[LowBits-1:0];
    assign raddr_d[AddrBits-1:LowBits] = TopBits'(rtop >= (TopBits+1)'(Tops) ? rtop - (TopBits+1)'(Tops) : rtop);
    assign waddr_d = waddr_q == AddrBits'(Ring - 1) ? '0 : waddr_q + AddrBits'(1);
  end

  // ---- Place in the image: the row and column being read, modulo a power of two that is large enough for "outside" to be one
  // comparison. They stand in for the counters of oh and ow where padding needs them.
  localparam int LastRow = (OH - 1) * SH + Span - 1 - PT;
  localparam int LastCol = (OW - 1) * SW + (KW - 1) * DW - PL;
  localparam int PartFirst = Span - PT - H;                        // rows below the image in the windows oh = 0
  localparam int OhBefore = PartFirst > 0 ? -1 : -PartFirst / SH;  // the last oh without any
  localparam int Part = (OhBefore + 1) * SH + PartFirst;           // rows below in the first windows that have some
  logic row_done, row_outside, col_outside;
  logic below;     // the present windows reach below the image,
  logic complete;  // and so did the ones before, so that the image is complete
  assign row_done = step && ow_end;

  if (Endless == 0 && (PT > 0 || LastRow >= H)) begin : gen_row
    localparam int MaxRow = LastRow > H ? LastRow : H;
    localparam int RowBits = $clog2(MaxRow + PT + 1);
    localparam int Back = (KH - 1) * DH;
    logic [RowBits-1:0] row_q, row_step;
    logic kh_steps, kh_end;
    assign kh_steps = level == (ChunkMajor == 0 ? 3'd2 : 3'd1);
    assign kh_end = ChunkMajor == 0 ? end2 : end1;
    always_comb begin
      if (kh_steps) row_step = RowBits'(DH);
      else if (level == 3'd7) row_step = RowBits'(-PT - LastRow);
      else if (level == 3'd6) row_step = RowBits'(SH - Back);
      else if (kh_end) row_step = RowBits'(-Back);
      else row_step = '0;
    end
    always_ff @(posedge clk_i) begin
      if (!rst_ni) row_q <= RowBits'(-PT);
      else if (step) row_q <= row_q + row_step;
    end
    assign row_outside = row_q >= RowBits'(H);
    assign oh_last = row_q == RowBits'(LastRow);  // looked at when kh is at its end

    if (LastRow >= H) begin : gen_below
      always_ff @(posedge clk_i) begin
        if (!rst_ni || (row_done && oh_last)) begin
          below <= PartFirst > 0;
          complete <= 1'b0;
        end else if (row_done) begin
          below <= below || row_q == RowBits'(OhBefore * SH + Span - 1 - PT);
          complete <= below;
        end
      end
    end else begin : gen_not_below
      assign below = 1'b0;
      assign complete = 1'b0;
    end
  end else begin : gen_no_row
    bhc_count #(.Count(OH)) u_oh (.clk_i, .rst_ni, .step_i(row_done), .last_o(oh_last));
    assign row_outside = 1'b0;
    assign below = 1'b0;
    assign complete = 1'b0;
  end

  if (PL > 0 || LastCol >= W) begin : gen_col
    localparam int MaxCol = LastCol > W ? LastCol : W;
    localparam int ColBits = $clog2(MaxCol + PL + 1);
    localparam int Back = (KW - 1) * DW;
    logic [ColBits-1:0] col_q, col_step;
    logic kw_steps, kw_end;
    assign kw_steps = level == (ChunkMajor == 0 ? 3'd1 : 3'd0);
    assign kw_end = ChunkMajor == 0 ? end1 : end0;
    always_comb begin
      if (kw_steps) col_step = ColBits'(DW);
      else if (ow_end) col_step = ColBits'(-PL - LastCol);
      else if (group_end) col_step = ColBits'(SW - Back);
      else if (kw_end) col_step = ColBits'(-Back);
      else col_step = '0;
    end
    always_ff @(posedge clk_i) begin
      if (!rst_ni) col_q <= ColBits'(-PL);
      else if (step) col_q <= col_q + col_step;
    end
    assign col_outside = col_q >= ColBits'(W);
    assign ow_last = col_q == ColBits'(LastCol);  // looked at when kw is at its end
  end else begin : gen_no_col
    bhc_count #(.Count(OW)) u_ow (.clk_i, .rst_ni, .step_i(step && group_end), .last_o(ow_last));
    assign col_outside = 1'b0;
  end

  // ---- Rows in the ring. `held` is the number of complete rows from the first row of the present windows on, padding above
  // the image counted in. The windows may be read when it is Span, less the rows below the image; a row may be written until
  // it is `limit`: Rows, and the padding above. It is stored with an offset: it falls below zero where rows are released that
  // are still to come, because no window needs them.
  localparam int FreedImage = H - (OH - 1) * SH;
  localparam int FreedMost = LastRow < H && FreedImage > SH ? FreedImage : SH;
  localparam int Offset = FreedMost > Span ? FreedMost - Span : 0;
  localparam int Full = Rows + Offset;
  localparam int HeldBits = $clog2(Full + PT + 1);
  logic [HeldBits-1:0] held_q, change, limit;
  logic read, row_written;

  always_comb begin
    case ({row_written, row_done, oh_last})
      3'b000, 3'b001: change = '0;
      3'b100, 3'b101: change = HeldBits'(1);
      3'b010: change = HeldBits'(-SH);
      3'b110: change = HeldBits'(1 - SH);
      3'b011: change = HeldBits'(-FreedImage);
      default: change = HeldBits'(1 - FreedImage);
    endcase
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) held_q <= HeldBits'(PT + Offset);
    else held_q <= held_q + change;
  end
  assign read = complete || held_q >= (below ? HeldBits'(Span + Offset - Part) : HeldBits'(Span + Offset));

  if (PT > 0) begin : gen_above
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (row_done && oh_last)) limit <= HeldBits'(Full + PT);
      else if (row_done) limit <= SH < PT && limit > HeldBits'(Full + SH) ? limit - HeldBits'(SH) : HeldBits'(Full);
    end
  end else begin : gen_none_above
    assign limit = HeldBits'(Full);
  end

  // ---- Write.
  logic take, row_last;
  assign in_ready_o = held_q != limit;
  assign take = in_valid_i && in_ready_o;
  bhc_count #(.Count(Row)) u_write (.clk_i, .rst_ni, .step_i(take), .last_o(row_last));
  assign row_written = take && row_last;

  // ---- Read.
  logic free;
  assign free = !out_valid_o || out_ready_i;
  assign step = read && free;

  localparam int FirstWord = wrap(-PT * Row - PL * Pixel);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      waddr_q <= '0;
      raddr_q <= AddrBits'(FirstWord);
      out_valid_o <= 1'b0;
    end else begin
      if (take) waddr_q <= waddr_d;
      if (step) raddr_q <= raddr_d;
      if (free) out_valid_o <= read;
    end
  end

  bhc_ram #(
    .Width(Lanes * Bits), .Depth(Ring), .Style(Style), .ReadLatency(1), .ClearWord({Lanes{PadWord}})
  ) u_ring (
    .clk_i, .write_i(take), .waddr_i(waddr_q), .wdata_i(in_data_i),
    .read_i(step), .clear_i(row_outside || col_outside), .raddr_i(raddr_q), .rdata_o(out_data_o)
  );

`ifndef SYNTHESIS
  initial begin
    assert (Rows >= Span) else $error("bhc_window: %0d rows do not hold a window of %0d", Rows, Span);
    assert ((OH - 1) * SH - PT <= H) else $error("bhc_window: windows begin below the image");
    assert (Endless == 0 || (OH == 1 && H == SH && PT == 0)) else $error("bhc_window: no such endless image");
  end
`endif
endmodule
