"""LARa: order picking and packing in logistics; eight activities and 19 attributes.

Two recordings of the same work: `read_imu`, five MbientLab IMUs of subjects S07 to S14, 100 Hz, and `read_omocap`,
marker-based motion capture of S01 to S16, 200 Hz. The format is what the authors' code reads and writes
(github.com/wilfer9008/Annotation_Tool_LARa): one folder a subject; S07/L01_S07_R01.csv and L01_S07_R01_labels.csv for
the IMUs, S01/L01_S01_R01_A17_N01_norm_data.csv and ..._labels.csv (scenario, subject, run, annotator, repetition) for
the motion capture, whose positions are relative to the lower back. A row of labels is the class and 19 attributes, 0
or 1. Windows and splits are those of the authors' preprocessing, except that it leaves out the class "None".
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bhc.training.data.folders import Distribution
from bhc.training.data.recordings import DataSet, Recording, Split
from bhc.training.data.tables import malformed, read_table

CLASSES = (
    "Standing",
    "Walking",
    "Cart",
    "Handling (upwards)",
    "Handling (centred)",
    "Handling (downwards)",
    "Synchronization",
    "None",
)
ATTRIBUTES = (
    "I-A_GaitCycle",
    "I-B_Step",
    "I-C_StandingStill",
    "II-A_Upwards",
    "II-B_Centred",
    "II-C_Downwards",
    "II-D_NoIntentionalMotion",
    "II-E_TorsoRotation",
    "III-A_Right",
    "III-B_Left",
    "III-C_NoArms",
    "IV-A_BulkyUnit",
    "IV-B_HandyUnit",
    "IV-C_UtilityAux",
    "IV-D_Cart",
    "IV-E_Computer",
    "IV-F_NoItem",
    "V-A_None",
    "VI-A_Error",
)
CITATION = (
    "F. Niemann, C. Reining, F. Moya Rueda, N. R. Nair, J. A. Steffens, G. A. Fink, M. ten Hompel: LARa: Creating a "
    "Dataset for Human Activity Recognition in Logistics Using Semantic Attributes. Sensors 20 (2020) 4083."
)

# Columns of the files, and the channels they become. Left arm, left leg, neck, right arm, right leg; g and degrees/s.
_IMU_CHANNELS = {
    f"{place}_{quantity}{axis}": f"{place}.{channel}.{axis.lower()}"
    for place in ("LA", "LL", "N", "RA", "RL")
    for quantity, channel in (("Accelerometer", "acc"), ("Gyroscope", "gyro"))
    for axis in "XYZ"
}
_SIDES = [
    f"{side}_{segment}"
    for side in "LR"
    for segment in ("collar", "elbow", "femur", "foot", "humerus", "tibia", "toe", "wrist", "wrist_end")
]
# Rotation in degrees, translation in mm. The lower back is the origin of all others and left out.
_OMOCAP_CHANNELS = {
    f"{segment}_{quantity}{axis}": f"{segment}.{quantity}.{axis.lower()}"
    for segment in ("head", "head_end", *_SIDES, "root")
    for quantity in "RT"
    for axis in "XYZ"
}
_IMU_SUBJECTS = tuple(f"S{number:02}" for number in range(7, 15))
_OMOCAP_SUBJECTS = tuple(f"S{number:02}" for number in range(1, 15))
_LATER_SUBJECTS = ("S15", "S16")  # not in the first version of the distribution

_ORIGIN = "https://zenodo.org/records/3862782 or a later version"
IMU = Distribution("LARa, IMU data", _ORIGIN, "S07/L01_S07_R01.csv")
OMOCAP = Distribution("LARa, OMoCap data", _ORIGIN, "S01")


def read_imu(source: Path) -> DataSet:
    """The MbientLab IMUs: 30 channels such as "LA.acc.x". Raises BhcError: BHC700, BHC701."""
    root = IMU.locate(source)
    return DataSet(
        name="lara-imu",
        rate=100.0,
        channels=tuple(_IMU_CHANNELS.values()),
        classes=CLASSES,
        window=100,
        hop=12,
        recordings=_read_folders(IMU, root, _IMU_SUBJECTS, "", tuple(_IMU_CHANNELS)),
        splits={"subjects-13-14": _split("07 08 09 10", "11 12", "13 14")},
        citation=CITATION,
        attributes=ATTRIBUTES,
        triads=tuple((i, i + 1, i + 2) for i in range(0, len(_IMU_CHANNELS), 3)),
    )


def read_omocap(source: Path) -> DataSet:
    """The motion capture: 126 channels, rotation and translation of 21 segments, such as "head.R.x" and "head.T.x".

    Subjects S15 and S16 are read where they are. Raises BhcError: BHC700, BHC701.
    """
    root = OMOCAP.locate(source)
    later = tuple(subject for subject in _LATER_SUBJECTS if (root / subject).is_dir())
    return DataSet(
        name="lara-omocap",
        rate=200.0,
        channels=tuple(_OMOCAP_CHANNELS.values()),
        classes=CLASSES,
        window=200,
        hop=25,
        recordings=_read_folders(OMOCAP, root, _OMOCAP_SUBJECTS + later, "_norm_data", tuple(_OMOCAP_CHANNELS)),
        splits={"subjects-6-13-14": _split("01 02 03 04 07 08 09 10 15 16", "05 11 12", "06 13 14")},
        citation=CITATION,
        attributes=ATTRIBUTES,
        # Rotations are angles about axes, no vectors: translations only.
        triads=tuple((i, i + 1, i + 2) for i in range(3, len(_OMOCAP_CHANNELS), 6)),
    )


def _split(train: str, validation: str, test: str) -> Split:
    parts = (tuple(f"*_S{subject}_*" for subject in part.split()) for part in (train, validation, test))
    return Split(*parts)


def _read_folders(
    distribution: Distribution, root: Path, subjects: Sequence[str], suffix: str, columns: Sequence[str]
) -> tuple[Recording, ...]:
    """suffix: what follows a recording's name in the name of its data file."""
    files: dict[str, list[str]] = {}
    expected = []
    for subject in subjects:
        pattern = f"L*_{subject}_R*{suffix}.csv"
        found = (root / subject).glob(pattern)
        files[subject] = sorted(f.name.removesuffix(f"{suffix}.csv") for f in found if not f.stem.endswith("_labels"))
        expected += [f"{subject}/{name}_labels.csv" for name in files[subject]] or [f"{subject}/{pattern}"]
    distribution.require(root, expected)
    return tuple(
        _read_recording(root / subject, name, subject, suffix, columns)
        for subject, names in files.items()
        for name in names
    )


def _read_recording(folder: Path, name: str, subject: str, suffix: str, columns: Sequence[str]) -> Recording:
    x = _read_columns(folder / f"{name}{suffix}.csv", columns).astype(np.float32)
    path = folder / f"{name}_labels.csv"
    labels = _read_columns(path, ("class", *ATTRIBUTES))
    if len(labels) != len(x):
        raise malformed(path, f"{len(labels):,} rows of labels for {len(x):,} of {name}{suffix}.csv")
    limits = np.array([len(CLASSES) - 1] + [1] * len(ATTRIBUTES))
    wrong = np.argwhere((labels < 0) | (labels > limits) | (labels % 1 != 0))
    if wrong.size:
        row, column = wrong[0]
        what = ATTRIBUTES[column - 1] if column else "class"
        message = f"{what}: {labels[row, column]:g} is not one of 0 to {limits[column]}"
        raise malformed(path, message, int(row) + 2)
    return Recording(name, subject, x, labels[:, 0].astype(np.int16), labels[:, 1:].astype(np.uint8))


def _read_columns(path: Path, names: Sequence[str]) -> NDArray[np.float64]:
    """The columns of these names. Files differ in capitals and in blanks for underscores ("head end_RX"), in the order
    of columns, and in what else they hold.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = [field.strip().strip('"') for field in file.readline().split(",")]
    spellings = {_plain(field): field for field in header}
    return read_table(path, columns=[spellings.get(_plain(name), name) for name in names], separator=",")


def _plain(name: str) -> str:
    return name.replace(" ", "_").casefold()
