"""Export of a Brevitas model to a QONNX file fit to be shipped."""

from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from brevitas.export import export_qonnx
from google.protobuf.message import Message
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


def export(model: nn.Module, sample: Tensor, path: Path, exporter: Exporter = Exporter.TORCHSCRIPT) -> None:
    """Writes `model` for inputs of `sample`'s shape, batch axis included, to `path`.

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
    if dynamo:
        Path(f"{path}.data").unlink(missing_ok=True)  # onnx appends to an existing data file
        convert_model_to_external_data(proto, location=f"{path.name}.data", size_threshold=1024)
    onnx.save(proto, path)
