// Testbench of bhc_top, for C simulation and C/RTL cosimulation: runs the windows of vectors.hpp, the first alone and then the
// others together, and compares every transfer with what it has to be. Prints PASS, or FAIL and the first difference; the exit
// status is 0 only for PASS.
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

// Whether the windows from `first` on give what they have to.
bool run(unsigned first, unsigned windows) {
  bhc::axis_stream<input_width> s_axis("s_axis");
  bhc::axis_stream<output_width> m_axis("m_axis");
  for (unsigned i = 0; i < windows * vectors::input_beats; i++) {
    const bool last = (i + 1) % vectors::input_beats == 0;
    s_axis.write(bhc::axis_transfer<input_width>(load(vectors::input[first * vectors::input_beats + i]), last));
  }
  bhc_top(s_axis, m_axis, windows);
  for (unsigned i = 0; i < windows * vectors::output_beats; i++) {
    const unsigned window = first + i / vectors::output_beats, beat = i % vectors::output_beats;
    if (m_axis.empty()) {
      std::printf("FAIL: window %u ends before transfer %u\n", window, beat);
      return false;
    }
    const bhc::axis<output_width> transfer = m_axis.read();
    const auto &expected = vectors::output[first * vectors::output_beats + i];
    const bool last = beat + 1 == vectors::output_beats;
    std::uint8_t got[vectors::output_bytes];
    store(bhc::axis_data<output_width>(transfer), got);
    if (!equal(got, expected) || (transfer.last != 0) != last) {
      std::printf("FAIL: window %u, transfer %u:", window, beat);
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
  try {
    if (!run(0, 1) || !run(1, vectors::windows - 1)) return 1;
  } catch (const std::exception &error) {
    std::printf("FAIL: %s\n", error.what());
    return 1;
  }
  std::printf("PASS: %u windows\n", vectors::windows);
  return 0;
}
