"""The udev rule that lets users open our boards: its text, and whether one like it is installed."""

import re
from collections.abc import Iterator
from pathlib import Path

from edgeray.ports import ADAPTERS, MACHINE, Machine

RULE_PATH = "/etc/udev/rules.d/70-edgeray.rules"
"""Before 73-seat-late.rules, which acts on the tag `uaccess`."""
INSTALL = (
    f"edgeray doctor --udev-rule | sudo tee {RULE_PATH}\n"
    "sudo udevadm control --reload && sudo udevadm trigger\n"
    "then unplug the board and plug it in again"
)
GROUP = "dialout"
"""As Debian, Fedora and SUSE call the group of serial ports; where there is none of that name udev leaves it out."""


def rule() -> str:
    """Text of the rule: the ports and the programming interface belong to GROUP and to whoever sits at the machine,
    ModemManager leaves them alone, and FTDI's latency timer is 1 ms."""
    lines = [
        f"# {RULE_PATH}: edgeray boards",
        'ACTION!="add|change|bind", GOTO="edgeray_end"',
    ]
    for (vid, pid), adapter in ADAPTERS.items():
        ids = f'ATTRS{{idVendor}}=="{vid:04x}", ATTRS{{idProduct}}=="{pid:04x}"'
        access = f'MODE="0660", GROUP="{GROUP}", TAG+="uaccess"'
        lines += [
            f"# {adapter.chip}: {', '.join(board for _, board in adapter.boards)}",
            f'SUBSYSTEM=="tty", {ids}, {access}',
            f'SUBSYSTEM=="usb", {ids}, {access}',
            f'{ids}, ENV{{ID_MM_DEVICE_IGNORE}}="1"',
            f'SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", {ids}, ATTR{{latency_timer}}="1"',
        ]
    return "\n".join([*lines, 'LABEL="edgeray_end"', ""])


def _lines(machine: Machine) -> Iterator[tuple[Path, str]]:
    """Lines of the rules that are installed, comments left out."""
    for folder in machine.udev:
        for path in sorted(folder.glob("*.rules")):
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            for line in text.replace("\\\n", " ").splitlines():
                if not line.lstrip().startswith("#"):
                    yield path, line


def _installed(vid: int, pid: int, what: str, machine: Machine) -> Path | None:
    for path, line in _lines(machine):
        lower = line.lower()
        if f'"{vid:04x}"' in lower and f'"{pid:04x}"' in lower and re.search(what, line):
            return path
    return None


def access_rule(vid: int, pid: int, machine: Machine = MACHINE) -> Path | None:
    """File with a rule that opens serial ports of this adapter to users; None where there is none."""
    granted = r'(uaccess|MODE:?="?0?66|GROUP:?=)'
    return _installed(vid, pid, rf'^(?!.*SUBSYSTEMS?=="(usb|hidraw|usb_device|gpio)").*{granted}', machine)


def ignore_rule(vid: int, pid: int, machine: Machine = MACHINE) -> Path | None:
    """File with a rule that keeps ModemManager from this adapter; None where there is none."""
    return _installed(vid, pid, r'ID_MM_(DEVICE|PORT)_IGNORE\}="1"', machine)
