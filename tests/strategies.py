"""Hypothesis strategies: types, ops, whole graphs and inputs, all small, extremes favoured.

Bulk data (weights, inputs) come from a numpy generator whose seed is drawn: hypothesis then shrinks structure, not the
single weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import (
    Add,
    Argmax,
    Concat,
    Conv,
    Dense,
    Hold,
    IntArray,
    MaxPool,
    Op,
    Pad,
    Pads,
    SumPool,
    Threshold,
    window_count,
)
from bhc.ir.pipeline import Resources
from bhc.ir.types import Range, Type, bipolar

#: Large enough for every graph here, so that the goal alone decides how far a design is unfolded.
DEVICE = Resources(lut=10**6, ff=2 * 10**6, bram=1000.0, dsp=0)
#: Values wider than this are thresholded next, so that widths do not grow without end.
_WIDE = 12
_MAX_ELEMENTS = 600


@st.composite
def generators(draw: st.DrawFn) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


@st.composite
def filled(draw: st.DrawFn, shape: tuple[int, ...], lo: int, hi: int) -> IntArray:
    """An array of integers in [lo, hi]: random, at the ends, or constant."""
    rng = draw(generators())
    match draw(st.sampled_from(("random", "random", "ends", "lo", "hi"))):
        case "ends":
            return rng.choice(np.array([lo, hi], np.int64), shape)
        case "lo":
            return np.full(shape, lo, np.int64)
        case "hi":
            return np.full(shape, hi, np.int64)
        case _:
            return rng.integers(lo, hi, shape, np.int64, endpoint=True)


@st.composite
def ranges(draw: st.DrawFn) -> Range:
    """Powers of two and crooked ones, of either sign, with and without zero."""
    bits = draw(st.integers(1, 8))
    match draw(st.sampled_from(("unsigned", "signed", "crooked"))):
        case "unsigned":
            return Range(0, (1 << bits) - 1)
        case "signed":
            return Range(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        case _:
            lo = draw(st.integers(-200, 200))
            return Range(lo, lo + draw(st.integers(0, 60)))


@st.composite
def shapes(draw: st.DrawFn) -> tuple[int, ...]:
    """(T, C) mostly, (H, W, C) and (C,); prime and single channels."""
    channels = draw(st.sampled_from((1, 2, 3, 4, 5, 6, 7, 8, 12, 13)))
    match draw(st.sampled_from(("sequence", "sequence", "image", "vector"))):
        case "image":
            return draw(st.integers(1, 6)), draw(st.integers(1, 5)), min(channels, 6)
        case "vector":
            return (channels,)
        case _:
            return draw(st.integers(1, 14)), channels


@st.composite
def types(draw: st.DrawFn) -> Type:
    shape = draw(shapes())
    return bipolar(*shape) if draw(st.booleans()) else Type(shape, draw(ranges()))


@st.composite
def weights(draw: st.DrawFn, shape: tuple[int, ...]) -> IntArray:
    """Bipolar, ternary, unsigned and signed weights of 1 to 4 bits."""
    rng = draw(generators())
    match draw(st.sampled_from(("bipolar", "bipolar", "ternary", "unsigned", "signed"))):
        case "bipolar":
            return rng.choice(np.array([-1, 1], np.int64), shape)
        case "ternary":
            return rng.integers(-1, 2, shape, np.int64)
        case "unsigned":
            return draw(filled(shape, 0, (1 << draw(st.integers(1, 3))) - 1))
        case _:
            half = 1 << draw(st.integers(1, 3))
            return draw(filled(shape, -half, half - 1))


@dataclass(frozen=True)
class _Axis:
    """How a window moves along one axis."""

    kernel: int
    stride: int
    dilation: int
    before: int
    after: int


@st.composite
def _axis(draw: st.DrawFn, size: int, *, dilated: bool = True, most_padding: int = 3) -> _Axis:
    """A window that fits; as long as the axis, and longer with padding, now and then."""
    kernel = draw(st.integers(1, min(size + 1, 5)))
    dilation = draw(st.integers(1, 3)) if dilated and kernel > 1 else 1
    limit = min(most_padding, (kernel - 1) * dilation)
    before, after = draw(st.integers(0, limit)), draw(st.integers(0, limit))
    stride = draw(st.sampled_from((1, 1, 1, 2, 3)))
    if window_count(size, before, after, kernel, stride, dilation) < 1:
        return _Axis(min(size, kernel), stride, 1, 0, 0)
    return _Axis(kernel, stride, dilation, before, after)


@st.composite
def convolutions(draw: st.DrawFn, x: Type, *, same: bool = False) -> Conv:
    """A convolution that fits; `same`: one that keeps the image's size and its number of channels."""
    height, width, channels = x.image
    if same:
        kernel = draw(st.sampled_from((1, 3) if height > 1 else (1,)))
        pads = Pads(kernel // 2, 0, kernel // 2, 0)
        return Conv(draw(weights((channels, kernel, 1, channels))), pads=pads)
    groups = draw(st.sampled_from([1, *(g for g in range(1, channels + 1) if channels % g == 0), channels]))
    m = groups * draw(st.integers(1, max(1, 8 // groups)))
    h = draw(_axis(height))
    w = draw(_axis(width)) if len(x.shape) == 3 else _Axis(1, 1, 1, 0, 0)
    return Conv(
        draw(weights((m, h.kernel, w.kernel, channels // groups))),
        (h.stride, w.stride),
        (h.dilation, w.dilation),
        Pads(h.before, w.before, h.after, w.after),
        groups,
    )


@st.composite
def thresholds(draw: st.DrawFn, x: Type) -> Threshold:
    """Some within the range, some at its ends, some far outside; equal ones; either direction."""
    channels = draw(st.sampled_from((1, x.channels)))
    to_bipolar = draw(st.booleans())
    levels = 1 if to_bipolar else draw(st.sampled_from((1, 2, 3, 4, 7)))
    rng = draw(generators())
    lo, hi = x.range.lo, x.range.hi
    table = rng.integers(lo, hi + 1, (channels, levels), np.int64, endpoint=True)
    ends = np.array([lo - 1, lo, lo + 1, hi, hi + 1, hi + 2, -(10**6), 10**6], np.int64)
    at_ends = rng.random(table.shape) < draw(st.sampled_from((0.0, 0.2, 1.0)))
    table = np.sort(np.where(at_ends, rng.choice(ends, table.shape), table), axis=1)
    descending = rng.random(channels) < draw(st.sampled_from((0.0, 0.5, 1.0)))
    base = 0 if to_bipolar else draw(st.sampled_from((0, 0, -1, -(levels // 2) - 1, -9, 5)))
    return Threshold(table, descending, base, to_bipolar)


@st.composite
def max_pools(draw: st.DrawFn, x: Type) -> MaxPool:
    height, width, _ = x.image
    h = draw(_axis(height))
    w = draw(_axis(width)) if len(x.shape) == 3 else _Axis(1, 1, 1, 0, 0)
    stride = (h.kernel, w.kernel) if draw(st.booleans()) else (h.stride, w.stride)
    pads = Pads(h.before, w.before, h.after, w.after)
    return MaxPool((h.kernel, w.kernel), stride, (h.dilation, w.dilation), pads)


@st.composite
def sum_pools(draw: st.DrawFn, x: Type) -> SumPool:
    height, width, _ = x.image
    if draw(st.booleans()):
        return SumPool((height, width), (1, 1))
    h = draw(_axis(height, dilated=False))
    w = draw(_axis(width, dilated=False)) if len(x.shape) == 3 else _Axis(1, 1, 1, 0, 0)
    stride = (h.kernel, w.kernel) if draw(st.booleans()) else (h.stride, w.stride)
    return SumPool((h.kernel, w.kernel), stride, Pads(h.before, w.before, h.after, w.after))


@st.composite
def paddings(draw: st.DrawFn, x: Type) -> Pad:
    sides = [draw(st.integers(0, 2)) for _ in range(4)]
    if len(x.shape) == 2:
        sides[1] = sides[3] = 0
    value = draw(st.sampled_from((-1, 1) if x.bipolar else (x.range.lo, x.range.hi)))
    return Pad(Pads(*sides), value)


@st.composite
def holds(draw: st.DrawFn, x: Type) -> Hold:
    """From thresholds that let every change pass to those that let none."""
    span = x.range.hi - x.range.lo
    return Hold(draw(st.sampled_from((0, 1, 2, span // 8, span // 3, max(0, span - 1), span, 10**6))))


@st.composite
def denses(draw: st.DrawFn, x: Type) -> Dense:
    return Dense(draw(weights((draw(st.sampled_from((1, 2, 3, 4, 5, 8))), x.elements))))


@st.composite
def _layer(draw: st.DrawFn, x: Type) -> Op:
    """Any op of one operand that suits the type."""
    if x.bits > _WIDE:
        return draw(thresholds(x))
    if len(x.shape) == 1:
        return draw(st.one_of(denses(x), thresholds(x)))
    if x.elements > _MAX_ELEMENTS:
        return draw(st.one_of(max_pools(x), thresholds(x)))
    choices: tuple[st.SearchStrategy[Op], ...] = (
        *(convolutions(x), convolutions(x), thresholds(x), max_pools(x)),
        *(sum_pools(x), paddings(x), holds(x), denses(x)),
    )
    return draw(st.one_of(choices))


@st.composite
def _keeping(draw: st.DrawFn, x: Type) -> Op:
    """Any op that keeps the shape."""
    if x.bits > _WIDE or len(x.shape) == 1 or draw(st.booleans()):
        return draw(thresholds(x))
    if draw(st.sampled_from((False, False, True))):
        return draw(holds(x))
    return draw(convolutions(x, same=True))


@st.composite
def graphs(draw: st.DrawFn, max_blocks: int = 4) -> Graph:
    """A graph of one input and one output: layers, residual additions, concatenations, perhaps an argmax."""
    builder = Builder()
    value = builder.input("x", draw(types()))

    def add(op: Op, *operands: str) -> str:
        return builder.add(op, operands, name=type(op).__name__.lower(), origin=("made up",))

    def branch(start: str) -> str:
        for _ in range(draw(st.integers(0, 2))):
            start = add(draw(_keeping(builder.type(start))), start)
        return start

    for _ in range(draw(st.integers(1, max_blocks))):
        x = builder.type(value)
        match draw(st.sampled_from(("layer", "layer", "layer", "residual", "concat"))):
            case "residual" if x.bits <= _WIDE:
                value = add(Add(), branch(value), branch(value))
            case "concat" if x.bits <= _WIDE and x.elements <= _MAX_ELEMENTS:
                value = add(Concat(), *(branch(value) for _ in range(draw(st.integers(2, 3)))))
            case _:
                value = add(draw(_layer(x)), value)
    if draw(st.booleans()):
        value = add(Argmax(), value)
    if not any(node.name == value for node in builder.graph([value]).nodes):
        value = add(draw(thresholds(builder.type(value))), value)
    return builder.graph([value])


@st.composite
def inputs(draw: st.DrawFn, graph: Graph, windows: int) -> dict[str, IntArray]:
    """Input windows: the first all lowest, the second all highest, the others random or at the ends."""
    found = {}
    for declared in graph.inputs:
        x, shape = declared.type, (windows, *declared.type.shape)
        rng = draw(generators())
        levels = np.array([-1, 1]) if x.bipolar else np.arange(x.range.lo, x.range.hi + 1)
        values = rng.choice(levels, shape)
        values[windows // 2 :] = rng.choice(levels[[0, -1]], values[windows // 2 :].shape)
        values[:1], values[1:2] = levels[0], levels[-1]
        found[declared.name] = values
    return found


@st.composite
def _moving(draw: st.DrawFn, x: Type) -> Op:
    """A window op without padding in time."""
    height, width, channels = x.image
    kernel = draw(st.integers(1, min(height, 4)))
    dilation = draw(st.integers(1, 2)) if (kernel - 1) * 2 < height else 1
    stride = draw(st.sampled_from((1, 1, 1, 2, 3)))
    w = draw(_axis(width, dilated=False)) if len(x.shape) == 3 else _Axis(1, 1, 1, 0, 0)
    pads = Pads(0, w.before, 0, w.after)
    match draw(st.sampled_from(("conv", "conv", "depthwise", "max", "disjoint", "sum"))):
        case "conv":
            m = draw(st.sampled_from((1, 2, 3, 4, 6, 8)))
            weight = draw(weights((m, kernel, w.kernel, channels)))
            return Conv(weight, (stride, w.stride), (dilation, 1), pads)
        case "depthwise":
            weight = draw(weights((channels, kernel, w.kernel, 1)))
            return Conv(weight, (stride, w.stride), (dilation, 1), pads, channels)
        case "max":
            return MaxPool((kernel, w.kernel), (stride, w.stride), (dilation, 1), pads)
        case "sum":
            return SumPool((kernel, w.kernel), (stride, w.stride), pads, (dilation, 1))
        case _:
            return MaxPool((kernel, 1), (kernel, 1))


@st.composite
def streamable(draw: st.DrawFn) -> Graph:
    """A graph of which the most can be streamed: windows without padding in time, joins, and a head."""
    builder = Builder()
    width = draw(st.sampled_from((None, None, None, 2, 3)))
    shape = (draw(st.integers(6, 24)), *(() if width is None else (width,)), draw(st.sampled_from((1, 2, 3, 4, 6))))
    value = builder.input("x", bipolar(*shape) if draw(st.booleans()) else Type(shape, draw(ranges())))

    def add(op: Op, *operands: str) -> str:
        return builder.add(op, operands, name=type(op).__name__.lower(), origin=("made up",))

    for _ in range(draw(st.integers(1, 4))):
        x = builder.type(value)
        if x.bits > _WIDE or draw(st.sampled_from((False, False, True))):
            value = add(draw(thresholds(x)), value)
        elif draw(st.sampled_from((False, False, False, True))):
            pointwise = Conv(draw(weights((x.channels, 1, 1, x.channels))))
            other = Conv(draw(weights((x.channels, 1, 1, x.channels))))
            joins: tuple[Op, ...] = (Add(), Concat())
            value = add(draw(st.sampled_from(joins)), add(pointwise, value), add(other, value))
        elif draw(st.sampled_from((False, False, False, False, True))):
            value = add(draw(holds(x)), value)
        elif x.image[0] > 1:
            value = add(draw(_moving(x)), value)
    x = builder.type(value)
    match draw(st.sampled_from(("dense", "sum", "window", "argmax"))):
        case "dense":
            value = add(draw(denses(x)), value)
        case "sum":
            value = add(SumPool(x.image[:2], (1, 1)), value)
        case "window":
            value = add(Conv(draw(weights((3, *x.image)))), value)
        case _:
            value = add(Argmax(), value)
    return builder.graph([value])
