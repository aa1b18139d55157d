"""Sender: one packet after the other, byte by byte, between its header and its CRCs.

packet buffer --+
                +-> [Send] -> SYNC, header, CRC-8, payload, CRC-32 -> bytes -> link
replies --------+ (between two packets)
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import COMMAND_HEADER, HEADER, REPLY, SYNC, VERSION, WORD_BITS, PacketType
from hdl.buffer import packed, read_signature
from hdl.crc import crc8_algorithm, crc32_algorithm
from hdl.layouts import reply_layout
from hdl.params import Params

_CRC32_BYTES = 4


class Send(wiring.Component):
    """Sends what the buffer holds, a byte a clock as long as the link takes them; 5 clocks between two packets.

    Members
    -------
    read : `read_signature`
    generation : header field of replies
    reply : stream of `reply_layout`; goes out before the next packet of the buffer
    o : stream of bytes
    unsent : the buffer holds a packet, or words of the one under way; where low, a reply given now follows them all
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "read": Out(read_signature(params)),
            "generation": In(HEADER["generation"].bits),
            "reply": In(stream.Signature(reply_layout())),
            "o": Out(stream.Signature(8)),
            "unsent": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        word, tail = self.read.data, self.read.tail
        header, left = Signal(HEADER.bits), Signal(16)
        # Rotated while it is sent, so that the length is in its place again behind it.
        length = header[HEADER.offset("length") :]
        shown, place, from_buffer = Signal(max(WORD_BITS, REPLY.bits)), Signal(2), Signal()
        # One byte is left; kept beside the count, which is too wide to be looked at in the same clock.
        is_last = Signal()
        sent, skips, was_unsent = Signal(), Signal(), Signal(2)
        m.submodules.crc8 = crc8 = crc8_algorithm(8).create()
        m.submodules.crc32 = crc32 = crc32_algorithm(8).create()
        m.d.comb += [
            sent.eq(self.o.valid & self.o.ready),
            crc8.data.eq(self.o.payload),
            crc32.data.eq(self.o.payload),
            self.unsent.eq(tail != self.read.base),
        ]
        m.d.sync += was_unsent.eq(Cat(self.unsent, was_unsent))

        def next_word():
            return [shown.eq(word), tail.eq(tail + 1)]

        with m.If(sent):
            m.d.sync += [left.eq(left - 1), is_last.eq(left == 1)]
        final = sent & is_last
        with m.FSM():
            with m.State("REST"):
                m.d.comb += [crc8.start.eq(1), crc32.start.eq(1)]
                m.d.sync += [left.eq(len(SYNC) - 1), is_last.eq(0), from_buffer.eq(~self.reply.valid)]
                with m.If(self.reply.valid):
                    m.d.comb += self.reply.ready.eq(1)
                    self._show_reply(m, header, shown)
                    m.next = "SYNC"
                # The word at `tail` is here 2 clocks after it is in the buffer.
                with m.Elif(self.unsent & was_unsent.all()):
                    m.d.sync += [header[:WORD_BITS].eq(word), tail.eq(tail + 1)]
                    m.next = "ADDRESS"
            with m.State("ADDRESS"):
                m.next = "READ"
            with m.State("READ"):
                m.next = "LENGTH"
            with m.State("LENGTH"):
                m.d.sync += [
                    header[WORD_BITS:].eq(word),
                    skips.eq(word[HEADER.bits - WORD_BITS]),
                    tail.eq(tail + 1),
                ]
                m.next = "SKIP"
            with m.State("SKIP"):
                with m.If(skips):
                    m.d.sync += tail.eq(tail + self._params.payload_words)
                m.next = "SYNC"
            with m.State("SYNC"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(Mux(is_last, SYNC[1], SYNC[0]))]
                with m.If(final):
                    m.d.sync += [left.eq(HEADER.size - 1), is_last.eq(0)]
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.eq(header[:8]),
                    crc8.valid.eq(sent),
                    crc32.valid.eq(sent),
                ]
                with m.If(sent):
                    m.d.sync += header.eq(header.rotate_right(8))
                with m.If(final):
                    m.next = "CRC-8"
            with m.State("CRC-8"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(crc8.crc), crc32.valid.eq(sent)]
                with m.If(sent):
                    m.d.sync += [left.eq(length - 1), is_last.eq(length == 1), place.eq(0)]
                    with m.If(from_buffer):
                        m.d.sync += next_word()
                    m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(shown[:8]), crc32.valid.eq(sent)]
                with m.If(sent):
                    m.d.sync += [shown.eq(shown >> 8), place.eq(place + 1)]
                    with m.If(from_buffer & (place == 3) & ~final):
                        m.d.sync += next_word()
                with m.If(final):
                    m.d.sync += [left.eq(_CRC32_BYTES - 1), is_last.eq(0)]
                    m.next = "CRC-32"
            with m.State("CRC-32"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.eq(crc32.crc.word_select(~left[:2], 8)),
                ]
                with m.If(final):
                    m.next = "REST"
        return m

    def _show_reply(self, m: Module, header: Signal, shown: Signal) -> None:
        reply = self.reply.payload
        values = {"sequence": reply.sequence, "address": reply.address, "length": REPLY.size}
        values |= {"type": PacketType.REPLY, "last": 1, "version": VERSION, "generation": self.generation}
        m.d.sync += [
            header.eq(packed(COMMAND_HEADER, values)),
            shown.eq(packed(REPLY, {field.name: reply[field.name] for field in REPLY})),
        ]
