"""Fixed point: the one rounding and the one clipping rule of all stages."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Integers: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


def round_half_up(values: Integers, fraction_bits: int) -> Integers:
    """floor(values / 2**fraction_bits + 1/2) as int64, of the same shape: halves go up, those below zero too."""
    half = (1 << fraction_bits) >> 1
    # The shift of a negative int64 is arithmetic: it rounds down, as floor does.
    return (values + half) >> fraction_bits


def clip(values: Integers, low: int, high: int) -> tuple[Integers, Mask]:
    """(values limited to low .. high, bool mask of those that this changed)."""
    clipped = np.clip(values, low, high)
    return clipped, clipped != values
