"""Bias voltages: the kernel's weights as codes of LTC2668 digital-to-analogue converters.

weight, table[sub-pixel] -> [Bias] -> cs_n, sck, sdi -> LTC2668 -> sub-pixels

      code = zero + |weight| * span / 64          span of the weight's sign; clipped to 0 .. 65535

Timing is that of Analog Devices' LTC2668 with a logic supply of 2.7 V or more (its data sheet's "timing
characteristics"; no copy of it was at hand, so compare before a board is made): SCK up to 50 MHz; t1, t2 6 ns, SDI
before and after SCK rises; t3, t4 9 ns, SCK high, low; t5 10 ns, CS/LD high; t6, t7, t10 7 ns, between SCK rising and
CS/LD. Half a period of SCK takes 20 ns or more here, so each is met twice over.
"""

from amaranth import Cat, Module, Mux, Signal, signed
from amaranth.lib import enum, memory, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import WEIGHT_BITS
from edgeray.protocol.registers import BIAS_ENTRY, BIAS_FRACTION_BITS, BY_NAME
from hdl.params import Params
from hdl.timing import check_frequency, clocks

CHANNELS = 16
"""Of one converter."""
CODE_BITS = 16
ENTRIES = 4
"""Places of the table for a sub-pixel: zero, span of positive weights, span of negative ones, one that is unused."""
_TABLE = 256
_HALF_PERIOD = 20
_WORD = 24
"""Bits of a word: command, channel, code."""
_HEADER = _WORD - CODE_BITS
_UPDATE_ALL = 0b1001
"""Command; that to write one input register is 0."""


class Phase(enum.Enum):
    IDLE = 0
    ZERO = 1
    ADD = 2
    SEND = 3


class Bias(wiring.Component):
    """Writes the codes of all sub-pixels to the converters' input registers, then updates all outputs at once.

    Sub-pixel n (row by row) has channel n % 16 of converter n // 16: a kernel of 3 takes one converter, one of 5 two,
    with a chip select each. One word after the other is computed and sent bit by bit; the last one, update all, goes to
    every converter at once.

    The table comes up with nothing but zeros, so until it was written every output is code 0 whatever the weights: no
    voltage, where the converter is strapped for 0 to 5 V (MSP2 to MSP0 high: zero scale, too, from power-up on). What
    is nowhere calibrated is not biased. A reset of the gateware keeps the table. On a range of both signs code 0 would
    be the full negative voltage: do not strap one.

    `start` writes all. Where one comes while that is done, or the table changes, all is written again, before the
    outputs are updated or at once after. Then `bias_settle_time` clocks pass; while busy no frame should start.
    A write takes (kernel_size**2 + 1) * 72 periods of SCK. Codes saturate at 0 and 65535.

    Parameters
    ----------
    params : `kernel_size` and `clock_frequency`, 1 to 200 MHz.

    Members
    -------
    start : write the weights in force
    busy : from the clock after `start` on, until written and settled
    weight_index : the sub-pixel whose weight is wanted
    weight : that weight, signed; has to be there 40 clocks after `weight_index` changed, and stay
    bias_settle_time : register of that name
    table_index, table_entry, table_write : writes one `BIAS_ENTRY`: 4 * sub-pixel + 0 code of weight 0, + 1 span of
        positive weights, + 2 span of negative ones, in codes a weight of 64; seen by the next `start`
    pins.cs_n : chip select and load, one a converter, low during its word (LTC2668: CS/LD)
    pins.sck : serial clock, low at rest (SCK)
    pins.sdi : data to the converters (SDI); their LDAC and CLR are tied high, TGP low
    """

    @staticmethod
    def pins_signature(params: Params) -> wiring.Signature:
        """The port towards the converters."""
        converters = -(-(params.kernel_size**2) // CHANNELS)
        every = (1 << converters) - 1
        return wiring.Signature({"cs_n": Out(converters, init=every), "sck": Out(1), "sdi": Out(1)})

    def __init__(self, params: Params):
        check_frequency(params.clock_frequency, "LTC2668")
        self._params = params
        super().__init__({
            "start": In(1),
            "busy": Out(1),
            "weight_index": Out(range(params.kernel_size**2 + 1)),
            "weight": In(signed(WEIGHT_BITS)),
            "bias_settle_time": In(BY_NAME["bias_settle_time"].bits),
            "table_index": In(BY_NAME["table_index"].bits),
            "table_entry": In(BY_NAME["bias_data"].bits),
            "table_write": In(1),
            "pins": Out(self.pins_signature(params)),
        })  # fmt: skip

    @property
    def half(self) -> int:
        """Clocks of half a period of SCK; two at least, so that a bit of the table has three to be looked up."""
        return max(2, clocks(_HALF_PERIOD, self._params.clock_frequency))

    @property
    def duration(self) -> int:
        """Most clocks of a write, without settling."""
        return (self._params.kernel_size**2 + 1) * 3 * _WORD * 2 * self.half + 8

    def elaborate(self, platform):
        m = Module()
        channels, pins = self._params.kernel_size**2, self.pins
        m.submodules.table = table = memory.Memory(shape=CODE_BITS, depth=_TABLE, init=[])
        write, read = table.write_port(), table.read_port(domain="comb")
        value = BIAS_ENTRY.offset("value")
        m.d.comb += [
            write.addr.eq(self.table_index),
            write.data.eq(self.table_entry[value:]),
            write.en.eq(self.table_write & ((self.table_index >> len(write.addr)) == 0)),
        ]

        # Every phase goes through 24 bits, each for a low and a high half of SCK.
        phase, bit, high, half_ends = Signal(Phase), Signal(range(_WORD)), Signal(), Signal()
        pending, settling, updates = Signal(), Signal(), Signal()
        bit_ends, phase_ends = Signal(), Signal()
        ticks = Signal(range(self.half))
        m.d.comb += half_ends.eq(ticks == self.half - 1)
        m.d.sync += ticks.eq(Mux(half_ends, 0, ticks + 1))
        m.d.comb += [
            bit_ends.eq(half_ends & high & (phase != Phase.IDLE)),
            phase_ends.eq(bit_ends & (bit == _WORD - 1)),
            updates.eq(self.weight_index == channels),
            self.busy.eq((phase != Phase.IDLE) | pending | settling),
        ]
        with m.If(half_ends):
            m.d.sync += high.eq(~high & (phase != Phase.IDLE))
        with m.If(bit_ends):
            m.d.sync += bit.eq(Mux(phase_ends, 0, bit + 1))
        starts = pending & ((phase == Phase.IDLE) | (phase_ends & (phase == Phase.SEND)))
        with m.If(half_ends & starts):
            m.d.sync += [phase.eq(Phase.ZERO), self.weight_index.eq(0), pending.eq(0), settling.eq(1)]
        with m.Elif(phase_ends), m.Switch(phase):
            with m.Case(Phase.ZERO):
                m.d.sync += phase.eq(Phase.ADD)
            with m.Case(Phase.ADD):
                m.d.sync += phase.eq(Phase.SEND)
            with m.Case(Phase.SEND):
                m.d.sync += [
                    phase.eq(Mux(updates, Phase.IDLE, Phase.ZERO)),
                    self.weight_index.eq(self.weight_index + 1),
                ]
        # Where the table changes meanwhile, what was read of it may be half of one entry and half of another.
        with m.If(self.start | (self.table_write & (phase != Phase.IDLE))):
            m.d.sync += pending.eq(1)

        # The settling time is held until the converters are updated, then counted down.
        remaining, counts, ended = Signal.like(self.bias_settle_time), Signal(), Signal()
        counted = remaining + counts.replicate(len(remaining))
        m.d.sync += [
            counts.eq(settling & (phase == Phase.IDLE) & ~pending),
            remaining.eq(Mux(counts, counted, self.bias_settle_time)),
            ended.eq(counts & ~counted[-1]),
        ]
        with m.If(counts & ended & ~pending):
            m.d.sync += settling.eq(0)

        code, beyond = self._compute(m, read, phase, bit, bit_ends)

        # On the wire: the command and the channel, then the code, the most significant bit first.
        header = Mux(bit[2], self.weight_index[:4].bit_select(~bit[:2], 1), updates & (bit[0] == bit[1]))
        sends = phase == Phase.SEND
        m.d.sync += [
            pins.sck.eq(sends & high),
            pins.sdi.eq(Mux(bit[3:] == 0, header, (code[-1] | beyond[0]) & ~beyond[1])),
        ]
        for converter in range(len(pins.cs_n)):
            own = updates | (self.weight_index[4:] == converter)
            m.d.sync += pins.cs_n[converter].eq(~(sends & own))
        return m

    def _compute(self, m, read, phase, bit, bit_ends) -> tuple[Signal, Signal]:
        """The code of the sub-pixel, which SEND shifts out at its upper end; and the two bits above it."""
        code, beyond = Signal(CODE_BITS), Signal(2)
        weight = self.weight
        if self._params.is_pipelined:
            # It may come out of a memory.
            weight = Signal.like(weight)
            m.d.sync += weight.eq(self.weight)
        negative = weight[-1]
        adds = phase == Phase.ADD
        entry = Mux(adds, Cat(~negative, negative), 0)
        m.d.comb += read.addr.eq(Cat(entry, self.weight_index))
        # Not while it is written: so no cell of the FPGA has to be told what a collision means.
        looked_up = Signal(CODE_BITS)
        with m.If(~self.table_write):
            m.d.sync += looked_up.eq(read.data)
        if self._params.is_pipelined:
            shown = Signal(CODE_BITS)
            m.d.sync += shown.eq(looked_up)
            looked_up = shown

        # The entry is read from bit 0 up; behind its last bit that one, its sign, is repeated.
        place, table_bit = Signal(range(CODE_BITS)), Signal()
        m.d.comb += place.eq(bit | bit[4].replicate(4))
        m.d.sync += table_bit.eq(looked_up.bit_select(place, 1))

        # weight * span, bit by bit from the lowest; a negative weight's product is negated: inverted, plus one.
        product, carry = Signal(signed(WEIGHT_BITS)), Signal()
        partial = Signal(signed(WEIGHT_BITS + 1))
        m.d.comb += partial.eq(Mux(table_bit, product + weight, product))
        inside = Signal()
        with m.Switch(bit), m.Case(*range(BIAS_FRACTION_BITS, BIAS_FRACTION_BITS + CODE_BITS)):
            m.d.comb += inside.eq(1)
        one, other = partial[0] ^ negative, code[0] & inside
        added = Cat(one ^ other ^ carry, (one & other) | (carry & (one | other)))
        moves, enters = Signal(), Signal()
        with m.Switch(phase):
            with m.Case(Phase.ZERO):
                m.d.comb += [moves.eq(~bit[4]), enters.eq(table_bit)]
            with m.Case(Phase.ADD):
                m.d.comb += [moves.eq(inside), enters.eq(added[0])]
            with m.Default():
                m.d.comb += moves.eq(bit[3:] != 0)
        # The code comes in at its upper end, the lowest bit first, and leaves there, the highest first.
        with m.If(bit_ends):
            with m.If(moves):
                m.d.sync += code.eq(Mux(phase == Phase.SEND, code << 1, Cat(code[1:], enters)))
            with m.If(adds):
                m.d.sync += [product.eq(partial >> 1), carry.eq(added[1]), beyond.eq(Cat(beyond[1], added[0]))]
            with m.Else():
                m.d.sync += [product.eq(0), carry.eq(negative)]
        return code, beyond
