"""The netlist of a design: Verilog of a family's cells by Yosys, and models of the cells to simulate it with.

Every stage stays a module, so that the streams between them keep their names. Logic, carry chains and memories of LUTs
are simulated with Yosys' own models, from where it is installed; block RAMs, which are black boxes there, and
flip-flops with those of backends/cells.

Diagnostics: BHC515 a cell, or a mode of it, has no model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

from bhc.backends import synth
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import TOP, emit
from bhc.backends.runner import Job, file_errors, find_yosys, replace, run, write
from bhc.diagnostics import BhcError, fail
from bhc.ir.fabric import Family
from bhc.ir.pipeline import Pipeline

_FILE = "netlist.v"
_STAMP = "digest.txt"
_TIMEOUT_S = 7200.0
#: How a model says that it cannot be in a mode: to Verilator, or when it is simulated.
_REFUSED = re.compile(r"%(?:Error-USERFATAL|Fatal|Error): .*netlist: (.* has no model)")


@dataclass(frozen=True, slots=True)
class _Models:
    """Of a family: Yosys' file of models, in its share folder; the types of cells that have one, there or here."""

    library: str
    cells: frozenset[str]


@dataclass(frozen=True, slots=True)
class Netlist:
    """A netlist: Verilog. top: its top module, called as the design's."""

    family: Family
    text: str
    top: str = TOP


def _cells(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LUTS = "LUT1 LUT2 LUT3 LUT4 "
_MODELS: Mapping[Family, _Models] = {
    Family.XC7: _Models(
        "xilinx/cells_sim.v",
        _cells(
            _LUTS + "LUT5 LUT6 INV MUXF7 MUXF8 CARRY4 FDRE FDSE SRL16E SRLC16E SRLC32E RAMB18E1 RAMB36E1 RAM32M RAM64M "
            "RAM32X1S RAM64X1S RAM128X1S RAM256X1S RAM32X1D RAM64X1D RAM128X1D"
        ),
    ),
    Family.ECP5: _Models(
        "lattice/cells_sim_ecp5.v", _cells("LUT4 PFUMX L6MUX21 CCU2C TRELLIS_FF TRELLIS_DPR16X4 DP16KD")
    ),
    Family.ICE40: _Models(
        "ice40/cells_sim.v",
        _cells("SB_LUT4 SB_CARRY SB_RAM40_4K SB_DFF SB_DFFE SB_DFFSR SB_DFFSS SB_DFFESR SB_DFFESS"),
    ),
    Family.GOWIN: _Models(
        "gowin/cells_sim.v",
        _cells(
            _LUTS + "MUX2_LUT5 MUX2_LUT6 MUX2_LUT7 MUX2_LUT8 ALU GND VCC INV RAM16SDP4 DFF DFFE DFFS DFFSE DFFR DFFRE "
            "SP SPX9 DPB DPX9B SDPB SDPX9B"
        ),
    ),
}


def _script(family: Family, top: str, stages: str) -> str:
    """Yosys: what `stages` selects is mapped alone, all else as one module."""
    keep = f"setattr -mod -set keep_hierarchy 1 {stages}" if stages else ""
    return f"""\
read_verilog -defer -sv rtl/*.sv
hierarchy -top {top}
{synth.prepare(family)}
{keep}
{synth.command(family, pads=False)} -top {top}
setattr -mod -unset keep_hierarchy *
setattr -unset keep_hierarchy */c:*
{keep}
flatten
delete */t:$scopeinfo
clean
tee -q -o {synth.CELLS} stat -json
write_verilog -noattr {_FILE}
"""


def synthesize(pipeline: Pipeline, family: Family, workdir: Path) -> Netlist:
    """Map a design to a family's cells, each stage alone. workdir: gets logs/, and build/netlist, kept until the design
    changes.

    Raises BhcError (BHC501..BHC504, BHC515).
    """
    script = _script(family, TOP, f"{TOP}/c:u_* %M")
    return _synthesize(emit(pipeline), family, TOP, script, workdir / "build" / "netlist", workdir / "logs")


def flatten(sources: BuildPlan, family: Family, top: str, workdir: Path) -> Netlist:
    """Map a design as one module, its shell included. workdir: gets logs/, and build/netlist-<top>.

    Raises BhcError (BHC501..BHC504, BHC515).
    """
    script = _script(family, top, "")
    return _synthesize(sources, family, top, script, workdir / "build" / f"netlist-{top}", workdir / "logs")


def _synthesize(plan: BuildPlan, family: Family, top: str, script: str, folder: Path, logs: Path) -> Netlist:
    directory, log = folder.resolve(), (logs / f"{folder.name}-synth.log").resolve()
    sources = plan | BuildPlan({"synth.ys": script})
    made_of = f"{(sources | BuildPlan({'tool': synth.tool_version()})).digest()}\n"
    stamp, result = directory / _STAMP, directory / _FILE
    with file_errors("read", stamp):
        current = result.is_file() and stamp.is_file() and stamp.read_text() == made_of
    if not current:
        with file_errors("write", stamp):
            stamp.unlink(missing_ok=True)
        write(sources, directory)
        run(Job(find_yosys(), ("synth.ys",), directory, log, _TIMEOUT_S))
        with file_errors("read", directory):
            _check(json.loads((directory / synth.CELLS).read_text())["modules"], family)
        replace(stamp, made_of)
    with file_errors("read", result):
        return Netlist(family, result.read_text(), top)


def _check(modules: Mapping[str, Mapping[str, Any]], family: Family) -> None:
    """Raises BhcError (BHC515) for cells without a model."""
    names = {name.removeprefix("\\") for name in modules}
    used = {cell for module in modules.values() for cell in module["num_cells_by_type"]}
    missing = sorted(used - names - _MODELS[family].cells)
    if missing:
        raise _unknown(f"of the netlist for {family}, {', '.join(missing)} has no model")


def _unknown(message: str) -> BhcError:
    return fail("BHC515", message, hint="this is a limit of the netlist simulation; bhc cosim --backend rtl has none")


def refused(error: BhcError, log: Path) -> BhcError:
    """What it means that Verilator or the simulator failed: that a model refused its mode (BHC515), or nothing else."""
    with file_errors("read", log):
        found = _REFUSED.search(log.read_text(errors="replace"))
    return error if found is None else _unknown(found[1])


def plan(made: Netlist, around: BuildPlan | None = None) -> BuildPlan:
    """A netlist, and the models of this package that its family needs, in place of the SystemVerilog and the memory
    images of a plan.
    """
    folder = files("bhc") / "backends" / "cells"
    names = (f"{made.family}.sv", *(("bhc_block_ram.sv",) if made.family is not Family.ICE40 else ()))
    models = BuildPlan({f"rtl/{name}": (folder / name).read_bytes() for name in names})
    kept = {} if around is None else around.files
    others = {name: data for name, data in kept.items() if not name.startswith(("rtl/", "mem/"))}
    return models | BuildPlan({f"rtl/{made.top}.sv": made.text}) | BuildPlan(others)


def options(family: Family) -> tuple[str, ...]:
    """Verilator's options for Yosys' models, of which those of this package take the place.

    Raises BhcError (BHC501) if they are not beside Yosys.
    """
    path = _share() / _MODELS[family].library
    if not path.is_file():
        raise fail(
            "BHC501",
            f"Yosys' models of its cells ({_MODELS[family].library}) were not found",
            hint="pip install 'bhc[tools]' (or pip install pyosys)",
        )
    warnings = ("-Werror-USERFATAL", "-Wno-MODDUP", "-Wno-SPECIFYIGN", "-Wno-PINMISSING")
    return (f"-I{path.parent}", "-v", str(path), *warnings)


def _share() -> Path:
    """Yosys' data: the wheel's, else the system's."""
    spec = find_spec("pyosys")
    if spec is not None and spec.submodule_search_locations:
        return Path(spec.submodule_search_locations[0]) / "share"
    program = which("yosys")
    return Path(program).resolve().parent.parent / "share" / "yosys" if program is not None else Path()
