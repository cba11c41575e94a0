"""The smallest network: depthwise-separable convolutions, causal, for streams.

A depthwise convolution follows one channel over time, a pointwise one mixes the channels of one time step: Howard et
al., "MobileNets", 2017. With 32 filters and 6 channels about 5,000 parameters.
"""

from collections.abc import Sequence
from typing import Literal

from torch import nn

from bhc.training.blocks import Standardize, Style, block, input_quantizer, logits
from bhc.training.precision import Precision


def build(
    shape: tuple[int, int],
    outputs: int,
    precision: Precision,
    *,
    standardize: Standardize | None = None,
    filters: int = 32,
    kernel: int = 5,
    pool: Sequence[int] = (2, 2, 3),
    padding: Literal["valid", "causal"] = "valid",
    head_norm: bool = False,
    head_scale: float | None = None,
    xnor: bool = False,
    stochastic: bool = False,
    lsq: bool = False,
    limit: float = 4.0,
) -> nn.Module:
    """Convolution, as many separable blocks as `pool` has entries, mean over time, head.

    Layers: conv1, depthwise1, pointwise1, depthwise2, pointwise2, .., head. pool: of the max pool behind each block.
    padding: "causal" pads each convolution on the left (signs with -1, else zeros), so that time steps are not lost;
    "valid" pads nothing and computes on a stream what it does on windows. limit: of the quantized input.
    """
    style = Style(xnor=xnor, stochastic=stochastic, lsq=lsq)

    def pad(activations: int) -> list[nn.Module]:
        value = -1.0 if activations == 1 else 0.0
        return [nn.ConstantPad1d((kernel - 1, 0), value)] if padding == "causal" else []

    layers: list[nn.Module] = [] if standardize is None else [standardize]
    layers += [input_quantizer(precision.input, limit), *pad(precision.input)]
    layers += block("conv1", shape[0], filters, kernel, precision.of("conv1"), style)
    before = precision.of("conv1").activations
    for number, size in enumerate(pool, 1):
        depthwise, pointwise = f"depthwise{number}", f"pointwise{number}"
        layers += pad(before)
        layers += block(depthwise, filters, filters, kernel, precision.of(depthwise), style, groups=filters)
        layers += block(pointwise, filters, filters, 1, precision.of(pointwise), style, pool=size)
        before = precision.of(pointwise).activations
    layers += [nn.AdaptiveAvgPool1d(1), nn.Flatten()]
    layers += logits("head", filters, outputs, precision.of("head"), scale=head_scale, norm=head_norm)
    return nn.Sequential(*layers)
