"""Cutting windows against a plain definition of each rule; splitting; selection; statistics."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bhc.diagnostics import BhcError
from bhc.training.data.recordings import UNLABELLED, DataSet, Recording, Split
from bhc.training.data.windows import Rule, class_weights, continuous, cut, split


def recording(name: str, y: list[int], *, channels: int = 2, seed: int = 0) -> Recording:
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(len(y), channels)).astype(np.float32)
    attributes = generator.integers(0, 2, (len(y), 3), np.uint8)
    return Recording(name, name[:2], x, np.array(y, np.int16), attributes)


def plainly(y: list[int], window: int, hop: int, rule: Rule) -> list[tuple[int, int]]:
    """(start, label) of every window, slowly."""
    found = []
    if rule == "segment":
        start = 0
        while start < len(y):
            end = start
            while end < len(y) and y[end] == y[start]:
                end += 1
            found += [(s, y[start]) for s in range(start, end - window + 1, hop)]
            start = end
    else:
        for s in range(0, len(y) - window + 1, hop):
            labels = y[s : s + window]
            winner = labels[-1] if rule == "last" else min(set(labels), key=lambda c: (-labels.count(c), c))
            found.append((s, winner))
    return [(s, label) for s, label in found if label != UNLABELLED]


@given(
    st.lists(st.lists(st.integers(-1, 2), min_size=1, max_size=30), min_size=1, max_size=3),
    st.integers(1, 6),
    st.integers(1, 7),
    st.sampled_from(["segment", "majority", "last"]),
)
def test_cut(labels: list[list[int]], window: int, hop: int, rule: Rule) -> None:
    recordings = [recording(f"s{i}", y, seed=i) for i, y in enumerate(labels)]
    found = cut(recordings, window, hop, rule)
    expected = [(i, *row) for i, y in enumerate(labels) for row in plainly(y, window, hop, rule)]
    assert list(zip(found.recording.tolist(), found.start.tolist(), found.y.tolist(), strict=True)) == expected
    assert found.x.shape == (len(expected), 2, window)
    assert found.attributes is not None
    for n, (i, start, _) in enumerate(expected):
        part = slice(start, start + window)
        assert np.array_equal(found.x[n], recordings[i].x[part].T)
        assert found.subject[n] == f"s{i}"
        attributes = recordings[i].attributes
        assert attributes is not None
        seen = attributes[part][-1] if rule == "last" else attributes[part].max(axis=0)
        assert np.array_equal(found.attributes[n], seen)


def test_cut_nothing() -> None:
    assert cut([], 4, 2).x.shape == (0, 0, 4)
    assert cut([recording("s1", [0, 0])], 4, 2).x.shape == (0, 2, 4)
    with pytest.raises(ValueError, match="window of 0"):
        cut([], 0, 2)


@pytest.fixture
def dataset() -> DataSet:
    return DataSet(
        name="toy",
        rate=10.0,
        channels=("a.x", "a.y", "a.z", "b"),
        classes=("stand", "walk", "run"),
        window=4,
        hop=2,
        recordings=(
            recording("s1.a", [0] * 8 + [1] * 12, channels=4, seed=1),
            recording("s2.a", [2] * 8, channels=4, seed=2),
            recording("s3.a", [1] * 8, channels=4, seed=3),
            recording("s1.b", [0] * 4 + [UNLABELLED] * 9, channels=4, seed=4),
        ),
        splits={
            "subjects": Split(validation=("s2.*",), test=("s3.*",)),
            "runs": Split(train=("*.a",), test=("s3.*",)),
        },
        citation="",
        attributes=("p", "q", "r"),
        triads=((0, 1, 2),),
    )


def test_split(dataset: DataSet) -> None:
    parts = split(dataset)
    assert parts.name == "subjects"
    assert parts.train.y.tolist() == [0, 0, 0, 1, 1, 1, 1, 1, 0]
    assert parts.train.recording.tolist() == [0] * 8 + [1]
    assert parts.validation.y.tolist() == [2, 2, 2]
    assert set(parts.test.subject.tolist()) == {"s3"}
    assert (parts.channels, parts.classes, parts.triads) == (dataset.channels, dataset.classes, dataset.triads)
    assert parts.rate == 10.0
    assert len(split(dataset, "runs").train) == 11
    assert len(split(dataset, train_hop=1).train) == 15
    assert len(split(dataset, window=6, hop=6).train) == 3


def test_statistics_are_of_the_training_windows(dataset: DataSet) -> None:
    parts = split(dataset)
    values = parts.train.x.astype(np.float64).transpose(1, 0, 2).reshape(4, -1)
    assert np.allclose(parts.mean, values.mean(axis=1), rtol=1e-6)
    assert np.allclose(parts.deviation, values.std(axis=1), rtol=1e-6)
    assert parts.mean.dtype == parts.deviation.dtype == np.float32
    constant = replace(dataset, recordings=tuple(replace(r, x=0 * r.x + 7) for r in dataset.recordings))
    assert split(constant).mean.tolist() == [7] * 4
    assert split(constant).deviation.tolist() == [1] * 4


def test_classes_and_channels(dataset: DataSet) -> None:
    parts = split(dataset, classes=["run", "walk"], channels=["b", "a.[xy]"])
    assert parts.classes == ("run", "walk")
    assert parts.channels == ("b", "a.x", "a.y")
    assert parts.triads == ()
    assert parts.train.y.tolist() == [1] * 5
    assert parts.validation.y.tolist() == [0] * 3
    assert np.array_equal(parts.test.x, split(dataset).test.x[:, [3, 0, 1]])
    assert split(dataset, channels=["b", "*"]).triads == ((1, 2, 3),)


def test_continuous_recordings_fit_the_windows(dataset: DataSet) -> None:
    parts = split(dataset, classes=["run", "walk"], channels=["b", "a.x"], decimate=2, window=2, hop=1)
    recordings = list(continuous(dataset, parts, "train"))
    assert [r.name for r in recordings] == ["s1.a", "s1.b"]
    for n, start in enumerate(parts.train.start):
        source = recordings[parts.train.recording[n]]
        assert np.array_equal(source.x[start : start + 2].T, parts.train.x[n])
        assert set(source.y[start : start + 2].tolist()) == {parts.train.y[n]}


def test_decimation(dataset: DataSet) -> None:
    parts = split(dataset, decimate=2)
    original = dataset.recordings[0].x
    assert parts.rate == 5.0
    assert parts.train.x.shape == (9, 4, 2)  # windows of two samples, one apart
    assert np.allclose(parts.train.x[0], original[:4].reshape(2, 2, 4).mean(axis=1).T, atol=1e-6)
    assert [len(r.x) for r in continuous(dataset, parts, "train")] == [10, 6]
    assert parts.train.attributes is not None


def test_attribute_table(dataset: DataSet) -> None:
    parts = split(dataset)
    assert parts.attribute_table is not None
    assert parts.train.attributes is not None
    assert parts.attribute_table.shape == (3, 3)
    for label in (0, 1):
        rows = parts.train.attributes[parts.train.y == label].tolist()
        most = max(rows.count(row) for row in rows)
        assert rows.count(parts.attribute_table[label].tolist()) == most
    assert parts.attribute_table[2].tolist() == [0, 0, 0]
    without = replace(dataset, recordings=tuple(replace(r, attributes=None) for r in dataset.recordings), attributes=())
    assert split(without).attribute_table is None


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"split_name": "days"}, "toy has no split 'days'", "it has: subjects, runs"),
        ({"classes": ["walk", "fly"]}, "toy has no class 'fly'", "it has: stand, walk, run"),
        ({"channels": ["c.*"]}, "toy has no channel 'c.*'", "it has: a.x, a.y, a.z, b"),
        (
            {"window": 13},
            "no training windows of 13 samples in split 'subjects' of toy",
            "shorter windows, other classes, or a split whose recordings are there",
        ),
    ],
)
def test_unknown_names(dataset: DataSet, options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(BhcError) as caught:
        split(dataset, **options)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, diagnostic.message, diagnostic.hint) == ("BHC703", message, hint)


def test_class_weights() -> None:
    y = np.array([0, 0, 0, 0, 1, 3, 3])
    weights = class_weights(y, 4)
    assert weights.dtype == np.float32
    assert weights.mean() == pytest.approx(1)
    assert weights[2] == 0
    assert weights[1] == pytest.approx(4 * weights[0])
    assert weights[1] == pytest.approx(2 * weights[3])
