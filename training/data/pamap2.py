"""PAMAP2: nine subjects, twelve activities of a protocol, IMUs on wrist, chest and ankle, 100 Hz.

The format is that of the distribution's readme.pdf: Protocol/subject101.dat to subject109.dat, 54 columns apart by
blanks (time in s, activity, heart rate, and 17 columns an IMU). Kept of each IMU are the 16 g accelerometer (m/s^2),
the gyroscope (rad/s) and the magnetometer (uT); the readme advises against the 6 g accelerometer and calls the
orientation invalid.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bhc.training.data.folders import Distribution
from bhc.training.data.gaps import bridge, runs
from bhc.training.data.recordings import UNLABELLED, DataSet, Recording, Split
from bhc.training.data.tables import malformed, read_table

RATE = 100.0
COLUMNS = 54
CLASSES = {
    1: "lying",
    2: "sitting",
    3: "standing",
    4: "walking",
    5: "running",
    6: "cycling",
    7: "Nordic walking",
    12: "ascending stairs",
    13: "descending stairs",
    16: "vacuum cleaning",
    17: "ironing",
    24: "rope jumping",
}
# Transient activities, and those that only the Optional recordings are for.
OTHERS = (0, 9, 10, 11, 18, 19, 20)
LONGEST_GAP = 100  # samples that are filled in, 1 s

_IMUS = {"hand": 3, "chest": 20, "ankle": 37}  # position of the first column, from 0
_QUANTITIES = {"acc": 1, "gyro": 7, "mag": 10}  # position within an IMU
_POSITIONS = [
    first + quantity + axis for first in _IMUS.values() for quantity in _QUANTITIES.values() for axis in range(3)
]
_CHANNELS = tuple(f"{imu}.{quantity}.{axis}" for imu in _IMUS for quantity in _QUANTITIES for axis in "xyz")
_SUBJECTS = tuple(str(number) for number in range(101, 110))

DISTRIBUTION = Distribution(
    "PAMAP2 Physical Activity Monitoring", "https://archive.ics.uci.edu/dataset/231", "Protocol"
)
CITATION = (
    "A. Reiss, D. Stricker: Introducing a New Benchmarked Dataset for Activity Monitoring. ISWC 2012. "
    "A. Reiss, D. Stricker: Creating and Benchmarking a New Dataset for Physical Activity Monitoring. ABRA 2012."
)


def read(source: Path) -> DataSet:
    """The nine protocol recordings. Lost samples are filled in over at most a second; where more is lost, or time
    does not go on, a recording is cut: its parts are named "subject101.1", "subject101.2", ...

    Windows are those of Reiss and Stricker: 5.12 s, one a second. The split is that of Hammerla et al. (IJCAI 2016),
    subject 5 for validation and 6 for testing. Raises BhcError: BHC700, BHC701.
    """
    root = DISTRIBUTION.locate(source)
    files = {subject: f"Protocol/subject{subject}.dat" for subject in _SUBJECTS}
    DISTRIBUTION.require(root, files.values())
    recordings = [part for subject, file in files.items() for part in _read_file(root / file, subject)]
    return DataSet(
        name="pamap2",
        rate=RATE,
        channels=_CHANNELS,
        classes=tuple(CLASSES.values()),
        window=512,
        hop=100,
        recordings=tuple(recordings),
        splits={"subject-106": Split(validation=("subject105.*",), test=("subject106.*",))},
        citation=CITATION,
        triads=tuple((i, i + 1, i + 2) for i in range(0, len(_CHANNELS), 3)),
    )


def _read_file(path: Path, subject: str) -> list[Recording]:
    table = read_table(path, columns=COLUMNS, missing=True)
    y = _classes(path, table[:, 1])
    x = bridge(table[:, _POSITIONS], LONGEST_GAP)
    complete = np.all(np.isfinite(x), axis=1)
    step = np.diff(table[:, 0])
    continues = (step > 0) & (step <= LONGEST_GAP / RATE)
    parts: list[Recording] = []
    for run in runs(complete):
        cuts = run.start + 1 + np.flatnonzero(~continues[run.start : run.stop - 1])
        for start, stop in zip([run.start, *cuts], [*cuts, run.stop], strict=True):
            name = f"subject{subject}.{len(parts) + 1}"
            parts.append(Recording(name, subject, x[start:stop].astype(np.float32), y[start:stop]))
    return parts


def _classes(path: Path, activities: NDArray[np.float64]) -> NDArray[np.int16]:
    y = np.full(len(activities), UNLABELLED, np.int16)
    for index, activity in enumerate(CLASSES):
        y[activities == activity] = index
    unknown = np.flatnonzero(~np.isin(activities, (*CLASSES, *OTHERS)))
    if unknown.size:
        raise malformed(path, f"column 2: there is no activity {activities[unknown[0]]:g}", int(unknown[0]) + 1)
    return y
