"""Networks, by name: each builder has the signature of `Build` and options of its own.

    build(shape: tuple[int, int], outputs: int, precision: Precision, *, standardize: Standardize | None = None,
          **options) -> nn.Module

shape is (C, T). The model takes raw windows (N, C, T), standardizes and quantizes them itself, and returns logits
(N, outputs).

Means over time are over a power of two of steps (8) for windows of 128 samples, by the builders' default pools: then
the logits of a binary net are exact in float32, and a tie between two classes is one for every executor.
"""

from importlib import import_module
from typing import Any, Protocol

from torch import nn

from bhc.diagnostics import fail
from bhc.training.blocks import Standardize
from bhc.training.precision import Precision


class Build(Protocol):
    def __call__(
        self,
        shape: tuple[int, int],
        outputs: int,
        precision: Precision,
        *,
        standardize: Standardize | None = None,
        **options: Any,
    ) -> nn.Module: ...


BUILDERS = {
    "btcnn": "bhc.training.models.btcnn",
    "harcnn": "bhc.training.models.harcnn",
    "resnet1d": "bhc.training.models.resnet1d",
    "dstcnn": "bhc.training.models.dstcnn",
    "dccnn": "bhc.training.models.dccnn",
}
"""Modules whose function `build` makes the network of that name."""


def builder(name: str) -> Build:
    """The function that builds the network `name`. Raises BhcError (BHC710) if there is none."""
    if name not in BUILDERS:
        raise fail("BHC710", f"no model is called '{name}'", hint=f"there are {', '.join(sorted(BUILDERS))}")
    build: Build = import_module(BUILDERS[name]).build
    return build
