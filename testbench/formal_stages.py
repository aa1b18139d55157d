"""What is proved of each stage, on arrays small enough for a prover; see `testbench.formal`."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assert, Assume

from edgeray.protocol.packets import META
from hdl.adc import ParallelADC
from hdl.cds import CDS
from hdl.command import Command
from hdl.convolve import Convolve
from hdl.correct import Correct
from hdl.meta import Meta
from hdl.params import Params
from hdl.pga import PGA
from hdl.scan import SETTINGS, Scan
from hdl.threshold import Threshold
from hdl.uart import UARTReceiver, UARTTransmitter
from hdl.window import Window
from testbench.formal import Proof, StreamProof, one_to_one, quiet, transferred

TINY = Params(rows=2, columns=4, guard_ring=0, sample_bits=8)
ROW = replace(TINY, rows=1)
CONTRACT = "offers hold, unchanged, until they are taken"
IN_ORDER = "one result for each input, in order, none lost"


def _contract(name: str, make: Callable[[], Any], constant: list[str] | None = None, depth: int = 3) -> Proof:
    return Proof(f"{name}-contract", lambda: StreamProof(make(), constant), "prove", depth, CONTRACT)


def _in_order(name: str, make: Callable[[], Any], capacity: int, drain: int, depth: int, constant: Any = None) -> Proof:
    return Proof(
        f"{name}-in-order",
        lambda: StreamProof(make(), constant, one_to_one(capacity, drain), check_contract=False),
        "bmc",
        depth,
        IN_ORDER,
    )


def _register_stage(name: str, make: Callable[[], Any]) -> Proof:
    return Proof(
        name, lambda: StreamProof(make(), None, one_to_one(1, 2, is_output=True)), "prove", 4, f"{CONTRACT}; {IN_ORDER}"
    )


def _position(m: Module, params: Params, moves: Any, payload: Any, name: str) -> Any:
    """Whether `payload`'s flags are right for the next pixel of a frame; and whether that one is the first."""
    place = Signal(range(params.rows * params.columns), name=f"{name}_place")
    last = place == params.rows * params.columns - 1
    with m.If(moves):
        m.d.sync += place.eq(Mux(last, 0, place + 1))
    row_last = (place % params.columns) == params.columns - 1
    return (payload.row_last == row_last) & (payload.last == last), place == 0


def _window(m: Module, stage: Any, proof: StreamProof) -> None:
    """Whole frames in, whole frames out."""
    enters, leaves = transferred(stage.i), transferred(stage.o)
    good_input, between = _position(m, ROW, enters, stage.i.payload, "input")
    good_output, _ = _position(m, ROW, leaves, stage.o.payload, "output")
    inside = Signal(6)
    m.d.sync += inside.eq(inside + enters - leaves)
    m.d.comb += [
        Assume(~stage.i.valid | good_input),
        Assume(stage.stride == 1),
        Assert(~stage.o.valid | good_output),
        Assert(~stage.o.valid | (inside != 0)),
        Assert(~(quiet(m, proof, 9) & between) | (inside == 0)),
    ]


def _strobes(m: Module, stage: Any, proof: StreamProof) -> None:
    """Never two strobes at once."""
    pairs = (
        (stage.reset, stage.sample_reset),
        (stage.reset, stage.sample_signal),
        (stage.sample_reset, stage.sample_signal),
    )
    m.d.comb += [Assert(~(one & other)) for one, other in pairs]


def _meta(m: Module, stage: Any, proof: StreamProof) -> None:
    """As its docstring asks: no start while it is busy."""
    m.d.comb += Assume(~(stage.start & stage.busy))


def _command(m: Module, stage: Any, proof: StreamProof) -> None:
    """Any answer of the bank; no byte is taken while a reply waits, which is also what the induction needs to know."""
    for name in ("read_value", "status"):
        port = getattr(stage.bus, name)
        m.d.comb += port.eq(proof.choose(port, name))
    m.d.comb += Assert(~stage.reply.valid | ~stage.i.ready)


def _transmitter(m: Module, stage: Any, proof: StreamProof) -> None:
    """The line shows each byte between its start and stop bit, `divisor` clocks a bit, and is high otherwise."""
    enters = transferred(stage.i)
    sending, bits, bit, tick = Signal(), Signal(10), Signal(4), Signal(2)
    clocks = Mux(stage.divisor == 0, 1, stage.divisor)
    bit_ends = tick == clocks - 1
    byte_ends = sending & bit_ends & (bit == 9)
    with m.If(enters):
        m.d.sync += [sending.eq(1), bits.eq(Cat(0, stage.i.payload, 1)), bit.eq(0), tick.eq(0)]
    with m.Elif(byte_ends):
        m.d.sync += sending.eq(0)
    with m.Elif(sending):
        m.d.sync += [tick.eq(Mux(bit_ends, 0, tick + 1)), bit.eq(bit + bit_ends)]
    m.d.comb += [
        Assume(stage.divisor <= 2),
        Assert(stage.i.ready == (~sending | byte_ends)),
        Assert(stage.tx == Mux(sending, bits.bit_select(bit, 1), 1)),
    ]


_META_INPUTS = (*(field.name for field in META), "kernel_weights")
_SLOW = replace(TINY, multipliers=1)

PROOFS: tuple[Proof, ...] = (
    _register_stage("cds", partial(CDS, TINY)),
    _register_stage("pga", partial(PGA, TINY)),
    _register_stage("threshold", partial(Threshold, TINY)),
    _contract("correct", partial(Correct, TINY)),
    _in_order("correct", partial(Correct, TINY), 3, 5, 10),
    _contract("adc", partial(ParallelADC, TINY), []),
    _in_order("adc", partial(ParallelADC, TINY), 5, 5, 10, []),
    _contract("window", partial(Window, TINY)),
    Proof("window-frames", lambda: StreamProof(Window(ROW), None, _window, check_contract=False), "bmc", 17,
          "whole frames, none lost"),
    _contract("convolve", partial(Convolve, TINY)),
    _in_order("convolve", partial(Convolve, TINY), 3, 5, 8),
    _contract("convolve-shared", partial(Convolve, _SLOW)),
    Proof("meta-contract", lambda: StreamProof(Meta(TINY), _META_INPUTS, _meta), "prove", 3, CONTRACT),
    Proof("command-contract", lambda: StreamProof(Command(), [], _command), "prove", 5, CONTRACT),
    _contract("uart-receiver", UARTReceiver, []),
    Proof("uart-transmitter", lambda: StreamProof(UARTTransmitter(), None, _transmitter), "bmc", 23,
          "every byte on the line, bit by bit; high otherwise"),
    Proof("scan", lambda: StreamProof(Scan(TINY), SETTINGS, _strobes), "prove", 3,
          f"{CONTRACT}; strobes never overlap"),
)  # fmt: skip
