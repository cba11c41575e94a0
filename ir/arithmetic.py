"""Numbers for the matrix-vector kernels: what the hardware counts, and the constants that make it the true
sum.

bhc_dot counts ones in bit planes (`raw`, see rtl/bhc_dot.sv); the true dot product is (raw << shift) +
constant, where the constant depends on the weights alone. It goes into the bias memory, and so does the
threshold, if one is folded in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bhc.ir.ops import IntArray, Pads, weight_bits, weight_kind
from bhc.ir.pipeline import Memory, Style
from bhc.ir.types import Kind, Range, Type


@dataclass(frozen=True, slots=True)
class Operand:
    """How one side of a product is encoded."""

    kind: Kind
    bits: int

    @property
    def plane_signs(self) -> IntArray:
        """+1, or -1 for a plane of negative weight, least significant plane first."""
        signs = np.ones(self.bits, np.int64)
        if self.kind == Kind.SIGNED:
            signs[-1] = -1
        return signs

    @property
    def plane_weights(self) -> IntArray:
        """Signed weight of every bit plane."""
        return self.plane_signs << np.arange(self.bits, dtype=np.int64)


def activation_operand(x: Type) -> Operand:
    return Operand(x.kind, x.bits)


def weight_operand(weights: IntArray) -> Operand:
    return Operand(weight_kind(weights), weight_bits(weights))


def shift(x: Operand) -> int:
    """The true dot product is (raw << shift) + constant: a bipolar x counts each agreement twice."""
    return int(x.kind == Kind.BIPOLAR)


def constants(weights: IntArray, x: Operand, w: Operand) -> IntArray:
    """Per output (M,), true dot product minus (raw << shift), for weights (M, K)."""
    terms = weights.shape[1]
    negative_planes = np.outer(w.plane_signs, x.plane_signs) < 0
    magnitudes = np.abs(np.outer(w.plane_weights, x.plane_weights))
    # A plane of negative weight is inverted before it is counted: -popcount(p) = popcount(~p) - terms.
    inverted = int(magnitudes[negative_planes].sum()) * terms
    match w.kind == Kind.BIPOLAR, x.kind == Kind.BIPOLAR:
        case True, True:
            # +-1 times +-1: agreements minus disagreements.
            return np.full(weights.shape[0], -terms, np.int64)
        case True, False:
            # w * x_j = xnor(w, x_j) - 1 + [w = +1], summed over planes.
            ones = (weights > 0).sum(axis=1)
            result: IntArray = int(x.plane_weights.sum()) * (ones - terms) - inverted
            return result
        case False, True:
            # x * w_i = 2 * (x & w_i) - w_i.
            sums: IntArray = -2 * inverted - weights.sum(axis=1)
            return sums
        case _:
            return np.full(weights.shape[0], -inverted, np.int64)


def raw_bound(terms: int, x: Operand, w: Operand) -> int:
    """The greatest value of raw over `terms` products."""
    return terms * int(np.abs(x.plane_weights).sum()) * int(np.abs(w.plane_weights).sum())


@dataclass(frozen=True, eq=False, slots=True)
class Accumulator:
    """What a matrix-vector kernel adds up to.

    bias: (classes, M) start values. shift: of raw. sign_out: the result is `accumulator >= 0`.
    position_class: (positions,) index into bias, or None if there is one class.
    bits: width of the two's complement accumulator, enough for every partial sum.
    """

    bias: IntArray
    shift: int
    sign_out: bool
    position_class: NDArray[np.int64] | None
    bits: int


def border_classes(
    image: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    pads: Pads,
    positions: tuple[int, int],
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which taps lie on the padding: (classes, KH, KW) masks, and the class of each position in stream
    order.
    """

    def outside(size: int, count: int, taps: int, step: int, spread: int, before: int) -> NDArray[np.bool_]:
        index = np.arange(count)[:, None] * step - before + np.arange(taps)[None, :] * spread
        return (index < 0) | (index >= size)

    rows = outside(image[0], positions[0], kernel[0], stride[0], dilation[0], pads.top)
    columns = outside(image[1], positions[1], kernel[1], stride[1], dilation[1], pads.left)
    masks = rows[:, None, :, None] | columns[None, :, None, :]
    flat = masks.reshape(positions[0] * positions[1], -1)
    unique, inverse = np.unique(flat, axis=0, return_inverse=True)
    return unique.reshape(-1, *kernel), inverse.reshape(-1).astype(np.int64)


def accumulator(
    weights: IntArray,
    x_type: Type,
    *,
    masks: NDArray[np.bool_] | None,
    position_class: NDArray[np.int64] | None,
    thresholds: IntArray | None,
    counted: bool,
) -> Accumulator:
    """The accumulator of weights (M, KH, KW, C) over x.

    masks, position_class: from border_classes, if x is bipolar and padded: the wire carries -1 there, and the
    bias takes it back. thresholds: (M,), to fold `sum >= threshold` into the bias; None gives the sum.
    counted: the kernel adds raw counts (bhc_mvu), not true products (bhc_dw).
    """
    m = weights.shape[0]
    flat = weights.reshape(m, -1)
    x, w = activation_operand(x_type), weight_operand(weights)
    start = (constants(flat, x, w) if counted else np.zeros(m, np.int64))[None, :]
    if masks is not None and x.kind == Kind.BIPOLAR:
        start = start + np.einsum("mhwc,khw->km", weights, masks.astype(np.int64))
    else:
        position_class = None
    step = shift(x) if counted else 0
    if thresholds is not None:
        # (raw << step) + start >= t   <=>   raw + floor((start - t) / 2^step) >= 0
        start = (start - thresholds[None, :]) >> step
        step = 0
    if counted:
        top = raw_bound(flat.shape[1], x, w) << step
        span = Range(min(int(start.min()), 0), max(int(start.max()) + top, 0))
    else:
        # Any order of the products: partial sums stay within the sums of the negative and of the positive
        # extremes.
        least = np.minimum(flat * x_type.range.lo, flat * x_type.range.hi)
        greatest = np.maximum(flat * x_type.range.lo, flat * x_type.range.hi)
        span = Range(
            int((start + np.minimum(least, 0).sum(axis=1)).min()) - 1,
            int((start + np.maximum(greatest, 0).sum(axis=1)).max()) + 1,
        )
    if start.shape[0] == 1 or bool(np.all(start == start[0])):
        start, position_class = start[:1], None
    bits = Range(min(span.lo, -1), span.hi).bits
    return Accumulator(start, step, thresholds is not None, position_class, bits)


def memory(name: str, values: IntArray, bits: int, style: Style, *, bipolar: bool = False) -> Memory:
    """Pack (depth, elements) integers into words of `bits` an element, the first element in the lowest
    bits.
    """
    depth, elements = values.shape
    width = elements * bits
    if bits == 1:
        ones = values > 0 if bipolar else (values & 1).astype(np.bool_)
        return Memory(name, width, style, np.packbits(ones, axis=1, bitorder="little"))
    stored = (values + 1) >> 1 if bipolar else values
    planes = ((stored[:, :, None] >> np.arange(bits)) & 1).astype(np.uint8).reshape(depth, width)
    return Memory(name, width, style, np.packbits(planes, axis=1, bitorder="little"))
