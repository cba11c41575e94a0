"""Divide and conquer: one network tells moving from still activities, one for each kind tells the activity.

Cho, Yoon: "Divide and Conquer-Based 1D CNN Human Activity Recognition Using Test Data Sharpening", Sensors 18(4), 2018.
The two stages and the sharpening are theirs; the three networks have the same convolutions here.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from bhc.training.blocks import Standardize, Style, block, input_quantizer, logits
from bhc.training.precision import Precision


def gaussian(x: Tensor, sigma: float) -> Tensor:
    """Windows x (N, C, T) smoothed over time with a Gaussian of deviation `sigma` samples; ends are repeated."""
    radius = min(math.ceil(4 * sigma), x.shape[-1] - 1)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=x.device) / sigma) ** 2)
    padded = nn.functional.pad(x, (radius, radius), mode="replicate")
    rows = padded.reshape(-1, 1, padded.shape[-1])
    return nn.functional.conv1d(rows, (kernel / kernel.sum())[None, None]).reshape(x.shape)


def sharpen(x: Tensor, sigma: float, alpha: float) -> Tensor:
    """Windows (N, C, T) as x + alpha * (x - gaussian(x, sigma)): emphasizes what a Gaussian would remove."""
    return x + alpha * (x - gaussian(x, sigma)) if alpha else x


class DivideAndConquer(nn.Module):
    """Two stages: `abstract` (moving, still), then `dynamic` or `static`; (N, C, T) -> (N, classes).

    The first stage's classes are 0, moving, and 1, still. The logits are log p(kind) + log p(activity | kind). The
    cross entropy of these is that of `abstract` plus that of the one network whose windows they are: training them at
    once trains each on its own task. In evaluation mode the second stage sees sharpened windows. Each of `stages`
    takes raw windows and is exported by itself; the whole cannot be compiled.

    The paper decides twice, for a kind and then for an activity of that kind; here both probabilities are multiplied.
    """

    kind: Tensor

    def __init__(
        self,
        stages: dict[str, nn.Module],
        dynamic: Sequence[int],
        static: Sequence[int],
        sharpening: tuple[tuple[float, float], tuple[float, float]],
    ) -> None:
        """stages: "abstract", "dynamic" and "static". dynamic, static: the classes of each, in the order of its
        outputs. sharpening: sigma (samples) and alpha for each of the two.
        """
        super().__init__()
        self.stages = nn.ModuleDict(stages)
        self.members = (tuple(dynamic), tuple(static))
        self.sharpening = sharpening
        self.register_buffer("kind", torch.tensor([int(c in static) for c in range(len(dynamic) + len(static))]))

    def conditional(self, x: Tensor) -> Tensor:
        """The logarithm of p(activity | kind) for all activities, (N, classes)."""
        parts = []
        for stage, (sigma, alpha) in zip(("dynamic", "static"), self.sharpening, strict=True):
            windows = x if self.training else sharpen(x, sigma, alpha)
            parts.append(self.stages[stage](windows).log_softmax(1))
        order = torch.tensor([c for members in self.members for c in members], device=x.device)
        return torch.cat(parts, 1)[:, order.argsort()]

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.conditional(x) + self.stages["abstract"](x).log_softmax(1)[:, self.kind]
        return logits


def build(
    shape: tuple[int, int],
    outputs: int,
    precision: Precision,
    *,
    standardize: Standardize | None = None,
    dynamic: Sequence[int] = (0, 1, 2),
    filters: Sequence[int] = (64, 64, 64),
    kernel: int = 5,
    pool: Sequence[int] = (2, 2, 3),
    dynamic_sharpening: tuple[float, float] = (8.0, 0.0),
    static_sharpening: tuple[float, float] = (8.0, 0.0),
    head_norm: bool = False,
    head_scale: float | None = None,
    xnor: bool = False,
    stochastic: bool = False,
    lsq: bool = False,
    limit: float = 4.0,
) -> DivideAndConquer:
    """Three networks of convolutions, mean over time and head: abstract_conv1 .. abstract_head, dynamic_conv1 ..,
    static_conv1 ...

    dynamic: the classes of moving; all others are still. *_sharpening: sigma in samples, and alpha (0: none), of test
    windows. limit: of the quantized input.
    """
    style = Style(xnor=xnor, stochastic=stochastic, lsq=lsq)
    static = [c for c in range(outputs) if c not in dynamic]
    if not dynamic or not static or not set(dynamic) < set(range(outputs)):
        raise ValueError(f"dynamic classes {list(dynamic)} of {outputs}: neither kind may be empty")

    def network(stage: str, classes: int) -> nn.Module:
        layers: list[nn.Module] = [] if standardize is None else [standardize]
        layers.append(input_quantizer(precision.input, limit))
        channels = shape[0]
        for number, (out, size) in enumerate(zip(filters, pool, strict=True), 1):
            name = f"{stage}_conv{number}"
            layers += block(name, channels, out, kernel, precision.of(name), style, pool=size)
            channels = out
        name = f"{stage}_head"
        layers += [nn.AdaptiveAvgPool1d(1), nn.Flatten()]
        layers += logits(name, channels, classes, precision.of(name), scale=head_scale, norm=head_norm)
        return nn.Sequential(*layers)

    stages = {"abstract": 2, "dynamic": len(dynamic), "static": len(static)}
    return DivideAndConquer(
        {stage: network(stage, classes) for stage, classes in stages.items()},
        dynamic,
        static,
        (dynamic_sharpening, static_sharpening),
    )
