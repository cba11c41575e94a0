"""The AXI engines with a memory that keeps them waiting and watches the rules; edges of 4 KiB, copies given up."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.kernels.harness import build_program

HERE = Path(__file__).resolve().parent
BACKENDS = HERE.parents[1] / "backends"


@pytest.fixture(scope="module")
def copier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("axi")
    return build_program(
        folder, "axi_copy", {}, HERE / "axi_copy.sv", [f'#include "{HERE / "axi_driver.cpp"}"'], [BACKENDS]
    )


def copy(
    program: Path,
    seed: int,
    trials: int,
    latency: int = 0,
    jitter: int = 0,
    pause: int = 0,
    words: int = 100,
    errors: int = 0,
) -> list[list[int]]:
    """Of each copy that was not given up: words, cycles, words of the ring, errors when reading and writing."""
    arguments = (seed, trials, latency, jitter, pause, words, errors)
    done = subprocess.run([program, *map(str, arguments)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    return [[int(word) for word in line.split()[1:]] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("pause", [0, 30, 200])
@pytest.mark.parametrize("words", [1, 20, 600])
def test_copies(copier: Path, words: int, pause: int) -> None:
    assert copy(copier, words, 60, latency=3, jitter=40, pause=pause, words=words)


def test_a_word_a_cycle(copier: Path) -> None:
    """Latency hidden by bursts under way: a burst costs the writer a cycle more than its words, the reader none."""
    for words, cycles, ring_words, *_ in copy(copier, 1, 40, latency=12, words=2000):
        bursts = words // 16 + 2
        assert cycles <= words + bursts + 60
        assert ring_words >= cycles - 20


def test_errors_are_told(copier: Path) -> None:
    trials = copy(copier, 1, 40, latency=3, jitter=10, pause=30, errors=1)
    assert all(row[3] > 0 for row in trials)
    assert any(row[4] > 0 for row in trials)
