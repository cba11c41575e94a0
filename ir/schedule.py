"""From graph to pipeline: folds each layer for a goal, lays the kernels out, and sizes the FIFOs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import assert_never

from bhc.diagnostics import BhcError, fail
from bhc.ir import area, fifos, pipeline
from bhc.ir.folding import Choice, Menu, budgets, cheapest, fastest_period, given, menu
from bhc.ir.graph import Graph
from bhc.ir.layers import Layer, foldable, layer
from bhc.ir.layout import Placer
from bhc.ir.ops import Conv, Dense
from bhc.ir.pipeline import Folding, Pipeline, Resources

#: Part of a device that a design may fill by estimate, so that what is estimated low still fits.
FIT_MARGIN = 0.9
#: Part of a device that a design takes when nothing is asked for.
DEFAULT_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Rate:
    """The smallest design of at most `cycles` a window."""

    cycles: int


@dataclass(frozen=True, slots=True)
class Fit:
    """The fastest design within a share of the device."""

    share: float = DEFAULT_SHARE


Goal = Rate | Fit


@dataclass(frozen=True, slots=True)
class Target:
    """What to build for. foldings: layers (by node name) whose folding the user gave."""

    clock_mhz: float
    available: Resources
    goal: Goal = Fit()
    foldings: Mapping[str, Folding] = field(default_factory=dict)


#: Makes a pipeline of one choice for each layer.
Place = Callable[[Mapping[str, Choice]], Pipeline]


def _layers(graph: Graph) -> dict[str, Layer]:
    users = graph.users()
    return {
        node.name: layer(graph, node, foldable(graph, node, users))
        for node in graph.nodes
        if isinstance(node.op, Conv | Dense)
    }


def _assemble(
    graph: Graph, layers: Mapping[str, Layer], picked: Mapping[str, Choice], *, name: str, clock: float
) -> Pipeline:
    """Lay the layers out as picked, with everything around them."""
    placer = Placer(graph, layers, picked)
    placer.run()
    layout = placer.layout
    output = placer.take(graph.outputs[0])
    depths, timed = fifos.size(layout, output)
    stages = fifos.with_depths(layout, depths)
    made = Pipeline(name, layout.streams, stages, layout.source, output, clock, timed.period, timed.latency)
    pipeline.verify(made)
    return made


def _diagnose_edges(graph: Graph) -> None:
    if len(graph.inputs) != 1:
        raise fail(
            "BHC303",
            f"the model has {len(graph.inputs)} inputs; hardware takes one",
            hint="concatenate the inputs along the channels",
        )
    if len(set(graph.outputs)) != 1:
        raise fail(
            "BHC304",
            f"the model has {len(graph.outputs)} outputs from different layers; hardware gives one",
            origin=", ".join(f"'{name}'" for name in graph.outputs),
            hint="compile one model for each, or concatenate them along the channels",
        )


def _too_big(made: Pipeline, available: Resources) -> BhcError:
    need = made.estimate
    largest = max(made.stages, key=lambda s: area.price(s.estimate))
    return fail(
        "BHC301",
        f"does not fit: needs about {need.lut} LUT and {need.bram36:g} BRAM36, of {available.lut} and "
        f"{available.bram36:g}; the largest layer, '{largest.value}', takes {largest.estimate.lut} LUT and "
        f"{largest.estimate.bram36:g} BRAM36",
        origin=", ".join(f"'{name}'" for name in largest.origin),
        hint="use a larger board, a lower rate (--fps), or a smaller layer",
    )


def schedule(graph: Graph, name: str, target: Target) -> Pipeline:
    """The pipeline of a graph for a target. Raises diagnostics BHC301 to BHC307."""
    _diagnose_edges(graph)
    layers = _layers(graph)
    unknown = sorted(set(target.foldings) - set(layers))
    if unknown:
        raise fail(
            "BHC305",
            f"no layer of this name takes a folding; there are {', '.join(layers)}",
            origin=f"layer '{unknown[0]}'",
            hint="name layers as graph.txt does",
        )
    place = partial(_assemble, graph, layers, name=name, clock=target.clock_mhz)
    tried: list[Pipeline] = []
    for price in area.BRAM36_PRICES:
        options = dict(menu(layers, price))
        for key, folding in target.foldings.items():
            options[key] = (given(layers[key], options[key], folding),)
        match target.goal:
            case Rate(cycles):
                made = _meet(options, cycles, place, target)
            case Fit(share):
                made = _fit(options, share, place, target)
            case _:
                assert_never(target.goal)
        tried.append(made)
        if isinstance(target.goal, Rate) and made.estimate.fits(target.available):
            return made  # the first price is that of the smallest design
    fitting = [made for made in tried if made.estimate.fits(target.available)]
    if not fitting:
        raise _too_big(tried[0], target.available)
    return min(fitting, key=lambda made: made.cycles_per_window)


def _meet(options: Menu, cycles: int, place: Place, target: Target) -> Pipeline:
    """The smallest design of at most `cycles` a window.

    Layers that hold each other up can make the period of a design longer than that of its slowest layer; then
    the layers must be faster.
    """
    budget, least = cycles, fastest_period(options)
    while (picked := cheapest(options, budget)) is not None:
        made = place(picked)
        if made.cycles_per_window <= cycles:
            return made
        least = made.cycles_per_window
        slowest = max((choice.cycles for choice in picked.values()), default=0)
        if slowest <= fastest_period(options):
            break  # nothing is left to make faster
        budget = min(slowest - 1, budget * cycles // made.cycles_per_window)
    raise fail(
        "BHC306",
        f"{target.clock_mhz * 1e6 / cycles:.6g} windows a second are out of reach: one takes {least} cycles "
        f"at least, which is {target.clock_mhz * 1e6 / least:.6g} a second",
        hint="lower --fps or raise --clock",
    )


def _fit(options: Menu, share: float, place: Place, target: Target) -> Pipeline:
    """The fastest design within a share of the device, or within what the smallest design takes, if that is
    more.
    """
    steps = budgets(options)

    def layers_alone(budget: int) -> Resources:
        picked = cheapest(options, budget)
        assert picked is not None
        return sum((choice.cost for choice in picked.values()), Resources())

    part, floor = share * FIT_MARGIN, layers_alone(steps[-1])
    limit = Resources(
        lut=max(int(target.available.lut * part), floor.lut),
        ff=max(int(target.available.ff * part), floor.ff),
        bram36=max(target.available.bram36 * part, floor.bram36),
        dsp=max(int(target.available.dsp * part), floor.dsp),
    )
    low = 0
    around = Resources()  # what FIFOs, adapters and pools take beside the layers
    while True:
        high = len(steps) - 1
        while low < high:
            middle = (low + high) // 2
            if (layers_alone(steps[middle]) + around).fits(limit):
                high = middle
            else:
                low = middle + 1
        picked = cheapest(options, steps[low])
        assert picked is not None
        made = place(picked)
        if made.estimate.fits(limit) or low == len(steps) - 1:
            return made
        layers = layers_alone(steps[low])
        around = Resources(
            lut=max(made.estimate.lut - layers.lut, 0),
            ff=max(made.estimate.ff - layers.ff, 0),
            bram36=max(made.estimate.bram36 - layers.bram36, 0),
        )
        low += 1
