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

    The gain is a power of two of at least 1, so nothing is rounded; it is 1 whatever `pga_gain` says where the readout
    chip amplifies (`Params.roic_pga`). Latency `latency` clocks, one pixel a clock.

    Members
    -------
    i : stream of pixels, signed(sample_bits + 1)
    o : stream of pixels, unsigned(sample_bits)
    pga_gain, pga_offset : registers of that name, constant during a frame
    saturated : the clip changed the pixel, in the clock in which it is taken from `o`
    """

    def __init__(self, params: Params):
        self._params = params
        gain, offset = BY_NAME["pga_gain"], BY_NAME["pga_offset"]
        self._most_gain = 0 if params.roic_pga else gain.maximum
        super().__init__({
            "i": In(stream.Signature(pixel_layout(signed(params.sample_bits + 1)))),
            "o": Out(stream.Signature(pixel_layout(unsigned(params.sample_bits)))),
            "pga_gain": In(gain.bits),
            "pga_offset": In(signed(offset.bits)),
            "saturated": Out(1),
        })  # fmt: skip

    @property
    def latency(self) -> int:
        return 2 if self._params.is_pipelined else 1

    def elaborate(self, platform):
        m = Module()
        bits, value = self._params.sample_bits, self.i.payload.value
        width = bits + 1 + self._most_gain
        # Without a reset, so that it can be a multiplier's own.
        amplified = Signal(signed(max(width, len(self.pga_offset)) + 1), reset_less=True)
        flags, valid = Cat(self.i.payload.row_last, self.i.payload.last), self.i.valid
        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        if self._params.is_pipelined:
            scaled, taken, its_flags = Signal(signed(width)), Signal(), Signal(2)
            with m.If(self.i.ready):
                m.d.sync += [taken.eq(valid), its_flags.eq(flags)]
                with m.Switch(self.pga_gain):
                    for exponent in range(self._most_gain):
                        with m.Case(exponent):
                            m.d.sync += scaled.eq(value << exponent)
                    with m.Default():
                        m.d.sync += scaled.eq(value << self._most_gain)
            flags, valid = its_flags, taken
        elif self._most_gain:
            # A multiplier, with its adder and its register, is less than a shifter.
            factor = Signal(self._most_gain + 1)
            m.d.comb += factor.eq(1 << self.pga_gain)
            scaled = value * Cat(factor, 0).as_signed()
        else:
            scaled = value
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(valid),
                amplified.eq(scaled + self.pga_offset),
                Cat(self.o.payload.row_last, self.o.payload.last).eq(flags),
            ]

        negative = amplified[-1]
        over = ~negative & amplified[bits:-1].any()
        m.d.comb += [
            self.o.payload.value.eq((amplified[:bits] | over.replicate(bits)) & ~negative.replicate(bits)),
            self.saturated.eq(self.o.valid & self.o.ready & (negative | over)),
        ]
        return m
