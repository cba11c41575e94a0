import pytest
import torch
from torch import Tensor, nn

from bhc.diagnostics import BhcError
from bhc.training.blocks import Style, activation, block, convolution, dense, dense_block
from bhc.training.methods.binarization import FlipPenalty, stages, transfer_weights
from bhc.training.precision import Bits, Precision

FLOAT, BINARY = Bits(), Bits(1, 1)
ALL_FLOAT, NORM = Precision(), Style()


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def net(precision: Precision = ALL_FLOAT, style: Style = NORM, seed: int = 0) -> nn.Sequential:
    """(N, 3, 16) -> (N, 2)."""
    torch.manual_seed(seed)
    return nn.Sequential(
        *block("conv1", 3, 8, 5, precision.of("conv1"), style),
        *block("conv2", 8, 8, 5, precision.of("conv2"), style),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        *dense_block("dense1", 8, 8, precision.of("dense1"), style),
        dense("head", 8, 2, precision.of("head"), scale=0.25),
    )


def used(model: nn.Module) -> nn.Module:
    """With statistics and biases that are not those of a new net."""
    for _ in range(20):
        model(2 + torch.randn(16, 3, 16))
    return model.eval()


def test_stages_accumulate() -> None:
    assert list(map(set, stages(["conv1", "conv2"]))) == [{"conv1"}, {"conv1", "conv2"}]
    assert stages([("conv1",), ("conv1", "conv2"), ("dense1",)])[2] == {"conv1", "conv2", "dense1"}
    assert stages([]) == ()


def test_transfer_to_the_same_precision_is_exact() -> None:
    x = torch.randn(4, 3, 16)
    mixed = Precision(layers={"conv1": BINARY, "conv2": Bits(4, 4)})
    for precision in (Precision(), mixed, Precision.uniform(1, 1)):
        for style in (Style(), Style(norm=False), Style(xnor=True)):
            old, new = used(net(precision, style)), net(precision, style, seed=1).eval()
            transfer_weights(old, new)
            assert torch.equal(new(x), old(x))


def test_binary_latent_weights_keep_their_signs_and_fill_their_range() -> None:
    old, new = used(net()), net(Precision.uniform(1, 1), seed=1)
    transfer_weights(old, new)
    for name, size in (("0.weight", 1.0), ("8.weight", 1.0), ("11.weight", 0.25)):
        before, after = old.get_parameter(name).detach(), new.get_parameter(name).detach()
        assert torch.equal(before.sign(), after.sign())
        assert after.abs().max() <= size
        mean = after.abs().flatten(1).mean(1)  # of uniformly distributed weights: half of the range, but for clipping
        torch.testing.assert_close(mean, torch.full_like(mean, size / 2), atol=0.06, rtol=0)
        again = after.clone()
        new.train()(torch.randn(4, 3, 16))
        assert torch.equal(new.get_parameter(name), again)  # nothing for Brevitas to clamp


def test_xnor_weights_are_not_rescaled() -> None:
    old, new = used(net()), net(Precision.uniform(1, 1), Style(xnor=True), seed=1)
    transfer_weights(old, new)
    assert torch.equal(new.get_parameter("0.weight"), old.get_parameter("0.weight"))
    weight = old.get_parameter("0.weight").detach()
    expected = weight.sign() * weight.abs().mean((1, 2), keepdim=True)
    torch.testing.assert_close(new.get_submodule("0").quant_weight().value, expected)  # type: ignore[operator]


def test_statistics_follow_the_size_of_binary_weights() -> None:
    # With weights of one size in each channel, signs compute the same up to that size: the net stays exactly the same.
    only_weights = Precision(layers={"conv1": Bits(1)})
    for style in (Style(), Style(norm=False)):
        old, new = net(style=style), net(only_weights, style, seed=1).eval()
        weight = old.get_parameter("0.weight")
        weight.data = weight.detach().sign() * torch.linspace(0.01, 0.1, 8)[:, None, None]
        x = torch.randn(4, 3, 16)
        transfer_weights(used(old), new)
        if style.norm:
            torch.testing.assert_close(new(x), old(x), rtol=1e-2, atol=1e-2)  # but for BatchNorm's epsilon
        else:
            factor = torch.linspace(0.01, 0.1, 8)[:, None]
            torch.testing.assert_close(new[:2](x) * factor, old[:2](x))


def test_a_bias_without_counterpart() -> None:
    torch.manual_seed(0)
    bits = Bits()
    biased = nn.Sequential(convolution("conv1", 3, 4, 5, bits, bias=True), nn.BatchNorm1d(4))
    used(biased)
    plain = nn.Sequential(convolution("conv1", 3, 4, 5, bits), nn.BatchNorm1d(4)).eval()
    transfer_weights(biased, plain)
    x = torch.randn(2, 3, 16)
    torch.testing.assert_close(plain(x), biased(x))  # the BatchNorm has taken it
    transfer_weights(plain, biased)
    assert not biased.get_parameter("0.bias").any()
    torch.testing.assert_close(plain(x), biased(x))
    transfer_weights(net(style=Style(norm=False)), net(Precision.uniform(1, 1)))


def test_transfer_between_different_networks_is_an_error() -> None:
    small = nn.Sequential(*block("conv1", 3, 4, 5, FLOAT))
    with pytest.raises(ValueError, match=r"'conv1': \(4, 3, 5\) in the source, \(8, 3, 5\)"):
        transfer_weights(small, net())
    with pytest.raises(ValueError, match="no layer 'conv2'"):
        transfer_weights(nn.Sequential(*block("conv1", 3, 8, 5, FLOAT)), net())


@pytest.mark.parametrize("shape", [(2, 3, 10), (2, 3, 10, 4)])
def test_flip_rates(shape: tuple[int, ...]) -> None:
    model = nn.Sequential(activation("conv1", 1))
    constant = torch.randn(shape[:2]).reshape(2, 3, *[1] * (len(shape) - 2)).expand(shape)
    time = torch.arange(10).view(-1, *[1] * (len(shape) - 3))
    with FlipPenalty(model) as flips:
        for x, rate in ((constant, 0.0), (constant * (-1.0) ** time, 1.0), (constant * (-1.0) ** (time // 5), 1 / 9)):
            model(x)
            assert flips.loss().item() == pytest.approx(rate)
            assert flips.rates() == {"conv1": pytest.approx(rate)}


def test_flips_are_measured_where_there_is_time() -> None:
    model = net(Precision.uniform(1, 1))
    x = torch.randn(4, 3, 16)
    with FlipPenalty(model) as flips:
        model(x)
        assert list(flips.rates()) == ["conv1", "conv2"]
        assert flips.loss().item() == pytest.approx(sum(flips.rates().values()) / 2)
        assert [m for m in model if m._forward_hooks]
    signs = model[:3](x)
    changes = (signs[:, :, 1:] != signs[:, :, :-1]).double().mean().item()
    with flips:  # again; the mean over channels and steps is that of a direct count
        model(x)
        assert flips.rates()["conv1"] == pytest.approx(changes)
    assert not [m for m in model.modules() if m._forward_hooks or m._forward_pre_hooks]
    with pytest.raises(RuntimeError, match="time axis"):
        flips.loss()
    with pytest.raises(BhcError, match="BHC710"):
        FlipPenalty(net())


def test_the_penalty_reduces_flips() -> None:
    def trained(penalty: float) -> tuple[float, float]:
        """Flip rate and accuracy of a net that tells slow oscillations in noise from others of half the size."""
        model = net(Precision.uniform(1, 1))
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        generator = torch.Generator().manual_seed(0)
        y = torch.arange(128) % 2
        wave = (1 + y[:, None, None]) * torch.sin(torch.arange(16) / 3 + torch.rand(128, 3, 1, generator=generator))
        x: Tensor = wave + 0.5 * torch.randn(128, 3, 16, generator=generator)
        with FlipPenalty(model) as flips:
            for _ in range(60):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), y)
                (loss + penalty * flips.loss()).backward()
                optimizer.step()
            accuracy = (model.eval()(x).argmax(1) == y).double().mean().item()
            return flips.loss().item(), accuracy

    before, after = trained(0.0), trained(2.0)
    assert after[0] < 0.7 * before[0]
    assert min(before[1], after[1]) > 0.8
