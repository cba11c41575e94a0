"""7-series bitstreams by openXC7: nextpnr with the database of Project X-Ray, fasm2frames, xc7frames2bit.

What the database gets wrong in silence is not used: block RAM has two ports of 18 or 36 bits, and there are no memories
or shift registers of LUTs, no DSP, no MMCM. A netlist is checked for all of that before it is routed. What nextpnr says
of timing is an estimate.

Diagnostics: BHC545 the database is missing, BHC546 a cell that is not safe; BHC541, BHC543 and BHC544 as in
backends/bitstream.py.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bhc.backends.bitstream import (
    XC7_ROUTERS,
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
from bhc.backends.runner import Job, Tool, file_errors, run
from bhc.backends.synth import NETLIST
from bhc.boards import Board, Toolchain
from bhc.diagnostics import BhcError, fail

#: Folders that openXC7's installers make.
_HOMES = ("/snap/openxc7/current/opt/nextpnr-xilinx", "/opt/openxc7", "/opt/nextpnr-xilinx")
_XRAY_FAMILIES = {"xc7z": "zynq7", "xc7a": "artix7", "xc7s": "spartan7", "xc7k": "kintex7"}
_CHIPDB_VARIABLES = {
    "xc7z": "ZYNQ7_CHIPDB",
    "xc7a": "ARTIX7_CHIPDB",
    "xc7s": "SPARTAN7_CHIPDB",
    "xc7k": "KINTEX7_CHIPDB",
}
_FASM, _FRAMES, _FILE, _CONSTRAINTS = "routed.fasm", "frames.txt", "bitstream.bit", "pins.xdc"
_ROUTE_TIMEOUT_S, _PACK_TIMEOUT_S = 14400.0, 1800.0

_SAFE = frozenset(
    {"LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "INV", "FDRE", "FDSE", "FDCE", "FDPE", "CARRY4", "MUXF7", "MUXF8"}
    | {"IBUF", "OBUF", "BUFG", "PLLE2_BASE", "PS7", "GND", "VCC", "$scopeinfo"}
)
_BLOCK_RAM = {"RAMB18E1": (0, 18), "RAMB36E1": (0, 18, 36)}
_WIDTHS = ("READ_WIDTH_A", "READ_WIDTH_B", "WRITE_WIDTH_A", "WRITE_WIDTH_B")


@dataclass(frozen=True, slots=True)
class Database:
    """What is known of a part. chips: nextpnr-xilinx's (None for another nextpnr, which brings it); bits: prjxray's."""

    chips: Path | None
    bits: Path


def _router() -> Tool | None:
    return next((tool for tool in map(find, XC7_ROUTERS) if tool is not None), None)


def database(part: str) -> Database:
    """Of a part such as xc7z020clg400-1. Raises BhcError (BHC545)."""
    homes = [Path(home) for home in (*filter(None, [os.environ.get("NEXTPNR_XILINX_DIR")]), *_HOMES)]
    bits = [Path(os.environ["PRJXRAY_DB_DIR"])] if "PRJXRAY_DB_DIR" in os.environ else []
    bits += [home / "external" / "prjxray-db" for home in homes] + [home / "prjxray-db" for home in homes]
    family = _XRAY_FAMILIES.get(part[:4], part[:4])
    found = next((folder for folder in bits if (folder / family / part / "part.yaml").is_file()), None)
    if found is None:
        raise fail(
            "BHC545",
            f"the database of Project X-Ray for {part} was not found",
            hint=f"set PRJXRAY_DB_DIR to where {family}/{part}/part.yaml is (github.com/openXC7/prjxray-db)",
        )
    if find(XC7_ROUTERS[0]) is None:
        return Database(None, found / family)
    name = f"{part.rpartition('-')[0] or part}.bin"
    variables = (_CHIPDB_VARIABLES.get(part[:4], "CHIPDB"), "CHIPDB")
    chips = [Path(os.environ[variable]) for variable in variables if variable in os.environ]
    chips += [home / "chipdb" for home in homes] + [home / "share" / "chipdb" for home in homes]
    chip = next((folder / name for folder in chips if (folder / name).is_file()), None)
    if chip is None:
        raise fail(
            "BHC545",
            f"nextpnr-xilinx has no chip database {name}",
            hint=f"set {variables[0]} to its folder; to make it: bbaexport.py --device {part} --bba x.bba, then "
            f"bbasm -l x.bba {name}",
        )
    return Database(chip, found / family)


def unsafe(netlist: Mapping[str, Any]) -> Iterator[str]:
    """Cells of a flat netlist (Yosys's JSON) that the database may get wrong: name, type and why."""
    for module in netlist["modules"].values():
        for name, cell in module["cells"].items():
            kind, parameters = cell["type"], cell["parameters"]
            if kind in _BLOCK_RAM:
                widths = [int(str(parameters[width]), 2) for width in _WIDTHS if width in parameters]
                wrong = sorted({width for width in widths if width not in _BLOCK_RAM[kind]})
                if wrong or parameters.get("RAM_MODE", "TDP") != "TDP":
                    yield f"{name} ({kind}, {parameters.get('RAM_MODE', 'TDP')}, {'/'.join(map(str, wrong))} bits)"
            elif kind not in _SAFE:
                yield f"{name} ({kind})"


def _check(netlist: Path) -> None:
    """Raise BhcError (BHC546) if a cell is not safe."""
    with file_errors("read", netlist):
        modules = json.loads(netlist.read_text())["modules"]
    design = {name: module for name, module in modules.items() if not module.get("attributes", {}).get("blackbox")}
    found = list(unsafe({"modules": design}))
    if found:
        more = f", and {len(found) - 5} more" if len(found) > 5 else ""
        raise fail(
            "BHC546",
            f"cells that openXC7 may get wrong in silence: {', '.join(found[:5])}{more}",
            origin=str(netlist),
            hint="use --toolchain vivado; report it",
        )


def _place(board: Board, known: Database, clock_mhz: float) -> tuple[str, ...]:
    common = ("--json", NETLIST, "--freq", f"{clock_mhz:g}", "--seed", "1", "--timing-allow-fail")
    if known.chips is None:
        return (*common, "--device", board.part, "-o", f"xdc={_CONSTRAINTS}", "-o", f"fasm={_FASM}")
    return (*common, "--chipdb", str(known.chips), "--xdc", _CONSTRAINTS, "--fasm", _FASM)


def route(
    made: Synthesized, board: Board, workdir: Path, step: Callable[[str], AbstractContextManager[object]]
) -> Bitstream:
    """Check, place, route and pack. Raises BhcError (BHC501 to BHC504, BHC543 to BHC546)."""
    logs = (workdir / "logs").resolve()
    place, frames, pack = _router(), find("fasm2frames"), find("xc7frames2bit")
    if place is None or frames is None or pack is None:
        raise absent(board, Toolchain.OPENXC7)
    known = database(board.part)
    _check(made.folder / NETLIST)
    seconds = Seconds(made)
    log = logs / "bitstream-route.log"
    try:
        with step("placing and routing"), seconds.of("route"):
            run(Job(place, _place(board, known, made.clock_mhz), made.folder, log, _ROUTE_TIMEOUT_S))
    except BhcError as error:
        raise unroutable(error, log, board, made) from error
    with file_errors("read", log):
        text = log.read_text(errors="replace")
    fmax = _fmax(text)
    check_timing(fmax, made, log)
    bits = ("--part", board.part, "--db-root", str(known.bits), _FASM, _FRAMES)
    part = str(known.bits / board.part / "part.yaml")
    file = ("--part_file", part, "--part_name", board.part, "--frm_file", _FRAMES, "--output_file", _FILE)
    with step("packing"), seconds.of("pack"):
        run(Job(frames, bits, made.folder, logs / "bitstream-frames.log", _PACK_TIMEOUT_S))
        run(Job(pack, file, made.folder, logs / "bitstream-pack.log", _PACK_TIMEOUT_S))
    return finished(made, Toolchain.OPENXC7, _FILE, fmax, _use(text), seconds)


def _fmax(log: str) -> float | None:
    """Of the slowest clock, after routing: the last that nextpnr says of each."""
    clocks = dict(re.findall(r"Max frequency for clock\s+'([^']+)': ([\d.]+) MHz", log))
    return min(map(float, clocks.values()), default=None)


def _use(log: str) -> tuple[Use, ...]:
    rows = re.findall(r"^Info:\s+([A-Z]\w+):\s*(\d+)/\s*(\d+)\s+\d+%", log, re.MULTILINE)
    return tuple(Use(unit, int(used), int(there)) for unit, used, there in dict.fromkeys(rows) if int(used))
