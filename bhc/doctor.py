"""What of bhc's tools is installed, what is missing, and how to get it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from bhc import boards
from bhc.backends import bitstream
from bhc.backends.runner import find_verilator, find_yosys
from bhc.boards import Toolchain
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


def _toolchains() -> Iterator[Finding]:
    """What `bhc build` needs, and for which of the boards that come with bhc."""
    known = [boards.load(name) for name in boards.names()]
    for chain in Toolchain:
        for family in Family:
            of_it = [board.name for board in known if chain in board.toolchains and board.family is family]
            if not of_it:
                continue
            name, *_ = bitstream.programs(chain, family)
            present = bitstream.is_installed(chain, family)
            found = (_package(f"yowasp-{name}") or "the system's") if present else None
            yield Finding(name, found, f"build for {', '.join(of_it)}", bitstream.HINTS[chain])


def table(findings: list[Finding]) -> str:
    """Findings for a terminal."""
    width = max(len(f.name) for f in findings)
    versions = max(len(f.version or "missing") for f in findings)
    lines = []
    for f in findings:
        how = f"{f.purpose}: {f.hint}" if f.version is None else f.purpose
        lines.append(f"{f.name:{width}}  {f.version or 'missing':{versions}}  {how}".rstrip())
    return "\n".join(lines)
