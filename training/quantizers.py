"""The weight and activation quantizers of the models, as Brevitas injectors.

A Brevitas quantizer is a class whose attributes configure it; here stands what differs from its presets.
"""

import math
from typing import Any

import torch
from brevitas.core.function_wrapper import RoundSte
from brevitas.inject.enum import (
    FloatToIntImplType,
    QuantType,
    RestrictValueType,
    ScalingImplType,
    ScalingPerOutputType,
    StatsOp,
)
from brevitas.proxy import WeightQuantProxyFromInjector
from brevitas.quant.base import NarrowIntQuant
from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from brevitas.quant.fixed_point import Int8ActPerTensorFixedPoint
from brevitas.quant.scaled_int import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    TruncTo8bit,
    Uint8ActPerTensorFloat,
)
from brevitas.quant.solver.weight import WeightQuantSolver
from brevitas.quant.ternary import SignedTernaryWeightPerTensorConst
from torch import Tensor, nn


class Sign(SignedBinaryActPerTensorConst):
    """Activation +1 where x >= 0, else -1; its gradient passes where |x| <= 1."""


class BinaryWeight(SignedBinaryWeightPerTensorConst):
    """Weights +1 or -1; the latent weights are clipped to [-1, 1]."""

    scaling_const = 1.0


class TernaryWeight(SignedTernaryWeightPerTensorConst):
    """Weights -1/8, 0 or +1/8."""

    scaling_const = 0.125


class Weight4(Int8WeightPerChannelFloat):
    """Signed 4-bit weights, -7..7, with a float scale for each output channel."""

    bit_width = 4


class Act4(Int8ActPerTensorFloat):
    """Signed 4-bit activation with one learned float scale."""

    bit_width = 4


class UnsignedAct4(Uint8ActPerTensorFloat):
    """Unsigned 4-bit activation (after a ReLU) with one learned float scale."""

    bit_width = 4


class UnsignedAct2(Uint8ActPerTensorFloat):
    """Unsigned 2-bit activation (after a ReLU) with one learned float scale."""

    bit_width = 2


class Floor4(TruncTo8bit):
    """Keeps the 4 most significant bits of an integer, dropping the others (floor)."""

    bit_width = 4


class Input8(Int8ActPerTensorFixedPoint):
    """Signed 8-bit network input with a constant scale of max_val / 128; max_val must be a power of two.

    A constant power of two makes x / scale exact in float32: rounding the input is the only approximation.
    """

    scaling_impl_type = "const"


class MeanScaled(nn.Module):
    """Mean of |x| over the elements of a channel (or of all), times `factor`: a statistic that sets a scale."""

    def __init__(self, factor: float, stats_reduce_dim: int | None = None) -> None:
        super().__init__()
        self.factor = factor
        self.dim = stats_reduce_dim

    def forward(self, x: Tensor) -> Tensor:
        size = x.abs()
        return self.factor * (size.mean() if self.dim is None else size.mean(self.dim))


class XnorWeight(WeightQuantSolver):
    """Weights +s or -s, where s is the mean of an output channel's |weights|.

    XNOR-Net: Rastegari et al., "XNOR-Net: ImageNet Classification Using Binary Convolutional Neural Networks",
    ECCV 2016. The gradient reaches the weights also through s.
    """

    quant_type = QuantType.BINARY
    bit_width = 1
    signed = True
    narrow_range = True
    scaling_impl_type = ScalingImplType.STATS
    scaling_stats_op = StatsOp.AVE
    scaling_min_val = 1e-10
    scaling_per_output_type = ScalingPerOutputType.CHANNEL
    restrict_scaling_type = RestrictValueType.FP
    float_to_int_impl_type = FloatToIntImplType.ROUND


class Weight2(NarrowIntQuant, WeightQuantSolver):
    """Weights -s, 0 or +s; 0 where |w| < s / 2, with s = 1.4 times the mean of an output channel's |weights|.

    The threshold, 0.7 times that mean, is the one of Li et al., "Ternary Weight Networks", 2016; for weights of a
    normal distribution s is their scale, too.
    """

    bit_width = 2
    factor = 1.4
    scaling_impl_type = ScalingImplType.STATS
    scaling_stats_op = StatsOp.AVE
    scaling_stats_impl = MeanScaled  # pyright: ignore[reportAssignmentType] - an injector's attributes are read through it
    scaling_min_val = 1e-10
    scaling_per_output_type = ScalingPerOutputType.CHANNEL
    restrict_scaling_type = RestrictValueType.FP


class NearestPowerOfTwo(nn.Module):
    """Rounds to the nearest of 0 and +-1, 2, 4 .. 64; the gradient passes unchanged."""

    def __init__(self) -> None:  # without arguments, which Brevitas would look up
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        size = x.abs()
        # 2^k is the nearest from 0.75 * 2^k to 1.5 * 2^k.
        exponent = (size / 0.75).clamp_min(1.0).log2().floor().clamp_max(6.0)
        nearest = torch.where(size < 0.5, 0.0, exponent.exp2() * x.sign())
        return x + (nearest - x).detach()


class Const64(nn.Module):
    """The integer that stands for the scale's own size: 64, whatever the bit width."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, bit_width: Tensor, signed: bool | None = None) -> Tensor:
        return torch.full_like(bit_width, 64.0)


class PowerOfTwoWeight(NarrowIntQuant, WeightQuantSolver):
    """Weights 0 or +-s * 2^-k for k = 0 to 6 (15 values: 4 bits of storage), s the power of two nearest max |w|.

    Products are shifts. As integers, in units of s / 64, they have 8 bits. After Zhou et al., "Incremental Network
    Quantization", ICLR 2017, whose levels they are; all weights are quantized at once here.
    """

    bit_width = 8
    scaling_impl_type = ScalingImplType.STATS
    scaling_stats_op = StatsOp.MAX
    scaling_min_val = 1e-10
    scaling_per_output_type = ScalingPerOutputType.TENSOR
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO
    restrict_value_float_to_int_impl = RoundSte
    int_scaling_impl = Const64  # pyright: ignore[reportAssignmentType] - an injector's attributes are read through it
    float_to_int_impl = NearestPowerOfTwo  # pyright: ignore[reportAssignmentType] - an injector's attributes are read through it


def export_quantized(proxy: WeightQuantProxyFromInjector, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Forward pre-hook for the weight_quant of a layer with PowerOfTwoWeight, which makes its export exact.

    QONNX's Quant node rounds to integers, not to powers of two: it has to get weights that are rounded already.
    """
    if not proxy.export_mode:
        return inputs
    handler: Any = proxy.export_handler
    (weights,) = handler.quant_weight_values.values()
    return (weights,)


class Weight(Int8WeightPerChannelFloat):
    """Signed weights of `weight_bit_width` bits, symmetric, with a float scale for each output channel."""


class UnsignedAct(Uint8ActPerTensorFloat):
    """Unsigned activation (after a ReLU) of `bit_width` bits.

    Its scale is taken from the 99.999th percentile of the first 300 batches and learned from then on.
    """


class SignedAct(Int8ActPerTensorFloat):
    """Signed activation of `bit_width` bits, its scale as UnsignedAct's."""


class LsqStart(nn.Module):
    """The largest value of an LSQ quantizer at its start, of `bit_width` bits: 2 mean(x) sqrt(2^bit_width - 1)."""

    def __init__(self, bit_width: int) -> None:
        super().__init__()
        self.factor = 2 * math.sqrt(2**bit_width - 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.factor * x.abs().mean()


class LsqUnsignedAct(Uint8ActPerTensorFloat):
    """Unsigned activation of `bit_width` bits whose scale is learned from the first batch on.

    It starts at 2 mean|x| / sqrt(greatest level). Esser et al., "Learned Step Size Quantization", ICLR 2020, without
    their factor on the scale's gradient: it does not change the steps of Adam.
    """

    scaling_stats_op = StatsOp.AVE
    scaling_stats_impl = LsqStart  # pyright: ignore[reportAssignmentType] - an injector's attributes are read through it
    collect_stats_steps = 1
