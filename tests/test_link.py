"""The link, against a model of the board and a line that goes wrong in every way. Time passes in the model only."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhc.backends.shell import PROTOCOL
from bhc.diagnostics import BhcError
from bhc.link import WINDOW, Decoder, Link, Patience, encode

IDENTITY = bytes([PROTOCOL, *range(1, 16)])
bodies = st.binary(max_size=100)


def results(data: bytes) -> bytes:
    """What the model computes: two bytes for each four."""
    groups = (data[i : i + 4] for i in range(0, len(data) // 4 * 4, 4))
    return b"".join(bytes([sum(group) % 256, group[0] ^ group[3]]) for group in groups)


class Board:
    """What rtl/bhc_uart_shell.sv does, byte by byte, with a design that is as fast as the line."""

    def __init__(self, identity: bytes = IDENTITY) -> None:
        self.identity = identity
        self.session = 0
        self.decoder = Decoder()
        self.power_up()

    def power_up(self) -> None:
        """As after configuration; what is left of a session is its number."""
        self.taken = bytearray()
        self.used = self.have = self.sent = 0

    def hear(self, data: bytes) -> bytes:
        """What the board says to what comes."""
        said = b""
        for body in self.decoder.feed(data):
            said += self._answer(body)
        if self.decoder.damaged:
            self.decoder.damaged = 0
            said += self._frame(2)
        return said

    def _answer(self, body: bytes) -> bytes:
        session, place, have = body[:3]
        if session == 0:
            self.power_up()
            self.session = have
            return self._frame(1, self.identity)
        if session & 0x7F != self.session:
            return self._frame(0)
        self.have += (have - self.have) % 256
        if session & 0x80:
            self.sent = self.have
        flags = 0 if place == len(self.taken) % 256 else 4
        if not flags:
            self.taken += body[3:]
            assert len(self.taken) - self.used <= WINDOW
        # The design stalls when its results find no room.
        while self.used + 4 <= len(self.taken) and self.used // 2 + 2 - self.have <= 192:
            self.used += 4
        ready = results(bytes(self.taken[: self.used]))
        said = b""
        while self.sent < len(ready):
            payload = ready[self.sent : self.sent + 64]
            said += self._frame(0, payload)
            self.sent += len(payload)
        return said or self._frame(flags)

    def _frame(self, flags: int, payload: bytes = b"") -> bytes:
        head = (self.session, flags, self.sent % 256, len(self.taken) % 256, self.used % 256)
        return encode(bytes(head) + payload)


class Line:
    """A port of the model; `damage` is what happens to bytes in either direction."""

    name = "/dev/model"

    def __init__(self, board: Board, damage: Callable[[bytes], bytes] = lambda data: data) -> None:
        self.board = board
        self.damage = damage
        self.time = 0.0
        self.waiting = b""

    def clock(self) -> float:
        return self.time

    def read(self, timeout_s: float) -> bytes:
        if not self.waiting:
            self.time += timeout_s
        found, self.waiting = self.waiting, b""
        return found

    def write(self, data: bytes) -> None:
        self.time += 1e-5 * len(data)
        self.waiting += self.damage(self.board.hear(self.damage(data)))

    def close(self) -> None:
        pass


def connect(line: Line) -> Link:
    return Link(line, Patience(), line.clock)


def noise(seed: int, every: int) -> Callable[[bytes], bytes]:
    """A wrong bit, a lost byte or a byte too many, about every so many bytes."""
    draw = random.Random(seed)

    def damage(data: bytes) -> bytes:
        found = bytearray()
        for byte in data:
            kind = draw.randrange(3) if draw.randrange(every) == 0 else 3
            if kind != 1:
                found.append(byte ^ (1 << draw.randrange(8) if kind == 0 else 0))
            if kind == 2:
                found.append(draw.randrange(256))
        return bytes(found)

    return damage


@given(st.lists(st.tuples(st.binary(max_size=20), bodies)), st.data())
def test_frames_come_through_garbage(frames: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    """Whatever lies between frames, in whatever pieces they come."""
    wire = b"".join(garbage + encode(body) for garbage, body in frames)
    decoder, found, at = Decoder(), [], 0
    while at < len(wire):
        size = data.draw(st.integers(1, 50))
        found += decoder.feed(wire[at : at + size])
        at += size
    assert [body for body in found if body in {b for _, b in frames}] == [body for _, body in frames]


@given(bodies, bodies, st.data())
def test_a_frame_that_stops_halfway_does_no_harm(first: bytes, second: bytes, data: st.DataObject) -> None:
    whole = encode(first)
    cut = data.draw(st.integers(0, len(whole) - 1))
    decoder = Decoder()
    assert decoder.feed(whole[:cut]) == []
    found = decoder.feed(encode(second))
    assert found == ([first, second] if cut == len(whole) - 1 else [second])


@given(bodies, st.data())
def test_a_damaged_frame_is_none(body: bytes, data: st.DataObject) -> None:
    """A burst of up to 32 bits never goes unseen."""
    wire = bytearray(encode(body))
    at = data.draw(st.integers(1, len(wire) - 2))
    burst = data.draw(st.binary(min_size=1, max_size=3).filter(any))
    for offset, wrong in enumerate(burst[: len(wire) - 1 - at]):
        wire[at + offset] ^= wrong
    if bytes(wire) != encode(body):
        assert body not in Decoder().feed(bytes(wire))


@given(st.binary(max_size=2000))
def test_results_in_order(data: bytes) -> None:
    link = connect(Line(Board()))
    assert link.open() == IDENTITY
    link.send(data)
    wanted = results(data)
    assert link.receive(len(wanted)) == wanted
    assert link.counters.resent == 0


@given(st.integers(0, 10_000), st.sampled_from([10, 30, 100, 300, 1000]))
def test_never_a_wrong_result(seed: int, every: int) -> None:
    """Damage costs time, or ends in a diagnostic; what is received is right."""
    line = Line(Board(), noise(seed, every))
    link = connect(line)
    data = random.Random(seed).randbytes(1000)
    found, codes = b"", set()
    try:
        link.open()
        link.send(data)
        while len(found) < 500:
            found += link.receive(50)
    except BhcError as error:
        codes = {diagnostic.code for diagnostic in error.diagnostics}
    assert found == results(data)[: len(found)]
    assert len(found) == 500 or (every < 300 and codes <= {"BHC821", "BHC825"})


def test_damage_costs_little_time() -> None:
    """Whoever sees damage says so: only a frame that is lost without a trace is waited for."""
    taken = []
    for every in (0, 1000):
        line = Line(Board(), noise(1, every) if every else lambda data: data)
        link = connect(line)
        link.open()
        begin = line.time
        for _ in range(30):
            link.send(bytes(1000))
            link.receive(500)
        taken.append(line.time - begin)
    assert taken[1] < 1.3 * taken[0]


def test_ready_moves_both_streams() -> None:
    line = Line(Board())
    link = connect(line)
    link.open()
    assert link.ready(0, 0.0)
    link.send(bytes(400))
    assert not link.ready(201, 0.01)
    assert link.queued == 0
    assert link.ready(200, 0.0)
    line.time += 1000  # a caller that does something else for long is no silent board
    assert not link.ready(201, 0.0)
    link.send(bytes(4))
    assert link.receive(202) == bytes(202)


def message(line: Line, act: Callable[[Link], object]) -> str:
    """The diagnostic that an action ends in."""
    with pytest.raises(BhcError) as raised:
        act(connect(line))
    return str(raised.value)


def exchange(link: Link) -> None:
    link.open()
    link.send(bytes(2000))
    link.receive(1000)


def test_nobody_answers() -> None:
    assert message(Line(Board(), lambda data: b""), Link.open) == (
        "error[BHC821] /dev/model: nothing answers\n"
        "  hint: is this the port, and is the bitstream of this build on the board?"
    )


def test_something_else_answers() -> None:
    assert message(Line(Board(), lambda data: b"login: "), Link.open) == (
        "error[BHC821] /dev/model: something answers, but not a design of bhc\n"
        "  hint: is this the port, and is the bitstream of this build on the board?"
    )


def test_an_echo_is_no_board() -> None:
    """The two pins tied together."""
    board = Board()
    board.hear = lambda data: data  # type: ignore[method-assign]
    assert "something answers" in message(Line(board), Link.open)


def test_another_protocol() -> None:
    assert message(Line(Board(bytes([9]) + bytes(20))), Link.open) == (
        f"error[BHC822] /dev/model: the board speaks version 9 of the protocol; this bhc speaks {PROTOCOL}\n"
        "  hint: build the bitstream with this version of bhc"
    )


def after(count: int, act: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Nothing happens to so many bytes, then something does."""
    passed = 0

    def damage(data: bytes) -> bytes:
        nonlocal passed
        passed += len(data)
        return data if passed <= count else act(data)

    return damage


def test_the_board_falls_silent() -> None:
    assert message(Line(Board(), after(500, lambda data: b"")), exchange) == (
        "error[BHC825] /dev/model: the board does not answer any more\n  hint: is it still connected, and powered?"
    )


def test_nothing_gets_through() -> None:
    """Long frames never arrive, short ones do."""
    line = Line(Board(), after(100, lambda data: data if len(data) < 30 else data[:-9] + b"bad" + data[-6:]))
    text = message(line, exchange)
    assert text.startswith("error[BHC825] /dev/model: nothing gets through: ")
    assert text.endswith("\n  hint: try a shorter cable, another USB port, or a lower baud rate")


def test_a_design_without_results() -> None:
    board = Board()
    line = Line(board)

    def stuck(link: Link) -> None:
        link.open()
        link.send(bytes(3))
        link.receive(1)

    assert message(line, stuck) == (
        "error[BHC827] /dev/model: the board answers, but gives no results for 10 s\n"
        "  hint: `bhc cosim` shows whether the design computes; it may be slower than that"
    )


def test_the_board_begins_anew() -> None:
    board = Board()

    def reset(data: bytes) -> bytes:
        board.power_up()
        board.session = 0
        return data

    assert message(Line(board, after(700, reset)), exchange) == (
        "error[BHC826] /dev/model: the board began anew in the midst of the work\n"
        "  hint: did it lose power, or does another program use it?"
    )


def test_the_cable_is_pulled() -> None:
    def pulled(data: bytes) -> bytes:
        raise OSError(5, "Input/output error")

    assert message(Line(Board(), after(500, pulled)), exchange) == (
        "error[BHC824] /dev/model: the connection was lost: Input/output error\n"
        "  hint: is the cable plugged in? connect the board, and run it again"
    )
