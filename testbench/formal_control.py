"""What is proved of commands, registers and counters, for all time; see `testbench.formal`.

any bytes -> Command -> register bus;  any use of the bus -> RegisterBank -> settings, pulses, answers
"""

from typing import Any

from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume
from amaranth.lib import data

from edgeray.protocol.packets import (
    COMMAND_HEADER,
    CRC8,
    HEADER_END,
    OVERHEAD,
    SYNC,
    VERSION,
    WRITE_SIZE,
    CommandType,
    ReplyStatus,
)
from edgeray.protocol.registers import BY_NAME
from hdl.command import Command
from hdl.counter import SaturatingCounter
from hdl.crc import Checksums
from hdl.registers import RegisterBank
from testbench.formal import Proof, StreamProof, transferred
from testbench.formal_stages import TINY

_BLOCK_WORDS = 2
"""Words of the longest block that the parser is proved with."""
_LONGEST = OVERHEAD + WRITE_SIZE * _BLOCK_WORDS
_CRC32_POLYNOMIAL = 0x04C11DB7
_KEPT = data.StructLayout({
    **{name: COMMAND_HEADER[name].bits for name in ("type", "sequence", "address")}, "length": 9, "right": 1,
})  # fmt: skip
"""What the parser keeps of a header."""


def _before(m: Module, value: Any, name: str) -> Signal:
    """`value` of the clock before."""
    kept = Signal(len(Value.cast(value)), name=f"before_{name}")
    m.d.sync += kept.eq(value)
    return kept


def _counter(m: Module, stage: Any, proof: StreamProof) -> None:
    """One more for each clock that counts, and no more once it is full."""
    most = (1 << len(stage.value)) - 1
    value, count, clear = (_before(m, getattr(stage, name), name) for name in ("value", "count", "clear"))
    right = Mux(clear, 0, Mux(count & (value != most), value + 1, value))
    m.d.comb += Assert(stage.value == Mux(proof.started, right, 0))


class _Bank(RegisterBank):
    """A `RegisterBank` that shows whether it is at work on an access, has decided it, or takes settings over."""

    def __init__(self) -> None:
        super().__init__(TINY)
        self.at_work, self.decided, self.copies = Signal(), Signal(), Signal()

    def elaborate(self, platform: Any) -> Module:
        m: Module = super().elaborate(platform)
        states = (self._fsm.ongoing(name) for name in ("READ", "SHOW", "DONE"))
        m.d.comb += self.decided.eq(Cat(*states).any())
        m.d.comb += self.copies.eq(self._fsm.ongoing("COPY"))
        m.d.comb += self.at_work.eq(self.decided | self._fsm.ongoing("DECIDE") | self._fsm.ongoing("CHECK"))
        return m


def _bank(m: Module, stage: Any, proof: StreamProof) -> None:
    """The prover does what it likes with the bus, with `take_over`, and with all that the memories show."""
    bus = stage.bus
    held = _before(m, bus.access & ~bus.done, "held")
    for name in ("access", "write", "address", "value"):
        port = getattr(bus, name)
        m.d.comb += port.eq(proof.choose(port, f"bus_{name}"))
        # All four are held until `done`.
        m.d.comb += Assume(~held | (port == _before(m, port, name)))
    m.d.comb += stage.take_over.eq(proof.choose(stage.take_over, "take_over"))

    pulsed = stage.pulsed.as_value()
    before = {
        name: _before(m, value, f"before_{name}")
        for name, value in {
            "settings": stage.settings, "busy": stage.busy, "take_over": stage.take_over, "divisor": stage.uart_divisor,
            "index": stage.table_index, "done": bus.done, "pulsed": pulsed,
            "entry": pulsed & ~_pulse_bit(stage, "command"),
        }.items()
    }  # fmt: skip
    entry_before = _before(m, before["entry"].any(), "entry_before")
    writes = bus.access & bus.write

    def written(name: str) -> Value:
        return writes & (bus.address == BY_NAME[name].address)

    for claim in (
        ~bus.done | bus.access,
        ~(bus.done & before["done"]),
        ~stage.at_work | bus.access,
        ~stage.copies | stage.busy,
        (pulsed == 0) | stage.decided,
        # Settings in force stand still but while they are taken over, and that is when it was asked for.
        (stage.settings.as_value() == before["settings"]) | before["busy"],
        ~stage.busy | before["busy"] | before["take_over"],
        # A pulse is one clock of a write to its register, of which the word is on the bus then.
        *(~_pulse(stage, name) | written(name) for name in stage.pulsed.shape().members),
        (pulsed & before["pulsed"]) == 0,
        # The table's index counts one for each entry, a clock late, and changes by a write to it alone else.
        (stage.table_index == (before["index"] + entry_before)[:24]) | written("table_index"),
        (stage.uart_divisor == before["divisor"]) | written("uart_divisor"),
        # What is no register is answered as such, and nothing is changed.
        ~(stage.decided & bus.address[7:].any()) | (bus.status == ReplyStatus.UNKNOWN_ADDRESS),
        ~stage.decided
        | bus.write
        | ((bus.status != ReplyStatus.READ_ONLY) & (bus.status != ReplyStatus.VALUE_REFUSED)),
    ):
        m.d.comb += Assert(~proof.started | claim)


def _pulse(stage: Any, name: str) -> Value:
    return stage.pulsed[name]


def _pulse_bit(stage: Any, name: str) -> int:
    """The bit of `pulsed` that is that register's."""
    return 1 << list(stage.pulsed.shape().members).index(name)


class _Parser(Command):
    """A `Command` that shows where it is, of short blocks.

    Members
    -------
    position : bytes of the packet that it has taken so far
    before_check : its bytes are still being taken, or checked
    checking_header, checking, fetching, accessing, concluding, replying : what it does
    went_well : the answer of the bus that it concludes from
    possible : a state that it can be in
    header, same, may_be_sync, executed, place, written : as it has them
    crc8_right, crc32_right : as its checksums say
    writes, write_address, write_data, read_address : what its memory is asked for
    """

    def __init__(self) -> None:
        super().__init__(patience_bits=1, block_words=_BLOCK_WORDS)
        self.position = Signal(10)
        self.before_check, self.checking_header, self.checking = Signal(), Signal(), Signal()
        self.fetching, self.accessing, self.concluding = Signal(), Signal(), Signal()
        self.went_well, self.replying, self.possible = Signal(), Signal(), Signal()
        self.crc8_right, self.crc32_right, self.may_be_sync = Signal(), Signal(), Signal()
        self.header, self.executed, self.place = Signal(_KEPT), Signal(9), Signal(9)
        self.writes, self.write_address, self.write_data = Signal(4), Signal(6), Signal(32)
        self.read_address, self.written, self.same = Signal(6), Signal(2), Signal()

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        state, place, words, sums = self._fsm.ongoing, self._place, m.submodules["words"], m.submodules["checksums"]
        length = self._header.length
        # Bytes before this part of the packet, and the most of this part.
        positions = {
            "SYNC 0": (0, 0), "SYNC 1": (1, 0), "HEADER": (2, 5), "CRC-8": (2, 6), "HEADER CHECK": (9, 0),
            "MORE": (9, length), "PAYLOAD": (9, length - 1), "CRC-32": (9 + length, 3), "CHECK": (13 + length, 0),
            "FETCH": (13 + length, 0), "ACCESS": (13 + length, 0), "OUTCOME": (13 + length, 0),
        }  # fmt: skip
        for name, (before, most) in positions.items():
            with m.If(state(name)):
                m.d.comb += self.position.eq(before + place)
                m.d.comb += self.possible.eq(1 if name.startswith("SYNC") else place <= most)
                if name == "CRC-8":
                    m.d.comb += self.possible.eq(place == most)
                if name.startswith("SYNC"):
                    m.d.comb += self.position.eq(before)
        with m.If(state("REPLY")):
            m.d.comb += [self.position.eq(13 + length), self.possible.eq(place <= 10)]
        m.d.comb += [
            self.before_check.eq(Cat(state(name) for name in [*positions][:9]).any()),
            self.checking_header.eq(state("HEADER CHECK")),
            self.checking.eq(state("CHECK")),
            self.fetching.eq(state("FETCH")),
            self.accessing.eq(state("ACCESS")),
            self.concluding.eq(state("OUTCOME")),
            self.went_well.eq(self._status == ReplyStatus.OK),
            self.replying.eq(state("REPLY")),
            self.crc8_right.eq(sums.crc8_right),
            self.crc32_right.eq(sums.crc32_right),
            Value.cast(self.header).eq(Value.cast(self._header)),
            self.executed.eq(Value.cast(self._executed)),
            self.may_be_sync.eq(self._may_be_sync),
            self.place.eq(place),
            self.writes.eq(words.write_enable),
            self.write_address.eq(words.write_address),
            self.write_data.eq(words.write_data),
            self.read_address.eq(words.read_address),
            self.written.eq(self._written),
            self.same.eq(self._same),
        ]
        return m


def _crc_step(state: Value, bit: Value, polynomial: int) -> Value:
    """The CRC register after one more bit, from the definition; its last bit is the one shifted out."""
    return Cat(0, state[:-1]) ^ Mux(state[-1] ^ bit, polynomial, 0)


def _checksums(m: Module, stage: Any, proof: StreamProof) -> None:
    """Both registers, and what is said of them, are those of the definition, which takes a byte bit by bit."""
    byte, step, kind = stage.byte, Signal(3), Cat(stage.in_header, stage.in_crc32)
    crc8, crc32, right = Signal(8, init=CRC8.initial), Signal(32, init=(1 << 32) - 1), Signal(init=1)
    before, was_started = _before(m, Cat(byte, kind), "byte"), _before(m, stage.start, "start")
    ends = stage.enable & (step == 7)
    m.d.sync += step.eq(step + stage.enable)
    with m.If(stage.start):
        m.d.sync += [crc8.eq(crc8.init), crc32.eq(crc32.init), right.eq(1)]
    with m.Elif(stage.enable):
        with m.If(stage.in_header):
            m.d.sync += crc8.eq(_crc_step(crc8, byte.bit_select(~step, 1), CRC8.polynomial))
        with m.If(~stage.in_crc32):
            m.d.sync += crc32.eq(_crc_step(crc32, byte.bit_select(step, 1), _CRC32_POLYNOMIAL))
        with m.Elif(ends):
            m.d.sync += [crc32.eq(crc32 << 8), right.eq(right & (byte == ~Cat(reversed(crc32))[:8]))]
    # Any register, and that behind any byte: `crc8_right` is said where the byte was its CRC-8, and only there.
    register, sent = proof.choose(Signal(8), "register"), proof.choose(Signal(8), "sent")
    behind: Value = register
    for place in reversed(range(8)):
        behind = _crc_step(behind, sent[place], CRC8.polynomial)
    m.d.comb += [
        Assume(stage.step == step),
        Assume((step == 0) | (Cat(byte, kind) == before)),
        # What covers a byte begins with its first bit.
        Assume(stage.start | ~was_started | ~proof.started | (step == 0)),
        Assume(proof.started | (step == 0)),
        Assert(stage.registers.crc8 == crc8),
        Assert(stage.registers.crc32 == Cat(reversed(crc32))),
        Assert(stage.crc32_right == right),
        Assert((stage.registers.crc8 != behind) | (stage.crc8_right == (sent == ~register))),
        Assert((stage.crc32 == ~stage.registers.crc32[:8]) & (stage.crc8 == ~stage.registers.crc8)),
    ]


def _command(m: Module, stage: Any, proof: StreamProof) -> None:
    """The bus is used, and a reply given, for right packets alone, and as these say; no write is executed twice.

    The bytes taken last are kept. Where the parser says it is, is not believed but proved to agree with them. What the
    checksums say is proved apart, and what the memory shows is what was written to the address before: it is proved
    that these are right.
    """
    bus, reply, position, header = stage.bus, stage.reply, stage.position, stage.header
    for name in ("read_value", "status", "done"):
        port = getattr(bus, name)
        m.d.comb += Value.cast(port).eq(proof.choose(Value.cast(port), name))
    takes, byte = transferred(stage.i), stage.i.payload
    # The last one is the newest.
    taken = [Signal(8, name=f"byte_{number}") for number in range(_LONGEST)]
    count = Signal(range(_LONGEST + 1))
    with m.If(takes):
        m.d.sync += [
            count.eq(Mux(count == _LONGEST, count, count + 1)),
            *(one.eq(newer) for one, newer in zip(taken, [*taken[1:], byte], strict=True)),
        ]
    # What the parser holds of the packet that it is in, is what was taken.
    agrees = Signal()
    m.d.comb += agrees.eq(position == 0)
    with m.Switch(position):
        for place in range(1, _LONGEST + 1):
            packet = taken[_LONGEST - place :]
            same = [Cat(packet[: len(SYNC)]) == int.from_bytes(SYNC[:place], "little"), count >= place]
            if place > 2:
                same.append(header.type == packet[2][3:6])
                odd = packet[7][1:].any() if place > 7 else 0
                same.append(header.right == ((packet[2][6:] == VERSION) & ~odd))
            parts = {3: header.sequence, 4: header.address[:8], 5: header.address[8:], 6: header.length[:8]}
            parts |= {7: header.length[8]}
            same += [part == packet[at][: len(part)] for at, part in parts.items() if at < place]
            if place > 3:
                same.append(~stage.before_check | (stage.same == (header.sequence == stage.executed[:8])))
            with m.Case(place):
                m.d.comb += agrees.eq(Cat(same).all())

    is_block, has_words, words = header.type == CommandType.WRITE_BLOCK, header.length != 0, header.length >> 2
    is_length = (header.length & 3 == 0) & (header.length <= WRITE_SIZE * _BLOCK_WORDS)
    known = ((header.type == CommandType.READ) & ~has_words) | (is_block & has_words)
    known |= (header.type == CommandType.WRITE) & (header.length == WRITE_SIZE)
    # Both checksums were right, when they were asked.
    crc8_right, crc32_right = Signal(), Signal()
    with m.If(stage.checking_header):
        m.d.sync += crc8_right.eq(stage.crc8_right)
    with m.If(stage.checking):
        m.d.sync += crc32_right.eq(stage.crc32_right)
    is_whole = agrees & crc8_right & header.right & is_length & (position == OVERHEAD + header.length)

    # What has to be done of the command: `word` is the number of the next word.
    executed = Signal(data.StructLayout({"sequence": len(header.sequence), "any": 1}))
    repeated = has_words & executed.any & (executed.sequence == header.sequence)
    is_under_way, word = Signal(), Signal(range(_BLOCK_WORDS + 1))
    answered = bus.access & bus.done
    goes_on = has_words & (bus.status == ReplyStatus.OK) & (word + 1 < words)
    with m.If(stage.checking & stage.crc32_right & known & ~repeated):
        m.d.sync += [is_under_way.eq(1), word.eq(0), executed.any.eq(1), executed.sequence.eq(header.sequence)]
    with m.Elif(answered):
        m.d.sync += [word.eq(word + 1), is_under_way.eq(goes_on)]
    after = {
        name: _before(m, value, name)
        for name, value in {
            "position": position, "takes": takes, "read_address": stage.read_address, "waits": bus.access & ~bus.done,
            "answered": answered, "refused": bus.status != ReplyStatus.OK,
        }.items()
    }  # fmt: skip
    payload_at = position - HEADER_END
    in_payload = takes & (position >= HEADER_END) & (payload_at < header.length)
    claims = (
        ~bus.access | (is_under_way & is_whole & crc32_right & (bus.address == header.address)),
        ~bus.access | (bus.write == has_words),
        # The memory shows the word whose turn it is; an access lasts until it is answered.
        ~(bus.access & has_words) | (stage.read_address == word[: len(stage.read_address)]),
        ~(proof.started & bus.access & has_words) | (after["read_address"] == stage.read_address),
        ~(proof.started & after["waits"]) | bus.access,
        # Each byte of the payload is written to its place, and nothing else is.
        stage.writes == Mux(in_payload, 1 << payload_at[:2], 0),
        ~in_payload | ((stage.write_address == payload_at >> 2) & (stage.write_data == byte.replicate(WRITE_SIZE))),
        ~reply.valid | (is_whole & crc32_right & ~is_under_way),
    )
    executing = stage.fetching | stage.accessing | stage.concluding
    header_taken = (position > HEADER_END) | ((position == HEADER_END) & ~stage.checking_header)
    moved = (position == after["position"] + after["takes"]) | (position < len(SYNC))
    needed_by_induction = (
        stage.possible & agrees & (count <= _LONGEST),
        (count == 0) | (stage.may_be_sync == (taken[-1] == SYNC[0])),
        ~proof.started | moved,
        ~header_taken | (crc8_right & header.right & is_length),
        stage.executed == executed.as_value(),
        ~executing | (crc32_right & known & is_whole),
        ~is_under_way | (executing & (~has_words | (word < words))),
        ~stage.fetching | (has_words & (stage.written == word) & (is_under_way | (word == words))),
        ~stage.accessing | (is_under_way & (~has_words | (stage.written == word))),
        ~(stage.concluding & stage.went_well & has_words)
        | ((stage.written + 1 == word) & (is_under_way == (word < words)) & (word <= words)),
        ~(stage.concluding & ~(stage.went_well & has_words)) | ~is_under_way,
        ~stage.replying | (crc32_right & is_whole),
    )
    m.d.comb += [Assert(claim) for claim in (*claims, *needed_by_induction)]


PROOFS: tuple[Proof, ...] = (
    Proof("counter", lambda: StreamProof(SaturatingCounter(32), [], _counter), "prove", 1, "counts; stays when full"),
    Proof("registers", lambda: StreamProof(_Bank(), [], _bank), "prove", 7,
          "one answer an access, pulses of one clock, settings still but while taken over", ("values", "descriptions")),
    Proof("checksums", lambda: StreamProof(Checksums(1), [], _checksums), "prove", 1,
          "a bit a clock, CRC-8 and CRC-32 of every packet, from the definition"),
    Proof("command", lambda: StreamProof(_Parser(), [], _command, check_contract=False), "prove", 1,
          "bus and replies for right packets alone, a word of a block after the other; no write twice",
          ("checksums", "words")),
)  # fmt: skip
