"""The vendor's side of an HLS build: scripts against mocks of the tools (tests/tools), the testbench with g++."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from bhc.backends import hls, vitis
from bhc.backends.beats import beat_bytes, unpack
from bhc.backends.plan import BuildPlan
from bhc.backends.runner import write
from bhc.diagnostics import BhcError
from bhc.ir import stream
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Conv, Dense, IntArray, MaxPool, Threshold
from bhc.ir.pipeline import Pipeline, Stream
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import BIPOLAR_RANGE, Kind, Range, Type
from tests import tiny
from tests.strategies import DEVICE

TOOLS = Path(__file__).resolve().parent.parent / "tools"
PART = "xc7z020clg400-1"
VITIS_HLS = ("vitis_hls", "-f")
VITIS_RUN = ("vitis-run", "--mode", "hls", "--tcl")
VIVADO = ("vivado", "-mode", "batch", "-source")
BOARD_FILES = "tul.com.tw:pynq-z2:part0:1.0"


@dataclass(frozen=True)
class Call:
    """A command that a mock was given."""

    command: str
    options: Mapping[str, str]
    operands: tuple[str, ...]


@dataclass(frozen=True)
class Run:
    """What a mock saw, and how it ended."""

    status: int
    errors: str
    calls: tuple[Call, ...]

    def of(self, command: str) -> list[Call]:
        return [call for call in self.calls if call.command == command]

    def only(self, command: str) -> Call:
        (call,) = self.of(command)
        return call

    def commands(self) -> list[str]:
        return [call.command for call in self.calls]


def tool(command: tuple[str, ...], script: Path, **environment: str) -> Run:
    """Give a script to a mock of a tool."""
    if which("tclsh") is None:
        pytest.skip("no tclsh (Debian: apt install tcl)")
    log = script.parent / "calls.json"
    done = subprocess.run(
        [*command, script.name],
        cwd=script.parent,
        env={**os.environ, "PATH": f"{TOOLS}:{os.environ['PATH']}", "VENDOR_CALLS": str(log), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = log.read_text().splitlines() if log.is_file() else []
    calls = (json.loads(line) for line in lines)
    return Run(
        done.returncode,
        done.stderr,
        tuple(Call(call["command"], call["options"], tuple(call["operands"])) for call in calls),
    )


def scheduled(graph: Graph) -> Pipeline:
    return schedule(graph, "test", Target(100.0, DEVICE, Rate(10**9)))


def emit(graph: Graph, part: str = PART, board: str = "pynq-z2") -> BuildPlan:
    pipeline = scheduled(graph)
    return hls.emit(pipeline) | vitis.emit(
        pipeline, graph, part=part, board=board, clock_mhz=125.0, zynq=part.startswith("xc7z")
    )


@cache
def residual() -> BuildPlan:
    return emit(tiny.residual())


def wide() -> Graph:
    """A small graph with padded transfers of more than 64 bits: 9 x 9 bits in, 9 x 1 bit out, if nothing is folded."""
    build = Builder()
    x = build.input("input", Type((3, 9), Range(-200, 255)))
    steps = np.linspace(-190, 250, 9).astype(np.int64).reshape(9, 1)
    return build.graph([build.add(Threshold(steps, np.arange(9) % 2 == 0, bipolar=True), [x], name="sign")])


def streamed() -> Graph:
    """Hops of a convolution, a pool and a dense layer; the first two have no result."""
    rng = np.random.default_rng(8)
    build = Builder()
    x = build.input("input", Type((12, 3), Range(-8, 7)))
    x = build.add(Conv(rng.integers(-3, 4, (4, 3, 1, 3))), [x], name="conv")
    x = build.add(Threshold(np.zeros((1, 1), np.int64), np.zeros(1, np.bool_), bipolar=True), [x], name="sign")
    x = build.add(MaxPool((2, 1), (2, 1)), [x], name="pool")
    x = build.add(Dense(rng.choice(np.array([-1, 1]), (3, 20))), [x], name="fc")
    return stream.rewrite(build.graph([x]), 4).graph


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """The hls/ folder of a build of the residual graph."""
    write(residual(), tmp_path)
    return tmp_path / "hls"


@pytest.fixture
def packed(build: Path) -> Path:
    """The same with the IP that Vitis HLS has exported."""
    run = tool(VITIS_HLS, build / "run_hls.tcl", BHC_STEPS="export")
    assert run.status == 0, run.errors
    return build


def planted(script: Path, before: str, after: str) -> Path:
    """The script with a fault."""
    text = script.read_text()
    assert before in text
    script.write_text(text.replace(before, after, 1))
    return script


# Vitis HLS


@pytest.mark.parametrize("command", [VITIS_HLS, VITIS_RUN], ids=lambda command: command[0])
def test_vitis_hls(build: Path, command: tuple[str, ...]) -> None:
    run = tool(command, build / "run_hls.tcl")
    assert run.status == 0, run.errors
    assert run.commands() == [
        *("open_project", "set_top", "add_files", "add_files", "open_solution", "set_part", "create_clock"),
        *("csim_design", "csynth_design", "export_design"),
    ]
    assert run.only("set_top").operands == ("bhc_top",)
    source, testbench = run.of("add_files")
    assert (source.operands, testbench.operands) == (("bhc_top.cpp",), ("bhc_top_tb.cpp",))
    assert "-tb" not in source.options
    assert "-tb" in testbench.options
    assert all(f"hls/{call.operands[0]}" in residual().files for call in (source, testbench))
    assert source.options["-cflags"] == "-std=c++17"
    assert run.only("open_solution").options["-flow_target"] == "vivado"
    assert run.only("set_part").operands == (PART,)
    assert float(run.only("create_clock").options["-period"]) == 8.0
    exported = run.only("export_design").options
    assert exported == {"-format": "ip_catalog", "-output": str(build / "bhc_top.zip")}


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("csim", ["csim_design"]),
        ("cosim", ["csynth_design", "cosim_design"]),
        ("export", ["csynth_design", "export_design"]),
        (" cosim,export, csim ", ["csim_design", "csynth_design", "cosim_design", "export_design"]),
        ("", []),
    ],
)
def test_steps(build: Path, steps: str, expected: list[str]) -> None:
    run = tool(VITIS_HLS, build / "run_hls.tcl", BHC_STEPS=steps)
    assert run.status == 0, run.errors
    assert run.commands()[7:] == expected


def test_an_unknown_step(build: Path) -> None:
    run = tool(VITIS_HLS, build / "run_hls.tcl", BHC_STEPS="csim synth")
    assert (run.status, run.calls) == (1, ())
    assert "BHC_STEPS names 'synth'; the steps are csim csynth cosim export" in run.errors


def test_a_failing_step_ends_the_run(build: Path) -> None:
    run = tool(VITIS_HLS, build / "run_hls.tcl", VENDOR_FAIL="csim_design")
    assert run.status == 1
    assert run.commands()[-1] == "csim_design"


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("csynth_design", "csynth_desing", "invalid command name 'csynth_desing'"),
        ("-flow_target", "-flow-target", "open_solution: there is no option '-flow-target'"),
        ("-flow_target vivado", "-flow_target vivdao", "open_solution: -flow_target cannot be 'vivdao'"),
        ("-format ip_catalog", "-format ip-catalog", "export_design: -format cannot be 'ip-catalog'"),
        ("set_top bhc_top", "set_top", "set_top: 0 arguments, not 1 to 1"),
        ("set_part $part", "set_part $part 2", "set_part: 2 arguments, not 1 to 1"),
        ("bhc_top_tb.cpp", "bhc_tb.cpp", "there is no file 'bhc_tb.cpp'"),
        ("set_top bhc_top\n", "\n", "the top, a source, the part or the clock is missing"),
        ("lappend ordered $step", "lmap x $known {}", "invalid command name 'lmap'"),
    ],
)
def test_faults_in_run_hls_are_found(build: Path, before: str, after: str, message: str) -> None:
    run = tool(VITIS_HLS, planted(build / "run_hls.tcl", before, after), BHC_STEPS="csim export")
    assert run.status == 1
    assert message in run.errors


# Vivado


def parameters(run: Run, cell: str) -> dict[str, str]:
    """Parameters that were given to a cell."""
    found: dict[str, str] = {}
    for call in run.of("set_property"):
        if call.operands[-1] == cell:
            words = re.findall(r"\{[^{}]*\}|\S+", call.options["-dict"])
            found.update(zip(words[::2], (word.strip("{}") for word in words[1::2]), strict=True))
    return {name.removeprefix("CONFIG."): value for name, value in found.items()}


def stream_path(run: Run, start: str) -> list[str]:
    """Interfaces that a stream passes, from a master on: in and out of every converter."""
    links: dict[str, str] = {}
    for call in run.of("connect_bd_intf_net"):
        master, slave = call.operands
        assert master not in links
        links[master] = slave
    path = [start]
    while path[-1] in links:
        path.append(links[path[-1]])
        if path[-1].endswith("/S_AXIS"):
            path.append(path[-1].removesuffix("S_AXIS") + "M_AXIS")
    return path


@pytest.mark.parametrize("board_files", ["", BOARD_FILES])
def test_vivado(packed: Path, board_files: str) -> None:
    """The mock checks that every clock, reset, stream and address is connected, once, to what fits it."""
    run = tool(VIVADO, packed / "block_design.tcl", VENDOR_BOARDS=board_files)
    assert run.status == 0, run.errors
    assert all((packed / f"bhc.{suffix}").is_file() for suffix in ("bit", "hwh", "xsa"))
    assert run.only("create_project").options["-part"] == PART
    system = parameters(run, "ps")
    assert system["PCW_FPGA0_PERIPHERAL_FREQMHZ"] == "125"
    # The board's own settings come from its files, or else from bhc.
    boards = [call.operands for call in run.of("set_property") if call.operands[0] == "board_part"]
    assert boards == ([("board_part", BOARD_FILES, "project")] if board_files else [])
    assert system.get("PCW_UIPARAM_DDR_BUS_WIDTH") == (None if board_files else "16 Bit")
    assert system.get("PCW_CRYSTAL_PERIPHERAL_FREQMHZ") == (None if board_files else "50")
    assert [call.options.get("-offset") for call in run.of("assign_bd_address")] == ["0x40000000", "0x40400000", None]
    # Whatever is created is connected, whatever is connected was created.
    created = {call.operands[0] for call in run.of("create_bd_cell")}
    ends = [end for call in run.of("connect_bd_intf_net") for end in call.operands]
    pins = [pin for call in run.of("connect_bd_net") for pin in call.operands[1:]]
    assert len(set(ends)) == len(ends)
    assert len(set(pins)) == len(pins)
    assert {end.partition("/")[0] for end in ends} == created - {"reset"}
    assert {pin.partition("/")[0] for pin in pins} == created
    order = [name for name in run.commands() if name in {"validate_bd_design", "launch_runs", "write_hw_platform"}]
    assert order == ["validate_bd_design", "launch_runs", "write_hw_platform"]


@pytest.mark.parametrize(
    ("bytes_per_beat", "memory", "converters"),
    [
        (1, 1, []),
        (2, 2, []),
        (3, 4, ["padding"]),
        (8, 8, []),
        (5, 8, ["padding"]),
        (13, 16, ["width", "padding"]),
        (64, 64, ["width"]),
        (65, 128, ["width", "padding"]),
        (512, 512, ["width"]),
    ],
)
def test_widths(packed: Path, bytes_per_beat: int, memory: int, converters: list[str]) -> None:
    """Memory holds beats in a power of two of bytes; converters widen and drop the padding, and the other way round."""
    settings = packed / "settings.tcl"
    settings.write_text(re.sub(r"put_bytes \d+", f"put_bytes {bytes_per_beat}", settings.read_text()))
    (packed / "bhc_top.zip").write_text(f"s_axis {8 * bytes_per_beat} m_axis {8 * bytes_per_beat}")
    run = tool(VIVADO, packed / "block_design.tcl")
    assert run.status == 0, run.errors
    dma = parameters(run, "dma")
    assert int(dma["c_m_axis_mm2s_tdata_width"]) == int(dma["c_s_axis_s2mm_tdata_width"]) == 8 * min(memory, 8)

    before = [end for name in converters for end in (f"input_{name}/S_AXIS", f"input_{name}/M_AXIS")]
    after = [end for name in reversed(converters) for end in (f"output_{name}/S_AXIS", f"output_{name}/M_AXIS")]
    assert stream_path(run, "dma/M_AXIS_MM2S") == ["dma/M_AXIS_MM2S", *before, "bhc_top/s_axis"]
    assert stream_path(run, "bhc_top/m_axis") == ["bhc_top/m_axis", *after, "dma/S_AXIS_S2MM"]
    if "width" in converters:
        for name, source, sink in (("input_width", 8, memory), ("output_width", memory, 8)):
            found = parameters(run, name)
            assert (int(found["S_TDATA_NUM_BYTES"]), int(found["M_TDATA_NUM_BYTES"])) == (source, sink)
    if "padding" in converters:
        spare = memory - bytes_per_beat
        drop, add = parameters(run, "input_padding"), parameters(run, "output_padding")
        assert drop["TDATA_REMAP"] == f"tdata[{8 * bytes_per_beat - 1}:0]"
        assert add["TDATA_REMAP"] == f"{8 * spare}'b{'0' * 8 * spare},tdata[{8 * bytes_per_beat - 1}:0]"
        assert add["TKEEP_REMAP"] == f"{spare}'b{'1' * spare},tkeep[{bytes_per_beat - 1}:0]"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"VENDOR_SLACK": "-0.2"}, "timing is not met: slack -0.2 ns at 125 MHz, see timing.rpt"),
        ({"VENDOR_PROGRESS": "40%"}, "implementation failed: place_design ERROR; see vivado/bhc.runs/impl_1"),
        ({"VENDOR_FAIL": "validate_bd_design"}, "validate_bd_design failed"),
    ],
)
def test_a_failing_implementation(packed: Path, environment: dict[str, str], message: str) -> None:
    run = tool(VIVADO, packed / "block_design.tcl", **environment)
    assert run.status == 1
    assert message in run.errors
    assert not (packed / "bhc.bit").exists()


def test_vivado_before_vitis_hls(build: Path) -> None:
    run = tool(VIVADO, build / "block_design.tcl")
    assert (run.status, run.calls) == (1, ())
    assert "there is no bhc_top.zip: run run_hls.tcl first" in run.errors


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("validate_bd_design", "validate_bd_desing", "invalid command name 'validate_bd_desing'"),
        ("-to_step write_bitstream", "-to_step bitstream", "launch_runs: -to_step cannot be 'bitstream'"),
        ("-include_bit", "-include-bit", "write_hw_platform: there is no option '-include-bit'"),
        ("axi_dma:7.1", "axi_dma:8.1", "there is no IP 'xilinx.com:ip:axi_dma:8.1'"),
        ("CONFIG.c_include_sg", "CONFIG.c_includes_sg", "axi_dma has no parameter 'c_includes_sg'"),
        ("CONFIG.c_include_sg 0", "", "'dma/m_axi_sg_aclk' is not driven"),
        ("CONFIG.PCW_USE_S_AXI_HP0 1", "", "there is no interface 'ps/S_AXI_HP0'"),
        ("dma/s_axi_lite_aclk", "dma/s_axi_aclk", "there is no pin 'dma/s_axi_aclk'"),
        ("dma/s_axi_lite_aclk", "", "'dma/s_axi_lite_aclk' is not driven"),
        ("dma/s_axi_lite_aclk", "dma/m_axi_s2mm_aclk", "'dma/m_axi_s2mm_aclk' is driven already"),
        ("wire ps/FCLK_CLK0 ", "wire reset/peripheral_aresetn ", "'ps/M_AXI_GP0_ACLK' is no clock"),
        ("link dma/M_AXI_S2MM memory/S01_AXI", "", "'memory/S01_AXI' is not connected"),
        ("memory/S01_AXI\n", "memory/S00_AXI\n", "'memory/S00_AXI' is connected already"),
        ("stream bhc_top/m_axis dma/S_AXIS_S2MM", "#", "'dma/S_AXIS_S2MM' is not connected"),
        ("stream bhc_top/m_axis", "stream bhc_top/s_axis", "'bhc_top/s_axis' is connected already"),
        ("8 * [word $::input_bytes]", "32", "'dma/M_AXIS_MM2S' has 32 bits, 'bhc_top/s_axis' has 8"),
        ("bhc_top/s_axi_control/Reg", "bhc_top/s_axi/Reg", "there is no address segment 'bhc_top/s_axi/Reg'"),
        ("0x40400000", "0x40000000", "two segments at 0x40000000"),
        ("assign_bd_address\n", "\n", "'rest' has no address"),
    ],
)
def test_faults_in_the_block_design_are_found(packed: Path, before: str, after: str, message: str) -> None:
    script = packed / "block_design.tcl"
    if "0x40400000" not in before:  # the first of these is in a comment
        planted(script, before, after)
    else:
        script.write_text(script.read_text().replace(before, after))
    run = tool(VIVADO, script)
    assert run.status == 1
    assert message in run.errors


def test_faults_in_the_processing_system_are_found(packed: Path) -> None:
    planted(packed / "zynq.tcl", 'apply_board_preset [expr {$board_part ne ""}]', "apply_board_preset 1")
    run = tool(VIVADO, packed / "block_design.tcl")
    assert run.status == 1
    assert "the board's preset: 1" in run.errors


def test_a_wrong_width_of_the_ip_is_found(packed: Path) -> None:
    (packed / "bhc_top.zip").write_text("s_axis 16 m_axis 16")
    run = tool(VIVADO, packed / "block_design.tcl")
    assert run.status == 1
    assert "'dma/M_AXIS_MM2S' has 8 bits, 'bhc_top/s_axis' has 16" in run.errors


def test_other_boards(tmp_path: Path) -> None:
    """Zynq-7000 boards that bhc does not know need the vendor's files; other parts have no block design."""
    assert not set(emit(wide(), "xc7a100tcsg324-1", "arty").files) & {
        "hls/block_design.tcl",
        "hls/zynq.tcl",
        "hls/ps7.tcl",
    }
    plan = emit(wide(), "xc7z010clg400-1", "../z turn")
    assert "hls/ps7.tcl" not in plan.files
    write(plan, tmp_path)
    assert tool(VITIS_HLS, tmp_path / "hls" / "run_hls.tcl").only("set_part").operands == ("xc7z010clg400-1",)
    script = tmp_path / "hls" / "block_design.tcl"
    run = tool(VIVADO, script)
    assert run.status == 1
    assert "no board files for ../z turn are installed, and bhc does not know its DDR memory" in run.errors
    assert tool(VIVADO, script, VENDOR_BOARDS="{myir.com:../z turn:part0:1.0}").status == 0


def test_settings_are_words(tmp_path: Path) -> None:
    """A board's file may say anything: it stays data."""
    text = 'x[exit 3]$y;"{ \\\n'
    write(BuildPlan({"settings.tcl": vitis._settings(scheduled(wide()), text, text, 99.9)}), tmp_path)
    script = tmp_path / "print.tcl"
    script.write_text("source settings.tcl\nputs -nonewline stderr $part$board$clock_mhz\n")
    run = tool(VITIS_HLS, script)
    assert (run.status, run.errors) == (0, f"{text}{text}99.9")


# Widths that the tools do not take


def wide_pipeline(bits: int) -> Pipeline:
    """A design whose input has `bits` lanes of one bit; for what is decided before anything is evaluated."""
    streams = {"in": Stream("in", bits, 1, Kind.BIPOLAR, 1, "x"), "out": Stream("out", 1, 1, Kind.BIPOLAR, 1, "y")}
    return Pipeline("wide", streams, (), "in", "out", 100.0, 1, 1)


def test_too_wide() -> None:
    graph = Graph((), (), ())
    with pytest.raises(BhcError) as caught:
        vitis.emit(wide_pipeline(4097), graph, part=PART, board="pynq-z2", clock_mhz=100.0)
    assert str(caught.value) == (
        "error[BHC516] the input has 4097 x 1 = 4097 bits in parallel; Vitis HLS takes up to 4096\n"
        "  hint: less parallelism next to the input: a lower --fps, or a --folding of that layer"
    )


@pytest.mark.parametrize(("bits", "expected"), [(1024, "-std=c++17"), (1025, "-std=c++17 -DAP_INT_MAX_W=4096")])
def test_wide_integers_are_asked_for(bits: int, expected: str) -> None:
    assert f"set cflags {{{expected}}}\n" in vitis._settings(wide_pipeline(bits), PART, "pynq-z2", 100.0)


# Reference vectors


@pytest.mark.parametrize(
    "value_type",
    [
        Type((40, 3), Range(-8, 7)),
        Type((7,), Range(5, 5)),
        Type((2, 3, 4), Range(0, 2**31)),
        Type((50, 4), BIPOLAR_RANGE, bipolar=True),
    ],
    ids=str,
)
def test_reference_inputs(value_type: Type) -> None:
    inputs = vitis.reference_inputs(value_type)
    lo, hi = value_type.range.lo, value_type.range.hi
    assert inputs.shape == (4, *value_type.shape)
    assert (inputs[0] == lo).all()
    assert (inputs[1] == hi).all()
    assert set(np.unique(inputs[2])) == {lo, hi}
    assert inputs.min() == lo
    assert inputs.max() == hi
    assert not (value_type.bipolar and (inputs == 0).any())
    assert np.array_equal(inputs, vitis.reference_inputs(value_type))


def test_reference_inputs_never_change() -> None:
    """Whatever the version of numpy: emission is reproducible."""
    assert vitis.reference_inputs(Type((8,), Range(-8, 7)))[2:].tolist() == [
        [-8, -8, -8, -8, 7, -8, 7, -8],
        [-5, 4, -2, 1, 4, 2, 2, 7],
    ]


def test_vectors_of_recordings() -> None:
    """Each begins with whole windows of one kind, and ends with whole windows of another."""
    graph = streamed()
    first, second = vitis.reference_runs(graph, 2)
    assert first.shape == second.shape == (24, 3)
    assert (first[:12] == -8).all()
    assert (first[12:] == 7).all()
    assert set(np.unique(second[:12])) == {-8, 7}
    text = emit(graph).files["hls/vectors.hpp"].decode()
    assert "calls[] = {6, 6};" in text
    assert "results[] = {4, 4};" in text
    expected = np.concatenate([stream.evaluate(graph, run)["fc"] for run in (first, second)])
    pipeline = scheduled(graph)
    for array, name, values in (
        ("input", pipeline.input, np.concatenate([first, second])),
        ("output", pipeline.output, expected),
    ):
        assert np.array_equal(transfers(text, array, pipeline.streams[name], values.shape[1:]), values)


def transfers(text: str, array: str, carrier: Stream, shape: tuple[int, ...]) -> IntArray:
    """The values (N, *shape) of an array of vectors.hpp."""
    body = re.search(rf"std::uint8_t {array}\[(\d+)\]\[(\d+)\] = \{{\n(.*?)\n\}};", text, re.DOTALL)
    assert body is not None
    data = np.array([int(number) for number in re.findall(r"\d+", body[3])], np.uint8)
    return unpack(data.reshape(int(body[1]), int(body[2])), carrier, shape)


def test_vectors() -> None:
    """What vectors.hpp holds is what the evaluator says."""
    graph = wide()
    pipeline = scheduled(graph)
    text = emit(graph).files["hls/vectors.hpp"].decode()
    inputs = {"input": vitis.reference_inputs(graph.inputs[0].type)}
    for array, name, values in (
        ("input", pipeline.input, inputs["input"]),
        ("output", pipeline.output, evaluate(graph, inputs)["sign"]),
    ):
        carrier = pipeline.streams[name]
        assert np.array_equal(transfers(text, array, carrier, values.shape[1:]), values)
        assert f"{array}_beats = {carrier.beats}, {array}_bytes = {beat_bytes(carrier)};" in text
    assert emit(graph).digest() == emit(graph).digest()


# The testbench

BOUNDED = ("-DBHC_HOST", "-U_FORTIFY_SOURCE")


def open_headers() -> tuple[str, ...]:
    """Options for g++ with the open ap_int.h and hls_stream.h, as Vitis HLS compiles: no stream is bounded."""
    package = find_spec("hls4ml")
    if package is None or not package.submodule_search_locations:
        pytest.skip("no hls4ml, whose wheel has the open ap_int headers")
    headers = Path(package.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"
    return "-Wno-unknown-pragmas", f"-I{TOOLS / 'include'}", "-isystem", str(headers)


def simulate(plan: BuildPlan, folder: Path, options: tuple[str, ...]) -> tuple[int, str]:
    """Build and run the testbench: status and output."""
    write(plan, folder)
    files = ("hls/bhc_top.cpp", "hls/bhc_top_tb.cpp", "-o", "testbench")
    subprocess.run(("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", *options, *files), cwd=folder, check=True)
    done = subprocess.run(["./testbench"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


#: Graphs, and the results of the testbench's two calls.
TESTED = [(tiny.residual, 4), (wide, 4), (streamed, 8)]


@pytest.mark.parametrize(("graph", "count"), TESTED, ids=lambda item: getattr(item, "__name__", ""))
def test_testbench_with_bounded_streams(tmp_path: Path, graph: Callable[[], Graph], count: int) -> None:
    assert simulate(emit(graph()), tmp_path, BOUNDED) == (0, f"PASS: {count} results\n")


@pytest.mark.parametrize(("graph", "count"), TESTED, ids=lambda item: getattr(item, "__name__", ""))
def test_testbench_with_the_open_headers(tmp_path: Path, graph: Callable[[], Graph], count: int) -> None:
    assert simulate(emit(graph()), tmp_path, open_headers()) == (0, f"PASS: {count} results\n")


@pytest.mark.parametrize(
    ("name", "pattern", "replacement", "message"),
    [
        (
            "hls/vectors.hpp",  # the upper byte of the last transfer
            r"(\d+)\},\n\};\n\n\}  // namespace",
            lambda found: found[0].replace(found[1], str(int(found[1]) ^ 1), 1),
            r"FAIL: result 3, transfer 2: expected 0([01])(\w\w) with last got 0(?!\1)[01]\2 with last",
        ),
        (
            "hls/bhc_axi.hpp",
            r"i \+ 1 == beats",
            "i == 1",
            r"FAIL: result 0, transfer 1: expected (\w{4}) without last got \1 with last",
        ),
        (
            "hls/bhc_top.cpp",
            r"s_axis, out, windows \* \d+",
            "s_axis, out, windows",
            r"FAIL: deadlock\n(  \S+ waits to read from \S+\n?)+",
        ),
    ],
    ids=["value", "last", "deadlock"],
)
def test_testbench_fails(
    tmp_path: Path, name: str, pattern: str, replacement: str | Callable[[re.Match[str]], str], message: str
) -> None:
    plan = emit(wide())
    text, count = re.subn(pattern, replacement, plan.files[name].decode())
    assert count == 1
    status, output = simulate(BuildPlan({**plan.files, name: text}), tmp_path, BOUNDED)
    assert status == 1
    assert re.fullmatch(message, output.rstrip()), output
