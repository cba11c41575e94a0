"""Classification scores against numbers worked out by hand."""

import json
from dataclasses import asdict

import pytest
from torch import tensor

from bhc.training.metrics.classification import classify

CLASSES = ("walk", "sit", "fall")


def test_scores_by_hand() -> None:
    """Three walk, of which two are right and one is taken for sit; one sit, right; no fall."""
    found = classify(tensor([0, 0, 1, 1]), tensor([0, 0, 0, 1]), CLASSES)
    assert found.windows == 4
    assert found.accuracy == 0.75
    assert found.confusion == ((2, 1, 0), (0, 1, 0), (0, 0, 0))
    walk, sit, fall = found.classes
    assert (walk.name, walk.precision, walk.support) == ("walk", 1.0, 3)
    assert (walk.recall, walk.f1) == pytest.approx((2 / 3, 0.8))
    assert (sit.precision, sit.recall, sit.support) == (0.5, 1.0, 1)
    assert sit.f1 == pytest.approx(2 / 3)
    assert (fall.precision, fall.recall, fall.f1, fall.support) == (0.0, 0.0, 0.0, 0)
    assert found.macro_f1 == pytest.approx((0.8 + 2 / 3 + 0) / 3)
    assert found.weighted_f1 == pytest.approx((3 * 0.8 + 2 / 3) / 4)
    assert found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)


def test_predicted_class_without_windows() -> None:
    found = classify(tensor([2, 1]), tensor([0, 1]), CLASSES)
    assert found.confusion == ((0, 0, 1), (0, 1, 0), (0, 0, 0))
    assert found.balanced_accuracy == 0.5


def test_all_right() -> None:
    found = classify(tensor([0, 1, 2]), tensor([0, 1, 2]), CLASSES)
    assert (found.accuracy, found.macro_f1, found.weighted_f1, found.balanced_accuracy) == (1.0, 1.0, 1.0, 1.0)


def test_is_plain_json() -> None:
    plain = json.loads(json.dumps(asdict(classify(tensor([0, 1]), tensor([0, 0]), CLASSES))))
    assert plain["confusion"][0] == [1, 1, 0]
    assert plain["classes"][0]["name"] == "walk"


@pytest.mark.parametrize(
    ("predicted", "labels", "message"),
    [
        ([0, 3], [0, 1], "outside 0..2"),
        ([0, 1], [0, -1], "outside 0..2"),
        ([0], [0, 1], r"\(1,\) predictions for \(2,\) labels"),
        ([], [], r"\(0,\) predictions"),
    ],
)
def test_wrong_labels(predicted: list[int], labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classify(tensor(predicted), tensor(labels), CLASSES)
