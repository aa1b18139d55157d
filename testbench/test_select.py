"""Select: a shift register with latches, as a 74HC595 is one, shows the address."""

from typing import Any

from hdl.params import Params
from hdl.select import SerialSelect
from testbench.bench import Bench, simulated
from testbench.runner import Build

BUILDS = (
    Build("12 MHz", lambda: SerialSelect(Params(clock_frequency=12_000_000))),
    Build("80 MHz, odd", lambda: SerialSelect(Params(clock_frequency=80_000_000, rows=5, columns=7))),
)


class ShiftRegister:
    """Shifts at the rising edge of `clock`, shows at the rising edge of `latch`; refuses edges too near to another."""

    def __init__(self, bench: Bench, half: int, bits: int):
        self._bench, self._half, self._mask = bench, half, (1 << bits) - 1
        self._before = {name: 0 for name in ("clock", "data", "latch")}
        self._changed = dict.fromkeys(self._before, -1000)
        self._inside = 0
        self.shown: int | None = None
        self.latched_at = 0

    def drive(self) -> None:
        """Nothing to drive."""

    def sample(self, clock: int) -> None:
        now = {name: int(getattr(self._bench.dut, name).value) for name in self._before}
        rising = {name for name in now if now[name] and not self._before[name]}
        changed = {name for name in now if now[name] != self._before[name]}
        if "clock" in rising:
            self._bench.check(clock - self._changed["data"] >= self._half, "data has no set-up time")
            self._inside = (self._inside << 1 | now["data"]) & self._mask
        if "data" in changed:
            self._bench.check(not self._before["clock"] or "clock" in changed, "data changes while clock is high")
        if "latch" in rising:
            self._bench.check(not now["clock"], "latch rises while clock is high")
            self.shown, self.latched_at = self._inside, clock
        for name in changed:
            self._changed[name] = clock
        self._before = now


def _register(bench: Bench) -> ShiftRegister:
    component: Any = bench.component
    register: ShiftRegister = bench.add(ShiftRegister(bench, component.half, component.bits))
    return register


def _show(bench: Bench, row: int, column: int) -> int:
    """Drive the address; the number that the shift register is to show."""
    bench.set(row=row, column=column)
    return row << len(bench.component.column) | column


@simulated(cycles=120_000)
async def every_address(bench: Bench) -> None:
    """Pixel after pixel in the order of a frame, and again: each shown after just `latency` clocks."""
    component: Any = bench.component
    register, params = _register(bench), component._params
    addresses = [(row, column) for row in range(params.rows) for column in range(params.columns)]
    await bench.clock(component.latency + 1)
    for row, column in [*addresses[1:], *addresses[:2]]:
        expected, start = _show(bench, row, column), bench.clocks
        await bench.clock(component.latency)
        bench.check(register.shown != expected, f"row {row}, column {column}: shown too early")
        await bench.clock(1 + bench.random.randrange(3))
        bench.check(register.shown == expected, f"row {row}, column {column}: shown is {register.shown}")
        bench.check(register.latched_at - start == component.latency, f"latency is {register.latched_at - start}")
        bench.figures.pixels += 1


@simulated(cycles=20_000)
async def last_address_counts(bench: Bench) -> None:
    """Addresses that change faster than they leave: in the end the last one is shown, and none that never was."""
    component: Any = bench.component
    register, params = _register(bench), component._params
    row = column = 0
    been = {0}
    for _ in range(200):
        for _ in range(bench.random.randrange(1, 12)):
            column = (column + 1) % params.columns
            row = row if column else (row + 1) % params.rows
            been.add(_show(bench, row, column))
            await bench.clock(bench.random.choice((1, 1, 2, 5)))
            bench.check(register.shown is None or register.shown in been, f"{register.shown} was no address")
        expected = row << len(component.column) | column
        await bench.clock(component.latency + 1)
        bench.check(register.shown == expected, f"row {row}, column {column}: shown is {register.shown}")


@simulated(cycles=2_000)
async def start(bench: Bench) -> None:
    """The first address is shown though nothing changed; a row that returns to 0 a clock after the column counts."""
    component: Any = bench.component
    register, params = _register(bench), component._params
    await bench.clock(component.latency + 2)
    bench.check(register.shown == 0, f"after reset: shown is {register.shown}")
    _show(bench, params.rows - 1, params.columns - 1)
    await bench.clock(component.latency + 2)
    bench.set(column=0)
    await bench.clock()
    bench.set(row=0)
    await bench.clock(component.latency + 2)
    bench.check(register.shown == 0, f"after the last pixel: shown is {register.shown}")
