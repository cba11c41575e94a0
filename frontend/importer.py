"""Walks an ONNX graph and lowers each operator: the only place that knows what ONNX and QONNX operators mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bhc.diagnostics import BhcError, Diagnostic, fail
from bhc.frontend.constants import (
    Constant,
    Quantized,
    axes_of,
    bit_width,
    check_scale,
    fold,
    integer_limits,
    quant_parameters,
    rounding_mode,
    split_sizes,
    value_of,
    view,
)
from bhc.frontend.exact import (
    Affine,
    HalfLine,
    InverseRoot,
    Leaky,
    Limit,
    Piece,
    Round,
    Sign,
    Squash,
    Vector,
    exact_root,
    rounds_to_at_least,
    shorten,
    vector,
)
from bhc.frontend.functions import common_unit
from bhc.frontend.layout import Window
from bhc.frontend.lower import MAX_LEVELS, Lowering, no_quantizer
from bhc.frontend.onnx_file import Array, OnnxGraph, OnnxNode, is_limit
from bhc.frontend.tensor import Broken, ClassIndex, Floating, InputChoice, Tensor, apply_shared, compose
from bhc.ir.host import (
    ArgMax,
    Attributes,
    BatchNorm,
    Binary,
    Clip,
    Exact,
    Function,
    Gather,
    Head,
    LeakyRelu,
    Output,
    Quantizer,
    Reduce,
    Reshape,
    SignQuantizer,
    Softmax,
    Step,
    Tail,
    TopK,
    Transpose,
    Unary,
    to_json,
)
from bhc.ir.ops import Argmax, IntArray
from bhc.ir.types import Range

Value = Constant | Floating | Tensor | ClassIndex | Broken
Activation = Floating | Tensor

ZERO, ONE = Fraction(0), Fraction(1)
IDENTITY = (ONE,), (ZERO,)

ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min")
# Functions without an exact rational form: the host computes them, behind the last quantizer.
HOST_FUNCTIONS: dict[str, Function] = {
    "Exp": "Exp",
    "Log": "Log",
    "Sqrt": "Sqrt",
    "Reciprocal": "Reciprocal",
}
# Operators that take activations.
SUPPORTED = frozenset(
    [
        "Abs",
        "Add",
        "ArgMax",
        "AveragePool",
        "BatchNormalization",
        "BipolarQuant",
        "Cast",
        "Ceil",
        "Clip",
        "Concat",
        "Conv",
        "Div",
        "Dropout",
        "Expand",
        "Flatten",
        "Floor",
        "Gather",
        "Gemm",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "HardSigmoid",
        "HardTanh",
        "Identity",
        "IntQuant",
        "LeakyRelu",
        "LogSoftmax",
        "MatMul",
        "Max",
        "MaxPool",
        "Min",
        "Mul",
        "Neg",
        "PRelu",
        "Pad",
        "Pow",
        "Quant",
        "ReduceMax",
        "ReduceMean",
        "ReduceSum",
        "Relu",
        "Reshape",
        "Round",
        "Shape",
        "Sign",
        "Slice",
        "Softmax",
        "Split",
        "Squeeze",
        "Sub",
        "Sum",
        "Sigmoid",
        "Tanh",
        "TemporalDelta",
        "TopK",
        "Transpose",
        "Trunc",
        "Unsqueeze",
    ]
) | frozenset(HOST_FUNCTIONS)
# Types of an integer input, by their name in QONNX annotations.
ANNOTATED: dict[str, tuple[int, int]] = {
    "BIPOLAR": (-1, 1),
    "BINARY": (0, 1),
    "TERNARY": (-1, 1),
    **{f"INT{b}": integer_limits(b, True, False) for b in range(2, 33)},
    **{f"UINT{b}": integer_limits(b, False, False) for b in range(2, 33)},
}


@dataclass(frozen=True, eq=False, slots=True)
class Imported:
    """What the walk leaves behind."""

    lowering: Lowering
    head: Head
    tail: Tail
    sources: tuple[str, ...]


def run(graph: OnnxGraph) -> Imported:
    """Lower a whole graph. Raises BhcError with everything that was found."""
    return _Importer(graph).run()


class _Importer:
    def __init__(self, graph: OnnxGraph) -> None:
        self.graph = graph
        self.low = Lowering()
        self.values: dict[str, Value] = dict(graph.initializers)
        self.found: list[Diagnostic] = []
        self.consumers = graph.consumers()

    # ------------------------------------------------------------------ the walk

    def run(self) -> Imported:
        self._declare_input()
        for node in self.graph.nodes:
            try:
                results = self._node(node)
            except BhcError as error:
                self.found += error.diagnostics
                results = [Broken()] * len(node.outputs)
            for name, value in zip(node.outputs, results, strict=False):
                self.values[name] = replace(value, name=name) if isinstance(value, Tensor) else value
        outputs, sources = self._outputs()
        if self.found:
            raise BhcError(dict.fromkeys(self.found))
        choice = self.low.input
        assert choice is not None
        shape = self.low.builder.type("input").shape
        head = Head(self.input_shape, choice.steps, choice.quantizer, self.low.head_order, shape)
        return Imported(self.low, head, Tail(outputs, *_labels(self.graph)), sources)

    def _declare_input(self) -> None:
        inputs = self.graph.inputs
        if len(inputs) != 1:
            names = ", ".join(v.name for v in inputs) or "none"
            raise fail(
                "BHC201",
                f"the model has {len(inputs)} inputs ({names})",
                hint="export one input tensor; concatenate the sensors before the model",
            )
        declared = inputs[0]
        if declared.dims is None:
            raise fail(
                "BHC202",
                "the input has no shape",
                origin=declared.name,
                hint="export with fixed example inputs",
            )
        batch, *rest = declared.dims or (1,)
        dynamic = [i + 1 for i, d in enumerate(rest) if not isinstance(d, int) or d < 1]
        if dynamic:
            raise fail(
                "BHC202",
                f"axis {dynamic[0]} of the input has no fixed size ({list(declared.dims)})",
                origin=declared.name,
                hint="export without dynamic axes for time and channels; hardware needs their sizes"
                " (the batch axis may be dynamic)",
            )
        if isinstance(batch, int) and batch > 1:
            raise fail(
                "BHC202",
                f"the input has a fixed batch of {batch}",
                origin=declared.name,
                hint="export with a batch of 1, or with a dynamic batch axis",
            )
        self.input_shape = tuple(int(d) for d in rest)
        self.values[declared.name] = Floating((1, *self.input_shape))

    def _node(self, node: OnnxNode) -> list[Value]:
        operands = [self.values[name] if name else None for name in node.inputs]
        if any(isinstance(v, Broken) for v in operands):
            if node.op not in SUPPORTED:
                raise self._unsupported(node)
            return [Broken()] * len(node.outputs)
        constants = [v for v in operands if v is None or isinstance(v, np.ndarray | Quantized)]
        if len(constants) == len(operands):
            with np.errstate(all="ignore"):
                folded = fold(node, constants)
            if folded is None:
                raise self._unsupported(node)
            self._check_folded(node, folded)
            return [c if isinstance(c, Quantized) else np.asarray(c) for c in folded]
        if node.op == "Shape":
            first = operands[0]
            assert isinstance(first, Floating | Tensor | ClassIndex)
            start, end = node.attributes.get("start", 0), node.attributes.get("end", None)
            return [np.array(first.shape[start:end], np.int64)]
        return self._activation(node, operands)

    def _check_folded(self, node: OnnxNode, folded: Sequence[Constant]) -> None:
        for name, constant in zip(node.outputs, folded, strict=False):
            array = value_of(constant).reshape(-1)
            wrong = array[~np.isfinite(array)] if array.dtype.kind == "f" else array[:0]
            # An infinite padding value or limit has a meaning.
            if is_limit(self.consumers.get(name, [])):
                wrong = wrong[np.isnan(wrong)]
            if wrong.size:
                raise fail(
                    "BHC107",
                    f"its constant result holds {wrong[0]}",
                    origin=node.origin,
                    hint="check the parameters that it is computed from",
                )

    def _unsupported(self, node: OnnxNode) -> BhcError:
        return fail(
            "BHC200",
            f"operator '{node.op}' is not supported here",
            origin=node.origin,
            hint="docs/exactness.md lists the operators that bhc takes, and where",
        )

    def _constant(self, node: OnnxNode, operands: Sequence[Value | None], position: int, what: str) -> Array:
        """An operand that has to be constant. Raises BHC204."""
        value = operands[position] if position < len(operands) else None
        if isinstance(value, Quantized):
            return value.value
        if not isinstance(value, np.ndarray):
            raise fail(
                "BHC204",
                f"{what} is not a constant",
                origin=node.origin,
                hint="export the model in inference mode",
            )
        return value

    def _arrays(self, operands: Sequence[Value | None]) -> list[Array | None]:
        """Constant operands as arrays, None for the others."""
        return [value_of(v) if isinstance(v, np.ndarray | Quantized) else None for v in operands]

    # ------------------------------------------------------------------ operators

    def _activation(self, node: OnnxNode, operands: Sequence[Value | None]) -> list[Value]:
        """A node with at least one operand that is no constant."""
        arrays = self._arrays(operands)
        active = [v for v in operands if isinstance(v, Floating | Tensor)]
        if not active:
            return self._of_class_index(node, operands, arrays)
        first = operands[0]
        op = node.op
        if op in {"Identity", "Dropout", "Cast"} or (
            op in {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Gather", "Expand"}
            and isinstance(first, Floating | Tensor)
        ):
            assert isinstance(first, Floating | Tensor)
            return [self._view(node, first, arrays)]
        if op == "Concat":
            return [self._concat(node, operands)]
        if op in ARITHMETIC or op == "Sum":
            return [self._arithmetic(node, operands, active)]
        if op == "MatMul":
            return [self._matmul(node, operands)]
        if not isinstance(first, Floating | Tensor):
            raise self._unsupported(node)
        match op:
            case "Quant" | "IntQuant":
                return [self._quant(node, operands, first)]
            case "BipolarQuant":
                return [self._bipolar_quant(node, operands, first)]
            case "Trunc":
                return [self._trunc(node, operands, first)]
            case "TemporalDelta":
                return [self._temporal_delta(node, first)]
            case "Sign":
                return [self._function(node, first, (Sign(0),), Unary("Sign"))]
            case "Conv":
                return [self._conv(node, operands, self._tensor(node, first))]
            case "Gemm":
                return [self._gemm(node, operands, self._tensor(node, first))]
            case "BatchNormalization":
                return [self._batch_norm(node, operands, first)]
            case "Relu":
                return [self._function(node, first, (Limit(ZERO, None),), Unary("Relu"))]
            case "Clip" | "HardTanh":
                return [self._clip(node, first, arrays)]
            case "LeakyRelu" | "PRelu":
                return [self._leaky(node, operands, first)]
            case "Tanh":
                return [self._function(node, first, (Squash("Tanh"),), Unary("Tanh"))]
            case "Sigmoid":
                return [self._function(node, first, (Squash("Sigmoid"),), Unary("Sigmoid"))]
            case "Abs":
                return [self._function(node, first, (Leaky((-ONE,)),), Unary("Abs"))]
            case "Neg":
                return [self._function(node, first, (Affine((-ONE,), (ZERO,)),), Unary("Neg"))]
            case "Round":
                return [self._function(node, first, (Round("ROUND"),), Unary("Round"))]
            case "Floor":
                return [self._function(node, first, (Round("FLOOR"),), Unary("Floor"))]
            case "Ceil":
                return [self._function(node, first, (Round("CEIL"),), Unary("Ceil"))]
            case "HardSigmoid":
                return [self._hard_sigmoid(node, first)]
            case "MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool":
                return self._pool(node, self._tensor(node, first))
            case "ReduceMean" | "ReduceSum" | "ReduceMax":
                return [self._reduce(node, first, arrays)]
            case "Pad":
                return [self._pad(node, first, arrays)]
            case "Split":
                return self._split(node, first, arrays)
            case "Softmax" | "LogSoftmax":
                return [self._softmax(node, first)]
            case "ArgMax":
                return [self._argmax(node, self._tensor(node, first))]
            case "TopK":
                return self._top_k(node, self._tensor(node, first), arrays)
        if op in HOST_FUNCTIONS:
            return [self._function(node, first, None, Unary(HOST_FUNCTIONS[op]))]
        raise self._unsupported(node)

    def _of_class_index(
        self, node: OnnxNode, operands: Sequence[Value | None], arrays: list[Array | None]
    ) -> list[Value]:
        first = operands[0]
        if isinstance(first, ClassIndex):
            function = view(node, arrays)
            if node.op == "Cast":
                return [first]
            if function is not None:
                shape = function(np.zeros(first.shape, np.int64)).shape
                if int(np.prod(shape)) == 1:
                    return [replace(first, shape=shape)]
        raise self._unsupported(node)

    def _tensor(self, node: OnnxNode, value: Activation) -> Tensor:
        """The operand as integers in the hardware; the model's input counts if it is of an integer type."""
        if isinstance(value, Tensor):
            return value
        annotated = self.graph.annotations.get(self.graph.inputs[0].name)
        dtype = self.graph.inputs[0].dtype
        limits = ANNOTATED.get(annotated or "")
        if dtype.kind in "iu" and dtype.itemsize <= 4:
            limits = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
        if limits is None or any(not isinstance(s, Reshape | Transpose) for s in value.steps):
            raise no_quantizer(node.origin, "its operand is the float input of the model")
        choice = InputChoice(value.steps, Exact(Range(*limits)), value.shape)
        return self._begin(node, choice, Range(*limits), annotated == "BIPOLAR", IDENTITY, self.graph.inputs[0].name)

    # ------------------------------------------------------------------ moving elements

    def _view(self, node: OnnxNode, x: Activation, arrays: list[Array | None]) -> Value:
        if node.op == "Cast":
            if int(node.attributes["to"]) not in {1, 10, 11} and not (isinstance(x, Tensor) and x.affine):
                raise fail(
                    "BHC211",
                    "casts a float activation to integers",
                    origin=node.origin,
                    hint="use a quantizer",
                )
            return x
        if node.op in {"Identity", "Dropout"}:
            return x
        function = view(node, arrays)
        if function is None:
            raise fail(
                "BHC204",
                "its second operand is not a constant",
                origin=node.origin,
                hint="export the model with fixed shapes",
            )
        perm = None
        if node.op == "Transpose":
            perm = tuple(int(p) for p in node.attributes.get("perm", range(len(x.shape))[::-1]))
        try:
            shape = function(np.empty(x.shape, np.bool_)).shape
        except (ValueError, IndexError) as error:
            raise fail("BHC214", f"cannot be applied to {list(x.shape)}: {error}", origin=node.origin) from error
        if shape[:1] != (1,) or (perm is not None and perm[0] != 0):
            raise fail(
                "BHC210",
                f"moves the batch axis: {list(x.shape)} to {list(shape)}",
                origin=node.origin,
                hint="keep the first axis for the batch",
            )
        step: Step | None = None
        if perm is not None:
            step = Transpose(perm)
        elif node.op in {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}:
            step = Reshape(shape[1:])
        if isinstance(x, Tensor):
            return x.moved(function, step)
        if step is None:
            positions = function(np.arange(int(np.prod(x.shape))).reshape(x.shape))
            step = Gather(np.ascontiguousarray(positions[0]))
        return x.then(step, shape, node.origin)

    def _split(self, node: OnnxNode, x: Activation, arrays: list[Array | None]) -> list[Value]:
        axis = int(node.attributes.get("axis", 0)) % len(x.shape)
        edges = np.cumsum([0, *split_sizes(node, x.shape[axis], arrays)]).tolist()
        parts: list[Value] = []
        for start, end in pairwise(edges):
            where = np.arange(start, end)
            taken = OnnxNode("Gather", node.name, node.inputs, node.outputs, {"axis": axis})
            parts.append(self._view(taken, x, [None, where]))
        return parts

    def _pad(self, node: OnnxNode, x: Activation, arrays: list[Array | None]) -> Value:
        mode = node.attributes.get("mode", "constant")
        if mode not in {"constant", "edge", "reflect"}:
            raise fail("BHC211", f"padding mode '{mode}'", origin=node.origin, hint="pad with a constant")
        given = node.attributes.get("pads", arrays[1] if len(arrays) > 1 else None)
        if given is None:
            raise fail(
                "BHC204",
                "its pads are not constant",
                origin=node.origin,
                hint="export the model with fixed shapes",
            )
        value = node.attributes.get("value", 0.0)
        if len(arrays) > 2 and arrays[2] is not None and arrays[2].size:
            value = float(arrays[2].reshape(-1)[0])
        amounts = [int(p) for p in np.asarray(given).reshape(-1)]
        rank = len(x.shape)
        axes = tuple(range(rank))
        if len(arrays) > 3 and arrays[3] is not None:
            axes = tuple(int(a) % rank for a in arrays[3].reshape(-1))
        widths = [(0, 0)] * rank
        for i, axis in enumerate(axes):
            widths[axis] = (amounts[i], amounts[i + len(axes)])
        crop = tuple(slice(-min(b, 0), n + min(a, 0)) for n, (b, a) in zip(x.shape, widths, strict=True))
        grow = [(max(b, 0), max(a, 0)) for b, a in widths]

        def move(index: Array) -> Array:
            cut = index[crop]
            return np.pad(cut, grow, constant_values=-1) if mode == "constant" else np.pad(cut, grow, mode=mode)

        if isinstance(x, Floating):
            index = move(np.arange(int(np.prod(x.shape))).reshape(x.shape))
            return x.then(Gather(index[0], value), index.shape, node.origin)
        if mode != "constant" or not any(b or a for b, a in grow):
            return x.moved(move, None)
        if not np.isfinite(value):
            # Below (or above) everything: a max pool takes it as its own padding, nothing else can.
            value = -(2.0**127) if value < 0 else 2.0**127
        fill = Fraction(value)
        if x.fill != fill and bool(np.any(x.index < 0)):
            # The padding that is there becomes a node.
            x = self.low.bordered(self.low.image(self.low.integral(x, node.origin), node.origin), node.origin).tensor
        if x.steps:
            moved = x.moved(move, Gather(move(np.arange(x.index.size).reshape(x.index.shape))[0], value))
            return replace(moved, fill=fill)
        return replace(x, index=move(x.index), fill=fill)

    def _concat(self, node: OnnxNode, operands: Sequence[Value | None]) -> Value:
        axis = int(node.attributes["axis"])
        tensors = [self._tensor(node, v) for v in operands if isinstance(v, Floating | Tensor)]
        if len(tensors) == 1 and len(operands) > 1:
            return self._concat_constant(node, operands, tensors[0], axis)
        if len(tensors) != len(operands):
            raise fail("BHC210", "joins activations with constants", origin=node.origin, hint="pad instead")
        result = self.low.concat(tensors, axis % tensors[0].index.ndim, node.origin)
        self.low.tap(node.outputs[0], result)
        return result

    def _concat_constant(self, node: OnnxNode, operands: Sequence[Value | None], tensor: Tensor, axis: int) -> Value:
        """Joining with one repeated constant is padding."""
        blocks: list[IntArray] = []
        fills: set[float] = set()
        for operand in operands:
            if isinstance(operand, np.ndarray | Quantized):
                array = value_of(operand)
                fills.update(array.reshape(-1).tolist())
                blocks.append(np.full(array.shape, -1))
            else:
                blocks.append(tensor.index)
        if len(fills) != 1 or tensor.fill not in {None, Fraction(next(iter(fills)))} or tensor.steps:
            raise fail("BHC210", "joins activations with varying constants", origin=node.origin, hint="pad instead")
        return replace(tensor, index=np.concatenate(blocks, axis), fill=Fraction(fills.pop()))

    # ------------------------------------------------------------------ functions of each element

    def _vector(self, node: OnnxNode, x: Tensor, constant: Array) -> NDArray[np.float64]:
        """A constant that broadcasts against the tensor, as one value for each channel of its source, or one for all.

        Raises BHC212 if it differs within a channel.
        """
        array = np.asarray(constant, np.float64)
        if array.size == 1:
            return array.reshape(1)
        try:
            spread = np.broadcast_to(array, x.index.shape)
        except ValueError as error:
            raise fail(
                "BHC214",
                f"a constant of shape {list(array.shape)} against {list(x.index.shape)}",
                origin=node.origin,
                hint="constants may have one value, or one for each channel",
            ) from error
        tensor = self.low.settled(x)
        channels = self._channel_count(tensor)
        inside = tensor.index >= 0
        of = tensor.index[inside] % channels
        values = spread[inside]
        result = np.full(channels, values[0])
        result[of] = values
        if not np.array_equal(result[of], values):
            raise fail(
                "BHC212",
                "its constant differs between positions of one channel",
                origin=node.origin,
                hint="use one value for each channel: normalize before flattening, not after",
            )
        return result

    def _channel_count(self, tensor: Tensor) -> int:
        return self.low.type(tensor).channels

    def _function(self, node: OnnxNode, x: Activation, pieces: tuple[Piece, ...] | None, step: Step) -> Value:
        if isinstance(x, Floating):
            return x.then(step, x.shape, node.origin)
        if pieces is not None and x.fill is not None:
            x = self.low.settled(x)
        return x.then(pieces, step, node.origin)

    def _arithmetic(self, node: OnnxNode, operands: Sequence[Value | None], active: list[Activation]) -> Value:
        if len(active) == 2 and len(operands) == 2:
            return self._join(node, active)
        if len(operands) != 2:
            raise self._unsupported(node)
        swapped = not isinstance(operands[0], Floating | Tensor)
        x = active[0]
        other = operands[0 if swapped else 1]
        assert isinstance(other, np.ndarray | Quantized)
        constant = value_of(other)
        op = "Add" if node.op == "Sum" else node.op
        step = Binary(op, np.asarray(constant, np.float32), swapped)  # type: ignore[arg-type]
        shape = np.broadcast_shapes(x.shape, constant.shape)
        if isinstance(x, Floating):
            return x.then(step, shape, node.origin)
        if shape != x.shape:
            ones = np.ones(shape, np.int64)
            x = x.moved(lambda a: a * ones, None)
        x = self.low.settled(x)
        exact = self._exact_constant(node, x, other)
        return self._function(node, x, self._arithmetic_pieces(node, op, exact, swapped), step)

    def _exact_constant(self, node: OnnxNode, x: Tensor, constant: Constant) -> Vector:
        """The constant's exact values by channel; a quantized one counts as integer times scale."""
        if isinstance(constant, Quantized):
            integers = self._vector(node, x, constant.integers.astype(np.float64))
            scale = self._vector(node, x, constant.scale)
            pairs = zip(*np.broadcast_arrays(integers, scale), strict=True)
            return shorten([Fraction(q) * Fraction(s) for q, s in ((a.item(), b.item()) for a, b in pairs)])
        return vector(self._vector(node, x, constant))

    def _arithmetic_pieces(self, node: OnnxNode, op: str, c: Vector, swapped: bool) -> tuple[Piece, ...] | None:
        match op, swapped:
            case "Add", _:
                return (Affine((ONE,), c),)
            case "Sub", False:
                return (Affine((ONE,), tuple(-v for v in c)),)
            case "Sub", True:
                return (Affine((-ONE,), c),)
            case "Mul", _:
                return (Affine(c, (ZERO,)),)
            case "Div", False:
                if 0 in c:
                    raise fail("BHC206", "divides by 0", origin=node.origin, hint="check the constant")
                return (Affine(tuple(1 / v for v in c), (ZERO,)),)
            case "Max", _ if len(c) == 1:
                return (Limit(c[0], None),)
            case "Min", _ if len(c) == 1:
                return (Limit(None, c[0]),)
            case "Pow", False if c == (ONE,):
                return ()
        return None

    def _join(self, node: OnnxNode, active: list[Activation]) -> Value:
        """Two activations: a sum or a difference."""
        a, b = (self._tensor(node, v) for v in active)
        if node.op not in {"Add", "Sum", "Sub"}:
            raise fail(
                "BHC200",
                f"operator '{node.op}' of two activations is not supported",
                origin=node.origin,
                hint="activations can be added, subtracted and concatenated",
            )
        if node.op == "Sub":
            b = b.then((Affine((-ONE,), (ZERO,)),), Unary("Neg"), node.origin)
        result = self.low.add(a, b, node.origin)
        self.low.tap(node.outputs[0], result)
        return result

    def _batch_norm(self, node: OnnxNode, operands: Sequence[Value | None], x: Activation) -> Value:
        if node.attributes.get("training_mode", 0) or sum(bool(o) for o in node.outputs) > 1:
            raise fail("BHC211", "in training mode", origin=node.origin, hint="call model.eval() before the export")
        gamma, beta, mean, variance = (
            np.asarray(self._constant(node, operands, i + 1, what), np.float32)
            for i, what in enumerate(("its scale", "its bias", "its mean", "its variance"))
        )
        epsilon = float(np.float32(node.attributes.get("epsilon", 1e-5)))
        step = BatchNorm(gamma, beta, mean, variance, epsilon)
        if bool(np.any(variance.astype(np.float64) + epsilon <= 0)):
            raise fail(
                "BHC213",
                f"variance + epsilon is {float(variance.min()) + epsilon} in a channel",
                origin=node.origin,
                hint="a variance is not negative: check the parameters",
            )
        if isinstance(x, Floating):
            return x.then(step, x.shape, node.origin)
        x = self.low.settled(x)
        column = (1, -1, *([1] * (len(x.shape) - 2)))
        g, b, m, v = (
            vector(self._vector(node, x, a.reshape(column) if a.size > 1 else a)) for a in (gamma, beta, mean, variance)
        )
        # In float64 the sum of two float32 numbers may round: the rational one does not.
        total = tuple(e + Fraction(epsilon) for e in v)
        roots = [exact_root(t) for t in total]
        centre = Affine((ONE,), tuple(-e for e in m))
        exact = [r for r in roots if r is not None]
        if len(exact) == len(roots):
            pieces: tuple[Piece, ...] = (centre, Affine(tuple(1 / r for r in exact), (ZERO,)), Affine(g, b))
        else:
            pieces = (centre, InverseRoot(total), Affine(g, b))
        return self._function(node, x, pieces, step)

    def _clip(self, node: OnnxNode, x: Activation, arrays: list[Array | None]) -> Value:
        lo = node.attributes.get("min", arrays[1] if len(arrays) > 1 else None)
        hi = node.attributes.get("max", arrays[2] if len(arrays) > 2 else None)
        if any(name and a is None for name, a in zip(node.inputs[1:], arrays[1:], strict=True)):
            raise fail("BHC204", "its limits are not constant", origin=node.origin, hint="use constant limits")
        if node.op == "HardTanh":
            lo, hi = (-1.0 if lo is None else lo), (1.0 if hi is None else hi)
        low, high = (None if v is None or not np.isfinite(v) else float(np.asarray(v).reshape(-1)[0]) for v in (lo, hi))
        # The largest float32 stands for no limit in older exports.
        top = float(np.finfo(np.float32).max)
        low, high = (
            (None if low is None or low <= -top else low),
            (None if high is None or high >= top else high),
        )
        limit = Limit(None if low is None else Fraction(low), None if high is None else Fraction(high))
        return self._function(node, x, (limit,), Clip(low, high))

    def _leaky(self, node: OnnxNode, operands: Sequence[Value | None], x: Activation) -> Value:
        if node.op == "LeakyRelu":
            slope = np.array([node.attributes.get("alpha", 0.01)], np.float32)
        else:
            slope = np.asarray(self._constant(node, operands, 1, "its slope"), np.float32)
        step = LeakyRelu(slope)
        if isinstance(x, Floating):
            return x.then(step, x.shape, node.origin)
        x = self.low.settled(x)
        return self._function(node, x, (Leaky(vector(self._vector(node, x, slope))),), step)

    def _hard_sigmoid(self, node: OnnxNode, x: Activation) -> Value:
        alpha, beta = (
            np.float32(node.attributes.get("alpha", 0.2)),
            np.float32(node.attributes.get("beta", 0.5)),
        )
        scaled = self._function(
            node, x, (Affine((Fraction(float(alpha)),), (ZERO,)),), Binary("Mul", np.array([alpha]))
        )
        assert isinstance(scaled, Floating | Tensor)
        shifted = self._function(
            node, scaled, (Affine((ONE,), (Fraction(float(beta)),)),), Binary("Add", np.array([beta]))
        )
        assert isinstance(shifted, Floating | Tensor)
        return self._function(node, shifted, (Limit(ZERO, ONE),), Clip(0.0, 1.0))

    def _softmax(self, node: OnnxNode, x: Activation) -> Value:
        rank = len(x.shape)
        axis = int(node.attributes.get("axis", -1 if self.graph.opset >= 13 else 1)) % rank
        if self.graph.opset < 13 and int(np.prod(x.shape[axis + 1 :])) != 1:
            raise fail(
                "BHC211",
                f"softmax over the axes from {axis} on",
                origin=node.origin,
                hint="export with opset 13 or later",
            )
        return self._function(node, x, None, Softmax(axis - rank, node.op == "LogSoftmax"))

    # ------------------------------------------------------------------ quantizers

    def _begin(
        self,
        node: OnnxNode,
        choice: InputChoice,
        integers: Range,
        is_bipolar: bool,
        decoding: tuple[Vector, Vector],
        tensor: str,
    ) -> Tensor:
        first = self.values.get(self.low.input_tap.tensor) if self.low.input_tap else None
        if self.low.input is not None and isinstance(first, Tensor) and to_json(choice) == to_json(self.low.input):
            return first
        if self.low.input is not None:
            raise fail(
                "BHC216",
                "the model's input is quantized in two ways",
                origin=node.origin,
                hint="quantize the input once, and let all branches read the result",
            )
        return self.low.begin(choice, integers, is_bipolar, *decoding, tensor)

    def _quant(self, node: OnnxNode, operands: Sequence[Value | None], x: Activation) -> Value:
        scale, zero_point, bits = (
            self._constant(node, operands, i + 1, what)
            for i, what in enumerate(("the scale", "the zero point", "the bit width"))
        )
        p = quant_parameters(node, scale, zero_point, bits)
        whole = np.unique(p.zero_point)
        # Integers count from the zero point where there is one for all channels, so that 0 stands for 0.0.
        shift = int(whole[0]) if whole.size == 1 and whole[0] == np.round(whole[0]) and not p.bipolar else 0
        if isinstance(x, Floating):
            if p.scale.size > 1 and np.unique(p.scale).size > 1:
                raise fail(
                    "BHC206",
                    "the input quantizer has more than one scale",
                    origin=node.origin,
                    hint="scale the channels before a quantizer with a single scale",
                )
            if p.bipolar:
                signed = (
                    x.then(Binary("Div", p.scale), x.shape, node.origin)
                    if not (p.scale > 0).all() or p.zero_point.any()
                    else x
                )
                if p.zero_point.any():
                    signed = signed.then(Binary("Add", p.zero_point), x.shape, node.origin)
                choice = InputChoice(signed.steps, SignQuantizer(), x.shape)
            else:
                quantizer = Quantizer(p.scale, p.zero_point, p.lo, p.hi, p.rounding, shift)
                choice = InputChoice(x.steps, quantizer, x.shape)
            s, z = vector(p.scale), vector(p.zero_point)
            rest = (Fraction(0),) if shift else tuple(-v * s[0] for v in z)
            if len(rest) > 1:
                raise fail("BHC206", "the input quantizer has more than one zero point", origin=node.origin)
            return self._begin(node, choice, Range(p.lo - shift, p.hi - shift), p.bipolar, (s, rest), node.outputs[0])
        x = self.low.settled(x)
        s, z = vector(self._vector(node, x, p.scale)), vector(self._vector(node, x, p.zero_point))
        to_levels = Affine(tuple(1 / v for v in s), (ZERO,)), Affine((ONE,), z)
        more: tuple[Piece, ...] = to_levels if any(z) else to_levels[:1]
        offset = (ZERO,) if shift else shorten([-a * b for a, b in _zip(s, z)])
        if p.bipolar:
            result = self.low.quantize(x, more, (HalfLine(ZERO, False),), -1, True, (s, offset), node.origin)
        else:
            lo, hi = self._reachable(x, more, p.lo, p.hi, node)
            regions = [rounds_to_at_least(k, p.rounding) for k in range(lo + 1, hi + 1)]
            result = self.low.quantize(x, more, regions, lo - shift, False, (s, offset), node.origin)
        self.low.tap(node.outputs[0], result)
        return result

    def _reachable(self, x: Tensor, more: Sequence[Piece], lo: int, hi: int, node: OnnxNode) -> tuple[int, int]:
        """The quantizer's limits, drawn in to what its operand can reach by an estimate with margin."""
        if hi - lo > 64:
            low, high = self.low.estimate(x, more)
            if np.isfinite(low) and np.isfinite(high):
                margin = 2 + 1e-6 * max(abs(low), abs(high))
                if x.fill is not None:
                    at_fill = apply_shared(tuple(more), x.fill)
                    fills = [] if at_fill is None else [float(at_fill)]
                    low, high = min(low, *fills, high), max(high, *fills, low)
                lo = min(max(lo, int(np.floor(low - margin))), hi - 1)
                hi = max(min(hi, int(np.ceil(high + margin))), lo + 1)
        if hi - lo > MAX_LEVELS:
            raise fail(
                "BHC219",
                f"a quantizer with {hi - lo + 1} reachable levels",
                origin=node.origin,
                hint="activations of at most 16 bits can be thresholded",
            )
        return lo, hi

    def _bipolar_quant(self, node: OnnxNode, operands: Sequence[Value | None], x: Activation) -> Value:
        scale = check_scale(node, self._constant(node, operands, 1, "the scale"))
        if isinstance(x, Floating):
            if np.unique(scale).size > 1:
                raise fail("BHC206", "the input quantizer has more than one scale", origin=node.origin)
            choice = InputChoice(x.steps, SignQuantizer(), x.shape)
            return self._begin(node, choice, Range(-1, 1), True, (vector(scale), (ZERO,)), node.outputs[0])
        x = self.low.settled(x)
        s = vector(self._vector(node, x, scale))
        result = self.low.quantize(x, (), (HalfLine(ZERO, False),), -1, True, (s, (ZERO,)), node.origin)
        self.low.tap(node.outputs[0], result)
        return result

    def _temporal_delta(self, node: OnnxNode, x: Activation) -> Value:
        """What a receiver of thresholded differences in time sees (bhc.training.delta)."""
        axis, frames, threshold = (int(node.attributes.get(key, 0)) for key in ("axis", "frames", "threshold"))
        if frames:
            raise fail(
                "BHC211",
                f"frames = {frames}: time lies along the batch axis",
                origin=node.origin,
                hint="export a network whose input has a time axis of its own",
            )
        if threshold < 0 or not 0 < axis < len(x.shape):
            raise fail(
                "BHC211",
                f"threshold {threshold} along axis {axis} of a value of shape {list(x.shape)}",
                origin=node.origin,
                hint="thresholds are at least 0; axes count from 0, which is the batch axis",
            )
        quantizer = self.graph.quantizer_of(node)
        if quantizer is None:
            raise no_quantizer(node.origin, "its operand is not the value of a quantizer")
        assert isinstance(x, Tensor)
        scale = self.values[quantizer.inputs[1]]
        assert isinstance(scale, np.ndarray | Quantized)  # else the quantizer is Broken
        steps = np.unique(np.abs(value_of(scale)))
        if steps.size > 1:
            raise fail(
                "BHC206",
                f"its quantizer {quantizer.origin} has {steps.size} scales",
                origin=node.origin,
                hint="quantize activations before a temporal delta layer with one scale",
            )
        result = self.low.hold(x, axis, threshold * Fraction(steps.item()), node.origin)
        self.low.tap(node.outputs[0], result)
        return result

    def _trunc(self, node: OnnxNode, operands: Sequence[Value | None], x: Activation) -> Value:
        """Drop low bits. Five operands: QONNX version 1; six, with the output scale: version 2."""
        if isinstance(x, Floating):
            raise no_quantizer(node.origin, "its operand is the float input of the model")
        arrays = [self._constant(node, operands, i, "a parameter") for i in range(1, len(operands))]
        scale, zero_point = check_scale(node, arrays[0]), np.asarray(arrays[1], np.float32)
        mode = rounding_mode(node, "FLOOR")
        if scale.size != 1 or zero_point.size != 1:
            raise fail("BHC206", "truncation with a scale for each channel", origin=node.origin, hint="use one scale")
        s, z = Fraction(scale.item()), Fraction(zero_point.item())
        pieces: list[Piece] = [Affine((1 / s,), (ZERO,)), Affine((ONE,), (z,)), Round("ROUND")]
        if len(arrays) == 4:
            step = Fraction(2) ** (bit_width(node, arrays[2]) - bit_width(node, arrays[3]))
            pieces += [
                Affine((1 / step,), (ZERO,)),
                Round(mode),
                Affine((ONE,), (-z,)),
                Affine((s,), (ZERO,)),
            ]
        else:
            out_scale = check_scale(node, arrays[3])
            if out_scale.size != 1:
                raise fail(
                    "BHC206",
                    "truncation with a scale for each channel",
                    origin=node.origin,
                    hint="use one scale",
                )
            o = Fraction(out_scale.item())
            power = round(float(np.log2(float(o / s))))
            step = Fraction(2) ** power
            lo, hi = integer_limits(
                bit_width(node, arrays[4]),
                bool(node.attributes.get("signed", 1)),
                bool(node.attributes.get("narrow", 0)),
            )
            pieces += [
                Affine((1 / step,), (ZERO,)),
                Limit(Fraction(lo), Fraction(hi)),
                Round(mode),
                Affine((ONE,), (-z / step,)),
                Affine((o,), (ZERO,)),
            ]
        result = replace(x, steps=()).then(tuple(pieces), Unary("Round"), node.origin)
        result = self.low.integral(result, node.origin)
        self.low.tap(node.outputs[0], result)
        return result

    # ------------------------------------------------------------------ sums of products

    def _weights(self, node: OnnxNode, value: Value | None) -> Quantized:
        """A constant operand as integers and scales. Raises BHC203 if it is not quantized, BHC204 if not constant."""
        if isinstance(value, Quantized):
            return value
        if not isinstance(value, np.ndarray):
            raise fail(
                "BHC204",
                "its weights are not constant",
                origin=node.origin,
                hint="export the model in inference mode",
            )
        array = np.asarray(value, np.float64)
        grid = _grid(array)
        if grid is None:
            sample = ", ".join(str(v) for v in np.asarray(value, np.float32).reshape(-1)[:3].tolist())
            raise fail(
                "BHC203",
                f"its weights are not quantized ({sample}, ...)",
                origin=node.origin,
                hint="use a Brevitas layer with a weight quantizer, and export as QONNX",
            )
        unit, integers = grid
        return Quantized(np.asarray(value, np.float32), integers, np.full(array.shape, unit))

    def _bias(self, node: OnnxNode, result: Tensor, bias: Value | None, factor: Fraction = ONE) -> Tensor:
        """Add a constant (1, M) or (M,) to the last axis, or to axis 1 of a convolution."""
        if bias is None:
            return result
        if not isinstance(bias, np.ndarray | Quantized):
            raise fail("BHC204", "its bias is not constant", origin=node.origin, hint="export in inference mode")
        column = (1, -1, *([1] * (result.index.ndim - 2)))

        def spread(a: Array) -> Array:
            return a.reshape(column) if a.size > 1 else a.reshape(-1)

        exact = self._exact_constant(node, result, bias.map(spread) if isinstance(bias, Quantized) else spread(bias))
        scale, offset = result.composed()
        moved = shorten([o + b * factor for o, b in _zip(offset, exact)])
        magnitude = max(abs(v) for v in (*result.lo, *result.hi))
        rounding = self.low.noise_of_sum(scale, moved, magnitude)
        return replace(result, scale=scale, offset=moved, noise=result.noise + rounding)

    def _conv(self, node: OnnxNode, operands: Sequence[Value | None], x: Tensor) -> Value:
        weights = self._weights(node, operands[1])
        window = self._window(node, x, weights.integers.shape[2:])
        groups = int(node.attributes.get("group", 1))
        result = self.low.conv(x, weights, window, groups, node.origin)
        result = self._bias(node, result, operands[2] if len(operands) > 2 else None)
        self.low.tap(node.outputs[0], result)
        return result

    def _window(self, node: OnnxNode, x: Tensor, kernel: tuple[int, ...]) -> Window:
        """Kernel, stride, dilation and padding of a convolution or pooling node."""
        axes = len(kernel)
        if axes not in {1, 2} or len(x.shape) != axes + 2:
            raise fail(
                "BHC211",
                f"a window over {axes} axes of {list(x.shape)}",
                origin=node.origin,
                hint="1-D and 2-D are supported",
            )
        stride = tuple(int(v) for v in node.attributes.get("strides", (1,) * axes))
        dilation = tuple(int(v) for v in node.attributes.get("dilations", (1,) * axes))
        given = tuple(int(v) for v in node.attributes.get("pads", (0,) * (2 * axes)))
        before, after = list(given[:axes]), list(given[axes:])
        auto = node.attributes.get("auto_pad", "NOTSET")
        sizes = x.shape[2:]
        for i in range(axes):
            span = (kernel[i] - 1) * dilation[i] + 1
            if auto in {"SAME_UPPER", "SAME_LOWER"}:
                total = max((-(-sizes[i] // stride[i]) - 1) * stride[i] + span - sizes[i], 0)
                small = total // 2
                before[i], after[i] = (small, total - small) if auto == "SAME_UPPER" else (total - small, small)
            elif auto == "VALID":
                before[i] = after[i] = 0
            if node.attributes.get("ceil_mode", 0):
                # The last window may reach over the end, if it starts inside.
                reach = sizes[i] + before[i] + after[i] - span
                count = -(-reach // stride[i]) + 1
                if (count - 1) * stride[i] >= sizes[i] + before[i]:
                    count -= 1
                after[i] = max(after[i], (count - 1) * stride[i] + span - sizes[i] - before[i])
        return Window(tuple(kernel), stride, dilation, tuple(before), tuple(after))

    def _gemm(self, node: OnnxNode, operands: Sequence[Value | None], x: Tensor) -> Value:
        if node.attributes.get("transA", 0):
            raise fail(
                "BHC211",
                "transA = 1 moves the batch axis",
                origin=node.origin,
                hint="keep the first axis for the batch",
            )
        weights = self._weights(node, operands[1])
        if not node.attributes.get("transB", 0):
            weights = weights.map(lambda a: a.T)
        alpha, beta = (Fraction(float(np.float32(node.attributes.get(k, 1.0)))) for k in ("alpha", "beta"))
        result = self.low.dense(x, weights, node.origin)
        if alpha != 1:
            result = result.then(
                (Affine((alpha,), (ZERO,)),), Binary("Mul", np.array([float(alpha)], np.float32)), node.origin
            )
            scale, offset = result.composed()
            result = replace(
                result,
                scale=scale,
                offset=offset,
                pieces=(),
                steps=(),
                noise=result.noise * abs(float(alpha)),
            )
        result = self._bias(node, result, operands[2] if len(operands) > 2 else None, beta)
        self.low.tap(node.outputs[0], result)
        return result

    def _matmul(self, node: OnnxNode, operands: Sequence[Value | None]) -> Value:
        left, right = operands
        if isinstance(left, Floating | Tensor) and not isinstance(right, Floating | Tensor):
            x, weights, from_left = self._tensor(node, left), self._weights(node, right), False
        elif isinstance(right, Floating | Tensor) and not isinstance(left, Floating | Tensor):
            x, weights, from_left = self._tensor(node, right), self._weights(node, left), True
        else:
            raise fail(
                "BHC200",
                "a product of two activations is not supported",
                origin=node.origin,
                hint="one operand has to be constant weights",
            )
        weights = weights.map(lambda a: a.reshape(a.shape[-2:]))
        if from_left:
            result = self._positions_matmul(node, x, weights)
        elif x.index.ndim == 2:
            result = self.low.dense(x, weights.map(lambda a: a.T), node.origin)
        else:
            # (1, ..., C) x (C, M) is a 1x1 convolution with the channels last.
            rank = x.index.ndim
            inward, outward = (0, rank - 1, *range(1, rank - 1)), (0, *range(2, rank), 1)
            first = x.moved(lambda a: a.transpose(inward), Transpose(inward))
            result = self._positions_matmul(node, first, weights.map(lambda a: a.T))
            result = result.moved(lambda a: a.transpose(outward), Transpose(outward))
        self.low.tap(node.outputs[0], result)
        return result

    def _positions_matmul(self, node: OnnxNode, x: Tensor, weights: Quantized) -> Tensor:
        """Weights (M, C) at every position of (1, C, ...)."""
        axes = x.index.ndim - 2
        if axes == 0:
            raise fail("BHC210", "multiplies the batch axis", origin=node.origin, hint="put the weights to the right")
        shaped = weights.map(lambda a: a.reshape(*a.shape, *([1] * axes)))
        window = Window((1,) * axes, (1,) * axes, (1,) * axes, (0,) * axes, (0,) * axes)
        if axes > 2:
            raise fail("BHC211", f"a product over {axes} axes", origin=node.origin, hint="1-D and 2-D are supported")
        return self.low.conv(x, shaped, window, 1, node.origin)

    # ------------------------------------------------------------------ pools

    def _pool(self, node: OnnxNode, x: Tensor) -> list[Value]:
        if sum(bool(o) for o in node.outputs) > 1:
            raise fail("BHC211", "the indices of the maxima are read", origin=node.origin, hint="use the values only")
        sizes = x.shape[2:]
        kernel = sizes if node.op.startswith("Global") else tuple(int(k) for k in node.attributes["kernel_shape"])
        window = self._window(node, x, kernel)
        if node.op in {"MaxPool", "GlobalMaxPool"}:
            result = self.low.max_pool(x, window, node.origin)
            if result.pool is None and result.affine and not result.pieces:
                self.low.tap(node.outputs[0], result)
            return [result]
        if any(d != 1 for d in window.dilation):
            raise fail("BHC211", "average pooling with dilation", origin=node.origin, hint="use dilation 1")
        padded = any((*window.before, *window.after))
        if padded and not node.attributes.get("count_include_pad", 0):
            raise fail(
                "BHC211",
                "average pooling whose divisor changes at the borders",
                origin=node.origin,
                hint="set count_include_pad=1, or do not pad",
            )
        if padded and node.attributes.get("ceil_mode", 0):
            raise fail("BHC211", "average pooling with ceil_mode", origin=node.origin, hint="set ceil_mode=0")
        count = int(np.prod(kernel))
        result = self._divided(node, self.low.sum_pool(x, window, node.origin), count)
        if result.affine:
            self.low.tap(node.outputs[0], result)
        return [result]

    def _divided(self, node: OnnxNode, total: Tensor, count: int) -> Tensor:
        divided = replace(
            total, pieces=(*total.pieces, Affine((Fraction(1, count),), (ZERO,))), begun=len(total.pieces) + 1
        )
        if not divided.affine:
            return divided
        scale, offset = divided.composed()
        return replace(
            divided, scale=scale, offset=offset, pieces=(), begun=0, noise=self.low.mean_noise(divided, count)
        )

    def _reduce(self, node: OnnxNode, x: Activation, arrays: list[Array | None]) -> Value:
        axes = axes_of(node, arrays)
        keepdims = bool(node.attributes.get("keepdims", 1))
        if axes is None:
            if node.attributes.get("noop_with_empty_axes", 0):
                return x
            axes = tuple(range(len(x.shape)))
        axes = tuple(a % len(x.shape) for a in axes)
        if 0 in axes:
            raise fail(
                "BHC210",
                "reduces the batch axis",
                origin=node.origin,
                hint="keep the first axis for the batch",
            )
        name = {"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max"}[node.op]
        if isinstance(x, Floating) or x.opaque:
            shape = tuple(1 if a in axes else n for a, n in enumerate(x.shape) if keepdims or a not in axes)
            step = Reduce(name, axes, keepdims)  # type: ignore[arg-type]
            if isinstance(x, Floating):
                return x.then(step, shape, node.origin)
            return replace(x.then(None, step, node.origin), index=np.zeros(shape, np.int64))
        if node.op == "ReduceMax":
            return self._reduce_max(node, x, axes, keepdims)
        count = int(np.prod([x.shape[a] for a in axes]))
        result = self.low.total(x, axes, keepdims, node.origin)
        if node.op == "ReduceMean":
            result = self._divided(node, result, count)
        if result.affine:
            self.low.tap(node.outputs[0], result)
        return result

    def _reduce_max(self, node: OnnxNode, x: Tensor, axes: tuple[int, ...], keepdims: bool) -> Value:
        spatial = tuple(range(2, len(x.shape)))
        if not set(axes) <= set(spatial):
            raise fail(
                "BHC210",
                "takes the maximum over channels",
                origin=node.origin,
                hint="reduce over time or width",
            )
        kernel = tuple(x.shape[a] if a in axes else 1 for a in spatial)
        n = len(spatial)
        result = self.low.max_pool(x, Window(kernel, kernel, (1,) * n, (0,) * n, (0,) * n), node.origin)
        if keepdims:
            return result
        return result.moved(
            lambda a: np.squeeze(a, axes),
            Reshape(tuple(s for a, s in enumerate(x.shape) if a not in axes)[1:]),
        )

    # ------------------------------------------------------------------ classes

    def _argmax(self, node: OnnxNode, x: Tensor) -> Value:
        axis = int(node.attributes.get("axis", 0)) % len(x.shape)
        keepdims = bool(node.attributes.get("keepdims", 1))
        last = bool(node.attributes.get("select_last_index", 0))
        shape = tuple(1 if a == axis else n for a, n in enumerate(x.shape) if keepdims or a != axis)
        found = None if last else self._hardware_argmax(x, axis, shape, node)
        if found is not None:
            return found
        result = x.then(None, ArgMax(axis - len(x.shape), keepdims, last), node.origin)
        return replace(result, index=np.zeros(shape, np.int64))

    def _hardware_argmax(self, x: Tensor, axis: int, shape: tuple[int, ...], node: OnnxNode) -> ClassIndex | None:
        """The hardware's argmax, if the order of the integers is the order of the values."""
        x = self.low.settled(x)
        order = x.index.reshape(-1)
        if x.shape[axis] != x.index.size or x.pool is not None or not x.affine:
            return None
        scale, offset = x.composed()
        in_order = np.array_equal(order, np.arange(self.low.type(x).elements))
        if len(scale) != 1 or len(offset) != 1 or scale[0] <= 0 or not in_order:
            return None
        return ClassIndex(self.low.emit(Argmax(), [x.source], [*x.origin, node.origin]), shape)

    def _top_k(self, node: OnnxNode, x: Tensor, arrays: list[Array | None]) -> list[Value]:
        operand = node.attributes.get("k", arrays[1] if len(arrays) > 1 else None)
        if operand is None:
            raise fail("BHC204", "k is not constant", origin=node.origin, hint="use a constant k")
        k = int(np.asarray(operand).reshape(-1)[0])
        axis = int(node.attributes.get("axis", -1)) % len(x.shape)
        largest = bool(node.attributes.get("largest", 1))
        shape = tuple(k if a == axis else n for a, n in enumerate(x.shape))
        parts: list[Value] = []
        for indices, name in zip((False, True), node.outputs, strict=False):
            read = bool(name) and (name in self.consumers or any(o.name == name for o in self.graph.outputs))
            hardware = self._hardware_argmax(x, axis, shape, node) if read and indices and k == 1 and largest else None
            step = TopK(k, axis - len(x.shape), largest, indices)
            parts.append(hardware or replace(x.then(None, step, node.origin), index=np.zeros(shape, np.int64)))
        return parts

    # ------------------------------------------------------------------ outputs

    def _outputs(self) -> tuple[tuple[Output, ...], tuple[str, ...]]:
        sources: dict[str, int] = {}
        outputs: list[Output] = []
        for declared in self.graph.outputs:
            value = self.values[declared.name]
            if isinstance(value, Broken):
                continue
            if isinstance(value, ClassIndex):
                source = sources.setdefault(value.source, len(sources))
                outputs.append(Output(declared.name, value.shape[1:], source, None, None, ()))
                continue
            if not isinstance(value, Tensor):
                self.found.append(
                    Diagnostic(
                        "BHC217",
                        "the output is not computed from quantized activations",
                        declared.name,
                        "nothing is left for the hardware: check the model",
                    )
                )
                continue
            try:
                outputs.append(self._output(declared.name, value, sources))
            except BhcError as error:
                self.found += error.diagnostics
        return tuple(outputs), tuple(sources)

    def _output(self, name: str, value: Tensor, sources: dict[str, int]) -> Output:
        if value.pool is not None:
            value = self.low.without_pool(value, name)
        value = self.low.settled(value)
        begun = value.begun if value.steps else len(value.pieces)
        before = value.pieces[:begun]
        if any(not isinstance(p, Affine | InverseRoot) for p in before):
            raise no_quantizer(name, "the output is a float activation that was pooled")
        scale, offset = compose(value.scale, value.offset, before)
        index, fill = (value.start, value.start_fill) if value.steps else (value.index, value.fill)
        assert index is not None
        steps = list(value.steps)
        if not np.array_equal(index.reshape(-1), np.arange(self.low.type(value).elements)):
            if fill is None and bool(np.any(index < 0)):
                raise fail("BHC209", "the output's padding differs between channels", origin=name)
            steps.insert(0, Gather(np.ascontiguousarray(index[0]), float(fill or 0)))
        elif index.shape[1:] != self.low.type(value).shape and steps:
            steps.insert(0, Reshape(index.shape[1:]))
        source = sources.setdefault(value.source, len(sources))
        return Output(name, value.shape[1:], source, scale, offset, tuple(steps))


def _labels(graph: OnnxGraph) -> tuple[tuple[str, ...], Attributes | None]:
    """Class names and attribute vectors from the file's metadata, if it has any.

    `bhc.classes`: a JSON list of names. `bhc.attributes`: a JSON list of [class index, attribute vector]. Raises
    BHC108.
    """
    try:
        names = json.loads(graph.metadata.get("bhc.classes", "[]"))
        rows = json.loads(graph.metadata.get("bhc.attributes", "[]"))
        classes = tuple(str(name) for name in names)
        if not rows:
            return classes, None
        vectors = np.array([vector for _, vector in rows], np.float32)
        return classes, Attributes(vectors, np.array([index for index, _ in rows], np.int64))
    except (ValueError, TypeError) as error:
        raise fail(
            "BHC108",
            f"the metadata bhc.classes or bhc.attributes is not as documented: {error}",
            hint="bhc.classes is a JSON list of names, bhc.attributes a JSON list of [class index, vector]",
        ) from error


def _zip(*vectors: Vector) -> list[tuple[Fraction, ...]]:
    length = max(len(v) for v in vectors)
    return [tuple(v[c % len(v)] for v in vectors) for c in range(length)]


def _grid(array: NDArray[np.float64]) -> tuple[float, IntArray] | None:
    """The unit of which all values are small integer multiples, exactly, and these integers."""
    magnitudes = np.unique(np.abs(array))
    nonzero = magnitudes[magnitudes > 0]
    if nonzero.size == 0:
        return 1.0, np.zeros(array.shape, np.int64)
    if nonzero.size > 255:
        return None
    unit = common_unit([Fraction(v) for v in nonzero.tolist()])
    if Fraction(float(nonzero[-1])) / unit > 255:
        return None
    size = float(unit)
    return size, np.round(array / size).astype(np.int64)
