"""Compiles the zoo's models for a board and verifies them on test windows.

    python examples/zoo/verify.py [--data CACHE] [--windows 1000] [--rtl 20] [NAME ...]

For each model: the simulator equals onnxruntime at every stage on --windows test windows, spread evenly over the test
set, and the RTL in Verilator equals the simulator at every stage on --rtl of them, so that its labels are the same too.
The figures go to models/NAME.json under "hardware". Stops at the first difference.
"""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

import numpy as np

import bhc
from bhc.inputs import Windows
from bhc.progress import Console
from bhc.training.recipe import read
from bhc.training.run import load_data

HERE = Path(__file__).parent
TARGET = "pynq-z2"


def test_windows(name: str, cache: Path | None, count: int) -> Windows:
    """As many windows of the recipe's test set, evenly spread: neighbours are alike."""
    test = load_data(read(HERE / "recipes" / f"{name}.toml"), cache).parts.test
    kept = np.linspace(0, len(test) - 1, min(count, len(test)), dtype=np.int64)
    return Windows(test.x[kept], test.y[kept])


def verify(name: str, cache: Path | None, windows: int, rtl: int, progress: Console) -> dict[str, Any]:
    """What the report says about a model. Raises MismatchError."""
    x = test_windows(name, cache, windows)
    build = bhc.compile(HERE / "models" / f"{name}.onnx", target=TARGET, verify=x, progress=progress)
    build.cosim(test_windows(name, cache, rtl))
    report = build.report
    return {
        "target": TARGET,
        "cycles_per_window": report.cycles_per_window,
        "latency_cycles": report.latency_cycles,
        "lut": report.resources.estimated.lut,
        "bram36": report.resources.estimated.bram,
        "verification": [
            {
                "against": entry.against,
                "windows": entry.windows,
                "values": entry.values,
                "mismatches": entry.mismatches,
                "ambiguous": entry.ambiguous,
                "agreement": entry.agreement,
                "accuracy": entry.accuracy,
            }
            for entry in report.verification
        ],
    }


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all models")
    parser.add_argument("--data", type=Path, metavar="CACHE", help="folder of prepared data")
    parser.add_argument("--windows", type=int, default=1000, metavar="N", help="for the simulator; default: 1000")
    parser.add_argument("--rtl", type=int, default=20, metavar="N", help="for the RTL; default: 20")
    arguments = parser.parse_args()
    progress = Console()
    for name in arguments.names or sorted(file.stem for file in (HERE / "models").glob("*.onnx")):
        found = verify(name, arguments.data, arguments.windows, arguments.rtl, progress)
        file = HERE / "models" / f"{name}.json"
        results = json.loads(file.read_text(encoding="utf-8")) | {"hardware": found}
        file.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        rows = ", ".join(f"{v['against']} {v['windows']} windows {v['values']:,} values" for v in found["verification"])
        print(f"{name}: {rows}: equal; {found['cycles_per_window']:,} cycles a window, {found['lut']:,} LUT")


if __name__ == "__main__":
    main()
