"""What a simulated design does: words of weights read, accumulators written, bits of registers that change.

Cosimulation looks at the state of the design in every cycle (cosim_activity.hpp), in a simulator of its own, so
that neither the kernels nor the ordinary simulator know of it. Which variables are registers follows from Verilator's
own reading of the design: the targets of nonblocking assignments. docs/cosim.md says what each count means.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from bhc.backends.compare import ActivityRow
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import TOP, stage_words, stream_signals
from bhc.backends.runner import file_errors
from bhc.ir.pipeline import Pipeline, Stage

#: Control file that keeps the registers visible.
CONTROL = "cosim_registers.vlt"
_DRIVER = "cosim_activity.hpp"
_COUNTERS = "cosim_counters.inc"
_REGISTERS = "cosim_registers.inc"
_RESULT = "activity.txt"
#: The library's writable memory, and its ports and parameter that are counted.
_MEMORY = "bhc_ram"
_MEMORY_PORTS = {"kBufferReads": "read_i", "kBufferWrites": "write_i"}
_MEMORY_WIDTH = "Width"

_Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Counter:
    """Of a stage, in every cycle in which `gate` is set: `factor` for every set bit of `signal`.

    field: of the driver's enumeration. signal, gate: variables of the stage's module.
    """

    field: str
    signal: str
    gate: str
    factor: int = 1


def counters(stage: Stage) -> tuple[Counter, ...]:
    """What is counted of a kernel that multiplies; nothing of others."""
    p = stage.params
    read = int(any(memory.name == "weights" and memory.depth > 1 for memory in stage.memories))
    match stage.kernel:
        case "bhc_mvu" | "bhc_mvu_stream":
            return (
                Counter("kBusy", "issue", "issue"),
                Counter("kWeightReads", "issue", "issue", read),
                Counter("kUpdates", "acc_en", "acc_en", p["Pe"]),
            )
        case "bhc_dw":
            return (
                Counter("kBusy", "issue", "issue"),
                Counter("kWeightReads", "issue", "issue", read),
                Counter("kUpdates", "valid_q", "en", p["Lanes"]),
            )
        case "bhc_delta":
            return (
                Counter("kBusy", "job_q", "en"),
                Counter("kWeightReads", "read", "en", read),
                Counter("kUpdates", "acc_en", "acc_en", p["Pe"]),
                Counter("kEvents", "found", "found"),
            )
        case _:
            return ()


def _public(names: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of a control file that keep variables of modules visible."""
    return [f'public_flat_rd -module "{module}" -var "{name}"' for module, name in sorted(set(names))]


def visible(pipeline: Pipeline) -> list[str]:
    """Lines of a control file for the signals that are counted."""
    return _public(
        (stage.kernel, name)
        for stage in pipeline.stages
        for counter in counters(stage)
        for name in (counter.signal, counter.gate)
    )


def _member(path: str) -> str:
    """A variable, as a member of Verilator's root class. Where the path has `->`, a module is a class of its own."""
    *outer, inner = path.replace("[", "__BRA__").replace("]", "__KET__").replace(".", "__DOT__").split("->")
    return "".join(f"__PVT__{pointer}->" for pointer in outer) + inner


def plan(pipeline: Pipeline) -> BuildPlan:
    """The driver's part, and what it counts of every stage."""
    signals, words = stream_signals(pipeline), stage_words(pipeline)
    rows = [f"STAGES({len(pipeline.stages)})"]
    for number, stage in enumerate(pipeline.stages):
        inside = f"{TOP}.u_{words[stage.name]}"
        found = [
            (counter.field, f"{inside}.{counter.signal}", f"{inside}.{counter.gate}", counter.factor)
            for counter in counters(stage)
        ]
        if not found:
            given = f"{TOP}.{signals[stage.sinks[0]]}"
            found = [("kBusy", f"{given}_valid", f"{given}_ready", 1)]
        rows += [_count(number, *row) for row in found]
    driver = (files("bhc") / "backends" / _DRIVER).read_bytes()
    return BuildPlan({_COUNTERS: "\n".join(rows) + "\n", _DRIVER: driver})


def _count(stage: int, field: str, signal: str, gate: str, factor: int) -> str:
    return f"COUNT({stage}, {field}, {_member(signal)}, {_member(gate)}, {factor})"


@dataclass(frozen=True, slots=True)
class Register:
    """Bits of a variable that an edge of the clock sets. variable: its path. index: the element of an array (`[2]`).

    width: 0 for all of it.
    """

    variable: str
    index: str = ""
    lsb: int = 0
    width: int = 0


@dataclass(frozen=True, slots=True)
class _Module:
    """A module with its parameters set. cells: path and module (its address) of every instance. width: parameter
    `Width`, if it has one.
    """

    name: str
    registers: tuple[Register, ...]
    cells: tuple[tuple[str, str], ...]
    width: int | None


def _constant(node: _Node) -> int:
    """The value of a literal such as 32'h1f."""
    found = re.fullmatch(r"\d+'s?h([0-9a-f]+)", node["name"])
    if found is None:
        raise ValueError(f"no index: {node['name']}")
    return int(found[1], 16)


def _targets(node: _Node) -> Iterator[tuple[str, str, int, int]]:
    """What an assignment sets: (address of the variable, index, lsb, width); without words of memories."""
    match node:
        case {"type": "VARREF", "varp": address}:
            yield address, "", 0, 0
        case {"type": "CONCAT", "lhsp": [left], "rhsp": [right]}:
            yield from _targets(left)
            yield from _targets(right)
        case {"type": "SEL", "fromp": [source], "lsbp": [{"type": "CONST"} as lsb], "widthConst": width}:
            for address, index, base, _ in _targets(source):
                yield address, index, base + _constant(lsb), width
        case {"type": "SEL", "fromp": [source]}:
            yield from _targets(source)
        case {"type": "ARRAYSEL", "fromp": [array], "bitp": [{"type": "CONST"} as place]}:
            for address, index, _, _ in _targets(array):
                yield address, f"{index}[{_constant(place)}]", 0, 0
        case {"type": "ARRAYSEL"}:
            return
        case _:
            raise ValueError(f"no target of an assignment: {node['type']}")


def _module(root: _Node) -> _Module:
    """A module of Verilator's tree."""
    paths: dict[str, str] = {}
    width: int | None = None
    cells: list[tuple[str, str]] = []
    targets: list[tuple[str, str, int, int]] = []
    todo: list[tuple[_Node, str]] = [(root, "")]
    while todo:
        node, prefix = todo.pop()
        match node["type"]:
            case "VAR":
                paths[node["addr"]] = prefix + node["name"]
                if node["name"] == _MEMORY_WIDTH and node.get("isGParam"):
                    width = _constant(node["valuep"][0])
            case "CELL":
                cells.append((prefix + node["name"], node["modp"]))
            case "ASSIGNDLY":
                targets += _targets(node["lhsp"][0])
            case _:
                if node["type"] == "GENBLOCK" and node["name"]:
                    prefix += node["name"] + "."
                todo += ((child, prefix) for key in node if isinstance(node[key], list) for child in node[key])
    registers = {Register(paths[address], index, lsb, size) for address, index, lsb, size in targets}
    return _Module(root["origName"], _disjoint(registers), tuple(sorted(cells)), width)


def _disjoint(registers: Iterable[Register]) -> tuple[Register, ...]:
    """The same bits, each once."""
    bits: dict[tuple[str, str], set[int] | None] = {}  # None: all
    for register in registers:
        place = (register.variable, register.index)
        known = bits.setdefault(place, set())
        if register.width == 0 or known is None:
            bits[place] = None
        else:
            known.update(range(register.lsb, register.lsb + register.width))
    found: list[Register] = []
    for place in sorted(bits):
        places = bits[place]
        if places is None:
            found.append(Register(*place))
            continue
        starts = sorted(bit for bit in places if bit - 1 not in places)
        ends = sorted(bit + 1 for bit in places if bit + 1 not in places)
        found += (Register(*place, start, end - start) for start, end in zip(starts, ends, strict=True))
    return tuple(found)


def _instances(
    modules: Mapping[str, _Module], path: str, address: str, shared: Collection[str]
) -> Iterator[tuple[str, _Module]]:
    """An instance and all inside it: what the paths of its variables begin with, and its module."""
    module = modules[address]
    prefix = path + ("->" if module.name in shared else ".")
    yield prefix, module
    for name, inner in module.cells:
        yield from _instances(modules, prefix + name, inner, shared)


def _stateful(modules: Mapping[str, _Module]) -> set[str]:
    """Addresses of the modules with registers, or with such modules inside."""
    found = {address for address, module in modules.items() if module.registers}
    while more := {a for a, module in modules.items() if any(inner in found for _, inner in module.cells)} - found:
        found |= more
    return found


def inspect(pipeline: Pipeline, tree: Path, shared: Collection[str]) -> BuildPlan:
    """Which registers and writable memories every stage has, from Verilator's tree of the design (--json-only).

    The control file keeps them visible, in known places: modules become parts of the root class, but those of `shared`,
    which another control file keeps apart. Raises BhcError (BHC504).
    """
    with file_errors("read", tree):
        content = json.loads(tree.read_text())
    nodes = [node for node in content["modulesp"] if node["type"] == "MODULE"]
    modules = {node["addr"]: _module(node) for node in nodes}
    top = next(module for module in modules.values() if module.name == TOP)
    cells = dict(top.cells)
    rows: list[str] = []
    names: set[tuple[str, str]] = set()
    for number, word in enumerate(stage_words(pipeline).values()):
        for path, module in _instances(modules, f"{TOP}.u_{word}", cells[f"u_{word}"], shared):
            for register in module.registers:
                member = _member(path + register.variable) + register.index
                rows.append(f"REGISTER({number}, {member}, {register.lsb}, {register.width})")
                names.add((module.name, register.variable.rpartition(".")[2]))
            if module.name == _MEMORY and module.width is not None:
                for field, port in _MEMORY_PORTS.items():
                    rows.append(_count(number, field, path + port, path + port, module.width))
                    names.add((module.name, port))
    inlined = {modules[address].name for address in _stateful(modules)} - {TOP, *shared}
    control = ["`verilator_config", *(f'inline -module "{name}"' for name in sorted(inlined)), *_public(names)]
    return BuildPlan({_REGISTERS: "\n".join(rows) + "\n", CONTROL: "\n".join(control) + "\n"})


def read(pipeline: Pipeline, records: Path) -> tuple[ActivityRow, ...]:
    """The driver's counts. Raises BhcError (BHC504)."""
    path = records / _RESULT
    with file_errors("read", path):
        lines = path.read_text().splitlines()
    rows = []
    for stage, line in zip(pipeline.stages, lines, strict=True):
        busy, reads, updates, events, buffer_reads, buffer_writes, toggles = (int(word) for word in line.split())
        width = next((memory.width for memory in stage.memories if memory.name == "weights"), 0)
        rows.append(
            ActivityRow(
                stage=stage.name,
                busy=busy,
                weight_reads=reads,
                weight_bits=reads * width,
                updates=updates,
                events=events if stage.kernel == "bhc_delta" else None,
                buffer_reads=buffer_reads,
                buffer_writes=buffer_writes,
                toggles=toggles,
            )
        )
    return tuple(rows)
