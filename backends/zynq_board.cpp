// A virtual Zynq: bhc_zynq, made into C++ by Verilator, with a processor that does what a program says over a socket, and memory.
//
//   simulator SOCKET MEMORY SIZE BASE SEED LATENCY JITTER PAUSE REFRESH REFRESH_CYCLES BREAK_READ BREAK_WRITE HANG
//
// SOCKET         path of the Unix socket to listen at
// MEMORY         file of SIZE bytes that is the memory from address BASE on; programs map it too
// LATENCY ...    the memory's timing, see axi_memory.hpp
// BREAK_READ     words read for input after which each is answered by an error, or -1; BREAK_WRITE likewise bursts of results
// HANG           words read for input after which none comes any more, or -1
//
// A program sends 12 bytes, three words of 32 bits, and gets one back: 0 A 0: the register at A. 1 A V: writes V to it. 2 A N: N bytes
// from address A on are a buffer. 3 0 0: there are no buffers any more. 4 0 0: the interrupt. One program at a time is listened to.
//
// zynq_ports.inc, which is generated, has READER(name) for each of the design's masters.
//
// Clock cycles pass while the design works, as far as the processor knows: from a write to CONTROL until STATUS is read as idle; and
// for kBusyCycles if nobody asks. The first line of standard output says that the socket is there; standard input says when to end.
// Then "cycles <n>" is printed: clock cycles simulated.

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "Vbhc_zynq.h"
#include "axi_memory.hpp"
#include "verilated.h"

namespace {

using bhc::Fail;

constexpr std::uint64_t kBusyCycles = 20'000'000;
constexpr std::uint64_t kSlice = 2'000;
constexpr std::uint64_t kLiteCycles = 1'000;
constexpr std::uint32_t kControl = 0x20;
constexpr std::uint32_t kStatus = 0x24;

class Board {
 public:
  Board(bhc::Memory& memory, const bhc::Timing& timing, std::uint64_t seed, std::uint64_t break_read, std::uint64_t break_write,
        std::uint64_t hang)
      : random_(seed), writer_(memory, "m_axi", timing, random_) {
    // Whatever has no reset starts with random contents, as it may on a board.
    context_.randReset(2);
    context_.randSeed(static_cast<int>(seed));
    top_ = std::make_unique<Vbhc_zynq>(&context_);
#define READER(name) readers_.push_back(std::make_unique<bhc::Reader>(memory, #name, timing, random_));
#include "zynq_ports.inc"
#undef READER
    if (break_read != kNever) readers_[0]->Break(break_read);
    if (hang != kNever) readers_[0]->Hang(hang);
    if (break_write != kNever) writer_.Break(break_write);
    top_->s_axi_awvalid = top_->s_axi_wvalid = top_->s_axi_bready = top_->s_axi_arvalid = top_->s_axi_rready = 0;
    top_->aresetn = 0;
    for (int i = 0; i < 4; ++i) Step();
    top_->aresetn = 1;
  }
  ~Board() { top_->final(); }

  static constexpr std::uint64_t kNever = ~std::uint64_t{0};
  std::uint64_t cycle() const { return cycle_; }
  bool irq() const { return top_->irq_o != 0; }

  std::uint32_t Read(std::uint32_t address) {
    top_->s_axi_araddr = address;
    Offer(top_->s_axi_arvalid, top_->s_axi_arready);
    return Answer(top_->s_axi_rvalid, top_->s_axi_rready, [this] { return top_->s_axi_rdata; }, top_->s_axi_rresp);
  }
  void Write(std::uint32_t address, std::uint32_t value) {
    top_->s_axi_awaddr = address;
    top_->s_axi_wdata = value;
    top_->s_axi_wstrb = 0xF;
    // Address and data come in either order.
    bool aw = random_.Next() % 2 != 0, w = !aw;
    bool aw_done = false, w_done = false;
    for (std::uint64_t i = 0; !aw_done || !w_done; ++i) {
      if (i == kLiteCycles) Fail("a register was not written");
      top_->s_axi_awvalid = aw && !aw_done;
      top_->s_axi_wvalid = w && !w_done;
      Settle();
      const bool aw_taken = top_->s_axi_awvalid && top_->s_axi_awready, w_taken = top_->s_axi_wvalid && top_->s_axi_wready;
      Step();
      aw_done |= aw_taken;
      w_done |= w_taken;
      aw |= random_.Next() % 2 != 0;
      w |= random_.Next() % 2 != 0;
    }
    top_->s_axi_awvalid = top_->s_axi_wvalid = 0;
    Answer(top_->s_axi_bvalid, top_->s_axi_bready, [] { return 0u; }, top_->s_axi_bresp);
  }

  void Step() {
    Settle();
    if (top_->aresetn) Clock();
    top_->aclk = 1;
    top_->eval();
    ++cycle_;
  }

 private:
  // Drive the slaves' outputs, and let the design answer.
  void Settle() {
    auto reader = readers_.begin();
#define READER(name)                            \
  {                                             \
    const auto& out = (*reader++)->out();       \
    top_->name##_arready = out.ar_ready;        \
    top_->name##_rvalid = out.r_valid;          \
    top_->name##_rdata = out.r_data;            \
    top_->name##_rresp = out.r_resp;            \
    top_->name##_rlast = out.r_last;            \
  }
#include "zynq_ports.inc"
#undef READER
    const auto& out = writer_.out();
    top_->m_axi_awready = out.aw_ready;
    top_->m_axi_wready = out.w_ready;
    top_->m_axi_bvalid = out.b_valid;
    top_->m_axi_bresp = out.b_resp;
    top_->aclk = 0;
    top_->eval();
  }
  void Clock() {
    auto reader = readers_.begin();
#define READER(name)                                                                                                          \
  (*reader++)->Clock({top_->name##_arvalid != 0,                                                                              \
                      {top_->name##_araddr, top_->name##_arlen, top_->name##_arsize, top_->name##_arburst},                   \
                      top_->name##_rready != 0});
#include "zynq_ports.inc"
#undef READER
    writer_.Clock({top_->m_axi_awvalid != 0,
                   {top_->m_axi_awaddr, top_->m_axi_awlen, top_->m_axi_awsize, top_->m_axi_awburst},
                   top_->m_axi_wvalid != 0,
                   {top_->m_axi_wdata, top_->m_axi_wstrb, top_->m_axi_wlast != 0},
                   top_->m_axi_bready != 0});
  }
  template <typename Valid, typename Ready>
  void Offer(Valid& valid, const Ready& ready) {
    valid = 1;
    for (std::uint64_t i = 0;; ++i) {
      if (i == kLiteCycles) Fail("a register was not read");
      Settle();
      const bool taken = ready != 0;
      Step();
      if (taken) break;
    }
    valid = 0;
  }
  template <typename Valid, typename Ready, typename Value, typename Response>
  std::uint32_t Answer(const Valid& valid, Ready& ready, Value value, const Response& response) {
    for (std::uint64_t i = 0;; ++i) {
      if (i == kLiteCycles) Fail("an access to a register was not answered");
      ready = random_.Next() % 2 != 0;
      Settle();
      const bool taken = valid && ready;
      const std::uint32_t found = value();
      if (taken && response != bhc::kOkay) Fail("an access to a register was answered by an error");
      Step();
      if (!taken) continue;
      ready = 0;
      return found;
    }
  }

  bhc::Random random_;
  VerilatedContext context_;
  std::unique_ptr<Vbhc_zynq> top_;
  std::vector<std::unique_ptr<bhc::Reader>> readers_;
  bhc::Writer writer_;
  std::uint64_t cycle_ = 0;
};

std::uint8_t* Map(const char* path, std::uint64_t size) {
  const int file = open(path, O_RDWR);
  void* bytes = file < 0 ? MAP_FAILED : mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (bytes == MAP_FAILED) Fail("cannot map " + std::string(path));
  return static_cast<std::uint8_t*>(bytes);
}

int Listen(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int server = socket(AF_UNIX, SOCK_STREAM, 0);
  if (server < 0 || bind(server, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(server, 4) != 0) {
    Fail("cannot listen at " + std::string(path));
  }
  return server;
}

bool Receive(int client, std::uint32_t (&words)[3]) {
  std::size_t done = 0;
  while (done < sizeof words) {
    const ssize_t count = read(client, reinterpret_cast<char*>(words) + done, sizeof words - done);
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 14) Fail("usage: simulator SOCKET MEMORY SIZE BASE SEED LATENCY JITTER PAUSE REFRESH REFRESH_CYCLES BREAK_READ BREAK_WRITE HANG");
  auto number = [&](int index) { return static_cast<std::uint64_t>(std::strtoll(argv[index], nullptr, 0)); };
  auto small = [&](int index) { return static_cast<unsigned>(number(index)); };
  const bhc::Timing timing{small(6), small(7), small(8), small(9), small(10)};
  bhc::Memory memory(Map(argv[2], number(3)), number(3), number(4));
  Board board(memory, timing, number(5), number(11), number(12), number(13));
  const int server = Listen(argv[1]);
  std::cout << "ready" << std::endl;

  int client = -1;
  bool working = false;
  std::uint64_t asked = 0;
  while (true) {
    working = working && board.cycle() - asked < kBusyCycles;
    pollfd watched[] = {{STDIN_FILENO, POLLIN, 0}, {client < 0 ? server : client, POLLIN, 0}};
    if (poll(watched, 2, working ? 0 : -1) < 0 && errno != EINTR) Fail("cannot wait");
    if (watched[0].revents != 0) break;
    if (watched[1].revents == 0) {
      for (std::uint64_t i = 0; working && i < kSlice; ++i) board.Step();
      continue;
    }
    if (client < 0) {
      client = accept(server, nullptr, nullptr);
      continue;
    }
    std::uint32_t words[3], answer = 0;
    if (!Receive(client, words)) {
      close(client);
      client = -1;
      continue;
    }
    asked = board.cycle();
    switch (words[0]) {
      case 0:
        answer = board.Read(words[1]);
        if (words[1] == kStatus && (answer & 1u) == 0) working = false;
        break;
      case 1:
        board.Write(words[1], words[2]);
        if (words[1] == kControl) working = true;
        break;
      case 2:
        memory.Allow(words[1], words[2]);
        break;
      case 3:
        memory.Forbid();
        break;
      case 4:
        answer = board.irq();
        break;
      default:
        Fail("an unknown message");
    }
    if (send(client, &answer, sizeof answer, MSG_NOSIGNAL) != sizeof answer) {
      close(client);
      client = -1;
    }
  }
  std::cout << "cycles " << board.cycle() << std::endl;
  return EXIT_SUCCESS;
}
