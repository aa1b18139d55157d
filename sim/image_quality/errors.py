"""What the measures of image quality refuse."""

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeray.errors import EdgerayError


class ImageQualityError(EdgerayError, ValueError):
    """An image that the measure cannot be taken from; says what is wrong with it and what would do."""


def numbers(image: npt.ArrayLike, name: str, dimensions: int) -> npt.NDArray[np.float64]:
    """`image` as float64 where it has so many dimensions and holds finite numbers; ImageQualityError else."""
    values: npt.NDArray[Any] = np.asarray(image)
    if values.dtype.kind not in "biuf" or values.ndim != dimensions or not values.size:
        raise ImageQualityError(f"{name} wants {dimensions} dimensions of numbers, not {values.dtype}{values.shape}")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ImageQualityError(f"{name} has pixels that are NaN or infinite")
    return values


def positive(value: float, name: str) -> float:
    """`value` where it is a finite number over 0; ImageQualityError else."""
    if not (np.isfinite(value) and value > 0):
        raise ImageQualityError(f"{name} must be a number over 0, not {value}")
    return float(value)
