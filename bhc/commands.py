"""The verbs: each takes its parsed arguments, works through the API, and prints for people."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from bhc import api, boards, folder, html, inputs, picture, play, simulator
from bhc import data as recordings
from bhc import doctor as examination
from bhc import flash as flashing
from bhc import train as training
from bhc.api import Emit
from bhc.backends.runner import file_errors
from bhc.build import Build, Simulated, load
from bhc.device import SIM, Device, Run
from bhc.diagnostics import fail
from bhc.inputs import Windows
from bhc.ir import pipeline, text
from bhc.ir.fabric import fabric
from bhc.ir.pipeline import Resources
from bhc.options import Options
from bhc.progress import SILENT, Console, Progress
from bhc.report import Report
from bhc.simulator import Network, Simulation


def _progress(arguments: Namespace) -> Progress:
    return SILENT if arguments.quiet else Console(verbose=arguments.verbose)


def _say(arguments: Namespace, *lines: str) -> None:
    """To standard output, unless the user wants quiet."""
    if not arguments.quiet:
        print(*lines, sep="\n")


def _unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def compile_model(arguments: Namespace) -> None:
    """`bhc compile`."""
    emit: Emit = arguments.emit
    options = Options(
        target=arguments.target,
        clock=arguments.clock,
        fps=arguments.fps,
        fit=arguments.fit,
        folding=arguments.folding,
        backend=_backend(arguments.backend, emit),
        io=arguments.io,
        vendor=arguments.vendor,
        mode=arguments.mode,
        hop=arguments.hop,
        delta=arguments.delta,
        calibrate=arguments.calibrate,
        weights=arguments.weights,
    )
    to_screen = arguments.out is None and emit in {"graph", "pipeline"}
    directory = arguments.out or Path(f"{arguments.model.stem}.bhc")
    if not to_screen:
        folder.check_output(directory)
    made = api.Compilation(arguments.model, options, dump_ir=arguments.dump_ir, progress=_progress(arguments))
    # Before the long part: a wrong file should not cost the user a minute.
    windows = (
        None if arguments.verify is None else inputs.load(arguments.verify, made.network.head, made.network.overlap)
    )
    if to_screen:
        level = text.dump(made.network.graph) if emit == "graph" else pipeline.dump(made.design)
        print(level, end="")
        return
    made.write(directory, emit)
    if emit == "graph":
        return
    build = made.build(directory if emit == "project" else None)
    _say(arguments, *_summary(build.report), f"written to {directory}")
    if windows is not None:
        entry = made.verify(build, windows)
        _say(arguments, str(entry))


def _backend(asked: str | None, emit: Emit) -> str:
    """The backend; --emit rtl and --emit hls name it too."""
    meant = emit if emit in {"rtl", "hls"} else None
    if asked is not None and meant is not None and asked != meant:
        raise fail("BHC602", f"contradicts --backend {asked}", origin=f"--emit {meant}", hint="leave one of them out")
    return asked or meant or "rtl"


def _summary(report: Report) -> list[str]:
    clock = report.target.clock_mhz
    latency = report.latency_cycles / clock
    return [
        "",
        picture.terminal(report, unicode=_unicode()),
        "",
        f"{report.model.name} on {report.target.board} at {clock:g} MHz:",
        f"{report.cycles_per_window:,} cycles {_each(report)}, {report.windows_per_second:,.0f} windows/s, "
        f"latency {report.latency_cycles:,} cycles ({latency:,.1f} us)",
        *_skipping(report),
        *_outside(report),
        f"estimated: {_shares(report.resources.estimated, report)}",
    ]


def _outside(report: Report) -> list[str]:
    """What is read from memory outside the device."""
    return [
        f"'{row.stage}' reads its weights from DDR: {row.bytes_per_window:,} bytes a window, "
        f"{row.mb_per_second:,.0f} MB/s, {row.port_share:.0%} of a port"
        for row in report.external
    ]


def _skipping(report: Report) -> list[str]:
    """On what the prediction of the cycles rests, if the data decide."""
    if report.delta is None:
        return []
    names = [row.name for row in report.delta.stages if row.choice == "delta"]
    if not names:
        return ["no layer skips what does not change: it does not pay"]
    source = "the calibration" if report.delta.calibrated else "a guess (--calibrate X.npy measures it)"
    worst = f"{report.delta.cycles_worst:,} cycles if everything changes"
    return [f"{', '.join(names)} skip what does not change: the cycles are those of {source}; {worst}"]


def _each(report: Report) -> str:
    return "a window" if report.hop is None else f"a hop of {report.hop} rows"


def _shares(need: Resources, report: Report) -> str:
    """Resources with the part of the device that they are."""
    available, names = report.resources.available, fabric(report.target.family).units
    units = [
        (f"{need.lut:,} {names.lut}", need.lut, available.lut),
        (f"{need.ff:,} {names.ff}", need.ff, available.ff),
        (f"{need.bram:g} {names.bram}", need.bram, available.bram),
        (f"{need.dsp:,} {names.dsp}", need.dsp, available.dsp),
    ]
    return ", ".join(f"{text} ({100 * taken / there:.0f} %)" if there else text for text, taken, there in units)


def simulate(arguments: Namespace) -> None:
    """`bhc simulate`."""
    progress = _progress(arguments)
    if arguments.source.is_dir():
        network = load(arguments.source).network
    else:
        with progress.step(f"reading {arguments.source.name}"):
            model = api.load_model(arguments.source)
        network = Network(model.graph, model.head, model.tail)
    _check_output(arguments.output, network)
    windows = inputs.load(arguments.input, network.head, network.overlap)
    with progress.step(f"simulating {inputs.counted(windows, network.overlap)}"):
        result = simulator.simulate(network, windows, trace=arguments.trace, progress=progress)
    if arguments.output is not None:
        _write_outputs(arguments.output, result)
    _say(arguments, *_outcome(windows, result, network.tail.classes))


def _check_output(path: Path | None, network: Network) -> None:
    """Raise a diagnostic unless the file can hold the outputs: one array as .npy, any number, by name, as .npz."""
    names = [output.name for output in network.tail.outputs]
    if path is None or path.suffix == ".npz" or (path.suffix == ".npy" and len(names) == 1):
        return
    what = "does not end in .npy or .npz" if len(names) == 1 else f"cannot hold the outputs {', '.join(names)}"
    raise fail("BHC616", what, origin=str(path), hint=f"write --output {path.with_suffix('.npz')}")


def _write_outputs(path: Path, result: Simulation | Run) -> None:
    with file_errors("write", path):
        if path.suffix == ".npz":
            np.savez(path, allow_pickle=False, **result.outputs)
        else:
            np.save(path, result.y)


def _outcome(windows: Windows, result: Simulation | Run, classes: Sequence[str]) -> list[str]:
    """How many windows each class got, and the accuracy if labels are known."""
    found, counts = np.unique(result.labels, return_counts=True)
    names = [classes[i] if i < len(classes) else f"class {i}" for i in found.tolist()]
    shares = ", ".join(f"{name} {count:,}" for name, count in zip(names, counts.tolist(), strict=True))
    lines = [f"{len(result.labels):,} windows: {shares}"]
    if windows.y is not None:
        right = int((result.labels == windows.y).sum())
        count = len(result.labels)
        lines.append(f"accuracy {100 * right / count:.2f} % ({right:,} of {count:,})")
    return lines


def cosim(arguments: Namespace) -> None:
    """`bhc cosim`."""
    backend: Simulated | None = arguments.backend
    if backend is not None and backend not in get_args(Simulated):
        names = ", ".join(get_args(Simulated))
        raise fail("BHC601", f"{backend!r} is not in this version of bhc", origin="--backend", hint=f"use {names}")
    build = load(arguments.directory, progress=_progress(arguments))
    entry = build.cosim(
        arguments.input, backend=backend, stalls=arguments.stalls, vcd=arguments.vcd, activity=arguments.activity
    )
    _say(
        arguments,
        str(entry),
        *_measured(build, entry.cycles_per_window_measured, entry.latency_cycles_measured),
        *(_activity(build.report) if arguments.activity else ()),
    )


def _activity(report: Report) -> list[str]:
    """What each compute stage did for a window or hop, on average."""
    found = report.activity
    assert found is not None
    predicted = {row.name: row.cycles for row in report.stages if row.folding is not None}
    rows: list[tuple[str, ...]] = [
        ("stage", "busy cycles", "predicted", "weight reads", "updates", "changes", "toggles")
    ]
    for row in found.stages:
        if row.stage in predicted:
            counts = (row.busy, row.weight_reads, row.updates, row.events, row.toggles)
            busy, *others = ("-" if count is None else f"{count / found.windows:,.1f}" for count in counts)
            rows.append((row.stage, busy, f"{predicted[row.stage]:,}", *others))
    total = sum(row.toggles for row in found.stages) / found.windows
    return ["", *_columns(rows), f"all stages: {total:,.1f} toggles {_each(report)}"]


def _measured(build: Build, cycles: float | None, latency: int | None) -> list[str]:
    report = build.report
    lines = []
    if cycles is not None:
        lines.append(f"measured {cycles:,.10g} cycles a window, predicted {report.cycles_per_window:,}")
    if latency is not None:
        lines.append(f"measured {latency:,} cycles of latency, predicted {report.latency_cycles:,}")
    return lines


def run(arguments: Namespace) -> None:
    """`bhc run`."""
    build = load(arguments.directory, progress=_progress(arguments))
    network = build.network
    _check_output(arguments.output, network)
    play.check(arguments)
    if arguments.play is not None:
        played, lines = play.run(build, arguments)
        if arguments.output is not None and played is not None:
            _write_outputs(arguments.output, played)
        _say(arguments, *lines)
        return
    windows = inputs.load(arguments.input, network.head, network.overlap)
    with Device(build, arguments.on, baud=arguments.baud) as device:
        result = device.run(windows, one_by_one=arguments.one_by_one)
    if arguments.output is not None:
        _write_outputs(arguments.output, result)
    _say(arguments, *_outcome(windows, result, network.tail.classes), *_pace(build.report, result, arguments.on))


def _pace(report: Report, result: Run, on: str) -> list[str]:
    """How fast it was, and what was made good."""
    clock, lines = report.target.clock_mhz, []
    measured = result.cycles[result.cycles >= 0]
    if measured.size:
        least, most = int(measured.min()), int(measured.max())
        cycles = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        times = " to ".join(f"{cycles / clock:,.1f}" for cycles in sorted({least, most}))
        lines.append(f"{cycles} cycles from the last input to the result: {times} us at {clock:g} MHz")
    what = "simulated" if on == SIM else "transfers included"
    lines.append(f"{result.windows_per_second:,.1f} windows/s, {what}")
    counters = result.counters
    damaged = counters.damaged_here + counters.damaged_there
    if damaged:
        lines.append(f"{damaged:,} frames arrived damaged and were repeated")
    return lines


def synth(arguments: Namespace) -> None:
    """`bhc synth`."""
    build = load(arguments.directory, progress=_progress(arguments))
    total = build.synth()
    report = build.report
    rows = [(row.name, row.resources, row.synthesized) for row in report.stages]
    rows.append(("total", report.resources.estimated, total))
    width = max(len(name) for name, *_ in rows)
    units = fabric(report.target.family).units
    lines = [
        f"{'stage':{width}}"
        + "".join(f"  {unit:>7} {'est.':>7}" for unit in (units.lut, units.ff, units.bram))
        + f"  {units.dsp:>4}"
    ]
    for name, estimate, made in rows:
        if made is not None:
            lines.append(
                f"{name:{width}}  {made.lut:>7,} {estimate.lut:>7,}  {made.ff:>7,} {estimate.ff:>7,}  "
                f"{made.bram:>7g} {estimate.bram:>7g}  {made.dsp:>4}"
            )
    _say(arguments, *lines, f"of {report.target.part}: {_shares(total, report)}")


def build(arguments: Namespace) -> None:
    """`bhc build`."""
    made = load(arguments.directory, progress=_progress(arguments))
    found = made.bitstream(arguments.toolchain, baud=arguments.baud)
    rows = [(row.unit, f"{row.used:,}", f"of {row.available:,}") for row in found.use]
    fmax = "" if found.fmax_mhz is None else f", up to {found.fmax_mhz:g} MHz"
    _say(
        arguments,
        *_columns(rows),
        f"synthesised: {_shares(found.resources, made.report)}",
        f"clock {found.clock_mhz:g} MHz{fmax}",
        f"written to {arguments.directory / (found.file or '')}: {found.bytes:,} bytes",
    )


def flash(arguments: Namespace) -> None:
    """`bhc flash`."""
    made = load(arguments.directory, progress=_progress(arguments))
    plan = flashing.plan(made, via=arguments.via, host=arguments.host, keep=arguments.flash)
    if arguments.dry_run:
        print(plan)
        return
    with made.progress.step(f"loading {plan.file}"):
        flashing.flash(made, plan)
    _say(arguments, f"{plan.file} ({plan.header.device}) is in {plan.place}")


def report(arguments: Namespace) -> None:
    """`bhc report`."""
    content = html.page(folder.read(arguments.directory).report)
    path = arguments.output or arguments.directory / "report.html"
    folder.save(path, content)
    _say(arguments, str(path))


def train(arguments: Namespace) -> None:
    """`bhc train`."""
    options = training.Options(
        recipes=arguments.recipes,
        seeds=arguments.seeds,
        runs=arguments.runs,
        cache=arguments.data,
        epochs=arguments.epochs,
        fresh=arguments.fresh,
        device=arguments.device,
        threads=arguments.threads,
    )
    live = sys.stderr.isatty() and not arguments.quiet
    results = training.train(options, _progress(arguments), live=live)
    _say(arguments, *training.summary(results), *(f"written to {result['folder']}" for result in results))


def data(arguments: Namespace) -> None:
    """`bhc data`."""
    if arguments.action == "list":
        rows: list[tuple[str, ...]] = [
            ("data set", "prepared", "subjects", "hours", "channels", "Hz", "classes", "title")
        ]
        for row in recordings.listing(arguments.data):
            has = row.contents
            figures: tuple[str, ...] = ("no", "", "", "", "", "")
            if has is not None:
                figures = (
                    "yes",
                    str(has.subjects),
                    f"{has.hours:.1f}",
                    str(has.channels),
                    f"{has.rate:g}",
                    str(has.classes),
                )
            rows.append((row.name, *figures, row.title))
        _say(arguments, *_columns(rows))
        return
    if arguments.name is None:
        raise fail("BHC702", "no data set is named", origin="bhc data prepare", hint="`bhc data list` names them")
    row = recordings.prepare(arguments.name, arguments.source, arguments.data, _progress(arguments))
    assert row.contents is not None
    _say(arguments, f"written to {row.contents.file}", *([f"please cite: {row.citation}"] if row.citation else []))


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows with their cells aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def targets(arguments: Namespace) -> None:
    """`bhc targets`."""
    rows: list[tuple[str, ...]] = [
        ("board", "title", "part", "LUTs", "block RAM", "DSP", "MHz", "shell", "bitstream by")
    ]
    for name in boards.names():
        board = boards.load(name)
        has, units = board.resources, fabric(board.family).units
        figures = (f"{has.lut:,} {units.lut}", f"{has.bram:g} {units.bram}", f"{has.dsp:,} {units.dsp}")
        makers = ", ".join(board.toolchains)
        rows.append((board.name, board.title, board.part, *figures, f"{board.clock_mhz:g}", board.shell or "", makers))
    _say(arguments, *_columns(rows))


def doctor(arguments: Namespace) -> None:
    """`bhc doctor`."""
    _say(arguments, examination.table(list(examination.examine())))
