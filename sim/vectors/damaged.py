"""Streams that lost something, or that hold what no board sends."""

import zlib
from dataclasses import replace

import numpy as np

from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import (
    HEADER,
    HEADER_END,
    META,
    OVERHEAD,
    SYNC,
    VERSION,
    PacketType,
    crc8,
    packet,
)
from edgeray.protocol.registers import ThresholdMode
from sim.golden.code import code
from sim.specification.trace import to_bytes, walk
from sim.vectors.good import EDGE, RAW
from sim.vectors.series import FewRows, Packet, Series, series
from sim.vectors.vector import Vector

SMALL = Detector(rows=7, columns=20)
PACKETS = FewRows(rows=18, columns=9)


def vectors() -> list[Vector]:
    """All of them."""
    return [*_bytes(), *_packets(), *_settings(), *_contents()]


def flipped(data: bytes, place: int, bit: int = 3) -> bytes:
    """`data` with one bit of the byte at `place` turned."""
    place %= len(data)
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def altered(data: bytes, payload: bytes | None = None, **fields: int) -> bytes:
    """The packet with other header fields or another payload, and with both CRCs right."""
    payload = data[HEADER_END:-4] if payload is None else payload
    header = {**HEADER.unpack(data[len(SYNC) :]), "length": len(payload), **fields}
    return packet(HEADER.pack(header), payload)


def _without(frames: Series, index: int) -> list[Packet]:
    """All packets but one."""
    return [one for place, one in enumerate(frames.packets) if place != index]


def _bytes() -> list[Vector]:
    frames = series(PACKETS, EDGE, seed=70, frames=3)
    # META and three packets of frame 0, three each of frames 1 and 2.
    head, hurt, tail = frames.packets[:5], frames.packets[5].data, frames.packets[6:]
    whole = frames.packets
    other = altered(hurt, version=(VERSION + 1) % 4)
    # As a header and its CRC-8 it is right; the bytes that it promises are those of the packets behind it.
    false = HEADER.pack({**HEADER.unpack(hurt[len(SYNC) :]), "length": 700})
    false = SYNC + false + bytes([crc8(false)])
    long = HEADER.pack({**HEADER.unpack(hurt[len(SYNC) :]), "length": 60000})
    long = SYNC + long + bytes([crc8(long)])
    pieces = [b"\x00\xff", b"\x9a\xe6\x00", b"noise on the line", bytes(range(40)), b"\xe6\xe6\x00", b"\x55"]
    found = [
        _around(
            "damaged-header",
            "a bit of a header turned: CRC-8 wrong",
            head,
            tail,
            frames,
            flipped(hurt, 4),
            "header_bad",
        ),
        _around(
            "damaged-header-crc",
            "a bit of a CRC-8 turned",
            head,
            tail,
            frames,
            flipped(hurt, HEADER_END - 1),
            "header_bad",
        ),
        _around("damaged-length", "a bit of a length turned", head, tail, frames, flipped(hurt, 6), "header_bad"),
        _around(
            "damaged-payload",
            "a bit of a payload turned: CRC-32 wrong",
            head,
            tail,
            frames,
            flipped(hurt, HEADER_END + 5),
            "crc_bad",
        ),
        _around("damaged-crc", "a bit of a CRC-32 turned", head, tail, frames, flipped(hurt, -2), "crc_bad"),
        _around(
            "bytes-missing",
            "ten bytes of a payload missing: the packet behind it is whole",
            head,
            tail,
            frames,
            hurt[:20] + hurt[30:],
            "crc_bad",
        ),
        _around("unknown-version", "a packet of another version", head, tail, frames, other, "unknown_version"),
    ]
    sync = Vector("damaged-sync", "a bit of a SYNC turned").play(frames, head)
    _hole(sync.noise(flipped(hurt, 0)), frames, head, tail)
    garbage = Vector("garbage-between", "bytes of no packet between the packets, and half a SYNC among them")
    garbage.noise(b"before the first packet")
    for place, one in enumerate(whole[:-1]):
        garbage.chunks.append(one.data)
        garbage.noise(pieces[place % len(pieces)])
    garbage.chunks.append(whole[-1].data)
    _expected(garbage, frames, whole)
    cut = Vector("cut-short", "the stream ends inside a CRC-32").play(frames, whole[:-1])
    cut.damaged(whole[-1].data[:-3], "crc_bad")
    cut_header = Vector("cut-in-header", "the stream ends inside a header").play(frames, whole[:-1])
    cut_header.unfinished(whole[-1].data[:7])
    start = Vector("starts-late", "the stream begins inside a META: nothing can be decoded").noise(whole[0].data[30:])
    for index in range(3):
        start.forgotten(b"".join(one.data for one in frames.of(index) if one.rows), "undecodable")
    return [
        *found, sync, garbage, cut, cut_header, start,
        _around("false-header", "nine bytes that look like the header of a packet with 700 bytes of payload",
                whole[:5], whole[5:], frames, false, "crc_bad"),
        _around("false-header-at-the-end", "nine bytes that look like a header that promises more bytes than follow",
                whole[:9], whole[9:], frames, long, "crc_bad"),
    ]  # fmt: skip


def _around(
    name: str, description: str, head: list[Packet], tail: list[Packet], frames: Series, data: bytes, count: str
) -> Vector:
    """`data`, which counts in `count`, between packets."""
    vector = Vector(name, description)
    vector.chunks += [one.data for one in head]
    vector.damaged(data, count)
    vector.chunks += [one.data for one in tail]
    _expected(vector, frames, head + tail)
    return vector


def _hole(vector: Vector, frames: Series, head: list[Packet], tail: list[Packet]) -> Vector:
    """Go on with `tail` behind what `head` began: the frame that both have packets of is expected once."""
    vector.chunks += [one.data for one in tail]
    vector.frames.clear()
    vector.metas.clear()
    vector.counts.update(received=0, incomplete=0)
    _expected(vector, frames, head + tail)
    return vector


def _expected(vector: Vector, frames: Series, packets: list[Packet]) -> None:
    """Expect the frames of these packets, which are in the stream already."""
    other = Vector("", "").play(frames, packets)
    vector.frames, vector.metas = other.frames, other.metas
    for name in ("received", "incomplete", "triggered", "dropped"):
        vector.counts[name] = other.counts[name]


def _packets() -> list[Vector]:
    frames = series(PACKETS, EDGE, seed=71, frames=3)
    audit = series(PACKETS, replace(EDGE, audit_period=2), seed=72, frames=3)
    numbers = {(one.frame, one.pixels, one.rows.start): place for place, one in enumerate(audit.packets) if one.rows}
    gap = series(SMALL, replace(EDGE, meta_period=0), seed=73, frames=8)
    one = series(SMALL, EDGE, seed=74, frames=3)
    repeated = Vector("packet-twice", "a packet of a frame of three comes twice").play(frames, frames.packets[:3])
    _hole(repeated.forgotten(frames.packets[2].data, "late"), frames, frames.packets[:3], frames.packets[3:])
    frame_twice = Vector("frame-twice", "a frame of one packet comes twice").play(one, one.of(0, 1))
    frame_twice.forgotten(one.of(1)[0].data, "late").play(one, one.of(2))
    again = Vector("older-packet-again", "a packet of the frame before comes again between those of a frame of three")
    again.play(frames, frames.packets[:5]).forgotten(frames.packets[2].data, "late")
    meta_twice = Vector("meta-twice", "META comes again inside its frame").play(frames, frames.packets[:2])
    meta_twice.forgotten(frames.packets[0].data, "late")
    lost_audit = [place for (frame, pixels, _), place in numbers.items() if frame == 0 and pixels]
    return [
        Vector("packet-lost", "the second of three packets of a frame is lost").play(frames, _without(frames, 5)),
        Vector("last-packet-lost", "the last packet of a frame is lost").play(frames, _without(frames, 6)),
        Vector("first-packet-lost", "the first packet of a frame is lost").play(frames, _without(frames, 4)),
        repeated,
        frame_twice,
        _hole(again, frames, frames.packets[:5], frames.packets[5:]),
        _hole(meta_twice, frames, frames.packets[:2], frames.packets[2:]),
        Vector("sequence-gap", "frames 2 to 5 of 8 did not come: dropped or lost").play(gap, gap.of(0, 1, 6, 7)),
        Vector("audit-edges-lost", "an EDGE packet of an audit frame is lost").play(
            audit, _without(audit, numbers[0, False, 8])
        ),
        Vector("audit-pixels-lost", "a RAW packet of an audit frame is lost").play(
            audit, _without(audit, numbers[2, True, 8])
        ),
        Vector("audit-all-pixels-lost", "all RAW packets of an audit frame are lost: it has no last packet")
        .play(audit, [each for place, each in enumerate(audit.packets) if place not in lost_audit]),
    ]  # fmt: skip


def _settings() -> list[Vector]:
    before = series(SMALL, EDGE, seed=80, frames=3)
    positive = replace(EDGE, threshold_mode=ThresholdMode.POSITIVE, meta_period=2)
    after = series(SMALL, positive, seed=81, frames=5, first_image_id=3, generation=2, applied=True)
    assert [one.frame for one in after.packets if one.type == PacketType.META] == [0, 2, 4]
    lost = Vector("meta-lost", "settings changed and the META that told so was lost: nothing is decoded up to the next")
    lost.play(before)
    for index in (0, 1):
        lost.forgotten(after.of(index)[-1].data, "undecodable")
    lost.play(after, after.of(2, 3, 4))
    late = Vector("first-meta-lost", "the first META was lost: frames up to the next one cannot be decoded")
    first = series(PACKETS, replace(EDGE, meta_period=2), seed=82, frames=4)
    for index in (0, 1):
        late.forgotten(b"".join(one.data for one in first.of(index) if one.rows), "undecodable")
    late.play(first, first.of(2, 3))
    spare = series(SMALL, replace(EDGE, meta_period=2), seed=83, frames=4)
    return [
        lost,
        late,
        Vector("spare-meta-lost", "a META that told nothing new was lost: no harm").play(
            spare, [one for one in spare.packets if one.frame == 0 or one.rows]
        ),
    ]


def _contents() -> list[Vector]:
    """Intact packets that contradict META or themselves."""
    frames, raw = series(SMALL, EDGE, seed=90, frames=2), series(SMALL, RAW, seed=91, frames=2)
    meta, good = frames.packets[0].data, frames.of(1)[0].data
    content = good[HEADER_END:-4]
    bare = replace(SMALL, guard_ring=0)
    stored = series(bare, replace(EDGE, edge_threshold=1), seed=92, noise=255, frames=1).packets[1].data
    assert HEADER.unpack(stored[len(SYNC) :])["type"] == PacketType.EDGE_STORED
    # What it holds is right under a threshold of 1, not under that of `frames`.
    low = altered(stored, sequence=1)
    tall = altered(meta, _changed(meta, "rows", b"\4\0"))
    size, fixed = SMALL.payload_bytes(SMALL.rows), PacketType.EDGE_STORED
    symbols = np.zeros((SMALL.rows, SMALL.columns), int)
    symbols[0, 0] = EDGE.edge_threshold
    single = code(symbols, sample_bits=SMALL.sample_bits, threshold=EDGE.edge_threshold)
    symbols[0, 0] = SMALL.full_scale + 1
    steps = walk(symbols.tolist(), SMALL.sample_bits, EDGE.edge_threshold, False)
    beyond = to_bytes("".join(step.bits for step in steps))
    wrong = [
        ("a byte too many", altered(good, content + b"\0")),
        ("a byte too few", altered(good, content[:-1])),
        ("no byte at all", altered(good, b"")),
        ("zeros for ever", altered(good, bytes(len(content)))),
        ("a row beyond the frame", altered(good, first_row=SMALL.rows)),
        ("fewer rows than it says", altered(good, log2_rows=1)),
        ("at fixed width, of another length", altered(good, bytes(len(content)), type=PacketType.EDGE_STORED)),
        ("at fixed width, with responses under the threshold", low),
        ("filled up with other than zeros", altered(good, _last_bit(single))),
        ("at fixed width, filled up with other than zeros", altered(good, _last_bit(bytes(size)), type=fixed)),
        ("a response beyond full scale", altered(good, beyond)),
        ("at fixed width, a response beyond full scale", altered(good, b"\0\x10".ljust(size, b"\0"), type=fixed)),
        ("BLOCK", altered(good, type=PacketType.BLOCK)),
        ("RESULT", altered(good, type=PacketType.RESULT)),
        ("META cut", altered(meta, meta[HEADER_END:-8])),
        ("META of a detector of no row", altered(meta, _changed(meta, "rows", bytes(2)))),
        ("META of an unknown mode", altered(meta, _changed(meta, "readout_mode", b"\x09"))),
        ("META with a threshold of 0", altered(meta, _changed(meta, "edge_threshold", bytes(2)))),
        ("META with a stride of 2", altered(meta, _changed(meta, "stride", b"\2"))),
        ("META with a stride of 5 and a kernel of 3x3", altered(meta, _changed(meta, "stride", b"\5"))),
        ("META of a detector that is all guard ring", altered(meta, _changed(meta, "guard_ring", bytes([4])))),
        ("META with macro-pixels larger than the array", altered(meta, _changed(tall, "stride", b"\3"))),
    ]
    vector = Vector(
        "malformed", "intact packets that contradict META or themselves: " + "; ".join(name for name, _ in wrong)
    )
    vector.play(frames, frames.of(0))
    for _, data in wrong:
        vector.forgotten(data, "malformed")
    vector.play(frames, frames.of(1))
    mode = Vector("edges-in-raw-readout", "an EDGE packet in raw readout").play(raw, raw.of(0))
    mode.forgotten(altered(good, generation=1), "malformed").play(raw, raw.of(1))
    assert zlib.crc32(good[len(SYNC) : -4]) == int.from_bytes(good[-4:], "little")
    assert len(good) == OVERHEAD + len(content)
    settings = replace(EDGE, threshold_mode=ThresholdMode.POSITIVE)
    positive = series(SMALL, settings, seed=93, frames=2)
    sign = Vector("negative-under-positive", "an EDGE_STORED packet with a negative response, under POSITIVE")
    sign.play(positive, positive.of(0))
    sign.forgotten(altered(good, b"\0\x1f".ljust(size, b"\0"), type=fixed), "malformed").play(positive, positive.of(1))
    return [vector, mode, sign]


def _last_bit(payload: bytes) -> bytes:
    """The payload with its last bit, which is filling, set."""
    assert not payload[-1] & 0x80
    return payload[:-1] + bytes([payload[-1] | 0x80])


def _changed(meta: bytes, name: str, data: bytes) -> bytes:
    """META's payload with other bytes from the field `name` on."""
    payload, place = meta[HEADER_END:-4], META.offset(name) // 8
    return payload[:place] + data + payload[place + len(data) :]
