"""The command line from outside: exit codes, messages, files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bhc.api
from bhc.backends import cosim
from bhc.cli import main
from bhc.ir.graph import Graph
from bhc.ir.ops import Dense
from tests import tiny

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "golden" / "cli"
VERBS = ("compile", "simulate", "cosim", "synth", "build", "run", "report", "train", "data", "targets", "doctor")

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            code = main([str(a) for a in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, logs apart."""
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {str(path.relative_to(folder)): path.read_bytes() for path in files}
    return {name: content for name, content in found.items() if not name.startswith("logs/")}


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example(run: Run, verb: str) -> None:
    code, out, _ = run(verb, "--help")
    assert code == 0
    assert f"example:\n  bhc {verb}" in out


def test_manual_names_every_option(run: Run) -> None:
    manual = (ROOT / "docs" / "cli.md").read_text()
    for verb in VERBS:
        _, out, _ = run(verb, "--help")
        for option in re.findall(r"(?<!\w)--[a-z-]+", out):
            assert option in manual or option in {"--help", "--quiet", "--verbose", "--input"}, f"{verb} {option}"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("frobnicate",),
        ("compile",),
        ("cosim", "d", "--stalls", "x", "--input", "x"),
        ("train",),
        ("train", "net.toml", "--epochs", "0"),
        ("train", "net.toml", "--seeds", "1,a"),
        ("data", "delete"),
    ],
)
def test_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: bhc")


def test_compile_writes_a_build_and_says_so(run: Run, model: Path, tmp_path: Path) -> None:
    code, out, err = run("compile", model, "--fps", "10000", "--out", "out")
    assert code == 0
    assert "cycles a window" in out
    assert "written to out" in out
    assert "scheduling" in err
    files = tree(tmp_path / "out")
    assert {"build.toml", "graph.txt", "host.json", "manifest.txt", "pipeline.txt", "report.json"} < files.keys()
    assert "rtl/bhc_top.sv" in files
    assert (tmp_path / "out" / "logs").is_dir()


def test_compiles_are_identical(run: Run, model: Path, tmp_path: Path) -> None:
    for out in ("a", "b", "a"):
        assert run("compile", model, "--out", out, "-q") == (0, "", "")
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_build_is_replaced_whole(run: Run, model: Path, tmp_path: Path) -> None:
    assert run("compile", model, "--fit", "--out", "a", "-q")[0] == 0
    assert run("compile", model, "--fps", "100", "--out", "a", "-q")[0] == 0
    assert run("compile", model, "--fps", "100", "--out", "b", "-q")[0] == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


@pytest.mark.parametrize(("level", "first"), [("graph", "bhc-graph 1"), ("pipeline", "bhc-pipeline 1")])
def test_emit_to_the_screen(run: Run, model: Path, tmp_path: Path, level: str, first: str) -> None:
    code, out, _ = run("compile", model, "--emit", level)
    assert code == 0
    assert out.splitlines()[0] == first
    assert tree(tmp_path) == {}


def test_emit_to_a_folder(run: Run, model: Path, tmp_path: Path) -> None:
    contents = {}
    for level in ("graph", "pipeline", "rtl", "project"):
        assert run("compile", model, "--emit", level, "--out", level, "-q") == (0, "", "")
        contents[level] = set(tree(tmp_path / level))
    assert contents["graph"] < contents["pipeline"] < contents["rtl"] < contents["project"]


def test_dump_ir(run: Run, model: Path, tmp_path: Path) -> None:
    run("compile", model, "--emit", "graph", "--out", "out", "--dump-ir", "steps")
    steps = sorted((tmp_path / "steps").iterdir())
    assert steps[0].name == "00-frontend.txt"
    assert steps[-1].read_text() == (tmp_path / "out" / "graph.txt").read_text()


def test_simulate_build_or_model(run: Run, model: Path, tmp_path: Path) -> None:
    x = tiny.windows(20)
    np.savez("x.npz", x=x, y=np.zeros(20, np.int64))
    run("compile", model, "--out", "build")
    code, out, _ = run("simulate", "build", "--input", "x.npz", "--output", "y.npy", "--trace", "trace")
    assert code == 0
    assert "20 windows" in out
    assert "accuracy" in out
    assert run("simulate", model, "--input", "x.npz", "--output", "z.npz", "-q") == (0, "", "")
    y = np.load("y.npy")
    assert (y.shape, y.dtype) == ((20, tiny.CLASSES), np.float32)
    with np.load("z.npz") as outputs:
        assert [np.array_equal(outputs[name], y) for name in outputs.files] == [True]
    traced = sorted((tmp_path / "trace").iterdir())
    assert traced[0].name == "000-input.npy"
    assert np.load(traced[0]).shape == (20, 12, 3)


def test_verify(run: Run, model: Path) -> None:
    np.save("x.npy", tiny.windows(100))
    code, out, _ = run("compile", model, "--verify", "x.npy", "--out", "build")
    assert code == 0
    assert "onnxruntime: 100 windows" in out
    assert out.rstrip().endswith("equal")


def test_mismatch(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pass that changes the last layer's weights."""
    rewrite = bhc.api._rewrite

    def wrong(graph: Graph, dump: Path | None) -> Graph:
        result = rewrite(graph, dump)
        last = result.nodes[-1].op
        assert isinstance(last, Dense)
        last.weights[0, 0] *= -1
        return result

    monkeypatch.setattr(bhc.api, "_rewrite", wrong)
    np.save("x.npy", tiny.windows(10))
    code, _, err = run("compile", model, "--verify", "x.npy", "--out", "build")
    assert code == 3
    assert re.search(r"mismatch: \d+ of [\d,]+ values differ from onnxruntime; the first: stage '\w+', window 0", err)
    assert '"mismatches": 0' not in (tmp_path / "build" / "report.json").read_text()


def test_hardware_mismatch(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = cosim.Mismatch("conv0", "conv0", "threshold0", 3, (2, 1), 1, -1)
    result = cosim.CosimResult(20, 5000, 7, first, 50, 40.0, 900, ())
    monkeypatch.setattr(cosim, "cosim", lambda *_, **__: result)
    np.save("x.npy", tiny.windows(20))
    run("compile", model, "--out", "build")
    code, _, err = run("cosim", "build", "--input", "x.npy", "--stalls", "5", "-q")
    assert code == 3
    assert err == (
        "mismatch: 7 of 5,000 values differ from rtl; "
        "the first: stage 'conv0', window 3, position [2, 1]: expected 1, got -1\n"
    )
    (entry,) = json.loads(Path("build/report.json").read_text())["verification"]
    assert (entry["against"], entry["mismatches"], entry["first"]["window"]) == ("rtl", 7, 3)


def test_report(run: Run, model: Path, tmp_path: Path) -> None:
    run("compile", model, "--out", "build")
    assert run("report", "build") == (0, "build/report.html\n", "")
    page = (tmp_path / "build" / "report.html").read_text()
    assert page.startswith("<!doctype html>")


def test_targets_and_doctor(run: Run) -> None:
    assert "pynq-z2" in run("targets")[1]
    code, out, _ = run("doctor")
    assert code == 0
    assert "verilator" in out


# Messages: the whole text, as golden files.

_x = tiny.windows(3)


def _array(value: np.ndarray) -> Callable[[], None]:
    return lambda: np.save("x.npy", value)


def _text(name: str, content: str) -> Callable[[], None]:
    def write() -> None:
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(content)

    return write


def _nothing() -> None:
    return


def _nan() -> np.ndarray:
    x = _x.copy()
    x[1, 2, 3] = np.nan
    return x


#: name: what to prepare, and the arguments; MODEL is the tiny model.
CASES: dict[str, tuple[Callable[[], None], str]] = {
    "bhc601_backend": (_nothing, "compile MODEL --backend finn --mode stream --hop 4 --delta on"),
    "bhc602_calibrate": (_nothing, "compile MODEL --calibrate x.npy"),
    "bhc602_delta": (_nothing, "compile MODEL --delta maybe"),
    "bhc601_simulated": (_nothing, "cosim build --input x.npy --backend vhdl"),
    "bhc602_senseless": (_nothing, "compile MODEL --fps -1 --clock nan"),
    "bhc602_backend": (_nothing, "compile MODEL --backend vhdl --io wires"),
    "bhc602_mode": (_nothing, "compile MODEL --mode stream"),
    "bhc602_hop": (_nothing, "compile MODEL --hop 4"),
    "bhc602_weights": (_nothing, "compile MODEL --weights flash"),
    "bhc602_weights_ddr": (_nothing, "compile MODEL --weights ddr --target icebreaker"),
    "bhc602_emit": (_nothing, "compile MODEL --backend rtl --emit hls"),
    "bhc602_more_than_one_a_cycle": (_nothing, "compile MODEL --fps 1e12"),
    "bhc603_no_folding_file": (_nothing, "compile MODEL --folding f.toml"),
    "bhc603_not_toml": (_text("f.toml", "layer ="), "compile MODEL --folding f.toml"),
    "bhc603_unknown_key": (_text("f.toml", "[layer.conv0]\npe = 1\nsmd = 1\n"), "compile MODEL --folding f.toml"),
    "bhc603_wrong_type": (_text("f.toml", '[layer.conv0]\npe = "1"\nsimd = 1\n'), "compile MODEL --folding f.toml"),
    "bhc604_not_ours": (_text("mine/notes.txt", "mine"), "compile MODEL --out mine"),
    "bhc604_a_file": (_text("mine", "mine"), "compile MODEL --out mine"),
    "bhc605_not_a_build": (_nothing, "synth ."),
    "bhc610_no_file": (_nothing, "simulate MODEL --input x.npy"),
    "bhc610_not_an_array": (_text("x.npy", "hello"), "simulate MODEL --input x.npy"),
    "bhc610_pickle": (_array(np.array([{}], dtype=object)), "simulate MODEL --input x.npy"),
    "bhc611_no_key": (lambda: np.savez("x.npz", data=_x, y=_x), "simulate MODEL --input x.npz"),
    "bhc612_axes": (_array(_x.transpose(0, 2, 1)), "simulate MODEL --input x.npy"),
    "bhc612_no_batch": (_array(_x[0]), "simulate MODEL --input x.npy"),
    "bhc612_other_shape": (_array(_x[:, :2]), "simulate MODEL --input x.npy"),
    "bhc612_empty": (_array(_x[:0]), "simulate MODEL --input x.npy"),
    "bhc613_float64": (_array(_x.astype(np.float64)), "simulate MODEL --input x.npy"),
    "bhc614_nan": (_array(_nan()), "simulate MODEL --input x.npy"),
    "bhc614_not_exact": (_array(np.full(_x.shape, 2**24 + 1)), "simulate MODEL --input x.npy"),
    "bhc615_labels": (lambda: np.savez("x.npz", x=_x, y=_x[:2]), "simulate MODEL --input x.npz"),
    "bhc616_suffix": (_array(_x), "simulate MODEL --input x.npy --output y.csv"),
}


@pytest.mark.parametrize("name", CASES)
def test_message(run: Run, model: Path, update_golden: bool, name: str) -> None:
    prepare, line = CASES[name]
    prepare()
    code, out, err = run(*(str(model) if word == "MODEL" else word for word in line.split()), "-q")
    assert (code, out) == (1, "")
    golden = GOLDEN / f"{name}.txt"
    if update_golden:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(err)
    assert err == golden.read_text()
    assert set(re.findall(r"BHC\d\d\d", err)) == {name[:6].upper()}


def test_every_code_is_documented_and_tested() -> None:
    used = {code for file in (ROOT / "bhc").glob("*.py") for code in re.findall(r'"(BHC6\d\d)"', file.read_text())}
    documented = set(re.findall(r"BHC6\d\d", (ROOT / "docs" / "diagnostics.md").read_text()))
    elsewhere = {"BHC606", "BHC607"}  # damaged folders: tests/test_api.py
    assert used == documented == {name[:6].upper() for name in CASES} | elsewhere


def test_full_disk(run: Run, model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is left half-written."""

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, os.strerror(28), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = run("compile", model, "--out", "build", "-q")
    assert code == 1
    assert "BHC504" in err
    assert "No space left on device" in err
    assert tree(tmp_path) == {}


# As a process of its own


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "bhc", *(str(a) for a in arguments)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_interrupt(model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.repeat(tiny.windows(100), 5000, axis=0))
    command = _command("simulate", model, "--input", tmp_path / "x.npy")
    with subprocess.Popen(command, env=_environment(), cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("reading")
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted"
    assert "Traceback" not in err


def test_reader_that_leaves(model: Path, tmp_path: Path) -> None:
    command = _command("compile", model, "--emit", "graph", "-q")
    with subprocess.Popen(
        command, env=_environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_build_needs_no_onnx(run: Run, model: Path, tmp_path: Path) -> None:
    """Simulating a build neither reads the model nor imports onnx."""
    run("compile", model, "--out", "build")
    np.save("x.npy", tiny.windows(4))
    program = (
        "import sys; sys.modules['onnx'] = None\n"
        "from bhc.cli import main\n"
        "sys.exit(main(['simulate', 'build', '--input', 'x.npy']) or main(['report', 'build']))"
    )
    subprocess.run([sys.executable, "-c", program], env=_environment(), cwd=tmp_path, check=True)
