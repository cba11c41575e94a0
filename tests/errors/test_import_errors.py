"""What a user reads for every kind of broken model: the whole message, as a golden file.

One file a case, `<code>_<case>.txt`, beside this module; `pytest --update-golden` rewrites them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bhc.diagnostics import BhcError
from bhc.frontend import load
from bhc.frontend.importer import SUPPORTED
from tests.frontend.net import Net

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

Case = Callable[[Path], Path]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    """Register a function that makes a broken file in a folder."""
    CASES[function.__name__] = function
    return function


def small() -> tuple[Net, str]:
    """A net with a quantized input (3, 8)."""
    net = Net(3, 8)
    return net, net.quant("x", 0.5, 4)


def weights(*shape: int) -> np.ndarray:
    return np.ones(shape, np.int64)


# ---------------------------------------------------------------- the file


@case
def bhc100_no_such_file(folder: Path) -> Path:
    return folder / "absent.onnx"


@case
def bhc101_truncated(folder: Path) -> Path:
    net, x = small()
    path = net.save(folder, net.sign(net.op("Conv", x, net.weights(weights(4, 3, 3)))))
    path.write_bytes(path.read_bytes()[:200])
    return path


@case
def bhc101_not_onnx(folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_text("a text file, not a model\n")
    return path


@case
def bhc101_empty(folder: Path) -> Path:
    path = folder / "net.onnx"
    path.write_bytes(b"")
    return path


@case
def bhc102_external_data_missing(folder: Path) -> Path:
    net, x = small()
    model = net.model(net.sign(net.op("Conv", x, net.weights(weights(4, 3, 3)))))
    path = folder / "net.onnx"
    onnx.save(model, path, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    (folder / "net.onnx.data").unlink()
    return path


@case
def bhc103_initializer_too_short(folder: Path) -> Path:
    net, x = small()
    model = net.model(net.sign(net.op("Conv", x, net.weights(weights(4, 3, 3)))))
    tensor = next(t for t in model.graph.initializer if list(t.dims) == [4, 3, 3])
    tensor.raw_data = tensor.raw_data[:40]
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


@case
def bhc104_unknown_domain(folder: Path) -> Path:
    net, x = small()
    net.nodes.append(helper.make_node("Spike", [x], ["y"], name="Spike_1", domain="com.example"))
    return net.save(folder, "y")


@case
def bhc105_opset(folder: Path) -> Path:
    net = Net(3, 8, opset=7)
    return net.save(folder, net.sign(net.quant("x")))


@case
def bhc106_missing_initializer(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.sign(net.op("Conv", x, "weights_that_are_not_there")))


@case
def bhc106_missing_output(folder: Path) -> Path:
    net, x = small()
    net.sign(x)
    return net.save(folder, "logits")


@case
def bhc107_nan(folder: Path) -> Path:
    net, x = small()
    gamma = np.array([1.0, np.nan, 1.0])
    return net.save(folder, net.sign(net.batch_norm(x, gamma, np.zeros(3), np.zeros(3), np.ones(3))))


@case
def bhc107_infinite_weight(folder: Path) -> Path:
    net, x = small()
    w = np.ones((4, 3, 3))
    w[1, 2, 0] = np.inf
    return net.save(folder, net.op("Conv", x, net.quant(net.constant(w), 1.0, 2)))


@case
def bhc107_division_of_constants(folder: Path) -> Path:
    net, x = small()
    scale = net.op("Div", net.constant(1.0), net.constant(0.0))
    return net.save(folder, net.op("Mul", x, scale))


@case
def bhc108_metadata(folder: Path) -> Path:
    net, x = small()
    model = net.model(net.op("GlobalAveragePool", x))
    model.metadata_props.add(key="bhc.classes", value="walking, standing")
    onnx.save(model, folder / "net.onnx")
    return folder / "net.onnx"


# ---------------------------------------------------------------- inputs and operators


@case
def bhc205_delta_of_an_accumulator(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.sign(net.delta(net.op("Conv", x, net.weights(weights(4, 3, 3))), 2)))


@case
def bhc206_delta_of_several_scales(folder: Path) -> Path:
    net, x = small()
    x = net.op("Conv", x, net.weights(weights(3, 3, 3)))
    x = net.quant(x, np.array([1.0, 0.5, 0.5]).reshape(1, 3, 1), 4)
    return net.save(folder, net.op("Conv", net.delta(x, 2), net.weights(weights(4, 3, 3))))


@case
def bhc210_delta_along_the_width(folder: Path) -> Path:
    net = Net(3, 8, 4)
    x = net.delta(net.quant("x", 0.5, 4), 2, axis=3)
    return net.save(folder, net.op("Conv", x, net.weights(weights(4, 3, 3, 3))))


@case
def bhc211_delta_of_clips(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.op("Conv", net.delta(x, 2, axis=0, frames=16), net.weights(weights(4, 3, 3))))


@case
def bhc211_delta_along_no_axis(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.op("Conv", net.delta(x, 2, axis=3), net.weights(weights(4, 3, 3))))


@case
def bhc200_unknown_operator(folder: Path) -> Path:
    net, x = small()
    x = net.op(
        "Conv",
        net.op("InstanceNormalization", x, net.constant([1.0] * 3), net.constant([0.0] * 3)),
        net.weights(weights(4, 3, 3)),
    )
    return net.save(folder, net.op("Einsum", x, equation="bct->bc"))


@case
def bhc200_product_of_activations(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.op("Mul", x, net.sign(x)))


@case
def bhc201_two_inputs(folder: Path) -> Path:
    net, x = small()
    net.inputs.append(helper.make_tensor_value_info("gyroscope", TensorProto.FLOAT, [1, 3, 8]))
    return net.save(folder, net.sign(x))


@case
def bhc202_dynamic_time(folder: Path) -> Path:
    net = Net(3, 8)
    net.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, "time"])]
    return net.save(folder, net.sign(net.quant("x")))


@case
def bhc202_fixed_batch(folder: Path) -> Path:
    net = Net(3, 8, batch=32)
    return net.save(folder, net.sign(net.quant("x")))


@case
def bhc203_float_weights(folder: Path) -> Path:
    net, x = small()
    w = np.random.default_rng(1).normal(0, 1, (4, 3, 3)).astype(np.float32)
    return net.save(folder, net.sign(net.op("Conv", x, net.constant(w))))


@case
def bhc204_weights_not_constant(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.op("Conv", x, net.sign(x)))


@case
def bhc204_scale_not_constant(folder: Path) -> Path:
    net, x = small()
    scale = net.op("ReduceMax", x, axes=[2])
    return net.save(folder, net.op("Quant", x, scale, net.constant(0.0), net.constant(4.0)))


@case
def bhc205_float_input(folder: Path) -> Path:
    net = Net(3, 8)
    return net.save(folder, net.sign(net.op("Conv", "x", net.weights(weights(4, 3, 3)))))


@case
def bhc205_float_activation(folder: Path) -> Path:
    net, x = small()
    x = net.op("Conv", x, net.weights(weights(4, 3, 3)))
    x = net.op("Relu", net.batch_norm(x, [0.3] * 4, [0.1] * 4, [0.2] * 4, [2.0] * 4))
    return net.save(folder, net.op("Conv", x, net.weights(weights(2, 4, 3))))


@case
def bhc206_zero_scale(folder: Path) -> Path:
    net, x = small()
    x = net.op("Conv", x, net.weights(weights(4, 3, 3)))
    return net.save(folder, net.quant(x, [[[0.5], [0.0], [0.25], [1.0]]], 4))


@case
def bhc207_bit_width(folder: Path) -> Path:
    net, x = small()
    constants = net.constant(0.5), net.constant(0.0), net.constant(2.5)
    return net.save(folder, net.op("Quant", x, *constants, signed=1, narrow=0))


@case
def bhc208_unequal_scales(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.op("Add", net.quant(x, 0.3, 4), net.quant(x, 0.7, 4)))


@case
def bhc208_unequal_input_channels(folder: Path) -> Path:
    net, x = small()
    x = net.op("Mul", x, net.constant([[0.1], [0.37], [0.9]]))
    return net.save(folder, net.op("Conv", x, net.weights(weights(4, 3, 3))))


@case
def bhc209_padding_value(folder: Path) -> Path:
    net, x = small()
    x = net.op("Pad", net.sign(x), net.ints(0, 0, 1, 0, 0, 1), net.constant(0.5))
    return net.save(folder, net.op("Conv", x, net.weights(weights(4, 3, 3))))


@case
def bhc210_reinterpreted(folder: Path) -> Path:
    net, x = small()
    x = net.sign(net.op("Conv", x, net.weights(weights(4, 3, 3))))
    x = net.op("Reshape", x, net.ints(1, 6, 4))
    return net.save(folder, net.op("Conv", x, net.weights(weights(2, 6, 2))))


@case
def bhc211_training_mode(folder: Path) -> Path:
    net, x = small()
    parameters = [net.constant(v) for v in ([1.0] * 3, [0.0] * 3, [0.0] * 3, [1.0] * 3)]
    x = net.op("BatchNormalization", x, *parameters, outputs=3, training_mode=1)
    return net.save(folder, net.sign(x))


@case
def bhc211_rounding_mode(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.quant(x, 1.0, 2, rounding="STOCHASTIC"))


@case
def bhc211_average_pool_borders(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.op("AveragePool", x, kernel_shape=[3], pads=[1, 1]))


@case
def bhc212_constant_for_each_position(folder: Path) -> Path:
    net, x = small()
    x = net.op("Flatten", net.op("Conv", x, net.weights(weights(4, 3, 3))))
    return net.save(folder, net.sign(net.batch_norm(x, np.arange(24), np.zeros(24), np.zeros(24), np.ones(24))))


@case
def bhc213_negative_variance(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.sign(net.batch_norm(x, [1.0] * 3, [0.0] * 3, [0.0] * 3, [1.0, -0.5, 1.0])))


@case
def bhc214_shapes(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.op("Conv", x, net.weights(weights(4, 5, 3))))


@case
def bhc214_window_too_long(folder: Path) -> Path:
    net, x = small()
    return net.save(folder, net.op("Conv", x, net.weights(weights(4, 3, 9))))


@case
def bhc216_two_input_quantizers(folder: Path) -> Path:
    net = Net(3, 8)
    return net.save(folder, net.op("Concat", net.quant("x", 0.5), net.quant("x", 0.25), axis=1))


@case
def bhc217_nothing_for_the_hardware(folder: Path) -> Path:
    net = Net(3, 8)
    return net.save(folder, net.op("Softmax", "x", axis=-1))


@case
def bhc219_too_many_levels(folder: Path) -> Path:
    net = Net(3, 8)
    x = net.op("Conv", net.quant("x", 1.0, 24), net.weights(weights(4, 3, 3)))
    return net.save(folder, net.quant(x, 1.0, 24))


@case
def several_at_once(folder: Path) -> Path:
    """Everything that is wrong is told, and nothing that only follows from it."""
    net, x = small()
    a = net.op("Conv", x, net.constant(np.random.default_rng(1).normal(0, 1, (4, 3, 3))))
    b = net.op("Conv", x, net.weights(weights(4, 5, 3)))
    c = net.op("Elu", net.op("Add", a, b))
    return net.save(folder, net.op("Concat", c, net.quant(x, 0.0, 4), axis=1))


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, tmp_path: Path, update_golden: bool) -> None:
    with pytest.raises(BhcError) as caught:
        load(CASES[name](tmp_path))
    text = f"{caught.value}\n"
    golden = HERE / f"{name}.txt"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text()
    codes = {d.code for d in caught.value.diagnostics}
    if name.startswith("bhc"):
        assert codes == {name[:6].upper()}


def test_every_code_is_documented_and_tested() -> None:
    """Codes in the importer's source, in docs/diagnostics.md and in the cases above."""
    used = {
        c
        for path in (ROOT / "frontend").glob("*.py")
        for c in re.findall(r'fail\(\s*"(BHC\d+)"|Diagnostic\(\s*"(BHC\d+)"', path.read_text())
    }
    codes = {a or b for a, b in used}
    documented = set(re.findall(r"BHC[12]\d\d", (ROOT / "docs" / "diagnostics.md").read_text()))
    # Found only without onnxruntime, and not known to be reachable.
    untestable = {"BHC120", "BHC218"}
    tested = {name[:6].upper() for name in CASES if name.startswith("bhc")}
    assert codes == documented == tested | untestable


def test_every_operator_is_documented() -> None:
    text = (ROOT / "docs" / "exactness.md").read_text()
    assert [op for op in sorted(SUPPORTED) if not re.search(rf"\b{op}\b", text)] == []
