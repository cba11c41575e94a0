"""Resources of every kernel, predicted from its parameters.

Linear models in quantities that the structure suggests, with coefficients fitted to Yosys 0.70 `synth_xilinx`; what
another family's LUTs take for the same logic is a factor for each kernel (bhc.ir.fabric). Memories follow from the
family's shapes. bench/calibrate_area.py prints the errors. Predictions are reported beside synthesised figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bhc.ir.delta import Geometry, product_register, store
from bhc.ir.fabric import XC7, Fabric
from bhc.ir.pipeline import Resources, Style
from bhc.ir.types import Kind


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


def price(resources: Resources, bram: int = XC7.prices[0]) -> float:
    """One number to compare choices by, in LUTs. Flip-flops come with LUTs, one or two each, and count little."""
    return resources.lut + bram * resources.bram + 0.05 * resources.ff


def _bits(n: int) -> int:
    """Width of a counter of n states; 0 for one state."""
    return (n - 1).bit_length()


def _blocks(depth: int, width: int, shapes: Sequence[tuple[int, int]]) -> int:
    """Block RAMs of a memory, all of one aspect ratio."""
    return min(-(-width // columns) * -(-depth // words) for columns, words in shapes)


def rom(depth: int, width: int, style: Style, fabric: Fabric = XC7) -> Resources:
    """A read-only memory with a registered output."""
    if depth == 1:
        return Resources()
    if style == Style.BLOCK:
        return Resources(bram=fabric.portion * _blocks(depth, width, fabric.shapes))
    if depth <= 8:
        return Resources(lut=min(round(0.15 * width), 128), ff=3)
    # Ideally 64 bits a LUT6; ABC shares parts of the columns' functions among them, and ends up with four times that.
    return Resources(lut=round(width * fabric.rom[width > 24] * depth), ff=width)


def _ram(depth: int, width: int, style: Style, fabric: Fabric) -> Resources:
    """A simple dual-port memory."""
    if depth == 1:
        return Resources(ff=width)
    if style == Style.BLOCK:
        return Resources(bram=fabric.portion * _blocks(depth, width, fabric.shapes))
    if not fabric.lut_ram:
        # Flip-flops, each in a cell of its own, with an address decoder and a multiplexer for each column.
        return Resources(lut=round(depth * width * 1.6 + depth), ff=depth * width)
    kind = next((kind for kind in fabric.lut_ram if depth <= kind.depth), fabric.lut_ram[-1])
    banks = -(-depth // kind.depth)
    select = width * (banks - 1) if fabric.inputs == 4 else 0
    return Resources(lut=kind.luts * -(-width // kind.width) * banks + select)


def _counter(states: int) -> int:
    """LUTs of a counter with wrap."""
    return round(1.4 * _bits(states)) + (1 if states > 1 else 0)


#: Logic, which takes a family's factor, and memories.
Parts = tuple[Resources, Resources]


def _roms(roms: Sequence[Rom], fabric: Fabric) -> Resources:
    return sum((rom(item.depth, item.width, item.style, fabric) for item in roms), Resources())


def _sums(p: Mapping[str, int]) -> tuple[float, float, int]:
    """A matrix-vector unit whose rows share sums: LUTs of a row, of the sums, and flip-flops that hold these."""
    x_bits, group = p["XBits"], p["Group"]
    constant = p["Nf"] * p["Sf"] == 1
    groups, left = divmod(p["Simd"], group)
    value_bits = x_bits + group // 2
    bits = groups * value_bits + left * (value_bits if constant else x_bits)
    per_bit = 1.28 if not constant else 0.85 if x_bits == 1 else 1.0
    # Stored weights choose between the sums of every pair.
    choices = 0.0 if constant else 0.9 * groups
    # Of the patterns of signs, constant weights leave those out that no row has.
    patterns = 1 << (group - 1)
    used = patterns * (1 - (1 - 1 / patterns) ** p["Pe"]) if constant else patterns
    halves = 4 * (x_bits + 1) if group == 4 else 0
    shared = groups * (used * (x_bits if group == 2 else value_bits) + halves)
    return per_bit * bits + choices, shared, round(groups * used * value_bits) + left * x_bits


def _mvu(p: Mapping[str, int], roms: Sequence[Rom], fabric: Fabric) -> Parts:
    products = p["Simd"] * p["XBits"] * p["WBits"]
    constant = p["Nf"] * p["Sf"] == 1
    if p["Group"] > 1:
        row, shared, held = _sums(p)
    else:
        per_product = 1.05 if constant else 1.3 if p["XBits"] * p["WBits"] == 1 else 1.25
        row, shared, held = per_product * products, 0.0, p["Simd"] * p["XBits"]
    if fabric.inputs == 4 and not constant and products > 64:
        # Compressors of six bits, and so tall heaps, are not for LUT4s; chains of adders do not mind.
        row *= (products / 64) ** (0.17 if p["Group"] == 1 else 0.06)
    lut = 20 + shared + 0.7 * (_counter(p["Nf"]) + _counter(p["Sf"]) + _counter(p["Positions"]))
    # The accumulator of several beats chooses between its start value and itself, in LUTs of their own.
    lut += p["Pe"] * (row + p["AccBits"] * (2.0 if p["Sf"] > 1 else 1.0))
    piped = p["DotStages"] * (0.2 if p["Group"] == 1 else 0.15) * products
    registers = p["Pe"] * (p["AccBits"] * 1.2 + piped) + held + 25
    memories = _roms(roms, fabric)
    if p["InputStationary"] and p["Sf"] > 1 and p["Nf"] > 1:
        memories += _ram(p["Nf"], p["Pe"] * p["AccBits"], Style.LUT, fabric)
    return Resources(lut=round(lut), ff=round(registers)), memories


def _dw(p: Mapping[str, int], roms: Sequence[Rom], fabric: Fabric) -> Parts:
    product = p["XBits"] * p["WBits"] if p["WKind"] != Kind.BIPOLAR else p["XBits"]
    row = 1.1 * product + 1.2 * p["AccBits"]
    control = 12 + _counter(p["Taps"]) + _counter(p["Chunks"])
    registers = round(p["Lanes"] * (2 * p["AccBits"] + product) + 25)
    return Resources(lut=round(p["Lanes"] * row + control), ff=registers), _roms(roms, fabric)


def _window(p: Mapping[str, int], fabric: Fabric) -> Parts:
    words = p["Rows"] * p["W"] * p["Groups"] * p["Chunks"]
    width = p["Lanes"] * p["Bits"]
    below = not p["Endless"] and (p["OH"] - 1) * p["SH"] - p["PT"] + (p["KH"] - 1) * p["DH"] >= p["H"]
    padded = p["PT"] or p["PL"] or below
    control = 38 + (25 if padded else 0) + (25 if p["W"] > 1 else 0)
    return Resources(lut=control, ff=round(45 + width * 0.7)), _ram(words, width, Style(p["Style"]), fabric)


def _shift(p: Mapping[str, int], fabric: Fabric) -> Parts:
    width = p["C"] * p["Bits"]
    taps = ((p["KH"] - 1) * p["DH"] + 1) * (((p["KW"] - 1) * p["DW"] + 1) if p["W"] > 1 else 1)
    registers = width * (taps if p["W"] == 1 else p["KH"] * ((p["KW"] - 1) * p["DW"] + 1))
    lines = Resources()
    if p["W"] > 1:
        lines = _ram(p["W"], (p["KH"] - 1) * p["DH"] * width, Style.LUT, fabric)
    padded = 8 if p["PT"] or p["PL"] else 0
    return Resources(lut=9 + padded + (15 if p["W"] > 1 else 0), ff=registers + 8), lines


def _fifo(p: Mapping[str, int], fabric: Fabric) -> Parts:
    if p["Depth"] == 0:
        return Resources(), Resources()
    if p["Depth"] <= 2:
        return Resources(lut=p["Width"] * (p["Depth"] - 1) + 4, ff=p["Width"] * p["Depth"] + 3), Resources()
    control = Resources(lut=11 + _bits(p["Depth"]), ff=2 * _bits(p["Depth"]) + 1)
    return control, _ram(p["Depth"], p["Width"], Style(p["Style"] or Style.LUT), fabric)


def _delta(p: Mapping[str, int], roms: Sequence[Rom], fabric: Fabric) -> Parts:
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
    logic = Resources(
        lut=round(p["Pe"] * row + shared + 155 + 17 * events + p["Lanes"] * (2.7 + 1.9 * (x_bits - 1))),
        ff=round(p["Pe"] * registers + 115 + p["Lanes"] * (2 * x_bits + (x_bits > 1))),
    )
    total = Resources()
    bits = p["Pe"] * p["AccBits"]
    if p["Nf"] == 1:
        logic += Resources(ff=bits)
    else:
        total += _ram(2 << _bits(p["Nf"]), bits, Style.LUT, fabric)
    shape = Geometry(p["Lanes"] * p["Chunks"], p["Taps"], p["D"], p["Stride"], p["Columns"])
    kept = store(shape, events)
    if p["Stride"] * p["Chunks"] > 1:
        wide = p["Lanes"] * x_bits
        past = p["Stride"] * p["Chunks"]
        total += _ram(past, wide, Style.BLOCK if past > 64 and past * wide > 8192 else Style.LUT, fabric)
    # Banks of events, the ends of columns, and the places of the phases.
    depth = p["D"] * kept.capacity // events
    width = (x_bits + 1 if x_bits > 1 else 1) + _bits(p["Chunks"]) + _bits(p["Lanes"]) + max(1, _bits(p["Taps"]))
    place = _bits(kept.capacity) + 1
    for _ in range(events):
        total += _ram(depth, width, Style.BLOCK if depth * width > 2048 else Style.LUT, fabric)
    total += _ram(kept.marks, 2 * place, Style.LUT, fabric)
    if p["D"] > 1:
        total += _ram(p["D"], place, Style.LUT, fabric)
        logic += Resources(lut=14, ff=10)
    # Two reads a cycle of each copy of the weights.
    if weights.style == Style.BLOCK:
        ports = 1 if events == 1 else 2
        copies = -(-events // 2)
        return logic, total + Resources(bram=copies * _twins(weights.depth, weights.width, ports, fabric))
    lone = rom(weights.depth, weights.width, Style.LUT, fabric)
    return logic, total + Resources(lut=events * max(lone.lut, weights.width), ff=events * weights.width)


def _twins(depth: int, width: int, ports: int, fabric: Fabric) -> float:
    """Block RAM of a read-only memory; a port is half as wide where there are two, or each has a copy."""
    if ports == 2 and fabric.twin:
        return fabric.portion * _blocks(depth, width, fabric.twin)
    return fabric.portion * ports * _blocks(depth, width, fabric.shapes)


def _threshold(p: Mapping[str, int], roms: Sequence[Rom], fabric: Fabric) -> Parts:
    compare = p["Stages"] * (0.6 * p["InBits"] + 2)
    logic = Resources(
        lut=round(p["Lanes"] * compare + 12), ff=round(p["Lanes"] * p["Stages"] * (1.6 * p["InBits"] + 2) + 10)
    )
    total = Resources()
    for item in roms:
        # Every lane searches in a table of its own.
        lane = rom(item.depth, item.width // p["Lanes"], item.style, fabric)
        total += Resources(lut=lane.lut * p["Lanes"], bram=lane.bram * p["Lanes"])
    return logic, total


def _pool(p: Mapping[str, int], fabric: Fabric) -> Parts:
    words = (p["W"] // p["KW"]) * p["Chunks"]
    store = _ram(words, p["Lanes"] * p["OutBits"], Style.LUT, fabric)
    work = p["Lanes"] * (1.2 * p["OutBits"] if p["Bits"] > 1 or p["Op"] else 1.1)
    return Resources(lut=round(work + 9), ff=round(p["Lanes"] * p["OutBits"] + 14)), store


def _slide(p: Mapping[str, int], fabric: Fabric) -> Parts:
    past = p["Rows"] * p["D"] * p["Chunks"]
    wide = past > 64 and past * p["Lanes"] * p["Bits"] > 8192
    memories = _ram(past, p["Lanes"] * p["Bits"], Style.BLOCK if wide else Style.LUT, fabric)
    memories += _ram(p["D"] * p["Chunks"], p["Lanes"] * p["OutBits"], Style.LUT, fabric)
    return Resources(lut=2 * p["Lanes"] * p["OutBits"] + 40, ff=p["Lanes"] * p["OutBits"] + 30), memories


def _hold(p: Mapping[str, int], fabric: Fabric) -> Parts:
    bits = p["Lanes"] * p["Bits"]
    control = Resources(lut=10, ff=2 + bits + _bits(p["Rows"]) + 2 * _bits(p["Chunks"]))
    if p["Chunks"] == 1:
        return control + Resources(lut=round(1.75 * bits)), Resources()
    wide = p["Chunks"] > 64 and p["Chunks"] * bits > 8192
    memory = _ram(p["Chunks"], bits, Style.BLOCK if wide else Style.LUT, fabric)
    return control + Resources(lut=round(2.25 * bits)), memory


def _width(p: Mapping[str, int]) -> Resources:
    wide = max(p["InLanes"], p["OutLanes"]) * p["Bits"]
    if p["InLanes"] == p["OutLanes"]:
        return Resources()
    if p["InLanes"] < p["OutLanes"]:
        return Resources(lut=8, ff=wide + 4)
    return Resources(lut=round(0.4 * wide) + 8, ff=4)


def parts(kernel: str, p: Mapping[str, int], roms: Sequence[Rom], fabric: Fabric) -> Parts:
    match kernel:
        case "bhc_mvu":
            return _mvu(p, roms, fabric)
        case "bhc_mvu_stream":
            p = {**p, "InputStationary": 1, "Positions": 1, "Group": 1}
            logic, memories = _mvu(p, roms, fabric)
            return logic + Resources(ff=p["Pe"] * p["Simd"] * p["WBits"]), memories
        case "bhc_dw":
            return _dw(p, roms, fabric)
        case "bhc_delta":
            return _delta(p, roms, fabric)
        case "bhc_window":
            return _window(p, fabric)
        case "bhc_shift":
            return _shift(p, fabric)
        case "bhc_fifo":
            return _fifo(p, fabric)
        case "bhc_width":
            return _width(p), Resources()
        case "bhc_fork":
            return Resources(lut=3 * p["Sinks"], ff=p["Sinks"]), Resources()
        case "bhc_threshold":
            return _threshold(p, roms, fabric)
        case "bhc_pool":
            return _pool(p, fabric)
        case "bhc_slide":
            return _slide(p, fabric)
        case "bhc_hold":
            return _hold(p, fabric)
        case "bhc_add":
            return Resources(lut=p["Lanes"] * p["OutBits"] + 4, ff=p["Lanes"] * p["OutBits"] + 1), Resources()
        case "bhc_concat":
            return Resources(lut=p["Lanes"] * p["OutBits"] + 10, ff=p["Lanes"] * p["OutBits"] + 8), Resources()
        case "bhc_pad":
            return Resources(lut=p["Lanes"] * p["Bits"] + 20, ff=20), Resources()
        case "bhc_argmax":
            lut = round(1.5 * p["Bits"] * p["Lanes"]) + 15
            return Resources(lut=lut, ff=2 * p["Bits"] + 2 * p["OutBits"] + 6), Resources()
        case _:
            raise ValueError(f"no area model for kernel '{kernel}'")


def estimate(kernel: str, p: Mapping[str, int], roms: Sequence[Rom] = (), fabric: Fabric = XC7) -> Resources:
    """Resources of one instance of a kernel with parameters `p` and these memories."""
    logic, memories = parts(kernel, p, roms, fabric)
    each, lone = fabric.logic.get(kernel, fabric.logic[""])
    return Resources(lut=round(each * logic.lut + lone * logic.ff), ff=logic.ff) + memories


def uart_shell(fabric: Fabric) -> Resources:
    """Of the shell that connects a design to a serial port (rtl/bhc_uart_shell.sv)."""
    lut = 300 if fabric.inputs > 4 else 400
    return Resources(lut=lut, ff=250, bram=2 * fabric.portion)


def zynq_shell() -> Resources:
    """Of the shell for a Zynq (rtl/bhc_zynq_shell.sv), with AXI3 at the processor's end, without readers of weights."""
    return Resources(lut=1000, ff=800)
