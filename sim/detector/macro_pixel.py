"""A macro-pixel: sub-pixels whose bias voltages are a kernel's weights, and whose currents add up in one wire.

transmission map -> [views] -> what each sub-pixel sees -> Kirchhoff's sum -> front end -> response
                                  + digital: each sub-pixel read by itself, the kernel afterwards -> response

Sliding (the paper's scan of an object past one macro-pixel) and macro-pixels side by side (stride 3) differ in the step
from one position to the next only. The analogue sum meets the chip's noise once and each weight's error; the digital
one meets the noise in every sub-pixel and has exact weights.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

from edgeray.protocol.kernels import Kernel
from sim.detector.bias_table import BiasDac, applied_bias_v, bias_entries, filling, largest
from sim.detector.dark import dark_current_na_cm2, electrons
from sim.detector.errors import DetectorError, Floats
from sim.detector.front_end import FrontEnd
from sim.detector.response import Response
from sim.detector.signal import Signal
from sim.detector.timing import Timing


def views(
    scene: npt.NDArray[np.floating], size: int, *, pitch: int, step: int | None = None, aperture: int | None = None
) -> Floats:
    """What each sub-pixel sees at each position: float64[size, size, rows, columns].

    Parameters
    ----------
    scene : float[rows, columns], finely sampled; all lengths here count its samples.
    size : sub-pixels on a side.
    pitch : from one sub-pixel to the next.
    step : from one position of the macro-pixel to the next; None is `pitch`, sliding. size * pitch: side by side.
    aperture : side of the collimator's square hole in front of each sub-pixel; None is `pitch`, no collimator.

    Raises DetectorError: lengths under 1, an aperture over the pitch, a scene smaller than the macro-pixel.
    """
    step, aperture = step or pitch, aperture or pitch
    if min(size, pitch, step, aperture) < 1 or aperture > pitch:
        raise DetectorError(
            f"pitch {pitch}, step {step}, aperture {aperture}: 1 or more, the aperture within the pitch"
        )
    side = (size - 1) * pitch + aperture
    if scene.ndim != 2 or min(scene.shape) < side:
        raise DetectorError(f"a scene of shape {scene.shape} is smaller than a macro-pixel of {side} samples")
    # The filter's window of an even length starts half a sample early; origin moves it so that [0, 0] is the first one.
    mean = uniform_filter(scene.astype(np.float64), aperture, origin=-(aperture // 2))
    rows, columns = ((length - side) // step + 1 for length in scene.shape)
    return np.stack([
        np.stack([
            mean[i * pitch :: step, j * pitch :: step][:rows, :columns]
            for j in range(size)
        ])
        for i in range(size)
    ])  # fmt: skip


@dataclass(frozen=True, eq=False)
class MacroPixel:
    """Sub-pixels under one kernel.

    A photon's charge is taken to scale with the weight. The mean dark charge is subtracted from every response, as a
    dark frame does; its shot noise stays. All methods take `views` of a scene: the part of the charge of `flat` that
    each sub-pixel gets. Raises DetectorError for views of another size than the kernel's.

    Parameters
    ----------
    response : crystal and beam.
    kernel : the weights wanted; the largest is given the full bias.
    flat : charge of one sub-pixel at the full bias in an exposure without an object.
    dac : converters of the bias voltages.
    front_end : the chip; the analogue sum has either sign, so it is read with a reset_level of 0.5.
    area_mm2, integration_s : of a sub-pixel and an exposure, for the dark current; 0 s is none.
    gains : relative responses of the sub-pixels, in rows; the table corrects for them where `calibrated`.
    calibrated : whether it does.
    largest_weight : what the kernel's largest weight becomes, 1 at the full bias: less where the sum would fill the
        chip, as with a mean of nine.
    """

    response: Response
    kernel: Kernel
    flat: Signal
    dac: BiasDac
    front_end: FrontEnd
    area_mm2: float = 0.01
    integration_s: float = 0.0
    gains: npt.ArrayLike = 1.0
    calibrated: bool = True
    largest_weight: float = 1.0

    @cached_property
    def bias_v(self) -> Floats:
        """Bias of each sub-pixel, V, float64 in rows: what table and converters make of the kernel."""
        kernel = filling(self.kernel)
        gains = self.gains if self.calibrated else 1.0
        entries = bias_entries(self.response, self.dac, kernel, gains, self.largest_weight)
        return applied_bias_v(self.dac, kernel, entries)

    @cached_property
    def weights(self) -> Floats:
        """Realised weights, float64 in rows, in units of the full bias."""
        return np.asarray(self.response.weight(self.bias_v) * np.asarray(self.gains, np.float64))

    @property
    def weight_error(self) -> Floats:
        """Realised less wanted weights, float64 in rows, in units of the full bias."""
        return np.asarray(self.weights - self._wanted)

    def samples(
        self, seen: Floats, random: np.random.Generator, timing: Timing | None = None
    ) -> npt.NDArray[np.uint16]:
        """Samples uint16[1, 2, rows, columns] of `views` of a transmission map: summed on the wire, then read.

        Such is what a board takes whose `Detector.convolution` is SENSOR, with a pga_offset of half its full scale. The
        mean dark charge is drained before the capacitor.
        """
        charge = np.zeros(seen.shape[2:])
        for weight, bias_v, view in zip(self.weights.flat, self.bias_v.flat, self._each(seen), strict=True):
            charge += self.flat.times(view).weighted(weight).draw(random) + self._dark(bias_v, view.shape, random)
        return replace(self.front_end, reset_level=0.5).samples(charge[None], random, timing)

    def analogue(self, seen: Floats, random: np.random.Generator) -> Floats:
        """Responses float64[rows, columns], in the codes of `digital`, of those samples."""
        return np.asarray(self.front_end.pixels(self.samples(seen, random))[0] * self._scale)

    def digital(self, seen: Floats, random: np.random.Generator) -> Floats:
        """The same of sub-pixels that are all at the full bias, read one by one, and weighted without an error."""
        response = np.zeros(seen.shape[2:])
        for weight, view in zip(self.kernel.flat, self._each(seen), strict=True):
            dark = self._dark(self.response.full_bias_v, view.shape, random)
            charge = self.flat.times(view).draw(random) + dark
            response += weight * self.front_end.pixels(self.front_end.samples(charge[None], random))[0]
        return response / (1 << self.kernel.shift)

    def ideal(self, seen: Floats) -> Floats:
        """The same without noise, weight error or rounding."""
        return self.exact(seen, self._wanted)

    def exact(self, seen: Floats, weights: Floats) -> Floats:
        """The same without noise or rounding, of weights in units of the full bias."""
        codes = seen * (self.flat.mean_e / self.front_end.electrons_per_code * self._scale)
        return np.asarray(np.tensordot(weights, codes, 2), np.float64)

    def _each(self, seen: Floats) -> Floats:
        """One view a sub-pixel, row by row."""
        if seen.ndim != 4 or seen.shape[:2] != self.kernel.array.shape:
            raise DetectorError(f"views are [{self.kernel.size}, {self.kernel.size}, rows, columns], not {seen.shape}")
        return seen.reshape(-1, *seen.shape[2:])

    @property
    def _wanted(self) -> Floats:
        return np.asarray(self.kernel.array * (self.largest_weight / largest(self.kernel)))

    @property
    def _scale(self) -> float:
        """The analogue sum's largest weight is `largest_weight`, the kernel's own is over 2**shift."""
        return largest(self.kernel) / (1 << self.kernel.shift) / self.largest_weight

    def _dark(self, bias_v: float, shape: tuple[int, ...], random: np.random.Generator) -> Floats:
        """Fluctuation of the dark charge about its mean, electrons."""
        if not self.integration_s:
            return np.zeros(shape)
        density = dark_current_na_cm2(self.response.material, bias_v, self.response.thickness_mm)
        mean_e = float(np.abs(electrons(density, self.area_mm2, self.integration_s)))
        return np.asarray(random.poisson(mean_e, shape) - mean_e, np.float64)


@dataclass(frozen=True)
class Difference:
    """Analogue against digital convolution of one scene, codes rms unless said.

    Members
    -------
    weights : the part that the realised weights differ by, without any noise.
    analogue, digital : what each differs from the ideal response.
    total : what they differ from each other.
    correlation : of the two responses, 1 for alike.
    """

    weights: float
    analogue: float
    digital: float
    total: float
    correlation: float


def compare(macro_pixel: MacroPixel, seen: Floats, random: np.random.Generator) -> Difference:
    """How far the analogue and the digital convolution of `views` are apart, each with noise of its own."""
    ideal, exact = macro_pixel.ideal(seen), macro_pixel.exact(seen, macro_pixel.weights)
    analogue, digital = macro_pixel.analogue(seen, random), macro_pixel.digital(seen, random)
    spread = analogue.std() > 0 and digital.std() > 0
    return Difference(
        weights=_rms(exact - ideal),
        analogue=_rms(analogue - ideal),
        digital=_rms(digital - ideal),
        total=_rms(analogue - digital),
        correlation=float(np.corrcoef(analogue.ravel(), digital.ravel())[0, 1]) if spread else 1.0,
    )


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
