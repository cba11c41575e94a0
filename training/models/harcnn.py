"""A small CNN with global average pooling for smartphone windows such as UCI HAR's, 9 channels of 128 samples.

The network on which works on pruning and quantization-aware training for activity recognition report: three
convolutions and one dense layer. Kernel length and pools are ours.
"""

from collections.abc import Sequence

from torch import nn

from bhc.training.blocks import Standardize, Style, block, input_quantizer, logits
from bhc.training.precision import Precision


def build(
    shape: tuple[int, int],
    outputs: int,
    precision: Precision,
    *,
    standardize: Standardize | None = None,
    filters: Sequence[int] = (64, 128, 32),
    kernel: int = 5,
    pool: Sequence[int] = (2, 2, 3),
    head_norm: bool = False,
    head_scale: float | None = None,
    xnor: bool = False,
    stochastic: bool = False,
    lsq: bool = False,
    limit: float = 4.0,
) -> nn.Module:
    """Convolutions of `filters` channels, mean over time, head: conv1, conv2, conv3, head.

    pool: of the max pool behind each convolution. limit: of the quantized input.
    """
    style = Style(xnor=xnor, stochastic=stochastic, lsq=lsq)
    layers: list[nn.Module] = [] if standardize is None else [standardize]
    layers.append(input_quantizer(precision.input, limit))
    channels = shape[0]
    for number, (out, size) in enumerate(zip(filters, pool, strict=True), 1):
        name = f"conv{number}"
        layers += block(name, channels, out, kernel, precision.of(name), style, pool=size)
        channels = out
    layers += [nn.AdaptiveAvgPool1d(1), nn.Flatten()]
    layers += logits("head", channels, outputs, precision.of("head"), scale=head_scale, norm=head_norm)
    return nn.Sequential(*layers)
