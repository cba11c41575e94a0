"""How well bhc.ir.area predicts Yosys: every stage of some networks at some rates, synthesised, summed by kernel.

The last column fits a family's factor for a kernel's logic (bhc.ir.fabric): what was synthesised, without what is
predicted for memories, for each LUT that is predicted on a 7-series device.

    python bench/calibrate_area.py MODEL.onnx[:POINT] ... [--target pynq-z2] [--worst 10] [--out DIR]

A point is a rate in windows a second, `fit` or `default` (the default). Equal stages count once.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import bhc
from bhc.backends.synth import synth
from bhc.ir.area import parts


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+", help="path of a QONNX file, with :POINT")
    parser.add_argument("--target", default="pynq-z2")
    parser.add_argument("--worst", type=int, default=10, help="stages to list, largest error first")
    parser.add_argument("--out", type=Path, default=Path("build/calibrate_area"))
    return parser.parse_args()


def main() -> None:
    args = arguments()
    rows: dict[tuple[object, ...], tuple[str, str, int, int, float, float, int, int]] = {}
    for word in args.model:
        path, _, point = word.partition(":")
        fps = None if point in {"", "fit", "default"} else float(point)
        build = bhc.compile(path, target=args.target, fit=point == "fit", fps=fps)
        target = build.settings.schedule
        result = synth(build.pipeline, args.out, family=target.family)
        for stage in build.pipeline.stages:
            got, predicted = result.stages[stage.name].resources, stage.estimate
            key = (stage.kernel, *stage.params.items(), *((m.depth, m.style, m.digest()) for m in stage.memories))
            label = f"{Path(path).stem}:{point or 'default'} {stage.name}"
            logic, memories = parts(stage.kernel, stage.params, stage.memories, target.fabric)
            rows[key] = (
                *(stage.kernel, label, predicted.lut, got.lut, predicted.bram, got.bram),
                *(logic.lut, got.lut - memories.lut),
            )
    totals: dict[str, list[float]] = defaultdict(lambda: [0] * 7)
    for kernel, _, *figures in rows.values():
        totals[kernel] = [a + b for a, b in zip(totals[kernel], (1, *figures), strict=True)]
    print(f"{'kernel':16}{'stages':>7}{'LUT est.':>10}{'LUT':>8}{'ratio':>7}{'BRAM est.':>13}{'BRAM':>8}{'factor':>8}")
    for kernel, sums in sorted(totals.items()):
        count, lut_sum, got_sum, bram_sum, got_bram_sum, logic_sum, got_logic_sum = sums
        ratio, factor = lut_sum / max(got_sum, 1), got_logic_sum / max(logic_sum, 1)
        print(f"{kernel:16}{count:7g}{lut_sum:10g}{got_sum:8g}{ratio:7.2f}{bram_sum:13g}{got_bram_sum:8g}{factor:8.2f}")
    print("worst:")
    for kernel, label, lut, got_lut, *_ in sorted(rows.values(), key=lambda r: -abs(r[2] - r[3]))[: args.worst]:
        print(f"  {label} ({kernel}): {lut} predicted, {got_lut} synthesised")


if __name__ == "__main__":
    main()
