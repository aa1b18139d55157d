"""Noise of a pixel in a chosen design: how much comes from where, and what the kernel makes of it.

Problem, Choice -> photons, dark current, chip -> [noise_budget] -> electrons, codes -> report

Of the open field, without an object, where it is largest; where that fills the chip, of the brightest pixel that does
not, since a pixel at full scale shows no noise. The parts are independent: their squares add up.
"""

from dataclasses import dataclass

import numpy as np

from edgeray.protocol.kernels import KERNELS
from sim.explore.evaluate import Choice, dark_e, fitting_part, front_end, macro_pixel
from sim.explore.problem import Problem, scene


@dataclass(frozen=True, kw_only=True)
class NoiseBudget:
    """Noise of what is sampled once: a pixel, or where the sensor convolves the sum of a macro-pixel.

    Members
    -------
    part : of the open field's dose that the budget is of: 1, or less where the open field fills the chip.
    signal_e : mean charge of a pixel at the full bias, electrons.
    photons_e, dark_e, read_e, adc_e : noise of the X-rays (their number, energy and depth), of the dark current, of the
        chip's amplifiers and of the ADC with its rounding, electrons rms; the last two of two samples, as double
        sampling subtracts them. It takes the noise of the reset away.
    electrons_per_code : conversion gain.
    kernel_gain : noise of a kernel response over that of what is sampled once.
    rounding_codes : what rounding the response adds, codes rms.
    """

    part: float
    signal_e: float
    photons_e: float
    dark_e: float
    read_e: float
    adc_e: float
    electrons_per_code: float
    kernel_gain: float
    rounding_codes: float

    @property
    def chip_e(self) -> float:
        """Amplifiers and ADC together, electrons rms."""
        return float(np.hypot(self.read_e, self.adc_e))

    @property
    def total_e(self) -> float:
        """All parts together, electrons rms."""
        return float(np.hypot(self.chip_e, np.hypot(self.photons_e, self.dark_e)))

    @property
    def total_codes(self) -> float:
        """The same in codes of the ADC."""
        return self.total_e / self.electrons_per_code

    @property
    def response_codes(self) -> float:
        """Noise of a kernel response, codes rms."""
        return float(np.hypot(self.total_codes * self.kernel_gain, self.rounding_codes))


def noise_budget(problem: Problem, choice: Choice) -> NoiseBudget:
    """The noise that `choice` meets. Raises what `evaluate` raises."""
    seen, chip, kernel = scene(problem), front_end(problem, choice), KERNELS[choice.kernel]
    flat = seen.flat.times(choice.dose_ugy)
    part = fitting_part(problem, choice)
    if choice.in_sensor:
        pixel = macro_pixel(problem, choice)
        weights2, bias_v, kernel_gain, shift = float(np.square(pixel.weights).sum()), pixel.bias_v, 1.0, 0
    else:
        weights2, bias_v = 1.0, np.array([problem.full_bias_v])
        kernel_gain, shift = float(np.sqrt(np.square(kernel.array).sum())) / (1 << kernel.shift), kernel.shift
    return NoiseBudget(
        part=part,
        signal_e=part * float(flat.mean_e),
        photons_e=float(np.sqrt(part * flat.variance_e2 * weights2)),
        dark_e=float(np.sqrt(dark_e(problem, bias_v, choice.dose_ugy).sum())),
        read_e=float(np.sqrt(2) * chip.read_noise_e),
        adc_e=float(np.sqrt(2 * (chip.adc_noise_codes**2 + 1 / 12)) * chip.electrons_per_code),
        electrons_per_code=chip.electrons_per_code,
        kernel_gain=kernel_gain,
        rounding_codes=12**-0.5 if shift else 0.0,
    )
