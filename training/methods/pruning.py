"""Magnitude pruning of single weights, with a schedule, with or without feedback.

Zhu, Gupta: "To Prune, or Not to Prune: Exploring the Efficacy of Pruning for Model Compression", ICLR 2018 workshop.
Lin, Stich, Barba, Dmitriev, Jaggi: "Dynamic Model Pruning with Feedback", ICLR 2020.
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from bhc.diagnostics import fail
from bhc.training.methods import transfer


def cubic_sparsity(step: int, begin: int, end: int, final: float) -> float:
    """Fraction of weights that are zero at `step`: 0 until `begin`, from `end` on `final`, fast at first."""
    if step >= end:
        return final
    left = 1 - max(step - begin, 0) / (end - begin)
    return final * (1 - left**3)


class Mask(nn.Module):
    """Parametrization of a weight: zero where `kept` is False.

    feedback: the gradient at the masked weight reaches all of the dense weight, so that pruned weights go on
    learning; else only the weights that are kept.
    """

    kept: Tensor

    def __init__(self, weight: Tensor, feedback: bool) -> None:
        super().__init__()
        self.register_buffer("kept", torch.ones_like(weight, dtype=torch.bool))
        self.feedback = feedback

    def forward(self, weight: Tensor) -> Tensor:
        masked = weight * self.kept
        return weight + (masked - weight).detach() if self.feedback else masked

    def magnitudes(self, weight: Tensor) -> Tensor:
        """What is pruned first has the least: dense weights, or, without feedback, those pruned before."""
        size = weight.detach().abs()
        return size if self.feedback else size.masked_fill(~self.kept, -1.0)


class Pruner:
    """Prunes layers of `model` while it is trained, from step `begin` to `end` along `cubic_sparsity`.

    layers: names; None: all whose weights have more than one bit. Masks are computed every `every` steps from the
    magnitudes of the weights: within a layer, or among the weights of all of them together (scope "global"). Without
    feedback what is pruned stays zero, and masks are final at `end`. With feedback every mask is computed anew from
    the dense weights, also after `end`: a pruned weight that has grown returns. Each weight is zero before
    quantization, so that it is zero in any quantizer of 2 or more bits.

    The masks are buffers of the model, and so part of its state_dict: to resume, build the model and its Pruner, then
    load the state. Raises BhcError (BHC710) for layers that cannot be pruned, or values out of range.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[str] | None = None,
        *,
        final_sparsity: float,
        begin: int,
        end: int,
        every: int,
        feedback: bool,
        scope: Literal["layer", "global"] = "layer",
    ) -> None:
        if not 0 <= final_sparsity < 1:
            raise fail("BHC710", f"a final sparsity of {final_sparsity}", hint="it is a fraction, from 0 to below 1")
        if not 0 <= begin <= end or every < 1:
            raise fail(
                "BHC710",
                f"pruning from step {begin} to {end}, every {every} steps",
                hint="it needs 0 <= begin <= end and every >= 1",
            )
        self._final, self._begin, self._end, self._every = final_sparsity, begin, end, every
        self._feedback, self._scope = feedback, scope
        self._layers = _prunable(model, layers)
        for layer in self._layers.values():
            parametrize.register_parametrization(layer, "weight", Mask(layer.weight, feedback))

    def _parts(self) -> list[tuple[Mask, Tensor]]:
        """Mask and dense weight of each layer."""
        lists = [layer.parametrizations.weight for layer in self._layers.values()]
        return [(found[0], found.original) for found in lists]

    def step(self, index: int) -> None:
        """To be called before training step `index` (from 0): updates the masks if one is due."""
        since = index - self._begin
        due = since >= 0 and (since % self._every == 0 or index == self._end)
        if due and (self._feedback or index <= self._end):
            self.prune(cubic_sparsity(index, self._begin, self._end, self._final))

    @torch.no_grad()
    def prune(self, sparsity: float) -> None:
        """Sets the masks, so that `sparsity` times the number of weights, rounded, are zero."""
        parts = self._parts()
        magnitudes = [mask.magnitudes(weight).flatten() for mask, weight in parts]
        sizes = [len(m) for m in magnitudes]
        if self._scope == "layer":
            kept = [_largest(m, sparsity) for m in magnitudes]
        else:
            kept = list(_largest(torch.cat(magnitudes), sparsity).split(sizes))
        for (mask, weight), flags in zip(parts, kept, strict=True):
            mask.kept.copy_(flags.view_as(weight))

    def sparsity(self) -> dict[str, float]:
        """Fraction of each layer's weights that the masks set to zero."""
        masks = (mask for mask, _ in self._parts())
        return {name: 1 - mask.kept.double().mean().item() for name, mask in zip(self._layers, masks, strict=True)}

    def make_permanent(self) -> None:
        """Takes the masks off; the weights that they have set to zero are zero. For the export."""
        for layer in self._layers.values():
            # To Brevitas a weight that is set anew is a new one: it would start again with an untrained quantizer.
            quantizer: Any = getattr(layer, "weight_quant", None)
            trained = getattr(quantizer, "tensor_quant", None)
            parametrize.remove_parametrizations(layer, "weight")
            if trained is not None:
                quantizer.tensor_quant = trained
        self._layers = {}


def _largest(magnitudes: Tensor, sparsity: float) -> Tensor:
    """All but the round(sparsity * n) smallest of `magnitudes` (n,); of equals the first are pruned first."""
    kept = torch.ones_like(magnitudes, dtype=torch.bool)
    kept[magnitudes.argsort(stable=True)[: round(sparsity * len(magnitudes))]] = False
    return kept


def _prunable(model: nn.Module, names: Sequence[str] | None) -> dict[str, Any]:
    found = {name: group.weights for name, group in transfer.layers(model).items()}
    hint = "prune layers whose weights have 2 or more bits"
    if names is None:
        chosen = {name: layer for name, layer in found.items() if transfer.weight_bits(layer) > 1}
        if not chosen:
            raise fail("BHC710", "pruning, but all weights are binary: they cannot be zero", hint=hint)
        return chosen
    for name in names:
        if name not in found:
            raise fail("BHC710", f"no layer is called '{name}'", hint=f"there are {', '.join(found)}")
        if transfer.weight_bits(found[name]) == 1:
            raise fail("BHC710", f"layer '{name}' cannot be pruned: a binary weight cannot be zero", hint=hint)
    return {name: found[name] for name in names}
