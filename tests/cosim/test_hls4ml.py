"""hls4ml's C simulation of its projects: every layer equals the evaluator, for each operation and kind of project."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from bhc.backends.compare import Mismatch
from bhc.backends.hls4ml_project import Io, Vendor, compile_library, csim, emit
from bhc.backends.plan import BuildPlan
from bhc.diagnostics import BhcError
from bhc.frontend import load
from bhc.ir import passes
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Add, Argmax, Concat, Conv, Dense, IntArray, MaxPool, Pad, Pads, SumPool, Threshold
from bhc.ir.types import Range, Type
from tests import tiny

KINDS = list(product(get_args(Io), get_args(Vendor)))
EXAMPLES = Path(__file__).parents[2] / "examples"


def project(graph: Graph, io: Io = "stream", vendor: Vendor = "vitis") -> BuildPlan:
    """Compiled without optimisation: these are a few small windows."""
    plan = emit(graph, "net", part="xc7z020clg400-1", clock_mhz=100.0, io=io, vendor=vendor)
    script = plan.files["hls4ml/build_lib.sh"]
    assert b"-O3" in script
    return BuildPlan({**plan.files, "hls4ml/build_lib.sh": script.replace(b"-O3", b"-O0")})


def windows(graph: Graph, count: int) -> dict[str, IntArray]:
    """At least two random windows; the first two all lowest and all highest."""
    (declared,) = graph.inputs
    lo, hi = declared.type.range.lo, declared.type.range.hi
    x = np.random.default_rng(5).integers(lo, hi + 1, (count, *declared.type.shape))
    x[0], x[1] = lo, hi
    return {declared.name: np.where(x < 0, -1, 1) if declared.type.bipolar else x}


def everything() -> Graph:
    """Each operation, with what hls4ml has no layer for: dilation, groups, crops, levels both ways, a value with four
    readers of which the second pads.
    """
    rng = np.random.default_rng(3)
    build = Builder()

    def conv(x: str, filters: int, taps: int, **how: object) -> str:
        groups = how.get("groups", 1)
        assert isinstance(groups, int)
        weights = rng.integers(-2, 3, (filters, taps, 1, build.type(x).channels // groups))
        return build.add(Conv(weights, **how), [x], name="conv")  # type: ignore[arg-type]

    def steps(x: str, levels: int, base: int = 0, *, to_bipolar: bool = False) -> str:
        span = build.type(x).range
        table = np.sort(rng.integers(span.lo - 9, span.hi + 9, (build.type(x).channels, levels)), axis=1)
        op = Threshold(table, rng.random(len(table)) < 0.5, base, to_bipolar)
        return build.add(op, [x], name="threshold")

    x = steps(conv(build.input("double", Type((20, 3), Range(-5, 12))), 4, 3, stride=(1, 1)), 5, -2)
    a = steps(conv(x, 4, 3, pads=Pads(1, 0, 1, 0)), 1, to_bipolar=True)
    b = conv(x, 4, 3, dilation=(2, 1), pads=Pads(4, 0, 0, 0), groups=2)
    c = conv(a, 4, 3, pads=Pads(2, 0, 0, 0), groups=4)
    x = build.add(Add(), [build.add(Add(), [b, c], name="add"), x], name="add")
    x = build.add(Pad(Pads(-1, 0, 2, 0), 0), [steps(x, 3)], name="pad")
    x = build.add(
        Concat(), [x, x, build.add(MaxPool((3, 1), (1, 1), pads=Pads(1, 0, 1, 0)), [x], name="pool")], name="cat"
    )
    x = build.add(SumPool((4, 1), (3, 1), pads=Pads(1, 0, -2, 0)), [x], name="sums")
    total = build.add(SumPool((build.type(x).shape[0], 1), (1, 1)), [x], name="total")
    scores = build.add(Dense(rng.integers(-3, 4, (5, 12))), [total], name="fc")
    flat = build.add(Dense(rng.integers(-1, 2, (3, build.type(x).elements))), [x], name="flat")
    return build.graph([build.add(Argmax(), [scores], name="class"), flat])


@pytest.mark.slow
@pytest.mark.parametrize(("io", "vendor"), KINDS)
def test_every_operation(io: Io, vendor: Vendor, tmp_path: Path) -> None:
    graph = everything()
    result = csim(project(graph, io, vendor), graph, windows(graph, 12), tmp_path)
    assert (result.windows, result.mismatches, result.first_mismatch) == (12, 0, None)
    assert {row.value for row in result.streams} == {node.name for node in graph.nodes}
    assert result.values == 12 * sum(node.type.elements for node in graph.nodes)


@pytest.mark.slow
@pytest.mark.parametrize("io", get_args(Io))
def test_images(io: Io, tmp_path: Path) -> None:
    """Two axes; a sum with a bias, which is compared behind its sign; one build for two runs."""
    rng = np.random.default_rng(4)
    build = Builder()
    x = build.input("x", Type((7, 6, 2), Range(0, 7)))
    weights = rng.choice(np.array([-1, 1]), (3, 3, 2, 2))
    x = build.add(Conv(weights, (2, 1), pads=Pads(1, 0, 2, 1)), [x], name="conv")
    table = rng.integers(-9, 9, (3, 1))
    x = build.add(Threshold(table, np.zeros(3, np.bool_), bipolar=True), [x], name="sign")
    x = build.add(MaxPool((2, 3), (2, 3)), [x], name="pool")
    graph = build.graph([build.add(Dense(rng.integers(-3, 4, (4, 12))), [x], name="fc")])
    plan = project(graph, io)
    built = compile_library(plan, tmp_path).stat().st_mtime_ns
    result = csim(plan, graph, windows(graph, 12), tmp_path)
    assert result.mismatches == 0, result.first_mismatch
    assert [row.value for row in result.streams] == ["sign", "pool", "fc"]
    outputs = csim(plan, graph, windows(graph, 12), tmp_path, trace=False)
    assert (outputs.values, outputs.mismatches, len(outputs.streams)) == (12 * 4, 0, 1)
    assert compile_library(plan, tmp_path).stat().st_mtime_ns == built


@pytest.mark.slow
def test_difference_is_placed(tmp_path: Path) -> None:
    """A weight changed in the project: the first layer that shows it, the window, and the outputs."""
    graph = passes.run(tiny.residual())
    plan = project(graph)
    path = "hls4ml/firmware/weights/w3.txt"  # behind the input and its padding
    first, *others = plan.files[path].decode().split(", ")
    changed = ", ".join((str(-int(first) or 1), *others)).encode()
    x = windows(graph, 8)
    result = csim(BuildPlan({**plan.files, path: changed}), graph, x, tmp_path)
    found = result.first_mismatch
    assert isinstance(found, Mismatch)
    assert (found.stage, found.value, found.window) == ("v1_conv0", "conv0", 0)
    assert result.mismatches == sum(row.mismatches for row in result.streams)


@pytest.mark.slow
def test_build_fails(tmp_path: Path) -> None:
    graph = passes.run(tiny.residual())
    plan = project(graph)
    path = "hls4ml/firmware/parameters.h"
    broken = BuildPlan({**plan.files, path: plan.files[path].replace(b"struct config", b"structure config")})
    with pytest.raises(BhcError, match=r"error\[BHC502\] .*hls4ml-build.log: hls4ml-build failed with exit status 1"):
        csim(broken, graph, windows(graph, 2), tmp_path)


MODELS: dict[str, tuple[Io, Vendor]] = {
    "bench/m3_jet_mlp.onnx": ("parallel", "vivado"),
    "kws_w3a3/KWS-W3A3_QONNX_model.onnx": ("stream", "vivado"),
    "bench/m1_btcnn_small.onnx": ("stream", "vitis"),
}


def check(path: Path, io: Io, vendor: Vendor, count: int, folder: Path) -> None:
    model = load(path)
    graph = passes.run(model.graph)
    x = np.random.default_rng(11).normal(0, 0.3, (count, *model.inputs[0].shape)).cumsum(axis=-1)
    plan = emit(graph, model.name, part="xc7z020clg400-1", clock_mhz=100.0, io=io, vendor=vendor)
    result = csim(plan, graph, {graph.inputs[0].name: model.head.run(x.astype(np.float32))}, folder)
    assert (result.windows, result.mismatches) == (count, 0), result.first_mismatch


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_shared_model(name: str, shared: Path, tmp_path: Path) -> None:
    io, vendor = MODELS[name]
    check(shared / "models" / name, io, vendor, 256, tmp_path)


@pytest.mark.slow
def test_demo(tmp_path: Path) -> None:
    check(EXAMPLES / "demo" / "model.onnx", "stream", "vitis", 256, tmp_path)
