"""Sources of a live stream: recordings in files, played as fast as they are used or in real time; lines of numbers
from a serial port (an IMU, a microcontroller) or from standard input.

Diagnostics: BHC610 to BHC614 the file, BHC820 the port, BHC841 lines that are no rows of the model, BHC842 the source
is gone.
"""

from __future__ import annotations

import os
import re
import select
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bhc import inputs
from bhc.diagnostics import BhcError, fail
from bhc.inputs import Array, Overlap
from bhc.ir.host import Head
from bhc.live import GAP, Gap, row_shape
from bhc.serial import SerialPort

#: Usual for a microcontroller that prints lines.
LINE_BAUD = 115_200
#: Standard input.
STDIN = "-"
#: So many lines that are no rows, and none that is: it will not get better.
_HOPELESS = 50
#: A line that is longer is none.
_LONGEST = 64 * 1024
_POLL_S = 0.2
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Format:
    """What a line of numbers has to be. shape: of a row of the model. columns: which numbers of a line are the row's,
    from 0; None for all of them.
    """

    shape: tuple[int, ...]
    columns: tuple[int, ...] | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    def parse(self, line: str) -> Array | None:
        """The row, float32; None for a line that is none."""
        words = re.split(r"[\s,;]+", line.strip(" \t\r\n,;"))
        if self.columns is not None:
            if max(self.columns) >= len(words):
                return None
            words = [words[column] for column in self.columns]
        try:
            values = np.array([float(word) for word in words], np.float32)
        except ValueError:
            return None
        if len(values) != self.size or not np.isfinite(values).all():
            return None
        return values.reshape(self.shape)


class Lines:
    """Rows from lines of text, garbage left out. skipped: lines that were no rows; shown: the last of them."""

    def __init__(self, pieces: Iterable[bytes], form: Format, origin: str, *, header: bool = False) -> None:
        self.skipped = 0
        self.shown = ""
        self._pieces, self._form, self._origin, self._header = pieces, form, origin, header

    def __iter__(self) -> Iterator[Array]:
        found = 0
        for number, line in enumerate(_lines(self._pieces)):
            text = line.decode("utf-8", "replace").lstrip("\ufeff")
            if not text.strip() or text.lstrip().startswith("#"):
                continue
            row = self._form.parse(text)
            if row is not None:
                found += 1
                yield row
            elif not (self._header and number == 0 and any(map(str.isalpha, text))):
                self.skipped += 1
                self.shown = text.strip()[:_SHOWN]
                if not found and self.skipped == _HOPELESS:
                    raise self._hopeless()
        if not found and self.skipped:
            raise self._hopeless()

    def _hopeless(self) -> BhcError:
        size = self._form.size
        which = "" if self._form.columns is None else f" in the columns {', '.join(map(str, self._form.columns))}"
        return fail(
            "BHC841",
            f"{self.skipped} lines, and none is a row of {size} numbers{which}; the last is {self.shown!r}",
            origin=self._origin,
            hint="--columns 1,2,3 picks numbers of a line, from 0; --source-baud is the port's rate",
        )


def _lines(pieces: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        rest = rest[-_LONGEST:]
    if rest:
        yield rest


class PortPieces:
    """What comes from a serial port, from the end of the first line on: it may have begun before. Raises BhcError."""

    def __init__(self, path: str, baud: int = LINE_BAUD) -> None:
        self._port = SerialPort(path, baud)
        self._open = True
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[bytes]:
        begun = False
        self._port.forget()  # what came while the board was made ready is of the past
        while True:
            try:
                with self._lock:
                    if not self._open:
                        return
                    piece = self._port.read(_POLL_S)
            except OSError as error:
                raise fail(
                    "BHC842",
                    f"the source is gone: {error.strerror or error}",
                    origin=self._port.name,
                    hint="is the cable plugged in?",
                ) from error
            if not begun:
                _, end, piece = piece.partition(b"\n")
                begun = bool(end)
            if piece:
                yield piece

    def close(self) -> None:
        """Give the port back."""
        with self._lock:
            self._open = False
            self._port.close()


def descriptor_pieces(descriptor: int) -> Iterator[bytes]:
    """What comes from an open file, up to its end."""
    while True:
        select.select([descriptor], [], [])
        piece = os.read(descriptor, 4096)
        if not piece:
            return
        yield piece


def recordings(path: Path, head: Head, cut: Overlap) -> list[Array]:
    """Those in an .npy or .npz (key x): each (R, *row). One recording has the axes of the model's input, or is rows by
    channels; several have one axis more, in front. Raises BhcError (BHC610 to BHC614).
    """
    found = inputs.read(path)
    x, shape, axis = found.x, row_shape(head, cut), cut.axis(head)
    if x.ndim == len(head.input_shape) and x.shape[1:] == shape:
        x, axis = x[None], 1
    elif x.ndim == len(head.input_shape):
        x = x[None]
    moved = np.moveaxis(x, axis, 1) if x.ndim == len(head.input_shape) + 1 else x
    if moved.shape[2:] != shape:
        wanted = ", ".join(["rows", *map(str, shape)])
        raise fail(
            "BHC612",
            f"has the shape {found.x.shape}; a recording for this model has ({wanted})",
            origin=str(path),
            hint="give rows by channels, or the axes of the model's input",
        )
    inputs.check_values(inputs.Windows(moved, None, str(path)))
    return list(moved)


def joined(parts: Sequence[Array]) -> Iterator[Array | Gap]:
    """The rows of recordings, one after another."""
    for number, part in enumerate(parts):
        if number:
            yield GAP
        yield from part


def text_file(path: Path, form: Format) -> Lines:
    """Rows of a text file, of which the first line may be a header. Raises BhcError (BHC610)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise fail("BHC610", f"cannot be read: {error.strerror or error}", origin=str(path)) from error
    return Lines([content], form, str(path), header=True)


def paced(rows: Iterable[Array | Gap], rate: float) -> Iterator[Array | Gap]:
    """The rows at so many a second, as a sensor would give them: each at its time, however long the others took."""
    begin, number = time.monotonic(), 0
    for row in rows:
        if not isinstance(row, Gap):
            time.sleep(max(0.0, begin + number / rate - time.monotonic()))
            number += 1
        yield row
