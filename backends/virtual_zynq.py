"""The virtual Zynq: the design with its shell, simulated by Verilator, and memory; programs reach both as on a board.

The simulator is built in DIR/build/zynq and kept until the design changes. `python -m bhc.backends.virtual_zynq DIR`
serves a host as zynq_driver.py does on a board: it is that driver, with other registers and memory.
"""

from __future__ import annotations

import mmap
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from bhc import zynq_driver
from bhc.backends.plan import BuildPlan
from bhc.backends.runner import end, file_errors, find_verilator, tail, write
from bhc.backends.verilated import FLAGS, clear, compile_program, is_current, recipe, verilate
from bhc.backends.zynq import TOP, emit_zynq
from bhc.diagnostics import fail
from bhc.ir.pipeline import Pipeline
from bhc.zynq_driver import Accelerator, Buffer, DriverError

_DRIVER = "zynq_board.cpp"
_MODEL = "axi_memory.hpp"
_SOCKET, _MEMORY = "registers", "memory"
_BASE = 0x1000_0000
#: Between buffers, so that whoever leaves one is in none.
_GAP = 4096
_SPARE_BYTES = 1 << 20
_GRACE_S = 10.0
_ANSWER_S = 10.0
_MESSAGE = struct.Struct("<III")
_READ, _WRITE, _ALLOW, _FORBID, _IRQ = range(5)


@dataclass(frozen=True, slots=True)
class Faults:
    """How the memory behaves, and what goes wrong, for tests.

    latency, jitter: clock cycles from an address to its first word, and at most so many more. pause: of 256 cycles, in
    phases, so many in which it does not move. refresh: every so many cycles it rests for refresh_cycles. break_read,
    break_write: after so many words read, or bursts written, each has a bus error; None: never.
    """

    latency: int = 30
    jitter: int = 30
    pause: int = 64
    refresh: int = 780
    refresh_cycles: int = 40
    break_read: int | None = None
    break_write: int | None = None
    seed: int = 1


NO_FAULTS = Faults()


def build(pipeline: Pipeline, workdir: Path) -> Path:
    """The program that simulates the Zynq. Raises BhcError (BHC501..BHC504)."""
    directory, logs = (workdir / "build" / "zynq").resolve(), (workdir / "logs").resolve()
    masters = ("m_axi", *(f"m_axi_w{number}" for number in range(len(pipeline.external))))
    texts: dict[str, bytes | str] = {
        name: (files("bhc") / "backends" / name).read_bytes() for name in (_DRIVER, _MODEL)
    }
    texts["zynq_ports.inc"] = "".join(f"READER({name})\n" for name in masters)
    sources = emit_zynq(pipeline) | BuildPlan(texts)
    made_of = recipe(sources)
    write(sources, directory)
    if is_current(directory, made_of):
        return directory / "simulator"
    clear(directory)
    tool, _ = find_verilator()
    verilate(tool, sources, TOP, directory, logs / "zynq-verilator.log", (*FLAGS, "--Mdir", "model"))
    return compile_program(directory, logs, "zynq", _DRIVER, made_of)


def _memory_bytes(pipeline: Pipeline) -> int:
    weights = sum(8 * item.memory.depth + 2 * _GAP for item in pipeline.external)
    return 2 * zynq_driver.BUFFER_BYTES + weights + _SPARE_BYTES


class VirtualZynq:
    """A running Zynq; `directory` is where programs reach it. It ends with `close`, or with this process."""

    def __init__(self, simulator: Path, pipeline: Pipeline, faults: Faults = NO_FAULTS) -> None:
        self.cycles = 0
        self._folder = TemporaryDirectory(prefix="bhc-")
        self.directory = Path(self._folder.name)
        memory, size = self.directory / _MEMORY, _memory_bytes(pipeline)
        with file_errors("write", memory), memory.open("wb") as file:
            file.truncate(size)
        timing = (faults.latency, faults.jitter, faults.pause, faults.refresh, faults.refresh_cycles)
        breaks = (-1 if count is None else count for count in (faults.break_read, faults.break_write))
        numbers = (size, _BASE, faults.seed, *timing, *breaks)
        log = simulator.parent / "zynq.log"
        with file_errors("write", log), log.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(simulator), str(self.directory / _SOCKET), str(memory), *map(str, numbers)],
                cwd=simulator.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self._process.wait()
            self._folder.cleanup()
            raise fail("BHC502", f"the virtual board does not start:\n{tail(log)}", origin=str(log))

    def close(self) -> None:
        """End the simulation; `cycles` then tells how long it was."""
        if self._process.poll() is None:
            try:
                out, _ = self._process.communicate(timeout=_GRACE_S)
                word, _, count = out.partition(b" ")
                self.cycles = int(count) if word == b"cycles" else 0
            except subprocess.TimeoutExpired:
                end(self._process)
        self._folder.cleanup()

    def __enter__(self) -> VirtualZynq:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SocketRegisters:
    """The registers of a virtual Zynq. Raises DriverError."""

    def __init__(self, directory: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_ANSWER_S)
        try:
            self._socket.connect(str(directory / _SOCKET))
        except OSError as error:
            raise DriverError(zynq_driver.E_REGISTERS, f"{directory}: {error.strerror}") from error

    def _ask(self, what: int, address: int = 0, value: int = 0) -> int:
        try:
            self._socket.sendall(_MESSAGE.pack(what, address, value))
            answer = self._socket.recv(4, socket.MSG_WAITALL)
        except TimeoutError:
            raise DriverError(zynq_driver.E_BUSY, "another program uses the design") from None
        except OSError as error:
            raise DriverError(zynq_driver.E_REGISTERS, f"the simulator is gone: {error.strerror}") from error
        if len(answer) < 4:
            raise DriverError(zynq_driver.E_REGISTERS, "the simulator is gone")
        return int.from_bytes(answer, "little")

    def read(self, address: int) -> int:
        """The register's value."""
        return self._ask(_READ, address)

    def write(self, address: int, value: int) -> None:
        """Give it a value."""
        self._ask(_WRITE, address, value)

    def allow(self, address: int, size: int) -> None:
        """Masters may touch these bytes."""
        self._ask(_ALLOW, address, size)

    def forbid(self) -> None:
        """Masters may touch nothing."""
        self._ask(_FORBID)

    def interrupt(self) -> bool:
        """Whether irq_o is high."""
        return self._ask(_IRQ) != 0

    def close(self) -> None:
        """Let others have it."""
        self._socket.close()


class SharedMemory:
    """Buffers in the memory of a virtual Zynq, with gaps between them."""

    def __init__(self, directory: Path, registers: SocketRegisters) -> None:
        self._registers = registers
        with (directory / _MEMORY).open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._used = 0

    def allocate(self, size: int) -> Buffer:
        """A buffer. Raises DriverError."""
        if self._used == 0:
            self._registers.forbid()
        begin = self._used + _GAP
        self._used = begin + -(-size // _GAP) * _GAP
        if self._used > len(self._map):
            raise DriverError(zynq_driver.E_MEMORY, f"{size} bytes: the virtual memory is full")
        self._registers.allow(_BASE + begin, size)
        return Buffer(_BASE + begin, memoryview(self._map)[begin : begin + size])

    def close(self) -> None:
        """Take all of them back."""


def open_design(directory: Path) -> Accelerator:
    """The driver of a board, on a virtual one. Raises DriverError."""
    registers = SocketRegisters(directory)
    return Accelerator(registers, SharedMemory(directory, registers))


if __name__ == "__main__":
    zynq_driver.serve(sys.stdin.buffer, sys.stdout.buffer, lambda: open_design(Path(sys.argv[1])))
