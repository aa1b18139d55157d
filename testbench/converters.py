"""A converter chip's model at the pins of the stage that drives it, and the pixel that the stage's requests address.

requests -> stage -> pins -> chip model <- the addressed pixel's voltages
"""

from collections.abc import Iterator
from typing import Any, Protocol

from hdl.timing import PADS_AND_BOARD
from testbench.bench import Bench
from testbench.stages import Frames, Stage, packed, positions
from testbench.stimulus import images

SHAPE = 2, 5
BEFORE_RESET = -1e6
"""Nanoseconds: the chips have had their supply for a millisecond."""


class Chips(Protocol):
    """The chips that a stage drives."""

    def voltages(self, reset: int, signal: int, time: float) -> None:
        """The addressed pixel's outputs, in codes, from `time` on."""

    def pins(self, dut: Any, time: float) -> None:
        """What the stage's pins show from `time` on."""

    def answer(self, dut: Any, since: float, until: float) -> None:
        """Show at the stage's pins what the chips drive all that time; anything where that is not sure."""


class Array:
    """The readout chip: shows the addressed pixel, and addresses the next one as soon as a request is accepted.

    Times are those of the build's clock, whatever the simulator's. The way from the stage to the chips and back takes
    from nothing to `PADS_AND_BOARD`, so data counts as there only where it is for either.

    Parameters
    ----------
    samples : (reset, signal) of the pixels in the order of their requests.
    """

    def __init__(self, bench: Bench, chips: Chips, frequency: int, samples: Iterator[tuple[int, int]]):
        self._bench, self._chips, self._samples = bench, chips, samples
        self.period = 1e9 / frequency
        self._is_new = False
        # The first pixel is addressed long before the first request.
        chips.voltages(*next(samples), BEFORE_RESET)

    def drive(self) -> None:
        now = self._bench.clocks * self.period
        self._chips.pins(self._bench.dut, now)
        if self._is_new:
            self._chips.voltages(*next(self._samples), now)
            self._is_new = False
        taken = now + self.period
        self._chips.answer(self._bench.dut, taken - PADS_AND_BOARD, taken)

    def sample(self, clock: int) -> None:
        dut = self._bench.dut
        self._is_new = dut.i__valid.value == 1 and dut.i__ready.value == 1


def frames_of(bench: Bench, stage: Stage, bits: int, chip_bits: int) -> tuple[Frames, Frames, list[tuple[int, int]]]:
    """Requests of frames, the samples that are expected, and the codes at the chips that lead to them."""
    kinds = list(images(*SHAPE, chip_bits, bench.random))
    pairs = list(zip(kinds, kinds[::-1], strict=True))
    codes = [pair for frame in pairs for pair in zip(*(image.ravel().tolist() for image in frame), strict=True)]
    lost = chip_bits - bits
    expected = [packed(stage.sink.packer.pack, reset=reset >> lost, signal=signal >> lost) for reset, signal in pairs]
    requests = [stage.source.packer.pack(flags) for flags in positions(SHAPE)]
    return [requests] * len(pairs), expected, codes
