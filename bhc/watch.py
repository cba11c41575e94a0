"""What a user sees of a live stream: a line for each answer, or a screen that lives."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Sequence
from itertools import groupby
from typing import TextIO

import numpy as np

from bhc.live import Answer, Tally

#: Between two pictures: no faster than an eye follows.
_PERIOD_S = 0.1
_BLOCKS, _ASCII = "▏▎▍▌▋▊▉█", "#"
_COLORS = (36, 33, 35, 32, 34, 31)
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: Answers of which the latency is told.
_RECENT = 50
_BAR = 30


def name(label: int, classes: Sequence[str]) -> str:
    """Of a class."""
    return classes[label] if label < len(classes) else f"class {label}"


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.1f} ms"


class Lines:
    """A line for each answer."""

    def __init__(self, stream: TextIO, classes: Sequence[str], tally: Tally) -> None:
        self._stream, self._classes, self._tally = stream, classes, tally
        self._width = max(map(len, classes), default=8)
        self._dropped = self._gaps = 0

    def show(self, answer: Answer) -> None:
        """Tell of an answer."""
        if self._tally.gaps != self._gaps:
            lost = self._tally.dropped - self._dropped
            why = f"{lost:,} rows were dropped, as they came too fast" if lost else "rows are missing in the source"
            print(f"-- begins anew: {why}", file=self._stream)
            self._gaps, self._dropped = self._tally.gaps, self._tally.dropped
        cycles = "" if answer.cycles < 0 else f", {answer.cycles:,} cycles"
        print(
            f"{answer.seconds:9.3f} s  row {answer.rows:>8,}  {name(answer.label, self._classes):{self._width}}  "
            f"{_score(answer)}  {milliseconds(answer.latency_s)} after its last row{cycles}",
            file=self._stream,
            flush=True,
        )

    def end(self) -> None:
        """Nothing more comes."""


def _score(answer: Answer) -> str:
    """The label's score, if there are scores."""
    scores = answer.y.reshape(-1)
    return f"{scores[answer.label]:9.4g}" if scores.size > 1 and answer.label < scores.size else ""


class Screen:
    """The current label, scores as bars, the last labels over time, latency and rate: drawn again as answers come."""

    def __init__(self, stream: TextIO, classes: Sequence[str], tally: Tally, title: str) -> None:
        self._stream, self._classes, self._tally, self._title = stream, classes, tally, title
        self._unicode = (stream.encoding or "").lower().startswith("utf")
        self._recent: deque[Answer] = deque(maxlen=_RECENT)
        self._labels: deque[int] = deque(maxlen=1000)
        self._drawn_at = 0.0
        self._height = 0

    def show(self, answer: Answer) -> None:
        """Take an answer in, and draw if the last picture is old enough."""
        self._recent.append(answer)
        self._labels.append(answer.label)
        if time.monotonic() - self._drawn_at >= _PERIOD_S:
            self._draw()

    def end(self) -> None:
        """The last picture stays."""
        if self._recent:
            self._draw()

    def _draw(self) -> None:
        lines = self.picture(shutil.get_terminal_size().columns)
        up = f"\x1b[{self._height}A" if self._height else ""
        # Each line is cleared behind its text: a picture that is cleared as a whole flickers.
        self._stream.write(up + "".join(f"\r{line}\x1b[K\n" for line in lines) + "\x1b[J")
        self._stream.flush()
        self._height, self._drawn_at = len(lines), time.monotonic()

    def picture(self, width: int) -> list[str]:
        """The lines of it; `width` characters are there."""
        last, tally = self._recent[-1], self._tally
        latencies = [answer.latency_s for answer in self._recent]
        span = last.seconds - self._recent[0].seconds
        rate = f"{(len(self._recent) - 1) / span:,.1f} answers/s" if span > 0 else ""
        counted = f"{tally.rows:,} rows, {tally.answers:,} answers"
        if tally.gaps:
            counted += f", {tally.dropped:,} rows dropped, {tally.gaps:,} new beginnings"
        times = f"latency {milliseconds(latencies[-1])}, median {milliseconds(float(np.median(latencies)))}"
        return [
            self._title[:width],
            f"{last.seconds:,.1f} s  {counted}"[:width],
            f"{times}  {rate}"[:width],
            "",
            f"{self._paint(last.label, name(last.label, self._classes))}",
            *self._bars(last, width),
            "",
            self._timeline(width),
        ]

    def _bars(self, answer: Answer, width: int) -> list[str]:
        scores = answer.y.reshape(-1).astype(np.float64)
        if scores.size < 2 or answer.label >= scores.size:
            return []
        names = [name(label, self._classes) for label in range(scores.size)]
        longest = min(max(map(len, names)), max(8, width - _BAR - 16))
        least, most = float(scores.min()), float(scores.max())
        lines = []
        for label, score in enumerate(scores.tolist()):
            bar = self._bar((score - least) / (most - least) if most > least else 1.0)
            painted = self._paint(label, f"{bar:{_BAR}}")
            lines.append(f"  {self._letter(label)} {names[label][:longest]:{longest}} {painted} {score:.4g}")
        return lines

    def _bar(self, share: float) -> str:
        """A bar of that share of its length, at least a sign of it."""
        eighths = max(1, round(8 * _BAR * share))
        if not self._unicode:
            return _ASCII * max(1, eighths // 8)
        return _BLOCKS[-1] * (eighths // 8) + (_BLOCKS[eighths % 8 - 1] if eighths % 8 else "")

    def _timeline(self, width: int) -> str:
        """The last labels, oldest first, by their letters."""
        shown = list(self._labels)[-width:]
        return "".join(self._paint(label, self._letter(label) * len(list(run))) for label, run in groupby(shown))

    def _letter(self, label: int) -> str:
        """Short for a class: a letter, the same whatever its name."""
        return _LETTERS[label % len(_LETTERS)]

    def _paint(self, label: int, text: str) -> str:
        return f"\x1b[{_COLORS[label % len(_COLORS)]}m{text}\x1b[0m"
