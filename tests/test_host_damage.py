"""What damage on the line costs: the packets touched, each counted, and nothing raises."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeray.decoder import Decoder
from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import HEADER, META, OVERHEAD, SYNC, VERSION, PacketType, meta_payload_size, packet
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.splitter import Packet, Splitter
from tests.host_streams import SEED, board_packet, decode, frame_packets, ids, meta_packet, series


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
    whole, _, _ = decode([b"".join(packets)])
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
    newer = board_packet(PacketType.EDGE, 9, b"123", version=VERSION + 1)
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


@pytest.mark.parametrize("plain", [False, True])
def test_random_payloads_with_good_crcs_never_raise(plain: bool) -> None:
    """What a wrong gateware might send: intact packets whose contents make no sense."""
    rng, detector = np.random.default_rng(SEED), Detector(rows=9, columns=7, guard_ring=0)
    stream = b""
    for _ in range(3000):
        fields = {one.name: int(rng.integers(1 << one.bits)) for one in HEADER if one.name in ("last", "generation")}
        first_row, log2_rows = (int(rng.choice([0, 0, 1, 4, 9, 4095])), int(rng.choice([0, 2, 4, 4, 15])))
        payload = rng.bytes(int(rng.choice([0, 1, 8, 12, 20, 63, 95, 103, meta_payload_size(3)])))
        if rng.random() < 0.1:
            told = {"readout_mode": rng.choice(list(ReadoutMode)), "threshold_mode": rng.choice(list(ThresholdMode))}
            told |= {"stride": rng.choice([1, 3]), "edge_threshold": rng.choice([1, 4095, 65535])}
            told = {name: int(value) for name, value in told.items()}
            stream += meta_packet(detector, int(rng.integers(5000)), generation=fields["generation"], **told)
        stream += board_packet(int(rng.integers(8)), int(rng.integers(256)), payload, **fields, first_row=first_row,
                               log2_rows=log2_rows)  # fmt: skip
    _, splitter, decoder = decode([stream], plain=plain)
    assert splitter.counts.bytes_skipped == 0
    assert decoder.ledger.malformed > 1000


@pytest.mark.parametrize("plain", [False, True])
def test_malformed_payloads_are_counted(plain: bool) -> None:
    detector = Detector(rows=5, columns=5, guard_ring=0)  # 25 pixels: 325 bits, 41 bytes and 3 spare bits
    values = 100 * (np.arange(25).reshape(5, 5) - 12)
    edge, fixed = (
        frame_packets(detector, 0, values, threshold=100, stored=stored)[0][9:-4] for stored in (False, True)
    )
    assert len(fixed) == 41

    def at(place: int, value: int) -> bytes:
        other = values.copy()
        other.flat[place] = value
        return frame_packets(detector, 0, other, stored=True)[0][9:-4]

    for kind, payload in (
        (PacketType.EDGE, edge[:-1]),
        (PacketType.EDGE, edge + b"\0"),
        (PacketType.EDGE, b""),
        (PacketType.EDGE, fixed),
        (PacketType.EDGE_STORED, edge),
        (PacketType.EDGE_STORED, fixed[:-1]),
        (PacketType.EDGE_STORED, fixed + b"\0"),
        (PacketType.EDGE_STORED, fixed[:-1] + bytes([fixed[-1] | 0x80])),
        (PacketType.EDGE_STORED, at(3, 99)),  # under the threshold
        (PacketType.EDGE_STORED, at(3, -99)),
        (PacketType.EDGE_STORED, at(3, -4096)),  # no response is so large
        (PacketType.RAW, b""),
        (PacketType.RAW_STORED, bytes(37)),
        (PacketType.RAW_STORED, bytes(39)),
        (PacketType.RAW_STORED, bytes(37) + b"\x10"),
        (PacketType.BLOCK, edge),
    ):
        bad = board_packet(kind, 0, payload, last=1, log2_rows=3)
        meta, later = meta_packet(detector, 0, edge_threshold=100), frame_packets(detector, 1, values, threshold=100)
        frames, _, decoder = decode([meta, bad, *later], plain=plain)
        assert ids(frames) == [1], (kind, payload)
        assert decoder.ledger.malformed == 1
        assert decoder.ledger.lost_on_link == 1
    # In raw readout there are no responses.
    raw = meta_packet(detector, 0, readout_mode=ReadoutMode.RAW)
    _, _, decoder = decode([raw, *frame_packets(detector, 0, values)], plain=plain)
    assert decoder.ledger.malformed == 1
    # Rows beyond the frame's last.
    _, _, decoder = decode([meta_packet(detector, 0), board_packet(PacketType.EDGE, 0, edge, first_row=5, log2_rows=3)])
    assert decoder.ledger.malformed == 1


@pytest.mark.parametrize(
    "wrong",
    [{"kernel_size": 4}, {"kernel_size": 5}, {"rows": 0}, {"columns": 60000}, {"sample_bits": 7}, {"readout_mode": 2},
     {"threshold_mode": 3}, {"guard_ring": 16}, {"stride": 5}, {"stride": 0}, {"edge_threshold": 0},
     {"kernel_shift": 16}],
)  # fmt: skip
def test_malformed_meta_is_not_taken(wrong: dict[str, int]) -> None:
    bad = meta_packet(Detector(), 0)
    payload = META.pack({**META.unpack(bad[9:]), **wrong}) + bad[9 + META.size : -4]
    _, _, decoder = decode([board_packet(PacketType.META, 0, payload)])
    assert decoder.meta is None
    assert decoder.ledger.malformed == 1


def test_a_short_meta_is_not_taken() -> None:
    payload = meta_packet(Detector(), 0)[9:-4]
    for size in range(len(payload)):
        _, _, decoder = decode([board_packet(PacketType.META, 0, payload[:size])])
        assert decoder.ledger.malformed == 1


def test_rescue_finds_packets_behind_a_false_header() -> None:
    false = HEADER.pack({**dict.fromkeys((one.name for one in HEADER), 0), "version": VERSION, "length": 60_000})
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


@pytest.mark.parametrize("plain", [False, True])
def test_splitter_holds_one_packet_at_most(plain: bool) -> None:
    rng, splitter = np.random.default_rng(SEED), Splitter(1000, plain=plain)
    for _ in range(200):
        splitter.feed(rng.bytes(5000) + SYNC)
        assert len(splitter._held) <= 1000 + OVERHEAD
