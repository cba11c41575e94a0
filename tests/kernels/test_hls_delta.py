"""bhc_delta of hls/ alone: the draws of the RTL's test, with its oracle; streams of any depth."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from random import Random

import pytest

from tests.kernels import test_delta as rtl
from tests.kernels.hls import Instance, Table, Wire, build
from tests.kernels.test_hls import DEPTHS, chunks, elements, words

#: Histories of windowed designs, one behind another.
HISTORIES = 3


def tables(drawn: rtl.Instance) -> list[Table]:
    """Weights and base as the kernel's arrays."""
    p, case, memories = drawn.parameters, drawn.case, drawn.memories
    stored = words(case, memories, "Weights")
    if p["WBits"] == 1:
        weights = Table("std::uint64_t", chunks(elements(stored, 1, p["Pe"], 0)))
    else:
        weights = Table("std::int16_t", elements(stored, p["WBits"], p["Pe"], p["WKind"]))
    return [weights, Table("std::int64_t", elements(words(case, memories, "Base"), p["AccBits"], p["Pe"], 1))]


def instances(seed: int) -> Iterator[Instance]:
    """Each draw once, at one of the flip rates, with columns that no window needs."""
    random = Random(seed)
    for index, drawn in enumerate(rtl.instances(seed)):
        p, shape = drawn.parameters, drawn.shape
        columns = HISTORIES * shape.columns if shape.columns else max(1, shape.reach + random.randrange(-3, 40))
        rate = rtl.RATES[(index + seed) % len(rtl.RATES)]
        x = rtl.sequence(random, columns, shape.channels, p["XBits"], rate, shape.stride)
        source = Wire(p["Lanes"] * p["XBits"], drawn.beats(x), random.choice(DEPTHS))
        sink = Wire(p["Pe"] * p["OutBits"], drawn.want(x), random.choice(DEPTHS))
        yield Instance("bhc_delta", p, columns, {"in": source}, [sink], tables(drawn))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_delta(tmp_path: Path, seed: int) -> None:
    drawn = list(instances(seed))
    for found, case in zip(build(tmp_path, drawn).run(), drawn, strict=True):
        assert found == [wire.beats for wire in case.sinks], case


@pytest.mark.skipif(find_spec("hls4ml") is None, reason="the open ap_int and hls_stream headers come with hls4ml")
def test_delta_with_open_vendor_headers(tmp_path: Path) -> None:
    """Without bounded streams and processes: the columns are all there when the kernel begins."""
    spec = find_spec("hls4ml")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    headers = Path(spec.submodule_search_locations[0]) / "templates" / "vivado" / "ap_types"
    drawn = list(instances(1))[:6]
    for found, case in zip(build(tmp_path, drawn, ("-isystem", str(headers), "-w")).run(), drawn, strict=True):
        assert found == [wire.beats for wire in case.sinks], case
