"""Packets: keeps payloads in the packet buffer and sends each between its header and its CRCs.

    words --> buffer ----\\
    ends  --> queue -> header, CRC-8, payload, CRC-32 -> bytes -> link
    replies -------------/ (between two packets)

A payload's length stands before it on the wire and is known only after it, so a packet is sent when it is complete.
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import crc, data, fifo, memory, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import COMMAND_HEADER, CRC8, HEADER, REPLY, SYNC, VERSION, WORD_BITS, PacketType
from hdl.layouts import reply_layout, word_layout
from hdl.params import Params

crc8_algorithm = crc.Algorithm(
    crc_width=8,
    polynomial=CRC8.polynomial,
    initial_crc=CRC8.initial,
    reflect_input=False,
    reflect_output=False,
    xor_output=CRC8.final_xor,
)
crc32_algorithm = catalog.CRC32_ISO_HDLC
_CRC32_BYTES = 4


class Frame(wiring.Component):
    """Buffers payloads and sends packets, a byte a clock as long as the link takes them.

    `room` says whether a whole frame and its META fit at the worst (where the buffer is smaller than a frame: whether
    it is empty). A word that does not fit waits at the input, so what is behind stalls; nothing accepted is lost.

    Members
    -------
    i : stream of `word_layout`; the words of one payload, then its end
    generation, sequence : header fields of the payload that ends
    reply : stream of `reply_layout`; goes out before the next payload
    o : stream of bytes
    room : see above
    unsent : a packet waits to be begun; a reply given now goes out before it
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(word_layout(params))),
            "generation": In(HEADER["generation"].bits),
            "sequence": In(HEADER["sequence"].bits),
            "reply": In(stream.Signature(reply_layout())),
            "o": Out(stream.Signature(8)),
            "room": Out(1),
            "unsent": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        self._keep(m)
        self._send(m)
        return m

    def _keep(self, m: Module) -> None:
        """The buffer's writing side, and the queue of complete payloads."""
        params, word = self._params, self.i.payload
        depth = params.buffer_bytes * 8 // WORD_BITS
        m.submodules.buffer = buffer = memory.Memory(shape=WORD_BITS, depth=depth, init=[])
        write = buffer.write_port()
        self._read = buffer.read_port()

        kept = ("type", "length", "first_row", "last", "generation", "sequence")
        self._ended = data.StructLayout({name: HEADER[name].bits for name in kept})
        packets = 1 + -(-params.rows // params.rows_per_packet)
        m.submodules.queue = self._queue = queue = fifo.SyncFIFOBuffered(width=self._ended.size, depth=16)

        # Words from `tail` (the next to be sent) to `base` (the payload being written) are taken.
        base, tail, used = (Signal(depth.bit_length()) for _ in range(3))
        self._tail = tail
        ended = Signal(self._ended)
        accepted = Signal()
        m.d.comb += [
            used.eq(base - tail),
            self.i.ready.eq(Mux(word.end, queue.w_rdy, word.offset + used < depth)),
            accepted.eq(self.i.valid & self.i.ready),
            write.addr.eq(base + word.offset),
            write.data.eq(word.data),
            write.en.eq(accepted & ~word.end),
            *(ended[name].eq(word[name]) for name in ("type", "length", "first_row", "last")),
            ended.generation.eq(self.generation),
            ended.sequence.eq(self.sequence),
            queue.w_data.eq(ended),
            queue.w_en.eq(accepted & word.end),
            self.unsent.eq(queue.level != 0),
            self.room.eq(
                (used + min(params.frame_bytes * 8 // WORD_BITS, depth) <= depth)
                & (queue.w_level + min(packets, queue.depth) <= queue.depth)
            ),
        ]
        with m.If(queue.w_en):
            m.d.sync += base.eq(base + ((word.length + 3) >> 2))

    def _send(self, m: Module) -> None:
        """The sending side: one packet after the other, byte by byte."""
        ended = Signal(self._ended)
        m.d.comb += [ended.eq(self._queue.r_data), self._read.addr.eq(self._tail)]

        header, left = Signal(HEADER.bits), Signal(16)
        from_buffer = Signal()
        shown = Signal(max(WORD_BITS, REPLY.bits))
        length, place = Signal(16), Signal(2)
        m.submodules.crc8 = crc8 = crc8_algorithm(8).create()
        m.submodules.crc32 = crc32 = crc32_algorithm(8).create()
        sent = Signal()
        m.d.comb += [
            sent.eq(self.o.valid & self.o.ready),
            crc8.data.eq(self.o.payload),
            crc32.data.eq(self.o.payload),
        ]

        def pack(layout, **values):
            return Cat(Const(0, field.bits) | values.get(field.name, 0) for field in layout)

        def next_word():
            return [shown.eq(self._read.data), self._tail.eq(self._tail + 1)]

        with m.If(sent):
            m.d.sync += left.eq(left - 1)
        final = sent & (left == 0)
        with m.FSM():
            with m.State("REST"):
                m.d.comb += [crc8.start.eq(1), crc32.start.eq(1)]
                m.d.sync += left.eq(len(SYNC) - 1)
                with m.If(self.reply.valid):
                    reply = self.reply.payload
                    m.d.comb += self.reply.ready.eq(1)
                    m.d.sync += [
                        from_buffer.eq(0),
                        length.eq(REPLY.size),
                        shown.eq(pack(REPLY, **{field.name: reply[field.name] for field in REPLY})),
                        header.eq(
                            pack(
                                COMMAND_HEADER,
                                generation=self.generation,
                                last=1,
                                type=PacketType.REPLY,
                                version=VERSION,
                                sequence=reply.sequence,
                                address=reply.address,
                                length=REPLY.size,
                            )
                        ),
                    ]
                    m.next = "SYNC"
                with m.Elif(self._queue.r_rdy):
                    names = ("generation", "last", "type", "sequence", "first_row", "length")
                    log2_rows = Mux(ended.type == PacketType.META, 0, self._params.log2_rows)
                    m.d.comb += self._queue.r_en.eq(1)
                    m.d.sync += [
                        from_buffer.eq(1),
                        length.eq(ended.length),
                        header.eq(
                            pack(HEADER, version=VERSION, log2_rows=log2_rows, **{name: ended[name] for name in names})
                        ),
                    ]
                    m.next = "SYNC"
            with m.State("SYNC"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(Mux(left == 0, SYNC[1], SYNC[0]))]
                with m.If(final):
                    m.d.sync += left.eq(HEADER.size - 1)
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.eq(header[:8]),
                    crc8.valid.eq(sent),
                    crc32.valid.eq(sent),
                ]
                with m.If(sent):
                    m.d.sync += header.eq(header >> 8)
                with m.If(final):
                    m.next = "CRC-8"
            with m.State("CRC-8"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(crc8.crc), crc32.valid.eq(sent)]
                with m.If(sent):
                    m.d.sync += [left.eq(length - 1), place.eq(0)]
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
                    m.d.sync += left.eq(_CRC32_BYTES - 1)
                    m.next = "CRC-32"
            with m.State("CRC-32"):
                m.d.comb += [
                    self.o.valid.eq(1),
                    self.o.payload.eq(crc32.crc.word_select(~left[:2], 8)),
                ]
                with m.If(final):
                    m.next = "REST"
