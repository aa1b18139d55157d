"""Encoder: turns a frame's pixels into payloads.

    kept or not --> bitmap, a word every 32 pixels --\\
    pixel                                             [Encode] -> words, each with its place -> packet buffer
    value, if kept -> packed bits, a word when full --/

The bitmap comes first in a payload and its length is known beforehand, so both parts are written as they fill.
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import WORD_BITS, PacketType
from edgeray.protocol.registers import BY_NAME, ReadoutMode, ThresholdMode
from hdl.layouts import result_layout, word_layout
from hdl.params import Params


class Encode(wiring.Component):
    """Writes STORED payloads of every pixel (raw readout, or threshold OFF) or BITMAP payloads of the kept ones.

    A payload ends after `Params.rows_per_packet` rows and at the end of the frame. One pixel a clock; at the end of a
    payload the stage accepts nothing for 3 or 4 clocks, in which it writes what is left. Latency: a word of values is
    shown 1 clock after the pixel that fills it is accepted, a full word of the bitmap 1 or 2 clocks later, a payload's
    end 4 or 5 clocks after its last pixel. Nothing saturates.

    Members
    -------
    i : stream of `result_layout`; in raw readout every pixel is kept and not negative
    o : stream of `word_layout`
    readout_mode, threshold_mode, stride : registers of that name, constant during a frame
    """

    latency = 1

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(result_layout(params))),
            "o": Out(stream.Signature(word_layout(params))),
            "readout_mode": In(BY_NAME["readout_mode"].bits),
            "threshold_mode": In(BY_NAME["threshold_mode"].bits),
            "stride": In(BY_NAME["stride"].bits),
        })  # fmt: skip

    def elaborate(self, platform):
        params = self._params
        m = Module()
        pixel, word = self.i.payload, self.o.payload
        raw = self.readout_mode == ReadoutMode.RAW
        stored = raw | (self.threshold_mode == ThresholdMode.OFF)
        value_bits = Mux(raw, params.sample_bits, params.response_bits)
        value_mask = Mux(raw, params.full_scale, (1 << params.response_bits) - 1)

        # Rows of the payload so far, and the frame's row that it begins with.
        most_rows = min(params.rows, params.rows_per_packet)
        row, first_row, last = Signal(range(most_rows + 1)), Signal(len(word.first_row)), Signal()
        # Words written of each part, and the bits that do not fill one yet.
        bitmap_words, value_words = Signal(len(word.offset)), Signal(len(word.offset))
        bitmap, bitmap_fill = Signal(WORD_BITS), Signal(range(WORD_BITS))
        packed, packed_fill = Signal(WORD_BITS), Signal(range(WORD_BITS))
        # A full word of the bitmap waits here for a clock in which no value word is written. That is one of the next
        # two: a pixel has too few bits to fill a word every clock.
        waiting, waiting_valid = Signal(WORD_BITS), Signal()

        values_start = Signal(len(word.offset))
        with m.If(~stored):
            m.d.comb += values_start.eq(self._bitmap_words(m, first_row))

        advance, accept = Signal(), Signal()
        bitmap_next, packed_next = Signal(WORD_BITS), Signal(2 * WORD_BITS)
        fill_next = Signal(range(2 * WORD_BITS))
        fills_word, ends = Signal(), Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            accept.eq(self.i.valid & self.i.ready),
            bitmap_next.eq(bitmap | (pixel.kept << bitmap_fill)),
            packed_next.eq(packed | ((pixel.value & value_mask) << packed_fill)),
            fill_next.eq(packed_fill + value_bits),
            fills_word.eq(accept & pixel.kept & (fill_next >= WORD_BITS)),
            ends.eq(pixel.row_last & (pixel.last | (row == most_rows - 1))),
        ]

        def write(offset, content):
            return [self.o.valid.eq(1), word.end.eq(0), word.offset.eq(offset), word.data.eq(content)]

        write_waiting = [*write(bitmap_words, waiting), waiting_valid.eq(0), bitmap_words.eq(bitmap_words + 1)]

        with m.If(advance):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("PIXELS"):
                m.d.comb += self.i.ready.eq(advance)
                with m.If(fills_word):
                    m.d.sync += [*write(values_start + value_words, packed_next), value_words.eq(value_words + 1)]
                with m.Elif(advance & waiting_valid):
                    m.d.sync += write_waiting
                with m.If(accept):
                    m.d.sync += row.eq(row + pixel.row_last)
                    with m.If(pixel.kept):
                        m.d.sync += [
                            packed.eq(Mux(fills_word, packed_next >> WORD_BITS, packed_next)),
                            packed_fill.eq(fill_next),
                        ]
                    with m.If(~stored):
                        m.d.sync += [bitmap.eq(bitmap_next), bitmap_fill.eq(bitmap_fill + 1)]
                        with m.If(bitmap_fill == WORD_BITS - 1):
                            m.d.sync += [bitmap.eq(0), waiting.eq(bitmap_next), waiting_valid.eq(1)]
                    with m.If(ends):
                        m.d.sync += last.eq(pixel.last)
                        m.next = "REST OF BITMAP"
            with m.State("REST OF BITMAP"), m.If(advance):
                with m.If(waiting_valid):
                    m.d.sync += write_waiting
                with m.Else():
                    with m.If(bitmap_fill != 0):
                        m.d.sync += write(bitmap_words, bitmap)
                    m.next = "REST OF VALUES"
            with m.State("REST OF VALUES"), m.If(advance):
                with m.If(packed_fill != 0):
                    m.d.sync += write(values_start + value_words, packed)
                m.next = "END"
            with m.State("END"), m.If(advance):
                m.d.sync += [
                    self.o.valid.eq(1),
                    word.end.eq(1),
                    word.type.eq(Mux(stored, PacketType.STORED, PacketType.BITMAP)),
                    word.length.eq(((values_start + value_words) << 2) + ((packed_fill + 7) >> 3)),
                    word.first_row.eq(first_row),
                    word.last.eq(last),
                    first_row.eq(Mux(last, 0, first_row + most_rows)),
                    Cat(row, bitmap_words, value_words, bitmap, bitmap_fill, packed, packed_fill).eq(0),
                ]
                m.next = "PIXELS"
        return m

    def _bitmap_words(self, m: Module, first_row: Signal) -> Signal:
        """Words of the bitmap of the payload that begins with `first_row`: a full one's, or the frame's last one's."""
        params, step = self._params, self._params.rows_per_packet
        words = Signal(len(self.o.payload.offset))
        with m.Switch(self.stride):
            for stride in params.strides:
                with m.Case(stride):
                    rows, columns = params.frame_shape(stride)
                    tail = (rows - 1) // step * step
                    full, rest = (-(-count * columns // WORD_BITS) for count in (step, rows - tail))
                    m.d.comb += words.eq(Mux(first_row == tail, rest, full))
        return words
