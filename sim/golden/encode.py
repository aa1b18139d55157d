"""Golden model of the encoder: one frame's values to the payloads of its packets.

threshold (edge readout), correct (raw readout, audit frames) -> [encode] -> frame
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from edgeray.protocol.packets import PacketType
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.protocol.settings import Settings
from sim.golden.code import code
from sim.golden.fixed_point import Mask
from sim.golden.predict import residuals
from sim.golden.stack import StackError


@dataclass(frozen=True)
class Payload:
    """The payload of one packet, and the header fields that go with it (`edgeray.protocol.packets.HEADER`)."""

    type: PacketType
    first_row: int
    last: bool
    data: bytes


def payloads(
    values: npt.NDArray[np.integer],
    kept: Mask,
    *,
    detector: Detector,
    settings: Settings,
    raw: bool = False,
    more: bool = False,
) -> list[Payload]:
    """EDGE payloads of the values kept or RAW payloads of every pixel; each at fixed width where its code is longer.

    Parameters
    ----------
    values : int[rows, columns] of ONE frame, codes: kernel responses, `settings.frame_shape(detector)`, or pixels.
    kept : bool[rows, columns]: what is sent; pixels do not ask for it.
    raw : the values are the whole array's corrected pixels, also in edge readout (an audit frame).
    more : RAW packets of this frame follow, so that none of these payloads is its last.

    Raises
    ------
    StackError : arrays of another shape, or a value kept that is under the threshold.
    """
    raw = raw or settings.readout_mode == ReadoutMode.RAW
    rows, columns = detector.frame_shape(1) if raw else settings.frame_shape(detector)
    for name, shape in (("values", values.shape), ("kept", kept.shape)):
        if shape != (rows, columns):
            raise StackError(f"{name} wants one frame of {rows} rows and {columns} columns, not shape {shape}")
    positive = not raw and settings.threshold_mode == ThresholdMode.POSITIVE
    threshold = 1 if raw or settings.threshold_mode == ThresholdMode.OFF else settings.edge_threshold
    bits = detector.sample_bits if raw else detector.response_bits
    coded, stored = (PacketType.RAW, PacketType.RAW_STORED) if raw else (PacketType.EDGE, PacketType.EDGE_STORED)

    found, step = [], detector.rows_per_packet
    for first in range(0, rows, step):
        part, flags = values[first : first + step], kept[first : first + step]
        symbols = residuals(part, detector.sample_bits) if raw else np.where(flags, part, 0)
        content = code(symbols, sample_bits=detector.sample_bits, threshold=threshold, positive=positive)
        fixed = _packed((part if raw else symbols).ravel(), bits)
        kind, content = (stored, fixed) if len(content) > len(fixed) else (coded, content)
        found.append(Payload(kind, first, first + step >= rows and not more, content))
    return found


def _packed(values: npt.NDArray[np.integer], bits: int) -> bytes:
    """Two's complement of `bits` bits (16 at most) a value, least significant bit first, zeros to a whole byte."""
    octets = values.astype("<i2").view(np.uint8).reshape(-1, 2)
    return np.packbits(np.unpackbits(octets, axis=1, count=bits, bitorder="little"), bitorder="little").tobytes()
