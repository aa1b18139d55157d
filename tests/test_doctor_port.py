"""The doctor on a machine of folders: whatever is wrong with a port is found, and its fix is the right one."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeray.cli import main
from edgeray.doctor import Check, Status, examine, udev
from edgeray.doctor.port import checks
from edgeray.errors import NoDeviceError
from tests.machine import CP2102, FT2232H, FakeMachine

IDS = 'ATTRS{idVendor}=="0403", ATTRS{idProduct}=="6010"'


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def found(fake: FakeMachine, device: str) -> dict[str, Check]:
    return {one.name: one for one in checks(device, fake.machine)}


def test_nothing_is_wrong(fake: FakeMachine) -> None:
    device = fake.plug("ttyUSB1", FT2232H, "iCEBreaker V1.0e", interface=1, latency=1)
    fake.rule(udev.rule())
    fake.run(7, "ModemManager")
    assert {one.status for one in found(fake, device).values()} == {Status.OK}


def test_the_rule_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """It goes into a file: no line of it may be broken."""
    assert main(["doctor", "--udev-rule"]) == 0
    assert capsys.readouterr().out == udev.rule()


def _group(fake: FakeMachine) -> None:
    fake.closed.add("ttyUSB1")


def _private(fake: FakeMachine) -> None:
    fake.closed.add("ttyUSB1")
    (fake.root / "dev" / "ttyUSB1").chmod(0o600)


def _no_rule(fake: FakeMachine) -> None:
    fake.rule("# " + udev.rule().replace("\n", "\n# "))


def _other_rule(fake: FakeMachine) -> None:
    fake.rule(f'SUBSYSTEM=="usb", {IDS}, MODE="0666"\n')


def _modem_manager(fake: FakeMachine) -> None:
    fake.run(7, "ModemManager")
    fake.rule(f'SUBSYSTEM=="tty", {IDS}, TAG+="uaccess"\n')


def _slow(fake: FakeMachine) -> None:
    (fake.root / "sys/bus/usb-serial/devices/ttyUSB1/latency_timer").write_text("16\n")


def _in_use(fake: FakeMachine) -> None:
    fake.run(8, "minicom", str(fake.root / "dev" / "ttyUSB1"))


@pytest.mark.parametrize(
    ("spoil", "name", "status", "text", "fix"),
    [
        (_group, "permission", Status.FAIL, "mode 0660: .* may not open it", r"sudo usermod -aG \w+ \w+\nthen log out"),
        (_private, "permission", Status.FAIL, "not even its group", "udevadm"),
        (_no_rule, "udev rule", Status.WARN, "none for 0403:6010", r"--udev-rule \| sudo tee .*\nsudo udevadm"),
        (_other_rule, "udev rule", Status.WARN, "none for 0403:6010", "udevadm"),
        (_modem_manager, "ModemManager", Status.WARN, "process 7", "systemctl disable --now ModemManager"),
        (_slow, "latency timer", Status.WARN, "16 ms", r"echo 1 \| sudo tee .*/ttyUSB1/latency_timer"),
        (_in_use, "in use", Status.FAIL, r"minicom \(process 8\)", "close it"),
    ],
)
def test_one_thing_is_wrong(
    fake: FakeMachine, spoil: Callable[[FakeMachine], None], name: str, status: Status, text: str, fix: str
) -> None:
    device = fake.plug("ttyUSB1", FT2232H, "iCEBreaker V1.0e", interface=1, latency=1)
    fake.rule(udev.rule())
    spoil(fake)
    one = found(fake, device)
    assert [each.name for each in one.values() if each.status is not Status.OK] == [name]
    assert one[name].status is status
    assert re.search(text, one[name].found)
    assert re.search(fix, one[name].fix)


def test_the_programming_port_is_not_the_link(fake: FakeMachine) -> None:
    device = fake.plug("ttyUSB0", FT2232H, "iCEBreaker V1.0e", interface=0)
    other = fake.plug("ttyUSB1", FT2232H, "iCEBreaker V1.0e", interface=1)
    one = found(fake, device)["port"]
    assert one.status is Status.FAIL
    assert one.fix == f"open {other} instead"


def test_a_port_that_is_not_there_ends_the_examination(fake: FakeMachine) -> None:
    device = fake.plug("ttyUSB1", FT2232H, interface=1)
    *_, last = examine(f"{device}0", machine=fake.machine, seconds=0)
    assert last.name == "port"
    assert isinstance(last.error, NoDeviceError)
    assert f"serial ports of this machine: {device}" in last.found


def test_another_adapter_is_pointed_out(fake: FakeMachine) -> None:
    one = found(fake, fake.plug("ttyUSB0", CP2102, "CP2102"))
    assert one["port"].status is Status.WARN
    assert one["udev rule"].status is Status.SKIPPED


def test_without_a_device_the_boards_are_listed(fake: FakeMachine) -> None:
    *_, last = examine(None, machine=fake.machine)
    assert (last.name, last.status) == ("boards", Status.SKIPPED)
    fake.plug("ttyUSB0", FT2232H, "iCEBreaker", interface=0)
    device = fake.plug("ttyUSB1", FT2232H, "iCEBreaker", interface=1)
    *_, last = examine(None, machine=fake.machine)
    assert last.found == f"{device} (icebreaker)"
    assert last.fix == f"edgeray doctor --device {device}"
