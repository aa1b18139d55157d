"""Commands: what the host sends, checked before any of it is believed.

bytes -> [Command] -> register bus -> [Command] -> reply -> packets
"""

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, exact_log2

from edgeray.protocol.packets import (
    BLOCK_WORDS,
    COMMAND_HEADER,
    REPLY,
    SYNC,
    VERSION,
    WORD_BITS,
    WRITE_SIZE,
    CommandType,
    PacketType,
    ReplyStatus,
)
from edgeray.protocol.registers import BY_NAME
from hdl.block_memory import BlockMemory
from hdl.counter import SaturatingCounter
from hdl.crc import Checksums
from hdl.layouts import byte_layout
from hdl.registers import bus_signature

PATIENCE_BITS = 22
"""A half-sent command is given up after 2**PATIENCE_BITS clocks without a byte: 0.17 s at 24 MHz. A UART at its slowest
divisor takes 0.16 of it for a byte."""
_CRC32_BYTES = 4
_LENGTH_BITS = bits_for(WRITE_SIZE * BLOCK_WORDS)


class Command(wiring.Component):
    """Reads one command at a time, executes it if both CRCs are right, answers it, then reads the next.

    A byte takes 8 clocks. A word to be written waits in a memory until the CRC-32 was right, so that of a damaged block
    nothing is written; then a word takes 3 clocks, or as long as the bus does. A block ends at the first word refused.

    Nothing is executed twice because a reply was lost: a WRITE or WRITE_BLOCK whose sequence number is that of the
    command executed last is a repetition. It is answered as that one was, and not executed. READs are executed each
    time. So a host

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
    block_words : the most words that a command may have, a power of two up to BLOCK_WORDS

    Members
    -------
    i : stream of bytes
    generation : header field of replies
    reply : stream of `byte_layout`: header and payload of replies
    bus : the register bus, `bus_signature`
    errors : commands thrown away since reset
    """

    def __init__(self, patience_bits: int = PATIENCE_BITS, block_words: int = BLOCK_WORDS):
        self._patience_bits, self._block_words = patience_bits, block_words
        super().__init__({
            "i": In(stream.Signature(8)),
            "generation": In(COMMAND_HEADER["generation"].bits),
            "reply": Out(stream.Signature(byte_layout())),
            "bus": Out(bus_signature),
            "errors": Out(BY_NAME["command_errors"].bits),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        kept = {name: COMMAND_HEADER[name].bits for name in ("type", "sequence", "address")}
        # Of the length the bits that a right one has; `right` says whether the others are 0, and the version is ours.
        self._header = header = Signal(data.StructLayout({**kept, "length": _LENGTH_BITS, "right": 1}), reset_less=True)
        # Bytes that are over, of this part of the packet or of the reply.
        self._place = place = Signal(_LENGTH_BITS)
        begins, goes_on = Signal(), Signal()
        with m.If(begins | goes_on):
            m.d.sync += place.eq(Mux(begins, 0, place + 1))
        byte, step, taking, taken = self.i.payload, Signal(3), Signal(), Signal()
        m.submodules.checksums = sums = Checksums(1)
        m.d.comb += [
            self.i.ready.eq(taking & step.all()),
            taken.eq(self.i.valid & self.i.ready),
            sums.byte.eq(byte),
            sums.step.eq(step),
            sums.enable.eq(self.i.valid & taking),
        ]
        m.d.sync += step.eq(step + sums.enable)
        # What the last byte was and how long ago; `silence` starts with each byte and its top bit means too long.
        self._may_be_sync = may_be_sync = Signal()
        silence = Signal(self._patience_bits + 1)
        m.d.sync += silence.eq(silence + 1)
        with m.If(taken):
            m.d.comb += goes_on.eq(1)
            m.d.sync += [may_be_sync.eq(byte == SYNC[0]), silence.eq(0)]

        m.submodules.words = words = BlockMemory(WORD_BITS, BLOCK_WORDS, granularity=8)
        self._written = written = Signal(range(self._block_words + 1), reset_less=True)
        m.d.comb += [
            words.write_address.eq(place >> 2),
            words.write_data.eq(byte.replicate(WRITE_SIZE)),
            words.read_address.eq(written),
            words.read_enable.eq(1),
            self.bus.address.eq(header.address),
            self.bus.value.eq(words.read_data),
        ]

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

        def begin(state: str):
            m.d.comb += begins.eq(1)
            m.next = state

        in_value = place[3] | place[:3].all()
        is_block, has_words = header.type == CommandType.WRITE_BLOCK, header.length.any()
        known = ((header.type == CommandType.READ) & ~has_words) | (is_block & has_words)
        known |= (header.type == CommandType.WRITE) & (header.length == WRITE_SIZE)
        self._known = known
        # The command executed last, and what it was answered; the value is rotated while it is sent.
        self._executed = executed = Signal(data.StructLayout({"sequence": kept["sequence"], "any": 1}))
        self._same = same = Signal(reset_less=True)
        self._status, self._value = status, value = (
            Signal(ReplyStatus, reset_less=True),
            Signal(WORD_BITS, reset_less=True),
        )
        repeated = has_words & executed.any & same
        with m.FSM() as self._fsm:
            with m.State("SYNC 0"):
                m.d.comb += [taking.eq(1), sums.start.eq(1)]
                with m.If(taken & (byte == SYNC[0])):
                    m.next = "SYNC 1"
            with m.State("SYNC 1"):
                m.d.comb += [taking.eq(1), sums.start.eq(1)]
                with m.If(taken):
                    with m.If(byte == SYNC[1]):
                        begin("HEADER")
                    with m.Elif(byte != SYNC[0]):
                        m.next = "SYNC 0"
            with m.State("HEADER"):
                m.d.comb += [taking.eq(1), sums.in_header.eq(1)]
                with m.If(taken):
                    self._keep(m, byte)
                    with m.If(place[:3] == 1):
                        m.d.sync += same.eq(byte == executed.sequence)
                    with m.If(place[:3] == COMMAND_HEADER.size - 1):
                        m.next = "CRC-8"
                give_up_late()
            with m.State("CRC-8"):
                m.d.comb += [taking.eq(1), sums.in_header.eq(1)]
                with m.If(taken):
                    begin("HEADER CHECK")
                give_up_late()
            with m.State("HEADER CHECK"):
                with m.If(sums.crc8_right & header.right & self._is_length()):
                    m.next = "MORE"
                with m.Else():
                    throw_away()
            with m.State("MORE"):
                with m.If(place == header.length):
                    begin("CRC-32")
                with m.Else():
                    m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                m.d.comb += taking.eq(1)
                with m.If(taken):
                    m.d.comb += words.write_enable.eq(1 << place[:2])
                    m.next = "MORE"
                give_up_late()
            with m.State("CRC-32"):
                m.d.comb += [taking.eq(1), sums.in_crc32.eq(1)]
                with m.If(taken & (place[:2] == _CRC32_BYTES - 1)):
                    begin("CHECK")
                give_up_late()
            with m.State("CHECK"):
                with m.If(~sums.crc32_right):
                    throw_away()
                with m.Elif(known & ~repeated):
                    m.d.sync += [written.eq(0), executed.any.eq(1), executed.sequence.eq(header.sequence)]
                    with m.If(has_words):
                        m.next = "FETCH"
                    with m.Else():
                        m.next = "ACCESS"
                with m.Else():
                    m.next = "REPLY"
            with m.State("FETCH"):
                with m.If(written == header.length >> 2):
                    m.next = "REPLY"
                with m.Else():
                    m.next = "ACCESS"
            with m.State("ACCESS"):
                m.d.comb += [self.bus.access.eq(1), self.bus.write.eq(has_words)]
                m.d.sync += [status.eq(self.bus.status), value.eq(self.bus.read_value)]
                with m.If(self.bus.done):
                    m.next = "OUTCOME"
            with m.State("OUTCOME"):
                with m.If(has_words & (status == ReplyStatus.OK)):
                    m.d.sync += written.eq(written + 1)
                    m.next = "FETCH"
                with m.Else():
                    m.next = "REPLY"
            with m.State("REPLY"):
                m.d.comb += self.reply.valid.eq(1)
                with m.If(self.reply.ready):
                    m.d.comb += goes_on.eq(1)
                    with m.If(in_value):
                        m.d.sync += value.eq(value.rotate_right(8))
                    with m.If(self.reply.payload.last):
                        m.next = "SYNC 0"
        with m.If(is_block & (self._fsm.ongoing("FETCH") | self._fsm.ongoing("OUTCOME"))):
            m.d.sync += value.eq(written)
        self._answer(m, in_value)
        return m

    def _keep(self, m: Module, byte) -> None:
        """Keep what is needed of the header's byte at `_place`."""
        header = self._header
        with m.Switch(self._place[:3]):
            with m.Case(0):
                m.d.sync += [
                    header.type.eq(byte >> COMMAND_HEADER.offset("type")),
                    header.right.eq(byte >> COMMAND_HEADER.offset("version") == VERSION),
                ]
            with m.Case(1):
                m.d.sync += header.sequence.eq(byte)
            with m.Case(2):
                m.d.sync += header.address[:8].eq(byte)
            with m.Case(3):
                m.d.sync += header.address[8:].eq(byte)
            with m.Case(4):
                m.d.sync += header.length[:8].eq(byte)
            with m.Case(5):
                m.d.sync += header.length[8:].eq(byte)
                with m.If((byte >> (_LENGTH_BITS - 8)).any()):
                    m.d.sync += header.right.eq(0)

    def _is_length(self):
        """Whether a command can have so many bytes: whole words, no more than a block's."""
        length, top = self._header.length, exact_log2(WRITE_SIZE * self._block_words)
        return ~length[:2].any() & ~length[top + 1 :].any() & ~(length[top] & length[:top].any())

    def _answer(self, m: Module, in_value) -> None:
        """The reply's byte at `_place`."""
        header, reply, size = self._header, self.reply.payload, COMMAND_HEADER.size + REPLY.size
        values = {"generation": self.generation, "last": 1, "type": PacketType.REPLY, "version": VERSION}
        values |= {"sequence": header.sequence, "address": header.address, "length": REPLY.size}
        status = Mux(self._known, self._status, ReplyStatus.UNKNOWN_COMMAND)
        before = Cat(*(Const(0, one.bits) | values[one.name] for one in COMMAND_HEADER), Const(0, 8) | status)
        m.d.comb += reply.last.eq(self._place[:4] == size - 1)
        with m.If(in_value):
            m.d.comb += reply.data.eq(Mux(self._known, self._value[:8], 0))
        with m.Else():
            m.d.comb += reply.data.eq(before.word_select(self._place[:3], 8))
