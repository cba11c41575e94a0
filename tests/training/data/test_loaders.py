"""The loaders against tiny distributions in the original layouts, and against samples of the real ones."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from bhc.diagnostics import BhcError
from bhc.training.data import daphnet, dsads, hapt, motionsense, uci_har, windows
from bhc.training.data.folders import IncompleteWarning
from bhc.training.data.recordings import UNLABELLED, DataSet
from tests.training.data import originals
from tests.training.data.originals import Floats, Labels

Reader = Callable[[Path], DataSet]


def noise(*shape: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def failure(read: Reader, source: Path) -> tuple[str, str, str]:
    """Code, origin and message of what `read` raises."""
    with pytest.raises(BhcError) as caught:
        read(source)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.hint
    return diagnostic.code, diagnostic.origin, diagnostic.message


def check(dataset: DataSet) -> None:
    """What every data set promises."""
    for recording in dataset.recordings:
        assert recording.x.dtype == np.float32
        assert recording.x.shape == (len(recording.y), len(dataset.channels))
        assert recording.y.dtype == np.int16
        assert recording.y.min() >= UNLABELLED
        assert recording.y.max() < len(dataset.classes)
    assert len({recording.name for recording in dataset.recordings}) == len(dataset.recordings)
    for split in dataset.splits.values():
        subjects = {r.subject for r in dataset.recordings if split.part(r.name) == "test"}
        assert subjects
    assert dataset.citation


# ---------------------------------------------------------------- HAPT


HAPT = {1: (1, [0, 5, 5, 7, 0, 0, 12]), 2: (1, [1, 1, 2, 2]), 3: (2, [0, 6])}


@pytest.fixture
def hapt_folder(tmp_path: Path) -> Path:
    originals.write_hapt(
        tmp_path, ((e, u, noise(len(y), 6, seed=e), np.array(y, np.int8)) for e, (u, y) in HAPT.items())
    )
    return tmp_path


def test_hapt(hapt_folder: Path) -> None:
    dataset = hapt.read(hapt_folder)
    check(dataset)
    assert [(r.name, r.subject) for r in dataset.recordings] == [
        ("exp01_user01", "1"),
        ("exp02_user01", "1"),
        ("exp03_user02", "2"),
    ]
    for recording, (experiment, (_, y)) in zip(dataset.recordings, HAPT.items(), strict=True):
        assert np.array_equal(recording.x, noise(len(y), 6, seed=experiment))
        assert np.array_equal(recording.y, np.array(y) - 1)
    assert [dataset.splits["official"].part(r.name) for r in dataset.recordings] == ["train", "train", "test"]


@pytest.mark.parametrize("source", [".", "..", "../..", "RawData"])
def test_the_source_may_be_a_folder_nearby(tmp_path: Path, source: str) -> None:
    root = tmp_path / "download" / "unpacked"
    originals.write_hapt(root, [(1, 2, noise(3, 6), np.array([1, 1, 0]))])
    assert len(hapt.read(root / source).recordings) == 1


def test_hapt_in_a_wrong_folder(tmp_path: Path) -> None:
    message = "it holds no RawData/labels.txt, which every copy has"
    assert failure(hapt.read, tmp_path) == ("BHC700", str(tmp_path), message)
    nowhere = tmp_path / "nowhere"
    assert failure(hapt.read, nowhere) == ("BHC700", str(nowhere), "there is no such folder")


def test_hapt_incomplete(hapt_folder: Path) -> None:
    raw = hapt_folder / "RawData"
    (raw / "gyro_exp02_user01.txt").unlink()
    message = "5 of 6 files found; missing: RawData/gyro_exp02_user01.txt"
    assert failure(hapt.read, hapt_folder) == ("BHC700", str(hapt_folder), message)
    for path in raw.glob("acc*"):
        path.unlink()
    message = (
        "2 of 6 files found; missing: RawData/acc_exp01_user01.txt, RawData/acc_exp02_user01.txt, "
        "RawData/gyro_exp02_user01.txt and 1 more"
    )
    assert failure(hapt.read, hapt_folder) == ("BHC700", str(hapt_folder), message)


def test_hapt_malformed(hapt_folder: Path) -> None:
    labels, gyro = hapt_folder / "RawData/labels.txt", hapt_folder / "RawData/gyro_exp02_user01.txt"
    lines = labels.read_text().splitlines()
    for wrong, message in (
        ("1 1 13 2 3", "activity 13 in samples 2 to 3 of a recording with 7"),
        ("1 1 5 2 8", "activity 5 in samples 2 to 8 of a recording with 7"),
        ("1 1 5 0 3", "activity 5 in samples 0 to 3 of a recording with 7"),
    ):
        labels.write_text("\n".join([lines[0], wrong, *lines[2:]]))
        assert failure(hapt.read, hapt_folder) == ("BHC701", f"{labels}, line 2", message)
    labels.write_text("\n".join(lines))
    gyro.write_text(gyro.read_text() + "1 2 3\n")
    assert failure(hapt.read, hapt_folder) == ("BHC701", str(gyro), "5 samples, but 4 of the accelerometer")


def recordings_of_hapt(shared: Path, experiments: range) -> Iterator[tuple[int, int, Floats, Labels]]:
    with np.load(shared / "data/hapt.npz") as packed:
        x, y, rows = packed["x"].T * packed["scale"], packed["y"], packed["experiments"]
    for experiment, user, start, length in rows[experiments.start - 1 : experiments.stop - 1].tolist():
        part = slice(start, start + length)
        yield experiment, user, x[part].astype(np.float32), y[part]


def test_hapt_gives_the_official_windows(shared: Path, tmp_path: Path) -> None:
    experiments = range(2, 5)  # users 1, 2, 2: both parts of the split
    recordings = list(recordings_of_hapt(shared, experiments))
    originals.write_hapt(tmp_path, recordings)
    dataset = hapt.read(tmp_path)
    for recording, (_, _, x, y) in zip(dataset.recordings, recordings, strict=True):
        assert np.array_equal(recording.x, x)
        assert np.array_equal(recording.y, y - 1)
    parts = windows.split(dataset)
    with np.load(shared / "data/hapt.npz") as packed:
        starts, labels, train = packed["win_start"], packed["win_label"], packed["win_is_train"]
        offsets = packed["experiments"][:, 2]
    for part, is_train, first in ((parts.train, True, 2), (parts.test, False, 3)):
        found = offsets[part.recording + first - 1] + part.start
        low, high = offsets[experiments.start - 1], offsets[experiments.stop - 1]
        official = (starts >= low) & (starts < high) & (train == is_train)
        assert np.array_equal(found, starts[official])
        assert np.array_equal(part.y, labels[official] - 1)


def test_hapt_sample(shared: Path, tmp_path: Path) -> None:
    sample = shared / "data/samples/hapt"
    assert failure(hapt.read, sample)[2].startswith("2 of 122 files found; missing: RawData/acc_exp02_user01.txt, ")
    shutil.copytree(sample / "RawData", tmp_path / "RawData")
    labels = tmp_path / "RawData/labels.txt"
    kept = [line for line in labels.read_text().splitlines() if line.startswith("1 ")]
    labels.unlink()
    labels.write_text("\n".join(kept))
    (recording,) = hapt.read(tmp_path).recordings
    ((_, _, x, y),) = recordings_of_hapt(shared, range(1, 2))
    assert np.array_equal(recording.y, y - 1)
    assert np.abs(recording.x - x).max() <= 0.51 * 10 / 2**15  # packed as integers


# ---------------------------------------------------------------- MotionSense


@pytest.fixture
def motionsense_folder(tmp_path: Path) -> Path:
    names = [(s, a, t) for s in motionsense.SUBJECTS for a, trials in motionsense.TRIALS.items() for t in trials]
    originals.write_motionsense(tmp_path, ((s, a, t, noise(2, 9, seed=100 * s + t)) for s, a, t in names))
    return tmp_path


def test_motionsense(motionsense_folder: Path) -> None:
    dataset = motionsense.read(motionsense_folder)
    check(dataset)
    by_name = {recording.name: recording for recording in dataset.recordings}
    assert len(by_name) == 360
    assert np.array_equal(by_name["sub_1.wlk_7"].x, noise(2, 9, seed=107))
    assert by_name["sub_24.std_14"].subject == "24"
    assert by_name["sub_24.std_14"].y.tolist() == [5, 5]
    subjects, trials = dataset.splits["subjects-20-24"], dataset.splits["trials"]
    assert {r.subject for r in dataset.recordings if subjects.part(r.name) == "test"} == {"20", "21", "22", "23", "24"}
    assert sum(trials.part(r.name) == "test" for r in dataset.recordings) == 24 * 6


def test_motionsense_incomplete_or_malformed(motionsense_folder: Path) -> None:
    path = motionsense_folder / "A_DeviceMotion_data/ups_3/sub_9.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1], lines[2].replace(",", ";")]))
    assert failure(motionsense.read, motionsense_folder) == ("BHC701", f"{path}, line 3", "1 values instead of 13")
    path.write_text("\n".join(line.replace("gravity.x", "gravity") for line in lines))
    code, origin, message = failure(motionsense.read, motionsense_folder)
    assert (code, origin) == ("BHC701", f"{path}, line 1")
    assert message.startswith("there is no column 'gravity.x' among 13: ")
    path.unlink()
    message = "359 of 360 files found; missing: A_DeviceMotion_data/ups_3/sub_9.csv"
    assert failure(motionsense.read, motionsense_folder) == ("BHC700", str(motionsense_folder), message)


def test_motionsense_sample(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(motionsense, "TRIALS", {"wlk": (7,), "sit": (5,)})
    monkeypatch.setattr(motionsense, "SUBJECTS", range(1, 2))
    dataset = motionsense.read(shared / "data/samples/motionsense")
    with np.load(shared / "data/motionsense.npz") as packed:
        rows, x, scale = packed["recordings"], packed["x"], packed["scale"]
    for recording, (label, trial) in zip(dataset.recordings, ((2, 7), (4, 5)), strict=True):
        (row,) = [row for row in rows.tolist() if row[:3] == [1, label, trial]]
        packed_x = x[:, row[3] : row[3] + row[4]].T * scale
        assert recording.x.shape == packed_x.shape
        assert (np.abs(recording.x - packed_x) <= 0.51 * scale).all()


# ---------------------------------------------------------------- DSADS


@pytest.fixture
def dsads_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two activities of two subjects; two segments each."""
    monkeypatch.setattr(dsads, "CLASSES", dsads.CLASSES[:2])
    monkeypatch.setattr(dsads, "SUBJECTS", range(6, 8))
    monkeypatch.setattr(dsads, "SEGMENTS", 2)
    for activity in (1, 2):
        for subject in (6, 7):
            originals.write_dsads(tmp_path, activity, subject, noise(2, 125, 45, seed=10 * subject + activity))
    return tmp_path


def test_dsads(dsads_folder: Path) -> None:
    dataset = dsads.read(dsads_folder)
    check(dataset)
    assert [recording.name for recording in dataset.recordings] == ["p6.a01", "p6.a02", "p7.a01", "p7.a02"]
    assert np.array_equal(dataset.recordings[3].x, noise(2, 125, 45, seed=72).reshape(250, 45))
    assert set(dataset.recordings[3].y.tolist()) == {1}
    assert [dataset.channels[i] for i in dataset.triads[1]] == ["torso.gyro.x", "torso.gyro.y", "torso.gyro.z"]


def test_dsads_incomplete_or_malformed(dsads_folder: Path) -> None:
    path = dsads_folder / "data/a02/p7/s01.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-1]))
    assert failure(dsads.read, dsads_folder) == ("BHC701", str(path), "124 lines instead of 125")
    path.unlink()
    message = "7 of 8 files found; missing: data/a02/p7/s01.txt"
    assert failure(dsads.read, dsads_folder) == ("BHC700", str(dsads_folder), message)


def test_dsads_sample(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dsads, "CLASSES", dsads.CLASSES[8:9])
    monkeypatch.setattr(dsads, "SUBJECTS", range(1, 2))
    monkeypatch.setattr(dsads, "SEGMENTS", 2)
    shutil.copytree(shared / "data/samples/dsads/data/a09", tmp_path / "data/a01")
    (recording,) = dsads.read(tmp_path).recordings
    with np.load(shared / "data/dsads/p1.npz") as packed:
        x, scale = packed["x"][8, :, :250].T * packed["scale"], packed["scale"]
    assert (np.abs(recording.x - x) <= 0.51 * scale).all()


# ---------------------------------------------------------------- Daphnet


@pytest.fixture
def daphnet_folder(tmp_path: Path) -> Path:
    for number, run in enumerate(daphnet.RUNS):
        x = np.random.default_rng(number).integers(-2000, 2000, (4, 9))
        originals.write_daphnet(tmp_path, run, x, np.array([0, 1, 2, 1]))
    return tmp_path


def test_daphnet(daphnet_folder: Path) -> None:
    dataset = daphnet.read(daphnet_folder)
    check(dataset)
    assert tuple(recording.name for recording in dataset.recordings) == daphnet.RUNS
    assert np.array_equal(dataset.recordings[2].x, np.random.default_rng(2).integers(-2000, 2000, (4, 9)))
    assert dataset.recordings[2].subject == "S02"
    assert dataset.recordings[2].y.tolist() == [UNLABELLED, 0, 1, 0]
    parts = {r.name: dataset.splits["S02"].part(r.name) for r in dataset.recordings}
    assert {name for name, part in parts.items() if part == "test"} == {"S02R01", "S02R02"}
    assert {name for name, part in parts.items() if part == "validation"} == {"S09R01"}


def test_daphnet_incomplete(daphnet_folder: Path) -> None:
    folder = daphnet_folder / "dataset"
    for run in daphnet.RUNS[2:]:
        (folder / f"{run}.txt").unlink()
    with pytest.warns(IncompleteWarning, match=r"^2 of 17 runs found; missing: S02R01, .*, S10R01$"):
        dataset = daphnet.read(folder)
    assert [recording.name for recording in dataset.recordings] == ["S01R01", "S01R02"]
    for run in daphnet.RUNS[:2]:
        (folder / f"{run}.txt").unlink()
    message = "it holds no dataset/S??R??.txt, which every copy has"
    assert failure(daphnet.read, daphnet_folder) == ("BHC700", str(daphnet_folder), message)
    (folder / "S11R01.txt").touch()
    message = "none of the runs S01R01.txt to S10R01.txt found"
    assert failure(daphnet.read, daphnet_folder) == ("BHC700", str(folder), message)


def test_daphnet_malformed(daphnet_folder: Path) -> None:
    path = daphnet_folder / "dataset/S06R02.txt"
    path.write_text("15 1 2 3 4 5 6 7 8 9 1\n31 1 2 3 4 5 6 7 8 9 3\n")
    assert failure(daphnet.read, daphnet_folder) == ("BHC701", f"{path}, line 2", "label 3 is none of 0, 1, 2")


# ---------------------------------------------------------------- UCI HAR


def overlapping(signal: Floats) -> Floats:
    """(N, 128, 9) from (T, 9): windows that overlap by half."""
    return np.stack([signal[start : start + 128] for start in range(0, len(signal) - 127, 64)])


@pytest.fixture
def uci_har_windows() -> tuple[Floats, Labels, Labels]:
    """Windows, labels and subjects: a walk of three windows, a walk of one, one more that sits, one of subject 3."""
    one = overlapping(noise(256, 9, seed=1))
    another = overlapping(noise(192, 9, seed=2))  # the label changes, although they overlap
    more = overlapping(noise(128, 9, seed=3))
    x = np.concatenate([one, another, more])
    return x, np.array([1, 1, 1, 1, 4, 4]), np.array([1, 1, 1, 1, 1, 3])


@pytest.fixture
def uci_har_folder(tmp_path: Path, uci_har_windows: tuple[Floats, Labels, Labels]) -> Path:
    for part in uci_har.PARTS:
        originals.write_uci_har(tmp_path / "UCI HAR Dataset", part, *uci_har_windows)
    return tmp_path


def test_uci_har(uci_har_folder: Path, uci_har_windows: tuple[Floats, Labels, Labels]) -> None:
    dataset = uci_har.read(uci_har_folder)
    check(dataset)
    assert [(r.name, r.subject, len(r.x)) for r in dataset.recordings[:4]] == [
        ("train.0000", "1", 256),
        ("train.0001", "1", 128),
        ("train.0002", "1", 128),
        ("train.0003", "3", 128),
    ]
    assert np.array_equal(dataset.recordings[0].x, noise(256, 9, seed=1))
    x, y, subjects = uci_har_windows
    parts = windows.split(dataset)
    for part in (parts.train, parts.test):
        assert np.array_equal(part.x, x.transpose(0, 2, 1))
        assert np.array_equal(part.y, y - 1)
        assert part.subject.tolist() == [str(subject) for subject in subjects]


def test_uci_har_incomplete_or_malformed(uci_har_folder: Path) -> None:
    root = uci_har_folder / "UCI HAR Dataset"
    labels, subjects = root / "test/y_test.txt", root / "test/subject_test.txt"
    signal = root / "test/Inertial Signals/body_acc_x_test.txt"
    labels.write_text("1\n1\n7\n1\n4\n4\n")
    assert failure(uci_har.read, root) == ("BHC701", f"{labels}, line 3", "activity 7 is none of 1 to 6")
    labels.write_text("1\n1\n1\n1\n4\n")
    assert failure(uci_har.read, root) == ("BHC701", str(signal), "6 windows, but 5 labels")
    labels.write_text("1\n1\n1\n1\n4\n4\n")
    subjects.write_text("1\n1\n1\n")
    assert failure(uci_har.read, root) == ("BHC701", str(subjects), "3 windows, but 6 labels")
    signal.unlink()
    message = "21 of 22 files found; missing: test/Inertial Signals/body_acc_x_test.txt"
    assert failure(uci_har.read, root) == ("BHC700", str(root), message)
