"""How well bhc.ir.area predicts Yosys: every stage of some networks at some rates, synthesised, summed by kernel.

    python bench/calibrate_area.py MODEL.onnx[:POINT] ... [--target pynq-z2] [--worst 10] [--out DIR]

A point is a rate in windows a second, `fit` or `default` (the default). Equal stages count once.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import bhc
from bhc.backends.synth import synth


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+", help="path of a QONNX file, with :POINT")
    parser.add_argument("--target", default="pynq-z2")
    parser.add_argument("--worst", type=int, default=10, help="stages to list, largest error first")
    parser.add_argument("--out", type=Path, default=Path("build/calibrate_area"))
    return parser.parse_args()


def main() -> None:
    args = arguments()
    rows: dict[tuple[object, ...], tuple[str, str, int, int, float, float]] = {}
    for word in args.model:
        path, _, point = word.partition(":")
        fps = None if point in {"", "fit", "default"} else float(point)
        build = bhc.compile(path, target=args.target, fit=point == "fit", fps=fps)
        result = synth(build.pipeline, args.out)
        for stage in build.pipeline.stages:
            got, predicted = result.stages[stage.name].resources, stage.estimate
            key = (stage.kernel, *stage.params.items(), *((m.depth, m.style, m.digest()) for m in stage.memories))
            label = f"{Path(path).stem}:{point or 'default'} {stage.name}"
            rows[key] = (stage.kernel, label, predicted.lut, got.lut, predicted.bram36, got.bram36)
    totals: dict[str, list[float]] = defaultdict(lambda: [0, 0, 0, 0, 0])
    for kernel, _, lut, got_lut, bram, got_bram in rows.values():
        totals[kernel] = [a + b for a, b in zip(totals[kernel], (1, lut, got_lut, bram, got_bram), strict=True)]
    print(f"{'kernel':16}{'stages':>7}{'LUT est.':>10}{'LUT':>8}{'ratio':>7}{'BRAM36 est.':>13}{'BRAM36':>8}")
    for kernel, sums in sorted(totals.items()):
        count, lut_sum, got_sum, bram_sum, got_bram_sum = sums
        ratio = lut_sum / max(got_sum, 1)
        print(f"{kernel:16}{count:7g}{lut_sum:10g}{got_sum:8g}{ratio:7.2f}{bram_sum:13g}{got_bram_sum:8g}")
    print("worst:")
    for kernel, label, lut, got_lut, _, _ in sorted(rows.values(), key=lambda r: -abs(r[2] - r[3]))[: args.worst]:
        print(f"  {label} ({kernel}): {lut} predicted, {got_lut} synthesised")


if __name__ == "__main__":
    main()
