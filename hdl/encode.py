"""Encoder: turns a frame's pixels into payloads.

          +-> [Predict] -> [Code] -> [Pack] -- coded --+
    pixel +                                            +-> words -> packet buffer
          +-> [PackFixed] -- at fixed width -----------+

Which of the two is shorter is known only after a packet's last pixel, so both are written; the shorter one is kept.
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect

from edgeray.protocol.code import MAX_CODE_BITS
from edgeray.protocol.packets import PacketType
from edgeray.protocol.registers import BY_NAME
from hdl.code import Code, codes_layout
from hdl.layouts import result_layout, word_layout
from hdl.pack import Pack, PackFixed
from hdl.params import Params
from hdl.predict import Predict


class Encode(wiring.Component):
    """Writes the payload of every `Params.rows_per_packet` rows: EDGE or RAW, or at fixed width where that is shorter.

    One pixel a clock, whatever its code. A payload's end is out `latency` clocks after its last pixel; the next pixel
    is taken `rest` clocks after that, or after a reset as soon as the coder's tables are written. Nothing stalls what
    is inside, so `i.ready` comes from a register. Nothing saturates.

    Members
    -------
    i : stream of `result_layout`; a raw pixel is kept and not negative
    o : stream of `word_layout`
    raw : the pixels are raw ones
    threshold_mode, edge_threshold : registers of that name
        all three constant from a frame's first pixel until its last payload's end is out
    """

    latency = Predict.latency + Code.latency + Pack.latency + 3
    rest = Predict.latency + 3 + Code.rest - latency

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
        most = min(params.rows, params.rows_per_packet) * params.columns * MAX_CODE_BITS // 8
        m.submodules.predict = predict = Predict(params)
        m.submodules.code = code = Code(params)
        m.submodules.coded = coded = Pack(codes_layout(params), params.payload_words, most)
        m.submodules.fixed = fixed = PackFixed(params)
        connect(m, predict.o, code.i)
        connect(m, code.o, coded.i)
        pixel, accepted, is_open = self.i.payload, Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(is_open),
            accepted.eq(self.i.valid & is_open),
            predict.i.valid.eq(accepted),
            predict.i.payload.eq(pixel),
            predict.raw.eq(self.raw),
            code.raw.eq(self.raw),
            code.threshold_mode.eq(self.threshold_mode),
            code.edge_threshold.eq(self.edge_threshold),
            fixed.i.valid.eq(accepted),
            fixed.i.payload.value.eq(Mux(pixel.kept, pixel.value, 0)),
            fixed.i.payload.end.eq(predict.ends),
            fixed.narrow.eq(self.raw),
        ]
        # What comes before the coder's tables are written anew: the payload's end.
        with m.If(accepted & predict.ends):
            m.d.sync += is_open.eq(0)
        with m.Elif(code.restored):
            m.d.sync += is_open.eq(1)
        self._write(m, coded, fixed, pixel.last & accepted)
        return m

    def _write(self, m: Module, coded, fixed, is_last) -> None:
        """Words of both to the buffer, and the payload's end when the code, which comes later, is over."""
        word, step = self.o.payload, self._params.rows_per_packet
        first_row, last = Signal(len(word.first_row)), Signal()
        # Both lengths are known two clocks before the end. Code that the payload has no room for is the longer one.
        m.d.sync += [
            word.skip.eq(coded.length > fixed.length),
            word.length.eq(Mux(word.skip, fixed.length, coded.length)),
        ]
        with m.If(self.raw):
            m.d.comb += word.type.eq(Mux(word.skip, PacketType.RAW_STORED, PacketType.RAW))
        with m.Else():
            m.d.comb += word.type.eq(Mux(word.skip, PacketType.EDGE_STORED, PacketType.EDGE))
        m.d.comb += [
            self.o.valid.eq(coded.o.valid | fixed.o.valid | coded.over),
            word.has_coded.eq(coded.o.valid),
            word.coded.eq(coded.o.payload),
            word.has_fixed.eq(fixed.o.valid),
            word.fixed.eq(fixed.o.payload),
            word.end.eq(coded.over),
            word.first_row.eq(first_row),
            word.last.eq(last),
            coded.clear.eq(coded.over),
            fixed.clear.eq(coded.over),
        ]
        with m.If(is_last):
            m.d.sync += last.eq(1)
        with m.If(coded.over):
            m.d.sync += last.eq(0)
            if self._params.packets > 1:
                m.d.sync += first_row.eq(Mux(last, 0, first_row + step))
