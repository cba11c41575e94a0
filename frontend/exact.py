"""Exact arithmetic on chains of monotone functions: where does a quantizer's decision flip, as an integer accumulator?

An accumulator q of channel c stands for the real number scale_c * q + offset_c. A chain of pieces follows (BatchNorm,
ReLU, limits, rounding ...), nearly all monotone in each channel. "The result is at least k" is a half-line of the
result; its preimage under each piece is a half-line again, or everything, or nothing, and so it ends as a half-line
of q: an integer threshold. Ends are rationals and carry whether the end belongs to the half-line, so that ties are
decided as the model defines them.

Irrational numbers (BatchNorm's 1/sqrt(var + eps), unless var + eps is the square of a rational; the logarithms that
invert tanh and sigmoid) are bracketed between two rationals. A threshold is accepted only if both ends of every
bracket give the same integer; otherwise the brackets are narrowed. As a threshold is monotone in each of these
numbers, the true one lies between those that agree. docs/exactness.md has the argument.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import inf, isqrt
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from bhc.ir.host import Rounding
from bhc.ir.ops import IntArray

# One element for each channel, or a single one for all.
Vector = tuple[Fraction, ...]


def at(vector: Sequence[Fraction], channel: int) -> Fraction:
    """The channel's element."""
    return vector[channel] if len(vector) > 1 else vector[0]


def vector(values: NDArray[np.floating] | NDArray[np.integer]) -> Vector:
    """Exact elements of a one-dimensional float or integer array, shortened to one if all are equal."""
    flat = values.reshape(-1)
    if flat.size > 1 and bool(np.all(flat == flat[0])):
        flat = flat[:1]
    return tuple(Fraction(v) for v in flat.tolist())


def shorten(values: Sequence[Fraction]) -> Vector:
    """One element if all are equal."""
    return (values[0],) if all(v == values[0] for v in values) else tuple(values)


def zipped(*vectors: Sequence[Fraction]) -> list[tuple[Fraction, ...]]:
    """Elements side by side, single ones repeated."""
    length = max(len(v) for v in vectors)
    return [tuple(at(v, c) for v in vectors) for c in range(length)]


@dataclass(frozen=True, slots=True)
class Affine:
    """scale * x + offset."""

    scale: Vector
    offset: Vector


@dataclass(frozen=True, slots=True)
class InverseRoot:
    """x / sqrt(variance); variance > 0."""

    variance: Vector


@dataclass(frozen=True, slots=True)
class Limit:
    """min(max(x, lo), hi); None is no limit. ReLU is Limit(0, None)."""

    lo: Fraction | None
    hi: Fraction | None


@dataclass(frozen=True, slots=True)
class Leaky:
    """x where x >= 0, else slope * x. With a negative slope it is the one piece that is not monotone; -1 makes |x|."""

    slope: Vector


@dataclass(frozen=True, slots=True)
class Round:
    """To an integer."""

    mode: Rounding


@dataclass(frozen=True, slots=True)
class Sign:
    """-1 where x < 0, +1 where x > 0, and `zero` (0 or 1) where x = 0."""

    zero: int


@dataclass(frozen=True, slots=True)
class Squash:
    """tanh(x), or the logistic sigmoid 1 / (1 + exp(-x))."""

    function: Literal["Tanh", "Sigmoid"]


Piece = Affine | InverseRoot | Limit | Leaky | Round | Sign | Squash
# Functions whose values at rational arguments are irrational.
Irrational = InverseRoot | Squash


@dataclass(frozen=True, slots=True)
class Choice:
    """Which end of an irrational number's bracket to take, and how narrow the bracket is."""

    upper: bool
    bits: int


@dataclass(frozen=True, slots=True)
class HalfLine:
    """{x >= end} if up, {x <= end} if not; without the end itself if strict."""

    end: Fraction
    strict: bool
    up: bool = True

    def __contains__(self, x: Fraction) -> bool:
        if x == self.end:
            return not self.strict
        return (x > self.end) == self.up


# True is the whole line, False the empty set.
Region = HalfLine | bool


def rounds_to_at_least(k: int, mode: Rounding) -> HalfLine:
    """{x : round(x) >= k}."""
    half = Fraction(1, 2)
    match mode:
        case "ROUND":  # ties to even
            return HalfLine(k - half, k % 2 != 0)
        case "FLOOR":
            return HalfLine(Fraction(k), False)
        case "CEIL":
            return HalfLine(Fraction(k - 1), True)
        case "UP":  # away from zero
            return HalfLine(Fraction(k - 1), True) if k > 0 else HalfLine(Fraction(k), False)
        case "DOWN":  # towards zero
            return HalfLine(Fraction(k), False) if k > 0 else HalfLine(Fraction(k - 1), True)
        case "HALF_UP":  # ties away from zero
            return HalfLine(k - half, k <= 0)
        case "HALF_DOWN":  # ties towards zero
            return HalfLine(k - half, k > 0)
    assert_never(mode)


def _before_limit(piece: Limit, region: HalfLine) -> Region:
    # The function takes no value below lo or above hi, so an end there includes all or nothing.
    for bound, below in ((piece.lo, True), (piece.hi, False)):
        if bound is None:
            continue
        inside = bound in region
        if below and (region.end < bound or (region.end == bound and inside == region.up)):
            return region.up
        if not below and (region.end > bound or (region.end == bound and inside != region.up)):
            return not region.up
    return region


def _before_round(piece: Round, region: HalfLine) -> Region:
    floor = region.end.__floor__()
    whole = floor == region.end
    if region.up:
        # The region is: rounds to at least the least integer in it.
        return rounds_to_at_least(floor if whole and not region.strict else floor + 1, piece.mode)
    # The region is: does not round to at least the integer above its greatest one.
    above = rounds_to_at_least(floor if whole and region.strict else floor + 1, piece.mode)
    return HalfLine(above.end, not above.strict, up=False)


def _before_sign(piece: Sign, region: HalfLine) -> Region:
    low, zero, high = (Fraction(v) in region for v in (-1, piece.zero, 1))
    if low == zero == high:
        return low
    # The end of the preimage is 0; 0 itself belongs to it if `zero` does.
    return HalfLine(Fraction(0), not zero, up=high)


def _before_squash(piece: Squash, region: HalfLine, choice: Choice) -> Region:
    # The function takes the values strictly between -1 (or 0) and 1.
    low = Fraction(-1) if piece.function == "Tanh" else Fraction(0)
    if region.end <= low:
        return region.up
    if region.end >= 1:
        return not region.up
    # tanh x = y where exp(2 x) = (1 + y) / (1 - y), and the sigmoid is y where exp(x) = y / (1 - y).
    odds = (region.end - low) / (1 - region.end)
    factor = 2 if piece.function == "Tanh" else 1
    return HalfLine(logarithm_bracket(odds, choice.bits)[choice.upper] / factor, region.strict, region.up)


def preimage(piece: Piece, channel: int, region: Region, choice: Choice | None) -> Region:
    """{x : piece(x) in region}; choice is needed for irrational pieces."""
    if isinstance(region, bool):
        return region
    match piece:
        case Affine():
            scale, offset = at(piece.scale, channel), at(piece.offset, channel)
            if scale == 0:
                return offset in region
            return HalfLine((region.end - offset) / scale, region.strict, region.up == (scale > 0))
        case InverseRoot():
            return HalfLine(region.end / root_of(piece, channel, choice), region.strict, region.up)
        case Limit():
            return _before_limit(piece, region)
        case Leaky():
            slope = at(piece.slope, channel)
            if region.end > 0 or (region.end == 0 and region.strict == region.up):
                return region  # {x > 0} and its complement: the slope does not matter
            if slope == 0:
                return _before_limit(Limit(Fraction(0), None), region)
            return region if region.end == 0 else HalfLine(region.end / slope, region.strict, region.up)
        case Round():
            return _before_round(piece, region)
        case Sign():
            return _before_sign(piece, region)
        case Squash():
            assert choice is not None
            return _before_squash(piece, region, choice)
    assert_never(piece)


def root_of(piece: InverseRoot, channel: int, choice: Choice | None) -> Fraction:
    """One end of the bracket of the piece's factor."""
    assert choice is not None
    return inverse_root_bracket(at(piece.variance, channel), choice.bits)[choice.upper]


def exact_root(x: Fraction) -> Fraction | None:
    """The rational square root of x >= 0, or None."""
    top, bottom = isqrt(x.numerator), isqrt(x.denominator)
    return Fraction(top, bottom) if top * top == x.numerator and bottom * bottom == x.denominator else None


@lru_cache(maxsize=1 << 16)
def inverse_root_bracket(x: Fraction, bits: int) -> tuple[Fraction, Fraction]:
    """Rationals around 1 / sqrt(x), x > 0: the root itself twice if it is rational.

    Else the first is below it and the second above, and they differ by at most a factor 1 + 2^-bits.
    """
    rational = exact_root(x)
    if rational is not None:
        return 1 / rational, 1 / rational
    # 1 / sqrt(n / d) = sqrt(d / n); scale d / n by 4^shift so that the integer root has at least `bits` + 1 bits.
    shift = bits + 2 + max(0, (x.numerator.bit_length() - x.denominator.bit_length()) // 2 + 1)
    scaled = (x.denominator << (2 * shift)) // x.numerator
    low = isqrt(scaled)
    unit = 1 << shift
    return Fraction(low, unit), Fraction(low + 1, unit)


@lru_cache(maxsize=1 << 16)
def logarithm_bracket(x: Fraction, bits: int) -> tuple[Fraction, Fraction]:
    """Rationals below and above ln(x), x > 0, that differ by less than 2^-bits times the size of x's numerals; ln(1)
    is 0.
    """
    if x == 1:
        return Fraction(0), Fraction(0)
    context = Context(prec=bits * 3 // 10 + 20)
    # Decimal's logarithm is correctly rounded: each of the two is off by less than a unit in its last place.
    top, bottom = (Decimal(n).ln(context) for n in (x.numerator, x.denominator))
    slack = (abs(Fraction(top)) + abs(Fraction(bottom))) / 10 ** (context.prec - 1)
    middle = Fraction(top) - Fraction(bottom)
    return middle - slack, middle + slack


@dataclass(frozen=True, slots=True)
class Chain:
    """A function of an integer: scale * q + offset, then pieces.

    lo, hi: for each channel or for all, the least and the greatest q that can occur.
    """

    scale: Vector
    offset: Vector
    pieces: tuple[Piece, ...]
    lo: tuple[int, ...]
    hi: tuple[int, ...]

    @property
    def channels(self) -> int:
        """Number of channels that differ; 1 if none do."""
        return max(len(self.scale), len(self.offset), len(self.lo), *(_channels(p) for p in self.pieces), 1)


def _channels(piece: Piece) -> int:
    match piece:
        case Affine():
            return max(len(piece.scale), len(piece.offset))
        case InverseRoot():
            return len(piece.variance)
        case Leaky():
            return len(piece.slope)
        case Limit() | Round() | Sign() | Squash():
            return 1
    assert_never(piece)


def monotone(pieces: Sequence[Piece]) -> bool:
    """No piece turns round within a channel."""
    return not any(isinstance(p, Leaky) and any(slope < 0 for slope in p.slope) for p in pieces)


class UndecidedError(ValueError):
    """Brackets did not separate: two irrational roots may cancel. Not known to happen."""


@dataclass(frozen=True, slots=True)
class Turns:
    """Where a chain that is not monotone flips: level(q) = #{q >= rising} + #{q < falling} - falling.shape[1].

    rising, falling: (C or 1, N) int64, each row ascending, padded with values that no q reaches. cuts: (C or 1, N)
    float64 as in Steps, for all steps.
    """

    rising: IntArray
    falling: IntArray
    cuts: NDArray[np.float64]


# 1 / sqrt to 128 bits decides nearly every threshold at the first try.
FIRST_BITS = 128
LAST_BITS = 1 << 14


@dataclass(frozen=True, slots=True)
class Steps:
    """Where a chain's decisions flip.

    thresholds: (C or 1, N) int64 as IR's Threshold has them; descending: (C or 1,). cuts: (C or 1, N) float64, the same
    thresholds as real numbers before clamping to what can occur (infinite if the decision never flips), for error
    analysis; they are rounded.
    """

    thresholds: IntArray
    descending: NDArray[np.bool_]
    cuts: NDArray[np.float64]


def solve(chain: Chain, regions: Sequence[HalfLine]) -> Steps:
    """Thresholds of `result in regions[k]`; the regions are nested (each within the one before).

    Raises UndecidedError (see there).
    """
    # Pieces common to all channels, from the end, are inverted once for all.
    shared: list[Region] = list(regions)
    pieces = list(chain.pieces)
    while pieces and _channels(pieces[-1]) == 1 and not isinstance(pieces[-1], Irrational):
        piece = pieces.pop()
        shared = [preimage(piece, 0, region, None) for region in shared]
    rows = [_solve_channel(chain, pieces, shared, c) for c in range(chain.channels)]
    return Steps(
        np.array([row[0] for row in rows], np.int64).reshape(len(rows), len(regions)),
        np.array([row[1] for row in rows], np.bool_),
        np.array([row[2] for row in rows], np.float64).reshape(len(rows), len(regions)),
    )


def _corners(pieces: Sequence[Piece], bits: int) -> Iterator[tuple[Choice | None, ...]]:
    """Every choice of the lower or upper end of each irrational number."""
    both = Choice(False, bits), Choice(True, bits)
    return product(*(both if isinstance(piece, Irrational) else (None,) for piece in pieces))


def _solve_channel(
    chain: Chain, pieces: Sequence[Piece], regions: Sequence[Region], channel: int
) -> tuple[list[int], bool, list[float]]:
    scale, offset = at(chain.scale, channel), at(chain.offset, channel)
    lo, hi = (end[channel % len(end)] for end in (chain.lo, chain.hi))
    bits = FIRST_BITS
    while bits <= LAST_BITS:
        found: list[list[int | bool]] = []
        cuts: list[float] = []
        up = True
        for corner in _corners(pieces, bits):
            slope, shift, rest = _leading_affine(scale, offset, pieces, corner, channel)
            at_rest = list(regions)
            for index in range(len(pieces) - 1, rest - 1, -1):
                at_rest = [preimage(pieces[index], channel, r, corner[index]) for r in at_rest]
            ends, up, cuts = _integer_ends(at_rest, slope, shift)
            if found and ends != found[0]:
                break
            found.append(ends)
        else:
            thresholds = [_clamped(end, up, lo, hi) for end in found[0]]
            return (thresholds, False, cuts) if up else (thresholds[::-1], True, cuts[::-1])
        bits *= 2
    raise UndecidedError(f"channel {channel}: a threshold is not decided by roots of {LAST_BITS} bits")


def _leading_affine(
    scale: Fraction,
    offset: Fraction,
    pieces: Sequence[Piece],
    corner: Sequence[Choice | None],
    channel: int,
) -> tuple[Fraction, Fraction, int]:
    """The affine pieces at the front as one: slope, offset, and the number of pieces that it covers."""
    for index, piece in enumerate(pieces):
        match piece:
            case Affine():
                factor = at(piece.scale, channel)
                scale, offset = scale * factor, offset * factor + at(piece.offset, channel)
            case InverseRoot():
                root = root_of(piece, channel, corner[index])
                scale, offset = scale * root, offset * root
            case _:
                return scale, offset, index
    return scale, offset, len(pieces)


def _integer_ends(
    regions: Sequence[Region], slope: Fraction, offset: Fraction
) -> tuple[list[int | bool], bool, list[float]]:
    """Each region of slope * q + offset as one of q: the integer t of {q >= t} if up, of {q < t} if not; or all, or
    none.

    Then the direction, common to all regions of a channel, and the ends as real numbers, rounded.
    """
    up = True
    ends: list[int | bool] = []
    cuts: list[float] = []
    # (end - offset) / slope in integers: (end_n * p - end_d * r) / (end_d * s)
    p, s = offset.denominator * slope.denominator, offset.denominator * slope.numerator
    r = offset.numerator * slope.denominator
    for region in regions:
        if isinstance(region, bool) or slope == 0:
            ends.append(region if isinstance(region, bool) else offset in region)
            cuts.append(inf)
            continue
        up = region.up == (slope > 0)
        top, bottom = region.end.numerator * p - region.end.denominator * r, region.end.denominator * s
        # q > x and q <= x flip at floor(x) + 1; q >= x and q < x flip at ceil(x).
        ends.append(top // bottom + 1 if region.strict == up else -(-top // bottom))
        try:
            cuts.append(top / bottom)
        except OverflowError:
            cuts.append(inf)
    return ends, up, cuts


def _clamped(end: int | bool, up: bool, lo: int, hi: int) -> int:
    """The threshold, moved to where it decides the same for every q in [lo, hi]."""
    if isinstance(end, bool):
        return lo if end == up else hi + 1
    return min(max(end, lo), hi + 1)


def _preimages(piece: Piece, channel: int, region: Region, choice: Choice | None) -> list[Region]:
    """Regions whose symmetric difference is {x : piece(x) in region}, for any piece."""
    if isinstance(region, bool) or not isinstance(piece, Leaky) or at(piece.slope, channel) >= 0:
        return [preimage(piece, channel, region, choice)]
    if not region.up:
        # Below and not above are the same.
        return [True, *_preimages(piece, channel, HalfLine(region.end, not region.strict), choice)]
    if region.end < 0 or (region.end == 0 and not region.strict):
        return [True]
    return [region, HalfLine(region.end / at(piece.slope, channel), region.strict, up=False)]


def solve_turning(chain: Chain, regions: Sequence[HalfLine]) -> Turns:
    """As `solve`, for chains with pieces that are not monotone. Raises UndecidedError.

    A region's preimage is a symmetric difference of half-lines, and so is that of each further piece; over the integers
    its indicator is a sum of steps up and down, and the level is the sum over all regions.
    """
    rows = [_turns_of_channel(chain, regions, c) for c in range(chain.channels)]
    beyond = max(chain.hi) + 1

    def table(rising: bool) -> IntArray:
        picked = [row.rising if rising else row.falling for row in rows]
        width = max(1, *map(len, picked))
        return np.array([[*row, *([beyond] * (width - len(row)))] for row in picked], np.int64)

    width = max(1, *(len(row.cuts) for row in rows))
    cuts = [[*row.cuts, *([inf] * (width - len(row.cuts)))] for row in rows]
    return Turns(table(True), table(False), np.array(cuts, np.float64))


@dataclass(frozen=True, slots=True)
class _ChannelTurns:
    """One row of Turns."""

    rising: list[int]
    falling: list[int]
    cuts: list[float]


def _turns_of_channel(chain: Chain, regions: Sequence[HalfLine], channel: int) -> _ChannelTurns:
    bits = FIRST_BITS
    while bits <= LAST_BITS:
        found = [_turns_at_corner(chain, regions, channel, corner) for corner in _corners(chain.pieces, bits)]
        if all((f.rising, f.falling) == (found[0].rising, found[0].falling) for f in found):
            return found[0]
        bits *= 2
    raise UndecidedError(f"channel {channel}: a threshold is not decided by roots of {LAST_BITS} bits")


def _turns_at_corner(
    chain: Chain, regions: Sequence[HalfLine], channel: int, corner: Sequence[Choice | None]
) -> _ChannelTurns:
    scale, offset = at(chain.scale, channel), at(chain.offset, channel)
    lo, hi = (end[channel % len(end)] for end in (chain.lo, chain.hi))
    net: Counter[int] = Counter()
    cuts: list[float] = []
    for region in regions:
        parts: list[Region] = [region]
        for piece, choice in zip(reversed(chain.pieces), reversed(corner), strict=True):
            parts = [p for part in parts for p in _preimages(piece, channel, part, choice)]
        inside = False
        steps: list[int] = []
        for part in parts:
            (end,), up, (cut,) = _integer_ends([part], scale, offset)
            if isinstance(end, bool):
                inside ^= end
                continue
            # {q < t} is what {q >= t} is not.
            inside ^= not up
            steps.append(min(max(end, lo), hi + 1))
            cuts.append(cut)
        if inside:
            net[lo] += 1
        # The indicator goes up and down in turn; steps at one place cancel.
        for t in sorted(steps):
            net[t] += -1 if inside else 1
            inside = not inside
    # A step beyond the last value is never taken.
    reached = {t: n for t, n in net.items() if t <= hi}
    return _ChannelTurns(
        sorted(t for t, n in reached.items() for _ in range(n)),
        sorted(t for t, n in reached.items() for _ in range(-n)),
        cuts,
    )
