"""Cosimulation: the generated SystemVerilog, simulated by Verilator, against the evaluator, stream by stream.

docs/cosim.md says what is compared and how cycles are counted. The simulator is built in DIR/build/cosim and
kept until the design changes. Diagnostics: BHC511 the design got stuck, BHC512 a stream carried too many
beats.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from shutil import rmtree

import numpy as np
from numpy.typing import NDArray

from bhc.backends.beats import beat_bytes, pack, unpack
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import TOP, emit, stream_signals
from bhc.backends.runner import Job, Tool, file_errors, find_compiler, find_verilator, run, run_all, write
from bhc.diagnostics import BhcError, fail
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Graph
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Pipeline, Stream
from bhc.ir.types import Type

_STREAMS = "cosim_streams.inc"
_DRIVER = "cosim_driver.cpp"
_CONTROL = "cosim.vlt"
_STAMP = "digest.txt"
_PARTIAL = "runtime.partial.o"
#: Cycles without any beat moving, besides those that the slowest stage may need, that count as stuck.
_PATIENCE = 10_000
#: A jam may last as long as the slowest stage takes for a window, and this long at least.
_SHORTEST_JAM = 64
_TOOL_TIMEOUT_S = 1800.0
#: Assertions are checked; registers without reset, and X, take random values (the driver seeds them).
_VERILATOR_FLAGS = ("--cc", "--assert", "--x-initial", "unique", "--x-assign", "unique", "-Wno-fatal", "-O3")
#: Elements compared at once: bounds the memory that a long run takes.
_CHUNK_ELEMENTS = 1 << 22


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Where a stream first differs from the evaluator: at index `position` of the value, in `window`."""

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
    values, mismatches: elements compared, and those that differed. cycles_per_window: steady, None for one
    window. first, last: cycles of the first window's first and last beat, counted from the first input beat.
    blocked, starved: cycles with valid and no ready, and with ready and no valid.
    """

    stream: str
    stage: str
    value: str | None
    beats: int
    values: int
    mismatches: int
    first: int
    last: int
    cycles_per_window: float | None
    blocked: int
    starved: int


@dataclass(frozen=True, slots=True)
class CosimResult:
    """The outcome; equality held everywhere if `mismatches` is 0.

    latency_cycles: from the cycle in which the first input beat is taken to that of the first window's last
    output beat. cycles_per_window_measured: between the last output beats of successive windows, over the
    second half of the run; None for one window. Both say something about the design only without stalls.
    """

    windows: int
    values: int
    mismatches: int
    first_mismatch: Mismatch | None
    latency_cycles: int
    cycles_per_window_measured: float | None
    cycles: int
    streams: tuple[StreamRow, ...]


def _producers(pipeline: Pipeline) -> dict[str, str]:
    """Stage of every stream, in topological order; the input's is empty."""
    found = {pipeline.input: ""}
    for stage in pipeline.stages:
        found.update(dict.fromkeys(stage.sinks, stage.name))
    return found


def _consumers(pipeline: Pipeline) -> dict[str, str]:
    return {name: stage.name for stage in pipeline.stages for name in stage.sources}


def plan(pipeline: Pipeline) -> BuildPlan:
    """The design with what simulation needs: the driver, the streams, and the signals to keep visible."""
    signals = stream_signals(pipeline)
    control = ["`verilator_config"]
    rows = []
    for name in _producers(pipeline):
        stream, signal = pipeline.streams[name], signals[name]
        suffixes = ["valid", "ready"]
        if stream.value is None:
            rows.append(f"WATCHED({signal}, {stream.beats})")
        else:
            rows.append(f"RECORDED({signal}, {stream.width}, {stream.beats})")
            suffixes.append("data")
        control += [f'public_flat_rd -module "{TOP}" -var "{signal}_{suffix}"' for suffix in suffixes]
    return emit(pipeline) | BuildPlan(
        {
            _STREAMS: "\n".join(rows) + "\n",
            _CONTROL: "\n".join(control) + "\n",
            _DRIVER: (files("bhc") / "backends" / _DRIVER).read_bytes(),
        }
    )


def _verilate(tool: Tool, sources: BuildPlan, directory: Path, log: Path, options: tuple[str, ...]) -> None:
    rtl = tuple(sources.matching("rtl/*.sv"))
    run(Job(tool, (*options, "--top-module", TOP, *rtl), directory, log, _TOOL_TIMEOUT_S))


def lint(sources: BuildPlan, workdir: Path) -> tuple[str, ...]:
    """Verilator's warnings (-Wall) about a plan of rtl.emit, written to DIR/build/lint. Raises BhcError."""
    tool, _ = find_verilator()
    directory, log = workdir / "build" / "lint", workdir / "logs" / "lint.log"
    write(sources, directory)
    _verilate(tool, sources, directory, log, ("--lint-only", "-Wall", "-Wno-fatal"))
    with file_errors("read", log):
        return tuple(line for line in log.read_text().splitlines() if line.startswith("%Warning"))


def _units(generated: Sequence[Path], count: int) -> dict[str, tuple[str, str]]:
    """Compilation units: name, optimisation level and text.

    Files are gathered into few units, since each parses Verilator's headers anew. What Verilator calls Slow
    runs once, at the start, and is not worth optimising. -O1 simulates as fast as -O2 and compiles in less
    time.
    """
    slow = [path for path in generated if "Slow" in path.name]
    fast = sorted((path for path in generated if path not in slow), key=lambda path: -path.stat().st_size)
    bins: list[list[Path]] = [[] for _ in range(min(count, len(fast)))]
    for path in fast:
        min(bins, key=lambda files: sum(p.stat().st_size for p in files)).append(path)
    texts = {
        f"fast{i}": "".join(f'#include "model/{p.name}"\n' for p in files) for i, files in enumerate(bins)
    }
    units = {name: ("-O1", text) for name, text in texts.items()}
    units["driver"] = ("-O1", f'#include "{_DRIVER}"\n')
    units["slow"] = ("-O0", "".join(f'#include "model/{p.name}"\n' for p in slow))
    return units


def _runtime(build: Path, root: Path, *, trace: bool) -> Path:
    """Where the object of Verilator's run-time library belongs; its source is written beside it.

    It is the same for every design, and takes longer to compile than most.
    """
    names = ("verilated", "verilated_threads", *(("verilated_vcd_c",) if trace else ()))
    source = BuildPlan({"runtime.cpp": "".join(f'#include "{root}/include/{name}.cpp"\n' for name in names)})
    directory = build / f"verilated-{source.digest()[:12]}"
    write(source, directory)
    return directory / "runtime.o"


def _build(sources: BuildPlan, directory: Path, logs: Path, *, trace: bool) -> Path:
    """The simulator, built anew only if something other than memory contents has changed."""
    tool, root = find_verilator()
    compiler = find_compiler()
    recipe = BuildPlan({name: data for name, data in sources.files.items() if not name.startswith("mem/")})
    digest = f"{recipe.digest()} {root}\n"
    write(sources, directory)
    simulator, stamp = directory / "simulator", directory / _STAMP
    with file_errors("read", stamp):
        if simulator.is_file() and stamp.is_file() and stamp.read_text() == digest:
            return simulator
    model = directory / "model"
    with file_errors("write", directory):
        stamp.unlink(missing_ok=True)
        if model.is_dir():
            rmtree(model)
    options = (*_VERILATOR_FLAGS, *(("--trace-vcd",) if trace else ()), "--Mdir", "model", _CONTROL)
    _verilate(tool, sources, directory, logs / "cosim-verilator.log", options)
    include = ("-I.", "-Imodel", f"-I{root}/include", f"-I{root}/include/vltstd")
    defines = ("-DVM_COVERAGE=0", "-DVM_SC=0", f"-DVM_TRACE={int(trace)}", f"-DVM_TRACE_VCD={int(trace)}")
    flags = ("-std=c++17", *defines, *include)
    units = _units(sorted(model.glob("*.cpp")), os.cpu_count() or 1)
    runtime = _runtime(directory.parent, root, trace=trace)
    write(BuildPlan({f"{name}.cpp": text for name, (_, text) in units.items()}), directory / "units")
    jobs = [
        Job(
            compiler,
            (*flags, level, "-c", f"units/{name}.cpp", "-o", f"units/{name}.o"),
            directory,
            logs / f"cosim-{name}.log",
            _TOOL_TIMEOUT_S,
        )
        for name, (level, _) in units.items()
    ]
    if not runtime.is_file():
        arguments = (*flags, "-O0", "-c", "runtime.cpp", "-o", _PARTIAL)
        jobs.insert(0, Job(compiler, arguments, runtime.parent, logs / "cosim-runtime.log", _TOOL_TIMEOUT_S))
    run_all(jobs)
    with file_errors("write", runtime):
        if not runtime.is_file():
            (runtime.parent / _PARTIAL).replace(runtime)
    objects = (*(f"units/{name}.o" for name in units), str(runtime))
    link = (*objects, "-pthread", "-o", "simulator")
    run(Job(compiler, link, directory, logs / "cosim-link.log", _TOOL_TIMEOUT_S))
    with file_errors("write", stamp):
        stamp.write_text(digest)
    return simulator


@dataclass(frozen=True, eq=False, slots=True)
class _Seen:
    """What the driver saw of a stream. first, last: cycles of the first and last beat of every window."""

    beats: int
    blocked: int
    starved: int
    valid: bool
    ready: bool
    first: NDArray[np.uint64]
    last: NDArray[np.uint64]


def _read_summary(records: Path, names: Sequence[str]) -> tuple[str, int, dict[str, _Seen]]:
    """(state, cycles, streams) from the driver's files."""
    with file_errors("read", records):
        state, cycles, *lines = (
            line.split()[1:] for line in (records / "summary.txt").read_text().splitlines()
        )
        seen = {}
        for number, (name, fields) in enumerate(zip(names, lines, strict=True)):
            beats, blocked, starved, valid, ready = (int(f) for f in fields)
            times = np.fromfile(records / f"{number}.cycles", np.uint64)
            seen[name] = _Seen(beats, blocked, starved, bool(valid), bool(ready), times[0::2], times[1::2])
    return state[0], int(cycles[0]), seen


def _complain(
    pipeline: Pipeline, state: str, cycles: int, windows: int, seen: Mapping[str, _Seen]
) -> BhcError:
    """The diagnostic for a run that did not finish: which stage waits for which."""
    producers, consumers = _producers(pipeline), _consumers(pipeline)

    def edge(name: str) -> str:
        return f"'{name}' ({producers[name] or 'host'} -> {consumers.get(name, 'host')})"

    if state == "surplus":
        extra = [edge(n) for n, s in seen.items() if s.beats > windows * pipeline.streams[n].beats]
        return fail(
            "BHC512",
            f"more beats than {windows} windows have, by cycle {cycles}, on stream {', '.join(extra)}",
        )
    lines = []
    for name, stream in seen.items():
        wanted = windows * pipeline.streams[name].beats
        if stream.beats >= wanted:
            continue
        maker, taker = producers[name] or "the host", consumers.get(name, "the host")
        match stream.valid, stream.ready:
            case True, False:
                what = f"{maker} waits for {taker} to take a beat"
            case False, True:
                what = f"{taker} waits for {maker} to make a beat"
            case _:
                what = "neither side offers anything"
        lines.append(f"  {edge(name)}: {what} ({stream.beats} of {wanted} moved)")
    done = seen[pipeline.output].last.size
    message = f"the design got stuck before cycle {cycles}, after {done} of {windows} windows:"
    return fail(
        "BHC511",
        "\n".join([message, *lines]),
        hint="this is a bug in the schedule or in a kernel; please report it",
    )


def _compare(
    name: str,
    stream: Stream,
    value_type: Type,
    stage: str,
    got: NDArray[np.uint8],
    expected: IntArray,
    window: int,
) -> tuple[int, Mismatch | None]:
    """(elements that differ, the first of them); `window` numbers the first window given."""
    values = unpack(got, stream, value_type.shape)
    if np.array_equal(values, expected):
        return 0, None
    differing = np.argwhere(values != expected)
    first = tuple(int(i) for i in differing[0])
    assert stream.value is not None
    mismatch = Mismatch(
        stage, name, stream.value, window + first[0], first[1:], int(expected[first]), int(values[first])
    )
    return len(differing), mismatch


def _steady(last: NDArray[np.uint64]) -> float | None:
    """Cycles between the ends of successive windows, over the second half of the run."""
    if last.size < 2:
        return None
    start = (last.size - 1) // 2
    return float(last[-1] - last[start]) / (last.size - 1 - start)


def cosim(
    pipeline: Pipeline,
    graph: Graph,
    inputs: Mapping[str, IntArray],
    workdir: Path,
    *,
    stalls: int | None = None,
    vcd: Path | None = None,
) -> CosimResult:
    """Simulate the design on N >= 1 windows and compare every stream that carries a value with the evaluator.

    inputs: the graph's integer inputs, (N, *shape) each. workdir: gets build/cosim and logs/. stalls: seed of
    random pauses at both ends; None for none. vcd: file for waveforms. Raises BhcError (BHC501..BHC504,
    BHC511, BHC512), and evaluate.RangeError for inputs outside their types. A mismatch is not an error here:
    it is in the result.
    """
    producers = _producers(pipeline)
    source = pipeline.streams[pipeline.input]
    if source.value is None:
        raise ValueError("the input stream of the pipeline carries no value")
    windows = inputs[source.value].shape[0]
    directory = (workdir / "build" / ("cosim" if vcd is None else "cosim-vcd")).resolve()
    logs = (workdir / "logs").resolve()
    simulator = _build(plan(pipeline), directory, logs, trace=vcd is not None)

    records = directory / "records"
    with file_errors("write", directory):
        if records.is_dir():
            rmtree(records)
        records.mkdir()
        pack(np.asarray(inputs[source.value], np.int64), source).tofile(directory / "input.bin")
    slowest = max((stage.cycles for stage in pipeline.stages), default=0)
    arguments = (
        *("input.bin", str(beat_bytes(source)), "records", str(windows), str(_PATIENCE + 4 * slowest)),
        *("-" if stalls is None else str(stalls), str(max(_SHORTEST_JAM, slowest))),
        "-" if vcd is None else vcd.resolve(),
    )
    run(Job(Tool((str(simulator),)), arguments, directory, logs / "cosim-run.log"))

    state, cycles, seen = _read_summary(records, tuple(producers))
    if state != "finished":
        raise _complain(pipeline, state, cycles, windows, seen)
    rows, first_mismatch = _check(pipeline, graph, inputs, records, seen)
    zero = seen[pipeline.input].first[0]
    return CosimResult(
        windows,
        sum(row.values for row in rows),
        sum(row.mismatches for row in rows),
        first_mismatch,
        int(seen[pipeline.output].last[0] - zero),
        _steady(seen[pipeline.output].last),
        cycles,
        rows,
    )


def _check(
    pipeline: Pipeline, graph: Graph, inputs: Mapping[str, IntArray], records: Path, seen: Mapping[str, _Seen]
) -> tuple[tuple[StreamRow, ...], Mismatch | None]:
    """Compare all records with the evaluator: a row per stream in topological order, the first difference."""
    producers = _producers(pipeline)
    carried = [
        (i, n, pipeline.streams[n]) for i, n in enumerate(producers) if pipeline.streams[n].value is not None
    ]
    types = graph.types()
    windows = seen[pipeline.input].last.size
    chunk = max(1, _CHUNK_ELEMENTS // max(t.elements for t in types.values()))
    wrong = dict.fromkeys(producers, 0)
    first: dict[str, Mismatch] = {}
    for start in range(0, windows, chunk):
        values = evaluate(graph, {name: x[start : start + chunk] for name, x in inputs.items()})
        for number, name, stream in carried:
            assert stream.value is not None
            expected = values[stream.value]
            beats = expected.shape[0] * stream.beats
            bytes_ = beat_bytes(stream)
            with file_errors("read", records):
                got = np.fromfile(
                    records / f"{number}.beats",
                    np.uint8,
                    beats * bytes_,
                    offset=start * stream.beats * bytes_,
                ).reshape(beats, bytes_)
            count, mismatch = _compare(
                name, stream, types[stream.value], producers[name], got, expected, start
            )
            wrong[name] += count
            if mismatch is not None:
                first.setdefault(name, mismatch)
    zero = seen[pipeline.input].first[0]
    rows = []
    for name, stage in producers.items():
        stream, times = pipeline.streams[name], seen[name]
        elements = 0 if stream.value is None else windows * types[stream.value].elements
        rows.append(
            StreamRow(
                name,
                stage,
                stream.value,
                times.beats,
                elements,
                wrong[name],
                int(times.first[0] - zero),
                int(times.last[0] - zero),
                _steady(times.last),
                times.blocked,
                times.starved,
            )
        )
    return tuple(rows), next((first[name] for name in producers if name in first), None)
