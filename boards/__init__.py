"""The boards that a network can be compiled for: one TOML file each, parsed strictly.

docs/adding-a-board.md describes the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

from bhc.diagnostics import BhcError, Diagnostic, fail
from bhc.ir.pipeline import Resources

_SHIPPED = Path(__file__).parent


class Family(StrEnum):
    """FPGA families that resource estimates and synthesis know, by their names in Yosys."""

    XC7 = "xc7"


@dataclass(frozen=True, slots=True)
class Board:
    """A board and its FPGA.

    name: what `--target` takes. title: as its maker calls it.
    part: the vendor's ordering code, with package and speed grade.
    resources: all that the device has.
    clock_mhz: clock of the accelerator unless the user asks for another.
    sources: the documents that the figures come from.
    """

    name: str
    title: str
    family: Family
    part: str
    resources: Resources
    clock_mhz: float
    sources: tuple[str, ...]


def names() -> tuple[str, ...]:
    """The boards that come with bhc, in alphabetical order."""
    return tuple(sorted(file.stem for file in _SHIPPED.glob("*.toml")))


def load(board: str | Path) -> Board:
    """A board by its name, or by the path of a user's own file: anything that ends in `.toml`.

    Raises BhcError: BHC400 no such board; BHC401 the file cannot be read or is not TOML; BHC402 missing keys,
    BHC403 unknown keys and BHC404 wrong values, all of them at once.
    """
    if str(board).endswith(".toml"):
        return _parse(Path(board))
    if str(board) not in names():
        raise fail(
            "BHC400",
            f"there is no board named '{board}'",
            hint=f"one of {', '.join(names())}, or the path of a board file that ends in .toml",
        )
    return _parse(_SHIPPED / f"{board}.toml")


def _parse(file: Path) -> Board:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise fail("BHC401", f"cannot be read: {error.strerror}", origin=str(file)) from error
    except ValueError as error:  # TOMLDecodeError or UnicodeDecodeError
        raise fail("BHC401", f"is not TOML: {error}", origin=str(file)) from error

    findings = _check(str(file), table, _BOARD)
    if isinstance(table.get("resources"), dict):
        findings += _check(str(file), table["resources"], _RESOURCES, prefix="resources.")
    if findings:
        raise BhcError(findings)
    return Board(
        name=table["name"],
        title=table["title"],
        family=Family(table["family"]),
        part=table["part"],
        resources=Resources(**table["resources"]),
        clock_mhz=float(table["clock_mhz"]),
        sources=tuple(table["sources"]),
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    """What the value of a key must be, in words and as a test."""

    wanted: str
    accepts: Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(_is_text(item) for item in value)


# A TOML boolean arrives as a bool, which Python counts among the ints.
def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_frequency(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


_TEXT = _Rule("a text", _is_text)
_COUNT = _Rule("a whole number, 0 or more", _is_count)

_BOARD = {
    "name": _TEXT,
    "title": _TEXT,
    "family": _Rule(f"one of {', '.join(Family)}", lambda value: value in tuple(Family)),
    "part": _TEXT,
    "clock_mhz": _Rule("a positive number", _is_frequency),
    "sources": _Rule("a list of at least one text", _is_texts),
    "resources": _Rule("a table", lambda value: isinstance(value, dict)),
}
_RESOURCES = {resource.name: _COUNT for resource in fields(Resources)}


def _check(origin: str, table: Mapping[str, object], rules: Mapping[str, _Rule], prefix: str = "") -> list[Diagnostic]:
    """Every way in which `table` departs from `rules`; prefix: where the table stands, for the messages."""
    missing = [
        Diagnostic("BHC402", f"missing key '{prefix}{key}'", origin, f"it must be {rule.wanted}")
        for key, rule in rules.items()
        if key not in table
    ]
    unknown = [
        Diagnostic("BHC403", f"unknown key '{prefix}{key}'", origin, f"the keys are {', '.join(rules)}")
        for key in table
        if key not in rules
    ]
    wrong = [
        Diagnostic("BHC404", f"'{prefix}{key}' is {table[key]!r}; it must be {rule.wanted}", origin)
        for key, rule in rules.items()
        if key in table and not rule.accepts(table[key])
    ]
    return missing + unknown + wrong
