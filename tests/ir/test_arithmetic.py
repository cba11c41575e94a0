"""The constants that make the hardware's counts the true sums, against a bit-level model of bhc_dot."""

import numpy as np
import pytest

from bhc.ir.arithmetic import (
    Operand,
    accumulator,
    border_classes,
    constants,
    memory,
    raw_bound,
    shift,
)
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Builder
from bhc.ir.ops import Conv, IntArray, Pads, windows
from bhc.ir.pipeline import Style
from bhc.ir.types import Kind, Range, Type, bipolar

OPERANDS = [
    Operand(Kind.BIPOLAR, 1),
    *(Operand(Kind.UNSIGNED, bits) for bits in (1, 2, 5)),
    *(Operand(Kind.SIGNED, bits) for bits in (1, 2, 3, 8)),
]


def draw(rng: np.random.Generator, operand: Operand, shape: tuple[int, ...]) -> IntArray:
    if operand.kind == Kind.BIPOLAR:
        return rng.choice(np.array([-1, 1]), shape)
    if operand.kind == Kind.UNSIGNED:
        return rng.integers(0, 1 << operand.bits, shape)
    return rng.integers(-(1 << (operand.bits - 1)), 1 << (operand.bits - 1), shape)


def planes(values: IntArray, operand: Operand) -> list[IntArray]:
    stored = (values + 1) // 2 if operand.kind == Kind.BIPOLAR else values
    return [(stored >> bit) & 1 for bit in range(operand.bits)]


def raw(x: IntArray, w: IntArray, x_operand: Operand, w_operand: Operand) -> IntArray:
    """What rtl/bhc_dot.sv counts over the last axis."""
    total = np.zeros(np.broadcast_shapes(x.shape, w.shape)[:-1], np.int64)
    for i, w_plane in enumerate(planes(w, w_operand)):
        for j, x_plane in enumerate(planes(x, x_operand)):
            agree = w_plane == x_plane if w_operand.kind == Kind.BIPOLAR else (w_plane & x_plane) == 1
            negative = (w_operand.kind == Kind.SIGNED and i == w_operand.bits - 1) != (
                x_operand.kind == Kind.SIGNED and j == x_operand.bits - 1
            )
            total += (agree != negative).sum(axis=-1) << (i + j)
    return total


@pytest.mark.parametrize("w_operand", OPERANDS, ids=str)
@pytest.mark.parametrize("x_operand", OPERANDS, ids=str)
def test_counts_become_the_true_sum(x_operand: Operand, w_operand: Operand) -> None:
    rng = np.random.default_rng(x_operand.bits * 16 + w_operand.bits)
    weights, x = draw(rng, w_operand, (6, 11)), draw(rng, x_operand, (40, 1, 11))
    counted = raw(x, weights, x_operand, w_operand)
    assert np.array_equal(
        (counted << shift(x_operand)) + constants(weights, x_operand, w_operand), (x * weights).sum(axis=-1)
    )
    assert counted.max() <= raw_bound(11, x_operand, w_operand)


@pytest.mark.parametrize("x_type", [bipolar(9, 4), Type((9, 4), Range(-8, 7)), Type((9, 4), Range(0, 3))], ids=str)
@pytest.mark.parametrize("pads", [Pads(), Pads(2, 0, 2, 0), Pads(4, 0, 0, 0), Pads(0, 0, 3, 0)], ids=str)
def test_a_padded_convolution_with_thresholds_in_the_bias(x_type: Type, pads: Pads) -> None:
    rng = np.random.default_rng(7)
    op = Conv(rng.choice(np.array([-1, 1]), (5, 3, 1, 4)), dilation=(2, 1), pads=pads)
    builder = Builder()
    graph = builder.graph([builder.add(op, [builder.input("x", x_type)], name="conv")])
    x = draw(rng, Operand(x_type.kind, x_type.bits), (3, 9, 4))
    true = evaluate(graph, {"x": x})["conv"]
    thresholds = rng.integers(-4, 5, 5)

    positions = windows(x_type.image, op)
    masks, position_class = border_classes(x_type.image, op.kernel, op.stride, op.dilation, op.pads, positions)
    fill = -1 if x_type.bipolar else 0
    inserted = np.pad(x, ((0, 0), (pads.top, pads.bottom), (0, 0)), constant_values=fill)
    for limits in (None, thresholds):
        total = accumulator(
            op.weights, x_type, masks=masks, position_class=position_class, thresholds=limits, counted=True
        )
        assert total.sign_out == (limits is not None)
        for position in range(positions[0]):
            taps = inserted[:, position : position + 5 : 2].reshape(3, 1, -1)
            x_operand, w_operand = Operand(x_type.kind, x_type.bits), Operand(Kind.BIPOLAR, 1)
            counted = raw(taps, op.weights.reshape(5, -1), x_operand, w_operand)
            row = 0 if total.position_class is None else total.position_class[position]
            result = total.bias[row] + (counted << total.shift)
            wanted = true[:, position] if limits is None else true[:, position] - limits
            assert np.array_equal(result if limits is None else result >= 0, wanted if limits is None else wanted >= 0)
            assert np.all(np.abs(2 * result + 1) <= 1 << total.bits)


def test_words_are_packed_first_element_lowest() -> None:
    packed = memory("m", np.array([[1, -1, -4], [3, 0, 2]]), 3, Style.LUT)
    assert (packed.width, packed.depth) == (9, 2)
    assert packed.hex_words() == [f"{0b100_111_001:03x}", f"{0b010_000_011:03x}"]
    assert memory("b", np.array([[1, -1, 1, 1]]), 1, Style.LUT, bipolar=True).hex_words() == ["d"]
