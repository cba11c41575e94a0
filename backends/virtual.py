"""The virtual board: the design with its UART, simulated by Verilator down to the pins, behind a pseudo-terminal.

The simulator is built in DIR/build/board and kept until the design changes.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType

from bhc.backends import netlist
from bhc.backends.plan import BuildPlan
from bhc.backends.runner import end, file_errors, find_verilator, tail, write
from bhc.backends.shell import TOP, emit_uart
from bhc.backends.verilated import FLAGS, clear, compile_program, is_current, recipe, verilate
from bhc.diagnostics import fail
from bhc.ir.fabric import Family
from bhc.ir.pipeline import Pipeline

_DRIVER = "board_driver.cpp"
#: As few as the UART can do with: simulated time is dear.
CLOCKS_PER_BIT = 4
_GRACE_S = 10.0


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong on the way, for tests.

    every: a fault about every so many bytes in each direction (0: none), drawn with `seed`. unplug: the cable is
    pulled after so many bytes from the host (0: never).
    """

    every: int = 0
    seed: int = 1
    unplug: int = 0


NO_FAULTS = Faults()


def build(pipeline: Pipeline, workdir: Path, family: Family | None = None) -> Path:
    """The program that simulates the board. family: simulate the netlist for it, mapped as one module with the shell.

    Raises BhcError (BHC501..BHC504; of a netlist BHC515).
    """
    name = "board" if family is None else "board-netlist"
    directory, logs = (workdir / "build" / name).resolve(), (workdir / "logs").resolve()
    driver = BuildPlan({_DRIVER: (files("bhc") / "backends" / _DRIVER).read_bytes()})
    sources, cells = emit_uart(pipeline, CLOCKS_PER_BIT) | driver, tuple[str, ...]()
    if family is not None:
        mapped = netlist.flatten(emit_uart(pipeline, CLOCKS_PER_BIT), family, TOP, workdir)
        sources, cells = netlist.plan(mapped, sources), netlist.options(family)
    made_of = recipe(sources)
    write(sources, directory)
    if is_current(directory, made_of):
        return directory / "simulator"
    clear(directory)
    tool, _ = find_verilator()
    verilate(tool, sources, TOP, directory, logs / f"{name}-verilator.log", (*FLAGS, "--Mdir", "model", *cells))
    return compile_program(directory, logs, name, _DRIVER, made_of)


class VirtualBoard:
    """A running board; `terminal` is the path of its serial port. It ends with `close`, or with this process."""

    def __init__(self, simulator: Path, faults: Faults = NO_FAULTS, clocks: int = CLOCKS_PER_BIT) -> None:
        self.cycles = 0
        log = simulator.parent / "board.log"
        with file_errors("write", log), log.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(simulator), *(str(n) for n in (clocks, faults.seed, faults.every, faults.unplug))],
                cwd=simulator.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self.terminal = self._process.stdout.readline().decode().strip()
        if not self.terminal:
            self._process.wait()
            raise fail("BHC502", f"the virtual board does not start:\n{tail(log)}", origin=str(log))

    def close(self) -> None:
        """End the simulation; `cycles` then tells how long it was."""
        if self._process.poll() is not None:
            return
        try:
            out, _ = self._process.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            end(self._process)
            return
        word, _, count = out.partition(b" ")
        self.cycles = int(count) if word == b"cycles" else 0

    def __enter__(self) -> VirtualBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
