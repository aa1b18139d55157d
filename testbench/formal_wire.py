"""What is proved of the way from symbols to packets; see `testbench.formal`."""

from dataclasses import replace

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assert, Assume

from edgeray.protocol.packets import HEADER, HEADER_END, OVERHEAD, SYNC, WORD_BITS
from hdl.audit import Audit
from hdl.buffer import Buffer, Ring
from hdl.code import Code
from hdl.frame import Frame
from hdl.layouts import code_layout
from hdl.pack import Pack
from hdl.scan import SETTINGS, Scan
from hdl.send import Send
from testbench.formal import Proof, StreamProof, transferred
from testbench.formal_stages import CONTRACT, TINY

ROW = replace(TINY, rows=1, audit=False)
_BIT = 5
"""Bits of the number of a payload's bit: the proof follows one of the first 32."""
_PACKED_WORD = 16


def _code(m: Module, stage: Code, proof: StreamProof) -> None:
    """As the packer wants it: an end for each end, in its time; a code fits a word and has no bits beyond its own."""
    code, ends = stage.o.payload, stage.i.valid & stage.i.payload.end
    later, rest = Signal(stage.latency), Signal(range(stage.rest + 1), init=stage.rest)
    symbol = stage.i.payload.symbol
    m.d.sync += [
        later.eq(Cat(ends, later)),
        rest.eq(Mux(ends, stage.rest, rest - (rest != 0))),
    ]
    m.d.comb += [
        Assume(~stage.i.valid | (rest == 0)),
        Assume(symbol != -(1 << (len(symbol) - 1))),
        Assert((stage.o.valid & code.end) == later[-1]),
        Assert(code.zeros + code.length <= WORD_BITS),
        Assert((code.bits >> code.length) == 0),
    ]


def _pack(m: Module, stage: Pack, proof: StreamProof) -> None:
    """Bit N of packet P: what went in as that bit comes out as that bit; the length is that of all bits put in."""
    code, word = stage.i.payload, stage.o.payload
    enters, bits_of_code = stage.i.valid, code.bits << code.zeros
    number, packet = proof.constant(m, _BIT, "number"), proof.constant(m, 1, "packet")
    into, out_of, closing = Signal(2), Signal(2), Signal()
    bits, words = Signal(_BIT + 1), Signal(3)
    expected, is_over = Signal(), Signal()
    place, length = Signal(_BIT), Signal(_BIT + 1)
    m.d.comb += [place.eq(number - bits), length.eq(code.zeros + code.length)]
    with m.If(enters & (into == packet)):
        m.d.sync += [bits.eq(bits + length), is_over.eq(code.end)]
        with m.If((number >= bits) & (number < bits + length)):
            m.d.sync += expected.eq((bits_of_code >> place)[0])
    m.d.sync += [
        into.eq(into + (enters & code.end)),
        out_of.eq(out_of + stage.over),
        closing.eq((closing & ~stage.over) | (enters & code.end)),
    ]
    shown = stage.o.valid & (out_of == packet)
    with m.If(shown):
        m.d.sync += words.eq(words + 1)
    over = stage.over & (out_of == packet)
    m.d.comb += [
        Assume(~(enters & closing)),
        Assume(stage.clear == stage.over),
        Assume((code.bits >> code.length) == 0),
        Assume(bits + length <= 1 << _BIT),
        Assert(~(stage.o.valid & stage.over)),
        Assert(~(shown & (words == number >> 4)) | (word.bit_select(number[:4], 1) == expected)),
        Assert(~(shown & is_over) | ((words << 4) < bits)),
        Assert(~over | (is_over & (stage.length == (bits + 7) >> 3))),
        Assert(~over | (words == (bits + _PACKED_WORD - 1) >> 4)),
    ]


def _packing(bits: int, length: int) -> StreamProof:
    """Of codes of so many bits and at most that length, and up to 3 zeros before it."""
    stage = Pack(code_layout(3, bits, length), 8, 16, _PACKED_WORD)
    return StreamProof(stage, (), _pack, check_contract=False)


def _audit(m: Module, stage: Audit, proof: StreamProof) -> None:
    """As its docstring asks: a replay between two frames only; nothing comes while it lasts."""
    m.d.comb += [
        Assume(~(stage.replay & (stage.i.valid | stage.replaying))),
        Assume(~(stage.replaying & stage.i.valid)),
        Assert(~stage.replaying | ~stage.edge.valid),
    ]


def _buffer_room(m: Module, stage: Buffer, proof: StreamProof) -> None:
    """A frame that begins while there is room has room to its end, whatever the sender does.

    Assumed is that a frame's payloads keep within their measure, and that the sender takes no words that are not kept.
    """
    word, rings = stage.i.payload, (stage.coded, stage.fixed)
    needs = ROW.coded_words(audit=False), ROW.fixed_words(audit=False), 1 + ROW.frame_packets(audit=False)
    holds = ROW.ring_words, ROW.ring_words, ROW.buffer_packets
    used = stage.coded.used, stage.fixed.used, stage.packets
    budgets = [Signal(range(need + 1), name=f"budget_{place}") for place, need in enumerate(needs)]
    under_way = [(ring.at - ring.base)[: len(ring.at)] for ring in rings]
    begins, finishes = proof.choose(Signal(), "begins"), proof.choose(Signal(), "finishes")
    ends, is_frame, was_quiet = stage.i.valid & word.end, Signal(), Signal()
    m.d.sync += was_quiet.eq(~stage.i.valid & ~is_frame)
    with m.If(begins):
        m.d.sync += [is_frame.eq(1), *(budget.eq(need) for budget, need in zip(budgets, needs, strict=True))]
    with m.Elif(finishes):
        m.d.sync += [is_frame.eq(0), *(budget.eq(0) for budget in budgets)]
    with m.Elif(ends):
        m.d.sync += budgets[2].eq(budgets[2] - 1)
        for budget, words, kept in zip(budgets, under_way, (~word.skip, word.skip), strict=False):
            m.d.sync += budget.eq(Mux(kept, budget - words, budget))
    is_between = ~stage.i.valid & ~Cat(under_way).any()
    m.d.comb += [
        Assume(~begins | (stage.room & was_quiet & ~stage.i.valid & ~is_frame)),
        Assume(~finishes | (is_frame & is_between)),
        Assume(~stage.i.valid | (is_frame & (word.end ^ (word.has_coded | word.has_fixed)))),
        Assume(~ends | (budgets[2] != 0)),
    ]
    for ring, has, words, budget in zip(rings, (word.has_coded, word.has_fixed), under_way, budgets, strict=False):
        m.d.comb += [
            Assume(~(stage.i.valid & has) | (words < budget)),
            Assume(~ring.fetches | (ring.used != 0)),
            Assert(words <= budget),
        ]
    m.d.comb += [
        *(Assert(one + budget <= most) for one, budget, most in zip(used, budgets, holds, strict=True)),
        # For the induction: what `room` said a clock ago still holds in a quiet clock.
        *(Assert(~(stage.room & was_quiet) | (one + need <= most))
          for one, need, most in zip(used, needs, holds, strict=True)),
        Assert(~stage.is_there | (stage.packets != 0)),
        Assert(is_frame | ~Cat(*budgets, *under_way).any()),
    ]  # fmt: skip


def _ring(m: Module, stage: Ring, proof: StreamProof) -> None:
    """A word that is kept comes out when all kept before it have; one that was dropped does not."""
    kept, under_way, taken = Signal(4), Signal(4), Signal(4)
    follows, is_in, is_kept, expected, at = proof.choose(Signal(), "follows"), Signal(), Signal(), Signal(32), Signal(4)
    m.d.sync += taken.eq(taken + stage.fetches)
    with m.If(stage.keeps):
        m.d.sync += [kept.eq(kept + under_way), under_way.eq(0), is_kept.eq(is_in)]
    with m.Elif(stage.drops):
        m.d.sync += [under_way.eq(0), is_in.eq(is_kept)]
    with m.Elif(stage.writes):
        m.d.sync += under_way.eq(under_way + 1)
        with m.If(follows & ~is_in):
            m.d.sync += [is_in.eq(1), expected.eq(stage.word), at.eq(kept + under_way)]
    is_shown = Signal()
    m.d.sync += is_shown.eq(stage.fetches & is_kept & (taken == at))
    m.d.comb += [
        # Memories are written in a reset, too.
        Assume(~(stage.writes | stage.keeps) | proof.started),
        Assume(stage.writes + stage.keeps + stage.drops <= 1),
        Assume(~stage.writes | (kept + under_way - taken < 1 << len(stage.used) - 1)),
        Assume(~stage.fetches | (kept != taken)),
        Assert(stage.used == (kept - taken)[: len(stage.used)]),
        Assert(~is_shown | (stage.fetched == expected)),
    ]


def _send(m: Module, stage: Send, proof: StreamProof) -> None:
    """Packet after packet: SYNC, a header, and as many bytes behind it as its length says and the CRCs take; header and
    payload are the bytes that came, in their order.

    On a link that takes a byte a clock; that a byte is not lost on one that does not is proved as `frame-contract`.
    """
    leaves, byte = transferred(stage.o), stage.o.payload
    length_at = HEADER.offset("length") // 8
    held, inside = Signal(8), Signal(range(3))
    for name in ("packet", "reply"):
        one = getattr(stage, name)
        at, size = Signal(5, name=f"{name}_at"), Signal(2, name=f"{name}_size")
        with m.If(transferred(one)):
            m.d.sync += [held.eq(one.payload.data), at.eq(Mux(one.payload.last, 0, at + 1))]
            with m.If(at == length_at):
                m.d.sync += size.eq(one.payload.data)
        m.d.comb += [
            # Lengths that the prover gets through.
            Assume((at != length_at) | (one.payload.data == 1)),
            Assume((at != length_at + 1) | (one.payload.data == 0)),
            Assume(one.payload.last == ((at >= HEADER.size) & (at == HEADER.size - 1 + size))),
        ]
    place, length = Signal(6), Signal(2)
    last = place == OVERHEAD - 1 + length
    is_data = ((place >= len(SYNC)) & (place < HEADER_END - 1)) | (
        (place >= HEADER_END) & (place < HEADER_END + length)
    )
    with m.If(leaves):
        m.d.sync += place.eq(Mux((place >= HEADER_END) & last, 0, place + 1))
        with m.If(place == len(SYNC) + length_at):
            m.d.sync += length.eq(byte)
    m.d.sync += inside.eq(inside + transferred(stage.packet) + transferred(stage.reply) - (leaves & is_data))
    m.d.comb += [
        Assume(stage.o.ready),
        *(Assert(~stage.o.valid | (place != n) | (byte == value)) for n, value in enumerate(SYNC)),
        Assert(~(stage.o.valid & is_data) | ((inside == 1) & (byte == held))),
        Assert(inside <= 1),
        Assert(~((place >= HEADER_END + length) & (place >= HEADER_END)) | (inside == 0)),
    ]


def _scan(m: Module, stage: Scan, proof: StreamProof) -> None:
    """A frame starts only with room and alone; every other trigger that counts is counted as dropped, to the last."""
    names = ("dropped", "waiting", "triggered", "frame_start", "series_start", "hold")
    before = {name: Signal.like(getattr(stage, name), name=f"before_{name}") for name in names}
    m.d.sync += [before[name].eq(getattr(stage, name)) for name in names]
    goes_on = proof.started & ~before["series_start"]
    drops = (stage.triggered != before["triggered"]) & ~before["frame_start"]
    total, most = before["dropped"] + before["waiting"], (1 << len(stage.dropped)) - 1
    shown = Mux(before["hold"], before["dropped"], Mux(total > most, most, total))
    m.d.comb += [
        # As many as can be held back.
        Assume(~stage.waiting.all()),
        Assert(~stage.frame_start | (stage.room & stage.drained & ~stage.exposing & stage.armed)),
        Assert(~goes_on | (stage.dropped == shown)),
        Assert(~goes_on | (stage.waiting == Mux(before["hold"], before["waiting"], 0) + drops)),
        # It never falls within a series: at its maximum it stays.
        Assert(~goes_on | (stage.dropped >= before["dropped"])),
        Assert(~(goes_on & before["frame_start"]) | (stage.triggered == (before["triggered"] + 1)[:32])),
    ]


PROOFS: tuple[Proof, ...] = (
    Proof("audit-contract", lambda: StreamProof(Audit(TINY), ["readout_mode"], _audit), "prove", 3, CONTRACT),
    Proof("code-in-order", lambda: StreamProof(Code(TINY), None, _code, check_contract=False), "bmc", 20,
          "an end for each end, in its time; every code has the form that the packer wants"),
    Proof("pack-bits", lambda: _packing(5, 6), "bmc", 8,
          "every bit at its place, none lost, none twice; the length is theirs"),
    Proof("pack-bits-narrow", lambda: _packing(1, 3), "bmc", 9, "the same for short codes, and for the packet behind"),
    Proof("buffer-room", lambda: StreamProof(Buffer(ROW), None, _buffer_room, check_contract=False), "prove", 3,
          "a frame that begins with room never overflows, whatever the link does", ("headers",)),
    Proof("ring", lambda: StreamProof(Ring(2), [], _ring), "bmc", 9,
          "every word that is kept comes out in its turn, none that is dropped"),
    Proof("send", lambda: StreamProof(Send(ROW), None, _send, check_contract=False), "bmc", 20,
          "packets as long as their headers say, of the bytes that came; what follows begins with SYNC",
          ("checksums",)),
    Proof("frame-contract", lambda: StreamProof(Frame(TINY), []), "prove", 3, CONTRACT),
    Proof("scan-drops", lambda: StreamProof(Scan(TINY), SETTINGS, _scan), "prove", 3,
          "frames start with room only; every trigger without is counted"),
)  # fmt: skip
