"""Netlists: what Yosys makes of a network for each FPGA family, simulated against the RTL and the evaluator.

    python bench/netlists.py MODEL.onnx --input X.npz [--windows 20] [--fps 200] [--boards NAME ...] [--faults 2]

For each board: streams and values compared in the RTL and in the netlist (and again with pauses), values that differ,
and of the netlist alone, seconds to map, to build its simulator, and to simulate, and cycles a second. Then the same
windows through the driver to a virtual board whose design and shell are one netlist: labels that differ. Then faults:
one bit of one LUT's contents is flipped, and the stage in which that is seen first must be the one that holds the LUT;
a flip that changes nothing, since no window reaches that bit, is counted as idle. Times depend on the machine and load.
"""

from __future__ import annotations

import argparse
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from unittest import mock

from bhc import inputs, load
from bhc.api import compile as compile_model
from bhc.backends import cosim, netlist, virtual, virtual_zynq
from bhc.backends.compare import CosimResult
from bhc.backends.netlist import Netlist
from bhc.backends.rtl import TOP, stage_words
from bhc.boards import Shell
from bhc.build import Build
from bhc.device import Device
from bhc.diagnostics import BhcError
from bhc.ir.ops import IntArray

BOARDS = ("icebreaker", "ulx3s-85f", "tangnano20k", "pynq-z2")
#: The seed of pauses, and of faults.
SEED = 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--input", type=Path, required=True, help="windows of the model's input, .npy or .npz")
    parser.add_argument("--windows", type=int, default=20)
    parser.add_argument("--fps", type=float, default=200.0, help="rate that the designs are made for")
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--faults", type=int, default=2, help="on each board; every one is a simulator of its own")
    parser.add_argument("--out", type=Path, default=Path("build/bench_netlists"))
    return parser.parse_args()


def simulate(build: Build, x: IntArray, made: Netlist | None = None, stalls: int | None = None) -> CosimResult:
    """The design, or a netlist of it, on integer windows."""
    assert build.directory is not None
    (declared,) = build.graph.inputs
    return cosim.cosim(build.pipeline, build.graph, {declared.name: x}, build.directory, stalls=stalls, netlist=made)


def holders(made: Netlist, build: Build) -> dict[str, str]:
    """The stage that alone is an instance of a module, for each such module of a netlist."""
    stages = {f"u_{word}": name for name, word in stage_words(build.pipeline).items()}
    top = re.split(rf"^module {TOP}\b", made.text, flags=re.MULTILINE)[1]
    found: dict[str, list[str]] = {}
    for module, instance in re.findall(r"^  (\S+)\s+(\w+)\s+\($", top, flags=re.MULTILINE):
        if instance in stages:
            found.setdefault(module, []).append(stages[instance])
    return {module: names[0] for module, names in found.items() if len(names) == 1}


def faults(made: Netlist, build: Build) -> Iterator[tuple[str, Netlist]]:
    """Netlists in which a bit of a LUT of a matrix-vector unit is flipped, with the stage that holds it."""
    units = {stage.name for stage in build.pipeline.stages if stage.kernel == "bhc_mvu"}
    spans = []
    for found in re.finditer(r"^module (\S+)\s*\(.*?^endmodule", made.text, flags=re.MULTILINE | re.DOTALL):
        stage = holders(made, build).get(found[1])
        if stage in units:
            luts = re.finditer(r"\.(?:LUT_)?INIT\((\d+)'h([0-9a-f]+)\)", found[0])
            spans += [(stage, found.start() + lut.start(2), lut[2]) for lut in luts if int(lut[1]) >= 4]
    rng = random.Random(SEED)
    while True:
        stage, at, digits = rng.choice(spans)
        flipped = int(digits, 16) ^ 1 << rng.randrange(4 * len(digits) if len(digits) > 1 else 4)
        text = f"{made.text[:at]}{flipped:0{len(digits)}x}{made.text[at + len(digits) :]}"
        yield stage, replace(made, text=text)


def report(title: str, result: CosimResult) -> None:
    compared = sum(row.value is not None for row in result.streams)
    seen = f"{result.windows} windows, {compared} streams, {result.values:,} values, {result.mismatches} differ"
    print(f"  {title}: {seen}; {result.cycles_per_window_measured:,g} cycles a window", flush=True)


def report_board(build: Build, x: IntArray) -> None:
    """Windows of the model's input to the virtual board and back."""
    kind = virtual_zynq if build.settings.board.shell is Shell.ZYNQ else virtual
    mapped = partial(kind.build, family=build.settings.schedule.family)
    with mock.patch.object(kind, "build", mapped), Device(build) as device:
        labels = device.run(x).labels
    differ = int((labels != build.simulate(x).labels).sum())
    print(f"  netlist of the whole board: {len(x)} windows, {differ} labels differ", flush=True)


def main() -> None:
    options = arguments()
    for board in options.boards:
        folder = options.out / board
        if not (folder / "report.json").is_file():
            compile_model(options.model, target=board, fps=options.fps, out=folder)
        build = load(folder)
        windows = inputs.load(options.input, build.network.head)
        x = inputs.integers(windows, build.network.head)[: options.windows]
        print(board, flush=True)
        report("rtl", simulate(build, x))
        begin = perf_counter()
        made = netlist.synthesize(build.pipeline, build.settings.schedule.family, folder)
        mapped = perf_counter()
        simulate(build, x[:1], made)
        built = perf_counter()
        result = simulate(build, x, made)
        done = perf_counter()
        report("netlist", result)
        report(f"netlist, pauses {SEED}", simulate(build, x, made, SEED))
        assert result.cycles is not None
        print(
            f"  {mapped - begin:.1f} s to map, {built - mapped:.1f} s to build, {done - built:.1f} s to simulate: "
            f"{result.cycles / (done - built):,.0f} cycles/s",
            flush=True,
        )
        report_board(build, windows.x[: options.windows])
        caught = idle = 0
        for stage, wrong in faults(made, build):
            if caught == options.faults:
                break
            try:
                first = simulate(build, x, wrong).first_mismatch
            except BhcError as error:  # of the handshake: the design stops, or gives too much
                print(f"  fault in {stage}: {error}", flush=True)
                caught += 1
                continue
            if first is None:
                idle += 1
                continue
            print(f"  fault in {stage}: {first}", flush=True)
            assert first.stage == stage
            caught += 1
        print(f"  {caught} faults found where they are, {idle} idle", flush=True)


if __name__ == "__main__":
    main()
