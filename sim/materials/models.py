"""The five regressors of the paper, each a pipeline that imputes by itself, and what has to be installed for them.

Samples -> [fit]: inner, grouped search of the hyperparameters, then all rows -> a fitted pipeline

The imputer is the first step of every pipeline, so that in a cross-validation it learns its medians from the training
half alone.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from sim.materials.features import Samples, Texts
from sim.materials.symbolic import SymbolicRegression

Indices: TypeAlias = npt.NDArray[np.intp]

INNER_FOLDS = 3


@dataclass(frozen=True)
class Model:
    """A kind of regressor.

    Members
    -------
    key, title : `paper`: how the paper abbreviates it.
    regressor : makes one from a seed.
    grid : hyperparameters to choose among, by name.
    scaled : the regressor wants features of unit variance.
    needs : module to be installed, and the extra that does.
    """

    key: str
    title: str
    paper: str
    regressor: Callable[[int], Any]
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    scaled: bool = False
    needs: tuple[str, str] | None = None

    def pipeline(self, seed: int) -> Pipeline:
        """Imputer, scaler where it is wanted, regressor (the step "model"), none of them fitted."""
        steps = [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("varying", VarianceThreshold()),  # a feature that no training row has says nothing
        ]
        if self.scaled:
            steps.append(("scale", StandardScaler()))
        return Pipeline([*steps, ("model", self.regressor(seed))])


def _boosted(seed: int) -> Any:
    from xgboost import XGBRegressor  # an extra

    return XGBRegressor(
        n_estimators=40, learning_rate=0.15, subsample=0.8, colsample_bytree=0.8, random_state=seed, n_jobs=1
    )


BASELINE = Model("mean", "mean", "", lambda seed: DummyRegressor())
MODELS: Mapping[str, Model] = {
    model.key: model
    for model in (
        # Ridge: with as many features as materials, least squares alone fits noise. alpha 0.001 is least squares.
        Model("linear", "multivariable linear", "MLR", lambda seed: Ridge(),
              {"alpha": (0.001, 1.0, 10.0, 100.0)}, True),
        Model("forest", "random forest", "RFR",
              lambda seed: RandomForestRegressor(50, max_features=0.5, random_state=seed, n_jobs=1),
              {"min_samples_leaf": (1, 3)}),
        Model("boosting", "XGBoost", "XGBoost", _boosted, {"max_depth": (2, 4)}, needs=("xgboost", "boosting")),
        Model("vectors", "support vectors", "SVR", lambda seed: SVR(epsilon=0.1),
              {"C": (0.3, 3.0, 30.0), "gamma": (0.01, 0.1)}, True),
        Model("symbolic", "symbolic regression", "GPSR", lambda seed: SymbolicRegression(seed=seed),
              needs=("gplearn", "symbolic")),
    )
}  # fmt: skip


def installed() -> dict[str, Model]:
    """The models that can be used here."""
    return {key: model for key, model in MODELS.items() if _is_here(model)}


def left_out() -> tuple[str, ...]:
    """A sentence for each model that cannot."""
    return tuple(
        f"{model.title} is left out: {model.needs[0]} is not installed (pip install 'edgeray[{model.needs[1]}]')"
        for model in MODELS.values()
        if model.needs and not _is_here(model)
    )


def _is_here(model: Model) -> bool:
    return model.needs is None or importlib.util.find_spec(model.needs[0]) is not None


def folds(material: Texts, count: int, seed: int) -> Iterator[tuple[Indices, Indices]]:
    """(training, test) indices of `count` splits; no material is in both halves of one."""
    materials = sorted(set(material.tolist()))
    np.random.default_rng(seed).shuffle(materials)
    for held in np.array_split(np.array(materials), min(count, len(materials))):
        test = np.isin(material, held)
        yield np.flatnonzero(~test), np.flatnonzero(test)


def fit(model: Model, samples: Samples, seed: int) -> Pipeline:
    """The model's pipeline, its hyperparameters chosen by an inner grouped cross-validation of these samples alone."""
    pipeline = model.pipeline(seed)
    weighted = {"model__sample_weight": samples.weight}
    if not model.grid:
        return clone(pipeline).fit(samples.x, samples.y, **weighted)
    grid = {f"model__{name}": list(values) for name, values in model.grid.items()}
    splits = list(folds(samples.material, INNER_FOLDS, seed))
    search = GridSearchCV(pipeline, grid, cv=splits, scoring="neg_mean_squared_error")
    return search.fit(samples.x, samples.y, **weighted).best_estimator_
