"""Streaming equals windowed inference: random graphs, hops, recordings and pieces."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from bhc.diagnostics import BhcError
from bhc.ir import passes, text
from bhc.ir.evaluate import evaluate as evaluate_windows
from bhc.ir.graph import Builder
from bhc.ir.ops import Conv, Dense, Frame, Hold, MaxPool
from bhc.ir.stream import Evaluator, evaluate, rewrite, sequences, windows
from bhc.ir.types import Range, Type
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


def test_held_values_are_framed() -> None:
    """Where a window begins decides what is held in it: its rows belong to no sequence."""
    builder = Builder()
    x = builder.input("x", Type((12, 2), Range(-8, 7)))
    conv = builder.add(Conv(np.ones((3, 3, 1, 2), np.int64)), (x,), name="conv")
    held = builder.add(Hold(9), (conv,), name="held")
    pooled = builder.add(MaxPool((2, 1), (2, 1)), (held,), name="pooled")
    builder.add(Dense(np.ones((2, 15), np.int64)), (pooled,), name="head")
    made = rewrite(builder.graph(("head",)), 4)
    assert made.reasons == {"held": "holds values from the first row of each window on"}
    assert [(node.name, type(node.op)) for node in made.graph.nodes] == [
        ("conv", Conv),
        ("conv_frame", Frame),
        ("held", Hold),
        ("pooled", MaxPool),
        ("head", Dense),
    ]
    assert sequences(made.graph) == {"x", "conv"}
