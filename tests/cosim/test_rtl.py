"""Random graphs, scheduled at random: every stream of the RTL equals the evaluator's value, under stalls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from bhc.backends.cosim import cosim, lint
from bhc.backends.rtl import emit
from bhc.ir import passes, pipeline, profile, stream
from bhc.ir.graph import Graph
from bhc.ir.layers import compute_layers
from bhc.ir.pipeline import Pipeline
from bhc.ir.schedule import Fit, Goal, Rate, Target, schedule
from bhc.ir.text import dump
from tests.strategies import DEVICE, graphs, inputs, streamable


@st.composite
def goals(draw: st.DrawFn) -> Goal:
    """From the smallest design to nearly unfolded."""
    options: tuple[Goal, ...] = (Rate(10**9), Fit(1e-4), Fit(1e-3), Fit(3e-3), Fit(1e-2), Fit(0.05))
    return draw(st.sampled_from(options))


@st.composite
def scheduled(draw: st.DrawFn) -> tuple[Graph, Pipeline]:
    """A graph and its pipeline."""
    graph = passes.run(draw(graphs()))
    return graph, schedule(graph, "random", Target(100.0, DEVICE, draw(goals())))


@pytest.mark.slow
@settings(
    # Every example is a Verilator build: fewer than elsewhere, and none for shrinking, which would take hours.
    max_examples=500 if settings.get_current_profile_name() == "long" else 8,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_rtl_equals_evaluator(tmp_path: Path, data: st.DataObject) -> None:
    """All examples share a folder, and with it the compiled run-time library."""
    graph, made = data.draw(scheduled())
    windows = data.draw(inputs(graph, 5))
    stalls = data.draw(st.one_of(st.none(), st.integers(0, 2**32 - 1)))
    note(dump(graph))
    note(pipeline.dump(made))
    assert lint(emit(made), tmp_path) == ()
    result = cosim(made, graph, windows, tmp_path, stalls=stalls)
    assert result.first_mismatch is None
    assert result.mismatches == 0
    if stalls is None and result.cycles_per_window_measured is not None:
        assert abs(result.cycles_per_window_measured - made.cycles_per_window) <= made.cycles_per_window * 0.02


@pytest.mark.slow
@settings(
    max_examples=500 if settings.get_current_profile_name() == "long" else 6,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_streaming_rtl_equals_evaluator(tmp_path: Path, data: st.DataObject) -> None:
    """Two recordings, with a reset between them."""
    graph = passes.run(data.draw(streamable()))
    (declared,) = graph.inputs
    hop = data.draw(st.integers(1, declared.type.image[0]))
    streamed = stream.rewrite(graph, hop).graph
    made = schedule(streamed, "random", Target(100.0, DEVICE, data.draw(goals())))
    recordings = [np.concatenate(list(data.draw(inputs(graph, 4))[declared.name])) for _ in range(2)]
    stalls = data.draw(st.one_of(st.none(), st.integers(0, 2**32 - 1)))
    note(dump(streamed))
    note(pipeline.dump(made))
    assert lint(emit(made), tmp_path) == ()
    result = cosim(made, streamed, {declared.name: recordings}, tmp_path, stalls=stalls)
    assert result.first_mismatch is None
    assert result.mismatches == 0
    assert result.windows >= 2


def held(x: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Elements of (..., rows, channels), that share of them as in the row before."""
    rows = np.moveaxis(x.copy(), -2, 0)
    keep = np.random.default_rng(seed).random(rows.shape) < share
    for t in range(1, len(rows)):
        rows[t] = np.where(keep[t], rows[t - 1], rows[t])
    return np.moveaxis(rows, 0, -2)


@pytest.mark.slow
@settings(
    max_examples=500 if settings.get_current_profile_name() == "long" else 8,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_skipping_rtl_equals_evaluator(tmp_path: Path, data: st.DataObject) -> None:
    """Every layer that can skips what does not change, in windows or streams; the model knows the cycles."""
    graph = passes.run(data.draw(streamable()))
    (declared,) = graph.inputs
    share, seed = data.draw(st.sampled_from((0.0, 0.5, 0.9, 1.0))), data.draw(st.integers(0, 9))
    windows = [held(data.draw(inputs(graph, 4))[declared.name], share, seed) for _ in range(2)]
    if data.draw(st.booleans()):
        graph = stream.rewrite(graph, data.draw(st.integers(1, declared.type.image[0]))).graph
        given_inputs = [np.concatenate(list(x)) for x in windows]
    else:
        given_inputs = [np.concatenate(windows)]
    known = profile.measure(graph, compute_layers(graph), given_inputs[:1])
    target = Target(100.0, DEVICE, data.draw(goals()))
    made = schedule(graph, "random", target, data.draw(st.sampled_from(("on", "auto"))), known)
    stalls = data.draw(st.one_of(st.none(), st.integers(0, 2**32 - 1)))
    note(dump(graph))
    note(pipeline.dump(made))
    assert lint(emit(made), tmp_path) == ()
    result = cosim(made, graph, {declared.name: given_inputs}, tmp_path, stalls=stalls)
    assert result.first_mismatch is None
    assert result.mismatches == 0
