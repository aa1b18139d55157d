"""Prediction: turns pixels into the symbols that are coded.

kernel response, kept or not --+
                               +--> [Predict] -> symbol -> entropy coder
corrected pixel (RAW) ---------+
"""

from amaranth import Cat, Module, Mux, Signal, signed
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
    raw : the pixels are raw ones; constant from a frame's first pixel until its last symbol
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
        m = Module()
        bits = self._params.sample_bits
        pixel, out = self.i.payload, self.o.payload
        accepted = self.i.valid & self.raw
        self._find_end(m)

        # Pixels are numbers about the middle of their range, so that what is predicted from nothing is 0.
        value = Cat(pixel.value[: bits - 1], pixel.value[bits - 1] ^ self.raw, pixel.value[bits]).as_signed()
        ahead = self._row_above(m, accepted, value[:bits])
        north, north_east = Signal(signed(bits)), Signal(signed(bits))
        # W, inverted: V = -W - 1. In a row's last column the row above shows its first pixel, which is W of the next.
        west = Signal(signed(bits), init=-1)
        first_row, valid = Signal(init=1), Signal()
        m.d.comb += north_east.eq(Mux(pixel.row_last, north, ahead))
        with m.If(accepted):
            m.d.sync += [north.eq(ahead), west.eq(~Mux(pixel.row_last, ahead, value))]
        with m.If(~self.raw | (self.i.valid & self.ends)):
            m.d.sync += west.eq(-1)
        with m.If(self.i.valid & pixel.row_last):
            m.d.sync += first_row.eq(self.ends)

        # pixel - ((2 W + N + E + 2) >> 2) is pixel + V - ((2 V + N + E) >> 2).
        # Clock 1: both parts, the second inverted again. It is -1 where W alone predicts; with W = 0, of responses too.
        left, right = Signal(signed(bits + 1)), Signal(signed(bits))
        m.d.sync += [left.eq(value + west), right.eq(~(((north + north_east) + (west << 1)) >> 2))]
        with m.If(~pixel.kept):
            m.d.sync += left.eq(-1)
        with m.If(first_row | ~self.raw):
            m.d.sync += right.eq(0)

        # Clock 2: their difference.
        row_last, end = Signal(), Signal()
        difference = left - ~right
        sign = Mux(self.raw, difference[bits - 1], difference[bits])
        m.d.sync += [
            Cat(valid, row_last, end).eq(Cat(self.i.valid, pixel.row_last, self.ends)),
            Cat(self.o.valid, out.row_last, out.end).eq(Cat(valid, row_last, end)),
            out.symbol.eq(Cat(difference[:bits], sign).as_signed()),
        ]
        return m

    def _find_end(self, m: Module) -> None:
        """Where a packet ends: with the frame, or after so many rows."""
        params, pixel = self._params, self.i.payload
        if params.packets == 1:
            m.d.comb += self.ends.eq(pixel.last)
            return
        rows_left = Signal(range(params.rows_per_packet), init=params.rows_per_packet - 1)
        m.d.comb += self.ends.eq(pixel.row_last & (pixel.last | (rows_left == 0)))
        with m.If(self.i.valid & pixel.row_last):
            m.d.sync += rows_left.eq(Mux(self.ends, rows_left.init, rows_left - 1))

    def _row_above(self, m: Module, accepted, value):
        """The pixel north-east of the one that is shown at `i`; what comes after it is read while that is accepted.

        A pixel takes the place of the one that is one less than a row before it; the place behind is read meanwhile.
        """
        places = self._params.columns - 1
        m.submodules.line = line = memory.Memory(shape=signed(self._params.sample_bits), depth=places, init=[])
        write, read = line.write_port(), line.read_port()
        place, behind = Signal(range(places)), Signal(range(places))
        m.d.comb += [
            behind.eq(Mux(place == places - 1, 0, place + 1)),
            Cat(write.en, read.en).eq(accepted.replicate(2)),
            Cat(write.addr, read.addr).eq(Cat(place, behind)),
            write.data.eq(value),
        ]
        with m.If(accepted):
            m.d.sync += place.eq(behind)
        return read.data
