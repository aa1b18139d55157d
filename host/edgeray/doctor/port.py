"""What stands between this user and a serial port: its file, permission, udev, ModemManager, latency timer, others."""

import getpass
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from edgeray.doctor import udev
from edgeray.doctor.check import Check, Status
from edgeray.errors import NoDeviceError
from edgeray.ports import MACHINE, Machine, Port, find, latency_file, ports, running

LATENCY = 2
"""Milliseconds of the latency timer up to which nothing is wrong."""


def listed(machine: Machine = MACHINE) -> Check:
    """What is plugged in, where no device was named."""
    found = [one for one in ports(machine) if one.boards and one.is_link]
    if not found:
        fix = "plug a board in, or start a virtual one and name it by --device socket://host:port"
        return Check("boards", Status.SKIPPED, "no port of a known board is plugged in", fix)
    names = "; ".join(f"{one.device} ({' or '.join(one.boards)})" for one in found)
    return Check("boards", Status.OK, names, f"edgeray doctor --device {found[0].device}")


def checks(url: str, machine: Machine = MACHINE) -> Iterator[Check]:
    """Everything about the port itself. After a FAIL of "port" there is nothing to open."""
    if "://" in url:
        yield Check("port", Status.SKIPPED, f"{url} is no serial port of this machine")
        return
    port = find(url, machine)
    if port is None:
        yield _unlisted(url, machine)
        return
    yield _which(port, machine)
    yield _permission(port)
    if port.vid is not None and port.pid is not None and port.mode is not None:
        yield _rule(port, port.vid, port.pid, machine)
        yield _modem_manager(port.vid, port.pid, machine)
    if port.latency_timer is not None:
        yield _latency(port, port.latency_timer, machine)
    if port.holders:
        others = ", ".join(f"{one.name} (process {one.pid})" for one in port.holders)
        yield Check("in use", Status.FAIL, f"open in {others}", "close it; two programs cannot share a port")
    else:
        yield Check("in use", Status.OK, "by no process that this user may look at")


def _unlisted(url: str, machine: Machine) -> Check:
    """A path that is none of the serial ports: a pseudo-terminal, or not there."""
    if Path(url).exists():
        return Check("port", Status.OK, f"{url} is there, but no serial port: a pseudo-terminal?")
    there = ", ".join(one.device for one in ports(machine)) or "none"
    error = NoDeviceError(f"there is no port {url!r}; serial ports of this machine: {there}")
    fix = "plug the board in and look with `edgeray devices`"
    if sys.platform == "linux":
        fix += "; where it does not appear, `sudo dmesg | tail` says why (a cable for charging only has no data lines)"
    return Check("port", Status.FAIL, str(error), fix, error)


def _which(port: Port, machine: Machine) -> Check:
    if not port.boards:
        fix = "where this is not the board you meant, look with `edgeray devices`"
        return Check("port", Status.WARN, f"{port.device}: {port.description}, not an adapter of our boards", fix)
    told = f"{port.device}: {port.chip} of {' or '.join(port.boards)}"
    if port.is_link:
        return Check("port", Status.OK, told)
    same = [one for one in ports(machine) if one.is_link and one.serial_number == port.serial_number and one.boards]
    other = same[0].device if same else "the other port of the board"
    fix = f"open {other} instead"
    return Check("port", Status.FAIL, f"{told}, the interface that programs the FPGA, not its link", fix)


def _permission(port: Port) -> Check:
    name = "permission"
    if port.mode is None:
        return Check(name, Status.SKIPPED, "the port has no file")
    found = f"{port.device} belongs to {port.owner}:{port.group}, mode {port.mode}"
    if port.may_open:
        return Check(name, Status.OK, found)
    if not int(port.mode, 8) & 0o060:
        return Check(name, Status.FAIL, f"{found}, and not even its group may open it", udev.INSTALL)
    fix = f"sudo usermod -aG {port.group} {_user()}\nthen log out and in again; or install the udev rule"
    return Check(name, Status.FAIL, f"{found}: {_user()} may not open it", fix)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an id without a name
        return os.environ.get("USER", "$USER")


def _rule(port: Port, vid: int, pid: int, machine: Machine) -> Check:
    name = "udev rule"
    path = udev.access_rule(vid, pid, machine)
    if path is not None:
        return Check(name, Status.OK, f"{vid:04x}:{pid:04x} in {path}")
    found = f"none for {vid:04x}:{pid:04x}"
    if not port.boards:
        return Check(name, Status.SKIPPED, f"{found}, which is no adapter of our boards")
    return Check(name, Status.WARN, found, udev.INSTALL)


def _modem_manager(vid: int, pid: int, machine: Machine) -> Check:
    """It writes commands for modems to ports that it does not know, just after they were plugged in."""
    name = "ModemManager"
    process = running("ModemManager", machine)
    if process is None:
        return Check(name, Status.OK, "not running")
    path = udev.ignore_rule(vid, pid, machine)
    if path is not None:
        return Check(name, Status.OK, f"running, told to leave {vid:04x}:{pid:04x} alone in {path}")
    fix = f"{udev.INSTALL}\nor, on a machine without a modem: sudo systemctl disable --now ModemManager"
    return Check(name, Status.WARN, f"running (process {process}): it may write to the port", fix)


def _latency(port: Port, milliseconds: int, machine: Machine) -> Check:
    found = f"{milliseconds} ms"
    if milliseconds <= LATENCY:
        return Check("latency timer", Status.OK, found)
    fix = f"echo 1 | sudo tee {latency_file(Path(port.device).name, machine)}\nor for good, install the udev rule"
    return Check("latency timer", Status.WARN, f"{found}: so long a short reply waits in the adapter", fix)
