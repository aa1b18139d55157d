"""Attenuation of X-rays: what gets through filters and objects, and what a crystal absorbs.

formula, density, thickness -> [mu(E)] -> transmission, absorption

Beer and Lambert's law, I = I0 exp(-mu d), for a narrow beam: what is scattered counts as gone. mu from the tables of
W. T. Elam et al., Radiat. Phys. Chem. 63, 121 (2002), through xraydb; total cross-section with coherent scattering.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xraydb

from sim.detector.errors import DetectorError, Floats, positive

ENERGY_MIN_KEV, ENERGY_MAX_KEV = 0.1, 800.0
"""Elam's tables; xraydb would go on with the value at their ends."""
_HEAVIEST = 98
"""Californium is the last element of the tables."""
_STEEL = "Fe", 7.85
"""Carbon steel is iron to 1 %; xraydb has no steel."""


@dataclass(frozen=True)
class Substance:
    """A sum formula and a density in g/cm3.

    Raises DetectorError: no formula, an element that the tables lack, a density that is not positive.
    """

    formula: str
    density_g_cm3: float

    def __post_init__(self) -> None:
        positive(self.density_g_cm3, "density_g_cm3", "g/cm3")
        try:
            elements = xraydb.chemparse(self.formula)
        except ValueError as error:
            reason = str(error).partition(":")[0].splitlines()[0]
            raise DetectorError(f"{self.formula!r} is no formula: {reason}") from None
        if not elements:
            raise DetectorError("an empty text is no formula")
        for element in elements:
            if xraydb.atomic_number(element) > _HEAVIEST:
                raise DetectorError(f"{self.formula!r}: the tables end before {element}")


def substance(name: str, density_g_cm3: float | None = None) -> Substance:
    """An element (Al), or what xraydb knows by name (air, water, pmma, kapton), at its usual density or at another.

    Raises DetectorError where `name` is neither and no density is given to make it a formula.
    """
    formula, usual = _STEEL if name == "steel" else _known(name)
    density = usual if density_g_cm3 is None else density_g_cm3
    if density is None:
        raise DetectorError(f"{name!r} is no element and no substance that xraydb knows; give formula and density")
    return Substance(formula, density)


def _known(name: str) -> tuple[str, float | None]:
    """(formula, usual density) of an element or of one of xraydb's materials; else the name itself, no density."""
    known = xraydb.find_material(name)
    if known is not None:
        return known.formula, float(known.density)
    try:
        return name, float(xraydb.atomic_density(name))
    except ValueError:
        return name, None


@dataclass(frozen=True, eq=False)
class Layer:
    """A substance of a thickness in mm: one number, or a map of any shape. DetectorError where it is negative."""

    substance: Substance
    thickness_mm: float | npt.NDArray[np.floating]

    def __post_init__(self) -> None:
        positive(self.thickness_mm, "thickness_mm", "mm", zero=True)


def attenuation_per_mm(substance: Substance, energy_kev: npt.ArrayLike) -> Floats:
    """Linear attenuation coefficient, 1/mm, of `energy_kev`'s shape.

    Raises DetectorError for energies outside the tables, ENERGY_MIN_KEV to ENERGY_MAX_KEV.
    """
    energies = positive(energy_kev, "energy_kev", "keV")
    if energies.size and not ENERGY_MIN_KEV <= energies.min() <= energies.max() <= ENERGY_MAX_KEV:
        wrong = energies.min() if energies.min() < ENERGY_MIN_KEV else energies.max()
        raise DetectorError(
            f"energy_kev: the tables go from {ENERGY_MIN_KEV} to {ENERGY_MAX_KEV} keV, not to {wrong:g}"
        )
    per_mm = _attenuation(substance, tuple(energies.ravel().tolist()))
    return per_mm.reshape(energies.shape)


@lru_cache(maxsize=256)
def _attenuation(substance: Substance, energies_kev: tuple[float, ...]) -> Floats:
    energies = 1000 * np.array(energies_kev)
    per_cm = xraydb.material_mu(substance.formula, energies, density=substance.density_g_cm3, kind="total")
    result = np.asarray(per_cm, np.float64) / 10
    result.setflags(write=False)
    return result


def transmission(layers: Sequence[Layer], energy_kev: npt.ArrayLike) -> Floats:
    """Part of the photons that passes all layers, float64[energies, *map]: their thickness maps are broadcast.

    Raises DetectorError as `attenuation_per_mm`, and for maps that do not fit together.
    """
    energies = np.atleast_1d(positive(energy_kev, "energy_kev", "keV"))
    thicknesses = [np.asarray(layer.thickness_mm, np.float64) for layer in layers]
    try:
        shape = np.broadcast_shapes(*(each.shape for each in thicknesses))
    except ValueError:
        raise DetectorError(f"thickness maps of shapes {[each.shape for each in thicknesses]} do not fit") from None
    path = np.zeros((len(energies), *shape))
    for layer, thickness in zip(layers, thicknesses, strict=True):
        path += np.multiply.outer(attenuation_per_mm(layer.substance, energies), np.broadcast_to(thickness, shape))
    return np.asarray(np.exp(-path), np.float64)


def absorption(substance: Substance, thickness_mm: npt.ArrayLike, energy_kev: npt.ArrayLike) -> Floats:
    """Part of the photons that interacts in `thickness_mm`: 1 - exp(-mu d), of the broadcast shape."""
    thickness = positive(thickness_mm, "thickness_mm", "mm", zero=True)
    return np.asarray(-np.expm1(-attenuation_per_mm(substance, energy_kev) * thickness), np.float64)
