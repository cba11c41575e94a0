"""From recordings to labelled windows: cutting, splitting by subject, selecting classes and channels."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bhc.diagnostics import BhcError, fail
from bhc.training.data.recordings import UNLABELLED, DataSet, Recording, Split

Rule: TypeAlias = Literal["segment", "majority", "last"]


@dataclass(frozen=True, slots=True)
class Windows:
    """x: float32 (N, C, T), in the data set's units. y: int64 (N,), class indices. attributes: uint8 (N, A).

    subject: str (N,). recording: int64 (N,), which of the recordings they were cut from; start: int64 (N,), the first
    sample in it.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    attributes: NDArray[np.uint8] | None
    subject: NDArray[np.str_]
    recording: NDArray[np.int64]
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, slots=True)
class Selection:
    """What of a data set is used. channels: indices of those kept. classes: the new index of each class, UNLABELLED if
    it is not kept. decimate: as many samples are averaged to one.
    """

    channels: NDArray[np.int64]
    classes: NDArray[np.int16]
    decimate: int

    def __call__(self, recording: Recording) -> Recording:
        samples = len(recording.x) // self.decimate * self.decimate
        x = recording.x[:samples, self.channels]
        if self.decimate > 1:
            x = x.reshape(-1, self.decimate, x.shape[1]).mean(axis=1, dtype=np.float64).astype(np.float32)
        middle = slice(self.decimate // 2, samples, self.decimate)
        y = recording.y[middle]
        attributes = None if recording.attributes is None else recording.attributes[middle]
        y = np.where(y == UNLABELLED, np.int16(UNLABELLED), self.classes[y])
        return Recording(recording.name, recording.subject, x, y, attributes)


@dataclass(frozen=True, slots=True)
class Parts:
    """A data set's windows by the parts of one of its splits, `name`. rate: Hz, after decimation.

    mean and deviation: float32 (C,), of the training windows; the deviation of a constant channel is 1.
    attribute_table: uint8 (classes, A), the attributes that most training windows of a class have, together; zero for
    a class without windows.
    """

    name: str
    train: Windows
    validation: Windows
    test: Windows
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    attributes: tuple[str, ...]
    triads: tuple[tuple[int, int, int], ...]
    rate: float
    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    attribute_table: NDArray[np.uint8] | None
    selection: Selection


def cut(recordings: Sequence[Recording], window: int, hop: int, rule: Rule = "segment") -> Windows:
    """All windows of `window` samples that have a label, in order; `hop` samples apart.

    segment: the windows inside each stretch of one label, the first at its start. majority: windows across the whole
    recording, with their most frequent label (the smallest of several). last: with that of their last sample.
    A window has the attributes of any of its samples; under `last`, of the last one.
    """
    if window < 1 or hop < 1:
        raise ValueError(f"a window of {window} samples every {hop}")
    pieces = [_cut(recording, window, hop, rule) for recording in recordings]
    counts = [len(labels) for _, labels, _ in pieces]
    x = np.empty((sum(counts), recordings[0].x.shape[1] if recordings else 0, window), np.float32)
    end = 0
    for recording, (starts, _, _), count in zip(recordings, pieces, counts, strict=True):
        if count:
            # (positions, C, window): a view; indexing copies the windows that are wanted.
            x[end : end + count] = np.lib.stride_tricks.sliding_window_view(recording.x, window, axis=0)[starts]
        end += count
    attributes = [found for _, _, found in pieces if found is not None]
    return Windows(
        x,
        np.concatenate([np.empty(0, np.int64), *(labels for _, labels, _ in pieces)]),
        np.concatenate(attributes) if attributes else None,
        np.repeat(np.array([recording.subject for recording in recordings], np.str_), counts),
        np.repeat(np.arange(len(recordings)), counts),
        np.concatenate([np.empty(0, np.int64), *(starts for starts, _, _ in pieces)]),
    )


def _cut(
    recording: Recording, window: int, hop: int, rule: Rule
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8] | None]:
    """Starts, labels and attributes of a recording's windows."""
    y = recording.y.astype(np.int64)
    if rule == "segment":
        borders = np.flatnonzero(np.diff(y)) + 1
        begins, ends = np.concatenate([[0], borders]), np.concatenate([borders, [len(y)]])
        starts = np.concatenate([np.arange(b, e - window + 1, hop) for b, e in zip(begins, ends, strict=True)])
    else:
        starts = np.arange(0, len(y) - window + 1, hop)
    labels = _majority(y, starts, window) if rule == "majority" else y[starts + window - 1]
    starts, labels = starts[labels != UNLABELLED], labels[labels != UNLABELLED]
    if recording.attributes is None:
        return starts, labels, None
    if rule == "last":
        return starts, labels, recording.attributes[starts + window - 1]

    before = _counts(recording.attributes)
    return starts, labels, (before[starts + window] > before[starts]).astype(np.uint8)


def _counts(indicators: NDArray[np.uint8] | NDArray[np.bool_]) -> NDArray[np.int64]:
    """(T + 1, K): how many of the first t samples are set."""
    return np.concatenate([np.zeros((1, indicators.shape[1]), np.int64), np.cumsum(indicators, axis=0, dtype=np.int64)])


def _majority(y: NDArray[np.int64], starts: NDArray[np.int64], window: int) -> NDArray[np.int64]:
    labels = np.unique(y)
    before = _counts(y[:, None] == labels)
    return labels[np.argmax(before[starts + window] - before[starts], axis=1)]


def split(
    dataset: DataSet,
    split_name: str | None = None,
    window: int | None = None,
    hop: int | None = None,
    train_hop: int | None = None,
    rule: Rule = "segment",
    classes: Sequence[str] | None = None,
    channels: Sequence[str] | None = None,
    decimate: int = 1,
) -> Parts:
    """The windows of a data set, by the parts of its split.

    split_name: None for the default split. window and hop: samples after decimation; None: as published, as long in
    seconds. train_hop: between training windows; None: hop. classes and channels: names of those kept, in this order;
    a channel's may be a shell pattern ("torso.*"). decimate: as many samples are averaged to one.

    Raises BhcError: BHC703.
    """
    name, parts = _split(dataset, split_name)
    kept_channels = _select_channels(dataset, channels)
    kept_classes = _select_classes(dataset, classes)
    selection = Selection(np.array(kept_channels), _renumbering(len(dataset.classes), kept_classes), decimate)
    window = dataset.window // decimate if window is None else window
    hop = max(1, dataset.hop // decimate) if hop is None else hop

    def part(which: str, hop: int) -> Windows:
        return cut([selection(r) for r in dataset.recordings if parts.part(r.name) == which], window, hop, rule)

    train = part("train", hop if train_hop is None else train_hop)
    if not len(train):
        raise fail(
            "BHC703",
            f"no training windows of {window} samples in split {name!r} of {dataset.name}",
            hint="shorter windows, other classes, or a split whose recordings are there",
        )
    new_index = {old: new for new, old in enumerate(kept_channels)}
    mean, deviation = _statistics(train.x)
    return Parts(
        name=name,
        train=train,
        validation=part("validation", hop),
        test=part("test", hop),
        channels=tuple(dataset.channels[i] for i in kept_channels),
        classes=tuple(dataset.classes[i] for i in kept_classes),
        attributes=dataset.attributes,
        triads=tuple(
            (new_index[a], new_index[b], new_index[c]) for a, b, c in dataset.triads if {a, b, c} <= new_index.keys()
        ),
        rate=dataset.rate / decimate,
        mean=mean,
        deviation=deviation,
        attribute_table=_attribute_table(train, len(kept_classes)),
        selection=selection,
    )


def continuous(dataset: DataSet, parts: Parts, part: Literal["train", "validation", "test"]) -> Iterator[Recording]:
    """The whole recordings from which a part's windows were cut, with the same channels and classes, in the order that
    Windows.recording counts.
    """
    _, chosen = _split(dataset, parts.name)
    return (parts.selection(r) for r in dataset.recordings if chosen.part(r.name) == part)


def class_weights(y: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """(classes,) inversely proportional to how often a class occurs in `y`; their mean is 1. 0 if it does not."""
    counts = np.bincount(y, minlength=classes)
    inverse = np.divide(1.0, counts, out=np.zeros(classes), where=counts > 0)
    return (inverse * classes / inverse.sum()).astype(np.float32)


def _split(dataset: DataSet, name: str | None) -> tuple[str, Split]:
    name = next(iter(dataset.splits)) if name is None else name
    if name not in dataset.splits:
        raise _unknown("split", name, dataset, dataset.splits)
    return name, dataset.splits[name]


def _select_channels(dataset: DataSet, patterns: Sequence[str] | None) -> list[int]:
    if patterns is None:
        return list(range(len(dataset.channels)))
    kept: dict[int, None] = {}
    for pattern in patterns:
        found = [i for i, channel in enumerate(dataset.channels) if fnmatchcase(channel, pattern)]
        if not found:
            raise _unknown("channel", pattern, dataset, dataset.channels)
        kept |= dict.fromkeys(found)
    return list(kept)


def _select_classes(dataset: DataSet, names: Sequence[str] | None) -> list[int]:
    if names is None:
        return list(range(len(dataset.classes)))
    for name in names:
        if name not in dataset.classes:
            raise _unknown("class", name, dataset, dataset.classes)
    return [dataset.classes.index(name) for name in dict.fromkeys(names)]


def _renumbering(classes: int, kept: Sequence[int]) -> NDArray[np.int16]:
    new = np.full(classes, UNLABELLED, np.int16)
    new[list(kept)] = np.arange(len(kept))
    return new


def _unknown(what: str, name: str, dataset: DataSet, known: Iterable[str]) -> BhcError:
    names = ", ".join(known)
    return fail("BHC703", f"{dataset.name} has no {what} {name!r}", hint=f"it has: {names}")


def _statistics(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    # Channel by channel: a float64 copy of all windows would be large.
    mean = np.array([x[:, c].mean(dtype=np.float64) for c in range(x.shape[1])])
    deviation = np.array([x[:, c].std(dtype=np.float64) for c in range(x.shape[1])])
    return mean.astype(np.float32), np.where(deviation == 0, 1, deviation).astype(np.float32)


def _attribute_table(windows: Windows, classes: int) -> NDArray[np.uint8] | None:
    if windows.attributes is None:
        return None
    table = np.zeros((classes, windows.attributes.shape[1]), np.uint8)
    for label in np.unique(windows.y):
        rows, counts = np.unique(windows.attributes[windows.y == label], axis=0, return_counts=True)
        table[label] = rows[np.argmax(counts)]
    return table
