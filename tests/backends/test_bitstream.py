"""Bitstreams: command lines and constraints, what the failures of tools become, and one real bitstream."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import bhc
from bhc import boards, report
from bhc.backends import bitstream, pins, pll
from bhc.backends.runner import Tool
from bhc.boards import Board, Toolchain
from bhc.build import Build
from bhc.device import Device
from bhc.diagnostics import BhcError
from bhc.ir.fabric import Family
from bhc.ir.pipeline import Pipeline, Resources, Stream
from bhc.ir.types import Kind
from tests import tiny

#: A design of wires, for what does not depend on it.
WIRES = Pipeline("wires", {"a": Stream("a", 8, 1, Kind.BIPOLAR, 3)}, (), "a", "a", 12.0, 3, 3)

#: Stands for nextpnr and for the packers: notes its arguments, writes what they write.
MOCK = """\
#!{python}
import json, os, pathlib, sys
name = pathlib.Path(sys.argv[0]).name
with open(os.environ["MOCK_CALLS"], "a") as file:
    file.write(" ".join([name, *sys.argv[1:]]) + "\\n")
def after(*options):
    return next(sys.argv[i + 1] for i, word in enumerate(sys.argv) if word in options)
if name.startswith("nextpnr"):
    if "MOCK_FULL" in os.environ:
        print("ERROR: Unable to place cell 'x', no BELs remaining to implement cell type 'RAM'")
        sys.exit(1)
    figures = {{"fmax": {{"clk": {{"achieved": float(os.environ.get("MOCK_FMAX", "99.5"))}}}},
               "utilization": {{"LC": {{"used": 7, "available": 70}}, "PLL": {{"used": 0, "available": 1}}}}}}
    pathlib.Path(after("--report")).write_text(json.dumps(figures))
    pathlib.Path(after("--asc", "--textcfg", "--write")).write_text("routed")
else:
    pathlib.Path(sys.argv[2] if name == "icepack" else after("--bit", "-o")).write_bytes(b"bits")
"""
YOSYS = """\
import json, pathlib
module = {"num_cells_by_type": CELLS}
tops = ("\\\\bhc_board", "\\\\bhc_top", "\\\\bhc_zynq_ps7")
pathlib.Path("cells.json").write_text(json.dumps({"modules": dict.fromkeys(tops, module)}))
empty = {"ports": {}, "cells": {}}
pathlib.Path("netlist.json").write_text(json.dumps({"modules": {"bhc_board": empty}}))
"""
CELLS = {
    Family.ICE40: {"SB_LUT4": 5, "SB_DFFE": 2, "SB_RAM40_4K": 3},
    Family.ECP5: {"LUT4": 5, "CCU2C": 1, "TRELLIS_FF": 2, "DP16KD": 3, "EHXPLLL": 1},
    Family.GOWIN: {"LUT4": 5, "DFFE": 2, "SDPB": 3, "IBUF": 2},
    Family.XC7: {"LUT6": 5, "FDRE": 2, "RAMB18E1": 3},
}
PROGRAMS = ("nextpnr-ice40", "icepack", "nextpnr-ecp5", "ecppack", "nextpnr-himbaechel-gowin", "gowin_pack")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Mocks of all tools, alone; the file that gets their command lines."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in PROGRAMS:
        (tools / name).write_text(MOCK.format(python=sys.executable))
        (tools / name).chmod(0o755)
    notes = tmp_path / "calls.txt"
    monkeypatch.setenv("MOCK_CALLS", str(notes))
    monkeypatch.setattr(bitstream, "find", lambda name: Tool((str(tools / name),)) if name in PROGRAMS else None)
    return notes


def mapped(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    """Yosys that has mapped a design of a few cells."""
    script = YOSYS.replace("CELLS", json.dumps(CELLS[board.family]))
    monkeypatch.setattr(bitstream, "find_yosys", lambda: Tool((sys.executable, "-c", script)))


def built(target: str, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> Build:
    mapped(boards.load(target), monkeypatch)
    return bhc.compile(model, target=target, out=folder / "build", **options)  # type: ignore[arg-type]


COMMANDS = {
    "icebreaker": [
        "nextpnr-ice40 --json netlist.json --report figures.json --timing-allow-fail --freq 12 --seed 1 --up5k "
        "--package sg48 --pcf pins.pcf --asc routed.asc",
        "icepack routed.asc bitstream.bin",
    ],
    "ulx3s-85f": [
        "nextpnr-ecp5 --json netlist.json --report figures.json --timing-allow-fail --freq 50 --seed 1 --85k "
        "--package CABGA381 --speed 6 --lpf pins.lpf --textcfg routed.config",
        "ecppack --compress --input routed.config --bit bitstream.bit",
    ],
    "tangnano20k": [
        "nextpnr-himbaechel-gowin --json netlist.json --report figures.json --timing-allow-fail --freq 27 --seed 1 "
        "--device GW2AR-LV18QN88C8/I7 --vopt family=GW2A-18C --vopt cst=pins.cst --write routed.json",
        "gowin_pack -d GW2A-18C -o bitstream.fs routed.json",
    ],
}


@pytest.mark.parametrize("target", COMMANDS)
def test_commands(target: str, model: Path, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = built(target, model, tmp_path, monkeypatch)
    made = build.bitstream()
    assert calls.read_text().splitlines() == COMMANDS[target]
    assert made.toolchain is Toolchain.NEXTPNR
    assert made.file is not None
    assert (tmp_path / "build" / made.file).read_bytes() == b"bits"
    assert (made.bytes, made.fmax_mhz) == (4, 99.5)
    assert made.use == (bitstream.Use("LC", 7, 70),)
    assert made.resources.bram == 3
    kept = report.parse((tmp_path / "build" / "report.json").read_text())
    assert kept.build == made
    assert bhc.load(tmp_path / "build").settings.board == boards.load(target)


@pytest.mark.usefixtures("calls")
def test_rate_of_the_uart(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The design has it, and the driver uses it unless it is told another."""
    build = built("icebreaker", model, tmp_path, monkeypatch)
    assert build.bitstream().baud == 1_000_000
    assert build.bitstream(baud=3_000_000).baud == 3_000_000
    top = tmp_path / "build" / "build" / "bitstream" / "rtl" / "bhc_uart_top.sv"
    assert ".ClocksPerBit(4)" in top.read_text()
    opened: list[tuple[str, int]] = []

    def port(path: str, baud: int) -> None:
        opened.append((path, baud))
        raise RuntimeError("seen")

    monkeypatch.setattr("bhc.device.SerialPort", port)
    for baud in (None, 115_200):
        with pytest.raises(RuntimeError, match="seen"):
            Device(bhc.load(tmp_path / "build"), "/dev/ttyUSB1", baud=baud)
    assert opened == [("/dev/ttyUSB1", 3_000_000), ("/dev/ttyUSB1", 115_200)]


def test_rate_without_a_uart(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BhcError) as caught:
        built("pynq-z2", model, tmp_path, monkeypatch).bitstream(baud=115_200)
    assert str(caught.value) == "error[BHC602] --baud: pynq-z2 has no UART\n  hint: leave it out"


CONSTRAINTS = {
    "icebreaker": "set_frequency clk_i 12\nset_io clk_i 35\nset_io uart_rx_i 6\nset_io uart_tx_o 9\nset_io reset_i 10\n"
    "set_io led_o 37\n",
    "ulx3s-85f": 'FREQUENCY PORT "clk_i" 25 MHZ;\n'
    'LOCATE COMP "clk_i" SITE "G2";\nIOBUF PORT "clk_i" IO_TYPE=LVCMOS33;\n'
    'LOCATE COMP "uart_rx_i" SITE "M1";\nIOBUF PORT "uart_rx_i" IO_TYPE=LVCMOS33;\n'
    'LOCATE COMP "uart_tx_o" SITE "L4";\nIOBUF PORT "uart_tx_o" IO_TYPE=LVCMOS33;\n'
    'LOCATE COMP "led_o" SITE "B2";\nIOBUF PORT "led_o" IO_TYPE=LVCMOS33;\n',
    "tangnano20k": 'IO_LOC "clk_i" 4;\nIO_PORT "clk_i" IO_TYPE=LVCMOS33;\n'
    'IO_LOC "uart_rx_i" 70;\nIO_PORT "uart_rx_i" IO_TYPE=LVCMOS33;\n'
    'IO_LOC "uart_tx_o" 69;\nIO_PORT "uart_tx_o" IO_TYPE=LVCMOS33;\n'
    'IO_LOC "led_o" 15;\nIO_PORT "led_o" IO_TYPE=LVCMOS33;\n',
    "arty-a7-100t": "create_clock -name clk_i -period 10.000 [get_ports clk_i]\n"
    "set_property LOC E3 [get_ports clk_i]\nset_property IOSTANDARD LVCMOS33 [get_ports clk_i]\n"
    "set_property LOC A9 [get_ports uart_rx_i]\nset_property IOSTANDARD LVCMOS33 [get_ports uart_rx_i]\n"
    "set_property LOC D10 [get_ports uart_tx_o]\nset_property IOSTANDARD LVCMOS33 [get_ports uart_tx_o]\n"
    "set_property LOC C2 [get_ports reset_i]\nset_property IOSTANDARD LVCMOS33 [get_ports reset_i]\n"
    "set_property LOC H5 [get_ports led_o]\nset_property IOSTANDARD LVCMOS33 [get_ports led_o]\n",
}


@pytest.mark.parametrize("target", CONSTRAINTS)
def test_constraints(target: str) -> None:
    board = boards.load(target)
    placed = pins.emit(WIRES, board, board.clock_mhz)
    assert placed.plan.files[placed.constraints].decode() == CONSTRAINTS[target]
    assert placed.clock.mhz == board.clock_mhz


def test_buttons_and_lamps_that_are_on_at_0() -> None:
    board = boards.load("icebreaker")
    text = pins.emit(WIRES, board, 12).plan.files["rtl/bhc_board.sv"].decode()
    assert "locked & ~(~reset_i)" in text
    assert "assign led_o = ~rst_n;" in text
    bare = replace(board, pins={name: board.pins[name] for name in ("uart_rx", "uart_tx")})
    text = pins.emit(WIRES, bare, 12).plan.files["rtl/bhc_board.sv"].decode()
    assert "reset_i" not in text
    assert "led_o" not in text


@pytest.mark.parametrize(
    ("family", "die", "given", "wanted", "parts"),
    [
        (Family.ICE40, None, 12, 24, ("DIVR(4'd0)", "DIVF(7'd63)", "DIVQ(3'd5)", "FILTER_RANGE(3'd1)")),
        (Family.ECP5, None, 25, 50, ("CLKI_DIV(1)", "CLKFB_DIV(2)", 'FREQUENCY_PIN_CLKOP="50"')),
        (Family.GOWIN, "GW2A-18C", 27, 54, ("IDIV_SEL(0)", "FBDIV_SEL(1)", 'DEVICE("GW2AR-18C")')),
        (Family.XC7, None, 100, 125, ("CLKFBOUT_MULT(10)", "CLKOUT0_DIVIDE(8)", "DIVCLK_DIVIDE(1)")),
    ],
)
def test_pll(family: Family, die: str | None, given: float, wanted: float, parts: tuple[str, ...]) -> None:
    found = pll.clock(family, die, given, wanted)
    assert found.mhz == wanted
    text = "\n".join(found.lines)
    assert all(part in text for part in parts), text


def test_no_pll_where_the_clock_is_right() -> None:
    assert pll.clock(Family.ICE40, None, 12, 12).lines == ("  assign clk = clk_i;", "  assign locked = 1'b1;")


def test_a_clock_is_not_above_what_was_asked_for() -> None:
    assert pll.clock(Family.GOWIN, "GW1N-9C", 27, 50).mhz == 49.5


def test_no_such_clock() -> None:
    with pytest.raises(BhcError) as caught:
        pll.clock(Family.ICE40, None, 12, 6)
    assert str(caught.value) == (
        "error[BHC540] --clock: the PLL makes no 6 MHz of the board's 12 MHz\n"
        "  hint: 12 MHz needs no PLL; the nearest that the PLL makes is 8.4375 MHz"
    )


def test_too_slow(model: Path, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_FMAX", "11.37")
    build = built("icebreaker", model, tmp_path, monkeypatch)
    with pytest.raises(BhcError) as caught:
        build.bitstream()
    log = (tmp_path / "build" / "logs" / "bitstream-route.log").resolve()
    assert str(caught.value) == (
        f"error[BHC544] {log}: too slow for 12 MHz: place and route reached 11.37 MHz\n"
        "  hint: compile with --clock 11, or with less parallelism (a lower --fps)"
    )
    assert build.report.build is None
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["nextpnr-ice40"]


@pytest.mark.usefixtures("calls")
def test_too_big(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_FULL", "")
    with pytest.raises(BhcError) as caught:
        built("ulx3s-85f", model, tmp_path, monkeypatch).bitstream()
    log = (tmp_path / "build" / "logs" / "bitstream-route.log").resolve()
    assert str(caught.value) == (
        f"error[BHC543] {log}: does not fit ulx3s-85f: 7 LUT4 of 83,640, 3 EBR of 208:\n"
        "  | ERROR: Unable to place cell 'x', no BELs remaining to implement cell type 'RAM'\n"
        "  hint: compile with a lower --fps or a smaller --folding, or for a larger board"
    )


def test_nothing_installed(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitstream, "find", lambda _name: None)
    with pytest.raises(BhcError) as caught:
        built("tangnano9k", model, tmp_path, monkeypatch).bitstream()
    assert str(caught.value) == (
        "error[BHC541] no bitstream was made for tangnano9k: nextpnr is missing\n  hint: pip install 'bhc[build]'"
    )


def test_netlist_of_a_zynq(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures are kept although there is no bitstream, and so is what Vivado would be given."""
    monkeypatch.setattr(bitstream, "find", lambda _name: None)
    build = built("pynq-z2", model, tmp_path, monkeypatch)
    with pytest.raises(BhcError) as caught:
        build.bitstream()
    assert str(caught.value) == (
        "error[BHC541] no bitstream was made for pynq-z2: vivado and openxc7 are missing\n"
        "  hint: AMD Vivado (its free edition will do), with vivado on PATH or openXC7 "
        "(github.com/openXC7/toolchain-installer), with nextpnr-xilinx, fasm2frames and xc7frames2bit on PATH; the "
        "netlist is build/bitstream/netlist.json, Vivado's project build/bitstream/vivado/vivado.tcl"
    )
    made = report.parse((tmp_path / "build" / "report.json").read_text()).build
    assert made is not None
    assert (made.toolchain, made.file, made.fmax_mhz) == (None, None, None)
    assert made.resources == Resources(lut=5, ff=2, bram=1.5)
    project = tmp_path / "build" / "build" / "bitstream" / "vivado"
    assert {file.name for file in project.iterdir()} == {
        *("vivado.tcl", "memory.tcl", "settings.tcl", "bhc_zynq_bd.v", "zynq.tcl", "ps7.tcl", "manifest.txt")
    }


def test_a_toolchain_that_is_not_there(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitstream, "find", lambda _name: None)
    with pytest.raises(BhcError, match=r"BHC541.*for pynq-z2: vivado is missing\n  hint: AMD Vivado.* the netlist is"):
        built("pynq-z2", model, tmp_path, monkeypatch).bitstream("vivado")
    assert (tmp_path / "build" / "build" / "bitstream" / "netlist.json").is_file()


def test_a_board_without_toolchains(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = built("pynq-z2", model, tmp_path, monkeypatch)
    build.settings = replace(build.settings, board=replace(build.settings.board, toolchains=(), shell=None))
    with pytest.raises(BhcError) as caught:
        build.bitstream()
    assert str(caught.value) == (
        "error[BHC541] no bitstream was made for pynq-z2: its file names no toolchain\n"
        "  hint: the netlist is build/bitstream/netlist.json"
    )


def test_another_boards_toolchain(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BhcError) as caught:
        built("icebreaker", model, tmp_path, monkeypatch).bitstream("vivado")
    assert str(caught.value) == (
        "error[BHC542] --toolchain vivado: makes no bitstreams for icebreaker\n  hint: use nextpnr"
    )


@pytest.mark.usefixtures("calls")
def test_a_part_that_nextpnr_does_not_know(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = boards.load("ulx3s-85f")
    build = built("ulx3s-85f", model, tmp_path, monkeypatch)
    build.settings = replace(build.settings, board=replace(board, part="LFE3-17"))
    with pytest.raises(BhcError, match=r"BHC542.*nextpnr knows no part LFE3-17\n.*write it as LFE5U-85F-6BG381C"):
        build.bitstream()


def test_only_verilog(model: Path, tmp_path: Path) -> None:
    build = bhc.compile(model, target="pynq-z2", backend="hls", out=tmp_path / "build")
    with pytest.raises(BhcError, match=r"BHC602.*a bitstream is made of Verilog, and the build is of the backend hls"):
        build.bitstream()


def test_a_program_beside_python_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, name in (("env", "yowasp-icepack"), ("env", "icepack"), ("system", "icepack"), ("system", "ecppack")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).touch(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "env" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "system"))
    assert bitstream.find("icepack") == Tool((str(tmp_path / "env" / "yowasp-icepack"),))
    assert bitstream.find("ecppack") == Tool((str(tmp_path / "system" / "ecppack"),))
    assert bitstream.find("vivado") is None


@pytest.mark.slow
def test_real_bitstream(model: Path, tmp_path: Path) -> None:
    """All of the way to a file that an iCE40 takes."""
    if not bitstream.is_installed(Toolchain.NEXTPNR, Family.ICE40):
        pytest.skip("no nextpnr-ice40: pip install 'bhc[build]'")
    build = bhc.compile(model, target="icebreaker", fps=1000, out=tmp_path)
    made = build.bitstream()
    assert made.file is not None
    content = (tmp_path / made.file).read_bytes()
    assert content[:2] == b"\xff\x00"
    assert b"\x7e\xaa\x99\x7e" in content[:64]
    assert made.fmax_mhz is not None
    assert made.fmax_mhz >= 12
    use = {row.unit: row.used for row in made.use}
    # What Yosys is said to have made is what nextpnr finds, but for the cells that carry chains and routing add.
    assert made.resources.lut <= use["ICESTORM_LC"] <= 1.1 * made.resources.lut
    assert use["ICESTORM_RAM"] == made.resources.bram
    assert (tmp_path / "logs" / "bitstream-route.log").stat().st_size > 0
