"""Writes recordings in the layouts of the original distributions. Floats keep the digits that float32 needs."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

Floats = NDArray[np.float32]
Labels = NDArray[np.integer[Any]]

MOTIONSENSE_COLUMNS = (
    *("attitude.roll", "attitude.pitch", "attitude.yaw"),
    *(f"{sensor}.{axis}" for sensor in ("gravity", "rotationRate", "userAcceleration") for axis in "xyz"),
)


def write_table(path: Path, columns: Sequence[NDArray[Any]], separator: str = " ", header: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({str(i): column for i, column in enumerate(columns)})
    with path.open("wb") as file:
        file.write(f"{header}\n".encode() if header else b"")
        csv.write_csv(table, file, csv.WriteOptions(include_header=False, delimiter=separator))


def write_hapt(root: Path, recordings: Iterable[tuple[int, int, Floats, Labels]]) -> None:
    """recordings: experiment, user, x (T, 6), y (T,) with 0 for no activity."""
    rows = []
    for experiment, user, x, y in recordings:
        for sensor, part in (("acc", x[:, :3]), ("gyro", x[:, 3:])):
            write_table(root / "RawData" / f"{sensor}_exp{experiment:02d}_user{user:02d}.txt", list(part.T))
        borders = np.flatnonzero(np.diff(y)) + 1
        for start, end in zip([0, *borders], [*borders, len(y)], strict=True):
            if y[start]:
                rows.append((experiment, user, int(y[start]), start + 1, end))
    write_table(root / "RawData" / "labels.txt", list(np.array(rows).T))


def write_motionsense(root: Path, trials: Iterable[tuple[int, str, int, Floats]]) -> None:
    """trials: subject, activity, trial, x (T, 9): gravity, rotation rate, user acceleration."""
    for subject, activity, trial, x in trials:
        path = root / "A_DeviceMotion_data" / f"{activity}_{trial}" / f"sub_{subject}.csv"
        columns = [np.arange(len(x)), *np.zeros((3, len(x))), *x.T]
        write_table(path, columns, ",", "," + ",".join(MOTIONSENSE_COLUMNS))


def write_dsads(root: Path, activity: int, subject: int, segments: Floats) -> None:
    """segments: (60, 125, 45)."""
    for number, segment in enumerate(segments, start=1):
        write_table(root / "data" / f"a{activity:02d}" / f"p{subject}" / f"s{number:02d}.txt", list(segment.T), ",")


def write_daphnet(root: Path, run: str, x: Labels, y: Labels) -> None:
    """x: (T, 9) mg; y: (T,) 0 not in the experiment, 1 no freeze, 2 freeze."""
    time = np.arange(1, len(x) + 1) * 1000 // 64
    write_table(root / "dataset" / f"{run}.txt", [time, *x.T, y])


def write_uci_har(root: Path, part: str, windows: Floats, y: Labels, subject: Labels) -> None:
    """windows: (N, 128, 9): body acceleration, angular velocity, total acceleration; part: "train" or "test"."""
    folder = root / part / "Inertial Signals"
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{signal}_{axis}" for signal in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"]
    for channel, name in enumerate(names):
        np.savetxt(folder / f"{name}_{part}.txt", windows[:, :, channel], fmt="%16.8e")
    np.savetxt(root / part / f"y_{part}.txt", y, fmt="%d")
    np.savetxt(root / part / f"subject_{part}.txt", subject, fmt="%d")
