"""Graph to graph rewrites, each exact, in the order of PIPELINE.

Every pass is a plain function whose docstring says what it needs and what it guarantees; `run` verifies after
each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bhc.ir.graph import Builder, Graph, Node, verify
from bhc.ir.ops import Conv, Dense, MaxPool, Op, SumPool, Threshold, weight_bits

Pass = Callable[[Graph], Graph]


def remove_dead(graph: Graph) -> Graph:
    """Needs: nothing. Guarantees: every node is reached from an output."""
    live = set(graph.outputs)
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.name in live:
            live.update(node.inputs)
            kept.append(node)
    return replace(graph, nodes=tuple(reversed(kept)))


def _rebuild(graph: Graph, ops: dict[str, Op]) -> Graph:
    """The same graph with some ops replaced, and types inferred anew."""
    builder = Builder()
    for declared in graph.inputs:
        builder.input(declared.name, declared.type)
    for node in graph.nodes:
        builder.add(ops.get(node.name, node.op), node.inputs, name=node.name, origin=node.origin)
    return builder.graph(graph.outputs)


def raise_descending(graph: Graph) -> Graph:
    """Needs: nothing. Guarantees: a threshold whose only operand is a convolution or dense layer that feeds
    nothing else has no descending channel, where negating the weights does not widen them.

    level(x) = N - #{x >= t} = #{x < t} = #{-x >= 1 - t}: negate the channel's weights and turn its thresholds
    round.
    """
    users = graph.users()
    by_name = {node.name: node for node in graph.nodes}
    ops: dict[str, Op] = {}
    for node in graph.nodes:
        producer = by_name.get(node.inputs[0])
        if not isinstance(node.op, Threshold) or producer is None or not node.op.descending.any():
            continue
        if (
            not isinstance(producer.op, Conv | Dense)
            or len(users[producer.name]) != 1
            or producer.name in graph.outputs
        ):
            continue
        weights = producer.op.weights
        channels = weights.shape[0]
        turned = np.broadcast_to(node.op.descending, (channels,))
        negated = np.where(turned.reshape(-1, *([1] * (weights.ndim - 1))), -weights, weights)
        if weight_bits(negated) > weight_bits(weights):
            continue
        thresholds = np.broadcast_to(node.op.thresholds, (channels, node.op.levels))
        thresholds = np.where(turned[:, None], 1 - thresholds[:, ::-1], thresholds)
        ops[producer.name] = replace(producer.op, weights=negated)
        ops[node.name] = replace(node.op, thresholds=thresholds, descending=np.zeros(channels, np.bool_))
    return _rebuild(graph, ops) if ops else graph


def thresholds_before_pools(graph: Graph) -> Graph:
    """Needs: raise_descending. Guarantees: no ascending threshold follows a max pool that feeds nothing else.

    An ascending step function commutes with the maximum; afterwards the pool works on fewer bits, and the
    threshold can be folded into the layer before.
    """
    while True:
        users = graph.users()
        by_name = {node.name: node for node in graph.nodes}
        for node in graph.nodes:
            pool = by_name.get(node.inputs[0])
            if (
                isinstance(node.op, Threshold)
                and not node.op.descending.any()
                and pool is not None
                and isinstance(pool.op, MaxPool)
                and len(users[pool.name]) == 1
                and pool.name not in graph.outputs
            ):
                graph = _swap(graph, pool, node)
                break
        else:
            return graph


def _swap(graph: Graph, first: Node, second: Node) -> Graph:
    """First -> second becomes second -> first; the value that leaves the pair keeps the name of
    `second`'s.
    """
    builder = Builder()
    for declared in graph.inputs:
        builder.input(declared.name, declared.type)
    inner = f"{second.name}_early"
    for node in graph.nodes:
        if node.name == first.name:
            made = builder.add(second.op, first.inputs, name=inner, origin=second.origin)
            builder.add(first.op, [made], name=second.name, origin=first.origin)
        elif node.name != second.name:
            builder.add(node.op, node.inputs, name=node.name, origin=node.origin)
    return builder.graph(graph.outputs)


def padded_sums_of_bipolar(graph: Graph) -> Graph:
    """Needs: nothing. Guarantees: no sum pool pads a bipolar value.

    No wire can carry the zeros of its padding; a depthwise convolution with weights of one, which corrects its
    borders, is the same sum.
    """
    types = graph.types()
    ops: dict[str, Op] = {}
    for node in graph.nodes:
        x = types[node.inputs[0]]
        if isinstance(node.op, SumPool) and node.op.pads and x.bipolar:
            ones = np.ones((x.channels, *node.op.kernel, 1), np.int64)
            pool = node.op
            ops[node.name] = Conv(ones, pool.stride, pool.dilation, pool.pads, x.channels, pool.endless)
    return _rebuild(graph, ops) if ops else graph


PIPELINE: tuple[Pass, ...] = (
    remove_dead,  # first: what is not computed need not be rewritten
    padded_sums_of_bipolar,
    raise_descending,  # before pools are passed, which needs ascending steps
    thresholds_before_pools,
)


def run(graph: Graph, after: Callable[[str, Graph], None] | None = None) -> Graph:
    """Apply PIPELINE, verifying after each pass; `after` is told each pass's name and result."""
    for step in PIPELINE:
        graph = step(graph)
        verify(graph)
        if after is not None:
            after(step.__name__, graph)
    return graph
