"""Audit: keeps the pixels of a frame, to send them behind its edges.

corrected pixel -> [Audit] -+-> edge -> window, convolution, threshold -+-> encoder
                    | ^     +-> raw ------------------------------------+
                   memory
"""

from amaranth import Cat, Module, Signal, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME, ReadoutMode
from hdl.layouts import pixel_layout
from hdl.params import Params
from hdl.place import SINGLE_PORT, Place


class Audit(wiring.Component):
    """Sends a frame's pixels to `edge`, in raw readout to `raw`; and once more to `raw` when `replay` asks for it.

    Latency 0, one pixel a clock; a replay's first pixel is shown 3 clocks after `replay`. Without `Params.audit` there
    is no memory and no replay. Nothing saturates.

    Members
    -------
    i : stream of corrected pixels
    edge, raw : streams of the same
    readout_mode : register of that name, constant during a frame
    replay : one clock, between two frames: the pixels of the one before are to come again
    replaying : from the clock after `replay` until the last pixel is taken
    """

    def __init__(self, params: Params):
        self._params = params
        pixels = stream.Signature(pixel_layout(unsigned(params.sample_bits)))
        super().__init__({
            "i": In(pixels),
            "edge": Out(pixels),
            "raw": Out(pixels),
            "readout_mode": In(BY_NAME["readout_mode"].bits),
            "replay": In(1),
            "replaying": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [self.edge.payload.eq(self.i.payload), self.raw.payload.eq(self.i.payload)]
        if self._params.audit:
            self._remember(m)
        with m.If(~self.replaying):
            with m.If(self.readout_mode == ReadoutMode.RAW):
                m.d.comb += [self.raw.valid.eq(self.i.valid), self.i.ready.eq(self.raw.ready)]
            with m.Else():
                m.d.comb += [self.edge.valid.eq(self.i.valid), self.i.ready.eq(self.edge.ready)]
        return m

    def _remember(self, m: Module) -> None:
        """The memory: written as pixels pass, read in a replay."""
        params = self._params
        m.submodules.frame = frame = memory.Memory(
            shape=params.sample_bits, depth=params.rows * params.columns, init=[], attrs=SINGLE_PORT
        )
        m.submodules.place = place = Place(params)
        write, read = frame.write_port(), frame.read_port()
        # Read, and out of a register: a memory is slow.
        was_read, row_last, last = Signal(), Signal(), Signal()
        shown, pixel = Signal(), Signal(pixel_layout(unsigned(params.sample_bits)))
        advance, ends = Signal(), Signal()
        m.d.comb += [
            # One address: what is replayed is not taken in, so no pixel is written while one is read.
            write.addr.eq(place.index),
            read.addr.eq(place.index),
            write.data.eq(self.i.payload.value),
            write.en.eq(self.i.valid & self.i.ready),
            advance.eq(self.replaying & (~shown | self.raw.ready)),
            ends.eq(shown & pixel.last & self.raw.ready),
            read.en.eq(advance),
            place.step.eq(write.en | advance),
            place.restart.eq((write.en & self.i.payload.last) | (self.replaying & ends)),
        ]
        with m.If(self.replay):
            m.d.sync += self.replaying.eq(1)
        with m.Elif(advance):
            m.d.sync += [
                Cat(was_read, row_last, last).eq(Cat(1, place.row_last, place.last)),
                Cat(shown, pixel.value, pixel.row_last, pixel.last).eq(Cat(was_read, read.data, row_last, last)),
            ]
            with m.If(ends):
                m.d.sync += [self.replaying.eq(0), was_read.eq(0), shown.eq(0)]
        with m.If(self.replaying):
            m.d.comb += [
                self.raw.valid.eq(shown),
                self.raw.payload.eq(pixel),
            ]
