"""The hardware layers that FINN makes of a hand-over, and how far each is unfolded.

Matrix-vector and depthwise units are folded as the schedule folds ours; everything between them by as little as keeps
up with the design. Cycle formulas are those of FINN+ 1.6.1 (`get_exp_cycles`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import gcd
from operator import floordiv

from bhc.ir.folding import divisors
from bhc.ir.ops import Pair
from bhc.ir.pipeline import Folding, Pipeline

Settings = dict[str, int | str]

#: Vitis HLS holds no more beats of a vector than this for FINN's matrix-vector unit.
_MOST_BEATS = 1024
#: Cycles of latency in FINN's estimate for a sliding window, which do not add up from image to image.
_WINDOW_LATENCY = 2
#: AMD's FINN has another name for the adder.
_ALIASES = {"ElementwiseAdd_hls": "AddStreams_hls"}


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix-vector unit: `height` results of `width` products each, at every position.

    groups: of the convolution that was written out as a whole matrix.
    """

    height: int
    width: int
    positions: int
    groups: int = 1

    def cycles(self, folding: Folding) -> int:
        """Cycles a window."""
        return self.height // folding.pe * (self.width // folding.simd) * self.positions


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window over an image (H, W, C) that has been padded already."""

    image: tuple[int, int, int]
    kernel: Pair
    stride: Pair
    dilation: Pair
    positions: Pair
    depthwise: bool

    def parallel_cycles(self, simd: int) -> int:
        """Cycles a window of the network with all taps at once."""
        return self.image[0] * self.image[1] * (self.image[2] // simd) + _WINDOW_LATENCY

    def cycles(self, simd: int) -> int:
        """Cycles a window of the network."""
        taps = self.kernel[0] * self.kernel[1]
        if taps == 1:
            return self.parallel_cycles(simd)
        height, width, channels = self.image
        fold = channels // simd
        if 1 in (height, width):
            axis = int(height == 1)
            stride, out, size = self.stride[axis], self.positions[axis], self.image[axis]
            if not self.depthwise:
                return out * taps * fold + _WINDOW_LATENCY
            written = out * taps * fold + (fold - 1) * taps
            read = size * fold + fold * (taps - 1) * (stride - 1)
            return max(written, read) + _WINDOW_LATENCY
        oh, ow = self.positions
        filling = ((self.kernel[0] - 1) * self.dilation[0] * width + (self.kernel[1] - 1) * self.dilation[1] + 1) * fold
        row = max(ow * taps * fold, self.stride[1] * width * fold)
        if self.depthwise:
            row += ow * (self.stride[1] - 1) * (fold - 1)
            filling += (self.stride[0] - 1) * width * fold
        return filling + oh * row


def streaming(work: int) -> Callable[[int], int]:
    """Cycles of a layer that works on so many elements, some at once."""
    return partial(floordiv, work)


@dataclass(slots=True)
class Layer:
    """One layer of FINN.

    kind: FINN's name of it. node: of the graph, empty for a fork. reads, writes: tensors. attribute: PE or SIMD, a
    divisor of `width`; cycles: a window's, for that divisor. settings: what else the folding file sets. matrix, window:
    of the layers that are one. partner: the depthwise window before the layer, whose SIMD must be the layer's PE.
    """

    kind: str
    node: str
    reads: list[str]
    writes: str
    attribute: str
    width: int
    cycles: Callable[[int], int]
    settings: Settings = field(default_factory=dict)
    matrix: Matrix | None = None
    window: Window | None = None
    partner: Layer | None = None


@dataclass(frozen=True, slots=True)
class FoldedLayer:
    """A layer as the folding file sets it.

    name: FINN's. node: of the graph that it belongs to, empty for a fork. cycles: a window's, by FINN's formula.
    scheduled: those of our stage, for matrix-vector and depthwise units.
    """

    name: str
    node: str
    settings: Mapping[str, int | str]
    cycles: int
    scheduled: int | None


def with_forks(
    layers: Iterable[Layer], sizes: Mapping[str, tuple[int, int]], inputs: Iterable[str], fresh: Callable[[str], str]
) -> list[Layer]:
    """The layers, with one more behind every tensor that several layers read.

    sizes: (elements, channels) of the tensors. fresh: makes a name unique.
    """
    given = list(layers)
    readers: dict[str, list[Layer]] = {}
    for layer in given:
        for name in layer.reads:
            readers.setdefault(name, []).append(layer)
    found: list[Layer] = []

    def fork(name: str) -> None:
        if len(readers.get(name, ())) < 2:
            return
        elements, channels = sizes[name]
        copies = fresh(f"{name}_copies")
        found.append(Layer("DuplicateStreams_hls", "", [name], copies, "PE", channels, streaming(elements)))
        for layer in readers[name]:
            layer.reads = [copies if read == name else read for read in layer.reads]

    for name in inputs:
        fork(name)
    for layer in given:
        found.append(layer)
        fork(layer.writes)
    return found


def in_order(layers: Iterable[Layer], inputs: Iterable[str]) -> list[Layer]:
    """Level by level from the input, as qonnx sorts."""
    given = list(layers)
    levels = dict.fromkeys(inputs, -1)
    for layer in given:
        levels[layer.writes] = 1 + max(levels[name] for name in layer.reads)
    return sorted(given, key=lambda layer: levels[layer.writes])


def _matrix_folding(matrix: Matrix, folding: Folding) -> Folding:
    """That of our matrix-vector unit, for as many cycles; for fewer where its vector would be too long."""
    # The matrix has fewer columns than ours where taps that see nothing but padding were left out.
    pe, simd = folding.pe, gcd(folding.simd * matrix.groups, matrix.width)
    if matrix.width // simd <= _MOST_BEATS:
        return Folding(pe, simd)
    wider = next(d for d in divisors(matrix.width) if matrix.width // d <= _MOST_BEATS)
    return Folding(next(d for d in divisors(matrix.height) if d * wider >= pe * simd), wider)


def _least(layer: Layer, budget: int) -> int:
    """The smallest divisor with which the layer and the window before it keep to the budget, or the largest."""

    def fits(divisor: int) -> bool:
        cycles = [layer.cycles(divisor) - _WINDOW_LATENCY * (layer.window is not None)]
        if layer.partner is not None:
            cycles.append(layer.partner.cycles(divisor) - _WINDOW_LATENCY)
        return max(cycles) <= budget

    return next((d for d in divisors(layer.width) if fits(d)), layer.width)


def _settle(layer: Layer, budget: int, ours: Folding | None) -> tuple[Settings, int]:
    """(settings, cycles) of a layer that is no depthwise window."""
    if layer.matrix is not None:
        wanted = Folding(_least(layer, budget), 1) if ours is None else ours
        folding = _matrix_folding(layer.matrix, wanted)
        return {"PE": folding.pe, "SIMD": folding.simd, **layer.settings}, layer.matrix.cycles(folding)
    if layer.kind == "VVAU_hls" and ours is not None:
        return {layer.attribute: ours.pe, **layer.settings}, layer.cycles(ours.pe)
    divisor = _least(layer, budget)
    if layer.window is not None and layer.cycles(divisor) > budget + _WINDOW_LATENCY:
        return {"SIMD": layer.width, "parallel_window": 1}, layer.window.parallel_cycles(layer.width)
    return {layer.attribute: divisor, **layer.settings}, layer.cycles(divisor)


def fold(layers: Iterable[Layer], pipeline: Pipeline) -> tuple[FoldedLayer, ...]:
    """The layers, in FINN's order and under its names, folded."""
    stages = {stage.name: stage for stage in pipeline.stages if stage.folding is not None}
    given = list(layers)
    settled: dict[str, tuple[Settings, int]] = {}
    for layer in given:
        if layer.window is None or not layer.window.depthwise:
            stage = stages.get(layer.node)
            settled[layer.writes] = _settle(layer, pipeline.cycles_per_window, stage.folding if stage else None)
    for layer in given:
        # The channels leave a depthwise window in the order in which the layer behind it takes them.
        if layer.partner is not None:
            simd = int(settled[layer.writes][0]["PE"])
            settled[layer.partner.writes] = {"SIMD": simd}, layer.partner.cycles(simd)
    numbers: dict[str, int] = {}
    folded = []
    for layer in given:
        number = numbers.setdefault(layer.kind, 0)
        numbers[layer.kind] += 1
        settings, cycles = settled[layer.writes]
        ours = stages[layer.node].cycles if layer.kind in ("MVAU_hls", "VVAU_hls") and layer.node in stages else None
        folded.append(FoldedLayer(f"{layer.kind}_{number}", layer.node, settings, cycles, ours))
    return tuple(folded)


def folding_file(folded: Iterable[FoldedLayer]) -> dict[str, Settings]:
    """The contents of FINN's folding file. It ignores names that it does not know."""
    found: dict[str, Settings] = {"Defaults": {}}
    for layer in folded:
        kind, _, number = layer.name.rpartition("_")
        for name in (kind, *([_ALIASES[kind]] if kind in _ALIASES else [])):
            found[f"{name}_{number}"] = dict(layer.settings)
    return found
