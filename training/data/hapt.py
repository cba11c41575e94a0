"""Smartphone-based recognition of human activities and postural transitions (HAPT): the unfiltered recordings from
which UCI HAR was made, with the transitions between postures as classes of their own.
"""

from pathlib import Path

import numpy as np

from bhc.training.data.folders import Distribution
from bhc.training.data.recordings import UNLABELLED, DataSet, Recording, Split
from bhc.training.data.tables import malformed, read_table

NAME = "hapt"
CHANNELS = ("acc.x", "acc.y", "acc.z", "gyro.x", "gyro.y", "gyro.z")
CLASSES = (
    "WALKING",
    "WALKING_UPSTAIRS",
    "WALKING_DOWNSTAIRS",
    "SITTING",
    "STANDING",
    "LAYING",
    "STAND_TO_SIT",
    "SIT_TO_STAND",
    "SIT_TO_LIE",
    "LIE_TO_SIT",
    "STAND_TO_LIE",
    "LIE_TO_STAND",
)
TEST_SUBJECTS = (2, 4, 9, 10, 12, 13, 18, 20, 24)
DISTRIBUTION = Distribution(
    title="HAPT",
    origin="https://archive.ics.uci.edu/dataset/341",
    entry="RawData/labels.txt",
)
CITATION = (
    "J.-L. Reyes-Ortiz, L. Oneto, A. Samà, X. Parra, D. Anguita: Transition-Aware Human Activity Recognition Using "
    "Smartphones. Neurocomputing 171, 2016"
)


def read(source: Path) -> DataSet:
    """Acceleration in g and angular velocity in rad/s, at 50 Hz. Raises BhcError: BHC700, BHC701."""
    root = DISTRIBUTION.locate(source)
    labels = read_table(root / DISTRIBUTION.entry, columns=5).astype(np.int64)
    experiments = [(int(e), int(u)) for e, u in np.unique(labels[:, :2], axis=0)]
    DISTRIBUTION.require(root, (_file(sensor, e, u) for e, u in experiments for sensor in ("acc", "gyro")))
    return DataSet(
        name=NAME,
        rate=50.0,
        channels=CHANNELS,
        classes=CLASSES,
        window=128,
        hop=64,
        recordings=tuple(_recording(root, e, u, labels) for e, u in experiments),
        splits={"official": Split(test=tuple(f"exp??_user{subject:02d}" for subject in TEST_SUBJECTS))},
        citation=CITATION,
        triads=((0, 1, 2), (3, 4, 5)),
    )


def _file(sensor: str, experiment: int, user: int) -> str:
    return f"RawData/{sensor}_exp{experiment:02d}_user{user:02d}.txt"


def _recording(
    root: Path, experiment: int, user: int, labels: np.ndarray[tuple[int, int], np.dtype[np.int64]]
) -> Recording:
    acc = read_table(root / _file("acc", experiment, user), columns=3)
    path = root / _file("gyro", experiment, user)
    gyro = read_table(path, columns=3)
    if len(acc) != len(gyro):
        raise malformed(path, f"{len(gyro):,} samples, but {len(acc):,} of the accelerometer")
    y = np.full(len(acc), UNLABELLED, np.int16)
    for line, (e, u, activity, start, end) in enumerate(labels.tolist(), start=1):
        if (e, u) != (experiment, user):
            continue
        if not (1 <= activity <= len(CLASSES) and 1 <= start <= end <= len(y)):
            message = f"activity {activity} in samples {start} to {end} of a recording with {len(y):,}"
            raise malformed(root / DISTRIBUTION.entry, message, line)
        y[start - 1 : end] = activity - 1  # samples count from 1, the last one included
    x = np.hstack([acc, gyro]).astype(np.float32)
    return Recording(f"exp{experiment:02d}_user{user:02d}", str(user), x, y)
