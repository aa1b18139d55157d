"""Uploading samples, and settings that are put back, against a board made of a socket and a thread."""

import contextlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

import edgeray
from edgeray.protocol.registers import SampleSource
from tests.fake_board import DETECTOR, SEED, FakeBoard, served, within

SHAPE = DETECTOR.rows, DETECTOR.columns
TIMEOUT = 0.3
"""Of a reply, in the tests of lost ones."""


class UploadBoard(FakeBoard):
    """A board with a memory for uploaded samples; those of the pixels in `deaf` do not arrive."""

    def __init__(self) -> None:
        super().__init__()
        self.put("upload_memory", 1)
        self.deaf: set[int] = set()

    def pulse(self, name: str, value: int) -> None:
        if name == "upload_data" and len(self.uploaded) in self.deaf:
            self.deaf.remove(len(self.uploaded))
            return
        super().pulse(name, value)


@pytest.fixture
def board() -> Iterator[UploadBoard]:
    with served(UploadBoard()) as one:
        yield one


def samples(seed: int = SEED) -> npt.NDArray[np.uint16]:
    return np.random.default_rng(seed).integers(0, DETECTOR.full_scale + 1, (2, *SHAPE), np.uint16)


@pytest.mark.parametrize("kind", ["none", "commands", "replies"])
def test_samples_arrive_whole(board: UploadBoard, kind: str) -> None:
    reset, signal = samples()
    with edgeray.open(board.url, reply_timeout=TIMEOUT) as device:
        device.upload(reset, signal)
        again = samples(SEED + 1)
        # A lost block in the middle shifts every one after it; the first commands of an upload are index, block, block.
        if kind != "none":
            setattr(board, f"lose_{kind}", {board.commands + 2, board.commands + 6})
        device.upload(*again)
    right = (again[0].astype(np.uint32) | again[1].astype(np.uint32) << 16).ravel().tolist()
    assert [board.uploaded[index] for index in range(len(right))] == right
    assert len(board.uploaded) == len(right)


def test_samples_that_did_not_arrive_are_told(board: UploadBoard) -> None:
    with edgeray.open(board.url) as device:
        board.deaf = {77}
        with pytest.raises(edgeray.UploadError, match="took the samples of 127 pixels instead of 128"):
            device.upload(*samples())


@pytest.mark.parametrize(
    ("reset", "text"),
    [
        (samples()[0].astype(np.int64), r"reset samples of this detector are uint16\[16, 8\], not int64\[16, 8\]"),
        (samples()[0].T, r"uint16\[16, 8\], not uint16\[8, 16\]"),
        (samples()[0, 1:], r"uint16\[16, 8\], not uint16\[15, 8\]"),
        (np.pad([[4096]], ((3, 12), (5, 2))).astype(np.uint16), "0 to 4095, but that of row 3, column 5 is 4096"),
    ],
)
def test_samples_of_another_kind_are_refused(board: UploadBoard, reset: npt.NDArray[np.uint16], text: str) -> None:
    good = samples()[1]
    with edgeray.open(board.url) as device:
        for pair, name in (((reset, good), "reset"), ((good, reset), "signal")):
            with pytest.raises(edgeray.UploadError, match=text.replace("reset", name)):
                device.upload(*pair)
        assert not board.uploaded
        for series in (samples(), samples()[None, :1], samples()[None][:0]):
            with pytest.raises(edgeray.UploadError, match=r"samples of a series are \[frames, 2, rows, columns\]"):
                device.inject(series)


def test_a_board_without_the_memory_is_told() -> None:
    with served(FakeBoard()) as board, edgeray.open(board.url) as device:
        for call in (lambda: device.upload(*samples()), lambda: device.inject(samples()[None])):
            within(2, call, edgeray.UploadError, "has no memory for uploaded samples; sample_source PATTERN needs none")
        assert not board.writes("sample_source")


@pytest.mark.parametrize("broken", [False, True])
def test_settings_are_put_back(board: UploadBoard, broken: bool) -> None:
    mine = edgeray.Settings(edge_threshold=77, pga_offset=-9, kernel=edgeray.KERNELS["sobel-x"])
    with edgeray.open(board.url) as device:
        device.configure(mine)
        before, generation = dict(board.registers), board.generation
        with contextlib.suppress(InterruptedError), device.keeping_settings():
            device.configure(edgeray.Settings(sample_source=SampleSource.PATTERN, nimages=5))
            assert board.get("sample_source") == SampleSource.PATTERN
            if broken:
                raise InterruptedError
        assert board.registers == before
        assert board.generation == generation + 1
        # What the session remembers is what the board holds.
        count = board.commands
        device.configure(mine)
        assert board.commands == count
