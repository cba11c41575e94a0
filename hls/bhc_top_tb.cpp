// Testbench of bhc_top, for C simulation and C/RTL cosimulation: calls it as vectors.hpp says, on one window and then on others,
// or on one recording and then on another, and compares every transfer with what it has to be. Prints PASS, or FAIL and the
// first difference; the exit status is 0 only for PASS.
#include <cstdint>
#include <cstdio>
#include <exception>

#include "bhc_top.hpp"
#include "vectors.hpp"

namespace {

constexpr unsigned input_width = 8 * vectors::input_bytes;
constexpr unsigned output_width = 8 * vectors::output_bytes;

template <unsigned Bytes>
bhc::bits<8 * Bytes> load(const std::uint8_t (&bytes)[Bytes]) {
  bhc::bits<8 * Bytes> data = bhc::bits<8 * Bytes>::zero();
  for (unsigned i = 0; i < Bytes; i++) data.template set<8>(8 * i, bytes[i]);
  return data;
}

template <unsigned Bytes>
void store(const bhc::bits<8 * Bytes> &data, std::uint8_t (&bytes)[Bytes]) {
  for (unsigned i = 0; i < Bytes; i++) bytes[i] = static_cast<std::uint8_t>(data.template get<8>(8 * i).to_uint64());
}

template <unsigned Bytes>
bool equal(const std::uint8_t (&a)[Bytes], const std::uint8_t (&b)[Bytes]) {
  for (unsigned i = 0; i < Bytes; i++) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

// As a hexadecimal number, so that lane 0 stands on the right.
template <unsigned Bytes>
void print(const char *what, const std::uint8_t (&bytes)[Bytes], bool last) {
  std::printf(" %s ", what);
  for (unsigned i = Bytes; i-- > 0;) std::printf("%02x", static_cast<unsigned>(bytes[i]));
  std::printf(last ? " with last" : " without last");
}

// Whether a call with so many windows or hops, from `first` on, gives the results from `result` on.
bool run(unsigned first, unsigned count, unsigned result, unsigned results) {
  bhc::axis_stream<input_width> s_axis("s_axis");
  bhc::axis_stream<output_width> m_axis("m_axis");
  for (unsigned i = 0; i < count * vectors::input_beats; i++) {
    const bool last = (i + 1) % vectors::input_beats == 0;
    s_axis.write(bhc::axis_transfer<input_width>(load(vectors::input[first * vectors::input_beats + i]), last));
  }
  bhc_top(s_axis, m_axis, count);
  for (unsigned i = 0; i < results * vectors::output_beats; i++) {
    const unsigned number = result + i / vectors::output_beats, beat = i % vectors::output_beats;
    if (m_axis.empty()) {
      std::printf("FAIL: result %u ends before transfer %u\n", number, beat);
      return false;
    }
    const bhc::axis<output_width> transfer = m_axis.read();
    const auto &expected = vectors::output[result * vectors::output_beats + i];
    const bool last = beat + 1 == vectors::output_beats;
    std::uint8_t got[vectors::output_bytes];
    store(bhc::axis_data<output_width>(transfer), got);
    if (!equal(got, expected) || (transfer.last != 0) != last) {
      std::printf("FAIL: result %u, transfer %u:", number, beat);
      print("expected", expected, last);
      print("got", got, transfer.last != 0);
      std::printf("\n");
      return false;
    }
  }
  if (!s_axis.empty() || !m_axis.empty()) {
    std::printf("FAIL: transfers are left in the %s\n", s_axis.empty() ? "output" : "input");
    return false;
  }
  return true;
}

}  // namespace

int main() {
  unsigned begun = 0, given = 0;
  try {
    for (unsigned call = 0; call < sizeof vectors::calls / sizeof *vectors::calls; call++) {
      if (!run(begun, vectors::calls[call], given, vectors::results[call])) return 1;
      begun += vectors::calls[call];
      given += vectors::results[call];
    }
  } catch (const std::exception &error) {
    std::printf("FAIL: %s\n", error.what());
    return 1;
  }
  std::printf("PASS: %u results\n", given);
  return 0;
}
