"""A serial port of Linux, with nothing but the standard library. Diagnostic: BHC820 it cannot be opened."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import sys
import termios
import time
import tty
from pathlib import Path

from bhc.backends.shell import BAUD
from bhc.diagnostics import BhcError, fail

#: Of Linux's struct serial_struct: its size, at most; where the flags are; and the one that asks a USB adapter to pass
#: on at once what has come, and not to wait up to 16 ms for more.
_STRUCT_BYTES, _FLAGS_AT, _LOW_LATENCY = 128, 16, 1 << 13
_TIOCGSERIAL, _TIOCSSERIAL = 0x541E, 0x541F
#: A line that takes no byte for so long is gone.
_WRITE_S = 2.0
_READ_BYTES = 4096


class SerialPort:
    """A terminal device, raw, for us alone. Raises BhcError (BHC820)."""

    def __init__(self, path: str, baud: int = BAUD) -> None:
        self.name = path
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise fail("BHC820", f"has no rate of {baud:,} baud", origin=path, hint="115,200 or 1,000,000 are common")
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _refused(path, error) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tty.setraw(self._descriptor, termios.TCSANOW)
            settings = termios.tcgetattr(self._descriptor)
            settings[2] = settings[2] & ~termios.CRTSCTS & ~termios.CSTOPB | termios.CLOCAL | termios.CREAD
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._descriptor, termios.TCSANOW, settings)
            _hurry(self._descriptor)
            termios.tcflush(self._descriptor, termios.TCIOFLUSH)
        except (OSError, termios.error) as error:
            os.close(self._descriptor)
            raise _refused(path, error) from error

    def read(self, timeout_s: float) -> bytes:
        """What has come; nothing if nothing comes in time. Raises OSError when the device is gone."""
        ready, _, _ = select.select([self._descriptor], [], [], timeout_s)
        if not ready:
            return b""
        try:
            data = os.read(self._descriptor, _READ_BYTES)
        except BlockingIOError:
            return b""
        if not data:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data

    def write(self, data: bytes) -> None:
        """Send all of it. Raises OSError when the device is gone, or takes nothing."""
        end = time.monotonic() + _WRITE_S
        while data:
            _, ready, _ = select.select([], [self._descriptor], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            data = data[os.write(self._descriptor, data) :]

    def forget(self) -> None:
        """Drop what has come and was not read."""
        termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def close(self) -> None:
        """Give it back."""
        os.close(self._descriptor)


def _hurry(descriptor: int) -> None:
    """Ask the adapter for low latency; one that knows none, or refuses, is as slow as before."""
    state = bytearray(_STRUCT_BYTES)
    try:
        fcntl.ioctl(descriptor, _TIOCGSERIAL, state)
        flags = int.from_bytes(state[_FLAGS_AT : _FLAGS_AT + 4], sys.byteorder)
        if not flags & _LOW_LATENCY:
            state[_FLAGS_AT : _FLAGS_AT + 4] = (flags | _LOW_LATENCY).to_bytes(4, sys.byteorder)
            fcntl.ioctl(descriptor, _TIOCSSERIAL, state)
    except OSError:
        pass


def _refused(path: str, error: OSError | termios.error) -> BhcError:
    number = error.args[0] if error.args else 0
    match number:
        case errno.ENOENT:
            message, hint = "there is no such device", f"connected are: {_present()}"
        case errno.EACCES | errno.EPERM:
            message = "may not be opened by you"
            hint = "join the group that owns it (Debian: adduser $USER dialout) and log in again"
        case errno.EWOULDBLOCK | errno.EBUSY:
            message, hint = "is in use by another program", "close terminal programs and other runs"
        case errno.ENOTTY:
            message, hint = "is not a serial port", f"connected are: {_present()}"
        case _:
            message, hint = f"cannot be opened: {os.strerror(number)}", ""
    return fail("BHC820", message, origin=path, hint=hint)


def _present() -> str:
    """The serial ports of USB adapters."""
    found = sorted(str(path) for kind in ("ttyUSB*", "ttyACM*") for path in Path("/dev").glob(kind))
    return ", ".join(found) or "none"
