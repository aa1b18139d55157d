"""Bias voltages: the converters' model is content with the timing, and shows the golden model's codes, all at once."""

from functools import partial
from typing import Any

import numpy as np

from edgeray.protocol.registers import BIAS_ENTRY
from hdl.bias import CHANNELS, ENTRIES, Bias
from hdl.params import Params
from sim.golden.bias import bias
from testbench.bench import Bench, params, simulated
from testbench.chips.ltc2668 import LTC2668
from testbench.runner import Build

Table = dict[str, list[int]]

WEIGHT_AFTER = 40
"""Clocks after which the stage asks for a weight to be there."""
NAMES = ("zero", "span_positive", "span_negative")

USUAL = (24, 66.667)
"""Megahertz of the builds that run where none is asked for."""


def _build(kernel_size: int, megahertz: float) -> Build:
    # A slow clock has fewer registers.
    multipliers = 1 if megahertz < 60 else kernel_size**2
    params = Params(
        rows=8, columns=8, kernel_size=kernel_size, multipliers=multipliers, clock_frequency=round(megahertz * 1e6)
    )
    label = f"{kernel_size}x{kernel_size} {megahertz:g} MHz"
    return Build(label, partial(Bias, params), wanted=megahertz in USUAL)


BUILDS = (_build(3, 12), _build(3, 24), _build(5, 48), _build(5, 66.667), _build(3, 100), _build(3, 150))


class Converters:
    """The chips at the stage's pins, and the register bank that shows it a weight as late as it may."""

    def __init__(self, bench: Bench):
        self._bench, self._period = bench, 1e9 / params().clock_frequency
        self.sub_pixels = params().kernel_size ** 2
        self.chips = [LTC2668() for _ in range(len(bench.dut.pins__cs_n))]
        self.weights = [0] * self.sub_pixels
        self._wanted = self._since = 0

    def drive(self) -> None:
        dut, clock = self._bench.dut, self._bench.clocks
        selects, sck, sdi = int(dut.pins__cs_n.value), int(dut.pins__sck.value), int(dut.pins__sdi.value)
        for number, chip in enumerate(self.chips):
            chip.pins(selects >> number & 1, sck, sdi, clock * self._period)
        wanted = int(dut.weight_index.value)
        if wanted != self._wanted:
            self._wanted, self._since = wanted, clock
        is_shown = wanted < self.sub_pixels and clock - self._since >= WEIGHT_AFTER
        self._bench.set(weight=self.weights[wanted] if is_shown else self._bench.random.getrandbits(8))

    def sample(self, clock: int) -> None:
        """Nothing to watch that the chips do not."""

    def codes(self) -> list[int]:
        """What the outputs of all sub-pixels show."""
        return [self.chips[n // CHANNELS].codes[n % CHANNELS] for n in range(self.sub_pixels)]

    def updates(self) -> int:
        """How often the outputs were updated; all chips at one time, or it is an error."""
        times = [[time for time, _ in chip.updates] for chip in self.chips]
        self._bench.check(all(one == times[0] for one in times), f"the converters were updated apart: {times}")
        return len(times[0])


def _random_table(bench: Bench, count: int) -> Table:
    """Noise, rails and values near them."""
    chances = bench.random

    def value(low: int, high: int) -> int:
        return chances.choice((low, high, low + 1, 0, 1, chances.randint(low, high), chances.randint(low, high)))

    return {
        "zero": [value(0, 0xFFFF) for _ in range(count)],
        "span_positive": [value(-0x8000, 0x7FFF) for _ in range(count)],
        "span_negative": [value(-0x8000, 0x7FFF) for _ in range(count)],
    }


def _random_weights(bench: Bench, count: int) -> list[int]:
    chances = bench.random
    return [chances.choice((-128, -64, -1, 0, 1, 64, 127, chances.randint(-128, 127))) for _ in range(count)]


async def _write(bench: Bench, index: int, value: int) -> None:
    """One entry, with noise in the bits that the layout leaves."""
    noise = bench.random.getrandbits(32 - BIAS_ENTRY.bits) << BIAS_ENTRY.bits
    bench.set(table_index=index, table_entry=noise | value & 0xFFFF, table_write=1)
    await bench.clock()
    bench.set(table_write=0, table_index=bench.random.getrandbits(24), table_entry=bench.random.getrandbits(32))


async def _calibrate(bench: Bench, table: Table) -> None:
    for number, name in enumerate(NAMES):
        for sub_pixel, value in enumerate(table[name]):
            await _write(bench, ENTRIES * sub_pixel + number, value)


async def _start(bench: Bench) -> None:
    bench.set(start=1)
    await bench.clock()
    bench.set(start=0)


async def _finish(bench: Bench, limit: int) -> int:
    """The clock in which `busy` is low; the chips then had one more to see their pins."""
    bench.check(bench.dut.busy.value == 1, "not busy after start")
    await bench.until(lambda: bench.dut.busy.value == 0, limit, "the end of busy")
    ended = bench.clocks
    await bench.clock()
    return ended


def _expected(weights: list[int], table: Table) -> list[int]:
    return [int(code) for code in bias(weights, **{name: np.array(values) for name, values in table.items()})]


@simulated(cycles=60_000, seed=1)
async def nothing_before_calibration(bench: Bench) -> None:
    """Without a start no pin moves; without a table every output is set to code 0, whatever it was and the weights.

    Comes first, because the table outlives a reset.
    """
    converters = bench.add(Converters(bench))
    for name in ("cs_n", "sck", "sdi"):
        before = int(getattr(bench.dut, f"pins__{name}").value)
        await bench.clock(300)
        bench.check(int(getattr(bench.dut, f"pins__{name}").value) == before, f"{name} moved without a start")
    bench.check(bench.dut.busy.value == 0, "busy without a start")
    for chip in converters.chips:
        chip.codes = [bench.random.getrandbits(16) for _ in range(CHANNELS)]
        chip.inputs = list(chip.codes)
    converters.weights = _random_weights(bench, converters.sub_pixels)
    # Writes of other tables with the same index register go elsewhere; so do those to entries that there are not.
    bench.set(table_index=0, table_entry=0xFFFF)
    await bench.clock(3)
    for index in (256, 1 << 12, 1 << 23):
        await _write(bench, index, 0xFFFF)
    await _start(bench)
    await _finish(bench, bench.component.duration)
    bench.check(converters.codes() == [0] * converters.sub_pixels, f"uncalibrated: {converters.codes()}")


@simulated(cycles=400_000)
async def codes(bench: Bench) -> None:
    """Random weights and tables, with every rail; each start updates once, in time."""
    converters = bench.add(Converters(bench))
    count = converters.sub_pixels
    for done in range(8):
        table = _random_table(bench, count)
        await _calibrate(bench, table)
        converters.weights = _random_weights(bench, count)
        await _start(bench)
        await _finish(bench, bench.component.duration)
        bench.check(converters.updates() == done + 1, f"{converters.updates()} updates after {done + 1} starts")
        right, shown = _expected(converters.weights, table), converters.codes()
        for sub_pixel in range(count):
            entry = [table[name][sub_pixel] for name in NAMES]
            bench.figures.pixels += 1
            bench.check(
                shown[sub_pixel] == right[sub_pixel],
                f"sub-pixel {sub_pixel}, weight {converters.weights[sub_pixel]}, table {entry}: "
                f"expected {right[sub_pixel]}, got {shown[sub_pixel]}",
            )


@simulated(cycles=200_000, seed=2)
async def settling(bench: Bench) -> None:
    """From the update on, `busy` stays for the settling time, and not much longer."""
    converters = bench.add(Converters(bench))
    period = 1e9 / params().clock_frequency
    for time in (0, 1, 2, 255, 256, 1000):
        bench.set(bias_settle_time=time)
        await _start(bench)
        ended = await _finish(bench, bench.component.duration + time)
        took = ended - converters.chips[0].updates[-1][0] / period
        bench.check(time <= took <= time + 6, f"busy for {took:.0f} clocks after the update, not {time}")


@simulated(cycles=400_000, seed=3)
async def started_again(bench: Bench) -> None:
    """A start or a table entry while busy is in force in the end, and no update ever shows a mixture."""
    converters = bench.add(Converters(bench))
    count = converters.sub_pixels
    table = _random_table(bench, count)
    await _calibrate(bench, table)
    bench.set(bias_settle_time=100)
    seen: Any = {tuple([0] * count)}
    for _ in range(6):
        for _ in range(2):
            converters.weights = _random_weights(bench, count)
            seen.add(tuple(_expected(converters.weights, table)))
            await _start(bench)
            await bench.clock(bench.random.randrange(1, bench.component.duration + 150))
        converters.weights = _random_weights(bench, count)
        seen.add(tuple(_expected(converters.weights, table)))
        await _start(bench)
        # Before the last word, so that the update cannot have been for the table as it was.
        await bench.clock(bench.random.randrange(1, bench.component.duration * count // (count + 1) - 50))
        name, sub_pixel = bench.random.randrange(len(NAMES)), bench.random.randrange(count)
        table[NAMES[name]][sub_pixel] = value = _random_table(bench, 1)[NAMES[name]][0]
        await _write(bench, ENTRIES * sub_pixel + name, value)
        seen.add(tuple(_expected(converters.weights, table)))
        await bench.until(lambda: bench.dut.busy.value == 0, 2 * bench.component.duration + 200, "the end of busy")
        await bench.clock()
        bench.check(converters.codes() == _expected(converters.weights, table), "not the last weights")
    for number, chip in enumerate(converters.chips):
        first = number * CHANNELS
        for _, shown in chip.updates:
            used = min(CHANNELS, count - first)
            parts = {one[first : first + used] for one in seen}
            bench.check(shown[:used] in parts, "an update of weights that were never in force together")
