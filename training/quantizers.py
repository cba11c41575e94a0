"""The weight and activation quantizers of the models, as Brevitas injectors.

A Brevitas quantizer is a class whose attributes configure it; here stands what differs from its presets.
"""

from brevitas.quant.binary import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst
from brevitas.quant.fixed_point import Int8ActPerTensorFixedPoint
from brevitas.quant.scaled_int import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    TruncTo8bit,
    Uint8ActPerTensorFloat,
)
from brevitas.quant.ternary import SignedTernaryWeightPerTensorConst


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
