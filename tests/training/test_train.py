"""`bhc train` from end to end: recordings in CSV files to a checked QONNX file, on small waves; every method once."""

import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import bhc
from bhc import train
from bhc.api import load_model
from bhc.cli import main
from bhc.diagnostics import BhcError
from bhc.inputs import Windows
from bhc.ir.ops import Conv, Dense, Hold
from bhc.report import ComparisonError
from bhc.training import run
from bhc.training.data import catalog
from bhc.training.data.recordings import DataSet, Recording, Split

RATE = 20.0
FREQUENCIES = {"slow": 0.5, "middle": 2.0, "fast": 5.0}
DESCRIPTION = """
name = "NAME"
rate = 20
window = 32
hop = 16
files = ["NAME/*.csv"]
channels = ["x", "y", "z"]
triads = [["x", "y", "z"]]
label = "activity"
classes = ["slow", "middle", "fast"]
subject_pattern = "(s[0-9])"
[splits.default]
train = ["s1", "s2", "s3", "s4"]
validation = ["s5"]
test = ["s6"]
[splits.everyone]
train = ["s1", "s2", "s3", "s4", "s5", "s6"]
"""
BINARY = """
[data]
set = "waves"
train_hop = 8
[model]
name = "btcnn"
[model.options]
filters = 8
kernel = 5
pool = [2, 2]
dense = []
head = "average"
head_norm = true
[precision]
weights = 1
activations = 1
[training]
epochs = 3
batch = 16
rate = 0.02
"""
FOUR_BITS = 'base = "binary.toml"\n[precision]\nweights = 4\nactivations = 4\n'
FLOAT = 'base = "binary.toml"\n[precision]\nweights = 32\nactivations = 32\n'


def waves(seed: int, samples: int = 270) -> tuple[np.ndarray, list[str]]:
    """A subject's recording (3 * samples, 3), and its labels: a sine of each frequency in turn, in noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / RATE
    parts = [np.sin(2 * np.pi * f * time[:, None] + np.arange(3)) for f in FREQUENCIES.values()]
    x = np.concatenate(parts) + 0.3 * rng.standard_normal((3 * samples, 3))
    return x, [name for name in FREQUENCIES for _ in range(samples)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared sets: "waves"; "others", other subjects with a channel of another name; "parts", with attributes."""
    folder = tmp_path_factory.mktemp("data")
    for first, (name, channels) in enumerate((("waves", "x,y,z"), ("others", "x,y,w"))):
        (folder / name).mkdir()
        for subject in range(1, 7):
            x, labels = waves(10 * first + subject)
            rows = [",".join([*(f"{v:.4f}" for v in row), label]) for row, label in zip(x, labels, strict=True)]
            (folder / name / f"s{subject}.csv").write_text("\n".join([f"{channels},activity", *rows]) + "\n")
        text = DESCRIPTION.replace("NAME", name).replace('"z"', f'"{channels[-1]}"')
        (folder / f"{name}.toml").write_text(text)
        arguments = ["data", "prepare", str(folder / f"{name}.toml"), "--data", str(folder / "cache"), "-q"]
        assert main(arguments) == 0
    table = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 1, 1, 0]], np.uint8)
    recordings = []
    for subject in range(1, 7):
        x, labels = waves(20 + subject)
        y = np.array([list(FREQUENCIES).index(label) for label in labels], np.int16)
        recordings.append(Recording(f"s{subject}", f"s{subject}", x.astype(np.float32), y, table[y]))
    scrap = np.zeros(3, np.int16)  # shorter than a kernel
    recordings.append(Recording("s6.2", "s6", np.zeros((3, 3), np.float32), scrap, table[scrap]))
    dataset = DataSet(
        name="parts",
        rate=RATE,
        channels=("x", "y", "z"),
        classes=tuple(FREQUENCIES),
        window=32,
        hop=16,
        recordings=tuple(recordings),
        splits={"default": Split(test=("s6*",))},
        citation="",
        attributes=("calm", "lively", "hasty", "gentle"),
    )
    catalog.save(dataset, folder / "cache" / "parts.npz")
    return folder / "cache"


Fit = Callable[..., dict[str, Any]]


@pytest.fixture
def fit(cache: Path, tmp_path: Path) -> Fit:
    """Trains a recipe on the CPU: its text, the file's name, changed options -> results.json and the run's folder."""

    def fit(text: str, name: str = "binary", **options: Any) -> dict[str, Any]:
        recipe = tmp_path / f"{name}.toml"
        for file, content in (("binary.toml", BINARY), (recipe.name, text)):
            (tmp_path / file).write_text(content)
        chosen = train.Options([recipe], runs=tmp_path / "runs", cache=cache, device="cpu", **options)
        (result,) = train.train(chosen)
        return result

    return fit


def state(result: dict[str, Any]) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(Path(result["folder"]) / "model.pt", weights_only=True)
    return found


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def exported_weights(result: dict[str, Any]) -> list[np.ndarray]:
    """Of each layer, as the compiler reads them."""
    graph = load_model(Path(result["folder"]) / "model.onnx").graph
    return [node.op.weights for node in graph.nodes if isinstance(node.op, Conv | Dense)]


def phases(result: dict[str, Any]) -> list[str]:
    """Names of the trainings that made the network."""
    return sorted(path.stem for path in (Path(result["folder"]) / "phases").glob("*.pt"))


# ---------------------------------------------------------------- the whole way


def test_from_csv_to_a_compiled_network(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("binary.toml").write_text(BINARY)
    command = ["train", "binary.toml", "--data", str(cache), "--device", "cpu", "--seeds", "1,2"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    summary, *folders = out.splitlines()
    assert summary.startswith("binary: accuracy ")
    assert summary.endswith("(2 seeds)")
    assert folders == ["written to runs/binary/seed1", "written to runs/binary/seed2"]
    assert [line.split(": loss")[0] for line in err.splitlines()[:3]] == [
        f"binary seed 1 final: epoch {epoch}/3" for epoch in (1, 2, 3)
    ]
    folder = Path("runs/binary/seed1")
    names = {path.name for path in folder.iterdir()}
    plots = {"confusion.svg", "reliability.svg", "loss.svg", "flips.svg"}
    assert names == {"recipe.json", "results.json", "model.pt", "model.onnx", "test.npz", "phases"} | plots

    results = json.loads((folder / "results.json").read_text())
    about = {"recipe", "seed", "data", "seconds", "torch"}
    assert results.keys() == about | {
        "test",
        "validation",
        "calibrated",
        "cost",
        "activations",
        "temporal",
        "flips",
        "export",
    }
    assert (results["recipe"], results["seed"]) == ("binary", 1)
    assert results["data"] == {
        "set": "waves",
        "split": "default",
        "windows": {"train": 360, "validation": 45, "test": 45},
        "classes": ["slow", "middle", "fast"],
    }
    for part in ("test", "validation"):
        scores, calibration = results[part]["classification"], results[part]["calibration"]
        assert scores["windows"] == np.sum(scores["confusion"]) == 45
        assert scores["accuracy"] == np.trace(scores["confusion"]) / 45
        assert 0.8 < scores["weighted_f1"] <= 1
        assert 0 <= calibration["ece"] < 0.5
    assert results["calibrated"]["temperature"] > 0
    assert [row["layer"] for row in results["activations"]] == ["conv1", "conv2"]
    assert [row["elements"] for row in results["activations"]] == [45 * 8 * 28, 45 * 8 * 10]
    cost = results["cost"]
    assert [layer["name"] for layer in cost["layers"]] == ["conv1", "conv2", "head"]
    assert [layer["weight_bits"] for layer in cost["layers"]] == [1, 1, 1]
    assert cost["binary_bytes"] == (3 * 8 * 5 + 8 * 8 * 5 + 8 * 3) / 8
    assert cost["macs"] == 28 * 3 * 8 * 5 + 10 * 8 * 8 * 5 + 8 * 3
    assert [row["layer"] for row in results["flips"]] == ["conv1", "conv1.pool", "conv2", "conv2.pool"]
    assert all(0 < row["rate"] < 0.5 for row in results["flips"])
    assert [row["name"] for row in results["temporal"]] == ["conv1", "conv2"]
    assert results["export"]["model"]["windows"] == 45
    assert results["export"]["model"]["same_labels"] + results["export"]["model"]["ambiguous"] >= 45
    assert abs(results["export"]["model"]["accuracy"] - results["test"]["classification"]["accuracy"]) <= 1 / 45

    build = bhc.compile(folder / "model.onnx", emit="graph")
    with np.load(folder / "test.npz") as test:
        assert (test["x"].shape, test["y"].shape, test["outputs"].shape) == ((45, 3, 32), (45,), (45, 3))
        assert np.mean(build.simulate(test["x"]).labels == test["y"]) == results["export"]["model"]["accuracy"]

    before = (folder / "results.json").read_bytes(), (folder / "model.pt").stat().st_mtime_ns
    assert main(command) == 0  # has nothing left to do
    assert capsys.readouterr() == (out, "")
    assert ((folder / "results.json").read_bytes(), (folder / "model.pt").stat().st_mtime_ns) == before


def test_list_of_data(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--data", str(cache)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [row[:2] for row in rows[1:3]] == [["hapt", "no"], ["uci-har", "no"]]
    assert ["waves", "yes", "6", "0.1", "3", "20", "3"] in rows


def test_an_export_with_other_labels(fit: Fit, tmp_path: Path) -> None:
    result = fit(BINARY)
    with np.load(Path(result["folder"]) / "test.npz") as test:
        windows, outputs = Windows(test["x"], test["y"]), test["outputs"].copy()
    outputs[7] = np.roll(outputs[7], 1)
    with pytest.raises(ComparisonError, match=r"model.onnx: window 7 has label \d exported, \d trained; 1 of 45"):
        train.check_export(Path(result["folder"]) / "model.onnx", windows, outputs.argmax(1))


# ---------------------------------------------------------------- interrupted runs


def interrupt(monkeypatch: pytest.MonkeyPatch, epochs: Sequence[int]) -> None:
    """Ctrl-C after each of the epochs, counted over all phases."""
    count = 0
    write = run._Lines.on_train_epoch_end

    def wrapped(self: Any, trainer: Any, module: Any) -> None:
        nonlocal count
        write(self, trainer, module)
        count += 1
        if count in epochs:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(run._Lines, "on_train_epoch_end", wrapped)


CHANCE = """base = "binary.toml"
[data.augmentation]
noise = 0.1
gain = 0.1
rotation = 10.0
[model.options]
stochastic = true
[precision]
stages = [["conv1"]]
stage_epochs = 2
[training]
samples = 128
[flips]
penalty = 0.1
"""
PRUNED = FOUR_BITS + "[pruning]\nsparsity = 0.6\nevery = 5\nfeedback = true\n"


@pytest.mark.parametrize(("text", "epochs"), [(CHANCE, (1, 2, 4)), (PRUNED, (1, 3))], ids=["chance", "pruned"])
def test_an_interrupted_run_ends_as_another(
    fit: Fit, monkeypatch: pytest.MonkeyPatch, text: str, epochs: Sequence[int]
) -> None:
    """All that chance decides comes again: batches, augmentation, stochastic signs. Also after a phase's last epoch."""
    whole = fit(text, "run")
    expected = state(whole)
    interrupt(monkeypatch, epochs)
    handler = signal.getsignal(signal.SIGINT)
    for attempt in range(len(epochs)):
        with pytest.raises(KeyboardInterrupt):
            fit(text, "run", fresh=attempt == 0)
        assert signal.getsignal(signal.SIGINT) is handler
        assert not (Path(whole["folder"]) / "model.pt").exists()
    resumed = fit(text, "run")
    assert equal(state(resumed), expected)
    assert resumed["test"] == whole["test"]


def test_the_exit_code_of_an_interrupted_run(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(monkeypatch, [2])
    recipe = tmp_path / "binary.toml"
    recipe.write_text(BINARY)
    arguments = ["train", str(recipe), "--data", str(cache), "--runs", str(tmp_path), "--device", "cpu", "-q"]
    assert main(arguments) == 130
    assert capsys.readouterr() == ("", "interrupted\n")
    assert (tmp_path / "binary/seed1/phases/final.ckpt").exists()
    assert main(arguments) == 0
    assert not (tmp_path / "binary/seed1/phases/final.ckpt").exists()


def test_seeds_and_fresh_starts(fit: Fit) -> None:
    first, second = state(fit(BINARY)), state(fit(BINARY, seeds=[2]))
    assert not equal(first, second)
    assert equal(state(fit(BINARY, fresh=True)), first)


def test_another_recipe_in_the_same_folder(fit: Fit) -> None:
    fit(BINARY, epochs=1)
    with pytest.raises(BhcError, match=r"BHC711\] .*binary/seed1: holds a run of another version of binary.toml"):
        fit(BINARY)
    assert fit(BINARY, fresh=True)["test"]["classification"]["windows"] == 45


def test_a_recipe_that_never_began_leaves_its_folder_free(fit: Fit) -> None:
    for wrong, code in (('set = "wavse"', "BHC702"), ('set = "waves"\nchannels = ["q"]', "BHC703")):
        with pytest.raises(BhcError, match=code):
            fit(BINARY.replace('set = "waves"', wrong), epochs=1)
    with pytest.raises(BhcError, match="BHC710"):
        fit(BINARY.replace("filters", "filter"), epochs=1)
    fit(BINARY, epochs=1)


# ---------------------------------------------------------------- methods


def test_float(fit: Fit) -> None:
    """A float network is trained, and not exported."""
    result = fit(FLOAT, "float")
    assert "export" not in result
    assert "flips" not in result
    assert not (Path(result["folder"]) / "model.onnx").exists()
    assert result["cost"]["float_macs"] == result["cost"]["macs"]
    assert (Path(result["folder"]) / "temporal.svg").exists()


def test_born_again(fit: Fit) -> None:
    """The teacher is trained first, once; its student starts from its weights and teaches the next generation."""
    text = 'base = "binary.toml"\n[teacher]\nrecipes = ["float.toml"]\ninitialize = true\ngenerations = 2\n'
    teacher = fit(FLOAT, "float")
    born = fit(text, "born")
    assert phases(born) == ["generation1", "generation2"]
    assert len(born["generations"]) == 2
    assert born["generations"][1] == born["test"]["classification"]
    assert 0.8 < born["ensemble"]["classification"]["accuracy"] <= 1
    assert fit(FLOAT, "float") == teacher
    # From the teacher's weights, and not from chance: most signs are still the same.
    key = next(name for name, value in state(born).items() if value.shape == (8, 3, 5))
    (of_teacher,) = (value for value in state(teacher).values() if value.shape == (8, 3, 5))
    assert (state(born)[key].sign() == of_teacher.sign()).double().mean() > 0.75


def test_a_teacher_of_other_classes(fit: Fit, tmp_path: Path) -> None:
    two = 'base = "binary.toml"\n[data]\nclasses = ["slow", "fast"]\n[training]\nepochs = 1'
    (tmp_path / "two.toml").write_text(two)
    with pytest.raises(BhcError, match=r"BHC710\] .*the teacher two.toml has other windows, channels or classes"):
        fit('base = "binary.toml"\n[teacher]\nrecipes = ["two.toml"]', "student")
    with pytest.raises(BhcError, match=r"BHC710\] .*itself.toml: learns from itself"):
        fit('base = "binary.toml"\n[teacher]\nrecipes = ["itself.toml"]', "itself")


def test_stages(fit: Fit) -> None:
    stages = "[precision]\nweights = 1\nactivations = 1\nstages = [['conv1'], ['conv2']]\nstage_epochs = 2\n"
    result = fit(f'base = "binary.toml"\n{stages}', "staged")
    assert phases(result) == ["final", "stage1", "stage2"]
    folder = Path(result["folder"]) / "phases"
    epochs = {name: len(json.loads((folder / f"{name}.json").read_text())) for name in phases(result)}
    assert epochs == {"final": 3, "stage1": 2, "stage2": 2}
    assert [layer["weight_bits"] for layer in result["cost"]["layers"]] == [1, 1, 1]
    assert result["export"]["model"]["same_labels"] + result["export"]["model"]["ambiguous"] >= 45


def test_flip_penalty(fit: Fit) -> None:
    """Fewer flips on continuous recordings."""

    def mean_rate(result: dict[str, Any]) -> float:
        return float(np.mean([row["rate"] for row in result["flips"] if not row["layer"].endswith(".pool")]))

    result = fit('base = "binary.toml"\n[flips]\npenalty = 5.0', "calm")
    assert mean_rate(result) < 0.8 * mean_rate(fit(BINARY))
    history = json.loads((Path(result["folder"]) / "phases" / "final.json").read_text())
    assert [list(point) for point in history] == [["epoch", "loss", "flips"]] * 3


@pytest.mark.parametrize("feedback", [False, True])
def test_pruning(fit: Fit, feedback: bool) -> None:
    result = fit(PRUNED.replace("true", str(feedback).lower()), "pruned")
    layers = result["cost"]["layers"]
    pruned = [round(0.6 * layer["weights"]) for layer in layers]
    assert all(layer["weights"] - layer["nonzero"] >= n for layer, n in zip(layers, pruned, strict=True))
    exported = exported_weights(result)
    assert [weights.size for weights in exported] == [layer["weights"] for layer in layers]
    assert [weights.size - np.count_nonzero(weights) for weights in exported] == [
        layer["weights"] - layer["nonzero"] for layer in layers
    ]
    assert result["export"]["model"]["same_labels"] + result["export"]["model"]["ambiguous"] >= 45


TRAINED = "threshold = 2.0\ntrain_threshold = true"
DELTA = '[delta]\nafter = ["conv*"]\nquantization = "fixed"\nbits = 6\nfraction = 3\npenalty = 0.1\n'


def test_temporal_delta(fit: Fit) -> None:
    result = fit(FLOAT + DELTA + TRAINED, "delta")
    plain = fit(FLOAT, "float")
    assert len(result["temporal"]) == len(plain["temporal"]) == 2
    assert result["test"]["classification"]["accuracy"] > 0.8
    for row, other in zip(result["temporal"], plain["temporal"], strict=True):
        assert row["name"] == other["name"]
        assert 0.1 < row["unchanged"] <= 1
        assert row["unchanged"] > other["unchanged"]


def test_temporal_delta_in_hardware(fit: Fit) -> None:
    """Without a threshold a delta layer is a quantizer; with one, fixed or trained, the exported network holds."""
    for name, more in (("quantizer", ""), ("fixed", "threshold = 2.0"), ("trained", TRAINED)):
        result = fit(FOUR_BITS + DELTA + more, name)
        assert result["export"]["model"]["same_labels"] + result["export"]["model"]["ambiguous"] >= 45
        nodes = load_model(Path(result["folder"]) / "model.onnx").graph.nodes
        assert sum(isinstance(node.op, Hold) for node in nodes) == (2 if more else 0)
    with pytest.raises(BhcError, match=r"BHC710\] delta.after: no layer is called 'cnv\*'"):
        fit(FLOAT + DELTA.replace("conv", "cnv"), "wrong")
    with pytest.raises(
        BhcError, match=r"delta.after: no layer with a time axis is called 'head'\n  hint: .* conv1, conv2"
    ):
        fit(FLOAT + DELTA.replace("conv*", "head"), "wrong")


def test_every_layer_named(fit: Fit) -> None:
    """A network whose layers are all quantized is exported, whatever the layers that it has not got would be."""
    layers = (
        "conv1 = { weights = 1, activations = 1 }\nconv2 = { weights = 4, activations = 4 }\nhead = { weights = 8 }"
    )
    result = fit(f"{FLOAT}[precision.layers]\n{layers}", "named")
    assert result["export"]["model"]["windows"] == 45
    assert result["flips"][0]["layer"] == "conv1"


def test_activation_l1(fit: Fit) -> None:
    text = FLOAT + "[training]\nactivation_l1 = 1.0"
    result = fit(text, "l1")
    history = json.loads((Path(result["folder"]) / "phases" / "final.json").read_text())
    assert history[-1]["l1"] < history[0]["l1"]


def test_attributes(fit: Fit) -> None:
    """The network learns attributes; classes are those with the nearest ones, in torch as in the exported file."""
    text = 'base = "binary.toml"\n[data]\nset = "parts"\n[training]\nhead = "attributes"\nepochs = 6'
    result = fit(text, "attributes")
    assert result["cost"]["layers"][-1]["output_shape"] == [4]
    assert result["test"].keys() == {"classification", "attributes"}
    scores = result["test"]["attributes"]
    assert scores["names"] == ["calm", "lively", "hasty", "gentle"]
    assert scores["mean_accuracy"] == pytest.approx(np.mean(scores["accuracy"]))
    assert 0.6 < scores["mean_accuracy"] <= 1
    assert result["test"]["classification"]["accuracy"] > 0.6
    assert "validation" not in result
    assert result["export"]["model"]["windows"] == 45
    assert abs(result["export"]["model"]["accuracy"] - result["test"]["classification"]["accuracy"]) <= 1 / 45
    with pytest.raises(BhcError, match=r"BHC710\] training.head: the data set waves has no attributes"):
        fit(text.replace("parts", "waves"), "without")


def test_class_weights_and_other_options(fit: Fit) -> None:
    options = 'optimizer = "rmsprop"\nschedule = "constant"\nclass_weights = true\nlabel_smoothing = 0.1'
    selected = '[data]\nclasses = ["fast", "slow"]\nchannels = ["z", "x"]\nwindow = 16\ndecimate = 2\nrule = "majority"'
    network = "[model.options]\nkernel = 3\n[training]\nrate = 0.002"
    result = fit(f'base = "binary.toml"\n{selected}\n{network}\n{options}', "chosen")
    assert result["data"]["classes"] == ["fast", "slow"]
    assert result["test"]["classification"]["accuracy"] > 0.7


def test_transfer(fit: Fit) -> None:
    """To a set with another third channel: the weights of the two others come along, and stay where they are frozen."""
    transfer = '[transfer]\nrecipe = "source.toml"\nfreeze = ["conv1", "conv2"]'
    text = f'base = "binary.toml"\n[data]\nset = "others"\n{transfer}'
    source, target = fit(BINARY, "source"), fit(text, "target")
    assert target["data"]["set"] == "others"
    (before, after) = (next(v for v in state(r).values() if v.shape == (8, 3, 5)) for r in (source, target))
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.equal(before[:, 2], after[:, 2])
    with pytest.raises(BhcError, match=r"BHC710\] no layer is called 'conv9'\n  hint: there are conv1, conv2, head"):
        fit(text.replace("conv2", "conv9"), "wrong")
