// Drives bhc_axi3_lite.sv: a processor that reads and writes bursts at the same time, and registers that keep it waiting.
//   driver SEED TRIALS PAUSE      PAUSE: in how many of 8 cycles each side is not ready
// Prints "write <beats> <cycles>" or "read <beats> <cycles>" for each burst, from address to answer; exit 1 when anything is wrong.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <random>
#include <vector>

#include "verilated.h"

namespace {

std::mt19937_64 random_words;
unsigned pause_of_8;

std::uint32_t Next() { return std::uint32_t(random_words()); }
bool Ready() { return Next() % 8 >= pause_of_8; }

[[noreturn]] void Fail(const char* what) {
  std::printf("FAIL: %s\n", what);
  std::exit(1);
}
void Need(bool condition, const char* what) {
  if (!condition) Fail(what);
}

struct Burst {
  unsigned id, address, beats, size, at = 0;
  std::vector<std::uint32_t> data;
  std::vector<unsigned> strobes;
  bool open = false;
  long since = 0;
};

Burst Draw() {
  Burst burst{Next() % 4096, Next() % 1024 * 4, 1 + (Next() % 3 ? 0 : Next() % 16), 2};
  if (burst.address + 4 * burst.beats > 4096) burst.address = 0;
  if (Next() % 4 == 0) burst.size = Next() % 2, burst.address += burst.size ? 2 * (Next() % 2) : Next() % 4, burst.beats = 1;
  for (unsigned i = 0; i < burst.beats; ++i) burst.data.push_back(Next()), burst.strobes.push_back(Next() % 16);
  return burst;
}

// The last of the registers answer with errors.
unsigned Response(unsigned address) { return address >= 0xff0 ? 2 : 0; }

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  random_words.seed(std::strtoull(argv[1], nullptr, 10));
  const long trials = std::atol(argv[2]);
  pause_of_8 = unsigned(std::atoi(argv[3]));

  VerilatedContext context;
  context.randReset(2);
  context.randSeed(1);
  MODEL top(&context);
  std::map<unsigned, std::uint32_t> registers, expected;

  Burst write, read;
  bool write_asked = false, read_asked = false;
  long wrote = 0, done_reading = 0, idle = 0;
  unsigned worst = 0;
  // The slave: an address and a word that wait for each other, then an answer.
  bool has_address = false, has_word = false, answers = false, reads = false;
  unsigned address = 0, strobe = 0, answer = 0, read_address = 0;
  std::uint32_t word = 0;
  bool bready = false, rready = false, sample = false;
  bool was_aw = false, was_w = false, was_ar = false, was_b = false, was_r = false;

  top.rst_ni = 0;
  for (long cycle = 0; wrote < trials || done_reading < trials; ++cycle) {
    if (++idle > 10000) Fail("it hangs");
    if (cycle == 4) top.rst_ni = 1;
    const bool running = cycle > 5;
    if (running && !write.open && wrote < trials && Ready()) write = Draw(), write.open = true, write.since = cycle, write_asked = false, worst = 0;
    if (running && !read.open && done_reading < trials && Ready()) read = Draw(), read.open = true, read.since = cycle, read_asked = false;

    top.s_axi_awvalid = write.open && !write_asked;
    top.s_axi_awid = write.id, top.s_axi_awaddr = write.address, top.s_axi_awsize = write.size;
    // A word may come before its address, and stays once it is offered.
    const bool more = write.open && write.at < write.beats;
    if (!sample) sample = more && Ready();
    top.s_axi_wvalid = sample && more;
    if (more) top.s_axi_wdata = write.data[write.at], top.s_axi_wstrb = write.strobes[write.at], top.s_axi_wlast = write.at + 1 == write.beats;
    top.s_axi_bready = bready = Ready();
    top.s_axi_arvalid = read.open && !read_asked;
    top.s_axi_arid = read.id, top.s_axi_araddr = read.address, top.s_axi_arsize = read.size, top.s_axi_arlen = read.beats - 1;
    top.s_axi_rready = rready = Ready();

    top.m_axi_awready = !has_address && !answers && Ready();
    top.m_axi_wready = !has_word && !answers && Ready();
    top.m_axi_bvalid = answers, top.m_axi_bresp = answer;
    top.m_axi_arready = !reads && Ready();
    top.m_axi_rvalid = reads, top.m_axi_rdata = registers[read_address & ~3u], top.m_axi_rresp = Response(read_address);
    top.clk_i = 0;
    top.eval();

    if (running) {
      Need(!was_aw || top.m_axi_awvalid, "an address to write was taken back");
      Need(!was_w || top.m_axi_wvalid, "a word was taken back");
      Need(!was_ar || top.m_axi_arvalid, "an address to read was taken back");
      Need(!was_b || top.s_axi_bvalid, "an answer was taken back");
      Need(!was_r || top.s_axi_rvalid, "a word that was read was taken back");
      was_aw = top.m_axi_awvalid && !top.m_axi_awready;
      was_w = top.m_axi_wvalid && !top.m_axi_wready;
      was_ar = top.m_axi_arvalid && !top.m_axi_arready;
      was_b = top.s_axi_bvalid && !bready;
      was_r = top.s_axi_rvalid && !rready;

      const bool answered = answers && top.m_axi_bready;
      if (top.m_axi_awvalid && top.m_axi_awready) has_address = true, address = top.m_axi_awaddr;
      if (top.m_axi_wvalid && top.m_axi_wready) has_word = true, word = top.m_axi_wdata, strobe = top.m_axi_wstrb;
      if (answered) answers = false;
      if (has_address && has_word) {
        has_address = has_word = false, answers = true, answer = Response(address);
        for (unsigned i = 0; i < 4; ++i)
          if (strobe >> i & 1) registers[address & ~3u] = (registers[address & ~3u] & ~(0xffu << 8 * i)) | (word & 0xffu << 8 * i);
      }
      if (top.s_axi_awvalid && top.s_axi_awready) write_asked = true, idle = 0;
      if (top.s_axi_wvalid && top.s_axi_wready) {
        Need(write_asked, "a word was taken before its address");
        const unsigned at = write.address + (write.at << write.size);
        auto& kept = expected[at & ~3u];
        for (unsigned i = 0; i < 4; ++i)
          if (write.strobes[write.at] >> i & 1) kept = (kept & ~(0xffu << 8 * i)) | (write.data[write.at] & 0xffu << 8 * i);
        worst = std::max(worst, Response(at));
        ++write.at, sample = false;
      }
      if (top.s_axi_bvalid && bready) {
        Need(write.open && write.at == write.beats, "an answer before the last word");
        Need(top.s_axi_bid == write.id && top.s_axi_bresp == worst, "a wrong answer");
        std::printf("write %u %ld\n", write.beats, cycle - write.since);
        write.open = false, ++wrote;
      }
      const bool given = reads && top.m_axi_rready;
      if (top.s_axi_rvalid && rready) {
        const unsigned at = read.address + (read.at << read.size);
        Need(read.open && read_asked && top.s_axi_rid == read.id, "a word that nobody asked for");
        Need(read_address == at && top.s_axi_rdata == registers[at & ~3u] && top.s_axi_rresp == Response(at), "a wrong word");
        Need(top.s_axi_rlast == (read.at + 1 == read.beats), "a wrong end");
        if (++read.at == read.beats) {
          std::printf("read %u %ld\n", read.beats, cycle - read.since);
          read.open = false, ++done_reading;
        }
      }
      if (given) reads = false;
      if (top.m_axi_arvalid && top.m_axi_arready) reads = true, read_address = top.m_axi_araddr;
      if (top.s_axi_arvalid && top.s_axi_arready) read_asked = true, idle = 0;
    }
    top.clk_i = 1;
    top.eval();
  }
  for (const auto& [place, value] : expected)
    if (registers[place] != value) Fail("a register holds another word");
  return 0;
}
