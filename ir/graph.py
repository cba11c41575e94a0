"""The graph: immutable, in single-assignment form, in topological order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bhc.ir.ops import Op, infer
from bhc.ir.types import Type


@dataclass(frozen=True, slots=True)
class Input:
    """A value that comes from the host, integers already."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class Node:
    """One operation. The node's name is also the name of the value that it makes.

    origin: names of the ONNX nodes that it came from, for messages and reports.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    type: Type
    origin: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Graph:
    """inputs, then nodes in topological order; outputs names values."""

    inputs: tuple[Input, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def types(self) -> dict[str, Type]:
        """Type of every value by name."""
        return {v.name: v.type for v in self.inputs} | {v.name: v.type for v in self.nodes}

    def users(self) -> dict[str, tuple[str, ...]]:
        """For every value, the nodes that read it, in order, one entry for each operand that does."""
        found: dict[str, list[str]] = {name: [] for name in self.types()}
        for node in self.nodes:
            for name in node.inputs:
                found[name].append(node.name)
        return {name: tuple(nodes) for name, nodes in found.items()}


class GraphError(ValueError):
    """The graph breaks an invariant: a bug in whatever made it."""


def verify(graph: Graph) -> None:
    """Check single assignment, topological order, and every type against its rule; raises GraphError."""
    types: dict[str, Type] = {}
    for value in graph.inputs:
        if value.name in types:
            raise GraphError(f"value '{value.name}' is defined twice")
        types[value.name] = value.type
    for node in graph.nodes:
        if node.name in types:
            raise GraphError(f"value '{node.name}' is defined twice")
        missing = [name for name in node.inputs if name not in types]
        if missing:
            raise GraphError(f"node '{node.name}' reads '{missing[0]}', which is not defined before it")
        inferred = infer(node.op, tuple(types[name] for name in node.inputs))
        if inferred != node.type:
            raise GraphError(f"node '{node.name}' is typed {node.type}, its rule gives {inferred}")
        types[node.name] = node.type
    for name in graph.outputs:
        if name not in types:
            raise GraphError(f"output '{name}' is not defined")
    if not graph.inputs or not graph.outputs:
        raise GraphError("a graph has at least one input and one output")


class Builder:
    """Appends typed nodes; the one way to make a graph, so that types follow from the rules."""

    def __init__(self) -> None:
        self._inputs: list[Input] = []
        self._nodes: list[Node] = []
        self._types: dict[str, Type] = {}

    def _fresh(self, name: str) -> str:
        if name not in self._types:
            return name
        serial = 1
        while f"{name}_{serial}" in self._types:
            serial += 1
        return f"{name}_{serial}"

    def input(self, name: str, value_type: Type) -> str:
        """Declare an input; returns its name, made unique."""
        name = self._fresh(name)
        self._inputs.append(Input(name, value_type))
        self._types[name] = value_type
        return name

    def add(self, op: Op, inputs: Iterable[str], *, name: str, origin: Iterable[str] = ()) -> str:
        """Append a node; returns the name of its value (`name`, made unique). Raises ops.TypeRuleError."""
        operands = tuple(inputs)
        name = self._fresh(name)
        value_type = infer(op, tuple(self._types[o] for o in operands))
        self._nodes.append(Node(name, op, operands, value_type, tuple(origin)))
        self._types[name] = value_type
        return name

    def type(self, name: str) -> Type:
        """Type of a value made so far."""
        return self._types[name]

    def graph(self, outputs: Iterable[str]) -> Graph:
        """The finished graph, verified."""
        graph = Graph(tuple(self._inputs), tuple(self._nodes), tuple(outputs))
        verify(graph)
        return graph
