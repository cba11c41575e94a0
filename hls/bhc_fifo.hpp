// First-in first-out buffer of Depth beats: not a process, but the stream between its producer and its consumer.
//
// Style says where the beats lie (1 LUT memory, 2 block RAM, 0 the synthesizer's choice); a bind_storage directive beside the
// stream's definition carries it out.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Width, unsigned Depth, unsigned Style>
using fifo = stream<Width, Depth>;

}  // namespace bhc
