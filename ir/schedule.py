"""From graph to pipeline: folds each layer for a goal, lays the kernels out, and sizes the FIFOs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, assert_never

from bhc.diagnostics import BhcError, fail
from bhc.ir import area, fifos, pipeline, profile
from bhc.ir.fabric import Fabric, Family, fabric
from bhc.ir.folding import Choice, Menu, Skipping, budgets, cheapest, every, fastest_period, given, menu
from bhc.ir.graph import Graph
from bhc.ir.layers import Layer, Mode, compute_layers, external_foldings
from bhc.ir.layout import Layout, Placer
from bhc.ir.pipeline import Folding, Pipeline, Resources
from bhc.ir.profile import Profile

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
#: Where weights are: of as few layers as need be outside the device (auto), of none (chip), of as many as can (ddr).
Weights = Literal["auto", "chip", "ddr"]


@dataclass(frozen=True, slots=True)
class Target:
    """What to build for. foldings: layers (by node name) whose folding the user gave. reserved: what of the available
    the shell takes, which connects the design to the host. ports: layers whose weights the shell can bring from memory
    outside the device. weights: where those of dense layers are.
    """

    clock_mhz: float
    available: Resources
    goal: Goal = Fit()
    foldings: Mapping[str, Folding] = field(default_factory=dict)
    family: Family = Family.XC7
    reserved: Resources = field(default_factory=Resources)
    ports: int = 0
    weights: Weights = "auto"

    @property
    def fabric(self) -> Fabric:
        return fabric(self.family)

    @property
    def room(self) -> Resources:
        """What is left for the design."""
        return self.available - self.reserved


#: Whether layers may skip what does not change (auto: where it pays), or must if they can (on).
Delta = Literal["off", "auto", "on"]


@dataclass(frozen=True, eq=False, slots=True)
class _Planner:
    """Lays a graph out as picked. made: what was laid out before; prices often lead to the same choices, and a large
    design's timing takes a minute.
    """

    graph: Graph
    name: str
    target: Target
    layers: Mapping[str, Layer]
    skips: Skipping | None
    outside: frozenset[str] = frozenset()
    made: dict[tuple[object, ...], Pipeline] = field(default_factory=dict)

    def place(self, picked: Mapping[str, Choice], rows: int) -> Pipeline:
        """The pipeline of one choice for each layer; where layers skip, timed on so many rows of the profile."""
        key = (*picked.items(), rows)
        if key not in self.made:
            self.made[key] = self._place(picked, rows)
        return self.made[key]

    def _place(self, picked: Mapping[str, Choice], rows: int) -> Pipeline:
        used = None
        if self.skips is not None and any(choice.mode == Mode.DELTA for choice in picked.values()):
            used = self.skips.profile.part(profile.units(self.graph, rows))
        placer = Placer(self.graph, self.layers, picked, used, Layout(fabric=self.target.fabric))
        placer.run()
        layout = placer.layout
        output = placer.take(self.graph.outputs[0])
        windows = fifos.MODEL_WINDOWS
        if used is not None:
            # The first windows of an endless sequence have no result.
            windows = max(windows, used.units - (layout.filling or 0))
        depths, timed = fifos.size(layout, output, windows)
        stages = fifos.with_depths(layout, depths)
        made = Pipeline(
            self.name,
            layout.streams,
            stages,
            layout.source,
            output,
            self.target.clock_mhz,
            timed.period,
            timed.latency,
            tuple(layout.external),
        )
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


def _too_big(made: Pipeline, target: Target) -> BhcError:
    need, available, units = made.estimate, target.room, target.fabric.units
    largest = max(made.stages, key=lambda s: area.price(s.estimate))
    return fail(
        "BHC301",
        f"does not fit: needs about {need.lut} {units.lut} and {need.bram:g} {units.bram}, of {available.lut} and "
        f"{available.bram:g}; the largest layer, '{largest.value}', takes {largest.estimate.lut} "
        f"{units.lut} and {largest.estimate.bram:g} {units.bram}",
        origin=", ".join(f"'{name}'" for name in largest.origin),
        hint="use a larger board, a lower rate (--fps), or a smaller layer",
    )


def schedule(
    graph: Graph, name: str, target: Target, delta: Delta = "off", recorded: Profile | None = None
) -> Pipeline:
    """The pipeline of a graph for a target. recorded: what changes, for delta; without, it is guessed.

    auto is the best of three: without skipping, with it where it pays layer by layer, and wherever it is possible.

    Raises diagnostics BHC301 to BHC308.
    """
    _diagnose_edges(graph)
    layers = compute_layers(graph, target.fabric)
    unknown = sorted(set(target.foldings) - set(layers))
    if unknown:
        raise fail(
            "BHC305",
            f"no layer of this name takes a folding; there are {', '.join(layers)}",
            origin=f"layer '{unknown[0]}'",
            hint="name layers as graph.txt does",
        )
    able = _streamable(layers)
    if target.weights == "ddr" and not able:
        raise fail(
            "BHC308",
            "no layer's weights can come from memory: that takes a dense layer whose products share 64 bits a cycle",
            origin="--weights ddr",
            hint="leave it out",
        )
    problem: BhcError | None = None
    for count in _counts(able, layers, target):
        outside = frozenset(able[:count])
        try:
            return _scheduled(_Planner(graph, name, target, layers, None, outside), delta, recorded)
        except BhcError as error:
            problem = error
            if any(found.code != "BHC301" for found in error.diagnostics):
                raise
    assert problem is not None
    raise problem


def _streamable(layers: Mapping[str, Layer]) -> list[str]:
    """Layers that can do with weights from outside, those of the most weights first."""
    able = [name for name, item in layers.items() if external_foldings(item)]
    return sorted(able, key=lambda name: -layers[name].weights.size * layers[name].w_operand.bits)


def _counts(able: Sequence[str], layers: Mapping[str, Layer], target: Target) -> range:
    """How many layers to keep outside, to be tried in this order."""
    most = min(len(able), target.ports)
    if target.weights == "chip" or most == 0:
        return range(1)
    if target.weights == "ddr":
        return range(most, most + 1)
    bits = {name: item.weights.size * item.w_operand.bits for name, item in layers.items()}
    fabric, room = target.fabric, target.room
    holds = room.bram / fabric.portion * fabric.block_bits + room.lut * (1 << fabric.inputs)
    least = 0
    while least < most and sum(bits.values()) - sum(bits[name] for name in able[:least]) > holds:
        least += 1
    return range(least, most + 1)


def _scheduled(plain: _Planner, delta: Delta, recorded: Profile | None) -> Pipeline:
    """The best with so many layers' weights outside."""
    if delta == "off":
        return _schedule(plain)
    graph, target = plain.graph, plain.target
    known = recorded or profile.guess(graph, plain.layers)
    always = replace(plain, skips=Skipping(known, always=True), made={})
    if delta == "on":
        return _schedule(always)
    sometimes = replace(plain, skips=Skipping(known, always=False), made={})
    tried: list[Pipeline] = []
    problem: BhcError | None = None
    for planner in (plain, sometimes, always):
        try:
            tried.append(_schedule(planner))
        except BhcError as error:
            problem = problem or error
    if not tried and problem is not None:
        raise problem
    if isinstance(target.goal, Rate):
        return min(tried, key=lambda made: area.price(made.estimate))
    return min(tried, key=lambda made: (made.cycles_per_window, area.price(made.estimate)))


def _schedule(planner: _Planner) -> Pipeline:
    target = planner.target
    known = every(planner.layers, planner.skips, planner.outside)
    tried: list[Pipeline] = []
    for price in target.fabric.prices:
        options = dict(menu(known, price))
        for key, folding in target.foldings.items():
            options[key] = (given(key, known[key], options[key], folding),)
        match target.goal:
            case Rate(cycles):
                made = _meet(options, cycles, planner)
            case Fit(share):
                made = _fit(options, share, planner)
            case _:
                assert_never(target.goal)
        tried.append(made)
        if made.estimate.fits(target.room):
            if isinstance(target.goal, Rate):
                return made  # the first price is that of the smallest design
            if planner.skips is None and made.cycles_per_window <= fastest_period(options):
                return made  # no other is faster
    fitting = [made for made in tried if made.estimate.fits(target.room)]
    if not fitting:
        raise _too_big(tried[0], target)
    return min(fitting, key=lambda made: made.cycles_per_window)


def _meet(options: Menu, cycles: int, planner: _Planner) -> Pipeline:
    """The smallest design of at most `cycles` a window.

    Layers that hold each other up can make the period of a design longer than that of its slowest layer; then
    the layers must be faster.
    """
    budget, least = cycles, fastest_period(options)
    while (picked := cheapest(options, budget)) is not None:
        made = planner.place(picked, profile.TRIAL_ROWS)
        if made.cycles_per_window <= cycles and planner.skips is not None:
            made = planner.place(picked, profile.ROWS)
        if made.cycles_per_window <= cycles:
            return made
        least = made.cycles_per_window
        slowest = max((choice.cycles for choice in picked.values()), default=0)
        if slowest <= fastest_period(options):
            break  # nothing is left to make faster
        budget = min(slowest - 1, budget * cycles // made.cycles_per_window)
    clock = planner.target.clock_mhz * 1e6
    raise fail(
        "BHC306",
        f"{clock / cycles:.6g} windows a second are out of reach: one takes {least} cycles "
        f"at least, which is {clock / least:.6g} a second",
        hint="lower --fps or raise --clock",
    )


def _fit(options: Menu, share: float, planner: _Planner) -> Pipeline:
    """The fastest design within a share of the device, or within what the smallest design takes, if that is
    more.
    """
    steps = budgets(options)
    available = planner.target.room

    def layers_alone(budget: int) -> Resources:
        picked = cheapest(options, budget)
        assert picked is not None
        return sum((choice.cost for choice in picked.values()), Resources())

    part, floor = share * FIT_MARGIN, layers_alone(steps[-1])
    limit = Resources(
        lut=max(int(available.lut * part), floor.lut),
        ff=max(int(available.ff * part), floor.ff),
        bram=max(available.bram * share, floor.bram),  # which is estimated exactly
        dsp=max(int(available.dsp * part), floor.dsp),
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
        made = planner.place(picked, profile.TRIAL_ROWS)
        if made.estimate.fits(limit) or low == len(steps) - 1:
            return planner.place(picked, profile.ROWS) if planner.skips is not None else made
        layers = layers_alone(steps[low])
        around = Resources(
            lut=max(made.estimate.lut - layers.lut, 0),
            ff=max(made.estimate.ff - layers.ff, 0),
            bram=max(made.estimate.bram - layers.bram, 0),
        )
        low += 1
