"""A formula becomes a crystal of the detector twin: what is published, else predicted, else estimated by a named rule.

name or formula -> [resolve]: record that ships, TOML file, else [record] -> Material -> sim.detector, sim.explore
published rows -> prediction -> rules of sim.materials.estimate -----^
Material -> [write] -> TOML file -> sim.detector.material.load

Every value's source begins with how it was come by: published, derived, predicted, estimated or assumption. Published
values of several devices are their median, of logarithms where they span decades.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.detector.errors import MaterialError
from sim.detector.material import Material, load, names, write
from sim.materials import estimate
from sim.materials.composition import Composition, parse
from sim.materials.errors import CompositionError
from sim.materials.estimate import Sourced
from sim.materials.published import devices, find
from sim.materials.schema import Device

if TYPE_CHECKING:
    from sim.materials.predict import Prediction

__all__ = ["Known", "ends", "estimated", "known_sensitivity", "record", "resolve", "warnings", "write"]

GUESSES = ("predicted", "estimated", "assumption")
"""First words of the sources of values that nobody measured."""
OUTSIDE = "outside the training domain"
LIKE = "other forms of this composition, "
MOST_REFERENCES = 12
_INTERVAL = re.compile(r"^predicted .* 90 % interval (\S+) to ([^\s;]+)")


@dataclass(frozen=True)
class Known:
    """A sensitivity, uC/Gy_air/cm2: `value` from `low` to `high`, and where it is from."""

    value: float
    low: float
    high: float
    source: str

    @property
    def kind(self) -> str:
        """published, or predicted."""
        return "predicted" if self.source.startswith("predicted") else "published"

    def __str__(self) -> str:
        span = f" ({self.low:.3g} to {self.high:.3g})" if self.low < self.high else ""
        return f"{self.value:.4g}{span} uC/Gy_air/cm2"


def resolve(name: str | Path, table: Path | None = None) -> Material:
    """The crystal that a user names: a record that ships, a TOML file, else `record` of a formula or a published name.

    A shipped record is found by its file's name or its own, whatever the case. What a record of either kind leaves out
    and its own numbers imply is estimated: the pair energy from the gap, the thickness from the attenuation.

    Raises MaterialError for what is none of these, and what `record` raises.
    """
    if Path(name).suffix == ".toml":
        return _completed(load(name))
    for shipped in names():
        if str(name).casefold() in (shipped.casefold(), load(shipped).name.casefold()):
            return _completed(load(shipped))
    try:
        return record(str(name), table=table)
    except CompositionError as error:
        raise MaterialError(
            f"there is no material {str(name)!r}: it is no record that ships ({', '.join(names())}), no .toml file and "
            f"no name in the table of published detectors, and {error}; docs/twin.md says how to write a record"
        ) from None


def record(name_or_formula: str, *, table: Path | None = None) -> Material:
    """The record of a crystal that has none: from published rows of `sim.materials`, else from predictions.

    Parameters
    ----------
    name_or_formula : a name of the table, or a formula, such as Cs3Bi2I9 or (PEA)2PbI4.
    table : CSV file with more rows, see `sim.materials.schema`.

    Raises CompositionError for what is neither, SchemaError for a wrong table, MaterialError for a name without a
    composition and where a rule lacks an element.
    """
    rows = find(name_or_formula, table)
    composition = next((row.composition for row in rows if row.composition is not None), None)
    if rows and composition is None:
        raise MaterialError(f"{name_or_formula} is published without its composition, without which it absorbs nothing")
    composition = composition or parse(name_or_formula)
    formula = _written(composition)
    like = [row for row in devices(table) if row.composition is not None and row.composition.key == composition.key]

    def published(key: str, cell: str = "", *, logarithm: bool = True) -> Sourced | None:
        found = _median(key, rows, cell, logarithm=logarithm)
        return found or _median(key, like, cell, logarithm=logarithm, what=LIKE)

    density = _density(formula, [*rows, *like])
    gap = published("band_gap_ev", "band gap", logarithm=False) or _predicted(composition.text, "band_gap_ev", table)
    mu_tau = _for_both(published("mu_tau_cm2_v") or _predicted(composition.text, "mu_tau_cm2_v", table))
    mobility = published("mobility_cm2_v_s")
    values = {
        "density_g_cm3": density,
        "gap_ev": gap,
        "pair_energy_ev": estimate.pair_energy_ev(gap.value),
        "fano_factor": estimate.fano_factor(),
        "mu_tau_e_cm2_v": mu_tau,
        "mu_tau_h_cm2_v": mu_tau,
        "resistivity_ohm_cm": _resistivity(rows) or _resistivity(like, LIKE) or _usual_resistivity(table),
        "dark_activation_ev": estimate.activation_ev(gap.value),
        "dark_temperature_k": Sourced(298.15, "assumption: room temperature"),
        "thickness_mm": estimate.thickness_mm(formula, density.value),
    }
    if mobility is not None:
        values["mobility_e_cm2_v_s"] = values["mobility_h_cm2_v_s"] = _for_both(mobility)
    name = f"{name_or_formula}, {'published' if rows else 'predicted'}"
    bare = Material(name=name, formula=formula, density_g_cm3=density.value)
    return _with(bare, values)


def estimated(material: Material) -> tuple[str, ...]:
    """Quantities of a record that nobody measured: their sources begin with predicted, estimated or assumption."""
    return tuple(key for key, source in material.sources.items() if source.startswith(GUESSES))


def warnings(material: Material) -> tuple[str, ...]:
    """What a user has to know before believing what the twin makes of a record; empty for one that is all measured."""
    found = []
    predictions = [key for key in estimated(material) if material.sources[key].startswith("predicted")]
    rules = [key for key in estimated(material) if key not in predictions]
    outside = [key for key in predictions if OUTSIDE in material.sources[key]]
    if predictions:
        found.append(f"{material.name}: predicted by a model, measured by nobody: {', '.join(predictions)}.")
    if outside:
        found.append(f"The prediction of {', '.join(outside)} is {OUTSIDE}: a guess, whatever its interval.")
    if rules:
        found.append(f"{material.name}: estimated or assumed, by rules that the sources name: {', '.join(rules)}.")
    return tuple(found)


def ends(material: Material) -> tuple[tuple[str, Material], ...]:
    """(what changes, record) at both ends of each predicted interval, one quantity at a time.

    The pair energy follows the gap; both carriers have the same mu tau.
    """
    found = []
    for key, name, unit in (("gap_ev", "gap", "eV"), ("mu_tau_e_cm2_v", "mu tau", "cm2/V")):
        interval = _INTERVAL.match(material.sources.get(key, ""))
        for value in map(float, interval.groups() if interval else ()):
            if key == "gap_ev":
                changed = replace(material, gap_ev=value, pair_energy_ev=estimate.pair_energy_ev(value).value)
            else:
                changed = replace(material, mu_tau_e_cm2_v=value, mu_tau_h_cm2_v=value)
            found.append((f"{name} {value:g} {unit}", changed))
    return tuple(found)


def known_sensitivity(material: Material, table: Path | None = None) -> Known | None:
    """Sensitivity, uC/Gy_air/cm2, that is published of a crystal, else predicted; None where it is no perovskite."""
    rows = find(material.name, table) or find(material.formula, table)
    published = _median("sensitivity_uc_gy_cm2", rows)
    if published is not None:
        values = [value for value, _ in _filled("sensitivity_uc_gy_cm2", rows)]
        return Known(published.value, min(values), max(values), published.source)
    try:
        found = _prediction(parse(material.formula).text, table)
    except CompositionError:
        return None
    guess = found.targets.get("sensitivity_uc_gy_cm2")
    if guess is None:
        return None
    return Known(guess.value, guess.low, guess.high, _source(found, "sensitivity_uc_gy_cm2"))


def _completed(material: Material) -> Material:
    values: dict[str, Sourced] = {}
    if material.pair_energy_ev is None and material.gap_ev is not None:
        values["pair_energy_ev"] = estimate.pair_energy_ev(material.gap_ev)
    if material.thickness_mm is None and material.dark_positive_na_cm2 is None:  # which holds for a thickness
        values["thickness_mm"] = estimate.thickness_mm(material.formula, material.density_g_cm3)
    return _with(material, values)


def _with(material: Material, values: Mapping[str, Sourced]) -> Material:
    changes: dict[str, Any] = {key: value.value for key, value in values.items()}
    sources = {key: value.source for key, value in values.items()}
    return replace(material, sources={**material.sources, **sources}, **changes)


def _for_both(value: Sourced) -> Sourced:
    return replace(value, source=f"{value.source}; one value, taken for both carriers")


def _written(composition: Composition) -> str:
    """The formula as the attenuation tables read it: as given where they do, else element by element."""
    try:
        if estimate.elements(composition.text) == composition.elements:
            return composition.text
    except MaterialError:  # MAPbI3
        pass
    return "".join(f"{element}{count:g}" for element, count in composition.elements.items())


def _density(formula: str, rows: Sequence[Device]) -> Sourced:
    for row in rows:
        lengths = row.a_angstrom, row.b_angstrom, row.c_angstrom
        angles = row.alpha_deg, row.beta_deg, row.gamma_deg
        if None not in lengths + angles:
            cell_a3 = estimate.cell_volume_a3(
                [float(each or 0) for each in lengths], [float(each or 0) for each in angles]
            )
            return estimate.density_g_cm3(formula, cell_a3, _reference(row, "lattice"))
    return estimate.density_g_cm3(formula)


def _filled(key: str, rows: Sequence[Device]) -> list[tuple[float, Device]]:
    """Values that rows give, without those that a table calls estimates."""
    return [(float(getattr(row, key)), row) for row in rows if getattr(row, key) is not None and not row.guessed(key)]


def _median(
    key: str, rows: Sequence[Device], cell: str = "", *, logarithm: bool = True, what: str = ""
) -> Sourced | None:
    """Median of what the rows give; None where none does. `cell`: its name in `values_from_other_sources`."""
    return _combined([(value, _reference(row, cell)) for value, row in _filled(key, rows)], logarithm, what)


def _combined(found: Sequence[tuple[float, str]], logarithm: bool = True, what: str = "") -> Sourced | None:
    """Median of values and their references. A borrowed value stands in many rows and counts once."""
    if not found:
        return None
    once = list(dict.fromkeys(found))
    values = np.array([value for value, _ in once])
    median = float(np.exp(np.median(np.log(values))) if logarithm else np.median(values))
    references = list(dict.fromkeys(reference for _, reference in once))
    more = f" and {len(references) - MOST_REFERENCES} more" if len(references) > MOST_REFERENCES else ""
    listed = "; ".join(references[:MOST_REFERENCES]) + more
    of = f"median of {len(values)}, {values.min():.3g} to {values.max():.3g}" if len(values) > 1 else "one value"
    return Sourced(float(f"{median:.4g}"), f"published: {what}{of}: {listed}")


def _reference(row: Device, cell: str = "") -> str:
    """Where a row's value is from; of a borrowed cell, the text that it was borrowed from."""
    for text in (row.values_from_other_sources or "").split(";"):
        head, colon, source = text.strip().partition(":")
        if cell and colon and head.casefold() == cell:
            return source.strip()
    return f"doi {row.doi}" if row.doi else row.source_url or f"row {row.row} of the table"


def _resistivities(rows: Sequence[Device]) -> list[tuple[float, str]]:
    """What makes the published dark currents flow at their fields; of a device without one, its resistivity."""
    found = []
    for row in rows:
        if row.dark_current_na_cm2 is not None and row.field_v_mm:
            found.append((10 * row.field_v_mm / (1e-9 * row.dark_current_na_cm2), _reference(row)))
        elif row.resistivity_ohm_cm is not None:
            found.append((row.resistivity_ohm_cm, _reference(row)))
    return found


def _resistivity(rows: Sequence[Device], what: str = "") -> Sourced | None:
    return _combined(_resistivities(rows), what=f"{what}field over dark current, else resistivity, ")


def _usual_resistivity(table: Path | None) -> Sourced:
    """The median of all published ones: no model predicts it."""
    found = [value for value, _ in _resistivities(devices(table))]
    return Sourced(
        float(f"{np.exp(np.median(np.log(found))):.4g}"),
        f"assumption: as the median of all {len(found)} published detectors that give it, or their dark current and "
        f"field: {min(found):.3g} to {max(found):.3g}",
    )


def _prediction(formula: str, table: Path | None) -> "Prediction":
    # Scikit-learn is loaded only for what is not published.
    from sim.materials.predict import predict

    return predict(formula, table=table)


def _predicted(formula: str, target: str, table: Path | None) -> Sourced:
    found = _prediction(formula, table)
    if target not in found.targets:
        raise MaterialError(f"{formula}: no model of {target} could be learnt, and no one published it: write a record")
    return Sourced(float(f"{found.targets[target].value:.4g}"), _source(found, target))


def _source(found: "Prediction", target: str) -> str:
    guess = found.targets[target]
    text = (
        f"predicted ({guess.model}), 90 % interval {guess.low:.3g} to {guess.high:.3g}; the nearest known materials "
        f"are {', '.join(found.nearest)}"
    )
    if not guess.better_than_mean:
        text += "; cross-validated no better than the mean of the known materials"
    if found.outside_domain:
        text += f"; {OUTSIDE}: {'; '.join(found.outside_domain)}"
    return text
