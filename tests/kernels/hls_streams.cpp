// Processes that wait for each other: what comes out, or who waits for whom, and the beats of every stream.
//
//   hls_streams RECORD      RECORD: file that gets the beats of the stream "around"
#include <cstdio>
#include <stdexcept>

#include "bhc_add.hpp"
#include "bhc_fork.hpp"
#include "bhc_width.hpp"
#include "bhc_window.hpp"

// A copy of 8 beats goes around a width converter that wants `Parts` of them at once.
template <unsigned Depth, unsigned Parts>
void skip_connection() {
  bhc::stream<8, 0> in("in"), out("out");
  bhc::stream<8, 2> straight("straight"), back("back");
  bhc::stream<8, Depth> around("around");
  bhc::stream<8 * Parts, 2> wide("wide");
  for (unsigned i = 0; i < 8; i++) in.write(bhc::repeat<8, 1>(i));
  BHC_RUN("fork", bhc::fork<8, 2>(in, 8, straight, around));
  BHC_RUN("collect", bhc::width<8, 1, Parts>(straight, wide, 8));
  BHC_RUN("spread", bhc::width<8, Parts, 1>(wide, back, 8 / Parts));
  BHC_RUN("add", bhc::add<1, 8, 0, 8, 0, 8>(back, around, out, 8));
  BHC_WAIT();
  for (unsigned i = 0; i < 8; i++) std::printf("%u ", out.read().get<8>(0).to_uint());
  std::printf("\n");
}

void cycle() {
  bhc::stream<8, 2> a("a"), b("b");
  BHC_RUN("first", bhc::width<1, 8, 8>(a, b, 1));
  BHC_RUN("second", bhc::width<1, 8, 8>(b, a, 1));
  BHC_WAIT();
}

// Three sinks of which the last must get its beat while the others are full, whichever falls free first.
void full_sinks() {
  bhc::stream<8, 0> in("in");
  bhc::stream<8, 1> a("a"), b("b"), c("c");
  for (unsigned i = 0; i < 2; i++) in.write(bhc::repeat<8, 1>(i));
  BHC_RUN("fork", bhc::fork<8, 3>(in, 2, a, b, c));
  BHC_RUN("taker", {
    c.read(), c.read();
    b.read(), b.read();
    a.read(), a.read();
  });
  BHC_WAIT();
}

// Rows enter as far as the ring has room while nobody takes the windows.
void window_ahead() {
  bhc::stream<8, 0> in("in");
  bhc::stream<8, 1> out("out");
  for (unsigned i = 0; i < 12; i++) in.write(bhc::repeat<8, 1>(i));
  BHC_RUN("window", bhc::window<8, 1, 1, 1, 12, 1, 3, 1, 1, 1, 1, 1, 0, 0, 10, 1, 1, 0, 5, 0, 0, 0>(in, out, 1));
  BHC_WAIT();
}

void print_counts() {
  for (const auto &[name, count] : bhc::host::counts()) {
    std::printf("%s %u %u\n", name.c_str(), unsigned(count.written), unsigned(count.read));
  }
}

int main(int, char **argv) {
  bhc::host::record("around", argv[1]);
  for (void (*run)() : {skip_connection<4, 4>, skip_connection<1, 4>, cycle, full_sinks, window_ahead}) {
    try {
      run();
    } catch (const bhc::deadlock &found) {
      std::printf("%s (%zu)\n", found.what(), found.waits.size());
    }
    print_counts();
    bhc::host::reset();
  }
  try {
    bhc::stream<8, 1>("nobody").read();
  } catch (const bhc::deadlock &found) {
    std::printf("%s\n", found.what());
  }
  BHC_RUN("thrower", throw std::runtime_error("thrown by a process"));
  try {
    BHC_WAIT();
  } catch (const std::runtime_error &error) {
    std::printf("%s\n", error.what());
  }
}
