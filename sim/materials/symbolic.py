"""Symbolic regression by genetic programming (gplearn), and its result as a formula that can be read.

features, target -> [SymbolicRegression] -> prediction; [formula] -> text
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

from sim.materials.features import Floats

POPULATION, GENERATIONS = 500, 10
LENGTH_COSTS = 0.01
"""Correlation that one more node of a formula must add."""
# gplearn's protected functions: division by less than 0.001 gives 1, root and logarithm take the absolute value.
FUNCTIONS = ("add", "sub", "mul", "div", "sqrt", "log")
SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/"}


class SymbolicRegression(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """gplearn's SymbolicRegressor with the functions of the paper's equation 3; a scikit-learn regressor.

    A formula f is bred for its correlation with the target; offset and scale of offset + scale * f follow by least
    squares, which breeding is bad at (linear scaling: Keijzer, EuroGP 2003).

    A prediction is kept within the range of the training values, widened by half its span on both sides: a formula with
    a division has no bounds outside its data.
    """

    def __init__(self, seed: int = 0, population: int = POPULATION, generations: int = GENERATIONS) -> None:
        self.seed = seed
        self.population = population
        self.generations = generations

    def fit(self, x: Floats, y: Floats, sample_weight: Floats | None = None) -> "SymbolicRegression":
        """Breed formulas for rows `x` (n, features) and values `y` (n,)."""
        from gplearn.genetic import SymbolicRegressor  # an extra

        breeder = SymbolicRegressor(
            population_size=self.population, generations=self.generations, function_set=FUNCTIONS,
            const_range=(-10.0, 10.0), metric="pearson", parsimony_coefficient=LENGTH_COSTS, random_state=self.seed,
            n_jobs=1,
        )  # fmt: skip
        # gplearn's own choice is the best of the last generation, whatever its length.
        last = breeder.fit(x, y, sample_weight=sample_weight)._programs[-1]
        self.program_ = max((one for one in last if one is not None), key=lambda one: one.fitness(LENGTH_COSTS))
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        value = np.broadcast_to(np.asarray(self.program_.execute(x), np.float64), len(y))
        centred, mean = value - np.average(value, weights=weight), float(np.average(y, weights=weight))
        spread = float(np.average(centred**2, weights=weight))
        self.scale_ = float(np.average(centred * (y - mean), weights=weight)) / spread if spread > 1e-12 else 0.0
        self.offset_ = mean - self.scale_ * float(np.average(value, weights=weight))
        half = 0.5 * (float(np.max(y)) - float(np.min(y)))
        self.limits_ = (float(np.min(y)) - half, float(np.max(y)) + half)
        return self

    def predict(self, x: Floats) -> Floats:
        """(n,) values of the best formula."""
        value = np.broadcast_to(np.asarray(self.program_.execute(x), np.float64), len(x))
        return np.clip(self.offset_ + self.scale_ * value, *self.limits_)


def formula(fitted: SymbolicRegression, names: Sequence[str]) -> str:
    """The formula with the features' names, in the usual notation; gplearn's is nested calls."""
    text, _ = _infix(list(fitted.program_.program), 0, names)
    return f"{fitted.offset_:.4g} {'+' if fitted.scale_ >= 0 else '-'} {abs(fitted.scale_):.4g} * {text}"


def _infix(program: Sequence[Any], at: int, names: Sequence[str]) -> tuple[str, int]:
    """The part of the prefix program that begins at `at`, and where the next one begins."""
    node, following = program[at], at + 1
    if isinstance(node, int | np.integer):
        return names[int(node)], following
    if isinstance(node, float | np.floating):
        return f"{float(node):.3g}", following
    parts = []
    for _ in range(node.arity):
        part, following = _infix(program, following, names)
        parts.append(part)
    if node.name in SIGNS:
        return f"({parts[0]} {SIGNS[node.name]} {parts[1]})", following
    inner = parts[0]
    return f"{node.name}{inner if inner.startswith('(') and _closes_last(inner) else f'({inner})'}", following


def _closes_last(text: str) -> bool:
    """Whether the parenthesis that opens the text is closed at its end."""
    depth = 0
    for place, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return place == len(text) - 1
    return False
