"""Decode speed of the host's decoder beside others, on the same edge pixels and in the same run.

scenes -> golden encoder, peers' encoders -> [decode]: seconds of each decoder -> tables, out/bench/decode.json

    edgeray     packets to a frame (values and mask), by the reference (of the first rows alone), and by the fast core
                in one thread and in two; bytes to frames is all that a user waits for: finding packets, both CRCs too
    CharLS, libaec, PNG   of the mapping that is shorter (`sim.bench.peers`)
    evt3        the shortest EVT 3.0 stream of the same positions, and `image[y, x] = values`: these it gets for nothing
    rustpix     a Timepix3 file of the same pixels, read in batches and turned into arrays

Each is the median of calls in turn.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from edgeray import core
from edgeray.decoder import Decoder, Frame
from edgeray.link import CHUNK
from edgeray.protocol.registers import ReadoutMode
from edgeray.splitter import Packet, Splitter
from sim.bench import events, peers
from sim.bench.figures import Figure, geometric_mean, installed, interleaved, save, show, warn_of_load
from sim.bench.scenes import Scene, poisson, radiographs, tiles, whole
from sim.bench.wire import series_packets

REPEATS = 15
TARGETS = {"CharLS": 1.3, "evt3": 1.0, "rustpix": 2.0}
THREADS_TARGET = 1.8
FRAMES_TARGET = 100_000.0
_FRAMES = 8192
_ONE, _TWO, _REFERENCE, _WHOLE = (
    "edgeray, 1 thread",
    "edgeray, 2 threads",
    "edgeray, reference",
    "edgeray, bytes to frames",
)

Call = Callable[[], object]


def frames_of(stream: bytes, threads: int | None = None) -> list[Frame]:
    """Bytes to frames, in the pieces that a link gives them in."""
    splitter, decoder = Splitter(), Decoder(threads=threads)
    found = []
    for start in range(0, len(stream), CHUNK):
        found += decoder.accept_all(splitter.feed(stream[start : start + CHUNK]))
    found += decoder.accept_all(splitter.finish())
    return found + decoder.flush()


def frames_in(packets: Sequence[Packet], threads: int = 1, plain: bool = False) -> list[Frame]:
    """Packets to frames."""
    decoder = Decoder(threads=threads, plain=plain)
    return decoder.accept_all(packets) + decoder.flush()


def ours(values: npt.NDArray[np.integer], stream: bytes) -> tuple[dict[str, Call], float]:
    """Our decoders of one frame's bytes, each checked against `values`; and the reference's share of the pixels."""
    splitter = Splitter()
    packets = splitter.feed(stream) + splitter.finish()
    few = packets[:2]  # META and some rows
    calls: dict[str, Callable[[], list[Frame]]] = {
        _REFERENCE: lambda: frames_in(few, plain=True),
        _ONE: lambda: frames_in(packets),
        _TWO: lambda: frames_in(packets, threads=2),
        _WHOLE: lambda: frames_of(stream, 1),
    }
    for call in calls.values():
        (frame,) = call()
        received = frame.rows_received
        assert np.array_equal(frame.values[received], values[received]), "the decoder disagrees with the golden encoder"
    return dict(calls), float(calls[_REFERENCE]()[0].rows_received.mean())


def codec_calls(images: dict[str, peers.Samples]) -> dict[str, Call]:
    """Decoders of imagecodecs, each for the mapping in `images` that it makes shorter."""
    library: Any = peers.codecs()
    if library is None:
        return {}
    available = [name for name, codec in peers.CODECS.items() if getattr(library, codec).available]
    found: dict[str, Call] = {}
    if "CharLS" in available:
        found["CharLS"] = partial(library.jpegls_decode, _shortest(library.jpegls_encode, images))
    if "PNG" in available:
        found["PNG"] = partial(library.png_decode, _shortest(partial(library.png_encode, level=9), images))
    if "libaec" in available:
        codes = {kind: peers.libaec(image, kind) for kind, image in images.items()}
        kind = min(codes, key=lambda each: len(codes[each][0]))
        data, settings = codes[kind]
        # The last block is written as a whole.
        size, samples = images[kind].size + max(peers.AEC_BLOCKS), images[kind].dtype
        found["libaec"] = lambda: library.aec_decode(data, **settings, out=np.empty(size, samples))
    return found


def _shortest(encode: Callable[[peers.Samples], bytes], images: dict[str, peers.Samples]) -> bytes:
    return min((bytes(encode(image)) for image in images.values()), key=len)


def event_calls(values: npt.NDArray[np.int16], packages: list[str], folder: Path) -> dict[str, Call]:
    """Decoders of events, of the pixels of one frame that are not 0."""
    found: dict[str, Call] = {}
    kept = values != 0
    rows, columns = values.shape
    if "evt3" in packages and max(values.shape) <= events.LARGEST:
        evt3, data, sent = import_module("evt3"), events.evt3_bytes(kept), values[kept]

        def scatter() -> npt.NDArray[np.int16]:
            decoded = evt3.decode_bytes(data, columns, rows)
            image = np.zeros((rows, columns), np.int16)
            image[decoded.y, decoded.x] = sent
            return image

        assert np.array_equal(scatter(), values), "evt3 reads other events than were written"
        found["evt3"] = scatter
    if "rustpix" in packages:
        rustpix = import_module("rustpix")
        path = folder / "hits.tpx3"
        path.write_bytes(events.tpx3_bytes(values))

        def read() -> int:
            return sum(len(batch.to_numpy()["x"]) for batch in rustpix.stream_tpx3_hits(str(path)))

        assert read() == kept.sum(), "rustpix reads other hits than were written"
        found["rustpix"] = read
    return found


def image_seconds(scene: Scene, packages: list[str]) -> tuple[dict[str, float], int]:
    """(seconds a frame of each decoder, kept pixels) of a scene of one frame, at the lower threshold."""
    threshold = scene.thresholds[0]
    values, kept = scene.edges(threshold)
    stream = series_packets(values, kept, detector=scene.detector, settings=scene.settings(threshold))
    calls, share = ours(values[0], stream)
    calls |= codec_calls(peers.mappings(values[0], threshold, scene.detector.sample_bits))
    with tempfile.TemporaryDirectory() as folder:
        calls |= event_calls(values[0], packages, Path(folder))
        seconds = interleaved(calls, REPEATS)
    seconds[_REFERENCE] /= share
    return seconds, int(kept.sum())


def raw_seconds(scene: Scene) -> dict[str, float]:
    """Seconds a frame of each decoder in raw mode."""
    settings = replace(scene.settings(1), readout_mode=ReadoutMode.RAW)
    every = np.ones(scene.pixels.shape, np.bool_)
    stream = series_packets(scene.pixels, every, detector=scene.detector, settings=settings)
    calls, share = ours(scene.pixels[0], stream)
    seconds = interleaved(calls | codec_calls({"pixels": peers.narrow(scene.pixels[0])}), REPEATS)
    seconds[_REFERENCE] /= share
    return seconds


def frames_per_second(scene: Scene) -> dict[int, float]:
    """32x32 frames a second from bytes to frames, by threads."""
    threshold = scene.thresholds[0]
    values, kept = (np.concatenate([each] * (_FRAMES // len(each))) for each in scene.edges(threshold))
    stream = series_packets(values, kept, detector=scene.detector, settings=scene.settings(threshold))
    found = frames_of(stream)
    assert len(found) == len(values)
    assert all(map(np.array_equal, (frame.values for frame in found), values))
    threads = (1, 2)
    seconds = interleaved({str(each): lambda each=each: frames_of(stream, each) for each in threads}, REPEATS)  # type: ignore[misc]
    return {each: len(values) / seconds[str(each)] for each in threads}


def _table(console: Console, title: str, scene: Scene, seconds: dict[str, float], kept: int) -> None:
    table = Table(title=title)
    for name in ("decoder", "million pixels/s", *(["million kept pixels/s"] if kept else []), "1 thread is faster by"):
        table.add_column(name, justify="left" if name == "decoder" else "right")
    for name, each in seconds.items():
        rates = [f"{scene.pixels.size / each / 1e6:.1f}", *([f"{kept / each / 1e6:.1f}"] if kept else [])]
        table.add_row(name, *rates, f"{each / seconds[_ONE]:.2f}")
    console.print(table)


def main(console: Console, folder: Path | None) -> list[Figure]:
    """Measure, print, save; the figures with their targets. `folder` plays no part."""
    if core.fast() is None:
        console.print(
            "[yellow]numba is not installed, so there is no fast core to measure: pip install 'edgeray\\[fast]'"
        )
        return []
    packages = installed(("evt3", "rustpix"), console)
    for peer in peers.missing():
        console.print(f"[yellow]left out: {peer}")
    images = dict(radiographs())
    large = [whole(name, image, bits) for name, image in images.items() for bits in (8, 12)] + [poisson(12)]
    measured: dict[str, Any] = {"load": warn_of_load(console), "edge": {}, "raw": {}, "frames per second": {}}
    ratios: dict[str, list[float]] = {}
    for scene in large:
        seconds, kept = image_seconds(scene, packages)
        share = f"{kept / scene.pixels.size:.3f} kept"
        _table(console, f"{scene.name}, T = {scene.thresholds[0]}, {share}", scene, seconds, kept)
        measured["edge"][scene.name] = {"pixels": scene.pixels.size, "kept": kept, "seconds": seconds}
        for name in (*TARGETS, _TWO):
            if name in seconds:
                ratios.setdefault(name, []).append(seconds[name] / seconds[_ONE])
    for scene in large[:2]:
        seconds = raw_seconds(scene)
        _table(console, f"{scene.name}, raw", scene, seconds, 0)
        measured["raw"][scene.name] = {"pixels": scene.pixels.size, "seconds": seconds}

    figures = [
        Figure(f"decode: 1 thread over {name}, mean of {len(each)} images", geometric_mean(each), target, at_most=False)
        for name, target in TARGETS.items()
        if (each := ratios.get(name))
    ]
    two = 1 / geometric_mean(ratios[_TWO])
    figures.append(Figure("decode: 2 threads over 1, mean", two, THREADS_TARGET, at_most=False))
    table = Table(title="32x32 frames a second, bytes to frames")
    for name in ("series", "1 thread", "2 threads"):
        table.add_column(name, justify="left" if name == "series" else "right")
    for name, image in images.items():
        for bits in (8, 12):
            scene = tiles(name, image, bits)
            rates = frames_per_second(scene)
            table.add_row(scene.name, *(f"{rate:.0f}" for rate in rates.values()))
            measured["frames per second"][scene.name] = rates
            figures.append(Figure(f"decode: frames/s, {scene.name}", max(rates.values()), FRAMES_TARGET, at_most=False))
    console.print(table)
    show(console, figures)
    console.print(save("decode", measured, figures))
    return figures
