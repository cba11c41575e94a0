"""Synthesis by Yosys: what every stage takes of the device.

Each stage is synthesised alone, flattened, as the top of a design of its own: that gives exact figures per
stage, runs in parallel, and takes equal stages only once. It leaves out optimisation across stages, which
their registers and handshakes hardly allow.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import COUNT, instance, library_plan, memory_images
from bhc.backends.runner import Job, file_errors, find_yosys, run_all, write
from bhc.backends.runner import replace as replace_file
from bhc.ir.fabric import ECP5, GOWIN, Family, fabric
from bhc.ir.pipeline import Pipeline, Resources, Stage, Stream

_TOP = "bhc_group"
_STAGE = "stage"
_PACKED = "packed"
CELLS = "cells.json"
NETLIST = "netlist.json"
_TIMEOUT_S = 7200.0
#: Stages below this estimate share a run, since starting one takes about 3 s.
_SMALL_LUTS = 300

# The own area costs of synth_xilinx (a LUT6 as two LUT5) give the fewest logic cells of those tried: 520, against 530
# to 575, for a binary matrix-vector unit of 4 x 80 products a cycle.
_COMMANDS: Mapping[Family, str] = {
    Family.XC7: "synth_xilinx -family xc7 -flatten -nodsp",
    Family.ECP5: "synth_lattice -family ecp5 -nodsp",
    Family.ICE40: "synth_ice40 -device u",
    Family.GOWIN: "synth_gowin -nodsp",
}
_NO_PADS: Mapping[Family, tuple[str, ...]] = {Family.XC7: ("-noiopad", "-noclkbuf"), Family.GOWIN: ("-noiopads",)}
#: Modules that the library wants mapped whole are for LUT6: with them a binary network takes a third more of an ECP5.
_DISSOLVE = "setattr -mod -unset keep_hierarchy *"
#: A family without memories of LUTs has flip-flops instead: Yosys else refuses what the library says of them.
_FLIP_FLOP_MEMORIES = 'proc\nsetattr -set ram_style "registers" a:ram_style=distributed'


def prepare(family: Family) -> str:
    """Lines of a Yosys script between reading the design and synthesis."""
    made_of = fabric(family)
    lines = [*((_DISSOLVE,) if made_of.inputs == 4 else ()), *(() if made_of.lut_ram else (_FLIP_FLOP_MEMORIES,))]
    return "\n".join(lines)


def command(family: Family, *, pads: bool) -> str:
    """The Yosys command that maps a design for a family, without its top module and output; pads: it has pins."""
    return " ".join((_COMMANDS[family], *(() if pads else _NO_PADS.get(family, ()))))


# Modules of the library may ask to be mapped whole; they are flattened into their stage after that.
# `-defer` elaborates modules with the parameters that they get, never with their defaults.
def _script(family: Family) -> str:
    technology = " -tech xilinx" if family is Family.XC7 else ""
    netlist = f"write_json {NETLIST}" if family is Family.ICE40 else ""
    return f"""\
read_verilog -defer -sv *.sv rtl/*.sv
hierarchy -top {_TOP}
{prepare(family)}
setattr -mod -set keep_hierarchy 1 {_STAGE}_*
{command(family, pads=False)} -top {_TOP}
setattr -mod -unset keep_hierarchy *
setattr -unset keep_hierarchy */c:*
setattr -mod -set keep_hierarchy 1 {_STAGE}_*
flatten
clean
tee -q -o {CELLS} stat -json{technology}
{netlist}
"""


@dataclass(frozen=True, slots=True)
class _Cells:
    """What a family's cells occupy: LUTs, flip-flops, block RAM (in units of Resources.bram), DSP. Others are free."""

    luts: Mapping[str, int]
    ffs: frozenset[str]
    brams: Mapping[str, float]
    dsps: frozenset[str]
    free: frozenset[str]

    @property
    def known(self) -> frozenset[str]:
        return self.ffs | self.dsps | self.free | self.luts.keys() | self.brams.keys()


def _names(prefix: str, suffixes: str) -> frozenset[str]:
    return frozenset(prefix + suffix for suffix in suffixes.split(","))


_LUTS = ("LUT1", "LUT2", "LUT3", "LUT4")
_SCOPE = frozenset({"$scopeinfo"})
_CELLS_OF: Mapping[Family, _Cells] = {
    # An inverter that no LUT could absorb takes one. Carry chains and wide multiplexers come with their slices.
    Family.XC7: _Cells(
        dict.fromkeys((*_LUTS, "LUT5", "LUT6", "INV"), 1)
        | {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
        | {"RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4}
        | {"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32M": 4, "RAM64M": 4},
        frozenset({"FDRE", "FDSE", "FDCE", "FDPE"}),
        {"RAMB18E1": 0.5, "RAMB36E1": 1},
        frozenset({"DSP48E1"}),
        frozenset({"CARRY4", "MUXF7", "MUXF8", "IBUF", "OBUF", "BUFG", "PLLE2_BASE", "PS7"}) | _SCOPE,
    ),
    # A carry cell of two bits takes two LUTs.
    Family.ECP5: _Cells(
        {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": ECP5.lut_ram[0].luts},
        frozenset({"TRELLIS_FF"}),
        {"DP16KD": 1, "PDPW16KD": 1},
        frozenset({"MULT18X18D"}),
        frozenset({"PFUMX", "L6MUX21", "EHXPLLL"}) | _SCOPE,
    ),
    # A carry lies beside the LUT that adds.
    Family.ICE40: _Cells(
        {"SB_LUT4": 1},
        _names("SB_DFF", ",E,SR,R,SS,S,ESR,ER,ESS,ES"),
        {"SB_RAM40_4K": 1},
        frozenset({"SB_MAC16"}),
        frozenset({"SB_CARRY", "SB_PLL40_PAD"}) | _SCOPE,
    ),
    Family.GOWIN: _Cells(
        dict.fromkeys((*_LUTS, "INV", "ALU"), 1) | {"RAM16SDP4": GOWIN.lut_ram[0].luts},
        _names("DFF", ",E,S,SE,R,RE,P,PE,C,CE"),
        dict.fromkeys(("SP", "SPX9", "SDPB", "SDPX9B", "DPB", "DPX9B", "pROM", "pROMX9"), 1),
        frozenset({"MULT9X9", "MULT18X18", "MULT36X36"}),
        frozenset({"MUX2_LUT5", "MUX2_LUT6", "MUX2_LUT7", "MUX2_LUT8", "GND", "VCC", "GSR"})
        | {"IBUF", "OBUF", "rPLL"}
        | _SCOPE,
    ),
}


@dataclass(frozen=True, slots=True)
class Area:
    """What synthesis made.

    resources: LUT cells (with those that memories and shift registers occupy), flip-flops, block RAM, DSP.
    logic_cells: Yosys's estimate of LUTs after pairing those that share inputs, as place and route does (7-series).
    carry4: carry chain cells of 4 bits (7-series).
    """

    resources: Resources = field(default_factory=Resources)
    logic_cells: int = 0
    carry4: int = 0

    def __add__(self, other: Area) -> Area:
        return Area(
            self.resources + other.resources,
            self.logic_cells + other.logic_cells,
            self.carry4 + other.carry4,
        )


@dataclass(frozen=True, slots=True)
class SynthResult:
    """Area of every stage by name; glue is what the top level adds (the counter behind m_axis_tlast)."""

    stages: Mapping[str, Area]
    glue: Area

    @property
    def total(self) -> Area:
        return sum(self.stages.values(), self.glue)


def count(cells: Mapping[str, int], logic_cells: int, family: Family = Family.XC7) -> Area:
    """Add up cells, by type. Raises ValueError for a type that it does not know."""
    kinds = _CELLS_OF[family]
    unknown = cells.keys() - kinds.known
    if unknown:
        raise ValueError(f"cells of unknown cost: {', '.join(sorted(unknown))}")
    return Area(
        Resources(
            lut=sum(kinds.luts.get(cell, 0) * number for cell, number in cells.items()),
            ff=sum(number for cell, number in cells.items() if cell in kinds.ffs),
            bram=sum(kinds.brams.get(cell, 0) * number for cell, number in cells.items()),
            dsp=sum(number for cell, number in cells.items() if cell in kinds.dsps),
        ),
        logic_cells,
        cells.get("CARRY4", 0),
    )


def _ports(stream: Stream, signal: str, *, sink: bool) -> tuple[str, str, str]:
    ahead, back = ("output", "input ") if sink else ("input ", "output")
    return (
        f"  {ahead} logic {signal}_valid",
        f"  {back} logic {signal}_ready",
        f"  {ahead} logic [{stream.width - 1}:0] {signal}_data",
    )


@dataclass(frozen=True, slots=True)
class _Module:
    """A module to synthesise: its name, which stands for its contents; its estimate; its files."""

    key: str
    lut: int
    plan: BuildPlan


def _stage_text(pipeline: Pipeline, stage: Stage, name: str) -> BuildPlan:
    """A stage as module `name`. Stages that are equal but for names give equal plans for one `name`."""
    signals = {stream: f"s{i}" for i, stream in enumerate((*stage.sources, *stage.sinks))}
    ports = ["  input  logic clk_i", "  input  logic rst_ni"]
    for stream, signal in signals.items():
        ports += _ports(pipeline.streams[stream], signal, sink=stream in stage.sinks)
    lines = [f"module {name} (", ",\n".join(ports), ");", *instance(stage, name, signals), "endmodule", ""]
    sources = BuildPlan({f"{name}.sv": "\n".join(lines)})
    return sources | library_plan([stage.kernel]) | memory_images(stage, name)


def _glue_text(beats: int, name: str) -> BuildPlan:
    """What the top level adds to the stages, as module `name`."""
    text = f"""\
module {name} (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic beat_i,
  output logic last_o
);
  {COUNT} #(.Count({beats})) u_last (.clk_i, .rst_ni, .step_i(beat_i), .last_o);
endmodule
"""
    return BuildPlan({f"{name}.sv": text}) | library_plan([COUNT])


def _module(text: Callable[[str], BuildPlan], lut: int, family: Family) -> _Module:
    digest = (text(_STAGE) | BuildPlan({"synth.ys": _script(family), "tool": tool_version()})).digest()
    key = f"{_STAGE}_{digest[:16]}"
    return _Module(key, lut, text(key))


def _group_plan(modules: Sequence[_Module], family: Family) -> BuildPlan:
    """Modules side by side, ready for Yosys; keep_hierarchy keeps them whole although their ports are open."""
    instances = "".join(f"  {m.key} u_{m.key} ();\n" for m in modules)
    plan = BuildPlan({f"{_TOP}.sv": f"module {_TOP};\n{instances}endmodule\n", "synth.ys": _script(family)})
    for module in modules:
        plan |= module.plan
    return plan


def tool_version() -> str:
    try:
        return version("pyosys")
    except PackageNotFoundError:
        return "system"


def _groups(modules: Iterable[_Module]) -> list[list[_Module]]:
    """A run for each large module, largest first so that no long run starts last; one for the small."""
    ordered = sorted(modules, key=lambda m: (-m.lut, m.key))
    groups = [[m] for m in ordered if m.lut >= _SMALL_LUTS]
    small = [m for m in ordered if m.lut < _SMALL_LUTS]
    return [*groups, small] if small else groups


def _read(path: Path, family: Family) -> Area:
    with file_errors("read", path):
        return _area(json.loads(path.read_text()), family)


def _area(row: Mapping[str, Any], family: Family) -> Area:
    area = count(row["num_cells_by_type"], int(row.get("estimated_num_lc", 0)), family)
    return replace(area, resources=replace(area.resources, lut=row.get(_PACKED, area.resources.lut)))


def _packed(module: Mapping[str, Any]) -> int:
    """Logic cells of an iCE40: a LUT and the flip-flop that alone takes its output share one."""
    cells = module["cells"].values()
    readers: Counter[int | str] = Counter()
    for cell in cells:
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "input":
                readers.update(bits)
    for port in module["ports"].values():
        if port["direction"] == "output":
            readers.update(port["bits"])
    luts = {bit for cell in cells if cell["type"] == "SB_LUT4" for bit in cell["connections"]["O"]}
    total = len(luts)
    for cell in cells:
        if cell["type"] in _CELLS_OF[Family.ICE40].ffs:
            (source,) = cell["connections"]["D"]
            total += source not in luts or readers[source] > 1
    return total


def _rows(folder: Path, modules: Iterable[str], family: Family) -> dict[str, dict[str, Any]]:
    """What a run found: of each module, its cells by type and what else `_area` reads."""
    with file_errors("read", folder):
        cells = json.loads((folder / CELLS).read_text())["modules"]
        netlist = json.loads((folder / NETLIST).read_text())["modules"] if family is Family.ICE40 else {}
    rows = {name: dict(cells[f"\\{name}"]) for name in modules}
    for name, row in rows.items():
        if family is Family.ICE40:
            row[_PACKED] = _packed(netlist[name])
    return rows


def measured(folder: Path, modules: Iterable[str], family: Family) -> dict[str, Area]:
    """The areas of some modules, of a run that left CELLS and NETLIST in its folder. Raises BhcError (BHC504)."""
    return {name: _area(row, family) for name, row in _rows(folder, modules, family).items()}


def synth(
    pipeline: Pipeline,
    workdir: Path,
    *,
    family: Family = Family.XC7,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
) -> SynthResult:
    """Synthesise every stage.

    workdir: gets build/synth (where results are kept for the next run, by content) and logs/. workers:
    processes at a time, by default one per processor. progress: called with the name of a stage that is done
    (the largest of those that shared a run), how many different stages are, and of how many. Raises BhcError
    (BHC501..BHC504).
    """
    tool = find_yosys()
    root, logs = (workdir / "build" / "synth").resolve(), (workdir / "logs").resolve()
    by_stage = {
        stage.name: _module(partial(_stage_text, pipeline, stage), stage.estimate.lut, family)
        for stage in pipeline.stages
    }
    names = {module.key: name for name, module in by_stage.items()}
    glue = _module(partial(_glue_text, pipeline.streams[pipeline.output].beats), 0, family)
    modules = {module.key: module for module in (*by_stage.values(), glue)}
    missing = [module for key, module in modules.items() if not (root / f"{key}.json").is_file()]
    jobs: dict[Path, list[_Module]] = {}
    queue = []
    for number, group in enumerate(_groups(missing)):
        directory = root / group[0].key
        write(_group_plan(group, family), directory)
        queue.append(Job(tool, ("synth.ys",), directory, logs / f"synth-{number}.log", _TIMEOUT_S))
        jobs[directory] = group
    finished = len(modules) - len(missing)

    def done(job: Job) -> None:
        nonlocal finished
        rows = _rows(job.cwd, [module.key for module in jobs[job.cwd]], family)
        for name, row in rows.items():
            replace_file(root / f"{name}.json", json.dumps(row, indent=1))
        finished += len(rows)
        progress(names.get(jobs[job.cwd][0].key, "glue"), finished, len(modules))

    run_all(queue, workers, done)
    areas = {key: _read(root / f"{key}.json", family) for key in modules}
    return SynthResult({name: areas[module.key] for name, module in by_stage.items()}, areas[glue.key])
