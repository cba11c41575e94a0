"""Types of values: an integer range, a shape, and whether the values are bipolar.

Bit widths and signedness are derived from the range, never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from math import prod


class Kind(IntEnum):
    """How an element is encoded on a wire; the numbers are those of the RTL and HLS parameters."""

    UNSIGNED = 0
    SIGNED = 1  # two's complement
    BIPOLAR = 2  # one bit: +1 is 1, -1 is 0


@dataclass(frozen=True, slots=True)
class Range:
    """A closed integer interval."""

    lo: int
    hi: int

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise ValueError(f"empty range [{self.lo}, {self.hi}]")

    @property
    def signed(self) -> bool:
        return self.lo < 0

    @property
    def bits(self) -> int:
        """Width of the narrowest encoding (two's complement if signed), at least 1."""
        if self.signed:
            return max((-self.lo - 1).bit_length(), max(self.hi, 0).bit_length()) + 1
        return max(self.hi.bit_length(), 1)

    def __contains__(self, value: int) -> bool:
        return self.lo <= value <= self.hi

    def union(self, other: Range) -> Range:
        return Range(min(self.lo, other.lo), max(self.hi, other.hi))

    def __add__(self, other: Range) -> Range:
        return Range(self.lo + other.lo, self.hi + other.hi)

    def scaled(self, times: int) -> Range:
        """The range of the sum of `times` >= 0 values of this range."""
        return Range(self.lo * times, self.hi * times)

    def __str__(self) -> str:
        return f"[{self.lo}, {self.hi}]"


BIPOLAR_RANGE = Range(-1, 1)


@dataclass(frozen=True, slots=True)
class Type:
    """Type of a value without its batch axis.

    shape: time-major, channel-last: (C,), (T, C) or (H, W, C).
    range: a sound bound of every element.
    bipolar: every element is -1 or +1, and travels as one bit.
    """

    shape: tuple[int, ...]
    range: Range
    bipolar: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.shape) <= 3 or any(d < 1 for d in self.shape):
            raise ValueError(f"shape {self.shape} is not (C,), (T, C) or (H, W, C) with positive sizes")
        if self.bipolar and self.range != BIPOLAR_RANGE:
            raise ValueError(f"a bipolar value has the range {BIPOLAR_RANGE}, not {self.range}")

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def image(self) -> tuple[int, int, int]:
        """The shape as (H, W, C): time is H, what is missing is 1."""
        if len(self.shape) == 1:
            return 1, 1, self.shape[0]
        if len(self.shape) == 2:
            return self.shape[0], 1, self.shape[1]
        return self.shape[0], self.shape[1], self.shape[2]

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def kind(self) -> Kind:
        if self.bipolar:
            return Kind.BIPOLAR
        return Kind.SIGNED if self.range.signed else Kind.UNSIGNED

    @property
    def bits(self) -> int:
        """Width of one element on a wire."""
        return 1 if self.bipolar else self.range.bits

    def __str__(self) -> str:
        shape = "x".join(str(d) for d in self.shape)
        return f"{shape} bipolar" if self.bipolar else f"{shape} {self.range}"


def bipolar(*shape: int) -> Type:
    """The type of a bipolar value."""
    return Type(tuple(shape), BIPOLAR_RANGE, bipolar=True)
