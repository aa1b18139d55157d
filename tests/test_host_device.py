"""The host against a board made of a socket and a thread: handshake, commands, captures, and what goes wrong.

`FakeBoard` answers commands and sends frames as the protocol says; its switches make it lose, refuse, hang or vanish.
"""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import edgeray
from edgeray.channel import Command
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import COMMAND_HEADER, REPLY, VERSION, CommandType, PacketType, ReplyStatus, packet
from edgeray.protocol.registers import BY_NAME, PRODUCT_ID, PROTOCOL_VERSION, REGISTERS, Access, register_map_hash
from edgeray.splitter import Packet, Splitter
from tests.test_host_stream import frame_packets, meta_packet

DETECTOR = Detector(rows=16, columns=8)
SEED = 77
TIMEOUT = 0.3
"""Of a reply, in the tests of lost ones."""


def picture(image_id: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng([SEED, image_id]).integers(-4095, 4095, (16, 8))


class FakeBoard(threading.Thread):
    """Serves one client after the other until stopped.

    Switches: `lose_replies` drops the reply to the n-th of the commands from now on; `lose_commands` ignores it;
    `dropped` are frames lost on the chip, `swallowed` those lost on the link; `mute` answers nothing more; `hang_at`
    and `vanish_at` stop sending, or close the link, before that frame.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.registers = {one.address + i: one.reset for one in REGISTERS for i in range(one.count)}
        geometry = {"detector_rows": 16, "detector_columns": 8, "guard_ring": 1, "sample_bits": 12, "kernel_size": 3}
        constants = {"product_id": PRODUCT_ID, "protocol_version": PROTOCOL_VERSION, "tick_rate": 24_000_000}
        for name, value in {**geometry, **constants, "register_map_hash": register_map_hash()}.items():
            self.put(name, value)
        self.correction: dict[int, int] = {}
        self.log: list[Command] = []
        self.lose_replies: set[int] = set()
        self.lose_commands: set[int] = set()
        self.dropped: set[int] = set()
        self.swallowed: set[int] = set()
        self.hang_at = self.vanish_at = -1
        self.mute = False
        self.commands = self.image_id = self.generation = 0
        self.armed = self.stopping = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.05)
        self.url = f"socket://127.0.0.1:{self.listener.getsockname()[1]}"

    def put(self, name: str, value: int) -> None:
        self.registers[BY_NAME[name].address] = value

    def get(self, name: str) -> int:
        return self.registers[BY_NAME[name].address]

    def writes(self, name: str) -> int:
        return sum(one.name == name and one.value is not None for one in self.log)

    def run(self) -> None:
        with self.listener:
            while not self.stopping:
                with contextlib.suppress(TimeoutError):
                    client = self.listener.accept()[0]
                    with client, contextlib.suppress(OSError):
                        self.serve(client)

    def serve(self, client: socket.socket) -> None:
        client.settimeout(0.0005)
        splitter = Splitter()
        while not self.stopping:
            with contextlib.suppress(TimeoutError):
                data = client.recv(4096)
                if not data:
                    return
                for one in splitter.feed(data):
                    reply = self.answer(one)
                    if reply and not self.mute:
                        client.sendall(reply)
            client.settimeout(0.0005)
            if self.armed and self.image_id != self.hang_at:
                if self.image_id == self.vanish_at:
                    return
                # sendall under the short time-out might cut a packet.
                client.settimeout(5)
                client.sendall(self.next_frame())
                client.settimeout(0.0005)
            self.put("state", int(self.armed))

    def next_frame(self) -> bytes:
        number, self.image_id = self.image_id, self.image_id + 1
        self.put("triggered", self.image_id)
        if self.image_id == self.get("nimages"):
            self.armed = False
        if number in self.dropped:
            self.put("dropped", self.get("dropped") + 1)
            return b""
        values, generation = picture(number), self.generation % 4
        packets = frame_packets(DETECTOR, number, values, np.abs(values) > 2000, generation=generation, log2_rows=3)
        if number % 4 == 0:
            dropped = self.get("dropped")
            packets.insert(0, meta_packet(DETECTOR, number, (16, 8), generation=generation, dropped=dropped))
        return b"" if number in self.swallowed else b"".join(packets)

    def answer(self, one: Packet) -> bytes | None:
        write = one.type == CommandType.WRITE
        self.commands += 1
        if self.commands in self.lose_commands:
            return None
        named = [r for r in REGISTERS if r.address <= one.address < r.address + r.count]
        status = ReplyStatus.OK if named else ReplyStatus.UNKNOWN_ADDRESS
        if named:
            self.log.append(
                Command(named[0].name, one.address, int.from_bytes(one.payload, "little") if write else None)
            )
        if named and write:
            value = int.from_bytes(one.payload, "little", signed=named[0].signed)
            if named[0].access in (Access.CONSTANT, Access.STATUS):
                status = ReplyStatus.READ_ONLY
            elif not named[0].accepts(value):
                status = ReplyStatus.VALUE_REFUSED
            elif named[0].access is Access.PULSE:
                self.pulse(named[0].name, value)
            else:
                self.registers[one.address] = value
        if self.commands in self.lose_replies:
            return None
        return self.reply(one, status, self.registers.get(one.address, 0) & 0xFFFF_FFFF)

    @staticmethod
    def reply(one: Packet, status: int, value: int) -> bytes:
        payload = REPLY.pack({"status": status, "value": value})
        fields = {"generation": 0, "last": 1, "type": PacketType.REPLY, "version": VERSION, "length": len(payload)}
        return packet(COMMAND_HEADER.pack({**fields, "sequence": one.sequence, "address": one.address}), payload)

    def pulse(self, name: str, value: int) -> None:
        if name == "correction_data":
            index = self.get("correction_index")
            self.correction[index] = value
            self.put("correction_index", index + 1)
            return
        self.generation += bool(value & 8)
        if value & 1:
            self.armed, self.image_id = True, 0
            self.put("triggered", 0)
            self.put("dropped", 0)
        if value & 2:
            self.armed = False
        self.put("state", int(self.armed))


@pytest.fixture
def board() -> Iterator[FakeBoard]:
    one = FakeBoard()
    one.start()
    yield one
    one.stopping = True
    one.join(5)
    assert not one.is_alive()


def within(seconds: float, call: Callable[[], object], error: type[Exception], text: str) -> None:
    begin = time.monotonic()
    with pytest.raises(error, match=text):
        call()
    assert time.monotonic() - begin < seconds


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


def check(frames: list[edgeray.Frame], numbers: list[int]) -> None:
    assert [frame.image_id for frame in frames] == numbers
    for frame in frames:
        values = picture(frame.image_id)
        assert np.array_equal(frame.values, np.where(np.abs(values) > 2000, values, 0)), frame.image_id


def test_capture_and_replay(board: FakeBoard, tmp_path: Path) -> None:
    path = tmp_path / "run.edgeray"
    with edgeray.open(board.url) as device:
        device.configure(edgeray.Settings())
        for count in (40, 1, 300):
            with path.open("wb") as record:
                check(list(device.capture(count, record=record)), list(range(count)))
            ledger = device.ledger
            assert ledger.complete, str(ledger)
            assert (ledger.triggered, ledger.received, ledger.lost_on_link) == (count, count, 0)
            assert ledger.bytes == path.stat().st_size
    again = edgeray.replay(path)
    check(list(again), list(range(300)))
    assert again.ledger == ledger


def test_commands_are_answered_while_frames_stream(board: FakeBoard) -> None:
    with edgeray.open(board.url) as device:
        numbers = []
        for frame in device.capture(200):
            numbers.append(frame.image_id)
            if frame.image_id % 10 == 0:
                assert device.write("edge_threshold", frame.image_id) == frame.image_id
        assert numbers == list(range(200))
        assert device.ledger.complete


def test_gaps_are_in_the_ledger(board: FakeBoard) -> None:
    board.dropped, board.swallowed = {3, 9, 10, 19}, {5, 6}
    with edgeray.open(board.url) as device:
        check(list(device.capture(20)), [n for n in range(20) if n not in board.dropped | board.swallowed])
        ledger = device.ledger
        assert (ledger.triggered, ledger.received, ledger.dropped_on_chip, ledger.lost_on_link) == (20, 14, 4, 2)
        assert ledger.confirmed
        with pytest.raises(edgeray.DataIncomplete, match="2 lost on the link"):
            ledger.require_complete()


def test_a_lost_arm_reply_does_not_start_the_series_twice(board: FakeBoard) -> None:
    with edgeray.open(board.url, reply_timeout=TIMEOUT) as device:
        device.configure(edgeray.Settings(nimages=50))
        board.lose_replies = {board.commands + 2}  # a read of the state, then apply and arm
        check(list(device.capture()), list(range(50)))
        assert board.writes("command") == 1
        assert device.ledger.complete


def interrupted(device: edgeray.Device) -> None:
    with device.capture(0) as capture:
        next(capture)
        raise KeyboardInterrupt


def test_leaving_early_disarms(board: FakeBoard) -> None:
    with edgeray.open(board.url) as device:
        for frame in device.capture(0):
            if frame.image_id == 5:
                break
        assert not board.armed
        ledger = device.ledger
        assert ledger.confirmed
        assert ledger.triggered == ledger.received >= 6
        with pytest.raises(KeyboardInterrupt):
            interrupted(device)
        assert not board.armed
        capture = device.capture(0)
        assert board.armed
        assert not capture.ledger.confirmed
    assert not board.armed  # closing the device ends its capture


def test_frames_of_an_earlier_program_are_not_taken(board: FakeBoard) -> None:
    board.image_id, board.armed = 1000, True
    board.put("nimages", 0)
    with edgeray.open(board.url) as device:
        check(list(device.capture(10)), list(range(10)))
        assert device.ledger.complete
    # Disarmed before it was armed anew: what of the old series was still on its way had time to arrive.
    assert [one.value for one in board.log if one.name == "command" and one.value] == [2, 9]


def test_a_capture_without_frames_says_what_stalled(board: FakeBoard) -> None:
    board.hang_at = 7
    with edgeray.open(board.url) as device:
        capture = device.capture(20, timeout=0.6)
        check([next(capture) for _ in range(7)], list(range(7)))
        within(5, lambda: next(capture), edgeray.DeviceTimeout, "after 7 of 20 frames; the board answers and is armed")
        assert not board.armed
        assert device.ledger.confirmed
        assert device.ledger.triggered == 7


def test_a_board_that_stops_answering_is_told(board: FakeBoard) -> None:
    board.hang_at = 3
    with edgeray.open(board.url, reply_timeout=0.2) as device:
        capture = device.capture(20, timeout=None)
        check([next(capture) for _ in range(3)], list(range(3)))
        board.mute = True
        within(5, lambda: next(capture), edgeray.DeviceTimeout, "stopped answering after 3 of 20 frames")
        assert not device.ledger.confirmed
        assert device.ledger.received == 3


def test_a_board_that_disappears_is_told(board: FakeBoard) -> None:
    board.vanish_at = 4
    with edgeray.open(board.url) as device:
        got: list[edgeray.Frame] = []
        within(5, lambda: got.extend(iter(device.capture(20))), edgeray.LinkError, "broke while reading")
        assert device.ledger.received == 4
        assert not device.ledger.complete


class FullDisk(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_disk_ends_the_capture_and_disarms(board: FakeBoard) -> None:
    with edgeray.open(board.url) as device:
        capture = device.capture(0, record=FullDisk())
        within(5, lambda: list(capture), edgeray.CaptureFileError, "No space left")
        assert not board.armed
        ledger = device.ledger
        assert ledger.triggered == ledger.received


def test_replay_of_what_is_no_capture(tmp_path: Path) -> None:
    path = tmp_path / "x.edgeray"
    within(2, lambda: edgeray.replay(path), edgeray.CaptureFileError, "No such file")
    path.write_bytes(b"text" * 100)
    within(2, lambda: list(edgeray.replay(path)), edgeray.CaptureFileError, "no edgeray packet")
    path.write_bytes(meta_packet(DETECTOR, 0, (16, 8), register_map_hash=5))
    within(2, lambda: list(edgeray.replay(path)), edgeray.VersionMismatch, "0x00000005")


def test_replay_of_a_cut_file_is_not_confirmed(tmp_path: Path) -> None:
    path, values = tmp_path / "x.edgeray", picture(0)
    packets = frame_packets(DETECTOR, 0, values, values > 0, log2_rows=3)
    path.write_bytes(meta_packet(DETECTOR, 0, (16, 8)) + packets[0] + packets[1][:-1])
    again = edgeray.replay(path)
    (frame,) = again
    assert frame.rows_received.tolist() == [True] * 8 + [False] * 8
    assert (again.ledger.incomplete, again.ledger.crc_bad, again.ledger.confirmed) == (1, 1, False)
