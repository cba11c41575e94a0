"""SystemVerilog: one instance per stage, the library files that they need, memory images.

The plan:

    rtl/bhc_top.sv                  the design
    rtl/bhc_<module>.sv             library, copied unmodified
    mem/<stage>_<memory>.hex        memory contents; bhc_top.sv has their paths from the build directory
    ddr/w<k>.bin                    weights that stay outside the device: 64-bit little-endian words

bhc_top has one AXI4-Stream in and one out. A beat of the stream, lane 0 lowest, takes the low bits of tdata,
which is padded to whole bytes (padding is ignored at the input, zero at the output). m_axis_tlast marks the
last beat of each window; s_axis_tlast is accepted and ignored, since the design counts beats. Each w<k>_axis takes the
words of ddr/w<k>.bin, from the first one after a reset, over and over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from urllib.parse import quote

from bhc.backends.plan import BuildPlan
from bhc.ir.pipeline import WORD_BITS, Memory, Pipeline, Stage, Stream

TOP = "bhc_top"
#: Library module that counts the beats of a window, for m_axis_tlast.
COUNT = "bhc_count"


def padded_width(stream: Stream) -> int:
    """Width of tdata: whole bytes."""
    return -(-stream.width // 8) * 8


def identifiers(names: Iterable[str]) -> dict[str, str]:
    """For every name a distinct word of letters, digits and single underscores: no tool mangles it."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") or "x"
        word, serial = stem, 1
        while word in taken:
            serial += 1
            word = f"{stem}_{serial}"
        taken.add(word)
        found[name] = word
    return found


def stream_signals(pipeline: Pipeline) -> dict[str, str]:
    """Of every stream, the signals' common prefix: `<prefix>_valid`, `_ready`, `_data`."""
    return {name: f"s_{word}" for name, word in identifiers(pipeline.streams).items()}


def stage_words(pipeline: Pipeline) -> dict[str, str]:
    """Of every stage, the word that its instance (`u_<word>`) and memory images are named after."""
    return identifiers(stage.name for stage in pipeline.stages)


@cache
def library() -> Mapping[str, str]:
    """Every module of the library: name and source."""
    folder = files("bhc") / "rtl"
    return {
        entry.name.removesuffix(".sv"): entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".sv")
    }


@cache
def _instantiated(module: str) -> frozenset[str]:
    """Library modules that a module's source names outside comments."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", "", library()[module], flags=re.DOTALL)
    return frozenset(re.findall(r"\bbhc_\w+", code)) & library().keys() - {module}


def library_plan(modules: Iterable[str]) -> BuildPlan:
    """The library files of some modules and of all that they instantiate."""
    needed: set[str] = set()
    todo = set(modules)
    while todo:
        module = todo.pop()
        needed.add(module)
        todo |= _instantiated(module) - needed
    return BuildPlan({f"rtl/{module}.sv": library()[module] for module in needed})


def _integer(value: int) -> str:
    """A literal; beyond 32 bits with its size, as the language wants."""
    if -(2**31) <= value < 2**31:
        return str(value)
    if value < 0:
        raise ValueError(f"parameter {value} does not fit an int")
    return f"{value.bit_length()}'h{value:x}"


def memory_path(word: str, memory: Memory) -> str:
    return f"mem/{word}_{memory.name}.hex"


def external_path(number: int) -> str:
    return f"ddr/w{number}.bin"


def _parameters(stage: Stage, word: str) -> dict[str, str]:
    """Parameter assignments, in the order of the declaration."""
    kernel = stage.declaration
    assigned = {name: _integer(stage.params[name]) for name in kernel.params}
    contents = {memory.name: memory for memory in stage.memories}
    for port in kernel.memories:
        memory = contents.get(port.name) or contents.get(f"{port.name}_0")
        if memory is None:
            continue
        if port.style:
            assigned[f"{port.prefix}Style"] = str(int(memory.style))
        if port.init and memory.depth == 1:
            assigned[f"{port.prefix}Init"] = f"{memory.width}'h{memory.hex_words()[0]}"
        elif memory.name == port.name:
            assigned[f"{port.prefix}File"] = f'"{memory_path(word, memory)}"'
        else:  # the levels of a tree: <stem>_0.hex ...
            assigned[f"{port.prefix}File"] = f'"{memory_path(word, memory).removesuffix("_0.hex")}"'
    return assigned


def instance(stage: Stage, word: str, signals: Mapping[str, str]) -> list[str]:
    """Lines of a stage's instance `u_<word>`; `signals` has the prefix of every stream's signals."""
    kernel = stage.declaration
    ports = [".clk_i", ".rst_ni"]
    for port, stream in zip(kernel.sources, stage.sources, strict=True):
        signal = signals[stream]
        ports += [
            f".{port}_valid_i({signal}_valid)",
            f".{port}_ready_o({signal}_ready)",
            f".{port}_data_i({signal}_data)",
        ]
    sinks = [signals[stream] for stream in stage.sinks]
    (out,) = kernel.sinks
    after: list[str] = []
    if len(sinks) == 1:
        valid, ready = f"{sinks[0]}_valid", f"{sinks[0]}_ready"
    else:
        valid = "{" + ", ".join(f"{sink}_valid" for sink in reversed(sinks)) + "}"
        ready = "{" + ", ".join(f"{sink}_ready" for sink in reversed(sinks)) + "}"
        after = [f"  assign {sink}_data = {sinks[0]}_data;" for sink in sinks[1:]]
    ports += [f".{out}_valid_o({valid})", f".{out}_ready_i({ready})", f".{out}_data_o({sinks[0]}_data)"]
    assigned = ",\n".join(f"    .{key}({value})" for key, value in _parameters(stage, word).items())
    connected = ",\n".join(f"    {port}" for port in ports)
    return [f"  {stage.kernel} #(", assigned, f"  ) u_{word} (", connected, "  );", *after]


def declaration(stream: Stream, signal: str) -> list[str]:
    """Lines that declare a stream's signals."""
    return [f"  logic {signal}_valid, {signal}_ready;", f"  logic [{stream.width - 1}:0] {signal}_data;"]


def _input(stream: Stream, signal: str) -> list[str]:
    spare = padded_width(stream) - stream.width
    lines = [
        f"  assign {signal}_valid = s_axis_tvalid;",
        f"  assign s_axis_tready = {signal}_ready;",
        f"  assign {signal}_data = s_axis_tdata[{stream.width - 1}:0];",
        "  logic unused;",
    ]
    if spare:
        lines.append(f"  assign unused = s_axis_tlast ^ (^s_axis_tdata[{padded_width(stream) - 1}:{stream.width}]);")
    else:
        lines.append("  assign unused = s_axis_tlast;")
    return lines


def _external(number: int, signal: str) -> list[str]:
    return [
        f"  assign {signal}_valid = w{number}_axis_tvalid;",
        f"  assign w{number}_axis_tready = {signal}_ready;",
        f"  assign {signal}_data = w{number}_axis_tdata;",
    ]


def _output(stream: Stream, signal: str) -> list[str]:
    spare = padded_width(stream) - stream.width
    data = f"{{{spare}'d0, {signal}_data}}" if spare else f"{signal}_data"
    lines = [
        f"  assign m_axis_tvalid = {signal}_valid;",
        f"  assign {signal}_ready = m_axis_tready;",
        f"  assign m_axis_tdata = {data};",
    ]
    return [
        *lines,
        f"  {COUNT} #(",
        f"    .Count({stream.beats})",
        "  ) tlast_counter (.clk_i, .rst_ni, .step_i(m_axis_tvalid & m_axis_tready), .last_o(m_axis_tlast));",
    ]


def comment(text: str) -> str:
    """Text that cannot leave a comment, whatever a model calls its values."""
    return quote(text, safe=" !#$&'()*+,-./:;<=>?@[]^_|~")


def _top(pipeline: Pipeline) -> str:
    signals = stream_signals(pipeline)
    words = stage_words(pipeline)
    source, sink = pipeline.streams[pipeline.input], pipeline.streams[pipeline.output]

    def format_of(stream: Stream) -> str:
        return f"{stream.beats} beats a window of {stream.lanes} x {stream.bits} bits, lane 0 lowest"

    lines = [
        f"// {comment(pipeline.name)}: {len(pipeline.stages)} stages, {pipeline.cycles_per_window} cycles a window.",
        f"// s_axis: {format_of(source)}; tlast is ignored.",
        f"// m_axis: {format_of(sink)}; tlast ends a window.",
        *(
            f"// w{number}_axis: the {item.memory.depth} words of {external_path(number)}, over and over."
            for number, item in enumerate(pipeline.external)
        ),
        f"module {TOP} (",
        "  input  logic clk_i,",
        "  input  logic rst_ni,",
        f"  input  logic [{padded_width(source) - 1}:0] s_axis_tdata,",
        "  input  logic s_axis_tvalid,",
        "  output logic s_axis_tready,",
        "  input  logic s_axis_tlast,",
        *(
            line
            for number in range(len(pipeline.external))
            for line in (
                f"  input  logic [{WORD_BITS - 1}:0] w{number}_axis_tdata,",
                f"  input  logic w{number}_axis_tvalid,",
                f"  output logic w{number}_axis_tready,",
            )
        ),
        f"  output logic [{padded_width(sink) - 1}:0] m_axis_tdata,",
        "  output logic m_axis_tvalid,",
        "  input  logic m_axis_tready,",
        "  output logic m_axis_tlast",
        ");",
    ]
    for name, stream in pipeline.streams.items():
        lines += [f"  // {comment(f'{name}: {stream}')}", *declaration(stream, signals[name])]
    lines += ["", *_input(source, signals[pipeline.input]), ""]
    for number, item in enumerate(pipeline.external):
        lines += [*_external(number, signals[item.stream]), ""]
    for stage in pipeline.stages:
        lines += [*instance(stage, words[stage.name], signals), ""]
    lines += [*_output(sink, signals[pipeline.output]), "endmodule", ""]
    return "\n".join(lines)


def memory_images(stage: Stage, word: str) -> BuildPlan:
    """The memory images of a stage that come as files."""
    inits = {port.name for port in stage.declaration.memories if port.init}
    return BuildPlan(
        {
            memory_path(word, memory): "\n".join(memory.hex_words()) + "\n"
            for memory in stage.memories
            if memory.depth > 1 or memory.name not in inits
        }
    )


def emit(pipeline: Pipeline) -> BuildPlan:
    """The design as files. Pure: the same pipeline gives the same bytes."""
    kernels = (stage.kernel for stage in pipeline.stages)
    plan = BuildPlan({f"rtl/{TOP}.sv": _top(pipeline)}) | library_plan((COUNT, *kernels))
    words = stage_words(pipeline)
    for stage in pipeline.stages:
        plan |= memory_images(stage, words[stage.name])
    return plan | BuildPlan(
        {external_path(number): item.memory.words.tobytes() for number, item in enumerate(pipeline.external)}
    )
