"""Audit: every frame goes its way once, and comes again from the memory when that is asked for."""

from functools import partial

from edgeray.protocol.registers import ReadoutMode
from hdl.audit import Audit
from hdl.params import Params
from testbench.bench import Bench, params, simulated
from testbench.runner import Build
from testbench.stages import STALL, Frames, paces, packed
from testbench.stimulus import images
from testbench.streams import StreamSink, always, never

BUILDS = (Build("", partial(Audit, Params(rows=8, columns=9))),)


class Ways:
    """The streams of the stage, and the frames that go through them."""

    def __init__(self, bench: Bench):
        self.bench, self.source = bench, bench.source()
        self.edge: StreamSink = bench.sink("edge")
        self.raw: StreamSink = bench.sink("raw")
        self.frames: Frames = [
            packed(self.source.packer.pack, value=image)
            for image in images(params().rows, params().columns, params().sample_bits, bench.random)
        ]

    async def check(self, edge: Frames, raw: Frames, what: str) -> None:
        """Wait for these frames, and compare them with what came."""
        bench = self.bench
        for sink, frames in ((self.edge, edge), (self.raw, raw)):
            total = sum(map(len, frames))
            for _ in range(20 * total + 50):
                if len(sink.items) >= total and not self.source.items and bench.dut.replaying.value == 0:
                    break
                await bench.clock()
        await bench.clock(10)
        for name, sink, frames in (("edge", self.edge, edge), ("raw", self.raw, raw)):
            bench.compare(frames, sink.items, sink.packer, params().columns, what=f"{what}: {name}")
            for log in (sink.items, sink.offered, sink.received):
                log.clear()
        for log in (self.source.accepted, self.source.offered):
            log.clear()

    async def replay(self) -> int:
        """Ask for the frame before; returns the clock of the request."""
        self.bench.set(replay=1)
        await self.bench.clock()
        self.bench.set(replay=0)
        return self.bench.clocks - 1


@simulated(cycles=100_000)
async def every_pace(bench: Bench) -> None:
    """Frames on either way, some of edge readout replayed, at every pace of all three streams."""
    ways = Ways(bench)
    for what, ways.source.pace, sink_pace in paces(bench):
        ways.edge.pace = ways.raw.pace = sink_pace
        for number, frame in enumerate(ways.frames):
            bench.set(readout_mode=ReadoutMode.EDGE)
            ways.source.send(frame)
            await ways.check([frame], [], f"{what}, edge")
            # Not after each frame, so that the next one overwrites what was never read; sometimes twice.
            for _ in range(number % 3):
                await ways.replay()
                await ways.check([], [frame], f"{what}, replay")
            bench.set(readout_mode=ReadoutMode.RAW)
            two = [frame, ways.frames[number - 1]]
            for one in two:
                ways.source.send(one)
            await ways.check([], two, f"{what}, raw")


@simulated(cycles=20_000)
async def stalled_and_at_once(bench: Bench) -> None:
    """A replay waits for ready without a loss; never stalled, it begins after 2 clocks and is a pixel a clock."""
    ways = Ways(bench)
    bench.set(readout_mode=ReadoutMode.EDGE)
    for frame in ways.frames:
        ways.source.send(frame)
        await ways.check([frame], [], "edge")
        ways.raw.pace = never
        await ways.replay()
        await bench.clock(STALL)
        bench.check(bool(ways.raw.offered) and not ways.raw.items, "a stalled replay offered nothing, or lost a pixel")
        bench.check(bench.dut.replaying.value == 1, "a stalled replay is over")
        ways.raw.pace = always
        await ways.check([], [frame], "after a stall")
        asked = await ways.replay()
        # A pixel of the next frame waits meanwhile.
        ways.source.send(frame)
        await bench.clock(3 + len(frame))
        bench.check(
            ways.raw.received[0] == asked + 3, f"the first pixel came {ways.raw.received[0] - asked} clocks late"
        )
        took = ways.raw.received[-1] - ways.raw.received[0] + 1
        bench.check(len(ways.raw.items) == took == len(frame), f"{len(frame)} pixels came in {took} clocks")
        await ways.check([frame], [frame], "replay, and the next frame")
