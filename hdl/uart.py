"""UART, 8 data bits, no parity, one stop bit: the link of boards that have a serial port.

bytes of packets -> [UARTTransmitter] -> tx pin          rx pin -> [UARTReceiver] -> bytes of commands
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from edgeray.protocol.registers import BY_NAME

_BITS = 8
_DIVISOR = BY_NAME["uart_divisor"]


class UARTTransmitter(wiring.Component):
    """Sends bytes, least significant bit first. A byte takes 10 * divisor clocks; nothing between two of them.

    Members
    -------
    i : stream of bytes
    divisor : clocks a bit, taken over with each byte; 0 counts as 1
    tx : the line, straight from a register, high at rest
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(_BITS)), "divisor": In(_DIVISOR.bits), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        # What is still to be sent behind the bit on the line: a one marks the end, and is the stop bit.
        waiting = Signal(_BITS + 1)
        period, remaining = Signal(_DIVISOR.bits), Signal(_DIVISOR.bits)
        sending = Signal()
        bit_ends, byte_ends = Signal(), Signal()
        m.d.comb += [
            bit_ends.eq(remaining == 0),
            byte_ends.eq(bit_ends & (waiting == 0)),
            self.i.ready.eq(~sending | byte_ends),
        ]
        with m.If(self.i.ready):
            m.d.sync += sending.eq(self.i.valid)
            with m.If(self.i.valid):
                ticks = Mux(self.divisor == 0, 0, self.divisor - 1)
                m.d.sync += [
                    self.tx.eq(0),
                    waiting.eq(Cat(self.i.payload, 1)),
                    period.eq(ticks),
                    remaining.eq(ticks),
                ]
        with m.Elif(bit_ends):
            m.d.sync += [Cat(self.tx, waiting).eq(waiting), remaining.eq(period)]
        with m.Else():
            m.d.sync += remaining.eq(remaining - 1)
        return m


class UARTReceiver(wiring.Component):
    """Receives bytes; each bit is sampled once, in its middle.

    A byte is shown at `o` half a stop bit before its end. A byte that comes while the one before waits there is lost.

    Members
    -------
    o : stream of bytes
    divisor : clocks a bit, at least 2
    rx : the line, asynchronous, high at rest
    framing_error : one clock: no stop bit, the byte was thrown away
    overrun : one clock: a byte was lost because the one before had not been taken
    """

    def __init__(self):
        super().__init__({
            "o": Out(stream.Signature(_BITS)),
            "divisor": In(_DIVISOR.bits),
            "rx": In(1, init=1),
            "framing_error": Out(1),
            "overrun": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        line = Signal(init=1)
        m.submodules += FFSynchronizer(self.rx, line, init=1)

        shift = Signal(_BITS)
        bits_left, remaining = Signal(range(_BITS + 2)), Signal(_DIVISOR.bits)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("REST"), m.If(~line):
                # The clock that saw the line fall was the bit's first.
                m.d.sync += [
                    remaining.eq(Mux(self.divisor < 2, 0, (self.divisor >> 1) - 1)),
                    bits_left.eq(_BITS + 1),
                ]
                m.next = "BITS"
            with m.State("BITS"):
                m.d.sync += remaining.eq(remaining - 1)
                with m.If(remaining == 0):
                    m.d.sync += [
                        remaining.eq(Mux(self.divisor == 0, 0, self.divisor - 1)),
                        bits_left.eq(bits_left - 1),
                        shift.eq(Cat(shift[1:], line)),
                    ]
                    # The start bit is gone in its middle: it was a spike.
                    with m.If((bits_left == _BITS + 1) & line):
                        m.next = "REST"
                    with m.If(bits_left == 0):
                        m.next = "REST"
                        m.d.comb += [
                            self.framing_error.eq(~line),
                            self.overrun.eq(line & self.o.valid & ~self.o.ready),
                        ]
                        with m.If(line & (~self.o.valid | self.o.ready)):
                            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(shift)]
                        with m.If(~line):
                            m.next = "BREAK"
            # A line that stays low is no start bit.
            with m.State("BREAK"), m.If(line):
                m.next = "REST"
        return m
