"""Projects of Vivado: the script against a mock of it (tests/tools), what comes out, and what its failures become."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import which

import pytest

import bhc
from bhc import boards, report
from bhc.backends import bitstream, vivado, zynq
from bhc.backends.bitstream import Use
from bhc.backends.runner import Tool, write
from bhc.boards import Shell, Toolchain
from bhc.build import Build
from bhc.diagnostics import BhcError
from bhc.ir.pipeline import Pipeline, Stream
from bhc.ir.types import Kind
from tests import tiny
from tests.backends.test_bitstream import mapped
from tests.backends.test_vitis import BOARD_FILES, TOOLS, VIVADO, parameters, planted, tool

WIRES = Pipeline("wires", {"a": Stream("a", 8, 1, Kind.BIPOLAR, 3)}, (), "a", "a", 100.0, 3, 3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a project for a PYNQ-Z2, beside a source and a memory image that it names."""
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "bhc_zynq.sv").write_text('module bhc_zynq;  // "mem/a.hex"\nendmodule\n')
    (tmp_path / "rtl" / "bhc_zynq_ps7.sv").write_text("module bhc_zynq_ps7;\nendmodule\n")
    (tmp_path / "mem").mkdir()
    (tmp_path / "mem" / "a.hex").write_text("0\n")
    write(vivado.project(WIRES, boards.load("pynq-z2"), 125.0), tmp_path / "vivado")
    return tmp_path / "vivado"


def test_zynq(folder: Path) -> None:
    run = tool(VIVADO, folder / "vivado.tcl")
    assert run.status == 0, run.errors
    assert run.only("create_project").options["-part"] == "xc7z020clg400-1"
    added = [Path(name).name for name in run.only("add_files").operands[0].split()]
    assert added == ["bhc_zynq.sv", "bhc_zynq_bd.v"]
    system = parameters(run, "ps")
    assert float(system["PCW_FPGA0_PERIPHERAL_FREQMHZ"]) == 125
    assert system["PCW_UIPARAM_DDR_PARTNO"] == "MT41J256M16 RE-125"
    assert system["PCW_USE_S_AXI_HP0"] == "1"
    assert "PCW_USE_S_AXI_HP1" not in system
    links = {frozenset(call.operands) for call in run.of("connect_bd_intf_net")}
    assert links == {
        frozenset(pair)
        for pair in (
            ("ps/M_AXI_GP0", "control/S00_AXI"),
            ("control/M00_AXI", "bhc/s_axi"),
            ("bhc/m_axi", "memory0/S00_AXI"),
            ("memory0/M00_AXI", "ps/S_AXI_HP0"),
        )
    }
    registers = run.of("assign_bd_address")[0]
    assert (registers.options["-offset"], registers.options["-range"]) == ("0x43C00000", "4K")
    assert ("bhc/irq_o", "ps/IRQ_F2P") in [call.operands for call in run.of("connect_bd_net")]
    made = folder.parent
    assert {file.name for file in made.glob("bitstream.*")} == {"bitstream.bit", "bitstream.hwh", "bitstream.xsa"}
    assert vivado._fmax(folder / "timing.rpt", 125.0) == pytest.approx(1000 / (8 - 1.234))
    assert list(vivado._use(folder / "utilization.rpt")) == [
        *(Use("LUT", 1015, 53200), Use("FF", 1150, 106400), Use("RAMB36", 2, 140), Use("RAMB18", 1, 280)),
    ]


def test_weights_in_memory_get_ports_of_their_own(folder: Path) -> None:
    """The wrapper of a design with two such layers: its buses go to HP1 and HP2."""
    settings = folder / "settings.tcl"
    settings.write_text(settings.read_text().replace("{m_axi}", "{m_axi m_axi_w0 m_axi_w1}"))
    wrapper = folder / "bhc_zynq_bd.v"
    text = wrapper.read_text()
    port = re.search(r'  \(\* X_INTERFACE_INFO = "[^"]*m_axi ARADDR" \*\)\n.*\n.*m_axi_araddr,\n', text)
    assert port is not None
    more = "".join(port[0].replace("m_axi", f"m_axi_w{n}").replace('READ_WRITE"', 'READ_ONLY"') for n in (0, 1))
    wrapper.write_text(text.replace(port[0], port[0] + more))
    run = tool(VIVADO, folder / "vivado.tcl")
    assert run.status == 0, run.errors
    assert [parameters(run, "ps").get(f"PCW_USE_S_AXI_HP{i}") for i in range(4)] == ["1", "1", "1", None]
    ends = {call.operands for call in run.of("connect_bd_intf_net")}
    assert {("bhc/m_axi_w1", "memory2/S00_AXI"), ("memory2/M00_AXI", "ps/S_AXI_HP2")} <= ends


@pytest.mark.parametrize("name", [name for name in boards.names() if boards.load(name).shell is Shell.ZYNQ])
def test_every_zynq_board_is_known(name: str, folder: Path) -> None:
    """Without the vendor's board files."""
    write(vivado.project(WIRES, boards.load(name), 100.0), folder)
    run = tool(VIVADO, folder / "vivado.tcl")
    assert run.status == 0, run.errors
    assert parameters(run, "ps")["PCW_UIPARAM_DDR_BUS_WIDTH"] == ("32 Bit" if name == "zybo-z7-20" else "16 Bit")


def test_installed_board_files_come_first(folder: Path) -> None:
    run = tool(VIVADO, folder / "vivado.tcl", VENDOR_BOARDS=f"{{{BOARD_FILES}}}")
    assert run.status == 0, run.errors
    assert "PCW_UIPARAM_DDR_PARTNO" not in parameters(run, "ps")


def test_a_board_with_a_uart(tmp_path: Path) -> None:
    board = boards.load("arty-a7-100t")
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl" / "bhc_board.sv").write_text("module bhc_board;\nendmodule\n")
    (tmp_path / "pins.xdc").write_text("\n")
    plan = vivado.project(WIRES, board, 100.0)
    assert set(plan.files) == {"vivado.tcl", "memory.tcl", "settings.tcl"}
    write(plan, tmp_path / "vivado")
    run = tool(VIVADO, tmp_path / "vivado" / "vivado.tcl")
    assert run.status == 0, run.errors
    assert run.of("create_bd_design") == []
    constraints, _sources = run.of("add_files")
    assert constraints.options["-fileset"] == "constrs_1"
    assert {file.name for file in tmp_path.glob("bitstream.*")} == {"bitstream.bit"}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"VENDOR_SLACK": "-0.2"}, "timing is not met: setup slack -0.2 ns at 125 MHz, see timing.rpt"),
        ({"VENDOR_HOLD": "-0.01"}, "timing is not met: hold slack -0.01 ns at 125 MHz, see timing.rpt"),
        ({"VENDOR_PROGRESS": "40%"}, "implementation failed: place_design ERROR; see project/bhc.runs/impl_1"),
        ({"VENDOR_FAIL": "validate_bd_design"}, "validate_bd_design failed"),
    ],
)
def test_a_failing_implementation(folder: Path, environment: dict[str, str], message: str) -> None:
    run = tool(VIVADO, folder / "vivado.tcl", **environment)
    assert run.status == 1
    assert message in run.errors
    assert not (folder.parent / "bitstream.bit").exists()


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("-reference bhc_zynq_bd", "-reference bhc_zynq", "there is no module 'bhc_zynq', or it is not plain Verilog"),
        ("wire bhc/irq_o ps/IRQ_F2P", "", "'ps/IRQ_F2P' is not driven"),
        ("CONFIG.PCW_USE_FABRIC_INTERRUPT 1", "", "there is no pin 'ps/IRQ_F2P'"),
        ("link bhc/$master memory$i/S00_AXI", "", "'bhc/m_axi' is not connected"),
        ("link memory$i/M00_AXI ps/S_AXI_HP$i", "link bhc/$master ps/S_AXI_HP$i", "'bhc/m_axi' is connected already"),
        ("link control/M00_AXI bhc/s_axi", "link control/M00_AXI ps/S_AXI_HP0", "'ps/S_AXI_HP0' is connected already"),
        ("reset/slowest_sync_clk bhc/aclk", "reset/slowest_sync_clk", "'bhc/aclk' is not driven"),
        ("set parts bhc/aresetn", "set parts {}", "'bhc/aresetn' is not driven"),
        ("bhc/s_axi/reg0", "bhc/s_axi/Reg", "there is no address segment 'bhc/s_axi/Reg'"),
        ("synth_checkpoint_mode None", "synth_checkpoint_mode none", "a block design has no 'synth_checkpoint_mode'"),
        ("STEPS.SYNTH_DESIGN.TCL.PRE", "STEPS.SYNTH.TCL.PRE", "a run has no property 'STEPS.SYNTH.TCL.PRE'"),
        ("-norecurse $files", "-recurse $files", "add_files: there is no option '-recurse'"),
    ],
)
def test_faults_in_the_script_are_found(folder: Path, before: str, after: str, message: str) -> None:
    run = tool(VIVADO, planted(folder / "vivado.tcl", before, after))
    assert run.status == 1
    assert message in run.errors


def test_memory_images_are_where_synthesis_looks(folder: Path) -> None:
    planted(folder / "memory.tcl", "file copy $images mem", "")
    run = tool(VIVADO, folder / "vivado.tcl")
    assert run.status == 1
    assert "there is no file 'mem/a.hex'" in run.errors


def test_the_wrapper_has_every_port(tmp_path: Path) -> None:
    """Vivado gets the ports of bhc_zynq, with the interfaces that they make."""
    text = vivado.project(WIRES, boards.load("zybo-z7-20"), 100.0).files["bhc_zynq_bd.v"].decode()
    assert text.count("X_INTERFACE_INFO") == len(zynq.ports(WIRES))
    assert 'X_INTERFACE_PARAMETER = "ASSOCIATED_BUSIF s_axi:m_axi, ASSOCIATED_RESET aresetn"' in text
    assert (
        '(* X_INTERFACE_INFO = "xilinx.com:interface:aximm:1.0 m_axi ARADDR" *)\n'
        '  (* X_INTERFACE_PARAMETER = "PROTOCOL AXI3, DATA_WIDTH 64, ADDR_WIDTH 32, ID_WIDTH 0, MAX_BURST_LENGTH 16, '
        'READ_WRITE_MODE READ_WRITE" *)\n  output wire [31:0] m_axi_araddr,\n'
    ) in text
    assert "logic" not in text


# From bhc build


def built(target: str, model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A build whose netlist a mock of Yosys makes, and Vivado's mock on PATH."""
    if which("tclsh") is None:
        pytest.skip("no tclsh (Debian: apt install tcl)")
    mapped(boards.load(target), monkeypatch)
    monkeypatch.setattr(bitstream, "find", lambda name: Tool((str(TOOLS / name),)) if name == "vivado" else None)
    monkeypatch.setattr(vivado, "find", bitstream.find)
    monkeypatch.setenv("VENDOR_CALLS", str(folder / "calls.json"))
    return bhc.compile(model, target=target, out=folder / "build")


@pytest.mark.parametrize("target", ["pynq-z2", "arty-a7-100t"])
def test_bitstream(target: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = built(target, model, tmp_path, monkeypatch)
    made = build.bitstream()
    assert made.toolchain is Toolchain.VIVADO
    assert made.file == "build/bitstream/bitstream.bit"
    assert (tmp_path / "build" / made.file).read_text() == "bits"
    assert made.fmax_mhz == 114.08
    assert made.use[0] == Use("LUT", 1015, 53200)
    assert set(made.seconds) == {"synth", "vivado"}
    assert (tmp_path / "build" / "logs" / "bitstream-vivado.log").is_file()
    assert report.parse((tmp_path / "build" / "report.json").read_text()).build == made


def test_too_slow(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENDOR_SLACK", "-1.5")
    build = built("pynq-z2", model, tmp_path, monkeypatch)
    with pytest.raises(BhcError) as caught:
        build.bitstream("vivado")
    log = (tmp_path / "build" / "logs" / "bitstream-vivado.log").resolve()
    assert str(caught.value) == (
        f"error[BHC544] {log}: too slow for 100 MHz: place and route reached 86.96 MHz\n"
        "  hint: compile with --clock 86, or with less parallelism (a lower --fps)"
    )
