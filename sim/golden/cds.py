"""Golden model of correlated double sampling: the first stage after the ADC.

samples -> [cds] -> pga
"""

import numpy as np
import numpy.typing as npt

from edgeray.protocol.registers import Polarity
from sim.golden.fixed_point import Integers, Mask
from sim.golden.stack import StackError, integers


def cds(
    reset: npt.ArrayLike, signal: npt.ArrayLike, *, sample_bits: int, enabled: bool, polarity: Polarity
) -> tuple[Integers, Mask]:
    """Signal sample against reset sample, or the signal sample alone.

    Parameters
    ----------
    reset, signal : int[..., rows, columns], codes from 0 to full scale, 2**sample_bits - 1.
    enabled : False: the reset sample is not used; RESET_MINUS_SIGNAL then gives full scale - signal.
    polarity : which of the two is subtracted.

    Returns
    -------
    values : int64 as the samples' shape, codes, -full scale to full scale; nothing can overflow.
    railed : bool of that shape: a sample that was used lies at 0 or at full scale.

    Raises
    ------
    StackError : samples that are not integers, not from 0 to full scale, or not of one shape.
    """
    full_scale = (1 << sample_bits) - 1
    first, second = (integers(samples, name, 0, full_scale) for samples, name in ((reset, "reset"), (signal, "signal")))
    if first.shape != second.shape:
        raise StackError(f"reset and signal want one shape, not {first.shape} and {second.shape}")
    railed = (second == 0) | (second == full_scale)
    reverse = polarity == Polarity.RESET_MINUS_SIGNAL
    if enabled:
        railed |= (first == 0) | (first == full_scale)
        return (first - second if reverse else second - first), railed
    return (full_scale - second if reverse else second), np.asarray(railed)
