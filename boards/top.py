"""The design of a board: `SerialReadout` between the pins.

oscillator -> [Clocks] -> domain sync
UART pins <-> [SerialReadout] <-> pins of the header: readout chip, ADC, bias DAC
"""

from typing import Any

from amaranth import Module, Value
from amaranth.hdl import Elaboratable
from amaranth.lib import io

from boards.board import Board
from boards.clocks import Clocks
from boards.pins import INPUT, SIGNALS, PinError
from hdl.readout import SerialReadout
from hdl.select import SerialSelect


class Top(Elaboratable):
    """The readout with its clock, on a board's pins.

    Every input is taken by a synchroniser inside the readout (`trigger`, `rx`) or in step with a clock that the readout
    itself gives (`adc`), so there is one clock domain and nothing crosses into another.
    """

    def __init__(self, board: Board) -> None:
        self._board = board

    def elaborate(self, platform: Any) -> Module:
        board = self._board
        m = Module()
        m.submodules.clocks = Clocks(board.pll)
        m.submodules.readout = readout = SerialReadout(board.params, adc=board.adc)

        uart = platform.request("uart", 0, dir="-")
        m.submodules.pin_rx = rx = io.Buffer("i", uart.rx)
        m.submodules.pin_tx = tx = io.Buffer("o", uart.tx)
        m.d.comb += [readout.rx.eq(rx.i), tx.o.eq(readout.tx)]

        platform.add_resources(board.header.resources())
        roic = {name: getattr(readout.roic, name) for name in readout.roic.signature.members}
        if "roic.select_data" in board.header.wiring:
            m.submodules.select = select = SerialSelect(board.params)
            m.d.comb += [select.row.eq(roic.pop("row")), select.column.eq(roic.pop("column"))]
            roic |= {f"select_{name}": getattr(select, name) for name in ("clock", "data", "latch")}
        self._connect(m, platform, "roic", {**roic, "trigger": readout.trigger, "busy": readout.busy})
        self._connect(m, platform, "adc", {
            name: getattr(readout.adc, name) for name in readout.adc.signature.members
        })  # fmt: skip
        if board.params.bias_dac:
            self._connect(m, platform, "bias", {
                name: getattr(readout.bias, name) for name in readout.bias.signature.members
            })  # fmt: skip
        return m

    def _connect(self, m: Module, platform: Any, group: str, signals: dict[str, Any]) -> None:
        """Every signal of a group to its pins; PinError where the header lacks one or has another width."""
        at_header = self._board.header.signals(group)
        if missing := set(signals) ^ set(at_header):
            raise PinError(f"{self._board.name}: header and readout differ in {group}: {', '.join(sorted(missing))}")
        ports = platform.request(f"header_{group}", 0, dir="-")
        for name in at_header:
            port, signal = getattr(ports, name), Value.cast(signals[name])
            if len(port) != len(signal):
                raise PinError(f"{self._board.name}: {group}.{name} has {len(signal)} bits and {len(port)} pins")
            direction = SIGNALS[f"{group}.{name}"].direction
            m.submodules[f"pin_{group}_{name}"] = buffer = io.Buffer(direction, port)
            m.d.comb += signal.eq(buffer.i) if direction == INPUT else buffer.o.eq(signal)
