// Inserts rows and columns of Word around an image: PT above, PB below, PL left, PR right (1-D: W = 1, PL = PR = 0).
//
// In: H*W*Chunks beats a window; out: (H+PT+PB) * (W+PL+PR) * Chunks beats, one a cycle. Padding does not wait for input.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Bits, unsigned Lanes, unsigned Chunks, unsigned H, unsigned W, unsigned PT, unsigned PB, unsigned PL,
          unsigned PR, std::uint64_t Word, class In, class Out>
void pad(In &in, Out &out, unsigned windows) {
  const bits<Lanes * Bits> padding = repeat<Bits, Lanes>(Word);
  for (unsigned window = 0; window < windows; window++) {
    for (unsigned h = 0; h < PT + H + PB; h++) {
      for (unsigned w = 0; w < PL + W + PR; w++) {
        for (unsigned chunk = 0; chunk < Chunks; chunk++) {
          BHC_PRAGMA(HLS pipeline II=1)
          // Unsigned wrap-around makes "before" and "after" one comparison.
          const bool inside = h - PT < H && w - PL < W;
          if (inside) {
            out.write(in.read());
          } else {
            out.write(padding);
          }
        }
      }
    }
  }
}

}  // namespace bhc
