"""A training loop short enough to read, with its seed: Adam, cosine schedule, no weight decay.

For the example networks, which have scripts of their own. What recipes describe is trained by Lightning: task.py.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor, nn

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
Augment: TypeAlias = Callable[[Tensor], Tensor]


def seed(value: int, threads: int) -> None:
    """Fixes what a run's result depends on, the number of threads (the order of float sums) included."""
    torch.manual_seed(value)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)


def batches(samples: int, size: int) -> Iterator[Tensor]:
    """A random order of range(samples) in batches of `size`; the incomplete last batch is dropped."""
    order = torch.randperm(samples)
    return (order[i : i + size] for i in range(0, samples - size + 1, size))


def fit(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    epochs: int,
    batch: int,
    rate: float,
    loss: Loss = nn.functional.cross_entropy,
    augment: Augment | None = None,
    log: Callable[[str], None] = print,
) -> None:
    """Trains `model` in place on inputs `x` (N, ...) and targets `y` (N, ...); leaves it in eval mode."""
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (len(x) // batch))
    model.train()
    for epoch in range(1, epochs + 1):
        total = 0.0
        for index in batches(len(x), batch):
            inputs = x[index] if augment is None else augment(x[index])
            optimizer.zero_grad()
            value = loss(model(inputs), y[index])
            value.backward()
            optimizer.step()
            schedule.step()
            total += value.item()
        if epoch == epochs or epoch % max(1, epochs // 10) == 0:
            log(f"epoch {epoch}/{epochs}: mean loss {total / (len(x) // batch):.4f}")
    model.eval()


@torch.no_grad()
def infer(model: nn.Module, x: Tensor, batch: int = 256) -> Tensor:
    """Outputs of `model` for `x` (N, ...), in evaluation mode."""
    model.eval()
    return torch.cat([model(part) for part in x.split(batch)])


def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Fraction of `x` whose largest output is class `y`."""
    return (infer(model, x).argmax(1) == y).double().mean().item()
