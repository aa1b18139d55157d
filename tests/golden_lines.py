"""Streams for fault injection: what boards send, packet by packet, and what a receiver finds in each packet.

sim.golden, by sim.vectors.series -> [Line] -> tests.injector
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from random import Random
from typing import Any

from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import (
    COMMAND_HEADER,
    HEADER,
    HEADER_END,
    META,
    SYNC,
    PacketType,
    ReplyStatus,
    packet,
)
from edgeray.protocol.registers import BY_NAME, ReadoutMode, ThresholdMode
from edgeray.protocol.settings import Settings
from edgeray.splitter import Packet
from sim.vectors.commands import reply
from sim.vectors.series import Series, described, series

TRIGGERED, DROPPED, STATE = (BY_NAME[name].address for name in ("triggered", "dropped", "state"))


@dataclass(frozen=True, eq=False)
class Sent:
    """A packet on its way, and what it says to whoever gets it whole.

    packet : what a splitter makes of it.
    known : whether its version is the receiver's; else it counts as unknown.
    image_id : its frame's full number; -1 in a reply.
    meta : fields of a META packet, else None.
    rows, pixels : rows of its frame that it holds; whether those of an audit frame's pixels.
    values, kept : those rows as bytes: int16 (responses) or uint16 (pixels), bool.
    bad : it contradicts its META, or itself: a receiver is to count it as malformed.
    """

    data: bytes
    packet: Packet
    image_id: int = -1
    meta: dict[str, Any] | None = None
    rows: range = range(0)
    pixels: bool = False
    values: bytes = b""
    kept: bytes = b""
    bad: bool = False
    known: bool = True


class Line:
    """Bytes on a link, and where in them packets begin; `sent` is empty for bytes of no packet."""

    def __init__(self, sent: Sequence[Sent] = (), noise: bytes = b"") -> None:
        self.sent = list(sent)
        self.data = b"".join(one.data for one in sent) or noise
        self.starts = [0, *accumulate(len(one.data) for one in sent)][: len(sent)]

    def at(self, place: int) -> int:
        """The place in `sent` of the packet that the byte at `place` belongs to."""
        return bisect_right(self.starts, place) - 1


def unpacked(data: bytes) -> Packet:
    """The packet in `data`, taken apart by the layouts alone."""
    fields = HEADER.unpack(data[len(SYNC) :])
    address = COMMAND_HEADER.unpack(data[len(SYNC) :])["address"]
    return Packet(
        fields["type"], fields["sequence"], fields["generation"], fields["last"], fields["first_row"],
        fields["log2_rows"], address, data[HEADER_END:-4],
    )  # fmt: skip


def with_fields(data: bytes, payload: bytes, **fields: int) -> bytes:
    """The packet with another payload and other header fields, both CRCs right."""
    header = {**HEADER.unpack(data[len(SYNC) :]), "length": len(payload), **fields}
    return packet(HEADER.pack(header), payload)


def _sent(frames: Series, dropped: int) -> list[Sent]:
    """The packets of a series, before whose first frame the board dropped `dropped`."""
    found, result = [], frames.result
    for one in frames.packets:
        image_id = result.first_image_id + one.frame
        if one.type == PacketType.META:
            payload = one.data[HEADER_END:-4]
            told = META.pack({**META.unpack(payload), "dropped": dropped}) + payload[META.size :]
            data = with_fields(one.data, told)
            found.append(Sent(data, unpacked(data), image_id, meta=described(data)))
            continue
        rows = slice(one.rows.start, one.rows.stop)
        if one.pixels:
            values, kept = result.pixels[one.frame][rows].tobytes(), b""
        else:
            mask = result.kept[one.frame][rows]
            values = (result.responses[one.frame][rows] * mask).astype("<i2").tobytes()
            kept = mask.tobytes()
        found.append(Sent(one.data, unpacked(one.data), image_id, None, one.rows, one.pixels, values, kept))
    return found


def replied(address: int, value: int, *, sequence: int = 0, generation: int = 1) -> Sent:
    """A REPLY."""
    data = reply(sequence, address, ReplyStatus.OK, value, generation=generation)
    return Sent(data, unpacked(data))


class TwoRows(Detector):
    """A detector whose board puts two rows into a packet."""

    @property
    def log2_rows(self) -> int:
        return 1


_EDGE = Settings(edge_threshold=6, meta_period=5)
_AUDIT = replace(_EDGE, audit_period=3)
_OFF = replace(_EDGE, threshold_mode=ThresholdMode.OFF)
_RAW = replace(_EDGE, readout_mode=ReadoutMode.RAW)
_POSITIVE = replace(_EDGE, threshold_mode=ThresholdMode.POSITIVE, edge_threshold=30, audit_period=4)
_MACRO = replace(_POSITIVE, stride=3, meta_period=3)
_TINY = Detector(rows=1, columns=4, guard_ring=0, sample_bits=8)
_SMALL = Detector(rows=8, columns=9, guard_ring=0, sample_bits=8)
_BUILDS: tuple[tuple[Detector, tuple[tuple[Settings, int, int], ...], int], ...] = (
    # detector; settings, noise and frames before and after settings were applied; number of the first frame
    (_TINY, ((_EDGE, 20, 36), (_RAW, 20, 24)), 228),
    (_SMALL, ((_AUDIT, 4, 16), (_RAW, 4, 12)), 0),
    (_SMALL, ((_OFF, 255, 14), (_EDGE, 2, 14)), 250),
    (TwoRows(rows=7, columns=9, guard_ring=1, sample_bits=10), ((_AUDIT, 8, 9), (_POSITIVE, 255, 6)), 0),
    (TwoRows(rows=8, columns=12, guard_ring=0, sample_bits=12), ((_RAW, 255, 8), (_MACRO, 8, 9)), 251),
)
BUILDS = len(_BUILDS)


@dataclass(frozen=True)
class Set:
    """Lines of boards of one build.

    line : a series: settings are applied in its course, frames are dropped before that, and replies stand between
        packets; in the end the board tells what it triggered and dropped.
    alike : another series under the same settings and generations.
    other : another one, under generations that the first has not.
    """

    line: Line
    alike: Line
    other: Line


@cache
def lines(build: int) -> Set:
    """The lines of one of BUILDS builds."""
    detector, parts, first = _BUILDS[build]

    def line(seed: int, generation: int, *, whole: bool) -> Line:
        sent: list[Sent] = []
        image_id, dropped = first, first
        for place, (settings, noise, frames) in enumerate(parts):
            made = series(
                detector, settings, seed=seed + place, frames=frames, noise=noise, first_image_id=image_id,
                generation=generation + place, applied=True,
            )  # fmt: skip
            sent += _sent(made, dropped)
            image_id += frames
            if not place:
                image_id, dropped = image_id + 2, dropped + 2
        _between(sent, (replied(STATE, value, sequence=value) for value in range(1, 9)), Random(seed))
        if whole:
            sent += [replied(TRIGGERED, image_id, sequence=90), replied(DROPPED, dropped, sequence=91)]
        return Line(sent)

    return Set(*(line(100 * build + 10 * n, generation, whole=n == 0) for n, generation in enumerate((1, 1, 3))))


def _between(sent: list[Sent], more: Iterable[Sent], random: Random) -> None:
    for one in more:
        sent.insert(random.randrange(1, len(sent)), one)
