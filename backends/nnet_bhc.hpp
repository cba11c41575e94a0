// Layers that hls4ml has no exact form of: step functions, sums over all positions, and the index of the largest.
//
// As hls4ml's own layers, each is a function of namespace nnet in two forms: on arrays in stream order (io_parallel),
// and on streams whose beats hold the channels of a position (io_stream). All arithmetic is on integers and exact;
// res_T must hold every result. What CONFIG_T has to define:
//
//   bhc_threshold   n_in elements, n_chan channels; depth and nodes = 2^depth - 1 of a channel's search tree; levels,
//                   base, bipolar; any_descending; types threshold_t, descending_t
//   bhc_sum         n_in, n_chan
//   bhc_argmax      n_in
#ifndef NNET_BHC_HPP_
#define NNET_BHC_HPP_

#include "hls_stream.h"
#include "nnet_common.h"
#include "nnet_types.h"

namespace nnet {

// The step function of one channel. With `count` the number of its thresholds that are <= x, level = count, or
// levels - count where descending; the result is base + level, or -1 and +1 for level 0 and 1 if bipolar.
//
// thresholds[channel * nodes + i]: a binary search tree in breadth-first order, node 0 is its root. Its in-order
// sequence is the ascending thresholds, filled up with values above every x.
template <class data_T, typename CONFIG_T>
int bhc_step(data_T x, unsigned channel, typename CONFIG_T::threshold_t thresholds[CONFIG_T::n_chan * CONFIG_T::nodes],
             typename CONFIG_T::descending_t descending[CONFIG_T::n_chan]) {
    #pragma HLS INLINE

    unsigned node = 1; // one-based
Descend:
    for (unsigned step = 0; step < CONFIG_T::depth; step++) {
        #pragma HLS UNROLL
        node = 2 * node + (x >= thresholds[channel * CONFIG_T::nodes + node - 1] ? 1 : 0);
    }
    const int count = int(node) - int(CONFIG_T::nodes + 1);
    const int level = CONFIG_T::any_descending && descending[channel] != 0 ? int(CONFIG_T::levels) - count : count;
    return CONFIG_T::bipolar ? 2 * level - 1 : CONFIG_T::base + level;
}

template <class data_T, class res_T, typename CONFIG_T>
void bhc_threshold(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_in],
                   typename CONFIG_T::threshold_t thresholds[CONFIG_T::n_chan * CONFIG_T::nodes],
                   typename CONFIG_T::descending_t descending[CONFIG_T::n_chan]) {
    #pragma HLS PIPELINE
    #pragma HLS ARRAY_PARTITION variable=thresholds complete
    #pragma HLS ARRAY_PARTITION variable=descending complete

Positions:
    for (unsigned i = 0; i < CONFIG_T::n_in; i += CONFIG_T::n_chan) {
    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            res[i + c] = res_T(bhc_step<data_T, CONFIG_T>(data[i + c], c, thresholds, descending));
        }
    }
}

template <class data_T, class res_T, typename CONFIG_T>
void bhc_threshold(hls::stream<data_T> &data, hls::stream<res_T> &res,
                   typename CONFIG_T::threshold_t thresholds[CONFIG_T::n_chan * CONFIG_T::nodes],
                   typename CONFIG_T::descending_t descending[CONFIG_T::n_chan]) {
    static_assert(data_T::size == CONFIG_T::n_chan && res_T::size == CONFIG_T::n_chan, "a beat holds all channels");
    #pragma HLS ARRAY_PARTITION variable=thresholds complete
    #pragma HLS ARRAY_PARTITION variable=descending complete

Positions:
    for (unsigned i = 0; i < CONFIG_T::n_in / CONFIG_T::n_chan; i++) {
        #pragma HLS PIPELINE
        data_T in = data.read();
        res_T out;
        PRAGMA_DATA_PACK(out)
    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            out[c] = typename res_T::value_type(
                bhc_step<typename data_T::value_type, CONFIG_T>(in[c], c, thresholds, descending));
        }
        res.write(out);
    }
}

// The sum of every channel over all positions.
template <class data_T, class res_T, typename CONFIG_T>
void bhc_sum(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_chan]) {
    #pragma HLS PIPELINE

Channels:
    for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
        res_T sum = 0;
    Positions:
        for (unsigned i = c; i < CONFIG_T::n_in; i += CONFIG_T::n_chan) {
            sum += data[i];
        }
        res[c] = sum;
    }
}

template <class data_T, class res_T, typename CONFIG_T> void bhc_sum(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    static_assert(data_T::size == CONFIG_T::n_chan && res_T::size == CONFIG_T::n_chan, "a beat holds all channels");

    typename res_T::value_type sum[CONFIG_T::n_chan];
    #pragma HLS ARRAY_PARTITION variable=sum complete

Clear:
    for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
        #pragma HLS UNROLL
        sum[c] = 0;
    }
Positions:
    for (unsigned i = 0; i < CONFIG_T::n_in / CONFIG_T::n_chan; i++) {
        #pragma HLS PIPELINE
        data_T in = data.read();
    Channels:
        for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
            #pragma HLS UNROLL
            sum[c] += in[c];
        }
    }
    res_T out;
    PRAGMA_DATA_PACK(out)
Pack:
    for (unsigned c = 0; c < CONFIG_T::n_chan; c++) {
        #pragma HLS UNROLL
        out[c] = sum[c];
    }
    res.write(out);
}

// The index, in stream order, of the largest element; the first of equals.
template <class data_T, class res_T, typename CONFIG_T> void bhc_argmax(data_T data[CONFIG_T::n_in], res_T res[1]) {
    #pragma HLS PIPELINE

    data_T largest = data[0];
    unsigned index = 0;
Elements:
    for (unsigned i = 1; i < CONFIG_T::n_in; i++) {
        if (data[i] > largest) {
            largest = data[i];
            index = i;
        }
    }
    res[0] = res_T(index);
}

template <class data_T, class res_T, typename CONFIG_T>
void bhc_argmax(hls::stream<data_T> &data, hls::stream<res_T> &res) {
    static_assert(CONFIG_T::n_in % data_T::size == 0 && res_T::size == 1, "whole beats in, one index out");

    typename data_T::value_type largest = 0;
    unsigned index = 0;
Positions:
    for (unsigned i = 0; i < CONFIG_T::n_in; i += data_T::size) {
        #pragma HLS PIPELINE
        data_T in = data.read();
    Channels:
        for (unsigned c = 0; c < data_T::size; c++) {
            #pragma HLS UNROLL
            if (i + c == 0 || in[c] > largest) {
                largest = in[c];
                index = i + c;
            }
        }
    }
    res_T out;
    PRAGMA_DATA_PACK(out)
    out[0] = typename res_T::value_type(index);
    res.write(out);
}

} // namespace nnet

#endif
