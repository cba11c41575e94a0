"""Bitstreams of the zoo's HAPT network, by wheels from PyPI alone: file, highest clock, use, cycles, latency, seconds.

    python bench/bitstreams.py [BOARD ...] [--data CACHE] [--windows N] [--out DIR]

With --data, the compiled design's accuracy on the whole test set; with --windows, so many of its windows go through the
virtual board, by the driver that a real one has. Rows are printed as the table of docs/build.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

import bhc
from bhc.inputs import Windows
from bhc.ir.pipeline import Folding
from bhc.progress import Console

ROOT = Path(__file__).resolve().parent.parent
MODEL = "hapt_bornagain"
#: Of each board's design; without, it is the fastest within a quarter of the board. The UP5K's: of all foldings whose
#: weights and rows fit its block RAMs, the one that answers soonest.
FOLDINGS: Mapping[str, Mapping[str, Folding] | None] = {
    "icebreaker": {
        "conv0": Folding(8, 2),
        "conv1": Folding(4, 16),
        "conv2": Folding(2, 16),
        "conv3": Folding(2, 16),
    },
    "ulx3s-85f": None,
    "tangnano20k": None,
}


#: Of what nextpnr counts, the cells that the table has.
UNITS = {"ICESTORM_LC", "ICESTORM_RAM", "TRELLIS_COMB", "TRELLIS_FF", "DP16KD", "LUT4", "ALU", "DFF", "BSRAM"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*", metavar="BOARD", default=list(FOLDINGS))
    parser.add_argument("--fps", type=float, help="windows a second, instead of the board's folding")
    parser.add_argument("--hop", type=int, help="rows from one answer to the next: a design for recordings")
    parser.add_argument("--clock", type=float, help="MHz, instead of the board's")
    parser.add_argument("--data", type=Path, metavar="CACHE", help="folder of prepared data")
    parser.add_argument("--windows", type=int, default=0, help="test windows for the virtual board; default: none")
    parser.add_argument("--out", type=Path, default=Path("build/bitstreams"))
    return parser.parse_args()


def test_windows(cache: Path) -> Windows:
    """All test windows of the recipe."""
    from bhc.training.recipe import read
    from bhc.training.run import load_data

    test = load_data(read(ROOT / "examples" / "zoo" / "recipes" / f"{MODEL}.toml"), cache).parts.test
    return Windows(test.x, test.y)


def make(board: str, args: argparse.Namespace) -> bhc.Build:
    """Compile, build, and print the board's row of the table."""
    folding = None if args.fps else FOLDINGS.get(board)
    build = bhc.compile(
        ROOT / "examples" / "zoo" / "models" / f"{MODEL}.onnx",
        target=board,
        clock=args.clock,
        fps=args.fps,
        folding=folding,
        mode="window" if args.hop is None else "stream",
        hop=args.hop,
        out=args.out / board,
        progress=Console(),
    )
    made, report = build.bitstream(), build.report
    latency = report.latency_cycles / made.clock_mhz / 1000
    use = ", ".join(f"{row.used:,} of {row.available:,} {row.unit}" for row in made.use if row.unit in UNITS)
    seconds = " + ".join(f"{value:.0f}" for value in made.seconds.values())
    cells = (
        board,
        "folded by hand" if folding else f"`--fps {args.fps:g}`" if args.fps else "default",
        f"{made.bytes:,}",
        f"{made.clock_mhz:g}",
        f"{made.fmax_mhz:g}",
        use,
        f"{report.cycles_per_window:,}",
        f"{report.latency_cycles:,}",
        f"{latency:.2f}",
        seconds,
    )
    print(f"| {' | '.join(cells)} |", flush=True)
    return build


def check(build: bhc.Build, test: Windows, count: int) -> None:
    """Accuracy of the design, and its answers on the virtual board."""
    simulated = build.simulate(test)
    assert test.y is not None
    right = int((simulated.labels == test.y).sum())
    print(f"accuracy {100 * right / len(test):.2f} % ({right:,} of {len(test):,})", flush=True)
    if not count:
        return
    kept = np.linspace(0, len(test) - 1, count, dtype=np.int64)
    with bhc.Device(build) as device:
        run = device.run(test.x[kept])
        alone = device.run(test.x[kept[:20]], one_by_one=True)
    same = int((run.labels == simulated.labels[kept]).sum())
    equal = np.array_equal(run.y, simulated.y[kept])
    print(f"virtual board: {same:,} of {count:,} labels the same, scores {'equal' if equal else 'DIFFERENT'}")
    print(f"{run.windows_per_second:.1f} windows/s simulated; {run.counters}")
    mhz = build.report.target.clock_mhz
    print(f"from the last sample to the label: {alone.cycles.max():,} cycles, {alone.cycles.max() / mhz / 1000:.2f} ms")


def main() -> None:
    args = arguments()
    test = None if args.data is None else test_windows(args.data)
    for board in args.boards:
        try:
            build = make(board, args)
        except bhc.BhcError as error:
            print(f"{board}: {error}", file=sys.stderr)
            continue
        if test is not None:
            check(build, test, args.windows)


if __name__ == "__main__":
    main()
