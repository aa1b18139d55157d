"""Threshold: decides which kernel responses leave the chip.

kernel response -> [Threshold] -> response, kept or not -> encoder
"""

from amaranth import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME, ThresholdMode
from hdl.layouts import response_layout, result_layout
from hdl.params import Params


class Threshold(wiring.Component):
    """Keeps responses q with |q| >= T (ABSOLUTE), q >= T (POSITIVE), or all (OFF).

    A pixel of the guard ring is kept in OFF alone, where its response is 0. Latency `latency` clocks, none in a build
    that is not pipelined; one pixel a clock; nothing saturates: q is passed on as it came.

    Members
    -------
    i : stream of `response_layout`
    o : stream of `result_layout`
    threshold_mode, edge_threshold : registers of that name, constant during a frame
    """

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(response_layout(params))),
            "o": Out(stream.Signature(result_layout(params))),
            "threshold_mode": In(BY_NAME["threshold_mode"].bits),
            "edge_threshold": In(BY_NAME["edge_threshold"].bits),
        })  # fmt: skip

    @property
    def latency(self) -> int:
        return 1 if self._params.is_pipelined else 0

    def elaborate(self, platform):
        m = Module()
        response, result = self.i.payload, self.o.payload
        bits = self._params.sample_bits
        negative, least = response.value[-1], self.edge_threshold[:bits]
        # least - 1 - q, or least - 1 - (-1 - q) where q is negative: of one bit more than both, so never cut.
        beyond = Signal(bits + 1)
        m.d.comb += beyond.eq(least + (response.value[:bits] ^ (~negative).replicate(bits)))
        is_least = ~beyond[:bits].any() & beyond[-1]
        keep = Signal()
        with m.If(self.threshold_mode == ThresholdMode.OFF):
            m.d.comb += keep.eq(1)
        with m.Elif(response.guard | self.edge_threshold[bits:].any()):
            m.d.comb += keep.eq(0)
        with m.Elif(negative):
            # |q| is one more than was compared.
            m.d.comb += keep.eq((self.threshold_mode == ThresholdMode.ABSOLUTE) & (~beyond[-1] | is_least))
        with m.Else():
            m.d.comb += keep.eq(~beyond[-1])

        values = [
            result.value.eq(response.value),
            result.kept.eq(keep),
            Cat(result.row_last, result.last).eq(Cat(response.row_last, response.last)),
        ]
        if self._params.is_pipelined:
            m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
            with m.If(self.i.ready):
                m.d.sync += [self.o.valid.eq(self.i.valid), *values]
        else:
            m.d.comb += [self.i.ready.eq(self.o.ready), self.o.valid.eq(self.i.valid), *values]
        return m
