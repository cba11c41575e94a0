// Copies a stream to Sinks sinks. Every sink takes each beat once, in its own time: one that is full does not keep the present
// beat from the others. The next beat is taken when all have the present one. One beat a cycle.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Width, unsigned Sinks, class In, class... Out>
void fork(In &in, unsigned beats, Out &...out) {
  static_assert(sizeof...(Out) == Sinks, "bhc::fork: as many streams as sinks");
  bits<Width> beat = bits<Width>::zero();
  bool pending[Sinks] = {};  // sinks that wait for the present beat
  BHC_PRAGMA(HLS array_partition variable=pending complete)
  bool held = false;  // any of them does
  for (unsigned taken = 0; taken < beats || held;) {
    BHC_PRAGMA(HLS pipeline II=1)
    if (!held) {
      beat = in.read();
      taken++;
      for (unsigned i = 0; i < Sinks; i++) {
        BHC_PRAGMA(HLS unroll)
        pending[i] = true;
      }
    }
    bool moved = false;
    held = false;
    unsigned i = 0;
    const auto give = [&](auto &sink) {
      if (pending[i] && !sink.full()) {
        sink.write(beat);
        pending[i] = false;
        moved = true;
      }
      held |= pending[i];
      i++;
    };
    (give(out), ...);
    if (!moved) {
      i = 0;
      BHC_IDLE(host::writing(out, pending[i++])...);
    }
  }
}

}  // namespace bhc
