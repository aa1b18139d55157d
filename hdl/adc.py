"""Sample input: a parallel port that shows both samples of the addressed pixel.

request -> [ParallelADC] -> samples -> CDS
             |     ^
pins: convert v     | reset_sample, signal_sample, adc_latency clocks later
"""

from amaranth import Module, Signal, unsigned
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hdl.layouts import request_layout, sample_layout
from hdl.params import Params


class ParallelADC(wiring.Component):
    """Takes both samples of a pixel `adc_latency` clocks after `convert`.

    Samples under way have a place reserved for them, so none is lost when the stages behind stall. Throughput one pixel
    a clock, latency adc_latency + 2 clocks. Nothing is changed, so nothing saturates.

    Members
    -------
    i : stream of `request_layout`
    o : stream of `sample_layout`
    pins.convert : the addressed pixel is converted in this clock
    pins.reset_sample, pins.signal_sample : unsigned(sample_bits); taken at the end of the clock in which they are due
    """

    @staticmethod
    def pins_signature(params: Params) -> wiring.Signature:
        """The port towards the converter."""
        return wiring.Signature({
            "convert": Out(1),
            "reset_sample": In(unsigned(params.sample_bits)),
            "signal_sample": In(unsigned(params.sample_bits)),
        })  # fmt: skip

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(request_layout())),
            "o": Out(stream.Signature(sample_layout(params))),
            "pins": Out(self.pins_signature(params)),
        })  # fmt: skip

    @property
    def latency(self) -> int:
        return self._params.adc_latency + 2

    def elaborate(self, platform):
        m = Module()
        latency = self._params.adc_latency
        # Room for the samples under way, the buffer's own two clocks, and one that is being taken.
        depth = latency + 4
        sample = self.o.payload.shape()
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=sample.size, depth=depth)

        reserved, taken = Signal(range(depth + 1)), Signal()
        m.d.comb += [
            self.i.ready.eq(reserved != depth),
            self.pins.convert.eq(self.i.valid & self.i.ready),
            taken.eq(self.o.valid & self.o.ready),
        ]
        m.d.sync += reserved.eq(reserved + self.pins.convert - taken)

        due, flags = self.pins.convert, self.i.payload
        for _ in range(latency):
            later, later_flags = Signal(), Signal.like(self.i.payload)
            m.d.sync += [later.eq(due), later_flags.eq(flags)]
            due, flags = later, later_flags
        arriving = Signal(sample)
        m.d.comb += [
            arriving.reset.eq(self.pins.reset_sample),
            arriving.signal.eq(self.pins.signal_sample),
            arriving.row_last.eq(flags.row_last),
            arriving.last.eq(flags.last),
            queue.w_data.eq(arriving),
            queue.w_en.eq(due),
            self.o.payload.eq(queue.r_data),
            self.o.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.o.ready),
        ]
        return m
