"""Entropy coder: the code of each symbol.

    symbol -> |s| - T, sign -> m, context -> A[c], Z[c], run -> Rice parameter -> zeros, tail -> bit packer
                                   ^ clock 3 |
                                   +---------+  the only loop: a context's state, for its next symbol

`edgeray.protocol.code` is the specification; names are those of its docstring.
"""

from itertools import pairwise

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.code import (
    CONTEXTS,
    ESCAPE_ZEROS,
    MEAN_SHIFT,
    PARAMETER_SHIFT,
    RUN_BITS,
    ZEROS_RARE,
    ZEROS_SHIFT,
    ZEROS_START,
    starting_means,
)
from edgeray.protocol.registers import BY_NAME, ThresholdMode
from hdl.layouts import code_layout, symbol_layout
from hdl.params import Params

_HEAD_BITS = 1 + max(RUN_BITS)
_NEAR_BITS = CONTEXTS - 2
"""Of a distance e that takes more bits it matters only that it does: the context is the last one."""
_FLAGS = data.StructLayout({"valid": 1, "some": 1, "row_last": 1, "end": 1})
"""What goes with a symbol on its way. `some` says that it is not 0; without a symbol it is 0, and so is `end`."""


def codes_layout(params: Params) -> data.StructLayout:
    """What `Code` shows: a Rice code's zeros, then the rest of it, then the next symbol's head."""
    return code_layout(ESCAPE_ZEROS, params.response_bits + 1, params.response_bits + _HEAD_BITS)


class Code(wiring.Component):
    """Codes symbols; the adaptive state starts anew behind a packet's last symbol.

    A symbol's code is a head (a flag, or a run that ends: none, one or several bits) and a Rice code, either of which
    may be missing. Codes at `o` are cut between the two: a Rice code comes 5 clocks after its symbol, `latency`, the
    head a clock earlier, behind the Rice code before it or alone. One symbol a clock; behind a packet's last symbol,
    and behind a reset, none may come for `rest` clocks. Nothing saturates: the state is as wide as it can grow.

    Members
    -------
    i : stream of `symbol_layout`; a symbol is 0 or at least the threshold away from it
    o : stream of `codes_layout`
    raw, threshold_mode, edge_threshold : what the symbols are; constant from a clock before a frame's first symbol on,
        until its last code
    restored : the state is at its start again; high for one clock behind a packet's last symbol, and behind a reset
    """

    latency = 5
    rest = CONTEXTS + 1

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(symbol_layout(params), always_ready=True)),
            "o": Out(stream.Signature(codes_layout(params), always_ready=True)),
            "raw": In(1),
            "threshold_mode": In(BY_NAME["threshold_mode"].bits),
            "edge_threshold": In(BY_NAME["edge_threshold"].bits),
            "restored": Out(1),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        self._flags = [Signal(_FLAGS, name=f"flags_{clock}") for clock in range(5)]
        valid, symbol = self.i.valid, self.i.payload
        m.d.comb += [
            self._flags[0].valid.eq(valid),
            self._flags[0].some.eq(valid & symbol.symbol.any()),
            self._flags[0].row_last.eq(symbol.row_last),
            self._flags[0].end.eq(valid & symbol.end),
        ]
        m.d.sync += [later.eq(one) for one, later in pairwise(self._flags)]
        beyond, negative = self._measure(m)
        number, context = self._place(m, beyond, negative)
        number, context, mean, zeros = self._adapt(m, number, context)
        number, parameter, rice, head = self._choose(m, number, context, mean, zeros)
        self._divide(m, number, parameter, rice, head)
        return m

    def _measure(self, m: Module):
        """Clock 1: |s| - T and the sign."""
        bits, symbol = self._params.sample_bits, self.i.payload.symbol
        # T - 1; a register, since settings come from far away. Where T is wider than a symbol, all symbols are 0.
        less = Signal(bits)
        m.d.sync += less.eq(self.edge_threshold - 1)
        with m.If(self.raw | (self.threshold_mode == ThresholdMode.OFF)):
            m.d.sync += less.eq(0)
        beyond, negative = Signal(bits), Signal()
        # s - T is s + ~(T - 1), and -s - T is ~(s + T - 1).
        sign = symbol[-1].replicate(bits)
        m.d.sync += [beyond.eq((symbol[:bits] + (less ^ ~sign))[:bits] ^ sign), negative.eq(symbol[-1])]
        return beyond, negative

    def _place(self, m: Module, beyond, negative):
        """Clock 2: m, and from the two symbols before the context, which the table is asked for at once."""
        flags = self._flags[1]
        positive, first = Signal(), Signal(init=1)
        number = Signal(self._params.response_bits)
        m.d.sync += [
            positive.eq(~self.raw & (self.threshold_mode == ThresholdMode.POSITIVE)),
            number.eq(Mux(positive, beyond, Cat(negative, beyond))),
        ]
        with m.If(~flags.some):
            m.d.sync += number.eq(0)

        e, e1, e2 = (Signal(_NEAR_BITS, name=name) for name in ("e", "e1", "e2"))
        far, far1, far2 = (Signal(name=name) for name in ("far", "far1", "far2"))
        weighted, is_far = Signal(_NEAR_BITS + 2), Signal()
        m.d.comb += Cat(e, far).eq(beyond[:_NEAR_BITS] + 1)
        with m.If(flags.valid):
            m.d.sync += [
                first.eq(flags.row_last),
                Cat(e1, far1).eq(Cat(e, far | beyond[_NEAR_BITS:].any())),
                Cat(e2, far2).eq(Cat(e1, far1)),
            ]
            with m.If(~flags.some):
                m.d.sync += Cat(e1, far1).eq(0)
            with m.If(first):
                m.d.sync += Cat(e2, far2).eq(0)
        m.d.sync += [weighted.eq((e1 << 1) + e2), is_far.eq(far1 | far2)]
        with m.If(first):
            m.d.sync += [weighted.eq(0), is_far.eq(0)]
        context = Mux(is_far | weighted[_NEAR_BITS:].any(), CONTEXTS - 1, _bit_length(m, weighted[:_NEAR_BITS]))
        return number, context

    def _adapt(self, m: Module, number, context):
        """Clock 3: A[c] and Z[c] beside their symbol; what it makes of them is in the tables for the next one.

        Behind a packet's last symbol the contexts are counted through, to write what each of them begins with.
        """
        flags, sample_bits = self._flags[3], self._params.sample_bits
        number_here, here, restoring = Signal.like(number), Signal(range(CONTEXTS)), Signal(init=1)
        m.d.comb += self.restored.eq(restoring & (here == CONTEXTS - 1))
        m.d.sync += [number_here.eq(number), here.eq(Mux(restoring, here + 1, context))]
        with m.If(self.restored):
            m.d.sync += restoring.eq(0)
        with m.If(flags.end):
            m.d.sync += [restoring.eq(1), here.eq(0)]

        # A[c] stays below 2**MEAN_SHIFT times the largest m, and a little. Z[0] means nothing.
        mean, mean_next = self._table(m, "A", sample_bits + 1 + MEAN_SHIFT, context, here, restoring | flags.some)
        zeros, zeros_next = self._table(m, "Z", 8, context, here, restoring | flags.valid)
        # 15 - (Z >> 4) is the complement of those four bits; without the 15, one more than that of all.
        less = Cat(~zeros[ZEROS_SHIFT:], flags.some.replicate(ZEROS_SHIFT))
        m.d.comb += [
            mean_next.eq(mean + number_here - (mean >> MEAN_SHIFT)),
            zeros_next.eq(zeros + less + flags.some),
        ]
        with m.If(restoring):
            m.d.comb += [mean_next.eq(Array(starting_means(sample_bits))[here]), zeros_next.eq(ZEROS_START)]
        return number_here, here, mean, zeros

    def _table(self, m: Module, name: str, bits: int, context, here, changes):
        """(value of the symbol in clock 3, what to write where it changes) of a table that has a value a context."""
        m.submodules[name] = table = memory.Memory(shape=bits, depth=CONTEXTS, init=[])
        write, read = table.write_port(), table.read_port()
        # What is written while the same place is read is not seen there.
        written, repeats = Signal(bits), Signal()
        m.d.comb += [
            read.addr.eq(context),
            Cat(write.en, write.addr).eq(Cat(changes, here)),
        ]
        m.d.sync += [written.eq(write.data), repeats.eq(changes & (context == here))]
        return Mux(repeats, written, read.data), write.data

    def _choose(self, m: Module, number, context, mean, zeros):
        """Clock 4: the number to be coded, its Rice parameter, whether it is coded; and the head before it."""
        flags = self._flags[3]
        mean_high = mean[PARAMETER_SHIFT:]
        in_run = context == 0
        rare, rice = Signal(), Signal()
        m.d.comb += [
            rare.eq(flags.valid & ~in_run & (zeros < ZEROS_RARE) & mean_high.any()),
            rice.eq(flags.some | rare),
        ]
        rice_number = Signal.like(number)
        parameter, rice_next = Signal(range(len(mean_high) + 1)), Signal()
        m.d.sync += [
            rice_number.eq(number + (flags.some & rare)),
            parameter.eq(_bit_length(m, mean_high)),
            rice_next.eq(rice),
        ]
        with m.If(~rice):
            m.d.sync += parameter.eq(0)

        run, index = Signal(max(RUN_BITS)), Signal(range(len(RUN_BITS)))
        run_bits = Signal(range(max(RUN_BITS) + 1))
        ends_run, completes = Signal(), Signal()
        # One more zero makes the run whole.
        all_ones = Cat(run[place] | (run_bits <= place) for place in range(len(run))).all()
        m.d.comb += [
            run_bits.eq(Array([Const(count, 3) for count in RUN_BITS])[index]),
            ends_run.eq(in_run & flags.some),
            completes.eq(flags.valid & in_run & ~flags.some & all_ones),
        ]
        with m.If(flags.valid):
            m.d.sync += run.eq(run + 1)
            with m.If(~in_run | flags.some | completes | flags.row_last):
                m.d.sync += run.eq(0)
        with m.If(flags.end):
            m.d.sync += index.eq(0)
        with m.Elif(ends_run & (index != 0)):
            m.d.sync += index.eq(index - 1)
        with m.Elif(completes & (index != len(RUN_BITS) - 1)):
            m.d.sync += index.eq(index + 1)

        head = Signal(data.StructLayout({"one": 1, "run": max(RUN_BITS), "length": range(_HEAD_BITS + 1)}))
        m.d.sync += head.eq(0)
        with m.If(ends_run):
            m.d.sync += [head.run.eq(run), head.length.eq(run_bits + 1)]
        with m.Elif(in_run & (completes | (flags.valid & flags.row_last))):
            m.d.sync += [head.one.eq(1), head.length.eq(1)]
        with m.Elif(flags.valid & ~in_run & ~rare):
            m.d.sync += [head.one.eq(flags.some), head.length.eq(1)]
        return rice_number, parameter, rice_next, head

    def _divide(self, m: Module, number, parameter, rice, head):
        """Clock 5: the number's quotient as zeros, cut at ESCAPE_ZEROS; then a one and k bits, or the number; the head.

        A run whose length is not 0 has symbols without a code before it, so its length has the code for itself.
        """
        bits, code, flags = self._params.sample_bits, self.o.payload, self._flags[4]
        # The quotient's low bits, and whether there are others. Of what is shifted, only what gets there is kept.
        low, count = number, ESCAPE_ZEROS.bit_length()
        for place in reversed(range(len(parameter))):
            low = Mux(parameter[place], low >> (1 << place), low)[: count + (1 << place) - 1]
        below = Cat(parameter > place for place in range(bits + 1))
        at = Cat(parameter == place for place in range(bits + 1))
        escapes = (number[count:] & ~below[: bits + 1 - count]).any() | (low >= ESCAPE_ZEROS)

        tail, behind = Signal(len(code.bits)), Signal(len(code.bits))
        tail_bits, has_tail = Signal.like(parameter), Signal()
        m.d.sync += [
            self.o.valid.eq(flags.valid | self._flags[3].valid),
            code.end.eq(flags.end),
            code.zeros.eq(low),
            tail.eq(Cat(rice, number & below)),
            behind.eq(Cat(~rice, at & rice.replicate(len(at)))),
            tail_bits.eq(parameter),
            has_tail.eq(rice),
        ]
        with m.If(escapes):
            m.d.sync += [
                code.zeros.eq(ESCAPE_ZEROS),
                tail.eq(number),
                behind.eq(1 << (bits + 1)),
                tail_bits.eq(bits),
            ]
        m.d.comb += [
            code.bits.eq(tail | (behind & head.one.replicate(len(behind))) | (head.run << 1)),
            code.length.eq(tail_bits + head.length + has_tail),
        ]


def _bit_length(m: Module, value):
    """Bits of an unsigned value without its leading zeros."""
    length = Signal(range(len(value) + 1))
    for place in range(len(value)):
        with m.If(value[place]):
            m.d.comb += length.eq(place + 1)
    return length
