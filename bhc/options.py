"""What the user asks for, checked and resolved against the board: the contents of build.toml.

Diagnostics: BHC601 not in this version, BHC602 a value that makes no sense or contradicts another, BHC603 the
folding file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Literal, assert_never, cast, get_args

from bhc import boards
from bhc.backends.zynq import MOST_REGIONS
from bhc.diagnostics import BhcError, Diagnostic, fail
from bhc.inputs import Source
from bhc.ir import area
from bhc.ir.fabric import fabric
from bhc.ir.pipeline import Folding, Resources
from bhc.ir.schedule import Delta, Fit, Goal, Rate, Target, Weights
from bhc.records import RecordError, from_plain, to_plain, to_toml
from bhc.version import __version__

SCHEMA = 3

Backend = Literal["rtl", "hls", "hls4ml", "finn"]
Mode = Literal["window", "stream"]
Io = Literal["stream", "parallel"]
Vendor = Literal["vitis", "vivado"]


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `bhc compile`, as given. clock in MHz, None for the board's own; fps in windows a
    second.

    At most one of fps, fit and folding. folding is the path of a TOML file, or the layers' foldings by name.
    Without any of them, the fastest design within a quarter of the board is made. calibrate: windows, or
    recordings in the mode stream, that say what delta skipping saves. weights: where those of dense layers are, see
    docs/external-weights.md.
    """

    target: str | Path = "pynq-z2"
    clock: float | None = None
    fps: float | None = None
    fit: bool = False
    folding: str | Path | Mapping[str, Folding] | None = None
    backend: str = "rtl"
    io: str | None = None
    vendor: str | None = None
    mode: str = "window"
    hop: int | None = None
    delta: str = "off"
    calibrate: Source | None = None
    weights: str = "auto"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The ONNX file that was compiled."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Hls4mlProject:
    """How an hls4ml project passes data between layers (io_stream or io_parallel), and the tool it is for."""

    io: Io = "stream"
    vendor: Vendor = "vitis"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Where profile.npy comes from, and of how many windows (or hops) it is."""

    source: str
    units: int


@dataclass(frozen=True, slots=True)
class Settings:
    """build.toml: with graph.txt, all that determines the design. files: their SHA-256, by name."""

    schema: int
    bhc: str
    model: ModelFile
    board: boards.Board
    backend: Backend
    mode: Mode
    delta: Delta
    schedule: Target
    hop: int | None = None
    calibration: Calibration | None = None
    hls4ml: Hls4mlProject | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def dump(self) -> str:
        return to_toml(to_plain(self))


def parse_settings(text: str) -> Settings:
    """The inverse of Settings.dump. Raises RecordError."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecordError(f"not TOML: {error}") from error
    if table.get("schema") != SCHEMA:
        raise RecordError(f"schema {table.get('schema')!r}; this version of bhc reads schema {SCHEMA}")
    return from_plain(Settings, table)


@dataclass(frozen=True, slots=True)
class _FoldingFile:
    """A folding file: layers by name, and at most one goal for those that it does not name."""

    layer: Mapping[str, Folding]
    fps: float | None
    fit: bool | None


def _read_folding(path: Path) -> _FoldingFile:
    hint = "write a table for each layer, such as\n    [layer.conv0]\n    pe = 8\n    simd = 16"
    try:
        return from_plain(_FoldingFile, tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise fail("BHC603", f"cannot be read: {error.strerror}", origin=str(path)) from error
    except RecordError as error:
        raise fail("BHC603", str(error), origin=str(path), hint=hint) from error
    except ValueError as error:  # TOMLDecodeError or UnicodeDecodeError
        raise fail("BHC603", f"is not TOML: {error}", origin=str(path), hint=hint) from error


def _unavailable(options: Options) -> Iterator[Diagnostic]:
    """What a backend has no words for."""
    if options.backend not in {"hls4ml", "finn"}:
        return
    name = f"--backend {options.backend}"
    if options.mode == "stream":
        yield Diagnostic("BHC601", "has no layers that go on from window to window", name, "use rtl or hls")
    if options.delta in {"auto", "on"}:
        yield Diagnostic("BHC601", "has no layers that skip what does not change", name, "use rtl or hls")


def _one_of(name: str, value: str | None, choices: Sequence[str]) -> Iterator[Diagnostic]:
    if value is not None and value not in choices:
        yield Diagnostic("BHC602", f"{value!r} is not one of {', '.join(choices)}", name)


def _senseless(options: Options) -> Iterator[Diagnostic]:
    yield from _one_of("--backend", options.backend, get_args(Backend))
    yield from _one_of("--mode", options.mode, get_args(Mode))
    yield from _one_of("--io", options.io, get_args(Io))
    yield from _one_of("--vendor", options.vendor, get_args(Vendor))
    yield from _one_of("--delta", options.delta, get_args(Delta))
    yield from _one_of("--weights", options.weights, get_args(Weights))
    if options.delta == "off" and options.calibrate is not None:
        yield Diagnostic("BHC602", "is for --delta", "--calibrate", "leave it out, or add --delta auto")
    if options.mode == "stream" and options.hop is None:
        yield Diagnostic("BHC602", "needs a hop", "--mode stream", "say how far windows are apart: --hop N")
    if options.mode != "stream" and options.hop is not None:
        yield Diagnostic("BHC602", "is for --mode stream", "--hop", "leave it out, or add --mode stream")
    if options.backend != "hls4ml" and options.backend in get_args(Backend):
        for name, choice in (("--io", options.io), ("--vendor", options.vendor)):
            if choice is not None:
                yield Diagnostic("BHC602", "is for --backend hls4ml", name, "leave it out")
    for name, value, unit in (("--clock", options.clock, "MHz"), ("--fps", options.fps, "windows a second")):
        if value is not None and not (isfinite(value) and value > 0):
            yield Diagnostic("BHC602", f"{value:g} {unit} is not a positive number", name)
    asked = [
        name
        for name, given in (
            ("--fps", options.fps is not None),
            ("--fit", options.fit),
            ("--folding", options.folding is not None),
        )
        if given
    ]
    if len(asked) > 1:
        yield Diagnostic(
            "BHC602",
            "only one of them can decide how parallel the design is",
            " and ".join(asked),
            "a folding file may itself say fps or fit, for the layers that it does not name",
        )


def _goal(fps: float | None, fit: bool, clock_mhz: float) -> Goal:
    if fps is None:
        return Fit(1.0) if fit else Fit()
    cycles = int(clock_mhz * 1e6 / fps)
    if cycles < 1:
        raise fail(
            "BHC602",
            f"{fps:g} windows a second is more than one a cycle at {clock_mhz:g} MHz",
            origin="--fps",
            hint="ask for fewer, or compile several copies",
        )
    return Rate(cycles)


def resolve(options: Options, model: ModelFile) -> Settings:
    """The settings of a build. Raises BhcError with everything that is wrong."""
    problems = [*_unavailable(options), *_senseless(options)]
    if problems:
        raise BhcError(problems)
    board = boards.load(options.target)
    ports = MOST_REGIONS if board.shell is boards.Shell.ZYNQ and options.backend == "rtl" else 0
    if options.weights == "ddr" and not ports:
        raise fail(
            "BHC602",
            f"nothing brings weights from outside the device to the backend {options.backend} on {board.name}",
            origin="--weights ddr",
            hint="use --backend rtl for a board with a Zynq, or leave it out",
        )
    clock = float(options.clock or board.clock_mhz)
    fps, fit = options.fps, options.fit
    foldings: Mapping[str, Folding] = {}
    if isinstance(options.folding, str | Path):
        file = _read_folding(Path(options.folding))
        fps, fit, foldings = file.fps, bool(file.fit), file.layer
        problems = list(_senseless(Options(fps=fps, fit=fit)))
        if problems:
            raise BhcError(problems)
    elif options.folding is not None:
        foldings = options.folding
    return Settings(
        schema=SCHEMA,
        bhc=__version__,
        model=model,
        board=board,
        backend=cast(Backend, options.backend),
        mode=cast(Mode, options.mode),
        delta=cast(Delta, options.delta),
        schedule=Target(
            clock,
            board.resources,
            _goal(fps, fit, clock),
            dict(sorted(foldings.items())),
            board.family,
            _reserved(board),
            ports,
            cast(Weights, options.weights),
        ),
        hop=options.hop,
        hls4ml=_hls4ml(options) if options.backend == "hls4ml" else None,
    )


def _reserved(board: boards.Board) -> Resources:
    """What the shell takes."""
    match board.shell:
        case boards.Shell.UART:
            return area.uart_shell(fabric(board.family))
        case boards.Shell.ZYNQ:
            return area.zynq_shell()
        case None:
            return Resources()
        case _:
            assert_never(board.shell)


def _hls4ml(options: Options) -> Hls4mlProject:
    given = {name: value for name, value in (("io", options.io), ("vendor", options.vendor)) if value is not None}
    return from_plain(Hls4mlProject, given, defaults=True)
