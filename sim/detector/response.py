"""Bias voltage and weight: the response of a sub-pixel with a sign, and the bias that gives a wanted one.

bias -> [weight] -> macro_pixel        kernel weight -> [bias_for] -> bias_table -> converters

The weight is the collected part of the absorbed energy, with the bias's sign, in units of that at the full bias. The
paper measured equal magnitudes at +95 and -73 V. In this model holes cross the crystal at +95 V and electrons, which
drift further, at -73 V; the record's surface recombination velocity is what balances them. That is one way to read the
measurement, and the record says so.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sim.detector.attenuation import attenuation_per_mm
from sim.detector.charge import collected
from sim.detector.errors import DetectorError, Floats, positive
from sim.detector.material import Material
from sim.detector.spectrum import Spectrum

_BISECTIONS = 50


@dataclass(frozen=True, eq=False)
class Response:
    """A crystal in a beam.

    Parameters
    ----------
    material, thickness_mm, spectrum : what it is made of, how thick, and what it sees; doses do not matter.
    full_bias_v : bias of weight 1; that of weight -1 follows.
    limit_v : largest bias of either sign that `bias_for` gives.
    """

    material: Material
    thickness_mm: float
    spectrum: Spectrum
    full_bias_v: float = 95.0
    limit_v: float = 100.0

    def __post_init__(self) -> None:
        positive(self.thickness_mm, "thickness_mm", "mm")
        positive(self.limit_v, "limit_v", "V")
        if not 0 < self.full_bias_v <= self.limit_v:
            raise DetectorError(f"full_bias_v takes over 0 to {self.limit_v:g} V, the limit, not {self.full_bias_v:g}")

    @cached_property
    def _beam(self) -> tuple[Floats, Floats]:
        """(attenuation 1/mm, part of the absorbed energy) of each energy that counts."""
        energy = self.spectrum.energy_kev
        per_mm = attenuation_per_mm(self.material.substance, energy)
        weights = self.spectrum.photons_mm2 * energy * -np.expm1(-per_mm * self.thickness_mm)
        counts = weights > 1e-6 * weights.max()
        return per_mm[counts], weights[counts] / weights[counts].sum()

    def collected(self, bias_v: npt.ArrayLike) -> Floats:
        """Part of the charge set free that arrives, -1 to 1 with the bias's sign, of `bias_v`'s shape."""
        bias = np.asarray(bias_v, np.float64)
        per_mm, weights = self._beam
        return np.sign(bias) * (collected(self.material, bias[..., None], self.thickness_mm, per_mm).mean @ weights)

    def weight(self, bias_v: npt.ArrayLike) -> Floats:
        """`collected` in units of that at the full bias."""
        return self.collected(bias_v) / self.collected(self.full_bias_v)

    def bias_for(self, weight: npt.ArrayLike) -> Floats:
        """The bias, V, that gives each weight; 0 V for weight 0. Rises with the weight.

        Raises DetectorError for a weight that `limit_v` does not reach; names the largest of that sign.
        """
        asked = np.asarray(weight, np.float64)
        # A kernel has few different weights.
        wanted, places = np.unique(asked, return_inverse=True)
        most = self.weight(self.limit_v * np.array([-1, 1]))
        wrong = ~((most[0] <= wanted) & (wanted <= most[1]))
        if wrong.any():
            raise DetectorError(
                f"weight {wanted[wrong][0]:g} is not between {most[0]:.4g} and {most[1]:.4g}, "
                f"which {self.limit_v:g} V of either sign give"
            )
        # The weight rises with the bias: halved until doubles cannot tell the ends apart.
        low, high = np.full(wanted.shape, -self.limit_v), np.full(wanted.shape, self.limit_v)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            less = self.weight(middle) < wanted
            low, high = np.where(less, middle, low), np.where(less, high, middle)
        return np.asarray(np.where(wanted == 0, 0.0, (low + high) / 2)[places].reshape(asked.shape), np.float64)
