"""report.json: what was made, what it takes, and what it was compared with. docs/report.md describes every
key.

The records are the schema: a file is read back strictly.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from bhc.backends.bitstream import Bitstream
from bhc.backends.compare import ActivityRow
from bhc.backends.rtl import external_path
from bhc.ir.fabric import Family
from bhc.ir.pipeline import WORD_BITS, External, Folding, Pipeline, Resources, Stage
from bhc.ir.schedule import Delta, Goal, Rate
from bhc.ir.tradeoff import Row
from bhc.options import Settings
from bhc.records import RecordError, from_plain, to_plain

SCHEMA = 1
#: What block RAM is called in the file, by family; elsewhere as in Resources.
_BRAM = {Family.XC7: "bram36"}
Against = Literal["onnxruntime", "qonnx", "simulator", "hls", "rtl", "netlist"]


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of the ONNX file, without its batch axis."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelRow:
    """The model; classes are the names of its classes, none if they are not known."""

    name: str
    sha256: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetRow:
    """The board, its device, and the clock. family: in whose units resources are counted (docs/report.md)."""

    board: str
    part: str
    family: Family
    clock_mhz: float


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A connection: beats of `lanes` elements of `bits` bits, `beats` of them a window.

    value: the name, in graph.txt, of the value that it carries; None for one internal to an operation.
    """

    name: str
    lanes: int
    bits: int
    kind: str
    beats: int
    value: str | None


@dataclass(frozen=True, slots=True)
class StageRow:
    """A kernel instance. value: the node of graph.txt whose work it does.

    sources, sinks: streams. memory: where weights live (lut, block, auto: the tool's choice, ddr), None without
    any. resources: estimated; synthesized: by Yosys, None until `bhc synth`. depth: beats that a FIFO holds.
    """

    name: str
    kernel: str
    value: str
    origin: tuple[str, ...]
    sources: tuple[str, ...]
    sinks: tuple[str, ...]
    folding: Folding | None
    cycles: int
    macs: int
    weight_bits: int
    memory: str | None
    depth: int | None
    resources: Resources
    synthesized: Resources | None


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """Totals: of the device, estimated, and synthesised by Yosys (None until `bhc synth`)."""

    available: Resources
    estimated: Resources
    synthesized: Resources | None


@dataclass(frozen=True, slots=True)
class ExactnessRow:
    """channels: that hold thresholds; ambiguous_channels: where float32 arithmetic may decide otherwise for a
    reachable accumulator value (docs/exactness.md).
    """

    channels: int
    ambiguous_channels: int


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where a comparison failed: a stage or value, the window, the position within the
    value.
    """

    stage: str
    window: int
    position: tuple[int, ...]
    expected: str
    got: str

    def __str__(self) -> str:
        return (
            f"stage '{self.stage}', window {self.window}, position {list(self.position)}: "
            f"expected {self.expected}, got {self.got}"
        )


@dataclass(frozen=True, slots=True)
class Verification:
    """A comparison of the simulator with something else, which `against` names; equality is exact.

    stages: intermediate values compared besides the outputs. values: elements compared; mismatches: of them
    differ. ambiguous: elements that differ for a reason known in advance, which are not counted as mismatches
    (docs/exactness.md). agreement: fraction of windows with the same class; accuracy: against the labels of
    the data. stalls: the seed of the random stalls, None without. Cycles are measured only without stalls.
    """

    against: Against
    backend: str
    windows: int
    stages: int
    values: int
    mismatches: int
    ambiguous: int
    cycles_per_window_measured: float | None = None
    latency_cycles_measured: int | None = None
    stalls: int | None = None
    agreement: float | None = None
    accuracy: float | None = None
    first: Difference | None = None

    def __str__(self) -> str:
        state = "equal" if self.mismatches == 0 else f"{self.mismatches:,} mismatches"
        stalls = "" if self.stalls is None else " with stalls"
        compared = f"{self.windows:,} windows, {self.stages} stages, {self.values:,} values"
        text = f"{self.against}{stalls}: {compared}: {state}"
        if self.ambiguous:
            text += f", {self.ambiguous:,} ambiguous in float32"
        return text


class ComparisonError(Exception):
    """Two ways to compute the same gave different results: exit code 3."""


class MismatchError(ComparisonError):
    """The design is wrong, or the reference. Carries the verification."""

    def __init__(self, verification: Verification) -> None:
        self.verification = verification
        v = verification
        where = f"; the first: {v.first}" if v.first else ""
        super().__init__(f"{v.mismatches:,} of {v.values:,} values differ from {v.against}{where}")


@dataclass(frozen=True, slots=True)
class DeltaReport:
    """Skipping of what does not change. calibrated: predicted from recordings, of so many windows or hops; else it was
    guessed.
    """

    mode: Delta
    calibrated: bool
    windows: int
    stages: tuple[Row, ...]

    @property
    def cycles_worst(self) -> int:
        """Of a window or hop, when everything changes."""
        return max((row.cycles_worst for row in self.stages), default=0)


@dataclass(frozen=True, slots=True)
class Activity:
    """What cosimulation counted, in all of so many windows or hops (docs/cosim.md)."""

    windows: int
    stages: tuple[ActivityRow, ...]


@dataclass(frozen=True, slots=True)
class ExternalRow:
    """Weights that a stage takes from memory outside the device. file: in the build's folder.

    bytes: of the file; bytes_per_window: read for a window. mb_per_second, port_share: megabytes, and the part of the
    cycles in which a port of 8 bytes a cycle gives a word, at the design's own pace; at_rate: megabytes a second at the
    rate that was asked for, None if none was.
    """

    stage: str
    file: str
    bytes: int
    bytes_per_window: int
    mb_per_second: float
    port_share: float
    at_rate: float | None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole file. hop: rows between results in the mode stream. delta: None without skipping. activity: what was
    counted last, build: what `bhc build` made last; None if nothing was. external: weights outside the device.
    """

    schema: int
    bhc: str
    model: ModelRow
    target: TargetRow
    backend: str
    mode: str
    hop: int | None
    stages: tuple[StageRow, ...]
    streams: tuple[StreamRow, ...]
    cycles_per_window: int
    latency_cycles: int
    windows_per_second: float
    resources: ResourceRow
    exactness: ExactnessRow
    verification: tuple[Verification, ...]
    delta: DeltaReport | None
    activity: Activity | None = None
    build: Bitstream | None = None
    external: tuple[ExternalRow, ...] = ()

    def dump(self) -> str:
        plain = _renamed(to_plain(self), "bram", _BRAM.get(self.target.family, "bram"))
        return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"

    def verified(self, entry: Verification) -> Report:
        """With one more comparison; it takes the place of an earlier one of the same kind."""
        kept = [e for e in self.verification if (e.against, e.stalls) != (entry.against, entry.stalls)]
        return replace(self, verification=(*kept, entry))

    def synthesized(self, total: Resources, stages: Mapping[str, Resources]) -> Report:
        """With synthesised figures: in total, and by stage name."""
        rows = tuple(replace(row, synthesized=stages.get(row.name)) for row in self.stages)
        return replace(self, stages=rows, resources=replace(self.resources, synthesized=total))


def parse(text: str) -> Report:
    """The inverse of Report.dump. Raises RecordError."""
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecordError(f"not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise RecordError(f"not a report of schema {SCHEMA}, which this version of bhc reads")
    for name in _BRAM.values():
        data = _renamed(data, name, "bram")
    return from_plain(Report, data)


def _renamed(value: Any, old: str, new: str) -> Any:
    """With another key for block RAM in all resources."""
    if isinstance(value, dict):
        return {new if key == old and "lut" in value else key: _renamed(item, old, new) for key, item in value.items()}
    return [_renamed(item, old, new) for item in value] if isinstance(value, list) else value


def _stage(stage: Stage, pipeline: Pipeline) -> StageRow:
    weights = [memory for memory in stage.memories if memory.name == "weights"]
    weights += [item.memory for item in pipeline.external if item.stream in stage.sources]
    return StageRow(
        name=stage.name,
        kernel=stage.kernel,
        value=stage.value,
        origin=stage.origin,
        sources=stage.sources,
        sinks=stage.sinks,
        folding=stage.folding,
        cycles=stage.cycles,
        macs=stage.macs,
        weight_bits=sum(memory.bits for memory in weights),
        memory=weights[0].style.name.lower() if weights else None,
        depth=stage.params.get("Depth"),
        resources=stage.estimate,
        synthesized=None,
    )


def _external(number: int, item: External, pipeline: Pipeline, clock_mhz: float, goal: Goal) -> ExternalRow:
    words = pipeline.streams[item.stream].beats
    size = words * WORD_BITS // 8
    return ExternalRow(
        stage=next(stage.name for stage in pipeline.stages if item.stream in stage.sources),
        file=external_path(number),
        bytes=item.memory.words.size,
        bytes_per_window=size,
        mb_per_second=size * clock_mhz / pipeline.cycles_per_window,
        port_share=words / pipeline.cycles_per_window,
        at_rate=size * clock_mhz / goal.cycles if isinstance(goal, Rate) else None,
    )


def make(
    settings: Settings, model: ModelRow, exactness: ExactnessRow, pipeline: Pipeline, delta: DeltaReport | None
) -> Report:
    """The report of a fresh build."""
    clock = settings.schedule.clock_mhz
    return Report(
        schema=SCHEMA,
        bhc=settings.bhc,
        model=model,
        target=TargetRow(settings.board.name, settings.board.part, settings.schedule.family, clock),
        backend=settings.backend,
        mode=settings.mode,
        hop=settings.hop,
        stages=tuple(_stage(stage, pipeline) for stage in pipeline.stages),
        streams=tuple(
            StreamRow(s.name, s.lanes, s.bits, s.kind.name.lower(), s.beats, s.value) for s in pipeline.streams.values()
        ),
        cycles_per_window=pipeline.cycles_per_window,
        latency_cycles=pipeline.latency_cycles,
        windows_per_second=clock * 1e6 / pipeline.cycles_per_window,
        resources=ResourceRow(settings.schedule.available, pipeline.estimate, None),
        exactness=exactness,
        verification=(),
        delta=delta,
        external=tuple(
            _external(number, item, pipeline, clock, settings.schedule.goal)
            for number, item in enumerate(pipeline.external)
        ),
    )
