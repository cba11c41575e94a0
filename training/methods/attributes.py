"""Classes by their attributes: a network says which attributes it sees, a table which class has them.

Moya Rueda, Fink: "Learning Attribute Representation for Human Activity Recognition", ICPR 2018. Niemann, Reining,
Moya Rueda, et al.: "LARa: Creating a Dataset for Human Activity Recognition in Logistics Using Semantic Attributes",
Sensors 20(15), 2020.
"""

from dataclasses import dataclass
from typing import Literal, assert_never

import torch
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.classification import multilabel_accuracy, multilabel_f1_score


def attribute_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy, mean over windows and attributes. logits, targets (0 or 1): (N, attributes)."""
    return functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))


def nearest_attributes(
    scores: Tensor,
    table: Tensor,
    metric: Literal["cosine", "euclidean", "likelihood"] = "cosine",
) -> Tensor:
    """Row of `table` nearest to each row of `scores`, int64 (N,); the first of equals.

    scores: probabilities (N, attributes); table: attributes (0 or 1) of each class, (classes, attributes). likelihood:
    the row most probable if the attributes are independent (probabilistic retrieval), that is the largest product of
    the scores of attributes that it has and 1 - score of those that it has not.
    """
    rows = table.to(scores)
    match metric:
        case "cosine":
            similarity = functional.normalize(scores, dim=1) @ functional.normalize(rows, dim=1).T
        case "euclidean":
            similarity = -torch.cdist(scores, rows, compute_mode="donot_use_mm_for_euclid_dist")
        case "likelihood":
            tiny = torch.finfo(scores.dtype).tiny
            similarity = scores.clamp_min(tiny).log() @ rows.T + (1 - scores).clamp_min(tiny).log() @ (1 - rows).T
        case _:
            assert_never(metric)
    return similarity.argmax(1)


@dataclass(frozen=True, slots=True)
class AttributeScores:
    """Accuracy and F1 of each attribute, in their order, F1 that of its presence, and their means over attributes."""

    accuracy: tuple[float, ...]
    f1: tuple[float, ...]
    mean_accuracy: float
    mean_f1: float


def attribute_scores(scores: Tensor, targets: Tensor, threshold: float = 0.5) -> AttributeScores:
    """How well each attribute is recognized. scores: probabilities; targets: 0 or 1; both (N, attributes)."""
    count, integers = scores.shape[1], targets.long()
    accuracy = multilabel_accuracy(scores, integers, count, threshold, average="none")
    f1 = multilabel_f1_score(scores, integers, count, threshold, average="none")
    return AttributeScores(tuple(accuracy.tolist()), tuple(f1.tolist()), accuracy.mean().item(), f1.mean().item())
