"""Beats on the wire: lane 0 lowest, two's complement, bipolar as one bit."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bhc.backends.beats import beat_bytes, pack, unpack
from bhc.ir.pipeline import Stream
from bhc.ir.types import Kind
from tests.strategies import generators, types


def test_layout() -> None:
    signed = Stream("s", 3, 5, Kind.SIGNED, 2)
    data = pack(np.array([[1, -1, 2, -16, 15, 0]]), signed)
    assert beat_bytes(signed) == 2
    assert data.tolist() == [[0b111_00001, 0b0_00010_11], [0b111_10000, 0b0_00000_01]]
    bipolar = Stream("b", 5, 1, Kind.BIPOLAR, 1)
    assert pack(np.array([[1, -1, -1, 1, 1]]), bipolar).tolist() == [[0b11001]]


@given(st.data())
def test_round_trip(data: st.DataObject) -> None:
    value_type = data.draw(types())
    lanes = data.draw(st.sampled_from([d for d in range(1, value_type.elements + 1) if value_type.elements % d == 0]))
    stream = Stream("s", lanes, value_type.bits, value_type.kind, value_type.elements // lanes)
    rng = data.draw(generators())
    levels = np.array([-1, 1]) if value_type.bipolar else np.arange(value_type.range.lo, value_type.range.hi + 1)
    values = rng.choice(levels, (3, *value_type.shape))
    packed = pack(values, stream)
    assert packed.shape == (3 * stream.beats, beat_bytes(stream))
    assert np.array_equal(unpack(packed, stream, value_type.shape), values)
