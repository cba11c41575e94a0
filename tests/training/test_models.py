"""Every model, small: it trains in all its layers, and what is exported computes the same in bhc."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bhc import api
from bhc.diagnostics import BhcError
from bhc.training.blocks import Standardize, clip_latent, named_layers
from bhc.training.export import export
from bhc.training.models import BUILDERS, builder
from bhc.training.models.dccnn import DivideAndConquer, gaussian, sharpen
from bhc.training.precision import Bits, Precision

CHANNELS, TIME, CLASSES = 6, 128, 5


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Case:
    """layers: their names, if they are few. exact: whether the logits of its binary form are exact in float32."""

    model: str
    options: dict[str, Any]
    layers: str = ""
    exact: bool = True


CASES = [
    Case("btcnn", {"filters": 4, "dense": (16,), "pool": (2, 2, 1, 1)}, "conv1 conv2 conv3 conv4 dense1 head"),
    Case("btcnn", {"filters": 2, "dense": (8,), "pool": (2, 2), "sensors": "columns"}, "conv1 conv2 dense1 head"),
    Case("btcnn", {"filters": 8, "dense": (), "pool": (2, 2, 2, 1), "norm": False, "head": "average"}),
    Case("harcnn", {"filters": (4, 8, 4)}, "conv1 conv2 conv3 head"),
    Case("resnet1d", {"filters": 4, "kernel": 3, "xnor": True}),
    Case(
        "dstcnn",
        {"filters": 4, "padding": "causal", "head_norm": True},
        "conv1 depthwise1 pointwise1 depthwise2 pointwise2 depthwise3 pointwise3 head",
        exact=False,
    ),
    Case("dstcnn", {"filters": 4, "stochastic": True, "lsq": True}),
]
PRECISIONS = {
    "float": Precision(),
    "4": Precision.uniform(4, 4),
    "1": Precision.uniform(1, 1),
    "mixed": Precision(8, Bits(1, 1), {"conv1": Bits(8, 1), "stem": Bits(8, 1)}),
}


def build(case: Case, precision: Precision) -> nn.Module:
    standardize = Standardize(torch.full((CHANNELS,), 0.1), torch.full((CHANNELS,), 1.5))
    return builder(case.model)((CHANNELS, TIME), CLASSES, precision, standardize=standardize, **case.options)


def train(model: nn.Module, steps: int = 2) -> Tensor:
    """Trains on noise; all layers must get a gradient. Returns the windows."""
    x = 1.5 * torch.randn(16, CHANNELS, TIME)
    y = torch.arange(16) % CLASSES
    optimizer = torch.optim.Adam(model.parameters(), 0.005)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        assert loss.isfinite()
        for layer in named_layers(model):
            gradient = layer.weights.get_parameter("weight").grad
            assert gradient is not None, layer.name
            assert gradient.isfinite().all(), layer.name
            assert gradient.any(), layer.name
        optimizer.step()
        clip_latent(model)
    model.eval()
    return x


def compare(model: nn.Module, x: Tensor, path: Path, *, exact: bool) -> None:
    """The simulator on the exported file against torch."""
    export(model, x[:1], path)
    simulated = api.compile(path, emit="graph").simulate(x[:8].numpy())
    expected = model(x[:8]).detach().numpy()
    assert np.array_equal(simulated.labels, expected.argmax(1))
    if exact:
        assert np.array_equal(simulated.y, expected)
    else:  # float scales, or a BatchNorm on the logits
        np.testing.assert_allclose(simulated.y, expected, atol=1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.model)
def test_trains_and_compiles(tmp_path: Path, case: Case, precision: str) -> None:
    bits = PRECISIONS[precision]
    model = build(case, bits)
    if case.layers:
        assert [layer.name for layer in named_layers(model)] == case.layers.split()
    x = train(model)
    assert model(x).shape == (16, CLASSES)
    if precision != "float":
        compare(model, x, tmp_path / "model.onnx", exact=case.exact and precision in {"1", "mixed"})


@pytest.mark.parametrize(
    ("shape", "parameters"), [((30, 100), 20_800_000), ((126, 200), 190_000_000)], ids=["IMU", "OMoCap"]
)
def test_lara_shapes(shape: tuple[int, int], parameters: int) -> None:
    """The published windows of LARa, sensors as columns, 19 attributes."""
    with torch.device("meta"):
        model = builder("btcnn")(shape, 19, Precision(), sensors="columns", norm=False, final="sigmoid")
        assert model(torch.empty(2, *shape)).shape == (2, 19)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(parameters, rel=0.02)


def test_eight_bits(tmp_path: Path) -> None:
    model = build(Case("harcnn", {"filters": (4, 8, 4)}), Precision.uniform(8, 8))
    compare(model, train(model), tmp_path / "model.onnx", exact=False)


def test_window_too_short() -> None:
    with pytest.raises(ValueError, match="too short"):
        builder("btcnn")((6, 16), 5, Precision())


def test_dstcnn_is_small() -> None:
    model = builder("dstcnn")((6, 128), 6, Precision.uniform(1, 1))
    assert sum(p.numel() for p in model.parameters()) < 6000


def test_dstcnn_is_causal() -> None:
    """Without its mean over time, no output depends on later samples."""
    model = builder("dstcnn")((6, 64), 5, Precision(), padding="causal", pool=(1, 1)).eval()
    features = nn.Sequential(*list(model.children())[:-3])
    x = torch.randn(1, 6, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(features(x)[..., 30].sum(), x)
    assert gradient[..., :31].any()
    assert not gradient[..., 31:].any()


def test_resnet_depth() -> None:
    model = builder("resnet1d")((1, 128), 4, Precision(), depth=64, filters=4)
    assert len(named_layers(model)) == 1 + 2 * (3 + 4 + 4 + 5) + 1


def test_divide_and_conquer(tmp_path: Path) -> None:
    """Its cross entropy is that of its parts; its parts are exported each for itself."""
    options = {"filters": (4, 4, 4), "dynamic": (0, 3), "static_sharpening": (3.0, 0.5)}
    model = build(Case("dccnn", options), Precision.uniform(1, 1))
    assert isinstance(model, DivideAndConquer)
    x = train(model)
    torch.testing.assert_close(model(x).exp().sum(1), torch.ones(16))

    sharp = sharpen(x, 3.0, 0.5)
    kind, moving, still = (
        model.stages[stage](windows) for stage, windows in (("abstract", x), ("dynamic", x), ("static", sharp))
    )
    joint = torch.empty(16, CLASSES)
    for number, (classes, part) in enumerate((([0, 3], moving), ([1, 2, 4], still))):
        joint[:, classes] = kind.log_softmax(1)[:, [number]] + part.log_softmax(1)
    torch.testing.assert_close(model(x), joint)

    y = torch.arange(16) % CLASSES
    whole = nn.functional.cross_entropy(model(x), y, reduction="sum")
    dynamic = (y == 0) | (y == 3)
    parts = [
        nn.functional.cross_entropy(kind, (~dynamic).long(), reduction="sum"),
        nn.functional.cross_entropy(moving[dynamic], (y[dynamic] == 3).long(), reduction="sum"),
        nn.functional.cross_entropy(still[~dynamic], y[~dynamic].div(2, rounding_mode="floor"), reduction="sum"),
    ]
    torch.testing.assert_close(whole, torch.stack(parts).sum())
    for stage, network in model.stages.items():
        compare(network, x, tmp_path / f"{stage}.onnx", exact=True)


def test_divide_needs_two_kinds() -> None:
    with pytest.raises(ValueError, match="neither kind"):
        builder("dccnn")((6, 64), 3, Precision(), dynamic=(0, 1, 2))


def test_sharpening() -> None:
    steady, step = torch.ones(1, 1, 50), torch.arange(50).div(25).floor()[None, None]
    torch.testing.assert_close(gaussian(steady, 4.0), steady)
    torch.testing.assert_close(sharpen(steady, 4.0, 0.5), steady)
    sharp = sharpen(step, 4.0, 0.5)
    assert sharp[..., 24] < 0
    assert sharp[..., 25] > 1
    assert torch.equal(sharpen(step, 4.0, 0.0), step)


def test_builders() -> None:
    for name in BUILDERS:
        assert callable(builder(name))
    with pytest.raises(BhcError, match=r"BHC710.*no model is called 'tcnn'"):
        builder("tcnn")
