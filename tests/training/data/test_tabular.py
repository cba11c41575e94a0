"""A user's own CSV and Parquet files, read back; what a user reads about wrong ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bhc.diagnostics import BhcError
from bhc.training.data.recordings import UNLABELLED
from bhc.training.data.tabular import read

DESCRIPTION = """
name = "pump"
rate = 50
window = 4
hop = 2
files = ["runs/*.csv"]
channels = ["ax", "ay", "az", "flow"]
triads = [["ax", "ay", "az"]]
label = "state"
subject = "person"
time = "t"
citation = "own"
[splits.default]
train = ["p1"]
test = ["p2"]
[splits.other]
train = ["p2"]
validation = ["p1"]
"""
FIRST = """t,ax,ay,az,flow,state,person,comment
0.00,1,2,3,0.5,on,p1,"well, well"
0.02,2,3,4,0.25, off ,p1,
0.04,3,4,5,1e-3,,p1,
0.14,4,5,6,0,on,p1,
0.00,5,6,7,0,on,p2,
0.02,6,7,8,0,off,p2,
"""
SECOND = "state,person,az,ay,ax,flow,t\non,p2,1,2,3,4,0.5\nidle,p2,1,2,3,4,0.52\n"


def write(folder: Path, description: str = DESCRIPTION, first: str = FIRST) -> Path:
    (folder / "runs").mkdir()
    (folder / "runs/one.csv").write_text(first)
    (folder / "runs/two.csv").write_text(SECOND)
    (folder / "pump.toml").write_text(description)
    return folder / "pump.toml"


def test_csv(tmp_path: Path) -> None:
    data = read(write(tmp_path))
    assert (data.name, data.rate, data.window, data.hop, data.citation) == ("pump", 50, 4, 2, "own")
    assert data.channels == ("ax", "ay", "az", "flow")
    assert data.triads == ((0, 1, 2),)
    assert data.classes == ("idle", "off", "on")
    one, one_later, other, two = data.recordings
    names = ["runs/one.csv#1", "runs/one.csv#2", "runs/one.csv#3", "runs/two.csv#1"]
    assert [r.name for r in data.recordings] == names
    assert [r.subject for r in data.recordings] == ["p1", "p1", "p2", "p2"]
    assert one.x.dtype == np.float32
    np.testing.assert_array_equal(one.x, np.array([[1, 2, 3, 0.5], [2, 3, 4, 0.25], [3, 4, 5, 1e-3]], np.float32))
    assert one.y.tolist() == [2, 1, UNLABELLED]
    np.testing.assert_array_equal(one_later.x, [[4, 5, 6, 0]])  # cut where 0.1 s are missing
    np.testing.assert_array_equal(other.x, [[5, 6, 7, 0], [6, 7, 8, 0]])
    np.testing.assert_array_equal(two.x, [[3, 2, 1, 4]] * 2)
    assert two.y.tolist() == [2, 0]
    assert list(data.splits) == ["default", "other"]
    assert [data.splits["default"].part(r.name) for r in data.recordings] == ["train", "train", "test", "test"]
    assert [data.splits["other"].part(r.name) for r in data.recordings] == [
        "validation",
        "validation",
        "train",
        "train",
    ]


def test_order_of_classes(tmp_path: Path) -> None:
    data = read(write(tmp_path, DESCRIPTION.replace("label", 'classes = ["on", "off", "idle", "broken"]\nlabel')))
    assert data.classes == ("on", "off", "idle", "broken")
    assert data.recordings[0].y.tolist() == [0, 1, UNLABELLED]


def test_parquet_with_subjects_in_the_names_of_files(tmp_path: Path) -> None:
    """Labels are whole numbers; with a missing one, such as pandas writes them."""
    description = DESCRIPTION.replace('"runs/*.csv"', '"**/*.parquet"').replace(
        'subject = "person"', "subject_pattern = '(p[0-9]+)_'"
    )
    path = write(tmp_path, description.replace('time = "t"\n', ""))
    x = np.arange(12, dtype=np.int16).reshape(3, 4)
    for name, labels in (("p1_a", [10, 9, 9]), ("p2_b", [9.0, None, 10.0])):
        columns = {channel: x[:, i] for i, channel in enumerate(("ax", "ay", "az", "flow"))}
        parquet.write_table(pa.table(columns | {"state": labels}), tmp_path / f"runs/{name}.parquet")
    data = read(path)
    assert data.classes == ("9", "10")
    assert [r.y.tolist() for r in data.recordings] == [[1, 0, 0], [0, UNLABELLED, 1]]
    assert [r.subject for r in data.recordings] == ["p1", "p2"]
    np.testing.assert_array_equal(data.recordings[1].x, x)


def test_subjects_with_the_characters_of_patterns(tmp_path: Path) -> None:
    swap = {"p1": "p*", "p2": "[p]"}
    first = FIRST.replace("p1", swap["p1"]).replace("p2", swap["p2"])
    description = DESCRIPTION.replace("p1", swap["p1"]).replace("p2", swap["p2"]).replace("*.csv", "one.csv")
    data = read(write(tmp_path, description, first))
    assert [data.splits["default"].part(r.name) for r in data.recordings] == ["train", "train", "test"]


KEYS = "\n  hint: docs/data.md lists the keys of a data set"
VALUE = "\n  hint: correct the value"
FILE = "\n  hint: correct the file, or leave it out of `files`"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("rate = 50", "rate = ", "BHC701] DIR/pump.toml: Invalid value (at line 3, column 8)" + KEYS),
        ("rate = 50", "frequency = 50", "BHC701] DIR/pump.toml: frequency: unknown key" + KEYS),
        ("hop = 2", "", "BHC701] DIR/pump.toml: hop: missing key" + KEYS),
        ("hop = 2", "hop = 2.5", "BHC701] DIR/pump.toml: hop: int is needed, not 2.5" + KEYS),
        ("rate = 50", "rate = 0", "BHC701] DIR/pump.toml: rate: 0 is not a finite number above 0" + VALUE),
        ("rate = 50", "rate = nan", "BHC701] DIR/pump.toml: rate: nan is not a finite number above 0" + VALUE),
        ("window = 4", "window = -4", "BHC701] DIR/pump.toml: window: -4 is not a finite number above 0" + VALUE),
        (
            '"pump"',
            '"a/b"',
            "BHC701] DIR/pump.toml: name: 'a/b' has other characters than letters, digits, '_', '-' and '.'" + VALUE,
        ),
        ('"ay", "az", "f', '"ay", "ay", "f', "BHC701] DIR/pump.toml: channels: 'ay' is there twice" + VALUE),
        ('"flow"]', '"state"]', "BHC701] DIR/pump.toml: channels: 'state' is the label" + VALUE),
        (
            '["ax", "ay", "az"]]',
            '["ax", "ay"]]',
            "BHC701] DIR/pump.toml: triads: ax, ay are not three channels" + VALUE,
        ),
        (
            '"az"]]',
            '"gz"]]',
            "BHC703] DIR/pump.toml: triads: there is no channel 'gz'\n  hint: channels: ax, ay, az, flow",
        ),
        (
            'subject = "person"',
            "",
            "BHC701] DIR/pump.toml: subject, subject_pattern: exactly one of them is needed" + VALUE,
        ),
        (
            'subject = "person"',
            'subject_pattern = "p[0-9]"',
            "BHC701] DIR/pump.toml: subject_pattern: 'p[0-9]' has 0 groups (...) instead of one" + VALUE,
        ),
        (
            'subject = "person"',
            'subject_pattern = "(p[0-9"',
            "BHC701] DIR/pump.toml: subject_pattern: '(p[0-9' is no regular expression: unterminated character set at "
            "position 2" + VALUE,
        ),
        (
            'subject = "person"',
            'subject_pattern = "(p[0-9])"',
            "BHC701] DIR/runs/one.csv: subject_pattern '(p[0-9])' is not in its name\n  hint: correct "
            "subject_pattern, or "
            "leave the file out of `files`",
        ),
        (
            "runs/*.csv",
            "run/*.csv",
            "BHC700] DIR/pump.toml: files: nothing matches 'run/*.csv'\n  hint: patterns are relative to DIR",
        ),
        (
            "runs/*.csv",
            "/runs/*.csv",
            "BHC700] DIR/pump.toml: files: nothing matches '/runs/*.csv'\n  hint: patterns are relative to DIR",
        ),
        (
            "runs/*.csv",
            "*.toml",
            "BHC700] DIR/pump.toml: neither .csv nor .parquet\n  hint: convert it, or leave it out of `files`",
        ),
        (
            '"flow"]',
            '"pressure"]',
            "BHC703] DIR/runs/one.csv: column 'pressure' is not there\n  hint: columns: t, ax, ay, az, flow, state, "
            "person, "
            "comment",
        ),
        (
            "label",
            'classes = ["on", "off"]\nlabel',
            "BHC703] DIR/runs/two.csv, row 2: label 'idle' is no class\n  hint: add it to `classes` in DIR/pump.toml, "
            "or "
            "leave the label empty",
        ),
        (
            'label = "state"',
            'label = "comment"\nclasses = []',
            "BHC703] DIR/runs/two.csv: column 'comment' is not there",
        ),
        (
            'train = ["p1"]',
            'train = ["p1", "p3"]',
            "BHC703] DIR/pump.toml: splits.default: subject 'p3' is in no file\n  hint: subjects: p1, p2",
        ),
        (
            'test = ["p2"]',
            "",
            "BHC703] DIR/pump.toml: splits.default: subject 'p2' is in no part\n  hint: add it to train, validation "
            "or test",
        ),
        (
            'test = ["p2"]',
            'test = ["p2", "p1"]',
            "BHC703] DIR/pump.toml: splits.default: subject 'p1' is named twice\n  hint: the parts of a split have no "
            "subject in common",
        ),
    ],
)
def test_wrong_descriptions(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in DESCRIPTION
    path = write(tmp_path, DESCRIPTION.replace(old, new, 1))
    with pytest.raises(BhcError) as raised:
        read(path)
    assert str(raised.value).replace(str(tmp_path), "DIR").startswith("error[" + expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2,3,4,", "2,three,4,", "BHC701] DIR/runs/one.csv, row 2: column 'ay': 'three' is not a finite number" + FILE),
        ("2,3,4,", "2,nan,4,", "BHC701] DIR/runs/one.csv, row 2: column 'ay': 'nan' is not a finite number" + FILE),
        ("2,3,4,", "2,,4,", "BHC701] DIR/runs/one.csv, row 2: column 'ay': '' is not a finite number" + FILE),
        ("2,3,4,", "2,1e99,4,", "BHC701] DIR/runs/one.csv, row 2: column 'ay': '1e99' is not a finite number" + FILE),
        (
            "2,3,4,",
            "2,3,",
            "BHC701] DIR/runs/one.csv: CSV parse error: Expected 8 columns, got 7: 0.02,2,3,0.25, off ,p1,",
        ),
        ("off ,p1", "off ,", "BHC701] DIR/runs/one.csv, row 2: column 'person': no subject" + FILE),
        ("0.02,2", "0,2", "BHC701] DIR/runs/one.csv, row 2: column 't': 0 s is not after 0 s" + FILE),
        (
            "0.02,2,3,4,0.25, off ,p1,\n0.04,3,4,5,1e-3,,p1,\n0.14,4,5,6,0,on,p1,\n",
            "20,2,3,4,0.25,off,p1,\n40,3,4,5,0,,p1,\n60,4,5,6,0,on,p1,\n",
            "BHC701] DIR/runs/one.csv: column 't': samples are 20 s apart; at 50 Hz, that is 0.02 s" + FILE,
        ),
        (FIRST.partition("\n")[2], "", "BHC701] DIR/runs/one.csv: there are no rows" + FILE),
        (FIRST, "", "BHC701] DIR/runs/one.csv: Empty CSV file" + FILE),
        ("comment", "ax", "BHC703] DIR/runs/one.csv: column 'ax' is there twice\n  hint: columns: t, ax, ay, az, flow"),
    ],
)
def test_wrong_files(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in FIRST
    path = write(tmp_path, first=FIRST.replace(old, new, 1))
    with pytest.raises(BhcError) as raised:
        read(path)
    assert str(raised.value).replace(str(tmp_path), "DIR").startswith("error[" + expected)


def not_there(path: Path) -> None:
    path.unlink()


def no_parquet(path: Path) -> None:
    path.write_text(DESCRIPTION.replace("runs/*.csv", "runs/*.parquet"))
    (path.parent / "runs/a.parquet").write_text("ax,ay")


def no_labels(path: Path) -> None:
    for file in path.parent.glob("runs/*.csv"):
        file.write_text("t,ax,ay,az,flow,state,person\n0,1,2,3,4,,p1\n0,1,2,3,4,,p2\n")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (not_there, "BHC700] DIR/pump.toml: there is no such file\n  hint: name the TOML file of a data set"),
        (no_parquet, "BHC701] DIR/runs/a.parquet: "),
        (no_labels, "BHC701] DIR/pump.toml: label: no row of any file has one\n  hint: name another column"),
    ],
)
def test_other_diagnostics(tmp_path: Path, damage: Callable[[Path], None], expected: str) -> None:
    path = write(tmp_path)
    damage(path)
    with pytest.raises(BhcError) as raised:
        read(path)
    assert str(raised.value).replace(str(tmp_path), "DIR").startswith("error[" + expected)
