"""Lag: charge that traps hold back and give to later frames.

charge of each frame -> [with_lag] -> charge that arrives in each frame

A part f of the charge is trapped and released with one time constant tau. Nothing is lost: what a series does not show
any more would come after it.
"""

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from sim.detector.dark import BOLTZMANN_EV_K
from sim.detector.errors import DetectorError, Floats, positive


def with_lag(charge: npt.NDArray[np.floating], period_s: float, fraction: float, time_s: float) -> Floats:
    """What arrives in each frame of `charge`, float64[frames, ...], frames `period_s` apart; the same shape and unit.

    With d = exp(-period / tau) a frame gets (1 - f) of its own charge, and of all that is trapped, its own part
    included, 1 - d. Raises DetectorError for a fraction outside 0 to 1, a time that is not positive.
    """
    if not 0 <= fraction <= 1:
        raise DetectorError(f"a lag fraction takes 0 to 1, not {fraction!r}")
    held = float(np.exp(-positive(period_s, "period_s", "s") / positive(time_s, "time_s", "s")))
    # Of a unit of charge: 1 - f + f (1 - d) in its own frame, then f (1 - d) d, f (1 - d) d**2, ...
    taps = [1 - fraction * held, -(1 - fraction) * held]
    return np.asarray(lfilter(taps, [1, -held], np.asarray(charge, np.float64), axis=0), np.float64)


def release_time_s(depth_ev: float, temperature_k: float, attempts_hz: float = 1e12) -> float:
    """Mean time that a carrier stays in a trap: exp(E / kT) / attempts, the attempt-to-escape rate."""
    depth, temperature = positive([depth_ev, temperature_k], "depth_ev, temperature_k", "eV, K")
    return float(np.exp(depth / (BOLTZMANN_EV_K * temperature)) / positive(attempts_hz, "attempts_hz", "Hz"))
