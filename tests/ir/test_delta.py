"""Layers computed from changes alone: exact whatever changes, in pieces, window by window, and at the extremes."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from bhc.diagnostics import BhcError
from bhc.ir import delta, passes, stream
from bhc.ir.evaluate import Values, evaluate
from bhc.ir.graph import Builder, Graph
from bhc.ir.layers import Layer, foldable, layer
from bhc.ir.ops import Conv, Dense, IntArray, Threshold
from bhc.ir.types import Range, Type, bipolar
from tests.strategies import graphs, inputs, streamable


def skipping(graph: Graph) -> list[Layer]:
    """The layers of a graph that can be computed from changes."""
    users = graph.users()
    layers = [layer(graph, n, foldable(graph, n, users)) for n in graph.nodes if isinstance(n.op, Conv | Dense)]
    return [item for item in layers if delta.why_not(item) is None]


def columns_of(item: Layer, values: Values) -> IntArray:
    return values[item.node.inputs[0]].reshape(-1, delta.geometry(item).channels)


@given(st.data())
def test_streamed(data: st.DataObject) -> None:
    """Recordings in pieces, one after another."""
    graph = passes.run(data.draw(streamable()))
    (declared,) = graph.inputs
    window = declared.type.image[0]
    try:
        streamed = stream.rewrite(graph, data.draw(st.integers(1, window))).graph
    except BhcError:  # the result is a sequence
        assume(False)
        raise
    layers = {item.node.name: item for item in skipping(streamed)}
    assume(layers)
    running = {name: delta.Accumulators(item) for name, item in layers.items()}
    for _ in range(2):
        recording = data.draw(inputs(graph, 4))[declared.name].reshape(-1, *declared.type.shape[1:])
        recording = recording[: data.draw(st.integers(1, len(recording)))]
        values = stream.evaluate(streamed, recording)
        for name, item in layers.items():
            x, wanted = columns_of(item, values), values[item.result.name]
            running[name].reset()
            cuts = sorted(data.draw(st.lists(st.integers(0, len(x)), max_size=4)))
            made = np.concatenate([running[name].push(piece) for piece in np.split(x, cuts)])
            assert np.array_equal(made.reshape(wanted.shape), wanted), name
            assert np.array_equal(delta.accumulate(item, x), made), name


@given(st.data())
def test_windows(data: st.DataObject) -> None:
    """A history for each window; a dense layer's goes on from window to window."""
    graph = passes.run(data.draw(st.one_of(streamable(), graphs())))
    values = evaluate(graph, data.draw(inputs(graph, 5)))
    layers = skipping(graph)
    assume(layers)
    for item in layers:
        x, wanted = columns_of(item, values), values[item.result.name]
        running = delta.Accumulators(item)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(x)), max_size=4)))
        made = np.concatenate([running.push(piece) for piece in np.split(x, cuts)])
        assert np.array_equal(made.reshape(wanted.shape), wanted), item.node.name


@given(
    st.sampled_from((Range(-1, 1), Range(-128, 127), Range(0, 255), Range(0, 1), Range(-9, -3), Range(200, 255))),
    st.sampled_from((-1, 1)),
    st.sampled_from((None, -(10**6), 0, 10**6)),
    st.integers(1, 5),
    st.integers(1, 3),
    st.integers(1, 7),
    st.lists(st.booleans(), min_size=1, max_size=40),
)
def test_extremes(
    reach: Range, weight: int, threshold: int | None, taps: int, dilation: int, stride: int, high: list[bool]
) -> None:
    """Everything changes at once, from one end of the range to the other, and sums are as far out as they can be."""
    builder = Builder()
    x_type = bipolar(stride, 4) if reach == Range(-1, 1) else Type((stride, 4), reach)
    weights = np.full((2, taps, 1, 4), weight)
    weights[1, ::2] *= -1
    name = builder.add(Conv(weights, (stride, 1), (dilation, 1), endless=True), [builder.input("x", x_type)], name="y")
    if threshold is not None:
        limits = np.array([[threshold], [0]])
        name = builder.add(Threshold(limits, np.zeros(2, np.bool_), bipolar=True), [name], name="sign")
    graph = builder.graph([name])
    (item,) = skipping(graph)
    x = np.repeat(np.where(high, reach.hi, reach.lo)[:, None], 4, axis=1)
    assert np.array_equal(delta.accumulate(item, x), stream.evaluate(graph, x)[name])
