"""Profiles: how much of what the layers read changes from column to column, in recordings or as a guess.

A schedule with delta skipping is made for a profile: it says what a layer that skips will cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bhc.ir import delta
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Graph
from bhc.ir.layers import Layer
from bhc.ir.ops import Conv, IntArray
from bhc.ir.stream import Evaluator, filling

Mask = NDArray[np.bool_]

#: Input rows of a profile, and of the part of it that choices are tried on; each is taken from so many places, since
#: what changes differs much from one activity to another.
ROWS, TRIAL_ROWS, PLACES = 8192, 1024, 64
#: Windows (or hops) at least, so that there is a steady state, and of each place.
_LEAST, _RUN = 12, 4
#: Guessed share of elements that change from column to column, for one bit and for several.
GUESS_BIT, GUESS_MANY = 0.1, 0.5


@dataclass(frozen=True, eq=False, slots=True)
class Profile:
    """units: windows, or hops of a streamed graph. changed: for every layer that can skip, by node name, the elements
    of the columns that it reads which change (bhc.ir.delta.changed), (columns, channels). guessed: not from recordings.
    """

    units: int
    changed: Mapping[str, Mask]
    guessed: bool

    def flip_rate(self, name: str) -> float:
        """Share of the elements of a layer's columns that change."""
        return float(self.changed[name].mean())

    def part(self, units: int) -> Profile:
        """So many windows or hops, from several places."""
        if units >= self.units:
            return self
        picked = pick(self.units, units)
        found = {}
        for name, mask in self.changed.items():
            by_unit = mask.reshape(self.units, -1, mask.shape[1])
            found[name] = by_unit[picked].reshape(-1, mask.shape[1])
        return Profile(len(picked), found, self.guessed)

    def pack(self) -> NDArray[np.uint8]:
        """All bits, one layer behind the other."""
        flat = [mask.reshape(-1) for mask in self.changed.values()]
        return np.packbits(np.concatenate(flat) if flat else np.zeros(0, np.bool_))


def pick(have: int, want: int) -> IntArray:
    """Indices of `want` out of `have` windows (all, if there are fewer), in runs from PLACES places."""
    places = max(1, min(PLACES, want // _RUN))
    length = want // places
    if want >= have:
        return np.arange(have)
    starts = np.linspace(0, have - length, places).astype(np.int64)
    return np.unique(starts[:, None] + np.arange(length))


def per_unit(item: Layer) -> int:
    """Columns of a window or hop."""
    return item.x.image[0] if isinstance(item.node.op, Conv) else 1


def units(graph: Graph, rows: int) -> int:
    """Windows or hops of so many input rows."""
    return max(_LEAST, rows // graph.inputs[0].type.image[0])


def _skippable(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    return {name: item for name, item in layers.items() if delta.why_not(item) is None}


def guess(graph: Graph, layers: Mapping[str, Layer]) -> Profile:
    """When there are no recordings: the same share of all elements changes, and all of the input."""
    count = units(graph, ROWS)
    found = {}
    for name, item in _skippable(layers).items():
        shape = (count * per_unit(item), delta.geometry(item).channels)
        share = GUESS_BIT if item.x.bits == 1 else GUESS_MANY
        if item.node.inputs[0] == graph.inputs[0].name:
            share = 1.0
        found[name] = np.random.default_rng(0).random(shape) < share
    return Profile(count, found, guessed=True)


def measure(graph: Graph, layers: Mapping[str, Layer], inputs: Sequence[IntArray]) -> Profile:
    """From windows, (N, *shape), of which the order matters to dense layers; or, for a streamed graph, from recordings,
    (R, *shape without rows). inputs: one or several.
    """
    fill = filling(graph)
    parts = [_measure(graph, layers, x, fill) for x in inputs]
    known = [part for part in parts if part is not None]
    if not known:
        return guess(graph, layers)
    joined = {name: np.concatenate([part.changed[name] for part in known]) for name in known[0].changed}
    return Profile(sum(part.units for part in known), joined, guessed=False).part(units(graph, ROWS))


def _measure(graph: Graph, layers: Mapping[str, Layer], x: IntArray, fill: int | None) -> Profile | None:
    """Of one input; None if it is too short."""
    (declared,) = graph.inputs
    if fill is None:
        values, count = evaluate(graph, {declared.name: x}), len(x)
    else:
        # Layers lag behind the input by up to `fill` hops: the last ones have not been read by all.
        hop = declared.type.image[0]
        values, count = Evaluator(graph).push(x), len(x) // hop - fill
        if count < 1:
            return None
    found = {}
    for name, item in _skippable(layers).items():
        shape = delta.geometry(item, delta.columns(item))
        rows = values[item.node.inputs[0]].reshape(-1, shape.channels)
        mask = delta.changed(rows, shape, delta.zero(item))
        found[name] = mask[: count * per_unit(item)]
    return Profile(count, found, guessed=False)


def unpack(bits: NDArray[np.uint8], count: int, layers: Mapping[str, Layer]) -> Profile:
    """The inverse of Profile.pack, of a profile from recordings of so many windows or hops."""
    flat = np.unpackbits(bits).astype(np.bool_)
    found, start = {}, 0
    for name, item in _skippable(layers).items():
        shape = (count * per_unit(item), delta.geometry(item).channels)
        found[name] = flat[start : start + shape[0] * shape[1]].reshape(shape)
        start += shape[0] * shape[1]
    return Profile(count, found, guessed=False)
