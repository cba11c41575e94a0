"""The cache: what is prepared is loaded again, to the bit; the diagnostics; `bhc data` on top of it."""

import subprocess
import sys
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from bhc import data
from bhc.diagnostics import BhcError
from bhc.progress import Progress
from bhc.training.data import catalog, daphnet
from bhc.training.data.recordings import DataSet, Recording, Split
from tests.training.data import originals


@pytest.fixture
def dataset() -> DataSet:
    generator = np.random.default_rng(1)

    def recording(name: str, samples: int) -> Recording:
        return Recording(
            name,
            name[:2],
            generator.normal(size=(samples, 4)).astype(np.float32),
            generator.integers(-1, 3, samples).astype(np.int16),
            generator.integers(0, 2, (samples, 2), np.uint8),
        )

    return DataSet(
        name="toy",
        rate=12.5,
        channels=("a.x", "a.y", "a.z", "b"),
        classes=("stehen", "gehen", "größer"),
        window=4,
        hop=2,
        recordings=(recording("s1.a", 7), recording("s2.a", 5), recording("s2.b", 9)),
        splits={"one": Split(test=("s2*",)), "two": Split(("*.a",), ("s2.b",), ())},
        citation="Someone: Something. 2020",
        attributes=("p", "q"),
        triads=((0, 1, 2),),
    )


def equal(one: DataSet, other: DataSet) -> bool:
    rest = [f.name for f in fields(DataSet) if f.name != "recordings"]
    return all(getattr(one, name) == getattr(other, name) for name in rest) and all(
        (a.name, a.subject) == (b.name, b.subject)
        and all(
            np.array_equal(getattr(a, array), getattr(b, array)) and getattr(a, array).dtype == getattr(b, array).dtype
            for array in ("x", "y", "attributes")
        )
        for a, b in zip(one.recordings, other.recordings, strict=True)
    )


def failure(name: str, source: Path | None, cache: Path) -> tuple[str, str]:
    with pytest.raises(BhcError) as caught:
        catalog.prepare(name, source, cache)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.hint
    return diagnostic.code, diagnostic.message


def test_round_trip(dataset: DataSet, tmp_path: Path) -> None:
    catalog.save(dataset, tmp_path / "cache/toy.npz")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["toy.npz"]
    assert equal(catalog.load("toy", tmp_path / "cache"), dataset)


def test_a_failed_save_leaves_what_was(dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "toy.npz"
    catalog.save(dataset, path)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        catalog.save(dataset, path)
    assert list(tmp_path.iterdir()) == [path]
    assert equal(catalog.load("toy", tmp_path), dataset)


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BHC_DATA", str(tmp_path))
    assert catalog.folder() == tmp_path
    assert catalog.folder(tmp_path / "other") == tmp_path / "other"
    monkeypatch.setenv("BHC_DATA", "")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert catalog.folder() == tmp_path / ".cache/bhc/data"


def test_every_set_has_its_reader() -> None:
    for entry in catalog.SETS.values():
        assert callable(getattr(import_module(f"bhc.training.data.{entry.module}"), entry.function))


def test_what_is_not_prepared(tmp_path: Path) -> None:
    with pytest.raises(BhcError, match=r"BHC702.*hapt is not prepared yet\n.*bhc data prepare hapt --source FOLDER"):
        catalog.load("hapt", tmp_path)
    with pytest.raises(BhcError, match=r"BHC702.*there is no data set 'hpat'\n.*the data sets are: hapt, "):
        catalog.load("hpat", tmp_path)
    assert failure("hpat", tmp_path, tmp_path) == ("BHC702", "there is no data set 'hpat'")
    assert failure("hapt", None, tmp_path) == ("BHC700", "no source folder is given for hapt")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not really", b"text"])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "toy.npz").write_bytes(content)
    with pytest.raises(BhcError, match=r"BHC702\] .*toy.npz: not a data set that this version of bhc prepared"):
        catalog.load("toy", tmp_path)


def test_a_file_of_another_kind(dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(BhcError, match=r"BHC702.*about"):
        catalog.load("other", tmp_path)
    catalog.save(dataset, tmp_path / "toy.npz")
    monkeypatch.setattr(catalog, "_FORMAT", 2)
    with pytest.raises(BhcError, match=r"BHC702.*: format 1 instead of 2\n"):
        catalog.load("toy", tmp_path)


# ---------------------------------------------------------------- bhc data


class Heard(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def test_prepare_warns_of_what_is_missing(tmp_path: Path) -> None:
    for run in daphnet.RUNS[:-1]:
        originals.write_daphnet(tmp_path / "source", run, np.zeros((64 * 9, 9), np.int64), np.ones(64 * 9, np.int64))
    heard = Heard()
    row = data.prepare("daphnet", tmp_path / "source", tmp_path / "cache", heard)
    assert heard.notes == ["warning: daphnet: 16 of 17 runs found; missing: S10R01"]
    assert row.contents is not None
    assert row.contents.file == tmp_path / "cache/daphnet.npz"
    assert (row.contents.subjects, row.contents.recordings, row.contents.channels) == (9, 16, 9)
    assert row.contents.hours == pytest.approx(16 * 9 / 3600)
    assert (row.contents.rate, row.contents.classes, row.contents.splits) == (64.0, 2, ("S02",))
    by_name = {row.name: row for row in data.listing(tmp_path / "cache")}
    assert by_name.keys() == catalog.SETS.keys()
    assert by_name["daphnet"] == row
    assert by_name["hapt"].contents is None
    assert by_name["hapt"].citation


def description(folder: Path, name: str) -> Path:
    (folder / "runs.csv").write_text("a,b,state,person\n" + "1,2,on,p1\n" * 5 + "3,4,off,p2\n" * 5)
    path = folder / "mine.toml"
    path.write_text(
        f'name = "{name}"\nrate = 10.0\nwindow = 2\nhop = 1\nfiles = ["runs.csv"]\nchannels = ["a", "b"]\n'
        'label = "state"\nsubject = "person"\n[splits.default]\ntrain = ["p1"]\ntest = ["p2"]\n'
    )
    return path


@pytest.mark.parametrize("as_source", [False, True])
def test_a_data_set_of_the_users_own(tmp_path: Path, as_source: bool) -> None:
    path = description(tmp_path, "pump")
    row = data.prepare("mine", path, tmp_path) if as_source else data.prepare(str(path), None, tmp_path)
    assert row.name == "pump"
    assert data.listing(tmp_path)[-1] == row
    assert catalog.load("pump", tmp_path).classes == ("off", "on")


def test_a_name_that_is_taken(tmp_path: Path) -> None:
    message = "name: 'hapt' is that of a data set of bhc"
    assert failure(str(description(tmp_path, "hapt")), None, tmp_path) == ("BHC701", message)


def test_pyarrow_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bhc.training.data.tabular", raising=False)
    monkeypatch.delattr("bhc.training.data.tabular", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = description(tmp_path, "pump")
    assert failure(str(path), None, tmp_path) == ("BHC712", "the package 'pyarrow' is not installed")


def test_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from bhc import data; data.listing(Path(sys.argv[1])); "
        "from bhc.training.data import daphnet, dsads, hapt, motionsense, uci_har, windows; "
        "assert not {'torch', 'brevitas', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
