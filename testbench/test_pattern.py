"""Self-test pattern against its golden model."""

from functools import partial

from hdl.params import Params
from hdl.pattern import Pattern
from sim.golden.pattern import pattern
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.selects import Selects
from testbench.stages import Stage, packed, positions

BUILDS = (
    Build("", partial(Pattern, Params(rows=18, columns=33))),
    Build("8 bit", partial(Pattern, Params(rows=1, columns=300, guard_ring=0, sample_bits=8))),
)
IMAGE_IDS = (*range(9), (1 << 32) - 1)
"""More than there are levels."""


@simulated(cycles=200_000)
async def every_level_at_every_pace(bench: Bench) -> None:
    """The offsets of every frame begin anew, the levels are those of its number; then latency and rate."""
    bench.add(Selects(bench, IMAGE_IDS))
    stage = Stage(bench, params().columns)
    requests = [[stage.source.packer.pack(flags) for flags in positions((params().rows, params().columns))]]
    samples = [pattern(params(), image_id) for image_id in IMAGE_IDS]
    expected = [packed(stage.sink.packer.pack, reset=reset, signal=signal) for reset, signal in samples]
    await stage.all_paces(requests * len(samples), expected)
    await stage.transfer(requests * len(samples), expected)
    stage.check_latency(bench.component.latency)
    stage.check_rate(1)
