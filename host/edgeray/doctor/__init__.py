"""Why does it not work? Checks in the order in which things have to be right, each with what was found and the fix.

Python, libraries, folder, tools -> port, permission, udev, latency timer -> handshake -> clock, counters, link
     software.py                            port.py, udev.py                            board.py
"""

from collections.abc import Iterator
from pathlib import Path

from edgeray.doctor import board, port, software
from edgeray.doctor.check import Check, Status
from edgeray.errors import NoDeviceError
from edgeray.ports import MACHINE, Machine, find

__all__ = ["LINK_SECONDS", "Check", "Status", "examine"]

LINK_SECONDS = 2.0
"""Of the link test, unless told otherwise."""


def examine(
    url: str | None,
    *,
    seconds: float = LINK_SECONDS,
    folder: Path | None = None,
    machine: Machine = MACHINE,
) -> Iterator[Check]:
    """Check this machine and, where `url` names one, its board; each check as soon as it is done.

    The board's settings are what they were afterwards. Its link test ends a series that is under way, and with it the
    counts of the latest series go.

    Parameters
    ----------
    seconds : of the link test; 0 leaves it out.
    folder : that files are to be written to; None is the current one.

    Raises NoDeviceError where `url` is a file to be replayed.
    """
    if url is not None and url.startswith("replay://"):
        raise NoDeviceError(f"{url!r} is a file, not a board; `edgeray inspect` looks at files")
    yield software.python()
    yield from software.libraries()
    yield software.folder(folder or Path.cwd())
    yield from software.tools(machine)
    if url is None:
        yield port.listed(machine)
        return
    for check in port.checks(url, machine):
        yield check
        if check.error is not None:
            return
    yield from board.checks(url, is_serial=find(url, machine) is not None, seconds=seconds)
