"""Encoder: turns a frame's pixels into payloads.

                       +-> [Code] -> [Pack] -- coded ------+
    pixel -> [Predict] +                                    +-> words -> packet buffer
                       +-> [Pack] -- at fixed width -------+

Which of the two is shorter is known only after a packet's last pixel, so both are written; the shorter one is kept.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from edgeray.protocol.code import MAX_CODE_BITS
from edgeray.protocol.packets import PacketType
from edgeray.protocol.registers import BY_NAME
from hdl.code import Code
from hdl.layouts import result_layout, word_layout
from hdl.pack import Pack
from hdl.params import Params
from hdl.predict import Predict


class Encode(wiring.Component):
    """Writes the payload of every `Params.rows_per_packet` rows: EDGE or RAW, or at fixed width where that is shorter.

    One pixel a clock, whatever its code; after a payload's last pixel none is taken until the payload's end is out,
    `latency` clocks later. Nothing stalls what is inside, so `i.ready` comes from a register. Nothing saturates.

    Members
    -------
    i : stream of `result_layout`; a raw pixel is kept and not negative
    o : stream of `word_layout`
    raw : the pixels are raw ones
    threshold_mode, edge_threshold : registers of that name
        all three constant from a frame's first pixel until its last payload's end is out
    """

    latency = Predict.latency + Code.latency + Pack.latency + 4

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(result_layout(params))),
            "o": Out(stream.Signature(word_layout(), always_ready=True)),
            "raw": In(1),
            "threshold_mode": In(BY_NAME["threshold_mode"].bits),
            "edge_threshold": In(BY_NAME["edge_threshold"].bits),
        })  # fmt: skip

    def elaborate(self, platform):
        params = self._params
        m = Module()
        m.submodules.predict = predict = Predict(params)
        m.submodules.code = code = Code(params)
        m.submodules.coded = coded = Pack(MAX_CODE_BITS)
        m.submodules.fixed = fixed = Pack(params.response_bits)
        connect(m, predict.o, code.i)
        connect(m, code.o, coded.i)
        symbol, value = predict.o, fixed.i.payload
        is_open = Signal(init=1)
        m.d.comb += [
            self.i.ready.eq(is_open),
            predict.i.valid.eq(self.i.valid & is_open),
            predict.i.payload.eq(self.i.payload),
            predict.raw.eq(self.raw),
            code.raw.eq(self.raw),
            code.threshold_mode.eq(self.threshold_mode),
            code.edge_threshold.eq(self.edge_threshold),
            fixed.i.valid.eq(symbol.valid),
            value.bits.eq(symbol.payload.value),
            value.length.eq(Mux(self.raw, params.sample_bits, params.response_bits)),
            value.end.eq(symbol.payload.end),
            value.last.eq(symbol.payload.last),
        ]
        with m.If(predict.i.valid & predict.ends):
            m.d.sync += is_open.eq(0)
        with m.If(self.o.valid & self.o.payload.end):
            m.d.sync += is_open.eq(1)
        self._write(m, coded.o, fixed.o)
        return m

    def _write(self, m: Module, coded, fixed) -> None:
        """Words of both to the buffer, and the payload's end when the code, which comes later, is over."""
        params, word = self._params, self.o.payload
        words = params.payload_words
        count, full, too_long = Signal(range(words + 1)), Signal(), Signal()
        first_row, length, stored = Signal(len(word.first_row)), Signal(len(word.length)), Signal()
        ends = coded.valid & coded.payload.end
        has_coded = coded.valid & ~coded.payload.end
        has_fixed = fixed.valid & ~fixed.payload.end
        # Code that the payload has no room for is longer than fixed width, and let go.
        m.d.comb += [full.eq(count == words), stored.eq(too_long | (coded.payload.length > length))]
        m.d.sync += [
            self.o.valid.eq(coded.valid | has_fixed),
            word.has_coded.eq(has_coded & ~full),
            word.coded.eq(coded.payload.data),
            word.has_fixed.eq(has_fixed),
            word.fixed.eq(fixed.payload.data),
            word.end.eq(ends),
            word.skip.eq(stored),
            word.length.eq(Mux(stored, length, coded.payload.length)),
            word.first_row.eq(first_row),
            word.last.eq(coded.payload.last),
        ]
        with m.If(self.raw):
            m.d.sync += word.type.eq(Mux(stored, PacketType.RAW_STORED, PacketType.RAW))
        with m.Else():
            m.d.sync += word.type.eq(Mux(stored, PacketType.EDGE_STORED, PacketType.EDGE))
        with m.If(fixed.valid & fixed.payload.end):
            m.d.sync += length.eq(fixed.payload.length)
        with m.If(ends):
            m.d.sync += [
                count.eq(0),
                too_long.eq(0),
                first_row.eq(Mux(coded.payload.last, 0, first_row + params.rows_per_packet)),
            ]
        with m.Elif(has_coded):
            m.d.sync += [count.eq(count + ~full), too_long.eq(full)]
