"""Emission: the same bytes every time, whatever the names, and clean by Verilator's lint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from bhc.backends.cosim import lint
from bhc.backends.rtl import emit, identifiers
from bhc.ir import passes
from bhc.ir.pipeline import Pipeline, Stage, Stream, verify
from bhc.ir.schedule import Rate, Target, schedule
from bhc.ir.types import Kind
from tests import tiny
from tests.strategies import DEVICE, graphs


@given(st.lists(st.text(max_size=4), unique=True))
def test_identifiers_are_distinct_and_legal(names: list[str]) -> None:
    words = identifiers(names)
    assert list(words) == names
    assert len(set(words.values())) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*", word) for word in words.values())


@settings(max_examples=10)
@given(graphs())
def test_emission_is_pure(graph: object) -> None:
    assert isinstance(graph, type(tiny.residual()))
    ready = passes.run(graph)
    first, second = (emit(schedule(ready, "pure", Target(100.0, DEVICE, Rate(10**9)))) for _ in range(2))
    assert first.digest() == second.digest()


def fifo(width: int, depth: int) -> Mapping[str, int]:
    return {"Width": width, "Depth": depth, "Style": 1}


def test_awkward_names_and_widths(tmp_path: Path) -> None:
    """Names that no language takes, names that meet once made legal, a three-way fork, padded tdata."""
    names = ["/a.b", "a b", "a_b", "0", "", "module\n; endmodule"]
    streams = {name: Stream(name, 13, 1, Kind.BIPOLAR, 3) for name in names}
    streams["sum"] = Stream("sum", 13, 2, Kind.SIGNED, 3)
    streams["total"] = Stream("total", 13, 3, Kind.SIGNED, 3)
    add = {"Lanes": 13, "ABits": 1, "AKind": 2, "BBits": 1, "BKind": 2, "OutBits": 2}
    stages = (
        Stage("always", "bhc_fifo", fifo(13, 2), ("/a.b",), ("a b",)),
        Stage("1/1", "bhc_fork", {"Width": 13, "Sinks": 3}, ("a b",), ("a_b", "0", "")),
        Stage("1_1", "bhc_fifo", fifo(13, 4), ("",), ("module\n; endmodule",)),
        Stage("add", "bhc_add", add, ("a_b", "0"), ("sum",)),
        Stage(
            "+", "bhc_add", {**add, "ABits": 2, "AKind": 1, "OutBits": 3}, ("sum", "module\n; endmodule"), ("total",)
        ),
    )
    design = Pipeline("awkward", streams, stages, "/a.b", "total", 100.0, 3, 9)
    verify(design)
    assert lint(emit(design), tmp_path) == ()


def test_lint_names_what_is_wrong(tmp_path: Path) -> None:
    """A width that the library cannot take is a warning, not silence."""
    streams = {"a": Stream("a", 1, 8, Kind.UNSIGNED, 1), "b": Stream("b", 1, 9, Kind.UNSIGNED, 1)}
    design = Pipeline("wrong", streams, (Stage("f", "bhc_fifo", fifo(8, 2), ("a",), ("b",)),), "a", "b", 100.0, 1, 1)
    assert any("WIDTH" in warning for warning in lint(emit(design), tmp_path))
