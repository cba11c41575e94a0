"""What a user of `bhc data` and `bhc train` reads when something is wrong: whole messages, as golden files.

`pytest --update-golden` rewrites the files.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bhc.cli import main
from bhc.diagnostics import BhcError
from bhc.training.delta import TemporalDelta

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

Case = Callable[[pytest.MonkeyPatch], None]
CASES: dict[str, Case] = {}

DESCRIPTION = """
name = "pump"
rate = 10
window = 8
hop = 4
files = ["*.csv"]
channels = ["pressure", "flow"]
label = "state"
subject_pattern = "(p[0-9])"
[splits.default]
train = ["p1", "p2"]
test = ["p3"]
[splits.others]
train = ["p1", "p2", "p3"]
"""
RECIPE = """
[data]
set = "pump"
[model]
name = "btcnn"
[model.options]
filters = 2
kernel = 3
pool = [2]
dense = []
[precision]
weights = 1
activations = 1
[training]
epochs = 1
batch = 2
"""


def case(function: Case) -> Case:
    """Registers a function that does, in an empty folder, what ends in the diagnostic."""
    CASES[function.__name__] = function
    return function


def prepare(description: str = DESCRIPTION, value: str = "1.5") -> None:
    for subject in ("p1", "p2", "p3"):
        rows = [f"{i % 4},{value},{state}" for state in ("on", "off") for i in range(16)]
        Path(f"{subject}.csv").write_text("\n".join(["pressure,flow,state", *rows]) + "\n")
    Path("pump.toml").write_text(description)
    run("data prepare pump.toml --data cache")


def train(recipe: str = RECIPE, name: str = "net.toml", options: str = "") -> None:
    Path(name).write_text(recipe)
    run(f"train {name} --data cache --device cpu {options}")


def run(line: str) -> None:
    """A command line; stops at the first that fails."""
    if code := main([*line.split(), "-q"]):
        raise SystemExit(code)


# ---------------------------------------------------------------- data


@case
def bhc700_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    run("data prepare hapt --data cache")


@case
def bhc700_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("download/data/a01/p1").mkdir(parents=True)
    run("data prepare dsads --source download --data cache")


@case
def bhc700_no_description(monkeypatch: pytest.MonkeyPatch) -> None:
    run("data prepare pump.toml --data cache")


@case
def bhc701_not_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(value="much")


@case
def bhc701_unknown_key(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(DESCRIPTION.replace("rate", "frequency"))


@case
def bhc702_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    run("data prepare")


@case
def bhc702_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    run("data prepare hpat --source . --data cache")


@case
def bhc702_not_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    train(RECIPE.replace("pump", "motionsense"))


@case
def bhc702_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("cache").mkdir()
    Path("cache/pump.npz").write_bytes(b"PK\x03\x04")
    train()


@case
def bhc703_class(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE.replace('"pump"', '"pump"\nclasses = ["on", "idle"]'))


@case
def bhc703_split(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE.replace('"pump"', '"pump"\nsplit = "official"'))


@case
def bhc703_no_test_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE.replace('"pump"', '"pump"\nsplit = "others"'))


@case
def bhc703_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(DESCRIPTION.replace('["p3"]', '["p4"]'))


# ---------------------------------------------------------------- recipes and runs


@case
def bhc710_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    run("train net.toml --data cache")


@case
def bhc710_unknown_key(monkeypatch: pytest.MonkeyPatch) -> None:
    train(RECIPE.replace("epochs", "epoch"))


@case
def bhc710_value(monkeypatch: pytest.MonkeyPatch) -> None:
    train(RECIPE.replace("weights = 1", "weights = 12"))


@case
def bhc710_model(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE.replace("btcnn", "tcnn"))


@case
def bhc710_model_option(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE.replace("filters", "filter"))


@case
def bhc710_too_deep(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE.replace("[2]", "[2, 2, 2]"))


@case
def bhc710_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE + "[precision.layers.conv2]\nweights = 8\n")


@case
def bhc710_pruned_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE + "[pruning]\nsparsity = 0.5\n")


@case
def bhc710_no_flips(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE.replace("activations = 1", "activations = 4") + "[flips]\npenalty = 0.1\n")


@case
def bhc710_no_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE + 'head = "attributes"\n')


@case
def bhc710_teacher_of_another_form(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train(RECIPE.replace("filters = 2", "filters = 4"), "teacher.toml")
    train(RECIPE + '[teacher]\nrecipes = ["teacher.toml"]\ninitialize = true\n')


@case
def bhc711_another_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare()
    train()
    train(RECIPE.replace("batch = 2", "batch = 3"))


@case
def bhc712_no_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("bhc.training.run", "bhc.training.task"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lightning", None)
    train()


@case
def bhc713_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python: `bhc train` uses the other exporter."""
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    try:
        TemporalDelta("fixed", threshold=2.0, train_threshold=True).eval()(torch.zeros(1, 2, 20))
    except BhcError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from error


@case
def bhc714_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    train(options="--device cuda")


@pytest.mark.parametrize("name", CASES)
def test_message(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    update_golden: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        CASES[name](monkeypatch)
    assert stop.value.code == 1
    out, text = capsys.readouterr()
    assert out == ""
    golden = HERE / f"{name}.txt"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text()
    assert set(re.findall(r"BHC\d{3}", text)) == {name[:6].upper()}


def test_every_code_has_a_message() -> None:
    raised = {
        code
        for path in (ROOT / "training").rglob("*.py")
        for code in re.findall(r'"(BHC\d{3})"', path.read_text(encoding="utf-8"))
    }
    assert raised == {name[:6].upper() for name in CASES}
