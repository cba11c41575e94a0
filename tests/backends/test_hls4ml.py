"""The hls4ml project: what is written, how numbers get their types, and what hls4ml cannot take."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import pytest

from bhc.backends import hls4ml_project
from bhc.backends.hls4ml_project import Io, Vendor, emit, reuse_factors
from bhc.backends.plan import BuildPlan
from bhc.diagnostics import BhcError
from bhc.ir import passes, text
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Add, Concat, Conv, Dense, Hold, MaxPool, Op, Pad, Pads, Threshold
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import Range, Type, bipolar
from tests import tiny
from tests.strategies import DEVICE

PART = "xc7z020clg400-1"
GRAPH: Graph = passes.run(tiny.residual())


def project(graph: Graph, io: Io = "stream", vendor: Vendor = "vitis", **options: dict[str, int]) -> BuildPlan:
    return emit(graph, "Tiny net", part=PART, clock_mhz=125.0, io=io, vendor=vendor, **options)


def one(op: Op, *operands: Type) -> Graph:
    """A graph of one operation."""
    build = Builder()
    inputs = [build.input("x", operand) for operand in operands]
    return build.graph([build.add(op, inputs, name="y", origin=["Node_7"])])


def source(plan: BuildPlan, name: str) -> str:
    return plan.files[f"hls4ml/{name}"].decode()


def test_files() -> None:
    plan = project(GRAPH)
    names = set(plan.files)
    assert {f"hls4ml/firmware/bhc_tiny_net.{end}" for end in ("cpp", "h")} < names
    assert {"hls4ml/build_prj.tcl", "hls4ml/build_lib.sh", "hls4ml/firmware/nnet_utils/nnet_bhc.hpp"} < names
    assert {"hls4ml/firmware/ap_types/ap_int.h", "hls4ml/firmware/nnet_utils/nnet_dense.h"} < names
    assert all(name.startswith("hls4ml/") for name in names)
    settings = source(plan, "project.tcl")
    assert f'set part "{PART}"' in settings
    assert "set clock_period 8.0" in settings
    assert 'set backend "vitis"' in settings
    assert 'set backend "vivado"' in source(project(GRAPH, vendor="vivado"), "project.tcl")
    assert "hls::stream<" in source(plan, "firmware/bhc_tiny_net.h")
    assert "hls::stream<" not in source(project(GRAPH, io="parallel"), "firmware/bhc_tiny_net.h")
    assert len(source(plan, "tb_data/tb_input_features.dat").splitlines()) == 10
    assert {len(line.split()) for line in source(plan, "tb_data/tb_output_predictions.dat").splitlines()} == {3}


_EMIT = """
import sys
from pathlib import Path
from tempfile import gettempdir
from bhc.backends.hls4ml_project import emit
from bhc.ir import text
graph = text.load(Path(sys.argv[1]).read_text())
print(emit(graph, "Tiny net", part=sys.argv[2], clock_mhz=125.0, io="stream", vendor="vitis").digest())
"""


def test_same_bytes_everywhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Again, in another process with other hashes and another temporary folder; and nothing is printed."""
    plan = project(GRAPH)
    assert project(GRAPH).digest() == plan.digest()
    assert capfd.readouterr() == ("", "")
    path = tmp_path / "graph.txt"
    path.write_text(text.dump(GRAPH))
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "7",
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", _EMIT, str(path), PART]
    again = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert again.stdout.strip() == plan.digest()
    places = (gettempdir().encode(), str(Path.home()).encode())
    assert not any(place in data for place in places for data in plan.files.values())


def test_types() -> None:
    """Widths follow the ranges; bipolar weights take one bit, and -2 three, since hls4ml reads it as +1 in two."""
    build = Builder()
    x = build.input("x", Type((4,), Range(0, 1)))
    x = build.add(Dense(np.array([[1, -1, 1, 1], [-1, -1, 1, -1]])), [x], name="a")
    x = build.add(Dense(np.array([[1, -2], [0, 1]])), [x], name="b")
    x = build.add(Dense(np.array([[0, -1]])), [x], name="c")
    lines = source(project(build.graph([x])), "firmware/defines.h").splitlines()
    types = {line.split()[-1].rstrip(";"): line for line in lines if line.startswith("typedef")}
    assert types["input_t"] == "typedef nnet::array<ap_uint<2>, 4*1> input_t;"
    assert types["layer2_t"] == "typedef nnet::array<ap_int<3>, 2*1> layer2_t;"
    assert types["weight2_t"] == "typedef ap_uint<1> weight2_t;"
    assert types["v2_b_weight_t"] == "typedef ap_int<3> v2_b_weight_t;"
    assert types["v3_c_weight_t"] == "typedef ap_int<2> v3_c_weight_t;"
    assert "nnet::product::weight_binary" in source(project(build.graph([x])), "firmware/parameters.h")


def test_binary_nets_have_layers_of_hls4ml_alone() -> None:
    """A threshold to bipolar becomes a bias and the sign; one far outside the range widens nothing."""
    build = Builder()
    x = build.input("x", bipolar(8, 4))
    weights = np.random.default_rng(1).choice([-1, 1], (3, 2, 1, 4))
    x = build.add(Conv(weights), [x], name="conv")
    table = np.array([[1], [-(10**6)], [10**6]])
    x = build.add(Threshold(table, np.zeros(3, np.bool_), bipolar=True), [x], name="sign")
    plan = project(build.graph([x]))
    assert "nnet::binary_tanh<" in source(plan, "firmware/bhc_tiny_net.cpp")
    assert "bhc_threshold" not in source(plan, "firmware/bhc_tiny_net.cpp")
    assert source(plan, "firmware/weights/b2.txt") == "-1, 8, -9"


@pytest.mark.parametrize(
    ("n_in", "n_out", "wanted"), [(490, 256, 1), (16, 64, 1), (16, 64, 7), (16, 64, 100), (5, 3, 99)]
)
def test_reuse(n_in: int, n_out: int, wanted: int) -> None:
    """Factors that hls4ml takes: the greatest up to the wanted one, or the least that can be unrolled."""
    from hls4ml.backends import get_backend

    valid = get_backend("vitis").get_valid_reuse_factors(n_in, n_out)
    fitting = [factor for factor in valid if n_in * n_out // factor <= 4096]
    chosen = hls4ml_project._reuse(n_in, n_out, wanted, beyond_inputs=True)
    assert chosen == max(factor for factor in fitting if factor <= max(wanted, fitting[0]))
    chosen = hls4ml_project._reuse(n_in, n_out, wanted, beyond_inputs=False)
    assert chosen == max(factor for factor in fitting if factor <= min(max(wanted, fitting[0]), n_in))


def test_reuse_of_the_schedule() -> None:
    """A multiplier is used as often as the schedule says, as far as hls4ml can."""
    design = schedule(GRAPH, "residual", Target(100.0, DEVICE, Rate(10**6)))
    wanted = reuse_factors(design, GRAPH)
    assert wanted["conv0"] == 24
    parameters = source(project(GRAPH, reuse=wanted), "firmware/parameters.h")
    assert parameters.count("static const unsigned strategy = nnet::resource;") > 1
    assert "reuse_factor = 24;" in parameters


def test_reuse_of_a_folded_threshold() -> None:
    """The stage is named after the threshold, the reuse factor belongs to the layer."""
    build = Builder()
    x = build.add(Dense(np.ones((4, 8), np.int64)), [build.input("x", bipolar(8))], name="fc")
    x = build.add(Threshold(np.zeros((1, 1), np.int64), np.zeros(1, np.bool_), bipolar=True), [x], name="sign")
    graph = build.graph([x])
    assert set(reuse_factors(schedule(graph, "net", Target(100.0, DEVICE, Rate(32))), graph)) == {"fc"}


def test_unknown_to_hls4ml() -> None:
    """Every operation that hls4ml cannot express is named at once."""
    build = Builder()
    x = build.input("x", bipolar(16, 2))
    x = build.add(Pad(Pads(1, 0, 0, 0), -1), [x], name="pad", origin=["Pad_1"])
    x = build.add(MaxPool((2, 1), (1, 1), (2, 1)), [x], name="dilated", origin=["MaxPool_1", "Identity_2"])
    x = build.add(MaxPool((3, 1), (1, 1), pads=Pads(1, 0, 1, 0)), [x], name="padded")
    graph = build.graph([x])
    with pytest.raises(BhcError) as caught:
        project(graph)
    assert str(caught.value) == (
        "error[BHC520] 'Pad_1': hls4ml cannot express this pad exactly: it pads with 0 only (here -1)\n"
        "  hint: bhc compile --backend hls\n"
        "error[BHC520] 'MaxPool_1', 'Identity_2': hls4ml cannot express this maxpool exactly: its pools have no "
        "dilation (here 2x1)\n"
        "  hint: bhc compile --backend hls\n"
        "error[BHC520] 'padded': hls4ml cannot express this maxpool exactly: it pads streams with 0 only, which would "
        "win over values in [-1, 1]\n"
        "  hint: bhc compile --backend hls"
    )
    with pytest.raises(BhcError, match="BHC520") as caught:
        project(graph, io="parallel")
    assert len(caught.value.diagnostics) == 2


def test_images_in_streams() -> None:
    graph = one(MaxPool((2, 3), (1, 3)), Type((6, 6, 2), Range(0, 3)))
    with pytest.raises(BhcError) as caught:
        project(graph)
    assert str(caught.value) == (
        "error[BHC520] 'Node_7': hls4ml cannot express this maxpool exactly: its two-dimensional pools of streams have "
        "the stride of their size (here 1x3, of 2x3)\n"
        "  hint: bhc compile --backend hls"
    )
    assert project(graph, io="parallel").files


def test_held_rows() -> None:
    with pytest.raises(BhcError) as caught:
        project(one(Hold(2), Type((6, 2), Range(0, 7))))
    assert str(caught.value) == (
        "error[BHC520] 'Node_7': hls4ml cannot express this hold exactly: its layers remember nothing from row to row\n"
        "  hint: bhc compile --backend hls"
    )


def test_readers_of_a_stream() -> None:
    build = Builder()
    x = build.input("x", Type((4, 2), Range(0, 3)))
    y = build.add(Add(), [x, x], name="y")
    z = build.add(Concat(), [y] * 8, name="z")
    graph = build.graph([z])
    with pytest.raises(BhcError) as caught:
        project(graph)
    assert str(caught.value) == (
        "error[BHC520] 'y': hls4ml cannot express this add exactly: a stream has at most 7 readers (here 8)\n"
        "  hint: bhc compile --backend hls"
    )
    assert project(graph, io="parallel").files


def test_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(BhcError) as caught:
        project(GRAPH)
    assert str(caught.value) == "error[BHC521] hls4ml is not installed\n  hint: pip install 'bhc[hls4ml]'"


def test_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "1.4.2")
    with pytest.raises(BhcError) as caught:
        project(GRAPH)
    assert str(caught.value) == (
        "error[BHC521] hls4ml 1.4.2 is installed, and only 1.3.x is known to give exact values\n"
        "  hint: pip install 'bhc[hls4ml]'"
    )
