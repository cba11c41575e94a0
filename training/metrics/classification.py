"""How well labels are predicted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn.metrics
from torch import Tensor

_METRICS: Any = sklearn.metrics  # has no type information


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Of one class. support: windows that have its label. A quotient with nothing in its denominator is 0."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Classification:
    """macro_f1: mean over all classes, those without a window included (with 0); weighted_f1: weighted by support.

    balanced_accuracy: mean recall of the classes that have windows. confusion: rows true, columns predicted.
    """

    windows: int
    accuracy: float
    macro_f1: float
    weighted_f1: float
    balanced_accuracy: float
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]


def classify(predicted: Tensor, labels: Tensor, classes: Sequence[str]) -> Classification:
    """Compares labels (N,), integers from 0 to len(classes) - 1. Raises ValueError for any other label, or for none."""
    y, found = labels.cpu().numpy(), predicted.cpu().numpy()
    if not len(y) or y.shape != found.shape:
        raise ValueError(f"{found.shape} predictions for {y.shape} labels")
    every = range(len(classes))
    if min(y.min(), found.min()) < 0 or max(y.max(), found.max()) >= len(classes):
        raise ValueError(f"a label outside 0..{len(classes) - 1}")
    precision, recall, f1, support = _METRICS.precision_recall_fscore_support(y, found, labels=every, zero_division=0)
    matrix = _METRICS.confusion_matrix(y, found, labels=every)
    return Classification(
        windows=len(y),
        accuracy=float(np.mean(y == found)),
        macro_f1=float(np.mean(f1)),
        weighted_f1=float(np.average(f1, weights=support)),
        balanced_accuracy=float(np.mean(recall[support > 0])),
        classes=tuple(
            ClassScore(name, float(p), float(r), float(f), int(n))
            for name, p, r, f, n in zip(classes, precision, recall, f1, support, strict=True)
        ),
        confusion=tuple(tuple(int(n) for n in row) for row in matrix),
    )
