"""Bytes -> packets -> frames: round trips of every kind of packet, in any chunking, and how frames are put together."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeray.decoder import Decoder, Frame, unwrap
from edgeray.ledger import Ledger
from edgeray.meta import Meta
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import META
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.splitter import Packet, Splitter
from tests.host_streams import SEED, Array, decode, frame_packets, ids, meta_packet, responses, series

GEOMETRIES = [(1, 4, 0, 3), (32, 32, 1, 3), (13, 37, 2, 5), (7, 33, 0, 3), (64, 300, 1, 5)]


@pytest.mark.parametrize(("rows", "columns", "guard", "kernel"), GEOMETRIES)
@pytest.mark.parametrize("bits", range(8, 15))
def test_frames_round_trip(rows: int, columns: int, guard: int, kernel: int, bits: int) -> None:
    detector = Detector(rows=rows, columns=columns, guard_ring=guard, kernel_size=kernel, sample_bits=bits)
    rng = np.random.default_rng(SEED + bits)
    modes = [
        (mode, *rest) for mode in ThresholdMode for rest in itertools.product((0.0, 0.04, 0.5, 1.0), (False, True))
    ]
    stream, expected = b"", []
    for image_id, (mode, density, stored) in enumerate(modes):
        positive, threshold = mode == ThresholdMode.POSITIVE, 1 if mode == ThresholdMode.OFF else 1 + 7 * image_id
        values = responses(rng, detector, density, threshold=threshold, positive=positive)
        packets = frame_packets(detector, image_id, values, stored=stored, threshold=threshold, positive=positive)
        # With the threshold off its setting says nothing.
        told = 99 if mode == ThresholdMode.OFF else threshold
        stream += meta_packet(detector, image_id, edge_threshold=told, threshold_mode=mode) + b"".join(packets)
        expected.append((values, values != 0 if told == threshold else values == values, sum(map(len, packets))))
    for image_id, stored in enumerate((False, True), len(modes)):
        pixels = rng.choice([0, 1, detector.full_scale, detector.full_scale // 2 + 1], (rows, columns))
        packets = frame_packets(detector, image_id, pixels, raw=True, stored=stored)
        stream += meta_packet(detector, image_id, readout_mode=ReadoutMode.RAW, stride=3) + b"".join(packets)
        expected.append((pixels, np.ones(pixels.shape, bool), sum(map(len, packets))))

    frames, splitter, decoder = decode([stream])
    assert ids(frames) == list(range(len(modes) + 2))
    for frame, (values, kept, wire_bytes) in zip(frames, expected, strict=True):
        assert frame.complete
        assert frame.rows_received.all()
        assert frame.values.dtype == np.int16
        assert np.array_equal(frame.values, values), f"seed {SEED + bits}, frame {frame.image_id}"
        assert np.array_equal(frame.kept, kept)
        assert frame.wire_bytes == wire_bytes
        assert frame.meta.image_id == frame.image_id
        assert frame.pixels is None
        assert frame.pixel_rows_received is None
    assert splitter.counts.bytes_skipped == splitter.counts.crc_bad == splitter.counts.header_bad == 0
    assert decoder.ledger.received == decoder.ledger.triggered == len(frames)


def test_macro_pixels_make_smaller_frames() -> None:
    detector = Detector(rows=33, columns=40, guard_ring=2, kernel_size=5)
    for stride, shape in ((3, (9, 12)), (5, (5, 7))):
        values = responses(np.random.default_rng(SEED), detector, 0.5, shape=shape)
        for log2_rows in (2, 6):
            packets = frame_packets(detector, 0, values, log2_rows=log2_rows)
            (frame,), _, _ = decode([meta_packet(detector, 0, stride=stride), *packets])
            assert frame.complete
            assert np.array_equal(frame.values, values)


def test_meta_is_what_was_sent() -> None:
    detector = Detector(kernel_size=5)
    # Every field gets a value of its own, as far as its meaning allows.
    rng = np.random.default_rng(SEED)
    sent = {one.name: int(rng.integers(one.minimum, one.maximum, endpoint=True, dtype=np.uint64 if one.maximum > 2**63
                                       else np.int64)) for one in META}  # fmt: skip
    sent |= {"rows": 40, "columns": 31, "guard_ring": 2, "sample_bits": 14, "kernel_size": 5, "stride": 5}
    sent |= {"convolution": 0, "sample_source": 1, "cds_polarity": 1, "cds_enabled": 1, "correction_enabled": 0}
    sent |= {"readout_mode": 0, "threshold_mode": 2, "kernel_shift": 11}
    for image_id in (sent.pop("image_id"), 7):
        sent["timestamp"] += 1  # one META after the other, of the same settings
        (one,) = Splitter().feed(meta_packet(detector, image_id, **sent))
        meta = Meta.unpack(one.payload)
        values = meta.as_dict()
        assert values.pop("kernel_weights") == tuple(range(-4, 21))
        assert values == {**sent, "image_id": image_id}
    assert meta.kernel.tolist() == (np.arange(25) - 4).reshape(5, 5).tolist()
    assert meta.detector == Detector(rows=40, columns=31, guard_ring=2, sample_bits=14, kernel_size=5)
    assert (meta.raw_shape, meta.shape) == ((40, 31), (7, 5))
    names = {one.name for one in META} - {"reserved"} | {"kernel_weights"}
    assert {one.name for one in dataclasses.fields(Meta)} == names


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=30))
def test_chunking_changes_nothing(cuts: list[int]) -> None:
    stream = b"\xe6noise" + b"".join(series(6, Detector(rows=8, columns=9)))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    frames, splitter, _ = decode(stream[start:end] for start, end in itertools.pairwise(edges))
    whole, _, _ = decode([stream])
    assert ids(frames) == list(range(6))
    assert all(np.array_equal(one.values, other.values) for one, other in zip(frames, whole, strict=True))
    assert splitter.counts.bytes_skipped == 6


def test_one_byte_at_a_time_gives_a_frame_with_its_last_byte() -> None:
    packets = series(3)
    splitter = Splitter()
    got: list[Packet] = []
    for index, one in enumerate(packets):
        for byte in one:
            assert len(got) == index
            got += splitter.feed(bytes([byte]))
    assert len(got) == len(packets)


def test_frames_before_the_first_meta_are_counted() -> None:
    packets = series(8, log2_rows=3)  # META, 4 frames of 4 packets, META, 4 frames
    frames, _, decoder = decode(packets[1:])
    assert ids(frames) == [4, 5, 6, 7]
    assert decoder.ledger.undecodable == 4
    assert decoder.ledger.lost_on_link == 4


def test_frames_of_settings_whose_meta_was_lost_are_not_guessed() -> None:
    detector, rng = Detector(), np.random.default_rng(SEED)
    one, other = (responses(rng, detector, 0.3) for _ in range(2))
    stream = meta_packet(detector, 0) + b"".join(frame_packets(detector, 0, one))
    stream += b"".join(frame_packets(detector, 1, other, generation=1))
    stream += meta_packet(detector, 2, generation=1)
    stream += b"".join(frame_packets(detector, 2, other, generation=1))
    frames, _, decoder = decode([stream])
    assert ids(frames) == [0, 2]
    assert (decoder.ledger.undecodable, decoder.ledger.lost_on_link) == (1, 1)


@pytest.mark.parametrize("lost", [(1,), (0,), (3,), (1, 2), (0, 3), (2, 3)])
def test_missing_rows_are_marked(lost: tuple[int, ...]) -> None:
    packets = series(3, log2_rows=3)  # META, then 4 packets of 8 rows a frame
    whole, _, _ = decode(packets)
    seen: list[int] = []
    decoder, frames = Decoder(), []
    for index, data in enumerate(packets):
        if index - 5 in lost:
            continue
        (one,) = Splitter().feed(data)
        new = decoder.accept(one)
        frames += new
        seen += [index] * len(new)
    assert ids(frames) == [0, 1, 2]
    assert [frame.complete for frame in frames] == [True, False, True]
    rows = ~np.isin(np.arange(32) // 8, lost)
    assert np.array_equal(frames[1].rows_received, rows)
    assert np.array_equal(frames[1].values, np.where(rows[:, None], whole[1].values, 0))
    assert decoder.ledger.incomplete == 1
    # It comes with its last packet, or with the first of the next frame.
    assert seen[1] == (9 if 3 in lost else 8)


AUDITED = Detector(rows=32, columns=32, guard_ring=2)


def audit_frame(image_id: int, log2_rows: int) -> tuple[list[bytes], Array, Array]:
    """Packets of an audit frame of macro-pixels, 9 x 9 responses and 32 x 32 pixels; responses; pixels."""
    rng = np.random.default_rng([SEED, image_id])
    values, pixels = responses(rng, AUDITED, 0.3, shape=(9, 9)), rng.integers(0, 4096, (32, 32))
    packets = frame_packets(AUDITED, image_id, values, log2_rows=log2_rows, more=True)
    return packets + frame_packets(AUDITED, image_id, pixels, raw=True, log2_rows=log2_rows), values, pixels


def test_audit_frames_carry_their_pixels() -> None:
    for log2_rows in (5, 3):
        stream, plain = (
            meta_packet(AUDITED, 0, stride=3),
            responses(np.random.default_rng(1), AUDITED, 0.3, shape=(9, 9)),
        )
        for image_id in (0, 2):
            stream += b"".join(audit_frame(image_id, log2_rows)[0])
            stream += b"".join(frame_packets(AUDITED, image_id + 1, plain, log2_rows=log2_rows))
        frames, _, decoder = decode([stream])
        assert ids(frames) == [0, 1, 2, 3]
        for frame in frames:
            assert frame.complete
            if frame.image_id % 2:
                assert frame.pixels is None
                assert frame.pixel_rows_received is None
                assert np.array_equal(frame.values, plain)
                continue
            packets, values, pixels = audit_frame(frame.image_id, log2_rows)
            assert frame.pixels is not None
            assert frame.pixel_rows_received is not None
            assert frame.pixels.dtype == np.uint16
            assert np.array_equal(frame.pixels, pixels)
            assert frame.pixel_rows_received.all()
            assert np.array_equal(frame.values, values)
            assert frame.wire_bytes == sum(map(len, packets))
        assert (decoder.ledger.received, decoder.ledger.malformed, decoder.ledger.late) == (4, 0, 0)


@pytest.mark.parametrize("lost", [{0}, {3}, {5}, {2, 3, 4, 5}, {0, 1}, {1, 5}])
def test_audit_frames_with_packets_missing_are_marked(lost: set[int]) -> None:
    packets, values, pixels = audit_frame(0, 3)  # 2 packets of responses, 4 of pixels
    stream = [one for index, one in enumerate(packets) if index not in lost]
    # A frame behind it ends it where its last packet is missing.
    after = frame_packets(AUDITED, 1, np.zeros((9, 9), int))
    (frame, other), _, decoder = decode([meta_packet(AUDITED, 0, stride=3), *stream, *after])
    assert (frame.complete, other.complete) == (False, True)
    rows = ~np.isin(np.arange(9) // 8, list(lost))
    assert np.array_equal(frame.rows_received, rows)
    assert np.array_equal(frame.values, np.where(rows[:, None], values, 0))
    if {2, 3, 4, 5} <= lost:
        assert frame.pixels is None
        assert frame.pixel_rows_received is None
    else:
        rows = ~np.isin(2 + np.arange(32) // 8, list(lost))
        assert frame.pixels is not None
        assert frame.pixel_rows_received is not None
        assert np.array_equal(frame.pixel_rows_received, rows)
        assert np.array_equal(frame.pixels, np.where(rows[:, None], pixels, 0))
    assert decoder.ledger.incomplete == 1


def test_a_blank_large_frame_takes_a_few_bytes() -> None:
    detector = Detector(rows=64, columns=4096, guard_ring=0, sample_bits=14)
    packets = frame_packets(detector, 0, np.zeros((64, 4096), int), log2_rows=6)
    assert len(packets[0]) < 64 * 4096 // 64 // 8 + 64
    (frame,), _, _ = decode([meta_packet(detector, 0), *packets])
    assert frame.complete
    assert not frame.values.any()


def numbers(frames: list[int], metas: dict[int, int]) -> tuple[list[Frame], Ledger]:
    """Blank frames of those numbers, with META before those of `metas`, which says how many were dropped."""
    detector = Detector(rows=4, columns=4)
    stream = b""
    for image_id in frames:
        if image_id in metas:
            stream += meta_packet(detector, image_id, dropped=metas[image_id])
        stream += b"".join(frame_packets(detector, image_id, np.zeros((4, 4), int)))
    found, _, decoder = decode([stream])
    return found, decoder.ledger


def test_numbers_follow_gaps_and_wrap() -> None:
    sent = [*range(0, 250), 400, 401, 640, 641, 10_000, 10_001]
    frames, ledger = numbers(sent, {0: 0, 10_000: 9000})
    assert ids(frames) == sent
    assert (ledger.triggered, ledger.received, ledger.dropped_on_chip) == (10_002, len(sent), 9000)
    assert ledger.lost_on_link == 10_002 - len(sent) - 9000


def test_numbers_go_on_where_those_of_meta_begin_anew() -> None:
    begin = 2**32 - 3
    sent = [*range(begin, begin + 7)]
    frames, ledger = numbers(sent, {begin: begin, begin + 2: begin, begin + 4: begin})
    assert ids(frames) == sent
    assert (ledger.triggered, ledger.received, ledger.lost_on_link) == (begin + 7, 7, 0)
    # A second series in the same bytes is not 2**32 frames ahead.
    assert unwrap(0, 1000) == 0
    assert unwrap(5, 2**32 + 4) == 2**32 + 5


def test_a_repeated_packet_is_no_new_frame() -> None:
    packets = series(3, log2_rows=4)  # META, then 2 packets a frame
    frames, _, decoder = decode([*packets[:2], packets[1], *packets[2:5], packets[4], *packets[5:]])
    assert ids(frames) == [0, 1, 2]
    assert all(frame.complete for frame in frames)
    assert decoder.ledger.late == 2


def test_confirmed_ledger_keeps_the_boards_counts() -> None:
    ledger = Ledger(triggered=10, received=2, dropped_on_chip=3, confirmed=True)
    decoder = Decoder(ledger)
    for data in series(3):
        for one in Splitter().feed(data):
            decoder.accept(one)
    assert (ledger.triggered, ledger.dropped_on_chip, ledger.received, ledger.lost_on_link) == (10, 3, 5, 2)
