"""Golden models of encoder, META and framing, against bits written one by one."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.packets import MAX_PAYLOAD, META, PacketType, crc8
from edgeray.protocol.registers import Polarity, ReadoutMode, ThresholdMode, register_map_hash
from edgeray.protocol.settings import Settings
from sim.golden import meta
from sim.golden.encode import Payload, payloads
from sim.golden.frame import frame_packets
from sim.golden.stack import StackError
from tests.golden_cases import DETECTORS, Array, detectors, reproducible, seeds

MODES = (
    Settings(readout_mode=ReadoutMode.RAW),
    Settings(threshold_mode=ThresholdMode.OFF),
    Settings(threshold_mode=ThresholdMode.ABSOLUTE),
    Settings(threshold_mode=ThresholdMode.POSITIVE),
)


def to_bytes(bits: list[int]) -> bytes:
    """Bits, least significant first, with zeros to a whole byte."""
    bits = bits + [0] * (-len(bits) % 8)
    return bytes(sum(bits[i + place] << place for place in range(8)) for i in range(0, len(bits), 8))


def bits_of(value: int, count: int) -> list[int]:
    return [value >> place & 1 for place in range(count)]


def content_by_hand(values: list[int], kept: list[bool], detector: Detector, settings: Settings) -> bytes:
    raw = settings.readout_mode == ReadoutMode.RAW
    width = detector.sample_bits if raw else detector.sample_bits + 1
    if raw or settings.threshold_mode == ThresholdMode.OFF:
        return to_bytes([bit for value in values for bit in bits_of(value, width)])
    bitmap = [int(flag) for flag in kept]
    bitmap += [0] * (-len(bitmap) % 32)
    return to_bytes(
        bitmap + [bit for value, flag in zip(values, kept, strict=True) if flag for bit in bits_of(value, width)]
    )


def check_encoding(detector: Detector, settings: Settings, seed: int, share: float) -> list[Payload]:
    random = np.random.default_rng(seed)
    shape, full = settings.frame_shape(detector), detector.full_scale
    low = 0 if settings.readout_mode == ReadoutMode.RAW else -full
    values = random.integers(low, full, shape, endpoint=True)
    kept = random.random(shape) < share
    found = payloads(values, kept, detector=detector, settings=settings)
    step = 2**detector.log2_rows
    assert [one.first_row for one in found] == list(range(0, shape[0], step))
    assert [one.last for one in found] == [False] * (len(found) - 1) + [True]
    for one in found:
        rows = slice(one.first_row, one.first_row + step)
        expected = content_by_hand(values[rows].ravel().tolist(), kept[rows].ravel().tolist(), detector, settings)
        assert one.data == expected
        assert len(one.data) <= min(detector.packet_bytes, MAX_PAYLOAD)
    return found


@reproducible
@given(detectors(), st.sampled_from(MODES), seeds, st.sampled_from((0.0, 0.05, 0.5, 1.0)))
def test_payloads_bit_by_bit(detector: Detector, settings: Settings, seed: int, share: float) -> None:
    check_encoding(detector, settings, seed, share)


@pytest.mark.parametrize("settings", MODES, ids=str)
def test_payloads_of_chosen_detectors(settings: Settings) -> None:
    stored = settings.readout_mode == ReadoutMode.RAW or settings.threshold_mode == ThresholdMode.OFF
    for seed, detector in enumerate(DETECTORS):
        (payload,) = check_encoding(detector, settings, seed, 0.3)
        assert payload.type == (PacketType.STORED if stored else PacketType.BITMAP)


@pytest.mark.parametrize("settings", MODES, ids=str)
def test_frame_of_many_packets(settings: Settings) -> None:
    detector = Detector(rows=21, columns=1001)
    assert len(check_encoding(detector, settings, 4, 0.3)) == 3  # 8, 8 and 5 rows


def test_macro_pixel_frames_are_small() -> None:
    (payload,) = check_encoding(Detector(), Settings(stride=3), 5, 0.0)
    assert len(payload.data) == 16  # 100 bits in words


def test_frame_of_wrong_shape() -> None:
    frame = np.zeros((32, 32), int)
    with pytest.raises(StackError, match="one frame of 10 rows and 10 columns"):
        payloads(frame, frame > 0, detector=Detector(), settings=Settings(stride=3))


def test_crc8_is_the_catalogue_s() -> None:
    assert crc8(b"123456789") == 0xDF  # check value of CRC-8/AUTOSAR


def test_packets_byte_by_byte() -> None:
    detector = Detector(rows=21, columns=1001)
    contents = [
        Payload(PacketType.META, 0, False, b"m" * 3),
        Payload(PacketType.BITMAP, 0, False, b""),
        Payload(PacketType.STORED, 0x10, True, b"s" * 300),
    ]
    stream = frame_packets(contents, 0x1A7, 6, detector)
    for kind, last, first_row, log2_rows, data in (
        (0, 0, 0, 0, b"m" * 3),
        (4, 0, 0, 3, b""),
        (3, 1, 0x10, 3, b"s" * 300),
    ):
        header = bytes([kind << 3 | last << 2 | 2, 0xA7, first_row, log2_rows << 4, len(data) & 255, len(data) >> 8])
        checked = header + bytes([crc8(header)]) + data
        expected = b"\xe6\x9a" + checked + zlib.crc32(checked).to_bytes(4, "little")
        assert stream[: len(expected)] == expected
        stream = stream[len(expected) :]
    assert not stream


def number(data: bytes, first: int, size: int) -> int:
    return int.from_bytes(data[first : first + size], "little")


def test_meta_says_what_was_set() -> None:
    detector = Detector(rows=20, columns=40, guard_ring=2, sample_bits=14, kernel_size=5)
    settings = Settings(
        cds_enabled=False,
        cds_polarity=Polarity.RESET_MINUS_SIGNAL,
        correction_enabled=True,
        pga_gain=5,
        pga_offset=-300,
        stride=3,
        edge_threshold=777,
        threshold_mode=ThresholdMode.POSITIVE,
        count_time=123456,
        frame_time=654321,
        kernel=KERNELS["kirsch-n"],
    )
    counters = meta.Counters(1, 2, 3, 4)
    data = meta.payload(
        detector=detector,
        settings=settings,
        image_id=70000,
        timestamp=2**40 + 5,
        tick_rate=48_000_000,
        counters=counters,
        dropped=9,
    )
    assert len(data) == 64 + 28
    # Places counted by hand: a field moved in the layout moves on the wire.
    assert (number(data, 0, 2), number(data, 2, 2), data[4], data[5]) == (12, 5, 14, 5)
    assert tuple(data[6:8]) == (ReadoutMode.EDGE, ThresholdMode.POSITIVE)
    assert (number(data, 8, 2), data[10], data[11], data[12], data[13]) == (777, 4, 3, 5, 0b110)
    assert number(data, 14, 2) == 2**16 - 300
    assert (number(data, 16, 4), number(data, 20, 8), number(data, 28, 4)) == (70000, 2**40 + 5, 48_000_000)
    assert number(data, 32, 4) == register_map_hash()
    assert (number(data, 36, 4), number(data, 40, 4)) == (123456, 654321)
    assert [number(data, place, 4) for place in range(44, 64, 4)] == [9, 1, 2, 3, 4]
    weights: Array = np.frombuffer(data, np.int8, 25, 64).reshape(5, 5)
    assert np.array_equal(weights, np.pad(KERNELS["kirsch-n"].array, 1))
    assert data[89:] == bytes(3)


def test_meta_of_raw_readout_names_the_whole_array() -> None:
    settings = Settings(readout_mode=ReadoutMode.RAW, stride=3)
    data = meta.payload(
        detector=Detector(), settings=settings, image_id=0, timestamp=0, tick_rate=1, counters=meta.Counters()
    )
    fields = META.unpack(data)
    assert (fields["columns"], fields["rows"], fields["stride"]) == (32, 32, 3)
    assert len(data) == 64 + 12


def test_counters_stay_at_their_maximum() -> None:
    nearly = meta.Counters(railed=2**32 - 2, pga_saturated=5)
    assert nearly + meta.Counters(railed=1, pga_saturated=1) == meta.Counters(2**32 - 1, 6)
    assert nearly + meta.Counters(railed=1000) == meta.Counters(2**32 - 1, 5)
