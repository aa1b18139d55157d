"""Golden model of a sensor that convolves by itself, in the place of window and convolution.

correct -> [sensor] -> threshold
"""

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from sim.golden.fixed_point import Integers, Mask
from sim.golden.stack import check_frames, integers


def sensor(pixels: npt.ArrayLike, *, detector: Detector) -> tuple[Integers, Mask]:
    """pixels - 2**(sample_bits - 1): mid-scale is no response. 0 in the guard ring.

    Parameters
    ----------
    pixels : int[..., rows, columns], codes, 0 to full scale.

    Returns
    -------
    responses : int64 of that shape, codes, -2**(sample_bits - 1) to 2**(sample_bits - 1) - 1.
    guard : bool[rows, columns], True in the guard ring.

    Raises
    ------
    StackError : pixels that are not integers, not from 0 to full scale, or not frames of the detector.
    """
    values = integers(pixels, "pixels", 0, detector.full_scale)
    check_frames(values, "pixels", detector)
    ring = detector.guard_ring
    guard = np.ones((detector.rows, detector.columns), np.bool_)
    guard[ring : detector.rows - ring, ring : detector.columns - ring] = False
    return np.where(guard, 0, values - (1 << (detector.sample_bits - 1))), guard
