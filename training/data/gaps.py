"""Samples that a wireless sensor lost: what is filled in, and where a recording must be cut."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def bridge(x: NDArray[np.float64], longest: int | None = None) -> NDArray[np.float64]:
    """A copy of x (T, channels) with runs of NaN filled in by straight lines, channel by channel.

    longest: of the runs to fill, in samples; longer ones stay, and so do those at either end. None: all are filled,
    those at an end with the nearest value, and a channel without any value with zeros.
    """
    filled = x.copy()
    for channel in filled.T:
        absent = np.isnan(channel)
        if not absent.any():
            continue
        if absent.all():
            if longest is None:
                channel[:] = 0.0
            continue
        times = np.arange(len(channel))
        lines = np.interp(times, times[~absent], channel[~absent])
        for run in runs(absent):
            inner = run.start > 0 and run.stop < len(channel)
            if longest is None or (inner and run.stop - run.start <= longest):
                channel[run] = lines[run]
    return filled


def runs(flags: NDArray[np.bool_]) -> Iterator[slice]:
    """The longest stretches of flags (T,) that are true, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False]))))
    for start, stop in edges.reshape(-1, 2):
        yield slice(int(start), int(stop))
