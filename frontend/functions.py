"""Properties of chains of pieces, and the tables of steps that they become."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import gcd
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from bhc.frontend.exact import (
    Affine,
    Chain,
    HalfLine,
    InverseRoot,
    Leaky,
    Limit,
    Piece,
    Round,
    Sign,
    Squash,
    Steps,
    Vector,
    at,
    preimage,
    zipped,
)
from bhc.frontend.float_error import rounding_noise
from bhc.frontend.tensor import Tensor
from bhc.ir.ops import IntArray
from bhc.ir.types import Type


def common_unit(values: Sequence[Fraction]) -> Fraction:
    """The greatest rational of which all values are integer multiples; 1 if all are 0."""
    unit = Fraction(0)
    for value in values:
        unit = Fraction(
            gcd(unit.numerator * value.denominator, value.numerator * unit.denominator),
            unit.denominator * value.denominator,
        )
    return unit or Fraction(1)


def exact_in_float(scale: Vector, offset: Vector, magnitude: int) -> bool:
    """Every scale * q + offset with |q| up to magnitude is a float32 number, and so is every partial sum."""
    return not bool(np.any(rounding_noise(scale, offset, magnitude)))


def directions(scale: Vector, pieces: Sequence[Piece]) -> list[int]:
    """For each channel (or for all): +1 if the function increases, -1 if it decreases, 0 if it is constant."""
    signs = [sign_of(s) for s in scale]
    for piece in pieces:
        match piece:
            case Affine():
                factors = [sign_of(s) for s in piece.scale]
                length = max(len(signs), len(factors))
                signs = [signs[c % len(signs)] * factors[c % len(factors)] for c in range(length)]
            case InverseRoot() | Limit() | Leaky() | Round() | Sign() | Squash():
                pass
    return signs


def least(tensor: Tensor) -> Fraction:
    """A lower bound of the values of an affine tensor."""
    scale, offset = tensor.composed()
    return min(
        s * q + o for end in (tensor.lo, tensor.hi) for s, o, q in zipped(scale, offset, list(map(Fraction, end)))
    )


def sign_of(x: Fraction) -> int:
    return (x > 0) - (x < 0)


def forward(chain: Chain, channel: int, q: Fraction) -> Fraction:
    """The chain's value at q; there is no InverseRoot in it."""
    x = at(chain.scale, channel) * q + at(chain.offset, channel)
    for piece in chain.pieces:
        match piece:
            case Affine():
                x = at(piece.scale, channel) * x + at(piece.offset, channel)
            case Limit():
                x = x if piece.lo is None else max(x, piece.lo)
                x = x if piece.hi is None else min(x, piece.hi)
            case Leaky():
                x = x if x >= 0 else at(piece.slope, channel) * x
            case Round():
                x = Fraction(round_exact(x, piece))
            case Sign():
                x = Fraction(sign_of(x) or piece.zero)
            case InverseRoot() | Squash():
                raise AssertionError("an irrational function has no exact value")
    return x


def floats(values: Vector) -> NDArray[np.float64]:
    return np.array([float(v) for v in values])


def estimate(piece: Piece, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """A piece in float64, by channel."""
    match piece:
        case Affine():
            return floats(piece.scale) * x + floats(piece.offset)
        case InverseRoot():
            return x / np.sqrt(floats(piece.variance))
        case Limit():
            return np.clip(
                x,
                None if piece.lo is None else float(piece.lo),
                None if piece.hi is None else float(piece.hi),
            )
        case Leaky():
            return np.where(x < 0, x * floats(piece.slope), x)
        case Round():
            return np.round(x)
        case Sign():
            return np.sign(x)
        case Squash():
            return np.tanh(x) if piece.function == "Tanh" else 1 / (1 + np.exp(-x))
    assert_never(piece)


def round_exact(x: Fraction, piece: Round) -> int:
    """Round a rational."""
    floor = x.__floor__()
    return floor + 1 if preimage_contains(piece, floor + 1, x) else floor


def preimage_contains(piece: Round, k: int, x: Fraction) -> bool:
    """Whether x rounds to at least k."""
    region = preimage(piece, 0, HalfLine(Fraction(k), False), None)
    return region if isinstance(region, bool) else x in region


def trimmed(steps: Steps, tensor: Tensor, kept_level: int | None) -> tuple[IntArray, int]:
    """Thresholds without the levels that no channel leaves or reaches, and how many were dropped below.

    The level of a channel is the number of thresholds passed (or not passed, where descending). kept_level stays in any
    case.
    """
    thresholds = steps.thresholds
    rows, count = thresholds.shape
    lo, hi = (
        np.broadcast_to(tensor.lo, (max(rows, len(tensor.lo)),)),
        np.broadcast_to(tensor.hi, (max(rows, len(tensor.hi)),)),
    )
    thresholds = np.broadcast_to(thresholds, (lo.size, count))
    descending = np.broadcast_to(steps.descending, (lo.size,))
    # In order of levels: is it always reached, or never?
    ordered = np.where(descending[:, None], thresholds[:, ::-1], thresholds)
    at_lo, at_hi = ordered <= lo[:, None], ordered > hi[:, None]
    always: NDArray[np.bool_] = np.all(np.where(descending[:, None], at_hi, at_lo), axis=0)
    never: NDArray[np.bool_] = np.all(np.where(descending[:, None], at_lo, at_hi), axis=0)
    low = int(np.argmin(always)) if not always.all() else count - 1
    high = count - int(np.argmin(never[::-1])) if not never.all() else 1
    if kept_level is not None:
        low, high = min(low, kept_level), max(high, kept_level)
    low, high = min(low, count - 1), max(high, low + 1)
    kept = ordered[:, low:high]
    return np.ascontiguousarray(np.where(descending[:, None], kept[:, ::-1], kept)), low


def merged(thresholds: IntArray, descending: NDArray[np.bool_]) -> tuple[IntArray, NDArray[np.bool_]]:
    """One row if all channels are alike."""
    rows = thresholds.shape[0]
    descending = np.broadcast_to(descending, (rows,))
    if rows > 1 and bool(np.all(thresholds == thresholds[0])) and bool(np.all(descending == descending[0])):
        return thresholds[:1], descending[:1].copy()
    return thresholds, np.ascontiguousarray(descending)


def is_identity(
    thresholds: IntArray, descending: NDArray[np.bool_], base: int, is_bipolar: bool, value_type: Type
) -> bool:
    """The threshold gives back its operand."""
    if bool(descending.any()) or thresholds.shape[0] != 1:
        return False
    if value_type.bipolar:
        return is_bipolar and int(thresholds[0, 0]) in {0, 1}
    wanted = np.arange(value_type.range.lo + 1, value_type.range.hi + 1)
    return not is_bipolar and base == value_type.range.lo and np.array_equal(thresholds[0], wanted)
