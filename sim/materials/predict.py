"""From a formula to what a detector of it would do, with what that is worth.

formula -> [predict] -> Prediction: each target with an interval, nearest known materials, warnings -> rank, twin

Of every target that model predicts which had the greatest skill in the cross-validation; where all were behind the
mean, the mean does. Symbolic regression does not take part: it is slow, and its formulas have poles.
"""

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from sim.materials.composition import Composition, parse
from sim.materials.errors import CompositionError, MaterialsError, SchemaError
from sim.materials.features import COMPOSITION, LABELS, TARGETS, Floats, Samples, features_of, measured, samples
from sim.materials.models import BASELINE, Model, fit, installed
from sim.materials.published import TABLE, tables
from sim.materials.schema import Device
from sim.materials.validation import REPEATS, Validation, better, validate

SEED = 1
NEAREST = 3
CACHE = Path(__file__).parent.parent.parent / "build" / "materials"
CODE = ("composition", "schema", "further", "published", "features", "models", "validation", "predict")
"""Modules that a prediction follows from."""
SLOW = "symbolic"


@dataclass(frozen=True)
class Estimate:
    """A predicted value in the unit of its key, the ends of its 90 % interval, and by which model.

    `better_than_mean` is whether the cross-validation showed the model to predict better than the mean does. Where it
    is False the interval is about as wide as the values of all materials are.
    """

    value: float
    low: float
    high: float
    better_than_mean: bool
    model: str = ""


@dataclass(frozen=True)
class Prediction:
    """What a formula lets expect.

    Members
    -------
    formula : as parsed.
    targets : by key: band_gap_ev, mu_tau_cm2_v, sensitivity_uc_gy_cm2, detection_limit_ugy_s; those that have a model.
    nearest : names of the published materials that are most alike, the nearest first.
    outside_domain : why the formula is unlike all that the models learnt from; empty where it is not.
    """

    formula: str
    targets: Mapping[str, Estimate]
    nearest: tuple[str, ...]
    outside_domain: tuple[str, ...]


@dataclass(frozen=True)
class Forecast:
    """A target's model, fitted to all samples, and half the width of its interval, as the models see the target."""

    samples: Samples
    title: str
    pipeline: Any
    residual: float
    better_than_mean: bool


def forecast(data: Samples, validations: Sequence[Validation], seed: int = SEED) -> Forecast:
    """The best of the validated models, fitted to all samples; the mean where none has skill."""
    best = better(validations)
    if best is None:
        validation = validate(data, BASELINE, seed)
        return Forecast(data, BASELINE.title, fit(BASELINE, data, seed), validation.residual, False)
    return Forecast(data, best.model.title, fit(best.model, data, seed), best.residual, best.better_than_mean)


class Forecaster:
    """Predicts for any formula, from one table.

    Parameters
    ----------
    known : what is published.
    forecasts : by target's key.
    """

    def __init__(self, known: Sequence[Device], forecasts: Mapping[str, Forecast]) -> None:
        self.known = known
        self.forecasts = forecasts

    def predict(self, formula: str, keys: Sequence[str] | None = None) -> Prediction:
        """See `predict`; of all targets, or of those alone. Raises CompositionError."""
        composition = self._composition(formula)
        chosen = [self.forecasts[key] for key in (self.forecasts if keys is None else keys)]
        found = {}
        for one in chosen:
            target = one.samples.target
            seen = float(one.pipeline.predict(features_of(composition, self.known, target.features))[0])
            ends = np.array([seen, seen - one.residual, seen + one.residual])
            value, low, high = (float(each) for each in target.shown(ends if target.log else np.maximum(ends, 0.0)))
            found[target.key] = Estimate(value, low, high, one.better_than_mean, one.title)
        return Prediction(composition.text, found, self._nearest(composition), self._outside(composition, chosen))

    def _composition(self, formula: str) -> Composition:
        try:
            return parse(formula)
        except CompositionError:
            for device in self.known:  # a name that the table knows the composition of
                if device.perovskite.casefold() == formula.strip().casefold() and device.composition is not None:
                    return device.composition
            raise

    def _nearest(self, composition: Composition) -> tuple[str, ...]:
        """By distance, isomers and forms of one material counted once."""
        names: dict[str, str] = {}
        distances: dict[str, float] = {}
        spread = self._spread()
        for device in self.known:
            other = device.composition
            if other is None or device.flagged("OXIDE") or not measured(device):
                continue
            distances.setdefault(other.key, _distance(composition, other, spread))
            names[other.key] = min(names.get(other.key, device.perovskite), device.perovskite, key=len)
        return tuple(names[key] for key in sorted(distances, key=lambda key: (distances[key], key))[:NEAREST])

    def _spread(self) -> Floats:
        masses = np.array([_masses(device.composition) for device in self.known if device.composition is not None])
        return np.asarray(np.maximum(masses.std(axis=0), 1e-9))

    def _outside(self, composition: Composition, chosen: Sequence[Forecast]) -> tuple[str, ...]:
        reasons: dict[str, list[str]] = {}
        for one in chosen:
            for reason in _reasons(composition, one.samples):
                reasons.setdefault(reason, []).append(one.samples.target.title)
        return tuple(f"{reason} (models of {', '.join(titles)})" for reason, titles in reasons.items())


def predict(formula: str, *, table: Path | None = None) -> Prediction:
    """What a detector of that formula, or of that published name, lets expect.

    `table`: a CSV file of further devices to learn from. The first call for a table cross-validates every model, which
    takes half a minute; the result is kept in build/materials. Raises CompositionError, SchemaError, MaterialsError.
    """
    return forecaster(table).predict(formula)


@lru_cache
def forecaster(table: Path | None = None, gaps: Path | None = None, lattices: Path | None = None) -> Forecaster:
    """The models of what is published and of the user's tables, from build/materials where they were fitted before.

    A table is read once a process.

    Raises SchemaError, MaterialsError.
    """
    known = tables(table, gaps, lattices).everything
    path = _kept(table, gaps, lattices)
    try:
        with path.open("rb") as file:
            return Forecaster(known, pickle.load(file))
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError):
        pass  # not there, or of an interrupted run: it is made again
    forecasts = fitted(known)
    try:
        CACHE.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{id(forecasts)}")
        temporary.write_bytes(pickle.dumps(forecasts))
        temporary.replace(path)
    except OSError:
        pass  # a folder that cannot be written to costs time, no result
    return Forecaster(known, forecasts)


def is_fitted(table: Path | None = None, gaps: Path | None = None, lattices: Path | None = None) -> bool:
    """Whether build/materials has these tables' models, so that `forecaster` is quick. Raises SchemaError."""
    return _kept(table, gaps, lattices).exists()


def _kept(*given: Path | None) -> Path:
    return CACHE / f"{_fingerprint([path for path in given if path is not None])}.pickle"


def fitted(known: Sequence[Device]) -> dict[str, Forecast]:
    """Validate every quick model on every target and keep the best. Raises MaterialsError where no target has data."""
    data: dict[str, Samples] = {}
    for key, target in TARGETS.items():
        try:
            data[key] = samples(known, target)
        except MaterialsError:
            continue  # its key is missing in a prediction
    if not data:
        raise MaterialsError("no target has enough materials for a model; add rows with DATA=file.csv")
    validations = validate_all(data, [model for key, model in installed().items() if key != SLOW])
    return {key: forecast(data[key], list(validations[key].values())) for key in data}


def validate_all(
    data: Mapping[str, Samples], models: Sequence[Model], *, seed: int = SEED, repeats: int = REPEATS
) -> dict[str, dict[str, Validation]]:
    """Every model on every target, on all processors; by target's key and model's."""
    pairs = [(key, model) for model in reversed(models) for key in data]  # the slow ones first
    run = joblib.Parallel(n_jobs=-1)(
        joblib.delayed(validate)(data[key], model, seed, repeats=repeats) for key, model in pairs
    )
    found = {(key, model.key): validation for (key, model), validation in zip(pairs, run, strict=True)}
    return {key: {model.key: found[key, model.key] for model in models} for key in data}


def _masses(composition: Composition | None) -> list[float]:
    assert composition is not None
    return [composition.z_a, composition.z_b, composition.z_x]


def _distance(one: Composition, other: Composition, spread: Floats) -> float:
    """Of two materials: masses on the sites over their spread, elements on B and X that are not shared, network."""
    masses = np.linalg.norm((np.array(_masses(one)) - np.array(_masses(other))) / spread)
    network = abs((one.dimensionality or 0.0) - (other.dimensionality or 0.0))
    return float(masses) + _unshared(one, other) + network


def _unshared(one: Composition, other: Composition) -> float:
    """0 where B and X are the same ions in the same parts, up to 4 where they have none in common."""
    total = 0.0
    for site in ("b", "x"):
        parts = []
        for composition in (one, other):
            whole = sum(ion.count for ion in getattr(composition, site))
            parts.append({ion.name: ion.count / whole for ion in getattr(composition, site)})
        total += sum(abs(parts[0].get(name, 0.0) - parts[1].get(name, 0.0)) for name in {*parts[0], *parts[1]})
    return total


def _reasons(composition: Composition, data: Samples) -> list[str]:
    """In what a composition is outside of what a target's models learnt from."""
    reasons = []
    known = [device.composition for device in data.devices if device.composition is not None]
    for site, title in (("b", "B"), ("x", "X")):
        have = {ion.name for other in known for ion in getattr(other, site)}
        lacking = [ion.name for ion in getattr(composition, site) if ion.name not in have]
        if lacking:
            reasons.append(f"{', '.join(lacking)} on the {title} site: no material learnt from has it there")
    for name in COMPOSITION:
        values = data.x[:, data.target.features.index(name)]
        low, high, value = float(np.nanmin(values)), float(np.nanmax(values)), getattr(composition, name)
        margin = 0.001 * high
        if not low - margin <= value <= high + margin:
            reasons.append(f"{LABELS[name].split()[0]} is {value:.1f} g/mol, outside {low:.1f} to {high:.1f}")
    network = data.x[:, data.target.features.index("dimensionality")]
    if composition.dimensionality is not None and not np.any(np.abs(network - composition.dimensionality) < 0.6):
        reasons.append(f"a {composition.dimensionality:g}D network: no material learnt from has one")
    return reasons


def _fingerprint(given: Sequence[Path]) -> str:
    """Of all that the models follow from: tables, code, libraries."""
    digest = hashlib.sha256()
    code = [Path(__file__).parent / f"{name}.py" for name in CODE]
    for path in (*code, TABLE, *given):
        try:
            digest.update(path.read_bytes())
        except OSError as error:
            raise SchemaError(f"{path} cannot be read: {error.strerror}") from None
    for package in ("numpy", "scikit-learn", "xgboost-cpu", "xgboost"):
        try:
            digest.update(f"{package}{version(package)}".encode())
        except PackageNotFoundError:
            continue
    return digest.hexdigest()[:16]
