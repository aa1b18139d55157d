"""A board on the bench: its pins, and what is wired to them.

UARTHost <-> rx, tx -+
readout chip <-------+- pins of the design, at any stage of `testbench.netlist`
ADC, bias DAC <------+
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from amaranth import ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from boards.board import Board
from boards.pins import INPUT, SIGNALS
from hdl.ad7476a import AD7476A
from hdl.adc import ParallelADC
from hdl.timing import PADS_AND_BOARD
from testbench.bench import Bench
from testbench.chips import ad7476a, ltc2668, max11125

SAMPLES = 2
GROUPS = ("roic", "adc", "bias")
ADC_BITS = 12


class BoardPins(wiring.Component):
    """Module `top` of a board, made elsewhere, with its pins by their names in the header and `rx`, `tx`.

    The clock is that of the oscillator's pin; reset stands for the board that is switched off, see cells/board.v.
    """

    def __init__(self, board: Board):
        self.board = board
        ports: dict[str, Any] = {"rx": In(1), "tx": Out(1)}
        for group in GROUPS:
            for name in board.header.signals(group):
                pins = [wire for wire in board.header.wires() if wire.signal == f"{group}.{name}"]
                ports[f"{group}_{name}"] = (In if self._is_input(group, name) else Out)(len(pins))
        super().__init__(ports)

    @staticmethod
    def _is_input(group: str, name: str) -> bool:
        return SIGNALS[f"{group}.{name}"].direction == INPUT

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pins: dict[str, Value] = {
            f"i_{self.board.pll.resource}_0__io": self._wire(m, ClockSignal()),
            "i_uart_0__rx__io": self._wire(m, self.rx),
            "o_uart_0__tx__io": self.tx,
        }
        for group in GROUPS:
            for name in self.board.header.signals(group):
                port, place = getattr(self, f"{group}_{name}"), f"header_{group}_0__{name}__io"
                if self._is_input(group, name):
                    pins[f"i_{place}"] = self._wire(m, port)
                else:
                    pins[f"o_{place}"] = port
        m.submodules.top = Instance("top", **pins)
        # The models of PLLs look for it by its name in this module.
        m.submodules.power = Instance("board_power", i_off=ResetSignal())
        return m

    def _wire(self, m: Module, port: Value) -> Signal:
        """What drives a pin: every pin of `top` may be driven by either side, which the simulator allows no port."""
        pin = Signal(len(port))
        m.submodules += Instance("board_wire", p_WIDTH=len(port), i_i=port, o_o=pin)
        return pin


class Pin:
    """An input of the design; drives changes alone."""

    def __init__(self, bench: Bench, name: str):
        self._port = getattr(bench.dut, name)
        self._level = -1

    def drive(self, level: int) -> None:
        if level != self._level:
            self._port.value = self._level = level


class PmodAD1:
    """Both AD7476A on one chip select and clock."""

    def __init__(self, bench: Bench):
        self._chances = bench.random
        self.chips = [ad7476a.AD7476A(bench.random) for _ in range(SAMPLES)]
        self._cs_n, self._sclk = bench.dut.adc_cs_n, bench.dut.adc_sclk
        self._pins = Pin(bench, "adc_reset_data"), Pin(bench, "adc_signal_data")
        self._levels = 1, 1

    def voltages(self, reset: int, signal: int, time: float) -> None:
        for chip, code in zip(self.chips, (reset, signal), strict=True):
            chip.analogue(code, time)

    def step(self, now: float, period: float) -> None:
        """The design's pins show what they do from `now` on, and take what they see a period later."""
        levels = int(self._cs_n.value), int(self._sclk.value)
        if levels != self._levels:
            self._levels = levels
            for chip in self.chips:
                chip.pins(*levels, now)
        elif levels[0]:
            return
        taken = now + period
        for chip, pin in zip(self.chips, self._pins, strict=True):
            level = chip.level(taken - PADS_AND_BOARD, taken)
            pin.drive(self._chances.getrandbits(1) if level is None else level)


class OnBoard:
    """The MAX11125 with the reset sample at AIN0 and the signal sample at AIN1."""

    def __init__(self, bench: Bench):
        self._chances = bench.random
        self.chip = max11125.MAX11125(bench.random, ADC_BITS)
        self._pins = bench.dut.adc_cs_n, bench.dut.adc_sclk, bench.dut.adc_din
        self._dout = Pin(bench, "adc_dout")
        self._levels = 1, 1, 0

    def voltages(self, reset: int, signal: int, time: float) -> None:
        self.chip.analogue(0, reset, time)
        self.chip.analogue(1, signal, time)

    def step(self, now: float, period: float) -> None:
        cs_n, sclk, din = (int(pin.value) for pin in self._pins)
        if (cs_n, sclk, din) != self._levels:
            self._levels = cs_n, sclk, din
            self.chip.pins(cs_n, sclk, din, now)
        elif cs_n:
            return
        level = self.chip.level(now + period - PADS_AND_BOARD, now + period)
        self._dout.drive(self._chances.getrandbits(1) if level is None else level)


class Parallel:
    """A converter with a port: both samples `latency` clocks after `convert`, rubbish at other times."""

    def __init__(self, bench: Bench, latency: int):
        self._convert = bench.dut.adc_convert
        self._pins = Pin(bench, "adc_reset_sample"), Pin(bench, "adc_signal_sample")
        self._codes = 0, 0
        self._due: list[tuple[int, int] | None] = [None] * latency

    def voltages(self, reset: int, signal: int, time: float) -> None:
        self._codes = reset, signal

    def step(self, now: float, period: float) -> None:
        self._due.append(self._codes if self._convert.value == 1 else None)
        for pin, code in zip(self._pins, self._due.pop(0) or (0x55, 0x2A), strict=True):
            pin.drive(code)


class Address:
    """Row and column at the pins: bit by bit, or in a shift register with latches (74HC595)."""

    def __init__(self, bench: Bench, board: Board):
        self._is_serial = "roic.select_data" in board.header.wiring
        names = ("select_clock", "select_data", "select_latch") if self._is_serial else ("row", "column")
        self._pins = [getattr(bench.dut, f"roic_{name}") for name in names]
        self._column_bits = (board.params.columns - 1).bit_length()
        self._bits = self._column_bits + (board.params.rows - 1).bit_length()
        self._inside = 0
        self._clock = self._latch = 0
        self.place = 0, 0

    def look(self) -> bool:
        """Whether the address is another one than before."""
        before = self.place
        if not self._is_serial:
            self.place = int(self._pins[0].value), int(self._pins[1].value)
            return self.place != before
        clock, latch = int(self._pins[0].value), int(self._pins[2].value)
        if clock and not self._clock:
            self._inside = (self._inside << 1 | int(self._pins[1].value)) & ((1 << self._bits) - 1)
        if latch and not self._latch:
            self.place = self._inside >> self._column_bits, self._inside & ((1 << self._column_bits) - 1)
        self._clock, self._latch = clock, latch
        return self.place != before


class Detector:
    """The readout chip and the converter behind it: frame n of a series shows scene n modulo their number.

    Times are those of the board's clock, whatever the simulator's. The chip takes samples at its strobes and shows the
    addressed pixel's; it knows of no frame number and counts exposures, so a series has to be the first.
    """

    def __init__(self, bench: Bench, board: Board, reset: npt.NDArray[np.int64], signal: npt.NDArray[np.int64]):
        self._bench, self.reset, self.signal = bench, reset, signal
        self._period = 1e9 / board.params.clock_frequency
        self._address = Address(bench, board)
        self._strobes = [getattr(bench.dut, f"roic_{name}") for name in ("sample_reset", "sample_signal")]
        self._before = [0] * SAMPLES
        self._taken: list[npt.NDArray[np.int64]] = [np.zeros(reset.shape[1:], np.int64)] * SAMPLES
        self.frames = 0
        self.converter: Any
        if board.adc is ParallelADC:
            self.converter = Parallel(bench, board.params.adc_latency)
        else:
            self.converter = PmodAD1(bench) if board.adc is AD7476A else OnBoard(bench)

    def drive(self) -> None:
        now = self._bench.clocks * self._period
        is_new = self._address.look()
        for number, (strobe, samples) in enumerate(zip(self._strobes, (self.reset, self.signal), strict=True)):
            level = int(strobe.value)
            if level and not self._before[number]:
                self._taken[number] = samples[self.frames % len(samples)]
                self.frames += number
                is_new = True
            self._before[number] = level
        if is_new:
            row, column = self._address.place
            reset, signal = (int(samples[row % len(samples), column % samples.shape[1]]) for samples in self._taken)
            self.converter.voltages(reset, signal, now)
        self.converter.step(now, self._period)

    def sample(self, clock: int) -> None:
        """Nothing to sample: outputs come from registers and are looked at as inputs are driven."""


class BiasDAC:
    """The LTC2668 at the pins of the bias voltages."""

    def __init__(self, bench: Bench, board: Board):
        self._bench, self._period = bench, 1e9 / board.params.clock_frequency
        self._pins = [getattr(bench.dut, f"bias_{name}") for name in ("cs_n", "sck", "sdi")]
        self.chips = [ltc2668.LTC2668() for _ in range(len(self._pins[0]))]
        self._levels: Sequence[int] = ()

    def drive(self) -> None:
        levels = [int(pin.value) for pin in self._pins]
        if levels == self._levels:
            return
        self._levels = levels
        for number, chip in enumerate(self.chips):
            chip.pins(levels[0] >> number & 1, levels[1], levels[2], self._bench.clocks * self._period)

    def sample(self, clock: int) -> None:
        """Nothing to sample."""

    def codes(self, count: int) -> list[int]:
        """What the first `count` outputs show."""
        return [self.chips[n // ltc2668.CHANNELS].codes[n % ltc2668.CHANNELS] for n in range(count)]
