"""The virtual board: the design with its UART, simulated by Verilator down to the pins, behind a pseudo-terminal.

The simulator is built in DIR/build/board and kept until the design changes.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Self

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


def program(
    design: BuildPlan, top: str, driver: str, others: BuildPlan, name: str, workdir: Path, family: Family | None
) -> Path:
    """The program that simulates a board: a design with its shell, in Verilator, inside a driver of backends/.

    others: what else the driver includes. name: of the folder in DIR/build, and of the logs. family: simulate the
    netlist for it, mapped as one module with the shell. Raises BhcError (BHC501..BHC504; of a netlist BHC515).
    """
    name = name if family is None else f"{name}-netlist"
    directory, logs = (workdir / "build" / name).resolve(), (workdir / "logs").resolve()
    around = others | BuildPlan({driver: (files("bhc") / "backends" / driver).read_bytes()})
    sources, cells = design | around, tuple[str, ...]()
    if family is not None:
        sources = netlist.plan(netlist.flatten(design, family, top, workdir), sources)
        cells = netlist.options(family)
    made_of = recipe(sources)
    write(sources, directory)
    if is_current(directory, made_of):
        return directory / "simulator"
    clear(directory)
    tool, _ = find_verilator()
    verilate(tool, sources, top, directory, logs / f"{name}-verilator.log", (*FLAGS, "--Mdir", "model", *cells))
    return compile_program(directory, logs, name, driver, made_of)


def build(pipeline: Pipeline, workdir: Path, family: Family | None = None) -> Path:
    """The program that simulates a board with a UART: see `program`."""
    return program(emit_uart(pipeline, CLOCKS_PER_BIT), TOP, _DRIVER, BuildPlan({}), "board", workdir, family)


class Running:
    """A simulated board that runs, until `close` or the end of this process. greeting: its first line, once ready."""

    def __init__(self, simulator: Path, *arguments: object) -> None:
        self.cycles = 0
        log = simulator.parent / "board.log"
        with file_errors("write", log), log.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(simulator), *map(str, arguments)],
                cwd=simulator.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        assert self._process.stdout is not None
        self.greeting = self._process.stdout.readline().decode().strip()
        if not self.greeting:
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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class VirtualBoard(Running):
    """A running board; `terminal` is the path of its serial port."""

    def __init__(self, simulator: Path, faults: Faults = NO_FAULTS, clocks: int = CLOCKS_PER_BIT) -> None:
        super().__init__(simulator, clocks, faults.seed, faults.every, faults.unplug)
        self.terminal = self.greeting
