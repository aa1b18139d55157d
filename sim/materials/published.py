"""The published detectors that come with the project, and the tables that users add.

data/perovskite_xray_detectors.csv -> [devices], [find] -> Device -> twin
the same and the user's CSV files -> [tables] -> Tables -> features, study, prediction
"""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sim.materials import further
from sim.materials.composition import parse
from sim.materials.errors import CompositionError
from sim.materials.schema import Device, read

TABLE = Path(__file__).parent / "data" / "perovskite_xray_detectors.csv"


@dataclass(frozen=True)
class Tables:
    """What there is to learn from.

    Members
    -------
    detectors : the project's rows and the user's.
    gaps : materials of a further table of band gaps, which are no detectors.
    remarks : what was left out of these, or is unlikely in them.
    """

    detectors: tuple[Device, ...]
    gaps: tuple[Device, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def everything(self) -> tuple[Device, ...]:
        """Detectors, and behind them the other materials."""
        return self.detectors + self.gaps


@lru_cache
def devices(table: Path | None = None) -> tuple[Device, ...]:
    """Every row of the project's table, and after them those of `table`, read once a process. Raises SchemaError."""
    return read(TABLE) + (read(table) if table is not None else ())


def tables(table: Path | None = None, gaps: Path | None = None, lattices: Path | None = None) -> Tables:
    """The project's table with the user's: further detectors, gaps, unit cells. Raises SchemaError."""
    detectors = devices(table)
    remarks = [remark for device in detectors for remark in device.remarks]
    others, about_gaps = further.gaps(gaps) if gaps is not None else ((), ())
    cells, about_cells = further.lattices(lattices) if lattices is not None else ({}, ())
    return Tables(
        further.with_lattices(detectors, cells), further.with_lattices(others, cells),
        (*remarks, *about_gaps, *about_cells),
    )  # fmt: skip


def find(name_or_formula: str, table: Path | None = None) -> tuple[Device, ...]:
    """The published rows of a material: of that name as it stands in the table, else of that composition.

    Empty where there is none. Isomers are told apart by name alone: a formula finds both. Raises SchemaError.
    """
    known = devices(table)
    wanted = _name(name_or_formula)
    named = tuple(device for device in known if _name(device.perovskite) == wanted)
    if named:
        return named
    try:
        key = parse(name_or_formula).key
    except CompositionError:
        return ()
    return tuple(device for device in known if device.composition is not None and device.composition.key == key)


def _name(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
