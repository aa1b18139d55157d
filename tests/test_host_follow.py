"""Who follows a series, and how it is ended: consumers, orders from other threads, states, asynchronous iteration."""

import asyncio
import io
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import edgeray
from edgeray.consumer import Consumer
from edgeray.decoder import Frame
from edgeray.ledger import Ledger
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.registers import BY_NAME, TriggerMode
from edgeray.series import SeriesHeader
from edgeray.state import State
from tests.fake_board import DETECTOR, FakeBoard, served, within


@pytest.fixture
def board() -> Iterator[FakeBoard]:
    with served(FakeBoard()) as one:
        yield one


class Follower(Consumer):
    """Remembers what it was told; fails at frame `fails_at`, or at its begin where that is -1."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.header: SeriesHeader | None = None
        self.numbers: list[int] = []
        self.ends: list[Ledger] = []
        self.fails_at = fails_at
        self.told = threading.Event()

    def begin(self, header: SeriesHeader) -> None:
        self.header = header
        if self.fails_at == -1:
            raise edgeray.CaptureFileError("no room to begin")

    def take(self, frames: Sequence[Frame]) -> None:
        self.numbers += [frame.image_id for frame in frames]
        if self.fails_at is not None and self.numbers and self.numbers[-1] >= self.fails_at:
            raise edgeray.CaptureFileError("the disk is full")
        if frames:
            self.told.set()

    def end(self, ledger: Ledger) -> None:
        self.ends.append(replace(ledger))


def test_several_follow_one_capture(board: FakeBoard) -> None:
    first, second = Follower(), Follower()
    with edgeray.open(board.url) as device:
        device.configure(kernel="sobel-x", edge_threshold=7)
        before = time.time()
        taken = [frame.image_id for frame in device.capture(50, consumers=[first, second])]
    assert taken == first.numbers == second.numbers == list(range(50))
    assert len(first.ends) == len(second.ends) == 1
    assert first.ends[0].complete
    header = first.header
    assert header is not None
    assert (header.nimages, header.detector, header.tick_rate) == (50, DETECTOR, 24_000_000)
    assert (header.settings.kernel, header.settings.edge_threshold) == (KERNELS["sobel-x"], 7)
    # The fake board's clock stands at 0: that is the time of its tick 0.
    assert before <= header.epoch <= time.time()
    assert header.time_of(24_000_000).timestamp() == pytest.approx(header.epoch + 1)


def test_a_follower_that_fails_ends_the_series_and_not_the_others(board: FakeBoard) -> None:
    good, bad = Follower(), Follower(fails_at=10)
    with edgeray.open(board.url) as device:
        capture = device.capture(0, consumers=[bad, good])
        within(5, capture.run, edgeray.CaptureFileError, "the disk is full")
        assert not board.armed
        assert device.state is State.ERROR
        ledger = device.ledger
    assert ledger.confirmed
    assert good.numbers == list(range(ledger.received))
    assert len(bad.ends) == len(good.ends) == 1
    assert good.ends[0] == ledger


class Careless(Follower):
    """Has a bug in its end."""

    def end(self, ledger: Ledger) -> None:
        raise ZeroDivisionError


def test_a_bug_in_one_follower_leaves_the_others_their_end(board: FakeBoard) -> None:
    good = Follower()
    with edgeray.open(board.url) as device:
        with pytest.raises(ZeroDivisionError):
            device.capture(5, consumers=[Careless(), good]).run()
        assert [one.received for one in good.ends] == [5]


def test_a_follower_that_cannot_begin_stops_the_series_before_it(board: FakeBoard) -> None:
    good, bad = Follower(), Follower(fails_at=-1)
    with edgeray.open(board.url) as device:
        within(5, lambda: device.capture(5, consumers=[good, bad]), edgeray.CaptureFileError, "no room to begin")
        assert not any(one.name == "command" and one.value and one.value & 1 for one in board.log)
        assert len(good.ends) == 1
        assert [frame.image_id for frame in device.capture(3)] == [0, 1, 2]


def test_cancel_from_another_thread_keeps_all_that_was_sent(board: FakeBoard) -> None:
    follower = Follower()
    with edgeray.open(board.url) as device:
        capture = device.capture(0, consumers=[follower])

        def stop() -> None:
            follower.told.wait(5)
            capture.cancel()

        threading.Thread(target=stop).start()
        taken = [frame.image_id for frame in capture]
        assert not board.armed
        assert device.state is State.IDLE
        assert taken == follower.numbers == list(range(board.image_id))
        assert follower.ends == [device.ledger]
        assert device.ledger.complete
        assert not device.capture(3).complete


def test_abort_does_not_wait_for_the_board(board: FakeBoard) -> None:
    board.hang_at = 4
    with edgeray.open(board.url) as device:
        capture = device.capture(0, timeout=None)
        assert [next(capture).image_id for _ in range(4)] == [0, 1, 2, 3]
        device.abort()
        begin = time.monotonic()
        assert list(capture) == []
        assert time.monotonic() - begin < 2
        assert not device.ledger.confirmed
        assert not board.armed


def test_states_of_a_series(board: FakeBoard) -> None:
    device = edgeray.open(board.url)
    seen = [device.state]
    device.configure(trigger_mode="software", nimages=2)
    board.hang_at = 0
    capture = device.capture()
    seen.append(device.state)
    board.hang_at = -1
    next(capture)
    seen.append(device.state)
    capture.run()
    seen.append(device.state)
    board.vanish_at = 1
    within(5, device.capture(3).run, edgeray.LinkError, "broke")
    seen.append(device.state)
    device.close()
    assert seen == [State.IDLE, State.READY, State.ACQUIRE, State.IDLE, State.NA]


def test_a_stalled_series_leaves_the_device_in_error_until_it_is_set_again(board: FakeBoard) -> None:
    board.hang_at = 1
    with edgeray.open(board.url) as device:
        within(5, device.capture(3, timeout=0.3).run, edgeray.DeviceTimeout, "armed and waits")
        states = [device.state]
        device.configure(nimages=4)
        assert [*states, device.state] == [State.ERROR, State.IDLE]


def test_asynchronous_iteration(board: FakeBoard) -> None:
    async def take(device: edgeray.Device) -> tuple[list[int], int]:
        ticks = 0

        async def clock() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        beside = asyncio.create_task(clock())
        async with device.capture(200) as capture:
            numbers = [frame.image_id async for frame in capture]
        beside.cancel()
        return numbers, ticks

    with edgeray.open(board.url) as device:
        numbers, ticks = asyncio.run(take(device))
        assert numbers == list(range(200))
        assert ticks > 3  # others had their turn
        assert device.ledger.complete


def test_an_asynchronous_task_can_be_cancelled_while_the_board_is_silent(board: FakeBoard) -> None:
    board.hang_at = 2

    async def take(device: edgeray.Device) -> None:
        async with device.capture(0, timeout=None) as capture:
            async for _ in capture:
                pass

    async def cut_short(device: edgeray.Device) -> None:
        await asyncio.wait_for(take(device), 0.5)

    with edgeray.open(board.url) as device:
        with pytest.raises(TimeoutError):
            asyncio.run(cut_short(device))
        assert not board.armed
        board.hang_at = -1
        assert [frame.image_id for frame in device.capture(2)] == [0, 1]


def test_settings_are_read_from_the_board_and_changed_by_name(board: FakeBoard) -> None:
    with edgeray.open(board.url) as device:
        device.configure(edgeray.Settings(kernel=KERNELS["mean"], pga_offset=-5))
        device.configure(count_time="900.01us", trigger_mode="external")
        settings = device.settings
        assert (settings.count_time, settings.trigger_mode) == (21_600, TriggerMode.EXTERNAL)
        assert (settings.kernel, settings.pga_offset) == (KERNELS["mean"], -5)
        told = {one.name: one for one in device.describe()}
        assert (told["count_time"].requested, told["count_time"].actual) == (900.01e-6, 900e-6)
        assert (told["count_time"].unit, told["count_time"].minimum) == ("s", 1 / 24_000_000 * 0)
        assert told["pga_offset"].requested is None
        changed = device.configuration
        changed.kernel = KERNELS["sobel-y"]
        device.configure(changed, edge_threshold=9)
        assert (device.settings.kernel, device.settings.edge_threshold) == (KERNELS["sobel-y"], 9)
        before = board.registers.copy()
        within(2, lambda: device.configure(count_time="1 parsec"), edgeray.SettingError, "count_time is a time")
        within(2, lambda: device.configure(count_time=1e6), edgeray.SettingError, r"takes 0 to 178\.9\d+ s on this")
        within(2, lambda: device.configure(edge_treshold=3), edgeray.SettingError, "no setting 'edge_treshold'")
        assert board.registers == before


def recorded(board: FakeBoard, path: Path, nimages: int = 40) -> Ledger:
    with edgeray.open(board.url) as device, path.open("wb") as record:
        device.configure(kernel="sobel-x", edge_threshold=2000, gap_time="2us")
        device.capture(nimages, record=record).run()
        return device.ledger


def test_a_recording_is_a_device(board: FakeBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.edgeray"
    board.dropped, board.swallowed = {3, 9}, {5}
    ledger = recorded(board, path)
    there = [n for n in range(40) if n not in board.dropped | board.swallowed]
    follower, copy = Follower(), io.BytesIO()
    with edgeray.open(f"replay://{path}") as device:
        assert device.detector == DETECTOR
        assert device.settings.kernel == KERNELS["sobel-x"]
        assert device.settings.gap_time == 48  # META does not say it, the recorded registers do
        taken = [frame.image_id for frame in device.capture(0, consumers=[follower], record=copy)]
        assert taken == follower.numbers == there
        assert device.ledger == ledger
        assert copy.getvalue() == path.read_bytes()
        # Fewer frames than there are, and then all of them again.
        assert [frame.image_id for frame in device.capture(10)] == [n for n in there if n < 10]
        assert device.ledger.triggered == 10
        assert [frame.image_id for frame in device.capture(40)] == there
        assert device.ledger == ledger
        # Bytes that were read ahead of a series' end are no part of the next one.
        for chunk in (100, 1000):
            monkeypatch.setattr("edgeray.replay_channel._CHUNK", chunk)
            assert [frame.image_id for frame in device.capture(10)] == [n for n in there if n < 10]
            assert [frame.image_id for frame in device.capture(40)] == there
            assert device.ledger == ledger
        device.configure(edge_threshold=2000)
        within(2, lambda: device.configure(edge_threshold=5), edgeray.CommandRefused, "replay cannot change it")
    again = edgeray.replay(path)
    assert again.header.settings.kernel == KERNELS["sobel-x"]
    assert next(again).image_id == 0


def test_a_recording_that_was_cut_is_told(board: FakeBoard, tmp_path: Path) -> None:
    path = tmp_path / "cut.edgeray"
    recorded(board, path)
    path.write_bytes(path.read_bytes()[:-2000])
    with edgeray.open(f"replay://{path}") as device:
        follower = Follower()
        within(5, device.capture(0, consumers=[follower]).run, edgeray.CaptureFileError, "ends before the board told")
        assert 0 < len(follower.numbers) < 40
        assert not device.ledger.confirmed
    within(2, lambda: edgeray.open(f"replay://{tmp_path}/none"), edgeray.NoDeviceError, "No such file")
    path.write_bytes(b"text" * 100)
    within(2, lambda: edgeray.open(f"replay://{path}"), edgeray.NoDeviceError, "holds no series")


def test_an_old_recording_tells_what_its_frames_do(tmp_path: Path) -> None:
    """Streams from before recordings began with the board's registers."""
    path = Path(__file__).parent / "vectors" / "edge-positive-10.bin"
    with edgeray.open(f"replay://{path}") as device:
        frames = list(edgeray.replay(path))
        assert device.detector == frames[0].meta.detector
        assert device.settings.threshold_mode == frames[0].meta.threshold_mode
        assert device.settings.kernel.flat == frames[0].meta.kernel_weights
        assert device.read("nimages") == BY_NAME["nimages"].reset
