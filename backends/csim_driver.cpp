// Runs bhc_top as a program: feeds windows or hops, and records every beat of the streams that carry a value of the graph.
//
//   csim INPUT RECORDS RUNS NAME ...
//
// INPUT    file of beats of s_axis, little-endian, each of as many bytes as its data have
// RECORDS  existing directory; gets <i>.beats (beats in the format of INPUT) of the i-th stream that is named, last.bin (a
//          byte for each transfer of m_axis: its last), and summary.txt, which is written last
// RUNS     windows or hops of every call of bhc_top, "N,N,..."; each has its share of INPUT
// NAME     a stream as bhc_top.cpp names it, "port:m_axis" for the output, or "-" for none (then <i>.beats is not written)
//
// summary.txt: "state finished|deadlock", in a deadlock "wait <process> read|write <stream>" for everything that a process waits
// for, and "stream <name> <beats written> <beats read>" for each stream, over all calls.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <numeric>
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

std::vector<unsigned> ParseRuns(const char *text) {
  std::vector<unsigned> runs;
  for (const char *at = text;; at++) {
    char *end = nullptr;
    runs.push_back(static_cast<unsigned>(std::strtoul(at, &end, 10)));
    at = end;
    if (*at != ',') return runs;
  }
}

// One call of bhc_top on transfers of which `input` holds the data, `size` bytes.
template <unsigned In, unsigned Out>
void Call(void (*top)(bhc::axis_stream<In> &, bhc::axis_stream<Out> &, unsigned), const std::uint8_t *input, std::size_t size,
          unsigned run, std::ostream &last) {
  bhc::axis_stream<In> s_axis(kInput);
  bhc::axis_stream<Out> m_axis(kOutput);
  for (std::size_t i = 0; i < size; i += In / 8) {
    bhc::axis<In> transfer{};
    bhc::host::load(transfer.data, &input[i]);
    s_axis.write(transfer);
  }
  top(s_axis, m_axis, run);
  while (!m_axis.empty()) last.put(m_axis.read().last ? 1 : 0);
}

template <unsigned In, unsigned Out>
void Simulate(void (*top)(bhc::axis_stream<In> &, bhc::axis_stream<Out> &, unsigned), const std::vector<std::uint8_t> &input,
              const std::vector<unsigned> &runs, std::ostream &last, std::ostream &summary) {
  const std::uint64_t transfers = input.size() / (In / 8);
  const std::uint64_t units = std::accumulate(runs.begin(), runs.end(), std::uint64_t{0});
  std::uint64_t begun = 0;
  try {
    for (const unsigned run : runs) {
      const std::uint64_t begin = units == 0 ? 0 : transfers * begun / units;
      begun += run;
      const std::uint64_t end = units == 0 ? 0 : transfers * begun / units;
      Call(top, input.data() + begin * (In / 8), (end - begin) * (In / 8), run, last);
    }
    summary << "state finished\n";
  } catch (const bhc::deadlock &found) {
    summary << "state deadlock\n";
    for (const auto &wait : found.waits) {
      summary << "wait " << wait.process << (wait.reading ? " read " : " write ") << wait.stream << '\n';
    }
  }
}

}  // namespace

int main(int argc, char **argv) {
  if (argc < 4) Fail("usage: csim INPUT RECORDS RUNS NAME ...");
  const std::string records = argv[2];
  for (int i = 4; i < argc; i++) {
    if (std::strcmp(argv[i], "-") != 0) {
      bhc::host::record(argv[i], (records + "/" + std::to_string(i - 4) + ".beats").c_str());
    }
  }
  std::ofstream last(records + "/last.bin", std::ios::binary), summary(records + "/summary.txt");
  Simulate(bhc_top, ReadFile(argv[1]), ParseRuns(argv[3]), last, summary);
  for (const auto &[name, count] : bhc::host::counts()) {
    summary << "stream " << name << ' ' << count.written << ' ' << count.read << '\n';
  }
  bhc::host::reset();
  if (!last.flush() || !summary.flush()) Fail("cannot write to " + records);
  return EXIT_SUCCESS;
}
