"""The link to a board, as docs/uart.md defines it: frames, and two byte streams over them that lose nothing.

Diagnostics: BHC821 nobody answers, BHC822 another version of the protocol, BHC824 the line is gone, BHC825 too much of
what is sent arrives damaged, BHC826 the board began anew, BHC827 no results.
"""

from __future__ import annotations

import secrets
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from bhc.backends.shell import PROTOCOL
from bhc.diagnostics import BhcError, fail

_SUM_BYTES = 4
#: Longest frame that a board sends, every byte escaped.
_LONGEST = 2 * 128

#: From the host: session and whether to repeat, place, have. From the board: session, what, place, came, used.
_TO_BOARD, _FROM_BOARD = 3, 5
_REPEAT = 0x80
_ANSWER, _DAMAGED, _REFUSED, _LOST = 1, 2, 4, 8
_IDENTITY_BYTES = 16
_SESSIONS = 127
#: Places are modulo this.
_PLACES = 256

#: Bytes that the board's buffer surely has room for, besides the CRC of their frame.
WINDOW = 188
#: Payload of a frame: what an error costs, against 9 bytes of overhead.
PAYLOAD = 64


class Port(Protocol):
    """A line of bytes. Methods raise OSError when it is gone."""

    name: str

    def read(self, timeout_s: float) -> bytes:
        """What has come; nothing if nothing comes in time."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of it."""

    def close(self) -> None:
        """Give it back."""


def encode(body: bytes) -> bytes:
    """A frame on the wire."""
    whole = body + zlib.crc32(body).to_bytes(_SUM_BYTES, "little")
    escaped = whole.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e")
    return b"\x7e" + escaped + b"\x7e"


class Decoder:
    """Bodies of frames from bytes in any pieces; counts what was damaged."""

    def __init__(self) -> None:
        self.damaged = 0
        self._partial = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies that are complete and right by now."""
        *ended, self._partial = (self._partial + data).split(b"\x7e")
        bodies = [body for piece in ended if piece and (body := self._body(piece)) is not None]
        if len(self._partial) > _LONGEST:
            self._partial = b"\x7d"  # no frame: whatever follows up to the next flag is none either
        return bodies

    def _body(self, piece: bytes) -> bytes | None:
        escaped = piece.count(b"\x7d\x5e") + piece.count(b"\x7d\x5d")
        whole = piece.replace(b"\x7d\x5e", b"\x7e").replace(b"\x7d\x5d", b"\x7d")
        body, total = whole[:-_SUM_BYTES], whole[-_SUM_BYTES:]
        formed = len(piece) <= _LONGEST and len(whole) >= _SUM_BYTES and piece.count(b"\x7d") == escaped
        if not formed or zlib.crc32(body).to_bytes(_SUM_BYTES, "little") != total:
            self.damaged += 1
            return None
        return body


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait.

    first_s: for an answer, before asking again; twice as long each time after that. The first time it is less if
    answers came sooner, but not less than least_s. asks: how often at most. results_s: for anything to go on, while
    the board answers.
    """

    first_s: float = 0.05
    least_s: float = 0.01
    asks: int = 7
    results_s: float = 10.0


@dataclass(slots=True)
class Counters:
    """What went wrong and was made good: frames that arrived damaged at either end, and bytes sent again."""

    damaged_here: int = 0
    damaged_there: int = 0
    resent: int = 0


class Link:
    """A session with a board.

    `send` queues input, `receive` returns results; both directions move in either. Raises BhcError, after which the
    link is of no use but to be opened again.
    """

    #: Input that waits here, so that the line never runs dry.
    ahead = 1024

    def __init__(self, port: Port, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self.counters = Counters()
        self.name = port.name
        self._port = port
        self._patience = patience
        self._clock = clock
        self._session = 0
        self._forget()

    def _forget(self) -> None:
        """Both streams are at their beginning."""
        self._decoder = Decoder()
        self._queue = bytearray()  # what the board does not surely have, from place `came` on
        self._sent = self._reached = self._came = self._used = 0
        self._results = bytearray()
        self._have = self._told = 0
        self._went_back_at = self._asked_again_at = -1
        self._tries = self._asks = 0
        self._waiting = False
        self._ask_at = self._give_up_at = self._listened_at = 0.0
        self._wrote_at: float | None = None  # the first frame that is not answered
        self._slowest_s = self._patience.first_s  # answer of late

    @property
    def queued(self) -> int:
        """Bytes that the board does not surely have."""
        return len(self._queue)

    def open(self) -> bytes:
        """Begin anew, the design included: the identity of the board. Raises BhcError (BHC821, BHC822, BHC824)."""
        self._session = secrets.choice([number for number in range(1, _SESSIONS + 1) if number != self._session])
        self._forget()
        heard = False
        for attempt in range(self._patience.asks):
            self._write(encode(bytes([0, PROTOCOL, self._session])))
            end = self._clock() + self._patience.first_s * 2**attempt
            while (left := end - self._clock()) > 0:
                data = self._read(left)
                heard = heard or bool(data)
                for body in self._decoder.feed(data):
                    if len(body) > _FROM_BOARD and body[0] == self._session and body[1] & _ANSWER:
                        self._decoder.damaged = 0  # of whatever was on the line before
                        return self._identity(body[_FROM_BOARD:])
        raise fail(
            "BHC821",
            "something answers, but not a design of bhc" if heard else "nothing answers",
            origin=self._port.name,
            hint="is this the port, and is the bitstream of this build on the board?",
        )

    def _identity(self, identity: bytes) -> bytes:
        if identity[0] != PROTOCOL or len(identity) != _IDENTITY_BYTES:
            raise fail(
                "BHC822",
                f"the board speaks version {identity[0]} of the protocol; this bhc speaks {PROTOCOL}",
                origin=self._port.name,
                hint="build the bitstream with this version of bhc",
            )
        return identity

    def send(self, data: bytes) -> None:
        """Queue input for the design."""
        self._queue += data

    def receive(self, count: int) -> bytes:
        """The next bytes of the results. Raises BhcError."""
        self._wait_anew()
        while not self.ready(count, self._patience.results_s):
            pass
        found = bytes(self._results[:count])
        del self._results[:count]
        return found

    def ready(self, count: int, timeout_s: float) -> bool:
        """Move both streams for at most so long, until so many bytes of results are there; whether they are.

        count: 0 while no results are due; then what is queued is moved, and it is True when the board has all of it.
        Raises BhcError.
        """
        if not self._waiting or self._clock() - self._listened_at > self._patience.first_s:
            self._wait_anew()
        end = self._clock() + timeout_s
        while count == 0 or len(self._results) < count:
            self._send_frames()
            if count == 0 and not self._queue:
                break
            now = self._clock()
            if now >= end:
                # One look, so that a caller without time still learns what has come.
                self._listen(0.0)
                return count > 0 and len(self._results) >= count
            self._listen(min(end, self._ask_at) - now)
        self._waiting = False
        return True

    def _wait_anew(self) -> None:
        """From now on something is to come."""
        now = self._clock()
        self._waiting = True
        self._asks = self._tries = 0
        self._ask_at, self._give_up_at = now + self._patient_s(), now + self._patience.results_s

    def _patient_s(self) -> float:
        """How long to wait before asking again for the first time."""
        return min(self._patience.first_s, max(self._patience.least_s, 2 * self._slowest_s))

    def _listen(self, timeout_s: float) -> None:
        """Take what comes in time; ask again if nothing comes for too long. Raises BhcError."""
        data = self._read(max(0.0, timeout_s))
        before = (self._came, self._used, self._have)
        answered = [self._take(body) for body in self._decoder.feed(data)]
        if self._decoder.damaged:
            # It may have held results: the board sends them again without waiting for us to miss them.
            self.counters.damaged_here += self._decoder.damaged
            self._decoder.damaged = 0
            self._write_frame(b"", repeat=True)
        now = self._listened_at = self._clock()
        if before != (self._came, self._used, self._have):
            self._give_up_at = now + self._patience.results_s
            self._tries = 0
        if any(answered):
            if self._wrote_at is not None:
                self._slowest_s = max(now - self._wrote_at, 0.9 * self._slowest_s)
                self._wrote_at = None
            self._asks, self._ask_at = 0, now + self._patient_s()
        elif now >= self._ask_at:
            self._asks += 1
            if self._asks == self._patience.asks:
                raise self._silent()
            self._ask_at = now + self._patience.first_s * 2**self._asks
            self._go_back()
            self._write_frame(b"", repeat=True)
        if now >= self._give_up_at:
            raise self._stuck()

    def _silent(self) -> BhcError:
        return fail(
            "BHC825",
            "the board does not answer any more",
            origin=self._port.name,
            hint="is it still connected, and powered?",
        )

    def _stuck(self) -> BhcError:
        if self._tries:
            return fail(
                "BHC825",
                f"nothing gets through: {self.counters.damaged_there} frames arrived damaged at the board, "
                f"{self.counters.damaged_here} here",
                origin=self._port.name,
                hint="try a shorter cable, another USB port, or a lower baud rate",
            )
        return fail(
            "BHC827",
            f"the board answers, but gives no results for {self._patience.results_s:g} s",
            origin=self._port.name,
            hint="`bhc cosim` shows whether the design computes; it may be slower than that",
        )

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def _send_frames(self) -> None:
        """What the board has room for; or at least what we have."""
        sent = False
        while True:
            start = self._sent - self._came
            room = self._used + WINDOW - self._sent
            size = min(PAYLOAD, len(self._queue) - start)
            if size <= 0 or room < size:
                break
            self._write_frame(bytes(self._queue[start : start + size]), repeat=False)
            self.counters.resent += max(0, min(size, self._reached - self._sent))
            self._sent += size
            self._reached = max(self._reached, self._sent)
            sent = True
        if not sent and self._told != self._have:
            self._write_frame(b"", repeat=False)

    def _write_frame(self, payload: bytes, *, repeat: bool) -> None:
        head = (self._session | (_REPEAT if repeat else 0), self._sent % _PLACES, self._have % _PLACES)
        self._write(encode(bytes(head) + payload))
        if self._wrote_at is None:
            self._wrote_at = self._clock()
        self._told = self._have

    def _take(self, body: bytes) -> bool:
        """Learn from a frame; whether it was one of the board's. Raises BhcError (BHC826)."""
        if len(body) < _FROM_BOARD:
            return False  # an echo of ours
        session, flags, place, came, used = body[:_FROM_BOARD]
        if flags & _ANSWER:
            return session == self._session  # to a question asked twice
        news = (came - self._came) % _PLACES
        if session != self._session or news > self._reached - self._came:
            raise fail(
                "BHC826",
                "the board began anew in the midst of the work",
                origin=self._port.name,
                hint="did it lose power, or does another program use it?",
            )
        del self._queue[:news]
        self._came += news
        self._sent = max(self._sent, self._came)
        self._used += min((used - self._used) % _PLACES, self._came - self._used)
        if flags & _DAMAGED:
            self.counters.damaged_there += 1
        if flags & (_DAMAGED | _REFUSED | _LOST):
            self._tries += 1
            # Of several frames on the way, one is damaged and those behind it are refused: once is enough.
            if flags & _DAMAGED or self._went_back_at != self._came:
                self._go_back()
        payload = body[_FROM_BOARD:]
        if place == self._have % _PLACES:
            self._results += payload
            self._have += len(payload)
        elif payload and self._asked_again_at != self._have:
            self._asked_again_at = self._have
            self._write_frame(b"", repeat=True)
        return True

    def _go_back(self) -> None:
        """Send again what the board may have lost."""
        self._went_back_at = self._came
        self._sent = self._came

    def _read(self, timeout_s: float) -> bytes:
        try:
            return self._port.read(timeout_s)
        except OSError as error:
            raise self._gone(error) from error

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except OSError as error:
            raise self._gone(error) from error

    def _gone(self, error: OSError) -> BhcError:
        return fail(
            "BHC824",
            f"the connection was lost: {error.strerror or error}",
            origin=self._port.name,
            hint="is the cable plugged in? connect the board, and run it again",
        )
