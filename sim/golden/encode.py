"""Golden model of the encoder: one frame's values to the payloads of its packets.

threshold (edge readout), correct (raw readout) -> [encode] -> frame
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import WORD_BITS, PacketType
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.protocol.settings import Settings
from sim.golden.fixed_point import Mask
from sim.golden.stack import StackError


@dataclass(frozen=True)
class Payload:
    """The payload of one packet, and the header fields that go with it (`edgeray.protocol.packets.HEADER`)."""

    type: PacketType
    first_row: int
    last: bool
    data: bytes


def payloads(values: npt.NDArray[np.integer], kept: Mask, *, detector: Detector, settings: Settings) -> list[Payload]:
    """STORED payloads of every value (raw readout, threshold OFF), or BITMAP payloads of those kept.

    Parameters
    ----------
    values : int[rows, columns] of ONE frame, `settings.frame_shape(detector)`: corrected pixels, or kernel responses.
    kept : bool[rows, columns]; STORED payloads do not ask for it.

    Raises
    ------
    StackError : arrays of another shape.
    """
    rows, columns = settings.frame_shape(detector)
    for name, shape in (("values", values.shape), ("kept", kept.shape)):
        if shape != (rows, columns):
            raise StackError(f"{name} wants one frame of {rows} rows and {columns} columns, not shape {shape}")
    raw = settings.readout_mode == ReadoutMode.RAW
    stored = raw or settings.threshold_mode == ThresholdMode.OFF
    bits = detector.sample_bits if raw else detector.response_bits

    found, step = [], detector.rows_per_packet
    for first in range(0, rows, step):
        part, flags = values[first : first + step], kept[first : first + step]
        if stored:
            kind, content = PacketType.STORED, _packed(part.ravel(), bits)
        else:
            kind, content = PacketType.BITMAP, _bitmap(flags) + _packed(part[flags], bits)
        found.append(Payload(kind, first, first + step >= rows, content))
    return found


def _packed(values: npt.NDArray[np.integer], bits: int) -> bytes:
    """Two's complement of `bits` bits (16 at most) a value, least significant bit first, zeros to a whole byte."""
    octets = values.astype("<i2").view(np.uint8).reshape(-1, 2)
    return np.packbits(np.unpackbits(octets, axis=1, count=bits, bitorder="little"), bitorder="little").tobytes()


def _bitmap(kept: Mask) -> bytes:
    """One bit a pixel, least significant bit first, zeros to a whole word."""
    octets = np.packbits(kept, bitorder="little").tobytes()
    return octets + bytes(-len(octets) % (WORD_BITS // 8))
