"""Golden model of the convolution.

window -> [convolve] -> threshold
"""

from math import isqrt

import numpy as np
import numpy.typing as npt

from edgeray.protocol.kernels import Kernel
from sim.golden.fixed_point import Integers, Mask, clip, round_half_up
from sim.golden.stack import StackError, integers


def convolve(taps: npt.ArrayLike, guard: npt.ArrayLike, *, sample_bits: int, kernel: Kernel) -> tuple[Integers, Mask]:
    """sum(weight * tap) / 2**shift, rounded half up, clipped to +-full scale: a correlation, without a flip.

    Parameters
    ----------
    taps : int[..., rows, columns, size**2], codes, 0 to full scale; see `sim.golden.window`.
    guard : bool[rows, columns]: positions whose response is 0.
    kernel : of `size` or smaller, then with zeros around it.

    Returns
    -------
    responses : int64[..., rows, columns], codes, -full scale to full scale.
    saturated : bool of that shape: clipping changed the response; never in the guard ring.

    Raises
    ------
    StackError : taps that are not integers, not from 0 to full scale, or not as many as the guard flags ask for.
    ValueError : a kernel larger than the window.
    """
    full_scale = (1 << sample_bits) - 1
    values, in_guard = integers(taps, "taps", 0, full_scale), np.asarray(guard, np.bool_)
    if values.shape[-3:-1] != in_guard.shape or isqrt(values.shape[-1]) ** 2 != values.shape[-1]:
        raise StackError(
            f"taps want the guard's rows and columns, {in_guard.shape}, and a square number of values in each, "
            f"not shape {values.shape}"
        )
    total = np.zeros(values.shape[:-1], np.int64)
    for tap, weight in enumerate(kernel.padded(isqrt(values.shape[-1])).flat):
        if weight:
            total += weight * values[..., tap]
    responses, saturated = clip(round_half_up(total, kernel.shift), -full_scale, full_scale)
    return np.where(in_guard, 0, responses), saturated & ~in_guard
