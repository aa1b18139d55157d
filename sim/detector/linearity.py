"""Linearity: how the current follows the dose rate, and over which range.

dose rate -> [respond] -> dose rate that a linear device would show
(rate, current) -> [measure_linear_range] -> dB

The paper's linear dynamic range is 20 log10(highest / lowest dose rate): 106 dB for 0.165 to 32 920 uGy/s. Its control
device gains at low rates, where traps fill, and so goes as a power below 1 of the rate.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.detector.errors import DetectorError, Floats, positive
from sim.detector.material import Material

DEVIATION = 0.05
"""Deviation from the straight line that ends the linear range; the paper does not say which it took."""
SHARPNESS = 4
"""How quickly a line turns into a power of the rate: an assumption, which keeps the inside of the range straight."""


def respond(dose_rate_ugy_s: npt.ArrayLike, material: Material) -> Floats:
    """The dose rate, uGy/s, at which a linear device would give as much current, of the same shape.

    D (1 + g (low/D)**(n (1 - a)))**(1/n) / (1 + h (D/high)**(n (1 - b)))**(1/n): D**a far below the range, D**b far
    above, with the record's exponents; n = SHARPNESS, and g and h such that the deviation is DEVIATION at low and high.
    An exponent of 1 is a straight line.

    Raises MaterialError where the record has no range or no exponents.
    """
    rate = positive(dose_rate_ugy_s, "dose_rate_ugy_s", "uGy/s", zero=True)
    low, high = material.need("linear_low_ugy_s"), material.need("linear_high_ugy_s")
    below, above = 1 - material.need("exponent_low"), 1 - material.need("exponent_high")
    under = np.divide(low, rate, out=np.ones_like(rate), where=rate > 0)
    gain = _bend(under**below, 1 + DEVIATION) if below else 1.0
    loss = _bend((rate / high) ** above, 1 / (1 - DEVIATION)) if above else 1.0
    return np.asarray(rate * gain / loss, np.float64)


def _bend(power: Floats, at_one: float) -> Floats:
    """1 for a small `power`, `at_one` for 1, in proportion to a large one."""
    return np.asarray((1 + (at_one**SHARPNESS - 1) * power**SHARPNESS) ** (1 / SHARPNESS), np.float64)


def range_db(low_ugy_s: float, high_ugy_s: float) -> float:
    """20 log10(high / low). DetectorError where the range is empty."""
    low, high = positive([low_ugy_s, high_ugy_s], "linear range", "uGy/s")
    if high <= low:
        raise DetectorError(f"a linear range goes up, not from {low:g} to {high:g} uGy/s")
    return float(20 * np.log10(high / low))


def linear_range_db(material: Material) -> float:
    """The record's range: from its ends, else as it was published. MaterialError where it has neither."""
    if material.linear_low_ugy_s is not None and material.linear_high_ugy_s is not None:
        return range_db(material.linear_low_ugy_s, material.linear_high_ugy_s)
    return material.need("linear_range_db")


@dataclass(frozen=True)
class LinearRange:
    """`low_ugy_s` to `high_ugy_s`, and that in decibels; `slope` is current a uGy/s on the line."""

    low_ugy_s: float
    high_ugy_s: float
    slope: float

    @property
    def decibels(self) -> float:
        return range_db(self.low_ugy_s, self.high_ugy_s)


def measure_linear_range(
    dose_rate_ugy_s: npt.ArrayLike, current: npt.ArrayLike, deviation: float = DEVIATION
) -> LinearRange:
    """The longest stretch of a measured curve, float64[n] each, that stays within `deviation` of a line through 0.

    The line's slope is the median of current / rate over the stretch itself. The ends are points of the curve, so that
    a range which reaches the first or the last of them is at least so wide.

    Raises DetectorError: rates that do not rise, currents that are not positive, fewer than three points, no range.
    """
    rate = positive(dose_rate_ugy_s, "dose_rate_ugy_s", "uGy/s")
    ratio = positive(current, "current", "its unit") / rate
    if rate.ndim != 1 or len(rate) < 3 or not (np.diff(rate) > 0).all():
        raise DetectorError("a linear range needs three or more dose rates that rise")
    stretch = slice(0, len(rate))
    for _ in range(len(rate)):
        slope = float(np.median(ratio[stretch]))
        found = _longest(np.abs(ratio / slope - 1) <= deviation, np.log(rate))
        if found == stretch:
            break
        stretch = found
    if stretch.stop - stretch.start < 2:
        raise DetectorError(f"no two neighbouring points lie within {deviation:g} of a line through 0")
    return LinearRange(float(rate[stretch.start]), float(rate[stretch.stop - 1]), slope)


def _longest(inside: npt.NDArray[np.bool_], logs: Floats) -> slice:
    """The run of True that spans most of `logs`."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]])))
    starts, stops = edges[::2], edges[1::2]
    if not len(starts):
        return slice(0, 0)
    best = np.argmax(logs[stops - 1] - logs[starts])
    return slice(int(starts[best]), int(stops[best]))
