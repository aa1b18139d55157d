"""Self-test pattern: samples that need neither detector nor ADC nor upload.

request -> [Pattern] -> samples -> source -> CDS
              ^ row, column, image_id
"""

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.pattern import LEVEL_BITS, NOISE_BITS, NOISE_TAPS, OFFSET_BITS, SQUARE_BITS
from hdl.layouts import request_layout, sample_layout
from hdl.params import Params


class Pattern(wiring.Component):
    """The samples that `edgeray.protocol.pattern` describes.

    Latency 0, one pixel a clock; between `i` and `o` there are no registers. Nothing saturates.

    Members
    -------
    i : stream of `request_layout`
    o : stream of `sample_layout`
    row, column : of the pixel at `i`, constant while it waits
    image_id : number of the frame, constant during it
    """

    latency = 0

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(request_layout())),
            "o": Out(stream.Signature(sample_layout(params))),
            "row": In(range(params.rows)),
            "column": In(range(params.columns)),
            "image_id": In(32),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        noise, sample = Signal(NOISE_BITS), self.o.payload
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += noise.eq(Cat(~(noise[NOISE_TAPS[0]] ^ noise[NOISE_TAPS[1]]), noise[:-1]))
            with m.If(sample.last):
                m.d.sync += noise.eq(0)

        square = self.row.shift_right(SQUARE_BITS) ^ self.column.shift_right(SQUARE_BITS) ^ self.image_id
        level_place = self._params.sample_bits - 1 - LEVEL_BITS
        m.d.comb += [
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            sample.reset.eq(Cat(1, noise[:OFFSET_BITS])),
            # The offset's bits lie below the level's: nothing is to be added.
            sample.signal.eq(sample.reset | (square[:LEVEL_BITS] << level_place)),
            sample.row_last.eq(self.i.payload.row_last),
            sample.last.eq(self.i.payload.last),
        ]
        return m
