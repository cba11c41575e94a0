// The edge of a design: AXI4-Stream on one side, beats of a stream on the other.
//
//   axis<W>          a transfer of W bits, W a multiple of 8: data, and last at the end of a packet
//   axis_stream<W>   a stream of transfers
//   from_axis        the low Width bits of each transfer; last is ignored, since the design counts beats
//   to_axis          a beat a transfer, zeros above it; last with the last of every `beats` beats, the end of a window
//
// One transfer a cycle. In the synthesizer a transfer is an ap_axiu with all bytes kept.
#pragma once

#include "bhc_stream.hpp"

#ifndef BHC_HOST
#include <ap_axi_sdata.h>
#endif

namespace bhc {

// Width of the transfers that carry beats of Width bits: whole bytes.
constexpr unsigned axis_width(unsigned width) { return (width + 7) / 8 * 8; }

#ifdef BHC_HOST

template <unsigned W>
struct axis {
  bits<W> data;
  bool last;
};

template <unsigned W>
const bits<W> &recorded(const axis<W> &transfer) {
  return transfer.data;
}

template <unsigned W>
bits<W> axis_data(const axis<W> &transfer) {
  return transfer.data;
}

template <unsigned W>
axis<W> axis_transfer(const bits<W> &data, bool last) {
  return {data, last};
}

#else

template <unsigned W>
using axis = ap_axiu<W, 0, 0, 0>;

template <unsigned W>
bits<W> axis_data(const axis<W> &transfer) {
  using word = bits<W>;
  word data;
  for (unsigned i = 0; i < word::N; i++) {
    BHC_PRAGMA(HLS unroll)
    const unsigned lo = i * word::C, hi = lo + (i + 1 < word::N ? word::C : word::Rest) - 1;
    data.chunk[i] = transfer.data.range(hi, lo);
  }
  return data;
}

template <unsigned W>
axis<W> axis_transfer(const bits<W> &data, bool last) {
  using word = bits<W>;
  axis<W> transfer;
  for (unsigned i = 0; i < word::N; i++) {
    BHC_PRAGMA(HLS unroll)
    const unsigned lo = i * word::C, hi = lo + (i + 1 < word::N ? word::C : word::Rest) - 1;
    transfer.data.range(hi, lo) = data.chunk[i];
  }
  transfer.keep = -1;
  transfer.strb = -1;
  transfer.last = last;
  return transfer;
}

#endif

template <unsigned W>
using axis_stream = channel<axis<W>, 0>;

template <unsigned Width, class Out>
void from_axis(axis_stream<axis_width(Width)> &in, Out &out, unsigned beats) {
  for (unsigned i = 0; i < beats; i++) {
    BHC_PRAGMA(HLS pipeline II=1)
    out.write(resize<Width>(axis_data<axis_width(Width)>(in.read())));
  }
}

template <unsigned Width, class In>
void to_axis(In &in, axis_stream<axis_width(Width)> &out, unsigned beats, unsigned windows) {
  for (unsigned window = 0; window < windows; window++) {
    for (unsigned i = 0; i < beats; i++) {
      BHC_PRAGMA(HLS pipeline II=1)
      out.write(axis_transfer<axis_width(Width)>(resize<axis_width(Width)>(in.read()), i + 1 == beats));
    }
  }
}

}  // namespace bhc
