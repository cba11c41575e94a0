"""Cosimulation: the generated SystemVerilog, or its netlist, simulated by Verilator, against the evaluator, stream by
stream.

docs/cosim.md says what is compared and how cycles are counted. The simulator is built in DIR/build/cosim and kept
until the design changes. Diagnostics: BHC511 the design got stuck, BHC512 a stream carried too many beats, BHC513
m_axis_tlast is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from shutil import rmtree

import numpy as np
from numpy.typing import NDArray

from bhc.backends import activity as activities
from bhc.backends import netlist as netlists
from bhc.backends.beats import beat_bytes, pack
from bhc.backends.compare import (
    ActivityRow,
    CosimResult,
    Mismatch,
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
from bhc.backends.netlist import Netlist
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import TOP, emit, external_path, stream_signals
from bhc.backends.runner import Job, Tool, file_errors, find_verilator, run, write
from bhc.backends.verilated import FLAGS, clear, compile_program, is_current, recipe, verilate
from bhc.diagnostics import BhcError, fail
from bhc.ir import timing
from bhc.ir.graph import Graph
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Pipeline, Stage

__all__ = ["ActivityRow", "CosimResult", "Mismatch", "StreamRow", "cosim", "lint", "plan"]

_STREAMS = "cosim_streams.inc"
_DRIVER = "cosim_driver.cpp"
_CONTROL = "cosim.vlt"
#: What Verilator calls its tree of the design.
_TREE = f"V{TOP}.tree.json"
#: Cycles without any beat moving, besides those that the slowest stage may need, that count as stuck.
_PATIENCE = 10_000
#: A jam may last as long as the slowest stage takes for a window, and this long at least.
_SHORTEST_JAM = 64
#: Modules of many equal instances: made into functions, they take half the time to compile and run as fast.
_SHARED = ("bhc_dot", "bhc_heap")


def _most(stage: Stage) -> int:
    """Cycles a window of a stage, or until its next result if the data can make that longer."""
    p = stage.params
    if stage.kernel != "bhc_delta":
        return stage.cycles
    return max(stage.cycles, p["Nf"] * p["Taps"] * p["Lanes"] * p["Chunks"] // p["Events"])


def plan(pipeline: Pipeline, *, activity: bool = False) -> BuildPlan:
    """The design with what simulation needs: the driver, the streams, and the signals to keep visible."""
    signals = stream_signals(pipeline)
    control = ["`verilator_config", *(f'no_inline -module "{module}"' for module in _SHARED)]
    if activity:
        control += activities.visible(pipeline)
    rows = []
    for name in producers(pipeline):
        stream, signal = pipeline.streams[name], signals[name]
        suffixes = ["valid", "ready"]
        if name == pipeline.output:
            rows.append(f"OUTPUT({signal}, {stream.width}, {stream.beats})")
        elif stream.value is None:
            rows.append(f"WATCHED({signal}, {stream.beats})")
        else:
            rows.append(f"RECORDED({signal}, {stream.width}, {stream.beats})")
            suffixes.append("data")
        control += [f'public_flat_rd -module "{TOP}" -var "{signal}_{suffix}"' for suffix in suffixes]
    rows += [f"EXTERNAL({number}, {external_path(number)})" for number in range(len(pipeline.external))]
    made = emit(pipeline) | BuildPlan(
        {
            _STREAMS: "\n".join(rows) + "\n",
            _CONTROL: "\n".join(control) + "\n",
            _DRIVER: (files("bhc") / "backends" / _DRIVER).read_bytes(),
        }
    )
    return made | activities.plan(pipeline) if activity else made


def lint(sources: BuildPlan, workdir: Path) -> tuple[str, ...]:
    """Verilator's warnings (-Wall) about a plan of rtl.emit, written to DIR/build/lint. Raises BhcError."""
    tool, _ = find_verilator()
    directory, log = workdir / "build" / "lint", workdir / "logs" / "lint.log"
    write(sources, directory)
    verilate(tool, sources, TOP, directory, log, ("--lint-only", "-Wall", "-Wno-fatal"))
    with file_errors("read", log):
        return tuple(line for line in log.read_text().splitlines() if line.startswith("%Warning"))


def _build(pipeline: Pipeline, directory: Path, logs: Path, *, trace: bool, activity: bool) -> Path:
    """The simulator, built anew only if something other than memory contents has changed."""
    sources = plan(pipeline, activity=activity)
    made_of = recipe(sources)
    write(sources, directory)
    if is_current(directory, made_of):
        return directory / "simulator"
    clear(directory)
    tool, _ = find_verilator()
    options = (*FLAGS, *(("--trace-vcd",) if trace else ()), "--Mdir", "model", _CONTROL)
    if activity:
        tree = ("--json-only", "-Wno-fatal", "--Mdir", "tree", _CONTROL)
        verilate(tool, sources, TOP, directory, logs / "cosim-tree.log", tree)
        write(activities.inspect(pipeline, directory / "tree" / _TREE, _SHARED), directory / "registers")
        options = (*options, f"registers/{activities.CONTROL}")
    verilate(tool, sources, TOP, directory, logs / "cosim-verilator.log", options)
    flags = (f"-DBHC_ACTIVITY={int(activity)}", "-Iregisters")
    return compile_program(directory, logs, "cosim", _DRIVER, made_of, trace=trace, flags=flags)


def _build_netlist(pipeline: Pipeline, made: Netlist, directory: Path, logs: Path, *, trace: bool) -> Path:
    """The simulator of a netlist, built anew only if that has changed."""
    sources = netlists.plan(made, plan(pipeline))
    made_of = recipe(sources)
    write(sources, directory)
    if is_current(directory, made_of):
        return directory / "simulator"
    clear(directory)
    tool, _ = find_verilator()
    cells = netlists.options(made.family)
    options = (*FLAGS, *(("--trace-vcd",) if trace else ()), "--Mdir", "model", *cells, _CONTROL)
    log = logs / "netlist-verilator.log"
    try:
        verilate(tool, sources, TOP, directory, log, options)
    except BhcError as error:
        raise netlists.refused(error, log) from error
    return compile_program(directory, logs, "netlist", _DRIVER, made_of, trace=trace, flags=("-DBHC_ACTIVITY=0",))


@dataclass(frozen=True, eq=False, slots=True)
class _Seen:
    """What the driver saw of a stream. runs: of each, the cycles of the first and last beat of its windows, (N, 2)."""

    beats: int
    blocked: int
    starved: int
    valid: bool
    ready: bool
    runs: list[NDArray[np.int64]]

    @property
    def first(self) -> NDArray[np.int64]:
        """Of the windows of the first run."""
        return self.runs[0][:, 0]

    @property
    def last(self) -> NDArray[np.int64]:
        return self.runs[0][:, 1]


def _read_summary(records: Path, names: Sequence[str]) -> tuple[str, int, dict[str, _Seen]]:
    """(state, cycles, streams) from the driver's files."""
    with file_errors("read", records):
        state, cycles, *lines = (line.split()[1:] for line in (records / "summary.txt").read_text().splitlines())
        seen = {}
        for number, (name, fields) in enumerate(zip(names, lines, strict=True)):
            beats, blocked, starved, valid, ready = (int(f) for f in fields)
            times = np.fromfile(records / f"{number}.cycles", np.int64)
            times = times[: len(times) // 2 * 2].reshape(-1, 2)
            begins = np.flatnonzero(times[:, 0] < 0)
            runs = [part[part[:, 0] >= 0] for part in np.split(times, begins)]
            seen[name] = _Seen(beats, blocked, starved, bool(valid), bool(ready), runs)
    return state[0], int(cycles[0]), seen


def _complain(
    pipeline: Pipeline, state: str, cycles: int, results: int, wanted: Mapping[str, int], seen: Mapping[str, _Seen]
) -> BhcError:
    """The diagnostic for a run that did not finish: which stage waits for which."""
    makers, takers = producers(pipeline), consumers(pipeline)

    def edge(name: str) -> str:
        return f"'{name}' ({makers[name] or 'host'} -> {takers.get(name, 'host')})"

    if state == "tlast":
        return fail("BHC513", f"in cycle {cycles - 1}, m_axis_tlast was not where a window ends")
    if state == "surplus":
        extra = [edge(n) for n, s in seen.items() if n in wanted and s.beats > wanted[n]]
        return fail(
            "BHC512",
            f"more beats than {results} windows have, by cycle {cycles}, on stream {', '.join(extra)}",
        )
    lines = []
    for name, stream in seen.items():
        if name not in wanted or stream.beats >= wanted[name]:
            continue
        maker, taker = makers[name] or "the host", takers.get(name, "the host")
        match stream.valid, stream.ready:
            case True, False:
                what = f"{maker} waits for {taker} to take a beat"
            case False, True:
                what = f"{taker} waits for {maker} to make a beat"
            case _:
                continue
        lines.append(f"  {edge(name)}: {what} ({stream.beats} of {wanted[name]} moved)")
    done = sum(len(part) for part in seen[pipeline.output].runs)
    message = f"the design got stuck before cycle {cycles}, after {done} of {results} windows:"
    return fail(
        "BHC511",
        "\n".join([message, *lines]),
        hint="this is a bug in the schedule or in a kernel; please report it",
    )


def _since(zero: int, cycles: NDArray[np.int64]) -> int | None:
    return int(cycles[0]) - zero if cycles.size else None


def _steady(seen: _Seen) -> float | None:
    """Cycles between the ends of successive windows, the first ones of every run left out as the timing model does."""
    cycles = windows = 0
    for ends in (part[:, 1] for part in seen.runs if len(part) > 1):
        first = timing.settled(len(ends))
        cycles += int(ends[-1] - ends[first])
        windows += len(ends) - 1 - first
    return cycles / windows if windows else None


def cosim(
    pipeline: Pipeline,
    graph: Graph,
    inputs: Mapping[str, IntArray | Sequence[IntArray]],
    workdir: Path,
    *,
    stalls: int | None = None,
    vcd: Path | None = None,
    activity: bool = False,
    netlist: Netlist | None = None,
) -> CosimResult:
    """Simulate the design on N >= 1 windows and compare every stream that carries a value with the evaluator.

    inputs: the graph's integer input, (N, *shape); of a streamed graph (bhc.ir.stream), a recording (R, *shape without
    rows), or several, with a reset between them. workdir: gets build/cosim and logs/. stalls: seed of
    random pauses at both ends; None for none. vcd: file for waveforms. activity: count what every stage does, in a
    simulator of its own; not of a netlist. netlist: of the design, to simulate in place of the SystemVerilog.
    Raises BhcError (BHC501..BHC504, BHC511..BHC513; of a netlist BHC515), and evaluate.RangeError for inputs outside
    their types. A mismatch is not an error here: it is in the result.
    """
    load = workload(graph, inputs)
    entry, data = source(pipeline, load)
    wanted = [beats(pipeline, load, part) for part in load.runs]
    name = "cosim" + ("" if netlist is None else "-netlist")
    name += ("" if vcd is None else "-vcd") + ("-activity" if activity else "")
    directory = (workdir / "build" / name).resolve()
    logs = (workdir / "logs").resolve()
    if netlist is None:
        simulator = _build(pipeline, directory, logs, trace=vcd is not None, activity=activity)
    else:
        simulator = _build_netlist(pipeline, netlist, directory, logs, trace=vcd is not None)

    records = directory / "records"
    with file_errors("write", directory):
        if records.is_dir():
            rmtree(records)
        records.mkdir()
        pack(data, entry).tofile(directory / "input.bin")
        (directory / "runs.txt").write_text("".join(_run_line(pipeline, counts) for counts in wanted))
    slowest = max((_most(stage) for stage in pipeline.stages), default=0)
    arguments = (
        *("input.bin", str(beat_bytes(entry)), "records", "runs.txt", str(_PATIENCE + 4 * slowest)),
        *("-" if stalls is None else str(stalls), str(max(_SHORTEST_JAM, slowest))),
        "-" if vcd is None else vcd.resolve(),
    )
    log = logs / "cosim-run.log"
    try:
        run(Job(Tool((str(simulator),)), arguments, directory, log))
    except BhcError as error:
        raise netlists.refused(error, log) from error

    state, cycles, seen = _read_summary(records, tuple(producers(pipeline)))
    if state != "finished":
        raise _complain(pipeline, state, cycles, load.results, wanted[-1], seen)
    rows, first_mismatch = check(pipeline, load, records, _rows(pipeline, load, seen))
    zero = int(seen[pipeline.input].first[0])
    return CosimResult(
        load.results,
        sum(row.values for row in rows),
        sum(row.mismatches for row in rows),
        first_mismatch,
        int(seen[pipeline.output].last[0]) - zero,
        _steady(seen[pipeline.output]),
        cycles,
        rows,
        activities.read(pipeline, records) if activity else (),
    )


def _run_line(pipeline: Pipeline, wanted: Mapping[str, int]) -> str:
    """A run as the driver reads it."""
    streams = " ".join(str(wanted.get(name, "-")) for name in producers(pipeline))
    return f"{wanted[pipeline.input]} {streams}\n"


def _rows(pipeline: Pipeline, load: Workload, seen: Mapping[str, _Seen]) -> list[StreamRow]:
    """A row per stream in topological order; nothing is compared yet."""
    values = carried(pipeline)
    elements = {v: sum(load.counts(part)[v] for part in load.runs) * load.units(v) for v in values.values()}
    zero = int(seen[pipeline.input].first[0])
    return [
        StreamRow(
            stream=name,
            stage=stage,
            value=values.get(name),
            beats=seen[name].beats,
            values=elements[values[name]] if name in values else 0,
            mismatches=0,
            first=_since(zero, seen[name].first),
            last=_since(zero, seen[name].last),
            cycles_per_window=_steady(seen[name]),
            blocked=seen[name].blocked,
            starved=seen[name].starved,
        )
        for name, stage in producers(pipeline).items()
    ]
