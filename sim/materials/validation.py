"""What a model is worth on materials that it has not seen: nested, grouped cross-validation.

Samples, Model -> [validate] -> Validation: predictions out of fold, R2 of both halves, skill over the mean

Outside, the materials are dealt into FOLDS parts, REPEATS times; inside each training half, `models.fit` chooses the
hyperparameters. R2 is of the pooled test halves: a fold of three materials has no R2 of its own worth naming. Intervals
are of 90 %, from resampling whole materials, because rows of one material are not independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import r2_score

from sim.materials.features import Floats, Samples, Target
from sim.materials.models import BASELINE, Indices, Model, fit, folds

FOLDS = 5
REPEATS = 2
RESAMPLES = 2000
COVERAGE = 0.9


@dataclass(frozen=True)
class Score:
    """A figure and its 90 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


@dataclass(frozen=True)
class Fit:
    """A fitted pipeline and the rows that it has not seen."""

    pipeline: Any
    test: Indices


@dataclass(frozen=True)
class Validation:
    """A model on a target.

    Members
    -------
    predicted : (repeats, n) out of fold, as the models see the target.
    train_r2, test_r2 : the interval of the first is over folds, of the second over materials.
    skill : 1 - squared error / squared error of predicting the training half's mean, on the same splits.
    residual : half the width of an interval that 90 % of the materials' predictions are within.
    fits : of the first repeat.
    """

    target: Target
    model: Model
    predicted: Floats
    train_r2: Score
    test_r2: Score
    skill: Score
    residual: float
    fits: tuple[Fit, ...]

    @property
    def better_than_mean(self) -> bool:
        """Whether all of the skill's interval is over zero, and the pooled R2 too.

        Both, because predicting the training half's mean is itself worse than R2 = 0, which knows the mean of all.
        """
        return self.skill.low > 0 and self.test_r2.value > 0


def validate(samples: Samples, model: Model, seed: int, *, repeats: int = REPEATS, count: int = FOLDS) -> Validation:
    """Cross-validate; the same seed gives the same splits for every model, and the same result."""
    predicted, mean = np.empty((repeats, len(samples.y))), np.empty((repeats, len(samples.y)))
    train, fits = [], []
    for repeat in range(repeats):
        for learn, test in folds(samples.material, count, seed + repeat):
            mask = np.zeros(len(samples.y), bool)
            mask[learn] = True
            half = samples.only(mask)
            pipeline = fit(model, half, seed)
            predicted[repeat, test] = pipeline.predict(samples.x[test])
            mean[repeat, test] = fit(BASELINE, half, seed).predict(samples.x[test])
            train.append(r2_score(half.y, pipeline.predict(half.x), sample_weight=half.weight))
            if repeat == 0:
                fits.append(Fit(pipeline, test))
    error = ((predicted - samples.y) ** 2).mean(axis=0)
    baseline = ((mean - samples.y) ** 2).mean(axis=0)
    counts = _resampled(samples, seed)
    return Validation(
        samples.target, model, predicted,
        Score(float(np.mean(train)), *_interval(np.array(train))),
        Score(float(_r2(error, samples, np.ones((1, len(error))))[0]), *_interval(_r2(error, samples, counts))),
        Score(1 - float((samples.weight * error).sum() / (samples.weight * baseline).sum()),
              *_interval(1 - (counts * samples.weight) @ error / ((counts * samples.weight) @ baseline))),
        _residual(samples, predicted), tuple(fits),
    )  # fmt: skip


@dataclass(frozen=True)
class Step:
    """A point of a learning curve: materials learnt from, R2 of both halves, medians and quartiles over draws."""

    materials: int
    train: Score
    test: Score


def learning_curve(samples: Samples, model: Model, seed: int, *, steps: int = 4, draws: int = 5) -> tuple[Step, ...]:
    """R2 against the number of materials learnt from; a quarter of the materials, drawn anew, is the test half."""
    rng = np.random.default_rng(seed)
    materials = sorted(set(samples.material.tolist()))
    held = max(2, len(materials) // 4)
    sizes = sorted({int(size) for size in np.linspace(max(4, held), len(materials) - held, steps)})
    found: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
    for _ in range(draws):
        order = rng.permutation(np.array(materials))
        test = np.isin(samples.material, order[:held])
        for size in sizes:
            half = samples.only(np.isin(samples.material, order[held : held + size]))
            pipeline = fit(model, half, seed)
            seen = r2_score(half.y, pipeline.predict(half.x)) if np.ptp(half.y) else 1.0
            # Over the variance of all values: that of a few test materials may be next to nothing.
            unseen = 1 - ((pipeline.predict(samples.x[test]) - samples.y[test]) ** 2).mean() / samples.y.var()
            found[size].append((float(seen), float(unseen)))
    return tuple(
        Step(size, *(Score(*np.quantile([pair[half] for pair in pairs], (0.5, 0.25, 0.75))) for half in (0, 1)))
        for size, pairs in found.items()
    )


def better(validations: Sequence[Validation]) -> Validation | None:
    """The model of the greatest skill; None where all are behind the mean."""
    best = max(validations, key=lambda one: one.skill.value)
    return best if best.skill.value > 0 else None


def _resampled(samples: Samples, seed: int) -> Floats:
    """(RESAMPLES, n): how often each row is in a set of materials drawn with replacement."""
    materials, index = np.unique(samples.material, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(materials), np.full(len(materials), 1 / len(materials)), size=RESAMPLES)
    return np.asarray(drawn[:, index], np.float64)


def _r2(error: Floats, samples: Samples, counts: Floats) -> Floats:
    """(rows of counts,) R2 of each resampling; NaN where it drew one value alone."""
    weights = counts * samples.weight
    mean = weights @ samples.y / weights.sum(axis=1)
    spread = (weights * (samples.y - mean[:, None]) ** 2).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(spread > 1e-12, 1 - weights @ error / spread, np.nan))


def _interval(values: Floats) -> tuple[float, float]:
    low, high = np.nanquantile(values, ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2))
    return float(low), float(high)


def _residual(samples: Samples, predicted: Floats) -> float:
    """The quantile of the absolute errors; every material counts alike, whatever its rows."""
    errors = np.abs(predicted - samples.y).mean(axis=0)
    _, index, rows = np.unique(samples.material, return_inverse=True, return_counts=True)
    order = np.argsort(errors)
    share = np.cumsum((1 / rows[index])[order]) / len(rows)
    # One material more than there are: the one to be predicted may be the worst.
    return float(errors[order][min(np.searchsorted(share, COVERAGE * (1 + 1 / len(rows))), len(errors) - 1)])
