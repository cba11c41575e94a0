"""Builds the accelerator of model.onnx with FINN or FINN+, from conversion to hardware layers on.

    python build.py        in an environment where the package `finn` is installed

dataflow_build_config.json decides what is made (FINN's `generate_outputs`) and for which board; folding.json how far
each layer is unfolded. What differs from FINN's own list of steps, and why:

- no streamlining: model.onnx holds integers, thresholds and matrix products already;
- conversion of every layer that FINN has hardware for (`step_convert_to_hw` of AMD's FINN leaves some out);
- the widths of accumulators come from model.onnx and folding.json. `step_minimize_bit_width` is left out: it derives
  the width of an XNOR-popcount accumulator from inputs of 0 and 1 with weights of -1 and +1, which is too narrow.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

_HERE = Path(__file__).resolve().parent
_HARDWARE = "finn.custom_op.fpgadataflow"
#: In this order: matrix products take the thresholds that follow them, pools become windows and reductions.
#: Each line names one conversion, as FINN and FINN+ call it.
_CONVERSIONS = (
    ("InferQuantizedMatrixVectorActivation",),
    ("InferBinaryMatrixVectorActivation",),
    ("InferVectorVectorActivation",),
    ("InferThresholdingLayer",),
    ("InferLabelSelectLayer",),
    ("InferPool",),
    ("InferConvInpGen",),
    ("InferAddStreamsLayer", "InferElementwiseBinaryOperation"),
    ("InferConcatLayer",),
    ("RemoveCNVtoFCFlatten",),
    ("InferDuplicateStreamsLayer",),
)


def _conversion(names: tuple[str, ...]) -> Any:
    """FINN keeps its conversions in one module, FINN+ each in its own."""
    places = [import_module("finn.transformation.move_reshape")]
    transformations = import_module("finn.transformation.fpgadataflow")
    for found in iter_modules(transformations.__path__, transformations.__name__ + "."):
        if found.name.endswith(".convert_to_hw_layers"):
            places.append(import_module(found.name))
        elif found.name.endswith(".convert_to_hw"):
            package = import_module(found.name)
            places += [import_module(m.name) for m in iter_modules(package.__path__, package.__name__ + ".")]
    for place in places:
        for name in names:
            if hasattr(place, name):
                return getattr(place, name)()
    raise SystemExit(f"this FINN has no {' or '.join(names)}")


def _global_sums(model: Any) -> None:
    """ReduceSum over the whole image becomes GlobalAccPool, which FINN makes of averages only."""
    make_node = import_module("onnx.helper").make_node
    for index, node in enumerate(model.graph.node):
        if node.op_type == "ReduceSum":
            shape = model.get_tensor_shape(node.input[0])
            pool = make_node(
                "GlobalAccPool",
                [node.input[0]],
                list(node.output),
                name=f"GlobalAccPool_{node.name}",
                domain=_HARDWARE,
                backend="fpgadataflow",
                NumChannels=shape[-1],
                PE=1,
                inputDataType=model.get_tensor_datatype(node.input[0]).name,
                numInputVectors=shape[:-1],
            )
            model.graph.node.remove(node)
            model.graph.node.insert(index, pool)


def _declare(model: Any, types: dict[str, Any]) -> None:
    """Give every hardware layer the result type that model.onnx declares: FINN infers 32 bits for each sum."""
    custom_op = import_module("qonnx.custom_op.registry").getCustomOp
    for node in model.graph.node:
        if node.domain == _HARDWARE and node.output[0] in types:
            layer = custom_op(node)
            for attribute in ("outputDataType", "out_dtype"):
                if attribute in layer.get_nodeattr_types():
                    layer.set_nodeattr(attribute, types[node.output[0]].name)


def convert(model: Any, _config: Any) -> Any:
    """A build step: every node becomes a hardware layer."""
    general = import_module("qonnx.transformation.general")
    infer_types = import_module("qonnx.transformation.infer_datatypes").InferDataTypes
    types = {output: model.get_tensor_datatype(output) for node in model.graph.node for output in node.output}
    _global_sums(model)
    for names in _CONVERSIONS:
        model = model.transform(_conversion(names))
        _declare(model, types)
        model = model.transform(infer_types())
    # Names are numbers in this order; folding.json goes by them.
    model = model.transform(general.SortGraph())
    return model.transform(general.GiveUniqueNodeNames())


def main() -> None:
    """Build."""
    os.chdir(_HERE)
    configuration = import_module("finn.builder.build_dataflow_config")
    config = configuration.DataflowBuildConfig.from_json(Path("dataflow_build_config.json").read_text())
    config.steps = [
        convert,
        "step_create_dataflow_partition",
        "step_specialize_layers",
        "step_apply_folding_config",
        "step_generate_estimate_reports",
    ]
    if config.generate_outputs != [configuration.DataflowOutputType.ESTIMATE_REPORTS]:
        standard = list(configuration.default_build_dataflow_steps)
        config.steps += standard[standard.index(config.steps[-1]) + 1 :]
    raise SystemExit(import_module("finn.builder.build_dataflow").build_dataflow_cfg("model.onnx", config))


if __name__ == "__main__":
    main()
