"""Serves a host as zynq_driver.py does on a board, with the registers and the memory of a virtual Zynq.

    python -m bhc.zynq_server DIR       DIR: of a bhc.backends.virtual_zynq.VirtualZynq

Between its buffers are gaps, so that whoever leaves one is in none.
"""

from __future__ import annotations

import mmap
import socket
import struct
import sys
from pathlib import Path

from bhc import zynq_driver
from bhc.backends.virtual_zynq import BASE, MEMORY, SOCKET
from bhc.zynq_driver import Accelerator, Buffer, DriverError

_GAP = 4096
_ANSWER_S = 10.0
_MESSAGE = struct.Struct("<III")
_READ, _WRITE, _ALLOW, _FORBID, _IRQ = range(5)


class SocketRegisters:
    """The registers of a virtual Zynq. Raises DriverError."""

    def __init__(self, directory: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(_ANSWER_S)
        try:
            self._socket.connect(str(directory / SOCKET))
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
        with (directory / MEMORY).open("r+b") as file:
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
        self._registers.allow(BASE + begin, size)
        return Buffer(BASE + begin, memoryview(self._map)[begin : begin + size])

    def close(self) -> None:
        """Take all of them back."""


def open_design(directory: Path) -> Accelerator:
    """The driver of a board, on a virtual one. Raises DriverError."""
    registers = SocketRegisters(directory)
    return Accelerator(registers, SharedMemory(directory, registers))


if __name__ == "__main__":
    zynq_driver.serve(sys.stdin.buffer, sys.stdout.buffer, lambda: open_design(Path(sys.argv[1])))
