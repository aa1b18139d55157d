"""Commands and the register bank alone: what is repeated, half sent, damaged or too slow."""

from typing import Any

from amaranth import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from edgeray.channel import Command as Sent
from edgeray.protocol.packets import COMMAND_HEADER, REPLY, ReplyStatus
from edgeray.protocol.registers import BY_NAME
from hdl.command import PATIENCE_BITS as BUILT_IN
from hdl.command import Command
from hdl.layouts import byte_layout
from hdl.params import Params
from hdl.registers import RegisterBank
from testbench.bench import Bench, simulated
from testbench.runner import Build
from testbench.streams import randomly

PARAMS = Params(rows=8, columns=9)
PATIENCE_BITS = 8
PATIENCE = 1 << PATIENCE_BITS
ANSWER = 200
"""Clocks in which a command is answered after its last byte."""


class Control(wiring.Component):
    """Parser and bank, and what the bank was made to do."""

    def __init__(self) -> None:
        super().__init__({
            "i": In(stream.Signature(8)), "reply": Out(stream.Signature(byte_layout())), "errors": Out(32),
            "order": Out(8), "ordered": Out(1), "index": Out(24), "entry": Out(32), "entered": Out(1),
        })  # fmt: skip

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.command = command = Command(PATIENCE_BITS)
        m.submodules.bank = bank = RegisterBank(PARAMS)
        wiring.connect(m, wiring.flipped(self.i), command.i)
        wiring.connect(m, command.bus, bank.bus)
        wiring.connect(m, command.reply, wiring.flipped(self.reply))
        m.d.comb += [
            bank.counters.command_errors.eq(command.errors),
            self.errors.eq(command.errors),
            self.order.eq(bank.bus.value),
            self.ordered.eq(bank.pulsed.command),
            self.index.eq(bank.table_index),
            self.entry.eq(bank.bus.value),
            self.entered.eq(bank.pulsed.correction_data),
        ]
        return m


BUILDS = (Build("", Control),)


class Deeds:
    """What the board did."""

    def __init__(self, bench: Bench):
        self._dut = bench.dut
        self.orders: list[int] = []
        self.table: dict[int, int] = {}

    def drive(self) -> None:
        """Nothing to drive."""

    def sample(self, clock: int) -> None:
        if self._dut.ordered.value == 1:
            self.orders.append(int(self._dut.order.value))
        if self._dut.entered.value == 1:
            self.table[int(self._dut.index.value)] = int(self._dut.entry.value)


class Host:
    """Sends bytes and looks at replies; numbers are given by the test."""

    def __init__(self, bench: Bench):
        self.bench, self.source, self.sink = bench, bench.source(), bench.sink("reply")
        self.sink.pace = randomly(bench.random, 0.7)

    async def replies(self, data: bytes) -> list[dict[str, int]]:
        """Replies to `data`, sent without a pause."""
        self.source.send(data)
        await self.bench.until(lambda: not self.source.items, 50 * len(data) + 50, "acceptance of all bytes")
        await self.bench.clock(ANSWER)
        data = bytes(one["data"] for one in self.sink.fields())
        self.sink.items.clear()
        found, size = [], COMMAND_HEADER.size + REPLY.size
        for at in range(0, len(data), size):
            header, payload = data[at:][: COMMAND_HEADER.size], data[at + COMMAND_HEADER.size : at + size]
            found.append({**COMMAND_HEADER.unpack(header), **REPLY.unpack(payload)})
        return found

    async def ask(self, command: Sent, number: int) -> dict[str, int]:
        """The reply to a command, which there has to be."""
        found = await self.replies(command.pack(number))
        self.bench.check(len(found) == 1, f"{len(found)} replies to the {command}")
        (reply,) = found
        self.bench.check(reply["sequence"] == number, f"reply to {reply['sequence']}, not {number}")
        self.bench.check(reply["address"] == command.address, f"reply of {reply['address']:#x}: the {command}")
        return reply


def write(name: str, value: int) -> Sent:
    return Sent(name, BY_NAME[name].address, value)


def read(name: str) -> Sent:
    return Sent(name, BY_NAME[name].address)


def _damaged(bench: Bench, data: bytes) -> bytes:
    """All, the beginning, or all but one byte of `data`, some with a wrong bit."""
    random = bench.random
    place = random.randrange(len(data))
    wrong = bytearray(data)
    wrong[place] ^= 1 << random.randrange(8)
    return random.choice((bytes(wrong), data[:place], data[:place] + data[place + 1 :], b""))


@simulated(cycles=900_000)
async def acts_once(bench: Bench) -> None:
    """Commands and replies are lost, cut and damaged; each is repeated until its reply comes, and acts once."""
    host, deeds = Host(bench), bench.add(Deeds(bench))
    host.source.pace = randomly(bench.random, 0.8)
    orders: list[int] = []
    table: dict[int, int] = {}
    index = lost = 0
    for step in range(400):
        kind, value = bench.random.choice(("order", "order", "entry", "block", "index", "setting", "read")), step
        if kind == "order":
            command = write("command", value % 16)
            orders.append(value % 16)
        elif kind == "entry":
            command = write("correction_data", value)
            table[index], index = value, index + 1
        elif kind == "block":
            values = tuple(value + place for place in range(bench.random.randint(1, 9)))
            command = Sent("correction_data", BY_NAME["correction_data"].address, words=values)
            table |= dict(enumerate(values, start=index))
            index += len(values)
        elif kind == "index":
            index = bench.random.randrange(1000)
            command = write("table_index", index)
        else:
            command = write("nimages", value) if kind == "setting" else read("table_index")
        data = command.pack(step % 256)
        while True:
            arrives, answered = bench.random.random() < 0.7, bench.random.random() < 0.7
            replies = await host.replies(data if arrives else _damaged(bench, data))
            if answered and any(one["sequence"] == step % 256 for one in replies):
                break
            lost += 1
    bench.check(deeds.orders == orders, f"{len(deeds.orders)} orders were executed, not {len(orders)}")
    bench.check(deeds.table == table, f"the table is {deeds.table}, not {table}")
    bench.check(lost > 200, f"{lost} tries were in vain: too few to tell")


@simulated(cycles=60_000)
async def repeated(bench: Bench) -> None:
    """A repeated write is answered as it was and not executed; a read, or the number after another, is executed."""
    host, deeds = Host(bench), bench.add(Deeds(bench))
    for number, command in enumerate(
        (write("command", 5), write("nimages", 9), write("pga_gain", 6), write("state", 1), Sent("none", 0x7FFF, 1))
    ):
        first = await host.ask(command, number)
        for _ in range(3):
            again = await host.ask(command, number)
            bench.check(again == first, f"the repeated {command} was answered with {again}, not {first}")
    bench.check(deeds.orders == [5], f"orders {deeds.orders} were executed, not one")
    await host.ask(write("command", 1), 7)
    await host.ask(read("nimages"), 8)
    await host.ask(write("command", 1), 7)
    bench.check(deeds.orders == [5, 1, 1], f"orders {deeds.orders} were executed, not 5, 1 and 1")
    before = await host.ask(read("command_errors"), 9)
    await host.replies(write("nimages", 1).pack(10)[:-1] + b"\0")
    after = await host.ask(read("command_errors"), 9)
    bench.check(after["value"] == before["value"] + 1, "a repeated read was not executed")
    # A write behind a read with its number.
    await host.ask(read("nimages"), 11)
    reply = await host.ask(write("nimages", 77), 11)
    bench.check(reply["value"] == 9, "the number of a read was not remembered")


@simulated(cycles=60_000)
async def first_of_all(bench: Bench) -> None:
    """After reset no number is remembered."""
    host, deeds = Host(bench), bench.add(Deeds(bench))
    reply = await host.ask(write("command", 3), 0)
    bench.check(reply["status"] == ReplyStatus.OK and deeds.orders == [3], "the first command was taken for repeated")


@simulated(cycles=150_000)
async def missing_byte(bench: Bench) -> None:
    """A command that lost any one byte costs no more than itself, although the next one follows at once."""
    host = Host(bench)
    before = await host.ask(read("nimages"), 0)
    for size, command in (("write", write("nimages", 0x01020304)), ("read", read("nimages"))):
        data = command.pack(1)
        for place in range(len(data)):
            following = write("count_time", place + 1)
            replies = await host.replies(data[:place] + data[place + 1 :] + following.pack(2 + place))
            got = [(one["sequence"], one["value"]) for one in replies]
            bench.check(
                got == [(2 + place, place + 1)], f"a {size} without byte {place}: replies {got} to the next command"
            )
    reply = await host.ask(read("nimages"), 0)
    bench.check(reply["value"] == before["value"], "a damaged command was executed")


@simulated(cycles=150_000)
async def half_sent(bench: Bench) -> None:
    """However much of a command came: after the time it has, the next one is answered."""
    host, errors = Host(bench), 0
    data = write("nimages", 0x01020304).pack(1)
    before = await host.ask(read("nimages"), 0)
    for size in range(len(data)):
        bench.check(await host.replies(data[:size]) == [], f"{size} bytes of a command were answered")
        await bench.clock(PATIENCE)
        errors += size >= 2
        # Told before the next command comes.
        bench.check(int(bench.dut.errors.value) == errors, f"{size} bytes of a command were not counted")
        reply = await host.ask(read("nimages"), 2)
        bench.check(reply["value"] == before["value"], f"{size} bytes of a command were executed")


@simulated(cycles=150_000)
async def slow_bytes(bench: Bench) -> None:
    """A byte may come as late as it is allowed to, and no later; a reply may be taken whenever."""
    slowest = 10 * BY_NAME["uart_divisor"].maximum
    bench.check(4 * slowest <= 1 << BUILT_IN, f"{1 << BUILT_IN} clocks are no patience for bytes of {slowest}")
    host = Host(bench)
    for size, clocks in ((17, PATIENCE), (17, PATIENCE - 1), (13, PATIENCE), (17, PATIENCE + 8)):
        command = write("nimages", clocks) if size == 17 else read("nimages")
        for byte in command.pack(clocks % 256):
            host.source.send([byte])
            await bench.until(lambda: not host.source.items, 20, "acceptance of the byte")
            # The byte was there a clock before.
            await bench.clock(clocks - 1)
        bench.check(bool(host.sink.items) == (clocks <= PATIENCE), f"{clocks} clocks from byte to byte")
        host.sink.items.clear()
    host.sink.pace = lambda: False
    host.source.send(read("nimages").pack(5))
    await bench.clock(5 * PATIENCE)
    host.sink.pace = lambda: True
    await bench.clock(40)
    size = COMMAND_HEADER.size + REPLY.size
    bench.check(len(host.sink.items) == size, "a reply that was not taken for long is gone")
