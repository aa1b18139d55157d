"""Tang Nano 9K: Gowin GW1NR-9C.

UART: the USB bridge on the board. ADC: Digilent's Pmod AD1, wired to the header.
"""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from boards.board import Board
from boards.clocks import GowinPLL
from boards.flows import gowin
from boards.pins import Connector, Header
from hdl.ad7476a import AD7476A
from hdl.params import Params

CLOCK = 54_000_000
"""Hertz."""

# Both sides of the board, whose labels are the FPGA's pins. 79 to 86 are a bank of 1.8 V.
_J6 = "38 37 36 39 25 26 27 28 29 30 33 34 40 35 41 42 51 53 54 55 56 57 68 69"
_J7 = "63 86 85 84 83 82 81 80 79 77 76 75 74 73 72 71 70 5V 48 49 31 32 GND 3V3"
_ROWS = tuple(zip(_J6.split(), _J7.split(), strict=True))
_SIDES = Connector("J6-J7", _ROWS, note="Seen from above with J6 at the left; a label is the FPGA's pin.")

BOARD = Board(
    name="tang_nano_9k",
    title="Tang Nano 9K",
    platform=TangNano9kPlatform,
    flow=gowin("GW1NR-LV9QN88PC6/I5", "GW1N-9C"),
    pll=GowinPLL("clk27", 27_000_000, CLOCK),
    params=Params(clock_frequency=CLOCK, multipliers=1, roic_pga=True, bias_dac=True, upload=True),
    adc=AD7476A,
    header=Header(
        (_SIDES,),
        {
            "roic.row": "J6-J7 25 26 27 28 29",
            "roic.column": "J6-J7 30 33 34 40 35",
            "roic.reset": "J6-J7 41",
            "roic.sample_reset": "J6-J7 42",
            "roic.sample_signal": "J6-J7 51",
            "roic.pga_gain": "J6-J7 53 54 55",
            "roic.trigger": "J6-J7 56",
            "roic.busy": "J6-J7 57",
            "adc.cs_n": "J6-J7 77",
            "adc.reset_data": "J6-J7 76",
            "adc.signal_data": "J6-J7 75",
            "adc.sclk": "J6-J7 74",
            "bias.cs_n": "J6-J7 73",
            "bias.sdi": "J6-J7 72",
            "bias.sck": "J6-J7 71",
        },
        {"IO_TYPE": "LVCMOS33"},
    ),
    link="USB, the second serial port of the bridge on the board",
)
