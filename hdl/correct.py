"""Per-pixel correction: the last stage before the kernel, and what a raw frame shows.

pixel -> [Correct] -> corrected pixel -> window (edge readout), encoder (raw readout)

       table[index]: offset, gain, masked
"""

from amaranth import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME, CORRECTION_ENTRY, GAIN_FRACTION_BITS
from hdl.layouts import pixel_layout
from hdl.params import Params


class Correct(wiring.Component):
    """(pixel - offset) * gain / 2**GAIN_FRACTION_BITS, rounded half up, clipped to 0 .. 2**sample_bits - 1.

    A masked pixel takes the value of the last unmasked imaging pixel before it in the frame, 0 where there is none; a
    pixel of the guard ring never lends its value. With `correction_enabled` low pixels pass unchanged.
    Latency 3 clocks, one pixel a clock. The table comes up neutral (offset 0, gain 1, nothing masked).

    Members
    -------
    i, o : streams of pixels, unsigned(sample_bits)
    correction_enabled : register of that name, constant during a frame
    table_index, table_entry, table_write : writes one `CORRECTION_ENTRY`; acts at once
    saturated : the clip changed a pixel that is not masked, in the clock before it is shown at `o`
    """

    latency = 3

    def __init__(self, params: Params):
        self._params = params
        pixel = stream.Signature(pixel_layout(unsigned(params.sample_bits)))
        super().__init__({
            "i": In(pixel),
            "o": Out(pixel),
            "correction_enabled": In(1),
            "table_index": In(BY_NAME["table_index"].bits),
            "table_entry": In(BY_NAME["correction_data"].bits),
            "table_write": In(1),
            "saturated": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        params, bits = self._params, self._params.sample_bits
        m = Module()
        entry = data.StructLayout({
            field.name: signed(field.bits) if field.signed else unsigned(field.bits)
            for field in CORRECTION_ENTRY
            if field.name != "reserved"
        })  # fmt: skip
        neutral = {"offset": 0, "gain": 1 << GAIN_FRACTION_BITS, "masked": 0}
        pixels = params.rows * params.columns
        m.submodules.table = table = memory.Memory(shape=entry, depth=pixels, init=[neutral] * pixels)
        write, read = table.write_port(), table.read_port()
        m.d.comb += [
            write.addr.eq(self.table_index),
            write.en.eq(self.table_write & (self.table_index < pixels)),
        ]
        for name in neutral:
            start = CORRECTION_ENTRY.offset(name)
            m.d.comb += write.data[name].eq(self.table_entry[start:][: len(write.data[name])])

        # Every step moves at once, whenever the result can go or there is none.
        advance = Signal()
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(advance)]

        # Step 1: look the pixel up. The place in the frame is counted here.
        fetched, fetched_valid, fetched_guard = Signal.like(self.i.payload), Signal(), Signal()
        index, column, row = Signal(range(pixels)), Signal(range(params.columns)), Signal(range(params.rows))
        ring = params.guard_ring
        m.d.comb += [read.addr.eq(index), read.en.eq(advance)]
        with m.If(advance):
            m.d.sync += [
                fetched_valid.eq(self.i.valid),
                fetched.eq(self.i.payload),
                fetched_guard.eq(
                    (column < ring) | (column >= params.columns - ring) | (row < ring) | (row >= params.rows - ring)
                ),
            ]
        with m.If(advance & self.i.valid):
            m.d.sync += [index.eq(index + 1), column.eq(column + 1)]
            with m.If(self.i.payload.row_last):
                m.d.sync += [column.eq(0), row.eq(row + 1)]
            with m.If(self.i.payload.last):
                m.d.sync += [index.eq(0), row.eq(0)]

        # Step 2: offset and gain.
        product = Signal(signed(max(bits, 16) + 2 + len(read.data.gain)))
        second, second_valid, second_masked, second_guard = Signal.like(fetched), Signal(), Signal(), Signal()
        with m.If(advance):
            m.d.sync += [
                second_valid.eq(fetched_valid),
                second.eq(fetched),
                second_masked.eq(read.data.masked),
                second_guard.eq(fetched_guard),
                product.eq((fetched.value - read.data.offset) * read.data.gain),
            ]

        # Step 3: round, clip, replace masked pixels.
        rounded = Signal(signed(len(product) + 1 - GAIN_FRACTION_BITS))
        negative = rounded[-1]
        over = ~negative & rounded[bits:-1].any()
        clipped, last_good = Signal(bits), Signal(bits)
        result = Signal(bits)
        m.d.comb += [
            rounded.eq((product + (1 << (GAIN_FRACTION_BITS - 1))) >> GAIN_FRACTION_BITS),
            clipped.eq((rounded[:bits] | over.replicate(bits)) & ~negative.replicate(bits)),
            result.eq(Mux(self.correction_enabled, Mux(second_masked, last_good, clipped), second.value)),
            self.saturated.eq(advance & second_valid & self.correction_enabled & ~second_masked & (negative | over)),
        ]
        with m.If(advance):
            m.d.sync += [
                self.o.valid.eq(second_valid),
                self.o.payload.value.eq(result),
                Cat(self.o.payload.row_last, self.o.payload.last).eq(Cat(second.row_last, second.last)),
            ]
            with m.If(second_valid):
                with m.If(second.last):
                    m.d.sync += last_good.eq(0)
                with m.Elif(~second_masked & ~second_guard):
                    m.d.sync += last_good.eq(result)
        return m
