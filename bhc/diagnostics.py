"""What a user reads when something is wrong with the input: never a traceback.

Anything that is not a `Diagnostic` is a bug of bhc and shows its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that is wrong.

    code: stable identifier, `BHC` and three digits (docs/diagnostics.md lists them).
    message: what is wrong, with the offending value.
    origin: the ONNX node, file or option it is about; empty if none.
    hint: the way out, in the user's terms; empty if there is none.
    """

    code: str
    message: str
    origin: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f" {self.origin}:" if self.origin else ""
        way_out = f"\n  hint: {self.hint}" if self.hint else ""
        return f"error[{self.code}]{where} {self.message}{way_out}"


class BhcError(Exception):
    """Carries every diagnostic that was found before giving up."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(d) for d in self.diagnostics))


def fail(code: str, message: str, *, origin: str = "", hint: str = "") -> BhcError:
    """The exception for a single diagnostic, to be raised."""
    return BhcError([Diagnostic(code, message, origin, hint)])
