"""Behavioural model of the MAX11120-MAX11128 family in external clock mode, SPI mode 3, as far as the boards use it.

Registers and the order of channels and results are those of the data sheet's mode control, configuration, unipolar and
bipolar registers; the times are those that `hdl.max11123` names.
"""

import random

from testbench.chips.pins import NEVER, AnalogueInput, ChipError, Output, Pin, at_least, require

CHIP = "MAX11125"
SHORTEST_PERIOD, LONGEST_PERIOD, LEAST_SHARE = 62.5, 6250.0, 0.4
TCSS, TCSH, TCSBW, TDOT_MIN, TDOT_MAX, TDS, TDH = 4.0, 1.0, 5.0, 4.0, 16.5, 4.0, 1.0
ACQUISITION, APERTURE = 156.25, 10.0
CHANNELS, BITS, FRAME = 8, 12, 16
TRACKING_FROM = 14
_MANUAL = 1


class MAX11125:
    """One converter: eight inputs, the channel of a conversion chosen in the frame before.

    It comes up with anything in its registers, and converts nothing that can be trusted until they have been reset.

    Parameters
    ----------
    chances : of what it shows before.
    bits : of a result, 12 or, of the MAX11123, 8.
    """

    def __init__(self, chances: random.Random, bits: int = 12):
        self._chances, self._bits = chances, bits
        self.inputs = [AnalogueInput() for _ in range(CHANNELS)]
        self._output = Output()
        self._cs, self._sclk, self._din = Pin(1), Pin(1), Pin(0)
        self._sampled = self._low = NEVER
        self._tracking = NEVER
        self._falls = self._rises = self._command = self._shown = 0
        self.forget()
        self.conversions = 0

    def forget(self) -> None:
        """The supply failed: every register may hold anything."""
        self._is_reset = False
        self._written: set[int] = set()
        self._next: int | None = None
        self._shows_id = False

    def analogue(self, channel: int, code: int, time: float) -> None:
        """The voltage at AIN<channel> changes, in codes of `bits`."""
        at_least(time - self._sampled, APERTURE, CHIP, "input changed within the aperture delay", time)
        self.inputs[channel].set(code, time)

    def pins(self, cs_n: int, sclk: int, din: int, time: float) -> None:
        """Levels from `time` on."""
        if self._din.set(din, time) and not self._cs.level:
            at_least(time - self._sclk.rose, TDH, CHIP, "tDH (SCLK rising to DIN)", time)
        selects = self._cs.set(cs_n, time)
        edge = self._sclk.level != sclk and self._clock_edge(sclk, time)
        if selects < 0:
            require(not edge, CHIP, "tCSS", time, "SCLK changed with CS")
            self._select(time)
        elif selects > 0:
            require(self._rises == FRAME, CHIP, "CS", time, f"rose after {self._rises} of {FRAME} rises of SCLK")
            self._output.drive(time, 0, 0, None)
            self._obey(time)

    def level(self, since: float, until: float) -> int | None:
        """What DOUT shows all that time; None where that is not sure."""
        return self._output.level(since, until)

    def _select(self, time: float) -> None:
        at_least(time - self._cs.rose, TCSBW, CHIP, "tCSBW (CS high)", time)
        at_least(time - self._sclk.fell, TCSH, CHIP, "tCSH (SCLK falling to CS falling)", time)
        at_least(time - self._tracking, ACQUISITION, CHIP, "tACQ", time)
        self._sampled, self._tracking = time, float("inf")
        self._falls = self._rises = self._command = 0
        if self._next is None or not self._is_reset:
            # Anything, but with the number of an input that it does not have: noise that looks right nothing can tell.
            self._shown = self._chances.randrange(CHANNELS, 16) << BITS | self._chances.getrandbits(BITS)
            return
        channel = self.inputs[self._next]
        require(channel.is_stable(time - ACQUISITION, time), CHIP, "tACQ", time, f"AIN{self._next} changed meanwhile")
        code = channel.at(time) << (BITS - self._bits)
        self._shown = self._next << BITS | code if self._shows_id else code << 3
        self.conversions += 1

    def _clock_edge(self, level: int, time: float) -> int:
        lasted = time - self._sclk.changed
        edge = self._sclk.set(level, time)
        if self._cs.level:
            return edge
        if edge < 0:
            if self._falls == 0:
                at_least(time - self._sampled, TCSS, CHIP, "tCSS (CS falling to SCLK falling)", time)
            else:
                period = lasted + self._low
                at_least(period, SHORTEST_PERIOD, CHIP, "tCP", time)
                require(period <= LONGEST_PERIOD, CHIP, "tCP", time, f"a period of {period:.1f} ns is too long")
                at_least(lasted, LEAST_SHARE * period, CHIP, "tCH (SCLK high)", time)
                at_least(self._low, LEAST_SHARE * period, CHIP, "tCL (SCLK low)", time)
            bit = (self._shown >> (FRAME - 1 - self._falls)) & 1 if self._falls < FRAME else None
            self._falls += 1
            self._output.drive(time, TDOT_MIN, TDOT_MAX, bit)
        else:
            self._low = lasted
            self._rises += 1
            at_least(time - self._din.changed, TDS, CHIP, "tDS (DIN to SCLK rising)", time)
            self._command = (self._command << 1 | self._din.level) & 0xFFFF
            if self._rises == TRACKING_FROM:
                self._tracking = time
        return edge

    def _obey(self, time: float) -> None:
        """The word of the frame that ends."""
        word = self._command
        if word >> 15:
            register = word >> 11
            if register > 0x16:
                raise ChipError(f"{CHIP} at {time:.1f} ns: there is no register {register:#x}")
            require(word & 0x7FF == 0, CHIP, "registers", time, f"{word:#06x} is not what the boards are made for")
            self._written.add(register)
            return
        scan, channel, reset, power = (word >> 11) & 15, (word >> 7) & 15, (word >> 5) & 3, (word >> 3) & 3
        if reset == 2:
            self._is_reset, self._next, self._written = True, None, set()
            return
        require(scan in (0, _MANUAL), CHIP, "mode control", time, f"scan mode {scan} is not modelled")
        if scan == _MANUAL and self._is_reset:
            require(power == 0, CHIP, "mode control", time, "power management is not modelled")
            require(channel < CHANNELS, CHIP, "mode control", time, f"there is no AIN{channel}")
            require({0x10, 0x11, 0x12} <= self._written, CHIP, "power-up", time, "converts before it was configured")
            self._next, self._shows_id = channel, bool(word & 4)
