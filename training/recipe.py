"""A training run as a small TOML file: data, model, precision, method.

[data], [model] and [training] are needed; everything else has a default. `base` names another recipe whose tables
this one changes (if it names another model, the base's options of the model do not count). docs/training.md explains
each key.

    base = "common.toml"
    [data]
    set = "hapt"                  # a prepared data set of `bhc data list`
    classes = ["WALKING", "SITTING"]
    [model]
    name = "btcnn"
    [model.options]
    filters = 64
    [precision]
    weights = 1
    activations = 1
    [training]
    epochs = 60
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from bhc.diagnostics import fail
from bhc.records import RecordError, from_plain, to_plain
from bhc.training.precision import FLOAT, Bits, Precision, WeightBits

Option: TypeAlias = bool | int | float | str | tuple[bool | int | float | str, ...]


@dataclass(frozen=True, slots=True)
class AugmentationOptions:
    """noise: in standard deviations of a channel. gain: standard deviation of its logarithm. rotation: of the angle
    in degrees.
    """

    noise: float = 0.0
    gain: float = 0.0
    rotation: float = 0.0


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Which windows. Lengths in samples, after decimation; None: as published. train_hop: between training windows;
    None: hop. classes and channels: those kept, in this order; empty: all.
    """

    set: str
    split: str | None = None
    window: int | None = None
    hop: int | None = None
    train_hop: int | None = None
    rule: Literal["segment", "majority", "last"] = "segment"
    decimate: int = 1
    classes: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    augmentation: AugmentationOptions = AugmentationOptions()


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """name: of a builder in bhc.training.models; options: its keyword arguments."""

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LayerBits:
    """Bits of one layer, where they differ from the rest."""

    weights: WeightBits | None = None
    activations: int | None = None


@dataclass(frozen=True, slots=True)
class PrecisionOptions:
    """Bits of the input, of weights and of activations; 32 is float. layers: exceptions, by layer name.

    stages: binarization (or quantization) from input to output: each stage names the layers that have reached their
    precision by then, the others are still float; after the last one, all have. stage_epochs: of each stage but the
    last, which takes training.epochs.
    """

    input: int = 8
    weights: WeightBits = FLOAT
    activations: int = FLOAT
    layers: Mapping[str, LayerBits] = field(default_factory=dict)
    stages: tuple[tuple[str, ...], ...] = ()
    stage_epochs: int = 10

    def resolve(self) -> Precision:
        default = Bits(self.weights, self.activations)
        layers = {
            name: Bits(
                default.weights if bits.weights is None else bits.weights,
                default.activations if bits.activations is None else bits.activations,
            )
            for name, bits in self.layers.items()
        }
        return Precision(self.input, default, layers)


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """rate: the largest learning rate. schedule: "onecycle" rises for a tenth of the steps and falls as a cosine.
    samples: windows in an epoch, drawn without replacement; None: all. class_weights: inverse frequency.
    head: what is learned; "attributes" are turned into classes by the nearest of the classes' attributes.
    activation_l1: penalty on the mean of each layer's activations.
    """

    epochs: int
    batch: int = 64
    rate: float = 0.003
    optimizer: Literal["adam", "rmsprop"] = "adam"
    schedule: Literal["onecycle", "constant"] = "onecycle"
    weight_decay: float = 0.0
    samples: int | None = None
    class_weights: bool = False
    label_smoothing: float = 0.0
    head: Literal["classes", "attributes"] = "classes"
    activation_l1: float = 0.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class TeacherOptions:
    """Distillation from other recipes' runs (trained first where they are missing), their mean if there are several.

    recipes: paths, relative to this one. seeds: of the teachers. initialize: start from the first teacher's weights.
    generations: born-again: generation 1 learns from the teachers, generation k from k - 1.
    """

    recipes: tuple[str, ...]
    seeds: tuple[int, ...] = (1,)
    temperature: float = 2.0
    alpha: float = 0.7
    initialize: bool = False
    generations: int = 1


@dataclass(frozen=True, slots=True)
class FlipOptions:
    """penalty: on the mean rate at which binary activations flip from one time step to the next."""

    penalty: float


@dataclass(frozen=True, slots=True)
class PruningOptions:
    """Magnitude pruning to `sparsity` between two fractions of the steps, every `every` steps. feedback: masks stay
    dynamic, pruned weights go on learning.
    """

    sparsity: float
    begin: float = 0.1
    end: float = 0.6
    every: int = 20
    feedback: bool = False


@dataclass(frozen=True, slots=True)
class DeltaOptions:
    """TemporalDelta layers behind the activations of the named layers (patterns). penalty: L1 on the delta maps.
    threshold: in LSBs; trained from there on if `train_threshold`.
    """

    after: tuple[str, ...]
    quantization: Literal["fixed", "lsq"] = "lsq"
    bits: int = 8
    fraction: int = 4
    threshold: float = 0.0
    train_threshold: bool = False
    penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """Start from a run on another data set; freeze: layers whose weights stay."""

    recipe: str
    seed: int = 1
    freeze: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole recipe. Names of other recipes in it are paths, relative to its file."""

    data: DataOptions
    model: ModelOptions
    training: TrainingOptions
    precision: PrecisionOptions = PrecisionOptions()
    teacher: TeacherOptions | None = None
    flips: FlipOptions | None = None
    pruning: PruningOptions | None = None
    delta: DeltaOptions | None = None
    transfer: TransferOptions | None = None

    def digest(self) -> str:
        """SHA-256 of what differs from the defaults: it outlives keys that a later version adds."""
        return hashlib.sha256(json.dumps(changes(self), sort_keys=True).encode()).hexdigest()


def changes(record: Any) -> dict[str, Any]:
    """A recipe, or part of one, as plain data, without what has its default."""
    found: dict[str, Any] = {}
    for declared in fields(record):
        value = getattr(record, declared.name)
        if value != declared.default:
            found[declared.name] = changes(value) if is_dataclass(value) else to_plain(value)
    return found


def read(path: Path) -> Recipe:
    """Reads a recipe. Raises BhcError (BHC710)."""
    try:
        recipe = from_plain(Recipe, _table(path, ()), defaults=True)
    except RecordError as error:
        raise fail("BHC710", str(error), origin=str(path), hint="docs/training.md lists the keys") from error
    _check(recipe, path)
    return recipe


def _table(path: Path, readers: tuple[Path, ...]) -> dict[str, Any]:
    """The file's content, its bases' included. readers: the recipes that this one is a base of."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise fail("BHC710", f"cannot read the recipe: {why}", origin=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise fail("BHC710", f"not valid TOML: {error}", origin=str(path)) from error
    base = table.pop("base", None)
    if base is None:
        return table
    readers = (*readers, path.resolve())
    if not isinstance(base, str) or (path.parent / base).resolve() in readers:
        raise fail("BHC710", f"base cannot be {base!r}", origin=str(path), hint="name another recipe file")
    under = _table(path.parent / base, readers)
    model, old = table.get("model"), under.get("model")
    if isinstance(model, dict) and isinstance(old, dict) and model.get("name", old.get("name")) != old.get("name"):
        old.pop("options", None)  # another network has other options
    return _merged(under, table)


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Tables key by key; any other value as a whole."""
    merged = dict(base)
    for key, value in changes.items():
        old = base.get(key)
        merged[key] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _check(recipe: Recipe, path: Path) -> None:
    """Values that are of the right type and still make no sense."""
    training, precision, teacher = recipe.training, recipe.precision, recipe.teacher
    bits = [precision.resolve().default, *precision.resolve().layers.values()]
    wrong = {
        "data.decimate": (recipe.data.decimate, recipe.data.decimate >= 1),
        "data.window, hop": (
            (recipe.data.window, recipe.data.hop, recipe.data.train_hop),
            all(n is None or n >= 1 for n in (recipe.data.window, recipe.data.hop, recipe.data.train_hop)),
        ),
        "training.epochs": (training.epochs, training.epochs >= 1),
        "training.batch": (training.batch, training.batch >= 2),
        "training.samples": (training.samples, training.samples is None or training.samples >= training.batch),
        "training.rate": (training.rate, training.rate > 0),
        "training.weight_decay": (training.weight_decay, training.weight_decay >= 0),
        "training.label_smoothing": (training.label_smoothing, 0 <= training.label_smoothing < 1),
        "precision.input": (precision.input, precision.input == FLOAT or 2 <= precision.input <= 8),
        "precision weights": (
            [b.weights for b in bits],
            all(b.weights in ("pow2", FLOAT) or 1 <= int(b.weights) <= 8 for b in bits),
        ),
        "precision activations": (
            [b.activations for b in bits],
            all(b.activations == FLOAT or 1 <= b.activations <= 8 for b in bits),
        ),
    }
    if precision.stages:
        wrong["precision.stage_epochs"] = (precision.stage_epochs, precision.stage_epochs >= 1)
    if teacher:
        wrong["teacher.temperature"] = (teacher.temperature, teacher.temperature > 0)
        wrong["teacher.alpha"] = (teacher.alpha, 0 <= teacher.alpha <= 1)
        wrong["teacher.recipes"] = (list(teacher.recipes), bool(teacher.recipes))
        wrong["teacher.seeds"] = (list(teacher.seeds), bool(teacher.seeds))
        wrong["teacher.generations"] = (teacher.generations, teacher.generations >= 1)
    if recipe.pruning:
        p = recipe.pruning
        wrong["pruning.sparsity"] = (p.sparsity, 0 < p.sparsity < 1)
        wrong["pruning.begin, end"] = ((p.begin, p.end), 0 <= p.begin < p.end <= 1)
        wrong["pruning.every"] = (p.every, p.every >= 1)
    if recipe.delta:
        wrong["delta.after"] = (list(recipe.delta.after), bool(recipe.delta.after))
        wrong["delta.bits"] = (recipe.delta.bits, 2 <= recipe.delta.bits <= 8)
        wrong["delta.threshold"] = (recipe.delta.threshold, recipe.delta.threshold >= 0)
    noise = recipe.data.augmentation
    for key, number in (
        ("data.augmentation.noise", noise.noise),
        ("data.augmentation.gain", noise.gain),
        ("data.augmentation.rotation", noise.rotation),
        ("training.activation_l1", training.activation_l1),
        ("flips.penalty", recipe.flips.penalty if recipe.flips else 0),
        ("delta.penalty", recipe.delta.penalty if recipe.delta else 0),
    ):
        wrong[key] = (number, number >= 0)
    for key, (value, right) in wrong.items():
        if not right:
            raise fail("BHC710", f"{key} cannot be {value}", origin=str(path), hint="docs/training.md gives the ranges")


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    return replace(recipe, training=replace(recipe.training, seed=seed))
