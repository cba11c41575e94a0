"""The operations of the IR: frozen dataclasses, with their type rules.

Every op is defined on exact integers. Windows are computed one by one, unless an op is `endless`: then its input is one
sequence that goes on from window to window (a window being the new rows of a hop), and so is its result. What endless
ops compute is defined by bhc.ir.stream, which unrolls them for a recording.

 A bipolar operand stands for -1 and +1. The evaluator (bhc.ir.evaluate)
gives the meaning of each op; `infer` here gives its type, with a range that is sound for every input in the
operands' ranges. Spatial attributes are pairs (time or height, width); a 1-D value (T, C) is the image (T, 1,
C).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never, cast

import numpy as np
from numpy.typing import NDArray

from bhc.ir.types import Kind, Range, Type, bipolar

IntArray = NDArray[np.int64]
Pair = tuple[int, int]


class TypeRuleError(ValueError):
    """An op was given operands that its type rule forbids: the graph is malformed."""


@dataclass(frozen=True, slots=True)
class Pads:
    """Rows and columns added around an image."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return (self.top, self.left, self.bottom, self.right) != (0, 0, 0, 0)


@dataclass(frozen=True, eq=False, slots=True)
class Conv:
    """Cross-correlation with integer weights, channel-last.

    weights: (M, KH, KW, C / groups), int64. Taps that fall on the padding contribute 0, whatever the kind of
    the input: a bipolar input is padded with true zeros although no wire can carry one (the schedule corrects
    the borders).
    """

    weights: IntArray
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pads: Pads = Pads()
    groups: int = 1
    endless: bool = False

    @property
    def kernel(self) -> Pair:
        return self.weights.shape[1], self.weights.shape[2]


@dataclass(frozen=True, eq=False, slots=True)
class Dense:
    """Matrix-vector product over the whole input, flattened in stream order (time-major, channel-last).

    weights: (M, K), int64; or int8, see `signs`.
    """

    weights: IntArray


@dataclass(frozen=True, eq=False, slots=True)
class Threshold:
    """A monotone step function of one integer per channel.

    thresholds: (C or 1, N) int64, ascending along N. descending: (C or 1,) bool.
    count = number of n with x >= thresholds[c, n]; level = N - count where descending, else count;
    the result is base + level, or, if bipolar, -1 and +1 for level 0 and 1 (then N = 1 and base = 0).
    """

    thresholds: IntArray
    descending: NDArray[np.bool_]
    base: int = 0
    bipolar: bool = False

    @property
    def levels(self) -> int:
        return int(self.thresholds.shape[1])


@dataclass(frozen=True, slots=True)
class MaxPool:
    """Maximum over each window; padding never wins."""

    kernel: Pair
    stride: Pair
    dilation: Pair = (1, 1)
    pads: Pads = Pads()
    endless: bool = False


@dataclass(frozen=True, slots=True)
class SumPool:
    """Sum over each window; padding contributes 0."""

    kernel: Pair
    stride: Pair
    pads: Pads = Pads()
    dilation: Pair = (1, 1)
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """Overlapping windows of an endless sequence: for each hop, `rows` rows, `dilation` apart, each begun `stride`
    rows after that of the hop before.
    """

    rows: int
    stride: int
    dilation: int = 1


@dataclass(frozen=True, slots=True)
class Hold:
    """Each element keeps its value from row to row until it differs by more than `threshold` (at least 0).

    y[0] = x[0]; y[t] = x[t] if |x[t] - y[t-1]| > threshold else y[t-1]. Every window begins anew.
    """

    threshold: int


@dataclass(frozen=True, slots=True)
class Add:
    """Sum of two values of the same shape."""


@dataclass(frozen=True, slots=True)
class Concat:
    """Channels of the operands, one after the other."""


@dataclass(frozen=True, slots=True)
class Pad:
    """Rows and columns of a constant that the type can carry (for a bipolar value -1 or +1)."""

    pads: Pads
    value: int


@dataclass(frozen=True, slots=True)
class Argmax:
    """Index, in stream order, of the largest element; the first of equals."""


Op = Conv | Dense | Threshold | MaxPool | SumPool | Add | Concat | Pad | Argmax | Frame | Hold
WindowOp = Conv | MaxPool | SumPool


def window_count(size: int, before: int, after: int, kernel: int, stride: int, dilation: int) -> int:
    """Number of window positions along one axis; below 1 if the kernel does not fit."""
    return (size + before + after - (kernel - 1) * dilation - 1) // stride + 1


def windows(image: tuple[int, int, int], op: Conv | MaxPool | SumPool) -> Pair:
    """(OH, OW), the window positions of a convolution or pooling over an (H, W, C) image."""
    height, width, _ = image
    oh = window_count(height, op.pads.top, op.pads.bottom, op.kernel[0], op.stride[0], op.dilation[0])
    ow = window_count(width, op.pads.left, op.pads.right, op.kernel[1], op.stride[1], op.dilation[1])
    if op.endless:
        if op.pads.top or op.pads.bottom or height % op.stride[0]:
            raise TypeRuleError(f"{height} rows a hop, moved by {op.stride[0]}, have no endless windows")
        oh = height // op.stride[0]
    if oh < 1 or ow < 1:
        raise TypeRuleError(f"a {op.kernel[0]}x{op.kernel[1]} window does not fit into {height}x{width}")
    return oh, ow


#: Signs, if there are so many, are kept in a byte each.
MANY = 1 << 22


def signs(positive: NDArray[np.bool_]) -> IntArray:
    """+1 and -1: int64, or int8 if there are MANY; whoever multiplies these has to widen them."""
    if positive.size < MANY:
        return np.where(positive, np.int64(1), np.int64(-1))
    narrow = positive.view(np.int8) * np.int8(2) - np.int8(1)
    return cast(IntArray, narrow)


def weight_kind(weights: IntArray) -> Kind:
    """How weights are stored: bipolar if all are -1 or +1, else by sign."""
    if bool(np.all(np.abs(weights) == 1)):
        return Kind.BIPOLAR
    return Kind.SIGNED if int(weights.min()) < 0 else Kind.UNSIGNED


def weight_bits(weights: IntArray) -> int:
    """Width of one stored weight."""
    if weight_kind(weights) == Kind.BIPOLAR:
        return 1
    return Range(int(weights.min()), int(weights.max())).bits


def accumulator_bounds(weights: IntArray, x: Range, *, padded: bool) -> tuple[IntArray, IntArray]:
    """Per output channel, the least and greatest value of sum(w * x) for x in the range; weights (M, ...).

    padded: some terms may be missing (zero).
    """
    flat = weights.reshape(weights.shape[0], -1)
    positive = np.maximum(flat, 0).sum(axis=1)
    negative = flat.sum(axis=1) - positive
    lo, hi = (min(x.lo, 0), max(x.hi, 0)) if padded else (x.lo, x.hi)
    return positive * lo + negative * hi, positive * hi + negative * lo


def _like(image_type: Type, height: int, width: int, channels: int) -> tuple[int, ...]:
    """The shape (height, width, channels), with as many axes as the operand had."""
    match len(image_type.shape):
        case 3:
            return height, width, channels
        case 2:
            return height, channels
        case _:
            raise TypeRuleError(f"an image or a sequence is needed, not a vector of shape {image_type.shape}")


def _infer_conv(op: Conv, x: Type) -> Type:
    m, _, _, c_group = op.weights.shape
    if c_group * op.groups != x.channels or m % op.groups:
        raise TypeRuleError(f"weights {op.weights.shape} in {op.groups} groups do not fit {x.channels} channels")
    oh, ow = windows(x.image, op)
    least, greatest = accumulator_bounds(op.weights, x.range, padded=bool(op.pads))
    return Type(_like(x, oh, ow, m), Range(int(least.min()), int(greatest.max())))


def _infer_dense(op: Dense, x: Type) -> Type:
    m, k = op.weights.shape
    if k != x.elements:
        raise TypeRuleError(f"weights {op.weights.shape} do not fit {x.elements} elements")
    least, greatest = accumulator_bounds(op.weights, x.range, padded=False)
    return Type((m,), Range(int(least.min()), int(greatest.max())))


def _infer_threshold(op: Threshold, x: Type) -> Type:
    channels, levels = op.thresholds.shape
    if channels not in (1, x.channels) or op.descending.shape != (channels,):
        raise TypeRuleError(f"thresholds {op.thresholds.shape} do not fit {x.channels} channels")
    if bool(np.any(np.diff(op.thresholds, axis=1) < 0)):
        raise TypeRuleError("thresholds are not ascending")
    if op.bipolar:
        if levels != 1 or op.base != 0:
            raise TypeRuleError("a bipolar threshold has one level and base 0")
        return bipolar(*x.shape)
    return Type(x.shape, Range(op.base, op.base + levels))


def _infer_pool(op: MaxPool | SumPool, x: Type) -> Type:
    oh, ow = windows(x.image, op)
    shape = _like(x, oh, ow, x.channels)
    match op:
        case MaxPool():
            span = ((op.kernel[0] - 1) * op.dilation[0], (op.kernel[1] - 1) * op.dilation[1])
            if max(op.pads.top, op.pads.bottom) > span[0] or max(op.pads.left, op.pads.right) > span[1]:
                raise TypeRuleError("a pooling window would lie in the padding alone")
            return Type(shape, x.range, x.bipolar)
        case SumPool():
            total = x.range.scaled(op.kernel[0] * op.kernel[1])
            if op.pads:
                total = Range(min(total.lo, 0), max(total.hi, 0))
            return Type(shape, total)


def _infer_concat(operands: tuple[Type, ...]) -> Type:
    first = operands[0]
    if any(t.shape[:-1] != first.shape[:-1] for t in operands):
        raise TypeRuleError(f"cannot concatenate the channels of {', '.join(str(t) for t in operands)}")
    shape = (*first.shape[:-1], sum(t.channels for t in operands))
    if all(t.bipolar for t in operands):
        return bipolar(*shape)
    joint = first.range
    for t in operands[1:]:
        joint = joint.union(t.range)
    return Type(shape, joint)


def _infer_frame(op: Frame, x: Type) -> Type:
    height, width, channels = x.image
    if op.stride != height:
        raise TypeRuleError(f"a frame moves by the {height} rows of a hop, not by {op.stride}")
    return Type(_like(x, op.rows, width, channels), x.range, x.bipolar)


def _infer_hold(op: Hold, x: Type) -> Type:
    if op.threshold < 0:
        raise TypeRuleError(f"a difference is never below the threshold {op.threshold}")
    return x


def _infer_pad(op: Pad, x: Type) -> Type:
    height, width, channels = x.image
    if op.value not in x.range or (x.bipolar and op.value == 0):
        raise TypeRuleError(f"padding with {op.value} leaves the type {x}")
    height += op.pads.top + op.pads.bottom
    width += op.pads.left + op.pads.right
    return Type(_like(x, height, width, channels), x.range, x.bipolar)


def arity(op: Op) -> int | None:
    """Number of operands; None for two or more."""
    match op:
        case Add():
            return 2
        case Concat():
            return None
        case Conv() | Dense() | Threshold() | MaxPool() | SumPool() | Pad() | Argmax() | Frame() | Hold():
            return 1
    assert_never(op)


def infer(op: Op, operands: tuple[Type, ...]) -> Type:
    """Type of the result. Raises TypeRuleError if the operands do not fit the op."""
    wanted = arity(op)
    if len(operands) < 2 if wanted is None else len(operands) != wanted:
        raise TypeRuleError(f"{type(op).__name__} does not take {len(operands)} operands")
    x = operands[0]
    match op:
        case Conv():
            return _infer_conv(op, x)
        case Dense():
            return _infer_dense(op, x)
        case Threshold():
            return _infer_threshold(op, x)
        case MaxPool() | SumPool():
            return _infer_pool(op, x)
        case Add():
            if operands[0].shape != operands[1].shape:
                raise TypeRuleError(f"cannot add {operands[0]} and {operands[1]}")
            return Type(x.shape, x.range + operands[1].range)
        case Concat():
            return _infer_concat(operands)
        case Pad():
            return _infer_pad(op, x)
        case Argmax():
            return Type((1,), Range(0, x.elements - 1))
        case Frame():
            return _infer_frame(op, x)
        case Hold():
            return _infer_hold(op, x)
    assert_never(op)
