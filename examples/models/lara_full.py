"""Writes the temporal CNN of the LARa data set at its full size, fully binary, with random parameters.

    python examples/models/lara_full.py OUT.onnx [--time 200] [--channels 126] [--filters 64] [--hidden 128] [--seed 1]

Four convolutions of 5x1 along time, without padding or pooling, then two hidden dense layers and eight classes;
weights and activations are bipolar, the input has 8 bits. With the sizes of the OMoCap recordings the first dense layer
has 190 million weights: the file then has 760 MB. It shows a size, not a result: nothing is trained. Beside it,
OUT_io.npz holds eight random windows `x`.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

DOMAIN = "qonnx.custom_op.general"
CONVOLUTIONS, TAPS, CLASSES = 4, 5, 8


class Writer:
    """Collects nodes and initializers; every method returns the name of what it makes."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []

    def constant(self, name: str, value: NDArray[np.float32]) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op: str, name: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [name], name=f"{op}_{name}", domain=domain, **attributes))
        return name

    def sign(self, name: str, x: str, scale: float = 1.0) -> str:
        return self.node(
            "BipolarQuant", name, x, self.constant(f"{name}_scale", np.array(scale, np.float32)), domain=DOMAIN
        )

    def weights(self, name: str, *shape: int) -> str:
        values = self.random.standard_normal(shape, np.float32)
        return self.sign(f"{name}_signs", self.constant(name, values), scale=0.125)

    def normalized(self, name: str, x: str, channels: int, deviation: float) -> str:
        """BatchNorm with statistics near those of random signs, then the sign."""
        draw = self.random
        statistics = {
            "gamma": draw.uniform(0.5, 1.5, channels) * draw.choice((-1, 1), channels),
            "beta": draw.normal(0, 0.3, channels),
            "mean": draw.normal(0, 0.3 * deviation, channels),
            "variance": (deviation * draw.uniform(0.7, 1.3, channels)) ** 2,
        }
        names = [self.constant(f"{name}_{key}", value.astype(np.float32)) for key, value in statistics.items()]
        return self.sign(name, self.node("BatchNormalization", f"{name}_norm", x, *names, epsilon=1e-5))


def model(time: int, channels: int, filters: int, hidden: int, seed: int) -> onnx.ModelProto:
    """Input (1, 1, time, channels)."""
    writer = Writer(seed)
    scale = writer.constant("input_scale", np.array(1 / 32, np.float32))
    zero = writer.constant("zero", np.array(0, np.float32))
    bits = writer.constant("bits", np.array(8, np.float32))
    x = writer.node(
        "Quant", "input_quant", "x", scale, zero, bits, domain=DOMAIN, signed=1, narrow=0, rounding_mode="ROUND"
    )
    maps, length = 1, time
    for layer in range(CONVOLUTIONS):
        weights = writer.weights(f"conv{layer}_weights", filters, maps, TAPS, 1)
        x = writer.node("Conv", f"conv{layer}", x, weights, kernel_shape=[TAPS, 1])
        x = writer.normalized(f"act{layer}", x, filters, 0.125 * (maps * TAPS) ** 0.5)
        maps, length = filters, length - TAPS + 1
    x = writer.node("Flatten", "flat", x, axis=1)
    inputs = filters * length * channels
    for layer in range(2):
        x = writer.node("MatMul", f"dense{layer}", x, writer.weights(f"dense{layer}_weights", inputs, hidden))
        x = writer.normalized(f"hidden{layer}", x, hidden, 0.125 * inputs**0.5)
        inputs = hidden
    writer.node("MatMul", "scores", x, writer.weights("scores_weights", hidden, CLASSES))
    graph = helper.make_graph(
        writer.nodes,
        "lara_full",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, time, channels])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, CLASSES])],
        writer.initializers,
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="bhc")


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, metavar="OUT.onnx")
    parser.add_argument("--time", type=int, default=200, help="samples of a window")
    parser.add_argument("--channels", type=int, default=126, help="of the recording")
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sizes = arguments.time, arguments.channels, arguments.filters, arguments.hidden
    onnx.save(model(*sizes, arguments.seed), arguments.out)
    x = np.random.default_rng(arguments.seed + 1).standard_normal((8, 1, *sizes[:2]), np.float32)
    np.savez_compressed(arguments.out.with_name(f"{arguments.out.stem}_io.npz"), x=x)


if __name__ == "__main__":
    main()
