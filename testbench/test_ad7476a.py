"""Two AD7476A: the chips' model is content at every clock frequency, and every sample is the addressed pixel's."""

from functools import partial
from itertools import cycle
from typing import Any

from hdl.ad7476a import AD7476A, BITS
from hdl.params import Params
from testbench.bench import Bench, params, simulated
from testbench.chips import ad7476a
from testbench.converters import SHAPE, Array, frames_of
from testbench.runner import Build
from testbench.stages import Stage

MOST_CLOCKS = 190
"""Of a pixel, at the fastest clock."""
THOUSANDS = {12: 363, 24: 705, 48: 705, 100: 952}
"""Samples a second at least, by megahertz: those that the stage's docstring names."""

USUAL = (24, 100)
"""Megahertz of the builds that run where none is asked for."""


def _build(megahertz: float, bits: int = BITS) -> Build:
    frequency = round(megahertz * 1e6)
    params = Params(rows=SHAPE[0], columns=SHAPE[1], guard_ring=0, sample_bits=bits, clock_frequency=frequency)
    label = f"{megahertz:g} MHz {bits} bits"
    return Build(label, partial(AD7476A, params), wanted=megahertz in USUAL)


BUILDS = (*map(_build, (12, 24, 48, 54, 80, 100, 150)), _build(33.333, 8))


class PmodAD1:
    """Both converters of the Pmod, on one chip select and clock."""

    def __init__(self, bench: Bench):
        self._chances = bench.random
        self.chips = [ad7476a.AD7476A(bench.random) for _ in range(2)]

    def voltages(self, reset: int, signal: int, time: float) -> None:
        for chip, code in zip(self.chips, (reset, signal), strict=True):
            chip.analogue(code, time)

    def pins(self, dut: Any, time: float) -> None:
        cs_n, sclk = int(dut.pins__cs_n.value), int(dut.pins__sclk.value)
        for chip in self.chips:
            chip.pins(cs_n, sclk, time)

    def answer(self, dut: Any, since: float, until: float) -> None:
        for chip, pin in zip(self.chips, (dut.pins__reset_data, dut.pins__signal_data), strict=True):
            level = chip.level(since, until)
            pin.value = self._chances.getrandbits(1) if level is None else level


@simulated(cycles=400_000)
async def every_pace(bench: Bench) -> None:
    """Random valid and ready and a full stall break no limit and lose and mix up no sample; then latency and rate."""
    build = params()
    stage = Stage(bench, SHAPE[1], MOST_CLOCKS * 5)
    requests, expected, codes = frames_of(bench, stage, build.sample_bits, BITS)
    pmod = PmodAD1(bench)
    bench.add(Array(bench, pmod, build.clock_frequency, cycle(codes)))
    await bench.clock(2 * MOST_CLOCKS)
    bench.check([chip.conversions for chip in pmod.chips] == [1, 1], "no dummy conversion, or more than one")
    bench.check(not stage.sink.offered, "the dummy conversion was shown")
    await stage.all_paces(requests, expected)
    await stage.transfer(requests, expected)
    stage.check_rate(bench.component.interval)
    rate = build.clock_frequency / bench.component.interval
    least = THOUSANDS.get(build.clock_frequency // 10**6, 0) * 1000
    bench.check(least <= rate <= 1e6, f"{rate:.0f} samples a second")
    await stage.transfer([requests[0][:1]], [expected[0][:1]])
    stage.check_latency(bench.component.latency)
