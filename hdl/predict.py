"""Prediction: turns pixels into the symbols that are coded.

kernel response, kept or not --+
                               +--> [Predict] -> symbol -> entropy coder, and fixed-width packer
corrected pixel (RAW) ---------+
"""

from amaranth import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import result_layout, symbol_layout
from hdl.params import Params


class Predict(wiring.Component):
    """Symbols as `edgeray.protocol.code` defines them, cut into packets of `Params.rows_per_packet` rows.

    A kernel response is its own symbol, or 0 where it is not kept. A raw pixel's symbol is its difference from what its
    neighbours west, north and north-east predict. Latency 2 clocks, one pixel a clock; residuals wrap, nothing
    saturates. A frame of raw pixels is the whole array.

    Members
    -------
    i : stream of `result_layout`; a raw pixel is kept and not negative
    o : stream of `symbol_layout`
    raw : the pixels are raw ones; constant during a frame
    ends : the pixel shown at `i` is a packet's last
    """

    latency = 2

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(result_layout(params), always_ready=True)),
            "o": Out(stream.Signature(symbol_layout(params), always_ready=True)),
            "raw": In(1),
            "ends": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        params = self._params
        m = Module()
        bits, columns = params.sample_bits, params.columns
        pixel, out = self.i.payload, self.o.payload
        value = pixel.value[:bits]
        most_rows = min(params.rows, params.rows_per_packet)
        row, first_column = Signal(range(most_rows)), Signal(init=1)
        m.d.comb += self.ends.eq(pixel.row_last & (pixel.last | (row == most_rows - 1)))
        with m.If(self.i.valid):
            m.d.sync += [first_column.eq(pixel.row_last), row.eq(Mux(self.ends, 0, row + pixel.row_last))]

        # The row above: the memory shows what is north-east; what comes after it is read while a pixel is accepted.
        m.submodules.line = line = memory.Memory(shape=bits, depth=columns, init=[])
        write, read = line.write_port(), line.read_port()
        column, ahead = Signal(range(columns)), Signal(range(columns), init=2)
        west, north, north_east = Signal(bits), Signal(bits), Signal(bits)
        m.d.comb += [
            write.addr.eq(column),
            write.data.eq(value),
            write.en.eq(self.i.valid & self.raw),
            read.addr.eq(ahead),
            read.en.eq(self.i.valid & self.raw),
            north_east.eq(Mux(pixel.row_last, north, read.data)),
        ]
        with m.If(self.i.valid & self.raw):
            m.d.sync += [
                west.eq(value),
                north.eq(read.data),
                column.eq(Mux(column == columns - 1, 0, column + 1)),
                ahead.eq(Mux(ahead == columns - 1, 0, ahead + 1)),
            ]

        # Clock 1: four times the prediction; clock 2: the difference.
        beside = Signal(bits)
        four_times = Signal(bits + 2)
        with m.If(~first_column):
            m.d.comb += beside.eq(west)
        with m.Elif(row == 0):
            m.d.comb += beside.eq(1 << (bits - 1))
        with m.Else():
            m.d.comb += beside.eq(north)
        held, valid = Signal.like(pixel), Signal()
        held_raw, held_kept, held_end = Signal(), Signal(), Signal()
        residual = (held.value - (four_times >> 2))[:bits].as_signed()
        m.d.sync += [
            valid.eq(self.i.valid),
            held.eq(pixel),
            held_raw.eq(self.raw),
            held_kept.eq(pixel.kept),
            held_end.eq(self.ends),
            four_times.eq(Mux(row == 0, beside << 2, (beside << 1) + north + north_east + 2)),
            self.o.valid.eq(valid),
            out.symbol.eq(Mux(held_raw, residual, Mux(held_kept, held.value, 0))),
            out.value.eq(Mux(held_kept, held.value, 0)),
            out.row_last.eq(held.row_last),
            out.end.eq(held_end),
            out.last.eq(held.last),
        ]
        return m
