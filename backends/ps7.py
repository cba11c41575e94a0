"""A design on a Zynq-7000, as a netlist has it: bhc_zynq beside the processor, PS7, with clock and reset.

The plan is that of zynq.emit_zynq, and

    rtl/bhc_zynq_ps7.sv    no ports, or led_o where the board has one
    pins.xdc               where it is

Vivado makes its own of this from a block design (backends/vivado.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from bhc.backends.pins import Placed
from bhc.backends.plan import BuildPlan
from bhc.backends.pll import Clock
from bhc.backends.rtl import comment, library_plan
from bhc.backends.zynq import TOP as CORE
from bhc.backends.zynq import Port, emit_zynq, masters, ports
from bhc.boards import Board
from bhc.ir.pipeline import Pipeline

TOP = "bhc_zynq_ps7"
_SHIM = "bhc_axi3_lite"

#: What a slave port of PS7 has beside the signals of bhc_zynq's masters.
_UNUSED = {"ID": 6, "LOCK": 2, "QOS": 4}


def _memory_ports(number: int, bus: str, declared: tuple[Port, ...]) -> Iterator[str]:
    """Connections of a slave port SAXIHP<number>. Sizes have 2 bits there: a bus of 64 bits has no larger ones."""
    port = f"SAXIHP{number}"
    signals = [name.rpartition("_")[2] for _, _, name in declared if name.rpartition("_")[0] == bus]
    yield f"{port}ACLK(clk)"
    for channel in ("AR", "AW"):
        for name, bits in _UNUSED.items():
            yield f"{port}{channel}{name}({bits}'b0)"
    yield f"{port}WID(6'b0)"
    yield f"{port}RDISSUECAP1EN(1'b0)"
    yield f"{port}WRISSUECAP1EN(1'b0)"
    for signal in signals:
        yield f"{port}{signal.upper()}({bus}_{signal}{'[1:0]' if signal.endswith('size') else ''})"
    if "awvalid" not in signals:
        yield f"{port}AWVALID(1'b0)"
        yield f"{port}WVALID(1'b0)"
        yield f"{port}BREADY(1'b1)"


_GP0 = (
    *(("awid", 12), ("awaddr", 32), ("awsize", 2), ("awvalid", 1), ("awready", 1)),
    *(("wdata", 32), ("wstrb", 4), ("wlast", 1), ("wvalid", 1), ("wready", 1)),
    *(("bid", 12), ("bresp", 2), ("bvalid", 1), ("bready", 1)),
    *(("arid", 12), ("araddr", 32), ("arlen", 4), ("arsize", 2), ("arvalid", 1), ("arready", 1)),
    *(("rid", 12), ("rdata", 32), ("rresp", 2), ("rlast", 1), ("rvalid", 1), ("rready", 1)),
)


def _wire(name: str, bits: int) -> str:
    return f"  logic {f'[{bits - 1}:0] ' if bits > 1 else ''}{name};"


def _top(pipeline: Pipeline, board: Board, clock_mhz: float) -> str:
    declared = ports(pipeline)
    buses = [port for port in declared if port[2].startswith(("s_axi", "m_axi"))]
    lite = [name.removeprefix("s_axi_") for _, _, name in buses if name.startswith("s_axi_")]
    led = "led" in board.pins
    lit = "~rst_n" if led and board.pins["led"].active_low else "rst_n"
    shim = [f".s_axi_{name}(gp0_{name}{'[11:0]' if name.endswith('addr') else ''})" for name, _ in _GP0]
    shim += [f".m_axi_{name}(s_axi_{name})" for name in lite]
    processor = ["FCLKCLK(fclk)", "FCLKRESETN(fclk_rst_n)", "IRQF2P({19'b0, irq})", "MAXIGP0ACLK(clk)"]
    processor += [f"MAXIGP0{name.upper()}(gp0_{name})" for name, _ in _GP0]
    for number, bus in enumerate(masters(declared)):
        processor += _memory_ports(number, bus, declared)
    core = [".aclk(clk)", ".aresetn(rst_n)", *(f".{name}" for _, _, name in buses), ".irq_o(irq)"]
    unused = ["fclk[3:1]", "fclk_rst_n[3:1]", "gp0_awaddr[31:12]", "gp0_araddr[31:12]"]
    unused += [name + "[2]" for _, _, name in buses if name.startswith("m_axi") and name.endswith("size")]
    lines = [
        f"// {comment(pipeline.name)} on a {comment(board.title)}, at {clock_mhz:g} MHz (FCLK0).",
        f"module {TOP}{' (output logic led_o)' if led else ''};",
        "  logic clk, irq, rst_n, unused;",
        "  logic [3:0] fclk, fclk_rst_n;",
        *(_wire(f"gp0_{name}", bits) for name, bits in _GP0),
        *(_wire(name, bits) for _, bits, name in buses),
        "",
        "  BUFG u_clock (.I(fclk[0]), .O(clk));",
        "",
        "  // The processor's reset comes at any time; it is 0 when the device is configured.",
        "  logic [2:0] reset_q;",
        "  initial reset_q = '0;",
        "  always_ff @(posedge clk) reset_q <= {reset_q[1:0], fclk_rst_n[0]};",
        "  assign rst_n = reset_q[2];",
        *([f"  assign led_o = {lit};"] if led else []),
        f"  assign unused = ^{{{', '.join(unused)}}};",
        "",
        "  PS7 u_processor (",
        ",\n".join(f"    .{port}" for port in processor),
        "  );",
        f"  {_SHIM} u_registers (",
        ",\n".join(["    .clk_i(clk)", "    .rst_ni(rst_n)", *(f"    {port}" for port in shim)]),
        "  );",
        f"  {CORE} u_design (",
        ",\n".join(f"    {port}" for port in core),
        "  );",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


def _constraints(board: Board, clock_mhz: float) -> str:
    lines = [f"create_clock -name clk -period {1000 / clock_mhz:.3f} [get_nets clk]"]
    if "led" in board.pins:
        pin = board.pins["led"]
        lines += [
            f"set_property LOC {pin.pin} [get_ports led_o]",
            f"set_property IOSTANDARD {pin.standard} [get_ports led_o]",
        ]
    return "\n".join([*lines, ""])


def emit(pipeline: Pipeline, board: Board, clock_mhz: float, *, lut_memories: bool = True) -> Placed:
    """The files. Pure. The clock is what the processor is told to make, by whoever loads the design.

    lut_memories: see zynq.emit_zynq.
    """
    files = {f"rtl/{TOP}.sv": _top(pipeline, board, clock_mhz), "pins.xdc": _constraints(board, clock_mhz)}
    plan = emit_zynq(pipeline, lut_memories=lut_memories) | library_plan([_SHIM]) | BuildPlan(files)
    return Placed(plan, Clock(clock_mhz, ()), "pins.xdc")
