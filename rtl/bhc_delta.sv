// Matrix-vector unit for a sequence of columns, of which it adds only what changes.
//
// A column is Chunks beats of Lanes elements. Window j reads the columns s = j*Stride + k*D, k < Taps:
//   acc(j) = base + sum over k of w_k * (x(s) - zero) / unit          zero: the value that is zeros on the wire, -1 or 0
//   SignOut = 1: an output lane is (acc >= 0), OutBits = 1; unit is 2 if x is bipolar, else 1
//   SignOut = 0: it is acc[OutBits-1:0]; unit is 1
// For each window: Nf beats of Pe outputs, m = nf*Pe + lane. Accumulators wrap around and are exact for ever.
// The columns before the first count as zeros on the wire. Columns = 0: the sequence never ends. Columns > 0: after so many
// columns everything begins anew; then the windows are those that lie within.
//
// Elements that differ from the column Stride before it are events: written one a cycle, in order, to the ring of the column's
// phase (s modulo D). All events of a window thus lie one behind another, and are read Events a cycle, from any place on, since
// each of the Events banks of the ring has an address of its own. An event knows its column, hence its tap. Lists by column
// would end in words that are not full, for every tap (docs/delta.md).
// Windows that begin before the first column are computed too, and not given out.
//
// weights: word [Pe][WBits] at address tap * Words + (nf << ceil(log2 Chunks) | chunk) << ceil(log2 Lanes) | lane, where Words
// is the greatest of what is added to tap * Words, and one. base: Nf words [Pe][AccBits].
//
// Cycles. A beat with n changed elements occupies its register for max(1, n) cycles, from the one after it was taken; the next
// is taken in the last of them. Column s is begun once the windows that begin with column s - Keep*D or before are over.
// A window of n events takes Nf * max(1, ceil(n / Events)) cycles; its first is 2 after the last of its last column's, or the
// one after the window before. Output: 3 cycles after the last of a turn, 4 with Events > 2, XBits > 1 or WBits > 1.
// Columns > 0: the first beat of a history is taken 2 cycles after the last of the last window, or of the last column.
// The pipeline stalls while an output beat waits and the next one has been computed; in_ready_o depends on registers only.
module bhc_delta #(
  parameter int unsigned XBits = 1,
  parameter int unsigned XKind = 2,
  parameter int unsigned WBits = 1,
  parameter int unsigned WKind = 2,
  parameter int unsigned Lanes = 8,
  parameter int unsigned Chunks = 1,
  parameter int unsigned Taps = 3,
  parameter int unsigned D = 1,
  parameter int unsigned Stride = 1,
  parameter int unsigned Columns = 0,
  parameter int unsigned Pe = 4,
  parameter int unsigned Nf = 1,
  parameter int unsigned Events = 1,
  parameter int unsigned AccBits = 8,
  parameter int unsigned SignOut = 1,
  parameter int unsigned OutBits = 1,
  parameter int unsigned WeightsStyle = 0,
  parameter WeightsFile = "",
  parameter logic [Pe*WBits-1:0] WeightsInit = '0,
  parameter BaseFile = "",
  parameter logic [Pe*AccBits-1:0] BaseInit = '0
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   in_valid_i,
  output logic                   in_ready_o,
  input  logic [Lanes*XBits-1:0] in_data_i,
  output logic                   out_valid_o,
  input  logic                   out_ready_i,
  output logic [Pe*OutBits-1:0]  out_data_o
);
  // ---- Windows.
  localparam int unsigned Reach = (Taps - 1) * D;
  localparam int unsigned Early = Reach / Stride;      // windows that begin before the first column
  localparam int unsigned Before = Early * Stride;     // columns from the first such window to the first column
  localparam int unsigned Head = Reach - Before;       // last column of the first of them
  localparam int unsigned Whole = Columns > Reach ? (Columns - 1 - Reach) / Stride + 1 : 0;

  // ---- Room: for the columns of the next window while one is computed, for some more, so that a column that takes long to
  // compare holds nothing up, and for what is free.
  localparam int unsigned Spare = Lanes * Chunks <= 128 ? 4 : 0;
  localparam int unsigned Least = Taps - 1 + (Stride + Spare + D) / D;
  localparam int unsigned Slots = Least * Lanes * Chunks > Events ? Least * Lanes * Chunks : Events;
  localparam int unsigned PlaceBits = $clog2(Slots);
  localparam int unsigned Capacity = 1 << PlaceBits;   // events of a phase
  localparam int unsigned MarkBits = $clog2((Least + 1) * D);
  localparam int unsigned Marks = 1 << MarkBits;       // columns whose ends are kept
  localparam int unsigned ByPlaces = Capacity / (Lanes * Chunks);
  localparam int unsigned ByMarks = Marks / D - 1;
  localparam int unsigned Keep = ByPlaces < ByMarks ? ByPlaces : ByMarks;

  // ---- Fields. Those of one value are a bit that is always zero.
  localparam int unsigned ShiftLane = $clog2(Lanes);
  localparam int unsigned ShiftChunk = $clog2(Chunks);
  localparam int unsigned LaneBits = Lanes > 1 ? $clog2(Lanes) : 1;
  localparam int unsigned ChunkBits = Chunks > 1 ? $clog2(Chunks) : 1;
  localparam int unsigned ElementBits = ShiftLane + ShiftChunk > 0 ? ShiftLane + ShiftChunk : 1;
  localparam int unsigned TapBits = Taps > 1 ? $clog2(Taps) : 1;
  localparam int unsigned PhaseBits = D > 1 ? $clog2(D) : 1;
  localparam int unsigned NfBits = Nf > 1 ? $clog2(Nf) : 1;
  localparam int unsigned ChangeBits = XBits > 1 ? XBits + 1 : 1;
  localparam int unsigned EventBits = ChangeBits + ElementBits + TapBits;
  localparam int unsigned Words = ((Nf - 1) << (ShiftChunk + ShiftLane)) + ((Chunks - 1) << ShiftLane) + Lanes;
  localparam int unsigned Depth = Taps * Words;
  localparam int unsigned AddrBits = Depth > 1 ? $clog2(Depth) : 1;
  localparam int unsigned BankBits = $clog2(Events);
  localparam int unsigned BankDepth = D << (PlaceBits - BankBits);
  localparam int unsigned WordBits = BankDepth > 1 ? $clog2(BankDepth) : 1;
  localparam int unsigned StepBits = PlaceBits > BankBits ? PlaceBits - BankBits : 1;
  localparam bit ProductRegister = Events > 2 || XBits > 1 || WBits > 1;
  // Rows share the sums and differences of pairs of events (bhc_pair_sum).
  localparam bit Paired = XBits > 1 && WKind == 2 && Events > 1 && Pe * Events >= 8;

`ifndef SYNTHESIS
  initial begin
    assert (Events == 1 << BankBits) else $error("bhc_delta: %0d events a cycle are no power of two", Events);
    assert (Columns == 0 || Columns > Reach) else $error("bhc_delta: no window in %0d columns", Columns);
    assert (OutBits <= AccBits && (SignOut == 0 || OutBits == 1)) else $error("bhc_delta: no such output");
  end
`endif

  logic en;        // the pipeline advances
  logic restart;   // a history is over
  logic run_n;     // low: all but the pipeline begins anew
  assign run_n = rst_ni && !restart;

  // ================================================================ Changes
  logic take, more, full, found, column_end;
  logic chunk_first, room;
  logic slot_q, slot_last_q, chunk_last;
  logic [ChunkBits-1:0] chunk, slot_chunk_q;
  logic [Lanes-1:0] mask_q, rest, changed;
  logic [Lanes*XBits-1:0] new_q, earlier;
  logic [LaneBits-1:0] lane;

  // An empty slot has an empty mask.
  assign in_ready_o = !more && !full && (!chunk_first || room);
  assign take = in_valid_i && in_ready_o;
  assign found = |mask_q;
  assign column_end = slot_q && !more && slot_last_q;

  bhc_pointer #(.Count(Chunks)) u_chunk (.clk_i, .rst_ni(run_n), .step_i(take), .count_o(chunk));
  assign chunk_first = chunk == '0;
  assign chunk_last = chunk == ChunkBits'(Chunks - 1);

  for (genvar i = 0; i < Lanes; i++) begin : gen_changed
    assign changed[i] = in_data_i[i*XBits +: XBits] != earlier[i*XBits +: XBits];
  end
  bhc_first #(.Width(Lanes)) u_first (.bits_i(mask_q), .index_o(lane), .rest_o(rest), .more_o(more));

  always_ff @(posedge clk_i) begin
    if (!run_n) begin
      slot_q <= 1'b0;
      mask_q <= '0;
    end else begin
      slot_q <= take || more;
      mask_q <= take ? changed : rest;
    end
    if (take) begin
      slot_last_q <= chunk_last;
      slot_chunk_q <= chunk;
    end
  end

  // ---- The column Stride before.
  localparam int unsigned History = Stride * Chunks;
  if (History == 1) begin : gen_last
    assign earlier = new_q;
    always_ff @(posedge clk_i) begin
      if (!run_n) new_q <= '0;
      else if (take) new_q <= in_data_i;
    end
  end else begin : gen_history
    localparam bit Block = History > 64 && History * Lanes * XBits > 8192;
    logic seen;
    logic [Lanes*XBits-1:0] past;
    logic [$clog2(History)-1:0] past_q, past_d;
    initial past_q = '0;  // why: see bhc_pointer
    assign past_d = past_q == $clog2(History)'(History - 1) ? '0 : past_q + 1'b1;
    always_ff @(posedge clk_i) begin
      if (!run_n) past_q <= '0;
      else if (take) past_q <= past_d;
    end
    always_ff @(posedge clk_i) if (take) new_q <= in_data_i;
    bhc_filled #(.Count(History)) u_seen (.clk_i, .rst_ni(run_n), .step_i(take), .filled_o(seen));
    // The registered read of a block RAM is issued one step ahead.
    bhc_ram #(.Width(Lanes * XBits), .Depth(History), .Style(Block ? 2 : 1), .ReadLatency(Block ? 1 : 0)) u_past (
      .clk_i, .write_i(take), .waddr_i(past_q), .wdata_i(in_data_i),
      .read_i(take), .clear_i(1'b0), .raddr_i(Block ? past_d : past_q), .rdata_o(past)
    );
    assign earlier = past & {(Lanes*XBits){seen}};
  end

  // ---- What has changed: the new bit says enough where there are two values.
  logic [ChangeBits-1:0] change;
  if (XBits == 1) begin : gen_bit
    assign change = new_q[lane] ^ (XKind == 1);
  end else begin : gen_difference
    logic [Lanes*XBits-1:0] old_q;
    logic [XBits-1:0] newer, older;
    always_ff @(posedge clk_i) if (take) old_q <= earlier;
    assign newer = new_q[32'(lane)*XBits +: XBits];
    assign older = old_q[32'(lane)*XBits +: XBits];
    assign change = {XKind == 1 && newer[XBits-1], newer} - {XKind == 1 && older[XBits-1], older};
  end

  // ================================================================ Events
  // The place of the next event of this phase, with a bit more than addresses need; the one after this cycle.
  logic [PlaceBits:0] place_q, place;
  logic [PhaseBits-1:0] phase;
  logic [TapBits-1:0] number_q;  // of the column in its phase
  assign place = place_q + (PlaceBits + 1)'(found);

  if (D == 1) begin : gen_phase
    assign phase = '0;
    always_ff @(posedge clk_i) begin
      if (!run_n) place_q <= '0;
      else place_q <= place;
    end
    always_ff @(posedge clk_i) begin
      if (!run_n) number_q <= '0;
      else if (column_end) number_q <= number_q + 1'b1;
    end
  end else begin : gen_phases
    logic last, begun;
    logic [PlaceBits:0] kept;
    logic [PhaseBits-1:0] following;
    assign last = phase == PhaseBits'(D - 1);
    assign following = last ? '0 : phase + 1'b1;
    bhc_pointer #(.Count(D)) u_phase (.clk_i, .rst_ni(run_n), .step_i(column_end), .count_o(phase));
    bhc_filled #(.Count(D - 1)) u_begun (.clk_i, .rst_ni(run_n), .step_i(column_end), .filled_o(begun));
    bhc_ram #(.Width(PlaceBits + 1), .Depth(D), .Style(1), .ReadLatency(0)) u_places (
      .clk_i, .write_i(column_end), .waddr_i(phase), .wdata_i(place),
      .read_i(1'b0), .clear_i(1'b0), .raddr_i(following), .rdata_o(kept)
    );
    always_ff @(posedge clk_i) begin
      if (!run_n) place_q <= '0;
      else if (column_end) place_q <= begun ? kept : '0;
      else place_q <= place;
    end
    always_ff @(posedge clk_i) begin
      if (!run_n) number_q <= '0;
      else if (column_end && last) number_q <= number_q + 1'b1;
    end
  end

  logic [EventBits-1:0] event_in;
  logic [31:0] element;
  assign element = 32'(slot_chunk_q) << ShiftLane | 32'(lane);
  assign event_in = {change, element[ElementBits-1:0], number_q};

  // ---- Ends of columns.
  logic [MarkBits-1:0] column_q, head_q, tail;
  logic [PlaceBits:0] head_mark, tail_mark;
  assign tail = head_q - MarkBits'(Taps * D);
  bhc_ram #(.Width(PlaceBits + 1), .Depth(Marks), .Style(1), .ReadLatency(0)) u_heads (
    .clk_i, .write_i(column_end), .waddr_i(column_q), .wdata_i(place),
    .read_i(1'b0), .clear_i(1'b0), .raddr_i(head_q), .rdata_o(head_mark)
  );
  bhc_ram #(.Width(PlaceBits + 1), .Depth(Marks), .Style(1), .ReadLatency(0)) u_tails (
    .clk_i, .write_i(column_end), .waddr_i(column_q), .wdata_i(place),
    .read_i(1'b0), .clear_i(1'b0), .raddr_i(tail), .rdata_o(tail_mark)
  );
  always_ff @(posedge clk_i) begin
    if (!run_n) column_q <= '0;
    else if (column_end) column_q <= column_q + 1'b1;
  end

  // ================================================================ Windows
  logic ready, load, done, finished;
  logic job_q, job_emit_q, job_first_q, fresh_q, begun, emit;

  // Columns that are complete, from the last one of the next window on, and Stride - 1.
  localparam int unsigned HaveBits = $clog2(Keep * D + 2 * Stride + 1);
  logic [HaveBits-1:0] have_q;
  assign ready = have_q >= HaveBits'(Stride);
  assign load = ready && !finished && (!job_q || done);
  always_ff @(posedge clk_i) begin
    if (!run_n) have_q <= HaveBits'(Stride - 1 - Head);
    else if (column_end || load) have_q <= have_q + HaveBits'(column_end) - (load ? HaveBits'(Stride) : '0);
  end

  // Columns that may be begun.
  localparam int unsigned RoomBits = $clog2(Keep * D + Stride + 1);
  logic [RoomBits-1:0] room_q;
  logic begins;
  assign begins = take && chunk_first;
  assign room = room_q != '0;
  always_ff @(posedge clk_i) begin
    if (!run_n) room_q <= RoomBits'(Keep * D - Before);
    else if (begins || done) room_q <= room_q - RoomBits'(begins) + (done ? RoomBits'(Stride) : '0);
  end

  if (Columns == 0) begin : gen_endless
    assign full = 1'b0;
    assign finished = 1'b0;
    assign restart = 1'b0;
  end else begin : gen_histories
    bhc_filled #(.Count(Columns * Chunks)) u_full (.clk_i, .rst_ni(run_n), .step_i(take), .filled_o(full));
    bhc_filled #(.Count(Early + Whole)) u_finished (.clk_i, .rst_ni(run_n), .step_i(load), .filled_o(finished));
    assign restart = full && !slot_q && finished && !job_q && en;
  end

  // ---- The next window: which phase, and which of its columns is the first.
  logic [PhaseBits-1:0] first_phase;
  logic [TapBits-1:0] first_q;
  if (D == 1) begin : gen_first
    assign first_phase = '0;
    always_ff @(posedge clk_i) begin
      if (!run_n) first_q <= TapBits'((1 << TapBits) * Before - Before);
      else if (load) first_q <= first_q + TapBits'(Stride);
    end
  end else begin : gen_firsts
    localparam int unsigned Rest = Stride % D;
    logic wraps;
    logic [PhaseBits-1:0] phase_q;
    assign first_phase = phase_q;
    assign wraps = 32'(phase_q) + Rest >= D;
    always_ff @(posedge clk_i) begin
      if (!run_n) begin
        phase_q <= PhaseBits'((D * Before - Before) % D);
        first_q <= TapBits'((1 << TapBits) * Before - (Before + D - 1) / D);
      end else if (load) begin
        phase_q <= PhaseBits'(32'(phase_q) + Rest - (wraps ? D : 0));
        first_q <= first_q + TapBits'(Stride / D) + TapBits'(wraps);
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (!run_n) head_q <= MarkBits'(Head);
    else if (load) head_q <= head_q + MarkBits'(Stride);
  end
  bhc_filled #(.Count(Early + (D + Stride - 1) / Stride)) u_begun (.clk_i, .rst_ni(run_n), .step_i(load), .filled_o(begun));
  bhc_filled #(.Count(Early)) u_emit (.clk_i, .rst_ni(run_n), .step_i(load), .filled_o(emit));
  always_ff @(posedge clk_i) begin
    if (!run_n) fresh_q <= 1'b1;
    else if (load) fresh_q <= 1'b0;
  end

  // ---- Its events: those from `from` on, `beyond` + 1 of them; all ones stand for none.
  logic [PlaceBits:0] from, beyond;
  logic none;
  assign from = begun ? tail_mark : '0;
  assign beyond = head_mark + ~from;
  assign none = &beyond;

  logic [StepBits-1:0] step_q, steps_q, steps_first_q, step_first_q;  // words to go, and of a whole turn
  logic [Events-1:0] late, late_q, last_mask, last_mask_q;
  logic [PhaseBits-1:0] job_phase_q;
  logic [TapBits-1:0] job_tap_q;
  logic [NfBits-1:0] nf_q;
  logic turn_last, nf_last;

  // Bank e holds event (e - from) modulo Events of each word of a run; where from is beyond e, that is in the bank's next word.
  for (genvar e = 0; e < Events; e++) begin : gen_bank_of
    if (Events == 1) begin : gen_one
      assign late[e] = 1'b0;
      assign last_mask[e] = !none;
    end else begin : gen_several
      logic [BankBits-1:0] index;
      assign {late[e], index} = (BankBits + 1)'(e) - (BankBits + 1)'(from[BankBits-1:0]);
      assign last_mask[e] = !none && index <= beyond[BankBits-1:0];
    end
  end

  logic [StepBits-1:0] load_step, load_steps;
  if (PlaceBits > BankBits) begin : gen_steps
    // Steps are counted, and not compared with a last word: a run may fill the ring, and end in the word it began with.
    assign load_step = from[PlaceBits-1:BankBits];
    assign load_steps = none ? '0 : beyond[PlaceBits-1:BankBits];
  end else begin : gen_step
    assign load_step = '0;
    assign load_steps = '0;
  end

  assign turn_last = steps_q == '0;
  assign nf_last = nf_q == NfBits'(Nf - 1);
  assign done = job_q && en && turn_last && nf_last;

  always_ff @(posedge clk_i) begin
    if (!run_n) job_q <= 1'b0;
    else if (load) job_q <= 1'b1;
    else if (done) job_q <= 1'b0;

    if (load) begin
      job_emit_q <= emit;
      job_first_q <= fresh_q;
      job_phase_q <= first_phase;
      job_tap_q <= first_q;
      late_q <= late;
      last_mask_q <= last_mask;
      step_first_q <= load_step;
      steps_first_q <= load_steps;
      step_q <= load_step;
      steps_q <= load_steps;
    end else if (job_q && en) begin
      step_q <= turn_last ? step_first_q : step_q + 1'b1;
      steps_q <= turn_last ? steps_first_q : steps_q - 1'b1;
    end
  end
  if (Nf > 1) begin : gen_nf
    always_ff @(posedge clk_i) begin
      if (!run_n) nf_q <= '0;
      else if (job_q && en && turn_last) nf_q <= nf_last ? '0 : nf_q + 1'b1;
    end
  end else begin : gen_no_nf
    assign nf_q = '0;
  end

  // ================================================================ Pipeline
  // Stage 0 issues, 1 has the events, 2 the weights; with ProductRegister, 3 has the sums of products. The last one accumulates.
  localparam int unsigned Last = ProductRegister ? 3 : 2;
  logic [Last:0] valid, any, give, first, begins_anew;
  logic [NfBits-1:0] nf [Last+1];
  logic [Events-1:0] mask, mask_q1;
  logic [TapBits-1:0] tap_q1;

  assign mask = turn_last ? last_mask_q : '1;
  assign valid[0] = job_q;
  assign any[0] = |mask;
  assign give[0] = turn_last && job_emit_q;
  assign first[0] = job_first_q && steps_q == steps_first_q;
  assign begins_anew[0] = restart;
  assign nf[0] = nf_q;
  for (genvar s = 0; s < Last; s++) begin : gen_tags
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        valid[s+1] <= 1'b0;
        begins_anew[s+1] <= 1'b0;
      end else if (en) begin
        valid[s+1] <= valid[s];
        begins_anew[s+1] <= begins_anew[s];
      end
      if (en) begin
        any[s+1] <= any[s];
        give[s+1] <= give[s];
        first[s+1] <= first[s];
        nf[s+1] <= nf[s];
      end
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) mask_q1 <= '0;
    else if (en) mask_q1 <= mask & {Events{job_q}};
    if (en) tap_q1 <= job_tap_q;
  end

  // ---- Banks of events, and the addresses of their weights.
  logic [StepBits-1:0] step_late;
  assign step_late = step_q + 1'b1;

  localparam int unsigned Pairs = (Events + 1) / 2;
  logic [2*Pairs-1:0] read;
  logic [2*Pairs*AddrBits-1:0] addr;
  logic [Events*ChangeBits-1:0] change_d2;
  localparam bit BlockRing = BankDepth * EventBits > 2048;

  for (genvar e = 0; e < Events; e++) begin : gen_bank
    logic write;
    logic [EventBits-1:0] held;
    logic [WordBits-1:0] waddr, raddr;
    logic [TapBits-1:0] tap;
    logic [ElementBits-1:0] item;
    logic [ChangeBits-1:0] changing;
    if (Events == 1) begin : gen_one
      assign write = found;
    end else begin : gen_several
      assign write = found && place_q[BankBits-1:0] == BankBits'(e);
    end
    assign waddr = WordBits'(32'(phase) << (PlaceBits - BankBits) | 32'(place_q[PlaceBits-1:0]) >> BankBits);
    assign raddr = WordBits'(32'(job_phase_q) << (PlaceBits - BankBits) |
                             (PlaceBits > BankBits ? 32'(late_q[e] ? step_late : step_q) : 0));
    bhc_ram #(.Width(EventBits), .Depth(BankDepth), .Style(BlockRing ? 2 : 1), .ReadLatency(1)) u_ring (
      .clk_i, .write_i(write), .waddr_i(waddr), .wdata_i(event_in),
      .read_i(en && job_q && mask[e]), .clear_i(1'b0), .raddr_i(raddr), .rdata_o(held)
    );
    assign {changing, item, tap} = {held[EventBits-1:TapBits], held[TapBits-1:0] - tap_q1};

    logic [31:0] offset;
    assign offset = 32'(nf[1]) << (ShiftChunk + ShiftLane) | 32'(item);
    assign read[e] = mask_q1[e];
    if (1 << $clog2(Words) == Words) begin : gen_fields
      assign addr[e*AddrBits +: AddrBits] = AddrBits'(32'(tap) << $clog2(Words) | offset);
    end else begin : gen_sum
      assign addr[e*AddrBits +: AddrBits] = AddrBits'(32'(tap) * Words + offset);
    end
    logic unused;
    assign unused = ^offset;

    // What is not there changes nothing: a difference of zero, or a bit that disagrees with the weight zero.
    assign change_d2[e*ChangeBits +: ChangeBits] = mask_q1[e] ? changing : (XBits == 1 ? ChangeBits'(1) : '0);
  end
  if (Events == 1) begin : gen_no_twin
    assign read[1] = 1'b0;
    assign addr[2*AddrBits-1:AddrBits] = '0;
  end

  logic [2*Pairs*Pe*WBits-1:0] weights;
  for (genvar i = 0; i < Pairs; i++) begin : gen_weights
    bhc_twin #(
      .Width(Pe * WBits), .Depth(Depth), .Style(WeightsStyle), .File(WeightsFile), .Init(WeightsInit)
    ) u_weights (
      .clk_i, .en_i(en), .read_i(read[2*i +: 2]), .addr_i(addr[2*i*AddrBits +: 2*AddrBits]),
      .data_o(weights[2*i*Pe*WBits +: 2*Pe*WBits])
    );
  end
  if (Events == 1) begin : gen_unused_weights
    logic unused;
    assign unused = ^weights[2*Pe*WBits-1:Pe*WBits];
  end

  // ---- Products.
  // One-bit operands: agreements of new bits and weights count +1, others -1: 2 * agreements - events. The half of that,
  // rounded down, differs from output to output; the lowest bit does not.
  localparam bit Counted = XBits == 1 && WKind == 2;
  localparam int unsigned Product = Counted ? 2 : XBits == 1 ? WBits + 1 : WKind == 2 ? XBits + 1 : XBits + WBits + 1;
  localparam int unsigned PartBits = Product + BankBits;
  logic [Pe*PartBits-1:0] part_d, part;

  localparam int unsigned HalfBits = BankBits + 1;
  logic [HalfBits-1:0] half_q2;  // half the events, rounded up
  logic odd_q2;
  if (Counted) begin : gen_count
    logic [BankBits:0] count;
    always_comb begin
      count = '0;
      for (int unsigned e = 0; e < Events; e++) count += (BankBits + 1)'(mask_q1[e]);
    end
    always_ff @(posedge clk_i) begin
      if (en) begin
        odd_q2 <= count[0];
        half_q2 <= HalfBits'((32'(count) + 1) >> 1);
      end
    end
  end else begin : gen_no_count
    logic unused;
    assign odd_q2 = 1'b0;
    assign half_q2 = '0;
    assign unused = ^{odd_q2, half_q2};
  end

  if (Paired) begin : gen_pairs
    localparam int unsigned ValueBits = ChangeBits + 1;
    logic [Events/2*ValueBits-1:0] sums_q2, differences_q2;
    for (genvar i = 0; i < Events / 2; i++) begin : gen_pair
      logic signed [ChangeBits-1:0] a, b;
      assign {b, a} = change_d2[2*i*ChangeBits +: 2*ChangeBits];
      always_ff @(posedge clk_i) begin
        if (en) begin
          sums_q2[i*ValueBits +: ValueBits] <= -(ValueBits'(a) + ValueBits'(b));
          differences_q2[i*ValueBits +: ValueBits] <= ValueBits'(b) - ValueBits'(a);
        end
      end
    end
    for (genvar p = 0; p < Pe; p++) begin : gen_row
      logic [Events-1:0] w;
      logic [PartBits-1:0] sum;
      for (genvar e = 0; e < Events; e++) begin : gen_weight
        assign w[e] = weights[e*Pe+p];
      end
      bhc_pair_sum #(.ValueBits(ValueBits), .Pairs(Events / 2), .OutBits(PartBits)) u_sum (
        .clk_i, .en_i(en), .sums_i(sums_q2), .differences_i(differences_q2), .odd_i(1'b0), .w_i(w), .sum_o(sum));
      // All offsets together are the weight of the sign bit.
      assign part_d[p*PartBits +: PartBits] = {~sum[PartBits-1], sum[PartBits-2:0]};
    end
  end else begin : gen_single
    logic [Events*ChangeBits-1:0] change_q2;
    always_ff @(posedge clk_i) if (en) change_q2 <= change_d2;

    for (genvar p = 0; p < Pe; p++) begin : gen_products
      if (Counted) begin : gen_agreements
        logic [HalfBits-1:0] half;
        always_comb begin
          half = '0;
          for (int unsigned e = 0; e < Events; e++) half += HalfBits'(weights[e*Pe+p] == change_q2[e]);
          half -= half_q2;
        end
        assign part_d[p*PartBits +: PartBits] = {half, odd_q2};
      end else begin : gen_sum
        logic [Events*PartBits-1:0] products;
        for (genvar e = 0; e < Events; e++) begin : gen_event
          logic [ChangeBits-1:0] d;
          logic [WBits-1:0] w;
          logic signed [PartBits-1:0] product;
          assign d = change_q2[e*ChangeBits +: ChangeBits];
          assign w = weights[(e*Pe+p)*WBits +: WBits];
          if (XBits == 1) begin : gen_weight
            logic signed [PartBits-1:0] wide;
            assign wide = $signed({{(PartBits-WBits){WKind == 1 && w[WBits-1]}}, w});
            assign product = d[0] ? wide : -wide;
          end else if (WKind == 2) begin : gen_difference
            logic signed [PartBits-1:0] wide;
            assign wide = $signed({{(PartBits-ChangeBits){d[ChangeBits-1]}}, d});
            assign product = w[0] ? wide : -wide;
          end else begin : gen_product
            logic signed [PartBits-1:0] wide_d, wide_w;
            assign wide_d = $signed({{(PartBits-ChangeBits){d[ChangeBits-1]}}, d});
            assign wide_w = $signed({{(PartBits-WBits){WKind == 1 && w[WBits-1]}}, w});
            assign product = wide_d * wide_w;
          end
          assign products[e*PartBits +: PartBits] = product;
        end
        logic [PartBits-1:0] total;
        always_comb begin
          total = '0;
          for (int unsigned e = 0; e < Events; e++) total += products[e*PartBits +: PartBits];
        end
        assign part_d[p*PartBits +: PartBits] = total;
      end
    end
  end
  if (ProductRegister) begin : gen_register
    always_ff @(posedge clk_i) if (en) part <= part_d;
  end else begin : gen_wires
    assign part = part_d;
  end

  // ---- Accumulators. Where they are registers, with SignOut, they are kept in offset binary, whose top bit is the answer itself.
  localparam int unsigned Shift = XKind == 2 && SignOut == 0 ? 1 : 0;
  localparam logic [AccBits-1:0] Offset = SignOut != 0 && Nf == 1 ? AccBits'(1) << (AccBits - 1) : '0;
  logic [Pe*AccBits-1:0] old, sum;
  logic acc_en, emits;
  assign emits = valid[Last] && give[Last];
  assign en = !(emits && out_valid_o && !out_ready_i);
  assign acc_en = en && valid[Last] && (any[Last] || first[Last]);

  for (genvar p = 0; p < Pe; p++) begin : gen_sums
    localparam int unsigned Wide = PartBits + Shift > AccBits ? PartBits + Shift : AccBits;
    logic [Wide-1:0] wide;
    logic [PartBits-1:0] mine;
    assign mine = part[p*PartBits +: PartBits];
    assign wide = {{(Wide-PartBits){mine[PartBits-1]}}, mine} << Shift;
    assign sum[p*AccBits +: AccBits] = old[p*AccBits +: AccBits] + wide[AccBits-1:0];
    if (Wide > AccBits) begin : gen_cut
      logic unused;
      assign unused = ^wide[Wide-1:AccBits];
    end
  end

  if (Nf == 1) begin : gen_register_acc
    logic [Pe*AccBits-1:0] acc_q;
    assign old = acc_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (en && begins_anew[Last])) acc_q <= BaseInit ^ {Pe{Offset}};
      else if (acc_en) acc_q <= sum;
    end
    logic unused;
    assign unused = ^{nf[Last], first[Last]};
  end else begin : gen_ram_acc
    // The upper half holds the bases and is never written: a choice that costs no logic a bit.
    localparam int unsigned Half = 1 << NfBits;
    (* ram_style = "distributed" *) logic [Pe*AccBits-1:0] mem [2*Half];
    initial $readmemh(BaseFile, mem, Half, Half + Nf - 1);
    assign old = mem[{first[Last], nf[Last]}];
    always_ff @(posedge clk_i) if (acc_en) mem[{1'b0, nf[Last]}] <= sum;
    logic unused;
    assign unused = begins_anew[Last];
  end

  // ---- Output.
  logic [Pe*OutBits-1:0] out_d;
  for (genvar p = 0; p < Pe; p++) begin : gen_out
    if (SignOut != 0) begin : gen_sign
      assign out_d[p] = sum[p*AccBits+AccBits-1] ^ (Nf > 1);
    end else begin : gen_acc
      assign out_d[p*OutBits +: OutBits] = sum[p*AccBits +: OutBits];
    end
  end
  always_ff @(posedge clk_i) begin
    if (!rst_ni) out_valid_o <= 1'b0;
    else if (en && emits) out_valid_o <= 1'b1;
    else if (out_ready_i) out_valid_o <= 1'b0;
    if (en && emits) out_data_o <= out_d;
  end

  logic unused;
  assign unused = ^{element, slot_chunk_q, place_q, from, beyond, any[Last-1:0]};
endmodule
