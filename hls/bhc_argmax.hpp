// Index of the largest of Chunks*Lanes elements; the first of equal ones wins. One output beat a window, one input beat a cycle.
//
// Kinds: 0 unsigned, 1 signed, 2 bipolar. OutBits >= ceil(log2(Chunks*Lanes)).
// The lanes of a beat are compared one after another in one cycle: meant for few lanes.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Bits, unsigned Kind, unsigned Lanes, unsigned Chunks, unsigned OutBits, class In, class Out>
void argmax(In &in, Out &out, unsigned windows) {
  static_assert(OutBits >= 1 && OutBits <= 32 && Chunks * Lanes - 1 <= ones(OutBits), "bhc::argmax: OutBits hold no index");
  element<Bits> best = 0;
  std::uint32_t index = 0;
  for (unsigned window = 0; window < windows; window++) {
    for (unsigned chunk = 0; chunk < Chunks; chunk++) {
      BHC_PRAGMA(HLS pipeline II=1)
      element<Bits> lane[Lanes];
      BHC_PRAGMA(HLS array_partition variable=lane complete)
      unpack<Bits, Kind>(in.read(), lane);
      for (unsigned i = 0; i < Lanes; i++) {
        BHC_PRAGMA(HLS unroll)
        if ((chunk == 0 && i == 0) || lane[i] > best) {
          best = lane[i];
          index = chunk * Lanes + i;
        }
      }
      if (chunk == Chunks - 1) {
        bits<OutBits> beat = bits<OutBits>::zero();
        beat.template set<OutBits>(0, index);
        out.write(beat);
      }
    }
  }
}

}  // namespace bhc
