"""Streaming and skipping are exact: hours of recordings of unseen subjects, every value of every stage.

    python bench/recordings.py MODEL.onnx:RECIPE.toml ... [--data CACHE] [--hop 64 16 1] [--minutes 600]
                               [--windows 4000] [--seed 0] [--rtl 0 --stalls SEED ... --target pynq-z2 --out DIR]

For each model and hop, on recordings of the recipe's test subjects, one after another with a reset between, compared
for equality:

    windows     the values of windows, each evaluated alone (bhc.ir.evaluate, as `bhc simulate` does), with the rows of
                the sequences that go on from window to window, evaluated in pieces of random length (bhc.ir.stream);
                about --windows of them, chosen at random, if there are more
    changes     the results of the layers that can skip, computed from changes alone (bhc.ir.delta.Accumulators) in the
                same pieces, with those of the pieces
    restarts    the same with a history that begins anew for each window, with those of the windows

A line tells how many hours of recordings were streamed, how many windows were evaluated alone, how many values were
compared, and how many differ; the exit status is 1 if any does.

With --rtl, instead, so many minutes of them go through the design in Verilator, as the board's default folds it, at
least two recordings with a reset between, and every stream is compared with the evaluator's: once without stalls, and
once for each seed of --stalls.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bhc import boards, frontend
from bhc.backends.cosim import cosim
from bhc.frontend import Model
from bhc.inputs import Overlap, Windows, rows
from bhc.ir import delta, passes, stream
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Graph
from bhc.ir.layers import Layer, foldable, layer
from bhc.ir.ops import Conv, Dense, Frame, IntArray, MaxPool, SumPool
from bhc.ir.schedule import Target, schedule
from bhc.simulator import chunks
from bhc.training.recipe import read
from bhc.training.run import load_data

#: Rows of the longest piece, as a power of two; of long recordings, rows that are streamed before windows are compared.
LONGEST_PIECE = 12
STRETCH = 1 << 15

#: Values as they are kept: half as large as they are computed.
Held = dict[str, NDArray[np.int32]]

COMPARISONS = "windows", "changes", "restarts"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+", help="QONNX file and recipe, MODEL.onnx:RECIPE.toml")
    parser.add_argument("--data", type=Path, metavar="CACHE", help="folder of prepared data")
    parser.add_argument("--hop", type=int, nargs="+", default=[64, 16, 1])
    parser.add_argument("--minutes", type=float, default=600, help="at most, of each model's recordings")
    parser.add_argument("--windows", type=int, default=4000, help="at most, of each model and hop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rtl", type=float, metavar="MINUTES", help="in Verilator")
    parser.add_argument("--stalls", type=int, nargs="*", default=[], metavar="SEED")
    parser.add_argument("--target", default="pynq-z2")
    parser.add_argument("--out", type=Path, default=Path("build/recordings"))
    return parser.parse_args()


@dataclass(frozen=True)
class Recordings:
    """rows: of each recording, (R, ...), the graph's input. rate: rows a second."""

    rows: list[IntArray]
    rate: float

    @property
    def hours(self) -> float:
        return sum(len(x) for x in self.rows) / self.rate / 3600


def recordings(model: Model, recipe: Path, cache: Path | None, minutes: float) -> Recordings:
    """Of the test subjects, the longest first, so many minutes in all; those shorter than a window left out."""
    data = load_data(read(recipe), cache)
    split = next(s for name, s in data.dataset.splits.items() if name == data.parts.name)
    test = [data.parts.selection(r).x for r in data.dataset.recordings if split.part(r.name) == "test"]
    window, left, found = model.head.input_shape[-1], round(minutes * 60 * data.parts.rate), []
    for x in sorted(test, key=lambda x: -len(x)):
        kept = x[:left]
        if len(kept) < window:
            break
        left -= len(kept)
        found += rows(Windows(np.ascontiguousarray(kept.T)[None]), model.head, Overlap(window, 1))
    return Recordings(found, data.parts.rate)


@dataclass
class Tally:
    """Values compared, and how many of them differ."""

    values: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COMPARISONS, 0))
    differing: int = 0
    windows: int = 0

    def compare(self, comparison: str, found: NDArray[np.integer], wanted: IntArray) -> None:
        assert found.size == wanted.size, (found.shape, wanted.shape)
        self.values[comparison] += wanted.size
        self.differing += int(np.count_nonzero(found.reshape(wanted.shape) != wanted))


def skipping(graph: Graph) -> list[Layer]:
    """The layers that can be computed from changes."""
    users = graph.users()
    layers = [layer(graph, n, foldable(graph, n, users)) for n in graph.nodes if isinstance(n.op, Conv | Dense)]
    return [item for item in layers if delta.why_not(item) is None]


def steps(graph: Graph) -> dict[str, int]:
    """Rows of the input between two rows of every value of a window."""
    found = {declared.name: 1 for declared in graph.inputs}
    for node in graph.nodes:
        moved = node.op.stride[0] if isinstance(node.op, Conv | MaxPool | SumPool) else 1
        found[node.name] = max(found[name] for name in node.inputs) * moved
    return found


class Comparison:
    """A model at a hop."""

    def __init__(self, graph: Graph, hop: int, rng: np.random.Generator) -> None:
        self.alone, self.hop, self.rng = graph, hop, rng
        self.streamed = stream.rewrite(graph, hop).graph
        self.running = stream.Evaluator(self.streamed)
        self.endless = {item: delta.Accumulators(item) for item in skipping(self.streamed)}
        self.restarting = [item for item in skipping(graph) if isinstance(item.node.op, Conv)]
        self.steps = steps(graph)
        self.tally = Tally()

    def run(self, recording: IntArray, share: float) -> None:
        """Streams a recording, and compares this share of its windows."""
        window = self.alone.inputs[0].type.image[0]
        starts = np.arange(0, len(recording) - window + 1, self.hop)
        chosen = starts[self.rng.random(len(starts)) < share]
        self.running.reset()
        for changes in self.endless.values():
            changes.reset()
        held: Held = {}
        first = dict.fromkeys((node.name for node in self.streamed.nodes), 0)  # row of `held`
        for begin in range(0, len(recording), STRETCH):
            end = min(begin + STRETCH, len(recording))
            for name, new in self._stretch(recording[begin:end]).items():
                held[name] = np.concatenate([held[name], new]) if name in held else new
            ready = chosen[chosen + window <= end]
            chosen = chosen[len(ready) :]
            self._windows(recording, ready, held, first)
            # What windows to come may read: those that begin at `after` or later.
            after = max(0, end - window) // self.hop * self.hop
            for name, value in held.items():
                gone = min(after // self._kept(name) - first[name], len(value))
                held[name], first[name] = value[gone:], first[name] + gone

    def _stretch(self, part: IntArray) -> Held:
        """What these rows make of every value, in pieces of random length."""
        made: dict[str, list[NDArray[np.int32]]] = {node.name: [] for node in self.streamed.nodes}
        while len(part):
            size = int(self.rng.integers(1, 2 ** self.rng.integers(1, LONGEST_PIECE + 1)))
            values = self.running.push(part[:size])
            part = part[size:]
            for item, changes in self.endless.items():
                found = changes.push(values[item.node.inputs[0]].reshape(-1, changes.shape.channels))
                self.tally.compare("changes", found, values[item.result.name])
            for name, pieces in made.items():
                pieces.append(values[name].astype(np.int32))
        return {name: np.concatenate(pieces) for name, pieces in made.items()}

    def _kept(self, name: str) -> int:
        """Rows of the input between two of a sequence's, or between two of a value that each window has once."""
        return self.hop // self.streamed.types()[name].image[0] if name in self.running.sequences else self.hop

    def _windows(self, recording: IntArray, starts: IntArray, held: Held, first: Mapping[str, int]) -> None:
        (declared,) = self.alone.inputs
        window = declared.type.image[0]
        for part in chunks(self.alone, len(starts)):
            begins = starts[part]
            self.tally.windows += len(begins)
            values = evaluate(self.alone, {declared.name: recording[begins[:, None] + np.arange(window)]})
            for node in self.streamed.nodes:
                name = node.inputs[0] if isinstance(node.op, Frame) else node.name
                index = begins[:, None] // self._kept(node.name) - first[node.name]
                if node.name in self.running.sequences:
                    index = index + np.arange(node_rows(self.alone, name)) * (self.steps[name] // self._kept(node.name))
                self.tally.compare("windows", held[node.name][index], values[name])
            for item in self.restarting:
                x = values[item.node.inputs[0]].reshape(-1, item.x.channels)
                found = delta.accumulate(item, x)
                self.tally.compare("restarts", found, values[item.result.name])


def node_rows(graph: Graph, name: str) -> int:
    return graph.types()[name].image[0]


def compare(graph: Graph, found: Recordings, hop: int, windows: int, rng: np.random.Generator) -> Tally:
    comparison = Comparison(graph, hop, rng)
    window = graph.inputs[0].type.image[0]
    count = sum((len(x) - window) // hop + 1 for x in found.rows)
    for recording in found.rows:
        comparison.run(recording, windows / count)
    return comparison.tally


def software(args: argparse.Namespace, name: str, graph: Graph, found: Recordings) -> Iterator[tuple[int, int]]:
    """(values, differing) at each hop."""
    for hop in args.hop:
        began = time.monotonic()
        tally = compare(graph, found, hop, args.windows, np.random.default_rng(args.seed))
        values = sum(tally.values.values())
        cells = "".join(f"{tally.values[comparison]:16,}" for comparison in COMPARISONS)
        print(
            f"{name:28}{hop:5}{found.hours:8.2f}{tally.windows:9,}{cells}{values:16,}{tally.differing:11,}"
            f"{time.monotonic() - began:9.0f}",
            flush=True,
        )
        yield values, tally.differing


def rtl(args: argparse.Namespace, name: str, graph: Graph, found: Recordings) -> Iterator[tuple[int, int]]:
    """(values, differing) at each hop, without stalls and with each seed."""
    budget = round(args.rtl * 60 * found.rate)
    played: list[IntArray] = []
    for recording in found.rows:
        left = budget - sum(map(len, played))
        played.append(recording[: left if played else (left + 1) // 2])
    played = [x for x in played if len(x) >= graph.inputs[0].type.image[0]]
    minutes = sum(map(len, played)) / found.rate / 60
    for hop in args.hop:
        streamed = stream.rewrite(graph, hop).graph
        made = schedule(streamed, name, Target(100.0, boards.load(args.target).resources))
        for stalls in (None, *args.stalls):
            began = time.monotonic()
            workdir = args.out / f"{name}-{hop}"
            result = cosim(made, streamed, {graph.inputs[0].name: played}, workdir, stalls=stalls)
            print(
                f"{name:28}{hop:5}{minutes:9.1f}{len(played):11}{'-' if stalls is None else stalls:>8}"
                f"{made.cycles_per_window:11}{result.cycles_per_window_measured or 0:10.1f}{result.cycles or 0:13,}"
                f"{result.values:16,}{result.mismatches:11,}{time.monotonic() - began:9.0f}",
                flush=True,
            )
            yield result.values, result.mismatches


def main() -> None:
    args = arguments()
    if args.rtl is None:
        columns = "".join(f"{comparison:>16}" for comparison in COMPARISONS)
        print(f"{'model':28}{'hop':>5}{'hours':>8}{'windows':>9}{columns}{'values':>16}{'differing':>11}{'seconds':>9}")
    else:
        print(
            f"{'model':28}{'hop':>5}{'minutes':>9}{'recordings':>11}{'stalls':>8}{'predicted':>11}{'measured':>10}"
            f"{'cycles':>13}{'values':>16}{'differing':>11}{'seconds':>9}"
        )
    total = differing = 0
    for word in args.model:
        path, _, recipe = word.partition(":")
        model = frontend.load(Path(path))
        found = recordings(model, Path(recipe), args.data, args.minutes)
        run = software if args.rtl is None else rtl
        for values, wrong in run(args, Path(path).stem, passes.run(model.graph), found):
            total, differing = total + values, differing + wrong
    print(f"{total:,} values compared, {differing:,} differ")
    sys.exit(differing > 0)


if __name__ == "__main__":
    main()
