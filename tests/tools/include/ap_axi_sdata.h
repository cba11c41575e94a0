// The vendor's ap_axi_sdata.h, as far as bhc uses it: an AXI4-Stream transfer (UG1399, Programming AXI4-Stream Interfaces).
#pragma once

#include <ap_int.h>

template <int D, int U, int TI, int TD>
struct ap_axiu {
  static_assert(U == 0 && TI == 0 && TD == 0, "this stand-in has no TUSER, TID and TDEST");
  ap_uint<D> data;
  ap_uint<(D + 7) / 8> keep, strb;
  ap_uint<1> last;
};
