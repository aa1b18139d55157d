"""Sensor: takes pixels for kernel responses, where the sensor itself convolves; in the place of window and convolution.

corrected pixel -> [Sensor] -> kernel response -> threshold
"""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import pixel_layout, response_layout
from hdl.params import Params
from hdl.place import Place


class Sensor(wiring.Component):
    """pixel - 2**(sample_bits - 1): mid-scale is no response, as the currents of a macro-pixel have either sign.

    In the guard ring the response is 0. Every pixel gives one: kernel and stride are the bias voltages' matter.
    Latency 1 clock, one pixel a clock; nothing can saturate.

    Members
    -------
    i : stream of pixels, unsigned(sample_bits)
    o : stream of `response_layout`
    """

    latency = 1

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(pixel_layout(unsigned(params.sample_bits)))),
            "o": Out(stream.Signature(response_layout(params))),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        pixel, response, taken = self.i.payload, self.o.payload, Signal()
        m.submodules.place = place = Place(self._params)
        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            taken.eq(self.i.valid & self.i.ready),
            place.step.eq(taken),
            place.restart.eq(taken & pixel.last),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                # Half of the scale less: the highest bit changes, and what it was not is the sign.
                response.value.eq(Cat(pixel.value[:-1], (~pixel.value[-1]).replicate(2))),
                response.guard.eq(place.guard),
                Cat(response.row_last, response.last).eq(Cat(pixel.row_last, pixel.last)),
            ]
            with m.If(place.guard):
                m.d.sync += response.value.eq(0)
        return m
