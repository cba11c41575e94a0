"""C simulation of the HLS C++: every stream equals the evaluator, and what is wrong is found and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from bhc.backends import hls
from bhc.backends.compare import Mismatch
from bhc.backends.cosim import cosim
from bhc.backends.csim import csim
from bhc.backends.flow import amounts
from bhc.backends.hls import results
from bhc.backends.plan import BuildPlan
from bhc.diagnostics import BhcError
from bhc.frontend import load
from bhc.ir import delta, passes, pipeline, stream
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Builder, Graph
from bhc.ir.layers import compute_layers
from bhc.ir.ops import Add, Concat, Conv, Dense, Threshold
from bhc.ir.pipeline import Memory, Pipeline, Stage, Stream
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.text import dump
from bhc.ir.types import Range, Type, bipolar
from tests.cosim import test_models as models
from tests.cosim.test_cosim import DESIGN, GRAPH, changed, windows
from tests.cosim.test_rtl import goals, scheduled
from tests.strategies import DEVICE, inputs, streamable

#: One model for each way in which a layer is computed; all others are measured in bench/.
EXAMPLES = (
    "demo/model.onnx",
    "models/hapt_ts.onnx",
    "models/residual_bipolar_dynamo.onnx",
    "models/causal_dynamo.onnx",
    "models/separable_ts.onnx",
    "zoo/models/motionsense_bornagain.onnx",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests, so that the program is built once for each design in a row."""
    return tmp_path_factory.mktemp("csim")


def silent(workdir: Path) -> bool:
    """The compiler and the program said nothing."""
    return all(log.read_text() == "" for log in (workdir / "logs").glob("csim-*.log"))


def check(path: Path, cycles: int, workdir: Path) -> None:
    model = load(path)
    graph = passes.run(model.graph)
    made = schedule(graph, model.name, Target(100.0, models.PYNQ_Z2, Rate(cycles)))
    x = {graph.inputs[0].name: model.head.run(models.windows(model, 100))}
    result = csim(made, graph, x, workdir)
    assert (result.mismatches, result.windows) == (0, 100), result.first_mismatch
    assert silent(workdir)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name: str, tmp_path: Path) -> None:
    check(models.EXAMPLES / name, models.COMMITTED[name], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kws_w3a3/KWS-W3A3_QONNX_model.onnx", "bench/m1_btcnn_small.onnx"])
def test_shared_model(name: str, shared: Path, tmp_path: Path) -> None:
    check(shared / "models" / name, models.SHARED[name], tmp_path)


def test_every_stream_is_compared(folder: Path) -> None:
    result = csim(DESIGN, GRAPH, windows(8), folder)
    compared = [row for row in result.streams if row.value is not None]
    assert {row.value for row in compared} >= {node.name for node in GRAPH.nodes} - {"fused"}
    assert result.values == 8 * sum(GRAPH.types()[row.value].elements for row in compared if row.value)
    assert (result.windows, result.mismatches, result.first_mismatch) == (8, 0, None)
    assert (result.cycles, result.latency_cycles, result.cycles_per_window_measured) == (None, None, None)
    assert silent(folder)


@pytest.mark.slow
def test_program_is_kept_until_the_design_changes(folder: Path) -> None:
    csim(DESIGN, GRAPH, windows(1), folder)
    program = folder / "build" / "csim" / "csim"
    built = program.stat().st_mtime_ns
    assert csim(DESIGN, GRAPH, windows(3), folder).mismatches == 0
    assert program.stat().st_mtime_ns == built
    fork = next(stage for stage in DESIGN.stages if stage.kernel == "bhc_fork")
    deeper = next(s for s in DESIGN.stages if s.kernel == "bhc_fifo" and s.sources[0] in fork.sinks)
    design = changed(DESIGN, deeper.name, params={**deeper.params, "Depth": 50})
    assert csim(design, GRAPH, windows(3), folder).mismatches == 0
    assert program.stat().st_mtime_ns != built


@pytest.mark.slow
def test_first_difference_is_named(folder: Path) -> None:
    """One wrong weight in the middle: the first stage that differs is that one, where the evaluator says."""
    stage = next(s for s in DESIGN.stages if s.kernel == "bhc_mvu" and s.value not in {"conv0", "act0"})
    data = windows(3)
    expected = evaluate(GRAPH, data)[stage.value]
    weights = next(m for m in stage.memories if m.name == "weights")
    wrong = weights.words.copy()
    wrong[1, 0] ^= 1
    memories = tuple(Memory(m.name, m.width, m.style, wrong) if m is weights else m for m in stage.memories)
    result = csim(changed(DESIGN, stage.name, memories=memories), GRAPH, data, folder)
    found = result.first_mismatch
    assert isinstance(found, Mismatch)
    assert (found.stage, found.value, found.window) == (stage.name, stage.value, 0)
    assert found.expected == expected[(0, *found.position)]
    assert found.got != found.expected


@pytest.mark.slow
def test_deadlock_is_explained(folder: Path) -> None:
    """A residual path without room for what the other path holds back."""
    fork = next(s for s in DESIGN.stages if s.kernel == "bhc_fork")
    short = [s for s in DESIGN.stages if s.kernel == "bhc_fifo" and s.sources[0] in fork.sinks]
    deepest = max(short, key=lambda s: s.params["Depth"])
    stuck = changed(DESIGN, deepest.name, params={**deepest.params, "Depth": 2})
    with pytest.raises(BhcError) as caught:
        csim(stuck, GRAPH, windows(2), folder)
    lines = str(caught.value).splitlines()
    assert lines[0] == "error[BHC514] the C simulation got stuck after 0 of 2 windows:"
    full = f"'{deepest.sources[0]}' ({fork.name} -> add1): {fork.name} waits for add1 to take one of 2 beats"
    assert f"  {full} (3 of 128 moved)" in lines
    assert "  'act1b' (act1b -> add1): add1 waits for act1b to make a beat (0 of 128 moved)" in lines
    assert "  'fc' (fc -> host): the host waits for fc to make a beat (0 of 6 moved)" in lines
    assert lines[-1] == "  hint: a FIFO is too shallow: this is a bug in the schedule or in a kernel; please report it"


def edited(monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """Have bhc_top.cpp emitted with a bug."""

    def emit(design: Pipeline) -> BuildPlan:
        plan = hls.emit(design)
        top = plan.files["hls/bhc_top.cpp"].decode()
        assert old in top
        return BuildPlan({**plan.files, "hls/bhc_top.cpp": top.replace(old, new)})

    monkeypatch.setattr("bhc.backends.csim.emit", emit)


@pytest.mark.slow
def test_beats_that_nobody_takes_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited(monkeypatch, "m_axis, 3, windows)", "m_axis, 2, windows)")
    with pytest.raises(BhcError) as caught:
        csim(DESIGN, GRAPH, windows(1), folder)
    assert str(caught.value) == (
        "error[BHC512] in the C simulation of 1 windows, 2 beats instead of 3 on stream 'fc_q' (fc_fifo -> host)"
    )


@pytest.mark.slow
def test_misplaced_last_is_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edited(monkeypatch, "m_axis, 3, windows)", "m_axis, 1, windows * 3)")
    with pytest.raises(BhcError) as caught:
        csim(DESIGN, GRAPH, windows(2), folder)
    assert str(caught.value) == "error[BHC513] in the C simulation, the last of m_axis was not where a window ends"


# Streamed designs


@pytest.mark.slow
@pytest.mark.parametrize("hop", [64, 16, 1])
def test_streamed_example(hop: int, tmp_path: Path) -> None:
    """Two recordings, the first of which ends within a hop."""
    model = load(models.EXAMPLES / "zoo/models/hapt_bornagain.onnx")
    graph = stream.rewrite(passes.run(model.graph), hop).graph
    made = schedule(graph, model.name, Target(100.0, models.PYNQ_Z2, Rate(20 * hop)))
    x = model.head.run(models.windows(model, 5))
    recordings = [x[:3].reshape(-1, *x.shape[2:])[:-7], x[3:].reshape(-1, *x.shape[2:])]
    result = csim(made, graph, {graph.inputs[0].name: recordings}, tmp_path)
    assert result.mismatches == 0, result.first_mismatch
    hops = [-(-len(recording) // hop) for recording in recordings]
    assert result.windows == sum(results(made).of(count) for count in hops)
    assert result.windows == sum(count - -(-128 // hop) + 1 for count in hops)
    assert silent(tmp_path)


def uneven(op: Add | Concat, *, heads: bool) -> Graph:
    """Paths that reach back differently far: one has results that the other has not. Joined before or after a head."""
    rng = np.random.default_rng(3)
    builder = Builder()
    x = builder.input("x", Type((10, 4), Range(-8, 7)))
    paths = [builder.add(Conv(rng.integers(-3, 4, (6, k, 1, 4)), (3, 1)), [x], name=f"conv{k}") for k in (2, 4)]

    def head(value: str) -> str:
        weights = rng.choice(np.array([-1, 1]), (6, builder.type(value).elements))
        return builder.add(Dense(weights), [value], name="fc")

    paths = [head(path) for path in paths] if heads else paths
    joined = builder.add(op, paths, name="join")
    return passes.run(builder.graph([joined if heads else head(joined)]))


@pytest.mark.slow
@pytest.mark.parametrize("heads", [False, True])
@pytest.mark.parametrize("op", [Add(), Concat()], ids=lambda op: type(op).__name__)
def test_what_a_join_leaves_is_taken(op: Add | Concat, heads: bool, folder: Path) -> None:
    """Recordings that end at any row, one without any result. A beat that is left would be BHC512."""
    graph = uneven(op, heads=heads)
    rng = np.random.default_rng(4)
    recordings = [rng.integers(-8, 8, (rows, 4)) for rows in (40, 25, 3, 10)]
    streamed = stream.rewrite(graph, 2).graph
    made = schedule(streamed, "uneven", Target(100.0, DEVICE, Rate(10**6)))
    assert "bhc::drain(a, bhc::beyond(hops * " in hls.emit(made).files["hls/bhc_top.cpp"].decode()
    result = csim(made, streamed, {"x": recordings}, folder)
    assert result.mismatches == 0, result.first_mismatch
    assert silent(folder)


def test_beats_that_are_left_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = stream.rewrite(uneven(Add(), heads=False), 3).graph
    made = schedule(graph, "uneven", Target(100.0, DEVICE, Rate(10**6)))
    name = next(stage for stage in made.stages if stage.kernel == "bhc_add").sources[0]
    edited(monkeypatch, "bhc::drain(a, ", "(")
    with pytest.raises(BhcError) as caught:
        csim(made, graph, {"x": np.zeros((30, 4), np.int64)}, folder)
    origin = next(stage for stage in made.stages if name in stage.sinks).sources[0]
    edge = f"'{origin}' ({origin} -> join)"
    assert str(caught.value) == (
        f"error[BHC512] in the C simulation of 7 windows, 6 of 60 beats are left in stream {edge}"
    )


def test_amounts() -> None:
    """Of hops, from the stages alone: as many as bhc.ir.stream says, whatever the hop."""
    graph = uneven(Add(), heads=False)
    for hop in range(1, 11):
        streamed = stream.rewrite(graph, hop).graph
        made = schedule(streamed, "uneven", Target(100.0, DEVICE, Rate(10**6)))
        flow, sizes = amounts(made), stream.row_elements(streamed)
        for hops in range(30):
            counts = stream.lengths(streamed, hops * hop)
            for name, carrier in made.streams.items():
                if carrier.value is not None:
                    assert flow[name].of(hops) * carrier.lanes == counts[carrier.value] * sizes[carrier.value]


@pytest.mark.slow
@settings(
    max_examples=500 if settings.get_current_profile_name() == "long" else 4,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_streaming_hls_equals_evaluator(tmp_path: Path, data: st.DataObject) -> None:
    """Two recordings, each in a call of its own."""
    graph = passes.run(data.draw(streamable()))
    (declared,) = graph.inputs
    hop = data.draw(st.integers(1, declared.type.image[0]))
    streamed = stream.rewrite(graph, hop).graph
    made = schedule(streamed, "random", Target(100.0, DEVICE, data.draw(goals())))
    recordings = [np.concatenate(list(data.draw(inputs(graph, 4))[declared.name])) for _ in range(2)]
    note(dump(streamed))
    note(pipeline.dump(made))
    result = csim(made, streamed, {declared.name: recordings}, tmp_path)
    assert result.first_mismatch is None
    assert result.mismatches == 0
    assert silent(tmp_path)


# Layers that skip what does not change


def skipping(graph: Graph, folding: tuple[int, int, int], columns: int) -> Pipeline:
    """The graph's only layer as a bhc_delta of (pe, events, lanes)."""
    (item,) = compute_layers(graph).values()
    pe, events, lanes = folding
    x, y = graph.inputs[0], graph.nodes[-1]
    p = delta.params(item, pe=pe, events=events, lanes=lanes, columns=columns)
    unit = Stage("layer", "bhc_delta", p, ("in",), ("out",), delta.memories(item, p), y.name)
    streams = {
        "in": Stream("in", lanes, x.type.bits, x.type.kind, x.type.elements // lanes, x.name),
        "out": Stream("out", pe, y.type.bits, y.type.kind, y.type.elements // pe, y.name),
    }
    return Pipeline("delta", streams, (unit,), "in", "out", 100.0, 1, 1)


def one_layer(x: Type, layer: Conv | Dense, *, sign: bool) -> Graph:
    builder = Builder()
    value = builder.add(layer, [builder.input("x", x)], name="layer")
    if sign:
        thresholds = np.arange(builder.type(value).channels)[:, None] - 3
        value = builder.add(
            Threshold(thresholds, np.zeros(len(thresholds), np.bool_), bipolar=True), [value], name="sign"
        )
    return builder.graph([value])


def slowly(x: Type, rows: int, seed: int) -> np.ndarray:
    """Rows (rows, ...) of which a tenth of the elements change."""
    rng = np.random.default_rng(seed)
    levels = np.array([-1, 1]) if x.bipolar else np.arange(x.range.lo, x.range.hi + 1)
    found = rng.choice(levels, (rows, *x.shape[1:]))
    for row in range(1, rows):
        found[row] = np.where(rng.random(x.shape[1:]) < 0.1, found[row], found[row - 1])
    return found


@pytest.mark.slow
def test_skipping_layers(folder: Path) -> None:
    """Binary and multi-bit ones: endless, in windows, and dense."""
    rng = np.random.default_rng(6)
    signs = rng.choice(np.array([-1, 1]), (8, 3, 1, 16))
    small, wide = Type((1, 6), Range(-8, 7)), Type((20, 6), Range(0, 15))
    weights = rng.integers(-4, 4, (6, 4, 1, 6))
    endless = one_layer(bipolar(2, 16), Conv(signs, (2, 1), (3, 1), endless=True), sign=True)
    ternary = one_layer(small, Conv(weights, dilation=(2, 1), endless=True), sign=False)
    for graph, folding in ((endless, (4, 4, 8)), (ternary, (6, 2, 3))):
        recordings = [slowly(graph.inputs[0].type, rows, rows) for rows in (60, 41, 2)]
        result = csim(skipping(graph, folding, 0), graph, {"x": recordings}, folder)
        assert result.mismatches == 0, result.first_mismatch
        assert result.values > 0
        assert silent(folder)
    windowed = one_layer(wide, Conv(weights, (3, 1)), sign=True)
    dense = one_layer(bipolar(2, 8), Dense(signs.reshape(24, 16)), sign=False)
    for graph, folding, columns in ((windowed, (2, 8, 6), 20), (dense, (24, 1, 16), 0)):
        x = graph.inputs[0].type
        rows = slowly(x, 5 * x.image[0], 1)
        result = csim(skipping(graph, folding, columns), graph, {"x": rows.reshape(5, *x.shape)}, folder)
        assert (result.windows, result.mismatches) == (5, 0), result.first_mismatch
        assert silent(folder)


@pytest.mark.slow
@settings(
    # Every example is compiled twice, by g++ and by Verilator: few, and none for shrinking.
    max_examples=500 if settings.get_current_profile_name() == "long" else 3,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_evaluator_hls_and_rtl_agree(tmp_path: Path, data: st.DataObject) -> None:
    graph, made = data.draw(scheduled())
    x = data.draw(inputs(graph, 5))
    note(dump(graph))
    note(pipeline.dump(made))
    for simulate in (csim, cosim):
        result = simulate(made, graph, x, tmp_path)
        assert result.first_mismatch is None
        assert result.mismatches == 0
    assert silent(tmp_path)
