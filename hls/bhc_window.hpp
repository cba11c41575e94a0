// Sliding windows of an image, one element word after another, from a ring of rows in memory.
//
// In: H*W*Groups*Chunks beats a window; inside a pixel the groups, inside a group the chunks.
// Out: for oh < OH, ow < OW, g < Groups, r < Replays
//        ChunkMajor = 0: for kh, kw, chunk;   ChunkMajor = 1: for chunk, kh, kw
//      the word of row oh*SH - PT + kh*DH, column ow*SW - PL + kw*DW, group g, chunk; PadWord in every lane outside the image.
//      1-D: W = KW = OW = SW = DW = 1, PL = 0.
//
// A row is taken while less than Rows rows of the ring are in use, and concurrently with reads. The windows oh may be read when
// the last row that they need is complete; with their last read, the rows above those of oh+1 fall free, and with the last read
// of an image all its rows do, also those that are still to come (no window needs them: they are swallowed).
// Rows >= (KH-1)*DH+1. No window may begin below the image: (OH-1)*SH - PT <= H.
//
// Endless = 1: there is one image without end, whose windows go on from the rows of one hop to those of the next. OH = 1 and
// H = SH (one window for every SH rows), PT = 0.
//
// count: images that are taken; with Endless, rows, those that no whole window has too.
//
// Neither side ever waits for the other: a beat is taken when there is one and room for it, and given when there is one and the
// stream takes it, at most one of each a cycle.
// The ring is a memory of words: reads and writes move through it by constant increments.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Bits, unsigned Lanes, unsigned Chunks, unsigned Groups, unsigned H, unsigned W, unsigned KH, unsigned KW,
          unsigned SH, unsigned SW, unsigned DH, unsigned DW, unsigned PT, unsigned PL, unsigned OH, unsigned OW,
          unsigned Replays, unsigned ChunkMajor, unsigned Rows, unsigned Endless, std::uint64_t PadWord, unsigned Style, class In,
          class Out>
void window(In &in, Out &out, unsigned count) {
  constexpr int Span = (KH - 1) * DH + 1;
  constexpr int Pixel = Groups * Chunks;  // words of a pixel
  constexpr int Row = W * Pixel;          // words of a row
  constexpr int Ring = Rows * Row;
  static_assert(int(Rows) >= Span, "bhc::window: the rows do not hold a window");
  static_assert(Endless == 0 || (OH == 1 && H == SH && PT == 0), "bhc::window: no such endless image");
  static_assert((OH - 1) * SH <= H + PT, "bhc::window: windows begin below the image");

  // The loop nest, inner levels first: how often each runs, by how many words it advances the address, and by how many all up to
  // it have advanced it at their ends. Addresses are modulo Ring.
  constexpr unsigned Count0 = ChunkMajor == 0 ? Chunks : KW, Count1 = ChunkMajor == 0 ? KW : KH;
  constexpr unsigned Count2 = ChunkMajor == 0 ? KH : Chunks;
  constexpr int Kw = int(KW - 1) * DW * Pixel, Kh = int(KH - 1) * DH * Row;
  constexpr int Pitch0 = ChunkMajor == 0 ? 1 : DW * Pixel;
  constexpr int Pitch1 = ChunkMajor == 0 ? DW * Pixel : DH * Row;
  constexpr int Pitch2 = ChunkMajor == 0 ? DH * Row : 1;
  constexpr int Back0 = ChunkMajor == 0 ? Chunks - 1 : Kw;
  constexpr int Back1 = Back0 + (ChunkMajor == 0 ? Kw : Kh);
  constexpr int Back2 = Back1 + (ChunkMajor == 0 ? Kh : Chunks - 1);
  constexpr int BackGroup = Back2 + (Groups - 1) * Chunks;
  constexpr int BackOw = BackGroup + (OW - 1) * SW * Pixel;
  constexpr int BackOh = BackOw + (OH - 1) * SH * Row;
  constexpr auto modulo = [](int offset) { return (offset % Ring + Ring) % Ring; };
  bits<Lanes * Bits> ring[Ring];
  BHC_PRAGMA(HLS aggregate variable=ring)
  const bits<Lanes * Bits> padding = repeat<Bits, Lanes>(PadWord);
  unsigned write = 0, read = modulo(-int(PT) * Row - int(PL) * Pixel);  // addresses
  unsigned chunk = 0, kw = 0, kh = 0, replay = 0, group = 0, ow = 0, oh = 0;
  int top = -int(PT), left = -int(PL);  // first row and column of the present window
  int row = top, column = left;         // being read
  unsigned word = 0;                    // of the row that is being written
  int held = 0;                         // complete rows from the first row of the image being read on
  std::uint64_t rows = Endless ? count : std::uint64_t{count} * H;  // still to be written
  unsigned images = Endless ? 1 : count;                            // still to be read

  while (rows != 0 || (Endless ? held >= Span : images != 0)) {
    BHC_PRAGMA(HLS pipeline II=1)
    const bool ready = images != 0 && held >= (Endless || top + Span < int(H) ? top + Span : int(H));
    const bool room = rows != 0 && held - (top > 0 ? top : 0) < int(Rows);
    const bool give = ready && !out.full();
    const bool take = room && !in.empty();
    if (!give && !take) {
      BHC_IDLE(host::writing(out, ready), host::reading(in, room));
    }
    int change = 0;  // of held
    if (give) {
      const bool inside = row >= 0 && (Endless || row < int(H)) && column >= 0 && column < int(W);
      const bits<Lanes * Bits> beat = ring[read];
      out.write(inside ? beat : padding);

      // The innermost level that is not at its end advances, and those inside it return to their beginnings.
      unsigned &count0 = ChunkMajor == 0 ? chunk : kw;
      unsigned &count1 = ChunkMajor == 0 ? kw : kh;
      unsigned &count2 = ChunkMajor == 0 ? kh : chunk;
      unsigned step;
      if (count0 != Count0 - 1) {
        step = modulo(Pitch0);
        count0++;
        if (ChunkMajor != 0) column += DW;
      } else {
        count0 = 0;
        if (ChunkMajor != 0) column = left;
        if (count1 != Count1 - 1) {
          step = modulo(Pitch1 - Back0);
          count1++;
          (ChunkMajor == 0 ? column : row) += ChunkMajor == 0 ? DW : DH;
        } else {
          count1 = 0;
          (ChunkMajor == 0 ? column : row) = ChunkMajor == 0 ? left : top;
          if (count2 != Count2 - 1) {
            step = modulo(Pitch2 - Back1);
            count2++;
            if (ChunkMajor == 0) row += DH;
          } else {
            count2 = 0;
            if (replay != Replays - 1) {
              step = modulo(-Back2);
              replay++;
            } else {
              replay = 0;
              if (group != Groups - 1) {
                step = modulo(int(Chunks) - Back2);
                group++;
              } else {
                group = 0;
                if (ow != OW - 1) {
                  step = modulo(int(SW) * Pixel - BackGroup);
                  ow++;
                  left += SW;
                } else {
                  ow = 0;
                  left = -int(PL);
                  if (oh != OH - 1) {
                    step = modulo(int(SH) * Row - BackOw);
                    oh++;
                    top += SH;
                  } else {
                    step = modulo(int(H) * Row - BackOh);
                    oh = 0;
                    top = -int(PT);
                    if (!Endless) images--;
                    change -= H;
                  }
                }
              }
            }
            row = top;
            column = left;
          }
        }
      }
      read += step;
      if (read >= unsigned(Ring)) read -= Ring;
    }
    if (take) {
      ring[write] = in.read();
      write = write == unsigned(Ring) - 1 ? 0 : write + 1;
      if (word == unsigned(Row) - 1) {
        word = 0;
        rows--;
        change++;
      } else {
        word++;
      }
    }
    held += change;
  }
}

}  // namespace bhc
