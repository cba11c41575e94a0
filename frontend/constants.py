"""Values that the model file fixes: float32 (or integer) arrays, and quantized weights kept as integers and scales.

Nodes whose operands are all constant are evaluated here, in the arithmetic of their own types, as every executor does;
a weight quantizer's float32 division and rounding therefore give the integers that the model was trained with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bhc.diagnostics import fail
from bhc.frontend.onnx_file import Array, OnnxNode
from bhc.ir.host import Float, Rounding, rounded
from bhc.ir.ops import IntArray, signs


@dataclass(frozen=True, eq=False, slots=True)
class Quantized:
    """Constant integers with scales; value is what an executor makes of them.

    The real value is integers * scale exactly; scale (float64, exact) has the same shape. integers: int64, or as of
    bhc.ir.ops.signs.
    """

    value: Float
    integers: IntArray
    scale: NDArray[np.float64]

    def map(self, view: Callable[[Array], Array]) -> Quantized:
        """The same under a function that only moves elements."""
        return Quantized(view(self.value), view(self.integers), view(self.scale))


Constant = Array | Quantized


def value_of(constant: Constant) -> Array:
    """The array that an executor sees."""
    return constant.value if isinstance(constant, Quantized) else constant


ROUNDINGS: dict[str, Rounding] = {
    "ROUND": "ROUND",
    "HALF_EVEN": "ROUND",
    "CEIL": "CEIL",
    "FLOOR": "FLOOR",
    "UP": "UP",
    "DOWN": "DOWN",
    "HALF_UP": "HALF_UP",
    "HALF_DOWN": "HALF_DOWN",
}


@dataclass(frozen=True, eq=False, slots=True)
class QuantParameters:
    """Operands and attributes of a QONNX Quant node; lo and hi bound its integers (before the zero point is taken off).

    A signed quantizer of one bit is bipolar: -1 and +1, with +1 for a scaled input of 0 or more.
    """

    scale: Float
    zero_point: Float
    lo: int
    hi: int
    rounding: Rounding
    bipolar: bool


def rounding_mode(node: OnnxNode, default: str) -> Rounding:
    """The node's rounding mode. Raises BHC211."""
    name = str(node.attributes.get("rounding_mode", default)).upper()
    if name not in ROUNDINGS:
        raise fail("BHC211", f"rounding mode '{name}'", origin=node.origin, hint=f"known are {', '.join(ROUNDINGS)}")
    return ROUNDINGS[name]


def bit_width(node: OnnxNode, array: Array) -> int:
    """A bit width operand as an integer. Raises BHC207."""
    widths = set(np.asarray(array, np.float64).reshape(-1).tolist())
    width = next(iter(widths), 0.0)
    if len(widths) != 1 or width != int(width) or not 1 <= width <= 32:
        raise fail(
            "BHC207",
            f"bit width {', '.join(str(w) for w in sorted(widths)[:3])}",
            origin=node.origin,
            hint="use one whole number of bits, from 1 to 32, for the whole tensor",
        )
    return int(width)


def integer_limits(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Least and greatest integer of a quantizer."""
    if signed:
        return (1 if narrow else 0) - (1 << (bits - 1)), (1 << (bits - 1)) - 1
    return 0, (1 << bits) - (2 if narrow else 1)


def check_scale(node: OnnxNode, scale: Array) -> Float:
    """The scale as float32. Raises BHC206 if it holds a zero or is not finite."""
    result = np.asarray(scale, np.float32)
    wrong = result[(result == 0) | ~np.isfinite(result)]
    if wrong.size:
        raise fail(
            "BHC206",
            f"the quantizer's scale holds {wrong.flat[0]}",
            origin=node.origin,
            hint="a scale is a finite number other than 0; a channel that training switched off still needs one",
        )
    return result


def quant_parameters(node: OnnxNode, scale: Array, zero_point: Array, bits: Array) -> QuantParameters:
    """Read a Quant node. Raises BHC206, BHC207, BHC211."""
    width = bit_width(node, bits)
    signed = bool(node.attributes.get("signed", 1))
    narrow = bool(node.attributes.get("narrow", 0))
    lo, hi = integer_limits(width, signed, narrow)
    bipolar = width == 1 and signed
    if hi < lo or (hi == lo and not bipolar):
        raise fail(
            "BHC207",
            f"a quantizer of {width} bit with only the value {lo}",
            origin=node.origin,
            hint="switch the narrow range off, or use more bits",
        )
    return QuantParameters(
        check_scale(node, scale),
        np.asarray(zero_point, np.float32),
        -1 if bipolar else lo,
        1 if bipolar else hi,
        rounding_mode(node, "ROUND"),
        bipolar,
    )


def fold_quant(x: Array, p: QuantParameters) -> Quantized:
    """A Quant node over a constant, in float32."""
    scaled = np.asarray(x, np.float32) / p.scale + p.zero_point
    if p.bipolar and not p.zero_point.any():
        return _signed(scaled >= 0, p.scale)
    if p.bipolar:
        levels = np.where(scaled >= 0, np.float32(1), np.float32(-1))
    else:
        levels = rounded(np.clip(scaled, np.float32(p.lo), np.float32(p.hi)), p.rounding)
    centred = levels - p.zero_point
    value = (centred * p.scale).astype(np.float32)
    # A zero point with a fraction: count in units of its last binary digit.
    unit = 1.0
    while np.any(p.zero_point.astype(np.float64) / unit % 1):
        unit /= 2
    exact = (levels.astype(np.float64) - p.zero_point.astype(np.float64)) / unit
    scale = np.broadcast_to(p.scale.astype(np.float64) * unit, value.shape)
    return Quantized(value, np.broadcast_to(exact.astype(np.int64), value.shape), scale)


def fold_bipolar(x: Array, scale: Float) -> Quantized:
    """A BipolarQuant node over a constant."""
    return _signed(np.asarray(x, np.float32) >= 0, scale)


def _signed(positive: NDArray[np.bool_], scale: Float) -> Quantized:
    """-scale and +scale."""
    value = np.where(positive, scale, -scale).astype(np.float32, copy=False)
    shape = value.shape
    return Quantized(
        value,
        np.broadcast_to(signs(positive), shape),
        np.broadcast_to(scale.astype(np.float64), shape),
    )


def axes_of(node: OnnxNode, inputs: list[Array | None], position: int = 1) -> tuple[int, ...] | None:
    """Axes, which moved from an attribute to an operand in opset 13 or 18; None if not given."""
    if "axes" in node.attributes:
        return tuple(int(a) for a in node.attributes["axes"])
    if len(inputs) > position:
        operand = inputs[position]
        if operand is not None and operand.size:
            return tuple(int(a) for a in operand.reshape(-1))
    return None


def reshape_target(node: OnnxNode, shape: tuple[int, ...], target: Array) -> tuple[int, ...]:
    """The shape that a Reshape node's operand asks for, with 0 (same) and -1 (rest) resolved."""
    wanted = [int(d) for d in target.reshape(-1)]
    if not node.attributes.get("allowzero", 0):
        wanted = [shape[i] if d == 0 else d for i, d in enumerate(wanted)]
    known = int(np.prod([d for d in wanted if d != -1]))
    total = int(np.prod(shape))
    return tuple(total // max(known, 1) if d == -1 else d for d in wanted)


def slice_key(node: OnnxNode, rank: int, inputs: list[Array | None]) -> tuple[slice, ...]:
    """The Python slices of a Slice node; its operands were attributes before opset 10."""
    if "starts" in node.attributes:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes = node.attributes.get("axes", tuple(range(len(starts))))
        steps: tuple[int, ...] = (1,) * len(starts)
    else:
        operands = [None if a is None else tuple(int(v) for v in a.reshape(-1)) for a in inputs[1:]]
        operands += [None] * (4 - len(operands))
        starts, ends = operands[0] or (), operands[1] or ()
        axes = operands[2] or tuple(range(len(starts)))
        steps = operands[3] or (1,) * len(starts)
    key = [slice(None)] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # A stop before the first element is written as a very negative end.
        stop = None if step < 0 and end < -(1 << 30) else end
        key[axis] = slice(start, stop, step)
    return tuple(key)


def split_sizes(node: OnnxNode, size: int, inputs: list[Array | None]) -> list[int]:
    """Sizes of the parts of a Split node."""
    if "split" in node.attributes:
        return [int(s) for s in node.attributes["split"]]
    operand = inputs[1] if len(inputs) > 1 else None
    if operand is not None:
        return [int(s) for s in operand.reshape(-1)]
    parts = len(node.outputs)
    each = -(-size // parts)
    return [min(each, size - each * i) for i in range(parts)]


def squeeze(node: OnnxNode, inputs: list[Array | None]) -> Callable[[Array], Array]:
    """Squeeze as a function of its first operand."""
    axes = axes_of(node, inputs)
    return lambda x: np.squeeze(x, axes)


def unsqueeze(node: OnnxNode, inputs: list[Array | None]) -> Callable[[Array], Array]:
    """Unsqueeze as a function of its first operand."""
    axes = axes_of(node, inputs) or ()
    return lambda x: np.expand_dims(x, axes)


def flatten(node: OnnxNode) -> Callable[[Array], Array]:
    """Flatten to two axes."""

    def apply(x: Array) -> Array:
        axis = int(node.attributes.get("axis", 1)) % (x.ndim + 1)
        return x.reshape(int(np.prod(x.shape[:axis])), -1)

    return apply


def view(node: OnnxNode, inputs: list[Array | None]) -> Callable[[Array], Array] | None:
    """The node as a function that only moves, drops or repeats elements of its first operand; None if it is another
    kind.
    """
    second = inputs[1] if len(inputs) > 1 else None
    match node.op:
        case "Identity" | "Dropout":
            return lambda x: x
        case "Transpose":
            perm = node.attributes.get("perm")
            return lambda x: x.transpose(perm)
        case "Reshape":
            if second is None and "shape" in node.attributes:
                second = np.array(node.attributes["shape"])
            if second is None:
                return None
            target = second
            return lambda x: x.reshape(reshape_target(node, x.shape, target))
        case "Flatten":
            return flatten(node)
        case "Squeeze":
            return squeeze(node, inputs)
        case "Unsqueeze":
            return unsqueeze(node, inputs)
        case "Slice":
            return lambda x: x[slice_key(node, x.ndim, inputs)]
        case "Gather":
            axis = int(node.attributes.get("axis", 0))
            if second is None:
                return None
            where = second
            return lambda x: np.take(x, where, axis=axis)
        case "Expand":
            if second is None:
                return None
            shape = tuple(int(d) for d in second.reshape(-1))
            return lambda x: x * np.ones(shape, x.dtype)
        case "Tile":
            if second is None:
                return None
            repeats = tuple(int(d) for d in second.reshape(-1))
            return lambda x: np.tile(x, repeats)
    return None


ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Max": np.maximum,
    "Min": np.minimum,
    "Equal": np.equal,
    "Less": np.less,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "And": np.logical_and,
    "Or": np.logical_or,
}
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "Sqrt": np.sqrt,
    "Neg": np.negative,
    "Abs": np.abs,
    "Exp": np.exp,
    "Log": np.log,
    "Reciprocal": np.reciprocal,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.round,
    "Sign": np.sign,
    "Not": np.logical_not,
    "Relu": lambda x: np.maximum(x, 0),
    "Tanh": np.tanh,
}


REDUCTIONS: dict[str, Callable[[Array, tuple[int, ...] | None, bool], Any]] = {
    "ReduceMean": lambda x, axes, keepdims: np.mean(x, axis=axes, keepdims=keepdims),
    "ReduceSum": lambda x, axes, keepdims: np.sum(x, axis=axes, keepdims=keepdims),
    "ReduceMax": lambda x, axes, keepdims: np.max(x, axis=axes, keepdims=keepdims),
    "ReduceMin": lambda x, axes, keepdims: np.min(x, axis=axes, keepdims=keepdims),
    "ReduceProd": lambda x, axes, keepdims: np.prod(x, axis=axes, keepdims=keepdims),
}


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu":
        return np.trunc(a / b).astype(a.dtype)
    quotient: Array = a / b
    return quotient


def _power(a: Array, b: Array) -> Array:
    # The square root is correctly rounded, a general power is not.
    if b.size == 1 and float(b.reshape(-1)[0]) == 0.5:
        return np.asarray(np.sqrt(a))
    return np.asarray(np.power(a, b.astype(a.dtype)))


# numpy types by the numbers of ONNX's TensorProto.DataType, as Cast names them.
CAST_TYPES: dict[int, type[Any]] = {
    1: np.float32,
    2: np.uint8,
    3: np.int8,
    4: np.uint16,
    5: np.int16,
    6: np.int32,
    7: np.int64,
    9: np.bool_,
    10: np.float16,
    11: np.float64,
    12: np.uint32,
    13: np.uint64,
}


def fold(node: OnnxNode, inputs: list[Constant | None]) -> list[Constant] | None:
    """The outputs of a node whose operands are all constant; None if the operator is not known here.

    Raises BhcError for a quantizer with impossible parameters.
    """
    arrays = [None if i is None else value_of(i) for i in inputs]
    first = inputs[0] if inputs else None
    x = arrays[0] if arrays else None
    if x is None or first is None:
        return None
    given = [a for a in arrays if a is not None]
    function = view(node, arrays)
    if function is not None:
        return [first.map(function) if isinstance(first, Quantized) else np.asarray(function(first))]
    match node.op:
        case "Quant" | "IntQuant" if len(given) == 4:
            return [fold_quant(x, quant_parameters(node, given[1], given[2], given[3]))]
        case "BipolarQuant" if len(given) == 2:
            return [fold_bipolar(x, check_scale(node, given[1]))]
        case "Cast":
            wanted = CAST_TYPES.get(int(node.attributes["to"]))
            if wanted is None:
                return None
            return [first if wanted is np.float32 and isinstance(first, Quantized) else x.astype(wanted)]
        case "Shape":
            return [np.array(x.shape, np.int64)]
        case "Size":
            return [np.array(x.size, np.int64)]
        case "ConstantOfShape":
            fill = np.asarray(node.attributes.get("value", np.zeros(1, np.float32))).reshape(-1)[0]
            return [np.full(tuple(int(d) for d in x.reshape(-1)), fill)]
        case "Concat":
            axis = int(node.attributes["axis"])
            parts = [i for i in inputs if isinstance(i, Quantized)]
            if len(parts) == len(inputs):
                return [
                    Quantized(
                        np.concatenate([p.value for p in parts], axis),
                        np.concatenate([p.integers for p in parts], axis),
                        np.concatenate([p.scale for p in parts], axis),
                    )
                ]
            return [np.concatenate(given, axis)]
        case "Split":
            axis = int(node.attributes.get("axis", 0))
            edges = np.cumsum(split_sizes(node, x.shape[axis], arrays))[:-1].tolist()
            return list(np.split(x, edges, axis))
        case "Range":
            return [np.arange(given[0].item(), given[1].item(), given[2].item(), dtype=given[0].dtype)]
        case "Where":
            return [np.where(given[0], given[1], given[2])]
        case "Div":
            return [_divide(given[0], given[1])]
        case "Pow":
            return [_power(given[0], given[1])]
        case "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd":
            axes, keepdims = axes_of(node, arrays), bool(node.attributes.get("keepdims", 1))
            return [np.asarray(REDUCTIONS[node.op](x, axes, keepdims), x.dtype)]
        case "Clip":
            lo = node.attributes.get("min", arrays[1] if len(arrays) > 1 else None)
            hi = node.attributes.get("max", arrays[2] if len(arrays) > 2 else None)
            return [np.clip(x, lo, hi).astype(x.dtype)]
    if node.op in ARITHMETIC and len(given) == 2:
        return [np.asarray(ARITHMETIC[node.op](given[0], given[1]))]
    if node.op in FUNCTIONS and len(given) == 1:
        return [np.asarray(FUNCTIONS[node.op](x))]
    return None
