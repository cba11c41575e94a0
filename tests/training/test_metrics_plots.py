"""Plots are written, are well formed, and equal data give equal bytes."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import torch

from bhc.training.metrics import plots
from bhc.training.metrics.calibration import calibrate
from bhc.training.metrics.classification import classify

LABELS = torch.arange(60) % 3
LOGITS = torch.nn.functional.one_hot((torch.arange(60) % 7) % 3, 3).double() * torch.linspace(0.1, 4, 60)[:, None]

PLOTS: dict[str, Callable[[Path], None]] = {
    "reliability": lambda path: plots.reliability(calibrate(LOGITS, LABELS, 1.5), path),
    "confusion": lambda path: plots.confusion(classify(LOGITS.argmax(1), LABELS, ("walk", "sit", "fall")), path),
    "curves": lambda path: plots.curves(
        [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "flips": 0.3}, {"epoch": 1, "loss": 0.5}], path
    ),
    "layers": lambda path: plots.layers({"conv1": 0.25, "conv1.pool": 0.0}, path, "flip rate"),
}


@pytest.mark.parametrize("name", PLOTS)
def test_plot_is_deterministic_svg(name: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first.svg", tmp_path / "second.svg"
    PLOTS[name](first)
    PLOTS[name](second)
    assert first.read_bytes() == second.read_bytes()
    assert ET.parse(first).getroot().tag.endswith("svg")
    assert "<dc:date>" not in first.read_text()


def test_other_formats_by_suffix(tmp_path: Path) -> None:
    PLOTS["layers"](tmp_path / "flips.png")
    assert (tmp_path / "flips.png").read_bytes().startswith(b"\x89PNG")
