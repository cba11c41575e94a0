"""C simulation: our HLS C++ against hls4ml's project of the same network, built and run one after the other.

    python bench/csim.py MODEL.onnx ... [--input X.npz] [--windows 256] [--fps 10000] [--io stream] [--out DIR]

For each model: seconds to compile from nothing (g++, both as `bhc cosim` does it), windows a second of the
program alone (one thread, no recording, no trace; the time of a run of one window taken off ours, which reads its input
from a file), and their ratios. Both must equal the evaluator on all windows first, or there is no line. A model that
hls4ml cannot take has no ratio. Times are of a busy or an idle machine: only the ratios mean something.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import get_args

import numpy as np

from bhc import inputs
from bhc.backends import csim, hls4ml_project
from bhc.diagnostics import BhcError
from bhc.frontend import Model, load
from bhc.ir import passes
from bhc.ir.graph import Graph
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Pipeline, Resources
from bhc.ir.schedule import Rate, Target, schedule
from bhc.options import Io

#: Large enough for any network: no board is at stake.
DEVICE = Resources(lut=10**6, ff=2 * 10**6, bram=2000.0, dsp=0)
CLOCK_MHZ = 100.0
PART = "xc7z020clg400-1"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--input", type=Path, help=".npz with x, windows of the models' input; default: random walks")
    parser.add_argument("--windows", type=int, default=256)
    parser.add_argument("--fps", type=float, default=10_000.0, help="rate that the design is made for")
    parser.add_argument("--io", choices=get_args(Io), default="stream", help="of hls4ml's project")
    parser.add_argument("--out", type=Path, default=Path("build/bench_csim"))
    return parser.parse_args()


def windows(model: Model, source: Path | None, count: int) -> IntArray:
    """Integer windows (N, *shape)."""
    if source is not None:
        return inputs.integers(inputs.load(source, model.head), model.head)[:count]
    rng = np.random.default_rng(7)
    shape = (count, *model.inputs[0].shape)
    walk = rng.normal(0, 0.2, shape).cumsum(axis=-1) + rng.normal(0, 0.3, shape)
    return model.head.run(walk.astype(np.float32))


def seconds(*command: str | Path, cwd: Path) -> float:
    start = perf_counter()
    subprocess.run([str(word) for word in command], cwd=cwd, check=True, capture_output=True)
    return perf_counter() - start


def ours(design: Pipeline, graph: Graph, data: Mapping[str, IntArray], folder: Path) -> tuple[float, float]:
    """(seconds to compile, windows a second)."""
    start = perf_counter()
    csim.build(design, folder)
    compiled = perf_counter() - start
    result = csim.csim(design, graph, data, folder)
    assert result.mismatches == 0, result.first_mismatch
    program = folder / "build" / "csim"
    times = [
        min(seconds(program / "csim", "input.bin", "records", str(n), cwd=program) for _ in range(3))
        for n in (1, result.windows)
    ]
    return compiled, (result.windows - 1) / (times[1] - times[0])


def theirs(graph: Graph, io: Io, data: Mapping[str, IntArray], folder: Path) -> tuple[float, float]:
    """(seconds to compile, windows a second). Raises BhcError for what hls4ml cannot take."""
    project = hls4ml_project.emit(graph, "model", part=PART, clock_mhz=CLOCK_MHZ, io=io, vendor="vitis")
    start = perf_counter()
    hls4ml_project.compile_library(project, folder)
    compiled = perf_counter() - start
    result = hls4ml_project.csim(project, graph, data, folder, trace=False)
    assert result.mismatches == 0, result.first_mismatch
    taken = float((folder / "build" / "hls4ml" / "run" / "seconds.txt").read_text())
    return compiled, result.windows / taken


def main() -> None:
    args = arguments()
    print("| model | compile, s | windows/s | hls4ml: compile, s | windows/s | compile time, ratio | speed, ratio |")
    print("|---|---|---|---|---|---|---|")
    for path in args.models:
        model = load(path)
        graph = passes.run(model.graph)
        design = schedule(graph, model.name, Target(CLOCK_MHZ, DEVICE, Rate(int(CLOCK_MHZ * 1e6 / args.fps))))
        (declared,) = graph.inputs
        data = {declared.name: windows(model, args.input, args.windows)}
        folder = args.out / path.stem
        shutil.rmtree(folder, ignore_errors=True)
        compiled, speed = ours(design, graph, data, folder)
        row = f"| {path.stem} | {compiled:.1f} | {speed:,.0f} |"
        try:
            other, slow = theirs(graph, args.io, data, folder)
        except BhcError as error:
            print(f"{row} {error.diagnostics[0].message} | | | |", flush=True)
            continue
        print(f"{row} {other:.1f} | {slow:,.1f} | {compiled / other:.2f} | {speed / slow:.1f} |", flush=True)


if __name__ == "__main__":
    main()
