"""Export of a Brevitas model to a QONNX file fit to be shipped."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from brevitas.export import export_qonnx
from google.protobuf.message import Message
from numpy.typing import ArrayLike
from onnx.external_data_helper import convert_model_to_external_data
from torch import Tensor, nn


class Exporter(StrEnum):
    """torch.onnx's two exporters, which write the same network as different graphs."""

    TORCHSCRIPT = "torchscript"
    DYNAMO = "dynamo"


def strip_provenance(message: Message) -> None:
    """Clears metadata_props and doc_string in `message` and all it holds.

    torch writes stack traces with local paths there.
    """
    for field, value in message.ListFields():
        if field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                strip_provenance(child)


def settle_weights(proto: onnx.ModelProto) -> None:
    """Replaces the latent weights of binary layers by their signs, which is what BipolarQuant makes of them.

    The file means the same, and packs to a fraction of its size.
    """
    latent = {node.input[0] for node in proto.graph.node if node.op_type == "BipolarQuant"}
    for initializer in proto.graph.initializer:
        if initializer.name in latent:
            signs = np.where(onnx.numpy_helper.to_array(initializer) >= 0, 1, -1).astype(np.float32)
            initializer.CopyFrom(onnx.numpy_helper.from_array(signs, initializer.name))


def _metadata(classes: Sequence[str], attributes: ArrayLike | None) -> dict[str, str]:
    found = {"bhc.classes": json.dumps(list(classes))}
    if attributes is not None:
        found["bhc.attributes"] = json.dumps([[i, row] for i, row in enumerate(np.asarray(attributes).tolist())])
    return found


def export(
    model: nn.Module,
    sample: Tensor,
    path: Path,
    exporter: Exporter = Exporter.TORCHSCRIPT,
    *,
    classes: Sequence[str] = (),
    attributes: ArrayLike | None = None,
) -> None:
    """Writes `model` for inputs of `sample`'s shape, batch axis included, to `path`.

    classes: their names. attributes: (classes, A), of a model whose outputs are attributes. Both become metadata that
    bhc reads (docs/exactness.md).

    A file of the dynamo exporter has its weights beside it in `path` + ".data", as torch writes them:
    Brevitas merges the two, and leaves the second one orphaned.
    """
    dynamo = exporter is Exporter.DYNAMO
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as scratch:
        written = Path(scratch) / path.name
        proto = export_qonnx(
            model,
            sample,
            str(written),
            dynamo=dynamo,
            optimize=dynamo,
            verbose=False,
            keep_initializers_as_inputs=False,  # Brevitas's default makes every weight an input, too
            input_names=["input"],
            output_names=["output"],
        )
    strip_provenance(proto)
    settle_weights(proto)
    if classes:
        onnx.helper.set_model_props(proto, _metadata(classes, attributes))
    if dynamo:
        Path(f"{path}.data").unlink(missing_ok=True)  # onnx appends to an existing data file
        convert_model_to_external_data(proto, location=f"{path.name}.data", size_threshold=1024)
    onnx.save(proto, path)
