"""The evaluator: the living definition of every op. Everything else must equal it bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

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
    windows,
)
from bhc.ir.types import Range, Type

Values = dict[str, IntArray]


class RangeError(ValueError):
    """A value left the range of its type: bad input data, or an unsound type rule."""


def _pad(x: IntArray, pads: Pads, value: int) -> IntArray:
    """Pad an (N, H, W, C) batch; negative pads crop it."""
    if not pads:
        return x
    height, width = x.shape[1:3]
    inside = x[:, max(0, -pads.top) : height + min(0, pads.bottom), max(0, -pads.left) : width + min(0, pads.right)]
    widths = ((0, 0), (max(0, pads.top), max(0, pads.bottom)), (max(0, pads.left), max(0, pads.right)), (0, 0))
    return np.pad(inside, widths, constant_values=value)


def _taps(x: IntArray, op: Conv | MaxPool | SumPool, fill: int) -> IntArray:
    """All windows of an (N, H, W, C) batch as (N, OH, OW, KH, KW, C), padded with `fill`; a read-only
    view.
    """
    oh, ow = windows((x.shape[1], x.shape[2], x.shape[3]), op)
    padded = _pad(x, op.pads, fill)
    n, h, w, c = padded.strides
    return np.lib.stride_tricks.as_strided(
        padded,
        (x.shape[0], oh, ow, *op.kernel, x.shape[3]),
        (n, h * op.stride[0], w * op.stride[1], h * op.dilation[0], w * op.dilation[1], c),
        writeable=False,
    )


def _exact_matmul(x: IntArray, weights: IntArray, bound: int) -> IntArray:
    """X (R, K) times weights (M, K) transposed, where no partial sum exceeds `bound` in magnitude.

    BLAS is the fast way to multiply integers in numpy, and exact while every partial sum fits the mantissa.
    """
    dtype: type[np.float32 | np.float64]
    if bound < 2**24:
        dtype = np.float32
    elif bound < 2**53:
        dtype = np.float64
    else:
        return x @ weights.T
    product: IntArray = (x.astype(dtype) @ weights.T.astype(dtype)).astype(np.int64)
    return product


def _magnitude(weights: IntArray, x: Range) -> int:
    """A bound of every partial sum of sum(w * x), per output (weights (M, K))."""
    return int(np.abs(weights).sum(axis=1).max()) * max(abs(x.lo), abs(x.hi))


def _conv(op: Conv, x: IntArray, x_type: Type) -> IntArray:
    taps = _taps(x, op, 0)
    n, oh, ow = taps.shape[:3]
    m, kh, kw, cg = op.weights.shape
    mg = m // op.groups
    out = np.empty((n, oh, ow, m), np.int64)
    for g in range(op.groups):
        columns = taps[..., g * cg : (g + 1) * cg].reshape(n * oh * ow, kh * kw * cg)
        rows = op.weights[g * mg : (g + 1) * mg].reshape(mg, -1)
        product = _exact_matmul(columns, rows, _magnitude(rows, x_type.range))
        out[..., g * mg : (g + 1) * mg] = product.reshape(n, oh, ow, mg)
    return out


_FEW_LEVELS = 15
"""Up to so many, comparing all values with a level at a time is faster than a binary search channel by channel."""


def _threshold(op: Threshold, x: IntArray) -> IntArray:
    count = np.zeros_like(x)
    if op.levels <= _FEW_LEVELS:
        for n in range(op.levels):
            count += x >= op.thresholds[:, n]
    elif len(op.thresholds) == 1:
        count = np.searchsorted(op.thresholds[0], x, side="right")
    else:
        for c, ascending in enumerate(op.thresholds):
            count[..., c] = np.searchsorted(ascending, x[..., c], side="right")
    level = np.where(op.descending, op.levels - count, count)
    return 2 * level - 1 if op.bipolar else op.base + level


def _hold(op: Hold, x: IntArray) -> IntArray:
    """Row by row over an (N, H, W, C) batch."""
    held = x.copy()
    for row in range(1, x.shape[1]):
        before = held[:, row - 1]
        held[:, row] = np.where(np.abs(x[:, row] - before) > op.threshold, x[:, row], before)
    return held


def apply(op: Op, operands: tuple[IntArray, ...], types: tuple[Type, ...]) -> IntArray:
    """The result of one op on batches (N, *shape) of its operands, whose types are given."""
    if isinstance(op, Frame) or (isinstance(op, Conv | MaxPool | SumPool) and op.endless):
        raise ValueError("an endless op has no value for a window alone: see bhc.ir.stream")
    batch = operands[0].shape[0]
    images = tuple(x.reshape(batch, *t.image) for x, t in zip(operands, types, strict=True))
    x = images[0]
    match op:
        case Conv():
            return _conv(op, x, types[0])
        case Dense():
            return _exact_matmul(x.reshape(batch, -1), op.weights, _magnitude(op.weights, types[0].range))
        case Threshold():
            return _threshold(op, x)
        case MaxPool():
            highest: IntArray = _taps(x, op, types[0].range.lo).max(axis=(3, 4))
            return highest
        case SumPool():
            total: IntArray = _taps(x, op, 0).sum(axis=(3, 4))
            return total
        case Add():
            return x + images[1]
        case Concat():
            return np.concatenate(images, axis=3)
        case Pad():
            return _pad(x, op.pads, op.value)
        case Argmax():
            index: IntArray = x.reshape(batch, -1).argmax(axis=1)
            return index
        case Hold():
            return _hold(op, x)
    assert_never(op)


def check(name: str, value: IntArray, value_type: Type) -> None:
    """Raise RangeError unless every element of the batch lies in the type."""
    lo, hi = int(value.min()), int(value.max())
    if lo not in value_type.range or hi not in value_type.range:
        raise RangeError(f"value '{name}' spans [{lo}, {hi}], outside its type {value_type}")
    if value_type.bipolar and bool(np.any(value == 0)):
        raise RangeError(f"bipolar value '{name}' holds a zero")


def evaluate(graph: Graph, inputs: Mapping[str, NDArray[np.integer]]) -> Values:
    """Every value of the graph, as int64 batches (N, *shape), for batches of its inputs.

    Raises RangeError if an input lies outside its type (and, as a self-check, if any value does).
    """
    values: Values = {}
    types = graph.types()
    for declared in graph.inputs:
        value = np.asarray(inputs[declared.name], np.int64)
        if value.shape[1:] != declared.type.shape:
            raise RangeError(f"input '{declared.name}' has the shape {value.shape[1:]}, not {declared.type.shape}")
        check(declared.name, value, declared.type)
        values[declared.name] = value
    for node in graph.nodes:
        values[node.name] = evaluate_node(node, values, types)
    return values


def evaluate_node(node: Node, values: Mapping[str, IntArray], types: Mapping[str, Type]) -> IntArray:
    """One node's value from those of its operands."""
    operands = tuple(values[name] for name in node.inputs)
    result = apply(node.op, operands, tuple(types[name] for name in node.inputs))
    result = np.ascontiguousarray(result.reshape(operands[0].shape[0], *node.type.shape))
    check(node.name, result, node.type)
    return result
