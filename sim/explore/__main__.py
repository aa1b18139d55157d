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
from sim.command import ended
from sim.explore.bias import bias_curve
from sim.explore.crystal import bias_part, compared, crystal_part, twin_sensitivity
from sim.explore.errors import ExploreError
from sim.explore.evaluate import exposure
from sim.explore.noise import noise_budget
from sim.explore.problem import Problem
from sim.explore.report import chosen_part, found_part, save_trials, sweep_part
from sim.explore.search import Space, Trial, choose, eligible, explore, front, workers
from sim.explore.sweep import sweep
from sim.materials.record import Known, known_sensitivity, resolve, warnings
from sim.paper.page import save_page
from sim.paper.twin_on_board import show
from sim.virtual_board import BoardError, BuildError

TITLE = "Co-design: which readout finds most edges in fewest bits"
INTRODUCTION = (
    "First the bias is chosen, then kernel, threshold, gain, bits and dose together, on the detector twin and the "
    "golden model of the readout: every number here is of simulated exposures with the same noise, and every bit is "
    "counted on the wire.",
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
    space = Space(
        kernels=tuple(options.kernels.split(",")) if options.kernels else Space.kernels,
        in_sensor={"sensor": (True,), "gateware": (False,), "both": (True, False)}[options.convolution],
    )
    problem = Problem(material=resolve(options.material, options.table), baudrate=options.baudrate)
    for text in warnings(problem.material):
        console.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)
    bias = bias_curve(problem, space.dose_ugy[0])
    problem = replace(problem, full_bias_v=bias.recommended_v if options.bias is None else options.bias)
    known = known_sensitivity(problem.material, options.table)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with workers(options.scheduler, options.processes) as pool, Progress(*columns, console=console) as progress:
        bar = progress.add_task("exploring", total=options.trials)
        trials = explore(
            problem, space, pool, trials=options.trials, seed=options.seed,
            tell=lambda count: progress.advance(bar, count),
        )  # fmt: skip
        best = front(eligible(problem, trials))
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
        crystal_part(problem, known, chosen),
        bias_part(problem, bias, chosen, given=options.bias is not None),
        found_part(problem, trials, best, chosen),
        chosen_part(problem, chosen, mismatches, str(path)),
        sweep_part(sweeps, chosen),
    ]
    page = save_page(out, TITLE, [*INTRODUCTION, *(f"Warning: {text}" for text in warnings(problem.material))], parts)
    for line in summary(problem, chosen, known):
        console.print(line, markup=False, soft_wrap=True)
    if mismatches:
        raise ExploreError(f"{mismatches} responses of the virtual board differ from the golden model; see {page}")
    return page


def summary(problem: Problem, chosen: Trial, known: Known | None) -> list[str]:
    """The chosen design in a few lines."""
    choice, outcome, noise = chosen.choice, chosen.outcome, noise_budget(problem, chosen.choice)
    where = "sensor" if choice.in_sensor else "gateware"
    ours = twin_sensitivity(problem)
    lines = [
        f"crystal: {problem.material.name}, {problem.material.need('thickness_mm'):g} mm, {ours:.0f} uC/Gy_air/cm2",
        f"recommended: bias {problem.full_bias_v:g} V, gain {1 << choice.pga_gain}, threshold {choice.edge_threshold} "
        f"of {1 << choice.sample_bits} codes; kernel {choice.kernel} in the {where}, {choice.dose_ugy:.3g} uGy a frame",
        f"noise: {noise.total_e:.0f} electrons, {noise.total_codes:.3g} codes rms (X-rays {noise.photons_e:.0f}, dark "
        f"current {noise.dark_e:.0f}, chip {noise.chip_e:.0f}); the threshold is "
        f"{choice.edge_threshold / noise.response_codes:.2g} times that of a kernel response",
        f"edges: F1 {outcome.f1:.2f}, {100 * outcome.kept:.1f} % of the pixels kept, {outcome.bits_a_frame:.0f} bits a "
        "frame",
    ]
    if known is not None:
        lines.append(f"{known.kind} sensitivity: {known}. {compared(problem, known, ours)}")
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """0, or 1 and one sentence on what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m sim.explore", description=__doc__)
    parser.add_argument("--material", default="cspbbr3", help="a record's name, a TOML file, or a formula (cspbbr3)")
    parser.add_argument("--table", type=Path, help="CSV file of more published devices, see docs/materials.md")
    parser.add_argument("--bias", type=float, help="of the full weight, V (default: the recommended one)")
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

    def explored() -> None:
        options.out.mkdir(parents=True, exist_ok=True)
        console.print(f"{run(options, console)}")

    return ended("explore", explored, failures=(EdgerayError, BuildError, BoardError))


if __name__ == "__main__":
    sys.exit(main())
