"""A compiled model: in memory, and in a folder if it was written to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from bhc import folder, inputs, simulator
from bhc.backends import cosim, rtl, synth
from bhc.diagnostics import fail
from bhc.inputs import Source
from bhc.ir import pipeline as pipelines
from bhc.ir.graph import Graph
from bhc.ir.pipeline import Pipeline, Resources
from bhc.ir.schedule import schedule
from bhc.options import Settings
from bhc.progress import SILENT, Progress
from bhc.report import Difference, MismatchError, Report, Verification
from bhc.simulator import Network, Simulation
from bhc.version import __version__


class Build:
    """What `compile` makes and `load` reads back.

    settings: all options, resolved. network: the integer graph with the host's part. directory: its folder,
    None if the build was not written; then tools work in a temporary one. progress: who is told what takes
    long.
    """

    def __init__(
        self,
        settings: Settings,
        network: Network,
        report: Report,
        pipeline: Pipeline | None = None,
        directory: Path | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self.settings = settings
        self.network = network
        self.directory = directory
        self.progress = progress
        self._report = report
        self._pipeline = pipeline

    @property
    def graph(self) -> Graph:
        """The integer graph, as scheduled."""
        return self.network.graph

    @property
    def report(self) -> Report:
        """The figures so far: comparisons and synthesis add to them."""
        return self._report

    @cached_property
    def pipeline(self) -> Pipeline:
        """The scheduled design; for a build read from a folder it is made anew, and must be the one that was compiled.

        Raises BhcError if pipeline.txt (BHC607) or the Verilog (BHC606) is not what comes out.
        """
        if self._pipeline is not None:
            return self._pipeline
        assert self.directory is not None
        with self.progress.step("scheduling"):
            made = schedule(self.graph, self.settings.model.name, self.settings.schedule)
        if pipelines.dump(made) != folder.read(self.directory).pipeline:
            raise fail(
                "BHC607",
                f"pipeline.txt is not what bhc {__version__} makes; the build is from {self.settings.bhc}",
                origin=str(self.directory),
                hint="compile the model again",
            )
        folder.check_files(self.directory, rtl.emit(made))
        return made

    def simulate(self, x: Source, *, trace: str | Path | None = None) -> Simulation:
        """The model's outputs, bit-exact with the hardware. trace: folder for every intermediate value.

        Raises BhcError for windows that the model does not take.
        """
        windows = inputs.load(x, self.network.head)
        with self.progress.step(f"simulating {len(windows):,} windows"):
            return simulator.simulate(
                self.network, windows, trace=None if trace is None else Path(trace), progress=self.progress
            )

    def cosim(self, x: Source, *, stalls: int | None = None, vcd: str | Path | None = None) -> Verification:
        """Simulate the RTL with Verilator and compare every stage's stream with the simulator.

        stalls: seed of random pauses at both ends; without, cycles are measured. vcd: file for waveforms.
        Raises MismatchError if anything differs (it is in the report too), BhcError if a tool is missing or
        fails.
        """
        windows = inputs.load(x, self.network.head)
        (declared,) = self.graph.inputs
        data = {declared.name: inputs.integers(windows, self.network.head)}
        design = self.pipeline
        with (
            self._workdir() as workdir,
            self.progress.step(f"building and simulating the RTL, {len(windows):,} windows"),
        ):
            result = cosim.cosim(
                design, self.graph, data, workdir, stalls=stalls, vcd=None if vcd is None else Path(vcd)
            )
        self.progress.detail(f"{result.cycles:,} cycles simulated")
        measured = stalls is None
        entry = Verification(
            against="rtl",
            backend=self.settings.backend,
            windows=result.windows,
            stages=sum(row.value is not None for row in result.streams),
            values=result.values,
            mismatches=result.mismatches,
            ambiguous=0,
            cycles_per_window_measured=result.cycles_per_window_measured if measured else None,
            latency_cycles_measured=result.latency_cycles if measured else None,
            stalls=stalls,
            first=_difference(result.first_mismatch),
        )
        self.record(entry)
        return entry

    def synth(self) -> Resources:
        """Synthesise with Yosys: the design's resources, which the report then holds for each stage too.

        Raises BhcError if Yosys is missing or fails.
        """
        design = self.pipeline
        with self._workdir() as workdir, self.progress.step("synthesising"):
            result = synth.synth(design, workdir, progress=self._stage_done)
        total = result.total.resources
        stages = {name: area.resources for name, area in result.stages.items()}
        self._save(self._report.synthesized(total, stages))
        return total

    def _stage_done(self, name: str, done: int, of: int) -> None:
        self.progress.detail(f"synthesised {name}")
        self.progress.advance(done, of)

    def record(self, entry: Verification) -> None:
        """Keep a comparison in the report. Raises MismatchError, after that, if something differed."""
        self._save(self._report.verified(entry))
        if entry.mismatches:
            raise MismatchError(entry)

    def _save(self, report: Report) -> None:
        self._report = report
        if self.directory is not None:
            folder.save(self.directory / folder.REPORT, report.dump())

    @contextmanager
    def _workdir(self) -> Iterator[Path]:
        if self.directory is not None:
            yield self.directory
            return
        with TemporaryDirectory(prefix="bhc-") as name:
            yield Path(name)


def load(directory: str | Path, *, progress: Progress = SILENT) -> Build:
    """The build in a folder that `bhc compile` wrote. Raises BhcError."""
    path = Path(directory)
    contents = folder.read(path)
    return Build(contents.settings, contents.network, contents.report, directory=path, progress=progress)


def _difference(found: cosim.Mismatch | None) -> Difference | None:
    if found is None:
        return None
    return Difference(found.stage, found.window, found.position, str(found.expected), str(found.got))
