"""A table of detectors as typed rows: which headings it may have, what a cell may hold.

CSV file -> [read] -> Device, one a row -> published, features

The headings are those of data/perovskite_xray_detectors.csv, or the paper's own (its Table 1: names, or abbreviations).
Nothing is passed over: a heading that means nothing here, a word where a number belongs or a value that cannot be is an
error that names row and column. What can be but is unlikely is a remark (`Device.remarks`).
"""

import csv
import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sim.materials.composition import Composition, parse
from sim.materials.errors import CompositionError, SchemaError

MOST_ERRORS = 20
EMPTY = frozenset({"", "na", "n/a", "nan", "none", "null", "-", "--"})
MASS_TOLERANCE = 0.005
"""Part of a mass that the table's may differ from the formula's before it is remarked on."""

Positive = Annotated[float | None, Field(gt=0, allow_inf_nan=False)]
Mass = Annotated[float | None, Field(gt=0, le=20_000, allow_inf_nan=False)]
Length = Annotated[float | None, Field(gt=1, le=500, allow_inf_nan=False)]
Angle = Annotated[float | None, Field(gt=0, lt=180, allow_inf_nan=False)]
Gap = Annotated[float | None, Field(gt=0, le=15, allow_inf_nan=False)]


class Device(BaseModel):
    """A published detector, or a material without one: a row. None: not reported.

    Members
    -------
    row : of the file, as a spreadsheet counts: the headings are row 1.
    perovskite, formula_normalised : the name as written; the formula with its organic cations written out.
    structure, type : 3D, 2D RP, 0D ...; single crystal, film, wafer ...
    a_site, b_site, x_site : names of the species.
    z_a, z_b, z_x, z_total : mean molar mass of the species on a site, of the formula unit, g/mol.
    a_angstrom ... gamma_deg : the unit cell.
    band_gap_ev, band_gap_dft_ev : measured; computed. They are never put together.
    mu_tau_cm2_v, mobility_cm2_v_s, resistivity_ohm_cm, trap_density_cm3, trpl_ns : transport.
    xray_energy_kev, field_v_mm : of the measurement; the energy may be a tube's voltage.
    sensitivity_uc_gy_cm2, detection_limit_ugy_s : uC a Gy of air kerma and cm2; uGy of air kerma a second.
    dark_current_na_cm2, dark_drift_na_cm_s_v : dark current density, its drift.
    year, doi, source_url, note : where it is from, and what else is to be known.
    values_from_other_sources : "band gap: source; lattice: source": cells that another text gave for the same material.
    estimated : cells that are estimates, by their headings, with commas; or "yes" for the whole row.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    row: int = 0
    perovskite: str = Field(min_length=1)
    formula_normalised: str | None = None
    structure: str | None = None
    type: str | None = None
    a_site: str | None = None
    b_site: str | None = None
    x_site: str | None = None
    z_a: Mass = None
    z_b: Mass = None
    z_x: Mass = None
    z_total: Mass = None
    a_angstrom: Length = None
    b_angstrom: Length = None
    c_angstrom: Length = None
    alpha_deg: Angle = None
    beta_deg: Angle = None
    gamma_deg: Angle = None
    band_gap_ev: Gap = None
    band_gap_dft_ev: Gap = None
    mu_tau_cm2_v: Positive = None
    mobility_cm2_v_s: Positive = None
    resistivity_ohm_cm: Positive = None
    trap_density_cm3: Positive = None
    trpl_ns: Positive = None
    xray_energy_kev: Positive = None
    field_v_mm: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    sensitivity_uc_gy_cm2: Positive = None
    detection_limit_ugy_s: Positive = None
    dark_current_na_cm2: Positive = None
    dark_drift_na_cm_s_v: Positive = None
    year: Annotated[int | None, Field(ge=1900, le=2100)] = None
    doi: str | None = None
    source_url: str | None = None
    values_from_other_sources: str | None = None
    estimated: str | None = None
    note: str | None = None

    @field_validator("formula_normalised")
    @classmethod
    def _formula_reads(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                parse(text)
            except CompositionError as error:
                raise ValueError(str(error)) from None
        return text

    @cached_property
    def composition(self) -> Composition | None:
        """Of the formula; None where there is none."""
        return parse(self.formula_normalised) if self.formula_normalised else None

    @property
    def material(self) -> str:
        """What rows of the same material have in common: its composition, else its name."""
        return self.composition.key if self.composition else self.perovskite.casefold()

    def flagged(self, word: str) -> bool:
        """Whether the note says so: MATERIAL ROW, SECONDARY, OXIDE ... as docs/materials.md lists them."""
        return word.casefold() in (self.note or "").casefold()

    def borrowed(self, name: str) -> bool:
        """Whether a cell (`name` as in values_from_other_sources: "band gap", "lattice") is of another text."""
        texts = (self.values_from_other_sources or "").split(";")
        return any(text.strip().casefold().startswith(name.casefold() + ":") for text in texts)

    def guessed(self, key: str) -> bool:
        """Whether the table calls the cell of the member `key`, or the whole row, an estimate."""
        named = [_plain(each) for each in (self.estimated or "").split(",") if each.strip()]
        return any(each in ("yes", "true", "1", "all") or FIELDS.get(each) == key for each in named)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is possible but unlikely: masses that the formula does not have, angles of no usual cell ..."""
        found = []
        for key in ("z_a", "z_b", "z_x", "z_total"):
            given = getattr(self, key)
            if given is not None and self.composition is not None:
                computed = getattr(self.composition, key)
                if abs(given - computed) > MASS_TOLERANCE * computed:
                    found.append(f"{HEADINGS[key][0]}: {given:g} g/mol, but {self.composition.text} has {computed:.2f}")
        for key, low, high in UNLIKELY:
            value = getattr(self, key)
            if value is not None and not low <= value <= high:
                found.append(f"{HEADINGS[key][0]}: {value:g} is outside the usual {low:g} to {high:g}")
        return tuple(f"row {self.row} ({self.perovskite}), {text}" for text in found)


UNLIKELY = (
    ("alpha_deg", 50, 130), ("beta_deg", 50, 130), ("gamma_deg", 50, 130), ("band_gap_ev", 0.5, 8),
    ("mu_tau_cm2_v", 1e-8, 1), ("resistivity_ohm_cm", 1, 1e16), ("trap_density_cm3", 1e3, 1e20),
    ("sensitivity_uc_gy_cm2", 0.01, 1e7), ("detection_limit_ugy_s", 1e-6, 1e4), ("xray_energy_kev", 1, 1500),
)  # fmt: skip

HEADINGS: Mapping[str, tuple[str, ...]] = {
    "perovskite": ("perovskite",),
    "formula_normalised": ("formula_normalised",),
    "structure": ("structure", "Molecular Structure"),
    "type": ("type",),
    "a_site": ("A_site",),
    "b_site": ("B_site",),
    "x_site": ("X_site",),
    "z_a": ("Z_A", "Atomic number of A site"),
    "z_b": ("Z_B", "Atomic number of B site"),
    "z_x": ("Z_X", "Atomic number of X site"),
    "z_total": ("Z_total", "Total atomic number"),
    "a_angstrom": ("a_A", "lattice lengths/a(Å)", "a"),
    "b_angstrom": ("b_A", "lattice lengths/b(Å)", "b"),
    "c_angstrom": ("c_A", "lattice lengths/c(Å)", "c"),
    "alpha_deg": ("alpha_deg", "lattice angle/α°", "α", "alpha"),  # noqa: RUF001
    "beta_deg": ("beta_deg", "lattice angle/β°", "β", "beta"),
    "gamma_deg": ("gamma_deg", "lattice angle/γ°", "γ", "gamma"),  # noqa: RUF001
    "band_gap_ev": ("band_gap_eV", "Band gap (eV)", "Eg"),
    "band_gap_dft_ev": ("band_gap_dft_eV",),
    "mu_tau_cm2_v": ("mu_tau_cm2_per_V", "μτ (cm2V-1)", "μτ", "mu-tau", "(cm2V-1)"),
    "mobility_cm2_v_s": ("mobility_cm2_per_Vs", "μ (cm2V-1s-1)", "μ", "(cm2V-1s-1)"),
    "resistivity_ohm_cm": ("resistivity_ohm_cm", "Resistivity (Ω cm)", "RT"),
    "trap_density_cm3": ("trap_density_cm3", "Trap density (cm-3)", "Trap"),
    "trpl_ns": ("TRPL_ns", "TRPL (ns)", "TRPL"),
    "xray_energy_kev": ("xray_energy_keV", "X-ray energy (keV)"),
    "field_v_mm": ("field_V_per_mm", "Applied electric field (V mm-1)", "Applied electric filed (V mm-1)"),
    "sensitivity_uc_gy_cm2": (
        "sensitivity_uC_per_Gyair_cm2", "Sensitivity (μCGy-1cm-2)", "Sensitivity (μC Gyair-1 cm-2)", "Sensitivity",
    ),
    "detection_limit_ugy_s": (
        "detection_limit_uGyair_per_s", "Detection limit (μGyair-1s-1)", "Detection limit (μGyair s-1)",
        "Detection limit (μGy s-1)", "Detection limit",
    ),
    "dark_current_na_cm2": ("dark_current_nA_per_cm2",),
    "dark_drift_na_cm_s_v": ("dark_drift_nA_per_cm_s_V",),
    "year": ("year",),
    "doi": ("doi",),
    "source_url": ("source_url",),
    "values_from_other_sources": ("values_from_other_sources",),
    "estimated": ("estimated",),
    "note": ("note",),
}  # fmt: skip
"""Headings that a column may have, by member; the first is the project's own."""


def _plain(heading: str) -> str:
    """A heading without what hands and typesetting change: case, blanks, signs, superscripts, the two micro signs."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", heading).casefold())


FIELDS = {_plain(heading): key for key, headings in HEADINGS.items() for heading in headings}


def read(path: Path) -> tuple[Device, ...]:
    """Every row of a CSV file. Raises SchemaError, which names all that is wrong with it, by row and column."""
    headings, rows = cells(path)
    keys = _keys(headings, path)
    devices, errors = [], []
    for number, row in rows:
        device, wrong = _device(number, dict(zip(keys, row, strict=True)), headings, keys)
        errors += wrong
        if device is not None:
            devices.append(device)
    if errors:
        more = f"\n... and {len(errors) - MOST_ERRORS} more" if len(errors) > MOST_ERRORS else ""
        raise SchemaError(f"{path} has values that cannot be:\n" + "\n".join(errors[:MOST_ERRORS]) + more)
    if not devices:
        raise SchemaError(f"{path} has headings but no row")
    return tuple(devices)


def cells(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Headings, and (row, cells) of every row that is not empty. Raises SchemaError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file, strict=True))
    except OSError as error:
        raise SchemaError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise SchemaError(f"{path} is no CSV file in UTF-8: {error}") from None
    if not rows or not any(cell.strip() for cell in rows[0]):
        raise SchemaError(f"{path} is empty: its first row must name the columns")
    filled = [(number, row) for number, row in enumerate(rows[1:], start=2) if any(cell.strip() for cell in row)]
    for number, row in filled:
        if len(row) != len(rows[0]):
            raise SchemaError(f"{path}, row {number} has {len(row)} cells, but there are {len(rows[0])} columns")
    return rows[0], filled


def _keys(headings: Sequence[str], path: Path) -> list[str]:
    keys: list[str] = []
    for heading in headings:
        key = FIELDS.get(_plain(heading))
        if key is None:
            near = difflib.get_close_matches(heading, [each for some in HEADINGS.values() for each in some], 1, 0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SchemaError(
                f"{path}: no column is called {heading!r}{hint} (docs/materials.md lists them, with units)"
            )
        if key in keys:
            raise SchemaError(f"{path}: {headings[keys.index(key)]!r} and {heading!r} are the same column")
        keys.append(key)
    if "perovskite" not in keys:
        raise SchemaError(f"{path} has no column 'perovskite', the name of the material")
    return keys


def _device(
    number: int, row: Mapping[str, str], headings: Sequence[str], keys: Sequence[str]
) -> tuple[Device | None, list[str]]:
    values: dict[str, Any] = {key: cell.strip() for key, cell in row.items() if cell.strip().casefold() not in EMPTY}
    if "formula_normalised" not in keys:
        values["formula_normalised"] = _formula(values)
    try:
        return Device(row=number, **values), []
    except ValidationError as error:
        return None, [f"row {number}, {text}" for text in _texts(error, dict(zip(keys, headings, strict=True)))]


def _formula(values: Mapping[str, Any]) -> str | None:
    """Of a table without a column of formulas, as the paper's: its name or "Molecular Structure", where one is."""
    for text in (values.get("perovskite"), values.get("structure")):
        try:
            if text:
                return parse(text).text
        except CompositionError:
            continue
    return None


def _texts(error: ValidationError, heading: Mapping[str, str]) -> Iterator[str]:
    for one in error.errors():
        column = heading.get(str(one["loc"][0]), str(one["loc"][0]))
        if one["type"] == "missing":
            yield f"column {column!r}: it is empty"
        else:
            what = one["msg"].removeprefix("Value error, ").removeprefix("Input ")
            yield f"column {column!r}: {one['input']!r}: {what}"
