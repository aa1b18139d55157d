"""Sample input: two AD7476A converters that share chip select and clock, as on Digilent's Pmod AD1.

request -> [AD7476A] -> samples -> CDS
             |     ^
 cs_n, sclk  v     | reset_data, signal_data

Timing is that of Analog Devices' data sheet AD7476A/AD7477A/AD7478A, rev. F: table 4 (timing specifications), figures 3
and 4, the timing examples on page 9, and the pages "serial interface" and "power-up times". Over 3.0 to 3.6 V:

    fSCLK      10 kHz to 20 MHz, 40/60 to 60/40    t4       40 ns max, SCLK falling to data valid
    t1         10 ns min, CS high                  t7       9.5 ns min, SCLK falling to data changing (7 ns above 3.6 V)
    t2         10 ns min, CS falling to SCLK       t8       36 ns max, 16th SCLK falling to three-state
    tQUIET     50 ns min, three-state to next CS   tACQ     250 ns min, tracking before the next CS
    tPOWER-UP  1 us max                            cycle    1 us min (1 million samples a second)
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.detector import GeometryError
from hdl.layouts import request_layout, sample_layout
from hdl.params import Params
from hdl.timing import PADS_AND_BOARD, check_frequency, clocks

BITS = 12
_ZEROS = 4
"""Bits that come before a conversion's result."""
_FALLS = _ZEROS + BITS
_SHORTEST_HIGH_OR_LOW = 25
"""Half of fSCLK's shortest period; SCLK is symmetrical."""
_ACCESS, _CS_HIGH, _RELINQUISH, _QUIET, _ACQUISITION, _CYCLE = 40, 10, 36, 50, 250, 1000
_TRACKING_FROM = 13
"""The input is tracked from the rising edge of SCLK after this falling edge (figure 3, point B)."""


class AD7476A(wiring.Component):
    """Converts both samples of a pixel at once, one converter for each.

    Chip select falls while the addressed pixel is offered at `i`: at that moment both converters hold their inputs.
    The request is accepted a period of SCLK later (60 ns or more, the converter's aperture delay is 10), so the select
    lines stay put while the input is tracked and held, and may settle for the next pixel while this one is converted.
    The settling times have to cover the way from a select line to the converter's pin; that the converter has tracked
    it for tACQ is seen to here. The first conversion after reset only wakes the converters and is thrown away.

    A period of SCLK is at least 60 ns: data comes 40 ns after the falling edge and is taken, straight from the pin, at
    the clock edge that makes the next falling edge, which leaves 20 ns for pads and board (`PADS_AND_BOARD`); it stays
    for t7 after that edge, whose delay adds to it. So the pins need no synchroniser. Everything that leaves is a
    register.

    Latency `latency`, a pixel every `interval` clocks: 364 thousand a second at 12 MHz, 706 thousand at 24 and 48, 952
    thousand at 100. No conversion starts while a sample waits to be taken, so none is lost. A build of fewer than 12
    bits takes the upper ones (truncates). Nothing saturates.

    Parameters
    ----------
    params : `clock_frequency` sets the pace.

    Raises
    ------
    GeometryError : more than 12 bits, or a clock outside 1 to 200 MHz.

    Members
    -------
    i : stream of `request_layout`
    o : stream of `sample_layout`
    pins.cs_n : chip select of both converters, low while they convert (Pmod AD1: pin 1)
    pins.reset_data : data of the converter at the readout chip's reset-sample output (Pmod AD1: pin 2, D0, input A0)
    pins.signal_data : data of the one at its signal-sample output (Pmod AD1: pin 3, D1, input A1)
    pins.sclk : serial clock of both, high at rest (Pmod AD1: pin 4)
    """

    @staticmethod
    def pins_signature(params: Params) -> wiring.Signature:
        """The port towards the converters."""
        return wiring.Signature({
            "cs_n": Out(1, init=1),
            "sclk": Out(1, init=1),
            "reset_data": In(1),
            "signal_data": In(1),
        })  # fmt: skip

    def __init__(self, params: Params):
        if params.sample_bits > BITS:
            raise GeometryError(f"sample_bits takes up to {BITS} with the AD7476A, not {params.sample_bits}")
        check_frequency(params.clock_frequency, "AD7476A")
        self._params = params
        super().__init__({
            "i": In(stream.Signature(request_layout())),
            "o": Out(stream.Signature(sample_layout(params))),
            "pins": Out(self.pins_signature(params)),
        })  # fmt: skip

    @property
    def half(self) -> int:
        """Clocks of half a period of SCLK."""
        frequency = self._params.clock_frequency
        return max(clocks(_SHORTEST_HIGH_OR_LOW, frequency), clocks((_ACCESS + PADS_AND_BOARD) / 2, frequency))

    @property
    def halves(self) -> int:
        """Half periods of SCLK from one conversion to the next.

        Counted from chip select's fall: SCLK falls for the nth time after 2 n - 1 of them and rises after 2 n.
        """
        frequency, half = self._params.clock_frequency, self.half

        def halves(nanoseconds: int) -> int:
            return -(-clocks(nanoseconds, frequency) // half)

        last_fall, end = 2 * _FALLS - 1, 2 * _FALLS
        return max(
            end + halves(_CS_HIGH),
            last_fall + halves(_RELINQUISH + _QUIET),
            2 * _TRACKING_FROM + halves(_ACQUISITION),
            # The dummy conversion has to last for tPOWER-UP, which is as long.
            halves(_CYCLE),
        )

    @property
    def latency(self) -> int:
        return 2 * _FALLS * self.half + 1

    @property
    def interval(self) -> int:
        """Clocks from one pixel to the next, never stalled."""
        return self.halves * self.half

    def elaborate(self, platform):
        m = Module()
        bits, half, pins, sample = self._params.sample_bits, self.half, self.pins, self.o.payload
        end, last = 2 * _FALLS, self.halves - 1

        # Half periods: below `end` chip select is low, odd ones have SCLK low; in `last` the next start is waited for.
        place, tick = Signal(range(last + 1), init=end), Signal()
        starts, falls, ends, awake = Signal(), Signal(), Signal(), Signal()
        converting = ~pins.cs_n
        m.d.comb += [
            starts.eq(tick & (place == last) & (self.i.valid | ~awake) & (~self.o.valid | self.o.ready)),
            falls.eq(tick & converting & ~place[0]),
            ends.eq(tick & (place == end - 1)),
            self.i.ready.eq(tick & converting & (place == 1) & awake),
        ]
        if half == 1:
            m.d.comb += tick.eq(1)
        else:
            ticks = Signal(range(half))
            m.d.comb += tick.eq(ticks == half - 1)
            with m.If(~tick):
                m.d.sync += ticks.eq(ticks + 1)
            with m.Elif(starts | (place != last)):
                m.d.sync += ticks.eq(0)
        with m.If(starts):
            m.d.sync += [place.eq(0), pins.cs_n.eq(0)]
        with m.Elif(tick & (place != last)):
            m.d.sync += [place.eq(place + 1), pins.sclk.eq(~falls)]
        with m.If(ends):
            m.d.sync += [pins.cs_n.eq(1), awake.eq(1)]

        # A bit is taken as SCLK falls for the next one; the zeros before the result are shifted out.
        with m.If(falls & ((place < 2 * (_ZEROS + bits)) if bits < BITS else 1)):
            for data, value in ((pins.reset_data, sample.reset), (pins.signal_data, sample.signal)):
                m.d.sync += value.eq(Cat(data, value))
        with m.If(self.i.ready):
            m.d.sync += [sample.row_last.eq(self.i.payload.row_last), sample.last.eq(self.i.payload.last)]
        m.d.sync += self.o.valid.eq(Mux(self.o.valid, ~self.o.ready, ends & awake))
        return m
