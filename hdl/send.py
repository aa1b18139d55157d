"""Sender: one packet after the other, byte by byte, with its CRCs.

packet buffer --+
                +-> header, payload -> [Send] -> SYNC, header, CRC-8, payload, CRC-32 -> bytes -> link
replies --------+ (between two packets)
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import HEADER, SYNC
from hdl.crc import Checksums
from hdl.layouts import byte_layout
from hdl.params import Params

_CRC32_BYTES = 4


class Send(wiring.Component):
    """Sends what the buffer holds, a byte a clock as long as the link takes them; where `Params.byte_clocks` is more
    than 1, a byte every so many clocks and one.

    Members
    -------
    packet : stream of `byte_layout`: headers and payloads of the buffer, which has all of a packet once it begins
    reply : stream of `byte_layout`; goes out before the next packet of the buffer
    o : stream of bytes
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "packet": In(stream.Signature(byte_layout())),
            "reply": In(stream.Signature(byte_layout())),
            "o": Out(stream.Signature(8)),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        clocks = self._params.byte_clocks
        m.submodules.checksums = sums = Checksums(8 // clocks)
        # The byte to be sent next, of header or payload, and where it comes from.
        byte, has_byte, is_last = Signal(8, reset_less=True), Signal(), Signal(reset_less=True)
        is_reply, fetches = Signal(), Signal()
        shown = Mux(is_reply, self.reply.payload, self.packet.payload)
        offered = Mux(is_reply, self.reply.valid, self.packet.valid)
        takes, sent, uses_byte = Signal(), Signal(), Signal()
        m.d.comb += [
            # With clocks to spare a byte is taken when the one before is gone, which is a shorter way.
            takes.eq(fetches & (~has_byte | (uses_byte & sent & ~is_last & (clocks == 1)))),
            self.reply.ready.eq(takes & is_reply),
            self.packet.ready.eq(takes & ~is_reply),
        ]
        with m.If(takes):
            m.d.sync += [byte.eq(shown), is_last.eq(shown[8]), has_byte.eq(offered)]
        with m.Elif(uses_byte & sent):
            m.d.sync += has_byte.eq(0)

        # The checksums may take several clocks for a byte; it is offered to the link in the last of them.
        step, present, is_checked, place = Signal(range(clocks)), Signal(), Signal(), Signal(3)
        m.d.comb += [
            self.o.valid.eq(present & (step == clocks - 1)),
            sent.eq(self.o.valid & self.o.ready),
            sums.step.eq(step),
            sums.byte.eq(self.o.payload),
            sums.enable.eq(is_checked & present & ((step != clocks - 1) | self.o.ready)),
        ]
        with m.If(present & ((step != clocks - 1) | self.o.ready)):
            m.d.sync += step.eq(step + 1)

        def after(count: int, state: str):
            with m.If(sent):
                m.d.sync += place.eq(place + 1)
                with m.If(place == count - 1):
                    m.d.sync += place.eq(0)
                    m.next = state

        with m.FSM():
            with m.State("REST"):
                m.d.sync += is_reply.eq(self.reply.valid)
                with m.If(self.reply.valid | self.packet.valid):
                    m.next = "SYNC"
            with m.State("SYNC"):
                m.d.comb += [fetches.eq(1), present.eq(1), sums.start.eq(1)]
                m.d.comb += self.o.payload.eq(Mux(place[0], SYNC[1], SYNC[0]))
                after(len(SYNC), "HEADER")
            with m.State("HEADER"):
                m.d.comb += [fetches.eq(1), uses_byte.eq(1), present.eq(has_byte), self.o.payload.eq(byte)]
                m.d.comb += [is_checked.eq(1), sums.in_header.eq(1)]
                after(HEADER.size, "CRC-8")
            with m.State("CRC-8"):
                m.d.comb += [fetches.eq(1), present.eq(1), is_checked.eq(1), self.o.payload.eq(sums.crc8)]
                after(1, "PAYLOAD")
            with m.State("PAYLOAD"):
                m.d.comb += [fetches.eq(1), uses_byte.eq(1), present.eq(has_byte), self.o.payload.eq(byte)]
                m.d.comb += is_checked.eq(1)
                with m.If(sent & is_last):
                    m.next = "CRC-32"
            with m.State("CRC-32"):
                m.d.comb += [present.eq(1), is_checked.eq(1), sums.in_crc32.eq(1), self.o.payload.eq(sums.crc32)]
                after(_CRC32_BYTES, "REST")
        return m
