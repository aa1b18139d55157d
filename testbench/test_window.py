"""Window against its golden model: borders, guard ring, strides, several shapes of array."""

from functools import partial
from typing import Any

import numpy as np

from hdl.params import Params
from hdl.window import Window
from sim.golden import window
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.stages import Frames, Stage, packed
from testbench.stimulus import Image, images

BITS = 12


def _build(label: str, *only: str, **sizes: Any) -> Build:
    return Build(label, partial(Window, Params(sample_bits=BITS, **sizes)), only)


BUILDS = (
    _build("3x3 8x9 guard 1", rows=8, columns=9),
    _build("3x3 7x8 guard 0", rows=7, columns=8, guard_ring=0),
    _build("3x3 1x4", rows=1, columns=4, guard_ring=0),
    _build("5x5 12x13 guard 1", rows=12, columns=13, kernel_size=5),
    _build("5x5 2x5 guard 0", rows=2, columns=5, guard_ring=0, kernel_size=5),
    _build("3x3 8x9 guard 1 shared", rows=8, columns=9, multipliers=1),
    _build("3x3 1x4 shared", rows=1, columns=4, guard_ring=0, multipliers=1),
    _build("5x5 12x13 guard 1 shared", rows=12, columns=13, kernel_size=5, multipliers=1),
    _build("5x5 2x5 guard 0 shared", rows=2, columns=5, guard_ring=0, kernel_size=5, multipliers=1),
)


def _results(stage: Stage, frames: list[Image], stride: int) -> tuple[Frames, Frames]:
    """Expected windows, and what of them means nothing: the taps of guard pixels."""
    packer = stage.sink.packer
    expected, ignored = [], []
    for frame in frames:
        taps, guard = window.windows(frame, detector=params(), stride=stride)
        taps = np.where(guard[..., None], 0, taps)
        # With one multiplier the taps of a window come one after the other.
        times = 1 if params().is_pipelined else taps.shape[-1]
        planes = [packed(packer.pack, taps=part, guard=guard) for part in np.split(taps, times, axis=-1)]
        expected.append([part for one_window in zip(*planes, strict=True) for part in one_window])
        ignored.append([packer.mask(["taps"]) if hidden else 0 for hidden in guard.ravel().repeat(times)])
    return expected, ignored


@simulated(cycles=400_000)
async def every_stride_at_every_pace(bench: Bench) -> None:
    """All strides that fit, changed between frames."""
    shape = params().rows, params().columns
    stage = Stage(bench, shape[1], patience=400)
    # With one multiplier every frame takes long: some are enough.
    frames = list(images(*shape, BITS, bench.random))[:: 1 if params().is_pipelined else 3]
    inputs = [packed(stage.source.packer.pack, value=frame) for frame in frames]
    for stride in (*params().strides, 1):
        await bench.until(lambda: bench.dut.idle.value == 1, 200, "idle")
        bench.set(stride=stride)
        expected, ignored = _results(stage, frames, stride)
        await stage.all_paces(inputs, expected, ignored, what=f"stride {stride}")


@simulated(cycles=20_000)
async def latency_and_rate(bench: Bench) -> None:
    """One pixel a clock; a window follows its last pixel after `latency` clocks; the flush takes `flush` clocks.

    With one multiplier: a window every kernel_size**2 clocks and one for its pixel, and one after the other.
    """
    shape = params().rows, params().columns
    stage = Stage(bench, shape[1], patience=400)
    bench.set(stride=1)
    frames = list(images(*shape, BITS, bench.random))[:1]
    expected, ignored = _results(stage, frames, 1)
    await stage.transfer([packed(stage.source.packer.pack, value=frame) for frame in frames], expected, ignored)
    flush, latency = bench.component.flush, bench.component.latency
    took = stage.sink.received[-1] - stage.source.accepted[0]
    if params().is_pipelined:
        stage.check_latency(latency, behind=flush)
        stage.check_rate(1)
        whole = len(expected[0]) - 1 + flush + latency
    else:
        taps, pixels = params().kernel_size ** 2, shape[0] * shape[1]
        whole = pixels * (taps + 1) - 1 + latency - 1
        first = stage.sink.received[0] - stage.source.accepted[min(flush, pixels - 1)]
        bench.check(first == latency, f"the first tap came after {first} clocks, not {latency}")
    bench.check(took == whole, f"the frame took {took} clocks, not {whole}")
