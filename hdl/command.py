"""Commands: what the host sends, checked before any of it is believed.

bytes -> [Command] -> register bus -> [Command] -> reply -> packets
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import COMMAND_HEADER, SYNC, VERSION, WRITE_SIZE, CommandType, ReplyStatus
from edgeray.protocol.registers import BY_NAME
from hdl.counter import SaturatingCounter
from hdl.crc import crc8_algorithm, crc32_algorithm
from hdl.layouts import reply_layout
from hdl.registers import bus_signature

PATIENCE_BITS = 22
"""A half-sent command is given up after 2**PATIENCE_BITS clocks without a byte: 0.17 s at 24 MHz. A UART at its slowest
divisor takes 0.16 of it for a byte."""


class Command(wiring.Component):
    """Reads one command at a time, executes it if both CRCs are right, answers it, then reads the next.

    Nothing is executed twice because a reply was lost: a WRITE whose sequence number is that of the command executed
    last is a repetition. It is answered as that one was, and not executed. READs are executed each time. So a host

    - gives each new command another number than the one before it, and a repeated one the same;
    - has nothing else under way with a command that must not act twice, until it has the reply or gives it up;
    - begins with a READ, since the board may remember a number of the host before it.

    A command with a wrong CRC, version or length changes nothing, gets no answer, and is counted in `errors`, which
    stays at its maximum. So does one whose next byte does not come in 2**`patience_bits` clocks; the byte after that is
    taken for the start of another command. A command that lost one byte costs no more than itself although it has taken
    the first byte of the next one.

    Parameters
    ----------
    patience_bits : see above

    Members
    -------
    i : stream of bytes
    reply : stream of `reply_layout`
    bus : the register bus, `bus_signature`
    errors : commands thrown away since reset
    """

    def __init__(self, patience_bits: int = PATIENCE_BITS):
        self._patience_bits = patience_bits
        super().__init__({
            "i": In(stream.Signature(8)),
            "reply": Out(stream.Signature(reply_layout())),
            "bus": Out(bus_signature),
            "errors": Out(BY_NAME["command_errors"].bits),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        self._header = header = Signal(data.StructLayout({field.name: field.bits for field in COMMAND_HEADER}))
        self._left = left = Signal(3)
        m.submodules.crc8 = self._crc8 = crc8 = crc8_algorithm(8).create()
        m.submodules.crc32 = self._crc32 = crc32 = crc32_algorithm(8).create()
        byte, taken = self.i.payload, Signal()
        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            crc8.data.eq(byte),
            crc32.data.eq(byte),
        ]
        # What the last byte was and how long ago; `silence` starts with each byte and its top bit means too long.
        self._may_be_sync = may_be_sync = Signal()
        silence = Signal(self._patience_bits + 1)
        m.d.sync += silence.eq(silence + 1)
        with m.If(taken):
            m.d.sync += [left.eq(left - 1), may_be_sync.eq(byte == SYNC[0]), silence.eq(0)]
        final = taken & (left == 0)
        m.d.comb += [self.bus.address.eq(header.address), self.reply.payload.sequence.eq(header.sequence)]
        m.d.comb += self.reply.payload.address.eq(header.address)

        def expect(state: str, count: int):
            m.d.sync += left.eq(count - 1)
            m.next = state

        m.submodules.counter = counter = SaturatingCounter(len(self.errors))
        m.d.comb += self.errors.eq(counter.value)

        def throw_away():
            m.d.comb += counter.count.eq(1)
            # A damaged command that lost a byte ends with the first of the next one.
            with m.If(may_be_sync):
                m.next = "SYNC 1"
            with m.Else():
                m.next = "SYNC 0"

        def give_up_late():
            with m.If(silence[-1] & ~self.i.valid):
                throw_away()

        is_write = header.type == CommandType.WRITE
        # The bank shows the outcome of this command until the next one.
        self._executed = executed = Signal(data.StructLayout({"sequence": len(header.sequence), "any": 1}))
        repeated = is_write & executed.any & (executed.sequence == header.sequence)
        with m.FSM() as self._fsm:
            with m.State("SYNC 0"):
                m.d.comb += [self.i.ready.eq(1), crc8.start.eq(1), crc32.start.eq(1)]
                with m.If(taken & (byte == SYNC[0])):
                    m.next = "SYNC 1"
            with m.State("SYNC 1"):
                m.d.comb += [self.i.ready.eq(1), crc8.start.eq(1), crc32.start.eq(1)]
                with m.If(taken):
                    with m.If(byte == SYNC[1]):
                        expect("HEADER", COMMAND_HEADER.size)
                    with m.Elif(byte != SYNC[0]):
                        m.next = "SYNC 0"
            with m.State("HEADER"):
                m.d.comb += [self.i.ready.eq(1), crc8.valid.eq(taken), crc32.valid.eq(taken)]
                with m.If(taken):
                    m.d.sync += header.eq(Cat(header.as_value()[8:], byte))
                with m.If(final):
                    m.next = "CRC-8"
                give_up_late()
            with m.State("CRC-8"):
                m.d.comb += [self.i.ready.eq(1), crc8.valid.eq(taken), crc32.valid.eq(taken)]
                with m.If(taken):
                    m.next = "HEADER CHECK"
                give_up_late()
            with m.State("HEADER CHECK"):
                with m.If(~crc8.match_detected | (header.version != VERSION)):
                    throw_away()
                with m.Elif(header.length == WRITE_SIZE):
                    expect("VALUE", WRITE_SIZE)
                with m.Elif(header.length == 0):
                    expect("CRC-32", 4)
                with m.Else():
                    throw_away()
            with m.State("VALUE"):
                m.d.comb += [self.i.ready.eq(1), crc32.valid.eq(taken)]
                with m.If(taken):
                    m.d.sync += self.bus.value.eq(Cat(self.bus.value[8:], byte))
                with m.If(final):
                    expect("CRC-32", 4)
                give_up_late()
            with m.State("CRC-32"):
                m.d.comb += [self.i.ready.eq(1), crc32.valid.eq(taken)]
                with m.If(final):
                    m.next = "CHECK"
                give_up_late()
            with m.State("CHECK"):
                known = Mux(header.length == 0, header.type == CommandType.READ, is_write)
                with m.If(~crc32.match_detected):
                    throw_away()
                with m.Else():
                    m.d.comb += [self.bus.access.eq(known & ~repeated), self.bus.write.eq(known & is_write)]
                    with m.If(known):
                        m.d.sync += [executed.any.eq(1), executed.sequence.eq(header.sequence)]
                    m.next = "ANSWER"
                m.d.sync += self.reply.payload.status.eq(Mux(known, ReplyStatus.OK, ReplyStatus.UNKNOWN_COMMAND))
            with m.State("ANSWER"):
                m.d.sync += self.reply.valid.eq(1)
                with m.If(self.reply.payload.status == ReplyStatus.OK):
                    m.d.sync += [
                        self.reply.payload.status.eq(self.bus.status),
                        self.reply.payload.value.eq(self.bus.read_value),
                    ]
                with m.Else():
                    m.d.sync += self.reply.payload.value.eq(0)
                m.next = "REPLY"
            with m.State("REPLY"), m.If(self.reply.ready):
                m.d.sync += self.reply.valid.eq(0)
                m.next = "SYNC 0"
        return m
