"""`bhc run --play`: a recording, a sensor or standard input through a board, answers as they come."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bhc import playback, watch
from bhc.build import Build
from bhc.device import Device
from bhc.diagnostics import BhcError, fail
from bhc.inputs import Array
from bhc.live import Answer, Gap, Overflow, Stream, overlap, row_shape
from bhc.playback import Format, Lines, PortPieces
from bhc.simulator import Simulation


def source(
    where: str, build: Build, arguments: Namespace, resources: ExitStack
) -> tuple[Iterable[Array | Gap], Lines | None]:
    """Rows, and the lines that they are read from, if they are. Raises BhcError."""
    head = build.network.head
    cut = overlap(build, arguments.every)
    form = Format(row_shape(head, cut), arguments.columns)
    if where == playback.STDIN:
        lines = Lines(playback.descriptor_pieces(sys.stdin.fileno()), form, "standard input", header=True)
    elif where.startswith("/dev/"):
        port = PortPieces(where, arguments.source_baud)
        resources.callback(port.close)
        lines = Lines(port, form, where)
    elif Path(where).suffix in {".npy", ".npz"}:
        return playback.joined(playback.recordings(Path(where), head, cut)), None
    else:
        lines = playback.text_file(Path(where), form)
    return lines, lines


def is_live(where: str) -> bool:
    """Whether a source goes on whether or not it is listened to."""
    return where.startswith("/dev/")


def run(build: Build, arguments: Namespace) -> tuple[Simulation | None, list[str]]:
    """Play it; what was computed, and lines for people. Raises BhcError."""
    where: str = arguments.play
    classes: Sequence[str] = arguments.labels or build.network.tail.classes
    rows: Iterable[Array | Gap]
    answers: list[Answer] = []
    with ExitStack() as resources:
        rows, lines = source(where, build, arguments, resources)
        paced = arguments.rate is not None
        if arguments.rate is not None:
            rows = playback.paced(rows, arguments.rate)
        policy: Overflow = arguments.overflow or ("drop" if paced or is_live(where) else "wait")
        device = resources.enter_context(Device(build, arguments.on, baud=arguments.baud))
        stream = resources.enter_context(
            device.stream(rows, every=arguments.every, overflow=policy, silence_s=arguments.gap)
        )
        title = f"{build.report.model.name} on {build.report.target.board} ({arguments.on}), from {where}"
        shown: watch.Lines | watch.Screen = watch.Lines(sys.stdout, classes, stream.tally)
        if arguments.watch and sys.stdout.isatty():
            shown = watch.Screen(sys.stdout, classes, stream.tally, title)
        try:
            for answer in stream:
                answers.append(answer)
                if not arguments.quiet:
                    shown.show(answer)
        except KeyboardInterrupt:
            pass  # how a live stream ends
        except BhcError:
            if not arguments.quiet:
                shown.end()
                print(*summary(stream, answers, lines, classes), sep="\n")
            raise
        if not arguments.quiet:
            shown.end()
    return _collected(answers), summary(stream, answers, lines, classes)


def _collected(answers: Sequence[Answer]) -> Simulation | None:
    if not answers:
        return None
    outputs = {name: np.stack([answer.outputs[name] for answer in answers]) for name in answers[0].outputs}
    return Simulation(outputs, np.array([answer.label for answer in answers], np.int64))


def summary(stream: Stream, answers: Sequence[Answer], lines: Lines | None, classes: Sequence[str]) -> list[str]:
    """How it went."""
    tally, cut = stream.tally, stream.overlap
    counts = Counter(watch.name(answer.label, classes) for answer in answers)
    shares = ", ".join(f"{label} {count:,}" for label, count in sorted(counts.items()))
    found = [f"{tally.answers:,} answers from {tally.rows:,} rows{': ' if shares else ''}{shares}"]
    if answers:
        latencies = [answer.latency_s for answer in answers]
        found.append(
            f"from a window's last row to its answer: median {watch.milliseconds(float(np.median(latencies)))}, "
            f"at most {watch.milliseconds(max(latencies))}"
        )
    else:
        found.append(f"a window has {cut.window:,} rows")
    if tally.gaps:
        found.append(f"began anew {tally.gaps:,} times; {tally.dropped:,} rows were dropped, as they came too fast")
    if lines is not None and lines.skipped:
        found.append(f"{lines.skipped:,} lines were no rows and were skipped; the last: {lines.shown!r}")
    return found


def check(arguments: Namespace) -> None:
    """Raise a diagnostic (BHC602) for options that only go with the other kind of input."""
    play_only = {
        "--rate": arguments.rate,
        "--every": arguments.every,
        "--columns": arguments.columns,
        "--overflow": arguments.overflow,
        "--watch": arguments.watch or None,
        "--gap": arguments.gap,
        "--labels": arguments.labels,
    }
    if arguments.play is not None and arguments.one_by_one:
        raise fail("BHC602", "is for --input; what is played is never sent otherwise", origin="--one-by-one")
    if arguments.play is None:
        for option in (name for name, value in play_only.items() if value is not None):
            raise fail("BHC602", "is for --play", origin=option, hint="leave it out, or play the recording")
