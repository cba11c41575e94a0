"""Daily and sports activities (DSADS): five inertial units on torso, arms and legs, 8 subjects, 19 activities."""

from pathlib import Path

import numpy as np

from bhc.training.data.folders import Distribution
from bhc.training.data.recordings import DataSet, Recording, Split
from bhc.training.data.tables import malformed, read_table

NAME = "dsads"
UNITS = ("torso", "right_arm", "left_arm", "right_leg", "left_leg")
CHANNELS = tuple(f"{unit}.{sensor}.{axis}" for unit in UNITS for sensor in ("acc", "gyro", "mag") for axis in "xyz")
CLASSES = (
    "sitting",
    "standing",
    "lying on back",
    "lying on right side",
    "ascending stairs",
    "descending stairs",
    "standing in an elevator",
    "moving around in an elevator",
    "walking in a parking lot",
    "walking on a treadmill, flat",
    "walking on a treadmill, inclined",
    "running on a treadmill",
    "exercising on a stepper",
    "exercising on a cross trainer",
    "cycling horizontally",
    "cycling vertically",
    "rowing",
    "jumping",
    "playing basketball",
)
SUBJECTS = range(1, 9)
SEGMENTS = 60
SAMPLES = 125  # of a segment: 5 s
DISTRIBUTION = Distribution(
    title="Daily and Sports Activities",
    origin="https://archive.ics.uci.edu/dataset/256",
    entry="data/a??",
)
CITATION = (
    "K. Altun, B. Barshan, O. Tunçel: Comparative study on classifying human activities with miniature inertial and "
    "magnetic sensors. Pattern Recognition 43(10), 2010"
)


def read(source: Path) -> DataSet:
    """Acceleration in m/s^2, angular velocity in rad/s, and the magnetic field normalized to the earth's, at 25 Hz;
    the segments of each activity and subject joined again. Raises BhcError: BHC700, BHC701.
    """
    root = DISTRIBUTION.locate(source)
    activities = range(1, len(CLASSES) + 1)
    DISTRIBUTION.require(root, (file for p in SUBJECTS for a in activities for file in _files(a, p)))
    return DataSet(
        name=NAME,
        rate=25.0,
        channels=CHANNELS,
        classes=CLASSES,
        window=SAMPLES,
        hop=SAMPLES,
        recordings=tuple(_recording(root, a, p) for p in SUBJECTS for a in activities),
        splits={"subjects-7-8": Split(test=("p7.*", "p8.*"))},
        citation=CITATION,
        triads=tuple((i, i + 1, i + 2) for i in range(0, len(CHANNELS), 3)),
    )


def _files(activity: int, subject: int) -> list[str]:
    return [f"data/a{activity:02d}/p{subject}/s{segment:02d}.txt" for segment in range(1, SEGMENTS + 1)]


def _recording(root: Path, activity: int, subject: int) -> Recording:
    segments = []
    for file in _files(activity, subject):
        segment = read_table(root / file, columns=len(CHANNELS), separator=",").astype(np.float32)
        if len(segment) != SAMPLES:
            raise malformed(root / file, f"{len(segment)} lines instead of {SAMPLES}")
        segments.append(segment)
    x = np.concatenate(segments)
    return Recording(f"p{subject}.a{activity:02d}", str(subject), x, np.full(len(x), activity - 1, np.int16))
