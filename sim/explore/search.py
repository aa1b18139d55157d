"""The search: Optuna proposes choices, processes or a Dask cluster evaluate them, and what nothing beats is the front.

Space -> Optuna (NSGA-II) -> choices -> [executor: evaluate] -> trials -> front -> chosen one

Objectives: F1 of the edges up, bits a frame on the wire down, dose down. Designs that find no more than one that keeps
every pixel are told as failures: measured, 600 trials then cover the front best. So are those whose chip the open field
fills: they are free of noise there, and blind. A generation is evaluated as a whole
and told in its own order, so that a seed gives the same trials however many workers there are.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal

import numpy as np
import optuna

from edgeray.protocol.kernels import KERNELS
from sim.detector.errors import DetectorError, MaterialError
from sim.explore.errors import ExploreError
from sim.explore.evaluate import Choice, Outcome, evaluate, fitting_part, least_f1
from sim.explore.problem import Problem

GENERATION = 20
CONNECT_SECONDS = 10
_DIRECTIONS: tuple[Literal["maximize", "minimize"], ...] = ("maximize", "minimize", "minimize")


@dataclass(frozen=True, kw_only=True)
class Space:
    """What may be chosen. Ranges are (least, most), both included.

    Parameters
    ----------
    kernels : names in the library.
    in_sensor : where the kernel may work: True in the sensor, False in the gateware.
    threshold_part : of the ADC's full scale.
    pga_gain : exponents of the chip's gain.
    sample_bits, bias_bits : of the ADC and of the bias converters.
    dose_ugy : of a frame.

    Raises ExploreError: nothing to choose from, an unknown kernel, a range that goes down.
    """

    kernels: tuple[str, ...] = ("laplacian", "laplacian-4", "log", "sobel-x", "sobel-y", "kirsch-n")
    in_sensor: tuple[bool, ...] = (True, False)
    threshold_part: tuple[float, float] = (5e-4, 0.2)
    pga_gain: tuple[int, int] = (0, 5)
    sample_bits: tuple[int, int] = (8, 14)
    bias_bits: tuple[int, int] = (4, 16)
    dose_ugy: tuple[float, float] = (0.05, 10.0)

    def __post_init__(self) -> None:
        unknown = [name for name in self.kernels if name not in KERNELS]
        if unknown or not self.kernels or not self.in_sensor:
            raise ExploreError(
                f"there is no kernel {', '.join(unknown) or 'to choose'}; there are {', '.join(KERNELS)}"
            )
        for name in ("threshold_part", "pga_gain", "sample_bits", "bias_bits", "dose_ugy"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ExploreError(f"{name} goes from {low} to {high}: the least one comes first")

    def suggest(self, trial: optuna.Trial) -> Choice:
        """A choice that `trial` proposes."""
        sample_bits = trial.suggest_int("sample_bits", *self.sample_bits)
        part = trial.suggest_float("threshold_part", *self.threshold_part, log=True)
        in_sensor = trial.suggest_categorical("in_sensor", self.in_sensor)
        bias_bits = trial.suggest_int("bias_bits", *self.bias_bits)
        return Choice(
            kernel=trial.suggest_categorical("kernel", self.kernels),
            edge_threshold=max(1, round(part * (1 << sample_bits))),
            pga_gain=trial.suggest_int("pga_gain", *self.pga_gain),
            sample_bits=sample_bits,
            bias_bits=bias_bits if in_sensor else None,
            dose_ugy=trial.suggest_float("dose_ugy", *self.dose_ugy, log=True),
        )


@dataclass(frozen=True)
class Trial:
    """A choice and what it gives."""

    choice: Choice
    outcome: Outcome

    @property
    def costs(self) -> tuple[float, float, float]:
        """What is to be small: missed edges (1 - F1), bits a frame, dose."""
        return 1 - self.outcome.f1, self.outcome.bits_a_frame, self.choice.dose_ugy


@contextmanager
def workers(scheduler: str | None = None, processes: int | None = None) -> Iterator[Executor]:
    """What evaluates: a Dask cluster where its scheduler is named, else processes of this machine.

    Parameters
    ----------
    scheduler : address, such as tcp://host:8786; its workers have edgeray's folders in their path.
    processes : without a scheduler; None: as many as there are processors.

    Raises ExploreError: Dask is not installed, or no scheduler answers there.
    """
    if scheduler is None:
        # Started anew: a fork would copy threads, such as a progress bar's, in the middle of their work.
        with ProcessPoolExecutor(processes or os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
            yield pool
        return
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise ExploreError("a scheduler needs the package distributed: pip install edgeray[cluster]") from None
    try:
        client = distributed.Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TimeoutError) as error:
        raise ExploreError(f"no Dask scheduler answers at {scheduler}: {error}") from None
    with client:
        yield client.get_executor()


def evaluate_all(problem: Problem, choices: Sequence[Choice], pool: Executor) -> list[Trial | None]:
    """The trials of `choices`, in their order; None for a design that cannot be built, whatever it would see.

    Raises MaterialError where the record lacks what is needed.
    """
    # A record's texts stay here: they are a view, which does not travel.
    plain = replace(problem, material=replace(problem.material, sources={}))
    futures = [pool.submit(_outcome, plain, choice) for choice in choices]
    outcomes = (future.result() for future in futures)
    return [
        None if outcome is None else Trial(choice, outcome) for choice, outcome in zip(choices, outcomes, strict=True)
    ]


def _outcome(problem: Problem, choice: Choice) -> Outcome | None:
    try:
        return evaluate(problem, choice)
    except MaterialError:
        raise
    except DetectorError:  # such as a kernel whose small weights are under a step of the bias converters
        return None


def explore(
    problem: Problem,
    space: Space,
    pool: Executor,
    *,
    trials: int = 600,
    seed: int = 0,
    tell: Callable[[int], None] = lambda count: None,
) -> list[Trial]:
    """Trials that look for the front, without designs that cannot be built.

    Parameters
    ----------
    pool : see `workers`.
    trials : how many; generations of GENERATION, the last one may be smaller.
    tell : is called with the number of trials that were evaluated, generation by generation.

    Raises ExploreError for no trials, and what `evaluate` raises.
    """
    if trials < 1:
        raise ExploreError(f"a search needs trials, not {trials}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        directions=_DIRECTIONS, sampler=optuna.samplers.NSGAIISampler(population_size=GENERATION, seed=seed)
    )
    worthless = least_f1(problem)
    found: list[Trial] = []
    tried = 0
    while tried < trials:
        asked = [study.ask() for _ in range(min(GENERATION, trials - tried))]
        done = evaluate_all(problem, [space.suggest(trial) for trial in asked], pool)
        for trial, one in zip(asked, done, strict=True):
            if one is None or one.outcome.f1 <= worthless or fitting_part(problem, one.choice) < 1:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            else:
                missed, bits, dose_ugy = one.costs
                study.tell(trial, (1 - missed, bits, dose_ugy))
        found += [one for one in done if one is not None]
        tried += len(done)
        tell(len(done))
    if not found:
        raise ExploreError(f"none of {tried} designs can be built; give kernels with larger weights, or more bias bits")
    return found


def eligible(problem: Problem, trials: Sequence[Trial]) -> list[Trial]:
    """The trials that may be chosen: more found than by keeping every pixel, the chip not filled by the open field.

    Where the open field fills the chip of all that find more, these.
    """
    worth = least_f1(problem)
    found = [trial for trial in trials if trial.outcome.f1 > worth]
    return [trial for trial in found if fitting_part(problem, trial.choice) == 1] or found


def front(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that no other one beats: better in one objective and not worse in any. The best F1 comes first."""
    costs = np.array([trial.costs for trial in trials])
    better = [
        trial for trial, cost in zip(trials, costs, strict=True)
        if not ((costs <= cost).all(axis=1) & (costs < cost).any(axis=1)).any()
    ]  # fmt: skip
    return sorted(dict.fromkeys(better), key=lambda trial: trial.costs)


def choose(found: Sequence[Trial], *, wanted_f1: float | None = None, least_frames_s: float = 0.0) -> Trial:
    """The trial of a front that is nearest to the best of everything.

    The distance is taken with missed edges, the logarithm of the bits and that of the dose each from 0 to 1 over the
    trials that qualify.

    Parameters
    ----------
    wanted_f1 : F1 that it must have; None: 0.8 of the best.
    least_frames_s : frames a second that link and exposure must allow.

    Raises ExploreError where no trial qualifies; says what is the best.
    """
    if not found:
        raise ExploreError("a front of no trials has nothing to choose from")
    best = max(trial.outcome.f1 for trial in found)
    wanted = 0.8 * best if wanted_f1 is None else wanted_f1
    some = [one for one in found if one.outcome.f1 >= wanted and one.outcome.frames_s >= least_frames_s]
    if not some:
        fastest = max(trial.outcome.frames_s for trial in found)
        raise ExploreError(
            f"no trial has an F1 of {wanted:.2f} at {least_frames_s:g} frames a second; the best F1 is {best:.2f}, the "
            f"most frames are {fastest:.0f} a second: ask for less, or let it search longer"
        )
    costs = np.array([trial.costs for trial in some])
    costs[:, 1:] = np.log(np.maximum(costs[:, 1:], 1e-12))
    spans = np.ptp(costs, axis=0)
    parts = (costs - costs.min(axis=0)) / np.where(spans > 0, spans, 1)
    return some[int(np.argmin((parts**2).sum(axis=1)))]
