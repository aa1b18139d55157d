"""Behavioural model of the LTC2668-16 at 2.7 to 5.5 V logic: input registers, DAC registers, 24-bit words.

Commands are those of the data sheet's table 1; t1 to t10 those of its timing characteristics.
"""

from testbench.chips.pins import NEVER, Pin, at_least, require

CHIP = "LTC2668"
CHANNELS, WORD = 16, 24
T1, T2, T3, T4, T5, T6, T7, T10, SHORTEST_PERIOD = 6.0, 6.0, 9.0, 9.0, 10.0, 7.0, 7.0, 7.0, 20.0
WRITE, UPDATE, WRITE_UPDATE_ALL, WRITE_UPDATE, UPDATE_ALL, NOTHING = 0, 1, 2, 3, 9, 15


class LTC2668:
    """One converter, strapped for 0 to 5 V and zero scale at power-up.

    Raises
    ------
    ChipError : from `pins`, at timing that the data sheet does not allow, a word that is not of 24 bits, or a command
        that the model does not know.
    """

    def __init__(self) -> None:
        self.inputs = [0] * CHANNELS
        """Input registers."""
        self.codes = [0] * CHANNELS
        """DAC registers: what the outputs show."""
        self.updates: list[tuple[float, tuple[int, ...]]] = []
        """Each update: its time and the codes from then on."""
        self._cs, self._sck, self._sdi = Pin(1), Pin(0), Pin(0)
        self._last_rise = NEVER
        self._bits = self._word = 0

    def pins(self, cs_n: int, sck: int, sdi: int, time: float) -> None:
        """Levels of CS/LD, SCK and SDI from `time` on."""
        if self._sdi.set(sdi, time) and not self._cs.level:
            at_least(time - self._sck.rose, T2, CHIP, "t2 (SCK rising to SDI)", time)
        selects = self._cs.set(cs_n, time)
        if sck != self._sck.level:
            lasted = time - self._sck.changed
            if self._sck.set(sck, time) > 0:
                self._rise(time, lasted)
            else:
                at_least(lasted, T3, CHIP, "t3 (SCK high)", time)
        if selects < 0:
            at_least(time - self._cs.rose, T5, CHIP, "t5 (CS/LD high)", time)
            self._bits = self._word = 0
        elif selects > 0:
            at_least(time - self._sck.rose, T6, CHIP, "t6 (SCK rising to CS/LD rising)", time)
            require(self._bits == WORD, CHIP, "word", time, f"{self._bits} bits, {WORD} wanted")
            self._obey(time)

    def _rise(self, time: float, low: float) -> None:
        if self._cs.level:
            at_least(time - self._cs.rose, T10, CHIP, "t10 (CS/LD rising to SCK rising)", time)
            return
        at_least(time - self._cs.fell, T7, CHIP, "t7 (CS/LD falling to SCK rising)", time)
        at_least(low, T4, CHIP, "t4 (SCK low)", time)
        at_least(time - self._last_rise, SHORTEST_PERIOD, CHIP, "SCK frequency", time)
        at_least(time - self._sdi.changed, T1, CHIP, "t1 (SDI to SCK rising)", time)
        self._last_rise = time
        self._bits += 1
        self._word = (self._word << 1 | self._sdi.level) & ((1 << WORD) - 1)

    def _obey(self, time: float) -> None:
        command, channel, code = self._word >> 20, (self._word >> 16) & 15, self._word & 0xFFFF
        known = (WRITE, UPDATE, WRITE_UPDATE_ALL, WRITE_UPDATE, UPDATE_ALL, NOTHING)
        require(command in known, CHIP, "command", time, f"{command:#x} is not modelled")
        if command in (WRITE, WRITE_UPDATE_ALL, WRITE_UPDATE):
            self.inputs[channel] = code
        if command in (UPDATE_ALL, WRITE_UPDATE_ALL):
            self.codes = list(self.inputs)
        elif command in (UPDATE, WRITE_UPDATE):
            self.codes[channel] = self.inputs[channel]
        if command not in (WRITE, NOTHING):
            self.updates.append((time, tuple(self.codes)))
