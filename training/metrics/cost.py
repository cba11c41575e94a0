"""What a network costs: parameters, bytes, operations, and an estimate of the energy of one inference.

Every Conv and Linear layer is counted, Brevitas' included. The widths of a layer's input are found by following
tensors from the quantizers on.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from bhc.training.precision import FLOAT, WeightBits

WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)

POW2_BITS = 4
"""Storage of a power-of-two weight: its sign, and 3 bits for zero or one of seven exponents."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Energy of one operation in pJ, and where the figure is published."""

    pj: float
    source: str


_HOROWITZ = "Horowitz, Computing's Energy Problem, ISSCC 2014, 45 nm, 0.9 V"

ENERGY: Mapping[str, Operation] = {
    "float32 multiply": Operation(3.7, _HOROWITZ),
    "float32 add": Operation(0.9, _HOROWITZ),
    "int8 multiply": Operation(0.2, _HOROWITZ),
    "int8 add": Operation(0.03, _HOROWITZ),
    "int32 add": Operation(0.1, _HOROWITZ),
    "binary multiply-accumulate": Operation(
        2 * 0.0216, "Conti et al., XNOR Neural Engine, IEEE TCAD 2018, 22 nm, 0.4 V: 21.6 fJ an operation, two a MAC"
    ),
    "memory bit": Operation(10 / 64, _HOROWITZ + ": 10 pJ for 64 bits of an 8 KB SRAM"),
}


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Of one Conv ("conv") or Linear ("dense") layer and one window.

    output_shape: without the batch; () if the layer did not run. weights: their number; nonzero: of those (after
    quantization) that are not 0. weight_bits: 32, 1 to 8 or "pow2". input_bits: of its input activations; 32 float.
    bytes: of the weights. macs: multiply-accumulates, those with padding included. energy_pj: see `cost`.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    weights: int
    nonzero: int
    weight_bits: WeightBits
    input_bits: int
    bytes: int
    macs: int
    energy_pj: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a network and one inference.

    parameters: all that are trained, a shared one once. bytes = binary_bytes + integer_bytes + float_bytes (weights
    of layers of 1 bit; 2 to 8 and "pow2"; 32) + other_bytes (biases, BatchNorm's scale and shift, learned quantizer
    scales: 4 bytes each). float32_bytes: of the same parameters in float32; size_ratio = bytes / float32_bytes.
    macs = binary_macs (1-bit weights and inputs) + all integer_macs ("weight bits x input bits": number) + float_macs
    (weights or inputs of 32 bits). energy_pj: an estimate, see `cost`; energy_source: of the figures it rests on.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    bytes: int
    binary_bytes: int
    integer_bytes: int
    float_bytes: int
    other_bytes: int
    float32_bytes: int
    size_ratio: float
    macs: int
    binary_macs: int
    integer_macs: dict[str, int]
    float_macs: int
    energy_pj: float
    energy_source: str


@torch.no_grad()
def cost(model: nn.Module, sample: Tensor, input_bits: Mapping[str, int] | None = None) -> Cost:
    """Counts while `model` computes `sample` (1, ...) in evaluation mode.

    input_bits: of layers, by name, that are not to be found out. What scales quantized weights is not counted: it
    folds into the BatchNorm, the thresholds or the logits that follow.

    The energy is an estimate, to compare networks by, not a prediction for a device: multiply-accumulates, and one
    read of every weight and of every input of a layer from a small SRAM, by the figures of ENERGY. An integer
    product costs that of int8 in proportion to its bits, w * a / 64, and is added up in int32; binary and ternary
    weights, and binary inputs, need the addition only, and powers of two a shift besides, counted like an int8
    addition. The figure for binary operations is that of a whole accelerator with its memory, though in a smaller
    technology. Activation functions, pooling and control are left out.
    """
    modules = {m: getattr(m, "layer_name", path) for path, m in model.named_modules() if isinstance(m, WEIGHTED)}
    inputs, outputs = _trace(model, sample, modules)
    layers = []
    for module, name in modules.items():
        weights = _weights(module)
        bits = weight_bits(module)
        width = (input_bits or {}).get(name, max((b for _, b in inputs.get(module, ())), default=FLOAT))
        shapes = outputs.get(module, [])
        macs = sum(math.prod(shape) for shape in shapes) * math.prod(weights.shape[1:])
        moved = weights.numel() * _stored(bits) + sum(n for n, _ in inputs.get(module, ())) * width
        layers.append(
            LayerCost(
                name=name,
                kind="dense" if isinstance(module, nn.Linear) else "conv",
                output_shape=shapes[0] if shapes else (),
                weights=weights.numel(),
                nonzero=int(weights.count_nonzero()),
                weight_bits=bits,
                input_bits=width,
                bytes=math.ceil(weights.numel() * _stored(bits) / 8),
                macs=macs,
                energy_pj=macs * mac_energy(bits, width) + (moved * ENERGY["memory bit"].pj if shapes else 0.0),
            )
        )
    return _total(layers, sum(p.numel() for p in model.parameters()))


def weight_bits(layer: nn.Module) -> WeightBits:
    """Of a Conv or Linear layer: 32 unless Brevitas quantizes its weights; "pow2" where all are 0 or powers of two."""
    quantizer: Any = getattr(layer, "weight_quant", None)
    if quantizer is None or not quantizer.is_quant_enabled:
        return FLOAT
    bits = int(quantizer.bit_width())
    if bits <= 2:
        return bits
    # The largest of uniform weights is 2^(bits - 1) - 1, for 3 bits and more no power of two.
    quantized: Any = layer
    mantissa, _ = torch.frexp(quantized.quant_weight().int().abs().double())
    return "pow2" if bool(((mantissa == 0.5) | (mantissa == 0)).all()) else bits


def mac_energy(weights: WeightBits, inputs: int) -> float:
    """Energy of one multiply-accumulate in pJ; see `cost`."""
    if weights == 1 and inputs == 1:
        return ENERGY["binary multiply-accumulate"].pj
    no_product = weights in (1, 2) or inputs == 1
    if FLOAT in (weights, inputs):
        return ENERGY["float32 add"].pj + (0.0 if no_product else ENERGY["float32 multiply"].pj)
    product = 0.0
    if weights == "pow2":
        product = ENERGY["int8 add"].pj
    elif not no_product:
        product = ENERGY["int8 multiply"].pj * weights * inputs / 64
    return product + ENERGY["int32 add"].pj


def _stored(bits: WeightBits) -> int:
    return POW2_BITS if bits == "pow2" else bits


def _weights(layer: nn.Module) -> Tensor:
    """Weights (outputs, ...) as the layer uses them."""
    module: Any = layer
    values = module.weight if weight_bits(layer) == FLOAT else module.quant_weight().value
    assert isinstance(values, Tensor)
    return values


def _total(layers: list[LayerCost], parameters: int) -> Cost:
    binary = sum(row.bytes for row in layers if row.weight_bits == 1)
    whole = sum(row.bytes for row in layers if row.weight_bits == FLOAT)
    integer = sum(row.bytes for row in layers) - binary - whole
    other = 4 * (parameters - sum(row.weights for row in layers))
    size = binary + integer + whole + other
    integer_macs: dict[str, int] = {}
    binary_macs = float_macs = 0
    for row in layers:
        if FLOAT in (row.weight_bits, row.input_bits):
            float_macs += row.macs
        elif row.weight_bits == 1 and row.input_bits == 1:
            binary_macs += row.macs
        else:
            kind = f"{row.weight_bits} x {row.input_bits}"
            integer_macs[kind] = integer_macs.get(kind, 0) + row.macs
    return Cost(
        layers=tuple(layers),
        parameters=parameters,
        bytes=size,
        binary_bytes=binary,
        integer_bytes=integer,
        float_bytes=whole,
        other_bytes=other,
        float32_bytes=4 * parameters,
        size_ratio=size / (4 * parameters),
        macs=sum(row.macs for row in layers),
        binary_macs=binary_macs,
        integer_macs=integer_macs,
        float_macs=float_macs,
        energy_pj=sum(row.energy_pj for row in layers),
        energy_source="; ".join(dict.fromkeys(operation.source for operation in ENERGY.values())),
    )


_MOVING = {
    "__getitem__", "adaptive_max_pool1d", "adaptive_max_pool2d", "amax", "cat", "clone", "contiguous", "detach",
    "dropout", "flatten", "max_pool1d", "max_pool2d", "movedim", "pad", "permute", "reshape", "squeeze", "stack",
    "swapaxes", "transpose", "unflatten", "unsqueeze", "view",
}  # fmt: skip
_AVERAGING = {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "avg_pool1d", "avg_pool2d", "mean", "sum"}
_ADDING = {"__add__", "__iadd__", "__radd__", "add", "add_"}


class _Widths(TorchFunctionMode):
    """Knows of how many bits the elements of a tensor are: as a quantizer says, and after functions that move or add
    them. A mean counts as the integer sum that it is in hardware. All else is float.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known = WeakTensorKeyDictionary()

    def of(self, value: Any) -> int:
        """value: a Tensor or one of Brevitas' QuantTensors."""
        bits: Any = getattr(value, "bit_width", None)
        known: Any = self._known.get(value, FLOAT) if bits is None else bits
        return int(known)

    def set(self, value: Tensor, bits: int) -> None:
        self._known[value] = bits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.set(result, self._after(getattr(func, "__name__", ""), result, list(_tensors(args))))
        return result

    def _after(self, function: str, result: Tensor, operands: list[Any]) -> int:
        widths = [self.of(operand) for operand in operands]
        if not widths or FLOAT in widths:
            return FLOAT
        if function in _MOVING:
            return max(widths)
        if function in _AVERAGING:
            terms = math.ceil(operands[0].numel() / result.numel())
            return (terms * (2 ** widths[0] - 1)).bit_length()
        if function in _ADDING and len(widths) == 2:
            return sum(2**width - 1 for width in widths).bit_length()
        return FLOAT


def _tensors(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, Tensor) or hasattr(value, "bit_width"):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _trace(
    model: nn.Module, sample: Tensor, layers: Iterable[nn.Module]
) -> tuple[dict[nn.Module, list[tuple[int, int]]], dict[nn.Module, list[tuple[int, ...]]]]:
    """For each of `layers`, and each time it ran: elements and bits of its input; the shape of its output."""
    inputs: dict[nn.Module, list[tuple[int, int]]] = {}
    outputs: dict[nn.Module, list[tuple[int, ...]]] = {}
    widths = _Widths()

    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        inputs.setdefault(module, []).append((math.prod(args[0].shape), widths.of(args[0])))

    def after(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        outputs.setdefault(module, []).append(tuple(output.shape[1:]))

    def quantized(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        within: list[Any] = [m.act_quant for m in module.modules() if hasattr(m, "act_quant")]
        enabled = [quantizer for quantizer in within if quantizer.is_quant_enabled]
        if enabled:  # the last: a delta layer, or what else was put behind an activation, quantizes anew
            widths.set(output if isinstance(output, Tensor) else output.value, int(enabled[-1].bit_width()))

    training = model.training
    model.eval()
    with ExitStack() as stack:
        stack.callback(model.train, training)
        for layer in layers:
            stack.callback(layer.register_forward_pre_hook(before).remove)
            stack.callback(layer.register_forward_hook(after).remove)
        for module in model.modules():
            if hasattr(module, "act_quant") or (hasattr(module, "layer_name") and not isinstance(module, WEIGHTED)):
                stack.callback(module.register_forward_hook(quantized).remove)
        with widths:
            model(sample)
    return inputs, outputs
