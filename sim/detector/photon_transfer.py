"""Photon-transfer curve: conversion gain and read noise out of nothing but images of several exposures.

pixels at several exposures -> [mean_and_variance] -> [photon_transfer] -> electrons a code, read noise

J. R. Janesick, Photon Transfer (SPIE, 2007): the variance of a pixel over frames of the same exposure is

    variance = mean * quantum / K + (noise / K)**2        in codes; K electrons a code

`quantum` is the charge that one of the counted particles gives: 1 electron for dark current, variance over mean of the
charge for X-rays (`Signal.variance_e2 / mean_e`). The fixed pattern of pixels and columns does not change from frame to
frame and so does not count.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.detector.errors import DetectorError, Floats, positive


@dataclass(frozen=True)
class PhotonTransfer:
    """A fitted curve, each `_error` one standard deviation.

    Members
    -------
    electrons_per_code, gain_error : conversion gain K.
    noise_e, noise_error_e : noise of a pixel without signal, electrons rms.
    """

    electrons_per_code: float
    gain_error: float
    noise_e: float
    noise_error_e: float


def mean_and_variance(pixels: npt.NDArray[np.floating]) -> tuple[float, float]:
    """Mean, and variance from frame to frame, of `pixels`, float[frames, rows, columns] of one exposure, codes.

    Raises DetectorError for fewer than two frames.
    """
    if pixels.ndim != 3 or len(pixels) < 2:
        raise DetectorError(f"a variance needs two frames or more, [frames, rows, columns], not {pixels.shape}")
    return float(pixels.mean()), float(pixels.var(axis=0, ddof=1).mean())


def photon_transfer(
    means: npt.ArrayLike, variances: npt.ArrayLike, degrees: int, quantum_e: float = 1.0
) -> PhotonTransfer:
    """The line through the points of `mean_and_variance`, float64[exposures] each, below saturation.

    `degrees` is the number of pixels times frames less one behind each point: a variance is known to sqrt(2/degrees).

    Raises DetectorError: fewer than two points, or a variance that does not rise with the mean.
    """
    x, y = np.asarray(means, np.float64), positive(variances, "variances", "codes**2")
    if x.ndim != 1 or x.shape != y.shape or len(x) < 2 or degrees < 1:
        raise DetectorError(f"a photon-transfer curve needs two points or more, not {x.shape} and {y.shape}")
    coefficients, covariance = _line(x, y, y * np.sqrt(2 / degrees))
    slope, offset = coefficients
    if slope <= 0:
        raise DetectorError("the variance does not rise with the mean: no shot noise, or saturated pixels")
    gain = float(positive(quantum_e, "quantum_e", "electrons")) / slope
    noise = gain * np.sqrt(max(offset, 0.0))
    # noise**2 = (quantum / slope)**2 offset
    if noise:
        by_slope, by_offset = -noise / slope, noise / (2 * offset)
        jacobian = np.array([by_slope, by_offset])
        noise_error = float(np.sqrt(jacobian @ covariance @ jacobian))
    else:
        noise_error = float(gain * covariance[1, 1] ** 0.25)
    return PhotonTransfer(gain, gain * float(np.sqrt(covariance[0, 0])) / slope, float(noise), noise_error)


def _line(x: Floats, y: Floats, error: Floats) -> tuple[Floats, Floats]:
    """(slope and offset, their covariance) of the weighted least squares of a straight line."""
    design = np.stack([x, np.ones_like(x)], axis=1) / error[:, None]
    covariance = np.linalg.inv(design.T @ design)
    return np.asarray(covariance @ design.T @ (y / error)), np.asarray(covariance)
