"""UART, 8 data bits, no parity, one stop bit: the link of boards that have a serial port.

bytes of packets -> [UARTTransmitter] -> tx pin          rx pin -> [UARTReceiver] -> bytes of commands
"""

from amaranth import Cat, Module, Signal
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
    divisor : clocks a bit, at least 2; taken over with each byte
    tx : the line, straight from a register, high at rest
    """

    def __init__(self):
        super().__init__({"i": In(stream.Signature(_BITS)), "divisor": In(_DIVISOR.bits), "tx": Out(1, init=1)})

    def elaborate(self, platform):
        m = Module()
        # What is still to be sent behind the bit on the line: a one marks the end, and is the stop bit.
        waiting = Signal(_BITS + 1)
        # Clocks of this bit with the next one, and of any; compared a clock ahead, so that the end is a register.
        elapsed, period = Signal(_DIVISOR.bits, init=2), Signal(_DIVISOR.bits, reset_less=True)
        sending = Signal()
        bit_ends, byte_ends = Signal(), Signal()
        m.d.comb += [
            byte_ends.eq(bit_ends & (waiting == 0)),
            self.i.ready.eq(~sending | byte_ends),
        ]
        m.d.sync += [elapsed.eq(elapsed + 1), bit_ends.eq(elapsed == period)]
        with m.If(self.i.ready | bit_ends):
            m.d.sync += [elapsed.eq(2), bit_ends.eq(0)]
        with m.If(self.i.ready):
            m.d.sync += [sending.eq(self.i.valid), period.eq(self.divisor)]
            with m.If(self.i.valid):
                m.d.sync += [self.tx.eq(0), waiting.eq(Cat(self.i.payload, 1))]
        with m.Elif(bit_ends):
            m.d.sync += Cat(self.tx, waiting).eq(waiting)
        return m


class UARTReceiver(wiring.Component):
    """Receives bytes; each bit is sampled once, in its middle.

    A byte is shown at `o` half a stop bit before its end. A byte that comes while the one before waits there is lost.

    Members
    -------
    o : stream of bytes
    divisor : clocks a bit, at least 2; stays as it is while a byte comes
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

        shift, bits_left = Signal(_BITS, reset_less=True), Signal(range(_BITS + 2))
        # Clocks of this half of a bit, this one included; the half behind the middle has one more where they are odd.
        half, elapsed = self.divisor >> 1, Signal(_DIVISOR.bits - 1, init=1)
        behind_middle, is_late, reached, ends = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            reached.eq(elapsed == half),
            ends.eq(reached & (is_late | ~(behind_middle & self.divisor[0]))),
        ]
        m.d.sync += is_late.eq(reached & ~ends)
        with m.If(~reached):
            m.d.sync += elapsed.eq(elapsed + 1)
        with m.Elif(ends):
            m.d.sync += [elapsed.eq(1), behind_middle.eq(~behind_middle)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("REST"):
                # The clock that sees the line fall is the bit's first.
                m.d.sync += [elapsed.eq(1), behind_middle.eq(0), is_late.eq(0), bits_left.eq(_BITS + 1)]
                with m.If(~line):
                    m.next = "BITS"
            with m.State("BITS"), m.If(ends & ~behind_middle):
                m.d.sync += [bits_left.eq(bits_left - 1), shift.eq(Cat(shift[1:], line))]
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
