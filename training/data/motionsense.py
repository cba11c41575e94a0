"""MotionSense: a phone in the trousers' front pocket; its device motion, 24 subjects, six activities in 15 trials."""

from pathlib import Path

import numpy as np

from bhc.training.data.folders import Distribution
from bhc.training.data.recordings import DataSet, Recording, Split
from bhc.training.data.tables import read_table

NAME = "motionsense"
CHANNELS = tuple(f"{sensor}.{axis}" for sensor in ("gravity", "rotationRate", "userAcceleration") for axis in "xyz")
TRIALS = {
    "dws": (1, 2, 11),
    "ups": (3, 4, 12),
    "wlk": (7, 8, 15),
    "jog": (9, 16),
    "sit": (5, 13),
    "std": (6, 14),
}
SUBJECTS = range(1, 25)
DISTRIBUTION = Distribution(
    title="MotionSense",
    origin="https://github.com/mmalekzadeh/motion-sense (data/A_DeviceMotion_data.zip)",
    entry="A_DeviceMotion_data/???_*",
)
CITATION = (
    "M. Malekzadeh, R. G. Clegg, A. Cavallaro, H. Haddadi: Mobile Sensor Data Anonymization. Internet of Things Design "
    "and Implementation (IoTDI), 2019"
)


def read(source: Path) -> DataSet:
    """Gravity and user acceleration in g, rotation rate in rad/s, at 50 Hz; without the attitude, which depends on
    where north is. Raises BhcError: BHC700, BHC701.
    """
    root = DISTRIBUTION.locate(source)
    trials = [(label, f"{activity}_{n}") for label, activity in enumerate(TRIALS) for n in TRIALS[activity]]
    files = {(s, label, trial): _file(trial, s) for s in SUBJECTS for label, trial in trials}
    DISTRIBUTION.require(root, files.values())
    recordings = []
    for (subject, label, trial), file in files.items():
        x = read_table(root / file, columns=CHANNELS, separator=",").astype(np.float32)
        y = np.full(len(x), label, np.int16)
        recordings.append(Recording(f"sub_{subject}.{trial}", str(subject), x, y))
    return DataSet(
        name=NAME,
        rate=50.0,
        channels=CHANNELS,
        classes=tuple(TRIALS),
        window=128,
        hop=64,
        recordings=tuple(recordings),
        splits={
            "subjects-20-24": Split(test=tuple(f"sub_{subject}.*" for subject in range(20, 25))),
            "trials": Split(test=tuple(f"*_{trial}" for trial in range(11, 17))),
        },
        citation=CITATION,
        triads=((0, 1, 2), (3, 4, 5), (6, 7, 8)),
    )


def _file(trial: str, subject: int) -> str:
    return f"A_DeviceMotion_data/{trial}/sub_{subject}.csv"
