"""The scheduled design: kernels connected by streams, with every number decided.

Backends instantiate, connect and write memory images; they decide nothing. Every stream has one producer and
one consumer; FIFOs, forks and width adapters are stages like any other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from bhc.ir.kernels import KERNELS, Kernel
from bhc.ir.types import Kind


class Style(IntEnum):
    """Where a memory lives; the numbers are those of the RTL's Style parameters, which know nothing of DDR."""

    AUTO = 0
    LUT = 1
    BLOCK = 2
    DDR = 3


@dataclass(frozen=True, slots=True)
class Stream:
    """Beats of `lanes` elements of `bits` bits; `beats` of them make one window.

    value: the IR value that the stream carries whole, in stream order; None for one that is internal to an
    op.
    """

    name: str
    lanes: int
    bits: int
    kind: Kind
    beats: int
    value: str | None = None

    @property
    def width(self) -> int:
        return self.lanes * self.bits

    def __str__(self) -> str:
        carries = f" = {self.value}" if self.value else ""
        return f"{self.lanes} x {self.kind.name.lower()}{self.bits}, {self.beats} beats{carries}"


@dataclass(frozen=True, eq=False, slots=True)
class Memory:
    """A read-only memory and its contents.

    words: (depth, ceil(width / 8)) uint8, each word little-endian.
    """

    name: str
    width: int
    style: Style
    words: NDArray[np.uint8]

    @property
    def depth(self) -> int:
        return len(self.words)

    @property
    def bits(self) -> int:
        return self.depth * self.width

    def hex_words(self) -> list[str]:
        """Every word as hexadecimal digits, most significant first."""
        digits = (self.width + 3) // 4
        return [word[::-1].tobytes().hex()[-digits:] for word in self.words]

    def digest(self) -> str:
        """A short name for the contents."""
        return hashlib.sha256(self.words.tobytes()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Folding:
    """Work in parallel: `pe` outputs at once, `simd` products each."""

    pe: int
    simd: int


@dataclass(frozen=True, slots=True)
class Resources:
    """What a stage or a design takes of a device, in units of its family (bhc.ir.fabric.Units)."""

    lut: int = 0
    ff: int = 0
    bram: float = 0.0
    dsp: int = 0

    @property
    def bram36(self) -> float:
        """The block RAM of 7-series, in RAMB36, by the name that report.json gives it there."""
        return self.bram

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.lut + other.lut, self.ff + other.ff, self.bram + other.bram, self.dsp + other.dsp)

    def __sub__(self, other: Resources) -> Resources:
        return Resources(self.lut - other.lut, self.ff - other.ff, self.bram - other.bram, self.dsp - other.dsp)

    def fits(self, available: Resources) -> bool:
        return (
            self.lut <= available.lut
            and self.ff <= available.ff
            and self.bram <= available.bram
            and self.dsp <= available.dsp
        )


@dataclass(frozen=True, eq=False, slots=True)
class Stage:
    """One instance of a kernel.

    params: exactly the kernel's parameters, those that name memories excepted.
    sources, sinks: names of streams, in the order of the kernel's ports.
    origin: ONNX nodes; value: the IR node whose work this is (FIFOs and adapters: the value that they carry).
    cycles: cycles a window with input always available and output always ready.
    estimate: resources predicted by bhc.ir.area.
    """

    name: str
    kernel: str
    params: Mapping[str, int]
    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    memories: tuple[Memory, ...] = ()
    value: str = ""
    origin: tuple[str, ...] = ()
    cycles: int = 0
    macs: int = 0
    folding: Folding | None = None
    estimate: Resources = field(default_factory=Resources)

    @property
    def declaration(self) -> Kernel:
        return KERNELS[self.kernel]


#: Bits of a word of external memory, which comes in one cycle: the width of an AXI-HP port.
WORD_BITS = 64


@dataclass(frozen=True, eq=False, slots=True)
class External:
    """Weights in memory outside the device: words of WORD_BITS bits in order of use, over and over on a stream."""

    stream: str
    memory: Memory


@dataclass(frozen=True, eq=False, slots=True)
class Pipeline:
    """Stages in topological order. input and output name the streams at the edge, as AXI4-Stream carries
    them; external those that bring weights.
    """

    name: str
    streams: Mapping[str, Stream]
    stages: tuple[Stage, ...]
    input: str
    output: str
    clock_mhz: float
    cycles_per_window: int
    latency_cycles: int
    external: tuple[External, ...] = ()

    @property
    def estimate(self) -> Resources:
        return sum((stage.estimate for stage in self.stages), Resources())


class PipelineError(ValueError):
    """The pipeline breaks an invariant: a bug in the schedule."""


def verify(pipeline: Pipeline) -> None:
    """Check that stages fit their declarations and that every stream has one producer and one consumer."""
    producers: dict[str, str] = {pipeline.input: "input"} | {item.stream: "memory" for item in pipeline.external}
    consumers: dict[str, str] = {pipeline.output: "output"}
    for stage in pipeline.stages:
        kernel = stage.declaration
        if set(stage.params) != set(kernel.params):
            wrong = ", ".join(sorted(set(stage.params) ^ set(kernel.params)))
            raise PipelineError(f"stage '{stage.name}' and kernel '{kernel.name}' differ in parameters {wrong}")
        if len(stage.sources) != len(kernel.sources) or not stage.sinks:
            raise PipelineError(f"stage '{stage.name}' does not fit the ports of '{kernel.name}'")
        if not {m.name.partition("_")[0] for m in stage.memories} <= {m.name for m in kernel.memories}:
            raise PipelineError(f"stage '{stage.name}' has a memory that '{kernel.name}' does not declare")
        for stream in stage.sources:
            if consumers.setdefault(stream, stage.name) != stage.name:
                raise PipelineError(f"stream '{stream}' has two consumers")
        for stream in stage.sinks:
            if producers.setdefault(stream, stage.name) != stage.name:
                raise PipelineError(f"stream '{stream}' has two producers")
    for item in pipeline.external:
        words = pipeline.streams[item.stream]
        if words.width != WORD_BITS or item.memory.width != WORD_BITS or words.beats % item.memory.depth:
            raise PipelineError(f"stream '{item.stream}' does not bring whole rounds of {WORD_BITS}-bit words")
    if not set(producers) == set(consumers) == set(pipeline.streams):
        loose = (set(producers) ^ set(consumers)) | (set(producers) ^ set(pipeline.streams))
        raise PipelineError(f"streams without both ends: {', '.join(sorted(loose))}")


def dump(pipeline: Pipeline) -> str:
    """The pipeline as text: the golden format (memories by size and digest)."""
    lines = [
        "bhc-pipeline 1",
        f"name {pipeline.name}",
        f"clock_mhz {pipeline.clock_mhz:g}",
        f"cycles_per_window {pipeline.cycles_per_window}",
        f"latency_cycles {pipeline.latency_cycles}",
    ]
    lines += [f"stream {name} : {stream}" for name, stream in pipeline.streams.items()]
    for stage in pipeline.stages:
        lines.append(f"stage {stage.name} = {stage.kernel}({', '.join(stage.sources)}) -> {', '.join(stage.sinks)}")
        lines.append("  params " + " ".join(f"{key}={value}" for key, value in stage.params.items()))
        lines += [
            f"  memory {m.name} {m.depth}x{m.width} {m.style.name.lower()} sha256:{m.digest()}" for m in stage.memories
        ]
        if stage.cycles:
            lines.append(f"  cycles {stage.cycles}")
        if stage.value:
            lines.append(f"  value {stage.value}")
    for item in pipeline.external:
        m = item.memory
        lines.append(f"external {item.stream} {m.depth}x{m.width} sha256:{m.digest()}")
    lines += [f"input {pipeline.input}", f"output {pipeline.output}"]
    return "\n".join(lines) + "\n"
