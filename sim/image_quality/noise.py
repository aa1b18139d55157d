"""Noise power spectrum of flat images, and the detective quantum efficiency.

flat images -> squares -> trend removed -> FFT -> NPS; with the MTF and the photons -> DQE

IEC 62220-1: squares that overlap by half, a surface of second order taken off each, and
NPS(u, v) = pitch**2 / (squares * n**2) * sum of |FFT|**2; one-dimensional cuts leave the axes themselves out.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.image_quality.errors import ImageQualityError, numbers, positive
from sim.image_quality.mtf import Mtf

Values = npt.NDArray[np.float64]

CUT_ROWS = 7
"""Rows of the spectrum on either side of an axis that a cut takes the mean of."""
_TERMS = 6
"""Of a surface of second order."""


@dataclass(frozen=True, eq=False)
class Nps:
    """Noise power.

    Parameters
    ----------
    frequency_per_mm : float[n], of either axis, as `numpy.fft.fftfreq` orders them.
    power_mm2 : float[n, n], signal**2 * mm**2.
    mean : of the flat images, in their unit.
    """

    frequency_per_mm: Values
    power_mm2: Values
    mean: float

    def cut(self, axis: int = 1) -> tuple[Values, Values]:
        """(frequency_per_mm, power_mm2) along axis 1 (across the columns) or 0, without frequency 0."""
        power = self.power_mm2 if axis == 1 else self.power_mm2.T
        half = len(self.frequency_per_mm) // 2
        rows = np.arange(1, min(CUT_ROWS, half - 1) + 1)
        mean = power[np.concatenate((rows, -rows))].mean(axis=0)
        # Both signs of a frequency are the same noise.
        return self.frequency_per_mm[1:half], (mean[1:half] + mean[:-half:-1]) / 2

    def radial(self) -> tuple[Values, Values]:
        """(frequency_per_mm, power_mm2): mean over rings one frequency step wide, the axes left out, up to Nyquist."""
        step = self.frequency_per_mm[1]
        ring = np.rint(np.hypot(self.frequency_per_mm[:, None], self.frequency_per_mm) / step).astype(int)
        inside = np.ones(ring.shape, np.bool_)
        inside[0] = inside[:, 0] = False
        inside &= ring < len(self.frequency_per_mm) // 2
        counts = np.bincount(ring[inside])
        sums = np.bincount(ring[inside], self.power_mm2[inside])
        found = np.flatnonzero(counts)
        return found * step, sums[found] / counts[found]

    @property
    def variance(self) -> float:
        """Of the pixels: the integral of the noise power."""
        return float(self.power_mm2.sum() * self.frequency_per_mm[1] ** 2)


def noise_power(flats: npt.ArrayLike, pixel_pitch_mm: float, *, square: int = 128, detrend: bool = True) -> Nps:
    """Noise power spectrum of flat images.

    Parameters
    ----------
    flats : float[images, rows, columns], of the same dose; linear in the dose.
    pixel_pitch_mm : distance of two pixels.
    square : pixels a side of the squares that are transformed, even; those that would reach over the edge are left out.
    detrend : take a surface of second order off every square, else only its mean.

    Raises
    ------
    ImageQualityError : another shape, images smaller than a square, an odd square or one under 8 pixels.
    """
    values = numbers(flats, "flat images", 3)
    pitch_mm = positive(pixel_pitch_mm, "pixel_pitch_mm")
    if square % 2 or not 8 <= square <= min(values.shape[1:]):
        raise ImageQualityError(
            f"square takes an even number from 8 to the images' smaller side, {min(values.shape[1:])}, not {square}"
        )
    trend = _projection(square) if detrend else np.full((square * square, 1), 1 / square)
    power, count = np.zeros((square, square)), 0
    for image in values:
        for row in range(0, image.shape[0] - square + 1, square // 2):
            for column in range(0, image.shape[1] - square + 1, square // 2):
                part = image[row : row + square, column : column + square].ravel()
                noise = part - trend @ (trend.T @ part)
                power += np.abs(np.fft.fft2(noise.reshape(square, square))) ** 2
                count += 1
    frequency = np.asarray(np.fft.fftfreq(square, pitch_mm), np.float64)
    return Nps(frequency, power * pitch_mm**2 / (count * square**2), float(values.mean()))


def dqe(mtf: Mtf, nps: Nps, photons_per_mm2: float, *, axis: int = 1) -> tuple[Values, Values]:
    """(frequency_per_mm, detective quantum efficiency) along `axis`: mean**2 * MTF**2 / (photons * NPS).

    Parameters
    ----------
    mtf, nps : of one detector, from images in the same unit, linear in the dose and without an offset.
    photons_per_mm2 : that fell on the flat images.

    Raises
    ------
    ImageQualityError : no photons, or flat images without signal or noise.
    """
    photons = positive(photons_per_mm2, "photons_per_mm2")
    frequency, power = nps.cut(axis)
    positive(nps.mean, "the mean of the flat images")
    if not (power > 0).all():
        raise ImageQualityError("the flat images have no noise at some frequency, so they have no DQE")
    return frequency, nps.mean**2 * mtf.at(frequency) ** 2 / (photons * power)


def _projection(square: int) -> Values:
    """float[square**2, 6], orthonormal columns that span the surfaces of second order."""
    y, x = (each.ravel() for each in np.mgrid[-1 : 1 : square * 1j, -1 : 1 : square * 1j])
    basis, _ = np.linalg.qr(np.stack((np.ones_like(x), x, y, x * x, x * y, y * y), axis=1))
    assert basis.shape[1] == _TERMS
    return np.asarray(basis)
