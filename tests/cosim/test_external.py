"""Weights from outside the device: exact at the design's own ports, and behind the shell for a Zynq with a memory that
has latency and refreshes; and there about as fast as the memory's port.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bhc.backends import virtual_zynq
from bhc.backends.beats import beat_bytes, pack, unpack
from bhc.backends.cosim import cosim
from bhc.backends.rtl import emit
from bhc.backends.virtual_zynq import Faults, VirtualZynq
from bhc.backends.zynq import result_words, slot_bytes
from bhc.ir import passes
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Conv, Dense, IntArray, Threshold
from bhc.ir.pipeline import Pipeline
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import Range, Type
from bhc.zynq_server import open_design
from tests.strategies import DEVICE

#: What a refreshing DDR3 memory does behind a port of 100 MHz.
DDR = Faults(latency=30, jitter=30, pause=0, refresh=780, refresh_cycles=16)


def network() -> Graph:
    """The temporal CNN of LARa in small: a convolution along time on an image, three dense layers."""
    rng = np.random.default_rng(7)
    b = Builder()

    def signs(*shape: int) -> IntArray:
        return rng.choice(np.array([-1, 1], np.int64), shape)

    def act(x: str) -> str:
        steps = rng.integers(-9, 10, (b.type(x).channels, 1))
        return b.add(Threshold(steps, rng.random(len(steps)) < 0.3, bipolar=True), [x], name=f"{x}_act")

    x = b.input("x", Type((12, 4, 1), Range(-8, 7)))
    x = act(b.add(Conv(signs(16, 5, 1, 1)), [x], name="conv"))
    x = act(b.add(Dense(signs(64, 8 * 4 * 16)), [x], name="dense0"))
    x = act(b.add(Dense(rng.integers(-2, 2, (16, 64))), [x], name="dense1"))
    return passes.run(b.graph([b.add(Dense(signs(4, 16)), [x], name="dense2")]))


GRAPH = network()
DESIGN: Pipeline = schedule(GRAPH, "external", Target(100.0, DEVICE, Rate(600), ports=3, weights="ddr"))


def windows(count: int) -> dict[str, IntArray]:
    return {"x": np.random.default_rng(8).integers(-8, 8, (count, 12, 4, 1))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("external")


def test_weights_lie_outside_in_order_of_use() -> None:
    """dense0's word k holds the weights of inputs sf*Simd.. and outputs nf*Pe.., k counting nf, then sf."""
    stage = next(s for s in DESIGN.stages if s.name == "dense0")
    p = stage.params
    assert (stage.kernel, p["Pe"] * p["Simd"]) == ("bhc_mvu_stream", 64)
    assert [item.memory.depth for item in DESIGN.external] == [512, 64 * 16 * 2 // 64, 1]
    data = np.frombuffer(emit(DESIGN).files["ddr/w0.bin"], np.uint8).reshape(-1, 8)
    bits = np.unpackbits(data, axis=1, bitorder="little").reshape(p["Sf"], p["Nf"], p["Pe"], p["Simd"])
    op = next(node.op for node in GRAPH.nodes if node.name == "dense0")
    assert isinstance(op, Dense)
    assert np.array_equal(bits.transpose(1, 2, 0, 3).reshape(64, 512) == 1, op.weights == 1)


@pytest.mark.slow
@pytest.mark.parametrize("stalls", [None, 1])
def test_the_design_is_exact(folder: Path, stalls: int | None) -> None:
    result = cosim(DESIGN, GRAPH, windows(6), folder, stalls=stalls)
    assert (result.windows, result.mismatches) == (6, 0)
    if stalls is None:
        assert result.cycles_per_window_measured == DESIGN.cycles_per_window


def run(folder: Path, faults: Faults, data: Mapping[str, IntArray]) -> tuple[IntArray, int]:
    """Results and cycles of one job on the virtual Zynq."""
    source, sink = DESIGN.streams[DESIGN.input], DESIGN.streams[DESIGN.output]
    beats = pack(data["x"], source)
    slots = np.pad(beats, ((0, 0), (0, slot_bytes(source) - beats.shape[1])))
    count = len(data["x"])
    with (
        VirtualZynq(virtual_zynq.build(DESIGN, folder), DESIGN, faults) as board,
        open_design(board.directory) as design,
    ):
        for region, item in enumerate(DESIGN.external):
            design.load(region, 0, item.memory.words.tobytes())
        design.reset()
        done = design.run(slots.tobytes(), len(beats), count * result_words(DESIGN), timeout_s=120)
    whole = np.frombuffer(done.data, np.uint8).reshape(count, -1)[:, : sink.beats * slot_bytes(sink)]
    found = whole.reshape(-1, slot_bytes(sink))[:, : beat_bytes(sink)]
    return unpack(found, sink, (4,)), done.cycles


@pytest.mark.slow
def test_behind_memory_it_is_exact_and_keeps_the_port_busy(folder: Path) -> None:
    few, many = windows(10), windows(60)
    expected = evaluate(GRAPH, many)[GRAPH.outputs[0]]
    found, cycles = run(folder, DDR, many)
    assert np.array_equal(found, expected)
    _, start = run(folder, DDR, few)
    words = DESIGN.streams[DESIGN.external[0].stream].beats
    assert 50 * words >= 0.95 * (cycles - start)


@pytest.mark.slow
def test_memory_that_stops_and_goes_changes_time_alone(folder: Path) -> None:
    data = windows(10)
    found, _ = run(folder, replace(Faults(), latency=60, pause=200), data)
    assert np.array_equal(found, evaluate(GRAPH, data)[GRAPH.outputs[0]])
