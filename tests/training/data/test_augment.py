"""Augmentation: each change does what it says, repeatably, and nothing else."""

import pytest
import torch
from torch import Tensor

from bhc.training.data.augment import Augmentation, rotations

TRIADS = ((0, 1, 2), (5, 4, 3))


def generator(seed: int = 7) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def x() -> Tensor:
    return torch.randn((400, 7, 50), generator=generator(1)) + torch.arange(7.0)[:, None]


@pytest.fixture
def deviation() -> Tensor:
    return torch.arange(1.0, 8.0)


def test_nothing_by_default(x: Tensor) -> None:
    assert torch.equal(Augmentation()(x, generator()), x)


def test_the_generator_decides(x: Tensor, deviation: Tensor) -> None:
    every = Augmentation(0.1, 0.1, 10.0, deviation, TRIADS)
    before = x.clone()
    torch.manual_seed(1)
    once = every(x, generator())
    torch.manual_seed(2)
    assert torch.equal(once, every(x, generator()))
    assert not torch.equal(once, every(x, generator(8)))
    assert torch.equal(x, before)
    assert once.dtype == torch.float32


def test_noise_in_units_of_the_deviation(x: Tensor, deviation: Tensor) -> None:
    added = Augmentation(noise=0.2, deviation=deviation)(x, generator()) - x
    assert torch.allclose(added.mean(dim=(0, 2)), torch.zeros(7), atol=0.05)
    assert torch.allclose(added.std(dim=(0, 2)), 0.2 * deviation, rtol=0.03)
    with pytest.raises(ValueError, match="deviation"):
        Augmentation(noise=0.2)


def test_gain_keeps_the_mean(x: Tensor) -> None:
    changed = Augmentation(gain=0.3)(x, generator())
    assert torch.allclose(changed.mean(dim=2), x.mean(dim=2), atol=1e-5)
    ratio = changed.std(dim=2) / x.std(dim=2)
    assert torch.allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4)  # one gain a window
    assert ratio[:, 0].log().std().item() == pytest.approx(0.3, rel=0.1)


def test_rotation_turns_all_triads_alike(x: Tensor) -> None:
    x[:, list(TRIADS[1])] = 2 * x[:, list(TRIADS[0])]
    changed = Augmentation(rotation=20.0, triads=TRIADS)(x, generator())
    first, second = changed[:, list(TRIADS[0])], changed[:, list(TRIADS[1])]
    assert torch.allclose(second, 2 * first, atol=1e-4)
    assert torch.allclose(first.norm(dim=1), x[:, list(TRIADS[0])].norm(dim=1), atol=1e-4)
    assert torch.equal(changed[:, 6], x[:, 6])
    # The rotation of each window, by least squares, and its angle from the trace.
    turn = torch.linalg.lstsq(x[:, :3].mT, first.mT).solution.mT
    angle = torch.acos(((turn.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1))
    assert torch.rad2deg(angle.square().mean().sqrt()).item() == pytest.approx(20, rel=0.1)


def test_rotations() -> None:
    axis = torch.tensor([[0.0, 0.0, 3.0], [1.0, -2.0, 0.5]], dtype=torch.float64)
    turn = rotations(axis, torch.tensor([torch.pi / 2, 1.0], dtype=torch.float64))
    quarter = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    assert torch.allclose(turn[0], quarter)
    assert torch.allclose(turn @ turn.mT, torch.eye(3, dtype=torch.float64))
    assert torch.allclose(torch.linalg.det(turn), torch.ones(2, dtype=torch.float64))
    assert torch.allclose(turn[1] @ axis[1], axis[1])
