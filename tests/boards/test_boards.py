"""Board files: what ships is right, and what is wrong is said."""

from pathlib import Path

import pytest

from bhc import boards
from bhc.boards import Board, Family
from bhc.diagnostics import BhcError
from bhc.ir.pipeline import Resources

GOOD = """\
name = "mine"
title = "My board"
family = "xc7"
part = "xc7a100tcsg324-1"
clock_mhz = 62.5
sources = ["its data sheet"]
[resources]
lut = 63_400
ff = 126_800
bram36 = 135
dsp = 240
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
    assert board.resources == Resources(lut=53_200, ff=106_400, bram36=140, dsp=220)


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
        resources=Resources(lut=63_400, ff=126_800, bram36=135, dsp=240),
        clock_mhz=62.5,
        sources=("its data sheet",),
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
        "  hint: the keys are name, title, family, part, clock_mhz, sources, resources",
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
        ('"xc7"', '"xc9"', "'family' is 'xc9'; it must be one of xc7"),
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
    board_file.write_text(GOOD.partition("[resources]")[0] + "resources = 3\n")
    assert messages(board_file) == ["error[BHC404] mine.toml: 'resources' is 3; it must be a table"]
