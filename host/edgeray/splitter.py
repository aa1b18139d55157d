"""Bytes of the link -> packets: the first step of the host, the same for a live board and for a recorded file.

    bytes in any chunking -> find sync -> CRC-8 of the header -> CRC-32 of all -> Packet
                                 ^              |                  |
                                 +--- bad: resume right after that sync

The splitter never raises on what it is fed; what it skips it counts. Where much comes at once the fast core, if it is
installed, does the same.
"""

import zlib
from dataclasses import dataclass
from typing import NamedTuple

from edgeray import core
from edgeray.protocol.layout import Layout
from edgeray.protocol.packets import COMMAND_HEADER, HEADER, HEADER_END, MAX_PAYLOAD, OVERHEAD, SYNC, VERSION, crc8


class Packet(NamedTuple):
    """An intact packet: fields of `edgeray.protocol.packets.HEADER` and COMMAND_HEADER, and the payload."""

    type: int
    sequence: int
    generation: int
    last: int
    first_row: int
    log2_rows: int
    address: int
    """The bits of first_row and log2_rows, as commands and replies read them."""
    payload: bytes

    @property
    def wire_bytes(self) -> int:
        """Bytes that the packet took on the link."""
        return OVERHEAD + len(self.payload)


@dataclass(slots=True)
class SkipCounts:
    """What a `Splitter` did not pass on. Every byte fed is in a packet, skipped, or still held."""

    header_bad: int = 0
    """Syncs followed by a header with a wrong CRC-8 or a payload over the limit."""
    crc_bad: int = 0
    """Headers that were right, followed by a wrong CRC-32 or cut short."""
    unknown_version: int = 0
    """Headers that were right, of a packet version that this library does not know."""
    bytes_skipped: int = 0


def _bits(layout: Layout, name: str) -> tuple[int, int]:
    """(shift, mask) of a field in the header taken as one number."""
    return layout.offset(name), layout[name].maximum


_FIELDS = (
    *(_bits(HEADER, name) for name in ("type", "sequence", "generation", "last", "first_row", "log2_rows")),
    _bits(COMMAND_HEADER, "address"),
)
"""Of a `Packet`, in the order of its members."""
_VERSION, _VERSION_MASK = _bits(HEADER, "version")
_LENGTH, _LENGTH_MASK = _bits(HEADER, "length")

_MANY = 1 << 11
"""Bytes held from which on the fast core is quicker."""


class Splitter:
    """Incremental, resynchronising splitter; holds at most one packet's bytes from one call to the next.

    Parameters
    ----------
    max_payload : longer payloads are taken for damaged headers, in bytes. A tight limit makes resynchronisation quick.
    plain : split in plain Python even where the fast core is installed.

    Members
    -------
    counts : `SkipCounts` so far.
    """

    def __init__(self, max_payload: int = MAX_PAYLOAD, *, plain: bool = False) -> None:
        self.max_payload, self.plain = max_payload, plain
        self.counts = SkipCounts()
        self._held = bytearray()
        self._needed = HEADER_END
        self._fruitless = 0

    def feed(self, data: bytes) -> list[Packet]:
        """Packets that are complete with `data`, the next bytes of the stream, in order."""
        self._held += data
        if len(self._held) < self._needed:
            return []
        return self._split(ending=False)

    def rescue(self) -> list[Packet]:
        """Packets hidden behind a false header; to be called when the line is silent.

        Noise can look like the header of a long packet, which would then be waited for. An intact packet within the
        bytes held proves that header false; without one nothing changes.
        """
        if len(self._held) == self._fruitless:
            return []
        position = self._held.find(SYNC, len(SYNC))
        while position >= 0:
            # What this trial counts is counted again, once, when the bytes are really split.
            trial = Splitter(self.max_payload, plain=True)._packet_at(self._held, position, len(self._held))
            if isinstance(trial, Packet):
                self.counts.crc_bad += 1
                self.counts.bytes_skipped += position
                del self._held[:position]
                return self._split(ending=False)
            position = self._held.find(SYNC, position + len(SYNC))
        self._fruitless = len(self._held)
        return []

    def finish(self) -> list[Packet]:
        """Packets in the bytes still held, now that no more will come; afterwards nothing is held."""
        return self._split(ending=True)

    def clear(self) -> None:
        """Forget the bytes held, uncounted: what comes next is of another stream."""
        self._held.clear()
        self._needed, self._fruitless = HEADER_END, 0

    def _split(self, ending: bool) -> list[Packet]:
        if not self.plain and len(self._held) >= _MANY and core.fast() is not None:
            return self._split_fast(ending)
        held, counts, found = self._held, self.counts, []
        start, end = 0, len(held)
        self._needed, self._fruitless = HEADER_END, 0
        while (sync := held.find(SYNC, start)) >= 0:
            counts.bytes_skipped += sync - start
            start = sync
            result = self._packet_at(held, sync, end)
            if isinstance(result, Packet):
                found.append(result)
                start += result.wire_bytes
            elif result is None or ending:
                # A packet that the end of the stream cuts short is as bad as one with a wrong CRC.
                counts.crc_bad += result is not None and end - sync >= HEADER_END
                counts.bytes_skipped += len(SYNC)
                start += len(SYNC)
            else:
                self._needed = result
                break
        else:
            # The stream may stop between the two bytes of a sync.
            keep = int(not ending and end > start and held[-1] == SYNC[0])
            counts.bytes_skipped += end - start - keep
            start = end - keep
        del held[:start]
        return found

    def _split_fast(self, ending: bool) -> list[Packet]:
        fast, held, counts = core.fast(), self._held, self.counts
        assert fast is not None
        places, done, self._needed, (header_bad, crc_bad, unknown_version, skipped) = fast.split(
            held, ending, self.max_payload
        )
        self._fruitless = 0
        counts.header_bad += header_bad
        counts.crc_bad += crc_bad
        counts.unknown_version += unknown_version
        counts.bytes_skipped += skipped
        headers, first, stop = places.T
        fields = [(headers >> shift & mask).tolist() for shift, mask in _FIELDS]
        octets = bytes(held)
        payloads = [octets[begin:end] for begin, end in zip(first.tolist(), stop.tolist(), strict=True)]
        del held[:done]
        # Quicker than to call Packet for each.
        return [tuple.__new__(Packet, row) for row in zip(*fields, payloads, strict=True)]

    def _packet_at(self, held: bytearray, sync: int, end: int) -> Packet | int | None:
        """The packet at `sync`; or the bytes that it needs where they have not all come; or None: not a good one."""
        if end - sync < HEADER_END:
            return HEADER_END
        header = bytes(held[sync + len(SYNC) : sync + HEADER_END - 1])
        if crc8(header) != held[sync + HEADER_END - 1]:
            self.counts.header_bad += 1
            return None
        word = int.from_bytes(header, "little")
        if word >> _VERSION & _VERSION_MASK != VERSION:
            self.counts.unknown_version += 1
            return None
        length = word >> _LENGTH & _LENGTH_MASK
        if length > self.max_payload:
            self.counts.header_bad += 1
            return None
        stop = sync + OVERHEAD + length
        if stop > end:
            return OVERHEAD + length
        checked = bytes(held[sync + len(SYNC) : stop])
        if zlib.crc32(checked[:-4]) != int.from_bytes(checked[-4:], "little"):
            self.counts.crc_bad += 1
            return None
        fields = [word >> shift & mask for shift, mask in _FIELDS]
        return Packet._make([*fields, checked[HEADER_END - len(SYNC) : -4]])
