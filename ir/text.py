"""The text form of a graph: readable, diffable, and read back without loss.

    bhc-graph 1
    input x : 128x6 [-128, 127]
    conv0 = conv(x) weights=b1[64,5,1,6]:gqAK... stride=1,1 pads=2,0,2,0 : 128x64 [-3825, 3825]  # Conv_0
    output conv0

One line a value. Arrays are `<code><bits>[<shape>]:<base64>`: elements in C order, packed least significant
bit first at `bits` each, as bipolar (code b: 1 is +1, 0 is -1), unsigned (u) or two's complement (s).
Names hold no white space or punctuation used here; `quote` escapes what does.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import assert_never
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from bhc.ir.graph import Graph, Input, Node, verify
from bhc.ir.ops import (
    Add,
    Argmax,
    Concat,
    Conv,
    Dense,
    Frame,
    Hold,
    IntArray,
    MaxPool,
    Op,
    Pad,
    Pads,
    Pair,
    SumPool,
    Threshold,
    WindowOp,
    signs,
    weight_bits,
    weight_kind,
)
from bhc.ir.types import Kind, Range, Type, bipolar

HEADER = "bhc-graph 1"
_CODES = {Kind.BIPOLAR: "b", Kind.UNSIGNED: "u", Kind.SIGNED: "s"}
_KINDS = {code: kind for kind, code in _CODES.items()}


class TextError(ValueError):
    """The text is not a graph; names the line."""


def pack(values: IntArray | NDArray[np.bool_], bits: int) -> bytes:
    """Elements in C order at `bits` each, two's complement, least significant bit first."""
    if bits == 1:
        return np.packbits((values & 1).astype(np.bool_), bitorder="little").tobytes()
    flat = values.reshape(-1, 1)
    planes = (flat >> np.arange(bits)) & 1
    return np.packbits(planes.astype(np.uint8).reshape(-1), bitorder="little").tobytes()


def _unpack(data: bytes, count: int, bits: int, *, signed: bool) -> IntArray:
    stream = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits, bitorder="little")
    weights = np.left_shift(np.int64(1), np.arange(bits, dtype=np.int64))
    if signed:
        weights[-1] = -weights[-1]
    result: IntArray = stream.reshape(count, bits).astype(np.int64) @ weights
    return result


def _array(values: IntArray) -> str:
    kind, bits = weight_kind(values), weight_bits(values)
    stored = values > 0 if kind == Kind.BIPOLAR else values
    shape = ",".join(str(d) for d in values.shape)
    return f"{_CODES[kind]}{bits}[{shape}]:{base64.b64encode(pack(stored, bits)).decode()}"


def _parse_array(text: str) -> IntArray:
    match = re.fullmatch(r"([bus])(\d+)\[([\d,]*)\]:(\S*)", text)
    if match is None:
        raise TextError(f"'{text[:40]}' is not an array")
    kind = _KINDS[match[1]]
    shape = tuple(int(d) for d in match[3].split(","))
    data = base64.b64decode(match[4])
    if kind == Kind.BIPOLAR:
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=int(np.prod(shape)), bitorder="little")
        return signs(bits.view(np.bool_)).reshape(shape)
    return _unpack(data, int(np.prod(shape)), int(match[2]), signed=kind == Kind.SIGNED).reshape(shape)


def _numbers(*values: int) -> str:
    return ",".join(str(v) for v in values)


def _pads(pads: Pads) -> str:
    return _numbers(pads.top, pads.left, pads.bottom, pads.right)


def _endless(op: WindowOp) -> Iterator[tuple[str, str]]:
    if op.endless:
        yield "endless", "1"


def _attributes(op: Op) -> Iterator[tuple[str, str]]:
    """Attributes in a fixed order."""
    match op:
        case Conv():
            yield "weights", _array(op.weights)
            yield "stride", _numbers(*op.stride)
            yield "dilation", _numbers(*op.dilation)
            yield "pads", _pads(op.pads)
            yield "groups", str(op.groups)
            yield from _endless(op)
        case Dense():
            yield "weights", _array(op.weights)
        case Threshold():
            yield "thresholds", _array(op.thresholds)
            yield "descending", _array(op.descending.astype(np.int64))
            yield "base", str(op.base)
            yield "bipolar", str(int(op.bipolar))
        case MaxPool():
            yield "kernel", _numbers(*op.kernel)
            yield "stride", _numbers(*op.stride)
            yield "dilation", _numbers(*op.dilation)
            yield "pads", _pads(op.pads)
            yield from _endless(op)
        case SumPool():
            yield "kernel", _numbers(*op.kernel)
            yield "stride", _numbers(*op.stride)
            if op.dilation != (1, 1):
                yield "dilation", _numbers(*op.dilation)
            yield "pads", _pads(op.pads)
            yield from _endless(op)
        case Frame():
            yield "rows", str(op.rows)
            yield "stride", str(op.stride)
            yield "dilation", str(op.dilation)
        case Pad():
            yield "pads", _pads(op.pads)
            yield "value", str(op.value)
        case Hold():
            yield "threshold", str(op.threshold)
        case Add() | Concat() | Argmax():
            return
        case _:
            assert_never(op)


def attributes(op: Op) -> str:
    """The attributes of an op as `name=value` words, in a fixed order."""
    return " ".join(f"{key}={value}" for key, value in _attributes(op))


def dump(graph: Graph) -> str:
    """The graph as text; `load` gives it back."""
    lines = [HEADER]
    lines += [f"input {quote(v.name)} : {v.type}" for v in graph.inputs]
    for node in graph.nodes:
        operands = ", ".join(quote(name) for name in node.inputs)
        words = [f"{quote(node.name)} = {type(node.op).__name__.lower()}({operands})"]
        if text := attributes(node.op):
            words.append(text)
        words.append(f": {node.type}")
        if node.origin:
            words.append(" # " + " ".join(quote(name) for name in node.origin))
        lines.append(" ".join(words))
    lines += [f"output {quote(name)}" for name in graph.outputs]
    return "\n".join(lines) + "\n"


def _parse_type(text: str) -> Type:
    shape_text, _, rest = text.partition(" ")
    shape = tuple(int(d) for d in shape_text.split("x"))
    if rest == "bipolar":
        return bipolar(*shape)
    bounds = re.fullmatch(r"\[(-?\d+), (-?\d+)\]", rest)
    if bounds is None:
        raise TextError(f"'{text}' is not a type")
    return Type(shape, Range(int(bounds[1]), int(bounds[2])))


def _ints(text: str) -> tuple[int, ...]:
    return tuple(int(v) for v in text.split(","))


def _pair(text: str) -> Pair:
    first, second = _ints(text)
    return first, second


def _bools(text: str) -> NDArray[np.bool_]:
    return _parse_array(text).astype(np.bool_)


def _parse_op(name: str, attribute: dict[str, str]) -> Op:
    match name:
        case "conv":
            return Conv(
                _parse_array(attribute["weights"]),
                _pair(attribute["stride"]),
                _pair(attribute["dilation"]),
                Pads(*_ints(attribute["pads"])),
                int(attribute["groups"]),
                endless="endless" in attribute,
            )
        case "dense":
            return Dense(_parse_array(attribute["weights"]))
        case "threshold":
            return Threshold(
                _parse_array(attribute["thresholds"]),
                _bools(attribute["descending"]),
                int(attribute["base"]),
                attribute["bipolar"] == "1",
            )
        case "maxpool":
            return MaxPool(
                _pair(attribute["kernel"]),
                _pair(attribute["stride"]),
                _pair(attribute["dilation"]),
                Pads(*_ints(attribute["pads"])),
                endless="endless" in attribute,
            )
        case "sumpool":
            return SumPool(
                _pair(attribute["kernel"]),
                _pair(attribute["stride"]),
                Pads(*_ints(attribute["pads"])),
                _pair(attribute.get("dilation", "1,1")),
                endless="endless" in attribute,
            )
        case "frame":
            return Frame(int(attribute["rows"]), int(attribute["stride"]), int(attribute["dilation"]))
        case "pad":
            return Pad(Pads(*_ints(attribute["pads"])), int(attribute["value"]))
        case "hold":
            return Hold(int(attribute["threshold"]))
        case "add":
            return Add()
        case "concat":
            return Concat()
        case "argmax":
            return Argmax()
        case _:
            raise TextError(f"'{name}' is not an op")


_NODE = re.compile(
    r"(?P<name>\S+) = (?P<op>\w+)\((?P<inputs>[^)]*)\)(?P<attributes>(?: \S+=\S+)*)"
    r" : (?P<type>[^#]*?)(?:  # (?P<origin>.*))?"
)


def _parse_node(line: str) -> Node:
    match = _NODE.fullmatch(line)
    if match is None:
        raise TextError("not a node")
    attribute = dict(word.split("=", 1) for word in match["attributes"].split())
    inputs = tuple(unquote(name) for name in match["inputs"].split(", "))
    origin = tuple(unquote(name) for name in (match["origin"] or "").split())
    return Node(unquote(match["name"]), _parse_op(match["op"], attribute), inputs, _parse_type(match["type"]), origin)


def load(text: str) -> Graph:
    """Read a graph; raises TextError naming the line, or GraphError if it breaks an invariant."""
    lines = text.splitlines()
    if not lines or lines[0] != HEADER:
        raise TextError(f"line 1: expected '{HEADER}'")
    inputs: list[Input] = []
    nodes: list[Node] = []
    outputs: list[str] = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            if line.startswith("input "):
                name, _, type_text = line.removeprefix("input ").partition(" : ")
                inputs.append(Input(unquote(name), _parse_type(type_text)))
            elif line.startswith("output "):
                outputs.append(unquote(line.removeprefix("output ")))
            else:
                nodes.append(_parse_node(line))
        except (ValueError, KeyError) as error:
            raise TextError(f"line {number}: {error}") from error
    graph = Graph(tuple(inputs), tuple(nodes), tuple(outputs))
    verify(graph)
    return graph
