"""What a network costs at several rates: cycles measured in cosimulation, area by Yosys, LUT per binary MAC a cycle.

    python bench/operating_points.py MODEL.onnx --input X.npz [--point 0.78] [--point 10000] [--point fit] [--out DIR]

A point is a rate in windows a second (--fps), or `fit` or `default`. For layers with 1-bit operands follows the area of
the matrix-vector unit, its thresholds and control included, and with its window, over its multiply-accumulates a cycle;
the project's limits for the unit are 1.9 with weights from memory and 1.33 with constant ones (all in parallel).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

import bhc

LIMIT_MEMORY, LIMIT_CONSTANT = 1.9, 1.33


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--input", type=Path, required=True, help=".npz with x, windows of the model's input")
    parser.add_argument("--windows", type=int, default=4, help="windows to cosimulate")
    parser.add_argument("--point", action="append", help="windows a second, `fit` or `default`")
    parser.add_argument("--target", default="pynq-z2")
    parser.add_argument("--out", type=Path, default=Path("build/operating_points"))
    return parser.parse_args()


def measure(args: argparse.Namespace, point: str) -> None:
    """Compile, cosimulate and synthesise one point, and print it."""
    out = args.out / f"{args.model.stem}-{point}"
    fps = None if point in {"fit", "default"} else float(point)
    build = bhc.compile(args.model, target=args.target, fit=point == "fit", fps=fps, out=out)
    x = np.load(args.input)["x"][: args.windows]
    measured = build.cosim(x).cycles_per_window_measured
    total = build.synth()
    predicted = build.pipeline.cycles_per_window
    print(
        f"{point}: {predicted} cycles a window predicted, {measured:g} measured; {total.lut} LUT, {total.ff} FF, "
        f"{total.bram:g} BRAM36, {total.dsp} DSP; LUT estimated / synthesised "
        f"{build.pipeline.estimate.lut / total.lut:.2f}"
    )
    rows = json.loads((out / "report.json").read_text())["stages"]
    synthesized = {row["name"]: row["resources"] for row in rows}
    for stage in build.pipeline.stages:
        params = stage.params
        if stage.kernel != "bhc_mvu" or stage.folding is None or params["XBits"] * params["WBits"] != 1:
            continue
        window = synthesized.get(f"{stage.name}_window", {"lut": 0})
        unit = synthesized[stage.name]["lut"]
        rate = stage.folding.pe * stage.folding.simd
        constant = params["Nf"] * params["Sf"] == 1
        limit = LIMIT_CONSTANT if constant else LIMIT_MEMORY
        print(
            f"  {stage.name:12} {stage.folding.pe:3} x {stage.folding.simd:<4} {stage.cycles:8} cycles {unit:6} LUT  "
            f"{unit / rate:6.2f} LUT per binary MAC a cycle, {unit / rate / limit:.2f} of the limit"
            f"{' (constant weights)' if constant else ''}; with its window {(unit + window['lut']) / rate:.2f}"
        )


def main() -> None:
    args = arguments()
    for point in args.point or ["default", "fit"]:
        measure(args, point)


if __name__ == "__main__":
    main()
