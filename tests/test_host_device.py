"""The host against a board made of a socket and a thread: handshake, registers, settings, correction table."""

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgeray
from edgeray.protocol.registers import BY_NAME, PROTOCOL_VERSION, register_map_hash
from tests.fake_board import DETECTOR, SEED, FakeBoard, served, within

TIMEOUT = 0.3
"""Of a reply, in the tests of lost ones."""


@pytest.fixture
def board() -> Iterator[FakeBoard]:
    with served(FakeBoard()) as one:
        yield one


def test_open_reads_the_detector(board: FakeBoard) -> None:
    with edgeray.open(board.url) as device:
        assert device.detector == DETECTOR
        assert device.tick_rate == 24_000_000
        assert [one.name for one in board.log[:3]] == ["product_id", "protocol_version", "register_map_hash"]


@pytest.mark.parametrize(
    ("register", "value", "error", "text"),
    [
        ("product_id", 0x1234, edgeray.NoDeviceError, "product id is 0x00001234"),
        ("protocol_version", 7, edgeray.VersionMismatch, f"has 7, this host library has {PROTOCOL_VERSION}"),
        ("register_map_hash", 0xABC, edgeray.VersionMismatch, f"0x00000abc.*{register_map_hash():#010x}"),
        ("guard_ring", 9, edgeray.NoDeviceError, "impossible detector: guard_ring 9"),
        ("tick_rate", 0, edgeray.NoDeviceError, "tick rate is 0"),
    ],
)
def test_a_wrong_board_is_told(board: FakeBoard, register: str, value: int, error: type[Exception], text: str) -> None:
    board.put(register, value)
    within(5, lambda: edgeray.open(board.url), error, text)


def test_a_silent_board_is_told(board: FakeBoard) -> None:
    board.mute = True
    within(5, lambda: edgeray.open(board.url, reply_timeout=0.2), edgeray.NoDeviceError, "no edgeray board answers")


def test_ports_that_do_not_open_are_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    within(10, lambda: edgeray.open(f"socket://127.0.0.1:{port}"), edgeray.NoDeviceError, "nothing listens there")
    within(5, lambda: edgeray.open(str(tmp_path / "tty")), edgeray.NoDeviceError, "there is no such port")
    within(5, lambda: edgeray.open("nonsense://x"), edgeray.NoDeviceError, "nonsense")
    within(5, lambda: edgeray.open("socket://127.0.0.1"), edgeray.NoDeviceError, "cannot open")


def test_registers_are_written_and_read(board: FakeBoard) -> None:
    with edgeray.open(board.url) as device:
        assert device.write("pga_offset", -300) == -300
        assert device.read("pga_offset") == -300
        assert device.write("kernel_weights", -7, index=8) == -7
        assert board.registers[BY_NAME["kernel_weights"].address + 8] == -7
        within(2, lambda: device.write("pga_gain", 6), edgeray.CommandRefused, "write of 6 to pga_gain: value refused")
        within(2, lambda: device.write("dropped", 1), edgeray.CommandRefused, "read only")
        within(2, lambda: device.write("count_time", -1), edgeray.SettingError, "count_time takes 0")
        within(2, lambda: device.read("nonsense"), edgeray.SettingError, "no register 'nonsense'")
        within(2, lambda: device.read("nimages", 1), edgeray.SettingError, "no number 1")


def test_a_lost_command_or_reply_is_repeated(board: FakeBoard) -> None:
    with edgeray.open(board.url, reply_timeout=TIMEOUT) as device:
        count = board.commands
        board.lose_replies, board.lose_commands = {count + 1}, {count + 2}
        assert device.write("edge_threshold", 99) == 99
        assert board.commands == count + 3
        board.mute = True
        within(5, lambda: device.read("nimages"), edgeray.DeviceTimeout, "read of nimages in 3 tries")
        board.mute = False
        assert device.read("edge_threshold") == 99


def test_a_lost_reply_does_not_make_an_order_act_twice(board: FakeBoard) -> None:
    with edgeray.open(board.url, reply_timeout=TIMEOUT) as device:
        for act in (device.apply, lambda: device.write("command", 8), lambda: device.command("trigger", "apply")):
            board.lose_replies, generation = {board.commands + 1}, board.generation
            act()
            assert board.generation == generation + 1
        board.lose_commands, sent = {board.commands + 1}, board.writes("command")
        device.trigger()
        assert board.writes("command") == sent + 1


def test_configure_writes_what_changed(board: FakeBoard) -> None:
    with edgeray.open(board.url, reply_timeout=TIMEOUT) as device:
        settings = edgeray.Settings(edge_threshold=50, pga_offset=-5, nimages=3, kernel=edgeray.KERNELS["sobel-x"])
        board.lose_replies = {board.commands + 3, board.commands + 11}
        device.configure(settings)
        for address, value in settings.registers(device.detector):
            assert board.registers[address] == value
        before = board.commands
        device.configure(settings)
        assert board.commands == before
        device.configure(edgeray.Settings(edge_threshold=51, pga_offset=-5, nimages=3, kernel=settings.kernel))
        assert board.commands == before + 1
        within(2, lambda: device.configure(edgeray.Settings(stride=5)), edgeray.SettingError, "stride takes")


class Table:
    def __init__(self, size: int) -> None:
        self.words = np.random.default_rng(SEED).integers(0, 2**32, size, dtype=np.uint32)

    def entries(self) -> npt.NDArray[np.uint32]:
        return self.words


@pytest.mark.parametrize("kind", ["none", "commands", "replies"])
def test_correction_table_arrives_whole(board: FakeBoard, kind: str) -> None:
    table = Table(DETECTOR.rows * DETECTOR.columns)
    with edgeray.open(board.url, reply_timeout=TIMEOUT) as device:
        # A lost command in the middle would shift every entry after it.
        lost = {board.commands + 20, board.commands + 100}
        if kind != "none":
            setattr(board, f"lose_{kind}", lost)
        device.load_correction(table)
        assert [board.correction[index] for index in range(table.words.size)] == table.words.tolist()
        within(2, lambda: device.load_correction(Table(5)), edgeray.SettingError, "128 entries")
