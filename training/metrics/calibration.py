"""Whether a network's confidence, its largest softmax output, is the share of its answers that are right.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error

BINS = 15


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence is in [lower, upper), for the last bin [lower, 1]; means 0 if there are none."""

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Of softmax(logits / temperature).

    ece: expected calibration error, the mean over answers of their bin's |accuracy - confidence|. nll: mean negative
    log likelihood of the labels, in nats. brier: mean squared distance, summed over classes, from the one-hot labels,
    0 to 2 (Brier 1950).
    """

    ece: float
    nll: float
    brier: float
    temperature: float
    bins: tuple[Bin, ...]


def calibrate(logits: Tensor, labels: Tensor, temperature: float = 1.0, bins: int = BINS) -> Calibration:
    """Measures `logits` (N, K) against `labels` (N,), in `bins` bins of equal width."""
    scaled = logits.detach().cpu().double() / temperature
    y = labels.cpu()
    logarithms = scaled.log_softmax(1)
    probabilities = logarithms.exp()
    # torchmetrics counts a confidence of exactly 1 (which saturated logits give in float32) in a bin of its own.
    below_one = probabilities.float().clamp(max=1 - 2**-24)
    ece = multiclass_calibration_error(below_one, y, num_classes=logits.shape[1], n_bins=bins, norm="l1")
    one_hot = torch.nn.functional.one_hot(y, logits.shape[1])
    return Calibration(
        ece=ece.item(),
        nll=-logarithms.gather(1, y[:, None]).mean().item(),
        brier=(probabilities - one_hot).square().sum(1).mean().item(),
        temperature=temperature,
        bins=_bins(below_one, y, bins),
    )


def _bins(probabilities: Tensor, labels: Tensor, bins: int) -> tuple[Bin, ...]:
    confidence, answers = probabilities.max(1)
    right = (answers == labels).double()
    edges = torch.linspace(0, 1, bins + 1)
    index = torch.bucketize(confidence, edges, right=True) - 1
    found = []
    for number in range(bins):
        inside = index == number
        count = int(inside.sum())
        mean = confidence[inside].double().mean().item() if count else 0.0
        accuracy = right[inside].mean().item() if count else 0.0
        found.append(Bin(number / bins, (number + 1) / bins, count, mean, accuracy))
    return tuple(found)


def optimal_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the least negative log likelihood; logits (N, K) and labels (N,) of validation windows.

    It changes no label. If every label has the largest logit there is none (the limit is 0): then what is returned
    is at least 1e-3.
    """
    scores = logits.detach().cpu().double()
    y = labels.cpu()
    # A start at the logits' own size makes the search independent of their scale.
    size = scores.std().clamp_min(1e-12)
    scores = scores / size
    logarithm = torch.zeros((), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logarithm], max_iter=50, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = torch.nn.functional.cross_entropy(scores / logarithm.exp(), y)
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return max((logarithm.exp() * size).item(), 1e-3)
