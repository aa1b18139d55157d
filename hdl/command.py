"""Commands: what the host sends, checked before any of it is believed.

bytes -> [Command] -> register bus -> [Command] -> reply -> packets
"""

from amaranth import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.packets import COMMAND_HEADER, SYNC, VERSION, WRITE_SIZE, CommandType, ReplyStatus
from edgeray.protocol.registers import BY_NAME
from hdl.frame import crc8_algorithm, crc32_algorithm
from hdl.layouts import reply_layout
from hdl.registers import bus_signature


class Command(wiring.Component):
    """Reads one command at a time, executes it if both CRCs are right, answers it, then reads the next.

    A command with a wrong CRC, version or length changes nothing, gets no answer, and is counted in `errors`, which
    stays at its maximum.

    Members
    -------
    i : stream of bytes
    reply : stream of `reply_layout`
    bus : the register bus, `bus_signature`
    errors : commands thrown away since reset
    """

    def __init__(self):
        super().__init__({
            "i": In(stream.Signature(8)),
            "reply": Out(stream.Signature(reply_layout())),
            "bus": Out(bus_signature),
            "errors": Out(BY_NAME["command_errors"].bits),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        header = Signal(data.StructLayout({field.name: field.bits for field in COMMAND_HEADER}))
        left = Signal(3)
        m.submodules.crc8 = crc8 = crc8_algorithm(8).create()
        m.submodules.crc32 = crc32 = crc32_algorithm(8).create()
        byte, taken = self.i.payload, Signal()
        m.d.comb += [
            taken.eq(self.i.valid & self.i.ready),
            crc8.data.eq(byte),
            crc32.data.eq(byte),
        ]
        with m.If(taken):
            m.d.sync += left.eq(left - 1)
        final = taken & (left == 0)
        m.d.comb += [self.bus.address.eq(header.address), self.reply.payload.sequence.eq(header.sequence)]
        m.d.comb += self.reply.payload.address.eq(header.address)

        def expect(state: str, count: int):
            m.d.sync += left.eq(count - 1)
            m.next = state

        def throw_away():
            with m.If(~self.errors.all()):
                m.d.sync += self.errors.eq(self.errors + 1)
            m.next = "SYNC 0"

        is_write = header.type == CommandType.WRITE
        with m.FSM():
            with m.State("SYNC 0"):
                m.d.comb += [self.i.ready.eq(1), crc8.start.eq(1), crc32.start.eq(1)]
                with m.If(taken & (byte == SYNC[0])):
                    m.next = "SYNC 1"
            with m.State("SYNC 1"):
                m.d.comb += self.i.ready.eq(1)
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
            with m.State("CRC-8"):
                m.d.comb += [self.i.ready.eq(1), crc8.valid.eq(taken), crc32.valid.eq(taken)]
                with m.If(taken):
                    m.next = "HEADER CHECK"
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
            with m.State("CRC-32"):
                m.d.comb += [self.i.ready.eq(1), crc32.valid.eq(taken)]
                with m.If(final):
                    m.next = "CHECK"
            with m.State("CHECK"):
                known = Mux(header.length == 0, header.type == CommandType.READ, is_write)
                with m.If(~crc32.match_detected):
                    throw_away()
                with m.Else():
                    m.d.comb += [self.bus.access.eq(known), self.bus.write.eq(known & is_write)]
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
