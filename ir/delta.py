"""Layers that are computed from what changes: parameters, memories and cycles of bhc_delta.

A column is the elements of one row, a window the `taps` columns that one output reads. With x(s) = 0 on the wire before
the first column, and w_k the weights of tap k,

    y(j) = sum over k of w_k x(j*S + k*D)        y(j) - y(j-1) = sum over k of w_k (x(s) - x(s-S)),  s = j*S + k*D

so that accumulators which start from `base`, the result for zeros on the wire, stay exact while only elements that
differ from the column S before are added. rtl/bhc_delta.sv says in which order and in which cycles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bhc.ir.arithmetic import memory
from bhc.ir.layers import Layer, Params, Shape
from bhc.ir.ops import Conv, Dense, IntArray, Threshold
from bhc.ir.pipeline import Memory, Style
from bhc.ir.timing import Skips
from bhc.ir.types import Kind, Range

#: Cycles from the issue of a turn's last word to its output beat; one more where `product_register` says so.
LATENCY = 3
#: Columns that are compared ahead of what the next window needs, if they have at most so many channels.
SPARE, SPARE_CHANNELS = 4, 128


@dataclass(frozen=True, slots=True)
class Geometry:
    """Which columns a window reads.

    channels: elements of a column. columns: after which the history is dropped; 0: never.
    """

    channels: int
    taps: int
    dilation: int = 1
    stride: int = 1
    columns: int = 0

    @property
    def reach(self) -> int:
        """Columns from the first to the last of a window, the first left out."""
        return (self.taps - 1) * self.dilation

    @property
    def early(self) -> int:
        """Windows that begin before the first column and reach it: they are computed, but not given out."""
        return self.reach // self.stride

    @property
    def windows(self) -> int:
        """Windows of a history of `columns`, early ones left out."""
        return (self.columns - 1 - self.reach) // self.stride + 1


def why_not(item: Layer) -> str | None:
    """Why bhc_delta cannot compute a layer; None if it can."""
    op = item.node.op
    if item.groups > 1:
        return "it has groups"
    if isinstance(op, Conv):
        if item.x.image[1] > 1:
            return "its rows have several columns"
        if op.pads:
            return "it pads windows"
    return None


def columns(item: Layer) -> int:
    """Columns after which bhc_delta must forget: those of a window, unless it reads an endless sequence.

    A dense layer reads one column, and compares it with that of the window before.
    """
    op = item.node.op
    return item.x.image[0] if isinstance(op, Conv) and not op.endless else 0


def geometry(item: Layer, columns: int = 0) -> Geometry:
    """Of a layer that reads a sequence, or with `columns` windows of so many rows; a dense layer reads one column."""
    match item.node.op:
        case Conv() as op:
            return Geometry(item.x.channels, item.taps, op.dilation[0], op.stride[0], columns)
        case Dense():
            return Geometry(item.x.elements, 1, 1, 1, columns)
        case _:
            raise TypeError(f"{item.node.name} is not a compute layer")


def zero(item: Layer) -> int:
    """The value that is zero on the wire."""
    return -1 if item.x.bipolar else 0


def _unit(item: Layer) -> int:
    """What accumulators count in: a bipolar x changes by two, and a sign needs no more than every second value."""
    return 2 if item.x.bipolar and item.accumulator.sign_out else 1


def base(item: Layer) -> IntArray:
    """(M,): the accumulators before the first column, in units of _unit, less the threshold where one is folded in.

    floor((zero * sum of the weights - threshold) / unit), zero = -1 if x is bipolar, else 0
    """
    start: IntArray = zero(item) * item.weights.reshape(item.weights.shape[0], -1).sum(axis=1)
    if item.accumulator.sign_out:
        assert isinstance(item.result.op, Threshold)
        reach = item.node.type.range
        start = start - np.clip(item.result.op.thresholds[:, 0], reach.lo, reach.hi + 1)
    return start // _unit(item)


def acc_bits(item: Layer) -> int:
    """Width of the accumulators: enough for the result of every whole window. Sums on the way there may wrap around."""
    flat = item.weights.reshape(item.weights.shape[0], -1)
    steps = np.array([item.x.range.lo, item.x.range.hi]) - zero(item)
    low, high = (flat * step // _unit(item) for step in steps)
    start = base(item)
    span = Range(
        min(int((start + np.minimum(low, high).sum(axis=1)).min()), -1),
        max(int((start + np.maximum(low, high).sum(axis=1)).max()), 0),
    )
    return span.bits if item.accumulator.sign_out else max(span.bits, item.result.type.bits)


def params(item: Layer, *, pe: int, events: int, lanes: int, columns: int = 0) -> Params:
    """Parameters of bhc_delta. pe: outputs at once, divides M. events: at once, a power of two. lanes: of the input."""
    shape = geometry(item, columns)
    return {
        "XBits": item.x_operand.bits,
        "XKind": int(item.x_operand.kind),
        "WBits": item.w_operand.bits,
        "WKind": int(item.w_operand.kind),
        "Lanes": lanes,
        "Chunks": shape.channels // lanes,
        "Taps": shape.taps,
        "D": shape.dilation,
        "Stride": shape.stride,
        "Columns": columns,
        "Pe": pe,
        "Nf": item.weights.shape[0] // pe,
        "Events": events,
        "AccBits": acc_bits(item),
        "SignOut": int(item.accumulator.sign_out),
        "OutBits": 1 if item.accumulator.sign_out else item.result.type.bits,
    }


def weight_addresses(taps: int, nf: int, chunks: int, lanes: int) -> IntArray:
    """(taps, nf, chunks * lanes): where the weights of an element lie.

    Fields tap, nf, chunk, lane; the lower ones are as wide as their counters, the tap counts in the fewest words: no
    arithmetic, and no words left out, where the counts are powers of two.
    """
    lane_words = _power(lanes)
    chunk_words = lane_words * _power(chunks)
    words = (nf - 1) * chunk_words + (chunks - 1) * lane_words + lanes
    tap, turn, chunk, lane = np.ogrid[:taps, :nf, :chunks, :lanes]
    found: IntArray = tap * words + turn * chunk_words + chunk * lane_words + lane
    return found.reshape(taps, nf, chunks * lanes)


def memory_shapes(p: Params) -> tuple[Shape, Shape]:
    """Sizes and places of the memories of a bhc_delta."""
    depth = int(weight_addresses(p["Taps"], p["Nf"], p["Chunks"], p["Lanes"]).max()) + 1
    width = p["Pe"] * p["WBits"]
    style = Style.LUT if depth <= 8 or depth * width <= 2048 else Style.BLOCK
    return Shape("weights", depth, width, style), Shape("base", p["Nf"], p["Pe"] * p["AccBits"], Style.LUT)


def memories(item: Layer, p: Params) -> tuple[Memory, Memory]:
    """The memories of a layer with these parameters."""
    m, pe, nf = item.weights.shape[0], p["Pe"], p["Nf"]
    weights_shape, base_shape = memory_shapes(p)
    by_tap = item.weights.reshape(m, p["Taps"], -1).transpose(1, 2, 0)  # (taps, elements, M)
    # A word that no address reaches holds zeros on the wire.
    bipolar = item.w_operand.kind == Kind.BIPOLAR
    words = np.full((weights_shape.depth, pe), -1 if bipolar else 0, np.int64)
    addresses = weight_addresses(p["Taps"], nf, p["Chunks"], p["Lanes"])
    words[addresses] = by_tap.reshape(*by_tap.shape[:2], nf, pe).transpose(0, 2, 1, 3)
    return (
        memory("weights", words, p["WBits"], weights_shape.style, bipolar=bipolar),
        memory("base", base(item).reshape(nf, pe), p["AccBits"], base_shape.style),
    )


def _power(count: int) -> int:
    """The least power of two that is not smaller."""
    return 1 << (count - 1).bit_length()


@dataclass(frozen=True, slots=True)
class Store:
    """How a bhc_delta keeps events.

    capacity: events of one phase (the columns that are D apart), a power of two. keep: columns of a phase that fit.
    marks: columns whose ends are kept, a power of two.
    """

    capacity: int
    keep: int
    marks: int


def store(shape: Geometry, events: int) -> Store:
    """So many that the columns of the next window are taken while one is computed; some more, so that a column that
    takes long to compare holds nothing up; and what is free.
    """
    spare = SPARE if shape.channels <= SPARE_CHANNELS else 0
    least = shape.taps - 1 + -(-(shape.stride + spare + 1) // shape.dilation)
    capacity = max(_power(least * shape.channels), events)
    marks = _power((least + 1) * shape.dilation)
    return Store(capacity, min(capacity // shape.channels, marks // shape.dilation - 1), marks)


def product_register(p: Params) -> bool:
    """Whether a register stands between the products and the accumulators."""
    return p["Events"] > 2 or p["XBits"] > 1 or p["WBits"] > 1


@dataclass(frozen=True, slots=True)
class Timeline:
    """Cycles of a bhc_delta whose input always waits and whose output is always taken, from the first one on.

    taken: of every input beat. issued: of the last word of every window, early ones included. given: of every output
    beat. words: of all turns.
    """

    taken: list[int]
    issued: list[int]
    given: list[int]
    words: int


def timeline(shape: Geometry, events: IntArray, *, nf: int, width: int, latency: int = LATENCY) -> Timeline:
    """What bhc_delta does in which cycle.

    events: (columns, beats of a column), from `changes`. width: events at once. latency: LATENCY, and one more with a
    product register.
    """
    kept = store(shape, width)
    taken: list[int] = []
    issued: list[int] = []
    given: list[int] = []
    words = begin = 0
    length = shape.columns or len(events)
    for start in range(0, len(events), length):
        part = events[start : start + length]
        ends = _ends(part.sum(axis=1), shape)
        done: list[int] = []  # cycle of the last word of every window of this history
        free = begin  # the next beat may be taken
        for column, beats in enumerate(part.tolist()):
            # Windows that must be over: those of which a column lies where this one goes.
            over = -(-(column - kept.keep * shape.dilation + 1) // shape.stride) + shape.early
            if over > 0:
                free = max(free, done[over - 1] + 1)
            for count in beats:
                taken.append(free)
                free += max(1, count)
            # `free` is now the last cycle in which the column's events are written.
            while (last := (len(done) - shape.early) * shape.stride + shape.reach) <= column:
                window = len(done) - shape.early
                first = last - shape.taps * shape.dilation
                before, after = ends[first] if first >= 0 else 0, ends[last]
                turn = max(1, -(-(after - before) // width))
                issue = max(free + 2, done[-1] + 1 if done else 0)
                done.append(issue + nf * turn - 1)
                words += nf * turn
                if window >= 0:
                    given += [issue + (n + 1) * turn - 1 + latency for n in range(nf)]
        issued += done
        begin = max(done[-1], free) + 2 if done else 0
    return Timeline(taken, issued, given, words)


def skips(mask: NDArray[np.bool_], shape: Geometry, *, lanes: int, width: int, columns: int) -> Skips:
    """What the timing model needs to know of a bhc_delta whose columns, `columns` of each window or hop, change so."""
    loaded = load(mask, shape)
    turns = np.maximum(1, -(-loaded.events // width))
    keep = store(shape, width).keep * shape.dilation
    intake = np.maximum(1, beats(mask, lanes))
    return Skips(columns, shape.columns, intake.tolist(), turns.tolist(), shape.early, shape.stride, shape.reach, keep)


def cycles(shape: Geometry, events: IntArray, *, nf: int, width: int) -> float:
    """Cycles a window in the long run, of a recording with these events (see `timeline`) and at least two windows."""
    given = timeline(shape, events, nf=nf, width=width).given[nf - 1 :: nf]
    return (given[-1] - given[0]) / (len(given) - 1)


def _ends(counts: IntArray, shape: Geometry) -> Sequence[int]:
    """For every column, the events of its phase up to its end."""
    found = np.zeros(len(counts), np.int64)
    for phase in range(shape.dilation):
        found[phase :: shape.dilation] = np.cumsum(counts[phase :: shape.dilation])
    return found.tolist()


def changed(x: IntArray, shape: Geometry, zero: int = 0) -> NDArray[np.bool_]:
    """(columns, channels): whether an element of x differs from that `stride` columns before, or from `zero` where
    there is none.
    """
    before: IntArray = np.full_like(x, zero)
    length = shape.columns or max(len(x), 1)
    for start in range(0, len(x), length):
        end = min(start + length, len(x))
        before[start + shape.stride : end] = x[start : end - shape.stride]
    return np.asarray(x != before)


def changes(x: IntArray, shape: Geometry, lanes: int, zero: int = 0) -> IntArray:
    """(columns, beats): how many elements of each beat change (see `changed`)."""
    return beats(changed(x, shape, zero), lanes)


def beats(mask: NDArray[np.bool_], lanes: int) -> IntArray:
    """(columns, beats): the true elements of each beat of a column, for (columns, channels)."""
    counts: IntArray = mask.reshape(len(mask), -1, lanes).sum(axis=2, dtype=np.int64)
    return counts


@dataclass(frozen=True, eq=False, slots=True)
class Load:
    """What the changes of a sequence are to a bhc_delta: window by window, early ones included, of every history.

    events: of all columns that a window reads, (histories, windows). mask: elements that change, (histories, columns,
    channels). lasts: the last column that a window reads, (windows,).
    """

    shape: Geometry
    events: IntArray
    mask: NDArray[np.bool_]
    lasts: IntArray

    def intake(self, lanes: int) -> IntArray:
        """(histories, windows): cycles in which the columns that a window adds are compared and their events kept."""
        histories, columns = self.mask.shape[:2]
        counts = beats(self.mask.reshape(histories * columns, -1), lanes)
        cycles = np.maximum(1, counts).sum(axis=1).reshape(histories, columns)
        until = np.concatenate([np.zeros((histories, 1), np.int64), np.cumsum(cycles, axis=1)], axis=1)
        taken: IntArray = np.diff(until[:, np.concatenate([[0], self.lasts + 1])], axis=1)
        return taken

    def cycles(self, *, nf: int, width: int, lanes: int) -> float:
        """Cycles a window that is given out (about: `timeline` is exact)."""
        words = nf * np.maximum(1, -(-self.events // width))
        busy = np.maximum(words, self.intake(lanes)).sum()
        restarts = 2 * len(self.events) if self.shape.columns else 0
        given = self.events.size - self.shape.early * len(self.events)
        return float((busy + restarts) / given)


def load(mask: NDArray[np.bool_], shape: Geometry) -> Load:
    """Of a sequence with these changes (see `changed`); of at least one window."""
    length = shape.columns or len(mask)
    by_history = mask[: len(mask) // length * length].reshape(-1, length, mask.shape[1])
    counts = by_history.sum(axis=2, dtype=np.int64)
    windows = (length - 1 - shape.reach) // shape.stride + 1
    lasts = np.arange(-shape.early, windows) * shape.stride + shape.reach
    before = np.zeros((len(counts), shape.reach), np.int64)
    padded = np.concatenate([before, counts], axis=1)
    taps = shape.reach + lasts[:, None] - np.arange(shape.taps) * shape.dilation
    return Load(shape, padded[:, taps].sum(axis=2), by_history, lasts)


def accumulate(item: Layer, x: IntArray) -> IntArray:
    """(outputs, M): what bhc_delta makes of columns x, (columns, channels): see `Accumulators`."""
    return Accumulators(item).push(x)


@dataclass(slots=True)
class _State:
    """Of several histories at once (first axis), which are equally long.

    before: the last S columns. moves: changes that windows to come read, (histories, columns, channels). sums: the
    accumulators, (histories, M). early: windows to come that are not given out. skipped: columns to come that no window
    reads.
    """

    before: IntArray
    moves: IntArray
    sums: IntArray
    early: int
    skipped: int = 0


class Accumulators:
    """A layer's results from changes alone, as bhc_delta computes them, for columns that arrive piece by piece.

    Accumulators start from `base` and wrap around; what is given out is the sign or the value of the layer's result.
    A convolution that is not endless drops its history at the end of each window. Integers are multiplied as floats,
    which are wide enough to be exact.
    """

    def __init__(self, item: Layer) -> None:
        assert why_not(item) is None
        self.item = item
        self.shape = geometry(item, columns(item))
        m = item.weights.shape[0]
        self._base, self._half = base(item), 1 << (acc_bits(item) - 1)
        weights = item.weights.reshape(m, self.shape.taps, self.shape.channels).transpose(1, 2, 0)
        start = zero(item)
        step = max(item.x.range.hi, start) - min(item.x.range.lo, start)
        largest = step * int(np.abs(weights).sum(axis=(0, 1)).max())
        assert largest < 1 << 53, item.node.name
        self._weights = weights.astype(np.float32 if largest < 1 << 24 else np.float64)
        self.reset()

    def reset(self) -> None:
        """Forget all columns."""
        self._state, self._seen = self._begin(1), 0

    def push(self, x: IntArray) -> IntArray:
        """(outputs, M): what more columns, (columns, channels) in true values, add to the results."""
        length = self.shape.columns
        if not length:
            endless: IntArray = self._advance(self._state, x[None])[0]
            return endless
        first = x[: (length - self._seen) % length]
        whole = (len(x) - len(first)) // length
        made = [self._advance(self._state, first[None])[0]]
        self._seen += len(first)
        if self._seen == length:
            self.reset()
        middle = x[len(first) : len(first) + whole * length].reshape(whole, length, self.shape.channels)
        made.append(self._advance(self._begin(whole), middle).reshape(-1, len(self._base)))
        last = x[len(first) + whole * length :]
        made.append(self._advance(self._state, last[None])[0])
        self._seen += len(last)
        return np.concatenate(made)

    def _begin(self, histories: int) -> _State:
        shape = self.shape
        return _State(
            np.full((histories, shape.stride, shape.channels), zero(self.item), np.int64),
            np.zeros((histories, shape.early * shape.stride, shape.channels), np.int64),
            np.tile(self._base, (histories, 1)),
            shape.early,
        )

    def _advance(self, state: _State, x: IntArray) -> IntArray:
        """(histories, outputs, M): results that columns (histories, columns, channels) complete."""
        shape = self.shape
        joined = np.concatenate([state.before, x], axis=1)
        state.before = joined[:, x.shape[1] :]
        moves = (joined[:, shape.stride :] - joined[:, : -shape.stride]) // _unit(self.item)
        held = np.concatenate([state.moves, moves[:, state.skipped :]], axis=1)
        state.skipped -= min(state.skipped, x.shape[1])
        count = max(0, (held.shape[1] - 1 - shape.reach) // shape.stride + 1)
        given = count * shape.stride
        state.moves = held[:, given:]
        state.skipped += max(0, given - held.shape[1])
        added = np.zeros((len(x), count, len(self._base)), self._weights.dtype)
        for tap, weights in enumerate(self._weights):
            begin = tap * shape.dilation
            read = held[:, begin : begin + (count - 1) * shape.stride + 1 : shape.stride] if count else held[:, :0]
            added += read.astype(self._weights.dtype) @ weights
        sums = state.sums[:, None] + np.cumsum(added.astype(np.int64), axis=1)
        sums = (sums + self._half) % (2 * self._half) - self._half
        if count:
            state.sums = sums[:, -1]
        dropped = min(state.early, count)
        state.early -= dropped
        return self._given(sums[:, dropped:])

    def _given(self, sums: IntArray) -> IntArray:
        """What leaves the layer: the sign, or the lowest bits."""
        result = self.item.result.type
        if not self.item.accumulator.sign_out:
            low = -(1 << (result.bits - 1)) if result.kind == Kind.SIGNED else 0
            value: IntArray = (sums - low) % (1 << result.bits) + low
            return value
        levels = np.array([-1, 1] if result.bipolar else [0, 1])
        signs: IntArray = levels[(sums >= 0).astype(np.int64)]
        return signs
