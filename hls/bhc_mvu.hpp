// Matrix-vector unit: beats of Simd elements in, beats of Pe elements out.
//
//   acc(m) = bias[class(position)][m] + sum over the beats of a position of (raw << Shift)     (bhc_dot's raw; Shift 0 or 1)
//   SignOut = 1: an output lane is (acc >= 0), OutBits = 1;   SignOut = 0: it is the low OutBits bits of acc.
// acc is of AccBits bits and wraps.
//
// InputStationary = 0: for each position, for nf < Nf, for sf < Sf: one beat is taken (the producer replays).
// InputStationary = 1: for each position, for sf < Sf: a beat is taken and used for all nf < Nf; outputs leave during the last sf.
// Cycles a window: Positions * Nf * Sf, either way. DotStages and Group are the RTL's: the synthesizer places its own registers,
// and shares what it likes.
//
// weights: [Nf*Sf][Pe] rows as bhc_dot wants them, in order of use.  bias: [Classes*Nf][Pe] true values, address class*Nf + nf.
// classes: [Positions] indices; a single word, unused, when Classes = 1.  positions: of all windows.
#pragma once

#include "bhc_dot.hpp"
#include "bhc_stream.hpp"

namespace bhc {

template <unsigned XBits, unsigned XKind, unsigned WBits, unsigned WKind, unsigned Simd, unsigned Pe, unsigned Sf, unsigned Nf,
          unsigned InputStationary, unsigned Positions, unsigned Classes, unsigned AccBits, unsigned Shift, unsigned SignOut,
          unsigned OutBits, unsigned DotStages, unsigned Group, class In, class Out, class Weight, class Bias, class Class>
void mvu(In &in, Out &out, const Weight (&weights)[Nf * Sf][Pe][dot<XBits, XKind, WBits, WKind, Simd>::Row],
         const Bias (&bias)[Classes * Nf][Pe], const Class (&classes)[Classes > 1 ? Positions : 1], unsigned positions) {
  using product = dot<XBits, XKind, WBits, WKind, Simd>;
  static_assert(Shift <= 1 && Shift < AccBits && AccBits <= 64, "bhc::mvu: no such accumulator");
  static_assert(OutBits <= AccBits && (SignOut == 0 || OutBits == 1), "bhc::mvu: no such output");
  // Sums modulo a power of two that is no less than 2^AccBits.
  using sum = std::conditional_t<(AccBits <= 32), std::uint32_t, std::uint64_t>;
  constexpr unsigned Outer = InputStationary ? Sf : Nf, Inner = InputStationary ? Nf : Sf;

  typename product::operand x;
  BHC_PRAGMA(HLS array_partition variable=x.plane complete dim=0)
  BHC_PRAGMA(HLS array_partition variable=x.value complete)
  signed_word<AccBits> partial[InputStationary ? Nf : 1][Pe];
  BHC_PRAGMA(HLS array_partition variable=partial complete dim=2)
  unsigned position = 0;  // in its window
  for (unsigned done = 0; done < positions; done++) {
    for (unsigned outer = 0; outer < Outer; outer++) {
      for (unsigned inner = 0; inner < Inner; inner++) {
        BHC_PRAGMA(HLS pipeline II=1)
        const unsigned sf = InputStationary ? outer : inner, nf = InputStationary ? inner : outer;
        const unsigned slot = InputStationary ? nf : 0;
        if (!InputStationary || nf == 0) x = product::prepare(in.read());
        const unsigned first = (Classes > 1 ? classes[position] * Nf : 0) + nf;
        sum raw[Pe];
        integer<OutBits> result[Pe];
        BHC_PRAGMA(HLS array_partition variable=raw complete)
        BHC_PRAGMA(HLS array_partition variable=result complete)
        for (unsigned pe = 0; pe < Pe; pe++) {
          BHC_PRAGMA(HLS unroll)
          raw[pe] = static_cast<sum>(product::raw(x, weights[outer * Inner + inner][pe]));
        }
        for (unsigned pe = 0; pe < Pe; pe++) {
          BHC_PRAGMA(HLS unroll)
          const sum before = static_cast<sum>(sf == 0 ? std::int64_t{bias[first][pe]} : partial[slot][pe].to_int64());
          const signed_word<AccBits> after = static_cast<std::make_signed_t<sum>>(before + (raw[pe] << Shift));
          partial[slot][pe] = after;
          result[pe] = static_cast<integer<OutBits>>(SignOut ? after.to_int64() >= 0 : after.to_int64());
        }
        if (sf == Sf - 1) out.write(pack<OutBits>(result));
        if (Classes > 1 && outer == Outer - 1 && inner == Inner - 1) position = position == Positions - 1 ? 0 : position + 1;
      }
    }
  }
}

}  // namespace bhc
