"""A user's own recordings: CSV or Parquet files, and a TOML file that says what their columns mean.

name = "pump"
rate = 50.0                          # Hz
window = 100                         # samples
hop = 50
files = ["runs/*.csv"]               # beside the TOML file
channels = ["ax", "ay", "az"]
triads = [["ax", "ay", "az"]]        # optional: the x, y, z of a sensor
label = "state"                      # text or whole numbers; an empty one: not labelled
classes = ["off", "idle", "running"] # optional: their order; without it, sorted
subject = "person"                   # a column, or else
subject_pattern = "(p[0-9]+)_"       # a regular expression whose group is found in the file's name
time = "t"                           # optional: a column, in seconds
citation = "..."                     # optional
[splits.default]                     # the first is the default
train = ["p1", "p2"]
validation = ["p3"]                  # optional, like test
test = ["p4"]
"""

import glob
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv, parquet

from bhc.diagnostics import BhcError, fail
from bhc.records import RecordError, from_plain
from bhc.training.data.recordings import UNLABELLED, DataSet, Recording, Split

Texts: TypeAlias = NDArray[np.object_]  # of str

# Of the median time between samples from 1 / rate: more is a wrong rate or unit.
RATE_TOLERANCE = 0.2
# Longest time between samples of one recording, in samples.
LONGEST_STEP = 2.0


@dataclass(frozen=True, slots=True)
class SubjectSplit:
    """The subjects of each part of a split."""

    train: tuple[str | int, ...]
    validation: tuple[str | int, ...] | None
    test: tuple[str | int, ...] | None

    def parts(self) -> dict[str, list[str]]:
        return {
            part: [str(subject) for subject in subjects or ()]
            for part, subjects in (("train", self.train), ("validation", self.validation), ("test", self.test))
        }


@dataclass(frozen=True, slots=True)
class Description:
    """The TOML file; the module's docstring explains the keys."""

    name: str
    rate: float
    window: int
    hop: int
    files: tuple[str, ...]
    channels: tuple[str, ...]
    triads: tuple[tuple[str, ...], ...] | None
    label: str
    classes: tuple[str | int, ...] | None
    subject: str | None
    subject_pattern: str | None
    time: str | None
    citation: str | None
    splits: Mapping[str, SubjectSplit]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Consecutive rows of one file, of one subject. x: (T, channels); labels: (T,), "" where there is none."""

    name: str
    subject: str
    x: NDArray[np.float32]
    labels: Texts
    path: Path
    first_row: int


def read(description: Path) -> DataSet:
    """The data set that a TOML file describes.

    Each file is a recording, cut where the subject changes or two samples are more than two sampling intervals apart.
    Raises BhcError: BHC700 for files that are not there, BHC701 for content that cannot be, BHC703 for names (of a
    column, class or subject) that are not among those there are.
    """
    text = _read_description(description)
    stretches = [stretch for path in _files(description, text.files) for stretch in _read_file(description, path, text)]
    classes = _classes(description, stretches, text.classes)
    return DataSet(
        name=text.name,
        rate=float(text.rate),
        channels=text.channels,
        classes=classes,
        window=text.window,
        hop=text.hop,
        recordings=tuple(_recording(stretch, classes) for stretch in stretches),
        splits=_splits(description, stretches, text.splits),
        citation=text.citation or "",
        triads=tuple(_triad(text.channels, names) for names in text.triads or ()),
    )


# ---------------------------------------------------------------- the description


def _read_description(path: Path) -> Description:
    if not path.is_file():
        raise fail("BHC700", "there is no such file", origin=str(path), hint="name the TOML file of a data set")
    try:
        description = from_plain(Description, tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecordError) as error:
        hint = "docs/data.md lists the keys of a data set"
        raise fail("BHC701", str(error), origin=str(path), hint=hint) from error
    for message in _wrong_values(description):
        raise fail("BHC701", message, origin=str(path), hint="correct the value")
    for name in (name for triad in description.triads or () for name in triad):
        if name not in description.channels:
            hint = f"channels: {', '.join(description.channels)}"
            raise fail("BHC703", f"triads: there is no channel {name!r}", origin=str(path), hint=hint)
    return description


def _wrong_values(d: Description) -> Iterator[str]:
    if not re.fullmatch(r"[\w.-]+", d.name):
        yield f"name: {d.name!r} has other characters than letters, digits, '_', '-' and '.'"
    for key, value in (("rate", d.rate), ("window", d.window), ("hop", d.hop)):
        if not 0 < value < float("inf"):
            yield f"{key}: {value} is not a finite number above 0"
    for key, values in (("files", d.files), ("channels", d.channels), ("splits", d.splits)):
        if not values:
            yield f"{key}: at least one is needed"
    for key, names in (("channels", d.channels), ("classes", [str(c) for c in d.classes or ()])):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            yield f"{key}: {twice[0]!r} is there twice"
    if d.label in d.channels:
        yield f"channels: {d.label!r} is the label"
    for triad in d.triads or ():
        if len(set(triad)) != 3:
            yield f"triads: {', '.join(triad)} are not three channels"
    if (d.subject is None) == (d.subject_pattern is None):
        yield "subject, subject_pattern: exactly one of them is needed"
    if d.subject_pattern is not None:
        try:
            groups = re.compile(d.subject_pattern).groups
        except re.error as error:
            yield f"subject_pattern: {d.subject_pattern!r} is no regular expression: {error}"
        else:
            if groups != 1:
                yield f"subject_pattern: {d.subject_pattern!r} has {groups} groups (...) instead of one"


def _files(description: Path, patterns: Iterable[str]) -> list[Path]:
    found: dict[Path, None] = {}
    for pattern in patterns:
        try:
            paths = sorted(path for path in description.parent.glob(pattern) if path.is_file())
        except (NotImplementedError, ValueError):  # an absolute path, nothing at all
            paths = []
        if not paths:
            hint = f"patterns are relative to {description.parent}"
            raise fail("BHC700", f"files: nothing matches {pattern!r}", origin=str(description), hint=hint)
        found |= dict.fromkeys(paths)
    return list(found)


def _triad(channels: tuple[str, ...], names: tuple[str, ...]) -> tuple[int, int, int]:
    x, y, z = (channels.index(name) for name in names)
    return x, y, z


# ---------------------------------------------------------------- one file


def _malformed(path: Path, message: str, row: int | None = None) -> BhcError:
    """row: from 1, below the header; empty lines do not count."""
    hint = "correct the file, or leave it out of `files`"
    return fail("BHC701", message, origin=str(path) if row is None else f"{path}, row {row}", hint=hint)


def _read_file(description: Path, path: Path, d: Description) -> Iterator[_Stretch]:
    wanted = [*d.channels, d.label, *([d.subject] if d.subject else []), *([d.time] if d.time else [])]
    table = _read_columns(path, list(dict.fromkeys(wanted)))
    if not len(table):
        raise _malformed(path, "there are no rows")
    x = np.empty((len(table), len(d.channels)), np.float32)
    for i, channel in enumerate(d.channels):
        x[:, i] = _numbers(path, channel, table[channel], np.float32)
    labels = _texts(path, d.label, table[d.label])
    subjects = _subjects(path, table, d)
    cuts = {0, len(table), *(1 + np.flatnonzero(subjects[1:] != subjects[:-1])).tolist()}
    if d.time is not None:
        times = _numbers(path, d.time, table[d.time], np.float64)
        cuts |= set(_gaps(path, d.time, times, d.rate, cuts))
    edges = sorted(cuts)
    file = path.relative_to(description.parent).as_posix()
    for number, (start, stop) in enumerate(pairwise(edges), start=1):
        yield _Stretch(f"{file}#{number}", subjects[start], x[start:stop], labels[start:stop], path, start + 1)


def _read_columns(path: Path, names: list[str]) -> Any:
    """A pyarrow Table; all columns of a CSV file are text."""
    if path.suffix not in {".csv", ".parquet"}:
        raise fail(
            "BHC700", "neither .csv nor .parquet", origin=str(path), hint="convert it, or leave it out of `files`"
        )
    try:
        if path.suffix == ".parquet":
            header = parquet.read_schema(path).names
        else:
            with csv.open_csv(path) as file:
                header = file.schema.names
        for name in names:
            if header.count(name) != 1:
                times = "is there twice" if name in header else "is not there"
                hint = f"columns: {', '.join(header)}"
                raise fail("BHC703", f"column {name!r} {times}", origin=str(path), hint=hint)
        if path.suffix == ".parquet":
            return parquet.read_table(path, columns=names)
        options = csv.ConvertOptions(include_columns=names, column_types=dict.fromkeys(names, pa.string()))
        return csv.read_csv(path, convert_options=options)
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        raise _malformed(path, str(error).splitlines()[0]) from error


def _numbers(path: Path, name: str, column: Any, dtype: type[np.floating[Any]]) -> NDArray[Any]:
    """The finite numbers of a column."""
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = _trimmed(column)
        numbers = pc.cast(column, pa.float64()).to_numpy()
    except pa.ArrowException:
        numbers = np.array([_number(value) for value in column.to_pylist()])
    with np.errstate(over="ignore"):
        numbers = numbers.astype(dtype)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if wrong.size:
        row = int(wrong[0])
        raise _malformed(path, f"column {name!r}: {column[row].as_py()!r} is not a finite number", row + 1)
    return numbers


def _trimmed(column: Any) -> Any:
    return pc.call_function("utf8_trim_whitespace", [column])


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return float("nan")


def _texts(path: Path, name: str, column: Any) -> Texts:
    """The texts of a column, or its whole numbers as texts; "" where there is none."""
    try:
        if pa.types.is_floating(column.type):  # what pandas makes of whole numbers with gaps
            column = pc.cast(column, pa.int64())
        texts = _trimmed(pc.cast(column, pa.string()))
    except pa.ArrowException as error:
        raise _malformed(path, f"column {name!r}: neither texts nor whole numbers, but {column.type}") from error
    return np.array(pc.fill_null(texts, "").to_pylist(), dtype=object)


def _subjects(path: Path, table: Any, d: Description) -> Texts:
    if d.subject is not None:
        subjects = _texts(path, d.subject, table[d.subject])
        empty = np.flatnonzero(subjects == "")
        if empty.size:
            raise _malformed(path, f"column {d.subject!r}: no subject", int(empty[0]) + 1)
        return subjects
    match = re.search(d.subject_pattern or "", path.name)
    if match is None or not match[1]:
        hint = "correct subject_pattern, or leave the file out of `files`"
        raise fail("BHC701", f"subject_pattern {d.subject_pattern!r} is not in its name", origin=str(path), hint=hint)
    return np.full(len(table), match[1], dtype=object)


def _gaps(path: Path, name: str, times: NDArray[np.float64], rate: float, cuts: set[int]) -> list[int]:
    """The rows (from 0) before which time is missing. Time starts anew at `cuts`."""
    steps = np.diff(times)
    counted = np.ones(len(steps), bool)
    counted[[cut - 1 for cut in cuts if 0 < cut < len(times)]] = False
    back = np.flatnonzero(counted & (steps <= 0))
    if back.size:
        row = int(back[0]) + 1
        raise _malformed(path, f"column {name!r}: {times[row]:.9g} s is not after {times[row - 1]:.9g} s", row + 1)
    if counted.any():
        median = float(np.median(steps[counted]))
        if abs(median * rate - 1) > RATE_TOLERANCE:
            message = f"column {name!r}: samples are {median:.6g} s apart; at {rate:g} Hz, that is {1 / rate:.6g} s"
            raise _malformed(path, message)
    return [int(row) for row in 1 + np.flatnonzero(steps * rate > LONGEST_STEP)]


# ---------------------------------------------------------------- classes and subjects of all files


def _classes(description: Path, stretches: list[_Stretch], order: tuple[str | int, ...] | None) -> tuple[str, ...]:
    if order is None:
        found = {label for stretch in stretches for label in set(stretch.labels)} - {""}
        if not found:
            raise fail(
                "BHC701", "label: no row of any file has one", origin=str(description), hint="name another column"
            )
        try:
            return tuple(sorted(found, key=int))
        except ValueError:
            return tuple(sorted(found))
    classes = tuple(str(name) for name in order)
    for stretch in stretches:
        for label in sorted(set(stretch.labels) - {"", *classes}):
            row = stretch.first_row + int(np.flatnonzero(stretch.labels == label)[0])
            hint = f"add it to `classes` in {description}, or leave the label empty"
            raise fail("BHC703", f"label {label!r} is no class", origin=f"{stretch.path}, row {row}", hint=hint)
    return classes


def _recording(stretch: _Stretch, classes: tuple[str, ...]) -> Recording:
    y = np.full(len(stretch.labels), UNLABELLED, np.int16)
    for index, name in enumerate(classes):
        y[stretch.labels == name] = index
    return Recording(stretch.name, stretch.subject, stretch.x, y)


def _splits(description: Path, stretches: list[_Stretch], splits: Mapping[str, SubjectSplit]) -> dict[str, Split]:
    subjects = sorted({stretch.subject for stretch in stretches})
    result = {}
    for name, split in splits.items():
        parts = split.parts()
        times = Counter(subject for part in parts.values() for subject in part)
        for subject in (*times, *subjects):
            if subject not in subjects:
                wrong, hint = "is in no file", f"subjects: {', '.join(subjects)}"
            elif times[subject] > 1:
                wrong, hint = "is named twice", "the parts of a split have no subject in common"
            elif subject not in times:
                wrong, hint = "is in no part", "add it to train, validation or test"
            else:
                continue
            raise fail("BHC703", f"splits.{name}: subject {subject!r} {wrong}", origin=str(description), hint=hint)
        # Exact names, because a subject's name may hold what patterns give a meaning.
        result[name] = Split(
            **{
                part: tuple(glob.escape(stretch.name) for stretch in stretches if stretch.subject in members)
                for part, members in parts.items()
            }
        )
    return result
