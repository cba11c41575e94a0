"""The way from a Device to a board: bhc.link.Link over a serial line, bhc.zynq.Zynq by the memory of a Zynq."""

from __future__ import annotations

from typing import Protocol

from bhc.link import Counters


class Transport(Protocol):
    """Bytes of input to a design, and bytes of results back; nothing is lost. Methods raise BhcError.

    name: for messages. ahead: bytes of input that are worth sending before a result is awaited. counters: see there.
    """

    name: str
    ahead: int
    counters: Counters

    def open(self) -> bytes:
        """Begin anew, the design included: the board's identity, as backends.shell.identity."""
        ...

    def send(self, data: bytes) -> None:
        """Queue input, packed as by backends.beats: any number of whole beats."""

    @property
    def queued(self) -> int:
        """Bytes of input that the board does not surely have."""
        ...

    def ready(self, count: int, timeout_s: float) -> bool:
        """Move input and results for so long, or until so many bytes of results are there; whether they are.

        count: 0 while none are due; then the input that is queued is moved, and it is True when that is done.
        """
        ...

    def receive(self, count: int) -> bytes:
        """The next bytes of the results, of which each is followed by its cycles: so many as make whole results."""
        ...

    def close(self) -> None:
        """Give the board back."""
