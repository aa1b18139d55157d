"""Sample input: the MAX11120-MAX11128 family's eight-channel converters, one of which sits on the ULX3S.

request -> [MAX11125, MAX11123] -> samples -> CDS
                  |     ^
 cs_n, sclk, din  v     | dout

AIN0 takes the readout chip's reset-sample output, AIN1 its signal-sample output. Boards carry the MAX11125 (12 bits;
the ULX3S manual since PCB 3) or the MAX11123 (8 bits; schematics before): the class that a board names says which.

Protocol: external clock, SPI mode 3, 16 clocks a frame, the most significant bit first. A frame's word on DIN says
which channel the next frame converts; a channel is sampled as chip select falls; a result comes in the frame that
converts it, behind its channel's number (CHAN_ID). These are the figures for the family at 3.3 V (its data sheet's
"timing characteristics"; no copy of it was at hand, so compare before a board is made):

    fSCLK  160 kHz to 16 MHz, 40/60 to 60/40       tDOT   4 to 16.5 ns, SCLK falling to DOUT changing
    tCSS   4 ns min, CS falling to SCLK falling    tDS    4 ns min, DIN to SCLK rising
    tCSH   1 ns min, SCLK falling to CS falling    tDH    1 ns min, SCLK rising to DIN
    tCSBW  5 ns min, CS high                       tACQ   156 ns min, tracking before CS falls
"""

from typing import ClassVar

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.detector import GeometryError
from hdl.layouts import request_layout, sample_layout
from hdl.params import Params
from hdl.timing import PADS_AND_BOARD, check_frequency, clocks

_ID, _RESULT = 4, 12
"""Bits of a frame on DOUT: the channel, and the result, left-aligned."""
_FRAME = _ID + _RESULT
_SHORTEST_HIGH_OR_LOW, _ACCESS, _CS_HIGH, _ACQUISITION = 31.25, 16.5, 5, 156.25
_TRACKING_FROM = 14
"""The next channel is tracked from this rising edge of SCLK: 2.5 periods at 16 MHz are tACQ."""

_RESET = 0x0040
"""Mode control: all registers to their defaults, nothing else."""
_CONFIGURATION = 0x8000
"""Configuration: external reference, no averaging, no echo, always on."""
_UNIPOLAR, _BIPOLAR = 0x8800, 0x9000
"""No pair of inputs is differential, none bipolar."""
_CONVERT = (0x0804, 0x0884)
"""Mode control: manual, external clock, normal power, CHAN_ID, next channel AIN0, AIN1."""


class MAX11125(wiring.Component):
    """Converts a pixel's reset sample, then its signal sample.

    Chip select falls twice a pixel, and both times the addressed pixel is still offered at `i`. The request is accepted
    in the second frame, behind the channel's number: 300 ns or more after the second sample was taken. So the select
    lines stay put while either sample is tracked, and may settle for the next pixel during the rest of the frame. The
    settling times have to cover the way from a select line to the converter's pin; that the converter has tracked it
    for tACQ is seen to here.

    After reset the converter is reset and configured. A pixel whose results do not carry the numbers 0 and 1 is not
    accepted: the converter is configured again and the pixel converted anew. So a converter that lost its settings
    recovers, and where there is none the frame never ends, rather than to be of noise.

    Half a period of SCLK is at least 36.5 ns: DOUT changes up to 16.5 ns after the falling edge and is taken, straight
    from the pin, at the clock edge that makes the rising edge, which leaves 20 ns for pads and board; it stays until
    the next falling edge. So the pin needs no synchroniser. DIN changes with the falling edge. Everything that leaves
    is a register.

    Latency `latency`, a pixel every `interval` clocks: 176 thousand a second at 12 MHz, 353 thousand at 24 and 48, 368
    thousand at 100. No conversion starts while a sample waits to be taken, so none is lost. A build of fewer bits than
    the converter has takes the upper ones (truncates). Nothing saturates.

    Parameters
    ----------
    params : `clock_frequency` sets the pace.

    Raises
    ------
    GeometryError : more bits than the converter has, or a clock outside 1 to 200 MHz.

    Members
    -------
    i : stream of `request_layout`
    o : stream of `sample_layout`
    pins.cs_n : chip select, low during a frame
    pins.sclk : serial clock, high at rest
    pins.din : data to the converter
    pins.dout : data from it
    """

    bits: ClassVar[int] = 12
    """Bits of a result."""

    @staticmethod
    def pins_signature(params: Params) -> wiring.Signature:
        """The port towards the converter."""
        return wiring.Signature({"cs_n": Out(1, init=1), "sclk": Out(1, init=1), "din": Out(1), "dout": In(1)})

    def __init__(self, params: Params):
        chip = type(self).__name__
        if params.sample_bits > self.bits:
            raise GeometryError(f"sample_bits takes up to {self.bits} with the {chip}, not {params.sample_bits}")
        check_frequency(params.clock_frequency, chip)
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
        return max(clocks(_SHORTEST_HIGH_OR_LOW, frequency), clocks(_ACCESS + PADS_AND_BOARD, frequency))

    @property
    def halves(self) -> int:
        """Half periods of SCLK from one frame to the next.

        Counted from SCLK's first fall: it falls for the nth time after 2 n - 2 of them and rises after 2 n - 1. Chip
        select rises after the last, and falls one half before the next first.
        """
        frequency, half = self._params.clock_frequency, self.half
        high, acquisition = (-(-clocks(time, frequency) // half) for time in (_CS_HIGH, _ACQUISITION))
        return 1 + max(2 * _FRAME + high, 2 * _TRACKING_FROM - 1 + acquisition)

    @property
    def latency(self) -> int:
        """Clocks from a request to its samples, where the converter is configured and idle."""
        return self.interval - (self.halves - 2 * _FRAME - 1) * self.half + 1

    @property
    def interval(self) -> int:
        """Clocks from one pixel to the next, never stalled."""
        return 2 * self.halves * self.half

    def elaborate(self, platform):
        m = Module()
        bits, half, pins, sample = self._params.sample_bits, self.half, self.pins, self.o.payload
        end, lead = 2 * _FRAME, self.halves - 1
        rest = lead - 1

        # What a frame tells the converter; the last two are a pixel's, each converting what the one before chose.
        words = (_RESET, _CONFIGURATION, _UNIPOLAR, _BIPOLAR, _CONVERT[0], _CONVERT[1], _CONVERT[0])
        first, second = len(words) - 2, len(words) - 1
        frame = Signal(range(len(words)))

        # Half periods: in even ones below `end` SCLK is low; in `rest` the next start is waited for, in `lead` chip
        # select is low already.
        place, tick = Signal(range(lead + 1), init=end), Signal()
        starts, falls, rises, ends, is_good = (
            Signal(name=name) for name in ("starts", "falls", "rises", "ends", "good")
        )
        m.d.comb += [
            starts.eq(tick & (place == rest) & ((frame != first) | self.i.valid) & (~self.o.valid | self.o.ready)),
            falls.eq(tick & ((place == lead) | (place[0] & (place < end - 1)))),
            rises.eq(tick & ~place[0] & (place < end) & ~pins.cs_n),
            ends.eq(tick & (place == end - 1)),
            self.i.ready.eq(rises & (place == 2 * _ID) & (frame == second) & is_good),
        ]
        if half == 1:
            m.d.comb += tick.eq(1)
        else:
            ticks = Signal(range(half))
            m.d.comb += tick.eq(ticks == half - 1)
            with m.If(~tick):
                m.d.sync += ticks.eq(ticks + 1)
            with m.Elif(starts | (place != rest)):
                m.d.sync += ticks.eq(0)
        with m.If(tick):
            with m.If(place == lead):
                m.d.sync += place.eq(0)
            with m.Elif(starts | (place != rest)):
                m.d.sync += place.eq(place + 1)
        with m.If(starts):
            m.d.sync += pins.cs_n.eq(0)
        with m.If(falls):
            m.d.sync += pins.sclk.eq(0)
        with m.If(rises):
            m.d.sync += pins.sclk.eq(1)
        with m.If(ends):
            m.d.sync += pins.cs_n.eq(1)
            with m.If(frame != second):
                m.d.sync += frame.eq(frame + 1)
            with m.Else():
                m.d.sync += frame.eq(Mux(is_good, first, 0))

        # The next bit of the frame's word, while SCLK falls for it.
        following, word = Signal(range(_FRAME)), Signal(_FRAME)
        m.d.comb += following.eq(Mux(place == lead, 0, (place >> 1) + 1))
        with m.Switch(frame):
            for number, value in enumerate(words):
                with m.Case(number):
                    m.d.comb += word.eq(value)
        with m.If(falls):
            m.d.sync += pins.din.eq(word.bit_select(~following, 1))

        # The channel's number is checked as it comes: 0 in the first frame, 1 in the second.
        with m.If(starts & (frame == first)):
            m.d.sync += is_good.eq(1)
        with m.If(rises & (place < 2 * _ID)):
            number_bit = (frame == second) & (place == 2 * (_ID - 1))
            m.d.sync += is_good.eq(is_good & (pins.dout == number_bit))
        # Both results pass through one register, the reset sample's to its upper half.
        with m.If(rises & (place >= 2 * _ID) & (place < 2 * (_ID + bits))):
            m.d.sync += Cat(sample.signal, sample.reset).eq(Cat(pins.dout, sample.signal, sample.reset))
        with m.If(self.i.ready):
            m.d.sync += [sample.row_last.eq(self.i.payload.row_last), sample.last.eq(self.i.payload.last)]
        m.d.sync += self.o.valid.eq(Mux(self.o.valid, ~self.o.ready, ends & (frame == second) & is_good))
        return m


class MAX11123(MAX11125):
    """The same with results of 8 bits, which come left-aligned."""

    bits: ClassVar[int] = 8
