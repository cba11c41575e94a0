"""A model small enough for every test that goes the whole way, and a graph with a fork and a join."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Add, Conv, Dense, IntArray, Pads, SumPool, Threshold
from bhc.ir.types import Range, Type
from tests.frontend.net import Net

SHAPE = (3, 12)
CLASSES = 4


def save_model(folder: Path) -> Path:
    """A binary tCNN: 4-bit input, two convolutions, BatchNorm with gamma of both signs, pool, dense layer."""
    rng = np.random.default_rng(1)

    def signs(*shape: int) -> IntArray:
        return rng.choice(np.array([-1, 1], np.int64), shape)

    def norm(x: str, channels: int) -> str:
        gamma, beta, mean = rng.normal(0, 2, (3, channels))
        return net.batch_norm(x, gamma, beta, mean, rng.uniform(0.5, 2, channels))

    net = Net(*SHAPE)
    x = net.quant("x", 0.5, 4)
    x = net.sign(norm(net.op("Conv", x, net.weights(signs(8, 3, 3))), 8))
    x = net.op("MaxPool", x, kernel_shape=[2], strides=[2])
    x = net.sign(norm(net.op("Conv", x, net.weights(signs(8, 8, 3)), pads=[1, 1]), 8))
    x = net.op("Flatten", x, axis=1)
    return net.save(folder, net.op("Gemm", x, net.weights(signs(40, CLASSES))))


def windows(count: int) -> np.ndarray:
    """Input for it (N, 3, 12), extremes and zeros among them."""
    x = np.random.default_rng(2).normal(0, 2, (count, *SHAPE)).astype(np.float32)
    x[0] = 0
    if count > 2:
        x[1], x[2] = 1e6, -1e6
    return x


def residual() -> Graph:
    """Two residual blocks, one after the other."""
    rng = np.random.default_rng(3)
    build = Builder()

    def block(x: str, name: str, channels: int) -> str:
        weights = rng.integers(-3, 4, (4, 3, 1, channels))
        x = build.add(Conv(weights, pads=Pads(1, 0, 1, 0)), [x], name=f"conv{name}", origin=[f"Conv_{name}"])
        steps = np.sort(rng.integers(-20, 20, (4, 3)), axis=1)
        return build.add(Threshold(steps, np.zeros(4, np.bool_)), [x], name=f"act{name}", origin=[f"Relu_{name}"])

    x = block(build.input("input", Type((16, 2), Range(-8, 7))), "0", 2)
    for number in ("1", "2"):
        x = build.add(Add(), [x, block(block(x, f"{number}a", 4), f"{number}b", 4)], name=f"add{number}")
        x = build.add(Threshold(np.array([[1, 3, 5]]), np.zeros(1, np.bool_)), [x], name=f"sum{number}")
    x = build.add(SumPool((16, 1), (1, 1)), [x], name="gap")
    return build.graph([build.add(Dense(rng.integers(-3, 4, (3, 4))), [x], name="fc")])
