"""Synthesis: what cells cost, and that equal stages are synthesised once."""

from __future__ import annotations

from pathlib import Path

import pytest

from bhc.backends import synth
from bhc.ir.pipeline import Pipeline, Resources, Stage, Stream
from bhc.ir.types import Kind


def test_count() -> None:
    area = synth.count(
        {"LUT6": 3, "LUT1": 1, "INV": 1, "RAM32M": 2, "RAM64X1D": 1, "SRL16E": 4, "FDRE": 7, "FDSE": 1, "CARRY4": 5}
        | {"RAMB18E1": 3, "RAMB36E1": 1, "DSP48E1": 2, "MUXF7": 1},
        9,
    )
    assert area == synth.Area(Resources(lut=19, ff=8, bram=2.5, dsp=2), logic_cells=9, carry4=5)


def test_unknown_cells_are_not_free() -> None:
    with pytest.raises(ValueError, match="unknown cost: XADC"):
        synth.count({"XADC": 1}, 0)


def test_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two equal FIFOs of two registers, and one of LUT RAM: two runs' worth, in one process; none the next time."""
    streams = {name: Stream(name, 8, 1, Kind.BIPOLAR, 3) for name in "abcd"}
    stages = tuple(
        Stage(f"{source}{sink}", "bhc_fifo", {"Width": 8, "Depth": depth, "Style": 1}, (source,), (sink,))
        for source, sink, depth in (("a", "b", 2), ("b", "c", 32), ("c", "d", 2))
    )
    design = Pipeline("fifos", streams, stages, "a", "d", 100.0, 3, 3)
    seen: list[tuple[str, int, int]] = []
    result = synth.synth(design, tmp_path, progress=lambda *news: seen.append(news))
    assert [news[1:] for news in seen] == [(3, 3)]
    assert result.stages["ab"] == result.stages["cd"]
    assert result.stages["ab"].resources.ff >= 16
    assert result.stages["bc"].resources.lut >= 8
    assert result.glue.resources.ff == 2
    assert result.total.resources.ff == sum(a.resources.ff for a in result.stages.values()) + 2

    monkeypatch.setattr(synth, "run_all", lambda jobs, *_: None if not jobs else pytest.fail("ran again"))
    assert synth.synth(design, tmp_path) == result
