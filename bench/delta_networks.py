"""What skipping saves in whole networks: cycles in Verilator on recordings of unseen subjects, LUTs by Yosys.

    python bench/delta_networks.py MODEL.onnx:RECIPE.toml ... [--data CACHE] [--hop 8] [--share 0.25] [--minutes 20]

For each network a design that skips where it pays (`--delta auto`, calibrated on training subjects) within a share of
a PYNQ-Z2, and two dense streaming designs: one with the same lanes in every layer (as many outputs and products at
once as outputs and changes), and the fastest whose LUT estimate is no higher, with as much block RAM as it likes. All
are simulated on the same recordings, every stream compared with the evaluator. Printed for each: cycles a hop,
predicted and measured, LUTs and block RAM by Yosys, and its cycles by those of the first; then every layer of the
first.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bhc import boards, frontend
from bhc.backends import cosim, synth
from bhc.backends.compare import CosimResult
from bhc.inputs import Windows, rows
from bhc.ir import passes, profile, stream, tradeoff
from bhc.ir.graph import Graph
from bhc.ir.layers import compute_layers
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Folding, Pipeline, Resources
from bhc.ir.profile import Profile
from bhc.ir.schedule import FIT_MARGIN, Delta, Fit, Target, schedule
from bhc.simulator import Network
from bhc.training.recipe import read
from bhc.training.run import load_data


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+", help="QONNX file and recipe, MODEL.onnx:RECIPE.toml")
    parser.add_argument("--data", type=Path, metavar="CACHE", help="folder of prepared data")
    parser.add_argument("--hop", type=int, default=8)
    parser.add_argument("--share", type=float, default=0.25, help="of the board that the design may fill")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--no-synth", action="store_true", help="leave Yosys out: LUTs are estimates then")
    parser.add_argument("--modes", action="store_true", help="compare off, on and auto within the same share instead")
    parser.add_argument("--stalls", type=int, metavar="SEED", help="simulate with random pauses too")
    return parser.parse_args()


@dataclass(frozen=True, eq=False)
class Net:
    """A streamed network with what it is calibrated and tested on: the graph's input, recording by recording."""

    name: str
    graph: Graph
    profile: Profile
    test: list[IntArray]


def load(path: Path, recipe: Path, cache: Path | None, hop: int, minutes: float) -> Net:
    model = frontend.load(path)
    graph = stream.rewrite(passes.run(model.graph), hop, skips=True).graph
    network = Network(graph, model.head, model.tail)
    overlap = network.overlap
    assert overlap is not None

    def integers(part: str) -> list[IntArray]:
        found = []
        for recording in stretches(recipe, cache, minutes, part):
            if len(recording) < overlap.window:
                continue
            x = np.moveaxis(recording, 0, -1).reshape(1, *model.head.input_shape[:-1], -1)
            found += rows(Windows(np.ascontiguousarray(x, np.float32)), model.head, overlap)
        return found

    known = profile.measure(graph, compute_layers(graph), integers("train"))
    return Net(path.stem, graph, known, integers("test"))


def stretches(recipe: Path, cache: Path | None, minutes: float, part: str) -> Iterator[np.ndarray]:
    """(T, C) float32: the middle minute, or less, of recordings of a part of the split, spread evenly over them."""
    options = read(recipe)
    data = load_data(options, cache)
    split = next(s for name, s in data.dataset.splits.items() if name == data.parts.name)
    known = [r for r in data.dataset.recordings if split.part(r.name) == part]
    length = round(60 * data.parts.rate)
    picked = np.linspace(0, len(known) - 1, min(len(known), round(minutes))).round().astype(int)
    for recording in (known[i] for i in np.unique(picked)):
        x = data.parts.selection(recording).x
        start = max(0, len(x) - length) // 2
        yield x[start : start + length]


def same_lanes(net: Net, skipping: Pipeline) -> dict[str, Folding]:
    """Dense foldings of as many lanes: for changes at once, the most products up to that which divide the channels."""
    layers = compute_layers(net.graph)
    found = {}
    for stage in skipping.stages:
        if stage.folding is not None:
            channels = layers[stage.name].weights.shape[3]
            simd = max(d for d in range(1, stage.folding.simd + 1) if channels % d == 0)
            found[stage.name] = stage.folding if stage.kernel != "bhc_delta" else replace(stage.folding, simd=simd)
    return found


def designs(net: Net, share: float) -> list[tuple[str, Pipeline]]:
    board = boards.load("pynq-z2")
    target = Target(board.clock_mhz, board.resources, Fit(share))
    skipping = schedule(net.graph, net.name, target, "auto", net.profile)
    plenty = Resources(10**7, 10**7, 10.0**7, 10**7)
    lanes = Target(board.clock_mhz, plenty, Fit(1.0), same_lanes(net, skipping))
    room = replace(plenty, lut=round(skipping.estimate.lut / FIT_MARGIN))
    return [
        ("skips", skipping),
        ("dense, same lanes", schedule(net.graph, net.name, lanes)),
        ("dense, same LUTs", schedule(net.graph, net.name, replace(target, available=room, goal=Fit(1.0)))),
    ]


def modes(net: Net, share: float) -> list[tuple[str, Pipeline]]:
    board = boards.load("pynq-z2")
    target = Target(board.clock_mhz, board.resources, Fit(share))
    kinds: tuple[Delta, ...] = ("auto", "off", "on")
    return [(f"--delta {kind}", schedule(net.graph, net.name, target, kind, net.profile)) for kind in kinds]


def simulated(net: Net, design: Pipeline, stalls: int | None) -> CosimResult:
    with TemporaryDirectory() as folder:
        given = {net.graph.inputs[0].name: net.test}
        result = cosim.cosim(design, net.graph, given, Path(folder))
        assert result.mismatches == 0, result.first_mismatch
        if stalls is not None:
            again = cosim.cosim(design, net.graph, given, Path(folder), stalls=stalls)
            assert (again.mismatches, again.values) == (0, result.values), again.first_mismatch
    return result


def synthesized(design: Pipeline) -> Resources:
    with TemporaryDirectory() as folder:
        return synth.synth(design, Path(folder)).total.resources


def report(net: Net, made: Sequence[tuple[str, Pipeline]], *, estimate: bool, stalls: int | None) -> None:
    base: float | None = None
    for name, design in made:
        result = simulated(net, design, stalls)
        measured = result.cycles_per_window_measured
        assert measured is not None
        base = base or measured
        area = design.estimate if estimate else synthesized(design)
        print(
            f"{net.name:24} {name:18} {design.cycles_per_window:6} {measured:8.1f} {measured / base:6.1f}x "
            f"{area.lut:6} LUT {area.bram:5} BRAM  {result.windows:6} hops {result.values:11,} values",
            flush=True,
        )
    for row in tradeoff.rows(made[0][1], compute_layers(net.graph), net.profile):
        print(f"    {row}", flush=True)


def main() -> None:
    options = arguments()
    for pair in options.model:
        path, recipe = map(Path, pair.rsplit(":", 1))
        net = load(path, recipe, options.data, options.hop, options.minutes)
        made = (modes if options.modes else designs)(net, options.share)
        report(net, made, estimate=options.no_synth, stalls=options.stalls)


if __name__ == "__main__":
    main()
