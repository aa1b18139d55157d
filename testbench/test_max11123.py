"""The ULX3S's converter: its model is content at every clock frequency, and every sample is the addressed pixel's."""

from functools import partial
from itertools import cycle
from typing import Any

from hdl.max11123 import MAX11123, MAX11125
from hdl.params import Params
from testbench.bench import Bench, params, simulated
from testbench.chips import max11125
from testbench.converters import SHAPE, Array, frames_of
from testbench.runner import Build
from testbench.stages import Stage

MOST_CLOCKS = 520
"""Of a pixel, at the fastest clock."""
SETUP_FRAMES = 5
THOUSANDS = {12: 176, 24: 352, 48: 352, 100: 367}
"""Samples a second at least, by megahertz: those that the stage's docstring names."""

USUAL = (24, 100)
"""Megahertz of the builds that run where none is asked for."""


def _build(megahertz: float, bits: int = 12, chip: type[MAX11125] = MAX11125) -> Build:
    frequency = round(megahertz * 1e6)
    params = Params(rows=SHAPE[0], columns=SHAPE[1], guard_ring=0, sample_bits=bits, clock_frequency=frequency)
    label = f"{chip.__name__} {megahertz:g} MHz {bits} bits"
    return Build(label, partial(chip, params), wanted=megahertz in USUAL)


BUILDS = (*map(_build, (12, 24, 48, 100, 150)), _build(66.667, 10), _build(25, 8, MAX11123))


class OnBoard:
    """The converter with the reset sample at AIN0 and the signal sample at AIN1."""

    def __init__(self, bench: Bench, bits: int):
        self._chances = bench.random
        self.chip = max11125.MAX11125(bench.random, bits)

    def voltages(self, reset: int, signal: int, time: float) -> None:
        self.chip.analogue(0, reset, time)
        self.chip.analogue(1, signal, time)

    def pins(self, dut: Any, time: float) -> None:
        self.chip.pins(int(dut.pins__cs_n.value), int(dut.pins__sclk.value), int(dut.pins__din.value), time)

    def answer(self, dut: Any, since: float, until: float) -> None:
        level = self.chip.level(since, until)
        dut.pins__dout.value = self._chances.getrandbits(1) if level is None else level


def _bench(bench: Bench) -> tuple[Stage, OnBoard, Any, Any]:
    build = params()
    stage = Stage(bench, SHAPE[1], MOST_CLOCKS * 5)
    requests, expected, codes = frames_of(bench, stage, build.sample_bits, bench.component.bits)
    board = OnBoard(bench, bench.component.bits)
    bench.add(Array(bench, board, build.clock_frequency, cycle(codes)))
    return stage, board, requests, expected


@simulated(cycles=1_200_000)
async def every_pace(bench: Bench) -> None:
    """Random valid and ready and a full stall break no limit and lose and mix up no sample; then latency and rate."""
    stage, board, requests, expected = _bench(bench)
    await bench.clock(SETUP_FRAMES * MOST_CLOCKS)
    bench.check(board.chip.conversions == 0, "converted without a request")
    bench.check(not stage.sink.offered, "a frame of the set-up was shown")
    await stage.all_paces(requests, expected)
    await stage.transfer(requests, expected)
    stage.check_rate(bench.component.interval)
    rate = params().clock_frequency / bench.component.interval
    least = THOUSANDS.get(params().clock_frequency // 10**6, 0) * 1000
    bench.check(least <= rate <= 5e5, f"{rate:.0f} pixels a second")
    await stage.transfer([requests[0][:1]], [expected[0][:1]])
    stage.check_latency(bench.component.latency)


@simulated(cycles=200_000, seed=1)
async def converter_forgets(bench: Bench) -> None:
    """A converter that loses its settings, at any time, is set up again, and no pixel is lost or wrong for it."""
    stage, board, requests, expected = _bench(bench)
    count = sum(map(len, requests))
    stage.source.send([request for frame in requests for request in frame])
    while len(stage.sink.items) < count:
        for _ in range(bench.random.randrange(8 * bench.component.interval)):
            await bench.clock()
            if len(stage.sink.items) == count:
                break
        # Within a frame on the wire it would send half of a word.
        while bench.dut.pins__cs_n.value == 0:
            await bench.clock()
        board.chip.forget()
    bench.compare(expected, stage.sink.items, stage.sink.packer, SHAPE[1])


@simulated(cycles=60_000, seed=2)
async def no_converter(bench: Bench) -> None:
    """Where nothing answers no request is accepted: noise never becomes a sample."""
    stage = Stage(bench, SHAPE[1])
    stage.source.send([{"row_last": 0, "last": 0}])
    for level in (0, 1):
        bench.dut.pins__dout.value = level
        await bench.clock(20 * bench.component.interval)
        bench.check(not stage.source.accepted and not stage.sink.offered, f"accepted though DOUT is always {level}")
