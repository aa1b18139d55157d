"""From photons to charge: mean and fluctuation of what a pixel collects of an exposure, before it is drawn.

spectrum -> object -> crystal -> [Signal] -> drawn charge

Photons arrive as a Poisson process and each gives a random charge q, so the charge of an exposure has the mean
N <q> and the variance N <q**2> (Campbell's theorem): both sums over energies are kept. <q**2> holds the spread over
energies and depths and Fano's, F n for n pairs (U. Fano, Phys. Rev. 72, 26 (1947)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.detector.attenuation import Layer, absorption, attenuation_per_mm
from sim.detector.charge import collected, pairs
from sim.detector.errors import DetectorError, Floats
from sim.detector.material import Material
from sim.detector.spectrum import Spectrum


@dataclass(frozen=True, eq=False)
class Signal:
    """Charge of an exposure, of any shape: `mean_e`, with the bias's sign, and `variance_e2`, in electrons."""

    mean_e: Floats
    variance_e2: Floats

    def times(self, exposure: float | Floats) -> "Signal":
        """The same for `exposure` times as many photons, 0 or more."""
        return Signal(np.asarray(self.mean_e * exposure), np.asarray(self.variance_e2 * exposure))

    def weighted(self, weight: float | Floats) -> "Signal":
        """The same where every photon gives `weight` times the charge."""
        return Signal(np.asarray(self.mean_e * weight), np.asarray(self.variance_e2 * np.square(weight)))

    def draw(self, random: np.random.Generator) -> Floats:
        """A random charge, electrons: a scaled Poisson number with this mean and this variance.

        Where all photons give the same charge that is exact; otherwise the first two moments are.
        """
        seen = self.mean_e != 0
        step = np.divide(self.variance_e2, self.mean_e, out=np.ones_like(self.mean_e), where=seen)
        count = np.divide(np.square(self.mean_e), self.variance_e2, out=np.zeros_like(self.mean_e), where=seen)
        return np.asarray(random.poisson(count) * step, np.float64)


def charge_per_photon(
    material: Material, bias_v: float, thickness_mm: float, energy_kev: Floats, *, surface: bool = True
) -> tuple[Floats, Floats]:
    """Mean, with the bias's sign, and mean square of the charge that an incident photon gives: electrons, electrons**2.

    Both float64 of `energy_kev`'s shape; photons that are not absorbed count with 0. A record without a Fano factor
    counts as 0, which the spread of energies drowns anyway.
    """
    per_mm = attenuation_per_mm(material.substance, energy_kev)
    absorbed = absorption(material.substance, thickness_mm, energy_kev)
    part = collected(material, bias_v, thickness_mm, per_mm, surface=surface)
    count = pairs(energy_kev, material.pair_energy_at_ev(bias_v, thickness_mm)) if bias_v else np.zeros_like(energy_kev)
    mean = np.sign(bias_v) * absorbed * count * part.mean
    fano = material.fano_factor or 0.0
    return np.asarray(mean), np.asarray(absorbed * (count**2 + fano * count) * part.mean_square)


def expose(
    spectrum: Spectrum,
    layers: Sequence[Layer],
    material: Material,
    bias_v: float,
    thickness_mm: float,
    area_mm2: float,
    *,
    surface: bool = True,
) -> Signal:
    """The charge of a pixel of `area_mm2` behind `layers`; its shape is that of their thickness maps.

    Raises DetectorError for maps that do not fit together, MaterialError where the record lacks what is needed.
    """
    mean, square = charge_per_photon(material, bias_v, thickness_mm, spectrum.energy_kev, surface=surface)
    photons = spectrum.photons_mm2 * area_mm2
    try:
        shape = np.broadcast_shapes(*(np.shape(layer.thickness_mm) for layer in layers))
    except ValueError:
        raise DetectorError("the thickness maps of the layers do not fit together") from None
    per_mm = [attenuation_per_mm(layer.substance, spectrum.energy_kev) for layer in layers]
    means, variances = np.zeros(shape), np.zeros(shape)
    # One energy after the other: a radiograph of all energies at once would not fit the memory.
    for index in np.flatnonzero(photons):
        path = np.zeros(shape)
        for layer, coefficients in zip(layers, per_mm, strict=True):
            path += coefficients[index] * np.asarray(layer.thickness_mm)
        passed = photons[index] * np.exp(-path)
        means += passed * mean[index]
        variances += passed * square[index]
    return Signal(means, variances)
