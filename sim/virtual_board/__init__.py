"""The virtual board: the gateware, compiled, in a process of its own that serves a board's byte stream.

    scene -> sim.roic (samples) -> [ board.cpp: readout chip and ADC -> hdl.readout (Verilator) ] <- link -> edgeray

`python -m sim.virtual_board` starts one by hand; `VirtualBoard` starts one from Python and ends it again.
"""

from sim.virtual_board.build import BuildError, build
from sim.virtual_board.process import BoardError, Summary, VirtualBoard

__all__ = ["BoardError", "BuildError", "Summary", "VirtualBoard", "build"]
