"""What the schedule promises: goals are met, FIFOs suffice, and what cannot be built is said."""

import numpy as np
import pytest

from bhc.diagnostics import BhcError
from bhc.ir import passes, pipeline
from bhc.ir.arithmetic import Operand
from bhc.ir.graph import Builder, Graph
from bhc.ir.layers import shared_group
from bhc.ir.ops import Add, Concat, Conv, Dense, IntArray, MaxPool, Pads, SumPool, Threshold
from bhc.ir.pipeline import Folding, Pipeline, Resources
from bhc.ir.schedule import Fit, Goal, Rate, Target, schedule
from bhc.ir.types import Kind, Range, Type

BOARD = Resources(lut=53200, ff=106400, bram=140, dsp=220)


def signs(rng: np.random.Generator, *shape: int) -> IntArray:
    return rng.choice(np.array([-1, 1]), shape)


def binary(b: Builder, x: str, op: Conv | Dense, name: str, rng: np.random.Generator) -> str:
    """A layer with its sign."""
    x = b.add(op, [x], name=name)
    limits = rng.integers(-3, 4, (b.type(x).channels, 1))
    descending = rng.random(len(limits)) < 0.3
    return b.add(Threshold(limits, descending, bipolar=True), [x], name=f"{name}_sign")


def chain() -> Graph:
    """A binary temporal CNN of 32 steps."""
    rng = np.random.default_rng(1)
    b = Builder()
    x = b.input("x", Type((32, 6), Range(-128, 127)))
    x = binary(b, x, Conv(signs(rng, 16, 5, 1, 6)), "conv0", rng)
    x = binary(b, x, Conv(signs(rng, 16, 5, 1, 16), pads=Pads(2, 0, 2, 0)), "conv1", rng)
    x = b.add(MaxPool((2, 1), (2, 1)), [x], name="pool")
    x = binary(b, x, Dense(signs(rng, 32, 14 * 16)), "dense0", rng)
    return b.graph([b.add(Dense(signs(rng, 4, 32)), [x], name="dense1")])


def residual(kernel: int) -> Graph:
    """Two joins, whose paths differ in delay by two convolutions and by one."""
    rng = np.random.default_rng(2)
    pads = Pads(kernel // 2, 0, kernel // 2, 0)
    b = Builder()
    x = b.input("x", Type((24, 4), Range(-2, 1)))
    y = binary(b, x, Conv(signs(rng, 4, kernel, 1, 4), pads=pads), "conv0", rng)
    y = b.add(Conv(signs(rng, 4, kernel, 1, 4), pads=pads), [y], name="conv1")
    z = b.add(Add(), [x, y], name="add")
    w = binary(b, z, Conv(signs(rng, 8, kernel, 1, 4), pads=pads), "conv2", rng)
    joined = b.add(Concat(), [z, w], name="concat")
    return b.graph([b.add(SumPool((24, 1), (24, 1)), [joined], name="sum")])


def build(graph: Graph, goal: Goal, foldings: dict[str, Folding] | None = None) -> Pipeline:
    return schedule(passes.run(graph), "test", Target(100.0, BOARD, goal, foldings or {}))


@pytest.mark.parametrize(
    ("bits", "pe", "simd", "constant", "group"),
    [
        (8, 8, 54, False, 2),
        (8, 1, 54, False, 1),
        (8, 8, 3, False, 1),
        (2, 64, 54, False, 1),
        (1, 64, 576, False, 1),
        (8, 8, 54, True, 2),
        (8, 64, 54, True, 4),
        (1, 64, 576, True, 3),
        (1, 4, 576, True, 1),
    ],
)
def test_rows_share_sums_where_that_saves(bits: int, pe: int, simd: int, constant: bool, group: int) -> None:
    x, bipolar, signed = Operand(Kind.UNSIGNED, bits), Operand(Kind.BIPOLAR, 1), Operand(Kind.SIGNED, 4)
    assert shared_group(x, bipolar, Folding(pe, simd), constant=constant) == group
    assert shared_group(x, signed, Folding(pe, simd), constant=constant) == 1


@pytest.mark.parametrize("cycles", [64, 200, 1000, 10**9])
def test_a_rate_is_met_by_the_smallest_design(cycles: int) -> None:
    made = build(chain(), Rate(cycles))
    assert made.cycles_per_window <= cycles
    faster = build(chain(), Rate(max(cycles // 4, 40)))
    assert made.estimate.lut <= faster.estimate.lut


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_a_fit_takes_no_more_than_its_share(share: float) -> None:
    assert build(chain(), Fit(share)).estimate.lut <= share * BOARD.lut


def test_more_room_is_not_slower() -> None:
    periods = [build(chain(), Fit(share)).cycles_per_window for share in (0.05, 0.1, 0.2, 0.5, 1.0)]
    assert periods == sorted(periods, reverse=True)


def test_the_folding_that_the_user_gives_is_used() -> None:
    made = build(chain(), Rate(10**6), {"conv1": Folding(4, 80)})
    stage = next(s for s in made.stages if s.folding is not None and s.name == "conv1")
    assert stage.folding == Folding(4, 80)
    assert stage.kernel == "bhc_mvu"


@pytest.mark.parametrize("kernel", [1, 3, 7])
@pytest.mark.parametrize("cycles", [100, 10**6])
def test_paths_that_meet_do_not_slow_each_other_down(kernel: int, cycles: int) -> None:
    """The timing model completes, which no network with a FIFO too small would (see bhc.ir.timing)."""
    made = build(residual(kernel), Rate(cycles))
    slowest = max(stage.cycles for stage in made.stages)
    assert made.cycles_per_window <= 1.1 * slowest


def test_a_rate_that_a_graph_without_layers_cannot_reach() -> None:
    b = Builder()
    x = b.input("x", Type((40, 2), Range(0, 3)))
    graph = b.graph([b.add(SumPool((4, 1), (4, 1)), [x], name="sum")])
    assert build(graph, Rate(1000)).cycles_per_window <= 1000
    with pytest.raises(BhcError) as caught:
        build(graph, Rate(1))
    assert [d.code for d in caught.value.diagnostics] == ["BHC306"]


def test_scheduling_is_deterministic() -> None:
    assert pipeline.dump(build(residual(3), Rate(500))) == pipeline.dump(build(residual(3), Rate(500)))


@pytest.mark.parametrize(
    ("graph", "goal", "foldings", "code"),
    [
        (chain(), Rate(3), {}, "BHC306"),
        (chain(), Rate(1000), {"conv9": Folding(1, 1)}, "BHC305"),
        (chain(), Rate(1000), {"conv0": Folding(5, 1)}, "BHC302"),
    ],
)
def test_diagnostics(graph: Graph, goal: Goal, foldings: dict[str, Folding], code: str) -> None:
    with pytest.raises(BhcError) as caught:
        build(graph, goal, foldings)
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_a_design_too_big_for_the_board_names_its_largest_layer() -> None:
    small = Target(100.0, Resources(lut=200, ff=400, bram=1, dsp=0), Rate(10**9))
    with pytest.raises(BhcError) as caught:
        schedule(passes.run(chain()), "test", small)
    (found,) = caught.value.diagnostics
    assert found.code == "BHC301"
    assert "does not fit" in found.message


def test_one_input_and_one_output() -> None:
    b = Builder()
    x, y = (b.input(name, Type((4, 2), Range(0, 3))) for name in "xy")
    total = b.add(Add(), [x, y], name="add")
    pooled = b.add(SumPool((4, 1), (4, 1)), [total], name="sum")
    for graph, code in ((b.graph([pooled]), "BHC303"),):
        with pytest.raises(BhcError) as caught:
            build(graph, Rate(100))
        assert [d.code for d in caught.value.diagnostics] == [code]
    b = Builder()
    x = b.input("x", Type((4, 2), Range(0, 3)))
    pooled = b.add(SumPool((4, 1), (4, 1)), [x], name="sum")
    with pytest.raises(BhcError) as caught:
        build(b.graph([x, pooled]), Rate(100))
    assert [d.code for d in caught.value.diagnostics] == ["BHC304"]
