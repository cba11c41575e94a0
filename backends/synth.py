"""Synthesis by Yosys: what every stage takes of a 7-series device.

Each stage is synthesised alone, flattened, as the top of a design of its own: that gives exact figures per
stage, runs in parallel, and takes equal stages only once. It leaves out optimisation across stages, which
their registers and handshakes hardly allow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import COUNT, instance, library_plan, memory_images
from bhc.backends.runner import Job, file_errors, find_yosys, replace, run_all, write
from bhc.ir.pipeline import Pipeline, Resources, Stage, Stream

_TOP = "bhc_group"
_STAGE = "stage"
_CELLS = "cells.json"
_TIMEOUT_S = 7200.0
#: Stages below this estimate share a run, since starting one takes about 3 s.
_SMALL_LUTS = 300

# Modules of the library may ask to be mapped whole; they are flattened into their stage after that.
# `-defer` elaborates modules with the parameters that they get, never with their defaults. synth_xilinx's own
# area costs (a LUT6 as two LUT5) give the fewest logic cells of the settings tried: 520, against 530 to 575,
# for a binary matrix-vector unit of 4 x 80 products a cycle.
_SCRIPT = f"""\
read_verilog -defer -sv *.sv rtl/*.sv
hierarchy -top {_TOP}
setattr -mod -set keep_hierarchy 1 {_STAGE}_*
synth_xilinx -family xc7 -top {_TOP} -flatten -noiopad -noclkbuf -nodsp
setattr -mod -unset keep_hierarchy *
setattr -unset keep_hierarchy */c:*
setattr -mod -set keep_hierarchy 1 {_STAGE}_*
flatten
clean
tee -q -o {_CELLS} stat -json -tech xilinx
"""

#: LUTs that a cell occupies. An inverter that no LUT could absorb takes one.
_LUTS: dict[str, int] = dict.fromkeys(("LUT1", "LUT2", "LUT3", "LUT4", "LUT5", "LUT6", "INV"), 1)
_LUTS |= {"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1}
_LUTS |= {"RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4}
_LUTS |= {"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32M": 4, "RAM64M": 4}
_FLIP_FLOPS = frozenset({"FDRE", "FDSE", "FDCE", "FDPE"})
_HALF_BRAMS = {"RAMB18E1": 1, "RAMB36E1": 2}
_DSPS = frozenset({"DSP48E1"})
#: Cells that take none of these: carry chains and wide multiplexers come with their slices.
_FREE = frozenset({"CARRY4", "MUXF7", "MUXF8", "$scopeinfo"})


@dataclass(frozen=True, slots=True)
class Area:
    """What synthesis made.

    resources: LUT cells (with those that memories and shift registers occupy), flip-flops, block RAM, DSP.
    logic_cells: Yosys's estimate of LUTs after pairing those that share inputs, as place and route does.
    carry4: carry chain cells, 4 bits each.
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


def count(cells: Mapping[str, int], logic_cells: int) -> Area:
    """Add up cells, by type. Raises ValueError for a type that it does not know."""
    unknown = cells.keys() - _LUTS.keys() - _FLIP_FLOPS - _HALF_BRAMS.keys() - _DSPS - _FREE
    if unknown:
        raise ValueError(f"cells of unknown cost: {', '.join(sorted(unknown))}")
    return Area(
        Resources(
            lut=sum(_LUTS.get(cell, 0) * number for cell, number in cells.items()),
            ff=sum(number for cell, number in cells.items() if cell in _FLIP_FLOPS),
            bram36=sum(_HALF_BRAMS.get(cell, 0) * number for cell, number in cells.items()) / 2,
            dsp=sum(number for cell, number in cells.items() if cell in _DSPS),
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


def _module(text: Callable[[str], BuildPlan], lut: int) -> _Module:
    digest = (text(_STAGE) | BuildPlan({"synth.ys": _SCRIPT, "tool": _tool_version()})).digest()
    key = f"{_STAGE}_{digest[:16]}"
    return _Module(key, lut, text(key))


def _group_plan(modules: Sequence[_Module]) -> BuildPlan:
    """Modules side by side, ready for Yosys; keep_hierarchy keeps them whole although their ports are open."""
    instances = "".join(f"  {m.key} u_{m.key} ();\n" for m in modules)
    plan = BuildPlan({f"{_TOP}.sv": f"module {_TOP};\n{instances}endmodule\n", "synth.ys": _SCRIPT})
    for module in modules:
        plan |= module.plan
    return plan


def _tool_version() -> str:
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


def _read(path: Path) -> Area:
    with file_errors("read", path):
        row = json.loads(path.read_text())
    return count(row["num_cells_by_type"], int(row["estimated_num_lc"]))


def synth(
    pipeline: Pipeline,
    workdir: Path,
    *,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
) -> SynthResult:
    """Synthesise every stage for 7-series.

    workdir: gets build/synth (where results are kept for the next run, by content) and logs/. workers:
    processes at a time, by default one per processor. progress: called with the name of a stage that is done
    (the largest of those that shared a run), how many different stages are, and of how many. Raises BhcError
    (BHC501..BHC504).
    """
    tool = find_yosys()
    root, logs = (workdir / "build" / "synth").resolve(), (workdir / "logs").resolve()
    by_stage = {
        stage.name: _module(partial(_stage_text, pipeline, stage), stage.estimate.lut) for stage in pipeline.stages
    }
    names = {module.key: name for name, module in by_stage.items()}
    glue = _module(partial(_glue_text, pipeline.streams[pipeline.output].beats), 0)
    modules = {module.key: module for module in (*by_stage.values(), glue)}
    missing = [module for key, module in modules.items() if not (root / f"{key}.json").is_file()]
    jobs: dict[Path, list[_Module]] = {}
    queue = []
    for number, group in enumerate(_groups(missing)):
        directory = root / group[0].key
        write(_group_plan(group), directory)
        queue.append(Job(tool, ("synth.ys",), directory, logs / f"synth-{number}.log", _TIMEOUT_S))
        jobs[directory] = group
    finished = len(modules) - len(missing)

    def done(job: Job) -> None:
        nonlocal finished
        with file_errors("read", job.cwd):
            cells = json.loads((job.cwd / _CELLS).read_text())["modules"]
        rows = {f"{m.key}.json": json.dumps(cells[f"\\{m.key}"], indent=1) for m in jobs[job.cwd]}
        for name, row in rows.items():
            replace(root / name, row)
        finished += len(rows)
        progress(names.get(jobs[job.cwd][0].key, "glue"), finished, len(modules))

    run_all(queue, workers, done)
    areas = {key: _read(root / f"{key}.json") for key in modules}
    return SynthResult({name: areas[module.key] for name, module in by_stage.items()}, areas[glue.key])
