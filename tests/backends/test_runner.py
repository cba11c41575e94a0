"""The runner: nothing half-written, no failure unnoticed, no child left behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bhc.backends import runner
from bhc.backends.plan import BuildPlan
from bhc.backends.runner import Job, Tool, run, run_all, write
from bhc.diagnostics import BhcError

PYTHON = Tool((sys.executable, "-c"))


def contents(directory: Path) -> dict[str, str]:
    return {str(p.relative_to(directory)): p.read_text() for p in directory.rglob("*") if p.is_file()}


def test_write_makes_the_directory_hold_the_plan(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "deep"
    write(BuildPlan({"a": "1", "sub/b": "2"}), directory)
    assert contents(directory) == {"a": "1", "sub/b": "2", "manifest.txt": "a\nsub/b\n"}


def test_write_removes_what_an_earlier_plan_wrote_and_nothing_else(tmp_path: Path) -> None:
    write(BuildPlan({"a": "1", "b": "2"}), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    write(BuildPlan({"a": "3"}), tmp_path)
    assert contents(tmp_path) == {"a": "3", "manifest.txt": "a\n", "notes.txt": "mine"}


def test_write_leaves_what_is_right_untouched(tmp_path: Path) -> None:
    write(BuildPlan({"a": "1", "b": "2"}), tmp_path)
    os.utime(tmp_path / "a", (1, 1))
    write(BuildPlan({"a": "1", "b": "3"}), tmp_path)
    assert (tmp_path / "a").stat().st_mtime == 1


def test_full_disk_leaves_the_directory_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(BuildPlan({"a": "1", "b": "2"}), tmp_path)
    before = contents(tmp_path)
    real = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if data == b"second":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(BhcError, match=r"BHC504.*No space left on device"):
        write(BuildPlan({"a": "first", "b": "second", "c": "third"}), tmp_path)
    assert contents(tmp_path) == before


def test_path_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(BhcError, match=r"BHC504.*cannot write '.*taken"):
        write(BuildPlan({"a": ""}), tmp_path / "taken" / "sub")


def test_run_keeps_a_log(tmp_path: Path) -> None:
    run(
        Job(
            PYTHON,
            ("print('out', flush=True); import sys; print('err', file=sys.stderr)",),
            tmp_path,
            tmp_path / "logs" / "x.log",
        )
    )
    assert (tmp_path / "logs" / "x.log").read_text() == "out\nerr\n"


def test_failure_shows_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "tool.log"
    with pytest.raises(BhcError) as caught:
        run(Job(PYTHON, ("for i in range(99): print('line', i)\nexit(7)",), tmp_path, log))
    message = str(caught.value)
    assert f"error[BHC502] {log}: tool failed with exit status 7:" in message
    assert "line 98" in message
    assert "line 78" not in message


def test_death_by_signal_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(BhcError, match=r"BHC502.*ended by signal SIGSEGV"):
        run(Job(PYTHON, ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",), tmp_path, tmp_path / "l.log"))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends within a few seconds."""
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


#: Starts a child of its own, writes down both process ids, and sleeps.
SLEEPER = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("pids.partial").write_text(f"{os.getpid()} {child.pid}")
pathlib.Path("pids.partial").rename("pids")
time.sleep(600)
"""


def pids(directory: Path) -> list[int]:
    deadline = time.monotonic() + 60
    while not (directory / "pids").is_file():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return [int(word) for word in (directory / "pids").read_text().split()]


def test_timeout_ends_the_tool_and_its_children(tmp_path: Path) -> None:
    with pytest.raises(BhcError, match=r"BHC503.*ran longer than 3 s"):
        run(Job(PYTHON, (SLEEPER,), tmp_path, tmp_path / "slow.log", timeout_s=3))
    assert all(gone(pid) for pid in pids(tmp_path))


def test_first_failure_ends_the_others(tmp_path: Path) -> None:
    fail_later = "import pathlib, time\nwhile not pathlib.Path('pids').exists(): time.sleep(0.02)\nexit(1)"
    jobs = [
        Job(PYTHON, (SLEEPER,), tmp_path, tmp_path / "sleeper.log"),
        Job(PYTHON, (fail_later,), tmp_path, tmp_path / "failing.log"),
        Job(PYTHON, ("open('third', 'w')",), tmp_path, tmp_path / "third.log"),
    ]
    with pytest.raises(BhcError, match="failing failed with exit status 1"):
        run_all(jobs, workers=2)
    assert all(gone(pid) for pid in pids(tmp_path))
    assert not (tmp_path / "third").exists()


def test_interrupt_ends_children(tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
from bhc.backends.runner import Job, Tool, run
run(Job(Tool((sys.executable, "-c")), ({SLEEPER!r},), Path({str(tmp_path)!r}), Path({str(tmp_path)!r}) / "s.log"))
"""
    program = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, cwd=Path(__file__).parents[2])
    children = pids(tmp_path)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert b"KeyboardInterrupt" in errors
    assert all(gone(pid) for pid in children)


def test_missing_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "")
    for find in (runner.find_compiler, runner.find_verilator, runner.find_yosys):
        with pytest.raises(BhcError, match=r"error\[BHC501\].*was not found\n  hint: "):
            find()
