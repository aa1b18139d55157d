"""Bit packer: codes of any length to words.

codes -> [Pack] -> words of a payload, then its length -> packet buffer
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import WORD_BITS
from hdl.layouts import code_layout, packed_layout


class Pack(wiring.Component):
    """Puts codes one behind the other, least significant bit first, zeros up to the end of the last word.

    One code a clock; behind a packet's last code none may come for `rest` clocks. Latency: a word is shown 3 clocks
    after the code that fills it, the payload's end 6 clocks after its last code. Nothing saturates.

    Parameters
    ----------
    width : bits of the longest code, up to those of a word.
    word_bits : bits of a word, a power of two of at least 8. A proof takes a small one.

    Members
    -------
    i : stream of `code_layout`
    o : stream of `packed_layout`; two words less than a word's codes apart have a clock between them
    """

    latency = 3
    rest = 5

    def __init__(self, width: int, word_bits: int = WORD_BITS):
        self._width, self._word_bits = width, word_bits
        super().__init__({
            "i": In(stream.Signature(code_layout(width), always_ready=True)),
            "o": Out(stream.Signature(packed_layout(word_bits), always_ready=True)),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        word_bits, word_bytes = self._word_bits, self._word_bits // 8
        code, out = self.i.payload, self.o.payload

        # Clock 1: where the code goes, from the sum of lengths alone. Clock 2: it is shifted there.
        fill, fill_next = Signal(range(word_bits)), Signal(range(2 * word_bits))
        bits, place, fills = Signal(self._width), Signal.like(fill), Signal()
        shifted, shifted_fills = Signal(self._width + word_bits - 1), Signal()
        ends, shifted_ends = Signal(), Signal()
        last = Signal()
        m.d.comb += fill_next.eq(fill + code.length)
        m.d.sync += [
            bits.eq(Mux(self.i.valid, code.bits, 0)),
            place.eq(fill),
            fills.eq(self.i.valid & (fill_next >= word_bits)),
            ends.eq(self.i.valid & code.end),
            shifted.eq(bits << place),
            shifted_fills.eq(fills),
            shifted_ends.eq(ends),
        ]
        with m.If(self.i.valid):
            m.d.sync += [fill.eq(fill_next), last.eq(code.last)]

        # Clock 3: into the word. Then, one clock apart, what is left and the end.
        word, joined = Signal(word_bits), Signal(word_bits)
        words = Signal(len(out.length))
        closing = Signal(3)
        m.d.comb += joined.eq(word | shifted[:word_bits])
        m.d.sync += [
            self.o.valid.eq(shifted_fills),
            out.end.eq(0),
            out.data.eq(joined),
            word.eq(Mux(shifted_fills, shifted[word_bits:], joined)),
            words.eq(words + shifted_fills),
            closing.eq(Cat(shifted_ends, closing)),
        ]
        with m.If(closing[1] & (fill != 0)):
            m.d.sync += [self.o.valid.eq(1), words.eq(words + 1)]
        with m.If(closing[2]):
            # The last word counts as many bytes as bits of it are filled.
            part = Mux(fill == 0, 0, ((fill + 7) >> 3) - word_bytes)
            m.d.sync += [
                self.o.valid.eq(1),
                out.end.eq(1),
                out.last.eq(last),
                out.length.eq(words * word_bytes + part),
                Cat(words, word, fill).eq(0),
            ]
        return m
