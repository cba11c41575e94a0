"""A design on a board with a UART: pins, clock and reset around bhc_uart_top, and the constraints of its tools.

The plan is that of shell.emit_uart, and

    rtl/bhc_board.sv        clk_i, uart_rx_i, uart_tx_o, and led_o and reset_i where the board has them
    pins.<pcf|lpf|cst|xdc>  where they are
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from bhc.backends import pll
from bhc.backends.plan import BuildPlan
from bhc.backends.pll import Clock
from bhc.backends.rtl import comment
from bhc.backends.shell import BAUD, clocks_per_bit, emit_uart
from bhc.backends.shell import TOP as CORE
from bhc.boards import Board, Pin
from bhc.ir.fabric import Family
from bhc.ir.pipeline import Pipeline

TOP = "bhc_board"
#: Of the board's pins, the module's ports.
_PORTS = {"uart_rx": "uart_rx_i", "uart_tx": "uart_tx_o", "reset": "reset_i", "led": "led_o"}


@dataclass(frozen=True, slots=True)
class Placed:
    """A design with its pins. clock: the design's. constraints: the name of their file."""

    plan: BuildPlan
    clock: Clock
    constraints: str


def _top(board: Board, clock: Clock, name: str) -> str:
    pins = board.pins
    ports = ["  input  logic clk_i", "  input  logic uart_rx_i", "  output logic uart_tx_o"]
    pressed, led = "1'b0", []
    if "reset" in pins:
        ports.append("  input  logic reset_i")
        pressed = "~reset_i" if pins["reset"].active_low else "reset_i"
    if "led" in pins:
        ports.append("  output logic led_o")
        led = [f"  assign led_o = {'~rst_n' if pins['led'].active_low else 'rst_n'};"]
    lines = [
        f"// {comment(name)} on a {comment(board.title)}, at {clock.mhz:g} MHz.",
        f"module {TOP} (",
        ",\n".join(ports),
        ");",
        "  logic clk, locked;",
        *clock.lines,
        "",
        "  // Flip-flops are 0 when the device is configured: the reset lasts 15 cycles from then, or from when the",
        "  // clock is stable and the button released.",
        "  logic [1:0] good_q;",
        "  logic [3:0] count_q;",
        "  logic rst_n;",
        "  initial good_q = '0;",
        "  initial count_q = '0;",
        f"  always_ff @(posedge clk) good_q <= {{good_q[0], locked & ~({pressed})}};",
        "  always_ff @(posedge clk) begin",
        "    if (!good_q[1]) count_q <= '0;",
        "    else if (!rst_n) count_q <= count_q + 4'd1;",
        "  end",
        "  assign rst_n = &count_q;",
        *led,
        "",
        f"  {CORE} u_design (.clk_i(clk), .rst_ni(rst_n), .uart_rx_i, .uart_tx_o);",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


def _constraints(board: Board) -> tuple[str, str]:
    """Name and text of the file that says which port is at which pin."""
    assert board.clock is not None
    clock = Pin(board.clock.pin, board.clock.standard)
    pins = {"clk_i": clock} | {port: board.pins[name] for name, port in _PORTS.items() if name in board.pins}
    mhz = board.clock.mhz
    match board.family:
        case Family.ICE40:
            lines = [f"set_frequency clk_i {mhz:g}", *(f"set_io {port} {pin.pin}" for port, pin in pins.items())]
            return "pins.pcf", "\n".join([*lines, ""])
        case Family.ECP5:
            lines = [f'FREQUENCY PORT "clk_i" {mhz:g} MHZ;']
            for port, pin in pins.items():
                lines += [f'LOCATE COMP "{port}" SITE "{pin.pin}";', f'IOBUF PORT "{port}" IO_TYPE={pin.standard};']
            return "pins.lpf", "\n".join([*lines, ""])
        case Family.GOWIN:
            lines = []
            for port, pin in pins.items():
                lines += [f'IO_LOC "{port}" {pin.pin};', f'IO_PORT "{port}" IO_TYPE={pin.standard};']
            return "pins.cst", "\n".join([*lines, ""])
        case Family.XC7:
            lines = [f"create_clock -name clk_i -period {1000 / mhz:.3f} [get_ports clk_i]"]
            for port, pin in pins.items():
                lines += [
                    f"set_property LOC {pin.pin} [get_ports {port}]",
                    f"set_property IOSTANDARD {pin.standard} [get_ports {port}]",
                ]
            return "pins.xdc", "\n".join([*lines, ""])
        case _:
            assert_never(board.family)


def emit(pipeline: Pipeline, board: Board, clock_mhz: float, baud: int = BAUD) -> Placed:
    """The files. Pure. Raises BhcError: BHC540 no such clock; BHC819 no baud rate of it."""
    assert board.clock is not None
    clock = pll.clock(board.family, board.die, board.clock.mhz, clock_mhz)
    name, text = _constraints(board)
    files = BuildPlan({f"rtl/{TOP}.sv": _top(board, clock, pipeline.name), name: text})
    return Placed(emit_uart(pipeline, clocks_per_bit(clock.mhz, baud)) | files, clock, name)
