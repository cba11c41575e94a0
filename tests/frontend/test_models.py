"""Whole models against onnxruntime, qonnx and their recorded outputs, at every stage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bhc.frontend import load
from bhc.frontend.reference import verify
from bhc.ir.evaluate import evaluate
from bhc.ir.ops import Pad

MODELS = {
    "m1": "bench/m1_btcnn_small.onnx",
    "m3": "bench/m3_jet_mlp.onnx",
    "w1a1": "padded_bipolar/har1d_w1a1_pad2_brevitas0.13.4.onnx",
    "w1a2": "padded_bipolar/har1d_w1a2_pad2_brevitas0.13.4.onnx",
    "tfc": "tfc_1w1a/TFC_1W1A.onnx",
    "kws": "kws_w3a3/KWS-W3A3_QONNX_model.onnx",
}
# Recorded inputs and outputs, where a file holds them.
RECORDED = {
    "m1": ("bench/m1_btcnn_small_ref.npz", "x", "bench/m1_btcnn_small_ref.npz", "y_qonnx"),
    "m3": ("bench/m3_jet_mlp_ref.npz", "x", "bench/m3_jet_mlp_ref.npz", "y_brevitas"),
    "w1a1": ("padded_bipolar/har1d_w1a1_pad2_in.npy", "", "padded_bipolar/har1d_w1a1_pad2_out.npy", ""),
    "w1a2": ("padded_bipolar/har1d_w1a2_pad2_in.npy", "", "padded_bipolar/har1d_w1a2_pad2_out.npy", ""),
    "tfc": ("tfc_1w1a/TFC_1W1A_ref_io.npz", "x", "tfc_1w1a/TFC_1W1A_ref_io.npz", "y"),
}


ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / "examples").glob("*/*.onnx"))


def _array(path: Path, key: str) -> np.ndarray:
    data = np.load(path)
    return np.asarray(data[key] if key else data)


def _inputs(shape: tuple[int, ...], count: int) -> np.ndarray:
    """Normal data over the quantizers' range, with the extremes and zeros among them."""
    x = np.random.default_rng(7).normal(0, 2, (count, *shape)).astype(np.float32)
    x[0], x[1], x[2] = 0, 1e6, -1e6
    return x


@pytest.mark.parametrize("name", MODELS)
def test_every_stage_equals_onnxruntime(name: str, shared: Path) -> None:
    path = shared / "models" / MODELS[name]
    model = load(path)
    result = verify(model, path, _inputs(model.inputs[0].shape, 256))
    assert (result.mismatches, result.windows) == (0, 256), result.first
    # Every IR value is compared, none is skipped.
    assert len(result.stages) == len(model.graph.nodes) + 1


@pytest.mark.parametrize("name", MODELS)
def test_every_stage_equals_qonnx(name: str, shared: Path) -> None:
    path = shared / "models" / MODELS[name]
    model = load(path)
    result = verify(model, path, _inputs(model.inputs[0].shape, 4), "qonnx")
    assert (result.mismatches, result.windows) == (0, 4), result.first


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_outputs(name: str, shared: Path) -> None:
    """Equal to the bit: these models' outputs are exact in float32."""
    model = load(shared / "models" / MODELS[name])
    source, x_key, target, y_key = RECORDED[name]
    x = _array(shared / "models" / source, x_key).reshape(-1, *model.inputs[0].shape)
    y = _array(shared / "models" / target, y_key)
    values = evaluate(model.graph, {"input": model.head.run(x)})
    outputs = model.tail.run([values[o] for o in model.graph.outputs])
    assert outputs[0].dtype == np.float32
    assert np.array_equal(outputs[0].reshape(y.shape), y)


def test_ambiguity_is_reported_where_float32_sums_round(shared: Path) -> None:
    """Scales that are no powers of two make float32 sums inexact; bipolar nets have none."""
    kws = load(shared / "models" / MODELS["kws"]).exactness
    m1 = load(shared / "models" / MODELS["m1"]).exactness
    assert (kws.channels, m1.channels, m1.ambiguous_channels) == (768, 160, 0)
    assert 0 < kws.ambiguous_channels <= 768


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_equals_onnxruntime(name: str) -> None:
    """The examples of this repository, from both exporters of Brevitas, at every stage."""
    model = load(ROOT / name)
    result = verify(model, ROOT / name, _inputs(model.inputs[0].shape, 256))
    assert (result.mismatches, result.windows) == (0, 256), result.first
    # Only padding that is an attribute of its layer in the file has no tensor to be compared with.
    untapped = [node for node in model.graph.nodes if node.name not in model.taps]
    assert all(isinstance(node.op, Pad) for node in untapped)
    assert len(result.stages) == len(model.graph.nodes) + 1 - len(untapped)


def test_dynamo_and_torchscript_exports_are_one_network() -> None:
    """The two exporters write different files for one network: the imported graphs compute the same."""
    folder = ROOT / "examples" / "models"
    pairs = [p for p in folder.glob("*_ts.onnx") if p.with_name(p.name.replace("_ts", "_dynamo")).exists()]
    assert pairs
    for path in pairs:
        a, b = load(path), load(path.with_name(path.name.replace("_ts", "_dynamo")))
        x = _inputs(a.inputs[0].shape, 32)
        outputs = []
        for model in (a, b):
            values = evaluate(model.graph, {"input": model.head.run(x)})
            outputs.append(model.tail.run([values[o] for o in model.graph.outputs])[0])
        assert np.array_equal(outputs[0], outputs[1])
