"""Photocurrent against voltage: the paper's Eq. 1, and mu tau fitted from a measured curve.

(bias, X-ray current minus dark current) -> [fit_hecht] -> mu tau with its uncertainty

    I = I0 (mu tau V / L**2) (1 - exp(-L**2 / (mu tau V))) / (1 + L s / (mu V))

Strongly absorbed X-rays make one carrier cross the crystal: which one, the bias's sign says.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import OptimizeWarning, curve_fit

from sim.detector.charge import hecht
from sim.detector.errors import DetectorError, Floats, positive


def modified_hecht(
    bias_v: npt.ArrayLike, thickness_mm: float, mu_tau_cm2_v: float, surface_v_cm: float = 0.0, saturated: float = 1.0
) -> Floats:
    """The current at a bias of either sign, which it has too, in the unit of `saturated`, which is I0.

    `surface_v_cm` is s / mu: all that Eq. 1 holds of the surface recombination velocity and the mobility.
    """
    bias = np.asarray(bias_v, np.float64)
    lost_v = thickness_mm / 10 * float(positive(surface_v_cm, "surface_v_cm", "V/cm", zero=True))
    size = np.abs(bias)
    factor = np.divide(size, size + lost_v, out=np.zeros_like(size), where=size > 0)
    return np.asarray(np.sign(bias) * saturated * hecht(mu_tau_cm2_v, bias, thickness_mm) * factor, np.float64)


@dataclass(frozen=True)
class HechtFit:
    """A fit of Eq. 1; each `_error` is one standard deviation.

    `surface_v_cm` and its error are 0 where s was taken for 0. `saturated` is I0 in the current's unit.
    """

    mu_tau_cm2_v: float
    mu_tau_error_cm2_v: float
    saturated: float
    saturated_error: float
    surface_v_cm: float
    surface_error_v_cm: float


def fit_hecht(
    bias_v: npt.ArrayLike,
    current: npt.ArrayLike,
    thickness_mm: float,
    *,
    current_error: npt.ArrayLike | None = None,
    surface: bool = False,
) -> HechtFit:
    """mu tau (and I0, and with `surface` s / mu) from a curve of one polarity, float64[n] each.

    `current_error` is the standard deviation of each current; None: alike for all, as large as the residuals.
    mu tau and s / mu both bend the curve the same way: without points far below saturation they cannot be told apart,
    and the errors say so.

    Raises DetectorError: arrays that do not fit, both polarities, fewer points than unknowns and one more, no fit.
    """
    bias, currents = np.asarray(bias_v, np.float64), np.asarray(current, np.float64)
    unknowns = 3 if surface else 2
    if bias.ndim != 1 or bias.shape != currents.shape or len(bias) <= unknowns:
        raise DetectorError(f"a fit needs as many currents as bias voltages, over {unknowns}, not {currents.shape}")
    if not (np.isfinite(bias).all() and np.isfinite(currents).all()) or not ((bias > 0).all() or (bias < 0).all()):
        raise DetectorError("a fit needs finite currents at bias voltages of one polarity: each carrier has its own")
    size, signal = np.abs(bias), currents * np.sign(currents.sum())
    if signal.max() <= 0:
        raise DetectorError("a fit needs a photocurrent that is not 0")

    def model(bias: Floats, *logs: float) -> Floats:
        # Logarithms keep the unknowns positive, and relative errors come out as they are.
        mu_tau, saturated = np.exp(logs[0]), np.exp(logs[1])
        return modified_hecht(bias, thickness_mm, mu_tau, np.exp(logs[2]) if surface else 0.0, saturated)

    # Half of saturation is near x = 0.6.
    half = float(np.interp(0.5 * signal.max(), np.sort(signal), size[np.argsort(signal)]))
    start = [np.log(0.6 * (thickness_mm / 10) ** 2 / half), np.log(signal.max())]
    start += [np.log(0.1 * half / (thickness_mm / 10))] * surface
    sigma = None if current_error is None else positive(current_error, "current_error", "the current's unit")
    sigma = None if sigma is None else np.broadcast_to(sigma, size.shape)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            best, covariance = curve_fit(
                model, size, signal, p0=start, sigma=sigma, absolute_sigma=sigma is not None, maxfev=10_000
            )
    except (RuntimeError, OptimizeWarning, DetectorError) as error:
        raise DetectorError(f"no fit of the Hecht equation: {error}") from None
    values, errors = np.exp(best), np.exp(best) * np.sqrt(np.diag(covariance))
    surfaces = (float(values[2]), float(errors[2])) if surface else (0.0, 0.0)
    return HechtFit(float(values[0]), float(errors[0]), float(values[1]), float(errors[1]), *surfaces)
