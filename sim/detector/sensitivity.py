"""Sensitivity: charge a square centimetre of detector gives for a gray of air kerma, without photoconductive gain.

spectrum, material, thickness, bias -> [sensitivity] -> uC/Gy_air/cm2

S = sum_E N(E) E A(E) eta(E) e / W / K_air: photons, their energy, the part absorbed, the part collected.
"""

import numpy as np
import numpy.typing as npt
from scipy.constants import elementary_charge

from sim.detector.attenuation import absorption, attenuation_per_mm
from sim.detector.charge import collected
from sim.detector.errors import Floats, positive
from sim.detector.material import Material
from sim.detector.spectrum import Spectrum


def sensitivity(
    material: Material, thickness_mm: float, bias_v: float, spectrum: Spectrum, *, surface: bool = False
) -> float:
    """Intrinsic sensitivity, uC/Gy_air/cm2; `surface`: less what surface recombination takes.

    Raises DetectorError for a thickness that is not positive, MaterialError where the record lacks what is needed.
    """
    per_mm = attenuation_per_mm(material.substance, spectrum.energy_kev)
    parts = collected(material, bias_v, thickness_mm, per_mm, surface=surface).mean
    return _charge_uc_gy_cm2(material, thickness_mm, bias_v, spectrum, per_mm, parts)


def sensitivity_map(
    material: Material,
    thickness_mm: npt.ArrayLike,
    mu_tau_field_cm: npt.ArrayLike,
    spectrum: Spectrum,
    pair_energy_ev: float,
) -> Floats:
    """Intrinsic sensitivity against thickness and drift length mu tau E, float64 of their broadcast shape: Fig. 2f.

    One carrier crosses, so that the collected part is Hecht's with x = mu tau E / L, whatever the depth.
    """
    thickness = positive(thickness_mm, "thickness_mm", "mm")
    drift = 10 * positive(mu_tau_field_cm, "mu_tau_field_cm", "cm") / thickness
    per_mm = attenuation_per_mm(material.substance, spectrum.energy_kev)
    weights = spectrum.photons_mm2 * spectrum.energy_kev
    absorbed_kev = -np.expm1(-np.multiply.outer(thickness, per_mm)) @ weights
    part = -drift * np.expm1(-1 / drift)
    return np.asarray(part * absorbed_kev * _uc_gy_cm2_per_kev_mm2(pair_energy_ev, spectrum), np.float64)


def _charge_uc_gy_cm2(
    material: Material, thickness_mm: float, bias_v: float, spectrum: Spectrum, per_mm: Floats, parts: Floats
) -> float:
    absorbed = absorption(material.substance, thickness_mm, spectrum.energy_kev)
    collected_kev = float((spectrum.photons_mm2 * spectrum.energy_kev * absorbed * parts).sum())
    return collected_kev * _uc_gy_cm2_per_kev_mm2(material.pair_energy_at_ev(bias_v, thickness_mm), spectrum)


def _uc_gy_cm2_per_kev_mm2(pair_energy_ev: float, spectrum: Spectrum) -> float:
    """Sensitivity for each keV/mm2 that is collected."""
    pairs_cm2 = 1000 / pair_energy_ev * 100
    return pairs_cm2 * elementary_charge * 1e6 / (spectrum.kerma_ugy * 1e-6)
