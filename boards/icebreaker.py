"""iCEBreaker: iCE40 UP5K, the smallest of the boards: one multiplier, the large memories in SPRAM.

UART: channel B of the FT2232H. ADC: Digilent's Pmod AD1. The address of a pixel leaves in a shift register's form, for
three Pmods have 24 pins.
"""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from boards.board import Board
from boards.clocks import ICE40PadPLL
from boards.flows import ice40
from boards.pins import PMOD, Connector, Header
from hdl.ad7476a import AD7476A
from hdl.params import Params

CLOCK = 24_000_000
"""Hertz."""

BOARD = Board(
    name="icebreaker",
    title="iCEBreaker",
    platform=ICEBreakerPlatform,
    flow=ice40("up5k", "sg48"),
    pll=ICE40PadPLL("clk12", 12_000_000, CLOCK),
    params=Params(clock_frequency=CLOCK, multipliers=1, roic_pga=True, bias_dac=True, upload=True),
    adc=AD7476A,
    header=Header(
        tuple(Connector(name, PMOD, f"pmod_{number}:") for number, name in enumerate(("PMOD1A", "PMOD1B", "PMOD2"))),
        {
            "adc.cs_n": "PMOD1A 1",
            "adc.reset_data": "PMOD1A 2",
            "adc.signal_data": "PMOD1A 3",
            "adc.sclk": "PMOD1A 4",
            "roic.trigger": "PMOD1A 7",
            "roic.busy": "PMOD1A 8",
            "roic.reset": "PMOD1B 1",
            "roic.sample_reset": "PMOD1B 2",
            "roic.sample_signal": "PMOD1B 3",
            "roic.select_clock": "PMOD1B 7",
            "roic.select_data": "PMOD1B 8",
            "roic.select_latch": "PMOD1B 9",
            "roic.pga_gain": "PMOD2 1 2 3",
            "bias.cs_n": "PMOD2 7",
            "bias.sdi": "PMOD2 8",
            "bias.sck": "PMOD2 10",
        },
        {"IO_STANDARD": "SB_LVCMOS"},
    ),
    link="USB, the second serial port (channel B of the FT2232H); up to 12 Mbaud",
)
