"""Cosimulation itself: it finds what is wrong and says where, and counts cycles as docs/cosim.md says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bhc.backends import rtl
from bhc.backends.cosim import Mismatch, cosim
from bhc.backends.plan import BuildPlan
from bhc.diagnostics import BhcError
from bhc.ir import passes
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Graph
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Memory, Pipeline
from bhc.ir.schedule import Rate, Target, schedule
from tests import tiny
from tests.strategies import DEVICE

GRAPH: Graph = passes.run(tiny.residual())
DESIGN: Pipeline = schedule(GRAPH, "residual", Target(100.0, DEVICE, Rate(10**6)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests, so that the simulator is built once for each design."""
    return tmp_path_factory.mktemp("cosim")


def windows(count: int) -> dict[str, IntArray]:
    (declared,) = GRAPH.inputs
    rng = np.random.default_rng(5)
    lo, hi = declared.type.range.lo, declared.type.range.hi
    return {declared.name: rng.integers(lo, hi + 1, (count, *declared.type.shape))}


def changed(design: Pipeline, name: str, **changes: object) -> Pipeline:
    """The design with one stage's fields replaced."""
    stages = tuple(replace(s, **changes) if s.name == name else s for s in design.stages)  # type: ignore[arg-type]
    return replace(design, stages=stages)


@pytest.mark.slow
def test_equal_and_on_time(folder: Path) -> None:
    result = cosim(DESIGN, GRAPH, windows(8), folder)
    compared = [row for row in result.streams if row.value is not None]
    assert {row.value for row in compared} >= {node.name for node in GRAPH.nodes} - {"fused"}
    assert result.values == 8 * sum(GRAPH.types()[row.value].elements for row in compared if row.value)
    assert (result.windows, result.mismatches, result.first_mismatch) == (8, 0, None)
    assert result.cycles_per_window_measured == DESIGN.cycles_per_window
    assert result.latency_cycles is not None
    assert abs(result.latency_cycles - DESIGN.latency_cycles) <= DESIGN.latency_cycles * 0.02


@pytest.mark.slow
def test_stalls_change_time_and_nothing_else(folder: Path) -> None:
    smooth, stalled, again = (cosim(DESIGN, GRAPH, windows(8), folder, stalls=seed) for seed in (None, 1, 1))
    assert stalled == again
    assert stalled.mismatches == 0
    assert smooth.cycles is not None
    assert stalled.cycles is not None
    assert stalled.cycles > smooth.cycles


@pytest.mark.slow
def test_waveforms(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "waves.vcd"
    cosim(DESIGN, GRAPH, windows(1), folder, vcd=path)
    assert "m_axis_tdata" in path.read_text()


@pytest.mark.slow
def test_first_difference_is_named(folder: Path) -> None:
    """One wrong threshold in the middle: the first stage that differs is that one, where the evaluator says."""
    stage = next(s for s in DESIGN.stages if s.kernel == "bhc_mvu" and s.value not in {"conv0", "act0"})
    data = windows(3)
    expected = evaluate(GRAPH, data)[stage.value]
    bias = next(m for m in stage.memories if m.name == "bias")
    wrong = bias.words.copy()
    wrong[0, 0] ^= 1  # the first output channel's sum, by one
    memories = tuple(Memory(m.name, m.width, m.style, wrong) if m is bias else m for m in stage.memories)
    result = cosim(changed(DESIGN, stage.name, memories=memories), GRAPH, data, folder)
    found = result.first_mismatch
    assert isinstance(found, Mismatch)
    assert (found.stage, found.value, found.window) == (stage.name, stage.value, 0)
    assert found.expected == expected[(0, *found.position)]
    assert abs(found.got - found.expected) >= 1
    assert f"stage '{stage.name}'" in str(found)


@pytest.mark.slow
def test_deadlock_is_explained(folder: Path) -> None:
    """A residual path without room for what the other path holds back."""
    fork = next(s for s in DESIGN.stages if s.kernel == "bhc_fork")
    short = [s for s in DESIGN.stages if s.kernel == "bhc_fifo" and s.sources[0] in fork.sinks]
    deepest = max(short, key=lambda s: s.params["Depth"])
    assert deepest.params["Depth"] > 2
    stuck = changed(DESIGN, deepest.name, params={**deepest.params, "Depth": 2})
    with pytest.raises(BhcError) as caught:
        cosim(stuck, GRAPH, windows(2), folder)
    message = str(caught.value)
    assert "error[BHC511] the design got stuck before cycle" in message
    assert "after 0 of 2 windows" in message
    assert f"({fork.name} -> {deepest.name}): {fork.name} waits for {deepest.name} to take a beat" in message


@pytest.mark.slow
def test_surplus_beats_are_found(folder: Path) -> None:
    """A stream that moves more beats than the schedule says."""
    name = DESIGN.output
    stream = DESIGN.streams[name]
    assert stream.beats > 1
    fewer = replace(DESIGN, streams={**DESIGN.streams, name: replace(stream, beats=1)})
    with pytest.raises(BhcError, match="BHC512"):
        cosim(fewer, GRAPH, windows(2), folder)


@pytest.mark.slow
def test_misplaced_tlast_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def emit(design: Pipeline) -> BuildPlan:
        plan = rtl.emit(design)
        top = plan.files["rtl/bhc_top.sv"].decode().replace(f".Count({beats})", f".Count({beats + 1})")
        return BuildPlan({**plan.files, "rtl/bhc_top.sv": top})

    beats = DESIGN.streams[DESIGN.output].beats
    monkeypatch.setattr("bhc.backends.cosim.emit", emit)
    with pytest.raises(BhcError, match="BHC513"):
        cosim(DESIGN, GRAPH, windows(2), folder)
