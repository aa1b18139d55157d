"""What is proved of the stages that drive converter chips, whatever the chips answer; see `testbench.formal`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from amaranth import Module
from amaranth.hdl import Assert

from hdl.ad7476a import AD7476A
from hdl.max11123 import MAX11123
from testbench.formal import Proof, StreamProof
from testbench.formal_stages import CONTRACT, TINY

_SLOW = replace(TINY, clock_frequency=12_000_000)
"""A clock for each half of the converter's: the shortest conversions in clocks."""


def _any_answer(*names: str) -> Callable[[Module, Any, StreamProof], None]:
    """The chip shows anything at these pins. No conversion runs while a sample waits; requests are accepted in one."""

    def more(m: Module, stage: Any, proof: StreamProof) -> None:
        for name in names:
            pin = getattr(stage.pins, name)
            m.d.comb += pin.eq(proof.choose(pin, name))
        m.d.comb += [Assert(~stage.o.valid | stage.pins.cs_n), Assert(~stage.i.ready | ~stage.pins.cs_n)]

    return more


_SAYS = f"{CONTRACT}; no conversion while one waits"
PROOFS: tuple[Proof, ...] = (
    Proof("ad7476a-contract", lambda: StreamProof(AD7476A(_SLOW), None, _any_answer("reset_data", "signal_data")),
          "prove", 3, _SAYS),
    Proof("max11123-contract", lambda: StreamProof(MAX11123(_SLOW), None, _any_answer("dout")), "prove", 3, _SAYS),
)  # fmt: skip
