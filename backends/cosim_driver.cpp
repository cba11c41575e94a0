// Drives a bhc_top that Verilator has turned into C++: feeds beats, takes results, and records every beat of every stream
// that carries a value of the graph.
//
//   simulator INPUT BYTES RECORDS RUNS WATCHDOG STALLS PAUSE VCD
//
// INPUT    file of input beats, little-endian
// BYTES    size of an input beat: that of s_axis_tdata
// RECORDS  existing directory; gets <i>.beats (beats in the format of INPUT) and <i>.cycles (two uint64 a window:
//          the cycles of its first and last beat; two of all ones before each run but the first) of stream i, and summary.txt, which is written last
// RUNS     file with a line for each run: the beats of INPUT that are its, and the beats that each stream must carry, "-" where
//          that is not known. Before each run the design is reset.
// WATCHDOG cycles without any beat moving, pauses apart, after which the design counts as stuck
// STALLS   seed of random pauses at both ends, or "-" for none. With pauses, each run begins after a reset in the midst of
//          noise.
// PAUSE    greatest length of a phase of pauses, in cycles
// VCD      file for waveforms (if the model was built with tracing), or "-"
//
// Cycle 0 is the first one after reset. A beat moves in a cycle in which valid and ready are high.
//
// summary.txt: "state finished|stuck|surplus|tlast" (tlast: m_axis_tlast is not on the last beat of a window), "cycles <n>", then a line for each stream:
// "stream <beats> <cycles waiting with valid and no ready> <with ready and no valid> <valid now> <ready now>".
//
// cosim_streams.inc names the streams: RECORDED(signal, width, beats a window) or WATCHED(signal, beats a window), and
// OUTPUT(signal, width, beats a window) for the one behind m_axis, whose data are recorded at that port. EXTERNAL(k, path): the
// words of a file, over and over, are the beats of w<k>_axis, from the first one after each reset, with pauses of their own.
//
// Built with BHC_ACTIVITY=1, it also counts what the design does from the first cycle of each run until its last beat has moved,
// into RECORDS/activity.txt; cosim_activity.hpp has the format.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "Vbhc_top.h"
#include "Vbhc_top___024root.h"
#include "verilated.h"
#if VM_TRACE
#include "verilated_vcd_c.h"
#endif
#if BHC_ACTIVITY
#include "cosim_activity.hpp"
#endif

// Verilator keeps signals of any width as little-endian machine words, so that on a little-endian host the first bytes
// of a signal are its low bits.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "beats are copied byte by byte");

namespace {

constexpr std::uint64_t kResetCycles = 4;
constexpr std::uint64_t kDrainCycles = 256;  // after the last beat, to see beats that should not exist
constexpr std::int64_t kUnknown = -1;

[[noreturn]] void Fail(const std::string& message) {
  std::cerr << "simulator: " << message << '\n';
  std::exit(EXIT_FAILURE);
}

// Random pauses: phases of any length up to `longest`, short ones as likely as long ones, in which one end never, seldom,
// often, mostly or always pauses. So single gaps come up as well as jams that fill every FIFO.
class Pauses {
 public:
  Pauses(std::uint64_t seed, std::uint64_t longest) : state_(seed) {
    while (octaves_ < 63 && (std::uint64_t{1} << octaves_) < longest) ++octaves_;
  }

  bool Paused() {
    if (left_ == 0) {
      left_ = 1 + Random() % (std::uint64_t{1} << Random() % (octaves_ + 1));
      constexpr std::uint64_t kOddsOf16[] = {0, 1, 8, 15, 16};
      odds_ = kOddsOf16[Random() % 5];
    }
    --left_;
    return Random() % 16 < odds_;
  }

 private:
  // splitmix64
  std::uint64_t Random() {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
  std::uint64_t octaves_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t odds_ = 0;
};

class Stream {
 public:
  // data is nullptr for a stream that is only watched.
  Stream(const CData* valid, const CData* ready, const void* data, unsigned width, std::uint64_t beats_per_window)
      : valid_(valid), ready_(ready), data_(data), bytes_((width + 7) / 8), beats_per_window_(beats_per_window) {}

  void Open(const std::string& stem) {
    if (data_ == nullptr) return;
    record_.open(stem + ".beats", std::ios::binary);
    if (!record_) Fail("cannot write " + stem + ".beats");
  }

  // The next run: `expected` beats, or kUnknown.
  void Begin(std::int64_t expected) {
    expected_ = expected;
    if (begun_) {
      if (cycles_.size() % 2 != 0) cycles_.pop_back();  // of a window that did not end
      cycles_.insert(cycles_.end(), 2, ~std::uint64_t{0});
    }
    begun_ = true;
    beats_ = beats_in_window_ = 0;
  }

  // Looks at one settled cycle; true if a beat moves.
  bool Sample(std::uint64_t cycle) {
    if (*valid_ & *ready_) {
      if (beats_in_window_ == 0) cycles_.push_back(cycle);
      if (++beats_in_window_ == beats_per_window_) {
        cycles_.push_back(cycle);
        beats_in_window_ = 0;
      }
      // A stage may begin a window before its input arrives (bhc_pad does); that is not compared.
      if (data_ != nullptr && beats_ < static_cast<std::uint64_t>(expected_)) {
        record_.write(static_cast<const char*>(data_), bytes_);
      }
      ++beats_;
      return true;
    }
    blocked_ += *valid_;
    starved_ += *ready_;
    return false;
  }

  bool complete() const { return expected_ == kUnknown || beats_ >= static_cast<std::uint64_t>(expected_); }
  // A stage may begin a window before its input arrives, but cannot end one.
  bool surplus() const {
    return expected_ != kUnknown && beats_ >= static_cast<std::uint64_t>(expected_) + beats_per_window_;
  }

  void Close(const std::string& stem, std::ostream& summary) {
    summary << "stream " << beats_ << ' ' << blocked_ << ' ' << starved_ << ' ' << int{*valid_} << ' ' << int{*ready_} << '\n';
    std::ofstream cycles(stem + ".cycles", std::ios::binary);
    cycles.write(reinterpret_cast<const char*>(cycles_.data()), static_cast<std::streamsize>(cycles_.size() * sizeof(cycles_[0])));
    if (!cycles.flush() || (data_ != nullptr && !record_.flush())) Fail("cannot write " + stem);
  }

 private:
  const CData* valid_;
  const CData* ready_;
  const void* data_;
  unsigned bytes_;
  std::uint64_t beats_per_window_;
  std::int64_t expected_ = 0;
  bool begun_ = false;
  std::uint64_t beats_ = 0;
  std::uint64_t beats_in_window_ = 0;
  std::uint64_t blocked_ = 0;
  std::uint64_t starved_ = 0;
  std::vector<std::uint64_t> cycles_;
  std::ofstream record_;
};

struct Streams {
  std::vector<Stream> all;
  std::uint64_t output_beats = 0;  // a window
};

Streams FindStreams(const Vbhc_top& top) {
  const Vbhc_top___024root& root = *top.rootp;
  Streams streams;
#define RECORDED(signal, width, beats)                                                           \
  streams.all.emplace_back(&root.bhc_top__DOT__##signal##_valid, &root.bhc_top__DOT__##signal##_ready, \
                           &root.bhc_top__DOT__##signal##_data, width, beats);
#define WATCHED(signal, beats) \
  streams.all.emplace_back(&root.bhc_top__DOT__##signal##_valid, &root.bhc_top__DOT__##signal##_ready, nullptr, 0, beats);
#define EXTERNAL(number, path)
#define OUTPUT(signal, width, beats)                                                             \
  streams.all.emplace_back(&root.bhc_top__DOT__##signal##_valid, &root.bhc_top__DOT__##signal##_ready, \
                           &top.m_axis_tdata, width, beats);                                     \
  streams.output_beats = beats;
#include "cosim_streams.inc"
#undef RECORDED
#undef WATCHED
#undef OUTPUT
#undef EXTERNAL
  return streams;
}

class Simulation {
 public:
  Simulation(const char* vcd_path) : top_(&context_) {
    // Whatever has no reset starts with random contents, so that a design that relies on zeros is found out.
    context_.randReset(2);
    context_.randSeed(1);
#if VM_TRACE
    if (std::strcmp(vcd_path, "-") != 0) {
      context_.traceEverOn(true);
      vcd_ = std::make_unique<VerilatedVcdC>();
      top_.trace(vcd_.get(), 99);
      vcd_->open(vcd_path);
      if (!vcd_->isOpen()) Fail(std::string("cannot write ") + vcd_path);
    }
#else
    if (std::strcmp(vcd_path, "-") != 0) Fail("built without tracing");
#endif
  }

  ~Simulation() {
    top_.final();
#if VM_TRACE
    if (vcd_) vcd_->close();
#endif
  }

  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  Vbhc_top& top() { return top_; }

  // First half of a cycle: outputs follow the inputs.
  void Settle() { Half(0); }
  // Second half: the rising edge.
  void Clock() { Half(1); }

 private:
  void Half(CData clock) {
    top_.clk_i = clock;
    top_.eval();
#if VM_TRACE
    if (vcd_) vcd_->dump(context_.time());
#endif
    context_.timeInc(1);
  }

  VerilatedContext context_;
  Vbhc_top top_;
#if VM_TRACE
  std::unique_ptr<VerilatedVcdC> vcd_;
#endif
};

#if BHC_ACTIVITY
using bhc::Activity;
#else
struct Activity {
  explicit Activity(const Vbhc_top___024root&) {}
  void Begin() {}
  void Sample() {}
  bool Write(const std::string&) const { return true; }
};
#endif

std::vector<char> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) Fail("cannot read " + path);
  std::vector<char> content(static_cast<std::size_t>(file.tellg()));
  file.seekg(0);
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (!file) Fail("cannot read " + path);
  return content;
}

// Words of 64 bits that come from outside, over and over.
class External {
 public:
  External(QData& data, CData& valid, const CData& ready, const std::string& path)
      : data_(data), valid_(valid), ready_(ready), content_(ReadFile(path)) {
    if (content_.empty() || content_.size() % sizeof(QData) != 0) Fail(path + " does not hold whole words");
  }

  void SetPauses(std::uint64_t seed, std::uint64_t longest) { pauses_ = std::make_unique<Pauses>(seed, longest); }

  void Reset() {
    next_ = 0;
    valid_ = 0;
  }

  // Before a cycle; true if there is no word although one could come.
  bool Offer() {
    const bool paused = pauses_ != nullptr && pauses_->Paused();
    if (!valid_ && !paused) {
      std::memcpy(&data_, &content_[next_], sizeof(QData));
      valid_ = 1;
    }
    taken_ = false;
    return !valid_;
  }

  // Looks at the settled cycle.
  void Sample() { taken_ = valid_ && ready_; }

  // After the cycle.
  void Advance() {
    if (!taken_) return;
    next_ = (next_ + sizeof(QData)) % content_.size();
    valid_ = 0;
    data_ = 0xDBDBDBDBDBDBDBDB;  // what is not valid must not matter
  }

 private:
  QData& data_;
  CData& valid_;
  const CData& ready_;
  std::vector<char> content_;
  std::unique_ptr<Pauses> pauses_;
  std::size_t next_ = 0;
  bool taken_ = false;
};

std::vector<External> FindExternals([[maybe_unused]] Vbhc_top& top) {
  std::vector<External> found;
#define RECORDED(signal, width, beats)
#define WATCHED(signal, beats)
#define OUTPUT(signal, width, beats)
#define EXTERNAL(number, path) \
  found.emplace_back(top.w##number##_axis_tdata, top.w##number##_axis_tvalid, top.w##number##_axis_tready, #path);
#include "cosim_streams.inc"
#undef RECORDED
#undef WATCHED
#undef OUTPUT
#undef EXTERNAL
  return found;
}

struct Run {
  std::size_t input_beats;
  std::vector<std::int64_t> expected;
};

std::vector<Run> ReadRuns(const std::string& path, std::size_t streams) {
  std::ifstream file(path);
  std::vector<Run> runs;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    Run run{};
    words >> run.input_beats;
    for (std::string word; words >> word;) run.expected.push_back(word == "-" ? kUnknown : std::stoll(word));
    if (run.expected.size() != streams) Fail(path + " does not fit the streams");
    runs.push_back(run);
  }
  if (!file.eof() || runs.empty()) Fail("cannot read " + path);
  return runs;
}

class Bench {
 public:
  Bench(Simulation& simulation, Streams& found, std::vector<External>& externals, Activity& activity,
        std::size_t beat_bytes, std::uint64_t watchdog)
      : simulation_(simulation),
        top_(simulation.top()),
        found_(found),
        externals_(externals),
        activity_(activity),
        beat_bytes_(beat_bytes),
        watchdog_(watchdog) {}

  std::uint64_t cycle() const { return cycle_; }

  void Reset() {
    top_.s_axis_tvalid = 0;
    top_.s_axis_tlast = 0;
    top_.m_axis_tready = 0;
    for (External& external : externals_) external.Reset();
    top_.rst_ni = 0;
    for (std::uint64_t i = 0; i < kResetCycles; ++i) {
      simulation_.Settle();
      simulation_.Clock();
    }
    top_.rst_ni = 1;
  }

  // Input that a reset must make forgotten.
  void Noise(Pauses& pauses, std::uint64_t cycles) {
    for (std::uint64_t i = 0; i < cycles; ++i) {
      if (!top_.s_axis_tvalid) {
        std::memset(&top_.s_axis_tdata, static_cast<int>(0x5B * i), beat_bytes_);
        top_.s_axis_tvalid = !pauses.Paused();
      }
      top_.m_axis_tready = !pauses.Paused();
      OfferWords();
      simulation_.Settle();
      const bool taken = top_.s_axis_tvalid && top_.s_axis_tready;
      ClockWords();
      if (taken) top_.s_axis_tvalid = 0;
    }
  }

  // Feeds a run's beats; returns how it ended.
  const char* Play(const char* input, const Run& run, Pauses* input_pauses, Pauses* output_pauses) {
    for (std::size_t i = 0; i < found_.all.size(); ++i) found_.all[i].Begin(run.expected[i]);
    const char* state = nullptr;
    std::size_t next_beat = 0;
    std::uint64_t idle = 0;  // cycles since a beat moved, not counting pauses
    std::uint64_t output_beat = 0;  // within its window
    bool complete = false;
    activity_.Begin();
    for (; state == nullptr; ++cycle_) {
      const bool input_paused = input_pauses != nullptr && input_pauses->Paused();
      const bool output_paused = output_pauses != nullptr && output_pauses->Paused();
      // Once valid, a beat stays until it is taken.
      if (!top_.s_axis_tvalid && next_beat < run.input_beats && !input_paused) {
        std::memcpy(&top_.s_axis_tdata, input + next_beat * beat_bytes_, beat_bytes_);
        top_.s_axis_tvalid = 1;
      }
      top_.m_axis_tready = !output_paused;
      const bool words_paused = OfferWords();
      simulation_.Settle();
      bool moved = false;
      for (Stream& stream : found_.all) moved |= stream.Sample(cycle_);
      if (!complete) activity_.Sample();
      const bool taken = top_.s_axis_tvalid && top_.s_axis_tready;
      if (top_.m_axis_tvalid && top_.m_axis_tready) {
        const bool last = ++output_beat == found_.output_beats;
        if (last) output_beat = 0;
        if (top_.m_axis_tlast != last) state = "tlast";
      }
      ClockWords();
      if (taken) {
        ++next_beat;
        top_.s_axis_tvalid = 0;
        std::memset(&top_.s_axis_tdata, 0xDB, beat_bytes_);  // what is not valid must not matter
      }
      if (moved) {
        idle = 0;
        complete = next_beat == run.input_beats;
        for (const Stream& stream : found_.all) {
          complete &= stream.complete();
          if (stream.surplus()) state = "surplus";
        }
      } else if (!input_paused && !output_paused && !words_paused && ++idle >= (complete ? kDrainCycles : watchdog_)) {
        state = complete ? "finished" : "stuck";
      }
    }
    return state;
  }

 private:
  // Before a cycle; true if weights pause.
  bool OfferWords() {
    bool paused = false;
    for (External& external : externals_) paused |= external.Offer();
    return paused;
  }

  // The end of a settled cycle.
  void ClockWords() {
    for (External& external : externals_) external.Sample();
    simulation_.Clock();
    for (External& external : externals_) external.Advance();
  }

  Simulation& simulation_;
  Vbhc_top& top_;
  Streams& found_;
  std::vector<External>& externals_;
  Activity& activity_;
  std::size_t beat_bytes_;
  std::uint64_t watchdog_;
  std::uint64_t cycle_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) Fail("usage: simulator INPUT BYTES RECORDS RUNS WATCHDOG STALLS PAUSE VCD");
  const std::vector<char> input = ReadFile(argv[1]);
  const std::size_t beat_bytes = std::strtoull(argv[2], nullptr, 10);
  const std::string records = argv[3];
  const std::uint64_t watchdog = std::strtoull(argv[5], nullptr, 10);
  const bool stalls = std::strcmp(argv[6], "-") != 0;
  const std::uint64_t seed = stalls ? std::strtoull(argv[6], nullptr, 10) : 0;
  const std::uint64_t longest = std::strtoull(argv[7], nullptr, 10);

  if (beat_bytes == 0 || beat_bytes > sizeof(Vbhc_top::s_axis_tdata)) Fail("BYTES is not the size of s_axis_tdata");

  Simulation simulation(argv[8]);
  Streams found = FindStreams(simulation.top());
  std::vector<Stream>& streams = found.all;
  for (std::size_t i = 0; i < streams.size(); ++i) streams[i].Open(records + "/" + std::to_string(i));

  Activity activity(*simulation.top().rootp);
  std::vector<External> externals = FindExternals(simulation.top());
  if (stalls) {
    for (std::size_t i = 0; i < externals.size(); ++i) externals[i].SetPauses(~(2 * seed + i), longest);
  }
  Bench bench(simulation, found, externals, activity, beat_bytes, watchdog);
  Pauses input_pauses(2 * seed, longest);
  Pauses output_pauses(2 * seed + 1, longest);
  const char* state = nullptr;
  std::size_t first_beat = 0;
  for (const Run& run : ReadRuns(argv[4], streams.size())) {
    if (input.size() / beat_bytes < first_beat + run.input_beats) Fail("INPUT is too short");
    bench.Reset();
    if (stalls) {
      bench.Noise(input_pauses, 4 * longest);
      bench.Reset();
    }
    state = bench.Play(&input[first_beat * beat_bytes], run, stalls ? &input_pauses : nullptr,
                       stalls ? &output_pauses : nullptr);
    first_beat += run.input_beats;
    if (std::strcmp(state, "finished") != 0) break;
  }

  if (!activity.Write(records + "/activity.txt")) Fail("cannot write " + records + "/activity.txt");
  std::ofstream summary(records + "/summary.txt");
  summary << "state " << state << "\ncycles " << bench.cycle() << '\n';
  for (std::size_t i = 0; i < streams.size(); ++i) streams[i].Close(records + "/" + std::to_string(i), summary);
  if (!summary.flush()) Fail("cannot write " + records + "/summary.txt");
  return EXIT_SUCCESS;
}
