"""PGA against its golden model."""

from functools import partial
from typing import Any

import numpy as np

from edgeray.protocol.registers import BY_NAME
from hdl.params import Params
from hdl.pga import PGA
from sim.golden import pga
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.stages import Stage, packed
from testbench.stimulus import Image, images

SHAPE = 6, 8
GAIN, OFFSET = BY_NAME["pga_gain"], BY_NAME["pga_offset"]


def _build(label: str, **more: Any) -> Build:
    return Build(label, partial(PGA, Params(rows=6, columns=8, **more)))


BUILDS = (
    _build("12 bit"),
    _build("14 bit", sample_bits=14),
    _build("12 bit shared", multipliers=1),
    _build("14 bit shared", sample_bits=14, multipliers=1),
    _build("readout chip amplifies", roic_pga=True, multipliers=1),
)


def _bits(bench: Bench) -> int:
    return int(bench.component.o.payload.value.shape().width)


def _in_digits(gain: int) -> int:
    """The gain that the gateware makes of the register's."""
    return 0 if params().roic_pga else gain


def _differences(bench: Bench) -> list[Image]:
    """Signed images over the whole range that CDS can give, both ends included."""
    bits = _bits(bench)
    full = (1 << bits) - 1
    frames = [image * sign for image in images(*SHAPE, bits, bench.random) for sign in (1, -1)]
    small = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE) - SHAPE[1]
    # Around the value that a gain of 32 takes to full scale.
    return [*frames, small, small + (full >> GAIN.maximum)]


@simulated(cycles=100_000)
async def every_gain_and_offset(bench: Bench) -> None:
    """All gains; offsets at both ends, none, and some; saturations counted."""
    stage, saturated = Stage(bench, SHAPE[1]), bench.pulses("saturated")
    bits, frames = _bits(bench), _differences(bench)
    inputs = [packed(stage.source.packer.pack, value=values) for values in frames]
    offsets = (0, 1, -1, OFFSET.minimum, OFFSET.maximum, bench.random.randrange(-(1 << bits), 1 << bits))
    for gain in range(GAIN.maximum + 1):
        for offset in offsets:
            bench.set(pga_gain=gain, pga_offset=offset)
            results = [pga.pga(values, sample_bits=bits, gain=_in_digits(gain), offset=offset) for values in frames]
            expected = [packed(stage.sink.packer.pack, value=pixels) for pixels, _ in results]
            saturated.count = 0
            await stage.transfer(inputs, expected, what=f"gain {gain}, offset {offset}")
            count = sum(int(clipped.sum()) for _, clipped in results)
            bench.check(
                saturated.count == count, f"gain {gain}, offset {offset}: saturated {saturated.count}, not {count}"
            )


@simulated(cycles=40_000)
async def every_pace(bench: Bench) -> None:
    """Random valid and ready and a full stall lose, repeat and miscount nothing."""
    stage, saturated = Stage(bench, SHAPE[1]), bench.pulses("saturated")
    bits, frames = _bits(bench), _differences(bench)
    bench.set(pga_gain=2, pga_offset=-100)
    results = [pga.pga(values, sample_bits=bits, gain=_in_digits(2), offset=-100) for values in frames]
    await stage.all_paces(
        [packed(stage.source.packer.pack, value=values) for values in frames],
        [packed(stage.sink.packer.pack, value=pixels) for pixels, _ in results],
    )
    count = 5 * sum(int(clipped.sum()) for _, clipped in results)
    bench.check(saturated.count == count, f"saturated {saturated.count}, not {count}")


@simulated(cycles=2_000)
async def latency_and_rate(bench: Bench) -> None:
    """One pixel a clock, each after `latency` clocks."""
    stage, values = Stage(bench, SHAPE[1]), _differences(bench)[0]
    pixels, _ = pga.pga(values, sample_bits=_bits(bench), gain=0, offset=0)
    await stage.transfer(
        [packed(stage.source.packer.pack, value=values)], [packed(stage.sink.packer.pack, value=pixels)]
    )
    stage.check_latency(bench.component.latency)
    stage.check_rate(1)
