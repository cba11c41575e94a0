// Streams between processes, and how a dataflow design runs.
//
//   stream<Width, Depth>   a FIFO of Depth beats of bits<Width>: read(), write(beat), empty(), full(); its constructor takes a name
//   channel<T, Depth>      the same of any type
//   BHC_RUN("name", call)  one process of a dataflow region
//   BHC_WAIT()             ends the region
//   BHC_IDLE(...)          nothing can move now; the arguments say what may end that: host::reading(stream, wanted),
//                          host::writing(stream, wanted)
//   drain(in, beats)       takes beats that nobody needs
//   beyond(count, first)   how many come after the first so many: count - first, or none
//
// In the synthesizer these are hls::stream, the call, nothing and nothing (an idle loop polls). With BHC_HOST defined they are
// bounded FIFOs between cooperative processes (bhc_host.hpp), so that a design that would deadlock does so here; Depth 0 is
// unbounded. Without either, with the open hls_stream.h, processes run one after another and no stream is bounded.
#pragma once

#include "bhc_bits.hpp"

#ifdef BHC_HOST

#include "bhc_host.hpp"

#define BHC_RUN(name, ...) ::bhc::host::start(name, [&] { __VA_ARGS__; })
#define BHC_WAIT() ::bhc::host::run()
#define BHC_IDLE(...) ::bhc::host::idle({__VA_ARGS__})

namespace bhc {

template <class T, unsigned Depth>
using channel = host::channel<T, Depth>;

}  // namespace bhc

#else

#include <hls_stream.h>

#define BHC_RUN(name, ...) __VA_ARGS__
#define BHC_WAIT()
#define BHC_IDLE(...)

namespace bhc {

// The vendor's stream takes its depth as a second parameter; the open one has none.
namespace detail {
template <template <class, int> class Stream, class T, int Depth>
Stream<T, Depth> &choose(int);
template <template <class> class Stream, class T, int Depth>
Stream<T> &choose(long);
}  // namespace detail

template <class T, unsigned Depth>
using channel = std::remove_reference_t<decltype(detail::choose<hls::stream, T, static_cast<int>(Depth)>(0))>;

}  // namespace bhc

#endif

namespace bhc {

template <unsigned Width, unsigned Depth>
using stream = channel<bits<Width>, Depth>;

template <class In>
void drain(In &in, unsigned beats) {
  for (unsigned i = 0; i < beats; i++) {
    BHC_PRAGMA(HLS pipeline II=1)
    in.read();
  }
}

constexpr unsigned beyond(unsigned count, unsigned first) { return count > first ? count - first : 0; }

}  // namespace bhc
