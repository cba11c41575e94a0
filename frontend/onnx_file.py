"""Reads an ONNX file into plain Python: no protobuf after this module."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import numpy_helper

from bhc.diagnostics import BhcError, Diagnostic, fail

Array = NDArray[Any]

# QONNX operators live in the first; the others are what older exporters wrote, some without any domain.
QONNX_DOMAINS = ("qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general")
# bhc's own: TemporalDelta (bhc.training.delta).
OWN_DOMAIN = "bhc.custom_op"
MAX_OPSET = 22
QUANTIZERS = frozenset(["Quant", "IntQuant", "BipolarQuant"])
# A value of a quantizer is still one behind these.
_CHOOSING = frozenset(
    [
        "Dropout",
        "Flatten",
        "Identity",
        "MaxPool",
        "Reshape",
        "Slice",
        "Squeeze",
        "TemporalDelta",
        "Transpose",
        "Unsqueeze",
    ]
)


@dataclass(frozen=True, slots=True)
class OnnxNode:
    """One ONNX operator. Attributes are int, float, str, tuples of these, or arrays."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def origin(self) -> str:
        """How messages call it: its name, or its operator and first output."""
        return self.name or f"{self.op}({self.outputs[0]})"


@dataclass(frozen=True, slots=True)
class OnnxValue:
    """A graph input or output; dims are sizes, or a symbol or '' where the file gives no size."""

    name: str
    dims: tuple[int | str, ...] | None
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class OnnxGraph:
    """The file's graph: nodes in topological order; initializers by name, also those listed among the inputs."""

    name: str
    sha256: str
    opset: int
    nodes: tuple[OnnxNode, ...]
    initializers: dict[str, Array]
    inputs: tuple[OnnxValue, ...]
    outputs: tuple[OnnxValue, ...]
    annotations: dict[str, str]
    metadata: dict[str, str]

    def consumers(self) -> dict[str, list[OnnxNode]]:
        """Nodes that read each tensor."""
        found: dict[str, list[OnnxNode]] = {}
        for node in self.nodes:
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return found

    def quantizer_of(self, node: OnnxNode) -> OnnxNode | None:
        """The quantizer that made the values of a node's first operand; None if they were computed with since."""
        producers = {name: made for made in self.nodes for name in made.outputs}
        producer = producers.get(node.inputs[0])
        while producer is not None and producer.op in _CHOOSING:
            producer = producers.get(producer.inputs[0])
        return producer if producer is not None and producer.op in QUANTIZERS else None


def _attribute(attribute: onnx.AttributeProto) -> Any:
    match attribute.type:
        case onnx.AttributeProto.TENSOR:
            return numpy_helper.to_array(attribute.t)
        case onnx.AttributeProto.STRING:
            return attribute.s.decode()
        case onnx.AttributeProto.STRINGS:
            return tuple(s.decode() for s in attribute.strings)
        case onnx.AttributeProto.INT:
            return attribute.i
        case onnx.AttributeProto.FLOAT:
            return attribute.f
        case onnx.AttributeProto.INTS:
            return tuple(attribute.ints)
        case onnx.AttributeProto.FLOATS:
            return tuple(attribute.floats)
    # Subgraphs and sparse tensors: no supported operator has them, its own diagnostic names it.
    return None


def _value(info: onnx.ValueInfoProto) -> OnnxValue:
    tensor = info.type.tensor_type
    dims: tuple[int | str, ...] | None = None
    if tensor.HasField("shape"):
        dims = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param for d in tensor.shape.dim)
    element = tensor.elem_type or onnx.TensorProto.FLOAT
    return OnnxValue(info.name, dims, np.dtype(onnx.helper.tensor_dtype_to_np_dtype(element)))


def load_proto(path: Path) -> tuple[onnx.ModelProto, str]:
    """The model with its external data, and the SHA-256 of file and external data. Raises BhcError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise fail("BHC100", f"cannot read the file: {error.strerror}", origin=str(path.name)) from error
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise fail(
            "BHC101",
            f"not an ONNX file, or a truncated one ({len(data)} bytes)",
            origin=path.name,
            hint="export the model again, and check that the copy is complete",
        ) from error
    if not model.graph.node:
        raise fail(
            "BHC101",
            "the file holds no ONNX graph",
            origin=path.name,
            hint="pass a QONNX model exported by Brevitas",
        )
    digest = hashlib.sha256(data)
    locations = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if tensor.data_location == onnx.TensorProto.EXTERNAL and entry.key == "location"
    }
    if locations:
        try:
            onnx.load_external_data_for_model(model, str(path.parent))
            for location in sorted(locations):
                digest.update((path.parent / location).read_bytes())
        except (OSError, ValueError, onnx.checker.ValidationError) as error:
            missing = ", ".join(sorted(locations))
            raise fail(
                "BHC102",
                f"cannot read the external data '{missing}' next to the model",
                origin=path.name,
                hint="keep the .onnx file and its data file together, under the names they were exported with",
            ) from error
    return model, digest.hexdigest()


def _arrays(model: onnx.ModelProto, found: list[Diagnostic]) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    for tensor in model.graph.initializer:
        try:
            arrays[tensor.name] = numpy_helper.to_array(tensor)
        except (ValueError, TypeError):
            # Known by its name all the same: its readers have nothing to complain about.
            arrays[tensor.name] = np.zeros(0, np.float32)
            found.append(
                Diagnostic(
                    "BHC103",
                    f"the initializer does not hold the data that its shape {list(tensor.dims)} needs",
                    tensor.name,
                    "export the model again, and check that the copy is complete",
                )
            )
    return arrays


def is_limit(users: Sequence[OnnxNode]) -> bool:
    """A constant that only these nodes read may be infinite: as a limit or a padding value that has a meaning."""
    return bool(users) and all(node.op in {"Pad", "Clip", "Min", "Max"} for node in users)


def _not_finite(array: Array) -> NDArray[np.bool_]:
    return ~np.isfinite(array)


def _constant(node: OnnxNode) -> Array:
    """The array of a Constant node, whichever of its attributes holds it."""
    for name, value in node.attributes.items():
        if name.startswith("value"):
            single = value[0] if isinstance(value, tuple) and value else value
            return np.asarray(value, np.float32 if isinstance(single, float) else None)
    raise fail("BHC103", "a Constant node without a value", origin=node.origin)


def read(path: Path) -> OnnxGraph:
    """Read and check the form of a model file. Raises BhcError: BHC100 to BHC107."""
    model, digest = load_proto(path)
    found: list[Diagnostic] = []
    graph = model.graph
    arrays = _arrays(model, found)
    opset = max((o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), default=1)
    nodes = [
        OnnxNode(n.op_type, n.name, tuple(n.input), tuple(n.output), {a.name: _attribute(a) for a in n.attribute})
        for n in graph.node
    ]
    for proto in graph.node:
        if proto.domain not in {"", "ai.onnx", *QONNX_DOMAINS, OWN_DOMAIN}:
            origin = proto.name or f"{proto.op_type}({proto.output[0]})"
            found.append(
                Diagnostic(
                    "BHC104",
                    f"operator '{proto.op_type}' of the unknown domain '{proto.domain}'",
                    origin,
                    f"bhc reads standard ONNX and the domains {', '.join(QONNX_DOMAINS)}",
                )
            )
    if not 9 <= opset <= MAX_OPSET:
        found.append(Diagnostic("BHC105", f"opset {opset}", path.name, f"export with an opset from 9 to {MAX_OPSET}"))
    for node in nodes:
        if node.op == "Constant":
            arrays[node.outputs[0]] = _constant(node)
    nodes = [node for node in nodes if node.op != "Constant"]
    inputs = tuple(_value(v) for v in graph.input if v.name not in arrays)
    defined = {*arrays, *(v.name for v in inputs), ""}
    for node in nodes:
        missing = [name for name in node.inputs if name not in defined]
        if missing:
            found.append(
                Diagnostic(
                    "BHC106",
                    f"reads '{missing[0]}', which is neither an initializer nor made by a node before it",
                    node.origin,
                    "the file is incomplete: export it again with its weights",
                )
            )
        defined.update(node.outputs)
    for name, array in arrays.items():
        users = [node for node in nodes if name in node.inputs]
        wrong = np.isnan if is_limit(users) else _not_finite
        if array.dtype.kind == "f" and bool(np.any(wrong(array))):
            bad = array[wrong(array)].flat[0]
            readers = [node.origin for node in users]
            found.append(
                Diagnostic(
                    "BHC107",
                    f"the constant '{name}' holds {bad}",
                    readers[0] if readers else name,
                    "training diverged, or the export is broken: check the parameter in the training framework",
                )
            )
    outputs = tuple(_value(v) for v in graph.output)
    found += [
        Diagnostic("BHC106", "no node makes this output", v.name, "the file is incomplete: export it again")
        for v in outputs
        if v.name not in defined
    ]
    if found:
        raise BhcError(found)
    annotations = {
        a.tensor_name: p.value
        for a in graph.quantization_annotation
        for p in a.quant_parameter_tensor_names
        if p.key == "finn_datatype"
    }
    metadata = {p.key: p.value for p in model.metadata_props}
    return OnnxGraph(path.stem, digest, opset, tuple(nodes), arrays, inputs, outputs, annotations, metadata)
