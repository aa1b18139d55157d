"""ULX3S 85F: ECP5, the largest of the boards: one multiplier for every weight, a pixel a clock.

UART: FT231X. ADC: the one on the board, or the parallel port of a faster one at the header.
"""

from dataclasses import replace

from amaranth_boards.ulx3s import ULX3S_85F_Platform

from boards.board import Board
from boards.clocks import ECP5PLL
from boards.flows import ecp5
from boards.pins import Connector, Header
from hdl.adc import ParallelADC
from hdl.max11123 import MAX11125
from hdl.params import Params

CLOCK = 100_000_000
"""Hertz."""

_J1 = Connector("J1", tuple((f"{pin}+", f"{pin}-") for pin in range(14)), "gpio_0:", "")
_J2 = Connector("J2", tuple((f"{pin}+", f"{pin}-") for pin in range(14, 28)), "gpio_0:", "")

_ROIC = {
    "roic.row": "J1 0+ 1+ 2+ 3+ 4+",
    "roic.column": "J1 0- 1- 2- 3- 4-",
    "roic.reset": "J1 5+",
    "roic.sample_reset": "J1 6+",
    "roic.sample_signal": "J1 7+",
    "roic.pga_gain": "J1 5- 6- 7-",
    "roic.trigger": "J1 8+",
    "roic.busy": "J1 8-",
}

_BIAS = {"bias.cs_n": "J1 9+", "bias.sck": "J1 9-", "bias.sdi": "J1 10+"}
_ATTRIBUTES = {"IO_TYPE": "LVCMOS33"}

BOARD = Board(
    name="ulx3s",
    title="ULX3S 85F",
    platform=ULX3S_85F_Platform,
    flow=ecp5("85k", "CABGA381", "6"),
    pll=ECP5PLL("clk25", 25_000_000, CLOCK),
    params=Params(clock_frequency=CLOCK, roic_pga=True, bias_dac=True, upload=True),
    adc=MAX11125,
    header=Header(
        (_J1, Connector("MAX11125")),
        {
            **_ROIC,
            **_BIAS,
            "adc.cs_n": "MAX11125 R17",
            "adc.sclk": "MAX11125 P17",
            "adc.din": "MAX11125 R16",
            "adc.dout": "MAX11125 U16",
        },
        _ATTRIBUTES,
    ),
    link="USB, connector US1 (FT231X); up to 3 Mbaud",
    notes=(
        "The converter is on the board: the chip's reset-sample output goes to AIN0, its signal-sample output to AIN1. "
        "AIN0 to AIN7 are the pins 14 to 17 of J2, which the FPGA leaves alone; which is which, the schematic of your "
        "board's revision says.",
    ),
)

PARALLEL = replace(
    BOARD,
    name="ulx3s_parallel",
    title="ULX3S 85F with a parallel converter",
    adc=ParallelADC,
    header=Header(
        (_J1, _J2),
        {
            **_ROIC,
            **_BIAS,
            "adc.convert": "J2 27+",
            "adc.reset_sample": "J2 14+ 15+ 16+ 17+ 18+ 19+ 20+ 21+ 22+ 23+ 24+ 25+",
            "adc.signal_sample": "J2 14- 15- 16- 17- 18- 19- 20- 21- 22- 23- 24- 25-",
        },
        _ATTRIBUTES,
    ),
    notes=(),
)
