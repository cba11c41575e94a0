"""Every kernel of the hardware libraries, declared once.

The schedule sets the parameters, the backends instantiate, and tests/kernels compares each declaration with
the parameter and port lists of its .sv (and later .hpp) file. docs/kernels.md describes what each one does.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryPort:
    """A read-only memory of a kernel.

    Its contents come as a file (parameter `<Name>File`), or, at depth 1 and if `init`, as a constant
    (`<Name>Init`); its place by `<Name>Style` if `style`. A tree has a memory a level, `<name>_0`, `<name>_1`
    ...; then the file's parameter is the stem of their names (`<stem>_0.hex` ...), and at depth 1 there is
    one memory `<name>`.
    """

    name: str
    style: bool = True
    init: bool = True
    tree: bool = False

    @property
    def prefix(self) -> str:
        """First part of the parameters' names."""
        return self.name.capitalize()


@dataclass(frozen=True, slots=True)
class Kernel:
    """A module of the library: its stream ports, integer parameters and memories. cpp: it is in the C++ library too."""

    name: str
    params: tuple[str, ...]
    sources: tuple[str, ...] = ("in",)
    sinks: tuple[str, ...] = ("out",)
    memories: tuple[MemoryPort, ...] = ()
    cpp: bool = True

    def __post_init__(self) -> None:
        if len(set(self.params)) != len(self.params):
            raise ValueError(f"kernel {self.name} declares a parameter twice")


_GEOMETRY = ("H", "W", "KH", "KW", "SH", "SW", "DH", "DW", "PT", "PL", "OH", "OW")
_WEIGHTS = MemoryPort("weights")
_BIAS = MemoryPort("bias")
_CLASS = MemoryPort("class", style=False, init=False)

_DECLARATIONS = (
    Kernel("bhc_fifo", ("Width", "Depth", "Style")),
    Kernel("bhc_width", ("Bits", "InLanes", "OutLanes")),
    Kernel("bhc_fork", ("Width", "Sinks")),
    Kernel(
        "bhc_window",
        (
            "Bits",
            "Lanes",
            "Chunks",
            "Groups",
            *_GEOMETRY,
            "Replays",
            "ChunkMajor",
            "Rows",
            "Endless",
            "PadWord",
            "Style",
        ),
    ),
    Kernel("bhc_shift", ("Bits", "C", *_GEOMETRY, "Endless", "PadWord")),
    Kernel(
        "bhc_mvu",
        (
            *("XBits", "XKind", "WBits", "WKind", "Simd", "Pe", "Sf", "Nf", "InputStationary", "Positions"),
            *("Classes", "AccBits", "Shift", "SignOut", "OutBits", "DotStages", "Group"),
        ),
        memories=(_WEIGHTS, _BIAS, _CLASS),
    ),
    Kernel(
        "bhc_mvu_stream",
        (
            *("XBits", "XKind", "WBits", "WKind", "Simd", "Pe", "Sf", "Nf"),
            *("AccBits", "Shift", "SignOut", "OutBits", "DotStages"),
        ),
        sources=("in", "weights"),
        memories=(_BIAS,),
        cpp=False,
    ),
    Kernel(
        "bhc_delta",
        (
            *("XBits", "XKind", "WBits", "WKind", "Lanes", "Chunks", "Taps", "D", "Stride", "Columns"),
            *("Pe", "Nf", "Events", "AccBits", "SignOut", "OutBits"),
        ),
        memories=(_WEIGHTS, MemoryPort("base", style=False)),
    ),
    Kernel(
        "bhc_dw",
        (
            *("XBits", "XKind", "WBits", "WKind", "Lanes", "Taps", "Chunks", "Positions", "Classes"),
            *("AccBits", "SignOut", "OutBits"),
        ),
        memories=(_WEIGHTS, _BIAS, _CLASS),
    ),
    Kernel(
        "bhc_threshold",
        ("Lanes", "Chunks", "InBits", "InKind", "Stages", "OutBits", "Base", "AnyDescending"),
        memories=(MemoryPort("thresholds", tree=True), MemoryPort("descending", style=False)),
    ),
    Kernel("bhc_pool", ("Bits", "Kind", "Lanes", "Chunks", "H", "W", "KH", "KW", "Op", "OutBits")),
    Kernel("bhc_slide", ("Bits", "Kind", "Lanes", "Chunks", "Rows", "D", "Stride", "OutBits")),
    Kernel("bhc_add", ("Lanes", "ABits", "AKind", "BBits", "BKind", "OutBits"), sources=("a", "b")),
    Kernel(
        "bhc_concat",
        ("Lanes", "ABits", "AKind", "BBits", "BKind", "OutBits", "AChunks", "BChunks"),
        sources=("a", "b"),
    ),
    Kernel("bhc_pad", ("Bits", "Lanes", "Chunks", "H", "W", "PT", "PB", "PL", "PR", "Word")),
    Kernel("bhc_hold", ("Bits", "Kind", "Lanes", "Chunks", "Rows", "Threshold")),
    Kernel("bhc_argmax", ("Bits", "Kind", "Lanes", "Chunks", "OutBits")),
)

KERNELS = {kernel.name: kernel for kernel in _DECLARATIONS}
