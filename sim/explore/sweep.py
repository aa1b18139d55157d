"""One parameter at a time around a choice: what each does to edges and bits.

chosen choice -> its neighbours along one parameter -> [executor: evaluate] -> trials by parameter -> report
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from sim.explore.evaluate import Choice
from sim.explore.problem import Problem
from sim.explore.search import Space, Trial, evaluate_all

POINTS = 13
"""Along a parameter that has no steps of its own."""
NAMES = {
    "kernel": "kernel",
    "edge_threshold": "threshold (codes)",
    "pga_gain": "gain of the chip, 2**n",
    "sample_bits": "bits of the ADC",
    "bias_bits": "bits of the bias converters",
    "dose_ugy": "dose of a frame (uGy)",
}


def neighbours(space: Space, choice: Choice) -> dict[str, list[Choice]]:
    """The choices along each parameter, the others as in `choice`; none along the bias bits without a bias."""
    found = {
        "kernel": [replace(choice, kernel=name) for name in space.kernels],
        "pga_gain": [replace(choice, pga_gain=gain) for gain in _steps(space.pga_gain)],
        "dose_ugy": [
            replace(choice, dose_ugy=dose)
            for dose in sorted({choice.dose_ugy, *np.geomspace(*space.dose_ugy, POINTS).tolist()})
        ],
        "edge_threshold": [
            replace(choice, edge_threshold=threshold)
            for threshold in sorted(
                {choice.edge_threshold}
                | {round(part * (1 << choice.sample_bits)) or 1 for part in np.geomspace(*space.threshold_part, POINTS)}
            )
        ],
        # The threshold stays the same part of full scale.
        "sample_bits": [
            replace(choice, sample_bits=bits, edge_threshold=_scaled(choice, bits))
            for bits in _steps(space.sample_bits)
        ],
    }  # fmt: skip
    if choice.in_sensor:
        found["bias_bits"] = [replace(choice, bias_bits=bits) for bits in _steps(space.bias_bits)]
    return {name: found[name] for name in NAMES if name in found}


def sweep(problem: Problem, space: Space, choice: Choice, pool: Executor) -> Mapping[str, Sequence[Trial]]:
    """The trials along each parameter, without designs that cannot be built."""
    along = neighbours(space, choice)
    flat = [one for choices in along.values() for one in choices]
    trials = iter(evaluate_all(problem, flat, pool))
    found = {name: [next(trials) for _ in choices] for name, choices in along.items()}
    return {name: [trial for trial in each if trial is not None] for name, each in found.items()}


def _steps(limits: tuple[int, int]) -> range:
    return range(limits[0], limits[1] + 1)


def _scaled(choice: Choice, sample_bits: int) -> int:
    return max(1, round(choice.edge_threshold * 2.0 ** (sample_bits - choice.sample_bits)))
