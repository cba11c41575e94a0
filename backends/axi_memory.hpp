// A memory behind AXI3 slaves of 64 bits, for drivers of simulated designs; it also watches that masters keep to the rules.
//
//   Memory memory(bytes, size, base);       bytes: the contents, whose first has the address base
//   memory.Allow(address, size);            what masters may touch
//   Reader reader(memory, "m_axi", timing, random);      a slave's read half; Writer likewise its write half
//   each cycle: drive the design with slave.out(); let it settle; slave.Clock(what the design says) at the rising edge
//
// A rule that is broken ends the program with a message: a burst other than INCR of 8 bytes, longer than 16 words or across 4 KiB;
// an address outside of what is allowed; an address, a word or a last flag that changes before it is taken; WLAST in the wrong place.
//
// Timing: what a memory controller does to its masters, at random. latency: fewest cycles from an address to its first word, or from
// the last word to its answer; jitter: up to so many more. pause: in so many of 256 cycles a slave does not move, in phases.
// refresh: every so many cycles nothing moves for refresh_cycles. 0 for none.

#ifndef BHC_AXI_MEMORY_HPP
#define BHC_AXI_MEMORY_HPP

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace bhc {

[[noreturn]] inline void Fail(const std::string& message) {
  std::cerr << "simulator: " << message << '\n';
  std::exit(EXIT_FAILURE);
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  // splitmix64
  std::uint64_t Next() {
    state_ += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

struct Timing {
  unsigned latency = 0;
  unsigned jitter = 0;
  unsigned pause = 0;
  unsigned refresh = 0;
  unsigned refresh_cycles = 0;
};

class Memory {
 public:
  Memory(std::uint8_t* bytes, std::uint64_t size, std::uint64_t base) : bytes_(bytes), size_(size), base_(base) {}

  void Allow(std::uint64_t address, std::uint64_t size) {
    if (address < base_ || address + size > base_ + size_) Fail("a buffer outside of the memory");
    allowed_.push_back({address, address + size});
  }
  void Forbid() { allowed_.clear(); }

  void Check(const std::string& who, std::uint64_t address, std::uint64_t size) const {
    for (const auto& [begin, end] : allowed_) {
      if (address >= begin && address + size <= end) return;
    }
    Fail(who + ": address " + std::to_string(address) + " is in no buffer");
  }
  std::uint8_t* At(std::uint64_t address) { return bytes_ + (address - base_); }

 private:
  std::uint8_t* bytes_;
  std::uint64_t size_;
  std::uint64_t base_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> allowed_;
};

// What a master says of a burst.
struct Address {
  std::uint32_t addr = 0;
  unsigned len = 0;
  unsigned size = 0;
  unsigned burst = 0;

  bool operator==(const Address& other) const {
    return addr == other.addr && len == other.len && size == other.size && burst == other.burst;
  }
};

constexpr unsigned kOkay = 0;
constexpr unsigned kSlvErr = 2;

// What both halves of a slave have: rules of addresses, and when to move.
class Slave {
 public:
  Slave(Memory& memory, std::string name, const Timing& timing, Random& random)
      : memory_(memory), name_(std::move(name)), timing_(timing), random_(random) {}

  // The next so many words (or answers) are errors, after `after` good ones.
  void Break(std::uint64_t after) { good_ = after; }

 protected:
  void CheckBurst(const Address& a) const {
    const std::uint64_t bytes = 8u * (a.len + 1);
    if (a.size != 3 || a.burst != 1 || a.addr % 8 != 0) Fail(name_ + ": not a burst of 64-bit words");
    if (a.len > 15 || a.addr / 4096 != (a.addr + bytes - 1) / 4096) Fail(name_ + ": a burst across 4 KiB, or too long");
    memory_.Check(name_, a.addr, bytes);
  }
  // A payload that was offered and not taken must still be there.
  template <typename T>
  void CheckHeld(bool was_held, const T& before, bool valid, const T& now, const char* channel) const {
    if (was_held && (!valid || !(before == now))) Fail(name_ + ": " + channel + " changed before it was taken");
  }
  std::uint64_t Due() {
    return cycle_ + timing_.latency + (timing_.jitter != 0 ? random_.Next() % (timing_.jitter + 1) : 0);
  }
  bool Moves() {
    if (timing_.refresh != 0 && cycle_ % timing_.refresh < timing_.refresh_cycles) return false;
    return random_.Next() % 256 >= pause_;
  }
  void Tick() {
    ++cycle_;
    if (timing_.pause == 0 || phase_-- != 0) return;
    phase_ = static_cast<unsigned>(random_.Next() % 64);
    pause_ = random_.Next() % 2 != 0 ? timing_.pause : 0;
  }
  unsigned Response() {
    if (good_ == 0) return kSlvErr;
    if (good_ != kNever) --good_;
    return kOkay;
  }

  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  static constexpr std::size_t kBursts = 8;
  Memory& memory_;
  std::string name_;
  Timing timing_;
  Random& random_;
  std::uint64_t cycle_ = 0;

 private:
  std::uint64_t good_ = kNever;
  unsigned phase_ = 0;
  unsigned pause_ = 0;
};

class Reader : public Slave {
 public:
  struct Master {
    bool ar_valid = false;
    Address ar;
    bool r_ready = false;
  };
  struct Out {
    bool ar_ready = false;
    bool r_valid = false;
    std::uint64_t r_data = 0;
    unsigned r_resp = 0;
    bool r_last = false;
  };
  using Slave::Slave;

  const Out& out() const { return out_; }
  bool idle() const { return bursts_.empty() && !out_.r_valid; }

  // After so many words, none comes any more.
  void Hang(std::uint64_t after) { last_word_ = after; }

  void Clock(const Master& m) {
    CheckHeld(held_, before_, m.ar_valid, m.ar, "AR");
    held_ = m.ar_valid && !out_.ar_ready;
    before_ = m.ar;
    if (m.ar_valid && out_.ar_ready) {
      CheckBurst(m.ar);
      bursts_.push_back({m.ar, 0, Due()});
    }
    if (out_.r_valid && m.r_ready) {
      ++words_;
      out_.r_valid = false;
    }
    Tick();
    if (!out_.r_valid && !bursts_.empty() && bursts_.front().due <= cycle_ && words_ < last_word_ && Moves()) {
      Burst& burst = bursts_.front();
      std::memcpy(&out_.r_data, memory_.At(burst.address.addr + 8u * burst.done), 8);
      out_.r_resp = Response();
      out_.r_last = burst.done++ == burst.address.len;
      out_.r_valid = true;
      if (out_.r_last) bursts_.pop_front();
    } else if (!out_.r_valid) {
      out_.r_data = random_.Next();  // nobody may look
      out_.r_last = random_.Next() % 2 != 0;
      out_.r_resp = static_cast<unsigned>(random_.Next() % 4);
    }
    out_.ar_ready = bursts_.size() < kBursts && Moves();
  }

 private:
  struct Burst {
    Address address;
    unsigned done;
    std::uint64_t due;
  };
  Out out_;
  std::deque<Burst> bursts_;
  bool held_ = false;
  Address before_;
  std::uint64_t words_ = 0;
  std::uint64_t last_word_ = kNever;
};

class Writer : public Slave {
 public:
  struct Word {
    std::uint64_t data = 0;
    unsigned strobe = 0;
    bool last = false;

    bool operator==(const Word& other) const { return data == other.data && strobe == other.strobe && last == other.last; }
  };
  struct Master {
    bool aw_valid = false;
    Address aw;
    bool w_valid = false;
    Word w;
    bool b_ready = false;
  };
  struct Out {
    bool aw_ready = false;
    bool w_ready = false;
    bool b_valid = false;
    unsigned b_resp = 0;
  };
  using Slave::Slave;

  const Out& out() const { return out_; }
  bool idle() const { return bursts_.empty() && words_.empty() && answers_.empty() && !out_.b_valid; }

  void Clock(const Master& m) {
    CheckHeld(aw_held_, aw_before_, m.aw_valid, m.aw, "AW");
    aw_held_ = m.aw_valid && !out_.aw_ready;
    aw_before_ = m.aw;
    CheckHeld(w_held_, w_before_, m.w_valid, m.w, "W");
    w_held_ = m.w_valid && !out_.w_ready;
    w_before_ = m.w;
    if (m.aw_valid && out_.aw_ready) {
      CheckBurst(m.aw);
      bursts_.push_back({m.aw, 0});
    }
    if (m.w_valid && out_.w_ready) words_.push_back(m.w);
    while (!bursts_.empty() && !words_.empty()) Store();
    if (out_.b_valid && m.b_ready) out_.b_valid = false;
    Tick();
    if (!out_.b_valid && !answers_.empty() && answers_.front() <= cycle_ && Moves()) {
      answers_.pop_front();
      out_.b_valid = true;
      out_.b_resp = Response();
    } else if (!out_.b_valid) {
      out_.b_resp = static_cast<unsigned>(random_.Next() % 4);
    }
    out_.aw_ready = bursts_.size() + answers_.size() < kBursts && Moves();
    out_.w_ready = words_.size() < 16 * kBursts && Moves();
  }

 private:
  struct Burst {
    Address address;
    unsigned done;
  };
  void Store() {
    Burst& burst = bursts_.front();
    const Word word = words_.front();
    words_.pop_front();
    std::uint8_t* place = memory_.At(burst.address.addr + 8u * burst.done);
    for (unsigned i = 0; i < 8; ++i) {
      if (word.strobe >> i & 1u) place[i] = static_cast<std::uint8_t>(word.data >> 8 * i);
    }
    if (word.last != (burst.done++ == burst.address.len)) Fail(name_ + ": WLAST in the wrong place");
    if (word.last) {
      bursts_.pop_front();
      answers_.push_back(Due());
    }
  }

  Out out_;
  std::deque<Burst> bursts_;
  std::deque<Word> words_;
  std::deque<std::uint64_t> answers_;
  bool aw_held_ = false;
  bool w_held_ = false;
  Address aw_before_;
  Word w_before_;
};

}  // namespace bhc

#endif
