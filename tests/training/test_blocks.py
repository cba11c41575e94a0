"""Layers by precision: their values, their gradients, and that what is exported computes the same in bhc."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bhc import api
from bhc.training.blocks import (
    BinarySign,
    Standardize,
    Style,
    activation,
    block,
    clip_latent,
    convolution,
    dense,
    input_quantizer,
    logit_scale,
    logits,
    named_layers,
)
from bhc.training.export import Exporter, export
from bhc.training.precision import FLOAT, Bits, WeightBits
from bhc.training.quantizers import NearestPowerOfTwo


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def test_standardize() -> None:
    layer = Standardize(np.array([1.0, 2.0]), [2.0, 0.0])
    x = torch.tensor([[[1.0, 3.0], [2.0, 5.0]]])
    assert torch.equal(layer(x), torch.tensor([[[0.0, 1.0], [0.0, 3.0]]]))


def test_input_quantizer() -> None:
    x = torch.tensor([-5.0, -4.0, 0.01, 1 / 32, 3.99, 9.0])
    expected = torch.tensor([-4.0, -4.0, 0.0, 1 / 32, 4 - 1 / 32, 4 - 1 / 32])
    assert torch.equal(input_quantizer(8)(x), expected)
    assert torch.equal(input_quantizer(2, limit=2.0)(x), torch.tensor([-2.0, -2.0, 0.0, 0.0, 1.0, 1.0]))
    assert torch.equal(input_quantizer(FLOAT)(x), x)
    with pytest.raises(ValueError, match="power of two"):
        input_quantizer(8, limit=3.0)


def levels(weights: WeightBits, **options: bool) -> torch.Tensor:
    """Quantized weights (4, 60) of a layer whose latent weights are normal, in units of each channel's smallest."""
    layer = dense("layer", 60, 4, Bits(weights), **options)
    nn.init.normal_(layer.get_parameter("weight"))
    values = layer.quant_weight().value.detach()  # type: ignore[operator]
    return values / values.abs().masked_fill(values == 0, torch.inf).amin(1, keepdim=True)


def test_weight_levels() -> None:
    assert set(levels(1).unique().tolist()) == {-1.0, 1.0}
    assert set(levels(1, xnor=True).unique().tolist()) == {-1.0, 1.0}
    assert set(levels(2).unique().tolist()) == {-1.0, 0.0, 1.0}
    assert levels(4).abs().max() <= 7.01
    powers = levels("pow2").abs().unique()
    assert {0.0, 1.0, 2.0, 16.0, 64.0} <= set(powers.tolist()) <= {0.0, *(2.0**k for k in range(7))}
    assert (levels(2) == 0).float().mean() == pytest.approx(0.42, abs=0.1)  # P(|w| < 0.7 E|w|) of a normal w


def test_xnor_scale() -> None:
    layer = convolution("conv", 3, 4, 5, Bits(1), xnor=True)
    weight = layer.get_parameter("weight")
    expected = weight.sign() * weight.abs().mean((1, 2), keepdim=True)
    torch.testing.assert_close(layer.quant_weight().value, expected)  # type: ignore[operator]


def test_nearest_power_of_two() -> None:
    x = torch.tensor([0.49, 0.5, 1.49, 1.5, -2.9, 3.0, 5.9, 6.0, 64.0, -90.0], requires_grad=True)
    y = NearestPowerOfTwo()(x)
    assert y.tolist() == [0.0, 1.0, 1.0, 2.0, -2.0, 4.0, 4.0, 8.0, 64.0, -64.0]
    (gradient,) = torch.autograd.grad(y.sum(), x)
    assert torch.equal(gradient, torch.ones(10))


def test_sign_trains_as_brevitas_does() -> None:
    x = torch.tensor([-1.5, -1.0, -0.0, 0.0, 0.3, 1.0, 1.0 + 2**-23, 2.0])
    results = []
    for training in (True, False):
        layer = BinarySign().train(training)
        source = x.clone().requires_grad_()
        y = layer(source)
        (gradient,) = torch.autograd.grad((y * torch.arange(1.0, 9.0)).sum(), source)
        results.append((y.detach(), gradient))
    (y, gradient), (brevitas_y, brevitas_gradient) = results
    assert torch.equal(y, brevitas_y)
    assert torch.equal(gradient, brevitas_gradient)
    assert y.tolist() == [-1.0, -1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_stochastic_sign() -> None:
    layer = activation("layer", 1, stochastic=True)
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0]).repeat(4000, 1)
    positive = (layer(x) > 0).float().mean(0)
    torch.testing.assert_close(positive, torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]), atol=0.03, rtol=0)
    x.requires_grad_()
    layer(x).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, (x.abs() <= 1).float())  # whatever was drawn
    assert torch.equal(layer.eval()(x), torch.where(x >= 0, 1.0, -1.0))


def test_lsq_starts_at_the_mean() -> None:
    layer = activation("layer", 4, lsq=True)
    x = torch.rand(100, 10)
    layer(x)
    layer(x)  # the scale is a parameter from the second batch on
    step = 2 * x.mean() / np.sqrt(15)
    values = layer.eval()(x).detach()
    torch.testing.assert_close(values, (x / step).round().clamp_max(15) * step)


def test_clip_latent() -> None:
    model = nn.Sequential(
        convolution("binary", 2, 2, 3, Bits(1)),
        convolution("xnor", 2, 2, 3, Bits(1), xnor=True),
        convolution("four", 2, 2, 3, Bits(4)),
        dense("float", 2, 2, Bits()),
    )
    weights = [layer.weights.get_parameter("weight") for layer in named_layers(model)]
    for weight in weights:
        nn.init.constant_(weight, 3.0)
    clip_latent(model)
    assert [weight.max().item() for weight in weights] == [1.0, 1.0, 3.0, 3.0]


def test_named_layers() -> None:
    bits = Bits(1, 1)
    model = nn.Sequential(
        *block("conv1", 2, 4, 3, bits, pool=2), nn.Flatten(), *logits("head", 8, 3, Bits(1), norm=True)
    )
    first, head = named_layers(model)
    assert (first.name, head.name) == ("conv1", "head")
    assert isinstance(first.weights, nn.Conv1d)
    assert isinstance(first.activation, BinarySign)
    assert head.activation is None
    assert head.weights.bias is None


def test_logit_scale() -> None:
    assert [logit_scale(n) for n in (16, 64, 100, 4096)] == [1.0, 0.5, 0.5, 0.0625]


@pytest.mark.parametrize(
    ("weights", "exporter"),
    [*((weights, Exporter.TORCHSCRIPT) for weights in (1, 2, 5, "pow2")), ("pow2", Exporter.DYNAMO)],
)
def test_bhc_computes_the_same(tmp_path: Path, weights: WeightBits, exporter: Exporter) -> None:
    """Powers of two as scales of the input and a flatten head: float32 leaves the argmax of no window open."""
    bits = Bits(weights, 1)
    model = nn.Sequential(
        input_quantizer(8),
        *block("conv1", 3, 8, 5, bits, Style(xnor=True), pool=2),
        *block("conv2", 8, 8, 3, bits, Style(norm=False)),
        nn.Flatten(),
        *logits("head", 64, 4, bits, norm=True),
    )
    x = torch.randn(16, 3, 24)
    for _ in range(3):  # statistics of the BatchNorms
        model(x)
    model.eval()
    path = tmp_path / "model.onnx"
    export(model, x[:1], path, exporter)
    simulated = api.compile(path, emit="graph").simulate(x.numpy())
    expected = model(x).detach().numpy()
    assert np.array_equal(simulated.labels, expected.argmax(1))
    np.testing.assert_allclose(simulated.y, expected, atol=1e-5)  # the BatchNorm on the logits is float
