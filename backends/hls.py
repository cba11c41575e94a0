"""HLS C++: a dataflow top level, a function per stage, the library headers that they need, memories as arrays.

The plan:

    hls/bhc_top.hpp, bhc_top.cpp    the design
    hls/memories.hpp                memory contents
    hls/bhc_<name>.hpp              library, copied unmodified

bhc_top has the AXI4-Stream ports of the RTL's (see bhc.backends.rtl) and the number of windows to process, or of hops
if the design is streamed. Stages and streams have the words that they have in the RTL; a bhc_fifo is no function but
the depth of a stream. Every process is told how much it takes, which is all that its sources make: when a call ends
nothing is left in a stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from bhc.backends.beats import unpack
from bhc.backends.flow import Amount, amounts, is_streamed, unit_beats
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import TOP, comment, identifiers, padded_width, stage_words
from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Memory, Pipeline, Stage, Stream, Style
from bhc.ir.types import Kind

FIFO = "bhc_fifo"
#: Beats that a stream without a bhc_fifo holds. A shift register of a LUT a bit holds 16 as well as 2; they stand for
#: those that the RTL's pipelines keep in flight, and the processes of the C simulation take fewer turns.
_DIRECT_DEPTH = 16
#: Bits of a word of packed 1-bit values.
_CHUNK = 64
_COLUMNS = 120
#: Names of the processes at the edge; no stage has them.
_READER, _WRITER = "read_input()", "write_output()"


@dataclass(frozen=True, slots=True)
class Channel:
    """A stream of the C++: a stream of the pipeline, with the FIFOs behind it as its depth."""

    stream: Stream
    word: str
    depth: int
    style: Style

    @property
    def variable(self) -> str:
        return f"s_{self.word}"

    @property
    def type(self) -> str:
        """Type of its variable; a bhc_fifo's type is the same one under the kernel's name."""
        return f"bhc::stream<{self.stream.width}, {self.depth}>"


def channels(pipeline: Pipeline) -> dict[str, Channel]:
    """The channel of every stream: a FIFO's output has that of its input."""
    words = identifiers(pipeline.streams)
    found: dict[str, Channel] = {}
    buffered: dict[str, list[Stage]] = {}
    root = {name: name for name in pipeline.streams}
    for stage in pipeline.stages:
        if stage.kernel == FIFO:
            (start,), (end,) = stage.sources, stage.sinks
            root[end] = root[start]
            buffered.setdefault(root[start], []).append(stage)
    for name, start in root.items():
        fifos = buffered.get(start, [])
        depth = sum(fifo.params["Depth"] for fifo in fifos) or _DIRECT_DEPTH
        style = Style(max((fifo.params["Style"] for fifo in fifos), default=Style.AUTO))
        found[name] = Channel(pipeline.streams[start], words[start], depth, style)
    return found


@cache
def library() -> Mapping[str, str]:
    """Every header of the library: file name and source."""
    folder = files("bhc") / "hls"
    return {
        entry.name: entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".hpp")
    }


def library_plan(headers: Iterable[str]) -> BuildPlan:
    """Library headers, and all that they include."""
    needed: set[str] = set()
    todo = set(headers)
    while todo:
        header = todo.pop()
        needed.add(header)
        todo |= set(re.findall(r'#include "(\w+\.hpp)"', library()[header])) - needed
    return BuildPlan({f"hls/{header}": library()[header] for header in needed})


# Memories


@dataclass(frozen=True, eq=False, slots=True)
class _Array:
    """A memory as the kernel's parameter wants it.

    values: one word of the memory for each index of the first axis; a word is read in one cycle.
    packed: its elements are bit vectors, not numbers. reads: words that are read in the same cycle.
    """

    name: str
    type: str
    values: NDArray[np.int64] | NDArray[np.uint64]
    style: Style
    packed: bool = False
    reads: int = 1


#: The storage type of a memory by the words that are read at once; beyond these the tool copies it.
_ROM = {1: "rom_1p", 2: "rom_2p"}


def _integer_type(bits: int, *, signed: bool) -> str:
    """The smallest type that holds so many bits."""
    size = max(8, 1 << (bits - 1).bit_length())
    return f"std::{'' if signed else 'u'}int{size}_t"


def _elements(memory: Memory, bits: int, kind: Kind) -> IntArray:
    """True values (depth, elements) of a memory: read out, it is a stream of its words."""
    lanes = memory.width // bits
    return unpack(memory.words, Stream(memory.name, lanes, bits, kind, memory.depth), (lanes,))


def pack_bits(bits: IntArray) -> NDArray[np.uint64]:
    """Bits (..., n) in as many words as bhc::bits<n> has chunks, of equal size, the first bits lowest."""
    count = -(-bits.shape[-1] // _CHUNK)
    size = -(-bits.shape[-1] // count)
    spare = [(0, 0)] * (bits.ndim - 1) + [(0, count * size - bits.shape[-1])]
    chunks = np.pad(bits, spare).reshape(*bits.shape[:-1], count, size).astype(np.uint64)
    packed: NDArray[np.uint64] = np.bitwise_or.reduce(chunks << np.arange(size, dtype=np.uint64), axis=-1)
    return packed


def _numbers(name: str, values: IntArray, style: Style, bits: int, kind: Kind) -> _Array:
    """An array of true values, stored in the smallest type that holds them."""
    stored = 2 if kind == Kind.BIPOLAR else bits  # -1 and +1 take two bits
    return _Array(name, _integer_type(stored, signed=kind != Kind.UNSIGNED), values, style)


#: For kernels whose positions are all of one class; no stage's array has this name.
_NO_CLASSES = _numbers("no_classes", np.zeros(1, np.int64), Style.AUTO, 1, Kind.UNSIGNED)


def _weights(stage: Stage, memory: Memory, name: str) -> _Array:
    """Weights of bhc_dw [Chunks*Taps][Lanes], or of bhc_mvu [Nf*Sf][Pe][Row], 1-bit ones packed along Simd."""
    p, kind = stage.params, Kind(stage.params["WKind"])
    if stage.kernel == "bhc_dw":
        return _numbers(name, _elements(memory, p["WBits"], kind), memory.style, p["WBits"], kind)
    shape = (memory.depth, p["Pe"], p["Simd"])
    if p["WBits"] == 1:
        bits = _elements(memory, 1, Kind.UNSIGNED).reshape(shape)
        return _Array(name, "std::uint64_t", pack_bits(bits), memory.style, packed=True)
    return _numbers(name, _elements(memory, p["WBits"], kind).reshape(shape), memory.style, p["WBits"], kind)


def _delta_weights(stage: Stage, memory: Memory, name: str) -> _Array:
    """Weights of bhc_delta [Depth][Row], 1-bit ones packed along Pe; each of the events of a cycle has an address."""
    p, kind = stage.params, Kind(stage.params["WKind"])
    if p["WBits"] == 1:
        packed = _Array(
            name, "std::uint64_t", pack_bits(_elements(memory, 1, Kind.UNSIGNED)), memory.style, packed=True
        )
        return replace(packed, reads=p["Events"])
    values = _elements(memory, p["WBits"], kind)
    return replace(_numbers(name, values, memory.style, p["WBits"], kind), reads=p["Events"])


def _bias(stage: Stage, memory: Memory, name: str) -> _Array:
    """Bias of bhc_mvu or bhc_dw: [Classes*Nf][Pe] or [Classes*Chunks][Lanes]; base of bhc_delta: [Nf][Pe]."""
    bits = stage.params["AccBits"]
    return _numbers(name, _elements(memory, bits, Kind.SIGNED), memory.style, bits, Kind.SIGNED)


def _classes(memory: Memory | None, name: str) -> _Array:
    """Classes of positions [Positions], if there are several."""
    if memory is None:
        return _NO_CLASSES
    values = _elements(memory, memory.width, Kind.UNSIGNED).reshape(-1)
    return _numbers(name, values, memory.style, memory.width, Kind.UNSIGNED)


def _descending(stage: Stage, memory: Memory | None, name: str) -> _Array:
    """Which channels of bhc_threshold descend [Chunks][Lanes]; zeros that are not looked at if none does."""
    shape = (stage.params["Chunks"], stage.params["Lanes"])
    if memory is None:
        return _numbers(name, np.zeros(shape, np.int64), Style.AUTO, 1, Kind.UNSIGNED)
    return _numbers(name, _elements(memory, 1, Kind.UNSIGNED), memory.style, 1, Kind.UNSIGNED)


def _levels(stage: Stage, memories: Mapping[str, Memory], stem: str) -> list[_Array]:
    """Thresholds of bhc_threshold: level s of its search tree is [Chunks << s][Lanes]."""
    p = stage.params
    bits = p["InBits"] + 1
    kind = Kind.SIGNED if p["InKind"] == Kind.SIGNED else Kind.UNSIGNED
    if p["Chunks"] == 1:  # one word: the nodes in breadth-first order
        word = memories["thresholds"]
        nodes = _elements(word, bits, kind).reshape(-1, p["Lanes"])
        tables = [(nodes[(1 << s) - 1 : (2 << s) - 1], word.style) for s in range(p["Stages"])]
    else:
        levels = [memories[f"thresholds_{s}"] for s in range(p["Stages"])]
        tables = [(_elements(level, bits, kind), level.style) for level in levels]
    return [_numbers(f"{stem}_{s}", table, style, bits, kind) for s, (table, style) in enumerate(tables)]


def _arrays(stage: Stage, word: str) -> list[_Array]:
    """The arrays of a stage, in the order of the kernel's arguments."""
    memories, stem = {memory.name: memory for memory in stage.memories}, f"mem_{word}"
    match stage.kernel:
        case "bhc_mvu" | "bhc_dw":
            return [
                _weights(stage, memories["weights"], f"{stem}_weights"),
                _bias(stage, memories["bias"], f"{stem}_bias"),
                _classes(memories.get("class"), f"{stem}_class"),
            ]
        case "bhc_delta":
            return [
                _delta_weights(stage, memories["weights"], f"{stem}_weights"),
                _bias(stage, memories["base"], f"{stem}_base"),
            ]
        case "bhc_threshold":
            return [
                _descending(stage, memories.get("descending"), f"{stem}_descending"),
                *_levels(stage, memories, f"{stem}_thresholds"),
            ]
        case _:
            return []


def _braced(values: object, *, packed: bool) -> str:
    if isinstance(values, list):
        return "{" + ", ".join(_braced(value, packed=packed) for value in values) + "}"
    return f"{values:#x}" if packed else str(values)


def _filled(words: Iterable[str], indent: str) -> list[str]:
    """Words in lines of at most _COLUMNS, as many in each as it takes."""
    lines: list[str] = []
    line = indent
    for word in words:
        if len(line) + 1 + len(word) > _COLUMNS and line != indent:
            lines.append(line)
            line = indent
        line += word if line == indent else f" {word}"
    return [*lines, line]


def _definition(array: _Array) -> list[str]:
    """Lines that define an array."""
    sizes = "".join(f"[{size}]" for size in array.values.shape)
    words = _braced(array.values.tolist(), packed=array.packed)[1:-1].split(" ")
    return [f"static const {array.type} {array.name}{sizes} = {{", *_filled(words, "  "), "};"]


def _directive(text: str) -> str:
    """A directive to the synthesizer that a host compiler does not warn of."""
    return f"  BHC_PRAGMA(HLS {text})"


def _placement(array: _Array) -> list[str]:
    """Pragmas that place an array: a word is read in one cycle, from one block RAM or from tables of LUTs."""
    if array.style == Style.AUTO:
        return []
    how = "array_reshape" if array.style == Style.BLOCK else "array_partition"
    pragmas = [
        _directive(f"{how} variable={array.name} type=complete dim={axis + 1}")
        for axis, size in enumerate(array.values.shape)
        if axis and size > 1
    ]
    if len(array.values) > 1:
        impl = "bram" if array.style == Style.BLOCK else "lutram"
        rom = _ROM.get(array.reads, "rom_np")
        pragmas.append(_directive(f"bind_storage variable={array.name} type={rom} impl={impl}"))
    return pragmas


# Stages


def _literal(value: int) -> str:
    return f"{value}u" if value >= 1 << 31 else str(value)


def _count(amount: Amount, unit: str) -> str:
    """An amount as an expression of the top level's argument."""
    product = unit if amount.each == 1 else f"{unit} * {amount.each}"
    return f"bhc::beyond({product}, {amount.lost})" if amount.lost else product


def _amount(stage: Stage, flow: Mapping[str, Amount]) -> Amount:
    """How much a kernel processes, in what it counts."""
    match stage.kernel:
        case "bhc_add":
            return flow[stage.sinks[0]]
        case "bhc_concat":
            return flow[stage.sinks[0]].per(stage.params["AChunks"] + stage.params["BChunks"])
        case _:
            return flow[stage.sources[0]].per(unit_beats(stage))


def _leftovers(stage: Stage, flow: Mapping[str, Amount], unit: str) -> list[str]:
    """Lines that take what a join leaves: the longer operand's end."""
    if stage.kernel not in {"bhc_add", "bhc_concat"}:
        return []
    lines = []
    for port, name in zip(stage.declaration.sources, stage.sources, strict=True):
        have = flow[name]
        # Windows of an operand are all those that the join takes from each.
        used = replace(have, lost=flow[stage.sinks[0]].lost * have.each // flow[stage.sinks[0]].each)
        if have.lost != used.lost:
            lines.append(f"  bhc::drain({port}, {_count(have, unit)} - {_count(used, unit)});")
    return lines


def _ports(stage: Stage) -> list[str]:
    """Names of the stream parameters, sources first; several sinks are numbered."""
    (out,) = stage.declaration.sinks
    sinks = [out] if len(stage.sinks) == 1 else [f"{out}{index}" for index in range(len(stage.sinks))]
    return [*stage.declaration.sources, *sinks]


def _arguments(stage: Stage, arrays: Sequence[_Array], amount: str) -> list[str]:
    """The kernel's arguments."""
    ports, memories = _ports(stage), [array.name for array in arrays]
    match stage.kernel:
        case "bhc_fork":
            return [ports[0], amount, *ports[1:]]
        case "bhc_threshold":
            return [*ports, amount, *memories]
        case _:
            return [*ports, *memories, amount]


def _function(
    stage: Stage, word: str, arrays: Sequence[_Array], wired: Mapping[str, Channel], flow: Mapping[str, Amount]
) -> list[str]:
    """Lines of the function of a stage: its memories' places, and the kernel."""
    names = (*stage.sources, *stage.sinks)
    ports = [f"{wired[name].type} &{port}," for name, port in zip(names, _ports(stage), strict=True)]
    params = [f"/*{name}=*/{_literal(stage.params[name])}," for name in stage.declaration.params]
    params[-1] = params[-1].removesuffix(",")
    unit, each = _argument(flow), _unit(flow)
    arguments = ", ".join(_arguments(stage, arrays, _count(_amount(stage, flow), unit))).split(" ")
    head = _filled([f"static void u_{word}({ports[0]}", *ports[1:], f"unsigned {unit}) {{"], "    ")
    about = f"{stage.name}: for '{stage.value}' of {', '.join(stage.origin)}; {stage.cycles} cycles a {each}"
    return [
        f"// {comment(about)}",
        head[0].lstrip(),
        *head[1:],
        *(pragma for array in arrays for pragma in _placement(array)),
        f"  bhc::{stage.kernel.removeprefix('bhc_')}<",
        *_filled(params, "      "),
        *_filled([f">({arguments[0]}", *arguments[1:-1], f"{arguments[-1]});"], "  "),
        *_leftovers(stage, flow, unit),
        "}",
        "",
    ]


# The design


def _unit(flow: Mapping[str, Amount]) -> str:
    """What the design is given one after another."""
    return "hop" if is_streamed(flow) else "window"


def _argument(flow: Mapping[str, Amount]) -> str:
    """The argument that says how many."""
    return f"{_unit(flow)}s"


def results(pipeline: Pipeline) -> Amount:
    """Results of so many windows, or hops."""
    return amounts(pipeline)[pipeline.output].per(pipeline.streams[pipeline.output].beats)


def _format(stream: Stream, each: str) -> str:
    return f"{stream.beats} beats a {each} of {stream.lanes} x {stream.bits} bits, lane 0 lowest"


def _banner(pipeline: Pipeline, flow: Mapping[str, Amount]) -> list[str]:
    source, sink = pipeline.streams[pipeline.input], pipeline.streams[pipeline.output]
    each = _unit(flow)
    result = "result" if is_streamed(flow) else each
    return [
        f"// {comment(pipeline.name)}: {len(pipeline.stages)} stages, {pipeline.cycles_per_window} cycles a {each}.",
        f"// s_axis: {_format(source, each)}; last is ignored.",
        f"// m_axis: {_format(sink, result)}; last ends a {result}.",
    ]


def _signature(pipeline: Pipeline, flow: Mapping[str, Amount]) -> str:
    source, sink = (padded_width(pipeline.streams[name]) for name in (pipeline.input, pipeline.output))
    ports = f"bhc::axis_stream<{source}> &s_axis, bhc::axis_stream<{sink}> &m_axis"
    return f"void {TOP}({ports}, unsigned {_argument(flow)})"


def _header(pipeline: Pipeline, flow: Mapping[str, Amount]) -> str:
    most = (2**32 - 1) // max(stream.beats for stream in pipeline.streams.values())
    about = [f"// windows: how many to process, at most {most}; the function returns when the last has left."]
    if is_streamed(flow):
        first = results(pipeline).lost
        about = [
            f"// hops: how many to process, at most {most}; each but the first {first} has a result. The function",
            "// returns when the last has left. A call is a recording: nothing is kept from one to the next.",
        ]
    lines = [
        *_banner(pipeline, flow),
        *about,
        "#pragma once",
        "",
        '#include "bhc_axi.hpp"',
        "",
        f"{_signature(pipeline, flow)};",
        "",
    ]
    return "\n".join(lines)


def _storage(channel: Channel) -> list[str]:
    """Pragma that places a deep stream."""
    if channel.depth <= _DIRECT_DEPTH or channel.style == Style.AUTO:
        return []
    impl = "bram" if channel.style == Style.BLOCK else "srl"
    return [_directive(f"bind_storage variable={channel.variable} type=fifo impl={impl}")]


def _top(pipeline: Pipeline, arrays: Mapping[str, Sequence[_Array]], flow: Mapping[str, Amount]) -> str:
    words, wired, unit = stage_words(pipeline), channels(pipeline), _argument(flow)
    stages = [stage for stage in pipeline.stages if stage.kernel != FIFO]
    first, last = wired[pipeline.input], wired[pipeline.output]
    source, sink = padded_width(first.stream), padded_width(last.stream)
    lines = [
        *_banner(pipeline, flow),
        f'#include "{TOP}.hpp"',
        "",
        *(f'#include "{name}.hpp"' for name in sorted({stage.kernel for stage in stages})),
        '#include "memories.hpp"',
        "",
    ]
    for stage in stages:
        lines += _function(stage, words[stage.name], arrays[stage.name], wired, flow)
    lines += [
        f"static void read_input(bhc::axis_stream<{source}> &s_axis, {first.type} &out, unsigned {unit}) {{",
        f"  bhc::from_axis<{first.stream.width}>(s_axis, out, {_count(flow[pipeline.input], unit)});",
        "}",
        "",
        f"static void write_output({last.type} &in, bhc::axis_stream<{sink}> &m_axis, unsigned {unit}) {{",
        f"  bhc::to_axis<{last.stream.width}>(in, m_axis, {last.stream.beats}, {_count(results(pipeline), unit)});",
        "}",
        "",
        f"{_signature(pipeline, flow)} {{",
        _directive("interface axis port=s_axis"),
        _directive("interface axis port=m_axis"),
        _directive(f"interface s_axilite port={unit}"),
        _directive("interface s_axilite port=return"),
        _directive("dataflow"),
    ]
    for name, channel in wired.items():
        if channel.stream.name != name:
            continue
        lines += [
            f'  {channel.type} {channel.variable}("{channel.word}");  // {comment(f"{name}: {channel.stream}")}',
            *_storage(channel),
        ]
    lines += ["", f'  BHC_RUN("{_READER}", read_input(s_axis, {first.variable}, {unit}));']
    for stage in stages:
        word = words[stage.name]
        streams = [wired[name].variable for name in (*stage.sources, *stage.sinks)]
        lines.append(f'  BHC_RUN("{word}", u_{word}({", ".join(streams)}, {unit}));')
    lines += [
        f'  BHC_RUN("{_WRITER}", write_output({last.variable}, m_axis, {unit}));',
        "  BHC_WAIT();",
        "}",
        "",
    ]
    return "\n".join(lines)


def _memories(pipeline: Pipeline, arrays: Mapping[str, Sequence[_Array]]) -> str:
    lines = [
        f"// Memories of {comment(pipeline.name)}: one word for each first index, which is read in one cycle.",
        "#pragma once",
        "",
        "#include <cstdint>",
        "",
    ]
    distinct = {array.name: array for stage in pipeline.stages for array in arrays[stage.name]}
    for array in distinct.values():
        lines += [*_definition(array), ""]
    return "\n".join(lines)


def emit(pipeline: Pipeline) -> BuildPlan:
    """The design as files. Pure: the same pipeline gives the same bytes."""
    words, flow = stage_words(pipeline), amounts(pipeline)
    arrays = {stage.name: _arrays(stage, words[stage.name]) for stage in pipeline.stages}
    kernels = {stage.kernel for stage in pipeline.stages} - {FIFO}
    design = {
        f"hls/{TOP}.hpp": _header(pipeline, flow),
        f"hls/{TOP}.cpp": _top(pipeline, arrays, flow),
        "hls/memories.hpp": _memories(pipeline, arrays),
    }
    return BuildPlan(design) | library_plan(["bhc_axi.hpp", *(f"{kernel}.hpp" for kernel in sorted(kernels))])
