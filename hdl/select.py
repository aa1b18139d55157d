"""The address of a pixel through three pins, for boards that have no pin for each of its bits.

row, column -> [SerialSelect] -> clock, data, latch -> shift register with latches (74HC595, or the chip's own)
"""

from amaranth import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hdl.params import Params
from hdl.timing import clocks

_HALF_PERIOD = 40
"""Nanoseconds. A 74HC595 at 3.3 V takes a clock of more than 12.5 MHz."""


class SerialSelect(wiring.Component):
    """Shifts row and column out whenever they change: the row first, the highest bit first, then latches them.

    An address that changes on the way is begun anew, so what is latched last is always the address; one that stays for
    fewer than `latency` clocks may never be latched. The settling times of the registers `row_settle_time` and
    `column_settle_time` begin at the change and have to cover `latency`, unless the converter takes longer for a pixel.

    Every output is a register. `data` stands for half a period, 40 ns or more, before and after the rising edge of
    `clock`; `latch` rises half a period after the last one and falls after another half.

    Members
    -------
    row, column : the address, which goes from one pixel to the next or to 0, 0
    clock, data, latch : of the shift register
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "row": In(range(params.rows)),
            "column": In(range(params.columns)),
            "clock": Out(1),
            "data": Out(1),
            "latch": Out(1),
        })  # fmt: skip

    @property
    def half(self) -> int:
        """Clocks of half a period."""
        return clocks(_HALF_PERIOD, self._params.clock_frequency)

    @property
    def bits(self) -> int:
        return len(self.row) + len(self.column)

    @property
    def latency(self) -> int:
        """Clocks from the first one that shows an address to the first one with `latch` high."""
        return 2 + 2 * self.bits * self.half

    def elaborate(self, platform):
        m = Module()
        # A step is seen by the lowest bit, the return to 0 by that or by being 0. The row comes a clock later where it
        # returns from a number of rows that is no power of two, so the address is taken in the clock after the step.
        zero, odd_before, zero_before, stepped = Signal(), Signal(), Signal(), Signal(init=1)
        m.d.comb += zero.eq(self.column == 0)
        m.d.sync += [
            odd_before.eq(self.column[0]),
            zero_before.eq(zero),
            stepped.eq((self.column[0] != odd_before) | (zero != zero_before)),
        ]

        address, left = Signal(self.bits), Signal(range(self.bits + 1))
        ends = Signal()
        m.d.comb += self.data.eq(address[-1])
        if self.half == 1:
            m.d.comb += ends.eq(1)
        else:
            ticks = Signal(range(self.half))
            m.d.comb += ends.eq(ticks == self.half - 1)
            with m.If(ends | stepped):
                m.d.sync += ticks.eq(0)
            with m.Else():
                m.d.sync += ticks.eq(ticks + 1)
        with m.If(stepped):
            m.d.sync += [
                address.eq(Cat(self.column, self.row)),
                left.eq(self.bits),
                self.clock.eq(0),
                self.latch.eq(0),
            ]
        with m.Elif(ends):
            m.d.sync += self.latch.eq(0)
            with m.If(left != 0):
                m.d.sync += self.clock.eq(~self.clock)
                with m.If(self.clock):
                    m.d.sync += [address.eq(address << 1), left.eq(left - 1), self.latch.eq(left == 1)]
        return m
