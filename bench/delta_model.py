"""Cycles of several ways to skip what does not change, on the flips of real recordings.

    python bench/delta_model.py MODEL.onnx:RECIPE.toml ... [--data CACHE] [--hop 1] [--minutes 5] [--events 1 2 4]

For every layer of a model that reads a sequence, on recordings of the recipe's test subjects: the share of elements
that flip between two columns that its windows read one after another, and for each candidate the cycles a window and,
as a percentage, its conversion: ideal cycles (those of the dense unit with as many lanes, times the flip rate) by its
own. All outputs at once (Nf = 1). Then the area (LUTs, RAMB36), and the cycles of dense units with as many lanes and of
the same area (RAMB36 priced as in bhc.ir.area; in proportion between two foldings), by those of the first candidate.
docs/delta.md describes the candidates.

After the layers, whole networks: for every number of cycles a row of the input, the cheapest folding of each layer that
keeps up, dense units alone or either kind; the cycles of dense units of the same area by these, and of as many lanes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bhc import frontend
from bhc.ir import area, delta, passes, stream
from bhc.ir.layers import (
    Layer,
    Mode,
    foldable,
    layer,
    layer_window_params,
    memory_shapes,
    mvu_params,
    weight_styles,
    weights_size,
)
from bhc.ir.ops import Conv, Dense, IntArray
from bhc.ir.pipeline import Folding, Resources
from bhc.training.recipe import read
from bhc.training.run import load_data


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+", help="QONNX file and recipe, MODEL.onnx:RECIPE.toml")
    parser.add_argument("--data", type=Path, metavar="CACHE", help="folder of prepared data")
    parser.add_argument("--hop", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--events", type=int, nargs="+", default=[1, 2, 4])
    return parser.parse_args()


def recordings(recipe: Path, cache: Path | None, minutes: float, part: str = "test") -> Iterator[np.ndarray]:
    """Of test (or other) subjects, (T, C) float32, the longest of each subject first, so many minutes in all."""
    options = read(recipe)
    data = load_data(options, cache)
    split = next(s for name, s in data.dataset.splits.items() if name == data.parts.name)
    found = [r for r in data.dataset.recordings if split.part(r.name) == part]
    left = round(minutes * 60 * data.parts.rate)
    for recording in sorted(found, key=lambda r: -len(r.x)):
        x = data.parts.selection(recording).x[:left]
        left -= len(x)
        yield x
        if left <= 0:
            return


@dataclass(frozen=True)
class Traced:
    """A layer and the columns that it reads, (columns, channels) of each recording."""

    item: Layer
    columns: list[IntArray]


def trace(path: Path, recipe: Path, cache: Path | None, hop: int, minutes: float) -> list[Traced]:
    model = frontend.load(path)
    graph = stream.rewrite(passes.run(model.graph), hop, skips=True).graph
    users = graph.users()
    found: dict[str, Traced] = {}
    for recording in recordings(recipe, cache, minutes):
        window = model.head.input_shape[-1]
        whole = recording[: len(recording) // window * window].reshape(-1, window, recording.shape[1])
        x = model.head.run(np.ascontiguousarray(whole.transpose(0, 2, 1)).reshape(-1, *model.head.input_shape))
        values = stream.evaluate(graph, x.reshape(-1, *graph.inputs[0].type.shape[1:]))
        for node in graph.nodes:
            if isinstance(node.op, Conv | Dense):
                item = layer(graph, node, foldable(graph, node, users))
                rows = values[node.inputs[0]].reshape(-1, delta.geometry(item).channels)
                found.setdefault(node.name, Traced(item, [])).columns.append(rows)
    return list(found.values())


@dataclass(frozen=True)
class Flips:
    """changed: (columns, channels), whether an element differs from the column a stride before."""

    shape: delta.Geometry
    changed: np.ndarray

    def windows(self, counts: IntArray) -> IntArray:
        """(windows, taps, ...): a property of columns for the columns that whole windows read."""
        shape = self.shape
        number = (len(counts) - 1 - shape.reach) // shape.stride + 1
        found: IntArray = counts[np.arange(number)[:, None] * shape.stride + np.arange(shape.taps) * shape.dilation]
        return found


def run(flips: Flips, width: int) -> float:
    """Chosen: one run of events a window, `width` a cycle; one event a cycle is found."""
    return delta.cycles(flips.shape, flips.changed.sum(axis=1, keepdims=True), nf=1, width=width)


def lists(flips: Flips, width: int) -> float:
    """A list of events a column, padded to words; each list again for each tap."""
    words = -(-flips.changed.sum(axis=1) // width)
    return float(np.maximum(1, flips.windows(words).sum(axis=1)).mean())


def scatter(flips: Flips, width: int) -> float:
    """Each event is added to the accumulators of all windows that read it, `width` of one column at once."""
    words = flips.shape.taps * -(-flips.changed.sum(axis=1) // width)
    return float(np.maximum(1, words).mean()) * flips.shape.stride


def banks(flips: Flips, width: int) -> float:
    """A queue for each of `width` banks of channels; a window waits for the longest."""
    counts = np.zeros((len(flips.changed), width), np.int64)
    for bank in range(width):
        counts[:, bank] = flips.changed[:, bank::width].sum(axis=1)
    return float(np.maximum(1, flips.windows(counts).sum(axis=1).max(axis=1)).mean())


def scan(flips: Flips, width: int) -> float:
    """`width` events a cycle, but one cycle for each element that is compared, `width` of them at once."""
    elements = -(-flips.changed.shape[1] // width) * flips.shape.stride
    return float(np.maximum(elements, flips.windows(flips.changed.sum(axis=1)).sum(axis=1) / width).mean())


def groups(flips: Flips, width: int) -> float:
    """Dense lanes: groups of `width` channels in which anything changed are added as a whole."""
    channels = flips.changed.shape[1]
    padded = np.pad(flips.changed, ((0, 0), (0, -channels % width)))
    words = padded.reshape(len(padded), -1, width).any(axis=2).sum(axis=1)
    return float(np.maximum(1, flips.windows(words).sum(axis=1)).mean())


CANDIDATES = {"run": run, "lists": lists, "banks": banks, "scatter": scatter, "scan": scan, "groups": groups}


def delta_area(item: Layer, width: int) -> Resources:
    p = delta.params(item, pe=item.weights.shape[0], events=width, lanes=item.x.channels)
    return area.estimate("bhc_delta", p, delta.memory_shapes(p))


def dense_area(item: Layer, folding: Folding) -> Resources:
    """bhc_window and bhc_mvu."""
    mode = Mode.RING if isinstance(item.node.op, Conv) else Mode.STATIONARY
    p = mvu_params(item, mode, folding)
    styles = weight_styles(*weights_size(item, mode, folding))
    choices = [area.estimate("bhc_mvu", p, memory_shapes(item, mode, folding, style)) for style in styles]
    total = min(choices, key=area.price)
    if mode == Mode.RING:
        total += area.estimate("bhc_window", layer_window_params(item, mode, folding))
    return total


def foldings(item: Layer) -> Iterator[Folding]:
    m, channels = item.weights.shape[0], delta.geometry(item).channels
    elements = item.taps * channels if isinstance(item.node.op, Dense) else channels
    for pe in (n for n in range(1, m + 1) if m % n == 0):
        for simd in (n for n in range(1, elements + 1) if elements % n == 0):
            yield Folding(pe, simd)


def frontier(item: Layer) -> tuple[list[float], list[int]]:
    """Area and lanes of the dense foldings that no other beats in both, smallest first."""
    choices = sorted((area.price(dense_area(item, f)), -f.pe * f.simd) for f in foldings(item))
    best: list[tuple[float, int]] = []
    for price, lanes in choices:
        if not best or -lanes > best[-1][1]:
            best.append((price, -lanes))
    return [price for price, _ in best], [lanes for _, lanes in best]


@dataclass(frozen=True)
class Choice:
    """A folding: area in LUTs, cycles a row of its input, lanes."""

    area: float
    cycles: float
    lanes: int
    skips: bool


def choices(traced: Traced, rate: float) -> list[Choice]:
    """Of a layer, dense and delta. rate: columns of the layer for each row of the network's input."""
    item = traced.item
    shape, m = delta.geometry(item), item.weights.shape[0]
    dense = [(area.price(dense_area(item, f)), f.pe * f.simd) for f in foldings(item)]
    found = [Choice(price, rate * item.weights.size / lanes / shape.stride, lanes, False) for price, lanes in dense]
    if delta.why_not(item):
        return found
    zero = -1 if item.x.bipolar else 0
    for lanes in sorted({shape.channels // n for n in (1, 2, 4) if shape.channels % n == 0}):
        events = np.concatenate([delta.changes(x, shape, lanes, zero) for x in traced.columns])
        for width in (1, 2, 4, 8):
            for nf in (n for n in (1, 2, 4, 8, 16) if m % n == 0):
                p = delta.params(item, pe=m // nf, events=width, lanes=lanes)
                price = area.price(area.estimate("bhc_delta", p, delta.memory_shapes(p)))
                cycles = rate * delta.cycles(shape, events, nf=nf, width=width) / shape.stride
                found.append(Choice(price, cycles, width * m // nf, True))
    return found


def report_network(name: str, layers: list[Traced]) -> None:
    rows = sum(len(x) for x in layers[0].columns)
    rates = [sum(len(x) for x in traced.columns) / rows for traced in layers]
    options = [choices(traced, rate) for traced, rate in zip(layers, rates, strict=True)]

    def cheapest(cycles: float, *, skips: bool) -> list[Choice] | None:
        """A choice for each layer that keeps up."""
        able = [[c for c in row if c.cycles <= cycles and (skips or not c.skips)] for row in options]
        return [min(row, key=lambda c: c.area) for row in able] if all(able) else None

    targets = [2 ** (n / 4) for n in range(4, 41)]
    dense = [(sum(c.area for c in found), t) for t in targets if (found := cheapest(t, skips=False))]
    areas, times = zip(*sorted(dense), strict=True)
    for target in (4, 8, 16, 32, 64, 128, 256):
        found = cheapest(target, skips=True)
        if found is None:
            continue
        total = sum(c.area for c in found)
        cycles = max(c.cycles for c in found)
        same_area = float(np.exp(np.interp(np.log(total), np.log(areas), np.log(times))))
        same_lanes = max(
            rate * traced.item.weights.size / choice.lanes / delta.geometry(traced.item).stride
            for traced, rate, choice in zip(layers, rates, found, strict=True)
        )
        kinds = "".join("d" if c.skips else "-" for c in found)
        print(f"{name:26}{cycles:8.2f} cycles a row {total:7.0f} LUTs' worth, {kinds}", end="")
        print(f"{same_lanes / cycles:9.2f}x at the same lanes {same_area / cycles:7.2f}x at the same area")


def main() -> None:
    args = arguments()
    print(f"{'layer':26}{'flips':>7}{'events':>7}" + "".join(f"{name:>14}" for name in CANDIDATES), end="")
    print(f"{'LUT':>7}{'BRAM':>6}{'dense, same lanes':>19}{'same area':>11}")
    networks = {}
    for word in args.model:
        path, _, recipe = word.partition(":")
        networks[Path(path).stem] = trace(Path(path), Path(recipe), args.data, args.hop, args.minutes)
    for name, layers in networks.items():
        for traced in layers:
            report(f"{name} {traced.item.node.name}", traced, args.events)
    for name, layers in networks.items():
        report_network(name, layers)


def report(name: str, traced: Traced, widths: list[int]) -> None:
    item = traced.item
    shape = delta.geometry(item)
    changed = np.concatenate([x[shape.stride :] != x[: -shape.stride] for x in traced.columns])
    flips = Flips(shape, changed)
    rate = float(changed.mean())
    macs = item.weights.size
    prices, lanes = frontier(item)
    for width in widths:
        dense = shape.taps * shape.channels / width
        cells = []
        for candidate in CANDIDATES.values():
            cycles = candidate(flips, width)
            cells.append(f"{cycles:8.2f} {100 * dense * rate / cycles:4.0f}%")
        cycles = run(flips, width)
        own = delta_area(item, width)
        best = macs / float(np.interp(area.price(own), prices, lanes))
        print(f"{name:26}{100 * rate:6.1f}%{width:7}" + "".join(cells), end="")
        print(f"{own.lut:7}{own.bram:6g}{dense / cycles:18.2f}x{best / cycles:10.2f}x")


if __name__ == "__main__":
    main()
