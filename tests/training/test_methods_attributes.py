import numpy as np
import pytest
import torch

from bhc.training.methods.attributes import attribute_loss, attribute_scores, nearest_attributes

TABLE = torch.tensor([[1, 0, 0, 1, 0], [1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [0, 1, 0, 0, 1]])
SCORES = torch.rand(50, 5, generator=torch.Generator().manual_seed(0))


def test_loss_is_binary_cross_entropy() -> None:
    logits, targets = torch.logit(SCORES), SCORES.flip(0) > 0.5
    p, t = SCORES.numpy(), targets.numpy()
    expected = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    assert attribute_loss(logits, targets).item() == pytest.approx(expected, rel=1e-5)
    assert attribute_loss(logits, targets) == attribute_loss(logits, targets.float())


def test_nearest_row_of_the_table() -> None:
    scores, table = SCORES.numpy()[:, None], TABLE.numpy()
    cosines = (scores * table).sum(2) / (np.linalg.norm(scores, axis=2) * np.linalg.norm(table, axis=1))
    assert nearest_attributes(SCORES, TABLE).tolist() == cosines.argmax(1).tolist()
    distances = ((scores - table) ** 2).sum(2)
    assert nearest_attributes(SCORES, TABLE, "euclidean").tolist() == distances.argmin(1).tolist()
    chances = np.where(table == 1, scores, 1 - scores).prod(2)
    assert nearest_attributes(SCORES, TABLE, "likelihood").tolist() == chances.argmax(1).tolist()


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "likelihood"])
def test_a_class_is_nearest_to_its_own_attributes(metric: str) -> None:
    assert nearest_attributes(TABLE.float(), TABLE, metric).tolist() == [0, 1, 2, 3]  # type: ignore[arg-type]


def test_scores_of_attributes() -> None:
    targets = (SCORES.flip(0) > 0.4).long()
    got = attribute_scores(SCORES, targets)
    seen, true = (SCORES > 0.5).numpy(), targets.numpy() == 1
    accuracy = (seen == true).mean(0)
    f1 = 2 * (seen & true).sum(0) / (seen.sum(0) + true.sum(0))
    assert list(got.accuracy) == pytest.approx(accuracy.tolist())
    assert list(got.f1) == pytest.approx(f1.tolist())
    assert (got.mean_accuracy, got.mean_f1) == pytest.approx((np.mean(accuracy), np.mean(f1)))
