"""What streaming saves: cycles of a window by itself and of a hop, as scheduled and as measured in Verilator.

    python bench/streaming.py MODEL.onnx ... [--unstrided] [--hop 64 16 1] [--target pynq-z2] [--out DIR]

The design for windows is the schedule's default for the board. Against it, for each hop:

    as folded   every layer with the folding that it has in the design for windows
    as large    the fastest of at most as many LUTs (estimated) as the design for windows, folded anew

The ideal computes nothing twice and waits for nothing. Of a value that goes on from hop to hop, rows `step` rows of the
input apart, a hop brings as many new ones as there are different (row * step) modulo the hop, among the rows of a
window; of what is computed window by window, such as a dense head, all. As folded, the ideal saving is that of the
cycles of the busiest layer, its multiplications by its lanes; as large, that of the network's multiplications, as if
lanes could be shared out freely. (Area does not quite follow lanes, and the design for windows may wait: more than
100 % of the ideal are possible.) window/hop would be the saving of a network whose windows have as many columns as
rows, all layers without strides, and no head; printed for comparison.

Results are compared with the evaluator's on the way. The last columns are the slowest stages.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bhc import boards, frontend
from bhc.backends.cosim import cosim
from bhc.diagnostics import BhcError
from bhc.ir import passes, stream
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Conv, Dense, MaxPool, SumPool, Threshold
from bhc.ir.pipeline import Pipeline, Resources
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import Range, Type

#: Results that are measured, at least.
RESULTS = 12


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="*", type=Path)
    parser.add_argument("--unstrided", action="store_true", help="add a network without strides, with random weights")
    parser.add_argument("--hop", type=int, nargs="+", default=[64, 16, 1])
    parser.add_argument("--target", default="pynq-z2")
    parser.add_argument("--out", type=Path, default=Path("build/streaming"))
    return parser.parse_args()


def unstrided() -> Graph:
    """Four binary convolutions of five taps, 32 channels each, without strides: 112 of 128 rows come out."""
    rng, builder = np.random.default_rng(1), Builder()
    value = builder.input("x", Type((128, 6), Range(-128, 127)))
    for number in range(4):
        channels = builder.type(value).channels
        weights = rng.choice(np.array([-1, 1]), (32, 5, 1, channels))
        value = builder.add(Conv(weights), [value], name=f"conv{number}")
        sign = Threshold(rng.integers(-9, 10, (32, 1)), np.zeros(32, np.bool_), bipolar=True)
        value = builder.add(sign, [value], name=f"sign{number}")
    value = builder.add(SumPool((112, 1), (1, 1)), [value], name="sum")
    value = builder.add(Dense(rng.choice(np.array([-1, 1]), (6, 32))), [value], name="dense")
    return builder.graph([value])


def needed_rows(graph: Graph, hop: int) -> dict[str, int]:
    """Rows of every value of a window's graph that are new in a hop; all where it is computed window by window."""
    (declared,) = graph.inputs
    running = stream.sequences(stream.rewrite(graph, hop).graph)
    steps = {declared.name: 1}
    found = {}
    for node in graph.nodes:
        step = max(steps[name] for name in node.inputs)
        if isinstance(node.op, Conv | MaxPool | SumPool):
            step *= node.op.stride[0]
        steps[node.name] = step
        rows = node.type.image[0]
        found[node.name] = len({row * step % hop for row in range(rows)}) if node.name in running else rows
    return found


@dataclass(frozen=True)
class Work:
    """Multiplications of a layer for a window by itself and for a hop."""

    window: int
    hop: int


def work(graph: Graph, hop: int) -> dict[str, Work]:
    types, found = graph.types(), {}
    needed = needed_rows(graph, hop)
    for node in graph.nodes:
        if isinstance(node.op, Conv | Dense):
            rows, columns, _ = types[node.name].image if isinstance(node.op, Conv) else (1, 1, 1)
            macs = columns * int(node.op.weights.size)
            found[node.name] = Work(rows * macs, (needed[node.name] if isinstance(node.op, Conv) else 1) * macs)
    return found


def within(graph: Graph, name: str, available: Resources, slowest: int) -> Pipeline | None:
    """The fastest design within these resources, of at most so many cycles; None if there is none."""
    made, low, high = None, 1, slowest
    while low < high:
        cycles = (low + high) // 2
        try:
            tried = schedule(graph, name, Target(100.0, available, Rate(cycles)))
        except BhcError:
            low = cycles + 1
        else:
            made, high = tried, tried.cycles_per_window
    return made


def measured(pipeline: Pipeline, graph: Graph, workdir: Path) -> float:
    """Cycles a window or hop, on random inputs. Raises AssertionError if a value differs from the evaluator's."""
    (declared,) = graph.inputs
    shape, rows = declared.type.shape, RESULTS
    if stream.is_streamed(graph):
        hop = declared.type.image[0]
        shape, rows = shape[1:], stream.rows_needed(graph, max(RESULTS, 256 // hop))
    reach = declared.type.range
    x = np.random.default_rng(0).integers(reach.lo, reach.hi + 1, (rows, *shape))
    result = cosim(pipeline, graph, {declared.name: x}, workdir)
    assert result.mismatches == 0, result.first_mismatch
    assert result.cycles_per_window_measured is not None
    return result.cycles_per_window_measured


def lanes(pipeline: Pipeline) -> dict[str, int]:
    """Multiplications a cycle of every layer."""
    return {s.name: s.folding.pe * s.folding.simd for s in pipeline.stages if s.folding is not None}


def busiest(macs: Mapping[str, int], able: Mapping[str, int]) -> float:
    """Cycles of the busiest layer."""
    return max(count / able[name] for name, count in macs.items())


def row(name: str, made: Pipeline, cycles: float, base: float, ideal: float) -> None:
    slow = sorted(made.stages, key=lambda s: -s.cycles)[:3]
    stages = ", ".join(f"{s.name} {s.cycles}" for s in slow)
    print(
        f"  {name:18}{made.cycles_per_window:9}{cycles:11.1f}{made.estimate.lut:8}{made.estimate.bram:7g}"
        f"{base / cycles:9.2f}x{ideal:8.2f}x{100 * base / cycles / ideal:8.1f} %   {stages}",
        flush=True,
    )


def compare(name: str, graph: Graph, hops: list[int], device: Resources, out: Path) -> None:
    alone = schedule(graph, name, Target(100.0, device))
    base = measured(alone, graph, out / f"{name}-window")
    window = graph.inputs[0].type.image[0]
    slow = max(alone.stages, key=lambda s: s.cycles)
    print(
        f"{name}: {alone.cycles_per_window} cycles a window predicted, {base:.1f} measured "
        f"({alone.estimate.lut} LUT, {alone.estimate.bram:g} RAMB36; {slow.name} {slow.cycles})"
    )
    able = lanes(alone)
    foldings = {s.name: s.folding for s in alone.stages if s.folding is not None}
    budget = replace(device, lut=alone.estimate.lut)
    for hop in hops:
        layers = work(graph, hop)
        streamed = stream.rewrite(graph, hop).graph
        before, after = ({n: getattr(w, side) for n, w in layers.items()} for side in ("window", "hop"))
        macs = sum(before.values()) / sum(after.values())
        folded = busiest(before, able) / busiest(after, able)
        limit = max(after, key=lambda name: after[name] / able[name])
        print(
            f" hop {hop}: window/hop {window / hop:g}, multiplications {macs:.2f}x fewer, as folded {folded:.2f}x "
            f"({busiest(after, able):.0f} cycles, {limit})"
        )
        same = schedule(streamed, name, Target(100.0, device, foldings=foldings))
        row("as folded", same, measured(same, streamed, out / f"{name}-{hop}-folded"), base, folded)
        fast = within(streamed, name, budget, same.cycles_per_window)
        if fast is None:
            print("  as large          none is faster")
        else:
            row("as large", fast, measured(fast, streamed, out / f"{name}-{hop}-large"), base, macs)


def main() -> None:
    args = arguments()
    device = boards.load(args.target).resources
    graphs = {path.stem: passes.run(frontend.load(path).graph) for path in args.model}
    if args.unstrided:
        graphs["unstrided"] = unstrided()
    print(f"{'':20}predicted   measured     LUT RAMB36    saving   ideal  of ideal   slowest stages")
    for name, graph in graphs.items():
        compare(name, graph, args.hop, device, args.out)


if __name__ == "__main__":
    main()
