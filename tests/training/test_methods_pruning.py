from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from bhc.diagnostics import BhcError
from bhc.training.blocks import block, dense
from bhc.training.methods.pruning import Pruner, cubic_sparsity
from bhc.training.precision import Bits

FLOAT = Bits()


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


def net(bits: Bits = FLOAT, seed: int = 0) -> nn.Sequential:
    """(N, 3, 16) -> (N, 2): conv1 and conv2 with 60 and 80 weights, head with 8."""
    torch.manual_seed(seed)
    return nn.Sequential(
        *block("conv1", 3, 4, 5, bits),
        *block("conv2", 4, 4, 5, bits),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        dense("head", 4, 2, bits),
    )


def pruner(model: nn.Module, **options: object) -> Pruner:
    defaults: dict[str, object] = {"final_sparsity": 0.75, "begin": 2, "end": 10, "every": 4, "feedback": False}
    return Pruner(model, **(defaults | options))  # type: ignore[arg-type]


def train(model: nn.Module, pruning: Pruner, optimizer: torch.optim.Optimizer, steps: range) -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        pruning.step(step)
        optimizer.zero_grad()
        model(torch.randn(8, 3, 16, generator=generator)).square().mean().backward()
        optimizer.step()


def conv1(model: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """Dense weight, its gradient if any, and the masked weight of conv1."""
    layer = model.get_submodule("0")
    original = model.get_parameter("0.parametrizations.weight.original")
    return original, original.grad if original.grad is not None else torch.empty(0), torch.as_tensor(layer.weight)


def test_schedule() -> None:
    assert [cubic_sparsity(step, 10, 30, 0.8) for step in (0, 10, 30, 99)] == [0, 0, 0.8, 0.8]
    assert cubic_sparsity(20, 10, 30, 0.8) == pytest.approx(0.8 * 7 / 8)
    values = [cubic_sparsity(step, 10, 30, 0.8) for step in range(10, 31)]
    rises = [b - a for a, b in pairwise(values)]
    assert all(a > b > 0 for a, b in pairwise(rises))
    assert cubic_sparsity(5, 5, 5, 0.8) == 0.8


def test_the_smallest_weights_of_each_layer_are_pruned() -> None:
    model = net()
    before = model.get_parameter("0.weight").detach().clone()
    pruning = pruner(model)
    found = []
    for step in range(12):
        pruning.step(step)
        found.append(pruning.sparsity()["conv1"])
    middle = round(60 * 0.75 * (1 - 0.5**3)) / 60
    assert found == pytest.approx([0] * 6 + [middle] * 4 + [0.75] * 2)
    assert pruning.sparsity() == {"conv1": 0.75, "conv2": 0.75, "head": 0.75}
    pruning.make_permanent()
    after = model.get_parameter("0.weight").detach()
    pruned = after == 0
    assert pruned.sum() == 45
    assert torch.equal(after[~pruned], before[~pruned])
    assert before[pruned].abs().max() <= before[~pruned].abs().min()


def test_global_scope_compares_layers() -> None:
    model = net()
    with torch.no_grad():
        model.get_parameter("3.weight").mul_(1000)
    pruning = pruner(model, scope="global", layers=("conv1", "conv2"), final_sparsity=60 / 140)
    pruning.step(10)
    assert pruning.sparsity() == {"conv1": 1.0, "conv2": 0.0}


def test_feedback_lets_a_pruned_weight_return() -> None:
    for feedback in (True, False):
        model = net()
        pruning = pruner(model, final_sparsity=0.5, feedback=feedback)
        pruning.step(10)
        dense, _, masked = conv1(model)
        pruned = masked == 0
        model(torch.randn(8, 3, 16)).square().mean().backward()
        _, gradient, _ = conv1(model)
        # The gradient of a pruned weight, at the pruned weights, is there with feedback only.
        assert bool((gradient[pruned] != 0).all()) == feedback
        with torch.no_grad():
            dense[pruned] = 10.0
        pruning.step(14)
        assert pruning.sparsity()["conv1"] == 0.5
        assert bool((conv1(model)[2][pruned] == 10).all()) == feedback


def test_gradient_with_feedback_is_that_at_the_pruned_weights() -> None:
    model, plain, x = net(), net(), torch.randn(8, 3, 16)
    pruning = pruner(model, feedback=True)
    pruning.step(10)
    for index in (0, 3, 8):
        pruned = torch.as_tensor(model.get_submodule(str(index)).weight)
        plain.get_parameter(f"{index}.weight").data.copy_(pruned.detach())
    assert torch.equal(model(x), plain(x))
    for m in (model, plain):
        m(x).square().mean().backward()
    gradient = plain.get_parameter("0.weight").grad
    assert gradient is not None
    assert torch.equal(conv1(model)[1], gradient)


@pytest.mark.parametrize("bits", [Bits(2, 2), Bits(4, 4), Bits("pow2", 4)])
@pytest.mark.parametrize("feedback", [False, True])
def test_pruned_weights_are_zero_in_every_quantizer(bits: Bits, feedback: bool) -> None:
    model, x = net(bits), torch.randn(8, 3, 16)
    pruning = pruner(model, feedback=feedback)
    train(model, pruning, torch.optim.Adam(model.parameters(), 0.01), range(12))
    masked = {n: torch.as_tensor(m.weight) == 0 for n, m in model.named_modules() if hasattr(m, "quant_weight")}
    expected = model.eval()(x)
    pruning.make_permanent()
    assert torch.equal(model(x), expected)
    for name, zeros in masked.items():
        layer = model.get_submodule(name)
        assert type(layer).__module__.startswith("brevitas")
        assert bool((layer.quant_weight().value[zeros] == 0).all())  # type: ignore[operator]
        assert zeros.double().mean() >= 0.75


@pytest.mark.parametrize("feedback", [False, True])
def test_a_resumed_run_ends_the_same_to_the_bit(feedback: bool) -> None:
    def start() -> tuple[nn.Module, Pruner, torch.optim.Optimizer]:
        model = net(Bits(4))
        pruning = pruner(model, feedback=feedback)
        return model, pruning, torch.optim.Adam(model.parameters(), 0.01)

    whole, pruning, optimizer = start()
    train(whole, pruning, optimizer, range(16))
    first, pruning, optimizer = start()
    train(first, pruning, optimizer, range(7))
    states = first.state_dict(), optimizer.state_dict()
    second, pruning, optimizer = start()
    second.load_state_dict(states[0])
    optimizer.load_state_dict(states[1])
    train(second, pruning, optimizer, range(7, 16))
    got, expected = second.state_dict(), whole.state_dict()
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[name], expected[name]) for name in expected)


def test_binary_layers_are_left_out_or_refused() -> None:
    mixed = nn.Sequential(*block("conv1", 3, 4, 5, Bits(1, 1)), *block("conv2", 4, 4, 5, Bits(4, 4)))
    assert pruner(mixed).sparsity() == {"conv2": 0.0}
    with pytest.raises(BhcError, match=r"BHC710.*all weights are binary"):
        pruner(net(Bits(1, 1)))
    with pytest.raises(BhcError, match=r"'conv1' cannot be pruned.*\n.*2 or more bits"):
        pruner(net(Bits(1, 1)), layers=["conv1"])


@pytest.mark.parametrize(
    "options",
    [{"final_sparsity": 1.0}, {"begin": 11}, {"every": 0}, {"layers": ["conv9"]}],
)
def test_wrong_options(options: dict[str, object]) -> None:
    with pytest.raises(BhcError, match="BHC710"):
        pruner(net(), **options)
