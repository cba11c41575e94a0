"""Values of the graph as beats on a wire, and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bhc.ir.ops import IntArray
from bhc.ir.pipeline import Stream
from bhc.ir.types import Kind


def beat_bytes(stream: Stream) -> int:
    """Bytes of one beat as AXI4-Stream and the simulator carry it: padded to whole bytes, little-endian."""
    return (stream.width + 7) // 8


def pack(values: IntArray, stream: Stream) -> NDArray[np.uint8]:
    """Values in stream order as beats (number, beat_bytes); lane 0 lowest, padding zero."""
    elements = values.reshape(-1, stream.lanes, 1)
    stored = (elements + 1) >> 1 if stream.kind == Kind.BIPOLAR else elements
    bits = ((stored >> np.arange(stream.bits)) & 1).astype(np.uint8)
    return np.packbits(bits.reshape(-1, stream.width), axis=1, bitorder="little")


def unpack(data: NDArray[np.uint8], stream: Stream, shape: tuple[int, ...]) -> IntArray:
    """The inverse of pack: beats (N * beats, beat_bytes) to windows (N, *shape)."""
    bits = np.unpackbits(data, axis=1, count=stream.width, bitorder="little")
    places = np.left_shift(np.int64(1), np.arange(stream.bits, dtype=np.int64))
    if stream.kind == Kind.SIGNED:
        places[-1] = -places[-1]
    values: IntArray = bits.reshape(-1, stream.bits).astype(np.int64) @ places
    if stream.kind == Kind.BIPOLAR:
        values = 2 * values - 1
    return values.reshape(-1, *shape)
