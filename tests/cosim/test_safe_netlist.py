"""The netlist that openXC7 gets, simulated: its own mapping of memories to block RAM gives what the evaluator says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bhc.backends import bitstream, netlist
from bhc.backends.cosim import cosim
from bhc.ir import passes
from bhc.ir.fabric import Family
from bhc.ir.graph import Builder, Graph
from bhc.ir.ops import Conv, Dense, SumPool, Threshold
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import Range, Type
from tests.strategies import DEVICE


def graph() -> Graph:
    """Rings and weights that are too large for flip-flops: a convolution of many channels, a dense layer."""
    rng = np.random.default_rng(4)
    build = Builder()
    x = build.input("input", Type((12, 32), Range(-128, 127)))
    x = build.add(Conv(rng.choice([-1, 1], (32, 3, 1, 32))), [x], name="conv")
    x = build.add(Threshold(rng.integers(-99, 99, (32, 1)), np.zeros(32, np.bool_), bipolar=True), [x], name="sign")
    x = build.add(SumPool((10, 1), (1, 1)), [x], name="pool")
    return build.graph([build.add(Dense(rng.choice([-1, 1], (6, 32))), [x], name="dense")])


@pytest.mark.slow
def test_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family, plain = Family.XC7, netlist._script

    def script(*arguments: object) -> str:
        text = plain(*arguments)  # type: ignore[arg-type]
        (line,) = (line for line in text.splitlines() if line.startswith("synth_xilinx"))
        top = line.rpartition("-top ")[2]
        safe = bitstream._mapping(family, top, pads=False, safe=True)
        return text.replace(line, safe.replace(bitstream._SAFE_MEMORY, str(tmp_path / bitstream._SAFE_MEMORY)))

    (tmp_path / bitstream._SAFE_MEMORY).write_text(bitstream._SAFE_BLOCK_RAM)
    monkeypatch.setattr(netlist, "_script", script)
    network = passes.run(graph())
    pipeline = schedule(network, "safe", Target(12.0, DEVICE, Rate(10**5), family=family))
    made = netlist.synthesize(pipeline, family, tmp_path)
    assert "RAMB18E1" in made.text
    assert "RAM32M" not in made.text
    assert "SRL16E" not in made.text
    (declared,) = network.inputs
    windows = {declared.name: np.random.default_rng(5).integers(-128, 128, (4, *declared.type.shape))}
    result = cosim(pipeline, network, windows, tmp_path, stalls=1, netlist=made)
    assert (result.windows, result.mismatches) == (4, 0)
    assert result.values > 0
