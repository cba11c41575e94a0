// Sliding windows with all taps in parallel: a beat in is one pixel of C lanes (H*W beats a window), a beat out one whole window
// (OH*OW beats), lane (kh*KW + kw)*C + c. Tap (kh, kw) of window (oh, ow) is pixel (oh*SH - PT + kh*DH, ow*SW - PL + kw*DW),
// PadWord in every lane outside the image.
//
// The window is a set of shift registers. A step takes a pixel or inserts one of padding. KH > 1 and more than one column: rows
// are delayed by line memories of DH rows.
//
// Padding between two rows, or two images, is inserted once and serves both as far as it can. With SpanH = (KH-1)*DH+1,
// PB = max(0, (OH-1)*SH + SpanH - PT - H), LeadH = max(0, PT - SpanH + 1), and the same along W:
//   cycles a window = steps = (LeadH + H + max(PT - LeadH, PB)) * (LeadW + W + max(PL - LeadW, PR))
// The padding before the first image is inserted without waiting for input.
//
// Endless = 1: there is one image without end; OH = 1 and H = SH (one window for every SH rows), PT = 0. The first window ends
// with row SpanH-1.
//
// count: images that are taken; with Endless, rows, those that no whole window has too.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

namespace detail {

// One axis of the padded image: Length positions, of which the pixels follow `lead` ones that are padding alone; the padding
// after them ends this row's (image's) windows and begins the next one's. Windows end at first + k * stride, k < count.
struct walk {
  unsigned lead, length, first, start;

  // The rows of an image without end, as images of one window each.
  constexpr walk(unsigned kernel, unsigned stride, unsigned dilation)
      : lead(0), length(stride), first((kernel - 1) * dilation % stride), start(0) {}

  constexpr walk(unsigned size, unsigned kernel, unsigned stride, unsigned dilation, unsigned before, unsigned count)
      : lead(0), length(0), first(0), start(0) {
    const unsigned span = (kernel - 1) * dilation + 1;
    lead = before >= span ? before - span + 1 : 0;
    const unsigned need = (count - 1) * stride + span;
    const unsigned after = need > before + size ? need - before - size : 0;
    const unsigned tail = before - lead > after ? before - lead : after;
    length = lead + size + tail;
    first = lead + span - 1 - before;
    start = tail > 0 ? lead + size : 0;  // where the walk begins: after the last pixel
  }
};

}  // namespace detail

template <unsigned Bits, unsigned C, unsigned H, unsigned W, unsigned KH, unsigned KW, unsigned SH, unsigned SW, unsigned DH,
          unsigned DW, unsigned PT, unsigned PL, unsigned OH, unsigned OW, unsigned Endless, std::uint64_t PadWord, class In,
          class Out>
void shift(In &in, Out &out, unsigned count) {
  using pixel = bits<C * Bits>;
  static_assert(Endless == 0 || (OH == 1 && H == SH && PT == 0), "bhc::shift: no such endless image");
  constexpr detail::walk Across(W, KW, SW, DW, PL, OW);
  constexpr detail::walk Down = Endless ? detail::walk(KH, SH, DH) : detail::walk(H, KH, SH, DH, PT, OH);
  constexpr unsigned Cols = Across.length, Rows = Down.length;
  static_assert(Cols > 1 || KW == 1, "bhc::shift: a row of one column has no window wider than that");
  // The walk begins after the last pixel of an image that never was: the padding that follows precedes the first image, and the
  // windows that would end in it are suppressed.
  constexpr unsigned StartH = Across.start > 0 ? Down.lead + H - 1 : Down.start;
  // One column: a single register of all the rows. Else: a register of SpanW pixels for each row of taps.
  constexpr bool Line = Cols == 1;
  constexpr unsigned Taps = Line ? 1 : KH, Span = Line ? (KH - 1) * DH + 1 : (KW - 1) * DW + 1;
  constexpr unsigned Delay = Line || KH == 1 ? 1 : DH * Cols - 1;  // steps in a line memory; one more in a register

  pixel taps[Taps][Span];
  BHC_PRAGMA(HLS array_partition variable=taps complete dim=0)
  pixel lines[Taps > 1 ? Taps - 1 : 1][Delay];
  BHC_PRAGMA(HLS aggregate variable=lines)
  BHC_PRAGMA(HLS array_partition variable=lines complete dim=1)
  BHC_PRAGMA(HLS dependence variable=lines inter WAR false)
  const pixel padding = repeat<Bits, C>(PadWord);
  for (unsigned kh = 0; kh < Taps; kh++) {
    BHC_PRAGMA(HLS unroll)
    for (unsigned i = 0; i < Span; i++) {
      BHC_PRAGMA(HLS unroll)
      taps[kh][i] = padding;
    }
  }

  unsigned row = StartH, column = Across.start, address = 0;
  bool primed = StartH == 0 && Across.start == 0;
  // An endless image: rows that end a window too early, the row of that pixel that never was included.
  unsigned early = Endless ? (KH - 1) * DH / SH + (Across.start > 0 && Down.first == StartH ? 1 : 0) : 0;
  for (unsigned done = primed ? 0 : ~0u; done != count;) {
    BHC_PRAGMA(HLS pipeline II=1)
    // Unsigned wrap-around makes "before" and "after" one comparison.
    const bool real = row - Down.lead < H && column - Across.lead < W;
    pixel newest = padding;
    if (real) newest = in.read();

    pixel leaving[Taps];  // the newest pixel of each row of taps before this step
    BHC_PRAGMA(HLS array_partition variable=leaving complete)
    for (unsigned kh = 0; kh < Taps; kh++) {
      BHC_PRAGMA(HLS unroll)
      leaving[kh] = taps[kh][Span - 1];
      for (unsigned i = 0; i + 1 < Span; i++) {
        BHC_PRAGMA(HLS unroll)
        taps[kh][i] = taps[kh][i + 1];
      }
    }
    for (unsigned kh = 0; kh + 1 < Taps; kh++) {
      BHC_PRAGMA(HLS unroll)
      taps[kh][Span - 1] = lines[kh][address];
      lines[kh][address] = leaving[kh + 1];
    }
    taps[Taps - 1][Span - 1] = newest;
    address = address == Delay - 1 ? 0 : address + 1;

    const unsigned past_row = row - Down.first, past_column = column - Across.first;
    const bool hit = past_row % SH == 0 && past_row / SH < OH && past_column % SW == 0 && past_column / SW < OW;
    if (hit && early == 0 && (Endless || primed)) {
      bits<KH * KW * C * Bits> beat = bits<KH * KW * C * Bits>::zero();
      for (unsigned kh = 0; kh < KH; kh++) {
        BHC_PRAGMA(HLS unroll)
        for (unsigned kw = 0; kw < KW; kw++) {
          BHC_PRAGMA(HLS unroll)
          beat.insert((kh * KW + kw) * C * Bits, Line ? taps[0][kh * DH] : taps[Line ? 0 : kh][kw * DW]);
        }
      }
      out.write(beat);
    }
    if (column == Cols - 1) {
      column = 0;
      if (early != 0 && row == Down.first) early--;
      if (Endless || row == Rows - 1) done++;
      if (row == Rows - 1) {
        row = 0;
        primed = true;
      } else {
        row++;
      }
    } else {
      column++;
    }
  }
}

}  // namespace bhc
