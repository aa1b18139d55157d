"""Sample input: every sample is taken in the one clock in which the port shows it, and none is lost."""

from collections import deque
from collections.abc import Iterable
from functools import partial
from itertools import cycle

from hdl.adc import ParallelADC
from hdl.params import Params
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.stages import Frames, Stage, packed, positions
from testbench.stimulus import images
from testbench.streams import StreamSource

SHAPE = 5, 7
BITS = 12


def _build(latency: int) -> Build:
    params = Params(rows=SHAPE[0], columns=SHAPE[1], sample_bits=BITS, adc_latency=latency)
    return Build(f"latency {latency}", partial(ParallelADC, params))


BUILDS = tuple(map(_build, (0, 1, 3)))


class Port:
    """The ADC: shows the samples of each conversion `latency` clocks after it, for one clock; random codes otherwise.

    Parameters
    ----------
    samples : (reset, signal) of the conversions in their order.
    """

    def __init__(self, bench: Bench, source: StreamSource, latency: int, samples: Iterable[tuple[int, int]]):
        self._bench, self._source, self._samples = bench, source, iter(samples)
        self._due: deque[tuple[int, int] | None] = deque([None] * latency)
        self._converts = False

    def drive(self) -> None:
        """The source, which is driven before, and `ready`, which comes from a register, say what is converted now."""
        dut, chances = self._bench.dut, self._bench.random
        self._converts = self._source.is_offering and dut.i__ready.value == 1
        self._due.append(next(self._samples) if self._converts else None)
        shown = self._due.popleft() or (chances.getrandbits(BITS), chances.getrandbits(BITS))
        dut.pins__reset_sample.value, dut.pins__signal_sample.value = shown

    def sample(self, clock: int) -> None:
        self._bench.check(self._bench.dut.pins__convert.value == self._converts, f"clock {clock}: convert is wrong")


def _stage(bench: Bench) -> tuple[Stage, Frames, Frames]:
    """The stage with its port, requests of some frames, and the samples that they ask for."""
    stage = Stage(bench, SHAPE[1])
    kinds = list(images(*SHAPE, BITS, bench.random))
    frames = list(zip(kinds, kinds[::-1], strict=True))
    samples = [pair for frame in frames for pair in zip(*(image.ravel().tolist() for image in frame), strict=True)]
    # A transfer converts all frames; the next one begins with the first again.
    bench.add(Port(bench, stage.source, params().adc_latency, cycle(samples)))
    requests = [stage.source.packer.pack(flags) for flags in positions(SHAPE)]
    expected = [packed(stage.sink.packer.pack, reset=reset, signal=signal) for reset, signal in frames]
    return stage, [requests] * len(frames), expected


@simulated(cycles=40_000)
async def every_pace(bench: Bench) -> None:
    """Random valid and ready and a full stall lose, repeat and mix up no sample; then latency and rate."""
    stage, requests, expected = _stage(bench)
    await stage.all_paces(requests, expected)
    await stage.transfer(requests, expected)
    stage.check_latency(bench.component.latency)
    stage.check_rate(1)
