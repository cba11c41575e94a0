"""A compiled model: in memory, and in a folder if it was written to one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, assert_never

from bhc import emission, folder, inputs, simulator
from bhc.backends import bitstream, compare, cosim, csim, hls4ml_project, netlist, openxc7, synth, vivado
from bhc.backends.bitstream import Bitstream
from bhc.backends.plan import BuildPlan
from bhc.backends.shell import BAUD
from bhc.boards import Shell, Toolchain
from bhc.diagnostics import fail
from bhc.inputs import Source, Windows
from bhc.ir import pipeline as pipelines
from bhc.ir.fabric import Family
from bhc.ir.graph import Graph
from bhc.ir.pipeline import Pipeline, Resources
from bhc.ir.profile import Profile
from bhc.ir.schedule import schedule
from bhc.options import Backend, Settings
from bhc.progress import SILENT, Progress
from bhc.report import Activity, Against, Difference, MismatchError, Report, Verification
from bhc.simulator import Network, Simulation
from bhc.version import __version__

#: What `cosim` can simulate.
Simulated = Literal["rtl", "netlist", "hls", "hls4ml", "finn"]
_TITLES: Mapping[Simulated, str] = {
    "rtl": "the RTL",
    "netlist": "the netlist",
    "hls": "the HLS C++",
    "hls4ml": "hls4ml's C simulation",
    "finn": "the ONNX file in qonnx",
}
_AGAINST: Mapping[Simulated, Against] = {
    "rtl": "rtl",
    "netlist": "netlist",
    "hls": "hls",
    "hls4ml": "hls",
    "finn": "qonnx",
}
#: What is simulated, of the builds of each backend. RTL and HLS are one design.
_SIMULATED: Mapping[Backend, tuple[Simulated, ...]] = {
    "rtl": ("rtl", "netlist", "hls"),
    "hls": ("hls", "rtl"),
    "hls4ml": ("hls4ml",),
    "finn": ("finn",),
}
#: What can be simulated with pauses, and with waveforms.
_IN_VERILATOR: tuple[Simulated, ...] = ("rtl", "netlist")


class Build:
    """What `compile` makes and `load` reads back.

    settings: all options, resolved. network: the integer graph with the host's part. profile: what changes, if it was
    measured. directory: its folder,
    None if the build was not written; then tools work in a temporary one. progress: who is told what takes
    long.
    """

    def __init__(
        self,
        settings: Settings,
        network: Network,
        report: Report,
        profile: Profile | None = None,
        pipeline: Pipeline | None = None,
        directory: Path | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self.settings = settings
        self.network = network
        self.directory = directory
        self.progress = progress
        self._report = report
        self._profile = profile
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

        Raises BhcError if pipeline.txt (BHC607) or the design's files (BHC606) are not what comes out.
        """
        if self._pipeline is not None:
            return self._pipeline
        assert self.directory is not None
        with self.progress.step("scheduling"):
            settings = self.settings
            made = schedule(self.graph, settings.model.name, settings.schedule, settings.delta, self._profile)
        if pipelines.dump(made) != folder.read(self.directory).pipeline:
            raise fail(
                "BHC607",
                f"pipeline.txt is not what bhc {__version__} makes; the build is from {self.settings.bhc}",
                origin=str(self.directory),
                hint="compile the model again",
            )
        folder.check_files(self.directory, emission.emit(self.settings, self.graph, made))
        return made

    def simulate(self, x: Source, *, trace: str | Path | None = None) -> Simulation:
        """The model's outputs, bit-exact with the hardware. trace: folder for every intermediate value.

        Raises BhcError for windows that the model does not take.
        """
        windows = inputs.load(x, self.network.head, self.network.overlap)
        with self.progress.step(f"simulating {inputs.counted(windows, self.network.overlap)}"):
            return simulator.simulate(
                self.network, windows, trace=None if trace is None else Path(trace), progress=self.progress
            )

    def cosim(
        self,
        x: Source,
        *,
        backend: Simulated | None = None,
        stalls: int | None = None,
        vcd: str | Path | None = None,
        activity: bool = False,
    ) -> Verification:
        """Simulate the design and compare every stage's values with the simulator's.

        backend: what is simulated, by default what the build is of: the Verilog in Verilator (rtl), the same with the
        netlist that Yosys makes of it for the board's family (netlist), the C++ as a program (hls), hls4ml's own C
        simulation of its project (hls4ml), the ONNX file in qonnx (finn). rtl and hls are one design and do for both
        kinds of builds. stalls: seed of random pauses at both ends; without, cycles are measured. vcd: file for
        waveforms. Both are for rtl and netlist. activity: also count what every stage does, which the report then has;
        for rtl. Raises MismatchError if anything differs (it is in the report too), BhcError if a tool is
        missing or fails.
        """
        simulated = backend or self.settings.backend
        if simulated not in _IN_VERILATOR:
            only = {"--stalls": stalls is not None, "--vcd": vcd is not None}
            for option in (name for name, asked in only.items() if asked):
                places = " and ".join(_IN_VERILATOR)
                raise fail("BHC602", f"is for simulating {places}, not {simulated}", origin=option, hint="leave it out")
        if activity and simulated != "rtl":
            raise fail("BHC602", f"is for simulating rtl, not {simulated}", origin="--activity", hint="leave it out")
        if simulated == "hls" and self.pipeline.external:
            raise fail(
                "BHC602",
                "the C++ library takes no weights from outside the device",
                origin="--backend hls",
                hint="simulate the Verilog, or compile with --weights chip",
            )
        if simulated not in _SIMULATED[self.settings.backend]:
            raise fail(
                "BHC602",
                f"the build is of the backend {self.settings.backend}, of which there is no {simulated} to simulate",
                origin="--backend",
                hint=f"compile the model with --backend {'rtl' if simulated == 'netlist' else simulated}",
            )
        overlap = self.network.overlap
        windows = inputs.load(x, self.network.head, overlap)
        with (
            self._workdir() as workdir,
            self.progress.step(f"building and simulating {_TITLES[simulated]}, {inputs.counted(windows, overlap)}"),
        ):
            waveforms = None if vcd is None else Path(vcd)
            result = self._simulated(simulated, windows, workdir, stalls, waveforms, activity=activity)
        entry = Verification(
            against=_AGAINST[simulated],
            backend=self.settings.backend,
            windows=result.windows,
            stages=sum(row.value is not None for row in result.streams),
            values=result.values,
            mismatches=result.mismatches,
            ambiguous=0,
            cycles_per_window_measured=None if stalls is not None else result.cycles_per_window_measured,
            latency_cycles_measured=None if stalls is not None else result.latency_cycles,
            stalls=stalls,
            first=_difference(result.first_mismatch),
        )
        if activity:
            self._save(replace(self._report, activity=Activity(result.windows, result.activity)))
        self.record(entry)
        return entry

    def _simulated(
        self,
        backend: Simulated,
        windows: Windows,
        workdir: Path,
        stalls: int | None,
        vcd: Path | None,
        *,
        activity: bool,
    ) -> compare.CosimResult:
        (declared,) = self.graph.inputs
        head, overlap = self.network.head, self.network.overlap
        if backend in {"rtl", "netlist", "hls"}:
            runs = [inputs.integers(windows, head)] if overlap is None else inputs.rows(windows, head, overlap)
            given = {declared.name: runs}
            if backend == "hls":
                return csim.csim(self.pipeline, self.graph, given, workdir)
            family = self.settings.schedule.family
            made = netlist.synthesize(self.pipeline, family, workdir) if backend == "netlist" else None
            return cosim.cosim(
                self.pipeline, self.graph, given, workdir, stalls=stalls, vcd=vcd, activity=activity, netlist=made
            )
        data = {declared.name: inputs.integers(windows, head)}
        match backend:
            case "hls4ml":
                return hls4ml_project.csim(self._files, self.graph, data, workdir)
            case "finn":
                from bhc.backends import finn_model  # see bhc.emission

                return finn_model.execute(self._files, self.graph, data)
            case _:
                raise AssertionError(backend)

    @cached_property
    def _files(self) -> BuildPlan:
        """The design's files; those on the disk are the same."""
        return emission.emit(self.settings, self.graph, self.pipeline)

    def synth(self) -> Resources:
        """Synthesise with Yosys: the design's resources, which the report then holds for each stage too.

        Raises BhcError if Yosys is missing or fails, and BHC602 unless the build is of the rtl backend.
        """
        self._only_rtl("bhc synth", "Yosys synthesises Verilog")
        design = self.pipeline
        with self._workdir() as workdir, self.progress.step("synthesising"):
            result = synth.synth(design, workdir, family=self.settings.schedule.family, progress=self._stage_done)
        total = result.total.resources
        stages = {name: area.resources for name, area in result.stages.items()}
        self._save(self._report.synthesized(total, stages))
        return total

    def bitstream(self, toolchain: str = "auto", *, baud: int | None = None) -> Bitstream:
        """Make the bitstream for the board, which the report then describes; its file is in the build's folder.

        toolchain: nextpnr, vivado or openxc7; auto takes the first of the board's that is installed. baud: of the
        board's UART, by default 1,000,000. Of a 7-series
        design the netlist, its figures and a project of Vivado are kept, whether a toolchain is there or not. Raises
        BhcError: BHC541 to BHC546; BHC540 and BHC819 for a clock that cannot be; BHC602 unless the build is of the rtl
        backend.
        """
        self._only_rtl("bhc build", "a bitstream is made of Verilog")
        if self.directory is None:
            raise fail("BHC602", "the build has no folder", origin="bhc build", hint="compile the model with out=DIR")
        board, directory = self.settings.board, self.directory.resolve()
        if board.shell is Shell.UART:
            baud = baud or BAUD
        elif baud is not None:
            raise fail("BHC602", f"{board.name} has no UART", origin="--baud", hint="leave it out")
        chain = bitstream.choose(board, toolchain)
        if chain is None and board.family is not Family.XC7:
            raise bitstream.absent(board, toolchain)
        if chain is Toolchain.OPENXC7:
            openxc7.database(board.part)
        design = self.pipeline
        with self.progress.step("synthesising the whole design"):
            safe = chain is Toolchain.OPENXC7
            clock_mhz = self.settings.schedule.clock_mhz
            made = bitstream.synthesize(design, board, clock_mhz, directory, safe=safe, baud=baud or BAUD)
        if board.family is Family.XC7:
            vivado.write_project(design, board, made)
        step = self.progress.step
        match chain:
            case Toolchain.NEXTPNR:
                result = bitstream.route(made, board, directory, step)
            case Toolchain.VIVADO:
                result = vivado.implement(made, board, directory, step)
            case Toolchain.OPENXC7:
                result = openxc7.route(made, board, directory, step)
            case None:
                result = bitstream.netlist_alone(made)
            case _:
                assert_never(chain)
        result = replace(result, baud=baud)
        self._save(replace(self._report, build=result))
        if chain is None:
            raise bitstream.absent(board, toolchain)
        return result

    def _only_rtl(self, verb: str, why: str) -> None:
        if self.settings.backend != "rtl":
            raise fail(
                "BHC602",
                f"{why}, and the build is of the backend {self.settings.backend}",
                origin=verb,
                hint="compile the model with --backend rtl",
            )

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
            yield self.directory.resolve()
            return
        with TemporaryDirectory(prefix="bhc-") as name:
            yield Path(name)


def load(directory: str | Path, *, progress: Progress = SILENT) -> Build:
    """The build in a folder that `bhc compile` wrote. Raises BhcError."""
    path = Path(directory)
    contents = folder.read(path)
    return Build(
        contents.settings, contents.network, contents.report, contents.profile, directory=path, progress=progress
    )


def _difference(found: compare.Mismatch | None) -> Difference | None:
    if found is None:
        return None
    return Difference(found.stage, found.window, found.position, str(found.expected), str(found.got))
