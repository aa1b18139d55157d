"""Compositions that nobody has to have made, in the order of what is predicted for them.

patterns -> [expand] -> formulas -> [rank] -> Ranking: predictions in order, with intervals and warnings
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from sim.materials.composition import parse
from sim.materials.errors import MaterialsError
from sim.materials.features import measured
from sim.materials.predict import Estimate, Forecaster

SPACE = (
    "{Cs,MA,FA}{Pb,Sn,Ge}{Cl,Br,I}3",
    "{Cs,MA,FA}Pb{I2Br,IBr2,Br2Cl}",
    "{Cs,Rb,MA}3{Bi,Sb}2{Cl,Br,I}9",
    "Cs2{Ag,Na}{Bi,Sb,In}{Cl,Br,I}6",
    "Cs2{Te,Sn}{Br,I}6",
    "({PEA,BA})2{Pb,Sn}{Br,I}4",
)
"""Patterns of the compositions that are ranked unless the user names others."""
MOST = 5000
LEAST_IS_BEST = frozenset({"detection_limit_ugy_s"})


@dataclass(frozen=True)
class Candidate:
    """A composition, what is predicted for the target ranked by, where it is published, why it may be nonsense."""

    formula: str
    estimate: Estimate
    published: bool
    outside_domain: tuple[str, ...]


@dataclass(frozen=True)
class Ranking:
    """Candidates, the best first.

    Members
    -------
    key : of the target.
    near : the wanted value; None: the greatest is the best, of a detection limit the least.
    tied : how many candidates have an interval that reaches the best one's value: their order is not certain.
    worth : whether the model is better than the mean; where it is not, the order says nothing.
    """

    key: str
    near: float | None
    candidates: tuple[Candidate, ...]
    tied: int
    worth: bool


def expand(patterns: Sequence[str]) -> list[str]:
    """Formulas of patterns: {Cs,MA}Pb{Br,I}3 is four of them. Raises MaterialsError where they are too many."""
    formulas: dict[str, None] = {}
    for pattern in patterns:
        parts = re.split(r"\{([^{}]*)\}", pattern)  # every second part was in braces
        choices = [part.split(",") if place % 2 else [part] for place, part in enumerate(parts)]
        count = 1
        for some in choices:
            count *= len(some)
        if count + len(formulas) > MOST:
            raise MaterialsError(f"{pattern!r} makes more than {MOST} compositions: name fewer")
        formulas.update(dict.fromkeys("".join(some) for some in product(*choices)))
    return list(formulas)


def rank(forecaster: Forecaster, key: str, formulas: Sequence[str], near: float | None = None) -> Ranking:
    """Order the formulas by what is predicted for the target `key`; those outside the training domain come last.

    Raises CompositionError for a formula that is none, MaterialsError where the target has no model.
    """
    if key not in forecaster.forecasts:
        known = ", ".join(forecaster.forecasts)
        raise MaterialsError(f"there is no model of {key!r} to rank by; there are {known}")
    published = {device.material for device in forecaster.known if measured(device)}
    found = []
    for formula in formulas:
        prediction = forecaster.predict(formula, (key,))
        found.append(
            Candidate(formula, prediction.targets[key], parse(formula).key in published, prediction.outside_domain)
        )
    if not found:
        raise MaterialsError("there is nothing to rank: name formulas or patterns such as '{Cs,MA}Pb{Br,I}3'")

    def order(one: Candidate) -> tuple[bool, float]:
        value = one.estimate.value
        if near is not None:
            return bool(one.outside_domain), abs(value - near)
        return bool(one.outside_domain), value if key in LEAST_IS_BEST else -value

    found.sort(key=order)
    best = found[0].estimate.value
    tied = sum(one.estimate.low <= best <= one.estimate.high for one in found)
    return Ranking(key, near, tuple(found), tied, found[0].estimate.better_than_mean)
