"""Calibration: constructed cases, and torchmetrics' error against that of the bins."""

import math

import pytest
import torch
from torch import Tensor

from bhc.training.metrics.calibration import BINS, Calibration, calibrate, optimal_temperature


def answers(confidence: float, count: int, right: int) -> tuple[Tensor, Tensor]:
    """`count` logits of two classes whose larger softmax output is `confidence`, of which `right` fit their label."""
    logits = torch.tensor([math.log(confidence), math.log(1 - confidence)]).expand(count, 2)
    return logits, torch.tensor([0] * right + [1] * (count - right))


def error_of_bins(found: Calibration) -> float:
    total = sum(b.count for b in found.bins)
    return sum(b.count * abs(b.accuracy - b.confidence) for b in found.bins) / total


def test_perfectly_calibrated() -> None:
    parts = [answers(0.6, 10, 6), answers(0.75, 20, 15), answers(0.9, 10, 9)]
    found = calibrate(torch.cat([x for x, _ in parts]), torch.cat([y for _, y in parts]))
    assert found.ece == pytest.approx(0, abs=1e-6)
    assert [(b.count, round(b.accuracy, 6)) for b in found.bins if b.count] == [(10, 0.6), (20, 0.75), (10, 0.9)]


def test_overconfident_by_hand() -> None:
    logits, labels = answers(0.9, 10, 5)
    found = calibrate(logits, labels)
    assert found.ece == pytest.approx(0.4, abs=1e-6)
    assert found.nll == pytest.approx(-(math.log(0.9) + math.log(0.1)) / 2, rel=1e-6)
    assert found.brier == pytest.approx((2 * 0.01 + 2 * 0.81) / 2, rel=1e-6)


@pytest.mark.parametrize("scale", [0.5, 3.0, 200.0])  # the last saturates: many confidences are exactly 1
def test_bins_give_the_error_of_torchmetrics(scale: float) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = scale * torch.randn(500, 4, generator=generator)
    labels = torch.randint(4, (500,), generator=generator)
    found = calibrate(logits, labels)
    assert len(found.bins) == BINS
    assert sum(b.count for b in found.bins) == 500
    assert found.ece == pytest.approx(error_of_bins(found), abs=1e-5)


def test_certain_answers_are_in_the_last_bin() -> None:
    logits = torch.tensor([[500.0, 0.0]] * 4)
    found = calibrate(logits, torch.tensor([0, 0, 0, 1]))
    assert found.bins[-1].count == 4
    assert found.ece == pytest.approx(0.25, abs=1e-6)


@pytest.mark.parametrize("scale", [0.01, 1.0, 1000.0])
def test_temperature_undoes_a_scale(scale: float) -> None:
    """Labels are drawn from softmax(logits): the best temperature of scale * logits is about `scale`."""
    generator = torch.Generator().manual_seed(2)
    logits = 2 * torch.randn(5000, 5, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    temperature = optimal_temperature(scale * logits, labels)
    assert temperature == pytest.approx(scale, rel=0.05)
    after = calibrate(scale * logits, labels, temperature)
    assert after.ece < 0.03
    assert after.temperature == temperature
    assert after.nll <= calibrate(scale * logits, labels, 1.02 * temperature).nll
    assert after.nll <= calibrate(scale * logits, labels, temperature / 1.02).nll
    if scale != 1.0:
        assert calibrate(scale * logits, labels).ece > 0.1


def test_temperature_of_answers_that_are_all_right() -> None:
    temperature = optimal_temperature(torch.tensor([[3.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1]))
    assert 1e-3 <= temperature < 0.5
