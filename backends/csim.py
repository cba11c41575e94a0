"""C simulation: the generated HLS C++, compiled by g++, against the evaluator, stream by stream.

Its streams are as deep as the design's FIFOs, so that a design that would get stuck does so here. docs/cosim.md
says what is compared. The program is built in DIR/build/csim and kept until the design changes. Diagnostics:
BHC512 a stream carried too many beats or too few, or some are left in it, BHC513 m_axis' last is wrong, BHC514 the
design got stuck.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from shutil import rmtree

import numpy as np

from bhc.backends.beats import pack
from bhc.backends.compare import (
    CosimResult,
    StreamRow,
    Workload,
    beats,
    carried,
    check,
    consumers,
    producers,
    source,
    workload,
)
from bhc.backends.flow import amounts
from bhc.backends.hls import FIFO, Channel, channels, emit
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import TOP
from bhc.backends.runner import Job, Tool, file_errors, find_compiler, run, run_all, write
from bhc.diagnostics import BhcError, fail
from bhc.ir.graph import Graph
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Pipeline

_DRIVER = "csim_driver.cpp"
_STAMP = "digest.txt"
#: What the driver calls the output of the design.
_OUTPUT = "port:m_axis"
_TOOL_TIMEOUT_S = 1800.0
_FLAGS = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-DBHC_HOST", "-Ihls")


def plan(pipeline: Pipeline) -> BuildPlan:
    """The design with the driver."""
    return emit(pipeline) | BuildPlan({_DRIVER: (files("bhc") / "backends" / _DRIVER).read_bytes()})


def build(pipeline: Pipeline, workdir: Path) -> Path:
    """The program, DIR/build/csim/csim, built anew only if something has changed. Raises BhcError."""
    sources, compiler = plan(pipeline), find_compiler()
    directory, logs = (workdir / "build" / "csim").resolve(), (workdir / "logs").resolve()
    digest = f"{sources.digest()} {' '.join(_FLAGS)}\n"
    write(sources, directory)
    program, stamp = directory / "csim", directory / _STAMP
    with file_errors("read", stamp):
        if program.is_file() and stamp.is_file() and stamp.read_text() == digest:
            return program
    with file_errors("write", stamp):
        stamp.unlink(missing_ok=True)
    units = {"top": f"hls/{TOP}.cpp", "driver": _DRIVER}
    run_all(
        [
            Job(
                compiler,
                (*_FLAGS, "-c", path, "-o", f"{name}.o"),
                directory,
                logs / f"csim-{name}.log",
                _TOOL_TIMEOUT_S,
            )
            for name, path in units.items()
        ]
    )
    link = (*(f"{name}.o" for name in units), "-o", program.name)
    run(Job(compiler, link, directory, logs / "csim-link.log", _TOOL_TIMEOUT_S))
    with file_errors("write", stamp):
        stamp.write_text(digest)
    return program


@dataclass(frozen=True, slots=True)
class _Summary:
    """What the driver saw.

    waits: (stream, reading) for each that a process waits for. beats: written to every stream. left: and not read.
    """

    state: str
    waits: tuple[tuple[str, bool], ...]
    beats: Mapping[str, int]
    left: Mapping[str, int]


def _read_summary(path: Path) -> _Summary:
    with file_errors("read", path):
        lines = [line.split() for line in path.read_text().splitlines()]
    waits = tuple((fields[3], fields[2] == "read") for fields in lines if fields[0] == "wait")
    moved = {fields[1]: (int(fields[2]), int(fields[3])) for fields in lines if fields[0] == "stream"}
    written = {name: counts[0] for name, counts in moved.items()}
    left = {name: counts[0] - counts[1] for name, counts in moved.items()}
    return _Summary(lines[0][1], waits, written, left)


def _recorded(pipeline: Pipeline) -> dict[str, str]:
    """The streams of the program in topological order, the output last, as the driver names them.

    FIFOs' outputs have no stream of their own; the design's output is seen at its port.
    """
    wired = channels(pipeline)
    found = {name: wired[name].word for name in producers(pipeline) if wired[name].stream.name == name}
    return {**found, pipeline.output: _OUTPUT}


@dataclass(frozen=True, slots=True)
class _Edge:
    """A stream of the program, and the stages at its ends."""

    channel: Channel
    maker: str
    taker: str

    def __str__(self) -> str:
        return f"'{self.channel.stream.name}' ({self.maker or 'host'} -> {self.taker or 'host'})"


def _edges(pipeline: Pipeline) -> dict[str, _Edge]:
    """Every stream of the program by its word."""
    makers, takers, wired = producers(pipeline), consumers(pipeline), channels(pipeline)
    fifos = {stage.name for stage in pipeline.stages if stage.kernel == FIFO}
    return {
        channel.word: _Edge(channel, makers[channel.stream.name], takers.get(name, ""))
        for name, channel in wired.items()
        if takers.get(name) not in fifos
    }


def _whole(load: Workload, rows: int) -> Workload:
    """The design takes whole hops: recordings are continued to that by their last row."""
    if not load.streamed:
        return load
    runs = (np.concatenate([run, np.repeat(run[-1:], -len(run) % rows, axis=0)]) for run in load.runs)
    return replace(load, runs=tuple(runs))


def _wanted(pipeline: Pipeline, load: Workload, units: Sequence[int]) -> dict[str, int]:
    """Beats of every stream: by the graph where it carries a value, else by the pipeline."""
    flow = amounts(pipeline)
    total = {name: sum(amount.of(count) for count in units) for name, amount in flow.items()}
    by_graph = [beats(pipeline, load, run) for run in load.runs]
    return total | {name: sum(counts[name] for counts in by_graph) for name in by_graph[0]}


def _deadlock(pipeline: Pipeline, summary: _Summary, windows: int, wanted: Mapping[str, int]) -> BhcError:
    """The diagnostic for a run that got stuck: which stage waits for which."""
    edges, output = _edges(pipeline), pipeline.streams[pipeline.output]
    lines = []
    for word, reading in summary.waits:
        edge = edges[word]
        stream, moved = edge.channel.stream, summary.beats[word]
        maker, taker = edge.maker or "the host", edge.taker or "the host"
        if reading:
            what = f"{taker} waits for {maker} to make a beat"
        else:
            what = f"{maker} waits for {taker} to take one of {edge.channel.depth} beats"
        lines.append(f"  {edge}: {what} ({moved} of {wanted[stream.name]} moved)")
    done = summary.beats[_OUTPUT] // output.beats
    return fail(
        "BHC514",
        "\n".join([f"the C simulation got stuck after {done} of {windows} windows:", *lines]),
        hint="a FIFO is too shallow: this is a bug in the schedule or in a kernel; please report it",
    )


def _miscounted(pipeline: Pipeline, summary: _Summary, windows: int, wanted: Mapping[str, int]) -> BhcError | None:
    """The diagnostic for streams that carried too many beats, or too few, or that were left with some."""
    makers, takers = producers(pipeline), consumers(pipeline)
    wrong = []
    for name, word in _recorded(pipeline).items():
        moved = summary.beats[word]
        if moved != wanted[name]:
            edge = f"'{name}' ({makers[name] or 'host'} -> {takers.get(name, 'host')})"
            wrong.append(f"{moved} beats instead of {wanted[name]} on stream {edge}")
    if not wrong:
        wrong = [
            f"{summary.left[word]} of {summary.beats[word]} beats are left in stream {edge}"
            for word, edge in _edges(pipeline).items()
            if summary.left[word]
        ]
    return fail("BHC512", f"in the C simulation of {windows} windows, {', '.join(wrong)}") if wrong else None


def csim(
    pipeline: Pipeline, graph: Graph, inputs: Mapping[str, IntArray | Sequence[IntArray]], workdir: Path
) -> CosimResult:
    """Run the design's C++ on N >= 1 windows and compare every stream that carries a value with the evaluator.

    inputs: the graph's integer input, (N, *shape); of a streamed graph (bhc.ir.stream), a recording (R, *shape without
    rows), or several, each in a call of its own, continued to whole hops by its last row. workdir: gets build/csim and
    logs/. Raises BhcError (BHC501..BHC504, BHC512..BHC514), and evaluate.RangeError for inputs outside their types. A
    mismatch is not an error here: it is in the result, which has no cycles.
    """
    hop = graph.inputs[0].type.image[0]
    load = _whole(workload(graph, inputs), hop)
    entry, data = source(pipeline, load)
    windows, units = load.results, [len(run) // (hop if load.streamed else 1) for run in load.runs]
    wanted = _wanted(pipeline, load, units)
    program = build(pipeline, workdir)
    directory, logs = program.parent, (workdir / "logs").resolve()
    records = directory / "records"
    with file_errors("write", directory):
        if records.is_dir():
            rmtree(records)
        records.mkdir()
        pack(data, entry).tofile(directory / "input.bin")
    values, names = carried(pipeline), _recorded(pipeline)
    streams = (word if name in values else "-" for name, word in names.items())
    arguments = ("input.bin", "records", ",".join(map(str, units)), *streams)
    run(Job(Tool((str(program),)), arguments, directory, logs / "csim-run.log"))

    summary = _read_summary(records / "summary.txt")
    if summary.state == "deadlock":
        raise _deadlock(pipeline, summary, windows, wanted)
    miscounted = _miscounted(pipeline, summary, windows, wanted)
    if miscounted is not None:
        raise miscounted
    with file_errors("read", records):
        last = np.fromfile(records / "last.bin", np.uint8).reshape(-1, pipeline.streams[pipeline.output].beats)
    if last[:, :-1].any() or not last[:, -1].all():
        raise fail("BHC513", "in the C simulation, the last of m_axis was not where a window ends")
    stages = producers(pipeline)
    elements = {v: sum(load.counts(run)[v] for run in load.runs) * load.units(v) for v in values.values()}
    rows = [
        StreamRow(
            stream=name,
            stage=stages[name],
            value=values.get(name),
            beats=summary.beats[word],
            values=elements[values[name]] if name in values else 0,
            mismatches=0,
        )
        for name, word in names.items()
    ]
    checked, first_mismatch = check(pipeline, load, records, rows)
    return CosimResult(
        windows,
        sum(row.values for row in checked),
        sum(row.mismatches for row in checked),
        first_mismatch,
        None,
        None,
        None,
        checked,
    )
