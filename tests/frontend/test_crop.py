"""Cropping behind a window op computes less, and the same."""

from __future__ import annotations

import numpy as np
import pytest

from bhc.frontend.crop import merge_crops
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Conv, MaxPool, Pads, Threshold
from bhc.ir.types import Range, Type


def _graph(pads: Pads, crop: Pads, *, fork: bool, threshold: bool, stride: int) -> Graph:
    rng = np.random.default_rng(1)
    builder = Builder()
    x = builder.input("input", Type((12, 3), Range(-8, 7)))
    y = builder.add(Conv(rng.integers(-3, 4, (4, 3, 1, 3)), (stride, 1), pads=pads), [x], name="conv0")
    if threshold:
        y = builder.add(Threshold(np.array([[0]]), np.zeros(1, np.bool_), bipolar=True), [y], name="threshold0")
    z = builder.add(MaxPool((1, 1), (1, 1), pads=crop), [y], name="crop0")
    return builder.graph([z, y] if fork else [z])


@pytest.mark.parametrize("threshold", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(
    ("pads", "crop", "fork", "merged"),
    [
        (Pads(2, 0, 2, 0), Pads(0, 0, -2, 0), False, True),
        (Pads(2, 0, 2, 0), Pads(-1, 0, -1, 0), False, True),
        (Pads(2, 0, 0, 0), Pads(0, 0, -3, 0), False, True),
        (Pads(), Pads(-1, 0, 0, 0), False, False),
        (Pads(2, 0, 2, 0), Pads(0, 0, -2, 0), True, False),
    ],
    ids=["end", "both", "end without padding", "beginning without padding", "fork"],
)
def test_merged_crop_is_the_same(
    pads: Pads, crop: Pads, fork: bool, merged: bool, threshold: bool, stride: int
) -> None:
    graph = _graph(pads, crop, fork=fork, threshold=threshold, stride=stride)
    after, cropped = merge_crops(graph)
    assert ("conv0" in cropped) == merged
    assert len(after.nodes) == len(graph.nodes) - merged
    x = np.random.default_rng(2).integers(-8, 8, (5, 12, 3))
    a, b = evaluate(graph, {"input": x}), evaluate(after, {"input": x})
    for old, new in zip(graph.outputs, after.outputs, strict=True):
        assert np.array_equal(a[old], b[new])
