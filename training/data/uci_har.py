"""Human activity recognition using smartphones (UCI HAR): a phone at the waist, 30 subjects, six activities."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bhc.training.data.folders import Distribution
from bhc.training.data.recordings import DataSet, Recording, Split
from bhc.training.data.tables import malformed, read_table

NAME = "uci-har"
CHANNELS = tuple(f"{signal}.{axis}" for signal in ("body_acc", "body_gyro", "total_acc") for axis in "xyz")
CLASSES = ("WALKING", "WALKING_UPSTAIRS", "WALKING_DOWNSTAIRS", "SITTING", "STANDING", "LAYING")
WINDOW = 128
HOP = 64
PARTS = ("train", "test")
DISTRIBUTION = Distribution(
    title="UCI HAR",
    origin="https://archive.ics.uci.edu/dataset/240",
    entry="train/Inertial Signals",
)
CITATION = (
    "D. Anguita, A. Ghio, L. Oneto, X. Parra, J. L. Reyes-Ortiz: A Public Domain Dataset for Human Activity "
    "Recognition Using Smartphones. European Symposium on Artificial Neural Networks (ESANN), 2013"
)


def read(source: Path) -> DataSet:
    """Body acceleration and total acceleration in g, angular velocity in rad/s, at 50 Hz.

    The distribution consists of windows. Those that overlap exactly are joined to recordings, each of one activity;
    cut with the published window and hop, these give the same windows in the same order.

    Raises BhcError: BHC700, BHC701.
    """
    root = DISTRIBUTION.locate(source)
    DISTRIBUTION.require(
        root,
        (file for part in PARTS for file in (*_signals(part), _column("y", part), _column("subject", part))),
    )
    return DataSet(
        name=NAME,
        rate=50.0,
        channels=CHANNELS,
        classes=CLASSES,
        window=WINDOW,
        hop=HOP,
        recordings=tuple(recording for part in PARTS for recording in _recordings(root, part)),
        splits={"official": Split(train=("train.*",), test=("test.*",))},
        citation=CITATION,
        triads=((0, 1, 2), (3, 4, 5), (6, 7, 8)),
    )


def _signals(part: str) -> list[str]:
    return [f"{part}/Inertial Signals/{channel.replace('.', '_')}_{part}.txt" for channel in CHANNELS]


def _column(name: str, part: str) -> str:
    return f"{part}/{name}_{part}.txt"


def _recordings(root: Path, part: str) -> list[Recording]:
    labels = read_table(root / _column("y", part), columns=1)[:, 0].astype(np.int64)
    subjects = read_table(root / _column("subject", part), columns=1)[:, 0].astype(np.int64)
    if not np.isin(labels, range(1, len(CLASSES) + 1)).all():
        line = int(np.argmin(np.isin(labels, range(1, len(CLASSES) + 1)))) + 1
        raise malformed(root / _column("y", part), f"activity {labels[line - 1]} is none of 1 to {len(CLASSES)}", line)
    columns = []
    for file in _signals(part):
        signal = read_table(root / file, columns=WINDOW).astype(np.float32)
        if len(signal) != len(labels):
            raise malformed(root / file, f"{len(signal):,} windows, but {len(labels):,} labels")
        columns.append(signal)
    if len(subjects) != len(labels):
        raise malformed(root / _column("subject", part), f"{len(subjects):,} windows, but {len(labels):,} labels")
    windows = np.stack(columns, axis=2)
    follows = (
        (subjects[1:] == subjects[:-1])
        & (labels[1:] == labels[:-1])
        & (windows[1:, :HOP] == windows[:-1, -HOP:]).all(axis=(1, 2))
    )
    runs = np.split(np.arange(len(labels)), np.flatnonzero(~follows) + 1)
    return [
        _joined(f"{part}.{n:04d}", windows[run], int(subjects[run[0]]), int(labels[run[0]]))
        for n, run in enumerate(runs)
    ]


def _joined(name: str, windows: NDArray[np.float32], subject: int, label: int) -> Recording:
    """One recording from windows (N, WINDOW, channels) that each overlap the one before."""
    x = np.concatenate([windows[0, :-HOP], *windows[:, -HOP:]])
    return Recording(name, str(subject), x, np.full(len(x), label - 1, np.int16))
