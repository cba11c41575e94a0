"""The demo: what its training script gives, and what the committed network gives, on the test windows."""

import os
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes

DEMO = Path(__file__).parents[2] / "examples" / "demo"

pytestmark = pytest.mark.skipif(
    find_spec("aeon") is None, reason="needs BasicMotions: pip install --no-deps aeon==1.6.0"
)


def correct_of_40(file: Path) -> int:
    """How many of the 40 test windows `file` classifies correctly, run by qonnx."""
    spec = spec_from_file_location("basicmotions", DEMO / "basicmotions.py")
    assert spec is not None
    assert spec.loader is not None
    recordings = module_from_spec(spec)
    spec.loader.exec_module(recordings)
    x, y = recordings.windows("TEST")
    model = ModelWrapper(str(file)).transform(InferShapes())
    logits = [execute_onnx(model, {"input": window[None]})["output"] for window in x]
    return int(np.sum(np.concatenate(logits).argmax(1) == y))


def test_committed_network() -> None:
    assert correct_of_40(DEMO / "model.onnx") == 40


@pytest.mark.slow
def test_training_reproduces_the_accuracy(tmp_path: Path) -> None:
    """Other processors round otherwise and may find other weights: the accuracy is what must be the same."""
    command = [sys.executable, str(DEMO / "train.py"), "--out", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}  # to import what this process can import
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    assert "test accuracy 40/40" in printed
    assert correct_of_40(tmp_path / "model.onnx") == 40
