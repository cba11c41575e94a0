"""Every kernel's declaration against its module and its C++ function: parameters, memories and ports by name."""

import re
from pathlib import Path

import pytest

from bhc.ir.kernels import KERNELS, Kernel

RTL = Path(__file__).parents[2] / "rtl"
HLS = Path(__file__).parents[2] / "hls"


def header(kernel: Kernel) -> str:
    """The module's text up to the end of its port list, comments left out."""
    text = re.sub(r"//[^\n]*", "", (RTL / f"{kernel.name}.sv").read_text())
    found = re.search(rf"\bmodule {kernel.name}\b.*?\n\);", text, re.DOTALL)
    assert found is not None
    return found[0]


def memory_parameters(kernel: Kernel) -> list[str]:
    """What the backend sets for the kernel's memories."""
    names = []
    for port in kernel.memories:
        names += [f"{port.prefix}Style"] if port.style else []
        names += [f"{port.prefix}File"]
        names += [f"{port.prefix}Init"] if port.init else []
    return names


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: kernel.name)
def test_parameters(kernel: Kernel) -> None:
    found = re.findall(r"\bparameter\b[^=,]*?(\w+)\s*=", header(kernel))
    assert sorted(found) == sorted([*kernel.params, *memory_parameters(kernel)])


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=lambda kernel: kernel.name)
def test_ports(kernel: Kernel) -> None:
    found = set(re.findall(r"\b(?:input|output)\b[^,)]*?(\w+)\s*(?=[,\n])", header(kernel)))
    expected = {"clk_i", "rst_ni"}
    for source in kernel.sources:
        expected |= {f"{source}_valid_i", f"{source}_ready_o", f"{source}_data_i"}
    for sink in kernel.sinks:
        expected |= {f"{sink}_valid_o", f"{sink}_ready_i", f"{sink}_data_o"}
    assert found == expected


def test_every_module_stands_in_a_file_of_its_name() -> None:
    for path in RTL.glob("*.sv"):
        assert re.findall(r"^module (\w+)", path.read_text(), re.MULTILINE) == [path.stem]


def template(kernel: Kernel) -> tuple[list[tuple[str, str]], str]:
    """The template parameters (type, name) of the kernel's function (of bhc_fifo: its type), and its argument list."""
    name = kernel.name.removeprefix("bhc_")
    text = re.sub(r"//[^\n]*", "", (HLS / f"{kernel.name}.hpp").read_text())
    found = re.search(rf"template <([^<>]*)>\s+(?:using {name} =|void {name}\()(.*?)(?:;|\) \{{)", text, re.DOTALL)
    assert found is not None
    parameters = [(kind, word) for kind, word in (item.split() for item in found[1].split(","))]
    return parameters, found[2]


def parameter_type(name: str) -> str:
    match name:
        case "Base":
            return "int"
        case "PadWord" | "Word":
            return "std::uint64_t"
        case _:
            return "unsigned"


IN_CPP = [kernel for kernel in KERNELS.values() if kernel.cpp]


@pytest.mark.parametrize("kernel", IN_CPP, ids=lambda kernel: str(kernel.name))
def test_template_parameters(kernel: Kernel) -> None:
    found = [(kind, name) for kind, name in template(kernel)[0] if not kind.startswith("class")]
    assert found == [(parameter_type(name), name) for name in kernel.params]
    # Types are deduced: they follow.
    assert [kind.startswith("class") for kind, _ in template(kernel)[0]] == sorted(
        kind.startswith("class") for kind, _ in template(kernel)[0]
    )


@pytest.mark.parametrize("kernel", [k for k in IN_CPP if k.name != "bhc_fifo"], ids=lambda k: str(k.name))
def test_arguments(kernel: Kernel) -> None:
    arguments = template(kernel)[1]
    streams = re.findall(r"[A-Z]\w* &(?:\.\.\.)?(\w+)(?=,|$)", arguments)
    streams = [name for name in streams if name != "thresholds"]
    assert streams == [*kernel.sources, *kernel.sinks]
    memories = re.findall(r"const \w+ (?:\(&(\w+)\)|&\.\.\.(\w+))", arguments)
    # `class` is a keyword.
    names = sorted("classes" if port.name == "class" else port.name for port in kernel.memories)
    assert sorted(array or tree for array, tree in memories) == names


def test_every_header_has_its_kernel_and_stands_alone() -> None:
    headers = {path.stem for path in HLS.glob("bhc_*.hpp")}
    assert {kernel.name for kernel in IN_CPP} <= headers
    included = re.findall(r'#include "(\w+)\.hpp"', (HLS / "bhc.hpp").read_text())
    assert included == sorted(headers - {"bhc_host"})
    for header in headers:
        assert (HLS / f"{header}.hpp").read_text().count("#pragma once") == 1
