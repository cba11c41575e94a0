"""The FINN hand-over: an ONNX file of integers that FINN turns into hardware without streamlining, and its folding.

docs/finn.md says which node becomes which layer of FINN and why. Diagnostics: BHC530 FINN has no exact hardware for a
node, BHC531 qonnx, which executes the file, is missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import count
from math import gcd
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, assert_never

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bhc.backends.compare import CosimResult, Mismatch, StreamRow
from bhc.backends.finn_folding import (
    FoldedLayer,
    Layer,
    Matrix,
    Window,
    fold,
    folding_file,
    in_order,
    streaming,
    with_forks,
)
from bhc.backends.plan import BuildPlan
from bhc.diagnostics import BhcError, Diagnostic, fail
from bhc.ir.evaluate import evaluate
from bhc.ir.graph import Graph, Node
from bhc.ir.ops import (
    Add,
    Argmax,
    Concat,
    Conv,
    Dense,
    Frame,
    Hold,
    IntArray,
    MaxPool,
    Pad,
    Pads,
    Pair,
    SumPool,
    Threshold,
    weight_kind,
)
from bhc.ir.pipeline import Folding, Pipeline
from bhc.ir.types import Kind, Range, Type

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from qonnx.core.modelwrapper import ModelWrapper

MODEL = "finn/model.onnx"
_FOLDING = "finn/folding.json"
_STYLES = "finn/specialize_layers.json"
_CONFIG = "finn/dataflow_build_config.json"
_SCRIPT = "finn/build.py"

_GENERAL = "qonnx.custom_op.general"
_OPSET = 13
_IR_VERSION = 8
#: Tensors are 32-bit floats, which hold every integer up to here.
_EXACT = 1 << 24
#: FINN's names of boards.
_BOARDS = {"pynq-z2": "Pynq-Z2"}


def _refuse(node: Node, message: str, hint: str) -> BhcError:
    return fail("BHC530", f"FINN {message}", origin=f"node '{node.name}'", hint=hint)


def _integers(values: Range, bits: int = 2) -> str:
    """FINN's name of the narrowest data type of at least `bits` bits.

    Two bits at least: in FINN one bit is for XNOR, and its matrix-vector units take no 0 and 1 otherwise.
    """
    return f"{'INT' if values.signed else 'UINT'}{max(values.bits, bits)}"


def _bits(data_type: str) -> int:
    return 1 if data_type in ("BINARY", "BIPOLAR") else int(data_type.rpartition("INT")[2])


def _span(data_type: str) -> Range:
    """Values of a data type made here."""
    if data_type == "BINARY":
        return Range(0, 1)
    if data_type == "BIPOLAR":
        return Range(-1, 1)
    bits = _bits(data_type)
    return Range(0, (1 << bits) - 1) if data_type[0] == "U" else Range(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def _weight_type(weights: IntArray) -> str:
    if weight_kind(weights) == Kind.BIPOLAR:
        return "BIPOLAR"
    return _integers(Range(int(weights.min()), int(weights.max())))


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A tensor of the ONNX file: shape (1, H, W, C) or (1, C), and FINN's data type."""

    name: str
    shape: tuple[int, ...]
    data_type: str

    @property
    def channels(self) -> int:
        return self.shape[-1]

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape))

    @property
    def image(self) -> tuple[int, int, int]:
        return self.shape[1], self.shape[2], self.shape[3]


def _shape(x: Type) -> tuple[int, ...]:
    return (1, x.channels) if len(x.shape) == 1 else (1, *x.image)


class _Model:
    """The ONNX graph as it is written, and the hardware layers that will come of it."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self.taken = set(reserved)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.infos: dict[str, onnx.ValueInfoProto] = {}
        self.tensors: dict[str, _Tensor] = {}
        self.annotations: list[onnx.TensorAnnotation] = []
        self.layers: list[Layer] = []

    def fresh(self, name: str) -> str:
        """A name that no value and no tensor has yet."""
        made = name if name not in self.taken else next(c for n in count(1) if (c := f"{name}_{n}") not in self.taken)
        self.taken.add(made)
        return made

    def annotate(self, name: str, **properties: str) -> None:
        found = onnx.TensorAnnotation(tensor_name=name)
        for key, value in properties.items():
            found.quant_parameter_tensor_names.add(key=key, value=value)
        self.annotations.append(found)

    def tensor(self, name: str, shape: tuple[int, ...], data_type: str, element: int = TensorProto.FLOAT) -> _Tensor:
        layout = ["N", "H", "W", "C"] if len(shape) == 4 else ["N", "C"]
        self.tensors[name] = _Tensor(name, shape, data_type)
        self.infos[name] = helper.make_tensor_value_info(name, element, shape)
        self.annotate(name, finn_datatype=data_type, tensor_layout=str(layout))
        return self.tensors[name]

    def constant(
        self, name: str, values: NDArray[Any], data_type: str | None = None, sparsity: str | None = None
    ) -> str:
        name = self.fresh(name)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        if data_type is not None:
            extra = {} if sparsity is None else {"tensor_sparsity": sparsity}
            self.annotate(name, finn_datatype=data_type, **extra)
        return name

    def node(
        self, op: str, inputs: list[str], outputs: list[str], name: str, domain: str = "", **attributes: Any
    ) -> None:
        self.nodes.append(helper.make_node(op, inputs, outputs, name, domain=domain, **attributes))


class _Writer:
    """Writes a graph node by node."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.types = graph.types()
        self.users = {name: [n for n in graph.nodes for i in n.inputs if i == name] for name in self.types}
        self.model = _Model(self.types)
        self.values: dict[str, _Tensor] = {}
        self.recoded: dict[tuple[str, str], _Tensor] = {}
        self.unflattened: dict[str, str] = {}
        self.products: set[str] = set()

    # Which bipolar values travel as 0 and 1

    def counts_matches(self, node: Node) -> bool:
        """The node can be an XNOR-popcount matrix product: FINN's is of -1 and +1 only, knows no padding, and its
        result is a number of matches, which a threshold or an argmax takes as well.
        """
        op = node.op
        match op:
            case Conv():
                suits = not op.pads and op.groups == 1
            case Dense():
                suits = True
            case _:
                return False
        users = self.users[node.name]
        return (
            suits
            and self.types[node.inputs[0]].bipolar
            and weight_kind(op.weights) == Kind.BIPOLAR
            and node.name not in self.graph.outputs
            and len(users) == 1
            and isinstance(users[0].op, Threshold | Argmax)
            and not (isinstance(users[0].op, Threshold) and bool(users[0].op.descending.any()))
        )

    def binary(self, value: str) -> bool:
        """Every reader of the bipolar value wants it as 0 and 1."""
        users = self.users[value]
        return (
            value not in self.graph.outputs
            and bool(users)
            and all(
                (isinstance(user.op, MaxPool | Concat) and self.types[user.name].bipolar and self.binary(user.name))
                or (isinstance(user.op, Pad) and user.op.value == -1)
                or self.counts_matches(user)
                for user in users
            )
        )

    def bipolar_type(self, value: str) -> str:
        """BINARY (0 is -1), or INT2: there zero padding is a zero."""
        return "BINARY" if self.binary(value) else "INT2"

    def operand(self, node: Node, index: int = 0, data_type: str | None = None) -> _Tensor:
        """An operand as a tensor; a bipolar one as the data type asked for (INT2 if none is)."""
        name = node.inputs[index]
        tensor = self.values[name]
        wanted = data_type or "INT2"
        if not self.types[name].bipolar or tensor.data_type == wanted:
            return tensor
        if (name, wanted) not in self.recoded:
            out = self.model.tensor(self.model.fresh(f"{name}_{wanted.lower()}"), tensor.shape, wanted)
            levels = np.array([[1]]) if wanted == "BINARY" else np.array([[0, 1, 1]])
            self._multithreshold(node, tensor, out, levels, _span(wanted).lo)
            self.recoded[name, wanted] = out
        return self.recoded[name, wanted]

    # Parts of nodes

    def _multithreshold(self, node: Node, x: _Tensor, out: _Tensor, levels: IntArray, bias: int) -> None:
        """The node, and a layer of its own for it."""
        model = self.model
        span = _span(x.data_type)
        covering = Range(min(span.lo, int(levels.min())), max(span.hi, int(levels.max())))
        table = model.constant(f"{out.name}_levels", levels.astype(np.float32), _integers(covering))
        self._multithreshold_node(x.name, table, out, bias)
        work = out.elements
        model.layers.append(
            Layer("Thresholding_rtl", node.name, [x.name], out.name, "PE", out.channels, streaming(work))
        )

    def _multithreshold_node(self, x: str, table: str, out: _Tensor, bias: int) -> None:
        self.model.node(
            "MultiThreshold",
            [x, table],
            [out.name],
            f"{out.name}_threshold",
            _GENERAL,
            out_dtype=out.data_type,
            out_scale=1.0,
            out_bias=float(bias),
            data_layout="NHWC" if len(out.shape) == 4 else "NC",
        )

    def _windowed(
        self,
        node: Node,
        x: _Tensor,
        kernel: Pair,
        stride: Pair,
        dilation: Pair,
        pads: Pads,
        positions: Pair,
        *,
        depthwise: bool = False,
        name: str | None = None,
    ) -> tuple[_Tensor, Layer]:
        """Im2Col: a tensor (1, OH, OW, KH * KW * C), and the layer that makes it."""
        model = self.model
        height, width, channels = x.image
        amounts = [pads.top, pads.left, pads.bottom, pads.right]
        if min(amounts) < 0:
            raise _refuse(node, f"cannot crop, and the padding is {amounts}", "cut the windows before the network")
        if (height == 1 and (kernel[0] > 1 or any(amounts[::2]))) or (
            width == 1 and (kernel[1] > 1 or any(amounts[1::2]))
        ):
            raise _refuse(
                node,
                f"slides no window of {kernel[0]}x{kernel[1]} with padding {amounts} over an image of {height}x{width}",
                "use a kernel of 1 along an axis of 1",
            )
        # FINN refuses a stride longer than the image.
        stride = (min(stride[0], height + pads.top + pads.bottom), min(stride[1], width + pads.left + pads.right))
        out = model.tensor(
            name or model.fresh(f"{node.name}_window"), (1, *positions, kernel[0] * kernel[1] * channels), x.data_type
        )
        model.node(
            "Im2Col",
            [x.name],
            [out.name],
            f"{out.name}_im2col",
            _GENERAL,
            stride=list(stride),
            kernel_size=list(kernel),
            dilations=list(dilation),
            pad_amount=amounts,
            pad_value=0,
            input_shape=f"(1,{height},{width},{channels})",
            depthwise=int(depthwise),
        )
        return out, self._window_layer(
            node, x, out.name, kernel, stride, dilation, pads, positions, depthwise=depthwise
        )

    def _window_layer(
        self,
        node: Node,
        x: _Tensor,
        out: str,
        kernel: Pair,
        stride: Pair,
        dilation: Pair,
        pads: Pads,
        positions: Pair,
        *,
        depthwise: bool,
    ) -> Layer:
        height, width, channels = x.image
        read = x.name
        if pads:
            height, width = height + pads.top + pads.bottom, width + pads.left + pads.right
            work = height * width * channels
            read = self.model.fresh(f"{out}_padded")
            self.model.layers.append(
                Layer("FMPadding_rtl", node.name, [x.name], read, "SIMD", channels, streaming(work))
            )
        window = Window((height, width, channels), kernel, stride, dilation, positions, depthwise)
        layer = Layer(
            "ConvolutionInputGenerator_rtl",
            node.name,
            [read],
            out,
            "SIMD",
            channels,
            window.cycles,
            window=window,
        )
        self.model.layers.append(layer)
        return layer

    def _flat(self, node: Node) -> _Tensor:
        """The operand as a vector; FINN drops the node, since its streams are flat anyway."""
        matches = self.counts_matches(node) and self.values[node.inputs[0]].data_type == "BINARY"
        x = self.operand(node, data_type="BINARY" if matches else None)
        if len(x.shape) == 2:
            return x
        model = self.model
        name = model.fresh(f"{node.name}_flat")
        if x.name in (declared.name for declared in self.graph.inputs):
            # FINN drops a Flatten between two layers only.
            x, _ = self._windowed(node, x, (1, 1), (1, 1), (1, 1), Pads(), x.image[:2])
        out = model.tensor(name, (1, x.elements), x.data_type)
        model.node("Flatten", [x.name], [out.name], f"{name}_flatten", axis=1)
        self.unflattened[out.name] = x.name
        return out

    def _product(self, node: Node, x: _Tensor, weights: IntArray, out: _Tensor, groups: int = 1) -> None:
        """MatMul by weights (M, K)."""
        model = self.model
        m, k = weights.shape
        matches = x.data_type == "BINARY"
        if matches:
            table = model.constant(f"{out.name}_weights", ((weights.T + 1) // 2).astype(np.float32), "BINARY")
            model.node("XnorPopcountMatMul", [x.name, table], [out.name], f"{out.name}_product", _GENERAL)
        else:
            self._exact(node, weights, x)
            table = model.constant(f"{out.name}_weights", weights.T.astype(np.float32), _weight_type(weights))
            model.node("MatMul", [x.name, table], [out.name], f"{out.name}_product")
        self.products.add(out.name)
        matrix = Matrix(m, k, out.elements // m, groups)
        model.layers.append(
            Layer(
                "MVAU_hls",
                node.name,
                [self.unflattened.get(x.name, x.name)],
                out.name,
                "PE",
                m,
                streaming(matrix.cycles(Folding(1, 1))),
                {"accDataType": out.data_type},
                matrix,
            )
        )

    def _depthwise_product(
        self, node: Node, x: _Tensor, kernel: Pair, weights: IntArray, out: _Tensor, window: Layer | None
    ) -> None:
        """MatMul by the diagonal matrices of weights (C, taps)."""
        model = self.model
        channels, taps = weights.shape
        self._exact(node, weights, x)
        matrix = np.zeros((taps, channels, channels), np.float32)
        matrix[:, np.arange(channels), np.arange(channels)] = weights.T
        least = Range(min(int(weights.min()), 0), max(int(weights.max()), 0))
        sparsity = str({"dw": {"kernel_shape": list(kernel)}})
        table = model.constant(f"{out.name}_weights", matrix.reshape(-1, channels), _integers(least), sparsity)
        model.node("MatMul", [x.name, table], [out.name], f"{out.name}_product")
        self.products.add(out.name)
        work = out.elements * taps
        layer = Layer(
            "VVAU_hls",
            node.name,
            [x.name],
            out.name,
            "PE",
            channels,
            streaming(work),
            {"SIMD": 1, "accDataType": out.data_type},
            partner=window,
        )
        model.layers.append(layer)

    def _exact(self, node: Node, weights: IntArray, x: _Tensor) -> None:
        """Refuse sums that a 32-bit float does not hold."""
        largest = max(-self.types[node.inputs[0]].range.lo, self.types[node.inputs[0]].range.hi, 1)
        most = int(np.abs(weights).sum(axis=1).max()) * largest
        if most >= _EXACT:
            raise _refuse(
                node,
                f"keeps its sums of {x.data_type} in 32-bit floats, exact up to {_EXACT}, and these reach {most}",
                "use fewer bits for the weights or the activations of this layer",
            )

    # Nodes

    def _result(self, node: Node, data_type: str) -> _Tensor:
        tensor = self.model.tensor(node.name, _shape(node.type), data_type)
        self.values[node.name] = tensor
        return tensor

    def _accumulated(self, node: Node) -> str:
        """Data type of a sum; that of the output of the design is of whole bytes, as FINN's is."""
        bits = -(-node.type.range.bits // 8) * 8 if node.name in self.graph.outputs else 2
        return _integers(node.type.range, bits)

    def conv(self, node: Node, op: Conv) -> None:
        matches = self.counts_matches(node) and self.values[node.inputs[0]].data_type == "BINARY"
        x = self.operand(node, data_type="BINARY" if matches else None)
        oh, ow, m = node.type.image
        op = _without_blind_taps(op, x.image, (oh, ow))
        kernel, channels = op.kernel, x.channels
        depthwise = op.groups == channels == m and channels > 1
        window = None
        if kernel != (1, 1) or op.stride != (1, 1) or op.pads:
            x, window = self._windowed(node, x, kernel, op.stride, op.dilation, op.pads, (oh, ow), depthwise=depthwise)
        if depthwise:
            out = self._result(node, self._accumulated(node))
            self._depthwise_product(node, x, kernel, op.weights.reshape(m, -1), out, window)
            return
        weights = np.zeros((m, *kernel, channels), np.int64)
        for g in range(op.groups):
            rows = slice(g * (m // op.groups), (g + 1) * (m // op.groups))
            columns = slice(g * (channels // op.groups), (g + 1) * (channels // op.groups))
            weights[rows, :, :, columns] = op.weights[rows]
        self._matrix(node, x, weights.reshape(m, -1), op.groups)

    def _matrix(self, node: Node, x: _Tensor, weights: IntArray, groups: int = 1) -> None:
        matches = x.data_type == "BINARY"
        data_type = _integers(Range(0, weights.shape[1])) if matches else self._accumulated(node)
        self._product(node, x, weights, self._result(node, data_type), groups)

    def dense(self, node: Node, op: Dense) -> None:
        self._matrix(node, self._flat(node), op.weights)

    def threshold(self, node: Node, op: Threshold) -> None:
        """Base + count of levels reached; a step to -1 and +1 counts its level twice if the result is INT2."""
        producer = next((n for n in self.graph.nodes if n.name == node.inputs[0]), None)
        source = self.values[node.inputs[0]]
        out_type = self.bipolar_type(node.name) if op.bipolar else _integers(node.type.range)
        x_type = self.types[node.inputs[0]]
        levels = np.clip(op.thresholds, x_type.range.lo, x_type.range.hi + 1)
        base = op.base
        if producer is not None and self.counts_matches(producer) and source.data_type.startswith("UINT"):
            # dot = 2 * matches - terms >= t   <=>   matches >= ceil((t + terms) / 2)
            levels = np.clip((levels + _terms(producer) + 1) >> 1, 0, _terms(producer) + 1)
            x, counted = source, True
        else:
            x, counted = self.operand(node), False
        if op.descending.any():
            x, levels = self._turned(node, op, x, levels)
        if op.bipolar:
            base = _span(out_type).lo if out_type == "BINARY" else -1
            levels = levels if out_type == "BINARY" else np.repeat(levels, 2, axis=1)
        out = self._result(node, out_type)
        lowest = _span(out_type).lo
        layer = self.model.layers[-1] if self.model.layers else None
        fused = (
            layer is not None
            and layer.writes == x.name
            and x.name in self.products
            and (x.name not in self.users or (len(self.users[x.name]) == 1 and x.name not in self.graph.outputs))
        )
        always = _span(x.data_type).lo
        if not fused or counted or not _span(out_type).signed:
            # FINN takes the lowest value of the type for the bias of some layers: fill up with levels always reached.
            levels = np.pad(levels, ((0, 0), (base - lowest, 0)), constant_values=always)
            base = lowest
        if not fused:
            # The RTL that compares is a full binary search tree: fill up with levels never reached.
            missing = (1 << _bits(out_type)) - 1 - levels.shape[1]
            never = max(x_type.range.hi, -x_type.range.lo, _span(x.data_type).hi) + 1
            levels = np.pad(levels, ((0, 0), (0, missing)), constant_values=never)
            self._multithreshold(node, x, out, levels, base)
            return
        assert layer is not None
        span = _span(str(layer.settings["accDataType"]))
        covering = _integers(Range(min(span.lo, int(levels.min())), max(span.hi, int(levels.max()))))
        layer.settings["accDataType"] = covering
        layer.writes = out.name
        table = self.model.constant(f"{node.name}_levels", levels.astype(np.float32), covering)
        self._multithreshold_node(x.name, table, out, base)

    def _turned(self, node: Node, op: Threshold, x: _Tensor, levels: IntArray) -> tuple[_Tensor, IntArray]:
        """The operand times -1 where the step falls, and the levels to match: FINN's steps rise.

        #{x < t} = #{-x >= 1 - t}
        """
        channels = x.channels
        down = np.broadcast_to(op.descending, (channels,))
        signs = np.where(down, -1, 1).astype(np.int64)
        levels = np.broadcast_to(levels, (channels, op.levels))
        levels = np.where(down[:, None], 1 - levels[:, ::-1], levels)
        span = self.types[node.inputs[0]].range
        both = Range(min(span.lo, -span.hi), max(span.hi, -span.lo))
        out = self.model.tensor(self.model.fresh(f"{node.name}_turned"), x.shape, _integers(both))
        if len(x.shape) == 4:
            self._depthwise_product(node, x, (1, 1), signs[:, None], out, None)
        else:
            self._product(node, x, np.diag(signs), out)
        return out, levels

    def max_pool(self, node: Node, op: MaxPool) -> None:
        bipolar = self.types[node.inputs[0]].bipolar
        # A padded pool of bipolar values needs the type whose zero is the lowest value.
        data_type = "BINARY" if bipolar and op.pads else None
        x = self.values[node.inputs[0]] if bipolar and not op.pads else self.operand(node, data_type=data_type)
        oh, ow, channels = node.type.image
        height, width, _ = x.image
        kernel, stride, pads = list(op.kernel), list(op.stride), op.pads
        if height == 1 and oh == 1:
            kernel[0], pads = 1, Pads(0, pads.left, 0, pads.right)
        if width == 1 and ow == 1:
            kernel[1], pads = 1, Pads(pads.top, 0, pads.bottom, 0)
        stride = [min(stride[0], height + pads.top + pads.bottom), min(stride[1], width + pads.left + pads.right)]
        why = ""
        if op.dilation != (1, 1):
            why = f"pools without dilation, and this has {op.dilation[0]}x{op.dilation[1]}"
        elif kernel[0] < stride[0] or kernel[1] < stride[1]:
            why = f"pools no windows of {kernel[0]}x{kernel[1]} with a longer stride of {stride[0]}x{stride[1]}"
        elif (pads.top, pads.left) != (pads.bottom, pads.right):
            why = f"pads pools alike on both sides, not {[pads.top, pads.left, pads.bottom, pads.right]}"
        elif pads and _span(x.data_type).lo != 0:
            why = f"pads with zeros, which can win against the values {self.types[node.inputs[0]].range} of a max pool"
        if why:
            raise _refuse(node, why, "pool without it, or compile for another backend")
        out = self._result(node, x.data_type)
        self.model.node(
            "MaxPoolNHWC",
            [x.name],
            [out.name],
            f"{out.name}_pool",
            _GENERAL,
            kernel_shape=kernel,
            strides=stride,
            pads=[pads.top, pads.left, pads.bottom, pads.right],
            ceil_mode=0,
        )
        taps = kernel[0] * kernel[1]
        between = self.model.fresh(f"{out.name}_window")
        window = self._window_layer(
            node,
            x,
            between,
            (kernel[0], kernel[1]),
            (stride[0], stride[1]),
            (1, 1),
            pads,
            (oh, ow),
            depthwise=True,
        )
        work = oh * ow * channels * taps
        self.model.layers.append(
            Layer("Pool_hls", node.name, [between], out.name, "PE", channels, streaming(work), partner=window)
        )

    def sum_pool(self, node: Node, op: SumPool) -> None:
        x = self.operand(node)
        height, width, channels = x.image
        if op.kernel != (height, width) or op.pads:
            ones = np.ones((channels, *op.kernel, 1), np.int64)
            self.conv(node, Conv(ones, op.stride, pads=op.pads, groups=channels))
            return
        self._exact(node, np.ones((1, height * width), np.int64), x)
        out = self._result(node, self._accumulated(node))
        axes = self.model.constant(f"{out.name}_axes", np.array([1, 2], np.int64))
        self.model.node("ReduceSum", [x.name, axes], [out.name], f"{out.name}_sum", keepdims=1)
        pixels = height * width + 1
        self.model.layers.append(
            Layer(
                "GlobalAccPool_hls",
                node.name,
                [x.name],
                out.name,
                "PE",
                channels,
                streaming(pixels * channels),
            )
        )

    def add(self, node: Node) -> None:
        a, b = self.operand(node, 0), self.operand(node, 1)
        out = self._result(node, self._accumulated(node))
        self.model.node("Add", [a.name, b.name], [out.name], f"{out.name}_add")
        work = out.elements
        self.model.layers.append(
            Layer("ElementwiseAdd_hls", node.name, [a.name, b.name], out.name, "PE", out.channels, streaming(work))
        )

    def concat(self, node: Node) -> None:
        alike = all(self.values[name].data_type == "BINARY" for name in node.inputs)
        data_type = "BINARY" if alike and self.types[node.name].bipolar else None
        parts = [self.operand(node, i, data_type) for i in range(len(node.inputs))]
        spans = [_span(part.data_type) for part in parts]
        joint = spans[0]
        for span in spans[1:]:
            joint = joint.union(span)
        out = self._result(node, data_type or _integers(joint))
        self.model.node("Concat", [p.name for p in parts], [out.name], f"{out.name}_concat", axis=len(out.shape) - 1)
        work = out.elements
        width = gcd(*(p.channels for p in parts))
        self.model.layers.append(
            Layer(
                "StreamingConcat_hls",
                node.name,
                [p.name for p in parts],
                out.name,
                "SIMD",
                width,
                streaming(work),
            )
        )

    def pad(self, node: Node, op: Pad) -> None:
        bipolar = self.types[node.inputs[0]].bipolar
        if op.value != (-1 if bipolar else 0):
            wanted = "-1 (bipolar values)" if bipolar else "0"
            raise _refuse(node, f"pads with {wanted} only, not with {op.value}", "pad with that, or in the convolution")
        x = self.operand(node, data_type="BINARY")
        oh, ow, _ = node.type.image
        self.values[node.name], _ = self._windowed(node, x, (1, 1), (1, 1), (1, 1), op.pads, (oh, ow), name=node.name)

    def argmax(self, node: Node) -> None:
        x = self._flat(node) if len(self.types[node.inputs[0]].shape) > 1 else self.operand(node)
        if self.users[node.name]:
            raise _refuse(node, "takes an argmax at the end only", "make the argmax the output")
        out = self.model.tensor(node.name, (1, 1), _integers(node.type.range), TensorProto.INT64)
        self.values[node.name] = out
        model = self.model
        best = model.tensor(model.fresh(f"{node.name}_value"), (1, 1), x.data_type)
        k = model.constant(f"{node.name}_k", np.array([1], np.int64))
        model.node("TopK", [x.name, k], [best.name, out.name], f"{out.name}_topk", axis=-1, largest=1, sorted=1)
        read = self.unflattened.get(x.name, x.name)
        labels = x.elements
        model.layers.append(Layer("LabelSelect_hls", node.name, [read], out.name, "PE", labels, streaming(labels)))

    def write(self, node: Node) -> None:
        """Write one node."""
        op = node.op
        match op:
            case Conv():
                self.conv(node, op)
            case Dense():
                self.dense(node, op)
            case Threshold():
                self.threshold(node, op)
            case MaxPool():
                self.max_pool(node, op)
            case SumPool():
                self.sum_pool(node, op)
            case Add():
                self.add(node)
            case Concat():
                self.concat(node)
            case Pad():
                self.pad(node, op)
            case Argmax():
                self.argmax(node)
            case Hold():
                raise _refuse(node, "remembers nothing from row to row", "compile with --backend rtl or hls")
            case Frame():
                raise AssertionError("streamed graphs do not come here")
            case _:
                assert_never(op)

    def run(self) -> _Model:
        """Write everything. Raises BhcError (BHC530), all refusals at once."""
        for declared in self.graph.inputs:
            x = declared.type
            data_type = self.bipolar_type(declared.name) if x.bipolar else _integers(x.range)
            flat = all(isinstance(user.op, Dense | Argmax) for user in self.users[declared.name])
            shape = (1, x.elements) if flat else _shape(x)
            self.values[declared.name] = self.model.tensor(declared.name, shape, data_type)
        for name in self.graph.outputs:
            if self.users[name]:
                node = next(n for n in self.graph.nodes if n.name == name)
                raise _refuse(node, "reads no output of the design again", "leave the other readers out")
        refused: list[Diagnostic] = []
        for node in self.graph.nodes:
            try:
                self.write(node)
            except BhcError as error:
                refused += error.diagnostics
                if node.name not in self.values:
                    self._result(node, "INT2" if node.type.bipolar else _integers(node.type.range))
        if refused:
            raise BhcError(refused)
        return self.model


def _terms(node: Node) -> int:
    op = node.op
    assert isinstance(op, Conv | Dense)
    return int(op.weights[0].size)


def _without_blind_taps(op: Conv, image: tuple[int, int, int], positions: Pair) -> Conv:
    """The convolution without the taps that see nothing but padding, along an axis of one pixel and one window."""
    weights, pads = op.weights, [[op.pads.top, op.pads.bottom], [op.pads.left, op.pads.right]]
    stride, dilation = list(op.stride), list(op.dilation)
    for axis in (0, 1):
        before = pads[axis][0]
        if image[axis] != 1 or positions[axis] != 1:
            continue
        seen, rest = divmod(before, op.dilation[axis])
        if rest or not 0 <= seen < op.kernel[axis]:
            weights = np.zeros_like(weights.take([0], axis=axis + 1))
        else:
            weights = weights.take([seen], axis=axis + 1)
        pads[axis], dilation[axis], stride[axis] = [0, 0], 1, 1
    (top, bottom), (left, right) = pads
    return Conv(weights, (stride[0], stride[1]), (dilation[0], dilation[1]), Pads(top, left, bottom, right), op.groups)


def _write(graph: Graph) -> _Model:
    writer = _Writer(graph)
    writer.run()
    return writer.model


def _folded(model: _Model, graph: Graph, pipeline: Pipeline) -> tuple[FoldedLayer, ...]:
    sizes = {name: (tensor.elements, tensor.channels) for name, tensor in model.tensors.items()}
    inputs = [declared.name for declared in graph.inputs]
    return fold(in_order(with_forks(model.layers, sizes, inputs, model.fresh), inputs), pipeline)


def layers(graph: Graph, pipeline: Pipeline) -> tuple[FoldedLayer, ...]:
    """The hardware layers that FINN makes of the hand-over, in its order, as folding.json sets them.

    Raises BhcError (BHC530).
    """
    return _folded(_write(graph), graph, pipeline)


def _onnx(model: _Model, graph: Graph, name: str) -> bytes:
    inputs = [model.infos.pop(declared.name) for declared in graph.inputs]
    outputs = [model.infos.pop(output) for output in graph.outputs]
    made = helper.make_graph(
        model.nodes, name, inputs, outputs, initializer=model.constants, value_info=list(model.infos.values())
    )
    made.quantization_annotation.extend(model.annotations)
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_GENERAL, 1)]
    file = helper.make_model(made, producer_name="bhc", opset_imports=opsets, ir_version=_IR_VERSION)
    return bytes(file.SerializeToString(deterministic=True))


def emit(graph: Graph, pipeline: Pipeline, name: str, *, board: str, part: str, clock_mhz: float) -> BuildPlan:
    """The files of the hand-over. Raises BhcError (BHC530) for what FINN has no exact hardware for."""
    model = _write(graph)
    config: dict[str, Any] = {
        "output_dir": "output",
        "synth_clk_period_ns": round(1000.0 / clock_mhz, 6),
        "generate_outputs": ["estimate_reports"],
        "specialize_layers_config_file": PurePosixPath(_STYLES).name,
        "folding_config_file": PurePosixPath(_FOLDING).name,
        "minimize_bit_width": False,
        "fpga_part": part,
    }
    if board in _BOARDS:
        config |= {"board": _BOARDS[board], "shell_flow_type": "vivado_zynq"}
    # DSP slices have no use for thresholds or single bits, and names of layers must not depend on FINN's preference.
    styles = {"Defaults": {"preferred_impl_style": ["hls", ["MVAU", "VVAU"]]}}
    return BuildPlan(
        {
            MODEL: _onnx(model, graph, name),
            _FOLDING: _json(folding_file(_folded(model, graph, pipeline))),
            _STYLES: _json(styles),
            _CONFIG: _json(config),
            _SCRIPT: (files("bhc") / "backends" / "finn_build.py").read_bytes(),
        }
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


# Execution


def execute(plan: BuildPlan, graph: Graph, inputs: Mapping[str, IntArray]) -> CosimResult:
    """Execute the ONNX file with qonnx on N >= 1 windows and compare every value of the graph with the evaluator.

    inputs: the graph's integer inputs, (N, *shape) each. One window at a time, as FINN's models are. Raises BhcError
    (BHC531), and evaluate.RangeError for inputs outside their types. A mismatch is not an error here: it is in the
    result.
    """
    try:
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
    except ImportError:
        raise fail(
            "BHC531", "qonnx, which executes model.onnx, was not found", hint="pip install 'bhc[tools]'"
        ) from None
    proto = onnx.load_model_from_string(plan.files[MODEL])
    model = ModelWrapper(proto)
    expected = evaluate(graph, inputs)
    types = graph.types()
    decoders = {name: _decoder(model, proto, name, types[name]) for name in expected}
    makers = {output: node.name for node in proto.graph.node for output in node.output}
    wrong = dict.fromkeys(expected, 0)
    first: Mismatch | None = None
    windows = len(next(iter(expected.values())))
    for window in range(windows):
        feeds = {}
        for declared in graph.inputs:
            scale, offset = decoders[declared.name]
            shape = model.get_tensor_shape(declared.name)
            stored = (expected[declared.name][window] - offset) // scale
            feeds[declared.name] = stored.reshape(shape).astype(np.float32)
        context = execute_onnx(model, feeds, return_full_exec_context=True)
        for name, (scale, offset) in decoders.items():
            want = expected[name][window]
            seen = context[name].reshape(want.shape).astype(np.float64) * scale + offset
            if np.array_equal(seen, want):
                continue
            places = np.argwhere(seen != want)
            wrong[name] += len(places)
            if first is None:
                at = tuple(int(i) for i in places[0])
                first = Mismatch(makers.get(name, ""), name, name, window, at, int(want[at]), int(seen[at]))
    rows = tuple(
        StreamRow(name, makers.get(name, ""), name, 0, windows * types[name].elements, wrong[name]) for name in expected
    )
    return CosimResult(windows, sum(row.values for row in rows), sum(wrong.values()), first, None, None, None, rows)


def _decoder(model: ModelWrapper, proto: onnx.ModelProto, name: str, declared: Type) -> tuple[int, int]:
    """(scale, offset) from what a tensor holds to the graph's value."""
    maker = next((node for node in proto.graph.node if name in node.output), None)
    if maker is not None and maker.op_type == "XnorPopcountMatMul":
        terms = model.get_tensor_shape(maker.input[1])
        assert terms is not None
        return 2, -int(terms[0])
    if declared.bipolar and model.get_tensor_datatype(name).name == "BINARY":
        return 2, -1
    return 1, 0
