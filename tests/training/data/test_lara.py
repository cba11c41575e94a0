"""LARa: small files in the format of the authors' tools, read back; what a user reads about wrong ones."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bhc.diagnostics import BhcError
from bhc.training.data.lara import ATTRIBUTES, CLASSES, read_imu, read_omocap

SENSORS = ("LA", "LL", "N", "RA", "RL")
IMU_COLUMNS = [f"{s}_{q}{a}" for s in SENSORS for q in ("Accelerometer", "Gyroscope") for a in "XYZ"]
# As the annotation tool writes them: 22 segments in this order, with blanks.
SEGMENTS = ["head", "head end", "L collar", "L elbow", "L femur", "L foot", "L humerus", "L tibia", "L toe", "L wrist"]
SEGMENTS += ["L wrist end", "lower back", "R collar", "R elbow", "R femur", "R foot", "R humerus", "R tibia", "R toe"]
SEGMENTS += ["R wrist", "R wrist end", "root"]
OMOCAP_COLUMNS = [f"{s}_{q}{a}" for s in SEGMENTS for q in "RT" for a in "XYZ"]


def signals(rows: int, columns: int) -> NDArray[np.float64]:
    return np.arange(rows * columns, dtype=float).reshape(rows, columns) / 8


def labels(rows: int = 4) -> NDArray[np.int64]:
    classes = np.arange(rows)[:, None] % 8
    return np.hstack([classes, (np.arange(rows)[:, None] + np.arange(19)) % 2])


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(map(str, row)) for row in (header, *rows)) + "\n")


def write_labels(path: Path, header: str, rows: int = 4) -> None:
    write_csv(path, [header, *ATTRIBUTES], [[f"{v:.18e}" for v in row] for row in labels(rows)])


def write_imu(folder: Path) -> Path:
    """In every other file, the sensors in the opposite order."""
    for number in range(7, 15):
        order = list(range(30)) if number % 2 else list(range(29, -1, -1))
        rows = [[f"2019-06-05 12:41:11.{i:02}0", *row] for i, row in enumerate(signals(4, 30)[:, order])]
        name = f"S{number:02}/L01_S{number:02}_R01"
        write_csv(folder / f"{name}.csv", ["Time", *(IMU_COLUMNS[i] for i in order)], rows)
        write_labels(folder / f"{name}_labels.csv", "Class")
    return folder


def write_omocap(folder: Path, subjects: int = 14) -> Path:
    for number in range(1, 1 + subjects):
        name = f"S{number:02}/L01_S{number:02}_R01_A17_N01"
        rows = [[i, 0, *row] for i, row in enumerate(signals(4, 132))]
        write_csv(folder / f"{name}_norm_data.csv", ["sample", "classlabel", *OMOCAP_COLUMNS], rows)
        write_labels(folder / f"{name}_labels.csv", "class")
    return folder


def test_imu(tmp_path: Path) -> None:
    write_imu(tmp_path / "IMU data")
    write_omocap(tmp_path / "OMoCap data")
    data = read_imu(tmp_path)
    assert [r.subject for r in data.recordings] == [f"S{n:02}" for n in range(7, 15)]
    for recording in data.recordings:
        np.testing.assert_array_equal(recording.x, signals(4, 30).astype(np.float32))
        assert recording.y.tolist() == [0, 1, 2, 3]
        np.testing.assert_array_equal(recording.attributes, labels()[:, 1:])
    assert (data.channels[0], data.channels[3], data.channels[29]) == ("LA.acc.x", "LA.gyro.x", "RL.gyro.z")
    assert (data.classes, data.attributes, len(data.triads)) == (CLASSES, ATTRIBUTES, 10)
    assert (data.rate, data.window, data.hop) == (100, 100, 12)
    split = data.splits["subjects-13-14"]
    assert [split.part(r.name) for r in data.recordings] == ["train"] * 4 + ["validation"] * 2 + ["test"] * 2


def test_omocap(tmp_path: Path) -> None:
    write_imu(tmp_path / "IMU data")
    write_omocap(tmp_path / "OMoCap data", 16)
    data = read_omocap(tmp_path)
    assert [r.name for r in data.recordings] == [f"L01_S{n:02}_R01_A17_N01" for n in range(1, 17)]
    lower_back = range(66, 72)
    expected = np.delete(signals(4, 132), lower_back, 1).astype(np.float32)
    for recording in data.recordings:
        np.testing.assert_array_equal(recording.x, expected)
        assert recording.y.tolist() == [0, 1, 2, 3]
        np.testing.assert_array_equal(recording.attributes, labels()[:, 1:])
    assert len(data.channels) == 126
    assert (data.channels[6], data.channels[66], data.channels[125]) == ("head_end.R.x", "R_collar.R.x", "root.T.z")
    assert [data.channels[i] for i in data.triads[0]] == ["head.T.x", "head.T.y", "head.T.z"]
    assert (data.rate, data.window, data.hop, len(data.triads)) == (200, 200, 25, 21)
    split = data.splits["subjects-6-13-14"]
    parts = {
        part: [r.subject for r in data.recordings if split.part(r.name) == part] for part in ("validation", "test")
    }
    assert parts == {"validation": ["S05", "S11", "S12"], "test": ["S06", "S13", "S14"]}


def test_omocap_without_the_later_subjects(tmp_path: Path) -> None:
    assert len(read_omocap(write_omocap(tmp_path)).recordings) == 14


def no_source(folder: Path) -> None:
    for path in folder.glob("S07/*"):
        path.unlink()


def no_recordings(folder: Path) -> None:
    for path in folder.glob("S10/*"):
        path.unlink()


def no_labels(folder: Path) -> None:
    (folder / "S10/L01_S10_R01_labels.csv").unlink()


def short_labels(folder: Path) -> None:
    write_labels(folder / "S10/L01_S10_R01_labels.csv", "Class", 3)


def edit(folder: Path, file: str, line: int, old: str, new: str) -> None:
    path = folder / file
    lines = path.read_text().splitlines()
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_text("\n".join(lines) + "\n")


def wrong_class(folder: Path) -> None:
    edit(folder, "S10/L01_S10_R01_labels.csv", 3, "1.000000000000000000e+00", "8")


def wrong_attribute(folder: Path) -> None:
    edit(folder, "S10/L01_S10_R01_labels.csv", 5, ",0.000000000000000000e+00", ",0.5")


def no_column(folder: Path) -> None:
    edit(folder, "S10/L01_S10_R01.csv", 1, "LA_GyroscopeY", "LA_Gyro2")


def narrow(folder: Path) -> None:
    edit(folder, "S10/L01_S10_R01.csv", 4, ",7.5", "")


def text(folder: Path) -> None:
    edit(folder, "S10/L01_S10_R01.csv", 3, ",7.375", ",x")


HINT = (
    "\n  hint: get LARa, IMU data from https://zenodo.org/records/3862782 or a later version and unpack it; the "
    "source is the "
    "folder with S07/L01_S07_R01.csv"
)
DAMAGED = "\n  hint: the file is damaged or not of this data set; unpack the original distribution again"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            no_source,
            f"error[BHC700] DIR: it holds no S07/L01_S07_R01.csv, which every copy has{HINT}",
        ),
        (no_recordings, f"error[BHC700] DIR: 7 of 8 files found; missing: S10/L*_S10_R*.csv{HINT}"),
        (no_labels, f"error[BHC700] DIR: 7 of 8 files found; missing: S10/L01_S10_R01_labels.csv{HINT}"),
        (
            short_labels,
            f"error[BHC701] DIR/S10/L01_S10_R01_labels.csv: 3 rows of labels for 4 of L01_S10_R01.csv{DAMAGED}",
        ),
        (
            wrong_class,
            f"error[BHC701] DIR/S10/L01_S10_R01_labels.csv, line 3: class: 8 is not one of 0 to 7{DAMAGED}",
        ),
        (
            wrong_attribute,
            "error[BHC701] DIR/S10/L01_S10_R01_labels.csv, line 5: I-B_Step: 0.5 is not one of 0 to 1" + DAMAGED,
        ),
        (
            no_column,
            "error[BHC701] DIR/S10/L01_S10_R01.csv, line 1: there is no column 'LA_GyroscopeY' among 31: Time, "
            "RL_GyroscopeZ, RL_GyroscopeY, RL_GyroscopeX, RL_AccelerometerZ, RL_AccelerometerY, RL_AccelerometerX, "
            f"RA_GyroscopeZ{DAMAGED}",
        ),
        (narrow, f"error[BHC701] DIR/S10/L01_S10_R01.csv, line 4: 30 values instead of 31{DAMAGED}"),
        (text, f"error[BHC701] DIR/S10/L01_S10_R01.csv, line 3: column 2: 'x' is not a number{DAMAGED}"),
    ],
)
def test_diagnostics(tmp_path: Path, damage: Callable[[Path], None], expected: str) -> None:
    damage(write_imu(tmp_path))
    with pytest.raises(BhcError) as raised:
        read_imu(tmp_path)
    assert str(raised.value).replace(str(tmp_path), "DIR") == expected
