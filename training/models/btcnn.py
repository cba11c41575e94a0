"""The temporal CNN of the LARa works, float or binary.

Moya Rueda, Grzeszick, Fink, Feldhorst, ten Hompel: "Convolutional Neural Networks for Human Activity Recognition
Using Body-Worn Sensors", Informatics 5(2), 2018.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from bhc.training.blocks import Standardize, Style, block, dense_block, input_quantizer, logits
from bhc.training.precision import FLOAT, Precision


class Columns(nn.Module):
    """(N, C, T) -> (N, 1, T, C): an image whose rows are time and whose columns are sensors."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).unsqueeze(1)


def build(
    shape: tuple[int, int],
    outputs: int,
    precision: Precision,
    *,
    standardize: Standardize | None = None,
    sensors: Literal["channels", "columns"] = "channels",
    filters: int = 64,
    kernel: int | Sequence[int] = 5,
    pool: Sequence[int] = (1, 1, 1, 1),
    dense: Sequence[int] = (128, 128),
    head: Literal["flatten", "average"] = "flatten",
    norm: bool = True,
    head_norm: bool = False,
    head_scale: float | None = None,
    dropout: float = 0.0,
    xnor: bool = False,
    stochastic: bool = False,
    lsq: bool = False,
    limit: float = 4.0,
    final: Literal["none", "softmax", "sigmoid"] = "none",
) -> nn.Module:
    """As many convolutions over time as `pool` has entries, dense layers, head: conv1 .. conv4, dense1, dense2, head.

    sensors: "columns" convolves each sensor with the same kernels, as in the paper; "channels" all together, with
    far fewer operations. kernel: length of all convolutions, or of each. pool: of the max pool behind each
    convolution, 1 for none. head: what the dense layers get of the last convolution: all of it, or its mean over time
    (and over columns). norm: False is the plain form, without BatchNorm. head_norm, head_scale: see logits in
    blocks.py. dropout: behind float activations. limit: of the quantized input. final: a function behind the logits,
    for export.
    """
    channels, time = shape
    two_d = sensors == "columns"
    style = Style(norm=norm, xnor=xnor, stochastic=stochastic, lsq=lsq)
    layers: list[nn.Module] = [] if standardize is None else [standardize]
    layers.append(input_quantizer(precision.input, limit))
    if two_d:
        layers.append(Columns())
    inputs = 1 if two_d else channels
    kernels = [kernel] * len(pool) if isinstance(kernel, int) else list(kernel)
    if len(kernels) != len(pool):
        raise ValueError(f"{len(kernels)} kernels for {len(pool)} pools")
    for number, (size, taps) in enumerate(zip(pool, kernels, strict=True), 1):
        name = f"conv{number}"
        bits = precision.of(name)
        layers += block(name, inputs, filters, taps, bits, style, pool=size, two_d=two_d)
        if dropout and bits.activations == FLOAT:
            layers.append(nn.Dropout(dropout))
        inputs = filters
        time = (time - taps + 1) // size
    if time < 1:
        raise ValueError(f"a window of {shape[1]} is too short for {len(pool)} convolutions of {kernels}, pools {pool}")
    features = filters
    if head == "average":
        layers.append(nn.AdaptiveAvgPool2d(1) if two_d else nn.AdaptiveAvgPool1d(1))
    else:
        features *= time * (channels if two_d else 1)
    layers.append(nn.Flatten())
    for number, size in enumerate(dense, 1):
        name = f"dense{number}"
        layers += dense_block(name, features, size, precision.of(name), style, dropout=dropout)
        features = size
    layers += logits("head", features, outputs, precision.of("head"), scale=head_scale, norm=head_norm)
    match final:
        case "softmax":
            layers.append(nn.Softmax(1))
        case "sigmoid":
            layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)
