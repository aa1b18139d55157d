"""The command parser alone against its golden model: any bytes, any pauses, any pace of bytes and replies."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from edgeray.protocol.packets import (
    BLOCK_WORDS,
    COMMAND_HEADER,
    REPLY,
    SYNC,
    VERSION,
    WRITE_SIZE,
    CommandType,
    PacketType,
    ReplyStatus,
    packet,
)
from hdl.command import Command
from sim.golden.command import Command as Whole
from sim.golden.command import CommandParser
from testbench.bench import Bench, simulated
from testbench.runner import Build
from testbench.streams import randomly

PATIENCE_BITS = 6
SETTLED = 40
"""Clocks in which what has no reply is over."""
REPLY_BYTES = COMMAND_HEADER.size + REPLY.size
GENERATION = 2
VECTORS = Path(__file__).parent.parent / "tests" / "vectors"

BUILDS = (Build("", partial(Command, PATIENCE_BITS)),)


class Bank:
    """Stands for the register bank: notes what it is asked for, and answers every access in another way, some time
    later; what it shows before that is rubbish.
    """

    def __init__(self, bench: Bench):
        self._bench, self._dut = bench, bench.dut
        self.accesses: list[tuple[int, int, int]] = []
        self.answers: list[tuple[int, int]] = []
        self._asked: tuple[int, int, int] | None = None
        self._answers = False

    def drive(self) -> None:
        number, random = len(self.answers), self._bench.random
        self._answers = self._asked is not None and random.random() < 0.4
        refused = ReplyStatus(number // 6 % 3 + 1) if number % 6 == 5 else ReplyStatus.OK
        answer = (int(refused), 7919 * number) if self._answers else (random.randrange(4), random.getrandbits(32))
        dut = self._dut
        dut.bus__done.value, (dut.bus__status.value, dut.bus__read_value.value) = int(self._answers), answer
        if self._answers:
            self.answers.append(answer)

    def sample(self, clock: int) -> None:
        dut = self._dut
        if dut.bus__access.value == 1:
            write = int(dut.bus__write.value)
            asks = write, int(dut.bus__address.value), int(dut.bus__value.value) if write else 0
            self._bench.check(self._asked in (None, asks), f"the bus changed from {self._asked} to {asks}")
            self._asked = asks
            if self._answers:
                self.accesses.append(asks)
                self._asked = None
        else:
            self._bench.check(self._asked is None, "the bus was left before its answer")


class Rig:
    """Gateware and model side by side."""

    def __init__(self, bench: Bench):
        self.bench, self.model = bench, CommandParser()
        self.bank: Bank = bench.add(Bank(bench))
        self.source, self.sink = bench.source(), bench.sink("reply")
        bench.set(generation=GENERATION)
        self.whole: list[Whole] = []

    async def send(self, data: bytes) -> None:
        """Send `data` in one go, and wait until all of it was dealt with."""
        self.whole += self.model.feed(data)
        self.source.send(data)
        await self.bench.until(lambda: not self.source.items, 80 * len(data) + 4_000, "acceptance of all bytes")

    async def pause(self) -> None:
        """Send nothing for as long as a command may take to go on."""
        self.model.pause()
        # Replies that wait are taken first: meanwhile a byte may have to wait too.
        await self.answered()
        await self.bench.clock((1 << PATIENCE_BITS) + 2 * SETTLED)

    async def answered(self) -> None:
        """Wait until all commands are answered."""
        total = REPLY_BYTES * len(self.whole)
        await self.bench.until(lambda: len(self.sink.items) >= total, 40_000, "the last reply")

    async def compare(self, what: str) -> None:
        """Compare all that has happened so far."""
        bench = self.bench
        pace, self.sink.pace = self.sink.pace, lambda: True
        await self.answered()
        await bench.clock(2 * SETTLED)
        self.sink.pace = pace
        wanted: list[tuple[int, int, int]] = []
        replies, answers, answer = [], iter(self.bank.answers), (0, 0)
        for one in self.whole:
            if one.executed:
                written = 0
                for word in one.words or (None,):
                    wanted.append((int(word is not None), one.address, word or 0))
                    answer = next(answers, (-1, 0))
                    if answer[0] != ReplyStatus.OK:
                        break
                    written += 1
                if one.type == CommandType.WRITE_BLOCK:
                    answer = answer[0], written
            status, value = answer if one.known else (ReplyStatus.UNKNOWN_COMMAND, 0)
            fields = {"generation": GENERATION, "last": 1, "type": PacketType.REPLY, "version": VERSION}
            fields |= {"sequence": one.sequence, "address": one.address, "length": REPLY.size}
            replies.append(COMMAND_HEADER.pack(fields) + REPLY.pack({"status": status, "value": value}))
        got = self.bank.accesses
        bench.check(got == wanted, f"{what}: {len(got)} accesses {got[-3:]}, not {len(wanted)} {wanted[-3:]}")
        sent = self.sink.fields()
        data = bytes(one["data"] for one in sent)
        there = [data[at : at + REPLY_BYTES] for at in range(0, len(data), REPLY_BYTES)]
        bench.check(len(there) == len(replies), f"{what}: {len(there)} replies, not {len(replies)}")
        for mine, its in zip(there, replies, strict=True):
            bench.check(mine == its, f"{what}: reply {mine.hex()}, not {its.hex()}")
        ends = [place % REPLY_BYTES for place, one in enumerate(sent) if one["last"]]
        bench.check(ends == [REPLY_BYTES - 1] * len(replies), f"{what}: replies end at {ends[-3:]}")
        errors = int(bench.dut.errors.value)
        bench.check(errors == self.model.errors, f"{what}: {errors} commands thrown away, not {self.model.errors}")


def command(bench: Bench) -> bytes:
    """Any command, most of them good ones; few sequence numbers, so that some are repeated."""
    random = bench.random
    kind = random.choice((CommandType.READ, CommandType.WRITE, CommandType.WRITE, CommandType.WRITE_BLOCK))
    count = {CommandType.READ: 0, CommandType.WRITE: 1}.get(kind, random.choice((1, 2, 3, 9, BLOCK_WORDS)))
    fields = {
        "generation": random.randrange(4), "last": random.randrange(2), "type": kind, "version": VERSION,
        "sequence": random.choice((0, 1, 0xE6, 0x9A)), "address": random.randrange(1 << 16),
        "length": WRITE_SIZE * count,
    }  # fmt: skip
    payload = random.choice((random.randbytes(WRITE_SIZE * count), (SYNC + SYNC) * count))
    match random.randrange(12):
        case 0:
            fields["type"] = random.randrange(8)
        case 1:
            fields["version"] = random.randrange(4)
        case 2:
            fields["length"] = random.choice((0, 1, 3, WRITE_SIZE, 5, 4 * BLOCK_WORDS + 4, 0x0200, 0xFFFF))
        case 3:
            payload = random.randbytes(random.choice((*range(9), 4 * BLOCK_WORDS + 4)))
            fields["length"] = len(payload)
    return packet(COMMAND_HEADER.pack(fields), payload)


def damaged(bench: Bench, data: bytes) -> bytes:
    """`data` with a bit turned, a byte gone or put in, cut, or noise before it."""
    random, place = bench.random, bench.random.randrange(len(data))
    match random.randrange(5):
        case 0:
            return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]
        case 1:
            return data[:place] + data[place + 1 :]
        case 2:
            return data[:place] + random.choice((SYNC, SYNC[:1], random.randbytes(1))) + data[place:]
        case 3:
            return data[:place]
        case _:
            return random.choice((SYNC, SYNC[:1], random.randbytes(random.randrange(20)))) + data


@simulated(cycles=900_000)
async def mutated(bench: Bench) -> None:
    """Commands, good and damaged, without a pause or with one wherever it may be."""
    rig, random = Rig(bench), bench.random
    rig.source.pace = randomly(random, 0.8)
    rig.sink.pace = randomly(random, 0.5)
    for _ in range(150):
        data = b""
        for _ in range(random.randint(1, 8)):
            one = command(bench)
            data += damaged(bench, one) if random.random() < 0.4 else one
        while data:
            size = random.randint(1, len(data))
            await rig.send(data[:size])
            data = data[size:]
            if random.random() < 0.5:
                await rig.pause()
        # What is half sent may be given up while answers are waited for.
        await rig.pause()
        await rig.compare("mutated commands")
    executed = sum(one.executed for one in rig.whole)
    repeated = sum(one.known and not one.executed for one in rig.whole)
    unknown = sum(not one.known for one in rig.whole)
    enough = executed > 100 and repeated > 10 and unknown > 10 and rig.model.errors > 50
    blocks = sum(one.executed and len(one.words) > 1 for one in rig.whole)
    enough = enough and blocks > 20 and any(len(one.words) == BLOCK_WORDS and one.executed for one in rig.whole)
    bench.check(
        enough,
        f"{blocks} blocks, {executed} executed, {repeated} repeated, {unknown} unknown, {rig.model.errors} thrown away",
    )


@simulated(cycles=200_000)
async def noise(bench: Bench) -> None:
    """Random bytes, with more of those that SYNC has."""
    rig, random = Rig(bench), bench.random
    rig.source.pace = randomly(random, 0.9)
    for _ in range(60):
        data = random.choices((*range(256), *(100 * SYNC)), k=random.randint(1, 400))
        await rig.send(bytes(data))
        if random.random() < 0.5:
            await rig.pause()
        await rig.pause()
        await rig.compare("noise")


@simulated(cycles=400_000)
async def vectors(bench: Bench) -> None:
    """The golden vectors of commands, and what fuzzing found, in one piece and with pauses."""
    rig, random = Rig(bench), bench.random
    await _vectors(bench, rig, sorted([*VECTORS.glob("commands*.bin"), *(VECTORS / "found").glob("command-*.bin")]))
    bench.check(len(rig.whole) > 20 and random is not None, "there are no vectors")


async def _vectors(bench: Bench, rig: Rig, paths: Iterable[Path]) -> None:
    for path in paths:
        data = path.read_bytes()
        await rig.send(data)
        await rig.pause()
        await rig.compare(path.name)
        for _ in range(4):
            place = bench.random.randrange(len(data))
            await rig.send(data[:place])
            await rig.pause()
            await rig.send(data[place:])
            await rig.pause()
            await rig.compare(f"{path.name}, with a pause before byte {place}")
