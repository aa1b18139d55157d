"""What is proved of commands, registers and counters, for all time; see `testbench.formal`.

any bytes -> Command -> register bus;  any use of the bus -> RegisterBank -> settings, pulses, answers
"""

from functools import reduce
from operator import xor
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
from edgeray.protocol.registers import REGISTERS, Access, Register
from hdl.command import Command
from hdl.counter import SaturatingCounter
from hdl.registers import RegisterBank, constants
from testbench.formal import Proof, StreamProof, transferred
from testbench.formal_stages import TINY

_LONGEST = OVERHEAD + WRITE_SIZE
_CRC32_POLYNOMIAL = 0x04C11DB7
_CRC32_RESIDUE = 0xC704DD7B
"""The register after a packet with its right CRC-32, and with no other."""
_COMMAND_HEADER = data.StructLayout({field.name: field.bits for field in COMMAND_HEADER})


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


def _accepts(register: Register, word: Value) -> Value:
    """Whether the register has to take the 32-bit word, from its description."""
    choices = TINY.strides if register.name == "stride" else register.choices
    if choices:
        return Cat(word == choice for choice in choices).any()
    value = word.as_signed() if register.signed else word
    return (value >= register.minimum) & (value <= register.maximum)


def _bank(m: Module, stage: Any, proof: StreamProof) -> None:
    """The prover picks a register, and does what it likes with the bus, the counters and `take_over`."""
    bus = stage.bus
    for name in ("access", "write", "address", "value"):
        port = getattr(bus, name)
        m.d.comb += port.eq(proof.choose(port, f"bus_{name}"))
    for name in stage.signature.members["counters"].signature.members:
        port = getattr(stage.counters, name)
        m.d.comb += port.eq(proof.choose(port, f"counter_{name}"))

    entries = [(one, place) for one in REGISTERS for place in range(min(one.count, TINY.kernel_size**2))]
    pick = proof.constant(m, len(entries).bit_length(), "pick")
    m.d.comb += Assume(pick < len(entries))
    # Of the picked register: what it is, what it holds, and whether it has to take the word on the bus.
    address, kind = Signal(16), {access: Signal(name=f"is_{access.value}") for access in Access}
    takes, counts, pulsed = Signal(), Signal(), Signal()
    held, pulse = Signal(32), Signal(32)
    with m.Switch(pick):
        for number, (one, place) in enumerate(entries):
            with m.Case(number):
                m.d.comb += [address.eq(one.address + place), kind[one.access].eq(1)]
                m.d.comb += takes.eq(_accepts(one, bus.value))
                if one.access is Access.CONSTANT:
                    m.d.comb += held.eq(constants(TINY)[one.name])
                elif one.access is Access.STATUS:
                    m.d.comb += held.eq(getattr(stage.counters, one.name))
                elif one.access is Access.DIRECT:
                    m.d.comb += [held.eq(stage.direct[one.name]), counts.eq(one.name == "table_index")]
                elif one.access is Access.SETTING:
                    m.d.comb += held.eq(stage.shadow[one.name] if one.count == 1 else stage.shadow[one.name][place])
                else:
                    m.d.comb += [pulsed.eq(stage.pulsed[one.name]), pulse.eq(stage.pulses[one.name])]

    stored = kind[Access.SETTING] | kind[Access.DIRECT]
    writable, hit = stored | kind[Access.PULSE], bus.access & (bus.address == address)
    accepted = hit & bus.write & writable & takes
    status, answer = Signal(ReplyStatus), Signal(32)
    m.d.comb += [status.eq(ReplyStatus.OK), answer.eq(Mux(accepted & stored, bus.value, held))]
    with m.If(bus.write & ~writable):
        m.d.comb += status.eq(ReplyStatus.READ_ONLY)
    with m.Elif(bus.write & ~takes):
        m.d.comb += status.eq(ReplyStatus.VALUE_REFUSED)
    after = {
        name: _before(m, value, name)
        for name, value in {
            "hit": hit, "accepted": accepted, "access": bus.access, "take_over": stage.take_over, "held": held,
            "in_map": Cat(bus.address == one.address + place for one, place in entries).any(), "value": bus.value,
            "right_status": status, "right_answer": answer, "status": bus.status, "read_value": bus.read_value,
            "shadow": stage.shadow, "settings": stage.settings, "counted": stage.pulsed.correction_data & counts,
        }.items()
    }  # fmt: skip
    counted = Mux(after["counted"], (after["held"] + 1)[:24], after["held"])
    in_force = Mux(after["take_over"], after["shadow"], after["settings"])
    for claim in (
        # Answers: of the picked register, of what is no register, and until the next one.
        ~after["hit"] | ((bus.status == after["right_status"]) & (bus.read_value == after["right_answer"])),
        ~after["access"] | after["in_map"] | (bus.status == ReplyStatus.UNKNOWN_ADDRESS),
        after["access"] | ((bus.status == after["status"]) & (bus.read_value == after["read_value"])),
        # What is held changes by an accepted write alone, and by the count of the correction table.
        ~stored | (held == Mux(after["accepted"], after["value"], counted)),
        # Settings in force change all at once.
        stage.settings.as_value() == in_force,
        # A pulse is one clock for each accepted write.
        pulsed == (after["accepted"] & kind[Access.PULSE]),
        ~pulsed | (pulse == after["value"]),
    ):
        m.d.comb += Assert(~proof.started | claim)


class _Parser(Command):
    """A `Command` that shows where it is.

    Members
    -------
    position : bytes of the packet that it has taken so far
    checking_header, taking_value, checking, answering, replying : what it does
    possible : a state that it can be in
    header_match, match, crc8, crc32 : of its CRCs
    header, may_be_sync, executed : as it has them
    """

    def __init__(self) -> None:
        super().__init__(patience_bits=1)
        self.position = Signal(range(_LONGEST + 1))
        self.checking_header, self.taking_value, self.checking = Signal(), Signal(), Signal()
        self.answering, self.replying, self.possible = Signal(), Signal(), Signal()
        self.header_match, self.match, self.crc8, self.crc32 = Signal(), Signal(), Signal(8), Signal(32)
        self.header, self.may_be_sync, self.executed = Signal(_COMMAND_HEADER), Signal(), Signal(9)

    def elaborate(self, platform: Any) -> Module:
        m = super().elaborate(platform)
        state, left = self._fsm.ongoing, self._left
        size = Mux(self.header.length == 0, OVERHEAD, _LONGEST)
        positions = {
            "SYNC 0": 0, "SYNC 1": 1, "HEADER": HEADER_END - 2 - left, "CRC-8": HEADER_END - 1,
            "HEADER CHECK": HEADER_END, "VALUE": HEADER_END + 3 - left, "CRC-32": size - 1 - left,
            "CHECK": size, "ANSWER": size, "REPLY": size,
        }  # fmt: skip
        for name, position in positions.items():
            most = {"HEADER": 5, "VALUE": 3, "CRC-32": 3}.get(name, 7)
            with m.If(state(name)):
                m.d.comb += [self.position.eq(position), self.possible.eq(left <= most)]
        m.d.comb += [
            self.checking_header.eq(state("HEADER CHECK")),
            self.taking_value.eq(state("VALUE")),
            self.checking.eq(state("CHECK")),
            self.answering.eq(state("ANSWER")),
            self.replying.eq(state("REPLY")),
            self.header_match.eq(self._crc8.match_detected),
            self.match.eq(self._crc32.match_detected),
            self.crc8.eq(self._crc8.crc),
            self.crc32.eq(self._crc32.crc),
            self.header.eq(self._header),
            self.may_be_sync.eq(self._may_be_sync),
            self.executed.eq(self._executed),
        ]
        return m


def _crc_step(state: Value, byte: Value, polynomial: int, *, is_reflected: bool) -> Value:
    """The CRC register after one more byte, from the definition, a bit at a time; its last bit is the one shifted out.

    Each bit of it is the parity of some bits of `state` and `byte`, written down here as the set of them.
    """
    bits: list[frozenset[tuple[bool, int]]] = [frozenset({(True, place)}) for place in range(len(state))]
    for place in range(8) if is_reflected else reversed(range(8)):
        out = bits[-1] ^ {(False, place)}
        bits = [out, *(one ^ out if (polynomial >> n) & 1 else one for n, one in enumerate(bits[:-1], 1))]
    return Cat(reduce(xor, ((state if old else byte)[place] for old, place in sorted(one))) for one in bits)


def _command(m: Module, stage: Any, proof: StreamProof) -> None:
    """The bus is used, and a reply given, for right packets alone, and as these say; no write is executed twice.

    The bytes taken last are kept, and their CRCs computed from the definition. Where the parser says it is, is not
    believed but proved to agree with them.
    """
    bus, reply, position, header = stage.bus, stage.reply, stage.position, stage.header
    for name in ("read_value", "status"):
        port = getattr(bus, name)
        m.d.comb += port.eq(proof.choose(port, name))
    takes, byte = transferred(stage.i), stage.i.payload
    # The last one is the newest.
    taken = [Signal(8, name=f"byte_{number}") for number in range(_LONGEST)]
    count, crc8, crc8_right = Signal(range(_LONGEST + 1)), Signal(8), Signal()
    crc32 = Signal(32)
    with m.If(takes):
        m.d.sync += [
            count.eq(Mux(count == _LONGEST, count, count + 1)),
            *(one.eq(newer) for one, newer in zip(taken, [*taken[1:], byte], strict=True)),
            crc32.eq(_crc_step(crc32, byte, _CRC32_POLYNOMIAL, is_reflected=True)),
            crc8.eq(_crc_step(crc8, byte, CRC8.polynomial, is_reflected=False)),
        ]
        with m.If(position == HEADER_END - 1):
            m.d.sync += crc8_right.eq(byte == ~crc8)
    with m.If(position < len(SYNC)):
        m.d.sync += [crc8.eq(CRC8.initial), crc32.eq(~0)]

    is_long, is_write = header.length == WRITE_SIZE, header.type == CommandType.WRITE
    # What the parser holds of the packet that it is in, is what was taken.
    agrees = Signal()
    m.d.comb += agrees.eq(position == 0)
    with m.Switch(position):
        for place in range(1, _LONGEST + 1):
            packet = taken[_LONGEST - place :]
            same = [Cat(packet[: len(SYNC)]) == int.from_bytes(SYNC[:place], "little")]
            if place > len(SYNC):
                part = Cat(packet[len(SYNC) : HEADER_END - 1])
                same.append(header.as_value()[-len(part) :] == part)
            if place > HEADER_END:
                part = Cat(packet[HEADER_END : HEADER_END + WRITE_SIZE])
                same.append(~is_long | (bus.value[-len(part) :] == part))
            with m.Case(place):
                m.d.comb += agrees.eq(Cat(same).all() & (count >= place))

    header_right = crc8_right & (header.version == VERSION) & (is_long | (header.length == 0))
    crc32_right = crc32 == _CRC32_RESIDUE
    right = agrees & header_right & crc32_right & (position == Mux(is_long, _LONGEST, OVERHEAD))
    known = Mux(is_long, is_write, header.type == CommandType.READ)
    executed = Signal(data.StructLayout({"sequence": len(header.sequence), "any": 1}))
    with m.If(bus.access):
        m.d.sync += [executed.any.eq(1), executed.sequence.eq(header.sequence)]
    repeated = is_write & executed.any & (executed.sequence == header.sequence)
    after = {
        name: _before(m, value, name)
        for name, value in {
            "position": position, "takes": takes, "answering": stage.answering, "known": known,
            "status": bus.status, "read_value": bus.read_value,
        }.items()
    }  # fmt: skip
    right_status = Mux(after["known"], after["status"], ReplyStatus.UNKNOWN_COMMAND)
    right_value = Mux(after["known"], after["read_value"], 0)
    claims = (
        ~bus.access | (stage.checking & right & known & ~repeated & (bus.address == header.address)),
        ~bus.access | (bus.write == is_write),
        ~(stage.checking & right & known & ~repeated) | bus.access,
        ~reply.valid | right,
        ~reply.valid | ((reply.payload.sequence == header.sequence) & (reply.payload.address == header.address)),
        ~(proof.started & after["answering"]) | (reply.payload.status == right_status),
        ~(proof.started & after["answering"]) | (reply.payload.value == right_value),
    )
    header_taken = (position > HEADER_END) | ((position == HEADER_END) & ~stage.checking_header)
    moved = (position == after["position"] + after["takes"]) | (position < len(SYNC))
    needed_by_induction = (
        stage.possible & agrees & (count <= _LONGEST),
        (count == 0) | (stage.may_be_sync == (taken[-1] == SYNC[0])),
        ~proof.started | moved,
        ~header_taken | header_right,
        ~stage.taking_value | is_long,
        (position < len(SYNC)) | (position >= HEADER_END) | (stage.crc8 == ~crc8),
        ~stage.checking_header | (stage.header_match == crc8_right),
        (position < len(SYNC)) | (stage.crc32 == ~Cat(reversed(crc32))),
        ~stage.checking | (stage.match == crc32_right),
        ~(stage.answering | stage.replying) | right,
        ~reply.valid | stage.replying,
        ~stage.answering | (reply.payload.status == Mux(known, ReplyStatus.OK, ReplyStatus.UNKNOWN_COMMAND)),
        stage.executed == executed.as_value(),
    )
    m.d.comb += [Assert(claim) for claim in (*claims, *needed_by_induction)]


PROOFS: tuple[Proof, ...] = (
    Proof("counter", lambda: StreamProof(SaturatingCounter(32), [], _counter), "prove", 1, "counts; stays when full"),
    Proof("registers", lambda: StreamProof(RegisterBank(TINY), [], _bank), "prove", 1,
          "every register: answers, refusals, take-over at once, pulses of one clock"),
    Proof("command", lambda: StreamProof(_Parser(), [], _command, check_contract=False), "prove", 1,
          "bus and replies for right packets alone, as they say; no write twice"),
)  # fmt: skip
