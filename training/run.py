"""`bhc train`: from a recipe to a run folder, phase by phase, resumable.

RUNS/NAME/seed1/
    recipe.json    what was asked for; a run is resumed only if it is the same
    phases/        for each phase its checkpoint while it trains, its weights when it is done
    model.pt       the trained network's state        model.onnx   the same as QONNX (not for float networks; one file
                   for each network of a dccnn)
    test.npz       test windows x, labels y, the network's outputs
    results.json   all metrics                        *.svg        plots
"""

import json
import logging
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from inspect import signature
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bhc.diagnostics import fail
from bhc.training import models
from bhc.training.blocks import Standardize, named_layers
from bhc.training.data import catalog, windows
from bhc.training.data.augment import Augmentation
from bhc.training.data.recordings import DataSet
from bhc.training.delta import TemporalDelta, insert, temporal_sparsity
from bhc.training.export import export
from bhc.training.loop import infer
from bhc.training.methods.attributes import attribute_scores, nearest_attributes
from bhc.training.methods.binarization import stages, transfer_weights
from bhc.training.methods.distillation import Ensemble
from bhc.training.methods.transfer import adapt, freeze
from bhc.training.metrics import calibration, classification, cost, plots
from bhc.training.metrics.sparsity import activation_sparsity, flip_rates
from bhc.training.models.dccnn import DivideAndConquer
from bhc.training.precision import FLOAT, Bits, Precision
from bhc.training.recipe import Recipe, changes, read, with_seed
from bhc.training.task import Examples, Task

Log = Callable[[str], None]


@dataclass(frozen=True)
class Context:
    """What a run needs from outside. cache: of the data sets; runs: root of run folders. epochs: instead of the
    recipes' number, to try something out; device: "cpu", "cuda" or "auto". learners: recipes that wait for this one.
    """

    cache: Path | None
    runs: Path
    log: Log = print
    device: str = "auto"
    threads: int = 1
    epochs: int | None = None
    fresh: bool = False
    progress: bool = False
    learners: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Data:
    """A recipe's windows, and the data set they come from."""

    dataset: DataSet
    parts: windows.Parts

    @property
    def shape(self) -> tuple[int, int]:
        """(channels, time) of a window."""
        return self.parts.train.x.shape[1], self.parts.train.x.shape[2]


@dataclass(frozen=True)
class Phase:
    """One training: of a network of `precision`, from the weights of an earlier phase, with or without teachers."""

    name: str
    precision: Precision
    epochs: int
    start: str | None = None
    teacher: str | None = None


def load_data(recipe: Recipe, cache: Path | None) -> Data:
    """The recipe's windows. Raises BhcError (BHC702, BHC703)."""
    options = recipe.data
    dataset = catalog.load(options.set, cache)
    parts = windows.split(
        dataset,
        options.split,
        window=options.window,
        hop=options.hop,
        train_hop=options.train_hop,
        rule=options.rule,
        classes=options.classes or None,
        channels=options.channels or None,
        decimate=options.decimate,
    )
    if not len(parts.test):
        raise fail(
            "BHC703",
            f"no test windows in split {parts.name!r} of {options.set}",
            hint="shorter windows, other classes, or a split with other test subjects",
        )
    return Data(dataset, parts)


def build(recipe: Recipe, data: Data, precision: Precision | None = None) -> nn.Module:
    """The recipe's network, untrained; precision: instead of the recipe's own. Raises BhcError (BHC710)."""
    builder = models.builder(recipe.model.name)
    parts = data.parts
    outputs = len(parts.attributes) if recipe.training.head == "attributes" else len(parts.classes)
    standardize = Standardize(torch.from_numpy(parts.mean), torch.from_numpy(parts.deviation))
    chosen = precision or recipe.precision.resolve()
    _check_options(recipe, builder)
    try:
        model = builder(data.shape, outputs, chosen, standardize=standardize, **recipe.model.options)
    except (TypeError, ValueError) as error:
        raise fail(
            "BHC710",
            f"[model] {recipe.model.name}: {str(error).removeprefix('build() ')}",
            hint="docs/training.md lists the options",
        ) from error
    layers = named_layers(model)
    # Behind a dense layer there is no time.
    timed = [layer.name for layer in layers if layer.activation and not isinstance(layer.weights, nn.Linear)]
    _check_names(recipe, [layer.name for layer in layers], timed)
    if recipe.delta:
        delta = recipe.delta
        behind = {name for name in timed if any(fnmatchcase(name, pattern) for pattern in delta.after)}

        def chosen_activation(name: str, module: nn.Module) -> bool:
            return _is_activation(name, module) and getattr(module, "layer_name", "") in behind

        def make() -> TemporalDelta:
            return TemporalDelta(
                delta.quantization,
                delta.bits,
                fraction=delta.fraction,
                threshold=delta.threshold,
                train_threshold=delta.train_threshold,
            )

        model = insert(model, chosen_activation, make)
    return model


def _check_options(recipe: Recipe, builder: models.Build) -> None:
    """Raises BhcError (BHC710) for an option that is none of those a builder knows, or has not its few values."""
    options = recipe.model.options
    hints = get_type_hints(builder)
    known = {name for name, p in signature(builder).parameters.items() if p.kind is p.KEYWORD_ONLY} - {"standardize"}
    for name, value in options.items():
        if name not in known:
            message = f"[model.options] {recipe.model.name} has no option {name!r}"
            raise fail("BHC710", message, hint=f"it has {', '.join(sorted(known))}")
        choices = get_args(hints[name]) if get_origin(hints[name]) is Literal else (value,)
        if value not in choices:
            message = f"[model.options] {name} cannot be {value!r}"
            raise fail("BHC710", message, hint=f"it is one of {', '.join(map(repr, choices))}")


def _check_names(recipe: Recipe, layers: Sequence[str], timed: Sequence[str]) -> None:
    """Raises BhcError (BHC710) if the recipe means a layer that the network has not. timed: those with a time axis."""
    named: dict[str, tuple[Iterable[str], Sequence[str]]] = {
        "precision.layers": (recipe.precision.layers, layers),
        "precision.stages": ([name for stage in recipe.precision.stages for name in stage], layers),
        "delta.after": (recipe.delta.after if recipe.delta else (), timed),
    }
    for key, (patterns, known) in named.items():
        for pattern in patterns:
            if not any(fnmatchcase(layer, pattern) for layer in known):
                what = "layer with a time axis" if key == "delta.after" and pattern in layers else "layer"
                raise fail("BHC710", f"{key}: no {what} is called {pattern!r}", hint=f"there are {', '.join(known)}")


def phases(recipe: Recipe) -> list[Phase]:
    """The trainings that make the recipe's network, in order; the last one's is the result."""
    final = recipe.precision.resolve()
    epochs = recipe.training.epochs
    planned: list[Phase] = []
    previous = None
    for done in stages(recipe.precision.stages):
        reached = Precision(final.input, Bits(), {name: final.of(name) for name in done})
        name = f"stage{len(planned) + 1}"
        planned.append(Phase(name, reached, recipe.precision.stage_epochs, previous))
        previous = name
    generations = recipe.teacher.generations if recipe.teacher else 1
    for generation in range(1, generations + 1):
        name = "final" if generations == 1 else f"generation{generation}"
        teacher = f"generation{generation - 1}" if generation > 1 else None
        planned.append(Phase(name, final, epochs, previous, teacher))
    return planned


@dataclass(frozen=True)
class Trained:
    """A finished run."""

    folder: Path
    recipe: Recipe
    data: Data
    model: nn.Module

    def labels(self, outputs: NDArray[Any]) -> NDArray[np.int64]:
        """Class indices (N,) from the network's outputs (N, ...), or from those of its exported form."""
        found: NDArray[np.int64] = _labels(torch.from_numpy(outputs), self.recipe, self.data).numpy()
        return found


def folder_of(path: Path, seed: int, runs: Path) -> Path:
    return runs / path.stem / f"seed{seed}"


def _quiet() -> None:
    """Silences what Lightning and Brevitas say about themselves."""
    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*|brevitas\..*|torch\..*")


def train(path: Path, seed: int, context: Context) -> Trained:
    """Trains a recipe with a seed, resuming or loading what its run folder holds. Raises BhcError."""
    _quiet()
    if context.device == "cuda" and not torch.cuda.is_available():
        raise fail("BHC714", "torch finds no CUDA device", origin="--device cuda", hint="leave it out to use the CPU")
    if path.resolve() in context.learners:
        raise fail("BHC710", "learns from itself", origin=str(path), hint="name another recipe as teacher or source")
    recipe = with_seed(read(path), seed)
    if context.epochs:
        recipe = replace(recipe, training=replace(recipe.training, epochs=context.epochs))
    torch.set_num_threads(context.threads)
    torch.use_deterministic_algorithms(True)
    data = load_data(recipe, context.cache)
    folder = folder_of(path, seed, context.runs)
    _claim(folder, recipe, path, fresh=context.fresh)
    if (folder / "model.pt").exists():
        model = build(recipe, data)
        model.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
        return Trained(folder, recipe, data, model.eval())
    # A fresh start is of this recipe alone: its teachers stay as they are.
    around = replace(context, fresh=False, epochs=None, learners=(*context.learners, path.resolve()))
    teacher = _teachers(recipe, data, path, around)
    models_by_phase: dict[str, nn.Module] = {}
    seconds = 0.0  # without other recipes' trainings
    for phase in phases(recipe):
        torch.manual_seed(seed)
        model = build(recipe, data, phase.precision)
        _initialize(model, recipe, data, path, phase, models_by_phase, teacher, around)
        taught_by = Ensemble([models_by_phase[phase.teacher]], recipe.training.head) if phase.teacher else teacher
        log = _prefixed(context.log, f"{path.stem} seed {seed} {phase.name}: ")
        start = time.monotonic()
        _train_phase(model, recipe, data, phase, taught_by, folder, replace(context, log=log))
        seconds += time.monotonic() - start
        models_by_phase[phase.name] = model
    model = models_by_phase[phases(recipe)[-1].name]
    born = [models_by_phase[p.name] for p in phases(recipe) if p.name.startswith("generation")]
    result = Trained(folder, recipe, data, model.eval())
    _finish(result, path, seconds, born)
    return result


def _prefixed(log: Log, prefix: str) -> Log:
    return lambda line: log(prefix + line)


def _claim(folder: Path, recipe: Recipe, path: Path, *, fresh: bool) -> None:
    """Makes the folder this run's. Raises BhcError (BHC711)."""
    stamp = folder / "recipe.json"
    if fresh and stamp.exists():
        for file in sorted(folder.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
    begun = stamp.exists() and (folder / "phases").exists()
    if begun and json.loads(stamp.read_text(encoding="utf-8"))["digest"] != recipe.digest():
        raise fail(
            "BHC711",
            f"holds a run of another version of {path.name}",
            origin=str(folder),
            hint="start over with --fresh, or use another folder: --runs DIR",
        )
    folder.mkdir(parents=True, exist_ok=True)
    save_text(stamp, json.dumps({"digest": recipe.digest(), "recipe": changes(recipe)}, indent=1) + "\n")


def save_text(path: Path, text: str) -> None:
    """Writes a file at once or not at all."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _save_state(path: Path, state: Mapping[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.partial")
    torch.save(state, temporary)
    temporary.replace(path)


def _teachers(recipe: Recipe, data: Data, path: Path, context: Context) -> nn.Module | None:
    if recipe.teacher is None:
        return None
    found = []
    for name in recipe.teacher.recipes:
        for seed in recipe.teacher.seeds:
            teacher = train(path.parent / name, seed, context)
            if _interface(teacher.recipe, teacher.data) != _interface(recipe, data):
                raise fail(
                    "BHC710",
                    f"the teacher {name} has other windows, channels or classes",
                    origin=str(path),
                    hint="both need the same [data] and training.head",
                )
            found.append(teacher.model)
    return Ensemble(found, recipe.training.head)


def _interface(recipe: Recipe, data: Data) -> tuple[object, ...]:
    """What teacher and student have in common."""
    parts = data.parts
    return recipe.training.head, data.shape, parts.rate, parts.channels, parts.classes, parts.attributes


def _initialize(
    model: nn.Module,
    recipe: Recipe,
    data: Data,
    path: Path,
    phase: Phase,
    done: Mapping[str, nn.Module],
    teacher: nn.Module | None,
    context: Context,
) -> None:
    """Gives an untrained network the weights it starts from."""
    if phase.start:
        transfer_weights(done[phase.start], model)
    elif recipe.transfer:
        source = train(path.parent / recipe.transfer.recipe, recipe.transfer.seed, context)
        taken = adapt(source.model, model, source.data.parts.channels, data.parts.channels)
        context.log(f"{path.stem}: takes {', '.join(taken.copied) or 'no layer'} from {recipe.transfer.recipe}")
    elif recipe.teacher and recipe.teacher.initialize and isinstance(teacher, Ensemble):
        try:
            transfer_weights(teacher.models[0], model)
        except ValueError as error:
            hint = "teacher.initialize needs a teacher with the same layers"
            raise fail("BHC710", f"cannot start from the teacher: {error}", origin=str(path), hint=hint) from error
    if recipe.transfer:
        freeze(model, recipe.transfer.freeze)


class _Checkpoint(lightning.Callback):
    """Saves every few epochs, atomically: a run that is killed goes on from there."""

    def __init__(self, path: Path, every: int) -> None:
        self.path = path
        self.every = every

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if (trainer.current_epoch + 1) % self.every == 0:
            temporary = self.path.with_name(f".{self.path.name}.partial")
            trainer.save_checkpoint(temporary)
            temporary.replace(self.path)


class _Lines(lightning.Callback):
    """About ten lines a training, for logs."""

    def __init__(self, log: Log) -> None:
        self.write = log

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        epoch, epochs = trainer.current_epoch + 1, trainer.max_epochs or 1
        if isinstance(pl_module, Task) and (epoch == epochs or epoch % max(1, epochs // 10) == 0):
            terms = ", ".join(f"{name} {value:.4f}" for name, value in pl_module.history[-1].items() if name != "epoch")
            self.write(f"epoch {epoch}/{epochs}: {terms}")


def _train_phase(
    model: nn.Module,
    recipe: Recipe,
    data: Data,
    phase: Phase,
    teacher: nn.Module | None,
    folder: Path,
    context: Context,
) -> None:
    """Trains in place, or loads what an earlier call has trained."""
    finished = folder / "phases" / f"{phase.name}.pt"
    checkpoint = folder / "phases" / f"{phase.name}.ckpt"
    task = Task(model, _examples(recipe, data), _for_phase(recipe, phase), teacher)
    if finished.exists():
        task.close()
        model.load_state_dict(torch.load(finished, weights_only=True))
        return
    finished.parent.mkdir(parents=True, exist_ok=True)
    callbacks = [_Checkpoint(checkpoint, max(1, phase.epochs // 20)), _Lines(context.log)]
    trainer = lightning.Trainer(
        max_epochs=phase.epochs,
        accelerator=context.device,
        devices=1,
        callbacks=[c for c in callbacks if not (context.progress and isinstance(c, _Lines))],
        enable_progress_bar=context.progress,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
        deterministic=True,
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=folder,
    )
    _fit(trainer, task, checkpoint)
    task.close()
    model.cpu().eval()
    if teacher:
        teacher.cpu()  # where it may teach, be evaluated or copied next
    save_text(finished.with_suffix(".json"), json.dumps(task.history) + "\n")
    _save_state(finished, model.state_dict())
    checkpoint.unlink(missing_ok=True)


def _fit(trainer: lightning.Trainer, task: Task, checkpoint: Path) -> None:
    """Raises KeyboardInterrupt, which Lightning would turn into an exit of its own, with SIGINT left ignored."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(task, ckpt_path=checkpoint if checkpoint.exists() else None, weights_only=False)
    except SystemExit as stop:
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from stop


def _for_phase(recipe: Recipe, phase: Phase) -> Recipe:
    return replace(recipe, training=replace(recipe.training, epochs=phase.epochs))


def _examples(recipe: Recipe, data: Data) -> Examples:
    parts, training = data.parts, recipe.training
    targets = torch.from_numpy(parts.train.y)
    if training.head == "attributes":
        if parts.train.attributes is None:
            raise fail("BHC710", f"the data set {recipe.data.set} has no attributes", origin="training.head")
        targets = torch.from_numpy(parts.train.attributes).float()
    weights = None
    if training.class_weights:
        weights = torch.from_numpy(windows.class_weights(parts.train.y, len(parts.classes))).float()
    options = recipe.data.augmentation
    augmentation = Augmentation(
        noise=options.noise,
        gain=options.gain,
        rotation=options.rotation,
        deviation=torch.from_numpy(parts.deviation),
        triads=parts.triads,
    )
    return Examples(torch.from_numpy(parts.train.x), targets, weights, augmentation)


def _labels(outputs: Tensor, recipe: Recipe, data: Data) -> Tensor:
    if recipe.training.head == "attributes":
        assert data.parts.attribute_table is not None
        # The distance that bhc computes on the host for an exported network.
        return nearest_attributes(outputs.sigmoid(), torch.from_numpy(data.parts.attribute_table), "euclidean")
    return outputs.argmax(1)


def _finish(run: Trained, path: Path, seconds: float, generations: list[nn.Module]) -> None:
    """Evaluates, exports, plots; model.pt comes last and says that all the rest is there."""
    folder, recipe, parts = run.folder, run.recipe, run.data.parts
    results: dict[str, Any] = {
        "recipe": path.stem,
        "seed": recipe.training.seed,
        "data": {
            "set": recipe.data.set,
            "split": parts.name,
            "windows": {"train": len(parts.train.y), "validation": len(parts.validation.y), "test": len(parts.test.y)},
            "classes": list(parts.classes),
        },
        "seconds": round(seconds, 1),
        "torch": str(torch.__version__),
    }
    test = torch.from_numpy(parts.test.x)
    outputs = infer(run.model, test)
    results["test"] = evaluate(run, outputs, "test")
    if len(parts.validation.y):
        results["validation"] = evaluate(run, infer(run.model, torch.from_numpy(parts.validation.x)), "validation")
    if generations:
        ensemble = Ensemble(generations, recipe.training.head)
        results["generations"] = [evaluate(run, infer(m, test), "test")["classification"] for m in generations]
        results["ensemble"] = evaluate(run, infer(ensemble, test), "test")
    if len(parts.validation.y) and recipe.training.head == "classes":
        results["calibrated"] = _calibrated(run, outputs)
    results["cost"] = asdict(cost.cost(run.model, test[:1]))
    results["activations"] = [asdict(row) for row in activation_sparsity(run.model, test.split(256))]
    results |= _on_recordings(run)
    write_exports(run)
    save_text(folder / "results.json", json.dumps(results, indent=1) + "\n")
    _plots(run, outputs, results)
    _save_state(folder / "model.pt", run.model.state_dict())


def write_exports(run: Trained) -> None:
    """The QONNX files, if there can be any, and test.npz: test windows, labels, and what each network makes of them."""
    recipe, parts = run.recipe, run.data.parts
    test = torch.from_numpy(parts.test.x)
    outputs = {"outputs": infer(run.model, test).numpy()}
    if not exportable(run):
        pass
    elif isinstance(run.model, DivideAndConquer):
        for name, network in run.model.stages.items():
            export(network, test[:1], run.folder / f"{name}.onnx")
            outputs[f"outputs_{name}"] = infer(network, test).numpy()
    elif recipe.training.head == "attributes":
        scores = nn.Sequential(run.model, nn.Sigmoid())
        table = parts.attribute_table
        export(scores, test[:1], run.folder / "model.onnx", classes=parts.classes, attributes=table)
    else:
        export(run.model, test[:1], run.folder / "model.onnx", classes=parts.classes)
    arrays: dict[str, Any] = {"x": parts.test.x, "y": parts.test.y, **outputs}
    np.savez_compressed(run.folder / "test.npz", **arrays)


def _on_recordings(run: Trained) -> dict[str, Any]:
    """What changes from one time step to the next on the test subjects' whole recordings.

    Without those shorter than a window, such as scraps between two gaps.
    """
    recordings = [
        torch.from_numpy(recording.x.T.copy())
        for recording in windows.continuous(run.data.dataset, run.data.parts, "test")
        if len(recording.x) >= run.data.shape[1]
    ]
    rows = temporal_sparsity(run.model, recordings, TemporalDelta if run.recipe.delta else _is_activation)
    found: dict[str, Any] = {"temporal": [asdict(row) for row in rows]}
    precision = run.recipe.precision.resolve()
    if any(layer.activation and precision.of(layer.name).activations == 1 for layer in named_layers(run.model)):
        found["flips"] = [asdict(row) for row in flip_rates(run.model, recordings)]
    return found


def _is_activation(_: str, module: nn.Module) -> bool:
    """Of a named layer."""
    return hasattr(module, "layer_name") and not hasattr(module, "weight")


def exportable(run: Trained) -> bool:
    """Whether the network can become hardware: every layer is quantized."""
    precision = run.recipe.precision.resolve()
    bits = [(layer, precision.of(layer.name)) for layer in named_layers(run.model)]
    return precision.input != FLOAT and not any(
        b.weights == FLOAT or (layer.activation and b.activations == FLOAT) for layer, b in bits
    )


def _calibrated(run: Trained, outputs: Tensor) -> dict[str, Any]:
    """Calibration of the test outputs at the temperature that suits the validation windows best."""
    validation, test = run.data.parts.validation, run.data.parts.test
    found = infer(run.model, torch.from_numpy(validation.x))
    temperature = calibration.optimal_temperature(found, torch.from_numpy(validation.y))
    return asdict(calibration.calibrate(outputs, torch.from_numpy(test.y), temperature))


def evaluate(run: Trained, outputs: Tensor, part: str) -> dict[str, Any]:
    """Metrics of a network's outputs for the validation or test windows."""
    windows_ = run.data.parts.test if part == "test" else run.data.parts.validation
    y = torch.from_numpy(windows_.y)
    predicted = _labels(outputs, run.recipe, run.data)
    found: dict[str, Any] = {"classification": asdict(classification.classify(predicted, y, run.data.parts.classes))}
    if run.recipe.training.head == "classes":
        found["calibration"] = asdict(calibration.calibrate(outputs, y))
    else:
        assert windows_.attributes is not None
        scores = attribute_scores(outputs.sigmoid(), torch.from_numpy(windows_.attributes))
        found["attributes"] = {"names": list(run.data.parts.attributes)} | asdict(scores)
    return found


def _plots(run: Trained, outputs: Tensor, results: Mapping[str, Any]) -> None:
    folder, y = run.folder, torch.from_numpy(run.data.parts.test.y)
    found = classification.classify(_labels(outputs, run.recipe, run.data), y, run.data.parts.classes)
    plots.confusion(found, folder / "confusion.svg")
    if run.recipe.training.head == "classes":
        plots.reliability(calibration.calibrate(outputs, y), folder / "reliability.svg")
    curves = [json.loads(f.read_text()) for f in sorted((folder / "phases").glob("*.json"))]
    plots.curves([point for curve in curves for point in curve], folder / "loss.svg")
    if "flips" in results:
        rates = {row["layer"]: row["rate"] for row in results["flips"]}
        plots.layers(rates, folder / "flips.svg", "activations that flip from one time step to the next")
    else:
        unchanged = {row["name"]: row["unchanged"] for row in results["temporal"]}
        plots.layers(unchanged, folder / "temporal.svg", "activations that do not change in a time step")
