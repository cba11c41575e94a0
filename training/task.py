"""What Lightning trains: a model with its losses and the methods that act during training."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import lightning
import torch
from brevitas.core.scaling import ParameterFromRuntimeStatsScaling
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from bhc.training.blocks import clip_latent
from bhc.training.data.augment import Augmentation
from bhc.training.delta import ActivationL1
from bhc.training.delta import penalty as delta_penalty
from bhc.training.methods.attributes import attribute_loss
from bhc.training.methods.binarization import FlipPenalty
from bhc.training.methods.distillation import attribute_distillation_loss, distillation_loss
from bhc.training.methods.pruning import Pruner
from bhc.training.recipe import Recipe


@dataclass(frozen=True)
class Examples:
    """Training windows x (N, C, T), and targets: labels (N,) or attributes (N, A)."""

    x: Tensor
    targets: Tensor
    class_weights: Tensor | None
    augmentation: Augmentation


class Epoch(IterableDataset[tuple[Tensor, Tensor]]):
    """The batches of one epoch. All chance comes from (seed, epoch): a resumed run sees the same batches."""

    def __init__(self, examples: Examples, size: int, samples: int | None, seed: int, epoch: int) -> None:
        self.examples = examples
        self.size = min(size, len(examples.x))
        self.batches = min(samples or len(examples.x), len(examples.x)) // self.size
        self.generator = torch.Generator().manual_seed(1_000_003 * seed + epoch)

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = torch.randperm(len(self.examples.x), generator=self.generator)
        for chosen in order[: self.batches * self.size].split(self.size):
            x = self.examples.augmentation(self.examples.x[chosen], self.generator)
            yield x, self.examples.targets[chosen]


class Task(lightning.LightningModule):
    """Trains `model` on `examples` as the recipe says; with or without a teacher (an ensemble)."""

    def __init__(self, model: nn.Module, examples: Examples, recipe: Recipe, teacher: nn.Module | None) -> None:
        super().__init__()
        self.model = model
        self.examples = examples
        self.recipe = recipe
        self._teacher = [] if teacher is None else [teacher.eval()]  # in a list: no part of the checkpoint
        self.history: list[dict[str, float]] = []
        self._totals: dict[str, float] = {}
        self._scales: dict[str, tuple[int, Tensor, Tensor]] = {}
        self._hooks = ExitStack()
        self.flips = self._hooks.enter_context(FlipPenalty(model)) if recipe.flips else None
        l1 = recipe.training.activation_l1
        self.activations = self._hooks.enter_context(ActivationL1(model)) if l1 else None
        self.pruner = self._make_pruner()

    def _make_pruner(self) -> Pruner | None:
        pruning = self.recipe.pruning
        if pruning is None:
            return None
        steps = self.recipe.training.epochs * len(self._epoch(0))
        return Pruner(
            self.model,
            final_sparsity=pruning.sparsity,
            begin=round(pruning.begin * steps),
            end=round(pruning.end * steps),
            every=pruning.every,
            feedback=pruning.feedback,
        )

    def close(self) -> None:
        """Takes all hooks off the model and makes pruning permanent."""
        self._hooks.close()
        if self.pruner:
            self.pruner.make_permanent()

    def _epoch(self, number: int) -> Epoch:
        training = self.recipe.training
        return Epoch(self.examples, training.batch, training.samples, training.seed, number)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(self._epoch(self.current_epoch), batch_size=None, generator=torch.Generator())

    def configure_optimizers(self) -> Any:
        training = self.recipe.training
        kinds = {"adam": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
        weights = [p for p in self.model.parameters() if p.requires_grad]
        optimizer = kinds[training.optimizer](weights, lr=training.rate, weight_decay=training.weight_decay)
        if training.schedule == "constant":
            return optimizer
        steps = int(self.trainer.max_epochs or 1) * len(self._epoch(0))
        rising = max(0.1, 2 / max(steps, 3))  # OneCycleLR divides by the steps of the rise, less one
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, training.rate, total_steps=steps, pct_start=rising)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        # For what draws from the global generator: dropout, stochastic signs.
        torch.manual_seed(1_000_003 * self.recipe.training.seed + self.current_epoch)
        self._totals = {}

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        if self.pruner:
            self.pruner.step(self.global_step)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        clip_latent(self.model)
        # Lightning tells callbacks of an epoch's end before the module: they need the history.
        steps = len(self._epoch(0))
        if batch_idx + 1 == steps:
            self.history.append({"epoch": self.current_epoch + 1} | {k: v / steps for k, v in self._totals.items()})

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        x, targets = batch
        logits = self.model(x)
        losses = {"loss": self._task_loss(x, logits, targets)}
        if self.recipe.flips and self.flips:
            losses["flips"] = self.recipe.flips.penalty * self.flips.loss()
        if self.recipe.delta and self.recipe.delta.penalty:
            losses["delta"] = self.recipe.delta.penalty * delta_penalty(self.model)
        if self.activations:
            losses["l1"] = self.recipe.training.activation_l1 * self.activations.loss()
        for name, value in losses.items():
            self._totals[name] = self._totals.get(name, 0.0) + value.item()
        return torch.stack(list(losses.values())).sum()

    def _task_loss(self, x: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
        training, teacher = self.recipe.training, self.recipe.teacher
        weights = None if self.examples.class_weights is None else self.examples.class_weights.to(x.device)
        taught = None
        if teacher and self._teacher:
            with torch.no_grad():
                taught = self._teacher[0].to(x.device)(x)
        if training.head == "attributes":
            if taught is None or teacher is None:
                return attribute_loss(logits, targets)
            return attribute_distillation_loss(logits, taught, targets, teacher.temperature, teacher.alpha)
        if taught is None or teacher is None:
            return nn.functional.cross_entropy(logits, targets, weights, label_smoothing=training.label_smoothing)
        return distillation_loss(logits, taught, targets, teacher.temperature, teacher.alpha, weights)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history
        checkpoint["scales"] = {
            name: (m.counter, m.buffer.clone(), m.value.detach().clone()) for name, m in self._collecting()
        }

    def on_load_checkpoint(self, checkpoint: Mapping[str, Any]) -> None:
        self.history = list(checkpoint["history"])
        self._scales = dict(checkpoint["scales"])

    def on_fit_start(self) -> None:
        # After the state dict, which ends the collecting.
        for name, module in self._collecting():
            if name in self._scales:
                module.counter, buffer, value = self._scales[name]
                module.buffer.copy_(buffer)
                module.value.data.copy_(value)

    def _collecting(self) -> list[tuple[str, Any]]:
        """Activation scales of Brevitas, which collect statistics for some steps, outside their state dict."""
        modules = self.model.named_modules()
        return [(name, m) for name, m in modules if isinstance(m, ParameterFromRuntimeStatsScaling)]
