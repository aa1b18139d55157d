"""The header that a readout chip is wired to: one description of it gives the pins and the page in docs/boards/.

Header -> resources of the platform -> constraints of the bitstream
       -> docs/boards/NAME.md: tables and a drawing
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from amaranth.build import Attrs, Pins, Resource, Subsignal

INPUT, OUTPUT = "i", "o"


@dataclass(frozen=True)
class Meaning:
    """What a signal of the header is: its direction as the FPGA sees it, and what it says."""

    direction: str
    text: str


SIGNALS = {
    "roic.row": Meaning(OUTPUT, "row address, bit {bit}"),
    "roic.column": Meaning(OUTPUT, "column address, bit {bit}"),
    "roic.select_clock": Meaning(OUTPUT, "select register: shifts at the rising edge"),
    "roic.select_data": Meaning(OUTPUT, "select register: its input"),
    "roic.select_latch": Meaning(OUTPUT, "select register: takes the address over at the rising edge"),
    "roic.reset": Meaning(OUTPUT, "high: pixels are reset"),
    "roic.sample_reset": Meaning(OUTPUT, "high: pixels take their reset sample"),
    "roic.sample_signal": Meaning(OUTPUT, "high: pixels take their signal sample"),
    "roic.pga_gain": Meaning(OUTPUT, "gain of the chip's amplifier, bit {bit} of register pga_gain"),
    "roic.trigger": Meaning(INPUT, "rising edge: starts a frame with trigger_mode EXTERNAL; asynchronous"),
    "roic.busy": Meaning(OUTPUT, "high: a frame is exposed, read or processed"),
    "adc.convert": Meaning(OUTPUT, "high for one clock: the addressed pixel is converted"),
    "adc.cs_n": Meaning(OUTPUT, "chip select, low while converting"),
    "adc.sclk": Meaning(OUTPUT, "serial clock"),
    "adc.reset_data": Meaning(INPUT, "serial data of the converter at the chip's reset-sample output"),
    "adc.signal_data": Meaning(INPUT, "serial data of the converter at the chip's signal-sample output"),
    "adc.din": Meaning(OUTPUT, "serial data to the converter"),
    "adc.dout": Meaning(INPUT, "serial data from the converter"),
    "adc.reset_sample": Meaning(INPUT, "reset sample, bit {bit}"),
    "adc.signal_sample": Meaning(INPUT, "signal sample, bit {bit}"),
    "bias.cs_n": Meaning(OUTPUT, "bias DAC, LTC2668: CS/LD"),
    "bias.sck": Meaning(OUTPUT, "bias DAC: SCK"),
    "bias.sdi": Meaning(OUTPUT, "bias DAC: SDI"),
}
"""Signals by group and name, in the order of the page."""


PMOD = (("1", "7"), ("2", "8"), ("3", "9"), ("4", "10"), ("GND", "GND"), ("3V3", "3V3"))
"""Rows of a Pmod connector of twelve pins."""


class PinError(ValueError):
    """A header that cannot be: an unknown signal or pin, or a pin used twice."""


@dataclass(frozen=True)
class Connector:
    """A connector of the board, or a chip on it.

    Parameters
    ----------
    name : as printed on the board
    rows : labels as printed, row by row as one looks at the connector; empty for a chip. "GND", "3V3" and the like are
        supplies, "" is nothing.
    prefix : of the labels in the platform's own names ("pmod_0:"); empty where a label is the FPGA's pin.
    note : a sentence on where it is
    """

    name: str
    rows: tuple[tuple[str, ...], ...] = ()
    prefix: str = ""
    note: str = ""


@dataclass(frozen=True)
class Wire:
    """One pin of the header."""

    signal: str
    bit: int
    width: int
    connector: Connector
    label: str

    @property
    def name(self) -> str:
        return f"{self.signal}[{self.bit}]" if self.width > 1 else self.signal

    @property
    def pin(self) -> str:
        """Its name in the platform."""
        return self.connector.prefix + self.label

    @property
    def meaning(self) -> Meaning:
        return SIGNALS[self.signal]


@dataclass(frozen=True)
class Header:
    """Which signal is at which pin.

    Parameters
    ----------
    connectors : in the order of the page
    wiring : signal -> name of a connector and labels, least significant bit first: "PMOD1A 1 2 3"; further connectors
        may follow
    attributes : of every pin, in the words of the vendor's tools
    voltage : of every signal

    Raises
    ------
    PinError : an unknown signal, connector or label, or a pin that is used twice.
    """

    connectors: tuple[Connector, ...]
    wiring: Mapping[str, str]
    attributes: Mapping[str, str]
    voltage: str = "3.3 V"

    def __post_init__(self) -> None:
        used: dict[str, str] = {}
        for wire in self.wires():
            if wire.pin in used:
                raise PinError(f"{wire.name} and {used[wire.pin]} are both at {wire.connector.name} {wire.label}")
            used[wire.pin] = wire.name

    def wires(self) -> Iterator[Wire]:
        """Every pin, in the order of SIGNALS."""
        known = {connector.name: connector for connector in self.connectors}
        for signal in self.wiring:
            if signal not in SIGNALS:
                raise PinError(f"there is no signal {signal!r}; there are {', '.join(SIGNALS)}")
        for signal in (signal for signal in SIGNALS if signal in self.wiring):
            places, connector = [], None
            for word in self.wiring[signal].split():
                if word in known:
                    connector = known[word]
                elif connector is None or (connector.rows and not any(word in row for row in connector.rows)):
                    raise PinError(f"{signal}: there is no {word!r} at {connector.name if connector else 'the header'}")
                else:
                    places.append((connector, word))
            for bit, (at, label) in enumerate(places):
                yield Wire(signal, bit, len(places), at, label)

    def signals(self, group: str) -> list[str]:
        """Names of the signals of a group, without it."""
        return [name.partition(".")[2] for name in SIGNALS if name in self.wiring and name.startswith(group + ".")]

    def resources(self) -> list[Resource]:
        """One resource for every group: `header_roic`, `header_adc`, ..."""
        groups: dict[str, dict[str, list[Wire]]] = {}
        for wire in self.wires():
            group, _, name = wire.signal.partition(".")
            groups.setdefault(group, {}).setdefault(name, []).append(wire)
        return [
            Resource(
                f"header_{group}",
                0,
                *(
                    Subsignal(name, Pins(" ".join(wire.pin for wire in wires), dir=wires[0].meaning.direction))
                    for name, wires in signals.items()
                ),
                Attrs(**self.attributes),
            )
            for group, signals in groups.items()
        ]


def drawing(connector: Connector, wires: Sequence[Wire]) -> str:
    """The connector as one looks at it, with its labels, and the signals beside it."""
    names = {wire.label: wire.name for wire in wires if wire.connector == connector}
    left = max((len(names.get(row[0], "")) for row in connector.rows), default=0)
    label = max(len(each) for row in connector.rows for each in row)
    lines = [" " * left + " +" + "-" * ((label + 3) * len(connector.rows[0]) - 1) + "+"]
    for row in connector.rows:
        inside = "|".join(f" {each:^{label}} " for each in row)
        after = "  ".join(names[each] for each in row[1:] if each in names)
        lines.append(f"{names.get(row[0], ''):>{left}} |{inside}| {after}".rstrip())
    return "\n".join([*lines, lines[0]])
