"""Live streams: answers are the simulator's, whatever comes in whatever pace; sources; the command line, watched."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bhc
from bhc import inputs, playback, watch
from bhc.backends import shell
from bhc.backends.beats import pack, unpack
from bhc.cli import main
from bhc.inputs import Windows
from bhc.ir.evaluate import evaluate
from bhc.ir.host import Exact
from bhc.ir.stream import Evaluator
from bhc.link import Counters
from bhc.live import GAP, Answer, Overflow, Rows, Stream, Tally
from bhc.playback import Format
from tests import tiny

ROOT = Path(__file__).resolve().parent.parent


class Board:
    """What a board computes, at once; `held` is asked whether it answers yet."""

    def __init__(self, build: bhc.Build, held: Callable[[], bool] = lambda: False) -> None:
        self.build, self.held = build, held
        self.name, self.ahead, self.counters = "/dev/board", 1024, Counters()
        self.reset()

    def open(self) -> bytes:
        self.reset()
        return b""

    def close(self) -> None:
        pass

    def reset(self) -> None:
        self.input = self.results = b""
        self.running = Evaluator(self.build.graph) if self.build.network.overlap else None

    @property
    def queued(self) -> int:
        return 1 << 20 if self.held() else 0

    def send(self, data: bytes) -> None:
        pipeline, graph = self.build.pipeline, self.build.graph
        entry, sink = pipeline.streams[pipeline.input], pipeline.streams[pipeline.output]
        self.input += data
        size = shell.input_bytes(pipeline)
        while len(self.input) >= size:
            beats = np.frombuffer(self.input[:size], np.uint8).reshape(entry.beats, -1)
            self.input = self.input[size:]
            (declared,) = graph.inputs
            (x,) = unpack(beats, entry, declared.type.shape)
            values = evaluate(graph, {declared.name: x[None]}) if self.running is None else self.running.push(x)
            for made in values[graph.outputs[0]].reshape(-1, sink.beats * sink.lanes):
                self.results += pack(made, sink).tobytes() + (7).to_bytes(shell.CYCLE_BYTES, "little")

    def ready(self, count: int, timeout_s: float) -> bool:
        return not self.held() and len(self.results) >= count

    def receive(self, count: int) -> bytes:
        found, self.results = self.results[:count], self.results[count:]
        assert len(found) == count
        return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("live"))


@pytest.fixture(scope="module")
def windowed(model: Path) -> bhc.Build:
    return bhc.compile(model, fps=10_000)


@pytest.fixture(scope="module")
def streamed(model: Path) -> bhc.Build:
    return bhc.compile(model, target="icebreaker", fps=10_000, mode="stream", hop=2, out=model.parent / "streamed")


def recording(rows: int) -> np.ndarray:
    """(R, C)."""
    return np.concatenate(list(tiny.windows(-(-rows // 12))), axis=1).T[:rows]


def live(
    build: bhc.Build,
    rows: Rows,
    every: int | None = None,
    held: Callable[[], bool] = lambda: False,
    overflow: Overflow = "wait",
    depth: int = 100,
    silence_s: float | None = None,
) -> tuple[list[Answer], Tally]:
    board = Board(build, held)
    with Stream(
        build, board, board.reset, rows, every=every, overflow=overflow, depth=depth, silence_s=silence_s
    ) as stream:
        return list(stream), stream.tally


def same(answers: list[Answer], windowed: bhc.Build, parts: list[np.ndarray], hop: int) -> bool:
    """Whether the answers are the simulator's for the windows of the parts."""
    head, cut = windowed.network.head, inputs.Overlap(12, hop)
    windows = [inputs.cut(Windows(part.T[None]), head, cut).x for part in parts if len(part) >= 12]
    wanted = windowed.simulate(np.concatenate(windows))
    labels = [answer.label for answer in answers]
    return np.array_equal(labels, wanted.labels) and np.array_equal([answer.y for answer in answers], wanted.y)


@pytest.mark.parametrize("every", [None, 1, 5, 12, 20])
def test_windows(windowed: bhc.Build, every: int | None) -> None:
    rows = recording(100)
    answers, tally = live(windowed, iter(rows), every)
    hop = every or 12
    assert same(answers, windowed, [rows], hop)
    assert [answer.rows for answer in answers] == list(range(12, 101, hop))
    assert tally == Tally(rows=100, answers=len(answers))
    assert all(answer.cycles == 7 for answer in answers)


@pytest.mark.parametrize("hop", [1, 2, 5])
def test_hops(model: Path, windowed: bhc.Build, hop: int) -> None:
    build = bhc.compile(model, fps=100_000, mode="stream", hop=hop)
    rows = recording(60)
    answers, _ = live(build, list(rows))
    assert same(answers, windowed, [rows], hop)


@pytest.mark.parametrize("kind", ["windowed", "streamed"])
def test_no_window_lies_across_a_gap(kind: str, request: pytest.FixtureRequest, windowed: bhc.Build) -> None:
    build: bhc.Build = request.getfixturevalue(kind)
    parts = [recording(30), recording(75)[40:], recording(5), recording(14)]
    rows = [row for part in parts for row in (*part, GAP)]
    answers, tally = live(build, rows, 2)
    assert same(answers, windowed, parts, 2)
    assert tally.gaps == 3


def test_silence_is_a_gap(windowed: bhc.Build, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("bhc.live.time.monotonic", lambda: now)
    rows = recording(40)

    def slow() -> Iterator[np.ndarray]:
        nonlocal now
        for number, row in enumerate(rows):
            now += 5.0 if number == 20 else 0.5
            yield row

    answers, tally = live(windowed, slow(), 1, silence_s=1.0)
    assert same(answers, windowed, [rows[:20], rows[20:]], 1)
    assert (tally.gaps, tally.dropped) == (1, 0)


def test_too_fast_is_dropped_and_counted(windowed: bhc.Build) -> None:
    """While the board computes a window, far more rows come than can wait."""
    rows, busy, flooded = recording(200), threading.Event(), threading.Event()

    def fast() -> Iterator[np.ndarray]:
        yield from rows[:12]
        busy.wait()
        yield from rows[12:112]
        flooded.set()

    def held() -> bool:
        if board.results:
            busy.set()
        return busy.is_set() and not flooded.is_set()

    board = Board(windowed, held)
    with Stream(windowed, board, board.reset, fast(), overflow="drop", depth=40) as stream:
        answers = list(stream)
    # Of 100 rows 40 waited, twice, when the next came.
    assert same(answers, windowed, [rows[:12], rows[92:112]], 12)
    assert [answer.rows for answer in answers] == [12, 104]
    assert stream.tally == Tally(rows=112, answers=2, dropped=80, gaps=1)


def refused(build: bhc.Build, rows: Rows, **options: object) -> str:
    with pytest.raises(bhc.BhcError) as raised:
        live(build, rows, **options)  # type: ignore[arg-type]
    return str(raised.value)


def test_too_fast_stops_it(windowed: bhc.Build) -> None:
    def held() -> bool:
        """Until the source was stopped."""
        return any(thread.name == "bhc-source" for thread in threading.enumerate())

    assert refused(windowed, recording(100), held=held, overflow="stop", depth=20) == (
        "error[BHC840] row 21: rows come faster than the board uses them: 20 wait\n"
        "  hint: compile for a higher --fps, answer less often (--every, --hop), or --overflow drop"
    )


def test_rows_that_the_model_does_not_take(windowed: bhc.Build, streamed: bhc.Build) -> None:
    assert refused(windowed, [np.zeros(3), np.zeros(4)]) == (
        "error[BHC612] row 2: has the shape (4,); the model takes rows of (3,)"
    )
    assert refused(windowed, [[0, 0, float("nan")]]) == (
        "error[BHC614] row 1: holds a value that is not finite\n  hint: drop or fill such rows"
    )
    assert refused(streamed, [], every=3) == (
        "error[BHC602] --every: the build answers every 2 rows, not every 3\n"
        "  hint: leave it out, or compile with --hop 3"
    )


def test_models_of_which_the_host_reads_whole_windows(windowed: bhc.Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of a window before its end."""
    monkeypatch.setattr("bhc.live._Feed._row_by_row", lambda _self: False)
    rows = recording(50)
    for hop in (3, 20):
        answers, _ = live(windowed, rows, hop)
        assert same(answers, windowed, [rows], hop)


def test_integers(windowed: bhc.Build) -> None:
    """Rows of a model whose input is integers go out as they come too; another value is a diagnostic."""
    network, within = windowed.network, windowed.graph.inputs[0].type.range
    head = replace(network.head, quantizer=Exact(within), steps=())
    build = bhc.Build(windowed.settings, replace(network, head=head), windowed.report, pipeline=windowed.pipeline)
    rows = np.random.default_rng(1).integers(within.lo, within.hi, (30, 3), endpoint=True)
    answers, _ = live(build, rows, 6)
    assert same(answers, build, [rows], 6)
    assert refused(build, [[0, 0, within.hi + 1]]) == f"error[BHC614] row 1: the model takes integers in {within}"


def test_what_the_source_raises(windowed: bhc.Build) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield from recording(12)
        raise ValueError("of the source")

    board = Board(windowed)
    with Stream(windowed, board, board.reset, broken()) as stream:
        answers = iter(stream)
        assert next(answers).rows == 12
        with pytest.raises(ValueError, match="of the source"):
            next(answers)


def test_lines() -> None:
    form = Format((3,))
    pieces = [
        b"\xef\xbb\xbfa,b,c\n1,2",
        b",3\n",
        b"# comment\n\n4 5\t6\r\n7;8;9\ngarb\xffage\n1,2\n1,2,nan\n1e3,-2,",
        b".5",
    ]
    lines = playback.Lines(pieces, form, "pieces", header=True)
    assert [row.tolist() for row in lines] == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [1000, -2, 0.5]]
    assert (lines.skipped, lines.shown) == (3, "1,2,nan")
    assert Format((2,), (3, 1)).parse("0,1,x,3") is not None
    assert Format((2,), (3, 1)).parse("0,1") is None


def test_lines_without_a_row() -> None:
    with pytest.raises(bhc.BhcError) as raised:
        list(playback.Lines([b"1,2,3,4\n"] * 1000, Format((3,)), "/dev/imu"))
    assert str(raised.value) == (
        "error[BHC841] /dev/imu: 50 lines, and none is a row of 3 numbers; the last is '1,2,3,4'\n"
        "  hint: --columns 1,2,3 picks numbers of a line, from 0; --source-baud is the port's rate"
    )


def test_recordings(tmp_path: Path, windowed: bhc.Build) -> None:
    head, cut = windowed.network.head, inputs.Overlap(12, 12)
    rows = recording(30)
    for x in (rows, rows.T, np.stack([rows.T, rows.T])):
        np.save(tmp_path / "x.npy", x)
        found = playback.recordings(tmp_path / "x.npy", head, cut)
        assert all(np.array_equal(part, rows) for part in found)
        assert [row is GAP for row in playback.joined([rows, *found])].index(True) == 30
    np.save(tmp_path / "x.npy", rows[:, :2])
    with pytest.raises(bhc.BhcError) as raised:
        playback.recordings(tmp_path / "x.npy", head, cut)
    assert str(raised.value) == (
        f"error[BHC612] {tmp_path / 'x.npy'}: has the shape (30, 2); a recording for this model has (rows, 3)\n"
        "  hint: give rows by channels, or the axes of the model's input"
    )


def test_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row at its time: what is late does not make the next late."""
    now, at = 100.0, []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr("bhc.playback.time.monotonic", lambda: now)
    monkeypatch.setattr("bhc.playback.time.sleep", sleep)
    for row in playback.paced(np.zeros((4, 3)), 10):
        assert isinstance(row, np.ndarray)
        at.append(now - 100)
        now += 0.15 if len(at) == 1 else 0.01
    assert np.allclose(at, [0, 0.15, 0.2, 0.3])


def test_picture(capsys: pytest.CaptureFixture[str]) -> None:
    screen = watch.Screen(sys.stdout, ("sit", "walk"), Tally(rows=24, answers=2, dropped=3, gaps=1), "m on b")
    for number, scores in enumerate(([1.0, 5.0], [4.0, 2.0])):
        y = np.array(scores, np.float32)
        screen.show(Answer(12 * number, int(y.argmax()), {"y": y}, 9, 1.0 + number, 0.002 + 0.001 * number))
    screen.end()
    lines = [re.sub(r"\x1b\[\d+m", "", line) for line in screen.picture(60)]
    assert [line.translate(str.maketrans("▏▎▍▌▋▊▉█", "########")).rstrip() for line in lines] == [
        "m on b",
        "2.0 s  24 rows, 2 answers, 3 rows dropped, 1 new beginnings",
        "latency 3.0 ms, median 2.5 ms  1.0 answers/s",
        "",
        "sit",
        f"  A sit  {'#' * 30} 4",
        f"  B walk {'#':30} 2",
        "",
        "BA",
    ]
    assert "\x1b[9A" in capsys.readouterr().out


@pytest.mark.slow
def test_a_sensor_on_the_command_line(streamed: bhc.Build, tmp_path: Path) -> None:
    """Lines from a serial port, through the virtual board, onto a terminal; until the user has seen enough."""
    rows = recording(60)
    sensor, port = os.openpty()
    tty.setraw(port)
    os.set_blocking(sensor, False)
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "bhc", "run", str(streamed.directory), "--play", os.ttyname(port), "--watch"]
    command += ["--labels", "sit,walk,run,lie", "--output", str(tmp_path / "y.npy")]
    enough = threading.Event()

    def feed() -> None:
        number = 0
        while not enough.wait(0.005):
            number += 1
            line = b",".join(b"%g" % value for value in rows[number % 60])
            with suppress(BlockingIOError):  # nobody listens
                os.write(sensor, (b"\xff!" if number % 10 == 0 else line) + b"\n")

    with subprocess.Popen(command, cwd=ROOT, stdout=terminal, stderr=subprocess.PIPE) as host:
        os.close(terminal)
        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            seen = seen_until(screen, rb" \d\d+ answers")
            host.send_signal(signal.SIGINT)
            seen += seen_until(screen, b"skipped; the last: ")
            assert host.wait(30) == 0
        finally:
            enough.set()
            feeder.join()
            host.kill()
    for descriptor in (sensor, port, screen):
        os.close(descriptor)
    assert b" answers from " in seen
    assert len(np.load(tmp_path / "y.npy")) >= 10


def seen_until(screen: int, wanted: bytes) -> bytes:
    """What is on a terminal up to a pattern."""
    seen = b""
    while not re.search(wanted, seen):
        ready, _, _ = select.select([screen], [], [], 60)
        assert ready, seen
        seen += os.read(screen, 65536)
    return seen


@pytest.mark.slow
def test_a_recording_on_the_command_line(
    streamed: bhc.Build, windowed: bhc.Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = recording(80)
    np.savetxt(tmp_path / "x.csv", rows, delimiter=",", header="x,y,z", comments="", fmt="%.9g")
    given = ["run", str(streamed.directory), "--play", str(tmp_path / "x.csv")]
    assert main([*given, "--output", str(tmp_path / "y.npy")]) == 0
    out = capsys.readouterr().out.splitlines()
    wanted = streamed.simulate(rows.T[None])
    assert np.array_equal(np.load(tmp_path / "y.npy"), wanted.y)
    assert len(out) == 35 + 2
    assert f"  class {wanted.labels[0]} " in out[0]
    assert out[-2].startswith("35 answers from 80 rows: class 0 ")
    assert out[-1].startswith("from a window's last row to its answer: median ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--input", "x.npy", "--rate", "5"], "--rate: is for --play\n  hint: leave it out, or play the recording"),
        (["--play", "x.npy", "--one-by-one"], "--one-by-one: is for --input; what is played is never sent otherwise"),
    ],
)
def test_options_of_the_other_kind(
    streamed: bhc.Build, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(streamed.directory), *options]) == 1
    assert capsys.readouterr().err == f"error[BHC602] {message}\n"
