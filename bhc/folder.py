"""The folder of a build: what it holds, and reading it back. docs/cli.md describes it to users.

Diagnostics: BHC604 not ours to overwrite, BHC605 not a build, BHC606 damaged.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np

from bhc import report as reports
from bhc.backends.plan import BuildPlan
from bhc.backends.runner import MANIFEST, file_errors
from bhc.diagnostics import BhcError, fail
from bhc.ir import text
from bhc.ir.host import head_from_json, tail_from_json, to_json
from bhc.ir.layers import compute_layers
from bhc.ir.profile import Profile, unpack
from bhc.options import Settings, parse_settings
from bhc.records import RecordError
from bhc.report import Report
from bhc.simulator import Network

GRAPH, HOST, PROFILE, PIPELINE, SETTINGS, REPORT = (
    "graph.txt",
    "host.json",
    "profile.npy",
    "pipeline.txt",
    "build.toml",
    "report.json",
)


@dataclass(frozen=True, slots=True)
class Contents:
    """What `read` finds. profile: of the calibration, if there was one. pipeline: the text of pipeline.txt."""

    settings: Settings
    network: Network
    profile: Profile | None
    pipeline: str
    report: Report


def check_output(directory: Path) -> None:
    """Raise a diagnostic unless the folder is absent, empty, or written by bhc."""
    with file_errors("read", directory):
        if directory.exists() and not directory.is_dir():
            raise fail("BHC604", "is a file, not a folder", origin=str(directory), hint="choose another --out")
        if not directory.is_dir() or not any(directory.iterdir()) or _is_ours(directory):
            return
    raise fail(
        "BHC604",
        "holds files that bhc did not write",
        origin=str(directory),
        hint="choose another --out, or empty the folder yourself",
    )


def _is_ours(directory: Path) -> bool:
    manifest = directory / MANIFEST
    return manifest.is_file() and GRAPH.encode() in manifest.read_bytes().splitlines()


def network_plan(network: Network, profile: Profile | None) -> BuildPlan:
    """The network in integers, what the host does around it, and what changes in recordings of it."""
    parts = {"head": to_json(network.head), "tail": to_json(network.tail)}
    lines = ",\n".join(f'"{key}": {json.dumps(value, ensure_ascii=False)}' for key, value in parts.items())
    plan = BuildPlan({GRAPH: text.dump(network.graph), HOST: f"{{\n{lines}\n}}\n"})
    if profile is None:
        return plan
    content = BytesIO()
    np.save(content, profile.pack())
    return plan | BuildPlan({PROFILE: content.getvalue()})


def settings_plan(settings: Settings, files: BuildPlan) -> BuildPlan:
    """build.toml, which vouches for the files of `network_plan`."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.files.items()}
    return BuildPlan({SETTINGS: replace(settings, files=digests).dump()})


def read(directory: Path) -> Contents:
    """A complete build. Raises BhcError."""
    missing = [name for name in (SETTINGS, GRAPH, HOST, PIPELINE, REPORT) if not (directory / name).is_file()]
    if missing:
        raise fail(
            "BHC605",
            f"is not the folder of a build: it has no {', '.join(missing)}",
            origin=str(directory),
            hint="make one with: bhc compile MODEL.onnx --out DIR",
        )
    try:
        settings = parse_settings(_read(directory / SETTINGS))
    except RecordError as error:
        raise _damaged(directory / SETTINGS, str(error)) from error
    for name, digest in settings.files.items():
        path = directory / name
        with file_errors("read", path):
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                raise _damaged(path, "it is not what was compiled")
    host = json.loads(_read(directory / HOST))
    network = Network(text.load(_read(directory / GRAPH)), head_from_json(host["head"]), tail_from_json(host["tail"]))
    return Contents(
        settings, network, _profile(directory, settings, network), _read(directory / PIPELINE), read_report(directory)
    )


def _profile(directory: Path, settings: Settings, network: Network) -> Profile | None:
    if settings.calibration is None:
        return None
    bits = np.load(directory / PROFILE, allow_pickle=False)
    return unpack(bits, settings.calibration.units, compute_layers(network.graph))


def read_report(directory: Path) -> Report:
    """report.json alone. Raises BhcError."""
    try:
        return reports.parse(_read(directory / REPORT))
    except RecordError as error:
        raise _damaged(directory / REPORT, str(error)) from error


def check_files(directory: Path, plan: BuildPlan) -> None:
    """Raise a diagnostic unless the folder holds just what the plan says."""
    for name, content in plan.files.items():
        path = directory / name
        with file_errors("read", path):
            if not path.is_file() or path.read_bytes() != content:
                raise _damaged(path, "it is not what was compiled")


def _read(path: Path) -> str:
    with file_errors("read", path):
        try:
            return path.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise _damaged(path, "it is not UTF-8 text") from error


def _damaged(path: Path, why: str) -> BhcError:
    return fail(
        "BHC606",
        f"is damaged, or of another version: {why}",
        origin=str(path),
        hint="compile the model again",
    )


def save(path: Path, content: str) -> None:
    """Write one file: whole, or not at all. Raises BhcError."""
    partial = path.with_name(f".{path.name}.partial")
    with file_errors("write", path):
        try:
            partial.write_text(content, encoding="utf-8")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
