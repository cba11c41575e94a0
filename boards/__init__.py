"""The boards that a network can be compiled for: one TOML file each, parsed strictly.

docs/adding-a-board.md describes the file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from bhc.diagnostics import BhcError, Diagnostic, fail
from bhc.ir.fabric import Family
from bhc.ir.pipeline import Resources

_SHIPPED = Path(__file__).parent


class Shell(StrEnum):
    """What connects the accelerator to the host: the processor of a Zynq, or a serial port."""

    ZYNQ = "zynq"
    UART = "uart"


class Toolchain(StrEnum):
    """What makes bitstreams: nextpnr with the packers of its families, Vivado, or openXC7's nextpnr."""

    NEXTPNR = "nextpnr"
    VIVADO = "vivado"
    OPENXC7 = "openxc7"


@dataclass(frozen=True, slots=True)
class Pin:
    """A pin of the FPGA: its name on the package, the I/O standard, and whether 0 means on."""

    pin: str
    standard: str
    active_low: bool = False


@dataclass(frozen=True, slots=True)
class Oscillator:
    """The clock that the board gives the FPGA."""

    pin: str
    standard: str
    mhz: float


@dataclass(frozen=True, slots=True)
class Board:
    """A board and its FPGA.

    name: what `--target` takes. title: as its maker calls it.
    part: the vendor's ordering code, with package and speed grade.
    resources: all that the device has, in units of its family.
    clock_mhz: clock of the accelerator unless the user asks for another.
    shell: what connects it to the host; None: nothing that bhc knows. toolchains: what can make its bitstream, the best
    first.
    loader: the board's name in openFPGALoader; None if it does not know it.
    die: the device's name in nextpnr, where the part does not tell it.
    clock: None if the shell brings it. pins: by the shell's name for them.
    sources: the documents that the figures and pins come from.
    """

    name: str
    title: str
    family: Family
    part: str
    resources: Resources
    clock_mhz: float
    shell: Shell | None
    toolchains: tuple[Toolchain, ...]
    sources: tuple[str, ...]
    loader: str | None = None
    die: str | None = None
    clock: Oscillator | None = None
    pins: Mapping[str, Pin] = field(default_factory=dict)


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


def _resources(table: Mapping[str, int]) -> Resources:
    return Resources(**{"bram" if name == "bram36" else name: count for name, count in table.items()})


def parse(text: str, origin: str) -> Board:
    """A board from the text of its file. Raises BhcError (BHC401 to BHC404)."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise fail("BHC401", f"is not TOML: {error}", origin=origin) from error
    findings = list(_findings(origin, table))
    if findings:
        raise BhcError(findings)
    return Board(
        name=table["name"],
        title=table["title"],
        family=Family(table["family"]),
        part=table["part"],
        resources=_resources(table["resources"]),
        clock_mhz=float(table["clock_mhz"]),
        shell=Shell(table["shell"]) if "shell" in table else None,
        toolchains=tuple(map(Toolchain, table.get("toolchains", ()))),
        sources=tuple(table["sources"]),
        loader=table.get("loader"),
        die=table.get("die"),
        clock=Oscillator(**table["clock"]) if "clock" in table else None,
        pins={name: Pin(**pin) for name, pin in table.get("pins", {}).items()},
    )


def _parse(file: Path) -> Board:
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise fail("BHC401", f"cannot be read: {error.strerror}", origin=str(file)) from error
    except UnicodeDecodeError as error:
        raise fail("BHC401", f"is not TOML: {error}", origin=str(file)) from error
    return parse(text, str(file))


@dataclass(frozen=True, slots=True)
class _Rule:
    """What the value of a key must be, in words and as a test."""

    wanted: str
    accepts: Callable[[object], bool]
    required: bool = True


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(_is_text(item) for item in value)


# A TOML boolean arrives as a bool, which Python counts among the ints.
def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_frequency(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def _is_table(value: object) -> bool:
    return isinstance(value, dict)


def _is_toolchains(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(item in tuple(Toolchain) for item in value)


_TEXT = _Rule("a text", _is_text)
_COUNT = _Rule("a whole number, 0 or more", _is_count)
_FREQUENCY = _Rule("a positive number", _is_frequency)
_TABLE = _Rule("a table", _is_table)

_BOARD = {
    "name": _TEXT,
    "title": _TEXT,
    "family": _Rule(f"one of {', '.join(Family)}", lambda value: value in tuple(Family)),
    "part": _TEXT,
    "die": _Rule("a text", _is_text, required=False),
    "clock_mhz": _FREQUENCY,
    "shell": _Rule(f"one of {', '.join(Shell)}", lambda value: value in tuple(Shell), required=False),
    "toolchains": _Rule(f"a list of {', '.join(Toolchain)}", _is_toolchains, required=False),
    "loader": _Rule("a text", _is_text, required=False),
    "sources": _Rule("a list of at least one text", _is_texts),
    "resources": _TABLE,
    "clock": _Rule("a table", _is_table, required=False),
    "pins": _Rule("a table", _is_table, required=False),
}
_RESOURCES = {resource.name: _COUNT for resource in fields(Resources)}
#: Block RAM of 7-series is counted in RAMB36, and has their name.
_RESOURCES_XC7 = {name.replace("bram", "bram36"): rule for name, rule in _RESOURCES.items()}
_CLOCK = {"pin": _TEXT, "standard": _TEXT, "mhz": _FREQUENCY}
_PIN = {
    "pin": _TEXT,
    "standard": _TEXT,
    "active_low": _Rule("true or false", lambda value: isinstance(value, bool), required=False),
}
_PINS = {
    "uart_rx": _Rule("a table", _is_table, required=False),
    "uart_tx": _Rule("a table", _is_table, required=False),
    "reset": _Rule("a table", _is_table, required=False),
    "led": _Rule("a table", _is_table, required=False),
}


def _check(origin: str, table: Mapping[str, object], rules: Mapping[str, _Rule], prefix: str = "") -> list[Diagnostic]:
    """Every way in which `table` departs from `rules`; prefix: where the table stands, for the messages."""
    missing = [
        Diagnostic("BHC402", f"missing key '{prefix}{key}'", origin, f"it must be {rule.wanted}")
        for key, rule in rules.items()
        if rule.required and key not in table
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


def _findings(origin: str, table: Mapping[str, Any]) -> Iterator[Diagnostic]:
    """Everything that is wrong with a board file."""
    yield from _check(origin, table, _BOARD)
    resources = _RESOURCES if table.get("family") in {*Family} - {Family.XC7} else _RESOURCES_XC7
    for name, rules in (("resources", resources), ("clock", _CLOCK), ("pins", _PINS)):
        if isinstance(table.get(name), dict):
            yield from _check(origin, table[name], rules, prefix=f"{name}.")
    pins = table.get("pins")
    if isinstance(pins, dict):
        for name, pin in pins.items():
            if name in _PINS and isinstance(pin, dict):
                yield from _check(origin, pin, _PIN, prefix=f"pins.{name}.")
    if table.get("shell") != Shell.UART:
        return
    # A Zynq's processor brings the clock and the connection to the host.
    needed = [key for key in ("clock",) if key not in table]
    needed += [f"pins.{pin}" for pin in ("uart_rx", "uart_tx") if not (isinstance(pins, dict) and pin in pins)]
    for key in needed:
        yield Diagnostic("BHC402", f"missing key '{key}'", origin, "the shell 'uart' needs it: it must be a table")
