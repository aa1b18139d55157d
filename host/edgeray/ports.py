"""What is plugged in: serial ports, the boards that they may belong to, and what stands in the way of opening them.

pyserial's list, /sys, /dev, /proc -> Port -> `edgeray devices`, `edgeray doctor`
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serial.tools.list_ports_common import ListPortInfo


def _listed() -> "Sequence[ListPortInfo]":
    from serial.tools.list_ports import comports

    return comports()


def _may_open(path: Path) -> bool:
    return os.access(path, os.R_OK | os.W_OK)


@dataclass(frozen=True)
class Machine:
    """Where this machine says what is plugged in; tests give their own trees.

    listed : the serial ports, as pyserial's list_ports gives them.
    may_open : whether this process may read and write a device file.
    which : path of a program, or None.
    """

    sys: Path = Path("/sys")
    dev: Path = Path("/dev")
    proc: Path = Path("/proc")
    udev: tuple[Path, ...] = tuple(
        Path(each) for each in ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d", "/lib/udev/rules.d")
    )
    listed: "Callable[[], Iterable[ListPortInfo]]" = _listed
    may_open: Callable[[Path], bool] = _may_open
    which: Callable[[str], str | None] = shutil.which


MACHINE = Machine()


@dataclass(frozen=True)
class Adapter:
    """A USB chip of our boards.

    boards : (what its manufacturer and product names match, name of the board).
    link : USB interface that is the board's serial link where the chip has two; the other one programs the FPGA.
    """

    chip: str
    boards: tuple[tuple[str, str], ...]
    link: int | None = None


ADAPTERS: dict[tuple[int, int], Adapter] = {
    (0x0403, 0x6010): Adapter(
        "FT2232H",
        (
            ("icebreaker", "icebreaker"),
            ("lattice", "ice40_hx8k"),
            ("sipeed|(jtag|usb) debugger", "tang_nano_9k"),
        ),
        link=1,
    ),
    (0x0403, 0x6015): Adapter("FT231X", (("ulx3s", "ulx3s"),)),
}
"""(vendor, product) -> adapter. The bridge of the Tang Nano 9K, a BL702, says that it is an FT2232H."""


@dataclass(frozen=True)
class Holder:
    """A process that has a port open."""

    pid: int
    name: str


@dataclass(frozen=True)
class Port:
    """A serial port.

    device : what to open, such as /dev/ttyUSB1 or COM3.
    by_id : a name of it that stays the same when it is plugged in again; None where there is none.
    boards : names of the boards that it may belong to; empty where none of ours has such an adapter.
    interface : USB interface number; None where it is not known or no USB port.
    is_link : whether it is the link of such a board, rather than its programming port.
    latency_timer : milliseconds that an FTDI adapter waits for more bytes; None where there is none.
    owner, group, mode : of the device file, such as root, dialout, 0660; None where there is none (Windows).
    may_open : whether this process may open it.
    holders : processes that have it open, of those that this user may look at.
    """

    device: str
    description: str
    vid: int | None
    pid: int | None
    manufacturer: str | None
    product: str | None
    serial_number: str | None
    by_id: str | None
    chip: str | None
    boards: tuple[str, ...]
    interface: int | None
    is_link: bool
    driver: str | None
    latency_timer: int | None
    owner: str | None
    group: str | None
    mode: str | None
    may_open: bool
    holders: tuple[Holder, ...]


def ports(machine: Machine = MACHINE) -> list[Port]:
    """The serial ports of this machine, those that may be links of our boards first."""
    found = [_port(info, machine) for info in machine.listed()]
    return sorted(found, key=lambda one: (not (one.boards and one.is_link), not one.boards, _natural(one.device)))


def find(url: str, machine: Machine = MACHINE) -> Port | None:
    """The port that `url` names, through links too; None where it is none of the list."""
    real = _real(url)
    return next((one for one in ports(machine) if _real(one.device) == real), None)


def serial_number(url: str) -> str | None:
    """Serial number of the USB adapter at `url`; None where there is none."""
    if "://" in url:
        return None
    one = find(url)
    return one.serial_number if one else None


def _port(info: "ListPortInfo", machine: Machine) -> Port:
    adapter = ADAPTERS.get((info.vid or 0, info.pid or 0))
    interface = re.search(r":\d+\.(\d+)$", info.location or "")
    number = int(interface[1]) if interface else None
    path = machine.dev / info.name
    owner, group, mode = _owner(path)
    return Port(
        device=info.device,
        description=info.description,
        vid=info.vid,
        pid=info.pid,
        manufacturer=info.manufacturer,
        product=info.product,
        serial_number=info.serial_number,
        by_id=_by_id(info.device, machine),
        chip=adapter.chip if adapter else None,
        boards=_boards(adapter, f"{info.manufacturer} {info.product}") if adapter else (),
        interface=number,
        is_link=adapter is not None and (adapter.link is None or number in (None, adapter.link)),
        driver=_driver(info.name, machine),
        latency_timer=_latency_timer(info.name, machine),
        owner=owner,
        group=group,
        mode=mode,
        may_open=machine.may_open(path) if mode is not None else True,
        holders=holders(path, machine),
    )


def _boards(adapter: Adapter, names: str) -> tuple[str, ...]:
    """The board that the adapter's names tell of, else all that have such an adapter."""
    told = tuple(board for pattern, board in adapter.boards if re.search(pattern, names, re.IGNORECASE))
    return told or tuple(board for _, board in adapter.boards)


def _by_id(device: str, machine: Machine) -> str | None:
    try:
        links = sorted((machine.dev / "serial" / "by-id").iterdir())
    except OSError:
        return None
    name = Path(device).name
    return next((str(link) for link in links if link.resolve().name == name), None)


def _driver(name: str, machine: Machine) -> str | None:
    link = machine.sys / "class" / "tty" / name / "device" / "driver"
    return link.resolve().name if link.exists() else None


def latency_file(name: str, machine: Machine = MACHINE) -> Path:
    """Where the latency timer of the port `name` (ttyUSB1) can be read and set, in milliseconds."""
    return machine.sys / "bus" / "usb-serial" / "devices" / name / "latency_timer"


def _latency_timer(name: str, machine: Machine) -> int | None:
    try:
        return int(latency_file(name, machine).read_text())
    except (OSError, ValueError):
        return None


def _owner(path: Path) -> tuple[str | None, str | None, str | None]:
    """Owner, group, permission bits of a device file."""
    try:
        status = path.stat()
    except OSError:
        return None, None, None
    try:
        owner, group = path.owner(), path.group()
    except (KeyError, NotImplementedError):  # ids without a name; Windows
        owner, group = str(status.st_uid), str(status.st_gid)
    return owner, group, f"{status.st_mode & 0o777:04o}"


def holders(path: Path, machine: Machine = MACHINE) -> tuple[Holder, ...]:
    """Other processes that have `path` open, of those that this user may look at."""
    found = []
    for process in machine.proc.glob("[0-9]*"):
        if int(process.name) == os.getpid():
            continue
        try:
            is_open = any(str(one.readlink()) == str(path) for one in (process / "fd").iterdir())
            name = (process / "comm").read_text().strip() if is_open else ""
        except OSError:  # it ended meanwhile, or belongs to somebody else
            continue
        if is_open:
            found.append(Holder(int(process.name), name))
    return tuple(sorted(found, key=lambda one: one.pid))


def running(name: str, machine: Machine = MACHINE) -> int | None:
    """Number of a process called `name`, None where there is none."""
    for comm in machine.proc.glob("[0-9]*/comm"):
        try:
            if comm.read_text().strip() == name:
                return int(comm.parent.name)
        except OSError:
            continue
    return None


def _real(device: str) -> str:
    return os.path.realpath(device) if device.startswith("/") else device


def _natural(device: str) -> list[tuple[int, str]]:
    """Sorts ttyUSB10 behind ttyUSB9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", device)]
