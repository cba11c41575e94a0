"""Bitstream files: which device they are for, and whether they are whole. Nothing here touches a disk or a board.

The formats are those of Vivado and prjxray (.bit, AMD UG470), ecppack (.bit, Lattice FPGA-TN-02039), icepack (.bin,
Lattice FPGA-TN-02001) and gowin_pack (.fs, as Project Apicula describes it). Every checksum in a file is computed.

Diagnostics: BHC852 not a bitstream of the family, or damaged; BHC853 for another device.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, reduce
from operator import xor
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from bhc.boards import Board
from bhc.diagnostics import fail
from bhc.ir.fabric import Family

Words = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself.

    device: what it is for, as the file or its maker calls it. idcode: of the device that takes it; None where the
    format has none (iCE40). payload: where the configuration begins, and how long it is, in bytes.
    """

    device: str
    idcode: int | None
    payload: tuple[int, int]


class _DamagedError(Exception):
    """What is wrong with a file."""


#: Xilinx IDCODEs without their revision (AMD UG470 table 1-1, UG585 table 6-1), and bytes of configuration.
_XC7: Mapping[str, tuple[int, int]] = {
    "xc7a100t": (0x3631093, 3_825_788),
    "xc7z020": (0x3727093, 4_045_564),
}
_REVISION = 0x0FFF_FFFF
#: Vivado and prjxray differ by their NOPs and by the checksum, which prjxray leaves out.
_SPARE_BYTES = 4096
_SYNC_OFFSET = 48

#: Lattice FPGA-TN-02039 table 8 (as in Project Trellis): IDCODE by device, and frames and bytes of one by its size.
_ECP5 = {
    "LFE5U-12F": 0x21111043,
    "LFE5U-25F": 0x41111043,
    "LFE5U-45F": 0x41112043,
    "LFE5U-85F": 0x41113043,
    "LFE5UM-25F": 0x01111043,
    "LFE5UM-45F": 0x01112043,
    "LFE5UM-85F": 0x01113043,
    "LFE5UM5G-25F": 0x81111043,
    "LFE5UM5G-45F": 0x81112043,
    "LFE5UM5G-85F": 0x81113043,
}
_ECP5_FRAMES = {"12": (7562, 74), "25": (7562, 74), "45": (9470, 106), "85": (13294, 142)}

#: Project IceStorm: configuration RAM of a bank, columns and rows, by die.
_ICE40 = {
    (182, 80): "384",
    (332, 144): "1K",
    (872, 272): "8K",
    (692, 336): "UP5K",
    (692, 176): "U4K",
    (656, 176): "LM4K",
}

#: Project Apicula: IDCODE by die.
_GOWIN = {
    "GW1N-1": 0x0900281B,
    "GW1NZ-1": 0x0100681B,
    "GW1N-4": 0x0100381B,
    "GW1NS-4": 0x0100981B,
    "GW1N-9": 0x1100581B,
    "GW1N-9C": 0x1100481B,
    "GW2A-18C": 0x0000081B,
    "GW2A-18": 0x0000081B,
}


def check(content: bytes, board: Board, origin: str) -> Header:
    """Read a bitstream and compare it with what the board takes. origin: the file, for messages.

    Raises BhcError: BHC852, BHC853.
    """
    try:
        header = _read(content, board.family)
    except _DamagedError as error:
        raise fail("BHC852", f"is no bitstream that {board.name} takes: {error}", origin=origin, hint=_AGAIN) from error
    wanted, code = _expected(board)
    same = header.device == wanted if code is None or header.idcode is None else _same(header.idcode, code, board)
    if not same:
        raise fail(
            "BHC853",
            f"is for {_named(header.device, header.idcode)}; {board.name} has {_named(wanted, code)}",
            origin=origin,
            hint="build for the board that is there: `bhc targets` lists them",
        )
    return header


_AGAIN = "make it again: bhc build DIR"


def _named(device: str, idcode: int | None) -> str:
    return device if idcode is None else f"{device} (IDCODE {idcode:08X})"


def _same(found: int, wanted: int, board: Board) -> bool:
    mask = _REVISION if board.family is Family.XC7 else 0xFFFF_FFFF
    return found & mask == wanted & mask


def _expected(board: Board) -> tuple[str, int | None]:
    """Name, as a file has it, and IDCODE of a board's device."""
    match board.family:
        case Family.XC7:
            name = _xc7_name(board.part)
            return name, _XC7[name][0] if name in _XC7 else None
        case Family.ECP5:
            name = "-".join(board.part.split("-")[:2])
            return name, _ECP5.get(name)
        case Family.ICE40:
            size = board.part.partition("-")[0].removeprefix("iCE40").upper()
            # An HX4K is an HX8K that is sold with less; LP, HX and UL of one size share a die.
            return {"HX4K": "8K", "LP4K": "8K"}.get(size, size.removeprefix("HX").removeprefix("LP")), None
        case Family.GOWIN:
            name = board.die or board.part
            return name, _GOWIN.get(name)
        case _:
            assert_never(board.family)


def _read(content: bytes, family: Family) -> Header:
    match family:
        case Family.XC7:
            return _read_xc7(content)
        case Family.ECP5:
            return _read_ecp5(content)
        case Family.ICE40:
            return _read_ice40(content)
        case Family.GOWIN:
            return _read_gowin(content)
        case _:
            assert_never(family)


class _Cursor:
    """A place in bytes. Raises _DamagedError at their end."""

    def __init__(self, content: bytes, at: int = 0) -> None:
        self.content = content
        self.at = at

    def take(self, count: int) -> bytes:
        found = self.content[self.at : self.at + count]
        if len(found) < count:
            raise _DamagedError(f"it ends after {len(self.content):,} bytes, in the midst of the configuration")
        self.at += count
        return found

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "big")


def _checksum(computed: int, at: int) -> None:
    if computed:
        raise _DamagedError(f"the checksum at byte {at:,} is wrong")


@cache
def _crc_table(polynomial: int, bits: int, *, reflected: bool) -> tuple[int, ...]:
    """What a byte does to a CRC of so many bits."""
    table = []
    for byte in range(256):
        crc = byte if reflected else byte << (bits - 8)
        for _ in range(8):
            if reflected:
                crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
            else:
                crc = (crc << 1 ^ (polynomial if crc >> (bits - 1) else 0)) & ((1 << bits) - 1)
        table.append(crc)
    return tuple(table)


# Xilinx 7-series

_FIELDS = b"abcd"
_WRITE = 2
_CRC, _CMD, _IDCODE = 0, 4, 12
_RESET_CRC, _DESYNC = 7, 13
_CASTAGNOLI = 0x82F63B78
_LANES = 1024


def _xc7_name(part: str) -> str:
    """Of an ordering code with or without `xc` and package: the device."""
    found = re.match(r"(?:xc)?(7[a-z]\d+[st]?)", part.lower())
    return f"xc{found[1]}" if found else part


def _read_xc7(content: bytes) -> Header:
    """Fields a to e, then packets from the synchronisation word to the end of it."""
    cursor = _Cursor(content)
    if cursor.take(cursor.number(2))[:2] != b"\x0f\xf0" or cursor.take(2) != b"\x00\x01":
        raise _DamagedError("it does not begin as a .bit file")
    fields = {}
    for expected in _FIELDS:
        if cursor.take(1)[0] != expected:
            raise _DamagedError(f"its header has no field {chr(expected)}")
        fields[expected] = cursor.take(cursor.number(2)).rstrip(b"\0").decode("ascii", "replace")
    if cursor.take(1) != b"e":
        raise _DamagedError("its header has no field e")
    length, begin = cursor.number(4), cursor.at
    if len(content) - begin != length:
        raise _DamagedError(f"its header says {length:,} bytes of configuration, and {len(content) - begin:,} follow")
    device = _xc7_name(fields[ord("b")])
    if device in _XC7 and abs(length - _XC7[device][1]) > _SPARE_BYTES:
        raise _DamagedError(f"{length:,} bytes of configuration, where {device} takes {_XC7[device][1]:,}")
    if content[begin + _SYNC_OFFSET : begin + _SYNC_OFFSET + 4] != b"\xaa\x99\x55\x66":
        raise _DamagedError(f"there is no synchronisation word at byte {_SYNC_OFFSET} of the configuration")
    idcode = _xc7_packets(_Cursor(content, begin + _SYNC_OFFSET + 4))
    return Header(device, idcode, (begin, length))


def _xc7_packets(cursor: _Cursor) -> int:
    """Follow the configuration's packets, checksums included, until it releases the device; its IDCODE."""
    register, crc, idcode = 0, 0, None
    while True:
        word = cursor.number(4)
        match word >> 29:
            case 1:
                register, count = word >> 13 & 0x1F, word & 0x7FF
            case 2:
                count = word & 0x7FF_FFFF
            case _:
                raise _DamagedError(f"there is no packet at byte {cursor.at - 4:,}")
        if word >> 27 & 3 != _WRITE:
            continue
        words = np.frombuffer(cursor.take(4 * count), ">u4").astype(np.uint32)
        if not count:
            continue
        first = int(words[0])
        if register == _CRC:
            _checksum(crc ^ first, cursor.at - 4)
            crc = 0
            continue
        crc = _icap_crc(crc, register, words)
        if register == _IDCODE:
            idcode = first
        elif register == _CMD and first == _RESET_CRC:
            crc = 0
        elif register == _CMD and first == _DESYNC:
            if idcode is None:
                raise _DamagedError("it names no device")
            return idcode


def _icap_crc(crc: int, register: int, words: Words) -> int:
    """CRC-32C over each word and the 5 bits of the register that it is written to, the lowest bit first.

    As it is linear, many parts of a long message are fed at once, from zero, and beside them what a part makes of each
    bit of the checksum before it.
    """
    lanes = min(_LANES, max(1, len(words) // _LANES))
    rows = len(words) // lanes
    apart, rest = words[: lanes * rows].reshape(lanes, rows), words[lanes * rows :]
    state = np.concatenate([np.zeros(lanes, np.uint32), np.uint32(1) << np.arange(32, dtype=np.uint32)])
    registers = np.where(np.arange(lanes + 32) < lanes, np.uint32(register), np.uint32(0))
    given = np.zeros((rows, lanes + 32), np.uint32)
    given[:, :lanes] = apart.T
    for row in given:
        state = _icap_step(state, row, registers)
    parts, bits = state[:lanes].tolist(), state[lanes:].tolist()
    for part in parts:
        crc = reduce(xor, (made for i, made in enumerate(bits) if crc >> i & 1), part)
    last = np.array([crc], np.uint32)
    for word in rest:
        last = _icap_step(last, word, registers[:1])
    return int(last[0])


def _icap_step(crc: Words, word: Words | np.uint32, register: Words) -> Words:
    pairs, single = _icap_tables()
    crc = np.bitwise_xor(crc, word)
    for _ in range(2):
        crc = np.bitwise_xor(crc >> _HALF_WORD, pairs[crc & _HALF_MASK])
    # Five bits are a byte whose lower three have been fed already.
    last = np.bitwise_xor(crc, register) << _THREE & _BYTE_MASK
    fed: Words = np.bitwise_xor(crc >> _FIVE, single[last])
    return fed


_HALF_WORD, _HALF_MASK, _FIVE, _THREE, _BYTE_MASK = (np.uint32(value) for value in (16, 0xFFFF, 5, 3, 0xFF))


@cache
def _icap_tables() -> tuple[Words, Words]:
    """What two bytes, and one, do to the checksum."""
    one = _crc_table(_CASTAGNOLI, 32, reflected=True)
    two = [one[low] >> 8 ^ one[one[low] & 0xFF ^ high] for high in range(256) for low in range(256)]
    return np.array(two, np.uint32), np.array(one, np.uint32)


# ECP5

_PREAMBLE = b"\xff\xff\xbd\xb3"
_DUMMY, _RESET_CHECKSUM, _VERIFY_ID, _DICTIONARY, _EBR_WRITE, _DONE = 0xFF, 0x3B, 0xE2, 0x02, 0xB2, 0x5E
_FRAMES, _COMPRESSED_FRAMES = 0x82, 0xB8
#: Bytes behind the commands of four bytes: LSC_PROG_CNTRL0, ISC_PROGRAM_USERCODE, LSC_EBR_ADDRESS, and without any
#: LSC_INIT_ADDRESS, SPI_MODE, ISC_PROGRAM_SECURITY.
_OPERANDS = {_RESET_CHECKSUM: 0, _VERIFY_ID: 4, 0x22: 4, 0xC2: 4, 0xF6: 4, _DICTIONARY: 8, 0x46: 0, 0x79: 0, 0xCE: 0}
_CHECKED = {0xC2, _DICTIONARY}
_EBR_ROW = 9
#: Compressed bytes: zero; one of eight with a single bit, or of the dictionary; any.
_SYMBOL = "(?:0|10[01]{4}|11[01]{8})"


class _Lattice(_Cursor):
    """With the checksum of what was taken."""

    crc = 0

    def taken(self, since: int) -> None:
        table, crc = _crc_table(0x8005, 16, reflected=False), self.crc
        for byte in self.content[since : self.at]:
            crc = (crc << 8 & 0xFF00) ^ table[crc >> 8 ^ byte]
        self.crc = crc

    def verify(self) -> None:
        """Here is a checksum: over it as well, the result is zero."""
        since = self.at
        self.take(2)
        self.taken(since)
        _checksum(self.crc, since)


def _read_ecp5(content: bytes) -> Header:
    """Comments, then commands up to ISC_PROGRAM_DONE."""
    if content[:2] != b"\xff\x00":
        raise _DamagedError("it does not begin as a .bit file")
    begin = content.find(_PREAMBLE, 2)
    if begin < 0:
        raise _DamagedError("there is no preamble FFFFBDB3")
    cursor = _Lattice(content, begin + len(_PREAMBLE))
    idcode = None
    while True:
        since = cursor.at
        command = cursor.number(1)
        if command == _DUMMY:
            continue
        parameters = cursor.take(3)
        count = int.from_bytes(parameters[1:], "big")
        if command == _DONE:
            break
        if command in {_FRAMES, _COMPRESSED_FRAMES}:
            cursor.taken(since)
            _ecp5_frames(cursor, _ecp5_name(idcode), parameters[0], count, compressed=command == _COMPRESSED_FRAMES)
            continue
        if command != _EBR_WRITE and command not in _OPERANDS:
            raise _DamagedError(f"there is no command {command:02X}, at byte {since:,}")
        operands = cursor.take(_EBR_ROW * count if command == _EBR_WRITE else _OPERANDS[command])
        cursor.taken(since)
        if command == _VERIFY_ID:
            idcode = int.from_bytes(operands, "big")
        elif command == _RESET_CHECKSUM:
            cursor.crc = 0
        elif command == _EBR_WRITE or (command in _CHECKED and parameters[0] & 0x80):
            cursor.verify()
    return Header(_ecp5_name(idcode), idcode, (begin, len(content) - begin))


def _ecp5_name(idcode: int | None) -> str:
    if idcode is None:
        raise _DamagedError("it names no device")
    return next((name for name, code in _ECP5.items() if code == idcode), "another device")


def _ecp5_frames(cursor: _Lattice, device: str, how: int, count: int, *, compressed: bool) -> None:
    """Frames with their checksums. how: bits 7 and 6 say whether there are any, 3 to 0 how many bytes lie between."""
    size = re.search(r"-(\d+)F", device)
    if size is None:
        raise _DamagedError(f"its frames are those of {device}")
    frames, length = _ECP5_FRAMES[size[1]]
    if count != frames:
        raise _DamagedError(f"{count:,} frames, where {device} has {frames:,}")
    # Before compression, frames are padded to whole words of 64 bits.
    symbols = re.compile(_SYMBOL + f"{{{-(-length // 8) * 8}}}") if compressed else None
    bits = "".join(map("{:08b}".format, cursor.content[cursor.at :])) if compressed else ""
    origin = cursor.at
    for number in range(count):
        since = cursor.at
        if symbols is None:
            cursor.take(length)
        else:
            found = symbols.match(bits, 8 * (since - origin))
            cursor.take(length if found is None else -(-(found.end() - found.start()) // 8))
        cursor.taken(since)
        if how & 0x80 and (not how & 0x40 or number == count - 1):
            cursor.verify()
        since = cursor.at
        cursor.take(how & 0x0F)
        cursor.taken(since)


# iCE40


def _read_ice40(content: bytes) -> Header:
    """Commands of one byte with up to 15 of payload, from the preamble to the one that starts the design."""
    begin = content.find(b"\x7e\xaa\x99\x7e")
    if begin < 0:
        raise _DamagedError("there is no preamble 7EAA997E")
    cursor = _Cursor(content, begin + 4)
    width = height = offset = columns = rows = covered = 0
    while True:
        since = cursor.at
        command = cursor.number(1)
        payload = cursor.number(command & 0x0F)
        match command >> 4, payload:
            case 0, 1 | 3:
                cursor.take(width * height // 8)
                if payload == 1:
                    columns, rows = max(columns, width), max(rows, offset + height)
                if cursor.take(2) != b"\0\0":
                    raise _DamagedError(f"the data before byte {cursor.at:,} do not end there")
            case 0, 5:
                covered = cursor.at
            case 0, 6:
                break
            case 1 | 5 | 9, _:  # bank, clock, options
                pass
            case 2, _:
                _checksum(crc_hqx(content[covered : cursor.at], 0xFFFF), since + 1)
            case 6, _:
                width = payload + 1
            case 7, _:
                height = payload
            case 8, _:
                offset = payload
            case _:
                raise _DamagedError(f"there is no command {command:02X}, at byte {since:,}")
    device = _ICE40.get((columns, rows), f"a device of {columns} x {rows} bits")
    return Header(device, None, (begin, len(content) - begin))


# Gowin


def _read_gowin(content: bytes) -> Header:
    """Lines of bits, one a command or a frame of configuration."""
    try:
        text = content.decode("ascii")
        lines = [_bytes(line) for line in text.splitlines() if line and not line.startswith("//")]
    except ValueError as error:
        raise _DamagedError("there is something else in it than lines of bits") from error
    begin = next((number for number, line in enumerate(lines) if line == b"\xa5\xc3"), None)
    if begin is None:
        raise _DamagedError("there is no preamble A5C3")
    table = _crc_table(0xA001, 16, reflected=True)
    idcode, covered = None, b""
    for number, line in enumerate(lines[begin + 1 :], begin + 1):
        if line[0] != 0xD2:
            covered += line
        if line[0] == 0x06:
            idcode = int.from_bytes(line[4:], "big")
        if line[0] == 0x3B:
            first, count = number + 1, int.from_bytes(line[2:], "big")
            break
    else:
        raise _DamagedError("it has no frames")
    frames = lines[first : first + count]
    if len(frames) < count or [0x0A] not in ([line[0]] for line in lines[first + count :]):
        raise _DamagedError(f"it ends after {len(lines) - first:,} of {count:,} frames, or within what follows")
    for number, frame in enumerate(frames):
        covered += frame[:-8]
        crc = 0
        for byte in covered:
            crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
        if crc != int.from_bytes(frame[-8:-6], "little"):
            raise _DamagedError(f"the checksum of frame {number:,} is wrong")
        covered = frame[-6:]
    device = next((name for name, code in _GOWIN.items() if code == idcode), "another device")
    return Header(device, idcode, (0, len(content)))


def _bytes(line: str) -> bytes:
    if len(line) % 8 or line.strip("01"):
        raise ValueError(line)
    return int(line, 2).to_bytes(len(line) // 8, "big")
