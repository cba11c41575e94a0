"""Where may a float32 executor of the model decide otherwise than exact arithmetic? A sound first-order error analysis.

Executors round after every operation and sum in an order of their own. Each bound here is the textbook one for any
order (u = 2^-24: half a unit in the last place, relative); bounds are evaluated in float64 and widened by a factor
that covers the second-order terms and the rounding of the evaluation itself. They are reports, no decision depends on
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from bhc.frontend.exact import Affine, Chain, InverseRoot, Leaky, Limit, Piece, Round, Sign, Squash, Vector, at
from bhc.ir.ops import IntArray
from bhc.ir.types import Range

FloatArray = NDArray[np.float64]
ULP = 2.0**-24
WIDEN = 1.001
# A mantissa of 24 bits holds every integer up to here.
MANTISSA = 1 << 24


@dataclass(frozen=True, slots=True)
class Interval:
    """Accumulator values lo..hi of one channel (None: of every channel) on which float32 may decide otherwise."""

    channel: int | None
    lo: int
    hi: int


def _odd(x: Fraction) -> int | None:
    """|x| without its powers of two, if it is an integer times a power of two; 0 for 0."""
    if x.denominator & (x.denominator - 1):
        return None
    top = abs(x.numerator)
    return top // (top & -top) if top else 0


def _floats(vector: Vector) -> FloatArray:
    return np.array([float(v) for v in vector])


def rounding_noise(scale: Vector, offset: Vector, magnitude: int) -> FloatArray:
    """Error bound of float32(scale * q + offset), |q| <= magnitude, by channel; 0 where it is always exact."""
    length = max(len(scale), len(offset))
    exact = np.zeros(length, np.bool_)
    for c in range(length):
        s, o = at(scale, c), at(offset, c)
        odd = _odd(s)
        # An offset counts in units of the scale where it is a multiple of it.
        times = o / s if s else Fraction(0)
        exact[c] = odd is not None and times.denominator == 1 and odd * (magnitude + abs(times)) < MANTISSA
    bound = ULP * (np.abs(_floats(scale)) * magnitude + np.abs(_floats(offset))) * WIDEN
    return np.where(exact, 0.0, bound)


def absolute_sums(scale: FloatArray, integers: IntArray) -> FloatArray:
    """By row, the sum of |integers * scale|. Row by row, since there may be a hundred million of them."""
    rows = zip(integers, scale, strict=True)
    return np.array([np.sum(np.abs(q) * np.abs(s)) for q, s in rows], np.float64)


def matmul_noise(weight_scale: FloatArray, integers: IntArray, decoding: tuple[Vector, Vector], x: Range) -> FloatArray:
    """Error bound, by output, of the float32 sum of products of weights (M, K) with values decoded from x.

    0 where every partial sum in every order is a float32 number.
    """
    scale, offset = decoding
    magnitude = max(abs(x.lo), abs(x.hi))
    count = integers.shape[1]
    largest = float(np.max(np.abs(_floats(scale)))) * magnitude + float(np.max(np.abs(_floats(offset))))
    sums: FloatArray = absolute_sums(weight_scale, integers) * largest
    bound: FloatArray = (count + 2) * ULP * sums * WIDEN
    x_odd = _odd(scale[0]) if len(scale) == 1 and not any(offset) else None
    if x_odd is None:
        return bound
    uniform = np.all(weight_scale == weight_scale[:, :1], axis=1)
    mantissas = np.ldexp(np.frexp(weight_scale[:, 0])[0], 53).astype(np.int64)
    odd = np.abs(mantissas // (mantissas & -mantissas))
    # In float64 an estimate is enough: it is compared with 2^24.
    exact = uniform & (odd.astype(np.float64) * x_odd * np.abs(integers).sum(axis=1) * magnitude < MANTISSA)
    return np.where(exact, 0.0, bound)


def _spread(vector: Vector, rows: int) -> FloatArray:
    return np.broadcast_to(_floats(vector), (rows,))[:, None]


def ambiguous_intervals(chain: Chain, cuts: FloatArray, noise: FloatArray) -> tuple[Interval, ...]:
    """Reachable accumulator values near the real thresholds `cuts` (C or 1, N), given the error before the chain."""
    rows = max(cuts.shape[0], noise.size)
    shape = rows, cuts.shape[1]
    with np.errstate(all="ignore"):
        cut = np.broadcast_to(cuts, shape)
        slope = np.broadcast_to(np.abs(_spread(chain.scale, rows)), shape)
        x = _spread(chain.scale, rows) * cut + _spread(chain.offset, rows)
        error = np.broadcast_to(noise[:, None], shape)
        for piece in chain.pieces:
            if isinstance(piece, Round | Sign):
                break
            x, slope, error = _propagate(piece, x, slope, error, rows)
        radius = error / slope * WIDEN + np.abs(cut) * 2.0**-50
        lo = np.broadcast_to(np.array(chain.lo, np.float64), (rows,))[:, None]
        hi = np.broadcast_to(np.array(chain.hi, np.float64), (rows,))[:, None]
        first, last = np.maximum(np.ceil(cut - radius), lo), np.minimum(np.floor(cut + radius), hi)
        near = np.isfinite(cut) & np.isfinite(radius) & (first <= last)
    found: list[Interval] = []
    for c, n in np.argwhere(near).tolist():
        a, b = int(first[c, n]), int(last[c, n])
        if a == b and noise[c % noise.size] == 0 and _computed_exactly(chain, c, a):
            continue
        found.append(Interval(c if rows > 1 else None, a, b))
    return tuple(dict.fromkeys(found))


def _propagate(
    piece: Piece, x: FloatArray, slope: FloatArray, error: FloatArray, rows: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Value, slope and error after one piece."""
    match piece:
        case Affine():
            a, b = _spread(piece.scale, rows), _spread(piece.offset, rows)
            y = a * x + b
            # A normalization is computed with a folded factor and addend: their errors count by the
            # terms, not by the sum.
            terms = np.where(b == 0, 0.0, np.abs(a * x) + np.abs(b))
            return y, slope * np.abs(a), error * np.abs(a) + ULP * (6 * terms + np.abs(y))
        case InverseRoot():
            root = 1 / np.sqrt(_spread(piece.variance, rows))
            return x * root, slope * root, error * root + 4 * ULP * np.abs(x * root)
        case Leaky():
            factor = np.where(x < 0, _spread(piece.slope, rows), 1.0)
            y = x * factor
            return y, slope * np.abs(factor), error * np.maximum(np.abs(factor), 1.0) + ULP * np.abs(y)
        case Squash():
            y = np.tanh(x) if piece.function == "Tanh" else 1 / (1 + np.exp(-x))
            factor = 1 - y * y if piece.function == "Tanh" else y * (1 - y)
            # No library computes these with an error above a few units in the last place of 1.
            return y, slope * factor, error * factor + 16 * ULP
        case Limit():
            return x, slope, error
        case Round() | Sign():
            raise AssertionError("ends the analysis")
    assert_never(piece)


def _representable(x: Fraction) -> bool:
    odd = _odd(x)
    return (
        odd is not None and odd < MANTISSA and abs(x) < Fraction(2) ** 127 and (x == 0 or abs(x) > Fraction(1, 2**126))
    )


def _computed_exactly(chain: Chain, channel: int, q: int) -> bool:
    """No float32 operation of the chain rounds at q."""
    x = at(chain.scale, channel) * q + at(chain.offset, channel)
    for piece in chain.pieces:
        match piece:
            case Affine():
                scale, offset = at(piece.scale, channel), at(piece.offset, channel)
                if not _representable(scale * x):
                    return False
                x = scale * x + offset
            case Leaky():
                x = x if x >= 0 else at(piece.slope, channel) * x
            case InverseRoot() | Squash():
                return False
            case Limit():
                x = x if piece.lo is None else max(x, piece.lo)
                x = x if piece.hi is None else min(x, piece.hi)
            case Round() | Sign():
                return True
        if not _representable(x):
            return False
    return True
