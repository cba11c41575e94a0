"""Daphnet freezing of gait: three accelerometers on people with Parkinson's disease, 10 subjects."""

from pathlib import Path
from warnings import warn

import numpy as np

from bhc.training.data.folders import Distribution, IncompleteWarning
from bhc.training.data.recordings import UNLABELLED, DataSet, Recording, Split
from bhc.training.data.tables import malformed, read_table

NAME = "daphnet"
CHANNELS = tuple(
    f"{unit}.acc.{axis}" for unit in ("ankle", "thigh", "trunk") for axis in ("forward", "vertical", "lateral")
)
CLASSES = ("no freeze", "freeze")
RUNS = (
    "S01R01",
    "S01R02",
    "S02R01",
    "S02R02",
    "S03R01",
    "S03R02",
    "S03R03",
    "S04R01",
    "S05R01",
    "S05R02",
    "S06R01",
    "S06R02",
    "S07R01",
    "S07R02",
    "S08R01",
    "S09R01",
    "S10R01",
)
DISTRIBUTION = Distribution(
    title="Daphnet Freezing of Gait",
    origin="https://archive.ics.uci.edu/dataset/245",
    entry="dataset/S??R??.txt",
)
CITATION = (
    "M. Bächlin, M. Plotnik, D. Roggen, I. Maidan, J. M. Hausdorff, N. Giladi, G. Tröster: Wearable Assistant for "
    "Parkinson's Disease Patients With the Freezing of Gait Symptom. IEEE Transactions on Information Technology in "
    "Biomedicine 14(2), 2010"
)


def read(source: Path) -> DataSet:
    """Acceleration in mg, at 64 Hz; what is not part of the experiment is unlabelled.

    Warns (IncompleteWarning) of missing runs: copies without all of them are about. Raises BhcError: BHC700, BHC701.
    """
    folder = DISTRIBUTION.locate(source) / "dataset"
    paths = {run: folder / f"{run}.txt" for run in RUNS}
    absent = [run for run, path in paths.items() if not path.exists()]
    if len(absent) == len(RUNS):
        raise DISTRIBUTION.incomplete(folder, f"none of the runs {RUNS[0]}.txt to {RUNS[-1]}.txt found")
    if absent:
        message = f"{len(RUNS) - len(absent)} of {len(RUNS)} runs found; missing: {', '.join(absent)}"
        warn(message, IncompleteWarning, stacklevel=2)
    return DataSet(
        name=NAME,
        rate=64.0,
        channels=CHANNELS,
        classes=CLASSES,
        window=192,
        hop=64,
        recordings=tuple(_recording(run, path) for run, path in paths.items() if run not in absent),
        splits={"S02": Split(test=("S02*",), validation=("S09R01",))},
        citation=CITATION,
        triads=((0, 1, 2), (3, 4, 5), (6, 7, 8)),
    )


def _recording(run: str, path: Path) -> Recording:
    table = read_table(path, columns=11)  # time in ms, nine accelerations, label
    labels = table[:, 10]
    if not np.isin(labels, (0, 1, 2)).all():
        line = int(np.argmin(np.isin(labels, (0, 1, 2)))) + 1
        raise malformed(path, f"label {labels[line - 1]:g} is none of 0, 1, 2", line)
    y = np.where(labels == 0, UNLABELLED, labels - 1).astype(np.int16)
    return Recording(run, run[:3], table[:, 1:10].astype(np.float32), y)
