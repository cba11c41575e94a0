"""The host's float head and tail: JSON, rounding, and each step against onnxruntime."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper

from bhc.ir.host import (
    ArgMax,
    Attributes,
    BatchNorm,
    Binary,
    Clip,
    Exact,
    Gather,
    Head,
    InputError,
    LeakyRelu,
    Output,
    Quantizer,
    Reduce,
    Reshape,
    SignQuantizer,
    Softmax,
    Step,
    Tail,
    TopK,
    Transpose,
    Unary,
    decode,
    head_from_json,
    run_step,
    tail_from_json,
    to_json,
)
from bhc.ir.types import Range

ONE = np.array([1.0], np.float32)
THREE = np.array([3.0], np.float32)
VECTOR = np.array([0.1, 0.2, 0.3], np.float32)
STEPS: list[Step] = [
    Binary("Sub", np.array([[0.1], [0.2], [0.3]], np.float32)),
    Binary("Div", THREE, swapped=True),
    Unary("Relu"),
    Clip(-1.5, None),
    LeakyRelu(np.array([0.1], np.float32)),
    BatchNorm(np.array([1, -2, 0.5], np.float32), VECTOR, VECTOR * 2, VECTOR, 1e-5),
    Softmax(-1, log=True),
    Reduce("mean", (1,), True),
    Transpose((0, 2, 1)),
    Reshape((12,)),
    Gather(np.array([[0, 5], [-1, 3]]), 0.5),
    ArgMax(-1, False, last=True),
    TopK(2, -1, True, indices=True),
]


def _head(steps: tuple[Step, ...]) -> Head:
    quantizer = Quantizer(VECTOR[:1], THREE, 0, 255, "HALF_UP", 3)
    return Head((3, 4), steps, quantizer, np.arange(12).reshape(3, 4).T.reshape(-1).copy(), (4, 3))


def test_head_and_tail_survive_json() -> None:
    head = _head(tuple(STEPS[:6]))
    again = head_from_json(json.loads(json.dumps(to_json(head))))
    x = np.random.default_rng(1).normal(0, 9, (20, 3, 4)).astype(np.float32)
    assert np.array_equal(again.run(x), head.run(x))
    assert to_json(again) == to_json(head)
    tail = Tail(
        (
            Output("y", (12,), 0, (Fraction(1, 3),), (Fraction(-1, 7),), tuple(STEPS)),
            Output("c", (1,), 1, None, None, ()),
        ),
        ("walking", "standing"),
        Attributes(np.eye(2, dtype=np.float32), np.array([1, 0])),
    )
    assert to_json(tail_from_json(json.loads(json.dumps(to_json(tail))))) == to_json(tail)
    for quantizer in (SignQuantizer(), Exact(Range(-3, 3))):
        plain = Head((2,), (), quantizer, np.arange(2), (2,))
        assert head_from_json(to_json(plain)).quantizer == quantizer


def test_head_refuses_what_is_not_data() -> None:
    head = _head(())
    with pytest.raises(InputError, match=r"windows of shape \(3, 4\), not \(4, 3\)"):
        head.run(np.zeros((1, 4, 3), np.float32))
    with pytest.raises(InputError, match="not finite"):
        head.run(np.full((1, 3, 4), np.nan, np.float32))
    exact = Head((2,), (), Exact(Range(-3, 3)), np.arange(2), (2,))
    with pytest.raises(InputError, match=r"integers in \[-3, 3\]"):
        exact.run(np.array([[0.5, 1.0]], np.float32))


@given(
    q=st.lists(st.integers(-(2**30), 2**30), min_size=1, max_size=8),
    scale=st.fractions(max_denominator=10**9),
    offset=st.fractions(max_denominator=10**9),
)
def test_decode_rounds_once(q: list[int], scale: Fraction, offset: Fraction) -> None:
    got = decode(np.array(q)[:, None], (scale,), (offset,))[:, 0]
    for integer, value in zip(q, got, strict=True):
        exact = scale * integer + offset
        neighbours = [np.nextafter(value, np.float32(s), dtype=np.float32) for s in (-np.inf, np.inf)]
        error = abs(Fraction(float(value)) - exact)
        assert all(error <= abs(Fraction(float(n)) - exact) for n in neighbours)


def test_decode_of_a_tie_goes_to_even() -> None:
    """2^24 + 1 and 2^24 + 3 lie between two float32 numbers."""
    q = np.array([[2**24 + 1], [2**24 + 3]])
    assert decode(q, (Fraction(1),), (Fraction(0),))[:, 0].tolist() == [2.0**24, 2.0**24 + 4]


CHECKED: list[tuple[Step, str, dict[str, Any], list[NDArray[Any]]]] = [
    (Binary("Mul", VECTOR[2:]), "Mul", {}, [VECTOR[2:]]),
    (Binary("Div", VECTOR[2:]), "Div", {}, [VECTOR[2:]]),
    (Unary("Relu"), "Relu", {}, []),
    (Unary("Sign"), "Sign", {}, []),
    (Unary("Round"), "Round", {}, []),
    (Clip(-1.0, 2.0), "Clip", {}, [np.array(-1, np.float32), np.array(2, np.float32)]),
    (LeakyRelu(np.array([0.01], np.float32)), "LeakyRelu", {"alpha": 0.01}, []),
    (Transpose((0, 2, 1)), "Transpose", {"perm": [0, 2, 1]}, []),
    (ArgMax(-1, True), "ArgMax", {"axis": -1, "keepdims": 1}, []),
    (ArgMax(1, False, last=True), "ArgMax", {"axis": 1, "keepdims": 0, "select_last_index": 1}, []),
    (Reduce("max", (2,), False), "ReduceMax", {"axes": [2], "keepdims": 0}, []),
]


@pytest.mark.parametrize(
    ("step", "op", "attributes", "constants"), CHECKED, ids=lambda v: v if isinstance(v, str) else ""
)
def test_step_equals_onnxruntime(
    step: Step, op: str, attributes: dict[str, Any], constants: list[NDArray[Any]]
) -> None:
    """To the bit, where IEEE arithmetic defines the result to the bit; ties among the data."""
    x = (np.random.default_rng(2).integers(-9, 9, (16, 3, 4)) / 4).astype(np.float32)
    feeds = {"x": x, **{f"c{i}": c for i, c in enumerate(constants)}}
    graph = helper.make_graph(
        [helper.make_node(op, list(feeds), ["y"], **attributes)],
        "one",
        [helper.make_tensor_value_info(n, 1, list(a.shape)) for n, a in feeds.items()],
        [helper.make_tensor_value_info("y", 7 if op == "ArgMax" else 1, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.array_equal(np.asarray(session.run(None, feeds)[0]), run_step(step, x))


def test_top_k_of_equals_takes_the_first() -> None:
    x = np.array([[1.0, 3.0, 3.0, 2.0]], np.float32)
    assert run_step(TopK(3, -1, True, indices=True), x).tolist() == [[1, 2, 3]]
    assert run_step(TopK(2, -1, False, indices=False), x).tolist() == [[1.0, 2.0]]


def test_attributes_choose_the_nearest_vector() -> None:
    """Several vectors may stand for one class; the first of equally near ones wins."""
    table = Attributes(np.array([[1, 0], [0, 1], [1, 1]], np.float32), np.array([4, 2, 4]))
    predicted = np.array([[0.9, 0.1], [0.2, 0.9], [0.9, 0.9], [0.5, 0.5]], np.float32)
    assert table.classify(predicted).tolist() == [4, 2, 4, 4]
    tail = Tail((), attributes=table)
    assert tail.labels([predicted]).tolist() == [4, 2, 4, 4]
    assert Tail(()).labels([predicted]).tolist() == [0, 1, 0, 0]
    assert Tail(()).labels([np.array([[3], [1]])]).tolist() == [3, 1]
