"""The link as a stream of bytes: whatever pyserial opens by a URL (serial port, pseudo-terminal, socket://)."""

import contextlib
import errno
import select
import time

import serial

from edgeray.closing import Closing
from edgeray.errors import DeviceTimeout, LinkError, NoDeviceError

DEFAULT_BAUDRATE = 1_000_000
"""Bits a second of a UART: the reset value of `uart_divisor` at 24 MHz. A socket or pseudo-terminal ignores it."""
CHUNK = 1 << 16
WRITE_TIMEOUT = 5.0
POLL_INTERVAL = 0.0005

_ADVICE = {
    errno.ENOENT: "there is no such port; is the board plugged in?",
    errno.EACCES: "no permission; on Linux add yourself to the group that owns the port (often dialout)",
    errno.EBUSY: "another program has the port open; close it",
    errno.EAGAIN: "another program has the port open; close it",
    errno.ECONNREFUSED: "nothing listens there; start the board's server or correct host and port",
}


class Link(Closing):
    """An open link to a board.

    Parameters
    ----------
    url : /dev/ttyUSB0, COM3, a pseudo-terminal's path, socket://host:port.
    baudrate : bits a second of a UART.

    Raises
    ------
    NoDeviceError : the URL is not one, or nothing can be opened there.
    """

    def __init__(self, url: str, *, baudrate: int = DEFAULT_BAUDRATE) -> None:
        self.url = url
        try:
            # timeout 0: one call takes what is there and never waits; waiting is done in read_available.
            self._port = serial.serial_for_url(
                url, baudrate=baudrate, timeout=0, write_timeout=WRITE_TIMEOUT, exclusive=True
            )
        except (OSError, ValueError) as error:
            raise NoDeviceError(f"cannot open {url!r}: {_reason(error)}") from None
        # COM ports have no file descriptor to wait on.
        self._waitable = hasattr(self._port, "fileno") and _selectable(self._port)

    def read_available(self, timeout: float) -> bytes:
        """The bytes that are there; b"" after `timeout` seconds without one. LinkError where the other end is gone."""
        try:
            if self._waitable:
                if not select.select([self._port], [], [], timeout)[0]:
                    return b""
                return self._port.read(CHUNK)
            deadline = time.monotonic() + timeout
            while not (data := self._port.read(max(1, self._port.in_waiting))) and time.monotonic() < deadline:
                time.sleep(POLL_INTERVAL)
            return data
        except (OSError, ValueError, TypeError) as error:
            raise LinkError(f"the link {self.url!r} broke while reading: {error}") from None

    def write(self, data: bytes) -> None:
        """Send `data`. LinkError where the other end is gone, DeviceTimeout where it takes no more bytes."""
        try:
            self._port.write(data)
        except serial.SerialTimeoutException:
            raise DeviceTimeout(
                f"the link {self.url!r} takes no more bytes; is the board stuck?", WRITE_TIMEOUT
            ) from None
        except (OSError, ValueError, TypeError) as error:
            raise LinkError(f"the link {self.url!r} broke while writing: {error}") from None

    def close(self) -> None:
        """Close the link; closing twice or after a break does nothing."""
        # pyserial forgets to close a socket that the other end has reset.
        left_open = getattr(self._port, "_socket", None)
        with contextlib.suppress(OSError):
            self._port.close()
        if left_open is not None:
            left_open.close()


def _selectable(port: serial.SerialBase) -> bool:
    try:
        select.select([port], [], [], 0)
    except (OSError, ValueError, TypeError):
        return False
    return True


def _reason(error: BaseException) -> str:
    """One clause on why a port did not open; pyserial wraps the cause, sometimes only in the context."""
    for one in (error, error.__context__):
        if isinstance(one, OSError) and one.errno in _ADVICE:
            return _ADVICE[one.errno]
    cause = error.__context__ if isinstance(error.__context__, OSError) else error
    return str(cause)
