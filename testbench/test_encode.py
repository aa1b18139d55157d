"""Encoder against its golden model: the words that it writes, put together, are the payloads."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from edgeray.protocol.kernels import KERNELS
from edgeray.protocol.packets import PacketType
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.protocol.settings import Settings
from hdl.encode import Encode
from hdl.params import Params
from sim.golden.convolve import convolve
from sim.golden.encode import Payload, payloads
from sim.golden.threshold import threshold
from sim.golden.window import windows
from testbench.bench import Bench, params, simulated
from testbench.payloads import check_payloads, written
from testbench.runner import Build
from testbench.stages import paces, packed
from testbench.stimulus import Image, generator, images, tile
from testbench.streams import StreamSink, StreamSource

Frame = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]
"""Values, and which of them are kept."""


def _build(label: str, rows: int, columns: int, sample_bits: int, guard_ring: int, *only: str) -> Build:
    params = Params(rows=rows, columns=columns, sample_bits=sample_bits, guard_ring=guard_ring)
    return Build(label, partial(Encode, params), only)


_SMALL = ("every_mode", "modes_in_turn", "rate")
BUILDS = (
    _build("1x4 8 bit", 1, 4, 8, 0, *_SMALL),
    _build("8x9 10 bit", 8, 9, 10, 1, *_SMALL),
    _build("32x32 12 bit", 32, 32, 12, 1, "real_tiles", "rate"),
    # Packets of 4 rows, and of the one that is left.
    _build("5x4096 14 bit", 5, 4096, 14, 0, "several_packets"),
)


def _settings() -> list[Settings]:
    """Every mode, stride, and thresholds at both ends."""
    full = params().full_scale
    edges = [Settings(stride=stride, threshold_mode=mode) for stride in params().strides for mode in ThresholdMode]
    levels = [Settings(threshold_mode=mode, edge_threshold=level) for mode in ThresholdMode for level in (1, full)]
    raw = [Settings(readout_mode=ReadoutMode.RAW, threshold_mode=mode) for mode in ThresholdMode]
    return [*edges, *levels, *raw]


def _responses(image: Image, settings: Settings) -> Frame:
    """What the stages before make of an image: pixels in raw readout, kernel responses and those kept in edge."""
    if settings.readout_mode == ReadoutMode.RAW:
        return image, np.ones(image.shape, bool)
    taps, guard = windows(image, detector=params(), stride=settings.stride)
    values, _ = convolve(taps, guard, sample_bits=params().sample_bits, kernel=settings.kernel)
    mode, level = settings.threshold_mode, settings.edge_threshold
    return values, threshold(values, guard, mode=mode, edge_threshold=level)


def _frames(bench: Bench, settings: Settings) -> list[Frame]:
    """What is made of images; and noise over the threshold, at its ends or between, none, some or all of it kept."""
    shape, bits, full = (params().rows, params().columns), params().sample_bits, params().full_scale
    found = [_responses(image, settings) for image in images(*shape, bits, bench.random)]
    if settings.readout_mode == ReadoutMode.RAW:
        return found
    noise, shape = generator(bench.random.getrandbits(32)), settings.frame_shape(params())
    off, positive = settings.threshold_mode == ThresholdMode.OFF, settings.threshold_mode == ThresholdMode.POSITIVE
    low = 0 if off else settings.edge_threshold
    for share in (0, 0.03, 0.3, 1):
        kept = (noise.random(shape) < share) | off
        signs = 1 if positive else noise.choice((-1, 1), shape)
        for sizes in (noise.integers(low, full + 1, shape), noise.choice((low, full), shape)):
            found.append((np.where(kept, sizes * signs, noise.integers(-full, full + 1, shape)), kept))
    return found


def _set(bench: Bench, settings: Settings) -> None:
    raw = settings.readout_mode == ReadoutMode.RAW
    bench.set(raw=raw, threshold_mode=settings.threshold_mode, edge_threshold=settings.edge_threshold)


async def _run(
    bench: Bench,
    source: StreamSource,
    sink: StreamSink,
    settings: Settings,
    frames: Sequence[Frame],
    what: str = "",
) -> list[Payload]:
    """Send frames and compare their payloads, which it returns."""
    expected = [payload for frame in frames for payload in payloads(*frame, detector=params(), settings=settings)]
    _set(bench, settings)
    for log in (source.accepted, source.offered, sink.items, sink.offered):
        log.clear()
    for values, kept in frames:
        source.send(packed(source.packer.pack, value=values, kept=kept))
    pixels, ends = sum(values.size for values, _ in frames), sink.packer.mask(["end"])
    for _ in range(2 * pixels + 100):
        if not source.items and sum(1 for item in sink.items if item & ends) >= len(expected):
            break
        await bench.clock(25)
    what = f"{settings.readout_mode.name}, {settings.threshold_mode.name} {settings.edge_threshold}, {what}"
    check_payloads(bench, expected, written(bench, sink), what)
    bench.figures.frames += len(frames)
    bench.figures.pixels += pixels
    return expected


@simulated(cycles=200_000)
async def every_mode(bench: Bench) -> None:
    """All modes and strides, changed between frames, at a pace of its own each; both kinds of payload come."""
    source, sink = bench.source(), bench.sink()
    kinds = set()
    for number, settings in enumerate(_settings()):
        what, source.pace, _ = list(paces(bench))[number % 3]
        for payload in await _run(bench, source, sink, settings, _frames(bench, settings), what):
            kinds.add(PacketType(payload.type))
    wanted = {PacketType.EDGE, PacketType.EDGE_STORED, PacketType.RAW, PacketType.RAW_STORED}
    bench.check(kinds == wanted, f"only {kinds} came")


@simulated(cycles=60_000)
async def modes_in_turn(bench: Bench) -> None:
    """Edges and pixels in turn, the next begun as soon as the end of the one before is out, as in audit frames."""
    source, sink = bench.source(), bench.sink()
    raw, edge = Settings(readout_mode=ReadoutMode.RAW), Settings(stride=params().strides[-1])
    ends = sink.packer.mask(["end"])
    for image in images(params().rows, params().columns, params().sample_bits, bench.random):
        for settings in (edge, raw):
            frame = _responses(image, settings)
            (expected,) = payloads(*frame, detector=params(), settings=settings)
            _set(bench, settings)
            for log in (sink.items, sink.offered):
                log.clear()
            source.send(packed(source.packer.pack, value=frame[0], kept=frame[1]))
            await bench.until(lambda: bool(sink.items and sink.items[-1] & ends), 1_000, "a payload's end")
            check_payloads(bench, [expected], written(bench, sink), "edges and pixels in turn")


@simulated(cycles=60_000)
async def real_tiles(bench: Bench) -> None:
    """Windows of a radiograph, several kernels, in every mode; code pays, and it does not."""
    source, sink = bench.source(), bench.sink()
    for number, settings in enumerate((
        Settings(edge_threshold=4),
        Settings(edge_threshold=30, kernel=KERNELS["sobel-x"], threshold_mode=ThresholdMode.POSITIVE),
        Settings(threshold_mode=ThresholdMode.OFF),
        Settings(edge_threshold=1, stride=3),
        Settings(readout_mode=ReadoutMode.RAW),
    )):  # fmt: skip
        _, source.pace, _ = list(paces(bench))[number % 2]
        tiles = [tile(params().rows, params().columns, params().sample_bits, bench.random) for _ in range(3)]
        found = await _run(bench, source, sink, settings, [_responses(one, settings) for one in tiles], "tiles")
        sizes = [len(payload.data) for payload in found]
        bits = 8 * sum(sizes) / sum(_responses(one, settings)[0].size for one in tiles)
        bench.dut._log.info("%s %d: %.2f bits a pixel", settings.threshold_mode.name, settings.edge_threshold, bits)


@simulated(cycles=300_000)
async def several_packets(bench: Bench) -> None:
    """Frames of two packets, at fixed width and in code."""
    source, sink = bench.source(), bench.sink()
    off, raw = Settings(threshold_mode=ThresholdMode.OFF), Settings(readout_mode=ReadoutMode.RAW)
    shape, full = (params().rows, params().columns), params().full_scale
    noise = generator(bench.seed).choice((-full, full), shape)
    picture = tile(*shape, params().sample_bits, bench.random)
    for settings, values, kind in ((off, noise, PacketType.EDGE_STORED), (raw, picture, PacketType.RAW)):
        found = await _run(bench, source, sink, settings, [(values, np.ones(shape, bool))])
        kinds = [PacketType(payload.type) for payload in found]
        bench.check(kinds == [kind] * params().packets, f"payloads are {kinds}")
    await _run(bench, source, sink, Settings(stride=3), [_responses(picture, Settings(stride=3))])


@simulated(cycles=60_000)
async def rate(bench: Bench) -> None:
    """A pixel a clock, however long its code, and the payload's end `latency` clocks after its last one; `rest` clocks
    later the next payload's first pixel is taken.
    """
    source, sink = bench.source(), bench.sink()
    shape, full, frames = (params().rows, params().columns), params().full_scale, 4
    worst = np.zeros(shape, np.int64)
    worst[:, 1::2] = -full
    flat, settings = np.full(shape, full // 2), Settings(threshold_mode=ThresholdMode.OFF)
    raw = Settings(readout_mode=ReadoutMode.RAW)
    size, latency = flat.size, bench.component.latency
    ends = sink.packer.mask(["end"])
    for values, mode in ((worst, settings), (flat, settings), (flat, raw)):
        await _run(bench, source, sink, mode, [(values, np.ones(shape, bool))] * frames)
        out = [clock for clock, item in zip(sink.offered, sink.items, strict=True) if item & ends]
        for frame in range(frames):
            clocks = source.accepted[frame * size : (frame + 1) * size]
            steps = clocks[-1] - clocks[0]
            bench.check(steps == size - 1, f"{size} pixels were taken in {steps + 1} clocks")
            took = out[frame] - clocks[-1]
            bench.check(took == latency, f"the end came {took} clocks after the last pixel, not {latency}")
            if frame:
                waited, rest = clocks[0] - out[frame - 1], bench.component.rest
                bench.check(waited == rest, f"the next pixel was taken {waited} clocks after an end, not {rest}")
