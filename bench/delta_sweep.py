"""Measured cycles of bhc_delta against the flip rate, in Verilator, results compared with numpy.

    python bench/delta_sweep.py [--out DIR] [--columns 150] [--channels 64] [--taps 9 5] [--events 1 2 4] [--plot FILE]

From the root of the repository, whose kernel tests do the simulation. Each element of a column of one-bit values flips
with the same probability. A row: cycles a window in steady state, comparison and everything else included; the
conversion, ideal cycles (dense cycles with as many lanes, times the flip rate) by these; and dense cycles by these.
--plot draws them (it needs matplotlib).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random

from tests.kernels.batch import build_batch
from tests.kernels.test_delta import BINARY, draw, sequence

RATES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("build/delta_sweep"))
    parser.add_argument("--columns", type=int, default=150, help="of every run")
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--taps", type=int, nargs="+", default=[9, 5])
    parser.add_argument("--events", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--plot", type=Path, metavar="FILE.svg")
    return parser.parse_args()


def plot(path: Path, channels: int, found: dict[tuple[int, int], list[tuple[float, float]]]) -> None:
    """found: for (taps, events), the share of flips and the cycles a window."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams |= {"svg.hashsalt": "bhc", "svg.fonttype": "none"}
    figure = Figure(figsize=(9, 4), layout="constrained")
    shown = sorted({taps for taps, _ in found}, reverse=True)
    for place, taps in enumerate(shown, start=1):
        axes = figure.add_subplot(1, len(shown), place)
        for (own, events), points in found.items():
            if own != taps:
                continue
            known = [(rate, cycles) for rate, cycles in points if rate > 0]
            rates = [100 * rate for rate, _ in known]
            dense = taps * channels / events
            (line,) = axes.plot(rates, [cycles for _, cycles in known], "o-", ms=4, label=f"{events} a cycle")
            axes.axhline(dense, color=line.get_color(), lw=0.8, ls="--")
            axes.plot(rates, [dense * rate for rate, _ in known], color=line.get_color(), lw=0.8, ls=":")
        axes.set(xscale="log", yscale="log", title=f"{taps} taps, {channels} channels", xlabel="bits that flip (%)")
        axes.set_ylabel("cycles a window: bhc_delta, dense (--), ideal (..)")
        axes.legend(title="changes")
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    args = arguments()
    random = Random(1)
    # All outputs at once; eight of them, since their number changes no cycle.
    fixed = {
        **BINARY,
        "Lanes": args.channels,
        "Chunks": 1,
        "D": 1,
        "Stride": 1,
        "Columns": 0,
        "Pe": 8,
        "Nf": 1,
        "SignOut": 1,
    }
    choices = [(taps, events) for taps in args.taps for events in args.events]
    drawn = [
        draw(random, f"sweep{index}", {**fixed, "Taps": taps, "Events": events})
        for index, (taps, events) in enumerate(choices)
    ]
    args.out.mkdir(parents=True, exist_ok=True)
    for instance in drawn:
        for name, words in instance.memories.items():
            (args.out / name).write_text("".join(f"{word:x}\n" for word in words))
    batch = build_batch(args.out, [instance.case for instance in drawn])
    print(f"{'flips':>6}" + "".join(f"{f'{taps} taps, {events} a cycle':>26}" for taps, events in choices))
    points: dict[tuple[int, int], list[tuple[float, float]]] = {choice: [] for choice in choices}
    for rate in RATES:
        x = sequence(random, args.columns, args.channels, 1, rate, 1)
        found = float((x[1:] != x[:-1]).mean())
        cells = []
        for index, (taps, events) in enumerate(choices):
            want = drawn[index].want(x)
            result = batch.run(index, {"in": drawn[index].beats(x)}, len(want))
            if result.outputs[0] != want:
                raise SystemExit(f"{taps} taps, {events} a cycle: wrong at {100 * rate:g} % flips")
            # The first windows still read the first column, in which half of the elements are new.
            given = result.emitted[0][2 * taps :]
            cycles = (given[-1] - given[0]) / (len(given) - 1)
            dense = taps * args.channels / events
            points[taps, events].append((found, cycles))
            cells.append(f"{cycles:10.2f} {100 * dense * found / cycles:4.0f}% {dense / cycles:8.2f}x")
        print(f"{100 * found:5.1f}%" + "".join(cells), flush=True)
    if args.plot is not None:
        plot(args.plot, args.channels, points)


if __name__ == "__main__":
    main()
