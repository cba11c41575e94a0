"""Weights outside the device: which layers, in what form, and what is said where that cannot be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bhc
from bhc.backends.rtl import emit
from bhc.diagnostics import BhcError
from bhc.ir import ops, passes, pipeline, text
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Builder, Graph
from bhc.ir.layers import compute_layers, external_foldings
from bhc.ir.ops import Conv, Dense, IntArray, Threshold
from bhc.ir.pipeline import Folding, Pipeline, PipelineError, Resources
from bhc.ir.schedule import Fit, Goal, Rate, Target, Weights, schedule
from bhc.ir.types import bipolar
from tests.frontend.net import Net

#: Holds the smallest layer's weights, and not the others'.
SMALL = Resources(lut=2500, ff=5000, bram=2, dsp=0)
SLOW = Rate(10**6)


def network() -> Graph:
    """Dense layers of 262,144, 131,072 and 2,048 binary weights."""
    rng = np.random.default_rng(3)
    b = Builder()
    x = b.input("x", bipolar(16, 32))
    for number, outputs in enumerate((512, 256, 8)):
        inputs = b.type(x).elements
        x = b.add(Dense(rng.choice(np.array([-1, 1]), (outputs, inputs))), [x], name=f"dense{number}")
        if outputs > 8:
            sign = Threshold(np.zeros((1, 1), np.int64), np.zeros(1, np.bool_), bipolar=True)
            x = b.add(sign, [x], name=f"act{number}")
    return passes.run(b.graph([x]))


GRAPH = network()


def build(weights: Weights = "auto", ports: int = 3, goal: Goal = SLOW, device: Resources = SMALL) -> Pipeline:
    return schedule(GRAPH, "test", Target(100.0, device, goal, ports=ports, weights=weights))


def outside(made: Pipeline) -> list[str]:
    streams = {item.stream for item in made.external}
    return [stage.name for stage in made.stages if streams.intersection(stage.sources)]


def test_only_what_does_not_fit_is_outside_the_largest_first() -> None:
    assert outside(build()) == ["dense0", "dense1"]
    assert outside(build(device=replace(SMALL, bram=5))) == ["dense0"]
    assert outside(build(device=replace(SMALL, bram=20))) == []


def test_all_that_can_be_outside_if_asked() -> None:
    large = replace(SMALL, bram=100)
    assert outside(build("ddr", device=large)) == ["dense0", "dense1", "dense2"]
    assert outside(build("ddr", ports=1, device=large)) == ["dense0"]


@pytest.mark.parametrize(("weights", "ports"), [("chip", 3), ("auto", 0), ("auto", 1)])
def test_what_does_not_fit_without_ports_does_not_fit(weights: Weights, ports: int) -> None:
    with pytest.raises(BhcError) as caught:
        build(weights, ports)
    assert [found.code for found in caught.value.diagnostics] == ["BHC301"]


def test_nothing_that_could_be_outside() -> None:
    b = Builder()
    graph = b.graph([b.add(Dense(np.ones((3, 25), np.int64)), [b.input("x", bipolar(25))], name="layer")])
    with pytest.raises(BhcError, match=r"error\[BHC308\] --weights ddr: no layer's weights can come from memory"):
        schedule(graph, "test", Target(100.0, SMALL, SLOW, ports=3, weights="ddr"))


def test_a_word_a_cycle_with_some_to_spare() -> None:
    words = 512 * 512 // 64
    made = build()
    assert next(stage.cycles for stage in made.stages if stage.name == "dense0") == words
    assert build(goal=Rate(int(words / 0.94))).cycles_per_window < words + 100
    with pytest.raises(BhcError, match="BHC306"):
        build(goal=Rate(int(words / 0.96)))
    assert build(goal=Fit(1.0)).cycles_per_window < words + 100


def test_a_folding_makes_a_word() -> None:
    made = schedule(GRAPH, "test", Target(100.0, SMALL, SLOW, {"dense0": Folding(4, 16)}, ports=3, weights="auto"))
    stage = next(stage for stage in made.stages if stage.name == "dense0")
    assert (stage.kernel, stage.folding) == ("bhc_mvu_stream", Folding(4, 16))
    with pytest.raises(BhcError, match=r"BHC302.*pe=4 simd=8"):
        schedule(GRAPH, "test", Target(100.0, SMALL, SLOW, {"dense0": Folding(4, 8)}, ports=3))


def test_layers_that_cannot() -> None:
    rng = np.random.default_rng(1)

    def foldings(op: Conv | Dense, *shape: int) -> tuple[Folding, ...]:
        b = Builder()
        graph = b.graph([b.add(op, [b.input("x", bipolar(*shape))], name="layer")])
        return external_foldings(compute_layers(graph)["layer"])

    def signs(*shape: int) -> IntArray:
        return rng.choice(np.array([-1, 1]), shape)

    assert foldings(Dense(signs(4, 64)), 64) == (Folding(1, 64), Folding(2, 32), Folding(4, 16))
    assert foldings(Conv(signs(2, 1, 1, 64)), 5, 64) == (Folding(1, 64), Folding(2, 32))
    assert foldings(Conv(signs(2, 3, 1, 64)), 5, 64) == ()
    assert foldings(Dense(signs(3, 25)), 25) == ()
    assert foldings(Dense(rng.integers(-4, 4, (4, 64))), 64) == ()  # three bits


def test_the_invariant_of_words() -> None:
    made = build()
    (first, *rest) = made.external
    for wrong in (replace(first.memory, width=32), replace(first.memory, words=first.memory.words[:-1])):
        with pytest.raises(PipelineError, match="does not bring whole rounds of 64-bit words"):
            pipeline.verify(replace(made, external=(replace(first, memory=wrong), *rest)))


def test_many_signs_are_kept_in_bytes_and_mean_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ops, "MANY", 1)
    narrow = text.load(text.dump(GRAPH))
    weights = [node.op.weights for node in narrow.nodes if isinstance(node.op, Dense)]
    assert all(array.dtype == np.int8 for array in weights)
    assert text.dump(narrow) == text.dump(GRAPH)
    x = {"x": np.random.default_rng(2).choice(np.array([-1, 1]), (5, 16, 32))}
    for name, expected in evaluate(GRAPH, x).items():
        assert np.array_equal(evaluate(narrow, x)[name], expected)
    made = schedule(narrow, "test", Target(100.0, SMALL, SLOW, ports=3))
    assert emit(made).digest() == emit(build()).digest()


def save(folder: Path) -> Path:
    """A binary convolution and a dense layer of 4 x 64 weights."""
    rng = np.random.default_rng(4)
    net = Net(4, 10)
    x = net.sign(net.op("Conv", net.quant("x", 0.5, 4), net.weights(rng.choice([-1, 1], (8, 4, 3)))))
    return net.save(folder, net.op("MatMul", net.op("Flatten", x, axis=1), net.weights(rng.choice([-1, 1], (64, 4)))))


def test_the_way_from_an_onnx_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save(tmp_path)
    made = bhc.compile(model, weights="ddr", fps=1e5, out=tmp_path / "build")
    (row,) = made.report.external
    assert (row.file, row.bytes, row.bytes_per_window, row.at_rate) == ("ddr/w0.bin", 32, 32, 3.2)
    assert row.mb_per_second == 32 * 100 / made.report.cycles_per_window
    assert row.port_share == 4 / made.report.cycles_per_window
    stage = next(stage for stage in made.report.stages if stage.name == row.stage)
    assert (stage.memory, stage.weight_bits) == ("ddr", 256)
    assert (tmp_path / "build" / row.file).stat().st_size == row.bytes
    again = bhc.load(tmp_path / "build")
    assert pipeline.dump(again.pipeline) == pipeline.dump(made.pipeline)
    x = np.random.default_rng(5).normal(0, 2, (3, 4, 10)).astype(np.float32)
    with pytest.raises(BhcError, match=r"BHC602\] --backend hls: the C\+\+ library takes no weights from outside"):
        made.cosim(x, backend="hls")
    monkeypatch.setattr(ops, "MANY", 1)
    narrow = bhc.compile(model, weights="ddr", fps=1e5, out=tmp_path / "narrow")
    assert np.array_equal(narrow.simulate(x).y, made.simulate(x).y)
    for name in ("graph.txt", "pipeline.txt", "ddr/w0.bin"):
        assert (tmp_path / "narrow" / name).read_bytes() == (tmp_path / "build" / name).read_bytes()
