"""The Python API, the report and its pictures."""

from __future__ import annotations

import json
import re
import tomllib
import xml.etree.ElementTree as ET
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bhc
from bhc import html, inputs, picture, records, report, svg
from bhc.backends import rtl
from bhc.build import Simulated
from bhc.diagnostics import BhcError
from bhc.frontend import reference
from bhc.ir import passes, pipeline, text
from bhc.ir.pipeline import Folding, Pipeline, Resources
from bhc.ir.schedule import Fit, Rate, schedule
from bhc.options import ModelFile, Options, Settings, parse_settings, resolve
from tests import tiny
from tests.frontend.net import Net

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden"
MODEL = ModelFile("tiny", "00" * 32)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("model"))


def designed() -> tuple[Settings, Pipeline]:
    """The residual net with every folding given, so that the golden files do not change with the estimates."""
    foldings = {name: Folding(2, 4) for name in ("conv1a", "conv1b", "conv2a", "conv2b")}
    settings = resolve(Options(folding={"conv0": Folding(2, 2), "fc": Folding(1, 4), **foldings}), MODEL)
    return settings, schedule(passes.run(tiny.residual()), "residual", settings.schedule)


def reported() -> report.Report:
    """Of the residual net, with every optional part filled."""
    settings, design = designed()
    row = report.ModelRow(
        "residual",
        "00" * 32,
        (report.Tensor("x", (2, 16)),),
        (report.Tensor("<y>", (3,)),),
        ("sit", "walk", "run & jump"),
    )
    made = report.make(settings, row, report.ExactnessRow(13, 2), design, None)
    made = made.verified(report.Verification("onnxruntime", "rtl", 100, 9, 5000, 0, 3, agreement=1.0, accuracy=0.875))
    first = report.Difference("conv0", 2, (3, 1), "1", "-1")
    made = made.verified(report.Verification("rtl", "rtl", 20, 12, 4000, 7, 0, 64.0, 90, stalls=7, first=first))
    stages = {stage.name: replace(stage.estimate, lut=stage.estimate.lut + 1) for stage in design.stages}
    return made.synthesized(sum(stages.values(), Resources(lut=5)), stages)


def check_golden(name: str, content: str, update: bool) -> None:
    path = GOLDEN / name
    if update:
        path.write_text(content)
    assert content == path.read_text()


# The way through


def test_compile_in_memory(model: Path) -> None:
    build = bhc.compile(model, fps=10_000)
    x = tiny.windows(50)
    result = build.simulate(x)
    expected = reference.Reference(model).run(x)
    assert list(result.outputs) == list(expected)
    assert np.array_equal(result.y, next(iter(expected.values())))
    assert np.array_equal(result.labels, result.y.argmax(axis=1))
    assert build.directory is None
    assert build.report.cycles_per_window == build.pipeline.cycles_per_window


def test_load_gives_the_same_build(model: Path, tmp_path: Path) -> None:
    x = tiny.windows(20)
    made = bhc.compile(model, fit=True, out=tmp_path / "build", verify=x)
    read = bhc.load(tmp_path / "build")
    assert read.report == made.report
    assert text.dump(read.graph) == text.dump(made.graph)
    assert pipeline.dump(read.pipeline) == pipeline.dump(made.pipeline)
    assert read.settings.model == made.settings.model
    assert np.array_equal(read.simulate(x).y, made.simulate(x).y)
    (entry,) = read.report.verification
    assert (entry.against, entry.windows, entry.mismatches, entry.agreement) == ("onnxruntime", 20, 0, 1.0)


@pytest.mark.slow
def test_cosim_and_synth_from_the_folder(model: Path, tmp_path: Path) -> None:
    bhc.compile(model, fps=100_000, out=tmp_path / "build")
    build = bhc.load(tmp_path / "build")
    free, stalled = build.cosim(tiny.windows(20)), build.cosim(tiny.windows(20), stalls=3)
    assert free.mismatches == stalled.mismatches == 0
    assert free.values == stalled.values > 20 * tiny.CLASSES
    assert stalled.cycles_per_window_measured is None
    predicted = build.report.cycles_per_window
    assert free.cycles_per_window_measured == pytest.approx(predicted, rel=0.02)
    mapped = build.cosim(tiny.windows(20), backend="netlist")
    assert (mapped.against, mapped.values, mapped.mismatches) == ("netlist", free.values, 0)
    assert mapped.cycles_per_window_measured == free.cycles_per_window_measured
    with pytest.raises(BhcError, match=r"BHC602\] --activity: is for simulating rtl, not netlist"):
        build.cosim(tiny.windows(2), backend="netlist", activity=True)
    total = build.synth()
    assert total.lut > 0
    written = bhc.load(tmp_path / "build").report
    assert written == build.report
    assert [entry.stalls for entry in written.verification] == [None, 3, None]
    assert written.resources.synthesized == total
    assert all(row.synthesized is not None for row in written.stages)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["hls", "hls4ml", "finn"])
def test_cosim_of_other_backends(model: Path, tmp_path: Path, backend: Simulated) -> None:
    for name in ("build", "again"):
        bhc.compile(model, fps=100_000, backend=backend, out=tmp_path / name)
    files = (tmp_path / "build" / "manifest.txt").read_text().splitlines()
    assert any(name.startswith(f"{backend}/") for name in files)
    assert not any(name.startswith("rtl/") for name in files)
    for name in files:
        assert (tmp_path / "build" / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name
    build = bhc.load(tmp_path / "build")
    entry = build.cosim(tiny.windows(20))
    assert (entry.backend, entry.mismatches, entry.cycles_per_window_measured) == (backend, 0, None)
    assert entry.values > 20 * tiny.CLASSES
    assert bhc.load(tmp_path / "build").report.verification == (entry,)
    with pytest.raises(BhcError, match=r"BHC602\] --stalls: is for simulating rtl"):
        build.cosim(tiny.windows(2), backend=backend, stalls=1)
    with pytest.raises(BhcError, match=r"BHC602\] bhc synth: Yosys"):
        build.synth()
    other: Simulated = "rtl" if backend != "hls" else "finn"
    with pytest.raises(BhcError, match=rf"BHC602\] --backend: the build is of the backend {backend}"):
        build.cosim(tiny.windows(2), backend=other)
    part = next(name for name in files if name.endswith((".cpp", ".json")) and "/" in name)
    (tmp_path / "build" / part).write_bytes(b"")
    with pytest.raises(BhcError, match=f"BHC606.*{part}"):
        bhc.load(tmp_path / "build").cosim(tiny.windows(2))


@pytest.mark.slow
def test_streaming(model: Path, tmp_path: Path) -> None:
    """Recordings in, one result each hop: those of every window computed alone."""
    rng = np.random.default_rng(5)
    recordings = rng.normal(0, 2, (2, 3, 40)).astype(np.float32)
    made = bhc.compile(model, mode="stream", hop=3, fps=100_000, out=tmp_path / "build", verify=recordings)
    (entry,) = made.report.verification
    assert (entry.mismatches, entry.windows, entry.agreement) == (0, 20, 1.0)
    build = bhc.load(tmp_path / "build")
    assert (build.report.mode, build.report.hop, build.settings.hop) == ("stream", 3, 3)
    overlap = build.network.overlap
    assert overlap is not None
    assert (overlap.window, overlap.hop) == (12, 3)
    cut = inputs.cut(inputs.Windows(recordings), build.network.head, overlap)
    assert np.array_equal(cut.x[:10], [recordings[0, :, start : start + 12] for start in range(0, 29, 3)])
    labels = bhc.compile(model).simulate(cut).labels
    source = inputs.Windows(recordings, labels)
    assert np.array_equal(build.simulate(source).labels, labels)
    for stalls in (None, 1):
        found = build.cosim(source, stalls=stalls)
        assert (found.mismatches, found.windows) == (0, 20)
    assert build.cosim(source, backend="hls").mismatches == 0
    with pytest.raises(BhcError, match=r"BHC612\] input: has the shape \(2, 3, 11\); the model takes \(N, 3, 12\), or"):
        build.simulate(recordings[:, :, :11])
    with pytest.raises(BhcError, match=r"BHC615\] .* integers of shape \(20,\) are needed"):
        build.simulate(inputs.Windows(recordings, labels[:5]))


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["window", "stream"])
def test_skipping(model: Path, tmp_path: Path, mode: str) -> None:
    """Layers that skip what does not change: the same bits, and the report has what was predicted and counted."""
    rng = np.random.default_rng(7)
    steps = rng.normal(0, 3, (2, 3, 240)) * (rng.random((2, 3, 240)) < 0.1)
    recordings = np.cumsum(steps, axis=2).clip(-3, 3).astype(np.float32)
    hop = 3 if mode == "stream" else None
    x = recordings if hop else recordings.reshape(2, 3, 20, 12).transpose(0, 2, 1, 3).reshape(40, 3, 12)
    options: dict[str, Any] = {"mode": mode, "hop": hop, "fps": 1_000_000}
    made = bhc.compile(model, delta="on", calibrate=x, out=tmp_path / "build", verify=x, **options)
    assert [entry.mismatches for entry in made.report.verification] == [0]
    build = bhc.load(tmp_path / "build")
    found = build.report.delta
    assert found is not None
    assert (found.mode, found.calibrated) == ("on", True)
    skips = {row.name for row in found.stages if row.choice == "delta"}
    assert skips
    assert all(row.why_dense for row in found.stages if row.name not in skips)
    entry = build.cosim(x, activity=True)
    assert entry.mismatches == 0
    assert entry.cycles_per_window_measured is not None
    assert (
        abs(entry.cycles_per_window_measured - build.report.cycles_per_window) <= 0.15 * build.report.cycles_per_window
    )
    counted = bhc.load(tmp_path / "build").report.activity
    assert counted is not None
    assert counted.windows == entry.windows
    assert {row.stage for row in counted.stages if row.events} == skips
    assert build.cosim(x[:1], stalls=3).mismatches == build.cosim(x[:1], backend="hls").mismatches == 0
    dense = bhc.compile(model, **options)
    assert np.array_equal(build.simulate(x).y, dense.simulate(x).y)
    assert "Skipping" in html.page(build.report)

    (tmp_path / "build" / "profile.npy").write_bytes(b"")
    with pytest.raises(BhcError, match=r"BHC606\] .*profile.npy"):
        bhc.load(tmp_path / "build")
    with pytest.raises(BhcError, match="BHC612"):
        bhc.compile(model, delta="auto", calibrate=x[:, :2], **options)
    guessed = bhc.compile(model, delta="auto", **options).report.delta
    assert guessed is not None
    assert not guessed.calibrated


def test_streaming_needs_the_same_head_everywhere(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    net = Net(3, 12)
    scaled = net.op("Mul", "x", net.constant(rng.uniform(0.5, 2, (3, 12))))
    signs, dense = (rng.choice(np.array([-1, 1]), shape) for shape in ((4, 3, 3), (40, 2)))
    x = net.sign(net.op("Conv", net.quant(scaled, 0.5, 4), net.weights(signs)))
    path = net.save(tmp_path, net.op("Gemm", net.op("Flatten", x, axis=1), net.weights(dense)))
    assert bhc.compile(path).report.hop is None
    with pytest.raises(BhcError, match=r"BHC313\] .*depends on where in the window a row lies"):
        bhc.compile(path, mode="stream", hop=1)


def test_foldings_by_name(model: Path, tmp_path: Path) -> None:
    names = [stage.value for stage in bhc.compile(model).pipeline.stages if stage.folding]
    (tmp_path / "f.toml").write_text("fps = 1\n[layer.conv1]\npe = 4\nsimd = 24\n")
    build = bhc.compile(model, folding=tmp_path / "f.toml")
    foldings = {stage.origin[0]: stage.folding for stage in build.pipeline.stages if stage.folding}
    assert len(foldings) == len(names)
    assert Folding(4, 24) in foldings.values()
    again = bhc.compile(model, folding={"conv1": Folding(4, 24)})
    assert Folding(4, 24) in [stage.folding for stage in again.pipeline.stages]


@pytest.mark.parametrize(
    "name", ["build.toml", "graph.txt", "host.json", "report.json", "pipeline.txt", "rtl/bhc_top.sv"]
)
@pytest.mark.parametrize("damage", ["cut", "changed", "bytes"])
def test_damaged_folders(model: Path, tmp_path: Path, name: str, damage: str) -> None:
    """A diagnostic that names the file; never a traceback, never a wrong result."""
    bhc.compile(model, out=tmp_path)
    content = (tmp_path / name).read_bytes()
    changes = {
        "cut": content[: len(content) // 2],
        "changed": content.replace(b"1" if name == "report.json" else b"2", b"7", 3),
        "bytes": b"\xff" + content,
    }
    (tmp_path / name).write_bytes(changes[damage])
    if name == "report.json" and damage == "changed":
        content = (tmp_path / name).read_bytes()
        assert json.loads(content)["schema"] == 7
    with pytest.raises(bhc.BhcError) as caught:
        pipeline.verify(bhc.load(tmp_path).pipeline)
    (found,) = caught.value.diagnostics
    assert found.code in {"BHC606", "BHC607"}
    assert name in str(found)


def test_missing_parts(model: Path, tmp_path: Path) -> None:
    bhc.compile(model, out=tmp_path)
    (tmp_path / "host.json").unlink()
    with pytest.raises(bhc.BhcError, match=r"BHC605.*host\.json"):
        bhc.load(tmp_path)


# Options and records


@pytest.mark.parametrize(
    ("options", "goal"),
    [
        (Options(), Fit()),
        (Options(fit=True), Fit(1.0)),
        (Options(fps=10_000), Rate(10_000)),
        (Options(fps=3, clock=50), Rate(16_666_666)),
    ],
)
def test_goals(options: Options, goal: Rate | Fit) -> None:
    settings = resolve(options, MODEL)
    assert settings.schedule.goal == goal
    assert parse_settings(settings.dump()) == settings


def test_contradicting_options() -> None:
    with pytest.raises(bhc.BhcError, match=r"BHC602.*--fps and --fit and --folding"):
        resolve(Options(fps=1, fit=True, folding={}), MODEL)


@given(
    st.dictionaries(
        st.text(), st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.lists(st.text()))
    )
)
def test_toml_round_trip(table: dict[str, Any]) -> None:
    assert tomllib.loads(records.to_toml({"head": 1.5, "table": table})) == {"head": 1.5, "table": table}


@dataclass(frozen=True)
class Inner:
    size: int
    ratio: float | None


@dataclass(frozen=True)
class Outer:
    name: str
    inner: tuple[Inner, ...]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "a"}, "inner: missing key"),
        ({"name": "a", "inner": [], "x": 1}, "x: unknown key"),
        ({"name": 1, "inner": []}, "name: str is needed, not 1"),
        ({"name": "a", "inner": [{"size": True, "ratio": None}]}, r"inner\[0\].size: int is needed, not True"),
        ({"name": "a", "inner": [{"size": 1, "ratio": "x"}]}, r"inner\[0\].ratio: float is needed, not 'x'"),
        ([], "a table is needed"),
    ],
)
def test_records_are_strict(data: object, message: str) -> None:
    with pytest.raises(records.RecordError, match=message):
        records.from_plain(Outer, data)


# The report


def test_report_round_trip() -> None:
    made = reported()
    assert report.parse(made.dump()) == made


def test_report_manual_names_every_key() -> None:
    manual = (ROOT / "docs" / "report.md").read_text()

    def keys(record: Any) -> set[str]:
        found = set()
        for field in fields(record):
            found.add(field.name)
            hint = get_type_hints(record)[field.name]
            for inner in (hint, *get_args(hint)):
                if is_dataclass(inner):
                    found |= keys(inner)
        return found

    assert [key for key in keys(report.Report) if f"`{key}" not in manual] == []


def test_terminal_picture(update_golden: bool) -> None:
    made = reported()
    stages = tuple(replace(row, resources=Resources(100 * i, 50 * i, i / 2)) for i, row in enumerate(made.stages))
    check_golden("picture.txt", picture.terminal(replace(made, stages=stages)) + "\n", update_golden)
    plain = picture.terminal(made, unicode=False)
    assert plain.isascii()


def test_every_resource_is_in_one_box() -> None:
    made = reported()
    boxes = [row.box for row in picture.lay_out(made).rows]
    assert sum((box.resources for box in boxes), Resources()) == made.resources.estimated


def test_html_needs_nothing_else() -> None:
    page = html.page(reported())
    links = set(re.findall(r"""https?://[^\s"'<]+""", page))
    assert links == {"http://www.w3.org/2000/svg"}  # a name, which nothing fetches
    assert not re.search(r"<(script|link|img|iframe)\b|url\((?!#)", page)
    assert "run &amp; jump" in page
    assert "<y>" not in page


def test_svg_is_well_formed_and_complete() -> None:
    made = reported()
    root = ET.fromstring(svg.picture(made))
    words = " ".join(element.text or "" for element in root.iter())
    for row in picture.lay_out(made).rows:
        assert row.box.name in words
    joins = [row for row in picture.lay_out(made).rows if row.joins]
    assert [row.box.name for row in joins] == ["add1", "add2"]


# Golden files of every level, of the residual net


def test_golden_levels(update_golden: bool) -> None:
    _, design = designed()
    check_golden("graph.txt", text.dump(passes.run(tiny.residual())), update_golden)
    check_golden("pipeline.txt", pipeline.dump(design), update_golden)
    check_golden("bhc_top.sv", rtl.emit(design).files["rtl/bhc_top.sv"].decode(), update_golden)


def test_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert bhc.__version__ == project["version"]
