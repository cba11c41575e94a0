// Elementwise sum of two streams, OutBits wide in two's complement; the compiler proves that it does not overflow.
//
// Kinds: 0 unsigned, 1 signed, 2 bipolar. beats: of each stream. One beat a cycle.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Lanes, unsigned ABits, unsigned AKind, unsigned BBits, unsigned BKind, unsigned OutBits, class A, class B,
          class Out>
void add(A &a, B &b, Out &out, unsigned beats) {
  for (unsigned i = 0; i < beats; i++) {
    BHC_PRAGMA(HLS pipeline II=1)
    element<ABits> x[Lanes];
    element<BBits> y[Lanes];
    integer<OutBits> sum[Lanes];
    BHC_PRAGMA(HLS array_partition variable=x complete)
    BHC_PRAGMA(HLS array_partition variable=y complete)
    BHC_PRAGMA(HLS array_partition variable=sum complete)
    unpack<ABits, AKind>(a.read(), x);
    unpack<BBits, BKind>(b.read(), y);
    for (unsigned lane = 0; lane < Lanes; lane++) {
      BHC_PRAGMA(HLS unroll)
      sum[lane] = static_cast<integer<OutBits>>(std::int64_t{x[lane]} + y[lane]);
    }
    out.write(pack<OutBits>(sum));
  }
}

}  // namespace bhc
