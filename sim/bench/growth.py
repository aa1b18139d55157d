"""The whole readout as gateware: how area and clock grow with the columns of the array and the size of the kernel.

hdl.readout -> sim.bench.fpga -> [growth] -> table, out/bench/growth.json

Every build has all features, a multiplier for each weight, and so a pixel a clock. Eight rows, so that what is kept of
every pixel (correction table, audit and upload memory, packet buffer) fits the part at 2048 columns.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from hdl.params import Params
from hdl.readout import Readout
from sim.bench.figures import Figure, installed, save, show
from sim.bench.fpga import TARGETS, YOSYS, Build, build

ROWS = 8
BUILDS = ((32, 3), (128, 3), (512, 3), (2048, 3), (32, 5))
"""(columns, kernel size)."""
SEEDS = (1,)
REQUIRED = 100
"""Megahertz of the ECP5 boards."""


def _params(columns: int, kernel_size: int) -> Params:
    return Params(
        rows=ROWS, columns=columns, kernel_size=kernel_size, multipliers=kernel_size**2, bias_dac=True, upload=True
    )


def main(console: Console, folder: Path | None) -> list[Figure]:
    """Build, print, save. `folder` plays no part."""
    target = TARGETS[1]
    if len(installed((YOSYS, target.package), console)) < 2:
        return []
    console.print("placing and routing ...")
    variants = {(columns, size): f"{columns} columns {size}x{size}" for columns, size in BUILDS}
    with ThreadPoolExecutor(2) as pool:
        jobs = {
            key: pool.submit(build, target, partial(Readout, _params(*key)), name, SEEDS)
            for key, name in variants.items()
        }
        builds: dict[tuple[int, int], Build] = {key: job.result() for key, job in jobs.items()}
    table = Table(title=f"Readout of {ROWS} rows on an {target.name} (seed {SEEDS[0]})")
    for column in ("columns", "kernel", "LUTs", "flip-flops", "cells", "block RAMs", "MHz", "longest path ends in"):
        table.add_column(column, justify="left" if column.startswith("longest") else "right")
    for (columns, size), each in builds.items():
        numbers = (columns, f"{size}x{size}", each.luts, each.flip_flops, each.cells, each.block_rams)
        table.add_row(*map(str, numbers), f"{max(each.megahertz):.1f}", each.path[-1][0])
    console.print(table)
    figures = [
        Figure(f"{target.name}, {variants[key]}: MHz", max(each.megahertz), REQUIRED, at_most=False)
        for key, each in builds.items()
    ]
    show(console, figures)
    console.print(f"written: {save('growth', {'builds': [asdict(each) for each in builds.values()]}, figures)}")
    return figures
