"""Per-pixel correction: the last stage before the kernel, and what a raw frame shows.

pixel -> [Correct] -> corrected pixel -> window (edge readout), encoder (raw readout)
              ^
       table[index]: offset, gain, masked
"""

from typing import Any

from amaranth import Cat, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME, CORRECTION_ENTRY, GAIN_FRACTION_BITS
from hdl.layouts import pixel_layout
from hdl.params import Params
from hdl.place import SINGLE_PORT, Place

_GAIN_BITS = CORRECTION_ENTRY["gain"].bits
_ENTRY = data.StructLayout(
    {"inverted_offset": signed(CORRECTION_ENTRY["offset"].bits), "gain": _GAIN_BITS, "masked": 1}
)
_NEUTRAL = {"inverted_offset": -1, "gain": 1 << GAIN_FRACTION_BITS, "masked": 0}
_HALF = 1 << (GAIN_FRACTION_BITS - 1)
_FLAGS = data.StructLayout({"masked": 1, "guard": 1, "row_last": 1, "last": 1})


class Correct(wiring.Component):
    """(pixel - offset) * gain / 2**GAIN_FRACTION_BITS, rounded half up, clipped to 0 .. 2**sample_bits - 1.

    A masked pixel takes the value of the last unmasked imaging pixel before it in the frame, 0 where there is none; a
    pixel of the guard ring never lends its value. With `correction_enabled` low pixels pass unchanged.
    Throughput one pixel a clock, `latency` clocks; a frame's first pixel waits one clock more for its entry, and each
    write to the table holds the pixels for one.

    The table has one port and no initial value. After reset it is written neutral (offset 0, gain 1, nothing masked),
    an entry a clock; pixels wait meanwhile, and so have writes to.

    Members
    -------
    i, o : streams of pixels, unsigned(sample_bits)
    correction_enabled : register of that name, constant during a frame
    table_index, table_entry, table_write : writes one `CORRECTION_ENTRY`, nothing where the table has no such index. In
        force from the next pixel on; amid a frame from the one after, as the entry of a waiting pixel is read already
    table_ready : the table is neutral; `table_write` before that does nothing
    saturated : the clip changed a pixel that is not masked, in the clock in which it is taken from `o`, in a pipelined
        build the one before it is shown there
    """

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
            "table_ready": Out(1),
            "saturated": Out(1),
        })  # fmt: skip

    @property
    def latency(self) -> int:
        return 5 if self._params.is_pipelined else 2

    def elaborate(self, platform):
        params, bits = self._params, self._params.sample_bits
        m = Module()
        # Every step moves at once, whenever the result can go or there is none.
        advance, accepts = Signal(), Signal()
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), accepts.eq(self.i.valid & self.i.ready)]

        def later(value: Any, name: str) -> Signal:
            """A register behind `value`; without a reset, so that it can be one of a multiplier's own."""
            register = Signal(Shape.cast(value.shape()), name=name, reset_less=True)
            with m.If(advance):
                m.d.sync += register.eq(value)
            return register

        def product(value: Any, factor: Any, name: str) -> Value:
            """Of two registers, in two parts: where it is made of logic, a whole one would take too long."""
            half = len(factor) // 2
            low, high = later(value * factor[:half], f"{name}_low"), later(value * factor[half:], f"{name}_high")
            return low + (high << half)

        entry, guard = self._look_up(m, accepts)

        # (pixel - offset) * gain + half, in two products: -offset is inverted_offset + 1.
        # Disabled, it is what a neutral entry makes of the pixel.
        enabled = self.correction_enabled
        pixel = later(self.i.payload.value, "pixel")
        inverted_offset = entry.inverted_offset
        offset_gain = entry.gain & enabled.replicate(_GAIN_BITS)
        pixel_gain = later(offset_gain | (~enabled << GAIN_FRACTION_BITS), "pixel_gain")
        if params.is_pipelined:
            offset_gain, inverted_offset = later(offset_gain, "offset_gain"), later(inverted_offset, "inverted_offset")
            rest = later(product(inverted_offset, offset_gain, "offset") + later(offset_gain + _HALF, "half"), "rest")
            total = later(later(product(pixel, pixel_gain, "pixel"), "product") + rest, "total")
        else:
            # Two multipliers that have registers before and behind them, and an adder between, take all of this.
            rest = later(inverted_offset * offset_gain + (offset_gain + _HALF), "rest")
            # The sign goes inverted: else yosys takes the register into both multipliers, and what it holds is lost.
            sum_ = later((pixel * pixel_gain + Cat(rest[:-1], ~rest[-1]))[: len(rest)], "total")
            total = Cat(sum_[:-1], ~sum_[-1])

        # What goes with the pixel.
        flags = Signal(_FLAGS)
        m.d.comb += [
            flags.masked.eq(entry.masked & enabled),
            flags.guard.eq(guard),
            Cat(flags.row_last, flags.last).eq(Cat(self.i.payload.row_last, self.i.payload.last)),
        ]
        valid: Any = accepts
        for step in range(4 if params.is_pipelined else 2):
            before, flags = flags, Signal(_FLAGS, name=f"flags_{step}")
            before_valid, valid = valid, Signal(name=f"valid_{step}")
            with m.If(advance):
                m.d.sync += [valid.eq(before_valid), flags.eq(before)]

        # Clip, replace masked pixels.
        negative = total[-1]
        over = ~negative & total[GAIN_FRACTION_BITS + bits : -1].any()
        last_good, result = Signal(bits), Signal(bits)
        # As two signals: a bit of the result is then a function of four.
        high_or_masked, low_or_masked = over | flags.masked, negative | flags.masked
        with m.Switch(Cat(high_or_masked, low_or_masked)):
            with m.Case(0b00):
                m.d.comb += result.eq(total[GAIN_FRACTION_BITS:])
            with m.Case(0b01):
                m.d.comb += result.eq(params.full_scale)
            with m.Case(0b10):
                m.d.comb += result.eq(0)
            with m.Case(0b11):
                m.d.comb += result.eq(last_good)
        m.d.comb += self.saturated.eq(advance & valid & ~flags.masked & (negative | over))
        with m.If(advance & valid):
            with m.If(flags.last):
                m.d.sync += last_good.eq(0)
            with m.Elif(~flags.masked & ~flags.guard):
                m.d.sync += last_good.eq(result)
        result = Cat(result, flags.row_last, flags.last)
        if params.is_pipelined:
            with m.If(advance):
                m.d.sync += [self.o.valid.eq(valid), Cat(self.o.payload).eq(result)]
        else:
            m.d.comb += [self.o.valid.eq(valid), Cat(self.o.payload).eq(result)]
        return m

    def _look_up(self, m: Module, accepts: Signal) -> tuple[Any, Signal]:
        """The entry of the pixel at `i`, and whether it lies in the guard ring; says when a pixel is accepted."""
        pixels = self._params.rows * self._params.columns
        exists = _is_below(self.table_index, pixels)
        # Never read and written in one clock, so what a collision would give does not matter.
        m.submodules.table = table = memory.Memory(shape=_ENTRY, depth=pixels, init=[], attrs=SINGLE_PORT)
        m.submodules.place = place = Place(self._params)
        write, read = table.write_port(), table.read_port()
        # The entry at `read` is that of the pixel at `i`; `place` is then one pixel ahead.
        walks, is_there, guard = Signal(init=1), Signal(), Signal()
        writes, ends = Signal(), Signal()
        m.d.comb += [
            self.table_ready.eq(~walks),
            writes.eq(~walks & self.table_write),
            self.i.ready.eq((~self.o.valid | self.o.ready) & is_there & ~writes),
            accepts.eq(self.i.valid & self.i.ready),
            ends.eq(accepts & self.i.payload.last),
            # One address: the table's own, but while it is written from outside.
            read.addr.eq(Mux(writes, self.table_index, place.index)),
            read.en.eq(~walks & ~writes & self.i.valid & (~is_there | (self.i.ready & ~self.i.payload.last))),
            write.addr.eq(read.addr),
            write.en.eq(walks | (writes & exists)),
            place.step.eq(walks | read.en),
            place.restart.eq((walks & place.last) | ends),
        ]
        for name, value in _NEUTRAL.items():
            field = CORRECTION_ENTRY.offset(name.removeprefix("inverted_"))
            given = self.table_entry[field:][: len(write.data[name])]
            given = ~given if name == "inverted_offset" else given
            m.d.comb += write.data[name].eq(Mux(walks, value, given))
        with m.If(walks & place.last):
            m.d.sync += walks.eq(0)
        with m.If(read.en):
            m.d.sync += [is_there.eq(1), guard.eq(place.guard)]
        with m.Elif(ends):
            m.d.sync += is_there.eq(0)
        return read.data, guard


def _is_below(value: Value, limit: int) -> Value:
    """`value` < `limit`, without a subtraction where `limit` is a power of two."""
    return ~value[limit.bit_length() - 1 :].any() if limit & (limit - 1) == 0 else value < limit
