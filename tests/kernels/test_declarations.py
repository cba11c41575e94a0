"""Every kernel's declaration against its module: parameters, memories and ports, by name and order."""

import re
from pathlib import Path

import pytest

from bhc.ir.kernels import KERNELS, Kernel

RTL = Path(__file__).parents[2] / "rtl"


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
