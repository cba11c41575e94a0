"""bhc_delta alone: random instances x stalls x flip rates, against numpy and against the cycles of bhc.ir.delta.

Never stalled, every beat must move in exactly the cycle that bhc.ir.delta.timeline, and so the module's header, says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bhc.ir import delta
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Builder
from bhc.ir.layers import Layer, foldable, layer
from bhc.ir.ops import Conv, Dense, Threshold
from bhc.ir.stream import evaluate as evaluate_stream
from bhc.ir.types import BIPOLAR_RANGE, Kind, Range, Type
from tests.kernels.batch import Case, build_batch
from tests.kernels.harness import Bits, pack
from tests.kernels.test_compute import Array, Memories, draw_types, draw_words, out_words, store, values

RATES = (0.0, 0.02, 0.1, 0.3, 1.0)


@dataclass(frozen=True)
class Instance:
    """An instance, its memory files, and what its results follow from: weights (M, taps, channels), base (M,)."""

    case: Case
    memories: Memories
    shape: delta.Geometry
    parameters: Mapping[str, int]
    weights: Array
    base: Array

    def beats(self, x: Array) -> list[int]:
        """x: (columns, channels) words."""
        lanes, bits = self.parameters["Lanes"], self.parameters["XBits"]
        return [pack(beat, bits) for beat in x.reshape(-1, lanes)]

    def want(self, x: Array) -> list[int]:
        p, shape = self.parameters, self.shape
        moves = values(x, p["XBits"], p["XKind"]) - (-1 if p["XKind"] == 2 else 0)
        if p["SignOut"] and p["XKind"] == 2:
            moves = moves // 2
        outputs = []
        length = shape.columns or len(x)
        for start in range(0, len(x), length):
            part = moves[start : start + length]
            for first in range(0, len(part) - shape.reach, shape.stride):
                window = part[first : first + shape.reach + 1 : shape.dilation]
                outputs.append(self.base + np.einsum("mkc,kc->m", self.weights, window))
        acc = np.array(outputs, np.int64).reshape(-1, p["Pe"])
        # Accumulators wrap around.
        half = 1 << (p["AccBits"] - 1)
        wrapped = (acc + half) % (2 * half) - half
        return [pack(beat, p["OutBits"]) for beat in out_words(wrapped, p["SignOut"])]

    def timeline(self, x: Array) -> delta.Timeline:
        p = self.parameters
        events = delta.changes(x, self.shape, p["Lanes"])
        latency = delta.LATENCY + delta.product_register(dict(p))
        return delta.timeline(self.shape, events, nf=p["Nf"], width=p["Events"], latency=latency)


def sequence(random: Random, columns: int, channels: int, bits: int, rate: float, stride: int) -> Array:
    """Words (columns, channels) of which a share of `rate` differs from those `stride` columns before."""
    generator = np.random.default_rng(random.randrange(1 << 32))
    x = draw_words(random, columns, channels, bits=bits)
    for column in range(stride, columns):
        flips = generator.random(channels) < rate
        moved = x[column - stride] + generator.integers(1, 1 << bits, channels)
        x[column] = np.where(flips, moved % (1 << bits), x[column - stride])
    return x


def draw(random: Random, tag: str, fixed: Mapping[str, int]) -> Instance:
    """`fixed`: what must be covered whatever is drawn."""
    (x_bits, x_kind), (w_bits, w_kind) = draw_types(random)
    p = {
        "XBits": x_bits,
        "XKind": x_kind,
        "WBits": w_bits,
        "WKind": w_kind,
        "Lanes": random.choice([1, 2, 3, 6, 8, 17, 32]),
        "Chunks": random.choice([1, 1, 2, 3]),
        "Taps": random.choice([1, 2, 3, 5]),
        "D": random.choice([1, 1, 2, 3, 4]),
        "Stride": random.choice([1, 1, 2, 3]),
        "Pe": random.choice([1, 2, 5]),
        "Nf": random.choice([1, 1, 2, 3]),
        "Events": random.choice([1, 2, 4, 8]),
        "SignOut": random.randrange(2),
        **fixed,
    }
    reach = (p["Taps"] - 1) * p["D"]
    p.setdefault("Columns", random.choice([0, 0, reach + 1 + random.randrange(12)]))
    shape = delta.Geometry(p["Lanes"] * p["Chunks"], p["Taps"], p["D"], p["Stride"], p["Columns"])
    m = p["Pe"] * p["Nf"]
    w = draw_words(random, m, shape.taps, shape.channels, bits=p["WBits"])
    weights = values(w, p["WBits"], p["WKind"])
    spread = int(np.abs(weights).sum(axis=(1, 2)).max()) << p["XBits"]
    base = np.array([random.randrange(-spread - 1, spread + 1) for _ in range(m)], np.int64)
    # Sometimes too narrow for the sums: they wrap around.
    p["AccBits"] = max(2, (2 * spread + 1).bit_length() + random.choice([-3, 1, 1, 1]))
    p["OutBits"] = 1 if p["SignOut"] else p["AccBits"]

    parameters: dict[str, int | str | Bits] = {
        **p,
        "WeightsStyle": random.randrange(3),
    }
    memories: Memories = {}
    addresses = delta.weight_addresses(shape.taps, p["Nf"], p["Chunks"], p["Lanes"])
    words = [0] * (int(addresses.max()) + 1)
    for tap, nf, element in np.ndindex(addresses.shape):
        words[addresses[tap, nf, element]] = pack(w[nf * p["Pe"] : (nf + 1) * p["Pe"], tap, element], p["WBits"])
    store(parameters, memories, "Weights", words, p["Pe"] * p["WBits"], tag)
    store(
        parameters,
        memories,
        "Base",
        [pack(word, p["AccBits"]) for word in base.reshape(-1, p["Pe"])],
        p["Pe"] * p["AccBits"],
        tag,
    )
    case = Case("bhc_delta", parameters, {"in": p["Lanes"] * p["XBits"]}, p["Pe"] * p["OutBits"])
    return Instance(case, memories, shape, p, weights, base)


BINARY = {"XBits": 1, "XKind": 2, "WBits": 1, "WKind": 2}
# Layers as in the zoo, one phase and several, wide and narrow strides, everything in one beat or element by element.
CORNERS: list[dict[str, int]] = [
    {
        **BINARY,
        "Lanes": 64,
        "Chunks": 1,
        "Taps": 9,
        "D": 1,
        "Stride": 1,
        "Nf": 1,
        "Events": 4,
        "Columns": 0,
        "SignOut": 1,
    },
    {
        **BINARY,
        "Lanes": 32,
        "Chunks": 2,
        "Taps": 5,
        "D": 8,
        "Stride": 1,
        "Nf": 2,
        "Events": 2,
        "Columns": 0,
        "SignOut": 1,
    },
    {
        **BINARY,
        "Lanes": 16,
        "Chunks": 1,
        "Taps": 3,
        "D": 1,
        "Stride": 2,
        "Nf": 1,
        "Events": 1,
        "Columns": 0,
        "SignOut": 0,
    },
    {
        **BINARY,
        "Lanes": 16,
        "Chunks": 1,
        "Taps": 3,
        "D": 3,
        "Stride": 2,
        "Nf": 3,
        "Events": 4,
        "Columns": 23,
        "SignOut": 1,
    },
    {
        "XBits": 8,
        "XKind": 1,
        "WBits": 1,
        "WKind": 2,
        "Lanes": 6,
        "Chunks": 1,
        "Taps": 9,
        "D": 1,
        "Stride": 1,
        "Events": 2,
    },
    {
        "XBits": 4,
        "XKind": 1,
        "WBits": 3,
        "WKind": 1,
        "Lanes": 8,
        "Taps": 1,
        "D": 1,
        "Stride": 1,
        "Chunks": 3,
        "Columns": 0,
    },
    {**BINARY, "Lanes": 24, "Chunks": 3, "Taps": 1, "D": 1, "Stride": 1, "Columns": 1, "Events": 2},
    {**BINARY, "Lanes": 8, "Taps": 2, "D": 2, "Stride": 5, "Columns": 0, "Events": 8},
    # Rows that share the sums of pairs of events.
    {"XBits": 8, "XKind": 1, "WBits": 1, "WKind": 2, "Lanes": 6, "Pe": 4, "Events": 8},
    {"XBits": 3, "XKind": 0, "WBits": 1, "WKind": 2, "Lanes": 9, "Pe": 5, "Events": 4},
    {"XBits": 2, "XKind": 1, "WBits": 1, "WKind": 2, "Lanes": 3, "Pe": 4, "Events": 2},
    {"XBits": 4, "XKind": 1, "WBits": 1, "WKind": 2, "Lanes": 16, "Pe": 4, "Events": 16},
    {"XBits": 1, "XKind": 1, "WBits": 1, "WKind": 2, "Lanes": 5, "Taps": 4, "D": 4, "Stride": 3, "Events": 4},
    {"XBits": 1, "XKind": 0, "WBits": 2, "WKind": 1, "Lanes": 1, "Chunks": 1, "Taps": 2, "Pe": 1, "Nf": 1},
    {**BINARY, "Lanes": 1, "Chunks": 1, "Taps": 1, "Pe": 1, "Nf": 1, "Events": 1, "D": 1, "Stride": 1, "Columns": 0},
]


def instances(seed: int) -> list[Instance]:
    random = Random(seed)
    return [draw(random, f"delta{index}", fixed) for index, fixed in enumerate([*CORNERS, *({} for _ in range(8))])]


@pytest.mark.parametrize("seed", [1, 2])
def test_delta(tmp_path: Path, seed: int) -> None:
    drawn = instances(seed)
    for instance in drawn:
        for name, words in instance.memories.items():
            (tmp_path / name).write_text("".join(f"{word:x}\n" for word in words))
    batch = build_batch(tmp_path, [instance.case for instance in drawn])
    random = Random(seed)
    for index, instance in enumerate(drawn):
        shape = instance.shape
        columns = 3 * shape.columns if shape.columns else shape.reach + 40
        for number, rate in enumerate(RATES):
            x = sequence(random, columns, shape.channels, instance.parameters["XBits"], rate, shape.stride)
            beats, want, told = instance.beats(x), instance.want(x), instance.timeline(x)
            free = batch.run(index, {"in": beats}, len(want))
            assert free.outputs[0] == want, (instance.case, rate)
            assert free.taken["in"] == told.taken, (instance.case, rate)
            assert free.emitted[0] == told.given, (instance.case, rate)
            stalled = batch.run(index, {"in": beats}, len(want), 1 + number)
            assert stalled.outputs[0] == want, (instance.case, rate)


def weights_of(generator: np.random.Generator, kind: Kind, bits: int, *shape: int) -> Array:
    """Random weights of which one needs all the bits of this kind."""
    if kind == Kind.BIPOLAR:
        return generator.choice(np.array([-1, 1]), shape)
    low, high = (-(1 << (bits - 1)), 1 << (bits - 1)) if kind == Kind.SIGNED else (0, 1 << bits)
    found: Array = generator.integers(low, high, shape)
    found.flat[0] = low if kind == Kind.SIGNED else high - 1
    return found


@dataclass(frozen=True)
class Built:
    """A layer, columns (N, channels) for it, and what the evaluator makes of them, (outputs, M)."""

    item: Layer
    x: Array
    want: Array


def build_layer(
    seed: int, x_type: Type, w_kind: Kind, w_bits: int, m: int, taps: int, dilation: int, stride: int, *, sign: bool
) -> Built:
    """A dense layer if taps is 0."""
    generator = np.random.default_rng(seed)
    channels, columns = x_type.channels, 60
    low, high = x_type.range.lo, x_type.range.hi
    x: Array = generator.integers(low, high + 1, (columns, channels))
    if x_type.bipolar:
        x = 2 * (x > 0) - 1
    for column in range(1, columns):
        x[column] = np.where(generator.random(channels) < 0.2, x[column], x[column - 1])
    builder = Builder()
    name = builder.input("x", replace(x_type, shape=(stride, channels) if taps else (channels,)))
    if taps:
        weights = weights_of(generator, w_kind, w_bits, m, taps, 1, channels)
        op: Conv | Dense = Conv(weights, (stride, 1), (dilation, 1), endless=True)
    else:
        op = Dense(weights_of(generator, w_kind, w_bits, m, channels))
    name = builder.add(op, (name,), name="layer")
    reach = builder.type(name).range
    if sign:
        thresholds = generator.integers(reach.lo // 4, reach.hi // 4 + 1, (m, 1))
        thresholds[: m // 4] = [[reach.lo - 5]]  # always reached
        name = builder.add(Threshold(thresholds, np.zeros(m, np.bool_), bipolar=True), (name,), name="sign")
    graph = builder.graph((name,))
    made = evaluate_stream(graph, x) if taps else evaluate(graph, {"x": x})
    node = graph.nodes[0]
    return Built(layer(graph, node, foldable(graph, node, graph.users())), x, made[name].reshape(-1, m))


def test_layers(tmp_path: Path) -> None:
    """Parameters and memories of layers, against the evaluator."""
    bipolar = Type((1, 16), BIPOLAR_RANGE, bipolar=True)
    built = [
        (build_layer(1, bipolar, Kind.BIPOLAR, 1, 8, 5, 1, 1, sign=True), {"pe": 8, "events": 4, "lanes": 16}),
        (build_layer(2, bipolar, Kind.BIPOLAR, 1, 6, 3, 4, 1, sign=False), {"pe": 3, "events": 2, "lanes": 8}),
        (build_layer(3, bipolar, Kind.SIGNED, 4, 4, 3, 1, 2, sign=True), {"pe": 4, "events": 1, "lanes": 16}),
        (
            build_layer(4, Type((1, 12), Range(0, 15)), Kind.SIGNED, 4, 4, 2, 3, 2, sign=True),
            {"pe": 2, "events": 2, "lanes": 6},
        ),
        (
            build_layer(5, Type((1, 6), Range(-128, 127)), Kind.BIPOLAR, 1, 8, 9, 1, 1, sign=True),
            {"pe": 8, "events": 2, "lanes": 6},
        ),
        (
            build_layer(6, Type((24,), Range(-7, 7)), Kind.BIPOLAR, 1, 6, 0, 1, 1, sign=False),
            {"pe": 2, "events": 1, "lanes": 8},
        ),
        (
            build_layer(7, Type((1, 5), Range(-1, 0)), Kind.UNSIGNED, 1, 3, 4, 1, 1, sign=False),
            {"pe": 1, "events": 4, "lanes": 5},
        ),
    ]
    cases = []
    for index, (made, folding) in enumerate(built):
        assert delta.why_not(made.item) is None
        p = delta.params(made.item, **folding)
        parameters: dict[str, int | str | Bits] = {**p}
        for held in delta.memories(made.item, p):
            prefix = held.name.capitalize()
            if held.name == "weights":
                parameters["WeightsStyle"] = int(held.style)
            if held.depth == 1:
                parameters[f"{prefix}Init"] = Bits(int(held.hex_words()[0], 16), held.width)
            else:
                parameters[f"{prefix}File"] = f"layer{index}_{held.name}.hex"
                (tmp_path / f"layer{index}_{held.name}.hex").write_text("\n".join(held.hex_words()) + "\n")
        cases.append(Case("bhc_delta", parameters, {"in": p["Lanes"] * p["XBits"]}, p["Pe"] * p["OutBits"]))
    batch = build_batch(tmp_path, cases)
    for index, (made, folding) in enumerate(built):
        p = delta.params(made.item, **folding)
        words = (made.x + 1) // 2 if made.item.x.bipolar else made.x
        beats = [pack(beat, p["XBits"]) for beat in words.reshape(-1, p["Lanes"])]
        out = (made.want > 0).astype(np.int64) if p["SignOut"] else made.want
        want = [pack(beat, p["OutBits"]) for beat in out.reshape(-1, p["Pe"])]
        assert batch.run(index, {"in": beats}, len(want), index % 3).outputs[0] == want, cases[index]
