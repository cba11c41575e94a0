"""The networks behind the examples and the compiler's tests.

Each takes raw float32 sensor windows, (N, channels, time) unless it says otherwise, and quantizes them
itself, so that its ONNX file needs no preprocessing. Convolutions have no padding where the class names
none. Outputs are logits (N, classes).
"""

import torch
from brevitas.nn import QuantConv1d, QuantConv2d, QuantIdentity, QuantLinear, QuantReLU, TruncAvgPool2d
from torch import Tensor, nn

from bhc.training.blocks import Standardize
from bhc.training.quantizers import (
    Act4,
    BinaryWeight,
    Floor4,
    Input8,
    Sign,
    TernaryWeight,
    UnsignedAct2,
    UnsignedAct4,
    Weight4,
)


def input_quant(limit: float) -> nn.Module:
    """8-bit input quantizer of range [-limit, limit); `limit` is a power of two."""
    return QuantIdentity(act_quant=Input8, min_val=-limit, max_val=limit)


def sign() -> nn.Module:
    return QuantIdentity(act_quant=Sign)


def binary_linear(features: int, out: int, scale: float = 1.0) -> nn.Module:
    """Dense layer with weights +scale or -scale and no bias."""
    return QuantLinear(features, out, bias=False, weight_quant=BinaryWeight, weight_scaling_const=scale)


def binary_conv(channels: int, out: int, kernel: int, dilation: int = 1) -> nn.Module:
    return QuantConv1d(channels, out, kernel, dilation=dilation, bias=False, weight_quant=BinaryWeight)


def binary_block(channels: int, out: int, kernel: int, pool: int = 1) -> list[nn.Module]:
    """Convolution -> BatchNorm -> sign, and a max pool of signs (an OR in hardware) where pool > 1."""
    block = [binary_conv(channels, out, kernel), nn.BatchNorm1d(out), sign()]
    return [*block, nn.MaxPool1d(pool)] if pool > 1 else block


class Demo(nn.Sequential):
    """Binary tCNN for BasicMotions, (N, 6, 100) -> 4: three convolutions of `width` channels, dense layer."""

    def __init__(self, width: int = 32) -> None:
        super().__init__(
            input_quant(16.0),
            *binary_block(6, width, 5, pool=2),
            *binary_block(width, width, 5, pool=2),
            *binary_block(width, width, 5, pool=4),
            nn.Flatten(),
            binary_linear(4 * width, 4, scale=1 / 16),
        )


class Hapt(nn.Sequential):
    """Binary tCNN for HAPT, (N, 6, 128) -> 6: four convolutions of `width` channels, average, dense."""

    def __init__(self, width: int = 64) -> None:
        super().__init__(
            input_quant(2.0),
            *binary_block(6, width, 5),
            *binary_block(width, width, 5, pool=2),
            *binary_block(width, width, 5, pool=2),
            *binary_block(width, width, 5, pool=3),
            nn.AvgPool1d(8),
            nn.Flatten(),
            binary_linear(width, 6, scale=1 / 4),
        )


class Residual(nn.Module):
    """4-bit residual net for HAPT with zero-padded convolutions, (N, 6, 128) -> 6.

    Both addends of a residual sum leave the same quantizer: they share its scale, and integers are added.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()

        def conv(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Module:
            return nn.Sequential(
                QuantConv1d(
                    channels,
                    out,
                    kernel,
                    stride=stride,
                    padding=kernel // 2,
                    bias=False,
                    weight_quant=Weight4,
                ),
                nn.BatchNorm1d(out),
            )

        def relu() -> nn.Module:
            return QuantReLU(act_quant=UnsignedAct4)

        self.input = input_quant(2.0)
        self.stem = conv(6, width, 5, stride=2)
        self.addend1 = QuantIdentity(act_quant=Act4)
        self.body1 = nn.Sequential(conv(width, width, 3), relu(), conv(width, width, 3))
        self.relu1 = relu()
        self.addend2 = QuantIdentity(act_quant=Act4)
        self.shortcut2 = conv(width, 2 * width, 1, stride=2)
        self.body2 = nn.Sequential(conv(width, width, 3, stride=2), relu(), conv(width, 2 * width, 3))
        self.relu2 = relu()
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), QuantLinear(2 * width, 6, bias=True, weight_quant=Weight4)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.addend1(self.stem(self.input(x)))
        x = self.relu1(x + self.addend1(self.body1(x)))
        x = self.relu2(self.addend2(self.shortcut2(x)) + self.addend2(self.body2(x)))
        logits: Tensor = self.head(x)
        return logits


class ResidualBipolar(nn.Module):
    """Binary residual net for HAPT, (N, 6, 128) -> 6: signs are added, their sum is binarized.

    The first sum passes a BatchNorm, the second only a learned shift of each channel. Convolutions inside a
    block are padded with -1, which is a bipolar value.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()

        def conv(channels: int, out: int) -> nn.Module:
            return nn.Sequential(nn.ConstantPad1d((1, 1), -1.0), *binary_block(channels, out, 3))

        self.stem = nn.Sequential(input_quant(2.0), *binary_block(6, width, 5, pool=2))
        self.body1 = nn.Sequential(conv(width, width), conv(width, width))
        self.join1 = nn.Sequential(nn.BatchNorm1d(width), sign())
        self.pool = nn.MaxPool1d(2)
        self.body2 = nn.Sequential(conv(width, width), conv(width, width))
        self.shift2 = nn.Parameter(torch.zeros(1, width, 1))
        self.sign2 = sign()
        self.head = nn.Sequential(nn.Flatten(), binary_linear(31 * width, 6, scale=1 / 16))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.pool(self.join1(x + self.body1(x)))
        x = self.sign2(x + self.body2(x) + self.shift2)
        logits: Tensor = self.head(x)
        return logits


class Causal(nn.Sequential):
    """Dilated causal net for HAPT, (N, 6, 128) -> 6: left padding, ternary weights, 2-bit activations."""

    def __init__(self, width: int = 24) -> None:
        blocks: list[nn.Module] = []
        for channels, dilation in ((6, 1), (width, 2), (width, 4)):
            blocks += [
                nn.ConstantPad1d((2 * dilation, 0), 0.0),
                QuantConv1d(channels, width, 3, dilation=dilation, bias=False, weight_quant=TernaryWeight),
                nn.BatchNorm1d(width),
                QuantReLU(act_quant=UnsignedAct2),
            ]
        head = QuantLinear(width, 6, bias=True, weight_quant=Weight4)
        super().__init__(input_quant(2.0), *blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten(), head)


class CausalBipolar(nn.Sequential):
    """Dilated causal binary net for HAPT, (N, 6, 128) -> 6.

    Its signs are padded on the left with zeros, which are no bipolar value: the sums of the first positions
    have fewer terms.
    """

    def __init__(self, width: int = 32) -> None:
        blocks: list[nn.Module] = []
        for channels, dilation in ((6, 1), (width, 2), (width, 4)):
            blocks += [
                nn.ConstantPad1d((2 * dilation, 0), 0.0),
                binary_conv(channels, width, 3, dilation=dilation),
                nn.BatchNorm1d(width),
                sign(),
            ]
        head = binary_linear(width, 6, scale=1 / 4)
        super().__init__(input_quant(2.0), *blocks, nn.AdaptiveAvgPool1d(1), nn.Flatten(), head)


class Lara(nn.Sequential):
    """Binary tCNN of the shape used on LARa: sensors as columns, (N, 1, 100, 30) -> `outputs`.

    Four 5x1 convolutions (time only) of `width` channels, flatten, two dense layers of 128. `activation` ends
    the net: a softmax over classes, or a sigmoid for each of 19 attributes.
    """

    def __init__(self, mean: Tensor, deviation: Tensor, outputs: int, activation: nn.Module, width: int = 8) -> None:
        blocks: list[nn.Module] = []
        for channels in (1, width, width, width):
            blocks += [
                QuantConv2d(
                    channels,
                    width,
                    (5, 1),
                    bias=False,
                    weight_quant=BinaryWeight,
                    weight_scaling_const=0.1,
                ),
                nn.BatchNorm2d(width),
                sign(),
            ]
        blocks.append(nn.Flatten())
        for features in (84 * 30 * width, 128):
            blocks += [binary_linear(features, 128), nn.BatchNorm1d(128), sign()]
        head = binary_linear(128, outputs, scale=1 / 8)
        super().__init__(Standardize(mean, deviation), input_quant(4.0), *blocks, head, activation)


class Separable(nn.Module):
    """Depthwise-separable 4-bit net for HAPT, time as the height of an image, (N, 6, 128, 1) -> 6.

    Strided convolutions, and average pools whose quotient is the truncated integer sum.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()

        def conv(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
            convolution = QuantConv2d(
                channels,
                out,
                (kernel, 1),
                stride=(stride, 1),
                groups=groups,
                bias=False,
                weight_quant=Weight4,
            )
            relu = QuantReLU(act_quant=UnsignedAct4, return_quant_tensor=True)
            return [convolution, nn.BatchNorm2d(out), relu]

        def pool() -> nn.Module:
            return TruncAvgPool2d((4, 1), trunc_quant=Floor4, return_quant_tensor=True)

        self.features = nn.Sequential(
            input_quant(2.0),
            *conv(6, width, 5, stride=2),
            *conv(width, width, 5, groups=width),
            *conv(width, 2 * width, 1),
            pool(),
            *conv(2 * width, 2 * width, 3, stride=2, groups=2 * width),
            *conv(2 * width, 2 * width, 1),
            pool(),
        )
        self.classifier = QuantLinear(2 * width, 6, bias=True, weight_quant=Weight4)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).flatten(1))
        return logits
