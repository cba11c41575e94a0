"""The virtual Zynq: the design with its shell, simulated by Verilator, and memory; programs reach both as on a board.

The simulator is built in DIR/build/zynq and kept until the design changes. bhc.zynq_server has the programs' part.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from bhc.backends import netlist
from bhc.backends.plan import BuildPlan
from bhc.backends.runner import end, file_errors, find_verilator, tail, write
from bhc.backends.verilated import FLAGS, clear, compile_program, is_current, recipe, verilate
from bhc.backends.zynq import TOP, emit_zynq
from bhc.diagnostics import fail
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
_GRACE_S = 10.0


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
    """The program that simulates the Zynq. family: simulate the netlist for it, mapped as one module with the shell.

    Raises BhcError (BHC501..BHC504; of a netlist BHC515).
    """
    name = "zynq" if family is None else "zynq-netlist"
    directory, logs = (workdir / "build" / name).resolve(), (workdir / "logs").resolve()
    masters = ("m_axi", *(f"m_axi_w{number}" for number in range(len(pipeline.external))))
    texts: dict[str, bytes | str] = {
        name: (files("bhc") / "backends" / name).read_bytes() for name in (_DRIVER, _MODEL)
    }
    texts["zynq_ports.inc"] = "".join(f"READER({name})\n" for name in masters)
    sources, cells = emit_zynq(pipeline) | BuildPlan(texts), tuple[str, ...]()
    if family is not None:
        mapped = netlist.flatten(emit_zynq(pipeline), family, TOP, workdir)
        sources, cells = netlist.plan(mapped, sources), netlist.options(family)
    made_of = recipe(sources)
    write(sources, directory)
    if is_current(directory, made_of):
        return directory / "simulator"
    clear(directory)
    tool, _ = find_verilator()
    verilate(tool, sources, TOP, directory, logs / f"{name}-verilator.log", (*FLAGS, "--Mdir", "model", *cells))
    return compile_program(directory, logs, name, _DRIVER, made_of)


def _memory_bytes(pipeline: Pipeline) -> int:
    # Weights with what their buffers are rounded to, and gaps.
    return _BUFFER_BYTES + sum(8 * item.memory.depth + 2 * 4096 for item in pipeline.external)


class VirtualZynq:
    """A running Zynq; `directory` is where programs reach it. It ends with `close`, or with this process."""

    def __init__(self, simulator: Path, pipeline: Pipeline, faults: Faults = NO_FAULTS) -> None:
        self.cycles = 0
        self._folder = TemporaryDirectory(prefix="bhc-")
        self.directory = Path(self._folder.name)
        memory, size = self.directory / MEMORY, _memory_bytes(pipeline)
        with file_errors("write", memory), memory.open("wb") as file:
            file.truncate(size)
        timing = (faults.latency, faults.jitter, faults.pause, faults.refresh, faults.refresh_cycles)
        breaks = (-1 if count is None else count for count in (faults.break_read, faults.break_write, faults.hang))
        numbers = (size, BASE, faults.seed, *timing, *breaks)
        log = simulator.parent / "zynq.log"
        with file_errors("write", log), log.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(simulator), str(self.directory / SOCKET), str(memory), *map(str, numbers)],
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
