"""Further tables for the band-gap models: band gaps and unit cells of halide perovskites that are no detectors.

CSV of gaps, CSV of lattices -> [gaps], [lattices] -> Device rows, cells by composition -> features

The project ships neither. Computed gaps go to `band_gap_dft_ev` and so never among the measured ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sim.materials.composition import parse
from sim.materials.errors import CompositionError, SchemaError
from sim.materials.schema import EMPTY, MOST_ERRORS, Angle, Device, Gap, Length, cells

ROOM_K = 298.0

T = TypeVar("T")


class _Cell(BaseModel):
    a_A: Length = None
    b_A: Length = None
    c_A: Length = None
    alpha_deg: Angle = None
    beta_deg: Angle = None
    gamma_deg: Angle = None


class _GapRow(_Cell):
    """Columns that a table of gaps must or may have; others are passed over, they are kept by its owner."""

    composition: str
    band_gap_eV: Gap
    kind: str
    dimensionality: str | None = None
    form: str | None = None
    source: str | None = None
    doi: str | None = None


class _LatticeRow(_Cell):
    composition_formula_sum: str
    temperature_K: float | None = None
    kind: str = "experimental"
    entry: str | None = None


@dataclass(frozen=True)
class Lattice:
    """A unit cell: lengths in angstrom, angles in degrees, the temperature it holds for, and where it is from."""

    lengths: tuple[float, float, float]
    angles: tuple[float, float, float]
    temperature_k: float
    source: str


def gaps(path: Path) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Rows of a table of gaps, and remarks on those that are left out. Raises SchemaError.

    Columns: composition, band_gap_eV, kind (experimental or DFT); a_A ... gamma_deg, dimensionality, form, source, doi.
    """

    def device(number: int, row: _GapRow) -> Device:
        if row.band_gap_eV is None:
            raise ValueError("column 'band_gap_eV': it is empty")
        kind = row.kind.casefold()
        if kind not in ("experimental", "dft"):
            raise ValueError(f"column 'kind': {row.kind!r} is neither experimental nor DFT")
        measured = kind == "experimental"
        return Device(
            row=number, perovskite=row.composition, formula_normalised=row.composition, structure=row.dimensionality,
            type=row.form, a_angstrom=row.a_A, b_angstrom=row.b_A, c_angstrom=row.c_A, alpha_deg=row.alpha_deg,
            beta_deg=row.beta_deg, gamma_deg=row.gamma_deg, band_gap_ev=row.band_gap_eV if measured else None,
            band_gap_dft_ev=None if measured else row.band_gap_eV, source_url=row.source, doi=row.doi,
        )  # fmt: skip

    found, remarks = _read(path, _GapRow, device)
    return tuple(found), remarks


def lattices(path: Path) -> tuple[dict[str, Lattice], tuple[str, ...]]:
    """Measured unit cells by `Composition.key`, of each the one nearest to room temperature, and remarks.

    Columns: composition_formula_sum, a_A ... gamma_deg, temperature_K, kind, entry. Raises SchemaError.
    """

    def lattice(number: int, row: _LatticeRow) -> tuple[str, Lattice] | None:
        lengths, angles = (row.a_A, row.b_A, row.c_A), (row.alpha_deg, row.beta_deg, row.gamma_deg)
        if None in lengths + angles or row.kind.casefold() != "experimental":
            return None
        kelvin = ROOM_K if row.temperature_K is None else row.temperature_K
        source = row.entry or f"row {number} of {path.name}"
        return parse(row.composition_formula_sum).key, Lattice(lengths, angles, kelvin, source)  # type: ignore[arg-type]

    found, remarks = _read(path, _LatticeRow, lattice)
    best: dict[str, Lattice] = {}
    for key, one in (each for each in found if each is not None):
        if key not in best or abs(one.temperature_k - ROOM_K) < abs(best[key].temperature_k - ROOM_K):
            best[key] = one
    return best, remarks


def with_lattices(devices: tuple[Device, ...], cells_of: Mapping[str, Lattice]) -> tuple[Device, ...]:
    """The devices, those without a unit cell with that of their composition, which counts as borrowed."""
    return tuple(_with_lattice(device, cells_of.get(device.material)) for device in devices)


def _with_lattice(device: Device, cell: Lattice | None) -> Device:
    if cell is None or device.a_angstrom is not None:
        return device
    keys = ("a_angstrom", "b_angstrom", "c_angstrom", "alpha_deg", "beta_deg", "gamma_deg")
    values: dict[str, Any] = dict(zip(keys, cell.lengths + cell.angles, strict=True))
    sources = [text for text in (device.values_from_other_sources, f"lattice: {cell.source}") if text]
    return Device(**{**device.model_dump(), **values, "values_from_other_sources": "; ".join(sources)})


M = TypeVar("M", bound=BaseModel)


def _read(path: Path, model: type[M], make: Callable[[int, M], T]) -> tuple[list[T], tuple[str, ...]]:
    """Rows made of a CSV file's; those whose formula is no perovskite's are left out and remarked on."""
    headings, rows = cells(path)
    missing = [name for name, field in model.model_fields.items() if field.is_required() and name not in headings]
    if missing:
        raise SchemaError(f"{path} has no column {missing[0]!r}; it has {', '.join(headings)}")
    made, errors, remarks = [], [], []
    for number, row in rows:
        filled = {name: cell.strip() for name, cell in zip(headings, row, strict=True)}
        try:
            read = model(**{name: cell for name, cell in filled.items() if cell.casefold() not in EMPTY})
            made.append(make(number, read))
        except CompositionError as error:
            remarks.append(f"{path.name}, row {number}, is left out: {error}")
        except ValidationError as error:
            for one in error.errors():
                named = str(one["loc"][0])
                if named == "formula_normalised":  # Device's reading of the composition
                    remarks.append(
                        f"{path.name}, row {number}, is left out: {one['msg'].removeprefix('Value error, ')}"
                    )
                elif one["type"] == "missing":
                    remarks.append(f"{path.name}, row {number}, is left out: column {named!r} is empty")
                else:
                    errors.append(f"row {number}, column {named!r}: {one['input']!r}: {one['msg']}")
        except ValueError as error:
            errors.append(f"row {number}, {error}")
    if errors:
        raise SchemaError(f"{path} has values that cannot be:\n" + "\n".join(errors[:MOST_ERRORS]))
    return made, tuple(remarks)
