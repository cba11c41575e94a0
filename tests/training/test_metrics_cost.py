"""Costs of small networks against counts worked out by hand."""

import json
from dataclasses import asdict

import pytest
import torch
from brevitas.nn import QuantIdentity, QuantReLU
from torch import Tensor, nn

from bhc.training.blocks import activation, convolution, dense, input_quantizer
from bhc.training.metrics.cost import ENERGY, cost, mac_energy
from bhc.training.precision import Bits, WeightBits
from bhc.training.quantizers import Sign, UnsignedAct

BINARY = Bits(1, 1)
SRAM = 10 / 64


def btcnn() -> nn.Module:
    """(N, 3, 20) -> 2: two binary convolutions of 4 channels, pool, binary dense layer, float head."""
    return nn.Sequential(
        input_quantizer(8),
        convolution("conv1", 3, 4, 5, BINARY),
        nn.BatchNorm1d(4),
        activation("conv1", 1),
        convolution("conv2", 4, 4, 5, BINARY),
        nn.BatchNorm1d(4),
        activation("conv2", 1),
        nn.MaxPool1d(2),
        nn.Flatten(),
        dense("dense1", 4 * 6, 10, BINARY),
        nn.BatchNorm1d(10),
        activation("dense1", 1),
        dense("head", 10, 2, Bits(), bias=True),
    )


def test_binary_network_by_hand() -> None:
    found = cost(btcnn(), torch.randn(1, 3, 20))
    rows = [(r.name, r.kind, r.output_shape, r.weights, r.weight_bits, r.input_bits, r.macs) for r in found.layers]
    assert rows == [
        ("conv1", "conv", (4, 16), 60, 1, 8, 4 * 16 * 15),
        ("conv2", "conv", (4, 12), 80, 1, 1, 4 * 12 * 20),
        ("dense1", "dense", (10,), 240, 1, 1, 240),
        ("head", "dense", (2,), 20, 32, 1, 20),
    ]
    assert [row.bytes for row in found.layers] == [8, 10, 30, 80]
    assert found.parameters == 60 + 80 + 240 + 20 + 2 * (4 + 4 + 10) + 2
    assert (found.binary_bytes, found.integer_bytes, found.float_bytes) == (48, 0, 80)
    assert found.other_bytes == 4 * (36 + 2)
    assert found.bytes == 48 + 80 + 152
    assert found.size_ratio == found.bytes / (4 * found.parameters)
    assert found.macs == 960 + 960 + 240 + 20
    assert (found.binary_macs, found.integer_macs, found.float_macs) == (960 + 240, {"1 x 8": 960}, 20)


def test_energy_by_hand() -> None:
    found = cost(btcnn(), torch.randn(1, 3, 20))
    conv1, conv2, _, head = found.layers
    assert conv1.energy_pj == pytest.approx(960 * 0.1 + SRAM * (60 + 8 * 60))
    assert conv2.energy_pj == pytest.approx(960 * 0.0432 + SRAM * (80 + 4 * 16))
    assert head.energy_pj == pytest.approx(20 * 0.9 + SRAM * (20 * 32 + 10))
    assert found.energy_pj == pytest.approx(sum(row.energy_pj for row in found.layers))
    assert all(operation.source in found.energy_source for operation in ENERGY.values())


@pytest.mark.parametrize(
    ("weights", "inputs", "pj"),
    [
        (1, 1, 0.0432),
        (1, 8, 0.1),
        (2, 8, 0.1),
        (8, 1, 0.1),
        ("pow2", 8, 0.13),
        (8, 8, 0.3),
        (4, 4, 0.15),
        (1, 32, 0.9),
        (8, 32, 4.6),
        (32, 8, 4.6),
        (32, 32, 4.6),
    ],
)
def test_energy_of_a_multiply_accumulate(weights: WeightBits, inputs: int, pj: float) -> None:
    assert mac_energy(weights, inputs) == pytest.approx(pj)


@pytest.mark.parametrize(("weights", "size"), [(1, 60), (2, 120), (3, 180), ("pow2", 240), (8, 480), (32, 1920)])
def test_weight_bits(weights: WeightBits, size: int) -> None:
    """480 weights."""
    (layer,) = cost(convolution("conv1", 6, 16, 5, Bits(weights)), torch.randn(1, 6, 10)).layers
    assert layer.weight_bits == weights
    assert layer.bytes == size
    assert layer.input_bits == 32


def test_grouped_strided_convolution() -> None:
    """(6, 21) -> (12, 10): 12 * 10 outputs of 2 * 3 products."""
    (layer,) = cost(nn.Conv1d(6, 12, 3, stride=2, groups=3), torch.randn(1, 6, 21)).layers
    assert layer.output_shape == (12, 10)
    assert layer.macs == 12 * 10 * 2 * 3
    assert layer.weights == 12 * 2 * 3


class Branches(nn.Module):
    """Residual sum of two 1-bit tensors, functional calls, a dense layer on a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.sign = QuantIdentity(act_quant=Sign)
        self.conv = convolution("conv1", 4, 4, 3, BINARY)
        self.behind_sum = convolution("conv2", 4, 4, 1, BINARY)
        self.relu = QuantReLU(act_quant=UnsignedAct, bit_width=4)
        self.head = dense("head", 4, 2, BINARY)
        self.unused = dense("unused", 4, 2, BINARY)

    def forward(self, x: Tensor) -> Tensor:
        signs = self.sign(x)
        padded = nn.functional.pad(signs, (2, 0))
        total = self.sign(self.conv(padded)) + signs
        out: Tensor = self.head(self.relu(self.behind_sum(total)).mean(-1))
        return out


def test_input_bits_follow_sums_and_means() -> None:
    """A sum of two signs has 3 values; that of 10 4-bit numbers, at most 150."""
    model = Branches()
    found = cost(model, torch.randn(1, 4, 10))
    assert [(row.name, row.input_bits) for row in found.layers] == [
        ("conv1", 1),
        ("conv2", 2),
        ("head", 8),
        ("unused", 32),
    ]
    unused = found.layers[-1]
    assert (unused.macs, unused.output_shape, unused.energy_pj, unused.bytes) == (0, (), 0.0, 1)
    assert cost(model, torch.randn(1, 4, 10), {"head": 5}).layers[2].input_bits == 5


def test_shared_layer_runs_twice() -> None:
    layer = nn.Linear(4, 4, bias=False)
    found = cost(nn.Sequential(layer, nn.ReLU(), layer), torch.randn(1, 4))
    assert found.parameters == 16
    assert found.macs == 32
    assert found.energy_pj == pytest.approx(32 * 4.6 + SRAM * 32 * (16 + 8))


def test_pruned_weights_are_counted() -> None:
    layer = nn.Linear(4, 4, bias=False)
    nn.init.eye_(layer.weight)
    assert cost(layer, torch.randn(1, 4)).layers[0].nonzero == 4


def test_leaves_no_trace_and_is_plain_json() -> None:
    model = btcnn().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = cost(model, torch.randn(1, 3, 20))
    assert json.loads(json.dumps(asdict(found)))["macs"] == found.macs
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
