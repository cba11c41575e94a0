"""The virtual board, down to its pins, and the same driver as for a real one: results, faults, messages."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import bhc
from bhc.backends import shell, virtual
from bhc.backends.virtual import Faults, VirtualBoard
from bhc.cli import main
from bhc.link import PAYLOAD, Counters, Decoder, encode
from bhc.serial import SerialPort
from tests import tiny

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> bhc.Build:
    """A small design whose virtual board is built once."""
    folder = tmp_path_factory.mktemp("device")
    return bhc.compile(tiny.save_model(folder), target="arty-a7-100t", fps=10_000, out=folder / "build")


@pytest.fixture
def board(build: bhc.Build) -> Iterator[VirtualBoard]:
    """A virtual board on its own, for drivers that come and go."""
    assert build.directory is not None
    with VirtualBoard(virtual.build(build.pipeline, build.directory)) as running:
        yield running


def same(run: bhc.Run, wanted: bhc.Simulation) -> bool:
    return np.array_equal(run.labels, wanted.labels) and np.array_equal(run.y, wanted.y)


@pytest.mark.slow
def test_netlist(build: bhc.Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """The design and its shell as one netlist behind the same driver."""
    monkeypatch.setattr(virtual, "build", partial(virtual.build, family=build.settings.schedule.family))
    x = tiny.windows(50)
    with bhc.Device(build) as device:
        assert same(device.run(x), build.simulate(x))


@pytest.mark.slow
def test_same_labels_as_the_simulator(build: bhc.Build) -> None:
    x = tiny.windows(200)
    wanted = build.simulate(x)
    with bhc.Device(build) as device:
        together = device.run(x)
        alone = device.run(x[:20], one_by_one=True)
    assert same(together, wanted)
    assert together.counters == Counters()
    assert np.array_equal(alone.labels, wanted.labels[:20])
    assert (alone.cycles == alone.cycles[0]).all()
    assert 0 < alone.cycles[0] <= build.report.latency_cycles
    assert together.cycles[0] == alone.cycles[0]
    assert (together.cycles[1:] == -1).all()


@pytest.mark.slow
def test_recordings(tmp_path: Path) -> None:
    """A design that goes on from hop to hop; a reset between recordings."""
    model = tiny.save_model(tmp_path)
    build = bhc.compile(model, target="arty-a7-100t", fps=100_000, mode="stream", hop=2, out=tmp_path / "build")
    x = np.concatenate([tiny.windows(3)] * 3, axis=2)
    wanted = build.simulate(x)
    with bhc.Device(build) as device:
        assert same(device.run(x), wanted)
        live = device.run(x, one_by_one=True)
    assert same(live, wanted)
    assert (live.cycles > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("every", [300, 100])
def test_faults_on_the_line_are_made_good(build: bhc.Build, every: int) -> None:
    x = tiny.windows(60)
    with bhc.Device(build, faults=Faults(every)) as device:
        run = device.run(x)
    assert same(run, build.simulate(x))
    assert run.counters.damaged_there > 0


@pytest.mark.slow
def test_cable_unplugged(build: bhc.Build) -> None:
    with pytest.raises(bhc.BhcError) as raised, bhc.Device(build, faults=Faults(unplug=500)) as device:
        device.run(tiny.windows(60))
    assert "the connection was lost: Input/output error\n  hint: is the cable plugged in?" in str(raised.value)


@pytest.mark.slow
def test_host_killed_in_the_midst(build: bhc.Build, board: VirtualBoard, tmp_path: Path) -> None:
    """The next one begins anew, and gets the right results."""
    x = tiny.windows(40)
    program = (
        "import sys, bhc, numpy as np\n"
        "with bhc.Device(bhc.load(sys.argv[1]), sys.argv[2]) as device:\n"
        "    while True: print(len(device.run(np.load(sys.argv[3])).labels), flush=True)\n"
    )
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", program, str(build.directory), board.terminal, str(tmp_path / "x.npy")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"40\n"
        host.send_signal(signal.SIGKILL)
    for _ in range(2):
        with bhc.Device(build, board.terminal) as device:
            assert same(device.run(x), build.simulate(x))


@pytest.mark.slow
def test_board_survives_garbage(build: bhc.Build, board: VirtualBoard) -> None:
    """Noise, halves of frames, frames of nobody's session and far too long ones; then a host that works."""
    draw = np.random.default_rng(1)
    good = encode(bytes([0, shell.PROTOCOL, 5]))
    for number in range(20):
        port = SerialPort(board.terminal)
        port.write(draw.bytes(int(draw.integers(1, 500))))
        port.write(good[: int(draw.integers(1, len(good)))])
        port.write(encode(draw.bytes(int(draw.integers(1, 600)))))
        port.write(b"\x7e" * number)
        port.close()
    x = tiny.windows(10)
    with bhc.Device(build, board.terminal) as device:
        assert same(device.run(x), build.simulate(x))


@pytest.mark.slow
def test_what_the_board_says(build: bhc.Build, board: VirtualBoard) -> None:
    """Frame by frame, as docs/uart.md has it."""
    port, decoder = SerialPort(board.terminal), Decoder()

    def ask(wire: bytes) -> bytes:
        port.write(wire)
        while not (found := decoder.feed(port.read(10))):
            pass
        (body,) = found
        return body

    def damaged(body: bytes) -> bytes:
        wire = bytearray(encode(body))
        wire[1] ^= 1
        return bytes(wire)

    assert ask(encode(bytes([9, 0, 0]))) == bytes([0, 0, 0, 0, 0])  # no session is open
    assert ask(encode(bytes([0, 1, 5]))) == bytes([5, 1, 0, 0, 0]) + shell.identity(build.pipeline)
    assert ask(encode(bytes([5, 0, 0]))) == bytes([5, 0, 0, 0, 0])
    first = ask(encode(bytes([5, 0, 0, 1, 2])))
    assert first[:4] == bytes([5, 0, 0, 2])
    assert ask(encode(bytes([5, 0, 0, 1, 2])))[:4] == bytes([5, 4, 0, 2])  # refused: the board has these
    assert ask(damaged(bytes([5, 2, 0, 3])))[:4] == bytes([5, 2, 0, 2])
    assert ask(encode(bytes([5, 2])))[:4] == bytes([5, 2, 0, 2])  # too short
    assert ask(encode(bytes([5, 2, 0]) + bytes(300)))[1] & 8  # more than there is room for
    assert ask(encode(bytes([6, 2, 0, 1])))[:4] == bytes([5, 0, 0, 2])  # another session
    port.close()


@pytest.mark.slow
def test_another_design(build: bhc.Build, board: VirtualBoard, tmp_path: Path) -> None:
    other = bhc.compile(tiny.save_model(tmp_path), target="arty-a7-100t", fps=1_000_000)
    with pytest.raises(bhc.BhcError) as raised:
        bhc.Device(other, board.terminal)
    there, here = (shell.identity(b.pipeline)[1:9].hex() for b in (build, other))
    assert str(raised.value) == (
        f"error[BHC823] {board.terminal}: another design is on the board: {there}, and not {here}\n"
        "  hint: put this build's bitstream on the board"
    )


def refused(path: str, baud: int = shell.BAUD) -> str:
    with pytest.raises(bhc.BhcError) as raised:
        SerialPort(path, baud)
    return str(raised.value)


@pytest.fixture
def terminal() -> Iterator[str]:
    """A pseudo-terminal that nobody listens to."""
    ours, theirs = os.openpty()
    tty.setraw(theirs, termios.TCSANOW)
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_no_such_port() -> None:
    assert refused("/dev/ttyNone").startswith(
        "error[BHC820] /dev/ttyNone: there is no such device\n  hint: connected are: "
    )


def test_no_serial_port(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "is not a serial port" in refused(str(tmp_path / "file"))


def test_port_in_use(terminal: str) -> None:
    port = SerialPort(terminal)
    assert refused(terminal) == (
        f"error[BHC820] {terminal}: is in use by another program\n  hint: close terminal programs and other runs"
    )
    port.close()
    SerialPort(terminal).close()


def test_no_such_rate(terminal: str) -> None:
    assert refused(terminal, 12_345) == (
        f"error[BHC820] {terminal}: has no rate of 12,345 baud\n  hint: 115,200 or 1,000,000 are common"
    )


def test_adapters_are_asked_for_low_latency(terminal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their other flags stay as they are."""
    flags = 0x90
    asked = []

    def ioctl(descriptor: int, request: int, state: bytearray) -> int:
        nonlocal flags
        asked.append(request)
        if request == 0x541E:
            state[16:20] = flags.to_bytes(4, sys.byteorder)
        else:
            flags = int.from_bytes(state[16:20], sys.byteorder)
        return 0

    monkeypatch.setattr("bhc.serial.fcntl.ioctl", ioctl)
    for _ in range(2):
        SerialPort(terminal).close()
    assert asked == [0x541E, 0x541F, 0x541E]
    assert flags == 0x2090


def test_clocks_per_bit() -> None:
    assert [shell.clocks_per_bit(clock) for clock in (12, 25, 27, 100)] == [12, 25, 27, 100]
    assert shell.clocks_per_bit(12, 3_000_000) == 4
    assert shell.clocks_per_bit(12, 115_200) == 104
    with pytest.raises(bhc.BhcError) as raised:
        shell.clocks_per_bit(12.5)
    assert str(raised.value) == (
        "error[BHC819] a clock of 12.5 MHz makes no 1,000,000 baud: that is 12.50 cycles a bit\n"
        "  hint: 500,000 baud can be made"
    )


def test_payload_is_a_block() -> None:
    """The board reports what it used each 64 bytes: a host that waits for room for more would wait for ever."""
    assert PAYLOAD <= 64


@pytest.mark.slow
def test_on_the_command_line(build: bhc.Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = tiny.windows(30)
    wanted = build.simulate(x)
    np.savez(tmp_path / "x.npz", x=x, y=wanted.labels)
    given = ["run", str(build.directory), "--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npy")]
    assert main([*given, "--one-by-one"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("30 windows: class 0 ")
    assert "\naccuracy 100.00 % (30 of 30)\n" in out
    assert " cycles from the last input to the result: " in out
    assert out.endswith(" windows/s, simulated\n")
    assert np.array_equal(np.load(tmp_path / "y.npy"), wanted.y)

    assert main([*given, "--on", "board.local"]) == 1
    assert capsys.readouterr().err.endswith(
        "error[BHC601] --on: 'board.local' is neither sim nor the path of a serial port\n"
        "  hint: arty-a7-100t is reached over its serial port\n"
    )


def test_of_a_backend_without_a_shell(tmp_path: Path) -> None:
    build = bhc.compile(tiny.save_model(tmp_path), backend="hls")
    with pytest.raises(bhc.BhcError) as raised:
        bhc.Device(build)
    assert str(raised.value) == (
        "error[BHC602] bhc run: the build is of the backend hls, which has no shell for a board\n"
        "  hint: compile the model with --backend rtl"
    )
