"""The command parser alone against its golden model: any bytes, any pauses, any pace of bytes and replies."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from edgeray.protocol.packets import (
    COMMAND_HEADER,
    OVERHEAD,
    SYNC,
    VERSION,
    WRITE_SIZE,
    CommandType,
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
SETTLED = OVERHEAD + WRITE_SIZE
"""Clocks in which a command that is whole is executed and answered."""
VECTORS = Path(__file__).parent.parent / "tests" / "vectors"

BUILDS = (Build("", partial(Command, PATIENCE_BITS)),)


class Bank:
    """Stands for the register bank: notes what it is asked for, and answers every access in another way."""

    def __init__(self, bench: Bench):
        self._dut = bench.dut
        self.accesses: list[tuple[int, int, int | None]] = []
        self.answers: list[tuple[int, int]] = []
        self._answer: tuple[int, int] | None = None

    def drive(self) -> None:
        if self._answer is not None:
            self._dut.bus__status.value, self._dut.bus__read_value.value = self._answer
            self.answers.append(self._answer)
            self._answer = None

    def sample(self, clock: int) -> None:
        dut = self._dut
        if dut.bus__access.value == 1:
            value = int(dut.bus__value.value) if dut.bus__write.value == 1 else None
            self.accesses.append((int(dut.bus__write.value), int(dut.bus__address.value), value))
            self._answer = len(self.accesses) % (ReplyStatus.VALUE_REFUSED + 1), 7919 * len(self.accesses)


class Rig:
    """Gateware and model side by side."""

    def __init__(self, bench: Bench):
        self.bench, self.model = bench, CommandParser()
        self.bank: Bank = bench.add(Bank(bench))
        self.source, self.sink = bench.source(), bench.sink("reply")
        self.whole: list[Whole] = []

    async def send(self, data: bytes) -> None:
        """Send `data` in one go, and wait until all of it was dealt with."""
        self.whole += self.model.feed(data)
        self.source.send(data)
        await self.bench.until(lambda: not self.source.items, 40 * len(data) + 200, "acceptance of all bytes")

    async def pause(self) -> None:
        """Send nothing for as long as a command may take to go on."""
        self.model.pause()
        # Replies that wait are taken first: meanwhile a byte may have to wait too.
        await self.bench.clock((1 << PATIENCE_BITS) + 2 * SETTLED)

    async def compare(self, what: str) -> None:
        """Compare all that has happened so far."""
        bench = self.bench
        pace, self.sink.pace = self.sink.pace, lambda: True
        await bench.clock(2 * SETTLED)
        self.sink.pace = pace
        executed = [one for one in self.whole if one.executed]
        wanted = [(int(one.value is not None), one.address, one.value) for one in executed]
        bench.check(self.bank.accesses == wanted, f"{what}: accesses {self.bank.accesses[-3:]}, not {wanted[-3:]}")
        replies, answers, answer = [], iter(self.bank.answers), (0, 0)
        for one in self.whole:
            if one.executed:
                answer = next(answers)
            status, value = answer if one.known else (ReplyStatus.UNKNOWN_COMMAND, 0)
            replies.append({"sequence": one.sequence, "address": one.address, "status": int(status), "value": value})
        got = self.sink.fields()
        bench.check(len(got) == len(replies), f"{what}: {len(got)} replies, not {len(replies)}")
        for mine, its in zip(got, replies, strict=True):
            fields = {name: int(mine[name]) for name in its}
            bench.check(fields == its, f"{what}: reply {fields}, not {its}")
        errors = int(bench.dut.errors.value)
        bench.check(errors == self.model.errors, f"{what}: {errors} commands thrown away, not {self.model.errors}")


def command(bench: Bench) -> bytes:
    """Any command, most of them good ones; few sequence numbers, so that some are repeated."""
    random = bench.random
    write = random.random() < 0.7
    fields = {
        "generation": random.randrange(4), "last": random.randrange(2), "type": CommandType(write), "version": VERSION,
        "sequence": random.choice((0, 1, 0xE6, 0x9A)), "address": random.randrange(1 << 16),
        "length": WRITE_SIZE if write else 0,
    }  # fmt: skip
    payload = random.choice((random.randbytes(WRITE_SIZE), SYNC + SYNC)) if write else b""
    match random.randrange(12):
        case 0:
            fields["type"] = random.randrange(8)
        case 1:
            fields["version"] = random.randrange(4)
        case 2:
            fields["length"] = random.choice((0, 1, 3, WRITE_SIZE, 5, 0xFFFF))
        case 3:
            payload = random.randbytes(random.randrange(9))
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


@simulated(cycles=400_000)
async def mutated(bench: Bench) -> None:
    """Commands, good and damaged, without a pause or with one wherever it may be."""
    rig, random = Rig(bench), bench.random
    rig.source.pace = randomly(random, 0.8)
    rig.sink.pace = randomly(random, 0.5)
    for _ in range(50):
        data = b""
        for _ in range(random.randint(1, 12)):
            one = command(bench)
            data += damaged(bench, one) if random.random() < 0.4 else one
        while data:
            size = random.randint(1, len(data))
            await rig.send(data[:size])
            data = data[size:]
            if random.random() < 0.5:
                await rig.pause()
        await rig.compare("mutated commands")
    executed = sum(one.executed for one in rig.whole)
    repeated = sum(one.known and not one.executed for one in rig.whole)
    unknown = sum(not one.known for one in rig.whole)
    enough = executed > 100 and repeated > 10 and unknown > 10 and rig.model.errors > 50
    bench.check(enough, f"{executed} executed, {repeated} repeated, {unknown} unknown, {rig.model.errors} thrown away")


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
