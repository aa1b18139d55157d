"""What must hold of the receiving end for any bytes at all: for coverage-guided fuzzing, and for the vectors.

bytes -> Splitter -> Decoder, by the reference and by the fast core: both give the same, and neither raises
"""

import zlib
from random import Random

import numpy as np

from edgeray.decoder import Decoder, Frame
from edgeray.protocol.packets import HEADER, HEADER_END, OVERHEAD, SYNC, VERSION, PacketType, crc8
from edgeray.splitter import Packet, Splitter

LONGEST = 2048
"""Bytes of an input; also the limit for payloads."""


class _Receiver:
    def __init__(self, *, plain: bool) -> None:
        self.splitter, self.decoder = Splitter(LONGEST, plain=plain), Decoder(plain=plain, threads=1)
        self.packets: list[Packet] = []
        self.frames: list[Frame] = []

    def _take(self, packets: list[Packet]) -> None:
        assert len(self.splitter._held) <= LONGEST + OVERHEAD
        if packets:
            self.packets += packets
            self.frames += self.decoder.accept_all([one for one in packets if one.type != PacketType.REPLY])

    def run(self, data: bytes, random: Random, most: int) -> None:
        start = 0
        while start < len(data):
            size = random.randint(1, most)
            self._take(self.splitter.feed(data[start : start + size]))
            start += size
        self._take(self.splitter.finish())
        self.frames += self.decoder.flush()


def check(data: bytes) -> None:
    """AssertionError, or whatever else comes, where the receiving end does not take these bytes as it must."""
    data = data[: 2 * LONGEST]
    random = Random(zlib.crc32(data))
    one, other = _Receiver(plain=True), _Receiver(plain=False)
    one.run(data, random, random.choice((1, 20, 100)))
    other.run(data, random, 5000)
    assert one.packets == other.packets
    assert one.splitter.counts == other.splitter.counts
    assert one.decoder.ledger == other.decoder.ledger
    assert len(one.frames) == len(other.frames)
    for mine, its in zip(one.frames, other.frames, strict=True):
        _compare(mine, its)

    in_packets = sum(packet.wire_bytes for packet in one.packets)
    assert one.splitter.counts.bytes_skipped + in_packets == len(data)
    ledger, counts = one.decoder.ledger, one.splitter.counts
    assert ledger.received == len(one.frames)
    assert ledger.incomplete == sum(not frame.complete for frame in one.frames)
    assert ledger.triggered >= max((frame.image_id + 1 for frame in one.frames), default=0)
    rows = sum(packet.type not in (PacketType.META, PacketType.REPLY) for packet in one.packets)
    metas = sum(packet.type == PacketType.META for packet in one.packets)
    assert ledger.received + ledger.undecodable <= rows
    assert ledger.malformed + ledger.late <= rows + metas
    assert counts.header_bad + counts.crc_bad + counts.unknown_version <= data.count(SYNC)
    for packet in one.packets:
        assert packet.payload in data


def _compare(one: Frame, other: Frame) -> None:
    assert (one.image_id, one.generation, one.wire_bytes, one.complete) == (
        other.image_id, other.generation, other.wire_bytes, other.complete,
    )  # fmt: skip
    assert one.meta == other.meta
    assert one.values.shape == one.kept.shape == one.meta.shape
    assert np.array_equal(one.rows_received, other.rows_received)
    rows = np.flatnonzero(one.rows_received)
    assert np.array_equal(one.values[rows], other.values[rows])
    assert np.array_equal(one.kept[rows], other.kept[rows])
    assert (one.pixels is None) == (other.pixels is None)
    if one.pixels is not None and other.pixels is not None:
        assert one.pixel_rows_received is not None
        assert other.pixel_rows_received is not None
        assert np.array_equal(one.pixel_rows_received, other.pixel_rows_received)
        rows = np.flatnonzero(one.pixel_rows_received)
        assert np.array_equal(one.pixels[rows], other.pixels[rows])


def mend(data: bytes, random: Random) -> bytes:
    """`data` with the lengths and CRCs of some of its packets put right, so that their contents are looked at."""
    out = bytearray(data)
    at = out.find(SYNC)
    while at >= 0:
        following = out.find(SYNC, at + len(SYNC))
        stop = following if following >= 0 else len(out)
        if stop - at >= OVERHEAD and random.random() < 0.8:
            header = HEADER.unpack(bytes(out[at + len(SYNC) :]))
            if random.random() < 0.9:
                header["version"] = VERSION
            if at + OVERHEAD + header["length"] > len(out) or random.random() < 0.7:
                header["length"] = stop - at - OVERHEAD
            stop = at + OVERHEAD + header["length"]
            out[at + len(SYNC) : at + HEADER_END - 1] = packed = HEADER.pack(header)
            out[at + HEADER_END - 1] = crc8(packed)
            out[stop - 4 : stop] = zlib.crc32(out[at + len(SYNC) : stop - 4]).to_bytes(4, "little")
        at = out.find(SYNC, max(stop, at + len(SYNC)))
    return bytes(out)
