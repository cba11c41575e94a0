// Depthwise convolution: every lane has its own dot product over Taps beats.
//
//   acc(lane) = bias[class(position)][chunk][lane] + sum over taps of w * x     (true values)
//   SignOut = 1: an output lane is (acc >= 0), OutBits = 1;   SignOut = 0: it is the low OutBits bits of acc.
// acc is of AccBits bits and wraps.
//
// Input: for each position, chunk, tap: one beat of Lanes elements. Output: for each position, chunk: one beat.
// Cycles a window: Positions * Chunks * Taps.
// weights: [Chunks*Taps][Lanes] true values, in order of use.  bias: [Classes*Chunks][Lanes] true values, address
// class*Chunks + chunk.  classes: [Positions] indices; a single word, unused, when Classes = 1.  positions: of all windows.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned XBits, unsigned XKind, unsigned WBits, unsigned WKind, unsigned Lanes, unsigned Taps, unsigned Chunks,
          unsigned Positions, unsigned Classes, unsigned AccBits, unsigned SignOut, unsigned OutBits, class In, class Out,
          class Weight, class Bias, class Class>
void dw(In &in, Out &out, const Weight (&weights)[Chunks * Taps][Lanes], const Bias (&bias)[Classes * Chunks][Lanes],
        const Class (&classes)[Classes > 1 ? Positions : 1], unsigned positions) {
  static_assert(WKind <= 2 && (WKind != 2 || WBits == 1), "bhc::dw: no such kind of weight");
  static_assert(AccBits <= 64 && OutBits <= AccBits && (SignOut == 0 || OutBits == 1), "bhc::dw: no such output");

  signed_word<AccBits> acc[Lanes];
  BHC_PRAGMA(HLS array_partition variable=acc complete)
  unsigned position = 0;  // in its window
  for (unsigned done = 0; done < positions; done++) {
    for (unsigned chunk = 0; chunk < Chunks; chunk++) {
      for (unsigned tap = 0; tap < Taps; tap++) {
        BHC_PRAGMA(HLS pipeline II=1)
        element<XBits> x[Lanes];
        integer<OutBits> result[Lanes];
        BHC_PRAGMA(HLS array_partition variable=x complete)
        BHC_PRAGMA(HLS array_partition variable=result complete)
        unpack<XBits, XKind>(in.read(), x);
        const unsigned first = (Classes > 1 ? classes[position] * Chunks : 0) + chunk;
        for (unsigned lane = 0; lane < Lanes; lane++) {
          BHC_PRAGMA(HLS unroll)
          const std::int64_t before = tap == 0 ? std::int64_t{bias[first][lane]} : acc[lane].to_int64();
          acc[lane] = before + std::int64_t{x[lane]} * weights[chunk * Taps + tap][lane];
          result[lane] = static_cast<integer<OutBits>>(SignOut ? acc[lane] >= 0 : acc[lane].to_int64());
        }
        if (tap == Taps - 1) out.write(pack<OutBits>(result));
        if (Classes > 1 && chunk == Chunks - 1 && tap == Taps - 1) position = position == Positions - 1 ? 0 : position + 1;
      }
    }
  }
}

}  // namespace bhc
