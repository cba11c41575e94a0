"""Trains the demo's binary tCNN on BasicMotions and writes model.onnx.

    python examples/demo/train.py [--out DIR]

Everything is seeded and runs on one thread, so that a machine's result is reproducible.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

import torch
from basicmotions import windows
from torch import Tensor

from bhc.training.export import export
from bhc.training.loop import accuracy, fit, seed
from bhc.training.models.examples import Demo


def augment(x: Tensor) -> Tensor:
    """Varies the 40 windows (N, 6, 100): a random start, cyclically, and a gain of 0.8 to 1.25."""
    shifts = torch.randint(x.shape[2], (len(x), 1, 1))
    steps = (torch.arange(x.shape[2]) + shifts) % x.shape[2]
    gain = 1.25 ** (2 * torch.rand(len(x), 1, 1) - 1)
    return x.gather(2, steps.expand(x.shape)) * gain


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for model.onnx")
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    seed(arguments.seed, threads=1)
    x, y = map(torch.from_numpy, windows("TRAIN"))
    x_test, y_test = map(torch.from_numpy, windows("TEST"))
    model = Demo()
    fit(model, x, y, epochs=arguments.epochs, batch=20, rate=0.01, augment=augment)
    correct = round(accuracy(model, x_test, y_test) * len(y_test))
    print(f"test accuracy {correct}/{len(y_test)}")
    export(model, x[:1], arguments.out / "model.onnx")


if __name__ == "__main__":
    main()
