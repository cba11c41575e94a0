"""How often activations are zero, and how seldom they change from one time step to the next."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from bhc.training.metrics.cost import WEIGHTED


@dataclass(frozen=True, slots=True)
class ActivationSparsity:
    """Of the activations behind a layer: the fractions that are 0 (of ReLUs) and greater than 0 (of signs: the +1)."""

    layer: str
    elements: int
    zero: float
    positive: float


@dataclass(frozen=True, slots=True)
class FlipRate:
    """Of the activations behind a layer: `flips` of `elements` pairs of consecutive time steps differ; rate = flips /
    elements. 1 - rate is the temporal sparsity.
    """

    layer: str
    elements: int
    flips: int
    rate: float


def activations(model: nn.Module) -> dict[nn.Module, str]:
    """The activation modules and the name of the layer each belongs to, its `layer_name`.

    Of a model whose modules carry no layer_name: all ReLUs and Brevitas activations (the input's quantizer among
    them), by their attribute path.
    """
    named = {m: str(m.layer_name) for m in model.modules() if hasattr(m, "layer_name") and not isinstance(m, WEIGHTED)}
    return named or dict(_unnamed(model, ""))


def _unnamed(module: nn.Module, path: str) -> Iterator[tuple[nn.Module, str]]:
    if isinstance(module, nn.ReLU) or hasattr(module, "act_quant"):
        yield module, path
        return
    for name, child in module.named_children():
        yield from _unnamed(child, f"{path}.{name}" if path else name)


@torch.no_grad()
def activation_sparsity(model: nn.Module, batches: Iterable[Tensor]) -> tuple[ActivationSparsity, ...]:
    """For each activation of `model` in evaluation mode, over all of `batches` (N, ...), in the order they run."""
    elements: Counter[str] = Counter()
    zeros: Counter[str] = Counter()
    positives: Counter[str] = Counter()

    def record(name: str, values: Tensor) -> None:
        elements[name] += values.numel()
        zeros[name] += int((values == 0).sum())
        positives[name] += int((values > 0).sum())

    with _watched(model, record):
        for batch in batches:
            model(batch)
    return tuple(ActivationSparsity(name, n, zeros[name] / n, positives[name] / n) for name, n in elements.items())


@torch.no_grad()
def flip_rates(model: nn.Module, recordings: Iterable[Tensor], chunk: int = 2**15) -> tuple[FlipRate, ...]:
    """For each activation with a time axis, and each max pool behind one ("conv1.pool"), in the order they run.

    recordings: (C, T), each at least as long as the convolutions need. One longer than `chunk` steps is cut into equal
    parts, and pairs across a cut are not counted. The convolutions run over a whole part; a dense layer, made for one
    window, is given zeros where the length does not fit, and what follows it is not reported.

    The time axis of an activation is its third, in (N, channels, time) as in (N, channels, time, columns).
    """
    elements: Counter[str] = Counter()
    flips: Counter[str] = Counter()
    behind = ""

    def record(name: str, values: Tensor) -> None:
        nonlocal behind
        behind = name
        if values.ndim >= 3 and values.shape[2] > 1:
            changed = values[:, :, 1:] != values[:, :, :-1]
            elements[name] += changed.numel()
            flips[name] += int(changed.sum())

    def pooled(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        name = behind
        if name:
            record(f"{name.removesuffix('.pool')}.pool", _values(output))

    with ExitStack() as stack:
        stack.enter_context(_watched(model, record))
        for module in model.modules():
            if isinstance(module, nn.Linear):
                stack.callback(module.register_forward_pre_hook(fitting).remove)
            if isinstance(module, nn.MaxPool1d | nn.MaxPool2d):
                stack.callback(module.register_forward_hook(pooled).remove)
        for recording in recordings:
            for part in recording.tensor_split(ceil(recording.shape[1] / chunk), dim=1):
                behind = ""
                model(part[None])
    return tuple(FlipRate(name, n, flips[name], flips[name] / n) for name, n in elements.items())


def fitting(layer: nn.Linear, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Forward pre-hook: the inputs of a dense layer, or zeros if their number is wrong."""
    fits = args[0].shape[-1] == layer.in_features
    return args if fits else (layer.weight.new_zeros(len(args[0]), layer.in_features),)


def _values(output: Any) -> Tensor:
    """Of a Tensor, or of one of Brevitas' QuantTensors."""
    return output if isinstance(output, Tensor) else output.value


@contextmanager
def _watched(model: nn.Module, record: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Within, `model` is in evaluation mode, and `record` gets each activation's layer name and values."""
    names = activations(model)

    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        record(names[module], _values(output))

    training = model.training
    model.eval()
    with ExitStack() as stack:
        stack.callback(model.train, training)
        for module in names:
            stack.callback(module.register_forward_hook(hook).remove)
        yield
