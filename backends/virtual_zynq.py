"""The virtual Zynq: the design with its shell, simulated by Verilator, and memory; programs reach both as on a board.

The simulator is built in DIR/build/zynq and kept until the design changes. bhc.zynq_server has the programs' part.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from bhc.backends.plan import BuildPlan
from bhc.backends.runner import file_errors
from bhc.backends.virtual import Running, program
from bhc.backends.zynq import TOP, emit_zynq, masters, ports
from bhc.ir.fabric import Family
from bhc.ir.pipeline import Pipeline

_DRIVER = "zynq_board.cpp"
_MODEL = "axi_memory.hpp"
#: In the directory of a running one: the socket and the file that are its registers and its memory.
SOCKET, MEMORY = "registers", "memory"
#: Address of the memory.
BASE = 0x1000_0000
#: Of memory, besides the weights: for all other buffers.
_BUFFER_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Faults:
    """How the memory behaves, and what goes wrong, for tests.

    latency, jitter: clock cycles from an address to its first word, and at most so many more. pause: of 256 cycles, in
    phases, so many in which it does not move. refresh: every so many cycles it rests for refresh_cycles. break_read,
    break_write: after so many words read, or bursts written, each has a bus error; hang: after so many words read, none
    comes any more; None: never.
    """

    latency: int = 30
    jitter: int = 30
    pause: int = 64
    refresh: int = 780
    refresh_cycles: int = 40
    break_read: int | None = None
    break_write: int | None = None
    hang: int | None = None
    seed: int = 1


NO_FAULTS = Faults()


def build(pipeline: Pipeline, workdir: Path, family: Family | None = None) -> Path:
    """The program that simulates the Zynq: see `virtual.program`."""
    others = BuildPlan(
        {
            _MODEL: (files("bhc") / "backends" / _MODEL).read_bytes(),
            "zynq_ports.inc": "".join(f"READER({name})\n" for name in masters(ports(pipeline))),
        }
    )
    return program(emit_zynq(pipeline), TOP, _DRIVER, others, "zynq", workdir, family)


def _memory_bytes(pipeline: Pipeline) -> int:
    # Weights with what their buffers are rounded to, and gaps.
    return _BUFFER_BYTES + sum(8 * item.memory.depth + 2 * 4096 for item in pipeline.external)


class VirtualZynq(Running):
    """A running Zynq; `directory` is where programs reach it."""

    def __init__(self, simulator: Path, pipeline: Pipeline, faults: Faults = NO_FAULTS) -> None:
        self._folder = TemporaryDirectory(prefix="bhc-")
        self.directory = Path(self._folder.name)
        memory, size = self.directory / MEMORY, _memory_bytes(pipeline)
        with file_errors("write", memory), memory.open("wb") as file:
            file.truncate(size)
        timing = (faults.latency, faults.jitter, faults.pause, faults.refresh, faults.refresh_cycles)
        breaks = (-1 if count is None else count for count in (faults.break_read, faults.break_write, faults.hang))
        super().__init__(simulator, self.directory / SOCKET, memory, size, BASE, faults.seed, *timing, *breaks)

    def close(self) -> None:
        super().close()
        self._folder.cleanup()
