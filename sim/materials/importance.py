"""Which property matters: permutation importance on unseen rows, and Pearson correlations.

Samples, Validation -> [permuted] -> error added by a feature's shuffling; Device -> [pearson] -> correlations
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sim.materials.features import CELL, COMPOSITION, Floats, Samples, values_of
from sim.materials.schema import Device
from sim.materials.validation import COVERAGE, Score, Validation

SHUFFLES = 20
LEAST_PAIRS = 6
"""Materials that must have both quantities before a correlation is named."""
RESAMPLES = 2000
CORRELATED = (
    *COMPOSITION, *CELL, "dimensionality", "band_gap_ev", "log_mu_tau", "log_resistivity", "log_trap_density",
    "log_sensitivity", "log_detection_limit",
)  # fmt: skip


@dataclass(frozen=True)
class Importance:
    """By feature: what its shuffling adds to the squared error, as a part of the target's variance; mean and spread."""

    mean: Mapping[str, float]
    spread: Mapping[str, float]

    @property
    def first(self) -> str:
        """The feature that matters most."""
        return max(self.mean, key=lambda name: self.mean[name])


def permuted(samples: Samples, validation: Validation, seed: int) -> Importance:
    """Permutation importance of the cross-validated model: every row is predicted by the fit that has not seen it."""
    rng = np.random.default_rng(seed)
    names = samples.target.features
    # A copy of all rows a feature and shuffle, so that a model is asked once; the first copy is as it was.
    copies = np.repeat(samples.x[None], 1 + len(names) * SHUFFLES, axis=0)
    for copy, column in enumerate(np.repeat(np.arange(len(names)), SHUFFLES), start=1):
        copies[copy, :, column] = samples.x[rng.permutation(len(samples.x)), column]
    errors = _errors(samples, validation, copies)
    added = ((errors[1:] - errors[0]) / samples.y.var()).reshape(len(names), SHUFFLES)
    return Importance(
        {name: float(value) for name, value in zip(names, added.mean(axis=1), strict=True)},
        {name: float(value) for name, value in zip(names, added.std(axis=1), strict=True)},
    )


def _errors(samples: Samples, validation: Validation, copies: Floats) -> Floats:
    """(copies,) mean squared errors out of fold, of rows `copies` (copies, n, features)."""
    total = np.zeros(len(copies))
    for one in validation.fits:
        asked = copies[:, one.test].reshape(-1, copies.shape[2])
        predicted = one.pipeline.predict(asked).reshape(len(copies), -1)
        total += ((predicted - samples.y[one.test]) ** 2).sum(axis=1)
    return np.asarray(total / len(samples.y))


def pearson(devices: Sequence[Device]) -> pd.DataFrame:
    """Correlations of features and targets over materials; NaN where fewer than LEAST_PAIRS have both."""
    return _by_material(devices).corr(min_periods=LEAST_PAIRS)


@dataclass(frozen=True)
class Correlation:
    """Pearson's r with its 90 % interval over resampled materials, and how many materials have both quantities."""

    r: Score
    materials: int


def correlation(devices: Sequence[Device], one: str, other: str, seed: int) -> Correlation:
    """Of two features, over materials. NaN where fewer than LEAST_PAIRS have both."""
    pairs = _by_material(devices)[[one, other]].dropna().to_numpy(np.float64)
    if len(pairs) < LEAST_PAIRS:
        return Correlation(Score(np.nan, np.nan, np.nan), len(pairs))
    rng = np.random.default_rng(seed)
    drawn = pairs[rng.integers(len(pairs), size=(RESAMPLES, len(pairs)))]
    centred = drawn - drawn.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        many = (centred[..., 0] * centred[..., 1]).sum(axis=1) / np.sqrt((centred**2).sum(axis=1).prod(axis=1))
    low, high = np.nanquantile(many, ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2))
    return Correlation(Score(float(np.corrcoef(pairs.T)[0, 1]), float(low), float(high)), len(pairs))


def _by_material(devices: Sequence[Device]) -> pd.DataFrame:
    """A row a material: the means of what its devices are known for."""
    halides = [device for device in devices if not device.flagged("OXIDE")]
    table = pd.DataFrame([values_of([device], CORRELATED) for device in halides], columns=list(CORRELATED))
    return table.groupby([device.material for device in halides]).mean()
