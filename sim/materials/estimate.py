"""What a material record needs and no paper gives: published rules, each value with the rule that it comes from.

formula, cell, gap -> [density, pair energy, activation energy, thickness] -> record

A rule is worth what it hits: the source text of each value says by how much it misses crystals that are known.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xraydb
from scipy.constants import Avogadro

from sim.detector.attenuation import Substance, attenuation_per_mm
from sim.detector.errors import DetectorError, MaterialError

HOFMANN = "D. W. M. Hofmann, Acta Cryst. B 58, 489 (2002), doi 10.1107/S0108768101021814"
DEVANATHAN = "R. Devanathan et al., Nucl. Instrum. Methods A 565, 637 (2006)"

# Mean volume of an atom in crystals at room temperature, cubic angstroms; without noble gases and actinides.
HOFMANN_A3 = {
    "H": 5.08, "Li": 22.6, "Be": 36.0, "B": 13.24, "C": 13.87, "N": 11.8, "O": 11.39, "F": 11.17, "Na": 26.0,
    "Mg": 36.0, "Al": 39.6, "Si": 37.3, "P": 29.5, "S": 25.2, "Cl": 25.8, "K": 36.0, "Ca": 45.0, "Sc": 42.0,
    "Ti": 27.3, "V": 24.0, "Cr": 28.1, "Mn": 31.9, "Fe": 30.4, "Co": 29.4, "Ni": 26.0, "Cu": 26.9, "Zn": 39.0,
    "Ga": 37.8, "Ge": 41.6, "As": 36.4, "Se": 30.3, "Br": 32.7, "Rb": 42.0, "Sr": 47.0, "Y": 44.0, "Zr": 27.0,
    "Nb": 37.0, "Mo": 38.0, "Ru": 37.3, "Rh": 31.2, "Pd": 35.0, "Ag": 35.0, "Cd": 51.0, "In": 55.0, "Sn": 52.8,
    "Sb": 48.0, "Te": 46.7, "I": 46.2, "Cs": 46.0, "Ba": 66.0, "La": 58.0, "Ce": 54.0, "Pr": 57.0, "Nd": 50.0,
    "Sm": 50.0, "Eu": 53.0, "Gd": 56.0, "Tb": 45.0, "Dy": 50.0, "Ho": 42.0, "Er": 54.0, "Tm": 49.0, "Yb": 59.0,
    "Lu": 35.0, "Hf": 40.0, "Ta": 43.0, "W": 38.8, "Re": 42.7, "Os": 41.9, "Ir": 34.3, "Pt": 38.0, "Au": 43.0,
    "Hg": 38.0, "Tl": 54.0, "Pb": 52.0, "Bi": 60.0,
}  # fmt: skip
MOST_UNITS = 4
"""Formula units of a cell that Hofmann's volumes tell apart: their scatter of 4 % is far under a quarter."""
ABSORBED, ABSORBED_KEV = 0.99, 40.0
"""What decides the thickness of a crystal that nobody has made."""
FANO = 0.1


@dataclass(frozen=True)
class Sourced:
    """A value, and where it comes from, as a record keeps both."""

    value: float
    source: str


def elements(formula: str) -> dict[str, float]:
    """Atoms of a formula unit by element. Raises MaterialError for what is no formula."""
    try:
        Substance(formula, 1.0)
    except DetectorError as error:
        raise MaterialError(str(error)) from None
    return {element: float(count) for element, count in xraydb.chemparse(formula).items()}


def unit_volume_a3(formula: str) -> float:
    """Volume of a formula unit from Hofmann's mean atomic volumes, cubic angstroms.

    Measured on 59 unit cells of halide perovskites: right to 4 % rms, at worst 14 % too large.

    Raises MaterialError: no formula, or an element that the list lacks; a density has to be given then.
    """
    atoms = elements(formula)
    unknown = [element for element in atoms if element not in HOFMANN_A3]
    if unknown:
        raise MaterialError(
            f"{formula}: no atomic volume is known of {', '.join(unknown)}, so that the density cannot be estimated; "
            "write a record with density_g_cm3"
        )
    return sum(count * HOFMANN_A3[element] for element, count in atoms.items())


def cell_volume_a3(lengths_a: Sequence[float], angles_deg: Sequence[float]) -> float:
    """Volume of a unit cell of edges a, b, c and angles alpha, beta, gamma, cubic angstroms."""
    x, y, z = np.cos(np.radians(angles_deg))
    return float(math.prod(lengths_a) * np.sqrt(1 - x * x - y * y - z * z + 2 * x * y * z))


def density_g_cm3(formula: str, cell_a3: float | None = None, cell_source: str = "") -> Sourced:
    """Density from the unit cell, or without one from mean atomic volumes.

    The formula units of the cell are the whole number that comes nearest to Hofmann's volume; over MOST_UNITS of them
    the cell does not count.

    Raises MaterialError as `unit_volume_a3`.
    """
    mass_g = sum(count * xraydb.atomic_mass(element) for element, count in elements(formula).items()) / Avogadro
    unit_a3 = unit_volume_a3(formula)
    units = round(cell_a3 / unit_a3) if cell_a3 else 0
    if cell_a3 and 1 <= units <= MOST_UNITS:
        return Sourced(
            _rounded(units * mass_g / (cell_a3 * 1e-24)),
            f"derived: unit cell of {cell_a3:.1f} cubic angstroms ({cell_source}) with {units} formula units, the "
            f"whole number nearest to the mean atomic volumes of {HOFMANN}",
        )
    return Sourced(
        _rounded(mass_g / (unit_a3 * 1e-24)),
        f"estimated: mean atomic volumes of {HOFMANN}; 4 % rms off 59 unit cells of halide perovskites, at most 14 %",
    )


def pair_energy_ev(gap_ev: float) -> Sourced:
    """Mean energy of an electron-hole pair: 2 Eg + 1.43 eV.

    Beside the values of the records: CdTe 4.31 (4.43), CdZnTe 4.57 (4.64), TlBr 6.79 (6.5), CsPbBr3 6.01 (5.3).
    C. A. Klein's 2.8 Eg + 0.6 eV (J. Appl. Phys. 39, 2029 (1968)) is further off: CsPbBr3 7.0, TlBr 8.1.
    """
    return Sourced(
        _rounded(2 * gap_ev + 1.43),
        f"estimated: 2 Eg + 1.43 eV, {DEVANATHAN}; within 5 % for CdTe, CdZnTe and TlBr, 13 % high for CsPbBr3",
    )


def activation_ev(gap_ev: float) -> Sourced:
    """Activation energy of the dark current: half the gap, as of intrinsic conduction."""
    return Sourced(_rounded(gap_ev / 2), "assumption: half the gap, intrinsic conduction")


def thickness_mm(formula: str, density: float) -> Sourced:
    """Thickness that absorbs ABSORBED of the photons of ABSORBED_KEV, rounded up to a tenth of a millimetre."""
    per_mm = float(attenuation_per_mm(Substance(formula, density), [ABSORBED_KEV])[0])
    return Sourced(
        math.ceil(-10 * math.log(1 - ABSORBED) / per_mm) / 10,
        f"assumption: absorbs {100 * ABSORBED:g} % at {ABSORBED_KEV:g} keV",
    )


def fano_factor() -> Sourced:
    """Fano factor, which the spread of energies drowns anyway."""
    return Sourced(FANO, "assumption: as usual semiconductors; no measured value known")


def _rounded(value: float) -> float:
    """To four digits: a rule gives no more."""
    return float(f"{value:.4g}")
