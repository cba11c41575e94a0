// A beat of a stream, and its elements.
//
// bits<Width> holds Width bits in N = ceil(Width / 64) chunks of C = ceil(Width / N) bits: bit i is bit i % C of chunk i / C, and
// the spare bits of the last chunk are zero. No integer is wider than 64 bits: wide ones are slow outside the vendor's tool.
// Constant offsets in unrolled loops make every access wires; C never exceeds Width, so that a beat synthesizes to N * C bits,
// less than N more than Width.
//
// Elements lie in lanes, lane 0 lowest. Kinds: 0 unsigned, 1 two's complement, 2 bipolar (one bit: +1 is 1, -1 is 0).
#pragma once

#include <cstdint>
#include <type_traits>

#ifndef BHC_HOST
#include <ap_int.h>
#endif

// Directives of the synthesizer; a host compiler would warn of each.
#ifdef BHC_HOST
#define BHC_PRAGMA(directive)
#else
#define BHC_PRAGMA(directive) _Pragma(#directive)
#endif

namespace bhc {

// The narrowest native signed integer of at least Bits bits.
template <unsigned Bits>
using integer = std::conditional_t<
    (Bits <= 8), std::int8_t,
    std::conditional_t<(Bits <= 16), std::int16_t, std::conditional_t<(Bits <= 32), std::int32_t, std::int64_t>>>;

// Bits ones.
constexpr std::uint64_t ones(unsigned bits) { return bits == 0 ? 0 : ~std::uint64_t{0} >> (64 - bits); }

// word<Bits>, signed_word<Bits>: integers of 1 to 64 bits that wrap. They are stored; arithmetic is done in native ones.
#ifdef BHC_HOST

// Native: the open ap_int's default constructor reads what it leaves uninitialised.
template <unsigned Bits>
class word {
 public:
  static_assert(Bits >= 1 && Bits <= 64, "bhc::word: 1 to 64 bits");
  word() = default;
  word(std::uint64_t value) : value_(static_cast<native>(value & ones(Bits))) {}
  operator std::uint64_t() const { return value_; }
  std::uint64_t to_uint64() const { return value_; }
  unsigned to_uint() const { return static_cast<unsigned>(value_); }

 private:
  using native = std::make_unsigned_t<integer<Bits>>;
  native value_ = 0;
};

template <unsigned Bits>
class signed_word {
 public:
  static_assert(Bits >= 1 && Bits <= 64, "bhc::signed_word: 1 to 64 bits");
  signed_word() = default;
  signed_word(std::int64_t value)
      : value_(static_cast<integer<Bits>>(static_cast<native>(static_cast<std::uint64_t>(value) << Spare) >> Spare)) {}
  operator std::int64_t() const { return value_; }
  std::int64_t to_int64() const { return value_; }

 private:
  // No wider than it must be: the host's compiler computes several at once.
  using native = std::conditional_t<(Bits <= 32), std::int32_t, std::int64_t>;
  static constexpr unsigned Spare = 8 * sizeof(native) - Bits;
  integer<Bits> value_ = 0;
};

#else

template <unsigned Bits>
using word = ap_uint<static_cast<int>(Bits)>;
template <unsigned Bits>
using signed_word = ap_int<static_cast<int>(Bits)>;

#endif

template <unsigned Width>
struct bits {
  static_assert(Width >= 1, "bhc::bits: a beat has at least one bit");
  static constexpr unsigned N = (Width + 63) / 64;
  static constexpr unsigned C = (Width + N - 1) / N;
  static constexpr unsigned Rest = Width - (N - 1) * C;  // bits of the last chunk

  word<C> chunk[N];

  // Bits lo to lo + Len - 1.
  template <unsigned Len>
  word<Len> get(unsigned lo) const {
    static_assert(Len >= 1 && Len <= 64, "bhc::bits: a field has 1 to 64 bits");
    const unsigned first = lo / C, offset = lo % C;
    std::uint64_t value = chunk[first].to_uint64() >> offset;
    for (unsigned k = 1; k <= Straddled<Len>; k++) {
      BHC_PRAGMA(HLS unroll)
      const unsigned have = k * C - offset;
      if (have < Len) value |= chunk[first + k].to_uint64() << have;
    }
    return value & ones(Len);
  }

  // Replaces bits lo to lo + Len - 1.
  template <unsigned Len>
  void set(unsigned lo, std::uint64_t value) {
    static_assert(Len >= 1 && Len <= 64, "bhc::bits: a field has 1 to 64 bits");
    const unsigned first = lo / C, offset = lo % C;
    value &= ones(Len);
    chunk[first] = (chunk[first].to_uint64() & ~(ones(Len) << offset)) | value << offset;
    for (unsigned k = 1; k <= Straddled<Len>; k++) {
      BHC_PRAGMA(HLS unroll)
      const unsigned have = k * C - offset;
      if (have < Len && first + k < N) chunk[first + k] = (chunk[first + k].to_uint64() & ~(ones(Len) >> have)) | value >> have;
    }
  }

  // Bits lo to lo + Len - 1, Len of any size.
  template <unsigned Len>
  bits<Len> extract(unsigned lo) const {
    using part = bits<Len>;
    part found;
    for (unsigned i = 0; i + 1 < part::N; i++) {
      BHC_PRAGMA(HLS unroll)
      found.chunk[i] = get<part::C>(lo + i * part::C);
    }
    found.chunk[part::N - 1] = get<part::Rest>(lo + (part::N - 1) * part::C).to_uint64();
    return found;
  }

  // Replaces bits lo to lo + Len - 1, Len of any size.
  template <unsigned Len>
  void insert(unsigned lo, const bits<Len> &value) {
    using part = bits<Len>;
    for (unsigned i = 0; i + 1 < part::N; i++) {
      BHC_PRAGMA(HLS unroll)
      set<part::C>(lo + i * part::C, value.chunk[i].to_uint64());
    }
    set<part::Rest>(lo + (part::N - 1) * part::C, value.chunk[part::N - 1].to_uint64());
  }

  static bits zero() {
    bits value;
    for (unsigned i = 0; i < N; i++) {
      BHC_PRAGMA(HLS unroll)
      value.chunk[i] = 0;
    }
    return value;
  }

 private:
  // Chunks beyond the first that a field may reach into.
  template <unsigned Len>
  static constexpr unsigned Straddled = N == 1 ? 0 : (Len - 1 + C - 1) / C < N - 1 ? (Len - 1 + C - 1) / C : N - 1;
};

// The low bits of a beat, or a beat with zeros above.
template <unsigned To, unsigned From>
bits<To> resize(const bits<From> &value) {
  if constexpr (To == From) {
    return value;
  } else if constexpr (To < From) {
    return value.template extract<To>(0);
  } else {
    bits<To> wide = bits<To>::zero();
    wide.insert(0, value);
    return wide;
  }
}

// A native integer that holds the value of any element of Bits bits.
template <unsigned Bits>
using element = integer<Bits + 1>;

// The value of the element in the low bits of a word.
template <unsigned Bits, unsigned Kind>
element<Bits> value_of(std::uint64_t stored) {
  static_assert(Kind <= 2 && (Kind != 2 || Bits == 1), "bhc: no such kind of element");
  if constexpr (Kind == 1) {
    return static_cast<element<Bits>>(signed_word<Bits>(static_cast<std::int64_t>(stored)).to_int64());
  } else if constexpr (Kind == 2) {
    return static_cast<element<Bits>>(stored & 1 ? 1 : -1);
  } else {
    return static_cast<element<Bits>>(stored & ones(Bits));
  }
}

// The values of a beat's lanes.
template <unsigned Bits, unsigned Kind, unsigned Lanes, class T>
void unpack(const bits<Lanes * Bits> &beat, T (&lane)[Lanes]) {
  constexpr unsigned C = bits<Lanes * Bits>::C;
  if constexpr (C % Bits == 0) {
    for (unsigned k = 0; k < bits<Lanes * Bits>::N; k++) {
      BHC_PRAGMA(HLS unroll)
      const std::uint64_t chunk = beat.chunk[k].to_uint64();
      for (unsigned i = 0; i < C / Bits; i++) {
        BHC_PRAGMA(HLS unroll)
        if (k * (C / Bits) + i < Lanes) lane[k * (C / Bits) + i] = value_of<Bits, Kind>(chunk >> (i * Bits));
      }
    }
  } else {
    // Where the next element begins. The same as get(), without a division by C for each.
    unsigned k = 0, offset = 0;
    for (unsigned i = 0; i < Lanes; i++) {
      BHC_PRAGMA(HLS unroll)
      std::uint64_t element = beat.chunk[k].to_uint64() >> offset;
      if (offset + Bits > C) element |= beat.chunk[k + 1].to_uint64() << (C - offset);
      lane[i] = value_of<Bits, Kind>(element);
      offset += Bits;
      if (offset >= C) {
        offset -= C;
        k++;
      }
    }
  }
}

// A beat of lanes: the low Bits bits of each value.
template <unsigned Bits, unsigned Lanes, class T>
bits<Lanes * Bits> pack(const T (&lane)[Lanes]) {
  constexpr unsigned N = bits<Lanes * Bits>::N, C = bits<Lanes * Bits>::C;
  bits<Lanes * Bits> beat;
  std::uint64_t chunk = 0;
  unsigned k = 0, offset = 0;
  for (unsigned i = 0; i < Lanes; i++) {
    BHC_PRAGMA(HLS unroll)
    const std::uint64_t element = static_cast<std::uint64_t>(lane[i]) & ones(Bits);
    chunk |= element << offset;
    offset += Bits;
    if (offset >= C) {
      beat.chunk[k++] = chunk;
      offset -= C;
      chunk = offset == 0 ? 0 : element >> (Bits - offset);
    }
  }
  if (k < N) beat.chunk[k] = chunk;
  return beat;
}

// A beat whose lanes all have the same word.
template <unsigned Bits, unsigned Lanes>
bits<Lanes * Bits> repeat(std::uint64_t element) {
  bits<Lanes * Bits> beat = bits<Lanes * Bits>::zero();
  for (unsigned i = 0; i < Lanes; i++) {
    BHC_PRAGMA(HLS unroll)
    beat.template set<Bits>(i * Bits, element);
  }
  return beat;
}

}  // namespace bhc
