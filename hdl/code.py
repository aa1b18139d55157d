"""Entropy coder: the code of each symbol.

    symbol -> |s| - T, sign -> m, context -> A[c], Z[c] -> Rice parameter, run -> quotient -> code -> bit packer
                                   ^  clock 6  |
                                   +-----------+  the only loop: a context's state, for its next symbol

`edgeray.protocol.code` is the specification; names are those of its docstring.
"""

from collections.abc import Sequence

from amaranth import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.protocol.code import (
    CONTEXTS,
    ESCAPE_ZEROS,
    MAX_CODE_BITS,
    MEAN_SHIFT,
    PARAMETER_SHIFT,
    RUN_BITS,
    RUN_MEAN_START,
    ZEROS_RARE,
    ZEROS_SHIFT,
    ZEROS_START,
    ZEROS_STEP,
    starting_means,
)
from edgeray.protocol.registers import BY_NAME, ThresholdMode
from hdl.layouts import code_layout, symbol_layout
from hdl.params import Params


class Code(wiring.Component):
    """Codes symbols; the adaptive state starts anew behind a packet's last symbol.

    Every symbol gives one code, which inside a run of zeros has no bits. Latency 9 clocks, one symbol a clock. Nothing
    saturates: the state is as wide as it can grow.

    Members
    -------
    i : stream of `symbol_layout`; a symbol is 0 or at least the threshold away from it
    o : stream of `code_layout`
    raw, threshold_mode, edge_threshold : what the symbols are; constant during a frame
    """

    latency = 9

    def __init__(self, params: Params):
        self._params = params
        super().__init__({
            "i": In(stream.Signature(symbol_layout(params), always_ready=True)),
            "o": Out(stream.Signature(code_layout(MAX_CODE_BITS), always_ready=True)),
            "raw": In(1),
            "threshold_mode": In(BY_NAME["threshold_mode"].bits),
            "edge_threshold": In(BY_NAME["edge_threshold"].bits),
        })  # fmt: skip

    def elaborate(self, platform):
        m = Module()
        self._clock = 0
        self._m = m
        symbol = self.i.payload
        bits = self._params.response_bits
        flags = {"row_last": symbol.row_last, "end": symbol.end, "last": symbol.last}
        negative = symbol.symbol[-1]
        valid, one = self._next(self.i.valid, **flags, some=symbol.symbol != 0, negative=negative,
                                size=Mux(negative, -symbol.symbol, symbol.symbol)[:bits])  # fmt: skip
        valid, one = self._next(valid, one, beyond=(one["size"] - self._threshold())[:bits], drop=("size",))
        valid, one = self._next(valid, one, **self._distances(valid, one), drop=("beyond", "negative"))
        context = _smaller(_bit_length(m, one["weighted"]), CONTEXTS - 1)
        valid, one = self._next(valid, one, context=context, drop=("weighted",))
        valid, one = self._adapt(valid, one)
        valid, one = self._choose(valid, one)
        valid, one = self._divide(valid, one)
        self._assemble(valid, one)
        return m

    def _next(self, valid, values=None, /, drop: Sequence[str] = (), **more):
        """Registers of the next clock: what `values` held, without `drop`, and with `more`."""
        self._clock += 1
        held = {name: value for name, value in (values or {}).items() if name not in drop} | more
        registers = {
            name: Signal(len(value), name=f"{name}_{self._clock}", reset_less=True) for name, value in held.items()
        }
        valid_next = Signal(name=f"valid_{self._clock}")
        self._m.d.sync += [valid_next.eq(valid), *(registers[name].eq(value) for name, value in held.items())]
        return valid_next, registers

    def _threshold(self):
        """T; a register in front, since settings come from far away."""
        threshold, is_one = Signal.like(self.edge_threshold), Signal()
        self._m.d.comb += is_one.eq(self.raw | (self.threshold_mode == ThresholdMode.OFF))
        self._m.d.sync += threshold.eq(Mux(is_one, 1, self.edge_threshold))
        return threshold

    def _distances(self, valid, one):
        """m, and 2 e1 + e2 of the two symbols before."""
        m, bits = self._m, self._params.response_bits
        positive = Signal()
        m.d.sync += positive.eq(~self.raw & (self.threshold_mode == ThresholdMode.POSITIVE))
        e, e1, e2 = (Signal(bits, name=name) for name in ("e", "e1", "e2"))
        m.d.comb += e.eq(Mux(one["some"], one["beyond"] + 1, 0))
        with m.If(valid):
            m.d.sync += [e1.eq(Mux(one["row_last"], 0, e)), e2.eq(Mux(one["row_last"], 0, e1))]
        doubled = Cat(one["negative"], one["beyond"])[:bits]
        return {"m": Mux(positive, one["beyond"], doubled), "weighted": (e1 << 1) + e2}

    def _adapt(self, valid, one):
        """A[c] and Z[c] beside their symbol; what it makes of them is back before the next one wants them."""
        m, sample_bits = self._m, self._params.sample_bits
        # A[c] stays below 2**MEAN_SHIFT times the largest m, and a little.
        means_start = starting_means(sample_bits)
        means = [Signal(sample_bits + 1 + MEAN_SHIFT, init=start, name=f"A_{c}") for c, start in enumerate(means_start)]
        zeros = [Signal(8, init=ZEROS_START, name=f"Z_{c}") for c in range(CONTEXTS)]
        mean, zero = Signal.like(means[0], name="A"), Signal.like(zeros[0], name="Z")
        mean_next, zero_next = Signal.like(mean), Signal.like(zero)
        first, repeats = Signal(init=1), Signal()
        valid_next, held = self._next(valid, one)
        context, context_next = one["context"], held["context"]
        m.d.comb += [
            mean_next.eq(Mux(held["some"], mean + held["m"] - (mean >> MEAN_SHIFT), mean)),
            zero_next.eq(zero + Mux(held["some"], 0, ZEROS_STEP) - (zero >> ZEROS_SHIFT)),
            # The symbol ahead of this one has the same context, and its new state is not in the table yet.
            repeats.eq(valid_next & (context == context_next)),
        ]
        m.d.sync += [
            mean.eq(Mux(repeats, mean_next, Array(means)[context])),
            zero.eq(Mux(repeats, zero_next, Array(zeros)[context])),
        ]
        # A packet's first symbol has context 0, and it may follow the last one of the packet before at once.
        with m.If(valid):
            m.d.sync += first.eq(one["end"])
            with m.If(first):
                m.d.sync += mean.eq(RUN_MEAN_START)
        for c in range(CONTEXTS):
            with m.If(valid_next & held["end"]):
                m.d.sync += [means[c].eq(means[c].init), zeros[c].eq(zeros[c].init)]
            with m.Elif(valid_next & (context_next == c)):
                m.d.sync += [means[c].eq(mean_next), zeros[c].eq(zero_next)]
        # The table is written one clock behind: what is read for the symbol behind the next is right again.
        return valid_next, {**held, "mean": mean, "zero": zero}

    def _choose(self, valid, one):
        """Rice parameter, the number n to code with it, and the bits before it: a flag, or a run and its length."""
        m = self._m
        k = _bit_length(m, one["mean"][PARAMETER_SHIFT:])
        in_run = one["context"] == 0
        rare = (one["zero"] < ZEROS_RARE) & one["mean"][PARAMETER_SHIFT:].any() & ~in_run

        run, index = Signal(range(1 << max(RUN_BITS))), Signal(range(len(RUN_BITS)))
        run_bits = Array([Const(count, 3) for count in RUN_BITS])[index]
        run_next, completes = Signal(range((1 << max(RUN_BITS)) + 1)), Signal()
        m.d.comb += [run_next.eq(run + 1), completes.eq(run_next == (Const(1, 1) << run_bits))]
        some, row_last = one["some"], one["row_last"]
        with m.If(valid):
            with m.If(one["end"]):
                m.d.sync += index.eq(0)
            with m.Elif(in_run & some):
                m.d.sync += index.eq(Mux(index == 0, 0, index - 1))
            with m.Elif(in_run & completes):
                m.d.sync += index.eq(Mux(index == len(RUN_BITS) - 1, index, index + 1))
            m.d.sync += run.eq(Mux(in_run & ~some & ~completes & ~row_last, run_next, 0))

        head, head_bits = Signal(1 + max(RUN_BITS)), Signal(range(2 + max(RUN_BITS)))
        with m.If(in_run):
            m.d.comb += [
                head.eq(Mux(some, run << 1, completes | row_last)),
                head_bits.eq(Mux(some, run_bits + 1, completes | row_last)),
            ]
        with m.Elif(~rare):
            m.d.comb += [head.eq(some), head_bits.eq(1)]
        number = Mux(some, one["m"] + rare, 0)[: self._params.response_bits]
        return self._next(
            valid, one, k=k, number=number, rice=some | rare, head=head, head_bits=head_bits,
            drop=("some", "row_last", "context", "m", "mean", "zero"),
        )  # fmt: skip

    def _divide(self, valid, one):
        """The number's quotient, cut at ESCAPE_ZEROS, and what follows its zeros: a one and k bits, or the number."""
        bits = self._params.response_bits
        number, k = one["number"], one["k"]
        quotient = number >> k
        escapes = quotient >= ESCAPE_ZEROS
        # A mask with k ones, and the one that goes before the low bits of n.
        mask = ((1 << k) - 1)[:bits]
        valid, one = self._next(
            valid, one, zeros=Mux(escapes, ESCAPE_ZEROS, quotient)[:4], escapes=escapes, low=number & mask, drop=()
        )
        tail = Mux(one["escapes"], one["number"], Cat(1, one["low"]))
        tail_bits = Mux(one["escapes"], bits, one["k"] + 1)
        place = Signal(range(MAX_CODE_BITS))
        self._m.d.comb += place.eq(one["head_bits"] + one["zeros"])
        return self._next(
            valid, one, place=place, tail=Mux(one["rice"], tail, 0)[: bits + 1],
            length=Mux(one["rice"], (place + tail_bits)[:6], one["head_bits"]),
            drop=("zeros", "escapes", "low", "number", "k", "rice", "head_bits"),
        )  # fmt: skip

    def _assemble(self, valid, one) -> None:
        """The whole code, at the output."""
        code = self.o.payload
        self._m.d.sync += [
            self.o.valid.eq(valid),
            code.bits.eq(one["head"] | (one["tail"] << one["place"])),
            code.length.eq(one["length"]),
            code.end.eq(one["end"]),
            code.last.eq(one["last"]),
        ]


def _bit_length(m: Module, value):
    """Bits of an unsigned value without its leading zeros."""
    length = Signal(range(len(value) + 1))
    for place in range(len(value)):
        with m.If(value[place]):
            m.d.comb += length.eq(place + 1)
    return length


def _smaller(value, limit: int):
    return Mux(value > limit, limit, value)[: limit.bit_length()]
