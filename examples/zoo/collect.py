"""Gathers finished runs into this folder and into docs/zoo.md.

    python examples/zoo/collect.py --runs RUNS [--models]

Writes the tables of docs/zoo.md between their marks; with --models, also models/NAME.onnx, the run of the first seed,
and models/NAME.json, its metrics. A recipe without a finished run is left out of its table.
"""

import json
import shutil
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, TypeAlias

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "zoo.md"
Results: TypeAlias = dict[str, Any]

SETS = {"hapt": "HAPT", "motionsense": "MotionSense", "dsads": "DSADS", "daphnet": "Daphnet"}
FORMS = {
    "float": "float",
    "w8a8": "8 bits",
    "w4a4": "4 bits",
    "binary": "fully binary",
    "bornagain": "fully binary, born again",
    "binary_flips": "born again, with flip penalty",
}
BINARIZED = {"": "none", "_conv1": "Conv[1]", "_conv2": "Conv[1-2]", "_conv3": "Conv[1-3]", "_conv4": "Conv[1-4]"}
BINARIZED["_all"] = "all, dense too"
DELTA = {
    "hapt_relu": "baseline (ReLU)",
    "hapt_l1": "L1 on activations",
    "hapt_fixed": "temporal delta, fixed point",
    "hapt_lsq": "temporal delta, LSQ",
}


def load(runs: Path, recipe: str) -> list[Results]:
    """Results of all seeds of a recipe, in the order of the seeds."""
    files = sorted((runs / recipe).glob("seed*/results.json"), key=lambda f: int(f.parent.name.removeprefix("seed")))
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean and, of several, the sample standard deviation."""
    text = f"{mean(values):.{digits}f}"
    return f"{text} ± {stdev(values):.{digits}f}" if len(values) > 1 else text


def percent(results: Iterable[Results], *keys: str) -> str:
    values = []
    for result in results:
        value: Any = result
        for key in keys:
            value = value[key]
        values.append(100 * value)
    return spread(values)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def zoo(runs: Path) -> str:
    rows = []
    for key, title in SETS.items():
        for form, name in FORMS.items():
            found = load(runs, f"{key}_{form}")
            if not found:
                continue
            rows.append(
                [
                    title,
                    name,
                    str(len(found)),
                    percent(found, "test", "classification", "accuracy"),
                    percent(found, "test", "classification", "weighted_f1"),
                    percent(found, "test", "classification", "macro_f1"),
                    percent(found, "test", "calibration", "ece"),
                    _generations(found),
                    f"{mean(result['seconds'] for result in found) / 60:.1f}",
                ]
            )
    header = (
        "data",
        "network",
        "seeds",
        "accuracy %",
        "weighted F1 %",
        "mean F1 %",
        "ECE %",
        "ensemble: F1, ECE %",
        "minutes",
    )
    return table(header, rows)


def _generations(found: Sequence[Results]) -> str:
    """Of the born-again generations' ensemble."""
    if not all("ensemble" in result for result in found):
        return ""
    f1 = percent(found, "ensemble", "classification", "weighted_f1")
    return f"{f1}, {percent(found, 'ensemble', 'calibration', 'ece')}"


def sizes(runs: Path) -> str:
    rows = []
    for key, title in SETS.items():
        for form, name in FORMS.items():
            found = load(runs, f"{key}_{form}")
            if found:
                cost = found[0]["cost"]
                rows.append(
                    [
                        title,
                        name,
                        f"{cost['parameters']:,}",
                        f"{cost['binary_bytes']:,}",
                        f"{cost['integer_bytes']:,}",
                        f"{cost['float_bytes']:,}",
                        f"{cost['other_bytes']:,}",
                        f"{cost['bytes']:,}",
                        f"{100 * (1 - cost['size_ratio']):.1f} %",
                        f"{cost['macs'] / 1e6:.2f}",
                        f"{cost['binary_macs'] / 1e6:.2f}",
                        f"{cost['energy_pj'] / 1e6:.2f}",
                    ]
                )
    header = (
        "data", "network", "parameters", "binary layers, bytes", "integer", "float", "BatchNorm and scales", "total",
        "below float", "MMAC", "of them binary", "energy estimate, µJ",
    )  # fmt: skip
    return table(header, rows)


def thesis(runs: Path) -> str:
    rows = []
    for key in ("hapt", "dsads"):
        for suffix, name in BINARIZED.items():
            cells = []
            for form in ("plain", "ours"):
                found = load(runs, f"{key}_{form}{suffix}")
                cells += [
                    percent(found, "test", "classification", kind) if found else ""
                    for kind in ("weighted_f1", "accuracy")
                ]
            if any(cells):
                rows.append([SETS[key], name, *cells])
    header = ("data", "binary layers", "plain: weighted F1 %", "accuracy %", "ours: weighted F1 %", "accuracy %")
    return table(header, rows)


def delta(runs: Path) -> str:
    rows = []
    for recipe, name in DELTA.items():
        found = load(runs, recipe)
        if found:
            layers = found[0]["temporal"]
            cells = [f"{100 * layer['unchanged']:.1f}" for layer in layers]
            zeros = f"{100 * mean(layer['zeros'] for layer in layers):.1f}"
            overall = sum(r["unchanged"] * r["elements"] for r in layers) / sum(r["elements"] for r in layers)
            accuracy = percent(found, "test", "classification", "accuracy")
            rows.append([name, accuracy, zeros, *cells, f"{100 * overall:.1f}"])
    header = ("network", "accuracy %", "zeros %", *(f"conv{i}: unchanged %" for i in range(1, 5)), "all, by elements")
    return table(header, rows)


def flips(runs: Path) -> str:
    rows = []
    for key, title in SETS.items():
        for form in ("binary", "bornagain", "binary_flips"):
            found = load(runs, f"{key}_{form}")
            if found:
                layers = {row["layer"]: row["rate"] for row in found[0]["flips"]}
                cells = [f"{100 * rate:.1f}" for name, rate in layers.items() if not name.endswith(".pool")]
                overall = mean(r for name, r in layers.items() if not name.endswith(".pool"))
                f1 = percent(found[:1], "test", "classification", "weighted_f1")
                rows.append([title, FORMS[form], f1, *cells, f"{100 * overall:.1f}"])
    header = ("data", "network", "weighted F1 %", *(f"conv{i} %" for i in range(1, 5)), "mean of layers %")
    return table(header, rows)


def hardware(_: Path) -> str:
    """From what verify.py found."""
    rows = []
    for key, title in SETS.items():
        for form, name in FORMS.items():
            file = HERE / "models" / f"{key}_{form}.json"
            found = json.loads(file.read_text(encoding="utf-8")).get("hardware") if file.exists() else None
            if found:
                simulator, rtl = found["verification"]
                rows.append(
                    [
                        title,
                        name,
                        f"{found['cycles_per_window']:,}",
                        f"{found['lut']:,}",
                        f"{found['bram36']:g}",
                        *(f"{v['windows']:,}: {v['mismatches']:,} of {v['values']:,}" for v in (simulator, rtl)),
                        str(simulator["ambiguous"]),
                    ]
                )
    header = (
        "data",
        "network",
        "cycles a window",
        "LUT (estimate)",
        "BRAM36",
        "windows: mismatches against onnxruntime",
    )
    return table((*header, "RTL", "ambiguous"), rows)


def networks(runs: Path) -> str:
    """The other networks, on HAPT."""
    rows = []
    for recipe in sorted((HERE.parent / "networks").glob("*.toml")):
        found = load(runs, recipe.stem)
        if found:
            cost = found[0]["cost"]
            nonzero = sum(layer["nonzero"] for layer in cost["layers"]) / sum(
                layer["weights"] for layer in cost["layers"]
            )
            rows.append(
                [
                    recipe.stem,
                    percent(found, "test", "classification", "accuracy"),
                    percent(found, "test", "classification", "weighted_f1"),
                    f"{cost['parameters']:,}",
                    f"{100 * (1 - nonzero):.1f}",
                    f"{cost['bytes']:,}",
                    f"{cost['macs'] / 1e6:.2f}",
                    f"{found[0]['seconds'] / 60:.1f}",
                ]
            )
    header = ("recipe", "accuracy %", "weighted F1 %", "parameters", "zero weights %", "bytes", "MMAC", "minutes")
    return table(header, rows)


TABLES = {
    "zoo": zoo,
    "sizes": sizes,
    "hardware": hardware,
    "networks": networks,
    "thesis": thesis,
    "delta": delta,
    "flips": flips,
}


def fill(text: str, name: str, content: str) -> str:
    """Puts a table between its marks."""
    begin, end = f"<!-- table {name} -->\n", f"<!-- end {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{DOCUMENT}: no marks of a table {name}")
    return f"{before}{begin}\n{content}\n\n{end}{after}"


def copy_models(runs: Path) -> None:
    folder = HERE / "models"
    folder.mkdir(exist_ok=True)
    for recipe in sorted((HERE / "recipes").glob("*_*.toml")):
        seeds = sorted((runs / recipe.stem).glob("seed*"), key=lambda f: int(f.name.removeprefix("seed")))
        for seed in seeds[:1]:
            if not (seed / "results.json").exists():
                continue
            model, metrics = folder / f"{recipe.stem}.onnx", folder / f"{recipe.stem}.json"
            results = json.loads((seed / "results.json").read_text(encoding="utf-8"))
            made = seed / "model.onnx"
            if made.exists():
                if metrics.exists() and model.exists() and model.read_bytes() == made.read_bytes():
                    before = json.loads(metrics.read_text(encoding="utf-8"))
                    results |= {"hardware": before["hardware"]} if "hardware" in before else {}
                shutil.copy(made, model)
            metrics.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder that `bhc train --runs` wrote")
    parser.add_argument("--models", action="store_true", help="copy the models too")
    arguments = parser.parse_args()
    if arguments.models:
        copy_models(arguments.runs)
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, make in TABLES.items():
        text = fill(text, name, make(arguments.runs))
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
