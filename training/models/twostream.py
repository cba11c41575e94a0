"""Two-stream network for action recognition in video, both streams a ResNet-50.

Simonyan and Zisserman, "Two-Stream Convolutional Networks for Action Recognition in Videos", 2014; He et al., "Deep
Residual Learning for Image Recognition", 2016, with the stride in the 3x3 convolution. One stream sees RGB frames, the
other the stacked optical flow around each of them; their softmax scores are averaged.

A clip is spatial (F, 3, H, W) and temporal (F, 2L, H, W), float32: F frames, and for each the horizontal and vertical
flow of L frames. Clips of a batch have the same F.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from bhc.training.delta import Selection, insert, set_frames

_EXPANSION = 4  # of channels, in a block's last convolution


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution, added to the input: (N, channels, H, W) -> (N, 4 * width, H / stride, W / stride).

    Each ReLU is a module of its own, so that temporal delta layers can follow it.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = _EXPANSION * width
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu3 = nn.ReLU()
        self.downsample: nn.Module | None = None
        if stride != 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu1(self.bn1(self.conv1(x)))
        x = self.relu2(self.bn2(self.conv2(x)))
        out: Tensor = self.relu3(self.bn3(self.conv3(x)) + shortcut)
        return out


class ResNet(nn.Module):
    """Residual network of bottleneck blocks: images (N, channels, H, W) -> logits (N, outputs).

    blocks: in each stage; (3, 4, 6, 3) is ResNet-50. width: channels of the first stage, twice as many in each next.
    Its state-dict keys are those of torchvision's ResNet.
    """

    def __init__(
        self, channels: int, outputs: int, *, width: int = 64, blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        entering = width

        def stage(number: int) -> nn.Module:
            nonlocal entering
            wide = width << number
            layers = []
            for index in range(blocks[number]):
                layers.append(Bottleneck(entering, wide, 2 if number and index == 0 else 1))
                entering = _EXPANSION * wide
            return nn.Sequential(*layers)

        self.layer1 = stage(0)
        self.layer2 = stage(1)
        self.layer3 = stage(2)
        self.layer4 = stage(3)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(entering, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(self.avgpool(x).flatten(1))
        return logits


def load_weights(net: ResNet, weights: Mapping[str, Tensor]) -> None:
    """Loads a state dict of a ResNet of the same width and depth, such as torchvision's for ImageNet.

    A first convolution of another number of input channels is averaged over them (Wang et al., "Temporal Segment
    Networks", 2016), for optical flow; a last layer for other classes is left out. Parameters of temporal delta layers
    may be missing. Raises RuntimeError if anything else does not fit.
    """
    own = net.state_dict()
    fitted = dict(weights)
    stem = fitted["conv1.weight"]
    if stem.shape[1] != own["conv1.weight"].shape[1]:
        fitted["conv1.weight"] = stem.mean(1, keepdim=True).expand_as(own["conv1.weight"])
    if fitted["fc.weight"].shape != own["fc.weight"].shape:
        fitted |= {key: own[key] for key in ("fc.weight", "fc.bias")}
    missing, unexpected = net.load_state_dict(fitted, strict=False)
    missing = [key for key in missing if ".inserted." not in key]
    if missing or unexpected:
        raise RuntimeError(f"weights do not fit: missing {missing}, unexpected {unexpected}")


def stream_scores(stream: ResNet, clips: Tensor) -> Tensor:
    """Logarithm of the softmax scores of `stream` for clips (N, F, C, H, W), averaged over frames: (N, outputs).

    Takes part in training one stream alone: cross_entropy(stream_scores(...), labels).
    """
    frames = clips.shape[1]
    set_frames(stream, frames)
    scores = stream(clips.flatten(0, 1)).log_softmax(1).unflatten(0, (-1, frames))
    return scores.logsumexp(1) - math.log(frames)


class TwoStream(nn.Module):
    """Late fusion of a spatial and a temporal stream: logarithm of the average of their softmax scores, (N, outputs).

    Being normalized logarithms, the outputs serve as logits.
    """

    def __init__(self, spatial: ResNet, temporal: ResNet) -> None:
        super().__init__()
        self.spatial = spatial
        self.temporal = temporal

    def forward(self, spatial: Tensor, temporal: Tensor) -> Tensor:
        """spatial: frames (N, F, 3, H, W). temporal: optical flow (N, F, 2L, H, W)."""
        scores = stream_scores(self.spatial, spatial), stream_scores(self.temporal, temporal)
        return torch.stack(scores).logsumexp(0) - math.log(2)


def build(
    outputs: int,
    *,
    flow: int = 10,
    width: int = 64,
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3),
    delta: Callable[[], nn.Module] | None = None,
    after: Selection | Sequence[Selection] = nn.ReLU,
) -> TwoStream:
    """Two-stream ResNet-50, float, for `outputs` classes.

    flow: L, the frames of optical flow stacked for each frame. width, blocks: see ResNet. delta: makes a temporal
    delta layer for each activation that `after` means in a stream (all by default; "layer1.*.relu3" are the sums of
    the first stage); the frames of a clip are its time steps, which the network tells it.
    """
    streams = [ResNet(channels, outputs, width=width, blocks=blocks) for channels in (3, 2 * flow)]
    if delta is not None:
        for stream in streams:
            insert(stream, after, delta)
    return TwoStream(*streams)
