"""Continuous recordings of a data set, and who is in which split: what every loader returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class Recording:
    """One uninterrupted stretch of signal.

    x: float32 (T, channels), in the data set's units, without NaN. y: int16 (T,), class index or UNLABELLED.
    attributes: uint8 (T, attributes), 0 or 1, for sets labelled with attributes too.
    """

    name: str
    subject: str
    x: NDArray[np.float32]
    y: NDArray[np.int16]
    attributes: NDArray[np.uint8] | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Recordings by shell patterns of their names; a recording belongs to the first of test, validation and train
    that matches.
    """

    train: tuple[str, ...] = ("*",)
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def part(self, recording: str) -> str | None:
        """Which of "test", "validation" and "train", or None."""
        for part in ("test", "validation", "train"):
            if any(fnmatchcase(recording, pattern) for pattern in getattr(self, part)):
                return part
        return None


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set as published. rate: Hz. window and hop: samples, as published.

    channels: names such as "torso.acc.x". triads: indices of channels that are the x, y, z of one sensor (rotations
    apply to them). splits: the published ones by name; the first is the default. citation: what users must cite.
    """

    name: str
    rate: float
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    window: int
    hop: int
    recordings: tuple[Recording, ...]
    splits: Mapping[str, Split]
    citation: str
    attributes: tuple[str, ...] = ()
    triads: tuple[tuple[int, int, int], ...] = field(default=())
