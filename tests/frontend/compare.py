"""Compares an imported model with the rational interpreter, stage by stage, with exact equality."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bhc.frontend import Model, load
from bhc.ir.evaluate import evaluate
from tests.frontend.net import Net
from tests.frontend.rational import interpret


def assert_exact(net: Net, folder: Path, x: NDArray[Any], *outputs: str) -> Model:
    """Import the net and check every stage on windows x (N, ...); returns the model.

    Each IR value that an ONNX tensor stands for must decode to exactly that tensor's rational value, and the outputs
    to the rational outputs rounded to float32 (where the tail has no float32 steps of its own).
    """
    model = load(net.save(folder, *outputs))
    values = evaluate(model.graph, {"input": model.head.run(x)})
    answers = model.tail.run([values[name] for name in model.graph.outputs])
    proto = net.model(*outputs)
    compared = 0
    for n, window in enumerate(x):
        tensors = interpret(proto, window)
        for name, tap in model.taps.items():
            q = values[name][n].reshape(-1)
            channels = values[name].shape[-1]
            for position, expected in zip(tap.index.reshape(-1).tolist(), tensors[tap.tensor].reshape(-1), strict=True):
                if position < 0:
                    continue
                c = position % channels
                got = tap.scale[c % len(tap.scale)] * int(q[position]) + tap.offset[c % len(tap.offset)]
                assert got == expected, (
                    f"window {n}, {name} ({tap.tensor}), position {position}: {got} is not {expected}"
                )
                compared += 1
        for output, answer in zip(model.tail.outputs, answers, strict=True):
            if not output.steps:
                exact = tensors[output.name].reshape(-1)
                assert answer[n].reshape(-1).tolist() == [nearest(v) for v in exact]
    assert compared
    return model


def nearest(x: Fraction | int) -> float | int:
    """The float32 nearest to x, ties to even."""
    if isinstance(x, int | np.integer):
        return int(x)
    guess = np.float32(float(x))
    near = [np.nextafter(guess, np.float32(s), dtype=np.float32) for s in (-np.inf, np.inf)]
    best = min((guess, *near), key=lambda f: (abs(Fraction(float(f)) - x), int(f.view(np.uint32)) & 1))
    return float(best)
