"""What the simulations of a design share: its streams, recorded, against the evaluator's values.

A simulator leaves the beats of every stream that carries a value in RECORDS/<i>.beats, i being the number of
the stream's row; docs/cosim.md says what is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bhc.backends.beats import beat_bytes, unpack
from bhc.backends.runner import file_errors
from bhc.ir.evaluate import Values, evaluate
from bhc.ir.graph import Graph
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Pipeline, Stream
from bhc.ir.stream import Evaluator, is_streamed, lengths, row_elements

#: Elements compared at once: bounds the memory that a long run takes.
_CHUNK_ELEMENTS = 1 << 22


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where a stream first differs from the evaluator: at index `position` of the value, in `window` (of a sequence: in
    that row).
    """

    stage: str
    stream: str
    value: str
    window: int
    position: tuple[int, ...]
    expected: int
    got: int

    def __str__(self) -> str:
        return (
            f"stage '{self.stage}', stream '{self.stream}' (value '{self.value}'), window {self.window}, "
            f"position {list(self.position)}: expected {self.expected}, got {self.got}"
        )


@dataclass(frozen=True, slots=True)
class StreamRow:
    """What was seen of one stream.

    stage: its producer; empty for the input of the design. value: the graph's value, if it carries one.
    values, mismatches: elements compared, and those that differed. The rest is None where there are no cycles
    (C simulation). first, last: cycles of the first window's first and last beat, counted from the first
    input beat. cycles_per_window: steady, None for one window. blocked, starved: cycles with valid and no
    ready, and with ready and no valid.
    """

    stream: str
    stage: str
    value: str | None
    beats: int
    values: int
    mismatches: int
    first: int | None = None
    last: int | None = None
    cycles_per_window: float | None = None
    blocked: int | None = None
    starved: int | None = None


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """What a stage did in all runs; docs/cosim.md says how it is counted.

    busy: cycles of work: in which products were issued, or, of a stage without any, beats given. weight_reads,
    weight_bits: words of weights that something needed, and their bits. updates: accumulators written. events: changed
    elements that were added, of a stage that skips the others; else None. buffer_reads, buffer_writes: bits of
    memories that the design writes. toggles: bits of registers that changed.
    """

    stage: str
    busy: int
    weight_reads: int
    weight_bits: int
    updates: int
    events: int | None
    buffer_reads: int
    buffer_writes: int
    toggles: int


@dataclass(frozen=True, slots=True)
class CosimResult:
    """The outcome; equality held everywhere if `mismatches` is 0.

    latency_cycles: from the cycle in which the first input beat is taken to that of the first window's last
    output beat. cycles_per_window_measured: between the last output beats of successive windows, but for
    the first of each run; None for one window. Both say something about the design only without stalls.
    These and `cycles` are None where there are no cycles (C simulation). activity: a row for every stage, if it was
    asked for.
    """

    windows: int
    values: int
    mismatches: int
    first_mismatch: Mismatch | None
    latency_cycles: int | None
    cycles_per_window_measured: float | None
    cycles: int | None
    streams: tuple[StreamRow, ...]
    activity: tuple[ActivityRow, ...] = ()


def producers(pipeline: Pipeline) -> dict[str, str]:
    """Stage of every stream, in topological order; empty for those that come from outside."""
    found = {pipeline.input: "", **{item.stream: "" for item in pipeline.external}}
    for stage in pipeline.stages:
        found.update(dict.fromkeys(stage.sinks, stage.name))
    return found


def consumers(pipeline: Pipeline) -> dict[str, str]:
    """Stage that reads every stream; the output has none."""
    return {name: stage.name for stage in pipeline.stages for name in stage.sources}


def carried(pipeline: Pipeline) -> dict[str, str]:
    """The streams to compare, in topological order, with the values that they carry.

    The output carries what went into the FIFOs before it.
    """
    makers = {name: stage for stage in pipeline.stages for name in stage.sinks}
    found = {}
    for name in producers(pipeline):
        value, stream = pipeline.streams[name].value, name
        while value is None and name == pipeline.output and makers[stream].kernel == "bhc_fifo":
            (stream,) = makers[stream].sources
            value = pipeline.streams[stream].value
        if value is not None:
            found[name] = value
    return found


@dataclass(frozen=True, eq=False, slots=True)
class Workload:
    """What a design is fed, one run after another with a reset between, and what its values then are.

    runs: windows (N, *shape), or, for a streamed graph, recordings (R, *shape without rows).
    """

    graph: Graph
    runs: tuple[IntArray, ...]

    @property
    def streamed(self) -> bool:
        return is_streamed(self.graph)

    def units(self, value: str) -> int:
        """Elements of one window of a value; of a sequence, of one row."""
        return row_elements(self.graph)[value] if self.streamed else self.graph.types()[value].elements

    def counts(self, run: IntArray) -> dict[str, int]:
        """How many windows (or rows, of a sequence) each value has in a run."""
        return lengths(self.graph, len(run)) if self.streamed else dict.fromkeys(self.graph.types(), len(run))

    @property
    def results(self) -> int:
        """Results of all runs: windows, or hops."""
        return sum(self.counts(run)[self.graph.outputs[0]] for run in self.runs)

    def expected(self) -> Iterator[Values]:
        """The values, all of the runs in order, in pieces."""
        (declared,) = self.graph.inputs
        largest = max(value.elements for value in self.graph.types().values())
        piece = max(1, _CHUNK_ELEMENTS // largest)
        if self.streamed:
            piece *= declared.type.image[0]
        for run in self.runs:
            running = Evaluator(self.graph) if self.streamed else None
            for start in range(0, len(run), piece):
                part = run[start : start + piece]
                yield evaluate(self.graph, {declared.name: part}) if running is None else running.push(part)


def workload(graph: Graph, inputs: Mapping[str, IntArray | Sequence[IntArray]]) -> Workload:
    """Of the graph's input: windows, or a recording or several."""
    (declared,) = graph.inputs
    given = inputs[declared.name]
    runs = (given,) if isinstance(given, np.ndarray) else tuple(given)
    return Workload(graph, tuple(np.asarray(run, np.int64) for run in runs))


def source(pipeline: Pipeline, load: Workload) -> tuple[Stream, IntArray]:
    """The input stream of the design, and all runs' input, (elements,)."""
    stream = pipeline.streams[pipeline.input]
    if stream.value is None:
        raise ValueError("the input stream of the pipeline carries no value")
    return stream, np.concatenate([run.reshape(-1) for run in load.runs])


def beats(pipeline: Pipeline, load: Workload, run: IntArray) -> dict[str, int]:
    """Beats of every stream in a run, those left out that it does not follow for from the graph alone."""
    counts, values = load.counts(run), carried(pipeline)
    if not load.streamed:
        return {name: len(run) * stream.beats for name, stream in pipeline.streams.items()}
    return {name: counts[v] * load.units(v) // pipeline.streams[name].lanes for name, v in values.items()}


def first_difference(row: StreamRow, values: IntArray, expected: IntArray, window: int) -> tuple[int, Mismatch | None]:
    """(elements that differ, the first of them); `window` numbers the first window given."""
    if np.array_equal(values, expected):
        return 0, None
    differing = np.argwhere(values != expected)
    first = tuple(int(i) for i in differing[0])
    place = (row.stage, row.stream, row.value or "", window + first[0], first[1:])
    return len(differing), Mismatch(*place, int(expected[first]), int(values[first]))


def check(
    pipeline: Pipeline, load: Workload, records: Path, rows: Sequence[StreamRow]
) -> tuple[tuple[StreamRow, ...], Mismatch | None]:
    """Compare all records with the evaluator: the rows with their mismatches, and the first difference."""
    wrong = [0] * len(rows)
    seen = [0] * len(rows)
    first: dict[int, Mismatch] = {}
    for values in load.expected():
        for number, row in enumerate(rows):
            if row.value is None:
                continue
            stream, expected = pipeline.streams[row.stream], values[row.value]
            size, unit = beat_bytes(stream), load.units(row.value) // stream.lanes
            path = records / f"{number}.beats"
            with file_errors("read", path):
                data = np.fromfile(path, np.uint8, len(expected) * unit * size, offset=seen[number] * unit * size)
            got = unpack(data.reshape(-1, size), stream, expected.shape[1:])
            count, difference = first_difference(row, got, expected, seen[number])
            seen[number] += len(expected)
            wrong[number] += count
            if difference is not None:
                first.setdefault(number, difference)
    checked = tuple(replace(row, mismatches=count) for row, count in zip(rows, wrong, strict=True))
    return checked, first[min(first)] if first else None
