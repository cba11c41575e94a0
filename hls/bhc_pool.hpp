// Pooling with stride = kernel, no padding; rows and columns beyond the last whole kernel are dropped.
//
// Op 0: maximum (bipolar: OR), widened to OutBits by value. Op 1: sum, OutBits wide; the sum of bipolar elements is signed.
// In: h, w, chunk: H*W*Chunks beats a window, one a cycle; out: oh, ow, chunk: (H/KH)*(W/KW)*Chunks beats.
// rows: that are taken, H a window; those after the last whole kernel make nothing.
// Partial results: a word for each (ow, chunk), or chunk if KH = 1.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

namespace detail {

// The lanes of a kernel so far.
template <unsigned Bits, unsigned Kind, unsigned Lanes, unsigned Op, unsigned OutBits>
struct pooled {
  // The maximum of words that are unsigned or bipolar bits is their OR.
  static constexpr bool Or = Op == 0 && Kind != 1 && OutBits == 1;
  static constexpr unsigned ValueBits = (Op == 0 ? Bits : OutBits) + 1;  // with a sign
  std::conditional_t<Or, bits<Lanes>, signed_word<ValueBits>> lane[Or ? 1 : Lanes];

  // Adds a beat, the first of a kernel or not. Returns the kernel's result if it is the last.
  bits<Lanes * OutBits> take(const bits<Lanes * Bits> &beat, bool first) {
    if constexpr (Or) {
      for (unsigned i = 0; i < bits<Lanes>::N; i++) {
        BHC_PRAGMA(HLS unroll)
        const std::uint64_t before = first ? 0 : lane[0].chunk[i].to_uint64();
        lane[0].chunk[i] = before | beat.chunk[i].to_uint64();
      }
      return lane[0];
    } else {
      element<Bits> x[Lanes];
      integer<ValueBits> result[Lanes];
      BHC_PRAGMA(HLS array_partition variable=x complete)
      BHC_PRAGMA(HLS array_partition variable=result complete)
      unpack<Bits, Kind>(beat, x);
      for (unsigned i = 0; i < Lanes; i++) {
        BHC_PRAGMA(HLS unroll)
        const auto before = static_cast<integer<ValueBits>>(first ? 0 : lane[i].to_int64());
        if constexpr (Op == 1) {
          result[i] = static_cast<integer<ValueBits>>(before + x[i]);
        } else {
          result[i] = first || x[i] > before ? x[i] : before;
        }
        lane[i] = result[i];
      }
      return pack<OutBits>(result);
    }
  }
};

}  // namespace detail

template <unsigned Bits, unsigned Kind, unsigned Lanes, unsigned Chunks, unsigned H, unsigned W, unsigned KH, unsigned KW,
          unsigned Op, unsigned OutBits, class In, class Out>
void pool(In &in, Out &out, unsigned rows) {
  constexpr unsigned OH = H / KH, OW = W / KW;
  static_assert(OH >= 1 && OW >= 1, "bhc::pool: the kernel is larger than the image");
  static_assert(Op <= 1, "bhc::pool: no such operation");
  static_assert(OutBits >= Bits, "bhc::pool: an element is never narrowed");

  detail::pooled<Bits, Kind, Lanes, Op, OutBits> partial[KH == 1 ? 1 : OW][Chunks];
  BHC_PRAGMA(HLS aggregate variable=partial)
  unsigned h = 0, kh = 0, kw = 0, ow = 0;
  for (unsigned row = 0; row < rows; row++) {
    for (unsigned w = 0; w < W; w++) {
      for (unsigned chunk = 0; chunk < Chunks; chunk++) {
        BHC_PRAGMA(HLS pipeline II=1)
        const bits<Lanes * Bits> beat = in.read();
        const bool kernel_end = kw == KW - 1, row_end = w == W - 1, image_end = h == H - 1;
        if (h < OH * KH && w < OW * KW) {
          const bits<Lanes * OutBits> result = partial[KH == 1 ? 0 : ow][chunk].take(beat, kh == 0 && kw == 0);
          if (kh == KH - 1 && kernel_end) out.write(result);
        }
        if (chunk == Chunks - 1) {
          kw = kernel_end || row_end ? 0 : kw + 1;
          if (row_end) {
            ow = 0;
            kh = kh == KH - 1 || image_end ? 0 : kh + 1;
            h = image_end ? 0 : h + 1;
          } else if (kernel_end) {
            ow++;
          }
        }
      }
    }
  }
}

}  // namespace bhc
