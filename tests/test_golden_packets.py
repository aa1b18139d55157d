"""Golden models of encoder, META and framing, against bits written and read one by one."""

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeray.protocol.detector import Detector
from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.packets import MAX_PAYLOAD, META, PacketType, crc8
from edgeray.protocol.registers import (
    Convolution,
    Polarity,
    ReadoutMode,
    SampleSource,
    ThresholdMode,
    register_map_hash,
)
from edgeray.protocol.settings import Settings
from sim.golden import code, meta, predict
from sim.golden.encode import Payload, payloads
from sim.golden.frame import frame_packets
from sim.golden.stack import StackError
from tests import naive_code
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


def decoded(payload: Payload, shape: tuple[int, ...], detector: Detector, settings: Settings) -> list[list[int]]:
    """The values of a coded payload."""
    raw = payload.type == PacketType.RAW
    all_kept = raw or settings.threshold_mode == ThresholdMode.OFF
    found, _ = naive_code.symbols(
        payload.data, shape[0], shape[1], sample_bits=detector.sample_bits,
        threshold=1 if all_kept else settings.edge_threshold,
        positive=not raw and settings.threshold_mode == ThresholdMode.POSITIVE,
    )  # fmt: skip
    return naive_code.pixels(found, detector.sample_bits) if raw else found


def check_payloads(
    found: list[Payload], values: Array, detector: Detector, settings: Settings, raw: bool, more: bool = False
) -> None:
    """`values` (0 where not kept) in rows that fit a packet; coded, or at fixed width just where that is shorter."""
    step, rows = 2**detector.log2_rows, len(values)
    assert [one.first_row for one in found] == list(range(0, rows, step))
    assert [one.last for one in found] == [False] * (len(found) - 1) + [not more]
    coded, stored = (PacketType.RAW, PacketType.RAW_STORED) if raw else (PacketType.EDGE, PacketType.EDGE_STORED)
    for one in found:
        part = values[one.first_row : one.first_row + step]
        width = detector.sample_bits + (not raw)
        fixed = to_bytes([bit for value in part.ravel().tolist() for bit in bits_of(value, width)])
        if one.type == stored:
            assert one.data == fixed
            assert len(coded_by_model(part, detector, settings, raw)) > len(fixed)
        else:
            assert one.type == coded
            assert decoded(one, part.shape, detector, settings) == part.tolist()
            assert len(one.data) <= len(fixed)
        assert len(one.data) <= min(detector.packet_bytes, MAX_PAYLOAD)


def coded_by_model(part: Array, detector: Detector, settings: Settings, raw: bool) -> bytes:
    all_kept = raw or settings.threshold_mode == ThresholdMode.OFF
    return code.code(
        predict.residuals(part, detector.sample_bits) if raw else part,
        sample_bits=detector.sample_bits,
        threshold=1 if all_kept else settings.edge_threshold,
        positive=not raw and settings.threshold_mode == ThresholdMode.POSITIVE,
    )


def check_encoding(detector: Detector, settings: Settings, seed: int, share: float, height: float = 1) -> list[Payload]:
    """Encode noise of `height` over the threshold, a `share` of it kept; returns the payloads."""
    random = np.random.default_rng(seed)
    raw, off = settings.readout_mode == ReadoutMode.RAW, settings.threshold_mode == ThresholdMode.OFF
    shape, full = settings.frame_shape(detector), detector.full_scale
    low = 0 if raw or off else settings.edge_threshold
    values = random.integers(low, low + int(height * (full - low)), shape, endpoint=True)
    if not raw and settings.threshold_mode != ThresholdMode.POSITIVE:
        values *= random.choice((-1, 1), shape)
    kept = np.ones(shape, bool) if raw or off else random.random(shape) < share
    found = payloads(values, kept, detector=detector, settings=settings)
    check_payloads(found, np.where(kept, values, 0), detector, settings, raw)
    return found


@reproducible
@given(
    detectors(), st.sampled_from(MODES), seeds, st.sampled_from((0.0, 0.05, 0.5, 1.0)), st.sampled_from((0.0, 0.1, 1.0))
)
def test_payloads_bit_by_bit(detector: Detector, settings: Settings, seed: int, share: float, height: float) -> None:
    check_encoding(detector, settings, seed, share, height)


@pytest.mark.parametrize("settings", MODES, ids=str)
def test_payloads_of_chosen_detectors(settings: Settings) -> None:
    for seed, detector in enumerate(DETECTORS):
        check_encoding(detector, settings, seed, 0.3)


@pytest.mark.parametrize("settings", MODES, ids=str)
def test_frame_of_many_packets(settings: Settings) -> None:
    detector = Detector(rows=21, columns=3001)
    found = check_encoding(detector, settings, 4, 0.3, 0.02)
    assert len(found) == 6  # of 4 rows, and one of 1
    assert {payload.type for payload in found} <= {PacketType.EDGE, PacketType.RAW}


def test_noise_goes_at_fixed_width_and_quiet_rows_coded() -> None:
    detector, settings = Detector(), Settings(readout_mode=ReadoutMode.RAW)
    pixels = np.random.default_rng(3).integers(0, 4096, (32, 32))
    (noise,) = payloads(pixels, pixels >= 0, detector=detector, settings=settings)
    assert (noise.type, len(noise.data)) == (PacketType.RAW_STORED, 32 * 32 * 12 // 8)
    (quiet,) = payloads(pixels // 512, pixels >= 0, detector=detector, settings=settings)
    assert quiet.type == PacketType.RAW
    assert len(quiet.data) < 32 * 32 * 4 // 8


@pytest.mark.parametrize(("value", "kind", "size"), [(10, PacketType.EDGE, 5), (11, PacketType.EDGE_STORED, 5)])
def test_a_tie_goes_coded(value: int, kind: PacketType, size: int) -> None:
    # At fixed width 4 times 9 bits. m = 18, 19, ... takes 12 bits (k = 1) and three times 8 (k = 2): as many bytes. The
    # escape of m = 20, 20 bits, makes it more.
    detector = Detector(rows=1, columns=4, guard_ring=0, sample_bits=8)
    values = np.array([[value, -value, value, -value]])
    (found,) = payloads(values, values != 0, detector=detector, settings=Settings(edge_threshold=1))
    assert (found.type, len(found.data)) == (kind, size)


def test_audit_frames_hold_responses_and_then_the_pixels_of_the_whole_array() -> None:
    detector, settings = Detector(rows=700, columns=35), Settings(stride=3, audit_period=2)
    pixels = np.random.default_rng(5).integers(0, 4096, (700, 35)) >> 5 * (np.arange(700)[:, None] < 512)
    responses = pixels[1:-1:3, 1:-1:3][: 698 // 3, : 33 // 3]
    kept = responses >= 16
    edge = payloads(responses, kept, detector=detector, settings=settings, more=True)
    check_payloads(edge, np.where(kept, responses, 0), detector, settings, raw=False, more=True)
    raw = payloads(pixels, pixels >= 0, detector=detector, settings=settings, raw=True)
    check_payloads(raw, pixels, detector, settings, raw=True)
    assert len(raw) == 2  # of 512 and 188 rows
    assert {one.type for one in raw} == {PacketType.RAW, PacketType.RAW_STORED}


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
        Payload(PacketType.EDGE, 0, False, b""),
        Payload(PacketType.RAW_STORED, 0x10, True, b"s" * 300),
    ]
    stream = frame_packets(contents, 0x1A7, 6, detector)
    for kind, last, first_row, log2_rows, data in (
        (0, 0, 0, 0, b"m" * 3),
        (1, 0, 0, 4, b""),
        (4, 1, 0x10, 4, b"s" * 300),
    ):
        header = bytes(
            [1 << 6 | kind << 3 | last << 2 | 2, 0xA7, first_row, log2_rows << 4, len(data) & 255, len(data) >> 8]
        )
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
    assert len(data) == 61 + 25 + 2
    # Places counted by hand: a field moved in the layout moves on the wire.
    assert (number(data, 0, 2), number(data, 2, 2), data[4], data[5], data[6]) == (40, 20, 2, 5, 14)
    assert tuple(data[7:11]) == (Convolution.DIGITAL, SampleSource.ADC, ReadoutMode.EDGE, ThresholdMode.POSITIVE)
    assert (number(data, 11, 2), data[13], data[14], data[15]) == (777, 4, 3, 5)
    assert (number(data, 16, 2), *data[18:21]) == (2**16 - 300, 0, 1, 1)
    assert (number(data, 21, 4), number(data, 25, 8), number(data, 33, 4)) == (70000, 2**40 + 5, 48_000_000)
    assert number(data, 37, 4) == register_map_hash()
    assert (number(data, 41, 4), number(data, 45, 4), number(data, 49, 4)) == (123456, 654321, 9)
    assert [number(data, place, 2) for place in range(53, 61, 2)] == [1, 2, 3, 4]
    weights: Array = np.frombuffer(data, np.int8, 25, 61).reshape(5, 5)
    assert np.array_equal(weights, np.pad(KERNELS["kirsch-n"].array, 1))
    assert data[86:] == bytes(2)


def test_meta_of_raw_readout_names_the_whole_array() -> None:
    settings = Settings(readout_mode=ReadoutMode.RAW, stride=3)
    data = meta.payload(
        detector=Detector(), settings=settings, image_id=0, timestamp=0, tick_rate=1, counters=meta.Counters()
    )
    fields = META.unpack(data)
    assert (fields["columns"], fields["rows"], fields["stride"]) == (32, 32, 3)
    assert len(data) == 61 + 9 + 2


def test_counters_stay_at_their_maximum() -> None:
    nearly = meta.Counters(railed=2**16 - 2, pga_saturated=5)
    assert nearly + meta.Counters(railed=1, pga_saturated=1) == meta.Counters(2**16 - 1, 6)
    assert nearly + meta.Counters(railed=1000) == meta.Counters(2**16 - 1, 5)
