"""Compiles the demo network for the PYNQ-Z2 and holds it against everything at hand.

    python examples/demo/run.py [--out DIR]

On every test window of BasicMotions, onnxruntime, qonnx's own executor, bhc's simulator and the Verilog in
Verilator (with random stalls) must agree, at every stage. Then Yosys tells the resources.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

from basicmotions import CLASSES, windows

from bhc import folder, html, picture
from bhc.api import Compilation
from bhc.build import Build
from bhc.diagnostics import BhcError
from bhc.inputs import Windows
from bhc.options import Options
from bhc.progress import Console
from bhc.report import MismatchError, Verification

HERE = Path(__file__).parent
RATE = 50_000
"""Windows a second: far more than one wearable needs, and small enough to synthesise in a minute."""
SEED = 1
"""Of the random stalls."""


def demo(out: Path) -> None:
    """The whole demo. Raises BhcError and MismatchError."""
    console = Console()
    x, y = windows("TEST")
    test = Windows(x, y, "BasicMotions, test")

    folder.check_output(out)
    compilation = Compilation(HERE / "model.onnx", Options(target="pynq-z2", fps=RATE), progress=console)
    compilation.write(out, "project")
    build = compilation.build(out)

    results = [
        compilation.verify(build, test, "onnxruntime"),
        compilation.verify(build, test, "qonnx"),
        build.cosim(test),
        build.cosim(test, stalls=SEED),
    ]
    build.synth()
    folder.save(out / "report.html", html.page(build.report))
    print(summary(build, test, results, out), flush=True)


def summary(build: Build, test: Windows, results: list[Verification], out: Path) -> str:
    """What there is to see."""
    report = build.report
    made, available = report.resources.synthesized, report.resources.available
    assert made is not None
    labels = build.simulate(test).labels
    right = int((labels == test.y).sum())
    measured = results[2].cycles_per_window_measured
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    return "\n".join(
        [
            "",
            picture.terminal(report, unicode=unicode),
            "",
            "The simulator, on every test window, against",
            *(f"  {entry}" for entry in results),
            f"accuracy     {right} of {len(test)} windows ({', '.join(CLASSES)})",
            f"speed        {measured:,g} cycles a window measured, {report.cycles_per_window:,} predicted: "
            f"{report.windows_per_second:,.0f} windows/s at {report.target.clock_mhz:g} MHz",
            f"resources    {made.lut:,} of {available.lut:,} LUT, {made.ff:,} of {available.ff:,} FF, "
            f"{made.bram:g} of {available.bram:g} BRAM36, {made.dsp} DSP (Yosys; not run on a board)",
            f"report       {out / 'report.html'}",
        ]
    )


def main() -> int:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for the build and report.html")
    arguments = parser.parse_args()
    try:
        demo(arguments.out)
    except (BhcError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 1
    except MismatchError as error:
        print(f"mismatch: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
