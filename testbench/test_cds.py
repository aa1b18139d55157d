"""CDS against its golden model."""

from functools import partial

from edgeray.protocol.registers import Polarity
from hdl.cds import CDS
from hdl.params import Params
from sim.golden import cds
from testbench.bench import Bench, simulated
from testbench.runner import Build
from testbench.stages import Stage, packed
from testbench.stimulus import Image, images

SHAPE = 6, 8
BITS = 12
BUILDS = (Build("", partial(CDS, Params(rows=6, columns=8, sample_bits=BITS))),)


def _pairs(bench: Bench) -> list[tuple[Image, Image]]:
    """(reset, signal) samples: every image against every other kind of image."""
    resets = list(images(*SHAPE, BITS, bench.random))
    signals = list(images(*SHAPE, BITS, bench.random))
    return [(reset, signals[(number + shift) % len(signals)]) for shift in (0, 1, 2)
            for number, reset in enumerate(resets)]  # fmt: skip


@simulated(cycles=150_000)
async def every_setting_at_every_pace(bench: Bench) -> None:
    """Both polarities, on and off, with the railed samples counted."""
    stage, railed = Stage(bench, SHAPE[1]), bench.pulses("railed")
    frames = _pairs(bench)
    inputs = [packed(stage.source.packer.pack, reset=reset, signal=signal) for reset, signal in frames]
    for polarity in Polarity:
        for enabled in (True, False):
            bench.set(cds_enabled=enabled, cds_polarity=polarity)
            results = [
                cds.cds(reset, signal, sample_bits=BITS, enabled=enabled, polarity=polarity) for reset, signal in frames
            ]
            expected = [packed(stage.sink.packer.pack, value=values) for values, _ in results]
            railed.count = 0
            await stage.all_paces(inputs, expected, what=f"{polarity.name}, enabled {enabled}")
            # all_paces sends everything five times.
            count = 5 * sum(int(rails.sum()) for _, rails in results)
            what = f"{polarity.name}, enabled {enabled}"
            bench.check(railed.count == count, f"{what}: railed {railed.count}, not {count}")


@simulated(cycles=2_000)
async def latency_and_rate(bench: Bench) -> None:
    """One pixel a clock, each after `latency` clocks."""
    stage = Stage(bench, SHAPE[1])
    bench.set(cds_enabled=1)
    reset, signal = _pairs(bench)[0]
    values, _ = cds.cds(reset, signal, sample_bits=BITS, enabled=True, polarity=Polarity.SIGNAL_MINUS_RESET)
    await stage.transfer(
        [packed(stage.source.packer.pack, reset=reset, signal=signal)],
        [packed(stage.sink.packer.pack, value=values)],
    )
    stage.check_latency(bench.component.latency)
    stage.check_rate(1)
