"""A board with a design on it: windows or recordings in, the model's outputs and labels out.

Diagnostics: BHC820..BHC827 (bhc.link, bhc.serial), BHC822..BHC834 (bhc.zynq), BHC823 another design is on the board.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from bhc import inputs, zynq
from bhc.backends import shell, virtual, virtual_zynq
from bhc.backends.beats import beat_bytes, pack, unpack
from bhc.backends.virtual import VirtualBoard
from bhc.backends.virtual_zynq import VirtualZynq
from bhc.boards import Shell
from bhc.diagnostics import fail
from bhc.inputs import Array, Source
from bhc.ir.ops import IntArray
from bhc.link import Counters, Link, Patience
from bhc.live import DEPTH, Overflow, Rows, Stream
from bhc.serial import SerialPort
from bhc.simulator import finish
from bhc.transport import Transport
from bhc.zynq import Sizes, Zynq

if TYPE_CHECKING:
    from bhc.build import Build

#: `on` for the virtual board.
SIM = "sim"
#: A simulated board, on a computer that does other things too, is slower than a real one.
_SIM_PATIENCE = Patience(first_s=0.25, least_s=0.05, asks=7, results_s=120.0)
#: Input of a job for a Zynq; less for a simulated one, so that there is progress to see.
_JOB_BYTES, _SIM_JOB_BYTES = 1 << 20, 1 << 14
#: What a simulated Zynq surely computes.
_SIM_CYCLES_PER_S = 10_000


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """What a board computed.

    outputs: as the ONNX file's, by name and in its order, (N, ...). labels: class indices (N,). cycles: of each
    window, from its last input to its result, (N,); -1 where that was not measured, since the next input came before
    the result, or the board's counter was at its end. seconds: all windows, transfers included. counters: what went
    wrong on the line, and was made good.
    """

    outputs: Mapping[str, Array]
    labels: IntArray
    cycles: IntArray
    seconds: float
    counters: Counters

    @property
    def y(self) -> Array:
        """The first output."""
        return next(iter(self.outputs.values()))

    @property
    def windows_per_second(self) -> float:
        return len(self.labels) / self.seconds


class Device:
    """A board that has a build's design.

    on: "sim" for the virtual board; else the path of a serial port, or of a Zynq the host, [USER@]NAME[:PORT], that
    SSH reaches. baud: of the serial port, by default that of the bitstream. faults: what goes wrong on a virtual
    board, for tests, of the module of its kind. Raises BhcError.

    with bhc.Device(build, "/dev/ttyUSB1") as device:
        print(device.run(x).labels)
    """

    def __init__(
        self,
        build: Build,
        on: str = SIM,
        *,
        baud: int | None = None,
        faults: virtual.Faults | virtual_zynq.Faults | None = None,
    ) -> None:
        if build.settings.backend != "rtl":
            raise fail(
                "BHC602",
                f"the build is of the backend {build.settings.backend}, which has no shell for a board",
                origin="bhc run",
                hint="compile the model with --backend rtl",
            )
        self.build = build
        self._identity = shell.identity(build.pipeline)
        self._resources = ExitStack()
        self._fresh = False
        try:
            if build.settings.board.shell is Shell.ZYNQ:
                self._link: Transport = self._zynq(on, faults or virtual_zynq.NO_FAULTS)
            else:
                self._link = self._serial(on, baud, faults or virtual.NO_FAULTS)
            self._name = self._link.name
            self._resources.callback(self._link.close)
            self.reset()
        except BaseException:
            self.close()
            raise

    def _serial(self, on: str, baud: int | None, faults: virtual.Faults | virtual_zynq.Faults) -> Transport:
        """To a board with a UART."""
        if on != SIM and not on.startswith("/"):
            raise fail(
                "BHC601",
                f"{on!r} is neither {SIM} nor the path of a serial port",
                origin="--on",
                hint=f"{self.build.settings.board.name} is reached over its serial port",
            )
        patience = Patience(results_s=_results_s(self.build))
        if on == SIM:
            assert isinstance(faults, virtual.Faults)
            with self.build.progress.step("building the virtual board"):
                simulator = virtual.build(self.build.pipeline, self._workdir())
            on = self._resources.enter_context(VirtualBoard(simulator, faults)).terminal
            patience = _SIM_PATIENCE
        built = self.build.report.build
        rate = baud or (None if built is None else built.baud) or shell.BAUD
        return Link(SerialPort(on, rate), patience)

    def _zynq(self, on: str, faults: virtual.Faults | virtual_zynq.Faults) -> Transport:
        """To a Zynq."""
        build, pipeline = self.build, self.build.pipeline
        each = shell.input_bytes(pipeline)
        overlap = build.network.overlap
        weights = [item.memory.words.tobytes() for item in pipeline.external]
        sizes = Sizes(each if overlap is None else overlap.window * each // overlap.hop, each)
        if on == SIM:
            assert isinstance(faults, virtual_zynq.Faults)
            with build.progress.step("building the virtual board"):
                simulator = virtual_zynq.build(pipeline, self._workdir())
            board = self._resources.enter_context(VirtualZynq(simulator, pipeline, faults))
            command = [sys.executable, "-m", "bhc.zynq_server", str(board.directory)]
            patience = zynq.Patience(_SIM_PATIENCE.results_s, build.report.cycles_per_window / _SIM_CYCLES_PER_S)
            return Zynq(command, "the virtual board", pipeline, sizes, patience, ahead=_SIM_JOB_BYTES, weights=weights)
        if on.startswith(("/", "-")):
            raise fail(
                "BHC601",
                f"{on!r} is neither {SIM} nor the name of a host",
                origin="--on",
                hint=f"{build.settings.board.name} is reached over the network: [USER@]NAME[:PORT]",
            )
        patience = zynq.Patience(_results_s(build), _results_s(build) - _LEAST_RESULTS_S)
        return Zynq(zynq.ssh(on), on, pipeline, sizes, patience, ahead=_JOB_BYTES, weights=weights)

    def _workdir(self) -> Path:
        """Where a virtual board is built."""
        if self.build.directory is not None:
            return self.build.directory
        return Path(self._resources.enter_context(TemporaryDirectory(prefix="bhc-")))

    def reset(self) -> None:
        """Begin anew: the design forgets all it was given. Raises BhcError."""
        identity = self._link.open()
        self._fresh = True
        if identity != self._identity:
            raise fail(
                "BHC823",
                f"another design is on the board: {identity[1:9].hex()}, and not {self._identity[1:9].hex()}",
                origin=self._name,
                hint="put this build's bitstream on the board",
            )

    def run(self, x: Source, *, one_by_one: bool = False) -> Run:
        """Windows, or of a streamed build recordings, through the board, bit-exact with `Build.simulate`.

        one_by_one: send a window, or the rows of a hop, only when the result before it is there, as a sensor would,
        and so measure the cycles of each. Without, those of the first are measured. After an error, the next run
        begins anew. Raises BhcError (BHC824..BHC827, and for windows that the model does not take).
        """
        network = self.build.network
        windows = inputs.load(x, network.head, network.overlap)
        progress = self.build.progress
        fresh, self._fresh = self._fresh, False
        self._link.counters = Counters()
        begin = time.monotonic()
        with progress.step(f"running {inputs.counted(windows, network.overlap)} on {self._name}"):
            if network.overlap is None:
                if not fresh:
                    self.reset()
                parts = [self._exchange(inputs.integers(windows, network.head), len(windows), one_by_one=one_by_one)]
            else:
                parts = []
                for recording in inputs.rows(windows, network.head, network.overlap):
                    self.reset()
                    parts.append(
                        self._exchange(recording, network.overlap.count(len(recording)), one_by_one=one_by_one)
                    )
        seconds = time.monotonic() - begin
        self._fresh = True
        values = np.concatenate([values for values, _ in parts])
        finished = finish(network, {network.graph.outputs[0]: values})
        names = (output.name for output in network.tail.outputs)
        return Run(
            dict(zip(names, finished, strict=True)),
            network.tail.labels(finished),
            np.concatenate([cycles for _, cycles in parts]),
            seconds,
            self._link.counters,
        )

    def stream(
        self,
        source: Rows,
        *,
        every: int | None = None,
        overflow: Overflow = "wait",
        depth: int = DEPTH,
        silence_s: float | None = None,
    ) -> Stream:
        """Rows of a live source through the board: iterate over the answers, which come as soon as they are there.

        source: rows as the ONNX input's without batch and time, in the same units; `bhc.live.GAP` where some are
        missing. every: rows from one answer to the next, of a design for windows (default: a window); a streamed
        one has its hop. overflow: what happens when more than `depth` rows wait: the source waits, they are dropped
        and the stream begins anew, or stop: BHC840. silence_s: it also begins anew when nothing comes for longer.
        Answers are bit-exact with `Build.simulate`.

        with device.stream(rows) as answers:
            for answer in answers:
                print(answer.label, answer.latency_s)
        """
        made = Stream(
            self.build,
            self._link,
            self.reset,
            source,
            every=every,
            overflow=overflow,
            depth=depth,
            silence_s=silence_s,
        )
        self._fresh = False
        return made

    def _exchange(self, values: IntArray, results: int, *, one_by_one: bool) -> tuple[IntArray, IntArray]:
        """The graph's output (results, ...) and the cycles for its input."""
        pipeline, link = self.build.pipeline, self._link
        entry, sink = pipeline.streams[pipeline.input], pipeline.streams[pipeline.output]
        data = pack(values.reshape(-1), entry).tobytes()
        size = shell.result_bytes(pipeline)
        found = np.zeros((results, size + shell.CYCLE_BYTES), np.uint8)
        taken = 0
        for number, upto in enumerate(self._ends(len(data), results)):
            alone = one_by_one or number == 0
            ahead = upto if alone else min(len(data), max(upto, taken + link.ahead))
            if ahead > taken:
                link.send(data[taken:ahead])
                taken = ahead
            found[number] = np.frombuffer(link.receive(size + shell.CYCLE_BYTES), np.uint8)
            self.build.progress.advance(number + 1, results)
        shape = self.build.graph.types()[self.build.graph.outputs[0]].shape
        beats = np.ascontiguousarray(found[:, :size]).reshape(-1, beat_bytes(sink))
        cycles = found[:, size:].astype(np.int64) @ (1 << 8 * np.arange(shell.CYCLE_BYTES))
        measured = np.arange(results) < (results if one_by_one else 1)
        return unpack(beats, sink, shape), np.where(measured & (cycles < shell.MOST_CYCLES), cycles, -1)

    def _ends(self, size: int, results: int) -> Iterator[int]:
        """Of each result, the bytes of input that it takes from the beginning."""
        each = shell.input_bytes(self.build.pipeline)
        first = size - (results - 1) * each
        overlap = self.build.network.overlap
        if overlap is not None:
            first = overlap.window * each // overlap.hop
        return (first + number * each for number in range(results))

    def close(self) -> None:
        """Give the board back, and end a virtual one."""
        self._resources.close()

    def __enter__(self) -> Device:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


#: How long a real board may be silent, whatever it computes.
_LEAST_RESULTS_S = 10.0


def _results_s(build: Build) -> float:
    """How long a real board may be silent about results: ten times what a window takes, and ten seconds."""
    return _LEAST_RESULTS_S + 10 * build.report.latency_cycles / (build.report.target.clock_mhz * 1e6)
