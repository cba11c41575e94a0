// Stream width converter: beats of InLanes elements in, beats of OutLanes elements out; one must divide the other.
//
//   InLanes < OutLanes   OutLanes/InLanes beats become one; the first goes to the low lanes
//   InLanes > OutLanes   a beat becomes InLanes/OutLanes, low lanes first
// beats: of the input, a whole number of output beats. One beat a cycle on the narrow side.
#pragma once

#include "bhc_stream.hpp"

namespace bhc {

template <unsigned Bits, unsigned InLanes, unsigned OutLanes, class In, class Out>
void width(In &in, Out &out, unsigned beats) {
  static_assert(InLanes % OutLanes == 0 || OutLanes % InLanes == 0, "bhc::width: the lanes do not divide");
  constexpr unsigned InWidth = InLanes * Bits, OutWidth = OutLanes * Bits;
  if constexpr (InLanes == OutLanes) {
    for (unsigned i = 0; i < beats; i++) {
      BHC_PRAGMA(HLS pipeline II=1)
      out.write(in.read());
    }
  } else if constexpr (InLanes < OutLanes) {
    constexpr unsigned Parts = OutLanes / InLanes;
    // Shifted down as parts enter at the top.
    bits<OutWidth> word = bits<OutWidth>::zero();
    for (unsigned i = 0; i < beats / Parts; i++) {
      for (unsigned part = 0; part < Parts; part++) {
        BHC_PRAGMA(HLS pipeline II=1)
        word.insert(0, word.template extract<OutWidth - InWidth>(InWidth));
        word.insert(OutWidth - InWidth, in.read());
        if (part == Parts - 1) out.write(word);
      }
    }
  } else {
    constexpr unsigned Parts = InLanes / OutLanes;
    bits<InWidth> word = bits<InWidth>::zero();
    for (unsigned i = 0; i < beats; i++) {
      for (unsigned part = 0; part < Parts; part++) {
        BHC_PRAGMA(HLS pipeline II=1)
        if (part == 0) {
          word = in.read();
        } else {
          word.insert(0, word.template extract<InWidth - OutWidth>(OutWidth));
        }
        out.write(word.template extract<OutWidth>(0));
      }
    }
  }
}

}  // namespace bhc
