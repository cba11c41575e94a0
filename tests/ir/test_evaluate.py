"""Single operations against plain formulas."""

import numpy as np
import pytest

from bhc.ir.evaluate import apply
from bhc.ir.ops import Threshold
from bhc.ir.types import Range, Type


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
