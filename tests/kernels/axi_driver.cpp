// Drives axi_copy.sv with a memory: copies at random places, some of them given up in the midst.
//   driver SEED TRIALS LATENCY JITTER PAUSE WORDS ERRORS      WORDS: at most in a copy; ERRORS: 1 for words and answers that are errors
// Prints "trial <words> <cycles> <ring words> <read errors> <write errors>" for each; exit 1 when anything is wrong.
#include <algorithm>
#include <cstdio>
#include <vector>

#include "axi_memory.hpp"
#include "verilated.h"

using namespace bhc;

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  Random random(std::strtoull(argv[1], nullptr, 10));
  const int trials = std::atoi(argv[2]);
  const Timing timing{unsigned(std::atoi(argv[3])), unsigned(std::atoi(argv[4])), unsigned(std::atoi(argv[5])), 0, 0};
  const unsigned most = unsigned(std::atoi(argv[6]));
  const bool errors = std::atoi(argv[7]) != 0;

  VerilatedContext context;
  context.randReset(2);
  context.randSeed(1);
  MODEL top(&context);
  constexpr std::uint64_t kBase = 0x1000'0000, kSize = 1 << 20;
  std::vector<std::uint8_t> bytes(kSize);
  for (auto& byte : bytes) byte = std::uint8_t(random.Next());
  Memory memory(bytes.data(), kSize, kBase);
  Reader read(memory, "read", timing, random), ring(memory, "ring", timing, random);
  Writer write(memory, "write", timing, random);

  std::uint64_t ring_at = 0, ring_words = 0, src = 0, words = 1;
  unsigned read_errors = 0, write_errors = 0;
  bool following = false;  // ring's stream is that of the region
  const bool stalls = timing.pause != 0;
  auto cycle = [&](bool start, bool clear) {
    top.start_i = start;
    top.clear_i = clear;
    top.pass_i = !stalls || random.Next() % 4 != 0;
    top.ring_ready_i = !stalls || random.Next() % 4 != 0;
    const auto& r = read.out();
    top.ar_ready_i = r.ar_ready, top.r_valid_i = r.r_valid, top.r_data_i = r.r_data, top.r_resp_i = r.r_resp, top.r_last_i = r.r_last;
    const auto& g = ring.out();
    top.ring_ar_ready_i = g.ar_ready, top.ring_r_valid_i = g.r_valid, top.ring_r_data_i = g.r_data;
    top.ring_r_resp_i = g.r_resp, top.ring_r_last_i = g.r_last;
    const auto& w = write.out();
    top.aw_ready_i = w.aw_ready, top.w_ready_i = w.w_ready, top.b_valid_i = w.b_valid, top.b_resp_i = w.b_resp;
    top.clk_i = 0;
    top.eval();
    read_errors += top.error_o & 1;
    write_errors += top.error_o >> 1;
    if (following && top.ring_valid_o && top.ring_ready_i) {
      std::uint64_t word;
      std::memcpy(&word, memory.At(src + 8 * ring_at), 8);
      if (word != top.ring_data_o) Fail("the ring gave another word");
      ring_at = (ring_at + 1) % words;
      ++ring_words;
    }
    if (top.rst_ni) {
      if (!top.r_ready_o || !top.ring_r_ready_o || !top.b_ready_o) Fail("a word or an answer was kept waiting");
      read.Clock({top.ar_valid_o != 0, {top.ar_addr_o, top.ar_len_o, 3, 1}, top.r_ready_o != 0});
      ring.Clock({top.ring_ar_valid_o != 0, {top.ring_ar_addr_o, top.ring_ar_len_o, 3, 1}, top.ring_r_ready_o != 0});
      write.Clock({top.aw_valid_o != 0, {top.aw_addr_o, top.aw_len_o, 3, 1}, top.w_valid_o != 0,
                   {top.w_data_o, 0xFF, top.w_last_o != 0}, top.b_ready_o != 0});
    }
    top.clk_i = 1;
    top.eval();
  };

  top.rst_ni = 0;
  for (int i = 0; i < 4; ++i) cycle(false, false);
  top.rst_ni = 1;
  for (int trial = 0; trial < trials; ++trial) {
    words = 1 + random.Next() % most;
    const std::uint64_t half = kSize / 2;
    auto place = [&](std::uint64_t begin) {
      std::uint64_t at = begin + random.Next() % (half / 8 - words) * 8;
      if (random.Next() % 2) at = begin + 4096 * (1 + random.Next() % 50) - 8 * (random.Next() % 20);  // before a 4 KiB edge
      return at;
    };
    src = kBase + place(0);
    const std::uint64_t dst = kBase + place(half);
    top.src_i = unsigned(src >> 3), top.dst_i = unsigned(dst >> 3), top.words_i = unsigned(words);
    memory.Forbid();
    memory.Allow(src, 8 * words);
    memory.Allow(dst, 8 * words);
    const std::vector<std::uint8_t> before = bytes;
    const bool give_up = random.Next() % 3 == 0;
    const std::uint64_t limit = give_up ? random.Next() % (2 * words + 40) : ~std::uint64_t{0};
    if (errors) read.Break(random.Next() % words), write.Break(random.Next() % (words / 16 + 1));
    ring_at = ring_words = read_errors = write_errors = 0;
    cycle(true, false);
    following = true;
    std::uint64_t cycles = 0;
    while (cycles < limit && (top.copying_o || ring_words < words + 5)) {
      cycle(false, false);
      if (++cycles > 400 * (words + 100)) Fail("it does not end");
    }
    following = false;
    if (!give_up && !write.idle()) Fail("it ended before memory had confirmed the last word");
    cycle(false, true);
    for (std::uint64_t wait = 0; top.copying_o || top.ring_busy_o; ++wait) {
      cycle(false, random.Next() % 2 != 0);
      if (wait > 10'000) Fail("it does not become idle");
    }
    if (!read.idle() || !ring.idle() || !write.idle()) Fail("a burst was left half done");
    const std::size_t to = dst - kBase, from = src - kBase;
    std::size_t done = 0;
    while (done < 8 * words && bytes[to + done] == before[from + done]) ++done;
    if (!give_up && done != 8 * words) Fail("the copy is not what was there");
    for (std::size_t i = done - done % 8; i < 8 * words; ++i) {
      if (bytes[to + i] != before[to + i]) Fail("something else was written");
    }
    if (!give_up) {
      std::printf("trial %llu %llu %llu %u %u\n", (unsigned long long)words, (unsigned long long)cycles,
                  (unsigned long long)ring_words, read_errors, write_errors);
    }
  }
  return 0;
}
