// Matrix-vector unit for a sequence of columns, of which it adds only what changes.
//
// A column is Chunks beats of Lanes elements. Window j reads the columns s = j*Stride + k*D, k < Taps:
//   acc(j) = base + sum over k of w_k * (x(s) - zero) / unit          zero: the value that is zeros on the wire, -1 or 0
//   SignOut = 1: an output lane is (acc >= 0), OutBits = 1; unit is 2 if x is bipolar, else 1
//   SignOut = 0: it is the low OutBits bits of acc; unit is 1
// For each window: Nf beats of Pe outputs, m = nf*Pe + lane. Accumulators are of AccBits bits, wrap and are exact for ever.
// The columns before the first count as zeros on the wire. Columns = 0: the sequence never ends. Columns > 0: after so many
// columns everything begins anew; then the windows are those that lie within. `columns`: how many are taken, those that no
// window needs too; with Columns > 0, a multiple of it.
//
// Elements that differ from the column Stride before it are events: found one a cycle, and kept in order in the ring of the
// column's phase (s modulo D). All events of a window thus lie one behind another, and are read Events a cycle, from any place
// on, since each of the Events banks of the ring has an address of its own. An event knows its column, hence its tap.
// Windows that begin before the first column are computed too, and not given out.
//
// A beat with n changed elements takes max(1, n) cycles, a window of n events Nf * max(1, ceil(n / Events)), both at the same time,
// several columns apart. Neither waits for the other's stream.
//
// weights: for every element, tap and nf those of Pe outputs, at address tap * Words + (nf << ceil(log2 Chunks) | chunk) <<
// ceil(log2 Lanes) | lane, where Words is the greatest of what is added to tap * Words, and one. 1-bit ones: the chunks of a
// bits<Pe>, as uint64_t; else Pe true values.  base: [Nf][Pe] true values.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

namespace detail {

// Bits that count to `count`, and the least power of two that is not smaller.
constexpr unsigned log2_ceil(unsigned count) {
  unsigned bits = 0;
  while ((std::uint64_t{1} << bits) < count) bits++;
  return bits;
}
constexpr unsigned power_of_two(unsigned count) { return 1u << log2_ceil(count); }

// The place of the only one among the bits of a word.
inline unsigned place_of(std::uint64_t one) {
  return static_cast<unsigned>(((one & 0xffffffff00000000u) != 0) << 5 | ((one & 0xffff0000ffff0000u) != 0) << 4 |
                               ((one & 0xff00ff00ff00ff00u) != 0) << 3 | ((one & 0xf0f0f0f0f0f0f0f0u) != 0) << 2 |
                               ((one & 0xccccccccccccccccu) != 0) << 1 | ((one & 0xaaaaaaaaaaaaaaaau) != 0));
}

template <unsigned XBits, unsigned Lanes, unsigned Chunks, unsigned Taps, unsigned D, unsigned Stride, unsigned Columns,
          unsigned Nf, unsigned Events>
struct delta_shape {
  // ---- Windows, those that begin before the first column included.
  static constexpr unsigned Reach = (Taps - 1) * D;
  static constexpr unsigned Early = Reach / Stride;                // windows that begin before the first column
  static constexpr unsigned Before = Early * Stride;               // columns from the first such window to the first column
  static constexpr unsigned Head = Reach - Before;                 // last column of the first of them
  static constexpr unsigned Reading = Early + (D + Stride - 1) / Stride;  // those from here on follow a column of their phase
  static constexpr unsigned Windows = Columns > Reach ? Early + (Columns - 1 - Reach) / Stride + 1 : 0;  // of a history
  static constexpr unsigned Counted = Windows > Reading ? Windows : Reading;

  // ---- Room: for the columns of the next window while one is computed, for some more, so that a column that takes long to
  // compare holds nothing up, and for what is free.
  static constexpr unsigned Elements = Lanes * Chunks;
  static constexpr unsigned Spare = Elements <= 128 ? 4 : 0;
  static constexpr unsigned Least = Taps - 1 + (Stride + Spare + D) / D;
  static constexpr unsigned Capacity = power_of_two(Least * Elements > Events ? Least * Elements : Events);  // of a phase
  static constexpr unsigned Marks = power_of_two((Least + 1) * D);  // columns whose ends are kept
  static constexpr unsigned Keep = Capacity / Elements < Marks / D - 1 ? Capacity / Elements : Marks / D - 1;
  static constexpr unsigned Steps = Capacity / Events;  // words of a phase

  // ---- Weights.
  static constexpr unsigned ShiftLane = log2_ceil(Lanes), ShiftChunk = log2_ceil(Chunks);
  static constexpr unsigned Words = ((Nf - 1) << (ShiftChunk + ShiftLane)) + ((Chunks - 1) << ShiftLane) + Lanes;
  static constexpr unsigned TapMask = power_of_two(Taps) - 1;

  // ---- An element that has changed. The new bit says enough where there are two values.
  static constexpr unsigned ChangeBits = XBits > 1 ? XBits + 1 : 1;
  static constexpr unsigned PlaceBits = log2_ceil(Capacity) + 1;  // one more than addresses need
  struct event {
    word<ChangeBits> change;
    word<ShiftLane + ShiftChunk == 0 ? 1 : ShiftLane + ShiftChunk> element;
    word<Taps == 1 ? 1 : log2_ceil(Taps)> number;  // of the column in its phase
  };

  // Where a history stands.
  struct history {
    // The beat that comes next, and the column that is being compared.
    unsigned chunk = 0, taken = 0;    // columns are only counted if there is an end to them
    unsigned oldest = 0;              // of the past
    bool full = false;                // it has been written once: zero until then
    unsigned column = 0, phase = 0, number = 0;
    bool around = false;              // all phases have had a column
    word<PlaceBits> place = 0;        // of the next event
    int room = int(Keep * D - Before);  // columns that may be begun
    // The next window.
    int have = int(Stride - 1) - int(Head);  // columns that are complete, from its last one on, and Stride - 1
    unsigned window = 0;                     // its number, up to Counted
    unsigned head = Head;                    // its last column
    unsigned first_phase = (D * Before - Before) % D, first = 0u - (Before + D - 1) / D;  // phase and number of its first
  };
};

}  // namespace detail

template <unsigned XBits, unsigned XKind, unsigned WBits, unsigned WKind, unsigned Lanes, unsigned Chunks, unsigned Taps,
          unsigned D, unsigned Stride, unsigned Columns, unsigned Pe, unsigned Nf, unsigned Events, unsigned AccBits,
          unsigned SignOut, unsigned OutBits, class In, class Out, class Weight, class Base>
void delta(In &in, Out &out,
           const Weight (&weights)[Taps * detail::delta_shape<XBits, Lanes, Chunks, Taps, D, Stride, Columns, Nf, Events>::Words]
                                  [WBits == 1 ? bits<Pe>::N : Pe],
           const Base (&base)[Nf][Pe], unsigned columns) {
  using shape = detail::delta_shape<XBits, Lanes, Chunks, Taps, D, Stride, Columns, Nf, Events>;
  using event = typename shape::event;
  using lanes = bits<Lanes>;
  static_assert((XKind != 2 || XBits == 1) && (WKind != 2 || WBits == 1), "bhc::delta: no such kind of element");
  static_assert(XBits <= 32 && WBits <= 32 && AccBits <= 64, "bhc::delta: operands of at most 32 bits, sums of 64");
  static_assert((Events & (Events - 1)) == 0, "bhc::delta: the events of a cycle are a power of two");
  static_assert(Columns == 0 || shape::Windows != 0, "bhc::delta: no window in so few columns");
  static_assert(OutBits <= AccBits && (SignOut == 0 || OutBits == 1), "bhc::delta: no such output");
  static_assert(WBits != 1 || std::is_same_v<Weight, std::uint64_t>, "bhc::delta: one-bit weights come as chunks");
  // Sums modulo a power of two that is no less than 2^AccBits.
  using sum = std::conditional_t<(AccBits <= 32), std::uint32_t, std::uint64_t>;
  constexpr unsigned Shift = XKind == 2 && SignOut == 0 ? 1 : 0;
  constexpr unsigned History = Stride * Chunks;

  event ring[Events][D * shape::Steps];
  BHC_PRAGMA(HLS aggregate variable=ring)
  BHC_PRAGMA(HLS array_partition variable=ring complete dim=1)
  word<shape::PlaceBits> marks[shape::Marks], places[D];  // where columns, and the phases, end
  bits<Lanes * XBits> past[History];
  BHC_PRAGMA(HLS aggregate variable=past)
  signed_word<AccBits> kept[Nf][Pe], sums[Pe];  // between windows, and in the present turn
  BHC_PRAGMA(HLS array_partition variable=kept complete dim=2)
  // The turns of the Nf - 1 other sums come between; of a single one nothing is kept here.
  BHC_PRAGMA(HLS dependence variable=kept type=inter direction=RAW distance=2 dependent=true)
  BHC_PRAGMA(HLS array_partition variable=sums complete)

  typename shape::history h;
  unsigned left = columns;  // still to be taken
  // The beat whose changes are being found.
  bool busy = false;
  unsigned chunk = 0;
  lanes mask = lanes::zero(), newest = lanes::zero();
  element<XBits> newer[XBits == 1 ? 1 : Lanes], older[XBits == 1 ? 1 : Lanes];
  BHC_PRAGMA(HLS array_partition variable=newer complete)
  BHC_PRAGMA(HLS array_partition variable=older complete)
  // The window whose events are being added, and the one after it, which is made ready meanwhile.
  struct job {
    bool valid = false, fresh = false, emit = false;
    unsigned phase = 0, first = 0;
    unsigned from = 0, count = 0;  // its events
  } now, next;
  bool opens = true;  // a turn begins
  unsigned nf = 0, place = 0, remaining = 0;

  while (left != 0 || busy || now.valid || next.valid || (h.have >= int(Stride) && (Columns == 0 || h.window != shape::Windows))) {
    BHC_PRAGMA(HLS pipeline II=1)
    // ---- A word of events.
    const bool last = remaining <= Events, gives = now.valid && last && now.emit;
    const bool waits = gives && out.full();
    const bool adds = now.valid && !waits;
    const bool done = adds && last && nf == Nf - 1;
    if (adds) {
      sum part[Pe];
      integer<OutBits> result[Pe];
      BHC_PRAGMA(HLS array_partition variable=part complete)
      BHC_PRAGMA(HLS array_partition variable=result complete)
      for (unsigned pe = 0; pe < Pe; pe++) {
        BHC_PRAGMA(HLS unroll)
        part[pe] = 0;
      }
      for (unsigned bank = 0; bank < Events; bank++) {
        BHC_PRAGMA(HLS unroll)
        const unsigned ahead = (bank - place) % Events;  // which event of the word it holds
        if (ahead < remaining) {
          const event e = ring[bank][now.phase * shape::Steps + (place + ahead) / Events % shape::Steps];
          const unsigned tap = (e.number.to_uint() - now.first) & shape::TapMask;
          const unsigned address =
              tap * shape::Words + (nf << (shape::ShiftChunk + shape::ShiftLane)) + e.element.to_uint();
          const std::uint64_t stored = e.change.to_uint64();
          const sum change = static_cast<sum>(
              XBits == 1 ? (stored != 0 ? 1 : -1) : signed_word<shape::ChangeBits>(static_cast<std::int64_t>(stored)).to_int64());
          for (unsigned pe = 0; pe < Pe; pe++) {
            BHC_PRAGMA(HLS unroll)
            sum weight;
            if constexpr (WBits == 1) {
              weight = static_cast<sum>(value_of<1, WKind>(weights[address][pe / bits<Pe>::C] >> (pe % bits<Pe>::C)));
            } else {
              weight = static_cast<sum>(weights[address][pe]);
            }
            part[pe] += change * weight;
          }
        }
      }
      for (unsigned pe = 0; pe < Pe; pe++) {
        BHC_PRAGMA(HLS unroll)
        const std::int64_t older_sum = opens && Nf > 1 ? kept[nf][pe].to_int64() : sums[pe].to_int64();
        const sum before = static_cast<sum>(opens && now.fresh ? std::int64_t{base[nf][pe]} : older_sum);
        const signed_word<AccBits> after = static_cast<std::make_signed_t<sum>>(before + (part[pe] << Shift));
        sums[pe] = after;
        if (Nf > 1 && last) kept[nf][pe] = after;
        result[pe] = static_cast<integer<OutBits>>(SignOut ? after.to_int64() >= 0 : after.to_int64());
      }
      if (gives) out.write(pack<OutBits>(result));
      opens = last;
      place = last ? now.from : place + Events;
      remaining = last ? now.count : remaining - Events;
      if (last) nf = nf == Nf - 1 ? 0 : nf + 1;
      if (done) now.valid = false;
    }

    // ---- The next windows.
    const bool starts = next.valid && !now.valid;
    if (starts) {
      now = next;
      next.valid = false;
      place = now.from;
      remaining = now.count;
    }
    const bool readies = !next.valid && h.have >= int(Stride) && (Columns == 0 || h.window != shape::Windows);
    if (readies) {
      const unsigned end = marks[h.head % shape::Marks].to_uint();
      next.valid = true;
      next.fresh = h.window == 0;
      next.emit = h.window >= shape::Early;
      next.phase = h.first_phase;
      next.first = h.first;
      next.from = h.window >= shape::Reading ? marks[(h.head - Taps * D) % shape::Marks].to_uint() : 0;
      next.count = word<shape::PlaceBits>(end - next.from).to_uint();
      const bool wraps = h.first_phase + Stride % D >= D;
      h.first_phase += Stride % D - (wraps ? D : 0);
      h.first += Stride / D + (wraps ? 1 : 0);
      h.head += Stride;
      h.have -= int(Stride);
      if (h.window != shape::Counted) h.window++;
    }
    // ---- One change of the present beat; after its last, the next beat.
    const bool works = busy;
    bool found = false, more = false;
    if (busy) {
      event e;
      for (unsigned i = 0; i < lanes::N; i++) {
        BHC_PRAGMA(HLS unroll)
        const std::uint64_t all = mask.chunk[i].to_uint64(), one = all & (~all + 1);
        if (!found && all != 0) {
          const unsigned lane = i * lanes::C + detail::place_of(one);
          e.element = chunk << shape::ShiftLane | lane;
          if constexpr (XBits == 1) {
            e.change = (newest.chunk[i].to_uint64() & one) != 0 ? XKind != 1 : XKind == 1;
          } else {
            e.change = static_cast<std::uint64_t>(std::int64_t{newer[lane]} - older[lane]);
          }
          mask.chunk[i] = all ^ one;
          more |= all != one;
          found = true;
        } else {
          more |= all != 0;
        }
      }
      e.number = h.number;
      const unsigned to = h.place.to_uint();
      for (unsigned bank = 0; bank < Events; bank++) {
        BHC_PRAGMA(HLS unroll)
        if (found && bank == to % Events) ring[bank][h.phase * shape::Steps + to / Events % shape::Steps] = e;
      }
      if (found) h.place = to + 1;
      if (!more && chunk == Chunks - 1) {
        marks[h.column % shape::Marks] = h.place;
        places[h.phase] = h.place;
        if (h.phase == D - 1) {
          h.phase = 0;
          h.number++;
          h.around = true;
        } else {
          h.phase++;
        }
        if (D > 1) h.place = h.around ? places[h.phase].to_uint() : 0;
        h.column++;
        h.have++;
      }
      busy = more;
    }
    const bool wants = !more && left != 0 && (Columns == 0 || h.taken != Columns) && (h.chunk != 0 || h.room > 0);
    const bool takes = wants && !in.empty();
    if (takes) {
      const bits<Lanes * XBits> beat = in.read();
      const bits<Lanes * XBits> before = h.full ? past[h.oldest] : bits<Lanes * XBits>::zero();
      past[h.oldest] = beat;
      if (h.oldest == History - 1) h.full = true;
      h.oldest = h.oldest == History - 1 ? 0 : h.oldest + 1;
      if constexpr (XBits == 1) {
        for (unsigned i = 0; i < lanes::N; i++) {
          BHC_PRAGMA(HLS unroll)
          mask.chunk[i] = beat.chunk[i].to_uint64() ^ before.chunk[i].to_uint64();
        }
        newest = beat;
      } else {
        bool changed[Lanes];
        BHC_PRAGMA(HLS array_partition variable=changed complete)
        unpack<XBits, XKind>(beat, newer);
        unpack<XBits, XKind>(before, older);
        for (unsigned i = 0; i < Lanes; i++) {
          BHC_PRAGMA(HLS unroll)
          changed[i] = newer[i] != older[i];
        }
        mask = pack<1>(changed);
      }
      busy = true;
      chunk = h.chunk;
      if (h.chunk == 0) h.room--;
      if (h.chunk == Chunks - 1) {
        h.chunk = 0;
        left--;
        if (Columns != 0) h.taken++;
      } else {
        h.chunk++;
      }
    }

    if (done) h.room += int(Stride);

    // ---- The next history.
    if (Columns != 0 && h.taken == Columns && !busy && h.window == shape::Windows && !next.valid && !now.valid) {
      h = typename shape::history();
    }
    if (!adds && !starts && !readies && !works && !takes) {
      BHC_IDLE(host::writing(out, waits), host::reading(in, wants));
    }
  }
}

}  // namespace bhc
