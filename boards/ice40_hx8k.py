"""iCE40-HX8K breakout board (iCE40HX8K-B-EVN): the iCE40 that is fast and has no DSP blocks.

UART: channel B of the FT2232H. ADC: Digilent's Pmod AD1, wired to header J2.
"""

from amaranth_boards.ice40_hx8k_b_evn import ICE40HX8KBEVNPlatform

from boards.board import Board
from boards.clocks import ICE40PLL
from boards.flows import ice40
from boards.pins import Connector, Header
from hdl.ad7476a import AD7476A
from hdl.params import Params

CLOCK = 81_000_000
"""Hertz. The PLL makes no 80 MHz of its 12."""

_J2 = Connector("J2", tuple((str(pin), str(pin + 1)) for pin in range(1, 41, 2)), "j_2:")

BOARD = Board(
    name="ice40_hx8k",
    title="iCE40-HX8K breakout board",
    platform=ICE40HX8KBEVNPlatform,
    flow=ice40("hx8k", "ct256"),
    pll=ICE40PLL("clk12", 12_000_000, CLOCK),
    params=Params(clock_frequency=CLOCK, multipliers=3, roic_pga=True, bias_dac=True, audit=False),
    adc=AD7476A,
    header=Header(
        (_J2,),
        {
            "roic.row": "J2 5 9 11 13 17",
            "roic.column": "J2 6 10 12 14 18",
            "roic.reset": "J2 19",
            "roic.sample_reset": "J2 21",
            "roic.sample_signal": "J2 25",
            "roic.pga_gain": "J2 20 22 26",
            "roic.trigger": "J2 27",
            "roic.busy": "J2 28",
            "adc.cs_n": "J2 29",
            "adc.reset_data": "J2 33",
            "adc.signal_data": "J2 35",
            "adc.sclk": "J2 37",
            "bias.cs_n": "J2 30",
            "bias.sdi": "J2 34",
            "bias.sck": "J2 36",
        },
        {"IO_STANDARD": "SB_LVCMOS"},
    ),
    link="USB, the second serial port (channel B of the FT2232H); up to 3 Mbaud, which divides the clock",
)
