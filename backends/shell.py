"""The design with its UART: bhc_top inside bhc_uart_shell, as one module with pins.

The plan is that of rtl.emit, and

    rtl/bhc_uart_top.sv     clk_i, rst_ni, uart_rx_i, uart_tx_o

A board's own top adds pins, clock and reset. docs/uart.md has the protocol. Diagnostics: BHC819 the baud rate.
"""

from __future__ import annotations

import hashlib

from bhc.backends.beats import beat_bytes
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import TOP as CORE
from bhc.backends.rtl import comment, emit, library_plan
from bhc.diagnostics import fail
from bhc.ir.pipeline import Pipeline, dump

TOP = "bhc_uart_top"
_SHELL = "bhc_uart_shell"

#: Version of the protocol of docs/uart.md.
PROTOCOL = 1
#: A divisor of every common board clock, and a rate that USB adapters have.
BAUD = 1_000_000
#: Fewest clock cycles a bit that the receiver can do with.
LEAST_CLOCKS = 3
#: Bytes of cycles behind each result.
CYCLE_BYTES = 3
#: What they show for this and all that is more.
MOST_CYCLES = 1 << 23
_WORST_RATE = 0.02


def clocks_per_bit(clock_mhz: float, baud: int = BAUD) -> int:
    """Clock cycles for a bit. Raises BhcError (BHC819) if no number of them is near enough."""
    exact = clock_mhz * 1e6 / baud
    found = round(exact)
    if found < LEAST_CLOCKS or abs(found - exact) > _WORST_RATE * exact:
        rates = [rate for rate in (3_000_000, BAUD, 500_000, 115_200) if _reaches(clock_mhz, rate)]
        raise fail(
            "BHC819",
            f"a clock of {clock_mhz:g} MHz makes no {baud:,} baud: that is {exact:.2f} cycles a bit",
            hint=f"{rates[0]:,} baud can be made" if rates else "a clock of 1 MHz or more can make 115,200 baud",
        )
    return found


def _reaches(clock_mhz: float, baud: int) -> bool:
    exact = clock_mhz * 1e6 / baud
    return round(exact) >= LEAST_CLOCKS and abs(round(exact) - exact) <= _WORST_RATE * exact


def input_bytes(pipeline: Pipeline) -> int:
    """Bytes that a window (of a streamed design: the rows of a hop) takes on the link."""
    stream = pipeline.streams[pipeline.input]
    return stream.beats * beat_bytes(stream)


def result_bytes(pipeline: Pipeline) -> int:
    """Bytes of a result on the link, its cycles not counted."""
    stream = pipeline.streams[pipeline.output]
    return stream.beats * beat_bytes(stream)


def identity(pipeline: Pipeline) -> bytes:
    """The 16 bytes that a board answers with: protocol, digest of the design, bytes of a window and of a result."""
    digest = hashlib.sha256(dump(pipeline).encode()).digest()[:8]
    sizes = input_bytes(pipeline).to_bytes(3, "little") + result_bytes(pipeline).to_bytes(3, "little")
    return bytes([PROTOCOL]) + digest + sizes + b"\0"


def _top(pipeline: Pipeline, clocks: int) -> str:
    source, sink = pipeline.streams[pipeline.input], pipeline.streams[pipeline.output]
    taken, given = beat_bytes(source), beat_bytes(sink)
    return f"""\
// {comment(pipeline.name)}, behind a UART of {clocks} cycles a bit (docs/uart.md).
module {TOP} (
  input  logic clk_i,
  input  logic rst_ni,
  input  logic uart_rx_i,
  output logic uart_tx_o
);
  logic core_rst_n, in_valid, in_ready, out_valid, out_ready, unused_last;
  logic [{8 * taken - 1}:0] in_data;
  logic [{8 * given - 1}:0] out_data;

  {_SHELL} #(
    .ClocksPerBit({clocks}),
    .InBytes({taken}),
    .OutBytes({given}),
    .ResultBytes({result_bytes(pipeline)}),
    .Identity(128'h{identity(pipeline)[::-1].hex()})
  ) u_shell (
    .clk_i,
    .rst_ni,
    .rx_i(uart_rx_i),
    .tx_o(uart_tx_o),
    .core_rst_no(core_rst_n),
    .m_axis_tdata(in_data),
    .m_axis_tvalid(in_valid),
    .m_axis_tready(in_ready),
    .s_axis_tdata(out_data),
    .s_axis_tvalid(out_valid),
    .s_axis_tready(out_ready)
  );
  {CORE} u_core (
    .clk_i,
    .rst_ni(core_rst_n),
    .s_axis_tdata(in_data),
    .s_axis_tvalid(in_valid),
    .s_axis_tready(in_ready),
    .s_axis_tlast(1'b0),
    .m_axis_tdata(out_data),
    .m_axis_tvalid(out_valid),
    .m_axis_tready(out_ready),
    .m_axis_tlast(unused_last)
  );
endmodule
"""


def emit_uart(pipeline: Pipeline, clocks: int) -> BuildPlan:
    """The design and its UART as files. Pure. clocks: cycles a bit, see clocks_per_bit."""
    return emit(pipeline) | library_plan([_SHELL]) | BuildPlan({f"rtl/{TOP}.sv": _top(pipeline, clocks)})
