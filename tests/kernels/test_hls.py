"""Kernels of hls/ alone: the draws and expectations of the RTL's tests, and wider ones; streams of any depth."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt
import pytest

from tests.kernels import test_compute as compute
from tests.kernels import test_streams as streams
from tests.kernels.batch import Case
from tests.kernels.harness import Bits, pack, unpack
from tests.kernels.hls import Instance, Table, Wire, build, compile_source

Array = npt.NDArray[np.int64]
HERE = Path(__file__).parent
DEPTHS = [1, 2, 2, 3, 7, 0]


# ---- Instances from trials of the RTL's tests


def number(value: int | str | Bits) -> int:
    """A parameter's value."""
    assert not isinstance(value, str)
    return value.value if isinstance(value, Bits) else value


def amount(kernel: str, p: Mapping[str, int], beats: int) -> int:
    """The run-time argument for so many beats of the first source."""
    match kernel:
        case "bhc_window":
            return beats // (p["W"] * p["Groups"] * p["Chunks"] * (1 if p["Endless"] else p["H"]))
        case "bhc_shift":
            return beats // (p["W"] * (1 if p["Endless"] else p["H"]))
        case "bhc_pad":
            return beats // (p["H"] * p["W"] * p["Chunks"])
        case "bhc_pool":
            return beats // (p["W"] * p["Chunks"])
        case "bhc_mvu":
            return beats // (p["Sf"] * (1 if p["InputStationary"] else p["Nf"]))
        case "bhc_dw":
            return beats // (p["Chunks"] * p["Taps"])
        case "bhc_argmax":
            return beats // p["Chunks"]
        case "bhc_concat":
            return beats // p["AChunks"]
        case "bhc_hold":
            return beats // (p["Rows"] * p["Chunks"])
        case "bhc_slide":
            return beats // p["Chunks"]
        case _:
            return beats


def words(case: Case, memories: Mapping[str, list[int]], name: str) -> list[int]:
    """Words of a memory, wherever the trial has it."""
    file = case.parameters.get(f"{name}File")
    return memories[str(file)] if file is not None else [number(case.parameters[f"{name}Init"])]


def elements(words: list[int], bits: int, count: int, kind: int) -> Array:
    """True values (depth, count) of memory words."""
    values = np.array([unpack(word, bits, count, signed=kind == 1) for word in words], dtype=np.int64)
    return 2 * values - 1 if kind == 2 else values


def chunks(bits: Array) -> npt.NDArray[np.uint64]:
    """Rows of bits as the chunks of a bhc::bits."""
    width = bits.shape[-1]
    count = -(-width // 64)
    size = -(-width // count)
    rows = [pack(row, 1) for row in bits.reshape(-1, width)]
    split = [[row >> (size * k) & ((1 << size) - 1) for k in range(count)] for row in rows]
    return np.array(split, dtype=np.uint64).reshape(*bits.shape[:-1], count)


def tables(case: Case, memories: Mapping[str, list[int]]) -> list[Table]:
    """The array arguments of a kernel with memories."""
    p = {name: number(value) for name, value in case.parameters.items() if not isinstance(value, str)}
    if case.module == "bhc_threshold":
        return threshold_tables(case, memories, p)
    if case.module not in ("bhc_mvu", "bhc_dw"):
        return []
    stored = words(case, memories, "Weights")
    lanes = p["Pe"] if case.module == "bhc_mvu" else p["Lanes"]
    if case.module == "bhc_dw":
        weights = Table("std::int16_t", elements(stored, p["WBits"], lanes, p["WKind"]))
    elif p["WBits"] == 1:
        bits = elements(stored, 1, lanes * p["Simd"], 0).reshape(-1, lanes, p["Simd"])
        weights = Table("std::uint64_t", chunks(bits))
    else:
        values = elements(stored, p["WBits"], lanes * p["Simd"], p["WKind"]).reshape(-1, lanes, p["Simd"])
        weights = Table("std::int8_t" if p["WKind"] == 1 else "std::uint8_t", values)
    bias = Table("std::int32_t", elements(words(case, memories, "Bias"), p["AccBits"], lanes, 1))
    of_position = memories[str(case.parameters["ClassFile"])] if p["Classes"] > 1 else [0]
    return [weights, bias, Table("std::uint8_t", np.array(of_position))]


def threshold_tables(case: Case, memories: Mapping[str, list[int]], p: Mapping[str, int]) -> list[Table]:
    bits, lanes = p["InBits"] + 1, p["Lanes"]
    turned = np.zeros((p["Chunks"], lanes), dtype=np.int64)
    if p["AnyDescending"]:
        turned = elements(words(case, memories, "Descending"), 1, lanes, 0)
    if p["Chunks"] == 1:
        nodes = (1 << p["Stages"]) - 1
        flat = unpack(number(case.parameters["ThresholdsInit"]), lanes * bits, nodes)
        levels = [flat[(1 << s) - 1 : (2 << s) - 1] for s in range(p["Stages"])]
    else:
        levels = [memories[f"{case.parameters['ThresholdsFile']}_{s}.hex"] for s in range(p["Stages"])]
    return [
        Table("std::uint8_t", turned),
        *(Table("std::int32_t", elements(level, bits, lanes, p["InKind"])) for level in levels),
    ]


def instance(
    random: Random, case: Case, beats: Mapping[str, list[int]], want: list[int], memories: Mapping[str, list[int]]
) -> Instance:
    """A trial with streams of random depths."""
    p = {name: number(value) for name, value in case.parameters.items() if not isinstance(value, str)}
    sources = {name: Wire(width, beats[name], random.choice(DEPTHS)) for name, width in case.sources.items()}
    sink = Wire(case.width, want, random.choice(DEPTHS))
    if case.module in {"bhc_window", "bhc_shift"}:
        p = {"Endless": 0, **p}
    count = amount(case.module, p, len(next(iter(beats.values()))))
    return Instance(case.module, p, count, sources, [sink], tables(case, memories))


def compute_instances(seed: int) -> Iterator[Instance]:
    random = Random(seed)
    for draw in (compute.mvu_trials, compute.dw_trials, compute.threshold_trials):
        for trial in draw(seed)[:: 1 if draw is compute.mvu_trials else 2]:
            yield instance(random, trial.case, {"in": trial.beats}, trial.want, trial.memories)


def stream_instances(seed: int, count: int, draws: Mapping[str, streams.Draw]) -> Iterator[Instance]:
    random = Random(seed)
    for draw in draws.values():
        for trial in streams.trials(draw, seed, count):
            yield instance(random, trial.case, trial.beats, trial.want, {})


# ---- Wider ones


def operand_types() -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """(bits, kind) of x and w: every pair of kinds, up to 8 bits."""
    x = [(1, 2), (1, 0), (1, 1), (4, 0), (8, 1)]
    w = [(1, 2), (1, 0), (1, 1), (5, 0), (8, 1)]
    return list(itertools.product(x, w))


def wide_compute_instances(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    random = Random(7)
    for index, types in enumerate(operand_types()):
        monkeypatch.setattr(compute, "draw_types", lambda _, types=types: types)
        folding = {"Simd": random.choice([7, 9, 65, 97]), "Pe": random.choice([1, 5, 11])}
        trial = compute.draw_mvu(random, f"mvu{index}", folding)
        yield instance(random, trial.case, {"in": trial.beats}, trial.want, trial.memories)
        if index % 3 == 0:
            trial = compute.draw_dw(random, f"dw{index}")
            yield instance(random, trial.case, {"in": trial.beats}, trial.want, trial.memories)


def wide_stream_instances(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    """Elements of 31 bits: lanes straddle chunks, and beats have up to 155 bits."""
    monkeypatch.setattr(streams, "draw_kind", lambda random: (31, random.randrange(2)))
    draws = ("pool", "add", "concat", "hold", "argmax")
    yield from stream_instances(5, 4, {name: streams.DRAWS[name] for name in draws})
    random = Random(9)
    for bits, lanes, pad in ((7, 11, 99), (1, 130, 1), (64, 3, (1 << 64) - 2)):
        rows, columns = streams.Geometry(5, 2, 1, 1, 1, 6), streams.Geometry(4, 3, 2, 1, 1, 2)
        images = [[[random.randrange(1 << (bits * lanes)) for _ in range(4)] for _ in range(5)] for _ in range(2)]
        padding = pack([pad] * lanes, bits)
        want = []
        for image, oh, ow, kh, kw in itertools.product(images, range(6), range(2), range(2), range(3)):
            row, column = rows.at(oh, kh), columns.at(ow, kw)
            want.append(image[row][column] if 0 <= row < 5 and 0 <= column < 4 else padding)
        shape = streams.geometry_parameters(rows, columns)
        fold = {"Chunks": 1, "Groups": 1, "Replays": 1, "ChunkMajor": 0, "Rows": 3, "Style": 0}
        beats = [pixel for image in images for row in image for pixel in row]
        window = {"Bits": bits, "Lanes": lanes, **shape, **fold, "Endless": 0, "PadWord": pad}
        width = bits * lanes
        yield Instance("bhc_window", window, 2, {"in": Wire(width, beats, 1)}, [Wire(width, want, 1)])
        lines = {"Bits": bits, "C": lanes, **shape, "Endless": 0, "PadWord": pad}
        whole = [pack(want[at : at + 6], width) for at in range(0, len(want), 6)]
        yield Instance("bhc_shift", lines, 2, {"in": Wire(width, beats, 1)}, [Wire(6 * width, whole, 1)])


def fork_instances() -> Iterator[Instance]:
    random = Random(3)
    for sinks, width in ((1, 9), (2, 64), (3, 65), (4, 200)):
        beats = [random.randrange(1 << width) for _ in range(60)]
        out = [Wire(width, beats, random.choice([1, 2, 5])) for _ in range(sinks)]
        params = {"Width": width, "Sinks": sinks}
        yield Instance("bhc_fork", params, len(beats), {"in": Wire(width, beats, 1)}, out)


def no_windows() -> Iterator[Instance]:
    """Nothing to do is done at once."""
    for seed in range(4):
        for drawn in stream_instances(seed, 1, {name: streams.DRAWS[name] for name in ("window", "shift", "pad")}):
            empty = {name: Wire(wire.width, []) for name, wire in drawn.sources.items()}
            yield Instance(drawn.kernel, drawn.params, 0, empty, [Wire(drawn.sinks[0].width, [])])


def check(folder: Path, instances: list[Instance], *flags: str) -> None:
    program = build(folder, instances, flags) if flags else build(folder, instances)
    for found, case in zip(program.run(), instances, strict=True):
        assert found == [wire.beats for wire in case.sinks], case


def test_compute_kernels(tmp_path: Path) -> None:
    check(tmp_path, list(compute_instances(1)))


def test_compute_kernels_of_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(tmp_path, list(wide_compute_instances(monkeypatch)))


def test_stream_kernels(tmp_path: Path) -> None:
    draws = {name: draw for name, draw in streams.DRAWS.items() if name != "fifo"}
    check(tmp_path, [*stream_instances(1, 6, draws), *fork_instances(), *no_windows()])


def test_wide_stream_kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(tmp_path, list(wide_stream_instances(monkeypatch)))


# ---- Streams between processes


SAYS = """\
0 2 4 6 8 10 12 14
around 8 8
back 8 8
in 8 8
out 8 8
straight 8 8
wide 2 2
deadlock
  fork waits to write to around
  collect waits to read from straight
  spread waits to read from wide
  add waits to read from back (4)
around 1 0
back 0 0
in 8 2
out 0 0
straight 2 2
wide 0 0
deadlock
  first waits to read from a
  second waits to read from b (2)
a 0 0
b 0 0
a 2 2
b 2 2
c 2 2
in 2 2
deadlock
  window waits to write to out (1)
in 12 5
out 1 0
deadlock
  (no process) waits to read from nobody
thrown by a process
"""


def test_processes_that_wait(tmp_path: Path) -> None:
    program = compile_source(HERE / "hls_streams.cpp", tmp_path / "streams")
    done = subprocess.run([program, tmp_path / "around"], check=True, capture_output=True, text=True)
    assert [line.rstrip() for line in done.stdout.splitlines()] == SAYS.splitlines()
    assert (tmp_path / "around").read_bytes() == bytes(range(8))


def test_bits_and_axi(tmp_path: Path) -> None:
    program = compile_source(HERE / "hls_bits.cpp", tmp_path / "bits")
    done = subprocess.run([program], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


# ---- Without BHC_HOST


@pytest.mark.skipif(find_spec("hls4ml") is None, reason="the open ap_int and hls_stream headers come with hls4ml")
def test_kernels_with_open_vendor_headers(tmp_path: Path) -> None:
    spec = find_spec("hls4ml")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    headers = Path(spec.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"
    random = Random(1)
    trials = [
        compute.draw_mvu(random, "mvu", {"Simd": 70}),
        compute.draw_dw(random, "dw"),
        compute.draw_threshold(random, "thr"),
    ]
    drawn = [instance(random, t.case, {"in": t.beats}, t.want, t.memories) for t in trials]
    draws = {name: draw for name, draw in streams.DRAWS.items() if name not in ("fifo", "shift_of_long_rows")}
    drawn += [*stream_instances(2, 1, draws), *itertools.islice(fork_instances(), 2, 3)]
    check(tmp_path, drawn, "-isystem", str(headers), "-w")
