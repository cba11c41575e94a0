import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bhc.training.methods.distillation import Ensemble, attribute_distillation_loss, distillation_loss


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values)
    return powers / powers.sum(-1, keepdims=True)


def logits(*shape: int) -> Tensor:
    return 3 * torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


@pytest.mark.parametrize(("temperature", "alpha"), [(1.0, 0.3), (4.0, 0.7)])
def test_distillation_is_divergence_plus_cross_entropy(temperature: float, alpha: float) -> None:
    student, teacher = logits(7, 5), logits(7, 5).flip(0)
    targets = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    p, q = (softmax(z.numpy() / temperature) for z in (teacher, student))
    divergence = (p * np.log(p / q)).sum(1).mean()
    entropy = -np.log(softmax(student.numpy()))[np.arange(7), targets.numpy()].mean()
    got = distillation_loss(student, teacher, targets, temperature, alpha)
    assert got.item() == pytest.approx(alpha * temperature**2 * divergence + (1 - alpha) * entropy)


def test_class_weights_act_on_the_cross_entropy_only() -> None:
    student, teacher, targets = logits(6, 3), logits(6, 3).flip(0), torch.tensor([0, 1, 2, 0, 0, 1])
    weight = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    assert distillation_loss(student, teacher, targets, 2.0, 1.0, weight) == distillation_loss(
        student, teacher, targets, 2.0, 1.0
    )
    expected = nn.functional.cross_entropy(student, targets, weight)
    assert distillation_loss(student, teacher, targets, 2.0, 0.0, weight) == expected


def test_a_student_like_its_teacher_has_no_loss_and_no_gradient() -> None:
    for loss, targets in (
        (distillation_loss, torch.zeros(4, dtype=torch.long)),
        (attribute_distillation_loss, torch.zeros(4, 3)),
    ):
        student = logits(4, 3).requires_grad_()
        value = loss(student, student.detach() + (2.0 if loss is distillation_loss else 0.0), targets, 3.0, 1.0)
        value.backward()
        assert abs(value.item()) < 1e-12
        assert student.grad is not None
        assert student.grad.abs().max() < 1e-12


def test_gradient_size_does_not_depend_on_the_temperature() -> None:
    # Hinton et al., section 2.1: at high temperature the gradient is (z - v) / classes, for logits of zero mean.
    student, teacher = (z - z.mean(1, keepdim=True) for z in (logits(1, 5), logits(1, 5).flip(1)))
    student.requires_grad_()
    distillation_loss(student, teacher, torch.tensor([0]), 1e4, 1.0).backward()
    assert student.grad is not None
    torch.testing.assert_close(student.grad, (student.detach() - teacher) / 5, rtol=1e-3, atol=1e-5)


def test_attributes_are_distilled_as_two_classes_each() -> None:
    student, teacher = logits(6, 4), logits(6, 4).flip(0)
    targets = (logits(6, 4).flip(1) > 0).long()
    pairs = [torch.stack([z.flatten(), torch.zeros(24, dtype=torch.float64)], 1) for z in (student, teacher)]
    expected = distillation_loss(pairs[0], pairs[1], 1 - targets.flatten(), 3.0, 0.6)
    got = attribute_distillation_loss(student, teacher, targets, 3.0, 0.6)
    torch.testing.assert_close(got, expected)


class Constant(nn.Module):
    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.values = nn.Parameter(values)

    def forward(self, x: Tensor) -> Tensor:
        return self.values.expand(len(x), -1)


def test_ensemble_averages_probabilities() -> None:
    x, members = torch.zeros(2, 1), [Constant(logits(n)) for n in (4, 4, 4)]
    members[1].values.data.mul_(100)  # saturated: probabilities of 0 in float64
    outputs = [m(x).detach() for m in members]
    classes = Ensemble(members)(x)
    torch.testing.assert_close(classes.softmax(1), torch.stack([z.softmax(1) for z in outputs]).mean(0))
    torch.testing.assert_close(classes.exp(), classes.softmax(1))
    attributes = Ensemble(members, "attributes")(x)
    torch.testing.assert_close(attributes.sigmoid(), torch.stack([z.sigmoid() for z in outputs]).mean(0))


def test_an_ensemble_of_one_teaches_like_its_member() -> None:
    x, member = torch.zeros(3, 1), Constant(logits(4))
    student, targets = logits(3, 4), torch.tensor([0, 1, 2])
    direct = distillation_loss(student, member(x), targets, 4.0, 0.5)
    torch.testing.assert_close(distillation_loss(student, Ensemble([member])(x), targets, 4.0, 0.5), direct)
    torch.testing.assert_close(Ensemble([member], "attributes")(x), member(x))


def test_an_ensemble_never_trains() -> None:
    dropout = nn.Sequential(nn.Linear(3, 3), nn.Dropout(), nn.BatchNorm1d(3))
    ensemble = Ensemble([dropout])
    nn.Sequential(ensemble).train()
    assert not any(m.training for m in ensemble.modules())
    assert not ensemble(torch.randn(4, 3)).requires_grad
    with pytest.raises(ValueError, match="no models"):
        Ensemble([])
