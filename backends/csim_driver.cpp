// Runs bhc_top as a program: feeds windows, and records every beat of the streams that carry a value of the graph.
//
//   csim INPUT RECORDS WINDOWS NAME ...
//
// INPUT    file of beats of s_axis, little-endian, each of as many bytes as its data have
// RECORDS  existing directory; gets <i>.beats (beats in the format of INPUT) of the i-th stream that is named, and
//          summary.txt, which is written last
// WINDOWS  number of windows in INPUT
// NAME     a stream as bhc_top.cpp names it, "port:m_axis" for the output, or "-" for none (then <i>.beats is not written)
//
// summary.txt: "state finished|deadlock|last" (last: m_axis does not end its windows where they end), in a deadlock
// "wait <process> read|write <stream>" for everything that a process waits for, and "stream <name> <beats>" for each stream.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "bhc_axi.hpp"
#include "bhc_top.hpp"

namespace {

constexpr char kInput[] = "port:s_axis";
constexpr char kOutput[] = "port:m_axis";

[[noreturn]] void Fail(const std::string &message) {
  std::cerr << "csim: " << message << '\n';
  std::exit(EXIT_FAILURE);
}

std::vector<std::uint8_t> ReadFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) Fail("cannot read " + path);
  std::vector<std::uint8_t> content(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(reinterpret_cast<char *>(content.data()), static_cast<std::streamsize>(content.size()));
  if (!file) Fail("cannot read " + path);
  return content;
}

// True if the transfers are whole windows, and only the last one of each is marked.
template <unsigned W>
bool EndsWindows(bhc::axis_stream<W> &transfers, std::uint64_t windows) {
  const std::uint64_t count = transfers.written();
  if (windows == 0) return count == 0;
  const std::uint64_t beats = count / windows;
  bool right = count % windows == 0;
  for (std::uint64_t i = 0; i < count; i++) right &= transfers.read().last == ((i + 1) % beats == 0);
  return right;
}

template <unsigned In, unsigned Out>
void Simulate(void (*top)(bhc::axis_stream<In> &, bhc::axis_stream<Out> &, unsigned), const std::vector<std::uint8_t> &input,
              unsigned windows, std::ostream &summary) {
  const char *state = "finished";
  bhc::axis_stream<In> s_axis(kInput);
  bhc::axis_stream<Out> m_axis(kOutput);
  constexpr std::size_t kBytes = In / 8;
  for (std::size_t i = 0; i + kBytes <= input.size(); i += kBytes) {
    bhc::axis<In> transfer{};
    bhc::host::load(transfer.data, &input[i]);
    s_axis.write(transfer);
  }
  std::vector<bhc::deadlock::wait> waits;
  try {
    top(s_axis, m_axis, windows);
    if (!EndsWindows<Out>(m_axis, windows)) state = "last";
  } catch (const bhc::deadlock &found) {
    state = "deadlock";
    waits = found.waits;
  }
  summary << "state " << state << '\n';
  for (const auto &wait : waits) {
    summary << "wait " << wait.process << (wait.reading ? " read " : " write ") << wait.stream << '\n';
  }
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 4) Fail("usage: csim INPUT RECORDS WINDOWS NAME ...");
  const std::string records = argv[2];
  for (int i = 4; i < argc; i++) {
    if (std::strcmp(argv[i], "-") != 0) {
      bhc::host::record(argv[i], (records + "/" + std::to_string(i - 4) + ".beats").c_str());
    }
  }
  std::ofstream summary(records + "/summary.txt");
  Simulate(bhc_top, ReadFile(argv[1]), static_cast<unsigned>(std::strtoul(argv[3], nullptr, 10)), summary);
  for (const auto &[name, count] : bhc::host::counts()) summary << "stream " << name << ' ' << count.written << '\n';
  bhc::host::reset();
  if (!summary.flush()) Fail("cannot write " + records + "/summary.txt");
  return EXIT_SUCCESS;
}
