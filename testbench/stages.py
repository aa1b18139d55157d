"""What the benches of all stages with one input and one output stream share."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from testbench.bench import Bench
from testbench.stimulus import Image
from testbench.streams import Pace, always, never, randomly

Frames = Sequence[Sequence[int]]

STALL = 60
"""Clocks for which a stalled stage is watched: more than any stage takes to fill up."""


def positions(shape: tuple[int, int]) -> Iterator[dict[str, int]]:
    """`row_last` and `last` of each pixel of a frame."""
    rows, columns = shape
    for row in range(rows):
        for column in range(columns):
            row_last = int(column == columns - 1)
            yield {"row_last": row_last, "last": int(row_last and row == rows - 1)}


def packed(pack: Callable[[Any], int], **fields: Image | np.ndarray[Any, Any]) -> list[int]:
    """Payloads of one frame: every field is an array of the frame's shape (further axes: array fields)."""
    first = next(iter(fields.values()))
    shape = first.shape[:2]
    columns = {name: np.asarray(values).reshape(shape[0] * shape[1], *values.shape[2:]).tolist()
               for name, values in fields.items()}  # fmt: skip
    return [
        pack({**{name: values[place] for name, values in columns.items()}, **flags})
        for place, flags in enumerate(positions(shape))
    ]


def paces(bench: Bench) -> Iterator[tuple[str, Pace, Pace]]:
    """Pairs of source and sink paces that every stage is run with."""
    yield "never stalled", always, always
    yield "random valid and ready", randomly(bench.random, 0.6), randomly(bench.random, 0.6)
    yield "slow source", randomly(bench.random, 0.2), always
    yield "slow sink", always, randomly(bench.random, 0.2)


class Stage:
    """A bench's source at `i` and sink at `o`, and the transfers of whole frames through them.

    Parameters
    ----------
    bench : the bench.
    columns : pixels in a row, for messages.
    patience : clocks that a pixel may take, at the slowest pace.
    """

    def __init__(self, bench: Bench, columns: int, patience: int = 40):
        self.bench, self.columns, self.patience = bench, columns, patience
        self.source, self.sink = bench.source(), bench.sink()

    async def transfer(
        self,
        inputs: Frames,
        expected: Frames,
        ignored: Frames | None = None,
        source_pace: Pace = always,
        sink_pace: Pace = always,
        what: str = "",
    ) -> None:
        """Send frames back to back and compare all that comes; what does not mean anything is set in `ignored`."""
        self._begin(inputs, source_pace, sink_pace)
        await self._finish(expected, ignored, what)

    async def stalled(self, inputs: Frames, expected: Frames, ignored: Frames | None = None) -> None:
        """A sink that takes nothing for long, then all: valid has to come without ready, and hold."""
        bench, source, sink = self.bench, self.source, self.sink
        self._begin(inputs, always, never)
        await bench.until(lambda: bool(sink.offered), self.patience * len(source.items), "an offer of a stalled stage")
        await bench.clock(STALL)
        held = len(source.items)
        await bench.clock(STALL)
        bench.check(len(source.items) == held, "a stalled stage went on accepting")
        bench.check(not sink.items, "a pixel was transferred without ready")
        sink.pace = always
        await self._finish(expected, ignored, "after a full stall")

    async def all_paces(self, inputs: Frames, expected: Frames, ignored: Frames | None = None, what: str = "") -> None:
        """The same frames at every pace, and after a full stall; a stage that cannot be stalled is not."""
        for name, source_pace, sink_pace in paces(self.bench):
            if self.sink.can_stall or name != "slow sink":
                await self.transfer(inputs, expected, ignored, source_pace, sink_pace, f"{what} ({name})")
        if self.sink.can_stall:
            await self.stalled(inputs, expected, ignored)

    def check_latency(self, latency: int, behind: int = 0) -> None:
        """The last transfer, never stalled: result n was offered `latency` clocks after input n + `behind` was."""
        starts = self.source.offered[behind:]
        for number, (start, end) in enumerate(zip(starts, self.sink.offered, strict=False)):
            self.bench.check(end - start == latency, f"pixel {number}: latency {end - start}, not {latency}")

    def check_rate(self, clocks: int) -> None:
        """The last transfer, never stalled: inputs were accepted every `clocks` clocks."""
        accepted = self.source.accepted
        for number, (one, following) in enumerate(pairwise(accepted)):
            self.bench.check(
                following - one == clocks, f"pixel {number + 1} was taken after {following - one} clocks, not {clocks}"
            )

    def _begin(self, inputs: Frames, source_pace: Pace, sink_pace: Pace) -> None:
        self.source.pace, self.sink.pace = source_pace, sink_pace
        for log in (self.source.accepted, self.source.offered, self.sink.items, self.sink.offered, self.sink.received):
            log.clear()
        for frame in inputs:
            self.source.send(frame)

    async def _finish(self, expected: Frames, ignored: Frames | None, what: str) -> None:
        bench, source, sink = self.bench, self.source, self.sink
        total = sum(map(len, expected))
        for _ in range(self.patience * (len(source.items) + total) + 10 * STALL):
            if len(sink.items) >= total and not source.items:
                break
            await bench.clock()
        # Whatever should not come has time to come.
        sink.pace = always
        await bench.clock(20)
        bench.compare(expected, sink.items, sink.packer, self.columns, ignored, what)
