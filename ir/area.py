"""Resources of every kernel on a 7-series device, predicted from its parameters.

Linear models in quantities that the structure suggests, with coefficients fitted to Yosys 0.70 `synth_xilinx`
(bench/calibrate_area.py fits them anew and prints the errors). Predictions are reported beside synthesised
figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bhc.ir.delta import Geometry, product_register, store
from bhc.ir.pipeline import Resources, Style
from bhc.ir.types import Kind

#: LUTs that one RAMB36 is worth when area is compared: little at first, since most designs leave block RAM idle, and
#: more where it runs out (a Zynq-7020 has 380 LUTs a RAMB36).
BRAM36_PRICES = (100, 400, 1600)


class Rom(Protocol):
    """The size of a memory."""

    @property
    def name(self) -> str: ...
    @property
    def depth(self) -> int: ...
    @property
    def width(self) -> int: ...
    @property
    def style(self) -> Style: ...


def price(resources: Resources, bram36: int = BRAM36_PRICES[0]) -> float:
    """One number to compare choices by, in LUTs. Flip-flops come with LUTs, two each, and count little."""
    return resources.lut + bram36 * resources.bram36 + 0.05 * resources.ff


def _bits(n: int) -> int:
    """Width of a counter of n states; 0 for one state."""
    return (n - 1).bit_length()


def _ram36(depth: int, width: int) -> float:
    """RAMB36 (halves for RAMB18) of a memory, best aspect ratio."""
    best = min(
        -(-width // columns) * -(-depth // words)
        for columns, words in ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
    )
    return best / 2


def rom(depth: int, width: int, style: Style) -> Resources:
    """A read-only memory with a registered output."""
    if depth == 1:
        return Resources()
    if style == Style.BLOCK:
        return Resources(bram36=_ram36(depth, width))
    if depth <= 8:
        return Resources(lut=min(round(0.15 * width), 128), ff=3)
    # Ideally 64 bits a LUT; ABC shares parts of the columns' functions among them, and ends up with four times that.
    return Resources(lut=round(width * (0.02 if width <= 24 else 0.068) * depth), ff=width)


def _ram(depth: int, width: int, style: Style) -> Resources:
    """A simple dual-port memory."""
    if depth == 1:
        return Resources(ff=width)
    if style == Style.BLOCK:
        return Resources(bram36=_ram36(depth, width))
    if depth <= 32:
        return Resources(lut=4 * -(-width // 6))
    return Resources(lut=4 * -(-width // 3) * -(-depth // 64))


def _counter(states: int) -> int:
    """LUTs of a counter with wrap."""
    return round(1.4 * _bits(states)) + (1 if states > 1 else 0)


def _group(p: Mapping[str, int]) -> int:
    """Elements whose signed sums the rows of a matrix-vector unit share; 1 for none. As rtl/bhc_mvu.sv chooses."""
    x_bits, simd, pe = p["XBits"], p["Simd"], p["Pe"]
    constant = p["Nf"] * p["Sf"] == 1
    if p["WKind"] != Kind.BIPOLAR:
        return 1
    if constant and x_bits == 1:
        return 3 if simd >= 12 and pe >= 8 else 1
    if constant:
        if simd >= 12 and pe * x_bits > 8 * x_bits + 8:
            return 4
        return 2 if simd >= 12 and pe * (x_bits - 1) > 2 * x_bits else 1
    return 2 if x_bits > 2 and simd >= 6 and pe * (x_bits - 2) > (4 if simd < 12 else 2) * x_bits else 1


def _mvu(p: Mapping[str, int], roms: Sequence[Rom]) -> Resources:
    x_bits, pe, group = p["XBits"], p["Pe"], _group(p)
    constant = p["Nf"] * p["Sf"] == 1
    groups, left = divmod(p["Simd"], group)
    if group == 1:
        bits = p["Simd"] * x_bits * p["WBits"]
        per_bit = 1.05 if constant else 1.3 if x_bits * p["WBits"] == 1 else 1.25
        shared = 0.0
        held = p["Simd"] * x_bits
    else:
        value_bits = x_bits + group // 2
        bits = groups * value_bits + left * (value_bits if constant else x_bits)
        per_bit = 1.28 if not constant else 0.85 if x_bits == 1 else 1.0
        # Of the patterns of signs, constant weights leave those out that no row has.
        patterns = 1 << (group - 1)
        used = patterns * (1 - (1 - 1 / patterns) ** pe) if constant else patterns
        halves = 4 * (x_bits + 1) if group == 4 else 0
        shared = groups * (used * (x_bits if group == 2 else value_bits) + halves)
        held = round(groups * used * value_bits) + left * x_bits
    # The accumulator of several beats chooses between its start value and itself, in LUTs of their own.
    row = per_bit * bits + p["AccBits"] * (2.0 if p["Sf"] > 1 else 1.0)
    total = Resources(lut=20 + round(0.7 * (_counter(p["Nf"]) + _counter(p["Sf"]) + _counter(p["Positions"]))))
    if p["InputStationary"] and p["Sf"] > 1 and p["Nf"] > 1:
        total += _ram(p["Nf"], pe * p["AccBits"], Style.LUT)
    registers = pe * (p["AccBits"] * 1.2 + p["DotStages"] * 0.2 * bits) + held + 25
    total += Resources(lut=round(pe * row + shared), ff=round(registers))
    for item in roms:
        total += rom(item.depth, item.width, item.style)
    return total


def _dw(p: Mapping[str, int], roms: Sequence[Rom]) -> Resources:
    product = p["XBits"] * p["WBits"] if p["WKind"] != Kind.BIPOLAR else p["XBits"]
    row = 1.1 * product + 1.2 * p["AccBits"]
    control = 12 + _counter(p["Taps"]) + _counter(p["Chunks"])
    total = Resources(lut=round(p["Lanes"] * row + control), ff=round(p["Lanes"] * (2 * p["AccBits"] + product) + 25))
    for item in roms:
        total += rom(item.depth, item.width, item.style)
    return total


def _window(p: Mapping[str, int]) -> Resources:
    words = p["Rows"] * p["W"] * p["Groups"] * p["Chunks"]
    width = p["Lanes"] * p["Bits"]
    store = _ram(words, width, Style(p["Style"]))
    below = not p["Endless"] and (p["OH"] - 1) * p["SH"] - p["PT"] + (p["KH"] - 1) * p["DH"] >= p["H"]
    padded = p["PT"] or p["PL"] or below
    control = 38 + (25 if padded else 0) + (25 if p["W"] > 1 else 0)
    return store + Resources(lut=control, ff=round(45 + width * 0.7))


def _shift(p: Mapping[str, int]) -> Resources:
    width = p["C"] * p["Bits"]
    taps = ((p["KH"] - 1) * p["DH"] + 1) * (((p["KW"] - 1) * p["DW"] + 1) if p["W"] > 1 else 1)
    registers = width * (taps if p["W"] == 1 else p["KH"] * ((p["KW"] - 1) * p["DW"] + 1))
    lines = Resources()
    if p["W"] > 1:
        lines = _ram(p["W"], (p["KH"] - 1) * p["DH"] * width, Style.LUT)
    padded = 8 if p["PT"] or p["PL"] else 0
    return lines + Resources(lut=9 + padded + (15 if p["W"] > 1 else 0), ff=registers + 8)


def _fifo(p: Mapping[str, int]) -> Resources:
    if p["Depth"] == 0:
        return Resources()
    if p["Depth"] <= 2:
        return Resources(lut=p["Width"] * (p["Depth"] - 1) + 4, ff=p["Width"] * p["Depth"] + 3)
    store = _ram(p["Depth"], p["Width"], Style(p["Style"] or Style.LUT))
    return store + Resources(lut=11 + _bits(p["Depth"]), ff=2 * _bits(p["Depth"]) + 1)


def _delta(p: Mapping[str, int], roms: Sequence[Rom]) -> Resources:
    events, x_bits, w_bits = p["Events"], p["XBits"], p["WBits"]
    weights, _ = roms
    # A row: the products of all events, added up, and the accumulator.
    shared = 0
    if x_bits == 1 and p["WKind"] == Kind.BIPOLAR:
        # The lowest bit of the parts is the same for all rows.
        part, products = _bits(events) + 1, 1.1 if events <= 2 else 2.2 * events - 2.4
    elif x_bits == 1:
        part, products = _bits(events) + w_bits + 1, 1.6 * events * (w_bits + 1)
    elif p["WKind"] == Kind.BIPOLAR and p["Pe"] * events >= 8 and events > 1:
        # Pairs of events.
        part, products = _bits(events) + x_bits + 1, 0.5 * events * (x_bits + 3)
        shared = events // 2 * (3 * x_bits + 4)
    elif p["WKind"] == Kind.BIPOLAR:
        part, products = _bits(events) + x_bits + 1, (0.7 if events == 1 else 1.0) * events * (x_bits + 1)
    else:
        part, products = _bits(events) + x_bits + w_bits + 1, 1.9 * events * (x_bits + 1) * w_bits
    row = products + p["AccBits"]
    registers = p["OutBits"] + (part if product_register(dict(p)) else 0)
    total = Resources(
        lut=round(p["Pe"] * row + shared + 155 + 17 * events + p["Lanes"] * (2.7 + 1.9 * (x_bits - 1))),
        ff=round(p["Pe"] * registers + 115 + p["Lanes"] * (2 * x_bits + (x_bits > 1))),
    )
    bits = p["Pe"] * p["AccBits"]
    if p["Nf"] == 1:
        total += Resources(ff=bits)
    else:
        total += _ram(2 << _bits(p["Nf"]), bits, Style.LUT)
    shape = Geometry(p["Lanes"] * p["Chunks"], p["Taps"], p["D"], p["Stride"], p["Columns"])
    kept = store(shape, events)
    if p["Stride"] * p["Chunks"] > 1:
        wide = p["Lanes"] * x_bits
        past = p["Stride"] * p["Chunks"]
        total += _ram(past, wide, Style.BLOCK if past > 64 and past * wide > 8192 else Style.LUT)
    # Banks of events, the ends of columns, and the places of the phases.
    depth = p["D"] * kept.capacity // events
    width = (x_bits + 1 if x_bits > 1 else 1) + _bits(p["Chunks"]) + _bits(p["Lanes"]) + max(1, _bits(p["Taps"]))
    place = _bits(kept.capacity) + 1
    for _ in range(events):
        total += _ram(depth, width, Style.BLOCK if depth * width > 2048 else Style.LUT)
    total += _ram(kept.marks, 2 * place, Style.LUT)
    if p["D"] > 1:
        total += _ram(p["D"], place, Style.LUT) + Resources(lut=14, ff=10)
    # Two reads a cycle of each copy of the weights.
    if weights.style == Style.BLOCK:
        ports = 1 if events == 1 else 2
        copies = -(-events // 2)
        return total + Resources(bram36=copies * _twin36(weights.depth, weights.width, ports))
    lone = rom(weights.depth, weights.width, Style.LUT)
    return total + Resources(lut=events * max(lone.lut, weights.width), ff=events * weights.width)


def _twin36(depth: int, width: int, ports: int) -> float:
    """RAMB36 of a read-only memory; a port is half as wide where there are two."""
    if ports == 1:
        return _ram36(depth, width)
    shapes = ((18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
    return min(-(-width // columns) * -(-depth // words) for columns, words in shapes) / 2


def _threshold(p: Mapping[str, int], roms: Sequence[Rom]) -> Resources:
    compare = p["Stages"] * (0.6 * p["InBits"] + 2)
    total = Resources(
        lut=round(p["Lanes"] * compare + 12), ff=round(p["Lanes"] * p["Stages"] * (1.6 * p["InBits"] + 2) + 10)
    )
    for item in roms:
        # Every lane searches in a table of its own.
        lane = rom(item.depth, item.width // p["Lanes"], item.style)
        total += Resources(lut=lane.lut * p["Lanes"], bram36=lane.bram36 * p["Lanes"])
    return total


def _pool(p: Mapping[str, int]) -> Resources:
    words = (p["W"] // p["KW"]) * p["Chunks"]
    store = _ram(words, p["Lanes"] * p["OutBits"], Style.LUT)
    work = p["Lanes"] * (1.2 * p["OutBits"] if p["Bits"] > 1 or p["Op"] else 1.1)
    return store + Resources(lut=round(work + 9), ff=round(p["Lanes"] * p["OutBits"] + 14))


def estimate(kernel: str, p: Mapping[str, int], roms: Sequence[Rom] = ()) -> Resources:
    """Resources of one instance of a kernel with parameters `p` and these memories."""
    match kernel:
        case "bhc_mvu":
            return _mvu(p, roms)
        case "bhc_dw":
            return _dw(p, roms)
        case "bhc_delta":
            return _delta(p, roms)
        case "bhc_window":
            return _window(p)
        case "bhc_shift":
            return _shift(p)
        case "bhc_fifo":
            return _fifo(p)
        case "bhc_width":
            wide = max(p["InLanes"], p["OutLanes"]) * p["Bits"]
            if p["InLanes"] == p["OutLanes"]:
                return Resources()
            if p["InLanes"] < p["OutLanes"]:
                return Resources(lut=8, ff=wide + 4)
            return Resources(lut=round(0.4 * wide) + 8, ff=4)
        case "bhc_fork":
            return Resources(lut=3 * p["Sinks"], ff=p["Sinks"])
        case "bhc_threshold":
            return _threshold(p, roms)
        case "bhc_pool":
            return _pool(p)
        case "bhc_slide":
            past = p["Rows"] * p["D"] * p["Chunks"]
            wide = past > 64 and past * p["Lanes"] * p["Bits"] > 8192
            store = _ram(past, p["Lanes"] * p["Bits"], Style.BLOCK if wide else Style.LUT)
            sums = _ram(p["D"] * p["Chunks"], p["Lanes"] * p["OutBits"], Style.LUT)
            work = Resources(lut=2 * p["Lanes"] * p["OutBits"] + 40, ff=p["Lanes"] * p["OutBits"] + 30)
            return store + sums + work
        case "bhc_hold":
            bits = p["Lanes"] * p["Bits"]
            control = Resources(lut=10, ff=2 + bits + _bits(p["Rows"]) + 2 * _bits(p["Chunks"]))
            if p["Chunks"] == 1:
                return control + Resources(lut=round(1.75 * bits))
            wide = p["Chunks"] > 64 and p["Chunks"] * bits > 8192
            store = _ram(p["Chunks"], bits, Style.BLOCK if wide else Style.LUT)
            return store + control + Resources(lut=round(2.25 * bits))
        case "bhc_add":
            return Resources(lut=p["Lanes"] * p["OutBits"] + 4, ff=p["Lanes"] * p["OutBits"] + 1)
        case "bhc_concat":
            return Resources(lut=p["Lanes"] * p["OutBits"] + 10, ff=p["Lanes"] * p["OutBits"] + 8)
        case "bhc_pad":
            return Resources(lut=p["Lanes"] * p["Bits"] + 20, ff=20)
        case "bhc_argmax":
            return Resources(lut=round(1.5 * p["Bits"] * p["Lanes"]) + 15, ff=2 * p["Bits"] + 2 * p["OutBits"] + 6)
        case _:
            raise ValueError(f"no area model for kernel '{kernel}'")
