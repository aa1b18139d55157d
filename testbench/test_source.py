"""Source: a frame's requests go to the one source that is chosen, and its samples come back in order."""

from functools import partial

from edgeray.protocol.registers import SampleSource
from hdl.params import Params
from hdl.pattern import Pattern
from hdl.source import Source
from hdl.upload import Upload
from sim.golden.pattern import pattern
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.selects import Selects
from testbench.stages import Stage, packed, positions
from testbench.stimulus import Image, images
from testbench.streams import randomly
from testbench.test_upload import fill

BUILDS = (
    Build("", partial(Source, Params(rows=6, columns=8, upload=True))),
    Build("no memory, shared multiplier", partial(Source, Params(rows=5, columns=9, sample_bits=10, multipliers=1))),
)
IMAGE_ID = 5
ROOM = 3
"""Samples that the ADC holds."""


class Converter:
    """An ADC: answers each request some clocks later; with no room left it takes none.

    Parameters
    ----------
    samples : of a frame's pixels, row by row, packed; the next frame shows them again.
    """

    def __init__(self, bench: Bench, samples: list[int]):
        self._answers = bench.source("from_adc", randomly(bench.random, 0.7))
        self._requests = bench.sink("to_adc", lambda: len(self._answers.items) < ROOM)
        self._samples, self.asked = samples, 0
        bench.add(self)

    def drive(self) -> None:
        """Nothing to drive: the two streams have agents of their own."""

    def sample(self, clock: int) -> None:
        """All requests so far were answered or wait in the queue."""
        for _ in self._requests.items:
            self._answers.items.append(self._samples[self.asked % len(self._samples)])
            self.asked += 1
        self._requests.items.clear()


class Ways:
    """The stage between the sequencer and an ADC, with every source at hand.

    Members
    -------
    frames : what a frame of each source of this build has to be, packed.
    requests : of a frame.
    """

    def __init__(self, bench: Bench):
        kinds = list(images(params().rows, params().columns, params().sample_bits, bench.random))
        self.samples: dict[SampleSource, tuple[Image, Image]] = {
            SampleSource.ADC: (kinds[0], kinds[7]),
            SampleSource.PATTERN: pattern(params(), IMAGE_ID),
        }
        if params().upload:
            self.samples[SampleSource.UPLOADED] = kinds[7], kinds[6]
        bench.add(Selects(bench, [IMAGE_ID]))
        self.stage = Stage(bench, params().columns)
        pack = self.stage.sink.packer.pack
        self.frames = {source: packed(pack, reset=pair[0], signal=pair[1]) for source, pair in self.samples.items()}
        self.requests = [self.stage.source.packer.pack(flags) for flags in positions((params().rows, params().columns))]
        self.converter = Converter(bench, self.frames[SampleSource.ADC])
        self._bench = bench

    async def upload(self) -> None:
        """Fill the memory, where there is one."""
        if SampleSource.UPLOADED in self.samples:
            await fill(self._bench, *self.samples[SampleSource.UPLOADED])


@simulated(cycles=100_000)
async def every_source_at_every_pace(bench: Bench) -> None:
    """Frames of each source, after each other one; only the chosen one is asked."""
    ways = Ways(bench)
    await ways.upload()
    for source in (*ways.frames, *reversed(ways.frames), *ways.frames):
        bench.set(sample_source=source)
        frame, before = ways.frames[source], ways.converter.asked
        await ways.stage.all_paces([ways.requests] * 2, [frame] * 2, what=source.name)
        # all_paces sends everything five times.
        right, asked = 10 * len(frame) if source is SampleSource.ADC else 0, ways.converter.asked - before
        bench.check(asked == right, f"{source.name}: the ADC was asked {asked} times, not {right}")


@simulated(cycles=10_000)
async def latency_and_rate(bench: Bench) -> None:
    """A pixel a clock from the generator, or every second, as from the memory; one clock later than these are alone."""
    ways = Ways(bench)
    await ways.upload()
    for source, latency in ((SampleSource.PATTERN, Pattern.latency), (SampleSource.UPLOADED, Upload.latency)):
        if source in ways.frames:
            bench.set(sample_source=source)
            await ways.stage.transfer([ways.requests] * 2, [ways.frames[source]] * 2)
            if params().is_pipelined:
                ways.stage.check_latency(latency + 1)
            ways.stage.check_rate(1 if params().is_pipelined and source == SampleSource.PATTERN else 2)
