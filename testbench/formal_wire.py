"""What is proved of the way from symbols to packets; see `testbench.formal`."""

from dataclasses import replace

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assert, Assume

from edgeray.protocol.packets import HEADER, OVERHEAD, REPLY, SYNC, WORD_BITS
from hdl.audit import Audit
from hdl.buffer import Buffer
from hdl.code import Code
from hdl.frame import Frame
from hdl.pack import Pack
from hdl.params import HEADER_WORDS
from hdl.scan import SETTINGS, Scan
from hdl.send import Send
from testbench.formal import Proof, StreamProof, one_to_one, transferred
from testbench.formal_stages import CONTRACT, IN_ORDER, TINY

ROW = replace(TINY, rows=1, audit=False)
_BIT = 4
"""Bits of the number of a payload's bit: the proof follows one of the first 16."""
_PACKED_WORD = 8


def _pack(m: Module, stage: Pack, proof: StreamProof) -> None:
    """Bit N of packet P: what went in as that bit comes out as that bit; the length is that of all bits put in."""
    code, word = stage.i.payload, stage.o.payload
    enters, leaves = stage.i.valid, stage.o.valid
    number, packet = proof.constant(m, _BIT, "number"), proof.constant(m, 1, "packet")
    into, out_of = Signal(2), Signal(2)
    bits, words = Signal(_BIT + 1), Signal(2)
    expected, is_over = Signal(), Signal()
    rest, place = Signal(range(stage.rest + 1)), Signal(_BIT)
    m.d.comb += place.eq(number - bits)
    with m.If(enters & (into == packet)):
        m.d.sync += [bits.eq(bits + code.length), is_over.eq(code.end)]
        with m.If((number >= bits) & (number < bits + code.length)):
            m.d.sync += expected.eq((code.bits >> place)[0])
    m.d.sync += [
        into.eq(into + (enters & code.end)),
        out_of.eq(out_of + (leaves & word.end)),
        rest.eq(Mux(enters & code.end, stage.rest, rest - (rest != 0))),
    ]
    with m.If(leaves & (out_of == packet) & ~word.end):
        m.d.sync += words.eq(words + 1)
    shown = leaves & (out_of == packet)
    m.d.comb += [
        Assume(~enters | (rest == 0)),
        Assume(code.length <= len(code.bits)),
        Assume((code.bits >> code.length) == 0),
        Assume(bits + code.length <= 1 << _BIT),
        Assert(~(shown & ~word.end & (words == number >> 3)) | (word.data.bit_select(number[:3], 1) == expected)),
        Assert(~(shown & ~word.end & is_over) | ((words << 3) < bits)),
        Assert(~(shown & word.end) | (is_over & (word.length == (bits + 7) >> 3))),
        Assert(~(shown & word.end) | (words == (bits + _PACKED_WORD - 1) >> 3)),
    ]


def _audit(m: Module, stage: Audit, proof: StreamProof) -> None:
    """As its docstring asks: a replay between two frames only; nothing comes while it lasts."""
    m.d.comb += [
        Assume(~(stage.replay & (stage.i.valid | stage.replaying))),
        Assume(~(stage.replaying & stage.i.valid)),
        Assert(~stage.replaying | ~stage.edge.valid),
    ]


class _Credit:
    """What is assumed of the frame before a buffer: it begins with room, and its payloads keep within their measure."""

    def __init__(self, m: Module, stage: Buffer, proof: StreamProof):
        word, read, most = stage.i.payload, stage.read, ROW.payload_words
        self.frame = ROW.frame_words(audit=False)
        # The sender reads any words that are complete, as many as it likes, when it likes.
        free = proof.choose(Signal(len(read.tail)), "read")
        self.tail, self.used = Signal(len(read.tail)), Signal(len(read.tail))
        m.d.comb += [read.tail.eq(self.tail), self.used.eq(read.base - self.tail), Assume(free <= self.used)]
        m.d.sync += self.tail.eq(self.tail + free)
        begins, self.budget, self.was_quiet = proof.choose(Signal(), "begins"), Signal(len(self.tail)), Signal()
        self.ends = stage.i.valid & word.end
        takes = HEADER_WORDS + Mux(word.skip, most, 0) + ((word.length + 3) >> 2)
        m.d.sync += self.was_quiet.eq(~stage.i.valid & (self.budget == 0))
        with m.If(begins):
            m.d.sync += self.budget.eq(self.frame)
        with m.Elif(self.ends):
            m.d.sync += self.budget.eq(self.budget - takes)
        # META is a frame's first payload, and longer than this array's pixels.
        self.most = Mux(self.budget == self.frame, ROW.meta_words, 2 * most)
        m.d.comb += [
            Assume(~begins | (stage.room & self.was_quiet & ~stage.i.valid & (self.budget == 0))),
            Assume(~stage.i.valid | (self.budget >= HEADER_WORDS + self.most)),
            Assume(~self.ends | (takes <= HEADER_WORDS + self.most)),
        ]


def _buffer_room(m: Module, stage: Buffer, proof: StreamProof) -> None:
    """A frame that begins while there is room has room to its end, whatever the sender does."""
    credit, depth = _Credit(m, stage, proof), ROW.buffer_bytes * 8 // WORD_BITS
    m.d.comb += [
        Assert(credit.used + credit.budget <= depth),
        # For the induction: what `room` said a clock ago still holds in a quiet clock.
        Assert(~(stage.room & credit.was_quiet) | (credit.used + credit.frame <= depth)),
    ]


def _buffer_words(m: Module, stage: Buffer, proof: StreamProof) -> None:
    """Word N of a payload, in code or at fixed width, is read behind its header when it is its turn."""
    word, read, most = stage.i.payload, stage.read, ROW.payload_words
    number, is_fixed = proof.constant(m, 1, "number"), proof.constant(m, 1, "is_fixed")
    coded, fixed, since_fixed, since_end = Signal(3), Signal(3), Signal(2), Signal(2)
    ends = stage.i.valid & word.end
    has_coded, has_fixed = stage.i.valid & word.has_coded, stage.i.valid & word.has_fixed
    expected, at, is_in = Signal(WORD_BITS), Signal(len(read.tail)), Signal()
    m.d.sync += [
        coded.eq(coded + has_coded),
        fixed.eq(fixed + has_fixed),
        since_fixed.eq(Mux(has_fixed, 2, since_fixed - (since_fixed != 0))),
        since_end.eq(Mux(ends, 2, since_end - (since_end != 0))),
    ]
    # One payload, behind any other that the buffer may hold; the prover says which one is followed.
    follows, followed = proof.choose(Signal(), "follows"), Signal(2)
    with m.If(has_coded & (coded == number) & ~is_fixed & ~is_in):
        m.d.sync += expected.eq(word.coded)
    with m.If(has_fixed & (fixed == number) & is_fixed & ~is_in):
        m.d.sync += expected.eq(word.fixed)
    with m.If(ends):
        m.d.sync += [coded.eq(0), fixed.eq(0)]
        with m.If(follows & ~is_in & (word.skip == is_fixed) & (Mux(is_fixed, fixed, coded) > number)):
            m.d.sync += [is_in.eq(1), at.eq(read.base + HEADER_WORDS + Mux(is_fixed, most, 0) + number)]
    tail = proof.constant(m, len(read.tail), "tail")
    # Its word is shown 2 clocks after it may be read.
    m.d.sync += followed.eq(Cat(is_in & (tail == at), followed))
    m.d.comb += [
        read.tail.eq(tail),
        # Memories are written in a reset, too.
        Assume(~stage.i.valid | proof.started),
        Assume(~stage.i.valid | (word.end ^ (word.has_coded | word.has_fixed))),
        Assume(~has_fixed | (since_fixed != 2)),
        Assume(~ends | (since_fixed == 0)),
        Assume(~stage.i.valid | (since_end == 0)),
        Assume((coded + has_coded <= most) & (fixed + has_fixed <= most)),
        Assume(~ends | (((word.length + 3) >> 2) == Mux(word.skip, fixed, coded))),
        Assume(read.base < ROW.buffer_bytes * 8 // WORD_BITS - 4 * most),
        Assert(~followed.all() | (read.data == expected)),
    ]


def _send(m: Module, stage: Send, proof: StreamProof) -> None:
    """Packet after packet: SYNC, a header, and as many bytes behind it as its length says and the CRCs take.

    On a link that takes a byte a clock; that a byte is not lost on one that does not is proved as `frame-contract`.
    """
    read, leaves, byte = stage.read, transferred(stage.o), stage.o.payload
    for name in ("base", "data"):
        port = getattr(read, name)
        m.d.comb += port.eq(proof.constant(m, len(port), name) if name == "base" else proof.choose(port, name))
    place, length = Signal(6), Signal(16)
    length_at = len(SYNC) + HEADER.offset("length") // 8
    is_reply = Signal()
    last = place == OVERHEAD - 1 + length
    with m.If(leaves):
        m.d.sync += place.eq(Mux((place > length_at + 1) & last, 0, place + 1))
        with m.If(place == length_at):
            m.d.sync += length[:8].eq(byte)
        with m.If(place == length_at + 1):
            m.d.sync += length[8:].eq(byte)
    # Words taken from the buffer for the packet before this one.
    with m.If(transferred(stage.reply)):
        m.d.sync += is_reply.eq(1)
    with m.Elif(leaves & (place > length_at + 1) & last):
        m.d.sync += is_reply.eq(0)
    at = Signal(len(read.tail))
    began = Signal()
    with m.If(leaves & (place == 0)):
        m.d.sync += [at.eq(read.tail), began.eq(1)]
    ends = stage.o.valid & (place > length_at + 1) & last
    words = Mux(is_reply, 0, (length + 3) >> 2)
    m.d.comb += [
        Assume(stage.o.ready),
        # Lengths that the prover gets through.
        Assume((read.data[:16] > 0) & (read.data[:16] <= 2)),
        *(Assert(~stage.o.valid | (place != n) | (byte == value)) for n, value in enumerate(SYNC)),
        Assert(~(stage.o.valid & is_reply & (place == length_at)) | (byte == REPLY.size)),
        Assert(~(ends & began) | ((read.tail - at)[: len(at)] == words)),
    ]


def _scan(m: Module, stage: Scan, proof: StreamProof) -> None:
    """A frame starts only with room and alone; every other trigger that counts is counted as dropped, to the last."""
    dropped, triggered, started = Signal(32), Signal(32), Signal()
    m.d.sync += [dropped.eq(stage.dropped), triggered.eq(stage.triggered), started.eq(stage.frame_start)]
    restarted = Signal()
    m.d.sync += restarted.eq(stage.series_start)
    counts = (stage.triggered != triggered) & proof.started & ~restarted
    m.d.comb += [
        Assert(~stage.frame_start | (stage.room & stage.drained & ~stage.exposing & stage.armed)),
        Assert(~(proof.started & started & ~restarted) | (stage.dropped == dropped)),
        Assert(~(counts & ~started) | (stage.dropped == Mux(dropped.all(), dropped, dropped + 1))),
        # It never falls within a series: at its maximum it stays.
        Assert(~(proof.started & ~restarted) | (stage.dropped >= dropped)),
        Assert(~(proof.started & started & ~restarted) | (stage.triggered == (triggered + 1)[:32])),
    ]


PROOFS: tuple[Proof, ...] = (
    Proof("audit-contract", lambda: StreamProof(Audit(TINY), ["readout_mode"], _audit), "prove", 3, CONTRACT),
    Proof("code-in-order",
          lambda: StreamProof(Code(TINY), None, one_to_one(9, 10, ("end", "last")), check_contract=False),
          "bmc", 14, IN_ORDER),
    Proof("pack-bits", lambda: StreamProof(Pack(_PACKED_WORD, _PACKED_WORD), None, _pack, check_contract=False),
          "bmc", 9, "every bit at its place, none lost, none twice; the length is theirs"),
    Proof("pack-bits-narrow", lambda: StreamProof(Pack(3, _PACKED_WORD), None, _pack, check_contract=False), "bmc", 13,
          "the same for short codes, and for the packet behind"),
    Proof("buffer-room", lambda: StreamProof(Buffer(ROW), None, _buffer_room), "prove", 3,
          "a frame that begins with room never overflows, whatever the link does"),
    Proof("buffer-words", lambda: StreamProof(Buffer(ROW), None, _buffer_words), "bmc", 9,
          "every word of a payload is where the sender reads it"),
    Proof("send", lambda: StreamProof(Send(ROW), None, _send, check_contract=False), "bmc", 28,
          "packets as long as their headers say; what follows begins with SYNC", ("crc8", "crc32")),
    Proof("frame-contract", lambda: StreamProof(Frame(TINY), []), "prove", 3, CONTRACT),
    Proof("scan-drops", lambda: StreamProof(Scan(TINY), SETTINGS, _scan), "prove", 3,
          "frames start with room only; every trigger without is counted"),
)  # fmt: skip
