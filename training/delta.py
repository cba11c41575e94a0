"""Temporal delta layers: networks whose activations change little from one time step to the next.

A temporal delta layer stands after an activation. It quantizes the activation x and sends only what has changed since
the last step: delta(t) = q(x(t)) - r(t - 1) where that exceeds a threshold, else 0. The receiver adds it up,
r(t) = r(t - 1) + delta(t), and r is what the next layer sees. Differences are taken to the receiver's state, not to the
last input, so that errors do not pile up. The first step of a sequence is sent whole.

Yousefzadeh and Sifalakis, "Training for Temporal Sparsity in Deep Neural Networks, Application in Video Processing",
2021; Vijayan et al., "Temporal Delta Layer", 2022. Thresholds: Neil et al., "Delta Networks for Optimized Recurrent
Network Computation", ICML 2017.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Literal, TypeAlias, get_args

import torch
from brevitas.nn import QuantIdentity, QuantReLU
from brevitas.quant.fixed_point import Int8ActPerTensorFixedPoint, Uint8ActPerTensorFixedPoint
from brevitas.quant_tensor import IntQuantTensor
from torch import Tensor, nn

from bhc.diagnostics import fail
from bhc.training.metrics.sparsity import fitting
from bhc.training.quantizers import LsqUnsignedAct

Quantization: TypeAlias = Literal["fixed", "lsq", "sign"]

Selection: TypeAlias = str | type[nn.Module] | Callable[[str, nn.Module], bool]
"""Modules of a model: a name or a pattern of names as of fnmatch, a type, or a predicate of name and module."""

_CHILD = "inserted"  # the name under which an inserted layer is registered in the module before it
_NODE = "bhc.custom_op::TemporalDelta"


class _FixedAct(Int8ActPerTensorFixedPoint):
    """Signed fixed-point activation of range [-max_val, max_val); max_val is a power of two."""

    scaling_impl_type = "const"


class _FixedUnsignedAct(Uint8ActPerTensorFixedPoint):
    """Unsigned fixed-point activation of range [0, max_val); max_val is a power of two."""

    scaling_impl_type = "const"


class _LsqAct(LsqUnsignedAct):
    """Signed activation, its scale learned as LsqUnsignedAct's."""

    signed = True


def _values(x: Any) -> Tensor:
    """Of a tensor, or of Brevitas's pair of a tensor and its quantization."""
    values: Tensor = x.value if isinstance(x, IntQuantTensor) else x
    return values


def _quantizer(quantization: Quantization, bits: int, fraction: int, signed: bool) -> nn.Module | None:
    match quantization:
        case "fixed":
            limit = 2.0 ** (bits - fraction - signed)
            act_quant: type = _FixedAct if signed else _FixedUnsignedAct
            low = -limit if signed else 0.0
            return QuantIdentity(
                act_quant=act_quant, bit_width=bits, min_val=low, max_val=limit, return_quant_tensor=True
            )
        case "lsq":
            act_quant = _LsqAct if signed else LsqUnsignedAct
            return QuantIdentity(act_quant=act_quant, bit_width=bits, return_quant_tensor=True)
        case "sign":
            return None


def _time_first(x: Tensor, axis: int, frames: int | None) -> Tensor:
    """`x` with its time axis moved to the front. Raises ValueError if it has none."""
    if frames is None:
        if x.ndim < 3:
            raise ValueError(f"activations of shape {tuple(x.shape)} have no time axis beside batch and channels")
        return x.movedim(axis, 0)
    if x.shape[0] % frames:
        raise ValueError(f"a batch of {x.shape[0]} images is no multiple of {frames} frames")
    return x.unflatten(0, (-1, frames)).movedim(1, 0)


def _time_back(x: Tensor, axis: int, frames: int | None) -> Tensor:
    """Undoes _time_first."""
    return x.movedim(0, axis) if frames is None else x.movedim(0, 1).flatten(0, 1)


def _attributes(rank: int, threshold: int, axis: int, frames: int | None) -> dict[str, int]:
    """Of the node TemporalDelta, for values of `rank` axes."""
    return {"axis": axis % rank if frames is None else 0, "frames": frames or 0, "threshold": threshold}


class _Reconstruct(torch.autograd.Function):
    """The receiver's state for a quantized sequence, time first; in an ONNX file the node TemporalDelta.

    Straight-through for the sequence. For the threshold, the derivative of the step "is sent" is taken as 1/2 within
    one LSB of the threshold, 0 elsewhere.
    """

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, step: Tensor, threshold: Tensor | None, limit: int, axis: int, frames: int | None
    ) -> Tensor:
        sequence = _time_first(values, axis, frames)
        states = [sequence[0]]
        for value in sequence[1:]:
            # The quotient is an integer but for float's rounding.
            sent = ((value - states[-1]) / step).round().abs() > limit
            states.append(torch.where(sent, value, states[-1]))
        out = torch.stack(states)
        if threshold is not None:
            change = sequence[1:] - out[:-1]
            near = ((change / step).abs() - threshold).abs() <= 1
            ctx.save_for_backward(0.5 * change * near)
            ctx.layout = axis, frames
        return _time_back(out, axis, frames)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        of_threshold = None
        if ctx.needs_input_grad[2]:
            (slope,) = ctx.saved_tensors
            of_threshold = -(_time_first(grad, *ctx.layout)[1:] * slope).sum()
        return grad, None, of_threshold, None, None, None

    @staticmethod
    def symbolic(g: Any, values: Any, step: Any, threshold: Any, limit: int, axis: int, frames: int | None) -> Any:
        attributes = _attributes(values.type().dim(), limit, axis, frames)
        node = g.op(_NODE, values, **{f"{name}_i": value for name, value in attributes.items()})
        node.setType(values.type())
        return node


class TemporalDelta(nn.Module):
    """Quantizes activations and gives the receiver's reconstruction of them from thresholded differences in time.

    Takes and gives float32 tensors of one shape. Time is `axis` (-1 for (N, C, T), 1 for (N, F, C, H, W)); with
    `frames` axis 0 holds N * frames images, those of a clip one after the other, and `axis` means nothing.

    quantization: "fixed" fixed-point, `bits` bits of which `fraction` are behind the point; "lsq" learned step size
    (Esser et al., ICLR 2020), which starts from the first training batch; "sign" takes activations that already are -1
    or +1 as they are, and its deltas are flips.
    signed: whether activations may be negative; without it, negative ones become 0.
    threshold: in LSBs, at least 0; a difference is sent if its size exceeds it. Trained if `train_threshold`.
    weight: of this layer's share of `penalty`.

    In an ONNX file: a layer whose threshold is below 1 is its quantizer alone, a Quant node (nothing for "sign"). Else
    the Quant node is followed by a node TemporalDelta of domain "bhc.custom_op", version 1: one input, one output, of
    equal shape; the output is the reconstruction. Attributes, all integers: `axis`, the time axis, counted from 0;
    `frames`, 0 or the number of images that each clip has along axis 0; `threshold`, in steps of the Quant node.
    """

    def __init__(
        self,
        quantization: Quantization = "lsq",
        bits: int = 8,
        *,
        fraction: int = 4,
        signed: bool = False,
        threshold: float = 0.0,
        train_threshold: bool = False,
        weight: float = 1.0,
        axis: int = -1,
        frames: int | None = None,
    ) -> None:
        super().__init__()
        if quantization not in get_args(Quantization):
            raise ValueError(f"quantization '{quantization}' is none of {', '.join(get_args(Quantization))}")
        if quantization == "sign" and (threshold or train_threshold):
            raise ValueError("signs have no threshold: a flip is sent or is none")
        if threshold < 0:
            raise ValueError(f"threshold {threshold} is negative")
        self.quantize = _quantizer(quantization, bits, fraction, signed)
        self.threshold: float | nn.Parameter = threshold
        if train_threshold:
            self.threshold = nn.Parameter(torch.tensor(float(threshold)))
        self.weight = weight
        self.axis = axis
        self.frames = frames
        self.loss: Tensor | None = None
        """weight * mean |delta| of the last forward in training mode, if any."""

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"loss": None}  # part of a graph: it can be neither copied nor saved

    def forward(self, x: Tensor | IntQuantTensor) -> Tensor | IntQuantTensor:
        out = x if self.quantize is None else self._reconstruct(self.quantize(x))
        if self.training:
            delta = self.delta(out)
            self.loss = self.weight * delta.abs().sum() / max(delta.numel(), 1)  # a single step has no delta
        return out

    def _reconstruct(self, quantized: Any) -> Tensor:
        values = _values(quantized)
        trained = self.threshold if isinstance(self.threshold, nn.Parameter) else None
        if torch.compiler.is_exporting():
            return self._export_by_dynamo(values)
        limit = self.limit()
        if limit == 0 and (trained is None or not self.training):
            return values
        step = quantized.scale.detach()
        return _Reconstruct.apply(values, step, trained, limit, self.axis, self.frames)

    def _export_by_dynamo(self, values: Tensor) -> Tensor:
        if isinstance(self.threshold, nn.Parameter):
            raise fail(
                "BHC713",
                "trained thresholds of temporal delta layers are exported by the TorchScript exporter only",
                hint="export(..., Exporter.TORCHSCRIPT)",
            )
        if self.limit() == 0:
            return values
        attributes = _attributes(values.ndim, self.limit(), self.axis, self.frames)
        shape, dtype = values.shape, values.dtype
        return torch.onnx.ops.symbolic(_NODE, (values,), {**attributes}, dtype=dtype, shape=shape, version=1)

    def limit(self) -> int:
        """The threshold as it acts on integers: a difference of more LSBs than this is sent."""
        threshold = self.threshold.data.item() if isinstance(self.threshold, nn.Parameter) else self.threshold
        return max(math.floor(threshold), 0)

    def delta(self, out: Tensor | IntQuantTensor) -> Tensor:
        """Deltas behind the output `out`, time first, without the first step. For signs -1, 0 or 1, a flip."""
        change = _time_first(_values(out), self.axis, self.frames).diff(dim=0)
        return change / 2 if self.quantize is None else change


def set_frames(model: nn.Module, frames: int) -> None:
    """Tells all temporal delta layers of `model` that a batch holds clips of `frames` images each."""
    for module in model.modules():
        if isinstance(module, TemporalDelta):
            module.frames = frames


def _matches(selection: Selection, name: str, module: nn.Module) -> bool:
    if isinstance(selection, str):
        return fnmatchcase(name, selection)
    return isinstance(module, selection) if isinstance(selection, type) else selection(name, module)


def select(model: nn.Module, selections: Selection | Sequence[Selection]) -> dict[str, nn.Module]:
    """Modules of `model` that any of `selections` means, by name and in the model's order.

    A module with several names is listed once, under the first one that matches. Raises BhcError (BHC710) for a
    selection that matches nothing.
    """
    wanted = [selections] if isinstance(selections, str) or callable(selections) else list(selections)
    modules = [
        (name, module)
        for name, module in model.named_modules(remove_duplicate=False)
        if name and not isinstance(module, nn.ModuleList | nn.ModuleDict)
    ]
    for selection in wanted:
        if not any(_matches(selection, name, module) for name, module in modules):
            what = f"'{selection}'" if isinstance(selection, str) else getattr(selection, "__name__", str(selection))
            # Without the insides of quantizers, which nobody means.
            names = [n for n, m in modules if not type(m).__module__.startswith(("brevitas.core", "brevitas.proxy"))]
            raise fail("BHC710", f"no module of the model matches {what}", hint=f"its modules are {', '.join(names)}")
    found: dict[nn.Module, str] = {}
    for name, module in modules:
        if any(_matches(selection, name, module) for selection in wanted):
            found.setdefault(module, name)
    return {name: module for module, name in found.items()}


def _apply_inserted(module: nn.Module, inputs: Any, out: Any) -> Any:
    """Forward hook. The losses of a module that is called several times in one forward add up."""
    layer = module.get_submodule(_CHILD)
    before = getattr(layer, "loss", None)
    out = layer(out)
    if before is not None and isinstance(layer, TemporalDelta) and layer.loss is not None:
        layer.loss = before + layer.loss
    return out


def _forget_losses(model: nn.Module, inputs: Any) -> None:
    """Forward pre-hook of the whole model."""
    for module in model.modules():
        if isinstance(module, TemporalDelta):
            module.loss = None


def insert(
    model: nn.Module, after: Selection | Sequence[Selection], make: Callable[[], nn.Module] = TemporalDelta
) -> nn.Module:
    """Puts a layer of its own from `make` after each module that `after` means; changes and returns `model`.

    Works for any torch model: the layer becomes a child `inserted` of the module before it and is called by a forward
    hook. Nothing is wrapped or renamed, so that attributes, types and state-dict keys stay as they were and weights
    saved before load with strict=False. A module that the model calls several times (a shared ReLU) has one layer for
    all its calls, with one quantization step.

    Raises BhcError (BHC710) for a selection that matches nothing, ValueError for a module that has such a layer.
    """
    chosen = select(model, after)
    for name, module in chosen.items():
        if hasattr(module, _CHILD):
            raise ValueError(f"module '{name}' already has a layer inserted after it")
    for module in chosen.values():
        module.add_module(_CHILD, make())
        if type(module).forward is not nn.Sequential.forward:  # those call their last child themselves
            module.register_forward_hook(_apply_inserted)
    model.register_forward_pre_hook(_forget_losses)
    return model


def penalty(model: nn.Module) -> Tensor:
    """Sum of weight * mean |delta| over the temporal delta layers, from the model's last forward in training mode.

    A scalar to be added to the loss; `model` is the one that `insert` was given, or holds it. The first step of a
    sequence has no delta. |delta| is in the activation's unit, for signs a flip is 1.
    """
    losses = [m.loss for m in model.modules() if isinstance(m, TemporalDelta) and m.loss is not None]
    return torch.stack(losses).sum() if losses else torch.zeros(())


class ActivationL1(AbstractContextManager["ActivationL1"]):
    """L1 penalty on activations, for sparsity in space: while entered, loss() is that of the model's last forward.

    at: which modules' outputs; by default those of all ReLUs.
    """

    def __init__(
        self, model: nn.Module, at: Selection | Sequence[Selection] = lambda _, m: isinstance(m, nn.ReLU | QuantReLU)
    ) -> None:
        self._model = model
        self._modules = list(select(model, at).values())
        self._losses: list[Tensor] = []
        self._hooks = ExitStack()

    def __enter__(self) -> "ActivationL1":
        handles = [self._model.register_forward_pre_hook(lambda *_: self._losses.clear())]
        handles += [module.register_forward_hook(self._record) for module in self._modules]
        for handle in handles:
            self._hooks.callback(handle.remove)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hooks.close()
        self._losses.clear()

    def _record(self, module: nn.Module, inputs: Any, out: Tensor | IntQuantTensor) -> None:
        if module.training:
            self._losses.append(_values(out).abs().mean())

    def loss(self) -> Tensor:
        """Sum over the modules of mean |activation|, a scalar; 0 before the first forward in training mode."""
        return torch.stack(self._losses).sum() if self._losses else torch.zeros(())


@dataclass(frozen=True, slots=True)
class LayerSparsity:
    """How sparse the activations of one layer are, in space and in time.

    elements: activations seen, first steps included. zeros: fraction of them that is 0.
    unchanged: fraction of deltas that is 0, the first step of each sequence, which has none, left out.
    unchanged_first_dense: the same where all elements of first steps count as changed: what a window costs that is
    computed alone. change: mean |delta| in the activation's unit, first steps left out; for signs in a temporal delta
    layer a flip is 1.
    """

    name: str
    elements: int
    zeros: float
    unchanged: float
    unchanged_first_dense: float
    change: float


class _Tally:
    def __init__(self) -> None:
        self.elements = self.zeros = self.deltas = self.unchanged = 0
        self.change = 0.0

    def add(self, out: Tensor, delta: Tensor) -> None:
        self.elements += out.numel()
        self.zeros += int((out == 0).sum())
        self.deltas += delta.numel()
        self.unchanged += int((delta == 0).sum())
        self.change += float(delta.abs().sum(dtype=torch.float64))

    def result(self, name: str) -> LayerSparsity:
        return LayerSparsity(
            name,
            self.elements,
            self.zeros / self.elements,
            self.unchanged / self.deltas,
            self.unchanged / self.elements,
            self.change / self.deltas,
        )


def _layer_name(model: nn.Module, path: str) -> str:
    """The layer_name of the module at `path`, else the path; for an inserted layer, of the module before it."""
    place = path.removesuffix(f".{_CHILD}")
    name = getattr(model.get_submodule(place), "layer_name", place)
    return str(name)


@torch.no_grad()
def _measure(
    model: nn.Module,
    modules: dict[str, nn.Module],
    inputs: Iterable[tuple[Tensor, ...]],
    axis: int,
    frames: int | None,
    fitted: Sequence[nn.Linear] = (),
) -> list[LayerSparsity]:
    """What `modules` put out for `inputs`; dense layers of `fitted` get zeros where their inputs do not fit."""
    tallies = {name: _Tally() for name in modules}

    def recorder(tally: _Tally) -> Callable[[nn.Module, Any, Tensor | IntQuantTensor], None]:
        def record(module: nn.Module, inputs: Any, out: Tensor | IntQuantTensor) -> None:
            values = _values(out)
            if isinstance(module, TemporalDelta):
                tally.add(values, module.delta(values))
            elif values.ndim > 2 or frames is not None:
                tally.add(values, _time_first(values, axis, frames).diff(dim=0))

        return record

    modes = {module: module.training for module in model.modules()}

    def restore() -> None:
        for module, mode in modes.items():
            module.training = mode

    with ExitStack() as hooks:
        hooks.callback(restore)
        for name, module in modules.items():
            hooks.callback(module.register_forward_hook(recorder(tallies[name])).remove)
        for layer in fitted:
            hooks.callback(layer.register_forward_pre_hook(fitting).remove)
        model.eval()
        for arguments in inputs:
            model(*arguments)
    return [tally.result(_layer_name(model, path)) for path, tally in tallies.items() if tally.deltas]


def sparsity(
    model: nn.Module,
    batches: Iterable[Tensor | tuple[Tensor, ...]],
    at: Selection | Sequence[Selection] = TemporalDelta,
    *,
    axis: int = -1,
    frames: int | None = None,
) -> list[LayerSparsity]:
    """Sparsity of each layer over `batches`, each the model's input or the tuple of its inputs.

    at: which modules' outputs are measured. axis, frames: where time is in outputs of other modules than temporal
    delta layers, as there. Names are the modules' layer_name where they have one, else their paths; a temporal delta
    layer is named after the module before it. Outputs without time axis or with a single step are left out. The model
    ends in the mode it had. Raises BhcError (BHC710) where `at` matches nothing.
    """
    inputs = (batch if isinstance(batch, tuple) else (batch,) for batch in batches)
    return _measure(model, select(model, at), inputs, axis, frames)


def _is_activation(name: str, module: nn.Module) -> bool:
    """Not the quantizer of a temporal delta layer: it is measured as part of the module it stands after."""
    return isinstance(module, nn.ReLU | QuantReLU | QuantIdentity) and f"{_CHILD}.quantize" not in name


def temporal_sparsity(
    model: nn.Module,
    recordings: Iterable[Tensor],
    at: Selection | Sequence[Selection] = _is_activation,
    *,
    axis: int = -1,
) -> list[LayerSparsity]:
    """Sparsity of each layer of a net for windows when it runs on continuous recordings, (C, T) each, T long.

    This is what streaming hardware sees: no window overlaps another, and a recording has one first step. A dense
    layer, made for one window, is given zeros where the length does not fit. A layer behind a pool or stride has fewer
    steps; its deltas are those between its own steps. For binary activations 1 - unchanged is the rate of flips.

    at: which modules' outputs; by default all activations and quantizers, that of the input included. axis: where time
    is in those. A tensor (N, C, T) also serves as `recordings`.
    """
    dense = [module for module in model.modules() if isinstance(module, nn.Linear)]
    modules = select(model, at)
    return _measure(model, modules, ((recording[None],) for recording in recordings), axis, None, dense)
