"""The data sets by name, and the cache of those that were read.

The cache is a folder: $BHC_DATA, or ~/.cache/bhc/data; one compressed .npz a data set, without pickles.
"""

import json
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bhc.diagnostics import BhcError, fail
from bhc.training.data.recordings import DataSet, Recording, Split

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A data set that bhc can read. module: below bhc.training.data, with `function` (source folder -> DataSet)."""

    title: str
    origin: str
    citation: str
    licence: str
    module: str
    function: str = "read"

    def read(self, source: Path) -> DataSet:
        """Raises BhcError: BHC700, BHC701."""
        module = import_module(f"bhc.training.data.{self.module}")
        function: Callable[[Path], DataSet] = getattr(module, self.function)
        return function(source)


SETS = {
    "hapt": Entry(
        "HAPT: smartphone at the waist, activities and postural transitions",
        "https://archive.ics.uci.edu/dataset/341",
        "Reyes-Ortiz et al., Neurocomputing 2016; Anguita et al., ESANN 2013",
        "with citation, not for commercial use",
        "hapt",
    ),
    "uci-har": Entry(
        "UCI HAR: smartphone at the waist, filtered, in windows",
        "https://archive.ics.uci.edu/dataset/240",
        "Anguita et al., ESANN 2013",
        "with citation, not for commercial use",
        "uci_har",
    ),
    "motionsense": Entry(
        "MotionSense: smartphone in the front pocket",
        "https://github.com/mmalekzadeh/motion-sense",
        "Malekzadeh et al., IoTDI 2019",
        "MIT",
        "motionsense",
    ),
    "dsads": Entry(
        "Daily and Sports Activities: five inertial units",
        "https://archive.ics.uci.edu/dataset/256",
        "Altun, Barshan, Tunçel, Pattern Recognition 2010",
        "see its origin",
        "dsads",
    ),
    "daphnet": Entry(
        "Daphnet Freezing of Gait: three accelerometers",
        "https://archive.ics.uci.edu/dataset/245",
        "Bächlin et al., IEEE TITB 2010",
        "see its origin",
        "daphnet",
    ),
    "lara-imu": Entry(
        "LARa, inertial: five MbientLab units, order picking and packing",
        "https://zenodo.org/records/3862782",
        "Niemann et al., Sensors 2020",
        "see its origin",
        "lara",
        "read_imu",
    ),
    "lara-omocap": Entry(
        "LARa, optical: marker-based motion capture, order picking and packing",
        "https://zenodo.org/records/3862782",
        "Niemann et al., Sensors 2020",
        "see its origin",
        "lara",
        "read_omocap",
    ),
    "pamap2": Entry(
        "PAMAP2: three inertial units",
        "https://archive.ics.uci.edu/dataset/231",
        "Reiss, Stricker, ISWC 2012",
        "see its origin",
        "pamap2",
    ),
    "opportunity": Entry(
        "OPPORTUNITY: body-worn inertial units, activities of daily living",
        "https://archive.ics.uci.edu/dataset/226",
        "Roggen et al., INSS 2010; Chavarriaga et al., Pattern Recognition Letters 2013",
        "see its origin",
        "opportunity",
    ),
    "opportunity-locomotion": Entry(
        "OPPORTUNITY with the modes of locomotion as classes",
        "https://archive.ics.uci.edu/dataset/226",
        "Roggen et al., INSS 2010; Chavarriaga et al., Pattern Recognition Letters 2013",
        "see its origin",
        "opportunity",
        "read_locomotion",
    ),
}


def folder(cache: Path | None = None) -> Path:
    """Where prepared data sets lie: `cache`, else $BHC_DATA, else ~/.cache/bhc/data."""
    if cache is not None:
        return cache
    named = os.environ.get("BHC_DATA")
    return Path(named) if named else Path.home() / ".cache" / "bhc" / "data"


def prepared(cache: Path | None = None) -> list[Path]:
    """The files in the cache; each is called NAME.npz."""
    return sorted(folder(cache).glob("*.npz"))


def prepare(name: str, source: Path | None, cache: Path | None = None) -> Path:
    """Reads a data set into the cache; returns the file.

    name: one of SETS, with the folder of its original distribution as `source`; or that of a user's own, with its
    description, a TOML file, as `source`; or the description itself, which names it.

    Raises BhcError: BHC700, BHC701, BHC702.
    """
    dataset = _read(name, source)
    path = folder(cache) / f"{dataset.name}.npz"
    save(dataset, path)
    return path


def _read(name: str, source: Path | None) -> DataSet:
    if name in SETS:
        if source is None:
            raise fail("BHC700", f"no source folder is given for {name}", hint=_way_out(name))
        return SETS[name].read(source)
    description = Path(name) if source is None else source
    if description.suffix != ".toml":
        raise unknown(name)
    try:
        from bhc.training.data import tabular
    except ModuleNotFoundError as error:
        hint = "pip install 'bhc[train]'"
        raise fail(
            "BHC712", f"the package {error.name!r} is not installed", origin=str(description), hint=hint
        ) from error
    dataset = tabular.read(description)
    if dataset.name in SETS:
        message = f"name: {dataset.name!r} is that of a data set of bhc"
        raise fail("BHC701", message, origin=str(description), hint="choose another")
    return dataset


def _way_out(name: str) -> str:
    return f"get it from {SETS[name].origin}, then: bhc data prepare {name} --source FOLDER"


def unknown(name: str) -> BhcError:
    """What to raise about a name that stands for no data set."""
    hint = "the data sets are: " + ", ".join(SETS) + "; or your own: bhc data prepare DESCRIPTION.toml"
    return fail("BHC702", f"there is no data set {name!r}", hint=hint)


def load(name: str, cache: Path | None = None) -> DataSet:
    """A data set from the cache. Raises BhcError: BHC702."""
    path = folder(cache) / f"{name}.npz"
    if not path.exists():
        if name in SETS:
            raise fail("BHC702", f"{name} is not prepared yet", origin=str(path.parent), hint=_way_out(name))
        raise unknown(name)
    return read_cached(path)


def save(dataset: DataSet, path: Path) -> None:
    """Writes all of it, or nothing."""
    recordings = dataset.recordings
    about = {
        "format": _FORMAT,
        "name": dataset.name,
        "rate": dataset.rate,
        "channels": dataset.channels,
        "classes": dataset.classes,
        "window": dataset.window,
        "hop": dataset.hop,
        "splits": {
            n: {"train": s.train, "validation": s.validation, "test": s.test} for n, s in dataset.splits.items()
        },
        "citation": dataset.citation,
        "attributes": dataset.attributes,
        "triads": dataset.triads,
        "recordings": [{"name": r.name, "subject": r.subject, "samples": len(r.x)} for r in recordings],
    }
    arrays: dict[str, Any] = {
        "about": np.array(json.dumps(about)),
        "x": np.concatenate([r.x for r in recordings]),
        "y": np.concatenate([r.y for r in recordings]),
    }
    if dataset.attributes:
        arrays["attributes"] = np.concatenate([r.attributes for r in recordings if r.attributes is not None])
    with _replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A path for a new file that takes the place of `path` when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as scratch:
        temporary = Path(scratch) / path.name
        yield temporary
        temporary.replace(path)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a prepared data set holds. rate: Hz."""

    file: Path
    subjects: int
    recordings: int
    hours: float
    channels: int
    rate: float
    classes: int
    attributes: int
    splits: tuple[str, ...]
    citation: str


def about(path: Path) -> Contents:
    """What a file of the cache holds; leaves the signals where they are. Raises BhcError: BHC702."""
    with _opened(path) as (description, _):
        recordings = description["recordings"]
        return Contents(
            file=path,
            subjects=len({recording["subject"] for recording in recordings}),
            recordings=len(recordings),
            hours=sum(recording["samples"] for recording in recordings) / description["rate"] / 3600,
            channels=len(description["channels"]),
            rate=description["rate"],
            classes=len(description["classes"]),
            attributes=len(description["attributes"]),
            splits=tuple(description["splits"]),
            citation=description["citation"],
        )


def read_cached(path: Path) -> DataSet:
    """The inverse of save. Raises BhcError: BHC702."""
    with _opened(path) as (description, arrays):
        x, y = arrays["x"], arrays["y"]
        attributes = arrays["attributes"] if description["attributes"] else None
    recordings, start = [], 0
    for entry in description["recordings"]:
        part = slice(start, start + entry["samples"])
        start += entry["samples"]
        of_part = None if attributes is None else attributes[part]
        recordings.append(Recording(entry["name"], entry["subject"], x[part], y[part], of_part))
    return DataSet(
        name=description["name"],
        rate=description["rate"],
        channels=tuple(description["channels"]),
        classes=tuple(description["classes"]),
        window=description["window"],
        hop=description["hop"],
        recordings=tuple(recordings),
        splits={
            name: Split(tuple(split["train"]), tuple(split["validation"]), tuple(split["test"]))
            for name, split in description["splits"].items()
        },
        citation=description["citation"],
        attributes=tuple(description["attributes"]),
        triads=tuple((a, b, c) for a, b, c in description["triads"]),
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[dict[str, Any], Any]]:
    """The description in a file of the cache, and its arrays."""
    try:
        with np.load(path) as arrays:
            description = json.loads(str(arrays["about"]))
            if description["format"] != _FORMAT:
                raise ValueError(f"format {description['format']} instead of {_FORMAT}")
            yield description, arrays
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        hint = "prepare the data set again: bhc data prepare"
        raise fail(
            "BHC702", f"not a data set that this version of bhc prepared: {error}", origin=str(path), hint=hint
        ) from error
