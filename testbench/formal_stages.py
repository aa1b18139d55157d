"""What is proved of each stage, on arrays small enough for a prover; see `testbench.formal`."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from amaranth import Cat, Module, Mux, Signal
from amaranth.hdl import Assert, Assume

from edgeray.protocol.registers import SampleSource
from hdl.adc import ParallelADC
from hdl.cds import CDS
from hdl.convolve import Convolve
from hdl.correct import Correct
from hdl.meta import Meta
from hdl.params import Params
from hdl.pattern import Pattern
from hdl.pga import PGA
from hdl.scan import SETTINGS, Scan
from hdl.sensor import Sensor
from hdl.source import Source
from hdl.threshold import Threshold
from hdl.uart import UARTReceiver, UARTTransmitter
from hdl.upload import Upload
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


def _selects(m: Module, stage: Any, proof: StreamProof) -> None:
    """Row and column stay while their request waits."""
    place = Cat(stage.row, stage.column)
    waits, before = Signal(), Signal(len(place))
    m.d.sync += [waits.eq(stage.i.valid & ~stage.i.ready), before.eq(place)]
    m.d.comb += Assume(~waits | (place == before))


def _no_adc(m: Module, stage: Any, proof: StreamProof) -> None:
    """One result for each input, in order, where memory and generator answer."""
    one_to_one(3, 5)(m, stage, proof)
    m.d.comb += Assume(stage.sample_source != SampleSource.ADC)


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


def _transmitter(m: Module, stage: Any, proof: StreamProof) -> None:
    """The line shows each byte between its start and stop bit, `divisor` clocks a bit, and is high otherwise."""
    enters = transferred(stage.i)
    sending, bits, bit, tick = Signal(), Signal(10), Signal(4), Signal(2)
    bit_ends = tick == stage.divisor - 1
    byte_ends = sending & bit_ends & (bit == 9)
    with m.If(enters):
        m.d.sync += [sending.eq(1), bits.eq(Cat(0, stage.i.payload, 1)), bit.eq(0), tick.eq(0)]
    with m.Elif(byte_ends):
        m.d.sync += sending.eq(0)
    with m.Elif(sending):
        m.d.sync += [tick.eq(Mux(bit_ends, 0, tick + 1)), bit.eq(bit + bit_ends)]
    m.d.comb += [
        Assume((stage.divisor == 2) | (stage.divisor == 3)),
        Assert(stage.i.ready == (~sending | byte_ends)),
        Assert(stage.tx == Mux(sending, bits.bit_select(bit, 1), 1)),
    ]


_SLOW = replace(TINY, multipliers=1)
_CORRECT_SETTINGS = ["correction_enabled"]
_UPLOAD = replace(TINY, upload=True)

PROOFS: tuple[Proof, ...] = (
    _register_stage("cds", partial(CDS, TINY)),
    _contract("pga", partial(PGA, TINY)),
    _in_order("pga", partial(PGA, TINY), 2, 3, 8),
    _register_stage("pga-shared", partial(PGA, _SLOW)),
    _register_stage("threshold", partial(Threshold, TINY)),
    _contract("threshold-shared", partial(Threshold, _SLOW)),
    _register_stage("sensor", partial(Sensor, TINY)),
    _contract("correct", partial(Correct, TINY), _CORRECT_SETTINGS),
    _in_order("correct", partial(Correct, ROW), 5, 6, 13, _CORRECT_SETTINGS),
    _contract("correct-shared", partial(Correct, _SLOW), _CORRECT_SETTINGS),
    _in_order("correct-shared", partial(Correct, replace(ROW, multipliers=1)), 2, 3, 12, _CORRECT_SETTINGS),
    _contract("adc", partial(ParallelADC, TINY), []),
    _in_order("adc", partial(ParallelADC, TINY), 8, 5, 10, []),
    _contract("source", partial(Source, _UPLOAD), ["sample_source"]),
    Proof("source-in-order", lambda: StreamProof(Source(_UPLOAD), ["sample_source"], _no_adc, check_contract=False),
          "bmc", 10, f"{IN_ORDER}, from memory and generator"),
    _contract("upload", partial(Upload, _UPLOAD), []),
    _in_order("upload", partial(Upload, _UPLOAD), 1, 3, 8, []),
    Proof("pattern-contract", lambda: StreamProof(Pattern(TINY), ["image_id"], _selects), "prove", 3, CONTRACT),
    _contract("window", partial(Window, TINY)),
    Proof("window-frames", lambda: StreamProof(Window(ROW), None, _window, check_contract=False), "bmc", 17,
          "whole frames, none lost"),
    _contract("window-shared", partial(Window, _SLOW)),
    _contract("convolve", partial(Convolve, TINY)),
    _in_order("convolve", partial(Convolve, TINY), 7, 9, 12),
    _contract("convolve-shared", partial(Convolve, _SLOW)),
    Proof("meta-contract", lambda: StreamProof(Meta(TINY), [], _meta), "prove", 3, CONTRACT),
    _contract("uart-receiver", UARTReceiver, []),
    Proof("uart-transmitter", lambda: StreamProof(UARTTransmitter(), None, _transmitter), "bmc", 23,
          "every byte on the line, bit by bit; high otherwise"),
    Proof("scan", lambda: StreamProof(Scan(TINY), SETTINGS, _strobes), "prove", 3,
          f"{CONTRACT}; strobes never overlap"),
)  # fmt: skip
