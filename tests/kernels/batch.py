"""Many instances of streaming modules in one simulation: a build costs seconds, an instance in it next to nothing.

    batch = build_batch(tmp_path, [Case("bhc_pool", {...}, {"in": 8}, 8), ...])
    result = batch.run(0, {"in": beats}, expected=len(want))       # as Kernel.run, of case 0

All cases of a batch have the same sources and number of sinks. The generated top module passes the handshakes of
one case through, chosen by a file that it reads when a simulation starts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kernels.harness import Bits, Kernel, Result, build, literal


@dataclass(frozen=True)
class Case:
    """One instance: `sources` maps names to data widths, `width` is that of the output's data."""

    module: str
    parameters: Mapping[str, int | str | Bits]
    sources: Mapping[str, int]
    width: int
    sinks: int = 1


@dataclass(frozen=True)
class Batch:
    """A built simulation of several instances."""

    kernel: Kernel
    select: Path

    def run(
        self, case: int, beats: Mapping[str, Sequence[int]], expected: int, stalls: int = 0, slack: int = 1000
    ) -> Result:
        """Simulate one case; see Kernel.run."""
        self.select.write_text(f"{case:x}\n")
        return self.kernel.run(beats, expected, stalls, slack=slack)


def build_batch(folder: Path, cases: Sequence[Case]) -> Batch:
    """Generate the top module and build it."""
    top = folder / "batch.sv"
    folder.mkdir(parents=True, exist_ok=True)
    top.write_text(_top(cases))
    kernel = build(folder, "batch", {}, sources=tuple(cases[0].sources), sinks=cases[0].sinks, path=top)
    return Batch(kernel, folder / "case.hex")


def _top(cases: Sequence[Case]) -> str:
    sources, sinks = list(cases[0].sources), cases[0].sinks
    assert all(list(case.sources) == sources and case.sinks == sinks for case in cases)
    widths = {source: max(case.sources[source] for case in cases) for source in sources}
    width = max(case.width for case in cases)
    ports = ["input logic clk_i", "input logic rst_ni"]
    for source in sources:
        ports += [f"input logic {source}_valid_i", f"output logic {source}_ready_o"]
        ports += [f"input logic [{widths[source] - 1}:0] {source}_data_i"]
    ports += [f"output logic [{sinks - 1}:0] out_valid_o", f"input logic [{sinks - 1}:0] out_ready_i"]
    ports += [f"output logic [{width - 1}:0] out_data_o"]
    lines = [
        f"module batch({', '.join(ports)});",
        '  logic [31:0] selected [1];\n  initial $readmemh("case.hex", selected);',
        f"  logic [{sinks - 1}:0] valid [{len(cases)}];\n  logic [{width - 1}:0] data [{len(cases)}];",
        *(f"  logic {source}_ready [{len(cases)}];" for source in sources),
        "  assign out_valid_o = valid[selected[0]];\n  assign out_data_o = data[selected[0]];",
        *(f"  assign {source}_ready_o = {source}_ready[selected[0]];" for source in sources),
    ]
    for index, case in enumerate(cases):
        parameters = ", ".join(f".{name}({literal(value)})" for name, value in case.parameters.items())
        on = f"{{{sinks}{{selected[0] == {index}}}}}"
        pins = [f".clk_i, .rst_ni, .out_valid_o(valid[{index}]), .out_ready_i(out_ready_i & {on})"]
        for source, bits in case.sources.items():
            pins += [f".{source}_valid_i({source}_valid_i && selected[0] == {index})"]
            pins += [f".{source}_ready_o({source}_ready[{index}]), .{source}_data_i({source}_data_i[{bits - 1}:0])"]
        pins += [f".out_data_o(data[{index}][{case.width - 1}:0])"]
        if case.width < width:
            lines.append(f"  assign data[{index}][{width - 1}:{case.width}] = '0;")
        lines.append(f"  {case.module} #({parameters}) u{index} ({', '.join(pins)});")
    return "\n".join([*lines, "endmodule", ""])
