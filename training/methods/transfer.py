"""Weights of one network for another: of other precision, of other input channels, of other classes.

Networks are matched by the names of their layers (`layer_name`, see blocks), not by module paths.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bhc.diagnostics import fail
from bhc.training.precision import FLOAT

_WEIGHTS = (nn.Conv1d, nn.Conv2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


@dataclass(frozen=True, slots=True)
class Group:
    """The modules of one layer: its weights (Conv or Linear), and the BatchNorm and the activations that follow it."""

    weights: Any
    norms: list[Any] = field(default_factory=list)
    activations: list[nn.Module] = field(default_factory=list)

    @property
    def modules(self) -> list[nn.Module]:
        return [self.weights, *self.norms, *self.activations]


def layers(model: nn.Module) -> dict[str, Group]:
    """Named layers in order of definition. A BatchNorm belongs to the last named Conv or Linear before it.

    Raises ValueError if two Conv or Linear modules have the same name.
    """
    found: dict[str, Group] = {}
    last = None
    for module in model.modules():
        name = getattr(module, "layer_name", None)
        if isinstance(module, _WEIGHTS):
            if name in found:
                raise ValueError(f"two layers are called {name!r}")
            last = None if name is None else found.setdefault(name, Group(module))
        elif isinstance(module, _NORMS):
            if last:
                last.norms.append(module)
        elif name in found:
            found[name].activations.append(module)
    return found


def weight_bits(layer: nn.Module) -> int:
    """Of a Conv or Linear module: 32 if it is not quantized."""
    quantizer = getattr(layer, "weight_quant", None)
    return int(quantizer.bit_width()) if quantizer is not None and quantizer.is_quant_enabled else FLOAT


def activation_bits(module: nn.Module) -> int:
    """Of an activation module: 32 if it is not quantized."""
    quantizer = getattr(module, "act_quant", None)
    return int(quantizer.bit_width()) if quantizer is not None and quantizer.is_quant_enabled else FLOAT


def _effective(layer: Any) -> Tensor:
    """The weights that the layer computes with."""
    weight: Tensor = layer.weight.detach()
    if weight_bits(layer) == FLOAT:
        return weight
    value: Tensor = layer.weight_quant(weight.clone()).value  # a copy: Brevitas clamps in place
    return value.detach()


def _size(weight: Tensor) -> Tensor:
    """Mean |weight| of each output channel, (out,)."""
    return weight.abs().flatten(1).mean(1)


def _latent(old: Any, new: Any) -> Tensor:
    """The weights of `old`, rescaled where `new` has binary weights +-s of constant size s, and `old` has not.

    Brevitas clamps such latent weights to [-s, s], and only their signs count: their sizes say how far they are from
    a flip. A network's float weights fill a small part of that range, so that the first steps would flip most of
    them. Divided by 2 / s times the mean |weight| of their output channel they are s / 2 from a flip on average, as
    uniformly distributed ones, and a channel's own scale, to which a sign is blind, does not matter.
    """
    weight: Tensor = old.weight.detach()
    if weight_bits(new) != 1 or weight_bits(old) == 1:
        return weight
    scale, doubled = (new.weight_quant(factor * weight).scale.detach() for factor in (1, 2))
    if not torch.equal(scale, doubled):  # a scale that follows the weights, as XNOR-Net's
        return weight
    mean = _size(weight).clamp_min(torch.finfo(weight.dtype).tiny)
    return scale * (weight / (2 * mean.view(-1, *[1] * (weight.ndim - 1)))).clamp(-1, 1)


@torch.no_grad()
def copy_layer(old: Group, new: Group, channels: Mapping[int, int] | None = None) -> None:
    """Copies weights, bias, BatchNorm and learned activation scales of `old` into `new`, as far as both have them.

    channels: input channels of `new` -> those of `old`, to copy only them. The weights that `new` computes with may be
    larger by a factor (signs for small floats); its bias and BatchNorm statistics are scaled by that, for each output
    channel. That fits only roughly where activations have changed; training moves the statistics on.
    """
    latent, effective = _latent(old.weights, new.weights), _effective(old.weights)
    weight = new.weights.get_parameter("weight")
    to = list(channels) if channels else slice(None)
    source = list(channels.values()) if channels else slice(None)
    weight[:, to] = latent[:, source]
    before, after = _size(effective[:, source]), _size(_effective(new.weights)[:, to])
    ratio = torch.where(before > 0, after / before, 1.0)
    if new.weights.bias is not None:
        bias = 0.0 if old.weights.bias is None else old.weights.bias * ratio
        new.weights.bias.copy_(torch.as_tensor(bias))
    for a, b in zip(old.norms, new.norms, strict=False):
        b.load_state_dict(a.state_dict())
        if old.weights.bias is not None and new.weights.bias is None:
            b.running_mean -= old.weights.bias  # BatchNorm(y + bias) is BatchNorm(y) with another mean
        b.running_mean *= ratio
        b.running_var *= ratio**2
    for a, b in zip(old.activations, new.activations, strict=False):
        learned = a.state_dict()
        if learned and activation_bits(a) == activation_bits(b):
            b.load_state_dict(learned)


@dataclass(frozen=True, slots=True)
class Transferred:
    """copied: layers that were copied. channels: input channels whose weights in the first layer were. fresh: layers
    that keep their initial weights.
    """

    copied: tuple[str, ...]
    channels: tuple[str, ...]
    fresh: tuple[str, ...]


def adapt(
    source: nn.Module,
    target: nn.Module,
    source_channels: Sequence[str] = (),
    target_channels: Sequence[str] = (),
    fresh: Collection[str] | None = None,
) -> Transferred:
    """Starts `target` from a network trained on another data set.

    Copies every layer of the same name and shape, except those in `fresh` (default: the last one, the head). Where
    both lists of channel names are given, the first layer's weights are matched by them, channel by channel; those
    of channels that only `target` has stay as they are. Without them the first layer is copied if it has the shape.
    """
    old, new = layers(source), layers(target)
    skipped = set(list(new)[-1:] if fresh is None else fresh)
    mapping = {i: source_channels.index(n) for i, n in enumerate(target_channels) if n in source_channels}
    copied: list[str] = []
    channels: tuple[str, ...] = ()
    for index, (name, layer) in enumerate(new.items()):
        if name in skipped or name not in old:
            continue
        a, b = old[name].weights.weight.shape, layer.weights.weight.shape
        by_channel = (len(source_channels), len(target_channels)) == (a[1], b[1]) and 0 not in (a[1], b[1])
        if index == 0 and by_channel:
            if mapping and (a[0], a[2:]) == (b[0], b[2:]):
                copy_layer(old[name], layer, mapping)
                channels = tuple(target_channels[i] for i in mapping)
                copied.append(name)
        elif a == b:
            copy_layer(old[name], layer)
            copied.append(name)
    return Transferred(tuple(copied), channels, tuple(name for name in new if name not in copied))


def _evaluation_mode(module: nn.Module, _: object) -> None:
    module.eval()


def freeze(model: nn.Module, names: Collection[str]) -> None:
    """The named layers no longer learn: neither weights nor BatchNorm statistics nor scales, whatever the mode.

    Raises BhcError (BHC710) for a name that no layer has.
    """
    found = layers(model)
    for name in names:
        if name not in found:
            raise fail("BHC710", f"no layer is called '{name}'", hint=f"there are {', '.join(found)}")
        for module in found[name].modules:
            module.requires_grad_(False)
            module.register_forward_pre_hook(_evaluation_mode)  # model.train() comes before every epoch
