"""The zoo's networks compute in the compiler what they compute in onnxruntime."""

import json
from pathlib import Path

import numpy as np
import pytest

from bhc.frontend import load, reference

MODELS = Path(__file__).parents[2] / "examples" / "zoo" / "models"


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.onnx")), ids=lambda path: path.stem)
def test_zoo_model(path: Path) -> None:
    model = load(path)
    rng = np.random.default_rng(3)
    x = rng.normal(0, 0.2, (12, *model.inputs[0].shape)).cumsum(axis=-1).astype(np.float32)
    found = reference.verify(model, path, x)
    assert found.mismatches == 0, found.first
    assert found.values > 100_000
    results = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    export = results["export"]["model"]
    assert export["same_labels"] + export["ambiguous"] >= export["windows"]
    assert list(model.tail.classes) == results["data"]["classes"]
