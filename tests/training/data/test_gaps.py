"""Filling in lost samples."""

import numpy as np

from bhc.training.data.gaps import bridge, runs

NAN = np.nan


def test_short_gaps_are_bridged_and_long_ones_and_ends_stay() -> None:
    x = np.array([[NAN, 0, 1], [1, NAN, NAN], [2, NAN, NAN], [3, 3, NAN], [NAN, 4, 5]])
    expected = np.array([[NAN, 0, 1], [1, 1, NAN], [2, 2, NAN], [3, 3, NAN], [NAN, 4, 5]])
    np.testing.assert_array_equal(bridge(x, longest=2), expected)
    assert np.isnan(x[1, 1])  # the argument stays


def test_all_gaps_are_filled_without_a_limit() -> None:
    x = np.array([[NAN, NAN], [1, NAN], [NAN, NAN], [2, NAN], [NAN, NAN]])
    np.testing.assert_array_equal(bridge(x), [[1, 0], [1, 0], [1.5, 0], [2, 0], [2, 0]])


def test_a_channel_without_values_stays_where_gaps_are_limited() -> None:
    assert np.isnan(bridge(np.full((3, 1), NAN), longest=10)).all()


def test_runs() -> None:
    flags = np.array([1, 1, 0, 1, 0, 0, 1], bool)
    assert list(runs(flags)) == [slice(0, 2), slice(3, 4), slice(6, 7)]
    assert list(runs(np.zeros(3, bool))) == []
