"""What surrounds the HLS C++ for the vendor's tools: testbench, reference vectors, scripts for Vitis HLS and Vivado.

The plan:

    hls/bhc_top_tb.cpp      testbench, the same for every design
    hls/vectors.hpp         windows, or recordings, and their results, as transfers
    hls/run_hls.tcl         Vitis HLS: C simulation, synthesis, cosimulation, export as an IP
    hls/block_design.tcl    Vivado, Zynq-7000 only: a system around the IP, down to the bitstream
    hls/zynq.tcl            what that sources
    hls/ps7.tcl             the processing system of a Zynq-7000 board that bhc knows
    hls/settings.tcl        what the scripts need to know of the design

Diagnostics: BHC516 a stream at the edge is wider than the vendor's tools take.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from bhc.backends.beats import beat_bytes, pack
from bhc.backends.compare import Workload, carried, source
from bhc.backends.hls import results
from bhc.backends.plan import BuildPlan
from bhc.diagnostics import fail
from bhc.ir.graph import Graph
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Pipeline
from bhc.ir.stream import is_streamed
from bhc.ir.types import Type

_LIBRARY = files("bhc") / "hls"
_BOARDS = files("bhc") / "boards"
_TESTBENCH = "bhc_top_tb.cpp"
_RUN_HLS = "run_hls.tcl"
_BLOCK_DESIGN = "block_design.tcl"
#: UG1399: an ap_int has at most 4096 bits, and beyond 1024 only if asked to. PG085: a stream has at most 512 bytes.
_WIDEST = 4096
_WIDEST_BY_DEFAULT = 1024


def reference_inputs(value_type: Type) -> IntArray:
    """Four windows (4, *shape): the lowest value, the highest, both at random, all at random. Always the same ones."""
    count = value_type.elements
    lo, hi = value_type.range.lo, value_type.range.hi
    # numpy promises that the bits of this generator never change, unlike what Generator makes of them.
    ends, uniform = np.random.Philox(0).random_raw(2 * count).reshape(2, count)
    step = 2 if value_type.bipolar else 1
    span = np.uint64((hi - lo) // step + 1)
    anywhere = lo + step * (uniform % span).astype(np.int64)
    windows = [np.full(count, lo), np.full(count, hi), np.where(ends >> np.uint64(63), hi, lo), anywhere]
    return np.stack(windows).astype(np.int64).reshape(4, *value_type.shape)


def _array(name: str, beats: NDArray[np.uint8]) -> list[str]:
    """Lines that define transfers (n, bytes) as an array, one transfer a line."""
    rows = ("  {" + ", ".join(map(str, row)) + "}," for row in beats.tolist())
    return [f"static const std::uint8_t {name}[{beats.shape[0]}][{beats.shape[1]}] = {{", *rows, "};"]


def reference_runs(graph: Graph, lost: int) -> tuple[IntArray, IntArray]:
    """What bhc_top is called with, twice: one window and three, or two recordings.

    lost: hops before the first result. A recording has enough of each kind of rows for a window of them alone.
    """
    (declared,) = graph.inputs
    if not is_streamed(graph):
        windows = reference_inputs(declared.type)
        return windows[:1], windows[1:]
    rows, *others = declared.type.shape
    parts = reference_inputs(replace(declared.type, shape=((lost + 1) * rows, *others)))
    return np.concatenate(list(parts[:2])), np.concatenate(list(parts[2:]))


def _numbers(numbers: Sequence[int]) -> str:
    return "{" + ", ".join(map(str, numbers)) + "}"


def _vectors(pipeline: Pipeline, graph: Graph) -> str:
    """Reference windows or recordings and the evaluator's results, packed as the AXI4-Stream ports carry them."""
    load = Workload(graph, reference_runs(graph, results(pipeline).lost))
    entry, elements = source(pipeline, load)
    leave = pipeline.streams[pipeline.output]
    value = carried(pipeline)[pipeline.output]
    expected = np.concatenate([values[value] for values in load.expected()])
    rows = graph.inputs[0].type.image[0] if load.streamed else 1
    what = "Recordings" if load.streamed else "Windows"
    lines = [
        f"// {what} and their results as transfers, byte 0 lowest, for two calls of bhc_top. In order they hold the",
        "// lowest value, the highest, both at random, any.",
        "#ifndef BHC_VECTORS_HPP",
        "#define BHC_VECTORS_HPP",
        "",
        "#include <cstdint>",
        "",
        "namespace vectors {",
        "",
        f"constexpr unsigned calls[] = {_numbers([len(run) // rows for run in load.runs])};  // windows or hops",
        f"constexpr unsigned results[] = {_numbers([load.counts(run)[value] for run in load.runs])};  // of each call",
        f"constexpr unsigned input_beats = {entry.beats}, input_bytes = {beat_bytes(entry)};",
        f"constexpr unsigned output_beats = {leave.beats}, output_bytes = {beat_bytes(leave)};",
        "",
        *_array("input", pack(elements, entry)),
        "",
        *_array("output", pack(expected, leave)),
        "",
        "}  // namespace vectors",
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


def word(text: str) -> str:
    """A word of Tcl, whatever a board's file says."""
    return re.sub(r"[^\w.:+-]", lambda match: f"\\u{ord(match[0]):04x}", text, flags=re.ASCII)


def _settings(pipeline: Pipeline, part: str, board: str, clock_mhz: float) -> str:
    input_bytes, output_bytes = (beat_bytes(pipeline.streams[name]) for name in (pipeline.input, pipeline.output))
    cflags = ["-std=c++17"]
    if 8 * max(input_bytes, output_bytes) > _WIDEST_BY_DEFAULT:
        cflags.append(f"-DAP_INT_MAX_W={_WIDEST}")
    return "\n".join(
        [
            "# What the scripts need to know of this design: bytes are those of an AXI4-Stream transfer.",
            f"set part {word(part)}",
            f"set board {word(board)}",
            f"set clock_mhz {clock_mhz:.12g}",
            f"set input_bytes {input_bytes}",
            f"set output_bytes {output_bytes}",
            f"set cflags {{{' '.join(cflags)}}}",
            "",
        ]
    )


def processing_system(board: str) -> dict[str, bytes]:
    """Scripts that a block design of a Zynq-7000 sources: ps7.tcl only for a board that bhc knows."""
    scripts = {"zynq.tcl": (files("bhc") / "backends" / "zynq.tcl").read_bytes()}
    for preset in _BOARDS.iterdir():
        if preset.name == f"{board}.tcl":
            scripts["ps7.tcl"] = preset.read_bytes()
    return scripts


def emit(pipeline: Pipeline, graph: Graph, *, part: str, board: str, clock_mhz: float, zynq: bool = False) -> BuildPlan:
    """The files. part: ordering code of the FPGA. board: name of the board. zynq: the part is a Zynq-7000.

    Pure: equal arguments give equal bytes. Raises BhcError: BHC516 the input or output is wider than the vendor's
    tools take.
    """
    for port, name in (("input", pipeline.input), ("output", pipeline.output)):
        stream = pipeline.streams[name]
        if stream.width > _WIDEST:
            raise fail(
                "BHC516",
                f"the {port} has {stream.lanes} x {stream.bits} = {stream.width} bits in parallel; Vitis HLS takes up "
                f"to {_WIDEST}",
                hint=f"less parallelism next to the {port}: a lower --fps, or a --folding of that layer",
            )
    plan: dict[str, bytes | str] = {
        f"hls/{_TESTBENCH}": (_LIBRARY / _TESTBENCH).read_bytes(),
        "hls/vectors.hpp": _vectors(pipeline, graph),
        f"hls/{_RUN_HLS}": (_LIBRARY / _RUN_HLS).read_bytes(),
        "hls/settings.tcl": _settings(pipeline, part, board, clock_mhz),
    }
    if zynq:
        plan[f"hls/{_BLOCK_DESIGN}"] = (_LIBRARY / _BLOCK_DESIGN).read_bytes()
        plan |= {f"hls/{name}": content for name, content in processing_system(board).items()}
    return BuildPlan(plan)
