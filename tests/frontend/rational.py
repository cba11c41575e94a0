"""A slow interpreter of QONNX graphs in exact rational arithmetic: the definition that the importer is tested against.

It shares no code with bhc.frontend, works on numpy arrays of Fractions, one window at a time, and follows the
operators' definitions word by word. 1 / sqrt of a number that is no rational square is taken to ROOT_BITS bits, many
more than are needed to tell it from any rational that float32 parameters can make. Weight quantizers are evaluated in
float32 as the files define them.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import ceil, floor, isqrt
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

ROOT_BITS = 1500
Array = NDArray[Any]


def exact(array: Array) -> Array:
    """The same numbers as Fractions."""
    out = np.empty(array.shape, object)
    for position in np.ndindex(array.shape):
        value: Any = array[position]
        out[position] = value if isinstance(value, Fraction) else Fraction(float(value))
    return out


def each(function: Callable[[Fraction], Fraction], array: Array) -> Array:
    out = np.empty(array.shape, object)
    for position in np.ndindex(array.shape):
        value: Any = array[position]
        out[position] = function(value)
    return out


def root(x: Fraction) -> Fraction:
    """The square root, exact if it is rational."""
    top, bottom = isqrt(x.numerator), isqrt(x.denominator)
    if top * top == x.numerator and bottom * bottom == x.denominator:
        return Fraction(top, bottom)
    return Fraction(isqrt((x.numerator << (2 * ROOT_BITS)) // x.denominator), 1 << ROOT_BITS)


def round_by(mode: str, x: Fraction) -> Fraction:
    sign, magnitude = (-1 if x < 0 else 1), abs(x)
    match mode.upper():
        case "ROUND" | "HALF_EVEN":
            return Fraction(round(x))
        case "FLOOR":
            return Fraction(floor(x))
        case "CEIL":
            return Fraction(ceil(x))
        case "UP":
            return Fraction(sign * ceil(magnitude))
        case "DOWN":
            return Fraction(sign * floor(magnitude))
        case "HALF_UP":
            return Fraction(sign * floor(magnitude + Fraction(1, 2)))
        case "HALF_DOWN":
            return Fraction(sign * ceil(magnitude - Fraction(1, 2)))
    raise ValueError(mode)


def limits(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def quant(x: Array, s: Array, z: Array, bits: int, a: dict[str, Any], constant: bool) -> Array:
    lo, hi = limits(bits, bool(a.get("signed", 1)), bool(a.get("narrow", 0)))
    one_bit = bits == 1 and bool(a.get("signed", 1))
    scaled: Array
    if constant:
        scaled = exact((x.astype(np.float32) / s.astype(np.float32) + z.astype(np.float32)).astype(np.float32))
    else:
        scaled = x / exact(s) + exact(z)

    def level(u: Fraction) -> Fraction:
        if one_bit:
            return Fraction(1 if u >= 0 else -1)
        return round_by(a.get("rounding_mode", "ROUND"), min(max(u, Fraction(lo)), Fraction(hi)))

    return np.asarray((each(level, np.asarray(scaled)) - exact(z)) * exact(s))


def windows(x: Array, kernel: list[int], a: dict[str, Any], fill: Fraction | None) -> tuple[Array, list[int]]:
    """(N, C, *out, *kernel) and the output sizes; padding is `fill`."""
    n = len(kernel)
    pads = list(a.get("pads", [0] * 2 * n))
    strides, dilations = list(a.get("strides", [1] * n)), list(a.get("dilations", [1] * n))
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    if a.get("auto_pad", "NOTSET") in {"SAME_UPPER", "SAME_LOWER"}:
        for i in range(n):
            total = max((ceil(x.shape[2 + i] / strides[i]) - 1) * strides[i] + spans[i] - x.shape[2 + i], 0)
            small, large = total // 2, total - total // 2
            pads[i], pads[i + n] = (small, large) if a["auto_pad"] == "SAME_UPPER" else (large, small)
    out = []
    for i in range(n):
        reach = x.shape[2 + i] + pads[i] + pads[i + n] - spans[i]
        count = (-(-reach // strides[i]) if a.get("ceil_mode", 0) else reach // strides[i]) + 1
        if a.get("ceil_mode", 0) and (count - 1) * strides[i] >= x.shape[2 + i] + pads[i]:
            count -= 1
        out.append(count)
    result = np.empty((*x.shape[:2], *out, *kernel), object)
    for position in product(*(range(o) for o in out)):
        for tap in product(*(range(k) for k in kernel)):
            at = [p * s - b + t * d for p, s, b, t, d in zip(position, strides, pads, tap, dilations, strict=False)]
            inside = all(0 <= v < size for v, size in zip(at, x.shape[2:], strict=True))
            here: Any = (slice(None), slice(None), *at)
            there: Any = (slice(None), slice(None), *position, *tap)
            result[there] = x[here] if inside else fill
    return result, out


def conv(x: Array, w: Array, a: dict[str, Any]) -> Array:
    kernel = list(w.shape[2:])
    taps, out = windows(x, kernel, a, Fraction(0))
    groups = int(a.get("group", 1))
    m, per_group = w.shape[:2]
    result = np.empty((x.shape[0], m, *out), object)
    for o in range(m):
        g = o // (m // groups)
        columns = taps[:, g * per_group : (g + 1) * per_group]
        for position in product(*(range(v) for v in out)):
            here: Any = (slice(None), slice(None), *position)
            there: Any = (slice(None), o, *position)
            window: Any = columns[here]
            result[there] = (window * w[o]).reshape(x.shape[0], -1).sum(axis=1)
    return result


def pooled(x: Array, kernel: list[int], a: dict[str, Any], largest: bool) -> Array:
    taps, out = windows(x, kernel, a, None if largest else Fraction(0))
    flat = taps.reshape(*x.shape[:2], *out, -1)
    result = np.empty(flat.shape[:-1], object)
    for position in np.ndindex(result.shape):
        values = [v for v in flat[position] if v is not None]
        result[position] = max(values) if largest else sum(values, Fraction(0)) / len(values)
    return result


def reconstructed(x: Array, axis: int, most: Fraction) -> Array:
    """What the receiver of the differences above `most` has after each step."""
    out = x.copy()
    sequence, states = np.moveaxis(x, axis, 0), np.moveaxis(out, axis, 0)
    for step in range(1, len(states)):
        states[step] = np.where(abs(sequence[step] - states[step - 1]) > most, sequence[step], states[step - 1])
    return out


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for a in node.attribute:
        value = onnx.helper.get_attribute_value(a)
        found[a.name] = value.decode() if isinstance(value, bytes) else value
    return found


def column(vector: Array, rank: int) -> Array:
    return vector.reshape(1, -1, *([1] * (rank - 2)))


def integers(array: Array) -> list[int]:
    return [int(v) for v in array.reshape(-1)]


def interpret(model: onnx.ModelProto, x: Array) -> dict[str, Array]:
    """Every tensor of the graph for one window x (without the batch axis)."""
    raw: dict[str, Array] = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    values: dict[str, Array] = {n: exact(a) if a.dtype.kind == "f" else a for n, a in raw.items()}
    data = next(v.name for v in model.graph.input if v.name not in raw)
    values[data] = exact(x[None])
    steps: dict[str, Fraction] = {}
    for node in model.graph.node:
        a = attributes(node)
        if node.op_type in {"Quant", "IntQuant", "BipolarQuant"} and node.input[1] in raw:
            steps[node.output[0]] = Fraction(float(np.abs(raw[node.input[1]]).max()))
        elif node.op_type in {"Identity", "MaxPool", "Slice", "TemporalDelta", "Transpose"} and node.input[0] in steps:
            steps[node.output[0]] = steps[node.input[0]]
        if node.op_type == "TemporalDelta":
            x = values[node.input[0]]
            values[node.output[0]] = reconstructed(x, a["axis"], a["threshold"] * steps[node.input[0]])
            continue
        if node.op_type == "Split":
            axis = a.get("axis", 0)
            sizes = integers(raw[node.input[1]]) if len(node.input) > 1 else a["split"]
            parts = np.split(values[node.input[0]], np.cumsum(sizes)[:-1].tolist(), axis)
            values.update(zip(node.output, parts, strict=True))
            continue
        constant = node.input[0] in raw if node.input else False
        values[node.output[0]] = np.asarray(apply(node, a, values, raw, constant))
    return values


def apply(
    node: onnx.NodeProto, a: dict[str, Any], values: dict[str, Array], raw: dict[str, Array], constant: bool
) -> Any:
    """The first output of one node."""
    v: list[Any] = [values.get(name) for name in node.input]
    x: Any = v[0]
    match node.op_type:
        case "Quant" | "IntQuant":
            operand = raw[node.input[0]] if constant else x
            return quant(operand, raw[node.input[1]], raw[node.input[2]], int(raw[node.input[3]].item()), a, constant)
        case "BipolarQuant":
            return np.asarray(each(lambda u: Fraction(1 if u >= 0 else -1), x) * v[1])
        case "Trunc":
            shift = Fraction(2) ** int(raw[node.input[3]].item() - raw[node.input[4]].item())
            whole = each(lambda u: Fraction(round(u)), np.asarray(x / v[1] + v[2]))
            cut = each(lambda u: round_by(a.get("rounding_mode", "FLOOR"), u / shift), whole)
            return np.asarray((cut - v[2]) * v[1])
        case "Conv":
            result = conv(x, v[1], a)
            return result if len(v) < 3 else np.asarray(result + column(v[2], result.ndim))
        case "Gemm":
            b = v[1].T if a.get("transB", 0) else v[1]
            result = Fraction(float(np.float32(a.get("alpha", 1.0)))) * (x @ b)
            return result if len(v) < 3 else result + Fraction(float(np.float32(a.get("beta", 1.0)))) * v[2]
        case "MatMul":
            return np.asarray(np.matmul(x, v[1]))
        case "BatchNormalization":
            gamma, beta, mean, variance = (column(w, x.ndim) for w in v[1:5])
            epsilon = Fraction(float(np.float32(a.get("epsilon", 1e-5))))
            inverse = each(lambda u: 1 / root(u + epsilon), variance)
            return np.asarray((x - mean) * inverse * gamma + beta)
        case "Add" | "Sum":
            return np.asarray(x + v[1])
        case "Sub":
            return np.asarray(x - v[1])
        case "Mul":
            return np.asarray(x * v[1])
        case "Div":
            return np.asarray(x / v[1])
        case "Neg":
            return np.asarray(-x)
        case "Abs":
            return each(abs, x)
        case "Relu":
            return each(lambda u: max(u, Fraction(0)), x)
        case "LeakyRelu":
            alpha = Fraction(float(np.float32(a.get("alpha", 0.01))))
            return each(lambda u: u if u >= 0 else alpha * u, x)
        case "PRelu":
            return np.where(x >= 0, x, x * v[1])
        case "Clip":
            return each(lambda u: min(max(u, v[1].item()), v[2].item()), x)
        case "Sign":
            return each(lambda u: Fraction((u > 0) - (u < 0)), x)
        case "Round" | "Floor" | "Ceil":
            return each(lambda u: round_by(node.op_type, u), x)
        case "MaxPool":
            return pooled(x, list(a["kernel_shape"]), a, True)
        case "AveragePool":
            return pooled(x, list(a["kernel_shape"]), a, False)
        case "GlobalAveragePool":
            return pooled(x, list(x.shape[2:]), {}, False)
        case "GlobalMaxPool":
            return pooled(x, list(x.shape[2:]), {}, True)
        case "ReduceMean" | "ReduceSum" | "ReduceMax":
            axes = tuple(a["axes"]) if "axes" in a else tuple(integers(raw[node.input[1]]))
            keep = bool(a.get("keepdims", 1))
            if node.op_type == "ReduceMax":
                return np.asarray(x.max(axis=axes, keepdims=keep))
            total = np.asarray(x.sum(axis=axes, keepdims=keep))
            count = int(np.prod([x.shape[i] for i in axes]))
            return total if node.op_type == "ReduceSum" else total / Fraction(count)
        case "Pad":
            pads = integers(raw[node.input[1]])
            widths = [(max(b, 0), max(e, 0)) for b, e in zip(pads[: x.ndim], pads[x.ndim :], strict=True)]
            fill: Any = v[2].item() if len(v) > 2 and v[2] is not None else Fraction(0)
            padded: Any = np.pad(x, widths, constant_values=fill)
            return padded
        case "Slice":
            starts, ends, along, steps = (integers(raw[n]) for n in node.input[1:5])
            key: list[Any] = [slice(None)] * x.ndim
            for first, end, axis, step in zip(starts, ends, along, steps, strict=True):
                key[axis] = slice(first, end, step)
            return x[tuple(key)]
        case "Concat":
            return np.concatenate(v, a["axis"])
        case "Reshape":
            return x.reshape([x.shape[i] if d == 0 else d for i, d in enumerate(integers(raw[node.input[1]]))])
        case "Flatten":
            return x.reshape(x.shape[0], -1)
        case "Transpose":
            return x.transpose(a["perm"])
        case "Unsqueeze":
            return np.expand_dims(x, tuple(integers(raw[node.input[1]])))
        case "Squeeze":
            return np.squeeze(x, tuple(integers(raw[node.input[1]])))
        case "Identity" | "Dropout" | "Cast":
            return x
        case "ArgMax":
            return np.asarray(np.argmax(x, a.get("axis", 0)))
    raise NotImplementedError(node.op_type)
