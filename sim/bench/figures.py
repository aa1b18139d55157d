"""What the parts of the benchmark share: figures with their targets, medians, and how both are shown.

wire, decode, gateware -> [figures] -> tables, out/bench/<part>.json
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from math import exp, log
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

OUT = Path(__file__).parent.parent.parent / "out" / "bench"


@dataclass(frozen=True)
class Figure:
    """A measured value beside what was asked of it.

    Parameters
    ----------
    name : what was measured, and over what.
    value, target : in the unit that the name says.
    at_most : the value should not exceed the target; else it should reach it.
    """

    name: str
    value: float
    target: float
    at_most: bool = True

    @property
    def met(self) -> bool:
        return self.value <= self.target if self.at_most else self.value >= self.target


def geometric_mean(values: Iterable[float]) -> float:
    """Geometric mean of positive numbers; ValueError where there is none."""
    logarithms = [log(value) for value in values]
    if not logarithms:
        raise ValueError("a mean needs at least one value")
    return exp(sum(logarithms) / len(logarithms))


def interleaved(functions: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of a call of each; every round calls all of them, so that what disturbs one disturbs all."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()  # compiles, and fills the caches
    for _ in range(repeats):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - begin)
    return {name: median(each) for name, each in seconds.items()}


def installed(packages: Sequence[str], console: Console) -> list[str]:
    """Those of `packages` that can be imported; the others are named."""
    missing = [name for name in packages if find_spec(name) is None]
    for name in missing:
        console.print(f"[yellow]{name} is not installed: left out")
    return [name for name in packages if name not in missing]


def warn_of_load(console: Console) -> float:
    """Processes that wanted a processor in the last minute; says so where others are at work."""
    load, processors = os.getloadavg()[0], os.cpu_count() or 1
    if load > processors / 2:
        console.print(
            f"[yellow]load {load:.1f} on {processors} processors: speeds are too low, and threads gain little"
        )
    return load


def show(console: Console, figures: Sequence[Figure]) -> None:
    """A table of targets."""
    table = Table(title="Targets")
    for name, justify in (("", "left"), ("measured", "right"), ("target", "right"), ("", "left")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for figure in figures:
        target = f"{'<=' if figure.at_most else '>='} {figure.target:g}"
        table.add_row(figure.name, f"{figure.value:.4g}", target, "met" if figure.met else "[red]missed")
    console.print(table)


def save(part: str, measured: Mapping[str, Any], figures: Sequence[Figure]) -> Path:
    """Write out/bench/<part>.json: what was measured, and the targets."""
    OUT.mkdir(parents=True, exist_ok=True)
    path = OUT / f"{part}.json"
    targets = [{**vars(figure), "met": figure.met} for figure in figures]
    path.write_text(json.dumps({**measured, "targets": targets}, indent=1) + "\n", encoding="utf-8")
    return path
