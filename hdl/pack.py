"""Bit packers: what the pixels of a packet become, to words.

    codes                 -> [Pack] ------+
                                          +-> words of a payload, and its length -> packet buffer
    values at fixed width -> [PackFixed] -+

Both put bits one behind the other, least significant first; zeros fill the last byte. What the last word holds behind
it means nothing.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import WORD_BITS
from hdl.layouts import value_layout
from hdl.params import Params

_TO_BYTE = 7
"""Zeros behind the last bit; those of them that fit in its byte count, so that the length in bytes is rounded up."""


class Pack(wiring.Component):
    """Puts codes of any length together.

    One code a clock; behind a packet's last code none may come before the payload is cleared. Latency: a word is shown
    2 clocks after the code that fills it, a payload's last one at most 4 after its last code; a clock later it is over.

    Parameters
    ----------
    layout : `code_layout` of the codes. Zeros and length together are a word's bits at most.
    words : words that are shown of a payload; of a longer one the rest is not.
    length : most bytes of a payload.
    word_bits : bits of a word, bytes that are a power of two. A proof takes a small one.

    Members
    -------
    i : stream of `layout`
    o : stream of words
    over : all words of the payload have been shown; 5 clocks after its last code, for one clock
    length : bytes of the payload, whole from 2 clocks before `over` until it is cleared
    clear : the next code is a payload's first
    """

    latency = 2

    def __init__(self, layout: ShapeLike, words: int, length: int, word_bits: int = WORD_BITS):
        self._words, self._word_bits = words, word_bits
        super().__init__({
            "i": In(stream.Signature(layout, always_ready=True)),
            "o": Out(stream.Signature(word_bits, always_ready=True)),
            "over": Out(1),
            "length": Out(range(length + 1)),
            "clear": In(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        code, word_bits, word_bytes = self.i.payload, self._word_bits, self._word_bits // 8
        closing = Signal(5)
        m.d.sync += closing.eq(Cat(self.i.valid & code.end, closing))
        m.d.comb += self.over.eq(closing[-1])

        # Clock 1: where the code's bits begin; they are shifted to their place in a byte.
        fill, place, filled = Signal(range(word_bits)), Signal(range(2 * word_bits)), Signal(range(2 * word_bits))
        words = Signal(len(self.length) - (word_bytes - 1).bit_length())
        shifted, first_byte = Signal(len(code.bits) + 7), Signal(len(place) - 3)
        crosses, flushes = Signal(), Signal()
        m.d.comb += [
            place.eq(fill + Mux(closing[0], 0, code.zeros)),
            filled.eq(place + Mux(closing[0], _TO_BYTE, code.length)),
            self.length.eq(Cat(fill[3:], words)),
        ]
        m.d.sync += [
            shifted.eq(Mux(self.i.valid, code.bits << place[:3], 0)),
            first_byte.eq(place[3:]),
            crosses.eq(0),
            flushes.eq(closing[1] & fill[3:].any()),
        ]
        with m.If(self.i.valid | closing[0]):
            m.d.sync += [fill.eq(filled), crosses.eq(filled[-1])]
        m.d.sync += words.eq(words + crosses)

        # Clock 2: its bytes go round to theirs in the word; those that have passed its end belong to the next one.
        lanes = Cat(shifted, Const(0, word_bits - len(shifted)))
        for bit in range(len(first_byte) - 1):
            turned = 8 << bit
            lanes = Mux(first_byte[bit], Cat(lanes[-turned:], lanes[:-turned]), lanes)
        fills = crosses | flushes
        word = Signal(word_bits)
        m.d.sync += self.o.valid.eq(fills & (words < self._words))
        for lane in range(word_bytes):
            bits = slice(8 * lane, 8 * lane + 8)
            is_next = first_byte[-1] | (lane < first_byte[:-1])
            m.d.sync += [
                self.o.payload[bits].eq(word[bits] | Mux(is_next, 0, lanes[bits])),
                word[bits].eq(Mux(fills, 0, word[bits]) | lanes[bits]),
            ]
            with m.If(fills & ~is_next):
                m.d.sync += word[bits].eq(0)
        with m.If(self.clear):
            m.d.sync += [fill.eq(0), words.eq(0), word.eq(0)]
        return m


class PackFixed(wiring.Component):
    """Puts values of one width together.

    One value a clock; behind a packet's last value none may come before the payload is cleared. Latency: a word is
    shown 2 clocks after the value that fills it, a payload's last one at most 4 after its last value.

    Members
    -------
    i : stream of `value_layout`
    narrow : values have a bit less than their layout, where they hold 0; constant from a payload's first value on
    o : stream of words, 2 clocks apart or more
    length : bytes of the payload, whole from 2 clocks after its last value until it is cleared
    clear : the next value is a payload's first
    """

    latency = 2

    def __init__(self, params: Params):
        self._bits = params.response_bits
        super().__init__({
            "i": In(stream.Signature(value_layout(params.response_bits), always_ready=True)),
            "narrow": In(1),
            "o": Out(stream.Signature(WORD_BITS, always_ready=True)),
            "length": Out(range(4 * params.payload_words + 1)),
            "clear": In(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        value, closing = self.i.payload, Signal(3)
        m.d.sync += closing.eq(Cat(self.i.valid & value.end, closing))

        # Clock 1: the value is shifted to its place in a byte, but for half a byte.
        filled, filled_next = Signal(3 + len(self.length)), Signal(3 + len(self.length))
        shifted, half, lane = Signal(self._bits + 3), Signal(), Signal(2)
        shows, writes, writes_two = Signal(), Signal(), Signal()
        width = Mux(closing[0], _TO_BYTE, Mux(self.narrow, self._bits - 1, self._bits))
        m.d.comb += [filled_next.eq(filled + width), self.length.eq(filled[3:])]
        m.d.sync += [
            shifted.eq(Mux(self.i.valid, value.value << filled[:2], 0)),
            half.eq(filled[2]),
            lane.eq(filled[3:5]),
            writes.eq(self.i.valid | closing[0]),
            # One byte is complete or two are.
            writes_two.eq(self.i.valid & (filled[3] == filled_next[3])),
            shows.eq((self.i.valid | closing[0]) & (filled[5] != filled_next[5])),
        ]
        with m.If(self.i.valid | closing[0]):
            m.d.sync += filled.eq(filled_next)

        # Clock 2: two bytes, of which the first begins with what was left over, go where they belong. Byte 0 does so a
        # clock later, since the word before may be shown first.
        placed = Signal(len(shifted) + 4)
        left, early = Signal(7), Signal(8)
        m.d.comb += placed.eq(Mux(half, shifted << 4, shifted))
        bytes_of_word = [early, *(self.o.payload[place : place + 8] for place in (8, 16, 24))]
        for number, byte in enumerate(bytes_of_word):
            with m.If(writes & (lane == number)):
                m.d.sync += byte.eq(placed[:8] | left)
            with m.If(writes_two & (lane == (number - 1) % 4)):
                m.d.sync += byte.eq(placed[8:16])
        with m.If(writes):
            m.d.sync += left.eq(Mux(writes_two, placed[16:], placed[8:]))
        m.d.sync += [self.o.payload[:8].eq(early), self.o.valid.eq(shows | (closing[2] & (filled[3:5] != 0)))]
        with m.If(self.clear):
            m.d.sync += [filled.eq(0), left.eq(0)]
        return m
