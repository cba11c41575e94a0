// Multi-level thresholding: per lane, count = number of thresholds t with x >= t, by a binary search.
//
//   out = Base + count, or Base + (2^Stages - 1 - count) where the channel's descending bit is set; the low OutBits bits.
//
// A channel has 2^Stages - 1 thresholds, ascending, in the signedness of x (InKind: 0 unsigned, 1 signed). They may lie outside
// the range of x: spare thresholds of an ascending channel are never reached, those of a descending one always reached.
// Chunks words (C/Lanes, or 1 when all chunks share their thresholds); beats cycle through the chunks.
// thresholds: one array for each level s of the search (0 .. Stages-1), [Chunks << s][Lanes], in word chunk*2^s + i the thresholds
// T[i*2^(Stages-s) + 2^(Stages-s-1) - 1], i = 0 .. 2^s - 1.
// descending: [Chunks][Lanes], not looked at if AnyDescending = 0.
// One beat a cycle: every level is a memory of its own, looked up once a beat and lane.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Lanes, unsigned Chunks, unsigned InBits, unsigned InKind, unsigned Stages, unsigned OutBits, int Base,
          unsigned AnyDescending, class In, class Out, class Descending, class... Level>
void threshold(In &in, Out &out, unsigned beats, const Descending (&descending)[Chunks][Lanes], const Level &...thresholds) {
  static_assert(sizeof...(Level) == Stages && Stages >= 1, "bhc::threshold: as many arrays as levels");
  static_assert(InKind <= 1, "bhc::threshold: no such kind of element");
  using threshold_type = integer<InBits + 2>;  // holds InBits + 1 bits of either signedness
  unsigned chunk = 0;
  for (unsigned i = 0; i < beats; i++) {
    BHC_PRAGMA(HLS pipeline II=1)
    element<InBits> x[Lanes];
    std::int32_t result[Lanes];
    BHC_PRAGMA(HLS array_partition variable=x complete)
    BHC_PRAGMA(HLS array_partition variable=result complete)
    unpack<InBits, InKind>(in.read(), x);
    for (unsigned lane = 0; lane < Lanes; lane++) {
      BHC_PRAGMA(HLS unroll)
      unsigned count = 0, s = 0;
      ((count = 2 * count + (x[lane] >= static_cast<threshold_type>(thresholds[(chunk << s) + count][lane])), s++), ...);
      if (AnyDescending && descending[chunk][lane]) count = (1u << Stages) - 1 - count;
      result[lane] = Base + static_cast<std::int32_t>(count);
    }
    out.write(pack<OutBits>(result));
    chunk = chunk == Chunks - 1 ? 0 : chunk + 1;
  }
}

}  // namespace bhc
