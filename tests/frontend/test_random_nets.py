"""Random nets of all layers in random order, against rational arithmetic at every stage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhc.diagnostics import BhcError
from tests.frontend.compare import assert_exact
from tests.frontend.net import Net


class RandomNet:
    """Draws layers over an image (C, T, W) and keeps track of its shape."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.two_d = draw(st.booleans())
        self.shape = [draw(st.integers(1, 4)), draw(st.integers(4, 9)), *([draw(st.integers(1, 3))] * self.two_d)]
        self.net = Net(*self.shape, opset=draw(st.sampled_from([13, 17])))
        self.x = self.quantized("x")
        self.input_shape = tuple(self.shape)

    def integers(self, *shape: int) -> np.ndarray:
        return self.rng.integers(-3, 4, shape)

    def per_channel(self, values: np.ndarray) -> np.ndarray:
        return values.reshape(-1, *([1] * (len(self.shape) - 1)))

    def quantized(self, x: str) -> str:
        """A quantizer with one scale, or a sign."""
        if x != "x" and self.draw(st.booleans()):
            return self.net.sign(x, self.draw(st.sampled_from([1.0, 0.5, -1.0])))
        scale = 0.5 if x == "x" else self.draw(st.sampled_from([1.0, 0.5, 0.3, 1.7]))
        zero_point = self.draw(st.sampled_from([0.0, 0.0, 1.0, -2.0]))
        signed = self.draw(st.booleans())
        return self.net.quant(x, scale, self.draw(st.integers(2, 4)), zero_point, signed=signed)

    def norm(self) -> None:
        c = self.shape[0]
        gamma = self.rng.normal(0, 1, c) * (self.rng.random(c) > 0.2)
        beta, mean = self.rng.normal(0, 1, (2, c))
        self.x = self.net.batch_norm(self.x, gamma, beta, mean, self.rng.uniform(0.1, 20, c))

    def conv(self) -> None:
        c = self.shape[0]
        axes = len(self.shape) - 1
        kernel = [self.draw(st.integers(1, min(3, n))) for n in self.shape[1:]]
        pads = [self.draw(st.integers(0, 2)) for _ in range(2 * axes)]
        strides = [self.draw(st.integers(1, 2)) for _ in range(axes)]
        groups = self.draw(st.sampled_from([1, c]))
        m = groups * self.draw(st.integers(1, 3))
        weights = self.net.weights(self.integers(m, c // groups, *kernel), self.draw(st.sampled_from([1.0, 0.25, 0.1])))
        self.x = self.net.op("Conv", self.x, weights, pads=pads, strides=strides, group=groups)
        self.shape = [
            m,
            *((n + pads[i] + pads[i + axes] - kernel[i]) // strides[i] + 1 for i, n in enumerate(self.shape[1:])),
        ]

    def max_pool(self) -> None:
        kernel = [min(2, n) for n in self.shape[1:]]
        self.x = self.net.op("MaxPool", self.x, kernel_shape=kernel, strides=kernel)
        self.shape[1:] = [(n - k) // k + 1 for n, k in zip(self.shape[1:], kernel, strict=True)]

    def average(self) -> None:
        kernel = [min(2, n) for n in self.shape[1:]]
        self.x = self.net.op("AveragePool", self.x, kernel_shape=kernel, strides=kernel)
        self.shape[1:] = [(n - k) // k + 1 for n, k in zip(self.shape[1:], kernel, strict=True)]

    def function(self) -> None:
        match self.draw(st.sampled_from(["Relu", "Neg", "Abs", "Mul", "Add", "Clip", "Sign"])):
            case "Mul" | "Add" as op:
                self.x = self.net.op(
                    op, self.x, self.net.constant(self.per_channel(self.rng.normal(0, 2, self.shape[0])))
                )
            case "Clip":
                self.x = self.net.op("Clip", self.x, self.net.constant(-1.5), self.net.constant(2.25))
            case op:
                self.x = self.net.op(op, self.x)

    def residual(self) -> None:
        scale = self.draw(st.sampled_from([1.0, 0.5]))
        a = self.net.quant(self.x, scale, 3)
        b = self.net.quant(self.net.op("Neg", self.x), scale * self.draw(st.sampled_from([1, 2])), 3)
        self.x = self.net.op("Add", a, b)

    def concat(self) -> None:
        self.x = self.net.op("Concat", self.net.quant(self.x, 0.5, 3), self.net.sign(self.x, 0.25), axis=1)
        self.shape[0] *= 2

    def pad(self) -> None:
        axes = len(self.shape) - 1
        pads = [0, 0, 1, *([0] * (axes - 1)), 0, 0, 2, *([0] * (axes - 1))]
        self.x = self.net.op("Pad", self.quantized(self.x), self.net.ints(*pads), self.net.constant(0.0))
        self.shape[1] += 3

    def chop(self) -> None:
        if self.shape[1] > 2:
            self.x = self.net.op(
                "Slice", self.x, self.net.ints(1), self.net.ints(-1), self.net.ints(2), self.net.ints(1)
            )
            self.shape[1] -= 2

    def quantize(self) -> None:
        self.x = self.quantized(self.x)

    def delta(self) -> None:
        self.x = self.net.delta(self.quantized(self.x), self.draw(st.integers(0, 6)))

    def dense(self) -> None:
        features = int(np.prod(self.shape))
        self.x = self.net.op("Flatten", self.quantized(self.x))
        weights = self.net.weights(self.integers(features, 3), self.draw(st.sampled_from([1.0, 0.3])))
        self.x = self.net.op("Gemm", self.x, weights)


@st.composite
def nets(draw: st.DrawFn) -> RandomNet:
    net = RandomNet(draw)
    layers = ["norm", "conv", "max_pool", "average", "function", "residual", "concat", "pad", "chop"]
    layers += ["quantize", "delta"]
    for name in draw(st.lists(st.sampled_from(layers), min_size=1, max_size=6)):
        getattr(net, name)()
        if int(np.prod(net.shape)) > 200:
            break
    net.dense()
    return net


# A random order of layers may rightly be refused for: float activations, padding without an integer, values without a
# common unit, and windows that do not fit.
REFUSALS = {"BHC205", "BHC208", "BHC209", "BHC214"}


@given(drawn=nets())
def test_random_net(drawn: RandomNet, tmp_path_factory: pytest.TempPathFactory) -> None:
    x = drawn.rng.integers(-9, 10, (2, *drawn.input_shape)) * np.float32(0.5)
    refused: set[str] = set()
    try:
        assert_exact(drawn.net, tmp_path_factory.mktemp("net"), x.astype(np.float32), drawn.x)
    except BhcError as error:
        refused = {d.code for d in error.diagnostics}
    assert refused <= REFUSALS
