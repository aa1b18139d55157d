"""Behavioural model of the AD7476A at 3.0 to 3.6 V; names and figures are its data sheet's, rev. F, table 4, page 9."""

import random

from testbench.chips.pins import NEVER, AnalogueInput, Output, Pin, at_least, require

CHIP = "AD7476A"
SHORTEST_PERIOD, LONGEST_PERIOD, LEAST_SHARE = 50.0, 100_000.0, 0.4
T1, T2, T4, T7, T8, QUIET = 10.0, 10.0, 40.0, 9.5, 36.0, 50.0
ACQUISITION, POWER_UP, CYCLE, APERTURE = 250.0, 1000.0, 1000.0, 10.0
ZEROS, BITS = 4, 12
FALLS = ZEROS + BITS
TRACKING_FROM = 13


class AD7476A:
    """One converter. It comes up powered down, so the first conversion shows anything.

    Parameters
    ----------
    chances : of what a powered-down converter shows.

    Raises
    ------
    ChipError : from `pins` and `analogue`, at timing that the data sheet does not allow.
    """

    def __init__(self, chances: random.Random):
        self._chances = chances
        self.input = AnalogueInput()
        self._output = Output()
        self._cs, self._sclk = Pin(1), Pin(1)
        self._is_awake = self._wakes = False
        self._sampled = self._tracking = self._relinquished = self._low = NEVER
        self._code = 0
        self._falls = 0
        self.conversions = 0

    def analogue(self, code: int, time: float) -> None:
        """The voltage at VIN changes."""
        at_least(time - self._sampled, APERTURE, CHIP, "VIN changed within the aperture delay", time)
        self.input.set(code, time)

    def pins(self, cs_n: int, sclk: int, time: float) -> None:
        """Levels of CS and SCLK from `time` on."""
        fall_of_cs, edge = self._cs.set(cs_n, time), 0
        if sclk != self._sclk.level:
            edge = self._clock_edge(sclk, time)
        if fall_of_cs < 0:
            require(edge == 0, CHIP, "t2", time, "SCLK changed with CS")
            self._select(time)
        elif fall_of_cs > 0:
            self._deselect(time)

    def level(self, since: float, until: float) -> int | None:
        """What SDATA shows all that time; None where that is not sure."""
        return self._output.level(since, until)

    def _select(self, time: float) -> None:
        at_least(time - self._cs.rose, T1, CHIP, "t1 (CS high)", time)
        at_least(time - self._relinquished, QUIET, CHIP, "tQUIET", time)
        at_least(time - self._tracking, ACQUISITION, CHIP, "tACQ", time)
        at_least(time - self._sampled, CYCLE, CHIP, "cycle (1 million samples a second), tPOWER-UP", time)
        require(self.input.is_stable(time - ACQUISITION, time), CHIP, "tACQ", time, "VIN changed while it was acquired")
        self._is_awake, self._wakes = self._wakes, True
        self._sampled, self._tracking, self._falls = time, float("inf"), 0
        self._code = self.input.at(time) if self._is_awake else self._chances.getrandbits(BITS + ZEROS)
        self._output.drive(time, 0, 22, self._bit(0))

    def _deselect(self, time: float) -> None:
        require(self._falls >= FALLS, CHIP, "CS", time, f"rose after {self._falls} of {FALLS} falls of SCLK")
        self.conversions += 1

    def _bit(self, number: int) -> int:
        return (self._code >> (FALLS - 1 - number)) & 1

    def _clock_edge(self, level: int, time: float) -> int:
        lasted = time - self._sclk.changed
        edge = self._sclk.set(level, time)
        if self._cs.level:
            return edge
        if edge < 0:
            self._falls += 1
            if self._falls == 1:
                at_least(time - self._sampled, T2, CHIP, "t2 (CS to SCLK)", time)
            else:
                period = lasted + self._low
                at_least(period, SHORTEST_PERIOD, CHIP, "fSCLK", time)
                require(period <= LONGEST_PERIOD, CHIP, "fSCLK", time, f"a period of {period:.1f} ns is too long")
                at_least(lasted, LEAST_SHARE * period, CHIP, "t6 (SCLK high)", time)
                at_least(self._low, LEAST_SHARE * period, CHIP, "t5 (SCLK low)", time)
            if self._falls < FALLS:
                self._output.drive(time, T7, T4, self._bit(self._falls))
            elif self._falls == FALLS:
                self._output.drive(time, T7, T8, None)
                self._relinquished = time + T8
        else:
            self._low = lasted
            if self._falls == TRACKING_FROM:
                self._tracking = time
        return edge
