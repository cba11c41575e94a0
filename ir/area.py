"""Resources of every kernel on a 7-series device, predicted from its parameters.

Linear models in quantities that the structure suggests, with coefficients fitted to Yosys 0.70 `synth_xilinx`
(bench/calibrate_area.py fits them anew and prints the errors). Predictions are reported beside synthesised
figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from bhc.ir.pipeline import Resources, Style
from bhc.ir.types import Kind

#: LUTs that one RAMB36 is worth when area is compared: the ratio of both on Zynq-7020 (53,200 to 140).
LUT_PER_BRAM36 = 380


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


def price(resources: Resources) -> float:
    """One number to compare choices by; flip-flops come with LUTs (two each), beyond that they count a
    little.
    """
    return resources.lut + LUT_PER_BRAM36 * resources.bram36 + 0.05 * resources.ff


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
    per_bit = 0.5 if depth <= 8 else 0.9 * -(-depth // 64) + (0.3 if depth > 64 else 0)
    return Resources(lut=round(width * per_bit), ff=width)


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


def _mvu(p: Mapping[str, int], roms: Sequence[Rom]) -> Resources:
    products = p["Simd"] * p["XBits"] * p["WBits"]
    constant = p["Nf"] * p["Sf"] == 1
    per_product = 1.1 if constant else 1.5
    columns = p["XBits"] + p["WBits"] - 1
    accumulate = p["AccBits"] * (1.0 if p["Sf"] > 1 else 0.6)
    if p["InputStationary"] and p["Sf"] > 1 and p["Nf"] > 1:
        accumulate += 0.7 * p["AccBits"]
    row = per_product * products + (columns - 1) * 3 + accumulate
    control = 12 + _counter(p["Nf"]) + _counter(p["Sf"]) + (_counter(p["Positions"]) if p["Classes"] > 1 else 0)
    registers = p["Pe"] * (p["AccBits"] * 1.2 + p["DotStages"] * 0.45 * products) + p["Simd"] * p["XBits"] + 25
    total = Resources(lut=round(p["Pe"] * row + control), ff=round(registers))
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
    counters = sum(
        _counter(n)
        for n in (
            p["H"],
            p["W"],
            p["Chunks"] * p["Groups"],
            p["KH"],
            p["KW"],
            p["Chunks"],
            p["OH"],
            p["OW"],
            p["Replays"],
        )
    )
    padded = 0.5 * width if p["PT"] or p["PL"] or (p["OH"] - 1) * p["SH"] - p["PT"] + p["KH"] > p["H"] else 0
    return store + Resources(lut=round(40 + 2.5 * counters + 6 * _bits(words) + padded), ff=round(60 + width))


def _shift(p: Mapping[str, int]) -> Resources:
    width = p["C"] * p["Bits"]
    taps = ((p["KH"] - 1) * p["DH"] + 1) * (((p["KW"] - 1) * p["DW"] + 1) if p["W"] > 1 else 1)
    registers = width * (taps if p["W"] == 1 else p["KH"] * ((p["KW"] - 1) * p["DW"] + 1))
    lines = Resources()
    if p["W"] > 1:
        lines = _ram(p["W"], (p["KH"] - 1) * p["DH"] * width, Style.LUT)
    padded = width if p["PT"] or p["PL"] else 0
    return lines + Resources(lut=20 + 2 * (_counter(p["H"]) + _counter(p["W"])) + padded, ff=registers + 20)


def _fifo(p: Mapping[str, int]) -> Resources:
    if p["Depth"] == 0:
        return Resources()
    if p["Depth"] <= 2:
        return Resources(lut=p["Width"] * (p["Depth"] - 1) + 4, ff=p["Width"] * p["Depth"] + 3)
    store = _ram(p["Depth"], p["Width"], Style(p["Style"] or Style.LUT))
    return store + Resources(lut=10 + 3 * _bits(p["Depth"]), ff=3 * _bits(p["Depth"]) + p["Width"])


def _threshold(p: Mapping[str, int], roms: Sequence[Rom]) -> Resources:
    table = sum(
        round(0.5 * (p["InBits"] + 1) * max(1, (p["Chunks"] << stage) / 64)) if p["Chunks"] << stage > 1 else 0
        for stage in range(p["Stages"])
    )
    lane = p["Stages"] * (0.6 * p["InBits"] + 2) + table
    return Resources(lut=round(p["Lanes"] * lane + 10), ff=round(p["Lanes"] * p["Stages"] * (p["InBits"] + 2) + 10))


def _pool(p: Mapping[str, int]) -> Resources:
    words = (p["W"] // p["KW"]) * p["Chunks"]
    store = _ram(words, p["Lanes"] * p["OutBits"], Style.LUT)
    work = p["Lanes"] * (1.6 * p["OutBits"] if p["Bits"] > 1 else 1.5)
    counters = sum(_counter(n) for n in (p["KH"], p["KW"], p["W"], p["H"], p["Chunks"]))
    return store + Resources(lut=round(work + 1.5 * counters + 12), ff=round(p["Lanes"] * p["OutBits"] + counters + 8))


def estimate(kernel: str, p: Mapping[str, int], roms: Sequence[Rom] = ()) -> Resources:
    """Resources of one instance of a kernel with parameters `p` and these memories."""
    match kernel:
        case "bhc_mvu":
            return _mvu(p, roms)
        case "bhc_dw":
            return _dw(p, roms)
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
