"""Captures from a board made of a socket and a thread, and their replay: frames, ledger, and what goes wrong."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import edgeray
from tests.fake_board import DETECTOR, THRESHOLD, FakeBoard, picture, served, within
from tests.host_streams import frame_packets, meta_packet

TIMEOUT = 0.3
"""Of a reply, in the tests of lost ones."""


@pytest.fixture
def board() -> Iterator[FakeBoard]:
    with served(FakeBoard()) as one:
        yield one


def check(frames: list[edgeray.Frame], numbers: list[int]) -> None:
    assert [frame.image_id for frame in frames] == numbers
    for frame in frames:
        assert np.array_equal(frame.values, picture(frame.image_id)), frame.image_id


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
                assert device.write("edge_threshold", 1 + frame.image_id) == 1 + frame.image_id
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


def read_on(device: edgeray.Device) -> None:
    while True:
        device.read("nimages")


def test_frames_that_came_while_a_command_waited_are_counted(board: FakeBoard) -> None:
    board.vanish_at = 40
    with edgeray.open(board.url) as device:
        capture = device.capture(0)
        next(capture)
        with pytest.raises(edgeray.LinkError):
            read_on(device)
        capture.close()
        assert device.ledger.received == 40


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
    path.write_bytes(meta_packet(DETECTOR, 0, register_map_hash=5))
    within(2, lambda: list(edgeray.replay(path)), edgeray.VersionMismatch, "0x00000005")


def test_replay_of_a_cut_file_is_not_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "x.edgeray"
    packets = frame_packets(DETECTOR, 0, picture(0), threshold=THRESHOLD, log2_rows=3)
    path.write_bytes(meta_packet(DETECTOR, 0, edge_threshold=THRESHOLD) + packets[0] + packets[1][:-1])
    again = edgeray.replay(path)
    (frame,) = again
    assert frame.rows_received.tolist() == [True] * 8 + [False] * 8
    assert (again.ledger.incomplete, again.ledger.crc_bad, again.ledger.confirmed) == (1, 1, False)
