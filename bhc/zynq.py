"""A design in a Zynq, driven by zynq_driver.py: on a board over SSH, or on the virtual Zynq by a process here.

Input and results go in jobs: as much input as is queued, and all results that it makes. docs/zynq.md has the messages.

Diagnostics: BHC822 another version of the driver or of the registers, BHC823 no design of bhc is on the board, BHC824
the connection was lost, BHC827 no results, BHC830 the driver cannot be started, BHC831 it does not reach registers or
memory, BHC832 a bus error, BHC833 the design does not become idle, BHC834 another program uses the design.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from shutil import which

import numpy as np

from bhc import zynq_driver
from bhc.backends.beats import beat_bytes
from bhc.backends.runner import end
from bhc.backends.shell import CYCLE_BYTES, PROTOCOL, result_bytes
from bhc.backends.zynq import result_words, slot_bytes
from bhc.diagnostics import BhcError, fail
from bhc.ir.pipeline import Pipeline
from bhc.link import Counters
from bhc.zynq_driver import DriverError

#: Where `bhc flash` puts the driver, from the home folder of the user on the board.
DRIVER_PATH = "bhc/zynq_driver.py"
#: A login shell knows where a PYNQ image has its Python.
_REMOTE = (
    f'd="$HOME/{DRIVER_PATH}"; if [ "$(id -u)" = 0 ]; then exec bash -lc "exec python3 $d"; '
    'else exec sudo -n bash -lc "exec python3 $d"; fi'
)
_SSH_OPTIONS = (
    *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"),
)
#: What ssh, sudo or Python say when the driver does not start, and the way out.
_CAUSES = (
    ("Could not resolve|Connection refused|timed out|No route|unreachable", "is the board on, and is this its name?"),
    ("Host key verification|host key", "log in once with ssh, and accept the board's key"),
    ("Permission denied", "put your key on the board (ssh-copy-id): there is no asking for a password here"),
    ("password is required|a terminal is required", "log in as root, or let this user sudo without a password"),
    ("can't open file|No such file", "`bhc flash --via pynq` puts the driver on the board"),
    ("not found", "the board needs Linux with bash and Python 3.8 or newer"),
)
_WEIGHTS_BYTES = 1 << 20
#: Cycles that were not measured.
_NOT_MEASURED = (1 << 8 * CYCLE_BYTES) - 1
_START_S = 60.0
_ANSWER_S = 30.0
_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of a design's streams, packed. first: of input that the first result takes; each: that one more takes."""

    first: int
    each: int

    def results(self, given: int) -> int:
        """How many results so much input makes."""
        return 0 if given < self.first else 1 + (given - self.first) // self.each


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a job may take: so long, and so much more for each result."""

    silence_s: float = 10.0
    each_s: float = 0.0


def ssh(host: str) -> list[str]:
    """The command that starts the driver on a board. host: [USER@]NAME[:PORT]. Raises BhcError (BHC830)."""
    program = which("ssh")
    if program is None:
        raise fail("BHC830", "'ssh' was not found", origin=host, hint="install it (Debian: apt install openssh-client)")
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        return [program, *_SSH_OPTIONS, "--", host, _REMOTE]
    return [program, *_SSH_OPTIONS, "-p", port, "--", name, _REMOTE]


class Zynq:
    """A transport (bhc.transport) to the design of a pipeline in a Zynq.

    command: starts the driver, with which we speak over its standard input and output. weights: of each region.
    ahead: bytes of input that a job has at most, as far as that is in our hands.
    """

    def __init__(
        self,
        command: Sequence[str],
        name: str,
        pipeline: Pipeline,
        sizes: Sizes,
        patience: Patience,
        *,
        ahead: int,
        weights: Sequence[bytes] = (),
    ) -> None:
        self.name = name
        self.ahead = ahead
        self.counters = Counters()
        self._command = list(command)
        self._weights = weights
        self._patience = patience
        self._sizes = sizes
        self._entry, self._sink = pipeline.streams[pipeline.input], pipeline.streams[pipeline.output]
        self._words = result_words(pipeline)
        self._result_bytes = result_bytes(pipeline)
        self._process: subprocess.Popen[bytes] | None = None
        self._greeted = False
        self._forget()

    def _forget(self) -> None:
        self._queue = bytearray()
        self._results = bytearray()
        self._given = self._made = 0

    @property
    def queued(self) -> int:
        """Bytes of input that the board does not have."""
        return len(self._queue)

    @property
    def _whole(self) -> int:
        """Bytes of the queue that make whole beats."""
        beat = beat_bytes(self._entry)
        return len(self._queue) // beat * beat

    def open(self) -> bytes:
        """Begin anew, the design included: the identity of the board. Raises BhcError."""
        self._forget()
        if self._process is None:
            self._start()
            self._hello = self._ask(zynq_driver.M_HELLO)
            version, _, _, _, _, _, *regions = zynq_driver.HELLO.unpack(self._hello)
            if version != zynq_driver.VERSION:
                raise self._another_version(f"registers of version {version}")
            # Of another design's regions nothing is known; its digest says that it is another.
            if [words for words in regions if words] == [len(weights) // 8 for weights in self._weights]:
                self._load()
        _, digest, in_beats, in_slot, words, self._buffer_bytes, *_ = zynq_driver.HELLO.unpack(self._hello)
        self._ask(zynq_driver.M_RESET)
        of_design: bytes = digest
        # The sizes are the identity's part that a design of the same digest cannot differ in.
        taken = in_beats * beat_bytes(self._entry) if in_slot == slot_bytes(self._entry) else 0
        given = self._result_bytes if words == self._words else 0
        return bytes([PROTOCOL]) + of_design + taken.to_bytes(3, "little") + given.to_bytes(3, "little") + b"\0"

    def send(self, data: bytes) -> None:
        """Queue input for the design; what is no whole beat yet waits for the rest."""
        self._queue += data

    def receive(self, count: int) -> bytes:
        """The next bytes of the results. Raises BhcError; BHC827 if the input so far does not make so many."""
        while len(self._results) < count:
            if not self._whole:
                raise self._no_results()
            self._job()
        found = bytes(self._results[:count])
        del self._results[:count]
        return found

    def ready(self, count: int, timeout_s: float) -> bool:
        """Give the design what is queued; whether so many bytes of results are there. A job takes its time, whatever
        timeout_s says.
        """
        while self._whole and (count == 0 or len(self._results) < count):
            self._job()
        return len(self._results) >= count

    def _job(self) -> None:
        """Give the design what is queued, as far as it fits, and take the results that it makes. Raises BhcError."""
        beat, slot, sizes = beat_bytes(self._entry), slot_bytes(self._entry), self._sizes
        most = min(self._buffer_bytes // slot * beat, (self._buffer_bytes // (8 * self._words) - 1) * sizes.each)
        data = bytes(self._queue[: min(most // beat * beat, self._whole)])
        due = sizes.results(self._given + len(data)) - self._made
        limit_s = self._patience.silence_s + due * self._patience.each_s
        head = zynq_driver.JOB.pack(len(data) // beat, due * self._words, int(1000 * limit_s))
        answer = self._ask(zynq_driver.M_JOB, head + _spread(data, beat, slot), limit_s + _ANSWER_S)
        _, latency = zynq_driver.DONE.unpack_from(answer)
        results = answer[zynq_driver.DONE.size :]
        if len(results) != 8 * self._words * due:
            raise self._another_version(f"{len(results)} bytes of results")
        del self._queue[: len(data)]
        self._given += len(data)
        self._made += due
        for number in range(due):
            whole = results[8 * self._words * number : 8 * self._words * (number + 1)]
            self._results += _gather(whole, beat_bytes(self._sink), slot_bytes(self._sink))[: self._result_bytes]
            cycles = min(latency, _NOT_MEASURED) if number == due - 1 else _NOT_MEASURED
            self._results += cycles.to_bytes(CYCLE_BYTES, "little")

    def _load(self) -> None:
        """Give memory the weights; they count from the next reset. Raises BhcError."""
        for region, weights in enumerate(self._weights):
            for begin in range(0, len(weights), _WEIGHTS_BYTES):
                head = zynq_driver.WEIGHTS.pack(region, begin)
                self._ask(zynq_driver.M_WEIGHTS, head + weights[begin : begin + _WEIGHTS_BYTES])

    def close(self) -> None:
        """Let the driver end."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            end(process)
        assert process.stdout is not None
        process.stdout.close()

    def _start(self) -> None:
        """The driver, up to its greeting. Raises BhcError (BHC830)."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it is read when the driver has ended
        self._received = bytearray()
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, start_new_session=True
        )
        self._greeted = False
        until = time.monotonic() + _START_S
        while zynq_driver.GREETING not in self._received:
            if not self._more(until):
                raise self._gone(silent=time.monotonic() >= until)
        del self._received[: self._received.index(zynq_driver.GREETING) + len(zynq_driver.GREETING)]
        self._greeted = True

    def _more(self, until: float) -> bool:
        """Wait for more of what the driver says; whether anything came."""
        assert self._process is not None
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        data = os.read(descriptor, 1 << 16) if ready else b""
        self._received += data
        return bool(data)

    def _ask(self, kind: bytes, payload: bytes = b"", timeout_s: float = _ANSWER_S) -> bytes:
        """The answer to a message. Raises BhcError."""
        assert self._process is not None, "open() comes first, also after an error"
        assert self._process.stdin is not None
        try:
            zynq_driver.write_message(self._process.stdin, kind, payload)  # type: ignore[arg-type]
        except BrokenPipeError:
            raise self._gone() from None
        until = time.monotonic() + timeout_s
        head = zynq_driver.HEAD
        while len(self._received) < head.size or len(self._received) < head.size + head.unpack_from(self._received)[0]:
            if not self._more(until):
                raise self._gone(silent=time.monotonic() >= until)
        size, answered = head.unpack_from(self._received)
        answer = bytes(self._received[head.size : head.size + size])
        del self._received[: head.size + size]
        if bytes([answered]) == zynq_driver.M_ERROR:
            raise self._failed(DriverError(answer[0], answer[1:].decode(errors="replace")))
        if bytes([answered]) != kind:
            raise self._another_version(f"an answer {answered} to {kind!r}")
        return answer

    def _failed(self, error: DriverError) -> BhcError:
        """What the driver says, in words for the user; it may have lost results, so that it has to be started anew."""
        self.close()
        origin = self.name
        match error.code:
            case zynq_driver.E_REGISTERS | zynq_driver.E_MEMORY:
                hint = "the driver needs root, and PYNQ or the kernel module u-dma-buf: docs/zynq.md"
                return fail("BHC831", f"the driver cannot work: {error}", origin=origin, hint=hint)
            case zynq_driver.E_DESIGN:
                hint = "put this build's bitstream on the board"
                return fail("BHC823", str(error), origin=origin, hint=hint)
            case zynq_driver.E_BUS:
                hint = "the memory's addresses, or its port, are not as the design expects: docs/zynq.md"
                return fail("BHC832", str(error), origin=origin, hint=hint)
            case zynq_driver.E_TIME:
                return self._no_results(f": {error}")
            case zynq_driver.E_STUCK:
                return fail("BHC833", str(error), origin=origin, hint="put the bitstream on the board again")
            case zynq_driver.E_BUSY:
                hint = "let it end; of a run that was killed, the driver ends in some seconds"
                return fail("BHC834", str(error), origin=origin, hint=hint)
            case _:
                return self._another_version(str(error))

    def _no_results(self, why: str = "") -> BhcError:
        return fail(
            "BHC827",
            f"the board answers, but gives no results{why}",
            origin=self.name,
            hint="`bhc cosim` shows whether the design computes; it may be slower than that",
        )

    def _another_version(self, what: str) -> BhcError:
        self.close()
        return fail(
            "BHC822",
            f"the driver on the board is of another version of bhc: {what}",
            origin=self.name,
            hint="`bhc flash` copies bitstream and driver of this one",
        )

    def _gone(self, *, silent: bool = False) -> BhcError:
        """The driver's process has ended, or says nothing any more."""
        process, greeted = self._process, self._greeted
        self.close()
        assert process is not None
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        if process.returncode in {-signal.SIGBUS, 128 + signal.SIGBUS} or "Bus error" in said:
            hint = "is this build's bitstream on the board? `bhc flash`"
            return fail("BHC823", "nothing answers at the design's registers", origin=self.name, hint=hint)
        last = said.splitlines()[-1] if said else f"exit status {process.returncode}"
        if silent:
            last = "no answer comes"
        if greeted:
            hint = "is the board on, and in the network? run it again"
            return fail("BHC824", f"the connection was lost: {last}", origin=self.name, hint=hint)
        hint = next((way_out for pattern, way_out in _CAUSES if re.search(pattern, said)), "")
        return fail("BHC830", f"the driver cannot be started: {last}", origin=self.name, hint=hint)


def _spread(data: bytes, beat: int, slot: int) -> bytes:
    """Packed beats as they lie in memory."""
    beats = np.frombuffer(data, np.uint8).reshape(-1, beat)
    return np.pad(beats, ((0, 0), (0, slot - beat))).tobytes()


def _gather(data: bytes, beat: int, slot: int) -> bytes:
    """The inverse; what does not fill a slot is no beat."""
    beats = np.frombuffer(data, np.uint8)[: len(data) // slot * slot].reshape(-1, slot)
    return beats[:, :beat].tobytes()
