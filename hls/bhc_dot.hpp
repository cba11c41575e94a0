// Raw dot products of Simd elements: sum over bit planes (i of w, j of x) of 2^(i+j) * popcount(plane op).
//
// Plane op: XNOR for bipolar weights, AND otherwise; planes of negative weight (the sign plane of a signed x, xor that of a signed
// w) are counted inverted, so that raw is a non-negative integer; the constant which this adds is the compiler's to fold into a
// bias. dot<...>::operand is x, prepared once for all rows of weights.
//
// One bit a weight: the planes are counted as such. A row of weights is the chunks of a bits<Simd>, as uint64_t.
// More: the same integer as a sum of products plus a constant. A row of weights is Simd true values.
#pragma once

#include "bhc_bits.hpp"

namespace bhc {

// Number of ones; adders of growing width, or the instruction that a processor has for it.
inline unsigned popcount(std::uint64_t word) {
#ifdef __POPCNT__
  return static_cast<unsigned>(__builtin_popcountll(word));
#else
  word -= word >> 1 & 0x5555555555555555u;
  word = (word & 0x3333333333333333u) + (word >> 2 & 0x3333333333333333u);
  word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fu;
  word += word >> 8;
  word += word >> 16;
  word += word >> 32;
  return static_cast<unsigned>(word & 0x7f);
#endif
}

// Bits 0, Step, 2*Step ... of a word, Count of them, side by side.
template <unsigned Step, unsigned Count, unsigned Width = 1>
std::uint64_t every(std::uint64_t word) {
#ifdef BHC_HOST
  // Runs of Width bits, Width * Step apart, become half as many runs of twice that.
  constexpr auto runs = [] {
    std::uint64_t mask = 0;
    for (unsigned i = 0; i < Count; i++) mask |= std::uint64_t{1} << (i / Width * Width * Step + i % Width);
    return mask;
  };
  word &= runs();
  if constexpr (Width < Count) {
    return every<Step, Count, 2 * Width>(word | word >> (Width * (Step - 1)));
  } else {
    return word;
  }
#else
  // Wires.
  std::uint64_t found = 0;
  for (unsigned i = 0; i < Count; i++) {
    BHC_PRAGMA(HLS unroll)
    found |= (word >> (i * Step) & 1) << i;
  }
  return found;
#endif
}

template <unsigned XBits, unsigned XKind, unsigned WBits, unsigned WKind, unsigned Simd>
struct dot {
  static_assert((XKind != 2 || XBits == 1) && (WKind != 2 || WBits == 1), "bhc::dot: no such kind of element");
  static_assert(XBits <= 32 && WBits <= 32, "bhc::dot: operands of at most 32 bits");
  static constexpr bool Planes = WBits == 1;
  static constexpr unsigned Row = Planes ? bits<Simd>::N : Simd;
  // An upper bound of raw, for the width of its sums.
  static constexpr bool Narrow = double(Simd) * double(ones(XBits)) * double(ones(WBits)) < double(1u << 31);
  using sum = std::conditional_t<Narrow, std::int32_t, std::int64_t>;

  struct operand {
    std::uint64_t plane[Planes ? XBits : 1][Planes ? Row : 1];
    integer<XBits + 1> value[Planes ? 1 : Simd];
  };

  static operand prepare(const bits<Simd * XBits> &beat) {
    operand x;
    if constexpr (!Planes) {
      unpack<XBits, XKind == 1 ? 1 : 0>(beat, x.value);
    } else if constexpr (XBits == 1) {
      for (unsigned i = 0; i < Row; i++) {
        BHC_PRAGMA(HLS unroll)
        x.plane[0][i] = beat.chunk[i].to_uint64();
      }
    } else {
      constexpr unsigned C = bits<Simd * XBits>::C;
      constexpr unsigned Piece = C % XBits == 0 ? C / XBits : 1;  // elements that a chunk surely has whole
      for (unsigned j = 0; j < XBits; j++) {
        BHC_PRAGMA(HLS unroll)
        bits<Simd> plane = bits<Simd>::zero();
        for (unsigned s = 0; s < Simd; s += Piece) {
          BHC_PRAGMA(HLS unroll)
          if constexpr (Piece > 1) {
            const std::uint64_t piece = every<XBits, Piece>(beat.chunk[s / Piece].to_uint64() >> j);
            if (s + Piece <= Simd) {
              plane.template set<Piece>(s, piece);
            } else {
              plane.template set<(Simd - 1) % Piece + 1>(s, piece);
            }
          } else {
            plane.template set<1>(s, beat.template get<1>(s * XBits + j).to_uint64());
          }
        }
        for (unsigned i = 0; i < Row; i++) {
          BHC_PRAGMA(HLS unroll)
          x.plane[j][i] = plane.chunk[i].to_uint64();
        }
      }
    }
    return x;
  }

  template <class Weight>
  static sum raw(const operand &x, const Weight (&row)[Row]) {
    if constexpr (Planes) {
      static_assert(std::is_same_v<Weight, std::uint64_t>, "bhc::dot: one-bit weights come as chunks");
      sum total = 0;
      for (unsigned j = 0; j < XBits; j++) {
        BHC_PRAGMA(HLS unroll)
        unsigned count = 0;
        for (unsigned i = 0; i < Row; i++) {
          BHC_PRAGMA(HLS unroll)
          count += popcount(WKind == 2 ? x.plane[j][i] ^ row[i] : x.plane[j][i] & row[i]);
        }
        const bool negative = (XKind == 1 && j == XBits - 1) != (WKind == 1);
        // XNOR counts what XOR does not.
        if (negative != (WKind == 2)) count = Simd - count;
        total += static_cast<sum>(count) << j;
      }
      return total;
    } else {
      sum total = Inverted;
      for (unsigned s = 0; s < Simd; s++) {
        BHC_PRAGMA(HLS unroll)
        total += static_cast<sum>(x.value[s]) * row[s];
      }
      return total;
    }
  }

 private:
  // What planes of negative weight add by being inverted.
  static constexpr std::uint64_t SignX = XKind == 1 ? std::uint64_t{1} << (XBits - 1) : 0;
  static constexpr std::uint64_t SignW = WKind == 1 ? std::uint64_t{1} << (WBits - 1) : 0;
  static constexpr sum Inverted =
      static_cast<sum>(Simd * (SignX * (ones(WBits) - SignW) + SignW * (ones(XBits) - SignX)));
};

}  // namespace bhc
