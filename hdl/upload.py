"""Uploaded samples: a memory that the host writes, instead of a detector and its ADC.

request -> [Upload] -> samples -> source -> CDS
              ^ row, column
              ^ registers table_index, upload_data
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME
from hdl.layouts import request_layout, sample_layout
from hdl.params import Params
from hdl.place import SINGLE_PORT

SIGNAL_PLACE = BY_NAME["upload_data"].bits // 2
"""Where the signal sample begins in upload_data."""


class Upload(wiring.Component):
    """Both samples of every pixel of one frame; each frame shows them, until others are written.

    Latency 2 clocks, a pixel every 2, but not in the 2 that a write takes. A sample wider than sample_bits loses its
    upper bits. What the memory holds before it was written is not said. A write acts at once, also on the frame that is
    being read.

    Members
    -------
    i : stream of `request_layout`
    o : stream of `sample_layout`
    row, column : of the pixel at `i`, constant while it waits
    table_index, upload_data, upload_write : writes the samples of pixel number `table_index`; beyond the last, nothing.
        Index and samples stay for one clock more.
    """

    latency = 2

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
        pixels = params.rows * params.columns
        # Sample by sample, so that a word is no wider than that of a large RAM.
        m.submodules.samples = samples = memory.Memory(
            shape=params.sample_bits, depth=2 * pixels, init=[], attrs=SINGLE_PORT
        )
        write, read = samples.write_port(), samples.read_port()
        # No counter: where the columns are a power of two this is no logic at all.
        place = self.row * params.columns + self.column
        writes_signal, writes, reads_signal, reads = Signal(), Signal(), Signal(), Signal()
        m.d.sync += writes_signal.eq(self.upload_write)
        m.d.comb += [
            writes.eq(self.upload_write | writes_signal),
            reads.eq(self.i.valid & (~self.o.valid | self.o.ready) & ~writes),
            # One address: a write holds the pixels.
            write.addr.eq(Mux(writes, Cat(writes_signal, self.table_index), Cat(reads_signal, place))),
            write.en.eq(writes & (self.table_index < pixels)),
            write.data.eq(Mux(writes_signal, self.upload_data[SIGNAL_PLACE:], self.upload_data)),
            read.addr.eq(write.addr),
            read.en.eq(reads),
            self.i.ready.eq(reads & reads_signal),
            self.o.payload.signal.eq(read.data),
        ]
        with m.If(writes):
            # The reset sample may be another one now.
            m.d.sync += reads_signal.eq(0)
        with m.Elif(reads):
            m.d.sync += reads_signal.eq(~reads_signal)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(1),
                self.o.payload.reset.eq(read.data),
                self.o.payload.row_last.eq(self.i.payload.row_last),
                self.o.payload.last.eq(self.i.payload.last),
            ]
        return m
