"""Bitstreams: Yosys, nextpnr and the packers of ECP5, iCE40 and Gowin, from wheels or from the system.

A 7-series design gets its netlist and figures here; what makes a bitstream of it is Vivado (backends/vivado.py) or
openXC7 (backends/openxc7.py).

Diagnostics: BHC541 a toolchain is missing, BHC542 it is not for this board, BHC543 the design does not fit, BHC544
it is too slow.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from time import monotonic
from typing import assert_never

from bhc.backends import pins, ps7
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import TOP as CORE
from bhc.backends.rtl import emit as emit_core
from bhc.backends.runner import Job, Tool, file_errors, find_yosys, run, tail, write
from bhc.backends.shell import BAUD
from bhc.backends.synth import CELLS, NETLIST, Area, command, measured, prepare
from bhc.boards import Board, Shell, Toolchain
from bhc.diagnostics import BhcError, fail
from bhc.ir.fabric import Family, fabric
from bhc.ir.pipeline import Pipeline, Resources

_FIGURES = "figures.json"
#: Where all of it is made, in the folder of a build; and in that, what Vivado is given.
FOLDER = "build/bitstream"
PROJECT = "vivado/vivado.tcl"
_SYNTH_TIMEOUT_S, _ROUTE_TIMEOUT_S, _PACK_TIMEOUT_S = 7200.0, 7200.0, 600.0


@dataclass(frozen=True, slots=True)
class Use:
    """Of one kind of cell: how many the design takes, of how many."""

    unit: str
    used: int
    available: int


@dataclass(frozen=True, slots=True)
class Bitstream:
    """What was built.

    file: the bitstream's name in the folder; None if only the netlist was made. bytes, sha256: its size and digest.
    clock_mhz: the design's clock. fmax_mhz: what place and route reached for it; None if nothing was routed.
    resources: of the synthesised whole, the shell included. use: cells after packing, by the names of the tool.
    seconds: of each step. baud: of the board's UART, if it has one.
    """

    toolchain: Toolchain | None
    file: str | None
    bytes: int
    sha256: str | None
    clock_mhz: float
    fmax_mhz: float | None
    resources: Resources
    use: tuple[Use, ...]
    seconds: Mapping[str, float]
    baud: int | None = None


@dataclass(frozen=True, slots=True)
class _Router:
    """How nextpnr is called for a family: its programs, and the bitstream's name."""

    place: str
    pack: str
    routed: str
    file: str


_ROUTERS: Mapping[Family, _Router] = {
    Family.ICE40: _Router("nextpnr-ice40", "icepack", "routed.asc", "bitstream.bin"),
    Family.ECP5: _Router("nextpnr-ecp5", "ecppack", "routed.config", "bitstream.bit"),
    Family.GOWIN: _Router("nextpnr-himbaechel-gowin", "gowin_pack", "routed.json", "bitstream.fs"),
}


def find(name: str) -> Tool | None:
    """A program of a wheel in this Python's environment (YoWASP's have a prefix), else the system's."""
    beside = Path(sys.executable).parent
    for word in (f"yowasp-{name}", name):
        if (beside / word).is_file():
            return Tool((str(beside / word),))
    for word in (f"yowasp-{name}", name):
        path = which(word)
        if path is not None:
            return Tool((path,))
    return None


#: What can place and route 7-series with the database of Project X-Ray: the first that is there.
XC7_ROUTERS = ("nextpnr-xilinx", "nextpnr-himbaechel")


def programs(chain: Toolchain, family: Family) -> tuple[tuple[str, ...], ...]:
    """Those that a toolchain needs for a family, the main one first; of several names one is enough."""
    match chain:
        case Toolchain.NEXTPNR:
            return (_ROUTERS[family].place,), (_ROUTERS[family].pack,)
        case Toolchain.VIVADO:
            return (("vivado",),)
        case Toolchain.OPENXC7:
            return XC7_ROUTERS, ("fasm2frames",), ("xc7frames2bit",)
        case _:
            assert_never(chain)


def is_installed(chain: Toolchain, family: Family) -> bool:
    """Whether all of a toolchain's programs for a family are there."""
    return all(any(find(name) is not None for name in names) for names in programs(chain, family))


#: How to get a toolchain.
HINTS: Mapping[Toolchain, str] = {
    Toolchain.NEXTPNR: "pip install 'bhc[build]'",
    Toolchain.VIVADO: "AMD Vivado (its free edition will do), with vivado on PATH",
    Toolchain.OPENXC7: "openXC7 (github.com/openXC7/toolchain-installer), with nextpnr-xilinx, fasm2frames and "
    "xc7frames2bit on PATH",
}


def choose(board: Board, asked: str) -> Toolchain | None:
    """The toolchain to use; None if it, or any of the board's, is not installed. Raises BhcError (BHC542)."""
    if asked != "auto" and asked not in board.toolchains:
        raise fail(
            "BHC542",
            f"makes no bitstreams for {board.name}",
            origin=f"--toolchain {asked}",
            hint=f"use {' or '.join(board.toolchains)}",
        )
    return next((chain for chain in _asked(board, asked) if is_installed(chain, board.family)), None)


def _asked(board: Board, asked: str) -> Sequence[Toolchain]:
    return board.toolchains if asked == "auto" else (Toolchain(asked),)


def absent(board: Board, asked: str) -> BhcError:
    """That a board has no toolchain."""
    chains = _asked(board, asked)
    missing = f"{' and '.join(chains)} {'is' if len(chains) == 1 else 'are'} missing"
    project = "" if board.shell is None else f", Vivado's project {FOLDER}/{PROJECT}"
    kept = f"the netlist is {FOLDER}/{NETLIST}{project}"
    ways = " or ".join(HINTS[chain] for chain in chains)
    return fail(
        "BHC541",
        f"no bitstream was made for {board.name}: {missing if chains else 'its file names no toolchain'}",
        hint="; ".join(filter(None, (ways, kept if board.family is Family.XC7 else ""))),
    )


#: What openXC7 is safe with: both ports of a block RAM 18 or 36 bits wide, no memories or shift registers of LUTs.
_SAFE = "-nolutram -nosrl"
_SAFE_MEMORY = "safe_brams.txt"
_SAFE_BLOCK_RAM = """\
ram block $__XILINX_BLOCKRAM_TDP_ {
  byte 9;
  option "MODE" "HALF" {
    abits 14;
    widths 1 2 4 9 18 per_port;
    cost 129;
  }
  option "MODE" "FULL" {
    abits 15;
    widths 1 2 4 9 18 36 per_port;
    cost 257;
  }
  init any;
  port srsw "A" "B" {
    option "MODE" "HALF" {
      width mix 18;
    }
    option "MODE" "FULL" {
      width mix 18 36;
    }
    clock posedge;
    clken;
    rdsrst any gated_clken;
    rdinit any;
    portoption "WRITE_MODE" "NO_CHANGE" {
      rdwr no_change;
    }
    portoption "WRITE_MODE" "READ_FIRST" {
      rdwr old;
      wrtrans all old;
    }
    optional_rw;
  }
}
"""


def _mapping(family: Family, top: str, *, pads: bool, safe: bool) -> str:
    """The lines that map a design. safe: for openXC7."""
    # synth_gowin leaves out what nextpnr does not know only if it writes JSON itself.
    own = f" -json {NETLIST}" if family is Family.GOWIN else ""
    whole = f"{command(family, pads=pads)} -top {top}{own}"
    if not safe:
        return f"{prepare(family)}\n{whole}"
    return f"""\
proc
setattr -set ram_style "auto" a:ram_style=distributed
{whole} {_SAFE} -run begin:map_memory
memory_libmap -lib {_SAFE_MEMORY}
techmap -map +/xilinx/brams_xc6v_map.v
{whole} {_SAFE} -run map_ffram:"""


def _script(family: Family, top: str, *, pads: bool, safe: bool) -> str:
    """Yosys: from the sources to a flat netlist. Modules that the library maps whole are flattened at the end."""
    technology = " -tech xilinx" if family is Family.XC7 else ""
    return f"""\
read_verilog -defer -sv rtl/*.sv
hierarchy -top {top}
{_mapping(family, top, pads=pads, safe=safe)}
setattr -mod -unset keep_hierarchy *
setattr -unset keep_hierarchy */c:*
flatten
clean
tee -q -o {CELLS} stat -json{technology}
write_json {NETLIST}
"""


def _place(board: Board, constraints: str, clock_mhz: float) -> tuple[str, ...]:
    """Arguments of nextpnr."""
    router = _ROUTERS[board.family]
    common = (
        "--json",
        NETLIST,
        "--report",
        _FIGURES,
        "--timing-allow-fail",
        "--freq",
        f"{clock_mhz:g}",
        "--seed",
        "1",
    )
    match board.family:
        case Family.ICE40:
            die, package = _ice40(board.part)
            return (*common, f"--{die}", "--package", package, "--pcf", constraints, "--asc", router.routed)
        case Family.ECP5:
            die, package, speed = _ecp5(board.part)
            device = (f"--{die}", "--package", package, "--speed", speed)
            return (*common, *device, "--lpf", constraints, "--textcfg", router.routed)
        case Family.GOWIN:
            options = ("--vopt", f"family={board.die}", "--vopt", f"cst={constraints}")
            return (*common, "--device", board.part, *options, "--write", router.routed)
        case Family.XC7:
            raise AssertionError("nextpnr of 7-series is another toolchain")
        case _:
            assert_never(board.family)


def _pack(board: Board) -> tuple[str, ...]:
    router = _ROUTERS[board.family]
    match board.family:
        case Family.ICE40:
            return (router.routed, router.file)
        case Family.ECP5:
            return ("--compress", "--input", router.routed, "--bit", router.file)
        case Family.GOWIN:
            return ("-d", board.die or board.part, "-o", router.file, router.routed)
        case Family.XC7:
            raise AssertionError("7-series has another packer")
        case _:
            assert_never(board.family)


def _ice40(part: str) -> tuple[str, str]:
    """Die and package of an ordering code such as iCE40UP5K-SG48."""
    found = re.fullmatch(r"iCE40([A-Za-z]+\d+K)-([A-Za-z0-9]+)", part)
    if found is None:
        raise _no_part(part, "iCE40UP5K-SG48")
    return found[1].lower(), found[2].lower()


def _ecp5(part: str) -> tuple[str, str, str]:
    """Die, package and speed grade of an ordering code such as LFE5U-85F-6BG381C."""
    found = re.fullmatch(r"LFE5(U|UM|UM5G)-(\d+)F-(\d)(BG|MG)(\d+)[CI]?", part)
    if found is None:
        raise _no_part(part, "LFE5U-85F-6BG381C")
    kind = {"U": "", "UM": "um-", "UM5G": "um5g-"}[found[1]]
    package = {"BG": "CABGA", "MG": "CSFBGA"}[found[4]]
    return f"{kind}{found[2]}k", f"{package}{found[5]}", found[3]


def _no_part(part: str, example: str) -> BhcError:
    return fail("BHC542", f"nextpnr knows no part {part}", origin="the board's file", hint=f"write it as {example}")


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A netlist in its folder. constraints: None for a design without pins."""

    folder: Path
    area: Area
    clock_mhz: float
    constraints: str | None
    seconds: float


def synthesize(
    pipeline: Pipeline, board: Board, clock_mhz: float, workdir: Path, *, safe: bool = False, baud: int = BAUD
) -> Synthesized:
    """Map the whole design, with its shell, to the board's cells. workdir: gets build/bitstream and logs/.

    baud: of a UART. safe: only cells that openXC7 gets right.
    """
    folder, logs = (workdir / FOLDER).resolve(), (workdir / "logs").resolve()
    constraints = None
    match board.shell:
        case Shell.UART:
            placed = pins.emit(pipeline, board, clock_mhz, baud)
            plan, top, mhz, constraints = placed.plan, pins.TOP, placed.clock.mhz, placed.constraints
        case Shell.ZYNQ:
            placed = ps7.emit(pipeline, board, clock_mhz, lut_memories=not safe)
            plan, top, mhz, constraints = placed.plan, ps7.TOP, placed.clock.mhz, placed.constraints
        case None:
            plan, top, mhz = emit_core(pipeline), CORE, clock_mhz
        case _:
            assert_never(board.shell)
    script = {"synth.ys": _script(board.family, top, pads=constraints is not None, safe=safe)}
    write(plan | BuildPlan(script | ({_SAFE_MEMORY: _SAFE_BLOCK_RAM} if safe else {})), folder)
    begin = monotonic()
    run(Job(find_yosys(), ("synth.ys",), folder, logs / "bitstream-synth.log", _SYNTH_TIMEOUT_S))
    area = measured(folder, [top], board.family)[top]
    return Synthesized(folder, area, mhz, constraints, monotonic() - begin)


def netlist_alone(made: Synthesized) -> Bitstream:
    """What there is where no toolchain is."""
    seconds = Seconds(made).taken
    return Bitstream(None, None, 0, None, made.clock_mhz, None, made.area.resources, (), seconds)


class Seconds:
    """How long the steps took, from synthesis on."""

    def __init__(self, made: Synthesized) -> None:
        self.taken = {"synth": round(made.seconds, 1)}

    @contextmanager
    def of(self, step: str) -> Iterator[None]:
        begin = monotonic()
        yield
        self.taken[step] = round(monotonic() - begin, 1)


def check_timing(fmax: float | None, made: Synthesized, log: Path) -> None:
    """Raise BhcError (BHC544) if the clock is not reached. fmax: None if nothing limits it."""
    if fmax is not None and fmax < made.clock_mhz:
        raise fail(
            "BHC544",
            f"too slow for {made.clock_mhz:g} MHz: place and route reached {fmax:.2f} MHz",
            origin=str(log),
            hint=f"compile with --clock {_below(fmax):g}, or with less parallelism (a lower --fps)",
        )


def finished(
    made: Synthesized, chain: Toolchain, file: str, fmax: float | None, use: tuple[Use, ...], seconds: Seconds
) -> Bitstream:
    """What a toolchain made. file: name in the folder of the design. Raises BhcError (BHC504)."""
    with file_errors("read", made.folder / file):
        content = (made.folder / file).read_bytes()
    return Bitstream(
        chain,
        f"{FOLDER}/{file}",
        len(content),
        hashlib.sha256(content).hexdigest(),
        made.clock_mhz,
        None if fmax is None else round(fmax, 2),
        made.area.resources,
        use,
        seconds.taken,
    )


def route(
    made: Synthesized, board: Board, workdir: Path, step: Callable[[str], AbstractContextManager[object]]
) -> Bitstream:
    """Place, route and pack. step: surrounds what takes long. Raises BhcError (BHC501..BHC504, BHC543, BHC544)."""
    assert made.constraints is not None
    router, logs = _ROUTERS[board.family], (workdir / "logs").resolve()
    place, pack = find(router.place), find(router.pack)
    if place is None or pack is None:
        raise absent(board, Toolchain.NEXTPNR)
    seconds = Seconds(made)
    arguments = _place(board, made.constraints, made.clock_mhz)
    log = logs / "bitstream-route.log"
    try:
        with step("placing and routing"), seconds.of("route"):
            run(Job(place, arguments, made.folder, log, _ROUTE_TIMEOUT_S))
    except BhcError as error:
        raise unroutable(error, log, board, made) from error
    with file_errors("read", made.folder):
        figures = json.loads((made.folder / _FIGURES).read_text())
    fmax = _fmax(figures)
    check_timing(fmax, made, log)
    with step("packing"), seconds.of("pack"):
        run(Job(pack, _pack(board), made.folder, logs / "bitstream-pack.log", _PACK_TIMEOUT_S))
    return finished(made, Toolchain.NEXTPNR, router.file, fmax, _use(figures), seconds)


def _fmax(figures: Mapping[str, Mapping[str, Mapping[str, float]]]) -> float | None:
    """Of the slowest clock."""
    return min((row["achieved"] for row in figures["fmax"].values()), default=None)


def _use(figures: Mapping[str, Mapping[str, Mapping[str, int]]]) -> tuple[Use, ...]:
    rows = figures["utilization"].items()
    return tuple(Use(unit, row["used"], row["available"]) for unit, row in rows if row["used"])


def _below(mhz: float) -> float:
    """A round clock that is not above."""
    return float(int(mhz)) if mhz >= 10 else int(10 * mhz) / 10


def unroutable(error: BhcError, log: Path, board: Board, made: Synthesized) -> BhcError:
    """What nextpnr's failure means to the user."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    if "ERROR: " not in text:
        return error
    units, need, has = fabric(board.family).units, made.area.resources, board.resources
    return fail(
        "BHC543",
        f"does not fit {board.name}: {need.lut:,} {units.lut} of {has.lut:,}, {need.bram:g} {units.bram} of "
        f"{has.bram:g}:\n{tail(log, 3)}",
        origin=str(log),
        hint="compile with a lower --fps or a smaller --folding, or for a larger board",
    )
