"""Golden model of the window: the neighbourhood of every kernel position.

correct -> [window] -> convolve
"""

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from sim.golden.fixed_point import Integers, Mask
from sim.golden.stack import check_frames, integers


def windows(pixels: npt.ArrayLike, *, detector: Detector, stride: int) -> tuple[Integers, Mask]:
    """Pixels under the kernel, at every pixel (stride 1) or at the centre of every complete macro-pixel.

    Coordinates are clamped into the imaging area: its border is replicated and the guard ring never seen.

    Parameters
    ----------
    pixels : int[..., rows, columns], codes, 0 to full scale.
    stride : one of `detector.strides`.

    Returns
    -------
    taps : int64[..., rows_out, columns_out, kernel_size**2], codes, the kernel's positions row by row. (rows_out,
        columns_out) is `detector.frame_shape(stride)`. Not contiguous: the last axis is the outermost in memory.
    guard : bool[rows_out, columns_out], True for a position in the guard ring, whose taps mean nothing.

    Raises
    ------
    StackError : pixels that are not integers, not from 0 to full scale, or not frames of the detector.
    GeometryError : a stride that the detector cannot do.
    """
    rows, columns = detector.frame_shape(stride)
    values = integers(pixels, "pixels", 0, detector.full_scale)
    check_frames(values, "pixels", detector)

    size, ring = detector.kernel_size, detector.guard_ring
    # With macro-pixels the first centre lies half a macro-pixel into the imaging area.
    first = 0 if stride == 1 else ring + stride // 2
    y, x = first + stride * np.arange(rows), first + stride * np.arange(columns)
    # A tap's plane lies in one piece, so that the convolution runs through memory in order.
    planes = np.empty((size * size, *values.shape[:-2], rows, columns), np.int64)
    for tap in range(size * size):
        down, right = tap // size - detector.radius, tap % size - detector.radius
        tap_y = np.clip(y + down, ring, detector.rows - 1 - ring)
        tap_x = np.clip(x + right, ring, detector.columns - 1 - ring)
        planes[tap] = values[..., tap_y[:, None], tap_x]

    guard = np.zeros((rows, columns), np.bool_)
    if stride == 1 and ring:
        guard[:] = True
        guard[ring:-ring, ring:-ring] = False
    return np.moveaxis(planes, 0, -1), guard
