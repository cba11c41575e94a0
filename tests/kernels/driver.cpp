// Generic driver of one streaming module: plays beats into its sources, collects beats from its sinks, checks the protocol.
// usage: driver BEATS SEED STALL_SEED EXPECTED SLACK MAX_CYCLES
//   BEATS       one file a source, BEATS.<index>: one beat a line, hexadecimal
//   SEED        of the registers' and memories' initial values;   STALL_SEED 0: no stalls
//   EXPECTED    beats awaited at every sink; SLACK cycles more are run after the last of them, to catch surplus beats
// output: lines "in <source> <cycle>" and "out <sink> <cycle> <hex>"; exit 1 with a message when the protocol is broken.
// The unit that includes this file defines MODEL, SOURCES(X) (names of the sources) and SINKS (number of sinks).
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "verilated.h"

using Beat = std::vector<uint32_t>;  // least significant word first

template <typename Port>
void drive(Port& port, const Beat& beat) {
  uint64_t value = 0;
  for (size_t i = 0; i < beat.size() && i < 2; i++) value |= uint64_t{beat[i]} << (32 * i);
  port = static_cast<Port>(value);
}
template <std::size_t Words>
void drive(VlWide<Words>& port, const Beat& beat) {
  for (size_t i = 0; i < Words; i++) port[i] = i < beat.size() ? beat[i] : 0;
}
template <typename Port>
Beat sample(const Port& port) {
  return {static_cast<uint32_t>(port), static_cast<uint32_t>(uint64_t{port} >> 32)};
}
template <std::size_t Words>
Beat sample(const VlWide<Words>& port) {
  Beat beat(Words);
  for (size_t i = 0; i < Words; i++) beat[i] = port[i];
  return beat;
}

static Beat parse(const std::string& hex) {
  Beat beat;
  for (size_t end = hex.size(); end > 0;) {
    const size_t begin = end > 8 ? end - 8 : 0;
    beat.push_back(static_cast<uint32_t>(std::stoul(hex.substr(begin, end - begin), nullptr, 16)));
    end = begin;
  }
  return beat;
}

struct Random {  // xorshift64*
  uint64_t state;
  uint32_t next() {
    state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
    return static_cast<uint32_t>((state * 0x2545F4914F6CDD1DULL) >> 32);
  }
};

// Says every cycle whether a party is willing; in alternating phases of random length it is mostly idle, balanced or eager.
struct Will {
  Random random;
  bool always;
  uint32_t phase = 0, chance = 0;
  bool operator()() {
    if (always) return true;
    if (phase-- == 0) {
      static constexpr std::array<uint32_t, 4> chances = {2, 8, 14, 16};  // of 16
      phase = 4 + random.next() % 60;
      chance = chances[random.next() % chances.size()];
    }
    return random.next() % 16 < chance;
  }
};

[[noreturn]] static void fail(uint64_t cycle, const std::string& message) {
  std::printf("cycle %llu: %s\n", static_cast<unsigned long long>(cycle), message.c_str());
  std::exit(1);
}

int main(int argc, char** argv) {
  if (argc != 7) return 2;
  const std::string beats_path = argv[1];
  const uint64_t stall_seed = std::strtoull(argv[3], nullptr, 10);
  const uint64_t expected = std::strtoull(argv[4], nullptr, 10);
  const uint64_t slack = std::strtoull(argv[5], nullptr, 10);
  const uint64_t max_cycles = std::strtoull(argv[6], nullptr, 10);

  auto context = std::make_unique<VerilatedContext>();
  context->randReset(2);
  context->randSeed(std::atoi(argv[2]));
  auto top = std::make_unique<MODEL>(context.get());

#define X(source) std::string{#source},
  const std::vector<std::string> names = {SOURCES(X)};
#undef X
  const size_t sources = names.size();
  std::vector<std::vector<Beat>> beats(sources);
  for (size_t s = 0; s < sources; s++) {
    std::ifstream file(beats_path + "." + std::to_string(s));
    for (std::string line; std::getline(file, line);) beats[s].push_back(parse(line));
  }
  std::vector<Will> source_will, sink_will;
  for (size_t i = 0; i < sources + SINKS; i++) {
    auto& wills = i < sources ? source_will : sink_will;
    wills.push_back({{(stall_seed * 16 + i + 1) * 0x9E3779B97F4A7C15ULL}, stall_seed == 0});
  }

  std::vector<size_t> next(sources, 0);
  std::vector<uint8_t> offered(sources, 0);
  std::vector<uint64_t> received(SINKS, 0);
  uint64_t held = 0;  // sinks that were offered a beat and did not take it
  Beat held_beat;
  uint64_t done_at = 0;
  constexpr uint64_t kReset = 5;
  Random noise{0x9E3779B97F4A7C15ULL};

  for (uint64_t tick = 0;; tick++) {
    const bool reset = tick < kReset;
    const uint64_t cycle = tick - kReset;
    top->rst_ni = !reset;
    for (size_t s = 0; s < sources; s++) {
      if (!offered[s]) offered[s] = !reset && next[s] < beats[s].size() && source_will[s]();
    }
    // An idle source shows noise, so that a module cannot get away with using data without valid.
    size_t index = 0;
#define X(source)                                                                         \
  top->source##_valid_i = offered[index];                                                 \
  drive(top->source##_data_i, offered[index] ? beats[index][next[index]] : Beat{noise.next(), noise.next()}); \
  index++;
    SOURCES(X)
#undef X
    uint64_t ready = 0;
    for (size_t s = 0; s < SINKS; s++) ready |= uint64_t{!reset && sink_will[s]()} << s;
    top->out_ready_i = static_cast<std::decay_t<decltype(top->out_ready_i)>>(ready);
    top->clk_i = 0;
    top->eval();

    if (!reset) {
      index = 0;
#define X(source)                                                                           \
  if (offered[index] && top->source##_ready_o) {                                            \
    std::printf("in %zu %llu\n", index, static_cast<unsigned long long>(cycle));            \
    next[index]++;                                                                          \
    offered[index] = 0;                                                                     \
  }                                                                                         \
  index++;
      SOURCES(X)
#undef X
      const uint64_t valid = top->out_valid_o;
      const Beat beat = sample(top->out_data_o);
      if (held & ~valid) fail(cycle, "out_valid_o fell before the beat was taken");
      if (held && beat != held_beat) fail(cycle, "out_data_o changed before the beat was taken");
      for (size_t s = 0; s < SINKS; s++) {
        if (!((valid & ready) >> s & 1)) continue;
        std::printf("out %zu %llu ", s, static_cast<unsigned long long>(cycle));
        for (size_t i = beat.size(); i-- > 0;) std::printf("%08x", beat[i]);
        std::printf("\n");
        received[s]++;
      }
      held = valid & ~ready;
      held_beat = beat;
      bool all = true;
      for (uint64_t count : received) all &= count >= expected;
      if (all && done_at == 0) done_at = cycle + 1;
      if (done_at != 0 && cycle + 1 >= done_at + slack) break;
      if (cycle >= max_cycles) fail(cycle, "timeout");
    }
    top->clk_i = 1;
    top->eval();
  }
  top->final();
  return 0;
}
