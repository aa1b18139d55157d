"""X-ray spectra: from a tube through filters to photons per square millimetre of a stated dose.

shipped table (or spekpy) -> [filtered] -> [scaled_to air kerma] -> photons a bin -> array, sensitivity

Air kerma K = sum of N E mu_en/rho: below 400 keV bremsstrahlung takes nothing away that counts, so that energy absorbed
is energy transferred (Hubbell and Seltzer, NISTIR 5632, whose table for air is shipped).
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.constants import elementary_charge
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from sim.detector.attenuation import Layer, Substance, attenuation_per_mm, substance, transmission
from sim.detector.errors import DetectorError, Floats, positive

TABLES = Path(__file__).parent / "tables"
BIN_KEV = 0.5
"""Width of the shipped tables' bins."""
KEV_PER_G_TO_UGY = 1e3 * elementary_charge * 1e3 * 1e6
"""keV/g in uGy, which is 1e-6 J/kg."""
ARGON_EDGE_KEV = 3.2029
"""Argon's K edge, where the coefficient of air jumps."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Photons that pass a square millimetre, bin by bin: fluence for an exposure, or a second of a rate.

    Members
    -------
    energy_kev : float64[n], middle of each bin, rising.
    photons_mm2 : float64[n], photons/mm2 in each bin.

    Raises DetectorError: arrays that do not fit, energies that do not rise, photons below 0 or none at all.
    """

    energy_kev: Floats
    photons_mm2: Floats

    def __post_init__(self) -> None:
        energy, photons = self.energy_kev, self.photons_mm2
        positive(energy, "energy_kev", "keV")
        positive(photons, "photons_mm2", "photons/mm2", zero=True)
        if energy.ndim != 1 or energy.shape != photons.shape or not (np.diff(energy) > 0).all():
            raise DetectorError(f"a spectrum has as many photons as energies, which rise, not {energy.shape}")
        if not photons.any():
            raise DetectorError("a spectrum without a photon; less filter lets some through")

    def filtered(self, *layers: Layer) -> "Spectrum":
        """The same photons behind these layers, each of one thickness; an exposure stays the same exposure."""
        passed = transmission(layers, self.energy_kev)
        if passed.ndim != 1:
            raise DetectorError("a filter has one thickness; a map of thicknesses is an object, see attenuation")
        return Spectrum(self.energy_kev, self.photons_mm2 * passed)

    def scaled_to(self, kerma_ugy: float) -> "Spectrum":
        """As many photons of this kind as give an air kerma of `kerma_ugy`, more than 0."""
        factor = float(positive(kerma_ugy, "kerma_ugy", "uGy")) / self.kerma_ugy
        return Spectrum(self.energy_kev, self.photons_mm2 * factor)

    @property
    def kerma_ugy(self) -> float:
        """Air kerma, uGy."""
        return float((self.photons_mm2 * kerma_per_photon_ugy_mm2(self.energy_kev)).sum())

    @property
    def photons_mm2_ugy(self) -> float:
        """Photons/mm2 for 1 uGy of air kerma."""
        return float(self.photons_mm2.sum()) / self.kerma_ugy

    @property
    def mean_energy_kev(self) -> float:
        """Mean over the photons."""
        return float((self.photons_mm2 * self.energy_kev).sum() / self.photons_mm2.sum())

    def half_value_layer_mm(self, of: Substance | None = None) -> float:
        """Thickness of a substance (aluminium) that halves the air kerma, mm."""
        absorber = of or substance("Al")
        weights = self.photons_mm2 * kerma_per_photon_ugy_mm2(self.energy_kev)
        per_mm = attenuation_per_mm(absorber, self.energy_kev)

        def excess(thickness_mm: float) -> float:
            return float((weights * np.exp(-per_mm * thickness_mm)).sum() / weights.sum() - 0.5)

        # The least attenuated photons that count need this much: the average needs no more.
        most = np.log(2) / per_mm[weights > 0].min()
        return float(brentq(excess, 0, most * (1 + 1e-9), xtol=1e-9))


def kerma_per_photon_ugy_mm2(energy_kev: Floats) -> Floats:
    """Air kerma of one photon a square millimetre, uGy mm2, of `energy_kev`'s shape.

    Raises DetectorError for energies outside the table of air.
    """
    low, high, below, above = _air()
    if energy_kev.size and not low <= energy_kev.min() <= energy_kev.max() <= high:
        raise DetectorError(f"energy_kev: the table of air goes from {low:g} to {high:g} keV")
    logs = np.log(energy_kev)
    mu_en_cm2_g = np.exp(np.where(energy_kev < ARGON_EDGE_KEV, below(logs), above(logs)))
    return np.asarray(energy_kev * mu_en_cm2_g * KEV_PER_G_TO_UGY * 100, np.float64)


@lru_cache
def _air() -> tuple[float, float, CubicSpline[np.float64], CubicSpline[np.float64]]:
    """(lowest and highest energy, keV; splines of the logarithms below and above argon's edge).

    A straight line between the table's few points would be 3 % high at 70 keV.
    """
    table = np.loadtxt(TABLES / "air_mu_en.csv", delimiter=",")
    logs = np.log(table)
    edge = np.flatnonzero(table[:, 0] == ARGON_EDGE_KEV)[1]
    below, above = (CubicSpline(*part.T) for part in (logs[:edge], logs[edge:]))
    return float(table[0, 0]), float(table[-1, 0]), below, above


def monoenergetic(energy_kev: float) -> Spectrum:
    """One photon/mm2 of that energy."""
    return Spectrum(np.atleast_1d(positive(energy_kev, "energy_kev", "keV")), np.ones(1))


def tube_kilovolts() -> tuple[int, ...]:
    """Tube voltages that a table is shipped for, kV."""
    return tuple(sorted(int(path.stem[2:-3]) for path in TABLES.glob("w_*kvp.csv")))


def tube(kilovolts: int, *layers: Layer) -> Spectrum:
    """The spectrum of a tungsten tube at `kilovolts` behind `layers`: what leaves the anode, of 1 mAs at 1 m.

    The shipped tables hold no filter at all, not even the tube's window. Raises DetectorError for another voltage.
    """
    if kilovolts not in tube_kilovolts():
        shipped = ", ".join(map(str, tube_kilovolts()))
        raise DetectorError(f"there are tables for {shipped} kV, not for {kilovolts}; `calculate` makes another one")
    return _shipped(kilovolts).filtered(*layers)


@lru_cache
def _shipped(kilovolts: int) -> Spectrum:
    table = np.loadtxt(TABLES / f"w_{kilovolts}kvp.csv", delimiter=",")
    table.setflags(write=False)  # it is shared by all who ask
    energy, photons = table.T
    return Spectrum(energy, photons)


def calculate(kilovolts: float, target: str = "W", anode_angle_deg: float = 12) -> Spectrum:
    """The same from spekpy (G. Poludniowski et al., Med. Phys. 48, 3630 (2021)), in bins of BIN_KEV.

    spekpy takes a target of W to 400 kV, of Mo and Rh to 50 kV. Raises DetectorError where it refuses or is missing.
    """
    try:
        import spekpy
    except ImportError:
        raise DetectorError("spectra of other tubes need the package spekpy: pip install edgeray[spectra]") from None
    try:
        model: Any = spekpy.Spek(kvp=kilovolts, th=anode_angle_deg, dk=BIN_KEV, targ=target)
        energy, per_kev_cm2 = model.get_spectrum()
    except Exception as error:  # spekpy raises plain Exceptions
        raise DetectorError(f"spekpy cannot do {target} at {kilovolts} kV: {error}") from None
    return Spectrum(np.asarray(energy), np.asarray(per_kev_cm2) * BIN_KEV / 100)
