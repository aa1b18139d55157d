"""Packet buffer and framing against the golden model: payloads in, packets out, byte for byte."""

from functools import partial

from edgeray.protocol.packets import COMMAND_HEADER, REPLY, VERSION, PacketType, packet
from hdl.frame import Frame
from hdl.params import Params
from sim.golden.encode import Payload
from sim.golden.frame import frame_packets
from testbench.bench import Bench, simulated
from testbench.host import Received, check_packets, split
from testbench.payloads import words
from testbench.runner import Build
from testbench.stages import STALL, paces
from testbench.streams import StreamSink, StreamSource, always, never, randomly

PARAMS = Params(rows=8, columns=9)
BUILDS = (Build("", partial(Frame, PARAMS)),)
_KINDS = (PacketType.META, PacketType.STORED, PacketType.BITMAP)


class Ends:
    """The three streams of the stage, and the packets that are to come of what is sent."""

    def __init__(self, bench: Bench):
        self.bench = bench
        self.words: StreamSource = bench.source()
        self.replies: StreamSource = bench.source("reply")
        self.link: StreamSink = bench.sink()
        self.expected: list[Received] = []
        self.answers: list[Received] = []

    def send(self, *lengths: int) -> None:
        """Write a frame of payloads of these lengths; every word of the one before has to be accepted."""
        bench, chances = self.bench, self.bench.random
        payloads = [
            Payload(
                chances.choice(_KINDS), chances.getrandbits(12), bool(chances.getrandbits(1)), chances.randbytes(size)
            )
            for size in lengths
        ]
        number, generation = chances.getrandbits(32), chances.getrandbits(2)
        bench.set(sequence=number, generation=generation)
        self.expected += split(frame_packets(payloads, number, generation, PARAMS))[0]
        for payload in payloads:
            *content, end = words(payload)
            chances.shuffle(content)
            self.words.send([*content, end])
        bench.figures.frames += 1

    async def frame(self, *lengths: int, patience: int = 20_000) -> None:
        """Write a frame and wait until all of its words are accepted."""
        self.send(*lengths)
        await self.bench.until(lambda: not self.words.items, patience, "acceptance of a frame")

    def reply(self, generation: int = 0) -> None:
        """Give a reply; `generation` is what the input of that name shows."""
        chances = self.bench.random
        fields = {"status": chances.getrandbits(8), "value": chances.getrandbits(32)}
        whose = {"sequence": chances.getrandbits(8), "address": chances.getrandbits(16)}
        self.replies.send([{**whose, **fields}])
        header = {"generation": generation, "last": 1, "type": PacketType.REPLY, "version": VERSION}
        whole = packet(COMMAND_HEADER.pack({**header, **whose, "length": REPLY.size}), REPLY.pack(fields))
        self.answers += split(whole)[0]

    async def finish(self, what: str) -> list[int]:
        """Wait for all packets and compare them; returns the places of the replies among them."""
        bench = self.bench
        total = sum(len(one.data) for one in (*self.expected, *self.answers))
        await bench.until(lambda: len(self.link.items) >= total, 12 * total + 1_000, "the last byte")
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


@simulated(cycles=400_000)
async def every_pace(bench: Bench) -> None:
    """Payloads of every length, several a frame, at any pace of both ends."""
    ends, most = Ends(bench), PARAMS.packet_bytes
    for what, ends.words.pace, ends.link.pace in paces(bench):
        for length in range(1, most + 1):
            await ends.frame(*(length, bench.random.randint(1, most), bench.random.randint(1, 9))[: length % 3 + 1])
        await ends.finish(what)


@simulated(cycles=100_000)
async def replies(bench: Bench) -> None:
    """Replies between payloads, in their order, lose and change neither; they carry the generation of now."""
    ends = Ends(bench)
    ends.link.pace, ends.replies.pace = randomly(bench.random, 0.5), randomly(bench.random, 0.02)
    for _ in range(20):
        await ends.frame(*(bench.random.randint(1, PARAMS.packet_bytes) for _ in range(3)))
        # Sent one after the other, so that the generation is still the one shown when they go.
        for _ in range(3):
            ends.reply(int(bench.dut.generation.value))
        await bench.until(lambda: not ends.replies.items, 20_000, "acceptance of the replies")
    await ends.finish("replies")


@simulated(cycles=20_000)
async def room(bench: Bench) -> None:
    """`room` promises that a whole frame and its META are taken, though the link stands still; and is not too shy."""
    ends = Ends(bench)
    meta = PARAMS.frame_bytes - PARAMS.packet_bytes
    for _ in range(5):
        ends.link.pace, frames = never, 0
        while bench.dut.room.value == 1:
            await ends.frame(meta, PARAMS.packet_bytes, patience=4 + PARAMS.frame_bytes // 4)
            await bench.clock(2)
            frames += 1
        bench.check(frames == PARAMS.buffer_bytes // PARAMS.frame_bytes, f"room for {frames} frames")
        bench.check(bench.dut.unsent.value == 1, "unsent is low while packets wait")
        ends.link.pace = always
        await ends.finish("after room was used up")


@simulated(cycles=20_000)
async def full_stall(bench: Bench) -> None:
    """More than the buffer, or its queue of payloads, holds waits at the input; then a reply is the next to go."""
    ends = Ends(bench)
    for lengths in ([PARAMS.packet_bytes] * 6, [1] * 24, [5] * 40):
        what = f"{len(lengths)} payloads of {lengths[0]} bytes"
        ends.link.pace = never
        ends.send(*lengths)
        await bench.clock(PARAMS.buffer_bytes)
        held = len(ends.words.items)
        await bench.clock(STALL)
        bench.check(0 < held == len(ends.words.items), f"{what}: the input did not stall")
        bench.check(bench.dut.room.value == 0, f"{what}: room in a full buffer")
        bench.check(bench.dut.unsent.value == 1, f"{what}: unsent is low while packets wait")
        ends.reply(int(bench.dut.generation.value))
        await bench.clock(STALL)
        bench.check(bool(ends.replies.items), f"{what}: a reply was taken into the middle of a packet")
        ends.link.pace = always
        places = await ends.finish(what)
        bench.check(places == [1], f"{what}: the reply came as packet {places}, not 1")
