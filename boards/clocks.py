"""Clocks: the oscillator of a board through its PLL to the one clock domain of the design, and its reset.

oscillator pin -> [PLL] -> clock of domain sync
                    +----> locked -> synchroniser -> wait -> reset of domain sync

The settings of a PLL are searched for within the limits of its data sheet. The frequency must come out exactly: times
on the wire are counted in this clock, and the host turns them into seconds.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

from amaranth import ClockDomain, Const, Instance, Module, Signal
from amaranth.hdl import Elaboratable
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

RESET_CLOCKS = 2048
"""Clocks from lock to the end of reset. iCE40's block RAM reads wrongly for some microseconds after configuration."""


class ClockError(ValueError):
    """A frequency that the PLL cannot make."""


@dataclass(frozen=True)
class PLL(ABC):
    """A PLL whose output is the clock of the design.

    Parameters
    ----------
    resource : the oscillator, in the platform
    reference : its hertz
    frequency : hertz wanted

    Raises
    ------
    ClockError : no setting gives exactly this frequency; the message names the nearest ones.
    """

    resource: str
    reference: int
    frequency: int
    inside: ClassVar[tuple[int, int]]
    """Megahertz of the oscillator inside."""
    pad: ClassVar[bool] = False
    """The cell has the pin's buffer inside."""

    def __post_init__(self) -> None:
        self.settings()

    @abstractmethod
    def candidates(self) -> Iterator[tuple[Fraction, Fraction, dict[str, int]]]:
        """(output, oscillator inside, settings) of all that the data sheet allows, in hertz, fast detectors first."""

    @abstractmethod
    def instance(self, pin: Any, clock: Signal, locked: Signal) -> Instance:
        """The vendor's cell; `pin` is the oscillator, behind a buffer unless `pad`."""

    def settings(self) -> dict[str, int]:
        """Settings of the cell: the oscillator nearest the middle of its range, the phase detector fastest."""
        middle = Fraction(sum(self.inside), 2) * 1_000_000
        outputs: dict[Fraction, tuple[Fraction, dict[str, int]]] = {}
        for output, inside, settings in self.candidates():
            off = abs(inside - middle)
            if output not in outputs or off < outputs[output][0]:
                outputs[output] = off, settings
        if self.frequency not in outputs:
            nearest = sorted(outputs, key=lambda output: abs(output - self.frequency))[:4]
            raise ClockError(
                f"{type(self).__name__} makes no {self.frequency / 1e6:g} MHz from {self.reference / 1e6:g} MHz; "
                f"nearest: {', '.join(f'{float(output) / 1e6:g}' for output in sorted(nearest))}"
            )
        return outputs[Fraction(self.frequency)][1]


def _within(value: Fraction, limits: tuple[float, float]) -> bool:
    return limits[0] <= value / 1_000_000 <= limits[1]


@dataclass(frozen=True)
class ICE40PLL(PLL):
    """iCE40's SB_PLL40_CORE, feedback SIMPLE (Lattice TN1251; limits of the family data sheets)."""

    # Megahertz: phase detector, oscillator, output; and the loop filter by the phase detector's frequency.
    _DETECTOR = (10, 133)
    inside = (533, 1066)
    _OUTPUT = (16, 275)
    _FILTER = ((17, 1), (26, 2), (44, 3), (66, 4), (101, 5), (134, 6))

    def candidates(self) -> Iterator[tuple[Fraction, Fraction, dict[str, int]]]:
        for divr in range(16):
            detector = Fraction(self.reference, divr + 1)
            if not _within(detector, self._DETECTOR):
                continue
            for divf in range(128):
                inside = detector * (divf + 1)
                for divq in range(1, 7):
                    output = inside / 2**divq
                    if _within(inside, self.inside) and _within(output, self._OUTPUT):
                        loop = next(number for limit, number in self._FILTER if detector < limit * 1_000_000)
                        yield output, inside, {"DIVR": divr, "DIVF": divf, "DIVQ": divq, "FILTER_RANGE": loop}

    def instance(self, pin: Any, clock: Signal, locked: Signal) -> Instance:
        bits = {"DIVR": 4, "DIVF": 7, "DIVQ": 3, "FILTER_RANGE": 3}
        return Instance(
            "SB_PLL40_PAD" if self.pad else "SB_PLL40_CORE",
            p_FEEDBACK_PATH="SIMPLE",
            **{f"p_{name}": Const(value, bits[name]) for name, value in self.settings().items()},
            **{"i_PACKAGEPIN" if self.pad else "i_REFERENCECLK": pin},
            i_RESETB=Const(1),
            i_BYPASS=Const(0),
            o_PLLOUTGLOBAL=clock,
            o_LOCK=locked,
        )


@dataclass(frozen=True)
class ICE40PadPLL(ICE40PLL):
    """SB_PLL40_PAD: the same with the oscillator at the PLL's own pad."""

    pad = True


@dataclass(frozen=True)
class ECP5PLL(PLL):
    """ECP5's EHXPLLL, fed back from its output CLKOP (Lattice FPGA-TN-02200)."""

    _DETECTOR = (10, 400)
    inside = (400, 800)
    _OUTPUT = (10, 400)

    def candidates(self) -> Iterator[tuple[Fraction, Fraction, dict[str, int]]]:
        for reference in range(1, 129):
            detector = Fraction(self.reference, reference)
            if not _within(detector, self._DETECTOR):
                continue
            for feedback in range(1, 81):
                output = detector * feedback
                for divider in range(1, 129):
                    if _within(output * divider, self.inside) and _within(output, self._OUTPUT):
                        settings = {"CLKI_DIV": reference, "CLKFB_DIV": feedback, "CLKOP_DIV": divider}
                        yield output, output * divider, settings

    def instance(self, pin: Any, clock: Signal, locked: Signal) -> Instance:
        settings = self.settings()
        return Instance(
            "EHXPLLL",
            # Loop filter and charge pump as Lattice's own tool sets them for this range.
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            **{f"p_{name}": value for name, value in settings.items()},
            p_FEEDBK_PATH="CLKOP",
            p_CLKOP_ENABLE="ENABLED",
            # No phase shift.
            p_CLKOP_CPHASE=settings["CLKOP_DIV"] - 1,
            p_CLKOP_FPHASE=0,
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_OUTDIVIDER_MUXC="DIVC",
            p_OUTDIVIDER_MUXD="DIVD",
            i_CLKI=pin,
            i_CLKFB=clock,
            i_RST=Const(0),
            i_STDBY=Const(0),
            i_PHASESEL0=Const(0),
            i_PHASESEL1=Const(0),
            i_PHASEDIR=Const(1),
            i_PHASESTEP=Const(1),
            i_PHASELOADREG=Const(1),
            i_PLLWAKESYNC=Const(0),
            i_ENCLKOP=Const(0),
            o_CLKOP=clock,
            o_LOCK=locked,
        )


@dataclass(frozen=True)
class GowinPLL(PLL):
    """Gowin's rPLL in a GW1NR-9C of speed grade C6 (Gowin UG286, DS117).

    Parameters
    ----------
    device : as the cell's parameter DEVICE names it
    """

    device: str = "GW1NR-9C"

    _DETECTOR = (3, 400)
    inside = (400, 1200)
    _OUTPUT = (3.125, 600)
    _DIVIDERS = (2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)

    def candidates(self) -> Iterator[tuple[Fraction, Fraction, dict[str, int]]]:
        for reference in range(64):
            detector = Fraction(self.reference, reference + 1)
            if not _within(detector, self._DETECTOR):
                continue
            for feedback in range(64):
                output = detector * (feedback + 1)
                for divider in self._DIVIDERS:
                    if _within(output * divider, self.inside) and _within(output, self._OUTPUT):
                        settings = {"IDIV_SEL": reference, "FBDIV_SEL": feedback, "ODIV_SEL": divider}
                        yield output, output * divider, settings

    def instance(self, pin: Any, clock: Signal, locked: Signal) -> Instance:
        return Instance(
            "rPLL",
            p_FCLKIN=f"{self.reference / 1e6:g}",
            p_DEVICE=self.device,
            **{f"p_{name}": value for name, value in self.settings().items()},
            p_DYN_IDIV_SEL="false",
            p_DYN_FBDIV_SEL="false",
            p_DYN_ODIV_SEL="false",
            p_DYN_DA_EN="false",
            p_PSDA_SEL="0000",
            p_DUTYDA_SEL="1000",
            p_CLKOUT_FT_DIR=Const(1, 1),
            p_CLKOUTP_FT_DIR=Const(1, 1),
            p_CLKOUT_DLY_STEP=0,
            p_CLKOUTP_DLY_STEP=0,
            p_CLKFB_SEL="internal",
            p_CLKOUT_BYPASS="false",
            p_CLKOUTP_BYPASS="false",
            p_CLKOUTD_BYPASS="false",
            p_CLKOUTD_SRC="CLKOUT",
            p_CLKOUTD3_SRC="CLKOUT",
            p_DYN_SDIV_SEL=2,
            i_CLKIN=pin,
            i_CLKFB=Const(0),
            i_RESET=Const(0),
            i_RESET_P=Const(0),
            i_FBDSEL=Const(0, 6),
            i_IDSEL=Const(0, 6),
            i_ODSEL=Const(0, 6),
            i_PSDA=Const(0, 4),
            i_DUTYDA=Const(0, 4),
            i_FDLY=Const(0, 4),
            o_CLKOUT=clock,
            o_LOCK=locked,
        )


class Clocks(Elaboratable):
    """Drives domain `sync`: its clock from the PLL, its reset until RESET_CLOCKS after the lock.

    The reset comes from a register, so the whole design leaves it in one clock. It comes back when the lock is lost.
    """

    def __init__(self, pll: PLL) -> None:
        self._pll = pll

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        pin = platform.request(self._pll.resource, dir="-")
        m.domains.sync = domain = ClockDomain()
        # Of its own name, by which the constraint finds it.
        generated = Signal()
        locked = Signal()
        stable = Signal()
        if self._pll.pad:
            oscillator = pin.io
        else:
            m.submodules.oscillator = buffer = io.Buffer("i", pin)
            oscillator = buffer.i
        m.submodules.pll = self._pll.instance(oscillator, generated, locked)
        m.submodules.lock = FFSynchronizer(locked, stable)
        platform.add_clock_constraint(generated, self._pll.frequency)

        waited = Signal(range(RESET_CLOCKS), reset_less=True)
        reset = Signal(init=1, reset_less=True)
        with m.If(~stable):
            m.d.sync += [waited.eq(0), reset.eq(1)]
        with m.Else():
            m.d.sync += waited.eq(waited + 1)
            with m.If(waited == RESET_CLOCKS - 1):
                m.d.sync += [waited.eq(waited), reset.eq(0)]
        m.d.comb += [domain.clk.eq(generated), domain.rst.eq(reset)]
        return m
