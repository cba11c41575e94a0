"""How parallel each layer is: the choices of every compute layer, and the solver that picks one of each.

Choices differ in cycles and area. Layers are independent once a cycle budget is given, so the cheapest choice
within the budget is optimal for the model of area (bhc.ir.area).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import assert_never

from bhc.diagnostics import fail
from bhc.ir import area, delta
from bhc.ir.layers import (
    Layer,
    Mode,
    dw_params,
    external_foldings,
    layer_window_params,
    memory_shapes,
    mvu_params,
    mvu_stream_params,
    shift_gaps,
    shift_params,
    weight_styles,
    weights_size,
)
from bhc.ir.pipeline import Folding, Resources, Style
from bhc.ir.profile import Mask, Profile

#: Words of external weights in a cycle, in the long run: what a port of DDR memory gives beside refresh and others' use
#: (docs/external-weights.md has measurements).
SUSTAINED = 0.95
#: Changes that bhc_delta can add at once.
EVENTS = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to build a layer. style: where its weights live. lanes: of the input beats that it takes."""

    mode: Mode
    folding: Folding
    style: Style
    lanes: int
    cycles: int
    cost: Resources

    @property
    def external(self) -> bool:
        """The weights come from outside the device."""
        return self.style is Style.DDR


def divisors(n: int) -> list[int]:
    """Ascending."""
    return [d for d in range(1, n + 1) if n % d == 0]


def cost(item: Layer, mode: Mode, folding: Folding, style: Style) -> Resources:
    """Resources of the layer's kernels; style is that of the weights."""
    roms = memory_shapes(item, mode, folding, style)
    match mode:
        case Mode.DEPTHWISE:
            compute = area.estimate("bhc_dw", dw_params(item, folding), roms, item.fabric)
            if item.pointwise:
                return compute
            return compute + area.estimate("bhc_window", layer_window_params(item, mode, folding), (), item.fabric)
        case Mode.STATIONARY:
            return area.estimate("bhc_mvu", mvu_params(item, mode, folding), roms, item.fabric)
        case Mode.RING:
            compute = area.estimate("bhc_mvu", mvu_params(item, mode, folding), roms, item.fabric)
            return compute + area.estimate("bhc_window", layer_window_params(item, mode, folding), (), item.fabric)
        case Mode.SHIFT:
            compute = area.estimate("bhc_mvu", mvu_params(item, mode, folding), roms, item.fabric)
            return compute + area.estimate("bhc_shift", shift_params(item), (), item.fabric)
        case Mode.DELTA:
            raise ValueError("what skips has no memories of these shapes: see `skipping`")
    assert_never(mode)


def _ways(item: Layer) -> Iterator[tuple[Mode, Folding, int, int]]:
    """(mode, folding, lanes, cycles) of every way to build the layer. Raises a diagnostic (BHC307) if there is none."""
    m, _, _, c_group = item.weights.shape
    if item.groups > 1 and not item.ringable:
        raise fail(
            "BHC307",
            f"a grouped convolution has windows that begin below its input of {item.x.image[0]} rows, in the padding",
            origin=f"layer '{item.node.name}'",
            hint="pad less",
        )
    positions = item.positions[0] * item.positions[1]
    elements = item.x.elements
    if item.depthwise:
        for lanes in divisors(m):
            cycles = max(positions * item.taps * m // lanes, elements // lanes)
            yield Mode.DEPTHWISE, Folding(lanes, 1), lanes, cycles
        return
    terms = item.taps * c_group
    stationary = item.pointwise and item.groups == 1
    gaps = () if item.pointwise or item.groups > 1 else shift_gaps(item)
    for pe in divisors(m // item.groups):
        for simd in divisors(c_group) if stationary or item.ringable else ():
            cycles = max(positions * (m // pe) * (terms // simd), elements // simd)
            yield Mode.STATIONARY if stationary else Mode.RING, Folding(pe, simd), simd, cycles
        if gaps:
            yield Mode.SHIFT, Folding(pe, terms), c_group, sum(max(m // pe, gap) for gap in gaps)


def choices(item: Layer) -> Iterator[Choice]:
    """Every way to build the layer. Raises a diagnostic (BHC307) if there is none."""
    for mode, folding, lanes, cycles in _ways(item):
        for style in weight_styles(*weights_size(item, mode, folding), item.fabric):
            yield Choice(mode, folding, style, lanes, cycles, cost(item, mode, folding, style))


def streaming(item: Layer) -> Iterator[Choice]:
    """Every way to build a layer whose weights come from memory outside the device, a word a cycle at most."""
    positions = item.positions[0] * item.positions[1]
    for folding in external_foldings(item):
        bias = memory_shapes(item, Mode.STATIONARY, folding, Style.DDR)[1:]
        need = area.estimate("bhc_mvu_stream", mvu_stream_params(item, folding), bias, item.fabric)
        words = positions * weights_size(item, Mode.STATIONARY, folding)[0]
        yield Choice(Mode.STATIONARY, folding, Style.DDR, folding.simd, ceil(words / SUSTAINED), need)


def skipping(item: Layer, changed: Mask) -> Iterator[Choice]:
    """Every way to build a layer that skips what does not change; their cycles are means for these changes."""
    columns = delta.columns(item)
    shape = delta.geometry(item, columns)
    load = delta.load(changed, shape)
    m = item.weights.shape[0]
    positions = item.positions[0] * item.positions[1]
    for events in EVENTS:
        for pe in divisors(m):
            if events > shape.taps * (m // pe):
                continue  # changes are found one a cycle
            for lanes in divisors(shape.channels):
                cycles = positions * load.cycles(nf=m // pe, width=events, lanes=lanes)
                p = delta.params(item, pe=pe, events=events, lanes=lanes, columns=columns)
                shapes = delta.memory_shapes(p)
                need = area.estimate("bhc_delta", p, shapes, item.fabric)
                yield Choice(Mode.DELTA, Folding(pe, events), shapes[0].style, lanes, ceil(cycles), need)


@dataclass(frozen=True, eq=False, slots=True)
class Skipping:
    """Which layers may, or must, skip what does not change (`--delta`), and the profile that says what that costs."""

    profile: Profile
    always: bool

    def choices(self, item: Layer) -> Iterator[Choice]:
        mask = self.profile.changed.get(item.node.name)
        if mask is not None:
            yield from skipping(item, mask)
        if mask is None or not self.always:
            yield from choices(item)


Menu = Mapping[str, tuple[Choice, ...]]


def every(layers: Mapping[str, Layer], skips: Skipping | None, outside: frozenset[str] = frozenset()) -> Menu:
    """All choices of every layer. outside: layers whose weights are in external memory."""

    def known(name: str, item: Layer) -> Iterator[Choice]:
        if name in outside:
            return streaming(item)
        return choices(item) if skips is None else skips.choices(item)

    return {name: tuple(known(name, item)) for name, item in layers.items()}


def menu(choices_of: Menu, bram: int) -> Menu:
    """The choices of every layer, fastest first, those left out that another beats in both cycles and price.

    bram: what a unit of block RAM costs, in LUTs.
    """
    result: dict[str, tuple[Choice, ...]] = {}
    for name, known in choices_of.items():
        priced = ((choice.cycles, area.price(choice.cost, bram), choice) for choice in known)
        kept: list[tuple[float, Choice]] = []
        for _, price, choice in sorted(priced, key=lambda row: row[:2]):
            if not kept or price < kept[-1][0]:
                kept.append((price, choice))
        result[name] = tuple(choice for _, choice in kept)
    return result


def cheapest(options: Menu, budget: int) -> dict[str, Choice] | None:
    """For every layer its cheapest choice of at most `budget` cycles; None if one has none."""
    picked: dict[str, Choice] = {}
    for name, ordered in options.items():
        within = [c for c in ordered if c.cycles <= budget]
        if not within:
            return None
        picked[name] = within[-1]
    return picked


def fastest_period(options: Menu) -> int:
    """Cycles a window when every layer is at its fastest."""
    return max((ordered[0].cycles for ordered in options.values()), default=1)


def budgets(options: Menu) -> list[int]:
    """Every cycle budget at which some layer's choice changes and that all can meet, ascending."""
    least = fastest_period(options)
    return sorted({least} | {c.cycles for ordered in options.values() for c in ordered if c.cycles > least})


def given(name: str, known: tuple[Choice, ...], options: tuple[Choice, ...], folding: Folding) -> Choice:
    """The choice with the folding that the user asked for: of `options` (see `menu`), or of all that are known.
    Raises a diagnostic (BHC302) naming those that exist.
    """
    matching = [c for c in options if c.folding == folding] or [c for c in known if c.folding == folding]
    if not matching:
        listed = ", ".join(f"{c.folding.pe}x{c.folding.simd}" for c in options[:12])
        raise fail(
            "BHC302",
            f"folding pe={folding.pe} simd={folding.simd} does not divide the layer",
            origin=f"layer '{name}'",
            hint=f"use one that does (pe x simd), for example {listed}",
        )
    return min(matching, key=lambda c: (c.cycles, area.price(c.cost)))
