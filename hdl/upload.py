"""Uploaded samples: a memory that the host writes, instead of a detector and its ADC.

request -> [Upload] -> samples -> source -> CDS
              ^ row, column
              ^ registers table_index, upload_data
"""

from amaranth import Module, Mux
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME
from hdl.layouts import request_layout, sample_layout
from hdl.params import Params
from hdl.place import SINGLE_PORT

SIGNAL_PLACE = BY_NAME["upload_data"].bits // 2
"""Where the signal sample begins in upload_data."""


class Upload(wiring.Component):
    """Both samples of every pixel of one frame; each frame shows them, until others are written.

    Latency 1 clock, one pixel a clock but in those with a write. A sample wider than sample_bits loses its upper bits.
    What the memory holds before it was written is not said. A write acts at once, also on the frame that is being read.

    Members
    -------
    i : stream of `request_layout`
    o : stream of `sample_layout`
    row, column : of the pixel at `i`, constant while it waits
    table_index, upload_data, upload_write : writes the samples of pixel number `table_index`; beyond the last, nothing
    """

    latency = 1

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(request_layout())),
            "o": Out(stream.Signature(sample_layout(params))),
            "row": In(range(params.rows)),
            "column": In(range(params.columns)),
            "table_index": In(BY_NAME["table_index"].bits),
            "upload_data": In(BY_NAME["upload_data"].bits),
            "upload_write": In(1),
        })  # fmt: skip

    def elaborate(self, platform):
        params = self._params
        m = Module()
        pair = data.StructLayout({"reset": params.sample_bits, "signal": params.sample_bits})
        pixels = params.rows * params.columns
        m.submodules.samples = samples = memory.Memory(shape=pair, depth=pixels, init=[], attrs=SINGLE_PORT)
        write, read = samples.write_port(), samples.read_port()
        # No counter: where the columns are a power of two this is no logic at all.
        place = self.row * params.columns + self.column
        # One address: a write holds the pixels for a clock.
        m.d.comb += [
            write.addr.eq(Mux(self.upload_write, self.table_index, place)),
            read.addr.eq(write.addr),
            write.en.eq(self.upload_write & (self.table_index < pixels)),
            write.data.reset.eq(self.upload_data),
            write.data.signal.eq(self.upload_data[SIGNAL_PLACE:]),
            read.en.eq(self.i.ready),
            self.i.ready.eq((~self.o.valid | self.o.ready) & ~self.upload_write),
            self.o.payload.reset.eq(read.data.reset),
            self.o.payload.signal.eq(read.data.signal),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid),
                self.o.payload.row_last.eq(self.i.payload.row_last),
                self.o.payload.last.eq(self.i.payload.last),
            ]
        return m
