"""A place in between, where the way of `ready` through the stages would be too long for one clock.

stream -> [Relay] -> stream
"""

from amaranth import Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out


class Relay(wiring.Component):
    """Passes payloads on; both `o` and `i.ready` come out of registers.

    Latency 1, one payload a clock. Nothing saturates.

    Parameters
    ----------
    shape : of the payload

    Members
    -------
    i, o : streams of it
    """

    def __init__(self, shape: ShapeLike):
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        # What came in the clock in which the output stopped.
        kept, keeps = Signal(self._shape), Signal()
        m.d.comb += self.i.ready.eq(~keeps)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [
                self.o.valid.eq(keeps | self.i.valid),
                self.o.payload.eq(Mux(keeps, kept, self.i.payload)),
                keeps.eq(0),
            ]
        with m.Elif(self.i.valid & self.i.ready):
            m.d.sync += [kept.eq(self.i.payload), keeps.eq(1)]
        return m
