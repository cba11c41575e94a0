"""From an ONNX file to a build: the whole way, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from bhc import emission, folder, inputs
from bhc.backends.plan import BuildPlan
from bhc.backends.runner import file_errors, write
from bhc.build import Build
from bhc.diagnostics import fail
from bhc.inputs import Source, Windows
from bhc.ir import passes, pipeline, profile, stream, text, tradeoff
from bhc.ir.graph import Graph
from bhc.ir.layers import compute_layers
from bhc.ir.pipeline import Folding, Pipeline
from bhc.ir.profile import Profile
from bhc.ir.schedule import schedule
from bhc.options import Calibration, ModelFile, Options, resolve
from bhc.progress import SILENT, Progress
from bhc.report import DeltaReport, ExactnessRow, ModelRow, Report, Tensor, Verification, make
from bhc.simulator import Network
from bhc.verify import compare, streamed_too

if TYPE_CHECKING:
    from bhc.frontend import Model, Port
    from bhc.frontend.reference import Executor

Emit = Literal["graph", "pipeline", "rtl", "hls", "project"]


def compile(  # noqa: A001 - the verb of the command line
    model: str | Path,
    *,
    target: str | Path = "pynq-z2",
    clock: float | None = None,
    fps: float | None = None,
    fit: bool = False,
    folding: str | Path | Mapping[str, Folding] | None = None,
    backend: str = "rtl",
    io: str | None = None,
    vendor: str | None = None,
    mode: str = "window",
    hop: int | None = None,
    delta: str = "off",
    calibrate: Source | None = None,
    weights: str = "auto",
    out: str | Path | None = None,
    verify: Source | None = None,
    emit: Emit = "project",
    dump_ir: str | Path | None = None,
    progress: Progress = SILENT,
) -> Build:
    """Compile a QONNX model for a board.

    target: a board's name, or the path of its TOML file. clock: MHz, by default the board's. fps (windows a
    second), fit or folding: how parallel the design is, see Options. backend: rtl, hls, hls4ml or finn; io (stream
    or parallel) and vendor (vitis or vivado) are hls4ml's. out: folder that gets the build, or the part of it that
    `emit` names; "rtl" and "hls" mean the backend's sources. delta: off, auto or on: layers may, or must, skip what
    does not change; calibrate: windows (in the mode stream recordings) that say how much that is, else it is
    guessed. weights: auto, chip or ddr: where those of dense layers are. verify: windows to
    compare the simulator on with onnxruntime. dump_ir: folder that gets the graph after each pass.

    Raises:
        BhcError: everything that is wrong with the model or the options.
        MismatchError: verify found a difference; the build is written all the same.
    """
    options = Options(target, clock, fps, fit, folding, backend, io, vendor, mode, hop, delta, calibrate, weights)
    directory = None if out is None else Path(out)
    if directory is not None:
        folder.check_output(directory)
    made = Compilation(model, options, dump_ir=dump_ir, progress=progress)
    windows = None if verify is None else inputs.load(verify, made.network.head, made.network.overlap)
    if directory is not None:
        made.write(directory, emit)
    build = made.build(directory if emit == "project" else None)
    if windows is not None:
        made.verify(build, windows)
    return build


class Compilation:
    """The steps of `compile`, so that the command line can stop after any of them."""

    def __init__(
        self,
        path: str | Path,
        options: Options,
        *,
        dump_ir: str | Path | None = None,
        progress: Progress = SILENT,
    ) -> None:
        """Read the model and rewrite its graph."""
        self.path = Path(path)
        self.progress = progress
        with progress.step(f"reading {self.path.name}"):
            self.model = load_model(self.path)
        self.settings = resolve(options, ModelFile(self.model.name, self.model.sha256))
        graph = _rewrite(self.model.graph, None if dump_ir is None else Path(dump_ir))
        self.windowed = Network(graph, self.model.head, self.model.tail)
        self.network = self.windowed
        if self.settings.hop is not None:
            self.network = self._streamed(graph, self.settings.hop)
        progress.detail(f"{len(self.model.graph.nodes)} operations, {len(graph.nodes)} after the passes")
        self.profile: Profile | None = None
        if options.calibrate is not None:
            self._calibrate(options.calibrate)

    def _streamed(self, graph: Graph, hop: int) -> Network:
        """The network of one hop. Raises BhcError (BHC310 to BHC313)."""
        made = stream.rewrite(graph, hop, skips=self.settings.delta != "off")
        for name, why in made.reasons.items():
            self.progress.detail(f"'{name}' is computed window by window: it {why}")
        head = self.model.head
        network = Network(made.graph, head, self.model.tail)
        assert network.overlap is not None
        axis = network.overlap.axis(head)
        shape = [1, *head.input_shape]
        shape[axis] += 1
        x = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
        now, later = (head.run(np.take(x, range(s, s + made.window), axis)) for s in (0, 1))
        if not np.array_equal(now[:, 1:], later[:, :-1]):
            raise fail(
                "BHC313",
                "what the host computes before the first layer depends on where in the window a row lies",
                origin=self.model.name,
                hint="normalise with constants; or use --mode window",
            )
        return network

    def _calibrate(self, source: Source) -> None:
        """Measure what changes. Raises BhcError for data that the model does not take."""
        network = self.network
        windows = inputs.load(source, network.head, network.overlap)
        with self.progress.step(f"calibrating on {inputs.counted(windows, network.overlap)}"):
            if network.overlap is None:
                # The order of windows matters to layers that skip from one to the next; many say little more than some.
                some = profile.pick(len(windows), profile.units(network.graph, profile.ROWS))
                data = [inputs.integers(replace(windows, x=windows.x[some], y=None), network.head)]
            else:
                data = inputs.rows(windows, network.head, network.overlap)
            found = profile.measure(network.graph, compute_layers(network.graph), data)
        self.profile = found
        calibration = Calibration(Path(windows.origin).name, found.units)
        self.settings = replace(self.settings, calibration=calibration)

    @cached_property
    def design(self) -> Pipeline:
        """The scheduled pipeline."""
        settings = self.settings
        with self.progress.step("scheduling"):
            return schedule(self.network.graph, self.model.name, settings.schedule, settings.delta, self.profile)

    @cached_property
    def report(self) -> Report:
        """The report, nothing compared yet."""
        exactness = self.model.exactness
        return make(
            self.settings,
            _model_row(self.model),
            ExactnessRow(exactness.channels, exactness.ambiguous_channels),
            self.design,
            self._delta(),
        )

    def _delta(self) -> DeltaReport | None:
        """What skipping was predicted to cost and save."""
        mode, graph = self.settings.delta, self.network.graph
        if mode == "off":
            return None
        layers = compute_layers(graph)
        known = self.profile or profile.guess(graph, layers)
        return DeltaReport(mode, not known.guessed, known.units, tradeoff.rows(self.design, layers, known))

    def plan(self, emit: Emit) -> BuildPlan:
        """The files of a build, down to a level."""
        network = folder.network_plan(self.network, self.profile)
        plan = network
        if emit != "graph":
            plan |= BuildPlan({folder.PIPELINE: pipeline.dump(self.design)})
        if emit in {"rtl", "hls", "project"}:
            plan |= emission.emit(self.settings, self.network.graph, self.design)
        if emit == "project":
            plan |= folder.settings_plan(self.settings, network)
            plan |= BuildPlan({folder.REPORT: self.report.dump()})
        return plan

    def write(self, directory: Path, emit: Emit) -> None:
        """Make the folder hold the build, down to a level."""
        plan = self.plan(emit)
        with self.progress.step(f"writing {directory}"):
            write(plan, directory)
            with file_errors("write", directory):
                (directory / "logs").mkdir(exist_ok=True)
        self.progress.detail(f"{len(plan.files)} files, SHA-256 of all {plan.digest()}")

    def build(self, directory: Path | None) -> Build:
        """The build, which lies in `directory` if it was written."""
        return Build(self.settings, self.network, self.report, self.profile, self.design, directory, self.progress)

    def verify(self, build: Build, windows: Windows, against: Executor = "onnxruntime") -> Verification:
        """Compare the simulator with an executor. Raises MismatchError, with the result in the build's
        report.
        """
        overlap = self.network.overlap
        cut = windows if overlap is None else inputs.cut(windows, self.network.head, overlap)
        with self.progress.step(f"comparing with {against} on {len(cut):,} windows"):
            entry = compare(self.path, self.model, self.windowed, cut, self.progress, against, self.settings.backend)
            if overlap is not None:
                entry = streamed_too(entry, self.windowed, self.network, windows, cut)
        build.record(entry)
        return entry


def load_model(path: str | Path) -> Model:
    """Read an ONNX file. Raises BhcError."""
    # Reading the onnx package takes longer than all else that starts up, and only this needs it.
    from bhc import frontend

    return frontend.load(Path(path))


def _rewrite(graph: Graph, dump: Path | None) -> Graph:
    """The graph after all passes; each step goes to the folder `dump`, if there is one."""
    steps = {"00-frontend.txt": text.dump(graph)}

    def after(name: str, result: Graph) -> None:
        steps[f"{len(steps):02}-{name}.txt"] = text.dump(result)

    result = passes.run(graph, after if dump is not None else None)
    if dump is not None:
        with file_errors("write", dump):
            dump.mkdir(parents=True, exist_ok=True)
        for name, content in steps.items():
            folder.save(dump / name, content)
    return result


def _model_row(model: Model) -> ModelRow:
    def tensors(ports: tuple[Port, ...]) -> tuple[Tensor, ...]:
        return tuple(Tensor(port.name, port.shape) for port in ports)

    return ModelRow(model.name, model.sha256, tensors(model.inputs), tensors(model.outputs), model.tail.classes)
