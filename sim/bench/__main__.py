"""`python -m sim.bench [PART ...]`: every part, or those named, and at the end the targets that were missed."""

import argparse
import os
from importlib import import_module
from pathlib import Path

from rich.console import Console

from sim.bench.figures import Figure

PARTS = ("wire", "decode", "files", "board", "gateware", "growth")


def main() -> None:
    """Exit code 0 whatever was measured: a missed target is printed, not an error."""
    parser = argparse.ArgumentParser(prog="python -m sim.bench", description="Measurements against named peers.")
    parser.add_argument("part", nargs="*", help=f"all without; of: {', '.join(PARTS)}")
    parser.add_argument("--images", type=Path, default=os.environ.get("IMAGES") or None, help="a folder of images too")
    arguments = parser.parse_args()
    for part in arguments.part:
        if part not in PARTS:
            parser.error(f"there is no part {part!r}; there are {', '.join(PARTS)}")

    console = Console(width=150)
    figures: list[Figure] = []
    for part in arguments.part or PARTS:
        console.rule(part)
        figures += import_module(f"sim.bench.{part}").main(console, arguments.images)
    missed = [figure for figure in figures if not figure.met]
    console.rule("targets")
    console.print(f"{len(figures) - len(missed)} of {len(figures)} met")
    for figure in missed:
        target = f"{'at most' if figure.at_most else 'at least'} {figure.target:g}"
        console.print(f"[red]missed:[/] {figure.name}: {figure.value:.4g}, {target}")


if __name__ == "__main__":
    main()
