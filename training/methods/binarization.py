"""Binarization in stages, and a penalty on flips of binary activations in time."""

from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from typing import Any, Self

import torch
from torch import Tensor, nn

from bhc.diagnostics import fail
from bhc.training.methods.transfer import activation_bits, copy_layer, layers


def stages(groups: Iterable[str | Collection[str]]) -> tuple[frozenset[str], ...]:
    """The layers that have reached their final precision in each stage: those of its group and of all before it.

    groups: layer names, or sets of them, from input to output. Each stage starts from the weights that the last one
    ended with (`transfer_weights`): its one new layer has trained float layers behind it that adapt to its errors.
    """
    done: frozenset[str] = frozenset()
    found = []
    for group in groups:
        done |= {group} if isinstance(group, str) else frozenset(group)
        found.append(done)
    return tuple(found)


def transfer_weights(source: nn.Module, target: nn.Module) -> None:
    """Copies all named layers of `source` into `target`, the same network in another precision.

    Weights that become binary are rescaled, see `transfer.copy_layer`; biases and BatchNorms that only one of the two
    has are left out. Raises ValueError if a layer of `target` is not in `source` or has another shape.
    """
    old, new = layers(source), layers(target)
    for name, layer in new.items():
        if name not in old:
            raise ValueError(f"the source has no layer {name!r}")
        shapes = old[name].weights.weight.shape, layer.weights.weight.shape
        if shapes[0] != shapes[1]:
            raise ValueError(f"layer {name!r}: {tuple(shapes[0])} in the source, {tuple(shapes[1])} in the target")
        copy_layer(old[name], layer)


class FlipPenalty:
    """How often the binary activations of `model` flip from one time step to the next, as a loss.

    With s_t = -1 or +1 the flip rate of a layer is the mean over windows, channels and t of (1 - s_t s_(t-1)) / 2. Its
    gradient reaches what is before the sign by the straight-through estimator of the sign itself: it widens the
    distance to the threshold of a sign that its neighbours share, and pulls one that differs from both to the other
    side.

    A context manager: within it, each forward pass of the model is measured. Activations are (N, C, T) or
    (N, C, T, columns); those of dense layers, (N, features), have no time and are left out. Raises BhcError (BHC710)
    if the model has no binary activation.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        named = ((getattr(m, "layer_name", None), m) for m in model.modules())
        self._signs = [(name, m) for name, m in named if name is not None and activation_bits(m) == 1]
        if not self._signs:
            raise fail("BHC710", "a flip penalty, but no binary activation", hint="set activations = 1")
        self._hooks = ExitStack()
        self._rates: dict[str, list[Tensor]] = {}

    def __enter__(self) -> Self:
        self._hooks.callback(self._model.register_forward_pre_hook(lambda *_: self._rates.clear()).remove)
        for name, sign in self._signs:
            self._hooks.callback(sign.register_forward_hook(self._measure(name)).remove)
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.close()
        self._rates.clear()

    def _measure(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def measure(module: nn.Module, inputs: Any, output: Any) -> None:
            signs: Tensor = getattr(output, "value", output)  # a Brevitas QuantTensor, or a tensor
            if signs.ndim > 2 and signs.shape[2] > 1:
                rate = (1 - signs[:, :, 1:] * signs[:, :, :-1]).mean() / 2
                self._rates.setdefault(name, []).append(rate)

        return measure

    def _layer_rates(self) -> dict[str, Tensor]:
        if not self._rates:
            raise RuntimeError("no binary activation with a time axis has been computed")
        return {name: torch.stack(rates).mean() for name, rates in self._rates.items()}

    def loss(self) -> Tensor:
        """Mean over layers of their flip rates in the last forward pass: a scalar from 0 to 1."""
        return torch.stack(list(self._layer_rates().values())).mean()

    def rates(self) -> dict[str, float]:
        """Flip rate of each layer in the last forward pass, flips per channel and time step."""
        return {name: rate.item() for name, rate in self._layer_rates().items()}
