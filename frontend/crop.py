"""Rows that are computed and then dropped (a causal convolution that is padded at both ends and chopped) need not be
computed.
"""

from __future__ import annotations

from dataclasses import replace

from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Conv, MaxPool, Op, Pads, SumPool, Threshold


def _is_crop(op: Op) -> bool:
    """A 1x1 pool that keeps a contiguous part."""
    return isinstance(op, MaxPool) and op.kernel == (1, 1) and op.stride == (1, 1) and bool(op.pads)


def _cropped(pads: Pads, crop: Pads, stride: tuple[int, int]) -> Pads:
    return Pads(
        pads.top + crop.top * stride[0],
        pads.left + crop.left * stride[1],
        pads.bottom + crop.bottom * stride[0],
        pads.right + crop.right * stride[1],
    )


def merge_crops(graph: Graph) -> tuple[Graph, dict[str, Pads]]:
    """Needs: nothing. Guarantees: a crop of a window op's only result, perhaps behind thresholds, is done by its
    padding, where that does not become negative at the beginning (at the end it may).

    The second result says what was cropped off which value.
    """
    cropped: dict[str, Pads] = {}
    users = graph.users()
    nodes = {node.name: node for node in graph.nodes}
    renamed: dict[str, str] = {}
    for crop in graph.nodes:
        if not _is_crop(crop.op):
            continue
        assert isinstance(crop.op, MaxPool)
        producer = nodes.get(renamed.get(crop.inputs[0], crop.inputs[0]))
        between: list[str] = []
        while producer is not None and isinstance(producer.op, Threshold) and len(users[producer.name]) == 1:
            between.append(producer.name)
            producer = nodes.get(renamed.get(producer.inputs[0], producer.inputs[0]))
        if producer is None or len(users[producer.name]) != 1 or producer.name in graph.outputs:
            continue
        if not isinstance(producer.op, Conv | MaxPool | SumPool) or not {*between, producer.name}.isdisjoint(cropped):
            continue
        if any(name in graph.outputs for name in between):
            continue
        pads = _cropped(producer.op.pads, crop.op.pads, producer.op.stride)
        # Windows at the end can be left out; the hardware's windows start at the first row or before it.
        if pads.top < 0 or pads.left < 0:
            continue
        nodes[producer.name] = replace(producer, op=replace(producer.op, pads=pads))
        renamed[crop.name] = crop.inputs[0]
        users = {**users, crop.inputs[0]: users[crop.name]}
        cropped.update(dict.fromkeys([*between, producer.name], crop.op.pads))
    if not renamed:
        return graph, cropped
    builder = Builder()
    for declared in graph.inputs:
        builder.input(declared.name, declared.type)
    for node in graph.nodes:
        if node.name not in renamed:
            current = nodes[node.name]
            operands = [renamed.get(name, name) for name in current.inputs]
            builder.add(current.op, operands, name=current.name, origin=current.origin)
    return builder.graph(renamed.get(name, name) for name in graph.outputs), cropped
