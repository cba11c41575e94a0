"""What stays on the host: the float head (up to the input's integers) and the float tail (from the output's integers).

Both execute the float32 operations of the ONNX file, in its order, one IEEE float32 operation each, so that the host
and an ONNX executor agree to the bit wherever the executor's own result is defined to the bit. Everything is a frozen
dataclass and converts to plain JSON data and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from types import NoneType, UnionType
from typing import Any, Literal, Union, assert_never, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from bhc.ir.ops import IntArray
from bhc.ir.types import Range

Float = NDArray[np.float32]
Json = dict[str, Any]
Arithmetic = Literal["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"]
Function = Literal[
    "Relu",
    "Neg",
    "Abs",
    "Sqrt",
    "Exp",
    "Log",
    "Reciprocal",
    "Sigmoid",
    "Tanh",
    "Sign",
    "Round",
    "Floor",
    "Ceil",
]


@dataclass(frozen=True, eq=False, slots=True)
class Binary:
    """x op constant, or constant op x if swapped; the constant broadcasts against (N, ...)."""

    op: Arithmetic
    constant: Float
    swapped: bool = False


@dataclass(frozen=True, slots=True)
class Unary:
    """A function of each element."""

    op: Function


@dataclass(frozen=True, slots=True)
class Clip:
    """Limits, each None if absent."""

    lo: float | None
    hi: float | None


@dataclass(frozen=True, eq=False, slots=True)
class LeakyRelu:
    """x where x >= 0, else slope * x; the slope broadcasts against (N, ...)."""

    slope: Float


@dataclass(frozen=True, eq=False, slots=True)
class BatchNorm:
    """Inference-mode batch normalization of axis 1; all vectors have that axis' length."""

    scale: Float
    bias: Float
    mean: Float
    variance: Float
    epsilon: float


@dataclass(frozen=True, slots=True)
class Softmax:
    """Softmax, or its logarithm, over one axis (negative: from the last)."""

    axis: int
    log: bool = False


@dataclass(frozen=True, slots=True)
class Reduce:
    """Mean, sum or maximum over axes."""

    op: Literal["mean", "sum", "max"]
    axes: tuple[int, ...]
    keepdims: bool


@dataclass(frozen=True, slots=True)
class Transpose:
    """perm names axes of (N, ...); its first element is 0."""

    perm: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reshape:
    """To (N, *shape)."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Gather:
    """Elements of (N, ...) flattened after the batch axis, to (N, *index.shape); -1 stands for `fill`."""

    index: IntArray
    fill: float = 0.0


@dataclass(frozen=True, slots=True)
class ArgMax:
    """int64 index of the largest element along an axis; the first of equals, or the last."""

    axis: int
    keepdims: bool
    last: bool = False


@dataclass(frozen=True, slots=True)
class TopK:
    """The k largest (or smallest) elements along an axis, in order: the values, or their int64 indices."""

    k: int
    axis: int
    largest: bool
    indices: bool


Step = Binary | Unary | Clip | LeakyRelu | BatchNorm | Softmax | Reduce | Transpose | Reshape | Gather | ArgMax | TopK

Rounding = Literal["ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN"]


@dataclass(frozen=True, eq=False, slots=True)
class Quantizer:
    """QONNX Quant without its rescaling: round(clamp(x / scale + zero_point, lo, hi)) - shift, all float32.

    scale and zero_point broadcast against (N, ...). shift is the integer that makes 0 stand for 0.0 where that is
    possible.
    """

    scale: Float
    zero_point: Float
    lo: int
    hi: int
    rounding: Rounding
    shift: int = 0


@dataclass(frozen=True, slots=True)
class SignQuantizer:
    """+1 where x >= 0, else -1."""


@dataclass(frozen=True, slots=True)
class Exact:
    """The model's input is integers already."""

    range: Range


HeadQuantizer = Quantizer | SignQuantizer | Exact


class InputError(ValueError):
    """The data do not fit the model's input."""


def rounded(x: Float, mode: Rounding) -> Float:
    """Round to integers, in float32; the modes are QONNX's."""
    half = np.float32(0.5)
    result: Float
    match mode:
        case "ROUND":
            result = np.round(x)
        case "CEIL":
            result = np.ceil(x)
        case "FLOOR":
            result = np.floor(x)
        case "UP":
            result = np.sign(x) * np.ceil(np.abs(x))
        case "DOWN":
            result = np.trunc(x)
        case "HALF_UP":
            result = np.sign(x) * np.floor(np.abs(x) + half)
        case "HALF_DOWN":
            result = np.sign(x) * np.ceil(np.abs(x) - half)
        case _:
            assert_never(mode)
    return result


def _binary(step: Binary, x: Float) -> Float:
    a, b = (step.constant, x) if step.swapped else (x, step.constant)
    match step.op:
        case "Add":
            return a + b
        case "Sub":
            return a - b
        case "Mul":
            return a * b
        case "Div":
            return a / b
        case "Pow":
            # The square root is correctly rounded, a general power is not.
            if not step.swapped and step.constant.size == 1 and step.constant.item() == 0.5:
                return np.sqrt(a)
            return np.power(a, b)
        case "Max":
            return np.maximum(a, b)
        case "Min":
            return np.minimum(a, b)
    assert_never(step.op)


def _unary(op: Function, x: Float) -> Float:
    one = np.float32(1)
    match op:
        case "Relu":
            return np.maximum(x, np.float32(0))
        case "Neg":
            return -x
        case "Abs":
            return np.abs(x)
        case "Sqrt":
            return np.sqrt(x)
        case "Exp":
            return np.exp(x)
        case "Log":
            return np.log(x)
        case "Reciprocal":
            return one / x
        case "Sigmoid":
            # 1 / (1 + exp(-|x|)) never overflows.
            small = np.exp(-np.abs(x))
            return np.where(x >= 0, one / (one + small), small / (one + small))
        case "Tanh":
            return np.tanh(x)
        case "Sign":
            return np.sign(x)
        case "Round":
            return np.round(x)
        case "Floor":
            return np.floor(x)
        case "Ceil":
            return np.ceil(x)
    assert_never(op)


def _batch_norm(step: BatchNorm, x: Float) -> Float:
    """As onnxruntime does: fold into one factor and one addend of each channel, then multiply and add."""
    factor = step.scale / np.sqrt(step.variance + np.float32(step.epsilon))
    addend = step.bias - step.mean * factor
    shape = (1, -1, *([1] * (x.ndim - 2)))
    return np.asarray(x * factor.reshape(shape) + addend.reshape(shape), np.float32)


def _softmax(step: Softmax, x: Float) -> Float:
    shifted = x - x.max(axis=step.axis, keepdims=True)
    exp = np.exp(shifted)
    total = exp.sum(axis=step.axis, keepdims=True)
    result: Float = shifted - np.log(total) if step.log else exp / total
    return result


def _order(x: NDArray[Any], step: TopK) -> IntArray:
    """Indices of the k best along the axis, best first, the first of equals first."""
    key = -x if step.largest else x
    best = np.argsort(key, axis=step.axis, kind="stable")
    return np.take(best, np.arange(step.k), axis=step.axis).astype(np.int64)


def _argmax(step: ArgMax, x: NDArray[Any]) -> IntArray:
    if step.last:
        flipped = np.flip(x, axis=step.axis).argmax(axis=step.axis, keepdims=step.keepdims)
        index: IntArray = x.shape[step.axis] - 1 - flipped
        return index
    first: IntArray = x.argmax(axis=step.axis, keepdims=step.keepdims)
    return first


def _reduce(step: Reduce, x: NDArray[Any]) -> NDArray[Any]:
    match step.op:
        case "mean":
            return np.asarray(np.mean(x, axis=step.axes, keepdims=step.keepdims))
        case "sum":
            return np.asarray(np.sum(x, axis=step.axes, keepdims=step.keepdims))
        case "max":
            return np.asarray(np.max(x, axis=step.axes, keepdims=step.keepdims))
    assert_never(step.op)


def run_step(step: Step, x: NDArray[Any]) -> NDArray[Any]:
    """One float32 (or, after ArgMax and TopK, int64) operation on a batch (N, ...)."""
    batch = x.shape[0]
    match step:
        case Binary():
            return _binary(step, x)
        case Unary():
            return _unary(step.op, x)
        case Clip():
            low = x if step.lo is None else np.maximum(x, np.float32(step.lo))
            return low if step.hi is None else np.minimum(low, np.float32(step.hi))
        case LeakyRelu():
            return np.where(x >= 0, x, x * step.slope)
        case BatchNorm():
            return _batch_norm(step, x)
        case Softmax():
            return _softmax(step, x)
        case Reduce():
            return _reduce(step, x)
        case Transpose():
            return x.transpose(step.perm)
        case Reshape():
            return x.reshape(batch, *step.shape)
        case Gather():
            flat = x.reshape(batch, -1)
            padded = np.concatenate([flat, np.full((batch, 1), step.fill, x.dtype)], axis=1)
            return padded[:, step.index]
        case ArgMax():
            return _argmax(step, x)
        case TopK():
            order = _order(x, step)
            return order if step.indices else np.take_along_axis(x, order, axis=step.axis)
    assert_never(step)


def _quantize(quantizer: HeadQuantizer, x: Float) -> IntArray:
    match quantizer:
        case Quantizer():
            scaled = x / quantizer.scale + quantizer.zero_point
            clamped = np.clip(scaled, np.float32(quantizer.lo), np.float32(quantizer.hi))
            return rounded(clamped, quantizer.rounding).astype(np.int64) - quantizer.shift
        case SignQuantizer():
            return np.where(x >= 0, 1, -1).astype(np.int64)
        case Exact():
            integers = x.astype(np.int64)
            if (
                bool(np.any(integers != x))
                or int(integers.min()) not in quantizer.range
                or int(integers.max()) not in quantizer.range
            ):
                raise InputError(f"the model takes integers in {quantizer.range}")
            return integers
    assert_never(quantizer)


@dataclass(frozen=True, eq=False, slots=True)
class Head:
    """From the ONNX input to the graph's input.

    input_shape: of the ONNX input without the batch axis. order: for each element of the graph's input in stream order,
    its position in the quantized tensor flattened after the batch axis. shape: of the graph's input.
    """

    input_shape: tuple[int, ...]
    steps: tuple[Step, ...]
    quantizer: HeadQuantizer
    order: IntArray
    shape: tuple[int, ...]

    def run(self, x: NDArray[Any]) -> IntArray:
        """Integers (N, *shape) for float or integer data (N, *input_shape), cast to float32 first.

        Raises InputError if the shape is wrong, or a value is not finite or not an integer where integers are needed.
        """
        if x.shape[1:] != self.input_shape:
            raise InputError(f"the model takes windows of shape {self.input_shape}, not {x.shape[1:]}")
        values: NDArray[Any] = x.astype(np.float32)
        if not bool(np.all(np.isfinite(values))):
            raise InputError("the data hold values that are not finite float32 numbers")
        for step in self.steps:
            values = run_step(step, values)
        integers = _quantize(self.quantizer, values).reshape(x.shape[0], -1)
        return np.ascontiguousarray(integers[:, self.order].reshape(x.shape[0], *self.shape))


@dataclass(frozen=True, eq=False, slots=True)
class Output:
    """From one of the graph's outputs to one of the ONNX outputs.

    name, shape: of the ONNX output, without the batch axis. source: index of the graph's output.
    scale, offset: one for each channel of the graph's output, or one for all: the value that q stands for is
    scale * q + offset, rounded to float32 once. Without them q itself (int64) is taken: the index of a class.
    steps: what follows, in ONNX order.
    """

    name: str
    shape: tuple[int, ...]
    source: int
    scale: tuple[Fraction, ...] | None
    offset: tuple[Fraction, ...] | None
    steps: tuple[Step, ...]

    def run(self, q: IntArray) -> NDArray[Any]:
        """The ONNX output (N, *shape), float32 or int64, for integers (N, *shape of the graph's output)."""
        values: NDArray[Any] = q
        if self.scale is not None and self.offset is not None:
            values = decode(q, self.scale, self.offset)
        for step in self.steps:
            values = run_step(step, values)
        return np.ascontiguousarray(values.reshape(q.shape[0], *self.shape))


def decode(q: IntArray, scale: tuple[Fraction, ...], offset: tuple[Fraction, ...]) -> Float:
    """float32(scale[c] * q[..., c] + offset[c]), correctly rounded (to nearest, ties to even).

    float64 gives the result unless its error could reach the boundary between two float32 numbers; those few elements
    are done in rational arithmetic.
    """
    channels = q.shape[-1]
    scales = np.array([float(s) for s in scale])
    offsets = np.array([float(o) for o in offset])
    product = q * scales
    near = product + offsets
    # Each of the four roundings (of scale, offset, product and sum) costs at most 2^-53 of what it rounds.
    slack = (np.abs(product) * 3 + np.abs(np.broadcast_to(offsets, q.shape)) * 2 + np.abs(near)) * 2.0**-52
    result: Float = near.astype(np.float32)
    doubtful = np.argwhere((near - slack).astype(np.float32) != (near + slack).astype(np.float32))
    for position in map(tuple, doubtful.tolist()):
        c = position[-1] % channels
        exact = scale[c % len(scale)] * int(q[position]) + offset[c % len(offset)]
        result[position] = _round_to_float32(exact)
    return result


def _round_to_float32(x: Fraction) -> np.float32:
    """The nearest float32, ties to even."""
    guess = np.float32(float(x))
    candidates = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    finite = [c for c in candidates if np.isfinite(c)]

    def rank(candidate: np.float32) -> tuple[Fraction, int]:
        return abs(Fraction(float(candidate)) - x), int(candidate.view(np.uint32)) & 1

    return min(finite, key=rank)


@dataclass(frozen=True, eq=False, slots=True)
class Attributes:
    """A class look-up for a net that predicts attributes: the class whose attribute vector is nearest.

    vectors: (V, A) float32, one attribute vector a row; classes: (V,) int64, the class of each row. Several rows may
    stand for one class.
    """

    vectors: Float
    classes: IntArray

    def classify(self, predicted: Float) -> IntArray:
        """Class (N,) of the nearest vector in squared Euclidean distance, the first of equals, for (N, A)."""
        distance = np.square(predicted[:, None, :] - self.vectors[None]).sum(axis=2, dtype=np.float64)
        nearest: IntArray = self.classes[distance.argmin(axis=1)]
        return nearest


@dataclass(frozen=True, eq=False, slots=True)
class Tail:
    """From the graph's outputs to the ONNX outputs, and to class labels.

    classes: names of the classes, empty if unknown. attributes: how attributes make a class, if they do.
    """

    outputs: tuple[Output, ...]
    classes: tuple[str, ...] = ()
    attributes: Attributes | None = None

    def run(self, integers: list[IntArray]) -> list[NDArray[Any]]:
        """The ONNX outputs in order, for the graph's outputs in order."""
        return [output.run(integers[output.source]) for output in self.outputs]

    def labels(self, outputs: list[NDArray[Any]]) -> IntArray:
        """Class index (N,) from the first ONNX output: an index already, attributes, or the largest score."""
        first = outputs[0].reshape(outputs[0].shape[0], -1)
        if self.attributes is not None:
            return self.attributes.classify(first)
        if first.dtype == np.int64 and first.shape[1] == 1:
            return first[:, 0]
        best: IntArray = first.argmax(axis=1)
        return best


STEP_TYPES: Mapping[str, type[Any]] = {t.__name__: t for t in get_args(Step)}
QUANTIZER_TYPES: Mapping[str, type[Any]] = {t.__name__: t for t in get_args(HeadQuantizer)}
OTHER_TYPES: Mapping[str, type[Any]] = {t.__name__: t for t in (Head, Output, Tail, Attributes, Range)}


def to_json(value: Any) -> Any:
    """Plain data (dicts, lists, strings, numbers) for a Head, a Tail or any part of them."""
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "data": value.reshape(-1).tolist()}
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, tuple):
        return [to_json(v) for v in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return {"type": type(value).__name__, **{f.name: to_json(getattr(value, f.name)) for f in fields(value)}}


def _read(data: Any, hint: Any) -> Any:
    """Inverse of to_json for a value of the annotated type."""
    origin = get_origin(hint)
    if origin in {UnionType, Union}:
        if data is None:
            return None
        if isinstance(data, dict) and "type" in data:
            return _read_object(data)
        return _read(data, next(t for t in get_args(hint) if t is not NoneType))
    if origin is tuple:
        return tuple(_read(item, get_args(hint)[0]) for item in data)
    if hint is Fraction:
        return Fraction(data)
    if isinstance(data, dict) and "dtype" in data:
        return np.array(data["data"], dtype=data["dtype"]).reshape(data["shape"])
    if isinstance(data, dict):
        return _read_object(data)
    return data


def _read_object(data: Json) -> Any:
    cls = {**STEP_TYPES, **QUANTIZER_TYPES, **OTHER_TYPES}[data["type"]]
    make: Callable[..., Any] = cls
    hints = get_type_hints(cls)
    return make(**{f.name: _read(data[f.name], hints[f.name]) for f in fields(cls)})


def head_from_json(data: Json) -> Head:
    """Inverse of to_json for a Head."""
    head = _read_object(data)
    assert isinstance(head, Head)
    return head


def tail_from_json(data: Json) -> Tail:
    """Inverse of to_json for a Tail."""
    tail = _read_object(data)
    assert isinstance(tail, Tail)
    return tail
