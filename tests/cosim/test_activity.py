"""What cosimulation counts: against closed forms, against the changes of the input, and against waveforms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bhc.backends import activity, cosim
from bhc.backends.compare import ActivityRow, CosimResult
from bhc.backends.rtl import library
from bhc.ir import delta, passes
from bhc.ir.graph import Builder, Graph
from bhc.ir.kernels import KERNELS
from bhc.ir.layers import foldable, layer
from bhc.ir.ops import Conv, Dense, IntArray, MaxPool, Threshold
from bhc.ir.pipeline import Folding, Pipeline, Stage, Stream
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import BIPOLAR_RANGE, Kind, Range, Type
from tests.strategies import DEVICE


def dense_graph() -> Graph:
    """A convolution, a depthwise one, a pool and a dense layer."""
    rng = np.random.default_rng(1)
    build = Builder()
    x = build.add(
        Conv(rng.integers(-3, 4, (8, 3, 1, 4))), [build.input("input", Type((18, 4), Range(-8, 7)))], name="conv"
    )
    x = build.add(Threshold(rng.integers(-9, 9, (8, 1)), np.zeros(8, np.bool_)), [x], name="act")
    x = build.add(Conv(rng.integers(-3, 4, (8, 5, 1, 1)), groups=8), [x], name="depthwise")
    x = build.add(Threshold(np.sort(rng.integers(-3, 3, (8, 3))), np.zeros(8, np.bool_)), [x], name="levels")
    x = build.add(MaxPool((2, 1), (2, 1)), [x], name="pool")
    return passes.run(build.graph([build.add(Dense(rng.integers(-3, 4, (4, 48))), [x], name="dense")]))


GRAPH = dense_graph()
FOLDINGS = {"conv": Folding(2, 4), "depthwise": Folding(4, 1), "dense": Folding(2, 3)}
DESIGN: Pipeline = schedule(GRAPH, "dense", Target(100.0, DEVICE, Rate(10**6), FOLDINGS))
WINDOWS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests, so that a simulator is built once for each design."""
    return tmp_path_factory.mktemp("activity")


def run(folder: Path, stalls: int | None = None, vcd: Path | None = None) -> CosimResult:
    data = {"input": np.random.default_rng(5).integers(-8, 8, (WINDOWS, 18, 4))}
    result = cosim.cosim(DESIGN, GRAPH, data, folder, stalls=stalls, vcd=vcd, activity=True)
    assert result.mismatches == 0
    assert [row.stage for row in result.activity] == [stage.name for stage in DESIGN.stages]
    return result


def by_kernel(design: Pipeline, result: CosimResult, kernel: str) -> Iterator[tuple[Stage, ActivityRow]]:
    for stage, row in zip(design.stages, result.activity, strict=True):
        if stage.kernel == kernel:
            yield stage, row


@pytest.mark.slow
def test_dense_counts(folder: Path) -> None:
    """Every position, turn and beat once, whatever holds the design up."""
    smooth, stalled = run(folder), run(folder, 3)
    for result in (smooth, stalled):
        for stage, row in by_kernel(DESIGN, result, "bhc_mvu"):
            p = stage.params
            words = WINDOWS * p["Positions"] * p["Nf"] * p["Sf"]
            assert (row.busy, row.weight_reads) == (words, words)
            assert row.busy == WINDOWS * stage.cycles
            assert row.weight_bits == words * p["Pe"] * p["Simd"] * p["WBits"]
            assert row.updates == words * p["Pe"]
            assert row.events is None
        ((stage, row),) = by_kernel(DESIGN, result, "bhc_dw")
        p = stage.params
        words = WINDOWS * p["Positions"] * p["Chunks"] * p["Taps"]
        assert (row.busy, row.weight_reads, row.updates) == (words, words, words * p["Lanes"])
        assert row.weight_bits == words * p["Lanes"] * p["WBits"]
        for stage, row in by_kernel(DESIGN, result, "bhc_window"):
            p = stage.params
            word = p["Bits"] * p["Lanes"]
            assert row.busy == WINDOWS * DESIGN.streams[stage.sinks[0]].beats
            assert row.buffer_reads == row.busy * word
            assert row.buffer_writes == WINDOWS * DESIGN.streams[stage.sources[0]].beats * word
    assert len(list(by_kernel(DESIGN, smooth, "bhc_mvu"))) == 2
    assert len(list(by_kernel(DESIGN, smooth, "bhc_window"))) == 2


@pytest.mark.slow
def test_nothing_else_is_different(folder: Path) -> None:
    data = {"input": np.random.default_rng(5).integers(-8, 8, (WINDOWS, 18, 4))}
    assert cosim.cosim(DESIGN, GRAPH, data, folder) == replace(run(folder), activity=())


ALL = (1 << 64) - 1
_HEAP = "gen_elements.u_dot.gen_heap.u_heap.gen_compress.u_next.gen_compress.u_next.gen_rows.data"
#: Every register, by reading the modules, and which of its bits are registers.
REGISTERS: dict[str, dict[str, int]] = {
    "conv": {
        **dict.fromkeys(("sf_q", "nf_q", "word_q", "x_q", "u_mac.sum_q", "u_mac.out_valid_o"), ALL),
        **dict.fromkeys(("u_mac.valid", "u_mac.first", "u_mac.last"), 0b110),  # bit 0 is a wire
        **dict.fromkeys(("u_mac.nf[1]", "u_mac.nf[2]", "u_mac.addr[1]"), ALL),
        **dict.fromkeys(("u_weights.data_o", "u_mac.u_bias.gen_shallow.addr_q"), ALL),
        **dict.fromkeys((f"u_mac.gen_pe[0].{_HEAP}", f"u_mac.gen_pe[1].{_HEAP}"), ALL),
    },
    "depthwise": {
        **dict.fromkeys(("tap_q", "chunk_q", "word_q", "valid_q", "first_q", "last_q", "x_q", "out_valid_o"), ALL),
        **dict.fromkeys((f"gen_lane[{lane}].acc_q" for lane in range(4)), ALL),
        **dict.fromkeys(("u_weights.data_o", "u_bias.gen_shallow.addr_q"), ALL),
    },
    "conv_fifo": dict.fromkeys(("out_valid_o", "in_ready_o", "out_data_o", "gen_skid.spare_q"), ALL),
}


def changes_in(vcd: Path, masks: dict[str, int], first: int, last: int) -> int:
    """Bits of variables (full names; which bits) that change from time `first` on and up to `last`."""
    header, body = vcd.read_text().split("$enddefinitions $end", 1)
    scope: list[str] = []
    codes: dict[str, str] = {}
    for line in header.splitlines():
        match line.split():
            case ["$scope", _, name, "$end"]:
                scope.append(name)
            case ["$upscope", "$end"]:
                scope.pop()
            case ["$var", _, _, code, name, *_]:
                codes[".".join([*scope, name])] = code
            case _:
                pass
    wanted: dict[str, list[int]] = {}
    for name, mask in masks.items():
        wanted.setdefault(codes[name], []).append(mask)
    count = time = 0
    values: dict[str, int] = {}
    for line in body.splitlines():
        if line.startswith("#"):
            time = int(line[1:])
        elif (found := re.fullmatch(r"b([01]+) (\S+)|([01])(\S+)", line)) and (code := found[2] or found[4]) in wanted:
            value = int(found[1] or found[3], 2)
            if first <= time <= last:
                count += sum(((values[code] ^ value) & mask).bit_count() for mask in wanted[code])
            values[code] = value
    return count


@pytest.mark.slow
def test_toggles_against_waveforms(folder: Path) -> None:
    path = folder / "waves.vcd"
    result = run(folder, vcd=path)
    assert result.cycles is not None
    # Four cycles of reset come before, 256 after the last beat; a cycle takes two units of time, its edge the second.
    first, last = 2 * 4 + 1, 2 * (4 + result.cycles - 256 - 1)
    toggles = {row.stage: row.toggles for row in result.activity}
    for stage, registers in REGISTERS.items():
        masks = {f"TOP.bhc_top.u_{stage}.{name}": mask for name, mask in registers.items()}
        assert changes_in(path, masks, first, last) == toggles[stage], stage


def delta_design(graph: Graph, columns: int) -> tuple[Pipeline, delta.Geometry]:
    """One convolution with a sign, as a bhc_delta alone. columns: 0 for an endless one."""
    node, result = graph.nodes
    item = layer(graph, node, foldable(graph, node, graph.users()))
    p = delta.params(item, pe=4, events=2, lanes=8, columns=columns)
    windows = 1 if columns == 0 else item.positions[0]
    streams = {
        "x": Stream("x", 8, 1, Kind.BIPOLAR, (columns or 1) * p["Chunks"], "x"),
        "sign": Stream("sign", 4, 1, Kind.BIPOLAR, windows * p["Nf"], result.name),
    }
    stage = Stage("delta", "bhc_delta", p, ("x",), ("sign",), delta.memories(item, p), result.name)
    return Pipeline("delta", streams, (stage,), "x", "sign", 100.0, 1, 1), delta.geometry(item, columns)


@pytest.mark.slow
@pytest.mark.parametrize("columns", [0, 20])
def test_delta_counts(folder: Path, columns: int) -> None:
    """Of what changes, everything once for each turn and tap; nothing of what does not."""
    rng = np.random.default_rng(2)
    build = Builder()
    x = build.input("x", Type((columns or 1, 16), BIPOLAR_RANGE, bipolar=True))
    weights = rng.choice(np.array([-1, 1]), (8, 3, 1, 16))
    x = build.add(Conv(weights, dilation=(2, 1), endless=columns == 0), [x], name="conv")
    x = build.add(Threshold(rng.integers(-9, 9, (8, 1)), np.zeros(8, np.bool_), bipolar=True), [x], name="sign")
    graph = build.graph([x])
    design, shape = delta_design(graph, columns)

    rows: IntArray = rng.choice(np.array([-1, 1]), (80, 16))
    for row in range(1, len(rows)):
        rows[row] = np.where(rng.random(16) < rng.choice([0, 0.1, 0.5]), rows[row], rows[row - 1])
    rows[:6] = -1  # windows before the first change
    recordings = [rows] if columns else [rows[:50], rows[50:]]
    data = {"x": rows.reshape(-1, columns, 16) if columns else recordings}
    result = cosim.cosim(design, graph, data, folder, activity=True)
    assert result.mismatches == 0
    (found,) = result.activity

    nf, pe, width = 2, 4, 2
    masks = [delta.changed(part, shape, zero=-1) for part in recordings]
    events = [delta.load(mask, shape).events for mask in masks]
    words = sum(nf * int((-(-part // width)).sum()) for part in events)
    empty = sum(int((part == 0).sum()) for part in events)
    first_empty = sum(int((part[:, 0] == 0).sum()) for part in events)
    assert 0 < first_empty < empty
    assert found.busy == words + nf * empty
    assert found.busy == sum(delta.timeline(shape, delta.beats(m, 8), nf=nf, width=width).words for m in masks)
    assert found.weight_reads == nf * sum(int(part.sum()) for part in events)
    assert found.weight_bits == found.weight_reads * pe
    # The first window of a history writes its accumulators, events or not.
    assert found.updates == pe * (words + nf * first_empty)
    assert found.events == sum(int(mask.sum()) for mask in masks)


def test_counted_signals_exist() -> None:
    """Verilator ignores a line of a control file that fits nothing."""
    for kernel in ("bhc_mvu", "bhc_dw", "bhc_delta"):
        stage = Stage("s", kernel, dict.fromkeys(KERNELS[kernel].params, 1), ("x",), ("y",))
        source = library()[kernel]
        assert activity.counters(stage)
        for counter in activity.counters(stage):
            for name in (counter.signal, counter.gate):
                assert re.search(rf"^  logic [^;]*\b{name}\b[^;]*;", source, re.MULTILINE), (kernel, name)


def test_bits_are_counted_once() -> None:
    registers = [
        activity.Register("a"),
        activity.Register("a", "", 2, 1),
        activity.Register("b", "", 1, 2),
        activity.Register("b", "", 2, 2),
        activity.Register("b", "", 6, 1),
        activity.Register("c", "[1]"),
        activity.Register("c", "[2]"),
    ]
    assert activity._disjoint(registers) == (
        activity.Register("a"),
        activity.Register("b", "", 1, 3),
        activity.Register("b", "", 6, 1),
        activity.Register("c", "[1]"),
        activity.Register("c", "[2]"),
    )
