"""META: the payload that says what the frames behind it are.

settings, geometry, counters -> [Meta] -> words -> packet buffer
"""

from amaranth import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import META, WEIGHT_BITS, WORD_BITS, PacketType, meta_payload_size
from hdl.layouts import word_layout
from hdl.params import Params


class Meta(wiring.Component):
    """Writes one META payload after `start`, a word a clock, the first one clock later.

    The fields are read as their word is written; hold them still while `busy`. Nothing saturates.

    Members
    -------
    start : one clock, while not `busy`
    busy : from the clock after `start` until the payload's end is out
    every name of `META`, kernel_weights : what the payload says
    o : stream of `word_layout`
    """

    def __init__(self, params: Params):
        self._words = meta_payload_size(params.kernel_size) * 8 // WORD_BITS
        super().__init__({
            "start": In(1),
            "busy": Out(1),
            **{field.name: In(signed(field.bits) if field.signed else unsigned(field.bits)) for field in META},
            "kernel_weights": In(data.ArrayLayout(signed(WEIGHT_BITS), params.kernel_size**2)),
            "o": Out(stream.Signature(word_layout(), always_ready=True)),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        payload = Cat(*(getattr(self, field.name) for field in META), self.kernel_weights)
        place = Signal(range(self._words + 1))
        # A signal of its own: a part of `word` that is switched would leave the constant parts unset in Verilog, where
        # a block without inputs never runs.
        chosen = Signal(WORD_BITS)
        word = self.o.payload
        m.d.comb += [
            self.o.valid.eq(self.busy),
            word.has_coded.eq(~word.end),
            word.coded.eq(chosen),
            word.end.eq(place == self._words),
            word.type.eq(PacketType.META),
            word.length.eq(self._words * WORD_BITS // 8),
        ]
        with m.Switch(place):
            for number in range(self._words):
                with m.Case(number):
                    m.d.comb += chosen.eq(payload[number * WORD_BITS :][:WORD_BITS])
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), place.eq(0)]
        with m.Elif(self.busy):
            m.d.sync += place.eq(place + 1)
            with m.If(word.end):
                m.d.sync += self.busy.eq(0)
        return m
