"""HLS C++: the same text every time, memories as the kernels want them, and legal whatever the names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bhc.backends import hls
from bhc.backends.csim import csim
from bhc.diagnostics import BhcError
from bhc.ir import passes
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Add
from bhc.ir.pipeline import Folding, Memory, Pipeline, Resources, Stage, Stream, Style, verify
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import Kind, bipolar
from tests import tiny
from tests.conftest import ROOT
from tests.strategies import DEVICE, graphs

GOLDEN = ROOT / "tests" / "golden" / "hls"
DESIGN = ("bhc_top.hpp", "bhc_top.cpp", "memories.hpp")


def residual() -> Pipeline:
    """The residual net with every folding given, so that the golden files do not change with the estimates."""
    foldings = {name: Folding(2, 4) for name in ("conv1a", "conv1b", "conv2a", "conv2b")}
    foldings |= {"conv0": Folding(2, 2), "fc": Folding(1, 4)}
    available = Resources(lut=53200, ff=106400, bram=140, dsp=220)
    target = Target(100.0, available, Rate(10**6), foldings)
    return schedule(passes.run(tiny.residual()), "residual", target)


@pytest.mark.parametrize("name", DESIGN)
def test_golden(name: str, update_golden: bool) -> None:
    content = hls.emit(residual()).files[f"hls/{name}"].decode()
    path = GOLDEN / name
    if update_golden:
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    assert content == path.read_text()


@settings(max_examples=10)
@given(graphs())
def test_emission_is_pure(graph: object) -> None:
    assert isinstance(graph, Graph)
    first, second = (hls.emit(schedule(graph, "pure", Target(100.0, DEVICE, Rate(10**9)))) for _ in range(2))
    assert first.digest() == second.digest()


def test_library_files_are_those_that_are_included() -> None:
    plan = hls.emit(residual())
    included = {
        line.split('"')[1]
        for name in plan.matching("hls/*.[ch]pp")
        for line in plan.files[name].decode().splitlines()
        if line.startswith('#include "')
    }
    assert included == {Path(name).name for name in plan.files} - {"bhc_top.cpp"}
    library = ROOT / "hls"
    assert all(
        content == (library / Path(name).name).read_bytes()
        for name, content in plan.files.items()
        if Path(name).name not in DESIGN
    )


@given(st.integers(1, 200), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_bits_are_packed_as_a_beat_is(simd: int, rows: int, seed: int) -> None:
    """Bit i is bit i % C of chunk i / C (hls/bhc_bits.hpp)."""
    bits = np.random.default_rng(seed).integers(0, 2, (rows, simd))
    packed = hls.pack_bits(bits)
    chunks = -(-simd // 64)
    size = -(-simd // chunks)
    assert packed.shape == (rows, chunks)
    for row in range(rows):
        expected = [sum(int(b) << i for i, b in enumerate(bits[row, k * size :][:size])) for k in range(chunks)]
        assert packed[row].tolist() == expected


def fifo(width: int, depth: int) -> dict[str, int]:
    return {"Width": width, "Depth": depth, "Style": int(Style.LUT)}


def awkward() -> tuple[Graph, Pipeline]:
    """Names that no language takes, names that meet once made legal, two FIFOs in a row, a three-way fork."""
    names = ["/a.b", "a b", "a_b", "0", "", "module\n; endmodule", "while"]
    streams = {name: Stream(name, 13, 1, Kind.BIPOLAR, 3) for name in names}
    streams["/a.b"] = Stream("/a.b", 13, 1, Kind.BIPOLAR, 3, "x\\")
    streams["sum"] = Stream("sum", 13, 3, Kind.SIGNED, 3, "int")
    streams["total"] = Stream("total", 13, 3, Kind.SIGNED, 3, "*/")
    add = {"Lanes": 13, "ABits": 1, "AKind": 2, "BBits": 1, "BKind": 2, "OutBits": 3}
    stages = (
        Stage("always", "bhc_fifo", fifo(13, 2), ("/a.b",), ("a b",), value="x\\"),
        Stage("1/1", "bhc_fork", {"Width": 13, "Sinks": 3}, ("a b",), ("a_b", "0", ""), value="x\\"),
        Stage("1_1", "bhc_fifo", fifo(13, 4), ("",), ("module\n; endmodule",)),
        Stage("1_1_2", "bhc_fifo", fifo(13, 3), ("module\n; endmodule",), ("while",)),
        Stage("add", "bhc_add", add, ("a_b", "0"), ("sum",), value="int", origin=("// \\",)),
        Stage("+", "bhc_add", {**add, "ABits": 3, "AKind": 1}, ("sum", "while"), ("total",)),
    )
    builder = Builder()
    x = builder.input("x\\", bipolar(3, 13))
    double = builder.add(Add(), [x, x], name="int")
    graph = builder.graph([builder.add(Add(), [double, x], name="*/")])
    return graph, Pipeline("awkward \\", streams, stages, "/a.b", "total", 100.0, 3, 9)


def test_awkward_names(tmp_path: Path) -> None:
    graph, design = awkward()
    verify(design)
    x = np.random.default_rng(1).choice(np.array([-1, 1]), (4, 3, 13))
    result = csim(design, graph, {"x\\": x}, tmp_path)
    assert (result.windows, result.mismatches, result.first_mismatch) == (4, 0, None)
    assert [row.stream for row in result.streams if row.value] == ["/a.b", "sum", "total"]
    assert all(log.read_text() == "" for log in (tmp_path / "logs").iterdir())


def test_fifos_in_a_row_are_one_stream() -> None:
    _, design = awkward()
    found = hls.channels(design)
    assert found["while"] == found[""]
    assert found["while"].type == "bhc::stream<13, 7>"
    assert found["sum"].type == "bhc::stream<39, 16>"


def test_large_parameters() -> None:
    """A literal beyond the range of int is unsigned."""
    params = {"Bits": 40, "Lanes": 1, "Chunks": 1, "H": 2, "W": 1, "PT": 1, "PB": 0, "PL": 0, "PR": 0}
    streams = {
        "a": Stream("a", 1, 40, Kind.UNSIGNED, 2, "a"),
        "b": Stream("b", 1, 40, Kind.UNSIGNED, 3, "b"),
    }
    pad = Stage("pad", "bhc_pad", {**params, "Word": 2**40 - 1}, ("a",), ("b",))
    top = hls.emit(Pipeline("wide", streams, (pad,), "a", "b", 100.0, 3, 3)).files["hls/bhc_top.cpp"].decode()
    assert f"/*Word=*/{2**40 - 1}u" in top
    assert "/*Bits=*/40, " in top


def test_styles_place_memories() -> None:
    """Block RAM holds a word of a memory side by side; LUTs a table for each element."""

    def made(style: Style) -> str:
        rng = np.random.default_rng(4)
        mvu = {"XBits": 1, "XKind": 2, "WBits": 1, "WKind": 2, "Simd": 70, "Pe": 2, "Sf": 1, "Nf": 2, "Positions": 1}
        mvu |= {"InputStationary": 1, "Classes": 1, "AccBits": 8, "Shift": 1, "SignOut": 1, "OutBits": 1}
        weights = Memory("weights", 140, style, rng.integers(0, 256, (2, 18), np.uint8))
        bias = Memory("bias", 16, Style.LUT, rng.integers(0, 256, (2, 2), np.uint8))
        stage = Stage("fc", "bhc_mvu", {**mvu, "DotStages": 1, "Group": 1}, ("a",), ("b",), (weights, bias))
        streams = {"a": Stream("a", 70, 1, Kind.BIPOLAR, 1, "a"), "b": Stream("b", 2, 1, Kind.BIPOLAR, 2, "b")}
        plan = hls.emit(Pipeline("fc", streams, (stage,), "a", "b", 100.0, 2, 9))
        assert "static const std::uint64_t mem_fc_weights[2][2][2] = {" in plan.files["hls/memories.hpp"].decode()
        return plan.files["hls/bhc_top.cpp"].decode()

    block, lut = made(Style.BLOCK), made(Style.LUT)
    assert "HLS array_reshape variable=mem_fc_weights type=complete dim=3" in block
    assert "HLS bind_storage variable=mem_fc_weights type=rom_1p impl=bram" in block
    assert "HLS array_partition variable=mem_fc_weights type=complete dim=2" in lut
    assert "HLS bind_storage variable=mem_fc_weights type=rom_1p impl=lutram" in lut


def test_missing_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("bhc.backends.runner.which", lambda _name: None)
    graph, design = awkward()
    with pytest.raises(BhcError) as caught:
        csim(design, graph, {"x\\": np.ones((1, 3, 13), np.int64)}, tmp_path)
    assert str(caught.value) == (
        "error[BHC501] 'g++' was not found\n  hint: install a C++ compiler (Debian: apt install g++)"
    )
