"""Packets -> frames: the last step of the host before the user.

    META ---------------> shape, meaning, full frame number
    EDGE, EDGE_STORED --\
    RAW, RAW_STORED -----+-> rows of one frame -> Frame, when its last packet came or another frame starts
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from edgeray import core
from edgeray.ledger import Ledger
from edgeray.meta import Coding, Meta
from edgeray.payload import Kept, Part, Values, decode
from edgeray.protocol.packets import HEADER, LATE_FRAMES, META, PacketType
from edgeray.splitter import Packet

_SEQUENCE_MASK = HEADER["sequence"].maximum
_NUMBER_MASK = META["image_id"].maximum
_META = int(PacketType.META)
_PIXELS = (int(PacketType.RAW), int(PacketType.RAW_STORED))
_CODED = (int(PacketType.EDGE), int(PacketType.RAW))
_ROWS = (*_CODED, int(PacketType.EDGE_STORED), int(PacketType.RAW_STORED))

_Rows = npt.NDArray[np.bool_]


@dataclass(slots=True, eq=False)
class Frame:
    """One frame as it was sent.

    image_id : number of the frame in its series, from 0.
    values : int16[rows, columns]: kernel responses, 0 where not kept (EDGE), or pixels (RAW), in codes.
    kept : bool[rows, columns]: pixels that the board sent; all of them in RAW and with the threshold off.
    rows_received : bool[rows]; in a row that did not arrive `values` is 0 and `kept` False.
    meta : what the frame was taken with.
    generation : configuration generation, modulo 4.
    wire_bytes : bytes of the frame's packets on the link, without META.
    complete : every row arrived, and the packet that says that it is the last.
    pixels : uint16[detector rows, detector columns], codes: the corrected pixels of the same exposure, 0 in a row that
        did not arrive; in an audit frame alone, else None. An audit frame whose pixels are all lost is not `complete`.
    pixel_rows_received : bool[detector rows], of `pixels`; None where they are.

    Frames that arrived together share memory: copy the arrays of a few that are to be kept out of many.
    """

    image_id: int
    values: Values
    kept: Kept
    rows_received: _Rows
    meta: Meta
    generation: int
    wire_bytes: int
    complete: bool
    pixels: npt.NDArray[np.uint16] | None = None
    pixel_rows_received: _Rows | None = None


class _Assembly:
    """A frame that comes in several packets, while it is not over."""

    def __init__(self, image_id: int, meta: Meta, generation: int) -> None:
        self.image_id, self.meta, self.generation = image_id, meta, generation
        self.values: Values = np.zeros(meta.shape, np.int16)
        self.kept: Kept = np.zeros(meta.shape, np.bool_)
        self.rows_received = np.zeros(meta.shape[0], np.bool_)
        self.pixels: npt.NDArray[np.uint16] | None = None
        self.pixel_rows_received: _Rows | None = None
        self.wire_bytes = 0

    def take(self, packet: Packet, values: Values, kept: Kept, *, audit: bool) -> bool:
        """Put rows where they belong; False where one of them is there already."""
        rows = slice(packet.first_row, packet.first_row + len(values))
        received = self._pixel_rows() if audit else self.rows_received
        if received[rows].any():
            return False
        received[rows] = True
        if self.pixels is not None and audit:
            self.pixels[rows] = values
        else:
            self.values[rows], self.kept[rows] = values, kept
        self.wire_bytes += packet.wire_bytes
        return True

    def _pixel_rows(self) -> _Rows:
        if self.pixel_rows_received is None:
            self.pixels = np.zeros(self.meta.raw_shape, np.uint16)
            self.pixel_rows_received = np.zeros(self.meta.rows, np.bool_)
        return self.pixel_rows_received

    def frame(self, *, last_came: bool) -> Frame:
        every = self.rows_received.all() and (self.pixel_rows_received is None or self.pixel_rows_received.all())
        return Frame(
            self.image_id, self.values, self.kept, self.rows_received, self.meta, self.generation, self.wire_bytes,
            bool(last_came and every), self.pixels, self.pixel_rows_received,
        )  # fmt: skip


class _Unreadable(Enum):
    """Stands for rows that no META in force tells how to read."""

    UNREADABLE = 0


_UNREADABLE = _Unreadable.UNREADABLE
_Content: TypeAlias = Meta | Part | _Unreadable | None


class Decoder:
    """Incremental decoder of one series; never raises on what it is given, but counts it in `ledger`.

    Full frame numbers follow from META and the 8-bit sequence. Behind a gap of 240 to 255 frames packets look `late`
    until their numbers are past it or META comes; of a longer one multiples of 256 go unseen until then.

    Parameters
    ----------
    ledger : Ledger to count in; a new one by default.
    plain : decode by the reference in plain Python even where the fast core is installed.
    threads : threads of the fast core; by default as many as this process may run on at once.

    Members
    -------
    ledger : Ledger; received, incomplete, undecodable, malformed, late, and triggered and dropped_on_chip as far as
        packets tell (unless `confirmed`).
    meta : the Meta in force, None before the first.
    """

    def __init__(self, ledger: Ledger | None = None, *, plain: bool = False, threads: int | None = None) -> None:
        self.ledger = Ledger() if ledger is None else ledger
        self.meta: Meta | None = None
        self._plain, self._threads = plain, _processors() if threads is None else threads
        self._described: tuple[bytes, int] | None = None
        self._generation = 0
        self._next = 0
        self._open: _Assembly | None = None
        self._unreadable: int | None = None
        # Rows received of a frame that one packet filled: the same for all, so one read-only array serves.
        self._all_rows = np.ones(0, np.bool_)
        if not plain:
            core.fast()  # compiled now, and not while a board sends

    def accept(self, packet: Packet) -> list[Frame]:
        """Frames that are over with `packet`, the next of the stream: none, one, or two."""
        return self.accept_all([packet])

    def accept_all(self, packets: Sequence[Packet]) -> list[Frame]:
        """Frames that are over with `packets`, the next of the stream: as if they were accepted one by one, but fast.

        The rows of all packets are decoded first, which takes memory for them at once: 1.5 KiB for a byte of `packets`
        in the worst case, a blank image.
        """
        contents = self._contents(packets)
        decoded = decode(
            [packet.payload for packet in packets],
            [content if isinstance(content, Part) else None for content in contents],
            plain=self._plain,
            threads=self._threads,
        )
        frames: list[Frame] = []
        for packet, content, rows in zip(packets, contents, decoded, strict=True):
            if rows is not None:
                self._rows(packet, *rows, frames)
            elif isinstance(content, Meta):
                self._describe(packet, content, frames)
            elif content is _UNREADABLE:
                self._unread(packet, frames)
            else:
                self.ledger.malformed += 1
        return frames

    def flush(self) -> list[Frame]:
        """The frame under way, incomplete, where there is one: no more packets of it will come."""
        frames: list[Frame] = []
        self._end(frames)
        return frames

    def _contents(self, packets: Sequence[Packet]) -> list[_Content]:
        """What each packet holds; None where that contradicts the META in force or itself."""
        meta, generation = self.meta, self._generation
        contents: list[_Content] = []
        for packet in packets:
            kind = packet.type
            if kind in _ROWS:
                # No META, or settings changed and the META that told so was lost.
                if meta is None or packet.generation != generation:
                    contents.append(_UNREADABLE)
                else:
                    contents.append(_part(kind, packet.first_row, packet.log2_rows, meta.edge_coding, meta.raw_coding))
            elif kind == _META:
                try:
                    meta = Meta.unpack(packet.payload)
                except ValueError:
                    contents.append(None)
                else:
                    generation = packet.generation
                    contents.append(meta)
            else:
                contents.append(None)
        return contents

    def _describe(self, packet: Packet, meta: Meta, frames: list[Frame]) -> None:
        told = packet.payload, packet.generation
        if told == self._described:
            # With the same time stamp it is no other META, but this one come again.
            self.ledger.late += 1
            return
        self._described = told
        # A META stands between two frames: the one before is over.
        self._end(frames)
        self.meta, self._generation = meta, packet.generation
        self._next = unwrap(meta.image_id, self._next)
        self._unreadable = None
        self._all_rows = np.ones(meta.shape[0], np.bool_)
        self._all_rows.flags.writeable = False
        if not self.ledger.confirmed:
            self.ledger.triggered = max(self.ledger.triggered, self._next + 1)
            self.ledger.dropped_on_chip = meta.dropped

    def _unread(self, packet: Packet, frames: list[Frame]) -> None:
        self._end(frames)
        if packet.sequence != self._unreadable:
            self._unreadable = packet.sequence
            self.ledger.undecodable += 1

    def _rows(self, packet: Packet, values: Values, kept: Kept, frames: list[Frame]) -> None:
        meta, under_way, sequence = self.meta, self._open, packet.sequence
        assert meta is not None
        audit = packet.type in _PIXELS and meta.edge_coding is not None
        here = self._next if under_way is None else under_way.image_id
        ahead = (sequence - here) & _SEQUENCE_MASK
        if ahead > _SEQUENCE_MASK - LATE_FRAMES:
            self.ledger.late += 1
            return
        if under_way is not None and ahead:
            self._end(frames)
            under_way = None
        if under_way is None:
            image_id = here + ahead
            if packet.last and not audit and len(values) == meta.shape[0]:
                frame = Frame(
                    image_id, values, kept, self._all_rows, meta, packet.generation, packet.wire_bytes, complete=True
                )
                frames.append(frame)
                self._over(frame)
                return
            under_way = self._open = _Assembly(image_id, meta, packet.generation)
        if not under_way.take(packet, values, kept, audit=audit):
            self.ledger.late += 1
        elif packet.last:
            self._end(frames, last_came=True)

    def _end(self, frames: list[Frame], *, last_came: bool = False) -> None:
        """The frame under way, where there is one, is over."""
        if self._open is not None:
            frame, self._open = self._open.frame(last_came=last_came), None
            frames.append(frame)
            self._over(frame)

    def _over(self, frame: Frame) -> None:
        ledger = self.ledger
        self._next = frame.image_id + 1
        ledger.received += 1
        ledger.incomplete += not frame.complete
        if not ledger.confirmed and self._next > ledger.triggered:
            ledger.triggered = self._next


def unwrap(number: int, near: int) -> int:
    """The full number that is `number` modulo 2**32 and nearest to `near`; `number` itself where that is negative."""
    ahead = ((number - near + (_NUMBER_MASK >> 1)) & _NUMBER_MASK) - (_NUMBER_MASK >> 1)
    return number if near + ahead < 0 else near + ahead


@lru_cache(maxsize=4096)
def _part(kind: int, first_row: int, log2_rows: int, edge: Coding | None, raw: Coding) -> Part | None:
    """The rows in a packet; None where the frame has none there, or none of this type."""
    coding = raw if kind in _PIXELS else edge
    if coding is None or first_row >= coding.rows:
        return None
    return Part(min(1 << log2_rows, coding.rows - first_row), coding, kind in _CODED)


def _processors() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
