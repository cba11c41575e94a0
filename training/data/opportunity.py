"""OPPORTUNITY: four subjects in a kitchen, 30 Hz, five daily-living runs and a drill each.

The format is that of the distribution's column_names.txt and label_legend.txt: dataset/S1-ADL1.dat and 23 more, 250
columns apart by blanks, the last seven of them labels. The 113 channels are those of the 2011 challenge (Chavarriaga
et al., Pattern Recognition Letters 2013): all that is worn on the body, but for the quaternions and the location tags.
Units: mg for accelerations, else as the distribution has them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bhc.training.data.folders import Distribution
from bhc.training.data.gaps import bridge
from bhc.training.data.recordings import DataSet, Recording, Split
from bhc.training.data.tables import malformed, read_table

RATE = 30.0
COLUMNS = 250
RUNS = ("ADL1", "ADL2", "ADL3", "ADL4", "ADL5", "Drill")
LOCOMOTION = {0: "Null", 1: "Stand", 2: "Walk", 4: "Sit", 5: "Lie"}  # column 244
GESTURES = {  # column 250
    0: "Null",
    406516: "Open Door 1",
    406517: "Open Door 2",
    404516: "Close Door 1",
    404517: "Close Door 2",
    406520: "Open Fridge",
    404520: "Close Fridge",
    406505: "Open Dishwasher",
    404505: "Close Dishwasher",
    406519: "Open Drawer 1",
    404519: "Close Drawer 1",
    406511: "Open Drawer 2",
    404511: "Close Drawer 2",
    406508: "Open Drawer 3",
    404508: "Close Drawer 3",
    408512: "Clean Table",
    407521: "Drink from Cup",
    405506: "Toggle Switch",
}
_LOCOMOTION_COLUMN, _GESTURES_COLUMN = 243, 249

_ACCELEROMETERS = ("RKN^", "HIP", "LUA^", "RUA_", "LH", "BACK", "RKN_", "RWR", "RUA^", "LUA_", "LWR", "RH")
_IMUS = ("BACK", "RUA", "RLA", "LUA", "LLA")
_SHOES = ("L-SHOE", "R-SHOE")
_SHOE_QUANTITIES = ("euler", "nav.acc", "body.acc", "body.gyro", "nav.gyro")
_QUATERNION = 4  # columns that follow the nine of an IMU

DISTRIBUTION = Distribution("OPPORTUNITY Activity Recognition", "https://archive.ics.uci.edu/dataset/226", "dataset")
CITATION = (
    "D. Roggen et al.: Collecting complex activity data sets in highly rich networked sensor environments. INSS 2010. "
    "R. Chavarriaga et al.: The Opportunity challenge: A benchmark database for on-body sensor-based activity "
    "recognition. Pattern Recognition Letters 34 (2013)."
)


def _columns() -> Iterator[tuple[int, str]]:
    """Position (from 0) and name of each of the 113 channels."""
    position = 1
    for place in _ACCELEROMETERS:
        for axis in "xyz":
            yield position, f"{place}.acc.{axis}"
            position += 1
    for place in _IMUS:
        for quantity in ("acc", "gyro", "mag"):
            for axis in "xyz":
                yield position, f"{place}.imu.{quantity}.{axis}"
                position += 1
        position += _QUATERNION
    for place in _SHOES:
        for quantity in _SHOE_QUANTITIES:
            for axis in "xyz":
                yield position, f"{place}.{quantity}.{axis}"
                position += 1
        yield position, f"{place}.compass"
        position += 1


POSITIONS, CHANNELS = (tuple(part) for part in zip(*_columns(), strict=True))
# The axes of a sensor; Euler angles are no vector.
_TRIADS = tuple(
    (i, i + 1, i + 2) for i, name in enumerate(CHANNELS) if name.endswith(".x") and not name.endswith("euler.x")
)


def read(source: Path) -> DataSet:
    """The gestures: 17 of both arms, and "Null" (class 0). Raises BhcError: BHC700, BHC701."""
    return _read(source, "opportunity", GESTURES, _GESTURES_COLUMN)


def read_locomotion(source: Path) -> DataSet:
    """The modes of locomotion: four, and "Null" (class 0). Raises BhcError: BHC700, BHC701."""
    return _read(source, "opportunity-locomotion", LOCOMOTION, _LOCOMOTION_COLUMN)


def _read(source: Path, name: str, classes: Mapping[int, str], column: int) -> DataSet:
    """Windows and validation set are those of Ordonez and Roggen (Sensors 2016): 24 samples, 12 apart, ADL3 of
    subjects 2 and 3. Subject 4 is in no part of the challenge's split.

    As there, every gap is filled in, however long: the challenge scores every sample of the test runs.
    """
    root = DISTRIBUTION.locate(source)
    files = {f"S{subject}-{run}": f"dataset/S{subject}-{run}.dat" for subject in range(1, 5) for run in RUNS}
    DISTRIBUTION.require(root, files.values())
    recordings = []
    for recording, file in files.items():
        table = read_table(root / file, columns=COLUMNS, missing=True)
        x = bridge(table[:, POSITIONS]).astype(np.float32)
        y = _classes(root / file, table[:, column], classes, column)
        recordings.append(Recording(recording, recording.partition("-")[0], x, y))
    return DataSet(
        name=name,
        rate=RATE,
        channels=CHANNELS,
        classes=tuple(classes.values()),
        window=24,
        hop=12,
        recordings=tuple(recordings),
        splits={
            "challenge": Split(
                train=("S[123]-*",),
                validation=("S[23]-ADL3",),
                test=("S[23]-ADL4", "S[23]-ADL5"),
            )
        },
        citation=CITATION,
        triads=_TRIADS,
    )


def _classes(path: Path, labels: NDArray[np.float64], classes: Mapping[int, str], column: int) -> NDArray[np.int16]:
    y = np.full(len(labels), -1, np.int16)
    for index, label in enumerate(classes):
        y[labels == label] = index
    unknown = np.flatnonzero(y < 0)
    if unknown.size:
        raise malformed(path, f"column {column + 1}: there is no label {labels[unknown[0]]:.9g}", int(unknown[0]) + 1)
    return y
