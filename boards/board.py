"""What a board is: everything that the common parts ask for. A file of its own describes each one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from boards.clocks import PLL
from boards.flows import Flow
from boards.pins import Header
from hdl.params import Params


@dataclass(frozen=True)
class Board:
    """A board that edgeray has a bitstream for.

    Parameters
    ----------
    name : as `make bitstream BOARD=name` takes it; `edgeray.programmer` knows by it how bitstreams are loaded
    title : the board's own name
    platform : makes its platform of amaranth-boards
    flow : the tools
    pll : makes the clock
    params : of the gateware; their clock_frequency is the PLL's
    adc : the sample input, a class of `hdl`
    header : pins of readout chip, ADC and bias DAC
    link : how the host is connected, a sentence of the page
    notes : further paragraphs of the page
    """

    name: str
    title: str
    platform: Callable[[], Any]
    flow: Flow
    pll: PLL
    params: Params
    adc: type
    header: Header
    link: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.params.clock_frequency != self.pll.frequency:
            said = self.params.clock_frequency
            raise ValueError(f"{self.name}: the PLL makes {self.pll.frequency} Hz, clock_frequency says {said}")
