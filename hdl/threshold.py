"""Threshold: decides which kernel responses leave the chip.

kernel response -> [Threshold] -> response, kept or not -> encoder
"""

from amaranth import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME, ThresholdMode
from hdl.layouts import response_layout, result_layout
from hdl.params import Params


class Threshold(wiring.Component):
    """Keeps responses q with |q| >= T (ABSOLUTE), q >= T (POSITIVE), or all (OFF).

    A pixel of the guard ring is kept in OFF alone, where its response is 0. Latency 1 clock, one pixel a clock; nothing
    saturates: q is passed on as it came.

    Members
    -------
    i : stream of `response_layout`
    o : stream of `result_layout`
    threshold_mode, edge_threshold : registers of that name, constant during a frame
    """

    latency = 1

    def __init__(self, params: Params):
        super().__init__({
            "i": In(stream.Signature(response_layout(params))),
            "o": Out(stream.Signature(result_layout(params))),
            "threshold_mode": In(BY_NAME["threshold_mode"].bits),
            "edge_threshold": In(BY_NAME["edge_threshold"].bits),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        response, result = self.i.payload, self.o.payload
        # One bit more than both: the threshold is compared as it is, never cut to the width of a response.
        distance = Signal(signed(max(len(response.value), len(self.edge_threshold)) + 2))
        keep = Signal()
        with m.If((response.value < 0) & (self.threshold_mode == ThresholdMode.ABSOLUTE)):
            m.d.comb += distance.eq(-response.value - self.edge_threshold)
        with m.Else():
            m.d.comb += distance.eq(response.value - self.edge_threshold)
        with m.If(self.threshold_mode == ThresholdMode.OFF):
            m.d.comb += keep.eq(1)
        with m.Else():
            m.d.comb += keep.eq((distance >= 0) & ~response.guard)

        m.d.comb += self.i.ready.eq(~self.o.valid | self.o.ready)
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                result.value.eq(response.value),
                result.kept.eq(keep),
                Cat(result.row_last, result.last).eq(Cat(response.row_last, response.last)),
            ]
        return m
