"""Statistics of a calibration: moments of every pixel while frames pass, outliers, tails, intervals.

frames -> [Moments] -> mean, noise -> [pattern, robust] -> outliers          counts -> [interval]
"""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

MAD_SIGMA = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""
LEAST_LINES = 8
"""Rows (columns) that a median over them needs to be one; an array with fewer shows no pattern that way."""


class Moments:
    """Mean and standard deviation of every pixel over frames, without keeping them (B. P. Welford, 1962).

    Members
    -------
    count : frames taken.
    mean : float64[rows, columns], codes.
    at_zero, at_full : int64[rows, columns]: frames in which the pixel was 0, or full scale.
    step, phase : all pixels that were not at these are `phase` and multiples of `step`, which is more than 1 where the
        board amplifies whole codes.
    """

    def __init__(self, shape: tuple[int, int], full_scale: int) -> None:
        self.count, self._full_scale = 0, full_scale
        self.mean, self._squares = np.zeros(shape), np.zeros(shape)
        self.at_zero, self.at_full = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        self._reference: int | None = None
        self._divisor = 0

    def take(self, pixels: npt.NDArray[np.integer]) -> None:
        """One frame, integers[rows, columns], codes."""
        self.count += 1
        delta = pixels - self.mean
        self.mean += delta / self.count
        self._squares += delta * (pixels - self.mean)
        self.at_zero += pixels == 0
        self.at_full += pixels == self._full_scale
        if self._divisor != 1:
            inside = pixels[(pixels > 0) & (pixels < self._full_scale)].astype(np.int64)
            if self._reference is None and inside.size:
                self._reference = int(inside[0])
            if self._reference is not None:
                self._divisor = int(np.gcd.reduce(inside - self._reference, initial=self._divisor))

    @property
    def step(self) -> int:
        return self._divisor or 1

    @property
    def phase(self) -> int:
        return (self._reference or 0) % self.step

    @property
    def noise(self) -> Floats:
        """float64[rows, columns]: standard deviation from frame to frame, codes; two frames at least."""
        return np.sqrt(self._squares / (self.count - 1))


def robust(values: Floats) -> tuple[float, float]:
    """(median, standard deviation by the median absolute deviation) of some values, which outliers do not move."""
    middle = float(np.median(values))
    return middle, MAD_SIGMA * float(np.median(np.abs(values - middle)))


def pattern(values: Floats, good: Mask) -> tuple[Floats, Floats, Floats]:
    """One step of J. W. Tukey's median polish: what columns and rows have in common, and what is left.

    Parameters
    ----------
    values : float64[rows, columns].
    good : bool of that shape: pixels that count; what is left of the others is found all the same.

    Returns
    -------
    columns : float64[columns], and rows : float64[rows]: medians about that of all; 0 where fewer than LEAST_LINES
        pixels make one.
    rest : float64[rows, columns]: values without these, about 0.
    """
    rest = values - np.median(values[good])
    found = []
    for axis in (0, 1):
        enough = good.sum(axis=axis) >= LEAST_LINES
        lines = np.zeros(enough.shape)
        if enough.any():
            some = np.where(good, rest, np.nan)
            lines[enough] = np.nanmedian(some[:, enough] if axis == 0 else some[enough], axis=axis)
        rest = rest - np.expand_dims(lines, axis)
        found.append(lines)
    return found[0], found[1], rest


def tail(deviations: npt.ArrayLike) -> Floats:
    """Part of a Gaussian beyond so many standard deviations, float64 of that shape."""
    tails = np.frompyfunc(lambda z: 0.5 * math.erfc(z / math.sqrt(2)), 1, 1)(np.asarray(deviations, np.float64))
    return np.asarray(tails, np.float64)


def interval(count: int, trials: int, dispersion: float = 1.0, deviations: float = 2.576) -> tuple[float, float]:
    """E. B. Wilson's interval (1927) of a binomial rate; 2.576 deviations hold it in 99 of 100 cases.

    `dispersion` is the counts' variance over that of independent trials; so many trials less are counted.
    """
    trials_ = trials / dispersion
    rate, square = count / trials, deviations**2
    middle = rate + square / (2 * trials_)
    half = deviations * math.sqrt(rate * (1 - rate) / trials_ + square / (4 * trials_**2))
    # A count of 0 has no lower end; without rounding.
    low = (middle - half) / (1 + square / trials_) if count else 0.0
    return max(0.0, low), min(1.0, (middle + half) / (1 + square / trials_))
