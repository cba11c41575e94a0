import pytest
import torch
from torch import Tensor, nn

from bhc.diagnostics import BhcError
from bhc.training.blocks import block, dense, dense_block
from bhc.training.methods.transfer import Transferred, adapt, freeze
from bhc.training.precision import Bits

FLOAT = Bits()


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def net(channels: int, classes: int, bits: Bits = FLOAT, width: int = 4, seed: int = 0) -> nn.Sequential:
    """(N, channels, 16) -> (N, classes), its statistics and scales not those of a new net."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        *block("conv1", channels, 4, 5, bits),
        *block("conv2", 4, 4, 5, bits),
        nn.Flatten(),
        *dense_block("dense1", 32, width, bits),
        dense("head", width, classes, bits),
    )
    for _ in range(3):
        model(torch.randn(8, channels, 16))
    for norm in (m for m in model if isinstance(m, nn.BatchNorm1d)):
        nn.init.normal_(norm.weight)
    return model


def state(model: nn.Module, *indices: int) -> list[Tensor]:
    return [v for i in indices for v in model.get_submodule(str(i)).state_dict().values()]


def same(a: list[Tensor], b: list[Tensor]) -> bool:
    return len(a) == len(b) > 0 and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("bits", [Bits(), Bits(4, 4), Bits(1, 1)])
def test_layers_of_the_same_shape_are_copied(bits: Bits) -> None:
    old, new = net(3, 6, bits), net(3, 5, bits, seed=1)
    fresh = state(new, 10)
    assert adapt(old, new) == Transferred(("conv1", "conv2", "dense1"), (), ("head",))
    # Blocks are weights, BatchNorm, activation; only integer activations have something to learn.
    learned = (0, 1, 3, 4, 7, 8) if bits.activations in (1, 32) else (0, 1, 2, 3, 4, 5, 7, 8, 9)
    assert same(state(new, *learned), state(old, *learned))
    assert same(state(new, 10), fresh)
    x = torch.randn(4, 3, 16)
    assert torch.equal(old.eval()[:10](x), new.eval()[:10](x))


def test_other_shapes_stay_fresh() -> None:
    old, new = net(3, 6), net(4, 6, width=5, seed=1)
    before = state(new, 0, 7, 8, 10)
    assert adapt(old, new, fresh=()) == Transferred(("conv2",), (), ("conv1", "dense1", "head"))
    assert same(state(new, 0, 7, 8, 10), before)
    assert adapt(net(3, 6), net(3, 6), fresh=()).fresh == ()
    assert adapt(net(3, 6), net(3, 6), fresh=("conv2",)).fresh == ("conv2",)


def test_input_channels_are_matched_by_name() -> None:
    old, new = net(3, 6), net(4, 5, seed=1)
    before = new.get_parameter("0.weight").detach().clone()
    report = adapt(old, new, ("ax", "ay", "gx"), ("gx", "gy", "ax", "az"))
    assert report == Transferred(("conv1", "conv2", "dense1"), ("gx", "ax"), ("head",))
    got, source = new.get_parameter("0.weight"), old.get_parameter("0.weight")
    assert torch.equal(got[:, [0, 2]], source[:, [2, 0]])
    assert torch.equal(got[:, [1, 3]], before[:, [1, 3]])
    # The same number of channels, but others: nothing to copy.
    assert adapt(old, net(3, 5), ("ax", "ay", "gx"), ("a", "b", "c")).fresh == ("conv1", "head")


def test_frozen_layers_do_not_change() -> None:
    model = net(3, 6, Bits(4, 4))
    freeze(model, ["conv1", "dense1"])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), 0.1, weight_decay=0.1)
    for _ in range(3):
        model.train()
        optimizer.zero_grad()
        model(torch.randn(8, 3, 16)).square().mean().backward()
        optimizer.step()
    changed = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"3", "4", "5", "10"}
    with pytest.raises(BhcError, match=r"BHC710.*'conv7'"):
        freeze(model, ["conv7"])


def test_names_must_be_unique() -> None:
    twice = nn.Sequential(*block("conv1", 3, 4, 5, Bits()), *block("conv1", 4, 4, 5, Bits()))
    with pytest.raises(ValueError, match="two layers are called 'conv1'"):
        adapt(twice, twice)
