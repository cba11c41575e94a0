// Fields of beats, beats as bytes, and the AXI4-Stream edge, against bits one by one. Silent if all is right.
#include <cstdio>
#include <cstdlib>

#include "bhc_axi.hpp"

#define CHECK(condition) \
  if (!(condition)) std::printf("%s: line %d\n", __PRETTY_FUNCTION__, __LINE__), std::exit(1)

template <unsigned Width>
bool bit(const bhc::bits<Width> &beat, unsigned i) {
  return beat.chunk[i / beat.C].to_uint64() >> (i % beat.C) & 1;
}

template <unsigned Width>
bhc::bits<Width> random_beat() {
  bhc::bits<Width> beat = bhc::bits<Width>::zero();
  for (unsigned i = 0; i < Width; i++) {
    beat.chunk[i / beat.C] = beat.chunk[i / beat.C].to_uint64() | (std::rand() & 1ull) << (i % beat.C);
  }
  return beat;
}

// A field of Len bits at any place, read and written.
template <unsigned Width, unsigned Len>
void field() {
  if constexpr (Len <= Width) {
    const bhc::bits<Width> beat = random_beat<Width>();
    const bhc::bits<Len> part = random_beat<Len>();
    for (unsigned lo = 0; lo + Len <= Width; lo++) {
      const bhc::bits<Len> found = beat.template extract<Len>(lo);
      bhc::bits<Width> changed = beat;
      changed.insert(lo, part);
      for (unsigned i = 0; i < Len; i++) CHECK(bit(found, i) == bit(beat, lo + i));
      for (unsigned i = 0; i < Width; i++) CHECK(bit(changed, i) == (i - lo < Len ? bit(part, i - lo) : bit(beat, i)));
      if constexpr (Len <= 64) CHECK(beat.template get<Len>(lo) == found.chunk[0]);
    }
    const bhc::bits<Width> low = bhc::resize<Width>(bhc::resize<Len>(beat));
    for (unsigned i = 0; i < Width; i++) CHECK(bit(low, i) == (i < Len && bit(beat, i)));
  }
}

template <unsigned Width>
void fields() {
  field<Width, 1>(), field<Width, 7>(), field<Width, 33>(), field<Width, 63>(), field<Width, 64>(), field<Width, 65>();
  field<Width, 129>(), field<Width, 312>();
  bhc::bits<Width> beat = random_beat<Width>(), copy;
  std::uint8_t bytes[(Width + 7) / 8];
  bhc::host::store(beat, bytes);
  bhc::host::load(copy, bytes);
  for (unsigned i = 0; i < Width; i++) {
    CHECK((bytes[i / 8] >> (i % 8) & 1) == bit(beat, i));
    CHECK(bit(copy, i) == bit(beat, i));
  }
}

template <unsigned Width>
void edge() {
  constexpr unsigned Beats = 3, Windows = 2, W = bhc::axis_width(Width);
  bhc::axis_stream<W> in("in"), out("out");
  bhc::stream<Width, 1> inside("inside");
  bhc::bits<W> sent[Beats * Windows];
  for (auto &data : sent) in.write(bhc::axis_transfer<W>(data = random_beat<W>(), false));
  BHC_RUN("from", bhc::from_axis<Width>(in, inside, Beats * Windows));
  BHC_RUN("to", bhc::to_axis<Width>(inside, out, Beats, Windows));
  BHC_WAIT();
  for (unsigned k = 0; k < Beats * Windows; k++) {
    const bhc::axis<W> transfer = out.read();
    CHECK(transfer.last == (k % Beats == Beats - 1));
    for (unsigned i = 0; i < W; i++) CHECK(bit(transfer.data, i) == (i < Width && bit(sent[k], i)));
  }
}

int main() {
  fields<1>(), fields<8>(), fields<64>(), fields<65>(), fields<70>(), fields<128>(), fields<129>(), fields<320>();
  fields<577>();
  edge<1>(), edge<8>(), edge<65>(), edge<124>();
  return 0;
}
