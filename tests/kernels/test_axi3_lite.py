"""From a Zynq processor's port to registers: random bursts both ways at once, registers and processor that wait."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.kernels.harness import RTL, build_program

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    unit = [f'#include "{HERE / "axi3_lite_driver.cpp"}"']
    return build_program(tmp_path_factory.mktemp("axi3_lite"), "bhc_axi3_lite", {}, RTL / "bhc_axi3_lite.sv", unit)


def run(program: Path, seed: int, trials: int, pause: int) -> list[tuple[str, int, int]]:
    """Of each burst: its kind, beats, and cycles from address to answer."""
    done = subprocess.run([program, str(seed), str(trials), str(pause)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    rows = (line.split() for line in done.stdout.splitlines())
    return [(kind, int(beats), int(cycles)) for kind, beats, cycles in rows]


@pytest.mark.parametrize("pause", [0, 2, 6])
def test_bursts(program: Path, pause: int) -> None:
    for seed in range(3):
        assert len(run(program, seed, 400, pause)) == 800


def test_cycles(program: Path) -> None:
    """With registers that answer in the next cycle: 2 a word, and one more for the answer to a burst that writes."""
    for kind, beats, cycles in run(program, 1, 300, 0):
        assert cycles == 2 * beats + (1 if kind == "write" else 0), (kind, beats)
