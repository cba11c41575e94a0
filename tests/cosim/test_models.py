"""Whole trained models in RTL: every stream equals the evaluator, cycles and latency as predicted, lint silent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bhc.backends.cosim import cosim, lint
from bhc.backends.rtl import emit
from bhc.frontend import Model, load
from bhc.ir import passes
from bhc.ir.pipeline import Resources
from bhc.ir.schedule import Rate, Target, schedule

PYNQ_Z2 = Resources(lut=53200, ff=106400, bram=140, dsp=220)
EXAMPLES = Path(__file__).parents[2] / "examples"
# Cycles a window: small designs, which build fast, of every mode that the schedule knows.
COMMITTED = {
    "demo/model.onnx": 3000,
    "models/hapt_ts.onnx": 40_000,
    "models/residual_ts.onnx": 6000,
    "models/residual_bipolar_dynamo.onnx": 1000,
    "models/causal_dynamo.onnx": 9000,
    "models/causal_bipolar_ts.onnx": 3000,
    "models/separable_ts.onnx": 8000,
    "zoo/models/hapt_bornagain.onnx": 1700,
    "zoo/models/motionsense_bornagain.onnx": 20_000,
}
SHARED = {
    "kws_w3a3/KWS-W3A3_QONNX_model.onnx": 1750,
    "tfc_1w1a/TFC_1W1A.onnx": 500,
    "padded_bipolar/har1d_w1a1_pad2_brevitas0.13.4.onnx": 2000,
    "padded_bipolar/har1d_w1a2_pad2_brevitas0.13.4.onnx": 4000,
    "bench/m1_btcnn_small.onnx": 1000,
    "bench/m3_jet_mlp.onnx": 64,
}


def windows(model: Model, count: int) -> np.ndarray:
    """Random walks with noise: slow like a body, and beyond the quantizer's range now and then."""
    rng = np.random.default_rng(11)
    shape = (count, *model.inputs[0].shape)
    x = rng.normal(0, 0.2, shape).cumsum(axis=-1) + rng.normal(0, 0.3, shape)
    x[0], x[1] = 0, -1e6
    return x.astype(np.float32)


def check(path: Path, cycles: int, folder: Path) -> None:
    model = load(path)
    graph = passes.run(model.graph)
    made = schedule(graph, model.name, Target(100.0, PYNQ_Z2, Rate(cycles)))
    assert made.cycles_per_window <= cycles
    assert lint(emit(made), folder) == ()
    x = {graph.inputs[0].name: model.head.run(windows(model, 20))}
    stalled = cosim(made, graph, x, folder, stalls=5)
    assert (stalled.mismatches, stalled.windows) == (0, 20), stalled.first_mismatch
    free = cosim(made, graph, {name: value[:8] for name, value in x.items()}, folder)
    assert free.mismatches == 0, free.first_mismatch
    assert free.cycles_per_window_measured is not None
    assert abs(free.cycles_per_window_measured - made.cycles_per_window) <= 0.02 * made.cycles_per_window
    assert free.latency_cycles is not None
    assert abs(free.latency_cycles - made.latency_cycles) <= 0.02 * made.latency_cycles


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMITTED)
def test_example(name: str, tmp_path: Path) -> None:
    check(EXAMPLES / name, COMMITTED[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED)
def test_shared_model(name: str, shared: Path, tmp_path: Path) -> None:
    check(shared / "models" / name, SHARED[name], tmp_path)
