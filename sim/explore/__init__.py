"""The co-design explorer: bias, kernel, threshold, gain, bits and dose for most edges in fewest bits: `make explore`.

crystal -> [bias: the curve of a pixel] -> phantom -> [evaluate: twin -> golden readout] -> edges and bits of one choice
space -> [search: Optuna, processes or Dask] -> trials, Pareto front -> [noise, crystal, report] -> page, settings file

problem = Problem(material=load("cspbbr3"))
with workers() as pool:
    trials = explore(problem, Space(), pool)
best = choose(front(eligible(problem, trials)))
"""

from sim.explore.bias import BiasCurve, bias_curve
from sim.explore.errors import ExploreError
from sim.explore.evaluate import Choice, Outcome, evaluate
from sim.explore.noise import NoiseBudget, noise_budget
from sim.explore.problem import Problem
from sim.explore.search import Space, Trial, choose, eligible, explore, front, workers

__all__ = [
    "BiasCurve",
    "Choice",
    "ExploreError",
    "NoiseBudget",
    "Outcome",
    "Problem",
    "Space",
    "Trial",
    "bias_curve",
    "choose",
    "eligible",
    "evaluate",
    "explore",
    "front",
    "noise_budget",
    "workers",
]
