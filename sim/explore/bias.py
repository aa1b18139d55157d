"""The bias: as much as the signal gains by, and no more, since the dark current goes on rising with it.

Problem, dose -> [bias_curve] -> signal over noise at each bias -> recommended one -> Problem.full_bias_v

More bias collects more of the charge (Hecht), until nearly all arrives; the dark current follows Ohm's law all the way,
its shot noise adds to that of photons and chip, and it fills the capacitor. So there is a best bias, and below it a
range where the signal-to-noise ratio is nearly as good for much less dark current: its lower end is recommended.
"""

from dataclasses import dataclass

import numpy as np

from sim.detector.errors import Floats
from sim.detector.front_end import FrontEnd
from sim.detector.signal import expose
from sim.explore.errors import ExploreError
from sim.explore.evaluate import dark_e
from sim.explore.problem import Problem

LOSS = 0.01
"""Part of the best signal-to-noise ratio that the recommended bias may miss."""
STEPS = 100


@dataclass(frozen=True, eq=False)
class BiasCurve:
    """A pixel without an object at each bias, float64[n] each.

    Members
    -------
    dose_ugy : of the exposure.
    bias_v : rising.
    collected : part of the charge set free that arrives.
    signal_e, dark_e : mean charge of the X-rays, of the dark current, electrons.
    snr : mean signal over its noise.
    filled : part of the chip's capacitor that both charges fill.
    """

    dose_ugy: float
    bias_v: Floats
    collected: Floats
    signal_e: Floats
    dark_e: Floats
    snr: Floats
    filled: Floats

    @property
    def recommended_v(self) -> float:
        """The least bias that misses at most LOSS of the best ratio among those at which the charge fits.

        Raises ExploreError where the capacitor overflows at every bias.
        """
        fits = self.filled <= 1
        if not fits.any():
            raise ExploreError(
                f"at {self.dose_ugy:g} uGy the charge fills the chip's capacitor at every bias; the crystal needs a "
                "shorter exposure, a larger capacitance or a higher resistivity"
            )
        return float(self.bias_v[(self.snr >= (1 - LOSS) * self.snr[fits].max())][0])


def bias_curve(problem: Problem, dose_ugy: float) -> BiasCurve:
    """The curve of a dose, air kerma of a frame. Raises MaterialError where the record lacks what is needed."""
    response, chip = problem.response, FrontEnd(capacitance_ff=problem.capacitance_ff)
    bias_v = response.limit_v * np.arange(1, STEPS + 1) / STEPS
    area_mm2, thickness_mm = problem.pitch_mm**2, response.thickness_mm
    flat = [
        expose(response.spectrum, (), problem.material, bias, thickness_mm, area_mm2).times(dose_ugy)
        for bias in bias_v.tolist()
    ]
    mean = np.array([float(one.mean_e) for one in flat])
    variance = np.array([float(one.variance_e2) for one in flat])
    dark = dark_e(problem, bias_v, dose_ugy)
    return BiasCurve(
        dose_ugy=dose_ugy,
        bias_v=bias_v,
        collected=response.collected(bias_v),
        signal_e=mean,
        dark_e=dark,
        snr=mean / np.sqrt(variance + dark + chip.pixel_noise_e() ** 2),
        filled=(mean + dark) / chip.full_well_e,
    )
