"""What the importer knows of each ONNX tensor while it walks the graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bhc.frontend.exact import (
    Affine,
    InverseRoot,
    Leaky,
    Limit,
    Piece,
    Vector,
    at,
    inverse_root_bracket,
    shorten,
    zipped,
)
from bhc.frontend.onnx_file import Array
from bhc.ir.host import Gather, HeadQuantizer, Reshape, Step, Transpose
from bhc.ir.ops import IntArray, MaxPool


@dataclass(frozen=True, eq=False, slots=True)
class Floating:
    """A float32 tensor on the host: the model's input, or made from it by `steps`. shape has a batch axis of 1."""

    shape: tuple[int, ...]
    steps: tuple[Step, ...] = ()
    origin: tuple[str, ...] = ()

    def then(self, step: Step, shape: tuple[int, ...], origin: str) -> Floating:
        return Floating(shape, (*self.steps, step), (*self.origin, origin))


@dataclass(frozen=True, eq=False, slots=True)
class Tensor:
    """An ONNX tensor (`name`) whose elements are functions of integers that the hardware computes.

    source: the IR value. index: for each element of the ONNX tensor (batch axis 1), its position in the source in
    stream order; -1 for padding, whose real value is `fill`.
    scale, offset: the source's integer q of channel c stands for scale_c * q + offset_c; pieces follow. steps are the
    same as float32 operations, for a tail; after one that has no exact form (`opaque`) only a tail can follow.
    lo, hi: bounds of q, for each channel or for all. noise: bound of the error that a float32 executor makes before the
    pieces, for each channel or for all.
    pool: a max pool that comes after the first `pooled` pieces but is not in the graph yet; index is that of its
    result.
    """

    source: str
    index: IntArray
    scale: Vector
    offset: Vector
    lo: tuple[int, ...]
    hi: tuple[int, ...]
    noise: NDArray[np.float64]
    name: str = ""
    fill: Fraction | None = None
    pieces: tuple[Piece, ...] = ()
    steps: tuple[Step, ...] = ()
    opaque: bool = False
    pool: MaxPool | None = None
    pooled: int = 0
    origin: tuple[str, ...] = ()
    # Where the steps begin: the index and fill that they see, and the number of pieces before them.
    start: IntArray | None = None
    start_fill: Fraction | None = None
    begun: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.index.shape

    @property
    def affine(self) -> bool:
        """The value is an affine function of q, with rational coefficients."""
        return not self.opaque and all(isinstance(p, Affine) for p in self.pieces)

    def moved(self, view: Callable[[Array], Array], step: Step | None) -> Tensor:
        """Under a function that only moves elements; step is that function on the host."""
        index = np.ascontiguousarray(view(self.index))
        if not self.steps:
            return replace(self, index=index)
        if step is None:
            # Express the move by the positions of its operand's elements.
            positions = view(np.arange(self.index.size).reshape(self.index.shape))
            step = Gather(np.ascontiguousarray(positions[0]))
        return replace(self, index=index, steps=(*self.steps, step))

    def then(self, pieces: tuple[Piece, ...] | None, step: Step, origin: str) -> Tensor:
        """With one more elementwise function; pieces is None if it has no exact form."""
        begun = self if self.steps else replace(self, start=self.index, start_fill=self.fill, begun=len(self.pieces))
        fill = self.fill
        if fill is not None and pieces is not None:
            fill = apply_shared(pieces, fill)
        return replace(
            begun,
            pieces=(*self.pieces, *(pieces or ())),
            steps=(*self.steps, step),
            opaque=self.opaque or pieces is None,
            fill=fill,
            origin=(*self.origin, origin),
        )

    def composed(self) -> tuple[Vector, Vector]:
        """Scale and offset with all (affine) pieces applied."""
        return compose(self.scale, self.offset, self.pieces)


# Roots to this many bits, for values that a host rounds to 24 bits.
ROOT_BITS = 256


def compose(scale: Vector, offset: Vector, pieces: tuple[Piece, ...]) -> tuple[Vector, Vector]:
    """Scale and offset after linear pieces; irrational roots are rounded to ROOT_BITS."""
    for piece in pieces:
        match piece:
            case Affine():
                scale = tuple(s * f for s, f in zipped(scale, piece.scale))
                offset = tuple(o * f + b for o, f, b in zipped(offset, piece.scale, piece.offset))
            case InverseRoot():
                roots = tuple(inverse_root_bracket(v, ROOT_BITS)[0] for v in piece.variance)
                scale = tuple(s * r for s, r in zipped(scale, roots))
                offset = tuple(o * r for o, r in zipped(offset, roots))
            case _:
                raise AssertionError(f"{piece} is not linear")
    return shorten(scale), shorten(offset)


def apply_shared(pieces: tuple[Piece, ...], x: Fraction) -> Fraction | None:
    """The pieces' value at x if it is one rational for all channels, else None."""
    for piece in pieces:
        match piece:
            case Affine() if len(piece.scale) == len(piece.offset) == 1:
                x = piece.scale[0] * x + piece.offset[0]
            case Limit():
                x = x if piece.lo is None else max(x, piece.lo)
                x = x if piece.hi is None else min(x, piece.hi)
            case Leaky() if x >= 0 or len(piece.slope) == 1:
                x = x if x >= 0 else at(piece.slope, 0) * x
            case _:
                return None
    return x


def host_view(step_shape: tuple[int, ...], perm: tuple[int, ...] | None) -> Step:
    """A move of elements as a host step: a transposition, or a reshape to (N, *step_shape[1:])."""
    return Transpose(perm) if perm is not None else Reshape(step_shape[1:])


@dataclass(frozen=True, eq=False, slots=True)
class ClassIndex:
    """The int64 index of the largest element, computed by the hardware."""

    source: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """What a node made that had a diagnostic, or whose operands had: no further complaint about it."""


@dataclass(frozen=True, eq=False, slots=True)
class InputChoice:
    """How the model's input becomes integers; all its readers must agree."""

    steps: tuple[Step, ...]
    quantizer: HeadQuantizer
    shape: tuple[int, ...]
