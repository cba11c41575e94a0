"""Builds small QONNX models node by node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

QONNX = "qonnx.custom_op.general"
QONNX_OPS = {"Quant", "IntQuant", "BipolarQuant", "Trunc"}


class Net:
    """A graph under construction; every method returns the name of the tensor that it makes."""

    def __init__(self, *shape: int, opset: int = 13, domain: str = QONNX, batch: int | str = 1) -> None:
        self.opset, self.domain = opset, domain
        self.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *shape])]
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, value: ArrayLike, dtype: Any = np.float32) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        made = [name, *(f"{name}_{i}" for i in range(1, outputs))]
        domain = self.domain if kind in QONNX_OPS else "bhc.custom_op" if kind == "TemporalDelta" else ""
        self.nodes.append(
            helper.make_node(kind, list(inputs), made, name=f"{kind}_{len(self.nodes)}", domain=domain, **attributes)
        )
        return name

    def quant(
        self,
        x: str,
        scale: ArrayLike = 1.0,
        bits: int = 8,
        zero_point: ArrayLike = 0.0,
        *,
        signed: bool = True,
        narrow: bool = False,
        rounding: str = "ROUND",
    ) -> str:
        constants = self.constant(scale), self.constant(zero_point), self.constant(float(bits))
        return self.op("Quant", x, *constants, signed=int(signed), narrow=int(narrow), rounding_mode=rounding)

    def sign(self, x: str, scale: ArrayLike = 1.0) -> str:
        return self.op("BipolarQuant", x, self.constant(scale))

    def delta(self, x: str, threshold: int, axis: int = 2, frames: int = 0) -> str:
        return self.op("TemporalDelta", x, axis=axis, frames=frames, threshold=threshold)

    def batch_norm(
        self,
        x: str,
        gamma: ArrayLike,
        beta: ArrayLike,
        mean: ArrayLike,
        variance: ArrayLike,
        epsilon: float = 1e-5,
    ) -> str:
        parameters = [self.constant(np.atleast_1d(np.asarray(v))) for v in (gamma, beta, mean, variance)]
        return self.op("BatchNormalization", x, *parameters, epsilon=epsilon)

    def weights(self, integers: NDArray[np.integer], scale: ArrayLike = 1.0, bits: int = 4) -> str:
        """Integers behind a weight quantizer."""
        s = np.asarray(scale, np.float32)
        return self.quant(self.constant(np.asarray(integers, np.float32) * s), s, bits)

    def ints(self, *values: int) -> str:
        return self.constant(list(values), np.int64)

    def model(self, *outputs: str) -> onnx.ModelProto:
        infos = [helper.make_empty_tensor_value_info(name) for name in outputs]
        for info in infos:
            info.type.tensor_type.elem_type = TensorProto.FLOAT
        graph = helper.make_graph(self.nodes, "net", self.inputs, infos, self.initializers)
        opsets = [helper.make_opsetid("", self.opset)]
        if self.domain:
            opsets.append(helper.make_opsetid(self.domain, 1))
        if any(node.domain == "bhc.custom_op" for node in self.nodes):
            opsets.append(helper.make_opsetid("bhc.custom_op", 1))
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def save(self, folder: Path, *outputs: str) -> Path:
        path = folder / "net.onnx"
        onnx.save(self.model(*outputs), path)
        return path
