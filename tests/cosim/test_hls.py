"""C simulation of the HLS C++: every stream equals the evaluator, and what is wrong is found and named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from bhc.backends import hls
from bhc.backends.compare import Mismatch
from bhc.backends.cosim import cosim
from bhc.backends.csim import csim
from bhc.backends.plan import BuildPlan
from bhc.diagnostics import BhcError
from bhc.frontend import load
from bhc.ir import passes, pipeline
from bhc.ir.evaluate import evaluate
from bhc.ir.pipeline import Memory, Pipeline
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.text import dump
from tests.cosim import test_models as models
from tests.cosim.test_cosim import DESIGN, GRAPH, changed, windows
from tests.cosim.test_rtl import scheduled
from tests.strategies import inputs

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
