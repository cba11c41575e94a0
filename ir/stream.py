"""Streaming: a graph for windows that overlap becomes one that computes every row once.

Window n of a recording begins at its row n * hop. A value whose rows stand for every `step`-th row of the input (the
product of the strides before it) is a sequence that goes on from window to window, if no window adds padding of its
own: its rows are those at multiples of gcd(hop, step), and row p of window n is row n * hop / gcd + p * step / gcd of
the sequence. Where the hop is not a multiple of the step, windows read every step / gcd-th row: a dilation takes the
place of the stride that was given up, and all windows are still exact.

    rewrite     the graph whose ops are endless, with the types of one hop
    reasons     why some values are computed window by window all the same
    evaluate    the definition: unrolled for a whole recording
    Evaluator   the same for a recording that arrives piece by piece
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from bhc.diagnostics import fail
from bhc.ir.evaluate import Values, apply, check
from bhc.ir.graph import Builder, Graph, Input, Node
from bhc.ir.ops import (
    Add,
    Argmax,
    Concat,
    Conv,
    Dense,
    Frame,
    Hold,
    IntArray,
    MaxPool,
    Op,
    Pad,
    SumPool,
    Threshold,
    WindowOp,
)
from bhc.ir.types import Type


@dataclass(frozen=True, slots=True)
class _Sequence:
    """A value that goes on from window to window.

    rows: of the value in one window. step: input rows between two of them. kept: input rows between two of the
    sequence; divides step and the hop.
    """

    rows: int
    step: int
    kept: int

    @property
    def dilation(self) -> int:
        return self.step // self.kept


@dataclass(frozen=True, slots=True)
class Streamed:
    """graph: of one hop. window, hop: rows of the input. reasons: of every value that is computed window by window
    although it has rows: why.
    """

    graph: Graph
    window: int
    hop: int
    reasons: Mapping[str, str]


def _why_not(op: Op) -> str | None:
    """Why an op on a sequence is no sequence; None if it is one."""
    match op:
        case Conv() | MaxPool() | SumPool():
            if op.pads.top > 0 or op.pads.bottom > 0:
                return "pads each window in time"
            return "crops the beginning of each window" if op.pads.top < 0 else None
        case Pad():
            return "pads each window in time" if op.pads.top or op.pads.bottom else "pads an image"
        case Threshold() | Add() | Concat():
            return None
        case Dense() | Argmax():
            return "reads a whole window"
        case Hold():
            return "holds values from the first row of each window on"
        case Frame():
            raise AssertionError("the graph is streamed already")


class _Rewriter:
    """Rewrites node by node; `sequences` are the values that go on from window to window."""

    def __init__(self, graph: Graph, hop: int, *, skips: bool) -> None:
        self.graph, self.hop, self.types, self.skips = graph, hop, graph.types(), skips
        self.builder = Builder()
        self.sequences: dict[str, _Sequence] = {}
        self.framed: dict[str, str] = {}
        self.reasons: dict[str, str] = {}

    def run(self) -> Graph:
        (declared,) = self.graph.inputs
        self.builder.input(declared.name, _with_rows(declared.type, self.hop))
        self.sequences[declared.name] = _Sequence(declared.type.image[0], 1, 1)
        for node in self.graph.nodes:
            self._node(node)
        return self.builder.graph(self.graph.outputs)

    def _node(self, node: Node) -> None:
        operands = [self.sequences.get(name) for name in node.inputs]
        why = _why_not(node.op)
        if why is None and any(s is None or s != operands[0] for s in operands):
            why = "adds values of windows" if isinstance(node.op, Add) else "joins values of windows"
        first = operands[0]
        if why is None and first is not None and not self.skips and self._gaps(node, first):
            why = "would compute rows that no window reads"
        if why is None and first is not None:
            self._endless(node, first)
            return
        names = [self._frame(name, why or "") for name in node.inputs]
        if why and len(node.type.shape) > 1 and any(operands):
            self.reasons[node.name] = why
        self.builder.add(node.op, names, name=node.name, origin=node.origin)

    def _gaps(self, node: Node, x: _Sequence) -> bool:
        """Whether a convolution has fewer rows a window than an endless one makes in a hop."""
        rows = node.type.image[0]
        return isinstance(node.op, Conv) and 1 < rows < self.hop // gcd(self.hop, x.step * node.op.stride[0])

    def _endless(self, node: Node, x: _Sequence) -> None:
        op = node.op
        if not isinstance(op, Conv | MaxPool | SumPool):
            self.sequences[node.name] = x
            self.builder.add(op, node.inputs, name=node.name, origin=node.origin)
            return
        rows = node.type.image[0]
        step = x.step * op.stride[0]
        kept = gcd(self.hop, step)
        if rows == 1:
            # One result a window: it need not be computed for windows between.
            kept = self.hop
        pads = replace(op.pads, top=0, bottom=0)
        stride, dilation = (kept // x.kept, op.stride[1]), (op.dilation[0] * x.dilation, op.dilation[1])
        self.builder.add(
            replace(op, stride=stride, dilation=dilation, pads=pads, endless=True),
            node.inputs,
            name=node.name,
            origin=node.origin,
        )
        if rows > 1:
            self.sequences[node.name] = _Sequence(rows, step, kept)

    def _frame(self, name: str, why: str) -> str:
        """The value of whole windows."""
        sequence = self.sequences.get(name)
        if sequence is None:
            return name
        if name not in self.framed:
            op = Frame(sequence.rows, self.hop // sequence.kept, sequence.dilation)
            origin = next((node.origin for node in self.graph.nodes if node.name == name), ())
            self.framed[name] = self.builder.add(op, (name,), name=f"{name}_frame", origin=origin)
        return self.framed[name]


def _with_rows(value_type: Type, rows: int) -> Type:
    """The type with another number of rows; a vector is one row."""
    shape = value_type.shape
    return replace(value_type, shape=(rows, *shape[1:]) if len(shape) > 1 else shape)


def rewrite(graph: Graph, hop: int, *, skips: bool = False) -> Streamed:
    """Needs: one input, of at least two axes, and no endless ops. Guarantees: for every recording, the outputs for the
    hops are those of the graph for the windows (`evaluate` says what that means).

    skips: the graph is for delta skipping, to which rows that no window reads cost little, and a new beginning much.

    Raises BhcError: BHC310 for a hop that is not from 1 to the window's rows, BHC311 for a model without a time axis,
    BHC312 for an output that is a sequence.
    """
    (declared,) = graph.inputs
    rows = declared.type.image[0]
    if len(declared.type.shape) < 2 or rows == 1:
        raise fail(
            "BHC311",
            f"the model's input, {declared.type}, has no time axis to stream along",
            origin=declared.name,
            hint="use --mode window",
        )
    if not 1 <= hop <= rows:
        raise fail(
            "BHC310",
            f"a hop of {hop} rows does not suit windows of {rows}",
            origin="--hop",
            hint=f"use 1 to {rows}; without overlap, --mode window is the same and smaller",
        )
    rewriter = _Rewriter(graph, hop, skips=skips)
    made = rewriter.run()
    sequences = [name for name in graph.outputs if name in rewriter.sequences]
    if sequences:
        raise fail(
            "BHC312",
            f"the output has {rewriter.sequences[sequences[0]].rows} rows a window, which overlap",
            origin=f"'{sequences[0]}'",
            hint="stream models that give one result a window",
        )
    return Streamed(made, rows, hop, rewriter.reasons)


def is_endless(op: Op) -> bool:
    return isinstance(op, Conv | MaxPool | SumPool) and op.endless


def sequences(graph: Graph) -> frozenset[str]:
    """The values of a streamed graph that go on from hop to hop; the others are one value a hop."""
    found = {value.name for value in graph.inputs}
    for node in graph.nodes:
        if is_endless(node.op) or (
            isinstance(node.op, Threshold | Add | Concat) and all(name in found for name in node.inputs)
        ):
            found.add(node.name)
    return frozenset(found)


def span(op: WindowOp) -> int:
    """Rows from the first to the last that one result reads."""
    return (op.kernel[0] - 1) * op.dilation[0] + 1


def frame_span(op: Frame) -> int:
    """Rows from the first to the last of a frame."""
    return (op.rows - 1) * op.dilation + 1


def rows_needed(graph: Graph, outputs: int = 1) -> int:
    """Rows of the input from which so many results follow, for a streamed graph."""
    needed = dict.fromkeys(graph.outputs, outputs)
    for node in reversed(graph.nodes):
        count = needed.get(node.name)
        if count is None:
            continue
        match node.op:
            case Conv() | MaxPool() | SumPool() if node.op.endless:
                count = (count - 1) * node.op.stride[0] + span(node.op)
            case Frame():
                count = (count - 1) * node.op.stride + frame_span(node.op)
            case _:
                pass
        for name in node.inputs:
            needed[name] = max(needed.get(name, 0), count)
    return needed[graph.inputs[0].name]


def is_streamed(graph: Graph) -> bool:
    """Whether a graph is for one hop of a sequence, not for a window alone."""
    return any(is_endless(node.op) or isinstance(node.op, Frame) for node in graph.nodes)


def lengths(graph: Graph, rows: int) -> dict[str, int]:
    """How many rows of every sequence, and how many of every other value, follow from so many rows of the input."""
    (declared,) = graph.inputs
    found = {declared.name: rows}
    for node in graph.nodes:
        have = min(found[name] for name in node.inputs)
        match node.op:
            case Conv() | MaxPool() | SumPool() if node.op.endless:
                have = max(0, (have - span(node.op)) // node.op.stride[0] + 1)
            case Frame():
                have = max(0, (have - frame_span(node.op)) // node.op.stride + 1)
            case _:
                pass
        found[node.name] = have
    return found


def row_elements(graph: Graph) -> dict[str, int]:
    """Elements of a row of every sequence, and of every other value as a whole."""
    running = sequences(graph)
    return {name: value.elements // (value.image[0] if name in running else 1) for name, value in graph.types().items()}


def filling(graph: Graph) -> int | None:
    """Whole hops that endless sequences take before the first result can follow; None without any."""
    if not is_streamed(graph):
        return None
    return -(-rows_needed(graph) // graph.inputs[0].type.image[0]) - 1


def evaluate(graph: Graph, recording: IntArray) -> Values:
    """Every value of a streamed graph for a whole recording: (R, *input shape without rows), R rows.

    A sequence is (rows, ...): all that can be computed from the recording. Other values are (N, *shape), one for each
    window, and perhaps for a last one whose end is missing but not needed. Raises evaluate.RangeError as
    bhc.ir.evaluate.evaluate does.
    """
    stream = Evaluator(graph)
    return stream.push(recording)


class Evaluator:
    """Evaluates a streamed graph for recordings that arrive piece by piece."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.types = graph.types()
        self.sequences = sequences(graph)
        self.reset()

    def reset(self) -> None:
        """Forget all rows: the next belongs to another recording."""
        #: For each operand of each node, the rows that it has yet to use, and how many of those to come it will not.
        self._waiting: dict[tuple[str, int], IntArray] = {}
        self._skipped: dict[str, int] = {}

    def push(self, rows: IntArray) -> Values:
        """What more rows of the input, (R, ...), make of every value: as `evaluate` says, those that are new."""
        (declared,) = self.graph.inputs
        value = np.asarray(rows, np.int64)
        check_rows(declared, value)
        values: Values = {declared.name: value}
        for node in self.graph.nodes:
            made = self._node(node, values)
            if made.size:
                check(node.name, made, self.types[node.name])
            values[node.name] = made
        return values

    def _node(self, node: Node, values: Mapping[str, IntArray]) -> IntArray:
        op, shape = node.op, self.types[node.name].shape
        match op:
            case Conv() | MaxPool() | SumPool() if op.endless:
                made = self._windows(node, op, values)
            case Frame():
                count, x = self._moving(node, values, frame_span(op), op.stride)
                made = x[np.arange(count)[:, None] * op.stride + np.arange(op.rows)[None, :] * op.dilation]
            case Add() | Concat():
                operands = [self._gathered(node, i, values) for i in range(len(node.inputs))]
                count = min(len(x) for x in operands)
                for i, x in enumerate(operands):
                    self._waiting[node.name, i] = x[count:]
                made = self._apply(node, [x[:count] for x in operands], node.name in self.sequences)
            case _:
                made = self._apply(node, [values[node.inputs[0]]], node.name in self.sequences)
        return made.reshape(-1, *(shape[1:] if node.name in self.sequences and len(shape) > 1 else shape))

    def _gathered(self, node: Node, index: int, values: Mapping[str, IntArray]) -> IntArray:
        new = values[node.inputs[index]]
        kept = self._waiting.get((node.name, index))
        return new if kept is None else np.concatenate([kept, new])

    def _moving(self, node: Node, values: Mapping[str, IntArray], reach: int, stride: int) -> tuple[int, IntArray]:
        """How many windows of `reach` rows are complete, and the rows; keeps those from the next window's first on."""
        x = self._gathered(node, 0, values)
        skipped = min(self._skipped.get(node.name, 0), len(x))
        x = x[skipped:]
        count = max(0, (len(x) - reach) // stride + 1)
        self._waiting[node.name, 0] = x[count * stride :]
        self._skipped[node.name] = self._skipped.get(node.name, 0) - skipped + max(0, count * stride - len(x))
        return count, x

    def _apply(self, node: Node, operands: list[IntArray], sequence: bool) -> IntArray:
        """An op without history: a sequence's rows are a batch of single rows."""
        types = [self.types[name] for name in node.inputs]
        if sequence:
            types = [_with_rows(t, 1) for t in types]
        images = tuple(x.reshape(len(x), *t.image) for x, t in zip(operands, types, strict=True))
        if not len(images[0]):
            return np.empty((0, node.type.elements), np.int64)
        return apply(node.op, images, tuple(types))

    def _windows(self, node: Node, op: WindowOp, values: Mapping[str, IntArray]) -> IntArray:
        x_type = self.types[node.inputs[0]]
        count, x = self._moving(node, values, span(op), op.stride[0])
        if count == 0:
            return np.empty((0, *node.type.image[1:]), np.int64)
        unrolled = replace(op, endless=False)
        image = x.reshape(1, len(x), *x_type.image[1:])
        made: IntArray = apply(unrolled, (image,), (_with_rows(x_type, len(x)),))[0]
        return made


def check_rows(declared: Input, rows: IntArray) -> None:
    """Raise RangeError unless rows of the input fit its type."""
    if rows.shape[1:] != declared.type.shape[1:]:
        raise ValueError(f"rows of the input '{declared.name}' have the shape {declared.type.shape[1:]}")
    if rows.size:
        check(declared.name, rows, declared.type)


def windows(recording: IntArray, window: int, hop: int) -> IntArray:
    """The windows of a recording, (N, window, ...), as a view."""
    view = np.lib.stride_tricks.sliding_window_view(recording, window, axis=0)[::hop]
    moved: IntArray = np.moveaxis(view, -1, 1)
    return moved
