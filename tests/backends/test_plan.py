"""Plans: pure, ordered, and confined to their directory."""

from __future__ import annotations

import pytest

from bhc.backends.plan import BuildPlan


def test_digest_depends_on_contents_alone() -> None:
    one = BuildPlan({"b": "2", "a": b"1"})
    two = BuildPlan({"a": "1", "b": b"2"})
    assert list(one.files) == ["a", "b"]
    assert one.digest() == two.digest()
    assert one.digest() != BuildPlan({"a": "12", "b": ""}).digest()
    assert one.digest() != BuildPlan({"a": "1", "c": "2"}).digest()


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../b", "./a", "a//b", "a/", ".", ""])
def test_paths_stay_inside(path: str) -> None:
    with pytest.raises(ValueError, match="not a path inside"):
        BuildPlan({path: ""})


def test_union() -> None:
    both = BuildPlan({"a": "1"}) | BuildPlan({"b": "2", "a": "1"})
    assert list(both.files) == ["a", "b"]
    with pytest.raises(ValueError, match="disagree about 'a'"):
        _ = both | BuildPlan({"a": "2"})


def test_matching() -> None:
    plan = BuildPlan({"rtl/x.sv": "", "rtl/y.vh": "", "mem/x.hex": ""})
    assert list(plan.matching("rtl/*.sv")) == ["rtl/x.sv"]
