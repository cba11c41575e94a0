"""A network, trained a little and exported by either exporter, computes in qonnx what it does in torch."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

from bhc.frontend import load
from bhc.training.export import Exporter, export
from bhc.training.loop import accuracy, fit, infer, seed
from bhc.training.models.examples import Demo


def two_classes(windows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise (windows, 6, 100), to which class 1 adds a slow oscillation."""
    y = torch.arange(windows) % 2
    wave = 8 * torch.sin(torch.arange(100) / 5)
    return torch.randn(windows, 6, 100) + y[:, None, None] * wave, y


def trained() -> tuple[Demo, torch.Tensor, torch.Tensor]:
    seed(0, threads=1)
    x, y = two_classes(64)
    model = Demo(width=8)
    fit(model, x, y, epochs=12, batch=16, rate=0.01, log=lambda _: None)
    return model, x, y


def test_training_learns_and_is_reproducible() -> None:
    model, x, y = trained()
    assert accuracy(model, x, y) > 0.95
    again, _, _ = trained()
    assert torch.equal(infer(model, x), infer(again, x))


@pytest.mark.parametrize("exporter", Exporter)
def test_export_computes_the_same(tmp_path: Path, exporter: Exporter) -> None:
    model, x, _ = trained()
    file = tmp_path / "model.onnx"
    for _ in range(2):  # the second time over the first one's files
        export(model, x[:1], file, exporter)
    assert Path(f"{file}.data").exists() == (exporter is Exporter.DYNAMO)
    wrapper = ModelWrapper(str(file)).transform(InferShapes())
    (source,), (sink,) = wrapper.graph.input, wrapper.graph.output
    got = np.concatenate([execute_onnx(wrapper, {source.name: row[None].numpy()})[sink.name] for row in x[:8]])
    # The logits are integers times a power of two: exact in float32, whatever the order of summation.
    assert np.array_equal(got, infer(model, x[:8]).numpy())


@pytest.mark.parametrize("exporter", Exporter)
def test_export_tells_nothing_of_the_machine(tmp_path: Path, exporter: Exporter) -> None:
    model, x, _ = trained()
    file = tmp_path / "model.onnx"
    export(model, x[:1], file, exporter)
    text = str(onnx.load(file, load_external_data=False))
    assert "metadata_props" not in text
    assert "doc_string" not in text
    assert str(Path(torch.__file__).parent) not in text


def test_file_names_classes_and_attributes(tmp_path: Path) -> None:
    model, x, _ = trained()
    names, attributes = ["still", "walking", "running", "falling"], np.eye(4, dtype=np.uint8)
    file = tmp_path / "model.onnx"
    export(model, x[:1], file, classes=names, attributes=attributes)
    tail = load(file).tail
    assert tail.classes == tuple(names)
    assert tail.attributes is not None


def test_latent_weights_become_signs(tmp_path: Path) -> None:
    model, x, _ = trained()
    file = tmp_path / "model.onnx"
    export(model, x[:1], file)
    proto = onnx.load(file)
    latent = {node.input[0] for node in proto.graph.node if node.op_type == "BipolarQuant"}
    weights = [onnx.numpy_helper.to_array(i) for i in proto.graph.initializer if i.name in latent]
    assert len(weights) == 4
    assert all(set(np.unique(w)) <= {-1.0, 1.0} for w in weights)
