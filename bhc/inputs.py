"""The user's windows: X.npy, or an .npz with `x` and perhaps labels `y`.

Diagnostics: BHC610 the file, BHC611 keys of an .npz, BHC612 the shape, BHC613 the type, BHC614 the values,
BHC615 labels.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bhc.diagnostics import fail
from bhc.ir.host import Head, InputError
from bhc.ir.ops import IntArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False, slots=True)
class Windows:
    """x: (N, ...) as the ONNX input after the batch axis, float32 or integer. y: class indices (N,), if
    known.

    origin: where they come from, for messages.
    """

    x: Array
    y: IntArray | None = None
    origin: str = "input"

    def __len__(self) -> int:
        return int(self.x.shape[0])


Source = str | Path | Array | Windows


@dataclass(frozen=True, slots=True)
class Overlap:
    """How recordings are cut into windows: rows of a window, and rows from one to the next."""

    window: int
    hop: int

    def axis(self, head: Head) -> int:
        """The time axis of (N, ...): the last that is as long as a window."""
        return 1 + max(i for i, size in enumerate(head.input_shape) if size == self.window)

    def count(self, rows: int) -> int:
        """Windows of a recording."""
        return (rows - self.window) // self.hop + 1


def read(path: Path) -> Windows:
    """What the file holds, whatever its shape. Raises BhcError (BHC610, BHC611)."""
    hint = "write it with numpy.save(path, x), or numpy.savez(path, x=x, y=labels)"
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return Windows(found, None, str(path))
        with found:
            arrays: dict[str, Array] = {key: found[key] for key in found.files}
    except OSError as error:
        reason = error.strerror or str(error)
        raise fail("BHC610", f"cannot be read: {reason}", origin=str(path)) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise fail("BHC610", "is not an array of numpy's .npy or .npz format", origin=str(path), hint=hint) from error
    if "x" not in arrays:
        keys = ", ".join(f"'{key}'" for key in arrays) or "nothing"
        raise fail("BHC611", f"has no key 'x'; it holds {keys}", origin=str(path), hint=hint)
    return Windows(arrays["x"], arrays.get("y"), str(path))


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + ", ".join(str(d) for d in shape) + ")"


def _check_shape(windows: Windows, head: Head, overlap: Overlap | None) -> None:
    wanted = "(N, " + ", ".join(str(d) for d in head.input_shape) + ")"
    x = windows.x
    if overlap is not None and x.ndim == len(head.input_shape) + 1:
        axis = overlap.axis(head)
        wanted += f", or recordings that are longer along axis {axis}"
        if x.shape[axis] >= overlap.window:
            x = np.take(x, range(overlap.window), axis)
    if x.shape == head.input_shape:
        hint = "give it a batch axis: x[None]"
    elif sorted(x.shape[1:]) == sorted(head.input_shape):
        hint = "the axes are in another order: see numpy.transpose"
    else:
        hint = "windows are cut as for training"
    if x.shape[1:] != head.input_shape:
        raise fail(
            "BHC612",
            f"has the shape {_shape(windows.x.shape)}; the model takes {wanted}",
            origin=windows.origin,
            hint=hint,
        )
    if len(windows) == 0:
        raise fail("BHC612", f"holds no windows: its shape is {_shape(x.shape)}", origin=windows.origin)


def check_values(windows: Windows) -> None:
    """Raise a diagnostic unless all values are float32 or exact in it, and finite (BHC613, BHC614)."""
    x = windows.x
    if x.dtype.kind not in "iu" and x.dtype != np.float32:
        raise fail(
            "BHC613",
            f"has the type {x.dtype}; float32 or integers are needed",
            origin=windows.origin,
            hint='convert it with x.astype("float32"), as for training',
        )
    wrong = ~np.isfinite(x) if x.dtype.kind == "f" else x.astype(np.float32) != x
    if bool(wrong.any()):
        window, *position = (int(i) for i in np.argwhere(wrong)[0])
        value = x[(window, *position)]
        what = "is not finite" if x.dtype.kind == "f" else "is not exact in float32"
        raise fail(
            "BHC614",
            f"{int(wrong.sum())} of {wrong.size} values cannot be used; the first, in window {window} at "
            f"{position}, is {value} and {what}",
            origin=windows.origin,
            hint="drop or fill such windows before they are cut" if x.dtype.kind == "f" else "scale the data",
        )


def _check_labels(windows: Windows, head: Head, overlap: Overlap | None) -> None:
    y, count = windows.y, len(windows)
    if y is None:
        return
    if overlap is not None:
        count *= overlap.count(windows.x.shape[overlap.axis(head)])
    if y.shape != (count,) or y.dtype.kind not in "iu":
        raise fail(
            "BHC615",
            f"the labels 'y' are {y.dtype} of shape {_shape(y.shape)}; integers of shape ({count},) are needed",
            origin=windows.origin,
            hint="y holds the index of each window's class",
        )


def load(source: Source, head: Head, overlap: Overlap | None = None) -> Windows:
    """Windows that fit the model's input; with an overlap, recordings of at least a window. Raises BhcError."""
    if isinstance(source, str | Path):
        windows = read(Path(source))
    elif isinstance(source, Windows):
        windows = source
    else:
        windows = Windows(np.asarray(source))
    _check_shape(windows, head, overlap)
    check_values(windows)
    _check_labels(windows, head, overlap)
    return windows


def integers(windows: Windows, head: Head) -> IntArray:
    """The graph's input (N, *head.shape) for these windows. Raises BhcError (BHC614)."""
    try:
        return head.run(windows.x)
    except InputError as error:
        raise fail("BHC614", str(error), origin=windows.origin) from error


def counted(windows: Windows, overlap: Overlap | None) -> str:
    """How many of what, for people."""
    return f"{len(windows):,} {'windows' if overlap is None else 'recordings'}"


def cut(recordings: Windows, head: Head, overlap: Overlap) -> Windows:
    """The windows of recordings, those of the first recording first."""
    axis = overlap.axis(head)
    views = np.lib.stride_tricks.sliding_window_view(recordings.x, overlap.window, axis=axis)
    kept = np.take(views, range(0, views.shape[axis], overlap.hop), axis)
    x = np.moveaxis(np.moveaxis(kept, axis, 1), -1, axis + 1)
    return Windows(x.reshape(-1, *head.input_shape), recordings.y, recordings.origin)


def rows(recordings: Windows, head: Head, overlap: Overlap) -> list[IntArray]:
    """The graph's input (R, ...) of every recording. Raises BhcError (BHC614)."""
    axis, window = overlap.axis(head), overlap.window
    length = recordings.x.shape[axis]
    # The head computes windows: those side by side, and one at the end.
    starts = [*range(0, length - window, window), length - window]
    parts = [
        integers(Windows(np.take(recordings.x, range(s, s + window), axis), None, recordings.origin), head)
        for s in starts
    ]
    last = window - (starts[-1] - starts[-2]) if len(starts) > 1 else 0
    joined = np.concatenate([*parts[:-1], parts[-1][:, last:]], axis=1)
    return list(joined)
