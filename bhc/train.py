"""`bhc train`: runs a recipe with its seeds, checks what was exported, and sums up.

Training itself is bhc.training.run; this is where it meets the compiler, through the ONNX file alone.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from bhc.diagnostics import fail
from bhc.inputs import Windows
from bhc.ir.ops import IntArray
from bhc.progress import SILENT, Progress
from bhc.report import ComparisonError

if TYPE_CHECKING:
    from bhc.training.run import Context


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """The exported file in bhc's simulator against the trained network in torch, on all test windows.

    same_labels: windows with the same label. ambiguous: windows in which some threshold decision is closer than
    float32 resolves, so that torch may take it the other way. accuracy: of the exported
    file, where it gives classes of the data.
    """

    windows: int
    same_labels: int
    ambiguous: int
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `bhc train`. seeds: None for that of each recipe."""

    recipes: Sequence[Path]
    seeds: Sequence[int] | None = None
    runs: Path = Path("runs")
    cache: Path | None = None
    epochs: int | None = None
    fresh: bool = False
    device: str = "auto"
    threads: int = 1


def _need_training() -> None:
    """Imports what trains, in silence. Raises BhcError (BHC712)."""
    # Lightning's own report of its environment, and torch's hints, are not for users of bhc.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        with warnings.catch_warnings(action="ignore"):
            import bhc.training.run  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("bhc."):
            raise
        raise fail(
            "BHC712",
            f"the package {error.name.partition('.')[0]!r} is not installed",
            origin="bhc train",
            hint="install the training extra: pip install 'bhc[train]'",
        ) from error


def train(options: Options, progress: Progress = SILENT, *, live: bool = False) -> list[dict[str, Any]]:
    """Trains every recipe with every seed; returns their results (results.json).

    Raises:
        BhcError: a recipe, the data or the environment is wrong.
        ComparisonError: an exported network gives other labels than the trained one.
    """
    _need_training()
    from bhc.training.run import Context

    context = Context(
        cache=options.cache,
        runs=options.runs,
        log=progress.detail if live else progress.note,
        device=options.device,
        threads=options.threads,
        epochs=options.epochs,
        fresh=options.fresh,
        progress=live,
    )
    from bhc.training.recipe import read

    return [
        _one(recipe, seed, context, progress)
        for recipe in options.recipes
        for seed in options.seeds or (read(recipe).training.seed,)
    ]


def _one(recipe: Path, seed: int, context: Context, progress: Progress) -> dict[str, Any]:
    from bhc.training import run

    trained = run.train(recipe, seed, context)
    file = trained.folder / "results.json"
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    models = sorted(trained.folder.glob("*.onnx"))
    if models and "export" not in results:
        with np.load(trained.folder / "test.npz") as test:
            arrays = dict(test)
        found = {}
        for model in models:
            with progress.step(f"checking {model} on the test set"):
                if model.stem == "model":
                    windows = Windows(arrays["x"], arrays["y"])
                    check = check_export(model, windows, trained.labels(arrays["outputs"]))
                else:  # one of the networks of a model of several: it has its own classes
                    check = check_export(model, Windows(arrays["x"]), arrays[f"outputs_{model.stem}"].argmax(1))
            found[model.stem] = asdict(check)
        results["export"] = found
        run.save_text(file, json.dumps(results, indent=1) + "\n")
    return results | {"folder": str(trained.folder)}


def check_export(model: Path, windows: Windows, labels: IntArray) -> ExportCheck:
    """Compares the labels that the exported model gives, computed exactly, with the trained network's, (N,).

    Raises ComparisonError if a window that is not ambiguous has another label.
    """
    from bhc import simulator
    from bhc.api import load_model
    from bhc.frontend.reference import ambiguous_windows

    imported = load_model(model)
    network = simulator.Network(imported.graph, imported.head, imported.tail)
    ours = simulator.simulate(network, windows).labels
    ambiguous = ambiguous_windows(imported, windows.x)
    different = (ours != labels) & ~ambiguous
    if different.any():
        window = int(np.flatnonzero(different)[0])
        raise ComparisonError(
            f"{model}: window {window} has label {ours[window]} exported, {labels[window]} trained; "
            f"{int(different.sum())} of {len(windows)} windows differ"
        )
    accuracy = None if windows.y is None else float((ours == windows.y).mean())
    return ExportCheck(len(windows), int((ours == labels).sum()), int(ambiguous.sum()), accuracy)


def summary(results: Sequence[dict[str, Any]]) -> list[str]:
    """For each recipe a line: mean and sample standard deviation over its seeds."""
    lines = []
    for recipe in dict.fromkeys(r["recipe"] for r in results):
        mine = [r for r in results if r["recipe"] == recipe]
        columns = []
        for name, values in (
            ("accuracy", [100 * r["test"]["classification"]["accuracy"] for r in mine]),
            ("weighted F1", [100 * r["test"]["classification"]["weighted_f1"] for r in mine]),
        ):
            spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
            columns.append(f"{name} {mean(values):.2f}{spread} %")
        lines.append(f"{recipe}: {', '.join(columns)} ({len(mine)} seed{'s' if len(mine) > 1 else ''})")
    return lines
