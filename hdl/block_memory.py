"""A memory with a port to write and a port to read, as every FPGA has it in its block RAM, and no logic around that.

write -> [BlockMemory] -> read, one clock later
"""

from amaranth import Module, Signal
from amaranth.back.rtlil import Undef
from amaranth.hdl import Shape, ShapeLike
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out


class BlockMemory(wiring.Component):
    """`depth` words of `shape`, all 0 at first.

    What is read of a word in the clock in which it is written means nothing. Amaranth promises the word before, which
    block RAM does not: synthesis would add a register and a multiplexer for each bit to keep the promise, two and a
    half logic cells of an iCE40. Asynchronous port, register and attribute together say that nobody relies on it.

    Parameters
    ----------
    granularity : bits of a word that are written apart; None where a word is written as a whole.

    Members
    -------
    write_address, write_data, write_enable : writes a word, or its parts with a bit of write_enable each; an address
        beyond the last writes nothing
    read_address, read_enable : reads a word
    read_data : the word read last; means nothing before the first
    """

    def __init__(self, shape: ShapeLike, depth: int, granularity: int | None = None):
        self._shape, self._depth, self._granularity = shape, depth, granularity
        super().__init__({
            "write_address": In(range(depth)),
            "write_data": In(shape),
            "write_enable": In(1 if granularity is None else Shape.cast(shape).width // granularity),
            "read_address": In(range(depth)),
            "read_enable": In(1),
            "read_data": Out(shape),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = memory.Memory(
            shape=self._shape, depth=self._depth, init=[], attrs={"no_rw_check": 1}
        )
        write, read = words.write_port(granularity=self._granularity), words.read_port(domain="comb")
        size = Shape.cast(self._shape).width
        # The register that block RAM has at its output cannot be reset and has no initial value.
        word = Signal(size, reset_less=True, attrs={"init": Undef(size)})
        m.d.comb += [
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
            write.en.eq(self.write_enable),
            read.addr.eq(self.read_address),
            self.read_data.eq(word),
        ]
        with m.If(self.read_enable):
            m.d.sync += word.eq(read.data)
        return m
