"""Packet buffer and framing against the golden model: payloads in, packets out, byte for byte."""

from functools import partial

from edgeray.protocol.packets import COMMAND_HEADER, REPLY, VERSION, PacketType, packet
from hdl.frame import Frame
from hdl.params import Params
from sim.golden.encode import Payload
from sim.golden.frame import frame_packets
from testbench.bench import Bench, params, simulated
from testbench.host import Received, check_packets, split
from testbench.payloads import Word, words
from testbench.runner import Build
from testbench.stages import STALL, paces
from testbench.streams import StreamSink, StreamSource, always, never, randomly


class FourRows(Params):
    """A build whose packets hold four rows, as those of much larger arrays do."""

    @property
    def log2_rows(self) -> int:
        return 2


BUILDS = (
    Build("8x9", partial(Frame, Params(rows=8, columns=9, buffer_bytes=2048))),
    # META is longer than any other payload; checksums bit by bit.
    Build("1x4", partial(Frame, Params(rows=1, columns=4, guard_ring=0, sample_bits=8, byte_clocks=8))),
    # Several packets in a frame.
    Build("10x6", partial(Frame, FourRows(rows=10, columns=6, sample_bits=8, byte_clocks=4)), ("first_rows",)),
)
_CODED = (PacketType.EDGE, PacketType.RAW)
_STORED = (PacketType.EDGE_STORED, PacketType.RAW_STORED)


class Ends:
    """The three streams of the stage, and the packets that are to come of what is sent."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.words: StreamSource = bench.source()
        self.replies: StreamSource = bench.source("reply")
        self.link: StreamSink = bench.sink()
        self.expected: list[Received] = []
        self.answers: list[Received] = []

    def send(self, *lengths: int, skip: bool | None = None) -> None:
        """Write a frame of payloads of these lengths, at fixed width (`skip`) or in code; every word of the one before
        has to be accepted. What is written beside a payload and not sent is rubbish.
        """
        chances = self.bench.random
        payloads, written = [], []
        for size in lengths:
            skips = bool(chances.getrandbits(1)) if skip is None else skip
            kind = chances.choice(_STORED if skips else _CODED)
            first_row = chances.randrange(params().packets) * params().rows_per_packet
            payload = Payload(kind, first_row, bool(chances.getrandbits(1)), chances.randbytes(size))
            rubbish = chances.randbytes(4 * chances.randint(0, min(params().payload_words, 200)))
            written += words(payload, chances, rubbish, skips)
            payloads.append(payload)
        self._send(payloads, written)

    def meta(self) -> None:
        """Write a META."""
        payload = Payload(PacketType.META, 0, False, self.bench.random.randbytes(4 * params().meta_words))
        self._send([payload], words(payload, self.bench.random))

    def _send(self, payloads: list[Payload], written: list[Word | None]) -> None:
        bench = self.bench
        number, generation = bench.random.getrandbits(32), bench.random.getrandbits(2)
        bench.set(sequence=number, generation=generation)
        self.expected += split(frame_packets(payloads, number, generation, params()))[0]
        self.words.send(written)
        bench.figures.frames += 1

    async def accepted(self, patience: int = 20_000) -> None:
        """Wait until all words are accepted."""
        await self.bench.until(lambda: not self.words.items, patience, "acceptance of a frame")
        # `room` is a clock behind.
        await self.bench.clock(2)

    async def frame(self, *lengths: int) -> None:
        """Write a frame when there is room for it."""
        await self.bench.until(lambda: self.bench.dut.room.value == 1, 20_000, "room")
        self.send(*lengths)
        await self.accepted()

    def reply(self, generation: int = 0) -> None:
        """Give a reply."""
        chances = self.bench.random
        fields = {"status": chances.getrandbits(8), "value": chances.getrandbits(32)}
        whose = {"sequence": chances.getrandbits(8), "address": chances.getrandbits(16)}
        header = {"generation": generation, "last": 1, "type": PacketType.REPLY, "version": VERSION}
        parts = COMMAND_HEADER.pack({**header, **whose, "length": REPLY.size}), REPLY.pack(fields)
        data = b"".join(parts)
        self.replies.send({"data": byte, "last": place == len(data) - 1} for place, byte in enumerate(data))
        self.answers += split(packet(*parts))[0]

    async def finish(self, what: str) -> list[int]:
        """Wait for all packets and compare them; returns the places of the replies among them."""
        bench = self.bench
        total = sum(len(one.data) for one in (*self.expected, *self.answers))
        await bench.until(lambda: len(self.link.items) >= total, 80 * total + 1_000, "the last byte")
        await bench.clock(40)
        packets, rest = split(bytes(self.link.items))
        bench.check(not rest, f"{what}: {len(rest)} bytes too many")
        places = [place for place, one in enumerate(packets) if one.header["type"] == PacketType.REPLY]
        check_packets(bench, self.expected, [one for one in packets if one.header["type"] != PacketType.REPLY], what)
        check_packets(bench, self.answers, [packets[place] for place in places], f"{what}: replies")
        state = int(bench.dut.room.value), int(bench.dut.unsent.value)
        bench.check(state == (1, 0), f"{what}: room, unsent {state} when all is sent, not (1, 0)")
        self.expected, self.answers = [], []
        self.link.items.clear()
        return places


def _longest() -> int:
    """Bytes of the longest payload."""
    return params().payload_bytes(params().rows)


@simulated(cycles=200_000)
async def every_pace(bench: Bench) -> None:
    """Payloads of every length, up to two a frame, with META between them, at any pace of both ends."""
    ends, most = Ends(bench), _longest()
    bench.set(audit=1)
    for what, ends.words.pace, ends.link.pace in paces(bench):
        for length in range(1, most + 1, 1 if ends.link.pace is always else 5):
            if length % 7 == 1:
                await bench.until(lambda: bench.dut.room.value == 1, 20_000, "room")
                ends.meta()
                await ends.accepted()
            await ends.frame(*(length, bench.random.randint(1, most))[: length % 2 + 1])
        await ends.finish(what)


@simulated(cycles=100_000)
async def replies(bench: Bench) -> None:
    """Replies between payloads, in their order, lose and change neither; they carry the generation of now."""
    ends = Ends(bench)
    bench.set(audit=1)
    ends.link.pace, ends.replies.pace = randomly(bench.random, 0.5), randomly(bench.random, 0.02)
    for _ in range(20):
        await ends.frame(*(bench.random.randint(1, _longest()) for _ in range(2)))
        # Sent one after the other, so that the generation is still the one shown when they go.
        for _ in range(3):
            ends.reply(int(bench.dut.generation.value))
        await bench.until(lambda: not ends.replies.items, 20_000, "acceptance of the replies")
    await ends.finish("replies")


def _frames_that_fit(audit: bool, shy: bool) -> int:
    """Frames that the buffer takes, the first in code, the others at fixed width; `shy` with a fifth of it to spare."""
    build = params()
    packets = 1 + build.frame_packets(audit=audit)
    needs = build.coded_words(audit=audit), build.fixed_words(audit=audit), packets
    left = [build.ring_words, build.ring_words, build.buffer_packets]
    frames = 0
    while all(has >= need + (has - need + 5) // 5 * shy for has, need in zip(left, needs, strict=True)):
        takes = (build.meta_words, needs[1], packets) if frames else (needs[0], 0, packets)
        left = [has - one for has, one in zip(left, takes, strict=True)]
        frames += 1
    return frames


@simulated(cycles=400_000)
async def room(bench: Bench) -> None:
    """`room` promises that a whole frame and its META fit though the link stands still; it is not too shy, and a reply
    given then is the next to go.
    """
    ends = Ends(bench)
    for number in range(6):
        audit = number % 2
        bench.set(audit=audit)
        ends.link.pace, frames = never, 0
        await bench.clock(3)
        while bench.dut.room.value == 1:
            lengths = [_longest()] * params().packets * (1 + audit)
            ends.meta()
            await ends.accepted()
            # The first frame leaves nothing but its code, the others all that they can.
            ends.send(*lengths, skip=frames > 0)
            await ends.accepted(len(ends.words.items))
            frames += 1
        least, most = (_frames_that_fit(bool(audit), shy) for shy in (True, False))
        bench.check(least <= frames <= most, f"audit {audit}: room for {frames} frames, not {least} to {most}")
        await bench.clock(STALL)
        bench.check(bench.dut.unsent.value == 1, "unsent is low while packets wait")
        ends.reply(int(bench.dut.generation.value))
        await bench.clock(STALL)
        bench.check(bool(ends.replies.items), "a reply was taken into the middle of a packet")
        ends.link.pace = always
        places = await ends.finish("after room was used up")
        bench.check(places == [1], f"the reply came as packet {places}, not 1")


@simulated(cycles=40_000)
async def first_rows(bench: Bench) -> None:
    """Short packets of any part of the frame, more of them than the buffer has headers for."""
    ends = Ends(bench)
    for _ in range(60):
        await ends.frame(*(bench.random.randint(1, 40) for _ in range(params().packets)))
    await ends.finish("short packets")


@simulated(cycles=20_000)
async def a_byte_a_clock(bench: Bench) -> None:
    """A link that takes all gets a byte a clock, but for 1 clock between two packets; or one in `byte_clocks` + 1."""
    ends = Ends(bench)
    bench.set(audit=1)
    for _ in range(10):
        times = ends.link.received
        times.clear()
        await ends.frame(_longest(), _longest())
        sizes = [len(one.data) for one in ends.expected]
        await ends.finish("a byte a clock")
        took = times[-1] - times[0] + 1
        clocks = params().byte_clocks
        right = sum(sizes) + 1 if clocks == 1 else (clocks + 1) * sum(sizes)
        bench.check(took == right or (clocks > 1 and took <= right), f"packets of {sizes} bytes took {took} clocks")
