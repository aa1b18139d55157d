"""The co-design explorer: which kernel, threshold, gain, bits and dose find most edges in fewest bits: `make explore`.

phantom -> [evaluate: twin -> golden readout] -> edges and bits of one choice
space -> [search: Optuna, processes or Dask] -> trials, Pareto front -> [report] -> page, settings file

problem = Problem(material=load("cspbbr3"))
with workers() as pool:
    trials = explore(problem, Space(), pool)
best = choose(front(trials))
"""

from sim.explore.errors import ExploreError
from sim.explore.evaluate import Choice, Outcome, evaluate
from sim.explore.problem import Problem
from sim.explore.search import Space, Trial, choose, explore, front, workers

__all__ = [
    "Choice",
    "ExploreError",
    "Outcome",
    "Problem",
    "Space",
    "Trial",
    "choose",
    "evaluate",
    "explore",
    "front",
    "workers",
]
