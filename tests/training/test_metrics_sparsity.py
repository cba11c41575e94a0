"""Sparsity and flip rates on constructed signals."""

import pytest
import torch
from torch import nn

from bhc.training.blocks import activation, convolution, dense, named
from bhc.training.metrics.sparsity import FlipRate, activation_sparsity, flip_rates
from bhc.training.precision import Bits


def identity_net(window: int) -> nn.Module:
    """Sign of each channel of (N, 2, T), a pool of 2, and a dense head for `window` steps."""
    conv = convolution("conv1", 2, 2, 1, Bits())
    nn.init.eye_(conv.get_parameter("weight")[:, :, 0])
    head = dense("head", window, 3, Bits(1))
    return nn.Sequential(conv, activation("conv1", 1), nn.MaxPool1d(2), nn.Flatten(), head)


def test_flips_by_hand() -> None:
    """Channel 0 flips each step, channel 1 once; pools of two: channel 0 never, channel 1 once."""
    recording = torch.tensor([[1.0, -1, 1, -1, 1, -1], [2, 2, -2, -2, -2, -2]])
    assert flip_rates(identity_net(window=4), [recording]) == (
        FlipRate("conv1", 10, 6, 0.6),
        FlipRate("conv1.pool", 4, 1, 0.25),
    )


def test_flips_of_several_recordings_are_added() -> None:
    """Between recordings, and between the parts of a long one, nothing is counted."""
    alternating = torch.tensor([1.0, -1]).repeat(4).expand(2, 8)
    net = identity_net(window=8)
    assert flip_rates(net, [alternating, torch.ones(2, 4)])[0] == FlipRate("conv1", 20, 14, 0.7)
    assert flip_rates(net, [alternating], chunk=4)[0] == FlipRate("conv1", 12, 12, 1.0)
    assert flip_rates(net, [alternating], chunk=7)[0] == FlipRate("conv1", 12, 12, 1.0)


class Columns(nn.Module):
    """(N, C, T) -> (N, 1, T, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.transpose(1, 2).unsqueeze(1)


def test_time_is_the_third_axis_of_images_too() -> None:
    """Column 0 flips three times, column 1 never."""
    conv = convolution("conv1", 1, 1, 1, Bits(), two_d=True)
    nn.init.ones_(conv.get_parameter("weight"))
    model = nn.Sequential(Columns(), conv, activation("conv1", 1), nn.MaxPool2d((2, 1)))
    recording = torch.tensor([[1.0, -1, 1, -1], [1, 1, 1, 1]])
    assert flip_rates(model, [recording]) == (FlipRate("conv1", 6, 3, 0.5), FlipRate("conv1.pool", 2, 0, 0.0))


def test_dense_layers_do_not_mind_the_length() -> None:
    """Behind the head stand a BatchNorm and an activation, which have no time axis and are not reported."""
    model = nn.Sequential(*identity_net(window=10).children(), nn.BatchNorm1d(3), activation("dense1", 1))
    assert [row.layer for row in flip_rates(model, [torch.randn(2, 50)])] == ["conv1", "conv1.pool"]


def test_sparsity_of_relu_and_sign() -> None:
    x = torch.tensor([[[-1.0, -2, 3, 4], [5, 6, 7, -8]]])
    model = nn.Sequential(named(nn.ReLU(), "conv1"), activation("conv2", 1))
    relu, sign = activation_sparsity(model, [x, x])
    assert (relu.layer, relu.elements, relu.zero, relu.positive) == ("conv1", 16, 3 / 8, 5 / 8)
    assert (sign.layer, sign.zero, sign.positive) == ("conv2", 0.0, 1.0)  # sign(0) = +1


def test_model_without_layer_names() -> None:
    model = nn.Sequential(nn.Sequential(nn.Conv1d(2, 2, 1), nn.ReLU()), nn.Conv1d(2, 2, 1), nn.ReLU())
    assert [row.layer for row in activation_sparsity(model, [torch.randn(1, 2, 5)])] == ["0.1", "2"]


@pytest.mark.parametrize("training", [True, False])
def test_leaves_no_trace(training: bool) -> None:
    model = identity_net(window=4).train(training)
    flip_rates(model, [torch.randn(2, 9)])
    assert model.training is training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
