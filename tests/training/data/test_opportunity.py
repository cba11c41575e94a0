"""OPPORTUNITY: small files in the documented format, read back; what a user reads about wrong ones."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bhc.diagnostics import BhcError
from bhc.training.data.opportunity import CHANNELS, GESTURES, LOCOMOTION, POSITIONS, read, read_locomotion

RUNS = [f"S{subject}-{run}" for subject in range(1, 5) for run in ("ADL1", "ADL2", "ADL3", "ADL4", "ADL5", "Drill")]


def table(rows: int = 5) -> NDArray[np.float64]:
    values = np.arange(rows * 250, dtype=float).reshape(rows, 250)
    values[:, 0] = 33 * np.arange(rows)
    values[:, 243:] = 0
    return values


def write(folder: Path, first: NDArray[np.float64] | None = None) -> Path:
    (folder / "dataset").mkdir()
    for run in RUNS:
        np.savetxt(folder / f"dataset/{run}.dat", table() if first is None or run != RUNS[0] else first, fmt="%.10g")
    return folder


def test_gestures(tmp_path: Path) -> None:
    first = table()
    first[:, 249] = [0, 406516, 406516, 405506, 408512]
    data = read(write(tmp_path, first))
    assert [r.name for r in data.recordings] == RUNS
    recording = data.recordings[0]
    kept = [
        i
        for i in range(1, 134)
        if i not in {*range(46, 50), *range(59, 63), *range(72, 76), *range(85, 89), *range(98, 102)}
    ]
    np.testing.assert_array_equal(recording.x, first[:, kept].astype(np.float32))
    assert recording.x.shape[1] == len(data.channels) == len(set(data.channels)) == 113
    assert recording.y.tolist() == [0, 1, 1, 17, 15]
    assert (len(data.classes), data.classes[1], data.classes[17]) == (18, "Open Door 1", "Toggle Switch")
    split = data.splits["challenge"]
    assert {run: split.part(run) for run in RUNS if split.part(run) != "train"} == {
        "S2-ADL3": "validation",
        "S2-ADL4": "test",
        "S2-ADL5": "test",
        "S3-ADL3": "validation",
        "S3-ADL4": "test",
        "S3-ADL5": "test",
        **dict.fromkeys(RUNS[18:]),
    }


def test_locomotion(tmp_path: Path) -> None:
    first = table()
    first[:, 243] = [0, 1, 2, 4, 5]
    data = read_locomotion(write(tmp_path, first))
    assert data.recordings[0].y.tolist() == [0, 1, 2, 3, 4]
    assert data.classes == ("Null", "Stand", "Walk", "Sit", "Lie")


def test_gaps_are_filled(tmp_path: Path) -> None:
    first = table(100)
    first[1:99, 1] = np.nan
    first[:3, 2] = np.nan
    first[:, 3] = np.nan
    x = read(write(tmp_path, first)).recordings[0].x
    np.testing.assert_allclose(x[:, 0], table(100)[:, 1])
    assert x[:4, 1].tolist() == [752, 752, 752, 752]
    assert not x[:, 2].any()


def test_triads_are_the_axes_of_one_sensor() -> None:
    from bhc.training.data.opportunity import _TRIADS

    for triad in _TRIADS:
        assert [CHANNELS[i][-2:] for i in triad] == [".x", ".y", ".z"]
        assert len({CHANNELS[i][:-2] for i in triad}) == 1
    assert len(_TRIADS) == 12 + 5 * 3 + 2 * 4


def test_channels_and_labels_are_those_of_the_distribution(shared: Path) -> None:
    folder = shared / "data" / "samples" / "opportunity"
    columns = re.findall(r"^Column: (\d+) (.*?)(?:;|$)", (folder / "column_names.txt").read_text(), re.MULTILINE)
    names = {int(number) - 1: name for number, name in columns}
    words = {"euler": "Eu", "nav.acc": "Nav_A", "body.acc": "Body_A", "mag": "magnetic"}
    words |= {"body.gyro": "AngVelBodyFrame", "nav.gyro": "AngVelNavFrame", "compass": "Compass"}
    for position, channel in zip(POSITIONS, CHANNELS, strict=True):
        place, _, quantity = channel.removesuffix(channel[-2:] if channel[-2] == "." else "").partition(".")
        kind, _, rest = names[position].partition(" ")
        assert (kind == "Accelerometer") == (quantity == "acc" and "SHOE" not in place)
        assert rest.split()[0] == place
        short = quantity.removeprefix("imu.")
        axis = channel[-1] if channel[-2] == "." else ""
        assert rest.split()[1].casefold() == (words.get(short, short) + axis).casefold()
    legend = (folder / "label_legend.txt").read_text()
    for track, classes in (("Locomotion", LOCOMOTION), ("ML_Both_Arms", GESTURES)):
        found = re.findall(rf"^(\d+)\s+-\s+{track}\s+-\s+(.*?)\s*$", legend, re.MULTILINE)
        assert {int(number): name for number, name in found} | {0: "Null"} == classes


def narrow(folder: Path) -> None:
    np.savetxt(folder / "dataset/S3-ADL2.dat", table()[:, :249])


def text(folder: Path) -> None:
    file = folder / "dataset/S3-ADL2.dat"
    file.write_text(file.read_text().replace("33 251", "33 x"))


def unknown_label(folder: Path) -> None:
    wrong = table()
    wrong[3, 249] = 406599
    np.savetxt(folder / "dataset/S3-ADL2.dat", wrong, fmt="%.10g")


def missing(folder: Path) -> None:
    for run in RUNS[20:]:
        (folder / f"dataset/{run}.dat").unlink()


def empty(folder: Path) -> None:
    (folder / "dataset").rename(folder / "doc")


SOURCE = (
    "\n  hint: get OPPORTUNITY Activity Recognition from https://archive.ics.uci.edu/dataset/226 and unpack it; the "
    "source is "
    "the folder with dataset"
)
DAMAGED = "\n  hint: the file is damaged or not of this data set; unpack the original distribution again"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (empty, f"error[BHC700] DIR: it holds no dataset, which every copy has{SOURCE}"),
        (
            missing,
            "error[BHC700] DIR: 20 of 24 files found; missing: dataset/S4-ADL3.dat, dataset/S4-ADL4.dat, "
            f"dataset/S4-ADL5.dat and 1 more{SOURCE}",
        ),
        (narrow, f"error[BHC701] DIR/dataset/S3-ADL2.dat, line 1: 249 values instead of 250{DAMAGED}"),
        (text, f"error[BHC701] DIR/dataset/S3-ADL2.dat, line 2: column 2: 'x' is not a number{DAMAGED}"),
        (
            unknown_label,
            f"error[BHC701] DIR/dataset/S3-ADL2.dat, line 4: column 250: there is no label 406599{DAMAGED}",
        ),
    ],
)
def test_diagnostics(tmp_path: Path, damage: Callable[[Path], None], expected: str) -> None:
    damage(write(tmp_path))
    with pytest.raises(BhcError) as raised:
        read(tmp_path)
    assert str(raised.value).replace(str(tmp_path), "DIR") == expected
