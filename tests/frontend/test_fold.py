"""Chains of scales, normalizations, limits and a quantizer over every reachable integer, in exact arithmetic."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhc.frontend import load
from bhc.frontend.exact import inverse_root_bracket
from bhc.ir.evaluate import evaluate
from tests.frontend.compare import assert_exact
from tests.frontend.net import Net

MODES = ("ROUND", "FLOOR", "CEIL", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "half_even")


def floats(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, width=32, allow_subnormal=False)


# Ordinary numbers, exact halves and quarters (they make ties), and the extremes of float32.
ordinary = floats(-4, 4)
ties = st.integers(-64, 64).map(lambda n: n / 4)
extreme = st.sampled_from([0.0, 2.0**-60, -(2.0**-60), 2.0**60, -(2.0**60), 1.0, -1.0, 3e38, 1e-38])
numbers = st.one_of(ordinary, ties, extreme)
positive = st.one_of(st.sampled_from([1.0, 0.25, 4.0, 0.5, 2.0**-40, 2.0**40, 1e-30]), floats(2.0**-10, 16.0))


@st.composite
def chains(draw: st.DrawFn) -> Net:
    """An 8-bit input of 3 channels, then elementwise functions and a quantizer."""
    net = Net(3)
    x = net.quant("x", 1.0, draw(st.sampled_from([4, 6])))

    def per_channel(strategy: st.SearchStrategy[float]) -> list[float]:
        return draw(st.lists(strategy, min_size=3, max_size=3))

    for kind in draw(
        st.lists(
            st.sampled_from(["bn", "mul", "add", "sub", "div", "relu", "clip", "leaky", "prelu", "neg", "abs"]),
            max_size=4,
        )
    ):
        match kind:
            case "bn":
                variance = per_channel(st.one_of(positive, st.just(0.0)))
                epsilon = draw(st.sampled_from([1e-5, 1.0, 2.0**-10]))
                x = net.batch_norm(
                    x, per_channel(numbers), per_channel(numbers), per_channel(numbers), variance, epsilon
                )
            case "mul" | "add" | "sub":
                operand = net.constant([per_channel(numbers)] if draw(st.booleans()) else draw(numbers))
                pair = (operand, x) if draw(st.booleans()) else (x, operand)
                x = net.op(kind.capitalize(), *pair)
            case "div":
                x = net.op("Div", x, net.constant([per_channel(positive)]))
            case "relu":
                x = net.op("Relu", x)
            case "clip":
                low, high = sorted((draw(ordinary), draw(ordinary)))
                x = net.op("Clip", x, net.constant(low), net.constant(high))
            case "leaky":
                x = net.op("LeakyRelu", x, alpha=draw(floats(-2.0, 2.0)))
            case "prelu":
                x = net.op("PRelu", x, net.constant(per_channel(floats(-2.0, 2.0))))
            case "abs":
                x = net.op("Abs", x)
            case "neg":
                x = net.op("Neg", x)
    if draw(st.booleans()):
        scale = draw(st.one_of(positive, positive.map(lambda v: -v)))
        x = net.sign(x, scale)
    else:
        scales = [[draw(positive) * draw(st.sampled_from([1, 1, 1, -1])) for _ in range(3)]]
        x = net.quant(
            x,
            scales if draw(st.booleans()) else draw(positive),
            draw(st.integers(1, 4)),
            draw(st.sampled_from([0.0, 0.0, 1.0, 3.0, 0.5, -2.25])),
            signed=draw(st.booleans()),
            rounding=draw(st.sampled_from(MODES)),
        )
    net.op("Identity", x)
    return net


@given(net=chains())
def test_chain(net: Net, tmp_path_factory: pytest.TempPathFactory) -> None:
    x = np.repeat(np.arange(-32, 32, dtype=np.float32)[:, None], 3, axis=1)
    assert_exact(net, tmp_path_factory.mktemp("chain"), x, net.nodes[-1].output[0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("offset", [0.0, 0.5, 0.25])
def test_ties(mode: str, offset: float, tmp_path: Path) -> None:
    """Every half integer, in every rounding mode."""
    net = Net(1)
    x = net.op("Mul", net.quant("x", 1.0, 6), net.constant(0.5))
    x = net.quant(net.op("Add", x, net.constant(offset)), 1.0, 4, rounding=mode)
    net.op("Identity", x)
    assert_exact(net, tmp_path, np.arange(-32, 32, dtype=np.float32)[:, None], net.nodes[-1].output[0])


def test_zero_gamma_is_constant(tmp_path: Path) -> None:
    net = Net(4)
    x = net.batch_norm(net.quant("x", 1.0, 4), [0, 0, 1, -1], [0.5, -0.5, 0, 0], 0.0 * np.ones(4), np.ones(4), 0.5)
    net.sign(x)
    data = np.repeat(np.arange(-8, 8, dtype=np.float32)[:, None], 4, axis=1)
    model = assert_exact(net, tmp_path, data, net.nodes[-1].output[0])
    assert model.exactness.channels == 4


@given(n=st.integers(1, 2**200), d=st.integers(1, 2**200), bits=st.integers(8, 200))
def test_inverse_root_bracket(n: int, d: int, bits: int) -> None:
    low, high = inverse_root_bracket(Fraction(n, d), bits)
    if low == high:
        assert low * low * n == d
    else:
        assert low * low * n < d < high * high * n
        assert (high - low) * 2**bits <= low


def test_rational_and_irrational_roots_side_by_side(tmp_path: Path) -> None:
    """Ties are decided in the channels whose standard deviation is rational."""
    net = Net(3)
    x = net.batch_norm(net.quant("x", 1.0, 4), [0.25, 0.25, 0.25], [0, 0, 0], [0, 0, 0], [1, 0, 3], 1.0)
    net.quant(x, 1.0, 2)
    data = np.repeat(np.arange(-8, 8, dtype=np.float32)[:, None], 3, axis=1)
    assert_exact(net, tmp_path, data, net.nodes[-1].output[0])


def _squash(function: str, x: Decimal) -> Decimal:
    """Tanh or sigmoid to the context's digits, by the exponential function."""
    if function == "Tanh":
        return ((2 * x).exp() - 1) / ((2 * x).exp() + 1)
    return 1 / (1 + (-x).exp())


@pytest.mark.parametrize("function", ["Tanh", "Sigmoid"])
@pytest.mark.parametrize("zero_point", [0.0, 3.5])
def test_squashed_activations(function: str, zero_point: float, tmp_path: Path) -> None:
    """A quantizer behind tanh or sigmoid, against the functions to 80 digits; ties occur at 0 only."""
    net = Net(3)
    x = net.op("Mul", net.quant("x", 1.0, 8), net.constant([[0.015625, -0.3, 1e-3]]))
    x = net.quant(net.op(function, x), 0.125, 4, zero_point)
    model = load(net.save(tmp_path, x))
    q = np.arange(-128, 128, dtype=np.float32)
    data = np.repeat(q[:, None], 3, axis=1)
    values = evaluate(model.graph, {"input": model.head.run(data)})
    got = model.tail.run([values[o] for o in model.graph.outputs])[0]
    with localcontext() as context:
        context.prec = 80
        for c, factor in enumerate(np.array([0.015625, -0.3, 1e-3], np.float32).tolist()):
            for n, integer in enumerate(q.tolist()):
                y = _squash(function, Decimal(integer) * Decimal(factor)) * 8 + Decimal(zero_point)
                level = min(max(y, Decimal(-8)), Decimal(7)).to_integral_value(ROUND_HALF_EVEN)
                assert got[n, c] == float((level - Decimal(zero_point)) / 8)
