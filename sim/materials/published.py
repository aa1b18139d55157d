"""The published detectors that come with the project, and tables that users add.

data/perovskite_xray_detectors.csv, the user's CSV -> [devices], [find] -> Device -> features, prediction, twin
"""

import unicodedata
from functools import lru_cache
from pathlib import Path

from sim.materials.composition import parse
from sim.materials.errors import CompositionError
from sim.materials.schema import Device, read

TABLE = Path(__file__).parent / "data" / "perovskite_xray_detectors.csv"


@lru_cache
def devices(table: Path | None = None) -> tuple[Device, ...]:
    """Every row of the project's table, and after them those of `table`. Raises SchemaError."""
    return read(TABLE) + (read(table) if table is not None else ())


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
