"""Streaming equals windowed inference: random graphs, hops, recordings and pieces."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from bhc.diagnostics import BhcError
from bhc.ir import passes, text
from bhc.ir.evaluate import evaluate as evaluate_windows
from bhc.ir.stream import Evaluator, evaluate, rewrite, windows
from tests.strategies import graphs, inputs, streamable


@given(st.data())
def test_windows(data: st.DataObject) -> None:
    graph = passes.run(data.draw(st.one_of(graphs(), streamable())))
    (declared,) = graph.inputs
    rows = declared.type.image[0]
    assume(len(declared.type.shape) > 1 and rows > 1)
    hop = data.draw(st.integers(1, rows))
    try:
        made = rewrite(graph, hop)
    except BhcError:  # the result is a sequence
        reject()
    assert text.load(text.dump(made.graph)).nodes[-1].name == made.graph.nodes[-1].name
    recording = np.concatenate(list(data.draw(inputs(graph, 4))[declared.name]))
    want = evaluate_windows(graph, {declared.name: windows(recording, rows, hop)})
    got = evaluate(made.graph, recording)
    for name in graph.outputs:
        found = got[name].reshape(-1, *want[name].shape[1:])
        assert np.array_equal(found[: len(want[name])], want[name])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(recording)), max_size=5)))
    stream = Evaluator(made.graph)
    pieces = [stream.push(piece) for piece in np.split(recording, cuts)]
    for name, value in got.items():
        assert np.array_equal(np.concatenate([piece[name] for piece in pieces]), value), name
