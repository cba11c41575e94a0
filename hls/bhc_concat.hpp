// Channel concatenation: for each pixel AChunks beats of a, then BChunks beats of b.
//
// Elements are widened to OutBits by value (kinds: 0 unsigned, 1 signed, 2 bipolar; two bipolar streams keep 1 bit).
// pixels: of all windows. One beat a cycle.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

namespace detail {

// The elements of a beat, OutBits wide.
template <unsigned OutBits, unsigned Bits, unsigned Kind, unsigned Lanes>
bits<Lanes * OutBits> widen(const bits<Lanes * Bits> &beat) {
  static_assert(OutBits >= Bits, "bhc: an element is never narrowed");
  if constexpr (OutBits == Bits) {
    return beat;
  } else {
    element<Bits> lane[Lanes];
    BHC_PRAGMA(HLS array_partition variable=lane complete)
    unpack<Bits, Kind>(beat, lane);
    return pack<OutBits>(lane);
  }
}

}  // namespace detail

template <unsigned Lanes, unsigned ABits, unsigned AKind, unsigned BBits, unsigned BKind, unsigned OutBits, unsigned AChunks,
          unsigned BChunks, class A, class B, class Out>
void concat(A &a, B &b, Out &out, unsigned pixels) {
  for (unsigned pixel = 0; pixel < pixels; pixel++) {
    for (unsigned chunk = 0; chunk < AChunks + BChunks; chunk++) {
      BHC_PRAGMA(HLS pipeline II=1)
      if (chunk < AChunks) {
        out.write(detail::widen<OutBits, ABits, AKind, Lanes>(a.read()));
      } else {
        out.write(detail::widen<OutBits, BBits, BKind, Lanes>(b.read()));
      }
    }
  }
}

}  // namespace bhc
