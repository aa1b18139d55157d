"""Golden model of the predictor: corrected pixels to residuals.

correct -> [predict] -> code (raw readout and audit frames)
"""

import numpy as np
import numpy.typing as npt

from sim.golden.stack import StackError, integers


def residuals(pixels: npt.ArrayLike, sample_bits: int) -> npt.NDArray[np.int32]:
    """Pixel minus prediction, modulo 2**sample_bits; see `edgeray.protocol.code`.

    Parameters
    ----------
    pixels : int[rows, columns], codes, 0 to full scale: the rows of ONE packet, for nothing before them is seen.

    Returns
    -------
    int32[rows, columns], codes, -2**(sample_bits - 1) to 2**(sample_bits - 1) - 1.

    Raises
    ------
    StackError : pixels that are not integers, not from 0 to full scale, or not rows and columns.
    """
    values = integers(pixels, "pixels", 0, (1 << sample_bits) - 1).astype(np.int32)
    if values.ndim != 2:
        raise StackError(f"pixels wants the rows and columns of one packet, not an array of shape {values.shape}")
    half = 1 << (sample_bits - 1)
    predicted = np.empty_like(values)
    predicted[0, 0], predicted[0, 1:] = half, values[0, :-1]
    north = values[:-1]
    west = np.hstack((north[:, :1], values[1:, :-1]))
    east = np.hstack((north[:, 1:], north[:, -1:]))
    predicted[1:] = (2 * west + north + east + 2) >> 2
    return ((values - predicted + half) & (2 * half - 1)) - half
