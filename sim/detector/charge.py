"""Charge: how much of what X-rays set free in the crystal arrives at the electrodes.

absorbed energy -> [pairs] -> [collection: Hecht, both carriers, surface] -> charge at the electrode

K. Hecht, Z. Phys. 77, 235 (1932): with the drift length lambda = mu tau V / L a carrier that starts at a distance d
from the electrode it drifts to induces lambda/L (1 - exp(-d/lambda)) of its charge. A forward bias (positive) makes the
entrance electrode, at depth 0, the positive one: electrons drift back to it, holes cross the crystal. A reverse bias
exchanges the two. Near-complete absorption at the entrance leaves one carrier, the one that crosses.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.detector.errors import DetectorError, Floats, positive
from sim.detector.material import Material

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
# From -1 .. 1 to 0 .. 1, close together at 1: the last photons go deep, where the integrand has no derivative.
_NODES, _WEIGHTS = 1 - ((1 - _NODES) / 2) ** 2, _WEIGHTS * (1 - _NODES) / 2


def pairs(energy_kev: npt.ArrayLike, pair_energy_ev: float) -> Floats:
    """Mean number of electron-hole pairs of an absorbed photon: E / W, of `energy_kev`'s shape."""
    return positive(energy_kev, "energy_kev", "keV") * 1000 / positive(pair_energy_ev, "pair_energy_ev", "eV")


def hecht(mu_tau_cm2_v: npt.ArrayLike, bias_v: npt.ArrayLike, thickness_mm: npt.ArrayLike) -> Floats:
    """Part of the charge that one carrier gives when it starts at the far electrode: x (1 - exp(-1/x)), 0 to 1.

    x = mu tau |V| / L**2; all arguments broadcast.
    """
    thickness_cm = positive(thickness_mm, "thickness_mm", "mm") / 10
    ratio = positive(mu_tau_cm2_v, "mu_tau_cm2_v", "cm2/V") * np.abs(np.asarray(bias_v, np.float64)) / thickness_cm**2
    return _induced(ratio, np.ones(()))


def _induced(drift: Floats, way: Floats) -> Floats:
    """drift (1 - exp(-way / drift)), lengths in thicknesses; 0 where nothing drifts."""
    drifts = drift > 0
    safe = np.where(drifts, drift, 1)
    return np.asarray(np.where(drifts, -safe * np.expm1(-way / safe), 0), np.float64)


def collection(
    mu_tau_e_cm2_v: float,
    mu_tau_h_cm2_v: float,
    bias_v: npt.ArrayLike,
    thickness_mm: float,
    depth_mm: npt.ArrayLike,
) -> Floats:
    """Part of the charge that both carriers give together, 0 to 1, when the pair starts at `depth_mm`.

    `bias_v` and `depth_mm` broadcast. Raises DetectorError for a depth outside the crystal.
    """
    thickness = positive(thickness_mm, "thickness_mm", "mm")
    depth = positive(depth_mm, "depth_mm", "mm", zero=True) / thickness
    if (depth > 1 + 1e-12).any():
        raise DetectorError(f"depth_mm takes 0 to the thickness, {thickness:g} mm, not {depth.max() * thickness:g}")
    bias = np.asarray(bias_v, np.float64)
    electrons, holes = (
        positive(mu_tau, name, "cm2/V") * np.abs(bias) / (thickness / 10) ** 2
        for mu_tau, name in ((mu_tau_e_cm2_v, "mu_tau_e_cm2_v"), (mu_tau_h_cm2_v, "mu_tau_h_cm2_v"))
    )
    forward = bias > 0
    back, across = np.where(forward, electrons, holes), np.where(forward, holes, electrons)
    return _induced(back, depth) + _induced(across, 1 - depth)


@dataclass(frozen=True, eq=False)
class Collected:
    """What absorbed photons give, over the depths at which they are absorbed.

    Members
    -------
    mean, mean_square : float64, of the collected part and of its square.
    """

    mean: Floats
    mean_square: Floats


def collected(
    material: Material,
    bias_v: npt.ArrayLike,
    thickness_mm: float,
    attenuation_per_mm: npt.ArrayLike,
    *,
    surface: bool = True,
) -> Collected:
    """Both carriers' collection averaged over exponential absorption, without sign; arguments broadcast.

    `surface`: with what surface recombination takes, the factor of the paper's Eq. 1, see `surface_factor`.
    Raises MaterialError where the record lacks what is needed.
    """
    attenuation, bias = np.broadcast_arrays(
        positive(attenuation_per_mm, "attenuation_per_mm", "1/mm"), np.asarray(bias_v, np.float64)
    )
    # Each node stands for as many absorbed photons.
    absorbed = -np.expm1(-attenuation * thickness_mm)[..., None]
    depth = np.minimum(-np.log1p(-_NODES * absorbed) / attenuation[..., None], thickness_mm)
    mu_taus = material.need("mu_tau_e_cm2_v"), material.need("mu_tau_h_cm2_v")
    at_depth = collection(*mu_taus, bias[..., None], thickness_mm, depth)
    if surface:
        at_depth = at_depth * surface_factor(material, bias, thickness_mm)[..., None]
    return Collected(at_depth @ _WEIGHTS, at_depth**2 @ _WEIGHTS)


def surface_factor(material: Material, bias_v: npt.ArrayLike, thickness_mm: float) -> Floats:
    """1 / (1 + L s / (mu |V|)): what surface recombination leaves, with s and mu of the carrier that crosses.

    0 at no bias; 1 where the record has no surface recombination at all.
    """
    bias = np.asarray(bias_v, np.float64)
    if material.surface_e_cm_s is None and material.surface_h_cm_s is None:
        return np.ones_like(bias)
    holes = material.need("surface_h_cm_s") / material.need("mobility_h_cm2_v_s")
    electrons = material.need("surface_e_cm_s") / material.need("mobility_e_cm2_v_s")
    lost_v = np.where(bias > 0, holes, electrons) * thickness_mm / 10
    return np.asarray(np.abs(bias) / np.maximum(np.abs(bias) + lost_v, np.finfo(np.float64).tiny), np.float64)
