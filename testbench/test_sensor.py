"""The stage of a sensor that convolves by itself, against its golden model."""

from functools import partial
from typing import Any

from hdl.params import Params
from hdl.sensor import Sensor
from sim.golden import sensor
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.stages import Stage, packed
from testbench.stimulus import images


def _build(label: str, **sizes: Any) -> Build:
    return Build(label, partial(Sensor, Params(**sizes)))


BUILDS = (
    _build("6x8 guard 1", rows=6, columns=8),
    _build("9x10 guard 3 14 bit", rows=9, columns=10, guard_ring=3, sample_bits=14),
    _build("1x5 guard 0 8 bit", rows=1, columns=5, guard_ring=0, sample_bits=8),
)


@simulated(cycles=60_000)
async def every_pace(bench: Bench) -> None:
    """Random valid and ready and a full stall; then latency and rate."""
    stage = Stage(bench, params().columns)
    frames = list(images(params().rows, params().columns, params().sample_bits, bench.random))
    results = [sensor.sensor(frame, detector=params()) for frame in frames]
    inputs = [packed(stage.source.packer.pack, value=frame) for frame in frames]
    expected = [packed(stage.sink.packer.pack, value=responses, guard=guard) for responses, guard in results]
    await stage.all_paces(inputs, expected)
    await stage.transfer(inputs, expected)
    stage.check_latency(bench.component.latency)
    stage.check_rate(1)
