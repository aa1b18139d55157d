"""Packets -> frames: the last step of the host before the user.

    META ----> shape, meaning, full frame number
    STORED --\
    BITMAP ---+-> rows of one frame -> Frame, when its last packet came or another frame starts
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.ledger import Ledger
from edgeray.meta import Meta
from edgeray.payload import Kept, Values, bitmap, stored
from edgeray.protocol.packets import PacketType
from edgeray.protocol.registers import ReadoutMode
from edgeray.splitter import Packet

_SEQUENCE_MASK = 0xFF


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame as it was sent.

    image_id : number of the frame in its series, from 0.
    values : int16[rows, columns]: kernel responses, 0 where not kept (EDGE), or pixels (RAW), in codes.
    kept : bool[rows, columns]: pixels that the board sent; all of them in RAW and with the threshold off.
    rows_received : bool[rows]; in a row that did not arrive `values` is 0 and `kept` False.
    meta : what the frame was taken with.
    generation : configuration generation, modulo 4.
    wire_bytes : bytes of the frame's packets on the link, without META.
    complete : every row arrived.
    """

    image_id: int
    values: Values
    kept: Kept
    rows_received: npt.NDArray[np.bool_]
    meta: Meta
    generation: int
    wire_bytes: int
    complete: bool


class _Assembly:
    """A frame that comes in several packets, while rows are still missing."""

    def __init__(self, image_id: int, meta: Meta, generation: int) -> None:
        self.image_id, self.meta, self.generation = image_id, meta, generation
        self.values: Values = np.zeros(meta.shape, np.int16)
        self.kept: Kept = np.zeros(meta.shape, np.bool_)
        self.rows_received = np.zeros(meta.rows, np.bool_)
        self.wire_bytes = 0

    def frame(self) -> Frame:
        complete = bool(self.rows_received.all())
        return Frame(
            self.image_id, self.values, self.kept, self.rows_received, self.meta, self.generation, self.wire_bytes,
            complete,
        )  # fmt: skip


class Decoder:
    """Incremental decoder of one series; never raises on what it is given, but counts it in `ledger`.

    Full frame numbers follow from META and the 8-bit sequence: between two METAs a gap of 255 frames reads as a repeat
    of the frame before, and of a longer one multiples of 256 go unseen until the next META.

    Members
    -------
    ledger : Ledger; received, incomplete, undecodable, malformed, late, and triggered and dropped_on_chip as far as
        packets tell (unless `confirmed`).
    meta : the Meta in force, None before the first.
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = Ledger() if ledger is None else ledger
        self.meta: Meta | None = None
        self._generation = 0
        self._next = 0
        self._open: _Assembly | None = None
        self._unreadable: int | None = None
        # Rows received of a frame that one packet filled: the same for all, so one read-only array serves.
        self._all_rows = np.ones(0, np.bool_)

    def accept(self, packet: Packet) -> list[Frame]:
        """Frames that are over with `packet`, the next of the stream: none, one, or two."""
        if packet.type in (PacketType.BITMAP, PacketType.STORED):
            return self._rows(packet)
        if packet.type == PacketType.META:
            return self._describe(packet)
        self.ledger.malformed += 1
        return []

    def flush(self) -> list[Frame]:
        """The frame under way, incomplete, where there is one: no more packets of it will come."""
        if self._open is None:
            return []
        frame, self._open = self._open.frame(), None
        return [self._over(frame)]

    def _describe(self, packet: Packet) -> list[Frame]:
        try:
            meta = Meta.unpack(packet.payload)
        except ValueError:
            self.ledger.malformed += 1
            return []
        # A META stands between two frames: the one before is over.
        frames = self.flush()
        self.meta, self._generation = meta, packet.generation
        self._next = meta.image_id
        self._unreadable = None
        self._all_rows = np.ones(meta.rows, np.bool_)
        self._all_rows.flags.writeable = False
        if not self.ledger.confirmed:
            self.ledger.triggered = max(self.ledger.triggered, meta.image_id + 1)
            self.ledger.dropped_on_chip = meta.dropped
        return frames

    def _rows(self, packet: Packet) -> list[Frame]:
        meta = self.meta
        if meta is None or packet.generation != self._generation:
            # No META, or settings changed and the META that told so was lost.
            frames = self.flush()
            if packet.sequence != self._unreadable:
                self._unreadable = packet.sequence
                self.ledger.undecodable += 1
            return frames
        rows = min(1 << packet.log2_rows, meta.rows - packet.first_row)
        decoded = self._decode(packet, meta, rows) if rows > 0 else None
        if decoded is None:
            self.ledger.malformed += 1
            return []
        values, kept = decoded
        frames = []
        if self._open is not None and self._open.image_id & _SEQUENCE_MASK != packet.sequence:
            frames = self.flush()
        if self._open is None:
            ahead = (packet.sequence - self._next) & _SEQUENCE_MASK
            if ahead == _SEQUENCE_MASK:
                self.ledger.late += 1
                return frames
            image_id = self._next + ahead
            if rows == meta.rows:
                frame = Frame(image_id, values.reshape(meta.shape), kept.reshape(meta.shape), self._all_rows, meta,
                              packet.generation, packet.wire_bytes, True)  # fmt: skip
                frames.append(self._over(frame))
                return frames
            self._open = _Assembly(image_id, meta, packet.generation)
        part, under_way = slice(packet.first_row, packet.first_row + rows), self._open
        if under_way.rows_received[part].any():
            self.ledger.late += 1
            return frames
        under_way.values[part] = values.reshape(rows, meta.columns)
        under_way.kept[part] = kept.reshape(rows, meta.columns)
        under_way.rows_received[part] = True
        under_way.wire_bytes += packet.wire_bytes
        if packet.last:
            frames += self.flush()
        return frames

    def _decode(self, packet: Packet, meta: Meta, rows: int) -> tuple[Values, Kept] | None:
        """Values and kept of the `rows` rows in `packet`, or None where its payload cannot be that."""
        pixels, edge = rows * meta.columns, meta.readout_mode == ReadoutMode.EDGE
        if packet.type == PacketType.BITMAP:
            return bitmap(packet.payload, pixels, meta.value_bits) if edge else None
        values = stored(packet.payload, pixels, meta.value_bits, signed=edge)
        return None if values is None else (values, np.ones(pixels, np.bool_))

    def _over(self, frame: Frame) -> Frame:
        ledger = self.ledger
        self._next = frame.image_id + 1
        ledger.received += 1
        ledger.incomplete += not frame.complete
        if not ledger.confirmed:
            ledger.triggered = max(ledger.triggered, self._next)
        return frame
