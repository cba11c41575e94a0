"""Knowledge distillation, and the ensembles that born-again networks form.

Hinton, Vinyals, Dean: "Distilling the Knowledge in a Neural Network", NIPS 2014 workshop, arXiv:1503.02531.
Furlanello, Lipton, Tschannen, Itti, Anandkumar: "Born-Again Neural Networks", ICML 2018: generation 1 learns from the
teacher; generation k, a fresh network of the same shape, from generation k - 1, with the same loss. The outputs of
generations 1 to n, averaged by `Ensemble`, are the born-again ensemble.
"""

import math
from collections.abc import Iterable
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

Head = Literal["classes", "attributes"]


def distillation_loss(
    logits: Tensor,
    teacher_logits: Tensor,
    targets: Tensor,
    temperature: float,
    alpha: float,
    weight: Tensor | None = None,
) -> Tensor:
    """The scalar alpha T^2 KL(teacher || student) at temperature T, plus 1 - alpha times the cross entropy.

    logits, teacher_logits: (N, classes); targets: class indices (N,); weight: of each class, (classes,), in the cross
    entropy only. T^2 keeps the size of the first term's gradients, whatever T.
    """
    student = functional.log_softmax(logits / temperature, 1)
    teacher = functional.log_softmax(teacher_logits / temperature, 1)
    soft = functional.kl_div(student, teacher, reduction="batchmean", log_target=True)
    return alpha * temperature**2 * soft + (1 - alpha) * functional.cross_entropy(logits, targets, weight)


def attribute_distillation_loss(
    logits: Tensor,
    teacher_logits: Tensor,
    targets: Tensor,
    temperature: float,
    alpha: float,
) -> Tensor:
    """The same for independent binary attributes: logits, teacher_logits and targets (0 or 1) are (N, attributes).

    Mean over attributes of the divergence between two Bernoulli distributions, and of the binary cross entropy.
    """
    student, teacher = logits / temperature, teacher_logits / temperature
    probability = teacher.sigmoid()
    soft = functional.binary_cross_entropy_with_logits(student, probability)
    entropy = functional.binary_cross_entropy_with_logits(teacher, probability)
    hard = functional.binary_cross_entropy_with_logits(logits, targets.to(logits.dtype))
    return alpha * temperature**2 * (soft - entropy) + (1 - alpha) * hard


class Ensemble(nn.Module):
    """Mean of the probabilities that `models` give, as logits: their softmax, or sigmoid for attributes, is that mean.

    A teacher: always in evaluation mode, as it puts its models when made, and without gradients.
    """

    def __init__(self, models: Iterable[nn.Module], head: Head = "classes") -> None:
        super().__init__()
        self.models = nn.ModuleList(models)
        if not self.models:
            raise ValueError("an ensemble of no models")
        self.head = head
        self.eval()

    def train(self, mode: bool = True) -> Self:
        return super().train(False)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        logits = torch.stack([model(x) for model in self.models])
        if self.head == "attributes":
            positive, negative = (_log_mean_exp(functional.logsigmoid(z)) for z in (logits, -logits))
            return positive - negative
        return _log_mean_exp(functional.log_softmax(logits, 2))


def _log_mean_exp(values: Tensor) -> Tensor:
    """Over the first axis."""
    return values.logsumexp(0) - math.log(len(values))
