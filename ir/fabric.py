"""What the logic of an FPGA family is made of, as far as the schedule depends on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Family(StrEnum):
    """FPGA families that resource estimates, synthesis and place and route know."""

    XC7 = "xc7"
    ECP5 = "ecp5"
    ICE40 = "ice40"
    GOWIN = "gowin"


@dataclass(frozen=True, slots=True)
class Units:
    """What the figures of `Resources` count, as the family's documents call it."""

    lut: str
    ff: str
    bram: str
    dsp: str


@dataclass(frozen=True, slots=True)
class LutRam:
    """The smallest simple dual-port memory made of LUTs: its size, and the LUTs that nothing else can use then."""

    depth: int
    width: int
    luts: int


@dataclass(frozen=True, slots=True)
class Limit:
    """Up to so many words, or bits, a memory lives in LUTs."""

    words: int
    bits: int

    def holds(self, words: int, width: int) -> bool:
        return words <= self.words or words * width <= self.bits


@dataclass(frozen=True, slots=True)
class Fabric:
    """A family.

    inputs: of a LUT. shapes: (width, depth) of the smallest block RAM, in every aspect ratio, which counts `portion` in
    Resources.bram. twin: those with two independent ports. lut_ram: shallow memories, then those of more words; none
    where memories of LUTs would be flip-flops. prices: LUTs that a unit of block RAM is worth when area is compared:
    little at first, since most designs leave block RAM idle, and more where it runs out. logic: LUTs of a kernel's
    logic, memories apart, for each LUT and for each flip-flop that bhc.ir.area predicts on a 7-series device; "" for
    those that are not listed. An iCE40's flip-flop takes the cell of a LUT unless that LUT feeds it alone. rom: LUTs
    for each bit of a table of more than eight words, up to 24 bits wide and wider. ring, fifo, table: which memories
    live in LUTs: rows of an image, FIFOs, tables. weights: those of a layer that may; large ones make Yosys slow.
    """

    family: Family
    units: Units
    inputs: int
    shapes: tuple[tuple[int, int], ...]
    twin: tuple[tuple[int, int], ...]
    portion: float
    lut_ram: tuple[LutRam, ...]
    prices: tuple[int, ...]
    rom: tuple[float, float]
    ring: Limit
    fifo: Limit
    table: Limit
    weights: Limit
    logic: Mapping[str, tuple[float, float]] = field(default_factory=lambda: {"": (1.0, 0.0)})

    @property
    def block_bits(self) -> int:
        """Of the smallest block RAM."""
        return max(width * depth for width, depth in self.shapes)


_16K = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
_4K = ((16, 256), (8, 512), (4, 1024), (2, 2048))

XC7 = Fabric(
    Family.XC7,
    Units("LUT", "FF", "BRAM36", "DSP"),
    inputs=6,
    shapes=_16K,
    twin=_16K[1:],
    portion=0.5,
    lut_ram=(LutRam(32, 6, 4), LutRam(64, 3, 4)),
    # A Zynq-7020 has 380 LUTs a RAMB36.
    prices=(100, 400, 1600),
    rom=(0.02, 0.068),
    ring=Limit(64, 2048),
    fifo=Limit(128, 8192),
    table=Limit(8, 8192),
    weights=Limit(8, 32768),
)
ECP5 = Fabric(
    Family.ECP5,
    Units("LUT4", "FF", "EBR", "MULT18"),
    inputs=4,
    shapes=_16K,
    twin=_16K[1:],
    portion=1.0,
    # A memory takes the LUTs of two slices, and the ports of a third (Lattice FPGA-TN-02204).
    lut_ram=(LutRam(16, 4, 6),),
    prices=(50, 200, 800),
    rom=(0.05, 0.05),
    ring=Limit(16, 512),
    fifo=Limit(16, 512),
    table=Limit(8, 2048),
    weights=Limit(8, 8192),
    logic={
        "bhc_mvu": (2.0, 0.0),
        "bhc_mvu_stream": (2.0, 0.0),
        "bhc_dw": (2.0, 0.0),
        "bhc_delta": (2.0, 0.0),
        "bhc_window": (2.2, 0.0),
        "bhc_fifo": (1.4, 0.0),
        "bhc_pool": (2.4, 0.0),
        "bhc_width": (0.9, 0.0),
        "bhc_threshold": (1.2, 0.0),
        "": (1.3, 0.0),
    },
)
ICE40 = Fabric(
    Family.ICE40,
    Units("LC", "FF", "EBR", "MAC16"),
    inputs=4,
    shapes=_4K,
    twin=(),
    portion=1.0,
    lut_ram=(),
    prices=(25, 100, 400),
    rom=(0.1, 0.1),
    ring=Limit(1, 64),
    fifo=Limit(2, 64),
    table=Limit(8, 1024),
    weights=Limit(8, 4096),
    logic={
        "bhc_mvu": (1.1, 0.5),
        "bhc_mvu_stream": (1.1, 0.5),
        "bhc_dw": (1.0, 0.6),
        "bhc_delta": (1.7, 0.5),
        "bhc_window": (3.1, 0.0),
        "bhc_shift": (0.6, 1.0),
        "bhc_fifo": (2.6, 0.0),
        "bhc_pool": (4.5, 0.0),
        "bhc_width": (0.6, 1.0),
        "bhc_threshold": (0.5, 1.0),
        "": (1.0, 0.3),
    },
)
GOWIN = Fabric(
    Family.GOWIN,
    Units("LUT4", "FF", "BSRAM", "MULT18"),
    inputs=4,
    shapes=_16K,
    twin=_16K[1:],
    portion=1.0,
    lut_ram=(LutRam(16, 4, 6),),
    prices=(50, 200, 800),
    rom=(0.05, 0.05),
    ring=Limit(16, 512),
    fifo=Limit(16, 512),
    table=Limit(8, 2048),
    weights=Limit(8, 8192),
    logic={
        "bhc_mvu": (1.8, 0.0),
        "bhc_mvu_stream": (1.8, 0.0),
        "bhc_dw": (2.6, 0.0),
        "bhc_delta": (2.2, 0.0),
        "bhc_window": (2.6, 0.0),
        "bhc_shift": (2.6, 0.0),
        "bhc_fifo": (1.5, 0.0),
        "bhc_pool": (2.5, 0.0),
        "bhc_width": (1.35, 0.0),
        "bhc_threshold": (1.2, 0.0),
        "": (1.4, 0.0),
    },
)

_FABRICS = {fabric.family: fabric for fabric in (XC7, ECP5, ICE40, GOWIN)}


def fabric(family: Family) -> Fabric:
    """That of a family."""
    return _FABRICS[family]
