"""By hand: folds as many random channels as asked for, and checks each threshold on both sides in rational arithmetic.

    python -m tests.frontend.fold_campaign --channels 1000000 [--seed 0]

Each channel is a dense accumulator (a sum of 4 inputs with random weights), a BatchNorm with random parameters over
many orders of magnitude (negative and zero gammas, ties, extremes), perhaps a ReLU, and a quantizer of 1 to 3 bits or
a sign. For every threshold t and every neighbour q of t, t - 1 and some random q, the level that the folded threshold
gives must be the
level of the definition, worked out here in integers: gamma * (s * q - mean) / sqrt(v) compared with a rational, by
squares. Prints the number of channels, decisions and mismatches; exits with 1 if there is a mismatch.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bhc.frontend import load
from bhc.ir.ops import Threshold
from tests.frontend.net import Net

PER_NET = 4096
INPUTS = 4


def at_least(a: Fraction, v: Fraction, c: Fraction, strict: bool) -> bool:
    """A / sqrt(v) >= c (or > c if strict), v > 0, decided by signs and squares."""
    if a == 0:
        return c < 0 or (c == 0 and not strict)
    if c == 0 or (a > 0) != (c > 0):
        return a > 0
    left, right = a * a, c * c * v
    if left == right:
        return not strict
    return (left > right) == (a > 0)


def random_parameters(rng: np.random.Generator, channels: int) -> dict[str, NDArray[np.float32]]:
    """BatchNorm parameters: ordinary, on a grid that makes ties, zero, and extreme ones."""

    def mixed(ordinary: NDArray[np.float64]) -> NDArray[np.float32]:
        kind = rng.integers(0, 10, channels)
        grid = rng.integers(-32, 33, channels) / 4
        extreme = rng.choice([-1.0, 1.0], channels) * 2.0 ** rng.integers(-40, 41, channels)
        values = np.where(kind < 6, ordinary, np.where(kind < 8, grid, np.where(kind == 8, extreme, 0.0)))
        return values.astype(np.float32)

    variance = np.abs(mixed(rng.uniform(0.01, 500, channels)))
    return {
        "gamma": mixed(rng.normal(0, 1, channels)),
        "beta": mixed(rng.normal(0, 1, channels)),
        "mean": mixed(rng.normal(0, 10, channels)),
        "variance": np.where(rng.integers(0, 4, channels) == 0, np.round(variance) ** 2, variance).astype(np.float32),
    }


def check_net(rng: np.random.Generator, channels: int, folder: Path) -> tuple[int, int]:
    """One net: (decisions, mismatches)."""
    p = random_parameters(rng, channels)
    epsilon = float(rng.choice([0.0, 1e-5, 2.0**-10])) or 2.0**-20
    bits, signed, relu = int(rng.integers(1, 4)), bool(rng.integers(0, 2)), bool(rng.integers(0, 2))
    bipolar = bool(rng.integers(0, 2))
    scale = np.float32(rng.choice([1.0, 0.5, 0.3, 1 / 7, 3e-4, 700.0]))
    weights = rng.integers(-7, 8, (INPUTS, channels))
    weight_scale = rng.choice([1.0, 0.125, 0.1, 0.037], (1, channels)).astype(np.float32)
    net = Net(INPUTS)
    x = net.op("MatMul", net.quant("x", 0.25, 8), net.weights(weights, weight_scale, 4))
    x = net.batch_norm(x, p["gamma"], p["beta"], p["mean"], p["variance"], epsilon)
    if relu:
        x = net.op("Relu", x)
    x = net.sign(x) if bipolar else net.quant(x, scale, bits, signed=signed)
    model = load(net.save(folder, x))
    node = next(n for n in model.graph.nodes if isinstance(n.op, Threshold))
    assert isinstance(node.op, Threshold)
    lo = np.minimum(weights * -128, weights * 127).sum(axis=0)
    hi = np.maximum(weights * -128, weights * 127).sum(axis=0)
    low, high = (0, 1) if bipolar else ((-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1))
    if bits == 1 and signed and not bipolar:
        low, high = 0, 1
    one_bit = bipolar or (bits == 1 and signed)
    decisions = wrong = 0
    thresholds = np.broadcast_to(node.op.thresholds, (channels, node.op.levels))
    descending = np.broadcast_to(node.op.descending, (channels,))
    for c in range(channels):
        around = {int(t) + d for t in thresholds[c] for d in (-1, 0, 1)} | {
            int(q) for q in rng.integers(lo[c], hi[c] + 1, 2)
        }
        s = Fraction(float(weight_scale[0, c])) / 4
        gamma, beta, mean, variance = (Fraction(float(p[k][c])) for k in ("gamma", "beta", "mean", "variance"))
        v = variance + Fraction(float(np.float32(epsilon)))
        for q in around:
            if not lo[c] <= q <= hi[c]:
                continue
            a = gamma * (s * q - mean)
            level = 0
            for k in range(low + 1, high + 1):
                # Rounding half to even: at least k from k - 1/2 on, the end included if k is even.
                end = Fraction(0) if one_bit else (k - Fraction(1, 2)) * Fraction(float(scale))
                strict = not one_bit and k % 2 != 0
                passed = at_least(a, v, end - beta, strict)
                if relu:
                    passed = passed or (end < 0 or (end == 0 and not strict))
                level += passed
            count = int(np.count_nonzero(thresholds[c] <= q))
            got = node.op.levels - count if descending[c] else count
            expected = level if node.op.bipolar else low + level - node.op.base
            decisions += 1
            wrong += got != expected
    return decisions, wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    begun = time.monotonic()
    channels = decisions = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        while channels < arguments.channels:
            count = min(PER_NET, arguments.channels - channels)
            done, bad = check_net(rng, count, Path(folder))
            channels, decisions, wrong = channels + count, decisions + done, wrong + bad
            print(
                f"{channels} channels, {decisions} decisions, {wrong} mismatches, {time.monotonic() - begun:.0f} s",
                flush=True,
            )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
