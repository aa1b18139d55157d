"""Checks of the image stacks that go into the golden models."""

import numpy as np
import numpy.typing as npt

from edgeray.protocol.detector import Detector
from sim.golden.fixed_point import Integers


class StackError(ValueError):
    """An array that is no stack of frames for this detector or stage; says what was wanted and what came."""


def integers(array: npt.ArrayLike, name: str, low: int, high: int) -> Integers:
    """`array` as int64, after the check that it holds integers from `low` to `high`.

    Raises StackError where it is empty, has another dtype (NaN is named) or a value out of range (its index is named).
    """
    values = np.asarray(array)
    if values.dtype.kind not in "iu":
        nan = values.dtype.kind == "f" and bool(np.isnan(values).any())
        raise StackError(
            f"{name} wants an array of integers, not of {values.dtype}{' with NaN' if nan else ''}; "
            "scale, round and convert it first"
        )
    if not values.size:
        raise StackError(f"{name} has no pixel: its shape is {values.shape}")
    if int(values.min()) < low or int(values.max()) > high:
        where = tuple(int(index) for index in np.argwhere((values < low) | (values > high))[0])
        raise StackError(f"{name} takes {low} to {high}, but the value at index {where} is {values[where]}")
    return values.astype(np.int64)


def check_frames(values: Integers, name: str, detector: Detector) -> None:
    """StackError unless the last two axes of `values` are the detector's rows and columns."""
    if values.shape[-2:] != (detector.rows, detector.columns):
        raise StackError(
            f"{name} wants frames of {detector.rows} rows and {detector.columns} columns, "
            f"not an array of shape {values.shape}"
        )
