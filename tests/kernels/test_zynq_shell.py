"""The Zynq's shell around FIFOs: beats of every size through memory and back, jobs of every shape, clearing, errors."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bhc import zynq_driver
from bhc.backends import virtual_zynq
from bhc.backends.virtual_zynq import Faults, VirtualZynq
from bhc.backends.zynq import result_words, slot_bytes
from bhc.ir.pipeline import Pipeline, Stage, Stream
from bhc.ir.types import Kind
from bhc.zynq_driver import Accelerator, DriverError
from bhc.zynq_server import SharedMemory, SocketRegisters, open_design


def fifo(lanes: int, result_beats: int) -> Pipeline:
    """A design that gives back what it gets: beats of so many bytes, so many of them a result."""
    streams = {
        name: Stream(name, lanes, 8, Kind.UNSIGNED, beats)
        for name, beats in (("a", 2 * result_beats), ("b", result_beats))
    }
    stage = Stage("ab", "bhc_fifo", {"Width": 8 * lanes, "Depth": 4, "Style": 1}, ("a",), ("b",))
    return Pipeline(f"fifo{lanes}", streams, (stage,), "a", "b", 100.0, 1, 1)


@contextmanager
def running(simulator: Path, design: Pipeline, faults: Faults) -> Iterator[tuple[Accelerator, SocketRegisters]]:
    with VirtualZynq(simulator, design, faults) as board:
        registers = SocketRegisters(board.directory)
        with Accelerator(registers, SharedMemory(board.directory, registers)) as accelerator:
            yield accelerator, registers


def exchange(design: Pipeline, accelerator: Accelerator, results: int, draw: random.Random) -> int:
    """A job whose results must be its input; its cycles."""
    sink = design.streams["b"]
    slot, words = slot_bytes(sink), result_words(design)
    used = sink.beats * slot
    lanes = [draw.randbytes(sink.lanes).ljust(slot, b"\0") for _ in range(results * sink.beats)]
    done = accelerator.run(b"".join(lanes), len(lanes), results * words)
    for number in range(results):
        result = done.data[8 * words * number : 8 * words * (number + 1)]
        assert result[:used] == b"".join(lanes[number * sink.beats : (number + 1) * sink.beats])
        assert not any(result[used:])
    return done.cycles


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all simulators are built, one after another, so that they share Verilator's library."""
    return tmp_path_factory.mktemp("shell")


@pytest.mark.slow
@pytest.mark.parametrize(("lanes", "result_beats"), [(1, 5), (54, 2), (3, 7)])
def test_beats_of_every_size(folder: Path, lanes: int, result_beats: int) -> None:
    design = fifo(lanes, result_beats)
    simulator = virtual_zynq.build(design, folder)
    draw = random.Random(lanes)
    for faults in (Faults(seed=2), Faults(0, 0, 0, 0, 0), Faults(40, 0, 200, 0, 0)):
        with running(simulator, design, faults) as (accelerator, registers):
            assert (accelerator.in_beats, accelerator.in_slot) == (2 * result_beats, slot_bytes(design.streams["a"]))
            for results in (1, 2, 1, 3):
                exchange(design, accelerator, results, draw)
            cycles = exchange(design, accelerator, 50, draw)
            if faults.pause == 0:
                bytes_a_cycle = min(8, slot_bytes(design.streams["a"]))
                moved = 50 * result_beats * slot_bytes(design.streams["a"]) / bytes_a_cycle
                assert cycles <= 1.2 * moved + 50 * 8 + 100  # empty beats behind a result, bursts, latency
            one_at_a_time(design, accelerator, draw)
            interrupts(design, accelerator, registers, draw)


def one_at_a_time(design: Pipeline, accelerator: Accelerator, draw: random.Random) -> None:
    """Input without results, then results without input."""
    sink = design.streams["b"]
    data = [draw.randbytes(sink.lanes).ljust(slot_bytes(sink), b"\0") for _ in range(sink.beats)]
    for beat in data[:-1]:
        assert accelerator.run(beat, 1, 0).data == b""
    done = accelerator.run(data[-1], 1, result_words(design))
    assert done.data[: sink.beats * slot_bytes(sink)] == b"".join(data)


def interrupts(design: Pipeline, accelerator: Accelerator, registers: SocketRegisters, draw: random.Random) -> None:
    registers.write(zynq_driver.REG_STATUS, zynq_driver.STATUS_DONE)
    registers.write(zynq_driver.REG_IRQ_ENABLE, 1)
    assert not registers.interrupt()
    exchange(design, accelerator, 1, draw)
    assert registers.interrupt()
    registers.write(zynq_driver.REG_STATUS, zynq_driver.STATUS_DONE)
    assert not registers.interrupt()
    assert registers.read(zynq_driver.REG_IRQ_ENABLE) == 1
    assert registers.read(0x800) == 0
    registers.write(zynq_driver.REG_IRQ_ENABLE, 0)


@pytest.mark.slow
def test_memory_that_hangs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst that never ends may not be left half done: nothing but a new bitstream helps."""
    design = fifo(3, 7)
    simulator = virtual_zynq.build(design, folder)
    monkeypatch.setattr(zynq_driver, "_RESET_S", 0.3)
    with VirtualZynq(simulator, design, Faults(hang=3)) as board:
        accelerator = open_design(board.directory)
        for clear in (lambda: accelerator.run(bytes(400), 100, 0, 0.2), accelerator.close):
            with pytest.raises(
                DriverError, match="the design does not become idle: memory does not answer it"
            ) as raised:
                clear()
            assert raised.value.code == zynq_driver.E_STUCK


@pytest.mark.slow
def test_what_goes_wrong(folder: Path) -> None:
    """Each ends in an error; the design then works as if nothing had been."""
    design = fifo(3, 7)
    simulator = virtual_zynq.build(design, folder)
    draw = random.Random(1)
    with running(simulator, design, Faults(seed=3)) as (accelerator, registers):
        for beats, words in ((3, 4), (14, 40), (0, 4)):  # more results than the input makes
            with pytest.raises(DriverError, match=r"no end after 0.2 s") as raised:
                accelerator.run(bytes(4 * beats), beats, words, 0.2)
            assert raised.value.code == zynq_driver.E_TIME
            exchange(design, accelerator, 3, draw)
        with pytest.raises(DriverError, match="a job larger than the buffers"):
            accelerator.run(bytes(zynq_driver.BUFFER_BYTES + 1), 1, 1)
        for _ in range(20):  # given up at any moment
            registers.write(zynq_driver.REG_JOB_IN_WORDS, 100)
            registers.write(zynq_driver.REG_JOB_IN_BEATS, 200)
            registers.write(zynq_driver.REG_JOB_OUT_WORDS, 90)
            registers.write(zynq_driver.REG_CONTROL, zynq_driver.CONTROL_START)
            for _ in range(draw.randrange(8)):
                registers.read(zynq_driver.REG_STATUS)
            accelerator.reset()
            exchange(design, accelerator, 2, draw)
    for faults, what in ((Faults(break_read=3), "reading input"), (Faults(break_write=1), "writing results")):
        with running(simulator, design, faults) as (accelerator, _):
            with pytest.raises(DriverError, match=f"a bus error when {what}") as raised:
                exchange(design, accelerator, 20, draw)
            assert raised.value.code == zynq_driver.E_BUS
