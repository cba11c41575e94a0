"""Recipes: what is read from TOML, how a base is changed, what is refused; and that all of the examples are recipes."""

from dataclasses import replace
from pathlib import Path

import pytest

from bhc.diagnostics import BhcError
from bhc.training import models
from bhc.training.data import catalog
from bhc.training.precision import FLOAT, Bits, Precision
from bhc.training.recipe import LayerBits, changes, read, with_seed

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = """
[data]
set = "hapt"
classes = ["WALKING", "SITTING"]
[model]
name = "btcnn"
[model.options]
filters = 8
pool = [2, 2]
[training]
epochs = 3
"""


def write(folder: Path, text: str = SMALL, name: str = "small.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_defaults_and_types(tmp_path: Path) -> None:
    recipe = read(write(tmp_path))
    assert recipe.data.set == "hapt"
    assert recipe.data.classes == ("WALKING", "SITTING")
    assert recipe.model.options == {"filters": 8, "pool": (2, 2)}
    assert (recipe.training.epochs, recipe.training.batch, recipe.training.seed) == (3, 64, 1)
    assert recipe.precision.resolve() == Precision(8, Bits(FLOAT, FLOAT), {})
    assert (recipe.teacher, recipe.flips, recipe.pruning, recipe.delta, recipe.transfer) == (None,) * 5
    assert with_seed(recipe, 7) == replace(recipe, training=replace(recipe.training, seed=7))


def test_bits_of_layers(tmp_path: Path) -> None:
    text = (
        SMALL
        + """
    [precision]
    input = 4
    weights = "pow2"
    activations = 4
    stages = [["conv1"], ["conv2", "head"]]
    [precision.layers]
    conv1 = { weights = 1 }
    head = { activations = 8 }
    """
    )
    precision = read(write(tmp_path, text)).precision
    assert precision.stages == (("conv1",), ("conv2", "head"))
    assert precision.layers == {"conv1": LayerBits(1, None), "head": LayerBits(None, 8)}
    assert precision.resolve() == Precision(4, Bits("pow2", 4), {"conv1": Bits(1, 4), "head": Bits("pow2", 8)})


def test_a_base_is_changed_key_by_key(tmp_path: Path) -> None:
    """Tables are merged; lists and everything else are replaced."""
    write(tmp_path)
    (tmp_path / "more").mkdir()
    write(tmp_path, 'base = "../small.toml"\n[model.options]\npool = [4]\n[flips]\npenalty = 0.1', "more/middle.toml")
    top = write(tmp_path, 'base = "more/middle.toml"\n[training]\nbatch = 32\n[data]\nclasses = []', "top.toml")
    recipe = read(top)
    assert recipe.model.options == {"filters": 8, "pool": (4,)}
    assert (recipe.training.epochs, recipe.training.batch) == (3, 32)
    assert recipe.data.classes == ()
    assert recipe.flips is not None
    assert recipe.flips.penalty == 0.1


def test_another_network_has_other_options(tmp_path: Path) -> None:
    write(tmp_path)
    other = 'base = "small.toml"\n[model]\nname = "harcnn"\n[model.options]\nkernel = 3'
    assert read(write(tmp_path, other, "other.toml")).model.options == {"kernel": 3}


def test_digest(tmp_path: Path) -> None:
    """Neither the order of keys nor defaults that are written out change it; every other value does."""
    recipe = read(write(tmp_path))
    reordered = """
    [training]
    batch = 64
    epochs = 3
    [model.options]
    pool = [2, 2]
    filters = 8
    [model]
    name = "btcnn"
    [data]
    classes = ["WALKING", "SITTING"]
    set = "hapt"
    """
    assert read(write(tmp_path, reordered, "reordered.toml")).digest() == recipe.digest()
    others = [
        read(write(tmp_path, SMALL.replace(old, new), "changed.toml")).digest()
        for old, new in (("= 8", "= 16"), ("[2, 2]", "[2, 4]"), ("= 3", "= 4"), ("hapt", "dsads"), ("SIT", "STAND"))
    ]
    assert len({recipe.digest(), *others, with_seed(recipe, 2).digest()}) == 7


def test_changes_are_what_differs_from_the_defaults(tmp_path: Path) -> None:
    text = SMALL + "[data.augmentation]\nnoise = 0.1\ngain = 0.0\n[precision]\ninput = 8\nweights = 1\n"
    assert changes(read(write(tmp_path, text))) == {
        "data": {"set": "hapt", "classes": ["WALKING", "SITTING"], "augmentation": {"noise": 0.1}},
        "model": {"name": "btcnn", "options": {"filters": 8, "pool": [2, 2]}},
        "training": {"epochs": 3},
        "precision": {"weights": 1, "layers": {}},
    }


KEYS = "\n  hint: docs/training.md lists the keys"
RANGES = "\n  hint: docs/training.md gives the ranges"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 3\nepoch = 4", "training.epoch: unknown key" + KEYS),
        ("[flip]\npenalty = 1", "flip: unknown key" + KEYS),
        ('epochs = "3"', "training.epochs: int is needed, not '3'" + KEYS),
        ("epochs = true", "training.epochs: int is needed, not True" + KEYS),
        ("batch = 8", "training.epochs: missing key" + KEYS),
        ('epochs = 3\nschedule = "cosine"', "training.schedule: 'cosine' is not one of onecycle, constant" + KEYS),
        ("epochs = 3\n[pruning]\nevery = 2", "pruning.sparsity: missing key" + KEYS),
        ("epochs = 3\n[precision]\nstages = ['conv1']", "precision.stages[0]: a list is needed, not 'conv1'" + KEYS),
        ("epochs = 3\n[precision]\nweights = 'ternary'", "precision.weights: 'ternary' is not one of pow2" + KEYS),
        ("epochs = 0", "training.epochs cannot be 0" + RANGES),
        ("epochs = 3\nbatch = 1", "training.batch cannot be 1" + RANGES),
        ("epochs = 3\nsamples = 63", "training.samples cannot be 63" + RANGES),
        ("epochs = 3\nrate = 0", "training.rate cannot be 0" + RANGES),
        ("epochs = 3\nrate = nan", "training.rate cannot be nan" + RANGES),
        ("epochs = 3\nlabel_smoothing = 1.0", "training.label_smoothing cannot be 1.0" + RANGES),
        ("epochs = 3\nweight_decay = -1", "training.weight_decay cannot be -1" + RANGES),
        ("epochs = 3\n[precision]\ninput = 1", "precision.input cannot be 1" + RANGES),
        ("epochs = 3\n[precision]\nweights = 9", "precision weights cannot be [9]" + RANGES),
        ("epochs = 3\n[precision]\nactivations = 0", "precision activations cannot be [0]" + RANGES),
        (
            "epochs = 3\n[precision]\nstages = [['conv1']]\nstage_epochs = 0",
            "precision.stage_epochs cannot be 0" + RANGES,
        ),
        (
            "epochs = 3\n[precision.layers.head]\nweights = 16",
            "precision weights cannot be [32, 16]" + RANGES,
        ),
        ("epochs = 3\n[teacher]\nrecipes = []", "teacher.recipes cannot be []" + RANGES),
        ("epochs = 3\n[teacher]\nrecipes = ['a']\ntemperature = 0", "teacher.temperature cannot be 0" + RANGES),
        ("epochs = 3\n[teacher]\nrecipes = ['a']\nalpha = 2", "teacher.alpha cannot be 2" + RANGES),
        ("epochs = 3\n[teacher]\nrecipes = ['a']\ngenerations = 0", "teacher.generations cannot be 0" + RANGES),
        ("epochs = 3\n[pruning]\nsparsity = 1.0", "pruning.sparsity cannot be 1.0" + RANGES),
        ("epochs = 3\n[pruning]\nsparsity = 0.5\nend = 0.1", "pruning.begin, end cannot be (0.1, 0.1)" + RANGES),
        ("epochs = 3\n[pruning]\nsparsity = 0.5\nevery = 0", "pruning.every cannot be 0" + RANGES),
        ("epochs = 3\n[delta]\nafter = []", "delta.after cannot be []" + RANGES),
        ("epochs = 3\n[delta]\nafter = ['conv1']\nbits = 1", "delta.bits cannot be 1" + RANGES),
        ("epochs = 3\n[delta]\nafter = ['conv1']\nthreshold = -1", "delta.threshold cannot be -1" + RANGES),
    ],
)
def test_refused(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, SMALL.replace("epochs = 3", text))
    with pytest.raises(BhcError) as caught:
        read(path)
    assert str(caught.value) == f"error[BHC710] {path}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nset = 1", "data.set: str is needed, not 1" + KEYS),
        (SMALL.replace('set = "hapt"', ""), "data.set: missing key" + KEYS),
        (SMALL.replace('set = "hapt"', 'set = "hapt"\ndecimate = 0'), "data.decimate cannot be 0" + RANGES),
        (SMALL.replace('set = "hapt"', 'set = "hapt"\nhop = 0'), "data.window, hop cannot be (None, 0, None)" + RANGES),
        ("[data]\nset = ", "not valid TOML: Invalid value (at end of document)"),
        ("base = 3", "base cannot be 3\n  hint: name another recipe file"),
        ('base = "./small.toml"', "base cannot be './small.toml'\n  hint: name another recipe file"),
    ],
)
def test_refused_files(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(BhcError) as caught:
        read(path)
    assert str(caught.value) == f"error[BHC710] {path}: {message}"


def test_bases_in_a_circle(tmp_path: Path) -> None:
    first = write(tmp_path, 'base = "second.toml"', "first.toml")
    second = write(tmp_path, f'base = "../{tmp_path.name}/first.toml"', "second.toml")
    with pytest.raises(BhcError) as caught:
        read(first)
    message = f"base cannot be '../{tmp_path.name}/first.toml'\n  hint: name another recipe file"
    assert str(caught.value) == f"error[BHC710] {second}: {message}"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BhcError, match=r"BHC710\] .*absent.toml: cannot read the recipe: No such file or directory"):
        read(tmp_path / "absent.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(BhcError, match=r"BHC710\] .*bytes.toml: cannot read the recipe: not UTF-8 text"):
        read(tmp_path / "bytes.toml")


RECIPES = sorted(path for path in EXAMPLES.rglob("*.toml") if "out" not in path.parts)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_examples(path: Path) -> None:
    """Every example names a data set, a network, and recipes that there are."""
    recipe = read(path)
    assert recipe.data.set in catalog.SETS
    assert recipe.model.name in models.BUILDERS
    others = list(recipe.teacher.recipes) if recipe.teacher else []
    for other in [*others, *([recipe.transfer.recipe] if recipe.transfer else [])]:
        read(path.parent / other)


def test_examples_are_there() -> None:
    names = {str(path.relative_to(EXAMPLES)) for path in RECIPES}
    sets = ("hapt", "motionsense", "dsads", "daphnet")
    assert {f"zoo/recipes/{name}_binary.toml" for name in sets} < names
    assert {"thesis/hapt_plain_conv4.toml", "delta/hapt_lsq.toml"} < names
