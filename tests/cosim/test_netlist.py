"""Netlists: equal to the evaluator in every family, and found out where they are not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bhc.backends import netlist
from bhc.backends.compare import carried
from bhc.backends.cosim import cosim
from bhc.backends.netlist import Netlist
from bhc.backends.runner import Tool
from bhc.diagnostics import BhcError
from bhc.ir import passes
from bhc.ir.fabric import Family
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Conv, Dense, IntArray, SumPool, Threshold
from bhc.ir.pipeline import Pipeline, Stream
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import Kind, Range, Type
from tests.strategies import DEVICE


def chain() -> Graph:
    """A convolution with signs, a pool, a dense layer."""
    rng = np.random.default_rng(4)
    build = Builder()
    x = build.input("input", Type((8, 2), Range(-8, 7)))
    x = build.add(Conv(rng.choice([-1, 1], (4, 3, 1, 2))), [x], name="conv")
    x = build.add(Threshold(rng.integers(-9, 9, (4, 1)), np.zeros(4, np.bool_), bipolar=True), [x], name="sign")
    x = build.add(SumPool((6, 1), (1, 1)), [x], name="pool")
    return build.graph([build.add(Dense(rng.choice([-1, 1], (3, 4))), [x], name="dense")])


GRAPH: Graph = passes.run(chain())


def design(family: Family) -> Pipeline:
    return schedule(GRAPH, "chain", Target(12.0, DEVICE, Rate(10**4), family=family))


def windows(count: int) -> dict[str, IntArray]:
    (declared,) = GRAPH.inputs
    return {declared.name: np.random.default_rng(5).integers(-8, 8, (count, *declared.type.shape))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all tests: Verilator's run-time library is compiled once."""
    return tmp_path_factory.mktemp("netlist")


@pytest.mark.slow
@pytest.mark.parametrize("family", [Family.ECP5, Family.GOWIN, Family.ICE40])
def test_equal(folder: Path, family: Family) -> None:
    """Of the 7-series, tests/test_api.py has a net."""
    made = netlist.synthesize(design(family), family, folder)
    result = cosim(design(family), GRAPH, windows(8), folder, stalls=3, netlist=made)
    assert (result.mismatches, result.windows) == (0, 8)
    assert {row.stream for row in result.streams if row.values} == carried(design(family)).keys()


@pytest.mark.slow
def test_wrong_lut(folder: Path) -> None:
    """One LUT that adds in the convolution is upside down."""
    made = netlist.synthesize(design(Family.ICE40), Family.ICE40, folder)
    found = re.search(r"^  (\S+)  u_conv \($", made.text, re.MULTILINE)
    assert found
    adder = re.compile(r"LUT_INIT\(16'h(\w{4})\)\s*\) \S*u_dot\S*sum")
    lut = adder.search(made.text, made.text.index(f"module {found[1]} ("))
    assert lut
    wrong = f"{int(lut[1], 16) ^ 0xFFFF:04x}"
    upside_down = replace(made, text=made.text[: lut.start(1)] + wrong + made.text[lut.end(1) :])
    result = cosim(design(Family.ICE40), GRAPH, windows(8), folder, netlist=upside_down)
    assert result.first_mismatch is not None
    assert result.first_mismatch.stage == "conv"


#: What a pipeline without stages is in hardware.
WIRE = Pipeline("wire", {"a": Stream("a", 2, 4, Kind.SIGNED, 8, "input")}, (), "a", "a", 100.0, 1, 1)


def test_unknown_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = {"\\bhc_top": {"LUT4": 1, "XADC": 1, "stage": 1, "DSP48E1": 2}, "stage": {"FDRE": 1}}
    cells = json.dumps({"modules": {name: {"num_cells_by_type": count} for name, count in counts.items()}})
    (tmp_path / "cells.json").write_text(cells)
    copy = f"cp {tmp_path}/cells.json . && touch netlist.v"
    monkeypatch.setattr(netlist, "find_yosys", lambda: Tool(("sh", "-c", copy)))
    with pytest.raises(BhcError) as caught:
        netlist.synthesize(WIRE, Family.XC7, tmp_path)
    assert str(caught.value) == (
        "error[BHC515] of the netlist for xc7, DSP48E1, XADC has no model\n"
        "  hint: this is a limit of the netlist simulation; bhc cosim --backend rtl has none"
    )


def test_no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netlist, "find_spec", lambda _name: None)
    monkeypatch.setattr(netlist, "which", lambda _name: None)
    with pytest.raises(BhcError) as caught:
        netlist.options(Family.ECP5)
    assert str(caught.value) == (
        "error[BHC501] Yosys' models of its cells (lattice/cells_sim_ecp5.v) were not found\n"
        "  hint: pip install 'bhc[tools]' (or pip install pyosys)"
    )


REFUSED = """\
module bhc_top (
  input clk_i, input rst_ni, input [7:0] s_axis_tdata, input s_axis_tvalid, output s_axis_tready, input s_axis_tlast,
  output [7:0] m_axis_tdata, output m_axis_tvalid, input m_axis_tready, output m_axis_tlast
);
  wire s_a_valid, s_a_ready;
  wire [7:0] s_a_data;
  SDPB #(.READ_MODE(1'b1)) u_ram (.CLKA(clk_i), .CLKB(clk_i));
endmodule
"""


def test_refused_mode(tmp_path: Path) -> None:
    made = Netlist(Family.GOWIN, REFUSED)
    with pytest.raises(BhcError) as caught:
        cosim(WIRE, GRAPH, windows(1), tmp_path, netlist=made)
    assert str(caught.value) == (
        "error[BHC515] this mode of SDPB has no model\n"
        "  hint: this is a limit of the netlist simulation; bhc cosim --backend rtl has none"
    )
