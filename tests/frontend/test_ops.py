"""Every operator that the importer takes, in small nets, against rational arithmetic at every stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bhc.frontend import load
from bhc.frontend.reference import Executor, verify
from bhc.ir.evaluate import evaluate
from bhc.ir.ops import Argmax, Conv, Dense, Hold, MaxPool, Pad, SumPool, Threshold
from tests.frontend.compare import assert_exact
from tests.frontend.net import QONNX, Net


def ints(rng: np.random.Generator, *shape: int, low: int = -3, high: int = 3) -> NDArray[np.int64]:
    return rng.integers(low, high + 1, shape)


def bipolars(rng: np.random.Generator, *shape: int) -> NDArray[np.int64]:
    return 2 * rng.integers(0, 2, shape) - 1


def norm(net: Net, rng: np.random.Generator, x: str, channels: int) -> str:
    """A BatchNorm with negative and zero gammas."""
    gamma = rng.normal(0, 1, channels)
    gamma[0] = 0
    return net.batch_norm(
        x, gamma, rng.normal(0, 1, channels), rng.normal(0, 5, channels), rng.uniform(1, 50, channels)
    )


def start(*shape: int, bits: int = 4, scale: float = 0.5) -> tuple[Net, str]:
    net = Net(*shape)
    return net, net.quant("x", scale, bits)


def run(net: Net, folder: Path, *outputs: str) -> None:
    shape = tuple(d.dim_value for d in net.inputs[0].type.tensor_type.shape.dim)[1:]
    x = np.random.default_rng(5).integers(-9, 10, (3, *shape)) * 0.5
    x[0] = 0
    assert_exact(net, folder, x.astype(np.float32), *outputs)


# ---------------------------------------------------------------- convolutions


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2]},
        {"dilations": [2]},
        {"pads": [2, 0]},
        {"pads": [1, 2], "strides": [2], "dilations": [2]},
        {"auto_pad": "SAME_UPPER", "strides": [2]},
        {"auto_pad": "SAME_LOWER"},
        {"auto_pad": "VALID"},
        {"group": 2},
        {"group": 4, "pads": [1, 1]},
    ],
    ids=str,
)
@pytest.mark.parametrize("bipolar", [False, True])
def test_conv_1d(attributes: dict[str, Any], bipolar: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    net, x = start(4, 9)
    if bipolar:
        x = net.sign(x)
    w = net.weights(ints(rng, 8, 4 // int(attributes.get("group", 1)), 3), [[[s]] for s in rng.uniform(0.1, 1, 8)])
    x = net.op("Conv", x, w, net.constant(rng.normal(0, 1, 8)), **attributes)
    x = net.quant(norm(net, rng, x, 8), 0.3, 3)
    run(net, tmp_path, net.op("Identity", x))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [0, 1, 2, 0]},
        {"strides": [2, 1], "dilations": [1, 2]},
        {"auto_pad": "SAME_UPPER"},
        {"group": 2},
    ],
    ids=str,
)
def test_conv_2d(attributes: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    net, x = start(2, 6, 5)
    w = net.weights(ints(rng, 4, 2 // int(attributes.get("group", 1)), 3, 2), 0.25)
    x = net.sign(norm(net, rng, net.op("Conv", x, w, **attributes), 4))
    run(net, tmp_path, net.op("Flatten", x))


@pytest.mark.parametrize("shape", [(3, 8, 1), (3, 1, 8)])
def test_conv_2d_on_one_dimensional_data(shape: tuple[int, ...], tmp_path: Path) -> None:
    """The IR works on (T, C), wherever the ONNX file puts the time."""
    rng = np.random.default_rng(3)
    net, x = start(*shape)
    time = 0 if shape[1] > 1 else 1
    kernel = (3, 1) if time == 0 else (1, 3)
    pads = [1, 0, 1, 0] if time == 0 else [0, 1, 0, 1]
    x = net.op("Conv", x, net.weights(ints(rng, 4, 3, *kernel)), pads=pads)
    x = net.op(
        "MaxPool",
        net.sign(x),
        kernel_shape=[2, 1] if time == 0 else [1, 2],
        strides=[2, 2],
    )
    x = net.op("Conv", x, net.weights(ints(rng, 2, 4, 3, 3)), pads=[1, 1, 1, 1])
    path = net.save(tmp_path, net.op("Flatten", net.sign(x)))
    model = load(path)
    assert model.head.shape == (8, 3)
    assert all(len(node.type.shape) <= 2 for node in model.graph.nodes)
    assert all(node.op.kernel[1] == 1 for node in model.graph.nodes if isinstance(node.op, Conv))
    run(net, tmp_path, net.nodes[-1].output[0])


def test_conv_of_a_conv_without_quantizer(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    net, x = start(3, 7)
    x = net.op("Conv", x, net.weights(ints(rng, 3, 1, 3), [[[0.5]], [[0.25]], [[1.5]]]), group=3)
    x = net.op("Conv", x, net.weights(ints(rng, 5, 3, 1), 0.1))
    run(net, tmp_path, net.sign(x))


@pytest.mark.parametrize("signed", [False, True])
def test_zero_points(signed: bool, tmp_path: Path) -> None:
    """Asymmetric activations and weights; zero padding is the zero point."""
    rng = np.random.default_rng(5)
    net = Net(3, 8)
    x = net.quant("x", 0.5, 4, 3.0, signed=signed)
    w = net.quant(net.constant(ints(rng, 4, 3, 3) * 0.25), 0.25, 3, 1.0)
    x = net.op("Conv", x, w, pads=[1, 1])
    x = net.quant(x, 0.75, 3, -2.0, signed=signed)
    w = net.quant(net.constant(ints(rng, 4, 4, 3) * 0.25), 0.25, 3, 0.5)
    run(net, tmp_path, net.op("Conv", x, w, pads=[2, 0]))


def test_fractional_zero_point_without_padding(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    net = Net(3, 8)
    x = net.quant("x", 0.5, 4, 0.5)
    x = net.op("Conv", x, net.weights(ints(rng, 4, 3, 3)))
    run(net, tmp_path, net.quant(x, 0.7, 3, 0.25))


def test_input_channels_of_different_scales(tmp_path: Path) -> None:
    """Scales in small ratios fold into the weights; a depthwise convolution takes any."""
    rng = np.random.default_rng(7)
    net, x = start(3, 6)
    x = net.op("Mul", x, net.constant([[[0.5], [1.5], [-1.0]]]))
    y = net.op("Conv", x, net.weights(ints(rng, 2, 3, 3), 0.3))
    net.sign(y)
    x = net.op("Mul", x, net.constant([[[0.123], [0.77], [-1.9]]]))
    x = net.op("Conv", x, net.weights(ints(rng, 3, 1, 3), [[[0.1]], [[0.2]], [[0.7]]]), group=3)
    run(net, tmp_path, net.sign(x), y)


def test_weights_with_a_scale_for_each_input_channel(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    net, x = start(3, 6)
    w = net.weights(ints(rng, 4, 3, 2), np.array([0.25, 0.5, 0.75]).reshape(1, 3, 1))
    run(net, tmp_path, net.sign(net.op("Conv", x, w)))


def test_integer_valued_weights_need_no_quantizer(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    net, x = start(3, 6)
    run(net, tmp_path, net.sign(net.op("Conv", x, net.constant(bipolars(rng, 4, 3, 2) * 0.125))))


def test_bipolar_zero_weight_is_plus_one(tmp_path: Path) -> None:
    net, x = start(4)
    w = net.sign(net.constant([[0.0, -0.0, 1.0, -1.0]]), 0.5)
    run(net, tmp_path, net.op("Gemm", x, w, transB=1))


# ---------------------------------------------------------------- products


def test_gemm(tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    net, x = start(6)
    w = net.weights(ints(rng, 6, 5), 0.5)
    x = net.op("Gemm", x, w, net.constant(rng.normal(0, 1, 5)), alpha=0.5, beta=2.0)
    x = net.quant(x, 0.5, 3)
    x = net.op("Gemm", x, net.weights(ints(rng, 4, 5), 0.5), transB=1)
    run(net, tmp_path, x)


@pytest.mark.parametrize("left", [False, True])
def test_matmul_over_time(left: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    net, x = start(3, 7)
    if left:
        x = net.op("MatMul", net.weights(ints(rng, 5, 3), 0.5), x)
    else:
        x = net.op("Transpose", x, perm=[0, 2, 1])
        x = net.op("MatMul", x, net.weights(ints(rng, 3, 5), [[0.1, 0.2, 0.3, 0.4, 0.5]]))
        x = net.op("Add", x, net.constant(rng.normal(0, 1, 5)))
        x = net.sign(x)
        x = net.op("MatMul", x, net.op("Transpose", net.weights(ints(rng, 4, 5)), perm=[1, 0]))
    x = net.sign(x, 0.5)
    x = net.op("Flatten", x)
    run(net, tmp_path, net.op("MatMul", x, net.weights(ints(rng, 28 if not left else 35, 2))))


def test_weights_behind_views(tmp_path: Path) -> None:
    rng = np.random.default_rng(12)
    net, x = start(3, 6)
    w = net.weights(ints(rng, 2, 3, 4), [[[0.1]], [[0.3]]])
    w = net.op("Reshape", net.op("Transpose", w, perm=[0, 2, 1]), net.ints(8, 3))
    x = net.op("MatMul", net.op("Transpose", x, perm=[0, 2, 1]), net.op("Transpose", w, perm=[1, 0]))
    run(net, tmp_path, net.sign(x))


# ---------------------------------------------------------------- functions before the quantizer


@pytest.mark.parametrize(
    "order",
    ["norm pool", "pool norm", "norm relu pool", "pool relu norm", "norm pool norm", "norm pool norm pool"],
)
def test_max_pool_among_functions(order: str, tmp_path: Path) -> None:
    """Pools commute with what follows only where that increases; gammas of both signs."""
    rng = np.random.default_rng(13)
    net, x = start(3, 12)
    x = net.op("Conv", x, net.weights(ints(rng, 4, 3, 3)))
    for what in order.split():
        match what:
            case "norm":
                x = norm(net, rng, x, 4)
            case "pool":
                x = net.op("MaxPool", x, kernel_shape=[2], strides=[2])
            case _:
                x = net.op("Relu", x)
    x = net.quant(x, 0.25, 3)
    run(net, tmp_path, net.op("Flatten", x))


@pytest.mark.parametrize("order", ["abs", "prelu", "abs pool", "pool prelu", "prelu abs pool"])
@pytest.mark.parametrize("bipolar", [False, True])
def test_functions_that_turn_round(order: str, bipolar: bool, tmp_path: Path) -> None:
    """Functions that fall and rise are sums of a falling and a rising step function."""
    rng = np.random.default_rng(33)
    net, x = start(3, 12)
    x = norm(net, rng, net.op("Conv", x, net.weights(ints(rng, 4, 3, 3))), 4)
    for what in order.split():
        match what:
            case "abs":
                x = net.op("Sub", net.op("Abs", x), net.constant(0.5))
            case "prelu":
                x = net.op("PRelu", x, net.constant([[-0.5], [0.25], [-2.0], [0.0]]))
            case _:
                x = net.op("MaxPool", x, kernel_shape=[2], strides=[2])
    x = net.sign(x) if bipolar else net.quant(x, 0.25, 3)
    run(net, tmp_path, net.op("Conv", x, net.weights(ints(rng, 2, 4, 3))))


def test_sign_with_zero(tmp_path: Path) -> None:
    """ONNX Sign has three values; between integers that never hit zero it has two."""
    rng = np.random.default_rng(14)
    net, x = start(3, 6)
    x = net.op("Sign", net.op("Conv", x, net.weights(ints(rng, 4, 3, 2))))
    x = net.op("Conv", x, net.weights(ints(rng, 4, 4, 2)))
    x = net.op("Sign", net.op("Add", x, net.constant(0.25)))
    path = net.save(tmp_path, net.op("Conv", x, net.weights(ints(rng, 4, 4, 2))))
    thresholds = [node for node in load(path).graph.nodes if isinstance(node.op, Threshold)]
    assert [node.type.bipolar for node in thresholds] == [False, True]
    run(net, tmp_path, net.nodes[-1].output[0])


@pytest.mark.parametrize("mode", ["FLOOR", "ROUND", "CEIL"])
@pytest.mark.parametrize("zero_point", [0.0, 2.0])
def test_trunc(mode: str, zero_point: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(15)
    net = Net(3, 8)
    x = net.quant("x", 0.25, 6, zero_point)
    scale, zero = net.constant(0.25), net.constant(zero_point)
    x = net.op("Trunc", x, scale, zero, net.constant(6.0), net.constant(3.0), rounding_mode=mode)
    y = net.quant(x, 0.5, 3)
    z = net.op("Conv", x, net.weights(ints(rng, 2, 3, 3)), pads=[1, 1])
    run(net, tmp_path, net.op("Identity", y), z)


def test_average_then_trunc(tmp_path: Path) -> None:
    net, x = start(3, 8)
    x = net.op("Mul", net.op("AveragePool", x, kernel_shape=[4], strides=[4]), net.constant(4.0))
    x = net.op(
        "Trunc",
        x,
        net.constant(0.5),
        net.constant(0.0),
        net.constant(6.0),
        net.constant(4.0),
        rounding_mode="FLOOR",
    )
    run(net, tmp_path, net.quant(x, 0.5, 4))


def test_requantization(tmp_path: Path) -> None:
    """To a coarser grid, and to the same one, which costs nothing."""
    net, x = start(3, 8)
    x = net.quant(net.op("MaxPool", x, kernel_shape=[2], strides=[2]), 0.5, 4)
    x = net.quant(x, 1.5, 3)
    path = net.save(tmp_path, net.op("Identity", x))
    assert [type(node.op) for node in load(path).graph.nodes] == [MaxPool, Threshold]
    run(net, tmp_path, net.nodes[-1].output[0])


def test_relu_of_a_sum_without_quantizer(tmp_path: Path) -> None:
    rng = np.random.default_rng(16)
    net, x = start(3, 8)
    x = net.op("Relu", net.op("Add", x, net.quant(net.op("Neg", x), 0.5, 3)))
    x = net.op("GlobalAveragePool", x)
    run(net, tmp_path, net.op("Gemm", net.op("Flatten", x), net.weights(ints(rng, 3, 2))))


def test_scale_by_a_quantized_constant(tmp_path: Path) -> None:
    net, x = start(3, 8)
    x = net.op("Mul", x, net.weights(np.array([[[1], [-2], [3]]]), 0.1))
    run(net, tmp_path, net.quant(x, 0.1, 4))


# ---------------------------------------------------------------- pools and sums


@pytest.mark.parametrize(
    "attributes",
    [
        {"kernel_shape": [2], "strides": [2]},
        {"kernel_shape": [3], "strides": [2], "ceil_mode": 1},
        {"kernel_shape": [3], "pads": [1, 1]},
        {"kernel_shape": [3], "dilations": [2], "pads": [1, 2]},
        {"kernel_shape": [2], "strides": [3]},
    ],
    ids=str,
)
@pytest.mark.parametrize("bipolar", [False, True])
def test_max_pool(attributes: dict[str, Any], bipolar: bool, tmp_path: Path) -> None:
    net, x = start(3, 10)
    if bipolar:
        x = net.sign(x, 0.5)
    run(net, tmp_path, net.op("MaxPool", x, **attributes))


@pytest.mark.parametrize(
    "attributes",
    [{"kernel_shape": [2], "strides": [2]}, {"kernel_shape": [3], "pads": [1, 1], "count_include_pad": 1}],
    ids=str,
)
def test_average_pool(attributes: dict[str, Any], tmp_path: Path) -> None:
    net, x = start(3, 10)
    x = net.op("AveragePool", x, **attributes)
    run(net, tmp_path, net.quant(x, 0.4, 4))


def test_average_of_normalized_accumulators(tmp_path: Path) -> None:
    """A mean commutes with a normalization: the sum is of integers."""
    rng = np.random.default_rng(17)
    net, x = start(3, 10)
    x = norm(net, rng, net.op("Conv", x, net.weights(ints(rng, 4, 3, 3))), 4)
    x = net.op("GlobalAveragePool", x)
    run(net, tmp_path, net.op("Flatten", net.sign(x)))


@pytest.mark.parametrize("axes", [(2,), (3,), (2, 3), (1,), (1, 3), (1, 2, 3)])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_reduce(axes: tuple[int, ...], keepdims: int, tmp_path: Path) -> None:
    net, x = start(2, 4, 3)
    x = net.op("ReduceSum", x, net.ints(*axes), keepdims=keepdims)
    run(net, tmp_path, net.quant(x, 1.5, 3))


@pytest.mark.parametrize("op", ["ReduceMean", "ReduceMax"])
def test_reduce_over_time(op: str, tmp_path: Path) -> None:
    net, x = start(3, 8)
    x = net.op(op, x, axes=[2], keepdims=0)
    run(net, tmp_path, net.quant(x, 0.25, 4))


def test_global_pools(tmp_path: Path) -> None:
    net, x = start(3, 4, 5)
    a, b = net.op("GlobalAveragePool", x), net.op("GlobalMaxPool", x)
    run(net, tmp_path, net.quant(a, 0.25, 4), net.op("Flatten", b))


# ---------------------------------------------------------------- joins


@pytest.mark.parametrize("scales", [(0.5, 0.5), (0.5, 0.25), (0.75, 0.5), (0.1, 0.1)])
@pytest.mark.parametrize("op", ["Add", "Sub"])
def test_residual(scales: tuple[float, float], op: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(18)
    net, x = start(4, 8)
    body = net.op("Conv", x, net.weights(ints(rng, 4, 4, 3)), pads=[1, 1])
    a, b = net.quant(norm(net, rng, body, 4), scales[0], 3, 1.0), net.quant(x, scales[1], 4, -1.5)
    x = net.op(op, a, b)
    run(net, tmp_path, net.quant(net.op("Relu", x), 0.5, 3))


def test_sum_of_signs(tmp_path: Path) -> None:
    net, x = start(4, 8)
    a, b = net.sign(x, 0.5), net.sign(net.op("Sub", x, net.constant(1.0)), 1.5)
    run(net, tmp_path, net.op("GlobalAveragePool", net.op("Add", a, b)))


def test_concat_of_different_scales(tmp_path: Path) -> None:
    rng = np.random.default_rng(19)
    net, x = start(3, 8)
    parts = [net.quant(x, 0.5, 3), net.sign(x, 0.25), net.op("MaxPool", x, kernel_shape=[3], pads=[1, 1])]
    x = net.op("Concat", *parts, axis=1)
    run(net, tmp_path, net.op("Conv", x, net.weights(ints(rng, 4, 9, 3)), pads=[1, 1]))


def test_concat_of_vectors(tmp_path: Path) -> None:
    rng = np.random.default_rng(20)
    net, x = start(6)
    a = net.sign(net.op("Gemm", x, net.weights(ints(rng, 6, 5))))
    b = net.sign(net.op("Gemm", x, net.weights(ints(rng, 6, 3))))
    run(net, tmp_path, net.op("Gemm", net.op("Concat", a, b, axis=1), net.weights(ints(rng, 8, 2))))


def test_split_and_shuffle(tmp_path: Path) -> None:
    """Branches over some channels, joined in another order."""
    rng = np.random.default_rng(21)
    net, x = start(6, 8)
    first = net.op("Split", x, net.ints(2, 4), outputs=2, axis=1)
    a = net.sign(net.op("Conv", first, net.weights(ints(rng, 2, 2, 3)), pads=[1, 1]))
    b = net.sign(net.op("Conv", f"{first}_1", net.weights(ints(rng, 4, 2, 3)), pads=[1, 1], group=2))
    x = net.op("Concat", b, a, axis=1)
    x = net.op("Reshape", x, net.ints(0, 2, 3, 8))
    x = net.op("Reshape", net.op("Transpose", x, perm=[0, 2, 1, 3]), net.ints(1, 6, 8))
    run(net, tmp_path, net.op("Conv", x, net.weights(ints(rng, 2, 6, 3))))


# ---------------------------------------------------------------- moving elements


@pytest.mark.parametrize("form", ["flatten", "reshape", "transposed", "squeezed"])
def test_dense_after(form: str, tmp_path: Path) -> None:
    """The weights follow the order of the stream, which is time-major, channel-last."""
    rng = np.random.default_rng(22)
    net, x = start(3, 5)
    x = net.sign(net.op("Conv", x, net.weights(ints(rng, 4, 3, 2))))
    match form:
        case "flatten":
            x = net.op("Flatten", x)
        case "reshape":
            x = net.op("Reshape", x, net.ints(1, -1))
        case "transposed":
            x = net.op("Flatten", net.op("Transpose", x, perm=[0, 2, 1]))
        case _:
            x = net.op("Squeeze", net.op("Unsqueeze", x, net.ints(2)), net.ints(2))
            x = net.op("Reshape", x, net.ints(0, 16))
    run(net, tmp_path, net.op("Gemm", x, net.weights(ints(rng, 16, 3))))


def test_channels_last_file(tmp_path: Path) -> None:
    """An input (T, C), transposed before each convolution and back after it."""
    rng = np.random.default_rng(23)
    net = Net(9, 3)
    x = net.quant("x", 0.5, 4)
    for m, c in ((4, 3), (5, 4)):
        x = net.op("Conv", net.op("Transpose", x, perm=[0, 2, 1]), net.weights(ints(rng, m, c, 3)))
        x = net.op("Transpose", x, perm=[0, 2, 1])
        x = net.op("Mul", x, net.constant(rng.normal(0, 1, m)))
        x = net.sign(net.op("Add", x, net.constant(rng.normal(0, 1, m))))
    x = net.op("ReduceMean", x, axes=[1], keepdims=0)
    run(net, tmp_path, net.op("MatMul", x, net.weights(ints(rng, 5, 2))))


@pytest.mark.parametrize("value", [0.0, 0.5, -1.0])
def test_pad_before_conv(value: float, tmp_path: Path) -> None:
    rng = np.random.default_rng(24)
    net, x = start(3, 6)
    x = net.op("Pad", x, net.ints(0, 0, 2, 0, 0, 1), net.constant(value))
    path = net.save(tmp_path, net.op("Conv", x, net.weights(ints(rng, 2, 3, 3)), pads=[1, 0]))
    pads = [node for node in load(path).graph.nodes if isinstance(node.op, Pad)]
    assert len(pads) == (value != 0)
    run(net, tmp_path, net.nodes[-1].output[0])


@pytest.mark.parametrize("value", [0.0, -1.0, 1.0])
def test_pad_of_bipolar_values(value: float, tmp_path: Path) -> None:
    """Zeros are no bipolar value: the convolution itself pads with them. Ones are."""
    rng = np.random.default_rng(25)
    net, x = start(3, 6)
    x = net.op("Pad", net.sign(x), net.ints(0, 0, 2, 0, 0, 1), net.constant(value))
    run(net, tmp_path, net.op("Conv", x, net.weights(bipolars(rng, 2, 3, 3))))


def test_pad_then_quantize(tmp_path: Path) -> None:
    rng = np.random.default_rng(26)
    net, x = start(3, 6)
    x = net.quant(net.op("Pad", x, net.ints(0, 0, 2, 0, 0, 1), net.constant(0.7)), 0.5, 3)
    run(net, tmp_path, net.op("Conv", x, net.weights(ints(rng, 2, 3, 3))))


@pytest.mark.parametrize("value", [-100.0, 0.5])
def test_pad_before_max_pool(value: float, tmp_path: Path) -> None:
    net, x = start(3, 6)
    x = net.op("Pad", x, net.ints(0, 0, 1, 0, 0, 1), net.constant(value))
    run(net, tmp_path, net.op("MaxPool", x, kernel_shape=[2], strides=[2]))


@pytest.mark.parametrize("scale", [1.0, -0.5])
def test_pad_before_dense_and_before_wide_pools(scale: float, tmp_path: Path) -> None:
    """Padding that reaches a dense layer is a constant; two paddings, and padding wider than a pooling window."""
    rng = np.random.default_rng(35)
    net, x = start(3, 4)
    x = net.op("Mul", x, net.constant(scale))
    x = net.op("Pad", x, net.ints(0, 0, 2, 0, 0, 3), net.constant(-4.0 if scale > 0 else -1.75))
    pooled = net.op("MaxPool", x, kernel_shape=[2], strides=[2])
    x = net.op("Flatten", net.op("Pad", net.quant(x, 0.5, 3), net.ints(0, 0, 1, 0, 0, 0), net.constant(0.5)))
    run(net, tmp_path, net.op("Gemm", x, net.weights(ints(rng, 30, 2), [[0.1, 0.3]])), pooled)


def test_chomp_costs_nothing(tmp_path: Path) -> None:
    """A causal convolution written as padding at both ends and a slice computes only what is kept."""
    rng = np.random.default_rng(27)
    net, x = start(3, 8)
    x = net.op("Conv", x, net.weights(ints(rng, 4, 3, 3)), pads=[4, 4], dilations=[2])
    x = net.op("Slice", x, net.ints(0), net.ints(-4), net.ints(2), net.ints(1))
    x = net.sign(norm(net, rng, x, 4))
    path = net.save(tmp_path, net.op("Conv", x, net.weights(ints(rng, 4, 4, 3))))
    nodes = load(path).graph.nodes
    assert [type(node.op) for node in nodes] == [Conv, Threshold, Conv]
    assert nodes[0].type.shape == (8, 4)
    run(net, tmp_path, net.nodes[-1].output[0])


def test_slices(tmp_path: Path) -> None:
    """Strided and offset slices in time."""
    rng = np.random.default_rng(28)
    net, x = start(3, 12)
    x = net.op("Slice", x, net.ints(1), net.ints(11), net.ints(2), net.ints(3))
    run(net, tmp_path, net.op("Conv", x, net.weights(ints(rng, 2, 3, 2))))


def test_width_as_time_when_height_is_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(29)
    net, x = start(3, 8)
    x = net.op("Unsqueeze", x, net.ints(2))
    x = net.sign(net.op("Conv", x, net.weights(ints(rng, 4, 3, 1, 3)), pads=[0, 1, 0, 1]))
    x = net.op("Squeeze", x, net.ints(2))
    run(net, tmp_path, net.op("Conv", x, net.weights(ints(rng, 2, 4, 3))))


# ---------------------------------------------------------------- outputs


def test_argmax_in_hardware(tmp_path: Path) -> None:
    rng = np.random.default_rng(30)
    net, x = start(6)
    x = net.op("Gemm", x, net.weights(ints(rng, 6, 5, low=-1, high=1)))
    path = net.save(tmp_path, net.op("ArgMax", x, axis=1), x)
    model = load(path)
    assert sum(isinstance(node.op, Argmax) for node in model.graph.nodes) == 1
    data = rng.integers(-8, 8, (50, 6)).astype(np.float32) * 0.5
    values = evaluate(model.graph, {"input": model.head.run(data)})
    index, logits = model.tail.run([values[o] for o in model.graph.outputs])
    assert index.dtype == np.int64
    assert index.shape == (50, 1)
    assert np.array_equal(index[:, 0], logits.argmax(axis=1))


def test_argmax_of_unequal_scales_stays_on_the_host(tmp_path: Path) -> None:
    rng = np.random.default_rng(31)
    net, x = start(6)
    x = net.op("Gemm", x, net.weights(ints(rng, 5, 6), [[0.1], [0.2], [0.3], [0.4], [0.5]]), transB=1)
    model = load(net.save(tmp_path, net.op("ArgMax", x, axis=-1, keepdims=0)))
    assert not any(isinstance(node.op, Argmax) for node in model.graph.nodes)


def test_two_outputs_share_the_hardware(tmp_path: Path) -> None:
    rng = np.random.default_rng(32)
    net, x = start(6)
    x = net.op("Gemm", x, net.weights(ints(rng, 6, 5)))
    model = load(net.save(tmp_path, net.op("Softmax", x, axis=-1), net.op("Relu", x)))
    assert len(model.graph.outputs) == 1
    assert isinstance(model.graph.nodes[-1].op, Dense)
    assert [o.name for o in model.outputs] == ["softmax3", "relu4"]


def test_sum_pool_node(tmp_path: Path) -> None:
    net, x = start(3, 8)
    model = load(net.save(tmp_path, net.op("GlobalAveragePool", x)))
    assert [type(node.op) for node in model.graph.nodes] == [SumPool]


# ---------------------------------------------------------------- older and newer files


# ---------------------------------------------------------------- temporal delta layers


@pytest.mark.parametrize("threshold", [0, 1, 3, 14, 15, 10**6])
@pytest.mark.parametrize("zero_point", [0.0, 3.0, 0.5])
def test_temporal_delta(threshold: int, zero_point: float, tmp_path: Path) -> None:
    """From thresholds that are no change to those that no difference of 4 bits exceeds; behind the input, too."""
    rng = np.random.default_rng(37)
    net, x = start(3, 9)
    x = net.op("Conv", net.delta(x, threshold), net.weights(ints(rng, 4, 3, 2)))
    held = net.delta(net.quant(norm(net, rng, x, 4), 0.75, 4, zero_point), threshold)
    pooled = net.delta(net.op("MaxPool", held, kernel_shape=[2], strides=[2]), 2 * threshold)
    run(net, tmp_path, net.op("MatMul", net.op("Flatten", pooled), net.weights(ints(rng, 16, 2))), held)
    model = load(tmp_path / "net.onnx")
    found = [node.op.threshold for node in model.graph.nodes if isinstance(node.op, Hold)]
    assert found == ([threshold, threshold, 2 * threshold] if threshold else [])


@pytest.mark.parametrize(("threshold", "holds"), [(1, False), (2, True)])
def test_temporal_delta_of_signs(threshold: int, holds: bool, tmp_path: Path) -> None:
    """The signs of a BipolarQuant are two steps apart."""
    rng = np.random.default_rng(38)
    net, x = start(3, 9)
    signs = net.sign(net.op("Conv", x, net.weights(ints(rng, 4, 3, 2))), 0.25)
    run(net, tmp_path, net.op("Conv", net.delta(signs, threshold), net.weights(ints(rng, 2, 4, 8))))
    assert [Hold] * holds == [type(n.op) for n in load(tmp_path / "net.onnx").graph.nodes if isinstance(n.op, Hold)]


@pytest.mark.parametrize(
    ("shape", "perm", "axis"), [((3, 8, 1), None, 2), ((3, 1, 8), None, 3), ((3, 8), [0, 2, 1], 1)]
)
def test_temporal_delta_along_any_axis_of_rows(
    shape: tuple[int, ...], perm: list[int] | None, axis: int, tmp_path: Path
) -> None:
    rng = np.random.default_rng(39)
    net, x = start(*shape)
    x = net.quant(net.op("Conv", x, net.weights(ints(rng, 3, 3, *[1] * len(shape[1:])))), 0.5, 4)
    x = net.op("Transpose", x, perm=perm) if perm else x
    held = net.delta(x, 4, axis)
    back = net.op("Transpose", held, perm=perm) if perm else held
    run(net, tmp_path, net.op("Conv", back, net.weights(ints(rng, 2, 3, *shape[1:]))), held)


def test_temporal_delta_of_cropped_and_padded_rows(tmp_path: Path) -> None:
    """What is held begins with the first row that is left, or with the padding."""
    rng = np.random.default_rng(40)
    net, x = start(3, 9)
    x = net.op("Slice", x, net.ints(2), net.ints(8), net.ints(2), net.ints(1))
    x = net.quant(net.op("Pad", net.delta(x, 3), net.ints(0, 0, 2, 0, 0, 1), net.constant(1.5)), 0.5, 3)
    run(net, tmp_path, net.op("Conv", net.delta(x, 2), net.weights(ints(rng, 2, 3, 3))))


@pytest.mark.parametrize("opset", [11, 13, 18])
@pytest.mark.parametrize("against", ["onnxruntime", "qonnx"])
def test_executors_of_temporal_deltas(opset: int, against: Executor, tmp_path: Path) -> None:
    rng = np.random.default_rng(41)
    net = Net(3, 9, opset=opset)
    x = net.op("Conv", net.delta(net.quant("x", 0.5, 4), 2), net.weights(ints(rng, 4, 3, 2)))
    held = net.delta(net.quant(x, 0.75, 4), 3)
    path = net.save(tmp_path, net.op("MatMul", net.op("Flatten", held), net.weights(ints(rng, 32, 2))))
    result = verify(load(path), path, (rng.integers(-9, 10, (8, 3, 9)) * 0.5).astype(np.float32), against)
    assert (result.mismatches, result.windows) == (0, 8), result.first
    assert {"hold0", "hold1"} <= set(result.stages)


def _moved_operands(net: Net, opset: int, x: str) -> str:
    """Slice, Pad, Clip, Unsqueeze, ReduceSum and Squeeze as this opset writes them."""
    if opset < 10:
        x = net.op("Slice", x, axes=[2], starts=[1], ends=[7])
    else:
        x = net.op("Slice", x, net.ints(1), net.ints(7), net.ints(2))
    if opset < 11:
        x = net.op("Pad", x, pads=[0, 0, 1, 0, 0, 0], value=0.5)
        x = net.op("Clip", x, min=-1.0, max=2.0)
    else:
        x = net.op("Pad", x, net.ints(0, 0, 1, 0, 0, 0), net.constant(0.5))
        x = net.op("Clip", x, net.constant(-1.0), net.constant(2.0))
    if opset < 13:
        x = net.op("Squeeze", net.op("Unsqueeze", x, axes=[3]), axes=[3])
        return net.op("ReduceSum", net.quant(x, 0.5, 4), axes=[2], keepdims=0)
    x = net.op("Squeeze", net.op("Unsqueeze", x, net.ints(3)), net.ints(3))
    return net.op("ReduceSum", net.quant(x, 0.5, 4), net.ints(2), keepdims=0)


@pytest.mark.parametrize("opset", [9, 10, 11, 12, 13, 15, 17, 18, 20])
@pytest.mark.parametrize("domain", [QONNX, "onnx.brevitas", "finn.custom_op.general", ""])
def test_every_opset_is_the_same_network(opset: int, domain: str, tmp_path: Path) -> None:
    """Operands that were attributes in older opsets, all domains, and onnxruntime on the lowered file."""
    x = (np.random.default_rng(3).integers(-9, 10, (16, 3, 8)) * 0.5).astype(np.float32)
    outputs: list[NDArray[np.float32]] = []
    for version in (opset, 13):
        net = Net(3, 8, opset=version, domain=domain)
        path = net.save(tmp_path, _moved_operands(net, version, net.quant("x", 0.5, 4)))
        model = load(path)
        result = verify(model, path, x)
        assert (result.mismatches, result.windows) == (0, 16), result.first
        values = evaluate(model.graph, {"input": model.head.run(x)})
        outputs.append(model.tail.run([values[o] for o in model.graph.outputs])[0])
    assert np.array_equal(outputs[0], outputs[1])


def test_dynamic_batch_and_shape_chain(tmp_path: Path) -> None:
    """A symbolic batch axis, and a reshape to a shape that is computed from the input's."""
    rng = np.random.default_rng(34)
    net = Net(3, 8, batch="batch")
    x = net.quant("x", 0.5, 4)
    first = net.op("Gather", net.op("Shape", x), net.constant(0, np.int64), axis=0)
    shape = net.op("Concat", net.op("Unsqueeze", first, net.ints(0)), net.ints(-1), axis=0)
    path = net.save(tmp_path, net.op("MatMul", net.op("Reshape", x, shape), net.weights(ints(rng, 24, 2))))
    model = load(path)
    data = (rng.integers(-9, 10, (16, 3, 8)) * 0.5).astype(np.float32)
    assert verify(model, path, data).mismatches == 0
    assert [type(node.op) for node in model.graph.nodes] == [Dense]


def test_padding_outside_of_what_the_activation_reaches(tmp_path: Path) -> None:
    """Zeros beside activations that are never 0: functions and quantizers act on them like on any value."""
    rng = np.random.default_rng(36)
    net, x = start(3, 6)
    x = net.quant(x, 1.0, 2, -2.0, signed=False)
    x = net.op("Relu", net.op("Pad", x, net.ints(0, 0, 1, 0, 0, 2), net.constant(0.0)))
    pooled = net.op("MaxPool", x, kernel_shape=[2], strides=[2])
    wide = net.quant(net.op("Mul", pooled, net.constant(0.25)), 0.0078125, 8)
    run(net, tmp_path, net.op("Conv", wide, net.weights(ints(rng, 2, 3, 2))), pooled)
