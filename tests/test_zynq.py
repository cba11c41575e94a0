"""A design in a Zynq: the virtual one, the driver over SSH, and what each says when something is wrong."""

from __future__ import annotations

import ast
import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import bhc
from bhc import zynq, zynq_driver, zynq_server
from bhc.backends import shell, virtual_zynq
from bhc.backends.virtual_zynq import Faults, VirtualZynq
from bhc.backends.zynq import result_words, slot_bytes
from bhc.diagnostics import BhcError
from bhc.ir.ops import IntArray
from bhc.zynq import Patience, Sizes, Zynq
from bhc.zynq_driver import Accelerator, DriverError
from bhc.zynq_server import SharedMemory, SocketRegisters
from tests import tiny
from tests.frontend.net import Net

ROOT = Path(__file__).resolve().parent.parent
DRIVER = ROOT / "bhc" / "zynq_driver.py"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> bhc.Build:
    """A small design whose virtual board is built once."""
    folder = tmp_path_factory.mktemp("zynq")
    return bhc.compile(tiny.save_model(folder), fps=10_000, out=folder / "build")


@pytest.fixture
def board(build: bhc.Build) -> Iterator[VirtualZynq]:
    """A virtual board on its own, for drivers that come and go."""
    assert build.directory is not None
    with VirtualZynq(virtual_zynq.build(build.pipeline, build.directory), build.pipeline) as running:
        yield running


def put_ssh(folder: Path, monkeypatch: pytest.MonkeyPatch, does: str) -> Path:
    """An ssh on PATH that notes its arguments; the file where they are."""
    folder.mkdir(exist_ok=True)
    program, noted = folder / "ssh", folder / "ssh.txt"
    program.write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word"; done > {noted}\n{does}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=":")
    return noted


@pytest.fixture
def ssh(board: VirtualZynq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that logs in to the virtual board, which says something first."""
    serves = f"exec {sys.executable} -m bhc.zynq_server {board.directory}"
    return put_ssh(tmp_path / "bin", monkeypatch, f"echo Welcome to PYNQ\n{serves}")


def same(run: bhc.Run, wanted: bhc.Simulation) -> bool:
    return np.array_equal(run.labels, wanted.labels) and np.array_equal(run.y, wanted.y)


@pytest.mark.slow
def test_same_labels_as_the_simulator(build: bhc.Build) -> None:
    x = tiny.windows(1000)
    wanted = build.simulate(x)
    with bhc.Device(build) as device:
        together = device.run(x)
        again = device.run(x[:100])
        alone = device.run(x[:20], one_by_one=True)
    assert same(together, wanted)
    assert np.array_equal(again.labels, wanted.labels[:100])
    assert np.array_equal(alone.labels, wanted.labels[:20])
    assert 0 < alone.cycles[0] <= build.report.latency_cycles
    assert (alone.cycles == alone.cycles[0]).all()
    assert together.cycles[0] == alone.cycles[0]
    assert (together.cycles[1:] == -1).all()


@pytest.mark.slow
def test_live(build: bhc.Build) -> None:
    """Row by row, with an answer every five."""
    rows = np.concatenate(list(tiny.windows(5)), axis=1).T
    wanted = build.simulate(np.stack([rows[begin : begin + 12].T for begin in range(0, len(rows) - 11, 5)]))
    with bhc.Device(build) as device, device.stream(iter(rows), every=5) as stream:
        answers = list(stream)
    assert [answer.label for answer in answers] == wanted.labels.tolist()
    assert np.array_equal([answer.y for answer in answers], wanted.y)


@pytest.mark.slow
def test_recordings(tmp_path: Path) -> None:
    """A design that goes on from hop to hop; a reset between recordings."""
    build = bhc.compile(tiny.save_model(tmp_path), fps=100_000, mode="stream", hop=2, out=tmp_path / "build")
    x = np.concatenate([tiny.windows(3)] * 3, axis=2)
    wanted = build.simulate(x)
    with bhc.Device(build) as device:
        assert same(device.run(x), wanted)
        live = device.run(x, one_by_one=True)
    assert same(live, wanted)
    assert (live.cycles > 0).all()


@pytest.mark.slow
def test_weights_in_memory(tmp_path: Path) -> None:
    """Two layers whose weights the design reads again for each window, from two buffers of its own."""
    draw = np.random.default_rng(1)

    def signs(*shape: int) -> IntArray:
        return draw.choice(np.array([-1, 1], np.int64), shape)

    net = Net(4, 16)
    x = net.sign(net.op("Conv", net.quant("x", 0.5, 4), net.weights(signs(8, 4, 1))))
    x = net.sign(net.op("Gemm", net.op("Flatten", x, axis=1), net.weights(signs(128, 64))))
    model = net.save(tmp_path, net.op("Gemm", x, net.weights(signs(64, 4))))
    build = bhc.compile(model, fps=10_000, weights="ddr", out=tmp_path / "build")
    assert [item.memory.depth for item in build.pipeline.external] == [128, 4]
    windows = draw.normal(0, 2, (50, 4, 16)).astype(np.float32)
    wanted = build.simulate(windows)
    with bhc.Device(build) as device:
        assert same(device.run(windows), wanted)
        device.reset()
        assert same(device.run(windows, one_by_one=True), wanted)


@pytest.mark.slow
def test_over_ssh(build: bhc.Build, ssh: Path) -> None:
    x = tiny.windows(30)
    with bhc.Device(build, "xilinx@pynq:2222") as device:
        assert same(device.run(x), build.simulate(x))
    assert ssh.read_text().splitlines() == [
        *("-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5"),
        *("-o", "ServerAliveCountMax=3", "-p", "2222", "--", "xilinx@pynq"),
        'd="$HOME/bhc/zynq_driver.py"; if [ "$(id -u)" = 0 ]; then exec bash -lc "exec python3 $d"; '
        'else exec sudo -n bash -lc "exec python3 $d"; fi',
    ]


@pytest.mark.slow
def test_host_killed_in_the_midst(build: bhc.Build, ssh: Path, tmp_path: Path) -> None:
    """The next one begins anew, and gets the right results."""
    assert not ssh.exists()
    x = tiny.windows(400)
    program = (
        "import sys, bhc, numpy as np\n"
        "with bhc.Device(bhc.load(sys.argv[1]), 'pynq') as device:\n"
        "    while True: print(len(device.run(np.load(sys.argv[2])).labels), flush=True)\n"
    )
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-c", program, str(build.directory), str(tmp_path / "x.npy")]
    for _ in range(2):
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as host:
            assert host.stdout is not None
            assert host.stdout.readline() == b"400\n"
            host.send_signal(signal.SIGKILL)
        with bhc.Device(build, "pynq") as device:
            assert same(device.run(x[:50]), build.simulate(x[:50]))


@pytest.mark.slow
def test_bus_error(build: bhc.Build) -> None:
    """Nothing of such a job is a label; a board without the fault goes on."""
    with bhc.Device(build, faults=Faults(break_read=40)) as device:
        for _ in range(2):
            with pytest.raises(BhcError) as raised:
                device.run(tiny.windows(60))
            assert str(raised.value) == (
                "error[BHC832] the virtual board: a bus error when reading input\n"
                "  hint: the memory's addresses, or its port, are not as the design expects: docs/zynq.md"
            )


@pytest.mark.slow
def test_results_that_do_not_come(build: bhc.Build, board: VirtualZynq) -> None:
    pipeline, each = build.pipeline, shell.input_bytes(build.pipeline)
    command = [sys.executable, "-m", "bhc.zynq_server", str(board.directory)]
    data = bytes(each)
    link = Zynq(command, "board", pipeline, Sizes(each - 2, each), Patience(0.3), ahead=100)
    size = shell.result_bytes(pipeline) + shell.CYCLE_BYTES
    assert link.open() == shell.identity(pipeline)
    link.send(data[:-2])
    with pytest.raises(BhcError) as raised:
        link.receive(size)
    assert str(raised.value) == (
        "error[BHC827] board: the board answers, but gives no results: no end after 0.3 s\n"
        "  hint: `bhc cosim` shows whether the design computes; it may be slower than that"
    )
    link = Zynq(command, "board", pipeline, Sizes(each, each), Patience(10), ahead=100)
    for _ in range(2):
        link.open()
        link.send(data[:-1])
        assert not link.ready(size, 0.0)
        assert link.queued == 1  # the design has the beats before
        link.send(data[-1:])
        assert link.queued == 2
        assert link.ready(size, 0.0)
        assert link.queued == 0
        assert len(link.receive(size)) == size
        with pytest.raises(BhcError, match="gives no results\n"):
            link.receive(size)
    link.close()


@pytest.mark.slow
def test_another_design(build: bhc.Build, ssh: Path, tmp_path: Path) -> None:
    other = bhc.compile(tiny.save_model(tmp_path), fps=1_000_000)
    with pytest.raises(BhcError) as raised:
        bhc.Device(other, "pynq")
    assert ssh.exists()
    there, here = (shell.identity(b.pipeline)[1:9].hex() for b in (build, other))
    assert str(raised.value) == (
        f"error[BHC823] pynq: another design is on the board: {there}, and not {here}\n"
        "  hint: put this build's bitstream on the board"
    )


def refused(build: bhc.Build, on: str = "pynq") -> str:
    with pytest.raises(BhcError) as raised:
        bhc.Device(build, on)
    return str(raised.value)


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("ssh: Could not resolve hostname pynq: Name or service not known", "is the board on, and is this its name?"),
        (
            "xilinx@pynq: Permission denied (publickey,password).",
            "put your key on the board (ssh-copy-id): there is no asking for a password here",
        ),
        ("Host key verification failed.", "log in once with ssh, and accept the board's key"),
        ("sudo: a password is required", "log in as root, or let this user sudo without a password"),
        (
            "python3: can't open file '/home/xilinx/bhc/zynq_driver.py': [Errno 2] No such file or directory",
            "`bhc flash --via pynq` puts the driver on the board",
        ),
        ("bash: python3: command not found", "the board needs Linux with bash and Python 3.8 or newer"),
    ],
)
def test_driver_that_does_not_start(
    build: bhc.Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, hint: str
) -> None:
    put_ssh(tmp_path, monkeypatch, f'echo "{said}" >&2\nexit 255')
    assert refused(build) == f"error[BHC830] pynq: the driver cannot be started: {said}\n  hint: {hint}"


def test_no_ssh(build: bhc.Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused(build) == (
        "error[BHC830] pynq: 'ssh' was not found\n  hint: install it (Debian: apt install openssh-client)"
    )


def test_no_serial_port(build: bhc.Build) -> None:
    assert refused(build, "/dev/ttyUSB1") == (
        "error[BHC601] --on: '/dev/ttyUSB1' is neither sim nor the name of a host\n"
        "  hint: pynq-z2 is reached over the network: [USER@]NAME[:PORT]"
    )


def message(kind: bytes, payload: bytes) -> bytes:
    stream = io.BytesIO()
    zynq_driver.write_message(stream, kind, payload)
    return stream.getvalue()


def put_driver(folder: Path, monkeypatch: pytest.MonkeyPatch, answers: bytes, end: str = "cat > /dev/null") -> None:
    """An ssh to a driver that says just that."""
    (folder / "answers").write_bytes(zynq_driver.GREETING + answers)
    put_ssh(folder, monkeypatch, f"cat {folder / 'answers'}\n{end}")


@pytest.mark.parametrize(
    ("code", "text", "wanted"),
    [
        (
            zynq_driver.E_REGISTERS,
            "/dev/mem: Permission denied",
            "error[BHC831] pynq: the driver cannot work: /dev/mem: Permission denied\n"
            "  hint: the driver needs root, and PYNQ or the kernel module u-dma-buf: docs/zynq.md",
        ),
        (
            zynq_driver.E_MEMORY,
            "neither /dev/udmabuf0 nor the Python package pynq is there",
            "error[BHC831] pynq: the driver cannot work: neither /dev/udmabuf0 nor the Python package pynq is there\n"
            "  hint: the driver needs root, and PYNQ or the kernel module u-dma-buf: docs/zynq.md",
        ),
        (
            zynq_driver.E_DESIGN,
            "there is no design of bhc: register 0 is 00000000",
            "error[BHC823] pynq: there is no design of bhc: register 0 is 00000000\n"
            "  hint: put this build's bitstream on the board",
        ),
        (
            zynq_driver.E_VERSION,
            "registers of version 2, this driver knows 1",
            "error[BHC822] pynq: the driver on the board is of another version of bhc: "
            "registers of version 2, this driver knows 1\n"
            "  hint: `bhc flash` copies bitstream and driver of this one",
        ),
        (
            zynq_driver.E_STUCK,
            "the design does not become idle: memory does not answer it",
            "error[BHC833] pynq: the design does not become idle: memory does not answer it\n"
            "  hint: put the bitstream on the board again",
        ),
        (
            zynq_driver.E_BUSY,
            "another program uses the design",
            "error[BHC834] pynq: another program uses the design\n"
            "  hint: let it end; of a run that was killed, the driver ends in some seconds",
        ),
    ],
)
def test_what_the_driver_finds(
    build: bhc.Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, text: str, wanted: str
) -> None:
    put_driver(tmp_path, monkeypatch, message(zynq_driver.M_ERROR, bytes([code]) + text.encode()))
    assert refused(build) == wanted


def hello(build: bhc.Build) -> bytes:
    """What the driver of this design says of it, and that it was reset."""
    pipeline = build.pipeline
    entry = pipeline.streams[pipeline.input]
    sizes = (entry.beats, slot_bytes(entry), result_words(pipeline), 1 << 20)
    digest = shell.identity(pipeline)[1:9]
    said = zynq_driver.HELLO.pack(zynq_driver.VERSION, digest, *sizes, 0, 0, 0)
    return message(zynq_driver.M_HELLO, said) + message(zynq_driver.M_RESET, b"")


def test_connection_lost(build: bhc.Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = "dd bs=1 count=20 of=/dev/null 2> /dev/null\necho Connection to pynq closed by remote host. >&2\nexit 255"
    put_driver(tmp_path, monkeypatch, hello(build), ends)
    with bhc.Device(build, "pynq") as device, pytest.raises(BhcError) as raised:
        device.run(tiny.windows(60))
    assert str(raised.value) == (
        "error[BHC824] pynq: the connection was lost: Connection to pynq closed by remote host.\n"
        "  hint: is the board on, and in the network? run it again"
    )


def test_no_bitstream(build: bhc.Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registers that nobody answers for end the driver."""
    put_driver(tmp_path, monkeypatch, b"", f"exit {128 + signal.SIGBUS}")
    assert refused(build) == (
        "error[BHC823] pynq: nothing answers at the design's registers\n"
        "  hint: is this build's bitstream on the board? `bhc flash`"
    )


def test_answers_that_make_no_sense(build: bhc.Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_driver(tmp_path, monkeypatch, hello(build) + message(zynq_driver.M_JOB, bytes(12)))
    with bhc.Device(build, "pynq") as device, pytest.raises(BhcError) as raised:
        device.run(tiny.windows(2))
    assert str(raised.value) == (
        "error[BHC822] pynq: the driver on the board is of another version of bhc: 4 bytes of results\n"
        "  hint: `bhc flash` copies bitstream and driver of this one"
    )


# The driver alone: it runs on boards, without bhc.


def test_driver_is_for_old_pythons() -> None:
    tree = ast.parse(DRIVER.read_text(), feature_version=(3, 8))
    imported = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    imported |= {str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= sys.stdlib_module_names


def test_driver_as_a_program(tmp_path: Path) -> None:
    given = message(zynq_driver.M_HELLO, b"")
    command = [sys.executable, "-I", str(DRIVER), "--registers", str(tmp_path / "mem")]
    done = subprocess.run(command, input=given, check=True, capture_output=True)
    said = bytes([zynq_driver.E_REGISTERS]) + f"{tmp_path / 'mem'}: No such file or directory".encode()
    assert done.stdout == zynq_driver.GREETING + message(zynq_driver.M_ERROR, said)


def served(given: bytes) -> bytes:
    """What the driver answers to a host that never had a design."""
    sink = io.BytesIO()
    zynq_driver.serve(io.BytesIO(given), sink, lambda: pytest.fail("nobody said hello"))
    return sink.getvalue().removeprefix(zynq_driver.GREETING)


def test_messages_out_of_order() -> None:
    assert served(b"") == b""
    assert served(message(zynq_driver.M_BYE, b"")) == message(zynq_driver.M_BYE, b"")
    refusal = bytes([zynq_driver.E_MESSAGE]) + b"no hello came before"
    assert served(message(zynq_driver.M_RESET, b"")) == message(zynq_driver.M_ERROR, refusal)
    assert b"no message" in served(b"\xff" * 5)
    assert served(b"\x05\0\0\0J12") == b""  # the host died in the midst


def test_registers_and_their_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "uio0"
    path.write_bytes(bytes(zynq_driver.SPAN))
    registers = zynq_driver.Registers(str(path))
    registers.write(zynq_driver.REG_JOB_OUT, 0x89ABCDEF)
    assert registers.read(zynq_driver.REG_JOB_OUT) == 0x89ABCDEF
    monkeypatch.setattr(zynq_driver, "_LOCK_S", 0.1)
    with pytest.raises(DriverError, match="another program uses the design"):
        zynq_driver.Registers(str(path))
    registers.close()
    assert path.read_bytes()[zynq_driver.REG_JOB_OUT :][:4] == bytes.fromhex("efcdab89")
    with pytest.raises(DriverError, match="register 0 is 00000000") as raised:
        Accelerator(zynq_driver.Registers(str(path)), zynq_driver.PynqMemory.__new__(zynq_driver.PynqMemory))
    assert raised.value.code == zynq_driver.E_DESIGN


def test_buffers_of_the_kernel_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "udmabuf0"
    path.write_bytes(bytes(3 * 4096))
    attributes = {"phys_addr": "0x1f000000", "size": str(3 * 4096)}
    monkeypatch.setattr(zynq_driver, "_attribute", lambda _, name: attributes[name])
    memory = zynq_driver.UdmabufMemory(str(path))
    first, second = memory.allocate(4097), memory.allocate(8)
    assert (first.address, second.address, len(first.data)) == (0x1F000000, 0x1F002000, 4097)
    second.data[:2] = b"ab"
    assert path.read_bytes()[8192:8194] == b"ab"
    with pytest.raises(DriverError, match="16384 bytes are needed, the kernel's buffer has 12288"):
        memory.allocate(1)
    memory.close()
    with pytest.raises(DriverError, match="No such file"):
        zynq_driver.UdmabufMemory(str(tmp_path / "none"))


def test_buffers_of_pynq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynq", None)
    with pytest.raises(DriverError, match="nor the Python package pynq"):
        zynq_driver.PynqMemory()

    def allocate(shape: tuple[int], dtype: str) -> Any:
        if shape[0] > 100:
            raise MemoryError("no CMA")
        return type("Array", (bytearray,), {"device_address": 0x100})(shape[0])

    module = ModuleType("pynq")
    vars(module)["allocate"] = allocate
    monkeypatch.setitem(sys.modules, "pynq", module)
    memory = zynq_driver.PynqMemory()
    buffer = memory.allocate(16)
    assert (buffer.address, len(buffer.data)) == (0x100, 16)
    with pytest.raises(DriverError, match="101 bytes: no CMA"):
        memory.allocate(101)
    memory.close()


@pytest.mark.slow
def test_two_programs(board: VirtualZynq, monkeypatch: pytest.MonkeyPatch) -> None:
    with zynq_server.open_design(board.directory):
        monkeypatch.setattr(zynq_server, "_ANSWER_S", 0.2)
        with pytest.raises(DriverError, match="another program uses the design"):
            zynq_server.open_design(board.directory)
    registers = SocketRegisters(board.directory)
    memory = SharedMemory(board.directory, registers)
    with pytest.raises(DriverError, match="the virtual memory is full"):
        memory.allocate(1 << 30)
    board.close()
    with pytest.raises(DriverError, match="the simulator is gone"):
        registers.read(0)


def test_ssh_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zynq, "which", lambda _: "ssh")
    assert zynq.ssh("pynq")[-3:-1] == ["--", "pynq"]
    assert zynq.ssh("fe80::1:22")[-5:-1] == ["-p", "22", "--", "fe80::1"]
