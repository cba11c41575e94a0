// Counts what a simulated design does: how often its counted signals are set, and how many bits of its registers change.
//
//   Activity activity(root);
//   for each run: activity.Begin() after reset, activity.Sample() in every settled cycle
//   activity.Write(path): a line for each stage, in order: a number for each Field, in order, summed over all runs
//
// A register has changed if it differs from the cycle before; what happens between two runs does not count.
//
// cosim_counters.inc and cosim_registers.inc say what is counted:
//   STAGES(count)
//   COUNT(stage, field, signal, gate, factor)   in a cycle in which the 1-bit `gate` is set: `factor` for every set bit of `signal`
//   REGISTER(stage, variable, lsb, width)       variable[lsb +: width] is a register; width 0: all of the variable
// Signals and variables are members of Verilator's root class, or of what it points to.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "Vbhc_top__Syms.h"

namespace bhc {

enum Field : unsigned { kBusy, kWeightReads, kUpdates, kEvents, kBufferReads, kBufferWrites, kToggles, kFields };

class Activity {
 public:
  explicit Activity(const Vbhc_top___024root& root) {
#define STAGES(count) totals_.resize(count);
#define COUNT(stage, field, signal, gate, factor) \
  AddCounter(stage, field, &root.signal, sizeof root.signal, &root.gate, factor);
#define REGISTER(stage, variable, lsb, width) AddRegister(stage, &root.variable, sizeof root.variable, lsb, width);
#include "cosim_counters.inc"
#include "cosim_registers.inc"
#undef STAGES
#undef COUNT
#undef REGISTER
  }

  void Begin() {
    for (Register& part : registers_) part.last = part.word.Load();
  }

  void Sample() {
    for (const Counter& counter : counters_) {
      if (*counter.gate & 1) totals_[counter.stage][counter.field] += counter.factor * Ones(counter.word.Load());
    }
    for (Register& part : registers_) {
      const std::uint64_t now = part.word.Load();
      totals_[part.stage][kToggles] += Ones((now ^ part.last) & part.mask);
      part.last = now;
    }
  }

  // False if the file cannot be written.
  bool Write(const std::string& path) const {
    std::ofstream file(path);
    for (const Totals& totals : totals_) {
      for (const std::uint64_t total : totals) file << total << ' ';
      file << '\n';
    }
    return static_cast<bool>(file.flush());
  }

 private:
  using Totals = std::array<std::uint64_t, kFields>;

  // At most 64 bits of a variable, in its own size of storage.
  struct Word {
    const char* data;
    unsigned bytes;

    std::uint64_t Load() const {
      switch (bytes) {
        case 1:
          return LoadAs<std::uint8_t>();
        case 2:
          return LoadAs<std::uint16_t>();
        case 4:
          return LoadAs<std::uint32_t>();
        default:
          return LoadAs<std::uint64_t>();
      }
    }

   private:
    template <typename T>
    T LoadAs() const {
      T value;
      std::memcpy(&value, data, sizeof value);
      return value;
    }
  };

  struct Counter {
    Word word;
    const CData* gate;
    std::uint64_t factor;
    unsigned stage;
    Field field;
  };

  struct Register {
    Word word;
    std::uint64_t mask;
    std::uint64_t last;
    unsigned stage;
  };

  static std::uint64_t Ones(std::uint64_t word) { return static_cast<std::uint64_t>(__builtin_popcountll(word)); }

  // The words of a variable, lowest first. Verilator's storage is 1, 2, 4, 8 or a multiple of 4 bytes.
  static std::vector<Word> Words(const void* variable, std::size_t bytes) {
    std::vector<Word> words;
    for (std::size_t at = 0; at < bytes; at += 8) {
      words.push_back({static_cast<const char*>(variable) + at, static_cast<unsigned>(bytes - at < 8 ? bytes - at : 8)});
    }
    return words;
  }

  void AddCounter(unsigned stage, Field field, const void* signal, std::size_t bytes, const CData* gate, std::uint64_t factor) {
    for (const Word& word : Words(signal, bytes)) counters_.push_back({word, gate, factor, stage, field});
  }

  void AddRegister(unsigned stage, const void* variable, std::size_t bytes, std::size_t lsb, std::size_t width) {
    const std::size_t end = width == 0 ? 8 * bytes : lsb + width;
    std::size_t first = 0;  // bit of the word
    for (const Word& word : Words(variable, bytes)) {
      std::uint64_t mask = 0;
      for (std::size_t bit = 0; bit < 64; ++bit) {
        if (first + bit >= lsb && first + bit < end) mask |= std::uint64_t{1} << bit;
      }
      if (mask != 0) registers_.push_back({word, mask, 0, stage});
      first += 64;
    }
  }

  std::vector<Totals> totals_;
  std::vector<Counter> counters_;
  std::vector<Register> registers_;
};

}  // namespace bhc
