"""Bytes of the link -> packets: the first step of the host, the same for a live board and for a recorded file.

    bytes in any chunking -> find sync -> CRC-8 of the header -> CRC-32 of all -> Packet
                                 ^              |                  |
                                 +--- bad: resume right after that sync

The splitter never raises on what it is fed; what it skips it counts.
"""

import zlib
from dataclasses import dataclass
from typing import NamedTuple

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


_TYPE, _TYPE_MASK = _bits(HEADER, "type")
_SEQUENCE, _SEQUENCE_MASK = _bits(HEADER, "sequence")
_GENERATION, _GENERATION_MASK = _bits(HEADER, "generation")
_LAST, _LAST_MASK = _bits(HEADER, "last")
_VERSION, _VERSION_MASK = _bits(HEADER, "version")
_FIRST_ROW, _FIRST_ROW_MASK = _bits(HEADER, "first_row")
_LOG2_ROWS, _LOG2_ROWS_MASK = _bits(HEADER, "log2_rows")
_LENGTH, _LENGTH_MASK = _bits(HEADER, "length")
_ADDRESS, _ADDRESS_MASK = _bits(COMMAND_HEADER, "address")


class Splitter:
    """Incremental, resynchronising splitter; holds at most one packet's bytes from one call to the next.

    Parameters
    ----------
    max_payload : longer payloads are taken for damaged headers, in bytes. A tight limit makes resynchronisation quick.

    Members
    -------
    counts : `SkipCounts` so far.
    """

    def __init__(self, max_payload: int = MAX_PAYLOAD) -> None:
        self.max_payload = max_payload
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
            trial = Splitter(self.max_payload)._packet_at(self._held, position, len(self._held))
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

    def _split(self, ending: bool) -> list[Packet]:
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
        return Packet(
            word >> _TYPE & _TYPE_MASK,
            word >> _SEQUENCE & _SEQUENCE_MASK,
            word >> _GENERATION & _GENERATION_MASK,
            word >> _LAST & _LAST_MASK,
            word >> _FIRST_ROW & _FIRST_ROW_MASK,
            word >> _LOG2_ROWS & _LOG2_ROWS_MASK,
            word >> _ADDRESS & _ADDRESS_MASK,
            checked[HEADER_END - len(SYNC) : -4],
        )
