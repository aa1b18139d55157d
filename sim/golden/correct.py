"""Golden model of the per-pixel correction: its result is what a raw frame shows.

pga -> [correct] -> window (edge readout), encode (raw readout)
"""

import numpy as np
import numpy.typing as npt

from edgeray.correction import CorrectionError, CorrectionTable
from edgeray.protocol.detector import Detector
from edgeray.protocol.registers import GAIN_FRACTION_BITS
from sim.golden.fixed_point import Integers, Mask, clip, round_half_up
from sim.golden.stack import check_frames, integers


def correct(
    pixels: npt.ArrayLike, *, detector: Detector, enabled: bool, table: CorrectionTable
) -> tuple[Integers, Mask]:
    """(pixel - offset) * gain / 2**GAIN_FRACTION_BITS, rounded half up, clipped to 0 .. full scale.

    A masked pixel takes the corrected value of the last unmasked imaging pixel before it in its frame, row by row, and
    0 where there is none. A guard ring pixel is never such a source; masked, it is replaced like any other.

    Parameters
    ----------
    pixels : int[..., rows, columns], codes, 0 to full scale.
    enabled : False: the pixels stay as they are.

    Returns
    -------
    pixels : int64 of that shape, codes, 0 to full scale.
    saturated : bool of that shape: clipping changed a pixel that is not masked.

    Raises
    ------
    StackError : pixels that are not integers, not from 0 to full scale, or not frames of the detector.
    CorrectionError : a table for another number of rows or columns.
    """
    values = integers(pixels, "pixels", 0, detector.full_scale)
    check_frames(values, "pixels", detector)
    if table.shape != (detector.rows, detector.columns):
        raise CorrectionError(
            f"a correction table for {detector.rows} rows and {detector.columns} columns is wanted, "
            f"not one for {table.shape[0]} and {table.shape[1]}"
        )
    if not enabled:
        return values, np.zeros(values.shape, np.bool_)
    scaled = (values - table.offset) * table.gain.astype(np.int64)
    corrected, saturated = clip(round_half_up(scaled, GAIN_FRACTION_BITS), 0, detector.full_scale)

    sources = _sources(detector, table.masked)
    flat = corrected.reshape(*values.shape[:-2], -1)
    filled = np.where(sources >= 0, flat[..., sources], 0).reshape(values.shape)
    return filled, saturated & ~table.masked


def _sources(detector: Detector, masked: Mask) -> npt.NDArray[np.intp]:
    """intp[rows * columns]: the pixel, counted row by row, that each pixel's value comes from; -1 for none."""
    ring = detector.guard_ring
    imaging = np.zeros(masked.shape, np.bool_)
    imaging[ring : detector.rows - ring, ring : detector.columns - ring] = True
    own = np.arange(masked.size)
    lenders = np.where((imaging & ~masked).ravel(), own, -1)
    return np.where(masked.ravel(), np.maximum.accumulate(lenders), own)
