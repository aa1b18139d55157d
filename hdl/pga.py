"""Programmable gain: scales the difference of the samples to a pixel.

    signed difference -> [PGA] -> pixel -> correction

A model, in digits, of the programmable gain amplifier of a readout chip, for chips that have none.
"""

from amaranth import Cat, Module, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME
from hdl.layouts import pixel_layout
from hdl.params import Params


class PGA(wiring.Component):
    """value * 2**pga_gain + pga_offset, clipped to 0 .. 2**sample_bits - 1.

    The gain is a power of two of at least 1, so nothing is rounded. Latency 1 clock, one pixel a clock.

    Members
    -------
    i : stream of pixels, signed(sample_bits + 1)
    o : stream of pixels, unsigned(sample_bits)
    pga_gain, pga_offset : registers of that name, constant during a frame
    saturated : the clip changed the pixel, in the clock in which it is accepted
    """

    latency = 1

    def __init__(self, params: Params):
        self._bits = params.sample_bits
        gain, offset = BY_NAME["pga_gain"], BY_NAME["pga_offset"]
        self._most_gain = gain.maximum
        super().__init__({
            "i": In(stream.Signature(pixel_layout(signed(params.sample_bits + 1)))),
            "o": Out(stream.Signature(pixel_layout(unsigned(params.sample_bits)))),
            "pga_gain": In(gain.bits),
            "pga_offset": In(signed(offset.bits)),
            "saturated": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        width = self._bits + 1 + self._most_gain
        scaled = Signal(signed(width))
        with m.Switch(self.pga_gain):
            for exponent in range(self._most_gain + 1):
                with m.Case(exponent):
                    m.d.comb += scaled.eq(self.i.payload.value << exponent)

        amplified = Signal(signed(max(width, len(self.pga_offset)) + 1))
        negative = amplified[-1]
        over = ~negative & amplified[self._bits : -1].any()
        m.d.comb += [
            amplified.eq(scaled + self.pga_offset),
            self.i.ready.eq(~self.o.valid | self.o.ready),
            self.saturated.eq(self.i.valid & self.i.ready & (negative | over)),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                self.o.payload.value.eq(
                    (amplified[: self._bits] | over.replicate(self._bits)) & ~negative.replicate(self._bits)
                ),
                Cat(self.o.payload.row_last, self.o.payload.last).eq(Cat(self.i.payload.row_last, self.i.payload.last)),
            ]
        return m
