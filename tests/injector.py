"""Damages streams, and says what a receiver must make of them from what it did, without a receiver's help.

Lines -> [Injector]: faults -> bytes
                 +-> which packets still stand whole in them, what a splitter must count -> tests.receiver

A stream under damage is a list of pieces of lines and of foreign bytes. So it is known of every byte where it came
from, and a packet is whole if all its bytes are there in one piece, or what replaced some is the same by chance.
"""

import re
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from edgeray.protocol.packets import HEADER, HEADER_END, OVERHEAD, SYNC, VERSION, PacketType, crc8
from edgeray.splitter import SkipCounts
from tests.golden_lines import Line, Sent, Set, unpacked, with_fields

_SYNC = re.compile(re.escape(SYNC))
_LONGEST_BURST = 40
_FAR = 600
"""Bytes that something is moved by at most."""


class Piece(NamedTuple):
    """Bytes `start` to `stop` of a line."""

    line: Line
    start: int
    stop: int


class Truth(NamedTuple):
    """What is in a damaged stream.

    whole : the packets that stand whole in it, in order.
    counts : what a splitter that got all of it, to its end, must have counted.
    hidden : how many of the last of `whole` a splitter cannot give before the end: they are behind what looks like the
        header of a packet that has not all come.
    """

    whole: list[Sent]
    counts: SkipCounts
    hidden: int


class Injector:
    """One stream: the set's line, and faults in it.

    Members
    -------
    in_order : no fault put anything in another place, or in twice, that could be whole there.
    """

    def __init__(self, given: Set, random: Random) -> None:
        self.given, self.random = given, random
        self._pieces = [Piece(given.line, 0, len(given.line.data))]
        self.size = len(given.line.data)
        self.in_order = True

    @property
    def stream(self) -> bytes:
        return b"".join(line.data[start:stop] for line, start, stop in self._pieces)

    def apply(self, kind: str) -> None:
        """Damage by a fault of KINDS."""
        while self.size < 2 * _LONGEST_BURST:  # next to nothing was left
            self._replace(self.size, self.size, self._all(self.given.line))
            self.in_order = False
        KINDS[kind](self)

    def truth(self, stream: bytes, max_payload: int) -> Truth:
        """What is in `stream`, which is `self.stream`, for a receiver that takes payloads up to `max_payload` bytes."""
        found: dict[int, Sent] = {}
        at = 0
        for line, start, stop in self._pieces:
            if line.sent:
                for place in range(line.at(start), line.at(stop - 1) + 1):
                    first, one = at + line.starts[place] - start, line.sent[place]
                    if first >= 0 and one.known and stream.startswith(one.data, first):
                        found[first] = one
            at += stop - start
        counts, behind, waiting = SkipCounts(), 0, at
        for match in _SYNC.finditer(stream):
            sync = match.start()
            if sync in found:
                behind = sync + len(found[sync].data)
            elif sync >= behind and self._count(counts, stream[sync : sync + HEADER_END], at - sync, max_payload):
                waiting = min(waiting, sync)
        counts.bytes_skipped = at - sum(len(one.data) for one in found.values())
        places = sorted(found)
        return Truth([found[place] for place in places], counts, sum(place > waiting for place in places))

    @staticmethod
    def _count(counts: SkipCounts, header: bytes, left: int, max_payload: int) -> bool:
        """Count a SYNC with which no whole packet begins; True where more bytes than are left would have to come."""
        if len(header) < HEADER_END:
            return True
        fields = HEADER.unpack(header[len(SYNC) :])
        if crc8(header[len(SYNC) : -1]) != header[-1]:
            counts.header_bad += 1
        elif fields["version"] != VERSION:
            counts.unknown_version += 1
        elif fields["length"] > max_payload:
            counts.header_bad += 1
        else:
            counts.crc_bad += 1
            return OVERHEAD + fields["length"] > left
        return False

    # What faults are made of.

    def _cut(self, at: int) -> int:
        """The number of the piece that begins at `at`."""
        for index, (line, start, stop) in enumerate(self._pieces):
            if at <= 0:
                return index
            if at < stop - start:
                self._pieces[index : index + 1] = [Piece(line, start, start + at), Piece(line, start + at, stop)]
                return index + 1
            at -= stop - start
        return len(self._pieces)

    def _replace(self, start: int, stop: int, pieces: list[Piece]) -> None:
        first, last = self._cut(start), self._cut(stop)
        self._pieces[first:last] = pieces
        self.size += sum(one.stop - one.start for one in pieces) - (stop - start)

    def _bytes(self, start: int, stop: int) -> bytes:
        return self.stream[start:stop]

    def _taken(self, start: int, stop: int) -> list[Piece]:
        first, last = self._cut(start), self._cut(stop)
        return self._pieces[first:last]

    @staticmethod
    def _all(line: Line) -> list[Piece]:
        return [Piece(line, 0, len(line.data))]

    def _noise(self, data: bytes) -> list[Piece]:
        return self._all(Line(noise=data)) if data else []

    def _place(self) -> int:
        return self.random.randrange(self.size)

    def _span(self, most: int) -> tuple[int, int]:
        """A place, and one up to `most` bytes behind it."""
        start = self._place()
        return start, min(self.size, start + self.random.randint(1, most))

    def _around(self, at: int) -> tuple[int, int]:
        """What is left at `at` of a packet in one piece, or all of the foreign bytes there: from where to where."""
        begin = index = 0
        while at >= begin + (size := self._pieces[index].stop - self._pieces[index].start) < self.size:
            begin, index = begin + size, index + 1
        line, start, stop = self._pieces[index]
        end = begin + size
        if not line.sent:
            return begin, end
        place = line.at(start + min(at, end - 1) - begin)
        first, after = line.starts[place], line.starts[place] + len(line.sent[place].data)
        return begin + max(first, start) - start, begin + min(after, stop) - start

    def _packets(self, most: int) -> tuple[int, int]:
        """From the beginning of a packet to the end of one up to `most` bytes behind it."""
        start, stop = self._span(most)
        return self._around(start)[0], self._around(stop - 1)[1]

    def _border(self, near: int) -> int:
        """A border of packets up to _FAR bytes from `near`."""
        return self._around(min(self.size - 1, max(0, near + self.random.randint(-_FAR, _FAR))))[0]

    def _stranger(self) -> Line:
        return self.random.choice((self.given.alike, self.given.other))

    def _header(self) -> bytes:
        """SYNC and a header, right in itself, of a packet that is not there."""
        fields = {one.name: self.random.randrange(1 << one.bits) for one in HEADER}
        fields |= {"version": VERSION, "length": self.random.choice((0, 5, 30, 300, 3000, 65535))}
        header = HEADER.pack(fields)
        return SYNC + header + bytes([crc8(header)])

    # Faults in bytes.

    def _flip(self) -> None:
        at = self._place()
        self._replace(at, at + 1, self._noise(bytes([self._bytes(at, at + 1)[0] ^ 1 << self.random.randrange(8)])))

    def _change(self) -> None:
        at = self._place()
        self._replace(at, at + 1, self._noise(bytes([self._bytes(at, at + 1)[0] ^ self.random.randint(1, 255)])))

    def _delete(self) -> None:
        self._replace(*self._span(_LONGEST_BURST), [])

    def _insert(self) -> None:
        at, count = self._place(), self.random.randint(1, _LONGEST_BURST)
        noise = self.random.randbytes(count)
        match self.random.randrange(6):
            case 0:  # half a SYNC, or all of one, before what comes
                noise = noise[1:] + SYNC[: self.random.randint(1, 2)]
            case 1:
                noise = SYNC[:1] * count
        self._replace(at, at, self._noise(noise))

    def _burst(self) -> None:
        start, stop = self._span(_LONGEST_BURST)
        noise = bytearray(self.random.randbytes(stop - start))
        noise[0] |= 1
        noise[-1] |= 1
        self._replace(
            start, stop, self._noise(bytes(a ^ b for a, b in zip(self._bytes(start, stop), noise, strict=True)))
        )

    def _truncate(self) -> None:
        at, which = self._place(), self.random.randrange(8)
        if not which:
            self._replace(self.size - self.random.randint(1, _LONGEST_BURST), self.size, [])
        elif which == 1:
            self._replace(0, self.random.randint(1, _LONGEST_BURST), [])
        else:
            self._replace(at, self._around(at)[1], [])

    def _double(self) -> None:
        start, stop = self._span(150)
        self._replace(stop, stop, self._taken(start, stop))
        self.in_order = False

    def _swap(self) -> None:
        start, middle = self._span(150)
        stop = min(self.size, middle + self.random.randint(1, 150))
        self._replace(start, stop, self._taken(middle, stop) + self._taken(start, middle))
        self.in_order = False

    def _splice(self) -> None:
        """Go over to another stream, and some way on, or at once, back."""
        start, stop = self._span(150)
        stranger = self._stranger()
        first = self.random.randrange(len(stranger.data))
        last = min(len(stranger.data), first + self.random.randint(1, 200))
        self._replace(start, stop, [Piece(stranger, first, last)])
        self.in_order = False

    def _false_header(self) -> None:
        at = self._place()
        self._replace(at, at, self._noise(self._header()))

    # Faults in packets.

    def _lose(self) -> None:
        self._replace(*self._packets(80), [])

    def _repeat(self) -> None:
        start, stop = self._packets(60)
        at = stop if self.random.random() < 0.5 else self._border(stop)
        self._replace(at, at, self._taken(start, stop))
        self.in_order = False

    def _move(self) -> None:
        start, stop = self._packets(60)
        moved = self._taken(start, stop)
        self._replace(start, stop, [])
        at = self._border(start) if self.size else 0
        self._replace(at, at, moved)
        self.in_order = False

    def _mix(self) -> None:
        """Packets of another stream, between two packets or instead of some."""
        start, stop = self._packets(60)
        if self.random.random() < 0.5:
            stop = start
        stranger = self._stranger()
        first = self.random.randrange(len(stranger.sent))
        last = min(len(stranger.sent) - 1, first + self.random.randint(1, 6))
        self._replace(start, stop, [Piece(stranger, stranger.starts[first], stranger.starts[last])])
        self.in_order = False

    def _forge(self) -> None:
        """A packet that is wrong, and whose CRCs are right: of another version, a reserved type, no rows, or length."""
        start, stop = self._around(self._place())
        line, first, _ = self._taken(start, stop)[0]
        one = line.sent[line.at(first)] if line.sent else self.given.line.sent[0]
        if one.bad:  # wrong twice might be right
            return
        payload = one.data[HEADER_END:-4]
        choices = [lambda: with_fields(one.data, payload, version=VERSION ^ self.random.randint(1, 3))]
        if one.packet.type != PacketType.REPLY:
            choices += [
                lambda: with_fields(one.data, payload, type=self.random.choice((PacketType.BLOCK, PacketType.RESULT))),
                lambda: with_fields(one.data, payload[: -self.random.randint(1, len(payload))]),
                lambda: with_fields(one.data, payload + self.random.randbytes(self.random.randint(1, 4))),
            ]
            if one.meta is None:
                choices.append(lambda: with_fields(one.data, payload, first_row=self.random.randint(8, 4095)))
        data = self.random.choice(choices)()
        known = HEADER.unpack(data[len(SYNC) :])["version"] == VERSION
        self._replace(start, stop, self._all(Line([Sent(data, unpacked(data), one.image_id, bad=True, known=known)])))
        self.in_order = False


KINDS: dict[str, Callable[[Injector], None]] = {
    "bit flipped": Injector._flip,
    "byte changed": Injector._change,
    "bytes deleted": Injector._delete,
    "bytes inserted": Injector._insert,
    "burst": Injector._burst,
    "truncation": Injector._truncate,
    "bytes twice": Injector._double,
    "bytes reordered": Injector._swap,
    "splice of two streams": Injector._splice,
    "false header": Injector._false_header,
    "packets lost": Injector._lose,
    "packets twice": Injector._repeat,
    "packets reordered": Injector._move,
    "packets of two streams": Injector._mix,
    "wrong content, right CRCs": Injector._forge,
}
"""Name -> what it does to a stream."""
