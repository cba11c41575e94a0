// Each element keeps its value from row to row until it has moved by more than Threshold.
//
//   y(0) = x(0), y(t) = x(t) if |x(t) - y(t-1)| > Threshold, else y(t-1)     per element, t = 0 .. Rows-1; then anew
//
// A beat holds Lanes elements of a row, Chunks beats a row, Rows rows a window. Elements are of Bits bits, signed if Kind is 1,
// else unsigned; a bipolar element counts as the bit that it is, so that its two values differ by 1.
// One beat a cycle.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Bits, unsigned Kind, unsigned Lanes, unsigned Chunks, unsigned Rows, unsigned Threshold, class In, class Out>
void hold(In &in, Out &out, unsigned windows) {
  static_assert(Kind <= 1, "bhc::hold: no such kind of element");
  static_assert(Bits <= 32 && Threshold <= ones(Bits), "bhc::hold: no change of so few bits exceeds the threshold");
  using change_type = integer<Bits + 2>;

  bits<Lanes * Bits> held[Chunks];
  BHC_PRAGMA(HLS aggregate variable=held)
  for (unsigned window = 0; window < windows; window++) {
    for (unsigned row = 0; row < Rows; row++) {
      for (unsigned chunk = 0; chunk < Chunks; chunk++) {
        BHC_PRAGMA(HLS pipeline II=1)
        element<Bits> x[Lanes], before[Lanes];
        BHC_PRAGMA(HLS array_partition variable=x complete)
        BHC_PRAGMA(HLS array_partition variable=before complete)
        unpack<Bits, Kind>(in.read(), x);
        unpack<Bits, Kind>(held[chunk], before);
        for (unsigned i = 0; i < Lanes; i++) {
          BHC_PRAGMA(HLS unroll)
          const change_type change = static_cast<change_type>(x[i]) - static_cast<change_type>(before[i]);
          const change_type limit = static_cast<change_type>(Threshold);
          if (row > 0 && change <= limit && change >= -limit) x[i] = before[i];
        }
        const bits<Lanes * Bits> beat = pack<Bits>(x);
        held[chunk] = beat;
        out.write(beat);
      }
    }
  }
}

}  // namespace bhc
