"""Trains the two-stream network on a folder of clips, with temporal delta layers, and reports how sparse they are.

    python examples/clips/train.py --clips UCF-101 [--flow FLOW] [--delta fixed|lsq] [--weights FILE] [--epochs N]

Each stream learns by itself; their softmax scores are averaged. Without --flow the temporal stream sees differences of
frames. docs/data.md says how clips lie in the folder. --weights starts both streams from a state dict of torchvision's
resnet50, saved by torch.save. ResNet-50 streams on UCF101 need a GPU; --width and --size make small ones.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from bhc.training.data.clips import Clips, find
from bhc.training.delta import TemporalDelta, penalty, sparsity
from bhc.training.models.twostream import TwoStream, build, load_weights, stream_scores


class Streams(lightning.LightningModule):
    """Both streams at once, each with its own loss; l1 weighs the mean size of their deltas."""

    def __init__(self, net: TwoStream, rate: float, l1: float) -> None:
        super().__init__()
        self.net = net
        self.rate = rate
        self.l1 = l1

    def training_step(self, batch: tuple[Tensor, Tensor, Tensor], index: int) -> Tensor:
        spatial, temporal, labels = batch
        loss = torch.zeros((), device=self.device)
        for stream, clips in ((self.net.spatial, spatial), (self.net.temporal, temporal)):
            loss = loss + nn.functional.cross_entropy(stream_scores(stream, clips), labels)
            loss = loss + self.l1 * penalty(stream)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.net.parameters(), lr=self.rate)


@torch.no_grad()
def accuracy(net: TwoStream, batches: DataLoader[tuple[Tensor, Tensor, int]]) -> float:
    """Fraction of clips whose fused score is highest for their class."""
    net.eval()
    right = [net(spatial, temporal).argmax(1) == labels for spatial, temporal, labels in batches]
    return torch.cat(right).double().mean().item()


def main(arguments: list[str] | None = None) -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, required=True, help="folder of class folders")
    parser.add_argument("--flow", type=Path, help="folder of optical flow images")
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--delta", choices=("none", "fixed", "lsq"), default="lsq")
    parser.add_argument("--l1", type=float, default=0.01, help="weight of the penalty on deltas")
    parser.add_argument("--weights", type=Path, help="what both streams start from")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--size", type=int, default=224, help="of frames, in pixels")
    parser.add_argument("--length", type=int, default=25, help="frames of a clip")
    parser.add_argument("--stack", type=int, default=10, help="steps seen by the temporal stream; even")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)

    lightning.seed_everything(options.seed, verbose=False)
    found = find(options.clips, options.fold)
    train, test = (
        Clips(part, length=options.length, size=(options.size, options.size), stack=options.stack, flow=options.flow)
        for part in (found.train, found.test)
    )
    channels = train[0][1].shape[1]
    delta = None if options.delta == "none" else lambda: TemporalDelta(options.delta)
    net = build(len(found.classes), flow=channels // 2, width=options.width, delta=delta)
    if options.weights is not None:
        weights = torch.load(options.weights, weights_only=True)
        for stream in (net.spatial, net.temporal):
            load_weights(stream, weights)
    trainer = lightning.Trainer(max_epochs=options.epochs, logger=False, enable_checkpointing=False)
    trainer.fit(Streams(net, options.rate, options.l1), DataLoader(train, options.batch, shuffle=True))
    batches = DataLoader(test, options.batch)
    print(f"accuracy {100 * accuracy(net, batches):.2f} % of {len(test)} clips")
    if delta is not None:
        rows = sparsity(net, [(spatial, temporal) for spatial, temporal, _ in batches])
        for row in rows:
            print(f"{row.name}: {100 * row.zeros:.1f} % zero, {100 * row.unchanged:.1f} % unchanged")


if __name__ == "__main__":
    main()
