"""A project of Vivado for a 7-series board, down to the bitstream; and running it, where Vivado is installed.

The plan, for the folder `vivado` beside the sources:

    vivado.tcl       makes the project, implements it, writes the bitstream and reports
    memory.tcl       before synthesis: puts the memory images where Vivado looks for them
    settings.tcl     what they need to know of the design
    bhc_zynq_bd.v    Zynq only: bhc_zynq as a block design takes it
    zynq.tcl         Zynq only: procedures for block designs
    ps7.tcl          Zynq only: the processing system of a board that bhc knows

Diagnostics: BHC543 the design does not fit, BHC544 it is too slow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.resources import files
from pathlib import Path

from bhc.backends import pins
from bhc.backends.bitstream import (
    PROJECT,
    Bitstream,
    Seconds,
    Synthesized,
    Use,
    absent,
    check_timing,
    find,
    finished,
    unroutable,
)
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import comment
from bhc.backends.runner import Job, file_errors, run, write
from bhc.backends.vitis import processing_system, word
from bhc.backends.zynq import TOP as CORE
from bhc.backends.zynq import Port, masters, ports
from bhc.boards import Board, Shell, Toolchain
from bhc.diagnostics import BhcError
from bhc.ir.pipeline import Pipeline

#: The wrapper: Vivado takes plain Verilog alone into a block design.
TOP = "bhc_zynq_bd"
_SCRIPT, _MEMORY = "vivado.tcl", "memory.tcl"
_FILE, _TIMING, _UTILIZATION = "bitstream.bit", "timing.rpt", "utilization.rpt"
_TIMEOUT_S = 14400.0
_BACKENDS = files("bhc") / "backends"


def _attributes(port: Port, declared: tuple[Port, ...]) -> Iterator[str]:
    """What Vivado is told of a port; parameters of a bus are given once, at the address of its reading half."""
    _, _, name = port
    if name == "aclk":
        everything = ":".join(["s_axi", *masters(declared)])
        yield '(* X_INTERFACE_INFO = "xilinx.com:signal:clock:1.0 aclk CLK" *)'
        yield f'(* X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF {everything}, ASSOCIATED_RESET aresetn" *)'
    elif name == "aresetn":
        yield '(* X_INTERFACE_INFO = "xilinx.com:signal:reset:1.0 aresetn RST" *)'
        yield '(* X_INTERFACE_PARAMETER = "POLARITY ACTIVE_LOW" *)'
    elif name == "irq_o":
        yield '(* X_INTERFACE_INFO = "xilinx.com:signal:interrupt:1.0 irq_o INTERRUPT" *)'
        yield '(* X_INTERFACE_PARAMETER = "SENSITIVITY LEVEL_HIGH" *)'
    else:
        bus, _, signal = name.rpartition("_")
        yield f'(* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 {bus} {signal.upper()}" *)'
        if signal == "araddr":
            writes = any(other == f"{bus}_awaddr" for _, _, other in declared)
            kind = (
                "PROTOCOL AXI4LITE, DATA_WIDTH 32, ADDR_WIDTH 12"
                if bus == "s_axi"
                else "PROTOCOL AXI3, DATA_WIDTH 64, ADDR_WIDTH 32, ID_WIDTH 0, MAX_BURST_LENGTH 16"
            )
            mode = "READ_WRITE" if writes else "READ_ONLY"
            yield f'(* X_INTERFACE_PARAMETER = "{kind}, READ_WRITE_MODE {mode}" *)'


def _wrapper(pipeline: Pipeline) -> str:
    declared = ports(pipeline)
    lines = []
    for port in declared:
        kind, bits, name = port
        lines.append(
            "\n".join((*_attributes(port, declared), f"{kind:6} wire {f'[{bits - 1}:0] ' if bits > 1 else ''}{name}"))
        )
    body = ",\n".join("  " + line.replace("\n", "\n  ") for line in lines)
    connected = ",\n".join(f"    .{name}({name})" for _, _, name in declared)
    return f"""\
// {comment(pipeline.name)}: bhc_zynq, for a block design of Vivado.
module {TOP} (
{body}
);
  {CORE} u_design (
{connected}
  );
endmodule
"""


def _settings(pipeline: Pipeline, board: Board, clock_mhz: float) -> str:
    zynq = board.shell is Shell.ZYNQ
    buses = masters(ports(pipeline)) if zynq else []
    return "\n".join(
        [
            "# What the scripts need to know of this design: masters are its buses to memory.",
            f"set part {word(board.part)}",
            f"set board {word(board.name)}",
            f"set clock_mhz {clock_mhz:.12g}",
            f"set zynq {int(zynq)}",
            f"set top {'system_wrapper' if zynq else pins.TOP}",
            f"set masters {{{' '.join(buses)}}}",
            "",
        ]
    )


def project(pipeline: Pipeline, board: Board, clock_mhz: float) -> BuildPlan:
    """The files. Pure."""
    plan: dict[str, bytes | str] = {name: (_BACKENDS / name).read_bytes() for name in (_SCRIPT, _MEMORY)}
    plan["settings.tcl"] = _settings(pipeline, board, clock_mhz)
    if board.shell is Shell.ZYNQ:
        plan[f"{TOP}.v"] = _wrapper(pipeline)
        plan |= processing_system(board.name)
    return BuildPlan(plan)


def write_project(pipeline: Pipeline, board: Board, made: Synthesized) -> None:
    """Write the project beside the sources. Raises BhcError (BHC504)."""
    if board.shell is not None:
        write(project(pipeline, board, made.clock_mhz), (made.folder / PROJECT).parent)


def implement(
    made: Synthesized, board: Board, workdir: Path, step: Callable[[str], AbstractContextManager[object]]
) -> Bitstream:
    """Have Vivado make the bitstream. Raises BhcError (BHC501 to BHC504, BHC541, BHC543, BHC544)."""
    tool = find("vivado")
    if tool is None:
        raise absent(board, Toolchain.VIVADO)
    folder, log = (made.folder / PROJECT).parent, (workdir / "logs").resolve() / "bitstream-vivado.log"
    seconds = Seconds(made)
    for report in (_TIMING, _UTILIZATION):
        (folder / report).unlink(missing_ok=True)
    try:
        with step("Vivado"), seconds.of("vivado"):
            run(Job(tool, ("-mode", "batch", "-source", _SCRIPT), folder, log, _TIMEOUT_S))
    except BhcError as error:
        text = log.read_text(errors="replace") if log.is_file() else ""
        if "timing is not met" in text:
            check_timing(_fmax(folder / _TIMING, made.clock_mhz), made, log)
        if re.search(r"over-?utilized|UTLZ-|Place 30-", text):
            raise unroutable(error, log, board, made) from error
        raise
    use = tuple(_use(folder / _UTILIZATION))
    return finished(made, Toolchain.VIVADO, _FILE, _fmax(folder / _TIMING, made.clock_mhz), use, seconds)


def _fmax(report: Path, clock_mhz: float) -> float | None:
    """By the worst slack of report_timing_summary; None if no path has one."""
    with file_errors("read", report):
        text = report.read_text(errors="replace")
    found = re.search(r"^\s*WNS\(ns\).*\n[\s-]+\n\s*(-?[\d.]+)\s", text, re.MULTILINE)
    return None if found is None else 1000 / (1000 / clock_mhz - float(found[1]))


_ROWS = {"Slice LUTs": "LUT", "Slice Registers": "FF", "RAMB36/FIFO": "RAMB36", "RAMB18": "RAMB18", "DSPs": "DSP"}


def _use(report: Path) -> Iterator[Use]:
    """Rows of report_utilization: name, used, fixed, perhaps prohibited, available, percent."""
    with file_errors("read", report):
        lines = report.read_text(errors="replace").splitlines()
    for line in lines:
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        unit = _ROWS.get(cells[0].rstrip("*")) if cells else None
        if unit is not None and cells[1].isdigit() and cells[-2].isdigit() and int(cells[1]):
            yield Use(unit, int(cells[1]), int(cells[-2]))
