"""Delta skipping in the schedule: profiles, choices, and the cycles that they predict."""

from __future__ import annotations

import numpy as np
import pytest

from bhc.ir import delta, passes, profile, stream, tradeoff
from bhc.ir.folding import Skipping, every, skipping
from bhc.ir.graph import Builder, Graph
from bhc.ir.layers import Mode, compute_layers
from bhc.ir.ops import Conv, Dense, IntArray, SumPool, Threshold
from bhc.ir.pipeline import Folding, Resources
from bhc.ir.profile import Profile
from bhc.ir.schedule import Delta, Fit, Rate, Target, schedule
from bhc.ir.types import Range, Type

BOARD = Resources(lut=53200, ff=106400, bram=140, dsp=220)


def chain() -> Graph:
    """A binary temporal CNN of 48 steps."""
    rng = np.random.default_rng(1)

    def signs(*shape: int) -> IntArray:
        return rng.choice(np.array([-1, 1]), shape)

    def hidden(x: str, op: Conv | Dense, name: str) -> str:
        x = b.add(op, [x], name=name)
        limits = rng.integers(-9, 9, (b.type(x).channels, 1))
        return b.add(Threshold(limits, np.zeros(len(limits), np.bool_), bipolar=True), [x], name=f"{name}_sign")

    b = Builder()
    x = b.input("x", Type((48, 6), Range(-128, 127)))
    x = hidden(x, Conv(signs(32, 5, 1, 6)), "conv0")
    x = hidden(x, Conv(signs(32, 5, 1, 32)), "conv1")
    x = hidden(x, Conv(signs(32, 5, 1, 32), stride=(2, 1)), "conv2")
    x = b.add(SumPool((18, 1), (18, 1)), [x], name="sum")
    x = b.add(Dense(signs(4, 32)), [x], name="dense")
    return passes.run(b.graph([x]))


def slow(rows: int, seed: int = 0) -> IntArray:
    """A recording in which little changes."""
    rng = np.random.default_rng(seed)
    steps = (rng.random((rows, 6)) < 0.05) * rng.integers(-40, 41, (rows, 6))
    return np.clip(np.cumsum(steps, axis=0), -128, 127)


STREAMED = stream.rewrite(chain(), 4).graph


def measured(graph: Graph = STREAMED) -> Profile:
    x = slow(48 * 40)
    return profile.measure(graph, compute_layers(graph), [x if graph is STREAMED else x.reshape(-1, 48, 6)])


def built(
    mode: Delta, goal: Rate | Fit, known: Profile | None, graph: Graph = STREAMED, **folded: Folding
) -> list[int]:
    """(cycles, LUTs, layers that skip)."""
    made = schedule(graph, "chain", Target(100.0, BOARD, goal, folded), mode, known)
    skips = sum(stage.kernel == "bhc_delta" for stage in made.stages)
    return [made.cycles_per_window, made.estimate.lut, skips]


def test_packed_and_unpacked() -> None:
    known = measured()
    layers = compute_layers(STREAMED)
    again = profile.unpack(known.pack(), known.units, layers)
    assert again.units == known.units
    assert again.changed.keys() == known.changed.keys()
    for name, mask in known.changed.items():
        assert np.array_equal(mask, again.changed[name])


def test_a_profile_is_cut_from_several_places() -> None:
    known = measured()
    part = known.part(100)
    assert 90 <= part.units <= 100
    for name, mask in part.changed.items():
        item = compute_layers(STREAMED)[name]
        assert len(mask) == part.units * profile.per_unit(item)
        assert abs(part.flip_rate(name) - known.flip_rate(name)) < 0.1
    assert known.part(10**6) is known


def test_a_short_recording_says_nothing() -> None:
    layers = compute_layers(STREAMED)
    assert profile.measure(STREAMED, layers, [slow(40)]).guessed
    assert not profile.measure(STREAMED, layers, [slow(40), slow(400)]).guessed


@pytest.mark.parametrize("graph", [STREAMED, chain()], ids=["stream", "window"])
def test_predicted_cycles_of_a_layer(graph: Graph) -> None:
    """The quick estimate of a choice against the exact timeline."""
    known = measured(graph)
    for name, item in compute_layers(graph).items():
        mask, columns = known.changed[name], delta.columns(item)
        shape = delta.geometry(item, columns)
        for choice in skipping(item, mask):
            if choice.lanes != shape.channels or choice.folding.simd > 2:
                continue
            nf = item.weights.shape[0] // choice.folding.pe
            events = delta.beats(mask, choice.lanes)
            line = delta.timeline(shape, events, nf=nf, width=choice.folding.simd)
            exact = (line.issued[-1] - line.issued[0]) / known.units
            assert exact * 0.85 - 3 <= choice.cycles <= exact * 1.25 + 3


def test_skipping_is_faster_where_little_changes() -> None:
    known = measured()
    dense, lut, _ = built("off", Fit(0.08), None)
    cycles, area_, skips = built("auto", Fit(0.08), known)
    assert skips >= 2
    assert cycles * 2 < dense
    assert area_ < BOARD.lut * 0.08
    assert lut < BOARD.lut * 0.08


@pytest.mark.parametrize("goal", [Fit(0.03), Fit(0.1), Rate(400)])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3])
def test_auto_is_never_worse(goal: Rate | Fit, share: float) -> None:
    layers = compute_layers(STREAMED)
    rng = np.random.default_rng(3)
    masks = {name: rng.random(mask.shape) < share for name, mask in measured().changed.items()}
    known = Profile(measured().units, masks, guessed=False)
    assert masks.keys() == layers.keys()
    auto, dense, always = (built(mode, goal, known) for mode in ("auto", "off", "on"))
    figure = 1 if isinstance(goal, Rate) else 0
    price = [auto[figure], dense[figure], always[figure]]
    assert price[0] <= min(price[1:]) * (1.02 if figure == 0 else 1.05)


def test_on_skips_wherever_it_can_and_a_folding_is_kept() -> None:
    cycles, _, skips = built("on", Fit(), measured(), conv1=Folding(8, 4))
    assert skips == len(compute_layers(STREAMED))
    assert cycles > 0
    made = schedule(STREAMED, "chain", Target(100.0, BOARD, Fit(), {"conv1": Folding(8, 4)}), "on", measured())
    (stage,) = (stage for stage in made.stages if stage.name == "conv1")
    assert (stage.params["Pe"], stage.params["Events"]) == (8, 4)


def test_without_recordings_it_is_a_guess() -> None:
    known = profile.guess(STREAMED, compute_layers(STREAMED))
    assert known.guessed
    assert known.flip_rate("conv0") == 1.0
    assert 0.08 < known.flip_rate("conv1") < 0.12
    assert built("auto", Fit(0.08), None) == built("auto", Fit(0.08), known)


def test_choices_of_every_kind() -> None:
    layers, known = compute_layers(STREAMED), measured()
    modes = {name: {c.mode for c in found} for name, found in every(layers, Skipping(known, always=False)).items()}
    assert all(Mode.DELTA in found and len(found) > 1 for found in modes.values())
    only = every(layers, Skipping(known, always=True))
    assert all({c.mode for c in found} == {Mode.DELTA} for found in only.values())


def test_rows_of_the_report() -> None:
    known, layers = measured(), compute_layers(STREAMED)
    made = schedule(STREAMED, "chain", Target(100.0, BOARD, Fit(0.08)), "auto", known)
    rows = {row.name: row for row in tradeoff.rows(made, layers, known)}
    assert list(rows) == list(layers)
    for stage in made.stages:
        if stage.folding is not None:
            row = rows[stage.name]
            assert row.choice == ("delta" if stage.kernel == "bhc_delta" else "dense")
            assert row.cycles_worst >= stage.cycles
            assert row.why_dense is None
