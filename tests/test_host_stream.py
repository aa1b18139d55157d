"""Bytes -> packets -> frames: round trips in any chunking, and what damage costs.

The streams come from the writer in this file, which packs values with Python integers, bit by bit: it shares nothing
with the decoder but the layouts.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeray.decoder import Decoder, Frame
from edgeray.ledger import Ledger
from edgeray.meta import Meta
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import HEADER, META, OVERHEAD, SYNC, VERSION, PacketType, meta_payload_size, packet
from edgeray.protocol.registers import ReadoutMode, ThresholdMode, register_map_hash
from edgeray.splitter import Packet, Splitter

SEED = 20240607


def pack_values(values: Iterable[int], bits: int) -> bytes:
    word = count = 0
    for value in values:
        word |= (int(value) & ((1 << bits) - 1)) << (count * bits)
        count += 1
    return word.to_bytes(-(-count * bits // 8), "little")


def board_packet(kind: int, sequence: int, payload: bytes, **fields: int) -> bytes:
    header = {"generation": 0, "last": 0, "version": VERSION, "first_row": 0, "log2_rows": 0, **fields}
    return packet(HEADER.pack({**header, "type": kind, "sequence": sequence % 256, "length": len(payload)}), payload)


def meta_packet(
    detector: Detector, image_id: int, shape: tuple[int, int], *, generation: int = 0, **more: int
) -> bytes:
    values = dict.fromkeys((one.name for one in META), 0)
    values |= {"rows": shape[0], "columns": shape[1], "sample_bits": detector.sample_bits, "tick_rate": 24_000_000}
    values |= {"kernel_size": detector.kernel_size, "image_id": image_id, "register_map_hash": register_map_hash()}
    values |= more
    weights = np.arange(detector.kernel_size**2, dtype=np.int8) - 4
    payload = (META.pack(values) + weights.tobytes()).ljust(meta_payload_size(detector.kernel_size), b"\0")
    return board_packet(PacketType.META, image_id, payload, generation=generation)


def frame_packets(
    detector: Detector, image_id: int, values: npt.NDArray[Any], kept: npt.NDArray[np.bool_] | None, *,
    raw: bool = False, generation: int = 0, log2_rows: int | None = None,
) -> list[bytes]:  # fmt: skip
    """STORED where `kept` is None, else BITMAP."""
    packets = []
    exponent = detector.log2_rows if log2_rows is None else log2_rows
    step, bits = 1 << exponent, detector.sample_bits + (not raw)
    for first in range(0, len(values), step):
        part = values[first : first + step].ravel()
        if kept is None:
            kind, payload = PacketType.STORED, pack_values(part, bits)
        else:
            marks = kept[first : first + step].ravel()
            kind, bitmap = PacketType.BITMAP, pack_values(marks, 1)
            payload = bitmap.ljust(-(-len(bitmap) // 4) * 4, b"\0") + pack_values(part[marks], bits)
        last = int(first + step >= len(values))
        packets.append(
            board_packet(kind, image_id, payload, generation=generation, last=last, first_row=first, log2_rows=exponent)
        )
    return packets


def random_frame(
    rng: np.random.Generator, detector: Detector, shape: tuple[int, int], density: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    kept = rng.random(shape) < density
    extreme = rng.choice([-detector.full_scale, detector.full_scale, 0, -1, 1], shape)
    values = np.where(rng.random(shape) < 0.2, extreme, rng.integers(-detector.full_scale, detector.full_scale, shape))
    return np.where(kept, values, 0), kept


def decode(chunks: Iterable[bytes]) -> tuple[list[Frame], Splitter, Decoder]:
    splitter, decoder, frames = Splitter(), Decoder(), []
    for chunk in chunks:
        for one in splitter.feed(chunk):
            frames += decoder.accept(one)
    for one in splitter.finish():
        frames += decoder.accept(one)
    return frames + decoder.flush(), splitter, decoder


def series(count: int, detector: Detector | None = None, *, log2_rows: int | None = None) -> list[bytes]:
    """Packets of a series: META, then `count` frames with a META before every fourth."""
    detector = detector or Detector()
    rng, shape = np.random.default_rng(SEED), (detector.rows, detector.columns)
    packets = []
    for image_id in range(count):
        if image_id % 4 == 0:
            packets.append(meta_packet(detector, image_id, shape))
        packets += frame_packets(detector, image_id, *random_frame(rng, detector, shape, 0.3), log2_rows=log2_rows)
    return packets


def ids(frames: Sequence[Frame]) -> list[int]:
    return [frame.image_id for frame in frames]


GEOMETRIES = [(1, 4, 0, 3), (32, 32, 1, 3), (13, 37, 2, 5), (7, 33, 0, 3), (64, 300, 1, 5)]


@pytest.mark.parametrize(("rows", "columns", "guard", "kernel"), GEOMETRIES)
@pytest.mark.parametrize("bits", range(8, 15))
def test_frames_round_trip(rows: int, columns: int, guard: int, kernel: int, bits: int) -> None:
    detector = Detector(rows=rows, columns=columns, guard_ring=guard, kernel_size=kernel, sample_bits=bits)
    rng, shape = np.random.default_rng(SEED + bits), (rows, columns)
    stream, expected = b"", []
    for image_id, density in enumerate((0.0, 0.04, 0.5, 1.0)):
        values, kept = random_frame(rng, detector, shape, density)
        packets = frame_packets(detector, image_id, values, kept)
        stream += meta_packet(detector, image_id, shape, edge_threshold=image_id) + b"".join(packets)
        expected.append((values, kept, sum(map(len, packets)), ReadoutMode.EDGE))
    off, _ = random_frame(rng, detector, shape, 1.0)
    packets = frame_packets(detector, 4, off, None)
    stream += meta_packet(detector, 4, shape, threshold_mode=ThresholdMode.OFF) + b"".join(packets)
    expected.append((off, np.ones(shape, bool), sum(map(len, packets)), ReadoutMode.EDGE))
    pixels = rng.choice([0, 1, detector.full_scale, detector.full_scale // 2 + 1], shape)
    packets = frame_packets(detector, 5, pixels, None, raw=True)
    stream += meta_packet(detector, 5, shape, readout_mode=ReadoutMode.RAW) + b"".join(packets)
    expected.append((pixels, np.ones(shape, bool), sum(map(len, packets)), ReadoutMode.RAW))

    frames, splitter, decoder = decode([stream])
    assert ids(frames) == list(range(6))
    for frame, (values, kept, wire_bytes, mode) in zip(frames, expected, strict=True):
        assert frame.complete
        assert frame.rows_received.all()
        assert frame.values.dtype == np.int16
        assert np.array_equal(frame.values, values), f"seed {SEED + bits}, frame {frame.image_id}"
        assert np.array_equal(frame.kept, kept)
        assert frame.wire_bytes == wire_bytes
        assert frame.meta.readout_mode == mode
        assert frame.meta.image_id == frame.image_id
    assert splitter.counts.bytes_skipped == splitter.counts.crc_bad == splitter.counts.header_bad == 0
    assert decoder.ledger.received == decoder.ledger.triggered == 6


def test_meta_is_what_was_sent() -> None:
    detector = Detector(kernel_size=5)
    # Every field gets a value of its own, as far as its meaning allows.
    rng = np.random.default_rng(SEED)
    sent = {one.name: int(rng.integers(one.minimum, one.maximum, endpoint=True, dtype=np.uint64 if one.maximum > 2**63
                                       else np.int64)) for one in META}  # fmt: skip
    sent |= {"rows": 32, "columns": 31, "sample_bits": 14, "kernel_size": 5, "readout_mode": 1, "threshold_mode": 2}
    del sent["reserved"]
    data = meta_packet(detector, sent.pop("image_id"), (32, 31), **sent)
    sent["image_id"] = META.unpack(data[9:])["image_id"]
    (one,) = Splitter().feed(data)
    meta = Meta.unpack(one.payload)
    assert {name: value for name, value in meta.as_dict().items() if name != "kernel_weights"} == sent
    assert meta.kernel.tolist() == (np.arange(25) - 4).reshape(5, 5).tolist()
    assert {one.name for one in dataclasses.fields(Meta)} == {one.name for one in META} - {"reserved"} | {
        "kernel_weights"
    }


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


def damage(rng: np.random.Generator, packets: list[bytes]) -> tuple[bytes, set[int]]:
    """A damaged stream and the indices of the packets that were touched."""
    chosen = {int(index) for index in rng.choice(len(packets), size=3, replace=False)}
    out, touched = b"", set(chosen)
    for index, one in enumerate(packets):
        data = bytearray(one)
        if index in chosen:
            at, size = int(rng.integers(len(data))), int(rng.integers(1, 40))
            match int(rng.integers(6)):
                case 0:
                    data[at] ^= 1 << int(rng.integers(8))
                case 1:
                    del data[at : at + size]
                case 2:
                    # Between two packets an insertion touches neither.
                    at = max(at, 1)
                    data[at:at] = rng.bytes(size)
                case 3:
                    data[at : at + size] = bytes(byte ^ 0x55 for byte in data[at : at + size])
                case 4:
                    del data[at:]
                case 5:
                    # A splice: the start of this packet, then from the middle of another.
                    data[at:] = packets[int(rng.integers(len(packets)))][at + 1 :]
        out += bytes(data)
    return out, touched


@pytest.mark.parametrize("log2_rows", [2, 5])
def test_damage_costs_only_the_packets_touched(log2_rows: int) -> None:
    packets = series(12, log2_rows=log2_rows)
    (whole,) = [decode([b"".join(packets)])[0]]
    clean = [one for data in packets for one in Splitter().feed(data)]
    for seed in range(SEED, SEED + 300):
        rng = np.random.default_rng(seed)
        stream, touched = damage(rng, packets)
        splitter, decoder = Splitter(), Decoder()
        found: list[Packet] = []
        edges = [0, *sorted(rng.integers(0, len(stream), 20).tolist()), len(stream)]
        for start, end in itertools.pairwise(edges):
            found += splitter.feed(stream[start:end])
        found += splitter.finish()
        expected = [one for index, one in enumerate(clean) if index not in touched]
        # A splice can leave a good packet behind, but never one that was not sent.
        assert all(one in clean for one in found), f"seed {seed}: a packet that was never sent"
        assert all(one in found for one in expected), f"seed {seed}: an untouched packet was lost"
        assert splitter.counts.bytes_skipped == len(stream) - sum(one.wire_bytes for one in found), f"seed {seed}"
        frames = [frame for one in found for frame in decoder.accept(one)] + decoder.flush()
        for frame in frames:
            rows, original = frame.rows_received, whole[frame.image_id]
            assert np.array_equal(frame.values[rows], original.values[rows]), f"seed {seed}, frame {frame.image_id}"
            assert not frame.values[~rows].any(), f"seed {seed}"
            assert not frame.kept[~rows].any(), f"seed {seed}"
            assert frame.complete == rows.all()
        ledger = decoder.ledger
        assert ledger.received == len(frames)
        assert ledger.incomplete == sum(not frame.complete for frame in frames)
        assert ledger.triggered == ledger.received + ledger.dropped_on_chip + ledger.lost_on_link


def test_counts_say_what_was_wrong() -> None:
    packets = series(5)
    header, payload = bytearray(packets[1]), bytearray(packets[2])
    header[3] ^= 0x10
    payload[40] ^= 0x01
    newer = board_packet(PacketType.STORED, 9, b"123", version=VERSION + 1)
    stream = packets[0] + bytes(header) + bytes(payload) + newer + b"".join(packets[3:])
    frames, splitter, decoder = decode([stream])
    assert ids(frames) == [2, 3, 4]
    counts = splitter.counts
    # Chance syncs within the damaged packets would count as more; this seed has none.
    assert (counts.header_bad, counts.crc_bad, counts.unknown_version) == (1, 1, 1)
    assert counts.bytes_skipped == len(header) + len(payload) + len(newer)
    assert decoder.ledger.lost_on_link == 2


@settings(deadline=None)
@given(data=st.binary(max_size=3000), cut=st.integers(0, 3000))
def test_noise_is_counted_and_never_raises(data: bytes, cut: int) -> None:
    _, splitter, _ = decode([data[:cut], data[cut:]])
    assert splitter.counts.bytes_skipped == len(data)


def test_random_payloads_with_good_crcs_never_raise() -> None:
    """What a wrong gateware might send: intact packets whose contents make no sense."""
    rng, detector = np.random.default_rng(SEED), Detector(rows=9, columns=7, guard_ring=0)
    stream = b""
    for _ in range(3000):
        fields = {one.name: int(rng.integers(1 << one.bits)) for one in HEADER if one.name in ("last", "generation")}
        first_row, log2_rows = (int(rng.choice([0, 0, 1, 4, 9, 4095])), int(rng.choice([0, 2, 4, 4, 15])))
        payload = rng.bytes(int(rng.choice([0, 8, 12, 20, 63, 100, 109, 116, meta_payload_size(3)])))
        if rng.random() < 0.1:
            stream += meta_packet(detector, int(rng.integers(5000)), (9, 7), generation=fields["generation"])
        stream += board_packet(int(rng.integers(8)), int(rng.integers(256)), payload, **fields, first_row=first_row,
                               log2_rows=log2_rows)  # fmt: skip
    _, splitter, decoder = decode([stream])
    assert splitter.counts.bytes_skipped == 0
    assert decoder.ledger.malformed > 1000


def test_malformed_payloads_are_counted() -> None:
    detector = Detector(rows=5, columns=5, guard_ring=0)  # 25 pixels: 7 spare bits in the bitmap
    values, kept = np.arange(25).reshape(5, 5), np.arange(25).reshape(5, 5) % 2 == 0
    good = frame_packets(detector, 0, values, kept)[0][9:-4]
    spare = bytearray(good)
    spare[3] |= 0x80
    for kind, payload in (
        (PacketType.BITMAP, good[:-1]),
        (PacketType.BITMAP, good + b"\0"),
        (PacketType.BITMAP, b"\0\0\0"),
        (PacketType.BITMAP, bytes(spare) + b"\0"),  # 14 values of 13 bits, as marked
        (PacketType.STORED, bytes(40)),
        (PacketType.STORED, bytes(42)),
        (PacketType.EDGE, b""),
    ):
        bad = board_packet(kind, 0, payload, last=1, log2_rows=3)
        later = frame_packets(detector, 1, values, kept)
        frames, _, decoder = decode([meta_packet(detector, 0, (5, 5)), bad, *later])
        assert ids(frames) == [1]
        assert decoder.ledger.malformed == 1
        assert decoder.ledger.lost_on_link == 1


@pytest.mark.parametrize(
    "wrong",
    [{"kernel_size": 4}, {"kernel_size": 5}, {"rows": 0}, {"columns": 60000}, {"sample_bits": 7}, {"readout_mode": 2},
     {"threshold_mode": 3}],
)  # fmt: skip
def test_malformed_meta_is_not_taken(wrong: dict[str, int]) -> None:
    detector = Detector()
    bad = meta_packet(detector, 0, (32, 32))
    values = {**META.unpack(bad[9:]), **wrong}
    payload = META.pack(values) + bad[9 + META.size : -4]
    _, _, decoder = decode([board_packet(PacketType.META, 0, payload)])
    assert decoder.meta is None
    assert decoder.ledger.malformed == 1


def test_rescue_finds_packets_behind_a_false_header() -> None:
    false = HEADER.pack({**dict.fromkeys((one.name for one in HEADER), 0), "length": 60_000})
    head = packet(false, b"")[: len(SYNC) + len(false) + 1]
    packets, splitter = series(2), Splitter()
    assert splitter.feed(head + b"".join(packets[:2])) == []
    assert len(splitter.rescue()) == 2
    assert splitter.counts.bytes_skipped == len(head)
    # A packet that is still arriving is not given up.
    half = len(packets[2]) // 2
    assert splitter.feed(packets[2][:half]) == splitter.rescue() == splitter.rescue() == []
    assert len(splitter.feed(packets[2][half:])) == 1
    # With a limit the false header is never waited for.
    assert len(Splitter(4096).feed(head + b"".join(packets))) == 3


def test_splitter_holds_one_packet_at_most() -> None:
    rng, splitter = np.random.default_rng(SEED), Splitter(1000)
    for _ in range(200):
        splitter.feed(rng.bytes(5000) + SYNC)
        assert len(splitter._held) <= 1000 + OVERHEAD


def test_frames_before_the_first_meta_are_counted() -> None:
    packets = series(8, log2_rows=3)  # META, 4 frames of 4 packets, META, 4 frames
    frames, _, decoder = decode(packets[1:])
    assert ids(frames) == [4, 5, 6, 7]
    assert decoder.ledger.undecodable == 4
    assert decoder.ledger.lost_on_link == 4


def test_frames_of_settings_whose_meta_was_lost_are_not_guessed() -> None:
    detector, rng = Detector(), np.random.default_rng(SEED)
    one, other = (random_frame(rng, detector, (32, 32), 0.3) for _ in range(2))
    stream = meta_packet(detector, 0, (32, 32)) + b"".join(frame_packets(detector, 0, *one))
    stream += b"".join(frame_packets(detector, 1, *other, generation=1))
    stream += meta_packet(detector, 2, (32, 32), generation=1)
    stream += b"".join(frame_packets(detector, 2, *other, generation=1))
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


def test_numbers_follow_gaps_and_wrap() -> None:
    detector = Detector(rows=4, columns=4)
    blank = np.zeros((4, 4), int), np.zeros((4, 4), bool)
    sent = [*range(0, 250), 400, 401, 655, 656, 10_000, 10_001]
    stream = meta_packet(detector, 0, (4, 4))
    for image_id in sent:
        if image_id == 10_000:
            stream += meta_packet(detector, image_id, (4, 4), dropped=9000)
        stream += b"".join(frame_packets(detector, image_id, *blank))
    frames, _, decoder = decode([stream])
    assert ids(frames) == sent
    ledger = decoder.ledger
    assert (ledger.triggered, ledger.received, ledger.dropped_on_chip) == (10_002, len(sent), 9000)
    assert ledger.lost_on_link == 10_002 - len(sent) - 9000


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
