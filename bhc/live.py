"""A live stream: rows of a source in, answers of a board out as soon as they are there.

Rows go to the board when they come, so that between the last row of a window and its answer lie that row alone and what
the design then has to compute. Of a design for windows the host keeps the rows, and sends what windows share again.

Diagnostics: BHC311 the model has no time axis, BHC612 and BHC614 rows that the model does not take, BHC840 rows come
faster than they are used.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from bhc.backends import shell
from bhc.backends.beats import beat_bytes, pack, unpack
from bhc.diagnostics import BhcError, fail
from bhc.inputs import Array, Overlap
from bhc.ir.host import Exact, Head, InputError
from bhc.simulator import finish
from bhc.transport import Transport

if TYPE_CHECKING:
    from bhc.build import Build

#: What happens to rows that come faster than the board uses them: the source waits; all that wait are dropped, and the
#: stream begins anew; or it ends in a diagnostic.
Overflow = Literal["wait", "drop", "stop"]
#: Rows that wait, if the caller does not say.
DEPTH = 4096
#: How long a row may lie while the board is listened to.
_POLL_S = 0.002


class Gap:
    """In a source: rows are missing here, or another recording begins; no window lies across."""


GAP: Final = Gap()
Rows = Iterable[ArrayLike | Gap]


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """What a board says of a window.

    rows: of the source up to the window's last, those included that were dropped. label: class index. outputs: as the
    ONNX file's, by name and in its order. cycles: from the last input to the result, or -1 if other windows were on
    the board, or the counter was at its end. seconds: since the stream began. latency_s: from the coming of the
    window's last row to the answer, queues and transfers included.
    """

    rows: int
    label: int
    outputs: Mapping[str, Array]
    cycles: int
    seconds: float
    latency_s: float

    @property
    def y(self) -> Array:
        """The first output."""
        return next(iter(self.outputs.values()))


@dataclass(slots=True)
class Tally:
    """What has come so far. rows: of the source. dropped: rows that no window used, as they came too fast. gaps: times
    that the stream began anew.
    """

    rows: int = 0
    answers: int = 0
    dropped: int = 0
    gaps: int = 0


def overlap(build: Build, every: int | None = None) -> Overlap:
    """A window's rows, and those from one answer to the next: of a streamed build its hop, else `every`.

    Raises BhcError: BHC311 no time axis, BHC602 another `every` than the hop.
    """
    network = build.network
    if network.overlap is not None:
        if every not in {None, network.overlap.hop}:
            raise fail(
                "BHC602",
                f"the build answers every {network.overlap.hop} rows, not every {every}",
                origin="--every",
                hint=f"leave it out, or compile with --hop {every}",
            )
        return network.overlap
    head = network.head
    if len(head.shape) < 2 or head.shape[0] == 1 or head.shape[0] not in head.input_shape:
        shape = ", ".join(str(size) for size in head.input_shape)
        raise fail(
            "BHC311", f"the model's input ({shape}) has no time axis to stream along", origin=build.report.model.name
        )
    return Overlap(head.shape[0], head.shape[0] if every is None else every)


def row_shape(head: Head, cut: Overlap) -> tuple[int, ...]:
    """Of one row: the ONNX input's without batch and time."""
    axis = cut.axis(head) - 1
    return head.input_shape[:axis] + head.input_shape[axis + 1 :]


class _Feed:
    """Rows as bytes of the design's input, as early as they are known."""

    def __init__(self, build: Build, cut: Overlap) -> None:
        self._head, self._cut = build.network.head, cut
        self._streamed = build.network.overlap is not None
        self._axis = cut.axis(self._head)
        self._shape = row_shape(self._head, cut)
        self._entry = build.pipeline.streams[build.pipeline.input]
        self._alone = self._streamed or self._row_by_row()
        self.begin(0)

    def _row_by_row(self) -> bool:
        """Whether what the host computes of a row depends on that row alone, wherever it lies."""
        draw, shape = np.random.default_rng(0), (1, *self._head.input_shape)
        match self._head.quantizer:
            case Exact(range=within):
                x: Array = draw.integers(within.lo, within.hi, shape, endpoint=True)
            case _:
                x = draw.normal(0, 1, shape).astype(np.float32)
        now, later = self._head.run(x), self._head.run(np.roll(x, 1, self._axis))
        return np.array_equal(np.roll(now, 1, 1), later)

    def begin(self, rows: int) -> None:
        """Another recording, after so many rows of the source."""
        self._count = rows
        self._start = 0  # of the window that is being sent, in rows of the recording
        self._number = 0
        self._kept: deque[Array] = deque(maxlen=self._cut.window)
        self._owed: list[Array] = []
        self._rest = np.zeros(0, np.int64)

    def push(self, row: ArrayLike) -> tuple[bytes, bool]:
        """What is to be sent now, and whether that ends a window. Raises BhcError (BHC612, BHC614)."""
        self._count += 1
        value = self._checked(row)
        kept = self._integers(value) if self._alone else value
        self._kept.append(kept)
        number, self._number = self._number, self._number + 1
        if self._streamed:
            after = self._number - self._cut.window
            return self._bytes([kept]), after >= 0 and after % self._cut.hop == 0
        if number < self._start:
            return b"", False
        ended = self._number == self._start + self._cut.window
        if self._alone:
            data = self.owed() + self._bytes([kept])
        elif ended:
            data = self._bytes([self._run(np.stack(self._kept, self._axis - 1)[None])[0]])
        else:
            return b"", False
        if ended:
            self._start += self._cut.hop
            shared = self._number - self._start
            self._owed = list(self._kept)[-shared:] if shared > 0 and self._alone else []
        return data, ended

    def owed(self) -> bytes:
        """Of the next window, what is known and was not yet sent."""
        rows, self._owed = self._owed, []
        return self._bytes(rows) if rows else b""

    def _checked(self, row: ArrayLike) -> Array:
        value = np.asarray(row)
        origin = f"row {self._count:,}"
        if value.shape != self._shape:
            raise fail("BHC612", f"has the shape {value.shape}; the model takes rows of {self._shape}", origin=origin)
        exact: Array = value.astype(np.float32)
        if not np.isfinite(exact).all():
            raise fail("BHC614", "holds a value that is not finite", origin=origin, hint="drop or fill such rows")
        return exact

    def _integers(self, row: Array) -> Array:
        """The graph's input of a row: of a window that is nothing else."""
        window = np.repeat(np.expand_dims(row[None], self._axis), self._cut.window, self._axis)
        first: Array = self._run(window)[0, 0]
        return first

    def _run(self, window: Array) -> Array:
        """The graph's input of a window (1, ...). Raises BhcError (BHC614)."""
        try:
            return self._head.run(window)
        except InputError as error:
            raise fail("BHC614", str(error), origin=f"row {self._count:,}") from error

    def _bytes(self, rows: list[Array]) -> bytes:
        """In whole beats; what is left waits for the next row."""
        flat = np.concatenate([self._rest, *(row.reshape(-1) for row in rows)])
        whole = len(flat) // self._entry.lanes * self._entry.lanes
        self._rest = flat[whole:]
        return pack(flat[:whole], self._entry).tobytes()


@dataclass(frozen=True, eq=False, slots=True)
class _Row:
    """number: of the source, those before it that were dropped included. fresh: it begins anew."""

    number: int
    came: float
    value: ArrayLike
    fresh: bool


class _Intake:
    """Takes rows from a source, in a thread of its own, into a bounded queue."""

    def __init__(self, source: Rows, depth: int, overflow: Overflow, silence_s: float | None, tally: Tally) -> None:
        self._source, self._depth, self._overflow, self._tally = source, depth, overflow, tally
        self._silence_s = silence_s
        self._taken = time.monotonic()
        self._queue: deque[_Row] = deque()
        self._condition = threading.Condition()
        self._error: BaseException | None = None
        self._ended = self._closed = self._fresh = False
        threading.Thread(target=self._run, name="bhc-source", daemon=True).start()

    def _run(self) -> None:
        try:
            for row in self._source:
                if isinstance(row, Gap):
                    self._fresh = True
                elif not self._put(row):
                    break
        except BaseException as error:  # noqa: BLE001 - raised where the answers are taken
            self._error = error
        with self._condition:
            self._ended = True
            self._condition.notify_all()

    def _put(self, row: ArrayLike) -> bool:
        """Queue a row; whether to go on."""
        came = time.monotonic()
        with self._condition:
            if self._silence_s is not None and came - self._taken > self._silence_s:
                self._fresh = True
            if len(self._queue) >= self._depth:
                match self._overflow:
                    case "wait":
                        self._condition.wait_for(lambda: len(self._queue) < self._depth or self._closed)
                    case "drop":
                        self._tally.dropped += len(self._queue)
                        self._queue.clear()
                        self._fresh = True
                    case "stop":
                        raise fail(
                            "BHC840",
                            f"rows come faster than the board uses them: {self._depth:,} wait",
                            origin=f"row {self._tally.rows + 1:,}",
                            hint="compile for a higher --fps, answer less often (--every, --hop), or --overflow drop",
                        )
            if self._closed:
                return False
            self._tally.rows += 1
            self._queue.append(_Row(self._tally.rows, came, row, self._fresh))
            self._fresh = False
            self._taken = time.monotonic()
            self._condition.notify_all()
        return True

    def take(self, timeout_s: float | None) -> _Row | None:
        """The next row; None if none comes in time, or at the end."""
        with self._condition:
            self._condition.wait_for(lambda: self._queue or self._ended, timeout_s)
            if not self._queue:
                return None
            row = self._queue.popleft()
            self._condition.notify_all()
            return row

    def is_over(self) -> bool:
        """Whether no row will come. Raises what the source raised."""
        with self._condition:
            if not self._ended or self._queue:
                return False
        if self._error is not None:
            raise self._error
        return True

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._queue.clear()
            self._condition.notify_all()


class Stream:
    """Answers, as they come. Iterate over it, in a `with`; at its end, and at every gap, the design begins anew.

    tally: what has come so far. Raises BhcError, and what the source raises.
    """

    def __init__(
        self,
        build: Build,
        link: Transport,
        reset: Callable[[], None],
        source: Rows,
        *,
        every: int | None = None,
        overflow: Overflow = "wait",
        depth: int = DEPTH,
        silence_s: float | None = None,
    ) -> None:
        self.tally = Tally()
        self.overlap = overlap(build, every)
        self._build, self._link, self._reset = build, link, reset
        self._feed = _Feed(build, self.overlap)
        self._size = shell.result_bytes(build.pipeline) + shell.CYCLE_BYTES
        #: Of each answer that is due: its last row, how much had been sent with it, and whether it was the only one.
        self._due: deque[tuple[_Row, int, bool]] = deque()
        self._sent = 0
        reset()
        self._begin = time.monotonic()
        self._intake = _Intake(source, max(1, depth), overflow, silence_s, self.tally)

    def __iter__(self) -> Iterator[Answer]:
        while True:
            row = None
            if self._link.queued <= self._link.ahead:
                row = self._intake.take(0.0 if self._due or self._link.queued else None)
            if row is not None:
                if row.fresh and row.number > 1:
                    yield from self._rest()
                    self._reset()
                    self._feed.begin(row.number - 1)
                    self.tally.gaps += 1
                self._push(row)
            elif not self._due:
                self._send(self._feed.owed())
                if not self._link.queued and self._intake.is_over():
                    return
            if self._due:
                if self._link.ready(self._size, 0.0 if row is not None else _POLL_S):
                    yield self._answer()
            elif self._link.queued:
                self._link.ready(0, 0.0 if row is not None else _POLL_S)

    def _push(self, row: _Row) -> None:
        data, ended = self._feed.push(row.value)
        self._send(data)
        if ended:
            self._due.append((row, self._sent, not self._due))

    def _send(self, data: bytes) -> None:
        if data:
            self._link.send(data)
            self._sent += len(data)

    def _rest(self) -> Iterator[Answer]:
        """Those that are due."""
        while self._due:
            yield self._answer()

    def _answer(self) -> Answer:
        raw = self._link.receive(self._size)
        now = time.monotonic()
        row, sent, alone = self._due.popleft()
        network, pipeline = self._build.network, self._build.pipeline
        sink = pipeline.streams[pipeline.output]
        name = network.graph.outputs[0]
        beats = np.frombuffer(raw[: -shell.CYCLE_BYTES], np.uint8).reshape(-1, beat_bytes(sink))
        finished = finish(network, {name: unpack(beats, sink, network.graph.types()[name].shape)})
        cycles = int.from_bytes(raw[-shell.CYCLE_BYTES :], "little")
        self.tally.answers += 1
        return Answer(
            row.number,
            int(network.tail.labels(finished)[0]),
            {output.name: value[0] for output, value in zip(network.tail.outputs, finished, strict=True)},
            cycles if alone and sent == self._sent and cycles < shell.MOST_CYCLES else -1,
            now - self._begin,
            now - row.came,
        )

    def close(self) -> None:
        """Take no more from the source; the design forgets what it was given."""
        self._intake.close()
        # A board that is gone says so when it is used next.
        with suppress(BhcError):
            self._reset()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
