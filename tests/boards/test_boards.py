"""Board files: what ships is right, and what is wrong is said."""

from pathlib import Path

import pytest

from bhc import boards
from bhc.boards import Board, Oscillator, Pin, Shell, Toolchain
from bhc.diagnostics import BhcError
from bhc.ir.fabric import Family
from bhc.ir.pipeline import Resources

GOOD = """\
name = "mine"
title = "My board"
family = "xc7"
part = "xc7a100tcsg324-1"
clock_mhz = 62.5
shell = "uart"
toolchains = ["vivado"]
loader = "arty_a7_100t"
sources = ["its data sheet"]
[resources]
lut = 63_400
ff = 126_800
bram36 = 135
dsp = 240
[clock]
pin = "E3"
standard = "LVCMOS33"
mhz = 100
[pins]
uart_rx = { pin = "A9", standard = "LVCMOS33" }
uart_tx = { pin = "D10", standard = "LVCMOS33" }
led = { pin = "H5", standard = "LVCMOS33", active_low = true }
"""


@pytest.fixture
def board_file(tmp_path: Path) -> Path:
    return tmp_path / "mine.toml"


def messages(file: Path) -> list[str]:
    """What `load` says of a file, without the file's path."""
    with pytest.raises(BhcError) as caught:
        boards.load(file)
    return str(caught.value).replace(str(file), "mine.toml").splitlines()


def test_pynq_z2() -> None:
    board = boards.load("pynq-z2")
    assert board.part == "xc7z020clg400-1"
    assert board.family is Family.XC7
    assert board.clock_mhz == 100
    assert board.shell is Shell.ZYNQ
    assert board.clock is None
    assert board.resources == Resources(lut=53_200, ff=106_400, bram=140, dsp=220)


@pytest.mark.parametrize("name", boards.names())
def test_shipped_boards_load_and_are_named_after_their_file(name: str) -> None:
    assert boards.load(name).name == name


def test_names_are_sorted_and_hold_pynq_z2() -> None:
    assert "pynq-z2" in boards.names()
    assert list(boards.names()) == sorted(boards.names())


@pytest.mark.parametrize("kind", [str, Path])
def test_a_users_own_file(board_file: Path, kind: type[str] | type[Path]) -> None:
    board_file.write_text(GOOD)
    assert boards.load(kind(board_file)) == Board(
        name="mine",
        title="My board",
        family=Family.XC7,
        part="xc7a100tcsg324-1",
        resources=Resources(lut=63_400, ff=126_800, bram=135, dsp=240),
        clock_mhz=62.5,
        shell=Shell.UART,
        toolchains=(Toolchain.VIVADO,),
        sources=("its data sheet",),
        loader="arty_a7_100t",
        clock=Oscillator("E3", "LVCMOS33", 100),
        pins={
            "uart_rx": Pin("A9", "LVCMOS33"),
            "uart_tx": Pin("D10", "LVCMOS33"),
            "led": Pin("H5", "LVCMOS33", active_low=True),
        },
    )


@pytest.mark.parametrize("name", ["pynq-z3", "", "../boards/pynq-z2", "mine"])
def test_unknown_board(name: str) -> None:
    with pytest.raises(BhcError) as caught:
        boards.load(name)
    assert str(caught.value) == (
        f"error[BHC400] there is no board named '{name}'\n"
        f"  hint: one of {', '.join(boards.names())}, or the path of a board file that ends in .toml"
    )


def test_missing_file(board_file: Path) -> None:
    assert messages(board_file) == ["error[BHC401] mine.toml: cannot be read: No such file or directory"]


@pytest.mark.parametrize("content", [b'name = "mine', b"\xff\xfe"], ids=["syntax", "encoding"])
def test_not_toml(board_file: Path, content: bytes) -> None:
    board_file.write_bytes(content)
    (line,) = messages(board_file)
    assert line.startswith("error[BHC401] mine.toml: is not TOML: ")


def test_every_mistake_is_said_at_once(board_file: Path) -> None:
    board_file.write_text(GOOD.replace("clock_mhz = 62.5\n", "colour = 1\n").replace("lut = 63_400", "luts = -1"))
    assert messages(board_file) == [
        "error[BHC402] mine.toml: missing key 'clock_mhz'",
        "  hint: it must be a positive number",
        "error[BHC403] mine.toml: unknown key 'colour'",
        "  hint: the keys are name, title, family, part, die, clock_mhz, shell, toolchains, loader, sources, "
        "resources, clock, pins",
        "error[BHC402] mine.toml: missing key 'resources.lut'",
        "  hint: it must be a whole number, 0 or more",
        "error[BHC403] mine.toml: unknown key 'resources.luts'",
        "  hint: the keys are lut, ff, bram36, dsp",
    ]


@pytest.mark.parametrize(
    ("good", "bad", "message"),
    [
        ('"mine"', "7", "'name' is 7; it must be a text"),
        ('"My board"', '" "', "'title' is ' '; it must be a text"),
        ('"xc7"', '"xc9"', "'family' is 'xc9'; it must be one of xc7, ecp5, ice40, gowin"),
        ('"uart"', '"spi"', "'shell' is 'spi'; it must be one of zynq, uart"),
        ('["vivado"]', '["ise"]', "'toolchains' is ['ise']; it must be a list of nextpnr, vivado, openxc7"),
        ('"E3"', "3", "'clock.pin' is 3; it must be a text"),
        ("= 100", "= -1", "'clock.mhz' is -1; it must be a positive number"),
        ("low = true", "low = 1", "'pins.led.active_low' is 1; it must be true or false"),
        ("62.5", "0", "'clock_mhz' is 0; it must be a positive number"),
        ("62.5", "inf", "'clock_mhz' is inf; it must be a positive number"),
        ("62.5", "nan", "'clock_mhz' is nan; it must be a positive number"),
        ("62.5", "true", "'clock_mhz' is True; it must be a positive number"),
        ('["its data sheet"]', "[]", "'sources' is []; it must be a list of at least one text"),
        ('["its data sheet"]', "[1]", "'sources' is [1]; it must be a list of at least one text"),
        ("135", "135.5", "'resources.bram36' is 135.5; it must be a whole number, 0 or more"),
        ("135", "-1", "'resources.bram36' is -1; it must be a whole number, 0 or more"),
        ("135", "true", "'resources.bram36' is True; it must be a whole number, 0 or more"),
    ],
)
def test_wrong_value(board_file: Path, good: str, bad: str, message: str) -> None:
    board_file.write_text(GOOD.replace(good, bad))
    assert messages(board_file) == [f"error[BHC404] mine.toml: {message}"]


def test_resources_that_are_no_table(board_file: Path) -> None:
    board_file.write_text(GOOD.partition("[resources]")[0] + "resources = 3\n[clock]" + GOOD.partition("[clock]")[2])
    assert messages(board_file) == ["error[BHC404] mine.toml: 'resources' is 3; it must be a table"]


def test_pins_that_do_not_exist(board_file: Path) -> None:
    board_file.write_text(GOOD.replace("led =", "lamp =").replace("active_low", "inverted"))
    assert messages(board_file) == [
        "error[BHC403] mine.toml: unknown key 'pins.lamp'",
        "  hint: the keys are uart_rx, uart_tx, reset, led",
    ]


def test_a_uart_needs_a_clock_and_pins(board_file: Path) -> None:
    board_file.write_text(GOOD.partition("[clock]")[0])
    assert messages(board_file) == [
        f"{line}"
        for key in ("clock", "pins.uart_rx", "pins.uart_tx")
        for line in (
            f"error[BHC402] mine.toml: missing key '{key}'",
            "  hint: the shell 'uart' needs it: it must be a table",
        )
    ]


@pytest.mark.parametrize("name", boards.names())
def test_shipped_boards_use_no_pin_twice(name: str) -> None:
    board = boards.load(name)
    pins = [pin.pin for pin in board.pins.values()] + ([board.clock.pin] if board.clock else [])
    assert len(set(pins)) == len(pins)
