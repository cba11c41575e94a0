"""Oracles outside bhc's integer code: onnxruntime on a lowered copy of the model, and qonnx's own executor.

onnxruntime does not know the QONNX operators; in a copy they become standard ONNX operators with the float32
arithmetic that qonnx defines. Its graph optimizations are off, so that each ONNX operator is executed as it is
written. `verify` compares every stage: the reference's own inputs of a stage, as integers, go through the evaluator,
and the result must equal the reference's, so that one difference does not hide or cause others. A difference is
allowed only where float32 cannot resolve the decision (Exactness); these are counted.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, version_converter

from bhc.diagnostics import fail
from bhc.frontend import Model
from bhc.frontend.constants import bit_width, integer_limits, rounding_mode
from bhc.frontend.lower import Tap
from bhc.frontend.onnx_file import QONNX_DOMAINS, Array, OnnxGraph, OnnxNode, load_proto, read
from bhc.ir.evaluate import evaluate, evaluate_node
from bhc.ir.graph import Node
from bhc.ir.ops import Add, Hold, IntArray, MaxPool, Threshold
from bhc.ir.types import Type

QONNX_OPS = {"Quant", "IntQuant", "BipolarQuant", "Trunc"}
LOWERED_OPSET = 13
Executor = Literal["onnxruntime", "qonnx"]


def _need(module: str) -> ModuleType:
    """Import an optional executor. Raises BHC120."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise fail(
            "BHC120",
            f"the Python package '{module.split('.', maxsplit=1)[0]}' is not installed",
            hint="pip install 'bhc[tools]'",
        ) from error


class _Lowering:
    """Replaces QONNX nodes by standard ones; every new tensor is named after the node's output."""

    def __init__(self, graph: onnx.GraphProto, source: OnnxGraph) -> None:
        """graph: is rewritten; source: the same as it was read."""
        self.source = source
        self.constants = source.initializers
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.graph = graph
        self.count = 0

    def constant(self, value: float, dtype: type[np.number[Any]] = np.float32) -> str:
        self.count += 1
        name = f"bhc_constant_{self.count}"
        self.initializers.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        self.count += 1
        name = out or f"bhc_value_{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def sign(self, x: str) -> str:
        """+1 where x >= 0, else -1."""
        return self.op("Where", self.op("Less", x, self.constant(0.0)), self.constant(-1.0), self.constant(1.0))

    def round(self, x: str, mode: str) -> str:
        match mode:
            case "ROUND":
                return self.op("Round", x)
            case "CEIL":
                return self.op("Ceil", x)
            case "FLOOR":
                return self.op("Floor", x)
        magnitude = self.op("Abs", x)
        match mode:
            case "UP":
                whole = self.op("Ceil", magnitude)
            case "DOWN":
                whole = self.op("Floor", magnitude)
            case "HALF_UP":
                whole = self.op("Floor", self.op("Add", magnitude, self.constant(0.5)))
            case _:
                whole = self.op("Ceil", self.op("Sub", magnitude, self.constant(0.5)))
        return self.op("Mul", self.op("Sign", x), whole)

    def clip(self, x: str, limits: tuple[int, int]) -> str:
        low, high = (self.constant(float(v)) for v in limits)
        return self.op("Clip", x, low, high)

    def quant(self, node: OnnxNode, out: str) -> None:
        x, scale, zero_point, bits = node.inputs
        width, signed = bit_width(node, self.constants[bits]), bool(node.attributes.get("signed", 1))
        levels = self.op("Add", self.op("Div", x, scale), zero_point)
        if width == 1 and signed:
            levels = self.sign(levels)
        else:
            limits = integer_limits(width, signed, bool(node.attributes.get("narrow", 0)))
            levels = self.round(self.clip(levels, limits), rounding_mode(node, "ROUND"))
        self.op("Mul", self.op("Sub", levels, zero_point), scale, out=out)

    def trunc(self, node: OnnxNode, out: str) -> None:
        x, scale, zero_point = node.inputs[:3]
        mode = rounding_mode(node, "FLOOR")
        levels = self.op("Round", self.op("Add", self.op("Div", x, scale), zero_point))
        if len(node.inputs) == 5:
            power = bit_width(node, self.constants[node.inputs[3]]) - bit_width(node, self.constants[node.inputs[4]])
            levels = self.round(self.op("Div", levels, self.constant(2.0**power)), mode)
            self.op("Mul", self.op("Sub", levels, zero_point), scale, out=out)
            return
        ratio = np.float32(self.constants[node.inputs[4]]) / np.float32(self.constants[scale])
        step = self.constant(float(2.0 ** np.round(np.log2(ratio)).item()))
        limits = integer_limits(
            bit_width(node, self.constants[node.inputs[5]]),
            bool(node.attributes.get("signed", 1)),
            bool(node.attributes.get("narrow", 0)),
        )
        levels = self.round(self.clip(self.op("Div", levels, step), limits), mode)
        self.op("Mul", self.op("Sub", levels, self.op("Div", zero_point, step)), node.inputs[4], out=out)

    def temporal_delta(self, node: OnnxNode, out: str) -> None:
        """A Scan over time that holds the receiver's state; the step goes along, so that the node stands alone."""
        x, axis = node.inputs[0], int(node.attributes["axis"])
        quantizer = self.source.quantizer_of(node)
        assert quantizer is not None  # else the importer has refused the model
        names = ("state", "step", "value", "change", "steps", "whole", "size", "limit", "sent")
        state, step, value, change, steps, whole, size, limit, sent = (f"{out}_{name}" for name in names)
        made = [f"{out}_{name}" for name in ("next_state", "same_step", "reconstruction")]
        body = [
            helper.make_node("Sub", [value, state], [change]),
            helper.make_node("Div", [change, step], [steps]),
            helper.make_node("Round", [steps], [whole]),
            helper.make_node("Abs", [whole], [size]),
            helper.make_node("Greater", [size, limit], [sent]),
            helper.make_node("Where", [sent, value, state], made[:1]),
            helper.make_node("Identity", [step], made[1:2]),
            helper.make_node("Identity", made[:1], made[2:]),
        ]
        loop = helper.make_graph(
            body,
            f"{out}_loop",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (state, step, value)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in made],
            [numpy_helper.from_array(np.array(node.attributes["threshold"], np.float32), limit)],
        )
        begun = self.op("Gather", x, self.constant(0, np.int64), axis=axis)
        scale = self.op("ReduceMax", quantizer.inputs[1], keepdims=0)
        ends = [f"{out}_last_state", f"{out}_last_step", out]
        scan = helper.make_node(
            "Scan",
            [begun, scale, x],
            ends,
            body=loop,
            num_scan_inputs=1,
            scan_input_axes=[axis],
            scan_output_axes=[axis],
        )
        self.nodes.append(scan)

    def lower(self, nodes: Mapping[str, OnnxNode]) -> None:
        """Rewrite the graph; nodes holds those that are not standard by output."""
        for proto in self.graph.node:
            qonnx = nodes.get(proto.output[0])
            if qonnx is None:
                self.nodes.append(proto)
            elif qonnx.op == "BipolarQuant":
                self.op("Mul", self.sign(qonnx.inputs[0]), qonnx.inputs[1], out=proto.output[0])
            elif qonnx.op == "Trunc":
                self.trunc(qonnx, proto.output[0])
            elif qonnx.op == "TemporalDelta":
                self.temporal_delta(qonnx, proto.output[0])
            else:
                self.quant(qonnx, proto.output[0])
        nodes_after = [onnx.NodeProto.FromString(n.SerializeToString()) for n in self.nodes]
        del self.graph.node[:]
        self.graph.node.extend(nodes_after)
        self.graph.initializer.extend(self.initializers)


def lower(path: Path) -> onnx.ModelProto:
    """A copy of the model in standard ONNX, of opset 13 or later, with a dynamic batch axis where that is possible."""
    model, _ = load_proto(path)
    source = read(path)
    foreign = {node.outputs[0]: node for node in source.nodes if node.op in {*QONNX_OPS, "TemporalDelta"}}
    opset = max(LOWERED_OPSET, source.opset)
    if source.opset < LOWERED_OPSET:
        # The converter knows none of these operators: sums with the same operands stand for them meanwhile.
        for proto in model.graph.node:
            if proto.output[0] in foreign:
                proto.op_type, proto.domain = "Sum", ""
                del proto.attribute[:]
        del model.opset_import[:]
        model.opset_import.append(helper.make_opsetid("", source.opset))
        model = version_converter.convert_version(model, opset)
    del model.opset_import[:]
    model.opset_import.append(helper.make_opsetid("", opset))
    model.ir_version = min(max(model.ir_version, 7), 10)
    del model.graph.value_info[:]
    del model.graph.quantization_annotation[:]
    _free_batch(model.graph, source.initializers, {v.name for v in source.inputs})
    _Lowering(model.graph, source).lower(foreign)
    return model


def _free_batch(graph: onnx.GraphProto, constants: Mapping[str, Array], inputs: set[str]) -> None:
    """Give activations a batch axis of any size: in the signature, and in reshapes to a constant shape that begins
    with 1.
    """
    for info in (*graph.input, *graph.output):
        dims = info.type.tensor_type.shape.dim
        if len(dims) and (info.name in inputs or info in graph.output):
            dims[0].Clear()
            dims[0].dim_param = "N"
    varying = set(inputs)
    for node in graph.node:
        if not varying.intersection(node.input):
            continue
        varying.update(node.output)
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        target = [int(d) for d in constants[node.input[1]].reshape(-1)]
        if target[:1] == [1]:
            target[0] = 0 if -1 in target else -1
            name = f"{node.output[0]}_bhc_shape"
            graph.initializer.append(numpy_helper.from_array(np.array(target, np.int64), name))
            node.input[1] = name
            for attribute in list(node.attribute):
                if attribute.name == "allowzero":
                    node.attribute.remove(attribute)


class Reference:
    """The model in float32 by onnxruntime, on batches of any size."""

    def __init__(self, path: Path, tensors: Sequence[str] = ()) -> None:
        """tensors: names of further tensors to return. Raises BHC120 if onnxruntime is not installed."""
        runtime = _need("onnxruntime")
        model = lower(path)
        self.outputs = [o.name for o in model.graph.output]
        self.input = next(v.name for v in read(path).inputs)
        made = {name for node in model.graph.node for name in node.output}
        self.tensors = [t for t in dict.fromkeys(tensors) if t in made and t not in self.outputs]
        for name in self.tensors:
            model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        options = runtime.SessionOptions()
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._failures: tuple[type[Exception], ...] = tuple(
            getattr(runtime.capi.onnxruntime_pybind11_state, name)
            for name in ("Fail", "InvalidArgument", "RuntimeException")
        )
        self._session = runtime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        self._batched = True

    def run(self, x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Outputs and the tensors asked for, by name, each with the batch axis of x (N, ...)."""
        x = np.ascontiguousarray(x, np.float32)
        if self._batched and x.shape[0] > 1:
            try:
                results = self._run(x)
                if all(v.shape[:1] == x.shape[:1] for v in results.values()):
                    return results
            except self._failures:
                pass
            # A constant in the graph has a batch of its own.
            self._batched = False
        singles = [self._run(x[i : i + 1]) for i in range(x.shape[0])]
        return {name: np.concatenate([s[name] for s in singles]) for name in singles[0]}

    def _run(self, x: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        names = [*self.outputs, *self.tensors]
        return dict(zip(names, self._session.run(names, {self.input: x}), strict=True))


def run_qonnx(path: Path, x: NDArray[Any], tensors: Sequence[str] = ()) -> dict[str, NDArray[Any]]:
    """Outputs and further tensors by qonnx's executor, one window after the other (slow). Raises BHC120."""
    wrapper = _need("qonnx.core.modelwrapper").ModelWrapper
    execute = _need("qonnx.core.onnx_exec").execute_onnx
    infer_shapes = _need("qonnx.transformation.infer_shapes").InferShapes
    model, _ = load_proto(path)
    source = read(path)
    for node in model.graph.node:
        if node.op_type in QONNX_OPS:
            node.domain = QONNX_DOMAINS[0]
    _Lowering(model.graph, source).lower({n.outputs[0]: n for n in source.nodes if n.op == "TemporalDelta"})
    model.ir_version = min(model.ir_version, 10)
    ready = wrapper(model).transform(infer_shapes())
    names = [*(o.name for o in source.outputs), *tensors]
    results: list[dict[str, NDArray[Any]]] = []
    with warnings.catch_warnings():
        # It announces every tensor whose shape it could not infer, and still executes it right.
        warnings.simplefilter("ignore")
        for window in x:
            feed = {source.inputs[0].name: window[None].astype(np.float32)}
            context = execute(ready, feed, return_full_exec_context=True)
            results.append({name: np.asarray(context[name]) for name in names})
    return {name: np.concatenate([r[name] for r in results]) for name in names}


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference: where, and what was expected (by the evaluator) and got (from the reference)."""

    stage: str
    window: int
    position: tuple[int, ...]
    expected: int
    got: int


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a comparison with an executor.

    stages: IR values compared. values: elements compared. mismatches: those that differ for no allowed reason.
    ambiguous: those that differ where float32 cannot resolve the decision.
    """

    against: Executor
    windows: int
    stages: tuple[str, ...]
    values: int
    mismatches: int
    ambiguous: int
    first: Difference | None


def decode(tap: Tap, tensor: NDArray[Any], value_type: Type) -> IntArray | None:
    """The integers (N, *shape) that an executor's tensor (N, ...) stands for; None if it does not show all of them."""
    elements = value_type.elements
    index = tap.index.reshape(-1)
    inside = index >= 0
    if np.unique(index[inside]).size != elements:
        return None
    flat = np.empty((tensor.shape[0], elements))
    flat[:, index[inside]] = tensor.reshape(tensor.shape[0], -1)[:, inside]
    real = flat.reshape(tensor.shape[0], -1, value_type.channels)
    scale, offset = (np.array([float(v) for v in vector]) for vector in (tap.scale, tap.offset))
    integers: IntArray = np.rint((real - offset) / scale).astype(np.int64)
    return integers.reshape(tensor.shape[0], *value_type.shape)


def _ambiguous(model: Model, threshold: Node, accumulators: IntArray) -> NDArray[np.bool_]:
    """Which accumulator values lie where float32 may decide otherwise."""
    found = np.zeros(accumulators.shape, np.bool_)
    for entry in model.exactness.nodes:
        if entry.node != threshold.name:
            continue
        for interval in entry.intervals:
            inside = (accumulators >= interval.lo) & (accumulators <= interval.hi)
            if interval.channel is None:
                found |= inside
            else:
                found[..., interval.channel] |= inside[..., interval.channel]
    return found


def ambiguous_windows(model: Model, x: NDArray[Any], batch: int = 64) -> NDArray[np.bool_]:
    """Which windows x (N, *input shape) hold a decision that float32 may take either way: bool (N,)."""
    found = []
    for start in range(0, len(x), batch):
        values = evaluate(model.graph, {"input": model.head.run(x[start : start + batch])})
        doubtful = np.zeros(len(x[start : start + batch]), np.bool_)
        for node in model.graph.nodes:
            if isinstance(node.op, Threshold):
                doubtful |= _ambiguous(model, node, values[node.inputs[0]]).reshape(len(doubtful), -1).any(axis=1)
        found.append(doubtful)
    return np.concatenate(found)


def _doubtful(
    model: Model, node: Node, values: Mapping[str, IntArray], doubtful: Mapping[str, NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """Elements of a node's value that may differ, given those of its operands."""
    operand = doubtful[node.inputs[0]]
    match node.op:
        case Threshold():
            return operand | _ambiguous(model, node, values[node.inputs[0]])
        case Add():
            return operand | doubtful[node.inputs[1]]
        case MaxPool():
            # A doubtful element anywhere in the channel can show.
            anywhere = operand.any(axis=tuple(range(1, operand.ndim - 1)), keepdims=True)
            return np.broadcast_to(anywhere, values[node.name].shape)
        case Hold():
            # What an element holds goes back to its values in all rows before.
            return np.logical_or.accumulate(operand, axis=1) if operand.ndim > 2 else operand
        case _:
            return np.zeros(values[node.name].shape, np.bool_)


def verify(
    model: Model, path: Path, x: NDArray[Any], against: Executor = "onnxruntime", batch: int = 64
) -> Verification:
    """Compare every stage that an ONNX tensor stands for, on windows x (N, *input shape)."""
    names = list(dict.fromkeys(tap.tensor for tap in model.taps.values()))
    reference = Reference(path, names) if against == "onnxruntime" else None
    stages: set[str] = set()
    values = mismatches = ambiguous = 0
    first: Difference | None = None
    for start in range(0, len(x), batch):
        windows = x[start : start + batch]
        tensors = reference.run(windows) if reference else run_qonnx(path, windows, names)
        for stage, expected, got, allowed in _stages(model, windows, tensors):
            stages.add(stage)
            differs = expected != got
            values += got.size
            ambiguous += int(np.count_nonzero(differs & allowed))
            wrong = np.argwhere(differs & ~allowed)
            mismatches += len(wrong)
            if len(wrong) and first is None:
                where = tuple(int(v) for v in wrong[0])
                first = Difference(stage, start + where[0], where[1:], int(expected[where]), int(got[where]))
    return Verification(against, len(x), tuple(sorted(stages)), values, mismatches, ambiguous, first)


def _stages(
    model: Model, x: NDArray[Any], tensors: Mapping[str, NDArray[Any]]
) -> Iterator[tuple[str, IntArray, IntArray, NDArray[np.bool_]]]:
    """For every stage: its name, our integers, the reference's, and where they may differ."""
    types = model.graph.types()
    ours: dict[str, IntArray] = {"input": model.head.run(x)}
    doubtful: dict[str, NDArray[np.bool_]] = {"input": np.zeros(ours["input"].shape, np.bool_)}
    nodes: list[Node | None] = [None, *model.graph.nodes]
    for node in nodes:
        name = node.name if node else "input"
        if node is not None:
            ours[name] = evaluate_node(node, ours, types)
            doubtful[name] = _doubtful(model, node, ours, doubtful)
        tap = model.taps.get(name)
        theirs = decode(tap, tensors[tap.tensor], types[name]) if tap and tap.tensor in tensors else None
        if theirs is None:
            continue
        yield name, ours[name], theirs, doubtful[name]
        ours[name], doubtful[name] = theirs, np.zeros(theirs.shape, np.bool_)
