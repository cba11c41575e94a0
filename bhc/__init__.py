"""bhc compiles trained binary and quantized temporal CNNs (QONNX) to FPGA dataflow accelerators, bit-exact.

import bhc
build = bhc.compile("model.onnx", target="pynq-z2", fps=10_000, out="build")
labels = build.simulate(x).labels
build.cosim(x[:20], stalls=1)
print(build.synth(), build.report.cycles_per_window)
"""

from bhc.api import compile  # noqa: A004 - the verb of the command line; it is never imported by name
from bhc.build import Build, load
from bhc.device import Device, Run
from bhc.diagnostics import BhcError, Diagnostic
from bhc.ir.pipeline import Folding, Resources
from bhc.report import MismatchError, Report, Verification
from bhc.simulator import Simulation
from bhc.version import __version__

__all__ = [
    "BhcError",
    "Build",
    "Device",
    "Diagnostic",
    "Folding",
    "MismatchError",
    "Report",
    "Resources",
    "Run",
    "Simulation",
    "Verification",
    "__version__",
    "compile",
    "load",
]
