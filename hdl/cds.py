"""Correlated double sampling: the first stage after the ADC.

    samples (reset, signal) -> [CDS] -> signed difference -> PGA

The reset sample holds what the pixel showed before integration: its offset and the kTC noise of its reset. Both samples
of one exposure carry them, so the difference does not.
"""

from amaranth import Cat, Module, Mux, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import Polarity
from hdl.layouts import pixel_layout, sample_layout
from hdl.params import Params


class CDS(wiring.Component):
    """Signal minus reset sample, or the reverse.

    With `cds_enabled` low the signal sample alone is passed on (full scale minus it where the polarity is reversed).
    Latency 1 clock, one pixel a clock. The result has one bit more than a sample and cannot overflow.

    Members
    -------
    i : stream of `sample_layout`
    o : stream of pixels, signed(sample_bits + 1)
    cds_enabled, cds_polarity : registers of that name, constant during a frame
    railed : a sample in use is at 0 or at full scale, in the clock in which it is accepted
    """

    latency = 1

    def __init__(self, params: Params):
        self._bits = params.sample_bits
        super().__init__({
            "i": In(stream.Signature(sample_layout(params))),
            "o": Out(stream.Signature(pixel_layout(signed(params.sample_bits + 1)))),
            "cds_enabled": In(1),
            "cds_polarity": In(Polarity),
            "railed": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        sample, pixel = self.i.payload, self.o.payload

        def at_rail(value):
            """All bits are alike, which takes less than two comparisons."""
            return ~(value[1:] ^ value[:-1]).any()

        m.d.comb += [
            self.i.ready.eq(~self.o.valid | self.o.ready),
            self.railed.eq(
                self.i.valid & self.i.ready & (at_rail(sample.signal) | (self.cds_enabled & at_rail(sample.reset)))
            ),
        ]
        # signal - reset is signal + ~reset + 1, and reset - signal is ~(signal + ~reset): one adder for both.
        # The reset level of a single sample is the rail from which the signal departs.
        is_reversed = self.cds_polarity == Polarity.RESET_MINUS_SIGNAL
        level = Mux(self.cds_enabled, sample.reset, is_reversed.replicate(self._bits))
        inverted = Cat(~level, 1).as_signed()
        difference = (sample.signal + inverted + ~is_reversed)[: self._bits + 1]
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                pixel.value.eq(difference ^ is_reversed.replicate(self._bits + 1)),
                pixel.row_last.eq(sample.row_last),
                pixel.last.eq(sample.last),
            ]
        return m
