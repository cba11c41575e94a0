// Sums that slide along an endless sequence of rows: each new row is added, and the one that leaves is subtracted.
//
//   sum(row) = x(row) + x(row - D) + ... + x(row - (Rows-1)*D)      per channel
//
// An output for the row (Rows-1)*D and every Stride-th row after it. A beat holds Lanes channels of a row, Chunks beats a row;
// OutBits wide, in two's complement where x is signed or bipolar (Kind: 0 unsigned, 1 signed, 2 bipolar).
// One beat a cycle. `rows` counts the rows that are taken.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Bits, unsigned Kind, unsigned Lanes, unsigned Chunks, unsigned Rows, unsigned D, unsigned Stride,
          unsigned OutBits, class In, class Out>
void slide(In &in, Out &out, unsigned rows) {
  constexpr unsigned History = Rows * D * Chunks, Phases = D * Chunks;  // beats until one leaves, until sums come again
  static_assert(OutBits >= Bits && OutBits <= 64, "bhc::slide: no such sums");

  bits<Lanes * Bits> past[History];
  BHC_PRAGMA(HLS aggregate variable=past)
  signed_word<OutBits> sums[Phases][Lanes];
  BHC_PRAGMA(HLS array_partition variable=sums complete dim=2)
  unsigned oldest = 0, phase = 0, wait = (Rows - 1) * D;  // rows to go until one ends a sum
  bool full = false, summed = false;                      // beats of the past count as zero until they are written once
  for (unsigned row = 0; row < rows; row++) {
    for (unsigned chunk = 0; chunk < Chunks; chunk++) {
      BHC_PRAGMA(HLS pipeline II=1)
      const bits<Lanes * Bits> beat = in.read(), gone = past[oldest];
      past[oldest] = beat;
      element<Bits> enters[Lanes], leaves[Lanes];
      integer<OutBits> result[Lanes];
      BHC_PRAGMA(HLS array_partition variable=enters complete)
      BHC_PRAGMA(HLS array_partition variable=leaves complete)
      BHC_PRAGMA(HLS array_partition variable=result complete)
      unpack<Bits, Kind>(beat, enters);
      unpack<Bits, Kind>(gone, leaves);
      for (unsigned i = 0; i < Lanes; i++) {
        BHC_PRAGMA(HLS unroll)
        const std::int64_t before = summed ? sums[phase][i].to_int64() : 0;
        const signed_word<OutBits> sum = before + enters[i] - (full ? leaves[i] : 0);
        sums[phase][i] = sum;
        result[i] = static_cast<integer<OutBits>>(sum.to_int64());
      }
      if (wait == 0) out.write(pack<OutBits>(result));
      if (oldest == History - 1) full = true;
      if (phase == Phases - 1) summed = true;
      oldest = oldest == History - 1 ? 0 : oldest + 1;
      phase = phase == Phases - 1 ? 0 : phase + 1;
    }
    wait = wait == 0 ? Stride - 1 : wait - 1;
  }
}

}  // namespace bhc
