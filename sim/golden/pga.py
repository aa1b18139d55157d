"""Golden model of the gain and offset.

cds -> [pga] -> correct
"""

import numpy.typing as npt

from sim.golden.fixed_point import Integers, Mask, clip
from sim.golden.stack import integers


def pga(values: npt.ArrayLike, *, sample_bits: int, gain: int, offset: int) -> tuple[Integers, Mask]:
    """values * 2**gain + offset, clipped to 0 .. full scale. The gain is a whole number: nothing is rounded.

    Parameters
    ----------
    values : int[..., rows, columns] of sample_bits + 1 bits with sign, codes.
    gain : the register `pga_gain`, the exponent.
    offset : codes.

    Returns
    -------
    pixels : int64 of that shape, codes, 0 to 2**sample_bits - 1.
    saturated : bool of that shape: clipping changed the pixel.

    Raises
    ------
    StackError : values that are not integers or do not fit their bits.
    """
    codes = integers(values, "values", -(1 << sample_bits), (1 << sample_bits) - 1)
    return clip((codes << gain) + offset, 0, (1 << sample_bits) - 1)
