"""What every bench stands on: the clock, seeds, cycle limits, comparison, and the figures of the summary table."""

import functools
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import cocotb
from cocotb.triggers import Timer

from hdl.params import Params
from testbench.runner import BUILD_VARIABLE, FIGURES_VARIABLE, Build, Figures, as_json
from testbench.streams import Pace, Packer, StreamSink, StreamSource, always

HALF_PERIOD = 5
"""Simulated nanoseconds."""
SEED = int(os.environ.get("SEED", "1"))


class Pulses:
    """Counts the clocks in which a one-bit output is high."""

    def __init__(self, dut: Any, name: str):
        self._port = getattr(dut, name)
        self.count = 0

    def drive(self) -> None:
        """Nothing to drive."""

    def sample(self, clock: int) -> None:
        if self._port.value == 1:
            self.count += 1


class Bench:
    """One device under test with its clock and the drivers and monitors at its ports.

    In each clock every agent first drives its inputs, in the low half; just before the rising edge, when all that is
    combinational has settled, every agent samples its outputs. The order of agents does not matter.
    """

    def __init__(self, dut: Any, component: Any, seed: int, figures: Figures):
        self.dut, self.component, self.seed, self.figures = dut, component, seed, figures
        self.random = random.Random(seed)
        self.clocks = 0
        self._agents: list[Any] = []
        self._half = Timer(HALF_PERIOD, unit="ns")
        dut.clk.value = 0
        dut.rst.value = 0

    def add(self, agent: Any) -> Any:
        """Let `agent`, with methods drive() and sample(clock), take part from the next clock on."""
        self._agents.append(agent)
        return agent

    def source(self, name: str = "i", pace: Pace = always) -> StreamSource:
        layout = self.component.signature.members[name].signature.members["payload"].shape
        return self.add(StreamSource(self.dut, name, layout, pace))

    def sink(self, name: str = "o", pace: Pace = always) -> StreamSink:
        layout = self.component.signature.members[name].signature.members["payload"].shape
        return self.add(StreamSink(self.dut, name, layout, pace))

    def pulses(self, name: str) -> Pulses:
        return self.add(Pulses(self.dut, name))

    def set(self, **inputs: int) -> None:
        """Drive plain input ports from the next clock on."""
        for name, value in inputs.items():
            port = getattr(self.dut, name)
            port.value = value & ((1 << len(port)) - 1)

    async def clock(self, count: int = 1) -> None:
        """Run `count` clocks."""
        agents, clk = self._agents, self.dut.clk
        for _ in range(count):
            for agent in agents:
                agent.drive()
            await self._half
            for agent in agents:
                agent.sample(self.clocks)
            clk.value = 1
            self.clocks += 1
            self.figures.cycles += 1
            await self._half
            clk.value = 0

    async def until(self, done: Callable[[], bool], limit: int, what: str) -> None:
        """Run until `done()`; AssertionError naming `what` was waited for after `limit` clocks."""
        for _ in range(limit):
            if done():
                return
            await self.clock()
        assert done(), f"seed {self.seed}: {what} did not come within {limit} clocks"

    def check(self, is_right: bool, message: str) -> None:
        """Fail with `message` and the seed unless `is_right`; a failure counts as one mismatch."""
        if not is_right:
            self.figures.mismatches += 1
            raise AssertionError(f"seed {self.seed}: {message}")

    def compare(
        self,
        expected: Sequence[Sequence[int]],
        got: Sequence[int],
        packer: Packer,
        columns: int,
        ignored: Sequence[Sequence[int]] | None = None,
        what: str = "",
    ) -> None:
        """Compare packed payloads pixel by pixel.

        Parameters
        ----------
        expected : frames of pixels, packed.
        got : all that came, packed.
        columns : pixels in a row, for the message alone.
        ignored : in the shape of `expected`, ones at bits that mean nothing.
        what : stands before the message.

        Raises
        ------
        AssertionError : names seed, frame, pixel, expected and got of the first mismatch; all are counted.
        """
        place, first = 0, ""
        for frame, pixels in enumerate(expected):
            self.figures.frames += 1
            for pixel, right in enumerate(pixels):
                if place >= len(got):
                    break
                there, place = got[place], place + 1
                self.figures.pixels += 1
                dont_care = ignored[frame][pixel] if ignored else 0
                if (right ^ there) & ~dont_care:
                    self.figures.mismatches += 1
                    first = first or (
                        f"frame {frame}, pixel {pixel} (row {pixel // columns}, column {pixel % columns}): "
                        f"expected {packer.unpack(right)}, got {packer.unpack(there)}"
                    )
        total = sum(map(len, expected))
        if not first and len(got) != total:
            self.figures.mismatches += abs(total - len(got))
            first = f"expected {total} pixels, got {len(got)}"
        if first:
            raise AssertionError(f"seed {self.seed}: {what}{': ' if what else ''}{first}")


Test = Callable[[Bench], Awaitable[None]]


def simulated(cycles: int, seed: int = 0) -> Callable[[Test], Any]:
    """Make a cocotb test of an async function of a reset `Bench`; it is ended after `cycles` clocks.

    `seed` is added to the variable SEED (1 where not set), so that a failure can be repeated and others be tried.
    """

    def decorate(test: Test) -> Any:
        async def body(dut: Any) -> None:
            figures = Figures()
            try:
                component = current_build().make()
                bench = Bench(dut, component, SEED + seed, figures)
                cocotb.log.info("seed %d", bench.seed)
                for name, member in component.signature.members.items():
                    if member.is_port and member.flow.name == "In":
                        bench.set(**{name: 0})
                dut.rst.value = 1
                await bench.clock(2)
                dut.rst.value = 0
                await test(bench)
            finally:
                with Path(os.environ[FIGURES_VARIABLE]).open("a") as lines:
                    lines.write(as_json(figures) + "\n")

        functools.update_wrapper(body, test, assigned=("__module__", "__name__", "__qualname__", "__doc__"))
        del body.__wrapped__  # type: ignore[attr-defined]  # cocotb would look for its parameters
        return cocotb.test(timeout_time=2 * HALF_PERIOD * cycles, timeout_unit="ns")(body)

    return decorate


def current_build() -> Build:
    """The build of the bench that runs in this simulator."""
    import importlib

    builds: Sequence[Build] = importlib.import_module(os.environ["COCOTB_TEST_MODULES"]).BUILDS
    return builds[int(os.environ[BUILD_VARIABLE])]


def params() -> Params:
    """Parameters of the build that runs; its `make` is partial(Component, Params)."""
    make = current_build().make
    assert isinstance(make, functools.partial)
    found: Params = make.args[0]
    return found
