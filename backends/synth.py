"""Synthesis by Yosys: what every stage takes of a 7-series device.

Each stage is synthesised alone, flattened, as the top of a design of its own: that gives exact figures per
stage, runs in parallel, and takes equal stages only once. It leaves out optimisation across stages, which
their registers and handshakes hardly allow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import LAST, instance, library_plan, memory_images
from bhc.backends.runner import Job, file_errors, find_yosys, run_all, write
from bhc.ir.pipeline import Pipeline, Resources, Stage, Stream

_TOP = "bhc_stage"
_CELLS = "cells.json"
_TIMEOUT_S = 7200.0

# `-defer` elaborates modules with the parameters that they get, never with their defaults. Yosys takes
# rom_style = "distributed" for RAM made of LUTs, which has no read-only form; it calls the LUTs that are
# meant "logic". synth_xilinx's own area costs (a LUT6 as two LUT5) give the fewest logic cells of the
# settings tried: 520 against 530 to 575 for a binary matrix-vector unit of 4 x 80 products a cycle.
_SCRIPT = f"""\
read_verilog -defer -sv *.sv rtl/*.sv
hierarchy -top {_TOP}
select -set roms a:rom_style=distributed
setattr -unset ram_style @roms
setattr -set rom_style "logic" @roms
synth_xilinx -family xc7 -top {_TOP} -flatten -noiopad -noclkbuf -nodsp
tee -q -o {_CELLS}.partial stat -json -tech xilinx
"""

#: LUTs that a cell occupies. An inverter that no LUT could absorb takes one.
_LUTS = {
    **{f"LUT{n}": 1 for n in range(1, 7)},
    "INV": 1,
    **{"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1},
    **{"RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4},
    **{"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM32M": 4, "RAM64M": 4},
}
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

    resources: Resources = Resources()
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


def stage_plan(pipeline: Pipeline, stage: Stage) -> BuildPlan:
    """A stage alone, ready for Yosys. Stages that are equal but for names give equal plans."""
    signals = {name: f"s{i}" for i, name in enumerate((*stage.sources, *stage.sinks))}
    ports = ["  input  logic clk_i", "  input  logic rst_ni"]
    for name, signal in signals.items():
        ports += _ports(pipeline.streams[name], signal, sink=name in stage.sinks)
    lines = [f"module {_TOP} (", ",\n".join(ports), ");", *instance(stage, "stage", signals), "endmodule", ""]
    sources = BuildPlan({f"{_TOP}.sv": "\n".join(lines), "synth.ys": _SCRIPT})
    return sources | library_plan([stage.kernel]) | memory_images(stage, "stage")


def glue_plan(pipeline: Pipeline) -> BuildPlan:
    """What the top level adds to the stages, ready for Yosys."""
    beats = pipeline.streams[pipeline.output].beats
    text = f"""\
module {_TOP} (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic beat_i,
  output logic last_o
);
  {LAST} #(.Beats({beats})) u_last (.clk_i, .rst_ni, .beat_i, .last_o);
endmodule
"""
    return BuildPlan({f"{_TOP}.sv": text, "synth.ys": _SCRIPT}) | library_plan([LAST])


def _tool_version() -> str:
    try:
        return version("pyosys")
    except PackageNotFoundError:
        return "system"


def _read(path: Path) -> Area:
    with file_errors("read", path):
        design = json.loads(path.read_text())["design"]
    return count(design["num_cells_by_type"], int(design["estimated_num_lc"]))


def synth(
    pipeline: Pipeline,
    workdir: Path,
    *,
    workers: int | None = None,
    progress: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
) -> SynthResult:
    """Synthesise every stage for 7-series.

    workdir: gets build/synth (where results are kept for the next run, by content) and logs/. workers:
    processes at a time, by default one per processor. progress: called with the name of a stage that is done,
    how many are, and of how many. Raises BhcError (BHC501..BHC504).
    """
    tool = find_yosys()
    root, logs = (workdir / "build" / "synth").resolve(), (workdir / "logs").resolve()
    plans = {stage.name: stage_plan(pipeline, stage) for stage in pipeline.stages} | {"": glue_plan(pipeline)}
    sizes = {stage.name: stage.estimate.lut for stage in pipeline.stages}
    folders = {name: root / f"{plan.digest()[:16]}-{_tool_version()}" for name, plan in plans.items()}
    # Largest first, so that no long run starts last. One name stands for all equal stages.
    names = {folders[name]: name for name in sorted(plans, key=lambda name: sizes.get(name, 0))}
    todo = [name for folder, name in reversed(names.items()) if not (folder / _CELLS).is_file()]
    jobs: dict[Path, str] = {}
    queue = []
    for name in todo:
        write(plans[name], folders[name])
        log = logs / f"synth-{name or 'glue'}.log"
        jobs[log] = name
        queue.append(Job(tool, ("synth.ys",), folders[name], log, _TIMEOUT_S))
    finished = len(names) - len(todo)

    def done(job: Job) -> None:
        nonlocal finished
        finished += 1
        with file_errors("write", job.cwd):
            (job.cwd / f"{_CELLS}.partial").replace(job.cwd / _CELLS)
        progress(jobs[job.log], finished, len(names))

    run_all(queue, workers, done)
    areas = {name: _read(folder / _CELLS) for name, folder in folders.items()}
    glue = areas.pop("")
    return SynthResult(areas, glue)
