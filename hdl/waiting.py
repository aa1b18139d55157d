"""Bytes that wait for a stage which is busy.

bytes -> [Waiting] -> bytes
"""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block_memory import BlockMemory


class Waiting(wiring.Component):
    """A queue of `depth` bytes in a block RAM, and one more at its output. A byte takes 3 clocks at least.

    Parameters
    ----------
    depth : a power of two.

    Members
    -------
    i, o : streams of bytes
    """

    def __init__(self, depth: int):
        self._depth = depth
        super().__init__({"i": In(stream.Signature(8)), "o": Out(stream.Signature(8))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = BlockMemory(8, self._depth)
        # A bit more than a place has, to tell a full queue from an empty one.
        written, read = Signal(range(2 * self._depth)), Signal(range(2 * self._depth))
        apart, fetched = written ^ read, Signal()
        m.d.comb += [
            self.i.ready.eq(~apart[-1] | apart[:-1].any()),
            words.write_address.eq(written),
            words.write_data.eq(self.i.payload),
            words.write_enable.eq(self.i.valid & self.i.ready),
            words.read_address.eq(read),
            words.read_enable.eq(1),
        ]
        m.d.sync += [
            written.eq(written + (self.i.valid & self.i.ready)),
            fetched.eq(apart.any() & ~self.o.valid & ~fetched),
        ]
        with m.If(fetched):
            m.d.sync += [self.o.payload.eq(words.read_data), self.o.valid.eq(1), read.eq(read + 1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
