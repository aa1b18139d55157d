"""Sample input: a parallel port that shows both samples of the addressed pixel.

request -> [ParallelADC] -> samples -> CDS
             |     ^
pins: convert v     | reset_sample, signal_sample, adc_latency clocks later
"""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import memory, stream, wiring
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
        sample = self.o.payload.shape()
        # Room for the samples under way, the queue's own two clocks, and one that is being taken.
        depth = 1 << (latency + 3).bit_length()
        # A sample is read when it is there, so never in the clock in which it is written.
        m.submodules.queue = queue = memory.Memory(shape=sample, depth=depth, init=[])
        write, read = queue.write_port(), queue.read_port()

        # Places of the queue: asked for, written, read. It is full one place before they would be alike.
        asked, written, taken = (Signal(range(depth), name=name) for name in ("asked", "written", "taken"))
        due, flags = self.pins.convert, self.i.payload
        m.d.comb += [
            self.i.ready.eq((asked + 1)[: len(asked)] != taken),
            self.pins.convert.eq(self.i.valid & self.i.ready),
        ]
        for _ in range(latency):
            later, later_flags = Signal(), Signal.like(self.i.payload)
            m.d.sync += [later.eq(due), later_flags.eq(flags)]
            due, flags = later, later_flags
        m.d.comb += [
            write.addr.eq(written),
            write.en.eq(due),
            write.data.reset.eq(self.pins.reset_sample),
            write.data.signal.eq(self.pins.signal_sample),
            Cat(write.data.row_last, write.data.last).eq(Cat(flags.row_last, flags.last)),
            read.addr.eq(taken),
            read.en.eq((written != taken) & (~self.o.valid | self.o.ready)),
            self.o.payload.eq(read.data),
        ]
        m.d.sync += [asked.eq(asked + self.pins.convert), written.eq(written + due), taken.eq(taken + read.en)]
        with m.If(read.en):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m
