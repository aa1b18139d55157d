"""The detector twin: a pixel array that turns a scene into the samples which the gateware takes.

    scene: layers, or a transmission map -> charge (photons, collection, gain, dead pixels) + dark current
        -> lag from frame to frame -> readout chip -> uint16[n, 2, rows, columns] -> virtual board, golden model

The same seed is the same chip: its gains, dead pixels and columns. A frame's noise comes from seed and frame number
alone, so that a long series can be made in pieces; lag begins anew with each piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.constants import elementary_charge

from edgeray.mosaic import Mosaic
from edgeray.protocol.detector import Detector
from sim.detector import signal
from sim.detector.attenuation import Layer
from sim.detector.dark import ROOM_K, dark_current_na_cm2, electrons
from sim.detector.errors import DetectorError, Floats, positive
from sim.detector.front_end import FrontEnd, injection_efficiency
from sim.detector.lag import with_lag
from sim.detector.linearity import respond
from sim.detector.material import Material
from sim.detector.signal import Signal
from sim.detector.spectrum import Spectrum
from sim.detector.timing import Timing

_GAINS, _DEAD, _CHARGE, _READ = range(4)


@dataclass(frozen=True, eq=False, kw_only=True)
class Twin:
    """A detector. Where the paper gives no number the defaults are assumptions.

    Parameters
    ----------
    material, spectrum : the crystal; the beam in front of the object, of any dose.
    detector : rows, columns, guard ring, which collects no charge.
    front_end : the readout chip; `sample_bits` as the detector's.
    bias_v : of all pixels; the chip is taken to integrate either sign as positive charge.
    thickness_mm : of the crystal; None is that of the record.
    pitch_mm : of the square pixels, all of whose area collects.
    gain_spread : standard deviation of the pixels' relative gain.
    dead_fraction : part of the imaging pixels that give no charge.
    seed : of chip and noise.

    Raises DetectorError for values outside their limits, MaterialError where the record lacks what is needed.
    """

    material: Material
    spectrum: Spectrum
    detector: Detector = field(default_factory=Detector)
    front_end: FrontEnd = field(default_factory=FrontEnd)
    bias_v: float = -100.0
    thickness_mm: float | None = None
    pitch_mm: float = 0.1
    gain_spread: float = 0.02
    dead_fraction: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        positive(self.pitch_mm, "pitch_mm", "mm")
        positive(self.gain_spread, "gain_spread", "1", zero=True)
        if not np.isfinite(self.bias_v) or not self.bias_v:
            raise DetectorError(f"bias_v takes a voltage that is not 0, not {self.bias_v!r}")
        if not 0 <= self.dead_fraction <= 1:
            raise DetectorError(f"dead_fraction takes 0 to 1, not {self.dead_fraction!r}")
        if self.front_end.sample_bits != self.detector.sample_bits:
            raise DetectorError(
                f"the front end samples {self.front_end.sample_bits} bits, the detector has {self.detector.sample_bits}"
            )

    @cached_property
    def imaging(self) -> npt.NDArray[np.bool_]:
        """bool[rows, columns]: False in the guard ring."""
        ring, detector = self.detector.guard_ring, self.detector
        mask = np.zeros((detector.rows, detector.columns), np.bool_)
        mask[ring : detector.rows - ring, ring : detector.columns - ring] = True
        return mask

    @cached_property
    def dead(self) -> npt.NDArray[np.bool_]:
        """bool[rows, columns]: imaging pixels without contact, `dead_fraction` of them, rounded."""
        mask = np.zeros(self.imaging.size, np.bool_)
        places = np.flatnonzero(self.imaging)
        chosen = self._random(_DEAD).permutation(len(places))[: round(self.dead_fraction * len(places))]
        mask[places[chosen]] = True
        return mask.reshape(self.imaging.shape)

    @cached_property
    def gains(self) -> Floats:
        """float64[rows, columns]: relative response, mean 1; 0 in the guard ring and in dead pixels."""
        gains = np.maximum(1 + self._random(_GAINS).normal(0, self.gain_spread, self.imaging.shape), 0)
        return np.where(self.imaging & ~self.dead, gains, 0.0)

    @property
    def crystal_mm(self) -> float:
        """Thickness of the crystal."""
        return self.material.need("thickness_mm") if self.thickness_mm is None else self.thickness_mm

    @cached_property
    def flat(self) -> Signal:
        """Charge that 1 uGy gives a pixel without object, and its variance: the mean is positive."""
        return self._signal(())

    def dark_e_s(self, temperature_k: npt.ArrayLike = ROOM_K) -> Floats:
        """Dark current of a pixel, electrons/s, without sign, of `temperature_k`'s shape."""
        density = dark_current_na_cm2(self.material, self.bias_v, self.crystal_mm, temperature_k)
        return np.abs(electrons(density, self.pitch_mm**2, 1.0))

    def expose(
        self,
        scene: npt.NDArray[np.floating] | Sequence[Layer],
        dose_rate_ugy_s: npt.ArrayLike,
        timing: Timing,
        *,
        frames: int | None = None,
        temperature_k: npt.ArrayLike = ROOM_K,
        first_frame: int = 0,
    ) -> npt.NDArray[np.uint16]:
        """Samples uint16[n, 2, rows, columns] of `n` frames, in codes: reset, then signal.

        Parameters
        ----------
        scene : part of the dose that reaches each pixel, 0 to 1: [rows, columns], or [n, rows, columns] where it
            changes; or layers with maps of such shapes, whose spectrum hardens.
        dose_rate_ugy_s : air kerma rate at the detector without object, a number or one a frame.
        timing : integration and settling times.
        frames : n, where the scene does not tell; otherwise it has to be the same.
        temperature_k : of the crystal, a number or one a frame.
        first_frame : number of the first of them in its series.

        Raises DetectorError: shapes that do not fit, a transmission outside 0 to 1, a rate below 0.
        """
        charge = self.charge_e(
            scene, dose_rate_ugy_s, timing, frames=frames, temperature_k=temperature_k, first_frame=first_frame
        )
        columns = self.front_end.column_pattern_e(self.detector.columns, self.seed)
        samples = [
            self.front_end.samples(charge[frame : frame + 1], self._random(_READ, first_frame + frame), timing, columns)
            for frame in range(len(charge))
        ]
        return np.concatenate(samples)

    def charge_e(
        self,
        scene: npt.NDArray[np.floating] | Sequence[Layer],
        dose_rate_ugy_s: npt.ArrayLike,
        timing: Timing,
        *,
        frames: int | None = None,
        temperature_k: npt.ArrayLike = ROOM_K,
        first_frame: int = 0,
    ) -> Floats:
        """What the pixels of `expose` collect, float64[n, rows, columns], electrons, dark current and lag included."""
        once = self._seen(scene)
        rates = positive(dose_rate_ugy_s, "dose_rate_ugy_s", "uGy/s", zero=True)
        temperatures = np.asarray(temperature_k, np.float64)
        count = self._count(frames, once.mean_e.shape, rates.shape, temperatures.shape)
        rates = np.broadcast_to(rates, count)
        dark = np.broadcast_to(self.dark_e_s(temperatures), count) * timing.integration_s
        relative = once.mean_e / self.flat.mean_e
        charge = np.empty((count, *self.imaging.shape))
        shadow = np.zeros_like(charge)
        for frame in range(count):
            random = self._random(_CHARGE, first_frame + frame)
            index = frame if len(once.mean_e) > 1 else 0
            gains = self.gains * self._linearity(rates[frame] * relative[index])
            exposed = Signal(once.mean_e[index], once.variance_e2[index]).times(rates[frame] * timing.integration_s)
            charge[frame] = exposed.weighted(gains).draw(random)
            shadow[frame] = random.poisson(np.where(self.gains > 0, dark[frame], 0))
        if self.material.lag_fraction:
            charge = with_lag(charge, timing.frame_s, self.material.lag_fraction, self.material.need("lag_time_s"))
        return self._injected(charge + shadow, dark[:, None, None] / timing.integration_s, timing)

    def _injected(self, charge_e: Floats, dark_e_s: Floats, timing: Timing) -> Floats:
        """What passes the chip's input transistors; the crystal's resistance is bias over dark current."""
        nanoampere = 1e9 * elementary_charge
        resistance_gohm = np.abs(self.bias_v) / (dark_e_s * nanoampere)
        current_na = np.maximum(charge_e, 0) / timing.integration_s * nanoampere
        return charge_e * injection_efficiency(current_na, resistance_gohm)

    def scan(
        self, mosaic: Mosaic, transmission: npt.NDArray[np.floating], dose_rate_ugy_s: float, timing: Timing
    ) -> npt.NDArray[np.uint16]:
        """Samples of every window of a transmission map, float[rows, columns], that is larger than the detector."""
        return self.expose(np.stack(list(mosaic.cut(transmission))), dose_rate_ugy_s, timing)

    def _seen(self, scene: npt.NDArray[np.floating] | Sequence[Layer]) -> Signal:
        """Charge for 1 uGy without object: [1 or n, rows, columns]."""
        if isinstance(scene, np.ndarray):
            part = positive(scene, "transmission", "1", zero=True)
            if (part > 1).any():
                raise DetectorError(f"a transmission is 0 to 1, not {part.max():g}")
            seen = self.flat.times(part)
        else:
            seen = self._signal(scene)
        shape, there = self.imaging.shape, seen.mean_e.shape
        if there not in ((), shape, (*there[:1], *shape)) or 0 in there:
            raise DetectorError(f"a scene is [{shape[0]}, {shape[1]}], or several of these, not {list(there)}")
        frames = there if len(there) == 3 else (1, *shape)
        return Signal(np.broadcast_to(seen.mean_e, frames), np.broadcast_to(seen.variance_e2, frames))

    def _signal(self, layers: Sequence[Layer]) -> Signal:
        one = signal.expose(
            self.spectrum.scaled_to(1.0), layers, self.material, self.bias_v, self.crystal_mm, self.pitch_mm**2
        )
        return one.weighted(np.sign(self.bias_v))

    def _linearity(self, rate_ugy_s: Floats) -> Floats:
        """Response over that of a linear device; 1 where the record has no linear range."""
        if self.material.linear_low_ugy_s is None:
            return np.ones_like(rate_ugy_s)
        shown = respond(rate_ugy_s, self.material)
        return np.divide(shown, rate_ugy_s, out=np.ones_like(rate_ugy_s), where=rate_ugy_s > 0)

    def _count(self, frames: int | None, *shapes: tuple[int, ...]) -> int:
        """Frames that all arguments agree on."""
        if frames is not None and frames < 1:
            raise DetectorError(f"frames takes 1 or more, not {frames!r}")
        if max(map(len, shapes[1:])) > 1:
            raise DetectorError("dose_rate_ugy_s and temperature_k take a number, or one a frame")
        told = {shape[0] for shape in shapes if shape and shape[0] != 1} | ({frames} if frames else set())
        if len(told) > 1:
            raise DetectorError(f"scene, rates, temperatures and frames tell of {sorted(told)} frames")
        return told.pop() if told else 1

    def _random(self, what: int, *numbers: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, what, *numbers))
