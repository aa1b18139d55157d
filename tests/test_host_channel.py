"""Commands over a link that loses some in both directions: each acts once, and all arrive.

`Board` keeps the rule of `hdl.command`: the number that it executed last is answered again and not executed.
"""

import random
import struct
from collections import deque

import pytest

from edgeray.channel import Channel, Command
from edgeray.errors import CommandRefused, DeviceTimeout
from edgeray.link import Link
from edgeray.protocol.packets import (
    BLOCK_WORDS,
    COMMAND_HEADER,
    REPLY,
    VERSION,
    CommandType,
    PacketType,
    ReplyStatus,
    packet,
)
from edgeray.protocol.registers import BY_NAME
from edgeray.splitter import Packet, Splitter
from tests.fake_board import FakeBoard, served

SEEDS = range(8)
MANY_TRIES = 100
"""So that a command gives up by no chance, however much is lost."""
INDEX, DATA, ORDERS = (BY_NAME[name].address for name in ("table_index", "correction_data", "command"))
SETTINGS = range(0x41, 0x4A)


class Board(Link):
    """A link and the board at its end, which answers at once.

    Parameters
    ----------
    seed, loss : how much is lost, of the commands and of the replies.
    remembers : False for a board that executes whatever comes.
    delay : replies that the link may hold back, so that the host repeats what was executed.
    """

    def __init__(self, seed: int = 0, loss: float = 0.0, *, remembers: bool = True, delay: int = 0) -> None:
        self.random, self.loss, self.remembers, self.delay = random.Random(seed), loss, remembers, delay
        self.registers: dict[int, int] = {}
        self.table: dict[int, int] = {}
        self.orders: list[int] = []
        self.last: int | None = None
        self.block: int | None = None
        """Words of the command executed last, if that was a block."""
        self.lost = self.executed = 0
        self._commands = Splitter()
        self._replies: deque[bytes] = deque()

    def write(self, data: bytes) -> None:
        for one in self._commands.feed(data):
            if self.loses():
                continue
            value = self.execute(one)
            if not self.loses():
                fields = {"generation": 0, "last": 1, "type": PacketType.REPLY, "version": VERSION}
                place = {"sequence": one.sequence, "address": one.address, "length": REPLY.size}
                payload = REPLY.pack({"status": ReplyStatus.OK, "value": value})
                self._replies.append(packet(COMMAND_HEADER.pack({**fields, **place}), payload))

    def loses(self) -> bool:
        lost = self.random.random() < self.loss
        self.lost += lost
        return lost

    def execute(self, one: Packet) -> int:
        repeated = self.remembers and one.type != CommandType.READ and one.sequence == self.last
        self.last = one.sequence
        if not repeated:
            words = [value for (value,) in struct.iter_unpack("<I", one.payload)]
            self.executed += bool(words)
            self.block = len(words) if one.type == CommandType.WRITE_BLOCK else None
            for value in words:
                self.act(one.address, value)
        return self.registers.get(one.address, 0) if self.block is None else self.block

    def act(self, address: int, value: int) -> None:
        if address == ORDERS:
            self.orders.append(value)
        elif address == DATA:
            index = self.registers[INDEX]
            self.table[index], self.registers[INDEX] = value, index + 1
        else:
            self.registers[address] = value

    def read_available(self, timeout: float) -> bytes:
        count = len(self._replies) - self.random.randint(0, self.delay)
        return b"".join(self._replies.popleft() for _ in range(max(0, count)))


def channel(board: Board) -> Channel:
    """No reply comes later than at once: one that is not there is lost, or late."""
    return Channel(board, reply_timeout=0.0)


def order(value: int) -> Command:
    return Command("command", ORDERS, value, once=True)


def orders(board: Board, count: int) -> list[int]:
    """Orders and, between them, settings and reads; returns those that the board has to have acted on."""
    one = channel(board)
    wanted = []
    for number in range(count):
        settings = [Command("setting", address, number) for address in board.random.sample(SETTINGS, 3)]
        commands = [*settings, Command("read", SETTINGS[0]), order(number), order(number)]
        board.random.shuffle(commands)
        one.run(commands, tries=MANY_TRIES)
        wanted += [number, number]
        assert all(board.registers[each.address] == number for each in settings)
    return wanted


@pytest.mark.parametrize("delay", [0, 3])
@pytest.mark.parametrize("seed", SEEDS)
def test_an_order_acts_once_although_commands_and_replies_are_lost(seed: int, delay: int) -> None:
    board = Board(seed, loss=0.2, delay=delay)
    assert orders(board, 200) == board.orders, f"seed {seed}"
    assert board.lost > 200


def test_without_the_board_s_memory_an_order_acts_twice() -> None:
    """What the test above is there to catch."""
    board = Board(loss=0.2, remembers=False)
    assert len(orders(board, 200)) < len(board.orders)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_counted_up_table_is_not_shifted(seed: int) -> None:
    board = Board(seed, loss=0.1, delay=2)
    words = [board.random.getrandbits(32) for _ in range(300)]
    data = [Command("data", DATA, word, once=True) for word in words]
    channel(board).run([Command("index", INDEX, 7), *data], tries=MANY_TRIES)
    assert board.table == dict(enumerate(words, start=7)), f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
def test_blocks_of_a_table_arrive_once_and_in_order(seed: int) -> None:
    board = Board(seed, loss=0.2, delay=2)
    words = [board.random.getrandbits(32) for _ in range(5 * BLOCK_WORDS + 3)]
    one = channel(board)
    one.run([Command("index", INDEX, 7)], tries=MANY_TRIES)
    before = board.executed
    one.write_block(DATA, words, tries=MANY_TRIES)
    one.write_block(DATA, [])
    assert board.table == dict(enumerate(words, start=7)), f"seed {seed}"
    assert board.executed == before + 6


def test_without_the_board_s_memory_a_block_is_written_twice() -> None:
    board = Board(loss=0.2, remembers=False)
    one = channel(board)
    one.run([Command("index", INDEX, 0)], tries=MANY_TRIES)
    one.write_block(DATA, range(20 * BLOCK_WORDS), tries=MANY_TRIES)
    assert len(board.table) > 20 * BLOCK_WORDS


def test_a_refused_block_says_how_far_it_came() -> None:
    with served(FakeBoard()) as board, Link(board.url) as link:
        one, threshold = Channel(link), BY_NAME["edge_threshold"]
        with pytest.raises(CommandRefused, match=r"3 words to edge_threshold: value refused; it took the first 1$"):
            one.write_block(threshold.address, [9, 0, 10], name="edge_threshold")
        assert board.get("edge_threshold") == 9
        with pytest.raises(CommandRefused, match="2 words to register 0x1: read only; it took the first 0"):
            one.write_block(1, [1, 2])
        board.mute = True
        one.reply_timeout = 0.01
        with pytest.raises(DeviceTimeout, match="write of 1 words to register"):
            one.write_block(threshold.address, [11])


@pytest.mark.parametrize("before", [0, 1, 5])
def test_a_new_host_is_not_taken_for_the_one_before_it(before: int) -> None:
    """A channel starts where the board's memory may just be, whatever it sends first."""
    board = Board()
    channel(board).run([order(1) for _ in range(before)])
    for _ in range(3):
        channel(board).run([order(2)])
    assert board.orders == [1] * before + [2] * 3


def test_numbers_that_come_round_are_not_taken_for_repetitions() -> None:
    board = Board()
    one = channel(board)
    one.run([order(1)])
    for given_up in range(250, 262):
        board.loss = 1.0
        for _ in range(given_up):
            with pytest.raises(DeviceTimeout):
                one.run([order(9)], tries=1)
        board.loss = 0.0
        one.run([order(2)])
    assert board.orders == [1] + [2] * 12


def test_one_late_command_among_hundreds() -> None:
    """The number of one that waits for its time-out is not given to another."""

    class Loses(Board):
        def loses(self) -> bool:
            self.lost += 1
            return self.lost == 5

    board = Loses()
    one = Channel(board, reply_timeout=0.5)
    addresses = range(0x1000, 0x1000 + 2000)
    assert one.run([Command("setting", address, address) for address in addresses]) == list(addresses)
