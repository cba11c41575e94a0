"""How ONNX tensors lie in the IR's images: time-major, channel-last, with the ONNX axes in either order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from bhc.frontend.constants import Quantized
from bhc.frontend.tensor import Tensor
from bhc.ir.ops import IntArray, Pads


@dataclass(frozen=True, slots=True)
class Window:
    """A sliding window in the axes of the ONNX tensor: kernel, stride, dilation and pads (before, after) of each."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    def as_2d(self, swapped: bool) -> Window:
        """With exactly two axes in the order of the IR's image."""

        def pair(values: tuple[int, ...], fill: int) -> tuple[int, ...]:
            two = (*values, fill)[:2]
            return two[::-1] if swapped else two

        return Window(
            pair(self.kernel, 1),
            pair(self.stride, 1),
            pair(self.dilation, 1),
            pair(self.before, 0),
            pair(self.after, 0),
        )

    @property
    def pads(self) -> Pads:
        return Pads(self.before[0], self.before[1], self.after[0], self.after[1])


@dataclass(frozen=True, eq=False, slots=True)
class Image:
    """How an ONNX tensor (1, C, ...) lies in an IR image (H, W, C).

    channels: IR channel of each ONNX channel. swapped: the ONNX axes are (W, H). border: padding of `fill` around it.
    """

    tensor: Tensor
    channels: IntArray
    swapped: bool
    border: Pads

    @property
    def plain(self) -> bool:
        """Channels are all there, in order."""
        return bool(np.array_equal(self.channels, np.arange(self.channels.size)))


def progression(values: IntArray) -> int:
    """The step if values are an ascending arithmetic progression (1 for a single one), else 0."""
    if values.size == 1:
        return 1
    step = int(values[1] - values[0])
    return step if step > 0 and bool(np.all(np.diff(values) == step)) else 0


def full_index(image: tuple[int, int, int], swapped: bool, rank: int) -> IntArray:
    """Positions of an IR image seen as an ONNX tensor (1, C, H, W), or (1, C, T) for rank 3."""
    h, w, c = image
    index = (
        np.arange(h * w * c).reshape(h, w, c).transpose(2, 1, 0)
        if swapped
        else np.arange(h * w * c).reshape(h, w, c).transpose(2, 0, 1)
    )
    return np.ascontiguousarray(index.reshape(1, c, -1) if rank == 3 else index[None])


def scatter_channels(weights: Quantized, channels: IntArray, whole: int, groups: int) -> tuple[Quantized, int]:
    """Weights (M, KH, KW, C / groups) on selected channels as weights on all channels in one group."""
    m, kh, kw, per_group = weights.integers.shape
    integers = np.zeros((m, kh, kw, whole), np.int64)
    scale = np.empty((m, kh, kw, whole))
    scale[...] = weights.scale[..., :1]
    for g in range(groups):
        rows = slice(g * (m // groups), (g + 1) * (m // groups))
        picked = channels[g * per_group : (g + 1) * per_group]
        scale[rows][..., picked] = weights.scale[rows]
        for j, c in enumerate(picked.tolist()):
            integers[rows, ..., c] += weights.integers[rows, ..., j]
    return Quantized((integers * scale).astype(np.float32), integers, scale), 1


def narrow(weights: Quantized, pads: Pads, window: Window, image: tuple[int, int]) -> tuple[Quantized, Pads]:
    """Along an axis of size 1 where the window has one position, keep only the tap that meets the data."""
    for axis, before, after in ((0, pads.top, pads.bottom), (1, pads.left, pads.right)):
        size = weights.integers.shape[1 + axis]
        if image[axis] != 1 or size == 1:
            continue
        tap, rest = divmod(before, window.dilation[axis])
        positions = (before + after - (size - 1) * window.dilation[axis]) // window.stride[axis] + 1
        if rest or tap >= size or positions != 1:
            continue
        weights = weights.map(partial(np.take, indices=[tap], axis=1 + axis))
        pads = Pads(0, pads.left, 0, pads.right) if axis == 0 else Pads(pads.top, 0, pads.bottom, 0)
    return weights, pads
