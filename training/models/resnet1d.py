"""Residual network of long 1-D convolutions, as used on ECG; float teacher or XNOR-Net student.

64 filters of length 15 in stages of 3, 4, 4 and 5 blocks ("64"), or of one block each ("16", a quarter of them). A
block has two convolutions, as in He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
"""

from typing import Literal

from torch import Tensor, nn

from bhc.training.blocks import Standardize, Style, activation, addend, block, input_quantizer, logits
from bhc.training.precision import Precision

STAGES = {16: (1, 1, 1, 1), 64: (3, 4, 4, 5)}


class Block(nn.Module):
    """x + body(x), then an activation; (N, filters, T) -> (N, filters, T).

    Integers are added: both operands pass the same quantizer. With binary activations both are signs, and a BatchNorm
    decides which sums are positive.
    """

    def __init__(self, name: str, filters: int, kernel: int, precision: Precision, inputs: int, style: Style) -> None:
        """inputs: bits of x's activations."""
        super().__init__()
        first, second = f"{name}_conv1", f"{name}_conv2"
        bits = precision.of(second)
        body = [
            _pad(kernel, inputs),
            *block(first, filters, filters, kernel, precision.of(first), style),
            _pad(kernel, precision.of(first).activations),
            *block(second, filters, filters, kernel, bits, style),
        ]
        join = activation(second, bits.activations, stochastic=style.stochastic, lsq=style.lsq)
        binary = bits.activations == 1
        self.body = nn.Sequential(*(body if binary else body[:-1]))
        self.addend = addend(bits.activations)
        self.join = nn.Sequential(nn.BatchNorm1d(filters), join) if binary else join

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.join(self.addend(x) + self.addend(self.body(x)))
        return total


def _pad(kernel: int, activations: int) -> nn.Module:
    """Keeps a convolution's length; signs are padded with a sign."""
    return nn.ConstantPad1d((kernel // 2, (kernel - 1) // 2), -1.0 if activations == 1 else 0.0)


def build(
    shape: tuple[int, int],
    outputs: int,
    precision: Precision,
    *,
    standardize: Standardize | None = None,
    depth: Literal[16, 64] = 16,
    filters: int = 64,
    kernel: int = 15,
    head_norm: bool = False,
    head_scale: float | None = None,
    xnor: bool = False,
    stochastic: bool = False,
    lsq: bool = False,
    limit: float = 4.0,
) -> nn.Module:
    """Convolution and max pool of 2, stages with a max pool of 2 between them, mean over time, head.

    Layers: stem, block1_conv1, block1_conv2, block2_conv1, .., head. xnor: the scales of the XNOR-Net student. The
    activations of all block*_conv2 and the stem must have the same number of bits. limit: of the quantized input.
    """
    style = Style(xnor=xnor, stochastic=stochastic, lsq=lsq)
    layers: list[nn.Module] = [] if standardize is None else [standardize]
    layers += [input_quantizer(precision.input, limit), _pad(kernel, precision.input)]
    layers += block("stem", shape[0], filters, kernel, precision.of("stem"), style, pool=2)
    inputs = precision.of("stem").activations
    number = 0
    for stage, blocks in enumerate(STAGES[depth]):
        if stage:
            layers.append(nn.MaxPool1d(2))
        for _ in range(blocks):
            number += 1
            layers.append(Block(f"block{number}", filters, kernel, precision, inputs, style))
            inputs = precision.of(f"block{number}_conv2").activations
    layers += [nn.AdaptiveAvgPool1d(1), nn.Flatten()]
    layers += logits("head", filters, outputs, precision.of("head"), scale=head_scale, norm=head_norm)
    return nn.Sequential(*layers)
