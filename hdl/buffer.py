"""Packet buffer: keeps payloads, each behind its packet's header, until they are sent.

words, then a payload's end -> [Buffer] -> header and payload, word by word -> sender

One ring of words. A packet is written behind the last one and belongs to the ring when its header is in:

    tail                       base
     | header, payload | ... |  | header | code ... | fixed width ... |
       complete: to be sent       under way
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import HEADER, VERSION, WORD_BITS, PacketType
from hdl.layouts import word_layout
from hdl.params import HEADER_WORDS, Params


def read_signature(params: Params) -> wiring.Signature:
    """How the sender reads the buffer.

    tail : the next word to be read; what lies before it is free.
    base : the first word that is not complete yet.
    data : the word at `tail`, 2 clocks later.
    """
    words = (params.buffer_bytes * 8 // WORD_BITS).bit_length()
    return wiring.Signature({"tail": Out(words), "base": In(words), "data": In(WORD_BITS)})


class Buffer(wiring.Component):
    """Takes what comes, every clock, whatever the link does.

    So a frame may only begin while there is `room` for it; the buffer then never overflows. Nothing saturates. Two
    banks, of even and odd words, take a word of the code and one at fixed width in the same clock; where both want the
    same bank the latter waits, for one clock, since words that follow each other go to either bank in turn.

    Members
    -------
    i : stream of `word_layout`; the words of one payload, then its end. Words at fixed width are at least 2 clocks
        apart, the end comes at least 3 clocks after the last of them, the next payload's first word 2 after the end.
    generation, sequence : header fields of the payload that ends
    audit : the next frame is an audit frame
    room : the buffer takes the next frame and its META whatever they hold; a clock behind what was sent and written,
        not behind `audit`
    read : `read_signature`
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(word_layout(), always_ready=True)),
            "generation": In(HEADER["generation"].bits),
            "sequence": In(HEADER["sequence"].bits),
            "audit": In(1),
            "room": Out(1),
            "read": In(read_signature(params)),
        })  # fmt: skip

    def elaborate(self, platform):
        params, word = self._params, self.i.payload
        m = Module()
        depth = params.buffer_bytes * 8 // WORD_BITS
        base, tail = self.read.base, self.read.tail
        used, plain_fits, audit_fits = Signal.like(base), Signal(), Signal()
        plain, audit = (params.frame_words(audit=audit) for audit in (False, params.audit))
        # Of both, since a frame may start in the clock in which it is known to be an audit frame.
        m.d.sync += [plain_fits.eq(used + plain <= depth), audit_fits.eq(used + audit <= depth)]
        m.d.comb += [used.eq(base - tail), self.room.eq(Mux(self.audit, audit_fits, plain_fits))]

        values = {name: word[name] for name in ("type", "length", "first_row", "last")}
        values |= {"version": VERSION, "generation": self.generation, "sequence": self.sequence}
        values["log2_rows"] = Mux(word.type == PacketType.META, 0, params.log2_rows)
        header = packed(HEADER, values)
        first, second = header[:WORD_BITS], Cat(header[WORD_BITS:], word.skip)

        # Where the next word of each part goes.
        begins = HEADER_WORDS, HEADER_WORDS + params.payload_words
        coded_at, fixed_at = (Signal(len(base), init=begin) for begin in begins)
        fixed, fixed_waits, fixed_written = Signal(WORD_BITS), Signal(), Signal()
        ends, ended = Signal(), Signal()
        has_coded = self.i.valid & word.has_coded
        m.d.comb += [
            ends.eq(self.i.valid & word.end),
            fixed_written.eq(fixed_waits & ~(has_coded & (coded_at[0] == fixed_at[0]))),
        ]
        m.d.sync += [
            coded_at.eq(coded_at + has_coded),
            fixed_at.eq(fixed_at + fixed_written),
            fixed_waits.eq((self.i.valid & word.has_fixed) | (fixed_waits & ~fixed_written)),
            ended.eq(ends),
        ]
        with m.If(self.i.valid & word.has_fixed):
            m.d.sync += fixed.eq(word.fixed)
        with m.If(ends):
            skipped = Mux(word.skip, params.payload_words, 0)
            m.d.sync += base.eq(base + HEADER_WORDS + skipped + ((word.length + 3) >> 2))
        with m.If(ended):
            m.d.sync += [coded_at.eq(base + begins[0]), fixed_at.eq(base + begins[1])]

        shown = []
        for bank in range(2):
            m.submodules[f"bank_{bank}"] = words = memory.Memory(shape=WORD_BITS, depth=depth // 2, init=[])
            write, read = words.write_port(), words.read_port()
            with m.If(ends):
                m.d.comb += [
                    write.en.eq(1),
                    # The header's two words go to one bank each.
                    write.addr.eq((base + 1 - bank) >> 1),
                    write.data.eq(Mux(base[0] == bank, first, second)),
                ]
            with m.Elif(has_coded & (coded_at[0] == bank)):
                m.d.comb += [write.en.eq(1), write.addr.eq(coded_at >> 1), write.data.eq(word.coded)]
            with m.Else():
                m.d.comb += [
                    write.en.eq(fixed_waits & (fixed_at[0] == bank)),
                    write.addr.eq(fixed_at >> 1),
                    write.data.eq(fixed),
                ]
            m.d.comb += read.addr.eq(tail >> 1)
            shown.append(read.data)
        odd = Signal()
        m.d.sync += odd.eq(tail[0])
        m.d.sync += self.read.data.eq(Mux(odd, shown[1], shown[0]))
        return m


def packed(layout, values):
    """The fields of `layout` in their order; 0 where `values` has none."""
    return Cat(Const(0, field.bits) | values.get(field.name, 0) for field in layout)
