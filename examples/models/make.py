"""Trains the example models on HAPT and DSADS windows and writes three files for each.

    python examples/models/make.py --data DIR --out DIR [--epochs N] [NAME ...]

Without names, all models are made. NAME_ts.onnx comes from torch's TorchScript exporter, NAME_dynamo.onnx and
NAME_dynamo.onnx.data from its dynamo exporter. NAME_io.npz holds 1,024 test windows `x` in the layout of the
ONNX input without its batch axis, their labels `y`, and the trained model's outputs `y_brevitas`.

The data folder holds the recordings as packed arrays:
  hapt.npz      x (6, samples) int16 and scale (6,): acceleration (g), angular rate (rad/s); win_start,
                win_label (1 to 6 are used), win_is_train: windows of 128 samples, the official subject split
  dsads/pN.npz  subjects 1 to 8: x (19, 45, 7500) int16 and scale (45,): activity, channel, 60 segments of 125

The lara models show a shape, not a result: LARa itself has other sensors and classes.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from bhc.training.export import Exporter, export
from bhc.training.loop import Loss, fit, infer, seed
from bhc.training.models import examples


@dataclass(frozen=True)
class Windows:
    """Inputs (N, ...) in the model's layout and class labels (N,), from disjoint subjects."""

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor


def argmax(outputs: Tensor) -> Tensor:
    return outputs.argmax(1)


Build: TypeAlias = Callable[[Windows], nn.Module]
Load: TypeAlias = Callable[[Path], Windows]


@dataclass(frozen=True)
class Recipe:
    """How one model is made.

    `targets` maps labels (N,) to what `loss` compares the outputs with, `classify` outputs to labels.
    """

    load: Load
    build: Build
    epochs: int
    rate: float = 0.005
    loss: Loss = nn.functional.cross_entropy
    targets: Callable[[Tensor], Tensor] = torch.Tensor.clone
    classify: Callable[[Tensor], Tensor] = argmax


@cache
def hapt(data: Path) -> Windows:
    """Six activities in windows (6, 128) of 2.56 s; 7,415 train, 2,996 test."""
    with np.load(data / "hapt.npz") as arrays:
        recording = (arrays["x"] * arrays["scale"][:, None]).astype(np.float32)
        kept = arrays["win_label"] <= 6
        start, label, train = (arrays[name][kept] for name in ("win_start", "win_label", "win_is_train"))
    x = torch.from_numpy(np.stack([recording[:, s : s + 128] for s in start]))
    y = torch.from_numpy(label.astype(np.int64) - 1)
    return Windows(x[train], y[train], x[~train], y[~train])


def hapt_image(data: Path) -> Windows:
    """The same as an image of width 1: (6, 128, 1)."""
    windows = hapt(data)
    return Windows(windows.x[..., None], windows.y, windows.x_test[..., None], windows.y_test)


@cache
def dsads(data: Path) -> Windows:
    """Every other of the first 16 activities, in windows (1, 100, 30): 30 channels, both ends of a segment.

    Subjects 7 and 8 are the test set: 5,760 train and 1,920 test windows.
    """
    subjects = []
    for subject in range(1, 9):
        with np.load(data / "dsads" / f"p{subject}.npz") as arrays:
            activities = (arrays["x"][:16:2] * arrays["scale"][:, None]).astype(np.float32)
        segments = activities.reshape(8, 45, 60, 125).transpose(0, 2, 3, 1)[..., :30]
        crops = np.stack([segments[:, :, :100], segments[:, :, 25:]], axis=1)
        subjects.append(torch.from_numpy(crops.reshape(8 * 2 * 60, 1, 100, 30)))
    y = torch.arange(8).repeat_interleave(2 * 60)
    return Windows(torch.cat(subjects[:6]), y.repeat(6), torch.cat(subjects[6:]), y.repeat(2))


ATTRIBUTES = torch.bernoulli(torch.full((8, 19), 0.5), generator=torch.Generator().manual_seed(0))
"""Made-up attributes: row c holds the 19 attributes, each 0 or 1, of class c."""


def nearest_attributes(outputs: Tensor) -> Tensor:
    """Class whose attributes are nearest (Euclidean) to each row of `outputs` (N, 19)."""
    return torch.cdist(outputs, ATTRIBUTES).argmin(1)


def lara(windows: Windows, outputs: int, activation: nn.Module) -> nn.Module:
    mean = windows.x.mean((0, 2), keepdim=True)
    deviation = windows.x.std((0, 2), keepdim=True)
    return examples.Lara(mean, deviation, outputs, activation)


def log_loss(probabilities: Tensor, y: Tensor) -> Tensor:
    """Cross entropy of a network that ends in a softmax."""
    return nn.functional.nll_loss(probabilities.clamp_min(1e-6).log(), y)


RECIPES = {
    "hapt": Recipe(hapt, lambda _: examples.Hapt(), epochs=20),
    "residual": Recipe(hapt, lambda _: examples.Residual(), epochs=4),
    "residual_bipolar": Recipe(hapt, lambda _: examples.ResidualBipolar(), epochs=8),
    "causal": Recipe(hapt, lambda _: examples.Causal(), epochs=4),
    "causal_bipolar": Recipe(hapt, lambda _: examples.CausalBipolar(), epochs=4),
    "separable": Recipe(hapt_image, lambda _: examples.Separable(), epochs=4),
    "lara": Recipe(dsads, lambda windows: lara(windows, 8, nn.Softmax(1)), epochs=2, loss=log_loss),
    "lara_attributes": Recipe(
        dsads,
        lambda windows: lara(windows, 19, nn.Sigmoid()),
        epochs=2,
        loss=nn.functional.binary_cross_entropy,
        targets=ATTRIBUTES.__getitem__,
        classify=nearest_attributes,
    ),
}


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--data", type=Path, required=True, help="folder of hapt.npz and dsads/")
    parser.add_argument("--out", type=Path, required=True, help="folder for the files")
    parser.add_argument("--epochs", type=int, help="train for N epochs instead of the recipe's number")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - RECIPES.keys()
    if unknown:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")

    for name in arguments.names or RECIPES:
        recipe = RECIPES[name]
        seed(1, threads=1)
        windows = recipe.load(arguments.data)
        model = recipe.build(windows)
        fit(
            model,
            windows.x,
            recipe.targets(windows.y),
            epochs=arguments.epochs or recipe.epochs,
            batch=64,
            rate=recipe.rate,
            loss=recipe.loss,
        )
        outputs = infer(model, windows.x_test)
        correct = (recipe.classify(outputs) == windows.y_test).double().mean().item()
        print(f"{name}: test accuracy {correct:.4f} of {len(outputs)} windows", flush=True)
        sample = windows.x[:1]
        export(model, sample, arguments.out / f"{name}_ts.onnx", Exporter.TORCHSCRIPT)
        export(model, sample, arguments.out / f"{name}_dynamo.onnx", Exporter.DYNAMO)
        # Evenly spread: the test windows are ordered by subject or class.
        kept = np.linspace(0, len(outputs) - 1, min(1024, len(outputs)), dtype=np.int64)
        np.savez_compressed(
            arguments.out / f"{name}_io.npz",
            x=windows.x_test[kept].numpy(),
            y=windows.y_test[kept].numpy(),
            y_brevitas=outputs[kept].numpy(),
        )


if __name__ == "__main__":
    main()
