"""Golden model of the threshold.

convolve -> [threshold] -> encode
"""

import numpy as np
import numpy.typing as npt

from edgeray.protocol.registers import ThresholdMode
from sim.golden.fixed_point import Mask
from sim.golden.stack import StackError


def threshold(
    responses: npt.NDArray[np.integer], guard: npt.ArrayLike, *, mode: ThresholdMode, edge_threshold: int
) -> Mask:
    """Which responses are sent: |q| >= edge_threshold, q >= edge_threshold, or every one.

    Parameters
    ----------
    responses : int[..., rows, columns], codes.
    guard : bool[rows, columns]: positions that only OFF keeps.

    Returns bool of the responses' shape. Raises StackError where the two shapes do not go together.
    """
    # Wider than any response: the magnitude of the lowest int16 is no int16.
    values, in_guard = responses.astype(np.int64), np.asarray(guard, np.bool_)
    if values.shape[-2:] != in_guard.shape:
        raise StackError(f"responses want the guard's rows and columns, {in_guard.shape}, not shape {values.shape}")
    if mode == ThresholdMode.OFF:
        return np.ones(values.shape, np.bool_)
    size = np.abs(values) if mode == ThresholdMode.ABSOLUTE else values
    return (size >= edge_threshold) & ~in_guard
