"""What a user reads when a model cannot be scheduled: whole messages, as golden files; and every code is documented.

`pytest --update-golden` rewrites the files.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from bhc.diagnostics import BhcError
from bhc.ir import passes, stream
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Add, Conv, Dense, Pads, SumPool, Threshold
from bhc.ir.pipeline import Folding, Resources
from bhc.ir.schedule import Fit, Rate, Target, schedule
from bhc.ir.types import Range, Type, bipolar

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BOARD = Resources(lut=53200, ff=106400, bram=140, dsp=220)


def network() -> Graph:
    """A convolution and a dense layer, as from ONNX nodes Conv_0 and Gemm_1."""
    rng = np.random.default_rng(0)
    b = Builder()
    x = b.input("input", Type((100, 6), Range(-128, 127)))
    x = b.add(Conv(rng.choice(np.array([-1, 1]), (64, 5, 1, 6))), [x], name="conv0", origin=["Conv_0"])
    sign = Threshold(np.zeros((1, 1), np.int64), np.zeros(1, np.bool_), bipolar=True)
    x = b.add(sign, [x], name="sign0", origin=["BipolarQuant_0"])
    dense = Dense(rng.choice(np.array([-1, 1]), (4, 96 * 64)))
    return b.graph([b.add(dense, [x], name="dense0", origin=["Gemm_1"])])


def two_inputs() -> Graph:
    b = Builder()
    x, y = (b.input(name, Type((4, 2), Range(0, 3))) for name in ("left", "right"))
    return b.graph([b.add(Add(), [x, y], name="add")])


def two_outputs() -> Graph:
    b = Builder()
    x = b.input("input", Type((4, 2), Range(0, 3)))
    sums = [b.add(SumPool((size, 1), (size, 1)), [x], name=f"sum{size}") for size in (2, 4)]
    return b.graph(sums)


def deep_padding() -> Graph:
    """A depthwise convolution padded by more than it spans."""
    b = Builder()
    x = b.input("input", bipolar(3, 2))
    op = Conv(np.ones((2, 2, 1, 1), np.int64), pads=Pads(0, 0, 6, 0), groups=2)
    return b.graph([b.add(op, [x], name="conv0", origin=["Conv_0"])])


SMALL = Resources(lut=150, ff=300, bram=1, dsp=0)
CASES = {
    "bhc301_too_big": (network, Target(100.0, SMALL, Fit(1.0))),
    "bhc302_folding": (network, Target(100.0, BOARD, Fit(), {"conv0": Folding(5, 30)})),
    "bhc303_two_inputs": (two_inputs, Target(100.0, BOARD)),
    "bhc304_two_outputs": (two_outputs, Target(100.0, BOARD)),
    "bhc305_no_such_layer": (network, Target(100.0, BOARD, Fit(), {"conv7": Folding(1, 1)})),
    "bhc306_rate": (network, Target(100.0, BOARD, Rate(20))),
    "bhc307_padding": (deep_padding, Target(100.0, BOARD)),
}


@pytest.mark.parametrize("name", CASES)
def test_message(name: str, *, update_golden: bool) -> None:
    make, target = CASES[name]
    with pytest.raises(BhcError) as caught:
        schedule(passes.run(make()), "test", target)
    text = f"{caught.value}\n"
    golden = HERE / f"{name}.txt"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text()


def vector() -> Graph:
    b = Builder()
    x = b.input("input", bipolar(8))
    return b.graph([b.add(Dense(np.ones((2, 8), np.int64)), [x], name="dense0", origin=["Gemm_0"])])


def sequence() -> Graph:
    b = Builder()
    x = b.input("input", bipolar(9, 2))
    return b.graph([b.add(Conv(np.ones((1, 3, 1, 2), np.int64)), [x], name="conv0", origin=["Conv_0"])])


STREAMS = {"bhc310_hop": (network, 101), "bhc311_no_time": (vector, 1), "bhc312_sequence": (sequence, 2)}


@pytest.mark.parametrize("name", STREAMS)
def test_streaming_message(name: str, *, update_golden: bool) -> None:
    make, hop = STREAMS[name]
    with pytest.raises(BhcError) as caught:
        stream.rewrite(passes.run(make()), hop)
    text = f"{caught.value}\n"
    golden = HERE / f"{name}.txt"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text()


def test_every_code_is_documented() -> None:
    folders = ("frontend", "ir", "backends", "boards", "training")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    raised = {
        code
        for path in [*paths, *(ROOT / "bhc").glob("*.py")]  # not twice, by its links to the others
        for code in re.findall(r'"(BHC\d{3})"', path.read_text())
    }
    documented = set(re.findall(r"\bBHC\d{3}\b", (ROOT / "docs" / "diagnostics.md").read_text()))
    assert raised == documented
