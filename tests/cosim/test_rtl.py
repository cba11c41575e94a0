"""Random graphs, scheduled at random: every stream of the RTL equals the evaluator's value, under stalls."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from bhc.backends.cosim import cosim, lint
from bhc.backends.rtl import emit
from bhc.ir import passes, pipeline
from bhc.ir.graph import Graph
from bhc.ir.pipeline import Pipeline, Resources
from bhc.ir.schedule import Fit, Rate, Target, schedule
from bhc.ir.text import dump
from tests.strategies import graphs, inputs

#: Large enough for every graph, so that the share alone decides how far a design is unfolded.
_DEVICE = Resources(lut=10**6, ff=2 * 10**6, bram36=1000.0, dsp=0)


@st.composite
def scheduled(draw: st.DrawFn) -> tuple[Graph, Pipeline]:
    """A graph and its pipeline, from the smallest to nearly unfolded."""
    graph = passes.run(draw(graphs()))
    goal = draw(st.sampled_from((Rate(10**9), Fit(1e-4), Fit(1e-3), Fit(3e-3), Fit(1e-2), Fit(0.05))))
    made = schedule(graph, "random", Target(100.0, _DEVICE, goal))
    return graph, made


@pytest.mark.slow
@settings(
    max_examples=max(10, settings.default.max_examples // 3) if settings.default else 10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_rtl_equals_evaluator(tmp_path: Path, data: st.DataObject) -> None:
    """Each example is a Verilator build; all share a folder, and with it the compiled run-time library."""
    graph, made = data.draw(scheduled())
    windows = data.draw(inputs(graph, 5))
    stalls = data.draw(st.one_of(st.none(), st.integers(0, 2**32 - 1)))
    note(dump(graph))
    note(pipeline.dump(made))
    assert lint(emit(made), tmp_path) == ()
    result = cosim(made, graph, windows, tmp_path, stalls=stalls)
    assert result.first_mismatch is None
    assert result.mismatches == 0
