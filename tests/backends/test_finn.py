"""The FINN hand-over: executed by qonnx it equals the evaluator at every value; its folding is that of the schedule."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from onnx import numpy_helper

from bhc.backends import finn_build
from bhc.backends.compare import Mismatch
from bhc.backends.finn_folding import FoldedLayer, Layer, Matrix, Window, fold
from bhc.backends.finn_model import MODEL, emit, execute, layers
from bhc.backends.plan import BuildPlan
from bhc.diagnostics import BhcError
from bhc.frontend import load
from bhc.ir import passes
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Add, Argmax, Concat, Conv, Dense, Hold, IntArray, MaxPool, Op, Pad, Pads, SumPool, Threshold
from bhc.ir.pipeline import Folding, Pipeline
from bhc.ir.schedule import Fit, Goal, Rate, Target, schedule
from bhc.ir.text import dump
from bhc.ir.types import Range, Type, bipolar
from tests.cosim.test_models import EXAMPLES, PYNQ_Z2, windows
from tests.strategies import DEVICE, graphs, inputs

# Model, cycles a window, windows: qonnx executes 7 to 270 of them a second.
COMMITTED = [
    ("demo/model.onnx", 3000, 8),
    ("models/hapt_ts.onnx", 40_000, 2),
    ("models/residual_ts.onnx", 6000, 2),
    ("models/residual_bipolar_dynamo.onnx", 1000, 2),
    ("models/separable_ts.onnx", 8000, 2),
    ("zoo/models/hapt_bornagain.onnx", 20_000, 2),
]
SHARED = [
    ("kws_w3a3/KWS-W3A3_QONNX_model.onnx", 1750, 16),
    ("tfc_1w1a/TFC_1W1A.onnx", 500, 16),
    ("padded_bipolar/har1d_w1a1_pad2_brevitas0.13.4.onnx", 2000, 4),
    ("padded_bipolar/har1d_w1a2_pad2_brevitas0.13.4.onnx", 4000, 4),
    ("bench/m1_btcnn_small.onnx", 1000, 4),
    ("bench/m3_jet_mlp.onnx", 64, 32),
]
# What FINN+ 1.6.1 and FINN 0.10 let a folding file set of each kind of layer.
ATTRIBUTES = {
    "MVAU_hls": {"PE", "SIMD", "accDataType"},
    "VVAU_hls": {"PE", "SIMD", "accDataType"},
    "ConvolutionInputGenerator_rtl": {"SIMD", "parallel_window"},
    "FMPadding_rtl": {"SIMD"},
    "StreamingConcat_hls": {"SIMD"},
    "Thresholding_rtl": {"PE"},
    "Pool_hls": {"PE"},
    "GlobalAccPool_hls": {"PE"},
    "ElementwiseAdd_hls": {"PE"},
    "AddStreams_hls": {"PE"},
    "DuplicateStreams_hls": {"PE"},
    "LabelSelect_hls": {"PE"},
}
DESIGNS = [*((EXAMPLES / name, cycles) for name, cycles, _ in COMMITTED)]


def hand_over(graph: Graph, made: Pipeline) -> BuildPlan:
    return emit(graph, made, "net", board="pynq-z2", part="xc7z020clg400-1", clock_mhz=100.0)


def scheduled(graph: Graph) -> Pipeline:
    return schedule(graph, "net", Target(100.0, DEVICE, Rate(10**9)))


def of_ops(x: Type, *ops: Op) -> Graph:
    """A chain."""
    build = Builder()
    value = build.input("x", x)
    for op in ops:
        value = build.add(op, [value], name=type(op).__name__.lower())
    return build.graph([value])


def random_windows(graph: Graph, count: int = 4) -> dict[str, IntArray]:
    (declared,) = graph.inputs
    span = declared.type.range
    x = np.random.default_rng(5).integers(span.lo, span.hi + 1, (count, *declared.type.shape))
    x[0], x[1] = span.lo, span.hi
    return {declared.name: np.where(x < 0, -1, 1) if declared.type.bipolar else x}


def exact(graph: Graph) -> onnx.ModelProto:
    """The model, once it has been found equal to the evaluator on random windows."""
    plan = hand_over(graph, scheduled(graph))
    result = execute(plan, graph, random_windows(graph))
    assert result.first_mismatch is None
    assert {row.value for row in result.streams} == set(graph.types())
    return onnx.load_model_from_string(plan.files[MODEL])


def data_types(model: onnx.ModelProto) -> dict[str, str]:
    return {
        annotation.tensor_name: entry.value
        for annotation in model.graph.quantization_annotation
        for entry in annotation.quant_parameter_tensor_names
        if entry.key == "finn_datatype"
    }


def check_model(path: Path, cycles: int, count: int) -> None:
    model = load(path)
    graph = passes.run(model.graph)
    made = schedule(graph, model.name, Target(100.0, PYNQ_Z2, Rate(cycles)))
    plan = hand_over(graph, made)
    result = execute(plan, graph, {graph.inputs[0].name: model.head.run(windows(model, count))})
    assert (result.windows, result.mismatches) == (count, 0), result.first_mismatch
    assert result.values == count * sum(t.elements for t in graph.types().values())
    check_folding(plan, layers(graph, made))


def check_folding(plan: BuildPlan, folded: tuple[FoldedLayer, ...]) -> None:
    """FINN takes the file, the divisors divide, and the layers are those that FINN makes of the nodes."""
    settings = json.loads(plan.files["finn/folding.json"])
    assert settings.pop("Defaults") == {}
    assert set(settings) >= {layer.name for layer in folded}
    for name, attributes in settings.items():
        assert set(attributes) <= ATTRIBUTES[name.rpartition("_")[0]], name
        assert all(type(value) is (str if key == "accDataType" else int) for key, value in attributes.items())
    model = onnx.load_model_from_string(plan.files[MODEL])
    weights = {constant.name: constant.dims for constant in model.graph.initializer}
    makers = {output: node for node in model.graph.node for output in node.output}
    readers = Counter(name for node in model.graph.node for name in node.input)
    products = {"MatMul", "XnorPopcountMatMul"}
    shapes = [weights[n.input[1]] for n in model.graph.node if n.op_type in products]
    units = [layer for layer in folded if layer.name.startswith(("MVAU", "VVAU"))]
    assert len(units) == len(shapes)
    # FINN merges thresholds into the product before them, if nothing else reads that.
    alone = [
        node
        for node in model.graph.node
        if node.op_type == "MultiThreshold"
        and not (
            (maker := makers.get(node.input[0])) is not None
            and maker.op_type in products
            and readers[node.input[0]] == 1
        )
    ]
    assert sum(layer.name.startswith("Thresholding") for layer in folded) == len(alone)
    by_node = {n.output[0]: weights[n.input[1]] for n in model.graph.node if n.op_type in products}
    for layer in units:
        if layer.name.startswith("MVAU") and layer.node in by_node:
            width, height = by_node[layer.node]
            assert height % int(layer.settings["PE"]) == 0
            assert width % int(layer.settings["SIMD"]) == 0
            assert width // int(layer.settings["SIMD"]) <= 1024


@pytest.mark.parametrize(("name", "cycles", "count"), COMMITTED)
def test_example(name: str, cycles: int, count: int) -> None:
    check_model(EXAMPLES / name, cycles, count)


@pytest.mark.parametrize(("name", "cycles", "count"), SHARED)
def test_shared_model(name: str, cycles: int, count: int, shared: Path) -> None:
    check_model(shared / "models" / name, cycles, count)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cycles"), [row[:2] for row in COMMITTED])
def test_example_long(name: str, cycles: int) -> None:
    check_model(EXAMPLES / name, cycles, 256)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cycles"), [row[:2] for row in SHARED])
def test_shared_model_long(name: str, cycles: int, shared: Path) -> None:
    check_model(shared / "models" / name, cycles, 256)


def test_padded_bipolar(shared: Path) -> None:
    """The model that FINN+ 1.6.1 compiles silently wrong from Brevitas' export: its padding is zeros here too."""
    folder = shared / "models" / "padded_bipolar"
    model = load(folder / "har1d_w1a1_pad2_brevitas0.13.4.onnx")
    graph = passes.run(model.graph)
    plan = hand_over(graph, scheduled(graph))
    x = np.load(folder / "har1d_w1a1_pad2_in.npy")
    result = execute(plan, graph, {graph.inputs[0].name: model.head.run(x)})
    assert (result.windows, result.mismatches) == (len(x), 0)
    file = onnx.load_model_from_string(plan.files[MODEL])
    types = data_types(file)
    padded = [node for node in file.graph.node if any(a.name == "pad_amount" and any(a.ints) for a in node.attribute)]
    assert [types[node.input[0]] for node in padded] == ["INT8", "INT2", "INT2"]


@pytest.mark.parametrize(("path", "cycles"), DESIGNS[:5], ids=lambda value: getattr(value, "stem", value))
def test_cycles(path: Path, cycles: int) -> None:
    """Each matrix-vector unit takes as many cycles as ours, but where ours waits for its shift register.

    Nothing else holds the design up, but for the latency and refilling of FINN's sliding windows.
    """
    model = load(path)
    graph = passes.run(model.graph)
    made = schedule(graph, model.name, Target(100.0, PYNQ_Z2, Rate(cycles)))
    folded = layers(graph, made)
    shifts = {stage.value for stage in made.stages if stage.kernel == "bhc_shift"}
    compared = [layer for layer in folded if layer.scheduled is not None]
    assert len(compared) == sum(stage.folding is not None for stage in made.stages)
    for layer in compared:
        assert layer.scheduled is not None
        if layer.node in shifts:
            assert layer.cycles <= layer.scheduled
        else:
            assert layer.cycles == layer.scheduled, layer.name
    assert max(layer.cycles for layer in folded) <= made.cycles_per_window + 2


def refused(graph: Graph, made: Pipeline) -> BhcError | None:
    try:
        layers(graph, made)
    except BhcError as error:
        return error
    return None


@given(st.data())
def test_random_graphs(data: st.DataObject) -> None:
    """Exact, or refused; at least most are taken (the refusals are tested one by one below)."""
    graph = passes.run(data.draw(graphs()))
    note(dump(graph))
    goals: tuple[Goal, ...] = (Rate(10**9), Fit(1e-2))
    made = schedule(graph, "net", Target(100.0, DEVICE, data.draw(st.sampled_from(goals))))
    refusal = refused(graph, made)
    if refusal is not None:
        assert {d.code for d in refusal.diagnostics} == {"BHC530"}
        assert any(isinstance(node.op, Pad | MaxPool | Conv | SumPool | Hold) for node in graph.nodes)
        return
    plan = hand_over(graph, made)
    result = execute(plan, graph, data.draw(inputs(graph, 3)))
    assert result.first_mismatch is None
    check_folding(plan, layers(graph, made))


RNG = np.random.default_rng(7)


def signs(*shape: int) -> IntArray:
    return RNG.choice(np.array([-1, 1], np.int64), shape)


def sign(threshold: int = 0, channels: int = 1, *, falls: bool = False) -> Threshold:
    return Threshold(np.full((channels, 1), threshold), np.full(channels, falls), 0, bipolar=True)


def test_bipolar_values_are_single_bits_for_xnor_alone() -> None:
    """BINARY in front of bipolar products, through pools and concatenations; INT2 where zero or a sum is needed."""
    graph = of_ops(
        bipolar(12, 4),
        Conv(signs(6, 3, 1, 4)),
        sign(),
        MaxPool((2, 1), (2, 1)),
        Conv(signs(4, 3, 1, 6), pads=Pads(top=1, bottom=1)),
        sign(1),
        Dense(signs(5, 20)),
    )
    model = exact(graph)
    types = data_types(model)
    assert [n.op_type for n in model.graph.node if "MatMul" in n.op_type] == ["XnorPopcountMatMul", "MatMul", "MatMul"]
    assert (types["x"], types["conv"], types["threshold"], types["maxpool"]) == ("BINARY", "UINT4", "INT2", "INT2")
    assert (types["threshold_1"], types["dense"]) == ("INT2", "INT8")


def test_both_codings_of_one_value() -> None:
    """A residual connection around a padding with -1: the addition reads INT2, the padding BINARY."""
    build = Builder()
    x = build.input("x", bipolar(8, 4))
    h = build.add(sign(1), [build.add(Conv(signs(4, 1, 1, 4)), [x], name="conv")], name="sign")
    padded = build.add(Pad(Pads(top=1, bottom=1), -1), [h], name="pad")
    y = build.add(sign(), [build.add(Conv(signs(4, 3, 1, 4)), [padded], name="conv")], name="sign")
    graph = build.graph([build.add(Add(), [h, y], name="add")])
    model = exact(graph)
    types = data_types(model)
    assert (types["sign"], types["sign_binary"], types["pad"], types["add"]) == ("INT2", "BINARY", "BINARY", "INT8")


def test_one_bit_numbers_have_two_bits() -> None:
    """FINN's matrix-vector unit would take 0 and 1 of one bit for -1 and +1, or refuse them."""
    steps = Threshold(np.array([[3]]), np.array([False]))
    model = exact(of_ops(Type((6, 3), Range(0, 7)), Conv(signs(2, 1, 1, 3)), steps, Dense(RNG.integers(0, 2, (2, 12)))))
    types = data_types(model)
    assert (types["threshold"], types["dense_weights"]) == ("UINT2", "UINT2")


def test_falling_steps() -> None:
    """The operand is multiplied by -1 where a step falls, at each rank."""
    table = np.sort(RNG.integers(-9, 9, (4, 3)), axis=1)
    falls = np.array([True, False, True, False])
    steps = Threshold(table, falls, -2)
    exact(of_ops(Type((5, 4), Range(-9, 8)), steps, SumPool((5, 1), (1, 1)), steps))
    exact(of_ops(Type((4,), Range(-9, 8)), steps, Dense(signs(4, 4)), steps))


def test_thresholds_behind_each_other() -> None:
    """Only the first is merged into the product; those that stand alone are full trees."""
    steps = Threshold(np.array([[-3, 0, 2]]), np.array([False]), 5)
    graph = of_ops(Type((6, 3), Range(-4, 3)), Conv(signs(2, 1, 1, 3)), steps, steps, sign(6))
    plan = hand_over(graph, scheduled(graph))
    check_folding(plan, layers(graph, scheduled(graph)))
    constants = {
        c.name: numpy_helper.to_array(c) for c in onnx.load_model_from_string(plan.files[MODEL]).graph.initializer
    }
    levels = [constants[f"threshold{suffix}_levels"].shape[1] for suffix in ("", "_1", "_2")]
    assert levels == [5 + 3, 15, 3]
    exact(graph)


def test_never_and_always_reached() -> None:
    for threshold in (-100, 100):
        exact(of_ops(bipolar(6, 4), Conv(signs(3, 2, 1, 4)), sign(threshold, 3), Dense(signs(2, 15))))


def test_groups_and_one_row_images() -> None:
    """Groups become a whole matrix; taps that never see the image are left out."""
    grouped = Conv(RNG.integers(-3, 4, (6, 3, 1, 2)), groups=2)
    model = exact(of_ops(Type((9, 4), Range(-8, 7)), grouped, Conv(RNG.integers(-3, 4, (4, 1, 1, 6)))))
    dims = {c.name: tuple(c.dims) for c in model.graph.initializer}
    assert dims["conv_weights"] == (12, 6)
    wide = Conv(RNG.integers(-3, 4, (2, 3, 3, 4)), pads=Pads(1, 1, 1, 1))
    assert {tuple(c.dims) for c in exact(of_ops(Type((1, 1, 4), Range(-8, 7)), wide)).graph.initializer} == {(4, 2)}


def test_joints_and_argmax() -> None:
    build = Builder()
    x = build.input("x", Type((6, 4), Range(0, 15)))
    a = build.add(Conv(RNG.integers(-2, 3, (3, 1, 1, 4))), [x], name="conv")
    b = build.add(Conv(RNG.integers(-2, 3, (5, 3, 1, 4)), pads=Pads(top=2)), [x], name="conv")
    joined = build.add(Concat(), [a, b, x], name="concat")
    doubled = build.add(Add(), [joined, joined], name="add")
    graph = build.graph([build.add(Argmax(), [doubled], name="argmax")])
    exact(graph)
    names = [layer.name for layer in layers(graph, scheduled(graph))]
    assert [name for name in names if name.startswith("Dup")] == ["DuplicateStreams_hls_0", "DuplicateStreams_hls_1"]
    assert names[-1] == "LabelSelect_hls_0"


def test_matches_reach_an_argmax() -> None:
    model = exact(of_ops(bipolar(16), Dense(signs(5, 16)), Argmax()))
    assert [node.op_type for node in model.graph.node] == ["XnorPopcountMatMul", "TopK"]


def test_input_read_flat_and_as_an_image() -> None:
    build = Builder()
    x = build.input("x", Type((5, 2), Range(-4, 3)))
    a = build.add(Dense(signs(3, 10)), [x], name="dense")
    b = build.add(SumPool((5, 1), (1, 1)), [x], name="sumpool")
    c = build.add(Dense(signs(3, 2)), [b], name="dense")
    exact(build.graph([build.add(Add(), [a, c], name="add")]))


NUMBERS = Type((8, 4), Range(-8, 7))
REFUSED = {
    "FINN pads with 0 only, not with -8": of_ops(NUMBERS, Pad(Pads(top=1), -8), SumPool((9, 1), (1, 1))),
    "FINN pads with -1 (bipolar values) only, not with 1": of_ops(
        bipolar(8, 4), Pad(Pads(top=1), 1), Dense(signs(2, 36))
    ),
    "FINN remembers nothing from row to row": of_ops(NUMBERS, Hold(2), SumPool((8, 1), (1, 1))),
    "FINN pools without dilation, and this has 2x1": of_ops(NUMBERS, MaxPool((2, 1), (2, 1), (2, 1))),
    "FINN pools no windows of 2x1 with a longer stride of 3x1": of_ops(NUMBERS, MaxPool((2, 1), (3, 1))),
    "FINN pads pools alike on both sides, not [1, 0, 0, 0]": of_ops(NUMBERS, MaxPool((2, 1), (1, 1), pads=Pads(top=1))),
    "FINN pads with zeros, which can win against the values [-8, 7] of a max pool": of_ops(
        NUMBERS, MaxPool((3, 1), (1, 1), pads=Pads(top=1, bottom=1))
    ),
    "FINN cannot crop, and the padding is [-1, 0, 0, 0]": of_ops(NUMBERS, Conv(signs(2, 3, 1, 4), pads=Pads(top=-1))),
    "FINN slides no window of 2x1 with padding [1, 0, 1, 0] over an image of 1x1": of_ops(
        Type((1, 4), Range(0, 3)), Conv(signs(2, 2, 1, 4), pads=Pads(top=1, bottom=1))
    ),
    "FINN keeps its sums of INT8 in 32-bit floats, exact up to 16777216, and these reach 33554432": of_ops(
        Type((2048,), Range(-128, 127)), Dense(np.full((2, 2048), -128))
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refused(message: str) -> None:
    graph = REFUSED[message]
    with pytest.raises(BhcError) as raised:
        layers(graph, scheduled(graph))
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("BHC530", message)
    assert diagnostic.origin == f"node '{graph.nodes[0].name}'"
    assert diagnostic.hint


def test_refused_whole_message() -> None:
    """Everything that FINN cannot take is named at once."""
    graph = of_ops(NUMBERS, MaxPool((2, 1), (3, 1)), Conv(signs(4, 1, 1, 4)), MaxPool((2, 1), (1, 1), (2, 1)))
    with pytest.raises(BhcError) as raised:
        hand_over(graph, scheduled(graph))
    assert str(raised.value) == (
        "error[BHC530] node 'maxpool': FINN pools no windows of 2x1 with a longer stride of 3x1\n"
        "  hint: pool without it, or compile for another backend\n"
        "error[BHC530] node 'maxpool_1': FINN pools without dilation, and this has 2x1\n"
        "  hint: pool without it, or compile for another backend"
    )


def test_argmax_and_outputs_are_ends() -> None:
    last = of_ops(NUMBERS, Argmax(), Threshold(np.array([[3]]), np.array([False])))
    again = of_ops(NUMBERS, SumPool((8, 1), (1, 1)), Dense(signs(2, 4)))
    again = Graph(again.inputs, again.nodes, ("sumpool",))
    for graph, message in ((last, "takes an argmax at the end only"), (again, "reads no output of the design again")):
        with pytest.raises(BhcError, match=message):
            layers(graph, scheduled(of_ops(NUMBERS, SumPool((8, 1), (1, 1)))))


DENSE = of_ops(Type((4,), Range(0, 3)), Dense(signs(2, 4)))


def test_qonnx_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = hand_over(DENSE, scheduled(DENSE))
    monkeypatch.setitem(sys.modules, "qonnx.core.modelwrapper", None)
    with pytest.raises(BhcError) as missing:
        execute(plan, DENSE, random_windows(DENSE))
    assert str(missing.value) == (
        "error[BHC531] qonnx, which executes model.onnx, was not found\n  hint: pip install 'bhc[tools]'"
    )


@pytest.mark.filterwarnings("ignore:The values of tensor:UserWarning")
def test_a_difference_is_found() -> None:
    plan = hand_over(DENSE, scheduled(DENSE))
    model = onnx.load_model_from_string(plan.files[MODEL])
    weights = numpy_helper.to_array(model.graph.initializer[0]).copy()
    weights[:, 1] += 1
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, model.graph.initializer[0].name))
    x = {"x": np.array([[0, 0, 0, 0], [0, 2, 0, 1]])}
    result = execute(BuildPlan({**plan.files, MODEL: model.SerializeToString()}), DENSE, x)
    want = DENSE.nodes[0].op.weights[1] @ x["x"][1]  # type: ignore[union-attr]
    assert (result.windows, result.values, result.mismatches) == (2, 2 * (4 + 2), 1)
    assert result.first_mismatch == Mismatch("dense_product", "dense", "dense", 1, (1,), want, want + 3)
    assert [(row.stream, row.mismatches) for row in result.streams] == [("x", 0), ("dense", 1)]


def test_files() -> None:
    """Deterministic, without anything of the machine that made them; FINN's build configuration."""
    plan = hand_over(DENSE, scheduled(DENSE))
    assert plan.digest() == hand_over(DENSE, scheduled(DENSE)).digest()
    model = onnx.load_model_from_string(plan.files[MODEL])
    assert not model.metadata_props
    assert not any(node.doc_string for node in model.graph.node)
    assert (model.ir_version, {o.domain: o.version for o in model.opset_import}) == (
        8,
        {"": 13, "qonnx.custom_op.general": 1},
    )
    assert json.loads(plan.files["finn/dataflow_build_config.json"]) == {
        "output_dir": "output",
        "synth_clk_period_ns": 10.0,
        "generate_outputs": ["estimate_reports"],
        "specialize_layers_config_file": "specialize_layers.json",
        "folding_config_file": "folding.json",
        "minimize_bit_width": False,
        "fpga_part": "xc7z020clg400-1",
        "board": "Pynq-Z2",
        "shell_flow_type": "vivado_zynq",
    }
    other = emit(DENSE, scheduled(DENSE), "net", board="arty", part="xc7a100t", clock_mhz=125.0)
    config = json.loads(other.files["finn/dataflow_build_config.json"])
    assert (config["synth_clk_period_ns"], config["fpga_part"]) == (8.0, "xc7a100t")
    assert "board" not in config


def design(cycles: int, folding: Folding | None = None) -> Pipeline:
    stage = SimpleNamespace(name="conv", folding=folding, cycles=cycles)
    return SimpleNamespace(stages=(stage,), cycles_per_window=cycles)  # type: ignore[return-value]


def test_long_vectors_get_more_lanes() -> None:
    """Vitis HLS wants at most 1024 beats a vector: as many multipliers as ours, in fewer rows."""
    matrix = Matrix(height=64, width=4096, positions=1)
    unit = Layer("MVAU_hls", "conv", ["x"], "conv", "PE", 64, lambda pe: pe, {}, matrix)
    (folded,) = fold([unit], design(131072, Folding(pe=2, simd=1)))
    assert (folded.settings, folded.cycles) == ({"PE": 1, "SIMD": 4}, 65536)
    (folded,) = fold([unit], design(1024, Folding(pe=64, simd=4)))
    assert (folded.settings, folded.cycles) == ({"PE": 64, "SIMD": 4}, 1024)


@pytest.mark.parametrize(("cycles", "settings"), [(500, {"SIMD": 1}), (300, {"SIMD": 2}), (60, {"SIMD": 8})])
def test_window_keeps_up(cycles: int, settings: dict[str, int]) -> None:
    window = Window((22, 1, 8), (3, 1), (1, 1), (1, 1), (20, 1), depthwise=False)
    layer = Layer("ConvolutionInputGenerator_rtl", "", ["x"], "y", "SIMD", 8, window.cycles, {}, None, window)
    (folded,) = fold([layer], design(cycles))
    assert folded.settings == settings
    assert folded.cycles <= cycles + 2


def test_window_with_all_taps_at_once() -> None:
    window = Window((22, 1, 8), (3, 1), (1, 1), (1, 1), (20, 1), depthwise=False)
    layer = Layer("ConvolutionInputGenerator_rtl", "", ["x"], "y", "SIMD", 8, window.cycles, {}, None, window)
    (folded,) = fold([layer], design(24))
    assert (folded.settings, folded.cycles) == ({"SIMD": 8, "parallel_window": 1}, 24)


class _Recorder:
    """Stands for all of FINN: records what build.py asks of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.built: list[Any] = []
        config = SimpleNamespace(
            DataflowBuildConfig=SimpleNamespace(from_json=self.parse),
            DataflowOutputType=SimpleNamespace(ESTIMATE_REPORTS="estimate_reports"),
            default_build_dataflow_steps=["step_streamline", "step_generate_estimate_reports", "step_hw_codegen"],
        )
        build = SimpleNamespace(build_dataflow_cfg=self.build)
        for name, module in (("build_dataflow_config", config), ("build_dataflow", build)):
            monkeypatch.setitem(sys.modules, f"finn.builder.{name}", module)
        for name in ("finn", "finn.builder"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))

    @staticmethod
    def parse(text: str) -> SimpleNamespace:
        return SimpleNamespace(**json.loads(text), steps=None)

    def build(self, model: str, config: SimpleNamespace) -> int:
        self.built.append((model, config))
        return 0


@pytest.mark.parametrize(
    ("outputs", "last"), [(["estimate_reports"], "step_generate_estimate_reports"), (["bitfile"], "step_hw_codegen")]
)
def test_build_script(outputs: list[str], last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From conversion on, without streamlining; beyond the estimates if more is asked for."""
    recorder = _Recorder(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(finn_build, "_HERE", tmp_path)
    (tmp_path / "dataflow_build_config.json").write_text(json.dumps({"generate_outputs": outputs}))
    with pytest.raises(SystemExit) as done:
        finn_build.main()
    assert done.value.code == 0
    ((model, config),) = recorder.built
    assert (model, config.steps[0], config.steps[-1]) == ("model.onnx", finn_build.convert, last)
    assert "step_streamline" not in config.steps
    assert config.steps.index("step_apply_folding_config") < config.steps.index("step_generate_estimate_reports")


def test_build_script_makes_sums() -> None:
    """A sum over the whole image is one layer of FINN, which has a conversion for averages only."""
    from qonnx.core.modelwrapper import ModelWrapper

    graph = of_ops(NUMBERS, SumPool((8, 1), (1, 1)), Dense(signs(2, 4)))
    model = ModelWrapper(onnx.load_model_from_string(hand_over(graph, scheduled(graph)).files[MODEL]))
    finn_build._global_sums(model)
    (node,) = model.get_nodes_by_op_type("GlobalAccPool")
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    assert (node.domain, list(node.input), list(node.output)) == ("finn.custom_op.fpgadataflow", ["x"], ["sumpool"])
    assert attributes == {
        "backend": b"fpgadataflow",
        "NumChannels": 4,
        "PE": 1,
        "inputDataType": b"INT4",
        "numInputVectors": [1, 8, 1],
    }
    assert not model.get_nodes_by_op_type("ReduceSum")
