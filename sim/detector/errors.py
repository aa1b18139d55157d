"""What can be wrong with what the detector twin is given."""

import numpy as np
import numpy.typing as npt

from edgeray.errors import EdgerayError

Floats = npt.NDArray[np.float64]


class DetectorError(EdgerayError, ValueError):
    """A physical quantity outside what it can be, or outside the tables; names it and its limits."""


class MaterialError(DetectorError):
    """A material's record that is missing, wrong or silent about what is needed; names file and key."""


def positive(value: npt.ArrayLike, name: str, unit: str, *, zero: bool = False) -> Floats:
    """`value` as float64; DetectorError unless all of it is finite and over 0 (`zero`: or 0)."""
    try:
        numbers = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise DetectorError(f"{name} takes numbers in {unit}, not {value!r}") from None
    wrong = ~(np.isfinite(numbers) & (numbers >= 0 if zero else numbers > 0))
    if wrong.any():
        least = "0 or more" if zero else "more than 0"
        raise DetectorError(f"{name} takes finite numbers, {least}, in {unit}, not {numbers[wrong].flat[0]:g}")
    return numbers
