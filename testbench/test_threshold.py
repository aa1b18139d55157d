"""Threshold against its golden model: modes, and thresholds at, below and above what a response can be."""

from functools import partial
from typing import Any

import numpy as np
from amaranth import Module, Signal

from edgeray.protocol.registers import BY_NAME, ThresholdMode
from hdl.params import Params
from hdl.threshold import Threshold
from sim.golden import threshold
from testbench.bench import Bench, simulated
from testbench.runner import Build
from testbench.stages import Frames, Stage, packed
from testbench.stimulus import Image, generator, images

SHAPE = 8, 8
BITS = 12
FULL = (1 << BITS) - 1


class Clocked(Threshold):
    """A `Threshold` with a clock, which the bench needs, and the stage does not where it is not pipelined."""

    def elaborate(self, platform: Any) -> Module:
        m: Module = super().elaborate(platform)
        m.d.sync += Signal(name="clocked").eq(1)
        return m


BUILDS = tuple(
    Build(label, partial(Clocked, Params(rows=8, columns=8, sample_bits=BITS, multipliers=multipliers)))
    for label, multipliers in (("pipelined", 0), ("shared", 1))
)


def _responses(bench: Bench, stage: Stage) -> tuple[list[Image], Image, Frames]:
    """Signed responses, guard flags, and both packed. Guard pixels are zero, as the convolution leaves them."""
    guard = np.pad(np.zeros((6, 6), np.int64), 1, constant_values=1)
    whole = generator(bench.seed).integers(-FULL, FULL + 1, SHAPE)
    ramp = np.arange(64).reshape(SHAPE) - 32
    frames = [image * sign for image in images(*SHAPE, BITS, bench.random) for sign in (1, -1)]
    frames = [np.where(guard, 0, frame) for frame in (*frames, whole, ramp)]
    return frames, guard, [packed(stage.source.packer.pack, value=frame, guard=guard) for frame in frames]


@simulated(cycles=150_000)
async def every_mode(bench: Bench) -> None:
    """All modes; thresholds from nothing to more than any response."""
    stage = Stage(bench, SHAPE[1])
    frames, guard, inputs = _responses(bench, stage)
    for mode in ThresholdMode:
        for level in (0, 1, 16, FULL // 2, FULL - 1, FULL, FULL + 1, BY_NAME["edge_threshold"].maximum):
            bench.set(threshold_mode=mode, edge_threshold=level)
            kept = [threshold.threshold(frame, guard.astype(bool), mode=mode, edge_threshold=level) for frame in frames]
            expected = [
                packed(stage.sink.packer.pack, value=frame, kept=some) for frame, some in zip(frames, kept, strict=True)
            ]
            await stage.transfer(inputs, expected, what=f"{mode.name}, threshold {level}")


@simulated(cycles=40_000)
async def every_pace(bench: Bench) -> None:
    """Random valid and ready and a full stall; then latency and rate."""
    stage = Stage(bench, SHAPE[1])
    frames, guard, inputs = _responses(bench, stage)
    mode, level = ThresholdMode.ABSOLUTE, 16
    bench.set(threshold_mode=mode, edge_threshold=level)
    expected = [
        packed(
            stage.sink.packer.pack,
            value=frame,
            kept=threshold.threshold(frame, guard.astype(bool), mode=mode, edge_threshold=level),
        )
        for frame in frames
    ]
    await stage.all_paces(inputs, expected)
    await stage.transfer(inputs[:2], expected[:2])
    stage.check_latency(bench.component.latency)
    stage.check_rate(1)
