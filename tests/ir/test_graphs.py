"""Properties of random graphs: text round trip, sound types, exact passes, deterministic schedules."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bhc.ir import passes, text
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Graph, verify
from tests.strategies import graphs, inputs


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
    graph = data.draw(graphs())
    windows = data.draw(inputs(graph, 6))
    expected = evaluate(graph, windows)
    improved = passes.run(graph)
    got = evaluate(improved, windows)
    for before, after in zip(graph.outputs, improved.outputs, strict=True):
        assert np.array_equal(expected[before], got[after])
