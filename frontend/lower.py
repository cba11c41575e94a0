"""Emits IR for tensors: convolutions, pools, sums and thresholds over exact integers.

Knows the arithmetic and the layouts, not the ONNX operators (bhc.frontend.importer does).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from bhc.diagnostics import BhcError, fail
from bhc.frontend.constants import Quantized
from bhc.frontend.exact import (
    Affine,
    Chain,
    HalfLine,
    InverseRoot,
    Irrational,
    Piece,
    Steps,
    UndecidedError,
    Vector,
    at,
    monotone,
    preimage,
    shorten,
    solve,
    solve_turning,
    zipped,
)
from bhc.frontend.float_error import Interval, absolute_sums, ambiguous_intervals, matmul_noise, rounding_noise
from bhc.frontend.functions import (
    common_unit,
    directions,
    estimate,
    exact_in_float,
    floats,
    forward,
    is_identity,
    least,
    merged,
    trimmed,
)
from bhc.frontend.layout import Image, Window, full_index, narrow, progression, scatter_channels
from bhc.frontend.tensor import InputChoice, Tensor, compose
from bhc.ir.graph import Builder
from bhc.ir.host import Reshape
from bhc.ir.ops import (
    Add,
    Concat,
    Conv,
    Dense,
    Hold,
    IntArray,
    MaxPool,
    Op,
    Pad,
    Pads,
    SumPool,
    Threshold,
    TypeRuleError,
    accumulator_bounds,
    infer,
)
from bhc.ir.types import Range, Type, bipolar

INPUT = "input"
# The source of the quantized input until its first reader settles the layout.
UNSETTLED = ""
# Integer factors that stand for ratios of scales; more would be a sign that the scales are unrelated.
MAX_RATIO = 255
# Steps of a function of an integer that is not followed by a quantizer.
MAX_TABLE = 1023
MAX_LEVELS = 1 << 16


@dataclass(frozen=True, eq=False, slots=True)
class Tap:
    """An ONNX tensor that an IR value stands for.

    tensor: its name. index: for each of its elements (batch axis 1) the position in the IR value in stream order, or
    -1.
    scale, offset: real = scale_c * q + offset_c for channel c of the IR value.
    """

    tensor: str
    index: IntArray
    scale: Vector
    offset: Vector


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """Where float32 execution of the model may decide otherwise than exact arithmetic, for one Threshold.

    channels: number of channels. intervals: accumulator values, by channel (all channels if it is None).
    """

    node: str
    channels: int
    intervals: tuple[Interval, ...]

    @property
    def ambiguous_channels(self) -> int:
        """Channels with at least one interval."""
        touched = {i.channel for i in self.intervals}
        return self.channels if None in touched else len(touched)


class Lowering:
    """Builds the graph. Every method that emits takes the ONNX nodes' names for `origin`."""

    def __init__(self) -> None:
        self.builder = Builder()
        self.input: InputChoice | None = None
        self.input_type = Type((1,), Range(0, 0))
        self.input_tap: Tap | None = None
        self.input_order: IntArray | None = None
        self.head_order: IntArray = np.arange(0)
        self.taps: dict[str, Tap] = {}
        self.ambiguities: list[Ambiguity] = []
        self._serial: dict[str, int] = {}

    # ------------------------------------------------------------------ emission

    def emit(self, op: Op, operands: Sequence[str], origin: Sequence[str]) -> str:
        """Append a node named after its op; raises BHC214 if the operands do not fit."""
        kind = type(op).__name__.lower()
        serial = self._serial.get(kind, 0)
        try:
            name = self.builder.add(op, operands, name=f"{kind}{serial}", origin=dict.fromkeys(origin))
        except TypeRuleError as error:
            raise fail(
                "BHC214",
                str(error),
                origin=origin[-1] if origin else kind,
                hint="check the shapes in the ONNX file",
            ) from error
        self._serial[kind] = serial + 1
        return name

    def type(self, tensor: Tensor) -> Type:
        """Type of the tensor's source."""
        return self.builder.type(tensor.source)

    def tap(self, tensor: str, value: Tensor) -> None:
        """Note that the ONNX tensor stands for value's source, whose (affine) decoding value has."""
        scale, offset = value.composed()
        self.taps.setdefault(value.source, Tap(tensor, value.index, scale, offset))

    # ------------------------------------------------------------------ the input

    def begin(
        self,
        choice: InputChoice,
        integers: Range,
        is_bipolar: bool,
        scale: Vector,
        offset: Vector,
        tensor: str,
    ) -> Tensor:
        """The quantized input; the shape in which it is first used settles its layout."""
        self.input = choice
        self.input_type = bipolar(1) if is_bipolar else Type((1,), integers)
        self.input_tap = Tap(tensor, np.arange(0), scale, offset)
        index = np.arange(int(np.prod(choice.shape))).reshape(choice.shape)
        noise = rounding_noise(scale, offset, max(abs(integers.lo), abs(integers.hi)))
        return Tensor(UNSETTLED, index, scale, offset, (integers.lo,), (integers.hi,), noise)

    def settled(self, tensor: Tensor) -> Tensor:
        """The tensor with its index in stream order, also if it is the input."""
        if tensor.source != UNSETTLED:
            return tensor
        if self.input_order is None:
            self._settle(tensor.index)
        order = self.input_order
        assert order is not None

        def renumber(index: IntArray) -> IntArray:
            return np.where(index < 0, -1, order[index])

        start = None if tensor.start is None else renumber(tensor.start)
        return replace(tensor, source=INPUT, index=renumber(tensor.index), start=start)

    def _settle(self, index: IntArray) -> None:
        """Declare the graph's input: channels last in the shape in which the ONNX tensor `index` is used."""
        assert self.input is not None
        assert self.input_tap is not None
        total = int(np.prod(self.input.shape))
        if index.size != total or bool(np.any(np.sort(index.reshape(-1)) != np.arange(total))):
            index = np.arange(total).reshape(self.input.shape)
        match index.shape[1:]:
            case (_, _):
                laid = index[0].T
            case (c, h, w) if 1 in {h, w}:
                laid = index[0].reshape(c, h * w).T
            case (_, _, _):
                laid = index[0].transpose(1, 2, 0)
            case _:
                laid = index.reshape(-1)
        self.head_order = np.ascontiguousarray(laid.reshape(-1))
        order = np.empty(total, np.int64)
        order[self.head_order] = np.arange(total)
        self.input_order = order
        self.builder.input(INPUT, replace(self.input_type, shape=laid.shape))
        self.taps[INPUT] = replace(self.input_tap, index=order.reshape(self.input.shape))

    # ------------------------------------------------------------------ layouts

    def image(self, tensor: Tensor, origin: str) -> Image:
        """Recognize the tensor (1, C, T) or (1, C, H, W) in its source, cropping what is not used.

        Raises BHC210 if the elements do not lie like that.
        """
        tensor = self.settled(tensor)
        found = self._find_image(tensor, origin)
        if found is None:
            h, w, c = self.type(tensor).image
            raise fail(
                "BHC210",
                f"the elements of its operand {tensor.shape} do not form an image of {h}x{w} positions and {c}"
                " channels",
                origin=origin,
                hint="keep the channel axis apart from time and width between convolutions; flatten only before"
                " dense layers",
            )
        return found

    def _find_image(self, tensor: Tensor, origin: str) -> Image | None:
        """`image` of a settled tensor, or None."""
        shape = self.type(tensor).image
        index = tensor.index
        if index.shape[0] != 1 or not 2 <= index.ndim <= 4:
            return None
        planes = index.reshape(*index.shape[1:], *([1] * (4 - index.ndim)))
        found = self._match(tensor, planes, shape, False, origin)
        if found is None and index.ndim > 2:
            found = self._match(tensor, planes.transpose(0, 2, 1), shape, True, origin)
        return found

    def _match(
        self, tensor: Tensor, planes: IntArray, image: tuple[int, int, int], swapped: bool, origin: str
    ) -> Image | None:
        h, w, c = image
        inside = planes >= 0
        rows, cols = np.flatnonzero(inside.any(axis=(0, 2))), np.flatnonzero(inside.any(axis=(0, 1)))
        if rows.size == 0:
            return None
        inner = planes[:, rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        border = Pads(
            int(rows[0]),
            int(cols[0]),
            int(planes.shape[1] - 1 - rows[-1]),
            int(planes.shape[2] - 1 - cols[-1]),
        )
        channels, at_row, at_col = inner[:, 0, 0] % c, inner[0, :, 0] // (w * c), inner[0, 0, :] // c % w
        expected = (at_row[None, :, None] * w + at_col[None, None, :]) * c + channels[:, None, None]
        steps = progression(at_row), progression(at_col)
        if 0 in steps or not np.array_equal(inner, expected):
            return None
        crop = Pads(-int(at_row[0]), -int(at_col[0]), int(at_row[-1]) + 1 - h, int(at_col[-1]) + 1 - w)
        if crop or steps != (1, 1):
            # A 1x1 pool drops what is not used; merge_crops folds it into a convolution before it where it can.
            node = self.emit(MaxPool((1, 1), steps, pads=crop), [tensor.source], [*tensor.origin, origin])
            whole = full_index(self.builder.type(node).image, swapped, 4)[0]
            inner = whole[channels]
            padded = np.full_like(planes, -1)
            if swapped:
                inner = inner.transpose(0, 2, 1)
            padded[:, rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1] = inner
            index = (padded.transpose(0, 2, 1) if swapped else padded).reshape(tensor.index.shape)
            tensor = replace(tensor, source=node, index=index)
        return Image(tensor, channels, swapped, border)

    def exact_integer(self, decoding: tuple[Vector, Vector], value: Fraction, value_type: Type) -> int | None:
        """The integer that stands for a real value in every channel, if the type can carry it."""
        scale, offset = decoding
        found = {(value - o) / s if s else None for s, o in zipped(scale, offset)}
        q = found.pop()
        if found or q is None or q.denominator != 1 or q.numerator not in value_type.range:
            return None
        return None if value_type.bipolar and q == 0 else q.numerator

    def pad(self, image: Image, pads: Pads, value: Fraction, origin: str) -> Image:
        """Surround with a real value, as a Pad node. Raises BHC209 if no integer stands for the value."""
        tensor = image.tensor
        scale, offset = tensor.composed()
        q = self.exact_integer((scale, offset), value, self.type(tensor))
        if q is None:
            raise fail(
                "BHC209",
                f"its operand is padded with {float(value)}, which its quantized type {self.type(tensor)} cannot hold",
                origin=origin,
                hint="pad with a value of the activation's quantizer, or use a zero point that is an integer",
            )
        node = self.emit(Pad(pads, q), [tensor.source], [origin])
        h, w, c = self.builder.type(node).image
        rank = 4 if tensor.index.ndim == 4 else 3
        index = full_index((h, w, c), image.swapped, rank)[:, image.channels]
        lo, hi = tuple(min(v, q) for v in tensor.lo), tuple(max(v, q) for v in tensor.hi)
        padded = Tensor(node, index, scale, offset, lo, hi, self.noise_after(tensor))
        return Image(padded, image.channels, image.swapped, Pads())

    def bordered(self, image: Image, origin: str) -> Image:
        """The image with its border, if it has one, as a Pad node."""
        tensor = image.tensor
        if not image.border:
            return image
        if tensor.fill is None:
            raise fail("BHC209", "its operand's padding differs between channels", origin=origin)
        padded = self.pad(image, image.border, tensor.fill, origin)
        if tensor.name:
            self.tap(tensor.name, padded.tensor)
        return padded

    def zero_padded(self, image: Image, window: Window, origin: str) -> tuple[Image, Pads]:
        """The image with its border and the window's own zero padding: what the op itself can pad (with the integer 0).

        The rest is emitted as Pad nodes.
        """
        tensor = image.tensor
        border, pads = image.border, window.pads
        if border and tensor.fill != 0:
            image = self.bordered(image, origin)
        else:
            pads = Pads(
                pads.top + border.top,
                pads.left + border.left,
                pads.bottom + border.bottom,
                pads.right + border.right,
            )
        _, offset = image.tensor.composed()
        if pads and any(offset):
            image = self.pad(image, pads, Fraction(0), origin)
            pads = Pads()
        return image, pads

    # ------------------------------------------------------------------ convolutions and dense layers

    def _integer_weights(
        self, weights: Quantized, x_scale: Vector, x_channel: IntArray, origin: str
    ) -> tuple[IntArray, Vector]:
        """Weights (M, K) against operands k of scale x_scale[x_channel[m, k]]: integers, and the scale of each row."""
        rows = weights.integers
        per_row = bool(np.all(weights.scale == weights.scale[:, :1]))
        if per_row and len(x_scale) == 1:
            scale = [Fraction(s) * x_scale[0] for s in weights.scale[:, 0].tolist()]
            return rows, shorten(scale)
        result = np.zeros(rows.shape, np.int64)
        units: list[Fraction] = []
        channel = np.broadcast_to(x_channel, rows.shape)
        for m in range(rows.shape[0]):
            pairs = list(zip(weights.scale[m].tolist(), channel[m].tolist(), strict=True))
            factors = {pair: Fraction(pair[0]) * at(x_scale, pair[1]) for pair in dict.fromkeys(pairs)}
            used = {pair for pair, q in zip(pairs, rows[m].tolist(), strict=True) if q}
            unit = common_unit([factors[pair] for pair in used])
            ratio = {pair: factors[pair] / unit if pair in used else Fraction(0) for pair in factors}
            if any(abs(r) > MAX_RATIO for r in ratio.values()):
                values = sorted({float(abs(factors[p])) for p in used})
                raise fail(
                    "BHC208",
                    f"sums products of unrelated scales, {values[0]} to {values[-1]} in output channel {m}",
                    origin=origin,
                    hint="quantize its input with one scale for all channels, and its weights"
                    " with one scale per output channel",
                )
            result[m] = [q * int(ratio[pair]) for q, pair in zip(rows[m].tolist(), pairs, strict=True)]
            units.append(unit)
        return result, shorten(units)

    def _linear(
        self, tensor: Tensor, weights: Quantized, channel: IntArray, origin: str
    ) -> tuple[IntArray, Vector, Vector]:
        """Integer weights, output scale and output offset for weights (M, K), operands from channel[m or 0, k]."""
        x_scale, x_offset = tensor.composed()
        rows, scale = self._integer_weights(weights, x_scale, channel, origin)
        if not any(x_offset):
            return rows, scale, (Fraction(0),)
        offsets: list[Fraction] = []
        channel = np.broadcast_to(channel, rows.shape)
        for m in range(rows.shape[0]):
            total = Fraction(0)
            for s in np.unique(weights.scale[m]).tolist():
                same = weights.scale[m] == s
                sums = np.bincount(channel[m][same], weights.integers[m][same], minlength=1)
                total += Fraction(s) * sum(
                    (int(v) * at(x_offset, c) for c, v in enumerate(sums.tolist()) if v), Fraction(0)
                )
            offsets.append(total)
        return rows, scale, shorten(offsets)

    def conv(self, tensor: Tensor, weights: Quantized, window: Window, groups: int, origin: str) -> Tensor:
        """Weights (M, C / groups, *kernel) over a tensor (1, C, ...)."""
        tensor = self.integral(tensor, origin)
        image = self.image(tensor, origin)
        rank = tensor.index.ndim
        window2 = window.as_2d(image.swapped)

        def arrange(array: NDArray[np.generic]) -> NDArray[np.generic]:
            square = array.reshape(*array.shape[:2], *(*array.shape[2:], 1)[:2])
            return square.transpose(0, 3, 2, 1) if image.swapped else square.transpose(0, 2, 3, 1)

        weights = weights.map(arrange)
        m, _, _, per_group = weights.integers.shape
        if per_group * groups != image.channels.size or m % groups:
            raise fail(
                "BHC214",
                f"weights for {per_group * groups} channels in {groups} groups over {image.channels.size} channels",
                origin=origin,
            )
        image, pads = self.zero_padded(image, window2, origin)
        tensor = image.tensor
        value_type = self.type(tensor)
        whole = value_type.channels
        if not (image.plain and whole == image.channels.size):
            weights, groups = scatter_channels(weights, image.channels, whole, groups)
            per_group = whole
        weights, pads = narrow(weights, pads, window2, value_type.image[:2])
        kernel = weights.integers.shape[1:3]
        group_of = np.arange(m)[:, None] // (m // groups)
        channel = group_of * per_group + np.tile(np.arange(per_group), kernel[0] * kernel[1])
        rows, scale, offset = self._linear(tensor, weights.map(lambda a: a.reshape(m, -1)), channel, origin)
        if len(value_type.shape) == 1:
            op: Op = Dense(rows)
            node = self.emit(op, [tensor.source], [*tensor.origin, origin])
            index = full_index((1, 1, m), False, rank)
        else:
            integers = np.ascontiguousarray(rows.reshape(m, *kernel, per_group))
            op = Conv(
                integers,
                (window2.stride[0], window2.stride[1]),
                (window2.dilation[0], window2.dilation[1]),
                pads,
                groups,
            )
            node = self.emit(op, [tensor.source], [*tensor.origin, origin])
            index = full_index(self.builder.type(node).image, image.swapped, rank)
        lo, hi = accumulator_bounds(rows, value_type.range, padded=bool(pads))
        noise = self._matmul_noise(weights.map(lambda a: a.reshape(m, -1)), tensor)
        return Tensor(node, index, scale, offset, tuple(lo.tolist()), tuple(hi.tolist()), noise)

    def dense(self, tensor: Tensor, weights: Quantized, origin: str) -> Tensor:
        """Weights (M, K) over a tensor (1, K) whose elements lie anywhere in their source."""
        tensor = self.integral(tensor, origin)
        tensor = self.settled(tensor)
        value_type = self.type(tensor)
        positions = tensor.index.reshape(-1)
        m = weights.integers.shape[0]
        if weights.integers.shape[1] != positions.size:
            raise fail("BHC214", f"weights {weights.integers.shape} over {positions.size} elements", origin=origin)
        inside = positions >= 0
        constant: Vector = (Fraction(0),)
        if not bool(np.all(inside)):
            constant = self._padding_products(tensor, weights.map(lambda a: a[:, ~inside]), origin)
            weights = weights.map(lambda a: a[:, inside])
            positions = positions[inside]
        rows, scale, offset = self._linear(tensor, weights, positions[None] % value_type.channels, origin)
        offset = shorten([o + v for o, v in zipped(offset, constant)])
        placed = np.zeros((m, value_type.elements), rows.dtype)
        if np.unique(positions).size == positions.size:
            placed[:, positions] = rows
        else:
            placed = placed.astype(np.int64)
            for column, position in enumerate(positions.tolist()):
                placed[:, position] += rows[:, column]
        node = self.emit(Dense(placed), [tensor.source], [*tensor.origin, origin])
        lo, hi = accumulator_bounds(placed, value_type.range, padded=False)
        noise = self._matmul_noise(weights, tensor)
        return Tensor(node, np.arange(m).reshape(1, m), scale, offset, tuple(lo.tolist()), tuple(hi.tolist()), noise)

    def _matmul_noise(self, weights: Quantized, tensor: Tensor) -> NDArray[np.float64]:
        """Error bound, by output, of a float32 product of weights (M, K) with an affine tensor."""
        products = matmul_noise(weights.scale, weights.integers, tensor.composed(), self.type(tensor).range)
        operand = float(np.max(self.noise_after(tensor)))
        if not operand:
            return products
        return products + absolute_sums(weights.scale, weights.integers) * operand

    def _padding_products(self, tensor: Tensor, weights: Quantized, origin: str) -> Vector:
        """What padding adds to each output: the sum of the weights that meet it, times its value."""
        if tensor.fill is None:
            raise fail("BHC209", "its operand's padding differs between channels", origin=origin)
        totals: list[Fraction] = []
        for integers, scales in zip(weights.integers, weights.scale, strict=True):
            units = np.unique(scales).tolist()
            sums = [Fraction(unit) * int(integers[scales == unit].sum()) for unit in units]
            totals.append(tensor.fill * sum(sums, Fraction(0)))
        return shorten(totals)

    def scaled(self, tensor: Tensor, factors: Sequence[int], origin: str) -> Tensor:
        """The same real values on integers multiplied by factors (one a channel, or one for all; not 0)."""
        if all(f == 1 for f in factors):
            return tensor
        value_type = self.type(tensor)
        c = value_type.channels
        per_channel = np.broadcast_to(np.array(factors, np.int64), (c,))
        if len(value_type.shape) == 1:
            node = self.emit(Dense(np.diag(per_channel)), [tensor.source], [origin])
        else:
            node = self.emit(Conv(per_channel.reshape(c, 1, 1, 1).copy(), groups=c), [tensor.source], [origin])
        scale = [s / f for s, f in zipped(tensor.scale, [Fraction(f) for f in factors])]
        ends = np.array(
            [np.broadcast_to(tensor.lo, (c,)) * per_channel, np.broadcast_to(tensor.hi, (c,)) * per_channel]
        )
        return replace(
            tensor,
            source=node,
            scale=shorten(scale),
            lo=tuple(ends.min(axis=0).tolist()),
            hi=tuple(ends.max(axis=0).tolist()),
        )

    # ------------------------------------------------------------------ pools, sums

    def max_pool(self, tensor: Tensor, window: Window, origin: str) -> Tensor:
        """Maximum over windows; taken at once if the value is an increasing function of the integer, else put off.

        After the functions that follow, the quantizer may be an increasing function again.
        """
        tensor = self.settled(self.without_pool(tensor, origin))
        image = self.image(tensor, origin)
        window2 = window.as_2d(image.swapped)
        tensor, pads = image.tensor, window2.pads
        border = image.border
        if border:
            together = Pads(
                pads.top + border.top, pads.left + border.left, pads.bottom + border.bottom, pads.right + border.right
            )
            span = [(k - 1) * d for k, d in zip(window2.kernel, window2.dilation, strict=True)]
            fits = max(together.top, together.bottom) <= span[0] and max(together.left, together.right) <= span[1]
            if fits and tensor.fill is not None and tensor.affine and tensor.fill <= least(tensor):
                pads = together
            else:
                image = self.bordered(replace(image, tensor=self.integral(tensor, origin)), origin)
                tensor = image.tensor
        op = MaxPool(
            (window2.kernel[0], window2.kernel[1]),
            (window2.stride[0], window2.stride[1]),
            (window2.dilation[0], window2.dilation[1]),
            pads,
        )
        try:
            pooled_type = infer(op, (self.type(tensor),))
        except TypeRuleError as error:
            raise fail("BHC214", str(error), origin=origin) from error
        index = full_index(pooled_type.image, image.swapped, tensor.index.ndim)[:, image.channels]
        later = replace(
            tensor,
            index=index,
            pool=op,
            pooled=len(tensor.pieces),
            fill=None,
            origin=(*tensor.origin, origin),
        )
        if tensor.steps:
            # The host's functions are monotone in float32 too, so that they commute with the maximum (of q or -q).
            later = replace(later, start=index, start_fill=None)
        if tensor.affine and all(s > 0 for s in tensor.composed()[0]):
            return self.without_pool(later, origin)
        return later

    def without_pool(self, tensor: Tensor, origin: str) -> Tensor:
        """With a pool that was put off taken now, on the integers; where the value decreases with q, on -q."""
        if tensor.pool is None:
            return tensor
        before = tensor.pieces[: tensor.pooled]
        if not monotone(before):
            raise no_quantizer(origin, "a maximum of float activations that do not rise or fall with the accumulator")
        signs = directions(tensor.scale, before)
        flipped = self.scaled(replace(tensor, pool=None), [s or 1 for s in signs], origin)
        node = self.emit(tensor.pool, [flipped.source], tensor.origin)
        return replace(flipped, source=node, origin=())

    def sum_pool(self, tensor: Tensor, window: Window, origin: str) -> Tensor:
        """Sum over windows; padding adds 0."""
        tensor = self.linear_or_integral(tensor, origin)
        image = self.image(tensor, origin)
        if tensor.affine:
            image, pads = self.zero_padded(image, window.as_2d(image.swapped), origin)
        else:
            pads = window.as_2d(image.swapped).pads
            if pads or image.border:
                raise fail(
                    "BHC205",
                    "padding is summed before quantization",
                    origin=origin,
                    hint="quantize before the pool",
                )
        window2 = window.as_2d(image.swapped)
        tensor = image.tensor
        op = SumPool((window2.kernel[0], window2.kernel[1]), (window2.stride[0], window2.stride[1]), pads)
        node = self.emit(op, [tensor.source], [*tensor.origin, origin])
        index = full_index(self.builder.type(node).image, image.swapped, tensor.index.ndim)[:, image.channels]
        return self._summed(tensor, node, index, op.kernel[0] * op.kernel[1], bool(pads))

    def _summed(self, tensor: Tensor, node: str, index: IntArray, count: int, padded: bool) -> Tensor:
        """Decoding of the sum of `count` values of a linear function of the integers."""
        times = Fraction(count)
        lo, hi = [v * count for v in tensor.lo], [v * count for v in tensor.hi]
        if padded:
            lo, hi = [min(v, 0) for v in lo], [max(v, 0) for v in hi]
        pieces: list[Piece] = []
        offset = tuple(o * times for o in tensor.offset)
        for piece in tensor.pieces:
            if isinstance(piece, Affine):
                pieces.append(Affine(piece.scale, tuple(o * times for o in piece.offset)))
            else:
                pieces.append(piece)
        magnitude = max(abs(v) for v in (*lo, *hi))
        noise = np.atleast_1d(tensor.noise) * count
        if bool(np.any(noise)) or not exact_in_float(tensor.scale, tensor.offset, magnitude):
            noise = noise + rounding_noise(tensor.scale, tensor.offset, magnitude) * (count + 1)
        return replace(
            tensor,
            source=node,
            index=index,
            offset=offset,
            lo=tuple(lo),
            hi=tuple(hi),
            noise=noise,
            fill=None,
            pieces=tuple(pieces),
            steps=(),
            start=None,
            begun=len(pieces),
            origin=(),
        )

    def total(self, tensor: Tensor, axes: tuple[int, ...], keepdims: bool, origin: str) -> Tensor:
        """Sum over ONNX axes."""
        tensor = self.settled(self.linear_or_integral(tensor, origin))
        zeros = tensor.fill == 0 and tensor.affine and not any(tensor.composed()[1])
        if bool(np.any(tensor.index < 0)) and not zeros:
            tensor = self.bordered(self.image(self.integral(tensor, origin), origin), origin).tensor
        elif tensor.index.size < self.type(tensor).elements:
            # Sum over what a crop leaves, if it can be cropped.
            image = self._find_image(tensor, origin)
            tensor = image.tensor if image else tensor
        axes = tuple(a % tensor.index.ndim for a in axes)
        h, w, c = self.type(tensor).image
        kept = [a for a in range(tensor.index.ndim) if a not in axes]
        sets = np.sort(
            tensor.index.transpose(*kept, *axes).reshape(int(np.prod([tensor.index.shape[a] for a in kept])), -1),
            axis=1,
        )
        shape = tuple(1 if a in axes else n for a, n in enumerate(tensor.index.shape) if keepdims or a not in axes)
        if sets.shape[1] == 1:
            return tensor.moved(lambda a: a.reshape(shape), Reshape(shape[1:]))
        # Zeros add nothing.
        missing = int((sets < 0).sum(axis=1).min())
        sets = sets[:, missing:]
        count = sets.shape[1]
        positions = np.arange(h * w * c).reshape(h, w, c)
        for kernel, index in (
            ((h, w), np.arange(c)),
            ((h, 1), np.arange(w * c)),
            ((1, w), np.arange(h * c)),
        ):
            if count != kernel[0] * kernel[1]:
                continue
            blocks = positions.reshape(h // kernel[0], kernel[0], w // kernel[1], kernel[1], c)
            blocks = np.sort(blocks.transpose(0, 2, 4, 1, 3).reshape(index.size, -1), axis=1)
            first = {int(row[0]): i for i, row in enumerate(blocks)}
            where = np.array([first.get(int(row[0]), -1) for row in sets])
            if bool(np.all(where >= 0)) and np.array_equal(blocks[where], sets) and len(self.type(tensor).shape) > 1:
                node = self.emit(SumPool(kernel, kernel), [tensor.source], [*tensor.origin, origin])
                return self._summed(tensor, node, where.reshape(shape), count, False)
        if not tensor.affine:
            tensor = self.integral(tensor, origin)
        # Any other sum is a dense layer that counts the elements that it takes.
        ones = np.zeros((sets.shape[0], h * w * c + 1), np.int64)
        np.add.at(ones, (np.arange(sets.shape[0])[:, None], sets), 1)
        ones = ones[:, :-1]
        every = Quantized(ones.astype(np.float32), ones, np.ones(ones.shape))
        whole = replace(tensor, index=np.arange(h * w * c).reshape(1, -1))
        result = self.dense(whole, every, origin)
        return replace(result, index=result.index.reshape(shape))

    def add(self, a: Tensor, b: Tensor, origin: str) -> Tensor:
        """Sum of two tensors on a common unit. Raises BHC208 if the scales have none that is small enough."""
        a, b = self.settled(self.integral(a, origin)), self.settled(self.integral(b, origin))
        if a.index.shape != b.index.shape:
            raise fail("BHC214", f"adds tensors of shapes {a.index.shape} and {b.index.shape}", origin=origin)
        a, b = self._aligned(a, b, origin)
        (sa, oa), (sb, ob) = a.composed(), b.composed()
        factors: list[tuple[int, int]] = []
        for x, y in zipped(sa, sb):
            unit = common_unit([x, y])
            if max(abs(x / unit), abs(y / unit)) > MAX_RATIO or not x or not y:
                raise fail(
                    "BHC208",
                    f"adds values of the scales {float(x)} and {float(y)}",
                    origin=origin,
                    hint="give both operands the same quantizer (in Brevitas: one shared"
                    " QuantIdentity before the addition)",
                )
            factors.append((int(x / unit), int(y / unit)))
        noise = rounding_noise(sa, oa, max(abs(v) for v in (*a.lo, *a.hi))) + rounding_noise(
            sb, ob, max(abs(v) for v in (*b.lo, *b.hi))
        )
        left = self.scaled(replace(a, scale=sa, offset=oa, pieces=()), [f for f, _ in factors], origin)
        right = self.scaled(replace(b, scale=sb, offset=ob, pieces=()), [f for _, f in factors], origin)
        node = self.emit(Add(), [left.source, right.source], [*a.origin, *b.origin, origin])
        offset = shorten([x + y for x, y in zipped(oa, ob)])
        lo = tuple(int(x + y) for x, y in zipped([Fraction(v) for v in left.lo], [Fraction(v) for v in right.lo]))
        hi = tuple(int(x + y) for x, y in zipped([Fraction(v) for v in left.hi], [Fraction(v) for v in right.hi]))
        before = self.noise_after(a) + self.noise_after(b)
        exact = exact_in_float(left.scale, offset, max(abs(v) for v in (*lo, *hi)))
        total_noise = np.zeros(1) if exact and not np.any(before) else noise * 2 + before
        fill = None if a.fill is None or b.fill is None else a.fill + b.fill
        return Tensor(node, a.index, left.scale, offset, lo, hi, total_noise, fill=fill)

    def hold(self, tensor: Tensor, axis: int, change: Fraction, origin: str) -> Tensor:
        """Along an ONNX axis, each element keeps its value until it differs by more than `change`.

        Raises BHC210 if the hardware's rows are not the positions along that axis.
        """
        tensor = self.settled(self.integral(tensor, origin))
        if not self._rows_along(tensor, axis):
            tensor = self.bordered(self.image(tensor, origin), origin).tensor
        h, w, _ = self.type(tensor).image
        if not self._rows_along(tensor, axis):
            raise fail(
                "BHC210",
                f"time is axis {axis} of its operand {list(tensor.shape)}, along which an image of {h}x{w} positions"
                " has no rows",
                origin=origin,
                hint="let time be the first axis behind the channels",
            )
        scale, offset = tensor.composed()
        (threshold,) = {int(change // abs(s)) for s in scale}
        if h == 1 or threshold < (2 if self.type(tensor).bipolar else 1):
            return tensor  # every change is more than that
        node = self.emit(Hold(threshold), [tensor.source], [*tensor.origin, origin])
        return Tensor(node, tensor.index, scale, offset, tensor.lo, tensor.hi, self.noise_after(tensor))

    def _rows_along(self, tensor: Tensor, axis: int) -> bool:
        """Whether the positions along an ONNX axis are the rows of the source, from the first to the last."""
        h, w, c = self.type(tensor).image
        rows = np.moveaxis(tensor.index, axis, 0).reshape(tensor.shape[axis], -1)
        return len(rows) == h and bool(
            np.all(rows[0] >= 0) and np.all(rows == rows[0] + np.arange(h)[:, None] * (w * c))
        )

    def _aligned(self, a: Tensor, b: Tensor, origin: str) -> tuple[Tensor, Tensor]:
        """Both tensors with the same index into sources of the same shape."""
        ta, tb = self.type(a), self.type(b)
        if ta.shape == tb.shape and np.array_equal(a.index, b.index):
            return a, b
        images = [self.image(t, origin) for t in (a, b)]
        a, b = (self.bordered(image, origin).tensor for image in images)
        if self.type(a).shape != self.type(b).shape or not np.array_equal(a.index, b.index):
            raise fail(
                "BHC210",
                f"its operands lie differently in memory ({self.type(a)}, {self.type(b)})",
                origin=origin,
                hint="bring both operands to the same layout with the same operations",
            )
        return a, b

    def concat(self, tensors: Sequence[Tensor], axis: int, origin: str) -> Tensor:
        """Side by side; in the hardware always along channels."""
        ready = [self.settled(self.integral(t, origin)) for t in tensors]
        if any(bool(np.any(t.index < 0)) for t in ready) or len({self.type(t).image[:2] for t in ready}) > 1:
            # Padding and cropping that only the index knows become nodes.
            ready = [self.bordered(self.image(t, origin), origin).tensor for t in ready]
        types = [self.type(t) for t in ready]
        if len({t.image[:2] for t in types}) > 1:
            raise fail(
                "BHC210",
                f"joins {', '.join(str(t) for t in types)} along axis {axis}",
                origin=origin,
                hint="join along channels, tensors of equal length and width",
            )
        node = self.emit(Concat(), [t.source for t in ready], [*(o for t in ready for o in t.origin), origin])
        total = sum(t.channels for t in types)
        parts: list[IntArray] = []
        base = 0
        for tensor, value_type in zip(ready, types, strict=True):
            c = value_type.channels
            parts.append(tensor.index // c * total + base + tensor.index % c)
            base += c
        decodings = [t.composed() for t in ready]

        def spread(vectors: Sequence[Vector]) -> Vector:
            return shorten(
                [v for vec, t in zip(vectors, types, strict=True) for v in (vec * t.channels if len(vec) == 1 else vec)]
            )

        def spread_ends(ends: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
            return tuple(
                v for end, t in zip(ends, types, strict=True) for v in (end * t.channels if len(end) == 1 else end)
            )

        noise = np.concatenate(
            [np.broadcast_to(self.noise_after(t), (y.channels,)) for t, y in zip(ready, types, strict=True)]
        )
        return Tensor(
            node,
            np.concatenate(parts, axis=axis),
            spread([d[0] for d in decodings]),
            spread([d[1] for d in decodings]),
            spread_ends([t.lo for t in ready]),
            spread_ends([t.hi for t in ready]),
            noise,
        )

    # ------------------------------------------------------------------ thresholds

    def chain(self, tensor: Tensor, more: Sequence[Piece] = ()) -> Chain:
        return Chain(tensor.scale, tensor.offset, (*tensor.pieces, *more), tensor.lo, tensor.hi)

    def _solve(self, chain: Chain, regions: Sequence[HalfLine], origin: str) -> Steps:
        try:
            return solve(chain, regions)
        except UndecidedError as error:
            raise fail("BHC218", str(error), origin=origin, hint="merge the normalizations before export") from error

    def quantize(
        self,
        tensor: Tensor,
        more: Sequence[Piece],
        regions: Sequence[HalfLine],
        base: int,
        is_bipolar: bool,
        decoding: tuple[Vector, Vector],
        origin: str,
    ) -> Tensor:
        """The quantizer whose integer is at least base + 1 + k where the chain's value lies in regions[k].

        decoding: scale and offset of its integers (-1 and +1 if bipolar).
        """
        if tensor.opaque:
            raise no_quantizer(origin, "a function without exact form comes before the quantizer")
        tensor = self.settled(tensor)
        pool = tensor.pool
        after = (*tensor.pieces[tensor.pooled :], *more)
        if pool is not None and (not monotone(after) or any(d < 0 for d in directions((Fraction(1),), after))):
            tensor, pool = self.without_pool(tensor, origin), None
        chain = self.chain(tensor, more)
        if not monotone(chain.pieces):
            return self._quantize_turning(tensor, chain, pool, more, regions, base, is_bipolar, decoding, origin)
        steps = self._solve(chain, regions, origin)
        self._note_ambiguity(chain, tensor, steps.cuts, origin)
        kept = self._fill_level(tensor, more, regions)
        thresholds, first = (steps.thresholds, 0) if is_bipolar else trimmed(steps, tensor, kept)
        value_type = self.type(tensor)
        names = (*tensor.origin, origin)
        lowest, highest = (-1, 1) if is_bipolar else (base + first, base + first + thresholds.shape[1])
        scale, offset = decoding
        bipolar_levels = is_bipolar
        if not is_bipolar and lowest == -1 and highest == 1 and np.array_equal(thresholds[:, 0], thresholds[:, 1]):
            thresholds, is_bipolar = thresholds[:, :1], True
        thresholds, descending = merged(thresholds, steps.descending)
        if pool is None and is_identity(thresholds, descending, lowest, is_bipolar, value_type):
            source = tensor.source
        else:
            op = Threshold(thresholds, descending, 0 if is_bipolar else lowest, is_bipolar)
            source = self.emit(op, [tensor.source], names)
            self.ambiguities[-1] = replace(self.ambiguities[-1], node=source)
            if pool is not None:
                source = self.emit(pool, [source], names)
        noise = rounding_noise(scale, offset, max(abs(lowest), abs(highest)))
        fill = _decoded_level(kept, base, bipolar_levels, decoding)
        return Tensor(source, tensor.index, scale, offset, (lowest,), (highest,), noise, fill=fill)

    def noise_after(self, tensor: Tensor) -> NDArray[np.float64]:
        """Error bound of an affine tensor's values in float32, its pieces included."""
        scale, offset, noise = tensor.scale, tensor.offset, tensor.noise
        magnitude = max(abs(v) for v in (*tensor.lo, *tensor.hi))
        for piece in tensor.pieces:
            assert isinstance(piece, Affine)
            scale, offset = compose(scale, offset, (piece,))
            noise = noise * np.abs(floats(piece.scale)) + 6 * rounding_noise(scale, offset, magnitude)
        return noise

    def noise_of_sum(self, scale: Vector, offset: Vector, magnitude: int) -> NDArray[np.float64]:
        """Error bound of one more addition in float32."""
        return rounding_noise(scale, offset, magnitude)

    def mean_noise(self, tensor: Tensor, count: int) -> NDArray[np.float64]:
        """Error bound of the mean of `count` values, from that of their sum."""
        scale, offset = tensor.composed()
        return tensor.noise / count + rounding_noise(scale, offset, max(abs(v) for v in (*tensor.lo, *tensor.hi))) * 2

    def estimate(self, tensor: Tensor, more: Sequence[Piece]) -> tuple[float, float]:
        """Least and greatest value of the chain over all channels, in float64."""
        if not monotone(tensor.pieces):
            return -np.inf, np.inf
        with np.errstate(all="ignore"):
            ends = [np.array([float(v) for v in end]) for end in (tensor.lo, tensor.hi)]
            values = [floats(tensor.scale) * end + floats(tensor.offset) for end in ends]
            for piece in (*tensor.pieces, *more):
                values = [estimate(piece, v) for v in values]
        return float(min(v.min() for v in values)), float(max(v.max() for v in values))

    def _quantize_turning(
        self,
        tensor: Tensor,
        chain: Chain,
        pool: MaxPool | None,
        more: Sequence[Piece],
        regions: Sequence[HalfLine],
        base: int,
        is_bipolar: bool,
        decoding: tuple[Vector, Vector],
        origin: str,
    ) -> Tensor:
        """`quantize` for a chain that is not monotone: the sum of a rising and a falling step function is any function.

        A last threshold, with a step at every level, takes the sum to the quantizer's own type.
        """
        try:
            turns = solve_turning(chain, regions)
        except UndecidedError as error:
            raise fail("BHC218", str(error), origin=origin, hint="merge the normalizations before export") from error
        self._note_ambiguity(chain, tensor, turns.cuts, origin)
        fill = _decoded_level(self._fill_level(tensor, more, regions), base, is_bipolar, decoding)
        names = (*tensor.origin, origin)
        low, high = (-1, 1) if is_bipolar else (base, base + len(regions))
        upward = np.zeros(turns.rising.shape[0], np.bool_)
        parts = [
            self.emit(Threshold(*merged(turns.rising, upward), base - turns.falling.shape[1]), [tensor.source], names),
            self.emit(Threshold(*merged(turns.falling, ~upward)), [tensor.source], names),
        ]
        self.ambiguities[-1] = replace(self.ambiguities[-1], node=parts[0])
        self.ambiguities.append(replace(self.ambiguities[-1], node=parts[1]))
        total = self.emit(Add(), parts, names)
        levels = np.arange(base + 1, base + 1 + len(regions))[None]
        op = Threshold(levels, np.zeros(1, np.bool_), 0 if is_bipolar else base, is_bipolar)
        source = self.emit(op, [total], names)
        if pool is not None:
            source = self.emit(pool, [source], names)
        noise = rounding_noise(*decoding, max(abs(low), abs(high)))
        return Tensor(source, tensor.index, *decoding, (low,), (high,), noise, fill=fill)

    def _note_ambiguity(self, chain: Chain, tensor: Tensor, cuts: NDArray[np.float64], origin: str) -> None:
        intervals = ambiguous_intervals(chain, cuts, tensor.noise)
        self.ambiguities.append(Ambiguity(origin, self.type(tensor).channels, intervals))

    def _fill_level(self, tensor: Tensor, more: Sequence[Piece], regions: Sequence[HalfLine]) -> int | None:
        """In how many regions padding lies, if that is the same for all channels; None if there is no padding."""
        if tensor.fill is None:
            return None
        level = 0
        for region in regions:
            at_fill: HalfLine | bool = region
            for piece in reversed(more):
                if isinstance(piece, Affine) and len(piece.scale) + len(piece.offset) > 2:
                    return None
                at_fill = preimage(piece, 0, at_fill, None)
            level += at_fill if isinstance(at_fill, bool) else tensor.fill in at_fill
        return level

    def linear_or_integral(self, tensor: Tensor, origin: str) -> Tensor:
        """The tensor as a linear function of its integers, perhaps with irrational factors: enough for sums."""
        if (
            tensor.pool is None
            and not tensor.opaque
            and all(isinstance(p, Affine | InverseRoot) for p in tensor.pieces)
        ):
            return tensor
        return self.integral(tensor, origin)

    def integral(self, tensor: Tensor, origin: str) -> Tensor:
        """The tensor as an affine function of integers: a function of few integers is tabulated as a Threshold.

        Raises BHC205 if its values do not lie on a grid.
        """
        if tensor.pool is None and tensor.affine:
            return tensor
        tensor = self.settled(self.without_pool(tensor, origin))
        if tensor.affine:
            return tensor
        if tensor.opaque or any(isinstance(p, Irrational) for p in tensor.pieces):
            raise no_quantizer(origin, f"its operand{_made_by(tensor)} is a float activation")
        lo, hi = min(tensor.lo), max(tensor.hi)
        if hi - lo > 4 * MAX_TABLE:
            raise no_quantizer(
                origin,
                f"its operand{_made_by(tensor)} is a float activation, a function of {hi - lo + 1} accumulator values",
            )
        chain = self.chain(tensor)
        rows = [[forward(chain, c, Fraction(q)) for q in range(lo, hi + 1)] for c in range(chain.channels)]
        values = [v for row in rows for v in row]
        unit = common_unit(values)
        low, high = min(values) / unit, max(values) / unit
        offset = Fraction(0)
        if high - low > MAX_TABLE:
            offset = min(values)
            unit = common_unit([v - offset for v in values])
            low, high = Fraction(0), (max(values) - offset) / unit
        if high - low > MAX_TABLE:
            raise no_quantizer(
                origin, f"its operand{_made_by(tensor)} is a float activation, not on a grid of integers"
            )
        level = None if tensor.fill is None else (tensor.fill - offset) / unit
        if level is not None and level.denominator == 1 and max(high, level) - min(low, level) <= MAX_TABLE:
            # The type holds the padding's value too.
            low, high = min(low, level), max(high, level)
        base = int(low)
        regions = [HalfLine(unit * k + offset, False) for k in range(base + 1, int(high) + 1)]
        if not regions:
            regions = [HalfLine(unit * (base + 1) + offset, False)]
        result = self.quantize(tensor, (), regions, base, False, ((unit,), (offset,)), origin)
        # The table holds for what the accumulator reaches; padding keeps its own value.
        return replace(result, fill=tensor.fill)


def _decoded_level(level: int | None, base: int, is_bipolar: bool, decoding: tuple[Vector, Vector]) -> Fraction | None:
    """The real value of a quantizer's level, if it is the same for all channels."""
    (scale, *scales), (offset, *offsets) = decoding
    if level is None or scales or offsets:
        return None
    return scale * (2 * level - 1 if is_bipolar else base + level) + offset


def _made_by(tensor: Tensor) -> str:
    return f", made by {tensor.origin[-1]}," if tensor.origin else ""


def no_quantizer(origin: str, message: str) -> BhcError:
    return fail(
        "BHC205",
        message,
        origin=origin,
        hint="put an activation quantizer (QuantIdentity, QuantReLU, ...) before it",
    )
