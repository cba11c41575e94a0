"""Programs that simulate a design: its SystemVerilog through Verilator, and a C++ driver.

A directory holds the sources, `model/` what Verilator made of them, `units/` what is compiled, and `simulator`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree

from bhc.backends.plan import BuildPlan
from bhc.backends.runner import Job, Tool, file_errors, find_compiler, find_verilator, run, run_all, write

#: Assertions are checked; registers without reset, and X, take random values (the driver seeds them).
FLAGS = ("--cc", "--assert", "--x-initial", "unique", "--x-assign", "unique", "-Wno-fatal", "-O3")
_STAMP = "digest.txt"
_PARTIAL = "runtime.partial.o"
#: Generated C++ up to this size is compiled as one unit.
_ONE_UNIT_BYTES = 500_000
_TOOL_TIMEOUT_S = 1800.0


def verilate(tool: Tool, sources: BuildPlan, top: str, directory: Path, log: Path, options: tuple[str, ...]) -> None:
    """Run Verilator on the sources' rtl/, in the directory that holds them."""
    rtl = tuple(sources.matching("rtl/*.sv"))
    run(Job(tool, (*options, "--top-module", top, *rtl), directory, log, _TOOL_TIMEOUT_S))


def recipe(sources: BuildPlan) -> str:
    """What a simulator is made of: the sources but for memory contents, which it reads when it starts; Verilator."""
    _, root = find_verilator()
    kept = BuildPlan({name: data for name, data in sources.files.items() if not name.startswith(("mem/", "ddr/"))})
    return f"{kept.digest()} {root}\n"


def is_current(directory: Path, made_of: str) -> bool:
    """Whether the simulator is there, made of just that."""
    stamp = directory / _STAMP
    with file_errors("read", stamp):
        return (directory / "simulator").is_file() and stamp.is_file() and stamp.read_text() == made_of


def clear(directory: Path) -> None:
    """Take away what an earlier design left."""
    with file_errors("write", directory):
        (directory / _STAMP).unlink(missing_ok=True)
        if (directory / "model").is_dir():
            rmtree(directory / "model")


def _units(generated: Sequence[Path], driver: str, count: int) -> dict[str, tuple[str, str]]:
    """Compilation units of Verilator's files and the driver: name, optimisation level and text.

    Units are few, since each parses Verilator's headers anew (1 s): one for a small design, `count` and one more for a
    large one. What Verilator calls Slow runs once, at the start, and is not worth optimising in a large design. -O1
    simulates as fast as -O2 and compiles in less time.
    """

    def text(paths: Sequence[Path]) -> str:
        return "".join(f'#include "model/{path.name}"\n' for path in paths)

    last = f'#include "{driver}"\n'
    if sum(path.stat().st_size for path in generated) < _ONE_UNIT_BYTES:
        return {"all": ("-O1", text(generated) + last)}
    slow = [path for path in generated if "Slow" in path.name]
    fast = sorted((path for path in generated if path not in slow), key=lambda path: -path.stat().st_size)
    bins: list[list[Path]] = [[] for _ in range(count)]
    for path in fast:
        min(bins, key=lambda files: sum(p.stat().st_size for p in files)).append(path)
    units = {f"fast{number}": ("-O1", text(files)) for number, files in enumerate(bins)}
    units[f"fast{count - 1}"] = ("-O1", text(bins[-1]) + last)
    return units | {"slow": ("-O0", text(slow))}


def _runtime(build: Path, root: Path, *, trace: bool) -> Path:
    """Where the object of Verilator's run-time library belongs; its source is written beside it.

    It is the same for every design, and takes longer to compile than most.
    """
    names = ("verilated", "verilated_threads", *(("verilated_vcd_c",) if trace else ()))
    source = BuildPlan({"runtime.cpp": "".join(f'#include "{root}/include/{name}.cpp"\n' for name in names)})
    directory = build / f"verilated-{source.digest()[:12]}"
    write(source, directory)
    return directory / "runtime.o"


def compile_program(
    directory: Path, logs: Path, stem: str, driver: str, made_of: str, *, trace: bool = False, flags: Sequence[str] = ()
) -> Path:
    """Compile model/ and the driver to `simulator`; logs are called after the stem."""
    _, root = find_verilator()
    compiler = find_compiler()
    include = ("-I.", "-Imodel", f"-I{root}/include", f"-I{root}/include/vltstd")
    defines = ("-DVM_COVERAGE=0", "-DVM_SC=0", f"-DVM_TRACE={int(trace)}", f"-DVM_TRACE_VCD={int(trace)}")
    common = ("-std=c++17", *defines, *flags, *include)
    units = _units(sorted((directory / "model").glob("*.cpp")), driver, os.cpu_count() or 1)
    runtime = _runtime(directory.parent, root, trace=trace)
    write(BuildPlan({f"{name}.cpp": text for name, (_, text) in units.items()}), directory / "units")
    jobs = [
        Job(
            compiler,
            (*common, level, "-c", f"units/{name}.cpp", "-o", f"units/{name}.o"),
            directory,
            logs / f"{stem}-{name}.log",
            _TOOL_TIMEOUT_S,
        )
        for name, (level, _) in units.items()
    ]
    if not runtime.is_file():
        arguments = (*common, "-O0", "-c", "runtime.cpp", "-o", _PARTIAL)
        jobs.insert(0, Job(compiler, arguments, runtime.parent, logs / f"{stem}-runtime.log", _TOOL_TIMEOUT_S))
    run_all(jobs)
    with file_errors("write", runtime):
        if not runtime.is_file():
            (runtime.parent / _PARTIAL).replace(runtime)
    objects = (*(f"units/{name}.o" for name in units), str(runtime))
    link = (*objects, "-pthread", "-o", "simulator")
    run(Job(compiler, link, directory, logs / f"{stem}-link.log", _TOOL_TIMEOUT_S))
    stamp = directory / _STAMP
    with file_errors("write", stamp):
        stamp.write_text(made_of)
    return directory / "simulator"
