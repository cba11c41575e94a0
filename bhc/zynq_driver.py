#!/usr/bin/env python3
"""Driver of a bhc design in a Zynq. It runs on the board, alone: Python 3.8 and its standard library.

    sudo python3 zynq_driver.py [--registers /dev/mem|/dev/uio0] [--base 0x43C00000] [--memory pynq|/dev/udmabuf0]

serves a host over standard input and output, as bhc.Device starts it over SSH. A program on the board uses it so:

    memory = PynqMemory()
    with Accelerator(Registers(), memory) as design:
        design.reset()
        done = design.run(data, beats=768, words=2)

docs/zynq.md has the registers, the layout of data in memory, and the messages.
"""

from __future__ import annotations

import argparse
import fcntl
import mmap
import os
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Protocol

ID = 0x31434842
VERSION = 1

#: Byte addresses of the registers.
REG_ID = 0x00
REG_VERSION = 0x04
REG_DIGEST = 0x08
REG_IN_BEATS = 0x10
REG_IN_SLOT = 0x14
REG_RESULT_WORDS = 0x18
REG_WEIGHTS = 0x1C
REG_CONTROL = 0x20
REG_STATUS = 0x24
REG_IRQ_ENABLE = 0x28
REG_JOB_IN = 0x30
REG_JOB_IN_WORDS = 0x34
REG_JOB_IN_BEATS = 0x38
REG_JOB_OUT = 0x3C
REG_JOB_OUT_WORDS = 0x40
REG_CYCLES = 0x44
REG_LATENCY = 0x48
REG_WEIGHT_BASE = 0x50
REG_WEIGHT_WORDS = 0x60

CONTROL_START = 1
CONTROL_CLEAR = 2
CONTROL_WEIGHTS = 4
STATUS_BUSY = 1
STATUS_DONE = 2
#: Bits of STATUS from ERROR_SHIFT up: what had a bus error.
ERROR_SHIFT = 8
ERROR_NAMES = ("reading input", "writing results", "reading weights 0", "reading weights 1", "reading weights 2")

#: Where the design's registers are, unless a block design says otherwise: the beginning of GP0 as Vivado gives it out.
BASE = 0x43C00000
SPAN = 0x1000
#: Bytes of the buffers for input and for results.
BUFFER_BYTES = 1 << 20
_RESET_S = 5.0
_LOCK_S = 10.0
_PAGE = 4096

# Errors of the driver: the host words them.
E_MESSAGE = 1  # a message that makes no sense, or a job that the buffers are too small for
E_REGISTERS = 2  # the registers cannot be reached
E_MEMORY = 3  # no memory for buffers
E_DESIGN = 4  # no design of bhc
E_BUS = 5  # a bus error
E_TIME = 6  # a job did not end
E_STUCK = 7  # the design does not become idle
E_BUSY = 8  # another program uses the design
E_VERSION = 9  # registers of another version

# Messages of a host, and answers.
M_HELLO = b"H"
M_WEIGHTS = b"W"
M_RESET = b"R"
M_JOB = b"J"
M_BYE = b"B"
M_ERROR = b"E"
HEAD = struct.Struct("<IB")
HELLO = struct.Struct("<I8s7I")
WEIGHTS = struct.Struct("<II")
JOB = struct.Struct("<III")
DONE = struct.Struct("<II")
#: What a driver says first; whatever a login says comes before it.
GREETING = b"bhc zynq driver 1\n"
#: Longest message: what no sane one exceeds.
MOST_BYTES = 1 << 26


class DriverError(Exception):
    """What went wrong: one of the E_ codes, and in words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Bus(Protocol):
    """Registers of 32 bits, by their byte addresses."""

    def read(self, address: int) -> int:
        """The register's value."""
        ...

    def write(self, address: int, value: int) -> None:
        """Give it a value."""

    def close(self) -> None:
        """Let others have it."""


class Registers:
    """The design's registers, through /dev/mem or a UIO device. Raises DriverError (E_REGISTERS, E_BUSY)."""

    def __init__(self, path: str = "/dev/mem", base: int = BASE) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_SYNC)
        except OSError as error:
            raise DriverError(E_REGISTERS, f"{path}: {error.strerror}") from error
        try:
            _lock(self._descriptor)
            self._map = mmap.mmap(self._descriptor, SPAN, offset=base if path == "/dev/mem" else 0)
        except (OSError, ValueError) as error:
            os.close(self._descriptor)
            raise DriverError(E_REGISTERS, f"{path}: {error}") from error
        self._words = memoryview(self._map).cast("I")

    def read(self, address: int) -> int:
        return self._words[address // 4]

    def write(self, address: int, value: int) -> None:
        self._words[address // 4] = value

    def close(self) -> None:
        self._words.release()
        self._map.close()
        os.close(self._descriptor)


def _lock(descriptor: int) -> None:
    """Have it alone. A driver whose host died may need a moment to end."""
    end = time.monotonic() + _LOCK_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(descriptor)
                raise DriverError(E_BUSY, "another program uses the design") from None
            time.sleep(0.05)
        else:
            return


class Buffer:
    """Memory that is contiguous for the FPGA. address: there; data: its bytes here."""

    def __init__(self, address: int, data: memoryview, owner: object = None) -> None:
        self.address = address
        self.data = data
        self.owner = owner


class Memory(Protocol):
    """Gives buffers. Raises DriverError (E_MEMORY)."""

    def allocate(self, size: int) -> Buffer:
        """A buffer of so many bytes, at a multiple of 8."""
        ...

    def close(self) -> None:
        """Take all of them back."""


class PynqMemory:
    """Buffers of PYNQ: contiguous memory that no cache holds."""

    def __init__(self) -> None:
        try:
            self._pynq: Any = import_module("pynq")
        except ImportError:
            raise DriverError(E_MEMORY, "neither /dev/udmabuf0 nor the Python package pynq is there") from None

    def allocate(self, size: int) -> Buffer:
        try:
            array = self._pynq.allocate(shape=(size,), dtype="u1")
        except (MemoryError, OSError, RuntimeError) as error:
            raise DriverError(E_MEMORY, f"{size} bytes: {error}") from error
        return Buffer(array.device_address, memoryview(array), array)

    def close(self) -> None:
        """They are freed with the last reference."""


class UdmabufMemory:
    """Buffers of the kernel module u-dma-buf, one after another."""

    def __init__(self, path: str = "/dev/udmabuf0") -> None:
        name = Path(path).name
        try:
            self._base = int(_attribute(name, "phys_addr"), 16)
            self._size = int(_attribute(name, "size"))
            self._descriptor = os.open(path, os.O_RDWR | os.O_SYNC)
            self._map = mmap.mmap(self._descriptor, self._size)
        except (OSError, ValueError) as error:
            raise DriverError(E_MEMORY, f"{path}: {error}") from error
        self._used = 0

    def allocate(self, size: int) -> Buffer:
        begin = self._used
        self._used += -(-size // _PAGE) * _PAGE
        if self._used > self._size:
            raise DriverError(E_MEMORY, f"{self._used} bytes are needed, the kernel's buffer has {self._size}")
        return Buffer(self._base + begin, memoryview(self._map)[begin : begin + size])

    def close(self) -> None:
        os.close(self._descriptor)


def _attribute(device: str, name: str) -> str:
    return Path(f"/sys/class/u-dma-buf/{device}/{name}").read_text(encoding="ascii").strip()


class Done:
    """A job that ended. data: its results as they lie in memory. cycles: of the job, from start to the last answer of
    memory. latency: from the last beat of input that the design took to the last beat of a result that it gave.
    """

    def __init__(self, data: bytes, cycles: int, latency: int) -> None:
        self.data = data
        self.cycles = cycles
        self.latency = latency


class Accelerator:
    """A design of bhc: its registers (read, write, close) and memory (allocate, close). Raises DriverError.

    The design is cleared when it is opened, whatever it was left in, and when it is closed.
    """

    def __init__(self, registers: Bus, memory: Memory, size: int = BUFFER_BYTES) -> None:
        self._registers = registers
        self._memory = memory
        read = registers.read
        if read(REG_ID) != ID:
            raise DriverError(E_DESIGN, f"there is no design of bhc: register 0 is {read(REG_ID):08x}")
        if read(REG_VERSION) != VERSION:
            raise DriverError(E_VERSION, f"registers of version {read(REG_VERSION)}, this driver knows {VERSION}")
        self.digest = struct.pack("<II", read(REG_DIGEST), read(REG_DIGEST + 4))
        self.in_beats = read(REG_IN_BEATS)
        self.in_slot = read(REG_IN_SLOT)
        self.result_words = read(REG_RESULT_WORDS)
        self.weight_words = [read(REG_WEIGHT_WORDS + 4 * k) for k in range(read(REG_WEIGHTS))]
        # Clear before any buffer is taken: a design that runs on may write to those of a driver before.
        self._clear(0)
        self._in = memory.allocate(size)
        self._out = memory.allocate(size)
        self._weights = [memory.allocate(8 * words) for words in self.weight_words]
        for k, buffer in enumerate(self._weights):
            registers.write(REG_WEIGHT_BASE + 4 * k, buffer.address)
        self.reset()

    def load(self, region: int, offset: int, data: bytes) -> None:
        """Weights of a region, from a byte on. They count from the next reset."""
        if region >= len(self._weights) or offset + len(data) > 8 * self.weight_words[region]:
            raise DriverError(E_MESSAGE, f"weights beyond the end of region {region}")
        self._weights[region].data[offset : offset + len(data)] = data

    def reset(self) -> None:
        """The design forgets all it was given, and what is left of a job; its weights come from their beginning."""
        self._clear(CONTROL_WEIGHTS)

    def _clear(self, weights: int) -> None:
        self._registers.write(REG_CONTROL, CONTROL_CLEAR | weights)
        if not self._wait(_RESET_S):
            raise DriverError(E_STUCK, "the design does not become idle: memory does not answer it")

    def _wait(self, timeout_s: float) -> bool:
        """Whether the design is idle in time."""
        end = time.monotonic() + timeout_s
        pause = 20e-6
        while self._registers.read(REG_STATUS) & STATUS_BUSY:
            if time.monotonic() >= end:
                return False
            time.sleep(pause)
            pause = min(2 * pause, 2e-3)
        return True

    def run(self, data: bytes, beats: int, words: int, timeout_s: float = 10.0) -> Done:
        """Give the design `beats` beats of input, await `words` 64-bit words of results. After an error it is reset."""
        whole = -(-len(data) // 8)
        if 8 * whole > len(self._in.data) or 8 * words > len(self._out.data):
            raise DriverError(E_MESSAGE, f"a job larger than the buffers of {len(self._in.data)} bytes")
        self._in.data[: len(data)] = data
        write, read = self._registers.write, self._registers.read
        write(REG_JOB_IN, self._in.address)
        write(REG_JOB_IN_WORDS, whole)
        write(REG_JOB_IN_BEATS, beats)
        write(REG_JOB_OUT, self._out.address)
        write(REG_JOB_OUT_WORDS, words)
        write(REG_CONTROL, CONTROL_START)
        ended = self._wait(timeout_s)
        errors = read(REG_STATUS) >> ERROR_SHIFT
        if errors:
            self.reset()
            named = [name for bit, name in enumerate(ERROR_NAMES) if errors >> bit & 1]
            raise DriverError(E_BUS, "a bus error when " + " and ".join(named))
        if not ended:
            self.reset()
            raise DriverError(E_TIME, f"no end after {timeout_s:g} s")
        return Done(bytes(self._out.data[: 8 * words]), read(REG_CYCLES), read(REG_LATENCY))

    def close(self) -> None:
        try:
            self._clear(0)
        finally:
            self._memory.close()
            self._registers.close()

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_message(stream: BinaryIO, kind: bytes, payload: bytes = b"") -> None:
    """A message: its length, its kind, and what it says."""
    stream.write(HEAD.pack(len(payload), kind[0]) + payload)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[bytes, bytes] | None:
    """The next message (kind, payload), or None at the end. Raises DriverError (E_MESSAGE)."""
    head = stream.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    size, kind = HEAD.unpack(head)
    if size > MOST_BYTES:
        raise DriverError(E_MESSAGE, f"no message: {head!r}")
    payload = stream.read(size)
    return None if len(payload) < size else (bytes([kind]), payload)


def serve(source: BinaryIO, sink: BinaryIO, open_design: Callable[[], Accelerator]) -> None:
    """Do what a host asks until it goes. open_design: called when the host says hello."""
    design = None
    try:
        sink.write(GREETING)
        sink.flush()
        while True:
            try:
                message = read_message(source)
                if message is None:
                    return
                kind, payload = message
                if kind == M_BYE:
                    write_message(sink, kind)
                    return
                if kind == M_HELLO and design is None:
                    design = open_design()
                if design is None:
                    raise DriverError(E_MESSAGE, "no hello came before")
                write_message(sink, kind, _answer(design, kind, payload))
            except DriverError as error:
                write_message(sink, M_ERROR, bytes([error.code]) + error.text.encode())
                if error.code == E_MESSAGE or design is None:
                    return
    except (BrokenPipeError, ConnectionResetError):
        pass
    finally:
        if design is not None:
            with suppress(DriverError):
                design.close()


def _answer(design: Accelerator, kind: bytes, payload: bytes) -> bytes:
    try:
        if kind == M_HELLO:
            regions = (*design.weight_words, 0, 0, 0)[:3]
            sizes = (design.in_beats, design.in_slot, design.result_words, BUFFER_BYTES)
            return HELLO.pack(VERSION, design.digest, *sizes, *regions)
        if kind == M_WEIGHTS:
            region, place = WEIGHTS.unpack_from(payload)
            design.load(region, place, payload[WEIGHTS.size :])
            return b""
        if kind == M_RESET:
            design.reset()
            return b""
        if kind == M_JOB:
            beats, words, milliseconds = JOB.unpack_from(payload)
            done = design.run(payload[JOB.size :], beats, words, milliseconds / 1000)
            return DONE.pack(done.cycles, done.latency) + done.data
    except struct.error:
        pass
    raise DriverError(E_MESSAGE, f"a message {kind!r} of {len(payload)} bytes")


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description="Serves a design of bhc to a host over standard input and output.")
    parser.add_argument("--registers", default="/dev/mem", help="/dev/mem, or the design's /dev/uio device")
    parser.add_argument("--base", type=lambda text: int(text, 0), default=BASE, help="address of the registers")
    parser.add_argument("--memory", default="", help="pynq, or a /dev/udmabuf device; else whichever is there")
    arguments = parser.parse_args()
    # Whatever libraries print must not get between the messages.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def open_design() -> Accelerator:
        path = arguments.memory or ("/dev/udmabuf0" if Path("/dev/udmabuf0").exists() else "pynq")
        registers = Registers(arguments.registers, arguments.base)
        return Accelerator(registers, PynqMemory() if path == "pynq" else UdmabufMemory(path))

    serve(sys.stdin.buffer, sink, open_design)


if __name__ == "__main__":
    main()
