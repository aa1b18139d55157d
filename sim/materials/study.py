"""All that the report shows, computed once: every model on every set of samples, what matters, how it grows with data.

Device -> [study] -> Study -> findings, report
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import joblib
import numpy as np

from sim.materials.composition import parse
from sim.materials.errors import MaterialsError
from sim.materials.features import TARGETS, Samples, samples
from sim.materials.importance import Importance, permuted
from sim.materials.models import Model, fit, installed
from sim.materials.predict import SEED, SLOW, Forecast, forecast, validate_all
from sim.materials.published import Tables
from sim.materials.validation import REPEATS, Step, Validation, learning_curve

HELD_OUT = "(C8H11FN)2PbI4"
"""The crystal that the paper grew to test its models: (m-F-PEA)2PbI4."""
NO_GAIN = "sensitivity_without_gain"
DETECTORS_ALONE = "band_gap_of_detectors_alone"
TITLES = {
    **{key: target.title for key, target in TARGETS.items()},
    NO_GAIN: "sensitivity, without rows that imply gain",
    DETECTORS_ALONE: "band gap, detector table alone",
}
GROWING = ("forest", "vectors")

T = TypeVar("T")


@dataclass(frozen=True)
class Study:
    """What was computed.

    Members
    -------
    tables : what it is computed from.
    models : those that are installed, by key.
    data : by set: the targets' keys, NO_GAIN, and DETECTORS_ALONE where further gaps were given.
    lacking : by target's key, why it has no models.
    validations, importances : by set and model; symbolic regression of the targets' sets alone, it is slow.
    curves : by target's key and model.
    held_out : by target's key and model, what is predicted for HELD_OUT without it, in the target's unit.
    forecasts : what predicts, by target's key.
    """

    tables: Tables
    models: Mapping[str, Model]
    data: Mapping[str, Samples]
    lacking: Mapping[str, str]
    validations: Mapping[str, Mapping[str, Validation]]
    importances: Mapping[str, Mapping[str, Importance]]
    curves: Mapping[str, Mapping[str, Sequence[Step]]]
    held_out: Mapping[str, Mapping[str, float]]
    forecasts: Mapping[str, Forecast]

    def best(self, key: str) -> Validation:
        """The model of the greatest skill on a set."""
        return max(self.validations[key].values(), key=lambda one: one.skill.value)


def study(tables: Tables, models: Sequence[Model] | None = None, *, seed: int = SEED, repeats: int = REPEATS) -> Study:
    """Compute everything; the same seed gives the same numbers. `models`: those installed unless given.

    Raises MaterialsError where no target has enough materials.
    """
    chosen = list(installed().values()) if models is None else list(models)
    data, lacking = _sets(tables)
    targets = [key for key in data if key in TARGETS]
    quick = [model for model in chosen if model.key != SLOW]
    validations = {
        **validate_all({key: data[key] for key in targets}, chosen, seed=seed, repeats=repeats),
        **validate_all({key: data[key] for key in data if key not in targets}, quick, seed=seed, repeats=repeats),
    }
    parallel = joblib.Parallel(n_jobs=-1)
    pairs = [(key, model) for key in data for model in chosen if model.key in validations[key]]
    importances = parallel(
        joblib.delayed(permuted)(data[key], validations[key][model.key], seed) for key, model in pairs
    )
    growing = [(key, model) for key in targets for model in chosen if model.key in GROWING]
    curves = parallel(joblib.delayed(learning_curve)(data[key], model, seed) for key, model in growing)
    held = [(key, model) for key in targets for model in chosen]
    guesses = parallel(joblib.delayed(_held_out)(data[key], model, seed) for key, model in held)
    return Study(
        tables, {model.key: model for model in chosen}, data, lacking, validations,
        _nested(pairs, importances), _nested(growing, curves),
        {key: some for key, some in _nested(held, guesses).items() if None not in some.values()},
        {key: forecast(data[key], [validations[key][model.key] for model in quick], seed) for key in targets},
    )  # fmt: skip


def _sets(tables: Tables) -> tuple[dict[str, Samples], dict[str, str]]:
    found, lacking = {}, {}
    for key, target in TARGETS.items():
        try:
            found[key] = samples(tables.everything, target)
            if target.by_material and tables.gaps:
                found[DETECTORS_ALONE] = samples(tables.detectors, target)
        except MaterialsError as error:
            lacking[key] = str(error)
    if not found:
        raise MaterialsError("; ".join(lacking.values()))
    try:
        without = samples(tables.everything, TARGETS["sensitivity_uc_gy_cm2"], with_gain=False)
        if len(without.y) < len(found["sensitivity_uc_gy_cm2"].y):
            found[NO_GAIN] = without
    except (MaterialsError, KeyError):
        pass  # too few rows are left, which the table of rows shows
    return found, lacking


def _held_out(data: Samples, model: Model, seed: int) -> float | None:
    """What the model, fitted without the paper's crystal, predicts for it; None where it is not in the data."""
    test = data.material == parse(HELD_OUT).key
    if not test.any():
        return None
    seen = fit(model, data.only(~test), seed).predict(data.x[test])
    return float(data.target.shown(np.asarray([seen.mean()]))[0])


def _nested(pairs: Sequence[tuple[str, Model]], values: Sequence[T]) -> dict[str, dict[str, T]]:
    found: dict[str, dict[str, T]] = {}
    for (key, model), value in zip(pairs, values, strict=True):
        found.setdefault(key, {})[model.key] = value
    return found
