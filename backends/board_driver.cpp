// A virtual board: bhc_uart_top, made into C++ by Verilator, behind a pseudo-terminal.
//
//   simulator CLOCKS_PER_BIT SEED FAULTS UNPLUG
//
// CLOCKS_PER_BIT of the design's UART
// SEED, FAULTS   a fault about every FAULTS bytes in each direction, at random; 0 for none. A fault is a bit that is wrong on the
//                wire, a byte that is lost, a byte too many, or a glitch of the line.
// UNPLUG         bytes from the host after which the cable is pulled, or 0 for never
//
// The first line of standard output is the path of the terminal that the host opens. Standard input says when to end: at its end,
// which also comes when the parent dies. Then "cycles <n>" is printed: clock cycles simulated.
//
// Every bit goes over the pins at the design's rate. While neither the host nor the board says anything for long, simulation slows
// down to save the computer's time; a board that computes in silence is not slowed for kBusyCycles.

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "Vbhc_uart_top.h"
#include "verilated.h"

namespace {

constexpr std::uint64_t kResetCycles = 4;
constexpr std::uint64_t kBusyCycles = 20'000'000;
constexpr std::uint64_t kSlice = 1'000;
constexpr int kFrameBits = 10;

[[noreturn]] void Fail(const std::string& message) {
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
  bool OneOf(std::uint64_t odds) { return odds != 0 && Next() % odds == 0; }

 private:
  std::uint64_t state_;
};

// The end of a pseudo-terminal that the host does not see. The other end is held open too, so that hosts may come and go.
class Terminal {
 public:
  Terminal() : master_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)) {
    if (master_ < 0 || grantpt(master_) != 0 || unlockpt(master_) != 0) Fail("cannot make a pseudo-terminal");
    const char* name = ptsname(master_);
    if (name == nullptr) Fail("the pseudo-terminal has no name");
    name_ = name;
    slave_ = open(name, O_RDWR | O_NOCTTY);
    termios settings{};
    if (slave_ < 0 || tcgetattr(slave_, &settings) != 0) Fail("cannot open " + name_);
    cfmakeraw(&settings);
    if (tcsetattr(slave_, TCSANOW, &settings) != 0) Fail("cannot set " + name_);
  }
  ~Terminal() { Unplug(); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  const std::string& name() const { return name_; }
  int descriptor() const { return master_; }

  void Unplug() {
    if (master_ >= 0) close(master_);
    if (slave_ >= 0) close(slave_);
    master_ = slave_ = -1;
  }

  // What the host has sent, if anything.
  void Read(std::deque<std::uint8_t>& bytes) {
    if (master_ < 0) return;
    std::uint8_t buffer[4096];
    const ssize_t count = read(master_, buffer, sizeof buffer);
    if (count > 0) bytes.insert(bytes.end(), buffer, buffer + count);
  }

  // A host that does not listen loses bytes, as with any serial port.
  void Write(std::vector<std::uint8_t>& bytes) {
    std::size_t done = 0;
    while (master_ >= 0 && done < bytes.size()) {
      const ssize_t count = write(master_, bytes.data() + done, bytes.size() - done);
      if (count <= 0) break;
      done += static_cast<std::size_t>(count);
    }
    bytes.clear();
  }

 private:
  int master_ = -1;
  int slave_ = -1;
  std::string name_;
};

// Puts bytes on the line that leads to the board.
class Sender {
 public:
  Sender(std::uint64_t clocks, Random& random, std::uint64_t faults) : clocks_(clocks), random_(random), faults_(faults) {}

  bool busy() const { return left_ != 0; }

  void Begin(std::uint8_t byte) {
    bits_ = (0x100u | byte) << 1;
    left_ = clocks_ * kFrameBits;
    glitch_ = 0;
    if (!random_.OneOf(faults_)) return;
    switch (random_.Next() % 4) {
      case 0:
        bits_ ^= 1u << random_.Next() % kFrameBits;
        break;
      case 1:
        bits_ = (1u << kFrameBits) - 1;  // lost
        break;
      case 2:
        glitch_ = 1 + random_.Next() % left_;
        break;
      default:
        bits_ = (0x100u | (random_.Next() & 0xFF)) << 1;
        break;
    }
  }

  // The line in the next clock cycle.
  bool Level() {
    if (left_ == 0) return true;
    const std::uint64_t bit = kFrameBits - 1 - (left_ - 1) / clocks_;
    const bool wrong = left_ == glitch_;
    --left_;
    return ((bits_ >> bit & 1u) != 0) != wrong;
  }

 private:
  std::uint64_t clocks_;
  Random& random_;
  std::uint64_t faults_;
  unsigned bits_ = 0;
  std::uint64_t left_ = 0;
  std::uint64_t glitch_ = 0;
};

// Takes bytes from the line that comes from the board, as a UART of the same rate would.
class Receiver {
 public:
  explicit Receiver(std::uint64_t clocks) : clocks_(clocks) {}

  bool busy() const { return left_ != 0; }

  std::optional<std::uint8_t> Sample(bool level) {
    if (left_ == 0) {
      if (!level) left_ = clocks_ * kFrameBits - clocks_ / 2;
      return std::nullopt;
    }
    if (--left_ % clocks_ != 0) return std::nullopt;
    bits_ = bits_ >> 1 | (level ? 1u << (kFrameBits - 1) : 0u);
    if (left_ != 0 || !level) return std::nullopt;
    return static_cast<std::uint8_t>(bits_ >> 1);
  }

 private:
  std::uint64_t clocks_;
  std::uint64_t left_ = 0;
  unsigned bits_ = 0;
};

// What the host hears of a byte that the board sent.
void Deliver(std::uint8_t byte, Random& random, std::uint64_t faults, std::vector<std::uint8_t>& bytes) {
  if (random.OneOf(faults)) {
    switch (random.Next() % 3) {
      case 0:
        byte ^= static_cast<std::uint8_t>(1u << random.Next() % 8);
        break;
      case 1:
        return;
      default:
        bytes.push_back(static_cast<std::uint8_t>(random.Next()));
        break;
    }
  }
  bytes.push_back(byte);
}

// Waits for the host, or for the parent, and says whether the parent is there.
bool Wait(int terminal, int milliseconds) {
  pollfd watched[] = {{STDIN_FILENO, POLLIN, 0}, {terminal, POLLIN, 0}};
  if (poll(watched, 2, milliseconds) < 0 && errno != EINTR) Fail("cannot wait");
  return watched[0].revents == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) Fail("usage: simulator CLOCKS_PER_BIT SEED FAULTS UNPLUG");
  const std::uint64_t clocks = std::strtoull(argv[1], nullptr, 10);
  Random random(std::strtoull(argv[2], nullptr, 10));
  const std::uint64_t faults = std::strtoull(argv[3], nullptr, 10);
  const std::uint64_t unplug = std::strtoull(argv[4], nullptr, 10);

  // Whatever has no reset starts with random contents, as it may on a board.
  VerilatedContext context;
  context.randReset(2);
  context.randSeed(1);
  Vbhc_uart_top top(&context);
  Terminal terminal;
  std::cout << terminal.name() << std::endl;

  std::deque<std::uint8_t> to_board;
  std::vector<std::uint8_t> to_host;
  Sender sender(clocks, random, faults);
  Receiver receiver(clocks);
  std::uint64_t received = 0;
  std::uint64_t cycle = 0;
  std::uint64_t silent_since = 0;
  bool wanted = true;
  while (wanted) {
    if (cycle - silent_since < kBusyCycles) {
      wanted = Wait(terminal.descriptor(), 0);
    } else {
      wanted = Wait(terminal.descriptor(), 1);
    }
    terminal.Read(to_board);
    for (std::uint64_t i = 0; i < kSlice; ++i, ++cycle) {
      if (!sender.busy() && !to_board.empty() && cycle > kResetCycles) {
        sender.Begin(to_board.front());
        to_board.pop_front();
        if (++received == unplug) {
          terminal.Unplug();
          to_board.clear();
        }
      }
      if (sender.busy() || receiver.busy()) silent_since = cycle;
      top.rst_ni = cycle >= kResetCycles;
      top.uart_rx_i = sender.Level();
      top.clk_i = 0;
      top.eval();
      if (const auto byte = receiver.Sample(top.uart_tx_o)) Deliver(*byte, random, faults, to_host);
      top.clk_i = 1;
      top.eval();
    }
    terminal.Write(to_host);
  }
  top.final();
  std::cout << "cycles " << cycle << std::endl;
  return EXIT_SUCCESS;
}
