"""Tells the user what takes long: a line that lives, on a terminal; plain lines elsewhere; all on standard
error.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PERIOD_S = 0.1


class Progress:
    """Says nothing: what the API uses unless told otherwise."""

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """A part of the work; `what` says which, in the present participle."""
        del what
        yield

    def advance(self, done: int, total: int) -> None:
        """How far the step has come, in windows."""

    def note(self, text: str) -> None:
        """A line worth reading while a long step goes on."""

    def detail(self, text: str) -> None:
        """Something that only a curious user wants to read."""


SILENT = Progress()


class Console(Progress):
    """Progress on a stream. verbose: details too."""

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._verbose = verbose
        self._live = self._stream.isatty()
        self._lock = threading.Lock()
        self._count = ""

    def _show(self, text: str, end: str = "\n") -> None:
        clear = "\r\x1b[2K" if self._live else ""
        self._stream.write(f"{clear}{text}{end}")
        self._stream.flush()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        done = threading.Event()
        self._count = ""
        ticker = threading.Thread(target=self._tick, args=(what, start, done), daemon=True)
        if self._live:
            ticker.start()
        outcome = "failed"
        try:
            yield
            outcome = "done"
        finally:
            done.set()
            if self._live:
                ticker.join()
            taken = f"{time.monotonic() - start:.1f} s"
            self._show(f"{what}: {taken}" if outcome == "done" else f"{what}: {outcome} after {taken}")

    def _tick(self, what: str, start: float, done: threading.Event) -> None:
        number = 0
        while not done.wait(_PERIOD_S):
            frame = _FRAMES[number % len(_FRAMES)]
            with self._lock:
                self._show(f"{frame} {what}{self._count} ({time.monotonic() - start:.0f} s)", end="")
            number += 1

    def advance(self, done: int, total: int) -> None:
        self._count = f" {done:,}/{total:,}"

    def note(self, text: str) -> None:
        with self._lock:
            self._show(text)

    def detail(self, text: str) -> None:
        if self._verbose:
            with self._lock:
                self._show(f"  {text}")
