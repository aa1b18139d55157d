"""What the models see: a row of numbers a device or material, what is to be predicted, how far a value is trusted.

Device -> [samples] -> Samples -> models, validation; Composition -> [features_of] -> a row to predict

A band gap belongs to the material: rows of one material become one. Mu-tau, sensitivity and detection limit belong to
the device. Nothing is filled in here: a number that is missing stays NaN, and the pipelines impute it inside the
cross-validation.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
import numpy.typing as npt

from sim.materials.composition import Composition
from sim.materials.errors import MaterialsError
from sim.materials.schema import Device

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

LEAST_MATERIALS = 8
"""Fewer materials than this with a known value make no model."""
BORROWED_WEIGHT = 0.5
"""Weight of a value that is an estimate, of another text than the device's, or a bound."""
ABSORBED_LIMIT, ABSORBED_PAIR_EV = 8000.0, 5.3
"""Sensitivity (uC/Gy/cm2) of complete absorption and collection without gain, at that pair energy (eV)."""

COMPOSITION = ("z_a", "z_b", "z_x", "z_total")
CELL = ("a_angstrom", "b_angstrom", "c_angstrom", "alpha_deg", "beta_deg", "gamma_deg")
TRANSPORT = ("log_resistivity", "log_trap_density", "log_trpl")
CONDITIONS = ("single_crystal", "xray_energy_kev", "field_v_mm")
LABELS: Mapping[str, str] = {
    "z_a": "Z_A (g/mol)", "z_b": "Z_B (g/mol)", "z_x": "Z_X (g/mol)", "z_total": "Z_total (g/mol)",
    "a_angstrom": "a (Å)", "b_angstrom": "b (Å)", "c_angstrom": "c (Å)",
    "alpha_deg": "alpha (°)", "beta_deg": "beta (°)", "gamma_deg": "gamma (°)",
    "dimensionality": "dimensionality", "band_gap_ev": "band gap (eV)", "log_mu_tau": "log µτ (cm²/V)",
    "log_resistivity": "log resistivity (Ω cm)", "log_trap_density": "log trap density (cm⁻³)",
    "log_trpl": "log lifetime (ns)", "single_crystal": "single crystal", "xray_energy_kev": "X-ray energy (keV)",
    "field_v_mm": "field (V/mm)", "log_sensitivity": "log sensitivity", "log_detection_limit": "log detection limit",
}  # fmt: skip


@dataclass(frozen=True)
class Target:
    """What is predicted.

    Members
    -------
    key : member of Device; the models' keys too.
    title, unit : how it is called, and in what.
    log : the models see its decimal logarithm, because it spans decades.
    features : what the models see.
    by_material : a property of the material; else of a device.
    borrowed_as : how values_from_other_sources calls it.
    """

    key: str
    title: str
    unit: str
    log: bool
    features: tuple[str, ...]
    by_material: bool = False
    borrowed_as: str = ""

    def shown(self, values: Floats) -> Floats:
        """Values as the models see them, in `unit`."""
        return np.asarray(10.0**values if self.log else values, np.float64)

    @property
    def axis(self) -> str:
        """Of a plot: title, and unit of what the models see."""
        return f"log₁₀ {self.title} ({self.unit})" if self.log else f"{self.title} ({self.unit})"


_MATERIAL = (*COMPOSITION, *CELL, "dimensionality")
TARGETS: Mapping[str, Target] = {
    target.key: target
    for target in (
        Target("band_gap_ev", "band gap", "eV", False, _MATERIAL, True, "band gap"),
        Target("mu_tau_cm2_v", "µτ", "cm²/V", True, (*_MATERIAL, "band_gap_ev", *TRANSPORT, "single_crystal"),
               borrowed_as="mu-tau"),
        Target("sensitivity_uc_gy_cm2", "sensitivity", "µC/Gy/cm²", True,
               (*_MATERIAL, "band_gap_ev", "log_mu_tau", *TRANSPORT, *CONDITIONS), borrowed_as="sensitivity"),
        Target("detection_limit_ugy_s", "detection limit", "µGy/s", True,
               (*_MATERIAL, "band_gap_ev", "log_mu_tau", *TRANSPORT, *CONDITIONS), borrowed_as="detection limit"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Samples:
    """What a target's models learn from; n rows.

    Members
    -------
    x : (n, features), NaN where a value is missing.
    y : (n,) as the models see it: the logarithm where the target's is.
    material : (n,) what must not be in both halves of a split.
    weight : (n,) 1, or less.
    devices : the row's, or the first of the material's.
    """

    target: Target
    x: Floats
    y: Floats
    material: Texts
    weight: Floats
    devices: tuple[Device, ...]

    @property
    def materials(self) -> int:
        """How many there are."""
        return len(set(self.material.tolist()))

    def only(self, kept: npt.NDArray[np.bool_]) -> "Samples":
        """Those rows alone."""
        indices = np.flatnonzero(kept)
        return replace(
            self, x=self.x[kept], y=self.y[kept], material=self.material[kept], weight=self.weight[kept],
            devices=tuple(self.devices[i] for i in indices),
        )  # fmt: skip


def samples(devices: Sequence[Device], target: Target, *, with_gain: bool = True) -> Samples:
    """The rows that have the target and a place for its features. Raises MaterialsError where they are too few.

    Left out are oxides, and of the sensitivities those of a material row or with photogating; `with_gain=False` also
    leaves out those over `gain_free_limit`.
    """
    kept = [device for device in devices if _usable(device, target, with_gain)]
    if target.by_material:
        of_material: dict[str, list[Device]] = {}
        for device in kept:
            of_material.setdefault(device.material, []).append(device)
        groups = list(of_material.values())
    else:
        groups = [[device] for device in kept]
    if len({group[0].material for group in groups}) < LEAST_MATERIALS:
        raise MaterialsError(
            f"only {len({group[0].material for group in groups})} materials have a {target.title}: a model takes "
            f"{LEAST_MATERIALS} or more; add rows with DATA=file.csv"
        )
    x = np.array([values_of(group, target.features) for group in groups], np.float64)
    # Distinct values alone: the same number, repeated for every device of the material, is one measurement.
    y = np.array([fmean(sorted({_value(device, target) for device in group})) for group in groups])
    return Samples(
        target, x, y, np.array([group[0].material for group in groups]),
        np.array([max(weight(device, target) for device in group) for group in groups]),
        tuple(group[0] for group in groups),
    )  # fmt: skip


def weight(device: Device, target: Target) -> float:
    """How far a target's value is trusted: BORROWED_WEIGHT for estimates, second-hand values and bounds, else 1."""
    doubtful = (
        device.guessed(target.key)
        or device.borrowed(target.borrowed_as)
        or device.flagged("SECONDARY")
        or (target.key == "sensitivity_uc_gy_cm2" and bound(device))
    )
    return BORROWED_WEIGHT if doubtful else 1.0


def bound(device: Device) -> bool:
    """Whether the note calls the sensitivity a bound: 'above 700,000', 'up to', 'larger than'."""
    return bool(re.search(r"S (quoted as )?'?(above|over|larger than|up to|between)|^'up to", device.note or ""))


def gain_free_limit(device: Device) -> float:
    """The most that a sensitivity can be without photoconductive gain, uC/Gy/cm2.

    A gap under that of CsPbBr3 raises it, by the pair energy 2 gap + 1.43 eV (Devanathan et al., Nucl. Instrum. Methods
    A 565, 637, 2006). It is never lowered: the rule is 0.7 eV over the 5.3 eV known for CsPbBr3.
    """
    pair_energy_ev = ABSORBED_PAIR_EV if device.band_gap_ev is None else 2 * device.band_gap_ev + 1.43
    return ABSORBED_LIMIT * max(1.0, ABSORBED_PAIR_EV / pair_energy_ev)


def implies_gain(device: Device) -> bool:
    """Whether the sensitivity is over what absorption can give."""
    return device.sensitivity_uc_gy_cm2 is not None and device.sensitivity_uc_gy_cm2 > gain_free_limit(device)


def measured(device: Device) -> bool:
    """Whether something that is predicted was measured of it; a computed gap alone does not count."""
    return any(getattr(device, key) is not None for key in TARGETS)


def features_of(composition: Composition, known: Iterable[Device], names: Sequence[str]) -> Floats:
    """(1, features) of a formula; what a published material of that composition is known for is taken from `known`."""
    same = [device for device in known if device.material == composition.key]
    blank = Device(perovskite=composition.text, formula_normalised=composition.text, type="single crystal")
    row = values_of([blank], names)
    # Of the material alone: the field or the traps of some published device are not those of the one to come.
    shared = {*CELL, "band_gap_ev", "dimensionality"}
    filled = values_of(same, names) if same else row
    return np.array(
        [[filled[i] if name in shared and not math.isnan(filled[i]) else row[i] for i, name in enumerate(names)]]
    )


def _usable(device: Device, target: Target, with_gain: bool) -> bool:
    if getattr(device, target.key) is None or device.flagged("OXIDE"):
        return False
    if device.composition is None and device.z_b is None:
        return False
    if target.key == "sensitivity_uc_gy_cm2":
        return (
            not device.flagged("MATERIAL ROW")
            and not device.flagged("photogating")
            and (with_gain or not implies_gain(device))
        )
    return True


def _value(device: Device, target: Target) -> float:
    value = float(getattr(device, target.key))
    return math.log10(value) if target.log else value


def values_of(group: Sequence[Device], names: Sequence[str]) -> list[float]:
    """Those features of a device; of a material the mean over its rows that have them; NaN where none has."""
    found = []
    for name in names:
        values = [value for device in group if (value := _FEATURES[name](device)) is not None]
        found.append(fmean(values) if values else math.nan)
    return found


def _mass(key: str) -> Callable[[Device], float | None]:
    def value(device: Device) -> float | None:
        # The formula's mass is exact; the table's is taken where there is no formula.
        given: float | None = getattr(device.composition, key) if device.composition else getattr(device, key)
        return given

    return value


def _number(key: str) -> Callable[[Device], float | None]:
    def value(device: Device) -> float | None:
        given: float | None = getattr(device, key)
        return given

    return value


def _log(key: str) -> Callable[[Device], float | None]:
    def value(device: Device) -> float | None:
        given = getattr(device, key)
        return None if given is None else math.log10(given)

    return value


def _dimensionality(device: Device) -> float | None:
    numbers = [float(digit) for digit in re.findall(r"([0-3])D", device.structure or "")]
    if numbers:
        return fmean(numbers)
    return device.composition.dimensionality if device.composition else None


def _single_crystal(device: Device) -> float | None:
    if device.type is None:
        return None
    return float(bool(re.search(r"single|\bSC", device.type)))


_FEATURES: Mapping[str, Callable[[Device], float | None]] = {
    **{key: _mass(key) for key in COMPOSITION},
    **{key: _number(key) for key in (*CELL, "band_gap_ev", "xray_energy_kev", "field_v_mm")},
    "dimensionality": _dimensionality,
    "single_crystal": _single_crystal,
    "log_mu_tau": _log("mu_tau_cm2_v"),
    "log_resistivity": _log("resistivity_ohm_cm"),
    "log_trap_density": _log("trap_density_cm3"),
    "log_trpl": _log("trpl_ns"),
    "log_sensitivity": _log("sensitivity_uc_gy_cm2"),
    "log_detection_limit": _log("detection_limit_ugy_s"),
}
