"""The two-stream network, with streams of a few channels but for one look at the whole ResNet-50."""

import pytest
import torch
from torch import Tensor, nn

from bhc.training.delta import TemporalDelta, penalty, sparsity
from bhc.training.models.twostream import ResNet, TwoStream, build, load_weights, stream_scores


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def tiny(threshold: float | None = None) -> TwoStream:
    def make() -> TemporalDelta:
        return TemporalDelta("fixed", threshold=threshold or 0.0)

    return build(5, flow=2, width=2, blocks=(1, 1, 1, 1), delta=None if threshold is None else make)


def clips(frames: int = 3) -> tuple[Tensor, Tensor]:
    return torch.randn(2, frames, 3, 32, 32), torch.randn(2, frames, 4, 32, 32)


def test_resnet50_is_the_known_one() -> None:
    """Number of parameters and keys of the published ResNet-50 for 1,000 classes."""
    with torch.device("meta"):
        net = ResNet(3, 1000)
    assert sum(p.numel() for p in net.parameters()) == 25_557_032
    keys = list(net.state_dict())
    assert len(keys) == 320
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.downsample.1.bias", "layer4.2.bn3.weight", "fc.bias"} <= set(
        keys
    )
    assert net.layer3.get_submodule("0.conv2").get_parameter("weight").shape == (256, 256, 3, 3)
    assert net(torch.empty(1, 3, 224, 224, device="meta")).shape == (1, 1000)


def test_fusion_averages_scores() -> None:
    model = tiny().eval()
    spatial, temporal = clips()
    scores = [
        torch.stack([stream(x[:, f]).softmax(1) for f in range(3)]).mean(0)
        for stream, x in ((model.spatial, spatial), (model.temporal, temporal))
    ]
    torch.testing.assert_close(model(spatial, temporal).exp(), (scores[0] + scores[1]) / 2)
    torch.testing.assert_close(stream_scores(model.spatial, spatial).exp(), scores[0])


@pytest.mark.parametrize("frames", [2, 4])
def test_delta_layers_work_between_frames(frames: int) -> None:
    """The network tells them how many frames a clip has."""
    model = tiny(0.0).eval()
    spatial, temporal = (x[:, :1].expand(-1, frames, -1, -1, -1) for x in clips(1))
    rows = sparsity(model, [(spatial, temporal)])
    assert len(rows) == 2 * (1 + 4 * 3)
    assert rows[0].name == "spatial.relu"
    assert all(row.unchanged == 1 for row in rows)
    moving = sparsity(model, [clips(frames)])
    assert all(row.unchanged < 1 for row in moving[:3])


def test_delta_layers_without_threshold_only_quantize() -> None:
    model = tiny(0.0).eval()
    spatial, temporal = clips()
    each = torch.stack([model(spatial[:, f : f + 1], temporal[:, f : f + 1]) for f in range(3)])
    single = [stream_scores(s, x[:, f : f + 1]) for f in range(3) for s, x in ((model.spatial, spatial),)]
    assert each.shape == (3, 2, 5)
    torch.testing.assert_close(stream_scores(model.spatial, spatial), torch.stack(single).exp().mean(0).log())


def test_training() -> None:
    model = tiny(2.0)
    labels = torch.tensor([0, 1])
    loss = nn.functional.cross_entropy(model(*clips()), labels) + penalty(model)
    loss.backward()
    assert penalty(model) > 0
    assert all(p.grad is not None for p in model.parameters())


def test_weights_for_other_inputs_and_classes() -> None:
    published = ResNet(3, 7, width=2, blocks=(1, 1, 1, 1))
    model = tiny(0.0)
    head = model.temporal.fc.weight.detach().clone()
    for stream in (model.spatial, model.temporal):
        load_weights(stream, published.state_dict())
    assert torch.equal(model.spatial.conv1.weight, published.conv1.weight)
    torch.testing.assert_close(model.temporal.conv1.weight[:, 3], published.conv1.weight.mean(1))
    assert torch.equal(model.temporal.fc.weight, head)
    with pytest.raises(RuntimeError, match=r"missing \['layer1.1"):
        load_weights(ResNet(3, 5, width=2, blocks=(2, 1, 1, 1)), published.state_dict())
