"""`python -m sim.explore`: search, front, chosen design, its settings, the gateware with it; see `make explore`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from edgeray import settings_file
from edgeray.errors import EdgerayError
from hdl.params import Params
from sim.detector.material import load
from sim.explore.errors import ExploreError
from sim.explore.evaluate import exposure, least_f1
from sim.explore.problem import Problem
from sim.explore.report import chosen_part, found_part, save_trials, sweep_part
from sim.explore.search import Space, Trial, choose, explore, front, workers
from sim.explore.sweep import sweep
from sim.paper.page import save_page
from sim.paper.twin_on_board import show
from sim.virtual_board import BoardError, BuildError

TITLE = "Co-design: which readout finds most edges in fewest bits"
INTRODUCTION = (
    "Kernel, threshold, gain, bits and dose are chosen together, on the detector twin and the golden model of the "
    "readout: every number here is of simulated exposures with the same noise, and every bit is counted on the wire.",
)
SETTINGS = "settings.toml"


def params_of(problem: Problem, trial: Trial) -> Params:
    """The gateware that a choice needs; the chip amplifies."""
    detector = trial.choice.detector(problem)
    geometry = {one.name: getattr(detector, one.name) for one in fields(detector)}
    return Params(**geometry, roic_pga=True, clock_frequency=problem.tick_rate)


def on_virtual_board(problem: Problem, trial: Trial, path: Path) -> int:
    """Send the settings file at `path` to a virtual board that sees the phantom; returns responses that are wrong.

    Raises BuildError, BoardError, EdgerayError.
    """
    params = params_of(problem, trial)
    mosaic, samples = exposure(problem, trial.choice)
    settings = settings_file.read(path, params, params.clock_frequency)
    return show(mosaic, samples, params, replace(settings, nimages=len(samples))).mismatches


def run(options: argparse.Namespace, console: Console) -> Path:
    """Explore and write everything; returns the page's path.

    Raises ExploreError, MaterialError, BuildError, BoardError, EdgerayError, OSError.
    """
    out: Path = options.out
    problem = Problem(material=load(options.material), baudrate=options.baudrate)
    space = Space(
        kernels=tuple(options.kernels.split(",")) if options.kernels else Space.kernels,
        in_sensor={"sensor": (True,), "gateware": (False,), "both": (True, False)}[options.convolution],
    )
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with workers(options.scheduler, options.processes) as pool, Progress(*columns, console=console) as progress:
        bar = progress.add_task("exploring", total=options.trials)
        trials = explore(
            problem, space, pool, trials=options.trials, seed=options.seed,
            tell=lambda count: progress.advance(bar, count),
        )  # fmt: skip
        worth = least_f1(problem)
        best = front([trial for trial in trials if trial.outcome.f1 > worth])
        chosen = choose(best, wanted_f1=options.least_f1, least_frames_s=options.least_frames)
        sweeps = sweep(problem, space, chosen.choice, pool)
    path = out / SETTINGS
    settings_file.write(path, chosen.choice.settings(problem), params_of(problem, chosen), problem.tick_rate)
    save_trials(out / "trials.csv", trials)
    mismatches = None
    if not options.no_board:
        console.print("the chosen design on the virtual board ...")
        mismatches = on_virtual_board(problem, chosen, path)
    parts = [
        found_part(problem, trials, best, chosen),
        chosen_part(problem, chosen, mismatches, str(path)),
        sweep_part(sweeps, chosen),
    ]
    page = save_page(out, TITLE, INTRODUCTION, parts)
    if mismatches:
        raise ExploreError(f"{mismatches} responses of the virtual board differ from the golden model; see {page}")
    return page


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 and one sentence on what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m sim.explore", description=__doc__)
    parser.add_argument("--material", default="cspbbr3", help="a record's name, or a TOML file (cspbbr3)")
    parser.add_argument("--scheduler", help="of a Dask cluster, tcp://host:port (default: processes of this machine)")
    parser.add_argument("--processes", type=int, help="without a scheduler (default: one a processor)")
    parser.add_argument("--trials", type=int, default=600, help="designs to try (600)")
    parser.add_argument("--seed", type=int, default=0, help="of the search (0)")
    parser.add_argument("--kernels", help="names from the library, with commas (six of them)")
    parser.add_argument("--convolution", choices=("sensor", "gateware", "both"), default="both", help="(both)")
    parser.add_argument("--baudrate", type=int, default=1_000_000, help="of the link (1000000)")
    parser.add_argument("--least-f1", type=float, help="that the chosen design must have (0.8 of the best)")
    parser.add_argument("--least-frames", type=float, default=0.0, help="a second that it must allow (0)")
    parser.add_argument("--no-board", action="store_true", help="do not show the chosen design to the virtual board")
    parser.add_argument("--out", type=Path, default=Path("out/explore"), help="folder of the results (out/explore)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 110)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        console.print(f"{run(options, console)}")
    except (EdgerayError, BuildError, BoardError) as error:
        print(f"explore: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"explore: cannot write the results to {options.out}: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("explore: interrupted, nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
