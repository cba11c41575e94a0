"""PAMAP2: small files in the documented format, read back; what a user reads about wrong ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bhc.diagnostics import BhcError
from bhc.training.data.pamap2 import read
from bhc.training.data.recordings import UNLABELLED

# Positions from the readme, from 0: hand 3, chest 20, ankle 37; in each, acceleration (16 g) 1-3, gyroscope 7-9,
# magnetometer 10-12.
KEPT = [i + j for i in (3, 20, 37) for j in (1, 2, 3, 7, 8, 9, 10, 11, 12)]


def table(rows: int = 6) -> NDArray[np.float64]:
    values = np.arange(rows * 54, dtype=float).reshape(rows, 54)
    values[:, 0] = 8.38 + 0.01 * np.arange(rows)
    values[:, 1] = 24
    values[:, 2] = np.nan
    return values


def write(folder: Path, **subjects: NDArray[np.float64]) -> Path:
    (folder / "Protocol").mkdir()
    for number in range(101, 110):
        np.savetxt(folder / f"Protocol/subject{number}.dat", subjects.get(f"s{number}", table()), fmt="%.10g")
    return folder


def test_read(tmp_path: Path) -> None:
    first = table()
    first[:, 1] = [0, 1, 1, 9, 13, 24]
    data = read(write(tmp_path, s101=first))
    assert [r.name for r in data.recordings] == [f"subject{n}.1" for n in range(101, 110)]
    recording = data.recordings[0]
    assert recording.subject == "101"
    np.testing.assert_array_equal(recording.x, first[:, KEPT].astype(np.float32))
    assert recording.y.tolist() == [UNLABELLED, 0, 0, UNLABELLED, 8, 11]
    assert (data.classes[0], data.classes[8], data.classes[11]) == ("lying", "descending stairs", "rope jumping")
    assert (data.channels[0], data.channels[9], data.channels[26]) == ("hand.acc.x", "chest.acc.x", "ankle.mag.z")
    assert len(data.triads) == 9
    parts = {r.subject: data.splits["subject-106"].part(r.name) for r in data.recordings}
    assert [subject for subject, part in parts.items() if part != "train"] == ["105", "106"]
    assert (parts["105"], parts["106"]) == ("validation", "test")


def test_the_folder_protocol_itself(tmp_path: Path) -> None:
    assert len(read(write(tmp_path) / "Protocol").recordings) == 9


def test_lost_samples(tmp_path: Path) -> None:
    lost = table(600)
    lost[10:110, 4] = np.nan  # 1 s of the hand: filled in
    lost[200:301, 21] = np.nan  # more of the chest: cut
    lost[400:, 0] += 1.5  # a break in time: cut
    lost[:5, 38] = np.nan  # at the start: left out
    lost[:, 3] = np.nan  # temperature: of no interest
    parts = [r for r in read(write(tmp_path, s104=lost)).recordings if r.subject == "104"]
    assert [(r.name, len(r.x)) for r in parts] == [
        ("subject104.1", 195),
        ("subject104.2", 99),
        ("subject104.3", 200),
    ]
    np.testing.assert_allclose(parts[0].x[:, 0], np.arange(5, 200) * 54 + 4)
    assert not any(np.isnan(r.x).any() for r in parts)


def narrow(folder: Path) -> None:
    np.savetxt(folder / "Protocol/subject103.dat", table()[:, :53])


def unknown_activity(folder: Path) -> None:
    wrong = table()
    wrong[2, 1] = 8
    np.savetxt(folder / "Protocol/subject103.dat", wrong)


def text(folder: Path) -> None:
    file = folder / "Protocol/subject103.dat"
    lines = file.read_text().splitlines()
    lines[1] = lines[1].replace("nan", "lost")
    file.write_text("\n".join(lines))


def missing(folder: Path) -> None:
    (folder / "Protocol/subject103.dat").unlink()


def other(folder: Path) -> None:
    (folder / "Protocol").rename(folder / "Optional")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (
            other,
            "error[BHC700] DIR: it holds no Protocol, which every copy has\n  hint: get PAMAP2 "
            "Physical Activity Monitoring from https://archive.ics.uci.edu/dataset/231 and unpack it; the source is "
            "the "
            "folder with Protocol",
        ),
        (
            missing,
            "error[BHC700] DIR: 8 of 9 files found; missing: Protocol/subject103.dat\n  hint: get PAMAP2 Physical "
            "Activity Monitoring from https://archive.ics.uci.edu/dataset/231 and unpack it; the source is the folder "
            "with "
            "Protocol",
        ),
        (
            narrow,
            "error[BHC701] DIR/Protocol/subject103.dat, line 1: 53 values instead of 54\n  hint: the file is damaged "
            "or "
            "not of this data set; unpack the original distribution again",
        ),
        (
            text,
            "error[BHC701] DIR/Protocol/subject103.dat, line 2: column 3: 'lost' is not a number\n  hint: the file is "
            "damaged or not of this data set; unpack the original distribution again",
        ),
        (
            unknown_activity,
            "error[BHC701] DIR/Protocol/subject103.dat, line 3: column 2: there is no activity 8\n  hint: the file is "
            "damaged or not of this data set; unpack the original distribution again",
        ),
    ],
)
def test_diagnostics(tmp_path: Path, damage: Callable[[Path], None], expected: str) -> None:
    damage(write(tmp_path))
    with pytest.raises(BhcError) as raised:
        read(tmp_path)
    assert str(raised.value).replace(str(tmp_path), "DIR") == expected
