"""What is plugged in: which board a port belongs to, which of two ports is the link, who has it open."""

import json
import subprocess
from pathlib import Path

import pytest

from boards import known
from edgeray.cli import main
from edgeray.ports import ADAPTERS, Holder, Machine, find, holders, ports
from tests.fake_board import FakeBoard, served
from tests.machine import CP2102, FT231X, FT2232H, FakeMachine


@pytest.fixture
def fake(tmp_path: Path) -> FakeMachine:
    return FakeMachine(tmp_path)


def test_adapters_belong_to_boards_that_there_are() -> None:
    assert {board for one in ADAPTERS.values() for _, board in one.boards} <= set(known.BOARDS)


@pytest.mark.parametrize(
    ("ids", "product", "boards"),
    [
        (FT2232H, "iCEBreaker V1.0e", ("icebreaker",)),
        (FT2232H, "Lattice FTUSB Interface Cable", ("ice40_hx8k",)),
        (FT2232H, "JTAG Debugger", ("tang_nano_9k",)),
        (FT2232H, "Dual RS232-HS", ("icebreaker", "ice40_hx8k", "tang_nano_9k")),
        (FT231X, "ULX3S FPGA 85K v3.0.8", ("ulx3s",)),
        (CP2102, "iCEBreaker", ()),
    ],
)
def test_a_port_tells_its_board(fake: FakeMachine, ids: tuple[int, int], product: str, boards: tuple[str, ...]) -> None:
    fake.plug("ttyUSB0", ids, product)
    (one,) = ports(fake.machine)
    assert one.boards == boards
    assert one.is_link is bool(boards)


def test_the_link_comes_first_and_the_programming_port_is_none(fake: FakeMachine) -> None:
    fake.plug("ttyUSB9", CP2102, "CP2102")
    fake.plug("ttyUSB10", FT2232H, "iCEBreaker", interface=0)
    fake.plug("ttyUSB11", FT2232H, "iCEBreaker", interface=1)
    fake.plug("ttyUSB2", FT231X, "ULX3S")
    found = [(Path(one.device).name, one.interface, one.is_link) for one in ports(fake.machine)]
    assert found == [("ttyUSB2", None, True), ("ttyUSB11", 1, True), ("ttyUSB10", 0, False), ("ttyUSB9", None, False)]


def test_what_sys_dev_and_proc_say(fake: FakeMachine) -> None:
    device = fake.plug("ttyUSB1", FT2232H, "iCEBreaker", interface=1, mode=0o640, latency=16)
    driver = fake.root / "sys" / "bus" / "usb-serial" / "drivers" / "ftdi_sio"
    driver.mkdir(parents=True)
    tty = fake.root / "sys" / "class" / "tty" / "ttyUSB1" / "device"
    tty.mkdir(parents=True)
    (tty / "driver").symlink_to(driver)
    by_id = fake.root / "dev" / "serial" / "by-id"
    by_id.mkdir(parents=True)
    (by_id / "usb-1BitSquared_iCEBreaker-if01").symlink_to("../../ttyUSB1")
    fake.run(41, "minicom", "/dev/null", device)
    fake.run(42, "sh", "/dev/null")
    (one,) = ports(fake.machine)
    assert (one.driver, one.latency_timer, one.mode) == ("ftdi_sio", 16, "0640")
    assert one.by_id == str(by_id / "usb-1BitSquared_iCEBreaker-if01")
    assert one.holders == (Holder(41, "minicom"),)
    assert one.may_open
    assert find(one.by_id, fake.machine) == one
    fake.closed.add("ttyUSB1")
    assert not ports(fake.machine)[0].may_open


def test_who_has_a_file_open_on_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.touch()
    with path.open() as file, subprocess.Popen(["sleep", "30"], stdin=file) as process:
        try:
            assert holders(path, Machine()) == (Holder(process.pid, "sleep"),)
        finally:
            process.kill()
    assert holders(path, Machine()) == ()


def test_devices_lists_and_asks(
    fake: FakeMachine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The port of a known board is asked, another one is left alone; so is the device of the environment."""
    board_port = fake.plug("ttyUSB1", FT231X, "ULX3S", latency=16)
    fake.plug("ttyUSB2", CP2102, "motor")
    monkeypatch.setattr("edgeray.cli.board.ports", lambda: ports(fake.machine))
    with served(FakeBoard()) as board:
        monkeypatch.setenv("EDGERAY_DEVICE", board.url)
        assert main(["devices", "--probe", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert main(["devices"]) == 0
    shown = capsys.readouterr().out
    known_one, other = told["ports"]
    assert known_one["device"] == board_port
    assert "cannot open" in known_one["probe"]["error"]
    assert other["probe"] is None
    assert told["environment"]["device"] == board.url
    assert told["environment"]["probe"]["identity"]["detector"]["rows"] == 16
    assert all(text in shown for text in ("ulx3s", "0403:6015", "16 ms", f"EDGERAY_DEVICE is {board.url}"))
    monkeypatch.delenv("EDGERAY_DEVICE")
    fake.found.clear()
    assert main(["devices"]) == 0
    assert capsys.readouterr().out == "No serial port is plugged in.\nEDGERAY_DEVICE is not set.\n"
