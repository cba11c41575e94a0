"""C simulation: the generated HLS C++, compiled by g++, against the evaluator, stream by stream.

Its streams are as deep as the design's FIFOs, so that a design that would get stuck does so here. docs/cosim.md
says what is compared. The program is built in DIR/build/csim and kept until the design changes. Diagnostics:
BHC512 a stream carried too many beats or too few, BHC513 m_axis' last is wrong, BHC514 the design got stuck.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from shutil import rmtree

from bhc.backends.beats import pack
from bhc.backends.compare import CosimResult, StreamRow, carried, check, consumers, producers, source, workload
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
    """What the driver saw. waits: (stream, reading) for each that a process waits for. beats: of every stream."""

    state: str
    waits: tuple[tuple[str, bool], ...]
    beats: Mapping[str, int]


def _read_summary(path: Path) -> _Summary:
    with file_errors("read", path):
        lines = [line.split() for line in path.read_text().splitlines()]
    waits = tuple((fields[3], fields[2] == "read") for fields in lines if fields[0] == "wait")
    beats = {fields[1]: int(fields[2]) for fields in lines if fields[0] == "stream"}
    return _Summary(lines[0][1], waits, beats)


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


def _deadlock(pipeline: Pipeline, summary: _Summary, windows: int) -> BhcError:
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
        lines.append(f"  {edge}: {what} ({moved} of {windows * stream.beats} moved)")
    done = summary.beats[_OUTPUT] // output.beats
    return fail(
        "BHC514",
        "\n".join([f"the C simulation got stuck after {done} of {windows} windows:", *lines]),
        hint="a FIFO is too shallow: this is a bug in the schedule or in a kernel; please report it",
    )


def _miscounted(pipeline: Pipeline, summary: _Summary, windows: int) -> BhcError | None:
    """The diagnostic for streams that carried too many beats, or too few."""
    makers, takers = producers(pipeline), consumers(pipeline)
    wrong = []
    for name, word in _recorded(pipeline).items():
        moved, wanted = summary.beats[word], windows * pipeline.streams[name].beats
        if moved != wanted:
            edge = f"'{name}' ({makers[name] or 'host'} -> {takers.get(name, 'host')})"
            wrong.append(f"{moved} beats instead of {wanted} on stream {edge}")
    return fail("BHC512", f"in the C simulation of {windows} windows, {', '.join(wrong)}") if wrong else None


def csim(pipeline: Pipeline, graph: Graph, inputs: Mapping[str, IntArray], workdir: Path) -> CosimResult:
    """Run the design's C++ on N >= 1 windows and compare every stream that carries a value with the evaluator.

    inputs: the graph's integer inputs, (N, *shape) each. workdir: gets build/csim and logs/. Raises BhcError
    (BHC501..BHC504, BHC512..BHC514), and evaluate.RangeError for inputs outside their types. A mismatch is not
    an error here: it is in the result, which has no cycles.
    """
    load = workload(graph, inputs)
    entry, data = source(pipeline, load)
    windows = load.results
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
    arguments = ("input.bin", "records", str(windows), *streams)
    run(Job(Tool((str(program),)), arguments, directory, logs / "csim-run.log"))

    summary = _read_summary(records / "summary.txt")
    match summary.state:
        case "deadlock":
            raise _deadlock(pipeline, summary, windows)
        case "last":
            raise fail("BHC513", "in the C simulation, the last of m_axis was not where a window ends")
    miscounted = _miscounted(pipeline, summary, windows)
    if miscounted is not None:
        raise miscounted
    types, stages = graph.types(), producers(pipeline)
    rows = [
        StreamRow(
            stream=name,
            stage=stages[name],
            value=values.get(name),
            beats=summary.beats[word],
            values=windows * types[values[name]].elements if name in values else 0,
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
