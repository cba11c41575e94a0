"""Stream kernels alone: random parameters x {never stalled, stalled}, several windows back to back, against numpy.

Never stalled, every beat must move in exactly the cycle that the module's header promises.
draw_<kernel>(random) makes one instance; the tests take some from fixed seeds, several instances a build.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import pytest

from tests.kernels.batch import Case, build_batch
from tests.kernels.harness import Bits, Result, pack

WINDOWS = 3
Array = npt.NDArray[np.int64]
Cycles = list[int]


@dataclass(frozen=True)
class Trial:
    """An instance, beats for it, the beats it must give, and what the cycles of a run without stalls must be.

    padding: the beat that the module may give beyond those, because a next window would begin with it.
    """

    case: Case
    beats: Mapping[str, list[int]]
    want: list[int]
    check_cycles: Callable[[Result], None]
    padding: int | None = None


# Kinds of elements: 0 unsigned, 1 signed, 2 bipolar (+1 is 1, -1 is 0).


def draw_kind(random: Random) -> tuple[int, int]:
    """(bits, kind)."""
    kind = random.randrange(3)
    return (1 if kind == 2 else random.choice([1, 1, 2, 3, 4, 8])), kind


def draw_words(random: Random, *shape: int, bits: int) -> Array:
    """Random element words, extremes favoured."""
    extremes = [0, (1 << bits) - 1, 1 << (bits - 1), (1 << (bits - 1)) - 1]
    words = [
        random.choice(extremes) if random.random() < 0.4 else random.randrange(1 << bits)
        for _ in range(int(np.prod(shape)))
    ]
    return np.array(words, dtype=np.int64).reshape(shape)


def values(words: Array, bits: int, kind: int) -> Array:
    """What element words mean."""
    match kind:
        case 0:
            return words
        case 1:
            return words - ((words >> (bits - 1)) << bits)
        case _:
            return 2 * words - 1


def encode(numbers: Array, bits: int, kind: int) -> Array:
    """The inverse of values(); a bipolar element in more than one bit is signed."""
    return (numbers + 1) // 2 if kind == 2 and bits == 1 else numbers & ((1 << bits) - 1)


def to_beats(words: Array, bits: int) -> list[int]:
    """Beats of an array of element words, lanes in the last axis."""
    return [pack((int(word) for word in beat), bits) for beat in words.reshape(-1, words.shape[-1])]


def cycles_of(result: Result, source: str = "in", sink: int = 0) -> tuple[Cycles, Cycles]:
    """Cycles in which beats were taken and emitted."""
    return result.taken[source], result.emitted[sink]


def consecutive(cycles: Cycles) -> bool:
    """Whether a beat moved in every cycle from the first to the last."""
    return cycles == list(range(cycles[0], cycles[0] + len(cycles)))


def joined(indices: list[int], latency: int) -> Callable[[Result], None]:
    """Input moves every cycle; output beat i comes `latency` cycles after input beat indices[i]."""

    def check(result: Result) -> None:
        taken, emitted = cycles_of(result)
        assert consecutive(taken)
        assert emitted == [taken[index] + latency for index in indices]

    return check


# ---- fifo, width, fork


def draw_fifo(random: Random) -> Trial:
    width, depth = random.choice([1, 5, 8, 40]), random.choice([0, 1, 2, 3, 4, 5, 8, 9, 17, 32, 33, 100])
    style = random.choice([0, 1, 2])
    beats = [random.randrange(1 << width) for _ in range(3 * depth + 40)]
    parameters = {"Width": width, "Depth": depth, "Style": style}
    latency = 0 if depth == 0 else 2 if depth > 2 and style == 2 else 1
    case = Case("bhc_fifo", parameters, {"in": width}, width)
    return Trial(case, {"in": beats}, beats, joined(list(range(len(beats))), latency))


def draw_width(random: Random) -> Trial:
    bits, factor, lanes = random.choice([1, 3]), random.choice([1, 2, 3, 4, 5, 8, 11]), random.choice([1, 2, 3])
    wide, narrow = factor * lanes, lanes
    widen = random.random() < 0.5
    words = draw_words(random, 12 * WINDOWS, wide, bits=bits)
    by_part = words.reshape(-1, narrow)
    sides = (narrow, wide) if widen else (wide, narrow)
    case = Case(
        "bhc_width", {"Bits": bits, "InLanes": sides[0], "OutLanes": sides[1]}, {"in": sides[0] * bits}, sides[1] * bits
    )

    def check_narrow(result: Result) -> None:
        taken, emitted = cycles_of(result)
        assert consecutive(emitted)
        assert taken == emitted[factor - 2 :: factor][: len(taken)] if factor > 1 else taken == emitted

    ends = list(range(factor - 1, len(by_part), factor))
    check = joined(ends, 0 if factor == 1 else 1) if widen or factor == 1 else check_narrow
    into, out = (by_part, words) if widen else (words, by_part)
    return Trial(case, {"in": to_beats(into, bits)}, to_beats(out, bits), check)


def test_fork(tmp_path: Path) -> None:
    random = Random(1)
    for sinks in (1, 2, 3):
        beats = [random.randrange(1 << 9) for _ in range(60)]
        case = Case("bhc_fork", {"Width": 9, "Sinks": sinks}, {"in": 9}, 9, sinks)
        batch = build_batch(tmp_path / str(sinks), [case])
        for stalls in (0, 1, 2, 3):
            result = batch.run(0, {"in": beats}, len(beats), stalls)
            assert result.outputs == [beats] * sinks
            # The input is taken with the last of its copies.
            assert result.taken["in"] == [max(copies) for copies in zip(*result.emitted, strict=True)]
            if stalls == 0:
                assert all(consecutive(cycles) for cycles in result.emitted)


# ---- windows


@dataclass(frozen=True)
class Geometry:
    """Of one axis: size of the image, kernel, stride, dilation, padding before, windows."""

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    count: int

    @property
    def span(self) -> int:
        return (self.kernel - 1) * self.dilation + 1

    def at(self, window: int, tap: int) -> int:
        """The position of a tap; outside the image it is padding."""
        return window * self.stride - self.before + tap * self.dilation


def draw_axis(random: Random, largest: int) -> Geometry:
    """Any padding on either side, leftovers, kernels beyond the image."""
    while True:
        size, kernel = random.randint(1, largest), random.choice([1, 2, 3, 3, 4, 5])
        stride, dilation = random.choice([1, 1, 1, 2, 3, 4]), random.choice([1, 1, 2, 3, largest // 3])
        span = (kernel - 1) * dilation + 1
        before = random.choice([0, 0, span // 2, span - 1, random.randint(0, span + 1)])
        after = random.choice([0, 0, span // 2, span - 1, random.randint(0, span)])
        room = before + size + after - span
        if room >= 0 and room // stride * stride - before <= size:
            return Geometry(size, kernel, stride, dilation, before, room // stride + 1)


def draw_image(random: Random) -> tuple[Geometry, Geometry]:
    """Rows and columns; half of the draws are 1-D."""
    if random.random() < 0.5:
        return draw_axis(random, 24), Geometry(1, 1, 1, 1, 0, 1)
    return draw_axis(random, 6), draw_axis(random, 6)


def geometry_parameters(rows: Geometry, columns: Geometry) -> dict[str, int]:
    """As bhc_window and bhc_shift name them."""
    return {
        "H": rows.size,
        "KH": rows.kernel,
        "SH": rows.stride,
        "DH": rows.dilation,
        "PT": rows.before,
        "OH": rows.count,
        "W": columns.size,
        "KW": columns.kernel,
        "SW": columns.stride,
        "DW": columns.dilation,
        "PL": columns.before,
        "OW": columns.count,
    }


def padded(image: Array, rows: Geometry, columns: Geometry, oh: int, ow: int, pad: int) -> Array:
    """The window of an image (H, W, ...) as (KH, KW, ...)."""
    out = np.full((rows.kernel, columns.kernel, *image.shape[2:]), pad, dtype=np.int64)
    for kh, kw in itertools.product(range(rows.kernel), range(columns.kernel)):
        row, column = rows.at(oh, kh), columns.at(ow, kw)
        if 0 <= row < rows.size and 0 <= column < columns.size:
            out[kh, kw] = image[row, column]
    return out


def ring_cycles(rows: Geometry, row_beats: int, reads: int, capacity: int) -> tuple[Cycles, Cycles]:
    """When bhc_window takes and emits beats, never stalled, from the rules in its header alone.

    reads: beats of the windows of one oh.
    """
    taken: Cycles = []
    emitted: Cycles = []
    window = oh = done = 0
    first = last = 0
    for cycle in itertools.count():
        if len(taken) == WINDOWS * rows.size * row_beats and window == WINDOWS:
            return taken, emitted
        complete = len(taken) // row_beats - window * rows.size  # rows of this image, and of later ones
        first = max(0, rows.at(oh, 0))
        last = min(rows.size, rows.at(oh, 0) + rows.span)
        write = len(taken) < WINDOWS * rows.size * row_beats and complete - first < capacity
        read = window < WINDOWS and complete >= last
        if write:
            taken.append(cycle)
        if read:
            emitted.append(cycle + 1)
            done += 1
            if done == reads:
                done, oh = 0, oh + 1
                if oh == rows.count:
                    oh, window = 0, window + 1
    raise AssertionError


def draw_window(random: Random) -> Trial:
    rows, columns = draw_image(random)
    bits, lanes = random.choice([1, 2, 3, 8]), random.choice([1, 1, 2, 3])
    chunks, groups = random.choice([1, 2, 3, 4, 5]), random.choice([1, 1, 1, 2, 3])
    replays, chunk_major = random.choice([1, 1, 2, 3]), random.randrange(2)
    capacity = rows.span + random.choice([0, 0, 1, 2, 3, rows.span, rows.span + rows.stride, 2 * rows.span])
    pad, style = random.randrange(1 << bits), random.randrange(3)
    images = draw_words(random, WINDOWS, rows.size, columns.size, groups, chunks, lanes, bits=bits)
    want: list[int] = []
    for image, oh, ow, g in itertools.product(images, range(rows.count), range(columns.count), range(groups)):
        window = padded(image[:, :, g], rows, columns, oh, ow, pad)
        want += to_beats(window.transpose(2, 0, 1, 3) if chunk_major else window, bits) * replays
    case = Case(
        "bhc_window",
        {
            "Bits": bits,
            "Lanes": lanes,
            "Chunks": chunks,
            "Groups": groups,
            **geometry_parameters(rows, columns),
            "Replays": replays,
            "ChunkMajor": chunk_major,
            "Rows": capacity,
            "PadWord": Bits(pad, bits),
            "Style": style,
        },
        {"in": lanes * bits},
        lanes * bits,
    )

    def check(result: Result) -> None:
        row_beats = columns.size * groups * chunks
        reads = columns.count * groups * replays * rows.kernel * columns.kernel * chunks
        taken, emitted = ring_cycles(rows, row_beats, reads, capacity)
        offset = result.taken["in"][0]
        assert result.taken["in"] == [cycle + offset for cycle in taken]
        assert result.emitted[0][: len(want)] == [cycle + offset for cycle in emitted]
        below = max(0, rows.size - rows.at(rows.count - 1, 0) - rows.span)  # rows that no window needs
        roomy = capacity >= rows.span + max(rows.span + below, rows.stride)
        if roomy and rows.stride * row_beats <= reads and rows.size * row_beats <= reads * rows.count:
            assert emitted[-1] - emitted[reads * rows.count - 1] == (WINDOWS - 1) * reads * rows.count

    return Trial(case, {"in": to_beats(images, bits)}, want, check, pack([pad] * lanes, bits))


def no_cycles(_: Result) -> None:
    """For modules whose cycles are those of another mode, or follow from whole designs in tests/cosim."""


def draw_endless_axis(random: Random, kernels: tuple[int, ...]) -> Geometry:
    """Some rows of an image without end, whole strides; fewer than a window needs, now and then."""
    kernel, stride = random.choice(kernels), random.choice([1, 1, 1, 2, 3, 5])
    dilation = random.choice([1, 1, 2, 3])
    size, span = stride * random.randint(1, 12), (kernel - 1) * dilation + 1
    return Geometry(size, kernel, stride, dilation, 0, max(0, (size - span) // stride + 1))


def endless(rows: Geometry, columns: Geometry) -> dict[str, int]:
    return {**geometry_parameters(rows, columns), "H": rows.stride, "OH": 1, "Endless": 1}


def draw_endless_window(random: Random) -> Trial:
    rows, columns = draw_endless_axis(random, (1, 2, 3, 5)), draw_image(random)[1]
    bits, lanes, chunks = random.choice([1, 3, 8]), random.choice([1, 2, 3]), random.choice([1, 2, 3])
    replays, chunk_major, pad = random.choice([1, 1, 2]), random.randrange(2), random.randrange(1 << bits)
    image = draw_words(random, rows.size, columns.size, chunks, lanes, bits=bits)
    want: list[int] = []
    for oh, ow in itertools.product(range(rows.count), range(columns.count)):
        window = padded(image, rows, columns, oh, ow, pad)
        want += to_beats(window.transpose(2, 0, 1, 3) if chunk_major else window, bits) * replays
    parameters: dict[str, int | Bits] = {
        "Bits": bits,
        "Lanes": lanes,
        "Chunks": chunks,
        "Groups": 1,
        **endless(rows, columns),
        "Replays": replays,
        "ChunkMajor": chunk_major,
        "Rows": rows.span + random.choice([0, 1, rows.stride]),
        "PadWord": Bits(pad, bits),
        "Style": random.randrange(3),
    }
    case = Case("bhc_window", parameters, {"in": lanes * bits}, lanes * bits)
    return Trial(case, {"in": to_beats(image, bits)}, want, no_cycles)


def draw_endless_shift(random: Random) -> Trial:
    rows, columns = draw_endless_axis(random, (1, 2, 3, 5)), draw_image(random)[1]
    bits, lanes = random.choice([1, 2, 4]), random.choice([1, 2, 5])
    pad = random.randrange(1 << bits)
    image = draw_words(random, rows.size, columns.size, lanes, bits=bits)
    want = [
        pack(padded(image, rows, columns, oh, ow, pad).reshape(-1).tolist(), bits)
        for oh, ow in itertools.product(range(rows.count), range(columns.count))
    ]
    parameters: dict[str, int | Bits] = {"Bits": bits, "C": lanes, **endless(rows, columns), "PadWord": Bits(pad, bits)}
    case = Case("bhc_shift", parameters, {"in": lanes * bits}, rows.kernel * columns.kernel * lanes * bits)
    return Trial(case, {"in": to_beats(image, bits)}, want, no_cycles)


def draw_slide(random: Random) -> Trial:
    rows = draw_endless_axis(random, (1, 2, 3, 7, 30))
    (bits, kind), lanes, chunks = draw_kind(random), random.choice([1, 2, 3]), random.choice([1, 1, 2, 5])
    words = draw_words(random, rows.size, chunks, lanes, bits=bits)
    x = values(words, bits, kind)
    greatest = rows.kernel * (1 << bits)
    out_bits = greatest.bit_length() + 1
    want: list[int] = []
    for index in range(rows.count):
        total = x[index * rows.stride :][: rows.span : rows.dilation].sum(axis=0)
        want += to_beats(total & ((1 << out_bits) - 1), out_bits)
    parameters = {
        "Bits": bits,
        "Kind": kind,
        "Lanes": lanes,
        "Chunks": chunks,
        "Rows": rows.kernel,
        "D": rows.dilation,
        "Stride": rows.stride,
        "OutBits": out_bits,
    }
    case = Case("bhc_slide", parameters, {"in": lanes * bits}, lanes * out_bits)

    def check(result: Result) -> None:
        """A beat a cycle; a sum leaves a cycle after its last row."""
        offset = result.taken["in"][0]
        assert result.taken["in"] == [cycle + offset for cycle in range(len(result.taken["in"]))]
        ends = [
            rows.at(index, rows.kernel - 1) * chunks + chunk for index in range(rows.count) for chunk in range(chunks)
        ]
        assert result.emitted[0] == [end + offset + 1 for end in ends]

    return Trial(case, {"in": to_beats(words, bits)}, want, check)


def draw_shift(random: Random) -> Trial:
    return shift_trial(random, *draw_image(random), random.choice([1, 2, 4]), random.choice([1, 2, 5]))


def draw_shift_of_long_rows(random: Random) -> Trial:
    """Rows that the line memories keep in block RAM."""
    width, left = random.randint(66, 90), random.randrange(3)
    columns = Geometry(width, 3, 1, 1, left, width + left - 2)
    rows = Geometry(random.randint(3, 5), 3, 1, 1, random.randrange(3), 3)
    return shift_trial(random, rows, columns, 8, 8)


def shift_trial(random: Random, rows: Geometry, columns: Geometry, bits: int, lanes: int) -> Trial:
    pad = random.randrange(1 << bits)
    images = draw_words(random, WINDOWS, rows.size, columns.size, lanes, bits=bits)
    want = [
        pack(padded(image, rows, columns, oh, ow, pad).reshape(-1).tolist(), bits)
        for image, oh, ow in itertools.product(images, range(rows.count), range(columns.count))
    ]
    parameters: dict[str, int | Bits] = {
        "Bits": bits,
        "C": lanes,
        **geometry_parameters(rows, columns),
        "PadWord": Bits(pad, bits),
    }
    case = Case("bhc_shift", parameters, {"in": lanes * bits}, rows.kernel * columns.kernel * lanes * bits)

    def steps(axis: Geometry) -> tuple[int, int]:
        """(padding of windows of padding alone, length)."""
        lead = max(0, axis.before - axis.span + 1)
        after = max(0, axis.at(axis.count - 1, 0) + axis.span - axis.size)
        return lead, lead + axis.size + max(axis.before - lead, after)

    def check(result: Result) -> None:
        (lead_h, length_h), (lead_w, length_w) = steps(rows), steps(columns)

        def step(window: int, row: int, column: int) -> int:
            return (window * length_h + row + lead_h) * length_w + column + lead_w

        offset = result.taken["in"][0] - step(0, 0, 0)
        assert result.taken["in"] == [
            step(*place) + offset for place in itertools.product(range(WINDOWS), range(rows.size), range(columns.size))
        ]
        assert result.emitted[0][: len(want)] == [
            step(window, rows.at(oh, 0) + rows.span - 1, columns.at(ow, 0) + columns.span - 1) + offset + 1
            for window, oh, ow in itertools.product(range(WINDOWS), range(rows.count), range(columns.count))
        ]

    all_padding = pack([pad] * (rows.kernel * columns.kernel * lanes), bits)
    return Trial(case, {"in": to_beats(images, bits)}, want, check, all_padding)


# ---- pool, add, concat, pad, argmax


def draw_pool(random: Random) -> Trial:
    bits, kind = draw_kind(random)
    lanes, chunks = random.choice([1, 2, 3]), random.choice([1, 1, 2, 3, 5])
    one_d = random.random() < 0.4
    kh, kw = random.choice([1, 2, 3, 4]), 1 if one_d else random.choice([1, 2, 3])
    h, w = (
        kh * random.choice([1, 1, 2, 3]) + random.randrange(kh),
        1 if one_d else kw * random.choice([1, 2, 3]) + random.randrange(kw),
    )
    oh, ow = h // kh, w // kw
    op = random.randrange(2)
    if op == 0:
        out_bits = bits + random.choice([0, 0, 1, 3])
        out_kind = kind
    else:
        out_bits, out_kind = bits + (kh * kw).bit_length() + (kind == 2), 0 if kind == 0 else 1
    images = draw_words(random, WINDOWS, h, w, chunks, lanes, bits=bits)
    kernels = values(images, bits, kind)[:, : oh * kh, : ow * kw].reshape(WINDOWS, oh, kh, ow, kw, chunks, lanes)
    reduced = kernels.max(axis=(2, 4)) if op == 0 else kernels.sum(axis=(2, 4))
    case = Case(
        "bhc_pool",
        {
            "Bits": bits,
            "Kind": kind,
            "Lanes": lanes,
            "Chunks": chunks,
            "H": h,
            "W": w,
            "KH": kh,
            "KW": kw,
            "Op": op,
            "OutBits": out_bits,
        },
        {"in": lanes * bits},
        lanes * out_bits,
    )
    numbers = np.arange(images.size // lanes).reshape(WINDOWS, h, w, chunks)
    ends = numbers[:, kh - 1 : oh * kh : kh, kw - 1 : ow * kw : kw].reshape(-1).tolist()
    return Trial(
        case, {"in": to_beats(images, bits)}, to_beats(encode(reduced, out_bits, out_kind), out_bits), joined(ends, 1)
    )


def draw_operands(random: Random) -> tuple[tuple[int, int], tuple[int, int], int]:
    """(bits, kind) of a and b, and the width of an element that holds either."""
    a, b = draw_kind(random), draw_kind(random)
    if a[1] == b[1] == 2:
        return a, b, 1
    mixed = {a[1], b[1]} != {0}
    return a, b, max(bits + (1 if mixed and kind != 1 else 0) for bits, kind in (a, b))


def draw_add(random: Random) -> Trial:
    a, b, common = draw_operands(random)
    out_bits = common + (2 if a[1] == b[1] == 2 else 1)
    lanes, beats = random.choice([1, 2, 5]), 40
    a_words, b_words = draw_words(random, beats, lanes, bits=a[0]), draw_words(random, beats, lanes, bits=b[0])
    total = values(a_words, *a) + values(b_words, *b)
    parameters = {"Lanes": lanes, "ABits": a[0], "AKind": a[1], "BBits": b[0], "BKind": b[1], "OutBits": out_bits}
    case = Case("bhc_add", parameters, {"a": lanes * a[0], "b": lanes * b[0]}, lanes * out_bits)

    def check(result: Result) -> None:
        assert consecutive(result.taken["a"])
        assert result.taken["b"] == result.taken["a"]
        assert result.emitted[0] == [cycle + 1 for cycle in result.taken["a"]]

    return Trial(
        case,
        {"a": to_beats(a_words, a[0]), "b": to_beats(b_words, b[0])},
        to_beats(encode(total, out_bits, 1), out_bits),
        check,
    )


def draw_concat(random: Random) -> Trial:
    a, b, common = draw_operands(random)
    out_bits = common if common == 1 else common + random.choice([0, 2])
    lanes, pixels = random.choice([1, 2, 5]), 14
    chunks = random.choice([1, 1, 2, 3, 7]), random.choice([1, 1, 2, 3, 6])
    a_words = draw_words(random, pixels, chunks[0], lanes, bits=a[0])
    b_words = draw_words(random, pixels, chunks[1], lanes, bits=b[0])
    joint = np.concatenate(
        [encode(values(words, *kind), out_bits, kind[1]) for words, kind in ((a_words, a), (b_words, b))], axis=1
    )
    case = Case(
        "bhc_concat",
        {
            "Lanes": lanes,
            "ABits": a[0],
            "AKind": a[1],
            "BBits": b[0],
            "BKind": b[1],
            "OutBits": out_bits,
            "AChunks": chunks[0],
            "BChunks": chunks[1],
        },
        {"a": lanes * a[0], "b": lanes * b[0]},
        lanes * out_bits,
    )

    def check(result: Result) -> None:
        assert consecutive(result.emitted[0])
        assert sorted(result.taken["a"] + result.taken["b"]) == [cycle - 1 for cycle in result.emitted[0]]

    return Trial(case, {"a": to_beats(a_words, a[0]), "b": to_beats(b_words, b[0])}, to_beats(joint, out_bits), check)


def draw_pad(random: Random) -> Trial:
    bits, lanes, chunks = random.choice([1, 3]), random.choice([1, 3]), random.choice([1, 2, 3])
    one_d = random.random() < 0.5
    h, w = random.randint(1, 6), 1 if one_d else random.randint(1, 5)
    top, bottom, left, right = (random.choice([0, 1, 2, 3]) for _ in range(4))
    if one_d:
        left = right = 0
    word = random.randrange(1 << bits)
    images = draw_words(random, WINDOWS, h, w, chunks, lanes, bits=bits)
    around = ((0, 0), (top, bottom), (left, right), (0, 0), (0, 0))
    out = np.pad(images, around, constant_values=word)
    pixel = np.pad(np.ones(images.shape[:-1], dtype=np.bool_), around[:-1]).reshape(-1)
    case = Case(
        "bhc_pad",
        {
            "Bits": bits,
            "Lanes": lanes,
            "Chunks": chunks,
            "H": h,
            "W": w,
            "PT": top,
            "PB": bottom,
            "PL": left,
            "PR": right,
            "Word": Bits(word, bits),
        },
        {"in": lanes * bits},
        lanes * bits,
    )

    def check(result: Result) -> None:
        assert consecutive(result.emitted[0])
        assert result.taken["in"] == [cycle - 1 for cycle, real in zip(result.emitted[0], pixel, strict=False) if real]

    return Trial(case, {"in": to_beats(images, bits)}, to_beats(out, bits), check, pack([word] * lanes, bits))


def draw_hold(random: Random) -> Trial:
    """Thresholds that let everything or nothing pass, too."""
    bits, kind = draw_kind(random)
    lanes, chunks, rows = random.choice([1, 2, 3, 5]), random.choice([1, 1, 2, 3, 70]), random.choice([1, 2, 3, 9, 24])
    if chunks > 64 and random.random() < 0.5:
        lanes = 8192 // (64 * bits) + 1  # in block RAM
    most = (1 << bits) - 1
    threshold = random.choice([0, 1 % (most + 1), most // 8, most // 2, most - 1, most])
    words = draw_words(random, WINDOWS, rows, chunks * lanes, bits=bits)
    x = values(words, bits, kind % 2)  # a bipolar element is the bit that it is
    held = x.copy()
    for window, row in itertools.product(range(WINDOWS), range(1, rows)):
        for i in range(chunks * lanes):
            if abs(int(x[window, row, i]) - int(held[window, row - 1, i])) <= threshold:
                held[window, row, i] = held[window, row - 1, i]
    parameters = {
        "Bits": bits,
        "Kind": kind % 2,
        "Lanes": lanes,
        "Chunks": chunks,
        "Rows": rows,
        "Threshold": threshold,
    }
    case = Case("bhc_hold", parameters, {"in": lanes * bits}, lanes * bits)
    beats, want = (to_beats(encode(v, bits, kind % 2).reshape(-1, lanes), bits) for v in (x, held))
    return Trial(case, {"in": beats}, want, joined(list(range(len(want))), 1))


def draw_argmax(random: Random) -> Trial:
    bits, kind = draw_kind(random)
    lanes, chunks = random.choice([1, 1, 2, 3, 4]), random.choice([1, 2, 3, 6, 9])
    out_bits = max(1, (lanes * chunks - 1).bit_length()) + random.choice([0, 2])
    words = draw_words(random, 12, chunks * lanes, bits=bits)
    case = Case(
        "bhc_argmax",
        {"Bits": bits, "Kind": kind, "Lanes": lanes, "Chunks": chunks, "OutBits": out_bits},
        {"in": lanes * bits},
        out_bits,
    )
    want = values(words, bits, kind).argmax(axis=1).tolist()
    ends = list(range(chunks - 1, 12 * chunks, chunks))
    return Trial(case, {"in": to_beats(words.reshape(-1, lanes), bits)}, want, joined(ends, 1))


# ---- Running them

Draw = Callable[[Random], Trial]
DRAWS: dict[str, Draw] = {
    "fifo": draw_fifo,
    "width": draw_width,
    "window": draw_window,
    "shift": draw_shift,
    "shift_of_long_rows": draw_shift_of_long_rows,
    "endless_window": draw_endless_window,
    "endless_shift": draw_endless_shift,
    "slide": draw_slide,
    "pool": draw_pool,
    "add": draw_add,
    "concat": draw_concat,
    "pad": draw_pad,
    "hold": draw_hold,
    "argmax": draw_argmax,
}


INSTANCES = {"shift_of_long_rows": 4}


def trials(draw: Draw, seed: int, count: int) -> Iterator[Trial]:
    """Some instances, with input that is not too long."""
    random = Random(seed)
    while count > 0:
        trial = draw(random)
        if len(trial.want) <= 6000:
            count -= 1
            yield trial


def run_batch(folder: Path, drawn: list[Trial]) -> None:
    """Build the instances together and hold each to its model, without stalls and with."""
    batch = build_batch(folder, [trial.case for trial in drawn])
    for index, trial in enumerate(drawn):
        for stalls in (0, 3 * index + 1, 3 * index + 2):
            result = batch.run(index, trial.beats, len(trial.want), stalls)
            where = f"{trial.case}, stalls {stalls}"
            surplus = result.outputs[0][len(trial.want) :]
            assert result.outputs[0] == trial.want + [trial.padding] * len(surplus), where
            assert {source: len(cycles) for source, cycles in result.taken.items()} == {
                source: len(beats) for source, beats in trial.beats.items()
            }, where
            if stalls == 0:
                trial.check_cycles(result)


@pytest.mark.parametrize(
    ("kernel", "seed"), [(name, seed) for name in DRAWS for seed in range(3 if name in ("window", "shift") else 1)]
)
def test_stream_kernel(tmp_path: Path, kernel: str, seed: int) -> None:
    run_batch(tmp_path, list(trials(DRAWS[kernel], seed, INSTANCES.get(kernel, 12))))
