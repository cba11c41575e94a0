"""Bitstream files made from the published formats, checksums bit by bit: nothing of bhc.backends.bitfile is used."""

from __future__ import annotations

import struct
from collections.abc import Iterable

IDCODES = {"7z020clg400": 0x03727093, "7a100tcsg324": 0x13631093}
LENGTHS = {"7z020clg400": 4_045_564, "7a100tcsg324": 3_825_788}


def _divide(bits: Iterable[int], polynomial: int, width: int, start: int = 0) -> int:
    """The remainder of a message, the highest bit of a byte first."""
    crc = start
    for bit in bits:
        crc ^= bit << (width - 1)
        crc = (crc << 1 ^ (polynomial if crc >> (width - 1) else 0)) & ((1 << width) - 1)
    return crc


def _bits(content: bytes) -> list[int]:
    return [byte >> i & 1 for byte in content for i in range(7, -1, -1)]


def _reversed(value: int, width: int) -> int:
    return int(f"{value:0{width}b}"[::-1], 2)


def icap_crc(writes: Iterable[tuple[int, int]]) -> int:
    """AMD UG470: CRC-32C of what is written, the lowest bit first, each word followed by its register's 5 bits."""
    bits = [value >> i & 1 for register, word in writes for value, n in ((word, 32), (register, 5)) for i in range(n)]
    return _reversed(_divide(bits, 0x1EDC6F41, 32), 32)


def xc7(part: str = "7z020clg400", idcode: int | None = None, *, crc: int | None = None, spare: int = 0) -> bytes:
    """A .bit as Vivado writes it, all frames zero. crc: what the file says it is; spare: words too many."""
    code = IDCODES[part] if idcode is None else idcode
    texts = {"a": "bhc;UserID=0XFFFFFFFF;Version=2024.1", "b": part, "c": "2026/01/31", "d": "12:00:00"}
    header = struct.pack(">H", 9) + bytes.fromhex("0ff00ff00ff00ff000") + struct.pack(">H", 1)
    for key, text in texts.items():
        header += key.encode() + struct.pack(">H", len(text) + 1) + text.encode() + b"\0"
    early = [(12, code), (2, 0x01234567), (2, 0x89ABCDEF)]
    before = [0xFFFFFFFF] * 8 + [0x000000BB, 0x11220044, 0xFFFFFFFF, 0xFFFFFFFF, 0xAA995566]
    before += [0x20000000, 0x30008001, 7, 0x20000000, 0x30018001, code, 0x30004000, 0x50000002, 0x01234567, 0x89ABCDEF]
    before += [0x30000001, icap_crc(early) if crc is None else crc]
    # As prjxray ends: the checksum is reset after the frames.
    after = [0x30008001, 7, 0x20000000, 0x30008001, 13, 0x20000000]
    frames = LENGTHS[part] // 4 - len(before) - len(after) - 2 + spare
    words = [*before, 0x30004000, 0x50000000 | frames]
    payload = struct.pack(f">{len(words)}I", *words) + bytes(4 * frames) + struct.pack(f">{len(after)}I", *after)
    return header + b"e" + struct.pack(">I", len(payload)) + payload


def ecp5(idcode: int = 0x41113043, frames: int = 13294, frame_bytes: int = 144) -> bytes:
    """A .bit as ecppack --compress writes it, all frames zero but the first."""

    def checked(content: bytes) -> bytes:
        return content + struct.pack(">H", _divide(_bits(content), 0x8005, 16))

    head = bytes.fromhex("e2000000") + struct.pack(">I", idcode) + bytes.fromhex("22000000 40000000 46000000")
    head += bytes.fromhex("02000000 500a44a0180660 80") + b"\xb8\x91" + struct.pack(">H", frames)
    # The first frame has a byte of each kind: a single bit, one of the dictionary, any.
    symbols = "0" * (frame_bytes - 3) + "100" + "010" + "101" + "111" + "11" + "10011001"
    bits = symbols.ljust(-(-len(symbols) // 8) * 8, "0")
    first = checked(head + int(bits, 2).to_bytes(len(bits) // 8, "big"))
    zero = checked(b"\xff" + bytes(-(-frame_bytes // 8)))
    memory = checked(b"\xff\xf6" + bytes(7) + bytes.fromhex("b2d00001") + bytes(9))
    last = checked(bytes.fromhex("c2800000 00000000"))
    body = first + zero * (frames - 1) + memory + b"\xff" * 8 + last + bytes.fromhex("5e000000") + b"\xff" * 4
    return b"\xff\x00Part: LFE5U-85F-6CABGA381\x00\xff\xff\xff\xbd\xb3\xff\xff\xff\xff\x3b\0\0\0" + body


def ice40(columns: int = 692, rows: int = 336) -> bytes:
    """A .bin as icepack writes it, a bank of zeros."""
    body = bytes.fromhex("9200 20") + b"\x62" + struct.pack(">H", columns - 1) + b"\x72" + struct.pack(">H", rows)
    body += bytes.fromhex("820000 1100 0101") + bytes(columns * rows // 8 + 2)
    # The remainder of zeros from here on is a matter of the register's state alone.
    crc = _divide(_bits(body + b"\x22"), 0x1021, 16, 0xFFFF)
    return bytes.fromhex("ff0000ff 7eaa997e 5100 0105") + body + b"\x22" + struct.pack(">H", crc) + b"\x01\x06\x00"


def gowin(idcode: int = 0x0000081B, frames: int = 5) -> bytes:
    """A .fs as gowin_pack writes it, with few frames."""
    head = [
        *(bytes.fromhex("ffff"), bytes.fromhex("a5c3"), b"\x06\0\0\0" + struct.pack(">I", idcode)),
        *(bytes.fromhex("10000000 0000ae00"), bytes.fromhex("5100ffff ffffffff"), bytes.fromhex("0b000000")),
        *(bytes.fromhex("d200ffff 00000000"), bytes.fromhex("12000000"), b"\x3b\x80" + struct.pack(">H", frames)),
    ]
    covered = b"".join(line for line in head[2:] if line[0] != 0xD2)
    lines = list(head)
    for number in range(frames):
        frame = bytes([number]) * 16
        reflected = [byte >> i & 1 for byte in covered + frame for i in range(8)]
        crc = _reversed(_divide(reflected, 0x8005, 16), 16)
        lines.append(frame + struct.pack("<H", crc) + b"\xff" * 6)
        covered = b"\xff" * 6
    lines += [bytes.fromhex("0a000000 00001234"), b"\xff" * 8, bytes.fromhex("08000000"), b"\xff" * 8, b"\xff\xff"]
    return "".join("".join(map("{:08b}".format, line)) + "\n" for line in lines).encode()
