"""Framing: payloads and replies to packets.

words --> [Buffer] --+
                     +-> [Send] -> bytes -> link
replies -------------+

A payload's length stands before it on the wire and is known only after it, so a packet is sent when it is complete.
"""

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from edgeray.protocol.packets import HEADER
from hdl.buffer import Buffer
from hdl.layouts import byte_layout, word_layout
from hdl.params import Params
from hdl.send import Send


class Frame(wiring.Component):
    """A packet buffer and its sender; what they promise is said there.

    Members
    -------
    i, generation, sequence, audit, room, unsent : as in `Buffer`; where `unsent` is low, a reply given now is the last
        to go
    reply, o : as in `Send`
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(word_layout(), always_ready=True)),
            "generation": In(HEADER["generation"].bits),
            "sequence": In(HEADER["sequence"].bits),
            "audit": In(1),
            "room": Out(1),
            "reply": In(stream.Signature(byte_layout())),
            "o": Out(stream.Signature(8)),
            "unsent": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = Buffer(self._params)
        m.submodules.send = send = Send(self._params)
        connect(m, flipped(self.i), buffer.i)
        connect(m, flipped(self.reply), send.reply)
        connect(m, buffer.o, send.packet)
        connect(m, send.o, flipped(self.o))
        m.d.comb += [
            buffer.generation.eq(self.generation),
            buffer.sequence.eq(self.sequence),
            buffer.audit.eq(self.audit),
            self.room.eq(buffer.room),
            self.unsent.eq(buffer.unsent),
        ]
        return m
