"""Single operations against plain formulas."""

import numpy as np
import pytest

from bhc.ir.evaluate import apply
from bhc.ir.ops import Hold, Threshold, TypeRuleError, infer
from bhc.ir.types import Range, Type, bipolar


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("levels", [1, 15, 16, 255])
def test_threshold_counts_levels(rows: int, levels: int) -> None:
    rng = np.random.default_rng(levels)
    thresholds = np.sort(rng.integers(-400, 400, (rows, levels)), axis=1)  # some are equal
    descending = np.arange(rows) % 2 == 1
    op = Threshold(thresholds, descending, base=-7)
    x = rng.integers(-500, 500, (2, 1, 50, 3))
    types = (Type((50, 3), Range(-500, 499)),)
    count = (x[..., None] >= thresholds).sum(axis=-1)
    expected = -7 + np.where(descending, levels - count, count)
    assert np.array_equal(apply(op, (x.reshape(2, 50, 3),), types).reshape(expected.shape), expected)


@pytest.mark.parametrize("shape", [(20, 3), (6, 4, 3), (1, 3), (5,)])
@pytest.mark.parametrize("threshold", [0, 1, 2, 7, 14, 15, 10**6])
def test_hold_is_the_recurrence(shape: tuple[int, ...], threshold: int) -> None:
    rng = np.random.default_rng(threshold)
    for kind in (Type(shape, Range(-9, 6)), bipolar(*shape)):
        x = rng.choice([-1, 1], (3, *shape)) if kind.bipolar else rng.integers(-9, 7, (3, *shape))
        got = apply(Hold(threshold), (x,), (kind,)).reshape(3, kind.image[0], -1)
        for sequence, found in zip(x.reshape(3, kind.image[0], -1), got, strict=True):
            for element in range(sequence.shape[1]):
                state = sequence[0, element]
                for value, held in zip(sequence[:, element], found[:, element], strict=True):
                    if abs(value - state) > threshold:
                        state = value
                    assert held == state


def test_hold_has_the_type_of_its_operand() -> None:
    assert infer(Hold(3), (bipolar(5, 2),)) == bipolar(5, 2)
    assert infer(Hold(0), (Type((5, 2), Range(-7, 99)),)) == Type((5, 2), Range(-7, 99))
    with pytest.raises(TypeRuleError, match="below the threshold -1"):
        infer(Hold(-1), (bipolar(5, 2),))
