"""Models of block RAMs: memories of every shape, as Yosys maps them, against the library's own, on random accesses."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from bhc.backends import netlist, synth
from bhc.backends.netlist import Netlist
from bhc.backends.plan import BuildPlan
from bhc.backends.rtl import library_plan
from bhc.backends.runner import Job, Tool, find_verilator, find_yosys, run, write
from bhc.backends.verilated import FLAGS, compile_program, verilate
from bhc.ir.fabric import Family

#: Width and depth of memories that fill a block in every aspect ratio.
SHAPES = ((1, 16384), (2, 8192), (4, 4096), (9, 2048), (18, 1024), (36, 512), (72, 512))
#: Widths of those that are read-only too.
ONE_PORT, TWO_PORTS = (1, 36), (2, 18)
#: Every word is written first.
CYCLES = 2 * 16384

#: Drives both from the same random numbers; reads and writes often meet. Compares once every word has been written.
BENCH = """\
module bench (input logic clk_i, output logic [{count}-1:0] wrong_o);
  logic [13:0] place_q, waddr_q, raddr_q;
  logic [71:0] data_q;
  logic write_q, read_q, clear_q;
  logic [14:0] filled_q;
  logic ready_q;
  initial begin
    filled_q = '0;
    ready_q = 1'b0;
    wrong_o = '0;
  end
  assign place_q = filled_q[14] ? waddr_q : filled_q[13:0];
  always @(posedge clk_i) begin
    if (!filled_q[14]) filled_q <= filled_q + 1'b1;
    waddr_q <= $urandom;
    raddr_q <= $urandom % 4 == 0 && filled_q[14] ? waddr_q : $urandom;
    data_q <= {{$urandom, $urandom, $urandom}};
    write_q <= !filled_q[14] || $urandom % 2 == 0;
    read_q <= !filled_q[14] || $urandom % 4 != 0;
    clear_q <= $urandom % 16 == 0;
  end
  logic [{count}*72-1:0] wanted, got;
  memories u_wanted (.clk_i, .write_i(write_q), .waddr_i(place_q), .data_i(data_q), .read_i(read_q), .clear_i(clear_q),
                     .raddr_i(raddr_q), .data_o(wanted));
  netlist u_got (.clk_i, .write_i(write_q), .waddr_i(place_q), .data_i(data_q), .read_i(read_q), .clear_i(clear_q),
                 .raddr_i(raddr_q), .data_o(got));
  logic [3:0] settled_q;
  initial settled_q = '0;
  always @(posedge clk_i) begin
    if (filled_q[14] && !(&settled_q)) settled_q <= settled_q + 4'(read_q && !clear_q);
    for (int i = 0; i < {count}; ++i) if (&settled_q && wanted[72*i+:72] != got[72*i+:72]) wrong_o[i] <= 1'b1;
  end
endmodule
"""

DRIVER = """\
#include <cstdio>
#include "Vbench.h"
#include "verilated.h"
int main() {
  VerilatedContext context;
  context.randReset(2);
  context.randSeed(1);
  Vbench bench(&context);
  for (int i = 0; i < 2 * CYCLES; ++i) {
    bench.clk_i = i % 2;
    bench.eval();
  }
  std::printf("%x\\n", bench.wrong_o);
}
"""


def memories() -> tuple[BuildPlan, list[str]]:
    """A module of a RAM of every shape and some ROMs; the names, in the order of its outputs."""
    rng = np.random.default_rng(0)
    lines: list[str] = []
    names: list[str] = []
    contents = {}

    def output(name: str, width: int) -> str:
        names.append(name)
        if width < 72:
            lines.append(f"assign data_o[{72 * len(names) - 72 + width}+:{72 - width}] = '0;")
        return f"data_o[{72 * len(names) - 72}+:{width}]"

    for width, depth in SHAPES:
        bits = (depth - 1).bit_length()
        words = [int.from_bytes(rng.bytes(9)) % (1 << width) for _ in range(depth)]
        contents[f"mem/{width}.hex"] = "".join(f"{word:x}\n" for word in words)
        shape = f".Width({width}), .Depth({depth}), .Style(2)"
        read, write = (f"{port}_i[{bits - 1}:0]" for port in ("raddr", "waddr"))

        lines += [
            f"bhc_ram #({shape}) u_ram_{width} (.clk_i, .write_i, .waddr_i({write}), .wdata_i(data_i[{width - 1}:0]),",
            f"  .read_i, .clear_i, .raddr_i({read}), .rdata_o({output(f'ram {width}', width)}));",
        ]
        if width in ONE_PORT:
            lines += [
                f'bhc_rom #({shape}, .File("mem/{width}.hex")) u_rom_{width} (.clk_i, .en_i(read_i), .addr_i({read}),',
                f"  .data_o({output(f'rom {width}', width)}));",
            ]
        if width in TWO_PORTS:
            lines += [
                f'bhc_twin #({shape}, .File("mem/{width}.hex")) u_twin_{width} (.clk_i, .en_i(read_i),',
                f"  .read_i({{write_i, !clear_i}}), .addr_i({{{write}, {read}}}),",
                f"  .data_o({output(f'twin {width}', 2 * width)}));",
            ]
    text = "\n".join(
        [
            "module memories (input logic clk_i, write_i, read_i, clear_i, input logic [13:0] waddr_i, raddr_i,",
            f"                 input logic [71:0] data_i, output logic [{72 * len(names)}-1:0] data_o);",
            *lines,
            "endmodule\n",
        ]
    )
    plan = BuildPlan({"rtl/memories.sv": text, **contents})
    return plan | library_plan(("bhc_ram", "bhc_rom", "bhc_twin")), names


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all families: Verilator's run-time library is compiled once."""
    return tmp_path_factory.mktemp("cells")


@pytest.mark.slow
@pytest.mark.parametrize("family", [Family.XC7, Family.ECP5, Family.GOWIN])
def test_memories(folder: Path, family: Family) -> None:
    design, names = memories()
    directory = folder / family
    script = f"""\
read_verilog -defer -sv rtl/*.sv
hierarchy -top memories
{synth.prepare(family)}
{synth.command(family, pads=False)} -top memories
flatten
delete */t:$scopeinfo
clean
rename memories netlist
write_verilog -noattr netlist.v
"""
    write(design | BuildPlan({"synth.ys": script}), directory / "synth")
    run(Job(find_yosys(), ("synth.ys",), directory / "synth", directory / "synth.log"))
    made = Netlist(family, (directory / "synth" / "netlist.v").read_text())
    bench = {"rtl/bench.sv": BENCH.format(count=len(names)), "driver.cpp": DRIVER.replace("CYCLES", str(CYCLES))}
    sources = design | netlist.plan(made) | BuildPlan(bench)
    write(sources, directory)
    tool, _ = find_verilator()
    options = (*FLAGS, "--Mdir", "model", *netlist.options(family))
    verilate(tool, sources, "bench", directory, directory / "verilator.log", options)
    program = compile_program(directory, directory / "logs", "cells", "driver.cpp", "")
    run(Job(Tool((str(program),)), (), directory, directory / "run.log"))
    wrong = int((directory / "run.log").read_text(), 16)
    assert [name for number, name in enumerate(names) if wrong >> number & 1] == []


@pytest.mark.parametrize("family", Family)
def test_lint(tmp_path: Path, family: Family) -> None:
    """All models of a family, none of them connected to anything."""
    models = netlist.plan(Netlist(family, ""))
    text = "".join(content.decode() for content in models.files.values())
    cells = [name for name in re.findall(r"^module (\w+)", text, re.MULTILINE) if name != "bhc_block_ram"]
    instances = "".join(f"  {name} u_{name} ();\n" for name in cells)
    top = f"// verilator lint_off PINMISSING\nmodule bhc_top;\n{instances}endmodule\n"
    sources = netlist.plan(Netlist(family, top))
    write(sources, tmp_path)
    tool, _ = find_verilator()
    verilate(tool, sources, "bhc_top", tmp_path, tmp_path / "lint.log", ("--lint-only", "-Wall"))
    assert cells
