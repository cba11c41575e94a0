"""Random changes of training windows: sensor noise, amplitude, and how the sensors sit on the body."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """Each call changes windows (N, C, T) at random; all chance comes from the generator. 0 leaves a change out.

    noise: of every sample, normal, in units of its channel's `deviation`. gain: standard deviation of the logarithm of
    a window's gain, about the mean of each channel, so that gravity stays. rotation: standard deviation, in degrees,
    of the angle of a window's rotation about a random axis, the same for all `triads` (channels x, y, z of a sensor).
    deviation: (C,).
    """

    noise: float = 0.0
    gain: float = 0.0
    rotation: float = 0.0
    deviation: Tensor | None = None
    triads: tuple[tuple[int, int, int], ...] = ()

    def __post_init__(self) -> None:
        if self.noise and self.deviation is None:
            raise ValueError("noise is in units of the channels' deviation, which is missing")

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        if self.rotation and self.triads:
            x = self._rotated(x, generator)
        if self.gain:
            mean = x.mean(dim=2, keepdim=True)
            x = mean + (x - mean) * torch.exp(self.gain * _normal((len(x), 1, 1), x, generator))
        if self.noise and self.deviation is not None:
            x = x + self.noise * self.deviation.to(x)[:, None] * _normal(x.shape, x, generator)
        return x

    def _rotated(self, x: Tensor, generator: torch.Generator) -> Tensor:
        angle = torch.deg2rad(self.rotation * _normal((len(x),), x, generator))
        turn = rotations(_normal((len(x), 3), x, generator), angle)
        channels = torch.tensor(self.triads, device=x.device)  # (K, 3)
        turned = torch.einsum("nij,nkjt->nkit", turn, x[:, channels])
        return x.index_copy(1, channels.flatten(), turned.flatten(1, 2))


def rotations(axis: Tensor, angle: Tensor) -> Tensor:
    """Rodrigues' formula: rotation matrices (N, 3, 3) about `axis` (N, 3), of any length, by `angle` (N,) in rad."""
    x, y, z = torch.nn.functional.normalize(axis, dim=1).unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).unflatten(1, (3, 3))
    sine, versine = torch.sin(angle)[:, None, None], (1 - torch.cos(angle))[:, None, None]
    return torch.eye(3).to(axis) + sine * cross + versine * (cross @ cross)


def _normal(shape: tuple[int, ...], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=generator.device).to(like.device)
