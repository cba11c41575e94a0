"""Temporal delta layers against the recurrence in plain Python, and in models of several kinds."""

import copy
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from brevitas.nn import QuantConv1d, QuantIdentity, QuantLinear
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.transformation.infer_shapes import InferShapes
from torch import Tensor, nn

from bhc.diagnostics import BhcError
from bhc.frontend import load
from bhc.frontend.reference import Executor, decode, verify
from bhc.ir.evaluate import evaluate
from bhc.ir.ops import Hold
from bhc.training.delta import (
    ActivationL1,
    Selection,
    TemporalDelta,
    insert,
    penalty,
    select,
    sparsity,
    temporal_sparsity,
)
from bhc.training.export import Exporter, export
from bhc.training.quantizers import BinaryWeight, Input8, Sign, Weight4


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)


def quantized(value: float, bits: int, fraction: int, signed: bool) -> int:
    """Integer of the fixed-point number nearest `value`, ties to even."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return min(max(round(value * 2**fraction), low), high)


def received(sequence: list[int], threshold: float) -> list[int]:
    """The receiver's states."""
    states: list[int] = []
    for value in sequence:
        if not states:
            states.append(value)
            continue
        delta = value - states[-1]
        states.append(states[-1] + (delta if abs(delta) > threshold else 0))
    return states


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0, 2.7, 9.0])
def test_recurrence(signed: bool, threshold: float) -> None:
    layer = TemporalDelta("fixed", 6, fraction=3, signed=signed, threshold=threshold).eval()
    x = torch.randn(2, 3, 40).cumsum(2) / 2
    got = layer(x)
    expected = [
        [[s / 8 for s in received([quantized(v, 6, 3, signed) for v in row.tolist()], threshold)] for row in window]
        for window in x
    ]
    assert torch.equal(got, torch.tensor(expected))


@pytest.mark.parametrize("threshold", [0.0, 1.0, 3.0])
def test_frames_and_axis_name_the_same_recurrence(threshold: float) -> None:
    x = torch.randn(2, 5, 3, 4, 4).cumsum(1)  # N, F, C, H, W
    expected = TemporalDelta("fixed", threshold=threshold)(x.movedim(1, -1)).movedim(-1, 1)
    assert torch.equal(TemporalDelta("fixed", threshold=threshold, axis=1)(x), expected)
    by_frames = TemporalDelta("fixed", threshold=threshold, frames=5)(x.flatten(0, 1))
    assert torch.equal(by_frames, expected.flatten(0, 1))
    with pytest.raises(ValueError, match="10 images is no multiple of 3 frames"):
        TemporalDelta("fixed", frames=3)(x.flatten(0, 1))


@pytest.mark.parametrize("signed", [False, True])
def test_learned_step(signed: bool) -> None:
    """Starts from the first batch and is learned; without a threshold the layer is the quantizer alone."""
    layer = TemporalDelta("lsq", 4, signed=signed)
    x = torch.randn(8, 3, 20)
    layer(x)
    layer(x).square().sum().backward()
    (step,) = [p for p in layer.parameters() if p.requires_grad]
    assert step.grad is not None
    assert step.grad != 0
    assert layer.quantize is not None
    layer.eval()
    assert torch.equal(layer(x), layer.quantize(x).value)
    assert len(layer(x).unique()) <= 16
    start = 2 * x.abs().mean() / math.sqrt(7 if signed else 15)
    assert layer.quantize(x).scale.item() == pytest.approx(start.item(), rel=0.35 if signed else 1e-5)


def test_states_of_a_learned_step_are_sent_values() -> None:
    """Not sums of deltas in float, which would differ from the quantizer's values in the last bit."""
    layer = TemporalDelta("lsq", 8, threshold=4.0)
    x = torch.rand(2, 3, 50) * 3
    layer(x)
    layer.eval()
    assert layer.quantize is not None
    values, step = layer.quantize(x).value, layer.quantize(x).scale
    codes = (values / step).round().int()
    expected = [[received(row.tolist(), 4.0) for row in window] for window in codes]
    assert torch.equal(layer(x), torch.tensor(expected) * step)


def test_straight_through() -> None:
    layer = TemporalDelta("fixed", fraction=3, signed=True, threshold=2.0)
    x = torch.randn(2, 3, 10, requires_grad=True)
    weights = torch.randn(2, 3, 10)
    (layer(x) * weights).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, weights)


def test_trained_threshold() -> None:
    """The penalty raises it, a loss that wants the exact signal lowers it."""
    x = torch.randn(4, 3, 50).cumsum(2) / 4
    for wanted, sign in (("sparse", -1), ("exact", 1)):
        layer = TemporalDelta("fixed", fraction=3, signed=True, threshold=2.5, train_threshold=True)
        out = layer(x)
        (penalty(layer) if wanted == "sparse" else (out - x).square().sum()).backward()
        assert isinstance(layer.threshold, nn.Parameter)
        assert layer.threshold.grad is not None
        assert layer.threshold.grad * sign > 0
    off = TemporalDelta("fixed", fraction=3, signed=True, threshold=0.0, train_threshold=True)
    off(x)
    penalty(off).backward()
    assert isinstance(off.threshold, nn.Parameter)
    assert off.threshold.grad is not None
    assert off.threshold.grad < 0  # it can leave 0


def test_signs() -> None:
    x = torch.randn(2, 3, 50).sign()
    layer = TemporalDelta("sign")
    assert layer(x) is x
    delta = layer.delta(x)
    assert set(delta.unique().tolist()) == {-1.0, 0.0, 1.0}
    torch.testing.assert_close(penalty(layer), delta.abs().mean())
    with pytest.raises(ValueError, match="signs have no threshold"):
        TemporalDelta("sign", threshold=1.0)


def test_wrong_arguments() -> None:
    with pytest.raises(ValueError, match="'float' is none of fixed, lsq, sign"):
        TemporalDelta("float")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threshold -1 is negative"):
        TemporalDelta("fixed", threshold=-1)
    with pytest.raises(ValueError, match=r"shape \(4, 10\) have no time axis"):
        TemporalDelta("fixed")(torch.ones(4, 10))


def chain() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(2, 4, 3),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(4, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 6, 3),
    )


class Residual(nn.Module):
    """One ReLU, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(2, 4, 3, padding=1)
        self.conv2 = nn.Conv1d(4, 4, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        out: Tensor = self.relu(x + self.conv2(x))
        return out


def test_insert_keeps_names_and_types() -> None:
    model = chain()
    keys = list(model.state_dict())
    weights = copy.deepcopy(model.state_dict())
    assert insert(model, nn.ReLU, lambda: TemporalDelta("fixed")) is model
    assert list(model.state_dict()) == keys  # a fixed-point layer has no state
    model.load_state_dict(weights)
    assert isinstance(model[2], nn.ReLU)
    plain = chain()
    plain.load_state_dict(weights)
    x = torch.randn(5, 2, 18)
    expected = x
    for layer in plain:
        expected = layer(expected)
        if isinstance(layer, nn.ReLU):
            expected = ((expected * 16).round() / 16).clamp_max(255 / 16)
    assert torch.equal(model(x), expected)
    assert sparsity(model, [x])[0].name == "2"


def second_convolution(name: str, module: nn.Module) -> bool:
    return isinstance(module, nn.Conv1d) and name != "0"


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2", ["2"]),
        (["[25]"], ["2", "5"]),
        ([nn.MaxPool1d, "5"], ["3", "5"]),
        (second_convolution, ["4"]),
    ],
)
def test_insert_by_name_pattern_type_and_predicate(after: Selection | Sequence[Selection], expected: list[str]) -> None:
    layers = [name for name, module in insert(chain(), after).named_modules() if isinstance(module, TemporalDelta)]
    assert layers == [f"{name}.inserted" for name in expected]


def test_insert_after_a_sequential() -> None:
    model = insert(nn.ModuleDict({"a": chain()[:3]})["a"], "2")
    nested = insert(nn.Sequential(chain()[:3], nn.ReLU()), "0", lambda: TemporalDelta("fixed", fraction=0))
    x = torch.randn(2, 2, 18) * 10
    assert torch.equal(nested(x), nested(x).round())
    assert model(x).shape == (2, 4, 16)


def test_insert_where_nothing_matches() -> None:
    with pytest.raises(BhcError, match=r"error\[BHC710\] no module of the model matches 'relu9'") as caught:
        insert(Residual(), ["relu", "relu9"])
    assert "hint: its modules are conv1, conv2, relu" in str(caught.value)
    with pytest.raises(BhcError, match="matches Sigmoid"):
        insert(chain(), nn.Sigmoid)
    with pytest.raises(ValueError, match="'relu' already has"):
        insert(insert(Residual(), "relu"), "relu")


def test_shared_module() -> None:
    """One layer for both calls; the penalties of the calls add up, and start anew with each forward."""
    model = insert(Residual(), "relu", lambda: TemporalDelta("fixed", fraction=4))
    x = torch.randn(2, 2, 20)
    for _ in range(2):
        out = model(x)
        first = ((model.get_submodule("conv1")(x).relu() * 16).round() / 16).detach()
        expected = first.diff(dim=-1).abs().mean() + out.diff(dim=-1).abs().mean()
        assert penalty(model).item() == pytest.approx(expected.item())
    (row,) = sparsity(model, [x])
    assert row.elements == 2 * 2 * 4 * 20
    model(x)
    penalty(model).backward()
    assert model.get_submodule("conv1").get_parameter("weight").grad is not None


def test_copies_and_penalty_without_layers() -> None:
    model = insert(chain(), nn.ReLU)
    model(torch.randn(5, 2, 18))
    assert penalty(model).requires_grad
    twin = copy.deepcopy(model)
    assert penalty(twin) == 0
    model.eval()
    twin.eval()
    x = torch.randn(5, 2, 18)
    assert torch.equal(model(x), twin(x))
    assert penalty(chain()) == 0
    single = TemporalDelta("fixed", threshold=1.0)
    assert torch.equal(single(torch.ones(2, 3, 1)), torch.ones(2, 3, 1))
    assert penalty(single) == 0
    assert sparsity(nn.Sequential(single), [torch.ones(2, 3, 1)]) == []


def test_penalty_makes_activations_steadier() -> None:
    rows = []
    for factor in (0.0, 1.0):
        torch.manual_seed(0)
        model = insert(chain(), nn.ReLU, lambda: TemporalDelta("lsq", 4))
        x = torch.randn(32, 2, 18)
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for _ in range(60):
            loss = model(x).square().mean() + factor * penalty(model)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        rows.append(sparsity(model, [x]))
    assert all(steady.unchanged > plain.unchanged + 0.1 for plain, steady in zip(*rows, strict=True))


def test_activation_l1() -> None:
    model = chain()
    x = torch.randn(5, 2, 18)
    with ActivationL1(model) as l1:
        assert l1.loss() == 0
        for _ in range(2):
            model(x)
        expected = sum(model[: i + 1](x).abs().mean() for i in (2, 5))
        assert isinstance(expected, Tensor)
        model(x)
        torch.testing.assert_close(l1.loss(), expected)
        l1.loss().backward()
        assert model[0].weight.grad is not None
    assert not model[2]._forward_hooks
    assert not model._forward_pre_hooks


def test_sparsity_of_a_known_sequence() -> None:
    model = nn.Sequential(TemporalDelta("fixed", 4, fraction=0)).train()
    x = torch.tensor([[[0.0, 0.0, 3.0, 3.0, 1.0]]])
    (row,) = sparsity(model, [x, x])
    assert model.training
    assert (row.name, row.elements, row.zeros) == ("0", 10, 0.4)
    assert (row.unchanged, row.unchanged_first_dense, row.change) == (4 / 8, 4 / 10, 10 / 8)


def test_constant_signal() -> None:
    model = insert(chain(), nn.ReLU)
    x = torch.randn(5, 2, 1).expand(5, 2, 18)
    for row in sparsity(model, [x]):
        assert (row.unchanged, row.change) == (1.0, 0.0)
        assert row.unchanged_first_dense < 1
    baseline = sparsity(chain(), [x], nn.ReLU)
    assert [row.name for row in baseline] == ["2", "5"]
    assert all(row.unchanged == 1 for row in baseline)


def binary(insert_after: str | None = None) -> nn.Module:
    def conv(channels: int) -> list[nn.Module]:
        return [
            QuantConv1d(channels, 8, 3, bias=False, weight_quant=BinaryWeight),
            nn.BatchNorm1d(8),
            QuantIdentity(act_quant=Sign),
        ]

    head = QuantLinear(8 * 6, 3, bias=False, weight_quant=BinaryWeight)
    source = QuantIdentity(act_quant=Input8, min_val=-4.0, max_val=4.0)
    model = nn.Sequential(source, *conv(2), nn.MaxPool1d(2), *conv(8), nn.Flatten(), head)
    return model if insert_after is None else insert(model, insert_after, lambda: TemporalDelta("sign"))


@pytest.mark.parametrize("after", [None, "3"])
def test_continuous_recording(after: str | None) -> None:
    model = binary(after)
    model.get_submodule("3").layer_name = "conv1"  # type: ignore[assignment]
    x = torch.randn(1, 2, 501)
    rows = temporal_sparsity(model, x)
    assert [row.name for row in rows] == ["0", "conv1", "7"]
    assert [row.elements for row in rows] == [2 * 501, 8 * 499, 8 * 247]
    assert isinstance(model, nn.Sequential)
    model.eval()
    signs = model[:8](x)
    flips = (signs[..., 1:] != signs[..., :-1]).float().mean().item()
    assert 1 - rows[-1].unchanged == pytest.approx(flips)
    (pooled,) = temporal_sparsity(model, [x[0], x[0, :, :300]], nn.MaxPool1d)
    assert pooled.elements == 8 * (249 + 149)


def quantized_net(threshold: float, quantization: str = "lsq", **options: bool) -> nn.Module:
    model = nn.Sequential(
        QuantIdentity(act_quant=Input8, min_val=-4.0, max_val=4.0),
        QuantConv1d(2, 4, 3, bias=False, weight_quant=Weight4),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        QuantConv1d(4, 4, 3, bias=False, weight_quant=Weight4),
        nn.BatchNorm1d(4),
        nn.ReLU(),
        nn.Flatten(),
        QuantLinear(4 * 16, 3, bias=False, weight_quant=Weight4),
    )
    make = lambda: TemporalDelta(quantization, 4, fraction=2, threshold=threshold, **options)  # type: ignore[arg-type]  # noqa: E731
    insert(model, nn.ReLU, make)
    for _ in range(2):
        model(torch.randn(16, 2, 20))
    return model.eval()


@pytest.mark.parametrize(
    ("exporter", "quantization"),
    [(Exporter.TORCHSCRIPT, "fixed"), (Exporter.TORCHSCRIPT, "lsq"), (Exporter.DYNAMO, "lsq")],
)
def test_export_without_threshold(tmp_path: Path, exporter: Exporter, quantization: str) -> None:
    model = quantized_net(0.0, quantization)
    x = torch.randn(4, 2, 20)
    export(model, x[:1], tmp_path / "m.onnx", exporter)
    wrapper = ModelWrapper(str(tmp_path / "m.onnx")).transform(InferShapes())
    kinds = [node.op_type for node in wrapper.graph.node]
    assert "TemporalDelta" not in kinds
    (source,), (sink,) = wrapper.graph.input, wrapper.graph.output
    got = np.concatenate([execute_onnx(wrapper, {source.name: row[None].numpy()})[sink.name] for row in x])
    np.testing.assert_allclose(got, model(x).detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("exporter", "trained"), [(Exporter.TORCHSCRIPT, False), (Exporter.TORCHSCRIPT, True), (Exporter.DYNAMO, False)]
)
@pytest.mark.filterwarnings("error::torch.jit.TracerWarning")
def test_export_with_threshold(tmp_path: Path, exporter: Exporter, trained: bool) -> None:
    """The node stands between a Quant node and the next layer, and nothing is left over from what it does not take."""
    model = quantized_net(2.5, train_threshold=trained)
    export(model, torch.randn(1, 2, 20), tmp_path / "m.onnx", exporter)
    proto = onnx.load(tmp_path / "m.onnx")
    assert ("bhc.custom_op", 1) in [(opset.domain, opset.version) for opset in proto.opset_import]
    producers = {name: node.op_type for node in proto.graph.node for name in node.output}
    consumers = {name: node.op_type for node in proto.graph.node for name in node.input}
    deltas = [node for node in proto.graph.node if node.op_type == "TemporalDelta"]
    assert [[producers[name] for name in node.input] for node in deltas] == [["Quant"]] * 2
    assert [consumers[node.output[0]] for node in deltas] in (["Conv", "Flatten"], ["Conv", "Reshape"])
    for node in deltas:
        assert node.domain == "bhc.custom_op"
        assert {a.name: a.i for a in node.attribute} == {"axis": 2, "frames": 0, "threshold": 2}
    assert {i.name for i in proto.graph.initializer} <= set(consumers)


@pytest.mark.parametrize(
    ("exporter", "trained"), [(Exporter.TORCHSCRIPT, False), (Exporter.TORCHSCRIPT, True), (Exporter.DYNAMO, False)]
)
def test_exported_deltas_hold_what_trained_ones_hold(tmp_path: Path, exporter: Exporter, trained: bool) -> None:
    model = quantized_net(2.5, train_threshold=trained)
    x = torch.randn(16, 2, 20)
    export(model, x[:1], tmp_path / "m.onnx", exporter)
    imported = load(tmp_path / "m.onnx")
    values = evaluate(imported.graph, {"input": imported.head.run(x.numpy())})
    sent: list[np.ndarray] = []
    for module in model.modules():
        if isinstance(module, TemporalDelta):
            module.register_forward_hook(lambda _, inputs, out: sent.append(out.detach().numpy()))
    with torch.no_grad():
        model(x)
    held = [node for node in imported.graph.nodes if isinstance(node.op, Hold)]
    assert [node.op.threshold for node in held] == [2, 2]  # type: ignore[union-attr]
    for node, tensor in zip(held, sent, strict=True):
        received = decode(imported.taps[node.name], tensor, node.type)
        assert received is not None
        assert np.array_equal(received, values[node.name])
        assert (np.diff(values[node.name], axis=1) == 0).mean() > 0.3
    against: Executor
    for against in ("onnxruntime", "qonnx"):
        found = verify(imported, tmp_path / "m.onnx", x[:4].numpy(), against)
        assert (found.mismatches, found.ambiguous) == (0, 0)
        assert {node.name for node in held} <= set(found.stages)


def test_export_of_a_trained_threshold_by_dynamo(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.export would trace the threshold, whose value the node's attribute needs."""
    layer = TemporalDelta("fixed", threshold=2.0, train_threshold=True).eval()
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    with pytest.raises(BhcError, match=r"error\[BHC713\] trained thresholds .* by the TorchScript exporter only"):
        layer(torch.randn(1, 2, 20))


def test_select_lists_a_shared_module_once() -> None:
    relu = nn.ReLU()
    model = nn.Sequential(relu, nn.Conv1d(2, 2, 1), relu)
    assert list(select(model, nn.ReLU)) == ["0"]
    assert list(select(model, "2")) == ["2"]
