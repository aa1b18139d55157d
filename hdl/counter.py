"""A counter that does not wrap.

count, clear -> [SaturatingCounter] -> value
"""

from amaranth import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class SaturatingCounter(wiring.Component):
    """Counts clocks in which `count` is high and stays at 2**bits - 1: a full counter never looks like an empty one.

    Parameters
    ----------
    bits : width.

    Members
    -------
    count : one more, seen in `value` a clock later
    clear : 0 instead, whatever `count` says
    value : the count since reset or `clear`
    """

    def __init__(self, bits: int):
        super().__init__({"count": In(1), "clear": In(1), "value": Out(bits)})

    def elaborate(self, platform):
        m = Module()
        # The carry out of the counter says that it is full, which takes less than to look at all of its bits.
        following = Signal(len(self.value) + 1)
        m.d.comb += following.eq(self.value + 1)
        with m.If(self.clear):
            m.d.sync += self.value.eq(0)
        with m.Elif(self.count & ~following[-1]):
            m.d.sync += self.value.eq(following)
        return m
