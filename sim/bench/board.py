"""Speed of the virtual board and of the host on this machine.

radiograph -> virtual board -> host -> [board] -> tables, out/bench/board.json

Every figure has a peer in the same run: 24 MHz, the clock of a small FPGA, for the virtual board; zlib's decompression
of the same frames for the host.
"""

import platform
import tempfile
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

import edgeray
from edgeray.mosaic import Mosaic
from edgeray.protocol.settings import Settings
from hdl.params import Params
from sim.bench.figures import Figure, save, show, warn_of_load
from sim.roic import Roic
from sim.scenes import radiograph, read_image, to_codes
from sim.virtual_board import VirtualBoard

FRAMES = 20_000
REPEATS = 3
REQUIRED = 2000.0
"""Frames a second that the virtual board has to reach with the host behind it."""
SETTINGS = Settings(nimages=FRAMES)


@dataclass(frozen=True)
class Run:
    """One capture: seconds from arming to the last frame, and what the board computed."""

    seconds: float
    frames: int
    board_seconds: float
    clocks: int


def samples_of(params: Params) -> npt.NDArray[np.uint16]:
    """Samples of the default radiograph, window by window."""
    codes = to_codes(read_image(radiograph()), params.sample_bits)
    mosaic = Mosaic(codes.shape, params, params.radius)
    return Roic(sample_bits=params.sample_bits).scan(mosaic, codes)


def capture(params: Params, samples: npt.NDArray[np.uint16], record: Path) -> Run:
    """One series through the virtual board to decoded frames, which are let go."""
    with VirtualBoard(params, samples) as board:
        with edgeray.open(board.url) as device, record.open("wb") as file:
            device.configure(SETTINGS)
            begin = time.perf_counter()
            with device.capture(record=file) as frames:
                count = sum(frame.complete for frame in frames)
            seconds = time.perf_counter() - begin
            frames.ledger.require_complete()
        board.wait(10)
    assert board.summary is not None
    return Run(seconds, count, board.summary.seconds, board.summary.clocks)


def clocks_per_frame(params: Params, samples: npt.NDArray[np.uint16]) -> int:
    """Clocks from the start of a frame to that of the next, free running: the least of a few."""
    settings = replace(SETTINGS, nimages=16, meta_period=1)
    with VirtualBoard(params, samples) as board, edgeray.open(board.url) as device:
        device.configure(settings)
        starts = [frame.meta.timestamp for frame in device.capture()]
    return int(np.diff(starts).min())


def best(function: Callable[[], object]) -> float:
    """Least seconds of a few calls."""
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor()
    return f"{platform.node()}: {len(models) or '?'} x {model}, {platform.system()} {platform.machine()}"


def main(console: Console, folder: Path | None) -> list[Figure]:
    """Measure, print, save; the figures with their targets. `folder` plays no part."""
    load, params = warn_of_load(console), Params()
    samples = samples_of(params)
    with tempfile.TemporaryDirectory() as temporary:
        record = Path(temporary) / "capture.edgeray"
        console.print("measuring ...")
        runs = [capture(params, samples, record) for _ in range(REPEATS)]
        run = min(runs, key=lambda each: each.seconds)
        frames = [frame.values.astype(np.int16).tobytes() for frame in edgeray.replay(record)]
        packed = [zlib.compress(frame, 1) for frame in frames]
        decode = best(lambda: sum(1 for _ in edgeray.replay(record)))
        inflate = best(lambda: [zlib.decompress(frame) for frame in packed])
        wire = record.stat().st_size / len(frames)

    board, host, whole = run.frames / run.board_seconds, len(frames) / decode, run.frames / run.seconds
    clock = run.clocks / run.board_seconds
    table = Table(title=f"{_machine()}\n{FRAMES} frames of 32 x 32, {wire:.0f} bytes a frame", show_header=True)
    for name in ("", "frames/s", "against"):
        table.add_column(name)
    table.add_row("virtual board to decoded frames", f"{whole:.0f}", f"{whole / REQUIRED:.2f} of the 2000 required")
    table.add_row(
        f"virtual board alone, {clock / 1e6:.1f} million clocks/s",
        f"{board:.0f}",
        f"{clock / params.clock_frequency:.2f} of real time at {params.clock_frequency / 1e6:.0f} MHz",
    )
    table.add_row(
        "host alone, from a recorded capture", f"{host:.0f}", f"{inflate / decode:.2f} of zlib's decompression"
    )
    console.print(table)
    limit, reason = min((board, "the simulated gateware"), (host, "the host's decoder"))
    console.print(f"What limits it: {reason}, alone {limit:.0f} frames/s; side by side on two cores {whole:.0f}.")

    table = Table(title="Clocks a frame, from one frame's start to the next, free running")
    for name in ("build", "clocks", "clocks a pixel", "frames/s at 24 MHz"):
        table.add_column(name)
    found = {}
    for build in (params, Params(multipliers=1), Params(kernel_size=5)):
        clocks = clocks_per_frame(build, samples[:16])
        name = f"kernel {build.kernel_size} x {build.kernel_size}, {build.multipliers} multipliers"
        found[name] = clocks
        pixels = build.rows * build.columns
        table.add_row(name, str(clocks), f"{clocks / pixels:.2f}", f"{24e6 / clocks:.0f}")
    console.print(table)
    figures = [Figure("board: frames/s, virtual board to decoded frames", whole, REQUIRED, at_most=False)]
    show(console, figures)
    measured = {
        "machine": _machine(),
        "load": load,
        "run": asdict(run),
        "host frames per second": host,
        "inflate frames per second": len(frames) / inflate,
        "clocks a frame": found,
    }
    console.print(save("board", measured, figures))
    return figures
