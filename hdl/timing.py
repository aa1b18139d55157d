"""A datasheet's nanoseconds in clocks of a build: how the serial chips' stages choose their pace.

datasheet limit -> [clocks] -> SCLK divider, gap between conversions
"""

from edgeray.protocol.detector import GeometryError

PADS_AND_BOARD = 20
"""Nanoseconds that the stages allow for the way out of the FPGA, to the chip, and back into a register: the clock
output's delay, the tracks or a short cable, the data input's delay and the register's set-up time."""

SLOWEST, FASTEST = 1_000_000, 200_000_000
"""Clock frequencies in hertz that the chips' stages are made for."""


def clocks(nanoseconds: float, frequency: int) -> int:
    """Least number of clocks, at least 1, that last `nanoseconds` (whole picoseconds) at `frequency` hertz."""
    return max(1, -(-round(nanoseconds * 1000) * frequency // 10**12))


def check_frequency(frequency: int, chip: str) -> None:
    """Raise GeometryError unless `chip` can be driven from this clock."""
    if not SLOWEST <= frequency <= FASTEST:
        raise GeometryError(f"clock_frequency takes {SLOWEST} to {FASTEST} with the {chip}, not {frequency}")
