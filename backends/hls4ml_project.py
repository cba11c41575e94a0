"""A project of hls4ml (1.3) with the graph's exact values, and hls4ml's own C simulation of it.

The graph is given to hls4ml as its own list of layers, so that none of its front ends and none of their rewrites of
scales and thresholds is involved: all values, weights and biases are integers, and every type is wide enough for the
graph's ranges. docs/hls4ml.md says how every operation is expressed.

The plan, all under hls4ml/, is what hls4ml writes, without what changes from run to run or names the machine, and

    hls4ml/firmware/nnet_utils/nnet_bhc.hpp     layers that hls4ml has no exact form of
    hls4ml/tb_data/*.dat                        windows for hls4ml's test bench, and the outputs that are right

Diagnostics: BHC520 hls4ml cannot express an operation exactly, BHC521 hls4ml is missing or of another version.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from importlib import metadata
from importlib.resources import files
from io import StringIO
from math import prod
from pathlib import Path, PurePosixPath
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any, Literal, assert_never, get_args

import numpy as np
from numpy.typing import NDArray

from bhc.backends.compare import CosimResult, Mismatch, StreamRow, first_difference
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import identifiers
from bhc.backends.runner import Job, Tool, file_errors, find_compiler, find_program, run, write
from bhc.diagnostics import BhcError, Diagnostic, fail
from bhc.ir import text
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Graph, Node
from bhc.ir.ops import (
    Add,
    Argmax,
    Concat,
    Conv,
    Dense,
    Frame,
    Hold,
    IntArray,
    MaxPool,
    Op,
    Pad,
    Pads,
    SumPool,
    Threshold,
    accumulator_bounds,
)
from bhc.ir.pipeline import Pipeline
from bhc.ir.types import Range, Type

Io = Literal["stream", "parallel"]
Vendor = Literal["vitis", "vivado"]

FOLDER = "hls4ml"
_VERSION = "1.3."
_HEADER = "nnet_bhc.hpp"
#: hls4ml's name for the layers in it.
_OWN = "BhcLayer"
#: hls4ml builds a layer of more products than this with its Resource strategy: `maximum_size` in its project.tcl, the
#: size of arrays that its Latency strategy can unroll.
_MOST_UNROLLED = 4096
#: Readers of a stream that hls4ml can clone it for.
_MOST_CLONES = 7
#: Windows for the test bench.
_TEST_WINDOWS = 10
#: The model's default precision, which no value takes: every layer has its own.
_DEFAULT = "ap_int<64>"
_TOOL_TIMEOUT_S = 1800.0
#: Elements compared at once: bounds the memory that a long run takes.
_CHUNK_ELEMENTS = 1 << 22


# Types


def _precision(values: Range, least: int = 2) -> str:
    """The narrowest integer type for the range. Never ap_uint<1>, which hls4ml takes for -1 and +1."""
    return f"ap_{'' if values.signed else 'u'}int<{max(values.bits, least)}>"


def _value_precision(value: Type) -> str:
    """Bipolar values are -1 and +1 in two bits: they need the 0 of a padding, and hls4ml's arithmetic, too."""
    return _precision(value.range)


def _weight_precision(weights: IntArray) -> str:
    """Two signed bits are the weights -1, 0 and +1 for hls4ml: it takes -2 for +1."""
    values = Range(int(weights.min()), int(weights.max()))
    return _precision(values, least=3 if values.lo < -1 else 2)


# Layers, as hls4ml's list has them


@dataclass(frozen=True, eq=False, slots=True)
class _Layer:
    """One layer of hls4ml's.

    kind: its class there. precision: types by role (result, weight, bias, accum). binary: the weights are bipolar and
    stored in one bit. reuse: how often a multiplier is used for one position. traced: the C simulation shows its
    result.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    precision: Mapping[str, str]
    binary: bool = False
    reuse: int = 1
    traced: bool = False


@dataclass(frozen=True, slots=True)
class _Context:
    """What the lowering of a node needs to know: the layer and the type of every value, and the thresholds that become
    the sign of a layer's sum, by the name of that layer's node.
    """

    io: Io
    reuse: Mapping[str, int]
    names: Mapping[str, str]
    types: Mapping[str, Type]
    signs: Mapping[str, Threshold]


def _names(graph: Graph) -> dict[str, str]:
    """The layer of every value: words that differ in more than capitals, and that C++ and hls4ml have no use for."""
    values = [declared.name for declared in graph.inputs] + [node.name for node in graph.nodes]
    words = identifiers(values)
    return {value: f"v{number}_{words[value].lower()}" for number, value in enumerate(values)}


def _signs(graph: Graph) -> dict[str, Threshold]:
    """Thresholds that are the sign of a sum with a bias: bipolar, and the only reader of a layer that can add one."""
    users = graph.users()
    nodes = {node.name: node for node in graph.nodes}
    found = {}
    for node in graph.nodes:
        producer = nodes.get(node.inputs[0])
        if (
            isinstance(node.op, Threshold)
            and node.op.bipolar
            and not node.op.descending.any()
            and producer is not None
            and isinstance(producer.op, Conv | Dense)
            and len(users[producer.name]) == 1
            and producer.name not in graph.outputs
        ):
            found[producer.name] = node.op
    return found


# Axes: time is the width of hls4ml's one-dimensional layers


@dataclass(frozen=True, slots=True)
class _Axis:
    """hls4ml's names of a spatial axis and of its ends; its index in the pairs of an op."""

    name: str
    ends: tuple[str, str]
    index: int

    def pads(self, pads: Pads) -> tuple[int, int]:
        return ((pads.top, pads.bottom), (pads.left, pads.right))[self.index]


_TIME = (_Axis("width", ("left", "right"), 0),)
_IMAGE = (_Axis("height", ("top", "bottom"), 0), _Axis("width", ("left", "right"), 1))


def _axes(value: Type) -> tuple[_Axis, ...]:
    return _IMAGE if len(value.shape) == 3 else _TIME


def _sizes(before: str, value: Type) -> dict[str, int]:
    """Sizes along the axes, as in_width or out_height."""
    return {f"{before}_{axis.name}": value.shape[number] for number, axis in enumerate(_axes(value))}


def _pairs(before: str, axes: Sequence[_Axis], pair: tuple[int, int]) -> dict[str, int]:
    """A pair along the axes, as stride_width."""
    return {f"{before}_{axis.name}": pair[axis.index] for axis in axes}


def _ends(before: str, axes: Sequence[_Axis], pads: Pads) -> dict[str, int]:
    """Pads at the ends of the axes, as pad_left or crop_top."""
    named = ((end, count) for axis in axes for end, count in zip(axis.ends, axis.pads(pads), strict=True))
    return {f"{before}_{end}": count for end, count in named}


def _split(pads: Pads) -> tuple[Pads, Pads]:
    """(what is added, what is cut away): negative pads crop."""
    sides = (pads.top, pads.left, pads.bottom, pads.right)
    return Pads(*(max(0, side) for side in sides)), Pads(*(max(0, -side) for side in sides))


def _framed(name: str, kind: Literal["ZeroPadding", "Cropping"], x: Type, source: str, by: Pads) -> tuple[_Layer, Type]:
    """Zeros around an image, or its inside, and what type that is."""
    axes = _axes(x)
    sign, word = (1, "pad") if kind == "ZeroPadding" else (-1, "crop")
    spatial = (x.shape[number] + sign * sum(axis.pads(by)) for number, axis in enumerate(axes))
    made = Type((*spatial, x.channels), x.range, x.bipolar)
    attributes = {
        "data_format": "channels_last",
        "n_chan": x.channels,
        **_sizes("in", x),
        **_sizes("out", made),
        **_ends(word, axes, by),
    }
    return _Layer(name, f"{kind}{len(axes)}D", (source,), attributes, {"result": _value_precision(x)}), made


def _window_source(node: Node, pads: Pads, context: _Context, *, padded: bool) -> tuple[list[_Layer], str, Type, Pads]:
    """Layers before one that moves a window, the one it reads, its type, and the pads that are left to it.

    padded: zeros are added here, too.
    """
    name, source, x = context.names[node.name], context.names[node.inputs[0]], context.types[node.inputs[0]]
    added, cut = _split(pads)
    layers = []
    if cut:
        layer, x = _framed(f"{name}_crop", "Cropping", x, source, cut)
        layers.append(layer)
        source = layer.name
    if added and padded:
        layer, x = _framed(f"{name}_pad", "ZeroPadding", x, source, added)
        layers.append(layer)
        source, added = layer.name, Pads()
    return layers, source, x, added


# Sums of products


@dataclass(frozen=True, eq=False, slots=True)
class _Sums:
    """bias (M,), or None; the range of the results, and of every partial sum."""

    bias: IntArray | None
    result: Range
    partial: Range


def _sums(weights: IntArray, x: Range, sign: Threshold | None, *, padded: bool) -> _Sums:
    """Of weights (M, ...) over x, and of the bias that makes the threshold a sign: sum >= t is sum - t >= 0.

    Thresholds beyond what their channel's sum can be are pulled to its ends, where they decide the same.
    """
    least, greatest = accumulator_bounds(weights, x, padded=padded)
    lowest, highest = accumulator_bounds(weights, x, padded=True)
    bias = None
    if sign is not None:
        bias = -np.clip(np.broadcast_to(sign.thresholds[:, 0], least.shape), least, greatest + 1)
        least, greatest = least + bias, greatest + bias
        lowest, highest = lowest + np.minimum(bias, 0), highest + np.maximum(bias, 0)
    partial = Range(min(int(lowest.min()), 0), max(int(highest.max()), 0))
    return _Sums(bias, Range(int(least.min()), int(greatest.max())), partial)


def _products(
    name: str, kind: str, source: str, attributes: Mapping[str, Any], weights: IntArray, sums: _Sums, reuse: int
) -> _Layer:
    """A layer of products; weights in the order that it has in hls4ml."""
    precision = {"result": _precision(sums.result), "accum": _precision(sums.partial)}
    binary = bool(np.all(np.abs(weights) == 1))
    if not binary:
        precision["weight"] = _weight_precision(weights)
    if sums.bias is not None:
        precision["bias"] = _precision(Range(int(sums.bias.min()), int(sums.bias.max())))
    key = "depthwise_data" if kind.startswith("Depthwise") else "weight_data"
    bias = None if sums.bias is None else sums.bias.astype(np.float64)
    attributes = {**attributes, key: weights.astype(np.float64), "bias_data": bias}
    return _Layer(name, kind, (source,), attributes, precision, binary, reuse)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def _reuse(n_in: int, n_out: int, wanted: int, *, beyond_inputs: bool) -> int:
    """The greatest reuse factor up to `wanted` that hls4ml takes for n_in x n_out products, but the least at which it
    can unroll them, if that is more. beyond_inputs: whether it may exceed n_in.
    """
    valid = _divisors(n_in)
    if beyond_inputs:
        valid += [n_in * factor for factor in _divisors(n_out) if factor > 1]
    least = next((factor for factor in valid if n_in * n_out // factor <= _MOST_UNROLLED), valid[-1])
    return max(factor for factor in valid if factor <= max(wanted, least))


def _dilated(weights: IntArray, dilation: tuple[int, int]) -> IntArray:
    """Weights (M, KH, KW, C) with zeros between the taps, for a convolution without dilation."""
    m, kh, kw, c = weights.shape
    spread = np.zeros((m, (kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1, c), np.int64)
    spread[:, :: dilation[0], :: dilation[1]] = weights
    return spread


def _ungrouped(weights: IntArray, groups: int) -> IntArray:
    """Weights (M, KH, KW, C / groups) with zeros for the channels of the other groups: (M, KH, KW, C)."""
    m, kh, kw, c = weights.shape
    full = np.zeros((groups, m // groups, kh, kw, groups, c), np.int64)
    for group, part in enumerate(np.split(weights, groups)):
        full[group, :, :, :, group] = part
    return full.reshape(m, kh, kw, groups * c)


def _conv(node: Node, op: Conv, context: _Context) -> list[_Layer]:
    x = context.types[node.inputs[0]]
    axes, filters = _axes(x), op.weights.shape[0]
    # hls4ml adds padding layers to streams itself, but before the first reader of a value, not the right one.
    layers, source, inside, pads = _window_source(node, op.pads, context, padded=context.io == "stream")
    weights = _dilated(op.weights, op.dilation)
    depthwise = op.groups == x.channels == filters > 1
    if depthwise:
        ordered = weights[:, :, :, 0].transpose(1, 2, 0)
    else:
        ordered = (_ungrouped(weights, op.groups) if op.groups > 1 else weights).transpose(1, 2, 3, 0)
    kernel = weights.shape[1], weights.shape[2]
    attributes = {
        "data_format": "channels_last",
        "n_chan": x.channels,
        "n_filt": filters,
        **_sizes("in", inside),
        **_sizes("out", node.type),
        **_pairs("filt", axes, kernel),
        **_pairs("stride", axes, op.stride),
        **_ends("pad", axes, pads),
    }
    kind = f"{'Depthwise' if depthwise else ''}Conv{len(axes)}D"
    if len(axes) == 1:
        ordered = ordered[:, 0]
    if depthwise:
        reuse = 1  # hls4ml has no Resource strategy for depthwise layers on arrays
    else:
        # On arrays it reads beyond the weights if a factor exceeds the number of inputs.
        fan_in, wanted = prod(kernel) * x.channels, context.reuse.get(node.name, 1)
        reuse = _reuse(fan_in, filters, wanted, beyond_inputs=context.io == "stream")
    sums = _sums(op.weights, x.range, context.signs.get(node.name), padded=bool(op.pads))
    return [*layers, _products(context.names[node.name], kind, source, attributes, ordered, sums, reuse)]


def _dense(node: Node, op: Dense, context: _Context) -> list[_Layer]:
    name, source, x = context.names[node.name], context.names[node.inputs[0]], context.types[node.inputs[0]]
    n_out, n_in = op.weights.shape
    layers = []
    if len(x.shape) > 1:
        shape = {"target_shape": [x.elements]}
        layers.append(_Layer(f"{name}_flat", "Reshape", (source,), shape, {"result": _value_precision(x)}))
        source = f"{name}_flat"
    reuse = _reuse(n_in, n_out, context.reuse.get(node.name, 1), beyond_inputs=True)
    sums = _sums(op.weights, x.range, context.signs.get(node.name), padded=False)
    return [*layers, _products(name, "Dense", source, {"n_in": n_in, "n_out": n_out}, op.weights.T, sums, reuse)]


# The other operations


def _own(node: Node, function: str, constants: Mapping[str, int], context: _Context, **memories: Any) -> _Layer:
    """A layer of nnet_bhc.hpp. memories: (values, precision) by name, in the order of the function's parameters."""
    attributes = {
        "function": f"nnet::bhc_{function}",
        "shape": list(node.type.shape),
        "constants": {"n_in": context.types[node.inputs[0]].elements, **constants},
        "memories": memories,
    }
    source, result = context.names[node.inputs[0]], _value_precision(node.type)
    return _Layer(context.names[node.name], _OWN, (source,), attributes, {"result": result})


def _search_tree(ascending: IntArray, above: int) -> IntArray:
    """Sorted rows (C, N), filled up with `above`, as complete binary search trees in breadth-first order."""
    channels, levels = ascending.shape
    depth = max(levels.bit_length(), 1)
    full = np.full((channels, (1 << depth) - 1), above, np.int64)
    full[:, :levels] = ascending
    order = [(2 * place + 1) * (1 << (depth - step - 1)) - 1 for step in range(depth) for place in range(1 << step)]
    return full[:, order]


def _threshold(node: Node, op: Threshold, context: _Context) -> _Layer:
    x = context.types[node.inputs[0]]
    if context.signs.get(node.inputs[0]) is op:
        attributes = {"activation": "binary_tanh", "n_in": x.elements}
        result = {"result": _value_precision(node.type)}
        return _Layer(context.names[node.name], "Activation", (context.names[node.inputs[0]],), attributes, result)
    # Below the least value, and above the greatest, thresholds decide the same wherever they are.
    tree = _search_tree(np.clip(op.thresholds, x.range.lo, x.range.hi + 1), x.range.hi + 1)
    tree = np.broadcast_to(tree, (x.channels, tree.shape[1]))
    descending = np.broadcast_to(op.descending, (x.channels,)).astype(np.int64)
    constants = {
        "n_chan": x.channels,
        "depth": tree.shape[1].bit_length(),
        "nodes": tree.shape[1],
        "levels": op.levels,
        "base": op.base,
        "bipolar": int(op.bipolar),
        "any_descending": int(descending.any()),
    }
    precision = _precision(Range(x.range.lo, x.range.hi + 1))
    memories = {"threshold": (tree, precision), "descending": (descending, "ap_uint<1>")}
    return _own(node, "threshold", constants, context, **memories)


def _max_pool(node: Node, op: MaxPool, context: _Context) -> list[_Layer]:
    # Zeros never win among values that are not negative; otherwise hls4ml pads with the least value, on arrays alone.
    nonnegative = context.types[node.inputs[0]].range.lo >= 0
    layers, source, x, pads = _window_source(node, op.pads, context, padded=nonnegative)
    axes = _axes(x)
    sizes = {**_sizes("in", x), **_sizes("out", node.type)}
    if axes is _TIME:
        sizes = {"n_in": x.shape[0], "n_out": node.type.shape[0]}
    attributes = {
        "data_format": "channels_last",
        "n_filt": x.channels,
        **sizes,
        **_pairs("pool", axes, op.kernel),
        **_pairs("stride", axes, op.stride),
        **_ends("pad", axes, pads),
    }
    precision = {"result": _value_precision(node.type), "accum": _value_precision(node.type)}
    return [*layers, _Layer(context.names[node.name], f"MaxPooling{len(axes)}D", (source,), attributes, precision)]


def _sum_pool(node: Node, op: SumPool, context: _Context) -> list[_Layer]:
    x = context.types[node.inputs[0]]
    if op.kernel == x.image[:2] and not op.pads:
        return [_own(node, "sum", {"n_chan": x.channels}, context)]
    ones = np.ones((x.channels, *op.kernel, 1), np.int64)
    return _conv(node, Conv(ones, op.stride, pads=op.pads, groups=x.channels), context)


def _concat(node: Node, context: _Context) -> list[_Layer]:
    """hls4ml's layer takes two operands."""
    name, (first, *others) = context.names[node.name], (context.names[value] for value in node.inputs)
    attributes = {"axis": -1, "op": f"Concatenate{len(node.type.shape)}d"}
    precision = {"result": _value_precision(node.type)}
    layers: list[_Layer] = []
    for number, other in enumerate(others, 1):
        made = name if number == len(others) else f"{name}_{number}"
        layers.append(_Layer(made, "Concatenate", (first, other), attributes, precision))
        first = made
    return layers


def _pad(node: Node, op: Pad, context: _Context) -> list[_Layer]:
    layers, source, x, _ = _window_source(node, op.pads, context, padded=True)
    if not layers:
        layers = [_framed("", "ZeroPadding", x, source, Pads())[0]]
    return [*layers[:-1], replace(layers[-1], name=context.names[node.name])]


def _lower(node: Node, context: _Context) -> list[_Layer]:
    """The layers of a node; the last one has its value, or, if that becomes a sign, the sum with the bias."""
    op = node.op
    match op:
        case Conv():
            return _conv(node, op, context)
        case Dense():
            return _dense(node, op, context)
        case Threshold():
            return [_threshold(node, op, context)]
        case MaxPool():
            return _max_pool(node, op, context)
        case SumPool():
            return _sum_pool(node, op, context)
        case Add():
            operands = tuple(context.names[value] for value in node.inputs)
            result = {"result": _value_precision(node.type)}
            return [_Layer(context.names[node.name], "Merge", operands, {"op": "Add"}, result)]
        case Concat():
            return _concat(node, context)
        case Pad():
            return _pad(node, op, context)
        case Argmax():
            return [_own(node, "argmax", {}, context)]
        case Frame():
            raise AssertionError("streamed graphs do not come here")
        case Hold():
            raise AssertionError("_limits refuses it")
    assert_never(op)


def _layers(graph: Graph, io: Io, reuse: Mapping[str, int]) -> list[_Layer]:
    context = _Context(io, reuse, _names(graph), graph.types(), _signs(graph))
    layers = [
        _Layer(
            context.names[declared.name],
            "InputLayer",
            (),
            {"input_shape": list(declared.type.shape)},
            {"result": _value_precision(declared.type)},
        )
        for declared in graph.inputs
    ]
    for node in graph.nodes:
        *before, last = _lower(node, context)
        layers += [*before, replace(last, traced=node.name not in context.signs)]
    return layers


# Limits


def _limit(op: Op, x: Type, io: Io) -> str:
    """Why hls4ml cannot express an operation on x exactly; empty if it can."""
    match op:
        case MaxPool() if op.dilation != (1, 1):
            return f"its pools have no dilation (here {op.dilation[0]}x{op.dilation[1]})"
        case MaxPool() if io == "stream" and x.range.lo < 0 and _split(op.pads)[0]:
            return f"it pads streams with 0 only, which would win over values in {x.range}"
        case MaxPool() if io == "stream" and len(x.shape) == 3 and op.kernel != op.stride:
            kernel, stride = ("x".join(str(size) for size in pair) for pair in (op.kernel, op.stride))
            return f"its two-dimensional pools of streams have the stride of their size (here {stride}, of {kernel})"
        case Pad() if op.value != 0 and _split(op.pads)[0]:
            return f"it pads with 0 only (here {op.value})"
        case Hold():
            return "its layers remember nothing from row to row"
        case _:
            return ""


def _limits(graph: Graph, io: Io) -> Iterator[Diagnostic]:
    """Everything that hls4ml cannot express."""
    types, users = graph.types(), graph.users()
    for node in graph.nodes:
        limit = _limit(node.op, types[node.inputs[0]], io)
        readers = len(users[node.name]) + graph.outputs.count(node.name)
        if not limit and io == "stream" and readers > _MOST_CLONES:
            limit = f"a stream has at most {_MOST_CLONES} readers (here {readers})"
        if limit:
            yield Diagnostic(
                "BHC520",
                f"hls4ml cannot express this {type(node.op).__name__.lower()} exactly: {limit}",
                origin=", ".join(f"'{name}'" for name in node.origin or (node.name,)),
                hint="bhc compile --backend hls",
            )


# hls4ml


def _installed() -> None:
    """Raise BHC521 unless the hls4ml that this is written for is there."""
    try:
        version = metadata.version("hls4ml")
    except metadata.PackageNotFoundError as error:
        raise fail("BHC521", "hls4ml is not installed", hint="pip install 'bhc[hls4ml]'") from error
    if not version.startswith(_VERSION):
        message = f"hls4ml {version} is installed, and only {_VERSION}x is known to give exact values"
        raise fail("BHC521", message, hint="pip install 'bhc[hls4ml]'")


@cache
def _extend() -> None:
    """Make the layers of nnet_bhc.hpp known to hls4ml, by its extension API."""
    from hls4ml.backends import get_backend
    from hls4ml.backends.template import FunctionCallTemplate, LayerConfigTemplate
    from hls4ml.model.layers import Layer, register_layer

    class BhcLayer(Layer):  # type: ignore[misc]
        def initialize(self) -> None:
            self.add_output_variable(self.get_attr("shape"))
            for name, (values, precision) in self.get_attr("memories").items():
                kind = self.model.config.backend.convert_precision_string(precision)
                self.add_weights_variable(name, f"{name}{{index}}", precision=kind, data=values.astype(np.float64))

    class Config(LayerConfigTemplate):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(BhcLayer)

        def format(self, node: Any) -> str:
            lines = [
                f"static const {'int' if name == 'base' else 'unsigned'} {name} = {value};"
                for name, value in node.get_attr("constants").items()
            ]
            lines += [f"typedef {node.get_weights(name).type.name} {name}_t;" for name in node.get_attr("memories")]
            return "".join((f"struct config{node.index} {{\n", *(f"    {line}\n" for line in lines), "};\n"))

    class Call(FunctionCallTemplate):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(BhcLayer, include_header=[f"nnet_utils/{_HEADER}"])

        def format(self, node: Any) -> str:
            x, y = node.get_input_variable(), node.get_output_variable()
            arguments = (x.name, y.name, *(node.get_weights(name).name for name in node.get_attr("memories")))
            types = f"{x.type.name}, {y.type.name}, config{node.index}"
            return f"{node.get_attr('function')}<{types}>({', '.join(arguments)});"

    register_layer(_OWN, BhcLayer)
    for vendor in get_args(Vendor):
        backend = get_backend(vendor)
        backend.register_template(Config)
        backend.register_template(Call)


def _described(layer: _Layer) -> dict[str, Any]:
    """A layer as an entry of hls4ml's list."""
    from hls4ml.model.quantizers import BinaryQuantizer

    described = {"name": layer.name, "class_name": layer.kind, "inputs": list(layer.inputs), **layer.attributes}
    if layer.binary:
        key = "depthwise_quantizer" if layer.kind.startswith("Depthwise") else "weight_quantizer"
        described[key] = BinaryQuantizer(bits=1)
    return described


def _configured(layer: _Layer) -> dict[str, Any]:
    """What hls4ml's configuration says about a layer."""
    return {
        "Precision": dict(layer.precision),
        "ReuseFactor": layer.reuse,
        "Strategy": "Latency" if layer.reuse == 1 else "Resource",
        "Trace": layer.traced,
    }


def _written(
    layers: Sequence[_Layer], outputs: Sequence[str], settings: Mapping[str, Any], stamp: str
) -> dict[str, bytes]:
    """What hls4ml writes for them, by path; with the stamp instead of its own random one, and without its folder."""
    from hls4ml.backends import get_backend
    from hls4ml.model.graph import ModelGraph

    _extend()
    with TemporaryDirectory(prefix="bhc-hls4ml-") as folder:
        config = get_backend(settings["Backend"]).create_initial_config(
            part=settings["Part"], clock_period=settings["ClockPeriod"], io_type=settings["IOType"]
        )
        config |= settings
        config |= {
            "OutputDir": folder,
            "TraceOutput": True,
            "HLSConfig": {
                "Model": {"Precision": {"default": _DEFAULT}, "ReuseFactor": 1, "Strategy": "Latency"},
                "LayerName": {layer.name: _configured(layer) for layer in layers},
            },
        }
        inputs = [layer.name for layer in layers if layer.kind == "InputLayer"]
        # It prints warnings, about vendor tools among others; what it cannot do exactly was refused before.
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()), warnings.catch_warnings(action="ignore"):
            described = [_described(layer) for layer in layers]
            model = ModelGraph.from_layer_list(config, described, inputs, list(outputs))
            model.write()
        paths = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
        found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    for name, start, value in (
        ("build_lib.sh", "LIB_STAMP=", stamp),
        ("hls4ml_config.yml", "Stamp: ", f"'{stamp}'"),
        ("hls4ml_config.yml", "OutputDir: ", "."),
    ):
        pattern = re.compile(rf"^{start}.*$".encode(), re.MULTILINE)
        found[name] = pattern.sub(f"{start}{value}".encode(), found[name])
    return found


# The plan


def reuse_factors(pipeline: Pipeline, graph: Graph) -> dict[str, int]:
    """How often the schedule of a graph uses a multiplier for one position, by node: hls4ml's reuse factor."""
    nodes = {node.name: node for node in graph.nodes}
    found = {}
    for stage in pipeline.stages:
        if stage.kernel == "bhc_mvu":
            node = nodes[stage.value]
            name = node.inputs[0] if isinstance(node.op, Threshold) else node.name
            found[name] = stage.params["Nf"] * stage.params["Sf"]
    return found


def _test_bench(graph: Graph) -> dict[str, str]:
    """Windows and right outputs for hls4ml's test bench, a window a line: the least and the greatest values first."""
    rng = np.random.default_rng(0)
    inputs = {}
    for declared in graph.inputs:
        lo, hi = declared.type.range.lo, declared.type.range.hi
        x = rng.integers(lo, hi, (_TEST_WINDOWS, *declared.type.shape), endpoint=True)
        x[0], x[1] = lo, hi
        inputs[declared.name] = np.where(x < 0, -1, 1) if declared.type.bipolar else x
    values = evaluate(graph, inputs)

    def lines(names: Iterable[str]) -> str:
        rows = np.concatenate([values[name].reshape(_TEST_WINDOWS, -1) for name in names], axis=1)
        return "".join(" ".join(str(value) for value in row) + "\n" for row in rows)

    return {
        "tb_data/tb_input_features.dat": lines(inputs),
        "tb_data/tb_output_predictions.dat": lines(graph.outputs),
    }


def emit(
    graph: Graph,
    name: str,
    *,
    part: str,
    clock_mhz: float,
    io: Io,
    vendor: Vendor,
    reuse: Mapping[str, int] | None = None,
) -> BuildPlan:
    """The project of a graph (after bhc.ir.passes): the same bytes for the same arguments.

    name: of the model; the top function is bhc_<name>. reuse: the reuse factors wanted, by node (see reuse_factors),
    by default the least; hls4ml's nearest below is taken, and a layer that it cannot unroll gets the least that it
    can. Raises BhcError (BHC520, with every operation that hls4ml cannot express; BHC521).
    """
    if problems := tuple(_limits(graph, io)):
        raise BhcError(problems)
    _installed()
    layers = _layers(graph, io, reuse or {})
    project = f"bhc_{identifiers([name])[name].lower()}"
    settings = {
        "Backend": vendor.capitalize(),
        "ProjectName": project,
        "Part": part,
        "ClockPeriod": round(1000 / clock_mhz, 3),
        "IOType": f"io_{io}",
    }
    stamp = sha256(f"{text.dump(graph)}{settings}{reuse}".encode()).hexdigest()[:8]
    outputs = [_names(graph)[value] for value in graph.outputs]
    written = _written(layers, outputs, settings, stamp)
    contents: dict[str, bytes | str] = {**written, **_test_bench(graph)}
    contents[f"firmware/nnet_utils/{_HEADER}"] = (files("bhc") / "backends" / _HEADER).read_bytes()
    return BuildPlan({f"{FOLDER}/{path}": content for path, content in contents.items()})


# C simulation


def _project(sources: BuildPlan) -> str:
    """The name of a plan's project."""
    (bridge,) = sources.matching(f"{FOLDER}/*_bridge.cpp")
    return PurePosixPath(bridge).name.removesuffix("_bridge.cpp")


def compile_library(sources: BuildPlan, workdir: Path) -> Path:
    """hls4ml's C simulation of a plan of `emit`, in DIR/build/hls4ml: a library, built by its own build_lib.sh, and
    only if something has changed. Raises BhcError.
    """
    directory = workdir / "build" / FOLDER
    write(BuildPlan({name: sources.files[name] for name in sources.files if name.startswith(f"{FOLDER}/")}), directory)
    project, stamp = directory / FOLDER, directory / "digest.txt"
    # The library has the path of its weights in it.
    digest = f"{sources.digest()} {project.resolve()}\n"
    libraries = sorted((project / "firmware").glob("*.so"))
    with file_errors("read", stamp):
        if libraries and stamp.is_file() and stamp.read_text() == digest:
            return libraries[0]
    with file_errors("write", directory):
        stamp.unlink(missing_ok=True)
        for library in libraries:
            library.unlink()
    find_compiler()
    shell = find_program("bash", "hls4ml's build script needs it (Debian: apt install bash)")
    run(Job(shell, ("build_lib.sh",), project, workdir / "logs" / "hls4ml-build.log", _TOOL_TIMEOUT_S))
    with file_errors("write", stamp):
        stamp.write_text(digest)
    (library,) = (project / "firmware").glob("*.so")
    return library


def csim(
    sources: BuildPlan, graph: Graph, inputs: Mapping[str, IntArray], workdir: Path, *, trace: bool = True
) -> CosimResult:
    """Run N >= 1 windows through hls4ml's C simulation of a plan of `emit`, and compare every layer with the evaluator.

    Layers whose sum was shifted by a bias are compared behind their sign. trace: whether layers are compared, or the
    outputs alone. There are no cycles. DIR/build/hls4ml/run/seconds.txt has the time that the windows took. Raises
    BhcError if a tool is missing or fails.
    """
    library = compile_library(sources, workdir)
    types, names, signs = graph.types(), _names(graph), _signs(graph)
    traced = {names[node.name]: types[node.name].elements for node in graph.nodes if node.name not in signs}
    folder = workdir / "build" / FOLDER / "run"
    windows = next(iter(inputs.values())).shape[0]
    with file_errors("write", folder):
        if folder.is_dir():
            rmtree(folder)
        folder.mkdir(parents=True)
        data = {
            f"input{number}": inputs[declared.name].reshape(windows, -1).astype(np.float64)
            for number, declared in enumerate(graph.inputs)
        }
        np.savez(
            folder / "request.npz",
            outputs=np.array([types[name].elements for name in graph.outputs]),
            names=np.array(list(traced) if trace else [], np.str_),
            sizes=np.array(list(traced.values()) if trace else [], np.int64),
            allow_pickle=False,
            **data,
        )
    script = str(files("bhc") / "backends" / "hls4ml_run.py")
    arguments = (script, library.resolve(), f"{_project(sources)}_double", folder.resolve())
    run(Job(Tool((sys.executable, "-P")), arguments, folder, workdir / "logs" / "hls4ml-run.log"))
    records = {name: folder / f"trace_{names[name]}.f64" for name in types if trace and names[name] in traced}
    records |= {name: folder / f"output{number}.f64" for number, name in enumerate(graph.outputs)}
    return _compared(graph, inputs, {name: records[name] for name in types if name in records}, names)


def _integers(values: NDArray[np.float64]) -> IntArray:
    """Values as integers; one that is none becomes an integer that no type has."""
    whole = np.where(values == np.rint(values), values, np.iinfo(np.int32).min)
    return whole.astype(np.int64)


def _compared(
    graph: Graph, inputs: Mapping[str, IntArray], records: Mapping[str, Path], names: Mapping[str, str]
) -> CosimResult:
    """Records of values, float64, window after window, against the evaluator."""
    types = graph.types()
    windows = next(iter(inputs.values())).shape[0]
    chunk = max(1, _CHUNK_ELEMENTS // max(value.elements for value in types.values()))
    wrong = dict.fromkeys(records, 0)
    first: dict[str, Mismatch] = {}
    for start in range(0, windows, chunk):
        values = evaluate(graph, {name: x[start : start + chunk] for name, x in inputs.items()})
        for name, path in records.items():
            expected = values[name]
            with file_errors("read", path):
                got = np.fromfile(path, np.float64, expected.size, offset=start * types[name].elements * 8)
            row = _row(names[name], name, types[name], windows)
            count, difference = first_difference(row, _integers(got).reshape(expected.shape), expected, start)
            wrong[name] += count
            if difference is not None:
                first.setdefault(name, difference)
    rows = tuple(
        replace(_row(names[name], name, types[name], windows), mismatches=count) for name, count in wrong.items()
    )
    return CosimResult(
        windows=windows,
        values=sum(row.values for row in rows),
        mismatches=sum(wrong.values()),
        first_mismatch=next((first[name] for name in records if name in first), None),
        latency_cycles=None,
        cycles_per_window_measured=None,
        cycles=None,
        streams=rows,
    )


def _row(layer: str, value: str, value_type: Type, windows: int) -> StreamRow:
    """A layer's result; a beat holds the channels of a position. Nothing is compared yet."""
    elements = windows * value_type.elements
    return StreamRow(layer, layer, value, elements // value_type.channels, elements, 0)
