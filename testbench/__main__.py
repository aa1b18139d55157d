"""`python -m testbench [BENCH ...]`: builds and runs the benches, two at a time, and prints what they counted.

SIM=icarus takes the second simulator, WAVES=1 records waveforms under build/testbench/. Exit code 1 on any failure.
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from testbench.runner import (
    BenchError,
    Build,
    Figures,
    Outcome,
    benches,
    builds,
    prepare_environment,
    prepare_runtime,
    run,
    simulator,
    want_waves,
)

JOBS = 2


def main() -> int:
    """Exit code: 0 where every bench passed, 1 where one failed, 2 for a bench that does not exist."""
    known = benches()
    parser = argparse.ArgumentParser(prog="python -m testbench", description="Gateware against the golden model.")
    parser.add_argument("bench", nargs="*", help=f"which ones, all without; of: {', '.join(known)}")
    parser.add_argument("--jobs", type=int, default=min(JOBS, os.cpu_count() or 1), help="how many at a time")
    parser.add_argument("--builds", nargs="+", metavar="LABEL", help="which builds, by what their labels begin with")
    arguments = parser.parse_args()
    wanted = arguments.bench or known
    for name in wanted:
        if name not in known:
            print(f"there is no bench {name!r}; there are {', '.join(known)}", file=sys.stderr)
            return 2
    started = time.monotonic()
    try:
        simulator()
        prepare_environment()
        todo = [
            (bench, number, build)
            for bench in wanted
            for number, build in enumerate(builds(bench))
            if _is_asked_for(build, arguments.builds)
        ]
        if not todo:
            there = ", ".join(build.label for bench in wanted for build in builds(bench))
            print(f"there is no build {' or '.join(arguments.builds)}; there are {there}", file=sys.stderr)
            return 2
        for waves in sorted({want_waves(build) for _, _, build in todo}):
            seconds = prepare_runtime(waves)
            if seconds > 1:
                print(f"compiled the simulator's runtime in {seconds:.0f} s", flush=True)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    outcomes = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(run, bench, number): (bench, number) for bench, number, _ in todo}
        for one in as_completed(running):
            outcome = one.result()
            outcomes.append((running[one], outcome))
            print(f"{'ok  ' if outcome.passed else 'FAIL'} {outcome.bench}", flush=True)
    outcomes.sort(key=lambda entry: entry[0])
    _print_table([outcome for _, outcome in outcomes], time.monotonic() - started)
    return 0 if all(outcome.passed for _, outcome in outcomes) else 1


def _is_asked_for(build: Build, labels: list[str] | None) -> bool:
    """By the beginning of its label, in whole words; without labels those that are not to be left out."""
    if labels is None:
        return build.wanted
    return any(f"{build.label} ".startswith(f"{label} ") for label in labels)


def _print_table(outcomes: list[Outcome], seconds: float) -> None:
    total, tests = Figures(), 0
    width = max(len(outcome.bench) for outcome in outcomes) + 2
    print(f"\n{simulator()}, {seconds:.0f} s")
    print(
        f"{'bench':{width}}{'tests':>6}{'cycles':>10}{'frames':>8}{'pixels':>10}{'mismatches':>12}"
        f"{'build s':>9}{'run s':>8}"
    )
    for outcome in outcomes:
        total.add(outcome.figures)
        tests += outcome.tests
        print(
            f"{outcome.bench:{width}}{_counts(outcome.tests, outcome.figures)}"
            f"{outcome.build_seconds:9.1f}{outcome.run_seconds:8.1f}  {'' if outcome.passed else 'FAILED'}"
        )
    print(f"{'all':{width}}{_counts(tests, total)}")
    for outcome in outcomes:
        for failure in outcome.failures:
            print(f"\n{failure}", file=sys.stderr)


def _counts(tests: int, figures: Figures) -> str:
    return f"{tests:6}{figures.cycles:10}{figures.frames:8}{figures.pixels:10}{figures.mismatches:12}"


if __name__ == "__main__":
    sys.exit(main())
