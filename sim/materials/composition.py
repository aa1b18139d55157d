"""A formula: its elements, what sits on the sites of a perovskite, masses of both.

formula -> [parse] -> Composition -> features, comparison with a table's own masses

Masses are molmass's. Organic cations are written out in parentheses, (C8H12N)2PbI4, at the front, CH3NH3PbI3, or by one
of the usual short names below, MAPbI3.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from molmass import ELEMENTS

from sim.materials.errors import CompositionError

CATIONS = {
    "MA": "CH6N", "FA": "CH5N2", "EA": "C2H8N", "DMA": "C2H8N", "GA": "CH6N3", "GUA": "CH6N3", "AG": "CH7N4",
    "PA": "C3H10N", "BA": "C4H12N", "PEA": "C8H12N", "F-PEA": "C8H11FN", "o-F-PEA": "C8H11FN", "m-F-PEA": "C8H11FN",
    "p-F-PEA": "C8H11FN", "PMA": "C7H10N", "BZA": "C7H10N", "NPA": "C5H14N", "TMA": "C4H12N", "EDA": "C2H10N2",
    "PDA": "C3H12N2", "BDA": "C4H14N2", "DABCO": "C6H14N2", "MDABCO": "C7H16N2", "Mor": "C4H10NO", "MHy": "CH7N2",
    "3AMPY": "C6H10N2", "4AMPY": "C6H10N2", "methylammonium": "CH6N", "formamidinium": "CH5N2",
    "ethylammonium": "C2H8N", "dimethylammonium": "C2H8N", "trimethylammonium": "C3H10N",
    "tetramethylammonium": "C4H12N",
    "propylammonium": "C3H10N", "isopropylammonium": "C3H10N", "butylammonium": "C4H12N", "guanidinium": "CH6N3",
    "acetamidinium": "C2H7N2", "hydroxylammonium": "NH4O", "hydrazinium": "N2H5", "imidazolium": "C3H5N2",
    "azetidinium": "C3H8N", "ammonium": "NH4",
}  # fmt: skip
"""Short names of organic cations in the literature on detectors."""

HALOGENS = frozenset({"F", "Cl", "Br", "I"})
ALKALI = frozenset({"Li", "Na", "K", "Rb", "Cs"})
ALKALINE_EARTH = frozenset({"Ca", "Sr", "Ba"})
ORGANIC = frozenset({"C", "H", "N", "O", "S", "P", "Se"})

_NAMES = re.compile("|".join(sorted(map(re.escape, CATIONS), key=len, reverse=True)))
_TOKEN = re.compile(r"([A-Z][a-z]?|\(|\)|\[|\])|(\d+\.?\d*|\.\d+)|(.)")

Counts: TypeAlias = dict[str, float]


@dataclass(frozen=True)
class _Group:
    items: tuple[tuple["str | _Group", float], ...]

    def elements(self) -> Counts:
        found: Counts = {}
        for item, count in self.items:
            for element, number in ({item: 1.0} if isinstance(item, str) else item.elements()).items():
                found[element] = found.get(element, 0.0) + number * count
        return found


@dataclass(frozen=True)
class Species:
    """An ion on a site: its formula (Hill order), how many a formula unit has, molar mass in g/mol."""

    name: str
    count: float
    mass: float


@dataclass(frozen=True)
class Composition:
    """A perovskite's formula, taken apart.

    Members
    -------
    text : the formula as given.
    elements : atoms of each in a formula unit.
    a, b, x : what sits on the sites.
    """

    text: str
    elements: Mapping[str, float]
    a: tuple[Species, ...]
    b: tuple[Species, ...]
    x: tuple[Species, ...]

    @property
    def z_a(self) -> float:
        """Mean molar mass of the species on the A site, g/mol, weighted by count; the paper calls it atomic number."""
        return _mean_mass(self.a)

    @property
    def z_b(self) -> float:
        """The same of the B site."""
        return _mean_mass(self.b)

    @property
    def z_x(self) -> float:
        """The same of the X site."""
        return _mean_mass(self.x)

    @property
    def z_total(self) -> float:
        """Molar mass of the formula unit, g/mol."""
        return mass(self.elements)

    @property
    def key(self) -> str:
        """What is the same for the same elements in the same proportions: the material, however it is written."""
        total = sum(self.elements.values())
        return " ".join(f"{element}{self.elements[element] / total:.3f}" for element in sorted(self.elements))

    @property
    def dimensionality(self) -> float | None:
        """Of the network of B and X, guessed from X atoms a B ion: 3 shares all corners, 6 none; None where unsure."""
        ratio = _count(self.x) / _count(self.b)
        for low, high, guess in (
            (2.95, 3.05, 3.0),
            (3.05, 4.05, 2.0),
            (4.4, 4.6, 0.0),
            (4.9, 5.1, 1.0),
            (5.9, 6.1, 0.0),
        ):
            if low <= ratio <= high:
                return guess
        return None


def mass(elements: Mapping[str, float]) -> float:
    """Molar mass, g/mol, of that many atoms of each element."""
    return float(sum(count * ELEMENTS[element].mass for element, count in elements.items()))


def parse(text: str) -> Composition:
    """Take the formula of a halide perovskite (or double oxide) apart. Raises CompositionError."""
    plain = unicodedata.normalize("NFKC", text).replace(" ", "")
    group = _grouped(_NAMES.sub(lambda found: f"({CATIONS[found[0]]})", plain), text)
    ions: dict[str, float] = {}
    masses: dict[str, float] = {}
    _collect(group, 1.0, ions, masses)
    a, b, x = _sites(ions, masses, text)

    def species(names: Iterable[str]) -> tuple[Species, ...]:
        return tuple(Species(name, ions[name], masses[name]) for name in names)

    return Composition(text, group.elements(), species(a), species(b), species(x))


def _grouped(written: str, text: str) -> _Group:
    """The formula as nested groups."""
    stack: list[list[tuple[str | _Group, float]]] = [[]]
    countable = False  # a number may follow
    for symbol, number, other in _TOKEN.findall(written):
        if other:
            raise CompositionError(
                f"{text!r} is no formula: {other!r} means nothing there; write cations out, (C8H12N)2PbI4"
            )
        if number:
            if not countable or float(number) <= 0:
                raise CompositionError(f"{text!r} is no formula: the number {number} counts nothing")
            stack[-1][-1] = (stack[-1][-1][0], float(number))
            countable = False
            continue
        if symbol in "([":
            stack.append([])
            countable = False
            continue
        if symbol in ")]":
            if len(stack) == 1 or not stack[-1]:
                raise CompositionError(f"{text!r} is no formula: {symbol} closes nothing")
            inner = _Group(tuple(stack.pop()))
            stack[-1].append((inner, 1.0))
        elif symbol not in ELEMENTS:
            raise CompositionError(
                f"{text!r} is no formula: {symbol} is no element, nor a known short name of a cation"
            )
        else:
            stack[-1].append((symbol, 1.0))
        countable = True
    if len(stack) > 1 or not stack[0]:
        raise CompositionError(
            f"{text!r} is no formula: {'a parenthesis is open' if len(stack) > 1 else 'it is empty'}"
        )
    return _Group(tuple(stack[0]))


def _collect(group: _Group, factor: float, ions: dict[str, float], masses: dict[str, float]) -> None:
    """Add the ions of a group: molecular ones as a whole, the others atom by atom."""

    def add(elements: Counts, count: float) -> None:
        name = _hill(elements)
        ions[name] = ions.get(name, 0.0) + count
        masses[name] = mass(elements)

    loose: Counts = {}  # atoms of an organic cation that is written without parentheses
    for item, count in group.items:
        if isinstance(item, _Group):
            elements = item.elements()
            if "H" in elements and set(elements) <= ORGANIC | HALOGENS:
                add(elements, factor * count)
            else:
                _collect(item, factor * count, ions, masses)
        elif item in ORGANIC:
            loose[item] = loose.get(item, 0.0) + count
        else:
            add({item: 1.0}, factor * count)
    if set(loose) == {"O"}:
        add({"O": 1.0}, factor * loose["O"])
    elif loose:
        add(loose, factor)


def _sites(ions: Mapping[str, float], masses: Mapping[str, float], text: str) -> tuple[list[str], list[str], list[str]]:
    """Which ion sits where."""
    oxide = "O" in ions
    x = ["O"] if oxide else [name for name in ions if name in HALOGENS]
    large = [name for name in ions if name in ALKALI or (oxide and name in ALKALINE_EARTH) or len(_atoms(name)) > 1]
    b = [name for name in ions if name not in x and name not in large]
    if "Tl" in b and len(b) > 1 and not large:  # Tl+ is as large as an alkali ion: Tl2TeI6
        large, b = ["Tl"], [name for name in b if name != "Tl"]
    if not x:
        raise CompositionError(f"{text!r} has no halide: the X site of a halide perovskite is F, Cl, Br or I")
    if not b and len(large) > 1:  # metal-free: the small cation, such as NH4, takes the metal's place
        b = [min(large, key=lambda name: masses[name])]
    elif b and len(large) > 1:  # a double perovskite, A2BB'X6, whose B is an alkali metal, such as Na in Cs2NaInCl6
        lightest = min((name for name in large if name in ALKALI), key=lambda name: masses[name], default=None)
        if lightest is not None:
            rest, metals = sum(ions[name] for name in large if name != lightest), sum(ions[name] for name in b)
            if rest and abs(metals + ions[lightest] - rest) < 1e-6 and abs(sum(ions[n] for n in x) - 3 * rest) < 1e-6:
                b.append(lightest)
    a = [name for name in large if name not in b]
    if not a or not b:
        raise CompositionError(
            f"{text!r} has no {'A' if not a else 'B'} site: a perovskite is A, B and X, as in CsPbBr3"
        )
    return a, b, x


def _atoms(name: str) -> list[str]:
    return re.findall("[A-Z][a-z]?", name)


def _hill(elements: Mapping[str, float]) -> str:
    order = sorted(elements, key=lambda element: (element != "C", element != "H", element))
    return "".join(element + (f"{elements[element]:g}" if elements[element] != 1 else "") for element in order)


def _count(species: Iterable[Species]) -> float:
    return sum(one.count for one in species)


def _mean_mass(species: tuple[Species, ...]) -> float:
    return sum(one.count * one.mass for one in species) / _count(species)
