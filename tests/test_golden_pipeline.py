"""The whole golden pipeline: stages in the right order, counters, META placement, pieces of a series, bad input."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from edgeray.correction import CorrectionTable
from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS, Kernel
from edgeray.protocol.packets import HEADER, HEADER_END, META, OVERHEAD, SYNC, PacketType
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.protocol.settings import SettingError, Settings
from sim.golden.meta import COUNTER_MAXIMUM, Counters
from sim.golden.pipeline import Result, TimestampError, read_out
from sim.golden.stack import StackError
from tests.golden_cases import Array, image

DETECTOR = Detector()
FRAMES = 150  # more than go through the stages at once
STEEP = Kernel("steep", KERNELS["sobel-x"].weights, 1)  # twice Sobel's gain: clips on steep edges
SETTINGS = Settings(nimages=FRAMES, pga_gain=2, pga_offset=-37, correction_enabled=True, kernel=STEEP, meta_period=16)


def table() -> CorrectionTable:
    random = np.random.default_rng(11)
    shape = (DETECTOR.rows, DETECTOR.columns)
    return CorrectionTable(
        random.integers(-20, 20, shape), random.integers(900, 1100, shape), random.random(shape) < 0.02
    )


def series(settings: Settings = SETTINGS, frames: int = FRAMES) -> Result:
    return read_out(
        image(DETECTOR, 1, frames), image(DETECTOR, 2, frames), detector=DETECTOR, settings=settings, table=table()
    )


def packets(stream: bytes) -> list[tuple[dict[str, int], bytes]]:
    """(header, payload) of every packet of an unbroken stream."""
    found = []
    while stream:
        assert stream.startswith(SYNC)
        header = HEADER.unpack(stream[len(SYNC) :])
        found.append((header, stream[HEADER_END : HEADER_END + header["length"]]))
        stream = stream[OVERHEAD + header["length"] :]
    return found


def metas(stream: bytes) -> list[dict[str, int]]:
    return [META.unpack(data) for header, data in packets(stream) if header["type"] == PacketType.META]


def test_the_whole_against_one_formula() -> None:
    reset, signal = image(DETECTOR, 1, FRAMES), image(DETECTOR, 2, FRAMES)
    neutral = CorrectionTable.neutral(DETECTOR)
    biased = CorrectionTable(neutral.offset + 100, neutral.gain // 2, neutral.masked)
    result = read_out(reset, signal, detector=DETECTOR, settings=SETTINGS, table=biased)

    amplified = (signal.astype(float) - reset) * 4 - 37
    pixels = np.clip(amplified, 0, 4095)
    corrected = np.floor((pixels - 100) / 2 + 0.5)
    imaging = np.clip(corrected, 0, 4095)[:, 1:-1, 1:-1]
    edges = np.floor(ndimage.correlate(imaging, STEEP.array[None].astype(float), mode="nearest") / 2 + 0.5)
    assert np.array_equal(result.pixels, np.clip(corrected, 0, 4095))
    assert np.array_equal(result.responses[:, 1:-1, 1:-1], np.clip(edges, -4095, 4095))
    assert np.array_equal(result.kept[:, 1:-1, 1:-1], np.abs(edges) >= 16)
    assert result.guard.sum() == 4 * 31
    assert not result.kept[:, result.guard].any()
    rails = np.isin(reset, (0, 4095)) | np.isin(signal, (0, 4095))
    changed = rails, amplified != pixels, corrected < 0, np.abs(edges) > 4095
    assert result.counters == Counters(*(min(int(each.sum()), COUNTER_MAXIMUM) for each in changed))


def test_no_table_is_the_neutral_one() -> None:
    reset, signal = image(DETECTOR, 1, 2), image(DETECTOR, 2, 2)
    on = read_out(reset, signal, detector=DETECTOR, settings=SETTINGS)
    off = read_out(reset, signal, detector=DETECTOR, settings=replace(SETTINGS, correction_enabled=False))
    assert np.array_equal(on.pixels, off.pixels)


@pytest.mark.parametrize("settings", [
    SETTINGS,
    replace(SETTINGS, stride=3, threshold_mode=ThresholdMode.OFF),
    replace(SETTINGS, readout_mode=ReadoutMode.RAW, stride=3),
    replace(SETTINGS, audit_period=7),
], ids=["sliding", "macro-pixels", "raw", "audit"])  # fmt: skip
def test_a_series_in_pieces_is_the_series(settings: Settings) -> None:
    whole, timestamps = series(settings), {number: number * 1000 for number in range(FRAMES)}
    stream, counters = b"", Counters()
    for first, end in ((0, 1), (1, 70), (70, FRAMES)):
        piece = read_out(
            image(DETECTOR, 1, FRAMES)[first:end],
            image(DETECTOR, 2, FRAMES)[first:end],
            detector=DETECTOR,
            settings=settings,
            table=table(),
            first_image_id=first,
            counters=counters,
        )
        counters = piece.counters
        stream += piece.stream(timestamps, tick_rate=1000)
    assert stream == whole.stream(timestamps, tick_rate=1000)
    assert counters == whole.counters
    assert counters.railed > 0


def test_raw_frames_hold_the_corrected_pixels_and_run_no_kernel() -> None:
    raw, edge = series(replace(SETTINGS, readout_mode=ReadoutMode.RAW, stride=3)), series()
    assert np.array_equal(raw.pixels, edge.pixels)
    assert np.array_equal(raw.responses, raw.pixels)
    assert raw.kept.all()
    assert not raw.guard.any()
    assert edge.counters.convolution_saturated > 0
    assert raw.counters == replace(edge.counters, convolution_saturated=0)
    assert {payload.type for frame in raw.payloads for payload in frame} <= {PacketType.RAW, PacketType.RAW_STORED}


@pytest.mark.parametrize(("period", "expected"), [(0, []), (1, list(range(10))), (4, [0, 4, 8])])
@pytest.mark.parametrize("stride", [1, 3])
def test_audit_frames_are_edges_and_raw_frames_in_one(period: int, expected: list[int], stride: int) -> None:
    edge, raw = (series(replace(SETTINGS, readout_mode=mode, stride=stride, meta_period=0), 10) for mode in ReadoutMode)
    audit = series(replace(SETTINGS, audit_period=period, stride=stride, meta_period=0), 10)
    assert audit.counters == edge.counters
    for number in range(10):
        found, whole = audit.payloads[number], edge.payloads[number]
        if number in expected:
            assert [payload.last for payload in found] == [False, True]
            whole = [replace(whole[0], last=False), *raw.payloads[number]]
        assert found == whole
    in_raw = series(replace(SETTINGS, audit_period=1, readout_mode=ReadoutMode.RAW, meta_period=0), 10)
    assert in_raw.payloads == raw.payloads


@pytest.mark.parametrize(("period", "expected"), [(0, [0]), (1, list(range(20))), (7, [0, 7, 14]), (32, [0])])
def test_meta_precedes_the_frames_it_should(period: int, expected: list[int]) -> None:
    result = series(replace(SETTINGS, meta_period=period), 20)
    stream = result.stream({number: 500 + number for number in expected}, tick_rate=7)
    found = metas(stream)
    assert [one["image_id"] for one in found] == expected
    assert [one["timestamp"] for one in found] == [500 + number for number in expected]
    assert {one["tick_rate"] for one in found} == {7}


def test_meta_carries_the_counters_of_the_frames_before() -> None:
    result = series()
    for one in metas(result.stream(dict.fromkeys(range(FRAMES), 0), tick_rate=1, dropped=3)):
        before = read_out(
            image(DETECTOR, 1, FRAMES)[: one["image_id"]],
            image(DETECTOR, 2, FRAMES)[: one["image_id"]],
            detector=DETECTOR,
            settings=SETTINGS,
            table=table(),
        ).counters if one["image_id"] else Counters()  # fmt: skip
        assert {name: one[name] for name in vars(before)} == vars(before)
        assert one["dropped"] == 3


def test_meta_of_settings_applied_within_a_series() -> None:
    result = read_out(
        image(DETECTOR, 1, 3), image(DETECTOR, 2, 3), detector=DETECTOR, settings=SETTINGS, first_image_id=5
    )
    assert metas(result.stream({}, tick_rate=1)) == []
    (found,) = metas(result.stream({5: 0}, tick_rate=1, applied=True))
    assert found["image_id"] == 5
    with pytest.raises(TimestampError, match="frame 5"):
        result.stream({6: 0}, tick_rate=1, applied=True)


def test_sequence_and_generation_wrap() -> None:
    result = read_out(
        image(DETECTOR, 1, 3),
        image(DETECTOR, 2, 3),
        detector=DETECTOR,
        settings=SETTINGS,
        first_image_id=254,
        generation=7,
    )
    found = packets(result.stream({256: 0}, tick_rate=1))
    assert [(header["type"], header["sequence"], header["generation"]) for header, _ in found] == [
        (PacketType.EDGE, 254, 3),
        (PacketType.EDGE, 255, 3),
        (PacketType.META, 0, 3),
        (PacketType.EDGE, 0, 3),
    ]


def damaged(value: float, dtype: type) -> Array:
    stack: Array = np.zeros((3, 32, 32), dtype)
    stack[1, 2, 3] = value
    return stack


@pytest.mark.parametrize(
    ("stack", "message"),
    [
        (damaged(4096, np.uint16), r"signal takes 0 to 4095, but the value at index \(1, 2, 3\) is 4096"),
        (damaged(-1, np.int16), r"signal takes 0 to 4095, but the value at index \(1, 2, 3\) is -1"),
        (damaged(2.0**63, np.uint64), r"signal takes 0 to 4095, but the value at index"),
        (damaged(np.nan, np.float32), "signal wants an array of integers, not of float32 with NaN"),
        (damaged(1, np.float64), "signal wants an array of integers, not of float64; scale"),
        (damaged(1, np.bool_), "signal wants an array of integers, not of bool"),
        (np.zeros((0, 32, 32), int), "signal has no pixel"),
        (np.zeros((32, 32), int), "signal wants a stack of frames"),
        (np.zeros((3, 32, 31), int), r"signal wants frames of 32 rows and 32 columns, .* \(3, 32, 31\)"),
        (np.zeros((2, 32, 32), int), r"one shape, not \(3, 32, 32\) and \(2, 32, 32\)"),
    ],
)
def test_wrong_stacks_are_named(stack: Array, message: str) -> None:
    with pytest.raises(StackError, match=message):
        read_out(np.ones((3, 32, 32), int), stack, detector=DETECTOR, settings=Settings())


def test_wrong_settings_are_named() -> None:
    stack = np.ones((1, 32, 32), int)
    for settings, message in (
        (Settings(pga_gain=6), "pga_gain takes 0, 1, 2, 3, 4, 5, not 6"),
        (Settings(stride=5), "stride takes 1, 3, not 5"),
        (Settings(kernel=KERNELS["log"]), "'log' is 5x5"),
    ):
        with pytest.raises(SettingError, match=message):
            read_out(stack, stack, detector=DETECTOR, settings=settings)
