"""Pictures of the measurements, each written to a file: SVG, or what its suffix says. Equal data give equal bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from bhc.training.metrics.calibration import Calibration
from bhc.training.metrics.classification import Classification

INK = "#262b33"
GRAY = "#8b929c"
PALE = "#dfe3e8"
ACCENT = "#0f6fae"
_SHADES = LinearSegmentedColormap.from_list("shades", ["#ffffff", ACCENT])

_STYLE: Any = {
    "svg.hashsalt": "bhc",
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRAY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GRAY,
    "ytick.color": GRAY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
}


def reliability(calibration: Calibration, path: Path) -> None:
    """Accuracy over confidence, bin by bin, with the perfect diagonal; below, how many answers each bin has."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.2, 4.8), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        filled = [b for b in calibration.bins if b.count]
        left = [b.lower for b in filled]
        width = [b.upper - b.lower for b in filled]
        above.plot([0, 1], [0, 1], color=GRAY, linewidth=1, linestyle=(0, (4, 3)))
        above.text(0.02, 0.05, "perfect", color=GRAY, rotation=45, rotation_mode="anchor", transform_rotates_text=True)
        bars = {"align": "edge", "edgecolor": "white", "linewidth": 0.8}
        above.bar(left, [b.accuracy for b in filled], width, color=ACCENT, **bars)
        for b in filled:
            above.plot([b.lower, b.upper], [b.confidence] * 2, color=INK, linewidth=1.4, solid_capstyle="butt")
        above.set(ylabel="accuracy (bars), confidence (lines)", xlim=(0, 1), ylim=(0, 1.01))
        heat = "" if calibration.temperature == 1 else f", temperature {calibration.temperature:.2f}"
        _title(figure, f"expected calibration error {calibration.ece:.3f}{heat}")
        below.bar(left, [b.count for b in filled], width, color=GRAY, **bars)
        below.set(xlabel="confidence", ylabel="answers")
        below.yaxis.set_major_locator(MaxNLocator(2, integer=True))
        figure.align_ylabels()
        _save(figure, path)


def confusion(classification: Classification, path: Path) -> None:
    """Confusion matrix: counts, shaded by their share of the row's (the true class's) windows."""
    counts = np.array(classification.confusion)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = [score.name for score in classification.classes]
    size = len(names)
    with mpl.rc_context(_STYLE):
        side = max(3.2, 0.46 * size + 0.1 * max(map(len, names)))
        figure = Figure(figsize=(side, side), layout="constrained")
        axes: Axes = figure.subplots()
        axes.imshow(share, cmap=_SHADES, vmin=0, vmax=1)
        for row, column in np.argwhere(counts):
            color = "white" if share[row, column] > 0.7 else INK
            count = counts[row, column]
            axes.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=9 if count < 1e4 else 7)
        axes.set_xticks(range(size), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(size), names)
        axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
        axes.grid(which="minor", color=PALE, linewidth=0.8)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted", ylabel="true")
        _title(figure, f"accuracy {classification.accuracy:.2%}, weighted F1 {classification.weighted_f1:.2%}")
        _save(figure, path)


def curves(points: Sequence[Mapping[str, float]], path: Path) -> None:
    """Each quantity of `points`, one of which is given per epoch, over their number; one panel a quantity.

    A point's "epoch" counts within a phase of training: where it does not grow, a new phase begins, and a new line.
    """
    quantities = list(dict.fromkeys(key for point in points for key in point if key != "epoch"))
    phases: list[list[int]] = []
    for number, point in enumerate(points):
        if not phases or point.get("epoch", number) <= points[number - 1].get("epoch", number - 1):
            phases.append([])
        phases[-1].append(number)
    with mpl.rc_context(_STYLE):
        panels = max(1, len(quantities))
        figure = Figure(figsize=(6.0, 0.7 + 1.9 * panels), layout="constrained")
        grid = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
        for axes, quantity in zip(grid, quantities, strict=False):
            for phase in phases:
                known = [number for number in phase if quantity in points[number]]
                values = [points[number][quantity] for number in known]
                marker = "o" if len(known) == 1 else ""
                axes.plot([number + 1 for number in known], values, color=ACCENT, linewidth=1.5, marker=marker)
            for phase in phases[1:]:
                axes.axvline(phase[0] + 0.5, color=PALE, linewidth=1, zorder=0)
            last = max(number for number, point in enumerate(points) if quantity in point)
            axes.annotate(
                f"{points[last][quantity]:.3g}", (last + 1, points[last][quantity]), (6, 0),
                textcoords="offset points", va="center", color=ACCENT, annotation_clip=False,
            )  # fmt: skip
            axes.set_ylabel(quantity)
        grid[-1].set(xlabel="epoch", xlim=(0.5, len(points) + 0.5))
        grid[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
        figure.align_ylabels()
        _save(figure, path)


def layers(fractions: Mapping[str, float], path: Path, label: str) -> None:
    """A horizontal bar for each layer, first layer on top. fractions: 0 to 1, by layer; label: what they are."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 0.8 + 0.3 * len(fractions)), layout="constrained")
        axes: Axes = figure.subplots()
        bars = axes.barh(list(fractions), list(fractions.values()), color=ACCENT, height=0.66)
        axes.bar_label(bars, [f"{value:.1%}" for value in fractions.values()], padding=4, color=INK, fontsize=9)
        axes.invert_yaxis()
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlim(0, max([1e-3, *fractions.values()]) * 1.14)
        axes.xaxis.set_major_formatter(PercentFormatter(1.0))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(label)
        _save(figure, path)


def _title(figure: Figure, text: str) -> None:
    figure.suptitle(text, x=0.01, ha="left", fontsize=10)


def _save(figure: Figure, path: Path) -> None:
    metadata: dict[str, Any] = {"Date": None, "Creator": None} if path.suffix == ".svg" else {}
    figure.savefig(path, metadata=metadata)
