"""The design with its shell for a Zynq: bhc_top inside bhc_zynq_shell, as one module with AXI ports.

The plan is that of rtl.emit, and

    rtl/bhc_zynq.sv     aclk, aresetn, s_axi_* (registers), m_axi_* (memory), m_axi_w<k>_* (weights), irq_o

docs/zynq.md has the ports and registers.
"""

from __future__ import annotations

from collections.abc import Sequence

from bhc.backends import shell
from bhc.backends.beats import beat_bytes
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import TOP as CORE
from bhc.backends.rtl import comment, emit, library_plan
from bhc.ir.pipeline import Pipeline, Stream

TOP = "bhc_zynq"
_SHELL = "bhc_zynq_shell"
_READER = "bhc_axi_read"

#: Regions of weights that the shell has registers, and a Zynq ports, for.
MOST_REGIONS = 3
#: 64-bit words that a reader of weights has asked for at most: what memory takes 100 cycles to bring, and a pause of
#: its own of as many.
_WEIGHT_WORDS = 256
_WORD_BYTES = 8
#: What every burst is: 8 bytes a beat, consecutive, to normal memory that may buffer.
_BURST = {"size": "3'b011", "burst": "2'b01", "cache": "4'b0011", "prot": "3'b000"}

_LITE = (
    ("input", 12, "awaddr"),
    ("input", 1, "awvalid"),
    ("output", 1, "awready"),
    ("input", 32, "wdata"),
    ("input", 4, "wstrb"),
    ("input", 1, "wvalid"),
    ("output", 1, "wready"),
    ("output", 2, "bresp"),
    ("output", 1, "bvalid"),
    ("input", 1, "bready"),
    ("input", 12, "araddr"),
    ("input", 1, "arvalid"),
    ("output", 1, "arready"),
    ("output", 32, "rdata"),
    ("output", 2, "rresp"),
    ("output", 1, "rvalid"),
    ("input", 1, "rready"),
)
_READ = (
    ("output", 32, "araddr"),
    ("output", 4, "arlen"),
    ("output", 3, "arsize"),
    ("output", 2, "arburst"),
    ("output", 4, "arcache"),
    ("output", 3, "arprot"),
    ("output", 1, "arvalid"),
    ("input", 1, "arready"),
    ("input", 64, "rdata"),
    ("input", 2, "rresp"),
    ("input", 1, "rlast"),
    ("input", 1, "rvalid"),
    ("output", 1, "rready"),
)
_WRITE = (
    ("output", 32, "awaddr"),
    ("output", 4, "awlen"),
    ("output", 3, "awsize"),
    ("output", 2, "awburst"),
    ("output", 4, "awcache"),
    ("output", 3, "awprot"),
    ("output", 1, "awvalid"),
    ("input", 1, "awready"),
    ("output", 64, "wdata"),
    ("output", 8, "wstrb"),
    ("output", 1, "wlast"),
    ("output", 1, "wvalid"),
    ("input", 1, "wready"),
    ("input", 2, "bresp"),
    ("input", 1, "bvalid"),
    ("output", 1, "bready"),
)

Port = tuple[str, int, str]


def slot_bytes(stream: Stream) -> int:
    """Bytes that a beat takes in memory: 1, 2, 4, 8, or a multiple of 8."""
    size = beat_bytes(stream)
    return -(-size // _WORD_BYTES) * _WORD_BYTES if size > 4 else {3: 4}.get(size, size)


def result_words(pipeline: Pipeline) -> int:
    """64-bit words that a result takes in memory."""
    stream = pipeline.streams[pipeline.output]
    return -(-stream.beats * slot_bytes(stream) // _WORD_BYTES)


def ports(pipeline: Pipeline) -> tuple[Port, ...]:
    """Ports of the top: direction, bits, name."""
    buses = [("s_axi", _LITE), ("m_axi", _READ + _WRITE)]
    buses += [(f"m_axi_w{number}", _READ) for number in range(len(pipeline.external))]
    bus_ports = [(kind, bits, f"{bus}_{name}") for bus, signals in buses for kind, bits, name in signals]
    return (("input", 1, "aclk"), ("input", 1, "aresetn"), *bus_ports, ("output", 1, "irq_o"))


def masters(declared: Sequence[Port]) -> list[str]:
    """The buses to memory among the ports of the top: the first belongs at HP0, and so on."""
    return list(dict.fromkeys(name.rpartition("_")[0] for _, _, name in declared if name.startswith("m_axi")))


def declare(port: Port) -> str:
    """A port as SystemVerilog declares it."""
    kind, bits, name = port
    return f"{kind:6} logic {f'[{bits - 1}:0] ' if bits > 1 else ''}{name}"


def _constants(bus: str, channels: str) -> dict[str, str]:
    """What never changes in the address channels of a bus."""
    return {f"{bus}_a{channel}{name}": value for channel in channels for name, value in _BURST.items()}


def _weights(number: int, words: int) -> str:
    bus, stream = f"m_axi_w{number}", f"w{number}_axis"
    return f"""\
  logic [63:0] {stream}_tdata;
  logic {stream}_tvalid, {stream}_tready;
  {_READER} #(.FifoDepth({_WEIGHT_WORDS}), .Bursts({_WEIGHT_WORDS // 16}), .Repeat(1'b1)) u_weights_{number} (
    .clk_i(aclk),
    .rst_ni(aresetn),
    .start_i(weights_start),
    .clear_i(weights_clear),
    .base_i(weights_base[{number}]),
    .words_i(29'd{words}),
    .busy_o(weights_busy[{number}]),
    .error_o(weights_error[{number}]),
    .ar_addr_o({bus}_araddr),
    .ar_len_o({bus}_arlen),
    .ar_valid_o({bus}_arvalid),
    .ar_ready_i({bus}_arready),
    .r_data_i({bus}_rdata),
    .r_resp_i({bus}_rresp),
    .r_last_i({bus}_rlast),
    .r_valid_i({bus}_rvalid),
    .r_ready_o({bus}_rready),
    .out_valid_o({stream}_tvalid),
    .out_ready_i({stream}_tready),
    .out_data_o({stream}_tdata)
  );"""


def _top(pipeline: Pipeline, fifos: int) -> str:
    source, sink = pipeline.streams[pipeline.input], pipeline.streams[pipeline.output]
    taken, given = beat_bytes(source), beat_bytes(sink)
    regions = len(pipeline.external)
    if regions > MOST_REGIONS:
        raise ValueError(f"{regions} regions of weights, and ports for {MOST_REGIONS}")
    words = sum(item.memory.depth << 32 * number for number, item in enumerate(pipeline.external))
    fixed = _constants("m_axi", "rw") | {"m_axi_wstrb": "'1"}
    for number in range(regions):
        fixed |= _constants(f"m_axi_w{number}", "r")
    digest = shell.identity(pipeline)[1:9]
    signals = [*(f"s_axi_{name}" for _, _, name in _LITE), *(f"m_axi_{name}" for _, _, name in _READ + _WRITE)]
    bus = "\n".join(f"    .{name}," for name in signals if name not in fixed)
    streams = "".join(
        f"    .w{n}_axis_tdata,\n    .w{n}_axis_tvalid,\n    .w{n}_axis_tready,\n" for n in range(regions)
    )
    lines = [
        *(f"  assign {name} = {value};" for name, value in fixed.items()),
        *(f"  assign weights_{what}[{n}] = 1'b0;" for n in range(regions, MOST_REGIONS) for what in ("busy", "error")),
        *(_weights(n, item.memory.depth) for n, item in enumerate(pipeline.external)),
    ]
    declared = ",\n".join(f"  {declare(port)}" for port in ports(pipeline))
    return f"""\
// {comment(pipeline.name)}, with the shell for a Zynq (docs/zynq.md).
module {TOP} (
{declared}
);
  logic core_rst_n, in_valid, in_ready, out_valid, out_ready, unused_last, weights_start, weights_clear, unused;
  logic [2:0] weights_busy, weights_error;
  logic [2:0][31:3] weights_base;
  logic [{8 * taken - 1}:0] in_data;
  logic [{8 * given - 1}:0] out_data;
  assign unused = ^{{weights_start, weights_clear, weights_base}};
{chr(10).join(lines)}

  {_SHELL} #(
    .InBytes({taken}),
    .OutBytes({given}),
    .InBeats({source.beats}),
    .ResultBeats({sink.beats}),
    .Digest(64'h{digest[::-1].hex()}),
    .Weights({regions}),
    .WeightWords(96'h{words:x}),
    .Style({fifos})
  ) u_shell (
    .clk_i(aclk),
    .rst_ni(aresetn),
    .irq_o,
{bus}
    .weights_start_o(weights_start),
    .weights_clear_o(weights_clear),
    .weights_base_o(weights_base),
    .weights_busy_i(|weights_busy),
    .weights_error_i(weights_error),
    .core_rst_no(core_rst_n),
    .m_axis_tdata(in_data),
    .m_axis_tvalid(in_valid),
    .m_axis_tready(in_ready),
    .s_axis_tdata(out_data),
    .s_axis_tvalid(out_valid),
    .s_axis_tready(out_ready)
  );
  {CORE} u_core (
    .clk_i(aclk),
    .rst_ni(core_rst_n),
{streams}    .s_axis_tdata(in_data),
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


def emit_zynq(pipeline: Pipeline, *, lut_memories: bool = True) -> BuildPlan:
    """The design and its shell as files. Pure. lut_memories: the shell's FIFOs are in LUTs, else in block RAM."""
    top = _top(pipeline, 1 if lut_memories else 2)
    return emit(pipeline) | library_plan([_SHELL, _READER]) | BuildPlan({f"rtl/{TOP}.sv": top})
