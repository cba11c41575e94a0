// Dataflow on the host: processes that take turns on one thread, and bounded FIFOs between them.
//
// A process runs until it reads an empty channel or writes a full one; then another that can run does. So the order in which
// processes run never changes what they compute, and a design whose FIFOs are too shallow stops as the hardware would: run()
// then throws bhc::deadlock, which names who waits for what.
//
//   start(name, body)     adds a process
//   run()                 runs all processes to their ends. Throws deadlock, or what a process threw.
//   record(name, path)    from now on, beats written to streams of that name go to that file as well: ceil(Width / 8) bytes a
//                         beat, little-endian, the spare bits zero. The file is complete when the stream is destroyed.
//   counts()              beats written to and read from each stream destroyed so far, by name (summed over equal names)
//   reset()               forgets recordings and counts
//   load, store           a beat from and to such bytes
//
// A process that waits for ever is dropped without unwinding its stack: kernels own nothing. Processes are entered by ucontext and
// switched by GCC's built-in setjmp and longjmp, which save three registers and make no call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/mman.h>
#include <ucontext.h>

#include "bhc_bits.hpp"

// Address space of a process's stack; pages are taken as they are touched. A window's row buffer lies there.
#ifndef BHC_STACK_BYTES
#define BHC_STACK_BYTES (std::size_t{16} << 20)
#endif

namespace bhc {

// No process can move. what() has a line for each wait.
struct deadlock : std::runtime_error {
  struct wait {
    std::string process, stream;
    bool reading;  // else writing
  };
  std::vector<wait> waits;

  explicit deadlock(std::vector<wait> all) : std::runtime_error(describe(all)), waits(std::move(all)) {}

 private:
  static std::string describe(const std::vector<wait> &all) {
    std::string text = "deadlock";
    for (const wait &w : all) {
      text += "\n  " + w.process + (w.reading ? " waits to read from " : " waits to write to ") + w.stream;
    }
    return text;
  }
};

namespace host {

// ---- Beats as bytes

template <unsigned Width>
void load(bits<Width> &beat, const std::uint8_t *bytes) {
  beat = bits<Width>::zero();
  for (unsigned i = 0; i + 8 <= Width; i += 8) beat.template set<8>(i, bytes[i / 8]);
  if constexpr (Width % 8 != 0) beat.template set<Width % 8>(Width / 8 * 8, bytes[Width / 8]);
}

template <unsigned Width>
void store(const bits<Width> &beat, std::uint8_t *bytes) {
  if constexpr (bits<Width>::N == 1) {
    const std::uint64_t word = beat.chunk[0].to_uint64();
    for (unsigned i = 0; i < (Width + 7) / 8; i++) bytes[i] = static_cast<std::uint8_t>(word >> (8 * i));
  } else {
    for (unsigned i = 0; i + 8 <= Width; i += 8) {
      bytes[i / 8] = static_cast<std::uint8_t>(beat.template get<8>(i).to_uint64());
    }
    if constexpr (Width % 8 != 0) {
      bytes[Width / 8] = static_cast<std::uint8_t>(beat.template get<Width % 8>(Width / 8 * 8).to_uint64());
    }
  }
}

// A type of beats may say which of its bits are recorded, by an overload found by its namespace.
template <unsigned Width>
const bits<Width> &recorded(const bits<Width> &beat) {
  return beat;
}

// ---- Recordings and counts

class recording {
 public:
  explicit recording(const char *path) : file_(std::fopen(path, "wb")) {
    if (file_ == nullptr) throw std::runtime_error(std::string("cannot write ") + path);
    std::setvbuf(file_, nullptr, _IOFBF, 1 << 16);
  }
  ~recording() { std::fclose(file_); }
  recording(const recording &) = delete;
  recording &operator=(const recording &) = delete;

  template <unsigned Width>
  void append(const bits<Width> &beat) {
    std::uint8_t bytes[(Width + 7) / 8];
    store(beat, bytes);
    std::fwrite(bytes, 1, sizeof bytes, file_);
  }
  void flush() { std::fflush(file_); }

 private:
  std::FILE *file_;
};

struct count {
  std::uint64_t written = 0, read = 0;
};

namespace detail {
inline std::map<std::string, std::unique_ptr<recording>> recordings;
inline std::map<std::string, count> finished;
}  // namespace detail

inline void record(const char *stream_name, const char *path) {
  detail::recordings[stream_name] = std::make_unique<recording>(path);
}
inline const std::map<std::string, count> &counts() { return detail::finished; }
inline void reset() {
  detail::recordings.clear();
  detail::finished.clear();
}

// ---- Processes

class process;

// What a channel is to the scheduler: beats in and out so far, and who waits.
class endpoint {
 public:
  explicit endpoint(const char *name) : name_(name) {}
  endpoint(const endpoint &) = delete;
  endpoint &operator=(const endpoint &) = delete;

  const std::string &name() const { return name_; }
  std::uint64_t written() const { return written_; }
  std::uint64_t taken() const { return taken_; }
  bool empty() const { return written_ == taken_; }
  virtual bool full() const = 0;

 protected:
  ~endpoint() = default;
  std::uint64_t written_ = 0, taken_ = 0;
  process *reader_ = nullptr, *writer_ = nullptr;  // waiting

 private:
  friend class scheduler;
  std::string name_;
};

// One thing that a process waits for; `wanted` false stands for nothing.
struct wait {
  endpoint *channel;
  bool reading;
  bool wanted;
};

inline wait reading(endpoint &channel, bool wanted = true) { return {&channel, true, wanted}; }
inline wait writing(endpoint &channel, bool wanted = true) { return {&channel, false, wanted}; }

class process {
 public:
  process(const char *name, std::function<void()> body) : name_(name), body_(std::move(body)) {
    stack_ = ::mmap(nullptr, BHC_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack_ == MAP_FAILED) throw std::bad_alloc();
    ::mprotect(stack_, 4096, PROT_NONE);  // an overflow faults
  }
  ~process() { ::munmap(stack_, BHC_STACK_BYTES); }
  process(const process &) = delete;
  process &operator=(const process &) = delete;

 private:
  friend class scheduler;
  std::string name_;
  std::function<void()> body_;
  void *stack_;
  void *place_[5];  // where it goes on
  bool entered_ = false, queued_ = false, done_ = false;
  process *next_ = nullptr;  // in the queue
  const wait *waits_ = nullptr;  // while it waits; in its own stack or in a channel
  std::size_t wait_count_ = 0;
  std::exception_ptr failure_;
};

class scheduler {
 public:
  void start(const char *name, std::function<void()> body) {
    processes_.push_back(std::make_unique<process>(name, std::move(body)));
    wake(processes_.back().get());
  }

  void run() {
    if (processes_.empty()) return;
    leave(home_);
    running_ = nullptr;
    const std::vector<std::unique_ptr<process>> all = std::move(processes_);
    processes_.clear();
    for (const auto &p : all) {
      if (p->failure_) std::rethrow_exception(p->failure_);
    }
    std::vector<deadlock::wait> waits;
    for (const auto &p : all) {
      for (std::size_t i = 0; i < p->wait_count_; i++) {
        const wait &w = p->waits_[i];
        if (w.wanted) waits.push_back({p->name_, w.channel->name(), w.reading});
      }
    }
    if (!waits.empty()) throw deadlock(std::move(waits));
  }

  // Suspends the running process until one of the waits may have ended.
  void suspend(const wait *waits, std::size_t count) {
    if (running_ == nullptr) throw deadlock({{"(no process)", waits->channel->name(), waits->reading}});
    process &self = *running_;
    self.waits_ = waits;
    self.wait_count_ = count;
    for (std::size_t i = 0; i < count; i++) {
      if (waits[i].wanted) waiter(waits[i]) = &self;
    }
    leave(self.place_);
    for (std::size_t i = 0; i < count; i++) waiter(waits[i]) = nullptr;
    self.wait_count_ = 0;
  }

  void wake(process *p) {
    if (p->queued_) return;
    p->queued_ = true;
    p->next_ = nullptr;
    (first_ == nullptr ? first_ : last_->next_) = p;
    last_ = p;
  }

 private:
  static process *&waiter(const wait &w) { return w.reading ? w.channel->reader_ : w.channel->writer_; }

  // Leaves the present context, until something jumps to `place`, for the next process that can run, or for run(). Every jump
  // ends here, where the processor expects it.
  [[gnu::noinline]] void leave(void **place) {
    if (__builtin_setjmp(place) != 0) return;
    if (first_ == nullptr) __builtin_longjmp(home_, 1);
    running_ = first_;
    first_ = first_->next_;
    running_->queued_ = false;
    if (running_->entered_) __builtin_longjmp(running_->place_, 1);
    begin();
  }

  // The first entry of the running process.
  [[noreturn, gnu::noinline]] void begin() {
    running_->entered_ = true;
    ucontext_t context;
    ::getcontext(&context);
    context.uc_stack.ss_sp = running_->stack_;
    context.uc_stack.ss_size = BHC_STACK_BYTES;
    context.uc_link = nullptr;
    ::makecontext(&context, enter, 0);
    ::setcontext(&context);
    throw std::runtime_error("setcontext failed");
  }

  static void enter();

  std::vector<std::unique_ptr<process>> processes_;
  process *first_ = nullptr, *last_ = nullptr;  // queue of those that can run
  process *running_ = nullptr;
  void *home_[5];
};

namespace detail {
inline scheduler all;
}

inline void scheduler::enter() {
  process *self = detail::all.running_;
  try {
    self->body_();
  } catch (...) {
    self->failure_ = std::current_exception();
  }
  self->done_ = true;
  detail::all.leave(self->place_);
}

inline void start(const char *name, std::function<void()> body) { detail::all.start(name, std::move(body)); }
inline void run() { detail::all.run(); }

inline void idle(std::initializer_list<wait> waits) {
  for (const wait &w : waits) {
    if (w.wanted && !(w.reading ? w.channel->empty() : w.channel->full())) return;
  }
  detail::all.suspend(waits.begin(), waits.size());
}

// ---- Channels

// A FIFO of Depth values from one process to another; Depth 0 is unbounded.
template <class T, unsigned Depth>
class channel final : public endpoint {
 public:
  explicit channel(const char *name) : endpoint(name), ring_(size()), mask_(ring_.size() - 1) {
    const auto found = detail::recordings.find(name);
    if (found != detail::recordings.end()) recording_ = found->second.get();
  }
  ~channel() {
    if (recording_ != nullptr) recording_->flush();
    count &c = detail::finished[name()];
    c.written += written_;
    c.read += taken_;
  }

  bool full() const override { return Depth != 0 && written_ - taken_ == Depth; }

  T read() {
    if (empty()) detail::all.suspend(&reading_, 1);
    const T value = ring_[taken_ & mask_];
    taken_++;
    if (writer_ != nullptr) detail::all.wake(writer_);
    return value;
  }

  void write(const T &value) {
    if (full()) detail::all.suspend(&writing_, 1);
    if (Depth == 0 && written_ - taken_ > mask_) grow();
    ring_[written_ & mask_] = value;
    written_++;
    if (recording_ != nullptr) recording_->append(recorded(value));
    if (reader_ != nullptr) detail::all.wake(reader_);
  }

 private:
  // A power of two, so that a mask wraps positions.
  static constexpr std::size_t size() {
    std::size_t size = Depth == 0 ? 64 : 1;
    while (size < Depth) size *= 2;
    return size;
  }

  void grow() {
    std::vector<T> wider(2 * ring_.size());
    const std::uint64_t mask = wider.size() - 1;
    for (std::uint64_t i = taken_; i != written_; i++) wider[i & mask] = ring_[i & mask_];
    ring_ = std::move(wider);
    mask_ = mask;
  }

  std::vector<T> ring_;
  std::uint64_t mask_;
  recording *recording_ = nullptr;
  const wait reading_ = {this, true, true}, writing_ = {this, false, true};
};

}  // namespace host
}  // namespace bhc
