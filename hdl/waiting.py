"""Bytes that wait for a stage which is busy.

bytes -> [Waiting] -> bytes
"""

from amaranth import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.block_memory import BlockMemory


class Waiting(wiring.Component):
    """A queue of `depth` bytes in a block RAM, and one more at its output. A byte takes 2 clocks at least.

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
        apart, fetches = written ^ read, Signal()
        m.d.comb += [
            self.i.ready.eq(~apart[-1] | apart[:-1].any()),
            fetches.eq(apart.any() & (~self.o.valid | self.o.ready)),
            words.write_address.eq(written),
            words.write_data.eq(self.i.payload),
            words.write_enable.eq(self.i.valid & self.i.ready),
            words.read_address.eq(read),
            words.read_enable.eq(fetches),
            self.o.payload.eq(words.read_data),
        ]
        m.d.sync += [
            written.eq(written + (self.i.valid & self.i.ready)),
            read.eq(read + fetches),
            self.o.valid.eq(fetches | (self.o.valid & ~self.o.ready)),
        ]
        return m
