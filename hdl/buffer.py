"""Packet buffer: keeps payloads and their headers until they are sent.

words, then a payload's end -> [Buffer] -> header and payload, byte by byte -> sender

Three rings: words in code, words at fixed width, headers. Of a payload that is under way both kinds are written behind
the last one kept; at its end one kind is kept, the other is written over by the next payload:

    tail                     base       at
     | payload | payload ... | under way |        and a header for each payload, that says which ring it is in
"""

from amaranth import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import HEADER, VERSION, WORD_BITS, PacketType
from hdl.block_memory import BlockMemory
from hdl.layouts import byte_layout, word_layout
from hdl.params import Params

_WORD_BYTES = WORD_BITS // 8


class Buffer(wiring.Component):
    """Takes what comes, every clock, whatever the link does.

    So a frame may only begin while there is `room` for it; the buffer then never overflows. Nothing saturates.

    Members
    -------
    i : stream of `word_layout`; the words of one payload, then its end, then those of the next, with pauses or without
    generation, sequence : header fields of the payload that ends
    audit : the next frame is an audit frame
    room : the buffer takes the next frame and its META whatever they hold; a clock behind what was sent and written,
        not behind `audit`
    o : stream of `byte_layout`; a byte a clock within a packet
    unsent : the buffer holds a packet, or a part of one
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(word_layout(), always_ready=True)),
            "generation": In(HEADER["generation"].bits),
            "sequence": In(HEADER["sequence"].bits),
            "audit": In(1),
            "room": Out(1),
            "o": Out(stream.Signature(byte_layout())),
            "unsent": Out(1),
        })  # fmt: skip
        # Here, so that a proof can look at them.
        self.coded, self.fixed = Ring(params.ring_words), Ring(params.ring_words)
        self.packets, self.is_there = Signal(range(params.buffer_packets + 1)), Signal()

    def elaborate(self, platform):
        params, word = self._params, self.i.payload
        m = Module()
        ends = Signal()
        m.d.comb += ends.eq(self.i.valid & word.end)
        m.submodules.coded = coded = self.coded
        m.submodules.fixed = fixed = self.fixed
        m.d.comb += [
            coded.word.eq(word.coded),
            coded.writes.eq(self.i.valid & word.has_coded),
            coded.keeps.eq(ends & ~word.skip),
            coded.drops.eq(ends & word.skip),
            fixed.word.eq(word.fixed),
            fixed.writes.eq(self.i.valid & word.has_fixed),
            fixed.keeps.eq(ends & word.skip),
            fixed.drops.eq(ends & ~word.skip),
        ]

        most = _WORD_BYTES * max(params.payload_words, params.meta_words)
        rows = range(params.log2_rows, params.log2_rows + (params.packets - 1).bit_length())
        header_layout = data.StructLayout({
            "generation": HEADER["generation"].bits, "last": 1, "type": HEADER["type"].bits,
            "sequence": HEADER["sequence"].bits, "first_row": len(rows), "length": most.bit_length(), "skip": 1,
        })  # fmt: skip
        m.submodules.headers = headers = BlockMemory(header_layout, params.buffer_packets)
        # A bit more than a place has, to tell a full ring from an empty one.
        written, read = (
            Signal(range(2 * params.buffer_packets), name=f"headers_{name}") for name in ("written", "read")
        )
        put, header = headers.write_data, headers.read_data
        m.d.comb += [
            *(put[name].eq(word[name]) for name in ("last", "type", "length", "skip")),
            put.first_row.eq(Cat(word.first_row[row] for row in rows)),
            put.generation.eq(self.generation),
            put.sequence.eq(self.sequence),
            headers.write_address.eq(written),
            headers.write_enable.eq(ends),
            headers.read_address.eq(read),
            headers.read_enable.eq(1),
            self.unsent.eq(written != read),
        ]
        m.d.sync += written.eq(written + ends)
        m.d.comb += self.packets.eq(written - read)
        self._tell_room(m)

        # A packet's header comes out of its memory a clock after its place is known.
        is_there, in_payload, advance, goes = self.is_there, Signal(), Signal(), Signal()
        shown = Signal(byte_layout())
        # The header's byte that is shown; how many bytes of the payload there are with the next one; it has no more.
        header_place, following, over = Signal(3), Signal(most.bit_length(), init=1), Signal()
        header_over = ~in_payload & (header_place == HEADER.size - 1)
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            goes.eq(is_there & advance),
        ]
        # Out of a register: a memory is slow.
        with m.If(advance):
            m.d.sync += [self.o.valid.eq(is_there), self.o.payload.eq(shown)]
        m.d.sync += [is_there.eq(self.unsent & ~(goes & over)), read.eq(read + (goes & over))]
        with m.If(goes & ~in_payload):
            m.d.sync += header_place.eq(Mux(header_over, 0, header_place + 1))
        with m.If(goes & over):
            m.d.sync += [following.eq(1), in_payload.eq(0), over.eq(0)]
        with m.Elif(goes & (in_payload | header_over)):
            m.d.sync += [following.eq(following + 1), in_payload.eq(1), over.eq(following == header.length)]
        fetches = goes & (header_over | (in_payload & ~over & (following[:2] == 1)))
        for ring, chosen in ((coded, ~header.skip), (fixed, header.skip)):
            m.d.comb += ring.fetches.eq(fetches & chosen)

        m.d.comb += shown.last.eq(over)
        values = {name: header[name] for name in ("generation", "last", "type", "sequence", "length")}
        values |= {"version": VERSION, "first_row": header.first_row << rows.start}
        values["log2_rows"] = Mux(header.type == PacketType.META, 0, params.log2_rows)
        with m.If(in_payload):
            words = Mux(header.skip, fixed.fetched, coded.fetched)
            m.d.comb += shown.data.eq(words.rotate_left(16).word_select(following[:2], 8))
        with m.Else():
            m.d.comb += shown.data.eq(packed(HEADER, values).word_select(header_place, 8))
        return m

    def _tell_room(self, m: Module) -> None:
        """A frame's worst: every payload in code while it is under way, and then kept, in either ring."""
        params, fits = self._params, list[Signal]()
        for audit in (False, params.audit):
            fits.append(Signal(name="audit_fits" if fits else "plain_fits"))
            m.d.sync += fits[-1].eq(
                _is_at_most(self.coded.used, params.ring_words - params.coded_words(audit=audit))
                & _is_at_most(self.fixed.used, params.ring_words - params.fixed_words(audit=audit))
                & _is_at_most(self.packets, params.buffer_packets - 1 - params.frame_packets(audit=audit))
            )
        # Of both, since a frame may start in the clock in which it is known to be an audit frame.
        m.d.comb += self.room.eq(Mux(self.audit, fits[1], fits[0]))


class Ring(wiring.Component):
    """A ring of words of which the last ones may be dropped again.

    Members
    -------
    word, writes : puts a word behind the last one
    keeps, drops : one clock: what was written since the last such clock may be fetched; or is forgotten
    fetches, fetched : takes the next word, which is shown from the next clock to the next one taken
    used : words that are kept and not taken
    """

    def __init__(self, depth: int):
        self._depth = depth
        super().__init__({
            "word": In(WORD_BITS), "writes": In(1), "keeps": In(1), "drops": In(1),
            "fetches": In(1), "fetched": Out(WORD_BITS), "used": Out(range(depth + 1)),
        })  # fmt: skip
        # A bit more than a place has, to tell a full ring from an empty one. Here, so that a proof can look at them.
        self.at, self.base, self.tail = (Signal(range(2 * depth), name=name) for name in ("at", "base", "tail"))

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = BlockMemory(WORD_BITS, self._depth)
        at, base, tail = self.at, self.base, self.tail
        m.d.comb += [
            words.write_address.eq(at),
            words.write_data.eq(self.word),
            words.write_enable.eq(self.writes),
            words.read_address.eq(tail),
            words.read_enable.eq(self.fetches),
            self.fetched.eq(words.read_data),
            self.used.eq(base - tail),
        ]
        m.d.sync += tail.eq(tail + self.fetches)
        with m.If(self.drops):
            m.d.sync += at.eq(base)
        with m.Elif(self.writes):
            m.d.sync += at.eq(at + 1)
        with m.If(self.keeps):
            m.d.sync += base.eq(at)
        return m


def _is_at_most(value: Value, limit: int) -> Value:
    """Whether `value` <= `limit`, or up to a fifth of it less: of limit + 1 only the highest three bits count, so that
    no carry chain is needed."""
    low = max(0, (limit + 1).bit_length() - 3)
    upper, most = value[low : low + 3], (limit + 1) >> low
    return ~value[low + 3 :].any() & Const((1 << most) - 1, 8).bit_select(upper, 1)


def packed(layout, values):
    """The fields of `layout` in their order; 0 where `values` has none."""
    return Cat(Const(0, field.bits) | values.get(field.name, 0) for field in layout)
