"""openXC7: its command lines by mock tools, where its database is, and which cells are safe."""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import bhc
from bhc import boards
from bhc.backends import bitstream, openxc7, ps7
from bhc.backends.bitstream import Use
from bhc.backends.runner import Job, Tool, find_verilator, run, write
from bhc.boards import Toolchain
from bhc.build import Build
from bhc.diagnostics import BhcError
from tests import tiny
from tests.backends.test_bitstream import WIRES, mapped

#: Stands for nextpnr-xilinx, fasm2frames and xc7frames2bit.
MOCK = """\
#!{python}
import os, pathlib, sys
name = pathlib.Path(sys.argv[0]).name
with open(os.environ["MOCK_CALLS"], "a") as file:
    file.write(" ".join([name, *sys.argv[1:]]) + "\\n")
if name.startswith("nextpnr"):
    if "MOCK_FULL" in os.environ:
        print("ERROR: Unable to place cell 'x', no Bels remaining of type RAMB36E1_RAMB36E1")
        sys.exit(1)
    print("Info: Device utilisation:")
    print("Info: \\t         SLICE_LUTX:  1805/106400     1%")
    print("Info: \\t     PS7_PS7:     1/    1   100%")
    print("Info: \\t  RAMB36E1_RAMB36E1:     0/  140     0%")
    print("Info: Max frequency for clock 'clk': 140.00 MHz (PASS at 100.00 MHz)")
    print("Info: Max frequency for clock 'clk': %s MHz (PASS at 100.00 MHz)" % os.environ.get("MOCK_FMAX", "120.50"))
    output = next(word.split("=")[-1] for word in sys.argv if word.endswith("routed.fasm"))
else:
    output = sys.argv[-1]
pathlib.Path(output).write_text(name)
"""
PROGRAMS = ("nextpnr-xilinx", "nextpnr-himbaechel", "fasm2frames", "xc7frames2bit")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Mocks of the programs, alone, and a database; the folder of the programs."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text(MOCK.format(python=sys.executable))
        (folder / name).chmod(0o755)

    def find(name: str) -> Tool | None:
        return Tool((str(folder / name),)) if (folder / name).is_file() else None

    for module in (bitstream, openxc7):
        monkeypatch.setattr(module, "find", find)
    part = tmp_path / "db" / "zynq7" / "xc7z020clg400-1"
    part.mkdir(parents=True)
    (part / "part.yaml").touch()
    (tmp_path / "chips").mkdir()
    (tmp_path / "chips" / "xc7z020clg400.bin").touch()
    for variable in ("NEXTPNR_XILINX_DIR", "CHIPDB"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PRJXRAY_DB_DIR", str(tmp_path / "db"))
    monkeypatch.setenv("ZYNQ7_CHIPDB", str(tmp_path / "chips"))
    monkeypatch.setenv("MOCK_CALLS", str(tmp_path / "calls.txt"))
    return folder


def built(model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    mapped(boards.load("pynq-z2"), monkeypatch)
    return bhc.compile(model, target="pynq-z2", out=folder / "build")


@pytest.mark.usefixtures("tools")
def test_commands(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = built(model, tmp_path, monkeypatch).bitstream()
    bits = tmp_path / "db" / "zynq7"
    assert (tmp_path / "calls.txt").read_text().splitlines() == [
        "nextpnr-xilinx --json netlist.json --freq 100 --seed 1 --timing-allow-fail --chipdb "
        f"{tmp_path}/chips/xc7z020clg400.bin --xdc pins.xdc --fasm routed.fasm",
        f"fasm2frames --part xc7z020clg400-1 --db-root {bits} routed.fasm frames.txt",
        f"xc7frames2bit --part_file {bits}/xc7z020clg400-1/part.yaml --part_name xc7z020clg400-1 --frm_file frames.txt "
        "--output_file bitstream.bit",
    ]
    assert made.toolchain is Toolchain.OPENXC7
    assert made.file is not None
    assert (tmp_path / "build" / made.file).read_text() == "xc7frames2bit"
    assert made.fmax_mhz == 120.5
    assert made.use == (Use("SLICE_LUTX", 1805, 106400), Use("PS7_PS7", 1, 1))
    assert set(made.seconds) == {"synth", "route", "pack"}
    folder = tmp_path / "build" / "build" / "bitstream"
    assert (folder / "pins.xdc").read_text() == (
        "create_clock -name clk -period 10.000 [get_nets clk]\n"
        "set_property LOC R14 [get_ports led_o]\nset_property IOSTANDARD LVCMOS33 [get_ports led_o]\n"
    )
    script = (folder / "synth.ys").read_text()
    assert (
        "-nodsp -top bhc_zynq_ps7 -nolutram -nosrl -run begin:map_memory\nmemory_libmap -lib safe_brams.txt\n" in script
    )
    assert ".Style(2)" in (folder / "rtl" / "bhc_zynq.sv").read_text()


def test_nextpnr_himbaechel(model: Path, tmp_path: Path, tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It brings its own database of chips."""
    (tools / "nextpnr-xilinx").unlink()
    monkeypatch.delenv("ZYNQ7_CHIPDB")
    built(model, tmp_path, monkeypatch).bitstream("openxc7")
    assert (tmp_path / "calls.txt").read_text().splitlines()[0] == (
        "nextpnr-himbaechel --json netlist.json --freq 100 --seed 1 --timing-allow-fail --device xc7z020clg400-1 "
        "-o xdc=pins.xdc -o fasm=routed.fasm"
    )


@pytest.mark.usefixtures("tools")
def test_too_slow(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_FMAX", "83.30")
    with pytest.raises(BhcError, match=r"BHC544.*too slow for 100 MHz: place and route reached 83.30 MHz"):
        built(model, tmp_path, monkeypatch).bitstream()
    assert not (tmp_path / "build" / "build" / "bitstream" / "bitstream.bit").exists()


@pytest.mark.usefixtures("tools")
def test_too_big(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCK_FULL", "")
    with pytest.raises(BhcError, match=r"BHC543.*does not fit pynq-z2: 5 LUT of 53,200, 1.5 BRAM36 of 140:"):
        built(model, tmp_path, monkeypatch).bitstream()


@pytest.mark.usefixtures("tools")
def test_no_database(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = built(model, tmp_path, monkeypatch)
    monkeypatch.delenv("ZYNQ7_CHIPDB")
    with pytest.raises(BhcError) as caught:
        build.bitstream("openxc7")
    assert str(caught.value) == (
        "error[BHC545] nextpnr-xilinx has no chip database xc7z020clg400.bin\n"
        "  hint: set ZYNQ7_CHIPDB to its folder; to make it: bbaexport.py --device xc7z020clg400-1 --bba x.bba, "
        "then bbasm -l x.bba xc7z020clg400.bin"
    )
    monkeypatch.delenv("PRJXRAY_DB_DIR")
    with pytest.raises(BhcError) as caught:
        build.bitstream("openxc7")
    assert str(caught.value) == (
        "error[BHC545] the database of Project X-Ray for xc7z020clg400-1 was not found\n"
        "  hint: set PRJXRAY_DB_DIR to where zynq7/xc7z020clg400-1/part.yaml is (github.com/openXC7/prjxray-db)"
    )


def cell(kind: str, **parameters: object) -> dict[str, object]:
    """As Yosys writes it: numbers in binary, texts as they are."""
    plain = {name: f"{value:032b}" if isinstance(value, int) else value for name, value in parameters.items()}
    return {"type": kind, "parameters": plain}


def test_unsafe_cells() -> None:
    widths = dict.fromkeys(("READ_WIDTH_A", "WRITE_WIDTH_B"), 0)
    cells = {
        "lut": cell("LUT6"),
        "processor": cell("PS7"),
        "good18": cell("RAMB18E1", **widths, RAM_MODE="TDP", READ_WIDTH_B=18, WRITE_WIDTH_A=18),
        "good36": cell("RAMB36E1", **widths, RAM_MODE="TDP", READ_WIDTH_B=36, WRITE_WIDTH_A=18),
        "bytes": cell("RAMB36E1", **widths, RAM_MODE="TDP", READ_WIDTH_B=9, WRITE_WIDTH_A=1),
        "wide": cell("RAMB36E1", RAM_MODE="SDP", READ_WIDTH_A=72, WRITE_WIDTH_B=72),
        "wide18": cell("RAMB18E1", RAM_MODE="SDP", READ_WIDTH_A=36, WRITE_WIDTH_B=36),
        "shift": cell("SRL16E"),
        "product": cell("DSP48E1"),
    }
    assert list(openxc7.unsafe({"modules": {"top": {"cells": cells}}})) == [
        "bytes (RAMB36E1, TDP, 1/9 bits)",
        "wide (RAMB36E1, SDP, 72 bits)",
        "wide18 (RAMB18E1, SDP, 36 bits)",
        "shift (SRL16E)",
        "product (DSP48E1)",
    ]


@pytest.mark.usefixtures("tools")
def test_an_unsafe_netlist_is_not_routed(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = built(model, tmp_path, monkeypatch)
    cells = {f"c{i}": cell("SRL16E") for i in range(7)}
    real = bitstream.synthesize

    def synthesize(*arguments: object, **options: object) -> bitstream.Synthesized:
        made = real(*arguments, **options)  # type: ignore[arg-type]
        (made.folder / "netlist.json").write_text(json.dumps({"modules": {"bhc_zynq_ps7": {"cells": cells}}}))
        return made

    monkeypatch.setattr(bitstream, "synthesize", synthesize)
    with pytest.raises(BhcError) as caught:
        build.bitstream("openxc7")
    netlist = (tmp_path / "build" / "build" / "bitstream" / "netlist.json").resolve()
    assert str(caught.value) == (
        f"error[BHC546] {netlist}: cells that openXC7 may get wrong in silence: c0 (SRL16E), c1 (SRL16E), c2 (SRL16E), "
        "c3 (SRL16E), c4 (SRL16E), and 2 more\n  hint: use --toolchain vivado; report it"
    )
    assert not (tmp_path / "calls.txt").exists()


# The top of a Zynq


def test_processor_system() -> None:
    """Ports of PS7 that the design needs, each once."""
    text = ps7.emit(WIRES, boards.load("pynq-z2"), 100.0).plan.files["rtl/bhc_zynq_ps7.sv"].decode()
    assert text.count(".MAXIGP0ARADDR(gp0_araddr)") == 1
    assert text.count(".SAXIHP0RDATA(m_axi_rdata)") == 1
    assert ".SAXIHP0ARSIZE(m_axi_arsize[1:0])" in text
    assert "SAXIHP1" not in text
    assert ".IRQF2P({19'b0, irq})" in text
    assert "assign led_o = rst_n;" in text


@pytest.mark.slow
def test_real_netlist_is_safe(model: Path, tmp_path: Path) -> None:
    """With Yosys: shell and network as openXC7 takes them."""
    build = bhc.compile(model, target="pynq-z2", fps=1000, out=tmp_path)
    made = bitstream.synthesize(build.pipeline, build.settings.board, 100.0, tmp_path, safe=True)
    openxc7._check(made.folder / "netlist.json")
    assert made.area.resources.dsp == 0
    assert made.area.resources.bram > 0
    cells = json.loads((made.folder / "cells.json").read_text())["design"]["num_cells_by_type"]
    assert cells["PS7"] == cells["BUFG"] == 1


def test_the_processor_has_the_ports_that_are_connected(tmp_path: Path) -> None:
    """Verilator, warnings being errors, with Yosys's declaration of PS7: names, directions and widths."""
    package = find_spec("pyosys")
    if package is None or not package.submodule_search_locations:
        pytest.skip("no pyosys, which declares PS7")
    declared = Path(package.submodule_search_locations[0]) / "share" / "xilinx" / "cells_xtra.v"
    found = re.search(r"^module PS7\(.*?^endmodule$", declared.read_text(), re.DOTALL | re.MULTILINE)
    assert found is not None
    build = bhc.compile(tiny.save_model(tmp_path), target="pynq-z2")
    write(ps7.emit(build.pipeline, build.settings.board, 100.0).plan, tmp_path)
    foreign = "\n".join(
        [
            *(f"/* verilator lint_off {rule} */" for rule in ("DECLFILENAME", "UNDRIVEN", "UNUSEDSIGNAL")),
            *(found[0], "module BUFG(input I, output O); assign O = I; endmodule", ""),
        ]
    )
    (tmp_path / "foreign.v").write_text(foreign)
    tool, _root = find_verilator()
    options = ("--lint-only", "-Wall", "-Wno-PINMISSING", "--top-module", ps7.TOP, "foreign.v")
    sources = [str(file.relative_to(tmp_path)) for file in sorted((tmp_path / "rtl").glob("*.sv"))]
    run(Job(tool, (*options, *sources), tmp_path, tmp_path / "lint.log"))
