"""Properties of random graphs: text round trip, sound types, exact passes, deterministic schedules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhc.ir import passes, text
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Builder, Graph, verify
from bhc.ir.ops import Add, Pads, SumPool, Threshold
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import Range, Type, bipolar
from tests.strategies import DEVICE, graphs, inputs, streamable


@given(graphs(max_blocks=6))
def test_text_round_trip(graph: Graph) -> None:
    dumped = text.dump(graph)
    loaded = text.load(dumped)
    assert text.dump(loaded) == dumped
    assert loaded.types() == graph.types()


@given(st.data())
def test_types_are_sound(data: st.DataObject) -> None:
    """The evaluator checks every value against its type's range."""
    graph = data.draw(graphs(max_blocks=6))
    verify(graph)
    values = evaluate(graph, data.draw(inputs(graph, 6)))
    assert values.keys() == graph.types().keys()


@given(st.data())
def test_loaded_graph_means_the_same(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    windows = data.draw(inputs(graph, 4))
    expected, got = evaluate(graph, windows), evaluate(text.load(text.dump(graph)), windows)
    assert all(np.array_equal(expected[name], got[name]) for name in expected)


@given(st.data())
def test_passes_are_exact(data: st.DataObject) -> None:
    graph = data.draw(st.one_of(graphs(), streamable()))
    windows = data.draw(inputs(graph, 6))
    expected = evaluate(graph, windows)
    improved = passes.run(graph)
    got = evaluate(improved, windows)
    for before, after in zip(graph.outputs, improved.outputs, strict=True):
        assert np.array_equal(expected[before], got[after])


def test_derived_names_do_not_meet() -> None:
    """Streams and stages that the schedule makes are named after values: `a_0` is a branch of `a`, or a value."""
    build = Builder()
    step = Threshold(np.array([[0]]), np.array([False]), bipolar=True)
    value = build.input("in", Type((4, 2), Range(-2, 1)))
    for name in ("a", "a_0", "a_1", "a_q", "a_fork", "a_0_fifo", "a_0_q"):
        value = build.add(step, [value], name=name)
    graph = build.graph([build.add(Add(), ["a", value], name="a_fifo")])
    made = schedule(graph, "names", Target(100.0, DEVICE, Rate(10**6)))
    names = [stage.name for stage in made.stages]
    assert len(set(names)) == len(names)
    carried = {stream.value for stream in made.streams.values()}
    assert carried >= graph.types().keys()


@pytest.mark.parametrize("dilation", [1, 2])
def test_padded_sum_of_bipolar_values_is_no_pool(dilation: int) -> None:
    """No wire carries the zeros of the padding: a pool would silently add -1 for each."""
    build = Builder()
    x = build.input("x", bipolar(5, 3))
    pool = SumPool((3, 1), (1, 1), Pads(1, 0, 2, 0), (dilation, 1))
    graph = build.graph([build.add(pool, [x], name="sum")])
    improved = passes.run(graph)
    assert not any(isinstance(node.op, SumPool) for node in improved.nodes)
    windows = {"x": np.random.default_rng(0).choice(np.array([-1, 1]), (9, 5, 3))}
    assert np.array_equal(evaluate(graph, windows)["sum"], evaluate(improved, windows)["sum"])
