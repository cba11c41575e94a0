"""Each layer twice, dense and skipping what does not change, with the same lanes: what a choice costs and saves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bhc.ir import delta
from bhc.ir.folding import EVENTS, Choice, choices, skipping
from bhc.ir.layers import Layer
from bhc.ir.pipeline import Folding, Pipeline
from bhc.ir.profile import Profile


@dataclass(frozen=True, slots=True)
class Row:
    """A compute layer.

    flip_rate: share of the elements that it reads which change from column to column. cycles, lut: of a window (or
    hop), by the models of bhc.ir, for the two kinds with the same outputs at once, and as many (or at most as many)
    products or changes. cycles_worst: of the choice, when everything changes. why_dense: why it cannot skip; then what
    concerns skipping is None.
    """

    name: str
    choice: Literal["dense", "delta"]
    flip_rate: float | None
    cycles_dense: int
    cycles_delta: int | None
    cycles_worst: int
    lut_dense: int
    lut_delta: int | None
    why_dense: str | None


def rows(pipeline: Pipeline, layers: Mapping[str, Layer], profile: Profile) -> tuple[Row, ...]:
    """One for every compute layer, in the order of the design."""
    made = {stage.name: stage for stage in pipeline.stages}
    found = []
    for name, item in layers.items():
        stage = made[name]
        assert stage.folding is not None
        skips = stage.kernel == "bhc_delta"
        dense = _nearest(tuple(choices(item)), stage.folding)
        why = delta.why_not(item)
        other, worst = None, stage.cycles
        if why is None:
            mask = profile.changed[name]
            most = Folding(stage.folding.pe, max(e for e in EVENTS if e <= max(1, stage.folding.simd)))
            other = _nearest(tuple(skipping(item, mask)), most)
            if skips:
                always = tuple(skipping(item, np.ones_like(mask)))
                worst = next(c.cycles for c in always if (c.folding, c.lanes) == (stage.folding, stage.params["Lanes"]))
        found.append(
            Row(
                name,
                "delta" if skips else "dense",
                None if why else profile.flip_rate(name),
                dense.cycles,
                other.cycles if other else None,
                worst,
                dense.cost.lut,
                other.cost.lut if other else None,
                why,
            )
        )
    return tuple(found)


def _nearest(known: tuple[Choice, ...], wanted: Folding) -> Choice:
    """The fastest with so many outputs at once and at most so many products, the cheapest of these."""
    within = [c for c in known if c.folding.pe == wanted.pe and c.folding.simd <= wanted.simd]
    return min(within or known, key=lambda c: (-c.folding.simd, c.cycles, c.cost.lut))
