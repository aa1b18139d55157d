"""Predictor against its golden model: symbols of raw and edge frames in turn."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hdl.params import Params
from hdl.predict import Predict
from sim.golden.predict import residuals
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.stages import Frames, Stage, packed, positions
from testbench.stimulus import Image, generator, images


def _build(label: str, **sizes: Any) -> Build:
    return Build(label, partial(Predict, Params(**sizes)))


BUILDS = (
    _build("8x9 10 bit", rows=8, columns=9, sample_bits=10),
    # Packets of 4 rows, and of the one that is left.
    _build("5x4096 14 bit", rows=5, columns=4096, guard_ring=0, sample_bits=14),
)


def _expected(stage: Stage, symbols: npt.NDArray[Any]) -> list[int]:
    """Symbols with their flags; a packet ends with the frame and after every `rows_per_packet` rows."""
    end = np.zeros(symbols.shape, np.int64)
    end[params().rows_per_packet - 1 :: params().rows_per_packet, -1] = end[-1, -1] = 1
    return [
        stage.sink.packer.pack({"symbol": symbol, "row_last": flags["row_last"], "end": is_end})
        for symbol, is_end, flags in zip(
            symbols.ravel().tolist(), end.ravel().tolist(), positions(symbols.shape), strict=True
        )
    ]


def _raw(stage: Stage, image: Image) -> tuple[Frames, Frames]:
    """A raw frame, and what it becomes."""
    step = params().rows_per_packet
    symbols = np.vstack(
        [residuals(image[row : row + step], params().sample_bits) for row in range(0, len(image), step)]
    )
    ones = np.ones(image.shape, np.int64)
    return [packed(stage.source.packer.pack, value=image, kept=ones)], [_expected(stage, symbols)]


def _edge(bench: Bench, stage: Stage, stride: int) -> tuple[Frames, Frames]:
    """An edge frame of noise, and what it becomes."""
    noise, shape, full = generator(bench.random.getrandbits(32)), params().frame_shape(stride), params().full_scale
    values, kept = noise.integers(-full, full + 1, shape), noise.random(shape) < 0.5
    symbols = np.where(kept, values, 0)
    return [packed(stage.source.packer.pack, value=values, kept=kept)], [_expected(stage, symbols)]


@simulated(cycles=900_000)
async def every_mode_at_every_pace(bench: Bench) -> None:
    """Raw frames, back to back and between edge frames of every stride; small ones at every pace."""
    shape, bits = (params().rows, params().columns), params().sample_bits
    stage = Stage(bench, shape[1])
    is_small = shape[1] < 100
    raw = [_raw(stage, image) for image in images(*shape, bits, bench.random)]
    inputs, expected = ([frame for one in raw for frame in one[side]] for side in (0, 1))
    for stride in params().strides if is_small else params().strides[-1:]:
        bench.set(raw=0)
        for _ in range(3 if is_small else 1):
            await stage.transfer(*_edge(bench, stage, stride), what=f"edge, stride {stride}")
        bench.set(raw=1)
        if is_small:
            await stage.all_paces(inputs, expected, what="raw")
        else:
            await stage.transfer(inputs[-1:], expected[-1:], what="raw")


@simulated(cycles=60_000)
async def latency_and_rate(bench: Bench) -> None:
    """One pixel a clock, `latency` clocks, in both readouts."""
    stage = Stage(bench, params().columns)
    image = next(images(params().rows, params().columns, params().sample_bits, bench.random))
    for raw, (inputs, expected) in ((1, _raw(stage, image)), (0, _edge(bench, stage, 1))):
        bench.set(raw=raw)
        await stage.transfer(inputs, expected)
        stage.check_latency(bench.component.latency)
        stage.check_rate(1)
