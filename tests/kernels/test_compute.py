"""Compute kernels alone: random parameters x {never stalled, stalled}, several windows back to back, against numpy.

Never stalled, every beat must move in exactly the cycle that the module's header promises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import pytest

from tests.kernels.batch import Case, build_batch
from tests.kernels.harness import Bits, pack

WINDOWS = 3
Array = npt.NDArray[np.int64]
Memories = dict[str, list[int]]


@dataclass(frozen=True)
class Trial:
    """An instance, its memory files, beats for it, what it must give, and in which cycles when never stalled."""

    case: Case
    memories: Memories
    beats: list[int]
    want: list[int]
    taken: list[int]
    emitted: list[int]


def draw_words(random: Random, *shape: int, bits: int) -> Array:
    """Random element words, extremes favoured."""
    extremes = [0, (1 << bits) - 1, 1 << (bits - 1)]
    count = int(np.prod(shape))
    favour = random.random() < 0.3
    words = [
        random.choice(extremes) if favour and random.random() < 0.9 else random.randrange(1 << bits)
        for _ in range(count)
    ]
    return np.array(words, dtype=np.int64).reshape(shape)


def values(words: Array, bits: int, kind: int) -> Array:
    """Element values: kind 0 unsigned, 1 signed, 2 bipolar (+1 is 1, -1 is 0)."""
    match kind:
        case 0:
            return words
        case 1:
            return np.where(words >> (bits - 1) & 1 == 1, words - (1 << bits), words)
        case _:
            return 2 * words - 1


def raw_dot(x: Array, x_type: tuple[int, int], w: Array, w_type: tuple[int, int]) -> Array:
    """What bhc_dot counts, by its definition over bit planes; x, w: words, summed over the last axis."""
    (x_bits, x_kind), (w_bits, w_kind) = x_type, w_type
    total: Array = np.zeros(np.broadcast_shapes(x.shape, w.shape)[:-1], dtype=np.int64)
    for i in range(w_bits):
        for j in range(x_bits):
            x_plane, w_plane = x >> j & 1, w >> i & 1
            plane = 1 ^ x_plane ^ w_plane if w_kind == 2 else x_plane & w_plane
            negative = (x_kind == 1 and j == x_bits - 1) != (w_kind == 1 and i == w_bits - 1)
            total += (plane ^ int(negative)).sum(axis=-1) << (i + j)
    return total


def draw_types(random: Random) -> tuple[tuple[int, int], tuple[int, int]]:
    """(bits, kind) of x and w."""
    x_kind, w_kind = random.randrange(3), random.choice([0, 1, 2, 2, 2])
    x_bits = 1 if x_kind == 2 else random.choice([1, 2, 3, 8])
    return (x_bits, x_kind), (1 if w_kind == 2 else random.choice([1, 2, 3]), w_kind)


def accumulator_bits(acc: Array) -> int:
    """The narrowest two's complement width that holds all of acc, and at least two bits."""
    return max(2, *(int(value if value >= 0 else ~value).bit_length() + 1 for value in acc.flat))


def store(
    parameters: dict[str, int | str | Bits], memories: Memories, name: str, words: list[int], width: int, tag: str
) -> None:
    """Pass a memory: as the Init parameter when it is one word, else as a file."""
    if len(words) == 1:
        parameters[f"{name}Init"] = Bits(words[0], width)
    else:
        file = f"{tag}_{name.lower()}.hex"
        parameters[f"{name}File"] = file
        memories[file] = words


def out_words(acc: Array, sign_out: int) -> Array:
    return (acc >= 0).astype(np.int64) if sign_out else acc


def draw_mvu(random: Random, tag: str, fixed: Mapping[str, int] | None = None) -> Trial:
    """`fixed`: folding, and perhaps the encoding of x by bipolar weights, that must be covered whatever is drawn."""
    x_type, w_type = draw_types(random)
    if fixed is not None and "XBits" in fixed:
        x_type, w_type = (fixed["XBits"], fixed["XKind"]), (1, 2)
    (x_bits, x_kind), (w_bits, w_kind) = x_type, w_type
    chosen = {
        "Simd": random.choice([1, 2, 3, 5, 11, 16, 33, 70]),
        "Pe": random.choice([1, 2, 3]),
        "Sf": random.choice([1, 2, 3, 5]),
        "Nf": random.choice([1, 2, 3, 4]),
        "InputStationary": random.randrange(2),
        "DotStages": random.randrange(3),
        "Group": 1,
        "SignOut": random.randrange(2),
        **(fixed or {}),
    }
    simd, pe, sf, nf, held = (chosen[name] for name in ("Simd", "Pe", "Sf", "Nf", "InputStationary"))
    positions = random.choice([1, 2, 5])
    classes = random.choice([1, 2, 3]) if positions > 1 else 1
    shift = int(x_kind == 2)
    windows = WINDOWS

    x = draw_words(random, windows, positions, sf, simd, bits=x_bits)
    w = draw_words(random, nf, sf, pe, simd, bits=w_bits)
    of_position = np.array([random.randrange(classes) for _ in range(positions)])
    # Axes: window, position, nf, sf, pe.
    raw = raw_dot(x[:, :, None, :, None, :], x_type, w[None, None], w_type)
    dots = raw.sum(axis=3) << shift
    spread = int(dots.max()) + 1
    bias = np.array([-random.randrange(spread + 2) for _ in range(classes * nf * pe)]).reshape(classes, nf, pe)
    acc = dots + bias[of_position][None]
    acc_bits = accumulator_bits(np.concatenate([acc.flatten(), bias.flatten()]))
    out_bits = 1 if chosen["SignOut"] else acc_bits

    parameters: dict[str, int | str | Bits] = {
        "XBits": x_bits,
        "XKind": x_kind,
        "WBits": w_bits,
        "WKind": w_kind,
        **chosen,
        "Positions": positions,
        "Classes": classes,
        "AccBits": acc_bits,
        "Shift": shift,
        "OutBits": out_bits,
        "WeightsStyle": random.randrange(3),
        "BiasStyle": random.randrange(3),
    }
    memories: Memories = {}
    order = w.transpose(1, 0, 2, 3) if held else w  # words in order of use
    words = [pack(word.flatten(), w_bits) for word in order.reshape(nf * sf, pe, simd)]
    store(parameters, memories, "Weights", words, pe * simd * w_bits, tag)
    words = [pack(word, acc_bits) for word in bias.reshape(classes * nf, pe)]
    store(parameters, memories, "Bias", words, pe * acc_bits, tag)
    if classes > 1:
        memories[f"{tag}_class.hex"] = of_position.tolist()
        parameters["ClassFile"] = f"{tag}_class.hex"

    beats = [
        pack(beat, x_bits) for position in x.reshape(-1, sf, simd) for beat in list(position) * (1 if held else nf)
    ]
    want = [pack(beat, out_bits) for beat in out_words(acc, chosen["SignOut"]).reshape(-1, pe)]
    # One (beat, nf) enters the pipeline a cycle.
    last = [(sf - 1) * nf + n if held else n * sf + sf - 1 for n in range(nf)]
    emitted = [p * nf * sf + n + 2 + chosen["DotStages"] for p in range(windows * positions) for n in last]
    taken = [k * (nf if held else 1) for k in range(len(beats))]
    case = Case("bhc_mvu", parameters, {"in": simd * x_bits}, pe * out_bits)
    return Trial(case, memories, beats, want, taken, emitted)


def draw_dw(random: Random, tag: str) -> Trial:
    (x_bits, x_kind), (w_bits, w_kind) = x_type, w_type = draw_types(random)
    lanes, taps, chunks = random.choice([1, 2, 5]), random.choice([1, 2, 5]), random.choice([1, 2, 3])
    positions = random.choice([1, 3])
    classes = random.choice([1, 2]) if positions > 1 else 1
    sign_out = random.randrange(2)

    x = draw_words(random, WINDOWS, positions, chunks, taps, lanes, bits=x_bits)
    w = draw_words(random, chunks, taps, lanes, bits=w_bits)
    of_position = np.array([random.randrange(classes) for _ in range(positions)])
    dots = (values(x, *x_type) * values(w, *w_type)[None, None]).sum(axis=3)
    spread = int(np.abs(dots).max()) + 2
    bias = np.array([random.randrange(-spread, spread) for _ in range(classes * chunks * lanes)])
    bias = bias.reshape(classes, chunks, lanes)
    acc = dots + bias[of_position][None]
    acc_bits = accumulator_bits(np.concatenate([acc.flatten(), bias.flatten()]))
    out_bits = 1 if sign_out else acc_bits

    parameters: dict[str, int | str | Bits] = {
        "XBits": x_bits,
        "XKind": x_kind,
        "WBits": w_bits,
        "WKind": w_kind,
        "Lanes": lanes,
        "Taps": taps,
        "Chunks": chunks,
        "Positions": positions,
        "Classes": classes,
        "AccBits": acc_bits,
        "SignOut": sign_out,
        "OutBits": out_bits,
    }
    memories: Memories = {}
    words = [pack(word, w_bits) for word in w.reshape(chunks * taps, lanes)]
    store(parameters, memories, "Weights", words, lanes * w_bits, tag)
    words = [pack(word, acc_bits) for word in bias.reshape(classes * chunks, lanes)]
    store(parameters, memories, "Bias", words, lanes * acc_bits, tag)
    if classes > 1:
        memories[f"{tag}_class.hex"] = of_position.tolist()
        parameters["ClassFile"] = f"{tag}_class.hex"

    beats = [pack(beat, x_bits) for beat in x.reshape(-1, lanes)]
    want = [pack(beat, out_bits) for beat in out_words(acc, sign_out).reshape(-1, lanes)]
    emitted = [k * taps + taps - 1 + 2 for k in range(len(want))]
    case = Case("bhc_dw", parameters, {"in": lanes * x_bits}, lanes * out_bits)
    return Trial(case, memories, beats, want, list(range(len(beats))), emitted)


def draw_threshold(random: Random, tag: str) -> Trial:
    lanes, chunks, stages = random.choice([1, 2, 4]), random.choice([1, 2, 3]), random.choice([1, 2, 3, 4])
    in_bits, in_kind = random.choice([2, 5, 9]), random.randrange(2)
    any_descending = random.randrange(2)
    base = random.choice([0, 0, -3, -8])
    out_bits = 1 if stages == 1 and base == 0 else 6
    levels = 1 << stages

    low, high = (-(1 << in_bits), (1 << in_bits) - 1) if in_kind else (0, (2 << in_bits) - 1)
    descending = np.array([[random.randrange(2) * any_descending for _ in range(lanes)] for _ in range(chunks)])
    thresholds = np.zeros((chunks, lanes, levels - 1), dtype=np.int64)
    for chunk, lane in np.ndindex(chunks, lanes):
        real = sorted(random.randint(low, high) for _ in range(random.randrange(levels)))
        spare = [low if descending[chunk, lane] else high] * (levels - 1 - len(real))
        thresholds[chunk, lane] = [*spare, *real] if descending[chunk, lane] else [*real, *spare]
    x = draw_words(random, 30 * chunks, lanes, bits=in_bits)
    chunk_of = np.arange(len(x)) % chunks
    count = (values(x, in_bits, in_kind)[..., None] >= thresholds[chunk_of]).sum(axis=-1)
    out = base + np.where(descending[chunk_of] == 1, levels - 1 - count, count)

    parameters: dict[str, int | str | Bits] = {
        "Lanes": lanes,
        "Chunks": chunks,
        "InBits": in_bits,
        "InKind": in_kind,
        "Stages": stages,
        "OutBits": out_bits,
        "Base": base,
        "AnyDescending": any_descending,
        "ThresholdsStyle": random.randrange(3),
    }
    memories: Memories = {}
    # Level s of the search holds every 2^(stages-s)-th threshold.
    tree = [thresholds[:, :, (1 << (stages - s - 1)) - 1 :: 1 << (stages - s)] for s in range(stages)]
    words = [
        [pack(nodes[c, :, i], in_bits + 1) for c in range(chunks) for i in range(1 << s)]
        for s, nodes in enumerate(tree)
    ]
    if chunks == 1:
        width = lanes * (in_bits + 1)
        flat = [word for level in words for word in level]
        parameters["ThresholdsInit"] = Bits(pack(flat, width), len(flat) * width)
    else:
        parameters["ThresholdsFile"] = f"{tag}_thresholds"
        memories |= {f"{tag}_thresholds_{s}.hex": level for s, level in enumerate(words)}
    if any_descending:
        store(parameters, memories, "Descending", [pack(bits, 1) for bits in descending], lanes, tag)

    beats = [pack(beat, in_bits) for beat in x]
    want = [pack(beat, out_bits) for beat in out]
    taken = list(range(len(beats)))
    case = Case("bhc_threshold", parameters, {"in": lanes * in_bits}, lanes * out_bits)
    return Trial(case, memories, beats, want, taken, [k + stages + 1 for k in taken])


# Folding corners: {no, register, memory} accumulators x {held, replayed input} x {constant, stored} weights.
MVU_CORNERS: list[dict[str, int]] = [
    {"Sf": 1, "Nf": 1, "Simd": 80, "DotStages": 2},
    {"Sf": 1, "Nf": 1, "Simd": 24},
    {"Sf": 1, "Nf": 1, "InputStationary": 1, "Simd": 7},
    {"Sf": 1, "Nf": 3, "InputStationary": 1, "Simd": 130},
    {"Sf": 3, "Nf": 1, "InputStationary": 1},
    {"Sf": 3, "Nf": 4, "InputStationary": 1, "DotStages": 0},
    {"Sf": 3, "Nf": 4, "InputStationary": 0, "DotStages": 0},
    {"Sf": 4, "Nf": 2, "InputStationary": 0, "Simd": 130},
]


# Rows that share sums of groups: {pairs; constant: pairs, fours, of bits threes} x {no, one, more elements left}.
GROUP_CORNERS: list[dict[str, int]] = [
    {"XBits": 8, "XKind": 1, "Group": 2, "Simd": 6, "Pe": 6, "Nf": 3, "DotStages": 1},
    {"XBits": 8, "XKind": 1, "Group": 2, "Simd": 55, "Pe": 3, "Nf": 2, "DotStages": 2},
    {"XBits": 3, "XKind": 0, "Group": 2, "Simd": 13, "Pe": 7, "Sf": 3, "Nf": 2, "InputStationary": 1, "DotStages": 0},
    {"XBits": 3, "XKind": 1, "Group": 2, "Simd": 13, "Pe": 7, "Sf": 3, "Nf": 2, "InputStationary": 0, "DotStages": 1},
    {"XBits": 8, "XKind": 1, "Group": 2, "Simd": 13, "Pe": 3, "Sf": 1, "Nf": 1, "DotStages": 1},
    {"XBits": 2, "XKind": 0, "Group": 2, "Simd": 12, "Pe": 5, "Sf": 1, "Nf": 1, "DotStages": 2},
    {"XBits": 8, "XKind": 1, "Group": 4, "Simd": 26, "Pe": 10, "Sf": 1, "Nf": 1, "DotStages": 2},
    {"XBits": 3, "XKind": 0, "Group": 4, "Simd": 12, "Pe": 11, "Sf": 1, "Nf": 1, "DotStages": 1},
    {"XBits": 1, "XKind": 2, "Group": 3, "Simd": 48, "Pe": 8, "Sf": 1, "Nf": 1, "DotStages": 2},
    {"XBits": 1, "XKind": 0, "Group": 3, "Simd": 31, "Pe": 9, "Sf": 1, "Nf": 1, "DotStages": 1},
    {"XBits": 1, "XKind": 1, "Group": 3, "Simd": 14, "Pe": 8, "Sf": 1, "Nf": 1, "DotStages": 0},
]


def draw_group(random: Random) -> dict[str, int]:
    """A folding with shared sums."""
    constant = random.random() < 0.3
    x_bits = random.randrange(1 if constant else 2, 9)
    group = 3 if x_bits == 1 else random.choice([2, 4]) if constant else 2
    folds = {"Sf": 1, "Nf": 1} if constant else {"Sf": random.randrange(1, 4), "Nf": random.randrange(2, 4)}
    simd, pe = group + random.randrange(20), random.randrange(1, 17)
    return {"XBits": x_bits, "XKind": random.randrange(2), "Group": group, "Simd": simd, "Pe": pe, **folds}


def mvu_trials(seed: int) -> list[Trial]:
    random = Random(seed)
    fixed = [*MVU_CORNERS, *({} for _ in range(8))]
    return [draw_mvu(random, f"mvu{index}", folding) for index, folding in enumerate(fixed)]


def group_trials(seed: int) -> list[Trial]:
    random = Random(seed)
    fixed = GROUP_CORNERS if seed == 1 else [draw_group(random) for _ in range(9)]
    return [draw_mvu(random, f"group{index}", folding) for index, folding in enumerate(fixed)]


def dw_trials(seed: int) -> list[Trial]:
    random = Random(seed)
    return [draw_dw(random, f"dw{index}") for index in range(12)]


def threshold_trials(seed: int) -> list[Trial]:
    random = Random(seed)
    return [draw_threshold(random, f"thr{index}") for index in range(16)]


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("draw", [mvu_trials, group_trials, dw_trials, threshold_trials])
def test_compute_kernel(tmp_path: Path, draw: Callable[[int], list[Trial]], seed: int) -> None:
    trials = draw(seed)
    for trial in trials:
        for name, words in trial.memories.items():
            (tmp_path / name).write_text("".join(f"{word:x}\n" for word in words))
    batch = build_batch(tmp_path, [trial.case for trial in trials])
    for index, trial in enumerate(trials):
        free = batch.run(index, {"in": trial.beats}, len(trial.want))
        assert free.outputs[0] == trial.want, trial.case
        assert free.taken["in"] == trial.taken, trial.case
        assert free.emitted[0] == trial.emitted, trial.case
        for stalls in (1, 2):
            stalled = batch.run(index, {"in": trial.beats}, len(trial.want), stalls)
            assert stalled.outputs[0] == trial.want, trial.case
