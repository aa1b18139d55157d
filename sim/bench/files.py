"""Speed, size and memory of the NeXus writer beside others, on the same frames and in the same run, on one processor.

scene -> golden encoder -> recording -> [replay -> NexusWriter] -> tables, out/bench/files.json

    edgeray       bytes of a recording to a finished file: packets found and decoded, pixels, times, events, ledger
    h5py          arrays that are there already, 256 frames at a time: uncompressed, and with gzip 1 and shuffle
    tifffile      the same arrays as pages

Seconds are those of the processor, medians of calls in turn: the disk and other processes play no part. Peak memory is
that of a process of its own.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import tifffile
from rich.console import Console
from rich.table import Table

from edgeray import core, files
from edgeray.decoder import Decoder
from edgeray.ledger import Ledger
from edgeray.replay import replay
from edgeray.splitter import Splitter
from sim.bench.figures import Figure, save, show, warn_of_load
from sim.bench.scenes import Scene, radiographs, tiles
from sim.bench.wire import series_packets

REPEATS = 5
FRAMES = 16_384
CHUNK = 256
TARGET = 20_000.0
SHARES = (0.04, 0.38)
"""Parts of the pixels that are kept: of a sparse scene, and of a radiograph at one grey level of 256."""
MEMORY_FRAMES = (100_000, 400_000)
MEMORY_TARGET = 1.05

Stack = npt.NDArray[np.int16]


def stack_of(scene: Scene, share: float) -> tuple[Stack, bytes]:
    """FRAMES frames of which about `share` of the pixels are kept, and the recording of them."""
    values, _ = scene.edges(1)
    threshold = int(np.quantile(np.abs(values), 1 - share)) + 1
    values, kept = (np.concatenate([each] * (FRAMES // len(each))) for each in scene.edges(threshold))
    return values, series_packets(values, kept, detector=scene.detector, settings=scene.settings(threshold))


def with_h5py(path: Path, stack: Stack, **filters: Any) -> None:
    """Frames alone, as most programs write them."""
    with h5py.File(path, "w") as file:
        shape = (0, *stack.shape[1:])
        data = file.create_dataset(
            "data", shape, "i2", maxshape=(None, *shape[1:]), chunks=(CHUNK, *shape[1:]), **filters
        )
        for start in range(0, len(stack), CHUNK):
            data.resize(start + CHUNK, 0)
            data[start : start + CHUNK] = stack[start : start + CHUNK]


def with_tifffile(path: Path, stack: Stack) -> None:
    with tifffile.TiffWriter(path) as tiff:
        for start in range(0, len(stack), CHUNK):
            tiff.write(stack[start : start + CHUNK], photometric="minisblack", metadata=None)


def decoded(octets: bytes) -> int:
    """Bytes to frames, and nothing done with them."""
    splitter, decoder, count = Splitter(), Decoder(threads=1), 0
    for start in range(0, len(octets), 1 << 18):
        count += len(decoder.accept_all(splitter.feed(octets[start : start + (1 << 18)])))
    return count


@contextlib.contextmanager
def one_processor() -> Iterator[None]:
    """This process runs on one processor, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def seconds_of(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of the processor of a call of each, in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(REPEATS + 1):
        for name, call in calls.items():
            begin = time.process_time()
            call()
            if repeat:  # the first fills caches
                seconds[name].append(time.process_time() - begin)
    return {name: median(each) for name, each in seconds.items()}


def measure(scene: Scene, share: float, folder: Path) -> dict[str, dict[str, float]]:
    """Name -> frames a second, bytes a frame."""
    stack, octets = stack_of(scene, share)
    recording, ours = folder / "run.edgeray", folder / "run.nxs"
    recording.write_bytes(octets)

    def edgeray() -> None:
        with replay(recording, [files.writer(ours, overwrite=True)]) as played:
            assert played.run().received == len(stack)

    edgeray()
    with h5py.File(ours) as file:
        assert np.array_equal(file["entry/data/data"][()], stack), "the file holds other pixels than were encoded"
    gzip = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    calls: dict[str, tuple[Callable[[], object], Path]] = {
        "edgeray: recording to NeXus": (edgeray, ours),
        "edgeray: recording to frames": (lambda: decoded(octets), recording),
        "h5py, uncompressed": (lambda: with_h5py(folder / "plain.h5", stack), folder / "plain.h5"),
        "h5py, gzip 1, shuffle": (lambda: with_h5py(folder / "gzip.h5", stack, **gzip), folder / "gzip.h5"),
        "tifffile": (lambda: with_tifffile(folder / "run.tif", stack), folder / "run.tif"),
    }
    seconds = seconds_of({name: call for name, (call, _) in calls.items()})
    return {
        name: {"frames/s": len(stack) / seconds[name], "bytes/frame": path.stat().st_size / len(stack)}
        for name, (_, path) in calls.items()
    }


def write_many(folder: Path, count: int) -> int:
    """Write `count` frames, decoded from a short recording again and again; returns the peak memory in KiB."""
    import resource

    octets = (folder / "memory.edgeray").read_bytes()
    with replay(folder / "memory.edgeray") as begun:
        header = begun.header
    writer, taken = files.writer(folder / "memory.nxs", overwrite=True), 0
    writer.begin(header)
    while taken < count:
        splitter, decoder = Splitter(), Decoder(threads=1)
        frames = decoder.accept_all(splitter.feed(octets))
        writer.take(frames)
        taken += len(frames)
    writer.end(Ledger(triggered=taken, received=taken))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_memory(scene: Scene, folder: Path) -> dict[int, int]:
    """KiB at most of a process that writes so many frames."""
    _, octets = stack_of(scene, SHARES[0])
    (folder / "memory.edgeray").write_bytes(octets[: len(octets) // 8])
    code = "import sys; from pathlib import Path; from sim.bench.files import write_many as w; "
    code += "print(w(Path(sys.argv[1]), int(sys.argv[2])))"
    found = {}
    for count in MEMORY_FRAMES:
        command = [sys.executable, "-c", code, str(folder), str(count)]
        found[count] = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def main(console: Console, folder: Path | None) -> list[Figure]:
    """Measure, print, save; the figures with their targets. `folder` plays no part."""
    if core.fast() is None:
        console.print("[yellow]numba is not installed: without the fast core decoding is what takes the time")
    if find_spec("isal") is None:
        console.print("[yellow]isal is not installed: with zlib compression takes twice the time of all the rest")
    name, image = next(iter(radiographs()))
    scene = tiles(name, image, 12)
    measured: dict[str, Any] = {"load": warn_of_load(console), "scenes": {}}
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as work, one_processor():
        for share in SHARES:
            found = measure(scene, share, Path(work))
            table = Table(title=f"{scene.name}, {share:.0%} of the pixels kept, one processor")
            for column in ("writer", "frames/s", "bytes/frame"):
                table.add_column(column, justify="left" if column == "writer" else "right")
            for writer, values in found.items():
                table.add_row(writer, f"{values['frames/s']:.0f}", f"{values['bytes/frame']:.0f}")
            console.print(table)
            measured["scenes"][f"{share:.2f}"] = found
            rate = found["edgeray: recording to NeXus"]["frames/s"]
            figures.append(Figure(f"files: frames/s to NeXus, {share:.0%} kept", rate, TARGET, at_most=False))
        measured["peak memory, KiB"] = memory = peak_memory(scene, Path(work))
    few, many = memory.values()
    console.print(", ".join(f"{count} frames: {peak / 1024:.0f} MiB at most" for count, peak in memory.items()))
    figures.append(Figure("files: peak memory of 400 000 frames over that of 100 000", many / few, MEMORY_TARGET))
    show(console, figures)
    console.print(save("files", measured, figures))
    return figures
