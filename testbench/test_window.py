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
)


def _results(stage: Stage, frames: list[Image], stride: int) -> tuple[Frames, Frames]:
    """Expected windows, and what of them means nothing: the taps of guard pixels."""
    packer = stage.sink.packer
    expected, ignored = [], []
    for frame in frames:
        taps, guard = window.windows(frame, detector=params(), stride=stride)
        taps = np.where(guard[..., None], 0, taps)
        expected.append(packed(packer.pack, taps=taps, guard=guard))
        ignored.append([packer.mask(["taps"]) if hidden else 0 for hidden in guard.ravel()])
    return expected, ignored


@simulated(cycles=200_000)
async def every_stride_at_every_pace(bench: Bench) -> None:
    """All strides that fit, changed between frames."""
    shape = params().rows, params().columns
    stage = Stage(bench, shape[1], patience=200)
    frames = list(images(*shape, BITS, bench.random))
    inputs = [packed(stage.source.packer.pack, value=frame) for frame in frames]
    for stride in (*params().strides, 1):
        await bench.until(lambda: bench.dut.idle.value == 1, 200, "idle")
        bench.set(stride=stride)
        expected, ignored = _results(stage, frames, stride)
        await stage.all_paces(inputs, expected, ignored, what=f"stride {stride}")


@simulated(cycles=4_000)
async def latency_and_rate(bench: Bench) -> None:
    """One pixel a clock; a window follows its last pixel after `latency` clocks; the flush takes `flush` clocks."""
    shape = params().rows, params().columns
    stage = Stage(bench, shape[1], patience=200)
    bench.set(stride=1)
    frames = list(images(*shape, BITS, bench.random))[:1]
    expected, ignored = _results(stage, frames, 1)
    await stage.transfer([packed(stage.source.packer.pack, value=frame) for frame in frames], expected, ignored)
    stage.check_latency(bench.component.latency, behind=bench.component.flush)
    stage.check_rate(1)
    took = stage.sink.received[-1] - stage.source.accepted[0]
    whole = len(expected[0]) - 1 + bench.component.flush + bench.component.latency
    bench.check(took == whole, f"the frame took {took} clocks, not {whole}")
