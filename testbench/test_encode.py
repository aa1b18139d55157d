"""Encoder against its golden model: the words that it writes, put together, are the payloads."""

from collections.abc import Sequence
from functools import partial
from itertools import product

import numpy as np
import numpy.typing as npt

from edgeray.protocol.packets import WORD_BITS
from edgeray.protocol.registers import ReadoutMode, ThresholdMode
from edgeray.protocol.settings import Settings
from hdl.encode import Encode
from hdl.params import Params
from sim.golden import encode
from testbench.bench import Bench, params, simulated
from testbench.payloads import check_payloads, written
from testbench.runner import Build
from testbench.stages import STALL, paces, packed
from testbench.stimulus import generator
from testbench.streams import StreamSink, StreamSource, always, never

Frame = tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]
"""Values, and which of them are kept."""


def _build(label: str, **sizes: int) -> Build:
    return Build(label, partial(Encode, Params(**sizes)))


BUILDS = (
    _build("8x9 12 bit", rows=8, columns=9),
    # More than one packet a frame: rows of 4096 pixels.
    _build("3x4096 14 bit", rows=3, columns=4096, guard_ring=0, sample_bits=14),
)


def _frames(bench: Bench, settings: Settings) -> list[Frame]:
    """(values, kept): nothing kept, everything, some, and values at both ends."""
    noise, shape, full = generator(bench.seed), settings.frame_shape(params()), params().full_scale
    raw = settings.readout_mode == ReadoutMode.RAW
    values = noise.integers(0 if raw else -full, full + 1, shape)
    ends = noise.choice([0 if raw else -full, full], shape)
    if raw or settings.threshold_mode == ThresholdMode.OFF:
        kept = [np.ones(shape, bool)] * 2
    else:
        kept = [np.zeros(shape, bool), np.ones(shape, bool), noise.random(shape) < 0.3, noise.random(shape) < 0.03]
    return [(image, some) for image, some in product((values, ends), kept)]


async def _run(
    bench: Bench, source: StreamSource, sink: StreamSink, settings: Settings, frames: Sequence[Frame], stall: int = 0
) -> None:
    """Send frames and compare their payloads; for the first `stall` clocks no word is taken."""
    expected = [
        payload for frame in frames for payload in encode.payloads(*frame, detector=params(), settings=settings)
    ]
    sink.items.clear()
    for values, kept in frames:
        source.send(packed(source.packer.pack, value=values, kept=kept))
    pixels, ends = sum(values.size for values, _ in frames), sink.packer.mask(["end"])
    if stall:
        pace, sink.pace = sink.pace, never
        await bench.clock(stall)
        bench.check(bool(sink.offered) and not sink.items, "a stalled encoder offered nothing, or lost a word")
        sink.pace = pace
    for _ in range(2 * pixels + 100):
        if not source.items and sum(1 for item in sink.items if item & ends) >= len(expected):
            break
        await bench.clock(25)
    await bench.clock(20)
    what = f"{settings.readout_mode.name}, {settings.threshold_mode.name}, stride {settings.stride}"
    check_payloads(bench, expected, written(bench, sink), what)
    bench.figures.frames += len(frames)
    bench.figures.pixels += pixels


def _settings() -> list[Settings]:
    choices = [Settings(stride=stride, threshold_mode=mode) for stride in params().strides for mode in ThresholdMode]
    return [*choices, *(Settings(readout_mode=ReadoutMode.RAW, threshold_mode=mode) for mode in ThresholdMode)]


@simulated(cycles=2_000_000)
async def every_mode(bench: Bench) -> None:
    """All modes and strides, changed between frames; small arrays at every pace and after a full stall."""
    source, sink = bench.source(), bench.sink()
    is_small = params().columns < 100
    for settings in _settings():
        bench.set(readout_mode=settings.readout_mode, threshold_mode=settings.threshold_mode, stride=settings.stride)
        frames = _frames(bench, settings)
        if not is_small:
            await _run(bench, source, sink, settings, frames[1:3])
            continue
        for _, source.pace, sink.pace in paces(bench):
            await _run(bench, source, sink, settings, frames)
        source.pace = sink.pace = always
        await _run(bench, source, sink, settings, frames, stall=STALL)


@simulated(cycles=100_000)
async def latency(bench: Bench) -> None:
    """A word of values follows the pixel that fills it after `latency` clocks, the end the last pixel after 4."""
    source, sink = bench.source(), bench.sink()
    settings = Settings(threshold_mode=ThresholdMode.OFF)
    bench.set(readout_mode=settings.readout_mode, threshold_mode=settings.threshold_mode, stride=settings.stride)
    await _run(bench, source, sink, settings, _frames(bench, settings)[:1])
    pixels = min(params().rows, params().rows_per_packet) * params().columns
    for word, clock in zip(sink.fields(), sink.offered, strict=True):
        if word["end"]:
            took = clock - source.accepted[pixels - 1]
            bench.check(took == 4, f"the payload's end came {took} clocks after its last pixel, not 4")
            return
        filled_by = -(-(word["offset"] + 1) * WORD_BITS // params().response_bits) - 1
        if filled_by < pixels:
            took = clock - source.accepted[filled_by]
            wanted = bench.component.latency
            bench.check(took == wanted, f"word {word['offset']} came {took} clocks after its last pixel, not {wanted}")
