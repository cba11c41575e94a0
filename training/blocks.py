"""Layers by precision, and the blocks that models are made of.

Weights and activations of a layer have the widths of its `Bits`; 32 is plain torch, anything else is Brevitas. Each
weight layer, and the activation that follows it, carries the layer's name as its attribute `layer_name`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from brevitas.core.quant import BinaryQuant, ClampedBinaryQuant
from brevitas.nn import QuantConv1d, QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from numpy.typing import ArrayLike
from torch import Tensor, nn

from bhc.training.precision import FLOAT, Bits, WeightBits
from bhc.training.quantizers import (
    BinaryWeight,
    Input8,
    LsqUnsignedAct,
    PowerOfTwoWeight,
    Sign,
    SignedAct,
    UnsignedAct,
    Weight,
    Weight2,
    XnorWeight,
    export_quantized,
)

_NAME = "layer_name"


class Standardize(nn.Module):
    """(x - mean) / deviation, channel by channel, for x (N, C, T).

    mean, deviation: (C,), or any shape that broadcasts to that of x. A channel that never changes is not scaled.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: ArrayLike | Tensor, deviation: ArrayLike | Tensor) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("deviation", deviation)):
            tensor = torch.as_tensor(values, dtype=torch.float32).detach().clone()
            self.register_buffer(name, tensor[:, None] if tensor.ndim == 1 else tensor)
        self.deviation[self.deviation == 0] = 1.0

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.deviation


def named(module: nn.Module, name: str) -> nn.Module:
    """`module`, which from now on carries `name` as its attribute layer_name."""
    setattr(module, _NAME, name)
    return module


def input_quantizer(bits: int, limit: float = 4.0) -> nn.Module:
    """Signed quantizer of a network's input, of 2 to 8 bits and range [-limit, limit); nothing for 32 bits.

    limit: a power of two, so that only the rounding is inexact.
    """
    if bits == FLOAT:
        return nn.Identity()
    if not math.log2(limit).is_integer():
        raise ValueError(f"limit {limit} is no power of two")
    return QuantIdentity(act_quant=Input8, bit_width=bits, min_val=-limit, max_val=limit)


def _exportable(layer: nn.Module, bits: WeightBits) -> nn.Module:
    """The layer, made fit for Brevitas's export."""
    if bits == "pow2":
        layer.get_submodule("weight_quant").register_forward_pre_hook(export_quantized)
    return layer


def _weight_options(bits: WeightBits, xnor: bool, scale: float) -> dict[str, Any]:
    """Keyword arguments of a Brevitas layer."""
    match bits:
        case 1 if xnor:
            return {"weight_quant": XnorWeight}
        case 1:
            return {"weight_quant": BinaryWeight, "weight_scaling_const": scale}
        case 2:
            return {"weight_quant": Weight2}
        case "pow2":
            return {"weight_quant": PowerOfTwoWeight}
        case _:
            return {"weight_quant": Weight, "weight_bit_width": bits}


def convolution(
    name: str,
    channels: int,
    out: int,
    kernel: int,
    bits: Bits,
    *,
    groups: int = 1,
    bias: bool = False,
    xnor: bool = False,
    two_d: bool = False,
) -> nn.Module:
    """Convolution over time without padding, for (N, C, T).

    xnor: a scale for each channel of binary weights. two_d: for (N, C, T, columns), every column by the same kernels.
    """
    layer: type[nn.Module]
    if two_d:
        layer = nn.Conv2d if bits.weights == FLOAT else QuantConv2d
        size: Any = (kernel, 1)
    else:
        layer = nn.Conv1d if bits.weights == FLOAT else QuantConv1d
        size = kernel
    options = {} if bits.weights == FLOAT else _weight_options(bits.weights, xnor, 1.0)
    made = layer(channels, out, size, groups=groups, bias=bias, **options)
    return named(_exportable(made, bits.weights), name)


def dense(
    name: str,
    features: int,
    out: int,
    bits: Bits,
    *,
    bias: bool = False,
    xnor: bool = False,
    scale: float = 1.0,
) -> nn.Module:
    """Dense layer for (N, features). scale: binary weights are +scale or -scale, unless `xnor`."""
    if bits.weights == FLOAT:
        return named(nn.Linear(features, out, bias=bias), name)
    made = QuantLinear(features, out, bias=bias, **_weight_options(bits.weights, xnor, scale))
    return named(_exportable(made, bits.weights), name)


class _ClippedSign(torch.autograd.Function):
    """sign(x + noise), sign(0) = +1, whose gradient passes to x where |x| <= 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, noise: Tensor | float) -> Tensor:
        ctx.save_for_backward(x)
        return torch.copysign(x.new_ones(()), x + noise)  # a noise of 0.0 turns -0.0 into 0.0

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        (x,) = ctx.saved_tensors
        limit = 1 + 2.0**-23  # hardtanh passes nothing at its limits: 1 has to lie inside
        passed: Tensor = torch.ops.aten.hardtanh_backward(gradient, x, -limit, limit)
        return passed, None


class BinarySign(QuantIdentity):
    """Sign, sign(0) = +1; exported and evaluated by Brevitas, trained by fewer operations with the same result.

    stochastic: while training, +1 has the probability min(max((x + 1) / 2, 0), 1), as in Hubara, Courbariaux et al.,
    "Binarized Neural Networks", NIPS 2016: it is the sign of x plus uniform noise in [-1, 1].
    """

    def __init__(self, stochastic: bool = False) -> None:
        super().__init__(act_quant=Sign)
        self.stochastic = stochastic

    def forward(self, input: Any) -> Any:  # noqa: A002 - the base class' name and types; here both are tensors
        if not self.training:
            return super().forward(input)
        noise = 2 * torch.rand_like(input) - 1 if self.stochastic else 0.0
        return _ClippedSign.apply(input, noise)


def activation(name: str, bits: int, *, stochastic: bool = False, lsq: bool = False) -> nn.Module:
    """ReLU for 32 bits, sign for 1, quantized ReLU with a learned scale for 2 to 8.

    stochastic: random signs while training. lsq: the scale is learned from the first batch on, see LsqUnsignedAct.
    """
    if bits == FLOAT:
        return named(nn.ReLU(), name)
    if bits == 1:
        return named(BinarySign(stochastic), name)
    return named(QuantReLU(act_quant=LsqUnsignedAct if lsq else UnsignedAct, bit_width=bits), name)


def addend(bits: int) -> nn.Module:
    """Quantizer for both operands of a residual sum, which must share it: then integers are added.

    Signed for 2 to 8 bits; for 1 bit and 32 the operands stay as they are.
    """
    return nn.Identity() if bits in (1, FLOAT) else QuantIdentity(act_quant=SignedAct, bit_width=bits)


@dataclass(frozen=True, slots=True)
class Style:
    """What all blocks of a model have in common.

    norm: a BatchNorm, and no bias, before each activation; without it the convolution's bias takes its place.
    xnor, stochastic: see convolution and activation, for binary layers. lsq: see activation.
    """

    norm: bool = True
    xnor: bool = False
    stochastic: bool = False
    lsq: bool = False


def block(
    name: str,
    channels: int,
    out: int,
    kernel: int,
    bits: Bits,
    style: Style = Style(),
    *,
    pool: int = 1,
    groups: int = 1,
    two_d: bool = False,
) -> list[nn.Module]:
    """Convolution, BatchNorm, activation, and a max pool over time if pool > 1 (of signs: an OR in hardware)."""
    layers = [
        convolution(
            name,
            channels,
            out,
            kernel,
            bits,
            groups=groups,
            bias=not style.norm,
            xnor=style.xnor,
            two_d=two_d,
        )
    ]
    if style.norm:
        layers.append(nn.BatchNorm2d(out) if two_d else nn.BatchNorm1d(out))
    layers.append(activation(name, bits.activations, stochastic=style.stochastic, lsq=style.lsq))
    if pool > 1:
        layers.append(nn.MaxPool2d((pool, 1)) if two_d else nn.MaxPool1d(pool))
    return layers


def dense_block(
    name: str,
    features: int,
    out: int,
    bits: Bits,
    style: Style = Style(),
    *,
    dropout: float = 0.0,
) -> list[nn.Module]:
    """Dense layer, BatchNorm, activation, and dropout if the activation is float."""
    layers = [dense(name, features, out, bits, bias=not style.norm, xnor=style.xnor)]
    if style.norm:
        layers.append(nn.BatchNorm1d(out))
    layers.append(activation(name, bits.activations, stochastic=style.stochastic, lsq=style.lsq))
    if dropout and bits.activations == FLOAT:
        layers.append(nn.Dropout(dropout))
    return layers


def logit_scale(features: int) -> float:
    """Size of a head's binary weights, 2^round(log2(4 / sqrt(features))): logits of signs then have a deviation of
    about 4, and the softmax starts neither flat nor saturated.
    """
    return float(2.0 ** round(math.log2(4 / math.sqrt(features))))


def logits(
    name: str,
    features: int,
    outputs: int,
    bits: Bits,
    *,
    scale: float | None = None,
    norm: bool = False,
) -> list[nn.Module]:
    """The last dense layer. Binary weights have no bias and the size `scale`, by default logit_scale(features).

    norm: a BatchNorm on the logits, which learns their temperature and bias; it stays on the host when compiled.
    """
    binary = bits.weights == 1
    size = logit_scale(features) if scale is None else scale
    layers = [dense(name, features, outputs, bits, bias=not (binary or norm), scale=size)]
    return [*layers, nn.BatchNorm1d(outputs)] if norm else layers


@dataclass(frozen=True, slots=True)
class Layer:
    """A named layer of a model: its weights (Conv or Linear) and the activation that follows; the head has none."""

    name: str
    weights: nn.Module
    activation: nn.Module | None


def _is_weighted(module: nn.Module) -> bool:
    # Not whether it has a Parameter: under pruning, its weight is a function of one.
    return isinstance(module, nn.Conv1d | nn.Conv2d | nn.Linear)


def named_layers(model: nn.Module) -> tuple[Layer, ...]:
    """All layers of `model` with a layer_name, in the order of their definition."""
    found: dict[str, list[nn.Module]] = {}
    for module in model.modules():
        name = getattr(module, _NAME, None)
        if isinstance(name, str):
            found.setdefault(name, []).append(module)
    layers = []
    for name, modules in found.items():
        weights = next(m for m in modules if _is_weighted(m))
        layers.append(Layer(name, weights, next((m for m in modules if not _is_weighted(m)), None)))
    return tuple(layers)


def binary_weights(model: nn.Module) -> Iterator[nn.Parameter]:
    """The latent (float) weights of all binary layers."""
    for layer in named_layers(model):
        quantizer = getattr(layer.weights, "weight_quant", None)
        if isinstance(getattr(quantizer, "tensor_quant", None), BinaryQuant | ClampedBinaryQuant):
            yield layer.weights.get_parameter("weight")


@torch.no_grad()
def clip_latent(model: nn.Module) -> None:
    """Clips the latent weights of binary layers to [-1, 1]; to be called after each step of the optimizer.

    The gradient passes a latent weight whatever its size. Unclipped, weights drift so far from 0 that they never
    change sign again.
    """
    for weight in binary_weights(model):
        weight.clamp_(-1.0, 1.0)
