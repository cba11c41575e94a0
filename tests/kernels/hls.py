"""g++ harness of kernels of hls/: many instances in one program, each fed, run and drained through short streams.

    program = build(tmp_path, [Instance("bhc_pool", {"Bits": 4, ...}, {"in": Wire(8, beats)}, ...), ...])
    assert program.run()[0] == [want]

A beat is a non-negative Python int, as in tests.kernels.harness. A kernel that gives too few beats or leaves input
stops the program with the deadlock that this is; one that gives too many is found by what is left in its streams.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bhc.ir.kernels import KERNELS

HLS = Path(__file__).resolve().parents[2] / "hls"
WARNINGS = ("-Wall", "-Wextra", "-Werror")

SUPPORT = """
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

template <class File>
File *opened(File *file) {
  if (file == nullptr) std::abort();
  return file;
}

// Beats of a file: ceil(Width / 8) bytes each, little-endian.
template <unsigned Width, class Out>
void feed(Out &out, const std::string &path) {
  std::FILE *file = opened(std::fopen(path.c_str(), "rb"));
  std::uint8_t bytes[(Width + 7) / 8];
  while (std::fread(bytes, sizeof bytes, 1, file) == 1) {
    bhc::bits<Width> beat = bhc::bits<Width>::zero();
    for (unsigned i = 0; i + 8 <= Width; i += 8) beat.template set<8>(i, bytes[i / 8]);
    if constexpr (Width % 8 != 0) beat.template set<Width % 8>(Width / 8 * 8, bytes[Width / 8]);
    out.write(beat);
  }
  std::fclose(file);
}

template <unsigned Width, class In>
void drain(In &in, const std::string &path, unsigned beats) {
  std::FILE *file = opened(std::fopen(path.c_str(), "wb"));
  for (unsigned k = 0; k < beats; k++) {
    const bhc::bits<Width> beat = in.read();
    for (unsigned i = 0; i + 8 <= Width; i += 8) std::fputc(beat.template get<8>(i).to_uint(), file);
    if constexpr (Width % 8 != 0) std::fputc(beat.template get<Width % 8>(Width / 8 * 8).to_uint(), file);
  }
  std::fclose(file);
}
"""

MAIN = """
int main(int, char **argv) {
  try {
    for (std::size_t i = 0; i < sizeof instances / sizeof *instances; i++) {
      if (!instances[i](std::string(argv[1]) + "/" + std::to_string(i))) {
        std::printf("instance %zu: beats are left\\n", i);
        return 1;
      }
    }
  } catch (const std::exception &error) {
    std::printf("%s\\n", error.what());
    return 1;
  }
  return 0;
}
"""


@dataclass(frozen=True, eq=False)
class Table:
    """A memory as a kernel's array parameter: type of its elements, and its values."""

    type: str
    values: npt.NDArray[np.int64] | npt.NDArray[np.uint64]

    def definition(self, name: str) -> str:
        sizes = "".join(f"[{size}]" for size in self.values.shape)
        suffix = "u" if self.type.startswith("std::uint") else ""
        return f"static const {self.type} {name}{sizes} = {_braced(self.values.tolist(), suffix)};"


@dataclass(frozen=True)
class Wire:
    """A stream at a kernel's edge: its width, the beats that pass, and how many it holds."""

    width: int
    beats: list[int]
    depth: int = 2


@dataclass(frozen=True)
class Instance:
    """One call of a kernel. amount: its argument that says how much there is to do; sinks have the expected beats."""

    kernel: str
    params: Mapping[str, int]
    amount: int
    sources: Mapping[str, Wire]
    sinks: Sequence[Wire]
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Program:
    """A built program."""

    path: Path
    instances: Sequence[Instance]

    def run(self) -> list[list[list[int]]]:
        """Beats of every sink of every instance. AssertionError with the program's message when it fails."""
        folder = self.path.parent
        for index, instance in enumerate(self.instances):
            for name, wire in instance.sources.items():
                size = (wire.width + 7) // 8
                (folder / f"{index}.{name}").write_bytes(b"".join(beat.to_bytes(size, "little") for beat in wire.beats))
        done = subprocess.run([str(self.path), str(folder)], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return [
            [_beats(folder / f"{index}.out{k}", wire.width) for k, wire in enumerate(instance.sinks)]
            for index, instance in enumerate(self.instances)
        ]


def build(folder: Path, instances: Sequence[Instance], flags: Sequence[str] = ("-DBHC_HOST", *WARNINGS)) -> Program:
    """Generate a program and compile it; `flags` say for which of the library's two ways to run."""
    folder.mkdir(parents=True, exist_ok=True)
    headers = sorted({instance.kernel for instance in instances})
    lines = [*(f'#include "{header}.hpp"' for header in headers), SUPPORT]
    for index, instance in enumerate(instances):
        lines += _function(index, instance)
    names = ", ".join(f"run{index}" for index in range(len(instances)))
    lines += [f"static bool (*const instances[])(const std::string &) = {{{names}}};", MAIN]
    source = folder / "program.cpp"
    source.write_text("\n".join(lines))
    return Program(compile_source(source, folder / "program", flags), instances)


def compile_source(source: Path, program: Path, flags: Sequence[str] = ("-DBHC_HOST", *WARNINGS)) -> Path:
    """Compile a C++ source to a program; AssertionError with the compiler's messages."""
    command = ["g++", "-std=c++17", "-O2", *flags, f"-I{HLS}", str(source), "-o", str(program)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return program


def _function(index: int, instance: Instance) -> list[str]:
    """The tables and the function `run<index>` of an instance."""
    declaration = KERNELS[instance.kernel]
    params = ", ".join(_literal(instance.params[name]) for name in declaration.params)
    tables = [f"table{index}_{k}" for k in range(len(instance.tables))]
    sinks = [f"out{k}" for k in range(len(instance.sinks))]
    match instance.kernel:
        case "bhc_fork":
            arguments = ["in", str(instance.amount), *sinks]
        case "bhc_threshold":
            arguments = ["in", *sinks, str(instance.amount), *tables]
        case _:
            arguments = [*declaration.sources, *sinks, *tables, str(instance.amount)]
    wires = {**instance.sources, **dict(zip(sinks, instance.sinks, strict=True))}
    return [
        *(table.definition(name) for table, name in zip(instance.tables, tables, strict=True)),
        f"static bool run{index}(const std::string &stem) {{",
        *(f'  bhc::stream<{wire.width}, {wire.depth}> {name}("{name}");' for name, wire in wires.items()),
        *(
            f'  BHC_RUN("feed {name}", feed<{wire.width}>({name}, stem + ".{name}"));'
            for name, wire in instance.sources.items()
        ),
        f'  BHC_RUN("kernel", bhc::{instance.kernel.removeprefix("bhc_")}<{params}>({", ".join(arguments)}));',
        *(
            f'  BHC_RUN("drain {name}", drain<{wire.width}>({name}, stem + ".{name}", {len(wire.beats)}));'
            for name, wire in zip(sinks, instance.sinks, strict=True)
        ),
        "  BHC_WAIT();",
        f"  return {' && '.join(f'{name}.empty()' for name in wires)};",
        "}",
    ]


def _literal(value: int) -> str:
    return f"{value}u" if value >= 1 << 31 else str(value)


def _braced(values: object, suffix: str) -> str:
    if isinstance(values, list):
        return "{" + ", ".join(_braced(value, suffix) for value in values) + "}"
    return f"{values}{suffix}"


def _beats(path: Path, width: int) -> list[int]:
    size = (width + 7) // 8
    data = path.read_bytes()
    return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]
